//! A stand-in for api.line.me on a loopback port. It enforces what LINE documents: a request LINE would refuse is
//! refused here, and what LINE would deliver can be read as the customer sees it.
//!
//! * `login` - LINE Login: the screens, the code, the ID token, the tokens, the friendship, the end of a grant
//! * `channel_token` - channel access tokens by signed assertion
//! * `push` - the push endpoint: retry keys, quota, delivery; `push_rules` and `flex_rules` - its body
//! * `content` - the content endpoint of api-data.line.me: what a message's picture, video, sound or file holds
//! * `profile` - the profile endpoint, which tells of friends only
//! * `statistics` - what LINE counted
//! * `scripts` - what a test wants LINE to do wrong, and held requests
//! * `json_node`, `strict_json` - reading a body and naming what is wrong in it
//! * [`channel_key`] - a fresh assertion signing key
//! * [`webhook_sender`] - webhooks as LINE signs and Sobot forwards them
//! * [`screen`] - a received message as the customer sees it, for a terminal
//!
//! Not enforced: the rate limits (script [`Behaviour::RateLimited`]), and group or room recipients, which are refused.

pub mod channel_key;
mod channel_token;
mod content;
mod flex_rules;
mod json_node;
mod login;
mod profile;
mod push;
mod push_rules;
pub mod screen;
mod scripts;
mod statistics;
mod strict_json;
pub mod webhook_sender;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use self::{channel_token::ChannelTokens, login::Login, push::RetryKey, statistics::Statistics};
pub use self::{
    content::Content,
    login::{Choice, Forgery},
    scripts::{Behaviour, ReleaseAs, Target},
};
use crate::{
    api::http_server::{Answer, HttpServer},
    line::channel_key::ChannelKey,
    random::{random_bytes, random_uuid},
    wire::{Wire, partner_call, take_caller},
};

const RATE_LIMIT: &str = "The API rate limit has been exceeded. Try again later.";
const MONTHLY_LIMIT: &str = "You have reached your monthly limit.";
const INVALID_TOKEN: &str = "Authentication failed due to the following reason: invalid token. Confirm that the access \
                             token in the authorization header is valid.";

/// What the stand-in answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /oauth2/v2.1/token` with an assertion
    Token,
    /// `POST /oauth2/v2.1/token` with a login's code or refresh token; scripted by [`Target::Login`]
    Exchange,
    /// `POST /oauth2/v3/token`
    StatelessToken,
    /// `GET /friendship/v1/status`; scripted by [`Target::Login`]
    Friendship,
    /// `POST /user/v1/deauthorize`; scripted by [`Target::Login`]
    Deauthorize,
    /// `POST /oauth2/v2.1/revoke`
    Revoke,
    /// `POST /v2/bot/message/push`; scripted by recipient.
    Push,
    /// `POST /v2/bot/message/validate/push`
    ValidatePush,
    /// `GET /v2/bot/message/quota`
    Quota,
    /// `GET /v2/bot/message/quota/consumption`
    Consumption,
    /// `GET /v2/bot/profile/{userId}`; scripted by user.
    Profile,
    /// `GET /v2/bot/info`
    BotInfo,
    /// `GET /v2/bot/message/{messageId}/content`, of api-data.line.me; scripted by [`Target::Content`].
    Content,
    /// `GET /v2/bot/message/delivery/push`
    PushesOfDay,
    /// `GET /v2/bot/insight/message/delivery`
    MessagesOfDay,
    /// `GET /v2/bot/insight/followers`
    Followers,
    /// `GET /v2/bot/insight/message/event/aggregation`
    UnitEvents,
    /// `GET /v2/bot/insight/message/event`
    BroadcastEvents,
}

impl Endpoint {
    fn find(method: &Method, path: &str) -> Result<Self, StatusCode> {
        let (allowed, endpoint) = match path {
            "/oauth2/v3/token" => (Method::POST, Self::StatelessToken),
            "/friendship/v1/status" => (Method::GET, Self::Friendship),
            "/user/v1/deauthorize" => (Method::POST, Self::Deauthorize),
            "/oauth2/v2.1/token" => (Method::POST, Self::Token),
            "/oauth2/v2.1/revoke" => (Method::POST, Self::Revoke),
            "/v2/bot/message/push" => (Method::POST, Self::Push),
            "/v2/bot/message/validate/push" => (Method::POST, Self::ValidatePush),
            "/v2/bot/message/quota" => (Method::GET, Self::Quota),
            "/v2/bot/message/quota/consumption" => (Method::GET, Self::Consumption),
            "/v2/bot/info" => (Method::GET, Self::BotInfo),
            _ if path.starts_with(profile::PATH) => (Method::GET, Self::Profile),
            _ if content::message_id(path).is_some() => (Method::GET, Self::Content),
            "/v2/bot/message/delivery/push" => (Method::GET, Self::PushesOfDay),
            "/v2/bot/insight/message/delivery" => (Method::GET, Self::MessagesOfDay),
            "/v2/bot/insight/followers" => (Method::GET, Self::Followers),
            "/v2/bot/insight/message/event/aggregation" => (Method::GET, Self::UnitEvents),
            "/v2/bot/insight/message/event" => (Method::GET, Self::BroadcastEvents),
            _ => return Err(StatusCode::NOT_FOUND),
        };
        if *method == allowed { Ok(endpoint) } else { Err(StatusCode::METHOD_NOT_ALLOWED) }
    }

    fn needs_channel_token(self) -> bool {
        use Endpoint::{Deauthorize, Exchange, Friendship, Revoke, StatelessToken, Token};
        !matches!(self, Token | Exchange | StatelessToken | Friendship | Deauthorize | Revoke)
    }
}

/// How a user stands to the official account; everybody not marked otherwise is a friend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Gets every message.
    Friend,
    /// Pushes are accepted, delivered nowhere and not counted; there is no profile.
    Blocked,
    /// An id of another provider: pushes are refused with 400; there is no profile.
    Unknown,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not answered yet.
    Pending,
    /// Answered with this status.
    Answered(u16),
    /// The stand-in closed the connection without an answer.
    HungUp,
    /// The caller closed the connection before there was an answer.
    PeerLeft,
}

/// One HTTP request as it came in.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The `x-line-request-id` it was given.
    pub request_id: String,
    /// When it had been read.
    pub at: Instant,
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// Every header.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
    /// How it ended.
    pub outcome: Outcome,
}

impl Recorded {
    /// The status it was answered with, if it was.
    pub fn status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Answered(status) => Some(status),
            _ => None,
        }
    }

    /// Its `X-Line-Retry-Key`.
    pub fn retry_key(&self) -> Option<String> {
        Some(self.headers.get(push::RETRY_KEY)?.to_str().ok()?.to_owned())
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What one push brought to a customer's screen.
#[derive(Clone, Debug)]
pub struct Received {
    /// The `x-line-request-id` of the accepted request.
    pub request_id: String,
    /// When LINE accepted it.
    pub at: Instant,
    /// The message objects.
    pub messages: Vec<Value>,
    /// The retry key it was sent under.
    pub retry_key: Option<Uuid>,
    /// The names it counts under in the statistics.
    pub aggregation_units: Vec<String>,
    /// Whether it arrived silently.
    pub notification_disabled: bool,
}

/// A running stand-in; clones are handles to the same one, and the last one dropped closes the port.
#[derive(Clone)]
pub struct LineStandIn {
    inner: Arc<Inner>,
    server: Arc<HttpServer>,
    wire: Wire,
    key: Arc<ChannelKey>,
}

struct Inner {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

struct State {
    account: String,
    contents: HashMap<String, Content>,
    channel_id: String,
    channel_secret: String,
    started: Instant,
    tokens: ChannelTokens,
    tokens_aged: Duration,
    login: Login,
    retry_keys: HashMap<Uuid, RetryKey>,
    retry_keys_aged: Duration,
    people: HashMap<String, Person>,
    quota: Option<u64>,
    usage: u64,
    unit_names: HashSet<String>,
    statistics: Statistics,
    last_message_id: u64,
    scripts: HashMap<Target, VecDeque<Behaviour>>,
    held: HashMap<Target, VecDeque<oneshot::Sender<ReleaseAs>>>,
    requests: Vec<Recorded>,
    received: HashMap<String, Vec<Received>>,
    violations: Vec<String>,
}

impl State {
    fn token_clock(&self) -> Duration {
        self.started.elapsed() + self.tokens_aged
    }

    fn retry_key_clock(&self) -> Duration {
        self.started.elapsed() + self.retry_keys_aged
    }
}

impl LineStandIn {
    /// Starts a channel with a key, a secret and no messages sent; the server lives on the current tokio runtime.
    pub async fn start() -> anyhow::Result<Self> {
        let key = ChannelKey::generate()?;
        let channel_id = (2_000_000_000 + u64::from(u32::from_be_bytes(random_bytes())) % 1_000_000_000).to_string();
        let channel_secret = random_uuid_hex();
        let mut tokens = ChannelTokens::new(channel_id.clone(), channel_secret.clone());
        tokens.register(&key);
        let inner = Arc::new(Inner {
            state: Mutex::new(State {
                account: webhook_sender::DESTINATION.to_owned(),
                contents: HashMap::new(),
                channel_id,
                channel_secret,
                started: Instant::now(),
                tokens,
                tokens_aged: Duration::ZERO,
                login: Login::new()?,
                retry_keys: HashMap::new(),
                retry_keys_aged: Duration::ZERO,
                people: HashMap::new(),
                quota: None,
                usage: 0,
                unit_names: HashSet::new(),
                statistics: Statistics::default(),
                last_message_id: 561_230_966_842_064_897,
                scripts: HashMap::new(),
                held: HashMap::new(),
                requests: Vec::new(),
                received: HashMap::new(),
                violations: Vec::new(),
            }),
            changes: watch::Sender::new(0),
        });
        let wire = Wire::default();
        let (serving, passing) = (Arc::clone(&inner), wire.clone());
        let server = HttpServer::start(move |mut request| {
            let (inner, wire) = (Arc::clone(&serving), passing.clone());
            async move {
                let caller = take_caller(&mut request);
                let call = partner_call(&request, caller);
                wire.pass(call, false, move || async move { inner.serve(request).await }).await
            }
        })
        .await?;
        Ok(Self { inner, server: Arc::new(server), wire, key: Arc::new(key) })
    }

    /// What the calls to it pass through.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// `http://127.0.0.1:port`, to be used for `https://api.line.me`.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// From now on nobody reaches LINE: connections end, and new ones are refused.
    pub async fn go_offline(&self) {
        self.server.close().await;
    }

    /// LINE can be reached again.
    pub async fn come_online(&self) -> anyhow::Result<()> {
        self.server.open().await
    }

    /// The Messaging API channel's id.
    pub fn channel_id(&self) -> String {
        self.inner.read(|state| state.channel_id.clone())
    }

    /// The user id of the channel's account, which webhooks name as their destination.
    pub fn account(&self) -> String {
        self.inner.read(|state| state.account.clone())
    }

    /// The channel's secret, 32 hexadecimal digits.
    pub fn channel_secret(&self) -> String {
        self.inner.read(|state| state.channel_secret.clone())
    }

    /// The assertion signing key registered from the start.
    pub fn key(&self) -> &ChannelKey {
        &self.key
    }

    /// What the back end reads from its secret store: `{channelId, kid, privateKey}`.
    pub fn secret(&self) -> Value {
        json!({
            "channelId": self.channel_id(),
            "kid": self.key.kid(),
            "privateKey": self.key.private_jwk(),
        })
    }

    /// Registers one more public key, as in the console.
    pub fn register_key(&self, key: &ChannelKey) {
        self.inner.change(|state| state.tokens.register(key));
    }

    /// How many tokens the token endpoint has given out.
    pub fn tokens_issued(&self) -> usize {
        self.inner.read(|state| state.tokens.issued())
    }

    /// From now on every token issued so far gets 401.
    pub fn revoke_all_tokens(&self) {
        self.inner.change(|state| state.tokens.revoke_all());
    }

    /// Makes the issued tokens older. Retry keys stay, and assertions are always judged by the real clock.
    pub fn age_tokens(&self, by: Duration) {
        self.inner.change(|state| state.tokens_aged += by);
    }

    /// Makes LINE's memory of retry keys older; after 24 hours a key is forgotten.
    pub fn age_retry_keys(&self, by: Duration) {
        self.inner.change(|state| state.retry_keys_aged += by);
    }

    /// Lets time pass for everything the stand-in remembers: tokens and retry keys.
    pub fn advance(&self, by: Duration) {
        self.age_tokens(by);
        self.age_retry_keys(by);
    }

    /// Says how a user stands to the official account.
    pub fn mark(&self, user_id: &str, person: Person) {
        self.inner.change(|state| state.people.insert(user_id.to_owned(), person));
    }

    /// The month's ceiling of messages; `None` for a plan without one, as at the start.
    pub fn set_quota(&self, messages: Option<u64>) {
        self.inner.change(|state| state.quota = messages);
    }

    /// The messages sent this month. Every push delivered adds one.
    pub fn set_usage(&self, messages: u64) {
        self.inner.change(|state| state.usage = messages);
    }

    /// The messages sent this month.
    pub fn usage(&self) -> u64 {
        self.inner.read(|state| state.usage)
    }

    /// Sets what a statistics endpoint answers for a day (`20260907`), a unit or a request id.
    pub fn set_statistics(&self, endpoint: Endpoint, key: &str, answer: Value) {
        self.inner.change(|state| state.statistics.set(endpoint, key, answer));
    }

    /// Begins another hour for the insight endpoints' 60 calls.
    pub fn begin_an_hour(&self) {
        self.inner.change(|state| state.statistics.begin_an_hour());
    }

    /// Adds behaviours for the next valid requests of a recipient's pushes (`"U…"`), of a user's profile or of an
    /// [`Endpoint`], one each; afterwards requests are accepted again.
    ///
    /// # Panics
    /// For [`Endpoint::Push`], [`Endpoint::Profile`] and [`Endpoint::Content`]: their scripts belong to a user or a
    /// message, so that many tests can share one stand-in.
    pub fn script(&self, target: impl Into<Target>, behaviours: impl IntoIterator<Item = Behaviour>) {
        let target = target.into();
        assert_ne!(target, Target::Endpoint(Endpoint::Push), "pushes are scripted by recipient");
        assert_ne!(target, Target::Endpoint(Endpoint::Profile), "profiles are scripted by user");
        assert_ne!(target, Target::Endpoint(Endpoint::Content), "contents are scripted by message");
        self.inner.change(|state| state.scripts.entry(target).or_default().extend(behaviours));
    }

    /// Whether a request is being held whose caller still waits.
    pub fn is_held(&self, target: impl Into<Target>) -> bool {
        self.inner
            .read(|state| state.held.get(&target.into()).is_some_and(|held| held.iter().any(|one| !one.is_closed())))
    }

    /// Lets the longest held request go on; `false` when none is held or its caller has left.
    #[must_use = "a caller that has left can't be released"]
    pub fn release(&self, target: impl Into<Target>, how: ReleaseAs) -> bool {
        self.inner.change(|state| {
            let held = state.held.entry(target.into()).or_default();
            std::iter::from_fn(|| held.pop_front()).any(|one| one.send(how).is_ok())
        })
    }

    /// Every request so far, in order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.inner.read(|state| state.requests.clone())
    }

    /// Every push request to this recipient, answered in whichever way.
    pub fn pushes_to(&self, user_id: &str) -> Vec<Recorded> {
        let is_push = |recorded: &Recorded| recorded.path == "/v2/bot/message/push" && recorded.json()["to"] == user_id;
        self.inner.read(|state| state.requests.iter().filter(|recorded| is_push(recorded)).cloned().collect())
    }

    /// Every request for this user's profile, answered in whichever way.
    pub fn profiles_asked(&self, user_id: &str) -> Vec<Recorded> {
        let path = format!("{}{user_id}", profile::PATH);
        self.inner.read(|state| state.requests.iter().filter(|recorded| recorded.path == path).cloned().collect())
    }

    /// What this customer really got.
    pub fn received_by(&self, user_id: &str) -> Vec<Received> {
        self.inner.read(|state| state.received.get(user_id).cloned().unwrap_or_default())
    }

    /// What LINE would answer to a push with this body, if it would refuse it.
    pub fn refusal(push_body: &[u8]) -> Option<Value> {
        push_rules::read(push_body).err()
    }

    /// What a caller did that LINE leaves undefined, and a test must not let pass.
    pub fn violations(&self) -> Vec<String> {
        self.inner.read(|state| state.violations.clone())
    }

    /// Waits until `holds`, looked at again after every event of the stand-in.
    ///
    /// # Panics
    /// After `limit`, naming `what` was awaited and the requests that did come.
    pub async fn wait_until(&self, what: &str, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let mut changes = self.inner.changes.subscribe();
        let waiting = async {
            while !holds(self) {
                // The sender lives as long as `self`.
                let _ = changes.changed().await;
            }
        };
        if tokio::time::timeout(limit, waiting).await.is_err() {
            let line =
                |recorded: &Recorded| format!("\n  {} {} {:?}", recorded.method, recorded.path, recorded.outcome);
            let seen: String = self.requests().iter().map(line).collect();
            panic!("waited {limit:?} in vain until {what}; requests so far:{seen}");
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of a test's own predicate must not hide behind a poisoned lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state and wakes whoever waits for it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changes.send_modify(|count| *count += 1);
        changed
    }

    async fn serve(&self, request: Request<Bytes>) -> Answer {
        let request_id = random_uuid().to_string();
        let mut record = Record::new(self, &request, &request_id);
        let mut answer = self.route(&request, &request_id).await;
        record.outcome = match &mut answer {
            Ok(response) => {
                if let Ok(id) = request_id.parse() {
                    response.headers_mut().insert("x-line-request-id", id);
                }
                Outcome::Answered(response.status().as_u16())
            }
            Err(_) => Outcome::HungUp,
        };
        answer
    }

    async fn route(&self, request: &Request<Bytes>, request_id: &str) -> Answer {
        if let Some(screen) = self.login_screen(request) {
            return Ok(screen);
        }
        let endpoint = match Endpoint::find(request.method(), request.uri().path()) {
            Ok(endpoint) => endpoint,
            Err(status) => return Ok(message(status, status.canonical_reason().unwrap_or_default())),
        };
        let admitted = self.read(|state| state.tokens.admits(request.headers(), state.token_clock()));
        if endpoint.needs_channel_token() && !admitted {
            return Ok(message(StatusCode::UNAUTHORIZED, INVALID_TOKEN));
        }
        if endpoint != Endpoint::Push && request.headers().contains_key(push::RETRY_KEY) {
            return Ok(message(StatusCode::BAD_REQUEST, "X-Line-Retry-Key is not supported by this endpoint"));
        }
        let target = Target::Endpoint(endpoint);
        match endpoint {
            Endpoint::Push => self.push(request, request_id).await,
            Endpoint::Token if login::is_exchange(request) => self.exchange(request).await,
            Endpoint::Exchange | Endpoint::StatelessToken | Endpoint::Friendship | Endpoint::Deauthorize => {
                self.login_call(endpoint, request).await
            }
            Endpoint::Token => {
                self.play(target, |state| {
                    let now = state.token_clock();
                    state.tokens.issue(request, now).unwrap_or_else(Refusal::into)
                })
                .await
            }
            Endpoint::Revoke if self.is_of_the_login_channel(request) => self.revoke_user_token(request).await,
            Endpoint::Revoke => {
                self.play(target, |state| state.tokens.revoke(request).unwrap_or_else(Refusal::into)).await
            }
            Endpoint::ValidatePush => {
                self.play(target, |_| push::validate(request).unwrap_or_else(Refusal::into)).await
            }
            Endpoint::Quota => {
                self.play(target, |state| match state.quota {
                    Some(value) => reply(StatusCode::OK, &json!({ "type": "limited", "value": value })),
                    None => reply(StatusCode::OK, &json!({ "type": "none" })),
                })
                .await
            }
            Endpoint::Profile => self.profile(request.uri().path()).await,
            Endpoint::BotInfo => {
                self.play(target, |state| {
                    let (account, basic_id) = (state.account.clone(), "@abc1234");
                    let names = json!({ "userId": account, "basicId": basic_id, "displayName": "An account" });
                    reply(StatusCode::OK, &names)
                })
                .await
            }
            Endpoint::Content => self.content(request.uri().path()).await,
            Endpoint::Consumption => {
                self.play(target, |state| reply(StatusCode::OK, &json!({ "totalUsage": state.usage }))).await
            }
            Endpoint::PushesOfDay
            | Endpoint::MessagesOfDay
            | Endpoint::Followers
            | Endpoint::UnitEvents
            | Endpoint::BroadcastEvents => self.play(target, |state| state.statistics.answer(endpoint, request)).await,
        }
    }
}

/// Notes a request's end even when the caller leaves and the handler is dropped half-way.
struct Record<'a> {
    inner: &'a Inner,
    index: usize,
    outcome: Outcome,
}

impl<'a> Record<'a> {
    fn new(inner: &'a Inner, request: &Request<Bytes>, request_id: &str) -> Self {
        let recorded = Recorded {
            request_id: request_id.to_owned(),
            at: Instant::now(),
            method: request.method().clone(),
            path: request.uri().to_string(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            outcome: Outcome::Pending,
        };
        let index = inner.change(|state| {
            state.requests.push(recorded);
            state.requests.len() - 1
        });
        Self { inner, index, outcome: Outcome::PeerLeft }
    }
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        self.inner.change(|state| state.requests[self.index].outcome = self.outcome);
    }
}

fn random_uuid_hex() -> String {
    random_uuid().simple().to_string()
}

fn reply(status: StatusCode, body: &Value) -> Response<Bytes> {
    raw_reply(status, body.to_string())
}

/// LINE's ordinary error answer.
fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    Refusal::message(status, text).into()
}

/// An answer that ends a request early.
struct Refusal(StatusCode, Value);

impl Refusal {
    fn message(status: StatusCode, text: &str) -> Self {
        Self(status, json!({ "message": text }))
    }
}

impl From<Refusal> for Response<Bytes> {
    fn from(Refusal(status, body): Refusal) -> Self {
        reply(status, &body)
    }
}

fn raw_reply(status: StatusCode, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn has_media_type(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

#[cfg(test)]
impl LineStandIn {
    /// A token for a day, past the endpoint.
    fn issue_token(&self) -> String {
        self.inner.change(|state| {
            let expires_at = state.token_clock() + Duration::from_secs(86_400);
            state.tokens.add_token(expires_at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(line: &LineStandIn, method: Method, path: &str) -> u16 {
        let request = reqwest::Client::new().request(method, format!("{}{path}", line.base_url()));
        let answer = request.bearer_auth(line.issue_token()).send().await.unwrap();
        assert!(answer.headers().contains_key("x-line-request-id"));
        answer.status().as_u16()
    }

    #[tokio::test]
    async fn unknown_paths_and_wrong_methods_are_refused() {
        let line = LineStandIn::start().await.unwrap();
        for (method, path, expected) in [
            (Method::GET, "/", 404),
            (Method::POST, "/v2/bot/message/pushes", 404),
            (Method::POST, "/v2/bot/message/push/", 404),
            (Method::GET, "/v2/bot/message/push", 405),
            (Method::GET, "/oauth2/v2.1/token", 405),
            (Method::POST, "/v2/bot/message/quota", 405),
            (Method::GET, "/v2/bot/message/quota", 200),
        ] {
            assert_eq!(status(&line, method.clone(), path).await, expected, "{method} {path}");
        }
        let recorded = line.requests();
        assert_eq!((recorded[1].path.as_str(), recorded[1].status()), ("/v2/bot/message/pushes", Some(404)));
        assert_ne!(recorded[0].request_id, recorded[1].request_id);
    }

    #[tokio::test]
    async fn reading_the_quota_needs_a_token() {
        let line = LineStandIn::start().await.unwrap();
        for path in ["/v2/bot/message/quota", "/v2/bot/message/quota/consumption"] {
            assert_eq!(reqwest::get(format!("{}{path}", line.base_url())).await.unwrap().status(), 401);
            assert_eq!(status(&line, Method::GET, path).await, 200);
        }
    }

    #[tokio::test]
    async fn endpoints_can_fail_hang_up_and_be_held() {
        let line = LineStandIn::start().await.unwrap();
        let quota = || status(&line, Method::GET, "/v2/bot/message/quota");
        line.script(Endpoint::Quota, [Behaviour::answer(500, "{}"), Behaviour::Hold, Behaviour::RateLimited]);
        assert_eq!(status(&line, Method::GET, "/v2/bot/message/quota/consumption").await, 200);
        assert_eq!(quota().await, 500);
        let test = async {
            let limit = Duration::from_secs(5);
            line.wait_until("the request is held", limit, |line| line.is_held(Endpoint::Quota)).await;
            assert!(line.release(Endpoint::Quota, ReleaseAs::Accept));
        };
        assert_eq!(tokio::join!(quota(), test).0, 200);
        assert_eq!(quota().await, 429);
        line.script(Endpoint::Token, [Behaviour::HangUpBeforeAccepting]);
        assert!(reqwest::Client::new().post(format!("{}/oauth2/v2.1/token", line.base_url())).send().await.is_err());
    }

    #[tokio::test]
    #[should_panic(expected = "waited 10ms in vain until pigs fly; requests so far:\n  GET / Answered(404)")]
    async fn waiting_in_vain_says_what_for() {
        let line = LineStandIn::start().await.unwrap();
        status(&line, Method::GET, "/").await;
        line.wait_until("pigs fly", Duration::from_millis(10), |_| false).await;
    }

    #[test]
    fn a_handle_works_from_another_runtime_and_the_port_closes_with_the_last() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let home = runtime();
        let line = home.block_on(LineStandIn::start()).unwrap();
        let (clone, url) = (line.clone(), line.base_url());
        let visitor = std::thread::spawn(move || {
            let arrived = clone.wait_until("a request", Duration::from_secs(5), |line| !line.requests().is_empty());
            runtime().block_on(arrived);
        });
        home.block_on(status(&line, Method::GET, "/"));
        visitor.join().unwrap();
        drop(line);
        home.block_on(async {
            tokio::task::yield_now().await;
            assert!(reqwest::get(&url).await.is_err());
        });
    }
}
