//! LINE's Messaging API.
//!
//! * [`client`] - one function per endpoint, one log line per call
//! * [`objects`] - message objects that cannot be built beyond LINE's limits
//! * [`assertion`] - the JWT that a channel access token is issued for
//! * [`signature`] - proof that a webhook comes from LINE
//! * [`webhook`] - the events of a webhook, typed
//! * [`channel`] - the channel with its secret and its shared token: what a push is sent through

pub mod assertion;
pub mod channel;
pub mod client;
pub mod objects;
pub mod signature;
pub mod webhook;
