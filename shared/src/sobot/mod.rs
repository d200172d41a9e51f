//! Sobot's API: the customer service system that the account's messages pass through.
//!
//! * [`client`] - one function per endpoint, one log line per call
//! * [`account`] - the credential with its shared token: what the content of a message is asked for through
//!
//! Sobot's page contradicts itself in places; what is read here is read in every form that the page shows.

pub mod account;
pub mod client;
