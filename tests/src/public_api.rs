//! The HTTP API under an origin that is known before it is deployed, as a domain of one's own is on AWS.
//!
//! The API's address on the emulated AWS holds an id that only the deployment gives out, but LINE's callback URL is a
//! parameter of that deployment. So a proxy stands in front. Its name is `localhost` because browsers keep cookies that
//! ask for https on that host, and on no other without https.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use bytes::Bytes;
use hyper::{
    Request, Response,
    header::{CONNECTION, HOST, TRANSFER_ENCODING},
};

use crate::http_server::{Answer, HangUp, HttpServer};

/// The running proxy; dropping it closes the port.
#[derive(Debug)]
pub struct PublicApi {
    server: HttpServer,
    api_url: Arc<OnceLock<String>>,
}

impl PublicApi {
    /// Starts it; until [`forward_to`](Self::forward_to) it hangs up.
    pub async fn start() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no HTTP client for the API's proxy")?;
        let api_url = Arc::new(OnceLock::<String>::new());
        let upstream = Arc::clone(&api_url);
        let server = HttpServer::start(move |request| {
            let (client, upstream) = (client.clone(), upstream.get().cloned());
            async move { forward(&client, &upstream.ok_or(HangUp)?, request).await }
        })
        .await?;
        Ok(Self { server, api_url })
    }

    /// Says where the API is, once it is there.
    pub fn forward_to(&self, api_url: &str) {
        let _ = self.api_url.set(api_url.to_owned());
    }

    /// `http://localhost:port`, without a trailing slash.
    pub fn base_url(&self) -> String {
        self.server.base_url().replace("127.0.0.1", "localhost")
    }
}

async fn forward(client: &reqwest::Client, upstream: &str, request: Request<Bytes>) -> Answer {
    let (mut head, body) = request.into_parts();
    for name in [CONNECTION, TRANSFER_ENCODING, HOST] {
        head.headers.remove(name);
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let call = client.request(head.method, format!("{upstream}{path}")).headers(head.headers).body(body);
    let answer = call.send().await.map_err(|_| HangUp)?;
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(answer.bytes().await.map_err(|_| HangUp)?);
    for name in [CONNECTION, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
