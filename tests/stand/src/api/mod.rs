//! The HTTP API as its callers meet it.
//!
//! * [`public_api`] - the API under an origin that is known before it is deployed
//! * [`open_api`] - `functions/openapi.yaml`, held against every call of that API
//! * [`http_server`] - the loopback server under it and under every stand-in

pub mod http_server;
pub mod open_api;
pub mod public_api;
