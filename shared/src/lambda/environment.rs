//! The environment of a function, parsed once into typed values. `template.yaml` sets every variable.

use std::{fmt::Display, str::FromStr};

/// A variable is missing or wrong.
#[derive(Debug, thiserror::Error)]
#[error("environment variable {name}: {problem}; template.yaml sets it")]
pub struct SettingError {
    name: &'static str,
    problem: String,
}

impl SettingError {
    /// What is wrong with the variable; its value is not told.
    pub fn new(name: &'static str, problem: impl Into<String>) -> Self {
        Self { name, problem: problem.into() }
    }
}

/// Reads a variable that must be set and not empty.
pub fn required(name: &'static str) -> Result<String, SettingError> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(SettingError::new(name, "is not set")),
    }
}

/// Reads a variable that may be left empty.
pub fn optional(name: &'static str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Reads a variable that must parse.
pub fn parsed<T: FromStr<Err: Display>>(name: &'static str) -> Result<T, SettingError> {
    required(name)?.parse().map_err(|error: T::Err| SettingError::new(name, error.to_string()))
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
