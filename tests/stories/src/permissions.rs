//! Every permission that `template.yaml` gives is needed: each function is driven through all that it may do, and what
//! no call needed has to go from the template. That nothing else is done, every story sees at its end.

use aws_sdk_dynamodb::types::AttributeValue;
use local_stand::{
    aws::tap::Fault,
    line::Behaviour,
    line::webhook_sender::{WebhookSender, event, message},
    stand::{POLL, Stand, THE_APP, order_with, random_user},
};
use serde_json::{Value, json};
use shared::{customer::friend::Source, delivery::state::State, inbox::messages::StoredEvent, line::day::line_day};
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::{
    bells::{sweep, without_a_bell},
    id, login, story_alone, user,
};

#[test]
fn every_permission_is_needed() {
    story_alone(&[("LinkCallbackUrl", THE_APP)], async |stand| {
        drive_order_finished(&stand).await;
        drive_push_retry(&stand).await;
        drive_the_sweep(&stand).await;
        drive_a_recovery(&stand).await;
        drive_quota_warning(&stand).await;
        drive_daily_report(&stand).await;
        begin_without_tokens(&stand, "line-login").await;
        login::drive_line_login(&stand).await;
        drive_webhooks_and_inbox(&stand).await;
        drive_operations(&stand).await;
        stand.app.wait_until("a link is told", |received| !received.is_empty()).await;
        let unused: Vec<_> = stand.aws.tap().unused_permissions().into_iter().collect();
        assert!(unused.is_empty(), "permitted and never used:\n{}", unused.join("\n"));
    });
}

/// As if nobody had asked for a token yet; a function's new process has none in memory either.
async fn begin_without_tokens(stand: &Stand, function: &str) {
    stand.aws.kill(function).expect("killed");
    for issuer in ["line", "sobot"] {
        let delete = stand.dynamodb.delete_item().table_name(stand.aws.output("TokensTableName"));
        delete.key("issuer", AttributeValue::S(issuer.to_owned())).send().await.expect("the token can be taken away");
    }
}

async fn drive_order_finished(stand: &Stand) {
    assert_eq!(stand.post(&order_with(json!({}))).await.body["delivery"], "sent");
    let unlinked = order_with(json!({ "recipient": { "memberId": "M-1" } }));
    assert_eq!(stand.post(&unlinked).await.body["reason"], "not_linked");
    let befriended = to_no_friend_of_old(stand).await;
    assert_eq!(stand.post(&befriended).await.body["delivery"], "sent");
    // Another worker wrote the record meanwhile.
    let lost = stand.aws.tap().inject(
        Fault::Error(400, "ConditionalCheckFailedException"),
        "dynamodb.PutItem",
        "revision = :read",
        1,
    );
    assert_eq!(stand.post(&order_with(json!({}))).await.body["delivery"], "sent");
    assert_eq!(lost.hits(), 1);
    // Left by a crash, and called again after midnight.
    let left = order_with(json!({}));
    assert_eq!(stand.post(&left).await.body["delivery"], "sent");
    arrived_yesterday(stand, &left).await;
    let pending = json!({ "state": "pending", "due_at": "2020-01-01T00:00:00Z" });
    stand.change_record(id(&left), pending).await.expect("written");
    assert_eq!(stand.post(&left).await.body["delivery"], "sent");
    stand.line.set_quota(Some(stand.line.usage()));
    assert_eq!(stand.post(&order_with(json!({}))).await.body["reason"], "quota_exhausted");
    // The warning it makes is over before the tokens are taken away.
    while stand.mails().await.expect("mails").is_empty() {
        sleep(POLL).await;
    }
    stand.line.set_quota(None);
}

/// A day that is over: whoever changes one of its records marks it.
async fn arrived_yesterday(stand: &Stand, order: &Value) {
    let yesterday = line_day(OffsetDateTime::now_utc()) - time::Duration::DAY;
    stand.change_day(id(order), yesterday).await.expect("written");
}

async fn drive_the_sweep(stand: &Stand) {
    let order = without_a_bell(stand).await;
    arrived_yesterday(stand, &order).await;
    assert_eq!(sweep(stand).await["rung"], 1);
    let order = without_a_bell(stand).await;
    assert_eq!(sweep(stand).await["rung"], 1);
    stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
}

/// Of yesterday, and to a member who was linked since.
async fn drive_a_recovery(stand: &Stand) {
    let order = order_with(json!({ "recipient": { "memberId": "M-5" } }));
    assert_eq!(stand.post(&order).await.body["reason"], "not_linked");
    arrived_yesterday(stand, &order).await;
    stand.link("M-5", &random_user()).await.expect("linked");
    let yesterday = (line_day(OffsetDateTime::now_utc()) - time::Duration::DAY).to_string();
    let filter = json!({ "from": yesterday, "to": yesterday, "state": "failed", "dryRun": false, "reason": "linked" });
    let reply = stand.operate("POST", "/deliveries/recover", Some(filter)).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let recovery = format!("/recoveries/{}", reply.body["id"].as_str().expect("an id"));
    while stand.operate("GET", &recovery, None).await.body["state"] != "finished" {
        stand.invoke("RecoveryFunctionName", &json!({})).await.expect("an answer");
        sleep(POLL).await;
    }
    assert_eq!(stand.operate("GET", &recovery, None).await.body["sent"], 1);
}

/// An order to somebody who is called no friend so long ago that LINE is asked.
async fn to_no_friend_of_old(stand: &Stand) -> Value {
    let order = order_with(json!({}));
    let written = stand.believe(user(&order), false, time::Duration::hours(2), Source::LineEvent).await;
    written.expect("written");
    order
}

async fn drive_push_retry(stand: &Stand) {
    begin_without_tokens(stand, "push-retry").await;
    // No record stands for it: whom the member is, the retry has to find out.
    let member = random_user();
    stand.link("M-2", &member).await.expect("linked");
    let order = order_with(json!({ "recipient": { "memberId": "M-2" } }));
    stand.enqueue(&order.to_string()).await.expect("queued");
    stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;

    let befriended = to_no_friend_of_old(stand).await;
    stand.enqueue(&befriended.to_string()).await.expect("queued");
    stand.wait_for_record(id(&befriended), "sent", |record| record.progress.state() == State::Sent).await;

    // Retried after midnight, and not taken yet.
    let late = order_with(json!({}));
    stand.line.script(user(&late), vec![Behaviour::answer(500, ""); 2]);
    assert_eq!(stand.post(&late).await.status, 202);
    arrived_yesterday(stand, &late).await;
    stand.wait_for_record(id(&late), "sent", |record| record.progress.state() == State::Sent).await;

    let exhausted = order_with(json!({}));
    stand.line.script(user(&exhausted), [Behaviour::answer(500, ""), Behaviour::MonthlyLimit]);
    assert_eq!(stand.post(&exhausted).await.status, 202);
    stand.line.set_quota(Some(stand.line.usage()));
    stand.wait_for_record(id(&exhausted), "settled", |record| record.progress.state() == State::Failed).await;
    stand.line.set_quota(None);
}

async fn drive_quota_warning(stand: &Stand) {
    begin_without_tokens(stand, "quota-warning").await;
    let told: Value = serde_json::from_str(include_str!("../../../events/quota-warning.json")).expect("JSON");
    let answer = stand.invoke("QuotaWarningFunctionName", &told).await.expect("an answer");
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let answer = stand.invoke("QuotaWarningFunctionName", &json!({ "scheduledTime": "2026-09-08T01:15:00Z" })).await;
    assert_eq!(answer.expect("an answer"), json!({ "warned": null }));
}

async fn drive_daily_report(stand: &Stand) {
    begin_without_tokens(stand, "daily-report").await;
    let report = json!({ "scheduledTime": "2026-09-09T01:00:00Z" });
    assert_eq!(stand.invoke("DailyReportFunctionName", &report).await.expect("an answer")["report"], "sent");
}

async fn drive_webhooks_and_inbox(stand: &Stand) {
    begin_without_tokens(stand, "inbox").await;
    write_to_the_account(stand).await;
}

/// Today, where it is nine o'clock for the mails.
fn day_of_the_mail() -> time::Date {
    OffsetDateTime::now_utc().to_offset(time::macros::offset!(+8)).date()
}

/// A customer follows, sends a picture, edits it and takes it back; both entrances tell.
pub async fn write_to_the_account(stand: &Stand) {
    let now_ms = u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).expect("now");
    let (line, sobot) = (WebhookSender::line(stand), WebhookSender::sobot(stand));

    // What Sobot forwards unsigned: a picture, whose address is asked for, and a follow, of which LINE is asked.
    let customer = random_user();
    let picture = message(&customer, now_ms, json!({ "type": "image", "contentProvider": { "type": "line" } }));
    let follow = event("follow", &customer, now_ms, json!({ "follow": { "isUnblocked": false } }));
    assert_eq!(sobot.deliver(&[picture.clone(), follow]).await.status, 200);
    stand.wait_for_events(&customer, "stored", |events| events.iter().any(|event| event.media_url.is_some())).await;
    stand.wait_for_friend_state(&customer, true, "confirmed_event").await;

    // The same message with LINE's signature, as another event: it takes the place of the first.
    let mut signed = picture.clone();
    signed["webhookEventId"] = message(&customer, now_ms, json!({}))["webhookEventId"].clone();
    assert_eq!(line.deliver(&[signed]).await.status, 200);
    stand.wait_for_events(&customer, "LINE's", |events| events.iter().any(|event| event.verified)).await;
    // And an edit of it.
    let words = json!({ "id": picture["message"]["id"], "type": "text", "text": "edited" });
    let edited = [event("messageEdited", &customer, now_ms, json!({ "message": words }))];
    for (sender, signed) in [(&sobot, 1), (&line, 2)] {
        assert_eq!(sender.deliver(&edited).await.status, 200);
        let there = |events: &[StoredEvent]| events.iter().filter(|event| event.verified).count() == signed;
        stand.wait_for_events(&customer, "the edit", |events| events.len() == 3 && there(events)).await;
    }
    let unsend = event("unsend", &customer, now_ms, json!({ "unsend": { "messageId": picture["message"]["id"] } }));
    assert_eq!(line.deliver(&[unsend]).await.status, 200);
    stand.wait_for_events(&customer, "unsent", |events| events.iter().any(|event| event.unsent_at.is_some())).await;
}

async fn drive_operations(stand: &Stand) {
    begin_without_tokens(stand, "operations").await;
    let call = async |status: u16, method: &str, path: &str, body: Option<Value>| {
        let reply = stand.operate(method, path, body).await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        reply.body
    };
    let why = |more: Value| {
        let mut body = json!({ "reason": "to see what is needed" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        Some(body)
    };
    call(200, "GET", "/quota", None).await;
    call(200, "GET", "/sobot/tasks", None).await;
    call(200, "GET", "/reports", None).await;
    call(202, "POST", &format!("/reports/{}/run", day_of_the_mail()), why(json!({}))).await;
    call(200, "GET", "/reports/preview", None).await;
    call(200, "POST", "/reports/test-mail", why(json!({ "to": "operator@example.com" }))).await;
    call(200, "GET", "/days/today", None).await;
    let today = line_day(OffsetDateTime::now_utc()).to_string();
    let filter = json!({ "from": today, "to": today, "state": "failed", "dryRun": false });
    let recovery = call(202, "POST", "/deliveries/recover", why(filter)).await;
    let recovery = format!("/recoveries/{}", recovery["id"].as_str().expect("an id"));
    call(200, "PUT", &recovery, why(json!({ "state": "stopped" }))).await;
    call(200, "GET", "/recoveries", None).await;
    call(200, "PUT", "/switches/all", why(json!({ "enabled": true }))).await;
    call(200, "GET", "/audit?kind=switch", None).await;
    let customer = random_user();
    stand.log_in("M-3", &customer).await.expect("logged in");
    call(200, "GET", &format!("/users/{customer}/messages"), None).await;
    // A picture that LINE has no more.
    let now_ms = crate::now_ms();
    let picture = message(&customer, now_ms, json!({ "type": "image", "contentProvider": { "type": "line" } }));
    assert_eq!(WebhookSender::line(stand).deliver(std::slice::from_ref(&picture)).await.status, 200);
    stand.wait_for_events(&customer, "stored", |events| !events.is_empty()).await;
    let picture = picture["message"]["id"].as_str().expect("an id");
    call(404, "GET", &format!("/users/{customer}/messages/{picture}/content"), None).await;
    call(200, "DELETE", "/links/M-3?reason=over", None).await;
    let text = message(&customer, now_ms, json!({ "type": "text", "text": "forget me" }));
    assert_eq!(WebhookSender::line(stand).deliver(&[text]).await.status, 200);
    stand.wait_for_events(&customer, "the text is stored", |events| !events.is_empty()).await;
    call(200, "GET", &format!("/users/{customer}"), None).await;
    call(200, "DELETE", &format!("/users/{customer}?reason=asked"), None).await;

    let order = order_with(json!({}));
    assert_eq!(stand.post(&order).await.body["delivery"], "sent");
    arrived_yesterday(stand, &order).await;
    call(200, "POST", &format!("/orders/{}/resend", id(&order)), why(json!({ "force": true }))).await;
    let befriended = order_with(json!({ "recipient": { "memberId": "M-4" } }));
    assert_eq!(stand.post(&befriended).await.body["reason"], "not_linked");
    let customer = user(&to_no_friend_of_old(stand).await).to_owned();
    stand.link("M-4", &customer).await.expect("linked");
    let resent = call(200, "POST", &format!("/orders/{}/resend", id(&befriended)), why(json!({}))).await;
    assert_eq!(resent["delivery"], "sent");

    let queues = [
        ("push-retry", "PushRetryDeadLetterQueueUrl"),
        ("inbox", "InboxDeadLetterQueueUrl"),
        ("quota-warning", "QuotaWarningDeadLetterQueueUrl"),
        ("daily-report", "DailyReportDeadLetterQueueUrl"),
    ];
    for (queue, output) in queues {
        let send = stand.sqs.send_message().queue_url(stand.aws.output(output)).message_body("not a message of ours");
        send.send().await.expect("put");
        let listed = call(200, "GET", &format!("/dead-letters?queue={queue}"), None).await;
        let letter = listed["deadLetters"][0]["id"].as_str().expect("a dead letter").to_owned();
        call(200, "DELETE", &format!("/dead-letters/{letter}?reason=over"), None).await;
        if queue != "daily-report" {
            let send = stand.sqs.send_message().queue_url(stand.aws.output(output)).message_body("{}");
            send.send().await.expect("put");
            call(202, "POST", "/dead-letters/redrive", why(json!({ "queue": queue }))).await;
        }
    }
}
