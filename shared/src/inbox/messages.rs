//! The operator's table of what users wrote and did: one item per event, by user and time, for a limited time.
//!
//! * An event: `chat_id` (the user; the group or room where no user is named) and `event_key`
//!   (`<milliseconds>#<event id>`, so that a query gives them in order). One for another account has
//!   `@<account>#` before it, so that it stands apart from them.
//! * A message's pointer: `message#<message id>` and `-`. It says which events hold the message (the one it came with,
//!   and others that carry it, such as each edit), or since when it is unsent, whichever was known first.
//!
//! A message and its pointer are written in one transaction that fails where the pointer says "unsent", and an unsend
//! writes the pointer before it looks for the message. So in whichever order both arrive, no text outlives its unsend.
//! An event with LINE's signature takes the place of one without, under its own user, with its own pointer.

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Item, Put, Table, Update, Write, WriteOutcome, key, number, size_of, string},
    },
    inbox::queue::{self, Envelope, Via},
    line::webhook::{Event, EventKind, MessageContent, Provider},
};

const READ: &str = "read the event";
pub(super) const READ_POINTER: &str = "read the message's pointer";
const WRITE: &str = "write the event";
/// The sort key of a message's pointer; an event's starts with a digit.
const POINTER: &str = "-";
/// What the sort key of an event for another account starts with; no digit comes after it.
const ANOTHER_ACCOUNT: char = '@';
/// DynamoDB takes 400 KB an item, names included; the rest is for what is noted later.
const MAX_ITEM_BYTES: usize = 390_000;
/// Of so many events that nobody signed a message's pointer knows beside the one that it came with. One more is kept
/// without its content.
const MAX_FURTHER_HOLDERS: usize = 100;

/// An event, as the operator finds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Partition key: whose event it is.
    pub chat_id: String,
    /// Sort key: when, and the event's id.
    pub event_key: String,
    /// `webhookEventId`, or a hash.
    pub event_id: String,
    /// LINE's type: `message`, `follow`, …
    pub event_type: String,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// When we got it.
    #[serde(with = "time::serde::rfc3339")]
    pub received_at: OffsetDateTime,
    /// Through which entrance.
    pub via: Via,
    /// Whether a copy with LINE's signature came.
    pub verified: bool,
    /// The account that it is for, if that is not ours: then it has changed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub another_account: Option<String>,
    /// Of a message or an unsend: LINE's id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Of a message: what it holds. Gone after an unsend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<MessageContent>,
    /// Where a picture, video, sound or file can be fetched. Gone after an unsend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_url: Option<String>,
    /// Why it cannot be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_error: Option<MediaError>,
    /// The event's JSON, without what lets its holder act. Gone after an unsend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// When the user took the message back.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub unsent_at: Option<OffsetDateTime>,
    /// When DynamoDB may delete it, UNIX seconds.
    pub expire_at: i64,
}

/// Why a message's picture, video, sound or file cannot be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaError {
    /// Sobot refuses to say where it is (999994): it knows no such message, or not by this channel's id. Nothing asks
    /// again by itself; an operator may.
    RefusedBySobot,
    /// LINE has it no more, or never had it.
    GoneFromLine,
}

impl MediaError {
    /// Its name in the table and in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::RefusedBySobot => "refused_by_sobot",
            Self::GoneFromLine => "gone_from_line",
        }
    }
}

/// How an event holds a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It is the message; one holds it so, even if its copies came under two event ids.
    First,
    /// It carries the message, too: an edit, or an event that we do not know.
    Further,
}

impl StoredEvent {
    /// The item for an event; what an external provider has needs no asking. `another_account`: whose it is, if it is
    /// not ours.
    pub fn new(event: &Event, envelope: &Envelope, retention: Duration, another_account: Option<String>) -> Self {
        let content = match &event.kind {
            EventKind::Message { content, .. } | EventKind::MessageEdited { content } => Some(content.clone()),
            _ => None,
        };
        let message_id = match &event.kind {
            EventKind::Unsend { message_id } => Some(message_id.clone()),
            _ => event.message_id.clone(),
        };
        let at = event.at(envelope.received_at);
        // An event that does not say when it happened has happened when it came.
        let kept_from = if event.at_ms == 0 { envelope.received_at } else { at.min(envelope.received_at) };
        let apart = another_account.as_ref().map(|account| format!("{ANOTHER_ACCOUNT}{account}#")).unwrap_or_default();
        let media_url = match content.as_ref().and_then(MessageContent::provider) {
            Some(Provider::External { url, .. }) => url.clone(),
            _ => None,
        };
        Self {
            chat_id: event.source.chat_id().to_owned(),
            event_key: format!("{apart}{:013}#{}", at.unix_timestamp_nanos() / 1_000_000, event.id),
            event_id: event.id.clone(),
            event_type: event.type_name.clone(),
            at,
            received_at: envelope.received_at,
            via: envelope.via,
            verified: envelope.verified,
            another_account,
            message_id,
            content,
            media_url,
            media_error: None,
            event: Some(event.raw.clone()),
            unsent_at: None,
            expire_at: (kept_from + retention).unix_timestamp(),
        }
    }

    /// Whether it is kept no longer.
    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        self.expire_at <= now.unix_timestamp()
    }

    /// The message whose content it holds, and how.
    fn holds(&self) -> Option<(&str, Hold)> {
        let hold = match self.event_type.as_str() {
            "unsend" => return None,
            "message" => Hold::First,
            _ => Hold::Further,
        };
        Some((self.message_id.as_deref()?, hold))
    }

    fn without_content(&self) -> Self {
        Self { content: None, media_url: None, media_error: None, event: None, ..self.clone() }
    }

    fn unsent(&self, unsent_at: OffsetDateTime) -> Self {
        Self { unsent_at: Some(unsent_at), ..self.without_content() }
    }

    /// The same, as far as an item can hold it: the ids instead of a JSON that is too long as it is written here,
    /// and no content if that does not suffice.
    fn fitted(&self) -> Result<Self, AwsError> {
        let fits = |event: &Self| {
            let item: Item = serde_dynamo::to_item(event).doing(WRITE)?;
            Ok(size_of(&item) <= MAX_ITEM_BYTES)
        };
        let mut fitted = self.clone();
        if !fits(&fitted)? {
            fitted.event = self.event.as_deref().map(|event| queue::cut(event).get().to_owned());
        }
        if !fits(&fitted)? {
            (fitted.content, fitted.media_url) = (None, None);
        }
        Ok(fitted)
    }
}

/// The second item of a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pointer {
    /// The event that it came with; none if only its unsend or a further one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) held_by: Option<(String, String)>,
    /// The other events that carry it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) also_held_by: Vec<(String, String)>,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(super) unsent_at: Option<OffsetDateTime>,
}

impl Pointer {
    /// The same without the events of this user.
    pub(super) fn without(&self, user: &str) -> Self {
        Self {
            held_by: self.held_by.clone().filter(|(chat_id, _)| chat_id != user),
            also_held_by: self.also_held_by.iter().filter(|(chat_id, _)| chat_id != user).cloned().collect(),
            unsent_at: self.unsent_at,
        }
    }
}

/// The key of a message's pointer. What another account's events say is said of that account's messages.
pub(super) fn pointer_key(message_id: &str, another_account: Option<&str>) -> Item {
    let apart = another_account.map(|account| format!("{account}#")).unwrap_or_default();
    event_key_of(&format!("message#{apart}{message_id}"), POINTER)
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// It stands now.
    New,
    /// It stood already, from another copy: as it stands.
    Known(Box<StoredEvent>),
    /// The user had taken it back before it came: it stands without its content.
    Unsent,
}

/// The table.
#[derive(Debug)]
pub struct Messages {
    pub(super) table: Table,
}

impl Messages {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// Writes an event unless a copy of it stands. A copy with LINE's signature takes the place of one without.
    pub async fn store(&self, event: &StoredEvent) -> Result<Stored, AwsError> {
        let event = &event.fitted()?;
        let stored = match event.holds() {
            Some((message_id, hold)) => self.store_holder(event, message_id, hold).await?,
            None => self.store_alone(event).await?,
        };
        match stored {
            Stored::Known(known) if event.verified && !known.verified => {
                Ok(Stored::Known(Box::new(self.replace(&known, event).await?)))
            }
            stored => Ok(stored),
        }
    }

    async fn store_holder(&self, event: &StoredEvent, message_id: &str, hold: Hold) -> Result<Stored, AwsError> {
        let put_event = self.put(event)?.when("attribute_not_exists(chat_id)");
        let pointer = self.pointer_to(event, message_id, hold);
        let pointer = match hold {
            // One message is one item, even if its copies came under two event ids.
            Hold::First => pointer.when(
                "attribute_not_exists(unsent_at) AND (attribute_not_exists(held_by) OR held_by = :held_by)",
            ),
            Hold::Further if event.verified => pointer.when("attribute_not_exists(unsent_at)"),
            Hold::Further => pointer
                .when("attribute_not_exists(unsent_at) AND (attribute_not_exists(also_held_by) OR size(also_held_by) < :most)")
                .value(":most", number(MAX_FURTHER_HOLDERS)),
        };
        let lost = match self.table.transact(vec![put_event.step(), pointer.step()]).await.doing(WRITE)? {
            WriteOutcome::Written(()) => return Ok(Stored::New),
            WriteOutcome::Lost(items) => items,
        };
        let [known, pointer] = <[_; 2]>::try_from(lost).unwrap_or_default();
        if let Some(known) = known {
            return Ok(Stored::Known(Box::new(serde_dynamo::from_item(known).doing(READ)?)));
        }
        let pointer: Pointer = serde_dynamo::from_item(pointer.unwrap_or_default()).doing(READ_POINTER)?;
        match (pointer.unsent_at, pointer.held_by, hold) {
            (Some(unsent_at), ..) => match self.store_alone(&event.unsent(unsent_at)).await? {
                Stored::New => Ok(Stored::Unsent),
                known => Ok(known),
            },
            (None, Some((chat_id, event_key)), Hold::First) => {
                let known = self.get(&chat_id, &event_key).await?;
                let known = known.ok_or(Cause::Malformed("it names an event that is gone".to_owned()));
                Ok(Stored::Known(Box::new(known.doing(READ_POINTER)?)))
            }
            (None, None, Hold::First) => Err(Cause::Malformed("it says nothing".to_owned())).doing(READ_POINTER),
            (None, _, Hold::Further) => {
                tracing::warn!(event.id = event.event_id, "too many events carry this message, this one loses it");
                self.store_alone(&event.without_content()).await
            }
        }
    }

    /// Writes into a message's pointer that this event holds it.
    fn pointer_to(&self, event: &StoredEvent, message_id: &str, hold: Hold) -> Write<Update> {
        let pointer = self.table.update(pointer_key(message_id, event.another_account.as_deref()));
        let expire_at = number(event.expire_at);
        match hold {
            Hold::First => pointer.set("held_by", held_by(event)).set("expire_at", expire_at),
            // An older one, or one that says it is, ends nothing early.
            Hold::Further => pointer.append("also_held_by", held_by(event)).set_once("expire_at", expire_at),
        }
    }

    async fn store_alone(&self, event: &StoredEvent) -> Result<Stored, AwsError> {
        match self.put(event)?.when("attribute_not_exists(chat_id)").send().await.doing(WRITE)? {
            WriteOutcome::Written(()) => Ok(Stored::New),
            WriteOutcome::Lost(known) => Ok(Stored::Known(Box::new(serde_dynamo::from_item(known).doing(READ)?))),
        }
    }

    /// Puts the event with LINE's signature in place of one without, under its own key: what nobody signed decides
    /// neither whose event it is nor what it says. Returns it as it stands then.
    async fn replace(&self, known: &StoredEvent, verified: &StoredEvent) -> Result<StoredEvent, AwsError> {
        let mut next = verified.clone();
        if known.message_id == next.message_id {
            next.media_url = next.media_url.or_else(|| known.media_url.clone());
            next.media_error = known.media_error;
        }
        if let Some(unsent_at) = known.unsent_at {
            next = next.unsent(unsent_at);
        }
        loop {
            // Unsent in this moment: the event comes again from the queue and finds it so.
            let still = if next.unsent_at.is_some() { "" } else { " AND attribute_not_exists(unsent_at)" };
            let put_event = self
                .put(&next)?
                .when(format!("attribute_not_exists(chat_id) OR (verified = :false{still})"))
                .value(":false", AttributeValue::Bool(false));
            let mut steps = vec![put_event.step()];
            let held = next.holds().filter(|_| next.unsent_at.is_none());
            if let Some((message_id, hold)) = held {
                let pointer = self.pointer_to(&next, message_id, hold);
                let pointer = match hold {
                    Hold::First => pointer
                        .when(
                            "attribute_not_exists(unsent_at) \
                             AND (attribute_not_exists(held_by) OR held_by IN (:known, :held_by))",
                        )
                        .value(":known", held_by(known)),
                    Hold::Further => pointer.when("attribute_not_exists(unsent_at)"),
                };
                steps.push(pointer.step());
            }
            if (&known.chat_id, &known.event_key) != (&next.chat_id, &next.event_key) {
                let delete = self
                    .table
                    .delete(event_key_of(&known.chat_id, &known.event_key))
                    .when("attribute_not_exists(chat_id) OR verified = :false")
                    .value(":false", AttributeValue::Bool(false));
                steps.push(delete.step());
            }
            let lost = match self.table.transact(steps).await.doing(WRITE)? {
                WriteOutcome::Written(()) => return Ok(next),
                WriteOutcome::Lost(items) => items,
            };
            let pointer = held.and(lost.into_iter().nth(1).flatten());
            let pointer: Option<Pointer> = pointer.map(serde_dynamo::from_item).transpose().doing(READ_POINTER)?;
            match pointer.and_then(|pointer| pointer.unsent_at) {
                Some(unsent_at) => next = next.unsent(unsent_at),
                None => return Err(Cause::Overtaken).doing(WRITE),
            }
        }
    }

    /// Removes what a message said, wherever it is held, now and when it comes later. `unsend`: the event that says so.
    pub async fn unsend(&self, message_id: &str, unsend: &StoredEvent) -> Result<(), AwsError> {
        let at = string(unsend.at.format(&Rfc3339).unwrap_or_default());
        let mark = self
            .table
            .update(pointer_key(message_id, unsend.another_account.as_deref()))
            .set_once("unsent_at", at.clone())
            .set("expire_at", number(unsend.expire_at));
        // Without a condition nothing is lost.
        let (WriteOutcome::Written(pointer) | WriteOutcome::Lost(pointer)) = mark.send().await.doing(WRITE)?;
        let pointer: Pointer = serde_dynamo::from_item(pointer).doing(READ_POINTER)?;
        for (chat_id, event_key) in pointer.held_by.into_iter().chain(pointer.also_held_by) {
            let update = self.table.update(event_key_of(&chat_id, &event_key)).set("unsent_at", at.clone());
            // One that has expired stays as it is.
            update
                .remove(&["content", "media_url", "media_error", "event"])
                .when("attribute_exists(chat_id)")
                .send()
                .await
                .doing(WRITE)?;
        }
        Ok(())
    }

    /// Notes where a message's content can be fetched, unless the user has taken the message back or it has expired.
    pub async fn set_media_url(&self, event: &StoredEvent, url: &str) -> Result<(), AwsError> {
        self.set_media(event, |update| update.set("media_url", string(url)).remove(&["media_error"])).await
    }

    /// Notes why it cannot be fetched.
    pub async fn set_media_error(&self, event: &StoredEvent, error: MediaError) -> Result<(), AwsError> {
        self.set_media(event, |update| update.set("media_error", string(error.name()))).await
    }

    async fn set_media(
        &self,
        event: &StoredEvent,
        change: impl FnOnce(Write<Update>) -> Write<Update>,
    ) -> Result<(), AwsError> {
        let update = change(self.table.update(event_key_of(&event.chat_id, &event.event_key)));
        update.when("attribute_exists(chat_id) AND attribute_not_exists(unsent_at)").send().await.doing(WRITE)?;
        Ok(())
    }

    /// The event that a message came with, if it is kept.
    pub async fn message(&self, message_id: &str) -> Result<Option<StoredEvent>, AwsError> {
        let Some(pointer) = self.table.get(pointer_key(message_id, None)).await.doing(READ_POINTER)? else {
            return Ok(None);
        };
        let pointer: Pointer = serde_dynamo::from_item(pointer).doing(READ_POINTER)?;
        match pointer.held_by {
            Some((chat_id, event_key)) => self.get(&chat_id, &event_key).await,
            None => Ok(None),
        }
    }

    /// What a user (a group, a room) wrote and did, the latest first, from before this sort key on; and the sort key at
    /// which the next page begins, unless the list ends. To our account, or to others, whose events came here, too.
    pub async fn page(
        &self,
        chat_id: &str,
        to_others: bool,
        limit: u32,
        before: Option<&str>,
    ) -> Result<(Vec<StoredEvent>, Option<String>), AwsError> {
        let before = before.map(|event_key| event_key_of(chat_id, event_key));
        let (first, last) = if to_others { ("@", "@~") } else { ("0", "9~") };
        let sort = ("event_key", first, last);
        let page = self.table.latest_between(("chat_id", chat_id), sort, limit, before).await;
        let (events, more): (Vec<StoredEvent>, bool) = page.doing("read the events")?;
        let next = events.last().filter(|_| more).map(|event| event.event_key.clone());
        Ok((events, next))
    }

    async fn get(&self, chat_id: &str, event_key: &str) -> Result<Option<StoredEvent>, AwsError> {
        let item = self.table.get(event_key_of(chat_id, event_key)).await.doing(READ)?;
        item.map(serde_dynamo::from_item).transpose().doing(READ)
    }

    fn put(&self, item: &impl Serialize) -> Result<Write<Put>, AwsError> {
        Ok(self.table.put(serde_dynamo::to_item(item).doing(WRITE)?))
    }
}

pub(super) fn event_key_of(chat_id: &str, event_key: &str) -> Item {
    key([("chat_id", chat_id), ("event_key", event_key)])
}

fn held_by(event: &StoredEvent) -> AttributeValue {
    AttributeValue::L(vec![string(&event.chat_id), string(&event.event_key)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    fn stored(event: serde_json::Value) -> StoredEvent {
        let received_at = datetime!(2026-09-01 00:00:00 UTC);
        let envelope = Envelope { via: Via::Sobot, verified: true, received_at, destination: None, events: vec![] };
        StoredEvent::new(&Event::parse(&event.to_string()), &envelope, Duration::days(90), None)
    }

    #[test]
    fn an_event_survives_the_table() {
        for message in [
            json!({ "id": "1", "type": "text", "text": "" }),
            json!({ "id": "1", "type": "text", "text": "充电宝 🔋" }),
            json!({ "id": "1", "type": "image", "imageSet": { "id": "E0", "index": 1 } }),
            json!({ "id": "1", "type": "video", "duration": 1, "contentProvider": { "type": "external",
                    "originalContentUrl": "https://example.com/original.mp4" } }),
            json!({ "id": "1", "type": "location", "latitude": 35.67966, "longitude": 139.73669 }),
            json!({ "id": "1", "type": "sticker", "packageId": "1", "stickerId": "2", "keywords": ["hi"] }),
        ] {
            let event = stored(json!({ "type": "message", "timestamp": 1_788_134_400_007_u64,
                                       "source": { "userId": "U1" }, "webhookEventId": "01", "message": message }));
            assert_eq!((event.chat_id.as_str(), event.event_key.as_str()), ("U1", "1788134400007#01"));
            assert_eq!(event.expire_at, datetime!(2026-11-29 00:00:00 UTC).unix_timestamp());
            let item: Item = serde_dynamo::to_item(&event).unwrap();
            assert_eq!(serde_dynamo::from_item::<_, StoredEvent>(item), Ok(event));
        }
    }

    #[test]
    fn nothing_that_was_said_is_left_after_an_unsend() {
        let event = stored(json!({ "type": "message", "message": { "id": "1", "type": "image",
            "contentProvider": { "type": "external", "originalContentUrl": "https://example.com/hunter2" } } }));
        assert!(format!("{:?}", event).contains("hunter2"));
        assert!(!format!("{:?}", event.unsent(OffsetDateTime::UNIX_EPOCH)).contains("hunter2"));
    }

    #[test]
    fn the_pointer_names_its_holder_as_the_condition_does() {
        let event = stored(json!({ "type": "message" }));
        let held = (event.chat_id.clone(), event.event_key.clone());
        let pointer = Pointer { held_by: Some(held.clone()), also_held_by: vec![held], unsent_at: None };
        let item: Item = serde_dynamo::to_item(&pointer).unwrap();
        assert_eq!(item["held_by"], held_by(&event));
        assert_eq!(item["also_held_by"], AttributeValue::L(vec![held_by(&event)]));
    }

    #[test]
    fn an_event_is_kept_from_when_it_happened() {
        let received_at = datetime!(2026-09-01 00:00:00 UTC);
        let ms = |time: OffsetDateTime| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap();
        let over = |event: serde_json::Value| stored(event).is_over(received_at);
        assert!(over(json!({ "timestamp": ms(received_at - Duration::days(90)) })));
        assert!(over(json!({ "timestamp": 1 })));
        assert!(!over(json!({ "timestamp": ms(received_at - Duration::days(89)) })));
        // One that does not say when it happened, or what nobody can believe, has happened when it came.
        for event in [json!({}), json!(null), json!({ "timestamp": 9_999_999_999_999_u64 })] {
            assert_eq!(stored(event).expire_at, (received_at + Duration::days(90)).unix_timestamp());
        }
    }

    #[test]
    fn no_item_is_larger_than_the_table_takes() {
        let event = |message: serde_json::Value| {
            json!({ "type": "message", "webhookEventId": "01", "timestamp": 7, "source": { "userId": "U1" },
                    "message": message })
        };
        let url = "u".repeat(150_000);
        for message in [
            // Five bytes as they come, eighteen as they are written here.
            json!({ "id": "1", "type": "text", "text": "x", "new": vec![json!(1e15); 30_000] }),
            json!({ "id": "1", "type": "text", "text": "\u{1}".repeat(200_000) }),
            json!({ "id": "1", "type": "text", "text": "x".repeat(200_000) }),
            json!({ "id": "1", "type": "image", "contentProvider": { "type": "external", "originalContentUrl": url } }),
        ] {
            let event = stored(event(message)).fitted().unwrap();
            let item: Item = serde_dynamo::to_item(&event).unwrap();
            assert!(size_of(&item) <= MAX_ITEM_BYTES);
            assert_eq!((event.message_id.as_deref(), event.chat_id.as_str()), (Some("1"), "U1"));
            let raw: serde_json::Value = serde_json::from_str(event.event.as_deref().unwrap()).unwrap();
            assert!(raw["cutFromBytes"].is_u64() && raw["message"]["id"] == "1", "{raw}");
        }
        let small = stored(event(json!({ "id": "1", "type": "text", "text": "字".repeat(5000) })));
        assert_eq!(small.fitted().unwrap(), small);
    }
}
