//! An event of the HTTP API, with everything taken out of it that `lambda_http` cannot bear: it makes an address of two
//! headers, the path and the query, and panics where that is none; it refuses the whole event for one header that is
//! none; and it joins the cookies, so that one that is not ASCII makes all of them unreadable.

use lambda_http::{
    aws_lambda_events::apigw::ApiGatewayV2httpRequest,
    http::{HeaderName, HeaderValue, Uri, header::HOST, uri::Authority},
    request::LambdaRequest,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, value::RawValue};
use url::Url;

use crate::foreign_json;

/// What a URI may not hold as it is.
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// An event that `lambda_http` can read; none where its address is no address.
#[derive(Debug)]
pub struct HttpEvent(pub Option<LambdaRequest>);

impl<'de> Deserialize<'de> for HttpEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(read(foreign_json::value(raw.get())).map(LambdaRequest::ApiGatewayV2)))
    }
}

fn read(mut event: Value) -> Option<ApiGatewayV2httpRequest> {
    if let Some(headers) = event.get_mut("headers").and_then(Value::as_object_mut) {
        clean(headers);
    }
    if let Some(Value::Array(cookies)) = event.get_mut("cookies") {
        cookies.retain(|cookie| cookie.as_str().is_some_and(is_cookie));
    }
    if let Some(Value::String(query)) = event.get_mut("rawQueryString") {
        *query = utf8_percent_encode(query, NOT_IN_A_QUERY).to_string();
    }
    let request = serde_json::from_value(event).ok()?;
    has_an_address(&request).then_some(request)
}

fn clean(headers: &mut Map<String, Value>) {
    // Nothing here depends on the protocol that a proxy names.
    let is_taken = |name: &str| HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| name != "x-forwarded-proto");
    headers.retain(|name, _| is_taken(name));
    for (name, value) in headers.iter_mut() {
        if let Value::String(text) = value
            && name.eq_ignore_ascii_case("cookie")
        {
            let cookies: Vec<_> = text.split(';').map(str::trim).filter(|cookie| is_cookie(cookie)).collect();
            *text = cookies.join("; ");
        }
    }
    headers.retain(|_, value| value.as_str().is_some_and(|text| HeaderValue::from_str(text).is_ok()));
}

fn is_cookie(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok_and(|value| value.to_str().is_ok())
}

/// Whether the address that `lambda_http` makes is one, and its host nothing but a host.
fn has_an_address(request: &ApiGatewayV2httpRequest) -> bool {
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or(request.request_context.domain_name.as_deref()).unwrap_or("localhost");
    let path = request.raw_path.as_deref().unwrap_or("/");
    let query = request.raw_query_string.as_deref().unwrap_or_default();
    path.starts_with('/')
        && Authority::try_from(host).is_ok()
        && Url::parse(&format!("https://{host}{path}"))
            .is_ok_and(|address| Uri::try_from(format!("{address}?{query}")).is_ok())
}

#[cfg(test)]
mod tests {
    use lambda_http::{
        Request,
        http::{HeaderName, header},
    };
    use serde_json::json;

    use super::*;

    fn event(change: impl FnOnce(&mut Value)) -> Option<Request> {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/order-finished.json")).unwrap();
        change(&mut event);
        let HttpEvent(event) = serde_json::from_str(&event.to_string()).unwrap();
        event.map(Request::from)
    }

    fn header(request: &Request, name: HeaderName) -> Option<&str> {
        request.headers().get(name)?.to_str().ok()
    }

    #[test]
    fn an_odd_header_is_lost_alone() {
        for (name, value) in [
            ("x-forwarded-proto", json!("https, http")),
            ("X-Forwarded-Proto", json!(":")),
            ("user-agent", json!("café")),
            ("x-line\nfeed", json!("x")),
            ("x-shop", json!("a\nb")),
            ("x-number", json!(7)),
        ] {
            let request = event(|event| event["headers"][name] = value.clone()).expect("an event");
            assert_eq!(header(&request, header::CONTENT_TYPE), Some("application/json"), "{name}: {value}");
            assert_eq!(request.uri().path(), "/orders/finished");
        }
    }

    #[test]
    fn a_foreign_cookie_is_lost_alone() {
        let apart = event(|event| event["cookies"] = json!(["a=é", "__Host-line-login=1", 7])).expect("an event");
        assert_eq!(header(&apart, header::COOKIE), Some("__Host-line-login=1"));
        let together = event(|event| event["headers"]["cookie"] = json!("a=é; b=c;__Host-line-login=1"));
        assert_eq!(header(&together.expect("an event"), header::COOKIE), Some("b=c; __Host-line-login=1"));
    }

    #[test]
    fn a_host_is_nothing_but_a_host() {
        for host in ["e.jp", "E.jp:443", "127.0.0.1:8080", "[::1]"] {
            let request = event(|event| event["headers"]["host"] = json!(host)).expect("an event");
            assert_eq!(request.uri().path(), "/orders/finished", "{host}");
        }
        for host in ["", " ", "a b", "[", "e.jp:x", "e.jp:99999", "e.jp/login/callback?", "e.jp#", "%"] {
            assert!(event(|event| event["headers"]["host"] = json!(host)).is_none(), "{host}");
        }
    }

    #[test]
    fn a_query_is_part_of_an_address() {
        let query = "a= \"<>#\u{7f}字&b={|}^`%zz";
        let request = event(|event| event["rawQueryString"] = json!(query)).expect("an event");
        let written = request.uri().query().unwrap_or_default();
        assert_eq!(percent_encoding::percent_decode_str(written).decode_utf8_lossy(), query);
        assert!(event(|event| event["rawQueryString"] = json!("a".repeat(70_000))).is_none());
        assert!(event(|event| event["rawPath"] = json!("@e.jp/")).is_none());
        assert!(event(|event| *event = json!([])).is_none());
    }
}
