//! The app is told of each link that is made, replaced or ended, in their order, whatever comes in between.

use std::{io::Write as _, process::Stdio, sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use local_stand::{
    app::{AppBehaviour, AppStandIn, ReceivedCallback},
    aws::emulator::prepare,
    line::Choice,
    line::webhook_sender::{WebhookSender, event},
    repository,
    stand::{POLL, Stand, THE_APP, random_key, random_user},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::sleep;

use crate::{
    login::{Visitor, claims, link_token_with, member},
    story, story_alone,
};

/// Tells a story on a stand whose app is told of links.
fn story_with_the_app(tell: impl AsyncFnOnce(Arc<Stand>, AppStandIn)) {
    story_alone(&[("LinkCallbackUrl", THE_APP)], async |stand| {
        let app = stand.app.clone();
        tell(stand, app).await;
    });
}

async fn log_in(stand: &Stand, member: &str, user: &str) {
    assert_eq!(stand.log_in(member, user).await.expect("a page"), "绑定成功");
}

/// As the app lets its member log in whom it has asked already.
async fn log_in_replacing(stand: &Stand, member: &str, user: &str) {
    let mut visitor = Visitor::new(stand);
    let token = link_token_with(stand, &claims(member, json!({ "replace": "always" })));
    let authorize = visitor.begin(&token).await;
    let callback = stand.line.authorize(&authorize, user, Choice::Consent).expect("LINE takes the request");
    visitor.get(&callback).await.is_page(200, "LINE connected");
}

async fn unlink(stand: &Stand, path: &str) {
    let reply = stand.operate("DELETE", &format!("{path}?reason=over"), None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Waits until the app has taken so many callbacks, and looks at them.
async fn taken(app: &AppStandIn, count: usize) -> Vec<String> {
    let is_taken = |received: &[ReceivedCallback]| received.iter().filter(|one| one.is_taken).count() >= count;
    app.wait_until("the app has taken them", is_taken).await;
    app.taken()
}

/// Waits for a line of the function's log that says this.
async fn wait_for_log(stand: &Stand, text: &str) {
    for _ in 0..600 {
        if stand.aws.logs("link-callback").contains(text) {
            return;
        }
        sleep(POLL).await;
    }
    panic!("nothing says {text:?}:\n{}", stand.aws.logs("link-callback"));
}

fn given_up(stand: &Stand) -> Vec<String> {
    let logs = stand.aws.logs("link-callback");
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_it = lines.filter(|line| line["LinkCallbackGivenUp"] == 1);
    of_it.map(|line| line["reason"].as_str().expect("a reason").to_owned()).collect()
}

#[test]
fn the_app_is_told_once_of_every_link_that_is_made_replaced_or_ended() {
    story_with_the_app(async |stand, app| {
        let (one, other) = (member(), member());
        let (user, second) = (random_user(), random_user());
        log_in(&stand, &one, &user).await;
        assert_eq!(taken(&app, 1).await, [format!("linked {one}")]);
        let link = stand.operate("GET", &format!("/links/{one}"), None).await.body;
        let callback = app.received()[0].json();
        assert_eq!(callback["occurredAt"], link["linkedAt"], "{callback}");

        // The same again, then another LINE user, who blocks the account: that ends no link.
        log_in_replacing(&stand, &one, &user).await;
        log_in_replacing(&stand, &one, &second).await;
        let now_ms = crate::now_ms();
        let unfollow = event("unfollow", &second, now_ms, json!({}));
        assert_eq!(WebhookSender::line(&stand).deliver(&[unfollow]).await.status, 200);
        stand.wait_for_friend_state(&second, false, "line_event").await;
        // The LINE user goes over to another member.
        log_in_replacing(&stand, &other, &second).await;
        unlink(&stand, &format!("/links/{other}")).await;
        log_in(&stand, &other, &second).await;
        unlink(&stand, &format!("/members/{other}")).await;
        log_in(&stand, &one, &second).await;
        let mut told = taken(&app, 9).await;
        // Of two members that one login concerns, either may be told first.
        told[3..5].sort_by_key(|told| !told.ends_with(&one));
        let expected = [
            format!("linked {one}"),
            format!("linked {one}"),
            format!("replaced {one}"),
            format!("unlinked {one}"),
            format!("linked {other}"),
            format!("unlinked {other}"),
            format!("linked {other}"),
            format!("unlinked {other}"),
            format!("linked {one}"),
        ];
        assert_eq!(told, expected);
        let mut ids: Vec<_> = app.received().iter().map(|callback| callback.json()["eventId"].to_string()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), expected.len(), "each has an id of its own");
        let removed = app.received()[5].json();
        let removed = OffsetDateTime::parse(removed["occurredAt"].as_str().expect("a time"), &Rfc3339).expect("a time");
        assert!((OffsetDateTime::now_utc() - removed).abs() < time::Duration::minutes(1), "{removed}");
    });
}

#[test]
fn an_app_that_was_down_is_told_in_order_when_it_is_back() {
    story_with_the_app(async |stand, app| {
        app.go_down().await;
        let member = member();
        log_in(&stand, &member, &random_user()).await;
        wait_for_log(&stand, "a callback will be sent again").await;
        log_in_replacing(&stand, &member, &random_user()).await;
        unlink(&stand, &format!("/links/{member}")).await;
        assert_eq!(app.received(), []);
        app.come_up().await.expect("up");
        let expected = ["linked", "replaced", "unlinked"].map(|change| format!("{change} {member}"));
        assert_eq!(taken(&app, 3).await, expected);
        assert_eq!(given_up(&stand), [] as [&str; 0]);
    });
}

#[test]
fn what_the_app_refuses_is_given_up_and_keeps_nobody_waiting() {
    story_with_the_app(async |stand, app| {
        let (refused, next) = (member(), member());
        app.script([AppBehaviour::Answer(422)]);
        log_in(&stand, &refused, &random_user()).await;
        log_in(&stand, &next, &random_user()).await;
        assert_eq!(taken(&app, 1).await, [format!("linked {next}")]);
        assert_eq!(app.received().len(), 2, "{:?}", app.received());
        assert_eq!(given_up(&stand), ["refused"]);
    });
}

#[test]
fn what_is_no_record_of_ours_is_given_up_and_keeps_nobody_waiting() {
    story_with_the_app(async |stand, app| {
        let put = stand.dynamodb.put_item().table_name(stand.aws.output("LinksTableName"));
        let put = put.item("id", AttributeValue::S("member#no member at all".to_owned()));
        put.item("line_user_id", AttributeValue::S(random_user())).send().await.expect("written");
        let next = member();
        log_in(&stand, &next, &random_user()).await;
        assert_eq!(taken(&app, 1).await, [format!("linked {next}")]);
        assert_eq!(given_up(&stand), ["unreadable"]);
    });
}

#[test]
fn an_app_that_hangs_breaks_off_or_sends_elsewhere_is_asked_again_with_the_same_event() {
    story_with_the_app(async |stand, app| {
        let member = member();
        let behaviours = [
            AppBehaviour::HangUp,
            AppBehaviour::Hang(Duration::from_secs(7)),
            AppBehaviour::Answer(503),
            AppBehaviour::Answer(429),
            AppBehaviour::Redirect,
        ];
        app.script(behaviours);
        log_in(&stand, &member, &random_user()).await;
        assert_eq!(taken(&app, 1).await, [format!("linked {member}")]);
        let received: Vec<Value> = app.received().iter().map(ReceivedCallback::json).collect();
        assert_eq!(received.len(), behaviours.len() + 1, "{received:?}");
        let same = |name: &str| received.iter().all(|one| one[name] == received[0][name]);
        assert!(["eventId", "type", "memberId", "occurredAt"].iter().all(|name| same(name)), "{received:?}");
        assert!(!same("sentAt"));
        assert_eq!(given_up(&stand), [] as [&str; 0]);
    });
}

#[test]
fn a_function_that_dies_while_it_tells_is_followed_by_one_that_tells() {
    story_with_the_app(async |stand, app| {
        let member = member();
        app.script([AppBehaviour::Hang(Duration::from_secs(4))]);
        log_in(&stand, &member, &random_user()).await;
        app.wait_until("it is asked", |received| !received.is_empty()).await;
        assert_eq!(stand.aws.kill("link-callback").expect("killed"), 1);
        assert_eq!(taken(&app, 1).await, [format!("linked {member}")]);
        let ids: Vec<_> = app.received().iter().map(|callback| callback.json()["eventId"].clone()).collect();
        assert_eq!((ids.len(), &ids[0]), (2, &ids[1]), "{ids:?}");
    });
}

/// The app changes its key at any time between the two changes of the secret.
#[test]
fn while_the_secret_is_rotated_both_keys_sign() {
    story_with_the_app(async |stand, app| {
        let (old, new) = (stand.callback_key().await.expect("a key"), random_key());
        assert_eq!(old.len(), 64);
        let put = async |value: Value| {
            stand.put_secret("LinkCallbackSecretArn", &value).await.expect("put");
            // What is in memory is read again after five minutes.
            stand.aws.kill("link-callback").expect("killed");
        };
        put(json!({ "current": new, "previous": old })).await;
        let members = [member(), member(), member()];
        log_in(&stand, &members[0], &random_user()).await;
        taken(&app, 1).await;
        app.use_key(&new);
        log_in(&stand, &members[1], &random_user()).await;
        taken(&app, 2).await;
        put(json!({ "current": new })).await;
        log_in(&stand, &members[2], &random_user()).await;
        assert_eq!(taken(&app, 3).await, members.map(|member| format!("linked {member}")));
        let signatures: Vec<_> = app.received().iter().map(|one| one.signature.split(',').count()).collect();
        assert_eq!(signatures, [2, 2, 1]);
        let logs = stand.aws.all_logs();
        assert!(!logs.contains(&old) && !logs.contains(&new), "{logs}");
    });
}

/// Whoever changes both sides at once, and leaves no previous key, loses nothing by the key in memory.
#[test]
fn a_key_that_the_app_has_already_is_read_again_before_anything_is_given_up() {
    story_with_the_app(async |stand, app| {
        let members = [member(), member(), member()];
        log_in(&stand, &members[0], &random_user()).await;
        taken(&app, 1).await;
        let key = random_key();
        stand.put_secret("LinkCallbackSecretArn", &json!({ "current": key })).await.expect("put");
        app.use_key(&key);
        // No guesser makes a function read its secret more often.
        sleep(Duration::from_secs(2)).await;
        log_in(&stand, &members[1], &random_user()).await;
        taken(&app, 2).await;
        assert_eq!(app.take_violations(), ["a callback is not signed with the app's key"], "the key in memory");
        log_in(&stand, &members[2], &random_user()).await;
        assert_eq!(taken(&app, 3).await, members.map(|member| format!("linked {member}")));
        assert_eq!(given_up(&stand), [] as [&str; 0]);

        // A key that nobody gave the function.
        app.use_key(&random_key());
        log_in(&stand, &member(), &random_user()).await;
        wait_for_log(&stand, "the app refuses a callback").await;
        assert_eq!((app.take_violations().len(), given_up(&stand)), (1, vec!["refused".to_owned()]));
    });
}

#[test]
fn without_a_usable_secret_the_log_says_which_field_and_nothing_is_lost() {
    story_with_the_app(async |stand, app| {
        stand.put_secret("LinkCallbackSecretArn", &json!({ "current": "short" })).await.expect("put");
        let member = member();
        log_in(&stand, &member, &random_user()).await;
        wait_for_log(&stand, "field current must have at least 32 characters").await;
        wait_for_log(&stand, "SecretUnusable").await;
        let key = random_key();
        app.use_key(&key);
        stand.put_secret("LinkCallbackSecretArn", &json!({ "current": key })).await.expect("put");
        // What is not usable is read again after half a minute.
        stand.aws.kill("link-callback").expect("killed");
        assert_eq!(taken(&app, 1).await, [format!("linked {member}")]);
    });
}

/// The page's own code, run by Python on what came: what an engineer copies works.
#[test]
fn the_page_verifies_what_the_app_gets() {
    const PAGE: &str = "functions/line-login/README.md";
    story_with_the_app(async |stand, app| {
        log_in(&stand, &member(), &random_user()).await;
        taken(&app, 1).await;
        let callback = app.received().remove(0);
        let page = std::fs::read_to_string(repository().join(PAGE)).expect("the page");
        let code = page.split("```python\n").find(|code| code.contains("def link_change(")).expect("code");
        let code = code.split("```").next().unwrap_or_default();
        let verified = |secret: &str, signature: &str, body: &[u8]| {
            let program = format!(
                "{code}\nimport sys\nprint(link_change(sys.argv[1], sys.stdin.buffer.read(), sys.argv[2])['memberId'])"
            );
            let mut python = prepare().expect("Python").python();
            let python = python.args(["-c", &program, secret, signature]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut python = python.stderr(Stdio::null()).spawn().expect("Python runs");
            python.stdin.take().expect("a pipe").write_all(body).expect("written");
            let output = python.wait_with_output().expect("an end");
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let (secret, signature) = (&*stand.callback_key().await.expect("a key"), callback.signature.as_str());
        let member = callback.json()["memberId"].as_str().expect("a member").to_owned();
        assert_eq!(verified(secret, signature, &callback.body), Some(member.clone()));
        assert_eq!(verified(secret, &format!("AAAA,{signature}"), &callback.body), Some(member));
        assert_eq!(verified(&random_key(), signature, &callback.body), None, "another key");
        assert_eq!(verified(secret, "", &callback.body), None, "no signature");
        let forged = String::from_utf8_lossy(&callback.body).replace("linked", "unlinked");
        assert_eq!(verified(secret, signature, forged.as_bytes()), None, "another body");
    });
}

#[test]
fn by_default_nobody_is_told_and_nothing_of_it_is_there() {
    story(async |stand| {
        let outputs = stand.aws.outputs();
        assert!(!outputs.keys().any(|name| name.contains("LinkCallback")), "{outputs:?}");
        let table = stand.dynamodb.describe_table().table_name(stand.aws.output("LinksTableName")).send().await;
        let table = table.expect("a table").table.expect("a description");
        assert_eq!((table.stream_specification, table.latest_stream_arn), (None, None));
    });
}
