//! The signature of a webhook: proof that a request comes from LINE, over the bytes exactly as they came.
//!
//! Source: LINE, "Verify webhook signature": `x-line-signature` is the Base64 of HMAC-SHA256 over the raw body, keyed
//! with the channel secret. Reissuing the secret ends the old one at once, so both are accepted while rotating.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_STANDARD};

/// The header's name, compared without regard to case: LINE may change that.
pub const HEADER: &str = "x-line-signature";
/// The length of an HMAC-SHA256.
const LENGTH: usize = 32;

/// Why a request is not taken for LINE's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No signature came.
    Missing,
    /// Not the Base64 of 32 bytes.
    Malformed,
    /// Made with another secret, or over other bytes.
    Mismatch,
}

impl Refused {
    /// The word for the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Mismatch => "mismatch",
        }
    }
}

/// Verifies with the channel secret, and with the previous one while rotating.
pub struct SignatureKeys {
    keys: Vec<hmac::Key>,
}

impl fmt::Debug for SignatureKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignatureKeys({})", self.keys.len())
    }
}

impl SignatureKeys {
    /// Takes the secrets as the console shows them: their characters are the key.
    pub fn new<'a>(channel_secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let key = |secret: &str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Self { keys: channel_secrets.into_iter().map(key).collect() }
    }

    /// Whether `header` signs `body`. Compares in constant time, with every key.
    pub fn verify(&self, header: Option<&[u8]>, body: &[u8]) -> Result<(), Refused> {
        let signature = BASE64_STANDARD.decode(header.ok_or(Refused::Missing)?).map_err(|_| Refused::Malformed)?;
        if signature.len() != LENGTH {
            return Err(Refused::Malformed);
        }
        let signed = |key| hmac::verify(key, body, &signature).is_ok();
        if self.keys.iter().fold(false, |found, key| signed(key) | found) { Ok(()) } else { Err(Refused::Mismatch) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn known_signatures_verify() {
        for (secret, body, signature) in [
            (
                "8c570fa6dd201bb328f1c1eac23a96d8",
                r#"{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}"#,
                "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=",
            ),
            (
                SECRET,
                r#"{"destination":"U00000000000000000000000000000001","events":[]}"#,
                "YQU0voYIh8lUA1XaYoIEZg9trJlhjyu9qVt6HqVvWf4=",
            ),
            (
                SECRET,
                r#"{"destination":"U00000000000000000000000000000001","events":[{"type":"message","text":"充电宝 🔋\n"}]}"#,
                "RyH754IzCSjFwWs1l25fpsYniY5JykLqjqTBUDfyIlM=",
            ),
        ] {
            let keys = SignatureKeys::new([secret]);
            let verify = |signature: &str, body: &str| keys.verify(Some(signature.as_bytes()), body.as_bytes());
            assert_eq!(verify(signature, body), Ok(()), "{body}");
            assert_eq!(verify(signature, &format!("{body}\n")), Err(Refused::Mismatch));
            let rotating = SignatureKeys::new(["the new one", secret]);
            assert_eq!(rotating.verify(Some(signature.as_bytes()), body.as_bytes()), Ok(()));
            let rotated = SignatureKeys::new(["the new one"]);
            assert_eq!(rotated.verify(Some(signature.as_bytes()), body.as_bytes()), Err(Refused::Mismatch));
        }
    }

    #[test]
    fn what_is_no_signature_is_told_apart() {
        let keys = SignatureKeys::new([SECRET]);
        assert_eq!(keys.verify(None, b"x"), Err(Refused::Missing));
        for malformed in ["", "====", "not base64!", "AAAA", "YQU0voYIh8lUA1XaYoIEZg9trJlhjyu9qVt6HqVvWf4"] {
            assert_eq!(keys.verify(Some(malformed.as_bytes()), b"x"), Err(Refused::Malformed), "{malformed}");
        }
        let zeros = BASE64_STANDARD.encode([0; LENGTH]);
        assert_eq!(keys.verify(Some(zeros.as_bytes()), b"x"), Err(Refused::Mismatch));
        assert!(!format!("{keys:?}").contains("0123"));
    }
}
