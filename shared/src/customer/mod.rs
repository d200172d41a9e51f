//! Which LINE user a member of the company is, and whether that user is a friend of the official account.
//!
//! * [`friend`] - whether a user is a friend, as far as known
//! * [`link`] - which LINE user a member is
//! * [`link_token`] - the company's app says which member comes to link
//! * [`used_token`] - a link token belongs to the browser that used it first
//! * [`unlink`] - ends a link, and the grant at LINE
//! * [`login_secret`] - LINE Login's secret
//! * [`pseudonym`] - what stands for a person who is forgotten

pub mod friend;
pub mod link;
pub mod link_token;
pub mod login_secret;
pub mod pseudonym;
pub mod unlink;
pub mod used_token;
