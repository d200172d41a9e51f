//! What operators get by mail.
//!
//! * [`mail`] - mail through SES
//! * [`reports`] - what is done once although it is started at least once: the mail of a day, a warning of a month
//! * [`quota_warning`] - one mail per threshold of the month's quota

pub mod mail;
pub mod quota_warning;
pub mod reports;
