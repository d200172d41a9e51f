//! What every use of AWS has in common.
//!
//! * [`error`] - what went wrong with a call, safe for a log
//! * [`secret`] - what Secrets Manager holds, in memory

pub mod error;
pub mod secret;
