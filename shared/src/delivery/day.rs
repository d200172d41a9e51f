//! A day's orders, counted and listed, from the index `by_day` of the deliveries' table.
//!
//! A day that is over and has no delivery left open is counted once, and its totals are kept in an item of the same
//! table. Whoever changes one of its records later marks that item in the same transaction, and it is counted anew.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::TransactWriteItem};
use serde::{Deserialize, Serialize};
use time::{Date, Duration, OffsetDateTime};

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Item, NOT_EXPIRED, Table, key, now, number, number_of, string, string_of},
    },
    delivery::{
        state::{Reason, State},
        table::{Deliveries, from_every_shard},
    },
    ids::random_name,
    line::day::line_day,
};

/// The most order ids that a reason lists.
pub const MAX_IDS_LISTED: usize = 20;
/// The most queries of a partition for one page: a rare reason may be on none of them, and then the page is short.
const MAX_QUERIES: usize = 10;
/// A day's totals are kept only so long after its end: whatever was being written then has been written.
const SETTLED_AFTER: Duration = Duration::minutes(10);
/// Nor while the index may lag behind a change of one of its records.
const INDEXED_AFTER: Duration = Duration::minutes(1);
const READ: &str = "read the day's deliveries";
/// Behind every character of a sort key.
const LAST: &str = "~";

/// What became of the orders that arrived on one of LINE's days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCount {
    /// Accepted by LINE.
    pub sent: u64,
    /// Those among all that took more than one request.
    pub retried: u64,
    /// Not settled yet.
    pub open: u64,
    /// Those of the open ones whose retries all failed: they wait for a person.
    #[serde(default)]
    pub exhausted: OrderList,
    /// Not pushed on purpose, by reason.
    pub suppressed: BTreeMap<String, u64>,
    /// Refused for good or given up, by reason.
    pub failed: BTreeMap<String, OrderList>,
}

/// Orders that were not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderList {
    /// How many.
    pub count: u64,
    /// The first [`MAX_IDS_LISTED`] of them.
    pub order_ids: Vec<String>,
}

/// A delivery as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Summary {
    /// The index's sort key: state, time and order.
    pub listed: String,
    /// The order.
    pub order_id: String,
    /// The order's status.
    pub status: String,
    /// Where the delivery stands.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// How many requests went to LINE for it.
    pub attempt_count: u32,
    /// When the order arrived.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the record was last written.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// What a count needs of a delivery: of a hundred thousand, reading the rest would take as long again.
#[derive(Debug, Deserialize)]
struct Counted {
    order_id: String,
    state: State,
    reason: Option<Reason>,
    attempt_count: u32,
}

/// Where a list goes on: after this delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    listed: String,
}

/// A page of a day's deliveries.
#[derive(Clone, Debug)]
pub struct DeliveryPage {
    /// By state, and within one by time.
    pub deliveries: Vec<Summary>,
    /// Where the next page begins; none after the last one.
    pub next: Option<Position>,
}

/// What a partition of the index has for a page.
pub(super) struct Part {
    pub(super) deliveries: Vec<Summary>,
    /// How far it was read, if not to its end.
    pub(super) read_to: Option<String>,
}

impl Summary {
    /// The place after which a list goes on behind this delivery.
    pub fn position(&self) -> Position {
        Position { listed: self.listed.clone() }
    }
}

impl OrderList {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.order_ids.extend(other.order_ids);
        self.order_ids.sort();
        self.order_ids.truncate(MAX_IDS_LISTED);
    }

    fn add(&mut self, order_id: String) {
        self.count += 1;
        if self.order_ids.len() < MAX_IDS_LISTED {
            self.order_ids.push(order_id);
        }
    }
}

impl DayCount {
    /// How many were refused for good or given up, for whatever reason.
    pub fn all_failed(&self) -> u64 {
        self.failed.values().map(|failed| failed.count).sum()
    }

    fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.retried += other.retried;
        self.open += other.open;
        self.exhausted.merge(other.exhausted);
        for (reason, count) in other.suppressed {
            *self.suppressed.entry(reason).or_default() += count;
        }
        for (reason, failed) in other.failed {
            self.failed.entry(reason).or_default().merge(failed);
        }
    }

    fn add(&mut self, entry: Counted) {
        let reason = entry.reason.map_or("unknown", Reason::name).to_owned();
        self.retried += u64::from(entry.attempt_count > 1);
        match entry.state {
            State::Sent => self.sent += 1,
            State::Pending | State::Retrying => {
                self.open += 1;
                if entry.reason == Some(Reason::RetriesExhausted) {
                    self.exhausted.add(entry.order_id);
                }
            }
            State::Suppressed => *self.suppressed.entry(reason).or_default() += 1,
            State::Failed | State::Expired => {
                self.failed.entry(reason).or_default().add(entry.order_id);
            }
        }
    }
}

impl Deliveries {
    /// Counts a day; one that is over from its kept totals, where they still hold.
    pub async fn count_day(&self, day: Date, now: OffsetDateTime) -> Result<DayCount, AwsError> {
        let is_over = day < line_day(now - SETTLED_AFTER);
        let kept = if is_over { self.table.get(totals_key(day)).await.doing(READ)? } else { None };
        let mark = kept.as_ref().and_then(|item| string_of(item, "mark")).unwrap_or_default().to_owned();
        if let Some(count) = kept.as_ref().and_then(still_true) {
            return Ok(count);
        }
        let counts = from_every_shard(|shard| count_shard(self.table.clone(), format!("{day}#{shard:02}"))).await;
        let mut total = DayCount::default();
        counts.doing(READ)?.into_iter().for_each(|count| total.merge(count));
        let changed_lately = kept.as_ref().is_some_and(|item| was_marked_after(item, now - INDEXED_AFTER));
        if is_over && total.open == 0 && !changed_lately {
            let json = serde_json::to_string(&total).unwrap_or_default();
            let update = self
                .table
                .update(totals_key(day))
                .set("totals", string(json))
                .set("counted_at_mark", string(&mark))
                .set("expire_at", number((now + self.life).unix_timestamp()))
                .when("attribute_not_exists(mark) OR mark = :counted_at_mark");
            if let Err(cause) = update.send().await {
                tracing::warn!(%day, %cause, "the day's totals could not be kept, it is counted again");
            }
        }
        Ok(total)
    }

    /// Marks a day whose record is changed at `now`, if it is over: a part of the transaction that changes the record.
    pub(super) fn mark(&self, day: &str, now: OffsetDateTime) -> Option<TransactWriteItem> {
        if day == line_day(now).to_string() {
            return None;
        }
        let update = self.table.update(key([("order_id", &format!("day#{day}")), ("status", "totals")]));
        Some(update.set("mark", string(random_name())).set("marked_at", number(now.unix_timestamp())).step())
    }

    /// The deliveries of the orders that arrived on a day, those in this state and for one of
    /// these reasons, if any are named, from after `after` on.
    pub async fn page(
        &self,
        day: Date,
        state: Option<State>,
        reasons: &[Reason],
        limit: usize,
        after: Option<&Position>,
    ) -> Result<DeliveryPage, AwsError> {
        let prefix = state.map_or(String::new(), |state| format!("{}#", state.name()));
        let first = after.map_or_else(|| prefix.clone(), |position| format!("{} ", position.listed));
        let parts = from_every_shard(|shard| {
            let query = of_shard(&self.table, &format!("{day}#{shard:02}"))
                .key_condition_expression("day_shard = :shard AND listed BETWEEN :first AND :last")
                // No key is empty, and none begins with a space.
                .expression_attribute_values(":first", string(if first.is_empty() { " " } else { &first }))
                .expression_attribute_values(":last", string(format!("{prefix}{LAST}")));
            let named = reasons.iter().map(|reason| (format!(":{}", reason.name()), *reason));
            let query = named
                .clone()
                .fold(query, |query, (name, reason)| query.expression_attribute_values(name, string(reason.name())));
            let names = named.map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            let query = match &names[..] {
                "" => query,
                names => query.filter_expression(format!("{NOT_EXPIRED} AND reason IN ({names})")),
            };
            read_part(query, limit + 1, !reasons.is_empty())
        });
        let (mut deliveries, mut read_to) = (Vec::new(), None::<String>);
        for part in parts.await.doing(READ)? {
            deliveries.extend(part.deliveries);
            read_to = read_to.into_iter().chain(part.read_to).min();
        }
        deliveries.sort_by(|one: &Summary, other| one.listed.cmp(&other.listed));
        // Beyond what every partition was read to, something may be missing.
        if let Some(read_to) = &read_to {
            deliveries.retain(|one| one.listed <= *read_to);
        }
        let more = deliveries.len() > limit;
        deliveries.truncate(limit);
        let last = deliveries.last().map(|last| last.listed.clone());
        let next = if more { last } else { read_to };
        Ok(DeliveryPage { deliveries, next: next.map(|listed| Position { listed }) })
    }
}

async fn count_shard(table: Table, shard: String) -> Result<DayCount, Cause> {
    let query = of_shard(&table, &shard)
        .projection_expression("order_id, #state, reason, attempt_count")
        // A word of DynamoDB's.
        .expression_attribute_names("#state", "state");
    let mut items = query.into_paginator().items().send();
    let mut count = DayCount::default();
    while let Some(item) = items.next().await {
        count.add(serde_dynamo::from_item(item?)?);
    }
    Ok(count)
}

/// At least `wanted` deliveries of a partition, if it has so many. `is_filtered`: much may be read for little.
pub(super) async fn read_part(query: QueryFluentBuilder, wanted: usize, is_filtered: bool) -> Result<Part, Cause> {
    let (mut deliveries, mut start) = (Vec::<Summary>::new(), None::<Item>);
    for _ in 0..MAX_QUERIES {
        let mut query = query.clone().set_exclusive_start_key(start.take());
        if !is_filtered {
            query = query.limit(i32::try_from(wanted - deliveries.len()).unwrap_or(i32::MAX));
        }
        let answer = query.send().await?;
        let read: Vec<Summary> = serde_dynamo::from_items(answer.items.unwrap_or_default())?;
        deliveries.extend(read);
        start = answer.last_evaluated_key;
        if start.is_none() || deliveries.len() >= wanted {
            break;
        }
    }
    let read_to = start.as_ref().and_then(|key| string_of(key, "listed")).map(str::to_owned);
    Ok(Part { deliveries, read_to })
}

pub(super) fn of_shard(table: &Table, shard: &str) -> QueryFluentBuilder {
    table
        .query()
        .index_name("by_day")
        .key_condition_expression("day_shard = :shard")
        .expression_attribute_values(":shard", string(shard))
        .filter_expression(NOT_EXPIRED)
        .expression_attribute_values(":time", now())
}

fn totals_key(day: Date) -> Item {
    // An order's id has no #.
    key([("order_id", &format!("day#{day}")), ("status", "totals")])
}

fn was_marked_after(item: &Item, time: OffsetDateTime) -> bool {
    number_of(item, "marked_at").is_some_and(|at| at > time.unix_timestamp())
}

/// The totals, if no record of the day was changed since they were counted.
fn still_true(item: &Item) -> Option<DayCount> {
    let counted_at = string_of(item, "counted_at_mark")?;
    let mark = string_of(item, "mark").unwrap_or_default();
    if counted_at == mark { serde_json::from_str(string_of(item, "totals")?).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_counted_once_and_long_lists_of_ids_are_cut() {
        let mut count = DayCount::default();
        let mut add = |state, reason, attempt_count| {
            count.add(Counted { order_id: "R".to_owned(), state, reason, attempt_count });
        };
        add(State::Sent, None, 1);
        add(State::Sent, None, 2);
        add(State::Pending, None, 0);
        add(State::Retrying, Some(Reason::RetriesExhausted), 4);
        add(State::Suppressed, Some(Reason::SwitchedOff), 0);
        add(State::Expired, Some(Reason::RetryKeyExpired), 1);
        (0..25).for_each(|_| add(State::Failed, Some(Reason::RefusedByLine), 1));
        assert_eq!((count.sent, count.retried, count.open), (2, 2, 2));
        assert_eq!((count.exhausted.count, count.exhausted.order_ids.len()), (1, 1), "it is open as well");
        assert_eq!(count.suppressed["switched_off"], 1);
        assert_eq!(count.failed["retry_key_expired"].count, 1);
        assert_eq!((count.failed["refused_by_line"].count, count.failed["refused_by_line"].order_ids.len()), (25, 20));
    }
}
