//! What went wrong with a call to AWS, in a few words that are safe in a log: the SDK's own text can hold the raw
//! answer, and with it a secret or a user id.

use std::{borrow::Cow, fmt};

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;

use crate::invalid::Invalid;

/// AWS's texts are kept to this many characters.
const MAX_TEXT: usize = 200;

/// A call to AWS that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not {doing}: {cause}")]
pub struct AwsError {
    /// What it was for, such as `read the record`.
    pub doing: Cow<'static, str>,
    /// Why.
    pub cause: Cause,
}

/// Why a call to AWS came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// AWS may have done it, or may not.
    #[error("time-out")]
    TimedOut,
    /// AWS was not reached, or broke off.
    #[error("no connection")]
    NoConnection,
    /// AWS answered what is not of its API.
    #[error("an answer that cannot be read")]
    Unreadable,
    /// Nothing was sent.
    #[error("the request could not be made")]
    NotMade,
    /// AWS answered with an error.
    #[error("{code}: {message}")]
    Refused {
        /// Its code, such as `ThrottlingException`.
        code: String,
        /// Its message, or the beginning of it.
        message: String,
    },
    /// What was read had changed each time that it was to be written.
    #[error("others wrote it meanwhile, again and again")]
    Overtaken,
    /// AWS holds what we did not write, or what it cannot hold was to be written.
    #[error("{0}")]
    Malformed(String),
}

impl<E: ProvideErrorMetadata, R: fmt::Debug> From<SdkError<E, R>> for Cause {
    fn from(error: SdkError<E, R>) -> Self {
        match error {
            SdkError::ServiceError(failure) => Self::Refused {
                code: failure.err().code().unwrap_or("no code").to_owned(),
                message: shortened(failure.err().message().unwrap_or_default()),
            },
            SdkError::TimeoutError(_) => Self::TimedOut,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::TimedOut,
            SdkError::DispatchFailure(_) => Self::NoConnection,
            SdkError::ResponseError(_) => Self::Unreadable,
            _ => Self::NotMade,
        }
    }
}

/// What SQS did not take of a batch.
impl From<&BatchResultErrorEntry> for Cause {
    fn from(refused: &BatchResultErrorEntry) -> Self {
        Self::Refused { code: refused.code().to_owned(), message: shortened(refused.message().unwrap_or_default()) }
    }
}

impl From<BuildError> for Cause {
    fn from(_: BuildError) -> Self {
        Self::NotMade
    }
}

impl From<serde_dynamo::Error> for Cause {
    fn from(error: serde_dynamo::Error) -> Self {
        Self::Malformed(shortened(&error.to_string()))
    }
}

impl From<Invalid> for Cause {
    fn from(problem: Invalid) -> Self {
        Self::Malformed(problem.to_string())
    }
}

/// Says what a call was for.
pub trait Doing<T> {
    /// `doing` completes "could not …".
    fn doing(self, doing: impl Into<Cow<'static, str>>) -> Result<T, AwsError>;
}

impl<T, E: Into<Cause>> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl Into<Cow<'static, str>>) -> Result<T, AwsError> {
        self.map_err(|error| AwsError { doing: doing.into(), cause: error.into() })
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::{error::ErrorMetadata, operation::get_item::GetItemError};

    use super::*;

    #[test]
    fn an_error_says_what_for_and_why_and_never_the_raw_answer() {
        let metadata = ErrorMetadata::builder().code("ThrottlingException").message("x".repeat(1000)).build();
        let refused = SdkError::service_error(GetItemError::generic(metadata), "hunter2");
        let error = Err::<(), _>(refused).doing("read the record").unwrap_err();
        assert_eq!(error.to_string(), format!("could not read the record: ThrottlingException: {}", "x".repeat(200)));
        let broken: SdkError<GetItemError, _> = SdkError::response_error("hunter2", "hunter2");
        assert_eq!(Cause::from(broken), Cause::Unreadable);
        let late: SdkError<GetItemError, ()> = SdkError::timeout_error("hunter2");
        assert_eq!(Cause::from(late).to_string(), "time-out");
    }
}
