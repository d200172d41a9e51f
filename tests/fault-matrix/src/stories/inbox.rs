//! What users write and do is kept once, whatever comes in between; what they take back is gone.

use anyhow::{Context as _, ensure};
use local_stand::{
    line::webhook_sender::{WebhookSender, event, message},
    stand::{POLL, random_key, random_user},
};
use serde_json::{Value, json};
use shared::inbox::messages::StoredEvent;
use time::OffsetDateTime;
use tokio::time::sleep;

use crate::case::Case;

/// LINE posts messages, a follow and an unfollow - and the same once more, as it may.
pub async fn events_of_line(case: &Case<'_>) -> anyhow::Result<()> {
    let [writer, follower, leaver] = users(case);
    let events = [
        text(case, &writer),
        message(&writer, now_ms(), json!({ "type": "image", "contentProvider": { "type": "line" } })),
        event("follow", &follower, now_ms(), json!({ "follow": { "isUnblocked": false } })),
        event("unfollow", &leaver, now_ms(), json!({})),
    ];
    let line = WebhookSender::line(case.stand);
    case.begin().await?;
    for _ in 0..2 {
        take_in(case, &line, &events).await?;
        for event in &events {
            let kept = kept_once(case, event).await?;
            ensure!(kept.verified, "{kept:?}");
            ensure!(kept.event.as_deref().is_some_and(|raw| says_the_same(raw, event)), "{kept:?} is not {event}");
        }
    }
    for (user, friend) in [(follower, true), (leaver, false)] {
        let state = case.stand.friend_state(&user).await;
        ensure!(state == Some((friend, "line_event".to_owned())), "{state:?}, not {friend}");
    }
    Ok(())
}

/// Sobot forwards a message, a picture and a follow, without a signature: it is asked for the picture's address, and
/// LINE whether the follow is true.
pub async fn events_of_sobot(case: &Case<'_>) -> anyhow::Result<()> {
    let [writer, follower, liar] = users(case);
    let picture = message(&writer, now_ms(), json!({ "type": "image", "contentProvider": { "type": "line" } }));
    let events = [
        text(case, &writer),
        picture.clone(),
        event("follow", &follower, now_ms(), json!({ "follow": { "isUnblocked": false } })),
        event("unfollow", &liar, now_ms(), json!({})),
    ];
    let sobot = WebhookSender::sobot(case.stand);
    case.begin().await?;
    for _ in 0..2 {
        take_in(case, &sobot, &events).await?;
        for event in &events {
            let kept = kept_once(case, event).await?;
            ensure!(!kept.verified, "{kept:?}");
        }
        let kept = kept_once(case, &picture).await?;
        ensure!(is_told(&kept), "a picture without its address, and nothing says why: {kept:?}");
    }
    let state = case.stand.friend_state(&follower).await;
    ensure!(state == Some((true, "confirmed_event".to_owned())), "{state:?}");
    // Unless LINE said the same: a refused question about a profile is its "no friend".
    let lie = case.stand.friend_state(&liar).await;
    ensure!(lie.as_ref().is_none_or(|(_, source)| source == "confirmed_event"), "a forwarded lie is believed: {lie:?}");
    Ok(())
}

/// A picture comes by Sobot, then by LINE under another id; then its user takes it back; then it comes once more.
pub async fn a_picture_taken_back(case: &Case<'_>) -> anyhow::Result<()> {
    let [writer, ..] = users(case);
    let (line, sobot) = (WebhookSender::line(case.stand), WebhookSender::sobot(case.stand));
    let forwarded = message(&writer, now_ms(), json!({ "type": "image", "contentProvider": { "type": "line" } }));
    let mut signed = forwarded.clone();
    signed["webhookEventId"] = message(&writer, now_ms(), json!({}))["webhookEventId"].clone();
    let unsend = event("unsend", &writer, now_ms(), json!({ "unsend": { "messageId": forwarded["message"]["id"] } }));
    case.begin().await?;
    take_in(case, &sobot, std::slice::from_ref(&forwarded)).await?;
    take_in(case, &line, std::slice::from_ref(&signed)).await?;
    let kept = kept_once(case, &signed).await?;
    ensure!(kept.verified && is_told(&kept), "LINE's copy stands, with what Sobot told of the picture: {kept:?}");
    take_in(case, &line, std::slice::from_ref(&unsend)).await?;
    take_in(case, &sobot, std::slice::from_ref(&forwarded)).await?;
    for event in [&forwarded, &signed] {
        // The first stands as the other, or by itself without anything in it.
        let kept =
            case.stand.events_of(&writer).await.into_iter().filter(|kept| event["webhookEventId"] == kept.event_id);
        for kept in kept {
            ensure!(kept.unsent_at.is_some(), "{kept:?}");
            ensure!(kept.content.is_none() && kept.media_url.is_none() && kept.event.is_none(), "not gone: {kept:?}");
        }
    }
    kept_once(case, &signed).await.map(|_| ())
}

/// Where the picture is, or why Sobot does not say.
fn is_told(kept: &StoredEvent) -> bool {
    kept.media_url.is_some() || kept.media_error.is_some()
}

fn users(case: &Case<'_>) -> [String; 3] {
    let users = [random_user(), random_user(), random_user()];
    case.canaries.plant(&users);
    users
}

fn text(case: &Case<'_>, user: &str) -> Value {
    let text = format!("no refund yet {}", random_key());
    case.canaries.plant([&text]);
    message(user, now_ms(), json!({ "type": "text", "text": text }))
}

fn now_ms() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).expect("now")
}

/// Posts until the events are taken, as LINE does; then waits until nothing is left of them in the queue. What the
/// queue gave up an operator moves back.
async fn take_in(case: &Case<'_>, sender: &WebhookSender, events: &[Value]) -> anyhow::Result<()> {
    let mut answers = Vec::new();
    loop {
        let sent = sender.deliver_once(events).await;
        if sent.status == 200 {
            break;
        }
        ensure!(sent.status >= 500, "good events are answered {sent:?}");
        answers.push(sent.status);
        ensure!(answers.len() < 20, "never taken: {answers:?}");
        sleep(POLL).await;
    }
    case.until("the inbox is empty", async || {
        if case.is_idle("InboxDeadLetterQueueUrl").await? {
            return case.is_idle("InboxQueueUrl").await;
        }
        let body = json!({ "queue": "inbox", "reason": "well again" });
        let redriven = case.operate("POST", "/dead-letters/redrive", Some(body)).await?;
        ensure!(redriven.status == 202, "{redriven:?}");
        Ok(false)
    })
    .await
}

/// The one item of an event.
async fn kept_once(case: &Case<'_>, event: &Value) -> anyhow::Result<StoredEvent> {
    let user = event["source"]["userId"].as_str().context("a user")?;
    let events = case.stand.events_of(user).await;
    let mut kept: Vec<_> = events.into_iter().filter(|kept| event["webhookEventId"] == kept.event_id).collect();
    ensure!(kept.len() == 1, "an event became {kept:?}");
    kept.pop().context("one")
}

/// What is kept of an event, it said. What lets its holder act is not kept.
fn says_the_same(kept: &str, event: &Value) -> bool {
    let kept: Value = serde_json::from_str(kept).unwrap_or_default();
    ["type", "timestamp", "source"].iter().all(|name| kept[name] == event[name])
        && kept["message"]["text"] == event["message"]["text"]
}
