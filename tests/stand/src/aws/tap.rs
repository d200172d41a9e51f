//! A proxy between the functions and the emulated AWS: it notes every call, and can make the ones a test picks go
//! wrong.
//!
//! The functions get it as `AWS_ENDPOINT_URL`. What it passes on, it passes on unchanged, both ways.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use anyhow::Context as _;
use bytes::Bytes;
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING, USER_AGENT},
};
use tokio::sync::watch;

use crate::{
    api::http_server::{Answer, HangUp, HttpServer},
    aws::policy::{Permissions, denied, unused},
};

/// The running proxy; dropping it closes the port.
#[derive(Debug)]
pub struct AwsTap {
    server: HttpServer,
    state: Arc<Mutex<State>>,
}

/// One call of a function to AWS, in flight or over.
#[derive(Clone, Debug)]
pub struct AwsCall {
    /// `dynamodb.PutItem`, `sqs.SendMessage`, `secretsmanager.GetSecretValue`; without an `X-Amz-Target`, `POST /path`.
    pub operation: String,
    /// The function's binary.
    pub caller: String,
    /// The request's body: what the call is about.
    pub body: String,
    /// When the request was there in full.
    pub started: Instant,
    /// When the answer went out; none while in flight, and for ever where the caller vanished or was hung up on.
    pub ended: Option<Instant>,
    /// The answer's status; none where [`ended`](Self::ended) is.
    pub status: Option<u16>,
}

/// What happens to a call instead of its way to AWS and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not executed; answered with this status and AWS error code. The SDK repeats a call on 5xx.
    Error(u16, &'static str),
    /// Not executed; answered as AWS answers what the emulator does not know: status, body, and the error's code for
    /// those who once spoke the query protocol (`x-amzn-query-error`; "" for none).
    Answer(u16, &'static str, &'static str),
    /// Not executed; the connection closes without an answer.
    HangUp,
    /// Executed, but the caller never hears of it.
    ForwardThenHangUp,
    /// The first attempt of each call is executed and the caller never hears of it; what the SDK repeats goes its way.
    LoseFirstAnswer,
    /// Waits until the [`Injected`] is dropped, then goes its way; never does if the caller is gone by then.
    Hold,
}

impl Fault {
    /// AWS is having a bad day: the error that the SDK repeats.
    pub const INTERNAL: Self = Self::Error(500, "InternalServerError");
}

/// As `times`: as long as the [`Injected`] lives.
pub const ALWAYS: usize = usize::MAX;

/// A fault in force; dropping this removes it.
#[must_use = "dropping this removes the fault at once"]
#[derive(Debug)]
pub struct Injected {
    state: Arc<Mutex<State>>,
    id: u64,
    /// Its end releases the calls on hold.
    _hold: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<AwsCall>,
    permissions: Permissions,
    denied: Vec<String>,
    rules: Vec<Rule>,
    last_rule: u64,
}

#[derive(Debug)]
struct Rule {
    id: u64,
    fault: Fault,
    operation: String,
    needle: String,
    left: usize,
    hits: usize,
    hold: watch::Receiver<()>,
}

impl AwsTap {
    /// Listens on a free port and passes everything on to `upstream`, a base URL without a trailing slash.
    pub async fn start(upstream: String) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no HTTP client for the tap")?;
        let upstream = Arc::new(upstream);
        let state = Arc::new(Mutex::new(State::default()));
        let seen = Arc::clone(&state);
        let server = HttpServer::start(move |request| {
            let (client, upstream, state) = (client.clone(), Arc::clone(&upstream), Arc::clone(&seen));
            async move { answer(&client, &upstream, &state, request).await }
        })
        .await?;
        Ok(Self { server, state })
    }

    /// What the functions get as `AWS_ENDPOINT_URL`.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// From now on a call that its function's policy does not allow is answered as AWS answers it.
    pub fn enforce(&self, permissions: Permissions) {
        lock(&self.state).permissions = permissions;
    }

    /// The calls that were not allowed.
    pub fn denied(&self) -> Vec<String> {
        lock(&self.state).denied.clone()
    }

    /// What the policies allow and no call so far needed.
    pub fn unused_permissions(&self) -> BTreeSet<String> {
        let state = lock(&self.state);
        let calls = state.calls.iter();
        unused(
            &state.permissions,
            calls.map(|call| (call.caller.as_str(), call.operation.as_str(), call.body.as_str())),
        )
    }

    /// Every call so far, in order of arrival.
    pub fn calls(&self) -> Vec<AwsCall> {
        lock(&self.state).calls.clone()
    }

    /// The calls whose body contains `needle`, such as an order's id.
    pub fn calls_about(&self, needle: &str) -> Vec<AwsCall> {
        lock(&self.state).calls.iter().filter(|call| call.body.contains(needle)).cloned().collect()
    }

    /// The next `times` calls of `operation` (as in [`AwsCall::operation`]) whose body contains `needle` suffer
    /// `fault`. Of several that match, the oldest one in force applies.
    pub fn inject(&self, fault: Fault, operation: &str, needle: &str, times: usize) -> Injected {
        let (sender, hold) = watch::channel(());
        let mut state = lock(&self.state);
        state.last_rule += 1;
        let id = state.last_rule;
        let (operation, needle) = (operation.to_owned(), needle.to_owned());
        state.rules.push(Rule { id, fault, operation, needle, left: times, hits: 0, hold });
        Injected { state: Arc::clone(&self.state), id, _hold: sender }
    }
}

impl Injected {
    /// How many calls it has struck; for [`Fault::Hold`], how many have come to wait.
    pub fn hits(&self) -> usize {
        lock(&self.state).rules.iter().find(|rule| rule.id == self.id).map_or(0, |rule| rule.hits)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        lock(&self.state).rules.retain(|rule| rule.id != self.id);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(client: &reqwest::Client, upstream: &str, state: &Mutex<State>, request: Request<Bytes>) -> Answer {
    let (call, strike) = note(state, &request);
    let answered = match strike {
        _ if is_denied(state, call) => Ok(aws_error(400, "AccessDeniedException")),
        None => forward(client, upstream, request).await,
        Some((Fault::Error(status, code), _)) => Ok(aws_error(status, code)),
        Some((Fault::Answer(status, body, query_error), _)) => Ok(aws_answer(status, body.to_owned(), query_error)),
        Some((Fault::HangUp, _)) => Err(HangUp),
        Some((Fault::ForwardThenHangUp | Fault::LoseFirstAnswer, _)) => {
            forward(client, upstream, request).await.and(Err(HangUp))
        }
        Some((Fault::Hold, mut hold)) => {
            // Ends with an error when the other half is dropped, and only then: nothing is ever sent.
            let _ = hold.changed().await;
            forward(client, upstream, request).await
        }
    }?;
    let mut state = lock(state);
    state.calls[call].ended = Some(Instant::now());
    state.calls[call].status = Some(answered.status().as_u16());
    Ok(answered)
}

/// Records the call; returns its index and the fault that strikes it, if one does.
fn note(state: &Mutex<State>, request: &Request<Bytes>) -> (usize, Option<(Fault, watch::Receiver<()>)>) {
    let operation = operation(request);
    let body = String::from_utf8_lossy(request.body()).into_owned();
    let repeated = is_repeated(request);
    let mut state = lock(state);
    let rule = state
        .rules
        .iter_mut()
        .filter(|rule| !(repeated && rule.fault == Fault::LoseFirstAnswer))
        .find(|rule| rule.left > 0 && rule.operation == operation && body.contains(&rule.needle))
        .map(|rule| {
            rule.left = rule.left.saturating_sub(usize::from(rule.left != ALWAYS));
            rule.hits += 1;
            (rule.fault, rule.hold.clone())
        });
    state.calls.push(AwsCall {
        operation,
        caller: caller(request),
        body,
        started: Instant::now(),
        ended: None,
        status: None,
    });
    (state.calls.len() - 1, rule)
}

/// Holds a call against its function's policy.
fn is_denied(state: &Mutex<State>, call: usize) -> bool {
    let mut state = lock(state);
    if state.permissions.is_empty() {
        return false;
    }
    let AwsCall { caller, operation, body, .. } = &state.calls[call];
    let denied = denied(&state.permissions, caller, operation, body);
    state.denied.extend(denied.clone());
    denied.is_some()
}

/// The SDK numbers the attempts of a call: `attempt=2; max=3`.
fn is_repeated(request: &Request<Bytes>) -> bool {
    let attempt = request.headers().get("amz-sdk-request").and_then(|value| value.to_str().ok());
    attempt.is_some_and(|attempt| !attempt.starts_with("attempt=1"))
}

/// The SDK's user agent ends in the name that `emulator.py` gives each function.
fn caller(request: &Request<Bytes>) -> String {
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.split(' ').find_map(|part| part.strip_prefix("app/")).unwrap_or_default().to_owned()
}

/// `DynamoDB_20120810.PutItem` → `dynamodb.PutItem`, `AmazonSQS.SendMessage` → `sqs.SendMessage`.
fn operation(request: &Request<Bytes>) -> String {
    match request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()?.rsplit_once('.')) {
        Some((service, action)) => {
            let service = service.split('_').next().unwrap_or(service).trim_start_matches("Amazon").to_lowercase();
            format!("{service}.{action}")
        }
        None => format!("{} {}", request.method(), request.uri().path()),
    }
}

async fn forward(client: &reqwest::Client, upstream: &str, request: Request<Bytes>) -> Answer {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    // No answer from the emulator is no answer to the function either.
    let answer = client
        .request(head.method, format!("{upstream}{path}"))
        .headers(end_to_end(head.headers))
        .body(body)
        .send()
        .await
        .map_err(|_| HangUp)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(answer.bytes().await.map_err(|_| HangUp)?);
    *response.status_mut() = status;
    *response.headers_mut() = end_to_end(headers);
    Ok(response)
}

/// Without the headers that concern one connection only; the body has been read whole, its length is known again.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    headers
}

fn aws_error(status: u16, code: &str) -> Response<Bytes> {
    aws_answer(status, format!(r#"{{"__type":"{code}","message":"injected on purpose"}}"#), "")
}

fn aws_answer(status: u16, body: String, query_error: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if !query_error.is_empty() {
        response.headers_mut().insert("x-amzn-query-error", HeaderValue::from_static(query_error));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tap_on_an_echo() -> (HttpServer, AwsTap, reqwest::Client) {
        let echo = HttpServer::start(|request: Request<Bytes>| async move {
            let line = format!("{} {} {:?}", request.method(), request.uri(), request.headers().get("x-amz-target"));
            Ok(Response::new(Bytes::from([line.as_bytes(), b"\n", request.body()].concat())))
        })
        .await
        .unwrap();
        let tap = AwsTap::start(echo.base_url()).await.unwrap();
        (echo, tap, reqwest::Client::builder().no_proxy().build().unwrap())
    }

    async fn put(tap: &AwsTap, client: &reqwest::Client, body: &'static str) -> reqwest::Result<reqwest::Response> {
        let url = format!("{}/a%2Fb?c=%20d", tap.base_url());
        client.post(url).header("X-Amz-Target", "DynamoDB_20120810.PutItem").body(body).send().await
    }

    #[tokio::test]
    async fn passes_a_call_on_unchanged_and_notes_it() {
        let (_echo, tap, client) = tap_on_an_echo().await;
        let answer = put(&tap, &client, "order 1").await.unwrap().text().await.unwrap();
        assert_eq!(answer, "POST /a%2Fb?c=%20d Some(\"DynamoDB_20120810.PutItem\")\norder 1");
        let calls = tap.calls_about("order 1");
        assert_eq!((calls.len(), calls[0].operation.as_str(), calls[0].status), (1, "dynamodb.PutItem", Some(200)));
        assert!(tap.calls_about("order 2").is_empty());
    }

    #[tokio::test]
    async fn a_fault_strikes_the_calls_it_names_as_often_as_it_says() {
        let (_echo, tap, client) = tap_on_an_echo().await;
        let fault = tap.inject(Fault::INTERNAL, "dynamodb.PutItem", "order 1", 1);
        assert_eq!(put(&tap, &client, "order 2").await.unwrap().status(), 200);
        assert_eq!(put(&tap, &client, "order 1").await.unwrap().status(), 500);
        assert_eq!(put(&tap, &client, "order 1").await.unwrap().status(), 200);
        assert_eq!(fault.hits(), 1);
    }

    #[tokio::test]
    async fn only_the_first_attempt_of_a_call_loses_its_answer() {
        let (_echo, tap, client) = tap_on_an_echo().await;
        let _fault = tap.inject(Fault::LoseFirstAnswer, "dynamodb.PutItem", "", ALWAYS);
        for (attempt, answered) in [("attempt=1", false), ("attempt=2; max=3", true), ("attempt=1; max=3", false)] {
            let request = client.post(tap.base_url()).header("X-Amz-Target", "DynamoDB_20120810.PutItem");
            assert_eq!(request.header("amz-sdk-request", attempt).send().await.is_ok(), answered, "{attempt}");
        }
    }

    #[tokio::test]
    async fn a_dropped_fault_strikes_no_more() {
        let (_echo, tap, client) = tap_on_an_echo().await;
        let fault = tap.inject(Fault::HangUp, "dynamodb.PutItem", "", ALWAYS);
        assert!(put(&tap, &client, "order 1").await.is_err());
        drop(fault);
        assert_eq!(put(&tap, &client, "order 1").await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn a_held_call_goes_on_when_the_fault_is_dropped() {
        let (_echo, tap, client) = tap_on_an_echo().await;
        let fault = tap.inject(Fault::Hold, "dynamodb.PutItem", "order 1", ALWAYS);
        let release = async {
            while fault.hits() == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            assert_eq!(tap.calls()[0].status, None);
            drop(fault);
        };
        let (answer, ()) = tokio::join!(put(&tap, &client, "order 1"), release);
        assert_eq!(answer.unwrap().status(), 200);
    }
}
