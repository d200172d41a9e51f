//! What a recovery does: how many orders it would send, and a step of its work.

use std::collections::{BTreeSet, HashMap};

use time::{Date, OffsetDateTime};
use tokio::time::Instant;

use crate::{
    audit::{Audit, AuditKind, Entry, Operator},
    aws::{
        error::{AwsError, Doing as _},
        table::key,
    },
    delivery::{
        Delivery, DeliveryError,
        bell::Bell,
        day::Summary,
        queue::RetryQueue,
        record::DeliveryRecord,
        recovery::{Counts, Cursor, Filter, ITSELF, Look, Recovery, RecoveryState, Skip, table::Recoveries},
        state::Reason,
        switch::{self, Switch},
        table::{Deliveries, from_item},
    },
    ids::LineUserId,
    notification::{Notification, NotificationKind},
};

/// How many records DynamoDB reads in one call (DynamoDB: `BatchGetItem`).
const RECORDS_AT_ONCE: usize = 100;
/// How many of a day's deliveries a survey reads at a time.
const SURVEYED_AT_ONCE: usize = 2_000;
/// How many pages of orders a step looks at to find those that it may take.
const MAX_PAGES: usize = 20;

/// What a recovery would do if it began now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many orders stand where the filter wants them.
    pub matches: u64,
    /// How many of them would be sent. Each takes one message of the quota.
    pub sends: u64,
    /// Those that would not, by why.
    pub skipped: Counts,
    /// Whether all were counted in time.
    pub complete: bool,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// Where the recovery stands.
    pub state: RecoveryState,
    /// How many orders it took.
    pub taken: usize,
    /// How many have no end yet.
    pub on_the_way: usize,
}

/// What the switch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It is off.
    Nobody,
    /// It was turned on a moment ago, and who remembers it as off still suppresses.
    SomeStill,
    /// It is on.
    Everybody,
}

/// An order that is about to be taken: its record as its permission was read.
struct Ready {
    record: DeliveryRecord,
    notification: Notification,
    user: LineUserId,
}

/// Orders that a filter wants.
struct Wanted {
    found: Vec<Summary>,
    records: HashMap<String, DeliveryRecord>,
    next: Option<Cursor>,
}

impl Deliveries {
    /// Reads the records of these orders, consistently.
    async fn records_of(&self, ids: &[String]) -> Result<HashMap<String, DeliveryRecord>, AwsError> {
        let mut records = HashMap::new();
        for ids in ids.chunks(RECORDS_AT_ONCE) {
            let keys = ids.iter().map(|id| key([("order_id", id), ("status", status())])).collect();
            for item in self.table.get_several(keys).await.doing("read the records")? {
                let record = from_item(item)?;
                records.insert(record.order_id.clone(), record);
            }
        }
        Ok(records)
    }

    /// Orders of a day that a filter wants, as the index has them, with their records; and where more are.
    async fn wanted(&self, filter: &Filter, cursor: &Cursor, limit: usize) -> Result<Wanted, AwsError> {
        let page = self.page(cursor.day, Some(filter.state), &filter.reasons, limit, cursor.after.as_ref()).await?;
        let found: Vec<Summary> = page.deliveries.into_iter().filter(|one| one.status == status()).collect();
        let records = self.records_of(&found.iter().map(|one| one.order_id.clone()).collect::<Vec<_>>()).await?;
        let next_day = || cursor.day.next_day().filter(|day: &Date| *day <= filter.to);
        let next = match page.next {
            Some(after) => Some(Cursor { day: cursor.day, after: Some(after) }),
            None => next_day().map(|day| Cursor { day, after: None }),
        };
        Ok(Wanted { found, records, next })
    }
}

impl Delivery {
    /// Counts what a filter would send now, until this time.
    pub async fn survey(&self, filter: &Filter, until: Instant) -> Result<Survey, DeliveryError> {
        let mut survey = Survey::default();
        let mut cursor = Some(Cursor { day: filter.from, after: None });
        while let Some(at) = cursor {
            if Instant::now() >= until {
                return Ok(survey);
            }
            let wanted = self.deliveries.wanted(filter, &at, SURVEYED_AT_ONCE).await?;
            let now = self.clock.now();
            for record in wanted.records.values() {
                match filter.look(record, now, &self.settings.pace) {
                    // The index lags behind.
                    Some(Skip::Changed | Skip::InFlight) => {}
                    Some(skip) => {
                        survey.matches += 1;
                        *survey.skipped.entry(skip.name().to_owned()).or_default() += 1;
                    }
                    None => {
                        survey.matches += 1;
                        survey.sends += 1;
                    }
                }
            }
            cursor = wanted.next;
        }
        Ok(Survey { complete: true, ..survey })
    }

    /// One step of a recovery: counts what has come to an end, and takes the next orders, until this time. None where
    /// there is nothing to do, or where another step was faster.
    pub async fn recover(
        &self,
        id: &str,
        until: Instant,
        recoveries: &Recoveries,
        queue: &RetryQueue,
        audit: &Audit,
    ) -> Result<Option<Stepped>, DeliveryError> {
        let Some(read) = recoveries.get(id).await?.filter(Recovery::needs_a_step) else { return Ok(None) };
        let mut next = Recovery { revision: read.revision + 1, ..read.clone() };
        let mut ready = self.look_again(&mut next).await?;
        if next.state == RecoveryState::Running {
            let switch = self.switch().await?;
            match next.meets_again().or((switch == Told::Nobody).then_some(Reason::SwitchedOff)) {
                Some(reason) => next.pauses(reason, self.clock.now()),
                None if switch == Told::Everybody => self.find_more(&mut next, &mut ready).await?,
                None => ready.clear(),
            }
        }
        if next.state != RecoveryState::Running {
            ready.clear();
        }
        let now = self.clock.now();
        if next.is_complete() {
            next.turns(RecoveryState::Finished, ITSELF, "", now);
        }
        let due = next.due_times(ready.len(), now);
        if !self.write_step(&read, &next, recoveries, audit).await? {
            return Ok(None);
        }
        let mut taken = 0;
        for (ready, due_at) in ready.into_iter().zip(due) {
            // What is left, the next step takes.
            if Instant::now() >= until {
                break;
            }
            let order = ready.record.order_id.clone();
            match self.take(ready, &next, due_at, queue).await {
                Ok(is_taken) => taken += usize::from(is_taken),
                Err(error) => tracing::warn!(order.id = order, %error, "the next step looks at it again"),
            }
        }
        Ok(Some(Stepped { state: next.state, taken, on_the_way: next.on_the_way.len() }))
    }

    /// Counts what has come to an end; what was listed and never taken, it gives back.
    async fn look_again(&self, next: &mut Recovery) -> Result<Vec<Ready>, DeliveryError> {
        let (listed, now) = (std::mem::take(&mut next.on_the_way), self.clock.now());
        let mut records = self.deliveries.records_of(&listed).await?;
        let mut ready = Vec::new();
        for id in listed {
            let record = records.remove(&id);
            let look = match next.look(record.as_ref(), now, &self.settings.pace) {
                Look::Free if next.leaves_the_rest(now) => Look::Skipped(Skip::Stopped),
                look => look,
            };
            let look = match (look, record) {
                (Look::Free, Some(record)) => match self.ready(record).await? {
                    Ok(one) => {
                        ready.push(one);
                        Look::Free
                    }
                    Err(skip) => Look::Skipped(skip),
                },
                (look, _) => look,
            };
            if next.counts(look) {
                next.on_the_way.push(id);
            }
        }
        Ok(ready)
    }

    /// Lists the next orders that may be taken.
    async fn find_more(&self, next: &mut Recovery, ready: &mut Vec<Ready>) -> Result<(), DeliveryError> {
        let listed: BTreeSet<String> = next.on_the_way.iter().cloned().collect();
        let (mut room, mut pages) = (next.room(self.clock.now()), 0);
        while room > 0 && pages < MAX_PAGES {
            let Some(cursor) = next.cursor.take() else { return Ok(()) };
            let page = room.max(RECORDS_AT_ONCE);
            let mut wanted = self.deliveries.wanted(&next.filter, &cursor, page).await?;
            let mut after = cursor.after.clone();
            (next.cursor, pages) = (wanted.next, pages + 1);
            for one in wanted.found {
                if room == 0 {
                    // The rest of the page is for the next step.
                    next.cursor = Some(Cursor { after, ..cursor });
                    break;
                }
                after = Some(one.position());
                let record = wanted.records.remove(&one.order_id);
                let look = next.look(record.as_ref(), self.clock.now(), &self.settings.pace);
                match (look, record) {
                    (Look::Free, Some(record)) if !listed.contains(&one.order_id) => match self.ready(record).await? {
                        Ok(taken) => {
                            next.on_the_way.push(one.order_id.clone());
                            ready.push(taken);
                            room -= 1;
                        }
                        Err(skip) => next.skips(skip),
                    },
                    (Look::Skipped(skip), _) => next.skips(skip),
                    // It was taken before, and is counted as that.
                    (Look::Free | Look::OnTheWay | Look::Ended { .. }, _) => {}
                }
            }
        }
        Ok(())
    }

    /// What taking an order needs to know.
    async fn ready(&self, record: DeliveryRecord) -> Result<Result<Ready, Skip>, DeliveryError> {
        let Some(notification) = record.notification() else { return Ok(Err(Skip::Unreadable)) };
        let user = self.line_user(&notification).await?;
        Ok(user.map(|user| Ready { record, notification, user }).ok_or(Skip::NotLinked))
    }

    /// Writes a step; whether it was first.
    async fn write_step(
        &self,
        read: &Recovery,
        next: &Recovery,
        recoveries: &Recoveries,
        audit: &Audit,
    ) -> Result<bool, DeliveryError> {
        let action = match next.state {
            RecoveryState::Paused => "pause",
            _ => "finish",
        };
        let note = (read.state != next.state).then(|| {
            let itself = Operator { name: ITSELF.to_owned(), reason: String::new(), source_ip: None };
            let detail = next.audit_detail(action);
            tracing::warn!(recovery = next.id, met_again = ?next.met_again, state = next.state.name(), "by itself");
            Entry::new(AuditKind::Recover, &next.id, &itself, Some(detail), next.changed.at)
        });
        Ok(recoveries.replace(read, next, note.as_ref().map(|entry| (entry, audit))).await?)
    }

    /// Takes an order: its record begins anew, unless anybody has written it since its permission was read, and then a
    /// bell is sent for it.
    async fn take(
        &self,
        ready: Ready,
        recovery: &Recovery,
        due_at: OffsetDateTime,
        queue: &RetryQueue,
    ) -> Result<bool, DeliveryError> {
        let Ready { mut record, notification, user } = ready;
        let now = self.clock.now();
        let due_at = due_at.max(now);
        let bell = Bell::new(now);
        let force = recovery.filter.force;
        let Ok(progress) = record.progress.recovered(bell, due_at, force, now, &self.settings.pace) else {
            return Ok(false);
        };
        let body = self.push_body(&notification, &user, true)?;
        let operator =
            Operator { name: recovery.started.by.clone(), reason: recovery.started.reason.clone(), source_ip: None };
        let written = self.deliveries.replace(&mut record, now, |record| {
            record.address(&notification, &user);
            (record.progress, record.push_body) = (progress, body);
            record.list_resend(&operator, force, Some(&recovery.id), now);
        });
        // Where nobody knows whether it was written, its bell is sent all the same: one that no record waits for is
        // deleted when it rings.
        if matches!(written.await, Ok(false)) {
            return Ok(false);
        }
        let delay = i32::try_from((due_at - now).whole_seconds()).unwrap_or(i32::MAX).clamp(0, 900);
        queue.send_after(&notification, bell, delay).await?;
        Ok(true)
    }

    /// Whether customers are told, past every memory of this function, and whether everybody who pushes knows.
    async fn switch(&self) -> Result<Told, DeliveryError> {
        let [all, own] = self.switches.get([switch::ALL, status()]).await?;
        let (now, memory) = (self.clock.now(), self.settings.pace.switch_memory());
        let is_known = |switch: &Switch| switch.changed_at.is_none_or(|at| now > at + memory);
        Ok(match (all.enabled && own.enabled, is_known(&all) && is_known(&own)) {
            (false, _) => Told::Nobody,
            (true, false) => Told::SomeStill,
            (true, true) => Told::Everybody,
        })
    }
}

/// The status of the orders that are recovered: those that operators mean by an order's id.
fn status() -> &'static str {
    NotificationKind::OrderFinished.status()
}
