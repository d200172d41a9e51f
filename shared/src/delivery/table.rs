//! The deliveries' table: records, written always as a whole, and only over the revision that was read. Of two
//! writers one loses and looks again.
//!
//! Two indexes are made of attributes that are written with the record and mean nothing else: `by_day` (a day's
//! deliveries by state and time) and `by_open` (those that are not settled, by how long they wait). Both have
//! [`SHARDS`] partitions a value, so that no day and no outage makes one of them hot: at LINE's own ceiling of 2,000
//! pushes a second an order writes its record three times (created, claimed or attempted, settled), and each write
//! reaches an index as one or two units, which is 12,000 units a second over sixteen partitions of 1,000 each.

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::{Client, types::TransactWriteItem};
use time::OffsetDateTime;

use crate::{
    audit::{Audit, Entry},
    aws::{
        error::{AwsError, Doing as _},
        table::{Item, Put, Table, Write, WriteOutcome, key, number, string},
    },
    delivery::record::DeliveryRecord,
};

/// Into how many partitions a value of an index is divided.
pub const SHARDS: u8 = 16;

const READ: &str = "read the record";
const WRITE: &str = "write the record";

/// The table.
#[derive(Clone, Debug)]
pub struct Deliveries {
    pub(super) table: Table,
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
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// Writes a record unless there is one for the same order and status; a second call is not needed to read that one.
    pub async fn create(&self, record: &DeliveryRecord) -> Result<Created, AwsError> {
        let put = self.table.put(to_item(record)?).when("attribute_not_exists(order_id)");
        match put.send().await.doing(WRITE)? {
            WriteOutcome::Written(()) => Ok(Created::New),
            WriteOutcome::Lost(old) => Ok(Created::Exists(Box::new(from_item(old)?))),
        }
    }

    /// Reads a record, consistently.
    pub async fn get(&self, order_id: &str, status: &str) -> Result<Option<DeliveryRecord>, AwsError> {
        self.table.get(key([("order_id", order_id), ("status", status)])).await.doing(READ)?.map(from_item).transpose()
    }

    /// Writes a record over the revision that it was read at; false if somebody else has written it since. On success
    /// `record` has the new revision.
    pub async fn replace(&self, record: &mut DeliveryRecord, now: OffsetDateTime) -> Result<bool, AwsError> {
        let next = next_revision(record, now);
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
        entry: &Entry,
        audit: &Audit,
    ) -> Result<bool, AwsError> {
        let next = next_revision(record, now);
        let mut steps: Vec<TransactWriteItem> = vec![self.over_the_revision(record, &next)?.step(), audit.step(entry)?];
        steps.extend(self.mark(&record.day, now));
        let written = self.table.transact(steps).await.doing(WRITE)?.is_written();
        if written {
            *record = next;
        }
        Ok(written)
    }

    fn over_the_revision(&self, read: &DeliveryRecord, next: &DeliveryRecord) -> Result<Write<Put>, AwsError> {
        Ok(self.table.put(to_item(next)?).when("revision = :read").value(":read", number(read.revision)))
    }
}

fn next_revision(record: &DeliveryRecord, now: OffsetDateTime) -> DeliveryRecord {
    DeliveryRecord { revision: record.revision + 1, updated_at: now, ..record.clone() }
}

/// Which partition of an index an order is in.
pub(super) fn shard(order_id: &str) -> u8 {
    digest(&SHA256, order_id.as_bytes()).as_ref()[0] % SHARDS
}

fn to_item(record: &DeliveryRecord) -> Result<Item, AwsError> {
    let mut item: Item = serde_dynamo::to_item(record).doing(WRITE)?;
    let (shard, progress) = (shard(&record.order_id), &record.progress);
    let arrived = progress.created_at().unix_timestamp();
    item.insert("day_shard".to_owned(), string(format!("{}#{shard:02}", record.day)));
    item.insert("listed".to_owned(), string(format!("{}#{arrived:010}#{}", progress.state().name(), record.order_id)));
    if let Some(kind) = open_kind(record) {
        item.insert("open_shard".to_owned(), string(format!("{kind}#{shard:02}")));
        item.insert(
            "waits_since".to_owned(),
            string(format!("{:010}#{}", progress.waiting_since().unix_timestamp(), record.order_id)),
        );
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
