//! LINE's channel in Secrets Manager, in two secrets by who needs what: what signs token requests,
//! `{"channelId", "kid", "privateKey": {JWK}}`, and what verifies webhooks, `{"channelSecret"}` with
//! `previousChannelSecret` while it is rotated. Whoever takes webhooks from everybody reads no private key.

use serde::Deserialize;

use crate::{
    aws::secret::{SecretContent, from_json, not_empty},
    invalid::Invalid,
    line::{
        assertion::{AssertionSigner, PrivateJwk},
        signature::SignatureKeys,
    },
    token::{
        sealing::SealingKey,
        secret::{IssuerSecret, fingerprint},
    },
};

/// What the channel's tokens are issued for: `{"channelId", "kid", "privateKey": {JWK}}`.
#[derive(Debug)]
pub struct LineChannelSecret {
    /// Signs token requests.
    pub signer: AssertionSigner,
    sealing_key: SealingKey,
    fingerprint: String,
}

impl SecretContent for LineChannelSecret {
    const PAGE: &'static str = "README.md";
    const LETS_IN: bool = false;

    fn parse(json: &str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            channel_id: String,
            kid: String,
            private_key: PrivateJwk,
        }
        let fields: Fields = from_json(json)?;
        not_empty("channelId", &fields.channel_id)?;
        not_empty("kid", &fields.kid)?;
        let signer = AssertionSigner::new(fields.channel_id, fields.kid, &fields.private_key)
            .map_err(|error| error.to_string())?;
        let sealing_key = SealingKey::derive(fields.private_key.private_exponent());
        Ok(Self { signer, sealing_key, fingerprint: fingerprint(json) })
    }
}

/// What verifies LINE's webhooks.
impl SecretContent for SignatureKeys {
    const PAGE: &'static str = "README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
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

impl IssuerSecret for LineChannelSecret {
    fn sealing_key(&self) -> &SealingKey {
        &self.sealing_key
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_secret_names_the_field_and_keeps_its_value() {
        for (json, expected) in [
            (r#"{"channelId":"hunter2","kid":"k"}"#, "field privateKey is missing"),
            (
                r#"{"channelId":"1","kid":"k","privateKey":{"kty":"EC","n":"","e":"","d":"","p":"","q":"","dp":"","dq":"","qi":""}}"#,
                "privateKey.kty must be RSA",
            ),
            (
                r#"{"channelId":"1","kid":"k","privateKey":{"kty":"RSA","n":"AQAB","e":"AQAB","d":"hunter2=","p":"","q":"","dp":"","dq":"","qi":""}}"#,
                "privateKey.d must be base64url",
            ),
            (
                r#"{"channelId":"1","kid":"k","privateKey":{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"AQAB","q":"AQAB","dp":"AQAB","dq":"AQAB","qi":"AQAB"}}"#,
                "privateKey.n must have 2048 bits, not 17",
            ),
            (
                r#"{"channelId":" ","kid":"k","privateKey":{"kty":"RSA","n":"","e":"","d":"","p":"","q":"","dp":"","dq":"","qi":""}}"#,
                "field channelId is empty",
            ),
        ] {
            let error = LineChannelSecret::parse(json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }
}
