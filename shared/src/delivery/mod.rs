//! The delivery of a finished order: never lost, never twice.
//!
//! Who does what: `order-finished` calls [`Delivery::first`], `push-retry` calls [`Delivery::retry`] for each message of
//! the retry queue, `operations` calls [`Delivery::resend`]. All work on one [`record`] per order and status; [`outcome`]
//! says what LINE's answers mean.
//!
//! # Never lost
//! Before the first push two things are durable, written at the same time: the record, and a message in the retry [`queue`]
//! that carries the whole order and appears after the retry delay. Without both the caller gets an error and repeats the
//! call. With both:
//! * A crash before the push, during it or before its outcome is written leaves a record that is not settled; the queue's
//!   message finds it and pushes. If even the record is missing, the message makes it.
//! * A message is deleted only when the record is settled. Anything else - LINE down, DynamoDB down, a panic, a time-out -
//!   leaves it to the queue, and after the last receive to the dead-letter queue, where it waits for an operator.
//! * A message whose order differs from the record's belongs to a call that was answered 409: it is dropped.
//!
//! # Never twice
//! LINE accepts a retry key once in 24 hours. Every request of one generation carries the same key and the same bytes, so
//! whatever happens in between, LINE sends one message. What remains is the key's end of life: after 24 hours a message is
//! pushed under a new key only if every request so far was certainly refused; otherwise it becomes `expired`, for a person
//! to decide. `may_have_reached_line` carries that doubt: it is set with the claim, before the request, and only a certain
//! refusal takes it back.
//!
//! # Races
//! * A record is written only over the revision that was read. Of two workers that want it, one gets the lease.
//! * Two identical calls at once: the second finds the first one's record and lease, and answers `retrying`.
//! * A retry while the first push still runs, or the same message delivered twice: the lease, or the time of the latest
//!   attempt, says "not now", and the message stays in the queue. It is not deleted, because both receipts belong to the
//!   one message that insures the delivery.
//! * An order that is posted again while it is retried puts a second message into the queue. The record knows which one
//!   retries it; a copy is dropped, unless the owner has not been seen for longer than it could have stayed away.
//! * A worker that outlives its lease: its `sent` is written over anything, because it is a fact; its other outcomes lose
//!   against whoever took over.
//! * A customer who blocks the account between two attempts gets no further one: switch and friend state are read again
//!   before every attempt. The LINE user behind a member is looked up once, with the record: a retry goes where the first
//!   push went.
//! * Clock skew: a lease is longer than a function may run, by more seconds than AWS's clocks differ; if that ever fails,
//!   two workers send the same key and LINE answers the second 409. The key's life is cut by ten minutes.

pub mod bell;
pub mod day;
pub mod outcome;
pub mod pace;
pub mod queue;
pub mod record;
pub mod resend;
pub mod retry_key;
pub mod state;

use std::time::Duration;

use aws_config::SdkConfig;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use crate::{
    clock::Clock,
    delivery::{
        outcome::{Verdict, verdict},
        queue::RetryQueue,
        record::{Attempt, Created, Decision, Deliveries, DeliveryRecord, Reason, State},
    },
    friend::{Friends, Friendship},
    line::{channel::LineChannel, client::Answer},
    link::Links,
    message::{PushRequest, order_finished},
    metric,
    order::{FINISH, LineUserId, Order, Recipient},
    quota_warning::QuotaAlert,
    settings::Settings,
    switch::{self, Switches},
};

/// Delivers finished orders.
#[derive(Debug)]
pub struct Delivery {
    deliveries: Deliveries,
    switches: Switches,
    friends: Friends,
    links: Links,
    channel: LineChannel,
    quota_alert: QuotaAlert,
    settings: Settings,
    clock: Clock,
}

/// Where a delivery stands, for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The state.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// The request that LINE accepted, or the latest one.
    pub line_request_id: Option<String>,
}

impl From<&DeliveryRecord> for Report {
    fn from(record: &DeliveryRecord) -> Self {
        let line_request_id = record.line_accepted_request_id.clone().or_else(|| record.line_request_id.clone());
        Self { state: record.state, reason: record.reason, line_request_id }
    }
}

/// The answer to an order that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// It is durable, and this is where it stands.
    Stands(Report),
    /// The same order id came before with other content: nothing was done.
    OtherContent,
}

/// The order is not durable: nobody may assume that it will be delivered, and repeating the call is safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the order could not be made durable: {0}")]
pub struct NotDurable(String);

/// A message of the retry queue as SQS handed it out.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    /// SQS's id of the message.
    pub id: &'a str,
    /// How often it was handed out, this time included.
    pub receive_count: u32,
}

/// What becomes of a message of the retry queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retried {
    /// Nothing is left to do: delete it.
    Settled,
    /// Leave it in the queue.
    Again,
}

/// What came of one attempt.
struct Outcome {
    state: State,
    reason: Option<Reason>,
    may_have_reached_line: bool,
    answer: Option<Answer>,
    error: Option<String>,
}

impl Outcome {
    fn retry(may_have_reached_line: bool, answer: Option<Answer>, error: impl Into<String>) -> Self {
        Self { state: State::Retrying, reason: None, may_have_reached_line, answer, error: Some(error.into()) }
    }

    fn final_refusal(reason: Reason, answer: Answer) -> Self {
        let error = Some(answer.error_text());
        Self { state: State::Failed, reason: Some(reason), may_have_reached_line: false, answer: Some(answer), error }
    }

    fn sent(answer: Answer) -> Self {
        Self { state: State::Sent, reason: None, may_have_reached_line: true, answer: Some(answer), error: None }
    }
}

impl Delivery {
    /// Wires the delivery; nothing is called yet.
    pub fn new(aws: &SdkConfig, settings: Settings, clock: Clock) -> reqwest::Result<Self> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        // A shortened retry delay (the local stand) shortens the switch's memory with it.
        let switch_age = switch::MAX_AGE.min(settings.pace.retry_delay / 2);
        Ok(Self {
            deliveries: Deliveries::new(dynamodb.clone(), settings.deliveries_table.clone()),
            switches: Switches::new(dynamodb.clone(), settings.switches_table.clone(), switch_age, clock),
            friends: Friends::new(dynamodb.clone(), settings.friends_table.clone()),
            links: Links::new(dynamodb, settings.links_table.clone()),
            channel: LineChannel::new(aws, &settings, clock)?,
            quota_alert: QuotaAlert::new(
                aws_sdk_sqs::Client::new(aws),
                settings.quota_warning_queue_url.clone(),
                clock,
            ),
            settings,
            clock,
        })
    }

    /// Opens connections and reads secret, token and switch into memory, as far as that is possible; a push that needs
    /// them reports what was not.
    pub async fn warm_up(&self) {
        let (channel, switch) = tokio::join!(self.channel.warm_up(), self.switches.enabled(FINISH));
        if let Err(error) = channel {
            tracing::warn!(%error, "the channel is not ready for a push");
        }
        if let Err(error) = switch {
            tracing::warn!(error, "the switch is not ready for a push");
        }
    }

    /// Renews the channel's token if its end is near; nobody waits for it.
    pub async fn renew_token_ahead(&self) {
        self.channel.renew_token_ahead().await;
    }

    /// Takes an order: makes it durable, then pushes it.
    pub async fn first(&self, order: &Order, queue: &RetryQueue) -> Result<First, NotDurable> {
        let deadline = self.deadline();
        let mut record = self.new_record(order).await.map_err(NotDurable)?;
        // What the channel lacks, the push will tell; the switch is read with the obstacle.
        let (created, queued, obstacle, _) = tokio::join!(
            self.deliveries.create(&record),
            queue.send(order),
            self.obstacle(&record),
            self.channel.warm_up()
        );
        match (created.map_err(NotDurable)?, queued) {
            (Created::New, Ok(message_id)) => {
                record.retry_message_id = message_id;
                if record.state.is_settled() {
                    count(&record);
                } else {
                    self.attempt(&mut record, obstacle, false, deadline, false).await.ok();
                }
                Ok(First::Stands(Report::from(&record)))
            }
            (Created::New, Err(_)) if record.state.is_settled() => {
                count(&record);
                Ok(First::Stands(Report::from(&record)))
            }
            (Created::New, Err(what)) => {
                // Nothing was pushed and nothing will be: the caller's next try need not wait for the lease.
                record.release();
                if let Err(error) = self.deliveries.replace(&mut record, self.clock.now()).await {
                    tracing::warn!(order.id = %order.id, error, "the record could not be given back, its lease ends by itself");
                }
                Err(NotDurable(what))
            }
            (Created::Exists(old), _) if !old.is_about(order) => Ok(First::OtherContent),
            // The queue has a message for whatever is being retried; for a pending one this call's message is the proof.
            (Created::Exists(old), Err(what)) if old.state == State::Pending => {
                tracing::warn!(order.id = %order.id, delivery.state = ?old.state, "repeated, and not durable");
                Err(NotDurable(what))
            }
            (Created::Exists(old), _) => Ok(First::Stands(self.repeated(*old, deadline).await)),
        }
    }

    /// The same order again. One that a crash left pending is pushed now; any other is told as it stands.
    async fn repeated(&self, mut record: DeliveryRecord, deadline: Instant) -> Report {
        let now = self.clock.now();
        if record.state == State::Pending && record.decide(now, Duration::ZERO) == Decision::Push {
            let earlier_doubt = record.may_have_reached_line;
            record.claim(now, self.settings.pace.lease);
            if self.deliveries.replace(&mut record, now).await == Ok(true) {
                let obstacle = self.obstacle(&record).await;
                self.attempt(&mut record, obstacle, earlier_doubt, deadline, false).await.ok();
            }
        }
        Report::from(&record)
    }

    /// Handles a message of the retry queue. With the last receive that is allowed SQS moves the message to the dead-letter
    /// queue, and the record says so.
    pub async fn retry(&self, order: &Order, message: &Receipt<'_>) -> Retried {
        match self.try_again(order, message).await {
            Ok(retried) => retried,
            Err(error) => {
                tracing::error!(order.id = %order.id, error, "the retry could not be made, the queue keeps it");
                Retried::Again
            }
        }
    }

    async fn try_again(&self, order: &Order, message: &Receipt<'_>) -> Result<Retried, String> {
        let deadline = self.deadline();
        let last = message.receive_count >= self.settings.max_retries;
        let mut record = match self.deliveries.get(order.id.as_str(), FINISH).await? {
            Some(record) => record,
            None => {
                let mut record = self.new_record(order).await?;
                record.retry_message_id = Some(message.id.to_owned());
                match self.deliveries.create(&record).await? {
                    Created::New => {
                        tracing::warn!(order.id = %order.id, "no record stood for a queued order, it was made now");
                        if record.state.is_settled() {
                            count(&record);
                        } else {
                            let obstacle = self.obstacle(&record).await;
                            self.attempt(&mut record, obstacle, false, deadline, last).await?;
                        }
                        return Ok(after(&record));
                    }
                    Created::Exists(record) => *record,
                }
            }
        };
        if !record.is_about(order) {
            tracing::warn!(order.id = %order.id, "dropped: the record has other content, the call was answered 409");
            return Ok(Retried::Settled);
        }
        let now = self.clock.now();
        // The owner comes back one retry delay after it was last here, and SQS may be late by seconds.
        if record.is_retried_by_another(message.id, now, self.settings.pace.retry_delay * 3 / 2) {
            tracing::info!(order.id = %order.id, "dropped: a copy, the order was posted again while it is retried");
            return Ok(Retried::Settled);
        }
        match record.decide(now, self.settings.pace.retry_delay / 2) {
            Decision::Settled => return Ok(Retried::Settled),
            Decision::NotNow => return Ok(Retried::Again),
            Decision::Expire => {
                record.settle(State::Expired, Some(Reason::RetryKeyExpired));
                let written = self.deliveries.replace(&mut record, now).await?;
                tracing::error!(order.id = %order.id, written, "expired: nobody knows whether LINE took it");
                if !written {
                    return Ok(Retried::Again);
                }
                count(&record);
                return Ok(Retried::Settled);
            }
            Decision::PushUnderNewKey => {
                let user = record.line_user_id.as_deref().ok_or("a record without a recipient is not settled")?;
                record.start_generation(self.push_body(order, &LineUserId::parse(user)?, now)?);
            }
            Decision::Push => {}
        }
        let earlier_doubt = record.may_have_reached_line;
        record.retry_message_id = Some(message.id.to_owned());
        record.claim(now, self.settings.pace.lease);
        if !self.deliveries.replace(&mut record, now).await? {
            return Ok(Retried::Again);
        }
        let obstacle = self.obstacle(&record).await;
        self.attempt(&mut record, obstacle, earlier_doubt, deadline, last).await.map(|()| after(&record))
    }

    /// What forbids a push now: the switch is off, or the user is known not to be a friend. An error means that nobody
    /// knows.
    async fn obstacle(&self, record: &DeliveryRecord) -> Result<Option<Reason>, String> {
        let Some(user) = &record.line_user_id else { return Ok(None) };
        let user = LineUserId::parse(user)?;
        let (enabled, friendship) = tokio::join!(self.switches.enabled(&record.status), self.friends.get(&user));
        Ok(match (enabled?, friendship?) {
            (false, _) => Some(Reason::SwitchedOff),
            (true, Some(Friendship::NotAFriend)) => Some(Reason::NotAFriend),
            (true, Some(Friendship::Friend) | None) => None,
        })
    }

    /// One attempt on a record that this worker owns: the push, unless there is an obstacle, and the outcome. An error means
    /// that the outcome could not be written; the record in memory has it.
    async fn attempt(
        &self,
        record: &mut DeliveryRecord,
        obstacle: Result<Option<Reason>, String>,
        earlier_doubt: bool,
        deadline: Instant,
        last: bool,
    ) -> Result<(), String> {
        let at = self.clock.now();
        let mut request_is_out = false;
        let outcome = match obstacle {
            Ok(None) => match timeout_at(deadline, self.push(record, &mut request_is_out)).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::retry(request_is_out, None, "the attempt took too long"),
            },
            Ok(reason) => {
                Outcome { state: State::Suppressed, reason, may_have_reached_line: false, answer: None, error: None }
            }
            Err(error) => Outcome::retry(false, None, error),
        };
        let reason = match outcome.state {
            State::Retrying if last => Some(Reason::RetriesExhausted),
            _ => outcome.reason,
        };
        record.settle(outcome.state, reason);
        record.may_have_reached_line = earlier_doubt || outcome.may_have_reached_line;
        record.last_error = outcome.error.clone();
        if let Some(answer) = &outcome.answer {
            record.line_request_id = answer.request_id.clone();
            record.line_accepted_request_id = answer.accepted_request_id.clone();
            record.line_message_id = answer.message_ids().into_iter().next();
        }
        record.list_attempt(Attempt {
            at,
            generation: record.generation,
            state: outcome.state,
            line_status: outcome.answer.as_ref().map(|answer| answer.status),
            line_request_id: outcome.answer.and_then(|answer| answer.request_id),
            error: outcome.error,
        });
        tracing::info!(
            order.id = record.order_id,
            delivery.state = ?record.state,
            delivery.reason = ?record.reason,
            attempt = record.attempts.len(),
            line.request_id = record.line_request_id.as_deref(),
            error = record.last_error.as_deref(),
            "delivery attempted"
        );
        let exhausted = record.reason == Some(Reason::QuotaExhausted);
        let tell = async {
            if exhausted {
                self.quota_alert.tell().await;
            }
        };
        let (written, ()) = tokio::join!(self.write_outcome(record), tell);
        match written {
            Ok(true) => count(record),
            // Whoever wrote the outcome that stands has counted it.
            Ok(false) => {}
            Err(error) => {
                tracing::error!(
                    order.id = record.order_id,
                    error,
                    "the outcome could not be written, the queue will heal it"
                );
                return Err(error);
            }
        }
        Ok(())
    }

    async fn push(&self, record: &DeliveryRecord, request_is_out: &mut bool) -> Outcome {
        let mut token = match self.channel.token().await {
            Ok(token) => token,
            Err(error) => return Outcome::retry(false, None, error.to_string()),
        };
        let retry_key = record.retry_key(&self.settings.environment);
        let mut renewed = false;
        loop {
            *request_is_out = true;
            let result = self.channel.client.push(&token, retry_key, &record.push_body).await;
            let verdict = verdict(&result);
            *request_is_out = verdict == Verdict::RetryUnknown;
            let answer = match result {
                Ok(answer) => answer,
                Err(error) => return Outcome::retry(verdict == Verdict::RetryUnknown, None, error.what),
            };
            let error = answer.error_text();
            match verdict {
                Verdict::Sent => return Outcome::sent(answer),
                Verdict::Failed => return Outcome::final_refusal(Reason::RefusedByLine, answer),
                Verdict::RetryUnknown => return Outcome::retry(true, Some(answer), error),
                Verdict::RetryRefused => return Outcome::retry(false, Some(answer), error),
                Verdict::RenewToken if renewed => return Outcome::retry(false, Some(answer), error),
                Verdict::RenewToken => {
                    renewed = true;
                    token = match self.channel.token_instead_of(&token).await {
                        Ok(token) => token,
                        Err(problem) => return Outcome::retry(false, Some(answer), format!("{error}; {problem}")),
                    };
                }
                Verdict::ConfirmQuota => {
                    return match self.channel.quota_is_exhausted(&token).await {
                        Ok(true) => Outcome::final_refusal(Reason::QuotaExhausted, answer),
                        Ok(false) => Outcome::retry(false, Some(answer), error),
                        Err(problem) => Outcome::retry(false, Some(answer), format!("{error}; quota: {problem}")),
                    };
                }
            }
        }
    }

    /// Writes what the attempt did. If another worker has written meanwhile, `sent` is written over it; anything else gives
    /// way, and so does everything of a generation that is over: `record` becomes what stands, and the answer is false.
    async fn write_outcome(&self, record: &mut DeliveryRecord) -> Result<bool, String> {
        while !self.deliveries.replace(record, self.clock.now()).await? {
            let stands = self.deliveries.get(&record.order_id, &record.status).await?;
            let stands = stands.ok_or("the record is gone")?;
            let superseded = stands.generation != record.generation;
            if superseded || record.state != State::Sent || stands.state == State::Sent {
                *record = stands;
                return Ok(false);
            }
            record.revision = stands.revision;
        }
        Ok(true)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.pace.attempt
    }

    async fn new_record(&self, order: &Order) -> Result<DeliveryRecord, String> {
        let now = self.clock.now();
        Ok(match self.line_user(order).await? {
            Some(user) => {
                let body = self.push_body(order, &user, now)?;
                DeliveryRecord::new(order, &user, body, now, self.settings.pace.lease)
            }
            None => DeliveryRecord::not_linked(order, now),
        })
    }

    /// Whom the order's recipient is; none for a member who is linked to nobody.
    async fn line_user(&self, order: &Order) -> Result<Option<LineUserId>, String> {
        match &order.recipient {
            Recipient::LineUser(user) => Ok(Some(user.clone())),
            Recipient::Member(member) => self.links.line_user_of(member).await,
        }
    }

    fn push_body(&self, order: &Order, user: &LineUserId, now: OffsetDateTime) -> Result<String, String> {
        let message = order_finished(order, self.settings.message_style, self.settings.default_language)
            .map_err(|error| format!("no message could be made: {error}"))?;
        serde_json::to_string(&PushRequest::new(user, message, now)).map_err(|error| error.to_string())
    }
}

/// Counts where a delivery stands now, as the record says it.
fn count(record: &DeliveryRecord) {
    match record.state {
        State::Sent => metric::sent(),
        State::Retrying => metric::retried(record.reason),
        State::Suppressed => metric::suppressed(record.reason),
        State::Failed | State::Expired => metric::failed(record.reason),
        State::Pending => {}
    }
}

fn after(record: &DeliveryRecord) -> Retried {
    if record.state.is_settled() { Retried::Settled } else { Retried::Again }
}
