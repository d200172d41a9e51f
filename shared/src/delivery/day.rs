//! Our own count of a day's orders, from the index `by_day` of the deliveries' table.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use time::Date;

use crate::{
    aws_error::told,
    delivery::record::{Deliveries, Reason, State},
};

/// The most order ids that a reason lists.
pub const MAX_IDS_LISTED: usize = 20;

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

/// What the index holds of a record.
#[derive(Debug, Deserialize)]
struct Entry {
    order_id: String,
    state: State,
    reason: Option<Reason>,
    attempt_count: u32,
}

impl DayCount {
    fn add(&mut self, entry: Entry) {
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
    pub async fn count_day(&self, day: Date) -> Result<DayCount, String> {
        let mut pages = self
            .table
            .query()
            .table_name(&self.table_name)
            .index_name("by_day")
            .key_condition_expression("#day = :day")
            .expression_attribute_names("#day", "day")
            .expression_attribute_values(":day", AttributeValue::S(day.to_string()))
            .into_paginator()
            .items()
            .send();
        let mut count = DayCount::default();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| format!("the deliveries could not be counted: {}", told(&error)))?;
            count.add(
                serde_dynamo::from_item(item)
                    .map_err(|error| format!("a delivery could not be understood: {error}"))?,
            );
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_counted_once_and_long_lists_of_ids_are_cut() {
        let mut count = DayCount::default();
        let mut add = |state, reason, attempt_count| {
            count.add(Entry { order_id: "R".to_owned(), state, reason, attempt_count });
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
