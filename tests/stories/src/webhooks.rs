//! What LINE and Sobot send, and what they are answered: always within two seconds, cold start included.

use std::time::Duration;

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::webhook_sender::{Sent, WebhookSender, event, message, sign},
    stand::{Stand, random_key, random_user},
};
use serde_json::{Value, json};
use shared::lambda::problem_code::ProblemCode;
use tokio::time::{Instant, sleep};

use crate::{an_hour_ago, half_the_memory, peak_memory, story, story_alone, story_on_an_idle_machine};

/// LINE waits no longer (LINE: "Check webhook error causes and statistics").
const LIMIT: Duration = Duration::from_secs(2);

/// No single answer may take longer even while other stories keep the machine busy; [`LIMIT`] is measured where it is
/// the story's subject, and the fastest of some answers counts.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

#[track_caller]
fn answered(sent: &Sent, status: u16) {
    assert_eq!(sent.status, status, "{sent:?}");
    assert!(sent.took < BUSY_LIMIT, "{sent:?}");
    match status {
        200 => assert_eq!(sent.body, json!({})),
        404 => assert_eq!(sent.body, json!({ "message": "Not Found" })),
        _ => panic!("a problem: {sent:?}"),
    }
}

#[track_caller]
fn refused(sent: &Sent, code: ProblemCode) {
    let status = code.status().as_u16();
    assert_eq!((sent.status, &sent.body["status"], &sent.body["code"]), (status, &json!(status), &json!(code.name())));
    assert_eq!(sent.content_type, "application/problem+json");
    assert!(sent.took < BUSY_LIMIT, "{sent:?}");
}

fn text(user: &str, text: &str) -> Value {
    message(user, an_hour_ago(), json!({ "type": "text", "text": text }))
}

/// Events with times of their own.
fn texts(user: &str, count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| {
            let at = an_hour_ago() + u64::try_from(number).expect("a small number");
            message(user, at, json!({ "type": "text", "text": format!("充电宝 🔋 {number}") }))
        })
        .collect()
}

async fn put_channel_secrets(stand: &Stand, current: &str, previous: Option<&str>) {
    let secret = json!({ "channelSecret": current, "previousChannelSecret": previous });
    stand.put_secret("ChannelSecretArn", &secret).await.expect("written");
}

/// Sends until it is answered so: a running instance reads its secrets again at most every ten seconds.
async fn until_answered(status: u16, send: impl AsyncFn() -> Sent) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while send().await.status != status {
        assert!(Instant::now() < deadline, "never answered {status}");
        sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn known_signatures_are_accepted_and_a_rotation_loses_nothing() {
    const LINES_OWN: (&str, &str) = (
        r#"{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}"#,
        "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=",
    );
    const OURS: [(&str, &str); 2] = [
        (
            r#"{"destination":"U00000000000000000000000000000001","events":[]}"#,
            "YQU0voYIh8lUA1XaYoIEZg9trJlhjyu9qVt6HqVvWf4=",
        ),
        (
            r#"{"destination":"U00000000000000000000000000000001","events":[{"type":"message","text":"充电宝 🔋\n"}]}"#,
            "RyH754IzCSjFwWs1l25fpsYniY5JykLqjqTBUDfyIlM=",
        ),
    ];
    story_alone(&[], async |stand| {
        let line = WebhookSender::line(&stand);
        let send = async |(body, signature): (&str, &str)| line.send_signed(body.into(), Some(signature)).await;
        put_channel_secrets(&stand, "8c570fa6dd201bb328f1c1eac23a96d8", None).await;
        answered(&send(LINES_OWN).await, 200);
        refused(&send(OURS[0]).await, ProblemCode::NotSigned);
        // The new secret is read when the first signature made with it comes; the previous one serves on.
        put_channel_secrets(&stand, "0123456789abcdef0123456789abcdef", Some("8c570fa6dd201bb328f1c1eac23a96d8")).await;
        until_answered(200, async || send(OURS[0]).await).await;
        answered(&send(OURS[1]).await, 200);
        answered(&send(LINES_OWN).await, 200);
        // Withdrawn, it ends with the next reading: within five minutes, or on a new instance.
        put_channel_secrets(&stand, "0123456789abcdef0123456789abcdef", None).await;
        stand.aws.kill("webhooks").expect("killed");
        until_answered(401, async || send(LINES_OWN).await).await;
        answered(&send(OURS[0]).await, 200);
    });
}

#[test]
fn a_forged_signature_is_refused_and_the_log_says_why() {
    story_alone(&[], async |stand| {
        let line = WebhookSender::line(&stand);
        let user = random_user();
        let body = json!({ "destination": "U1", "events": [text(&user, "forged")] }).to_string().into_bytes();
        let signature = sign(&stand.line.channel_secret(), &body);
        let other_bytes = [body.as_slice(), b"\n"].concat();
        let hex = "0".repeat(64);
        for (body, signature) in [
            (&body, None),
            (&body, Some("")),
            (&body, Some("not base64!")),
            (&body, Some(hex.as_str())),
            (&body, Some(sign("another secret", &body).as_str())),
            (&other_bytes, Some(signature.as_str())),
        ] {
            let sent = line.send_signed(body.clone(), signature).await;
            refused(&sent, ProblemCode::NotSigned);
            assert!(!sent.body.to_string().contains("signature"), "{sent:?}");
        }
        let logs = stand.aws.logs("webhooks");
        for (reason, times) in [("missing", 1), ("malformed", 3), ("mismatch", 2)] {
            let needle = format!("\"webhook.signature\":\"{reason}\"");
            assert_eq!(logs.matches(&needle).count(), times, "{reason}: {logs}");
        }
        assert!(stand.aws.tap().calls_about(&user).is_empty());
        answered(&line.send_signed(body, Some(&signature)).await, 200);
    });
}

#[test]
fn a_refused_partner_is_told_from_a_stranger() {
    story_alone(&[], async |stand| {
        let (line, sobot) = (WebhookSender::line(&stand), WebhookSender::sobot(&stand));
        let told = |via: &str, taken: u8| {
            let logs = stand.aws.logs("webhooks");
            let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.filter(|line| line["via"] == via && line["WebhookTaken"] == taken).count()
        };
        let without_a_signature = WebhookSender { secret: None, ..line.clone() };
        let with_another_secret = WebhookSender { secret: Some("0".repeat(32)), ..line.clone() };
        let of_another_account = WebhookSender {
            destination: "U00000000000000000000000000000002".to_owned(),
            ..with_another_secret.clone()
        };
        let with_a_guessed_key = WebhookSender { url: format!("{}x", sobot.url), ..sobot.clone() };
        // LINE's own form, and refused: it may be LINE with a secret that is not in ours.
        refused(&with_another_secret.deliver(&[]).await, ProblemCode::NotSigned);
        assert_eq!((told("line", 0), told("line", 1)), (1, 0));
        answered(&line.deliver(&[]).await, 200);
        answered(&sobot.deliver(&[]).await, 200);
        answered(&with_a_guessed_key.deliver(&[]).await, 404);
        assert_eq!((told("line", 0), told("line", 1), told("sobot", 0), told("sobot", 1)), (1, 1, 1, 1));
        // Strangers: whatever they try, it is not counted.
        refused(&without_a_signature.deliver(&[]).await, ProblemCode::NotSigned);
        refused(&of_another_account.deliver(&[]).await, ProblemCode::NotSigned);
        for body in ["", "{}", "x", r#"{"events":[]}"#, r#"{"destination":"U1","events":[]}"#] {
            refused(&with_another_secret.send(body.into()).await, ProblemCode::NotSigned);
        }
        for body in ["", "{}", "x", r#"{"destination":"U00000000000000000000000000000002","events":[]}"#] {
            answered(&with_a_guessed_key.send(body.into()).await, 404);
        }
        assert_eq!((told("line", 0), told("line", 1), told("sobot", 0), told("sobot", 1)), (1, 1, 1, 1));
    });
}

#[test]
fn whatever_line_may_send_is_taken() {
    story(async |stand| {
        let line = WebhookSender::line(stand);
        let user = random_user();
        let dummy = |token: &str| {
            json!({ "replyToken": token.repeat(32), "type": "message", "timestamp": 1_451_617_200_000_u64,
                    "source": { "type": "user", "userId": "Udeadbeefdeadbeefdeadbeefdeadbeef" },
                    "message": { "id": "100001", "type": "text", "text": "Hello,world" } })
        };
        for body in [
            json!({ "destination": "U1", "events": [] }),
            json!({ "events": [dummy("0"), dummy("f")] }),
            json!({}),
            json!({ "events": null }),
            json!({ "events": [{ "type": "hologram", "source": { "userId": user }, "new": { "field": [1] } }], "newer": 1 }),
            json!({ "events": [null, 7, "text", [], {}] }),
        ] {
            answered(&line.send(body.to_string().into_bytes()).await, 200);
        }
        // As API Gateway hands over what it does not know as text.
        let binary = WebhookSender { content_type: "application/octet-stream".to_owned(), ..line.clone() };
        answered(&binary.deliver(&[text(&user, "in Base64")]).await, 200);
        let spaced = format!(" {{ \"events\" :\t[ {} ] }}\r\n", text(&user, "spaced"));
        answered(&line.send(spaced.into_bytes()).await, 200);
        stand.wait_for_events(&user, "three events", |events| events.len() == 3).await;
    });
}

#[test]
fn a_body_that_is_no_webhook_is_refused() {
    story(async |stand| {
        let line = WebhookSender::line(stand);
        let binary = WebhookSender { content_type: "application/octet-stream".to_owned(), ..line.clone() };
        for body in
            ["", "x", "{", "7", "\"text\"", r#"{"events":{}}"#, r#"{"events":"x"}"#, r#"{"events":[}"#, "[]", "[[]]"]
        {
            refused(&binary.send(body.into()).await, ProblemCode::NotAWebhook);
        }
        refused(&line.send(vec![b' '; 4 * 1024 * 1024 + 1]).await, ProblemCode::TooLarge);
        let sobot = WebhookSender::sobot(stand);
        refused(&sobot.send(b"{".to_vec()).await, ProblemCode::NotAWebhook);
        refused(&sobot.send(vec![b' '; 4 * 1024 * 1024 + 1]).await, ProblemCode::TooLarge);
    });
}

#[test]
fn a_deep_or_oversized_event_does_not_hold_up_its_neighbours() {
    story_alone(&[], async |stand| {
        let line = WebhookSender::line(&stand);
        let user = random_user();
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let large = message(&user, an_hour_ago(), json!({ "type": "text", "text": "字".repeat(100_000) }));
        let odd = message(&user, an_hour_ago() + 1, json!({ "type": "text", "text": "a\u{FFFF}b\u{1}c" }));
        let body = format!("{{\"events\":[{deep},{large},{odd},{}]}}", text(&user, "beside it"));
        answered(&line.send(body.into_bytes()).await, 200);
        let events = stand.wait_for_events(&user, "its neighbours are there", |events| events.len() == 3).await;
        assert!(events.iter().any(|event| event.event.as_deref().is_some_and(|event| event.contains("cutFromBytes"))));
        let unknown = stand.wait_for_events("unknown", "that it came is known", |events| events.len() == 1).await;
        let raw: Value = serde_json::from_str(unknown[0].event.as_deref().expect("an event")).expect("JSON");
        assert_eq!(raw["notJson"]["bytes"], deep.len(), "nobody knows what is in it");
    });
}

#[test]
fn of_what_nobody_signed_a_thousand_events_are_taken_and_of_lines_all() {
    story_on_an_idle_machine(&[], async |stand| {
        let (line, sobot) = (WebhookSender::line(&stand), WebhookSender::sobot(&stand));
        let [many, lines] = [(); 2].map(|()| random_user());
        refused(&sobot.deliver(&texts(&many, 1001)).await, ProblemCode::TooManyEvents);
        assert_eq!(line.deliver(&texts(&lines, 1001)).await.status, 200);
        stand.wait_for_events(&lines, "all are stored", |stored| stored.len() == 1001).await;
        assert_eq!(sobot.deliver(&texts(&random_user(), 1000)).await.status, 200);
        assert!(stand.events_of(&many).await.is_empty());
    });
}

#[test]
fn the_largest_bodies_take_half_the_memory() {
    story_on_an_idle_machine(&[], async |stand| {
        let full = |event: &str, at_most: usize| {
            let count = ((4 << 20) - 200) / (event.len() + 1);
            format!("{{\"events\":[{}]}}", vec![event; count.min(at_most)].join(",")).into_bytes()
        };
        let large = format!("{{\"x\":\"{}\"}}", "x".repeat(4180));
        let (line, sobot) = (WebhookSender::line(&stand), WebhookSender::sobot(&stand));
        for (name, sender, body, status) in [
            ("forged", &sobot, full("{\"a\":1}", usize::MAX), 413),
            ("unsigned", &sobot, full(&large, 1000), 200),
            ("signed", &line, full("{\"a\":1}", 20_000), 200),
        ] {
            stand.aws.kill("webhooks").expect("killed");
            let signature = sender.secret.as_ref().map(|secret| sign(secret, &body));
            let mut sent = sender.send_signed(body.clone(), signature.as_deref()).await;
            // The emulator may hand it to the process that was killed: a body that kills its process does so again.
            if sent.status == 502 {
                sent = sender.send_signed(body, signature.as_deref()).await;
            }
            // A machine that is busy with other things may not be through in time. What was in memory is the same.
            assert!([status, 503].contains(&sent.status), "{name}: {sent:?}");
            let peak = peak_memory(&stand, "webhooks");
            assert!(peak < half_the_memory(), "{name}: {} MB", peak >> 20);
        }
    });
}

#[test]
fn one_a_hundred_and_a_thousand_events_are_taken_in_time() {
    story_on_an_idle_machine(&[], async |stand| {
        let line = WebhookSender::line(&stand);
        for count in [1, 100, 1000] {
            // A machine that is busy with other things can only add time: the fastest of three counts.
            let mut fastest = Duration::MAX;
            for _ in 0..3 {
                let user = &random_user();
                let events = texts(user, count);
                // Each on a cold instance.
                stand.aws.kill("webhooks").expect("killed");
                let sent = line.deliver_once(&events).await;
                if sent.status == 503 {
                    continue; // The machine is too busy; that it never is, the end asks for.
                }
                assert_eq!(sent.status, 200, "{sent:?}");
                let stored = stand.wait_for_events(user, "all are stored", |stored| stored.len() >= count).await;
                assert_eq!(stored.len(), count);
                assert!(stored.is_sorted_by_key(|event| event.at) && stored.iter().all(|event| event.verified));
                let calls = stand.aws.tap().calls_about(user).into_iter();
                let calls = calls.filter(|call| call.operation == "sqs.SendMessageBatch").count();
                assert!(calls <= 10, "{calls} calls");
                fastest = fastest.min(sent.took);
                if fastest < LIMIT {
                    break;
                }
            }
            assert!(fastest < LIMIT, "{count} events took {fastest:?}");
        }
    });
}

#[test]
fn without_the_queue_the_sender_has_to_deliver_again_and_nothing_is_lost() {
    story_alone(&[], async |stand| {
        let line = WebhookSender::line(&stand);
        let user = random_user();
        let events = texts(&user, 35);
        for fault in [Fault::INTERNAL, Fault::Error(400, "AWS.SimpleQueueService.UnsupportedOperation"), Fault::HangUp]
        {
            let _fault = stand.aws.tap().inject(fault, "sqs.SendMessageBatch", "", ALWAYS);
            refused(&line.deliver_once(&events).await, ProblemCode::Unavailable);
        }
        assert!(stand.events_of(&user).await.is_empty());
        // One of the four calls fails: the others' events are in the queue, and the sender must not believe it is all.
        let of_the_third_call = events[25]["webhookEventId"].as_str().expect("an id");
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "sqs.SendMessageBatch", of_the_third_call, ALWAYS);
        refused(&line.deliver_once(&events).await, ProblemCode::Unavailable);
        drop(fault);
        // The queue has them, but its answer is lost.
        let _fault = stand.aws.tap().inject(Fault::ForwardThenHangUp, "sqs.SendMessageBatch", of_the_third_call, 3);
        assert!(line.deliver_until_taken(&events).await >= 2, "taken while its answer was lost");
        let stored = stand.wait_for_events(&user, "all are stored", |stored| stored.len() >= 35).await;
        stand.wait_for_an_empty_inbox().await;
        assert_eq!(stand.events_of(&user).await, stored, "a redelivered event is one item");
    });
}

#[test]
fn sobots_address_exists_for_who_knows_its_key_only() {
    story_alone(&[], async |stand| {
        let sobot = WebhookSender::sobot(&stand);
        let user = random_user();
        answered(&sobot.deliver(&[text(&user, "1")]).await, 200);
        let with_key = |key: &str| WebhookSender {
            url: format!("{}/webhooks/sobot/{key}", stand.public_api.base_url()),
            ..sobot.clone()
        };
        let key = stand.sobot.webhook_key();
        for wrong in ["x", &random_key(), &key[1..], &key.to_uppercase(), &format!("{key}0")] {
            answered(&with_key(wrong).deliver(&[text(&user, "forged")]).await, 404);
            answered(&with_key(wrong).send(vec![b' '; 5 * 1024 * 1024]).await, 404);
        }
        // The answer of a path that does not exist is the same.
        let nowhere =
            WebhookSender { url: format!("{}/webhooks/nowhere", stand.public_api.base_url()), ..sobot.clone() };
        let (nowhere, wrong) = (nowhere.deliver(&[]).await, with_key("x").deliver(&[]).await);
        assert_eq!(
            (nowhere.status, nowhere.body, nowhere.content_type),
            (wrong.status, wrong.body, wrong.content_type)
        );

        // A new key works at once, the previous one goes on until it is withdrawn.
        let new = random_key();
        let mut secret = stand.sobot.secret();
        secret["webhookKeys"] = json!({ "current": new, "previous": key });
        stand.put_secret("SobotSecretArn", &secret).await.expect("written");
        until_answered(200, async || with_key(&new).deliver(&[]).await).await;
        answered(&sobot.deliver(&[text(&user, "2")]).await, 200);
        secret["webhookKeys"] = json!({ "current": new });
        stand.put_secret("SobotSecretArn", &secret).await.expect("written");
        stand.aws.kill("webhooks").expect("killed");
        answered(&sobot.deliver(&[text(&user, "forged")]).await, 404);
        answered(&with_key(&new).deliver(&[text(&user, "3")]).await, 200);
        stand.wait_for_events(&user, "three events", |events| events.len() == 3).await;
        let logs = stand.aws.logs("webhooks");
        assert!(!logs.contains(&new) && !logs.contains(&key), "{logs}");
    });
}

#[test]
fn without_sobots_secret_lines_webhooks_work_and_sobots_address_does_not_exist() {
    story_alone(&[], async |stand| {
        let user = random_user();
        // Sobot's API is used, and its forwarding is not.
        let mut secret = stand.sobot.secret();
        secret.as_object_mut().expect("an object").remove("webhookKeys").expect("the keys");
        stand.put_secret("SobotSecretArn", &secret).await.expect("written");
        answered(&WebhookSender::sobot(&stand).deliver(&[text(&user, "forged")]).await, 404);
        stand.remove_secret("SobotSecretArn").await.expect("the secret has no value now");
        stand.aws.kill("webhooks").expect("killed");
        answered(&WebhookSender::sobot(&stand).deliver(&[text(&user, "forged")]).await, 404);
        let picture = message(&user, an_hour_ago(), json!({ "type": "image", "contentProvider": { "type": "line" } }));
        let follow = event("follow", &user, an_hour_ago() + 1, json!({ "follow": { "isUnblocked": false } }));
        answered(&WebhookSender::line(&stand).deliver(&[picture, follow]).await, 200);
        stand.wait_for_events(&user, "both are stored", |events| events.len() == 2).await;
        stand.wait_for_friend_state(&user, true, "line_event").await;
        assert!(stand.aws.logs("webhooks").contains("has no value"));
    });
}

#[test]
fn the_logs_tell_each_webhook_and_not_what_was_said() {
    story_alone(&[], async |stand| {
        let (friend, stranger) = (random_user(), random_user());
        let said = [
            text(&friend, "hunter2 said"),
            message(
                &friend,
                an_hour_ago(),
                json!({ "type": "location", "title": "hunter2", "latitude": 1, "longitude": 2 }),
            ),
            event(
                "postback",
                &friend,
                an_hour_ago(),
                json!({ "postback": { "data": "hunter2" }, "replyToken": "hunter2" }),
            ),
            event("accountLink", &friend, an_hour_ago(), json!({ "link": { "result": "ok", "nonce": "hunter2" } })),
            event("follow", &stranger, an_hour_ago(), json!({ "replyToken": "hunter2" })),
            json!({ "hunter2": friend }),
        ];
        assert_eq!(WebhookSender::line(&stand).deliver(&said).await.status, 200);
        assert_eq!(WebhookSender::sobot(&stand).deliver(&said).await.status, 200);
        WebhookSender::sobot(&stand).send(b"{hunter2".to_vec()).await;
        stand.wait_for_events(&friend, "all are stored", |events| events.len() == 4).await;
        stand.wait_for_friend_state(&stranger, true, "line_event").await;
        stand.wait_for_an_empty_inbox().await;
        let logs = stand.aws.all_logs();
        for line in logs.lines().filter(|line| !line.starts_with("--- ")) {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            for key in ["timestamp", "level", "message", "service"] {
                assert!(line[key].is_string(), "{key}: {line}");
            }
            if line["message"] == "webhook answered" {
                assert_eq!(line["http.method"], "POST");
                assert!(line["http.source_ip"].is_string() && line["http.status"].is_u64(), "{line}");
            }
        }
        let secret = stand.sobot.secret();
        let of_sobot = [&secret["appKey"], &secret["webhookKeys"]["current"]].map(|key| key.as_str().expect("text"));
        let channel_secret = stand.line.channel_secret();
        for never in [&of_sobot[..], &[&friend, &stranger, &channel_secret, "hunter2"]].concat() {
            assert!(!logs.contains(never), "in the logs: {never}");
        }
    });
}
