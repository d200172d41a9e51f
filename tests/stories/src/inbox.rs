//! What becomes of the events: stored once, whatever way and order they come in, and believed as far as they deserve
//! it.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::webhook_sender::{WebhookSender, doubled_and_shuffled, event, message},
    line::{Behaviour, LineStandIn, Person, ReleaseAs, Target},
    sobot::{PRINTED_MEDIA_ANSWER, error},
    stand::{Stand, order_with, random_user},
};
use serde_json::{Value, json};
use shared::{
    inbox::{messages::StoredEvent, queue::Via},
    lambda::problem_code::ProblemCode,
    line::webhook::{MessageContent, Provider},
};

use crate::{an_hour_ago, half_the_memory, now_ms, peak_memory, story, story_alone, story_on_an_idle_machine};

fn text(user: &str, at_ms: u64, text: &str) -> Value {
    message(user, at_ms, json!({ "type": "text", "text": text }))
}

fn image(user: &str) -> Value {
    message(user, an_hour_ago(), json!({ "type": "image", "contentProvider": { "type": "line" } }))
}

/// What an event of the type `messageEdited` has beside the ordinary fields.
fn edited(message_id: &str, text: &str) -> Value {
    let message = json!({ "id": message_id, "type": "text", "text": text, "markAsReadToken": "hunter2" });
    json!({ "message": message, "replyToken": "hunter2" })
}

fn follow(user: &str, at_ms: u64) -> Value {
    event("follow", user, at_ms, json!({ "follow": { "isUnblocked": false }, "replyToken": "r" }))
}

fn unfollow(user: &str, at_ms: u64) -> Value {
    event("unfollow", user, at_ms, json!({}))
}

fn message_id(event: &Value) -> &str {
    event["message"]["id"].as_str().expect("a message's id")
}

async fn deliver(sender: WebhookSender, events: &[Value]) {
    assert_eq!(sender.deliver(events).await.status, 200);
}

async fn whole_table(stand: &Stand) -> Vec<std::collections::HashMap<String, AttributeValue>> {
    let scan = stand.dynamodb.scan().table_name(stand.aws.output("MessagesTableName")).consistent_read(true);
    scan.into_paginator().items().send().collect::<Result<_, _>>().await.expect("the messages can be read")
}

/// As if Sobot's token had been issued an hour ago.
pub async fn make_sobots_token_old(stand: &Stand) {
    let time = time::OffsetDateTime::now_utc().unix_timestamp() - 3600;
    let update = stand.dynamodb.update_item().table_name(stand.aws.output("TokensTableName"));
    update
        .key("issuer", AttributeValue::S("sobot".to_owned()))
        .update_expression("SET issued_at = :time")
        .expression_attribute_values(":time", AttributeValue::N(time.to_string()))
        .send()
        .await
        .expect("the token can be changed");
}

#[test]
fn every_example_of_sobots_page_is_taken_as_it_is_printed() {
    const EXAMPLES: [(&str, &str); 9] = [
        ("text", include_str!("../../stand/src/sobot/printed/text.json")),
        ("image", include_str!("../../stand/src/sobot/printed/image.json")),
        ("video", include_str!("../../stand/src/sobot/printed/video.json")),
        ("audio", include_str!("../../stand/src/sobot/printed/audio.json")),
        ("file", include_str!("../../stand/src/sobot/printed/file.json")),
        ("location", include_str!("../../stand/src/sobot/printed/location.json")),
        ("sticker", include_str!("../../stand/src/sobot/printed/sticker.json")),
        ("follow", include_str!("../../stand/src/sobot/printed/follow.json")),
        ("unfollow", include_str!("../../stand/src/sobot/printed/unfollow.json")),
    ];
    story_alone(&[], async |stand| {
        for (name, body) in EXAMPLES {
            let printed: Value = serde_json::from_str(body).expect("JSON");
            // As if it happened now: what is older than it would be kept is not stored.
            let then = printed["events"][0]["timestamp"].to_string();
            let body = body.replace(&then, &an_hour_ago().to_string());
            let sent = WebhookSender::sobot(&stand).send(body.clone().into()).await;
            assert_eq!(sent.status, 200, "{name}");
            assert!(sent.took < Duration::from_secs(2), "{name}: {sent:?}");
            let printed: Value = serde_json::from_str(&body).expect("JSON");
            let printed = &printed["events"][0];
            let user = printed["source"]["userId"].as_str().expect("a user");
            let wants_url = ["image", "video", "audio", "file"].contains(&name);
            let stored = stand
                .wait_for_events(user, name, |events| events.len() == 1 && events[0].media_url.is_some() == wants_url)
                .await;
            let stored = &stored[0];
            assert_eq!((stored.via, stored.verified), (Via::Sobot, false));
            assert_eq!(printed["webhookEventId"], stored.event_id.as_str());
            assert_eq!(printed["type"], stored.event_type.as_str());
            assert_eq!(
                i128::from(printed["timestamp"].as_i64().expect("ms")),
                stored.at.unix_timestamp_nanos() / 1_000_000
            );
            if let Some(content) = &stored.content {
                assert_eq!(content.type_name(), name);
                assert_eq!(printed["message"]["id"], stored.message_id.as_deref().expect("an id"));
            }
            let url = stored.media_url.as_deref().unwrap_or("-");
            match name {
                "video" => assert_eq!(url, "https://example.com/original.mp4"),
                "image" | "audio" | "file" => assert!(PRINTED_MEDIA_ANSWER.contains(url), "{url}"),
                _ => assert_eq!(url, "-"),
            }
            if name == "follow" {
                stand.wait_for_friend_state(user, true, "confirmed_event").await;
            }
            // Seven of the examples have the same ids: each begins with an empty table.
            stand.wait_for_an_empty_inbox().await;
            for item in whole_table(&stand).await {
                let key = ["chat_id", "event_key"].map(|name| (name.to_owned(), item[name].clone()));
                let delete = stand.dynamodb.delete_item().table_name(stand.aws.output("MessagesTableName"));
                delete.set_key(Some(key.into())).send().await.expect("deleted");
            }
        }
        assert_eq!(stand.sobot.tokens_issued(), 1, "one token for all");
    });
}

#[test]
fn every_event_type_is_stored_and_the_unknown_ones_are_counted() {
    const KNOWN: [&str; 9] = [
        "message",
        "messageEdited",
        "unsend",
        "follow",
        "unfollow",
        "accountLink",
        "postback",
        "deactivated",
        "botSuspended",
    ];
    story_alone(&[], async |stand| {
        let user = random_user();
        let group = format!("C{}", &user[1..]);
        let in_group = json!({ "type": "group", "groupId": group });
        let kinds = [
            ("unsend", json!({ "unsend": { "messageId": "325708" } })),
            ("follow", json!({ "follow": { "isUnblocked": true } })),
            ("unfollow", json!({})),
            ("join", json!({})),
            ("leave", json!({})),
            ("memberJoined", json!({ "joined": { "members": [{ "type": "user", "userId": user }] } })),
            ("memberLeft", json!({ "left": { "members": [] } })),
            ("postback", json!({ "postback": { "data": "storeId=12345", "params": { "date": "2026-09-01" } } })),
            ("videoPlayComplete", json!({ "videoPlayComplete": { "trackingId": "track-id" } })),
            ("beacon", json!({ "beacon": { "hwid": "d41d8cd98f", "type": "enter" } })),
            ("accountLink", json!({ "link": { "result": "ok", "nonce": "hunter2" }, "replyToken": "hunter2" })),
            ("membership", json!({ "membership": { "type": "joined", "membershipId": 3189 } })),
            ("delivery", json!({ "delivery": { "data": "15034552939884E28681A7D668CEA94C" } })),
            ("messageEdited", edited("325709", "edited")),
            ("module", json!({ "module": { "type": "attached" } })),
            ("activated", json!({ "chatControl": { "expireAt": 1_462_629_479_859_u64 } })),
            ("deactivated", json!({})),
            ("botSuspended", json!({})),
            ("botResumed", json!({})),
            ("hologram", json!({ "never": ["seen", { "before": true }] })),
        ];
        let mut events: Vec<_> =
            kinds.iter().map(|(kind, fields)| event(kind, &user, an_hour_ago(), fields.clone())).collect();
        let messages = [
            (
                "text",
                json!({ "type": "text", "text": "(love)", "markAsReadToken": "hunter2", "emojis": [{ "index": 0, "length": 6 }],
                             "mention": { "mentionees": [{ "index": 0, "length": 3, "type": "all" }] } }),
            ),
            (
                "image",
                json!({ "type": "image", "contentProvider": { "type": "line" },
                              "imageSet": { "id": "E005D41A", "index": 1, "total": 2 } }),
            ),
            ("video", json!({ "type": "video", "duration": 60000, "contentProvider": { "type": "line" } })),
            (
                "audio",
                json!({ "type": "audio", "contentProvider": { "type": "external",
                              "originalContentUrl": "https://example.com/a.m4a" } }),
            ),
            ("file", json!({ "type": "file", "fileName": "file.txt", "fileSize": 2138 })),
            ("location", json!({ "type": "location", "latitude": 35.67966, "longitude": 139.73669 })),
            ("sticker", json!({ "type": "sticker", "packageId": "1", "stickerId": "2", "stickerResourceType": "NEW" })),
            ("hologram", json!({ "type": "hologram" })),
        ];
        events.extend(messages.iter().map(|(_, fields)| message(&user, an_hour_ago(), fields.clone())));
        let mut nobodys = event("accountLink", &user, an_hour_ago(), json!({ "link": { "result": "failed" } }));
        nobodys.as_object_mut().expect("fields").remove("source");
        let groups = event("join", &user, an_hour_ago(), json!({ "source": in_group }));
        deliver(WebhookSender::line(&stand), &[&events[..], &[nobodys, groups]].concat()).await;

        let stored = stand.wait_for_events(&user, "all are stored", |stored| stored.len() == events.len()).await;
        for (kind, _) in &kinds {
            assert!(stored.iter().any(|event| event.event_type == *kind && event.event.is_some()), "{kind}");
        }
        let contents: Vec<_> = stored.iter().filter_map(|event| event.content.as_ref()).collect();
        for (kind, _) in &messages {
            assert!(contents.iter().any(|content| content.type_name() == *kind), "{kind}");
        }
        let external = stored.iter().find(|event| event.media_url.is_some()).expect("the external sound");
        assert_eq!(external.media_url.as_deref(), Some("https://example.com/a.m4a"));
        assert!(contents.iter().any(|content| content.provider() == Some(&Provider::Line)));
        stand.wait_for_events(&group, "the group's", |stored| stored.len() == 1).await;
        stand.wait_for_events("unknown", "nobody's", |stored| stored.len() == 1).await;
        assert!(!format!("{:?}", whole_table(&stand).await).contains("hunter2"));
        assert_eq!(stand.sobot.tokens_issued(), 0, "what LINE sent is not asked of Sobot");

        stand.wait_for_an_empty_inbox().await;
        let logs = stand.aws.logs("inbox");
        let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut counted: Vec<String> = lines
            .filter(|line| line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] == "UnknownEvent")
            .map(|line| line["event_type"].as_str().expect("a type").to_owned())
            .collect();
        let unknown = kinds.iter().map(|(kind, _)| *kind).filter(|kind| !KNOWN.contains(kind));
        let mut expected: Vec<_> = unknown.chain(["join", "message/hologram"]).map(str::to_owned).collect();
        counted.sort();
        expected.sort();
        assert_eq!(counted, expected);
    });
}

#[test]
fn copies_through_both_entrances_in_any_order_are_one_item() {
    story(async |stand| {
        let user = random_user();
        let mut events: Vec<Value> =
            (0..12).map(|number| text(&user, an_hour_ago() + number, &format!("text {number}"))).collect();
        events.push(image(&user));
        events.extend([
            follow(&user, an_hour_ago() + 50),
            unfollow(&user, an_hour_ago() + 60),
            follow(&user, an_hour_ago() + 70),
        ]);
        for seed in 0..3 {
            let shuffled = doubled_and_shuffled(&events, seed);
            let (first, second) = shuffled.split_at(shuffled.len() / 2);
            deliver(WebhookSender::sobot(stand), first).await;
            deliver(WebhookSender::line(stand), second).await;
        }
        deliver(WebhookSender::line(stand), &events).await;
        let done = |stored: &[StoredEvent]| {
            stored.len() == events.len()
                && stored.iter().all(|event| event.verified)
                && stored.iter().any(|event| event.media_url.is_some())
        };
        let stored = stand.wait_for_events(&user, "each is stored once, verified", done).await;
        assert!(stored.is_sorted_by_key(|event| event.at));
        stand.wait_for_friend_state(&user, true, "line_event").await;
    });
}

#[test]
fn an_event_without_an_id_is_known_again() {
    story(async |stand| {
        let user = random_user();
        let mut event = text(&user, an_hour_ago(), "no id");
        event.as_object_mut().expect("fields").remove("webhookEventId");
        deliver(WebhookSender::sobot(stand), std::slice::from_ref(&event)).await;
        event["deliveryContext"]["isRedelivery"] = json!(true);
        let beside = text(&user, an_hour_ago() + 1, "beside it");
        deliver(WebhookSender::sobot_with_signature(stand), &[event, beside]).await;
        let done = |stored: &[StoredEvent]| stored.len() == 2 && stored.iter().all(|event| event.verified);
        let stored = stand.wait_for_events(&user, "two events", done).await;
        assert!(stored[0].event_id.starts_with("sha256:"), "{stored:#?}");
        assert!(stored.iter().all(|event| event.via == Via::Sobot), "signed by LINE, forwarded by Sobot");
    });
}

#[test]
fn a_verified_copy_replaces_what_a_forwarder_said() {
    story(async |stand| {
        let user = random_user();
        let real = text(&user, an_hour_ago(), "what was written");
        let mut changed = real.clone();
        changed["message"]["text"] = json!("what was forwarded");
        let said = |words: &'static str| {
            move |stored: &[StoredEvent]| {
                stored.iter().any(|event| event.content == Some(MessageContent::Text { text: words.to_owned() }))
            }
        };
        deliver(WebhookSender::sobot(stand), &[changed.clone()]).await;
        stand.wait_for_events(&user, "forwarded", said("what was forwarded")).await;
        deliver(WebhookSender::line(stand), &[real]).await;
        stand.wait_for_events(&user, "verified", said("what was written")).await;
        // And never back.
        let last = text(&user, an_hour_ago() + 1, "the last one");
        deliver(WebhookSender::sobot(stand), &[changed, last]).await;
        let stored = stand.wait_for_events(&user, "the last one", |stored| stored.len() == 2).await;
        assert_eq!((stored[0].verified, stored[0].via), (true, Via::Line));
    });
}

#[test]
fn whose_event_it_is_only_lines_signature_decides() {
    story(async |stand| {
        let (author, other) = (random_user(), random_user());
        let real = text(&author, an_hour_ago(), "what the author wrote");
        let mut forged = text(&other, an_hour_ago() + 5, "what somebody says it was");
        forged["message"]["id"] = real["message"]["id"].clone();
        deliver(WebhookSender::sobot(stand), &[forged]).await;
        stand.wait_for_events(&other, "the forged one", |stored| stored.len() == 1).await;
        deliver(WebhookSender::line(stand), std::slice::from_ref(&real)).await;
        let stored = stand.wait_for_events(&author, "the signed one", |stored| stored.len() == 1).await;
        assert!(stored[0].verified && stand.events_of(&other).await.is_empty());
        let unsend =
            event("unsend", &author, an_hour_ago() + 9, json!({ "unsend": { "messageId": message_id(&real) } }));
        deliver(WebhookSender::line(stand), &[unsend]).await;
        stand.wait_for_events(&author, "taken back", |stored| stored.iter().any(|one| one.unsent_at.is_some())).await;
        assert!(stand.events_of(&author).await.iter().all(|one| one.content.is_none()));
    });
}

#[test]
fn a_text_whose_first_copy_had_no_id_does_not_outlive_its_unsend() {
    story(async |stand| {
        for unsend_comes_first in [false, true] {
            let user = random_user();
            let real = text(&user, an_hour_ago(), "to be taken back");
            let mut odd = real.clone();
            odd["message"].as_object_mut().expect("a message").remove("id");
            deliver(WebhookSender::sobot(stand), &[odd]).await;
            stand.wait_for_events(&user, "the odd one", |stored| stored.len() == 1).await;
            let unsend =
                event("unsend", &user, an_hour_ago() + 9, json!({ "unsend": { "messageId": message_id(&real) } }));
            let mut order = [vec![real], vec![unsend]];
            if unsend_comes_first {
                order.reverse();
            }
            let [first, second] = order;
            deliver(WebhookSender::line(stand), &first).await;
            stand.wait_for_events(&user, "the first", |stored| stored.iter().any(|one| one.verified)).await;
            deliver(WebhookSender::line(stand), &second).await;
            let gone = |stored: &[StoredEvent]| {
                stored.len() == 2 && stored.iter().all(|one| one.verified && one.content.is_none())
            };
            let stored = stand.wait_for_events(&user, "gone", gone).await;
            let raw = |one: &StoredEvent| one.event.clone().unwrap_or_default();
            assert!(!stored.iter().any(|one| raw(one).contains("to be taken back")), "{stored:#?}");
        }
    });
}

#[test]
fn a_media_url_that_comes_after_the_unsend_is_not_kept() {
    story_alone(&[], async |stand| {
        let user = random_user();
        let picture = image(&user);
        let late = stand.aws.tap().inject(Fault::Hold, "dynamodb.UpdateItem", "SET media_url", ALWAYS);
        deliver(WebhookSender::sobot(&stand), std::slice::from_ref(&picture)).await;
        while late.hits() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let unsend =
            event("unsend", &user, an_hour_ago() + 9, json!({ "unsend": { "messageId": message_id(&picture) } }));
        deliver(WebhookSender::line(&stand), &[unsend]).await;
        let unsent = |stored: &[StoredEvent]| stored.iter().any(|one| one.content.is_none() && one.unsent_at.is_some());
        stand.wait_for_events(&user, "taken back", unsent).await;
        drop(late);
        stand.wait_for_an_empty_inbox().await;
        assert!(stand.events_of(&user).await.iter().all(|one| one.media_url.is_none()));
    });
}

#[test]
fn a_signature_that_is_not_lines_leaves_a_forwarded_event_a_hint() {
    story(async |stand| {
        let user = random_user();
        stand.line.mark(&user, Person::Blocked);
        let forger = WebhookSender { secret: Some("0".repeat(32)), ..WebhookSender::sobot(stand) };
        deliver(forger, &[follow(&user, an_hour_ago())]).await;
        let stored = stand.wait_for_events(&user, "stored", |stored| stored.len() == 1).await;
        assert!(!stored[0].verified);
        // LINE was asked, and says that this is no friend.
        let asked = |line: &LineStandIn| !line.profiles_asked(&user).is_empty();
        stand.line.wait_until("the profile is asked for", Duration::from_secs(30), asked).await;
        deliver(WebhookSender::line(stand), &[text(&user, an_hour_ago() + 1, "x")]).await;
        stand.wait_for_events(&user, "both", |stored| stored.len() == 2).await;
        assert_eq!(stand.friend_state(&user).await, None);
    });
}

#[test]
fn a_sobot_that_gives_no_token_holds_up_nothing_that_needs_none() {
    story_alone(&[], async |stand| {
        let user = random_user();
        stand.sobot.script_tokens(vec![error("999999", "unknown"); 200]);
        let mut events: Vec<_> = (0..9).map(|_| image(&user)).collect();
        events.push(text(&user, an_hour_ago() + 1, "needs no token"));
        deliver(WebhookSender::sobot(&stand), &events).await;
        stand.wait_for_an_empty_inbox().await;
        assert_eq!(
            stand.queue_depth("InboxDeadLetterQueueUrl").await.expect("a depth"),
            9,
            "the pictures, not the text"
        );
        assert!(stand.aws.logs("inbox").contains("batch handled"));
        assert_eq!(stand.events_of(&user).await.len(), 10);
    });
}

#[test]
fn who_unfollows_gets_no_push_and_who_comes_back_gets_the_next() {
    story(async |stand| {
        let user = random_user();
        let order = || order_with(json!({ "recipient": { "lineUserId": user } }));
        let now = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).expect("now");
        let deliveries = [(unfollow(&user, now), false, "suppressed"), (follow(&user, now + 1), true, "sent")];
        for (change, friend, delivery) in deliveries {
            deliver(WebhookSender::line(stand), &[change]).await;
            stand.wait_for_friend_state(&user, friend, "line_event").await;
            assert_eq!(stand.post(&order()).await.body["delivery"], delivery);
        }
        assert!(stand.line.profiles_asked(&user).is_empty(), "LINE has just said it");
        assert_eq!(stand.line.received_by(&user).len(), 1);
    });
}

#[test]
fn the_newest_of_follow_and_unfollow_counts_in_whichever_order_they_come() {
    story(async |stand| {
        for newest_is_follow in [true, false] {
            let user = random_user();
            let mut events = vec![
                follow(&user, an_hour_ago()),
                unfollow(&user, an_hour_ago() + 1),
                follow(&user, an_hour_ago() + 2),
                unfollow(&user, an_hour_ago() + 3),
            ];
            events.truncate(if newest_is_follow { 3 } else { 4 });
            events.reverse();
            for event in &events {
                deliver(WebhookSender::line(stand), std::slice::from_ref(event)).await;
            }
            stand.wait_for_events(&user, "all are stored", |stored| stored.len() == events.len()).await;
            stand.wait_for_friend_state(&user, newest_is_follow, "line_event").await;
            assert!(stand.line.profiles_asked(&user).is_empty(), "LINE's own events need no asking");
        }
    });
}

#[test]
fn a_forwarded_event_changes_a_friend_state_only_if_line_agrees() {
    story(async |stand| {
        let [friend, blocked, forged_follow, forged_unfollow] = [(); 4].map(|()| random_user());
        for user in [&blocked, &forged_follow] {
            stand.line.mark(user, Person::Blocked);
        }
        // A forged time in the future must not shut out what comes later.
        let far = 9_000_000_000_000;
        let events = [
            follow(&friend, far),
            unfollow(&blocked, an_hour_ago()),
            follow(&forged_follow, an_hour_ago()),
            unfollow(&forged_unfollow, an_hour_ago()),
            follow("U4af4980629...", an_hour_ago()),
        ];
        deliver(WebhookSender::sobot(stand), &events).await;
        stand.wait_for_friend_state(&friend, true, "confirmed_event").await;
        stand.wait_for_friend_state(&blocked, false, "confirmed_event").await;
        for user in [&forged_follow, &forged_unfollow] {
            let asked = |line: &local_stand::line::LineStandIn| {
                line.profiles_asked(user).iter().any(|request| request.status().is_some())
            };
            stand.line.wait_until("LINE is asked", Duration::from_secs(60), asked).await;
        }
        stand.wait_for_an_empty_inbox().await;
        assert_eq!(stand.friend_state(&forged_follow).await, None);
        assert_eq!(stand.friend_state(&forged_unfollow).await, None);
        // Tomorrow, as LINE says it.
        let tomorrow = (time::OffsetDateTime::now_utc() + time::Duration::DAY).unix_timestamp() as u64 * 1000;
        deliver(WebhookSender::line(stand), &[unfollow(&friend, tomorrow)]).await;
        stand.wait_for_friend_state(&friend, false, "line_event").await;
    });
}

#[test]
fn a_profile_that_cannot_be_had_keeps_its_event_waiting_and_no_other() {
    story(async |stand| {
        let (waiting, other) = (random_user(), random_user());
        let script = [Behaviour::RateLimited, Behaviour::answer(500, ""), Behaviour::HangUpBeforeAccepting];
        stand.line.script(Target::Profile(waiting.clone()), script);
        deliver(
            WebhookSender::sobot(stand),
            &[follow(&waiting, an_hour_ago()), follow(&other, an_hour_ago()), text(&other, an_hour_ago(), "x")],
        )
        .await;
        stand.wait_for_friend_state(&other, true, "confirmed_event").await;
        stand.wait_for_events(&other, "both", |stored| stored.len() == 2).await;
        assert_eq!(stand.friend_state(&waiting).await, None);
        assert_eq!(stand.events_of(&waiting).await.len(), 1, "the operator sees the event meanwhile");
        stand.wait_for_friend_state(&waiting, true, "confirmed_event").await;
        assert_eq!(stand.line.profiles_asked(&waiting).len(), 4);
    });
}

#[test]
fn a_refused_channel_token_is_replaced_for_a_profile_too() {
    story_alone(&[], async |stand| {
        let (first, second) = (random_user(), random_user());
        deliver(WebhookSender::sobot(&stand), &[follow(&first, an_hour_ago())]).await;
        stand.wait_for_friend_state(&first, true, "confirmed_event").await;
        crate::tokens::make_the_token_old(&stand).await;
        stand.line.revoke_all_tokens();
        deliver(WebhookSender::sobot(&stand), &[follow(&second, an_hour_ago())]).await;
        stand.wait_for_friend_state(&second, true, "confirmed_event").await;
        assert_eq!((stand.line.tokens_issued(), stand.line.profiles_asked(&second).len()), (2, 2));
    });
}

#[test]
fn no_text_outlives_its_unsend_in_whichever_order_both_come() {
    story_alone(&[], async |stand| {
        let unsend = |user: &str, message: &Value| {
            event("unsend", user, an_hour_ago() + 9, json!({ "unsend": { "messageId": message_id(message) } }))
        };
        let [before, after, together, picture] = [(); 4].map(|()| random_user());
        let texts = [&before, &after, &together].map(|user| text(user, an_hour_ago(), "hunter2"));
        let image = image(&picture);
        let gone = |stored: &[StoredEvent]| stored.len() == 2 && stored[0].unsent_at.is_some();

        deliver(WebhookSender::line(&stand), &[texts[0].clone(), image.clone()]).await;
        deliver(WebhookSender::sobot(&stand), std::slice::from_ref(&image)).await;
        stand.wait_for_events(&before, "the message", |stored| stored.len() == 1).await;
        stand.wait_for_events(&picture, "its URL", |stored| stored.iter().any(|one| one.media_url.is_some())).await;
        deliver(WebhookSender::line(&stand), &[unsend(&before, &texts[0]), unsend(&picture, &image)]).await;
        stand.wait_for_events(&before, "gone", gone).await;
        stand.wait_for_events(&picture, "gone", gone).await;

        deliver(WebhookSender::line(&stand), &[unsend(&after, &texts[1])]).await;
        stand.wait_for_events(&after, "the unsend", |stored| stored.len() == 1).await;
        let all = [texts[1].clone(), texts[2].clone(), unsend(&together, &texts[2]), texts[0].clone(), image];
        deliver(WebhookSender::sobot(&stand), &all).await;
        deliver(WebhookSender::line(&stand), &doubled_and_shuffled(&all, 1)).await;
        for user in [&before, &after, &together, &picture] {
            let stored = stand.wait_for_events(user, "gone", gone).await;
            assert_eq!(
                stored[0].at.unix_timestamp_nanos() / 1_000_000,
                i128::from(an_hour_ago()),
                "that there was one is known"
            );
        }
        stand.wait_for_an_empty_inbox().await;
        let table = format!("{:?}", whole_table(&stand).await);
        assert!(!table.contains("hunter2") && !table.contains("chatres"), "{table}");
    });
}

#[test]
fn the_url_of_a_forwarded_picture_is_found_in_every_shape_and_after_every_error() {
    story_alone(&[], async |stand| {
        const URL: &str = "https://sg.sobot.com/chatres/other.png";
        let success = |item: &str| format!(r#"{{"item":{item},"ret_code":"000000","ret_msg":"操作成功"}}"#);
        let shapes = [
            vec![],
            vec![success(&format!("\"{URL}\""))],
            vec![success(&format!("[\"{URL}\"]"))],
            vec![success(&format!("{{\"url\":\"{URL}\"}}"))],
            vec![success(&format!("{{ \"{URL}\" }}"))],
            vec![error("999999", "系统未知异常")],
            vec!["<html>Bad Gateway</html>".to_owned(), success("{}")],
        ];
        stand.sobot.shape_tokens(|token| json!({ "token": token, "expire_in": 86_400 }));
        stand.sobot.script_tokens([error("999999", "系统未知异常")]);
        let user = random_user();
        let images = shapes.clone().map(|_| image(&user));
        for (image, shape) in images.iter().zip(shapes) {
            stand.sobot.script_media(message_id(image), shape);
        }
        deliver(WebhookSender::sobot(&stand), &images).await;
        let done = |stored: &[StoredEvent]| {
            stored.len() == images.len() && stored.iter().all(|event| event.media_url.is_some())
        };
        let stored = stand.wait_for_events(&user, "each has its URL", done).await;
        assert_eq!(stored.iter().filter(|event| event.media_url.as_deref() == Some(URL)).count(), 4);
        assert_eq!(stand.sobot.media_asked(message_id(&images[6])), 3);
        assert_eq!(stand.sobot.tokens_issued(), 1);

        // Somebody else fetches a token, which ends ours: one new token, and the picture is asked for again.
        make_sobots_token_old(&stand).await;
        stand.sobot.end_the_token();
        let another = random_user();
        deliver(WebhookSender::sobot(&stand), &[image(&another)]).await;
        stand.wait_for_events(&another, "its URL", |stored| stored.iter().any(|event| event.media_url.is_some())).await;
        assert_eq!(stand.sobot.tokens_issued(), 2);
    });
}

#[test]
fn a_crash_or_a_dead_table_loses_no_event() {
    story_alone(&[], async |stand| {
        let (user, held) = (random_user(), random_user());
        // Stored, and killed before the friend state: it is done again.
        stand.line.script(Target::Profile(held.clone()), [Behaviour::Hold]);
        deliver(WebhookSender::sobot(&stand), &[follow(&held, an_hour_ago())]).await;
        let is_held = |line: &local_stand::line::LineStandIn| line.is_held(Target::Profile(held.clone()));
        stand.line.wait_until("the profile is held", Duration::from_secs(30), is_held).await;
        assert!(stand.aws.kill("inbox").expect("killed") > 0);
        stand.wait_for_friend_state(&held, true, "confirmed_event").await;
        // Written, but nobody heard of it; then not written at all.
        let written = stand.aws.tap().inject(Fault::ForwardThenHangUp, "dynamodb.TransactWriteItems", &user, 1);
        deliver(WebhookSender::line(&stand), &[text(&user, an_hour_ago(), "1")]).await;
        stand.wait_for_events(&user, "one", |stored| stored.len() == 1).await;
        assert_eq!(written.hits(), 1);
        let dead = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.TransactWriteItems", &user, ALWAYS);
        deliver(WebhookSender::line(&stand), &[text(&user, an_hour_ago(), "2")]).await;
        while dead.hits() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(dead);
        stand.wait_for_events(&user, "two", |stored| stored.len() == 2).await;
        assert_eq!(stand.events_of(&held).await.len(), 1);
    });
}

#[test]
fn what_cannot_be_taken_ends_in_the_dead_letter_queue_alone() {
    story(async |stand| {
        let user = random_user();
        let letter = format!("not an event, {user}");
        let queue = stand.aws.output("InboxQueueUrl");
        stand.sqs.send_message().queue_url(queue).message_body(&letter).send().await.expect("sent");
        let picture = image(&user);
        stand.sobot.script_media(message_id(&picture), vec![error("999999", "系统未知异常"); 5]);
        deliver(WebhookSender::sobot(stand), &[picture.clone(), text(&user, an_hour_ago() + 1, "beside it")]).await;
        let output = "InboxDeadLetterQueueUrl";
        assert_eq!(stand.take_dead_letter_from(output, &letter).await.expect("a dead letter"), letter);
        let dead = stand.take_dead_letter_from(output, message_id(&picture)).await.expect("a dead letter");
        assert_eq!(stand.sobot.media_asked(message_id(&picture)), 5);
        let stored = stand.wait_for_events(&user, "both are stored", |stored| stored.len() == 2).await;
        assert!(stored.iter().all(|event| event.media_url.is_none()));
        // Moved back, as an operator does when Sobot works again.
        stand.sqs.send_message().queue_url(queue).message_body(dead).send().await.expect("sent");
        stand.wait_for_events(&user, "its URL", |stored| stored.iter().any(|event| event.media_url.is_some())).await;
    });
}

/// A batch as Lambda hands it over: these envelopes, each in a message with this id.
fn batch(envelopes: &[(&str, Value)]) -> Value {
    let record = |(id, envelope): &(&str, Value)| {
        json!({ "messageId": id, "receiptHandle": id, "body": envelope.to_string(), "attributes": {},
                "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "ap-northeast-1" })
    };
    json!({ "Records": envelopes.iter().map(record).collect::<Vec<_>>() })
}

#[test]
fn the_worst_batch_takes_half_the_memory_and_costs_no_customer_a_receive() {
    story_on_an_idle_machine(&[], async |stand| {
        let envelope = |events: Vec<Value>| json!({ "via": "sobot", "verified": false, "receivedAt": "2026-09-01T00:00:00Z", "events": events });
        let words = vec!["a"; 60_000];
        let numbers = vec![json!(1e15); 12_000];
        let large = |fields: Value| envelope(vec![message(&random_user(), now_ms(), fields)]);
        for (name, forged) in [
            ("many events", envelope((0..20_000).map(|number| json!({ "n": number })).collect())),
            ("one text", large(json!({ "type": "text", "text": "字".repeat(80_000) }))),
            ("many words", large(json!({ "type": "sticker", "packageId": "1", "stickerId": "2", "keywords": words }))),
            ("long numbers", large(json!({ "type": "text", "text": "x", "emojis": numbers }))),
        ] {
            stand.aws.kill("inbox").expect("killed");
            let customer = random_user();
            let real = envelope(vec![text(&customer, now_ms(), "what a customer wrote")]);
            let ids: Vec<_> = (0..9).map(|number| format!("forged-{number}")).collect();
            let mut messages: Vec<_> = ids.iter().map(|id| (id.as_str(), forged.clone())).collect();
            messages.push(("real", real));
            let answer = stand.invoke("InboxFunctionName", &batch(&messages)).await.expect("an answer");
            let failures = answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{name}: {answer}"));
            assert!(failures.iter().all(|failure| failure["itemIdentifier"] != "real"), "{name}: {answer}");
            assert_eq!(stand.events_of(&customer).await.len(), 1, "{name}");
            if name != "many events" {
                assert!(failures.is_empty(), "{name}: {answer}");
            }
            let peak = peak_memory(&stand, "inbox");
            assert!(peak < half_the_memory(), "{name}: {} MB", peak >> 20);
        }
    });
}

#[test]
fn an_event_that_cannot_be_taken_holds_up_none_of_those_in_its_message() {
    story(async |stand| {
        let (waiting, user) = (random_user(), random_user());
        stand.line.script(Target::Profile(waiting.clone()), [Behaviour::answer(500, "")]);
        let mut events = vec![follow(&waiting, now_ms())];
        events.extend((0..60).map(|number| text(&user, an_hour_ago() + number, "one of many")));
        let envelope =
            json!({ "via": "sobot", "verified": false, "receivedAt": "2026-09-01T00:00:00Z", "events": events });
        let answer = stand.invoke("InboxFunctionName", &batch(&[("many", envelope)])).await.expect("an answer");
        assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": "many" }] }));
        assert_eq!(stand.events_of(&user).await.len(), 60);
    });
}

#[test]
fn a_message_is_kept_as_long_as_the_parameter_says() {
    story_alone(&[("MessageRetentionDays", "7")], async |stand| {
        let user = random_user();
        deliver(WebhookSender::line(&stand), &[text(&user, now_ms(), "x")]).await;
        stand.wait_for_events(&user, "stored", |stored| stored.len() == 1).await;
        let table = whole_table(&stand).await;
        assert_eq!(table.len(), 2, "the event, and the message's pointer");
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        for item in table {
            let expire_at: i64 = item["expire_at"].as_n().expect("a number").parse().expect("seconds");
            assert!((expire_at - now - 7 * 86_400).abs() < 600, "{expire_at}");
        }
        // What is older already is not kept again, though it has its effect.
        let eight_days_ago = now_ms() - 8 * 86_400_000;
        let (late, friend) = (random_user(), random_user());
        let old = [text(&late, eight_days_ago, "hunter2"), follow(&friend, eight_days_ago), text(&late, now_ms(), "y")];
        deliver(WebhookSender::line(&stand), &old).await;
        stand.wait_for_friend_state(&friend, true, "line_event").await;
        stand.wait_for_an_empty_inbox().await;
        assert!(stand.events_of(&friend).await.is_empty());
        assert_eq!(stand.events_of(&late).await.len(), 1);
    });
}

#[test]
fn whatever_carries_a_message_loses_it_with_the_unsend() {
    story_alone(&[], async |stand| {
        let line = WebhookSender::line(&stand);
        for unsend_comes_first in [false, true] {
            let user = random_user();
            let original = text(&user, an_hour_ago(), "hunter2");
            let id = message_id(&original).to_owned();
            let mut events = vec![
                event("messageEdited", &user, an_hour_ago() + 1, edited(&id, "hunter2, once more")),
                event("messageEdited", &user, an_hour_ago() + 2, edited(&id, "hunter2, at last")),
                event("hologram", &user, an_hour_ago() + 3, edited(&id, "hunter2, of a later kind")),
                original,
            ];
            let unsend = event("unsend", &user, an_hour_ago() + 9, json!({ "unsend": { "messageId": id } }));
            if unsend_comes_first {
                events.insert(0, unsend);
            } else {
                events.push(unsend);
            }
            for (number, one) in events.iter().enumerate() {
                // Both copies, and one after the other.
                deliver(WebhookSender::sobot(&stand), std::slice::from_ref(one)).await;
                deliver(line.clone(), std::slice::from_ref(one)).await;
                let here = |stored: &[StoredEvent]| stored.iter().filter(|one| one.verified).count() == number + 1;
                stand.wait_for_events(&user, "it is there", here).await;
            }
            let gone = |stored: &[StoredEvent]| stored.iter().filter(|one| one.unsent_at.is_some()).count() == 4;
            let stored = stand.wait_for_events(&user, "all are gone", gone).await;
            assert_eq!(stored.len(), 5, "that there were some is known");
            stand.wait_for_an_empty_inbox().await;
            assert!(!format!("{:?}", whole_table(&stand).await).contains("hunter2"));
        }
    });
}

#[test]
fn what_is_for_another_account_stands_apart_and_changes_nothing() {
    story_alone(&[], async |stand| {
        let user = random_user();
        let ours = text(&user, an_hour_ago(), "for us");
        let another = "U00000000000000000000000000000002";
        let sender = |destination: &str| WebhookSender {
            destination: destination.to_owned(),
            ..WebhookSender::sobot_with_signature(&stand)
        };
        deliver(WebhookSender::line(&stand), std::slice::from_ref(&ours)).await;
        stand.wait_for_events(&user, "ours", |stored| stored.len() == 1).await;
        let foreign = [
            text(&user, an_hour_ago() + 1, "for them"),
            follow(&user, an_hour_ago() + 2),
            event("unsend", &user, an_hour_ago() + 3, json!({ "unsend": { "messageId": message_id(&ours) } })),
        ];
        deliver(sender(another), &foreign).await;
        // Where no account is named, or something that can be none, they count as ours.
        deliver(sender("xxxxxxxxxx"), &[text(&user, an_hour_ago() + 4, "for somebody")]).await;
        stand.wait_for_events(&user, "all", |stored| stored.len() == 5).await;
        stand.wait_for_an_empty_inbox().await;
        assert_eq!(stand.friend_state(&user).await, None);
        let listed = async |query: &str| {
            let reply = stand.operate("GET", &format!("/users/{user}/messages{query}"), None).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.body["events"].as_array().expect("events").clone()
        };
        let words = |events: &[Value]| events.iter().map(|one| one["content"]["text"].clone()).collect::<Vec<_>>();
        assert_eq!(words(&listed("").await), [json!("for somebody"), json!("for us")], "nothing is taken back");
        let apart = listed("?account=another").await;
        assert_eq!(words(&apart), [json!(null), json!(null), json!("for them")]);
        assert!(apart.iter().all(|one| one["anotherAccount"] == another), "{apart:?}");
        let logs = stand.aws.logs("inbox");
        assert_eq!(logs.matches(r#""OtherAccountEvent":1"#).count(), 3);
    });
}

#[test]
fn no_time_in_the_future_outdates_what_is_true() {
    story(async |stand| {
        let (signed, unsigned) = (random_user(), random_user());
        // The year 2286.
        deliver(WebhookSender::line(stand), &[follow(&signed, 9_999_999_999_999)]).await;
        stand.wait_for_friend_state(&signed, true, "line_event").await;
        deliver(WebhookSender::line(stand), &[unfollow(&signed, now_ms() + 1)]).await;
        stand.wait_for_friend_state(&signed, false, "line_event").await;
        let stored = stand.events_of(&signed).await;
        assert!(stored.iter().all(|one| one.at.year() < 2200), "{stored:#?}");

        // LINE is asked, and while it answers the user leaves. As far ahead as LINE's clock may be.
        stand.line.script(Target::Profile(unsigned.clone()), [Behaviour::Hold]);
        deliver(WebhookSender::sobot(stand), &[follow(&unsigned, now_ms() + 200_000)]).await;
        let is_held = |line: &LineStandIn| line.is_held(Target::Profile(unsigned.clone()));
        stand.line.wait_until("the profile is held", Duration::from_secs(30), is_held).await;
        deliver(WebhookSender::line(stand), &[unfollow(&unsigned, now_ms())]).await;
        stand.wait_for_friend_state(&unsigned, false, "line_event").await;
        let _ = stand.line.release(Target::Profile(unsigned.clone()), ReleaseAs::Accept);
        let answered = |line: &LineStandIn| line.profiles_asked(&unsigned).iter().any(|one| one.status().is_some());
        stand.line.wait_until("LINE has answered", Duration::from_secs(30), answered).await;
        stand.wait_for_an_empty_inbox().await;
        assert_eq!(stand.friend_state(&unsigned).await, Some((false, "line_event".to_owned())));
    });
}

#[test]
fn media_is_asked_of_sobot_by_its_own_id_of_the_channel_where_the_secret_names_it() {
    story_alone(&[], async |stand| {
        stand.sobot.set_channel_id("12323");
        let mut secret = stand.sobot.secret();
        secret["channelId"] = json!("12323");
        stand.put_secret("SobotSecretArn", &secret).await.expect("written");
        let user = random_user();
        deliver(WebhookSender::sobot(&stand), &[image(&user)]).await;
        stand
            .wait_for_events(&user, "with its address", |stored| stored.iter().any(|one| one.media_url.is_some()))
            .await;
    });
}

#[test]
fn what_sobot_refuses_is_settled_says_so_and_can_be_asked_again() {
    story_alone(&[], async |stand| {
        let user = random_user();
        let picture = image(&user);
        stand.sobot.script_media(message_id(&picture), [error("999994", "参数异常，请检查")]);
        deliver(WebhookSender::sobot(&stand), &[picture.clone(), follow("U4af4980629...", an_hour_ago())]).await;
        let path = format!("/users/{user}/messages");
        stand.wait_for_events(&user, "stored", |stored| stored.len() == 1).await;
        stand.wait_for_an_empty_inbox().await;
        let listed = stand.operate("GET", &path, None).await.body;
        assert_eq!(listed["events"][0]["mediaError"], "refused_by_sobot", "{listed}");
        assert_eq!(stand.sobot.media_asked(message_id(&picture)), 1);
        assert_eq!(stand.queue_depth("InboxDeadLetterQueueUrl").await.expect("a depth"), 0);

        // It may have been the channel id: an operator asks again, in vain at first.
        let again = format!("{path}/{}/media", message_id(&picture));
        stand.sobot.script_media(message_id(&picture), [error("999994", "参数异常，请检查")]);
        let refused = stand.operate("POST", &again, None).await;
        refused.assert_problem(ProblemCode::MediaRefused);
        assert!(refused.body.to_string().contains("channelId"), "{}", refused.body);
        let found = stand.operate("POST", &again, None).await;
        assert_eq!(found.status, 200, "{}", found.body);
        let listed = stand.operate("GET", &path, None).await.body;
        assert_eq!(listed["events"][0]["mediaUrl"], found.body["mediaUrl"], "{listed}");
        assert!(found.body["mediaUrl"].is_string() && listed["events"][0]["mediaError"].is_null(), "{listed}");
        let of_another = format!("/users/{}/messages/{}/media", random_user(), message_id(&picture));
        assert_eq!(stand.operate("POST", &of_another, None).await.status, 404);
    });
}

#[test]
fn a_suspended_account_is_told_by_line_or_by_its_refusal_and_by_nobody_else() {
    story_alone(&[], async |stand| {
        let told = |function: &str| stand.aws.logs(function).matches(r#""AccountSuspended":1"#).count();
        let user = random_user();
        for (sender, kind) in [
            (WebhookSender::sobot(&stand), "botSuspended"),
            (WebhookSender::line(&stand), "botSuspended"),
            (WebhookSender::line(&stand), "deactivated"),
            (WebhookSender::line(&stand), "botResumed"),
        ] {
            deliver(sender, &[event(kind, &user, an_hour_ago(), json!({}))]).await;
        }
        stand.wait_for_events(&user, "all", |stored| stored.len() == 4).await;
        stand.wait_for_an_empty_inbox().await;
        assert_eq!(told("inbox"), 2, "nobody else says so");

        let order = order_with(json!({}));
        let refused = r#"{"message":"Access to this API is not available for your account"}"#;
        stand.line.script(crate::user(&order), [Behaviour::answer(403, refused)]);
        assert_eq!(stand.post(&order).await.body["reason"], "refused_by_line");
        assert_eq!(told("order-finished"), 1);
    });
}
