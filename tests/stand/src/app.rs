//! The company's app, as far as it is told of links: it verifies each callback as functions/line-login/README.md says,
//! and takes it, or does what a test wants.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    api::http_server::{Answer, HangUp, HttpServer},
    api::open_api::OpenApi,
    wire::{Wire, partner_call, take_caller},
};

/// The longest that callbacks are awaited.
const PATIENCE: Duration = Duration::from_secs(60);
/// A callback is sent now, or it is a replay.
const SENT_WITHIN: time::Duration = time::Duration::minutes(5);

/// What the app does with a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppBehaviour {
    /// It answers this status.
    Answer(u16),
    /// It closes the connection.
    HangUp,
    /// It answers after so long.
    Hang(Duration),
    /// It sends whoever calls to its own address.
    Redirect,
}

/// A callback as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedCallback {
    /// The signature's header.
    pub signature: String,
    /// The body, exactly.
    pub body: Bytes,
    /// Whether the app took it.
    pub is_taken: bool,
}

impl ReceivedCallback {
    /// The body, read.
    ///
    /// # Panics
    /// When it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Its type and its member: `linked M-1001`.
    ///
    /// # Panics
    /// When it is not what the app is told.
    pub fn told(&self) -> String {
        let callback = self.json();
        let text = |name: &str| callback[name].as_str().expect("a text").to_owned();
        format!("{} {}", text("type"), text("memberId"))
    }
}

/// A running app; clones are handles to the same one.
#[derive(Clone)]
pub struct AppStandIn {
    server: Arc<HttpServer>,
    wire: Wire,
    state: Arc<Mutex<State>>,
    seen: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    key: Option<String>,
    behaviours: VecDeque<AppBehaviour>,
    received: Vec<ReceivedCallback>,
    violations: Vec<String>,
}

impl AppStandIn {
    /// Starts it. Until it [is told a key](Self::use_key) it takes nothing.
    pub async fn start() -> anyhow::Result<Self> {
        let (wire, state, seen) = (Wire::default(), Arc::<Mutex<State>>::default(), watch::Sender::new(0));
        let (passing, serving, telling) = (wire.clone(), Arc::clone(&state), seen.clone());
        let server = HttpServer::start(move |mut request| {
            let (wire, state, seen) = (passing.clone(), Arc::clone(&serving), telling.clone());
            async move {
                let caller = take_caller(&mut request);
                let call = partner_call(&request, caller);
                let answered = wire.pass(call, false, move || async move { answer(&state, &request).await }).await;
                seen.send_modify(|count| *count += 1);
                answered
            }
        })
        .await?;
        Ok(Self { server: Arc::new(server), wire, state, seen })
    }

    /// `LinkCallbackUrl`. Its host is `localhost`, the only one that is called without TLS.
    pub fn url(&self) -> String {
        self.server.base_url().replace("127.0.0.1", "localhost")
    }

    /// What the calls to it pass through.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// From now on callbacks have to be signed with this key.
    pub fn use_key(&self, key: &str) {
        self.lock().key = Some(key.to_owned());
    }

    /// The key that callbacks have to be signed with, if it has one.
    pub fn key(&self) -> Option<String> {
        self.lock().key.clone()
    }

    /// The next callbacks that are rightly signed are treated so.
    pub fn script(&self, behaviours: impl IntoIterator<Item = AppBehaviour>) {
        self.lock().behaviours.extend(behaviours);
    }

    /// Ends every connection and refuses new ones.
    pub async fn go_down(&self) {
        self.server.close().await;
    }

    /// Takes connections again.
    pub async fn come_up(&self) -> anyhow::Result<()> {
        self.server.open().await
    }

    /// Every callback that was rightly signed, in their order.
    pub fn received(&self) -> Vec<ReceivedCallback> {
        self.lock().received.clone()
    }

    /// What was not as it is documented.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// [`violations`](Self::violations), which are forgotten then: a story meant them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().violations)
    }

    /// What the app took, as [`ReceivedCallback::told`].
    pub fn taken(&self) -> Vec<String> {
        self.received().iter().filter(|callback| callback.is_taken).map(ReceivedCallback::told).collect()
    }

    /// Waits until this is so.
    ///
    /// # Panics
    /// After a minute, with what was received by then.
    pub async fn wait_until(&self, what: &str, holds: impl Fn(&[ReceivedCallback]) -> bool) {
        let mut seen = self.seen.subscribe();
        let waiting = async {
            while !holds(&self.received()) {
                if seen.changed().await.is_err() {
                    return;
                }
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("waited in vain until {what}: {:#?}", self.received());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

async fn answer(state: &Mutex<State>, request: &Request<Bytes>) -> Answer {
    let answered = |status: u16| {
        let mut response = Response::<Bytes>::default();
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response
    };
    let signature = request.headers().get("x-link-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let behaviour = {
        let mut state = lock(state);
        let Some(key) = state.key.clone() else { return Ok(answered(503)) };
        if let Some(refusal) = refused(&key, signature, request.body()) {
            state.violations.push(refusal);
            return Ok(answered(401));
        }
        let found = OpenApi::ours().webhook_violations("linkChanged", request, &answered(204));
        state.violations.extend(found);
        let behaviour = state.behaviours.pop_front().unwrap_or(AppBehaviour::Answer(204));
        let is_taken = matches!(behaviour, AppBehaviour::Answer(200..=299));
        let (signature, body) = (signature.to_owned(), request.body().clone());
        state.received.push(ReceivedCallback { signature, body, is_taken });
        behaviour
    };
    match behaviour {
        AppBehaviour::Answer(status) => Ok(answered(status)),
        AppBehaviour::HangUp => Err(HangUp),
        AppBehaviour::Hang(time) => {
            sleep(time).await;
            Ok(answered(204))
        }
        AppBehaviour::Redirect => {
            let mut response = answered(307);
            response.headers_mut().insert("location", "/elsewhere".parse().expect("a header"));
            Ok(response)
        }
    }
}

/// Why the app does not believe a callback: as its page says, and with nothing of the function's.
fn refused(key: &str, signature: &str, body: &[u8]) -> Option<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let is_right = |one: &str| BASE64_STANDARD.decode(one).is_ok_and(|one| hmac::verify(&key, body, &one).is_ok());
    if !signature.split(',').any(is_right) {
        return Some("a callback is not signed with the app's key".to_owned());
    }
    let sent_at = serde_json::from_slice::<Value>(body).ok();
    let sent_at = sent_at.and_then(|body| OffsetDateTime::parse(body["sentAt"].as_str()?, &Rfc3339).ok());
    match sent_at {
        Some(sent_at) if (OffsetDateTime::now_utc() - sent_at).abs() < SENT_WITHIN => None,
        other => Some(format!("a callback was sent at {other:?}")),
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
