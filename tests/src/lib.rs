//! The whole stack on one machine, without AWS, LINE and Sobot.
//!
//! * [`stand`] - everything together, with verbs for the order system, the operator and the customer
//! * [`local_aws`] - the emulated AWS with `template.yaml` deployed to it
//! * [`aws_tap`] - what the functions' calls to AWS pass through: it notes them, and can make them go wrong
//! * [`aws_policy`] - what each function's policy allows, held against its calls
//! * [`template`] - `template.yaml` as data
//! * [`http_server`] - the loopback server under every stand-in
//! * [`line_stand_in`] - LINE's API, refusing what LINE refuses
//! * [`sobot_stand_in`] - Sobot's API, with the errors and the slips of its documentation
//! * [`webhook_sender`] - webhooks as LINE signs and Sobot forwards them
//! * [`inbox_view`] - what the operator sees of the inbox
//! * [`line_screen`] - a received message as the customer sees it, for a terminal
//! * [`public_api`] - the HTTP API under an origin that is known before it is deployed
//! * [`open_api`] - `functions/openapi.yaml`, held against every call of that API
//! * [`browser`] - a real browser
//! * [`sam_local`] - what `sam local invoke` needs to work with a stand
//! * [`channel_key`] - a fresh assertion signing key

pub mod aws_policy;
pub mod aws_tap;
pub mod browser;
pub mod channel_key;
pub mod http_server;
pub mod inbox_view;
pub mod line_screen;
pub mod line_stand_in;
pub mod local_aws;
pub mod open_api;
pub mod public_api;
pub mod sam_local;
pub mod sobot_stand_in;
pub mod stand;
pub mod template;
pub mod webhook_sender;
