//! `GET` and `DELETE /users/{lineUserId}`, `GET` and `DELETE /members/{memberId}`: all that is kept of a person,
//! and that it is kept no longer. `GET /users/{lineUserId}/orders` and `GET /members/{memberId}/orders`: of that, only
//! how each order stands, for who answers a customer.
//!
//! A LINE user is known by what went to that user, and by the links that stand and that ended: to whom a member was
//! linked, so is an order of the time when that member was linked to nobody. A member is known to the company
//! alone, may never have had a LINE user, and is otherwise the same person as the LINE user of today; of former
//! ones, what went to them as this member.

use std::{cmp::Reverse, time::Duration};

use lambda_http::{Request, RequestExt as _, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{
    audit::{AuditKind, Entry},
    aws::error::AwsError,
    customer::{
        friend::{Belief, Friendship},
        unlink::{UnlinkError, Unlinked, unlink},
    },
    delivery::{
        erase::{Erased, OfPerson, PersonKey, RecordKey},
        record::DeliveryRecord,
    },
    ids::{LineUserId, MemberId},
    lambda::http_api::{Problem, json_response},
};
use tokio::time::Instant;

use crate::{
    CallResult, Caller, Operations,
    cursor::{self, Room},
    input::{self, Query},
    links::{grant_name, linked_anew},
    messages::event_json,
    rfc3339, unavailable, without_nulls,
};

/// How much is read at a time.
const AT_ONCE: u8 = 50;
/// The most orders of a person that are looked at for a list: an order a day for years.
const MAX_ORDERS: usize = 1000;
/// The function and API Gateway give a call 30 seconds.
const MAX_ERASING: Duration = Duration::from_secs(15);

/// Whom a path names.
enum Sought {
    User(LineUserId),
    Member(MemberId),
}

impl Sought {
    fn of(request: &Request) -> Result<Self, Problem> {
        if request.path_parameters().first("memberId").is_some() {
            input::path(request, "memberId", MemberId::parse).map(Self::Member)
        } else {
            input::path(request, "lineUserId", LineUserId::parse).map(Self::User)
        }
    }
}

/// Who it is, and under what something is kept of that person.
struct Person {
    user: Option<LineUserId>,
    /// The member who is looked for, or else the one that the LINE user is linked to.
    member: Option<MemberId>,
    pseudonym: String,
    deliveries: Vec<OfPerson>,
}

/// Where the document goes on.
#[derive(Clone, Serialize, Deserialize)]
enum Position {
    /// With deliveries under a key, after this one.
    Deliveries(usize, Option<RecordKey>),
    /// With events, of our account or of others, before this one.
    Events(bool, Option<String>),
}

impl Operations {
    async fn find(&self, sought: Sought) -> Result<Person, Problem> {
        match sought {
            Sought::User(user) => self.person_of_user(user).await,
            Sought::Member(member) => self.person_of_member(member).await,
        }
    }

    async fn person_of_user(&self, user: LineUserId) -> Result<Person, Problem> {
        let links = tokio::try_join!(self.links.member_of(&user), self.links.former_members_of(&user));
        let (member, former) = links.map_err(unavailable)?;
        let former = former.iter().filter(|former| member.as_ref() != Some(former));
        let members = member.iter().chain(former).map(PersonKey::of_member);
        let keys: Vec<_> = [PersonKey::of_user(&user)].into_iter().chain(members).collect();
        Ok(Person {
            pseudonym: self.delivery.pseudonyms().of_user(&user).await.map_err(unavailable)?,
            user: Some(user),
            member,
            deliveries: keys.into_iter().map(|key| OfPerson { key, naming: None }).collect(),
        })
    }

    async fn person_of_member(&self, member: MemberId) -> Result<Person, Problem> {
        let mut person = match self.links.line_user_of(&member).await.map_err(unavailable)? {
            Some(user) => self.person_of_user(user).await?,
            None => Person {
                user: None,
                member: Some(member.clone()),
                pseudonym: self.delivery.pseudonyms().of_member(&member).await.map_err(unavailable)?,
                deliveries: vec![OfPerson { key: PersonKey::of_member(&member), naming: None }],
            },
        };
        for former in self.links.former_users_of(&member).await.map_err(unavailable)? {
            let (key, naming) = (PersonKey::of_user(&former), Some(member.clone()));
            person.deliveries.push(OfPerson { key, naming });
        }
        Ok(person)
    }

    /// All that is kept of a person, in one document, page by page.
    pub(crate) async fn show_person(&self, request: &Request, caller: &Caller) -> CallResult {
        let person = &self.find(Sought::of(request)?).await?;
        let mut query = Query::of(request, &["cursor"]);
        let context = format!("person {} {:?}", person.pseudonym, person.deliveries);
        let begin: Option<Position> = query.cursor(caller, &context);
        query.finish(Some(()))?;
        self.note_reading(&person.pseudonym, json!({ "what": "everything" }), caller).await?;
        let mut body = json!({
            "lineUserId": person.user.as_ref().map(LineUserId::as_str),
            "memberId": person.member.as_ref().map(MemberId::as_str),
            "pseudonym": person.pseudonym,
        });
        // What there is only one of stands on the first page.
        if begin.is_none() {
            let (belief, link) = tokio::try_join!(self.belief(person), self.link(person)).map_err(unavailable)?;
            body["friend"] = belief.as_ref().map(belief_json).into();
            body["link"] = link.into();
        }
        let (mut deliveries, mut events) = (Vec::new(), Vec::new());
        let mut room = Room::default();
        let mut position = Some(begin.unwrap_or(Position::Deliveries(0, None)));
        'page: while let Some(begin) = position.clone() {
            let (items, next) = self.read_at(person, &begin).await.map_err(unavailable)?;
            for (item, after) in items {
                if !room.takes(&item) {
                    break 'page;
                }
                match &after {
                    Position::Deliveries(..) => deliveries.push(item),
                    Position::Events(..) => events.push(item),
                }
                position = Some(after);
            }
            position = next;
        }
        (body["deliveries"], body["events"]) = (deliveries.into(), events.into());
        let mut body = without_nulls(body);
        cursor::put_next(&mut body, caller, &context, position.as_ref());
        Ok(json_response(StatusCode::OK, &body))
    }

    /// A person's orders, the newest first. The index has them in no order, so each page looks at all of them.
    pub(crate) async fn list_orders(&self, request: &Request, caller: &Caller) -> CallResult {
        let person = &self.find(Sought::of(request)?).await?;
        let mut query = Query::of(request, &["limit", "cursor"]);
        let limit = query.limit() as usize;
        let context = format!("orders of {} {:?}", person.pseudonym, person.deliveries);
        let after: Option<(i64, String)> = query.cursor(caller, &context);
        query.finish(Some(()))?;
        self.note_reading(&person.pseudonym, json!({ "what": "orders" }), caller).await?;
        let (mut orders, complete) = self.orders_of(person).await.map_err(unavailable)?;
        let place = |order: &DeliveryRecord| (order.progress.created_at().unix_timestamp(), order.order_id.clone());
        orders.retain(|order| after.as_ref().is_none_or(|after| place(order) < *after));
        orders.sort_by_key(|order| Reverse(place(order)));
        let more = orders.len() > limit;
        orders.truncate(limit);
        let next = orders.last().filter(|_| more).map(place);
        let (friend, link) = tokio::try_join!(self.belief(person), self.link(person)).map_err(unavailable)?;
        let mut body = without_nulls(json!({
            "lineUserId": person.user.as_ref().map(LineUserId::as_str),
            "memberId": person.member.as_ref().map(MemberId::as_str),
            "friend": friend.as_ref().map(belief_json),
            "link": link,
            "orders": orders.iter().map(order_json).collect::<Value>(),
            "complete": complete,
        }));
        cursor::put_next(&mut body, caller, &context, next.as_ref());
        Ok(json_response(StatusCode::OK, &body))
    }

    /// A person's records, and whether that is all of them.
    async fn orders_of(&self, person: &Person) -> Result<(Vec<DeliveryRecord>, bool), AwsError> {
        let mut orders = Vec::new();
        for of_person in &person.deliveries {
            let mut after: Option<RecordKey> = None;
            loop {
                let (some, last) = self.deliveries.of_person(of_person, AT_ONCE.into(), after.as_ref()).await?;
                orders.extend(some);
                match last {
                    Some(_) if orders.len() >= MAX_ORDERS => return Ok((orders, false)),
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
        Ok((orders, true))
    }

    /// Some of the document, each with where it goes on after it; and where it goes on after all of them.
    async fn read_at(
        &self,
        person: &Person,
        begin: &Position,
    ) -> Result<(Vec<(Value, Position)>, Option<Position>), AwsError> {
        match begin {
            Position::Deliveries(place, after) => {
                let Some(of_person) = person.deliveries.get(*place) else {
                    return Ok((Vec::new(), Some(Position::Events(false, None))));
                };
                let (records, last) = self.deliveries.of_person(of_person, AT_ONCE.into(), after.as_ref()).await?;
                let position = |record: RecordKey| Position::Deliveries(*place, Some(record));
                let items = records.iter().map(|record| {
                    let key = (record.order_id.clone(), record.status.clone());
                    (self.delivery_json(record), position(key))
                });
                Ok((items.collect(), Some(last.map_or(Position::Deliveries(place + 1, None), position))))
            }
            Position::Events(to_others, before) => {
                let Some(user) = &person.user else { return Ok((Vec::new(), None)) };
                let page = self.messages.page(user.as_str(), *to_others, AT_ONCE.into(), before.as_deref()).await?;
                let position = |event_key: String| Position::Events(*to_others, Some(event_key));
                let items = page.0.iter().map(|event| (event_json(event), position(event.event_key.clone())));
                let others = (!to_others).then_some(Position::Events(true, None));
                Ok((items.collect(), page.1.map(position).or(others)))
            }
        }
    }

    async fn belief(&self, person: &Person) -> Result<Option<Belief>, AwsError> {
        let Some(user) = &person.user else { return Ok(None) };
        self.friends.get(user, &person.pseudonym).await
    }

    async fn link(&self, person: &Person) -> Result<Option<Value>, AwsError> {
        let (Some(_), Some(member)) = (&person.user, &person.member) else { return Ok(None) };
        let since = self.links.linked_since(member).await?;
        Ok(Some(without_nulls(json!({ "memberId": member.as_str(), "linkedAt": since }))))
    }

    /// A person is forgotten. Whatever was done before an error is done; the same call again goes on.
    pub(crate) async fn erase_person(&self, request: &Request, caller: &Caller) -> CallResult {
        let sought = Sought::of(request)?;
        let mut query = Query::of(request, &["reason"]);
        let operator = query.operator(caller);
        let operator = &query.finish(operator)?;
        let person = &self.find(sought).await?;
        let until = Instant::now() + MAX_ERASING;
        let entry = Entry::new(AuditKind::Erase, &person.pseudonym, operator, None, self.clock.now());
        self.audit.note(&entry).await.map_err(unavailable)?;
        let mut erased = Erased::default();
        for of_person in &person.deliveries {
            let some = self.delivery.erase(of_person, until).await.map_err(unavailable)?;
            erased = Erased { count: erased.count + some.count, more: erased.more || some.more };
        }
        let (mut events, mut more, mut is_blocked) = (0, erased.more, false);
        if let Some(user) = &person.user {
            let (count, are_left) = self.messages.erase(user.as_str(), until).await.map_err(unavailable)?;
            (events, more) = (count, more || are_left);
            is_blocked = self.friends.forget(user, &person.pseudonym).await.map_err(unavailable)?;
        }
        // Last: as long as it is known who was linked, the same call again knows whose orders to look for.
        let grant = if more { None } else { self.forget_links(person).await? };
        tracing::warn!(operator = operator.name, erased.count, events, more, "a person is forgotten");
        let body = without_nulls(json!({
            "lineUserId": person.user.as_ref().map(LineUserId::as_str),
            "memberId": person.member.as_ref().map(MemberId::as_str),
            "pseudonym": person.pseudonym,
            "deliveries": erased.count,
            "events": events,
            "grant": grant,
            "blockKept": is_blocked,
            "complete": !more,
        }));
        Ok(json_response(if more { StatusCode::ACCEPTED } else { StatusCode::OK }, &body))
    }

    /// Ends the link, and forgets those that ended before. What became of the grant at LINE, where there was a link.
    async fn forget_links(&self, person: &Person) -> Result<Option<&'static str>, Problem> {
        let mut grant = None;
        if let Some(member) = &person.member {
            match unlink(member, &self.links, &self.login, &self.login_secret, self.clock).await {
                Ok(Unlinked::Removed { grant: ended }) => grant = Some(grant_name(ended)),
                Ok(Unlinked::NotLinked) => {}
                Err(UnlinkError::LinkedAnew) => return Err(linked_anew(member)),
                Err(error) => return Err(unavailable(error)),
            }
            self.links.forget_former_of_member(member).await.map_err(unavailable)?;
        }
        if let Some(user) = &person.user {
            self.links.forget_former_of_user(user).await.map_err(unavailable)?;
        }
        Ok(grant)
    }
}

/// As a list has an order.
fn order_json(order: &DeliveryRecord) -> Value {
    without_nulls(json!({
        "orderId": order.order_id,
        "status": order.status,
        "delivery": order.progress.state(),
        "reason": order.progress.reason(),
        "attemptCount": order.progress.attempt_count(),
        "createdAt": rfc3339(order.progress.created_at()),
        "updatedAt": rfc3339(order.updated_at),
        "lastError": order.last_error,
    }))
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
