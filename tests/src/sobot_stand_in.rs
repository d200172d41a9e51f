//! A stand-in for Sobot's API on a loopback port: the token, which ends the former one, and the content of messages. Errors
//! come as Sobot documents them, as `ret_code` under HTTP 200 (Sobot: "LINE API").
//!
//! What Sobot forwards, [`crate::webhook_sender`] sends.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::{
    channel_key::{random_bytes, random_uuid},
    http_server::{Answer, HttpServer},
};

/// What the page shows as the answer of get_media_content. It is no JSON.
pub const PRINTED_MEDIA_ANSWER: &str = include_str!("../fixtures/sobot/media-answer.txt");

const TOKEN_PATH: &str = "/api/get_token";
const MEDIA_PATH: &str = "/chat-line/api/line/get_media_content";
/// How far `create_time` may be off. Sobot does not say; a signature that is good for ever would be none.
const MAX_AGE_SECONDS: u64 = 300;

/// A running stand-in; clones are handles to the same one, and the last one dropped closes the port.
#[derive(Clone)]
pub struct SobotStandIn {
    state: Arc<Mutex<State>>,
    server: Arc<HttpServer>,
}

struct State {
    app_id: String,
    app_key: String,
    webhook_key: String,
    channel_id: String,
    /// The one that is valid.
    token: Option<String>,
    tokens_issued: usize,
    token_item: fn(&str) -> Value,
    token_answers: VecDeque<String>,
    media_answers: HashMap<String, VecDeque<String>>,
    media_asked: Vec<String>,
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
            tokens_issued: 0,
            token_item: |token| json!({ "token": token, "expires_in": "86400" }),
            token_answers: VecDeque::new(),
            media_answers: HashMap::new(),
            media_asked: Vec::new(),
        }));
        let serving = Arc::clone(&state);
        let server = HttpServer::start(move |request| {
            let answer: Answer = Ok(lock(&serving).answer(&request));
            async move { answer }
        })
        .await?;
        Ok(Self { state, server: Arc::new(server) })
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

    /// The key in the address that Sobot forwards to.
    pub fn webhook_key(&self) -> String {
        self.lock().webhook_key.clone()
    }

    /// How many tokens were given out.
    pub fn tokens_issued(&self) -> usize {
        self.lock().tokens_issued
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

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let body = match (request.method(), request.uri().path()) {
            (&Method::GET, TOKEN_PATH) => self.token(&query),
            (&Method::GET, MEDIA_PATH) => match request.headers().get("token").and_then(|token| token.to_str().ok()) {
                None | Some("") => error("900001", "token 为空"),
                token if token != self.token.as_deref() => error("900002", "token 已失效，请重新获取"),
                _ => self.media(&query),
            },
            _ => {
                let mut response = Response::new(Bytes::from("<html>Not Found</html>"));
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            }
        };
        let mut response = Response::new(Bytes::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        response
    }

    fn token(&mut self, query: &BTreeMap<String, String>) -> String {
        let [app_id, create_time, sign] =
            ["appid", "create_time", "sign"].map(|name| query.get(name).map_or("", String::as_str));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let in_time = create_time.len() == 10
            && create_time.parse::<u64>().is_ok_and(|created| created.abs_diff(now) <= MAX_AGE_SECONDS);
        if app_id != self.app_id || !in_time || sign != md5(&format!("{app_id}{create_time}{}", self.app_key)) {
            return error("999994", "参数异常，请检查");
        }
        if let Some(scripted) = self.token_answers.pop_front() {
            return scripted;
        }
        let token = random_uuid().simple().to_string();
        let item = (self.token_item)(&token);
        self.token = Some(token);
        self.tokens_issued += 1;
        json!({ "item": item, "ret_code": "000000", "ret_msg": "操作成功" }).to_string()
    }

    fn media(&mut self, query: &BTreeMap<String, String>) -> String {
        let Some(message_id) = query.get("messageid") else { return error("999994", "参数异常，请检查") };
        if query.get("appid") != Some(&self.channel_id) {
            return error("999994", "参数异常，请检查");
        }
        self.media_asked.push(message_id.clone());
        let scripted = self.media_answers.get_mut(message_id).and_then(VecDeque::pop_front);
        scripted.unwrap_or_else(|| PRINTED_MEDIA_ANSWER.to_owned())
    }
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
}
