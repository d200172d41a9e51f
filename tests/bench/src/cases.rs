//! What is measured: a function and an event, and how the work grows.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use local_stand::{aws::one_process::OneProcess, line::webhook_sender::sign};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    measure::Bench,
    upstreams::{CHANNEL_SECRET, KEY, Upstreams, Waiting},
};

/// The retry delay of an order whose retry is to be due soon.
const SOON: Duration = Duration::from_secs(3);

/// The app's link serves for the whole run, in seconds: no longer than it may (`functions/line-login/README.md`).
const LINK_TOKEN_LIFE: i64 = 600;

/// One row of the table.
pub struct Case {
    /// What it is called there.
    pub name: String,
    /// The function's binary.
    pub function: &'static str,
    /// What it is handed.
    pub event: Value,
    /// Of how many events it does the work: of heavier ones fewer are measured.
    pub weight: usize,
    /// How many orders each day has meanwhile.
    pub orders_a_day: usize,
    /// Whether LINE hangs meanwhile: nobody's connection to it is ever made.
    pub line_hangs: bool,
}

impl Case {
    fn new(name: impl Into<String>, function: &'static str, event: Value, weight: usize) -> Self {
        Self { name: name.into(), function, event, weight, orders_a_day: 0, line_hangs: false }
    }

    /// The same, with so many orders in every day.
    fn over(self, orders_a_day: usize, weight: usize) -> Self {
        Self { name: format!("{}, {orders_a_day}", self.name), orders_a_day, weight, ..self }
    }
}

/// All of them.
pub async fn cases(bench: &Bench, upstreams: &Upstreams) -> anyhow::Result<Vec<Case>> {
    let order = authorized(include_str!("../../../events/order-finished.json"))?;
    let waiting = let_one_wait(bench, upstreams, &order).await?;
    let hung = Case::new("order-finished, LINE hangs", "order-finished", order.clone(), 1000);
    let mut cases = vec![
        Case::new("the floor", "floor", json!({}), 1),
        Case::new("order-finished", "order-finished", order, 1),
        Case { line_hangs: true, ..hung },
    ];
    for count in [1, 10] {
        cases.push(Case::new(format!("push-retry, {count}"), "push-retry", retries(&waiting, count)?, count));
    }
    for count in [1, 10, 100, 1000] {
        cases.push(Case::new(format!("webhooks, {count}"), "webhooks", webhook(count)?, count.div_ceil(4)));
    }
    for count in [1, 10] {
        cases.push(Case::new(format!("inbox, {count}"), "inbox", inbox(count)?, count));
    }
    for (function, event) in [
        // A schedule's event says nothing.
        ("delivery-sweep", "{}"),
        ("recovery", "{}"),
        ("quota-warning", include_str!("../../../events/quota-warning-schedule.json")),
        ("link-callback", include_str!("../../../events/link-callback.json")),
    ] {
        cases.push(Case::new(function, function, serde_json::from_str(event)?, 1));
    }
    cases.push(Case::new("line-login", "line-login", login()?, 1));
    let mut console = authorized(include_str!("../../../events/operations-console.json"))?;
    console["headers"]["accept-encoding"] = json!("gzip, deflate, br");
    cases.push(Case::new("operations, console", "operations", console, 1));
    let switches = authorized(include_str!("../../../events/operations-switches.json"))?;
    cases.push(Case::new("operations, switches", "operations", switches, 1));
    let day = authorized(include_str!("../../../events/operations-day.json"))?;
    for (orders, weight) in [(1_000, 20), (100_000, 200)] {
        cases.push(Case::new("operations, a day of", "operations", day.clone(), 1).over(orders, weight));
    }
    let report: Value = serde_json::from_str(include_str!("../../../events/daily-report.json"))?;
    for orders in [1, 14, 100] {
        cases.push(Case::new("daily-report, days of", "daily-report", report.clone(), 1).over(orders, 100));
    }
    Ok(cases)
}

/// An event of a caller, with its key.
fn authorized(event: &str) -> anyhow::Result<Value> {
    let mut event: Value = serde_json::from_str(event)?;
    event["headers"]["authorization"] = json!(format!("Bearer {KEY}"));
    Ok(event)
}

/// Posts the order while LINE fails, and waits until its retry is due: that of a shorter delay than a stack has.
async fn let_one_wait(bench: &Bench, upstreams: &Upstreams, order: &Value) -> anyhow::Result<Waiting> {
    let refused = upstreams.refuse_pushes();
    let mut variables = bench.variables(upstreams, "order-finished");
    variables.insert("RETRY_DELAY_SECONDS".to_owned(), SOON.as_secs().to_string());
    let one = OneProcess::start(&bench.program("order-finished"), &variables, bench.log("order-finished")?).await?;
    let answer = one.invoke(order).await?;
    ensure!(answer["statusCode"] == 202, "the order does not wait for a retry: {answer}");
    drop(refused);
    tokio::time::sleep(SOON).await;
    upstreams.keep_what_waits()
}

fn retries(waiting: &Waiting, count: usize) -> anyhow::Result<Value> {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/push-retry.json"))?;
    let sample = event["Records"][0].clone();
    let sent_at = waiting.message["bell"]["sentAt"].as_str().context("a bell without its time")?;
    let sent_at = OffsetDateTime::parse(sent_at, &Rfc3339)?.unix_timestamp_nanos() / 1_000_000;
    let records = (0..count).map(|number| {
        let mut message = waiting.message.clone();
        message["orderId"] = json!(format!("{}{number}", waiting.order_id));
        let mut record = sample.clone();
        record["messageId"] = json!(number.to_string());
        record["body"] = json!(message.to_string());
        record["attributes"]["SentTimestamp"] = json!(sent_at.to_string());
        record
    });
    event["Records"] = records.collect();
    Ok(event)
}

fn message_events(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|number| {
        json!({
            "type": "message",
            "mode": "active",
            "timestamp": OffsetDateTime::now_utc().unix_timestamp() * 1000,
            "source": { "type": "user", "userId": "U0123456789abcdef0123456789abcdef" },
            "webhookEventId": format!("01FZ74A0TDDPYRVKNK77{number:06}"),
            "deliveryContext": { "isRedelivery": false },
            "replyToken": "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA",
            "message": { "id": format!("561230966842{number:06}"), "type": "text", "text": "充电宝 🔋" },
        })
    })
}

fn webhook(count: usize) -> anyhow::Result<Value> {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/webhook-line.json"))?;
    let body = json!({
        "destination": "U00000000000000000000000000000001",
        "events": message_events(count).collect::<Vec<_>>(),
    });
    let body = body.to_string();
    event["headers"]["x-line-signature"] = json!(sign(CHANNEL_SECRET, body.as_bytes()));
    event["body"] = json!(body);
    Ok(event)
}

fn inbox(count: usize) -> anyhow::Result<Value> {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/inbox-line.json"))?;
    let sample = event["Records"][0].clone();
    let received_at = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let records = message_events(count).enumerate().map(|(number, event)| {
        let mut record = sample.clone();
        record["messageId"] = json!(number.to_string());
        let envelope = json!({
            "via": "line",
            "verified": true,
            "receivedAt": received_at,
            "destination": "U00000000000000000000000000000001",
            "events": [event],
        });
        record["body"] = json!(envelope.to_string());
        record
    });
    event["Records"] = records.collect();
    Ok(event)
}

/// A member opens the app's link.
fn login() -> anyhow::Result<Value> {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/login.json"))?;
    let claims = json!({
        "sub": "M-1001",
        "exp": OffsetDateTime::now_utc().unix_timestamp() + LINK_TOKEN_LIFE,
        "jti": "0b9f7c5e-7d2e-4c8d-9f55-3f4f0c1d2e3f",
    });
    let token = encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(KEY.as_bytes()))?;
    event["rawQueryString"] = json!(format!("token={token}"));
    event["queryStringParameters"] = json!({ "token": token });
    Ok(event)
}

/// The programs that the cases need beside the floor: every function.
pub const FUNCTIONS: [&str; 11] = [
    "order-finished",
    "push-retry",
    "delivery-sweep",
    "recovery",
    "line-login",
    "link-callback",
    "webhooks",
    "inbox",
    "daily-report",
    "quota-warning",
    "operations",
];

/// Whether an event came to its end as it should.
pub fn is_well(answer: &Value) -> bool {
    let status = answer["statusCode"].as_u64().unwrap_or(200);
    let failures = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
    (200..300).contains(&status) && failures == 0 && answer.get("errorType").is_none()
}
