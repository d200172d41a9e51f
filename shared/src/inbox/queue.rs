//! The inbox queue, as the webhooks fill it: one message per event, so that one that cannot be handled
//! fails alone. Only a body of more than a hundred events has several in a message, because each call
//! takes time that LINE does not give.

use std::{iter, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_sqs::{Client, types::SendMessageBatchRequestEntry};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use time::OffsetDateTime;
use tokio::task::{JoinError, JoinSet};

use crate::{
    aws::error::{AwsError, Cause, Doing as _},
    foreign_json, outbound,
};

/// SQS takes at most this many messages in one call.
const MAX_BATCH: usize = 10;
/// `template.yaml` limits a message to this many bytes; a call's messages may not have more together.
const MAX_BATCH_BYTES: usize = 256 * 1024;
/// A message's events have at most this many bytes as they are written; the rest is for what stands around them. A
/// single event above it is cut to its ids ([`cut`]). What LINE sends is a hundred times smaller.
const MAX_EVENT_BYTES: usize = MAX_BATCH_BYTES - 4 * 1024;
/// Above this many events a message holds several, so that a thousand are ten calls and not a hundred.
const MAX_MESSAGES: usize = 100;
/// But never more than this, so that an invocation of the inbox, with its ten messages, has the time for all of them.
const MAX_EVENTS: usize = 100;
/// A connection takes no longer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Calls at one time.
const MAX_CALLS: usize = 10;
const QUEUE: &str = "queue the events";

/// The entrance that an event came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// From LINE, directly.
    Line,
    /// Forwarded by Sobot.
    Sobot,
}

impl Via {
    /// Its name in the queue, the table and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Sobot => "sobot",
        }
    }
}

/// A message of the queue: events, and how they came.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The entrance.
    pub via: Via,
    /// Whether LINE's signature was there and right.
    pub verified: bool,
    /// When the webhook took them.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// `destination`: the account whose events they are, as the body says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Each as it came; one, or few.
    pub events: Vec<Box<RawValue>>,
}

/// The queue. Its visibility time-out and its dead-letter queue are in `template.yaml`.
#[derive(Clone, Debug)]
pub struct InboxQueue {
    client: Client,
    url: String,
}

impl InboxQueue {
    /// The queue at this address. Its calls and their repetitions end before the caller of the webhook has lost
    /// patience.
    pub fn new(aws: &SdkConfig, url: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(Duration::from_millis(1000))
            .operation_timeout(Duration::from_millis(1600))
            .build();
        let retries = outbound::retries().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50));
        let config = aws_sdk_sqs::config::Builder::from(aws).timeout_config(timeouts).retry_config(retries).build();
        Self { client: Client::from_conf(config), url }
    }

    /// Sends every event of a body, or fails: the sender then delivers all of them again, and the inbox knows those it
    /// has. An error ends the rest at once.
    pub async fn send(
        &self,
        via: Via,
        verified: bool,
        received_at: OffsetDateTime,
        destination: Option<String>,
        events: &[&RawValue],
    ) -> Result<(), AwsError> {
        let bodies = messages(events)
            .map(|events| body(&Envelope { via, verified, received_at, destination: destination.clone(), events }));
        let mut calls = JoinSet::new();
        // One after the other, so that no more than these calls are in memory beside the body that they are from.
        for batch in batches(bodies) {
            if calls.len() >= MAX_CALLS {
                joined(calls.join_next().await)?;
            }
            let queue = self.clone();
            calls.spawn(async move { queue.send_batch(batch).await });
        }
        while !calls.is_empty() {
            joined(calls.join_next().await)?;
        }
        Ok(())
    }

    /// One call, and a second one for the messages that SQS did not take.
    async fn send_batch(&self, bodies: Vec<String>) -> Result<(), AwsError> {
        let mut left: Vec<(String, String)> =
            bodies.into_iter().enumerate().map(|(number, body)| (number.to_string(), body)).collect();
        let mut refused = Cause::NotMade;
        for _ in 0..2 {
            let entries =
                left.iter().map(|(id, body)| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build());
            let answer = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries.collect::<Result<_, _>>().doing(QUEUE)?))
                .send()
                .await
                .doing(QUEUE)?;
            left.retain(|(id, _)| answer.failed().iter().any(|failed| failed.id() == id));
            match answer.failed().first() {
                None => return Ok(()),
                Some(failed) => refused = failed.into(),
            }
        }
        Err(refused).doing(QUEUE)
    }
}

/// A call that panicked did not send anything.
fn joined(finished: Option<Result<Result<(), AwsError>, JoinError>>) -> Result<(), AwsError> {
    finished.unwrap_or(Ok(Ok(()))).unwrap_or_else(|_| Err(Cause::NotMade).doing(QUEUE))
}

/// Spreads events over messages; none has more than fits.
fn messages(events: &[&RawValue]) -> impl Iterator<Item = Vec<Box<RawValue>>> {
    let at_most = events.len().div_ceil(MAX_MESSAGES).min(MAX_EVENTS);
    let mut waiting = events.iter().map(|event| sendable(event)).peekable();
    iter::from_fn(move || {
        let mut message = vec![waiting.next()?];
        let mut bytes = message[0].get().len();
        while message.len() < at_most
            && let Some(event) = waiting.next_if(|event| bytes + 1 + event.get().len() <= MAX_EVENT_BYTES)
        {
            bytes += 1 + event.get().len();
            message.push(event);
        }
        Some(message)
    })
}

/// The event as it is written: no longer than a message takes, and without the two characters that JSON allows and SQS
/// refuses. In JSON they can stand in a string only.
fn sendable(event: &RawValue) -> Box<RawValue> {
    let written = event.get().replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff");
    if written.len() > MAX_EVENT_BYTES {
        return cut(&written);
    }
    RawValue::from_string(written).expect("an escape in the place of its character leaves JSON what it is")
}

fn body(envelope: &Envelope) -> String {
    serde_json::to_string(envelope).expect("an envelope is JSON: its foreign parts were read as JSON")
}

/// What an oversized event is known by; the rest of it is lost, and the item says so.
pub(super) fn cut(event: &str) -> Box<RawValue> {
    tracing::error!(event.bytes = event.len(), "an event is too large, only its ids are kept");
    let whole = foreign_json::value(event);
    let mut kept = json!({ "cutFromBytes": event.len() });
    for pointer in ["/type", "/webhookEventId", "/timestamp", "/source", "/message/id", "/unsend/messageId"] {
        let Some(value) = whole.pointer(pointer).filter(|value| value.to_string().len() < 1024) else { continue };
        match pointer.trim_start_matches('/').split_once('/') {
            Some((outer, inner)) => kept[outer] = json!({ inner: value }),
            None => kept[&pointer[1..]] = value.clone(),
        }
    }
    sendable(&serde_json::value::to_raw_value(&kept).expect("JSON stays JSON"))
}

/// Packs messages into calls that SQS takes.
fn batches(bodies: impl Iterator<Item = String>) -> impl Iterator<Item = Vec<String>> {
    let mut waiting = bodies.peekable();
    iter::from_fn(move || {
        let mut batch = vec![waiting.next()?];
        let mut bytes = batch[0].len();
        while batch.len() < MAX_BATCH
            && let Some(body) = waiting.next_if(|body| bytes + body.len() <= MAX_BATCH_BYTES)
        {
            bytes += body.len();
            batch.push(body);
        }
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn body_of(event: &str) -> String {
        let event: &RawValue = serde_json::from_str(event).unwrap();
        let events = messages(&[event]).next().unwrap();
        let received_at = OffsetDateTime::UNIX_EPOCH;
        body(&Envelope { via: Via::Sobot, verified: false, received_at, destination: None, events })
    }

    #[test]
    fn an_event_travels_as_it_came() {
        let event = r#"{"type":"message", "big":12345678901234567890123,"deep":[[[[]]]],"text":"\u0041充电宝 🔋"}"#;
        let envelope: Envelope = serde_json::from_str(&body_of(event)).unwrap();
        assert_eq!((envelope.events[0].get(), envelope.via, envelope.verified), (event, Via::Sobot, false));
        assert_eq!(envelope.received_at, OffsetDateTime::UNIX_EPOCH);
    }

    #[test]
    fn what_sqs_refuses_is_escaped() {
        let body = body_of("{\"text\":\"a\u{FFFF}b\u{FFFE}\"}");
        assert!(body.contains("a\\uffffb\\ufffe"), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["events"][0]["text"], "a\u{FFFF}b\u{FFFE}");
    }

    #[test]
    fn an_oversized_event_keeps_what_it_is_known_by() {
        let event = json!({ "type": "message", "webhookEventId": "01", "timestamp": 7, "source": { "userId": "U1" },
                            "message": { "id": "9", "type": "text", "text": "x".repeat(MAX_EVENT_BYTES) } });
        let cut: Value = serde_json::from_str(&body_of(&event.to_string())).unwrap();
        assert_eq!(
            cut["events"][0],
            json!({ "type": "message", "webhookEventId": "01", "timestamp": 7, "source": { "userId": "U1" },
                    "message": { "id": "9" }, "cutFromBytes": event.to_string().len() })
        );
        let half = event.to_string().replace("xx\"", r#"\ud83d""#);
        let cut: Value = serde_json::from_str(&body_of(&half)).unwrap();
        assert_eq!(cut["events"][0]["message"], json!({ "id": "9" }), "a text that was cut in the middle of an emoji");
        let deep = "[".repeat(MAX_EVENT_BYTES) + &"]".repeat(MAX_EVENT_BYTES);
        assert!(body_of(&deep).contains("cutFromBytes"));
    }

    #[test]
    fn only_many_events_share_messages_and_no_message_is_too_large() {
        let sizes = |count: usize, bytes: usize| {
            let event = serde_json::value::to_raw_value(&"x".repeat(bytes)).unwrap();
            messages(&vec![&*event; count]).map(|message| message.len()).collect::<Vec<_>>()
        };
        assert!(sizes(0, 1).is_empty());
        assert_eq!(sizes(100, 1), [1; 100]);
        assert_eq!(sizes(101, 1), [vec![2; 50], vec![1]].concat());
        assert_eq!(sizes(1000, 1000), [10; 100]);
        assert_eq!(sizes(20_000, 1), [100; 200]);
        assert_eq!(sizes(201, MAX_EVENT_BYTES / 2 - 3), [vec![2; 100], vec![1]].concat());
        assert_eq!(sizes(201, MAX_EVENT_BYTES / 2), [1; 201]);
    }

    #[test]
    fn a_call_takes_ten_messages_and_no_more_than_256_kib() {
        let sizes = |bodies: Vec<String>| batches(bodies.into_iter()).map(|batch| batch.len()).collect::<Vec<_>>();
        assert!(sizes(vec![]).is_empty());
        assert_eq!(sizes(vec!["x".to_owned(); 23]), [10, 10, 3]);
        let large = "x".repeat(MAX_EVENT_BYTES);
        assert_eq!(sizes(vec![large.clone(), "x".to_owned(), large.clone(), large]), [2, 1, 1]);
    }

    #[test]
    fn a_size_is_that_of_what_is_written() {
        // Each of these characters has three bytes, and six as SQS takes it.
        for count in [1, MAX_EVENT_BYTES / 6 - 10, MAX_EVENT_BYTES / 6 + 1, MAX_EVENT_BYTES / 3 - 10] {
            let event = json!({ "webhookEventId": "01\u{FFFF}", "text": "\u{FFFF}".repeat(count) }).to_string();
            let body = body_of(&event);
            assert!(body.len() <= MAX_BATCH_BYTES && !body.contains('\u{FFFF}'), "{count}: {} bytes", body.len());
            assert_eq!(body.contains("cutFromBytes"), count > MAX_EVENT_BYTES / 6, "{count}");
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body["events"][0]["webhookEventId"], "01\u{FFFF}");
        }
    }
}
