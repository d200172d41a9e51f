//! What may come between a store and its table: a lost answer, a transaction in the way, an error.

use std::collections::BTreeSet;

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::{
        Behaviour, Endpoint,
        webhook_sender::{WebhookSender, event, message},
    },
    stand::{Stand, order_with, random_user},
};
use serde_json::{Value, json};
use shared::delivery::state::State;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{id, login, permissions::write_to_the_account, sources::production_sources, story_alone, user};

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

/// The conditions of every write so far.
fn conditions(stand: &Stand) -> BTreeSet<String> {
    fn collect(call: &Value, found: &mut BTreeSet<String>) {
        match call {
            Value::Object(fields) => {
                found.extend(fields.get("ConditionExpression").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| collect(field, found));
            }
            Value::Array(steps) => steps.iter().for_each(|step| collect(step, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for call in stand.aws.tap().calls() {
        collect(&serde_json::from_str(&call.body).unwrap_or_default(), &mut found);
    }
    found
}

/// The conditions that the sources of the stores name; `{..}` stands for anything.
fn conditions_in_the_sources() -> Vec<String> {
    let mut found = Vec::new();
    for (_, source) in production_sources() {
        let literals = source.split(".when(").skip(1).filter_map(|rest| rest.split('"').nth(1));
        found
            .extend(literals.map(|literal| literal.replace('\\', "").split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

fn is_an_instance(condition: &str, of: &str) -> bool {
    let mut rest = condition;
    of.split(['{', '}']).step_by(2).all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Everything is asked for that a store writes under a condition, and the answer to the first attempt of every write is
/// lost.
#[test]
fn every_store_knows_its_own_work_again() {
    const WRITES: [&str; 3] = ["dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.TransactWriteItems"];
    story_alone(&[("RetryDelaySeconds", "20")], async |stand| {
        let lost = WRITES.map(|write| stand.aws.tap().inject(Fault::LoseFirstAnswer, write, "", ALWAYS));
        let stand = &*stand;
        // A refused request for a token gives the lease back, and nobody asks for some seconds.
        stand.line.script(Endpoint::Token, [Behaviour::answer(400, "{}")]);
        let refused = order_with(json!({}));
        assert!(stand.post(&refused).await.status < 300, "sent now or later");
        stand.wait_for_record(id(&refused), "sent", |record| record.progress.state() == State::Sent).await;
        let orders = async {
            let order = order_with(json!({}));
            stand.enqueue(&order.to_string()).await.expect("queued");
            let record =
                stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
            assert_eq!((record.revision, record.attempts.len()), (2, 1));
            let body = json!({ "reason": "to see what is written", "force": true });
            let reply = stand.operate("POST", &format!("/orders/{}/resend", id(&order)), Some(body)).await;
            assert_eq!((reply.status, &reply.body["generation"]), (200, &json!(2)), "{reply:?}");
            assert_eq!(stand.line.received_by(user(&order)).len(), 2);
        };
        let mail = async {
            let report = json!({ "scheduledTime": "2026-09-09T01:00:00Z" });
            let answer = stand.invoke("DailyReportFunctionName", &report).await.expect("an answer");
            assert_eq!(answer["report"], "sent", "{answer}");
            // The quota is seen first, and then under another ceiling.
            for limit in [1_000_000, 2_000_000] {
                stand.line.set_quota(Some(limit));
                let answer = stand.invoke("QuotaWarningFunctionName", &report).await.expect("an answer");
                assert_eq!(answer, json!({ "warned": null }), "{limit}");
            }
        };
        let login = async {
            login::drive_line_login(stand).await;
            assert_eq!(stand.operate("DELETE", "/links/M-twice?reason=over", None).await.status, 200);
            let forgotten = stand.operate("DELETE", "/members/M-twice?reason=over", None).await;
            assert_eq!(forgotten.status, 200, "{forgotten:?}");
        };
        let inbox = async {
            write_to_the_account(stand).await;
            let unheard_of = event("aNewKindOfEvent", &random_user(), crate::now_ms(), json!({}));
            assert_eq!(WebhookSender::line(stand).deliver(&[unheard_of]).await.status, 200);
            stand.wait_for_an_empty_inbox().await;
        };
        let recovery = async {
            let filter = json!({ "from": "2026-09-01", "to": "2026-09-01", "state": "failed" });
            let mut body = json!({ "dryRun": false, "reason": "to see what is written" });
            body.as_object_mut().expect("an object").extend(filter.as_object().expect("an object").clone());
            assert_eq!(stand.operate("POST", "/deliveries/recover", Some(body)).await.status, 202);
        };
        tokio::join!(orders, mail, login, inbox, recovery);
        assert!(lost.iter().all(|lost| lost.hits() > 0), "{lost:?}");
        let unknown_events = stand.aws.logs("inbox").matches(r#""UnknownEvent":1"#).count();
        assert_eq!(unknown_events, 1, "an item whose first answer was lost is new all the same");
        let errors = complaints(stand).into_iter().filter_map(|line| line["error"].as_str().map(str::to_owned));
        assert_eq!(errors.collect::<Vec<_>>(), ["LINE answered 400: {}"], "the code that it refused");
        let (seen, sources) = (conditions(stand), conditions_in_the_sources());
        assert!(sources.len() > 10, "{sources:?}");
        let unseen =
            sources.into_iter().filter(|source| !seen.iter().any(|condition| is_an_instance(condition, source)));
        assert_eq!(
            unseen.collect::<Vec<_>>(),
            [] as [String; 0],
            "no part of this story writes under these conditions"
        );
    });
}

#[test]
fn a_write_that_a_transaction_is_in_the_way_of_is_made_after_it() {
    // Alone: its faults are of every record's write.
    story_alone(&[], async |stand| {
        let tap = stand.aws.tap();
        let order = order_with(json!({}));
        let conflict = Fault::Error(400, "TransactionConflictException");
        let outcome = tap.inject(conflict, "dynamodb.PutItem", "revision = :read", 1);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.record(id(&order)).await.expect("a record").progress.state(), State::Sent);

        let resend = tap.inject(CONFLICT, "dynamodb.TransactWriteItems", id(&order), 1);
        let body = json!({ "reason": "two at a time", "force": true });
        let reply = stand.operate("POST", &format!("/orders/{}/resend", id(&order)), Some(body)).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{reply:?}");

        let user = random_user();
        let stored = tap.inject(CONFLICT, "dynamodb.TransactWriteItems", &user, 1);
        let text = message(&user, crate::now_ms(), json!({ "type": "text", "text": "hello" }));
        assert_eq!(WebhookSender::line(&stand).deliver(&[text]).await.status, 200);
        stand.wait_for_events(&user, "stored", |events| events.len() == 1).await;
        assert_eq!((outcome.hits(), resend.hits(), stored.hits()), (1, 1, 1));
        let taken_for_failures =
            complaints(&stand).into_iter().filter(|line| line.to_string().contains("TransactionC"));
        assert_eq!(taken_for_failures.collect::<Vec<_>>(), [] as [Value; 0]);
    });
}

#[test]
fn an_error_that_the_caller_need_not_hear_of_is_logged() {
    // Alone: its faults are of every record's write.
    story_alone(&[], async |stand| {
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let logged = || {
            let about = |line: &Value| line["order.id"] == id(&order);
            let errors = complaints(&stand).into_iter().filter(about).map(|line| line["error"].to_string());
            errors.filter(|error| error.contains("InternalServerError")).count()
        };
        // The order is safe, so the queue's answer to the repeated call changes nothing.
        let queue = stand.aws.tap().inject(Fault::INTERNAL, "sqs.SendMessage", id(&order), ALWAYS);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(logged(), 1);
        drop(queue);

        // Left pending by a crash, and nobody can take it: the queue's message will.
        let now = OffsetDateTime::now_utc().format(&Rfc3339).expect("a time");
        let pending = json!({ "state": "pending", "due_at": now });
        stand.change_record(id(&order), pending).await.expect("written");
        let _table = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.PutItem", "revision = :read", ALWAYS);
        assert_eq!(stand.post(&order).await.body["delivery"], "retrying");
        assert_eq!(logged(), 2);
    });
}
