//! The recoveries' table: one item per recovery under `recovery`, by its id, and one under `active` that names the
//! recovery that runs or is paused, so that there is one at a time.

use aws_sdk_dynamodb::Client;
use time::{Duration, OffsetDateTime};

use crate::{
    audit::{Audit, Entry},
    aws::{
        error::{AwsError, Doing as _},
        table::{Item, Put, Table, Write, WriteOutcome, item, key, number, string, string_of},
    },
    delivery::recovery::Recovery,
};

/// How long a recovery is kept after it was last written: as long as what the audit says of it.
const LIFE: Duration = Duration::days(400);
const READ: &str = "read the recovery";
const WRITE: &str = "write the recovery";
const RECOVERY: &str = "recovery";
const ACTIVE: &str = "active";

/// The table.
#[derive(Clone, Debug)]
pub struct Recoveries {
    table: Table,
}

/// What became of a new recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It runs.
    Runs,
    /// Another one runs or is paused.
    Busy {
        /// Its id.
        id: String,
    },
}

impl Recoveries {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// Begins a recovery and notes it, unless there is an active one.
    pub async fn begin(&self, recovery: &Recovery, entry: &Entry, audit: &Audit) -> Result<Begun, AwsError> {
        let steps = vec![
            self.table.put(active(&recovery.id)).when("attribute_not_exists(kind)").step(),
            self.put(recovery)?.step(),
            audit.step(entry)?,
        ];
        match self.table.transact(steps).await.doing(WRITE)? {
            WriteOutcome::Written(()) => Ok(Begun::Runs),
            WriteOutcome::Lost(items) => {
                let stands = items.into_iter().flatten().next().unwrap_or_default();
                Ok(Begun::Busy { id: string_of(&stands, "recovery").unwrap_or_default().to_owned() })
            }
        }
    }

    /// Reads a recovery, consistently.
    pub async fn get(&self, id: &str) -> Result<Option<Recovery>, AwsError> {
        let found = self.table.get(key([("kind", RECOVERY), ("id", id)])).await.doing(READ)?;
        found.map(serde_dynamo::from_item).transpose().doing(READ)
    }

    /// The latest recoveries, the last one first.
    pub async fn latest(&self, limit: u32) -> Result<Vec<Recovery>, AwsError> {
        Ok(self.table.latest(("kind", RECOVERY), limit, None).await.doing(READ)?.0)
    }

    /// Writes what follows a recovery over the revision that was read, and notes it, both or neither; false if somebody
    /// else has written it since. One that is not active any more lets the next one begin.
    pub async fn replace(
        &self,
        read: &Recovery,
        next: &Recovery,
        note: Option<(&Entry, &Audit)>,
    ) -> Result<bool, AwsError> {
        let put = self.put(next)?.when("revision = :read").value(":read", number(read.revision));
        let ends = read.state.is_active() && !next.state.is_active();
        if note.is_none() && !ends {
            return Ok(put.send().await.doing(WRITE)?.is_written());
        }
        let mut steps = vec![put.step()];
        if let Some((entry, audit)) = note {
            steps.push(audit.step(entry)?);
        }
        if ends {
            steps.push(self.table.delete(key([("kind", ACTIVE), ("id", ACTIVE)])).step());
        }
        Ok(self.table.transact(steps).await.doing(WRITE)?.is_written())
    }

    fn put(&self, recovery: &Recovery) -> Result<Write<Put>, AwsError> {
        let mut item: Item = serde_dynamo::to_item(recovery).doing(WRITE)?;
        item.insert("kind".to_owned(), string(RECOVERY));
        // Whatever was written last, it is kept from then on.
        let expires_at = (OffsetDateTime::now_utc() + LIFE).unix_timestamp();
        item.insert("expire_at".to_owned(), number(expires_at));
        Ok(self.table.put(item))
    }
}

fn active(recovery: &str) -> Item {
    item([("kind", string(ACTIVE)), ("id", string(ACTIVE)), ("recovery", string(recovery))])
}
