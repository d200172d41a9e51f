//! Things to be done once although whoever starts them does so at least once: a report of a day, a warning of a month.
//!
//! One item per thing in the reports' table. Who begins takes a lease; who is done says so. A second beginner
//! meets `InProgress` or `Completed`. After a crash the lease ends and the next beginner goes on with the document that
//! was kept. Between "the mail is out" and "it is done" a crash can make a second mail, never none: SES has no key to
//! recognise a repeated one. So it is noted that a mail is about to go out, and only a certain refusal takes that back:
//! whoever begins after an unknown end is told, and its mail says that it may be a repeat.

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

/// Since when a mail may be out of which nobody knows.
const SENDING_AT: &str = "sending_at";

/// The table.
#[derive(Debug)]
pub struct Reports {
    table: Table,
    clock: Clock,
}

/// What a beginner meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is mine to do.
    Claimed(Claimed),
    /// Somebody did it.
    Completed,
    /// Somebody is at it.
    InProgress,
}

/// Something that is mine to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// What an earlier attempt kept.
    pub document: Option<String>,
    /// Whether the mail of an earlier attempt may have gone out.
    pub may_be_out: bool,
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
            WriteOutcome::Written(item) => {
                Begun::Claimed(Claimed { document: document(&item), may_be_out: item.contains_key(SENDING_AT) })
            }
            WriteOutcome::Lost(item) if item.contains_key("done_at") && !again => Begun::Completed,
            WriteOutcome::Lost(_) => Begun::InProgress,
        })
    }

    /// Its mail is about to go out; what it was made of is kept for a later attempt and for comparisons.
    pub async fn sending(&self, id: &str, document: Option<&str>) -> Result<(), AwsError> {
        let sending = self.update(id).set(SENDING_AT, seconds(self.clock.now()));
        let sending = match document {
            Some(document) => sending.set("document", string(document)),
            None => sending,
        };
        sending.send().await.map(|_| ()).doing(format!("note that the mail of {id} goes out"))
    }

    /// It is done.
    pub async fn done(&self, id: &str) -> Result<(), AwsError> {
        let now = self.clock.now();
        let done = self.update(id).set("done_at", seconds(now)).set("expire_at", seconds(now + LIFE));
        done.remove(&["lease_until", SENDING_AT]).send().await.map(|_| ()).doing(format!("mark {id} as done"))
    }

    /// It failed: the next attempt need not wait for the lease. `may_be_out`: whether its mail may have gone out.
    pub async fn release(&self, id: &str, may_be_out: bool) -> Result<(), AwsError> {
        let over: &[_] = if may_be_out { &["lease_until"] } else { &["lease_until", SENDING_AT] };
        self.update(id).remove(over).send().await.map(|_| ()).doing(format!("give {id} back"))
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
