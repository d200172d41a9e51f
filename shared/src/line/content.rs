//! What a message's picture, video, sound or file holds, as long as LINE keeps it (LINE: "Get content"). It is on a
//! host of its own, api-data.line.me.

use std::time::Instant;

use reqwest::{Method, header::CONTENT_TYPE};

use crate::{
    foreign_json::lossy,
    line::client::{LineClient, LineError, no_answer, tell_of_a_refused_account},
    token::access::AccessToken,
};

/// What LINE says of a message's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Here it is.
    Whole {
        /// `Content-Type`, as LINE says it.
        media_type: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// It is larger than was asked for.
    TooLarge,
    /// LINE prepares it still.
    Preparing,
    /// LINE has it no more, or has never had it.
    Gone,
}

impl LineClient {
    /// `GET /v2/bot/message/{messageId}/content`; no more than so many bytes are read.
    pub async fn content(&self, token: &AccessToken, message_id: &str, max_bytes: usize) -> Result<Content, LineError> {
        const ENDPOINT: &str = "/v2/bot/message/{messageId}/content";
        let started = Instant::now();
        let path = ENDPOINT.replace("{messageId}", message_id);
        let result = async {
            let mut response = self.request(Method::GET, &path, Some(token)).send().await?;
            let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let (status, media_type) = (response.status().as_u16(), media_type.unwrap_or_default().to_owned());
            let mut bytes = Vec::new();
            while bytes.len() <= max_bytes
                && let Some(chunk) = response.chunk().await?
            {
                bytes.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>((status, media_type, bytes))
        };
        let (status, media_type, bytes) = result.await.map_err(|error| no_answer(error, true))?;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            http.endpoint = ENDPOINT,
            http.status = status,
            bytes = bytes.len(),
            duration_ms,
            "LINE answered"
        );
        tell_of_a_refused_account(ENDPOINT, status);
        match status {
            202 => Ok(Content::Preparing),
            404 | 410 => Ok(Content::Gone),
            200 if bytes.len() > max_bytes => Ok(Content::TooLarge),
            200 => Ok(Content::Whole { media_type, bytes }),
            _ => Err(LineError::Status { status, text: lossy(&bytes).chars().take(200).collect() }),
        }
    }
}
