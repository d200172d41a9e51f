//! A stand-in for Sobot's API on a loopback port: the token, which ends the former one, the content of
//! messages, the lists of mass sends and of their records. Errors come as Sobot documents them, as `ret_code`
//! under HTTP 200 (Sobot: "LINE API").
//!
//! What Sobot forwards, [`crate::line::webhook_sender`] sends.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use md5::{Digest as _, Md5};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{
    OffsetDateTime,
    macros::{format_description, offset},
};

use crate::{
    api::http_server::{Answer, HangUp, HttpServer},
    random::{random_bytes, random_uuid},
    wire::{Wire, partner_call, take_caller},
};

/// What the page shows as the answer of get_media_content. It is no JSON.
pub const PRINTED_MEDIA_ANSWER: &str = include_str!("printed/media-answer.txt");

const TOKEN_PATH: &str = "/api/get_token";
const MEDIA_PATH: &str = "/chat-line/api/line/get_media_content";
/// More items are on no page.
const MAX_PAGE_SIZE: usize = 100;
/// How far `create_time` may be off. Sobot does not say; a signature that is good for ever would be none.
const MAX_AGE_SECONDS: u64 = 300;

/// Sobot's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// `query_task_list`.
    Tasks,
    /// `send_record_list`.
    Records,
}

impl List {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/chat-set/api/line/query_task_list" => Some(Self::Tasks),
            "/chat-set/api/line/send_record_list" => Some(Self::Records),
            _ => None,
        }
    }
}

/// What happens to a valid request for a list.
#[derive(Clone, Debug)]
pub enum ListBehaviour {
    /// It is answered.
    Answered,
    /// This body.
    Answer(String),
    /// No answer: the connection is closed.
    HangUp,
}

/// A mass send.
#[derive(Clone, Debug)]
pub struct Task {
    /// `taskid`.
    pub id: String,
    /// `task_name`.
    pub name: String,
    /// Its beginning.
    pub start: OffsetDateTime,
    /// Its end; none while it is being sent.
    pub end: Option<OffsetDateTime>,
    /// To be sent, sent, failed.
    pub counts: [u64; 3],
    /// The official account that sends it, which can be asked for and is not told.
    pub sender: &'static str,
}

/// One recipient's message.
#[derive(Clone, Debug)]
pub struct SendRecord {
    /// `taskid`.
    pub task_id: String,
    /// `task_name`.
    pub task_name: String,
    /// When it was sent.
    pub time: OffsetDateTime,
    /// What can be asked for and is not told: `0`, `1`, `2` or `9`.
    pub status: &'static str,
    /// `000000` or `999999`.
    pub error_code: &'static str,
    /// `sender`: the official account.
    pub sender: &'static str,
}

/// The official account of what is sent, unless another is said.
pub const SENDER: &str = "2005652357";
/// Who gets every message.
const RECIPIENT: &str = "131231";
/// Who sends every message.
const AGENT: &str = "67bb2e6ec79b4a43a2e235d6c7256fb0";
/// LINE's ids of every message that was sent.
const MESSAGE_IDS: [&str; 2] = ["515320261680824337", "515320261478973734"];

/// Sobot's id of the task of a name: 32 hexadecimal digits.
pub fn task_id(name: &str) -> String {
    md5(name)
}

impl Task {
    /// A task that takes a minute.
    pub fn new(name: &str, start: OffsetDateTime, counts: [u64; 3]) -> Self {
        let end = Some(start + time::Duration::MINUTE);
        Self { id: task_id(name), name: name.to_owned(), start, end, counts, sender: SENDER }
    }
}

impl SendRecord {
    /// A message of the task of this name, which was sent unless its status is `9`.
    pub fn new(task_name: &str, time: OffsetDateTime, status: &'static str) -> Self {
        let error_code = if status == "9" { "999999" } else { "000000" };
        let (task_id, task_name) = (task_id(task_name), task_name.to_owned());
        Self { task_id, task_name, time, status, error_code, sender: SENDER }
    }
}

/// The filters that are asked with, all documented and no other.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    #[serde(default = "one")]
    page_no: usize,
    #[serde(default = "fifteen")]
    page_size: usize,
    #[serde(alias = "send_start_time")]
    task_start_time: Option<i64>,
    #[serde(alias = "send_end_time")]
    task_end_time: Option<i64>,
    message_status: Option<String>,
    taskid: Option<String>,
    task_name: Option<String>,
    messageid: Option<String>,
    send_agentid: Option<String>,
    sender: Option<String>,
    recipient: Option<String>,
}

fn one() -> usize {
    1
}

fn fifteen() -> usize {
    15
}

/// A running stand-in; clones are handles to the same one, and the last one dropped closes the port.
#[derive(Clone)]
pub struct SobotStandIn {
    state: Arc<Mutex<State>>,
    server: Arc<HttpServer>,
    wire: Wire,
}

struct State {
    app_id: String,
    app_key: String,
    webhook_key: String,
    /// LINE's id of the channel, or Sobot's own where it has one.
    channel_id: String,
    /// The one that is valid.
    token: Option<String>,
    tokens_issued: Vec<String>,
    token_item: fn(&str) -> Value,
    token_answers: VecDeque<String>,
    media_answers: HashMap<String, VecDeque<String>>,
    media_asked: Vec<String>,
    tasks: Vec<Task>,
    records: Vec<SendRecord>,
    list_behaviours: HashMap<List, VecDeque<ListBehaviour>>,
    lists_asked: Vec<(List, Value)>,
}

impl SobotStandIn {
    /// Starts with a credential of its own, for the LINE channel of this id.
    pub async fn start(channel_id: String) -> anyhow::Result<Self> {
        let random = || random_uuid().simple().to_string();
        let state = Arc::new(Mutex::new(State {
            app_id: random(),
            app_key: random(),
            webhook_key: random_bytes::<24>().iter().map(|byte| format!("{byte:02x}")).collect(),
            channel_id,
            token: None,
            tokens_issued: Vec::new(),
            token_item: |token| json!({ "token": token, "expires_in": "86400" }),
            token_answers: VecDeque::new(),
            media_answers: HashMap::new(),
            media_asked: Vec::new(),
            tasks: Vec::new(),
            records: Vec::new(),
            list_behaviours: HashMap::new(),
            lists_asked: Vec::new(),
        }));
        let wire = Wire::default();
        let (serving, passing) = (Arc::clone(&state), wire.clone());
        let server = HttpServer::start(move |mut request| {
            let (state, wire) = (Arc::clone(&serving), passing.clone());
            async move {
                let caller = take_caller(&mut request);
                let call = partner_call(&request, caller);
                wire.pass(call, false, move || async move { lock(&state).answer(&request) }).await
            }
        })
        .await?;
        Ok(Self { state, server: Arc::new(server), wire })
    }

    /// What the calls to it pass through.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// `http://127.0.0.1:port`, to be used for `https://sg.sobot.com`.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// What the back end reads from its secret store.
    pub fn secret(&self) -> Value {
        let state = self.lock();
        json!({ "appId": state.app_id, "appKey": state.app_key, "webhookKeys": { "current": state.webhook_key } })
    }

    /// Sobot's own id of the LINE channel from now on, in place of LINE's.
    pub fn set_channel_id(&self, id: &str) {
        self.lock().channel_id = id.to_owned();
    }

    /// The key in the address that Sobot forwards to.
    pub fn webhook_key(&self) -> String {
        self.lock().webhook_key.clone()
    }

    /// How many tokens were given out.
    pub fn tokens_issued(&self) -> usize {
        self.lock().tokens_issued.len()
    }

    /// The tokens that were given out.
    pub fn tokens(&self) -> Vec<String> {
        self.lock().tokens_issued.clone()
    }

    /// Somebody else fetches a token, which ends ours.
    pub fn end_the_token(&self) {
        self.lock().token = Some(random_uuid().simple().to_string());
    }

    /// Changes how the token's answer looks.
    pub fn shape_tokens(&self, item: fn(&str) -> Value) {
        self.lock().token_item = item;
    }

    /// The next requests for a token get these bodies instead.
    pub fn script_tokens(&self, bodies: impl IntoIterator<Item = String>) {
        self.lock().token_answers.extend(bodies);
    }

    /// The next valid requests for this message's content get these bodies; otherwise it is [`PRINTED_MEDIA_ANSWER`].
    pub fn script_media(&self, message_id: &str, bodies: impl IntoIterator<Item = String>) {
        self.lock().media_answers.entry(message_id.to_owned()).or_default().extend(bodies);
    }

    /// How often this message's content was asked for with a valid token.
    pub fn media_asked(&self, message_id: &str) -> usize {
        self.lock().media_asked.iter().filter(|asked| *asked == message_id).count()
    }

    /// The mass sends that there are.
    pub fn set_tasks(&self, tasks: impl IntoIterator<Item = Task>) {
        self.lock().tasks = tasks.into_iter().collect();
    }

    /// What became of their messages.
    pub fn set_records(&self, records: impl IntoIterator<Item = SendRecord>) {
        self.lock().records = records.into_iter().collect();
    }

    /// The next requests for this list with a valid token are treated so.
    pub fn script_list(&self, list: List, behaviours: impl IntoIterator<Item = ListBehaviour>) {
        self.lock().list_behaviours.entry(list).or_default().extend(behaviours);
    }

    /// The bodies of the requests for this list with a valid token, in their order.
    pub fn list_asked(&self, list: List) -> Vec<Value> {
        self.lock().lists_asked.iter().filter(|(asked, _)| *asked == list).map(|(_, body)| body.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Answer {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let token_error = || match request.headers().get("token").and_then(|token| token.to_str().ok()) {
            None | Some("") => Some(error("900001", "token 为空")),
            token if token != self.token.as_deref() => Some(error("900002", "token 已失效，请重新获取")),
            _ => None,
        };
        let path = request.uri().path();
        let body = match (request.method(), path, List::at(path)) {
            (&Method::GET, TOKEN_PATH, _) => self.token(&query),
            (&Method::GET, MEDIA_PATH, _) => token_error().unwrap_or_else(|| self.media(&query)),
            (&Method::POST, _, Some(list)) => match token_error() {
                Some(error) => error,
                None => self.list(list, request)?,
            },
            _ => {
                let mut response = Response::new(Bytes::from("<html>Not Found</html>"));
                *response.status_mut() = StatusCode::NOT_FOUND;
                return Ok(response);
            }
        };
        let mut response = Response::new(Bytes::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        Ok(response)
    }

    fn token(&mut self, query: &BTreeMap<String, String>) -> String {
        let [app_id, create_time, sign] =
            ["appid", "create_time", "sign"].map(|name| query.get(name).map_or("", String::as_str));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let in_time = create_time.len() == 10
            && create_time.parse::<u64>().is_ok_and(|created| created.abs_diff(now) <= MAX_AGE_SECONDS);
        if app_id != self.app_id || !in_time || sign != md5(&format!("{app_id}{create_time}{}", self.app_key)) {
            return bad_parameters();
        }
        if let Some(scripted) = self.token_answers.pop_front() {
            return scripted;
        }
        let token = random_uuid().simple().to_string();
        let item = (self.token_item)(&token);
        self.tokens_issued.push(token.clone());
        self.token = Some(token);
        json!({ "item": item, "ret_code": "000000", "ret_msg": "操作成功" }).to_string()
    }

    fn media(&mut self, query: &BTreeMap<String, String>) -> String {
        let Some(message_id) = query.get("messageid") else { return bad_parameters() };
        if query.get("appid") != Some(&self.channel_id) {
            return bad_parameters();
        }
        self.media_asked.push(message_id.clone());
        let scripted = self.media_answers.get_mut(message_id).and_then(VecDeque::pop_front);
        scripted.unwrap_or_else(|| PRINTED_MEDIA_ANSWER.to_owned())
    }
}

impl State {
    fn list(&mut self, list: List, request: &Request<Bytes>) -> Result<String, HangUp> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        self.lists_asked.push((list, body.clone()));
        match self.list_behaviours.get_mut(&list).and_then(VecDeque::pop_front) {
            Some(ListBehaviour::Answer(scripted)) => return Ok(scripted),
            Some(ListBehaviour::HangUp) => return Err(HangUp),
            Some(ListBehaviour::Answered) | None => {}
        }
        let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        let other_lists_names: &[&str] = match list {
            List::Tasks => &[
                "send_start_time",
                "send_end_time",
                "message_status",
                "taskid",
                "messageid",
                "send_agentid",
                "recipient",
            ],
            List::Records => &["task_start_time", "task_end_time"],
        };
        let Ok(query) = serde_json::from_value::<ListQuery>(body.clone()) else { return Ok(bad_parameters()) };
        let status_is_known =
            query.message_status.as_deref().is_none_or(|status| ["0", "1", "2", "9"].contains(&status));
        if !is_json
            || other_lists_names.iter().any(|name| body.get(name).is_some())
            || !(1..=MAX_PAGE_SIZE).contains(&query.page_size)
            || query.page_no == 0
            || !status_is_known
        {
            return Ok(bad_parameters());
        }
        let in_time = |time: OffsetDateTime| {
            let milliseconds = i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
            query.task_start_time.is_none_or(|start| start <= milliseconds)
                && query.task_end_time.is_none_or(|end| milliseconds <= end)
        };
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let items: Vec<Value> = match list {
            List::Tasks => {
                let wanted = |task: &&Task| {
                    // `task_end_time` may bound the beginning or the end of a task, Sobot does not say: both are.
                    in_time(task.start)
                        && (query.task_end_time.is_none() || task.end.is_some_and(in_time))
                        && is(&query.task_name, &task.name)
                        && is(&query.sender, task.sender)
                };
                self.tasks.iter().filter(wanted).enumerate().map(|(place, task)| task.item(place)).collect()
            }
            List::Records => {
                let wanted = |record: &&SendRecord| {
                    in_time(record.time)
                        && is(&query.message_status, record.status)
                        && is(&query.taskid, &record.task_id)
                        && is(&query.task_name, &record.task_name)
                        && is(&query.send_agentid, AGENT)
                        && is(&query.sender, record.sender)
                        && is(&query.recipient, RECIPIENT)
                        && query.messageid.as_deref().is_none_or(|id| record.was_sent() && MESSAGE_IDS.contains(&id))
                };
                self.records.iter().filter(wanted).enumerate().map(|(place, record)| record.item(place)).collect()
            }
        };
        let on_page = items.iter().skip((query.page_no - 1) * query.page_size).take(query.page_size);
        Ok(json!({
            "items": on_page.collect::<Vec<_>>(),
            "page_count": items.len().div_ceil(query.page_size),
            "page_no": query.page_no,
            "page_size": query.page_size,
            "total_count": items.len(),
            "ret_code": "000000",
            "ret_msg": "操作成功",
        })
        .to_string())
    }
}

impl Task {
    /// In one of the shapes of Sobot's page, by its place in the list: numbers are numbers, or text as in the token's
    /// answer; what is not known yet is null, or empty.
    fn item(&self, place: usize) -> Value {
        let text = |time: OffsetDateTime| {
            let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
            time.to_offset(offset!(+8)).format(&format).expect("a time that can be written")
        };
        let is_odd = place % 2 == 1;
        let [estimated, sent, failed] =
            self.counts.map(|count| if is_odd { json!(count.to_string()) } else { json!(count) });
        let end = match self.end {
            Some(end) => json!(text(end)),
            None if is_odd => json!(""),
            None => Value::Null,
        };
        json!({
            "task_name": self.name,
            "send_error_num": failed,
            "estimate_send_num": estimated,
            "task_source": 1,
            "timezone": "GMT+08:00",
            "task_end_time": end,
            "send_success_num": sent,
            "send_time_type": 1,
            "taskid": self.id,
            "task_start_time": text(self.start),
        })
    }
}

impl SendRecord {
    fn was_sent(&self) -> bool {
        self.error_code == "000000"
    }

    /// In one of the shapes of Sobot's page, by its place in the list: times are numbers, or text as in its request;
    /// a message that was not sent has no id, or an empty one.
    fn item(&self, place: usize) -> Value {
        let is_odd = place % 2 == 1;
        let time = self.time.unix_timestamp() * 1000;
        let time = if is_odd { json!(time.to_string()) } else { json!(time) };
        let message_ids = match self.was_sent() {
            true => json!(MESSAGE_IDS.join(",")),
            false if is_odd => Value::Null,
            false => json!(""),
        };
        json!({
            "task_name": self.task_name,
            "send_time": time,
            "sender": self.sender,
            "timezone": "GMT+08:00",
            "messageid": message_ids,
            "error_code": self.error_code,
            "send_agentid": AGENT,
            "taskid": self.task_id,
            "recipient_id": RECIPIENT,
            "status_update_time": time,
        })
    }
}

fn bad_parameters() -> String {
    error("999994", "参数异常，请检查")
}

/// An error as Sobot documents it.
pub fn error(code: &str, text: &str) -> String {
    json!({ "ret_code": code, "ret_msg": text }).to_string()
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(sobot: &SobotStandIn, path: &str, query: &[(&str, &str)], token: Option<&str>) -> Value {
        let mut request = reqwest::Client::new().get(format!("{}{path}", sobot.base_url())).query(query);
        if let Some(token) = token {
            request = request.header("token", token);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(json!({ "ret_code": "no JSON" }))
    }

    async fn fetch(sobot: &SobotStandIn, offset: i64) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + offset;
        let (secret, now) = (sobot.secret(), now.to_string());
        let (id, key) = (secret["appId"].as_str().unwrap(), secret["appKey"].as_str().unwrap());
        let sign = md5(&format!("{id}{now}{key}"));
        get(sobot, TOKEN_PATH, &[("appid", id), ("create_time", &now), ("sign", &sign)], None).await
    }

    #[tokio::test]
    async fn each_token_ends_the_former_one() {
        let sobot = SobotStandIn::start("7".to_owned()).await.unwrap();
        let media = async |token: Option<&str>| {
            let answer = get(&sobot, MEDIA_PATH, &[("messageid", "1"), ("appid", "7")], token).await;
            answer["ret_code"].as_str().unwrap().to_owned()
        };
        let first = fetch(&sobot, 0).await["item"]["token"].as_str().unwrap().to_owned();
        assert_eq!(media(Some(&first)).await, "no JSON", "the answer as it is printed");
        let second = fetch(&sobot, 0).await["item"]["token"].as_str().unwrap().to_owned();
        assert_eq!(media(Some(&first)).await, "900002");
        assert_eq!(media(None).await, "900001");
        sobot.script_media("1", [error("999999", "x")]);
        assert_eq!(media(Some(&second)).await, "999999");
        let wrong = get(&sobot, MEDIA_PATH, &[("messageid", "1"), ("appid", "8")], Some(&second)).await;
        assert_eq!(wrong["ret_code"], "999994");
        assert_eq!((sobot.tokens_issued(), sobot.media_asked("1")), (2, 2));
    }

    #[tokio::test]
    async fn a_wrong_or_old_signature_gets_no_token() {
        let sobot = SobotStandIn::start("7".to_owned()).await.unwrap();
        assert_eq!(fetch(&sobot, -400).await["ret_code"], "999994");
        let query = [("appid", "1"), ("create_time", "1569397773"), ("sign", "258eec3118705112b2c53dc8043d4d34")];
        assert_eq!(get(&sobot, TOKEN_PATH, &query, None).await["ret_code"], "999994");
        assert_eq!(sobot.tokens_issued(), 0);
    }

    #[tokio::test]
    async fn a_list_is_paged_filtered_and_strict() {
        let sobot = SobotStandIn::start("7".to_owned()).await.unwrap();
        let token = fetch(&sobot, 0).await["item"]["token"].as_str().unwrap().to_owned();
        let ask = async |list: &str, body: Value| -> Value {
            let url = format!("{}/chat-set/api/line/{list}", sobot.base_url());
            let answer = reqwest::Client::new().post(url).header("token", &token).json(&body).send().await.unwrap();
            serde_json::from_str(&answer.text().await.unwrap()).unwrap()
        };
        let start = OffsetDateTime::UNIX_EPOCH;
        let task = |number: i64| Task::new(&number.to_string(), start + time::Duration::seconds(number), [7, 1, 6]);
        sobot.set_tasks((0..31).map(task));
        let third = ask("query_task_list", json!({ "page_no": 3 })).await;
        let numbers = ["page_count", "page_no", "page_size", "total_count"].map(|name| third[name].as_u64().unwrap());
        assert_eq!((numbers, third["items"].as_array().unwrap().len()), ([3, 3, 15, 31], 1));
        assert_eq!(third["items"][0]["task_start_time"], "1970-01-01 08:00:30");
        let query = json!({ "task_start_time": 1000, "task_end_time": 62_000, "page_size": 100 });
        let two = ask("query_task_list", query).await;
        assert_eq!(two["total_count"], 2, "those that began and ended in that time");
        assert_eq!([&two["items"][0]["send_error_num"], &two["items"][1]["send_error_num"]], [&json!(6), &json!("6")]);
        assert_eq!(two["items"][0]["taskid"], "c4ca4238a0b923820dcc509a6f75849b", "as long as Sobot's own");
        for (list, wrong) in [
            ("query_task_list", json!({ "page_size": 101 })),
            ("query_task_list", json!({ "page_no": 0 })),
            ("query_task_list", json!({ "send_start_time": 1 })),
            ("query_task_list", json!({ "messageid": "1" })),
            ("query_task_list", json!({ "pageNo": 1 })),
            ("send_record_list", json!({ "task_start_time": 1 })),
            ("send_record_list", json!({ "message_status": "3" })),
            ("send_record_list", json!({ "message_status": 9 })),
        ] {
            assert_eq!(ask(list, wrong.clone()).await["ret_code"], "999994", "{wrong}");
        }
        assert_eq!(sobot.list_asked(List::Tasks).len(), 7, "with those that were refused");
    }
}
