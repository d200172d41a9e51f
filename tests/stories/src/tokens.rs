//! The shared token, keys and secrets.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use local_stand::{
    line::channel_key::ChannelKey,
    line::{Behaviour, Endpoint, LineStandIn, ReleaseAs},
    stand::{POLL, Stand, order_with, random_key, random_user},
    wire::{ALWAYS, Call, Fault},
};
use serde_json::{Value, json};
use shared::{
    aws::secret::{Secret, SecretError, Secrets},
    clock::Clock,
    delivery::state::State,
    lambda::callers::CallerKeys,
};

use crate::{TIME_TO_ACT, id, story, story_alone, story_on_an_idle_machine, user};

async fn token_item(stand: &Stand) -> std::collections::HashMap<String, AttributeValue> {
    let get = stand.dynamodb.get_item().table_name(stand.aws.output("TokensTableName"));
    let answer = get.key("issuer", AttributeValue::S("line".to_owned())).consistent_read(true).send().await;
    answer.expect("the tokens can be read").item.unwrap_or_default()
}

async fn set_token_attribute(stand: &Stand, name: &str, value: AttributeValue) {
    let update = stand.dynamodb.update_item().table_name(stand.aws.output("TokensTableName"));
    update
        .key("issuer", AttributeValue::S("line".to_owned()))
        .update_expression("SET #name = :value")
        .expression_attribute_names("#name", name)
        .expression_attribute_values(":value", value)
        .send()
        .await
        .expect("the token can be changed");
}

fn time_from_now(seconds: i64, units_a_second: i64) -> AttributeValue {
    let time = (time::OffsetDateTime::now_utc().unix_timestamp() + seconds) * units_a_second;
    AttributeValue::N(time.to_string())
}

async fn set_token_time(stand: &Stand, name: &str, seconds_from_now: i64) {
    set_token_attribute(stand, name, time_from_now(seconds_from_now, 1)).await;
}

async fn set_token_time_ms(stand: &Stand, name: &str, seconds_from_now: i64) {
    set_token_attribute(stand, name, time_from_now(seconds_from_now, 1000)).await;
}

/// As an outage of three quarters of an hour leaves it: 28 requests, and no answer to any.
async fn use_up_the_tokens(stand: &Stand) {
    let asked = AttributeValue::L(vec![time_from_now(800, 1); 28]);
    set_token_attribute(stand, "live_until", asked).await;
}

/// How often LINE was asked for a token.
fn token_requests(line: &LineStandIn) -> usize {
    line.requests().iter().filter(|request| request.path == "/oauth2/v2.1/token").count()
}

/// As if the token had been issued an hour ago.
pub async fn make_the_token_old(stand: &Stand) {
    set_token_time(stand, "issued_at", -3600).await;
}

/// Twelve of a token's fifteen minutes have passed; instances that start now read it from the table.
async fn begin_the_last_fifth_of_the_token(stand: &Stand) {
    set_token_time(stand, "issued_at", -750).await;
    set_token_time(stand, "expires_at", 150).await;
}

/// What is in the processes' memory is forgotten.
fn restart(stand: &Stand) {
    for function in ["order-finished", "push-retry"] {
        stand.aws.kill(function).expect("killed");
    }
}

async fn post_at_once(stand: &Stand, orders: usize) -> Vec<u16> {
    let posts: Vec<_> = (0..orders)
        .map(|_| {
            let stand = stand.clone();
            tokio::spawn(async move { stand.post_until_taken(&order_with(json!({}))).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for post in posts {
        statuses.push(post.await.expect("no panic"));
    }
    statuses
}

#[test]
fn many_cold_instances_share_one_token_and_the_table_does_not_show_it() {
    story_alone(&[], async |stand| {
        stand.line.script(Endpoint::Token, [Behaviour::Delay(Duration::from_millis(500))]);
        let statuses = post_at_once(&stand, 8).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        assert_eq!(stand.line.tokens_issued(), 1);
        let push = stand.line.requests().into_iter().find(|request| request.path.ends_with("/push")).expect("a push");
        let token = push.headers["authorization"].to_str().expect("ASCII").trim_start_matches("Bearer ").to_owned();
        assert!(token.len() > 20);
        assert!(!format!("{:?}", token_item(&stand).await).contains(&token));
    });
}

#[test]
fn a_token_near_its_end_is_renewed_once_and_no_push_waits_for_it() {
    story_alone(&[("ChannelTokenSeconds", "900"), TIME_TO_ACT], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        assert_eq!(stand.line.tokens_issued(), 1);
        begin_the_last_fifth_of_the_token(&stand).await;
        restart(&stand);
        stand.line.script(Endpoint::Token, [Behaviour::Hold]);
        assert_eq!(post_at_once(&stand, 6).await, [200; 6], "they use the old token");
        let held = |line: &LineStandIn| line.is_held(Endpoint::Token);
        stand.line.wait_until("a retry renews it", Duration::from_secs(60), held).await;
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        assert!(stand.line.release(Endpoint::Token, ReleaseAs::Accept));
        stand.line.wait_until("it is renewed", Duration::from_secs(30), |line| line.tokens_issued() == 2).await;
        assert_eq!(post_at_once(&stand, 3).await, [200; 3]);
        assert_eq!(stand.line.tokens_issued(), 2);
    });
}

#[test]
fn an_issuer_that_takes_requests_and_answers_none_costs_few_tokens_and_no_push() {
    story_on_an_idle_machine(&[("ChannelTokenSeconds", "900")], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        begin_the_last_fifth_of_the_token(&stand).await;
        restart(&stand);
        // Each request is accepted and its answer comes too late. With a call's time-out of 1.5 s and a lease of 2.25 s
        // that doubles, 20 seconds have room for four.
        stand.line.script(Endpoint::Token, vec![Behaviour::AcceptThenDelay(Duration::from_secs(9)); 50]);
        let begun = tokio::time::Instant::now();
        let (mut at_once, mut later) = (0, 0);
        while begun.elapsed() < Duration::from_secs(20) {
            match stand.post(&order_with(json!({}))).await.status {
                200 => at_once += 1,
                status => {
                    assert_eq!(status, 202);
                    later += 1;
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // If pushes waited for the token, none would be made at once; a busy machine may hold one up.
        assert!(later * 10 <= at_once, "{later} pushes were late, {at_once} were not");
        let issued = stand.line.tokens_issued() - 1;
        assert!((1..=4).contains(&issued), "{issued} tokens were lost");
    });
}

#[test]
fn after_an_outage_that_may_have_used_up_the_tokens_one_is_had_without_anybody() {
    story_alone(&[("ChannelTokenSeconds", "900")], async |stand| {
        let asked = |times| move |line: &LineStandIn| token_requests(line) == times;
        let patience = Duration::from_secs(30);
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        begin_the_last_fifth_of_the_token(&stand).await;
        use_up_the_tokens(&stand).await;
        restart(&stand);

        // The outage goes on. While the token serves, LINE is asked now and then, and somebody hears of it.
        stand.line.script(Endpoint::Token, [Behaviour::answer(503, "")]);
        assert_eq!(stand.post_until_taken(&order_with(json!({}))).await.status, 200);
        stand.line.wait_until("a retry asks all the same", patience, asked(2)).await;
        let deadline = tokio::time::Instant::now() + patience;
        while !stand.aws.logs("push-retry").contains(r#""TokenNotRenewed":1"#) {
            assert!(tokio::time::Instant::now() < deadline, "nobody hears of it");
            tokio::time::sleep(POLL).await;
        }
        set_token_time_ms(&stand, "lease_until_ms", -601).await;
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        stand.line.wait_until("it is renewed ten minutes later", patience, |line| line.tokens_issued() == 2).await;
        // Once it is shared, its times can be changed.
        let deadline = tokio::time::Instant::now() + patience;
        while !stand.aws.logs("push-retry").contains("token renewed") {
            assert!(tokio::time::Instant::now() < deadline, "the new token is not shared");
            tokio::time::sleep(POLL).await;
        }

        // After the token's end nothing is left to wait for.
        set_token_time(&stand, "expires_at", -1).await;
        use_up_the_tokens(&stand).await;
        restart(&stand);
        assert_eq!(stand.post_until_taken(&order_with(json!({}))).await.status, 200);
        assert_eq!(stand.line.tokens_issued(), 3);
    });
}

/// A key that is in the secret and not in LINE's console: every assertion made with it is refused. Returns the secret
/// that was there.
async fn put_a_key_that_line_does_not_know(stand: &Stand) -> Value {
    let good = stand.line.secret();
    let unknown = ChannelKey::generate().expect("a key");
    let mut secret = good.clone();
    secret["kid"] = json!(unknown.kid());
    secret["privateKey"] = unknown.private_jwk();
    stand.put_secret("LineSecretArn", &secret).await.expect("written");
    good
}

#[test]
fn a_refused_assertion_costs_one_request_and_no_time_until_the_secret_is_another() {
    story_on_an_idle_machine(&[], async |stand| {
        let good = put_a_key_that_line_does_not_know(&stand).await;
        let order = order_with(json!({}));
        assert_eq!(stand.post_until_taken(&order).await.status, 202);
        // As after many refusals: none of what follows is to see the end of it.
        set_token_time_ms(&stand, "refused_until_ms", 300).await;
        let asked = token_requests(&stand.line);
        assert_eq!(asked, 1, "the secret that was read again is the same");
        assert_eq!(post_at_once(&stand, 8).await, [202; 8]);
        let begun = tokio::time::Instant::now();
        for _ in 0..4 {
            assert_eq!(stand.post(&order_with(json!({}))).await.status, 202);
        }
        assert!(begun.elapsed() < Duration::from_secs(6), "they wait: {:?}", begun.elapsed());
        assert_eq!(token_requests(&stand.line), asked);
        assert!(stand.aws.logs("order-finished").contains(r#""TokenNotRenewed":1"#));
        let record = stand.record(id(&order)).await.expect("a record");
        assert!(record.attempts[0].error.as_deref().is_some_and(|error| error.contains("LINE answered 404")));

        stand.put_secret("LineSecretArn", &good).await.expect("written");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while stand.post(&order_with(json!({}))).await.status != 200 {
            assert!(tokio::time::Instant::now() < deadline, "the new secret is not tried");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(stand.line.tokens_issued(), 1);
        assert!(!token_item(&stand).await.contains_key("refused_until_ms"), "it is over for everybody");
    });
}

#[test]
fn instances_that_start_together_meet_one_refusal() {
    story_alone(&[], async |stand| {
        let refused =
            Behaviour::answer(400, r#"{"message":"The maximum number of access tokens has already been issued"}"#);
        stand.line.script(Endpoint::Token, vec![refused; 50]);
        assert_eq!(post_at_once(&stand, 8).await, [202; 8]);
        // The first refusal holds for five seconds, the second for ten; a busy machine may need more than the first.
        let asked = token_requests(&stand.line);
        assert!(asked <= 2, "LINE was asked {asked} times");
    });
}

#[test]
fn a_lease_holder_that_crashed_blocks_the_others_for_seconds_only() {
    story_alone(&[], async |stand| {
        let update = stand.dynamodb.update_item().table_name(stand.aws.output("TokensTableName"));
        let until = time::OffsetDateTime::now_utc().unix_timestamp() * 1000 + 2000;
        update
            .key("issuer", AttributeValue::S("line".to_owned()))
            .update_expression("SET lease_until_ms = :until, lease_holder = :holder")
            .expression_attribute_values(":until", AttributeValue::N(until.to_string()))
            .expression_attribute_values(":holder", AttributeValue::S("an instance that is no more".to_owned()))
            .send()
            .await
            .expect("the lease can be set");
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 200);
        assert_eq!(stand.line.tokens_issued(), 1);
    });
}

#[test]
fn an_issuer_that_is_down_costs_a_retry_not_a_message() {
    story_alone(&[], async |stand| {
        stand.line.script(Endpoint::Token, vec![Behaviour::answer(503, ""); 2]);
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 202);
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        let record = stand.record(id(&order)).await.expect("a record");
        assert!(record.attempts[0].error.as_deref().is_some_and(|error| error.contains("no token was issued")));
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn a_token_that_line_was_never_asked_for_is_not_counted() {
    story_alone(&[], async |stand| {
        let counted = async || match token_item(&stand).await.get("live_until") {
            Some(AttributeValue::L(ends)) => ends.len(),
            other => panic!("a list of ends, not {other:?}"),
        };
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        assert_eq!(counted().await, 1);
        set_token_time(&stand, "expires_at", -1).await;
        restart(&stand);
        stand.line.go_offline().await;
        let order = order_with(json!({}));
        assert_eq!(stand.post_until_taken(&order).await.status, 202);
        let record = stand.record(id(&order)).await.expect("a record");
        let error = record.attempts[0].error.as_deref().expect("an error");
        assert!(error.contains("no token was issued") && error.contains("no connection"), "{error}");
        assert_eq!(counted().await, 1);
        stand.line.come_online().await.expect("online");
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(counted().await, 2, "the next one was");
    });
}

#[test]
fn a_new_signing_key_is_read_when_line_refuses_the_old_one() {
    story_alone(&[], async |stand| {
        let good = put_a_key_that_line_does_not_know(&stand).await;
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 202);
        stand.put_secret("LineSecretArn", &good).await.expect("written");
        // The instance that has the wrong key reads the secret again, at most every two seconds.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while stand.post(&order_with(json!({}))).await.status != 200 {
            assert!(tokio::time::Instant::now() < deadline, "the new key is not read");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(stand.line.tokens_issued(), 1);
    });
}

#[test]
fn a_malformed_key_is_named_in_the_log_and_never_shown() {
    story_alone(&[], async |stand| {
        let good = stand.line.secret();
        for (pointer, value, problem) in [
            ("/privateKey/kty", json!("EC"), "privateKey.kty must be RSA"),
            ("/privateKey/d", json!("not base64!"), "privateKey.d must be base64url"),
            ("/privateKey/p", good["privateKey"]["q"].clone(), "privateKey: its numbers"),
            ("/kid", json!(""), "field kid is empty"),
            ("/channelId", json!(null), "must be the JSON object"),
        ] {
            let mut secret = good.clone();
            *secret.pointer_mut(pointer).expect("a field") = value;
            stand.put_secret("LineSecretArn", &secret).await.expect("written");
            stand.aws.kill("order-finished").expect("killed");
            let order = order_with(json!({}));
            let reply = stand.post_until_taken(&order).await;
            assert_eq!(reply.status, 202, "the order is safe in the queue: {}", reply.body);
            let logs = stand.aws.logs("order-finished");
            assert!(logs.contains(problem), "{problem}: {logs}");
            for name in ["d", "p", "q"] {
                let number = good["privateKey"][name].as_str().expect("a number");
                assert!(!logs.contains(number), "privateKey.{name} is in the log");
            }
            assert!(stand.line.pushes_to(user(&order)).is_empty());
        }
    });
}

#[test]
fn a_key_that_was_taken_back_stops_working_within_five_minutes() {
    story(async |stand| {
        let id = format!("keys-{}", random_user());
        let keys = |current: &str| json!({ "current": current }).to_string();
        let (old, new) = (random_key(), random_key());
        stand.secrets.create_secret().name(&id).secret_string(keys(&old)).send().await.expect("created");
        let seconds: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(1_000_000)));
        let secret: Secret<CallerKeys> =
            Secret::new(&Secrets::new(stand.secrets.clone()), id.clone(), Clock::Set(seconds));
        assert!(secret.get().await.expect("read").accepts(&old));
        stand.secrets.put_secret_value().secret_id(&id).secret_string(keys(&new)).send().await.expect("written");
        seconds.fetch_add(1, Ordering::Relaxed);
        assert!(!secret.get_again().await.expect("kept").accepts(&new), "a guesser cannot make us call all day");
        seconds.fetch_add(298, Ordering::Relaxed);
        assert!(secret.get().await.expect("kept").accepts(&old), "kept in memory");
        seconds.fetch_add(1, Ordering::Relaxed);
        let now = secret.get().await.expect("read again");
        assert!(now.accepts(&new) && !now.accepts(&old));
    });
}

#[test]
fn the_first_secret_brings_the_others_for_five_minutes() {
    story(async |stand| {
        let keys = |current: &str| json!({ "current": current }).to_string();
        let seconds: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(1_000_000)));
        let secrets = Secrets::new(stand.secrets.clone());
        let names = ["first", "second", "third", "deleted", "missing"].map(|name| format!("{name}-{}", random_user()));
        let [first, second, third, deleted, missing] =
            names.each_ref().map(|id| Secret::<CallerKeys>::new(&secrets, id.clone(), Clock::Set(seconds)));
        let (old, new) = (random_key(), random_key());
        for id in &names[..4] {
            stand.secrets.create_secret().name(id).secret_string(keys(&old)).send().await.expect("created");
        }
        stand.secrets.delete_secret().secret_id(&names[3]).send().await.expect("deleted");
        assert!(first.get().await.expect("read").accepts(&old));
        for id in &names[1..3] {
            stand.secrets.put_secret_value().secret_id(id).secret_string(keys(&new)).send().await.expect("written");
        }
        seconds.fetch_add(2, Ordering::Relaxed);
        assert!(second.get().await.expect("brought").accepts(&old), "one call brought it with the first");
        assert!(second.get_again().await.expect("read").accepts(&new), "its age is that of the call");
        let told = |error: Result<_, SecretError>| error.expect_err("no secret").to_string();
        assert!(told(deleted.get().await).contains("is gone; restore it"));
        assert!(told(missing.get().await).contains("has no value; put the JSON"));
        seconds.fetch_add(298, Ordering::Relaxed);
        assert!(third.get().await.expect("read").accepts(&new), "what was brought is too old");
    });
}

#[test]
fn secrets_that_cannot_be_read_together_are_each_read_alone() {
    story_alone(&[], async |stand| {
        let together = "secretsmanager.BatchGetSecretValue";
        let refused = Fault::Error(400, "AccessDeniedException");
        let _fault = stand.aws.tap().inject(refused, together, "", ALWAYS);
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        let calls = stand.aws.tap().calls();
        let of_order = |call: &&Call| call.caller.function == "order-finished";
        let read = calls.iter().filter(of_order).filter(|call| call.operation.starts_with("secretsmanager."));
        let mut read: Vec<_> = read.map(|call| call.operation.as_str()).collect();
        read.sort_unstable();
        assert_eq!(read[0], together);
        assert_eq!(read[1..], ["secretsmanager.GetSecretValue"; 3]);
    });
}

#[test]
fn without_its_secret_the_stack_says_what_to_do() {
    story_alone(&[], async |stand| {
        let id = stand.aws.output("OrderKeySecretArn");
        stand.secrets.put_secret_value().secret_id(id).secret_string("hunter2").send().await.expect("written");
        stand.aws.kill("order-finished").expect("killed");
        let reply = stand.post(&order_with(json!({}))).await;
        assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")));
        assert!(stand.aws.logs("order-finished").contains("functions/order-finished/README.md shows its JSON"));
    });
}
