//! A day's orders, counted and listed, from the index `by_day` of the deliveries' table.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use crate::{
    aws::{
        error::{AwsError, Doing as _},
        table::{Item, key, string},
    },
    delivery::record::{Deliveries, Reason, State},
};

/// The most order ids that a reason lists.
pub const MAX_IDS_LISTED: usize = 20;
const READ: &str = "read the day's deliveries";
/// The most queries for one page: a rare reason may be on none of them, and then the page is short.
const MAX_QUERIES: usize = 10;

/// What became of the orders that arrived on one of LINE's days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayCount {
    /// Accepted by LINE.
    pub sent: u64,
    /// Those among all that took more than one request.
    pub retried: u64,
    /// Not settled yet.
    pub open: u64,
    /// Not pushed on purpose, by reason.
    pub suppressed: BTreeMap<String, u64>,
    /// Refused for good or given up, by reason.
    pub failed: BTreeMap<String, Failed>,
}

/// Failed orders of one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// How many.
    pub count: u64,
    /// The first [`MAX_IDS_LISTED`] of them.
    pub order_ids: Vec<String>,
}

/// A delivery as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Summary {
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

/// Where a list goes on: after this delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    order_id: String,
    status: String,
    state: State,
}

/// A page of a day's deliveries.
#[derive(Clone, Debug)]
pub struct Page {
    /// Sorted by state.
    pub deliveries: Vec<Summary>,
    /// Where the next page begins; none after the last one.
    pub next: Option<Position>,
}

impl DayCount {
    fn add(&mut self, entry: Summary) {
        let reason = entry.reason.map_or("unknown", Reason::name).to_owned();
        self.retried += u64::from(entry.attempt_count > 1);
        match entry.state {
            State::Sent => self.sent += 1,
            State::Pending | State::Retrying => self.open += 1,
            State::Suppressed => *self.suppressed.entry(reason).or_default() += 1,
            State::Failed | State::Expired => {
                let failed = self.failed.entry(reason).or_default();
                failed.count += 1;
                if failed.order_ids.len() < MAX_IDS_LISTED {
                    failed.order_ids.push(entry.order_id);
                }
            }
        }
    }
}

impl Deliveries {
    /// Counts a day, all pages of it.
    pub async fn count_day(&self, day: Date) -> Result<DayCount, AwsError> {
        let mut pages = self.of_day(day).into_paginator().items().send();
        let mut count = DayCount::default();
        while let Some(item) = pages.next().await {
            count.add(serde_dynamo::from_item(item.doing(READ)?).doing(READ)?);
        }
        Ok(count)
    }

    /// The deliveries of the orders that arrived on a day, those in this state and for this reason, from after `after` on.
    pub async fn page(
        &self,
        day: Date,
        state: Option<State>,
        reason: Option<Reason>,
        limit: usize,
        after: Option<&Position>,
    ) -> Result<Page, AwsError> {
        let mut start = after.map(|position| index_key(day, position));
        let mut deliveries = Vec::new();
        for _ in 0..MAX_QUERIES {
            let mut query = self.of_day(day).set_exclusive_start_key(start);
            if let Some(state) = state {
                query = query
                    .key_condition_expression("#day = :day AND #state = :state")
                    .expression_attribute_names("#state", "state")
                    .expression_attribute_values(":state", string(state.name()));
            }
            if let Some(reason) = reason {
                query = query
                    .filter_expression("reason = :reason")
                    .expression_attribute_values(":reason", string(reason.name()));
            } else {
                // One more than is asked for: whether there is a next page is known without a look at it.
                query = query.limit(i32::try_from(limit + 1 - deliveries.len()).unwrap_or(i32::MAX));
            }
            let answer = query.send().await.doing(READ)?;
            let read: Vec<Summary> = serde_dynamo::from_items(answer.items.unwrap_or_default()).doing(READ)?;
            deliveries.extend(read);
            start = answer.last_evaluated_key;
            if deliveries.len() > limit {
                deliveries.truncate(limit);
                let next = deliveries.last().map(Position::of);
                return Ok(Page { deliveries, next });
            }
            if start.is_none() {
                break;
            }
        }
        let next = start.map(serde_dynamo::from_item).transpose().doing(READ)?;
        Ok(Page { deliveries, next })
    }

    fn of_day(&self, day: Date) -> QueryFluentBuilder {
        self.table
            .query()
            .index_name("by_day")
            .key_condition_expression("#day = :day")
            .expression_attribute_names("#day", "day")
            .expression_attribute_values(":day", string(day.to_string()))
    }
}

impl Position {
    fn of(delivery: &Summary) -> Self {
        let Summary { order_id, status, state, .. } = delivery;
        Self { order_id: order_id.clone(), status: status.clone(), state: *state }
    }
}

fn index_key(day: Date, Position { order_id, status, state }: &Position) -> Item {
    key([("day", &day.to_string()), ("state", state.name()), ("order_id", order_id), ("status", status)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_counted_once_and_long_lists_of_ids_are_cut() {
        let mut count = DayCount::default();
        let mut add = |state, reason, attempt_count| {
            let at = OffsetDateTime::UNIX_EPOCH;
            let (order_id, status) = ("R".to_owned(), "finish".to_owned());
            let last_error = None;
            count.add(Summary {
                order_id,
                status,
                state,
                reason,
                attempt_count,
                created_at: at,
                updated_at: at,
                last_error,
            });
        };
        add(State::Sent, None, 1);
        add(State::Sent, None, 2);
        add(State::Pending, None, 0);
        add(State::Retrying, Some(Reason::RetriesExhausted), 4);
        add(State::Suppressed, Some(Reason::SwitchedOff), 0);
        add(State::Expired, Some(Reason::RetryKeyExpired), 1);
        (0..25).for_each(|_| add(State::Failed, Some(Reason::RefusedByLine), 1));
        assert_eq!((count.sent, count.retried, count.open), (2, 2, 2));
        assert_eq!(count.suppressed["switched_off"], 1);
        assert_eq!(count.failed["retry_key_expired"].count, 1);
        assert_eq!((count.failed["refused_by_line"].count, count.failed["refused_by_line"].order_ids.len()), (25, 20));
    }
}
