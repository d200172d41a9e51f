//! The delivery record: one item per order and status in the deliveries' table.
//!
//! Written by the delivery alone, always as a whole, and only over the revision that was read: of two writers one loses
//! and looks again. Operators and the report read it.

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    audit::{Audit, Entry, Operator},
    aws::{
        error::{AwsError, Doing as _},
        table::{Put, Table, Write, WriteOutcome, key, number},
    },
    ids::LineUserId,
    invalid::Invalid,
    line::day::line_day,
    order::{FINISH, Order, StatusChange, parse_bytes},
};

/// How long a record is kept: a repeated order is recognised for more than a year.
const RECORD_LIFE: Duration = Duration::days(400);
/// LINE forgets a retry key 24 hours after its first request; this much earlier we do not rely on it any more, because
/// clocks differ and a request takes time.
const KEY_LIFE: Duration = Duration::minutes(24 * 60 - 10);
/// The most attempts that a record lists; the first and the latest ones stay.
const MAX_ATTEMPTS_LISTED: usize = 50;
const READ: &str = "read the record";
const WRITE: &str = "write the record";
/// The namespace of our retry keys: any constant will do, as long as it never changes.
const RETRY_KEYS: Uuid = Uuid::from_u128(0x6f3b_9a52_3c1e_4d27_8b0a_94d1_57e6_c8f3);

/// Where a delivery stands. `pending → sent | retrying | suppressed | failed`,
/// `retrying → sent | suppressed | failed | expired`; an operator who sends it again makes it `pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Durable, not yet pushed, or being pushed for the first time.
    Pending,
    /// Accepted by LINE; LINE does not tell whether it reached the customer.
    Sent,
    /// Not accepted yet; the retry queue has it, or the dead-letter queue (then `reason` says so).
    Retrying,
    /// Not pushed, on purpose.
    Suppressed,
    /// Refused for good.
    Failed,
    /// LINE forgot the retry key while nobody knows whether it took the message: never pushed by itself.
    Expired,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Sent, Self::Retrying, Self::Suppressed, Self::Failed, Self::Expired];

    /// Its name in records and in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Retrying => "retrying",
            Self::Suppressed => "suppressed",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }

    /// Whether no attempt will follow.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Sent | Self::Suppressed | Self::Failed | Self::Expired)
    }
}

/// Why a delivery stands where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// LINE refused the request; `last_error` has its text.
    RefusedByLine,
    /// The month's messages are used up.
    QuotaExhausted,
    /// The status's switch is off.
    SwitchedOff,
    /// The user blocked the official account, or never added it.
    NotAFriend,
    /// The order names a member who is linked to no LINE user.
    NotLinked,
    /// Every retry failed; the message is in the dead-letter queue.
    RetriesExhausted,
    /// The retry key is too old.
    RetryKeyExpired,
    /// An operator gave its dead letter up.
    Discarded,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::RefusedByLine,
        Self::QuotaExhausted,
        Self::SwitchedOff,
        Self::NotAFriend,
        Self::NotLinked,
        Self::RetriesExhausted,
        Self::RetryKeyExpired,
        Self::Discarded,
    ];

    /// Its name in the HTTP contract, in records and in mails: it changes only with all of them.
    pub fn name(self) -> &'static str {
        match self {
            Self::RefusedByLine => "refused_by_line",
            Self::QuotaExhausted => "quota_exhausted",
            Self::SwitchedOff => "switched_off",
            Self::NotAFriend => "not_a_friend",
            Self::NotLinked => "not_linked",
            Self::RetriesExhausted => "retries_exhausted",
            Self::RetryKeyExpired => "retry_key_expired",
            Self::Discarded => "discarded",
        }
    }
}

/// One request to LINE and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The retry key's generation.
    pub generation: u32,
    /// The state after it.
    pub state: State,
    /// LINE's status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_status: Option<u16>,
    /// LINE's `x-line-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_request_id: Option<String>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One time that an operator had the message sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The retry key's generation that it began.
    pub generation: u32,
    /// Whether it was asked for although LINE may have had the message.
    pub force: bool,
}

/// What asking to send a message again meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resendable {
    /// The customer certainly has not got it.
    Allowed,
    /// LINE accepted it, or may have: the customer could get it twice.
    NeedsForce,
    /// It is being delivered: the retry queue has it.
    InFlight,
}

/// The item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Partition key.
    pub order_id: String,
    /// Sort key: the order's status.
    pub status: String,
    /// LINE's day on which the order arrived, such as `2026-09-01`; the index `by_day` is over it and the state.
    pub day: String,
    /// How many requests went to LINE for it.
    pub attempt_count: u32,
    /// Grows with every write; a write names the revision that it read.
    pub revision: u64,
    /// Where the delivery stands.
    pub state: State,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who is told; none where the order names a member that is not linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_user_id: Option<String>,
    /// The order, as JSON.
    pub order: String,
    /// SQS's id of the message that retries it, once known: any other message about it is a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_message_id: Option<String>,
    /// The body of the push, byte for byte the same under one key: LINE leaves a changed one unspecified. Empty where
    /// there is nobody to push to.
    pub push_body: String,
    /// Grows when the message is pushed anew, under a new key.
    pub generation: u32,
    /// When the present key was first used, at the latest.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub key_first_used_at: Option<OffsetDateTime>,
    /// Whether LINE may have accepted a request under the present key. Set before a request, taken back by a refusal, so
    /// that it stays set after a crash.
    pub may_have_reached_line: bool,
    /// Whether LINE accepted, or may have accepted, a request under a former key: the customer may have the message
    /// whatever becomes of this one.
    #[serde(default)]
    pub may_have_reached_line_before: bool,
    /// Until when a worker owns the delivery.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<OffsetDateTime>,
    /// When the latest attempt began.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<OffsetDateTime>,
    /// `x-line-request-id` of the latest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_request_id: Option<String>,
    /// `x-line-accepted-request-id`: the request that LINE accepted, where a later one learned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_accepted_request_id: Option<String>,
    /// LINE's id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_message_id: Option<String>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Every request, oldest first.
    pub attempts: Vec<Attempt>,
    /// Every time that an operator had it sent again, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resends: Vec<Resend>,
    /// When the order arrived.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the record was last written.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When DynamoDB may delete it, UNIX seconds.
    pub expire_at: i64,
}

/// What a worker may do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is left to do.
    Settled,
    /// Another worker has it, or an attempt was made just now.
    NotNow,
    /// Push under the present key.
    Push,
    /// Push under a new key: LINE forgot the old one, and surely accepted nothing under it.
    PushUnderNewKey,
    /// LINE forgot the key and may have accepted the message: give up, visibly.
    Expire,
}

impl DeliveryRecord {
    /// A new record of an order to this user, owned by who creates it for `lease`.
    pub fn new(
        order: &Order,
        user: &LineUserId,
        push_body: String,
        now: OffsetDateTime,
        lease: std::time::Duration,
    ) -> Self {
        Self {
            line_user_id: Some(user.as_str().to_owned()),
            push_body,
            key_first_used_at: Some(now),
            may_have_reached_line: true,
            lease_until: Some(now + lease),
            last_attempt_at: Some(now),
            ..Self::without_recipient(order, now)
        }
    }

    /// A new record of an order to nobody: failed from the start.
    pub fn not_linked(order: &Order, now: OffsetDateTime) -> Self {
        let mut record = Self::without_recipient(order, now);
        record.settle(State::Failed, Some(Reason::NotLinked));
        record
    }

    fn without_recipient(order: &Order, now: OffsetDateTime) -> Self {
        Self {
            order_id: order.id.to_string(),
            status: FINISH.to_owned(),
            day: line_day(now).to_string(),
            attempt_count: 0,
            revision: 1,
            state: State::Pending,
            reason: None,
            line_user_id: None,
            order: order.to_json().to_string(),
            retry_message_id: None,
            push_body: String::new(),
            generation: 1,
            key_first_used_at: None,
            may_have_reached_line: false,
            may_have_reached_line_before: false,
            lease_until: None,
            last_attempt_at: None,
            line_request_id: None,
            line_accepted_request_id: None,
            line_message_id: None,
            last_error: None,
            attempts: Vec::new(),
            resends: Vec::new(),
            created_at: now,
            updated_at: now,
            expire_at: (now + RECORD_LIFE).unix_timestamp(),
        }
    }

    /// Whether this is the order that the record was made for, whatever spelling either was kept in.
    pub fn is_about(&self, order: &Order) -> bool {
        match parse_bytes(self.order.as_bytes()) {
            Ok(StatusChange::Finished(kept)) => *kept == *order,
            // Kept by a version that took what this one does not: the texts decide.
            _ => serde_json::from_str(&self.order).is_ok_and(|kept: serde_json::Value| kept == order.to_json()),
        }
    }

    /// Whether a message of the retry queue is a copy: another one retries this delivery and was at it within `alive`, so
    /// it is not lost with the copy.
    pub fn is_retried_by_another(&self, message_id: &str, now: OffsetDateTime, alive: std::time::Duration) -> bool {
        self.state == State::Retrying
            && self.reason != Some(Reason::RetriesExhausted)
            && self.retry_message_id.as_deref().is_some_and(|owner| owner != message_id)
            && self.last_attempt_at.is_some_and(|at| now < at + alive)
    }

    /// `X-Line-Retry-Key`: the same for every attempt of one generation, another for anything else.
    pub fn retry_key(&self, environment: &str) -> Uuid {
        let name = format!("{environment}/{}/{}/{}", self.order_id, self.status, self.generation);
        Uuid::new_v5(&RETRY_KEYS, name.as_bytes())
    }

    /// What may be done now. `min_gap`: attempts are not made closer together than this.
    pub fn decide(&self, now: OffsetDateTime, min_gap: std::time::Duration) -> Decision {
        let owned = self.lease_until.is_some_and(|until| now < until);
        let too_soon = self.state == State::Retrying && self.last_attempt_at.is_some_and(|at| now < at + min_gap);
        let key_is_old = self.key_first_used_at.is_some_and(|first| now >= first + KEY_LIFE);
        if self.state.is_settled() {
            Decision::Settled
        } else if owned || too_soon {
            Decision::NotNow
        } else if !key_is_old {
            Decision::Push
        } else if self.may_have_reached_line {
            Decision::Expire
        } else {
            Decision::PushUnderNewKey
        }
    }

    /// Takes the record for an attempt.
    pub fn claim(&mut self, now: OffsetDateTime, lease: std::time::Duration) {
        self.lease_until = Some(now + lease);
        self.last_attempt_at = Some(now);
        self.key_first_used_at.get_or_insert(now);
        self.may_have_reached_line = true;
        if self.reason == Some(Reason::RetriesExhausted) {
            self.reason = None;
        }
    }

    /// Gives a new record back, as if nobody had owned it: no request was made.
    pub fn release(&mut self) {
        self.lease_until = None;
        self.key_first_used_at = None;
        self.may_have_reached_line = false;
    }

    /// The record as its next write has it.
    fn revised(&self, now: OffsetDateTime) -> Self {
        Self { revision: self.revision + 1, updated_at: now, ..self.clone() }
    }

    /// Who is told; none where the order names a member that is not linked.
    pub fn line_user(&self) -> Result<Option<LineUserId>, Invalid> {
        self.line_user_id.as_deref().map(LineUserId::parse).transpose()
    }

    /// Starts a new key, with a body made anew.
    pub fn start_generation(&mut self, push_body: String) {
        self.generation += 1;
        self.push_body = push_body;
        self.key_first_used_at = None;
        self.may_have_reached_line = false;
    }

    /// What sending it again would meet. `alive`: whatever retries it comes back within this time; what nobody has touched
    /// for longer has lost its message in the queue.
    pub fn resendable(&self, now: OffsetDateTime, alive: std::time::Duration) -> Resendable {
        let owned = self.lease_until.is_some_and(|until| now < until);
        let given_up = self.state.is_settled() || self.reason == Some(Reason::RetriesExhausted);
        if owned || (!given_up && now < self.last_attempt_at.unwrap_or(self.created_at) + alive) {
            Resendable::InFlight
        } else if self.customer_may_have_it() {
            Resendable::NeedsForce
        } else {
            Resendable::Allowed
        }
    }

    /// Whether the customer has the message, or may have it, under this key or a former one.
    pub fn customer_may_have_it(&self) -> bool {
        self.state == State::Sent || self.may_have_reached_line || self.may_have_reached_line_before
    }

    /// Begins anew for an operator: to this user, with a body made anew, under a new key. What LINE said of the former
    /// message stays in the list of attempts.
    pub fn send_again(
        &mut self,
        user: &LineUserId,
        push_body: String,
        operator: &Operator,
        force: bool,
        now: OffsetDateTime,
    ) {
        self.may_have_reached_line_before = self.customer_may_have_it();
        self.start_generation(push_body);
        self.settle(State::Pending, None);
        self.line_user_id = Some(user.as_str().to_owned());
        self.retry_message_id = None;
        self.line_request_id = None;
        self.line_accepted_request_id = None;
        self.line_message_id = None;
        self.last_error = None;
        if self.resends.len() >= MAX_ATTEMPTS_LISTED {
            self.resends.remove(1);
        }
        self.resends.push(Resend {
            at: now,
            by: operator.name.clone(),
            reason: operator.reason.clone(),
            generation: self.generation,
            force,
        });
    }

    /// Moves to a state; a settled delivery is owned by nobody.
    pub fn settle(&mut self, state: State, reason: Option<Reason>) {
        self.state = state;
        self.reason = reason;
        self.lease_until = None;
    }

    /// Lists an attempt, and counts it if LINE was asked; a long list loses its second entry.
    pub fn list_attempt(&mut self, attempt: Attempt) {
        if self.attempts.len() >= MAX_ATTEMPTS_LISTED {
            self.attempts.remove(1);
        }
        self.attempt_count += u32::from(attempt.state != State::Suppressed);
        self.attempts.push(attempt);
    }
}

/// The table.
#[derive(Debug)]
pub struct Deliveries {
    pub(super) table: Table,
}

/// What became of a new record.
#[derive(Debug)]
pub enum Created {
    /// It stands.
    New,
    /// There is one already.
    Exists(Box<DeliveryRecord>),
}

impl Deliveries {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// Writes a record unless there is one for the same order and status; a second call is not needed to read that one.
    pub async fn create(&self, record: &DeliveryRecord) -> Result<Created, AwsError> {
        let put = self.table.put(serde_dynamo::to_item(record).doing(WRITE)?);
        match put.when("attribute_not_exists(order_id)").send().await.doing(WRITE)? {
            WriteOutcome::Written(()) => Ok(Created::New),
            WriteOutcome::Lost(item) => Ok(Created::Exists(Box::new(serde_dynamo::from_item(item).doing(READ)?))),
        }
    }

    /// Reads a record, consistently.
    pub async fn get(&self, order_id: &str, status: &str) -> Result<Option<DeliveryRecord>, AwsError> {
        let item = self.table.get(key([("order_id", order_id), ("status", status)])).await.doing(READ)?;
        item.map(serde_dynamo::from_item).transpose().doing(READ)
    }

    /// Writes a record over the revision that it was read at; false if somebody else has written it since. On success
    /// `record` has the new revision.
    pub async fn replace(&self, record: &mut DeliveryRecord, now: OffsetDateTime) -> Result<bool, AwsError> {
        let next = record.revised(now);
        let written = self.put_revised(&next)?.send().await.doing(WRITE)?.is_written();
        if written {
            *record = next;
        }
        Ok(written)
    }

    /// [`replace`](Self::replace) and an audit entry, both or neither.
    pub async fn replace_and_note(
        &self,
        record: &mut DeliveryRecord,
        now: OffsetDateTime,
        entry: &Entry,
        audit: &Audit,
    ) -> Result<bool, AwsError> {
        let next = record.revised(now);
        let steps = vec![self.put_revised(&next)?.step(), audit.step(entry)?];
        let written = self.table.transact(steps).await.doing(WRITE)?.is_written();
        if written {
            *record = next;
        }
        Ok(written)
    }

    fn put_revised(&self, next: &DeliveryRecord) -> Result<Write<Put>, AwsError> {
        let put = self.table.put(serde_dynamo::to_item(next).doing(WRITE)?);
        Ok(put.when("revision = :read").value(":read", number(next.revision - 1)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;
    use crate::{aws::table::Item, order::tests::order_with};

    const NOW: OffsetDateTime = datetime!(2026-09-01 00:00:00 UTC);
    const GAP: std::time::Duration = std::time::Duration::from_secs(90);
    const LEASE: std::time::Duration = std::time::Duration::from_secs(45);

    fn record() -> DeliveryRecord {
        let user = LineUserId::parse("U0123456789abcdef0123456789abcdef").unwrap();
        DeliveryRecord::new(&order_with(json!({})), &user, "body".to_owned(), NOW, LEASE)
    }

    fn retrying(may_have_reached_line: bool) -> DeliveryRecord {
        let mut record = record();
        record.settle(State::Retrying, None);
        record.may_have_reached_line = may_have_reached_line;
        record
    }

    fn through_the_table(record: &DeliveryRecord) -> DeliveryRecord {
        let item: Item = serde_dynamo::to_item(record).unwrap();
        serde_dynamo::from_item(item).unwrap()
    }

    #[test]
    fn a_settled_delivery_is_never_pushed() {
        for state in [State::Sent, State::Suppressed, State::Failed, State::Expired] {
            let mut record = record();
            record.settle(state, None);
            assert_eq!(record.decide(NOW + Duration::days(3), GAP), Decision::Settled, "{state:?}");
        }
    }

    #[test]
    fn an_owned_delivery_is_left_to_its_owner_until_the_lease_ends() {
        assert_eq!(record().decide(NOW + Duration::seconds(44), GAP), Decision::NotNow);
        assert_eq!(record().decide(NOW + Duration::seconds(45), GAP), Decision::Push);
    }

    #[test]
    fn a_retry_waits_for_its_time() {
        assert_eq!(retrying(true).decide(NOW + Duration::seconds(89), GAP), Decision::NotNow);
        assert_eq!(retrying(true).decide(NOW + Duration::seconds(90), GAP), Decision::Push);
    }

    #[test]
    fn a_key_that_line_forgot_is_replaced_only_after_certain_refusals() {
        let last_safe = NOW + KEY_LIFE - Duration::SECOND;
        assert_eq!(retrying(true).decide(last_safe, GAP), Decision::Push);
        assert_eq!(retrying(true).decide(NOW + KEY_LIFE, GAP), Decision::Expire);
        assert_eq!(retrying(false).decide(NOW + KEY_LIFE, GAP), Decision::PushUnderNewKey);
        // A crash before LINE's answer leaves the doubt set.
        assert_eq!(record().decide(NOW + KEY_LIFE, GAP), Decision::Expire);
    }

    #[test]
    fn a_retry_key_belongs_to_environment_order_and_generation() {
        let first = record();
        let mut second = record();
        assert_eq!(first.retry_key("prod"), second.retry_key("prod"));
        assert_ne!(first.retry_key("prod"), first.retry_key("test"));
        second.start_generation("new body".to_owned());
        assert_ne!(first.retry_key("prod"), second.retry_key("prod"));
        second = record();
        second.order_id.push('x');
        assert_ne!(first.retry_key("prod"), second.retry_key("prod"));
        assert_eq!(first.retry_key("prod").get_version_num(), 5);
    }

    #[test]
    fn the_same_order_is_known_again_in_any_spelling() {
        let record = record();
        assert!(record.is_about(&order_with(json!({ "status": 5, "language": "zh" }))));
        assert!(!record.is_about(&order_with(json!({ "endShop": null }))));
        let kept_otherwise = DeliveryRecord { order: record.order.replace(',', " , "), ..record };
        assert!(kept_otherwise.is_about(&order_with(json!({}))));
    }

    #[test]
    fn a_copy_is_one_whose_owner_was_here_lately() {
        let alive = std::time::Duration::from_secs(270);
        let owned = DeliveryRecord { retry_message_id: Some("owner".to_owned()), ..retrying(true) };
        assert!(owned.is_retried_by_another("copy", NOW + Duration::seconds(269), alive));
        assert!(!owned.is_retried_by_another("copy", NOW + Duration::seconds(270), alive), "the owner is gone");
        assert!(!owned.is_retried_by_another("owner", NOW, alive));
        assert!(!retrying(true).is_retried_by_another("first", NOW, alive), "nobody owns it yet");
        let mut exhausted = owned.clone();
        exhausted.reason = Some(Reason::RetriesExhausted);
        assert!(!exhausted.is_retried_by_another("redriven", NOW, alive));
    }

    #[test]
    fn what_is_on_its_way_is_not_sent_again_and_what_may_have_arrived_only_on_demand() {
        let alive = std::time::Duration::from_secs(360);
        let asked = |record: &DeliveryRecord, seconds| record.resendable(NOW + Duration::seconds(seconds), alive);
        assert_eq!(asked(&record(), 0), Resendable::InFlight, "owned");
        assert_eq!(asked(&record(), 359), Resendable::InFlight, "the queue has it");
        assert_eq!(asked(&record(), 360), Resendable::NeedsForce, "nobody came back for it");
        for (state, reason, doubt, expected) in [
            (State::Retrying, None, false, Resendable::InFlight),
            (State::Retrying, Some(Reason::RetriesExhausted), false, Resendable::Allowed),
            (State::Retrying, Some(Reason::RetriesExhausted), true, Resendable::NeedsForce),
            (State::Failed, Some(Reason::RefusedByLine), false, Resendable::Allowed),
            (State::Failed, Some(Reason::RefusedByLine), true, Resendable::NeedsForce),
            (State::Suppressed, Some(Reason::SwitchedOff), false, Resendable::Allowed),
            (State::Expired, Some(Reason::RetryKeyExpired), true, Resendable::NeedsForce),
            (State::Sent, None, true, Resendable::NeedsForce),
        ] {
            let mut record = retrying(doubt);
            record.settle(state, reason);
            assert_eq!(asked(&record, 1), expected, "{state:?} {reason:?} {doubt}");
        }
    }

    #[test]
    fn sent_again_it_is_a_new_generation_that_owes_nothing_to_the_former() {
        let mut again = retrying(true);
        again.settle(State::Expired, Some(Reason::RetryKeyExpired));
        again.line_request_id = Some("of the former".to_owned());
        again.retry_message_id = Some("of the former".to_owned());
        let former_key = again.retry_key("prod");
        let user = LineUserId::parse("Uffffffffffffffffffffffffffffffff").unwrap();
        let operator = Operator { name: "mei".to_owned(), reason: "she did not get it".to_owned() };
        again.send_again(&user, "new body".to_owned(), &operator, true, NOW);
        assert_ne!(again.retry_key("prod"), former_key);
        assert_eq!((again.state, again.reason, again.may_have_reached_line), (State::Pending, None, false));
        assert_eq!((again.line_user_id.as_deref(), again.push_body.as_str()), (Some(user.as_str()), "new body"));
        assert_eq!((&again.line_request_id, &again.retry_message_id, again.key_first_used_at), (&None, &None, None));
        again.settle(State::Failed, Some(Reason::RefusedByLine));
        let alive = std::time::Duration::ZERO;
        assert_eq!(again.resendable(NOW, alive), Resendable::NeedsForce, "the former message may have arrived");
        assert_eq!(
            (again.resends[0].by.as_str(), again.resends[0].generation, again.resends[0].force),
            ("mei", 2, true)
        );
        assert_eq!(through_the_table(&again), again);
    }

    #[test]
    fn names_are_those_of_the_table() {
        for state in State::ALL {
            assert_eq!(json!(state), json!(state.name()));
        }
        for reason in Reason::ALL {
            assert_eq!(json!(reason), json!(reason.name()));
        }
    }

    #[test]
    fn a_record_survives_the_table() {
        let mut written = retrying(true);
        written.list_attempt(Attempt {
            at: NOW,
            generation: 1,
            state: State::Retrying,
            line_status: Some(500),
            line_request_id: None,
            error: Some("x".to_owned()),
        });
        assert_eq!(through_the_table(&written), written);
    }

    #[test]
    fn a_long_history_keeps_its_first_and_latest_entries() {
        let mut record = record();
        for second in 0..60 {
            let at = NOW + Duration::seconds(second);
            let attempt = Attempt {
                at,
                generation: 1,
                state: State::Retrying,
                line_status: None,
                line_request_id: None,
                error: None,
            };
            record.list_attempt(attempt);
        }
        assert_eq!(record.attempts.len(), MAX_ATTEMPTS_LISTED);
        assert_eq!(record.attempts[0].at, NOW);
        assert_eq!(record.attempts[49].at, NOW + Duration::seconds(59));
    }
}
