//! The wire to LINE's Messaging API: one function per endpoint, one log line per call.
//!
//! It decides nothing: [`crate::delivery::verdict`] says what an answer means.

use std::time::{Duration, Instant};

use reqwest::{
    Method, RequestBuilder, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    foreign_json,
    ids::LineUserId,
    line::assertion::KeyError,
    metric,
    outbound::{Connection, HttpClients},
    token::{
        access::{AccessToken, IssuedToken},
        shared::Refusal,
    },
};

/// LINE's error texts are kept to this many characters.
const MAX_ERROR_TEXT: usize = 500;

/// A client for one API host. Cheap to clone; keeps its connections open between invocations.
#[derive(Clone, Debug)]
pub struct LineClient {
    http: reqwest::Client,
    timeout: Duration,
    base: String,
}

/// LINE answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `x-line-request-id`: new for every request.
    pub request_id: Option<String>,
    /// `x-line-accepted-request-id`: on a 409, the request that was accepted under the same retry key.
    pub accepted_request_id: Option<String>,
    /// The body as text, empty where it did not arrive.
    pub body: String,
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct NoAnswer {
    /// Whether LINE may have received the request; false where not even a connection was made.
    pub may_have_reached_line: bool,
    /// Whether a connection that stood came to an end before an answer, and no time ran out.
    pub connection_broke: bool,
    /// What happened, without address or token.
    pub what: String,
}

/// A call whose answer is not the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// An error status.
    #[error("LINE answered {status}: {text}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// LINE's text, shortened.
        text: String,
    },
    /// A body that is not what LINE documents.
    #[error("LINE's answer is not as documented: {0}")]
    Malformed(String),
    /// What the request would have been signed with. LINE was not asked.
    #[error("the channel's secret cannot sign: {0}")]
    Key(#[from] KeyError),
}

impl Refusal for LineError {
    fn issued_nothing(&self) -> bool {
        match self {
            Self::NoAnswer(failure) => !failure.may_have_reached_line,
            Self::Status { status, .. } => (400..500).contains(status),
            Self::Malformed(_) => false,
            Self::Key(_) => true,
        }
    }

    fn blames_the_credential(&self) -> bool {
        matches!(self, Self::Status { status: 400..500, .. } | Self::Key(_))
    }

    fn blames_the_token(&self) -> bool {
        matches!(self, Self::Status { status: 401, .. })
    }
}

/// A friend's profile (LINE: "Get profile"); of a user who is none LINE tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// The name that the user shows.
    pub display_name: String,
    /// The language of the user's LINE, a BCP 47 tag; LINE leaves it out where it does not know.
    pub language: Option<String>,
}

/// The channel's official account (LINE: "Get bot info").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The id under which webhooks name it.
    pub user: LineUserId,
    /// Its name, as customers see it.
    pub display_name: String,
}

impl LineAnswer {
    /// LINE's error text, shortened: `message` with its details, `error_description`, or the body itself.
    pub fn error_text(&self) -> String {
        let body = foreign_json::value(&self.body);
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut said = text(&body, "message")
            .or_else(|| text(&body, "error_description"))
            .or_else(|| text(&body, "error"))
            .unwrap_or_else(|| self.body.clone());
        for detail in body.get("details").and_then(Value::as_array).into_iter().flatten() {
            let [property, problem] = ["property", "message"].map(|name| text(detail, name).unwrap_or_default());
            said.push_str(&format!("; {property}: {problem}"));
        }
        said.chars().take(MAX_ERROR_TEXT).collect()
    }

    /// Whether a 400 blames the message, and not its recipient: its `details` name a property below
    /// `messages`. None where they name nothing.
    pub fn blames_the_message(&self) -> Option<bool> {
        let body = foreign_json::value(&self.body);
        let details = body.get("details").and_then(Value::as_array).into_iter().flatten();
        let named: Vec<_> = details.filter_map(|detail| detail.get("property")?.as_str()).collect();
        if named.is_empty() { None } else { Some(named.iter().any(|property| property.starts_with("messages"))) }
    }

    /// The ids of the messages that were sent. The documentation also shows an empty object for a success.
    pub fn message_ids(&self) -> Vec<String> {
        let body = foreign_json::value(&self.body);
        let sent = body.get("sentMessages").and_then(Value::as_array).cloned().unwrap_or_default();
        let id = |message: &Value| match message.get("id")? {
            Value::String(id) => Some(id.clone()),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        };
        sent.iter().filter_map(id).collect()
    }

    pub(super) fn into_json<T: DeserializeOwned>(self) -> Result<T, LineError> {
        if !(200..300).contains(&self.status) {
            return Err(LineError::Status { status: self.status, text: self.error_text() });
        }
        // serde's text would quote a value.
        foreign_json::parse(&self.body)
            .map_err(|error| LineError::Malformed(format!("line {}, column {}", error.line(), error.column())))
    }
}

impl LineClient {
    /// A client for `base`, such as `https://api.line.me`; no call takes longer than `timeout`, and no connection half
    /// of it.
    pub fn new(http: &HttpClients, base: &str, timeout: Duration) -> Self {
        Self { http: http.for_partner(timeout), timeout, base: base.to_owned() }
    }

    /// A connection for [`open`](crate::outbound::open).
    pub fn connection(&self) -> Connection {
        Connection { client: self.http.clone(), address: self.base.clone() }
    }

    /// `POST /v2/bot/message/push` under a retry key (LINE: "Send push message", "Retry failed API requests").
    pub async fn push(&self, token: &AccessToken, retry_key: Uuid, body: &str) -> Result<LineAnswer, NoAnswer> {
        let request = self
            .request(Method::POST, "/v2/bot/message/push", Some(token))
            .header("x-line-retry-key", retry_key.hyphenated().to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        let started = Instant::now();
        let result = self.call("/v2/bot/message/push", request).await;
        metric::push_latency(started.elapsed(), result.as_ref().ok().map(|answer| answer.status));
        result
    }

    /// `POST /v2/bot/message/validate/push`: whether LINE refuses the messages of this push, which knows no recipient
    /// there (LINE: "Validate message objects of a push message").
    pub async fn refuses_message(&self, token: &AccessToken, push_body: &str) -> Result<bool, LineError> {
        const PATH: &str = "/v2/bot/message/validate/push";
        let push: Value = serde_json::from_str(push_body).unwrap_or_default();
        let messages = serde_json::json!({ "messages": push["messages"] });
        let answer = self.call(PATH, self.request(Method::POST, PATH, Some(token)).json(&messages)).await?;
        match answer.status {
            200..=299 => Ok(false),
            400 => Ok(true),
            _ => Err(LineError::Status { status: answer.status, text: answer.error_text() }),
        }
    }

    /// `GET /v2/bot/message/quota`: the month's ceiling, if there is one.
    pub async fn quota(&self, token: &AccessToken) -> Result<Option<u64>, LineError> {
        #[derive(Deserialize)]
        struct Body {
            r#type: String,
            value: Option<u64>,
        }
        const PATH: &str = "/v2/bot/message/quota";
        let body: Body = self.call(PATH, self.request(Method::GET, PATH, Some(token))).await?.into_json()?;
        match (body.r#type.as_str(), body.value) {
            ("limited", Some(value)) => Ok(Some(value)),
            ("none", _) => Ok(None),
            (other, _) => Err(LineError::Malformed(format!("a quota of type {other:?}"))),
        }
    }

    /// `GET /v2/bot/message/quota/consumption`: messages sent this month, approximate.
    pub async fn consumption(&self, token: &AccessToken) -> Result<u64, LineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            total_usage: u64,
        }
        const PATH: &str = "/v2/bot/message/quota/consumption";
        let body: Body = self.call(PATH, self.request(Method::GET, PATH, Some(token))).await?.into_json()?;
        Ok(body.total_usage)
    }

    /// `POST /oauth2/v2.1/token`: a channel access token for a JWT assertion (LINE: "Issue channel access token v2.1").
    pub async fn issue_channel_token(&self, assertion: &str) -> Result<IssuedToken, LineError> {
        #[derive(Deserialize)]
        struct Body {
            access_token: String,
            expires_in: u64,
        }
        const PATH: &str = "/oauth2/v2.1/token";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        let body: Body = self.call(PATH, self.request(Method::POST, PATH, None).form(&form)).await?.into_json()?;
        Ok(IssuedToken { token: AccessToken::new(body.access_token), life: Duration::from_secs(body.expires_in) })
    }

    /// `GET /v2/bot/profile/{userId}`: `None` for a user who is no friend, blocks the account, or does not exist.
    pub async fn profile(&self, token: &AccessToken, user: &LineUserId) -> Result<Option<Profile>, LineError> {
        let path = format!("/v2/bot/profile/{}", user.as_str());
        // The log gets the path without the user.
        let answer = self.call("/v2/bot/profile/{userId}", self.request(Method::GET, &path, Some(token))).await?;
        if answer.status == StatusCode::NOT_FOUND.as_u16() { Ok(None) } else { answer.into_json().map(Some) }
    }

    /// `GET /v2/bot/info`: the channel's account.
    pub async fn account(&self, token: &AccessToken) -> Result<Account, LineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            user_id: String,
            #[serde(default)]
            display_name: String,
        }
        const PATH: &str = "/v2/bot/info";
        let body: Body = self.call(PATH, self.request(Method::GET, PATH, Some(token))).await?.into_json()?;
        let user = LineUserId::parse(&body.user_id);
        let user = user.map_err(|problem| LineError::Malformed(format!("userId {problem}")))?;
        Ok(Account { user, display_name: body.display_name })
    }

    pub(super) fn request(&self, method: Method, path: &str, token: Option<&AccessToken>) -> RequestBuilder {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            // A token that is no header value cannot be LINE's; without the header LINE answers 401.
            if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.reveal())) {
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        self.http.request(method, format!("{}{path}", self.base)).timeout(self.timeout).headers(headers)
    }

    pub(super) async fn call(&self, endpoint: &'static str, request: RequestBuilder) -> Result<LineAnswer, NoAnswer> {
        let (http, request) = request.build_split();
        let request = request.map_err(|error| no_answer(error, false))?;
        let method = request.method().clone();
        let started = Instant::now();
        let result = http.execute(request).await;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok(response) => {
                let status = response.status();
                let header =
                    |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
                let request_id = header("x-line-request-id");
                let accepted_request_id = header("x-line-accepted-request-id");
                // The status says what happened, even if the body is cut off.
                let body = response.text().await.unwrap_or_default();
                let answer = LineAnswer { status: status.as_u16(), request_id, accepted_request_id, body };
                tracing::info!(
                    http.method = %method,
                    http.endpoint = endpoint,
                    http.status = answer.status,
                    line.request_id = answer.request_id.as_deref(),
                    line.accepted_request_id = answer.accepted_request_id.as_deref(),
                    line.error = (status >= StatusCode::BAD_REQUEST).then(|| answer.error_text()),
                    duration_ms,
                    "LINE answered"
                );
                tell_of_a_refused_account(endpoint, answer.status);
                Ok(answer)
            }
            Err(error) => {
                let failure = no_answer(error, true);
                tracing::warn!(
                    http.method = %method,
                    http.endpoint = endpoint,
                    error = failure.what,
                    duration_ms,
                    "LINE did not answer"
                );
                Err(failure)
            }
        }
    }
}

/// Statistics are refused for an account's plan, too; what a bot lives by, only for the account itself.
pub(super) fn tell_of_a_refused_account(endpoint: &str, status: u16) {
    if status == 403 && endpoint.starts_with("/v2/bot/") && !endpoint.starts_with("/v2/bot/insight/") {
        metric::account_suspended(endpoint);
    }
}

pub(super) fn no_answer(error: reqwest::Error, sent: bool) -> NoAnswer {
    let what = if error.is_timeout() {
        "time-out"
    } else if error.is_connect() {
        "no connection"
    } else if sent {
        "connection lost"
    } else {
        "request could not be built"
    };
    // A connection that timed out while it was being made never carried the request either.
    let may_have_reached_line = sent && !error.is_connect();
    NoAnswer {
        may_have_reached_line,
        connection_broke: may_have_reached_line && !error.is_timeout(),
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> LineAnswer {
        LineAnswer { status: 400, request_id: None, accepted_request_id: None, body: body.to_owned() }
    }

    #[test]
    fn every_documented_error_shape_gives_a_text() {
        for (body, expected) in [
            (r#"{"message":"Failed to send messages"}"#, "Failed to send messages"),
            (
                r#"{"message":"The request body has 1 error(s)","details":[{"message":"May not be empty","property":"messages"},{}]}"#,
                "The request body has 1 error(s); messages: May not be empty; : ",
            ),
            (r#"{"error":"invalid_client","error_description":"Invalid exp"}"#, "Invalid exp"),
            (r#"{"error":"invalid_client"}"#, "invalid_client"),
            (r#"{"message":null,"key":null}"#, r#"{"message":null,"key":null}"#),
            ("<html>", "<html>"),
            ("", ""),
        ] {
            assert_eq!(answer(body).error_text(), expected);
        }
        assert_eq!(answer(&"字".repeat(9999)).error_text().chars().count(), MAX_ERROR_TEXT);
    }

    /// Where the kernel's queue of a listener is full, connecting hangs, as it does where packets are dropped.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_that_takes_too_long_never_carried_the_request() {
        use tokio::{
            net::{TcpSocket, TcpStream},
            time::timeout,
        };
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            waiting.push(connected.unwrap());
            assert!(waiting.len() < 99, "connecting does not hang");
        }
        let client = LineClient::new(
            &HttpClients::from_env().unwrap(),
            &format!("http://{address}"),
            Duration::from_millis(800),
        );
        let failure = client.push(&AccessToken::new("t".to_owned()), Uuid::nil(), "{}").await.unwrap_err();
        assert!(!failure.may_have_reached_line && !failure.connection_broke, "{failure:?}");
    }

    #[test]
    fn message_ids_are_strings_whatever_they_arrive_as() {
        assert_eq!(
            answer(r#"{"sentMessages":[{"id":"561230966842064897"},{"id":12},{}]}"#).message_ids(),
            ["561230966842064897", "12"]
        );
        assert!(answer("{}").message_ids().is_empty());
        assert!(answer("nonsense").message_ids().is_empty());
    }
}
