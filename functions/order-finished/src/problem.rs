//! Errors as RFC 9457 problem details: what is wrong and what to do, never a secret or another order's data.

use lambda_http::{
    Body, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use serde_json::{Value, json};
use shared::order::{FieldError, MAX_BODY_BYTES};

/// What a call can be refused for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// 400: these fields are wrong.
    WrongFields(Vec<FieldError>),
    /// 401: no key, or not one of ours.
    NotAuthorized,
    /// 409: the order id was used with other content.
    OtherContent,
    /// 413: the body is too large.
    TooLarge,
    /// 415: the body is not declared as JSON.
    NotJson,
    /// 503: nothing is durable; the same call again is safe.
    Unavailable,
}

impl Problem {
    /// The response.
    pub fn into_response(self) -> Response<Body> {
        let (status, detail) = match &self {
            Self::WrongFields(_) => (StatusCode::BAD_REQUEST, "The order was not taken: correct the fields under errors.".to_owned()),
            Self::NotAuthorized => (StatusCode::UNAUTHORIZED, "Send the order API key as Authorization: Bearer <key>.".to_owned()),
            Self::OtherContent => (
                StatusCode::CONFLICT,
                "This order id came before with other content. The first content stands; nothing was sent for this one.".to_owned(),
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, format!("The body may have at most {MAX_BODY_BYTES} bytes.")),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the order as Content-Type: application/json.".to_owned()),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The order could not be stored. Send the same call again: the customer will get one message.".to_owned(),
            ),
        };
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
        });
        let mut extra: Option<(HeaderName, &'static str)> = None;
        match self {
            Self::WrongFields(errors) => {
                let errors = errors.into_iter().map(|error| json!({ "field": error.field, "detail": error.problem }));
                body["errors"] = Value::Array(errors.collect());
            }
            Self::NotAuthorized => extra = Some((header::WWW_AUTHENTICATE, "Bearer")),
            Self::Unavailable => extra = Some((header::RETRY_AFTER, "5")),
            Self::OtherContent | Self::TooLarge | Self::NotJson => {}
        }
        let mut response = json_response(status, "application/problem+json", &body);
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// A response with a JSON body.
pub fn json_response(status: StatusCode, content_type: &'static str, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::Text(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
