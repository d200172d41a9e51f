//! What is wrong with a text that should be an id, a field or a setting.

use std::borrow::Cow;

/// What is wrong, as a phrase that follows the name of what was read: `must be an https address`. It quotes no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(Cow<'static, str>);

impl From<&'static str> for Invalid {
    fn from(problem: &'static str) -> Self {
        Self(problem.into())
    }
}

impl From<String> for Invalid {
    fn from(problem: String) -> Self {
        Self(problem.into())
    }
}
