//! What every use of AWS has in common.
//!
//! * [`error`] - what went wrong with a call, safe for a log
//! * [`table`] - DynamoDB's tables: reads, conditional writes, transactions
//! * [`secret`] - what Secrets Manager holds, in memory

pub mod error;
pub mod secret;
pub mod table;
