//! The switch per order status, and the master switch `all`: off means that no push is made, retries included.
//!
//! One item per switch in the switches' table, no item means on. Operators turn it, with a reason; the delivery reads
//! it before every attempt, through a memory of [`MAX_AGE`].

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::Client;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    audit::{Audit, Entry},
    aws::{
        error::{AwsError, Doing as _},
        table::{Table, key},
    },
    clock::Clock,
    notification::NotificationKind,
    single_flight::SingleFlight,
};

/// A change takes effect everywhere within this time.
pub const MAX_AGE: Duration = Duration::from_secs(30);
const READ: &str = "read the switches";
const TURN: &str = "turn the switch";
/// The master switch.
pub const ALL: &str = "all";
/// The switches that there are.
pub const SWITCHES: [&str; 1 + NotificationKind::ALL.len()] = {
    let mut switches = [ALL; 1 + NotificationKind::ALL.len()];
    let mut kind = 0;
    while kind < NotificationKind::ALL.len() {
        switches[kind + 1] = NotificationKind::ALL[kind].status();
        kind += 1;
    }
    switches
};

/// A switch as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Partition key: the order status, or [`ALL`].
    pub status: String,
    /// Whether customers are told.
    pub enabled: bool,
    /// When it was turned last.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<OffsetDateTime>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Switch {
    fn untouched(status: &str) -> Self {
        Self { status: status.to_owned(), enabled: true, changed_at: None, changed_by: None, reason: None }
    }
}

/// The switches, remembered for [`MAX_AGE`].
#[derive(Debug)]
pub struct Switches {
    table: Table,
    max_age: Duration,
    clock: Clock,
    memory: SingleFlight<HashMap<String, (bool, OffsetDateTime)>, AwsError>,
}

impl Switches {
    /// Reads from this table, and again after `max_age`.
    pub fn new(client: Client, name: String, max_age: Duration, clock: Clock) -> Self {
        Self { table: Table::new(client, name), max_age, clock, memory: SingleFlight::new(HashMap::new()) }
    }

    /// Whether customers are told about this status now. An error means that nobody knows: push later.
    pub async fn enabled(&self, status: &str) -> Result<bool, AwsError> {
        let mut memory = self.memory.turn().await;
        if let Some((enabled, read_at)) = memory.get(status)
            && self.clock.is_within(*read_at, self.max_age)
        {
            return Ok(*enabled);
        }
        memory.may_read()?;
        let switches = self.get([ALL, status]).await.map_err(|error| memory.fail(error))?;
        let enabled = switches.iter().all(|switch| switch.enabled);
        memory.insert(status.to_owned(), (enabled, self.clock.now()));
        Ok(enabled)
    }

    /// Switches as they stand, in this order, past the memory.
    pub async fn get<const N: usize>(&self, statuses: [&str; N]) -> Result<[Switch; N], AwsError> {
        let keys = statuses.map(|status| key([("status", status)])).to_vec();
        let items = self.table.get_several(keys).await.doing(READ)?;
        let set: Vec<Switch> = items.into_iter().map(serde_dynamo::from_item).collect::<Result<_, _>>().doing(READ)?;
        Ok(statuses.map(|status| {
            set.iter().find(|switch| switch.status == status).cloned().unwrap_or_else(|| Switch::untouched(status))
        }))
    }

    /// Turns a switch, and notes it, both or neither.
    pub async fn turn(&self, enabled: bool, entry: &Entry, audit: &Audit) -> Result<Switch, AwsError> {
        let switch = Switch {
            status: entry.subject.clone(),
            enabled,
            changed_at: Some(entry.at),
            changed_by: Some(entry.by.clone()),
            reason: Some(entry.reason.clone()),
        };
        let put = self.table.put(serde_dynamo::to_item(&switch).doing(TURN)?);
        self.table.transact(vec![put.step(), audit.step(entry)?]).await.doing(TURN)?;
        Ok(switch)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::aws::table::{item, string};

    #[test]
    fn a_switch_that_was_set_by_hand_is_understood() {
        let item = item([("status", string("finish")), ("enabled", AttributeValue::Bool(false))]);
        let switch: Switch = serde_dynamo::from_item(item).unwrap();
        assert_eq!(switch, Switch { enabled: false, ..Switch::untouched("finish") });
    }
}
