//! Many orders that did not go out are sent again, by one recovery: each to its customer once, whatever dies in
//! between.
//!
//! `RECOVER=5000` makes the large story as large; its figures are printed.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    browser::{Browser, Screen},
    line::Behaviour,
    stand::{POLL, Reply, Stand, order_with, random_user},
};
use serde_json::{Value, json};
use shared::{
    delivery::{record::DeliveryRecord, state::State},
    lambda::problem_code::ProblemCode,
    line::day::line_day,
    metric::Metric,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{a_browser, bells::sweep, console, id, metrics::told, story_alone, story_on_an_idle_machine, user};

/// Everything that the orders of a story need, and some more.
const LIMIT: Duration = Duration::from_secs(120);
/// How many order systems post at a time.
const SENDERS: usize = 8;

fn today() -> String {
    line_day(OffsetDateTime::now_utc()).to_string()
}

/// A filter of today's orders that were suppressed, and what else the story says.
fn filter(more: Value) -> Value {
    let mut filter = json!({ "from": today(), "to": today(), "state": "suppressed", "dryRun": false });
    let fields = filter.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    if filter["dryRun"] == false {
        filter["reason"] = json!("LINE is well again");
    }
    filter
}

async fn recover(stand: &Stand, more: Value) -> Reply {
    stand.operate("POST", "/deliveries/recover", Some(filter(more))).await
}

/// Starts a recovery; its id.
async fn start(stand: &Stand, more: Value) -> String {
    let reply = recover(stand, more).await;
    assert_eq!((reply.status, &reply.body["state"]), (202, &json!("running")), "{reply:?}");
    reply.body["id"].as_str().expect("an id").to_owned()
}

pub async fn dry_run(stand: &Stand, more: Value) -> Value {
    let mut more = more;
    more["dryRun"] = json!(true);
    let reply = recover(stand, more).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

async fn look(stand: &Stand, recovery: &str) -> Value {
    let reply = stand.operate("GET", &format!("/recoveries/{recovery}"), None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

/// Turns the switch, as operators do.
async fn turn(stand: &Stand, enabled: bool) {
    let body = json!({ "enabled": enabled, "reason": "a bad day" });
    assert_eq!(stand.operate("PUT", "/switches/finish", Some(body)).await.status, 200);
}

async fn change(stand: &Stand, recovery: &str, state: &str) -> Reply {
    let body = json!({ "state": state, "reason": format!("to be {state}") });
    stand.operate("PUT", &format!("/recoveries/{recovery}"), Some(body)).await
}

/// What the schedule does every minute.
async fn step(stand: &Stand) -> Value {
    stand.invoke("RecoveryFunctionName", &json!({})).await.expect("an answer")
}

/// Steps until the recovery stands as it should, and the sweep with it.
async fn step_until(stand: &Stand, recovery: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + LIMIT;
    loop {
        step(stand).await;
        let stands = look(stand, recovery).await;
        if is_so(&stands) {
            return stands;
        }
        assert!(Instant::now() < deadline, "not {what}: {stands}");
        sleep(POLL).await;
    }
}

async fn finished(stand: &Stand, recovery: &str) -> Value {
    step_until(stand, recovery, "finished", |stands| stands["state"] == "finished").await
}

/// Orders that nobody was told of, because their customers were no friends; now they are.
async fn suppressed(stand: &Stand, count: usize) -> Vec<Value> {
    let mut orders = Vec::new();
    for _ in 0..count {
        let order = order_with(json!({}));
        stand.set_friend(user(&order), false).await.expect("written");
        assert_eq!(stand.post(&order).await.body["reason"], "not_a_friend");
        stand.set_friend(user(&order), true).await.expect("written");
        orders.push(order);
    }
    orders
}

fn received(stand: &Stand, orders: &[Value]) -> Vec<usize> {
    orders.iter().map(|order| stand.line.received_by(user(order)).len()).collect()
}

/// The order came so long ago, though on the same day.
async fn arrived(stand: &Stand, order: &Value, ago: time::Duration) {
    let at = OffsetDateTime::now_utc() - ago;
    let listed = format!("suppressed#{:010}#{}", at.unix_timestamp(), id(order));
    let changes = json!({ "created_at": at.format(&Rfc3339).expect("a time"), "listed": listed });
    stand.change_record(id(order), changes).await.expect("written");
}

async fn audited(stand: &Stand, recovery: &str) -> Vec<(String, String, String)> {
    let audit = stand.operate("GET", "/audit?kind=recover&limit=100", None).await.body;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = audit["entries"].as_array().expect("entries").iter().filter(|one| one["subject"] == recovery);
    let entries = entries.map(|one| (text(&one["detail"]["action"]), text(&one["by"]), text(&one["reason"])));
    let mut entries: Vec<_> = entries.collect();
    entries.reverse();
    entries
}

#[test]
fn a_recovery_sends_each_order_once_and_says_who_and_why() {
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        let orders = suppressed(&stand, 14).await;
        assert_eq!(step(&stand).await, json!({ "steps": [] }));
        let recovery = start(&stand, json!({})).await;
        assert_eq!(look(&stand, &recovery).await["total"], 14);
        step(&stand).await;
        let first = look(&stand, &recovery).await;
        assert_eq!((&first["onTheWay"], &first["ended"]), (&json!(10), &json!(0)), "ten find out: {first}");
        let done = finished(&stand, &recovery).await;
        assert_eq!((&done["sent"], &done["ended"], &done["onTheWay"]), (&json!(14), &json!(14), &json!(0)), "{done}");
        assert_eq!((&done["suppressed"], &done["failed"], &done["skipped"]), (&json!({}), &json!({}), &json!({})));
        assert_eq!(received(&stand, &orders), [1; 14]);
        let entries = audited(&stand, &recovery).await;
        let by = |action: &str, by: &str, reason: &str| (action.to_owned(), by.to_owned(), reason.to_owned());
        assert_eq!(entries, [by("start", "mei", "LINE is well again"), by("finish", "recovery", "")]);
        let shown = stand.operate("GET", &format!("/orders/{}", id(&orders[0])), None).await.body;
        let resend = &shown["resends"][0];
        assert_eq!((&resend["recovery"], &resend["by"]), (&json!(recovery), &json!("mei")), "{shown}");
        assert_eq!((&resend["reason"], &resend["force"]), (&json!("LINE is well again"), &json!(false)));
        assert_eq!((&shown["generation"], shown["attempts"].as_array().expect("attempts").len()), (&json!(2), 2));
        let listed = stand.operate("GET", "/recoveries", None).await.body;
        assert_eq!(listed["recoveries"], json!([look(&stand, &recovery).await]));
        assert_eq!(step(&stand).await, json!({ "steps": [] }));
        let unknown = stand.operate("GET", "/recoveries/20200101T000000.000Z-00000000", None).await;
        assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!(ProblemCode::NoSuchRecovery.name())));
    });
}

#[test]
fn a_dry_run_counts_by_the_filter_and_sends_nothing() {
    story_alone(&[], async |stand| {
        let orders = suppressed(&stand, 5).await;
        let yesterday = line_day(OffsetDateTime::now_utc()) - time::Duration::DAY;
        stand.change_day(id(&orders[0]), yesterday).await.expect("written");
        arrived(&stand, &orders[1], time::Duration::hours(30)).await;
        let refused = order_with(json!({}));
        stand.line.script(user(&refused), [Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#)]);
        assert_eq!(stand.post(&refused).await.body["reason"], "refused_by_line");
        let unlinked = order_with(json!({ "recipient": { "memberId": "M-1" } }));
        assert_eq!(stand.post(&unlinked).await.body["reason"], "not_linked");
        stand.line.set_quota(Some(stand.line.usage() + 7));
        let counted = dry_run(&stand, json!({})).await;
        let expected =
            json!({ "matches": 4, "takes": 4, "skipped": {}, "complete": true, "perMinute": 300, "quotaRemaining": 7 });
        assert_eq!(counted, expected);
        for (more, matches, takes) in [
            (json!({ "from": yesterday.to_string() }), 5, 5),
            (json!({ "from": yesterday.to_string(), "to": yesterday.to_string() }), 1, 1),
            (json!({ "atMost": 3 }), 4, 3),
            (json!({ "maxAgeHours": 24 }), 4, 3),
            (json!({ "reasons": ["switched_off"] }), 0, 0),
            (json!({ "reasons": ["switched_off", "not_a_friend"] }), 4, 4),
            (json!({ "state": "failed" }), 2, 2),
            (json!({ "state": "failed", "reasons": ["refused_by_line"] }), 1, 1),
        ] {
            let counted = dry_run(&stand, more.clone()).await;
            assert_eq!((&counted["matches"], &counted["takes"]), (&json!(matches), &json!(takes)), "{more}: {counted}");
        }
        assert_eq!(step(&stand).await, json!({ "steps": [] }), "nothing was started");
        for (wrong, field) in [
            (json!({ "state": "sent" }), "state"),
            (json!({ "reasons": ["bad luck"] }), "reasons"),
            (json!({ "to": "2020-01-01" }), "to"),
            (json!({ "from": "2020-01-01" }), "to"),
            (json!({ "atMost": 0 }), "atMost"),
            (json!({ "maxAgeHours": "1" }), "maxAgeHours"),
            (json!({ "reason": " " }), "reason"),
        ] {
            let mut body = filter(wrong.clone());
            body.as_object_mut().expect("an object").extend(wrong.as_object().expect("an object").clone());
            let reply = stand.operate("POST", "/deliveries/recover", Some(body)).await;
            assert_eq!((reply.status, &reply.body["errors"][0]["field"]), (400, &json!(field)), "{reply:?}");
        }
    });
}

#[test]
fn no_more_orders_are_sent_than_were_asked_for_the_first_ones_first() {
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        let orders = suppressed(&stand, 4).await;
        for (minutes, order) in (0..).zip(orders.iter().rev()) {
            arrived(&stand, order, time::Duration::minutes(minutes)).await;
        }
        let recovery = start(&stand, json!({ "atMost": 3 })).await;
        let done = finished(&stand, &recovery).await;
        assert_eq!((&done["total"], &done["sent"]), (&json!(3), &json!(3)), "{done}");
        assert_eq!(received(&stand, &orders), [1, 1, 1, 0]);
    });
}

#[test]
fn two_recoveries_at_a_time_are_refused_by_name() {
    story_alone(&[], async |stand| {
        let recovery = start(&stand, json!({})).await;
        let second = recover(&stand, json!({ "state": "failed" })).await;
        assert_eq!((second.status, &second.body["code"]), (409, &json!(ProblemCode::RecoveryActive.name())));
        assert_eq!(second.body["recovery"], recovery);
        assert_eq!(change(&stand, &recovery, "paused").await.status, 200);
        assert_eq!(recover(&stand, json!({})).await.status, 409, "a paused one is active");
        assert_eq!(change(&stand, &recovery, "stopped").await.status, 200);
        assert_eq!(change(&stand, &recovery, "stopped").await.status, 200, "the same again");
        let over = change(&stand, &recovery, "running").await;
        assert_eq!((over.status, &over.body["code"]), (409, &json!(ProblemCode::RecoveryOver.name())));
        let next = start(&stand, json!({})).await;
        assert_eq!(finished(&stand, &next).await["sent"], 0, "nothing to do");
        let actions: Vec<_> = audited(&stand, &recovery).await.into_iter().map(|(action, ..)| action).collect();
        assert_eq!(actions, ["start", "pause", "stop"]);
        start(&stand, json!({})).await;
    });
}

#[test]
fn a_paused_recovery_takes_nothing_and_a_stopped_one_nothing_more() {
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        let orders = suppressed(&stand, 14).await;
        let recovery = start(&stand, json!({})).await;
        assert_eq!(change(&stand, &recovery, "paused").await.body["state"], "paused");
        step(&stand).await;
        assert_eq!(look(&stand, &recovery).await["onTheWay"], 0);
        assert_eq!(change(&stand, &recovery, "running").await.body["state"], "running");
        step(&stand).await;
        let stopped = change(&stand, &recovery, "stopped").await.body;
        assert_eq!((&stopped["state"], &stopped["onTheWay"]), (&json!("stopped"), &json!(10)), "{stopped}");
        let drained = step_until(&stand, &recovery, "drained", |stands| stands["onTheWay"] == 0).await;
        assert_eq!((&drained["state"], &drained["sent"]), (&json!("stopped"), &json!(10)), "{drained}");
        assert_eq!(received(&stand, &orders).iter().sum::<usize>(), 10);
        let actions: Vec<_> = audited(&stand, &recovery).await.into_iter().map(|(action, ..)| action).collect();
        assert_eq!(actions, ["start", "pause", "resume", "stop"]);
    });
}

#[test]
fn a_recovery_pauses_by_itself_while_the_switch_is_off() {
    // A switch is remembered for half of the delay.
    story_alone(&[("RecoveryPerMinute", "1000"), ("RetryDelaySeconds", "40")], async |stand| {
        let orders = suppressed(&stand, 2).await;
        turn(&stand, false).await;
        let recovery = start(&stand, json!({})).await;
        step(&stand).await;
        let paused = look(&stand, &recovery).await;
        assert_eq!((&paused["state"], &paused["metAgain"]), (&json!("paused"), &json!("switched_off")), "{paused}");
        assert_eq!((&paused["changedBy"], &paused["onTheWay"]), (&json!("recovery"), &json!(0)));
        assert_eq!(received(&stand, &orders), [0, 0]);
        // Somebody is told, in every minute until it is resumed.
        assert_eq!(told(&stand, "recovery", Metric::RecoveryPaused), [] as [Value; 0]);
        step(&stand).await;
        assert_eq!(told(&stand, "recovery", Metric::RecoveryPaused).len(), 1);
        // Turned on, and resumed at once: who still remembers it as off is waited for.
        turn(&stand, true).await;
        let resumed = change(&stand, &recovery, "running").await.body;
        assert!(resumed["metAgain"].is_null(), "{resumed}");
        step(&stand).await;
        assert_eq!(look(&stand, &recovery).await["onTheWay"], 0, "not yet");
        assert_eq!(finished(&stand, &recovery).await["sent"], 2);
        assert_eq!(told(&stand, "recovery", Metric::RecoveryPaused).len(), 1, "no more");
        assert_eq!(received(&stand, &orders), [1, 1]);
        let actions: Vec<_> = audited(&stand, &recovery).await.into_iter().map(|(action, ..)| action).collect();
        assert_eq!(actions, ["start", "pause", "resume", "finish"]);
    });
}

#[test]
fn ten_in_a_row_of_one_reason_are_enough() {
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        let orders = suppressed(&stand, 25).await;
        stand.line.set_quota(Some(stand.line.usage()));
        let recovery = start(&stand, json!({})).await;
        let paused = step_until(&stand, &recovery, "paused", |stands| stands["state"] == "paused").await;
        assert_eq!(paused["metAgain"], "quota_exhausted", "{paused}");
        assert_eq!((&paused["failed"], &paused["sent"]), (&json!({ "quota_exhausted": 10 }), &json!(0)), "{paused}");
        assert_eq!(received(&stand, &orders).iter().sum::<usize>(), 0);
        stand.line.set_quota(None);
        assert_eq!(change(&stand, &recovery, "running").await.status, 200);
        let done = finished(&stand, &recovery).await;
        assert_eq!((&done["sent"], &done["failed"]), (&json!(15), &json!({ "quota_exhausted": 10 })), "{done}");
        // What failed meanwhile is for another one.
        let second = start(&stand, json!({ "state": "failed", "reasons": ["quota_exhausted"] })).await;
        assert_eq!(finished(&stand, &second).await["sent"], 10);
        assert_eq!(received(&stand, &orders), [1; 25]);
    });
}

#[test]
fn nobody_gets_twice_what_they_may_have_unless_that_is_meant() {
    story_alone(&[("RecoveryPerMinute", "1000"), ("MaxRetries", "1")], async |stand| {
        // LINE took it, and nobody heard; then the retries were used up.
        let doubtful = order_with(json!({}));
        stand.line.script(user(&doubtful), vec![Behaviour::answer(500, ""); 2]);
        assert_eq!(stand.post(&doubtful).await.status, 202);
        let is_exhausted = |record: &DeliveryRecord| record.progress.is_exhausted();
        stand.wait_for_record(id(&doubtful), "exhausted", is_exhausted).await;
        // Certainly not taken.
        let certain = order_with(json!({}));
        stand.line.script(user(&certain), vec![Behaviour::RateLimited; 2]);
        assert_eq!(stand.post(&certain).await.status, 202);
        stand.wait_for_record(id(&certain), "exhausted", is_exhausted).await;
        let counted = dry_run(&stand, json!({ "state": "retrying" })).await;
        assert_eq!((&counted["takes"], &counted["skipped"]), (&json!(1), &json!({ "may_have_it": 1 })), "{counted}");
        let recovery = start(&stand, json!({ "state": "retrying" })).await;
        let done = finished(&stand, &recovery).await;
        assert_eq!((&done["sent"], &done["skipped"]), (&json!(1), &json!({ "may_have_it": 1 })), "{done}");
        assert_eq!(received(&stand, &[doubtful.clone(), certain.clone()]), [0, 1]);
        let forced = start(&stand, json!({ "state": "retrying", "force": true })).await;
        assert_eq!(finished(&stand, &forced).await["sent"], 1);
        assert_eq!(received(&stand, &[doubtful.clone(), certain]), [1, 1]);
        let record = stand.record(id(&doubtful)).await.expect("a record");
        assert!(record.resends[0].force && record.progress.customer_may_have_it());
    });
}

#[test]
fn what_changes_before_an_order_is_taken_counts() {
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        let [resent, forgotten, left, unlinked]: [Value; 4] =
            suppressed(&stand, 4).await.try_into().expect("four of them");
        let recovery = start(&stand, json!({})).await;
        let why = json!({ "reason": "the customer called" });
        let reply = stand.operate("POST", &format!("/orders/{}/resend", id(&resent)), Some(why)).await;
        assert_eq!(reply.body["delivery"], "sent");
        let erased = stand.operate("DELETE", &format!("/users/{}?reason=asked", user(&forgotten)), None).await;
        assert_eq!(erased.status, 200, "{erased:?}");
        stand.set_friend(user(&left), false).await.expect("written");
        let done = finished(&stand, &recovery).await;
        assert_eq!((&done["sent"], &done["suppressed"]), (&json!(1), &json!({ "not_a_friend": 1 })), "{done}");
        assert_eq!(received(&stand, &[resent, forgotten, left, unlinked]), [1, 0, 0, 1]);
    });
}

#[test]
fn who_was_linked_since_is_told_and_who_was_not_is_counted() {
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        for member in ["M-1", "M-2"] {
            let order = order_with(json!({ "recipient": { "memberId": member } }));
            assert_eq!(stand.post(&order).await.body["reason"], "not_linked");
        }
        let linked = random_user();
        stand.link("M-1", &linked).await.expect("linked");
        let recovery = start(&stand, json!({ "state": "failed" })).await;
        let done = finished(&stand, &recovery).await;
        assert_eq!((&done["sent"], &done["skipped"]), (&json!(1), &json!({ "not_linked": 1 })), "{done}");
        assert_eq!(stand.line.received_by(&linked).len(), 1);
    });
}

/// No message belongs to a step, so none can be lost: the next minute's is the same. What can be lost is a bell.
#[test]
fn an_order_whose_bell_was_never_sent_is_rung_for() {
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        let orders = suppressed(&stand, 3).await;
        let unsent =
            stand.aws.tap().inject(Fault::Error(500, "InternalError"), "sqs.SendMessage", id(&orders[1]), ALWAYS);
        let recovery = start(&stand, json!({})).await;
        step(&stand).await;
        assert!(unsent.hits() > 0);
        drop(unsent);
        step_until(&stand, &recovery, "two are sent", |stands| stands["sent"] == 2).await;
        let stands = look(&stand, &recovery).await;
        assert_eq!((&stands["state"], &stands["onTheWay"]), (&json!("running"), &json!(1)), "{stands}");
        stand.age_record(id(&orders[1]), time::Duration::minutes(1)).await.expect("written");
        assert_eq!(sweep(&stand).await["rung"], 1);
        assert_eq!(finished(&stand, &recovery).await["sent"], 3);
        assert_eq!(received(&stand, &orders), [1; 3]);
    });
}

#[test]
fn two_steps_at_once_and_one_whose_answer_was_lost_send_once() {
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        let orders = suppressed(&stand, 8).await;
        let recovery = start(&stand, json!({})).await;
        // The list is written, and nobody knows.
        let lost = stand.aws.tap().inject(Fault::ForwardThenHangUp, "dynamodb.PutItem", &recovery, ALWAYS);
        let failed = stand.invoke("RecoveryFunctionName", &json!({})).await;
        assert!(failed.as_ref().is_ok_and(|answer| !answer["errorType"].is_null()) || failed.is_err(), "{failed:?}");
        assert!(lost.hits() > 0);
        drop(lost);
        let mut steps = JoinSet::new();
        for _ in 0..4 {
            let stand = Arc::clone(&stand);
            steps.spawn(async move { step(&stand).await });
        }
        steps.join_all().await;
        assert_eq!(finished(&stand, &recovery).await["sent"], 8);
        assert_eq!(received(&stand, &orders), [1; 8]);
    });
}

#[test]
fn a_bad_day_is_recovered_through_two_crashes_and_a_pause() {
    let count = std::env::var("RECOVER").map_or(150, |count| count.parse().expect("a number"));
    story_on_an_idle_machine(&[("RecoveryPerMinute", "1000")], async |stand| {
        turn(&stand, false).await;
        let orders: Arc<Vec<Value>> = Arc::new((0..count).map(|_| order_with(json!({}))).collect());
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let (stand, orders) = (Arc::clone(&stand), Arc::clone(&orders));
            senders.spawn(async move {
                for order in orders.iter().skip(sender).step_by(SENDERS) {
                    assert_eq!(stand.post_until_taken(order).await.body["reason"], "switched_off");
                }
            });
        }
        senders.join_all().await;
        turn(&stand, true).await;
        let begun = Instant::now();
        // A worker dies before it sends a bell, and another one after.
        let crashes = [(Fault::Kill, &orders[count / 3]), (Fault::ForwardThenKill, &orders[count / 2])]
            .map(|(fault, order)| stand.aws.tap().inject(fault, "sqs.SendMessage", id(order), 1));
        let recovery = start(&stand, json!({ "reasons": ["switched_off"] })).await;
        let mut paused = false;
        let deadline =
            Instant::now() + LIMIT + Duration::from_millis(200) * u32::try_from(count).expect("a small number");
        let done = loop {
            let stands = look(&stand, &recovery).await;
            if stands["state"] == "finished" {
                break stands;
            }
            assert!(Instant::now() < deadline, "{stands}");
            // The one that dies has no answer.
            if let Err(error) = stand.invoke("RecoveryFunctionName", &json!({})).await {
                println!("a step ended: {error}");
            }
            if !paused && crashes.iter().all(|crash| crash.hits() == 1) {
                assert_eq!(change(&stand, &recovery, "paused").await.body["state"], "paused");
                step(&stand).await;
                assert_eq!(change(&stand, &recovery, "running").await.body["state"], "running");
                paused = true;
            }
            // For the one whose bell was never sent.
            sweep(&stand).await;
            sleep(POLL).await;
        };
        println!("{count} orders recovered in {:.1?}, through two crashes and a pause: {done}", begun.elapsed());
        assert!(paused);
        assert_eq!((&done["sent"], &done["ended"]), (&json!(count), &json!(count)), "{done}");
        assert_eq!((&done["suppressed"], &done["failed"], &done["skipped"]), (&json!({}), &json!({}), &json!({})));
        let twice: BTreeSet<_> =
            orders.iter().filter(|order| stand.line.received_by(user(order)).len() != 1).map(id).collect();
        assert!(twice.is_empty(), "not once: {twice:?}");
        for order in orders.iter() {
            let record = stand.record(id(order)).await.expect("a record");
            assert_eq!((record.progress.state(), record.resends.len()), (State::Sent, 1), "{record:?}");
        }
    });
}

#[test]
fn an_operator_recovers_a_bad_day_by_clicks() {
    let Some(installed) = a_browser("an_operator_recovers_a_bad_day_by_clicks") else { return };
    story_alone(&[("RecoveryPerMinute", "1000")], async |stand| {
        let orders = suppressed(&stand, 12).await;
        stand.line.set_quota(Some(stand.line.usage()));
        let tour = async {
            let browser = Browser::start_on(&installed, "en-US", Screen::DESK).await?;
            console::open(&stand, &browser, "#deliveries").await?;
            console::unlock(&browser, &stand.operator_key).await?;
            // From the list of what did not go out, with its filter.
            browser.choose("State", "suppressed").await?;
            browser.press("button", "Show").await?;
            browser.wait_for_text("#list", id(&orders[0])).await?;
            browser.press("button", "Recover…").await?;
            browser.wait_for_text("#recoveries", "Nothing was recovered yet.").await?;
            browser.press("button", "Count").await?;
            browser.wait_for_text("#recover-counted", "12 orders match. 12 would be sent").await?;
            browser.wait_for_text("#recover-counted", "Only 0 messages are left this month.").await?;
            browser.press("button", "Start…").await?;
            browser.wait_for_text("#dialog-title", "Send 12 orders again?").await?;
            console::confirm(&browser, "the quota was bought", "Start").await?;
            browser.wait_for_text("#recoveries", "0 of 12 have their end").await?;
            browser.wait_for_text("#recoveries", "the quota was bought").await?;

            // It was not: after ten it pauses by itself, and says why.
            let listed = stand.operate("GET", "/recoveries", None).await.body["recoveries"].take();
            assert_eq!(listed.as_array().map(Vec::len), Some(1));
            let recovery = listed[0]["id"].as_str().expect("an id").to_owned();
            step_until(&stand, &recovery, "paused", |stands| stands["state"] == "paused").await;
            browser.wait_for_text("#recoveries", "It met again: Quota used up").await?;
            browser.wait_for_text("#recoveries", "10 of 12 have their end, 0 on their way").await?;
            browser.screenshot(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-recovery-paused.png")).await?;
            stand.line.set_quota(None);
            browser.press("button", "Resume…").await?;
            console::confirm(&browser, "now it is", "Resume").await?;
            browser.wait_for_text("#recoveries", "now it is").await?;
            browser.press("button", "Pause…").await?;
            console::confirm(&browser, "wait", "Pause").await?;
            browser.wait_for_text("#recovery-state", "Paused").await?;
            browser.press("button", "Resume…").await?;
            console::confirm(&browser, "go on", "Resume").await?;
            finished(&stand, &recovery).await;
            browser.wait_for_text("#recovery-state", "Finished").await?;
            browser.screenshot(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-recovery.png")).await?;

            // The history tells it, too.
            browser.press("link", "History").await?;
            browser.choose("Kind", "recover").await?;
            browser.wait_for_text("#audit", "the quota was bought").await?;
            console::complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
        assert_eq!(received(&stand, &orders).iter().sum::<usize>(), 2);
    });
}
