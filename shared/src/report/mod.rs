//! What operators get by mail.
//!
//! * [`daily`] - what starts the report of a day, and which days had none
//! * [`latest`] - the latest mail, to look at and to send as a test
//! * [`last_look`] - how a month's figures stood when they were last looked at
//! * [`mail`] - mail through SES
//! * [`reports`] - what is done once although it is started at least once: the mail of a day, a warning of a month
//! * [`quota_warning`] - one mail per threshold of the month's quota
//! * [`stack`] - whose mail it is

pub mod daily;
pub mod last_look;
pub mod latest;
pub mod mail;
pub mod quota_warning;
pub mod reports;
pub mod stack;
