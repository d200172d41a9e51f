//! LINE Login in Secrets Manager.

use serde::Deserialize;

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
                )
                .into());
            }
        }
        Ok(Self {
            sealing_key: SealingKey::derive(fields.channel_secret.as_bytes()),
            channel: LoginChannel::new(fields.channel_id, fields.channel_secret),
            link_token_keys: LinkTokenKeys::new([Some(current), previous].iter().flatten()),
        })
    }
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
            let error = LoginSecret::parse(&json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        let good =
            format!(r#"{{"channelId":"1","channelSecret":"hunter2","linkTokenSecrets":{{"current":"{long}"}}}}"#);
        assert!(!format!("{:?}", LoginSecret::parse(&good).unwrap()).contains("hunter2"));
    }
}
