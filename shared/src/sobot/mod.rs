//! Sobot's API: the customer service system that the account's messages pass through.
//!
//! * [`client`] - one function per endpoint, one log line per call
//! * [`mass_send`] - the lists of mass sends and of what became of them for each recipient
//! * [`account`] - the credential with its shared token: what everything is asked for through
//! * [`pages`] - a list, page by page
//! * [`secret`] - the credential, and the keys of the webhook's address
//!
//! Sobot's page contradicts itself in places; what is read here is read in every form that the page shows.

pub mod account;
pub mod client;
pub mod mass_send;
pub mod pages;
pub mod secret;
