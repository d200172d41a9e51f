//! Sobot's secret in Secrets Manager: `{"appId", "appKey", "channelId"?, "sender"?, "webhookKeys": {"current",
//! "previous"?}}`.

use std::fmt;

use serde::Deserialize;

use crate::{
    aws::secret::{SecretContent, from_json, not_empty},
    invalid::Invalid,
    lambda::callers::CallerKeys,
    token::{
        sealing::SealingKey,
        secret::{IssuerSecret, fingerprint},
    },
};

/// The keys in the address that Sobot forwards to: of Sobot's secret only `webhookKeys`, which is as in [`CallerKeys`].
/// Without them nothing is forwarded here, and no key is one of them.
#[derive(Debug)]
pub struct SobotWebhookKeys(CallerKeys);

impl SobotWebhookKeys {
    /// [`CallerKeys::accepts`].
    pub fn accepts(&self, key: &str) -> bool {
        self.0.accepts(key)
    }
}

impl SecretContent for SobotWebhookKeys {
    const PAGE: &'static str = "functions/webhooks/README.md";

    fn parse(json: &str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            webhook_keys: Option<serde_json::Map<String, serde_json::Value>>,
        }
        let in_an_address = |key: &str| {
            let legal = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if legal { Ok(()) } else { Err("must be of A-Z a-z 0-9 - _, it is part of an address") }
        };
        let keys = from_json::<Fields>(json)?.webhook_keys.unwrap_or_default();
        CallerKeys::read("webhookKeys.", &keys, in_an_address).usable().map(Self)
    }

    fn dropped(&self) -> &[Invalid] {
        self.0.dropped()
    }
}

/// What Sobot's API is called with: `appId` and `appKey` of Sobot's secret, and what its account at Sobot is known by.
pub struct SobotSecret {
    /// The credential's id.
    pub app_id: String,
    /// Sobot's own id of the LINE channel (渠道id), where that is not LINE's.
    pub channel_id: Option<String>,
    /// The official account whose mass sends are ours, as Sobot's `sender` names it; of every account where there is
    /// none.
    pub sender: Option<String>,
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
    const LETS_IN: bool = false;

    fn parse(json: &str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fields {
            app_id: String,
            app_key: String,
            channel_id: Option<String>,
            sender: Option<String>,
        }
        let Fields { app_id, app_key, channel_id, sender } = from_json(json)?;
        not_empty("appId", &app_id)?;
        not_empty("appKey", &app_key)?;
        let [channel_id, sender] = [channel_id, sender].map(|name| name.filter(|name| !name.is_empty()));
        let sealing_key = SealingKey::derive(app_key.as_bytes());
        Ok(Self { app_id, channel_id, sender, app_key, sealing_key, fingerprint: fingerprint(json) })
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
            (r#"{"webhookKeys":{"previous":"hunter2"}}"#, "field webhookKeys.previous must have at least"),
        ] {
            let error = SobotWebhookKeys::parse(json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        assert_eq!((secret.channel_id, secret.sender), (None, None));
        let named = r#"{"appId":"1","appKey":"hunter2","channelId":"12323","sender":""}"#;
        let named = SobotSecret::parse(named).unwrap();
        assert_eq!((named.channel_id.as_deref(), named.sender), (Some("12323"), None));
        assert_eq!(SobotSecret::parse(r#"{"appId":"1","appKey":""}"#).unwrap_err(), "field appKey is empty".into());
    }
}
