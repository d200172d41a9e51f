//! The mass sends that began yesterday, and which messages failed yesterday. Days are Sobot's, GMT+8.
//!
//! A mass send is in the mail of one day: of the day on which it began. So each is counted once, whether it goes on
//! over midnight or for days, or began minutes before nine; one that is not over when the mail is made says so. What
//! Sobot compares its `task_start_time` and `task_end_time` with, its page does not say. So it is asked for everything
//! since the day began, and what began on another day is left out here. A message is in the mail of the day on which it
//! was sent, by its `send_time`, of which there is one.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use shared::sobot::{
    account::{AccountError, SobotAccount},
    mass_send::{self, ListQuery, MessageStatus, RecordQuery, SendRecord, Span, TaskQuery},
    pages::Pages,
};
use time::{Date, OffsetDateTime};
use tokio::time::Instant;

use crate::source::{MAX_TIME, Partner, Source, Why};

/// The most pages of a list that Sobot is asked for, 100 items each.
const MAX_PAGES: u32 = 10;
/// How long one list may take; LINE is asked meanwhile.
const LIST_LIMIT: Duration = Duration::from_secs(30);
/// The most tasks that the mail names.
const MAX_TASKS: usize = 200;
/// Of so many tasks Sobot is asked how many messages were delivered and read: two calls each.
const MAX_REACHES: usize = 50;
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
    /// How far the messages came of those tasks that were asked for.
    pub reach: Source<Reach>,
}

/// Messages of a mass send, as Sobot counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Delivered, read or not.
    pub delivered: u64,
    /// Read.
    pub read: u64,
}

impl Reach {
    fn add(&mut self, other: Self) {
        self.delivered = self.delivered.saturating_add(other.delivered);
        self.read = self.read.saturating_add(other.read);
    }
}

/// Mass sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks {
    /// Those that were read; the sums are theirs.
    pub read: u64,
    /// What there is of the list, where it was not all read.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Sobot's id of it.
    #[serde(default)]
    pub id: String,
    /// Its name, or its id where it has none.
    pub name: String,
    /// Messages that were to be sent.
    pub estimated: Option<u64>,
    /// Messages that were sent.
    pub sent: Option<u64>,
    /// Messages that were not.
    pub failed: Option<u64>,
    /// How far its messages came.
    #[serde(default)]
    pub reach: Option<Reach>,
    /// Whether it was still being sent when it was read.
    #[serde(default)]
    pub goes_on: bool,
}

/// Messages of mass sends that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// Those that were read.
    pub read: u64,
    /// What there is of the list, where it was not all read.
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

/// A list that was not all read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// What was read of the list.
    #[serde(default)]
    pub read: u64,
    /// Its length, if Sobot told it.
    pub total: Option<u64>,
    /// Why it could not be read on; none where it is too long, or a part of it is not as documented.
    #[serde(default)]
    pub why: Option<Why>,
}

impl Incomplete {
    /// Whether it may be all read another time.
    fn is_for_now(list: Option<&Self>) -> bool {
        list.is_some_and(|list| list.why.is_some())
    }
}

/// Sobot could not be asked, or did not say what it should.
#[derive(Debug)]
enum ReadError {
    Sobot(AccountError),
    TookTooLong,
    NoTotal,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sobot(error) => error.fmt(f),
            Self::TookTooLong => write!(f, "Sobot took longer than {} seconds", LIST_LIMIT.as_secs()),
            Self::NoTotal => f.write_str("Sobot did not say how many records there are"),
        }
    }
}

impl From<ReadError> for Why {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Sobot(error) => error.into(),
            ReadError::TookTooLong => Self::TimedOut,
            ReadError::NoTotal => Self::Unusable(Partner::Sobot),
        }
    }
}

/// Reads both lists, or what `earlier` lacks of them; `None` on a stack without Sobot.
pub async fn read(
    sobot: &SobotAccount,
    day: Date,
    now: OffsetDateTime,
    earlier: Option<&MassSends>,
) -> Option<MassSends> {
    if !sobot.is_configured().await {
        tracing::info!("no mass sends in the report: Sobot's secret has no value");
        return None;
    }
    let deadline = Instant::now() + MAX_TIME;
    let whole_tasks =
        |tasks: &&Source<Tasks>| !Incomplete::is_for_now(tasks.known().and_then(|tasks| tasks.incomplete.as_ref()));
    let whole_failures = |failures: &&Source<Failures>| {
        !Incomplete::is_for_now(failures.known().and_then(|failures| failures.incomplete.as_ref()))
    };
    // One after the other: both need the token, and a Sobot that is ill is not asked twice at reports.
    let mut tasks = Source::or_read(earlier.map(|all| &all.tasks).filter(whole_tasks), deadline, async {
        let mut tasks = Tasks::default();
        let query = TaskQuery { time: Some(Span::since(day)), ..TaskQuery::default() };
        let of_day = |task: &mass_send::SendTask| {
            // Where Sobot tells no time that can be read, the filter alone says it.
            task.started_at.or(task.ended_at).is_none_or(|time| Span::day(day).has(time))
        };
        let take = |task| {
            if of_day(&task) {
                tasks.add(task, now)
            }
        };
        tasks.incomplete = each(sobot, query, take).await?;
        Ok::<_, ReadError>(tasks)
    })
    .await;
    let failures = Source::or_read(earlier.map(|all| &all.failures).filter(whole_failures), deadline, async {
        let (mut read, mut kinds) = (0, Kinds::default());
        let time = Some(Span::day(day));
        let query = RecordQuery { time, message_status: Some(MessageStatus::Failed), ..RecordQuery::default() };
        let count = |record: SendRecord| {
            if !record.was_sent() {
                read += 1;
                kinds.add(record);
            }
        };
        let incomplete = each(sobot, query, count).await?;
        Ok::<_, ReadError>(kinds.into_failures(read, incomplete))
    })
    .await;
    let reach = match &mut tasks {
        Source::Known(tasks) => read_reaches(sobot, &mut tasks.named, deadline).await,
        Source::Missing(why) => Source::Missing(why.clone()),
    };
    Some(MassSends { tasks, failures, reach })
}

/// How far the messages of each task came, until Sobot fails, and of all together.
async fn read_reaches(sobot: &SobotAccount, tasks: &mut [Task], deadline: Instant) -> Source<Reach> {
    let mut all = Reach::default();
    for task in tasks.iter_mut().take(MAX_REACHES).filter(|task| !task.id.is_empty()) {
        let reading = async {
            let unread = count(sobot, &task.id, MessageStatus::Delivered).await?;
            let read = count(sobot, &task.id, MessageStatus::Read).await?;
            Ok::<_, ReadError>(Reach { delivered: unread.saturating_add(read), read })
        };
        let earlier = task.reach.map(Source::Known);
        match Source::or_read(earlier.as_ref(), deadline, reading).await {
            Source::Known(reach) => {
                task.reach = Some(reach);
                all.add(reach);
            }
            Source::Missing(why) => return Source::Missing(why),
        }
    }
    Source::Known(all)
}

/// How many messages of a task are in a state: what Sobot says of the list, of which one page is read.
async fn count(sobot: &SobotAccount, task_id: &str, status: MessageStatus) -> Result<u64, ReadError> {
    let task_id = Some(task_id.to_owned());
    let query = RecordQuery { task_id, message_status: Some(status), ..RecordQuery::default() };
    let mut pages = Pages::of(sobot, query, 1);
    let page = tokio::time::timeout(LIST_LIMIT, pages.next()).await.map_err(|_| ReadError::TookTooLong)?;
    match (page.map_err(ReadError::Sobot)?, pages.total()) {
        (_, Some(total)) => Ok(total),
        (Some(items), None) if pages.is_complete() => Ok(items.len() as u64),
        (_, None) => Err(ReadError::NoTotal),
    }
}

/// Takes every item of a list. What was read before Sobot failed counts, and what is missing is answered; an error
/// where nothing was read.
async fn each<Q: ListQuery>(
    sobot: &SobotAccount,
    query: Q,
    mut take: impl FnMut(Q::Item),
) -> Result<Option<Incomplete>, ReadError> {
    let mut pages = Pages::of(sobot, query, MAX_PAGES);
    let reading = async {
        while let Some(items) = pages.next().await? {
            items.into_iter().for_each(&mut take);
        }
        Ok::<_, AccountError>(())
    };
    let read = match tokio::time::timeout(LIST_LIMIT, reading).await {
        Ok(read) => read.map_err(ReadError::Sobot),
        Err(_) => Err(ReadError::TookTooLong),
    };
    let why = match read {
        Ok(()) if pages.is_complete() => return Ok(None),
        Ok(()) => None,
        Err(error) if pages.read() == 0 => return Err(error),
        Err(error) => {
            tracing::warn!(%error, read = pages.read(), "a list of Sobot's was not read to its end");
            Some(error.into())
        }
    };
    Ok(Some(Incomplete { read: pages.read(), total: pages.total(), why }))
}

impl Tasks {
    fn add(&mut self, task: mass_send::SendTask, now: OffsetDateTime) {
        self.read += 1;
        self.estimated = self.estimated.saturating_add(task.estimated.unwrap_or(0));
        self.sent = self.sent.saturating_add(task.sent.unwrap_or(0));
        self.failed = self.failed.saturating_add(task.failed.unwrap_or(0));
        if self.named.len() < MAX_TASKS {
            self.named.push(Task {
                name: name(&task.name, &task.id),
                id: task.id,
                estimated: task.estimated,
                sent: task.sent,
                failed: task.failed,
                reach: None,
                goes_on: task.ended_at.is_none_or(|end| end > now),
            });
        }
    }

    /// How far all messages came; none where it is not known of each task.
    pub fn reach(&self) -> Option<Reach> {
        let mut all = Reach::default();
        for task in &self.named {
            all.add(task.reach?);
        }
        (self.named.len() as u64 == self.read).then_some(all)
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
            tasks.add(serde_json::from_str(&item).unwrap(), OffsetDateTime::UNIX_EPOCH);
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
