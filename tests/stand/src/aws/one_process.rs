//! One process of a function, alone: its program under a Lambda Runtime API of ours, which hands it one event after the
//! other. What it holds can be looked at between two events.
//!
//! Source: AWS, "Using the Lambda runtime API for custom runtimes".

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use crate::{
    api::http_server::{Answer, HangUp, HttpServer},
    aws::process::Process,
};

/// An invocation may take this long, as API Gateway waits for it.
const LIMIT: Duration = Duration::from_secs(30);
const NEXT: &str = "/2018-06-01/runtime/invocation/next";

/// The process; dropping it ends it.
#[derive(Debug)]
pub struct OneProcess {
    child: Child,
    started: Instant,
    api: Arc<RuntimeApi>,
    events: mpsc::UnboundedSender<Invocation>,
    _server: HttpServer,
}

type Invocation = (Bytes, oneshot::Sender<Bytes>);

#[derive(Debug)]
struct RuntimeApi {
    events: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Bytes>>>,
    /// When it asked for its first event: it is initialised.
    ready: OnceLock<Instant>,
}

impl OneProcess {
    /// Starts the program with these variables beside those that Lambda sets; it logs into this file.
    pub async fn start(program: &Path, variables: &BTreeMap<String, String>, log: File) -> anyhow::Result<Self> {
        let (events, received) = mpsc::unbounded_channel();
        let events_of = AsyncMutex::new(received);
        let api = Arc::new(RuntimeApi { events: events_of, waiting: Mutex::default(), ready: OnceLock::new() });
        let serving = Arc::clone(&api);
        let server = HttpServer::start(move |request| {
            let api = Arc::clone(&serving);
            async move { api.answer(request).await }
        })
        .await?;
        let started = Instant::now();
        let child = Command::new(program)
            .env_clear()
            .envs(variables)
            .envs([
                ("AWS_LAMBDA_RUNTIME_API", server.base_url().trim_start_matches("http://")),
                ("AWS_LAMBDA_FUNCTION_NAME", "alone"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ])
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, started, api, events, _server: server })
    }

    /// Hands it an event and waits for what it returns; an error of the function comes back as its error object.
    pub async fn invoke(&self, event: &Value) -> anyhow::Result<Value> {
        let (sender, returned) = oneshot::channel();
        self.events.send((event.to_string().into(), sender)).ok().context("nobody asks for events")?;
        let returned = tokio::time::timeout(LIMIT, returned).await.context("it takes too long")??;
        Ok(serde_json::from_slice(&returned)?)
    }

    /// When it was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How long it took from its start until it asked for its first event; `None` while it has not.
    pub fn init(&self) -> Option<Duration> {
        Some(self.api.ready.get()?.duration_since(self.started))
    }

    /// What it holds now.
    pub fn process(&self) -> Option<Process> {
        Process::of(self.child.id())
    }
}

impl Drop for OneProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl RuntimeApi {
    async fn answer(&self, request: Request<Bytes>) -> Answer {
        let (method, path) = (request.method(), request.uri().path());
        if (method, path) == (&Method::GET, NEXT) {
            return self.next().await;
        }
        let id = path.split('/').rev().nth(1).unwrap_or_default();
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(request.into_body());
        }
        let mut accepted = Response::new(Bytes::new());
        *accepted.status_mut() = StatusCode::ACCEPTED;
        Ok(accepted)
    }

    async fn next(&self) -> Answer {
        self.ready.get_or_init(Instant::now);
        let (event, sender) = self.events.lock().await.recv().await.ok_or(HangUp)?;
        let id = crate::random::random_uuid().to_string();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
        let deadline = SystemTime::now() + LIMIT;
        let deadline = deadline.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let answer = Response::builder()
            .header("lambda-runtime-aws-request-id", id)
            .header("lambda-runtime-deadline-ms", deadline.to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:000000000000:function:alone");
        answer.body(event).map_err(|_| HangUp)
    }
}
