//! The mass sends of Sobot's marketing, and what became of each of their messages.
//!
//! Source: Sobot, "LINE API", "查询群发任务数据" and "查询发送记录". The page types a field in one way and shows it in
//! another: numbers as text, a task's id as a number beyond 64 bits, times as milliseconds and as `2024-07-10 20:10:12`
//! beside a zone, several message ids in one text. Each is read in either form, and ids keep every digit.

use reqwest::Method;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::value::RawValue;
use time::{
    Date, OffsetDateTime, PrimitiveDateTime, UtcOffset, format_description::BorrowedFormatItem,
    macros::format_description, macros::offset,
};

use crate::{
    foreign_json::{self, Members},
    sobot::client::{SobotClient, SobotError},
    token::access::AccessToken,
};

/// Items on a page; the page allows no more.
pub const PAGE_SIZE: u32 = 100;
/// The zone of Sobot's days and of its times without one.
const ZONE: UtcOffset = offset!(+8);
/// `error_code` of a message that was sent.
const SENT: &str = "000000";

/// A list that Sobot gives page by page.
pub trait ListQuery: Serialize + Clone {
    /// What it is a list of.
    type Item: DeserializeOwned;
    /// Where it is asked for.
    const PATH: &'static str;

    /// The official account that it is about; all of them where there is none.
    fn sender(&mut self) -> &mut Option<String>;
}

/// Filters of `POST /chat-set/api/line/query_task_list`; each may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TaskQuery {
    /// `task_start_time` and `task_end_time`.
    #[serde(flatten, serialize_with = "as_task_times")]
    pub time: Option<Span>,
    /// The official account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The task's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
}

impl ListQuery for TaskQuery {
    type Item = SendTask;
    const PATH: &'static str = "/chat-set/api/line/query_task_list";

    fn sender(&mut self) -> &mut Option<String> {
        &mut self.sender
    }
}

/// Filters of `POST /chat-set/api/line/send_record_list`; each may be left out. Without a time it is the last month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RecordQuery {
    /// `send_start_time` and `send_end_time`.
    #[serde(flatten, serialize_with = "as_send_times")]
    pub time: Option<Span>,
    /// One message.
    #[serde(rename = "messageid", skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What became of the message; the records themselves do not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_status: Option<MessageStatus>,
    /// One task, as text: the page's example is a number that no 64 bits hold.
    #[serde(rename = "taskid", skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The task's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// Who sent it.
    #[serde(rename = "send_agentid", skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The official account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Who got it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
}

impl ListQuery for RecordQuery {
    type Item = SendRecord;
    const PATH: &'static str = "/chat-set/api/line/send_record_list";

    fn sender(&mut self) -> &mut Option<String> {
        &mut self.sender
    }
}

/// A span of time, both ends in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first millisecond.
    pub first: OffsetDateTime,
    /// The last millisecond; none where it goes on until now.
    pub last: Option<OffsetDateTime>,
}

impl Span {
    /// A whole day in Sobot's zone, GMT+8.
    pub fn day(day: Date) -> Self {
        let first = day.midnight().assume_offset(ZONE);
        Self { first, last: Some(first + time::Duration::DAY - time::Duration::MILLISECOND) }
    }

    /// From the beginning of a day in Sobot's zone until now.
    pub fn since(day: Date) -> Self {
        Self { last: None, ..Self::day(day) }
    }

    /// Whether the time is in it.
    pub fn has(&self, time: OffsetDateTime) -> bool {
        self.first <= time && self.last.is_none_or(|last| time < last + time::Duration::MILLISECOND)
    }

    fn serialize<S: Serializer>(self, names: [&'static str; 2], serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = |time: OffsetDateTime| time.unix_timestamp() * 1000 + i64::from(time.millisecond());
        let ends = names.into_iter().zip([Some(self.first), self.last]);
        serializer.collect_map(ends.filter_map(|(name, time)| Some((name, milliseconds(time?)))))
    }
}

fn as_task_times<S: Serializer>(time: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    times(*time, ["task_start_time", "task_end_time"], serializer)
}

fn as_send_times<S: Serializer>(time: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    times(*time, ["send_start_time", "send_end_time"], serializer)
}

fn times<S: Serializer>(time: Option<Span>, names: [&'static str; 2], serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(span) => span.serialize(names, serializer),
        None => serializer.collect_map::<&str, i64, _>([]),
    }
}

/// What became of a message (Sobot, "message_status").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum MessageStatus {
    /// Sent.
    #[serde(rename = "0")]
    Sent,
    /// Delivered.
    #[serde(rename = "1")]
    Delivered,
    /// Read.
    #[serde(rename = "2")]
    Read,
    /// Failed.
    #[serde(rename = "9")]
    Failed,
}

/// A mass send.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "TaskFields")]
pub struct SendTask {
    /// `taskid`.
    pub id: String,
    /// `task_name`.
    pub name: String,
    /// Messages that were to be sent.
    pub estimated: Option<u64>,
    /// Messages that were sent.
    pub sent: Option<u64>,
    /// Messages that were not.
    pub failed: Option<u64>,
    /// Its beginning.
    pub started_at: Option<OffsetDateTime>,
    /// Its end.
    pub ended_at: Option<OffsetDateTime>,
}

/// One recipient's message of a mass send.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "RecordFields")]
pub struct SendRecord {
    /// `taskid`.
    pub task_id: String,
    /// `task_name`.
    pub task_name: String,
    /// `error_code`: `000000` sent, `999999` failed.
    pub error_code: String,
    /// LINE's ids of what was sent: none, one or several.
    pub message_ids: Vec<String>,
    /// Who got it; not always a LINE user id.
    pub recipient: String,
    /// `send_agentid`: who sent it.
    pub agent_id: String,
    /// The official account.
    pub sender: String,
    /// When it was sent.
    pub sent_at: Option<OffsetDateTime>,
    /// When its state changed last.
    pub updated_at: Option<OffsetDateTime>,
}

impl SendRecord {
    /// Whether its own code says that it was sent; `0` is the code as a number.
    pub fn was_sent(&self) -> bool {
        self.error_code == SENT || self.error_code == "0"
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SobotPage<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// How many are on it that are not as documented.
    pub left_out: usize,
    /// Pages in all.
    pub page_count: Option<u64>,
    /// Items in all.
    pub total_count: Option<u64>,
}

impl SobotClient {
    /// `POST` to the query's path: the page of this number, the first is 1.
    pub async fn page<Q: ListQuery>(
        &self,
        token: &AccessToken,
        query: &Q,
        number: u32,
    ) -> Result<SobotPage<Q::Item>, SobotError> {
        #[derive(Serialize)]
        struct Body<'a, Q> {
            #[serde(flatten)]
            query: &'a Q,
            page_no: u32,
            page_size: u32,
        }
        let body = Body { query, page_no: number, page_size: PAGE_SIZE };
        let answer = self.ask(Q::PATH, || self.request(Method::POST, Q::PATH, Some(token)).json(&body)).await?;
        page(&answer.text).ok_or(SobotError::Lacks("items"))
    }
}

fn page<T: DeserializeOwned>(text: &str) -> Option<SobotPage<T>> {
    #[derive(Deserialize)]
    #[serde(bound = "T: DeserializeOwned")]
    struct Body<T> {
        // An empty page may come without its list.
        items: Option<Members<T>>,
        #[serde(default)]
        page_count: LooseScalar,
        #[serde(default)]
        total_count: LooseScalar,
    }
    let Body { items, page_count, total_count } = foreign_json::parse(text).ok()?;
    let (page_count, total_count) = (page_count.count(), total_count.count());
    let (items, left_out) = match items {
        Some(Members { members, left_out }) => (members, left_out),
        None if total_count.unwrap_or(0) == 0 => (Vec::new(), 0),
        None => return None,
    };
    Some(SobotPage { items, left_out, page_count, total_count })
}

/// A text or a number as it is written, digit for digit; empty for `null`.
#[derive(Debug, Default)]
struct LooseScalar(String);

impl<'de> Deserialize<'de> for LooseScalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes() {
            [b'"', ..] => foreign_json::parse(raw.get()).map(Self).map_err(D::Error::custom),
            [b'-' | b'0'..=b'9', ..] => Ok(Self(raw.get().to_owned())),
            b"null" => Ok(Self::default()),
            _ => Err(D::Error::custom("neither a text nor a number")),
        }
    }
}

impl LooseScalar {
    fn text(self) -> String {
        self.0.trim().to_owned()
    }

    fn count(&self) -> Option<u64> {
        self.0.trim().parse().ok()
    }

    /// Milliseconds since 1970, or `2024-07-10 20:10:12` in `zone`.
    fn time(&self, zone: Option<UtcOffset>) -> Option<OffsetDateTime> {
        const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        let text = self.0.trim();
        match text.parse::<i64>() {
            Ok(milliseconds) => OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok(),
            Err(_) => Some(PrimitiveDateTime::parse(text, FORMAT).ok()?.assume_offset(zone?)),
        }
    }

    /// `GMT+08:00`; Sobot's own zone where none is told, none where it cannot be read.
    fn zone(&self) -> Option<UtcOffset> {
        let name = self.0.trim();
        if name.is_empty() {
            return Some(ZONE);
        }
        let offset = name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC")).unwrap_or(name);
        if offset.is_empty() {
            return Some(UtcOffset::UTC);
        }
        let (sign, digits) = match offset.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, offset.strip_prefix('+')?),
        };
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
        let part = |text: &str| text.parse::<u8>().ok().map(|part| sign * i32::from(part));
        UtcOffset::from_whole_seconds(part(hours)? * 3600 + part(minutes)? * 60).ok()
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct TaskFields {
    task_name: LooseScalar,
    taskid: LooseScalar,
    timezone: LooseScalar,
    task_start_time: LooseScalar,
    task_end_time: LooseScalar,
    estimate_send_num: LooseScalar,
    send_success_num: LooseScalar,
    send_error_num: LooseScalar,
}

impl From<TaskFields> for SendTask {
    fn from(fields: TaskFields) -> Self {
        let zone = fields.timezone.zone();
        Self {
            id: fields.taskid.text(),
            name: fields.task_name.text(),
            estimated: fields.estimate_send_num.count(),
            sent: fields.send_success_num.count(),
            failed: fields.send_error_num.count(),
            started_at: fields.task_start_time.time(zone),
            ended_at: fields.task_end_time.time(zone),
        }
    }
}

/// The request names `recipient` what the answer names `recipient_id`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RecordFields {
    task_name: LooseScalar,
    error_code: LooseScalar,
    timezone: LooseScalar,
    messageid: LooseScalar,
    taskid: LooseScalar,
    recipient_id: LooseScalar,
    recipient: LooseScalar,
    send_agentid: LooseScalar,
    send_time: LooseScalar,
    sender: LooseScalar,
    status_update_time: LooseScalar,
}

impl From<RecordFields> for SendRecord {
    fn from(fields: RecordFields) -> Self {
        let zone = fields.timezone.zone();
        let ids = fields.messageid.0.split(',').map(str::trim).filter(|id| !id.is_empty());
        let recipient = Some(fields.recipient_id.text()).filter(|id| !id.is_empty());
        Self {
            message_ids: ids.map(str::to_owned).collect(),
            task_id: fields.taskid.text(),
            task_name: fields.task_name.text(),
            error_code: fields.error_code.text(),
            recipient: recipient.unwrap_or_else(|| fields.recipient.text()),
            agent_id: fields.send_agentid.text(),
            sender: fields.sender.text(),
            sent_at: fields.send_time.time(zone),
            updated_at: fields.status_update_time.time(zone),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::{date, datetime};

    use super::*;

    const TASKS: &str = r#"{
        "items": [
            {"task_name": "走查", "send_error_num": 2, "estimate_send_num": 2, "task_source": 1, "timezone": "GMT+08:00",
             "task_end_time": "2024-07-10 20:11:15", "send_success_num": 0, "send_time_type": 1,
             "taskid": "aa8eb4e79d8b46efaf4320622faf8e8d", "task_start_time": "2024-07-10 20:10:12"},
            {"task_name": "群发123123", "send_error_num": 6, "estimate_send_num": 7, "task_source": 1,
             "timezone": "GMT+08:00", "task_end_time": "2024-07-03 13:55:15", "send_success_num": 1, "send_time_type": 1,
             "taskid": "4ce03cb9585a4c7a941688dda8a695db", "task_start_time": "2024-07-03 13:54:59"}
        ],
        "page_count": 5, "page_no": 1, "page_size": 2, "ret_code": "000000", "ret_msg": "操作成功", "total_count": 9
    }"#;
    const RECORDS: &str = r#"{
        "items": [
            {"task_name": "test", "send_time": 1720614015369, "sender": "2005652357", "timezone": "GMT+08:00",
             "messageid": "", "error_code": "999999", "send_agentid": "67bb2e6ec79b4a43a2e235d6c7256fb0",
             "taskid": "cdd8d20360b54aae9f73bc71296bbdcb", "recipient_id": "131231",
             "status_update_time": 1720614015369},
            {"task_name": "群发123123", "send_time": 1719986115534, "sender": "2005652357", "timezone": "GMT+08:00",
             "messageid": "515320261680824337,515320261478973734", "error_code": "000000",
             "send_agentid": "3bdc079ab21d4db1847e36ae752e1048", "taskid": "4ce03cb9585a4c7a941688dda8a695db",
             "recipient_id": "Uf0246987876aea9a6b1e6cd7e3cd81c9", "status_update_time": 1719986115534}
        ],
        "page_count": 2, "page_no": 1, "page_size": 12, "ret_code": "000000", "ret_msg": "操作成功", "total_count": 19
    }"#;

    fn of<T: DeserializeOwned>(item: &str) -> T {
        serde_json::from_str(item).unwrap()
    }

    #[test]
    fn the_printed_tasks_are_read() {
        let page = page::<SendTask>(TASKS).unwrap();
        assert_eq!((page.page_count, page.total_count, page.items.len()), (Some(5), Some(9), 2));
        let expected = SendTask {
            id: "4ce03cb9585a4c7a941688dda8a695db".to_owned(),
            name: "群发123123".to_owned(),
            estimated: Some(7),
            sent: Some(1),
            failed: Some(6),
            started_at: Some(datetime!(2024-07-03 13:54:59 +8)),
            ended_at: Some(datetime!(2024-07-03 13:55:15 +8)),
        };
        assert_eq!(page.items[1], expected);
    }

    #[test]
    fn the_printed_records_are_read() {
        let page = page::<SendRecord>(RECORDS).unwrap();
        assert_eq!((page.page_count, page.total_count), (Some(2), Some(19)));
        let [failed, sent] = &page.items[..] else { panic!("two records") };
        assert!(!failed.was_sent() && failed.message_ids.is_empty());
        assert_eq!((failed.error_code.as_str(), failed.recipient.as_str()), ("999999", "131231"));
        assert_eq!(failed.sent_at, Some(datetime!(2024-07-10 12:20:15.369 UTC)));
        assert!(sent.was_sent());
        assert_eq!(sent.message_ids, ["515320261680824337", "515320261478973734"]);
        assert_eq!(sent.recipient, "Uf0246987876aea9a6b1e6cd7e3cd81c9");
    }

    #[test]
    fn text_and_numbers_are_the_same_and_no_digit_is_lost() {
        let task: SendTask = of(
            r#"{"taskid": 1123412432341234123412431, "task_name": 7, "estimate_send_num": "7", "send_success_num": " 1 ",
                "send_error_num": null, "task_start_time": 1714295033250, "task_end_time": "1714295033250"}"#,
        );
        assert_eq!((task.id.as_str(), task.name.as_str()), ("1123412432341234123412431", "7"));
        assert_eq!((task.estimated, task.sent, task.failed), (Some(7), Some(1), None));
        assert_eq!(task.started_at, Some(datetime!(2024-04-28 09:03:53.25 UTC)));
        assert_eq!(task.ended_at, task.started_at);
        let record: SendRecord = of(
            r#"{"messageid": 111111222222222333333333, "error_code": 0, "recipient": 12345678, "send_time": "2024-07-10 20:10:12"}"#,
        );
        assert_eq!(record.message_ids, ["111111222222222333333333"]);
        assert!(record.was_sent());
        assert_eq!(record.recipient, "12345678");
        assert_eq!(record.sent_at, Some(datetime!(2024-07-10 20:10:12 +8)), "Sobot's zone");
        assert_eq!(of::<SendTask>("{}").estimated, None);
        assert!(serde_json::from_str::<SendTask>(r#"{"taskid": {}}"#).is_err());
    }

    #[test]
    fn a_zone_is_never_guessed() {
        let start = |zone: &str| {
            of::<SendTask>(&json!({ "timezone": zone, "task_start_time": "2024-07-10 20:00:00" }).to_string())
                .started_at
        };
        let hour = |zone| start(zone).map(|time| time.to_offset(UtcOffset::UTC).hour());
        for (zone, expected) in
            [("GMT+08:00", 12), ("GMT+8", 12), ("UTC+09:00", 11), ("-03:30", 23), ("GMT", 20), ("", 12)]
        {
            assert_eq!(hour(zone), Some(expected), "{zone}");
        }
        for zone in ["Asia/Shanghai", "CST", "GMT+99:00", "8"] {
            assert_eq!(hour(zone), None, "{zone}");
        }
    }

    #[test]
    fn a_page_may_be_empty_and_its_numbers_text() {
        let empty = page::<SendTask>(r#"{"items": null, "page_count": "0", "total_count": "0", "ret_code": "000000"}"#);
        assert_eq!(
            empty.unwrap(),
            SobotPage { items: Vec::new(), left_out: 0, page_count: Some(0), total_count: Some(0) }
        );
        assert!(page::<SendTask>(r#"{"ret_code": "000000"}"#).unwrap().items.is_empty());
        for body in [r#"{"total_count": 3}"#, r#"{"items": [7]}"#, r#"{"items": {}}"#, ""] {
            assert!(page::<SendTask>(body).is_none(), "{body}");
        }
        let one_bad = page::<SendTask>(r#"{"items": [{"taskid": "1"}, 7, {"taskid": "a\ud83d"}]}"#).unwrap();
        assert_eq!(one_bad.items.iter().map(|task| task.id.as_str()).collect::<Vec<_>>(), ["1", "a\u{FFFD}"]);
        assert_eq!(one_bad.left_out, 1);
    }

    #[test]
    fn a_query_has_the_documented_names_and_types() {
        let time = Some(Span::day(date!(2026 - 09 - 07)));
        let (first, last) = (1_788_710_400_000_i64, 1_788_796_799_999_i64);
        assert_eq!(
            json!(TaskQuery { time, sender: Some("123456".to_owned()), task_name: None }),
            json!({ "task_start_time": first, "task_end_time": last, "sender": "123456" })
        );
        let records = RecordQuery {
            time,
            message_status: Some(MessageStatus::Failed),
            task_id: Some("1123412432341234123412431".to_owned()),
            ..RecordQuery::default()
        };
        let expected = json!({ "send_start_time": first, "send_end_time": last, "message_status": "9",
            "taskid": "1123412432341234123412431" });
        assert_eq!(json!(records), expected);
        assert_eq!(json!(TaskQuery::default()), json!({}));
        let since = Span::since(date!(2026 - 09 - 07));
        let open = TaskQuery { time: Some(since), ..TaskQuery::default() };
        assert_eq!(json!(open), json!({ "task_start_time": first }));
        let last = datetime!(2026-09-07 23:59:59.999 +8);
        assert!(Span::day(date!(2026 - 09 - 07)).has(last) && since.has(last + time::Duration::DAY));
        assert!(!Span::day(date!(2026 - 09 - 07)).has(last + time::Duration::MILLISECOND));
    }
}
