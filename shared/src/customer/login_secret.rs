//! LINE Login in Secrets Manager. Of two link token secrets a bad one is dropped alone, and rings; a secret in which
//! none is usable says nothing usable.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    aws::secret::{SecretContent, from_json, not_empty},
    customer::link_token::LinkTokenKeys,
    invalid::Invalid,
    line::login::LoginChannel,
    token::sealing::SealingKey,
};

/// LINE Login: `{"channelId", "channelSecret", "linkTokenSecrets": {"current", "previous"?}}`.
#[derive(Debug)]
pub struct LoginSecret {
    /// The LINE Login channel.
    pub channel: LoginChannel,
    /// What the company's app signs its link tokens with.
    pub link_token_keys: LinkTokenKeys,
    /// Seals the users' tokens and the state of a login; derived from the channel secret.
    pub sealing_key: SealingKey,
    dropped: Vec<Invalid>,
}

/// RFC 7518, 3.2: a key for HS256 is at least as long as its hash.
const MIN_LINK_TOKEN_SECRET: usize = 32;

impl SecretContent for LoginSecret {
    const PAGE: &'static str = "functions/line-login/README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            channel_id: String,
            channel_secret: String,
            link_token_secrets: Map<String, Value>,
        }
        let fields: Fields = from_json(json)?;
        not_empty("channelId", &fields.channel_id)?;
        not_empty("channelSecret", &fields.channel_secret)?;
        let (secrets, dropped) = link_token_secrets(&fields.link_token_secrets);
        if secrets.is_empty() {
            return Err(dropped.into_iter().next().unwrap_or("field linkTokenSecrets.current is missing".into()));
        }
        Ok(Self {
            sealing_key: SealingKey::derive(fields.channel_secret.as_bytes()),
            channel: LoginChannel::new(fields.channel_id, fields.channel_secret),
            link_token_keys: LinkTokenKeys::new(secrets),
            dropped,
        })
    }

    fn dropped(&self) -> &[Invalid] {
        &self.dropped
    }
}

/// Those that can be used, and what is wrong with the others.
fn link_token_secrets(fields: &Map<String, Value>) -> (Vec<&String>, Vec<Invalid>) {
    let (mut usable, mut dropped) = (Vec::new(), Vec::new());
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("current" | "previous", Value::Null) => {}
            ("previous", Value::String(secret)) if secret.is_empty() => {}
            ("current" | "previous", Value::String(secret)) if secret.len() >= MIN_LINK_TOKEN_SECRET => {
                usable.push(secret);
            }
            ("current" | "previous", Value::String(_)) => dropped.push(
                format!("field linkTokenSecrets.{name} must have at least {MIN_LINK_TOKEN_SECRET} characters").into(),
            ),
            ("current" | "previous", _) => {
                dropped.push(format!("field linkTokenSecrets.{name} must be a text").into());
            }
            // Not quoted: who wrote name and secret the wrong way round would find the secret in a log.
            _ => dropped.push("a field beside linkTokenSecrets.current and .previous is not known".into()),
        }
    }
    (usable, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_login_secret_names_the_field() {
        let long = "0123456789abcdef0123456789abcdef";
        for (json, expected) in [
            (r#"{"channelId":"1","channelSecret":"hunter2"}"#.to_owned(), "field linkTokenSecrets is missing"),
            (
                r#"{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{}}"#.to_owned(),
                "field linkTokenSecrets.current is missing",
            ),
            (
                r#"{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{"current":"hunter2"}}"#.to_owned(),
                "field linkTokenSecrets.current must have at least 32",
            ),
            (
                r#"{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{"previous":["hunter2"]}}"#.to_owned(),
                "field linkTokenSecrets.previous must be a text",
            ),
            (
                format!(r#"{{"channelId":"1","channelSecret":"","linkTokenSecrets":{{"current":"{long}"}}}}"#),
                "field channelSecret is empty",
            ),
        ] {
            let error = LoginSecret::parse(&json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        let good =
            format!(r#"{{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{{"current":"{long}"}}}}"#);
        let good = LoginSecret::parse(&good).unwrap();
        assert!(good.dropped().is_empty() && !format!("{good:?}").contains("hunter2"));
    }

    #[test]
    fn a_bad_link_token_secret_is_dropped_alone() {
        let long = "0123456789abcdef0123456789abcdef";
        for (secrets, expected) in [
            (
                format!(r#""current":"{long}","previous":"hunter2""#),
                "field linkTokenSecrets.previous must have at least",
            ),
            (
                format!(r#""current":"hunter2","previous":"{long}""#),
                "field linkTokenSecrets.current must have at least",
            ),
            (format!(r#""current":"{long}","hunter2":"{long}""#), "a field beside linkTokenSecrets.current"),
        ] {
            let json = format!(r#"{{"channelId":"1","channelSecret":"2","linkTokenSecrets":{{{secrets}}}}}"#);
            let secret = LoginSecret::parse(&json).unwrap();
            let [dropped] = secret.dropped() else { panic!("{secrets}: {:?}", secret.dropped()) };
            assert!(dropped.to_string().contains(expected) && !dropped.to_string().contains("hunter2"), "{dropped}");
            assert_eq!(format!("{:?}", secret.link_token_keys), "LinkTokenKeys(1)", "{secrets}");
        }
    }
}
