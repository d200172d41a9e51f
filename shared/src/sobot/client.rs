//! The wire to Sobot: one function per endpoint, one log line per call.
//!
//! Source: Sobot, "LINE API". An error comes as `ret_code` in the body, whatever the HTTP status; the codes are
//! [`SobotError`]. Every call but the token's carries the token in the header `token`, only reads, and is repeated once
//! if no answer came; a second request for a token would end the first one's.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use md5::{Digest as _, Md5};
use reqwest::{Method, RequestBuilder, header::HeaderValue};
use serde_json::Value;
use time::OffsetDateTime;
use url::Url;

use crate::{
    foreign_json,
    outbound::HttpClients,
    sobot::secret::SobotSecret,
    token::{
        access::{AccessToken, IssuedToken},
        shared::Refusal,
    },
};

/// Sobot's error texts are kept to this many characters.
const MAX_ERROR_TEXT: usize = 200;
/// `ret_code` of a success.
const SUCCESS: &str = "000000";

/// A client for one API host. Keeps its connections open between invocations.
#[derive(Clone, Debug)]
pub struct SobotClient {
    http: reqwest::Client,
    timeout: Duration,
    base: String,
}

/// A call without the answer that was asked for; each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SobotError {
    /// No answer came.
    #[error("Sobot did not answer ({0}): try again later")]
    NoAnswer(&'static str),
    /// `900001`.
    #[error("Sobot saw no token (900001): does a proxy drop the header token?")]
    TokenMissing,
    /// `900002`.
    #[error("Sobot's token is not valid any more (900002): fetch a new one")]
    TokenInvalid,
    /// `999994`.
    #[error(
        "Sobot refuses the parameters (999994: {0}): check appId and appKey in Sobot's secret, and the channel id; \
         if they are right, Sobot has changed its API"
    )]
    BadParameters(String),
    /// `999999`.
    #[error("Sobot has an unknown problem (999999: {0}): try again later, then ask Sobot's support")]
    Unknown(String),
    /// A code that is not documented.
    #[error("Sobot answered the undocumented code {code} ({text}): ask Sobot's support")]
    Other {
        /// `ret_code`.
        code: String,
        /// `ret_msg`, shortened.
        text: String,
    },
    /// No `ret_code`: another server's answer, or an outage.
    #[error("Sobot answered HTTP {0} without a ret_code: check the base address, try again later")]
    NoCode(u16),
    /// A success that lacks what it should hold.
    #[error("Sobot's answer has no usable {0}")]
    Lacks(&'static str),
}

/// A success.
#[derive(Debug)]
pub(super) struct Answer {
    body: Value,
    /// The body as it came: [`Value`] would round a number beyond 64 bits.
    pub(super) text: String,
}

impl Refusal for SobotError {
    fn issued_nothing(&self) -> bool {
        !matches!(self, Self::NoAnswer(_) | Self::NoCode(_) | Self::Unknown(_) | Self::Lacks(_))
    }

    fn blames_the_credential(&self) -> bool {
        self.issued_nothing()
    }

    fn blames_the_token(&self) -> bool {
        matches!(self, Self::TokenMissing | Self::TokenInvalid)
    }
}

impl SobotClient {
    /// A client for `base`, such as `https://sg.sobot.com`; no call takes longer than `timeout`.
    pub fn new(http: &HttpClients, base: &str, timeout: Duration) -> Self {
        Self { http: http.for_partner(timeout), timeout, base: base.to_owned() }
    }

    /// `GET /api/get_token`. The new token may end the former one: call it for the shared token only.
    pub async fn get_token(&self, secret: &SobotSecret, now: OffsetDateTime) -> Result<IssuedToken, SobotError> {
        const PATH: &str = "/api/get_token";
        let create_time = now.unix_timestamp().to_string();
        let sign = sign(&secret.app_id, &create_time, secret.reveal_app_key());
        let query = [("appid", secret.app_id.as_str()), ("create_time", &create_time), ("sign", &sign)];
        let answer = self.call(PATH, self.request(Method::GET, PATH, None).query(&query)).await?;
        issued_token(&answer.body)
    }

    /// `GET /chat-line/api/line/get_media_content`: where a message's picture, video, sound or file can be fetched.
    /// `channel_id` is Sobot's id of the channel (渠道id), although the parameter is named like the credential.
    pub async fn media_url(
        &self,
        token: &AccessToken,
        message_id: &str,
        channel_id: &str,
    ) -> Result<String, SobotError> {
        const PATH: &str = "/chat-line/api/line/get_media_content";
        let query = [("messageid", message_id), ("appid", channel_id)];
        let answer = self.ask(PATH, || self.request(Method::GET, PATH, Some(token)).query(&query)).await?;
        first_url(&answer.body["item"]).ok_or(SobotError::Lacks("item with an http(s) URL"))
    }

    pub(super) fn request(&self, method: Method, path: &str, token: Option<&AccessToken>) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base)).timeout(self.timeout);
        // A token that is no header value cannot be Sobot's; without the header Sobot answers 900001.
        match token.and_then(|token| HeaderValue::from_str(token.reveal()).ok()) {
            Some(mut value) => {
                value.set_sensitive(true);
                request.header("token", value)
            }
            None => request,
        }
    }

    /// A call that only reads: once more if no answer came.
    pub(super) async fn ask(
        &self,
        endpoint: &'static str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer, SobotError> {
        match self.call(endpoint, request()).await {
            Err(SobotError::NoAnswer(_)) => self.call(endpoint, request()).await,
            result => result,
        }
    }

    async fn call(&self, endpoint: &'static str, request: RequestBuilder) -> Result<Answer, SobotError> {
        let started = Instant::now();
        let result = async {
            // The error's own text would show the address, and with it the signature.
            let response = request.send().await.map_err(no_answer)?;
            let status = response.status().as_u16();
            Ok((status, response.text().await.map_err(no_answer)?))
        }
        .await;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (status, text) = result.inspect_err(|error: &SobotError| {
            tracing::warn!(http.endpoint = endpoint, %error, duration_ms, "Sobot did not answer");
        })?;
        let result = read(status, &text);
        tracing::info!(
            http.endpoint = endpoint,
            http.status = status,
            error = result.as_ref().err().map(tracing::field::display),
            duration_ms,
            "Sobot answered"
        );
        result.map(|body| Answer { body, text })
    }
}

fn no_answer(error: reqwest::Error) -> SobotError {
    SobotError::NoAnswer(if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "no connection"
    } else {
        "connection lost"
    })
}

/// md5 of credential id, time and key, in lower-case hexadecimal: Sobot's choice.
fn sign(app_id: &str, create_time: &str, app_key: &str) -> String {
    let hash = Md5::new().chain_update(app_id).chain_update(create_time).chain_update(app_key).finalize();
    hash.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The answer's body, unless its `ret_code` is an error's.
fn read(status: u16, text: &str) -> Result<Value, SobotError> {
    let body = foreign_json::value(text);
    let code = as_text(&body["ret_code"]).ok_or(SobotError::NoCode(status))?;
    let said = || -> String { body["ret_msg"].as_str().unwrap_or_default().chars().take(MAX_ERROR_TEXT).collect() };
    Err(match code.as_str() {
        SUCCESS => return Ok(body),
        "900001" => SobotError::TokenMissing,
        "900002" => SobotError::TokenInvalid,
        "999994" => SobotError::BadParameters(said()),
        "999999" => SobotError::Unknown(said()),
        _ => SobotError::Other { code, text: said() },
    })
}

/// The page's prose says `expire_in`, its table `expires_in`; the number is text there.
fn issued_token(answer: &Value) -> Result<IssuedToken, SobotError> {
    let item = &answer["item"];
    let token = item["token"].as_str().filter(|token| !token.is_empty()).ok_or(SobotError::Lacks("item.token"))?;
    let life = ["expires_in", "expire_in"].iter().find_map(|name| as_text(&item[name])?.trim().parse().ok());
    let life = life.filter(|seconds| *seconds > 0).ok_or(SobotError::Lacks("item.expires_in"))?;
    Ok(IssuedToken { token: AccessToken::new(token.to_owned()), life: Duration::from_secs(life) })
}

/// `item` as text, as a list (the `"item": {"https://…"}` of Sobot's page is read as one), or as an object with the
/// URL as a value or as a name.
fn first_url(item: &Value) -> Option<String> {
    let url = |text: &str| {
        let url = Url::parse(text.trim()).ok()?;
        matches!(url.scheme(), "http" | "https").then(|| text.trim().to_owned())
    };
    match item {
        Value::String(text) => url(text),
        Value::Array(items) => items.iter().find_map(first_url),
        Value::Object(fields) => {
            fields.values().find_map(first_url).or_else(|| fields.keys().find_map(|name| url(name)))
        }
        _ => None,
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_signature_is_the_documented_one() {
        assert_eq!(sign("1", "1569397773", "2"), "258eec3118705112b2c53dc8043d4d34");
    }

    #[test]
    fn a_token_is_read_in_every_form_of_the_page() {
        for life in [json!({ "expires_in": "86400" }), json!({ "expires_in": 86400 }), json!({ "expire_in": "86400" })]
        {
            let mut item = life.clone();
            item["token"] = json!("4ac37cb2e9c740dba4b75a34d5358802");
            let issued = issued_token(&json!({ "item": item })).unwrap();
            assert_eq!((issued.token.reveal().len(), issued.life), (32, Duration::from_secs(86_400)), "{life}");
        }
        for item in [json!({ "token": "t" }), json!({ "expires_in": 1 }), json!({ "token": "t", "expires_in": 0 })] {
            assert!(matches!(issued_token(&json!({ "item": item })), Err(SobotError::Lacks(_))));
        }
    }

    #[test]
    fn the_url_is_found_in_every_form() {
        const URL: &str = "https://sg.sobot.com/chatres/a/msg/20240626/b/{c}.png";
        for item in [
            format!("{{\n\"{URL}\"\n}}"),
            format!(r#"{{ "{URL}", "https://example.com/2" }}"#),
            format!(r#""{URL}""#),
            format!(r#"["{URL}"]"#),
            format!(r#"{{"url":"{URL}"}}"#),
            format!(r#"{{"name":"a.png","data":{{"url":"{URL}"}}}}"#),
            format!(r#"{{"{URL}":null}}"#),
        ] {
            let body = format!("{{\"item\": {item},\n\"ret_code\": \"000000\", \"ret_msg\": \"操作成功\"}}");
            assert_eq!(first_url(&read(200, &body).unwrap()["item"]).as_deref(), Some(URL), "{body}");
        }
        for item in ["null", "\"\"", "{}", "\"ftp://a/b\"", "\"javascript:alert(1)\"", "7"] {
            let body = format!("{{\"item\": {item}, \"ret_code\": \"000000\"}}");
            assert_eq!(first_url(&read(200, &body).unwrap()["item"]), None, "{body}");
        }
    }

    #[test]
    fn a_code_counts_whatever_the_http_status() {
        let error = |status, body: &str| read(status, body).unwrap_err();
        assert_eq!(error(200, r#"{"ret_code":"900001"}"#), SobotError::TokenMissing);
        assert_eq!(error(500, r#"{"ret_code":900002}"#), SobotError::TokenInvalid);
        assert_eq!(error(200, r#"{"ret_code":"999994","ret_msg":"x"}"#), SobotError::BadParameters("x".to_owned()));
        assert_eq!(error(200, r#"{"ret_code":"999999"}"#), SobotError::Unknown(String::new()));
        assert!(matches!(error(200, r#"{"ret_code":"123"}"#), SobotError::Other { .. }));
        for body in ["", "<html>", "{}", "[]", r#"{"item": {"#, r#"{"item": {"a" "b"}, "ret_code":"000000"}"#] {
            assert_eq!(error(502, body), SobotError::NoCode(502), "{body}");
        }
    }
}
