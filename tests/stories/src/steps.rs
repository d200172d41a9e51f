//! What an event waits for: the calls that it makes, cold and warm, and which of them come one after the other. A call
//! that is new here is time that somebody waits: it is written down knowingly, or not made.

use std::time::{Duration, Instant};

use local_stand::{
    aws::sam_local::fill_in,
    stand::{Stand, THE_APP, order_with, random_user},
    wire::{Call, Wire, steps},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    login::{link_token, member, up_to_the_callback},
    story_on_an_idle_machine,
};

/// A call takes this long here: far longer than a process needs between two that it makes at one time.
const LATENCY: Duration = Duration::from_millis(250);

/// A function, an event, and the steps that it takes: before and with the first event, and with the next.
struct Expected {
    function: &'static str,
    binary: &'static str,
    event: &'static str,
    cold: &'static [&'static str],
    warm: &'static [&'static str],
}

const EXPECTED: [Expected; 12] = [
    Expected {
        function: "OrderFinishedFunction",
        binary: "order-finished",
        event: "order-finished.json",
        cold: &[
            "dynamodb.BatchGetItem, dynamodb.GetItem, secretsmanager.BatchGetSecretValue",
            "dynamodb.BatchGetItem, dynamodb.PutItem, sqs.SendMessage",
            "POST /v2/bot/message/push",
            "dynamodb.PutItem",
        ],
        warm: &[
            "dynamodb.BatchGetItem, dynamodb.PutItem, sqs.SendMessage",
            "POST /v2/bot/message/push",
            "dynamodb.PutItem",
        ],
    },
    Expected {
        function: "PushRetryFunction",
        binary: "push-retry",
        event: "push-retry.json",
        cold: &[
            "dynamodb.BatchGetItem, dynamodb.GetItem, secretsmanager.BatchGetSecretValue",
            "dynamodb.GetItem",
            "dynamodb.BatchGetItem, dynamodb.PutItem",
            "POST /v2/bot/message/push",
            "dynamodb.PutItem",
        ],
        warm: &[
            "dynamodb.GetItem",
            "dynamodb.BatchGetItem, dynamodb.PutItem",
            "POST /v2/bot/message/push",
            "dynamodb.PutItem",
        ],
    },
    Expected {
        function: "WebhooksFunction",
        binary: "webhooks",
        event: "webhook-line.json",
        cold: &["secretsmanager.BatchGetSecretValue", "sqs.SendMessageBatch"],
        warm: &["sqs.SendMessageBatch"],
    },
    // Sixteen shards of two kinds, eight at a time.
    Expected {
        function: "DeliverySweepFunction",
        binary: "delivery-sweep",
        event: "delivery-sweep.json",
        cold: &["dynamodb.Query x8"; 4],
        warm: &["dynamodb.Query x8"; 4],
    },
    // Nothing is recovered.
    Expected {
        function: "RecoveryFunction",
        binary: "recovery",
        event: "recovery.json",
        cold: &["dynamodb.Query"],
        warm: &["dynamodb.Query"],
    },
    Expected {
        function: "InboxFunction",
        binary: "inbox",
        event: "inbox-line.json",
        cold: &[
            "dynamodb.GetItem x2, secretsmanager.BatchGetSecretValue",
            "GET /v2/bot/info",
            "dynamodb.TransactWriteItems",
        ],
        warm: &["dynamodb.TransactWriteItems"],
    },
    // A member opens the app's link.
    Expected {
        function: "LineLoginFunction",
        binary: "line-login",
        event: "login.json",
        cold: &["secretsmanager.BatchGetSecretValue", "dynamodb.GetItem x2"],
        warm: &["dynamodb.GetItem x2"],
    },
    Expected {
        function: "LinkCallbackFunction",
        binary: "link-callback",
        event: "link-callback.json",
        cold: &["secretsmanager.GetSecretValue", "POST /"],
        warm: &["POST /"],
    },
    Expected {
        function: "QuotaWarningFunction",
        binary: "quota-warning",
        event: "quota-warning-schedule.json",
        cold: &[
            "dynamodb.GetItem, secretsmanager.GetSecretValue",
            "GET /v2/bot/message/quota, GET /v2/bot/message/quota/consumption",
            "dynamodb.GetItem, dynamodb.UpdateItem",
            "dynamodb.UpdateItem",
        ],
        warm: &[
            "GET /v2/bot/message/quota, GET /v2/bot/message/quota/consumption",
            "dynamodb.GetItem, dynamodb.UpdateItem",
        ],
    },
    Expected {
        function: "OperationsFunction",
        binary: "operations",
        event: "operations-switches.json",
        cold: &["secretsmanager.BatchGetSecretValue", "dynamodb.BatchGetItem"],
        warm: &["dynamodb.BatchGetItem"],
    },
    Expected {
        function: "OperationsFunction",
        binary: "operations",
        event: "operations-order.json",
        cold: &["secretsmanager.BatchGetSecretValue", "dynamodb.GetItem"],
        warm: &["dynamodb.GetItem"],
    },
    // A day is counted once, and its totals are kept.
    Expected {
        function: "OperationsFunction",
        binary: "operations",
        event: "operations-day.json",
        cold: &[
            "secretsmanager.BatchGetSecretValue",
            "dynamodb.GetItem",
            "dynamodb.Query x8",
            "dynamodb.Query x8",
            "dynamodb.UpdateItem",
        ],
        warm: &["dynamodb.GetItem"],
    },
];

#[test]
fn every_event_takes_these_steps_and_no_other() {
    story_on_an_idle_machine(&[("LinkCallbackUrl", THE_APP)], async |stand| {
        // It has a token of LINE's from now on, as a stack in use has.
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        let mut wrong = Vec::new();
        for expected in EXPECTED {
            let [cold, warm] = told(&stand, &expected).await;
            if cold != expected.cold || warm != expected.warm {
                let binary = expected.binary;
                wrong.push(format!("{binary}, cold: {cold:#?}\n{binary}, warm: {warm:#?}"));
            }
        }
        assert!(wrong.is_empty(), "the steps are\n{}", wrong.join("\n"));
    });
}

#[test]
fn a_login_takes_these_steps_and_no_other() {
    story_on_an_idle_machine(&[], async |stand| {
        // What a process keeps is there.
        let (mut visitor, callback) = up_to_the_callback(&stand, &member(), &random_user()).await;
        visitor.get(&callback).await;
        let wires = [&**stand.aws.tap(), stand.line.wire()];
        for wire in wires {
            wire.set_latency(LATENCY);
        }
        let since = Instant::now();
        let (mut visitor, callback) = up_to_the_callback(&stand, &member(), &random_user()).await;
        let back = Instant::now();
        visitor.get(&callback).await;
        let calls = wires.map(Wire::calls).concat();
        let of_login = |call: &&Call| call.caller.function == "line-login" && call.started >= since;
        let (before, after): (Vec<_>, Vec<_>) = calls.iter().filter(of_login).partition(|call| call.started < back);
        let told = [before, after].map(|calls| steps(calls).iter().map(|step| described(step)).collect::<Vec<_>>());
        let [before, after] = told;
        assert_eq!(before, ["dynamodb.GetItem x2", "dynamodb.GetItem", "dynamodb.PutItem"]);
        assert_eq!(
            after,
            [
                "dynamodb.UpdateItem",
                "POST /oauth2/v2.1/token",
                "dynamodb.GetItem x2",
                "dynamodb.TransactWriteItems",
                "GET /friendship/v1/status",
                "dynamodb.PutItem",
                "dynamodb.UpdateItem",
            ]
        );
    });
}

/// Nobody waits for the report; its calls cost. These are those of a stack's first day.
#[test]
fn the_report_makes_these_calls_and_no_other() {
    story_on_an_idle_machine(&[], async |stand| {
        let one = stand.aws.one_process("DailyReportFunction", "daily-report").await.expect("a process");
        let answer = one.invoke(&event(&stand, "daily-report.json", 1)).await.expect("an answer");
        assert_eq!(answer["report"], "sent");
        let wires = [&**stand.aws.tap(), stand.line.wire(), stand.sobot.wire()];
        let calls = wires.map(Wire::calls).concat();
        let its_own: Vec<_> = calls.iter().filter(|call| call.started >= one.started()).collect();
        // Of fourteen days, none of which is counted yet, each has 16 shards.
        assert_eq!(
            described(&its_own),
            [
                "GET /api/get_token",
                "GET /v2/bot/info",
                "GET /v2/bot/insight/followers",
                "GET /v2/bot/insight/message/delivery x2",
                "GET /v2/bot/insight/message/event/aggregation x14",
                "GET /v2/bot/message/delivery/push x14",
                "GET /v2/bot/message/quota",
                "GET /v2/bot/message/quota/consumption",
                "GET /v2/email/suppression/addresses/operator%40example.com",
                "GET /v2/email/suppression/addresses/statistics%40example.com",
                "POST /chat-set/api/line/query_task_list",
                "POST /chat-set/api/line/send_record_list",
                "POST /oauth2/v2.1/token",
                "POST /v2/email/outbound-emails",
                "dynamodb.BatchGetItem",
                "dynamodb.GetItem x19",
                "dynamodb.Query x224",
                "dynamodb.UpdateItem x23",
                "secretsmanager.BatchGetSecretValue",
                "sqs.GetQueueAttributes x4",
            ]
            .join(", ")
        );
    });
}

/// The steps of the first event of a process, and of the second.
async fn told(stand: &Stand, expected: &Expected) -> [Vec<String>; 2] {
    let wires = [&**stand.aws.tap(), stand.line.wire(), stand.sobot.wire(), stand.app.wire()];
    for wire in wires {
        wire.set_latency(LATENCY);
    }
    let one = stand.aws.one_process(expected.function, expected.binary).await.expect("a process");
    let (mut since, mut told) = (one.started(), Vec::new());
    for number in 1..=2 {
        let answer = one.invoke(&event(stand, expected.event, number)).await.expect("an answer");
        assert!(answer.get("errorType").is_none(), "{}: {answer}", expected.binary);
        let calls = wires.map(Wire::calls).concat();
        // The stand's own processes have numbers.
        let its_own = calls.iter().filter(|call| call.started >= since && call.caller.process.is_none());
        told.push(steps(its_own).iter().map(|step| described(step)).collect());
        since = Instant::now();
    }
    for wire in wires {
        wire.set_latency(Duration::ZERO);
    }
    let [cold, warm] = told.try_into().expect("two");
    [cold, warm]
}

/// `dynamodb.GetItem x2, sqs.SendMessage`: what a step is, whatever its order.
fn described(step: &[&Call]) -> String {
    let mut names: Vec<_> = step.iter().map(|call| call.operation.as_str()).collect();
    names.sort_unstable();
    let runs = names.chunk_by(|one, other| one == other);
    let runs = runs.map(|run| if run.len() == 1 { run[0].to_owned() } else { format!("{} x{}", run[0], run.len()) });
    runs.collect::<Vec<_>>().join(", ")
}

/// An event of `events/`, about something that no other is about.
fn event(stand: &Stand, file: &str, number: usize) -> Value {
    let path = local_stand::repository().join("events").join(file);
    // A schedule's event says nothing.
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    let now = OffsetDateTime::now_utc();
    let text = text
        .replace("R20200714-", &format!("R2020{number}-"))
        .replace("01FZ74A0TDDPYRVKNK77", &format!("{number:020}"))
        .replace("561230966842064011", &format!("{number:018}"))
        // An event that is kept no longer does nothing.
        .replace("1594791252011", &format!("{}000", now.unix_timestamp()))
        .replace("the-link-token", &link_token(stand, &member()))
        .replace("2020-07-15T05:34:12.123456789Z", &now.format(&Rfc3339).expect("a time"));
    let mut event: Value = serde_json::from_str(&text).expect("an event");
    fill_in(stand, &mut event);
    event
}
