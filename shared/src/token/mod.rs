//! Tokens: LINE's and Sobot's, and those of customers.
//!
//! * [`access`] - a bearer token, never printed
//! * [`credential`] - a secret and the token it is exchanged for; what is refused is read or made anew
//! * [`secret`] - what a token is issued for
//! * [`sealing`] - how it is kept in a table
//! * [`shared`] - one token for every instance of every function

pub mod access;
pub mod credential;
pub mod sealing;
pub mod secret;
pub mod shared;
