//! What the functions behind the HTTP API share: a caller's key, JSON answers, and errors as problem details (RFC 9457)
//! that say what is wrong and what to do, never a secret or another order's data.

use std::convert::Infallible;

use lambda_http::{
    Adapter, Body, Error, LambdaEvent, Request, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
    request::LambdaRequest,
    service_fn,
    tower::ServiceBuilder,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use crate::order::fields::FieldError;

/// What a URI may not hold as it is; whoever calls may send it all the same.
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// Answers the calls of the HTTP API, until Lambda ends the process. `lambda_http::run` does the same, but for a query
/// that is no part of a URI: that would end it.
pub async fn run<'a, H, F>(handler: H) -> Result<(), Error>
where
    H: FnMut(Request) -> F,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'a,
{
    let adapter = Adapter::from(service_fn(handler));
    lambda_runtime::run(ServiceBuilder::new().map_request(with_a_query_of_a_uri).service(adapter)).await
}

fn with_a_query_of_a_uri(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload
        && let Some(query) = &mut request.raw_query_string
    {
        *query = utf8_percent_encode(query, NOT_IN_A_QUERY).to_string();
    }
    event
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
}

impl Problem {
    /// A refusal with this status; `detail` says what the caller can do.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new() }
    }

    /// 400: these fields are wrong.
    pub fn wrong_fields(detail: impl Into<String>, errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    /// 401: no key, or not one of ours.
    pub fn not_authorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 503: something that is needed does not answer; the same call again is safe.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The response.
    pub fn into_response(self) -> Response<Body> {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            let errors = self.errors.into_iter().map(|error| json!({ "field": error.field, "detail": error.problem }));
            body["errors"] = Value::Array(errors.collect());
        }
        let mut response = with_type(self.status, "application/problem+json", &body);
        let extra: Option<(HeaderName, &'static str)> = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "5")),
            _ => None,
        };
        if let Some((name, value)) = extra {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// A JSON answer; nobody may keep it.
pub fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    with_type(status, "application/json", body)
}

fn with_type(status: StatusCode, content_type: &'static str, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::Text(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The key that the caller sent as `Authorization: Bearer <key>`.
pub fn bearer(request: &Request) -> Option<&str> {
    let (scheme, key) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorization: &str) -> Request {
        let mut request = Request::default();
        let value = HeaderValue::from_str(authorization).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        request
    }

    #[test]
    fn a_bearer_key_is_taken_in_any_spelling_of_the_scheme_and_no_other_scheme_is() {
        assert_eq!(bearer(&request("bEaReR  key ")), Some("key"));
        for other in ["Basic key", "Bearer", "key", ""] {
            assert_eq!(bearer(&request(other)), None, "{other:?}");
        }
        assert_eq!(bearer(&Request::default()), None);
    }

    #[test]
    fn a_refusal_says_how_to_go_on() {
        let header = |problem: Problem, name| {
            problem.into_response().headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(Problem::not_authorized("x"), "www-authenticate").as_deref(), Some("Bearer"));
        assert_eq!(header(Problem::unavailable("x"), "retry-after").as_deref(), Some("5"));
        assert_eq!(header(Problem::new(StatusCode::CONFLICT, "x"), "retry-after"), None);
    }
}
