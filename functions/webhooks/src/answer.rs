//! The answers to a webhook. The sender is a program: it looks at the status, and redelivers whatever is not 2xx.

use lambda_http::{
    Body, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Value, json};
use shared::lambda::{http_api::Problem, problem_code::ProblemCode};

/// The largest body that is taken, in bytes. Lambda takes 6 MB, in which a body may stand as Base64.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// The most events that a body without LINE's signature may have: each costs a call of AWS's and perhaps one of LINE's.
/// What LINE signed is taken whole, because what is refused is lost.
pub const MAX_UNSIGNED_EVENTS: usize = 1000;

/// How a webhook ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookAnswer {
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
    /// 413: more than [`MAX_UNSIGNED_EVENTS`] without LINE's signature.
    TooManyEvents,
    /// 503: not every event is in the queue; the same request again is safe.
    Unavailable,
}

impl WebhookAnswer {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Taken => StatusCode::OK,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NotAWebhook => ProblemCode::NotAWebhook.status(),
            Self::NotSigned => ProblemCode::NotSigned.status(),
            Self::TooLarge => ProblemCode::TooLarge.status(),
            Self::TooManyEvents => ProblemCode::TooManyEvents.status(),
            Self::Unavailable => ProblemCode::Unavailable.status(),
        }
    }

    /// The response: an error is a problem, except that 404 is word for word API Gateway's own.
    pub fn into_response(self) -> Response<Body> {
        let problem = match self {
            Self::Taken => return json(self.status(), &json!({})),
            Self::NotFound => return json(self.status(), &json!({ "message": "Not Found" })),
            Self::NotAWebhook => {
                let detail = "Nothing was accepted: the body must be a JSON object with events.";
                Problem::new(ProblemCode::NotAWebhook, detail)
            }
            Self::NotSigned => {
                Problem::new(ProblemCode::NotSigned, "Nothing was accepted: the request is not signed by LINE.")
            }
            Self::TooLarge => {
                Problem::new(ProblemCode::TooLarge, format!("The body may have at most {MAX_BODY_BYTES} bytes."))
            }
            Self::TooManyEvents => {
                let detail = format!(
                    "Nothing was accepted: without LINE's signature a body may have at most {MAX_UNSIGNED_EVENTS} \
                     events."
                );
                Problem::new(ProblemCode::TooManyEvents, detail)
            }
            Self::Unavailable => Problem::unavailable("Not every event was stored. Send the same request again."),
        };
        let mut response = problem.into_response();
        // No key would help.
        response.headers_mut().remove(header::WWW_AUTHENTICATE);
        response
    }
}

fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::Text(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
