//! What is wrong with a text that should be an id, a field or a setting.

use std::borrow::Cow;

use serde_json::{Value, json};

/// What is wrong, as a phrase that follows the name of what was read: `must be an https address`. It quotes no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Invalid {
    problem: Cow<'static, str>,
    rule: Option<Rule>,
}

impl Invalid {
    /// What breaks a rule that callers know by its name.
    pub fn by(rule: Rule, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { problem: problem.into(), rule: Some(rule) }
    }

    /// The rule, where it has a name.
    pub fn rule(&self) -> Option<&Rule> {
        self.rule.as_ref()
    }
}

impl From<&'static str> for Invalid {
    fn from(problem: &'static str) -> Self {
        Self { problem: problem.into(), rule: None }
    }
}

impl From<String> for Invalid {
    fn from(problem: String) -> Self {
        Self { problem: problem.into(), rule: None }
    }
}

/// What a value must be, for a program that says it in a language of its own: the operators' console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One of these words.
    OneOf(String),
    /// A day, such as 2026-09-01.
    Day,
    /// A day or a time with its zone.
    DayOrTime,
    /// A day that has come.
    NotInTheFuture,
    /// One of so many days before today, or today.
    LastDays(u64),
    /// No day before the first report.
    SinceTheFirstReport,
    /// A whole number of these.
    WholeNumber {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// At least one character, and at most so many.
    Characters(u64),
    /// An id of the company's, at most so long.
    Id(u64),
    /// LINE's id of a user.
    LineUserId,
    /// An https address.
    HttpsAddress,
    /// One of those who get the mails.
    Recipient,
    /// The `next` of the page before.
    Cursor,
}

impl Rule {
    /// The word in an answer.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OneOf(_) => "one_of",
            Self::Day => "day",
            Self::DayOrTime => "day_or_time",
            Self::NotInTheFuture => "not_in_the_future",
            Self::LastDays(_) => "last_days",
            Self::SinceTheFirstReport => "since_the_first_report",
            Self::WholeNumber { .. } => "whole_number",
            Self::Characters(_) => "characters",
            Self::Id(_) => "id",
            Self::LineUserId => "line_user_id",
            Self::HttpsAddress => "https_address",
            Self::Recipient => "recipient",
            Self::Cursor => "cursor",
        }
    }

    /// As an answer has it: its name, and what it names.
    pub fn to_json(&self) -> Value {
        let mut json = json!({ "name": self.name() });
        match self {
            Self::OneOf(words) => json["values"] = json!(words),
            Self::WholeNumber { least, most } => (json["least"], json["most"]) = (json!(least), json!(most)),
            Self::LastDays(most) | Self::Characters(most) | Self::Id(most) => json["most"] = json!(most),
            _ => {}
        }
        json
    }
}
