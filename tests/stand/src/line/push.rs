//! `POST /v2/bot/message/push` as LINE answers it, retry keys included (reference "Send push message" and "Retrying an
//! API request"; "Retry failed API requests").

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Inner, MONTHLY_LIMIT, Person, Received, Refusal, State, Target, has_media_type, message,
    push_rules::{self, Push},
    reply,
};
use crate::{
    api::http_server::Answer,
    random::{random_bytes, random_uuid},
};

/// "2 MB", in the smaller reading.
const BODY_MAX_BYTES: usize = 2_000_000;
pub(super) const RETRY_KEY: &str = "x-line-retry-key";
const RETRY_KEY_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// From the 1,001st name of a month on the message is sent, and the name dropped silently.
const UNIT_NAMES_MAX: usize = 1_000;

/// What LINE remembers of a retry key, from the first request on.
pub(super) struct RetryKey {
    first_seen: Duration,
    body: Value,
    accepted: Option<Accepted>,
}

struct Accepted {
    request_id: String,
    sent: Value,
}

impl Inner {
    pub(super) async fn push(&self, request: &Request<Bytes>, request_id: &str) -> Answer {
        match self.check_push(request) {
            Ok((push, retry_key)) => {
                let recipient = Target::User(push.to.clone());
                self.play(recipient, |state| state.accept(push, retry_key, request_id)).await
            }
            Err(refusal) => Ok(refusal.into()),
        }
    }

    fn check_push(&self, request: &Request<Bytes>) -> Result<(Push, Option<Uuid>), Refusal> {
        let retry_key = read_retry_key(request.headers())?;
        if !has_media_type(request.headers(), "application/json") {
            return Err(Refusal::message(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
        }
        if request.body().len() > BODY_MAX_BYTES {
            return Err(Refusal::message(StatusCode::PAYLOAD_TOO_LARGE, "The request body is larger than 2 MB"));
        }
        if let Some(key) = retry_key {
            self.change(|state| state.note_retry_key(key, request.body()))?;
        }
        let push = push_rules::read(request.body()).map_err(|body| Refusal(StatusCode::BAD_REQUEST, body))?;
        Ok((push, retry_key))
    }
}

impl State {
    fn note_retry_key(&mut self, key: Uuid, body: &[u8]) -> Result<(), Refusal> {
        let now = self.retry_key_clock();
        self.retry_keys.retain(|_, known| now.saturating_sub(known.first_seen) < RETRY_KEY_LIFE);
        // Compared as JSON: another order of the fields is still the same message.
        let body: Value = serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into());
        let first = || RetryKey { first_seen: now, body: body.clone(), accepted: None };
        if self.retry_keys.entry(key).or_insert_with(first).body != body {
            self.violations.push(format!("retry key {key} came with a second body: {body}"));
            return Err(Refusal::message(
                StatusCode::BAD_REQUEST,
                "The retry key was used with a different request body",
            ));
        }
        Ok(())
    }

    fn accept(&mut self, push: Push, retry_key: Option<Uuid>, request_id: &str) -> Response<Bytes> {
        if let Some(accepted) = retry_key.and_then(|key| self.retry_keys.get(&key)?.accepted.as_ref()) {
            let body = json!({ "message": "The retry key is already accepted", "sentMessages": accepted.sent });
            let mut conflict = reply(StatusCode::CONFLICT, &body);
            if let Ok(id) = accepted.request_id.parse() {
                conflict.headers_mut().insert("x-line-accepted-request-id", id);
            }
            return conflict;
        }
        let person = self.people.get(&push.to).copied().unwrap_or(Person::Friend);
        if person == Person::Unknown {
            return message(StatusCode::BAD_REQUEST, "Failed to send messages");
        }
        if self.quota.is_some_and(|quota| self.usage >= quota) {
            return message(StatusCode::TOO_MANY_REQUESTS, MONTHLY_LIMIT);
        }
        let sent: Vec<Value> = push.messages.iter().map(|message| self.sent_message(message)).collect();
        if let Some(known) = retry_key.and_then(|key| self.retry_keys.get_mut(&key)) {
            known.accepted = Some(Accepted { request_id: request_id.to_owned(), sent: sent.clone().into() });
        }
        // A block swallows the message and costs nothing, but it is accepted.
        if person == Person::Friend {
            self.usage += 1;
            let mut aggregation_units = push.aggregation_units;
            aggregation_units.retain(|unit| {
                self.unit_names.contains(unit)
                    || (self.unit_names.len() < UNIT_NAMES_MAX && self.unit_names.insert(unit.clone()))
            });
            self.received.entry(push.to).or_default().push(Received {
                request_id: request_id.to_owned(),
                at: Instant::now(),
                messages: push.messages,
                retry_key,
                aggregation_units,
                notification_disabled: push.notification_disabled,
            });
        }
        reply(StatusCode::OK, &json!({ "sentMessages": sent }))
    }

    /// Of the message types known here only a text can be quoted.
    fn sent_message(&mut self, message: &Value) -> Value {
        self.last_message_id += 1 + u64::from(random_bytes::<1>()[0]);
        let mut sent = json!({ "id": self.last_message_id.to_string() });
        if message["type"] == "text" {
            sent["quoteToken"] = random_uuid().simple().to_string().into();
        }
        sent
    }
}

/// A UUID in hexadecimal form with hyphens, at most once.
/// Whether the messages would be taken; of a recipient nothing is known here.
pub(super) fn validate(request: &Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
    if !has_media_type(request.headers(), "application/json") {
        return Err(Refusal::message(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
    }
    push_rules::validate(request.body()).map_err(|body| Refusal(StatusCode::BAD_REQUEST, body))?;
    Ok(reply(StatusCode::OK, &json!({})))
}

fn read_retry_key(headers: &HeaderMap) -> Result<Option<Uuid>, Refusal> {
    let mut values = headers.get_all(RETRY_KEY).iter();
    let (Some(value), rest) = (values.next(), values.next()) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.len() == 36 && rest.is_none());
    match text.and_then(|text| Uuid::try_parse(text).ok()) {
        Some(key) => Ok(Some(key)),
        None => Err(Refusal::message(StatusCode::BAD_REQUEST, "The value of X-Line-Retry-Key is invalid")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::*, *};

    const RECIPIENT: &str = "U0123456789abcdef0123456789abcdef";
    const KEY: &str = "123e4567-e89b-12d3-a456-426614174000";
    const SOON: Duration = Duration::from_secs(5);

    struct Caller {
        line: LineStandIn,
        token: String,
        http: reqwest::Client,
    }

    struct Answered {
        status: u16,
        headers: HeaderMap,
        body: Value,
    }

    impl Caller {
        async fn new() -> Self {
            let line = LineStandIn::start().await.unwrap();
            let token = line.issue_token();
            Self { line, token, http: reqwest::Client::new() }
        }

        fn request(&self, body: &str, retry_key: Option<&str>) -> reqwest::RequestBuilder {
            let request = self
                .http
                .post(format!("{}/v2/bot/message/push", self.line.base_url()))
                .bearer_auth(&self.token)
                .header("Content-Type", "application/json; charset=utf-8")
                .body(body.to_owned());
            match retry_key {
                Some(key) => request.header("X-Line-Retry-Key", key),
                None => request,
            }
        }

        async fn push(&self, text: &str, retry_key: Option<&str>) -> Answered {
            answered(self.request(&body(text), retry_key)).await
        }

        fn received(&self) -> Vec<Received> {
            self.line.received_by(RECIPIENT)
        }
    }

    fn body(text: &str) -> String {
        json!({ "to": RECIPIENT, "messages": [{ "type": "text", "text": text }] }).to_string()
    }

    async fn answered(request: reqwest::RequestBuilder) -> Answered {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        assert!(headers.contains_key("x-line-request-id"));
        Answered { status, headers, body: serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default() }
    }

    #[tokio::test]
    async fn a_push_arrives() {
        let caller = Caller::new().await;
        let message = json!({ "type": "text", "text": "租借完成 🔋" });
        let body = json!({ "to": RECIPIENT, "messages": [message], "customAggregationUnits": ["order_finish_20260901"],
                           "notificationDisabled": true });
        let answer = answered(caller.request(&body.to_string(), Some(KEY))).await;
        assert_eq!(answer.status, 200);
        let id = answer.body["sentMessages"][0]["id"].as_str().unwrap();
        assert!(id.bytes().all(|digit| digit.is_ascii_digit()) && id.parse::<u64>().unwrap() > 1 << 53);
        assert!(answer.body["sentMessages"][0]["quoteToken"].is_string());

        let [received] = caller.received().try_into().unwrap();
        assert_eq!(received.messages, [message]);
        assert_eq!(received.request_id, answer.headers["x-line-request-id"]);
        assert_eq!(received.retry_key.unwrap().to_string(), KEY);
        assert_eq!(received.aggregation_units, ["order_finish_20260901"]);
        assert!(received.notification_disabled);
        let [pushed] = caller.line.pushes_to(RECIPIENT).try_into().unwrap();
        assert_eq!((pushed.status(), pushed.retry_key().as_deref()), (Some(200), Some(KEY)));
        assert_eq!(caller.line.requests().len(), 1);
        assert_eq!(caller.line.violations(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_request_without_a_valid_token_is_refused() {
        let caller = Caller::new().await;
        let with = async |authorization: &[&str]| {
            let push = caller.http.post(format!("{}/v2/bot/message/push", caller.line.base_url()));
            let push = push.header("Content-Type", "application/json").body(body("x"));
            answered(authorization.iter().fold(push, |push, value| push.header("Authorization", *value))).await
        };
        let bearer = format!("Bearer {}", caller.token);
        let answer = with(&[]).await;
        assert_eq!(answer.status, 401);
        let reason = answer.body["message"].as_str().unwrap();
        assert!(reason.starts_with("Authentication failed due to the following reason:"), "{reason}");
        for authorization in [&["Bearer guessed"][..], &[caller.token.as_str()], &[bearer.as_str(), "Bearer guessed"]] {
            assert_eq!(with(authorization).await.status, 401);
        }
        assert_eq!(with(&[&bearer]).await.status, 200);

        assert_eq!(caller.push("x", None).await.status, 200);
        caller.line.age_tokens(Duration::from_secs(86_399 - 60));
        assert_eq!(caller.push("x", None).await.status, 200);
        caller.line.age_tokens(Duration::from_secs(61));
        assert_eq!(caller.push("x", None).await.status, 401);

        let caller = Caller::new().await;
        caller.line.revoke_all_tokens();
        assert_eq!(caller.push("x", None).await.status, 401);
        assert!(caller.received().is_empty());
    }

    #[tokio::test]
    async fn the_media_type_is_json_and_the_body_at_most_2_mb() {
        let caller = Caller::new().await;
        let push =
            || caller.http.post(format!("{}/v2/bot/message/push", caller.line.base_url())).bearer_auth(&caller.token);
        assert_eq!(answered(push().body(body("x"))).await.status, 415);
        assert_eq!(answered(push().header("Content-Type", "text/plain").body(body("x"))).await.status, 415);

        let padded = |bytes: usize| format!("{}{}", body("x"), " ".repeat(bytes - body("x").len()));
        assert_eq!(answered(caller.request(&padded(2_000_000), None)).await.status, 200);
        assert_eq!(answered(caller.request(&padded(2_000_001), None)).await.status, 413);
        assert_eq!(answered(caller.request("{", None)).await.status, 400);
        let answer = answered(caller.request(&body(&"a".repeat(5_001)), None)).await;
        assert_eq!(answer.status, 400);
        let detail = json!({ "message": "Length must be between 0 and 5000", "property": "messages[0].text" });
        assert_eq!(answer.body, json!({ "message": "The request body has 1 error(s)", "details": [detail] }));
        assert_eq!(caller.received().len(), 1);
    }

    #[tokio::test]
    async fn a_retry_key_is_a_hyphenated_uuid() {
        let caller = Caller::new().await;
        for key in [
            "",
            "A0001",
            "123e4567e89b12d3a456426614174000",
            "{123e4567-e89b-12d3-a456-426614174000}",
            "urn:uuid:123e4567-e89b-12d3-a456-426614174000",
            "123e4567-e89b-12d3-a456-42661417400g",
        ] {
            assert_eq!(caller.push("x", Some(key)).await.status, 400, "{key}");
        }
        let twice = caller.request(&body("x"), Some(KEY)).header("X-Line-Retry-Key", KEY);
        assert_eq!(answered(twice).await.status, 400);
        assert!(caller.received().is_empty());
    }

    #[tokio::test]
    async fn an_accepted_retry_key_delivers_once_within_24_hours() {
        let caller = Caller::new().await;
        let first = caller.push("x", Some(KEY)).await;
        let again = caller.push("x", Some(&KEY.to_uppercase())).await;
        assert_eq!((first.status, again.status), (200, 409));
        assert_eq!(again.body["message"], "The retry key is already accepted");
        assert_eq!(again.body["sentMessages"], first.body["sentMessages"]);
        assert_eq!(again.headers["x-line-accepted-request-id"], first.headers["x-line-request-id"]);
        assert_ne!(again.headers["x-line-request-id"], first.headers["x-line-request-id"]);
        assert_eq!(caller.received().len(), 1);

        caller.line.age_retry_keys(RETRY_KEY_LIFE - Duration::from_secs(60));
        assert_eq!(caller.push("x", Some(KEY)).await.status, 409);
        caller.line.age_retry_keys(Duration::from_secs(61));
        assert_eq!(caller.push("x", Some(KEY)).await.status, 200, "after a day the key is new, and sends twice");
        assert_eq!(caller.received().len(), 2);
    }

    #[tokio::test]
    async fn a_retry_key_counts_from_the_first_request_even_if_that_failed() {
        let caller = Caller::new().await;
        caller.line.script(RECIPIENT, [Behaviour::answer(500, "{}")]);
        assert_eq!(caller.push("x", Some(KEY)).await.status, 500);
        caller.line.age_retry_keys(Duration::from_secs(23 * 3600));
        assert_eq!(caller.push("x", Some(KEY)).await.status, 200);
        assert_eq!(caller.push("x", Some(KEY)).await.status, 409);
        caller.line.age_retry_keys(Duration::from_secs(3601));
        assert_eq!(caller.push("x", Some(KEY)).await.status, 200);
    }

    #[tokio::test]
    async fn a_second_body_under_one_key_is_a_violation() {
        let caller = Caller::new().await;
        assert_eq!(caller.push("x", Some(KEY)).await.status, 200);
        assert_eq!(caller.push("y", Some(KEY)).await.status, 400);
        let [violation] = caller.line.violations().try_into().unwrap();
        assert!(violation.contains(KEY), "{violation}");

        // A refused body must not be mended under its key either.
        let other = "123e4567-e89b-12d3-a456-426614174001";
        assert_eq!(caller.push("", Some(other)).await.status, 400);
        assert_eq!(caller.push("x", Some(other)).await.status, 400);
        assert_eq!(caller.line.violations().len(), 2);
        assert_eq!(caller.received().len(), 1);
    }

    #[tokio::test]
    async fn pushes_without_a_key_or_with_other_keys_are_all_delivered() {
        let caller = Caller::new().await;
        for key in [None, None, Some(KEY), Some("123e4567-e89b-12d3-a456-426614174001")] {
            assert_eq!(caller.push("x", key).await.status, 200);
        }
        assert_eq!(caller.received().len(), 4);
    }

    #[tokio::test]
    async fn a_retry_key_anywhere_else_is_refused() {
        let caller = Caller::new().await;
        let get = |path: &str| caller.http.get(format!("{}{path}", caller.line.base_url())).bearer_auth(&caller.token);
        assert_eq!(answered(get("/v2/bot/message/quota").header("X-Line-Retry-Key", KEY)).await.status, 400);
        let token = caller.http.post(format!("{}/oauth2/v2.1/token", caller.line.base_url()));
        assert_eq!(answered(token.header("X-Line-Retry-Key", KEY)).await.status, 400);
    }

    #[tokio::test]
    async fn unknown_users_are_refused_and_blocked_ones_get_nothing() {
        let caller = Caller::new().await;
        caller.line.mark(RECIPIENT, Person::Unknown);
        let answer = caller.push("x", Some(KEY)).await;
        assert_eq!((answer.status, &answer.body["message"]), (400, &json!("Failed to send messages")));
        caller.line.mark(RECIPIENT, Person::Blocked);
        assert_eq!(caller.push("x", Some(KEY)).await.status, 200);
        caller.line.mark(RECIPIENT, Person::Friend);
        assert_eq!(caller.push("x", Some(KEY)).await.status, 409, "lost to the block for good");
        assert!(caller.received().is_empty());
        assert_eq!(caller.line.usage(), 0);
        assert_eq!(caller.push("x", None).await.status, 200);
        assert_eq!(caller.received().len(), 1);
    }

    #[tokio::test]
    async fn the_quota_limits_pushes_and_counts_requests_not_messages() {
        let caller = Caller::new().await;
        let get = async |path: &str| {
            answered(caller.http.get(format!("{}{path}", caller.line.base_url())).bearer_auth(&caller.token)).await.body
        };
        assert_eq!(get("/v2/bot/message/quota").await, json!({ "type": "none" }));
        caller.line.set_quota(Some(200));
        caller.line.set_usage(199);
        let five = json!({ "to": RECIPIENT, "messages": vec![json!({ "type": "text", "text": "x" }); 5] });
        let answer = answered(caller.request(&five.to_string(), Some(KEY))).await;
        assert_eq!(answer.body["sentMessages"].as_array().unwrap().len(), 5);
        assert_eq!(get("/v2/bot/message/quota").await, json!({ "type": "limited", "value": 200 }));
        assert_eq!(get("/v2/bot/message/quota/consumption").await, json!({ "totalUsage": 200 }));
        let answer = caller.push("x", None).await;
        assert_eq!((answer.status, &answer.body["message"]), (429, &json!("You have reached your monthly limit.")));
        assert_eq!(answered(caller.request(&five.to_string(), Some(KEY))).await.status, 409);
        caller.line.set_quota(None);
        assert_eq!(caller.push("x", None).await.status, 200);
    }

    #[tokio::test]
    async fn the_1001st_unit_of_a_month_is_dropped_silently() {
        let caller = Caller::new().await;
        let of = |number: usize| {
            json!({ "to": RECIPIENT, "messages": [{ "type": "text", "text": "x" }],
                    "customAggregationUnits": [format!("unit_{number}")] })
        };
        for number in (0..=1_000).chain([7]) {
            assert_eq!(answered(caller.request(&of(number).to_string(), None)).await.status, 200);
        }
        let named: Vec<_> = caller.received().into_iter().map(|received| received.aggregation_units).collect();
        assert_eq!(named[999], ["unit_999"]);
        assert_eq!(named[1_000], Vec::<String>::new());
        assert_eq!(named[1_001], ["unit_7"]);
    }

    #[tokio::test]
    async fn a_script_is_played_in_order_for_its_recipient_only() {
        let caller = Caller::new().await;
        caller.line.script(
            RECIPIENT,
            [
                Behaviour::answer(503, "busy"),
                Behaviour::RateLimited,
                Behaviour::MonthlyLimit,
                Behaviour::Unauthorized,
                Behaviour::AcceptThenAnswer { status: 500, body: "{}".into() },
            ],
        );
        let other = body("x").replace(RECIPIENT, "U00000000000000000000000000000000");
        assert_eq!(answered(caller.request(&other, None)).await.status, 200);
        let mut seen = Vec::new();
        for _ in 0..7 {
            seen.push((caller.push("x", Some(KEY)).await.status, caller.received().len()));
        }
        assert_eq!(seen, [(503, 0), (429, 0), (429, 0), (401, 0), (500, 1), (409, 1), (409, 1)]);
        let messages =
            ["The API rate limit has been exceeded. Try again later.", "You have reached your monthly limit."];
        caller.line.script(RECIPIENT, [Behaviour::RateLimited, Behaviour::MonthlyLimit]);
        for message in messages {
            assert_eq!(caller.push("x", None).await.body["message"], message);
        }
        let headers = vec![("retry-after".to_owned(), "7".to_owned())];
        caller.line.script(RECIPIENT, [Behaviour::Answer { status: 500, body: String::new(), headers }]);
        assert_eq!(caller.push("x", None).await.headers["retry-after"], "7");
    }

    #[tokio::test]
    async fn a_script_never_makes_up_for_an_invalid_request() {
        let caller = Caller::new().await;
        caller.line.script(RECIPIENT, [Behaviour::answer(500, "{}")]);
        assert_eq!(caller.push("", None).await.status, 400);
        assert_eq!(caller.push("x", None).await.status, 500);
    }

    #[tokio::test]
    async fn hanging_up_before_and_after_accepting() {
        let caller = Caller::new().await;
        caller.line.script(RECIPIENT, [Behaviour::HangUpBeforeAccepting, Behaviour::AcceptThenHangUp]);
        assert!(caller.request(&body("x"), Some(KEY)).send().await.is_err());
        assert_eq!(caller.received().len(), 0);
        assert!(caller.request(&body("x"), Some(KEY)).send().await.is_err());
        assert_eq!(caller.received().len(), 1);
        assert_eq!(caller.push("x", Some(KEY)).await.status, 409);
        let ends: Vec<_> = caller.line.pushes_to(RECIPIENT).into_iter().map(|push| push.outcome).collect();
        assert_eq!(ends, [Outcome::HungUp, Outcome::HungUp, Outcome::Answered(409)]);
    }

    #[tokio::test]
    async fn a_delay_holds_back_the_acceptance_or_only_the_answer() {
        let caller = Caller::new().await;
        let delay = Duration::from_millis(100);
        caller.line.script(RECIPIENT, [Behaviour::Delay(delay)]);
        let started = Instant::now();
        assert_eq!(caller.push("x", None).await.status, 200);
        assert!(started.elapsed() >= delay);

        // A caller that gives up: before the acceptance nothing is sent, after it everything is.
        for (behaviour, sent) in [(Behaviour::Delay(SOON), 1), (Behaviour::AcceptThenDelay(SOON), 2)] {
            caller.line.script(RECIPIENT, [behaviour]);
            assert!(caller.request(&body("x"), None).timeout(delay).send().await.is_err());
            let left = |line: &LineStandIn| line.requests().last().unwrap().outcome == Outcome::PeerLeft;
            caller.line.wait_until("the caller has left", SOON, left).await;
            assert_eq!(caller.received().len(), sent);
        }
    }

    #[tokio::test]
    async fn a_held_push_waits_for_its_release() {
        let caller = Caller::new().await;
        caller.line.script(RECIPIENT, vec![Behaviour::Hold; 3]);
        for (how, status, sent) in [(ReleaseAs::Accept, 200, 1), (ReleaseAs::Refuse, 500, 1)] {
            let test = async {
                caller.line.wait_until("the push has come", SOON, |line| line.is_held(RECIPIENT)).await;
                assert!(caller.line.release(RECIPIENT, how));
            };
            let (answer, ()) = tokio::join!(caller.push("x", None), test);
            assert_eq!((answer.status, caller.received().len()), (status, sent));
        }
        assert!(caller.request(&body("x"), None).timeout(Duration::from_millis(100)).send().await.is_err());
        caller.line.wait_until("the caller has left", SOON, |line| !line.is_held(RECIPIENT)).await;
        assert!(!caller.line.release(RECIPIENT, ReleaseAs::Accept), "nobody is there any more");
        assert_eq!(caller.received().len(), 1);
    }

    #[tokio::test]
    async fn of_two_requests_under_one_key_at_the_same_time_one_is_delivered() {
        let caller = Caller::new().await;
        caller.line.script(RECIPIENT, [Behaviour::Hold]);
        let test = async {
            caller.line.wait_until("the push has come", SOON, |line| line.is_held(RECIPIENT)).await;
            let second = caller.push("x", Some(KEY)).await;
            assert!(caller.line.release(RECIPIENT, ReleaseAs::Accept));
            second
        };
        let (first, second) = tokio::join!(caller.push("x", Some(KEY)), test);
        assert_eq!((first.status, second.status, caller.received().len()), (409, 200, 1));
    }
}
