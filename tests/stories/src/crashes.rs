//! Processes killed, and AWS failing at each step.

use std::time::Duration;

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::{Behaviour, Endpoint, LineStandIn, ReleaseAs},
    stand::{Stand, order_with},
};
use serde_json::{Value, json};
use shared::delivery::state::State;

use crate::{
    TIME_TO_ACT,
    dead_letters::{redrive, wait_for_letter},
    id, posting, story, story_alone, user,
};

async fn settles_as_one_message(stand: &Stand, order: &Value) {
    stand.wait_for_record(id(order), "sent", |record| record.progress.state() == State::Sent).await;
    assert_eq!(stand.line.received_by(user(order)).len(), 1);
}

/// Kills `order-finished` as soon as it has come to where LINE holds it; returns what the order system was answered.
async fn kill_when_held(stand: &Stand, order: &Value, target: local_stand::line::Target) -> u16 {
    let posting = posting(stand, order);
    stand
        .line
        .wait_until("LINE holds a request and the order is durable", Duration::from_secs(20), |line| {
            line.is_held(target.clone())
                && stand.aws.tap().calls_about(id(order)).iter().filter(|call| call.status == Some(200)).count() >= 2
        })
        .await;
    assert!(stand.aws.kill("order-finished").expect("killed") > 0);
    posting.await.expect("no panic").status
}

#[test]
fn killed_between_the_durable_writes_and_the_push() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        // Without a token there is no push: the first order of a fresh stack waits for one, while it holds the lease.
        let order = order_with(json!({}));
        let held = std::iter::repeat_n(Behaviour::Hold, 2);
        stand.line.script(Endpoint::Token, held);
        let answered = kill_when_held(&stand, &order, Endpoint::Token.into()).await;
        assert!(answered >= 500, "the order system got an error, {answered}");
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        assert_eq!(stand.record(id(&order)).await.map(|record| record.progress.state()), Some(State::Pending));
        settles_as_one_message(&stand, &order).await;
    });
}

#[test]
fn killed_during_the_push() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::Hold]);
        assert!(kill_when_held(&stand, &order, user(&order).into()).await >= 500);
        settles_as_one_message(&stand, &order).await;
    });
}

#[test]
fn killed_after_line_took_it_and_before_it_was_written() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::AcceptThenDelay(Duration::from_secs(60))]);
        let posting = posting(&stand, &order);
        let taken = |line: &LineStandIn| !line.received_by(user(&order)).is_empty();
        stand.line.wait_until("LINE has taken it", Duration::from_secs(20), taken).await;
        assert!(stand.aws.kill("order-finished").expect("killed") > 0);
        assert!(posting.await.expect("no panic").status >= 500);
        // The order system repeats the call at once, and again: the customer still has one message.
        assert_eq!(stand.post(&order).await.status, 202);
        settles_as_one_message(&stand, &order).await;
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!(record.attempts.last().and_then(|attempt| attempt.line_status), Some(409));
    });
}

/// The worker that hears an order's bell at its last receive claims, asks LINE, and is killed; SQS moves the bell.
async fn kill_at_the_last_receive(stand: &Stand, order: &Value) {
    stand.leave_one_receive(id(order)).await.expect("received");
    stand.line.script(user(order), [Behaviour::Hold]);
    stand.map_the_retry_queue(true).await.expect("mapped");
    let held = |line: &LineStandIn| line.is_held(user(order));
    stand.line.wait_until("the retry's push is held", Duration::from_secs(30), held).await;
    assert!(stand.aws.kill("push-retry").expect("killed") > 0);
    let letter = wait_for_letter(stand, "push-retry", id(order)).await;
    assert_eq!(letter["letter"], "on_its_way", "the order is open: {letter}");
}

#[test]
fn killed_at_the_last_receive_and_redriven_at_once() {
    story_alone(&[], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        stand.wait_for_an_empty_retry_queue().await;
        stand.map_the_retry_queue(false).await.expect("not mapped");
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::answer(500, "")]);
        assert_eq!(stand.post(&order).await.status, 202);
        kill_at_the_last_receive(&stand, &order).await;
        assert_eq!(redrive(&stand, "push-retry").await.body["moved"], 1);
        settles_as_one_message(&stand, &order).await;
        stand.wait_for_an_empty_retry_queue().await;
    });
}

#[test]
fn killed_at_the_first_push_and_at_the_last_receive_and_called_again_before_the_redrive() {
    story_alone(&[], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        stand.wait_for_an_empty_retry_queue().await;
        stand.map_the_retry_queue(false).await.expect("not mapped");
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::Hold]);
        assert!(kill_when_held(&stand, &order, user(&order).into()).await >= 500);
        kill_at_the_last_receive(&stand, &order).await;
        // The order system repeats its call until one finds the record due; its push fails, too.
        stand.line.script(user(&order), [Behaviour::answer(500, "")]);
        while stand.line.pushes_to(user(&order)).len() < 3 {
            assert_eq!(stand.post_until_taken(&order).await.status, 202);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(redrive(&stand, "push-retry").await.body["moved"], 1);
        settles_as_one_message(&stand, &order).await;
        stand.wait_for_an_empty_retry_queue().await;
        assert_eq!(stand.queue_depth("PushRetryDeadLetterQueueUrl").await.expect("a depth"), 0, "no bell is left over");
    });
}

#[test]
fn without_the_queue_the_order_is_not_taken_and_can_be_repeated_at_once() {
    story(async |stand| {
        let order = order_with(json!({}));
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "sqs.SendMessage", id(&order), ALWAYS);
        let reply = stand.post(&order).await;
        assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")), "{}", reply.body);
        assert_eq!(reply.content_type, "application/problem+json");
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        assert_eq!(stand.post(&order).await.status, 503);
        drop(fault);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn without_the_table_the_order_is_not_taken_and_the_queue_may_deliver_it() {
    story(async |stand| {
        let order = order_with(json!({}));
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.PutItem", id(&order), ALWAYS);
        assert_eq!(stand.post(&order).await.status, 503);
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        drop(fault);
        // Nobody repeats the call, but the queue took the message.
        settles_as_one_message(stand, &order).await;
    });
}

#[test]
fn a_write_whose_answer_was_lost_is_one_message() {
    story(async |stand| {
        let order = order_with(json!({}));
        // The record is written, the answer lost, and the SDK writes again: it finds its own record and goes on.
        let fault = stand.aws.tap().inject(Fault::ForwardThenHangUp, "dynamodb.PutItem", id(&order), 1);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(fault.hits(), 1);
        settles_as_one_message(stand, &order).await;
    });
}

#[test]
fn an_outcome_that_cannot_be_written_is_healed_by_the_queue() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::Hold]);
        let posting = posting(&stand, &order);
        let held = |line: &LineStandIn| line.is_held(user(&order));
        stand.line.wait_until("the push is held", Duration::from_secs(20), held).await;
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.PutItem", id(&order), ALWAYS);
        assert!(stand.line.release(user(&order), ReleaseAs::Accept));
        let reply = posting.await.expect("no panic");
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "LINE has it");
        assert_eq!(stand.record(id(&order)).await.map(|record| record.progress.state()), Some(State::Pending));
        drop(fault);
        settles_as_one_message(&stand, &order).await;
    });
}

#[test]
fn sent_is_written_over_whatever_another_worker_wrote_meanwhile() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::Hold]);
        let posting = posting(&stand, &order);
        let held = |line: &LineStandIn| line.is_held(user(&order));
        stand.line.wait_until("the push is held", Duration::from_secs(20), held).await;
        let taken_over = json!({ "revision": 8, "state": "retrying" });
        stand.change_record(id(&order), taken_over).await.expect("written");
        assert!(stand.line.release(user(&order), ReleaseAs::Accept));
        assert_eq!(posting.await.expect("no panic").body["delivery"], "sent");
        assert_eq!(stand.record(id(&order)).await.map(|record| record.progress.state()), Some(State::Sent));
    });
}

#[test]
fn a_dead_table_during_a_retry_leaves_the_message_to_the_queue() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::answer(500, "")]);
        assert_eq!(stand.post(&order).await.status, 202);
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.GetItem", id(&order), ALWAYS);
        while fault.hits() < 3 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(fault);
        settles_as_one_message(stand, &order).await;
    });
}
