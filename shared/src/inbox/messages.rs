//! The operator's table of what users wrote and did: one item per event, by user and time, for a limited time.
//!
//! * An event: `chat_id` (the user; the group or room where no user is named) and `event_key`
//!   (`<milliseconds>#<event id>`, so that a query gives them in order).
//! * A message's pointer: `message#<message id>` and `-`. It says which event holds the message, or since when it is
//!   unsent, whichever was known first.
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
        table::{Item, Put, Table, Write, WriteOutcome, key, number, string},
    },
    inbox::queue::{Envelope, Via},
    line::webhook::{Event, EventKind, MessageContent, Provider},
};

const READ: &str = "read the event";
const READ_POINTER: &str = "read the message's pointer";
const WRITE: &str = "write the event";
/// The sort key of a message's pointer; an event's starts with a digit.
const POINTER: &str = "-";

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
    /// Of a message or an unsend: LINE's id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Of a message: what it holds. Gone after an unsend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<MessageContent>,
    /// Where a picture, video, sound or file can be fetched. Gone after an unsend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_url: Option<String>,
    /// The event's JSON, without what lets its holder act. Gone after an unsend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// When the user took the message back.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub unsent_at: Option<OffsetDateTime>,
    /// When DynamoDB may delete it, UNIX seconds.
    pub expire_at: i64,
}

impl StoredEvent {
    /// The item for an event; what an external provider has needs no asking.
    pub fn new(event: &Event, envelope: &Envelope, retention: Duration) -> Self {
        let (message_id, content) = match &event.kind {
            EventKind::Message { message_id, content } => (Some(message_id.clone()), Some(content.clone())),
            EventKind::Unsend { message_id } => (Some(message_id.clone()), None),
            _ => (None, None),
        };
        let media_url = match content.as_ref().and_then(MessageContent::provider) {
            Some(Provider::External { url, .. }) => url.clone(),
            _ => None,
        };
        Self {
            chat_id: event.source.chat_id().to_owned(),
            event_key: format!("{:013}#{}", event.at_ms, event.id),
            event_id: event.id.clone(),
            event_type: event.type_name.clone(),
            at: event.at(),
            received_at: envelope.received_at,
            via: envelope.via,
            verified: envelope.verified,
            message_id,
            content,
            media_url,
            event: Some(event.raw.clone()),
            unsent_at: None,
            expire_at: (envelope.received_at + retention).unix_timestamp(),
        }
    }

    fn without_content(&self, unsent_at: OffsetDateTime) -> Self {
        Self { content: None, media_url: None, event: None, unsent_at: Some(unsent_at), ..self.clone() }
    }
}

/// The second item of a message.
#[derive(Serialize, Deserialize)]
struct Pointer {
    chat_id: String,
    event_key: String,
    /// Where the message is; none if only its unsend is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held_by: Option<(String, String)>,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    unsent_at: Option<OffsetDateTime>,
    expire_at: i64,
}

fn pointer_id(message_id: &str) -> String {
    format!("message#{message_id}")
}

fn pointer_to(event: &StoredEvent, message_id: &str) -> Pointer {
    Pointer {
        chat_id: pointer_id(message_id),
        event_key: POINTER.to_owned(),
        held_by: Some((event.chat_id.clone(), event.event_key.clone())),
        unsent_at: None,
        expire_at: event.expire_at,
    }
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
    table: Table,
}

impl Messages {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// Writes an event unless a copy of it stands. A copy with LINE's signature takes the place of one without.
    pub async fn store(&self, event: &StoredEvent) -> Result<Stored, AwsError> {
        let stored = match &event.message_id {
            Some(message_id) if event.content.is_some() => self.store_message(event, message_id).await?,
            _ => self.store_alone(event).await?,
        };
        match stored {
            Stored::Known(known) if event.verified && !known.verified => {
                Ok(Stored::Known(Box::new(self.replace(&known, event).await?)))
            }
            stored => Ok(stored),
        }
    }

    async fn store_message(&self, event: &StoredEvent, message_id: &str) -> Result<Stored, AwsError> {
        let put_event = self.put(event)?.when("attribute_not_exists(chat_id)");
        let put_pointer = self
            .put(&pointer_to(event, message_id))?
            // One message is one item, even if its copies came under two event ids.
            .when("attribute_not_exists(chat_id) OR (held_by = :held AND attribute_not_exists(unsent_at))")
            .value(":held", held_by(event));
        let lost = match self.table.transact(vec![put_event.step(), put_pointer.step()]).await.doing(WRITE)? {
            WriteOutcome::Written(()) => return Ok(Stored::New),
            WriteOutcome::Lost(items) => items,
        };
        let [known, pointer] = <[_; 2]>::try_from(lost).unwrap_or_default();
        if let Some(known) = known {
            return Ok(Stored::Known(Box::new(serde_dynamo::from_item(known).doing(READ)?)));
        }
        let pointer: Pointer = serde_dynamo::from_item(pointer.unwrap_or_default()).doing(READ_POINTER)?;
        match (pointer.unsent_at, pointer.held_by) {
            (Some(unsent_at), _) => match self.store_alone(&event.without_content(unsent_at)).await? {
                Stored::New => Ok(Stored::Unsent),
                known => Ok(known),
            },
            (None, Some((chat_id, event_key))) => {
                let known = self.get(&chat_id, &event_key).await?;
                let known = known.ok_or(Cause::Malformed("it names an event that is gone".to_owned()));
                Ok(Stored::Known(Box::new(known.doing(READ_POINTER)?)))
            }
            (None, None) => Err(Cause::Malformed("it says nothing".to_owned())).doing(READ_POINTER),
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
        }
        if let Some(unsent_at) = known.unsent_at {
            next = next.without_content(unsent_at);
        }
        loop {
            // Unsent in this moment: the event comes again from the queue and finds it so.
            let still = if next.unsent_at.is_some() { "" } else { " AND attribute_not_exists(unsent_at)" };
            let put_event = self
                .put(&next)?
                .when(format!("attribute_not_exists(chat_id) OR (verified = :false{still})"))
                .value(":false", AttributeValue::Bool(false));
            let mut steps = vec![put_event.step()];
            let pointer = next.message_id.as_ref().filter(|_| next.content.is_some());
            if let Some(message_id) = pointer {
                let put_pointer = self
                    .put(&pointer_to(&next, message_id))?
                    .when(
                        "attribute_not_exists(chat_id) OR (held_by IN (:known, :next) AND attribute_not_exists(unsent_at))",
                    )
                    .value(":known", held_by(known))
                    .value(":next", held_by(&next));
                steps.push(put_pointer.step());
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
            let pointer = pointer.and(lost.into_iter().nth(1).flatten());
            let pointer: Option<Pointer> = pointer.map(serde_dynamo::from_item).transpose().doing(READ_POINTER)?;
            match pointer.and_then(|pointer| pointer.unsent_at) {
                Some(unsent_at) => next = next.without_content(unsent_at),
                None => return Err(Cause::Overtaken).doing(WRITE),
            }
        }
    }

    /// Removes what a message said, now and when it comes later.
    pub async fn unsend(&self, message_id: &str, at: OffsetDateTime, expire_at: i64) -> Result<(), AwsError> {
        let at = string(at.format(&Rfc3339).unwrap_or_default());
        let mark = self
            .table
            .update(event_key_of(&pointer_id(message_id), POINTER))
            .set_once("unsent_at", at.clone())
            .set("expire_at", number(expire_at));
        // Without a condition nothing is lost.
        let (WriteOutcome::Written(pointer) | WriteOutcome::Lost(pointer)) = mark.send().await.doing(WRITE)?;
        let pointer: Pointer = serde_dynamo::from_item(pointer).doing(READ_POINTER)?;
        let Some((chat_id, event_key)) = pointer.held_by else { return Ok(()) };
        let update = self.table.update(event_key_of(&chat_id, &event_key)).set("unsent_at", at);
        // One that has expired stays as it is.
        update
            .remove(&["content", "media_url", "event"])
            .when("attribute_exists(chat_id)")
            .send()
            .await
            .doing(WRITE)?;
        Ok(())
    }

    /// Notes where a message's content can be fetched, unless the user has taken the message back or it has expired.
    pub async fn set_media_url(&self, chat_id: &str, event_key: &str, url: &str) -> Result<(), AwsError> {
        let update = self.table.update(event_key_of(chat_id, event_key)).set("media_url", string(url));
        update.when("attribute_exists(chat_id) AND attribute_not_exists(unsent_at)").send().await.doing(WRITE)?;
        Ok(())
    }

    /// What a user (a group, a room) wrote and did, the latest first, from before this sort key on; and the sort key at
    /// which the next page begins, unless the list ends.
    pub async fn page(
        &self,
        chat_id: &str,
        limit: u32,
        before: Option<&str>,
    ) -> Result<(Vec<StoredEvent>, Option<String>), AwsError> {
        let before = before.map(|event_key| event_key_of(chat_id, event_key));
        let page = self.table.latest(("chat_id", chat_id), limit, before).await;
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

fn event_key_of(chat_id: &str, event_key: &str) -> Item {
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
        let envelope = Envelope { via: Via::Sobot, verified: true, received_at, events: vec![] };
        StoredEvent::new(&Event::parse(&event.to_string()), &envelope, Duration::days(90))
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
            let event = stored(json!({ "type": "message", "timestamp": 7, "source": { "userId": "U1" },
                                       "webhookEventId": "01", "message": message }));
            assert_eq!((event.chat_id.as_str(), event.event_key.as_str()), ("U1", "0000000000007#01"));
            assert_eq!(event.expire_at, datetime!(2026-11-30 00:00:00 UTC).unix_timestamp());
            let item: Item = serde_dynamo::to_item(&event).unwrap();
            assert_eq!(serde_dynamo::from_item::<_, StoredEvent>(item), Ok(event));
        }
    }

    #[test]
    fn nothing_that_was_said_is_left_after_an_unsend() {
        let event = stored(json!({ "type": "message", "message": { "id": "1", "type": "image",
            "contentProvider": { "type": "external", "originalContentUrl": "https://example.com/hunter2" } } }));
        assert!(format!("{:?}", event).contains("hunter2"));
        assert!(!format!("{:?}", event.without_content(OffsetDateTime::UNIX_EPOCH)).contains("hunter2"));
    }

    #[test]
    fn the_pointer_names_its_holder_as_the_condition_does() {
        let event = stored(json!({ "type": "message" }));
        let held = Some((event.chat_id.clone(), event.event_key.clone()));
        let pointer =
            Pointer { chat_id: String::new(), event_key: String::new(), held_by: held, unsent_at: None, expire_at: 0 };
        let item: Item = serde_dynamo::to_item(&pointer).unwrap();
        assert_eq!(item["held_by"], held_by(&event));
    }
}
