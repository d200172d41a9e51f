//! What the functions call, in the simplest form that lets them do their work: every write holds, every message is
//! taken, every push is accepted, and each answer takes as long as any other. What AWS and LINE refuse, the stand
//! knows.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hyper::{Method, Request, Response, header::CONTENT_TYPE};
use local_stand::{
    api::http_server::{Answer, HttpServer},
    aws::tap::aws_call,
    line::channel_key::ChannelKey,
    wire::{Call, Caller, Fault, Wire, partner_call},
};
use serde_json::{Value, json};
use shared::token::sealing::SealingKey;
use time::OffsetDateTime;

use crate::tls::Tls;

/// The key of every caller.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
/// The shards of a day.
const SHARDS: usize = 16;
/// So many orders of a day are a megabyte, which is what a query answers at most.
const PAGE: usize = 3_000;
/// What webhooks are signed with.
pub const CHANNEL_SECRET: &str = "the channel's secret";

/// The running servers.
pub struct Upstreams {
    /// What is in front of them.
    pub tls: Tls,
    /// Every call.
    pub wire: Wire,
    stub: Arc<Stub>,
    addresses: BTreeMap<&'static str, String>,
    line_hangs: Arc<AtomicBool>,
    _server: HttpServer,
}

struct Stub {
    secrets: BTreeMap<&'static str, Value>,
    token: Value,
    /// Whatever record is read: this one, under the id that was asked for.
    record: OnceLock<Value>,
    /// So many orders has every day.
    orders_a_day: AtomicUsize,
    /// The pages of a day's shards, by how many orders they have, whether another page follows, and which attributes of
    /// an order they have.
    pages: Mutex<HashMap<(usize, bool, String), Bytes>>,
}

/// A delivery that waits for its retry.
pub struct Waiting {
    /// The order, as it was posted.
    pub order_id: String,
    /// The message in the retry queue.
    pub message: Value,
}

impl Upstreams {
    /// Starts them.
    pub async fn start() -> anyhow::Result<Self> {
        let (tls, wire, stub) = (Tls::new()?, Wire::default(), Arc::new(Stub::new()?));
        let (noting, answering) = (wire.clone(), Arc::clone(&stub));
        let server = HttpServer::start(move |request| {
            let (wire, stub) = (noting.clone(), Arc::clone(&answering));
            async move {
                let is_aws = request.headers().contains_key("x-amz-target");
                let call = if is_aws { aws_call(&request) } else { partner_call(&request, Caller::default()) };
                wire.pass(call, false, move || async move { stub.answer(&request) }).await
            }
        })
        .await?;
        let plain: SocketAddr = server.base_url().trim_start_matches("http://").parse()?;
        let (mut addresses, line_hangs) = (BTreeMap::new(), Arc::<AtomicBool>::default());
        // A host for each, as in life: no connection serves two of them.
        for name in [
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_DYNAMODB",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            "AWS_ENDPOINT_URL_SQS",
            "LINE_API_BASE",
            "SOBOT_API_BASE",
        ] {
            let hangs = if name == "LINE_API_BASE" { Arc::clone(&line_hangs) } else { Arc::default() };
            addresses.insert(name, tls.front(plain, hangs).await?);
        }
        // An app has a name, and none of a machine's own is taken but this one, without TLS.
        addresses.insert("LINK_CALLBACK_URL", format!("http://localhost:{}", plain.port()));
        Ok(Self { tls, wire, stub, addresses, line_hangs, _server: server })
    }

    /// The variables of every function, as `template.yaml` sets them.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<&str, &str> = BTreeMap::from([
            ("ACCOUNT_ID", "123456789012"),
            ("AUDIT_TABLE", "b-AuditTable"),
            ("AWS_REGION", "ap-northeast-1"),
            ("AWS_SESSION_TOKEN", "test"),
            ("BOT_PROMPT", "aggressive"),
            ("CONSOLE_URL", "https://127.0.0.1/console"),
            ("COUNTRY", "JP"),
            ("CHANNEL_SECRET_ID", "b-ChannelSecret"),
            ("CHANNEL_TOKEN_SECONDS", "2592000"),
            ("DEFAULT_LANGUAGE", "zh-CN"),
            ("DELIVERIES_TABLE", "b-DeliveriesTable"),
            ("DELIVERY_RETENTION_DAYS", "400"),
            ("ENVIRONMENT", "bench"),
            ("FRIENDS_TABLE", "b-FriendsTable"),
            ("FRIEND_RETENTION_DAYS", "400"),
            ("INBOX_DEAD_LETTER_QUEUE_URL", "https://sqs.ap-northeast-1.amazonaws.com/123456789012/inbox-dead"),
            ("INBOX_QUEUE_URL", "https://sqs.ap-northeast-1.amazonaws.com/123456789012/inbox"),
            ("DAILY_REPORT_DEAD_LETTER_QUEUE_URL", "https://sqs.ap-northeast-1.amazonaws.com/123456789012/report-dead"),
            ("DAILY_REPORT_QUEUE_URL", "https://sqs.ap-northeast-1.amazonaws.com/123456789012/report"),
            ("LINE_AUTHORIZE_BASE", "https://127.0.0.1"),
            ("LINE_DATA_API_BASE", "https://127.0.0.1"),
            ("LINE_SECRET_ID", "b-LineSecret"),
            ("LINK_CALLBACK_SECRET_ID", "b-LinkCallbackSecret"),
            ("LINKS_TABLE", "b-LinksTable"),
            ("LOGIN_SECRET_ID", "b-LoginSecret"),
            ("MAIL_CONFIGURATION_SET", ""),
            ("MAX_RETRIES", "3"),
            ("MESSAGES_TABLE", "b-MessagesTable"),
            ("MESSAGE_RETENTION_DAYS", "400"),
            ("MESSAGE_STYLE", "buttons"),
            ("OPERATOR_KEYS_SECRET_ID", "b-OperatorKeysSecret"),
            ("ORDER_KEY_SECRET_ID", "b-OrderKeySecret"),
            ("PSEUDONYM_SECRET_ID", "b-PseudonymSecret"),
            ("PUSH_RETRY_DEAD_LETTER_QUEUE_URL", "https://sqs.ap-northeast-1.amazonaws.com/123456789012/retry-dead"),
            ("PUSH_RETRY_QUEUE_URL", "https://sqs.ap-northeast-1.amazonaws.com/123456789012/retry"),
            ("QUOTA_WARNING_DEAD_LETTER_QUEUE_URL", "https://sqs.ap-northeast-1.amazonaws.com/123456789012/quota-dead"),
            ("QUOTA_WARNING_QUEUE_URL", "https://sqs.ap-northeast-1.amazonaws.com/123456789012/quota"),
            ("RECOVERIES_TABLE", "b-RecoveriesTable"),
            ("RECOVERY_PER_MINUTE", "600"),
            ("REPORTS_TABLE", "b-ReportsTable"),
            ("REPORT_LANGUAGE", "zh-CN"),
            ("REPORT_RECIPIENTS", "statistics@example.com"),
            ("REPORT_SENDER", "line@example.com"),
            ("REPORT_TIME_ZONE", "Asia/Tokyo"),
            ("RETRY_DELAY_SECONDS", "180"),
            ("RUNBOOK_URL", ""),
            ("SOBOT_SECRET_ID", "b-SobotSecret"),
            ("STACK_NAME", "bench"),
            ("SWITCHES_TABLE", "b-SwitchesTable"),
            ("TOKENS_TABLE", "b-TokensTable"),
            ("SOBOT_TOKENS_TABLE", "b-TokensTable"),
            ("USED_TOKENS_TABLE", "b-UsedTokensTable"),
            ("WARNING_THRESHOLDS", "80,95"),
        ]);
        variables.extend(self.addresses.iter().map(|(name, address)| (*name, address.as_str())));
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Plays a network: so long for a connection, so long for a call.
    pub fn set_network(&self, connection: Duration, call: Duration) {
        self.tls.set_delay(connection);
        self.wire.set_latency(call);
    }

    /// From now on LINE lets everybody wait who connects, or nobody any more.
    pub fn set_line_hangs(&self, hangs: bool) {
        self.line_hangs.store(hangs, Ordering::Relaxed);
    }

    /// From now on every day has so many orders.
    pub fn set_orders_a_day(&self, orders: usize) {
        self.stub.orders_a_day.store(orders, Ordering::Relaxed);
    }

    /// From now on no push is answered, as long as the value lives.
    pub fn refuse_pushes(&self) -> local_stand::wire::Injected {
        self.wire.inject(Fault::Error(500, "InternalServerError"), "POST /v2/bot/message/push", "", usize::MAX)
    }

    /// Keeps the record that was written last, for retries to find.
    pub fn keep_what_waits(&self) -> anyhow::Result<Waiting> {
        let calls = self.wire.calls();
        let latest = |found: &dyn Fn(&Call) -> Option<Value>| calls.iter().rev().find_map(found);
        let body = |call: &Call| serde_json::from_str::<Value>(&call.body).unwrap_or_default();
        let record = latest(&|call| {
            let body = body(call);
            let steps = body["TransactItems"].as_array().cloned().unwrap_or_default();
            let mut puts = steps.into_iter().map(|step| step["Put"].clone()).chain([body]);
            puts.find(|put| put["TableName"] == "b-DeliveriesTable" && put["Item"].is_object())
        });
        let message = latest(&|call| (call.operation == "sqs.SendMessage").then(|| body(call)));
        let record = record.context("no record was written")?["Item"].clone();
        let message = message.context("no message was sent")?["MessageBody"].clone();
        let order_id = record["order_id"]["S"].as_str().context("a record without an order")?.to_owned();
        let _ = self.stub.record.set(record);
        Ok(Waiting { order_id, message: serde_json::from_str(message.as_str().unwrap_or_default())? })
    }
}

impl Stub {
    fn new() -> anyhow::Result<Self> {
        let channel = ChannelKey::generate()?;
        let jwk = channel.private_jwk();
        let key = SealingKey::derive(jwk["d"].as_str().unwrap_or_default().as_bytes());
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let number = |number: i64| json!({ "N": number.to_string() });
        let token = json!({
            "issuer": { "S": "line" },
            "sealed_token": { "B": BASE64_STANDARD.encode(key.seal("line", "a-channel-access-token")) },
            "serial": number(1),
            "issued_at": number(now),
            "expires_at": number(now + 2_592_000),
        });
        let secrets = BTreeMap::from([
            ("b-LineSecret", json!({ "channelId": "1234567890", "kid": channel.kid(), "privateKey": jwk })),
            ("b-ChannelSecret", json!({ "channelSecret": CHANNEL_SECRET })),
            ("b-OrderKeySecret", json!({ "current": KEY })),
            ("b-OperatorKeysSecret", json!({ "mei": KEY })),
            ("b-PseudonymSecret", json!({ "key": KEY })),
            (
                "b-LoginSecret",
                json!({ "channelId": "1", "channelSecret": KEY, "linkTokenSecrets": { "current": KEY } }),
            ),
            ("b-LinkCallbackSecret", json!({ "current": KEY })),
        ]);
        let (record, orders_a_day) = (OnceLock::new(), AtomicUsize::new(0));
        Ok(Self { secrets, token, record, orders_a_day, pages: Mutex::default() })
    }

    fn answer(&self, request: &Request<Bytes>) -> Answer {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let (status, answer) = match target.rsplit('.').next().unwrap_or_default() {
            "GetSecretValue" => match self.secrets.get(body["SecretId"].as_str().unwrap_or_default()) {
                Some(secret) => (200, json!({ "SecretString": secret.to_string() })),
                None => (400, json!({ "__type": "ResourceNotFoundException", "message": "none" })),
            },
            "BatchGetSecretValue" => {
                let ids = body["SecretIdList"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let (known, others): (Vec<_>, Vec<_>) = ids.partition(|id| self.secrets.contains_key(id));
                let values = known.iter().map(|id| json!({ "Name": id, "SecretString": self.secrets[id].to_string() }));
                let error = |id| json!({ "SecretId": id, "ErrorCode": "ResourceNotFoundException" });
                let errors = others.into_iter().map(error);
                (200, json!({ "SecretValues": values.collect::<Vec<_>>(), "Errors": errors.collect::<Vec<_>>() }))
            }
            "GetItem" => (200, self.item(&body).map_or_else(|| json!({}), |item| json!({ "Item": item }))),
            "BatchGetItem" => (200, json!({ "Responses": {}, "UnprocessedKeys": {} })),
            "Query" => return Ok(answered(200, "application/x-amz-json-1.0", self.page(&body))),
            "SendMessage" => (200, json!({ "MessageId": "1" })),
            "SendMessageBatch" => {
                let ids = body["Entries"].as_array().into_iter().flatten().map(|entry| &entry["Id"]);
                let sent: Vec<_> =
                    ids.map(|id| json!({ "Id": id, "MessageId": "1", "MD5OfMessageBody": "" })).collect();
                (200, json!({ "Successful": sent, "Failed": [] }))
            }
            "" if request.uri().path() == "/v2/bot/message/push" => {
                (200, json!({ "sentMessages": [{ "id": "561230966842064897" }] }))
            }
            "" if request.uri().path() == "/v2/bot/info" => {
                (200, json!({ "userId": "U00000000000000000000000000000001" }))
            }
            // Far from any warning.
            "" if request.uri().path() == "/v2/bot/message/quota" => {
                (200, json!({ "type": "limited", "value": 30000 }))
            }
            "" if request.uri().path() == "/v2/bot/message/quota/consumption" => (200, json!({ "totalUsage": 1 })),
            // The app takes what it is told.
            "" if request.uri().path() == "/" && request.method() == Method::POST => (200, json!({})),
            "" if request.uri().path() == "/v2/email/outbound-emails" => (200, json!({ "MessageId": "1" })),
            "" => (404, json!({ "message": "Not found" })),
            _ => (200, json!({})),
        };
        let media_type = if target.is_empty() { "application/json" } else { "application/x-amz-json-1.0" };
        Ok(answered(status, media_type, answer.to_string().into()))
    }

    /// A page of a day's shard: each shard has its share of the day's orders.
    fn page(&self, query: &Value) -> Bytes {
        let values = &query["ExpressionAttributeValues"];
        let shard = values[":shard"]["S"].as_str().and_then(|shard| shard.rsplit('#').next()?.parse().ok());
        let orders = self.orders_a_day.load(Ordering::Relaxed);
        let of_shard = shard.map_or(0, |shard: usize| orders / SHARDS + usize::from(shard < orders % SHARDS));
        let read = query["ExclusiveStartKey"]["listed"]["S"].as_str().and_then(|read| read.parse().ok()).unwrap_or(0);
        let (count, more) = (PAGE.min(of_shard - read), of_shard - read > PAGE);
        let wanted = query["ProjectionExpression"].as_str().unwrap_or_default().replace('#', "");
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let page = pages.entry((count, more, wanted.clone())).or_insert_with(|| {
            let mut items: Vec<_> = (0..count).map(order_of_a_day).collect();
            for attributes in items.iter_mut().filter_map(Value::as_object_mut) {
                attributes.retain(|name, _| wanted.is_empty() || wanted.split(", ").any(|wanted| wanted == name));
            }
            let mut page = json!({ "Items": items, "Count": count, "ScannedCount": count });
            if more {
                page["LastEvaluatedKey"] = json!({ "listed": { "S": (read + count).to_string() } });
            }
            page.to_string().into()
        });
        page.clone()
    }

    fn item(&self, get: &Value) -> Option<Value> {
        match get["TableName"].as_str()? {
            "b-TokensTable" if get["Key"]["issuer"]["S"] == "line" => Some(self.token.clone()),
            // Not a day's totals.
            "b-DeliveriesTable" if !get["Key"]["order_id"]["S"].as_str()?.contains('#') => {
                let mut record = self.record.get()?.clone();
                record["order_id"] = get["Key"]["order_id"].clone();
                Some(record)
            }
            _ => None,
        }
    }
}

/// What the index has of an order that its customer was told of.
fn order_of_a_day(number: usize) -> Value {
    let order_id = format!("R20200715-{number:06}");
    json!({
        "listed": { "S": format!("sent#1594771200#{order_id}") },
        "order_id": { "S": order_id },
        "status": { "S": "finish" },
        "state": { "S": "sent" },
        "attempt_count": { "N": "1" },
        "created_at": { "S": "2020-07-15T00:00:00Z" },
        "updated_at": { "S": "2020-07-15T00:00:01Z" },
        "day_shard": { "S": "2020-07-15#00" },
    })
}

fn answered(status: u16, media_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(media_type));
    response
}
