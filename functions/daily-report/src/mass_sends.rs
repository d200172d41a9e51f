//! Yesterday's mass sends: the tasks, and which of their messages failed. Days are Sobot's, GMT+8.

use std::{collections::BTreeMap, time::Duration};

use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use shared::sobot::{
    account::{AccountError, SobotAccount},
    mass_send::{self, ListQuery, MessageStatus, RecordQuery, SendRecord, Span, TaskQuery},
    pages::Pages,
};
use time::Date;
use tokio::time::Instant;

use crate::source::{MAX_TIME, Source};

/// The most pages of a list that Sobot is asked for, 100 items each.
const MAX_PAGES: u32 = 10;
/// How long one list may take; LINE is asked meanwhile.
const LIST_LIMIT: Duration = Duration::from_secs(30);
const TOO_LONG: &str = "Sobot took longer than 30 seconds: try again later";
/// The most tasks that the mail names.
const MAX_TASKS: usize = 200;
/// The most kinds of failures that the mail names.
const MAX_FAILURES: usize = 20;
/// Names are kept to this many characters.
const MAX_NAME: usize = 60;

/// Yesterday's mass sends, as Sobot tells them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MassSends {
    /// The tasks that began yesterday.
    pub tasks: Source<Tasks>,
    /// The messages that failed yesterday.
    pub failures: Source<Failures>,
    /// How far yesterday's messages came.
    pub reach: Source<Reach>,
}

/// Messages of mass sends, as Sobot counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Delivered, read or not.
    pub delivered: u64,
    /// Read.
    pub read: u64,
}

/// Mass sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    /// Those that were read; the sums are theirs.
    pub read: u64,
    /// How many there are, where they were not all read.
    pub incomplete: Option<Incomplete>,
    /// Messages that were to be sent.
    pub estimated: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that were not.
    pub failed: u64,
    /// The first of them, each by itself.
    pub named: Vec<Task>,
}

/// One mass send; a figure that Sobot does not tell is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name, or its id where it has none.
    pub name: String,
    /// Messages that were to be sent.
    pub estimated: Option<u64>,
    /// Messages that were sent.
    pub sent: Option<u64>,
    /// Messages that were not.
    pub failed: Option<u64>,
}

/// Messages of mass sends that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Those that were read.
    pub read: u64,
    /// How many records there are, where they were not all read.
    pub incomplete: Option<Incomplete>,
    /// How many kinds there are, of those that were read.
    pub kinds: u64,
    /// The most frequent kinds.
    pub named: Vec<Failure>,
}

/// What failed in one task with one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The task's name, or its id where it has none.
    pub task: String,
    /// Sobot's `error_code`.
    pub error_code: String,
    /// Messages.
    pub count: u64,
}

/// A list that was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// Its length, if Sobot told it.
    pub total: Option<u64>,
}

/// Reads both lists, or what `earlier` lacks of them; `None` on a stack without Sobot.
pub async fn read(sobot: &SobotAccount, day: Date, earlier: Option<&MassSends>) -> Option<MassSends> {
    if !sobot.is_configured().await {
        tracing::info!("no mass sends in the report: Sobot's secret has no value");
        return None;
    }
    let time = Some(Span::day(day));
    let deadline = Instant::now() + MAX_TIME;
    // One after the other: both need the token, and a Sobot that is ill is not asked twice at reports.
    let tasks = Source::or_read(earlier.map(|all| &all.tasks), deadline, async {
        let mut tasks = Tasks::default();
        tasks.incomplete = each(sobot, TaskQuery { time, ..TaskQuery::default() }, |task| tasks.add(task)).await?;
        Ok::<_, Error>(tasks)
    })
    .await;
    let failures = Source::or_read(earlier.map(|all| &all.failures), deadline, async {
        let (mut read, mut kinds) = (0, Kinds::default());
        let query = RecordQuery { time, message_status: Some(MessageStatus::Failed), ..RecordQuery::default() };
        let count = |record: SendRecord| {
            if !record.was_sent() {
                read += 1;
                kinds.add(record);
            }
        };
        let incomplete = each(sobot, query, count).await?;
        Ok::<_, Error>(kinds.into_failures(read, incomplete))
    })
    .await;
    let reach = Source::or_read(earlier.map(|all| &all.reach), deadline, async {
        let (unread, read) =
            (count(sobot, day, MessageStatus::Delivered).await?, count(sobot, day, MessageStatus::Read).await?);
        Ok::<_, Error>(Reach { delivered: unread.saturating_add(read), read })
    })
    .await;
    Some(MassSends { tasks, failures, reach })
}

/// How many messages of a day are in a state: what Sobot says of the list, of which one page is read.
async fn count(sobot: &SobotAccount, day: Date, status: MessageStatus) -> Result<u64, Error> {
    let query = RecordQuery { time: Some(Span::day(day)), message_status: Some(status), ..RecordQuery::default() };
    let mut pages = Pages::of(sobot, query, 1);
    let page = tokio::time::timeout(LIST_LIMIT, pages.next()).await.map_err(|_| TOO_LONG)??;
    match (pages.total(), page) {
        (Some(total), _) => Ok(total),
        (None, Some(items)) if pages.is_complete() => Ok(items.len() as u64),
        (None, _) => Err("Sobot did not say how many records there are".into()),
    }
}

/// Takes every item of a list; what was left out is answered.
async fn each<Q: ListQuery>(
    sobot: &SobotAccount,
    query: Q,
    mut take: impl FnMut(Q::Item),
) -> Result<Option<Incomplete>, Error> {
    let mut pages = Pages::of(sobot, query, MAX_PAGES);
    let reading = async {
        while let Some(items) = pages.next().await? {
            items.into_iter().for_each(&mut take);
        }
        Ok::<_, AccountError>(())
    };
    match tokio::time::timeout(LIST_LIMIT, reading).await {
        Ok(Ok(())) => Ok((!pages.is_complete()).then(|| Incomplete { total: pages.total() })),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(TOO_LONG.into()),
    }
}

impl Tasks {
    fn add(&mut self, task: mass_send::SendTask) {
        self.read += 1;
        self.estimated = self.estimated.saturating_add(task.estimated.unwrap_or(0));
        self.sent = self.sent.saturating_add(task.sent.unwrap_or(0));
        self.failed = self.failed.saturating_add(task.failed.unwrap_or(0));
        if self.named.len() < MAX_TASKS {
            let name = name(&task.name, &task.id);
            self.named.push(Task { name, estimated: task.estimated, sent: task.sent, failed: task.failed });
        }
    }
}

/// Names and counts by task and code.
#[derive(Default)]
struct Kinds(BTreeMap<(String, String), (String, u64)>);

impl Kinds {
    fn add(&mut self, record: SendRecord) {
        let name = name(&record.task_name, &record.task_id);
        let (_, count) = self.0.entry((record.task_id, record.error_code)).or_insert((name, 0));
        *count += 1;
    }

    fn into_failures(self, read: u64, incomplete: Option<Incomplete>) -> Failures {
        let kinds = self.0.len() as u64;
        let mut named: Vec<_> = self
            .0
            .into_iter()
            .map(|((_, error_code), (task, count))| Failure { task, error_code: name(&error_code, "?"), count })
            .collect();
        named.sort_by_key(|failure| std::cmp::Reverse(failure.count));
        named.truncate(MAX_FAILURES);
        Failures { read, incomplete, kinds, named }
    }
}

/// On one line and not too long; `otherwise` where there is none.
fn name(name: &str, otherwise: &str) -> String {
    let given = if name.is_empty() { otherwise } else { name };
    let mut short: String = given.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_NAME).collect();
    if given.chars().nth(MAX_NAME).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut tasks = Tasks::default();
        for number in 0..=MAX_TASKS {
            let item = format!(r#"{{"task_name":"a\nb{}","taskid":{number},"send_error_num":2}}"#, "字".repeat(99));
            tasks.add(serde_json::from_str(&item).unwrap());
        }
        assert_eq!((tasks.read, tasks.failed, tasks.named.len()), (201, 402, MAX_TASKS));
        assert_eq!(tasks.named[0].name, format!("a b{}…", "字".repeat(57)));
        assert_eq!(tasks.named[0].sent, None, "not told is not zero");
    }

    #[test]
    fn failures_are_counted_by_task_and_code() {
        let mut kinds = Kinds::default();
        for item in [
            r#"{"taskid":"1","task_name":"same","error_code":"999999"}"#,
            r#"{"taskid":"2","task_name":"same","error_code":"999999"}"#,
            r#"{"taskid":"2","task_name":"same","error_code":"999999"}"#,
            r#"{"taskid":"2"}"#,
        ] {
            kinds.add(serde_json::from_str(item).unwrap());
        }
        let failures = kinds.into_failures(4, None);
        let named = failures.named.iter().map(|one| (one.task.as_str(), one.error_code.as_str(), one.count));
        assert_eq!(named.collect::<Vec<_>>(), [("same", "999999", 2), ("same", "999999", 1), ("2", "?", 1)]);
        assert_eq!(failures.kinds, 3);
    }
}
