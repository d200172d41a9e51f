//! Who calls the HTTP API: the keys that callers may come with, and what each of them may do.
//!
//! A secret with one bad key in it keeps the others: it is dropped alone, and rings. One in which no key is usable
//! says nothing usable. One without any key, `{}`, means nobody.

use std::fmt;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    aws::secret::{SecretContent, from_json},
    invalid::Invalid,
    token::sealing::SealingKey,
};

/// The keys that a caller (the order system, Sobot) may come with: `{"current": "…", "previous": "…"}`, `previous` only
/// while rotating. Only their digests are kept.
#[derive(Default)]
pub struct CallerKeys {
    digests: Vec<[u8; 32]>,
    dropped: Vec<Invalid>,
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

    /// What was not usable in the secret.
    pub fn dropped(&self) -> &[Invalid] {
        &self.dropped
    }

    /// Reads `current` and `previous`, each by itself. `path` is where they stand in the secret, for what is said of
    /// them; `legal` is what a key must be besides long enough.
    pub(crate) fn read(
        path: &str,
        fields: &Map<String, Value>,
        legal: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Self {
        let mut keys = Self::default();
        for (name, value) in fields {
            let problem = match (name.as_str(), value) {
                ("current" | "previous", Value::Null) => continue,
                ("previous", Value::String(key)) if key.is_empty() => continue,
                ("current" | "previous", Value::String(key)) if key.len() < MIN_KEY => {
                    format!("field {path}{name} must have at least {MIN_KEY} characters")
                }
                ("current" | "previous", Value::String(key)) => match legal(key) {
                    Ok(()) => {
                        keys.digests.push(sha256(key));
                        continue;
                    }
                    Err(problem) => format!("field {path}{name} {problem}"),
                },
                ("current" | "previous", _) => format!("field {path}{name} must be a text"),
                // Not quoted: who wrote name and key the wrong way round would find the key in a log.
                _ => format!("a field beside {path}current and {path}previous is not known"),
            };
            keys.dropped.push(problem.into());
        }
        keys
    }

    /// The keys, unless there is nothing but bad ones.
    pub(crate) fn usable(self) -> Result<Self, Invalid> {
        match self.dropped.first() {
            Some(problem) if self.digests.is_empty() => Err(problem.clone()),
            _ => Ok(self),
        }
    }
}

impl SecretContent for CallerKeys {
    const PAGE: &'static str = "functions/order-finished/README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
        Self::read("", &from_json(json)?, |_| Ok(())).usable()
    }

    fn dropped(&self) -> &[Invalid] {
        self.dropped()
    }
}

/// What an operator's key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything.
    Read,
    /// Change everything but a link: switches, resends, dead letters, what is kept of a person.
    Operate,
    /// End a member's link.
    Unlink,
    /// See whether a member is linked, and nothing else.
    Links,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Operate, Self::Unlink, Self::Links];

    /// Its name in the secret and in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Unlink => "unlink",
            Self::Links => "links",
        }
    }
}

/// An operator, and what the operator's key may do.
#[derive(Debug)]
pub struct OperatorKey {
    /// The operator's name, which is noted with what is done.
    pub name: String,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    keys: CallerKeys,
}

/// The keys of the operators, each with the operator's name:
/// `{"mei": "…", "app": {"current": "…", "previous": "…", "scopes": ["unlink"]}}`. What is done with a key is noted
/// under its name; without `scopes` it may do everything.
pub struct OperatorKeys {
    operators: Vec<OperatorKey>,
    dropped: Vec<Invalid>,
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
    pub fn operator(&self, key: &str) -> Option<&OperatorKey> {
        self.operators.iter().fold(None, |found, one| if one.keys.accepts(key) { Some(one) } else { found })
    }
}

impl OperatorKey {
    fn read(name: String, value: Value) -> Result<Self, Invalid> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=MAX_OPERATOR).contains(&name.len()) || !name.bytes().all(legal) {
            // Not quoted: who wrote name and key the wrong way round would find the key in a log.
            return Err(format!("an operator's name must be 1 to {MAX_OPERATOR} of A-Z a-z 0-9 . _ -").into());
        }
        let mut fields = match value {
            Value::Object(fields) => fields,
            current => Map::from_iter([("current".to_owned(), current)]),
        };
        let scopes = match fields.remove("scopes") {
            None => Scope::ALL.to_vec(),
            Some(scopes) => Vec::deserialize(scopes).ok().filter(|scopes| !scopes.is_empty()).ok_or_else(|| {
                Invalid::from(format!(
                    "field {name}.scopes must be a list of {}",
                    Scope::ALL.map(Scope::name).join(", ")
                ))
            })?,
        };
        let keys = CallerKeys::read(&format!("{name}."), &fields, |_| Ok(())).usable()?;
        Ok(Self { name, scopes, keys })
    }
}

impl SecretContent for OperatorKeys {
    const PAGE: &'static str = "functions/operations/README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
        let (mut operators, mut dropped) = (Vec::new(), Vec::new());
        for (name, value) in from_json::<Map<String, Value>>(json)? {
            match OperatorKey::read(name, value) {
                Ok(operator) => {
                    dropped.extend(operator.keys.dropped().iter().cloned());
                    operators.push(operator);
                }
                Err(problem) => dropped.push(problem),
            }
        }
        match dropped.first() {
            Some(problem) if operators.is_empty() => Err(problem.clone()),
            _ => Ok(Self { operators, dropped, sealing_key: SealingKey::derive(json.as_bytes()) }),
        }
    }

    fn dropped(&self) -> &[Invalid] {
        &self.dropped
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
    fn an_operators_key_tells_the_name_and_what_it_may_do() {
        let json = r#"{"mei":"0123456789abcdef","kenji":{"current":"fedcba9876543210","previous":"0000000000000000"},
            "app":{"current":"1111111111111111","scopes":["unlink"]}}"#;
        let keys = OperatorKeys::parse(json).unwrap();
        let operator = |key| keys.operator(key).map(|operator| (operator.name.as_str(), operator.scopes.as_slice()));
        assert_eq!(operator("0123456789abcdef"), Some(("mei", &Scope::ALL[..])));
        assert_eq!(["fedcba9876543210", "0000000000000000"].map(operator), [Some(("kenji", &Scope::ALL[..])); 2]);
        assert_eq!(operator("1111111111111111"), Some(("app", &[Scope::Unlink][..])));
        assert_eq!(["", "mei", "0123456789abcdeF"].map(operator), [None; 3]);
        for scope in Scope::ALL {
            assert_eq!(serde_json::from_value::<Scope>(scope.name().into()).unwrap(), scope);
        }
    }

    #[test]
    fn a_bad_key_is_dropped_alone_and_nothing_but_bad_keys_are_no_keys() {
        for (bad, expected) in [
            (r#""hunter2""#, "field mei.current must have at least"),
            (r#"7"#, "field mei.current must be a text"),
            (r#"{"previous":"hunter2"}"#, "field mei.previous must have at least"),
            (r#"{"hunter2hunter2hunter2":""}"#, "a field beside mei.current and mei.previous"),
            (r#"{"current":"hunter2hunter2hunter2","scopes":["hunter2"]}"#, "field mei.scopes must be a list of read"),
            (r#"{"current":"hunter2hunter2hunter2","scopes":[]}"#, "field mei.scopes must be a list of read"),
        ] {
            let error = OperatorKeys::parse(&format!(r#"{{"mei":{bad}}}"#)).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
            let keys = OperatorKeys::parse(&format!(r#"{{"mei":{bad},"kenji":"0123456789abcdef"}}"#)).unwrap();
            let [dropped] = keys.dropped() else { panic!("{:?}", keys.dropped()) };
            assert_eq!(dropped.to_string(), error);
            assert!(keys.operator("0123456789abcdef").is_some() && keys.operator("hunter2hunter2hunter2").is_none());
        }
        let named_by_its_key = r#"{"hunter2 hunter2":"0123456789abcdef"}"#;
        let error = OperatorKeys::parse(named_by_its_key).unwrap_err().to_string();
        assert!(error.contains("an operator's name must be") && !error.contains("hunter2"), "{error}");
        for nobody in ["{}", r#"{"mei":{}}"#] {
            let keys = OperatorKeys::parse(nobody).unwrap();
            assert!(keys.dropped().is_empty() && keys.operator("").is_none(), "{nobody}");
        }
    }

    #[test]
    fn a_malformed_secret_names_the_field_and_keeps_its_value() {
        for (json, expected) in [
            ("", "must be the JSON object"),
            (r#"["hunter2hunter2hunter2"]"#, "must be the JSON object"),
            (r#"{"hunter2hunter2hunter2":"hunter2hunter2"}"#, "a field beside current and previous"),
            (r#"{"current":"hunter2"}"#, "field current must have at least"),
            (r#"{"current":["hunter2"]}"#, "field current must be a text"),
            (r#"{"current":"","previous":"hunter2"}"#, "field current must"),
        ] {
            let error = CallerKeys::parse(json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        let keys = CallerKeys::parse(r#"{"current":"hunter2","previous":"0123456789abcdef"}"#).unwrap();
        assert!(keys.accepts("0123456789abcdef") && !keys.accepts("hunter2") && keys.dropped().len() == 1);
        assert!(CallerKeys::parse("{}").unwrap().dropped().is_empty());
    }
}
