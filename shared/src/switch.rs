//! The switch per order status: off means that no push is made for it, retries included.
//!
//! One item per status in the switches' table, `{"status": "finish", "enabled": false}`; no item means on. Operators
//! write it; the delivery reads it before every attempt, through a memory of [`MAX_AGE`].

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::{aws_error::told, clock::Clock};

/// A change takes effect everywhere within this time.
pub const MAX_AGE: Duration = Duration::from_secs(30);

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

    /// Whether customers are told about this status. An error means that nobody knows: push later.
    pub async fn enabled(&self, status: &str) -> Result<bool, String> {
        let mut memory = self.memory.lock().await;
        if let Some((enabled, read_at)) = memory.get(status)
            && self.clock.is_within(*read_at, self.max_age)
        {
            return Ok(*enabled);
        }
        let answer = self
            .table
            .get_item()
            .table_name(&self.table_name)
            .key("status", AttributeValue::S(status.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| format!("the switch could not be read: {}", told(&error)))?;
        let enabled = match answer.item.as_ref().and_then(|item| item.get("enabled")) {
            None => true,
            Some(AttributeValue::Bool(enabled)) => *enabled,
            Some(_) => return Err(format!("the switch of {status}: enabled must be true or false (BOOL)")),
        };
        memory.insert(status.to_owned(), (enabled, self.clock.now()));
        Ok(enabled)
    }
}
