//! What callbacks are signed with, in Secrets Manager: `{"current": "…", "previous": "…"}`, `previous` only while
//! rotating. Where there are two, both sign, so that the app may change its own at any time in between.

use std::fmt;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use shared::{
    aws::secret::{SecretContent, from_json},
    invalid::Invalid,
};

/// RFC 2104, 3: a key is at least as long as the hash.
const MIN_KEY: usize = 32;

/// The keys.
pub struct CallbackKeys {
    current: Key,
    previous: Option<Key>,
    dropped: Vec<Invalid>,
}

impl fmt::Debug for CallbackKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackKeys({})", 1 + usize::from(self.previous.is_some()))
    }
}

impl CallbackKeys {
    /// The value of the header: the signature of the body with each key, between commas.
    pub fn signature(&self, body: &[u8]) -> String {
        let keys = [Some(&self.current), self.previous.as_ref()];
        let signatures = keys.into_iter().flatten().map(|key| BASE64_STANDARD.encode(sign(key, body)));
        signatures.collect::<Vec<_>>().join(",")
    }

    /// Whether these are the same keys.
    pub fn sign_alike(&self, other: &Self) -> bool {
        self.signature(b"") == other.signature(b"")
    }
}

impl SecretContent for CallbackKeys {
    const PAGE: &'static str = "functions/line-login/README.md";
    const LETS_IN: bool = false;

    fn parse(json: &str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        struct Fields {
            current: String,
            previous: Option<String>,
        }
        let Fields { current, previous } = from_json(json)?;
        let previous = previous.filter(|key| !key.is_empty()).map(|text| key("previous", &text)).transpose();
        let (previous, dropped) = match previous {
            Ok(previous) => (previous, Vec::new()),
            Err(problem) => (None, vec![problem]),
        };
        Ok(Self { current: key("current", &current)?, previous, dropped })
    }

    fn dropped(&self) -> &[Invalid] {
        &self.dropped
    }
}

/// Its characters are the key, as with LINE's channel secret.
fn key(field: &str, text: &str) -> Result<Key, Invalid> {
    if text.len() < MIN_KEY {
        return Err(format!("field {field} must have at least {MIN_KEY} characters").into());
    }
    Ok(Key::new(HMAC_SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_malformed_secret_names_the_field() {
        for (json, expected) in [
            ("{}".to_owned(), "field current is missing"),
            (r#"{"current":"hunter2"}"#.to_owned(), "field current must have at least 32"),
            (format!(r#"{{"previous":"{LONG}"}}"#), "field current is missing"),
        ] {
            let error = CallbackKeys::parse(&json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        let keys = CallbackKeys::parse(&format!(r#"{{"current":"{LONG}","previous":"hunter2"}}"#)).unwrap();
        let [dropped] = keys.dropped() else { panic!("{keys:?}") };
        assert!(dropped.to_string().contains("field previous") && !dropped.to_string().contains("hunter2"));
        assert_eq!(keys.signature(b"{}").split(',').count(), 1);
    }

    /// RFC 4231 has no key of 32 characters; this one was made with OpenSSL: `openssl dgst -sha256 -hmac … -binary`.
    #[test]
    fn a_signature_is_as_line_makes_it_and_there_are_two_while_rotating() {
        let signed = |json: &str| CallbackKeys::parse(json).unwrap().signature(br#"{"type":"linked"}"#);
        let current = signed(&format!(r#"{{"current":"{LONG}"}}"#));
        assert_eq!(current, "VwOcrYsoSZdUhPS3fq0TMVKD0xnEz9G78XYNeUn3M70=");
        let other = signed(&format!(r#"{{"current":"f{LONG}","previous":""}}"#));
        assert_eq!(signed(&format!(r#"{{"current":"f{LONG}","previous":"{LONG}"}}"#)), format!("{other},{current}"));
    }
}
