//! Who may call: what opens a door, what closes it, and what a credential that got out is good for.

use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_secretsmanager::config::AppName;
use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::{
        Choice,
        webhook_sender::{WebhookSender, event, message, sign},
    },
    stand::{Reply, Stand, order_with, random_key, random_user},
};
use serde_json::{Value, json};
use shared::{
    aws::secret::{Secret, Secrets},
    clock::Clock,
    inbox::messages::StoredEvent,
    lambda::{callers::CallerKeys, problem_code::ProblemCode},
};
use tokio::time::Instant;

use crate::{login::Visitor, now_ms, story_alone, user};

const READ: &str = "secretsmanager.GetSecretValue";

/// A clock that only the story moves.
fn own_clock() -> &'static AtomicI64 {
    Box::leak(Box::new(AtomicI64::new(1_000_000)))
}

/// The secrets of `order-finished`.
fn secrets_of_orders(stand: &Stand) -> Secrets {
    let config = stand.secrets.config().to_builder().endpoint_url(stand.aws.tap().base_url());
    let config = config.app_name(AppName::new("order-finished").expect("a name")).build();
    Secrets::new(aws_sdk_secretsmanager::Client::from_conf(config))
}

/// The order keys as `order-finished` reads them.
fn order_keys(stand: &Stand, seconds: &'static AtomicI64) -> Secret<CallerKeys> {
    let id = stand.aws.output("OrderKeySecretArn").to_owned();
    Secret::new(&secrets_of_orders(stand), id, Clock::Set(seconds))
}

async fn put(stand: &Stand, output: &str, secret: &str) {
    let id = stand.aws.output(output);
    stand.secrets.put_secret_value().secret_id(id).secret_string(secret).send().await.expect("written");
}

fn lines(stand: &Stand, function: &str, has: impl Fn(&Value) -> bool) -> Vec<Value> {
    let logs = stand.aws.logs(function);
    logs.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(|line| has(line)).collect()
}

/// The lines of a function that tell this metric.
fn told(stand: &Stand, function: &str, metric: &str) -> Vec<Value> {
    lines(stand, function, |line| line.get("_aws").is_some() && line.get(metric).is_some())
}

/// Posts an order with this key, or without one.
async fn post_with(stand: &Stand, key: Option<&str>) -> Reply {
    let authorization = format!("Bearer {}", key.unwrap_or_default());
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(key.map(|_| ("authorization", authorization.as_str())));
    stand.post_raw(&headers, order_with(json!({})).to_string().into()).await
}

#[test]
fn an_outage_of_secrets_manager_is_served_through_for_an_hour_and_no_longer() {
    story_alone(&[], async |stand| {
        for code in ["AccessDeniedException", "DecryptionFailure", "ThrottlingException", "InternalServiceError"] {
            let seconds = own_clock();
            let keys = order_keys(&stand, seconds);
            keys.get().await.expect("read");
            let outage = stand.aws.tap().inject(Fault::Error(400, code), READ, "", ALWAYS);
            for passed in [301, 299, 2_999] {
                seconds.fetch_add(passed, Ordering::Relaxed);
                assert!(keys.get().await.expect("it serves on").accepts(&stand.order_key), "{code}");
            }
            seconds.fetch_add(1, Ordering::Relaxed);
            let error = keys.get().await.expect_err("an hour is over").to_string();
            assert!(error.contains("could not be read"), "{error}");
            drop(outage);
            seconds.fetch_add(30, Ordering::Relaxed);
            assert!(keys.get().await.expect("the outage is over").accepts(&stand.order_key));
        }
    });
}

#[test]
fn what_failed_with_another_secret_is_asked_for_anew() {
    story_alone(&[], async |stand| {
        let (seconds, secrets) = (own_clock(), secrets_of_orders(&stand));
        let [line, keys] = ["LineSecretArn", "OrderKeySecretArn"]
            .map(|name| Secret::<CallerKeys>::new(&secrets, stand.aws.output(name).to_owned(), Clock::Set(seconds)));
        let outage = stand.aws.tap().inject(Fault::HangUp, "secretsmanager.BatchGetSecretValue", "", ALWAYS);
        let error = line.get().await.map(drop).expect_err("an outage").to_string();
        assert!(error.contains("could not be read"), "{error}");
        drop(outage);
        seconds.fetch_add(2, Ordering::Relaxed);
        assert!(keys.get().await.expect("the outage is over").accepts(&stand.order_key));
    });
}

#[test]
fn a_secret_that_says_nothing_usable_or_is_gone_closes_the_door_within_its_refresh() {
    story_alone(&[], async |stand| {
        let id = stand.aws.output("OrderKeySecretArn");
        let good = json!({ "current": stand.order_key }).to_string();
        for unusable in ["[]", "not JSON", r#"{"current":"too short"}"#, r#"{"curent":"0123456789abcdef"}"#] {
            let seconds = own_clock();
            let keys = order_keys(&stand, seconds);
            keys.get().await.expect("read");
            put(&stand, "OrderKeySecretArn", unusable).await;
            seconds.fetch_add(300, Ordering::Relaxed);
            let error = keys.get().await.map(|_| ()).expect_err(unusable).to_string();
            assert!(!error.contains("too short") && !error.contains("0123456789abcdef"), "{error}");
            put(&stand, "OrderKeySecretArn", &good).await;
            seconds.fetch_add(30, Ordering::Relaxed);
            assert!(keys.get().await.expect("put right").accepts(&stand.order_key));
        }
        // Nobody is in it, and nobody is let in.
        let seconds = own_clock();
        let keys = order_keys(&stand, seconds);
        keys.get().await.expect("read");
        put(&stand, "OrderKeySecretArn", "{}").await;
        seconds.fetch_add(300, Ordering::Relaxed);
        assert!(!keys.get().await.expect("usable").accepts(&stand.order_key));
        put(&stand, "OrderKeySecretArn", &good).await;
        seconds.fetch_add(300, Ordering::Relaxed);
        assert!(keys.get().await.expect("read").accepts(&stand.order_key));
        stand.secrets.delete_secret().secret_id(id).force_delete_without_recovery(true).send().await.expect("deleted");
        seconds.fetch_add(300, Ordering::Relaxed);
        let error = keys.get().await.map(|_| ()).expect_err("it is gone").to_string();
        assert!(error.contains("is gone"), "{error}");
    });
}

#[test]
fn a_closed_door_says_503_to_everybody_and_rings() {
    story_alone(&[], async |stand| {
        put(&stand, "OrderKeySecretArn", "[]").await;
        put(&stand, "OperatorKeysSecretArn", "[]").await;
        put(&stand, "SobotSecretArn", "[]").await;
        for function in ["order-finished", "operations", "webhooks"] {
            stand.aws.kill(function).expect("killed");
        }
        let guessed = random_key();
        for key in [Some(stand.order_key.as_str()), Some(guessed.as_str()), Some(""), None] {
            let mut reply = post_with(&stand, key).await;
            assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")), "{key:?}");
            reply = stand.operate_with(key, "GET", "/switches", None).await;
            assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")), "{key:?}");
        }
        assert_eq!(WebhookSender::sobot(&stand).deliver(&[]).await.status, 503);
        for function in ["order-finished", "operations", "webhooks"] {
            assert!(!told(&stand, function, "SecretUnusable").is_empty(), "{function}");
        }
    });
}

#[test]
fn nobody_in_a_secret_is_nobody_let_in() {
    story_alone(&[], async |stand| {
        put(&stand, "OrderKeySecretArn", "{}").await;
        put(&stand, "OperatorKeysSecretArn", "{}").await;
        stand.aws.kill("order-finished").expect("killed");
        stand.aws.kill("operations").expect("killed");
        assert_eq!(post_with(&stand, Some(&stand.order_key)).await.status, 401);
        assert_eq!(stand.operate("GET", "/switches", None).await.status, 401);
    });
}

#[test]
fn of_several_keys_a_bad_one_is_dropped_alone_and_rings() {
    story_alone(&[], async |stand| {
        let keys = json!({ "current": "hunter2", "previous": stand.order_key });
        put(&stand, "OrderKeySecretArn", &keys.to_string()).await;
        let keys = json!({ "mei": stand.operator_key, "kenji": "hunter2", "a name with blanks": random_key(),
            "ling": { "current": random_key(), "scopes": ["everything"] } });
        put(&stand, "OperatorKeysSecretArn", &keys.to_string()).await;
        let short = json!({ "channelId": stand.line.login_channel_id(), "channelSecret": stand.line.login_channel_secret(),
            "linkTokenSecrets": { "current": stand.link_token_secret, "previous": "hunter2" } });
        put(&stand, "LoginSecretArn", &short.to_string()).await;
        for function in ["order-finished", "operations", "line-login"] {
            stand.aws.kill(function).expect("killed");
        }
        stand.log_in("M-1", &random_user()).await.expect("the other link token secret serves");
        assert_eq!(told(&stand, "line-login", "SecretUnusable").len(), 1);
        assert!(stand.aws.logs("line-login").contains("field linkTokenSecrets.previous must have at least"));
        assert_eq!(post_with(&stand, Some(&stand.order_key)).await.status, 200);
        assert_eq!(post_with(&stand, Some("hunter2")).await.status, 401);
        assert_eq!(stand.operate("GET", "/switches", None).await.status, 200);
        assert_eq!(stand.operate_with(Some("hunter2"), "GET", "/switches", None).await.status, 401);
        assert_eq!(told(&stand, "order-finished", "SecretUnusable").len(), 1);
        assert!(stand.aws.logs("order-finished").contains("field current must have at least"));
        assert!(stand.aws.logs("operations").contains("field kenji.current must have at least"));
        assert!(stand.aws.logs("operations").contains("ling.scopes"));
        assert!(!stand.aws.all_logs().contains("hunter2"));
    });
}

#[test]
fn what_is_not_set_is_not_asked_for_by_every_stranger() {
    story_alone(&[], async |stand| {
        stand.remove_secret("SobotSecretArn").await.expect("the secret has no value now");
        stand.aws.kill("webhooks").expect("killed");
        let read_before = stand.aws.tap().calls_about(stand.aws.output("SobotSecretArn")).len();
        for _ in 0..40 {
            assert_eq!(WebhookSender::sobot(&stand).deliver(&[]).await.status, 404);
        }
        let read = stand.aws.tap().calls_about(stand.aws.output("SobotSecretArn")).len() - read_before;
        assert!(read <= 1, "40 strangers made {read} calls");
        assert!(told(&stand, "webhooks", "SecretUnusable").is_empty(), "a stack without Sobot is well");
        stand.aws.kill("operations").expect("killed");
        stand.operate("GET", "/sobot/tasks", None).await.assert_problem(ProblemCode::NoSobot);
    });
}

#[test]
fn where_a_refused_credential_came_from_is_known() {
    story_alone(&[], async |stand| {
        let guessed = random_key();
        for key in [Some(guessed.as_str()), Some(""), None] {
            assert_eq!(post_with(&stand, key).await.status, 401);
        }
        stand.operate_with(Some(&guessed), "GET", "/orders/R-1", None).await;
        let sobot = WebhookSender::sobot(&stand);
        let guess = WebhookSender { url: sobot.url.replace(&stand.sobot.webhook_key(), &guessed), ..sobot };
        assert_eq!(guess.deliver(&[]).await.status, 404);
        for (function, door, count) in
            [("order-finished", "orders", 3), ("operations", "operators", 1), ("webhooks", "sobot", 1)]
        {
            let failures = told(&stand, function, "AuthenticationFailures");
            assert_eq!(failures.len(), count, "{function}");
            assert_eq!(failures[0]["route"], door, "{function}");
            let from = lines(&stand, function, |line| line["http.source_ip"] == "127.0.0.1");
            assert!(from.len() >= count, "{function}: {}", stand.aws.logs(function));
            assert!(!stand.aws.logs(function).contains(&guessed), "{function}");
        }
        // What is done is noted with the address that it was done from.
        let reason = json!({ "enabled": true, "reason": "to see what is noted" });
        assert_eq!(stand.operate("PUT", "/switches/all", Some(reason)).await.status, 200);
        let audit = stand.operate("GET", "/audit?kind=switch", None).await;
        assert_eq!(audit.body["entries"][0]["sourceIp"], "127.0.0.1", "{}", audit.body);
    });
}

/// Whoever was let in before the latest change of a secret is told from a stranger, who rings nothing.
#[test]
fn a_withdrawn_credential_rings_and_a_made_up_one_does_not() {
    story_alone(&[], async |stand| {
        let (old_operator, old_webhook_key) = (stand.operator_key.clone(), stand.sobot.webhook_key());
        let [order_key, operator_key, webhook_key, channel_secret] = [(); 4].map(|()| random_key());
        put(&stand, "OrderKeySecretArn", &json!({ "current": order_key }).to_string()).await;
        put(&stand, "OperatorKeysSecretArn", &json!({ "mei": operator_key }).to_string()).await;
        put(&stand, "ChannelSecretArn", &json!({ "channelSecret": channel_secret }).to_string()).await;
        let sobot = json!({ "appId": "1", "appKey": "2", "webhookKeys": { "current": webhook_key } });
        put(&stand, "SobotSecretArn", &sobot.to_string()).await;
        for function in ["order-finished", "operations", "webhooks"] {
            stand.aws.kill(function).expect("killed");
        }
        let (line, sobot) = (WebhookSender::line(&stand), WebhookSender::sobot(&stand));
        let knock = async |order_key: &str, operator_key: &str, channel_secret: &str, webhook_key: &str| {
            assert_eq!(post_with(&stand, Some(order_key)).await.status, 401);
            assert_eq!(stand.operate_with(Some(operator_key), "GET", "/switches", None).await.status, 401);
            let line = WebhookSender { secret: Some(channel_secret.to_owned()), ..line.clone() };
            assert_eq!(line.deliver(&[]).await.status, 401);
            let url = sobot.url.replace(&old_webhook_key, webhook_key);
            assert_eq!(WebhookSender { url, ..sobot.clone() }.deliver(&[]).await.status, 404);
        };
        let rung = || {
            let told =
                ["order-finished", "operations", "webhooks"].map(|one| told(&stand, one, "FormerCredentialUsed"));
            told.concat().iter().map(|line| line["route"].as_str().expect("a route").to_owned()).collect::<Vec<_>>()
        };
        let [a, b, c, d] = [(); 4].map(|()| random_key());
        knock(&a, &b, &c, &d).await;
        assert_eq!(rung(), [] as [&str; 0]);
        knock(&stand.order_key, &old_operator, &stand.line.channel_secret(), &old_webhook_key).await;
        assert_eq!(rung(), ["orders", "operators", "line", "sobot"]);
    });
}

/// An answer as a stranger sees it: everything but its date.
type Answer = (u16, Vec<(String, String)>, String);

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("answered");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    // A login's page names a new browser, and API Gateway each request.
    let of_each = ["date", "set-cookie", "apigw-requestid"];
    let told = headers.iter().filter(|(name, _)| !of_each.contains(&name.as_str()));
    let told = told.map(|(name, value)| (name.to_string(), text(value))).collect();
    (status, told, response.text().await.expect("text"))
}

/// Knocks with each of these; every answer is the same to the byte, and costs no more than a look at the door's own
/// secret every two seconds.
async fn all_cost_the_same(
    stand: &Stand,
    (function, status, secret): (&str, u16, &str),
    knocks: Vec<reqwest::RequestBuilder>,
) {
    let secret = stand.aws.output(secret);
    // The first one starts the function, which reads what it needs.
    let mut answers = vec![answer(knocks[0].try_clone().expect("a body in memory")).await];
    for (number, knock) in knocks.into_iter().enumerate() {
        for _ in 0..3 {
            let (before, begun) = (stand.aws.tap().calls().len(), Instant::now());
            answers.push(answer(knock.try_clone().expect("a body in memory")).await);
            let calls = stand.aws.tap().calls();
            let made: Vec<_> = calls[before..].iter().filter(|call| call.caller.function == function).collect();
            let most = 1 + begun.elapsed().as_secs() / 2;
            assert!(made.len() as u64 <= most, "{function}, knock {number}: {} calls", made.len());
            for call in made {
                assert!(call.operation == READ && call.body.contains(secret), "{function}: {}", call.operation);
            }
        }
    }
    answers.dedup();
    let [(said, headers, _)] = &answers[..] else { panic!("{function}: {:?}", &answers[..2]) };
    assert_eq!(*said, status, "{function}");
    let only_https = ("strict-transport-security".to_owned(), "max-age=31536000".to_owned());
    assert!(headers.contains(&only_https), "{function}: {headers:?}");
}

#[test]
fn every_refusal_of_a_credential_costs_the_same_and_says_the_same() {
    story_alone(&[], async |stand| {
        let base = stand.public_api.base_url();
        let wrong = |right: &str| {
            let near = right[..right.len() - 1].to_owned();
            [random_key(), String::new(), near, format!("{right}0"), right.to_uppercase(), "x".repeat(4000)]
        };
        // A key of another door is as wrong as any.
        let orders: Vec<_> = wrong(&stand.order_key).into_iter().chain([stand.operator_key.clone()]).collect();
        let operators: Vec<_> = wrong(&stand.operator_key).into_iter().chain([stand.order_key.clone()]).collect();
        let (order, json_type) = (order_with(json!({})).to_string(), "application/json");

        let post = || stand.http.post(stand.orders_url()).header("content-type", json_type).body(order.clone());
        let mut knocks = vec![post(), post().header("authorization", "Basic eA==")];
        knocks.extend(orders.iter().map(|key| post().bearer_auth(key)));
        all_cost_the_same(&stand, ("order-finished", 401, "OrderKeySecretArn"), knocks).await;

        let look = || stand.http.get(format!("{base}/switches"));
        let mut knocks = vec![look(), look().header("authorization", "Basic eA==")];
        knocks.extend(operators.iter().map(|key| look().bearer_auth(key)));
        all_cost_the_same(&stand, ("operations", 401, "OperatorKeysSecretArn"), knocks).await;

        let body = json!({ "destination": "U1", "events": [] }).to_string();
        let to_sobot = |key: &str| stand.http.post(format!("{base}/webhooks/sobot/{key}")).body(body.clone());
        let keys = wrong(&stand.sobot.webhook_key());
        let knocks = keys.iter().filter(|key| !key.is_empty()).map(|key| to_sobot(key)).collect();
        all_cost_the_same(&stand, ("webhooks", 404, "SobotSecretArn"), knocks).await;

        let to_line = || stand.http.post(format!("{base}/webhooks/line")).body(body.clone());
        let signatures = [sign(&random_key(), body.as_bytes()), "x".to_owned(), "A".repeat(44), String::new()];
        let mut knocks = vec![to_line()];
        knocks.extend(signatures.iter().map(|signature| to_line().header("x-line-signature", signature)));
        all_cost_the_same(&stand, ("webhooks", 401, "ChannelSecretArn"), knocks).await;

        let login = stand.login_url("M-1");
        let token = login.split_once("token=").expect("a token").1;
        let open = |token: &str| stand.http.get(format!("{base}/login?token={token}"));
        let knocks = wrong(token).iter().map(|token| open(token)).collect();
        all_cost_the_same(&stand, ("line-login", 400, "LoginSecretArn"), knocks).await;
        let back = |state: &str| stand.http.get(format!("{base}/login/callback?code=made-up&state={state}"));
        let knocks = ["", "00", "x", &"0".repeat(400)].map(back).into();
        all_cost_the_same(&stand, ("line-login", 400, "LoginSecretArn"), knocks).await;
    });
}

/// Every call of the operators' API, and the scopes that it needs.
const CALLS: [(&str, &str, &[&str]); 28] = [
    ("GET", "/switches", &["read"]),
    ("PUT", "/switches/finish", &["operate"]),
    ("GET", "/audit?kind=switch", &["read"]),
    ("GET", "/orders/R-1", &["read"]),
    ("POST", "/orders/R-1/resend", &["operate"]),
    ("GET", "/deliveries", &["read"]),
    ("GET", "/days/today", &["read"]),
    ("GET", "/dead-letters", &["read"]),
    ("POST", "/dead-letters/redrive", &["operate"]),
    ("DELETE", "/dead-letters/inbox.1", &["operate"]),
    ("GET", "/users/U0123456789abcdef0123456789abcdef/messages", &["read"]),
    ("GET", "/users/U0123456789abcdef0123456789abcdef/messages/1/content", &["read"]),
    ("GET", "/users/U0123456789abcdef0123456789abcdef", &["read"]),
    ("POST", "/users/U0123456789abcdef0123456789abcdef/messages/1/media", &["operate"]),
    ("DELETE", "/users/U0123456789abcdef0123456789abcdef", &["operate", "unlink"]),
    ("GET", "/members/M-1", &["read"]),
    ("DELETE", "/members/M-1", &["operate", "unlink"]),
    ("GET", "/users/U0123456789abcdef0123456789abcdef/orders", &["read"]),
    ("GET", "/members/M-1/orders", &["read"]),
    ("GET", "/links/M-1", &["links"]),
    ("DELETE", "/links/M-1", &["unlink"]),
    ("GET", "/quota", &["read"]),
    ("GET", "/reports/preview", &["read"]),
    ("POST", "/reports/test-mail", &["operate"]),
    ("GET", "/stack", &["read"]),
    ("GET", "/sobot/tasks", &["read"]),
    ("GET", "/sobot/records", &["read"]),
    ("GET", "/console", &[]),
];

async fn call(stand: &Stand, key: &str, method: &str, path: &str) -> u16 {
    // Without a reason nothing is done, and who may not is not told that one is missing.
    let body = matches!(method, "PUT" | "POST").then(|| json!({}));
    stand.operate_with(Some(key), method, path, body).await.status
}

#[test]
fn a_key_does_what_its_scopes_say_and_nothing_else() {
    story_alone(&[], async |stand| {
        let all = [
            vec!["read"],
            vec!["unlink"],
            vec!["operate"],
            vec!["read", "unlink"],
            vec!["operate", "unlink"],
            vec!["links"],
        ];
        let mut keys = json!({ "mei": stand.operator_key });
        let of = |number: usize| format!("{number}{}", stand.operator_key);
        for (number, scopes) in all.iter().enumerate() {
            keys[format!("key{number}")] = json!({ "current": of(number), "scopes": scopes });
        }
        put(&stand, "OperatorKeysSecretArn", &keys.to_string()).await;
        stand.aws.kill("operations").expect("killed");
        for (method, path, needed) in CALLS {
            for (number, scopes) in all.iter().enumerate() {
                let status = call(&stand, &of(number), method, path).await;
                let may = needed.iter().all(|scope| scopes.contains(scope));
                assert_eq!(status != 403, may, "{scopes:?} {method} {path}: {status}");
            }
            assert!(![401, 403].contains(&call(&stand, &stand.operator_key, method, path).await), "{method} {path}");
        }
        let refused = stand.operate_with(Some(&of(0)), "DELETE", "/links/M-1?reason=none", None).await;
        refused.assert_problem(ProblemCode::MissingScope);
        assert_eq!(refused.body["scope"], "unlink");
    });
}

#[test]
fn the_apps_back_end_learns_whether_a_member_is_linked_and_not_who_it_is() {
    story_alone(&[], async |stand| {
        let app = random_key();
        let keys = json!({ "mei": stand.operator_key, "app": { "current": app, "scopes": ["links"] } });
        put(&stand, "OperatorKeysSecretArn", &keys.to_string()).await;
        stand.aws.kill("operations").expect("killed");
        let (member, customer) = (random_key(), random_user());
        let path = format!("/links/{member}");
        let ask = async |key: &str| {
            let reply = stand.operate_with(Some(key), "GET", &path, None).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.body
        };
        assert_eq!(ask(&app).await, json!({ "memberId": member, "linked": false }));
        stand.log_in(&member, &customer).await.expect("linked");
        let linked = ask(&app).await;
        assert_eq!((&linked["linked"], &linked["friend"]), (&json!(true), &json!(true)), "{linked}");
        assert!(linked["linkedAt"].is_string() && linked["lineUserId"].is_null(), "{linked}");
        assert_eq!(ask(&stand.operator_key).await["lineUserId"], json!(customer));
        stand.set_friend(&customer, false).await.expect("written");
        assert_eq!(ask(&app).await["friend"], json!(false));
        let unlink = format!("{path}?reason=left");
        assert_eq!(stand.operate("DELETE", &unlink, None).await.status, 200);
        assert_eq!(ask(&app).await, json!({ "memberId": member, "linked": false }));
    });
}

/// What functions/operations/README.md says of a credential that got out.
#[test]
fn a_credential_that_got_out_does_what_the_page_says_and_no_more() {
    story_alone(&[("DetailUrlHosts", "example.com, app.example")], async |stand| {
        let (support, app) = (random_key(), random_key());
        let keys = json!({ "mei": stand.operator_key, "support": { "current": support, "scopes": ["read"] },
            "app": { "current": app, "scopes": ["unlink"] } });
        put(&stand, "OperatorKeysSecretArn", &keys.to_string()).await;
        stand.aws.kill("operations").expect("killed");
        let login = stand.login_url("M-1");
        let link_token = login.split_once("token=").expect("a token").1;
        let webhook_key = stand.sobot.webhook_key();

        // None of them opens another door.
        for leaked in [stand.order_key.as_str(), link_token, &webhook_key] {
            for (method, path, needed) in CALLS {
                let status = call(&stand, leaked, method, path).await;
                assert_eq!(status, if needed.is_empty() { 200 } else { 401 }, "{method} {path}");
            }
        }
        for leaked in [link_token, &webhook_key, &support, &app] {
            assert_eq!(post_with(&stand, Some(leaked)).await.status, 401);
        }
        let (line, sobot) = (WebhookSender::line(&stand), WebhookSender::sobot(&stand));
        for leaked in [stand.order_key.as_str(), link_token, &support, &app] {
            let url = sobot.url.replace(&webhook_key, leaked);
            assert_eq!(WebhookSender { url, ..sobot.clone() }.deliver(&[]).await.status, 404);
        }
        for leaked in [stand.order_key.as_str(), link_token, &webhook_key, &support, &app] {
            let signed_with_it = WebhookSender { secret: Some(leaked.to_owned()), ..line.clone() };
            assert_eq!(signed_with_it.deliver(&[]).await.status, 401);
        }
        for leaked in [stand.order_key.as_str(), &webhook_key, &support, &app] {
            Visitor::new(&stand).get(&format!("/login?token={leaked}")).await.is_page(400, "This link is not valid");
        }

        the_order_key_tells_of_orders(&stand).await;
        sobots_key_shows_events_that_are_not_verified(&stand).await;
        a_read_key_reads(&stand, &support).await;
        an_unlink_key_unlinks(&stand, &app).await;
        a_link_token_links_once_in_one_browser(&stand).await;
    });
}

/// Any LINE user, with a button to the company's hosts; and how far an order id that it knows got.
async fn the_order_key_tells_of_orders(stand: &Stand) {
    assert_eq!(post_with(stand, Some(&stand.order_key)).await.body["delivery"], "sent");
    for elsewhere in ["https://evil.example/pay", "https://example.com.evil.example/"] {
        let reply = stand.post(&order_with(json!({ "detailUrl": elsewhere }))).await;
        assert_eq!((reply.status, &reply.body["errors"][0]["field"]), (400, &json!("detailUrl")), "{reply:?}");
    }
    let order = order_with(json!({ "detailUrl": "https://app.example/1" }));
    assert_eq!(stand.post(&order).await.status, 200);
    // One order is one message, whatever comes under its id.
    assert_eq!(stand.post(&order).await.body["delivery"], "sent");
    let mut other = order.clone();
    other["startShop"] = json!("another shop");
    let reply = stand.post(&other).await;
    assert_eq!(reply.status, 409, "{reply:?}");
    assert!(!reply.body.to_string().contains("app.example"), "what the first one said is not told: {reply:?}");
    assert_eq!(stand.line.received_by(user(&order)).len(), 1);
}

/// It changes no friend state that LINE does not confirm; and a forged unsend takes a message away.
async fn sobots_key_shows_events_that_are_not_verified(stand: &Stand) {
    let (friend, now) = (random_user(), now_ms());
    stand.set_friend(&friend, true).await.expect("written");
    let text = message(&friend, now, json!({ "type": "text", "text": "hunter2" }));
    assert_eq!(WebhookSender::line(stand).deliver(std::slice::from_ref(&text)).await.status, 200);
    stand.wait_for_events(&friend, "the message", |events| events.len() == 1).await;
    let forged = WebhookSender { secret: Some("0".repeat(32)), ..WebhookSender::sobot(stand) };
    let unsend = event("unsend", &friend, now, json!({ "unsend": { "messageId": text["message"]["id"] } }));
    assert_eq!(forged.deliver(&[event("unfollow", &friend, now, json!({})), unsend]).await.status, 200);
    let there = |events: &[StoredEvent]| events.len() == 3 && events.iter().any(|one| one.unsent_at.is_some());
    let events = stand.wait_for_events(&friend, "the forged events", there).await;
    assert_eq!(events.iter().filter(|event| event.verified).count(), 1, "{events:?}");
    let to_friend = order_with(json!({ "recipient": { "lineUserId": friend } }));
    assert_eq!(stand.post(&to_friend).await.body["delivery"], "sent");
}

/// Also what customers wrote, and that is noted; nothing else in any table is another for it.
async fn a_read_key_reads(stand: &Stand, support: &str) {
    let (customer, now) = (random_user(), now_ms());
    let picture = message(&customer, now, json!({ "type": "image", "contentProvider": { "type": "line" } }));
    assert_eq!(WebhookSender::line(stand).deliver(std::slice::from_ref(&picture)).await.status, 200);
    stand.wait_for_events(&customer, "the picture", |events| events.len() == 1).await;
    stand.wait_for_an_empty_inbox().await;
    let before = stand.aws.tap().calls().len();
    for (method, path, needed) in CALLS {
        let status = call(stand, support, method, path).await;
        assert_eq!(status == 403, needed.iter().any(|scope| *scope != "read"), "{method} {path}");
    }
    let messages = format!("/users/{customer}/messages");
    assert_eq!(call(stand, support, "GET", &messages).await, 200);
    // LINE has it no more, and a key that only reads does not note so.
    let id = picture["message"]["id"].as_str().expect("an id");
    assert_eq!(call(stand, support, "GET", &format!("{messages}/{id}/content")).await, 404);
    let audit = stand.aws.output("AuditTableName");
    let shared = [audit, stand.aws.output("TokensTableName")];
    for call in &stand.aws.tap().calls()[before..] {
        let writes = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "SendMessage", "DeleteMessage"];
        let is_write = writes.iter().any(|write| call.operation.ends_with(write));
        let is_its_own = call.caller.function == "operations";
        assert!(!is_write || !is_its_own || shared.iter().any(|table| call.body.contains(table)), "{}", call.body);
    }
    let audit = stand.operate("GET", "/audit?kind=read", None).await.body;
    let noted = &audit["entries"][0];
    assert_eq!((&noted["by"], &noted["sourceIp"]), (&json!("support"), &json!("127.0.0.1")), "{audit}");
}

/// Members whose ids it knows, and that is noted.
async fn an_unlink_key_unlinks(stand: &Stand, app: &str) {
    let (member, customer) = (random_key(), random_user());
    stand.log_in(&member, &customer).await.expect("linked");
    for (method, path, needed) in CALLS {
        let status = call(stand, app, method, path).await;
        assert_eq!(status == 403, needed.iter().any(|scope| *scope != "unlink"), "{method} {path}");
    }
    let unlinked = stand.operate_with(Some(app), "DELETE", &format!("/links/{member}?reason=left"), None).await;
    assert_eq!((unlinked.status, &unlinked.body["grant"]), (200, &json!("ended")), "{}", unlinked.body);
    assert!(!unlinked.body.to_string().contains(&customer), "nor does it learn who it was");
    let audit = stand.operate("GET", "/audit?kind=unlink", None).await.body;
    assert_eq!((&audit["entries"][0]["by"], &audit["entries"][0]["subject"]), (&json!("app"), &json!(member)));
}

/// Whoever presses first has it; after the link it is spent.
async fn a_link_token_links_once_in_one_browser(stand: &Stand) {
    let (member, customer, thief) = (random_key(), random_user(), random_user());
    let address = stand.login_url(&member);
    let address = address.strip_prefix(&stand.public_api.base_url()).expect("of this stand");
    let (mut own, mut stolen) = (Visitor::new(stand), Visitor::new(stand));
    let (shown, seen) = (own.get(address).await, stolen.get(address).await);
    let into_line = own.press(address, &shown).await;
    stolen.press(address, &seen).await.is_page(403, "This link has already been used");
    let callback = stand.line.authorize(&into_line.link(), &customer, Choice::Consent).expect("LINE takes it");
    // Not even LINE's answer is of use in another browser.
    stolen.get(&callback).await.is_page(400, "We could not continue");
    own.get(&callback).await.is_page(200, "LINE connected");
    stolen.get(address).await.is_page(403, "This link has already been used");
    own.get(address).await.is_page(200, "LINE connected");
    assert_eq!(stand.line.grants_of(&thief), 0);
    assert_eq!(stand.operate("GET", &format!("/users/{customer}"), None).await.body["memberId"], json!(member));
}
