//! `functions/openapi.yaml`, held against every call of the HTTP API: each answer must be documented, and a request
//! that was accepted must be what the document asks for. A refused request may be anything.
//!
//! Paths are read as API Gateway reads them. Its own answers are known: they are documented by AWS.

use std::{
    collections::{BTreeSet, HashMap},
    io::Read as _,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use flate2::read::GzDecoder;
use hyper::{
    HeaderMap, Request, Response,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE},
};
use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use shared::foreign_json;
use url::form_urlencoded;

/// The document of this stack.
static OURS: LazyLock<OpenApi> = LazyLock::new(|| {
    OpenApi::parse(include_str!("../../../../functions/openapi.yaml")).expect("functions/openapi.yaml can be read")
});

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What API Gateway answers by itself to a call of a route that it has.
const OF_THE_GATEWAY: [(u16, &str); 4] = [
    (413, "Request Entity Too Large"),
    (429, "Too Many Requests"),
    (500, "Internal Server Error"),
    (503, "Service Unavailable"),
];

/// Longer errors of a schema quote whole bodies.
const MAX_ERROR: usize = 300;

/// An OpenAPI 3.1 document.
#[derive(Debug)]
pub struct OpenApi {
    document: Value,
    operations: Vec<Operation>,
    /// By the schema's place; made when first needed.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    path: String,
    place: String,
}

/// A place in the document: its JSON pointer and what stands there. Behind a reference it is the place referred to.
#[derive(Clone, Debug)]
struct Place<'a> {
    document: &'a Value,
    pointer: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    fn root(document: &'a Value) -> Self {
        Self { document, pointer: String::new(), value: document }
    }

    fn at(document: &'a Value, pointer: &str) -> Self {
        let value = document.pointer(pointer).unwrap_or_else(|| panic!("the document has no {pointer}"));
        Self { document, pointer: pointer.to_owned(), value }
    }

    /// What stands under a key or an index.
    fn get(&self, key: &str) -> Option<Self> {
        let pointer = self.pointer_of(key);
        let value = self.document.pointer(&pointer)?;
        Some(match value["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leaves the document"));
                Self::at(self.document, pointer)
            }
            None => Self { document: self.document, pointer, value },
        })
    }

    fn pointer_of(&self, key: &str) -> String {
        format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1"))
    }

    /// A schema is taken as it stands: beside a reference in it more may stand.
    fn schema(&self) -> Option<String> {
        self.value.get("schema").map(|_| format!("{}/schema", self.pointer))
    }

    /// Every member of an object, or of a list.
    fn members(&self) -> Vec<(String, Self)> {
        keys(self.value).into_iter().filter_map(|key| self.get(&key).map(|place| (key, place))).collect()
    }

    fn text(&self, key: &str) -> &'a str {
        self.value[key].as_str().unwrap_or_else(|| panic!("{} has no {key}", self.pointer))
    }

    fn is_required(&self) -> bool {
        self.value["required"] == true
    }
}

impl OpenApi {
    /// `functions/openapi.yaml`.
    pub fn ours() -> &'static Self {
        &OURS
    }

    /// Reads a document.
    pub fn parse(yaml: &str) -> anyhow::Result<Self> {
        let document: Value = yaml_serde::from_str(yaml).context("not YAML")?;
        ensure!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")), "not OpenAPI 3.1");
        let root = Place::root(&document);
        let paths = root.get("paths").context("the document has no paths")?;
        let mut operations = Vec::new();
        for (path, item) in paths.members() {
            for (method, operation) in item.members() {
                if METHODS.contains(&method.as_str()) {
                    let method = method.to_ascii_uppercase();
                    operations.push(Operation { method, path: path.clone(), place: operation.pointer });
                }
            }
        }
        Ok(Self { document, operations, validators: Mutex::default() })
    }

    /// Each operation as API Gateway names a route: `POST /orders/finished`.
    pub fn operations(&self) -> BTreeSet<String> {
        self.operations.iter().map(|Operation { method, path, .. }| format!("{method} {path}")).collect()
    }

    /// What stands at a JSON pointer, such as `/components/schemas/State`.
    ///
    /// # Panics
    /// When nothing stands there.
    pub fn at(&self, pointer: &str) -> &Value {
        Place::at(&self.document, pointer).value
    }

    /// Everything in which a call and its answer are not as documented.
    pub fn violations(&self, request: &Request<Bytes>, response: &Response<Bytes>) -> Vec<String> {
        let path = as_routed(request.uri().path());
        let status = response.status().as_u16();
        let found = match self.operation(request.method().as_str(), &path) {
            None if status == 404 && gateways_words(response).as_deref() == Some("Not Found") => Vec::new(),
            None => vec!["no such operation is documented".to_owned()],
            Some(_) if is_of_the_gateway(response) => Vec::new(),
            Some((operation, in_path)) => {
                let mut found = self.response_violations(&operation, response);
                if status < 400 {
                    found.extend(self.request_violations(&operation, &in_path, request));
                }
                found
            }
        };
        found.into_iter().map(|what| format!("{} {path} answered {status}: {what}", request.method())).collect()
    }

    /// Everything in which a call of ours to somebody else, one of the document's `webhooks`, is not as documented.
    ///
    /// # Panics
    /// When the document has no webhook of this name.
    pub fn webhook_violations(&self, name: &str, request: &Request<Bytes>, response: &Response<Bytes>) -> Vec<String> {
        let webhook = Place::at(&self.document, &format!("/webhooks/{name}"));
        let method = request.method().as_str().to_ascii_lowercase();
        let Some(operation) = webhook.get(&method) else { return vec![format!("{name}: {method} is not documented")] };
        let mut found = self.response_violations(&operation, response);
        found.extend(self.request_violations(&operation, &[], request));
        found.into_iter().map(|what| format!("{name}: {what}")).collect()
    }

    /// The operation behind a call, and its path's parameters. As in API Gateway the path with most fixed parts wins.
    fn operation(&self, method: &str, path: &str) -> Option<(Place<'_>, Vec<(String, String)>)> {
        let matching = self.operations.iter().filter(|operation| operation.method == method);
        let matching = matching.filter_map(|operation| Some((operation, path_parameters(&operation.path, path)?)));
        let (operation, parameters) = matching.min_by_key(|(_, parameters)| parameters.len())?;
        Some((Place::at(&self.document, &operation.place), parameters))
    }

    fn response_violations(&self, operation: &Place<'_>, response: &Response<Bytes>) -> Vec<String> {
        let status = response.status();
        let status = status.as_str();
        let documented = operation.get("responses");
        let Some(documented) = documented.and_then(|all| {
            [status, &format!("{}XX", &status[..1]), "default"].into_iter().find_map(|status| all.get(status))
        }) else {
            return vec!["the status is not documented".to_owned()];
        };
        let mut found = Vec::new();
        for (name, header) in documented.get("headers").iter().flat_map(Place::members) {
            let values: Vec<_> = response.headers().get_all(&name).iter().collect();
            if values.is_empty() && header.is_required() {
                found.push(format!("the header {name} is missing"));
            }
            for value in values {
                let value = String::from_utf8_lossy(value.as_bytes());
                found.extend(self.text_violation(&header, &format!("the header {name}"), &value));
            }
        }
        match documented.get("content") {
            None if response.body().is_empty() => {}
            None => found.push("a body, but none is documented".to_owned()),
            Some(content) => found.extend(self.body_violation(&content, response.headers(), response.body())),
        }
        found
    }

    fn request_violations(
        &self,
        operation: &Place<'_>,
        in_path: &[(String, String)],
        request: &Request<Bytes>,
    ) -> Vec<String> {
        let mut found = Vec::new();
        found.extend(self.security_violation(operation, request.headers()));

        let in_query: Vec<(String, String)> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let in_cookies = cookies(request.headers());
        let parameters = operation.get("parameters").map(|all| all.members()).unwrap_or_default();
        for (_, parameter) in &parameters {
            let name = parameter.text("name");
            let place = parameter.text("in");
            let of_that_name = |all: &[(String, String)]| -> Vec<String> {
                all.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect()
            };
            let values = match place {
                "path" => of_that_name(in_path),
                "query" => of_that_name(&in_query),
                "cookie" => of_that_name(&in_cookies),
                "header" => {
                    let values = request.headers().get_all(name).iter();
                    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
                }
                other => panic!("{} is in {other}", parameter.pointer),
            };
            match &values[..] {
                [] if parameter.is_required() => found.push(format!("the {place} parameter {name} is missing")),
                [] => {}
                [value] => {
                    found.extend(self.text_violation(parameter, &format!("the {place} parameter {name}"), value))
                }
                _ => found.push(format!("the {place} parameter {name} is there more than once")),
            }
        }
        for (name, _) in &in_query {
            if !parameters.iter().any(|(_, one)| one.text("in") == "query" && one.text("name") == name) {
                found.push(format!("the query parameter {name} is not documented"));
            }
        }

        match operation.get("requestBody") {
            None if request.body().is_empty() => {}
            None => found.push("the request has a body, but none is documented".to_owned()),
            Some(body) if request.body().is_empty() && !body.is_required() => {}
            Some(body) => {
                let content = body.get("content").unwrap_or_else(|| panic!("{} has no content", body.pointer));
                // As the functions read it: what they mend may be sent.
                let text = foreign_json::lossy(request.body());
                let body = foreign_json::mended(&text);
                let violation = self.body_violation(&content, request.headers(), body.as_bytes());
                let violation = violation.filter(|_| !is_unreadable_json(body.as_bytes()));
                found.extend(violation.map(|what| format!("in the request, {what}")));
            }
        }
        found
    }

    /// An operation that wants a key was accepted without one. Whether it is the right key is the function's business.
    fn security_violation(&self, operation: &Place<'_>, headers: &HeaderMap) -> Option<String> {
        let root = Place::root(&self.document);
        let alternatives = operation.get("security").or_else(|| root.get("security"))?.members();
        let schemes = root.get("components").and_then(|components| components.get("securitySchemes"));
        let has_a_key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value
                .split_once(' ')
                .is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty())
        });
        let satisfied = |alternative: &Place<'_>| {
            alternative.members().iter().all(|(name, _)| {
                let scheme = schemes.as_ref().and_then(|schemes| schemes.get(name));
                let scheme = scheme.unwrap_or_else(|| panic!("there is no security scheme {name}"));
                assert_eq!((scheme.text("type"), scheme.text("scheme")), ("http", "bearer"), "{}", scheme.pointer);
                has_a_key
            })
        };
        let open = alternatives.is_empty() || alternatives.iter().any(|(_, alternative)| satisfied(alternative));
        (!open).then(|| "accepted without a key".to_owned())
    }

    fn body_violation(&self, content: &Place<'_>, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let kind = essence.split('/').next().unwrap_or_default();
        let documented =
            [&essence, &format!("{kind}/*"), "*/*"].into_iter().find_map(|media_type| content.get(media_type));
        let Some(documented) = documented else {
            return Some(format!("the content type {content_type:?} is not documented"));
        };
        // Bytes, of which nothing is said.
        documented.schema()?;
        let body = if kind == "text" {
            match text_of(headers, body) {
                Some(text) => json!(text),
                None => return Some("the body is no text".to_owned()),
            }
        } else if essence == "application/x-www-form-urlencoded" {
            form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), json!(value))).collect()
        } else {
            match serde_json::from_slice(body) {
                Ok(value) => value,
                Err(error) => return Some(format!("the body is no JSON: {error}")),
            }
        };
        self.schema_error(&documented.schema()?, &body).map(|error| format!("the body is wrong: {error}"))
    }

    /// A header's or parameter's value, which is text on its way and may stand for a number or a truth value.
    fn text_violation(&self, documented: &Place<'_>, what: &str, text: &str) -> Option<String> {
        let schema = documented.schema().unwrap_or_else(|| panic!("{} has no schema", documented.pointer));
        let error = self.schema_error(&schema, &json!(text))?;
        let stands_for =
            serde_json::from_str(text).ok().filter(|value: &Value| value.is_number() || value.is_boolean());
        match stands_for {
            Some(value) if self.schema_error(&schema, &value).is_none() => None,
            _ => Some(format!("{what} is wrong: {error}")),
        }
    }

    fn schema_error(&self, schema: &str, value: &Value) -> Option<String> {
        let validator = self.validator(schema);
        let errors: Vec<_> =
            validator.iter_errors(value).map(|error| format!("{} {error}", error.instance_path())).collect();
        let all = errors.join("; ");
        (!errors.is_empty()).then(|| all.trim().chars().take(MAX_ERROR).collect())
    }

    fn validator(&self, schema: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = validators.get(schema) {
            return Arc::clone(validator);
        }
        // The schema on its own, with what it may refer to.
        let alone = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": "#/schema",
            "schema": Place::at(&self.document, schema).value,
            "components": self.document["components"],
        });
        let built = jsonschema::options().should_validate_formats(true).build(&alone);
        let validator = Arc::new(built.unwrap_or_else(|error| panic!("{schema} is no JSON Schema: {error}")));
        validators.insert(schema.to_owned(), Arc::clone(&validator));
        validator
    }
}

fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members.keys().cloned().collect(),
        Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
        _ => Vec::new(),
    }
}

/// A path as the emulated API Gateway matches it against its routes: decoded, except that `%25` stays, and with one
/// slash at the beginning where there are more.
fn as_routed(path: &str) -> String {
    let escaped = path.replace("%25", "%2525");
    let decoded = percent_decode_str(&escaped).decode_utf8_lossy();
    format!("/{}", decoded.trim_start_matches('/'))
}

/// The parameters of a path that is like the documented one.
fn path_parameters(documented: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (documented, path): (Vec<_>, Vec<_>) = (documented.split('/').collect(), path.split('/').collect());
    let mut parameters = Vec::new();
    for (expected, part) in documented.iter().zip(&path) {
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !part.is_empty() => parameters.push((name.to_owned(), (*part).to_owned())),
            None if expected == part => {}
            _ => return None,
        }
    }
    (documented.len() == path.len()).then_some(parameters)
}

/// JSON that is in order, but nested deeper than a [`Value`] can be, or with text or numbers that none can hold:
/// whoever passes such a body on unread may accept it.
fn is_unreadable_json(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_err() && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let headers = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn is_of_the_gateway(response: &Response<Bytes>) -> bool {
    let status = response.status().as_u16();
    // For a function that died AWS answers 500; the emulator hands out Lambda's error object.
    let of_the_emulator = || {
        let error: Option<Value> = serde_json::from_slice(response.body()).ok();
        error.is_some_and(|error| error["errorType"].is_string() && error["errorMessage"].is_string())
    };
    gateways_words(response).is_some_and(|words| OF_THE_GATEWAY.contains(&(status, words.as_str())))
        || (status == 502 && of_the_emulator())
}

/// `{"message": ...}` and nothing beside it.
fn gateways_words(response: &Response<Bytes>) -> Option<String> {
    let body: HashMap<String, String> = serde_json::from_slice(response.body()).ok()?;
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    let message = body.get("message")?;
    (is_json && body.len() == 1).then(|| message.clone())
}

/// A text, which may be compressed.
fn text_of(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let mut text = String::new();
    match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None => text = str::from_utf8(body).ok()?.to_owned(),
        Some(b"gzip") => drop(GzDecoder::new(body).read_to_string(&mut text).ok()?),
        Some(_) => return None,
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::notification;

    use crate::stand::sample_order;

    const THINGS: &str = r##"
openapi: 3.1.0
info: { title: Things, version: "1" }
security: [{ key: [] }]
paths:
  /things/{id}:
    put:
      parameters:
        - { name: id, in: path, required: true, schema: { type: string, pattern: "^[a-z]+$" } }
        - { name: limit, in: query, schema: { $ref: "#/components/schemas/Limit" } }
        - { name: X-Why, in: header, required: true, schema: { type: string } }
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Thing" } } } }
      responses:
        "200":
          description: Here it is.
          headers: { X-Count: { required: true, schema: { type: integer } } }
          content: { application/json: { schema: { $ref: "#/components/schemas/Thing", minProperties: 2 } } }
        "204": { description: Nothing to tell. }
        "4XX": { $ref: "#/components/responses/Wrong" }
  /things/all:
    get:
      security: []
      responses: { "200": { description: A page., content: { text/html: { schema: { type: string } } } } }
components:
  securitySchemes: { key: { type: http, scheme: bearer } }
  responses:
    Wrong: { description: Wrong., content: { application/problem+json: { schema: { required: [detail] } } } }
  schemas:
    Limit: { type: integer, maximum: 10 }
    Thing:
      type: object
      required: [name]
      properties: { name: { type: string }, at: { type: string, format: date-time } }
      additionalProperties: false
"##;

    const THING: &str = r#"{"name":"a","at":"2026-01-01T00:00:00Z"}"#;

    fn request(method: &str, address: &str, body: &'static str) -> Request<Bytes> {
        let request = Request::builder().method(method).uri(address);
        let request = request.header("authorization", "Bearer key").header("x-why", "so");
        request.header("content-type", "application/json; charset=utf-8").body(Bytes::from(body)).unwrap()
    }

    fn put(address: &str) -> Request<Bytes> {
        request("PUT", address, THING)
    }

    fn response(status: u16, content_type: &str, body: &'static str) -> Response<Bytes> {
        let response = Response::builder().status(status).header("content-type", content_type).header("x-count", "7");
        response.body(Bytes::from(body)).unwrap()
    }

    fn ok() -> Response<Bytes> {
        response(200, "application/json", THING)
    }

    #[track_caller]
    fn finds(request: &Request<Bytes>, response: &Response<Bytes>, expected: &[&str]) {
        let found = OpenApi::parse(THINGS).unwrap().violations(request, response);
        let as_expected = found.iter().zip(expected).all(|(found, expected)| found.contains(expected));
        assert!(found.len() == expected.len() && as_expected, "{found:#?}");
    }

    #[test]
    fn what_is_documented_is_no_violation() {
        for address in ["/things/a", "/things/a?limit=10", "/things/%61", "//things%2Fa"] {
            finds(&put(address), &ok(), &[]);
        }
        let page = response(200, "text/html; charset=utf-8", "<p>");
        finds(&Request::get("/things/all").body(Bytes::new()).unwrap(), &page, &[]);
        finds(&put("/things/a"), &response(204, "", ""), &[]);
        // Refused, a request may be anything.
        let refused = response(400, "application/problem+json", r#"{"detail":"no"}"#);
        finds(&Request::put("/things/A?x=1").body(Bytes::from("{")).unwrap(), &refused, &[]);
    }

    #[test]
    fn an_undocumented_operation_or_status_is_found() {
        finds(&put("/thing"), &ok(), &["PUT /thing answered 200: no such operation is documented"]);
        finds(&request("POST", "/things/a", THING), &ok(), &["no such operation"]);
        for trick in ["/things//a", "/things/a/", "/things/", "/things/a%2Fb", "/x/../things/a"] {
            finds(&put(trick), &ok(), &["no such operation"]);
        }
        finds(&put("/things/a"), &response(201, "application/json", THING), &["the status is not documented"]);
        finds(&put("/things/a"), &response(500, "application/json", "{}"), &["the status is not documented"]);
    }

    #[test]
    fn what_an_answer_lacks_or_has_too_much_is_found() {
        let answers = |status, content_type, body, expected: &[&str]| {
            finds(&put("/things/a"), &response(status, content_type, body), expected);
        };
        answers(
            200,
            "application/json",
            r#"{"at":"2026-01-01T00:00:00Z","b":1}"#,
            &["\"name\" is a required property"],
        );
        answers(200, "application/json", r#"{"name":"a","b":1}"#, &["'b' was unexpected"]);
        answers(200, "application/json", r#"{"name":"a"}"#, &["has less than 2 properties"]);
        answers(200, "application/json", r#"{"name":"a","at":"today"}"#, &["/at \"today\" is not a \"date-time\""]);
        answers(200, "application/json", "", &["the body is no JSON"]);
        answers(200, "text/plain", THING, &["the content type \"text/plain\" is not documented"]);
        answers(204, "text/plain", "x", &["a body, but none is documented"]);
        answers(404, "application/problem+json", "{}", &["\"detail\" is a required property"]);
        answers(404, "text/html", "<p>", &["the content type \"text/html\" is not documented"]);
        let mut without_header = ok();
        without_header.headers_mut().remove("x-count");
        finds(&put("/things/a"), &without_header, &["the header X-Count is missing"]);
        without_header.headers_mut().insert("x-count", "many".parse().unwrap());
        finds(&put("/things/a"), &without_header, &["the header X-Count is wrong"]);
    }

    #[test]
    fn an_accepted_request_that_is_not_as_documented_is_found() {
        finds(&put("/things/A"), &ok(), &["the path parameter id is wrong"]);
        finds(&put("/things/a?limit=11"), &ok(), &["the query parameter limit is wrong"]);
        finds(&put("/things/a?limit=x"), &ok(), &["the query parameter limit is wrong"]);
        finds(&put("/things/a?limit=1&limit=2"), &ok(), &["the query parameter limit is there more than once"]);
        finds(&put("/things/a?offset=1"), &ok(), &["the query parameter offset is not documented"]);
        for (body, expected) in [
            ("", "in the request, the body is no JSON"),
            ("{}", "\"name\" is a required property"),
            (r#"{"name":"a","b":1}"#, "'b' was unexpected"),
        ] {
            finds(&request("PUT", "/things/a", body), &ok(), &[expected]);
        }
        let mut changed = put("/things/a");
        changed.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        finds(&changed, &ok(), &["in the request, the content type \"text/plain\" is not documented"]);
        let mut changed = put("/things/a");
        changed.headers_mut().remove("x-why");
        finds(&changed, &ok(), &["the header parameter X-Why is missing"]);
        let page = response(200, "text/html", "<p>");
        finds(&request("GET", "/things/all", "x"), &page, &["the request has a body, but none is documented"]);
    }

    #[test]
    fn what_was_accepted_without_a_key_is_found() {
        for key in ["", "Bearer", "Bearer ", "Basic a2V5", "key"] {
            let mut without_key = put("/things/a");
            without_key.headers_mut().insert("authorization", key.parse().unwrap());
            finds(&without_key, &ok(), &["accepted without a key"]);
            finds(&without_key, &response(401, "application/problem+json", r#"{"detail":"no"}"#), &[]);
        }
    }

    #[test]
    fn the_gateways_own_answers_are_known() {
        let answers = |address, status, body, expected: &[&str]| {
            finds(&put(address), &response(status, "application/json", body), expected);
        };
        answers("/nowhere", 404, r#"{"message":"Not Found"}"#, &[]);
        answers("/things/a", 413, r#"{"message":"Request Entity Too Large"}"#, &[]);
        answers("/things/a", 503, r#"{"message":"Service Unavailable"}"#, &[]);
        answers("/things/a", 502, r#"{"errorType":"Runtime.ExitError","errorMessage":"died"}"#, &[]);
        // The route that is documented is not there.
        answers("/things/a", 404, r#"{"message":"Not Found"}"#, &["content type \"application/json\""]);
        answers("/nowhere", 404, r#"{"message":"Not Found","more":"x"}"#, &["no such operation"]);
        answers("/things/a", 503, r#"{"message":"Out of order"}"#, &["the status is not documented"]);
    }

    /// Every place of our document under a key of this name.
    fn places_named(name: &str) -> Vec<Place<'static>> {
        fn walk(place: &Place<'static>, name: &str, found: &mut Vec<Place<'static>>) {
            for key in keys(place.value) {
                let child = Place::at(place.document, &place.pointer_of(&key));
                if key == name {
                    found.push(child.clone());
                }
                walk(&child, name, found);
            }
        }
        let mut found = Vec::new();
        walk(&Place::root(&OpenApi::ours().document), name, &mut found);
        found
    }

    #[test]
    fn every_schema_and_example_of_ours_is_good() {
        let schemas = places_named("schema");
        assert!(schemas.len() > OpenApi::ours().operations.len());
        for schema in schemas {
            OpenApi::ours().validator(&schema.pointer);
        }
        for (name, _) in Place::at(&OpenApi::ours().document, "/components/schemas").members() {
            OpenApi::ours().validator(&format!("/components/schemas/{name}"));
        }
        let examples = places_named("example");
        assert!(!examples.is_empty());
        for example in examples {
            let schema = example.pointer.replace("/example", "/schema");
            assert_eq!(OpenApi::ours().schema_error(&schema, example.value), None, "{}", example.pointer);
        }
    }

    #[test]
    fn every_error_is_a_problem_except_pages_and_an_address_that_does_not_exist() {
        let ours = OpenApi::ours();
        let mut problems = 0;
        for Operation { method, path, place } in &ours.operations {
            let operation = Place::at(&ours.document, place);
            let responses = operation.get("responses").expect("responses");
            for (status, response) in responses.members().into_iter().filter(|(status, _)| status.as_str() >= "400") {
                let content = &response.value["content"];
                let kind = match (path.as_str(), status.as_str()) {
                    ("/login" | "/login/callback", _) => json!({ "text/html": { "schema": { "type": "string" } } }),
                    ("/webhooks/sobot/{key}", "404") => {
                        json!({ "application/json": { "schema": { "$ref": "#/components/schemas/NoSuchAddress" } } })
                    }
                    _ => {
                        problems += 1;
                        json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } })
                    }
                };
                assert_eq!(content, &kind, "{method} {path} {status}");
            }
            let open = operation.value["security"] == json!([]);
            assert!(open || responses.get("401").is_some(), "{method} {path} wants a key and documents no 401");
        }
        assert!(problems > 0);
    }

    #[test]
    fn the_documented_order_is_the_one_that_the_code_takes() {
        let documented =
            |body: &Value| OpenApi::ours().schema_error("/components/schemas/StatusChange", body).is_none();
        let changed = |pointer: &str, value: &Value| {
            let mut body = sample_order();
            *body.pointer_mut(pointer).expect("the sample has every field") = value.clone();
            body
        };
        let member = json!({ "lineUserId": null, "memberId": "M-1" });
        let both = json!({ "lineUserId": "U0123456789abcdef0123456789abcdef", "memberId": "M-1" });
        for (pointer, good, bad) in [
            ("/orderId", json!("a.b_c:d-9"), json!("a/b")),
            ("/orderId", json!("x".repeat(64)), json!("x".repeat(65))),
            ("/orderId", json!("A"), Value::Null),
            ("/status", json!(5), json!(-1)),
            ("/status", json!("Finish"), json!("fin ish")),
            ("/status", json!("start"), json!("")),
            ("/status", json!(999), json!(1000)),
            ("/status", json!("x".repeat(32)), json!("x".repeat(33))),
            ("/recipient", member, both),
            ("/recipient", json!({ "memberId": "M:1" }), json!({})),
            ("/recipient/lineUserId", json!(format!("U{}", "0".repeat(32))), json!(format!("U{}", "A".repeat(32)))),
            ("/fee/amount", json!("162"), json!(162)),
            ("/fee/amount", json!("1".repeat(12)), json!("1".repeat(13))),
            ("/fee/amount", json!("0"), json!("1.")),
            ("/fee/currency", json!("CLP"), json!("clp")),
            ("/startedAt", json!("2020-07-14T02:00:20Z"), json!("2020-07-14T11:00:20")),
            ("/startedAt", json!("2020-07-14T11:00:20.5+09:00"), json!("2020-02-30T00:00:00Z")),
            ("/startShop", json!("👨‍👩‍👧‍👦".repeat(500)), json!(" \n")),
            ("/startShop", json!("店"), Value::Null),
            ("/endShop", Value::Null, json!("")),
            ("/detailUrl", Value::Null, json!("http://example.com/")),
            ("/detailUrl", json!("https://例え.jp/注文?a=b c"), json!(format!("https://e.jp/{}", "x".repeat(1000)))),
            ("/language", json!("fr-CA"), json!("zh_CN")),
            ("/language", Value::Null, json!("")),
        ] {
            for (value, is_good) in [(good, true), (bad, false)] {
                let body = changed(pointer, &value);
                assert_eq!(notification::parse(&body).is_ok(), is_good, "{pointer}: {value}, the code");
                assert_eq!(documented(&body), is_good, "{pointer}: {value}, the document");
            }
        }
        for field in ["orderId", "status", "recipient", "fee", "startedAt", "startShop", "endedAt"] {
            let mut body = sample_order();
            body.as_object_mut().expect("an object").remove(field);
            assert!(!documented(&body) && notification::parse(&body).is_err(), "{field}");
        }
        let other = json!({ "orderId": "A", "status": 4 });
        assert!(documented(&other) && notification::parse(&other).is_ok());
    }
}
