//! Whom an order reaches: members, friends, and those who are neither.

use local_stand::{
    aws::tap::Fault,
    line::{Behaviour, LineStandIn, Person, Target},
    stand::{Stand, order_with, random_user},
};
use serde_json::{Value, json};
use shared::{
    customer::friend::Source,
    delivery::state::{Reason, State},
};
use time::Duration;

use crate::{id, story, user};

#[test]
fn an_order_to_a_linked_member_reaches_the_line_user() {
    story(async |stand| {
        let line_user = random_user();
        let member = format!("M-{}", &line_user[1..]);
        stand.link(&member, &line_user).await.expect("written");
        let order = order_with(json!({ "recipient": { "memberId": member } }));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.line.received_by(&line_user).len(), 1);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.line.pushes_to(&line_user).len(), 1);
        // The same order to somebody else is another order.
        let other = order_with(json!({ "orderId": id(&order) }));
        assert_eq!(stand.post(&other).await.status, 409);
    });
}

#[test]
fn a_retry_goes_where_the_first_push_went() {
    story(async |stand| {
        let (first, second) = (random_user(), random_user());
        let member = format!("M-{}", &first[1..]);
        stand.link(&member, &first).await.expect("written");
        stand.line.script(&first, vec![Behaviour::HangUpBeforeAccepting; 2]);
        let order = order_with(json!({ "recipient": { "memberId": member } }));
        assert_eq!(stand.post(&order).await.status, 202);
        stand.link(&member, &second).await.expect("written");
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!((stand.line.received_by(&first).len(), stand.line.received_by(&second).len()), (1, 0));
    });
}

#[test]
fn an_order_to_an_unknown_member_fails_visibly() {
    story(async |stand| {
        let order = order_with(json!({ "recipient": { "memberId": "nobody" } }));
        let reply = stand.post(&order).await;
        assert_eq!(
            (reply.status, &reply.body["delivery"], &reply.body["reason"]),
            (200, &json!("failed"), &json!("not_linked"))
        );
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!((record.progress.state(), record.progress.reason()), (State::Failed, Some(Reason::NotLinked)));
        assert_eq!(stand.post(&order).await.body["reason"], "not_linked");
        // From the queue alone it comes to the same.
        let order = order_with(json!({ "recipient": { "memberId": "nobody" } }));
        stand.enqueue(&order.to_string()).await.expect("queued");
        stand.wait_for_record(id(&order), "failed", |record| record.progress.reason() == Some(Reason::NotLinked)).await;
    });
}

#[test]
fn a_user_who_is_known_not_to_be_a_friend_is_not_pushed_to() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.set_friend(user(&order), false).await.expect("written");
        let reply = stand.post(&order).await;
        assert_eq!(
            (reply.status, &reply.body["delivery"], &reply.body["reason"]),
            (200, &json!("suppressed"), &json!("not_a_friend"))
        );
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        assert!(stand.line.profiles_asked(user(&order)).is_empty(), "what was told just now is obeyed unasked");

        let order = order_with(json!({}));
        stand.set_friend(user(&order), true).await.expect("written");
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
    });
}

#[test]
fn a_user_who_leaves_between_two_attempts_gets_no_second_one() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::answer(500, "")]);
        assert_eq!(stand.post(&order).await.status, 202);
        stand.set_friend(user(&order), false).await.expect("written");
        let suppressed = stand
            .wait_for_record(id(&order), "suppressed", |record| record.progress.state() == State::Suppressed)
            .await;
        assert_eq!(suppressed.progress.reason(), Some(Reason::NotAFriend));
        assert_eq!(stand.line.pushes_to(user(&order)).len(), 1);
    });
}

/// An order to somebody who was called no friend so long ago.
async fn to_no_friend(stand: &Stand, age: Duration, source: Source) -> Value {
    let order = order_with(json!({}));
    stand.believe(user(&order), false, age, source).await.expect("written");
    order
}

const OLD: Duration = Duration::minutes(61);

#[test]
fn a_lost_follow_mutes_nobody_for_ever() {
    story(async |stand| {
        let order = to_no_friend(stand, OLD, Source::LineEvent).await;
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
        assert_eq!(stand.friend_state(user(&order)).await, Some((true, "profile".to_owned())));
        let next = order_with(json!({ "recipient": { "lineUserId": user(&order) } }));
        assert_eq!(stand.post(&next).await.body["delivery"], "sent");
        assert_eq!(stand.line.profiles_asked(user(&order)).len(), 1, "a friend is not asked about");
    });
}

#[test]
fn who_still_is_no_friend_is_asked_about_once_an_hour() {
    story(async |stand| {
        let order = to_no_friend(stand, OLD, Source::ConfirmedEvent).await;
        stand.line.mark(user(&order), Person::Blocked);
        let next = order_with(json!({ "recipient": { "lineUserId": user(&order) } }));
        for order in [&order, &next] {
            let reply = stand.post(order).await;
            assert_eq!(
                (&reply.body["delivery"], &reply.body["reason"]),
                (&json!("suppressed"), &json!("not_a_friend"))
            );
        }
        assert_eq!(stand.line.profiles_asked(user(&order)).len(), 1);
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        assert_eq!(stand.friend_state(user(&order)).await, Some((false, "profile".to_owned())));
    });
}

#[test]
fn what_a_login_told_is_asked_about_at_once() {
    story(async |stand| {
        let order = to_no_friend(stand, Duration::ZERO, Source::Login).await;
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.line.profiles_asked(user(&order)).len(), 1);
    });
}

#[test]
fn while_line_does_not_tell_who_is_a_friend_the_order_waits() {
    story(async |stand| {
        let order = to_no_friend(stand, OLD, Source::LineEvent).await;
        stand.line.script(Target::Profile(user(&order).to_owned()), [Behaviour::answer(500, "")]);
        let reply = stand.post(&order).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (202, &json!("retrying")), "{reply:?}");
        assert_eq!(stand.friend_state(user(&order)).await, Some((false, "line_event".to_owned())));
        let sent = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!((sent.attempts.len(), sent.progress.attempt_count()), (2, 1), "LINE was pushed to once");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
        let said = sent.attempts[0].error.as_deref().expect("why it waited");
        assert!(said.starts_with("whether the user is a friend: "), "{said}");
    });
}

#[test]
fn an_answer_that_cannot_be_kept_is_obeyed_and_a_newer_event_outlives_it() {
    story(async |stand| {
        let order = to_no_friend(stand, OLD, Source::LineEvent).await;
        let fault = stand.aws.tap().inject(
            Fault::Error(400, "ConditionalCheckFailedException"),
            "dynamodb.PutItem",
            "\"profile\"",
            1,
        );
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(fault.hits(), 1);
        assert_eq!(stand.friend_state(user(&order)).await, Some((false, "line_event".to_owned())));

        // The customer left while LINE was asked.
        let order = to_no_friend(stand, OLD, Source::LineEvent).await;
        let slow = Behaviour::Delay(std::time::Duration::from_millis(700));
        stand.line.script(Target::Profile(user(&order).to_owned()), [slow]);
        let leaves = async {
            let limit = std::time::Duration::from_secs(20);
            let asked = |line: &LineStandIn| !line.profiles_asked(user(&order)).is_empty();
            stand.line.wait_until("LINE is asked", limit, asked).await;
            stand.set_friend(user(&order), false).await.expect("written");
        };
        let (reply, ()) = tokio::join!(stand.post(&order), leaves);
        assert_eq!(reply.body["delivery"], "sent");
        assert_eq!(stand.friend_state(user(&order)).await, Some((false, "line_event".to_owned())));
    });
}
