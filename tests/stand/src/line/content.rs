//! `GET /v2/bot/message/{messageId}/content` as LINE answers it on api-data.line.me (reference "Get
//! content"): the bytes of a picture, a video, a sound or a file; of a message that was taken back, or
//! that LINE does not know, nothing.

use bytes::Bytes;
use hyper::{Response, StatusCode, header};

use super::{Inner, LineStandIn, Target, message};
use crate::api::http_server::Answer;

/// What a message holds.
#[derive(Clone, Debug)]
pub struct Content {
    /// `Content-Type`.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// The message that a path is about.
pub(super) fn message_id(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/v2/bot/message/")?.strip_suffix("/content")?;
    (!id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())).then_some(id)
}

impl LineStandIn {
    /// Says what a message holds.
    pub fn set_content(&self, message_id: &str, media_type: &str, bytes: impl Into<Bytes>) {
        let content = Content { media_type: media_type.to_owned(), bytes: bytes.into() };
        self.inner.change(|state| state.contents.insert(message_id.to_owned(), content));
    }
}

impl Inner {
    pub(super) async fn content(&self, path: &str) -> Answer {
        let id = message_id(path).unwrap_or_default().to_owned();
        self.play(Target::Content(id.clone()), |state| match state.contents.get(&id) {
            Some(content) => {
                let mut response = Response::new(content.bytes.clone());
                let media_type = content.media_type.parse().expect("a header's value");
                response.headers_mut().insert(header::CONTENT_TYPE, media_type);
                response
            }
            None => message(StatusCode::NOT_FOUND, "Not found"),
        })
        .await
    }
}
