//! The queue, the dead-letter queue, redrive, the switch, the retry key's 24 hours.

use std::time::Duration;

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::{Behaviour, LineStandIn},
    stand::{Stand, order_with},
};
use serde_json::{Value, json};
use shared::{
    delivery::{
        record::DeliveryRecord,
        state::{Reason, State},
    },
    line::day::line_day,
    notification::NotificationKind,
};

use crate::{id, posting, story, story_alone, user};

const DAY: Duration = Duration::from_secs(25 * 3600);

fn failing(times: usize) -> Vec<Behaviour> {
    vec![Behaviour::answer(500, r#"{"message":"Internal server error"}"#); times]
}

/// Posts an order whose every attempt fails like this, and waits until its message lies in the dead-letter queue.
async fn dead_letter(stand: &Stand, behaviour: Behaviour) -> (Value, String) {
    let order = order_with(json!({}));
    stand.line.script(user(&order), vec![behaviour; 4]);
    assert_eq!(stand.post(&order).await.status, 202);
    let letter = stand.take_dead_letter(id(&order)).await.expect("a dead letter");
    (order, letter)
}

/// Lets a record and LINE's memory of its key grow older than a day.
async fn a_day_passes(stand: &Stand, order: &Value) -> DeliveryRecord {
    let record = stand.record(id(order)).await.expect("a record");
    let arrived = record.progress.created_at();
    let unit = |time| NotificationKind::OrderFinished.unit(line_day(time));
    let of_its_day = record.push_body.replace(&unit(arrived), &unit(arrived - time::Duration::DAY));
    stand.change_record(id(order), json!({ "push_body": of_its_day })).await.expect("written");
    stand.age_record(id(order), time::Duration::DAY).await.expect("written");
    stand.line.age_retry_keys(DAY);
    stand.record(id(order)).await.expect("a record")
}

#[test]
fn three_failed_retries_end_in_the_dead_letter_queue_and_a_redrive_delivers() {
    story(async |stand| {
        let (order, letter) = dead_letter(stand, failing(1).remove(0)).await;
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!(
            (record.progress.state(), record.progress.reason()),
            (State::Retrying, Some(Reason::RetriesExhausted))
        );
        assert_eq!(record.attempts.len(), 4, "one push and three retries");
        let pushes = stand.line.pushes_to(user(&order));
        let gaps: Vec<_> = pushes.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        assert!(gaps.iter().all(|gap| *gap > Duration::from_secs(5)), "{gaps:?}");
        let reply = stand.post(&order).await;
        assert_eq!((reply.status, &reply.body["reason"]), (202, &json!("retries_exhausted")));

        // Redrive moves the message's body back to the queue.
        stand.enqueue(&letter).await.expect("queued");
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(record.progress.reason(), None);
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
        let keys: std::collections::HashSet<_> =
            stand.line.pushes_to(user(&order)).iter().map(|push| push.retry_key()).collect();
        assert_eq!(keys.len(), 1, "one key, within its 24 hours");
    });
}

#[test]
fn a_bad_message_fails_alone() {
    story(async |stand| {
        let order = order_with(json!({}));
        let marker = format!("not an order {}", user(&order));
        let (garbage, queued) = (json!({ "orderId": marker }).to_string(), order.to_string());
        let (one, two, three) = tokio::join!(stand.enqueue(&garbage), stand.enqueue(&queued), stand.enqueue("{{{"));
        one.and(two).and(three).expect("queued");
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(stand.take_dead_letter(&marker).await.expect("kept, not lost"), garbage);
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn ten_bells_that_wait_for_one_failing_read_do_not_repeat_it_one_after_the_other() {
    story_alone(&[], async |stand| {
        stand.map_the_retry_queue(false).await.expect("not mapped");
        let orders = [(); 10].map(|()| order_with(json!({})));
        for order in &orders {
            stand.enqueue(&order.to_string()).await.expect("queued");
        }
        stand.wait_for_visible_retries(orders.len()).await;
        let hangs =
            stand.aws.tap().inject(Fault::Hold, "dynamodb.BatchGetItem", stand.aws.output("SwitchesTableName"), ALWAYS);
        stand.map_the_retry_queue(true).await.expect("mapped");
        let begun = tokio::time::Instant::now();
        for order in &orders {
            let record = stand.wait_for_record(id(order), "attempted", |record| !record.attempts.is_empty()).await;
            // The attempt's deadline is here before the SDK's: three seconds, on a stand whose retries wait for six.
            assert_eq!(record.attempts[0].error.as_deref(), Some("the attempt took too long"));
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "one after the other: {:?}", begun.elapsed());
        drop(hangs);
        for order in &orders {
            stand.wait_for_record(id(order), "sent", |record| record.progress.state() == State::Sent).await;
        }
    });
}

#[test]
fn a_first_push_waits_for_a_failing_read_no_longer_than_its_attempt_may_take() {
    story(async |stand| {
        let order = order_with(json!({}));
        let hangs = stand.aws.tap().inject(Fault::Hold, "dynamodb.BatchGetItem", user(&order), ALWAYS);
        assert_eq!(stand.post(&order).await.status, 202);
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!(record.attempts[0].error.as_deref(), Some("the attempt took too long"));
        drop(hangs);
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
    });
}

#[test]
fn a_bell_whose_outcome_could_not_be_written_rings_again() {
    story_alone(&[], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::answer(500, "")]);
        let unwritten = r#""state":{"S":"sent"}"#;
        let table = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.PutItem", unwritten, ALWAYS);
        assert_eq!(stand.post(&order).await.status, 202);
        let received = |line: &LineStandIn| !line.received_by(user(&order)).is_empty();
        stand.line.wait_until("LINE has it", Duration::from_secs(30), received).await;
        // The SDK tries three times.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while table.hits() < 3 {
            assert!(tokio::time::Instant::now() < deadline, "{table:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(table);
        let begun = tokio::time::Instant::now();
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        // Its own bell, and not the sweep, which would come for it after twenty delays.
        assert!(begun.elapsed() < Duration::from_secs(60) && record.attempts.len() >= 2, "{record:#?}");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn a_queued_order_without_a_record_is_delivered() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.enqueue(&order.to_string()).await.expect("queued");
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(record.attempts.len(), 1);
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn the_same_message_delivered_many_times_is_one_push_at_a_time() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), failing(1));
        let text = order.to_string();
        let (one, two, three) = tokio::join!(stand.enqueue(&text), stand.enqueue(&text), stand.enqueue(&text));
        one.and(two).and(three).expect("queued");
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        let pushes = stand.line.pushes_to(user(&order));
        assert_eq!(pushes.len(), 2, "one that failed and its retry, whatever the copies");
        assert!(pushes[1].at - pushes[0].at > Duration::from_secs(3));
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn a_retry_while_the_first_push_still_runs_leaves_it_alone() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::Hold]);
        let posting = posting(stand, &order);
        let held =
            || stand.line.wait_until("the push is held", Duration::from_secs(20), |line| line.is_held(user(&order)));
        held().await;
        // The same order posted now finds the owner at work.
        assert_eq!(stand.post(&order).await.body["delivery"], "retrying");
        assert_eq!(stand.line.pushes_to(user(&order)).len(), 1);
        let _ = stand.line.release(user(&order), local_stand::line::ReleaseAs::Accept);
        posting.await.expect("no panic");
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn the_switch_stops_first_pushes_and_retries() {
    story_alone(&[], async |stand| {
        let waiting = order_with(json!({}));
        stand.line.script(user(&waiting), failing(1));
        assert_eq!(stand.post(&waiting).await.status, 202);
        stand.set_switch(false).await.expect("written");
        let record = stand
            .wait_for_record(id(&waiting), "suppressed", |record| record.progress.state() == State::Suppressed)
            .await;
        assert_eq!(record.progress.reason(), Some(Reason::SwitchedOff));
        assert_eq!(stand.line.pushes_to(user(&waiting)).len(), 1, "the first push only");

        // The memory of the switch is at most half a retry delay old here (30 s on AWS), and that time has passed.
        let order = order_with(json!({}));
        let reply = stand.post(&order).await;
        assert_eq!(
            (reply.status, &reply.body["delivery"], &reply.body["reason"]),
            (200, &json!("suppressed"), &json!("switched_off"))
        );
        assert!(stand.line.pushes_to(user(&order)).is_empty());

        stand.set_switch(true).await.expect("written");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while stand.post(&order_with(json!({}))).await.body["delivery"] != "sent" {
            assert!(tokio::time::Instant::now() < deadline, "the switch stays off");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(stand.post(&order).await.body["delivery"], "suppressed", "what was suppressed stays so");
    });
}

#[test]
fn an_old_key_is_never_used_again_when_line_may_have_taken_the_message() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        let (order, letter) = dead_letter(&stand, Behaviour::AcceptThenHangUp).await;
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
        a_day_passes(&stand, &order).await;
        stand.enqueue(&letter).await.expect("queued");
        let record =
            stand.wait_for_record(id(&order), "expired", |record| record.progress.state() == State::Expired).await;
        assert_eq!(record.progress.reason(), Some(Reason::RetryKeyExpired));
        assert_eq!(stand.line.received_by(user(&order)).len(), 1, "no second message");
        let reply = stand.post(&order).await;
        assert_eq!(
            (reply.status, &reply.body["delivery"], &reply.body["reason"]),
            (200, &json!("failed"), &json!("retry_key_expired"))
        );
    });
}

#[test]
fn a_refusal_does_not_take_an_earlier_doubt_away() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::AcceptThenHangUp, Behaviour::RateLimited, Behaviour::RateLimited]);
        assert_eq!(stand.post(&order).await.status, 202);
        let letter = stand.take_dead_letter(id(&order)).await.expect("a dead letter");
        a_day_passes(&stand, &order).await;
        stand.enqueue(&letter).await.expect("queued");
        stand.wait_for_record(id(&order), "expired", |record| record.progress.state() == State::Expired).await;
        assert_eq!(stand.line.received_by(user(&order)).len(), 1, "no second message");
    });
}

#[test]
fn an_order_posted_again_while_it_is_retried_is_not_retried_more_often() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), failing(4));
        assert_eq!(stand.post(&order).await.status, 202);
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(900)).await;
            assert_eq!(stand.post(&order).await.status, 202);
        }
        let letter = stand.take_dead_letter(id(&order)).await.expect("a dead letter");
        let pushes = stand.line.pushes_to(user(&order));
        assert_eq!(pushes.len(), 4, "one push and three retries, however often it was posted");
        let gaps: Vec<_> = pushes.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        assert!(gaps.iter().all(|gap| *gap > Duration::from_secs(5)), "{gaps:?}");
        stand.enqueue(&letter).await.expect("queued");
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn an_old_key_is_replaced_when_line_certainly_took_nothing() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        let (order, letter) = dead_letter(&stand, Behaviour::RateLimited).await;
        let old = a_day_passes(&stand, &order).await;
        stand.line.script(user(&order), []);
        stand.enqueue(&letter).await.expect("queued");
        // Two of the four scripted refusals are left; the round that a redrive begins uses both up.
        let refused = stand.take_dead_letter(id(&order)).await.expect("a dead letter");
        stand.enqueue(&refused).await.expect("queued");
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(
            record.progress.generation(),
            old.progress.generation() + 1,
            "one new key, kept for its own 24 hours"
        );
        assert_ne!(stand.retry_key(&record), stand.retry_key(&old));
        let received = stand.line.received_by(user(&order));
        assert_eq!((received.len(), received[0].retry_key), (1, Some(stand.retry_key(&record))));
        assert_ne!(record.push_body, old.push_body, "a new key has a body of its own day");
    });
}
