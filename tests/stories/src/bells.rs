//! The record delivers, the queue only rings: lost, late and moved bells, the sweep, and what may be told.

use std::time::Duration;

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::Behaviour,
    stand::{Stand, order_with},
};
use serde_json::{Value, json};
use shared::{
    delivery::state::{Reason, State},
    lambda::problem_code::ProblemCode,
};

use crate::{TIME_TO_ACT, dead_letters::wait_for_letter, id, story, story_alone, user};

/// Sweeps once.
pub async fn sweep(stand: &Stand) -> Value {
    stand.invoke("DeliverySweepFunctionName", &json!({})).await.expect("an answer")
}

async fn is_sent(stand: &Stand, order: &Value) {
    stand.wait_for_record(id(order), "sent", |record| record.progress.state() == State::Sent).await;
    assert_eq!(stand.line.received_by(user(order)).len(), 1, "one message");
}

/// An order whose first push failed, whose message is gone from the queue, and whose retry was due hours ago.
pub async fn without_a_bell(stand: &Stand) -> Value {
    let order = order_with(json!({}));
    stand.line.script(user(&order), [Behaviour::answer(500, "")]);
    assert_eq!(stand.post(&order).await.status, 202);
    // Its bell has another name now, so it is surplus once it rings, and deleted while the record is not overdue.
    let name = json!({ "bell": "00000000-0000-4000-8000-000000000000", "due_at": "2126-01-01T00:00:00Z" });
    stand.change_record(id(&order), name).await.expect("written");
    stand.wait_for_an_empty_retry_queue().await;
    stand.change_record(id(&order), json!({ "due_at": "2020-01-01T00:00:00Z" })).await.expect("written");
    stand.age_record(id(&order), time::Duration::hours(3)).await.expect("written");
    order
}

#[test]
fn an_order_whose_message_was_lost_is_rung_for_once_an_hour() {
    story_alone(&[], async |stand| {
        let order = without_a_bell(&stand).await;
        let swept = sweep(&stand).await;
        assert_eq!((&swept["open"], &swept["rung"]), (&json!(1), &json!(1)), "{swept}");
        assert_eq!(sweep(&stand).await["rung"], 0, "its bell is on its way");
        is_sent(&stand, &order).await;
        let swept = sweep(&stand).await;
        assert_eq!((&swept["open"], &swept["exhausted"], &swept["rung"]), (&json!(0), &json!(0), &json!(0)), "{swept}");
    });
}

#[test]
fn what_waits_thirteen_days_is_given_up_and_says_whether_line_may_have_it() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        for (behaviour, state, reason) in [
            (Behaviour::RateLimited, State::Failed, Reason::Unattended),
            (Behaviour::answer(500, ""), State::Expired, Reason::RetryKeyExpired),
        ] {
            let order = order_with(json!({}));
            stand.line.script(user(&order), vec![behaviour; 2]);
            assert_eq!(stand.post(&order).await.status, 202);
            stand.wait_for_record(id(&order), "exhausted", |record| record.progress.is_exhausted()).await;
            stand.age_record(id(&order), time::Duration::days(12) + time::Duration::hours(1)).await.expect("written");
            let swept = sweep(&stand).await;
            assert_eq!((&swept["ending"], &swept["givenUp"]), (&json!(1), &json!(0)), "a day before: {swept}");
            stand.age_record(id(&order), time::Duration::DAY).await.expect("written");
            assert_eq!(sweep(&stand).await["givenUp"], 1);
            let record = stand.record(id(&order)).await.expect("a record");
            assert_eq!((record.progress.state(), record.progress.reason()), (state, Some(reason)));
        }
    });
}

#[test]
fn a_letter_of_an_open_order_is_none_and_cannot_be_discarded() {
    // Nobody else looks at its queue, and hides what is in it.
    story_alone(&[TIME_TO_ACT], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::answer(500, "")]);
        assert_eq!(stand.post(&order).await.status, 202);
        let dead_letters = stand.aws.output("PushRetryDeadLetterQueueUrl");
        let moved = stand.sqs.send_message().queue_url(dead_letters).message_body(order.to_string());
        moved.send().await.expect("moved by the net");
        let find = async || {
            let body = stand.operate("GET", "/dead-letters?queue=push-retry&limit=100", None).await.body;
            let letters = body["deadLetters"].as_array().expect("dead letters").clone();
            letters.into_iter().find(|one| one["orderId"] == id(&order))
        };
        let letter = find().await.expect("listed");
        assert_eq!(letter["letter"], "on_its_way");
        let discard = format!("/dead-letters/{}?reason=x", letter["id"].as_str().expect("an id"));
        let refused = stand.operate("DELETE", &discard, None).await;
        refused.assert_problem(ProblemCode::LetterOnItsWay);
        assert_eq!(refused.body["orderId"], id(&order));
        let until = refused.body["until"].as_str().expect("a time");
        assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains(until)), "{refused:?}");
        is_sent(&stand, &order).await;
        assert_eq!(find().await, None, "its order is settled: it is deleted on sight");
        assert_eq!(stand.operate("DELETE", &discard, None).await.status, 404);
    });
}

#[test]
fn receives_that_no_function_took_cost_an_order_none_of_its_retries() {
    story_alone(&[], async |stand| {
        stand.map_the_retry_queue(false).await.expect("not mapped");
        let order = order_with(json!({}));
        stand.line.script(user(&order), vec![Behaviour::RateLimited; 3]);
        assert_eq!(stand.post(&order).await.status, 202);
        // The account's executions are used up: SQS hands the message out, and Lambda has nobody to take it.
        stand.leave_one_receive(id(&order)).await.expect("received");
        let retry_queue = stand.aws.output("PushRetryQueueUrl");
        while stand.queue_depth("PushRetryDeadLetterQueueUrl").await.expect("a depth") == 0 {
            let receive = stand.sqs.receive_message().queue_url(retry_queue).visibility_timeout(0);
            receive.send().await.expect("received");
        }
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!((record.progress.is_open(), record.progress.round_attempts()), (true, 1), "none is spent");
        stand.map_the_retry_queue(true).await.expect("mapped");
        assert_eq!(wait_for_letter(&stand, "push-retry", id(&order)).await["letter"], "on_its_way");
        stand.age_record(id(&order), time::Duration::hours(3)).await.expect("written");
        assert_eq!(sweep(&stand).await["rung"], 1);
        is_sent(&stand, &order).await;
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!(record.progress.round_attempts(), 4, "the first push and three retries");
        let listed = stand.operate("GET", "/dead-letters", None).await.body;
        assert_eq!(listed["deadLetters"], json!([]), "no letter any more");
        assert_eq!(stand.queue_depth("PushRetryDeadLetterQueueUrl").await.expect("a depth"), 0);
    });
}

#[test]
fn a_customer_is_told_even_if_line_refuses_the_button() {
    story(async |stand| {
        let order = order_with(json!({ "detailUrl": "https://example.com/app/latest.apk" }));
        let reply = stand.post(&order).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{}", reply.body);
        let [with, without] = &stand.line.pushes_to(user(&order))[..] else { panic!("two requests") };
        assert_ne!(with.retry_key(), without.retry_key(), "another message, another key");
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!((record.progress.generation(), record.progress.without_button()), (2, true));
        let received = stand.line.received_by(user(&order));
        assert_eq!(received.len(), 1);
        assert!(!received[0].messages[0].to_string().contains("latest.apk"), "{:?}", received[0].messages);
    });
}

#[test]
fn an_address_that_a_parser_leaves_raw_is_encoded_before_line_sees_it() {
    story(async |stand| {
        let order = order_with(json!({ "detailUrl": "https://example.com/o/{1}|^`?q=[a]" }));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.line.pushes_to(user(&order)).len(), 1, "nothing was refused");
    });
}

#[test]
fn what_line_refused_for_good_may_come_again_with_other_content_or_be_corrected() {
    story(async |stand| {
        let refusal = || Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#);
        let order = order_with(json!({}));
        stand.line.script(user(&order), [refusal()]);
        assert_eq!(stand.post(&order).await.body["reason"], "refused_by_line");
        let mut corrected = order.clone();
        corrected["startShop"] = json!("另一家店");
        assert_eq!(stand.post(&corrected).await.body["delivery"], "sent");
        assert_eq!(stand.post(&order).await.status, 409, "the new content stands");
        is_sent(stand, &order).await;

        let order = order_with(json!({}));
        stand.line.script(user(&order), [refusal()]);
        assert_eq!(stand.post(&order).await.body["reason"], "refused_by_line");
        let resend = format!("/orders/{}/resend", id(&order));
        let wrong = json!({ "reason": "x", "correction": { "fee": { "amount": "-1", "currency": "JPY" } } });
        assert_eq!(stand.operate("POST", &resend, Some(wrong)).await.body["errors"][0]["field"], "fee.amount");
        let other = json!({ "reason": "x", "correction": { "orderId": "another" } });
        assert_eq!(stand.operate("POST", &resend, Some(other)).await.body["errors"][0]["field"], "orderId");
        let body = json!({ "reason": "x", "correction": { "detailUrl": null, "endShop": "另一家店" } });
        let reply = stand.operate("POST", &resend, Some(body)).await;
        assert_eq!((&reply.body["delivery"], &reply.body["order"]["endShop"]), (&json!("sent"), &json!("另一家店")));
        let audit = stand.operate("GET", "/audit?kind=resend&limit=100", None).await.body;
        let entry = audit["entries"].as_array().expect("entries").iter().find(|one| one["subject"] == id(&order));
        assert_eq!(entry.expect("an entry")["detail"]["corrected"], json!(["detailUrl", "endShop"]));
    });
}

#[test]
fn a_key_that_somebody_else_used_is_no_message_of_ours() {
    story(async |stand| {
        let order = order_with(json!({}));
        let conflict = Behaviour::answer(409, r#"{"message":"The retry key is already accepted"}"#);
        stand.line.script(user(&order), [conflict]);
        let reply = stand.post(&order).await;
        assert_eq!(
            (&reply.body["delivery"], &reply.body["reason"], &reply.body["mayHaveReachedLine"]),
            (&json!("failed"), &json!("retry_key_conflict"), &json!(true)),
            "{}",
            reply.body
        );
        let resend = format!("/orders/{}/resend", id(&order));
        assert_eq!(stand.operate("POST", &resend, Some(json!({ "reason": "x" }))).await.status, 409, "needs force");
    });
}

#[test]
fn only_what_is_durable_is_told() {
    story_alone(&[], async |stand| {
        let order = order_with(json!({}));
        stand.set_friend(user(&order), false).await.expect("written");
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.PutItem", "revision = :read", ALWAYS);
        let reply = stand.post(&order).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (202, &json!("retrying")), "{}", reply.body);
        drop(fault);
        let suppressed =
            |record: &shared::delivery::record::DeliveryRecord| record.progress.reason() == Some(Reason::NotAFriend);
        stand.wait_for_record(id(&order), "suppressed", suppressed).await;
        assert_eq!(stand.post(&order).await.body["delivery"], "suppressed");
    });
}

#[test]
fn a_line_that_hangs_costs_the_callers_no_time_and_nobody_a_message() {
    story_alone(&[], async |stand| {
        let refused = order_with(json!({}));
        stand.line.script(user(&refused), [Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#)]);
        assert_eq!(stand.post(&refused).await.body["reason"], "refused_by_line");
        let hung: Vec<Value> = (0..3).map(|_| order_with(json!({}))).collect();
        for order in &hung {
            stand.line.script(user(order), [Behaviour::Delay(Duration::from_secs(30))]);
            assert_eq!(stand.post(order).await.status, 202);
        }
        let skipped = order_with(json!({}));
        // One that LINE had refused for good comes with other content.
        let mut corrected = refused.clone();
        corrected["startShop"] = json!("另一家店");
        for (order, asked_before) in [(&skipped, 0), (&corrected, 1)] {
            let reply = stand.post(order).await;
            assert_eq!((reply.status, &reply.body["mayHaveReachedLine"]), (202, &json!(false)), "{}", reply.body);
            assert_eq!(stand.line.pushes_to(user(order)).len(), asked_before, "not asked");
        }
        for order in hung.iter().chain([&skipped, &corrected]) {
            is_sent(&stand, order).await;
        }
        let record = stand.record(id(&skipped)).await.expect("a record");
        assert_eq!((record.progress.attempt_count(), record.progress.round_attempts()), (1, 1), "none was spent");
        let record = stand.record(id(&corrected)).await.expect("a record");
        assert_eq!((record.progress.generation(), record.progress.round_attempts()), (2, 1), "none was spent");
        assert!(stand.line.received_by(user(&corrected))[0].messages[0].to_string().contains("另一家店"));
    });
}
