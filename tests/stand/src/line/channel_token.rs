//! Channel access tokens v2.1: issued for a signed assertion, at most 30 valid ones, revocable
//! (LINE: "Issue channel access token v2.1", reference "Channel access token v2.1").
//!
//! Assertions are judged by the real clock, because the caller under test writes `exp` by it. The age of an issued
//! token is the stand-in's own: real time and whatever a test has added.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use hyper::{HeaderMap, Request, Response, StatusCode, header};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::json;

use super::{Refusal, has_media_type, reply, strict_json};
use crate::{line::channel_key::ChannelKey, random::random_bytes};

const AUDIENCE: &str = "https://api.line.me/";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ASSERTION_LIFE_MAX: u64 = 30 * 60;
const TOKEN_LIFE_MAX: u64 = 30 * 24 * 60 * 60;
const VALID_TOKENS_MAX: usize = 30;

/// The channel's registered keys and issued tokens.
pub(super) struct ChannelTokens {
    channel_id: String,
    channel_secret: String,
    registered: HashMap<String, DecodingKey>,
    expires_at: HashMap<String, Duration>,
    issued: usize,
}

impl ChannelTokens {
    pub(super) fn new(channel_id: String, channel_secret: String) -> Self {
        Self { channel_id, channel_secret, registered: HashMap::new(), expires_at: HashMap::new(), issued: 0 }
    }

    pub(super) fn register(&mut self, key: &ChannelKey) {
        self.registered.insert(key.kid().to_owned(), key.decoding_key());
    }

    pub(super) fn issued(&self) -> usize {
        self.issued
    }

    pub(super) fn revoke_all(&mut self) {
        self.expires_at.clear();
    }

    /// Whether a request carries one token, valid `now`.
    pub(super) fn admits(&self, headers: &HeaderMap, now: Duration) -> bool {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        token.and_then(|token| self.expires_at.get(token)).is_some_and(|expires_at| now < *expires_at)
    }

    /// `POST /oauth2/v2.1/token`
    pub(super) fn issue(&mut self, request: &Request<Bytes>, now: Duration) -> Result<Response<Bytes>, Refusal> {
        let form = read_form(request, &["grant_type", "client_assertion_type", "client_assertion"])?;
        if form["grant_type"] != "client_credentials" {
            return Err(refuse("unsupported_grant_type", "grant_type is not supported"));
        }
        if form["client_assertion_type"] != ASSERTION_TYPE {
            return Err(refuse("invalid_request", "Invalid client_assertion_type"));
        }
        let life = self.check_assertion(&form["client_assertion"])?;
        // Expired tokens don't count.
        self.expires_at.retain(|_, expires_at| now < *expires_at);
        if self.expires_at.len() >= VALID_TOKENS_MAX {
            let full = "The maximum number of access tokens has already been issued";
            return Err(Refusal::message(StatusCode::BAD_REQUEST, full));
        }
        let token = self.add_token(now + Duration::from_secs(life));
        self.issued += 1;
        let key_id = BASE64_URL_SAFE_NO_PAD.encode(random_bytes::<16>());
        let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": life, "key_id": key_id });
        Ok(reply(StatusCode::OK, &body))
    }

    pub(super) fn add_token(&mut self, expires_at: Duration) -> String {
        let token = BASE64_URL_SAFE_NO_PAD.encode(random_bytes::<96>());
        self.expires_at.insert(token.clone(), expires_at);
        token
    }

    /// `POST /oauth2/v2.1/revoke`: answers 200 for an invalid token too.
    pub(super) fn revoke(&mut self, request: &Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
        let form = read_form(request, &["client_id", "client_secret", "access_token"])?;
        if form["client_id"] != self.channel_id || form["client_secret"] != self.channel_secret {
            return Err(refuse("invalid_client", "Invalid client_id or client_secret"));
        }
        self.expires_at.remove(&form["access_token"]);
        Ok(Response::new(Bytes::new()))
    }

    /// Answers how many seconds the token may live.
    fn check_assertion(&self, assertion: &str) -> Result<u64, Refusal> {
        let wrong = |what: &str| refuse("invalid_client", what);
        let (signed, signature) = assertion.rsplit_once('.').ok_or_else(|| wrong("Invalid client_assertion"))?;
        let (head, claims) = signed.split_once('.').ok_or_else(|| wrong("Invalid client_assertion"))?;
        let part = |text: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong("Invalid client_assertion"))?;
            strict_json::parse(&bytes).map_err(|_| wrong("Invalid client_assertion"))
        };
        let (head, claims) = (part(head)?, part(claims)?);
        for (field, expected) in [("alg", "RS256"), ("typ", "JWT")] {
            if head[field] != expected {
                return Err(wrong(&format!("Invalid {field}")));
            }
        }
        let unknown = "Cannot find channel key that satisfies the conditions";
        let key = head["kid"].as_str().and_then(|kid| self.registered.get(kid));
        let key = key.ok_or_else(|| Refusal::message(StatusCode::NOT_FOUND, unknown))?;
        if !crypto::verify(signature, signed.as_bytes(), key, Algorithm::RS256).unwrap_or(false) {
            return Err(wrong("Invalid signature"));
        }
        if claims["iss"] != self.channel_id.as_str() || claims["sub"] != self.channel_id.as_str() {
            return Err(wrong("iss and clientId of key do not match"));
        }
        if claims["aud"] != AUDIENCE {
            return Err(wrong("Invalid aud"));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Milliseconds lie far beyond the 30 minutes; a string is not a number.
        if claims["exp"].as_u64().is_none_or(|exp| exp <= now || exp > now + ASSERTION_LIFE_MAX) {
            return Err(wrong("Invalid exp"));
        }
        let life = claims["token_exp"].as_u64().filter(|life| (1..=TOKEN_LIFE_MAX).contains(life));
        life.ok_or_else(|| wrong("Invalid token_exp"))
    }
}

/// Exactly these fields, each once and not empty.
pub(super) fn read_form(request: &Request<Bytes>, fields: &[&str]) -> Result<BTreeMap<String, String>, Refusal> {
    if !has_media_type(request.headers(), "application/x-www-form-urlencoded") {
        return Err(Refusal::message(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be a form"));
    }
    let mut form = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(request.body()) {
        if value.is_empty() || !fields.contains(&&*name) || form.contains_key(&*name) {
            return Err(refuse("invalid_request", &format!("Invalid {name}")));
        }
        form.insert(name.into_owned(), value.into_owned());
    }
    match fields.iter().find(|field| !form.contains_key(**field)) {
        Some(missing) => Err(refuse("invalid_request", &format!("{missing} is required"))),
        None => Ok(form),
    }
}

/// The token endpoints name errors in OAuth's way, not with `message`.
pub(super) fn refuse(error: &str, description: &str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, json!({ "error": error, "error_description": description }))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::EncodingKey;
    use serde_json::Value;

    use super::{super::*, *};

    fn seconds_from_now(seconds: i64) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 + seconds
    }

    fn claims(line: &LineStandIn) -> Value {
        json!({ "iss": line.channel_id(), "sub": line.channel_id(), "aud": AUDIENCE,
                "exp": seconds_from_now(1_800), "token_exp": 86_400 })
    }

    fn head(line: &LineStandIn) -> Value {
        json!({ "alg": "RS256", "typ": "JWT", "kid": line.key().kid() })
    }

    fn sign(head: &Value, claims: &Value, key: &EncodingKey) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let signature = crypto::sign(signed.as_bytes(), key, Algorithm::RS256).unwrap();
        format!("{signed}.{signature}")
    }

    async fn post(line: &LineStandIn, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let answer = reqwest::Client::new().post(format!("{}{path}", line.base_url())).form(form).send().await.unwrap();
        let status = answer.status().as_u16();
        assert!(answer.headers().contains_key("x-line-request-id"));
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    async fn ask(line: &LineStandIn, assertion: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
        ];
        post(line, "/oauth2/v2.1/token", &form).await
    }

    async fn ask_with(line: &LineStandIn, claim: &str, value: Value) -> (u16, Value) {
        let mut claims = claims(line);
        claims[claim] = value;
        ask(line, &sign(&head(line), &claims, &line.key().encoding_key())).await
    }

    #[track_caller]
    fn refused(answer: &(u16, Value), status: u16, reason: &str) {
        let said = answer.1["error_description"].as_str().or(answer.1["message"].as_str()).unwrap_or_default();
        assert_eq!((answer.0, said), (status, reason));
    }

    #[tokio::test]
    async fn a_good_assertion_gets_a_bearer_token() {
        let line = LineStandIn::start().await.unwrap();
        let (status, body) = ask_with(&line, "token_exp", json!(6_400)).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(6_400)));
        assert!(body["access_token"].as_str().unwrap().len() > 100 && body["key_id"].is_string());
        assert_eq!(line.tokens_issued(), 1);
        assert_eq!(ask_with(&line, "token_exp", json!(1)).await.0, 200);
        assert_eq!(ask_with(&line, "token_exp", json!(2_592_000)).await.0, 200);
        assert_eq!(ask_with(&line, "exp", json!(seconds_from_now(5))).await.0, 200);
    }

    #[tokio::test]
    async fn the_secret_holds_what_signs() {
        let line = LineStandIn::start().await.unwrap();
        let secret = line.secret();
        assert_eq!(secret["channelId"], line.channel_id());
        assert_eq!(secret["kid"], line.key().kid());
        assert_eq!(secret["privateKey"], line.key().private_jwk());
        assert!(line.channel_secret().len() == 32 && line.channel_secret().bytes().all(|c| c.is_ascii_hexdigit()));
    }

    #[tokio::test]
    async fn claims_out_of_range_are_refused() {
        let line = LineStandIn::start().await.unwrap();
        for (claim, value, reason) in [
            ("exp", json!(seconds_from_now(0)), "Invalid exp"),
            ("exp", json!(seconds_from_now(1_810)), "Invalid exp"),
            ("exp", json!(seconds_from_now(1_200) * 1_000), "Invalid exp"),
            ("exp", json!(seconds_from_now(1_200).to_string()), "Invalid exp"),
            ("exp", json!(seconds_from_now(1_200) as f64 + 0.5), "Invalid exp"),
            ("exp", Value::Null, "Invalid exp"),
            ("token_exp", json!(0), "Invalid token_exp"),
            ("token_exp", json!(2_592_001), "Invalid token_exp"),
            ("token_exp", json!("86400"), "Invalid token_exp"),
            ("token_exp", Value::Null, "Invalid token_exp"),
            ("iss", json!("1"), "iss and clientId of key do not match"),
            ("sub", json!("1"), "iss and clientId of key do not match"),
            ("iss", json!(line.channel_id().parse::<u64>().unwrap()), "iss and clientId of key do not match"),
            ("aud", json!("https://api.line.me"), "Invalid aud"),
            ("aud", json!(["https://api.line.me/"]), "Invalid aud"),
        ] {
            refused(&ask_with(&line, claim, value).await, 400, reason);
        }
        assert_eq!(line.tokens_issued(), 0);
    }

    #[tokio::test]
    async fn the_head_and_the_signature_are_checked() {
        let line = LineStandIn::start().await.unwrap();
        let (head, claims, key) = (head(&line), claims(&line), line.key().encoding_key());
        let with_head = |field: &str, value: Value| {
            let mut head = head.clone();
            head[field] = value;
            sign(&head, &claims, &key)
        };
        let unknown = "Cannot find channel key that satisfies the conditions";
        refused(&ask(&line, &with_head("kid", json!("other"))).await, 404, unknown);
        refused(&ask(&line, &with_head("kid", Value::Null)).await, 404, unknown);
        refused(&ask(&line, &with_head("alg", json!("none"))).await, 400, "Invalid alg");
        refused(&ask(&line, &with_head("typ", Value::Null)).await, 400, "Invalid typ");

        let stranger = ChannelKey::generate().unwrap();
        refused(&ask(&line, &sign(&head, &claims, &stranger.encoding_key())).await, 400, "Invalid signature");
        let good = sign(&head, &claims, &key);
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let other = BASE64_URL_SAFE_NO_PAD.encode(json!({ "iss": "x" }).to_string());
        let swapped = format!("{}.{other}.{signature}", signed.split_once('.').unwrap().0);
        refused(&ask(&line, &swapped).await, 400, "Invalid signature");
        refused(&ask(&line, &format!("{signed}.")).await, 400, "Invalid signature");
        refused(&ask(&line, "not-a-jwt").await, 400, "Invalid client_assertion");

        line.register_key(&stranger);
        let registered = json!({ "alg": "RS256", "typ": "JWT", "kid": stranger.kid() });
        assert_eq!(ask(&line, &sign(&registered, &claims, &stranger.encoding_key())).await.0, 200);
    }

    #[tokio::test]
    async fn the_form_is_exact() {
        let line = LineStandIn::start().await.unwrap();
        let assertion = sign(&head(&line), &claims(&line), &line.key().encoding_key());
        let good = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        let path = "/oauth2/v2.1/token";
        for at in 0..good.len() {
            let mut changed = good;
            changed[at].1 = "x";
            assert_eq!(post(&line, path, &changed).await.0, 400);
            assert_eq!(post(&line, path, &[&good[..at], &good[at + 1..]].concat()).await.0, 400);
            assert_eq!(post(&line, path, &[&good[..], &good[at..=at]].concat()).await.0, 400);
        }
        assert_eq!(post(&line, path, &[&good[..], &[("client_secret", "")]].concat()).await.0, 400);
        let as_json = reqwest::Client::new().post(format!("{}{path}", line.base_url())).json(&good).send().await;
        assert_eq!(as_json.unwrap().status(), 415);
        assert_eq!(line.tokens_issued(), 0);
    }

    #[tokio::test]
    async fn the_31st_valid_token_is_refused_until_one_is_revoked_or_expires() {
        let line = LineStandIn::start().await.unwrap();
        let first = ask_with(&line, "token_exp", json!(86_400)).await.1;
        for _ in 1..30 {
            assert_eq!(ask_with(&line, "token_exp", json!(3_600)).await.0, 200);
        }
        let full = "The maximum number of access tokens has already been issued";
        refused(&ask_with(&line, "token_exp", json!(60)).await, 400, full);
        assert_eq!(line.tokens_issued(), 30);

        let token = first["access_token"].as_str().unwrap();
        let (id, secret) = (line.channel_id(), line.channel_secret());
        let form = |secret| [("client_id", id.as_str()), ("client_secret", secret), ("access_token", token)];
        assert_eq!(post(&line, "/oauth2/v2.1/revoke", &form("wrong")).await.0, 400);
        refused(&ask_with(&line, "token_exp", json!(60)).await, 400, full);
        assert_eq!(post(&line, "/oauth2/v2.1/revoke", &form(&secret)).await.0, 200);
        assert_eq!(post(&line, "/oauth2/v2.1/revoke", &form(&secret)).await.0, 200);
        assert_eq!(ask_with(&line, "token_exp", json!(3_600)).await.0, 200);
        refused(&ask_with(&line, "token_exp", json!(60)).await, 400, full);

        line.age_tokens(Duration::from_secs(3_600));
        assert_eq!(ask_with(&line, "token_exp", json!(60)).await.0, 200);
    }
}
