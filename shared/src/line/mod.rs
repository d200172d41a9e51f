//! LINE's Messaging API and LINE Login.
//!
//! * [`client`] - one function per endpoint, one log line per call
//! * [`content`] - what a message's picture, video, sound or file holds
//! * [`statistics`] - what LINE counted: messages, views, clicks, followers
//! * [`objects`] - message objects that cannot be built beyond LINE's limits
//! * [`assertion`] - the JWT that a channel access token is issued for
//! * [`signature`] - proof that a webhook comes from LINE
//! * [`webhook`] - the events of a webhook, typed
//! * [`channel`] - the channel with its secret and its shared token: what a push is sent through
//! * [`channel_secret`] - the channel's two secrets: what signs token requests, and what verifies webhooks
//! * [`day`] - LINE's calendar
//! * [`quota`] - the month's messages
//! * [`login`] - LINE Login: the code, the ID token, the friendship, the end of a grant

pub mod assertion;
pub mod channel;
pub mod channel_secret;
pub mod client;
pub mod content;
pub mod day;
pub mod login;
pub mod objects;
pub mod quota;
pub mod signature;
pub mod statistics;
pub mod webhook;
