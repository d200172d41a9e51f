//! Where a figure comes from: it was read, or says why it is missing.

use std::{fmt::Display, time::Duration};

use serde::{Deserialize, Serialize};
use shared::{
    aws::error::AwsError,
    line::{channel::AnswerError, client::LineError},
    sobot::{
        account::{AccountError, is_used_twice},
        client::SobotError,
    },
    token::{
        credential::{AskError, CredentialError},
        shared::TokenError,
    },
};
use tokio::time::{Instant, timeout_at};

/// Figures are read within this time, so that a LINE or Sobot that answers nothing leaves time for the mail.
pub const MAX_TIME: Duration = Duration::from_secs(60);

/// A figure, or why there is none. One source may fail alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source<T> {
    /// It was read.
    Known(T),
    /// It could not be, because of this.
    Missing(Why),
}

/// Who gives figures out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partner {
    /// LINE.
    Line,
    /// Sobot.
    Sobot,
}

/// Why a figure is missing. The mail says it in its own words, the log what exactly happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It took longer than [`MAX_TIME`].
    TimedOut,
    /// LINE tells it only as it is now, and the mail is one of a past day.
    OfThatDayOnly,
    /// Nobody has kept it.
    NotKept,
    /// No answer came.
    NoAnswer(Partner),
    /// An error: LINE's HTTP status, or Sobot's code.
    Refused(Partner, String),
    /// An answer that is not as documented.
    Unusable(Partner),
    /// The secret is not there, or not as it must be.
    Secret(Partner),
    /// No access token could be had.
    NoToken(Partner),
    /// Somebody else ended the token as soon as it was issued: the credential is used twice.
    SharedCredential,
    /// DynamoDB, SQS or Secrets Manager.
    Aws,
}

impl From<AwsError> for Why {
    fn from(_: AwsError) -> Self {
        Self::Aws
    }
}

impl From<AnswerError> for Why {
    fn from(error: AnswerError) -> Self {
        match error {
            AskError::Call(error) | AskError::Credential(CredentialError::Token(TokenError::Issuer(error))) => {
                match error {
                    LineError::NoAnswer(_) => Self::NoAnswer(Partner::Line),
                    LineError::Status { status, .. } => Self::Refused(Partner::Line, status.to_string()),
                    LineError::Malformed(_) => Self::Unusable(Partner::Line),
                    LineError::Key(_) => Self::Secret(Partner::Line),
                }
            }
            AskError::Credential(error) => of_credential(Partner::Line, &error),
        }
    }
}

impl From<AccountError> for Why {
    fn from(error: AccountError) -> Self {
        if is_used_twice(&error) {
            return Self::SharedCredential;
        }
        match error {
            AskError::Call(error) | AskError::Credential(CredentialError::Token(TokenError::Issuer(error))) => {
                match error {
                    SobotError::NoAnswer(_) => Self::NoAnswer(Partner::Sobot),
                    SobotError::NoCode(_) | SobotError::Lacks(_) => Self::Unusable(Partner::Sobot),
                    SobotError::TokenMissing => Self::Refused(Partner::Sobot, "900001".to_owned()),
                    SobotError::TokenInvalid => Self::Refused(Partner::Sobot, "900002".to_owned()),
                    SobotError::BadParameters(_) => Self::Refused(Partner::Sobot, "999994".to_owned()),
                    SobotError::Unknown(_) => Self::Refused(Partner::Sobot, "999999".to_owned()),
                    SobotError::Other { code, .. } => Self::Refused(Partner::Sobot, code),
                }
            }
            AskError::Credential(error) => of_credential(Partner::Sobot, &error),
        }
    }
}

fn of_credential<E>(partner: Partner, error: &CredentialError<E>) -> Why {
    match error {
        CredentialError::Secret(_) => Why::Secret(partner),
        CredentialError::Token(TokenError::Store(_)) => Why::Aws,
        CredentialError::Token(_) => Why::NoToken(partner),
    }
}

impl<T: Clone> Source<T> {
    /// What reading gave.
    pub fn from<E: Display + Into<Why>>(result: Result<T, E>) -> Self {
        result.map_or_else(
            |error| {
                tracing::warn!(%error, "a figure is missing");
                Self::Missing(error.into())
            },
            Self::Known,
        )
    }

    /// The figure, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Missing(_) => None,
        }
    }

    /// What an earlier attempt has read is not read again; what takes too long is missing.
    pub async fn or_read<F, E: Display + Into<Why>>(earlier: Option<&Self>, deadline: Instant, read: F) -> Self
    where
        F: Future<Output = Result<T, E>>,
    {
        match (earlier.and_then(Self::known), timeout_at(deadline, read)) {
            (Some(value), _) => Self::Known(value.clone()),
            (None, reading) => reading.await.map_or(Self::Missing(Why::TimedOut), Self::from),
        }
    }
}
