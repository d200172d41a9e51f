//! What failed for good, and the way back.

use std::{collections::HashSet, time::Duration};

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::Behaviour,
    stand::{Reply, Stand, order_with},
};
use serde_json::{Value, json};
use shared::{
    delivery::state::{Reason, State},
    lambda::problem_code::ProblemCode,
};
use time::OffsetDateTime;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{id, story, story_alone, story_on_an_idle_machine, user};

async fn list(stand: &Stand, query: &str) -> Value {
    let reply = stand.operate("GET", &format!("/dead-letters{query}"), None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

/// Redrives a queue's dead letters.
pub async fn redrive(stand: &Stand, queue: &str) -> Reply {
    let body = json!({ "queue": queue, "reason": "LINE is well again" });
    stand.operate("POST", "/dead-letters/redrive", Some(body)).await
}

async fn discard(stand: &Stand, id: &str) -> Reply {
    stand.operate("DELETE", &format!("/dead-letters/{id}?reason=not%20needed"), None).await
}

/// [`discard`]; again where nothing is found: another story may be looking at this queue, and hide what is in it.
async fn discard_what_is_there(stand: &Stand, id: &str) -> Reply {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = discard(stand, id).await;
        if reply.status != 404 || Instant::now() > deadline {
            return reply;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

fn letters(body: &Value) -> &Vec<Value> {
    body["deadLetters"].as_array().expect("dead letters")
}

/// Waits until a dead letter contains `needle`; returns it as it is listed.
pub async fn wait_for_letter(stand: &Stand, queue: &str, needle: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let body = list(stand, &format!("?queue={queue}&limit=100")).await;
        let found = letters(&body).iter().find(|one| one["body"].as_str().is_some_and(|text| text.contains(needle)));
        if let Some(letter) = found {
            return letter.clone();
        }
        assert!(Instant::now() < deadline, "no dead letter about {needle}");
        sleep(Duration::from_millis(500)).await;
    }
}

/// Puts a message into a dead-letter queue.
async fn put(stand: &Stand, output: &str, body: &str) {
    stand.sqs.send_message().queue_url(stand.aws.output(output)).message_body(body).send().await.expect("put");
}

fn counts(body: &Value, queue: &str) -> (u64, u64) {
    let queues = body["queues"].as_array().expect("queues");
    let found = queues.iter().find(|one| one["queue"] == queue).expect("the queue");
    (found["visible"].as_u64().expect("a count"), found["notVisible"].as_u64().expect("a count"))
}

#[test]
fn the_queues_are_listed_page_by_page_and_looking_changes_nothing() {
    story_alone(&[], async |stand| {
        let mut all = HashSet::new();
        for number in 0..23 {
            let order = order_with(json!({}));
            put(&stand, "PushRetryDeadLetterQueueUrl", &order.to_string()).await;
            all.insert(id(&order).to_owned());
            if number < 3 {
                put(&stand, "InboxDeadLetterQueueUrl", &format!("not an event {number}")).await;
            }
        }
        put(&stand, "DailyReportDeadLetterQueueUrl", &"字".repeat(5000)).await;
        let counted = list(&stand, "?limit=0").await;
        assert_eq!((counts(&counted, "push-retry").0, letters(&counted).len()), (23, 0), "counted");
        for _ in 0..2 {
            let (mut pages, mut cursor) = (Vec::new(), String::new());
            loop {
                let body = list(&stand, &format!("?limit=10{cursor}")).await;
                assert_eq!((counts(&body, "push-retry").0, counts(&body, "inbox").0), (23, 3), "{:?}", body["queues"]);
                pages.push(letters(&body).clone());
                match body["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 7]);
            let listed = pages.concat();
            let orders: HashSet<_> =
                listed.iter().filter_map(|one| one["orderId"].as_str().map(str::to_owned)).collect();
            assert_eq!(orders, all, "each once");
            let report = listed.iter().find(|one| one["queue"] == "daily-report").expect("the report's");
            assert_eq!(report["body"].as_str().expect("a text").chars().count(), 4096);
        }
        let only = list(&stand, "?queue=inbox").await;
        assert!(letters(&only).len() == 3 && only["next"].is_null());
        assert_eq!(letters(&list(&stand, "?queue=quota-warning").await).len(), 0);
    });
}

#[test]
fn a_discarded_order_has_failed_and_can_be_sent_again() {
    story(async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), vec![Behaviour::RateLimited; 4]);
        assert_eq!(stand.post(&order).await.status, 202);
        let letter = wait_for_letter(stand, "push-retry", id(&order)).await;
        assert_eq!((&letter["orderId"], &letter["queue"]), (&json!(id(&order)), &json!("push-retry")));
        let letter = letter["id"].as_str().expect("an id");
        let reply = discard_what_is_there(stand, letter).await;
        let told = json!({ "id": letter, "orderId": id(&order), "delivery": "failed" });
        assert_eq!((reply.status, &reply.body), (200, &told));
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!((record.progress.state(), record.progress.reason()), (State::Failed, Some(Reason::Discarded)));
        assert_eq!(stand.post(&order).await.body["reason"], "discarded", "the order system is told");
        discard(stand, letter).await.assert_problem(ProblemCode::NoSuchDeadLetter);
        // A busy machine may have let an attempt run out of time, and then LINE may have it.
        let body = json!({ "reason": "after all", "force": true });
        let reply = stand.operate("POST", &format!("/orders/{}/resend", id(&order)), Some(body)).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{reply:?}");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
        let audit = stand.operate("GET", "/audit?kind=discard&limit=100", None).await.body;
        let entry = audit["entries"].as_array().expect("entries").iter().find(|one| one["subject"] == letter);
        let entry = entry.expect("an entry");
        assert_eq!((&entry["reason"], &entry["detail"]["orderId"]), (&json!("not needed"), &json!(id(&order))));
    });
}

#[test]
fn a_dead_letter_that_is_a_copy_or_garbage_is_discarded_and_no_order_is_touched() {
    story(async |stand| {
        let exhausted = order_with(json!({}));
        stand.line.script(user(&exhausted), vec![Behaviour::RateLimited; 4]);
        assert_eq!(stand.post(&exhausted).await.status, 202);
        wait_for_letter(stand, "push-retry", id(&exhausted)).await;
        let other = order_with(json!({ "orderId": id(&exhausted) }));
        // Copies of other bells, and of another order under its id.
        let copy = |order: &Value, note: &str| {
            let mut copy = order.clone();
            copy["bell"] = json!({ "name": "00000000-0000-4000-8000-000000000000", "sentAt": "2126-01-01T00:00:00Z" });
            copy["note"] = json!(note);
            copy.to_string()
        };
        let garbage = format!("{{not an order {}", user(&other));
        for body in [copy(&exhausted, "a copy of it"), copy(&other, "another of its id"), garbage.clone()] {
            put(stand, "PushRetryDeadLetterQueueUrl", &body).await;
        }
        for (needle, is) in
            [("a copy of it", json!("left_over")), ("another of its id", json!("left_over")), (&garbage, Value::Null)]
        {
            let letter = wait_for_letter(stand, "push-retry", needle).await;
            assert_eq!(letter["letter"], is, "{needle}");
            let reply = discard_what_is_there(stand, letter["id"].as_str().expect("an id")).await;
            assert_eq!(reply.status, 200, "{needle}: {reply:?}");
        }
        let record = stand.record(id(&exhausted)).await.expect("a record");
        assert!(record.progress.is_exhausted(), "{:?}", record.progress);
        for id in ["push-retry.nothing", "inbox", "everything.1", "..%2F..", "push-retry."] {
            let reply = discard(stand, id).await;
            assert!(matches!(reply.status, 400 | 404), "{id}: {reply:?}");
        }
    });
}

#[test]
fn a_discard_that_fails_half_way_is_repeated() {
    story(async |stand| {
        let marker = format!("garbage {}", local_stand::stand::random_user());
        put(stand, "QuotaWarningDeadLetterQueueUrl", &marker).await;
        let letter = wait_for_letter(stand, "quota-warning", &marker).await;
        let letter = letter["id"].as_str().expect("an id");
        let queue = stand.aws.output("QuotaWarningDeadLetterQueueUrl");
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "sqs.DeleteMessage", queue, 4);
        assert_eq!(discard(stand, letter).await.status, 503);
        assert!(fault.hits() > 0);
        drop(fault);
        assert_eq!(discard_what_is_there(stand, letter).await.status, 200, "visible again, and found");
    });
}

#[test]
fn redriven_orders_arrive_once_and_an_old_doubtful_key_is_never_used_again() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        let [refused, doubtful, young] = [(); 3].map(|()| order_with(json!({})));
        stand.line.script(user(&refused), vec![Behaviour::RateLimited; 2]);
        // A connection that breaks is asked again at once: two requests an attempt.
        for order in [&doubtful, &young] {
            stand.line.script(user(order), [Behaviour::AcceptThenHangUp]);
            stand.line.script(user(order), vec![Behaviour::HangUpBeforeAccepting; 3]);
        }
        for order in [&refused, &doubtful, &young] {
            assert_eq!(stand.post(order).await.status, 202);
        }
        for order in [&refused, &doubtful, &young] {
            wait_for_letter(&stand, "push-retry", id(order)).await;
        }
        // A day later, for two of them.
        let day = time::Duration::hours(25);
        for order in [&refused, &doubtful] {
            stand.age_record(id(order), day).await.expect("written");
        }
        let reply = redrive(&stand, "push-retry").await;
        assert_eq!((reply.status, &reply.body["redrive"], &reply.body["moved"]), (202, &json!("moved"), &json!(3)));
        let wait = async |order, state| {
            stand.wait_for_record(id(order), "settled", |record| record.progress.state() == state).await
        };
        assert_eq!(
            wait(&refused, State::Sent).await.progress.generation(),
            2,
            "LINE certainly had none of its requests"
        );
        assert_eq!(wait(&doubtful, State::Expired).await.progress.generation(), 1);
        assert_eq!(wait(&young, State::Sent).await.progress.generation(), 1);
        for order in [&refused, &doubtful, &young] {
            assert_eq!(stand.line.received_by(user(order)).len(), 1);
        }
        assert_eq!(letters(&list(&stand, "").await).len(), 0);
        assert_eq!(redrive(&stand, "push-retry").await.body["moved"], 0, "of an empty queue");
        let reply = redrive(&stand, "daily-report").await;
        reply.assert_problem(ProblemCode::ReportNotRedriven);
        assert_eq!(reply.body["queue"], "daily-report");
        let reply = stand.operate("POST", "/dead-letters/redrive", Some(json!({ "queue": "all" }))).await;
        assert_eq!((reply.status, reply.body["errors"].as_array().map(Vec::len)), (400, Some(2)), "{reply:?}");
    });
}

#[test]
fn where_sqs_moves_messages_itself_it_is_left_to_do_so() {
    const RUNNING: &str = r#"{"Results":[{"TaskHandle":"t","Status":"RUNNING","StartedTimestamp":1757000000000,
        "SourceArn":"arn:aws:sqs:region:1:q","ApproximateNumberOfMessagesMoved":3,
        "ApproximateNumberOfMessagesToMove":5}]}"#;
    const COMPLETED: &str = r#"{"Results":[{"Status":"COMPLETED","StartedTimestamp":1757000000000,
        "SourceArn":"arn:aws:sqs:region:1:q","ApproximateNumberOfMessagesMoved":5}]}"#;
    const ACTIVE: &str = r#"{"__type":"com.amazonaws.sqs#UnsupportedOperation",
        "message":"There is already a task running. Only one active task is allowed for a source queue arn."}"#;
    story_alone(&[], async |stand| {
        put(&stand, "InboxDeadLetterQueueUrl", "not an event").await;
        let letter =
            wait_for_letter(&stand, "inbox", r#"{"bytes":12}"#).await["id"].as_str().expect("an id").to_owned();
        let tap = stand.aws.tap();
        let answer = |operation, body| tap.inject(Fault::Answer(200, body, ""), operation, "Inbox", ALWAYS);

        let started = answer("sqs.StartMessageMoveTask", r#"{"TaskHandle":"t"}"#);
        let reply = redrive(&stand, "inbox").await;
        assert_eq!((reply.status, &reply.body), (202, &json!({ "queue": "inbox", "redrive": "started" })));
        assert_eq!(started.hits(), 1);
        drop(started);

        let running = answer("sqs.ListMessageMoveTasks", RUNNING);
        let body = list(&stand, "?queue=inbox").await;
        let inbox = body["queues"].as_array().expect("queues").iter().find(|one| one["queue"] == "inbox");
        let told = json!({ "status": "RUNNING", "moved": 3, "total": 5, "startedAt": "2025-09-04T15:33:20Z" });
        assert_eq!(inbox.expect("the inbox")["redrive"], told);
        assert!(letters(&body).is_empty(), "what is being moved is let alone");
        discard(&stand, &letter).await.assert_problem(ProblemCode::RedriveRunning);
        let active = "AWS.SimpleQueueService.UnsupportedOperation;Sender";
        let refused = tap.inject(Fault::Answer(400, ACTIVE, active), "sqs.StartMessageMoveTask", "Inbox", 1);
        let reply = redrive(&stand, "inbox").await;
        reply.assert_problem(ProblemCode::RedriveRefused);
        assert_eq!(refused.hits(), 1);
        assert!(reply.body["detail"].as_str().expect("words").contains("already a task running"), "{reply:?}");
        drop((running, refused));

        let _completed = answer("sqs.ListMessageMoveTasks", COMPLETED);
        assert_eq!(letters(&list(&stand, "?queue=inbox").await).len(), 1);
        assert_eq!(discard(&stand, &letter).await.status, 200);
    });
}

#[test]
fn what_a_customer_wrote_is_not_shown_where_it_cannot_be_taken_back() {
    story(async |stand| {
        let user = local_stand::stand::random_user();
        let event = json!({ "type": "message", "webhookEventId": user, "timestamp": 7, "replyToken": "r",
                            "message": { "id": "1", "type": "text", "text": "hunter2" } });
        put(stand, "InboxDeadLetterQueueUrl", &json!({ "via": "line", "events": [event] }).to_string()).await;
        let letter = wait_for_letter(stand, "inbox", &user).await;
        let shown: Value = serde_json::from_str(letter["body"].as_str().expect("text")).expect("JSON");
        assert_eq!(shown, json!({ "events": [{ "type": "message", "webhookEventId": user, "timestamp": 7 }] }));
        assert_eq!(discard_what_is_there(stand, letter["id"].as_str().expect("an id")).await.status, 200);
    });
}

/// Moves so many messages back as SQS does when an operator redrives in AWS's console: each is a new one. The emulator
/// has no such call.
async fn move_as_aws_does(stand: &Stand, count: usize) {
    let (dead, queue) = (stand.aws.output("PushRetryDeadLetterQueueUrl"), stand.aws.output("PushRetryQueueUrl"));
    for _ in 0..count {
        let received = stand.sqs.receive_message().queue_url(dead).wait_time_seconds(1).send().await.expect("received");
        let message = received.messages.and_then(|mut messages| messages.pop()).expect("a dead letter");
        let body = message.body.expect("a body");
        stand.sqs.send_message().queue_url(queue).message_body(body).delay_seconds(0).send().await.expect("moved");
        let receipt = message.receipt_handle.expect("a receipt");
        stand.sqs.delete_message().queue_url(dead).receipt_handle(receipt).send().await.expect("deleted");
    }
}

#[test]
fn three_in_the_morning() {
    const ORDERS: usize = 500;
    story_on_an_idle_machine(&[("MaxRetries", "1")], async |stand| {
        stand.line.set_quota(Some(5000));
        // LINE is down for an hour: it refuses, it hangs up, and of some requests nobody learns that it took them.
        let orders: Vec<Value> = (0..ORDERS).map(|_| order_with(json!({}))).collect();
        let down = [Behaviour::answer(503, "{}"), Behaviour::HangUpBeforeAccepting, Behaviour::AcceptThenHangUp];
        for (number, order) in orders.iter().enumerate() {
            let behaviour = down[number % down.len()].clone();
            // What LINE took once it would answer 409: it is down for that, too.
            // A connection that breaks is asked again at once.
            stand.line.script(user(order), [behaviour]);
            stand.line.script(user(order), vec![Behaviour::HangUpBeforeAccepting; 3]);
        }
        let mut posting = JoinSet::new();
        for order in orders.clone() {
            if posting.len() >= 8 {
                let status = posting.join_next().await.expect("one").expect("no panic");
                assert_eq!(status, 202);
            }
            let stand = stand.clone();
            posting.spawn(async move { stand.post_until_taken(&order).await.status });
        }
        assert!(posting.join_all().await.iter().all(|status| *status == 202));

        // The dead-letter queue fills: the operator sees it in one call.
        let deadline = Instant::now() + Duration::from_secs(240);
        while stand.queue_depth("PushRetryDeadLetterQueueUrl").await.expect("a depth") < ORDERS as u64 {
            assert!(Instant::now() < deadline, "the dead-letter queue does not fill");
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(counts(&list(&stand, "?limit=1").await, "push-retry"), (ORDERS as u64, 0));
        let today = stand.operate("GET", "/days/today", None).await.body;
        assert_eq!((&today["open"], &today["sent"]), (&json!(ORDERS), &json!(0)), "{today}");

        // Nine o'clock: what was an hour of the night is moved to yesterday, and the report tells it.
        let yesterday = OffsetDateTime::now_utc().to_offset(time::macros::offset!(+8)).date() - time::Duration::DAY;
        for order in &orders {
            stand.change_day(id(order), yesterday).await.expect("written");
        }
        let told = async |event: Value, lines: [&str; 3]| {
            let answer = stand.invoke("DailyReportFunctionName", &event).await.expect("an answer");
            assert_eq!(answer["report"], "sent", "{answer}");
            let mails = stand.mails().await.expect("mails");
            let report = mails.iter().rfind(|mail| mail.subject.starts_with("LINE 消息日报")).expect("the report");
            for line in lines {
                assert!(report.text.lines().any(|one| one == line), "{line}: {}", report.text);
            }
            report.text.clone()
        };
        let morning = told(json!({}), ["LINE 已接收 | 0", "重试过 | 500", "处理中 | 500"]).await;
        assert!(
            morning.contains("500 笔重试用尽，等待重投：") && morning.contains("死信队列“消息重试”：500 条"),
            "{morning}"
        );
        let filter = format!("/deliveries?date={yesterday}&state=retrying&reason=retries_exhausted&limit=100");
        assert_eq!(stand.operate("GET", &filter, None).await.body["deliveries"].as_array().map(Vec::len), Some(100));

        // LINE is back. Half of it is redriven in AWS's console, half by our call, and each customer has the message
        // once. (An attempt that ran out of time on a busy machine left its share of LINE's bad hour to the next one,
        // and the operator does it again.)
        move_as_aws_does(&stand, ORDERS / 2).await;
        let reply = redrive(&stand, "push-retry").await;
        assert_eq!((reply.status, &reply.body["moved"]), (202, &json!(ORDERS / 2)), "{reply:?}");
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            let day = stand.operate("GET", &format!("/days/{yesterday}"), None).await.body;
            if day["sent"] == ORDERS {
                break;
            }
            assert!(Instant::now() < deadline, "not everything is sent: {day}");
            if counts(&list(&stand, "?limit=1").await, "push-retry").0 > 0 {
                redrive(&stand, "push-retry").await;
            }
            sleep(Duration::from_secs(1)).await;
        }
        for order in &orders {
            assert_eq!(stand.line.received_by(user(order)).len(), 1, "{}", id(order));
        }
        assert_eq!(counts(&list(&stand, "").await, "push-retry"), (0, 0));
        let again = json!({ "date": (yesterday + time::Duration::DAY).to_string(), "resend": true });
        let after = told(again, ["LINE 已接收 | 500", "重试过 | 500", "处理中 | 0"]).await;
        assert!(!after.contains("等待重投") && !after.contains("死信队列“"), "{after}");
    });
}
