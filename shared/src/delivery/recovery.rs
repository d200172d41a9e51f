//! A recovery: many orders that did not go out are sent again, by one job, after what kept them back is over.
//!
//! An operator starts it with a filter; `recovery` works it in [`step`], once a minute. A step asks the records what
//! became of the orders on their way, takes the next ones, and leaves each push to the bell that it sends: the retry
//! queue pushes as it always does, and asks switch and friend state as before any push. One item in the [`table`] says
//! how far it is.
//!
//! # Once
//! An order is taken in two writes. First the item lists it as on its way, over the revision that was read, so of two
//! steps at once one goes on. Then its record begins anew, naming the recovery, over the revision that the order's
//! permission was read at: whatever happened to it in between, it is not taken. A worker that dies between the two
//! leaves a listed order whose record does not name the recovery: the next step asks for its permission again. One that
//! dies after both leaves a record that is due, and the sweep rings for it.
//!
//! # True
//! An order leaves the list with the write that counts it, and it is counted by what its record says. So every order is
//! counted once, whatever was repeated.
//!
//! # Stopped by what it is to repair
//! It pauses by itself, with what it met: the switch is off, or [`IN_A_ROW`] orders in a row ended for one reason.
//! Until one order was sent, so many and no more are on their way.

pub mod step;
pub mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Date, Duration, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::{
    audit::Operator,
    delivery::{
        day::Position,
        pace::Pace,
        record::DeliveryRecord,
        state::{Reason, Resendable, State},
    },
    ids::random_name,
    invalid::Invalid,
};

/// So many orders in a row that end for one reason are the cause that was to be repaired.
pub const IN_A_ROW: usize = 10;
/// No more orders are on their way at a time: while LINE is down, each one's bell is in flight for three retry delays.
pub const MAX_ON_THE_WAY: usize = 1_000;
/// So far ahead a step spreads the orders that it takes: the next step comes within it.
const AHEAD: Duration = Duration::minutes(1);
/// Longer than a step may run: what it was to take and did not, nobody takes any more.
const LEASE: Duration = Duration::minutes(3);
/// Who pauses or ends a recovery that no operator pauses or ends.
pub const ITSELF: &str = "recovery";

time::serde::format_description!(day, Date, "[year]-[month]-[day]");

/// Which orders are to be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The first of LINE's days on which they arrived.
    #[serde(with = "day")]
    pub from: Date,
    /// The last one.
    #[serde(with = "day")]
    pub to: Date,
    /// Where they stand: one of [`STATES`](Self::STATES).
    pub state: State,
    /// Why they stand there; empty for whatever reason.
    pub reasons: Vec<Reason>,
    /// No more of them than so many.
    pub at_most: Option<u64>,
    /// None that arrived longer ago than so many hours when it is taken.
    pub max_age_hours: Option<u32>,
    /// Also those that the customer may have.
    pub force: bool,
}

impl Filter {
    /// The states that anything can be recovered from; of `retrying` what is exhausted.
    pub const STATES: [State; 4] = [State::Suppressed, State::Failed, State::Expired, State::Retrying];

    fn matches(&self, record: &DeliveryRecord) -> bool {
        let reason = record.progress.reason();
        record.progress.state() == self.state
            && (self.reasons.is_empty() || reason.is_some_and(|reason| self.reasons.contains(&reason)))
    }
}

/// Whether a recovery goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryState {
    /// It takes orders.
    Running,
    /// It takes none until somebody resumes it.
    Paused,
    /// It takes none any more.
    Stopped,
    /// Every order has its end.
    Finished,
}

impl RecoveryState {
    /// Its name in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
        }
    }

    /// Whether no other recovery may begin.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// Why an order of the filter is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The customer has it or may have it.
    MayHaveIt,
    /// The customer was forgotten.
    Erased,
    /// It is on its way by itself.
    InFlight,
    /// It does not stand where the filter wants it any more: somebody else has sent it, or it came to another end.
    Changed,
    /// It is older than the filter wants.
    TooOld,
    /// Its member is linked to no LINE user.
    NotLinked,
    /// A version stored it that took what this one does not.
    Unreadable,
    /// There is no record any more.
    Gone,
    /// The recovery was stopped before it was taken.
    Stopped,
}

impl Skip {
    /// Its name in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::MayHaveIt => "may_have_it",
            Self::Erased => "erased",
            Self::InFlight => "in_flight",
            Self::Changed => "changed",
            Self::TooOld => "too_old",
            Self::NotLinked => "not_linked",
            Self::Unreadable => "unreadable",
            Self::Gone => "gone",
            Self::Stopped => "stopped",
        }
    }
}

/// What a record is to a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It may be taken.
    Free,
    /// It was taken, and has no end yet.
    OnTheWay,
    /// It was taken, and attempts will not follow by themselves.
    Ended {
        /// Where it stands.
        state: State,
        /// Why.
        reason: Option<Reason>,
    },
    /// It is not to be sent.
    Skipped(Skip),
}

/// Counts by a reason's name, or a skip's.
pub type Counts = BTreeMap<String, u64>;

/// Where the search for further orders goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// On this day.
    #[serde(with = "day")]
    pub day: Date,
    /// After this delivery.
    pub after: Option<Position>,
}

/// Who changed its state last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who; [`ITSELF`] where nobody did.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
}

/// A job, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Its id, which sorts by time.
    pub id: String,
    /// Grows with every write; a write names the revision that it read.
    pub revision: u64,
    /// Whether it goes on.
    pub state: RecoveryState,
    /// Which orders.
    pub filter: Filter,
    /// How many of them a minute.
    pub per_minute: u32,
    /// How many it was to send when it was started, if they could be counted.
    pub total: Option<u64>,
    /// Who started it.
    pub started: Change,
    /// Who changed its state last.
    pub changed: Change,
    /// Where it paused by itself: what it met.
    pub met_again: Option<Reason>,
    /// Where further orders are; none once all were looked at.
    pub cursor: Option<Cursor>,
    /// The ids of the orders that it takes or took, until they have an end.
    pub on_the_way: Vec<String>,
    /// Accepted by LINE.
    pub sent: u64,
    /// Not pushed on purpose, by reason.
    pub suppressed: Counts,
    /// Refused for good or given up, by reason.
    pub failed: Counts,
    /// Not sent by it, by [`Skip`].
    pub skipped: Counts,
    /// Whether one was sent since it was started or resumed.
    pub proven: bool,
    /// The reason that the latest ones ended for, and how many of them in a row.
    pub in_a_row: Option<(Reason, usize)>,
    /// The next order is not due earlier.
    #[serde(with = "time::serde::rfc3339")]
    pub next_at: OffsetDateTime,
    /// When orders were last taken.
    #[serde(with = "time::serde::rfc3339")]
    pub took_at: OffsetDateTime,
}

impl Recovery {
    /// A new one, which runs.
    pub fn new(filter: Filter, per_minute: u32, total: Option<u64>, operator: &Operator, now: OffsetDateTime) -> Self {
        const SORTABLE: &[BorrowedFormatItem<'_>] =
            format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:3]Z");
        let time = now.to_offset(time::UtcOffset::UTC).format(SORTABLE).unwrap_or_default();
        let change = Change { at: now, by: operator.name.clone(), reason: operator.reason.clone() };
        Self {
            id: format!("{time}-{}", &random_name()[..8]),
            revision: 1,
            state: RecoveryState::Running,
            cursor: Some(Cursor { day: filter.from, after: None }),
            filter,
            per_minute,
            total,
            started: change.clone(),
            changed: change,
            met_again: None,
            on_the_way: Vec::new(),
            sent: 0,
            suppressed: Counts::new(),
            failed: Counts::new(),
            skipped: Counts::new(),
            proven: false,
            in_a_row: None,
            next_at: now,
            took_at: now,
        }
    }

    /// Reads an id.
    pub fn parse_id(id: &str) -> Result<String, Invalid> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if (1..=64).contains(&id.len()) && id.bytes().all(legal) {
            Ok(id.to_owned())
        } else {
            Err("must be the id of a recovery".into())
        }
    }

    /// How many orders it took that came to an end.
    pub fn ended(&self) -> u64 {
        self.sent + self.suppressed.values().sum::<u64>() + self.failed.values().sum::<u64>()
    }

    /// How long it needs for the rest, in seconds; none while it does not run, or where nobody knows how many they are.
    pub fn seconds_left(&self) -> Option<u64> {
        let left = self.total?.saturating_sub(self.ended());
        let minutes_of_60 = left * 60;
        (self.state == RecoveryState::Running).then(|| minutes_of_60.div_ceil(u64::from(self.per_minute.max(1))))
    }

    /// Whether a step would do anything.
    pub fn needs_a_step(&self) -> bool {
        self.state == RecoveryState::Running || !self.on_the_way.is_empty()
    }

    /// Whether it stands still until somebody has repaired what it met again.
    pub fn waits_for_a_repair(&self) -> bool {
        self.state == RecoveryState::Paused && self.met_again.is_some()
    }

    /// What a record is to it.
    pub fn look(&self, record: Option<&DeliveryRecord>, now: OffsetDateTime, pace: &Pace) -> Look {
        let Some(record) = record else { return Look::Skipped(Skip::Gone) };
        let progress = &record.progress;
        if progress.is_erased() {
            return Look::Skipped(Skip::Erased);
        }
        if record.was_taken_by(&self.id) {
            let (state, reason) = (progress.state(), progress.reason());
            return if progress.is_open() { Look::OnTheWay } else { Look::Ended { state, reason } };
        }
        self.filter.look(record, now, pace).map_or(Look::Free, Look::Skipped)
    }

    /// Takes an order that was on its way off the list, if it has an end, and counts it.
    fn counts(&mut self, look: Look) -> bool {
        match look {
            Look::Free | Look::OnTheWay => return true,
            Look::Skipped(skip) => self.skips(skip),
            Look::Ended { state: State::Sent, .. } => {
                self.sent += 1;
                self.proven = true;
                self.in_a_row = None;
            }
            Look::Ended { state, reason } => {
                let counts = if state == State::Suppressed { &mut self.suppressed } else { &mut self.failed };
                *counts.entry(reason.map_or(state.name(), Reason::name).to_owned()).or_default() += 1;
                self.in_a_row = reason.map(|reason| match self.in_a_row {
                    Some((former, count)) if former == reason => (reason, count + 1),
                    _ => (reason, 1),
                });
            }
        }
        false
    }

    fn skips(&mut self, skip: Skip) {
        *self.skipped.entry(skip.name().to_owned()).or_default() += 1;
    }

    /// What it met again, if it has to pause for that.
    fn meets_again(&self) -> Option<Reason> {
        self.in_a_row.filter(|(_, count)| *count >= IN_A_ROW).map(|(reason, _)| reason)
    }

    /// How many more orders may be taken now.
    fn room(&self, now: OffsetDateTime) -> usize {
        if self.state != RecoveryState::Running {
            return 0;
        }
        let (window, open) = ((now + AHEAD - self.next_at.max(now)).max(Duration::ZERO), self.on_the_way.len());
        let by_rate = window.whole_milliseconds() * i128::from(self.per_minute) / AHEAD.whole_milliseconds();
        let by_filter = self.filter.at_most.map(|most| most.saturating_sub(self.ended() + open as u64));
        let at_once = if self.proven { MAX_ON_THE_WAY } else { IN_A_ROW };
        let room = at_once.saturating_sub(open).min(usize::try_from(by_rate).unwrap_or(0));
        by_filter.map_or(room, |left| room.min(usize::try_from(left).unwrap_or(usize::MAX)))
    }

    /// When the next `count` orders are due, at its rate; the one after them is not due earlier.
    fn due_times(&mut self, count: usize, now: OffsetDateTime) -> Vec<OffsetDateTime> {
        let apart = AHEAD / self.per_minute.max(1);
        let mut due = self.next_at.max(now);
        let times = std::iter::repeat_with(|| {
            let at = due;
            due += apart;
            at
        });
        let times: Vec<_> = times.take(count).collect();
        if count > 0 {
            (self.next_at, self.took_at) = (due, now);
        }
        times
    }

    /// Whether nobody takes any more what is listed and was not taken.
    fn leaves_the_rest(&self, now: OffsetDateTime) -> bool {
        self.state == RecoveryState::Stopped && now > self.took_at + LEASE
    }

    /// Whether every order has its end.
    fn is_complete(&self) -> bool {
        let has_all = self.filter.at_most.is_some_and(|most| self.ended() >= most);
        self.state == RecoveryState::Running && self.on_the_way.is_empty() && (self.cursor.is_none() || has_all)
    }

    fn turns(&mut self, state: RecoveryState, by: &str, reason: &str, now: OffsetDateTime) {
        self.state = state;
        self.changed = Change { at: now, by: by.to_owned(), reason: reason.to_owned() };
    }

    /// It pauses by itself, because it met this again.
    fn pauses(&mut self, met: Reason, now: OffsetDateTime) {
        self.turns(RecoveryState::Paused, ITSELF, "", now);
        self.met_again = Some(met);
    }

    /// What the audit says of it beside who and why.
    pub fn audit_detail(&self, action: &str) -> Value {
        let mut detail = json!({ "action": action });
        match (action, self.met_again) {
            ("start", _) => detail["filter"] = serde_json::to_value(&self.filter).unwrap_or_default(),
            ("pause", Some(reason)) => detail["metAgain"] = json!(reason),
            _ => detail["sent"] = json!(self.sent),
        }
        detail
    }

    /// An operator wants it to stand there. Nothing where it stands there already; the error is where it stands, from
    /// where there is no way.
    pub fn wanted(
        &self,
        state: RecoveryState,
        operator: &Operator,
        now: OffsetDateTime,
    ) -> Result<Option<Self>, RecoveryState> {
        if self.state == state {
            return Ok(None);
        }
        if !self.state.is_active() || state == RecoveryState::Finished {
            return Err(self.state);
        }
        let mut next = Self { revision: self.revision + 1, met_again: None, ..self.clone() };
        next.turns(state, &operator.name, &operator.reason, now);
        if state == RecoveryState::Running {
            (next.proven, next.in_a_row) = (false, None);
        }
        Ok(Some(next))
    }
}

impl Filter {
    /// Why a record that nobody has taken is not to be sent, if so.
    pub fn look(&self, record: &DeliveryRecord, now: OffsetDateTime, pace: &Pace) -> Option<Skip> {
        let progress = &record.progress;
        let is_old = |hours: u32| now > progress.created_at() + Duration::hours(hours.into());
        match progress.resendable(now, pace) {
            Resendable::Erased => Some(Skip::Erased),
            _ if progress.is_open() => Some(Skip::InFlight),
            _ if !self.matches(record) => Some(Skip::Changed),
            _ if self.max_age_hours.is_some_and(is_old) => Some(Skip::TooOld),
            Resendable::InFlight => Some(Skip::InFlight),
            Resendable::NeedsForce if !self.force => Some(Skip::MayHaveIt),
            Resendable::NeedsForce | Resendable::Allowed => None,
        }
    }
}

#[cfg(test)]
mod tests;
