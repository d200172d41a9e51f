//! Tokens: LINE's and Sobot's, and those of customers.
//!
//! * [`access`] - a bearer token, never printed
//! * [`sealing`] - how it is kept in a table
//! * [`shared`] - one token for every instance of every function

pub mod access;
pub mod sealing;
pub mod shared;
