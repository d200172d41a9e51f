//! What went wrong with a call to AWS, in a few words that are safe in a log: the SDK's own text can hold the raw
//! answer, and with it a secret or a user id.

use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// AWS's texts are kept to this many characters.
const MAX_TEXT: usize = 200;

/// The error's code and message where AWS answered, else the kind of failure.
pub fn told<E: ProvideErrorMetadata, R: fmt::Debug>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(failure) => code_and_message(failure.err()),
        SdkError::TimeoutError(_) => "time-out".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "time-out".to_owned(),
        SdkError::DispatchFailure(_) => "no connection".to_owned(),
        SdkError::ResponseError(_) => "an answer that cannot be read".to_owned(),
        _ => "the request could not be made".to_owned(),
    }
}

/// The error's code and message.
pub fn code_and_message(error: &impl ProvideErrorMetadata) -> String {
    let message: String = error.message().unwrap_or_default().chars().take(MAX_TEXT).collect();
    format!("{}: {message}", error.code().unwrap_or("no code"))
}
