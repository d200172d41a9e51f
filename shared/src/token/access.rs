//! A bearer token as an issuer gives it out.

use std::{fmt, time::Duration};

/// A bearer token. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// Takes the token as the issuer gave it.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// The token, for the `Authorization` header.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// What a new bearer token is had for, without its user. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

impl RefreshToken {
    /// Takes the token as the issuer gave it.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// The token, for its issuer alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

/// What an issuer answers.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The new token.
    pub token: AccessToken,
    /// How long it is valid from now on.
    pub life: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let issued = IssuedToken { token: AccessToken::new("hunter2".to_owned()), life: Duration::from_secs(1) };
        let refresh = RefreshToken::new("hunter2".to_owned());
        assert!(!format!("{issued:?} {refresh:?}").contains("hunter2"));
    }
}
