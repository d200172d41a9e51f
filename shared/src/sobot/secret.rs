//! Sobot's secret in Secrets Manager: `{"appId", "appKey", "webhookKeys": {"current", "previous"?}}`.

use std::fmt;

use serde::Deserialize;

use crate::{
    aws::secret::{SecretContent, from_json, not_empty},
    invalid::Invalid,
    lambda::callers::{CallerKeys, KeyFields},
    token::{
        sealing::SealingKey,
        secret::{IssuerSecret, fingerprint},
    },
};

/// The keys in the address that Sobot forwards to: of Sobot's secret only `webhookKeys`, which is as in [`CallerKeys`].
/// Without them nothing is forwarded here, and no key is one of them.
#[derive(Debug)]
pub struct SobotWebhookKeys(Option<CallerKeys>);

impl SobotWebhookKeys {
    /// [`CallerKeys::accepts`].
    pub fn accepts(&self, key: &str) -> bool {
        self.0.as_ref().is_some_and(|keys| keys.accepts(key))
    }
}

impl SecretContent for SobotWebhookKeys {
    const PAGE: &'static str = "functions/webhooks/README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            webhook_keys: Option<KeyFields>,
        }
        let Some(fields) = from_json::<Fields>(json)?.webhook_keys else { return Ok(Self(None)) };
        let in_an_address = |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        for (name, key) in [("current", Some(&fields.current)), ("previous", fields.previous.as_ref())] {
            if key.is_some_and(|key| !in_an_address(key)) {
                return Err(
                    format!("field webhookKeys.{name} must be of A-Z a-z 0-9 - _, it is part of an address").into()
                );
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
    sealing_key: SealingKey,
    fingerprint: String,
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

impl SecretContent for SobotSecret {
    const PAGE: &'static str = "functions/webhooks/README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
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
        Ok(Self { app_id, app_key, sealing_key, fingerprint: fingerprint(json) })
    }
}

impl IssuerSecret for SobotSecret {
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
            let error = SobotWebhookKeys::parse(json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(SobotSecret::parse(r#"{"appId":"1","appKey":""}"#).unwrap_err(), "field appKey is empty".into());
    }
}
