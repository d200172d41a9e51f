//! Who calls the HTTP API: the keys that callers may come with.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use serde::Deserialize;

use crate::{
    aws::secret::{SecretContent, from_json},
    invalid::Invalid,
    token::sealing::SealingKey,
};

/// The keys that a caller (the order system, Sobot) may come with: `{"current": "…", "previous": "…"}`, `previous` only
/// while rotating. Only their digests are kept.
pub struct CallerKeys {
    digests: Vec<[u8; 32]>,
}

/// A shorter key could be guessed.
const MIN_KEY: usize = 16;

impl fmt::Debug for CallerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallerKeys({})", self.digests.len())
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    out
}

impl CallerKeys {
    /// Whether `key` is one of them. Digests of equal length are compared in constant time, all of them.
    pub fn accepts(&self, key: &str) -> bool {
        let candidate = sha256(key);
        self.digests.iter().fold(false, |found, digest| verify_slices_are_equal(digest, &candidate).is_ok() | found)
    }
}

/// A key, and the one before it while it is rotated.
#[derive(Deserialize)]
pub struct KeyFields {
    pub(crate) current: String,
    pub(crate) previous: Option<String>,
}

impl CallerKeys {
    /// `path` is where the fields stand in the secret, for the error.
    pub(crate) fn from_fields(path: &str, fields: KeyFields) -> Result<Self, Invalid> {
        let previous = fields.previous.filter(|key| !key.is_empty());
        for (name, key) in [("current", Some(&fields.current)), ("previous", previous.as_ref())] {
            if key.is_some_and(|key| key.len() < MIN_KEY) {
                return Err(format!("field {path}{name} must have at least {MIN_KEY} characters").into());
            }
        }
        Ok(Self { digests: [Some(fields.current), previous].iter().flatten().map(|key| sha256(key)).collect() })
    }
}

impl SecretContent for CallerKeys {
    const PAGE: &'static str = "functions/order-finished/README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
        Self::from_fields("", from_json(json)?)
    }
}

/// The keys of the operators, each with the operator's name:
/// `{"mei": "…", "kenji": {"current": "…", "previous": "…"}}`. What is done with a key is noted under its name.
pub struct OperatorKeys {
    operators: Vec<(String, CallerKeys)>,
    /// Seals the cursors of lists; derived from the secret, so that it changes with it.
    pub sealing_key: SealingKey,
}

/// The longest name of an operator.
const MAX_OPERATOR: usize = 32;

impl fmt::Debug for OperatorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorKeys({})", self.operators.len())
    }
}

impl OperatorKeys {
    /// Whose key this is. Every key is compared, whichever matches.
    pub fn operator(&self, key: &str) -> Option<&str> {
        self.operators.iter().fold(None, |found, (name, keys)| if keys.accepts(key) { Some(name) } else { found })
    }
}

impl SecretContent for OperatorKeys {
    const PAGE: &'static str = "functions/operations/README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrTwo {
            One(String),
            Two(KeyFields),
        }
        let fields: BTreeMap<String, OneOrTwo> = from_json(json)?;
        if fields.is_empty() {
            return Err("must name an operator".into());
        }
        let mut operators = Vec::new();
        for (name, keys) in fields {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if !(1..=MAX_OPERATOR).contains(&name.len()) || !name.bytes().all(legal) {
                // Not quoted: who wrote name and key the wrong way round would find the key in a log.
                return Err(format!("an operator's name must be 1 to {MAX_OPERATOR} of A-Z a-z 0-9 . _ -").into());
            }
            let keys = match keys {
                OneOrTwo::One(current) => KeyFields { current, previous: None },
                OneOrTwo::Two(keys) => keys,
            };
            let keys = CallerKeys::from_fields(&format!("{name}."), keys)?;
            operators.push((name, keys));
        }
        Ok(Self { operators, sealing_key: SealingKey::derive(json.as_bytes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_and_previous_order_keys_are_accepted() {
        let keys = CallerKeys::parse(r#"{"current":"0123456789abcdef","previous":"fedcba9876543210"}"#).unwrap();
        assert!(keys.accepts("0123456789abcdef") && keys.accepts("fedcba9876543210"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef ", "0123456789ABCDEF"] {
            assert!(!keys.accepts(wrong), "{wrong:?}");
        }
        assert!(!CallerKeys::parse(r#"{"current":"0123456789abcdef","previous":""}"#).unwrap().accepts(""));
    }

    #[test]
    fn an_operators_key_tells_the_name() {
        let json = r#"{"mei":"0123456789abcdef","kenji":{"current":"fedcba9876543210","previous":"0000000000000000"}}"#;
        let keys = OperatorKeys::parse(json).unwrap();
        assert_eq!(keys.operator("0123456789abcdef"), Some("mei"));
        assert_eq!(["fedcba9876543210", "0000000000000000"].map(|key| keys.operator(key)), [Some("kenji"); 2]);
        assert_eq!(["", "mei", "0123456789abcdeF"].map(|key| keys.operator(key)), [None; 3]);
        for (json, expected) in [
            ("{}", "must name an operator"),
            (r#"{"mei":"hunter2"}"#, "field mei.current must have at least"),
            (r#"{"mei":{"previous":"hunter2"}}"#, "must be the JSON object"),
            (r#"{"hunter2 hunter2":"0123456789abcdef"}"#, "an operator's name must be"),
        ] {
            let error = OperatorKeys::parse(json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_malformed_secret_names_the_field_and_keeps_its_value() {
        for (json, expected) in [
            ("", "must be the JSON object"),
            (r#"{"previous":"hunter2hunter2hunter2"}"#, "field current is missing"),
            (r#"{"current":"hunter2"}"#, "field current must have at least"),
            (r#"{"current":["hunter2"]}"#, "must be the JSON object"),
            (r#"{"current":"0123456789abcdef","previous":"hunter2"}"#, "field previous must"),
        ] {
            let error = CallerKeys::parse(json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }
}
