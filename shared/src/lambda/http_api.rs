//! What the functions behind the HTTP API share: a caller's key, JSON answers, and errors as problem details (RFC 9457)
//! that say what is wrong and what to do, never a secret or another order's data.

use std::{convert::Infallible, future::ready};

use lambda_http::{
    Adapter, Body, Error, LambdaEvent, Request, RequestExt as _, Response, Service,
    aws_lambda_events::apigw::ApiGatewayV2httpRequest,
    http::{HeaderName, HeaderValue, StatusCode, header},
    request::{LambdaRequest, RequestContext},
    service_fn,
};
use serde_json::{Map, Value, json};

use crate::{
    foreign_json::{self, NotUtf8},
    lambda::{http_event::HttpEvent, problem_code::ProblemCode},
    metric,
    order::fields::FieldError,
};

/// Answers the calls of the HTTP API, until Lambda ends the process; whatever is answered, a browser comes back by
/// https only. `lambda_http::run` does the same, but panics where the call's address is no address.
pub async fn run<'a, H, F>(mut handler: H) -> Result<(), Error>
where
    H: FnMut(Request) -> F,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'a,
{
    let mut answer = Adapter::from(service_fn(move |request| {
        let answer = handler(request);
        async move { answer.await.map(only_https) }
    }));
    let mut refuse = Adapter::from(service_fn(|_: Request| ready(Ok(only_https(no_address().into_response())))));
    let service = service_fn(move |event: LambdaEvent<HttpEvent>| {
        let (HttpEvent(request), context) = event.into_parts();
        match request {
            Some(request) => answer.call(LambdaEvent::new(request, context)),
            None => {
                let nothing = LambdaRequest::ApiGatewayV2(ApiGatewayV2httpRequest::default());
                refuse.call(LambdaEvent::new(nothing, context))
            }
        }
    });
    lambda_runtime::run(service).await
}

fn only_https(mut response: Response<Body>) -> Response<Body> {
    let a_year = HeaderValue::from_static("max-age=31536000");
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, a_year);
    response
}

fn no_address() -> Problem {
    tracing::info!("a call without an address");
    Problem::new(
        ProblemCode::BadAddress,
        "Nothing was changed: host, path and query of the request are not an address.",
    )
}

/// The body as text, as its caller sent it. What API Gateway takes for text it passes on with U+FFFD in the place of
/// each byte that is none, and so with another length than the caller said. Where no length was said, a caller's own
/// U+FFFD is refused as well: a customer who reads `��Ʒ` is worse off than a caller who is told what to send instead.
pub fn utf8_body(request: &Request) -> Result<&str, NotUtf8> {
    let text = foreign_json::utf8(request.body())?;
    let Some(offset) = text.find('\u{FFFD}') else { return Ok(text) };
    let length = request.headers().get(header::CONTENT_LENGTH);
    match length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok()) {
        Some(length) if text.len() == length => Ok(text),
        Some(_) => Err(NotUtf8::Certain { offset }),
        None => Err(NotUtf8::Possible { offset }),
    }
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: ProblemCode,
    detail: String,
    members: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Problem {
    /// A refusal; `detail` says to people what the caller can do.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), members: Map::new(), errors: Vec::new() }
    }

    /// Says what it is about in a member of its own, such as `orderId`: a program need not read `detail` for it.
    pub fn about(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// 400: these fields are wrong.
    pub fn wrong_fields(detail: impl Into<String>, errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(ProblemCode::Fields, detail) }
    }

    /// 503: something that is needed does not answer; the same call again is safe.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Unavailable, detail)
    }

    /// The response.
    pub fn into_response(self) -> Response<Body> {
        let status = self.code.status();
        let mut body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "code": self.code.name(),
            "detail": self.detail,
        });
        for (name, value) in self.members {
            body[name] = value;
        }
        if !self.errors.is_empty() {
            body["errors"] = self.errors.iter().map(FieldError::to_json).collect();
        }
        let mut response = with_type(status, "application/problem+json", &body);
        let extra: Option<(HeaderName, &'static str)> = match status {
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

/// The address that the call came from, as API Gateway saw it.
pub fn source_ip(request: &Request) -> Option<String> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.clone(),
        _ => None,
    }
}

/// The host that the call came to, by which API Gateway found this API; without it a call does not reach it.
pub fn domain_name(request: &Request) -> Option<String> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context.domain_name.clone(),
        _ => None,
    }
}

/// A credential was refused: 401, whatever was wrong with it.
pub fn refused(request: &Request, route: &'static str, is_former: bool, detail: &str) -> Problem {
    note_refused(request, route, is_former);
    Problem::new(ProblemCode::Unauthorized, detail)
}

/// Measures a refused credential by `route`, and logs where it came from. `is_former`: it was withdrawn with the latest
/// change of its secret; nobody but who once had it can make that ring.
pub fn note_refused(request: &Request, route: &'static str, is_former: bool) {
    metric::authentication_failed(route);
    if is_former {
        metric::former_credential_used(route);
    }
    tracing::info!(http.source_ip = source_ip(request).as_deref(), route, is_former, "a credential was refused");
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
    fn a_body_is_text_if_its_caller_sent_text() {
        let read = |body: &str, length: &str| {
            let mut request = Request::new(Body::from(body));
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_str(length).unwrap());
            utf8_body(&request).map(str::to_owned)
        };
        assert_eq!(read("ab字", "5"), Ok("ab字".to_owned()));
        assert_eq!(read("ab字", "9"), Ok("ab字".to_owned()), "nothing in it speaks of other bytes");
        assert_eq!(read("ab\u{FFFD}", "5"), Ok("ab\u{FFFD}".to_owned()), "the caller's own");
        assert_eq!(read("ab\u{FFFD}", "3"), Err(NotUtf8::Certain { offset: 2 }));
        for length in ["", "x"] {
            let error = read("ab\u{FFFD}", length).unwrap_err();
            assert_eq!(error, NotUtf8::Possible { offset: 2 }, "{length}");
            assert!(error.to_string().ends_with(r"send the length, or write \ufffd"), "{error}");
        }
        assert_eq!(utf8_body(&Request::new(Body::from(&b"a\xFF"[..]))), Err(NotUtf8::Certain { offset: 1 }));
    }

    #[test]
    fn a_refusal_says_how_to_go_on() {
        let header = |problem: Problem, name| {
            problem.into_response().headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(Problem::new(ProblemCode::Unauthorized, "x"), "www-authenticate").as_deref(), Some("Bearer"));
        assert_eq!(header(Problem::unavailable("x"), "retry-after").as_deref(), Some("5"));
        assert_eq!(header(Problem::new(ProblemCode::InFlight, "x"), "retry-after"), None);
    }
}
