//! A small HTTP/1.1 server on a loopback port, for the stand-ins: one async function answers every request,
//! and may hang up instead of answering.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep},
};

/// How long the port may be somebody else's before [`HttpServer::open`] gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The handler wants the connection closed without an answer.
#[derive(Debug)]
pub struct HangUp;

impl fmt::Display for HangUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up on purpose")
    }
}

impl std::error::Error for HangUp {}

impl From<Infallible> for HangUp {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What a handler answers.
pub type Answer = Result<Response<Bytes>, HangUp>;

/// A running server; dropping it closes the port and every connection.
pub struct HttpServer {
    address: SocketAddr,
    serve: Box<dyn Fn(TcpListener) -> JoinHandle<()> + Send + Sync>,
    accept_loop: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl HttpServer {
    /// Serves `handler` on a free port of 127.0.0.1. Each request is read whole before the handler sees it.
    pub async fn start<H, F>(handler: H) -> anyhow::Result<Self>
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no free port on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let handler = Arc::new(handler);
        let serve = Box::new(move |listener| tokio::spawn(accept(listener, Arc::clone(&handler))));
        let accept_loop = Mutex::new(Some(serve(listener)));
        Ok(Self { address, serve, accept_loop })
    }

    /// `http://127.0.0.1:port`, without a trailing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends every connection and refuses new ones, until [`open`](Self::open).
    pub async fn close(&self) {
        let accept_loop = self.accept_loop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accept_loop) = accept_loop {
            accept_loop.abort();
            // The port is closed once the task is gone.
            let _ = accept_loop.await;
        }
    }

    /// Takes connections again, at the same address.
    pub async fn open(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
                listener => break listener.with_context(|| format!("{} is somebody else's", self.address))?,
            }
        };
        *self.accept_loop.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.serve)(listener));
        Ok(())
    }
}

async fn accept<H, F>(listener: TcpListener, handler: Arc<H>)
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let handler = Arc::clone(&handler);
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let handler = Arc::clone(&handler);
                async move {
                    let (head, body) = request.into_parts();
                    if head.method == Method::HEAD && head.uri.path() == "/" {
                        // Who only opens a connection, before it is needed, calls nothing.
                        return Ok(Response::new(Full::default()));
                    }
                    let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
                    handler(Request::from_parts(head, body)).await.map(|answer| answer.map(Full::new))
                }
            });
            // An error here is the handler hanging up, or the caller: both are part of the play.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        if let Some(accept_loop) = self.accept_loop.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            accept_loop.abort();
        }
    }
}
