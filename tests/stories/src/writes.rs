//! What may come between a store and its table: a lost answer, a transaction in the way, an error.

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::webhook_sender::{WebhookSender, message},
    stand::{Stand, order_with, random_user},
};
use serde_json::{Value, json};
use shared::delivery::record::State;

use crate::{id, story};

/// How DynamoDB refuses a transaction while another is at one of its items.
const CONFLICT: Fault = Fault::Answer(
    400,
    r#"{"__type":"TransactionCanceledException","Message":"Transaction cancelled, please refer cancellation reasons",
        "CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"Transaction is ongoing"}]}"#,
    "",
);

/// The lines of all logs of this level and above.
fn complaints(stand: &Stand) -> Vec<Value> {
    let logs = stand.aws.all_logs();
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["level"] == "WARN" || line["level"] == "ERROR").collect()
}

#[test]
fn a_write_that_a_transaction_is_in_the_way_of_is_made_after_it() {
    story(async |stand| {
        let tap = stand.aws.tap();
        let order = order_with(json!({}));
        let conflict = Fault::Error(400, "TransactionConflictException");
        let outcome = tap.inject(conflict, "dynamodb.PutItem", "revision = :read", 1);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.record(id(&order)).await.expect("a record").state, State::Sent);

        let resend = tap.inject(CONFLICT, "dynamodb.TransactWriteItems", id(&order), 1);
        let body = json!({ "reason": "two at a time", "force": true });
        let reply = stand.operate("POST", &format!("/orders/{}/resend", id(&order)), Some(body)).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{reply:?}");

        let user = random_user();
        let stored = tap.inject(CONFLICT, "dynamodb.TransactWriteItems", &user, 1);
        let text = message(&user, 1_462_629_479_859, json!({ "type": "text", "text": "hello" }));
        assert_eq!(WebhookSender::line(stand).deliver(&[text]).await.status, 200);
        stand.wait_for_events(&user, "stored", |events| events.len() == 1).await;
        assert_eq!((outcome.hits(), resend.hits(), stored.hits()), (1, 1, 1));
        let taken_for_failures = complaints(stand).into_iter().filter(|line| line.to_string().contains("TransactionC"));
        assert_eq!(taken_for_failures.collect::<Vec<_>>(), [] as [Value; 0]);
    });
}

#[test]
fn an_error_that_the_caller_need_not_hear_of_is_logged() {
    story(async |stand| {
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let logged = || {
            let about = |line: &Value| line["order.id"] == id(&order);
            let errors = complaints(stand).into_iter().filter(about).map(|line| line["error"].to_string());
            errors.filter(|error| error.contains("InternalServerError")).count()
        };
        // The order is safe, so the queue's answer to the repeated call changes nothing.
        let queue = stand.aws.tap().inject(Fault::INTERNAL, "sqs.SendMessage", id(&order), ALWAYS);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(logged(), 1);
        drop(queue);

        // Left pending by a crash, and nobody can take it: the queue's message will.
        let mut record = stand.record(id(&order)).await.expect("a record");
        record.settle(State::Pending, None);
        stand.put_record(&record).await.expect("written");
        let _table = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.PutItem", "revision = :read", ALWAYS);
        assert_eq!(stand.post(&order).await.body["delivery"], "retrying");
        assert_eq!(logged(), 2);
    });
}
