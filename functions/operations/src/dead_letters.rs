//! `GET /dead-letters`, `POST /dead-letters/redrive`, `DELETE /dead-letters/{id}`.
//!
//! SQS lets nobody look at a message without receiving it. So a listing receives a queue's messages for a moment and
//! gives all of them back; if it dies in between, they come back by themselves. What another listing or a redrive holds
//! at that moment is not seen, and says so (`notVisible`). A dead-letter queue has no dead-letter queue of its own, so
//! receiving changes nothing but the count.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use aws_sdk_sqs::{
    Client,
    error::ProvideErrorMetadata,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageAttributeValue,
        MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
    },
};
use jiff::tz::TimeZone;
use lambda_http::{Request, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use shared::{
    audit::{AuditKind, Entry},
    aws::error::{AwsError, Cause, Doing as _},
    delivery::{DeliveryError, bell::Ring, resend::Discarded, state},
    foreign_json,
    ids::LineUserId,
    invalid::Invalid,
    lambda::{
        http_api::{Problem, json_response},
        problem_code::ProblemCode,
    },
    notification::{self, Notification, StatusChange},
    report::daily::{Start, kept_of},
};
use time::{Date, OffsetDateTime};

use crate::{
    CallResult, Caller, Operations, cursor,
    input::{self, BodyFields, Query},
    rfc3339, unavailable, without_nulls,
};

/// The dead-letter queue of the orders.
pub const PUSH_RETRY: &str = "push-retry";
/// The dead-letter queue of what users write and do.
pub const INBOX: &str = "inbox";
/// The dead-letter queue of reports.
pub const DAILY_REPORT: &str = "daily-report";
/// The most messages of a queue that one listing looks at.
const MAX_LISTED: usize = 1000;
/// How long a listing may keep messages from others, if it dies.
const VISIBILITY_SECONDS: i32 = 30;
/// What SQS takes or gives in one call.
const BATCH: usize = 10;
/// An answer shows this many characters of a message.
const MAX_BODY: usize = 4096;
/// Messages are moved one by one for this long; the same call again goes on.
const MAX_MOVING: Duration = Duration::from_secs(20);

/// A dead-letter queue.
#[derive(Clone, Debug)]
pub struct DeadLetterQueue {
    /// Its name in the HTTP API.
    pub name: &'static str,
    /// Its URL.
    pub url: String,
    /// The URL of the queue that its messages come from; none where it is no queue they come from.
    pub source_url: Option<String>,
}

/// All of them.
#[derive(Debug)]
pub struct DeadLetterQueues {
    client: Client,
    queues: Vec<DeadLetterQueue>,
}

/// Where a listing goes on: after this message of this queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Position {
    queue: String,
    sent_ms: i64,
    message_id: String,
}

/// A message that was received.
#[derive(Clone, Debug)]
struct Letter {
    message_id: String,
    receipt: String,
    body: String,
    sent_ms: i64,
    receive_count: u64,
    attributes: Option<HashMap<String, MessageAttributeValue>>,
}

fn events_shown(body: &str) -> String {
    #[derive(Deserialize)]
    struct Events {
        events: Vec<Box<RawValue>>,
    }
    let event = |event: &RawValue| -> Value {
        let event = foreign_json::value(event.get());
        ["type", "webhookEventId", "timestamp"].into_iter().map(|name| (name.to_owned(), event[name].clone())).collect()
    };
    match foreign_json::parse::<Events>(body) {
        Ok(Events { events }) => {
            json!({ "events": events.iter().map(|raw| event(raw)).collect::<Vec<_>>() }).to_string()
        }
        Err(_) => json!({ "bytes": body.len() }).to_string(),
    }
}

impl Letter {
    fn of(message: Message) -> Option<Self> {
        let attribute = |name| message.attributes()?.get(&name)?.parse::<i64>().ok();
        let sent_ms = attribute(MessageSystemAttributeName::SentTimestamp).unwrap_or(0);
        let received = attribute(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(0);
        Some(Self {
            sent_ms,
            receive_count: u64::try_from(received).unwrap_or(0),
            message_id: message.message_id?,
            receipt: message.receipt_handle?,
            body: message.body.unwrap_or_default(),
            attributes: message.message_attributes,
        })
    }

    fn notification(&self) -> Option<Notification> {
        match notification::parse_bytes(self.body.as_bytes()) {
            Ok(StatusChange::Notified(notification)) => Some(notification),
            _ => None,
        }
    }

    /// What an operator sees of it. Of an event only what it was: what a customer wrote may have been taken back since.
    /// Of an order's user as much as a log says: whose it is, the order tells.
    fn shown(&self, queue: &str) -> String {
        let text = if queue == INBOX {
            events_shown(&self.body)
        } else {
            with_shortened_user(&self.body).unwrap_or_else(|| self.body.clone())
        };
        text.chars().take(MAX_BODY).collect()
    }

    fn sent_at(&self) -> OffsetDateTime {
        let sent_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.sent_ms) * 1_000_000);
        sent_at.unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The bell that it is, among the orders' dead letters.
    fn ring(&self) -> Ring {
        Ring::read(self.body.as_bytes(), self.sent_at())
    }

    /// The day of the report that it is, where its mail was not to be sent once more.
    fn report_date(&self, queue: &DeadLetterQueue, zone: &TimeZone, now: OffsetDateTime) -> Option<Date> {
        let start = Start::of_letter(&self.body).filter(|start| queue.name == DAILY_REPORT && !start.resend)?;
        start.day(zone, now).ok()
    }

    fn json(&self, queue: &str, letter: Option<state::Letter>, report_date: Option<Date>) -> Value {
        without_nulls(json!({
            "id": format!("{queue}.{}", self.message_id),
            "queue": queue,
            "letter": letter,
            "sentAt": rfc3339(self.sent_at()),
            "receiveCount": self.receive_count,
            "orderId": self.notification().map(|told| told.order_id().to_string()),
            "reportDate": report_date.map(|date| date.to_string()),
            "body": self.shown(queue),
        }))
    }
}

fn with_shortened_user(order: &str) -> Option<String> {
    let mut order: Value = serde_json::from_str(order).ok()?;
    let user = order.pointer_mut("/recipient/lineUserId")?;
    *user = json!(format!("{:?}", LineUserId::parse(user.as_str()?).ok()?));
    Some(order.to_string())
}

/// What came of the command to move a queue's messages back.
enum Redriven {
    Started,
    Moved(usize),
    Refused(String),
}

impl DeadLetterQueues {
    /// These queues; nothing is called yet.
    pub fn new(client: Client, queues: Vec<DeadLetterQueue>) -> Self {
        Self { client, queues }
    }

    fn find(&self, name: &str) -> Result<&DeadLetterQueue, Invalid> {
        let found = self.queues.iter().find(|queue| queue.name == name);
        found.ok_or_else(|| input::one_of(self.queues.iter().map(|queue| queue.name)))
    }

    /// The queue's counts and its ARN.
    async fn state(&self, queue: &DeadLetterQueue) -> Result<(u64, u64, String), AwsError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&queue.url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .doing(format!("look at {}", queue.name))?;
        let text = |name| answer.attributes().and_then(|all| all.get(&name));
        let count = |name| text(name).and_then(|count| count.parse().ok()).unwrap_or(0);
        let arn = text(QueueAttributeName::QueueArn).cloned().unwrap_or_default();
        Ok((
            count(QueueAttributeName::ApproximateNumberOfMessages),
            count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            arn,
        ))
    }

    /// How many messages can be listed, and the queue as JSON. None can while SQS moves them: the move
    /// would miss what a listing holds.
    async fn json(&self, queue: &DeadLetterQueue) -> Result<(u64, Value), AwsError> {
        let (visible, not_visible, arn) = self.state(queue).await?;
        let redrive = if queue.source_url.is_some() { self.latest_move(&arn).await? } else { None };
        let listable = if redrive.as_ref().is_some_and(is_running) { 0 } else { visible };
        let json = json!({
            "queue": queue.name,
            "visible": visible,
            "notVisible": not_visible,
            "redrivable": queue.source_url.is_some(),
            "redrive": redrive,
        });
        Ok((listable, without_nulls(json)))
    }

    async fn is_being_moved(&self, queue: &DeadLetterQueue) -> Result<bool, AwsError> {
        if queue.source_url.is_none() {
            return Ok(false);
        }
        let (_, _, arn) = self.state(queue).await?;
        Ok(self.latest_move(&arn).await?.as_ref().is_some_and(is_running))
    }

    /// The latest move of a queue's messages, where SQS knows of one.
    async fn latest_move(&self, arn: &str) -> Result<Option<Value>, AwsError> {
        let answer = match self.client.list_message_move_tasks().source_arn(arn).max_results(1).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(lacks_moves) => return Ok(None),
            Err(error) => return Err(error).doing("look at the redrive"),
        };
        let latest = answer.results.unwrap_or_default().into_iter().next();
        Ok(latest.map(|task| {
            let started = OffsetDateTime::from_unix_timestamp_nanos(i128::from(task.started_timestamp()) * 1_000_000);
            without_nulls(json!({
                "status": task.status(),
                "moved": task.approximate_number_of_messages_moved(),
                "total": task.approximate_number_of_messages_to_move(),
                "startedAt": started.ok().map(rfc3339),
                "failure": task.failure_reason(),
            }))
        }))
    }

    /// Receives up to a batch; nothing is left to be seen where it is empty.
    async fn receive(&self, queue: &DeadLetterQueue) -> Result<Vec<Letter>, AwsError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&queue.url)
            .max_number_of_messages(i32::try_from(BATCH).unwrap_or(10))
            .visibility_timeout(VISIBILITY_SECONDS)
            // A long poll asks every server of SQS: without it an empty answer proves nothing.
            .wait_time_seconds(1)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_attribute_names("All")
            .send()
            .await
            .doing(format!("read {}", queue.name))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(Letter::of).collect())
    }

    /// Receives what there is, until `enough` says so. Who calls gives it back, also after an error.
    async fn receive_all(
        &self,
        queue: &DeadLetterQueue,
        letters: &mut Vec<Letter>,
        enough: impl Fn(&[Letter]) -> bool,
    ) -> Result<(), AwsError> {
        while letters.len() < MAX_LISTED && !enough(letters) {
            let received = self.receive(queue).await?;
            if received.is_empty() {
                break;
            }
            letters.extend(received);
        }
        Ok(())
    }

    /// Makes messages visible again; one that cannot be comes back by itself.
    async fn release(&self, queue: &DeadLetterQueue, letters: &[Letter]) {
        for batch in letters.chunks(BATCH) {
            let entries = batch.iter().enumerate().map(|(number, letter)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(number.to_string())
                    .receipt_handle(&letter.receipt)
                    .visibility_timeout(0)
                    .build()
            });
            let entries = match entries.collect::<Result<Vec<_>, _>>() {
                Ok(entries) => entries,
                Err(error) => return tracing::warn!(%error, "messages come back by themselves"),
            };
            let call = self.client.change_message_visibility_batch().queue_url(&queue.url).set_entries(Some(entries));
            if let Err(error) = call.send().await {
                tracing::warn!(queue = queue.name, error = %Cause::from(error), "messages come back by themselves");
            }
        }
    }

    /// The queue's messages, the oldest first; up to [`MAX_LISTED`].
    async fn list(&self, queue: &DeadLetterQueue, visible: u64) -> Result<Vec<Letter>, AwsError> {
        let mut letters = Vec::new();
        let read = self.receive_all(queue, &mut letters, |letters| letters.len() as u64 >= visible).await;
        self.release(queue, &letters).await;
        read?;
        letters.sort_by(|one, other| (one.sent_ms, &one.message_id).cmp(&(other.sent_ms, &other.message_id)));
        // One that came back while the rest was read.
        letters.dedup_by(|one, other| one.message_id == other.message_id);
        Ok(letters)
    }

    /// Takes one message out of the others, which become visible again at once.
    async fn take(&self, queue: &DeadLetterQueue, message_id: &str) -> Result<Option<Letter>, AwsError> {
        let mut letters = Vec::new();
        let is_it = |letter: &Letter| letter.message_id == message_id;
        let read = self.receive_all(queue, &mut letters, |letters| letters.iter().any(is_it)).await;
        let found = letters.iter().position(is_it).map(|place| letters.swap_remove(place));
        self.release(queue, &letters).await;
        read?;
        Ok(found)
    }

    async fn delete(&self, queue: &DeadLetterQueue, letter: &Letter) -> Result<(), AwsError> {
        let delete = self.client.delete_message().queue_url(&queue.url).receipt_handle(&letter.receipt);
        delete.send().await.map(|_| ()).doing("delete the message")
    }

    async fn redrive(&self, queue: &DeadLetterQueue, source_url: &str) -> Result<Redriven, AwsError> {
        let (_, _, arn) = self.state(queue).await?;
        match self.client.start_message_move_task().source_arn(arn).send().await {
            Ok(_) => Ok(Redriven::Started),
            Err(error) => match error.as_service_error() {
                Some(service) if lacks_moves(service) => self.move_each(queue, source_url).await.map(Redriven::Moved),
                // SQS moves a queue's messages once at a time.
                Some(service) if service.is_unsupported_operation() => {
                    Ok(Redriven::Refused(service.message().unwrap_or_default().chars().take(200).collect()))
                }
                _ => Err(error).doing("start the redrive"),
            },
        }
    }

    /// Moves messages where SQS has no call for it. One that is sent and not deleted is there twice, which changes
    /// nothing: a copy is known as one.
    async fn move_each(&self, queue: &DeadLetterQueue, source_url: &str) -> Result<usize, AwsError> {
        let began = Instant::now();
        let mut moved = 0;
        while began.elapsed() < MAX_MOVING {
            let letters = self.receive(queue).await?;
            if letters.is_empty() {
                break;
            }
            let entries = letters.iter().enumerate().map(|(number, letter)| {
                SendMessageBatchRequestEntry::builder()
                    .id(number.to_string())
                    .message_body(&letter.body)
                    .set_message_attributes(letter.attributes.clone())
                    .build()
            });
            let more = format!("move more than {moved}");
            let entries = entries.collect::<Result<Vec<_>, _>>().doing(more.clone())?;
            let sent = self.client.send_message_batch().queue_url(source_url).set_entries(Some(entries)).send().await;
            let sent = sent.doing(more.clone())?;
            let deletes = sent.successful().iter().filter_map(|entry| {
                let letter = letters.get(entry.id().parse::<usize>().ok()?)?;
                DeleteMessageBatchRequestEntry::builder().id(entry.id()).receipt_handle(&letter.receipt).build().ok()
            });
            let deletes: Vec<_> = deletes.collect();
            moved += deletes.len();
            if let Some(refused) = sent.failed().first() {
                self.release(queue, &letters).await;
                return Err(Cause::from(refused)).doing(more);
            }
            let deleted =
                self.client.delete_message_batch().queue_url(&queue.url).set_entries(Some(deletes)).send().await;
            if let Some(refused) = deleted.doing(more)?.failed().first() {
                tracing::warn!(queue = queue.name, error = %Cause::from(refused), "a moved message is there twice");
            }
        }
        Ok(moved)
    }
}

fn is_running(redrive: &Value) -> bool {
    redrive["status"] == "RUNNING"
}

/// An SQS that does not know the calls that move messages: the emulated one.
fn lacks_moves(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("InvalidAction")
}

impl Operations {
    pub(crate) async fn list_dead_letters(&self, request: &Request, caller: &Caller) -> CallResult {
        let all = &self.dead_letters;
        let mut query = Query::of(request, &["queue", "limit", "cursor"]);
        let wanted = query.optional("queue", |name| all.find(name));
        // With 0 nothing is received: a look at the queues changes nothing of their messages.
        let limit = query.limit_from(0) as usize;
        let context = format!("dead letters {}", wanted.map_or("", |queue| queue.name));
        let after: Option<Position> = query.cursor(caller, &context);
        query.finish(Some(()))?;
        let (mut queues, mut letters, mut next) = (Vec::new(), Vec::new(), None);
        let mut passed = after.is_none();
        for queue in &all.queues {
            let (listable, json) = all.json(queue).await.map_err(unavailable)?;
            queues.push(json);
            let is_after = after.as_ref().filter(|after| after.queue == queue.name);
            passed |= is_after.is_some();
            let skipped = !passed || wanted.is_some_and(|wanted| wanted.name != queue.name);
            if skipped || listable == 0 || limit == 0 || next.is_some() {
                continue;
            }
            for letter in all.list(queue, listable).await.map_err(unavailable)? {
                let of = |letter: &Letter| (letter.sent_ms, letter.message_id.clone());
                if is_after.is_some_and(|after| of(&letter) <= (after.sent_ms, after.message_id.clone())) {
                    continue;
                }
                if letters.len() == limit {
                    next = letters.last().map(|(queue, letter): &(&DeadLetterQueue, Letter)| Position {
                        queue: queue.name.to_owned(),
                        sent_ms: letter.sent_ms,
                        message_id: letter.message_id.clone(),
                    });
                    break;
                }
                letters.push((queue, letter));
            }
        }
        let report_dates: Vec<_> = letters
            .iter()
            .map(|(queue, letter)| letter.report_date(queue, self.report_zone.as_ref().ok()?, self.clock.now()))
            .collect();
        let days: BTreeSet<_> = report_dates.iter().flatten().copied().collect();
        let reports = match days.is_empty() {
            true => BTreeMap::new(),
            false => kept_of(&self.reports, &days.into_iter().collect::<Vec<_>>()).await.map_err(unavailable)?,
        };
        let mut listed = Vec::new();
        for ((queue, letter), report_date) in letters.iter().zip(report_dates) {
            // What it is to its order, the order's record says.
            let of_an_order = letter.notification().filter(|_| queue.name == PUSH_RETRY);
            let is = match &of_an_order {
                Some(told) => self.delivery.letter(told, &letter.ring()).await.map_err(unavailable)?,
                None => None,
            };
            let is_sent = report_date.and_then(|date| reports.get(&date)).is_some_and(|report| report.is_done);
            if is_sent || is == Some(state::Letter::Settled) {
                // One that cannot be deleted now is found again by the next look.
                if let Err(error) = all.delete(queue, letter).await {
                    tracing::warn!(%error, "the letter of a settled order or a sent report could not be deleted");
                }
                continue;
            }
            listed.push(letter.json(queue.name, is, report_date));
        }
        let mut body = json!({ "queues": queues, "deadLetters": listed });
        cursor::put_next(&mut body, caller, &context, next.as_ref());
        Ok(json_response(StatusCode::OK, &body))
    }

    pub(crate) async fn redrive_dead_letters(&self, request: &Request, caller: &Caller) -> CallResult {
        let mut fields = BodyFields::of(request, &["queue", "reason"])?;
        let command = fields.text("queue", |name| self.dead_letters.find(name)).zip(fields.operator(caller));
        let (queue, operator) = fields.finish(command)?;
        let Some(source_url) = &queue.source_url else {
            let detail = "Reports cannot be redriven. Run the report of its date: its dead letter is deleted then.";
            return Err(Problem::new(ProblemCode::ReportNotRedriven, detail).about("queue", queue.name));
        };
        let entry = Entry::new(AuditKind::Redrive, queue.name, &operator, None, self.clock.now());
        self.audit.note(&entry).await.map_err(unavailable)?;
        tracing::warn!(queue = queue.name, operator = operator.name, "redrive");
        match self.dead_letters.redrive(queue, source_url).await.map_err(unavailable)? {
            Redriven::Started => {
                let body = json!({ "queue": queue.name, "redrive": "started" });
                Ok(json_response(StatusCode::ACCEPTED, &body))
            }
            Redriven::Moved(moved) => {
                let body = json!({ "queue": queue.name, "redrive": "moved", "moved": moved });
                Ok(json_response(StatusCode::ACCEPTED, &body))
            }
            Redriven::Refused(why) => {
                let detail = format!("SQS cannot start another redrive of this queue now: {why}");
                Err(Problem::new(ProblemCode::RedriveRefused, detail).about("queue", queue.name))
            }
        }
    }

    pub(crate) async fn discard_dead_letter(&self, request: &Request, caller: &Caller) -> CallResult {
        let all = &self.dead_letters;
        let unknown = || {
            let detail =
                "No such dead letter, or it is being listed at this moment. List the dead letters again shortly.";
            Problem::new(ProblemCode::NoSuchDeadLetter, detail)
        };
        let id = input::path(request, "id", |id| {
            let (queue, message_id) = id.split_once('.').ok_or("must be an ID returned by GET /dead-letters")?;
            Ok::<_, &str>((all.find(queue).ok(), message_id.to_owned()))
        })?;
        let mut query = Query::of(request, &["reason"]);
        let operator = query.operator(caller);
        let operator = query.finish(operator)?;
        let (queue, message_id) = id;
        let queue = queue.ok_or_else(unknown)?;
        if all.is_being_moved(queue).await.map_err(unavailable)? {
            let detail = "This queue is being redriven. List the remaining dead letters once it has finished.";
            return Err(Problem::new(ProblemCode::RedriveRunning, detail).about("queue", queue.name));
        }
        let letter = all.take(queue, &message_id).await.map_err(unavailable)?.ok_or_else(unknown)?;
        let id = format!("{}.{message_id}", queue.name);
        let told = letter.notification().filter(|_| queue.name == PUSH_RETRY);
        let discarded = async {
            let detail = told.as_ref().map(|told| json!({ "orderId": told.order_id().as_str() }));
            let entry = Entry::new(AuditKind::Discard, &id, &operator, detail, self.clock.now());
            self.audit.note(&entry).await?;
            let discarded = match &told {
                Some(told) => self.delivery.discard(told, &letter.ring()).await?,
                None => Discarded::Delete(None),
            };
            if let Discarded::Delete(_) = discarded {
                all.delete(queue, &letter).await?;
            }
            Ok::<_, DeliveryError>(discarded)
        };
        match discarded.await {
            Ok(Discarded::Refused { until }) => {
                all.release(queue, &[letter]).await;
                let until = rfc3339(until);
                let detail = format!("Its order is being delivered without this message. Try again after {until}.");
                let problem = Problem::new(ProblemCode::LetterOnItsWay, detail).about("until", until);
                let order = told.map(|told| told.order_id().to_string());
                Err(order.into_iter().fold(problem, |problem, order| problem.about("orderId", order)))
            }
            Ok(Discarded::Delete(state)) => {
                tracing::warn!(dead_letter = id, operator = operator.name, "dead letter discarded");
                let order_id = told.map(|told| told.order_id().to_string());
                let body = without_nulls(json!({ "id": id, "orderId": order_id, "delivery": state }));
                Ok(json_response(StatusCode::OK, &body))
            }
            Err(error) => {
                all.release(queue, &[letter]).await;
                Err(unavailable(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_event_nothing_is_shown_that_a_customer_wrote() {
        let deep = format!("{}7{}", "[".repeat(500), "]".repeat(500));
        for (body, expected) in [
            (
                r#"{"via":"line","events":[{"type":"message","webhookEventId":"1","timestamp":7,"message":{"text":"hunter2"}}]}"#,
                json!({ "events": [{ "type": "message", "webhookEventId": "1", "timestamp": 7 }] }),
            ),
            (
                r#"{"events":[{"type":"message","message":{"text":"hunter2 \ud83d"}}]}"#,
                json!({ "events": [{ "type": "message", "webhookEventId": null, "timestamp": null }] }),
            ),
            (
                &format!(r#"{{"events":[{{"type":"message","text":"hunter2","deep":{deep}}}]}}"#),
                json!({ "events": [{ "type": null, "webhookEventId": null, "timestamp": null }] }),
            ),
            ("hunter2", json!({ "bytes": 7 })),
            (r#"["hunter2"]"#, json!({ "bytes": 11 })),
        ] {
            assert_eq!(serde_json::from_str::<Value>(&events_shown(body)).unwrap(), expected, "{body}");
        }
    }
}
