//! `GET /users/{lineUserId}/messages`, `GET /users/{lineUserId}`, `DELETE /users/{lineUserId}`: what is kept of a LINE
//! user, and that it is kept no longer. Who looked is noted, under the user's pseudonym: a note outlives the person.

use std::time::Duration;

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    audit::{AuditKind, Entry},
    customer::{
        friend::{Belief, Friendship},
        unlink::{UnlinkError, Unlinked, unlink},
    },
    delivery::erase::PersonKey,
    ids::LineUserId,
    inbox::messages::{MediaError, StoredEvent},
    invalid::Invalid,
    lambda::http_api::{Problem, json_response},
};
use tokio::time::Instant;

use crate::{
    CallResult, Caller, Operations, cursor,
    input::{self, Query, one_of},
    links::{LINKED_ANEW, grant_name},
    rfc3339, unavailable, without_nulls,
};

/// The most events that one document has.
const MAX_EVENTS: usize = 2000;
/// The function and API Gateway give a call 30 seconds.
const MAX_ERASING: Duration = Duration::from_secs(15);

impl Operations {
    pub(crate) async fn list_messages(&self, request: &Request, caller: &Caller) -> CallResult {
        let user = input::path(request, "lineUserId", LineUserId::parse)?;
        let mut query = Query::of(request, &["limit", "cursor", "account"]);
        let limit = query.limit();
        let to_others = query.optional("account", account).unwrap_or(false);
        let context = format!("messages {} {to_others}", user.as_str());
        let before: Option<String> = query.cursor(caller, &context);
        query.finish(Some(()))?;
        let pseudonym = self.note_reading(&user, "messages", caller).await?;
        let (page, friend, member) = tokio::try_join!(
            self.messages.page(user.as_str(), to_others, limit, before.as_deref()),
            self.friends.get(&user, &pseudonym),
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

    /// All that is kept of a person, in one document.
    pub(crate) async fn show_user(&self, request: &Request, caller: &Caller) -> CallResult {
        let user = input::path(request, "lineUserId", LineUserId::parse)?;
        Query::none(request)?;
        let pseudonym = self.note_reading(&user, "everything", caller).await?;
        let (belief, member) =
            tokio::try_join!(self.friends.get(&user, &pseudonym), self.links.member_of(&user)).map_err(unavailable)?;
        let mut deliveries = self.deliveries.of_person(&PersonKey::of_user(&user)).await.map_err(unavailable)?;
        let mut link = None;
        if let Some(member) = &member {
            let since = self.links.linked_since(member).await.map_err(unavailable)?;
            link = Some(without_nulls(json!({ "memberId": member.as_str(), "linkedAt": since })));
            let of_member = self.deliveries.of_person(&PersonKey::of_member(member)).await;
            deliveries.extend(of_member.map_err(unavailable)?);
        }
        deliveries.sort_by_key(|record| record.progress.created_at());
        let (mut events, mut is_complete) = (Vec::new(), true);
        // To our account, and to others whose events came here.
        for to_others in [false, true] {
            let mut next = None::<String>;
            loop {
                let page = self.messages.page(user.as_str(), to_others, 100, next.as_deref()).await;
                let (found, more) = page.map_err(unavailable)?;
                events.extend(found.iter().map(event_json));
                next = more;
                if next.is_none() || events.len() >= MAX_EVENTS {
                    is_complete &= next.is_none();
                    break;
                }
            }
        }
        let deliveries: Vec<_> = deliveries.iter().map(|record| self.delivery_json(record)).collect();
        let body = without_nulls(json!({
            "lineUserId": user.as_str(),
            "pseudonym": pseudonym,
            "friend": belief.as_ref().map(belief_json),
            "link": link,
            "deliveries": deliveries,
            "events": events,
            "complete": is_complete,
        }));
        Ok(json_response(StatusCode::OK, &body))
    }

    /// A person is forgotten. Whatever was done before an error is done; the same call again goes on.
    pub(crate) async fn erase_user(&self, request: &Request, caller: &Caller) -> CallResult {
        let user = input::path(request, "lineUserId", LineUserId::parse)?;
        let mut query = Query::of(request, &["reason"]);
        let operator = query.operator(caller);
        let operator = query.finish(operator)?;
        let until = Instant::now() + MAX_ERASING;
        let pseudonym = self.delivery.pseudonyms().of_user(&user).await.map_err(unavailable)?;
        let entry = Entry::new(AuditKind::Erase, &pseudonym, &operator, None, self.clock.now());
        self.audit.note(&entry).await.map_err(unavailable)?;
        let member = self.links.member_of(&user).await.map_err(unavailable)?;
        let mut erased = self.delivery.erase(&PersonKey::of_user(&user), until).await.map_err(unavailable)?;
        if let Some(member) = &member {
            let others = self.delivery.erase(&PersonKey::of_member(member), until).await.map_err(unavailable)?;
            erased.count += others.count;
            erased.more |= others.more;
        }
        let (events, more) = self.messages.erase(user.as_str(), until).await.map_err(unavailable)?;
        let is_blocked = self.friends.forget(&user, &pseudonym).await.map_err(unavailable)?;
        let more = more || erased.more;
        // Last: as long as there is a link, the same call again knows whose orders to look for.
        let mut grant = None;
        if let Some(member) = member.as_ref().filter(|_| !more) {
            match unlink(member, &self.links, &self.login, &self.login_secret, self.clock).await {
                Ok(Unlinked::Removed { grant: ended }) => grant = Some(grant_name(ended)),
                Ok(Unlinked::NotLinked) => {}
                Err(UnlinkError::LinkedAnew) => return Err(Problem::new(StatusCode::CONFLICT, LINKED_ANEW)),
                Err(error) => return Err(unavailable(error)),
            }
        }
        tracing::warn!(operator = operator.name, erased.count, events, more, "a person is forgotten");
        let body = without_nulls(json!({
            "lineUserId": user.as_str(),
            "pseudonym": pseudonym,
            "deliveries": erased.count,
            "events": events,
            "memberId": member.as_ref().map(|member| member.as_str()),
            "grant": grant,
            "blockKept": is_blocked,
            "complete": !more,
        }));
        Ok(json_response(if more { StatusCode::ACCEPTED } else { StatusCode::OK }, &body))
    }

    /// Notes who looks at what is kept of a user, before it is shown; the user's pseudonym.
    async fn note_reading(&self, user: &LineUserId, what: &str, caller: &Caller) -> Result<String, Problem> {
        let pseudonym = self.delivery.pseudonyms().of_user(user).await.map_err(unavailable)?;
        // Nobody is asked for a reason to read.
        let reader = caller.as_operator(String::new());
        let entry = Entry::new(AuditKind::Read, &pseudonym, &reader, Some(json!({ "what": what })), self.clock.now());
        self.audit.note(&entry).await.map_err(unavailable)?;
        Ok(pseudonym)
    }
}

fn belief_json(belief: &Belief) -> Value {
    without_nulls(json!({
        "friend": belief.friendship == Friendship::Friend,
        "at": belief.at().map(rfc3339),
        "source": belief.source().map(|source| source.name()),
        "expiresAt": belief.expires_at().map(rfc3339),
        "pseudonymous": belief.is_forgotten(),
    }))
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
