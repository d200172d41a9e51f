//! What operators did, and which links customers made: one item per action in the audit table, by kind and time.
//! Written before the action, or in one transaction with it, so that nothing is done without a trace; an action that
//! then failed has its entry all the same.

use aws_sdk_dynamodb::{Client, types::TransactWriteItem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::{
    aws::{
        error::{AwsError, Doing as _},
        table::{Put, Table, Write, key},
    },
    ids::random_name,
};

/// How long an entry is kept: as long as a delivery's record.
const LIFE: Duration = Duration::days(400);

const WRITE: &str = "write the audit entry";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// A switch was turned.
    Switch,
    /// An order's message was sent again.
    Resend,
    /// A dead-letter queue was moved back.
    Redrive,
    /// A dead letter was given up.
    Discard,
    /// A member was unlinked.
    Unlink,
    /// A login linked a member.
    Link,
    /// What a customer wrote or sent, or all that is kept of one, was looked at.
    Read,
    /// A customer was forgotten.
    Erase,
    /// The report's mail was sent to somebody as a test.
    TestMail,
    /// The report of a day was asked for.
    Report,
    /// A recovery was started, paused, resumed or stopped, or came to its end.
    Recover,
}

impl AuditKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Switch,
        Self::Resend,
        Self::Redrive,
        Self::Discard,
        Self::Unlink,
        Self::Link,
        Self::Read,
        Self::Erase,
        Self::TestMail,
        Self::Report,
        Self::Recover,
    ];

    /// Its name in the table and in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Resend => "resend",
            Self::Redrive => "redrive",
            Self::Discard => "discard",
            Self::Unlink => "unlink",
            Self::Link => "link",
            Self::Read => "read",
            Self::Erase => "erase",
            Self::TestMail => "test_mail",
            Self::Report => "report",
            Self::Recover => "recover",
        }
    }
}

/// Who does something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The name of the key that the call came with.
    pub name: String,
    /// In the operator's words.
    pub reason: String,
    /// The address that the call came from.
    pub source_ip: Option<String>,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Partition key.
    pub kind: AuditKind,
    /// Sort key: the time, and a random part for two actions at a time.
    pub at_key: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What it was done to: a switch's status, an order's, a dead letter's, a member's, a recovery's id, a queue; of a
    /// LINE user the pseudonym.
    pub subject: String,
    /// Who.
    pub by: String,
    /// Why; empty where nobody is asked.
    pub reason: String,
    /// The address that the call came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// More of it, by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// When DynamoDB may delete it, UNIX seconds.
    pub expire_at: i64,
}

impl Entry {
    /// An entry as of now.
    pub fn new(
        kind: AuditKind,
        subject: &str,
        operator: &Operator,
        detail: Option<Value>,
        now: OffsetDateTime,
    ) -> Self {
        const SORTABLE: &[BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
        let at = now.to_offset(time::UtcOffset::UTC);
        Self {
            kind,
            at_key: format!("{}#{}", at.format(SORTABLE).unwrap_or_default(), random_name()),
            at,
            subject: subject.to_owned(),
            by: operator.name.clone(),
            reason: operator.reason.clone(),
            source_ip: operator.source_ip.clone(),
            detail,
            expire_at: (at + LIFE).unix_timestamp(),
        }
    }
}

/// The table.
#[derive(Clone, Debug)]
pub struct Audit {
    table: Table,
}

/// A page of entries, and where the next one goes on.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The latest first.
    pub entries: Vec<Entry>,
    /// The sort key of the last entry, unless the list ends with it.
    pub next: Option<String>,
}

impl Audit {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// Notes an action by itself.
    pub async fn note(&self, entry: &Entry) -> Result<(), AwsError> {
        self.put(entry)?.send().await.doing(WRITE)?;
        Ok(())
    }

    /// The same as a part of the transaction that does the action.
    pub fn step(&self, entry: &Entry) -> Result<TransactWriteItem, AwsError> {
        Ok(self.put(entry)?.step())
    }

    fn put(&self, entry: &Entry) -> Result<Write<Put>, AwsError> {
        Ok(self.table.put(serde_dynamo::to_item(entry).doing(WRITE)?))
    }

    /// Entries of a kind, the latest first, from after this sort key on.
    pub async fn page(&self, kind: AuditKind, limit: u32, after: Option<String>) -> Result<AuditPage, AwsError> {
        let after = after.map(|at_key| key([("kind", kind.name()), ("at_key", &at_key)]));
        let page = self.table.latest(("kind", kind.name()), limit, after).await;
        let (entries, more): (Vec<Entry>, bool) = page.doing("read the audit entries")?;
        let next = entries.last().filter(|_| more).map(|entry| entry.at_key.clone());
        Ok(AuditPage { entries, next })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;
    use crate::aws::table::{Item, string};

    #[test]
    fn entries_sort_by_time_and_survive_the_table() {
        let operator = Operator { name: "mei".to_owned(), reason: "a test".to_owned(), source_ip: None };
        let entry = |time| Entry::new(AuditKind::Switch, "finish", &operator, Some(json!({ "enabled": false })), time);
        let times = [
            datetime!(2026-09-01 09:00:00 +9),
            datetime!(2026-09-01 00:00:00.000001 UTC),
            datetime!(2026-09-01 00:00:00.5 UTC),
            datetime!(2026-09-01 00:00:10 UTC),
        ];
        let keys = times.map(|time| entry(time).at_key);
        assert!(keys.is_sorted(), "{keys:?}");
        assert_ne!(entry(times[0]).at_key, keys[0], "two at a time are two");
        let written = entry(times[0]);
        let item: Item = serde_dynamo::to_item(&written).unwrap();
        assert_eq!(item["kind"], string(AuditKind::Switch.name()));
        assert_eq!(serde_dynamo::from_item::<_, Entry>(item).unwrap(), written);
    }
}
