//! The local stand: the stack of `template.yaml` on the emulated AWS, with stand-ins in the places of LINE, Sobot and
//! the app, and verbs for what the order system, the operator and the customer do.
//!
//! Keys and secrets are made anew on every start.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::{
    customer::{
        friend::{Friends, Friendship, Source},
        link_token,
    },
    delivery::{record::DeliveryRecord, retry_key::KeySpace},
    ids::LineUserId,
    lambda::problem_code::ProblemCode,
    line::day::line_day,
    notification::NotificationKind,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    api::public_api::PublicApi,
    app::AppStandIn,
    aws::emulator::{LocalAws, REGION},
    line::{Choice, LineStandIn},
    random::{random_bytes, random_uuid},
    sobot::SobotStandIn,
};

/// Parameters that lead to this machine, without TLS, or are quicker here than on AWS: the template's rules refuse what
/// they are set to, so that nobody deploys it.
pub const ONLY_HERE: [&str; 7] = [
    "LineApiBase",
    "LineDataApiBase",
    "LineAuthorizeBase",
    "SobotApiBase",
    "LoginCallbackUrl",
    "LinkCallbackUrl",
    "RetryDelaySeconds",
];

/// The sample order of the order system, as API Gateway hands it to the function.
const SAMPLE_EVENT: &str = include_str!("../../../events/order-finished.json");
/// Verified with SES on every stand.
const REPORT_SENDER: &str = "report@example.com";
/// The app of every stand.
const RETURN_URL: &str = "https://app.example/line";
/// As `LinkCallbackUrl`: the app of the stand is told of links.
pub const THE_APP: &str = "the app of the stand";
/// How often a state is looked at that nobody announces.
pub const POLL: Duration = Duration::from_millis(100);

/// A running stand; the last clone dropped ends every process of it.
#[derive(Clone)]
pub struct Stand {
    /// The emulated AWS.
    pub aws: Arc<LocalAws>,
    /// LINE.
    pub line: LineStandIn,
    /// The HTTP API as everybody reaches it.
    pub public_api: Arc<PublicApi>,
    /// Sobot.
    pub sobot: SobotStandIn,
    /// The company's app, which is told of links where a parameter says so.
    pub app: AppStandIn,
    /// The operator's client of the tables.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The operator's client of the queues.
    pub sqs: aws_sdk_sqs::Client,
    /// The operator's client of the secrets.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// The order system's HTTP client.
    pub http: reqwest::Client,
    /// The order system's key.
    pub order_key: String,
    /// The key of the operator `mei`.
    pub operator_key: String,
    /// What the app signs its link tokens with.
    pub link_token_secret: String,
}

/// An answer of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// The body, `null` where it is no JSON.
    pub body: Value,
}

impl Reply {
    async fn of(response: reqwest::Response) -> Self {
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
        let status = response.status().as_u16();
        let body = serde_json::from_slice(&response.bytes().await.unwrap_or_default()).unwrap_or_default();
        Self { status, content_type, retry_after, body }
    }

    /// # Panics
    /// Where it is not this problem.
    #[track_caller]
    pub fn assert_problem(&self, code: ProblemCode) {
        let status = code.status().as_u16();
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code.name())), "{self:?}");
        assert_eq!((self.content_type.as_str(), &self.body["status"]), ("application/problem+json", &json!(status)));
        for field in ["type", "title", "detail"] {
            assert!(self.body[field].is_string(), "{field}: {}", self.body);
        }
    }
}

/// A mail as it went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// From.
    pub sender: String,
    /// To.
    pub recipients: Vec<String>,
    /// Subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

impl Mail {
    fn from_json(mail: &Value) -> anyhow::Result<Self> {
        let text =
            |name: &str| mail[name].as_str().map(str::to_owned).with_context(|| format!("a mail without {name}"));
        let recipients = mail["To"].as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned));
        Ok(Self {
            sender: text("Source")?,
            recipients: recipients.collect(),
            subject: text("Subject")?,
            text: text("BodyText")?,
            html: text("BodyHtml")?,
        })
    }
}

impl Stand {
    /// Brings up a stand of its own. `parameters` are the template's; LINE's and Sobot's addresses are set in any case.
    /// `is_watched`: [`LocalAws::start`].
    pub async fn start(parameters: &[(&str, &str)], is_watched: bool) -> anyhow::Result<Self> {
        let line = LineStandIn::start().await?;
        let public_api = PublicApi::start().await?;
        let callback_url = format!("{}/login/callback", public_api.base_url());
        line.register_callback(&callback_url);
        let sobot = SobotStandIn::start(line.channel_id()).await?;
        let app = AppStandIn::start().await?;
        let mut all = vec![
            ("Environment", "local".to_owned()),
            ("LineApiBase", line.base_url()),
            ("LineDataApiBase", line.base_url()),
            ("LineAuthorizeBase", line.base_url()),
            ("LoginCallbackUrl", callback_url),
            ("LoginReturnUrls", RETURN_URL.to_owned()),
            ("SobotApiBase", sobot.base_url()),
            ("OfficialAccountId", "@abc1234".to_owned()),
            ("ReportRecipients", "statistics@example.com,operator@example.com".to_owned()),
            ("ReportSender", REPORT_SENDER.to_owned()),
        ];
        let told = |value: &str| if value == THE_APP { app.url() } else { value.to_owned() };
        all.extend(parameters.iter().map(|(name, value)| (*name, told(value))));
        let aws = LocalAws::start(&all, &ONLY_HERE, is_watched).await?;
        public_api.forward_to(aws.api_url());
        let config = aws.sdk_config().await;
        let stand = Self {
            aws: Arc::new(aws),
            line,
            public_api: Arc::new(public_api),
            sobot,
            app,
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            http: reqwest::Client::builder().no_proxy().build()?,
            order_key: random_key(),
            operator_key: random_key(),
            link_token_secret: random_key(),
        };
        let mail = aws_sdk_sesv2::Client::new(&config);
        mail.create_email_identity()
            .email_identity(REPORT_SENDER)
            .send()
            .await
            .context("the sender is not verified")?;
        stand.put_secret("LineSecretArn", &stand.line.secret()).await?;
        stand.put_secret("ChannelSecretArn", &json!({ "channelSecret": stand.line.channel_secret() })).await?;
        stand.put_secret("LoginSecretArn", &stand.login_secret()).await?;
        stand.put_secret("SobotSecretArn", &stand.sobot.secret()).await?;
        stand.put_secret("OrderKeySecretArn", &json!({ "current": stand.order_key })).await?;
        stand.put_secret("OperatorKeysSecretArn", &json!({ "mei": stand.operator_key })).await?;
        if stand.aws.outputs().contains_key("LinkCallbackSecretArn") {
            stand.app.use_key(&stand.callback_key().await?);
        }
        Ok(stand)
    }

    /// What the deployment made for callbacks to be signed with.
    pub async fn callback_key(&self) -> anyhow::Result<String> {
        let secret = self.secrets.get_secret_value().secret_id(self.aws.output("LinkCallbackSecretArn")).send().await?;
        let secret: Value = serde_json::from_str(secret.secret_string().unwrap_or_default())?;
        Ok(secret["current"].as_str().context("no key")?.to_owned())
    }

    /// What the operator puts into the login secret.
    pub fn login_secret(&self) -> Value {
        json!({
            "channelId": self.line.login_channel_id(),
            "channelSecret": self.line.login_channel_secret(),
            "linkTokenSecrets": { "current": self.link_token_secret },
        })
    }

    /// The address that the app opens for its member.
    pub fn login_url(&self, member: &str) -> String {
        let exp = (OffsetDateTime::now_utc() + link_token::MAX_LIFE).unix_timestamp();
        let claims = json!({ "sub": member, "exp": exp, "jti": random_key() });
        let key = EncodingKey::from_secret(self.link_token_secret.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims, &key).expect("JSON can be signed");
        format!("{}/login?token={token}", self.public_api.base_url())
    }

    /// Logs a member in as this LINE user, who consents and adds the account; returns the title of the page at the end.
    pub async fn log_in(&self, member: &str, line_user_id: &str) -> anyhow::Result<String> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        let between = |text: &str, before: &str, after: &str| -> anyhow::Result<String> {
            let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
            Ok(found.with_context(|| format!("no {before} in {text}"))?.0.replace("&amp;", "&"))
        };
        let offer = client.get(self.login_url(member)).send().await?;
        let cookie = offer.headers().get("set-cookie").context("no cookie")?.to_str()?.to_owned();
        let cookie = cookie.split(';').next().unwrap_or_default();
        let page = offer.text().await?;
        let field = |name: &str| between(&page, &format!("name=\"{name}\" value=\""), "\"");
        let form = [("token", field("token")?), ("shown", field("shown")?)];
        let address = format!("{}/login", self.public_api.base_url());
        let into_line = client.post(address).header("cookie", cookie).form(&form).send().await?.text().await?;
        let callback = self.line.authorize(&between(&into_line, "<a href=\"", "\"")?, line_user_id, Choice::Consent);
        let callback = callback.map_err(anyhow::Error::msg)?;
        let page = client.get(callback).header("cookie", cookie).send().await?.text().await?;
        let title = page.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
        Ok(title.with_context(|| format!("no page: {page}"))?.0.to_owned())
    }

    /// Where a customer may be sent after a login.
    pub fn return_url(&self) -> &'static str {
        RETURN_URL
    }

    /// Writes a secret's value, as the operator does after the deployment.
    pub async fn put_secret(&self, output: &str, value: &Value) -> anyhow::Result<()> {
        let id = self.aws.output(output);
        let put = self.secrets.put_secret_value().secret_id(id).secret_string(value.to_string()).send().await;
        put.map(|_| ()).with_context(|| format!("cannot write the secret {id}"))
    }

    /// Takes a secret's value away: as before the operator has put one.
    pub async fn remove_secret(&self, output: &str) -> anyhow::Result<()> {
        let id = self.aws.output(output);
        let value = self.secrets.get_secret_value().secret_id(id).send().await?;
        let version = value.version_id().context("a value without a version")?;
        let update = self.secrets.update_secret_version_stage().secret_id(id).version_stage("AWSCURRENT");
        update.remove_from_version_id(version).send().await?;
        Ok(())
    }

    /// Where the order system posts.
    pub fn orders_url(&self) -> String {
        format!("{}/orders/finished", self.public_api.base_url())
    }

    /// Posts an order with the right key.
    pub async fn post(&self, order: &Value) -> Reply {
        let authorization = format!("Bearer {}", self.order_key);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        self.post_raw(&headers, order.to_string().into()).await
    }

    /// Posts an order as the order system does: again, until there is an answer below 500. An environment that was
    /// killed a moment ago may still be handed a call.
    pub async fn post_until_taken(&self, order: &Value) -> Reply {
        loop {
            let reply = self.post(order).await;
            if reply.status < 500 {
                return reply;
            }
            sleep(POLL).await;
        }
    }

    /// Posts whatever it is given.
    ///
    /// # Panics
    /// When no answer comes at all.
    pub async fn post_raw(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let mut request = self.http.post(self.orders_url()).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::of(request.send().await.expect("the API answers")).await
    }

    /// Calls the operations API as the operator `mei`; `path` begins with a slash.
    pub async fn operate(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.operate_with(Some(&self.operator_key), method, path, body).await
    }

    /// Calls the operations API with this key, or without one.
    ///
    /// # Panics
    /// When no answer comes at all.
    pub async fn operate_with(&self, key: Option<&str>, method: &str, path: &str, body: Option<Value>) -> Reply {
        let method = method.parse().expect("an HTTP method");
        let mut request = self.http.request(method, format!("{}{path}", self.public_api.base_url()));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Reply::of(request.send().await.expect("the API answers")).await
    }

    /// The record that the operator sees.
    ///
    /// # Panics
    /// When the table cannot be read, or holds something else.
    pub async fn record(&self, order_id: &str) -> Option<DeliveryRecord> {
        self.delivery_item(order_id).await.map(|item| serde_dynamo::from_item(item).expect("a delivery record"))
    }

    async fn delivery_item(&self, order_id: &str) -> Option<HashMap<String, AttributeValue>> {
        let answer = self
            .dynamodb
            .get_item()
            .table_name(self.aws.output("DeliveriesTableName"))
            .key("order_id", AttributeValue::S(order_id.to_owned()))
            .key("status", AttributeValue::S(NotificationKind::OrderFinished.status().to_owned()))
            .consistent_read(true)
            .send()
            .await;
        answer.expect("the deliveries can be read").item
    }

    /// Waits until no message is in the retry queue, hidden ones and those that are not due included.
    ///
    /// # Panics
    /// After a minute.
    pub async fn wait_for_an_empty_retry_queue(&self) {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Visible, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as NotVisible,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let url = self.aws.output("PushRetryQueueUrl");
            let asked = self
                .sqs
                .get_queue_attributes()
                .queue_url(url)
                .set_attribute_names(Some(vec![Visible, Delayed, NotVisible]));
            let answer = asked.send().await.expect("the queue can be looked at");
            let counts = answer.attributes.unwrap_or_default();
            if counts.values().all(|count| count == "0") {
                return;
            }
            assert!(Instant::now() < deadline, "the retry queue does not become empty: {counts:?}");
            sleep(POLL).await;
        }
    }

    /// Changes attributes of a record behind everybody's back; null takes one away.
    pub async fn change_record(&self, order_id: &str, changes: Value) -> anyhow::Result<()> {
        let mut item: Value = serde_dynamo::from_item(self.delivery_item(order_id).await.context("no record")?)?;
        for (name, value) in changes.as_object().context("an object")? {
            item[name] = value.clone();
        }
        item.as_object_mut().context("an item")?.retain(|_, value| !value.is_null());
        let table = self.aws.output("DeliveriesTableName");
        let put = self.dynamodb.put_item().table_name(table).set_item(Some(serde_dynamo::to_item(item)?));
        put.send().await?;
        Ok(())
    }

    /// Lets this time pass for a record: each time that decides of it moves into the past, its arrival aside.
    pub async fn age_record(&self, order_id: &str, by: time::Duration) -> anyhow::Result<()> {
        const TIMES: [&str; 6] =
            ["key_first_used_at", "last_attempt_at", "due_at", "waiting_since", "bell_enqueued_at", "rung_at"];
        let item = self.delivery_item(order_id).await.context("no record")?;
        let text = |name: &str| item.get(name)?.as_s().ok();
        let mut changes = json!({});
        for name in TIMES {
            if let Some(then) = text(name) {
                changes[name] = json!((OffsetDateTime::parse(then, &Rfc3339)? - by).format(&Rfc3339)?);
            }
        }
        if let Some(waits_since) = text("waits_since") {
            let (seconds, order) = waits_since.split_once('#').context("a sort key of by_open")?;
            changes["waits_since"] = json!(format!("{:010}#{order}", seconds.parse::<i64>()? - by.whole_seconds()));
        }
        self.change_record(order_id, changes).await
    }

    /// Moves a record to another of LINE's days, as if its order had arrived then.
    pub async fn change_day(&self, order_id: &str, day: time::Date) -> anyhow::Result<()> {
        let item = self.delivery_item(order_id).await.context("no record")?;
        let shard = item.get("day_shard").and_then(|shard| shard.as_s().ok()?.split_once('#')).context("a shard")?.1;
        self.change_record(order_id, json!({ "day": day.to_string(), "day_shard": format!("{day}#{shard}") })).await
    }

    /// Moves a record to another time, as if its order had arrived then.
    pub async fn change_arrival(&self, order_id: &str, at: OffsetDateTime) -> anyhow::Result<()> {
        self.change_day(order_id, line_day(at)).await?;
        let item = self.delivery_item(order_id).await.context("no record")?;
        let state = item.get("state").and_then(|state| state.as_s().ok()).context("a state")?;
        let listed = format!("{state}#{:010}#{order_id}", at.unix_timestamp());
        self.change_record(order_id, json!({ "created_at": at.format(&Rfc3339)?, "listed": listed })).await
    }

    /// The retry key of a record's present generation.
    pub fn retry_key(&self, record: &DeliveryRecord) -> Uuid {
        let environment = &self.aws.environments()["OrderFinishedFunction"];
        let variable = |name: &str| environment[name].clone();
        let space = KeySpace {
            account: variable("ACCOUNT_ID"),
            region: REGION.to_owned(),
            stack: variable("STACK_NAME"),
            environment: variable("ENVIRONMENT"),
        };
        record.progress.retry_key(space.keys(&record.order_id, &record.status))
    }

    /// Waits until the record of an order is as wanted, and returns it.
    ///
    /// # Panics
    /// After a minute, with the record as it is then.
    pub async fn wait_for_record(
        &self,
        order_id: &str,
        what: &str,
        wanted: impl Fn(&DeliveryRecord) -> bool,
    ) -> DeliveryRecord {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let record = self.record(order_id).await;
            match record {
                Some(record) if wanted(&record) => return record,
                other if Instant::now() > deadline => panic!("waited in vain until {order_id} is {what}: {other:#?}"),
                _ => sleep(POLL).await,
            }
        }
    }

    /// Turns the switch of the finished status.
    pub async fn set_switch(&self, enabled: bool) -> anyhow::Result<()> {
        self.dynamodb
            .put_item()
            .table_name(self.aws.output("SwitchesTableName"))
            .item("status", AttributeValue::S(NotificationKind::OrderFinished.status().to_owned()))
            .item("enabled", AttributeValue::Bool(enabled))
            .send()
            .await?;
        Ok(())
    }

    /// Keeps a user's friend state, as an event of now tells it.
    pub async fn set_friend(&self, line_user_id: &str, friend: bool) -> anyhow::Result<()> {
        self.believe(line_user_id, friend, time::Duration::ZERO, Source::LineEvent).await
    }

    /// Keeps a user's friend state, as this source told it so long ago.
    pub async fn believe(
        &self,
        line_user_id: &str,
        friend: bool,
        age: time::Duration,
        source: Source,
    ) -> anyhow::Result<()> {
        let friendship = if friend { Friendship::Friend } else { Friendship::NotAFriend };
        let user = LineUserId::parse(line_user_id).map_err(anyhow::Error::msg)?;
        let table = self.aws.output("FriendsTableName").to_owned();
        let friends = Friends::new(self.dynamodb.clone(), table, time::Duration::days(400));
        let put = friends.put(&user, friendship, OffsetDateTime::now_utc() - age, source).await;
        anyhow::ensure!(put.map_err(anyhow::Error::msg)?, "something newer is known");
        Ok(())
    }

    /// Links a member to a LINE user.
    pub async fn link(&self, member_id: &str, line_user_id: &str) -> anyhow::Result<()> {
        self.dynamodb
            .put_item()
            .table_name(self.aws.output("LinksTableName"))
            .item("id", AttributeValue::S(format!("member#{member_id}")))
            .item("line_user_id", AttributeValue::S(line_user_id.to_owned()))
            .send()
            .await?;
        Ok(())
    }

    /// Sends a message to the retry queue.
    pub async fn enqueue(&self, body: &str) -> anyhow::Result<()> {
        let queue = self.aws.output("PushRetryQueueUrl");
        self.sqs.send_message().queue_url(queue).message_body(body).send().await?;
        Ok(())
    }

    /// Turns the mapping between the retry queue and its function off or on.
    pub async fn map_the_retry_queue(&self, enabled: bool) -> anyhow::Result<()> {
        self.map_the_queue_of("PushRetryFunctionName", enabled).await
    }

    /// Turns the mapping between the inbox's queue and its function off or on.
    pub async fn map_the_inbox(&self, enabled: bool) -> anyhow::Result<()> {
        self.map_the_queue_of("InboxFunctionName", enabled).await
    }

    /// Turns the mapping between the stream of the links and its function off or on.
    pub async fn map_the_links(&self, enabled: bool) -> anyhow::Result<()> {
        self.map_the_queue_of("LinkCallbackFunctionName", enabled).await
    }

    /// Turns the mapping of the function that this output names off or on.
    pub async fn map_the_queue_of(&self, output: &str, enabled: bool) -> anyhow::Result<()> {
        let mappings = format!("{}/2015-03-31/event-source-mappings", self.aws.endpoint());
        let function = self.aws.output(output);
        let all: Value = self.http.get(format!("{mappings}?FunctionName={function}")).send().await?.json().await?;
        let [mapping] = all["EventSourceMappings"].as_array().map(Vec::as_slice).unwrap_or_default() else {
            anyhow::bail!("one mapping of {function}, not {all}")
        };
        let id = mapping["UUID"].as_str().context("a mapping without an id")?;
        let answer = self.http.put(format!("{mappings}/{id}")).json(&json!({ "Enabled": enabled })).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Waits until so many messages of the retry queue can be received.
    ///
    /// # Panics
    /// After a minute.
    pub async fn wait_for_visible_retries(&self, count: usize) {
        let (visible, count) = (QueueAttributeName::ApproximateNumberOfMessages, count.to_string());
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let url = self.aws.output("PushRetryQueueUrl");
            let asked = self.sqs.get_queue_attributes().queue_url(url).attribute_names(visible.clone()).send().await;
            let counts = asked.expect("the queue can be looked at").attributes.unwrap_or_default();
            if counts.get(&visible) == Some(&count) {
                return;
            }
            assert!(Instant::now() < deadline, "not {count} messages: {counts:?}");
            sleep(POLL).await;
        }
    }

    /// Receives an order's message until the next receive is the last that the retry queue allows, and leaves it
    /// visible. The mapping must be off.
    pub async fn leave_one_receive(&self, order_id: &str) -> anyhow::Result<()> {
        use aws_sdk_sqs::types::MessageSystemAttributeName::ApproximateReceiveCount;
        let queue = self.aws.output("PushRetryQueueUrl");
        let asked = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::RedrivePolicy);
        let policy = asked.send().await?.attributes.unwrap_or_default().remove(&QueueAttributeName::RedrivePolicy);
        let policy: Value = serde_json::from_str(&policy.context("no redrive policy")?)?;
        let allowed = policy["maxReceiveCount"].to_string().trim_matches('"').parse::<u64>()?;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let receive = self.sqs.receive_message().queue_url(queue).visibility_timeout(0).wait_time_seconds(1);
            let received = receive.message_system_attribute_names(ApproximateReceiveCount).send().await?;
            for message in received.messages().iter().filter(|one| one.body().unwrap_or_default().contains(order_id)) {
                let count = message.attributes().and_then(|all| all.get(&ApproximateReceiveCount)?.parse::<u64>().ok());
                if count.context("no receive count")? + 1 == allowed {
                    return Ok(());
                }
            }
            ensure!(Instant::now() < deadline, "no message about {order_id}");
        }
    }

    /// Waits until the dead-letter queue holds a message that contains `needle`, takes it out and returns its body.
    pub async fn take_dead_letter(&self, needle: &str) -> anyhow::Result<String> {
        self.take_dead_letter_from("PushRetryDeadLetterQueueUrl", needle).await
    }

    /// [`take_dead_letter`](Self::take_dead_letter), from the queue of this output.
    pub async fn take_dead_letter_from(&self, output: &str, needle: &str) -> anyhow::Result<String> {
        let queue = self.aws.output(output);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // The others become visible again at once: many tests may look at the same time.
            let received = self
                .sqs
                .receive_message()
                .queue_url(queue)
                .max_number_of_messages(10)
                .visibility_timeout(1)
                .send()
                .await?;
            for message in received.messages() {
                if let (Some(body), Some(receipt)) = (message.body(), message.receipt_handle())
                    && body.contains(needle)
                {
                    self.sqs.delete_message().queue_url(queue).receipt_handle(receipt).send().await?;
                    return Ok(body.to_owned());
                }
            }
            ensure!(Instant::now() < deadline, "no dead letter about {needle}");
            sleep(POLL).await;
        }
    }

    /// Invokes a function, named by the stack's output, and waits for what it returns; an error of the function
    /// comes back as its error object.
    pub async fn invoke(&self, output: &str, event: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/2015-03-31/functions/{}/invocations", self.aws.endpoint(), self.aws.output(output));
        let response = self.http.post(url).body(event.to_string()).send().await?;
        Ok(serde_json::from_slice(&response.bytes().await?)?)
    }

    /// The mails sent so far, oldest first.
    pub async fn mails(&self) -> anyhow::Result<Vec<Mail>> {
        let url = format!("{}/_ministack/ses/messages", self.aws.endpoint());
        let all: Value = serde_json::from_slice(&self.http.get(url).send().await?.bytes().await?)?;
        let of_accounts = all["messages"].as_object().into_iter().flatten();
        of_accounts.flat_map(|(_, mails)| mails.as_array().into_iter().flatten()).map(Mail::from_json).collect()
    }

    /// How many messages the queue of this output holds, visible or not.
    pub async fn queue_depth(&self, output: &str) -> anyhow::Result<u64> {
        self.depth_of(self.aws.output(output)).await
    }

    /// How many messages the queue at this address holds, visible or not.
    pub async fn depth_of(&self, queue_url: &str) -> anyhow::Result<u64> {
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(queue_url)
            .attribute_names(QueueAttributeName::All)
            .send()
            .await?;
        let count = |name| answer.attributes().and_then(|all| all.get(&name)?.parse::<u64>().ok()).unwrap_or(0);
        Ok(count(QueueAttributeName::ApproximateNumberOfMessages)
            + count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            + count(QueueAttributeName::ApproximateNumberOfMessagesDelayed))
    }
}

/// The sample order of the requirements: the body of `events/order-finished.json`.
///
/// # Panics
/// When that file is not what API Gateway sends.
pub fn sample_order() -> Value {
    let event: Value = serde_json::from_str(SAMPLE_EVENT).expect("events/order-finished.json is JSON");
    serde_json::from_str(event["body"].as_str().expect("its body is a string")).expect("its body is JSON")
}

/// The sample order with an order id and a recipient of its own, and these fields changed.
pub fn order_with(changes: Value) -> Value {
    let mut order = sample_order();
    order["orderId"] = json!(format!("R-{}", random_uuid().simple()));
    order["recipient"]["lineUserId"] = json!(random_user());
    for (field, value) in changes.as_object().into_iter().flatten() {
        order[field] = value.clone();
    }
    order
}

/// A LINE user id that nobody else has.
pub fn random_user() -> String {
    format!("U{}", random_uuid().simple())
}

/// A key that nobody can guess.
pub fn random_key() -> String {
    random_bytes::<24>().iter().map(|byte| format!("{byte:02x}")).collect()
}
