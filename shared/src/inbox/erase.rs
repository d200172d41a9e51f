//! A user is forgotten: what the user wrote and did is taken away, and the messages' pointers with it.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::{
    aws::{
        error::{AwsError, Doing as _},
        table::{string, string_of},
    },
    inbox::messages::{Messages, event_key_of, pointer_key},
};

/// How many events go at once; with their pointers they are fewer than a transaction takes.
const AT_ONCE: i32 = 40;

impl Messages {
    /// Deletes what is kept of a user, until this time; how many events, and whether there are more.
    pub async fn erase(&self, user: &str, until: Instant) -> Result<(u64, bool), AwsError> {
        const ERASE: &str = "erase the events";
        let query = self
            .table
            .query()
            .key_condition_expression("chat_id = :user")
            .expression_attribute_values(":user", string(user))
            .consistent_read(true)
            .limit(AT_ONCE);
        let mut count = 0;
        loop {
            let events = query.clone().send().await.doing(ERASE)?.items.unwrap_or_default();
            if events.is_empty() {
                return Ok((count, false));
            }
            if Instant::now() >= until {
                return Ok((count, true));
            }
            let pointer = |event| Some((string_of(event, "message_id")?, string_of(event, "another_account")));
            let pointers: BTreeSet<_> = events.iter().filter_map(pointer).collect();
            let keys =
                events.iter().filter_map(|event| string_of(event, "event_key")).map(|key| event_key_of(user, key));
            let keys = keys.chain(pointers.into_iter().map(|(id, account)| pointer_key(id, account)));
            let steps = keys.map(|key| self.table.delete(key).step()).collect();
            self.table.transact(steps).await.doing(ERASE)?;
            count += events.len() as u64;
        }
    }
}
