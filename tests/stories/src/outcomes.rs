//! Every row of the table of LINE's answers (`shared/src/delivery/verdict.rs`), each with what the customer got.

use std::time::Duration;

use local_stand::{
    line::{Behaviour, Person},
    stand::{Reply, Stand, order_with},
};
use serde_json::{Value, json};
use shared::delivery::{
    record::DeliveryRecord,
    state::{Reason, State},
};

use crate::{id, story, story_alone, user};

/// Posts an order to a user for whom LINE behaves like this, once.
async fn first(stand: &Stand, behaviour: Behaviour) -> (Value, Reply) {
    let order = order_with(json!({}));
    stand.line.script(user(&order), [behaviour]);
    let reply = stand.post(&order).await;
    (order, reply)
}

/// The first attempt is answered `retrying`, the second one settles it: one message, byte for byte the same request.
async fn is_retried_once(stand: &Stand, behaviour: Behaviour) -> DeliveryRecord {
    let (order, reply) = first(stand, behaviour).await;
    assert_eq!((reply.status, &reply.body["delivery"]), (202, &json!("retrying")), "{}", reply.body);
    // The same call meanwhile pushes nothing.
    assert_eq!(stand.post(&order).await.status, 202);
    let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
    assert_eq!(stand.line.received_by(user(&order)).len(), 1, "one message");
    let pushes = stand.line.pushes_to(user(&order));
    assert_eq!(pushes.len(), 2);
    assert_eq!(pushes[0].retry_key(), pushes[1].retry_key());
    assert!(pushes[0].retry_key().is_some() && pushes[0].body == pushes[1].body);
    let gap = pushes[1].at - pushes[0].at;
    assert!(gap > Duration::from_secs(5), "the retry came after {gap:?}");
    assert_eq!(stand.post(&order).await.body["delivery"], "sent");
    record
}

async fn is_final(stand: &Stand, behaviour: Behaviour, reason: &str) -> DeliveryRecord {
    let (order, reply) = first(stand, behaviour).await;
    assert_eq!((reply.status, &reply.body["delivery"], &reply.body["reason"]), (200, &json!("failed"), &json!(reason)));
    assert!(stand.line.received_by(user(&order)).is_empty());
    assert_eq!(stand.post(&order).await.body["delivery"], "failed");
    assert_eq!(stand.line.pushes_to(user(&order)).len(), 1);
    stand.record(id(&order)).await.expect("a record")
}

#[test]
fn accepted_is_sent_even_with_an_empty_answer() {
    story(async |stand| {
        let body = "{}".to_owned();
        let (order, reply) = first(stand, Behaviour::AcceptThenAnswer { status: 200, body }).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")));
        assert_eq!(stand.record(id(&order)).await.expect("a record").line_message_id, None);
    });
}

#[test]
fn accepted_and_the_connection_drops_is_one_message() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::AcceptThenHangUp]);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!((record.attempts.len(), record.attempts[0].line_status), (1, Some(409)), "asked again at once");
        let accepted =
            stand.line.received_by(record.line_user_id.as_deref().expect("a recipient")).remove(0).request_id;
        assert_eq!(record.line_accepted_request_id, Some(accepted));
        assert!(record.line_message_id.is_some(), "a 409 tells the message's id");
    });
}

#[test]
fn accepted_and_answered_too_late_is_one_message() {
    story(async |stand| {
        let record = is_retried_once(stand, Behaviour::AcceptThenDelay(Duration::from_secs(30))).await;
        assert_eq!(record.attempts[0].error.as_deref(), Some("time-out"));
        assert_eq!(record.attempts[1].line_status, Some(409));
    });
}

#[test]
fn accepted_and_answered_500_is_one_message() {
    story(async |stand| {
        let body = r#"{"message":"Internal server error"}"#.to_owned();
        let record = is_retried_once(stand, Behaviour::AcceptThenAnswer { status: 500, body }).await;
        assert_eq!((record.attempts[0].line_status, record.attempts[1].line_status), (Some(500), Some(409)));
    });
}

#[test]
fn a_server_error_is_retried() {
    story(async |stand| {
        let (bad_gateway, unavailable) = (Behaviour::answer(502, "<html>"), Behaviour::answer(503, ""));
        let (one, two) = tokio::join!(is_retried_once(stand, bad_gateway), is_retried_once(stand, unavailable));
        assert_eq!((one.attempts[0].line_status, two.attempts[0].line_status), (Some(502), Some(503)));
        assert_eq!(one.attempts[1].line_status, Some(200));
    });
}

#[test]
fn a_connection_that_breaks_is_asked_again_at_once_and_one_that_breaks_twice_is_retried() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::HangUpBeforeAccepting]);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let [first, second] = &stand.line.pushes_to(user(&order))[..] else { panic!("two requests") };
        assert_eq!((first.retry_key(), &first.body), (second.retry_key(), &second.body));

        let order = order_with(json!({}));
        stand.line.script(user(&order), vec![Behaviour::HangUpBeforeAccepting; 2]);
        assert_eq!(stand.post(&order).await.status, 202);
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(record.attempts[0].error.as_deref(), Some("connection lost"));
        assert_eq!((record.attempts.len(), record.progress.attempt_count()), (2, 3));
    });
}

#[test]
fn a_line_that_cannot_be_reached_leaves_no_doubt_and_a_new_key_is_allowed() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.body["delivery"], "sent");
        stand.line.go_offline().await;
        let [redriven, resent] = [(); 2].map(|()| order_with(json!({})));
        for order in [&redriven, &resent] {
            let reply = stand.post(order).await;
            assert_eq!((reply.status, &reply.body["mayHaveReachedLine"]), (202, &json!(false)), "{}", reply.body);
            let record = stand.record(id(order)).await.expect("a record");
            assert_eq!(record.attempts[0].error.as_deref(), Some("no connection"));
            assert_eq!(record.progress.attempt_count(), 0, "no request went out");
        }
        for order in [&redriven, &resent] {
            stand.wait_for_record(id(order), "exhausted", |record| record.progress.is_exhausted()).await;
            crate::dead_letters::wait_for_letter(&stand, "push-retry", id(order)).await;
            stand.age_record(id(order), time::Duration::hours(25)).await.expect("written");
        }
        stand.line.come_online().await.expect("online");
        let resend = format!("/orders/{}/resend", id(&resent));
        let reply = stand.operate("POST", &resend, Some(json!({ "reason": "LINE is back" }))).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "without force: {reply:?}");
        assert_eq!(crate::dead_letters::redrive(&stand, "push-retry").await.status, 202);
        let record =
            stand.wait_for_record(id(&redriven), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(record.progress.generation(), 2, "the old key is replaced");
        for order in [&redriven, &resent] {
            assert_eq!(stand.line.received_by(user(order)).len(), 1);
        }
    });
}

#[test]
fn the_rate_limit_is_retried_without_asking_for_the_quota() {
    story(async |stand| {
        let record = is_retried_once(stand, Behaviour::RateLimited).await;
        assert_eq!(record.attempts[0].line_status, Some(429));
    });
}

#[test]
fn a_refused_token_is_renewed_once_and_the_push_made_at_once() {
    story_alone(&[], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        crate::tokens::make_the_token_old(&stand).await;
        let issued = stand.line.tokens_issued();
        stand.line.revoke_all_tokens();
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let pushes = stand.line.pushes_to(user(&order));
        assert_eq!(pushes.iter().map(|push| push.status()).collect::<Vec<_>>(), [Some(401), Some(200)]);
        assert_eq!(pushes[0].retry_key(), pushes[1].retry_key());
        assert_eq!(stand.line.tokens_issued(), issued + 1);
        // A token that is new and refused is not replaced again: the queue has time, the 30 tokens have not.
        let refused = order_with(json!({}));
        stand.line.script(user(&refused), [Behaviour::Unauthorized]);
        assert_eq!(stand.post(&refused).await.status, 202);
        stand.wait_for_record(id(&refused), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(stand.line.tokens_issued(), issued + 1);
        assert_eq!(stand.line.received_by(user(&refused)).len(), 1);
    });
}

#[test]
fn the_monthly_limit_is_believed_only_when_the_figures_say_so() {
    story_alone(&[], async |stand| {
        // LINE reserves messages for a narrowcast: the text says exhausted, the figures do not.
        stand.line.set_quota(Some(1000));
        let record = is_retried_once(&stand, Behaviour::MonthlyLimit).await;
        assert_eq!(record.attempts[0].line_status, Some(429));

        stand.line.set_quota(Some(stand.line.usage()));
        let order = order_with(json!({}));
        let reply = stand.post(&order).await;
        assert_eq!(
            (reply.status, &reply.body["delivery"], &reply.body["reason"]),
            (200, &json!("failed"), &json!("quota_exhausted"))
        );
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!((record.progress.state(), record.progress.reason()), (State::Failed, Some(Reason::QuotaExhausted)));

        // Another text with the same meaning.
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::answer(429, r#"{"message":"new words"}"#)]);
        assert_eq!(stand.post(&order).await.body["reason"], "quota_exhausted");

        // Where even the figures cannot be had, nothing is final. Who warns of the quota asks for them meanwhile, too.
        let order = order_with(json!({}));
        stand.line.script(local_stand::line::Endpoint::Quota, vec![Behaviour::answer(500, ""); 20]);
        assert_eq!(stand.post(&order).await.status, 202);
    });
}

#[test]
fn an_unknown_recipient_is_final_and_lines_words_are_kept() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.mark(user(&order), Person::Unknown);
        let reply = stand.post(&order).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("failed")));
        assert_eq!(reply.body["reason"], "refused_by_line");
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!(record.last_error.as_deref(), Some("Failed to send messages"));
        assert_eq!(record.attempts[0].line_status, Some(400));
    });
}

#[test]
fn any_other_client_error_is_final() {
    story(async |stand| {
        for status in [403, 404, 413, 415] {
            let body = r#"{"message":"Access to this API is not available for your account"}"#;
            let record = is_final(stand, Behaviour::answer(status, body), "refused_by_line").await;
            assert_eq!(record.attempts[0].line_status, Some(status));
        }
        let long = json!({ "message": "x".repeat(5000) }).to_string();
        let record = is_final(stand, Behaviour::answer(400, long), "refused_by_line").await;
        assert_eq!(record.last_error.map(|error| error.len()), Some(500));
    });
}

#[test]
fn a_redirect_is_not_followed() {
    story(async |stand| {
        let elsewhere = Behaviour::Answer {
            status: 307,
            body: String::new(),
            headers: vec![("location".to_owned(), format!("{}/elsewhere", stand.line.base_url()))],
        };
        let record = is_retried_once(stand, elsewhere).await;
        assert_eq!(record.attempts[0].line_status, Some(307));
        assert!(stand.line.requests().iter().all(|request| request.path != "/elsewhere"));
    });
}

#[test]
fn a_user_who_blocked_the_account_looks_sent() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.mark(user(&order), Person::Blocked);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent", "LINE does not tell");
        assert!(stand.line.received_by(user(&order)).is_empty());
    });
}
