//! The switch per order status, and the master switch `all`: off means that no push is made, retries included.
//!
//! One item per switch in the switches' table, no item means on. Operators turn it, with a reason; the delivery reads
//! it before every attempt, through a memory of [`MAX_AGE`].

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Put, TransactWriteItem},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::{
    audit::{Audit, Entry},
    aws::error::told,
    clock::Clock,
    notification::NotificationKind,
};

/// A change takes effect everywhere within this time.
pub const MAX_AGE: Duration = Duration::from_secs(30);
/// The master switch.
pub const ALL: &str = "all";
/// The switches that there are.
pub const SWITCHES: [&str; 2] = [ALL, NotificationKind::OrderFinished.status()];

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
    table: Client,
    table_name: String,
    max_age: Duration,
    clock: Clock,
    memory: Mutex<HashMap<String, (bool, OffsetDateTime)>>,
}

impl Switches {
    /// Reads from this table, and again after `max_age`.
    pub fn new(table: Client, table_name: String, max_age: Duration, clock: Clock) -> Self {
        Self { table, table_name, max_age, clock, memory: Mutex::new(HashMap::new()) }
    }

    /// Whether customers are told about this status now. An error means that nobody knows: push later.
    pub async fn enabled(&self, status: &str) -> Result<bool, String> {
        let mut memory = self.memory.lock().await;
        if let Some((enabled, read_at)) = memory.get(status)
            && self.clock.is_within(*read_at, self.max_age)
        {
            return Ok(*enabled);
        }
        let (all, own) = tokio::try_join!(self.get(ALL), self.get(status))?;
        let enabled = all.enabled && own.enabled;
        memory.insert(status.to_owned(), (enabled, self.clock.now()));
        Ok(enabled)
    }

    /// A switch as it stands, past the memory.
    pub async fn get(&self, status: &str) -> Result<Switch, String> {
        let answer = self
            .table
            .get_item()
            .table_name(&self.table_name)
            .key("status", AttributeValue::S(status.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| format!("the switch could not be read: {}", told(&error)))?;
        match answer.item {
            None => Ok(Switch::untouched(status)),
            Some(item) => serde_dynamo::from_item(item)
                .map_err(|error| format!("the switch of {status} could not be understood: {error}")),
        }
    }

    /// Turns a switch, and notes it, both or neither.
    pub async fn turn(&self, enabled: bool, entry: &Entry, audit: &Audit) -> Result<Switch, String> {
        let switch = Switch {
            status: entry.subject.clone(),
            enabled,
            changed_at: Some(entry.at),
            changed_by: Some(entry.by.clone()),
            reason: Some(entry.reason.clone()),
        };
        let item = serde_dynamo::to_item(&switch).map_err(|error| error.to_string())?;
        let put = Put::builder().table_name(&self.table_name).set_item(Some(item)).build();
        let put = put.map_err(|error| error.to_string())?;
        self.table
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(audit.step(entry)?)
            .send()
            .await
            .map_err(|error| format!("the switch could not be turned: {}", told(&error)))?;
        Ok(switch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_was_set_by_hand_is_understood() {
        let item = HashMap::from([
            ("status".to_owned(), AttributeValue::S("finish".to_owned())),
            ("enabled".to_owned(), AttributeValue::Bool(false)),
        ]);
        let switch: Switch = serde_dynamo::from_item(item).unwrap();
        assert_eq!(switch, Switch { enabled: false, ..Switch::untouched("finish") });
    }
}
