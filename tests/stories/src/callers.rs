//! Who may call: what opens a door, what closes it, and what a credential that got out is good for.

use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_secretsmanager::config::AppName;
use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::webhook_sender::{WebhookSender, event},
    stand::{Reply, Stand, order_with, random_key, random_user},
};
use serde_json::{Value, json};
use shared::{aws::secret::Secret, clock::Clock, lambda::callers::CallerKeys};

use crate::story_alone;

const READ: &str = "secretsmanager.GetSecretValue";

/// A clock that only the story moves.
fn own_clock() -> &'static AtomicI64 {
    Box::leak(Box::new(AtomicI64::new(1_000_000)))
}

/// The order keys as `order-finished` reads them.
fn order_keys(stand: &Stand, seconds: &'static AtomicI64) -> Secret<CallerKeys> {
    let config = stand.secrets.config().to_builder().endpoint_url(stand.aws.tap().base_url());
    let config = config.app_name(AppName::new("order-finished").expect("a name")).build();
    let id = stand.aws.output("OrderKeySecretArn").to_owned();
    Secret::new(aws_sdk_secretsmanager::Client::from_conf(config), id, Clock::Set(seconds))
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
        stand.aws.kill("order-finished").expect("killed");
        stand.aws.kill("operations").expect("killed");
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
    });
}

#[test]
fn every_refusal_of_a_key_says_the_same_and_where_it_came_from_is_known() {
    story_alone(&[], async |stand| {
        let guessed = random_key();
        let mut said = Vec::new();
        for key in [Some(guessed.as_str()), Some(""), None] {
            let reply = post_with(&stand, key).await;
            said.push((reply.status, reply.body));
        }
        said.dedup();
        assert_eq!((said.len(), said[0].0), (1, 401), "{said:?}");
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

/// Every call of the operators' API, and the scope that it needs.
const CALLS: [(&str, &str, &str); 19] = [
    ("GET", "/switches", "read"),
    ("PUT", "/switches/finish", "operate"),
    ("GET", "/audit?kind=switch", "read"),
    ("GET", "/orders/R-1", "read"),
    ("POST", "/orders/R-1/resend", "operate"),
    ("GET", "/deliveries", "read"),
    ("GET", "/days/today", "read"),
    ("GET", "/dead-letters", "read"),
    ("POST", "/dead-letters/redrive", "operate"),
    ("DELETE", "/dead-letters/inbox.1", "operate"),
    ("GET", "/users/U0123456789abcdef0123456789abcdef/messages", "read"),
    ("GET", "/users/U0123456789abcdef0123456789abcdef/messages/1/content", "read"),
    ("GET", "/users/U0123456789abcdef0123456789abcdef", "read"),
    ("DELETE", "/users/U0123456789abcdef0123456789abcdef", "operate"),
    ("DELETE", "/links/M-1", "unlink"),
    ("GET", "/quota", "read"),
    ("GET", "/sobot/tasks", "read"),
    ("GET", "/sobot/records", "read"),
    ("GET", "/console", ""),
];

async fn call(stand: &Stand, key: &str, method: &str, path: &str) -> u16 {
    // Without a reason nothing is done, and who may not is not told that one is missing.
    let body = matches!(method, "PUT" | "POST").then(|| json!({}));
    stand.operate_with(Some(key), method, path, body).await.status
}

#[test]
fn a_key_does_what_its_scopes_say_and_nothing_else() {
    story_alone(&[], async |stand| {
        let all = [vec!["read"], vec!["unlink"], vec!["operate"], vec!["read", "unlink"]];
        let mut keys = json!({ "mei": stand.operator_key });
        let of = |number: usize| format!("{number}{}", stand.operator_key);
        for (number, scopes) in all.iter().enumerate() {
            keys[format!("key{number}")] = json!({ "current": of(number), "scopes": scopes });
        }
        put(&stand, "OperatorKeysSecretArn", &keys.to_string()).await;
        stand.aws.kill("operations").expect("killed");
        for (method, path, scope) in CALLS {
            for (number, scopes) in all.iter().enumerate() {
                let status = call(&stand, &of(number), method, path).await;
                let may = scope.is_empty() || scopes.contains(&scope);
                assert_eq!(status != 403, may, "{scopes:?} {method} {path}: {status}");
            }
            assert!(![401, 403].contains(&call(&stand, &stand.operator_key, method, path).await), "{method} {path}");
        }
        let refused = stand.operate_with(Some(&of(0)), "DELETE", "/links/M-1?reason=none", None).await;
        assert_eq!(refused.body["detail"], "This key may not do that: it lacks the scope unlink.");
    });
}

/// What functions/operations/README.md says of a credential that got out. That a link token links once, in one browser,
/// the login's own stories tell.
#[test]
fn a_credential_that_got_out_does_what_the_page_says_and_no_more() {
    story_alone(&[("DetailUrlHosts", "example.com, app.example")], async |stand| {
        let support = random_key();
        let keys = json!({ "mei": stand.operator_key, "support": { "current": support, "scopes": ["read"] } });
        put(&stand, "OperatorKeysSecretArn", &keys.to_string()).await;
        stand.aws.kill("operations").expect("killed");
        let login = stand.login_url("M-1");
        let link_token = login.split_once("token=").expect("a token").1;
        let webhook_key = stand.sobot.webhook_key();

        // None of them opens another door.
        for leaked in [stand.order_key.as_str(), link_token, &webhook_key] {
            for (method, path, scope) in CALLS {
                let status = call(&stand, leaked, method, path).await;
                assert_eq!(status, if scope.is_empty() { 200 } else { 401 }, "{method} {path}");
            }
        }
        for leaked in [link_token, webhook_key.as_str(), &support] {
            assert_eq!(post_with(&stand, Some(leaked)).await.status, 401);
        }
        let sobot = WebhookSender::sobot(&stand);
        for leaked in [stand.order_key.as_str(), &support] {
            let url = sobot.url.replace(&webhook_key, leaked);
            assert_eq!(WebhookSender { url, ..sobot.clone() }.deliver(&[]).await.status, 404);
        }

        // The order key tells any LINE user of an order, with a button to the company's hosts.
        assert_eq!(post_with(&stand, Some(&stand.order_key)).await.body["delivery"], "sent");
        for elsewhere in ["https://evil.example/pay", "https://example.com.evil.example/"] {
            let reply = stand.post(&order_with(json!({ "detailUrl": elsewhere }))).await;
            assert_eq!((reply.status, &reply.body["errors"][0]["field"]), (400, &json!("detailUrl")), "{reply:?}");
        }
        assert_eq!(stand.post(&order_with(json!({ "detailUrl": "https://app.example/1" }))).await.status, 200);

        // Sobot's key shows operators events that are marked as not verified, and changes no friend state that LINE
        // does not confirm.
        let friend = random_user();
        stand.set_friend(&friend, true).await.expect("written");
        let now = time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs() * 1000;
        let forged = WebhookSender { secret: Some("0".repeat(32)), ..sobot };
        assert_eq!(forged.deliver(&[event("unfollow", &friend, now, json!({}))]).await.status, 200);
        let events = stand.wait_for_events(&friend, "the forged event", |events| events.len() == 1).await;
        assert!(!events[0].verified);
        let to_friend = order_with(json!({ "recipient": { "lineUserId": friend } }));
        assert_eq!(stand.post(&to_friend).await.body["delivery"], "sent");

        // A read-only key reads, also what customers wrote, and that is noted.
        let messages = format!("/users/{friend}/messages");
        assert_eq!(call(&stand, &support, "GET", &messages).await, 200);
        assert_eq!(call(&stand, &support, "DELETE", &format!("/users/{friend}")).await, 403);
        let audit = stand.operate("GET", "/audit?kind=read", None).await.body;
        let noted = &audit["entries"][0];
        assert_eq!((&noted["by"], &noted["sourceIp"]), (&json!("support"), &json!("127.0.0.1")), "{audit}");
    });
}
