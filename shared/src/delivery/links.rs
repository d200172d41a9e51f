//! Whether there was anything to tap in a day's messages. LINE has one null for clicks of fewer than 20 people, for
//! those that it has not counted yet, and for messages without a link: the last is known from our own records.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use time::Date;

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{NOT_EXPIRED, Table, key, now, string, string_of},
    },
    delivery::{
        record::DeliveryRecord,
        state::State,
        table::{Deliveries, from_every_shard, from_item},
    },
};

impl Deliveries {
    /// Whether a message of the orders that arrived on a day, and that LINE accepted, has a link. Reads record after
    /// record until one has; of a forgotten person's nobody knows, and it counts as one that has.
    pub async fn any_has_a_link(&self, day: Date) -> Result<bool, AwsError> {
        let found = Arc::new(AtomicBool::new(false));
        let parts =
            from_every_shard(|shard| look_through(self.table.clone(), format!("{day}#{shard:02}"), Arc::clone(&found)));
        parts.await.doing("look for links in the day's messages")?;
        Ok(found.load(Ordering::Relaxed))
    }
}

async fn look_through(table: Table, shard: String, found: Arc<AtomicBool>) -> Result<(), Cause> {
    let sent = State::Sent.name();
    let query = table
        .query()
        .index_name("by_day")
        .key_condition_expression("day_shard = :shard AND begins_with(listed, :sent)")
        .expression_attribute_values(":shard", string(&shard))
        .expression_attribute_values(":sent", string(format!("{sent}#")))
        .filter_expression(NOT_EXPIRED)
        .expression_attribute_values(":time", now());
    let mut items = query.into_paginator().items().send();
    while let Some(item) = items.next().await {
        let item = item?;
        let [order_id, status] = ["order_id", "status"].map(|name| string_of(&item, name).unwrap_or_default());
        if found.load(Ordering::Relaxed) {
            break;
        }
        let record = table.get(key([("order_id", order_id), ("status", status)])).await?;
        let record = record.map(from_item).transpose().map_err(|error| error.cause)?;
        if record.is_some_and(|record| may_have_a_link(&record)) {
            found.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn may_have_a_link(record: &DeliveryRecord) -> bool {
    let has_button = record.notification().is_none_or(|notification| notification.has_button());
    has_button && !record.progress.without_button()
}
