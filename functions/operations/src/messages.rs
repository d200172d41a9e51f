//! `GET /users/{lineUserId}/messages`: what a LINE user wrote and did, and what happened in a group or room without
//! LINE saying by whom. Who looked is noted, under the user's pseudonym: a note outlives the person.

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    audit::{AuditKind, Entry},
    customer::friend::Friendship,
    ids::LineUserId,
    inbox::messages::{MediaError, StoredEvent},
    invalid::Invalid,
    lambda::http_api::{Problem, json_response},
};

use crate::{
    CallResult, Caller, Operations,
    cursor::{self, Room},
    input::{self, Query, one_of},
    rfc3339, unavailable, without_nulls,
};

/// Under what events are kept.
enum Chat {
    User(LineUserId),
    /// A group's id, or a room's.
    Group(String),
}

impl Chat {
    fn parse(id: &str) -> Result<Self, Invalid> {
        // Both are a letter and what a user's id has (LINE: "Get user, group chat, and multi-person chat IDs").
        match id.strip_prefix(['C', 'R']) {
            Some(digits) => LineUserId::parse(&format!("U{digits}")).map(|_| Self::Group(id.to_owned())),
            None => LineUserId::parse(id).map(Self::User),
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Group(id) => id,
        }
    }
}

impl Operations {
    pub(crate) async fn list_messages(&self, request: &Request, caller: &Caller) -> CallResult {
        let chat = input::path(request, "lineUserId", Chat::parse)?;
        let mut query = Query::of(request, &["limit", "cursor", "account"]);
        let limit = query.limit();
        let to_others = query.optional("account", account).unwrap_or(false);
        let context = format!("messages {} {to_others}", chat.id());
        let before: Option<String> = query.cursor(caller, &context);
        query.finish(Some(()))?;
        let what = json!({ "what": "messages" });
        let (friend, member) = match &chat {
            Chat::User(user) => {
                let pseudonym = self.note_reading_of(user, what, caller).await?;
                let known = tokio::try_join!(self.friends.get(user, &pseudonym), self.links.member_of(user));
                known.map_err(unavailable)?
            }
            Chat::Group(id) => {
                self.note_reading(id, what, caller).await?;
                (None, None)
            }
        };
        let page = self.messages.page(chat.id(), to_others, limit, before.as_deref()).await.map_err(unavailable)?;
        let (found, mut next) = page;
        let (mut room, mut events) = (Room::default(), Vec::new());
        for (place, event) in found.iter().enumerate() {
            let event = event_json(event);
            if !room.takes(&event) {
                next = place.checked_sub(1).map(|last| found[last].event_key.clone());
                break;
            }
            events.push(event);
        }
        let mut body = without_nulls(json!({
            "lineUserId": chat.id(),
            "friend": friend.map(|belief| belief.friendship == Friendship::Friend),
            "memberId": member.map(|member| member.as_str().to_owned()),
            "events": events,
        }));
        cursor::put_next(&mut body, caller, &context, next.as_ref());
        Ok(json_response(StatusCode::OK, &body))
    }

    /// Notes who looks at what is kept of a LINE user, before it is shown; the user's pseudonym. `what` was looked at.
    pub(crate) async fn note_reading_of(
        &self,
        user: &LineUserId,
        what: Value,
        caller: &Caller,
    ) -> Result<String, Problem> {
        let pseudonym = self.delivery.pseudonyms().of_user(user).await.map_err(unavailable)?;
        self.note_reading(&pseudonym, what, caller).await?;
        Ok(pseudonym)
    }

    /// The same of whom this pseudonym stands for, or of a group.
    pub(crate) async fn note_reading(&self, pseudonym: &str, what: Value, caller: &Caller) -> Result<(), Problem> {
        // Nobody is asked for a reason to read.
        let reader = caller.as_operator(String::new());
        let entry = Entry::new(AuditKind::Read, pseudonym, &reader, Some(what), self.clock.now());
        self.audit.note(&entry).await.map_err(unavailable)
    }
}

/// Whose events: ours, or those of another account that came here.
fn account(text: &str) -> Result<bool, Invalid> {
    match text {
        "ours" => Ok(false),
        "another" => Ok(true),
        _ => Err(one_of(["ours", "another"])),
    }
}

/// An event as the contract has it.
pub(crate) fn event_json(event: &StoredEvent) -> Value {
    let raw: Option<Value> = event.event.as_ref().and_then(|raw| serde_json::from_str(raw).ok());
    without_nulls(json!({
        "eventId": event.event_id,
        "type": event.event_type,
        "at": rfc3339(event.at),
        "receivedAt": rfc3339(event.received_at),
        "via": event.via,
        "verified": event.verified,
        "anotherAccount": event.another_account,
        "messageId": event.message_id,
        "content": event.content,
        "mediaUrl": event.media_url,
        "mediaError": event.media_error.map(MediaError::name),
        "event": raw.filter(Value::is_object),
        "unsentAt": event.unsent_at.map(rfc3339),
    }))
}
