//! An operator sends an order's message again: under a new key, as durable as a first push, and never twice unasked.

use std::time::Duration;

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::{Behaviour, Person, ReleaseAs},
    stand::{Reply, Stand, order_with, random_user},
};
use serde_json::{Value, json};
use shared::{
    delivery::{
        record::DeliveryRecord,
        state::{Reason, State},
    },
    lambda::problem_code::ProblemCode,
    order::fields::FieldCode,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{TIME_TO_ACT, id, posting, story, story_alone, user};

/// Longer than an attempt may own a delivery, and than its retry may stay away.
const LONG_AGO: time::Duration = time::Duration::hours(1);

async fn resend(stand: &Stand, order: &Value, force: bool) -> Reply {
    let body = json!({ "reason": "the customer called", "force": force });
    stand.operate("POST", &format!("/orders/{}/resend", id(order)), Some(body)).await
}

fn refusal() -> Behaviour {
    Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#)
}

/// Posts an order that LINE refuses for good.
async fn failed(stand: &Stand) -> Value {
    let order = order_with(json!({}));
    stand.line.script(user(&order), [refusal()]);
    assert_eq!(stand.post(&order).await.body["delivery"], "failed");
    order
}

async fn record(stand: &Stand, order: &Value) -> DeliveryRecord {
    stand.record(id(order)).await.expect("a record")
}

#[test]
fn a_failed_message_is_sent_again_under_a_new_key_and_the_reason_is_kept() {
    story(async |stand| {
        let order = failed(stand).await;
        let reply = resend(stand, &order, false).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{reply:?}");
        assert_eq!((&reply.body["generation"], &reply.body["resend"]), (&json!(2), &json!("needs_force")));
        let resends = reply.body["resends"].as_array().expect("resends");
        assert_eq!((resends.len(), &resends[0]["by"], &resends[0]["force"]), (1, &json!("mei"), &json!(false)));
        assert_eq!(resends[0]["reason"], "the customer called");
        let told: Vec<_> =
            reply.body["attempts"].as_array().expect("attempts").iter().map(|one| &one["generation"]).collect();
        assert_eq!(told, [&json!(1), &json!(2)]);
        let pushes = stand.line.pushes_to(user(&order));
        assert_ne!(pushes[0].retry_key(), pushes[1].retry_key());
        assert_eq!(reply.body["retryKey"].as_str(), pushes[1].retry_key().as_deref());
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
        // The order system sees where it stands, and changes nothing.
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let audit = stand.operate("GET", "/audit?kind=resend&limit=100", None).await.body;
        let entry = audit["entries"].as_array().expect("entries").iter().find(|one| one["subject"] == id(&order));
        assert_eq!(entry.expect("an entry")["detail"], json!({ "generation": 2, "force": false }));
    });
}

#[test]
fn what_was_sent_is_sent_again_only_by_force() {
    story(async |stand| {
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 200);
        let reply = resend(stand, &order, false).await;
        reply.assert_problem(ProblemCode::MayArriveTwice);
        assert_eq!(reply.body["orderId"], id(&order));
        assert_eq!(record(stand, &order).await.progress.generation(), 1);
        assert_eq!(resend(stand, &order, true).await.body["delivery"], "sent");
        assert_eq!(stand.line.received_by(user(&order)).len(), 2);
        let none = stand.operate("POST", "/orders/R-that-nobody-posted/resend", Some(json!({ "reason": "x" }))).await;
        none.assert_problem(ProblemCode::NoSuchOrder);
        let no_reason = stand.operate("POST", &format!("/orders/{}/resend", id(&order)), Some(json!({}))).await;
        no_reason.assert_problem(ProblemCode::Fields);
        let missing = json!([{ "field": "reason", "code": FieldCode::Missing.name(), "detail": "is missing" }]);
        assert_eq!(no_reason.body["errors"], missing);
    });
}

#[test]
fn what_the_customer_got_once_needs_force_for_ever() {
    story(async |stand| {
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 200);
        stand.line.script(user(&order), [refusal()]);
        let reply = resend(stand, &order, true).await;
        assert_eq!((&reply.body["delivery"], &reply.body["resend"]), (&json!("failed"), &json!("needs_force")));
        assert_eq!(reply.body["mayHaveReachedLine"], true);
        assert_eq!(resend(stand, &order, false).await.status, 409, "another operator sees a failed order");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn what_is_on_its_way_is_not_sent_again_even_by_force() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::answer(500, "{}"), Behaviour::Hold]);
        assert_eq!(stand.post(&order).await.status, 202);
        assert_eq!(resend(&stand, &order, true).await.status, 409, "its retry waits in the queue");
        stand.line.wait_until("the retry is held", Duration::from_secs(60), |line| line.is_held(user(&order))).await;
        resend(&stand, &order, true).await.assert_problem(ProblemCode::InFlight);
        assert!(stand.line.release(user(&order), ReleaseAs::Accept));
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
        assert!(record(&stand, &order).await.resends.is_empty());
    });
}

#[test]
fn two_operators_at_once_are_one_message() {
    story(async |stand| {
        let order = failed(stand).await;
        let (one, two, three) =
            tokio::join!(resend(stand, &order, false), resend(stand, &order, false), resend(stand, &order, false));
        let statuses = [one.status, two.status, three.status];
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 2, "{statuses:?}");
        assert_eq!(record(stand, &order).await.resends.len(), 1);
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn a_resend_that_line_does_not_take_is_retried_like_any_other() {
    story(async |stand| {
        let order = failed(stand).await;
        stand.line.script(user(&order), [Behaviour::answer(500, "{}"), Behaviour::answer(500, "{}")]);
        let reply = resend(stand, &order, false).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (202, &json!("retrying")), "{reply:?}");
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!((record.progress.generation(), record.attempts.len()), (2, 4));
        assert_eq!(stand.line.received_by(user(&order)).len(), 1, "one key for all three");
    });
}

#[test]
fn a_resend_that_crashes_is_healed_by_the_queue() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        let order = failed(&stand).await;
        stand.line.script(user(&order), [Behaviour::Hold]);
        let resending = {
            let (stand, order) = (stand.clone(), order.clone());
            tokio::spawn(async move { resend(&stand, &order, false).await })
        };
        stand.line.wait_until("the resend is held", Duration::from_secs(20), |line| line.is_held(user(&order))).await;
        assert!(stand.aws.kill("operations").expect("killed") > 0);
        assert!(resending.await.expect("no panic").status >= 500);
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!((record.progress.generation(), record.resends.len()), (2, 1), "the wish was kept");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn a_resend_that_is_not_durable_pushes_nothing() {
    story(async |stand| {
        for operation in ["sqs.SendMessage", "dynamodb.TransactWriteItems"] {
            let order = failed(stand).await;
            let fault = stand.aws.tap().inject(Fault::INTERNAL, operation, id(&order), ALWAYS);
            let reply = resend(stand, &order, false).await;
            assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")), "{operation}");
            assert_eq!(stand.line.pushes_to(user(&order)).len(), 1, "{operation}: the first push only");
            assert_eq!(record(stand, &order).await.progress.state(), State::Failed, "{operation}");
            drop(fault);
            assert_eq!(resend(stand, &order, false).await.body["delivery"], "sent");
            assert_eq!(stand.line.received_by(user(&order)).len(), 1, "{operation}");
        }
    });
}

#[test]
fn a_resend_goes_to_whom_the_member_is_now() {
    story(async |stand| {
        let (member, customer) = (format!("m-{}", random_user()), random_user());
        let order = order_with(json!({ "recipient": { "memberId": member } }));
        assert_eq!(stand.post(&order).await.body["reason"], "not_linked");
        let reply = resend(stand, &order, false).await;
        reply.assert_problem(ProblemCode::NotLinked);
        stand.link(&member, &customer).await.expect("linked");
        assert_eq!(resend(stand, &order, false).await.body["delivery"], "sent");
        assert_eq!(stand.line.received_by(&customer).len(), 1);
    });
}

#[test]
fn a_resend_obeys_what_forbids_a_push() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.set_friend(user(&order), false).await.expect("written");
        assert_eq!(stand.post(&order).await.body["delivery"], "suppressed");
        let reply = resend(stand, &order, false).await;
        assert_eq!((&reply.body["delivery"], &reply.body["reason"]), (&json!("suppressed"), &json!("not_a_friend")));
        stand.set_friend(user(&order), true).await.expect("written");
        let reply = resend(stand, &order, false).await;
        assert_eq!((&reply.body["delivery"], &reply.body["attemptCount"]), (&json!("sent"), &json!(1)), "one request");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn force_overrides_a_belief_and_says_what_line_does_then() {
    story_alone(&[], async |stand| {
        let order = order_with(json!({}));
        stand.set_friend(user(&order), false).await.expect("written");
        stand.line.mark(user(&order), Person::Blocked);
        assert_eq!(stand.post(&order).await.body["delivery"], "suppressed");
        // Its retry is forced as well.
        stand.line.script(user(&order), [Behaviour::answer(500, "{}")]);
        let reply = resend(&stand, &order, true).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (202, &json!("retrying")), "{reply:?}");
        let told: Vec<_> =
            reply.body["attempts"].as_array().expect("attempts").iter().map(|one| &one["despite"]).collect();
        assert_eq!(told, [&Value::Null, &json!("not_a_friend")]);
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        let told: Vec<_> = record.attempts.iter().map(|one| one.despite).collect();
        assert_eq!(told, [None, Some(Reason::NotAFriend), Some(Reason::NotAFriend)]);
        assert!(stand.line.received_by(user(&order)).is_empty(), "LINE takes it, and does not deliver it");
        assert!(stand.line.profiles_asked(user(&order)).is_empty());

        // Not a switch.
        stand.set_switch(false).await.expect("written");
        assert_eq!(resend(&stand, &order, true).await.body["reason"], "switched_off");
    });
}

#[test]
fn what_expired_needs_force_and_what_nobody_retries_any_more_can_be_sent() {
    story(async |stand| {
        let expired = failed(stand).await;
        let changes = json!({ "state": "expired", "reason": "retry_key_expired", "may_have_reached_line": true });
        stand.change_record(id(&expired), changes).await.expect("written");
        assert_eq!(resend(stand, &expired, false).await.status, 409);
        assert_eq!(resend(stand, &expired, true).await.body["delivery"], "sent");

        // Its message in the queue was lost: nobody has been at it for long.
        let lost = failed(stand).await;
        let now = OffsetDateTime::now_utc().format(&Rfc3339).expect("a time");
        let changes = json!({ "state": "retrying", "reason": null, "due_at": now });
        stand.change_record(id(&lost), changes).await.expect("written");
        assert_eq!(resend(stand, &lost, false).await.status, 409, "it may still come back");
        stand.age_record(id(&lost), LONG_AGO).await.expect("written");
        assert_eq!(resend(stand, &lost, false).await.body["delivery"], "sent");
    });
}

#[test]
fn a_late_worker_of_the_former_generation_does_not_undo_the_new_one() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::Hold, refusal()]);
        let posting = posting(&stand, &order);
        stand.line.wait_until("the push is held", Duration::from_secs(20), |line| line.is_held(user(&order))).await;
        // As if its claim had ended long ago.
        stand.age_record(id(&order), LONG_AGO).await.expect("written");
        let reply = resend(&stand, &order, true).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("failed")), "{reply:?}");
        let _ = stand.line.release(user(&order), ReleaseAs::Accept);
        posting.await.expect("no panic");
        let record = record(&stand, &order).await;
        assert_eq!(
            (record.progress.generation(), record.progress.state(), record.resends.len()),
            (2, State::Failed, 1)
        );
    });
}
