//! A small HTTP/1.1 server on a loopback port, for the stand-ins: one async function answers every request,
//! and may hang up instead of answering.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// The handler wants the connection closed without an answer.
#[derive(Debug)]
pub struct HangUp;

impl std::fmt::Display for HangUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    accept_loop: JoinHandle<()>,
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
        let accept_loop = tokio::spawn(async move {
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
                            let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
                            handler(Request::from_parts(head, body)).await.map(|answer| answer.map(Full::new))
                        }
                    });
                    // An error here is the handler hanging up, or the caller: both are part of the play.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, accept_loop })
    }

    /// `http://127.0.0.1:port`, without a trailing slash.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accept_loop.abort();
    }
}
