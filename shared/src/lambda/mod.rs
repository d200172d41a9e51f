//! What every function stands on.
//!
//! * [`environment`] - its variables
//! * [`log`] - JSON log lines
//! * [`http_api`] - JSON answers and problem details
//! * [`http_event`] - what of an HTTP event is taken
//! * [`callers`] - the keys that callers come with
//! * [`batch`] - a queue's batch, each message by itself

pub mod batch;
pub mod callers;
pub mod environment;
pub mod http_api;
pub mod http_event;
pub mod log;
