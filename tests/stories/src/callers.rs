//! Who may call: what opens a door, what closes it, and what a credential that got out is good for.

use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_secretsmanager::config::AppName;
use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::webhook_sender::WebhookSender,
    stand::{Reply, Stand, order_with, random_key},
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
