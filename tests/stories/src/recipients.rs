//! Whom an order reaches: members, friends, and those who are neither.

use local_stand::{
    line::Behaviour,
    stand::{order_with, random_user},
};
use serde_json::json;
use shared::delivery::record::{Reason, State};

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
        stand.line.script(&first, [Behaviour::AcceptThenHangUp]);
        let order = order_with(json!({ "recipient": { "memberId": member } }));
        assert_eq!(stand.post(&order).await.status, 202);
        stand.link(&member, &second).await.expect("written");
        stand.wait_for_record(id(&order), "sent", |record| record.state == State::Sent).await;
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
        assert_eq!((record.state, record.reason), (State::Failed, Some(Reason::NotLinked)));
        assert_eq!(stand.post(&order).await.body["reason"], "not_linked");
        // From the queue alone it comes to the same.
        let order = order_with(json!({ "recipient": { "memberId": "nobody" } }));
        stand.enqueue(&order.to_string()).await.expect("queued");
        stand.wait_for_record(id(&order), "failed", |record| record.reason == Some(Reason::NotLinked)).await;
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
        let suppressed =
            stand.wait_for_record(id(&order), "suppressed", |record| record.state == State::Suppressed).await;
        assert_eq!(suppressed.reason, Some(Reason::NotAFriend));
        assert_eq!(stand.line.pushes_to(user(&order)).len(), 1);
    });
}
