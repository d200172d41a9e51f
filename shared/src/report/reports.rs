//! Things to be done once although whoever starts them does so at least once: a report of a day, a warning of a month.
//!
//! One item per thing in the reports' table. Who begins takes a lease; who is done says so. A second beginner
//! meets `InProgress` or `Completed`. After a crash the lease ends and the next beginner goes on with the document that
//! was kept. Between "the mail is out" and "it is done" a crash can make a second mail, never none: SES has no
//! key to recognise a repeated one.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use time::OffsetDateTime;

use crate::{
    aws::{
        error::{AwsError, Doing as _},
        table::{Item, Table, Update, Write, WriteOutcome, key, number, string, string_of},
    },
    clock::Clock,
};

/// How long an item is kept: a figure may be compared, a day sent again.
const LIFE: time::Duration = time::Duration::days(400);

/// The table.
#[derive(Debug)]
pub struct Reports {
    table: Table,
    clock: Clock,
}

/// What a beginner meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is mine to do; here is what an earlier attempt kept.
    Claimed(Option<String>),
    /// Somebody did it.
    Completed,
    /// Somebody is at it.
    InProgress,
}

impl Reports {
    /// The table of this name.
    pub fn new(client: Client, name: String, clock: Clock) -> Self {
        Self { table: Table::new(client, name), clock }
    }

    /// Takes the lease of `id`. `again`: also when it was done before.
    pub async fn begin(&self, id: &str, lease: Duration, again: bool) -> Result<Begun, AwsError> {
        let now = self.clock.now();
        let done = if again { "" } else { "attribute_not_exists(done_at) AND " };
        let begun = self
            .update(id)
            .set("lease_until", seconds(now + lease))
            .set("expire_at", seconds(now + LIFE))
            .when(format!("{done}(attribute_not_exists(lease_until) OR lease_until <= :now)"))
            .value(":now", seconds(now));
        Ok(match begun.send().await.doing(format!("begin {id}"))? {
            WriteOutcome::Written(item) => Begun::Claimed(document(&item)),
            WriteOutcome::Lost(item) if item.contains_key("done_at") && !again => Begun::Completed,
            WriteOutcome::Lost(_) => Begun::InProgress,
        })
    }

    /// Keeps a document with it, for a later attempt and for comparisons.
    pub async fn store(&self, id: &str, document: &str) -> Result<(), AwsError> {
        let kept = self.update(id).set("document", string(document)).send().await;
        kept.map(|_| ()).doing(format!("keep the document of {id}"))
    }

    /// It is done.
    pub async fn done(&self, id: &str) -> Result<(), AwsError> {
        let now = self.clock.now();
        let done = self.update(id).set("done_at", seconds(now)).set("expire_at", seconds(now + LIFE));
        done.remove(&["lease_until"]).send().await.map(|_| ()).doing(format!("mark {id} as done"))
    }

    /// It failed: the next attempt need not wait for the lease.
    pub async fn release(&self, id: &str) -> Result<(), AwsError> {
        self.update(id).remove(&["lease_until"]).send().await.map(|_| ()).doing(format!("give {id} back"))
    }

    /// The document kept with it.
    pub async fn document(&self, id: &str) -> Result<Option<String>, AwsError> {
        Ok(self.item(id).await?.as_ref().and_then(document))
    }

    /// Whether it was done.
    pub async fn is_done(&self, id: &str) -> Result<bool, AwsError> {
        Ok(self.item(id).await?.is_some_and(|item| item.contains_key("done_at")))
    }

    async fn item(&self, id: &str) -> Result<Option<Item>, AwsError> {
        self.table.get(key([("id", id)])).await.doing(format!("read {id}"))
    }

    fn update(&self, id: &str) -> Write<Update> {
        self.table.update(key([("id", id)]))
    }
}

fn document(item: &Item) -> Option<String> {
    string_of(item, "document").map(str::to_owned)
}

fn seconds(time: OffsetDateTime) -> AttributeValue {
    number(time.unix_timestamp())
}
