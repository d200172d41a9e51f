//! The environment of a function, parsed once into typed values. `template.yaml` sets every variable.

use std::{fmt::Display, str::FromStr, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, timeout::TimeoutConfig};

/// A variable is missing or wrong.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name}: {problem}; template.yaml sets it")]
pub struct SettingError {
    name: &'static str,
    problem: String,
}

/// A function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its environment.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Its HTTP client.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// Reads a variable that must be set and not empty.
pub fn required(name: &'static str) -> Result<String, SettingError> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(SettingError { name, problem: "is not set".to_owned() }),
    }
}

/// Reads a variable that may be left empty.
pub fn optional(name: &'static str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Reads a variable that must parse.
pub fn parsed<T: FromStr<Err: Display>>(name: &'static str) -> Result<T, SettingError> {
    required(name)?.parse().map_err(|error: T::Err| SettingError { name, problem: error.to_string() })
}

/// The AWS configuration of a function: its role, its region, and time-outs that leave room for a push between two
/// calls.
pub async fn aws() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(4))
        .build();
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_variable() {
        let error = parsed::<u32>("A_VARIABLE_THAT_NOBODY_SETS").unwrap_err();
        assert!(error.to_string().contains("A_VARIABLE_THAT_NOBODY_SETS: is not set"), "{error}");
    }
}
