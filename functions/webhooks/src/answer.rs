//! The answers to a webhook. The sender is a program: it looks at the status, and redelivers whatever is not 2xx.

use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Value, json};

/// The largest body that is taken, in bytes. Lambda takes 6 MB, in which a body may stand as Base64.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// How a webhook ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: every event is in the queue.
    Taken,
    /// 400: not what LINE sends, although its signature or the key is right.
    NotAWebhook,
    /// 401: the signature is missing or wrong; nobody learns more.
    NotSigned,
    /// 404: as for a path that does not exist.
    NotFound,
    /// 413: larger than [`MAX_BODY_BYTES`].
    TooLarge,
    /// 503: not every event is in the queue; the same request again is safe.
    Unavailable,
}

impl Answer {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Taken => StatusCode::OK,
            Self::NotAWebhook => StatusCode::BAD_REQUEST,
            Self::NotSigned => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The response: an error is a problem after RFC 9457, except that 404 is word for word API Gateway's own.
    pub fn into_response(self) -> Response<Body> {
        let status = self.status();
        let (content_type, body) = match self {
            Self::Taken => ("application/json", json!({})),
            Self::NotFound => ("application/json", json!({ "message": "Not Found" })),
            _ => ("application/problem+json", problem(status)),
        };
        let mut response = Response::new(Body::Text(body.to_string()));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}

fn problem(status: StatusCode) -> Value {
    json!({ "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16() })
}
