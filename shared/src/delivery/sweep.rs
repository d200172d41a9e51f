//! The sweep: who rings for what nobody rang for. It survives the loss of any message - retention run out, a mapping
//! disabled over a weekend, a redrive gone wrong - because it asks the records.

use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Table, string},
    },
    delivery::{
        Delivery, DeliveryError,
        attempt::count,
        bell::Bell,
        pace::Pace,
        queue::RetryQueue,
        state::OnSweep,
        table::{Deliveries, from_every_shard},
    },
};

/// The most records that one run rings for or gives up.
const MAX_CHANGED: usize = 500;
/// The most records that one run looks at in each partition of the index.
const MAX_LOOKED_AT: usize = 20_000;

/// An operator is told so long before a delivery is given up.
const LAST_CALL: Duration = Duration::from_secs(24 * 60 * 60);

/// How many deliveries are not settled, and how long the oldest has waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub count: u64,
    /// Since when the oldest waits.
    pub oldest: Option<OffsetDateTime>,
}

/// What a run found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Those that attempts will follow for.
    pub open: Waiting,
    /// Those that wait for an operator.
    pub exhausted: Waiting,
    /// Rung for.
    pub rung: u64,
    /// Given up.
    pub given_up: u64,
    /// Those that are given up within a day.
    pub ending: u64,
}

/// A record as the index of open ones has it.
#[derive(Clone, Deserialize)]
struct Found {
    order_id: String,
    status: String,
    waits_since: String,
    #[serde(default, with = "time::serde::rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    rung_at: Option<OffsetDateTime>,
}

impl Found {
    /// Since when it waits.
    fn since(&self) -> OffsetDateTime {
        let seconds = self.waits_since.split('#').next().and_then(|seconds| seconds.parse().ok());
        seconds
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Whether its record is worth a look; the index lags behind by less than a second, and the record decides.
    fn may_need_something(&self, now: OffsetDateTime, pace: &Pace) -> bool {
        let overdue = self.due_at.is_some_and(|due| now > due + pace.retry_delay * 2);
        let rung_lately = self.rung_at.is_some_and(|at| now <= at + pace.ring_again);
        overdue && !rung_lately || now >= self.since() + pace.patience
    }
}

impl Waiting {
    fn of(found: &[Found]) -> Self {
        Self { count: found.len() as u64, oldest: found.iter().map(Found::since).min() }
    }
}

impl Deliveries {
    /// The records of a kind that are not settled.
    async fn not_settled(&self, kind: &'static str) -> Result<Vec<Found>, AwsError> {
        let found = from_every_shard(|shard| longest_waiting(self.table.clone(), kind, shard)).await;
        Ok(found.doing("read the open deliveries")?.concat())
    }
}

/// Those of a partition, the longest waiting first.
async fn longest_waiting(table: Table, kind: &'static str, shard: u8) -> Result<Vec<Found>, Cause> {
    let mut items = table
        .query()
        .index_name("by_open")
        .key_condition_expression("open_shard = :shard")
        .expression_attribute_values(":shard", string(format!("{kind}#{shard:02}")))
        .into_paginator()
        .items()
        .send();
    let mut found = Vec::new();
    while let Some(item) = items.next().await {
        found.push(serde_dynamo::from_item(item?)?);
        if found.len() == MAX_LOOKED_AT {
            tracing::warn!(kind, shard, "more are open than one run looks at");
            break;
        }
    }
    Ok(found)
}

impl Delivery {
    /// Looks at every record that is not settled: rings for the overdue ones, the longest waiting first, and gives up
    /// what has come to no end. An error of one record is logged and costs no other.
    pub async fn sweep(&self, queue: &RetryQueue) -> Result<Swept, DeliveryError> {
        let (open, exhausted) =
            (self.deliveries.not_settled("open").await?, self.deliveries.not_settled("exhausted").await?);
        let mut swept = Swept { open: Waiting::of(&open), exhausted: Waiting::of(&exhausted), ..Swept::default() };
        let mut found = [open, exhausted].concat();
        found.sort_by_key(Found::since);
        let (now, pace) = (self.clock.now(), &self.settings.pace);
        let ending = |one: &&Found| now >= one.since() + pace.patience - LAST_CALL;
        swept.ending = found.iter().filter(ending).count() as u64;
        let mut changed = 0;
        for one in found.iter().filter(|one| one.may_need_something(now, pace)) {
            if changed >= MAX_CHANGED {
                tracing::warn!("more are overdue than one run rings for");
                break;
            }
            match self.sweep_one(one, queue).await {
                Ok(OnSweep::Leave) => {}
                Ok(OnSweep::Ring(_)) => {
                    changed += 1;
                    swept.rung += 1;
                }
                Ok(OnSweep::GiveUp(_)) => {
                    changed += 1;
                    swept.given_up += 1;
                }
                Err(error) => {
                    changed += 1;
                    tracing::error!(order.id = one.order_id, %error, "an open delivery could not be swept");
                }
            }
        }
        Ok(swept)
    }

    async fn sweep_one(&self, one: &Found, queue: &RetryQueue) -> Result<OnSweep, DeliveryError> {
        let Some(mut record) = self.deliveries.get(&one.order_id, &one.status).await? else {
            return Ok(OnSweep::Leave);
        };
        let now = self.clock.now();
        let bell = Bell::new(now);
        let on_sweep = record.progress.swept(bell.name, now, &self.settings.pace);
        let (OnSweep::Ring(next) | OnSweep::GiveUp(next)) = on_sweep else { return Ok(on_sweep) };
        // Overtaken: whoever wrote it is at it.
        if !self.deliveries.replace(&mut record, now, |record| record.progress = next).await? {
            return Ok(OnSweep::Leave);
        }
        if let OnSweep::Ring(_) = on_sweep {
            let notification = record.notification().ok_or(DeliveryError::Unreadable)?;
            queue.send(&notification, bell).await?;
            tracing::warn!(order.id = record.order_id, "rung for: its bell did not");
        } else {
            tracing::error!(order.id = record.order_id, delivery.state = ?next.state(), "given up after waiting too long");
            count(&next);
        }
        Ok(on_sweep)
    }
}
