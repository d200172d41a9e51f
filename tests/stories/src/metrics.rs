//! What CloudWatch reads in the functions' logs: each metric where it happens, and nothing in it that belongs to a
//! person.

use std::time::Duration;

use local_stand::{
    aws::tap::Fault,
    line::Behaviour,
    line::webhook_sender::{WebhookSender, event, message},
    stand::{POLL, Stand, order_with, random_user},
};
use serde_json::{Value, json};
use shared::{
    delivery::state::State,
    metric::{Metric, NAMESPACE},
};
use tokio::time::{Instant, sleep};

use crate::{bells::sweep, dead_letters::wait_for_letter, id, story_alone, user};

const STACK: &str = "local";

/// The lines of a function that tell this metric, oldest first.
pub fn told(stand: &Stand, function: &str, metric: Metric) -> Vec<Value> {
    let logs = stand.aws.logs(function);
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| {
            let directives = line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten();
            let names: Vec<_> = directives.map(|directive| &directive["Metrics"][0]["Name"]).collect();
            names.contains(&&json!(metric.name()))
        })
        .collect()
}

/// Waits for that many lines: what follows an answer may be on its way.
async fn wait_for(stand: &Stand, function: &str, metric: Metric, times: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let lines = told(stand, function, metric);
        if lines.len() >= times {
            return lines;
        }
        assert!(Instant::now() < deadline, "{function} told {metric:?} {} times, not {times}", lines.len());
        sleep(POLL).await;
    }
}

#[test]
fn every_outcome_of_a_push_is_measured_once() {
    story_alone(&[], async |stand| {
        let orders = [(); 5].map(|()| order_with(json!({})));
        let [_, retried, refused, unfriended, slow] = &orders;
        stand.line.script(user(retried), [Behaviour::answer(500, "")]);
        stand.line.script(user(refused), [Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#)]);
        stand.line.script(user(slow), [Behaviour::Delay(Duration::from_millis(300))]);
        stand.set_friend(user(unfriended), false).await.expect("written");
        for order in &orders {
            stand.post(order).await;
        }
        let unlinked = order_with(json!({ "recipient": { "memberId": "M-nobody" } }));
        assert_eq!(stand.post(&unlinked).await.body["reason"], "not_linked");
        stand.wait_for_record(id(retried), "sent", |record| record.progress.state() == State::Sent).await;
        wait_for(&stand, "push-retry", Metric::Sent, 1).await;

        let count = |metric| told(&stand, "order-finished", metric).len();
        assert_eq!([Metric::Sent, Metric::Retried, Metric::Suppressed, Metric::Failed].map(count), [2, 1, 1, 2]);
        assert_eq!(told(&stand, "push-retry", Metric::Sent).len(), 1);
        assert!(told(&stand, "push-retry", Metric::Failed).is_empty());
        let reasons: Vec<_> =
            told(&stand, "order-finished", Metric::Failed).iter().map(|line| line["reason"].clone()).collect();
        assert_eq!(reasons, ["refused_by_line", "not_linked"]);
        assert_eq!(told(&stand, "order-finished", Metric::Suppressed)[0]["reason"], "not_a_friend");

        // One latency a call to LINE's push endpoint, with what LINE answered; the slow one took as long as it did.
        let latencies = told(&stand, "order-finished", Metric::PushLatency);
        let statuses: Vec<_> = latencies.iter().map(|line| line["http.status"].as_str().expect("a status")).collect();
        assert_eq!(statuses, ["200", "500", "400", "200"]);
        let took: Vec<_> = latencies.iter().map(|line| line["PushLatency"].as_u64().expect("milliseconds")).collect();
        assert!((300..1500).contains(&took[3]), "{took:?}");
        assert_eq!(latencies[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"], "Milliseconds");

        for line in Metric::ALL.iter().flat_map(|metric| told(&stand, "order-finished", *metric)) {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!((&directive["Namespace"], &line["stack"]), (&json!(NAMESPACE), &json!(STACK)), "{line}");
            assert_eq!(line["service"], "order-finished");
            let text = line.to_string();
            for order in &orders {
                assert!(!text.contains(user(order)) && !text.contains(id(order)), "{text}");
            }
            assert!(!text.contains(&stand.order_key), "{text}");
        }
    });
}

#[test]
fn an_order_whose_retries_are_used_up_is_measured_once_and_again_a_day_before_it_is_given_up() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        let exhausted = async || {
            let order = order_with(json!({}));
            stand.line.script(user(&order), vec![Behaviour::RateLimited; 2]);
            assert_eq!(stand.post(&order).await.status, 202);
            stand.wait_for_record(id(&order), "exhausted", |record| record.progress.is_exhausted()).await;
            wait_for_letter(&stand, "push-retry", id(&order)).await;
            order
        };
        // Each one that is new, and not how many there are: a level that stays up rings once.
        let first = exhausted().await;
        exhausted().await;
        let lines = told(&stand, "push-retry", Metric::RetriesExhausted);
        assert_eq!(lines.iter().map(|line| &line["RetriesExhausted"]).collect::<Vec<_>>(), [1, 1], "{lines:?}");

        let swept = async |metrics: [Metric; 3]| {
            sweep(&stand).await;
            // Told by each sweep; whatever there is none of is left out.
            let line = told(&stand, "delivery-sweep", Metric::OpenDeliveries).pop().expect("a line");
            metrics.map(|metric| line[metric.name()].as_u64())
        };
        let metrics = [Metric::ExhaustedDeliveries, Metric::ExhaustedDeliveriesAge, Metric::EndingDeliveries];
        let [count, age, ending] = swept(metrics).await;
        assert!(count == Some(2) && age < Some(600) && ending.is_none(), "{count:?} {age:?} {ending:?}");
        stand.age_record(id(&first), time::Duration::days(12)).await.expect("written");
        let [count, age, ending] = swept(metrics).await;
        assert!(count == Some(2) && age >= Some(12 * 86_400) && ending == Some(1), "{count:?} {age:?} {ending:?}");
        stand.age_record(id(&first), time::Duration::DAY).await.expect("written");
        swept(metrics).await;
        let [count, age, ending] = swept(metrics).await;
        assert!(count == Some(1) && age < Some(600) && ending.is_none(), "{count:?} {age:?} {ending:?}");
        let reasons: Vec<_> = told(&stand, "delivery-sweep", Metric::Failed);
        assert_eq!(reasons.iter().map(|line| &line["reason"]).collect::<Vec<_>>(), ["unattended"]);
    });
}

#[test]
fn a_call_that_line_never_answers_has_a_latency_too() {
    story_alone(&[], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), [Behaviour::AcceptThenDelay(Duration::from_secs(30))]);
        assert_eq!(stand.post(&order).await.status, 202);
        let [line] = &told(&stand, "order-finished", Metric::PushLatency)[..] else { panic!("one call") };
        assert_eq!(line["http.status"], "none");
        assert!(line["PushLatency"].as_u64().expect("milliseconds") >= 1500, "the call's time-out: {line}");
    });
}

#[test]
fn each_process_counts_its_cold_start_and_each_issuer_its_tokens() {
    story_alone(&[], async |stand| {
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        let [start] = &told(&stand, "order-finished", Metric::ColdStart)[..] else { panic!("one process") };
        assert_eq!(start["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["stack", "service"]]));
        let [token] = &told(&stand, "order-finished", Metric::TokenRenewed)[..] else { panic!("one token") };
        assert_eq!(token["issuer"], "line");
        assert_eq!(stand.aws.kill("order-finished").expect("killed"), 1);
        stand.post_until_taken(&order_with(json!({}))).await;
        assert_eq!(told(&stand, "order-finished", Metric::ColdStart).len(), 2);
        assert_eq!(told(&stand, "order-finished", Metric::TokenRenewed).len(), 1, "the new process shares it");

        let now_ms = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).expect("now");
        let picture = json!({ "type": "image", "contentProvider": { "type": "line" } });
        let events = [message(&random_user(), now_ms, picture)];
        assert_eq!(WebhookSender::sobot(&stand).deliver(&events).await.status, 200);
        let token = wait_for(&stand, "inbox", Metric::TokenRenewed, 1).await.remove(0);
        assert_eq!(token["issuer"], "sobot");

        let unheard_of = event("aNewKindOfEvent", &random_user(), now_ms, json!({}));
        assert_eq!(WebhookSender::line(&stand).deliver(&[unheard_of]).await.status, 200);
        assert_eq!(wait_for(&stand, "inbox", Metric::UnknownEvent, 1).await[0]["event_type"], "aNewKindOfEvent");
    });
}

#[test]
fn the_quota_is_told_by_the_schedule_and_by_a_push_that_met_it() {
    story_alone(&[], async |stand| {
        stand.line.set_quota(Some(1000));
        stand.line.set_usage(750);
        let look = json!({ "scheduledTime": "2026-09-09T01:00:00Z" });
        let answer = stand.invoke("QuotaWarningFunctionName", &look).await.expect("an answer");
        assert_eq!(answer["warned"], 70, "{answer}");
        let quota = |line: &Value| (line["QuotaLeft"].clone(), line["QuotaThreshold"].clone());
        let [line] = &told(&stand, "quota-warning", Metric::QuotaLeft)[..] else { panic!("one look") };
        assert_eq!(quota(line), (json!(250), json!(70)));
        stand.line.set_usage(1001);
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.body["reason"], "quota_exhausted");
        assert_eq!(told(&stand, "order-finished", Metric::Failed)[0]["reason"], "quota_exhausted");
        let line = wait_for(&stand, "quota-warning", Metric::QuotaLeft, 2).await.remove(1);
        assert_eq!(quota(&line), (json!(-1), json!(100)));
    });
}

#[test]
fn a_report_that_cannot_be_sent_at_a_quarter_past_nine_is_told() {
    story_alone(&[], async |stand| {
        let invoke = async |event: Value| stand.invoke("DailyReportFunctionName", &event).await.expect("an answer");
        let check = json!({ "scheduledTime": "2026-09-09T01:15:00Z", "check": true });
        let refused = Fault::Error(400, "MessageRejected");
        let fault = stand.aws.tap().inject(refused, "POST /v2/email/outbound-emails", "", 1);
        assert!(invoke(check.clone()).await["errorMessage"].is_string(), "Lambda tries again");
        assert_eq!(fault.hits(), 1);
        assert_eq!(invoke(check.clone()).await["report"], "sent");
        assert_eq!(invoke(json!({ "scheduledTime": "2026-09-09T01:00:00Z" })).await["report"], "already_sent");
        assert_eq!(invoke(check).await["report"], "already_sent");
        assert_eq!(stand.mails().await.expect("mails").len(), 1, "sent once");
        let values: Vec<_> = told(&stand, "daily-report", Metric::ReportMissing)
            .iter()
            .map(|line| line["ReportMissing"].clone())
            .collect();
        assert_eq!(values, [1, 0, 0]);
        assert_eq!(told(&stand, "daily-report", Metric::ReportSent).len(), 1);
    });
}

#[test]
fn an_outcome_whose_writing_was_not_answered_is_measured_all_the_same() {
    story_alone(&[], async |stand| {
        let [taken, refused] = [(); 2].map(|()| order_with(json!({})));
        stand.line.script(user(&refused), [Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#)]);
        for (order, metric, state) in [(&taken, Metric::Sent, State::Sent), (&refused, Metric::Failed, State::Failed)] {
            let lost = stand.aws.tap().inject(Fault::ForwardThenHangUp, "dynamodb.PutItem", "revision = :read", 1);
            stand.post(order).await;
            assert_eq!(lost.hits(), 1);
            let record = stand.record(id(order)).await.expect("a record");
            assert_eq!((record.progress.state(), record.revision), (state, 2), "written once");
            assert_eq!(wait_for(&stand, "order-finished", metric, 1).await.len(), 1);
        }
    });
}
