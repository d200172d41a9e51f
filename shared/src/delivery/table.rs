//! The deliveries' table: records, written always as a whole, and only over the revision that was read. Of two
//! writers one loses and looks again.
//!
//! Three indexes are made of attributes that are written with the record and mean nothing else: `by_day` (a day's
//! deliveries by state and time), `by_open` (those that are not settled, by how long they wait) and `by_person` (whose
//! they are: [`erase`](super::erase)). The first two have [`SHARDS`] partitions a value, so that no day and no outage
//! makes one of them hot.
//!
//! # What it takes
//! A write takes a unit for each KB of the item, a partition 1,000 units a second (DynamoDB: "Best practices for
//! designing partition keys"). A record with a buttons template has 1.7 KB, with a Flex Message 2.9 KB; an index has
//! less than one of it, because its projections are short. Where the sort key changes, as that of `by_day` does with
//! the state, an entry is deleted and another put.
//!
//! | units of an order | table | `by_day` | `by_open` |
//! | --- | --- | --- | --- |
//! | created with its claim | 2 or 3 | 1 | 1 |
//! | pushed at once, settled | 2 or 3 | 2 | 1, the deletion |
//! | a retry instead: claimed, not accepted again | 4 or 6 | 2 | 1 |
//!
//! At LINE's own ceiling of 2,000 pushes a second that is 8,000 or 12,000 units a second of the table, whose keys are
//! as many as the orders; 6,000 of `by_day`, 375 a partition; 4,000 of `by_open`, 250 a partition. `by_person` has keys
//! only, as many as the customers: one unit when an order is created, and one when its person is forgotten.
//!
//! On demand DynamoDB begins with 4,000 units a second for the table and for each index, and doubles within half an
//! hour what it has met (DynamoDB: "On-demand capacity mode"). That is 1,000 orders a second at once, 660 in Flex; the
//! API lets 500 in. While LINE is down, 500 a second with three retries each need 8,000 or 12,000; what is throttled
//! then is repeated by the SDK, by the caller or by the bell. `WarmWriteUnits` in the template has it all at once.
//!
//! In SQS 120,000 messages may be in flight: received, and hidden until their record is due. What waits for its first
//! delay is not, nor what was delivered at once and is deleted when it rings. While LINE is down, the bell of an order
//! whose first push failed is in flight for the two delays between its three retries, 360 seconds: that is 333 orders a
//! second. One whose first push was postponed has four attempts to ring for, three delays, 540 seconds: 222 orders a
//! second. Beyond it SQS hands out none until one returns; bells ring late, and the sweep rings for those that it finds
//! overdue. A [`recovery`](super::recovery) has at most 1,000 orders on their way, and takes no more while LINE is
//! down.

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::{Client, types::TransactWriteItem};
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;

use crate::{
    audit::{Audit, Entry},
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Item, Put, Table, Write, WriteOutcome, key, number, string},
    },
    delivery::{erase::PersonKey, record::DeliveryRecord},
};

/// Into how many partitions a value of an index is divided.
pub const SHARDS: u8 = 16;
/// How many of them are asked at a time.
const ASKED_AT_ONCE: usize = 8;

/// A record is kept so long after it was last written, whatever its life: longer than any round, bell or letter.
const KEPT_AFTER_A_WRITE: Duration = Duration::days(30);
const READ: &str = "read the record";
const WRITE: &str = "write the record";

/// The table.
#[derive(Clone, Debug)]
pub struct Deliveries {
    pub(super) table: Table,
    /// How long a record is kept: for so long a repeated order is recognised.
    pub(super) life: Duration,
}

/// What became of a new record.
#[derive(Debug)]
pub enum Created {
    /// It stands.
    New,
    /// There is one already.
    Exists(Box<DeliveryRecord>),
}

impl Deliveries {
    /// The table of this name.
    pub fn new(client: Client, name: String, life: Duration) -> Self {
        Self { table: Table::new(client, name), life }
    }

    /// When a record is to be deleted.
    pub fn expires_at(&self, record: &DeliveryRecord) -> OffsetDateTime {
        (record.progress.created_at() + self.life).max(record.updated_at + KEPT_AFTER_A_WRITE)
    }

    /// Writes a record unless there is one for the same order and status; a second call is not needed to read that one.
    pub async fn create(&self, record: &DeliveryRecord) -> Result<Created, AwsError> {
        let put = self
            .table
            .put(to_item(record, self.expires_at(record))?)
            .when("attribute_not_exists(order_id) OR expire_at <= :now")
            .value(":now", number(record.updated_at.unix_timestamp()));
        match put.send().await.doing(WRITE)? {
            WriteOutcome::Written(()) => Ok(Created::New),
            WriteOutcome::Lost(old) => Ok(Created::Exists(Box::new(from_item(old)?))),
        }
    }

    /// Reads a record, consistently.
    pub async fn get(&self, order_id: &str, status: &str) -> Result<Option<DeliveryRecord>, AwsError> {
        self.table.get(key([("order_id", order_id), ("status", status)])).await.doing(READ)?.map(from_item).transpose()
    }

    /// Changes a record over the revision that it was read at; false if somebody else has written it since. `record`
    /// changes only with the table: nothing that was not written comes into what is decided next.
    pub async fn replace(
        &self,
        record: &mut DeliveryRecord,
        now: OffsetDateTime,
        change: impl FnOnce(&mut DeliveryRecord),
    ) -> Result<bool, AwsError> {
        let next = next_revision(record, now, change);
        let put = self.over_the_revision(record, &next)?;
        let written = match self.mark(&record.day, now) {
            None => put.send().await.doing(WRITE)?.is_written(),
            Some(mark) => self.table.transact(vec![put.step(), mark]).await.doing(WRITE)?.is_written(),
        };
        if written {
            *record = next;
        }
        Ok(written)
    }

    /// [`replace`](Self::replace) and an audit entry, both or neither.
    pub async fn replace_and_note(
        &self,
        record: &mut DeliveryRecord,
        now: OffsetDateTime,
        change: impl FnOnce(&mut DeliveryRecord),
        entry: &Entry,
        audit: &Audit,
    ) -> Result<bool, AwsError> {
        let next = next_revision(record, now, change);
        let mut steps: Vec<TransactWriteItem> = vec![self.over_the_revision(record, &next)?.step(), audit.step(entry)?];
        steps.extend(self.mark(&record.day, now));
        let written = self.table.transact(steps).await.doing(WRITE)?.is_written();
        if written {
            *record = next;
        }
        Ok(written)
    }

    fn over_the_revision(&self, read: &DeliveryRecord, next: &DeliveryRecord) -> Result<Write<Put>, AwsError> {
        Ok(self
            .table
            .put(to_item(next, self.expires_at(next))?)
            .when("revision = :read")
            .value(":read", number(read.revision)))
    }
}

fn next_revision(
    record: &DeliveryRecord,
    now: OffsetDateTime,
    change: impl FnOnce(&mut DeliveryRecord),
) -> DeliveryRecord {
    let mut next = DeliveryRecord { revision: record.revision + 1, updated_at: now, ..record.clone() };
    change(&mut next);
    next
}

/// Which partition of an index an order is in.
pub(super) fn shard(order_id: &str) -> u8 {
    digest(&SHA256, order_id.as_bytes()).as_ref()[0] % SHARDS
}

/// What each partition of a value has, a few asked at a time, in no order. The first error ends it.
pub(super) async fn from_every_shard<T, F>(ask: impl Fn(u8) -> F) -> Result<Vec<T>, Cause>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Cause>> + Send + 'static,
{
    let (mut asked, mut answers) = (JoinSet::new(), Vec::new());
    for shard in 0..SHARDS {
        if asked.len() == ASKED_AT_ONCE {
            answers.extend(next(&mut asked).await?);
        }
        asked.spawn(ask(shard));
    }
    while let Some(answer) = next(&mut asked).await? {
        answers.push(answer);
    }
    Ok(answers)
}

async fn next<T: 'static>(asked: &mut JoinSet<Result<T, Cause>>) -> Result<Option<T>, Cause> {
    asked.join_next().await.map(|answer| answer.map_err(|_| Cause::NotMade)?).transpose()
}

fn to_item(record: &DeliveryRecord, expires_at: OffsetDateTime) -> Result<Item, AwsError> {
    let mut item: Item = serde_dynamo::to_item(record).doing(WRITE)?;
    let (shard, progress) = (shard(&record.order_id), &record.progress);
    let arrived = progress.created_at().unix_timestamp();
    let mut insert = |name: &str, value| item.insert(name.to_owned(), value);
    insert("expire_at", number(expires_at.unix_timestamp()));
    insert("day_shard", string(format!("{}#{shard:02}", record.day)));
    insert("listed", string(format!("{}#{arrived:010}#{}", progress.state().name(), record.order_id)));
    if let Some(person) = PersonKey::of_record(record) {
        insert("person", string(person.as_str()));
    }
    if let Some(kind) = open_kind(record) {
        let since = progress.waiting_since().unix_timestamp();
        insert("open_shard", string(format!("{kind}#{shard:02}")));
        insert("waits_since", string(format!("{since:010}#{}", record.order_id)));
    }
    Ok(item)
}

/// Under what a record that is not settled stands in the index of such records.
fn open_kind(record: &DeliveryRecord) -> Option<&'static str> {
    if record.progress.is_open() {
        Some("open")
    } else if record.progress.is_exhausted() {
        Some("exhausted")
    } else {
        None
    }
}

pub(super) fn from_item(item: Item) -> Result<DeliveryRecord, AwsError> {
    serde_dynamo::from_item(item).doing(READ)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use aws_sdk_dynamodb::types::AttributeValue;
    use serde_json::json;
    use time::macros::datetime;

    use super::*;
    use crate::{
        delivery::{
            bell::Bell,
            pace::Pace,
            record::ListedAttempt,
            retry_key::KeySpace,
            state::{Progress, State, claim::End},
        },
        ids::LineUserId,
        language::Language,
        line::client::LineAnswer,
        message::{MessageStyle, PushRequest},
        order::tests::finished_with,
    };

    /// As DynamoDB counts it: names and values in UTF-8, lists and maps with a little more.
    fn size(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
            AttributeValue::L(list) => 3 + list.iter().map(|one| size(one) + 1).sum::<usize>(),
            AttributeValue::M(map) => 3 + map.iter().map(|(name, one)| name.len() + size(one) + 1).sum::<usize>(),
            _ => 1,
        }
    }

    fn units(item: &Item, names: &[&str]) -> usize {
        let all = item.iter().filter(|(name, _)| names.is_empty() || names.contains(&name.as_str()));
        all.map(|(name, value)| name.len() + size(value)).sum::<usize>().div_ceil(1024)
    }

    #[tokio::test]
    async fn every_shard_is_asked_once_and_no_more_than_a_few_at_a_time() {
        let (asking, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut answers = from_every_shard(|shard| {
            let (asking, most) = (Arc::clone(&asking), Arc::clone(&most));
            async move {
                most.fetch_max(asking.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                asking.fetch_sub(1, Ordering::Relaxed);
                Ok(shard)
            }
        })
        .await
        .unwrap();
        answers.sort_unstable();
        assert_eq!(answers, (0..SHARDS).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::Relaxed), ASKED_AT_ONCE);
        let failed = from_every_shard(async |shard| if shard == 3 { Err(Cause::TimedOut) } else { Ok(shard) }).await;
        assert_eq!(failed, Err(Cause::TimedOut));
    }

    /// The arithmetic of the header stands on this.
    #[test]
    fn a_record_takes_two_write_units_or_three_and_what_an_index_has_of_it_one() {
        let (now, pace) =
            (datetime!(2026-09-01 00:00:00.123456789 UTC), Pace::new(std::time::Duration::from_secs(180), 3));
        let user = LineUserId::parse("U0123456789abcdef0123456789abcdef").unwrap();
        for (style, expected) in [(MessageStyle::Buttons, 2), (MessageStyle::Flex, 3)] {
            let order = finished_with(json!({}));
            let message = order.message(style, Language::ZhCn, true).unwrap();
            let body = serde_json::to_string(&PushRequest::new(&user, message, order.kind().unit(now.date()))).unwrap();
            let space = KeySpace {
                account: "123456789012".to_owned(),
                region: "ap-northeast-1".to_owned(),
                stack: "line-notifications".to_owned(),
                environment: "prod".to_owned(),
            };
            let claim = Progress::first(Bell::new(now), now, &pace, space.keys("R20200714-0001", "finish"));
            let mut record = DeliveryRecord::new(&order, Some(&user), body, *claim.next(), now);
            let mut claimed = claim.won();
            claimed.ask(space.keys("R20200714-0001", "finish"));
            record.progress = *claimed.ended(End::Accepted, &pace).next();
            let answer = LineAnswer {
                status: 200,
                request_id: Some("ba240b38-0312-43fb-b941-6d4107ebe41b".to_owned()),
                accepted_request_id: None,
                body: r#"{"sentMessages":[{"id":"561230966842064897"}]}"#.to_owned(),
            };
            record.note_answer(Some(&answer), None);
            record.list_attempt(ListedAttempt {
                at: now,
                generation: 1,
                state: State::Sent,
                line_status: Some(200),
                line_request_id: answer.request_id,
                despite: None,
                error: None,
            });
            let item = to_item(&record, datetime!(2027-10-06 00:00:00 UTC)).unwrap();
            assert_eq!(units(&item, &[]), expected, "{style:?}");
            let by_day =
                ["day_shard", "listed", "order_id", "status", "state", "reason", "attempt_count", "created_at"];
            assert_eq!(units(&item, &by_day), 1);
        }
    }
}
