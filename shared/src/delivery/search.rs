//! The deliveries of a span of time, the newest first, whatever days it touches.
//!
//! The index `by_day` has them by day, partition, state and time. From the latest day back each partition is asked for
//! the wanted states, and what it answers is merged: for all at once that follow one another there, because most days
//! have few of what an operator looks for, and for each alone where they are more than a page.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use crate::{
    aws::{
        error::{AwsError, Doing as _},
        table::{NOT_EXPIRED, number, string},
    },
    delivery::{
        day::{Summary, of_shard, read_part},
        state::{Reason, State},
        table::{Deliveries, from_every_shard},
    },
    line::day::{day_start, line_day},
};

/// The most days that a page is looked for on: where less is found, it is short.
const MAX_DAYS: usize = 31;
/// After so long no further day is begun, for a function of half a minute.
const MAX_TIME: Duration = Duration::from_secs(10);

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// Orders that arrived then or later, to the second.
    pub from: OffsetDateTime,
    /// And before this.
    pub to: OffsetDateTime,
    /// Whose delivery is in one of these states.
    pub states: &'a [State],
    /// For this reason.
    pub reason: Option<Reason>,
    /// Only those that took more than one request.
    pub retried: bool,
}

impl Search<'_> {
    /// What the sort key does not tell.
    fn narrow(&self, query: QueryFluentBuilder) -> QueryFluentBuilder {
        let (mut query, mut condition) = (query, NOT_EXPIRED.to_owned());
        if let Some(reason) = self.reason {
            condition += " AND reason = :reason";
            query = query.expression_attribute_values(":reason", string(reason.name()));
        }
        if self.retried {
            condition += " AND attempt_count > :once";
            query = query.expression_attribute_values(":once", number(1));
        }
        query.filter_expression(condition)
    }

    /// Whether much may be read for little.
    fn is_rare(&self) -> bool {
        self.reason.is_some() || self.retried
    }

    /// The wanted states as the index has them, those together whose sort keys follow one another. Alone stands what
    /// most orders are, and each where a part may be read without being answered.
    fn runs(&self) -> Vec<Vec<State>> {
        let mut known = State::ALL;
        known.sort_unstable_by_key(|state| state.name());
        let is_wanted = |state: &State| self.states.contains(state);
        let joins = |state: &State| is_wanted(state) && *state != State::Sent && !self.is_rare();
        let runs = known.chunk_by(|one, next| joins(one) && joins(next));
        runs.filter(|run| is_wanted(&run[0])).map(<[State]>::to_vec).collect()
    }
}

/// Where a search goes on: with what arrived before this second, or in it and has a lesser order id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    second: i64,
    order_id: String,
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The newest first.
    pub deliveries: Vec<Summary>,
    /// Where the next page begins; none after the last one.
    pub next: Option<Before>,
}

impl Before {
    fn time(time: OffsetDateTime) -> Self {
        Self { second: time.unix_timestamp(), order_id: String::new() }
    }

    /// Of the index's sort key, which goes on with second and order after the state.
    fn listed(listed: &str) -> Option<Self> {
        let (second, order_id) = listed.split_once('#')?.1.split_once('#')?;
        Some(Self { second: second.parse().ok()?, order_id: order_id.to_owned() })
    }

    /// What follows the state in a sort key.
    fn key(&self) -> String {
        format!("{:010}#{}", self.second, self.order_id)
    }

    /// The day that has the latest of what is before it.
    fn day(&self) -> Date {
        let second = if self.order_id.is_empty() { self.second - 1 } else { self.second };
        OffsetDateTime::from_unix_timestamp(second).map_or(Date::MIN, line_day)
    }
}

/// What a delivery is sorted by: the later one is the greater one.
fn place(delivery: &Summary) -> &str {
    delivery.listed.split_once('#').map_or("", |(_, place)| place)
}

impl Deliveries {
    /// Looks for deliveries, the newest first, from before `before` on.
    pub async fn search(&self, search: Search<'_>, limit: usize, before: Option<&Before>) -> Result<Found, AwsError> {
        let mut before = before.cloned().unwrap_or_else(|| Before::time(search.to));
        let (mut found, first_day, began) = (Vec::new(), line_day(search.from), Instant::now());
        for _ in 0..MAX_DAYS {
            let day = before.day();
            if day < first_day {
                return Ok(Found { deliveries: found, next: None });
            }
            let wanted = limit + 1 - found.len();
            let (of_day, read_to) = self.search_day(day, search, &before, wanted).await?;
            found.extend(of_day);
            if found.len() > limit {
                found.truncate(limit);
                let next = found.last().and_then(|last| Before::listed(&last.listed));
                return Ok(Found { deliveries: found, next });
            }
            if read_to.is_some() {
                return Ok(Found { deliveries: found, next: read_to });
            }
            before = Before::time(day_start(day));
            if began.elapsed() > MAX_TIME {
                break;
            }
        }
        Ok(Found { deliveries: found, next: Some(before) })
    }

    /// What a day has of it, the newest first; and how far back that is all there is, if not to the day's beginning.
    async fn search_day(
        &self,
        day: Date,
        search: Search<'_>,
        before: &Before,
        wanted: usize,
    ) -> Result<(Vec<Summary>, Option<Before>), AwsError> {
        let (from, to, is_rare) = (Before::time(search.from).key(), before.key(), search.is_rare());
        let runs = search.runs();
        let parts = from_every_shard(|shard| {
            let (query, runs) = (search.narrow(self.newest_first(day, shard)), runs.clone());
            let (from, to) = (from.clone(), to.clone());
            let between = move |first: String, last: String| {
                let query = query.clone().expression_attribute_values(":first", string(first));
                query.expression_attribute_values(":last", string(last))
            };
            async move {
                let mut parts = Vec::new();
                for run in runs {
                    if let [first, .., last] = &run[..] {
                        let query = between(format!("{}#", first.name()), format!("{}#~", last.name()));
                        let part = read_part(query, wanted, is_rare).await?;
                        if part.read_to.is_none() {
                            parts.push(part);
                            continue;
                        }
                        // The newest of all of them are the newest of each.
                    }
                    for state in run.iter().map(|state| state.name()) {
                        let query = between(format!("{state}#{from}"), format!("{state}#{to}"));
                        parts.push(read_part(query, wanted, is_rare).await?);
                    }
                }
                Ok(parts)
            }
        });
        let (mut found, mut read_to) = (Vec::new(), None::<Before>);
        for part in parts.await.doing("search the deliveries")?.into_iter().flatten() {
            // DynamoDB's BETWEEN has both its ends, and several states together have no times.
            let is_within = |one: &Summary| (from.as_str()..to.as_str()).contains(&place(one));
            found.extend(part.deliveries.into_iter().filter(is_within));
            let part_read_to = part.read_to.as_deref().and_then(Before::listed);
            read_to = read_to.into_iter().chain(part_read_to).max_by_key(Before::key);
        }
        found.sort_unstable_by(|one: &Summary, other| place(other).cmp(place(one)));
        // Further back than every part was read, something may be missing.
        if let Some(read_to) = &read_to {
            let key = read_to.key();
            found.retain(|one| place(one) >= key.as_str());
        }
        Ok((found, read_to))
    }

    /// A query of a partition, the newest first, between the sort keys `:first` and `:last`.
    fn newest_first(&self, day: Date, shard: u8) -> QueryFluentBuilder {
        of_shard(&self.table, &format!("{day}#{shard:02}"))
            .key_condition_expression("day_shard = :shard AND listed BETWEEN :first AND :last")
            .scan_index_forward(false)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn states_are_read_together_that_follow_one_another_and_are_few() {
        let runs = |states: &[State], retried| {
            let search = Search {
                from: OffsetDateTime::UNIX_EPOCH,
                to: OffsetDateTime::UNIX_EPOCH,
                states,
                reason: None,
                retried,
            };
            let named = |run: Vec<State>| run.iter().map(|state| state.name()).collect::<Vec<_>>().join(" ");
            search.runs().into_iter().map(named).collect::<Vec<_>>()
        };
        use State::{Expired, Failed, Pending, Retrying, Sent, Suppressed};
        assert_eq!(runs(&State::ALL, false), ["expired failed pending retrying", "sent", "suppressed"]);
        assert_eq!(runs(&[Suppressed, Retrying, Pending, Failed], false), ["failed pending retrying", "suppressed"]);
        assert_eq!(runs(&[Sent, Expired, Pending], false), ["expired", "pending", "sent"]);
        assert_eq!(runs(&[Failed, Pending], true), ["failed", "pending"], "each may be a long way to read");
    }

    #[test]
    fn a_search_goes_on_where_it_ended_within_the_same_second_too() {
        let midnight = datetime!(2026-09-01 15:00 UTC);
        let before = Before::time(midnight);
        assert_eq!((before.day(), before.key().as_str()), (date!(2026 - 09 - 01), "1788274800#"));
        let listed = Before::listed("retrying#1788274800#R:1").expect("a sort key");
        assert_eq!((listed.day(), listed.key().as_str()), (date!(2026 - 09 - 02), "1788274800#R:1"));
        assert!(before.key() < listed.key(), "an order of that second is not before it");
        assert_eq!(Before::listed("sent"), None);
    }
}
