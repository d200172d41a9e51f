//! How many calls an order takes, and what the logs do not say.

use std::time::Duration;

use local_stand::{aws::tap::Fault, line::Behaviour, stand::order_with};
use serde_json::{Value, json};
use shared::delivery::state::State;

use crate::{id, posting, story, story_alone, user};

#[test]
fn a_warm_order_takes_four_calls_to_aws_and_one_to_line_in_three_steps() {
    story_alone(&[], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        let (aws_before, line_before) = (stand.aws.tap().calls().len(), stand.line.requests().len());
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 200);
        let calls = stand.aws.tap().calls().split_off(aws_before);
        let pushes = stand.line.requests().split_off(line_before);
        let names: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
        assert!(calls.len() <= 4, "{names:?}");
        assert_eq!(pushes.len(), 1);
        // Step 1: record and queue, at the same time. Step 2: LINE. Step 3: the outcome.
        let about = stand.aws.tap().calls_about(id(&order));
        let [first, second, last] = &about[..] else { panic!("{names:?}") };
        let mut durable = [first.operation.as_str(), second.operation.as_str()];
        durable.sort_unstable();
        assert_eq!((durable, last.operation.as_str()), (["dynamodb.PutItem", "sqs.SendMessage"], "dynamodb.PutItem"));
        assert!(first.ended.max(second.ended).expect("answered") <= pushes[0].at, "pushed before it was durable");
        assert!(pushes[0].at <= last.started);
    });
}

#[test]
fn record_and_queue_are_written_at_the_same_time_and_neither_alone_is_enough() {
    story(async |stand| {
        for (held, other) in [("dynamodb.PutItem", "sqs.SendMessage"), ("sqs.SendMessage", "dynamodb.PutItem")] {
            let order = order_with(json!({}));
            let hold = stand.aws.tap().inject(Fault::Hold, held, id(&order), 1);
            let posting = posting(stand, &order);
            let arrived = || stand.aws.tap().calls_about(id(&order)).iter().any(|call| call.operation == other);
            while hold.hits() == 0 || !arrived() {
                assert!(!posting.is_finished(), "{other} waits for {held}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(stand.line.pushes_to(user(&order)).is_empty(), "pushed without {held}");
            drop(hold);
            assert_eq!(posting.await.expect("no panic").body["delivery"], "sent");
        }
    });
}

#[test]
fn the_retry_of_a_sent_order_is_one_read() {
    story(async |stand| {
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 200);
        let reads = || {
            let calls = stand.aws.tap().calls_about(id(&order));
            calls.into_iter().filter(|call| call.operation == "dynamodb.GetItem").count()
        };
        while reads() == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let operations: Vec<_> =
            stand.aws.tap().calls_about(id(&order)).into_iter().map(|call| call.operation).collect();
        assert_eq!(operations.len(), 4, "{operations:?}");
        assert_eq!(stand.line.pushes_to(user(&order)).len(), 1);
    });
}

#[test]
fn the_logs_tell_each_call_to_line_and_no_secret() {
    story_alone(&[], async |stand| {
        let orders = [order_with(json!({})), order_with(json!({})), order_with(json!({})), order_with(json!({}))];
        stand.line.script(user(&orders[1]), [Behaviour::HangUpBeforeAccepting]);
        stand.line.script(user(&orders[2]), [Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#)]);
        stand.line.script(user(&orders[3]), [Behaviour::Unauthorized]);
        for order in &orders {
            stand.post(order).await;
        }
        stand
            .post_raw(&[("authorization", "Bearer a-guessed-key"), ("content-type", "application/json")], vec![b'{'])
            .await;
        let mut broken = orders[0].clone();
        broken["fee"] = json!("x");
        stand.post(&broken).await;
        stand.wait_for_record(id(&orders[1]), "sent", |record| record.progress.state() == State::Sent).await;

        let logs = stand.aws.all_logs();
        let lines: Vec<Value> = logs
            .lines()
            .filter(|line| !line.starts_with("--- "))
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect();
        for line in &lines {
            for key in ["timestamp", "level", "message", "service"] {
                assert!(line[key].is_string(), "{key}: {line}");
            }
        }
        for request in stand.line.requests() {
            let Some(status) = request.status() else { continue };
            let told: Vec<_> =
                lines.iter().filter(|line| line["line.request_id"] == request.request_id.as_str()).collect();
            let call =
                told.iter().find(|line| line["message"] == "LINE answered").unwrap_or_else(|| panic!("{request:?}"));
            assert_eq!((&call["http.status"], &call["http.endpoint"]), (&json!(status), &json!(request.path)));
            assert_eq!(call["http.method"], request.method.as_str());
            assert!(call["duration_ms"].is_u64());
            assert!(call["function_request_id"].is_string() || request.path.contains("oauth2"), "{call}");
        }
        assert!(
            lines.iter().any(|line| line["cold_start"] == true) && lines.iter().any(|line| line["cold_start"] == false)
        );

        let secret = stand.line.secret();
        let mut never = vec![stand.order_key.clone(), "a-guessed-key".to_owned(), stand.line.channel_secret()];
        never.extend(
            ["d", "p", "q", "dp", "dq", "qi"]
                .map(|name| secret["privateKey"][name].as_str().expect("a number").to_owned()),
        );
        never.extend(orders.iter().map(|order| user(order).to_owned()));
        for request in stand.line.requests() {
            if let Some(authorization) = request.headers.get("authorization") {
                never.push(authorization.to_str().expect("ASCII").trim_start_matches("Bearer ").to_owned());
            }
            let body = String::from_utf8_lossy(&request.body).into_owned();
            never.extend(body.split_once("client_assertion=").map(|(_, assertion)| assertion.to_owned()));
        }
        for secret in never {
            assert!(!logs.contains(&secret), "in the logs: {secret}");
        }
    });
}
