//! The company's app: one signed POST for each change of a link.
//!
//! The signature has LINE's form, which the app's engineers know from LINE's webhooks: the Base64 of HMAC-SHA256 over
//! the body exactly as it is sent, in a header. When it was sent stands in the body, and so is signed: by that, and by
//! the event's id, the app tells a replay.

use std::time::Duration;

use reqwest::{Client, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use shared::{
    aws::secret::{Secret, SecretError},
    clock::Clock,
    outbound::{Connection, HttpClients},
};
use time::OffsetDateTime;

use crate::{
    callback_url::CallbackUrl,
    keys::CallbackKeys,
    link_change::{Change, LinkChange},
};

/// The header's name.
const SIGNATURE: &str = "x-link-signature";
/// The app takes a callback within this time, or is asked again. Reading the secret and this, each twice, are shorter
/// than the function's time-out.
const TAKES_FOR: Duration = Duration::from_secs(5);

/// The app with what it is called by.
#[derive(Debug)]
pub struct App {
    client: Client,
    url: CallbackUrl,
    keys: Secret<CallbackKeys>,
    clock: Clock,
}

/// A callback that the app did not take.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It will never take it; the HTTP status.
    #[error("the app refuses it with {0}")]
    Refused(u16),
    /// It may take it later; the HTTP status.
    #[error("the app answered {0}")]
    NotNow(u16),
    /// No answer came: no connection, or not in time.
    #[error("the app did not answer: {0}")]
    NoAnswer(reqwest::Error),
    /// It cannot be signed.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// What the app gets: `functions/openapi.yaml`, `linkChanged`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Callback<'a> {
    event_id: &'a str,
    r#type: Change,
    member_id: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    occurred_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    sent_at: OffsetDateTime,
}

impl App {
    /// Nothing is called yet.
    pub fn new(http: &HttpClients, url: CallbackUrl, keys: Secret<CallbackKeys>, clock: Clock) -> Self {
        Self { client: http.for_partner(TAKES_FOR), url, keys, clock }
    }

    /// Reads the keys before the first change comes.
    pub async fn warm_up(&self) {
        if let Err(error) = self.keys.get().await {
            tracing::warn!(%error, "the keys of callbacks are not ready");
        }
    }

    /// The connection to it, for [`open`](shared::outbound::open).
    pub fn connection(&self) -> Connection {
        Connection { client: self.client.clone(), address: self.url.url().to_string() }
    }

    /// Tells it of a change. After an error other than [`NotTaken::Refused`] it may have been told.
    pub async fn tell(&self, change: &LinkChange) -> Result<(), NotTaken> {
        let keys = self.keys.get().await?;
        let told = self.post(change, &keys).await;
        if !matches!(told, Err(NotTaken::Refused(401 | 403))) {
            return told;
        }
        // The app may have a key already that was put a moment ago.
        let newer = self.keys.get_again().await?;
        if newer.sign_alike(&keys) { told } else { self.post(change, &newer).await }
    }

    async fn post(&self, change: &LinkChange, keys: &CallbackKeys) -> Result<(), NotTaken> {
        let callback = Callback {
            event_id: &change.event_id,
            r#type: change.change,
            member_id: change.member_id.as_str(),
            occurred_at: change.occurred_at,
            sent_at: self.clock.now(),
        };
        let body = serde_json::to_vec(&callback).expect("texts and times");
        let request = self.client.post(self.url.url().clone()).timeout(TAKES_FOR);
        let request = request.header(CONTENT_TYPE, "application/json").header(SIGNATURE, keys.signature(&body));
        let answer = request.body(body).send().await.map_err(|error| NotTaken::NoAnswer(error.without_url()))?;
        settled(answer.status())
    }
}

/// What a status says. A redirect is not followed: what is signed goes to the address that was configured.
fn settled(status: StatusCode) -> Result<(), NotTaken> {
    match status.as_u16() {
        200..=299 => Ok(()),
        later @ (408 | 425 | 429) => Err(NotTaken::NotNow(later)),
        refused @ 400..=499 => Err(NotTaken::Refused(refused)),
        later => Err(NotTaken::NotNow(later)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_4xx_that_time_does_not_mend_is_a_refusal() {
        let of = |status: u16| settled(StatusCode::from_u16(status).unwrap());
        for taken in [200, 202, 204, 299] {
            assert!(of(taken).is_ok(), "{taken}");
        }
        for later in [301, 302, 307, 408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(of(later), Err(NotTaken::NotNow(status)) if status == later), "{later}");
        }
        for refused in [400, 401, 403, 404, 409, 410, 422] {
            assert!(matches!(of(refused), Err(NotTaken::Refused(status)) if status == refused), "{refused}");
        }
    }
}
