//! An operator's morning: each call is answered with the truth, or not at all.

use anyhow::{Context as _, ensure};
use local_stand::{
    sobot::{SendRecord, Task},
    stand::{random_key, random_user},
};
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    case::Case,
    stories::orders::{Order, settles},
};

/// Reads what there is to read, turns the switch, unlinks a member, discards a dead letter.
pub async fn a_morning(case: &Case<'_>) -> anyhow::Result<()> {
    let (member, customer) = (format!("member-{}", random_key()), random_user());
    case.canaries.plant([&customer]);
    case.log_in(&member, &customer).await?;
    let order = Order::new(case, json!({}), []).of(&member);
    order.post(case).await?;
    settles(case, &order).await?;
    let id = order.id();
    case.stand.line.set_quota(Some(200_000));
    let start = OffsetDateTime::now_utc();
    case.stand.sobot.set_tasks([Task::new("群发", start, [7, 1, 6])]);
    case.stand.sobot.set_records([SendRecord::new("群发", start, "9")]);
    let queue = case.stand.aws.output("InboxDeadLetterQueueUrl");
    case.stand.sqs.send_message().queue_url(queue).message_body("not a message of ours").send().await?;
    case.begin().await?;

    let reads = [
        (format!("/orders/{}", id), "delivery", json!("sent")),
        ("/quota".to_owned(), "limit", json!(200_000)),
        ("/sobot/tasks".to_owned(), "total", json!(1)),
        ("/sobot/records".to_owned(), "total", json!(1)),
    ];
    for (path, field, right) in reads {
        let told = case.operate("GET", &path, None).await?;
        ensure!(told.status == 200 && told.body[field] == right, "{path}: {told:?}");
    }
    // By time, and a stand has told many stories before.
    let mut path = "/deliveries?state=sent&limit=100".to_owned();
    loop {
        let listed = case.operate("GET", &path, None).await?;
        if listed.body.to_string().contains(id) {
            break;
        }
        let next = listed.body["next"].as_str().with_context(|| format!("not in the list, {}", listed.status))?;
        path = format!("/deliveries?state=sent&limit=100&cursor={next}");
    }
    let messages = case.operate("GET", &format!("/users/{customer}/messages"), None).await?;
    ensure!(messages.status == 200, "{messages:?}");

    for enabled in [false, true] {
        let body = json!({ "enabled": enabled, "reason": "a try" });
        let turned = case.operate("PUT", "/switches/all", Some(body)).await?;
        ensure!(turned.status == 200, "{turned:?}");
        let told = case.operate("GET", "/switches", None).await?;
        let all = told.body["switches"].as_array().into_iter().flatten().find(|one| one["status"] == "all");
        ensure!(all.is_some_and(|all| all["enabled"] == enabled), "turned to {enabled}: {told:?}");
        let audit = case.operate("GET", "/audit?kind=switch", None).await?;
        ensure!(audit.body["entries"][0]["detail"]["enabled"] == enabled, "{audit:?}");
    }

    let unlinked = case.operate("DELETE", &format!("/links/{member}?reason=a%20try"), None).await?;
    // After an answer that was lost there is nothing to unlink.
    ensure!([200, 404].contains(&unlinked.status), "{unlinked:?}");
    let told = Order::new(case, json!({}), []).of(&member).post(case).await?;
    ensure!(told.body["reason"] == "not_linked", "unlinked, and {told:?}");

    // A listing that died keeps its letters from others for half a minute.
    case.until("the dead letter is discarded", async || {
        let letters = case.operate("GET", "/dead-letters?queue=inbox", None).await?;
        let letters = letters.body["deadLetters"].as_array().cloned().unwrap_or_default();
        ensure!(letters.len() <= 1, "others than the one: {letters:?}");
        if let Some(id) = letters.first().and_then(|one| one["id"].as_str()) {
            let discarded = case.operate("DELETE", &format!("/dead-letters/{id}?reason=a%20try"), None).await?;
            ensure!([200, 404].contains(&discarded.status), "{discarded:?}");
        }
        case.holds("InboxDeadLetterQueueUrl", 0).await
    })
    .await
}
