//! A webhook event as LINE sends it and as Sobot forwards it, read leniently.
//!
//! EventSource: LINE, Messaging API reference, "Webhook event objects" and "Message event"; Sobot, "LINE
//! API". LINE adds types, fields and values without notice, so [`Event::parse`] takes everything: what it
//! does not know is [`EventKind::Unknown`] or [`MessageContent::Unknown`], and the event's own JSON is kept
//! beside what was understood of it.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::{foreign_json, ids::LineUserId};

/// An id or a name longer than this becomes its hash: ids are parts of keys, and a key has a limit.
const MAX_ID: usize = 100;
/// The latest time that thirteen digits of milliseconds can say.
const MAX_MS: i64 = 9_999_999_999_999;
/// LINE's clock may be ahead of ours by as much; a later time is none at which anything has happened.
const MAX_AHEAD: Duration = Duration::minutes(5);
/// LINE gives a sticker at most fifteen keywords.
const MAX_KEYWORDS: usize = 15;
/// What lets its holder reply to a user, or mark what the user wrote as read: wherever it stands, it is not kept.
const TOKENS: [&str; 2] = ["replyToken", "markAsReadToken"];

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `webhookEventId`; where it is missing, a hash of the event without its delivery context, so that a redelivered
    /// event has the same.
    pub id: String,
    /// `type`, as it came; empty where there is none.
    pub type_name: String,
    /// When it happened, in milliseconds since 1970, as the event says; 0 where it does not.
    pub at_ms: i64,
    /// Whose event it is, as it came.
    pub source: EventSource,
    /// What happened.
    pub kind: EventKind,
    /// `/message/id`, whatever the event's type: the message whose content the event holds.
    pub message_id: Option<String>,
    /// The event's JSON without the tokens and `link.nonce`, which let their holder act, and of other users than the
    /// source with the beginning of their ids; of what is no JSON its length and its hash.
    pub raw: String,
}

/// Who an event is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSource {
    /// `userId`, missing in most group events.
    pub user_id: Option<String>,
    /// `groupId` or `roomId`.
    pub group_id: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// The user wrote.
    Message {
        /// LINE's id of the message.
        message_id: String,
        /// What was written.
        content: MessageContent,
    },
    /// A user changed what was written.
    MessageEdited {
        /// What is written now.
        content: MessageContent,
    },
    /// The user took a message back.
    Unsend {
        /// Which one.
        message_id: String,
    },
    /// The user added the account, or unblocked it.
    Follow {
        /// Which of both, as far as LINE says.
        is_unblocked: Option<bool>,
    },
    /// The user blocked the account.
    Unfollow,
    /// The user linked an account of ours, or failed to.
    AccountLink {
        /// `ok`, `failed`, or a later value.
        result: String,
    },
    /// The user pressed a button with data.
    Postback {
        /// The button's data.
        data: String,
    },
    /// LINE suspended the account, or ended what connects it with this channel.
    Suspended,
    /// Anything else.
    Unknown,
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MessageContent {
    /// Text.
    Text {
        /// The words.
        text: String,
    },
    /// A picture.
    Image {
        /// Who has it.
        provider: Provider,
        /// Its place among pictures that were sent together.
        #[serde(skip_serializing_if = "Option::is_none")]
        image_set: Option<ImageSet>,
    },
    /// A video.
    Video {
        /// Who has it.
        provider: Provider,
        /// Its length.
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// A sound.
    Audio {
        /// Who has it.
        provider: Provider,
        /// Its length.
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// A file, always with LINE.
    File {
        /// Its name.
        file_name: String,
        /// Its size in bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        file_size: Option<u64>,
    },
    /// A place.
    Location {
        /// Its name.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Its address.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// Degrees, as they came.
        latitude: String,
        /// Degrees, as they came.
        longitude: String,
    },
    /// A sticker.
    Sticker {
        /// The package.
        package_id: String,
        /// The sticker.
        sticker_id: String,
        /// `STATIC`, `ANIMATION`, … and later values.
        resource_type: String,
        /// Words that describe it.
        keywords: Vec<String>,
        /// The words on it.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A type that we do not know.
    Unknown {
        /// Its name.
        message_type: String,
    },
}

/// Who has the bytes of a picture, a video or a sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Provider {
    /// LINE; they are fetched with the message's id.
    Line,
    /// Somebody else.
    External {
        /// Where they are.
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// A small picture of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        preview_url: Option<String>,
    },
    /// One that we do not know.
    Unknown {
        /// Its name.
        name: String,
    },
}

/// Pictures that were sent together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSet {
    /// The set's id.
    pub id: String,
    /// This picture's number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl Event {
    /// Reads an event. What cannot be taken apart (it is nested too deep) is an unknown event: nobody knows which
    /// message it holds, and what it holds could not be taken back.
    pub fn parse(raw: &str) -> Self {
        let Ok(mut event) = foreign_json::parse::<Value>(raw) else {
            return Self {
                id: hash(raw.as_bytes()),
                type_name: String::new(),
                at_ms: 0,
                source: EventSource::default(),
                kind: EventKind::Unknown,
                message_id: None,
                raw: json!({ "notJson": { "bytes": raw.len(), "hash": hash(raw.as_bytes()) } }).to_string(),
            };
        };
        let type_name = text(&event, "/type").map(short).unwrap_or_default();
        let kind = kind(&type_name, &event).unwrap_or(EventKind::Unknown);
        let source = EventSource {
            user_id: text(&event, "/source/userId").map(short),
            group_id: text(&event, "/source/groupId").or_else(|| text(&event, "/source/roomId")).map(short),
        };
        let at_ms = number(&event, "/timestamp").and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0).min(MAX_MS);
        let id = text(&event, "/webhookEventId");
        let id = id.map(short).unwrap_or_else(|| {
            // serde_json sorts the fields, so another order of them has the same hash.
            let mut lasting = event.clone();
            lasting.as_object_mut().map(|fields| fields.remove("deliveryContext"));
            hash(lasting.to_string().as_bytes())
        });
        let message_id = text(&event, "/message/id").map(short);
        remove_tokens(&mut event);
        shorten_others(&mut event, source.user_id.as_deref());
        event.pointer_mut("/link").and_then(Value::as_object_mut).map(|link| link.remove("nonce"));
        if matches!(kind, EventKind::Unsend { .. }) {
            // It names a message, and has no business to hold one.
            event.as_object_mut().map(|fields| fields.remove("message"));
            return Self { id, type_name, at_ms, source, kind, message_id: None, raw: event.to_string() };
        }
        Self { id, type_name, at_ms, source, kind, message_id, raw: event.to_string() }
    }

    /// When it happened. Nothing has happened later than it was received, whoever says so: such a time would outdate
    /// what comes after it.
    pub fn at(&self, received_at: OffsetDateTime) -> OffsetDateTime {
        let said = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.at_ms) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        if said > received_at + MAX_AHEAD { received_at } else { said }
    }
}

fn remove_tokens(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !TOKENS.contains(&name.as_str()));
            fields.values_mut().for_each(remove_tokens);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_tokens),
        _ => {}
    }
}

/// An event is kept under the user whose it is, and forgotten with that user: whom else it names (who joined a group,
/// or is mentioned) could not be, so of them the beginning of the id is kept.
fn shorten_others(value: &mut Value, own: Option<&str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(id) if name == "userId" && Some(id.as_str()) != own => {
                        if let Ok(other) = LineUserId::parse(id) {
                            *id = format!("{other:?}");
                        }
                    }
                    value => shorten_others(value, own),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten_others(item, own)),
        _ => {}
    }
}

impl EventSource {
    /// The user, if the id is one that LINE can have given.
    pub fn user(&self) -> Option<LineUserId> {
        LineUserId::parse(self.user_id.as_deref()?).ok()
    }

    /// Under what the operator finds the event: the user, else the group or room, else `unknown`.
    pub fn chat_id(&self) -> &str {
        self.user_id.as_deref().or(self.group_id.as_deref()).unwrap_or("unknown")
    }
}

impl MessageContent {
    /// Who has the bytes; `None` for what has none.
    pub fn provider(&self) -> Option<&Provider> {
        match self {
            Self::Image { provider, .. } | Self::Video { provider, .. } | Self::Audio { provider, .. } => {
                Some(provider)
            }
            Self::File { .. } => Some(&Provider::Line),
            _ => None,
        }
    }

    /// LINE's word for it.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::Image { .. } => "image",
            Self::Video { .. } => "video",
            Self::Audio { .. } => "audio",
            Self::File { .. } => "file",
            Self::Location { .. } => "location",
            Self::Sticker { .. } => "sticker",
            Self::Unknown { message_type } => message_type,
        }
    }
}

fn kind(type_name: &str, event: &Value) -> Option<EventKind> {
    Some(match type_name {
        "message" => EventKind::Message {
            message_id: short(text(event, "/message/id")?),
            content: content(event.get("message")?),
        },
        "messageEdited" => EventKind::MessageEdited { content: content(event.get("message")?) },
        "unsend" => EventKind::Unsend { message_id: short(text(event, "/unsend/messageId")?) },
        "follow" => EventKind::Follow { is_unblocked: event.pointer("/follow/isUnblocked").and_then(Value::as_bool) },
        "unfollow" => EventKind::Unfollow,
        "accountLink" => EventKind::AccountLink { result: text(event, "/link/result")? },
        "postback" => EventKind::Postback { data: text(event, "/postback/data")? },
        "botSuspended" | "deactivated" => EventKind::Suspended,
        _ => return None,
    })
}

fn content(message: &Value) -> MessageContent {
    let message_type = text(message, "/type").map(short).unwrap_or_default();
    let known = match message_type.as_str() {
        "text" => text(message, "/text").map(|text| MessageContent::Text { text }),
        "image" => Some(MessageContent::Image { provider: provider(message), image_set: image_set(message) }),
        "video" => {
            Some(MessageContent::Video { provider: provider(message), duration_ms: number(message, "/duration") })
        }
        "audio" => {
            Some(MessageContent::Audio { provider: provider(message), duration_ms: number(message, "/duration") })
        }
        "file" => text(message, "/fileName")
            .map(|file_name| MessageContent::File { file_name, file_size: number(message, "/fileSize") }),
        "location" => location(message),
        "sticker" => sticker(message),
        _ => None,
    };
    known.unwrap_or(MessageContent::Unknown { message_type })
}

fn location(message: &Value) -> Option<MessageContent> {
    Some(MessageContent::Location {
        title: text(message, "/title"),
        address: text(message, "/address"),
        latitude: text(message, "/latitude")?,
        longitude: text(message, "/longitude")?,
    })
}

fn sticker(message: &Value) -> Option<MessageContent> {
    let keywords = message.get("keywords").and_then(Value::as_array).into_iter().flatten();
    Some(MessageContent::Sticker {
        package_id: text(message, "/packageId")?,
        sticker_id: text(message, "/stickerId")?,
        resource_type: text(message, "/stickerResourceType").unwrap_or_default(),
        keywords: keywords.filter_map(Value::as_str).take(MAX_KEYWORDS).map(str::to_owned).collect(),
        text: text(message, "/text"),
    })
}

fn image_set(message: &Value) -> Option<ImageSet> {
    Some(ImageSet {
        id: text(message, "/imageSet/id")?,
        index: number(message, "/imageSet/index"),
        total: number(message, "/imageSet/total"),
    })
}

/// LINE always names one; an event without it is taken for the ordinary case.
fn provider(message: &Value) -> Provider {
    match text(message, "/contentProvider/type").as_deref() {
        None | Some("line") => Provider::Line,
        Some("external") => Provider::External {
            url: text(message, "/contentProvider/originalContentUrl"),
            preview_url: text(message, "/contentProvider/previewImageUrl"),
        },
        Some(other) => Provider::Unknown { name: other.to_owned() },
    }
}

/// Text, or a number as its digits: an id stays whole whichever way it comes. Empty counts as missing.
fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A number, or digits: Sobot's page gives some as text.
fn number(value: &Value, pointer: &str) -> Option<u64> {
    match value.pointer(pointer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn short(id: String) -> String {
    if id.len() <= MAX_ID { id } else { hash(id.as_bytes()) }
}

fn hash(bytes: &[u8]) -> String {
    let hash: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hash}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(message: Value) -> MessageContent {
        let mut message = message;
        message["id"] = json!("1");
        match Event::parse(&json!({ "type": "message", "message": message }).to_string()).kind {
            EventKind::Message { content, .. } => content,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_message_is_read() {
        assert_eq!(
            message(json!({ "type": "text", "text": "充电宝 🔋" })),
            MessageContent::Text { text: "充电宝 🔋".to_owned() }
        );
        assert_eq!(
            message(json!({ "type": "image", "contentProvider": { "type": "line" },
                            "imageSet": { "id": "E0", "index": 1, "total": 2 } })),
            MessageContent::Image {
                provider: Provider::Line,
                image_set: Some(ImageSet { id: "E0".to_owned(), index: Some(1), total: Some(2) })
            }
        );
        assert_eq!(
            message(json!({ "type": "video", "duration": "60000",
                            "contentProvider": { "type": "external", "originalContentUrl": "https://a/b.mp4" } })),
            MessageContent::Video {
                provider: Provider::External { url: Some("https://a/b.mp4".to_owned()), preview_url: None },
                duration_ms: Some(60_000)
            }
        );
        assert_eq!(
            message(json!({ "type": "audio", "contentProvider": { "type": "cloud" } })),
            MessageContent::Audio { provider: Provider::Unknown { name: "cloud".to_owned() }, duration_ms: None }
        );
        assert_eq!(
            message(json!({ "type": "file", "fileName": "a.txt", "fileSize": 2138 })).provider(),
            Some(&Provider::Line)
        );
        assert_eq!(
            message(json!({ "type": "location", "latitude": 35.67966, "longitude": "139.7" })),
            MessageContent::Location {
                title: None,
                address: None,
                latitude: "35.67966".to_owned(),
                longitude: "139.7".to_owned()
            }
        );
        let sticker = message(json!({ "type": "sticker", "packageId": "1", "stickerId": 52002738,
                                      "stickerResourceType": "HOLOGRAM", "keywords": ["hi", 1] }));
        assert!(matches!(sticker, MessageContent::Sticker { sticker_id, resource_type, keywords, .. }
            if sticker_id == "52002738" && resource_type == "HOLOGRAM" && keywords == ["hi"]));
        for unknown in [json!({ "type": "hologram" }), json!({ "type": "text" }), json!({})] {
            assert!(matches!(message(unknown), MessageContent::Unknown { .. }));
        }
    }

    #[test]
    fn every_other_event_is_read_and_the_rest_kept() {
        let kind = |event: Value| Event::parse(&event.to_string()).kind;
        let message_id = "561230966842064897".to_owned();
        assert_eq!(
            kind(json!({ "type": "unsend", "unsend": { "messageId": message_id } })),
            EventKind::Unsend { message_id }
        );
        assert_eq!(
            kind(json!({ "type": "follow", "follow": { "isUnblocked": true } })),
            EventKind::Follow { is_unblocked: Some(true) }
        );
        assert_eq!(kind(json!({ "type": "follow" })), EventKind::Follow { is_unblocked: None });
        assert_eq!(kind(json!({ "type": "unfollow" })), EventKind::Unfollow);
        assert_eq!(
            kind(json!({ "type": "accountLink", "link": { "result": "failed" } })),
            EventKind::AccountLink { result: "failed".to_owned() }
        );
        assert_eq!(
            kind(json!({ "type": "postback", "postback": { "data": "a=1" } })),
            EventKind::Postback { data: "a=1".to_owned() }
        );
        for unknown in [
            json!({ "type": "beacon" }),
            json!({ "type": "message" }),
            json!({ "type": "unsend" }),
            json!({ "type": 7 }),
            json!({}),
            json!([]),
            json!(null),
            json!("text"),
        ] {
            assert_eq!(kind(unknown), EventKind::Unknown);
        }
        for known in ["botSuspended", "deactivated"] {
            assert_eq!(kind(json!({ "type": known })), EventKind::Suspended);
        }
        assert_eq!(
            kind(json!({ "type": "messageEdited", "message": { "id": "1", "type": "text", "text": "x" } })),
            EventKind::MessageEdited { content: MessageContent::Text { text: "x".to_owned() } }
        );
    }

    #[test]
    fn what_is_no_json_is_kept_as_its_length_and_its_hash() {
        let deep = format!("{}\"hunter2\"{}", "[".repeat(500), "]".repeat(500));
        let event = Event::parse(&deep);
        assert_eq!((event.kind, event.message_id), (EventKind::Unknown, None));
        let raw: Value = serde_json::from_str(&event.raw).unwrap();
        assert_eq!(raw["notJson"]["bytes"], deep.len());
        assert_eq!(raw["notJson"]["hash"], hash(deep.as_bytes()));
        assert!(!event.raw.contains("hunter2"));
    }

    #[test]
    fn every_event_that_carries_a_message_names_it() {
        let message_id = |event: Value| Event::parse(&event.to_string()).message_id;
        for carrier in ["message", "messageEdited", "hologram"] {
            let event = json!({ "type": carrier, "message": { "id": 561_230_966_842_064_897_u64, "type": "text" } });
            assert_eq!(message_id(event).as_deref(), Some("561230966842064897"), "{carrier}");
        }
        assert_eq!(message_id(json!({ "type": "message", "message": { "type": "text" } })), None);
        let unsend = json!({ "type": "unsend", "unsend": { "messageId": "1" }, "message": { "id": "2", "text": "x" } });
        let unsend = Event::parse(&unsend.to_string());
        assert!(unsend.message_id.is_none() && !unsend.raw.contains("text"), "{unsend:?}");
    }

    #[test]
    fn an_event_without_an_id_is_known_by_its_content_whatever_the_delivery() {
        let id = |event: &str| Event::parse(event).id;
        let first = id(r#"{"type":"follow","timestamp":1,"deliveryContext":{"isRedelivery":false}}"#);
        assert_eq!(first, id(r#"{ "deliveryContext": {"isRedelivery":true}, "timestamp":1, "type":"follow"}"#));
        assert_ne!(first, id(r#"{"type":"follow","timestamp":2}"#));
        assert!(first.starts_with("sha256:"));
        assert_eq!(id(r#"{"webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR"}"#), "01FZ74A0TDDPYRVKNK77XKC3ZR");
        assert!(id(&json!({ "webhookEventId": "x".repeat(5000) }).to_string()).len() <= MAX_ID);
    }

    #[test]
    fn what_lets_its_holder_act_is_not_kept() {
        let message = json!({ "id": "1", "markAsReadToken": "hunter2", "new": [{ "replyToken": "hunter2" }] });
        for event in [
            json!({ "type": "accountLink", "replyToken": "hunter2", "link": { "result": "ok", "nonce": "hunter2" } }),
            json!({ "type": "message", "replyToken": "hunter2", "message": message }),
            json!({ "type": "messageEdited", "replyToken": "hunter2", "message": message }),
        ] {
            let raw = Event::parse(&event.to_string()).raw;
            assert!(raw.contains(event["type"].as_str().unwrap()) && !raw.contains("hunter2"), "{raw}");
        }
    }

    #[test]
    fn a_time_out_of_range_is_brought_into_it() {
        for (timestamp, expected) in [
            (json!(1_462_629_479_859_u64), 1_462_629_479_859),
            (json!("1462629479859"), 1_462_629_479_859),
            (json!(u64::MAX), 0),
            (json!(99_999_999_999_999_u64), MAX_MS),
            (json!(-1), 0),
            (json!(null), 0),
        ] {
            let event = Event::parse(&json!({ "timestamp": timestamp }).to_string());
            assert_eq!(event.at_ms, expected);
        }
    }

    #[test]
    fn nothing_happens_after_it_was_received() {
        let received_at = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let received_ms = 20_000 * 86_400_000_u64;
        for (timestamp, expected) in [
            (received_ms - 1, received_at - Duration::MILLISECOND),
            (received_ms + 300_000, received_at + Duration::minutes(5)),
            (received_ms + 300_001, received_at),
            (9_999_999_999_999, received_at),
            (99_999_999_999_999, received_at),
        ] {
            let event = Event::parse(&json!({ "timestamp": timestamp }).to_string());
            assert_eq!(event.at(received_at), expected, "{timestamp}");
        }
    }

    #[test]
    fn an_event_is_found_under_its_user_else_its_group() {
        let chat = |source: Value| Event::parse(&json!({ "source": source }).to_string()).source.chat_id().to_owned();
        assert_eq!(chat(json!({ "type": "user", "userId": "U1" })), "U1");
        assert_eq!(chat(json!({ "type": "group", "groupId": "C1", "userId": "U1" })), "U1");
        assert_eq!(chat(json!({ "type": "group", "groupId": "C1" })), "C1");
        assert_eq!(chat(json!({ "type": "room", "roomId": "R1" })), "R1");
        assert_eq!(chat(json!(null)), "unknown");
    }

    #[test]
    fn whom_else_an_event_names_is_not_kept() {
        let (own, other) = (format!("U{}", "0".repeat(32)), format!("U{}", "1".repeat(32)));
        let event = json!({ "source": { "type": "group", "groupId": "C1", "userId": own },
            "joined": { "members": [{ "type": "user", "userId": other }] },
            "message": { "mention": { "mentionees": [{ "userId": own }, { "userId": other }, { "type": "all" }] } } });
        let raw = Event::parse(&event.to_string()).raw;
        assert_eq!((raw.matches(&own).count(), raw.matches(&other).count(), raw.matches("U1111…").count()), (2, 0, 2));
    }

    #[test]
    fn half_an_emoji_does_not_cost_the_event_its_identity() {
        let raw = r#"{"type":"message","webhookEventId":"E1","replyToken":"r","timestamp":5,"source":{"type":"user","userId":"U1"},
            "message":{"type":"text","id":"1","text":"a \\ud83d \ud83d\ude00 b \ud83d"}}"#;
        let event = Event::parse(raw);
        assert_eq!((event.id.as_str(), event.at_ms, event.source.chat_id()), ("E1", 5, "U1"));
        assert!(!event.raw.contains("replyToken"));
        let EventKind::Message { content: MessageContent::Text { text, .. }, .. } = &event.kind else {
            panic!("{event:?}")
        };
        assert_eq!(text, "a \\ud83d 😀 b \u{FFFD}");
    }
}
