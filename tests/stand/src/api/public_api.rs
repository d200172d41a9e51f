//! The HTTP API under an origin that is known before it is deployed, as a domain of one's own is on AWS; and every call
//! that passes is held against `functions/openapi.yaml`.
//!
//! The API's address on the emulated AWS holds an id that only the deployment gives out, but LINE's callback URL is a
//! parameter of that deployment. So a proxy stands in front. Its name is `localhost` because browsers keep cookies that
//! ask for https on that host, and on no other without https. It passes paths on as they are, whatever is in them.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response, Uri,
    header::{CONNECTION, EXPECT, HOST, TRANSFER_ENCODING},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{
    api::http_server::{Answer, HangUp, HttpServer},
    api::open_api::OpenApi,
};

/// Not reqwest's: that one reads an address as a browser does, and resolves `..` in it.
type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// The running proxy; dropping it closes the port.
#[derive(Debug)]
pub struct PublicApi {
    server: HttpServer,
    api_url: Arc<OnceLock<String>>,
    violations: Arc<Mutex<Vec<String>>>,
}

impl PublicApi {
    /// Starts it; until [`forward_to`](Self::forward_to) it hangs up.
    pub async fn start() -> anyhow::Result<Self> {
        let client: HttpClient = Client::builder(TokioExecutor::new()).build_http();
        let api_url = Arc::new(OnceLock::<String>::new());
        let violations = Arc::default();
        let (upstream, found) = (Arc::clone(&api_url), Arc::clone(&violations));
        let server = HttpServer::start(move |request| {
            let (client, upstream, found) = (client.clone(), upstream.get().cloned(), Arc::clone(&found));
            async move {
                let answer = forward(&client, &upstream.ok_or(HangUp)?, request.clone()).await?;
                // Before the caller has its answer: a story that has heard everything has every violation, too.
                for violation in OpenApi::ours().violations(&request, &answer) {
                    let mut found = lock(&found);
                    if !found.contains(&violation) {
                        found.push(violation);
                    }
                }
                Ok(answer)
            }
        })
        .await?;
        Ok(Self { server, api_url, violations })
    }

    /// Says where the API is, once it is there.
    pub fn forward_to(&self, api_url: &str) {
        let _ = self.api_url.set(api_url.to_owned());
    }

    /// `http://localhost:port`, without a trailing slash.
    pub fn base_url(&self) -> String {
        self.server.base_url().replace("127.0.0.1", "localhost")
    }

    /// What was not as `functions/openapi.yaml` says, each kind of it once.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.violations).clone()
    }
}

fn lock(violations: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    violations.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn forward(client: &HttpClient, upstream: &str, request: Request<Bytes>) -> Answer {
    let (mut head, body) = request.into_parts();
    for name in [CONNECTION, EXPECT, HOST, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("{upstream}{path}").parse::<Uri>().map_err(|_| HangUp)?;
    let answer = client.request(Request::from_parts(head, Full::new(body))).await.map_err(|_| HangUp)?;
    let (mut head, body) = answer.into_parts();
    for name in [CONNECTION, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    let body = body.collect().await.map_err(|_| HangUp)?.to_bytes();
    Ok(Response::from_parts(head, body))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn passes_every_path_on_as_it_is_and_notes_what_is_not_documented() {
        let echo = HttpServer::start(|request: Request<Bytes>| async move {
            Ok(Response::new(Bytes::from(format!("{} {}", request.method(), request.uri()))))
        })
        .await
        .unwrap();
        let api = PublicApi::start().await.unwrap();
        api.forward_to(&format!("{}/$default", echo.base_url()));
        for path in ["/a/../b", "//orders//finished", "/a%2Fb%2e%2e/%252F?c=%20d&e=+", "/a/./b/"] {
            let before = api.violations().len();
            let mut stream = TcpStream::connect(api.server.base_url().trim_start_matches("http://")).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with(&format!("GET /$default{path}")), "{answer}");
            assert_eq!(api.violations().len(), before + 1, "{:?}", api.violations());
        }
    }
}
