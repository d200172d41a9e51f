//! `GET /users/{lineUserId}/messages`: what a user wrote and did.

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    customer::friend::Friendship,
    ids::LineUserId,
    inbox::messages::{MediaError, StoredEvent},
    invalid::Invalid,
    lambda::http_api::json_response,
};

use crate::{
    CallResult, Caller, Operations, cursor,
    input::{self, Query, one_of},
    rfc3339, unavailable, without_nulls,
};

impl Operations {
    pub(crate) async fn list_messages(&self, request: &Request, caller: &Caller) -> CallResult {
        let user = input::path(request, "lineUserId", LineUserId::parse)?;
        let mut query = Query::of(request, &["limit", "cursor", "account"]);
        let limit = query.limit();
        let to_others = query.optional("account", account).unwrap_or(false);
        let context = format!("messages {} {to_others}", user.as_str());
        let before: Option<String> = query.cursor(caller, &context);
        query.finish(Some(()))?;
        let (page, friend, member) = tokio::try_join!(
            self.messages.page(user.as_str(), to_others, limit, before.as_deref()),
            self.friends.get(&user),
            self.links.member_of(&user)
        )
        .map_err(unavailable)?;
        let (events, next) = page;
        let events: Vec<_> = events.iter().map(event_json).collect();
        let mut body = without_nulls(json!({
            "lineUserId": user.as_str(),
            "friend": friend.map(|belief| belief.friendship == Friendship::Friend),
            "memberId": member.map(|member| member.as_str().to_owned()),
            "events": events,
        }));
        cursor::put_next(&mut body, caller, &context, next.as_ref());
        Ok(json_response(StatusCode::OK, &body))
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

fn event_json(event: &StoredEvent) -> Value {
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
