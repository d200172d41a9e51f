//! The senders of webhooks: LINE, which signs and delivers again what was not answered 2xx, and Sobot, which forwards
//! LINE's body to an address with a key (LINE: "Verify webhook signature", "Receive messages"; Sobot: "LINE API").

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{random::random_bytes, stand::Stand};

/// The official account's own user id, in every body.
pub const DESTINATION: &str = "U00000000000000000000000000000001";

/// How often a body is posted at most.
const DELIVERIES: usize = 5;

/// One of the two senders.
#[derive(Clone, Debug)]
pub struct WebhookSender {
    /// Its HTTP client.
    pub http: reqwest::Client,
    /// Where it posts.
    pub url: String,
    /// The channel secret it signs with; `None` for a forwarder that drops the signature.
    pub secret: Option<String>,
    /// The media type it declares.
    pub content_type: String,
    /// The account that it names.
    pub destination: String,
}

/// A request's end.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// The body, `null` where it is no JSON.
    pub body: Value,
    /// From the first byte of the request to the last one of the answer.
    pub took: Duration,
}

impl WebhookSender {
    /// LINE.
    pub fn line(stand: &Stand) -> Self {
        Self {
            http: stand.http.clone(),
            url: format!("{}/webhooks/line", stand.public_api.base_url()),
            secret: Some(stand.line.channel_secret()),
            content_type: "application/json; charset=utf-8".to_owned(),
            destination: DESTINATION.to_owned(),
        }
    }

    /// Sobot, as far as its page goes: no signature.
    pub fn sobot(stand: &Stand) -> Self {
        let url = format!("{}/webhooks/sobot/{}", stand.public_api.base_url(), stand.sobot.webhook_key());
        Self { url, secret: None, ..Self::line(stand) }
    }

    /// Sobot, if it passes LINE's bytes and signature on.
    pub fn sobot_with_signature(stand: &Stand) -> Self {
        Self { secret: Some(stand.line.channel_secret()), ..Self::sobot(stand) }
    }

    /// Posts events in one body; on 503 again, as [`send`](Self::send) does.
    pub async fn deliver(&self, events: &[Value]) -> Sent {
        self.send(self.body_of(events)).await
    }

    /// Posts events in one body, once.
    pub async fn deliver_once(&self, events: &[Value]) -> Sent {
        self.send_once(self.body_of(events)).await
    }

    /// Posts events again and again, as a redelivery, until they are taken; returns how often it took.
    ///
    /// # Panics
    /// After 20 times.
    pub async fn deliver_until_taken(&self, events: &[Value]) -> usize {
        let mut events = events.to_vec();
        for time in 1..=20 {
            if (200..300).contains(&self.deliver_once(&events).await.status) {
                return time;
            }
            for event in &mut events {
                event["deliveryContext"]["isRedelivery"] = json!(true);
            }
        }
        panic!("not taken");
    }

    /// Posts a body, signed as this sender signs. On 503 again, as the senders do: a machine that is too busy to queue
    /// events in time says so, and loses none.
    pub async fn send(&self, body: Vec<u8>) -> Sent {
        for _ in 1..DELIVERIES {
            let sent = self.send_once(body.clone()).await;
            if sent.status != 503 {
                return sent;
            }
        }
        self.send_once(body).await
    }

    async fn send_once(&self, body: Vec<u8>) -> Sent {
        let signature = self.secret.as_ref().map(|secret| sign(secret, &body));
        self.send_signed(body, signature.as_deref()).await
    }

    fn body_of(&self, events: &[Value]) -> Vec<u8> {
        json!({ "destination": self.destination, "events": events }).to_string().into_bytes()
    }

    /// Posts a body with this for a signature.
    ///
    /// # Panics
    /// When no answer comes at all.
    pub async fn send_signed(&self, body: Vec<u8>, signature: Option<&str>) -> Sent {
        let mut request = self.http.post(&self.url).header("content-type", &self.content_type).body(body);
        if let Some(signature) = signature {
            request = request.header("x-line-signature", signature);
        }
        let started = Instant::now();
        let response = request.send().await.expect("the API answers");
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let (status, content_type) = (response.status().as_u16(), content_type.unwrap_or_default().to_owned());
        let body = response.bytes().await.unwrap_or_default();
        let took = started.elapsed();
        Sent { status, content_type, body: serde_json::from_slice(&body).unwrap_or_default(), took }
    }
}

/// `x-line-signature` of a body.
pub fn sign(channel_secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, channel_secret.as_bytes());
    BASE64_STANDARD.encode(hmac::sign(&key, body))
}

/// An event of this type and user with an id of its own, and these fields beside.
pub fn event(event_type: &str, user: &str, at_ms: u64, fields: Value) -> Value {
    let mut event = json!({
        "type": event_type,
        "mode": "active",
        "timestamp": at_ms,
        "source": { "type": "user", "userId": user },
        "webhookEventId": webhook_event_id(),
        "deliveryContext": { "isRedelivery": false },
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        event[name] = value.clone();
    }
    event
}

/// A message of this user with an id of its own, and these fields.
pub fn message(user: &str, at_ms: u64, fields: Value) -> Value {
    let id = (u64::from_be_bytes(random_bytes()) % 900_000_000_000_000_000 + 100_000_000_000_000_000).to_string();
    let mut message = json!({ "id": id, "quoteToken": "q3Plxr4AgKd" });
    for (name, value) in fields.as_object().into_iter().flatten() {
        message[name] = value.clone();
    }
    event("message", user, at_ms, json!({ "message": message, "replyToken": "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA" }))
}

/// Every event twice, in an order that `seed` decides.
pub fn doubled_and_shuffled(events: &[Value], seed: u64) -> Vec<Value> {
    let mut all = [events, events].concat();
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    for last in (1..all.len()).rev() {
        // Knuth's MMIX generator; its high bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(last, (state >> 33) as usize % (last + 1));
    }
    all
}

/// As a ULID looks: 26 characters of Crockford's alphabet.
fn webhook_event_id() -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let random = random_bytes::<24>().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    format!("01{}", random.iter().collect::<String>())
}
