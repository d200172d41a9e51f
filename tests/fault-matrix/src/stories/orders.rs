//! An order is received once, or is visibly not - whoever asks is told the truth.

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use local_stand::{
    line::{Behaviour, Outcome},
    stand::{Reply, order_with, random_key},
};
use serde_json::{Value, json};
use shared::{
    customer::friend::Source,
    delivery::{
        record::DeliveryRecord,
        state::{Reason, State},
    },
};
use time::Duration;

use crate::{case::Case, trouble::Trouble};

/// An order, as the order system posts it.
pub struct Order {
    body: Value,
    /// Whom it reaches.
    pub user: String,
}

impl Order {
    /// An order with these fields; LINE behaves so when it is pushed.
    pub fn new(case: &Case<'_>, fields: Value, behaviours: impl IntoIterator<Item = Behaviour>) -> Self {
        let body = order_with(fields);
        let user = body["recipient"]["lineUserId"].as_str().expect("a recipient").to_owned();
        case.canaries.plant([&user]);
        case.stand.line.script(&user, behaviours);
        Self { body, user }
    }

    /// The same, to a member.
    pub fn of(mut self, member: &str) -> Self {
        self.body["recipient"] = json!({ "memberId": member });
        self
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.body["orderId"].as_str().expect("an order id")
    }

    /// Posts it as the order system does: again, until it is taken. Returns the answer that took it.
    pub async fn post(&self, case: &Case<'_>) -> anyhow::Result<Reply> {
        let answer = case.until_answered(async || case.stand.post(&self.body).await).await?;
        ensure!([200, 202].contains(&answer.status), "a good order was answered {answer:?}");
        Ok(answer)
    }

    /// Its record.
    pub async fn record(&self, case: &Case<'_>) -> anyhow::Result<DeliveryRecord> {
        case.stand.record(self.id()).await.context("an order that was taken has no record")
    }
}

/// The shop's name in a corrected order.
const CORRECTED: &str = "另一家店";

fn fails() -> Behaviour {
    Behaviour::answer(500, "")
}

/// To a member whose LINE user was no friend some hours ago; LINE fails the first push, so a retry follows.
pub async fn an_order(case: &Case<'_>) -> anyhow::Result<()> {
    let member = format!("member-{}", random_key());
    let order = Order::new(case, json!({}), [fails()]).of(&member);
    case.stand.link(&member, &order.user).await?;
    case.stand.believe(&order.user, false, Duration::hours(2), Source::LineEvent).await?;
    case.begin().await?;
    let answer = order.post(case).await?;
    ends_well(case, &order, &answer).await
}

/// Its bell was lost hours ago: the sweep rings.
pub async fn a_lost_bell(case: &Case<'_>) -> anyhow::Result<()> {
    let order = Order::new(case, json!({}), [fails()]);
    let answer = order.post(case).await?;
    case.empty("PushRetryQueueUrl").await?;
    case.stand.age_record(order.id(), Duration::hours(3)).await?;
    case.begin().await?;
    ends_well(case, &order, &answer).await
}

/// Every attempt failed: an operator looks at the dead letters and moves them back.
pub async fn a_dead_letter(case: &Case<'_>) -> anyhow::Result<()> {
    let order = Order::new(case, json!({}), [fails(), fails()]);
    let answer = order.post(case).await?;
    case.until("it is a dead letter", async || case.holds("PushRetryDeadLetterQueueUrl", 1).await).await?;
    case.begin().await?;
    let listed = case.operate("GET", "/dead-letters?queue=push-retry", None).await?;
    ensure!(listed.status == 200, "{listed:?}");
    case.canaries.look_at_text(&listed.body.to_string());
    ends_well(case, &order, &answer).await
}

/// Its member was linked to nobody when it came: an operator sends it again.
pub async fn a_failed_order(case: &Case<'_>) -> anyhow::Result<()> {
    let member = format!("member-{}", random_key());
    let order = Order::new(case, json!({}), []).of(&member);
    let failed = order.post(case).await?;
    ensure!(failed.body["reason"] == "not_linked", "{failed:?}");
    case.stand.link(&member, &order.user).await?;
    case.begin().await?;
    let body = json!({ "reason": "the member has logged in" });
    let resent = case.operate("POST", &format!("/orders/{}/resend", order.id()), Some(body)).await?;
    // After an answer that was lost it may be on its way, or have arrived.
    ensure!([200, 202, 409].contains(&resent.status), "{resent:?}");
    let audit = case.operate("GET", "/audit?kind=resend", None).await?;
    ensure!(audit.body.to_string().contains(order.id()), "not in the audit: {audit:?}");
    ends_well(case, &order, &resent).await
}

/// Its customer was no friend when it came: a recovery sends it again, step by step, whatever becomes of a step.
pub async fn a_recovered_order(case: &Case<'_>) -> anyhow::Result<()> {
    let order = Order::new(case, json!({}), []);
    case.stand.set_friend(&order.user, false).await?;
    let suppressed = order.post(case).await?;
    ensure!(suppressed.body["reason"] == "not_a_friend", "{suppressed:?}");
    case.stand.set_friend(&order.user, true).await?;
    case.begin().await?;
    let day = order.record(case).await?.day;
    let body = json!({
        "dryRun": false, "from": day, "to": day, "state": "suppressed", "reason": "they have come back",
    });
    let started = case.operate("POST", "/deliveries/recover", Some(body)).await?;
    // After an answer that was lost it is the active one.
    let id = started.body["id"].as_str().or(started.body["recovery"].as_str());
    let path = format!("/recoveries/{}", id.with_context(|| format!("neither started nor active: {started:?}"))?);
    case.until("the recovery has finished", async || {
        // A step that ends in an error is followed by the next minute's.
        drop(case.stand.invoke("RecoveryFunctionName", &json!({})).await);
        if order.record(case).await?.progress.is_open() && case.is_idle("PushRetryQueueUrl").await? {
            case.stand.age_record(order.id(), Duration::hours(3)).await?;
            case.stand.invoke("DeliverySweepFunctionName", &json!({})).await?;
        }
        Ok(case.operate("GET", &path, None).await?.body["state"] == "finished")
    })
    .await?;
    let shown = case.operate("GET", &path, None).await?.body;
    ensure!(shown["onTheWay"] == 0 && shown["skipped"] == json!({}), "{shown}");
    ends_well(case, &order, &suppressed).await
}

/// LINE refused it for good, and nothing of it can have arrived: an operator sends it again, corrected.
pub async fn a_corrected_order(case: &Case<'_>) -> anyhow::Result<()> {
    let refuses = Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#);
    let order = Order::new(case, json!({}), [refuses]);
    order.post(case).await?;
    settles(case, &order).await?;
    let reason = order.record(case).await?.progress.reason();
    ensure!(reason == Some(Reason::RefusedByLine), "{reason:?}");
    case.begin().await?;
    let body = json!({ "reason": "the shop has another name", "correction": { "endShop": CORRECTED } });
    let resent = case.operate("POST", &format!("/orders/{}/resend", order.id()), Some(body)).await?;
    // After an answer that was lost it may be on its way, or have arrived.
    ensure!([200, 202, 409].contains(&resent.status), "{resent:?}");
    let audit = case.operate("GET", "/audit?kind=resend", None).await?;
    ensure!(audit.body.to_string().contains("endShop"), "not in the audit: {audit:?}");
    ends_well(case, &order, &resent).await?;
    let received = case.stand.line.received_by(&order.user);
    let is_corrected = |message: &Value| message.to_string().contains(CORRECTED);
    ensure!(received.iter().flat_map(|one| &one.messages).all(is_corrected), "not as corrected: {received:?}");
    Ok(())
}

/// LINE has it, and the customer says that nothing came: an operator insists, and each wish sends one message.
pub async fn a_forced_order(case: &Case<'_>) -> anyhow::Result<()> {
    let order = Order::new(case, json!({}), []);
    order.post(case).await?;
    settles(case, &order).await?;
    case.begin().await?;
    let body = json!({ "reason": "nothing came", "force": true });
    let path = format!("/orders/{}/resend", order.id());
    case.until_answered(async || case.stand.operate("POST", &path, Some(body.clone())).await).await?;
    settles(case, &order).await?;
    case.is_over();
    let record = order.record(case).await?;
    let (received, wishes) = (case.stand.line.received_by(&order.user).len(), record.resends.len());
    // An operator whose answer was lost asks again: that is another wish. Of each there is a trace, and a message at
    // most; of the last one there is one, unless LINE itself refused it.
    ensure!((1..=1 + wishes).contains(&received), "received {received} times after {wishes} wishes: {record:#?}");
    ensure!(record.progress.state() != State::Sent || received == 1 + wishes, "{received} of {wishes}: {record:#?}");
    let audit = case.operate("GET", "/audit?kind=resend&limit=100", None).await?;
    let noted = audit.body["entries"].as_array().into_iter().flatten();
    let noted = noted.filter(|entry| entry["subject"] == order.id()).count();
    ensure!(noted == wishes && wishes > 0, "{noted} wishes are noted, the record has {wishes}: {audit:?}");
    counts_are_true(case, &record).await
}

/// The customer of a sent and of an open order is forgotten: nothing is left, nothing is pushed, and the counts stay.
pub async fn a_forgotten_customer(case: &Case<'_>) -> anyhow::Result<()> {
    let sent = Order::new(case, json!({}), []);
    sent.post(case).await?;
    settles(case, &sent).await?;
    let fields = json!({ "recipient": { "lineUserId": sent.user }, "endShop": CORRECTED });
    let open = Order::new(case, fields, [fails(), fails()]);
    open.post(case).await?;
    case.begin().await?;
    let path = format!("/users/{}?reason=asked%20for%20it", sent.user);
    // What could not be emptied is said, and the same call goes on.
    case.until("nothing is left to be forgotten", async || {
        let erased = case.operate("DELETE", &path, None).await?;
        ensure!(erased.status == 200, "{erased:?}");
        Ok(erased.body["complete"] == true)
    })
    .await?;
    let received = case.stand.line.received_by(&sent.user).len();
    for order in [&sent, &open] {
        settles(case, order).await?;
    }
    case.is_over();
    for order in [&sent, &open] {
        let record = order.record(case).await?;
        ensure!(record.progress.is_erased(), "not forgotten: {record:#?}");
        let kept = format!("{record:?}");
        ensure!(!kept.contains(&sent.user) && !kept.contains(CORRECTED), "of somebody forgotten there is {kept}");
        let again = order.post(case).await?;
        ensure!(again.status == 200, "a repeated call is answered as it stands: {again:?}");
        counts_are_true(case, &record).await?;
    }
    case.until("no bell is left", async || case.holds("PushRetryQueueUrl", 0).await).await?;
    let now = case.stand.line.received_by(&sent.user).len();
    ensure!(now == received, "{received} messages when the customer was forgotten, {now} since");
    let shown = case.operate("GET", &format!("/users/{}", sent.user), None).await?;
    ensure!(shown.body["deliveries"] == json!([]) && shown.body["events"] == json!([]), "still known: {shown:?}");
    Ok(())
}

/// LINE refuses its button: it goes out without.
pub async fn a_refused_button(case: &Case<'_>) -> anyhow::Result<()> {
    let order = Order::new(case, json!({ "detailUrl": "https://example.com/app/latest.apk" }), []);
    case.begin().await?;
    let answer = order.post(case).await?;
    ends_well(case, &order, &answer).await
}

/// Goes on to the end, and looks at what must hold there.
async fn ends_well(case: &Case<'_>, order: &Order, answer: &Reply) -> anyhow::Result<()> {
    settles(case, order).await?;
    case.is_over();
    is_true(case, order, answer).await
}

/// Goes on until the order is settled: the queue rings; where it does not, the sweep does, every ten minutes; and an
/// operator redrives what is exhausted. Then nothing is left in the queue.
pub async fn settles(case: &Case<'_>, order: &Order) -> anyhow::Result<()> {
    case.until("the order is settled", async || {
        let record = order.record(case).await?;
        if record.progress.state().is_settled() {
            return Ok(true);
        }
        if record.progress.is_exhausted() && !case.holds("PushRetryDeadLetterQueueUrl", 0).await? {
            let body = json!({ "queue": "push-retry", "reason": "LINE is well again" });
            let redriven = case.operate("POST", "/dead-letters/redrive", Some(body)).await?;
            ensure!(redriven.status == 202, "{redriven:?}");
        } else if case.is_idle("PushRetryQueueUrl").await? && record.progress.is_open() {
            // Nobody will ring: hours go by, and the sweep comes.
            case.stand.age_record(order.id(), Duration::hours(3)).await?;
            case.stand.invoke("DeliverySweepFunctionName", &json!({})).await?;
        }
        Ok(false)
    })
    .await?;
    case.until("no bell is left", async || case.holds("PushRetryQueueUrl", 0).await).await
}

/// What must hold of a settled order.
async fn is_true(case: &Case<'_>, order: &Order, answer: &Reply) -> anyhow::Result<()> {
    let record = order.record(case).await?;
    let (state, received) = (record.progress.state(), case.stand.line.received_by(&order.user).len());
    let pushes: Vec<_> = case.stand.line.pushes_to(&order.user).into_iter().map(|push| push.outcome).collect();
    ensure!(received <= 1, "received {received} times: {pushes:?} {record:#?}");
    if state == State::Sent {
        ensure!(received == 1, "sent, and not received: {pushes:?} {record:#?}");
    } else {
        // Only LINE may refuse an order that nothing is wrong with.
        let on_the_wire = matches!(case.trouble_at(), Some((what, Trouble::Refused)) if what.contains("/message/"));
        let refused = on_the_wire || pushes.contains(&Outcome::Answered(400));
        ensure!(refused && record.progress.reason() == Some(Reason::RefusedByLine), "{pushes:?} {record:#?}");
        ensure!(received == 0 || record.progress.customer_may_have_it(), "failed, and received: {record:#?}");
    }
    let told_as_sent = answer.status == 200 && answer.body["delivery"] == "sent";
    ensure!(received == 1 || !told_as_sent, "told as sent, and not received: {answer:?}");
    let told = case.operate("GET", &format!("/orders/{}", order.id()), None).await?;
    ensure!(told.body["delivery"] == state.name(), "the operator is told {told:?}, it is {record:#?}");
    counts_are_true(case, &record).await
}

/// The day's counts are what its records say.
async fn counts_are_true(case: &Case<'_>, record: &DeliveryRecord) -> anyhow::Result<()> {
    let day = shared::line::day::line_day(record.progress.created_at());
    let scan = case.stand.dynamodb.scan().table_name(case.stand.aws.output("DeliveriesTableName"));
    let scan = scan.filter_expression("#day = :day").expression_attribute_names("#day", "day");
    let scan = scan.expression_attribute_values(":day", AttributeValue::S(day.to_string())).consistent_read(true);
    let items = scan.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?;
    let state = |item: &std::collections::HashMap<_, AttributeValue>| item.get("state")?.as_s().ok().cloned();
    let count = |name: &str| items.iter().filter(|item| state(item).as_deref() == Some(name)).count();
    let told = case.operate("GET", &format!("/days/{day}"), None).await?;
    let failed: u64 = told.body["failed"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
    let told_counts = (told.body["sent"].as_u64(), told.body["open"].as_u64(), failed);
    let counts = (
        Some(count("sent") as u64),
        Some((count("pending") + count("retrying")) as u64),
        (count("failed") + count("expired")) as u64,
    );
    ensure!(told_counts == counts, "the day is told as {told:?}, it has {counts:?}");
    Ok(())
}
