//! What the check found, and how it is shown.

use std::fmt;

/// How something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is as it should be.
    Right,
    /// It works, and could be better: what to do.
    Advice(String),
    /// It is wrong: what to do.
    Wrong(String),
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it stands.
    pub standing: Standing,
}

impl Finding {
    /// Right, or else wrong with what to do about it.
    pub(crate) fn expect(what: impl Into<String>, right: bool, remedy: impl Into<String>) -> Self {
        let standing = if right { Standing::Right } else { Standing::Wrong(remedy.into()) };
        Self { what: what.into(), standing }
    }

    /// Right, or else to be thought about.
    pub(crate) fn advise(what: impl Into<String>, right: bool, advice: impl Into<String>) -> Self {
        let standing = if right { Standing::Right } else { Standing::Advice(advice.into()) };
        Self { what: what.into(), standing }
    }

    /// What could not be looked at is wrong, too.
    pub(crate) fn failed(what: impl Into<String>, error: impl fmt::Display, remedy: &str) -> Self {
        Self { what: what.into(), standing: Standing::Wrong(format!("{error:#}. {remedy}")) }
    }

    /// What was found, or that it [could not be looked at](Self::failed).
    pub(crate) fn or_failed(what: &str, found: anyhow::Result<Self>, remedy: &str) -> Self {
        found.unwrap_or_else(|error| Self::failed(what, error, remedy))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, remedy) = match &self.standing {
            Standing::Right => ("right", ""),
            Standing::Advice(advice) => ("ADVICE", advice.as_str()),
            Standing::Wrong(remedy) => ("WRONG", remedy.as_str()),
        };
        write!(f, "{mark:6}  {:44}  {remedy}", self.what)
    }
}
