//! One process takes events for a long time, and holds no more memory and no more connections at the end than it did
//! after its first ones; and it goes on after every connection of its was closed. `EVENTS=20000` makes it longer; the
//! figures are printed.

use local_stand::{
    aws::{one_process::OneProcess, process::Process},
    canaries::WRITTEN,
    line::webhook_sender::{event, message, sign},
    stand::{Stand, order_with, random_user},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use crate::{now_ms, story_on_an_idle_machine};

/// Events of a batch, and of a webhook's body.
const BATCH: usize = 10;
/// How often a batch is handed over again.
const AGAIN: usize = 5;
/// The part of the run after which all is warm.
const WARM: usize = 5;
/// Growth that is none, in KiB: the allocator's own.
const NO_GROWTH: u64 = 4 * 1024;

fn number_of_events() -> usize {
    std::env::var("EVENTS").map_or(200, |count| count.parse().expect("a number"))
}

/// What SQS hands over of these bodies.
fn batch(bodies: impl IntoIterator<Item = String>) -> Value {
    let now = (OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).to_string();
    let records = bodies.into_iter().enumerate().map(|(number, body)| {
        json!({ "messageId": format!("m-{number}"), "receiptHandle": "r", "body": body, "messageAttributes": {},
                "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": now },
                "eventSource": "aws:sqs", "awsRegion": "ap-northeast-1" })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// Hands the process batch after batch; in the middle every connection is closed, as after a long idle time.
async fn run(
    stand: &Stand,
    binary: &str,
    one: &OneProcess,
    next: impl Fn(usize) -> Value,
    is_done: impl Fn(&Value) -> bool,
) {
    let (batches, begun) = (number_of_events() / BATCH, Instant::now());
    let mut warm: Option<Process> = None;
    for number in 0..batches {
        if number == batches / 2 {
            stand.aws.tap().close_connections().await.expect("open again");
            stand.line.go_offline().await;
            stand.line.come_online().await.expect("open again");
        }
        // What is not done is handed over again, as SQS and LINE do: the machine may be too busy for a call's time.
        let event = next(number);
        let mut answer = one.invoke(&event).await.expect("an answer");
        for _ in 0..AGAIN {
            if !is_done(&answer) {
                answer = one.invoke(&event).await.expect("an answer");
            }
        }
        assert!(is_done(&answer), "{binary}, batch {number}: {answer}");
        if number == batches / WARM {
            warm = one.process();
        }
    }
    let took = begun.elapsed();
    let (Some(warm), Some(end)) = (warm, one.process()) else { return };
    println!(
        "{binary}: {} events in {took:.1?}; memory {} KiB, then {} KiB; {} and {} open files; {} threads",
        batches * BATCH,
        warm.memory,
        end.memory,
        warm.files,
        end.files,
        end.threads
    );
    assert!(end.memory < warm.memory + NO_GROWTH, "{binary} grows: {warm:?}, then {end:?}");
    // Which calls run beside each other differs from batch to batch.
    assert!(end.files <= warm.files + BATCH, "{binary} leaves connections open: {warm:?}, then {end:?}");
}

fn nothing_failed(answer: &Value) -> bool {
    answer["batchItemFailures"] == json!([])
}

#[test]
fn the_inbox_takes_events_for_ever() {
    story_on_an_idle_machine(&[], async |stand| {
        let one = stand.aws.one_process("InboxFunction", "inbox").await.expect("a process");
        let received_at = OffsetDateTime::now_utc().format(&Rfc3339).expect("a time");
        let an_hour_ago = now_ms() - 3_600_000;
        let users: Vec<_> = (0..50).map(|_| random_user()).collect();
        let next = |number: usize| {
            batch((0..BATCH).map(|place| {
                let index = number * BATCH + place;
                let (user, at) = (&users[index % users.len()], an_hour_ago + u64::try_from(index).expect("small"));
                let event = match index % 4 {
                    0 => event("follow", user, at, json!({ "follow": { "isUnblocked": false } })),
                    1 => event("unsend", user, at, json!({ "unsend": { "messageId": index.to_string() } })),
                    _ => message(user, at, json!({ "type": "text", "text": WRITTEN.repeat(10) })),
                };
                json!({ "via": "line", "verified": true, "receivedAt": received_at, "events": [event] }).to_string()
            }))
        };
        run(&stand, "inbox", &one, next, nothing_failed).await;
    });
}

#[test]
fn push_retry_takes_bells_for_ever() {
    story_on_an_idle_machine(&[], async |stand| {
        let one = stand.aws.one_process("PushRetryFunction", "push-retry").await.expect("a process");
        // One order of a batch is new; the other bells are for what was sent.
        let orders: Vec<_> = (0..number_of_events() / BATCH).map(|_| order_with(json!({}))).collect();
        let next = |number: usize| {
            let sent = (1..BATCH).filter(|_| number > 0).map(|_| orders[number / 2].to_string());
            batch([orders[number].to_string()].into_iter().chain(sent))
        };
        run(&stand, "push-retry", &one, next, nothing_failed).await;
        for order in &orders {
            assert_eq!(stand.line.received_by(crate::user(order)).len(), 1, "{order}");
        }
    });
}

#[test]
fn the_webhooks_take_events_for_ever() {
    story_on_an_idle_machine(&[], async |stand| {
        let one = stand.aws.one_process("WebhooksFunction", "webhooks").await.expect("a process");
        let sample: Value = serde_json::from_str(include_str!("../../../events/webhook-line.json")).expect("a sample");
        let (user, an_hour_ago) = (random_user(), now_ms() - 3_600_000);
        let next = |number: usize| {
            let text = |place: usize| {
                let at = an_hour_ago + u64::try_from(number * BATCH + place).expect("small");
                message(&user, at, json!({ "type": "text", "text": WRITTEN.repeat(10) }))
            };
            let body = json!({ "destination": "U1", "events": (0..BATCH).map(text).collect::<Vec<_>>() }).to_string();
            let mut event = sample.clone();
            event["headers"]["x-line-signature"] = json!(sign(&stand.line.channel_secret(), body.as_bytes()));
            event["body"] = json!(body);
            event
        };
        run(&stand, "webhooks", &one, next, |answer| answer["statusCode"] == 200).await;
    });
}
