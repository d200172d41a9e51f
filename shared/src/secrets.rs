//! What Secrets Manager holds: read once per environment, kept in memory, read again after an authentication failure.
//!
//! Errors name the secret's id and the field that is wrong, never a value.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::{
    aws_error::told,
    clock::Clock,
    line::{
        assertion::{AssertionSigner, PrivateJwk},
        login::LoginChannel,
        signature::SignatureKeys,
    },
    link_token::LinkTokenKeys,
    token::SealingKey,
};

/// Failed authentications read a secret again at most this often, so that a guesser cannot make us call all day.
const MIN_AGE: Duration = Duration::from_secs(2);
/// A secret in memory is read again after this long, so that a key that was taken back stops working.
const MAX_AGE: Duration = Duration::from_secs(300);

/// A secret that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it out.
    #[error("secret {id} could not be read: {what}")]
    Unavailable {
        /// The secret's id or ARN.
        id: String,
        /// What Secrets Manager said.
        what: String,
    },
    /// Nobody has put a value yet.
    #[error("secret {id} has no value; put the JSON that README.md describes")]
    NotSet {
        /// The secret's id or ARN.
        id: String,
    },
    /// Its content is not what README.md describes.
    #[error("secret {id}: {problem}")]
    Malformed {
        /// The secret's id or ARN.
        id: String,
        /// The field and its problem.
        problem: String,
    },
}

/// The content of a secret.
pub trait Content: Sized {
    /// Reads the JSON; the error names the field and never prints a value.
    fn parse(json: &str) -> Result<Self, String>;
}

/// One secret, kept in memory.
#[derive(Debug)]
pub struct Secret<T> {
    client: Client,
    id: String,
    clock: Clock,
    cached: Mutex<Option<(Arc<T>, OffsetDateTime)>>,
}

impl<T: Content> Secret<T> {
    /// Nothing is read yet.
    pub fn new(client: Client, id: String, clock: Clock) -> Self {
        Self { client, id, clock, cached: Mutex::new(None) }
    }

    /// The content, from memory where it is young enough. If it cannot be read again, the old content serves on.
    pub async fn get(&self) -> Result<Arc<T>, SecretError> {
        self.get_younger_than(MAX_AGE).await
    }

    /// The content after an authentication failed with the one in memory.
    pub async fn get_again(&self) -> Result<Arc<T>, SecretError> {
        self.get_younger_than(MIN_AGE).await
    }

    async fn get_younger_than(&self, age: Duration) -> Result<Arc<T>, SecretError> {
        let mut cached = self.cached.lock().await;
        if let Some((content, read_at)) = &*cached
            && self.clock.is_within(*read_at, age)
        {
            return Ok(Arc::clone(content));
        }
        match self.read().await {
            Ok(content) => {
                let content = Arc::new(content);
                *cached = Some((Arc::clone(&content), self.clock.now()));
                Ok(content)
            }
            Err(error) => match &mut *cached {
                Some((content, read_at)) => {
                    tracing::warn!(%error, "a secret could not be read again, the one in memory serves on");
                    *read_at = self.clock.now();
                    Ok(Arc::clone(content))
                }
                None => Err(error),
            },
        }
    }

    async fn read(&self) -> Result<T, SecretError> {
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await.map_err(|error| {
            let id = self.id.clone();
            match error.as_service_error() {
                Some(GetSecretValueError::ResourceNotFoundException(_)) => SecretError::NotSet { id },
                _ => SecretError::Unavailable { id, what: told(&error) },
            }
        })?;
        T::parse(answer.secret_string().unwrap_or_default())
            .map_err(|problem| SecretError::Malformed { id: self.id.clone(), problem })
    }
}

/// serde's message would quote the value, so only the kind of mistake and its place are told.
fn from_json<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| {
        let missing = error.to_string();
        match missing.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
            Some((field, _)) => format!("field {field} is missing"),
            None => format!(
                "must be the JSON object that README.md describes (line {}, column {})",
                error.line(),
                error.column()
            ),
        }
    })
}

fn not_empty(name: &str, value: &str) -> Result<(), String> {
    if value.trim().is_empty() { Err(format!("field {name} is empty")) } else { Ok(()) }
}

/// LINE's channel: `{"channelId", "channelSecret", "kid", "privateKey": {JWK}}`, and `previousChannelSecret` while the
/// secret is rotated ([`SignatureKeys`] reads it).
#[derive(Debug)]
pub struct LineChannelSecret {
    /// Signs token requests.
    pub signer: AssertionSigner,
    /// Seals the shared token; derived from the channel secret.
    pub sealing_key: SealingKey,
}

impl Content for LineChannelSecret {
    fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            channel_id: String,
            channel_secret: String,
            kid: String,
            private_key: PrivateJwk,
        }
        let fields: Fields = from_json(json)?;
        not_empty("channelId", &fields.channel_id)?;
        not_empty("channelSecret", &fields.channel_secret)?;
        not_empty("kid", &fields.kid)?;
        let signer = AssertionSigner::new(fields.channel_id, fields.kid, &fields.private_key)
            .map_err(|error| error.to_string())?;
        Ok(Self { signer, sealing_key: SealingKey::derive(fields.channel_secret.as_bytes()) })
    }
}

/// LINE Login: `{"channelId", "channelSecret", "linkTokenSecrets": {"current", "previous"?}}`.
#[derive(Debug)]
pub struct LoginSecret {
    /// The LINE Login channel.
    pub channel: LoginChannel,
    /// What the company's app signs its link tokens with.
    pub link_token_keys: LinkTokenKeys,
    /// Seals the users' tokens and the state of a login; derived from the channel secret.
    pub sealing_key: SealingKey,
}

/// RFC 7518, 3.2: a key for HS256 is at least as long as its hash.
const MIN_LINK_TOKEN_SECRET: usize = 32;

impl Content for LoginSecret {
    fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            channel_id: String,
            channel_secret: String,
            link_token_secrets: LinkTokenSecrets,
        }
        #[derive(Deserialize)]
        struct LinkTokenSecrets {
            current: String,
            previous: Option<String>,
        }
        let fields: Fields = from_json(json)?;
        not_empty("channelId", &fields.channel_id)?;
        not_empty("channelSecret", &fields.channel_secret)?;
        let LinkTokenSecrets { current, previous } = fields.link_token_secrets;
        let previous = previous.filter(|secret| !secret.is_empty());
        for (name, secret) in [("current", Some(&current)), ("previous", previous.as_ref())] {
            if secret.is_some_and(|secret| secret.len() < MIN_LINK_TOKEN_SECRET) {
                return Err(format!(
                    "field linkTokenSecrets.{name} must have at least {MIN_LINK_TOKEN_SECRET} characters"
                ));
            }
        }
        Ok(Self {
            sealing_key: SealingKey::derive(fields.channel_secret.as_bytes()),
            channel: LoginChannel::new(fields.channel_id, fields.channel_secret),
            link_token_keys: LinkTokenKeys::new([Some(current), previous].iter().flatten()),
        })
    }
}

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

#[derive(Deserialize)]
struct KeyFields {
    current: String,
    previous: Option<String>,
}

impl CallerKeys {
    /// `path` is where the fields stand in the secret, for the error.
    fn from_fields(path: &str, fields: KeyFields) -> Result<Self, String> {
        let previous = fields.previous.filter(|key| !key.is_empty());
        for (name, key) in [("current", Some(&fields.current)), ("previous", previous.as_ref())] {
            if key.is_some_and(|key| key.len() < MIN_KEY) {
                return Err(format!("field {path}{name} must have at least {MIN_KEY} characters"));
            }
        }
        Ok(Self { digests: [Some(fields.current), previous].iter().flatten().map(|key| sha256(key)).collect() })
    }
}

impl Content for CallerKeys {
    fn parse(json: &str) -> Result<Self, String> {
        Self::from_fields("", from_json(json)?)
    }
}

/// The keys of the operators, each with the operator's name: `{"mei": "…", "kenji": {"current": "…", "previous": "…"}}`.
/// What is done with a key is noted under its name.
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

impl Content for OperatorKeys {
    fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrTwo {
            One(String),
            Two(KeyFields),
        }
        let fields: BTreeMap<String, OneOrTwo> = from_json(json)?;
        if fields.is_empty() {
            return Err("must name an operator".to_owned());
        }
        let mut operators = Vec::new();
        for (name, keys) in fields {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if !(1..=MAX_OPERATOR).contains(&name.len()) || !name.bytes().all(legal) {
                // Not quoted: who wrote name and key the wrong way round would find the key in a log.
                return Err(format!("an operator's name must be 1 to {MAX_OPERATOR} of A-Z a-z 0-9 . _ -"));
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

/// What verifies LINE's webhooks: of the channel's secret only `channelSecret` and `previousChannelSecret`, the private key
/// is left alone.
impl Content for SignatureKeys {
    fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            channel_secret: String,
            previous_channel_secret: Option<String>,
        }
        let fields: Fields = from_json(json)?;
        not_empty("channelSecret", &fields.channel_secret)?;
        let previous = fields.previous_channel_secret.filter(|secret| !secret.trim().is_empty());
        Ok(Self::new([Some(fields.channel_secret), previous].iter().flatten().map(String::as_str)))
    }
}

/// The keys in the address that Sobot forwards to: of Sobot's secret only `webhookKeys`, which is as in [`CallerKeys`]. Without
/// them nothing is forwarded here, and no key is one of them.
#[derive(Debug)]
pub struct SobotWebhookKeys(Option<CallerKeys>);

impl SobotWebhookKeys {
    /// [`CallerKeys::accepts`].
    pub fn accepts(&self, key: &str) -> bool {
        self.0.as_ref().is_some_and(|keys| keys.accepts(key))
    }
}

impl Content for SobotWebhookKeys {
    fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            webhook_keys: Option<KeyFields>,
        }
        let Some(fields) = from_json::<Fields>(json)?.webhook_keys else { return Ok(Self(None)) };
        let in_an_address = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        for (name, key) in [("current", Some(&fields.current)), ("previous", fields.previous.as_ref())] {
            if key.is_some_and(|key| !in_an_address(key)) {
                return Err(format!("field webhookKeys.{name} must be of A-Z a-z 0-9 - _, it is part of an address"));
            }
        }
        CallerKeys::from_fields("webhookKeys.", fields).map(Some).map(Self)
    }
}

/// What Sobot's API is called with: `appId` and `appKey` of Sobot's secret.
pub struct SobotSecret {
    /// The credential's id.
    pub app_id: String,
    app_key: String,
    /// Seals the shared token; derived from the key.
    pub sealing_key: SealingKey,
}

impl fmt::Debug for SobotSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SobotSecret(app {})", self.app_id)
    }
}

impl SobotSecret {
    /// The key, for the signature of a token request.
    pub fn reveal_app_key(&self) -> &str {
        &self.app_key
    }
}

impl Content for SobotSecret {
    fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            app_id: String,
            app_key: String,
        }
        let Fields { app_id, app_key } = from_json(json)?;
        not_empty("appId", &app_id)?;
        not_empty("appKey", &app_key)?;
        let sealing_key = SealingKey::derive(app_key.as_bytes());
        Ok(Self { app_id, app_key, sealing_key })
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
            let error = OperatorKeys::parse(json).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn sobots_secret_is_read_by_two_functions_and_each_gets_its_part() {
        let json = r#"{"appId":"1","appKey":"hunter2","webhookKeys":{"current":"0123456789abcdef","previous":""}}"#;
        let keys = SobotWebhookKeys::parse(json).unwrap();
        assert!(!SobotWebhookKeys::parse(r#"{"appId":"1","appKey":"hunter2"}"#).unwrap().accepts(""));
        assert!(keys.accepts("0123456789abcdef") && !keys.accepts(""));
        let secret = SobotSecret::parse(json).unwrap();
        assert_eq!((secret.app_id.as_str(), secret.reveal_app_key()), ("1", "hunter2"));
        assert!(!format!("{secret:?}").contains("hunter2"));
        for (json, expected) in [
            (r#"{"webhookKeys":{"current":"hunter2"}}"#, "field webhookKeys.current must have at least"),
            (r#"{"webhookKeys":{"current":"hunter2/hunter2/hunter2"}}"#, "field webhookKeys.current must be of"),
            (r#"{"webhookKeys":{"previous":"hunter2"}}"#, "field current is missing"),
        ] {
            let error = SobotWebhookKeys::parse(json).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(SobotSecret::parse(r#"{"appId":"1","appKey":""}"#).unwrap_err(), "field appKey is empty");
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
            let error = CallerKeys::parse(json).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        for (json, expected) in [
            (r#"{"channelId":"1","channelSecret":"hunter2","kid":"k"}"#, "field privateKey is missing"),
            (
                r#"{"channelId":"1","channelSecret":"hunter2","kid":"k","privateKey":{"kty":"EC","n":"","e":"","d":"","p":"","q":"","dp":"","dq":"","qi":""}}"#,
                "privateKey.kty must be RSA",
            ),
            (
                r#"{"channelId":"1","channelSecret":"hunter2","kid":"k","privateKey":{"kty":"RSA","n":"AQAB","e":"AQAB","d":"hunter2=","p":"","q":"","dp":"","dq":"","qi":""}}"#,
                "privateKey.d must be base64url",
            ),
            (
                r#"{"channelId":"1","channelSecret":"hunter2","kid":"k","privateKey":{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"AQAB","q":"AQAB","dp":"AQAB","dq":"AQAB","qi":"AQAB"}}"#,
                "privateKey.n must have 2048 bits, not 17",
            ),
            (
                r#"{"channelId":" ","channelSecret":"hunter2","kid":"k","privateKey":{"kty":"RSA","n":"","e":"","d":"","p":"","q":"","dp":"","dq":"","qi":""}}"#,
                "field channelId is empty",
            ),
        ] {
            let error = LineChannelSecret::parse(json).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }
    #[test]
    fn a_malformed_login_secret_names_the_field() {
        let long = "0123456789abcdef0123456789abcdef";
        for (json, expected) in [
            (r#"{"channelId":"1","channelSecret":"hunter2"}"#.to_owned(), "field linkTokenSecrets is missing"),
            (
                r#"{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{}}"#.to_owned(),
                "field current is missing",
            ),
            (
                r#"{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{"current":"hunter2"}}"#.to_owned(),
                "field linkTokenSecrets.current must have at least 32",
            ),
            (
                format!(
                    r#"{{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{{"current":"{long}","previous":"hunter2"}}}}"#
                ),
                "field linkTokenSecrets.previous must have",
            ),
            (
                format!(r#"{{"channelId":"1","channelSecret":"","linkTokenSecrets":{{"current":"{long}"}}}}"#),
                "field channelSecret is empty",
            ),
        ] {
            let error = LoginSecret::parse(&json).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        let good =
            format!(r#"{{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{{"current":"{long}"}}}}"#);
        assert!(!format!("{:?}", LoginSecret::parse(&good).unwrap()).contains("hunter2"));
    }
}
