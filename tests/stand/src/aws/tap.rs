//! A proxy between the functions and the emulated AWS: a [`Wire`], and the policies that AWS would hold each call
//! against.
//!
//! The functions get it as `AWS_ENDPOINT_URL`. What it passes on, it passes on unchanged, both ways. SES's suppression
//! list is here, because the emulator has none.

use std::{
    collections::BTreeSet,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use bytes::Bytes;
use hyper::{
    HeaderMap, Request, Response,
    header::{CONNECTION, TRANSFER_ENCODING, USER_AGENT},
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

pub use crate::wire::{ALWAYS, Fault};
use crate::{
    api::http_server::{Answer, HangUp, HttpServer},
    aws::policy::{Permissions, SUPPRESSION_LIST, denied, unused},
    wire::{Call, Caller, Wire, aws_error},
};

/// The running proxy; dropping it closes the port.
#[derive(Debug)]
pub struct AwsTap {
    server: HttpServer,
    wire: Wire,
    policies: Arc<Mutex<Policies>>,
    suppressed: Arc<Mutex<BTreeSet<String>>>,
}

#[derive(Debug, Default)]
struct Policies {
    permissions: Permissions,
    denied: Vec<String>,
}

impl Deref for AwsTap {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
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
        let (wire, policies) = (Wire::default(), Arc::new(Mutex::new(Policies::default())));
        let suppressed = Arc::<Mutex<BTreeSet<String>>>::default();
        let (passing, holding, listed) = (wire.clone(), Arc::clone(&policies), Arc::clone(&suppressed));
        let server = HttpServer::start(move |request| {
            let (client, upstream) = (client.clone(), Arc::clone(&upstream));
            let (wire, policies, suppressed) = (passing.clone(), Arc::clone(&holding), Arc::clone(&listed));
            async move {
                let (call, repeated) = (aws_call(&request), is_repeated(&request));
                let is_denied = lock(&policies).deny(&call);
                let execute = move || async move {
                    if is_denied {
                        return Ok(aws_error(400, "AccessDeniedException"));
                    }
                    match operation(&request).strip_prefix(SUPPRESSION_LIST) {
                        Some(address) => Ok(suppression(&suppressed, address)),
                        None => forward(&client, &upstream, request).await,
                    }
                };
                wire.pass(call, repeated, execute).await
            }
        })
        .await?;
        Ok(Self { server, wire, policies, suppressed })
    }

    /// From now on SES sends nothing to this address: a mail to it bounced.
    pub fn suppress(&self, address: &str) {
        lock(&self.suppressed).insert(address.to_owned());
    }

    /// What the functions get as `AWS_ENDPOINT_URL`.
    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// Closes every connection, as a server does with those that were idle for too long.
    pub async fn close_connections(&self) -> anyhow::Result<()> {
        self.server.close().await;
        self.server.open().await
    }

    /// From now on a call that its function's policy does not allow is answered as AWS answers it.
    pub fn enforce(&self, permissions: Permissions) {
        lock(&self.policies).permissions = permissions;
    }

    /// The calls that were not allowed.
    pub fn denied(&self) -> Vec<String> {
        lock(&self.policies).denied.clone()
    }

    /// What the policies allow and no call so far needed.
    pub fn unused_permissions(&self) -> BTreeSet<String> {
        let policies = lock(&self.policies);
        let call = |call: &Call| (call.caller.function.clone(), call.operation.clone(), call.body.clone());
        let calls: Vec<_> = self.calls().iter().map(call).collect();
        let calls = calls.iter().map(|(caller, operation, body)| (&**caller, &**operation, &**body));
        unused(&policies.permissions, calls)
    }
}

impl Policies {
    /// Holds a call against its function's policy.
    fn deny(&mut self, call: &Call) -> bool {
        if self.permissions.is_empty() {
            return false;
        }
        let denied = denied(&self.permissions, &call.caller.function, &call.operation, &call.body);
        self.denied.extend(denied.clone());
        denied.is_some()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What SES answers of an address (SES API v2, "GetSuppressedDestination").
fn suppression(suppressed: &Mutex<BTreeSet<String>>, address: &str) -> Response<Bytes> {
    let address = percent_decode_str(address).decode_utf8_lossy();
    if !lock(suppressed).contains(&*address) {
        return aws_error(404, "NotFoundException");
    }
    let found = json!({ "EmailAddress": address, "Reason": "BOUNCE", "LastUpdateTime": 1_788_246_000.25 });
    Response::new(Bytes::from(json!({ "SuppressedDestination": found }).to_string()))
}

/// A call to AWS as the SDK makes it.
pub fn aws_call(request: &Request<Bytes>) -> Call {
    let header = |name| Some(request.headers().get(name)?.to_str().ok()?.to_owned());
    let operation = operation(request);
    let what = what(&operation, &serde_json::from_slice(request.body()).unwrap_or_default());
    let mut call = Call::new(operation, what, caller(request), request.body());
    call.invocation = header("amz-sdk-invocation-id");
    call
}

/// What a call is beside its values: the operation, what it is about as the template calls that, and what it demands.
fn what(operation: &str, body: &Value) -> String {
    let texts = |part: &Value| {
        let about =
            ["TableName", "IndexName", "QueueUrl", "SecretId", "SourceArn"].map(|name| template_name(&part[name]));
        let demands = ["ConditionExpression", "UpdateExpression", "KeyConditionExpression"]
            .map(|name| part[name].as_str().unwrap_or_default().to_owned());
        about.into_iter().chain(demands).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let steps = body["TransactItems"].as_array().into_iter().flatten();
    let steps = steps.flat_map(|step| step.as_object().into_iter().flatten());
    let steps: Vec<_> = steps.map(|(kind, part)| format!("{kind} {}", texts(part))).collect();
    let what = if steps.is_empty() { texts(body) } else { steps.join(", ") };
    format!("{operation} {what}").trim_end().to_owned()
}

/// `local-LinksTable-1A2B` and what ends in it, as a URL or an ARN does → `LinksTable`.
fn template_name(physical: &Value) -> String {
    let name = physical.as_str().unwrap_or_default().rsplit(['/', ':']).next().unwrap_or_default();
    name.split('-').nth(1).unwrap_or(name).to_owned()
}

/// The SDK numbers the attempts of a call: `attempt=2; max=3`.
fn is_repeated(request: &Request<Bytes>) -> bool {
    let attempt = request.headers().get("amz-sdk-request").and_then(|value| value.to_str().ok());
    attempt.is_some_and(|attempt| !attempt.starts_with("attempt=1"))
}

/// The SDK's user agent ends in what `emulator.py` calls each process: `app/order-finished+1234`.
fn caller(request: &Request<Bytes>) -> Caller {
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let app = agent.split(' ').find_map(|part| part.strip_prefix("app/")).unwrap_or_default();
    let (function, process) = app.split_once('+').unwrap_or((app, ""));
    Caller { function: function.to_owned(), process: process.parse().ok() }
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
