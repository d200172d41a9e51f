//! A user is forgotten: what the user wrote and did is taken away, and with it whatever the messages' pointers say of
//! the user.
//!
//! A pointer may say more: that the message is unsent, which holds for a copy that comes later, and which events of
//! others hold it, because an event that nobody signed can carry anybody's message. That stays, or the unsend of the
//! message would not find them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::TransactWriteItem;

use tokio::time::Instant;

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Item, string, string_of},
    },
    inbox::messages::{Messages, Pointer, READ_POINTER, event_key_of, pointer_key},
};

/// How many events go at once; with their pointers they are fewer than a transaction takes.
const AT_ONCE: i32 = 40;
const ERASE: &str = "erase the events";
/// How often other writers of the same pointers may come first.
const MAX_TRIES: usize = 5;

impl Messages {
    /// Deletes what is kept of a user, until this time; how many events, and whether there are more.
    pub async fn erase(&self, user: &str, until: Instant) -> Result<(u64, bool), AwsError> {
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
            self.erase_events(user, &events).await?;
            count += events.len() as u64;
        }
    }

    async fn erase_events(&self, user: &str, events: &[Item]) -> Result<(), AwsError> {
        let pointer = |event| Some((string_of(event, "message_id")?, string_of(event, "another_account")));
        let pointers: BTreeSet<_> = events.iter().filter_map(pointer).collect();
        for _ in 0..MAX_TRIES {
            let keys = events.iter().filter_map(|event| string_of(event, "event_key"));
            let mut steps: Vec<_> = keys.map(|key| self.table.delete(event_key_of(user, key)).step()).collect();
            for (message_id, account) in &pointers {
                steps.extend(self.without_holder(user, pointer_key(message_id, *account)).await?);
            }
            if self.table.transact(steps).await.doing(ERASE)?.is_written() {
                return Ok(());
            }
        }
        Err(Cause::Overtaken).doing(ERASE)
    }

    /// The step that takes a user out of a pointer, unless it has changed meanwhile; none where the user is not in it.
    async fn without_holder(&self, user: &str, key: Item) -> Result<Option<TransactWriteItem>, AwsError> {
        let Some(item) = self.table.get(key.clone()).await.doing(READ_POINTER)? else { return Ok(None) };
        let pointer: Pointer = serde_dynamo::from_item(item.clone()).doing(READ_POINTER)?;
        let left = pointer.without(user);
        if left == pointer {
            return Ok(None);
        }
        // As it was read, or it is looked at again.
        let names = ["held_by", "also_held_by", "unsent_at"];
        let condition = names.map(|name| match item.get(name) {
            Some(_) => format!("{name} = :read_{name}"),
            None => format!("attribute_not_exists({name})"),
        });
        let condition = condition.join(" AND ");
        let read = names.iter().filter_map(|name| Some((format!(":read_{name}"), item.get(*name)?.clone())));
        if left == Pointer::default() {
            let delete = self.table.delete(key).when(condition);
            return Ok(Some(read.fold(delete, |write, (name, value)| write.value(&name, value)).step()));
        }
        let mut update = self.table.update(key).when(condition);
        if left.held_by.is_none() {
            update = update.remove(&["held_by"]);
        }
        update = match left.also_held_by.is_empty() {
            true => update.remove(&["also_held_by"]),
            false => update.set("also_held_by", serde_dynamo::to_attribute_value(&left.also_held_by).doing(ERASE)?),
        };
        Ok(Some(read.fold(update, |write, (name, value)| write.value(&name, value)).step()))
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn a_pointer_loses_the_one_who_is_forgotten_and_nobody_else() {
        let held = |user: &str| (user.to_owned(), format!("1#{user}"));
        let pointer = |held_by, also: &[&str], unsent_at| Pointer {
            held_by,
            also_held_by: also.iter().map(|user| held(user)).collect(),
            unsent_at,
        };
        let now = Some(OffsetDateTime::UNIX_EPOCH);
        for (before, after) in [
            (pointer(Some(held("U1")), &[], None), Pointer::default()),
            (pointer(Some(held("U1")), &["U2", "U1"], None), pointer(None, &["U2"], None)),
            (pointer(Some(held("U2")), &["U1"], None), pointer(Some(held("U2")), &[], None)),
            (pointer(Some(held("U1")), &[], now), pointer(None, &[], now)),
            (pointer(None, &[], now), pointer(None, &[], now)),
        ] {
            assert_eq!(before.without("U1"), after);
        }
    }
}
