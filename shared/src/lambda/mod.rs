//! What every function stands on.
//!
//! * [`environment`] - its variables
//! * [`log`] - JSON log lines
//! * [`init`] - what is done before the first event, and how long that waits
//! * [`http_api`] - JSON answers and problem details
//! * [`problem_code`] - what can be wrong with a call, in words for programs
//! * [`http_event`] - what of an HTTP event is taken
//! * [`callers`] - the keys that callers come with
//! * [`batch`] - a queue's batch, each message by itself

pub mod batch;
pub mod callers;
pub mod environment;
pub mod http_api;
pub mod http_event;
pub mod init;
pub mod log;
pub mod problem_code;
