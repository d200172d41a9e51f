//! The message of the retry queue: a bell for a record.
//!
//! It may ring twice, late, out of order, from the dead-letter queue, or never. The record names the bell that it waits
//! for, by a random name that the message carries: SQS's own id changes when a message is moved, and so does the time
//! at which it was enqueued, which is how a moved one is known. A copy that a repeated `SendMessage` made has the same
//! name and another time.
//!
//! Besides its name a bell carries the whole order, so that it can make the record where that could not be written, and
//! so that an older version can read it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{delivery::pace::Pace, foreign_json, notification::Notification};

/// The name of a bell: random, made before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BellName(Uuid);

impl BellName {
    /// A name made of random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(random))
    }
}

/// A bell to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bell {
    /// Its name.
    pub name: BellName,
    /// When it is sent, by our clock.
    #[serde(with = "time::serde::rfc3339")]
    pub sent_at: OffsetDateTime,
}

impl Bell {
    /// A bell that is sent now.
    ///
    /// # Panics
    /// Never: the system has random bytes.
    pub fn new(now: OffsetDateTime) -> Self {
        let mut name = [0; 16];
        aws_lc_rs::rand::fill(&mut name).expect("the system has random bytes");
        Self { name: BellName::new(name), sent_at: now }
    }

    /// The body of the message: the order, and the bell beside its fields.
    pub fn message(&self, notification: &Notification) -> String {
        let mut body = notification.to_json();
        body["bell"] = serde_json::to_value(self).unwrap_or_default();
        body.to_string()
    }
}

/// A bell as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    /// The bell; none in a message of a version that sent the order alone.
    pub bell: Option<Bell>,
    /// When the message was enqueued: SQS's `SentTimestamp`.
    pub enqueued_at: OffsetDateTime,
}

impl Ring {
    /// Reads the bell of a message.
    pub fn read(body: &[u8], enqueued_at: OffsetDateTime) -> Self {
        let body = foreign_json::value(&foreign_json::lossy(body));
        let bell = body.get("bell").and_then(|bell| Bell::deserialize(bell).ok());
        Self { bell, enqueued_at }
    }

    /// Its name.
    pub fn name(&self) -> Option<BellName> {
        self.bell.map(|bell| bell.name)
    }

    /// Whether the message may have come from the dead-letter queue: SQS makes a moved message anew. Of one that does
    /// not say when it was sent nobody knows.
    pub fn may_have_been_moved(&self, pace: &Pace) -> bool {
        self.bell.is_none_or(|bell| self.enqueued_at > bell.sent_at + pace.moved)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;
    use crate::{
        notification::{StatusChange, parse_bytes},
        order::tests::finished_with,
    };

    const NOW: OffsetDateTime = datetime!(2026-09-01 00:00:00.123 UTC);

    fn bell() -> Bell {
        Bell { name: BellName::new([7; 16]), sent_at: NOW }
    }

    #[test]
    fn a_message_is_an_order_with_a_bell() {
        let order = finished_with(json!({}));
        let message = bell().message(&order);
        assert_eq!(Ring::read(message.as_bytes(), NOW), Ring { bell: Some(bell()), enqueued_at: NOW });
        assert_eq!(parse_bytes(message.as_bytes()), Ok(StatusChange::Notified(order)));
        let body: Value = serde_json::from_str(&message).unwrap();
        let name = "07070707-0707-0707-0707-070707070707";
        assert_eq!(body["bell"], json!({ "name": name, "sentAt": "2026-09-01T00:00:00.123Z" }));
    }

    #[test]
    fn a_message_of_a_version_without_bells_is_a_bell_without_a_name() {
        let message = r#"{"orderId":"R20200714-0001","status":"finish",
            "recipient":{"lineUserId":"U0123456789abcdef0123456789abcdef"},"fee":{"amount":"162","currency":"JPY"},
            "startedAt":"2020-07-14T11:00:20+09:00","startShop":"上品快餐","endedAt":"2020-07-15T14:34:11+09:00",
            "endShop":"上品快餐","detailUrl":"https://example.com/orders/R20200714-0001","language":"zh-CN"}"#;
        assert_eq!(Ring::read(message.as_bytes(), NOW), Ring { bell: None, enqueued_at: NOW });
        let order = StatusChange::Notified(finished_with(json!({})));
        assert_eq!(parse_bytes(message.as_bytes()), Ok(order));
        for unreadable in ["", "[]", r#"{"bell":7}"#, r#"{"bell":{"name":"x","sentAt":"y"}}"#] {
            assert_eq!(Ring::read(unreadable.as_bytes(), NOW).bell, None, "{unreadable}");
        }
    }

    #[test]
    fn a_message_enqueued_long_after_it_was_sent_has_been_moved() {
        let pace = Pace::new(Duration::from_secs(180), 3);
        let moved =
            |bell, seconds| Ring { bell, enqueued_at: NOW + Duration::from_secs(seconds) }.may_have_been_moved(&pace);
        assert!(!moved(Some(bell()), 60), "our clock and a repeated SendMessage account for seconds");
        assert!(moved(Some(bell()), 61));
        assert!(moved(None, 0), "nobody knows");
    }
}
