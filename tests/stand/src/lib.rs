//! The whole stack on one machine, without AWS, LINE and Sobot.
//!
//! * [`stand`] - everything together, with verbs for the order system, the operator and the customer
//! * [`aws`] - the emulated AWS with `template.yaml` deployed to it, and the tap between it and the functions
//! * [`wire`] - what every call of a function passes through, to AWS, LINE, Sobot and the app: it can go wrong there
//! * [`line`] - LINE's API, refusing what LINE refuses; its webhooks; what the customer sees
//! * [`sobot`] - Sobot's API, with the errors and the slips of its documentation
//! * [`app`] - the company's app, as far as it is told of links
//! * [`api`] - the stack's own HTTP API, every call held against its document
//! * [`inbox_view`] - what the operator sees of the inbox
//! * [`browser`] - a real browser
//! * [`canaries`] - what no log and no error may say
//! * [`random`] - what nobody can guess

pub mod api;
pub mod app;
pub mod aws;
pub mod browser;
pub mod canaries;
pub mod inbox_view;
pub mod line;
pub mod random;
pub mod sobot;
pub mod stand;
pub mod wire;

/// The repository: what the stand deploys and drives is read from the work tree.
pub fn repository() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
