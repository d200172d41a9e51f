//! Where a delivery stands, and every way in which that changes: pure, without clock, network or table.
//!
//! [`Progress`] is the part of the record that decides. A transition takes it, what happened and when, and gives what
//! is to be written and what the caller must do then. Whatever is written is written only over the revision that was
//! read, and who loses that write reads again. `tests/model` explores these very functions, in every order and with
//! every failure between two steps.
//!
//! # The record delivers, the queue only rings
//! The record alone says what was tried, what is due and when. A message of the retry queue is a [`bell`](super::bell):
//! whoever hears one asks the record. An attempt is spent by its claim, whatever becomes of its worker; a bell that
//! claims nothing spends none. A claim makes the record due one delay later, and what is not due is left alone: that is
//! the lease, too. So a round has one attempt and its retries, a delay apart, however often, late or early bells ring.
//!
//! # Never lost
//! * The caller hears of success only after record and bell are durable, or after a record that was there already. From
//!   then on the record is settled; or open, and then its bell rings or the sweep rings for it; or exhausted, and then
//!   its bell goes to the dead-letter queue as its letter, because whoever hears the bell of an exhausted record has
//!   SQS move it there.
//! * A bell is deleted in two cases only: the record is settled; or the record waits for another bell, which either is
//!   not late yet or is its letter. If that other one is lost, the sweep rings, because the record is overdue.
//! * A worker that dies after its claim leaves a record that falls due by itself. If the claim was the round's last,
//!   the next bell says that the round is exhausted.
//! * Nothing waits for ever: a round that came to no end in 13 days is given up, visibly, before its message is
//!   deleted.
//!
//! # Never twice
//! LINE accepts a retry key once in 24 hours. Every request of one generation has the same key and the same bytes, so
//! whatever happens in between, LINE sends one message. A new generation, with a new key, begins only if every request
//! under the former keys was certainly refused, or if an operator insists. `may_have_reached_line` is that doubt: it is
//! written with the claim, before any request, and only a certain refusal of everything that was asked takes it back.
//! Once the key is too old to be relied on, doubt means `expired`. A new key is written before its first request. A new
//! round is no new key.
//!
//! # Never untrue
//! * `sent` stands only where LINE accepted: it said so, or it said 409 to a key under which an earlier request of ours
//!   may have been accepted. A 409 to any other key is about somebody else's message: `failed`, and in doubt.
//! * The caller hears what was written. Where the outcome could not be written, only `sent` is final, for it is a fact;
//!   anything else is `retrying`, because a bell will try again.
//! * `failed` and `suppressed` keep the doubt of earlier requests, and say so.
//! * A worker that outlived its claim writes `sent` over whatever stands in its generation, and nothing else over
//!   anything.
//!
//! # Rounds
//! Only an operator begins a round: by a resend, by a recovery of many, or by a redrive. A redriven bell is known by
//! its time: SQS enqueued it long after it was sent, and after the record's last attempt. The record keeps that time of
//! the message that it heard last, so one redrive begins one round. Neither a repeated call nor the sweep begins any. A
//! recovery makes no attempt by itself: it writes that the order is due, and only then sends the bell that it named. If
//! that bell is lost, or was never sent, the record is overdue, and the sweep rings.
//!
//! # Erased
//! Whatever stands may be erased, at any moment: an open delivery is settled by that, `failed`, `discarded`, and keeps
//! its doubt. Nothing begins after it: no resend, no other content under its id, no round. A worker that had claimed
//! before may still write that LINE accepted, and nothing else.
//!
//! # What it stands on
//! * No function runs as long as a retry delay, and a new bell rings no earlier than a delay after it was sent.
//! * Our clocks and SQS's differ by less than [`Pace::early`].
//! * Where a request of ours may have been accepted and somebody else uses the same key, a 409 does not tell whose it
//!   is. Keys are named so that nobody does.

pub mod claim;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::delivery::{
    bell::{Bell, BellName, Ring},
    pace::Pace,
    retry_key::RetryKeys,
    state::claim::{Body, Claim},
};

/// The longest time, in seconds, that SQS hides a message.
const MAX_VISIBILITY: i32 = 12 * 60 * 60;

/// Where a delivery stands. `pending → sent | retrying | suppressed | failed | expired`,
/// `retrying → sent | suppressed | failed | expired`; who sends it again makes it `pending`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Durable, and no attempt has come to an end yet.
    Pending,
    /// Accepted by LINE; LINE does not tell whether it reached the customer.
    Sent,
    /// Not accepted yet; a bell will ring for it, or it waits in the dead-letter queue (then `reason` says so).
    Retrying,
    /// Not pushed, on purpose.
    Suppressed,
    /// Refused for good, or given up.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Every attempt of the round failed; the message is in the dead-letter queue, or on its way there.
    RetriesExhausted,
    /// The retry key is too old.
    RetryKeyExpired,
    /// LINE had accepted the retry key before anything was asked under it: somebody else uses the same one.
    RetryKeyConflict,
    /// An operator gave its dead letter up.
    Discarded,
    /// Its round came to no end in 13 days, and nobody saw to it.
    Unattended,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::RefusedByLine,
        Self::QuotaExhausted,
        Self::SwitchedOff,
        Self::NotAFriend,
        Self::NotLinked,
        Self::RetriesExhausted,
        Self::RetryKeyExpired,
        Self::RetryKeyConflict,
        Self::Discarded,
        Self::Unattended,
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
            Self::RetryKeyConflict => "retry_key_conflict",
            Self::Discarded => "discarded",
            Self::Unattended => "unattended",
        }
    }
}

/// What decides of a delivery, kept in its record. What an older version wrote is read as well: it kept no due time, no
/// bell and no key, and counted attempts by the queue's receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Progress {
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    generation: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_key: Option<Uuid>,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    key_first_used_at: Option<OffsetDateTime>,
    may_have_reached_line: bool,
    #[serde(default)]
    may_have_reached_line_before: bool,
    #[serde(default)]
    without_button: bool,
    attempt_count: u32,
    #[serde(default)]
    round_attempts: u32,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    last_attempt_at: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    due_at: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    waiting_since: Option<OffsetDateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bell: Option<BellName>,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    bell_enqueued_at: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    rung_at: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    erased_at: Option<OffsetDateTime>,
}

/// What a repeated call meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnCall {
    /// Nothing is to be done: tell where it stands.
    Tell(Report),
    /// It is due: write the claim, then attempt.
    Claim(Claim),
    /// Nothing proves that a bell will ring for it: the call must be repeated.
    NotDurable,
}

/// What is to be done about a bell that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnBell {
    /// Nothing but this.
    Fate(Fate),
    /// Write this; the message's fate is then [`Progress::fate`] of what was written.
    Write(Progress),
    /// It is due: write the claim, then attempt.
    Claim(Claim),
}

/// What becomes of a message of the retry queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Nothing is left to do for it.
    Delete,
    /// It rings again when the record is due.
    Stay {
        /// When that is.
        until: OffsetDateTime,
    },
    /// SQS is to move it to the dead-letter queue: it is received again at once until the queue's limit is reached.
    Burn,
}

impl Fate {
    /// For how many seconds the message is to be hidden; none where it is to be deleted.
    pub fn visibility(self, now: OffsetDateTime) -> Option<i32> {
        match self {
            Self::Delete => None,
            Self::Burn => Some(0),
            Self::Stay { until } => {
                let seconds = (until - now).as_seconds_f64().ceil();
                #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
                Some(seconds.clamp(1.0, MAX_VISIBILITY.into()) as i32)
            }
        }
    }
}

/// What the sweep is to do about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSweep {
    /// Nothing.
    Leave,
    /// Write this, which names the new bell, then send the bell.
    Ring(Progress),
    /// Write this: it is given up.
    GiveUp(Progress),
}

/// What a message of the dead-letter queue is to its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Letter {
    /// Its letter: the round is exhausted, and a redrive of this message begins another.
    Exhausted,
    /// A bell that SQS moved while its order is open: no letter. The order is delivered without it.
    OnItsWay,
    /// Left over: another message is its letter. It can be deleted.
    LeftOver,
    /// The order is settled: it is to be deleted on sight.
    Settled,
}

/// What the wish to discard a dead letter meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDiscard {
    /// Nothing is given up with it: delete it.
    Delete,
    /// Write this, which gives the order up, then delete the message.
    GiveUp(Progress),
    /// Its order is on its way: nothing may be done before `until`.
    Refuse {
        /// When it is worth another try.
        until: OffsetDateTime,
    },
}

/// What asking to send a message again meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resendable {
    /// The customer certainly has not got it.
    Allowed,
    /// LINE accepted it, or may have: the customer could get it twice.
    NeedsForce,
    /// It is being delivered.
    InFlight,
    /// The person was forgotten: nothing is left to be sent.
    Erased,
}

/// Where a delivery stands, for whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Report {
    /// The state.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// Whether the customer has the message, or may have it.
    pub may_have_reached_line: bool,
}

impl Report {
    /// All that can be told while nobody knows what stands: a bell will ring.
    pub fn not_known() -> Self {
        Self { state: State::Retrying, reason: None, may_have_reached_line: true }
    }
}

impl From<&Progress> for Report {
    fn from(progress: &Progress) -> Self {
        let may_have_reached_line = progress.customer_may_have_it();
        Self { state: progress.state, reason: progress.reason, may_have_reached_line }
    }
}

/// What may be done with an open record.
enum Due {
    NotYet,
    Attempt { new_key: bool },
    UsedUp,
    Expire,
}

/// A record that is made.
impl Progress {
    /// A call brought an order that no record stands for: the claim to create it with, while its bell is sent.
    pub fn first(bell: Bell, now: OffsetDateTime, pace: &Pace, keys: RetryKeys<'_>) -> Claim {
        let new = Self { bell: Some(bell.name), rung_at: Some(now), ..Self::new(now) };
        new.claim(now, pace, keys).with_new_body()
    }

    /// A bell rang for an order that no record stands for: its call was not told that it is durable.
    pub fn first_by_bell(ring: &Ring, now: OffsetDateTime, pace: &Pace, keys: RetryKeys<'_>) -> Claim {
        Self::new(now).heard(ring).claim(now, pace, keys).with_new_body()
    }

    /// A new record without an attempt, because LINE hangs: the first one is due after the delay, and none is spent.
    pub fn postponed(bell: Bell, now: OffsetDateTime, pace: &Pace) -> Self {
        let due_at = Some(now + pace.retry_delay);
        Self { bell: Some(bell.name), rung_at: Some(now), due_at, ..Self::new(now) }
    }

    /// A new record of an order to nobody: failed from the start.
    pub fn not_linked(now: OffsetDateTime) -> Self {
        Self::new(now).settled(State::Failed, Some(Reason::NotLinked))
    }

    fn new(now: OffsetDateTime) -> Self {
        Self {
            state: State::Pending,
            reason: None,
            created_at: now,
            generation: 1,
            retry_key: None,
            key_first_used_at: None,
            may_have_reached_line: false,
            may_have_reached_line_before: false,
            without_button: false,
            attempt_count: 0,
            round_attempts: 0,
            last_attempt_at: None,
            due_at: Some(now),
            waiting_since: Some(now),
            bell: None,
            bell_enqueued_at: None,
            rung_at: None,
            erased_at: None,
        }
    }
}

/// What happens to a record.
impl Progress {
    /// The same order was posted again. `bell`: the one that was sent with the call, if it could be sent. What is due
    /// is attempted at once, and then waits for this bell, of which we know that it is in the queue.
    pub fn called_again(&self, bell: Option<Bell>, now: OffsetDateTime, pace: &Pace, keys: RetryKeys<'_>) -> OnCall {
        match bell {
            None if self.state == State::Pending => OnCall::NotDurable,
            Some(bell) if self.is_open() => match self.due(now, pace) {
                Due::Attempt { new_key } => OnCall::Claim(self.waits_for(bell, now).attempt(new_key, now, pace, keys)),
                Due::NotYet | Due::UsedUp | Due::Expire => OnCall::Tell(Report::from(self)),
            },
            _ => OnCall::Tell(Report::from(self)),
        }
    }

    /// The order was posted again with other content. That is taken where LINE refused the former for good and cannot
    /// have any of it: the claim has the new content's body; otherwise none, and nothing may be done.
    pub fn replaced(&self, bell: Bell, now: OffsetDateTime, pace: &Pace, keys: RetryKeys<'_>) -> Option<Claim> {
        self.may_be_replaced().then(|| self.anew(bell, now).claim(now, pace, keys).with_new_body())
    }

    /// The same while LINE hangs: without an attempt, and the first one due after the delay.
    pub fn replaced_and_postponed(&self, bell: Bell, now: OffsetDateTime, pace: &Pace) -> Option<Self> {
        let due_at = Some(now + pace.retry_delay);
        self.may_be_replaced().then(|| Self { due_at, ..self.anew(bell, now) })
    }

    fn may_be_replaced(&self) -> bool {
        let refused = (self.state, self.reason) == (State::Failed, Some(Reason::RefusedByLine));
        refused && !self.customer_may_have_it() && !self.is_erased()
    }

    /// A bell rang.
    pub fn rung(&self, ring: &Ring, now: OffsetDateTime, pace: &Pace, keys: RetryKeys<'_>) -> OnBell {
        let own = self.is_own(ring, pace);
        if self.state.is_settled() {
            return OnBell::Fate(Fate::Delete);
        }
        if self.is_exhausted() {
            return if own && self.bell_enqueued_at == Some(ring.enqueued_at) {
                OnBell::Fate(Fate::Burn)
            } else if self.begins_a_round(ring, pace) {
                self.new_round(ring).by_bell(self.key_due(now, pace), now, pace, keys)
            } else if own && self.bell_enqueued_at.is_none() {
                // Which of its copies is the letter, the record says before it becomes one.
                OnBell::Write(self.heard(ring))
            } else {
                OnBell::Fate(Fate::Delete)
            };
        }
        if !own && now <= self.due_at(pace) + self.grace(pace) {
            return OnBell::Fate(Fate::Delete);
        }
        match self.due(now, pace) {
            Due::NotYet => OnBell::Fate(self.fate(pace)),
            due => self.heard(ring).by_bell(due, now, pace, keys),
        }
    }

    /// The sweep came to this record. `bell`: the name of the one that it would send.
    pub fn swept(&self, bell: BellName, now: OffsetDateTime, pace: &Pace) -> OnSweep {
        let overdue = self.is_open() && now > self.due_at(pace) + pace.retry_delay * 2;
        let rung_lately = self.rung_at.is_some_and(|at| now <= at + pace.ring_again);
        if (overdue || self.is_exhausted()) && now >= self.given_up_at(pace) {
            OnSweep::GiveUp(if self.may_have_reached_line {
                self.settled(State::Expired, Some(Reason::RetryKeyExpired))
            } else {
                self.settled(State::Failed, Some(Reason::Unattended))
            })
        } else if overdue && !rung_lately {
            OnSweep::Ring(Self { bell: Some(bell), bell_enqueued_at: None, rung_at: Some(now), ..*self })
        } else {
            OnSweep::Leave
        }
    }

    /// An operator sends the message again, made anew, perhaps of a corrected order. `bell`: the one that was sent for
    /// it. `force`: also where LINE may have it. The error is what stands in the way.
    pub fn resent(
        &self,
        bell: Bell,
        force: bool,
        now: OffsetDateTime,
        pace: &Pace,
        keys: RetryKeys<'_>,
    ) -> Result<Claim, Resendable> {
        self.may_be_resent(force, now, pace)?;
        Ok(self.anew(bell, now).claim(now, pace, keys).with_new_body())
    }

    /// A recovery sends the message again, made anew, without an attempt of its own: it is due at `due_at`. `bell`: the
    /// one that is sent once this is written. Otherwise as [`resent`](Self::resent).
    pub fn recovered(
        &self,
        bell: Bell,
        due_at: OffsetDateTime,
        force: bool,
        now: OffsetDateTime,
        pace: &Pace,
    ) -> Result<Self, Resendable> {
        self.may_be_resent(force, now, pace)?;
        // Nobody has sent the bell yet: if nobody does, the sweep need not wait before it rings.
        Ok(Self { due_at: Some(due_at), rung_at: None, ..self.anew(bell, now) })
    }

    fn may_be_resent(&self, force: bool, now: OffsetDateTime, pace: &Pace) -> Result<(), Resendable> {
        match self.resendable(now, pace) {
            Resendable::Allowed => Ok(()),
            Resendable::NeedsForce if force => Ok(()),
            refused => Err(refused),
        }
    }

    /// An operator discards a message of the dead-letter queue.
    pub fn discarded(&self, ring: &Ring, now: OffsetDateTime, pace: &Pace) -> OnDiscard {
        match self.letter(ring, pace) {
            Letter::LeftOver | Letter::Settled => OnDiscard::Delete,
            Letter::Exhausted => OnDiscard::GiveUp(self.settled(State::Failed, Some(Reason::Discarded))),
            Letter::OnItsWay => OnDiscard::Refuse { until: self.due_at(pace).max(now) + pace.retry_delay },
        }
    }
}

impl Progress {
    /// The person is forgotten. None where that was done before.
    pub fn erased(&self, now: OffsetDateTime) -> Option<Self> {
        let settled =
            if self.state.is_settled() { *self } else { self.settled(State::Failed, Some(Reason::Discarded)) };
        (!self.is_erased()).then_some(Self { erased_at: Some(now), ..settled })
    }
}

/// What a record says.
impl Progress {
    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// When the order arrived.
    pub fn created_at(&self) -> OffsetDateTime {
        self.created_at
    }

    /// Grows with every new retry key.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The retry key of the present generation.
    pub fn retry_key(&self, keys: RetryKeys<'_>) -> Uuid {
        match (self.retry_key, self.key_first_used_at) {
            (Some(kept), _) => kept,
            (None, Some(_)) => keys.former_key(self.generation),
            (None, None) => keys.key(self.generation),
        }
    }

    /// When the present key was first used, at the latest.
    pub fn key_first_used_at(&self) -> Option<OffsetDateTime> {
        self.key_first_used_at
    }

    /// Whether the message goes out without its button, which LINE refused.
    pub fn without_button(&self) -> bool {
        self.without_button
    }

    /// How many requests went to LINE, as far as their workers lived to write it.
    pub fn attempt_count(&self) -> u32 {
        self.attempt_count
    }

    /// How many attempts of the present round are spent.
    pub fn round_attempts(&self) -> u32 {
        self.round_attempts
    }

    /// When the latest attempt began.
    pub fn last_attempt_at(&self) -> Option<OffsetDateTime> {
        self.last_attempt_at
    }

    /// When the next attempt of an open record is due.
    pub fn due_at(&self, pace: &Pace) -> OffsetDateTime {
        let former = || self.last_attempt_at.map_or(self.created_at, |at| at + pace.retry_delay);
        self.due_at.unwrap_or_else(former)
    }

    /// Since when its round has waited for an end; the message that it waits for was not enqueued earlier.
    pub fn waiting_since(&self) -> OffsetDateTime {
        self.waiting_since.or(self.last_attempt_at).unwrap_or(self.created_at)
    }

    /// When the sweep gives the round up, if it has come to no end.
    pub fn given_up_at(&self, pace: &Pace) -> OffsetDateTime {
        self.waiting_since() + pace.patience
    }

    /// The bell that it waits for.
    pub fn bell(&self) -> Option<BellName> {
        self.bell
    }

    /// When the message of that bell was enqueued, once it was heard.
    pub fn bell_enqueued_at(&self) -> Option<OffsetDateTime> {
        self.bell_enqueued_at
    }

    /// When a bell was last sent for it.
    pub fn rung_at(&self) -> Option<OffsetDateTime> {
        self.rung_at
    }

    /// When the person was forgotten.
    pub fn erased_at(&self) -> Option<OffsetDateTime> {
        self.erased_at
    }

    /// Whether the person was forgotten.
    pub fn is_erased(&self) -> bool {
        self.erased_at.is_some()
    }

    /// Whether attempts will follow by themselves.
    pub fn is_open(&self) -> bool {
        !self.state.is_settled() && !self.is_exhausted()
    }

    /// Whether the attempts of its round are used up, and an operator has to see to it.
    pub fn is_exhausted(&self) -> bool {
        self.state == State::Retrying && self.reason == Some(Reason::RetriesExhausted)
    }

    /// Whether the customer has the message, or may have it, under this key or a former one.
    pub fn customer_may_have_it(&self) -> bool {
        self.state == State::Sent || self.may_have_reached_line || self.may_have_reached_line_before
    }

    /// What sending it again would meet. What is overdue by more than two delays is no longer on its way by itself.
    pub fn resendable(&self, now: OffsetDateTime, pace: &Pace) -> Resendable {
        if self.is_erased() {
            Resendable::Erased
        } else if self.is_open() && now <= self.due_at(pace) + pace.retry_delay * 2 {
            Resendable::InFlight
        } else if self.customer_may_have_it() {
            Resendable::NeedsForce
        } else {
            Resendable::Allowed
        }
    }

    /// What a message of the dead-letter queue is.
    pub fn letter(&self, ring: &Ring, pace: &Pace) -> Letter {
        let known = self.bell_enqueued_at.is_none_or(|known| ring.enqueued_at == known);
        let own = self.bell == ring.name() && (known || self.begins_a_round(ring, pace));
        if self.state.is_settled() {
            Letter::Settled
        } else if self.is_open() {
            Letter::OnItsWay
        } else if own {
            Letter::Exhausted
        } else {
            Letter::LeftOver
        }
    }

    /// What becomes of the bell that this record waits for, once the record is written.
    pub fn fate(&self, pace: &Pace) -> Fate {
        if self.state.is_settled() {
            Fate::Delete
        } else if self.is_exhausted() {
            Fate::Burn
        } else {
            Fate::Stay { until: self.due_at(pace) }
        }
    }
}

impl Progress {
    /// Whether the record waits for this message. Of two messages of one name that SQS did not move one is a copy, made
    /// by a repeated `SendMessage`: the one that was heard first stays. A moved one takes the place of its former self.
    fn is_own(&self, ring: &Ring, pace: &Pace) -> bool {
        let in_place = |known| ring.enqueued_at > known && ring.may_have_been_moved(pace);
        self.bell == ring.name()
            && self.bell_enqueued_at.is_none_or(|known| ring.enqueued_at == known || in_place(known))
    }

    /// Whether somebody redrove this message after the last attempt of an exhausted record.
    fn begins_a_round(&self, ring: &Ring, pace: &Pace) -> bool {
        let after = |at| ring.enqueued_at + pace.early >= at;
        ring.may_have_been_moved(pace) && self.last_attempt_at.is_none_or(after)
    }

    /// How late its own bell may be before another one takes its place. One that nobody has heard of yet may never have
    /// been sent: it has no grace.
    fn grace(&self, pace: &Pace) -> std::time::Duration {
        if self.state == State::Pending && self.bell_enqueued_at.is_none() {
            std::time::Duration::ZERO
        } else {
            pace.retry_delay
        }
    }

    fn due(&self, now: OffsetDateTime, pace: &Pace) -> Due {
        match self.key_due(now, pace) {
            _ if now + pace.early < self.due_at(pace) => Due::NotYet,
            Due::Attempt { .. } if self.round_attempts >= pace.round => Due::UsedUp,
            due => due,
        }
    }

    /// What the age of the key leaves to do.
    fn key_due(&self, now: OffsetDateTime, pace: &Pace) -> Due {
        let too_old = self.key_first_used_at.is_some_and(|first| now >= first + pace.key_life);
        if too_old && self.may_have_reached_line { Due::Expire } else { Due::Attempt { new_key: too_old } }
    }

    fn by_bell(&self, due: Due, now: OffsetDateTime, pace: &Pace, keys: RetryKeys<'_>) -> OnBell {
        match due {
            Due::NotYet => OnBell::Fate(self.fate(pace)),
            Due::Attempt { new_key } => OnBell::Claim(self.attempt(new_key, now, pace, keys)),
            Due::UsedUp => OnBell::Write(self.exhausted()),
            Due::Expire => OnBell::Write(self.settled(State::Expired, Some(Reason::RetryKeyExpired))),
        }
    }

    fn attempt(&self, new_key: bool, now: OffsetDateTime, pace: &Pace, keys: RetryKeys<'_>) -> Claim {
        if new_key {
            self.next_generation().claim(now, pace, keys).with_new_body()
        } else {
            self.claim(now, pace, keys)
        }
    }

    /// Takes the record for an attempt, which is spent by that: nobody else touches it before the next one is due.
    fn claim(&self, now: OffsetDateTime, pace: &Pace, keys: RetryKeys<'_>) -> Claim {
        let next = Self {
            reason: None,
            round_attempts: self.round_attempts.saturating_add(1),
            last_attempt_at: Some(now),
            due_at: Some(now + pace.retry_delay),
            ..self.with_key(now, keys)
        };
        Claim { next, body: Body::Kept, doubt: self.may_have_reached_line, deadline: now + pace.attempt }
    }

    /// From now on its key may be used.
    fn with_key(&self, now: OffsetDateTime, keys: RetryKeys<'_>) -> Self {
        Self {
            retry_key: Some(self.retry_key(keys)),
            key_first_used_at: self.key_first_used_at.or(Some(now)),
            may_have_reached_line: true,
            ..*self
        }
    }

    fn next_generation(&self) -> Self {
        let generation = self.generation.saturating_add(1);
        Self { generation, retry_key: None, key_first_used_at: None, may_have_reached_line: false, ..*self }
    }

    /// Begins all over, under a new key, with a body made anew, waiting for this bell.
    fn anew(&self, bell: Bell, now: OffsetDateTime) -> Self {
        Self {
            state: State::Pending,
            reason: None,
            may_have_reached_line_before: self.customer_may_have_it(),
            without_button: false,
            round_attempts: 0,
            waiting_since: Some(now),
            ..self.next_generation().waits_for(bell, now)
        }
    }

    /// Begins another round, under the same key.
    fn new_round(&self, ring: &Ring) -> Self {
        Self { round_attempts: 0, waiting_since: Some(ring.enqueued_at), ..self.heard(ring) }
    }

    /// Waits for a bell that was sent now.
    fn waits_for(&self, bell: Bell, now: OffsetDateTime) -> Self {
        Self { bell: Some(bell.name), bell_enqueued_at: None, rung_at: Some(now), ..*self }
    }

    /// Waits for a bell that was heard.
    fn heard(&self, ring: &Ring) -> Self {
        let waiting_since = Some(self.waiting_since().min(ring.enqueued_at));
        Self { bell: ring.name(), bell_enqueued_at: Some(ring.enqueued_at), waiting_since, ..*self }
    }

    fn counting(&self, requests: u32) -> Self {
        Self { attempt_count: self.attempt_count.saturating_add(requests), ..*self }
    }

    fn exhausted(&self) -> Self {
        Self { state: State::Retrying, reason: Some(Reason::RetriesExhausted), due_at: None, ..*self }
    }

    fn settled(&self, state: State, reason: Option<Reason>) -> Self {
        Self { state, reason, due_at: None, ..*self }
    }
}

#[cfg(test)]
mod tests;
