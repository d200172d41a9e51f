//! LINE's Messaging API.
//!
//! * [`client`] - one function per endpoint, one log line per call
//! * [`statistics`] - the days and units that LINE counts by
//! * [`objects`] - message objects that cannot be built beyond LINE's limits
//! * [`assertion`] - the JWT that a channel access token is issued for
//! * [`channel`] - the channel with its secret and its shared token: what a push is sent through

pub mod assertion;
pub mod channel;
pub mod client;
pub mod objects;
pub mod statistics;
