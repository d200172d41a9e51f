//! `check-stack` against the local stand: in order, and with each single thing broken.

use check_stack::{Finding, Standing, check};
use local_stand::{
    line::{Behaviour, Endpoint},
    stand::{Stand, THE_APP, random_key},
};
use serde_json::{Value, json};

use crate::story_alone;

/// What somebody who deploys has done, beyond what every stand has.
const DEPLOYED: [(&str, &str); 2] = [("AlarmEmail", "oncall@example.com"), ("DeletionProtection", "true")];

async fn checked(stand: &Stand) -> Vec<Finding> {
    let api_url = stand.public_api.base_url();
    check(&stand.aws.sdk_config().await, "local", Some(&api_url)).await.expect("it can be checked")
}

/// What is not right, with what to do.
fn not_right(findings: &[Finding]) -> Vec<(&str, &str)> {
    let remedy = |standing| match standing {
        &Standing::Right => None,
        Standing::Advice(remedy) | Standing::Wrong(remedy) => Some(remedy.as_str()),
    };
    // The emulator has as many executions as its machine has memory for.
    let looked_at = findings.iter().filter(|finding| !finding.what.contains("executions"));
    looked_at.filter_map(|finding| Some((finding.what.as_str(), remedy(&finding.standing)?))).collect()
}

/// Of a stack that is in order apart from this.
#[track_caller]
fn assert_only(findings: &[Finding], expected: &[(&str, &str)]) {
    let found = not_right(findings);
    let is_expected = |found: &(&str, &str)| {
        expected.iter().filter(|(what, remedy)| found.0.starts_with(what) && found.1.contains(remedy)).count() == 1
    };
    let same = found.len() == expected.len() && found.iter().all(is_expected);
    assert!(same, "expected {expected:#?}, found {found:#?}");
}

/// A call of the operator's to the emulator, unsigned.
async fn call(stand: &Stand, method: &str, path: &str, body: &Value) {
    let method = method.parse().expect("a method");
    let request = stand.http.request(method, format!("{}{path}", stand.aws.endpoint()));
    // The emulator knows the service by the signature's scope.
    let scope = if path.starts_with("/v2/email") { "ses" } else { "cloudformation" };
    let signed = format!("AWS4-HMAC-SHA256 Credential=test/20200714/ap-northeast-1/{scope}/aws4_request");
    let answer = request.header("authorization", signed).json(body).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
}

#[test]
fn a_stack_in_order_is_right_and_rings_nothing() {
    story_alone(&DEPLOYED, async |stand| {
        let findings = checked(&stand).await;
        assert_only(&findings, &[("termination protection", "--enable-termination-protection")]);
        assert!(findings.len() >= 25, "{findings:#?}");
        let pushes = stand.line.requests().into_iter().filter(|request| request.path == "/v2/bot/message/push");
        assert_eq!(pushes.count(), 0);
        let told = |metric: &str| -> usize {
            let of = |binary| stand.aws.logs(binary).matches(&format!("\"{metric}\":1")).count();
            ["order-finished", "operations", "webhooks", "line-login"].into_iter().map(of).sum()
        };
        // A hundred ring; of webhooks three of LINE's or of Sobot's, where none is taken.
        assert!((1..10).contains(&told("AuthenticationFailures")), "{}", told("AuthenticationFailures"));
        assert!(told("WebhookRefused") < 3 && told("WebhookTaken") >= 2);
    });
}

#[test]
fn whatever_is_broken_is_told_with_what_to_do() {
    story_alone(&[("DeletionProtection", "true"), ("LinkCallbackUrl", THE_APP)], async |stand| {
        let always = [("termination protection", "--enable"), ("alarms reach", "AlarmEmail=")];
        let only = async |broken: &[(&str, &str)]| assert_only(&checked(&stand).await, &[&always, broken].concat());
        only(&[]).await;

        // A key that nobody has any more. Keys in memory serve on, so a new process looks.
        let order_key = json!({ "current": stand.order_key });
        stand.remove_secret("OrderKeySecretArn").await.expect("removed");
        stand.aws.kill("order-finished").expect("killed");
        only(&[("orders: a wrong key", "503"), ("orders: the order key", "503")]).await;
        stand.put_secret("OrderKeySecretArn", &order_key).await.expect("written");
        stand.aws.kill("order-finished").expect("killed");

        // Without the app's secret nobody logs in, and that may be meant.
        stand.remove_secret("LoginSecretArn").await.expect("removed");
        only(&[("login", "Set it up")]).await;
        stand.put_secret("LoginSecretArn", &stand.login_secret()).await.expect("written");

        // Another channel secret than LINE's console has shows only to LINE; none at all shows here.
        let channel_secret = json!({ "channelSecret": stand.line.channel_secret() });
        stand.remove_secret("ChannelSecretArn").await.expect("removed");
        stand.aws.kill("webhooks").expect("killed");
        only(&[("LINE's webhook: no signature", "503"), ("LINE's webhook: a signature", "503")]).await;
        stand.put_secret("ChannelSecretArn", &channel_secret).await.expect("written");
        stand.aws.kill("webhooks").expect("killed");

        // LINE refuses the messages, then says that none are left.
        stand.line.script(Endpoint::ValidatePush, [Behaviour::answer(400, r#"{"message":"no"}"#)]);
        only(&[("LINE takes the messages", "zh-CN")]).await;
        stand.line.set_quota(Some(100));
        stand.line.set_usage(100);
        only(&[("LINE's quota", "used up")]).await;
        stand.line.set_quota(None);

        // The account: the sandbox, and executions.
        call(
            &stand,
            "POST",
            "/v2/email/account/details",
            &json!({ "ProductionAccessEnabled": false,
            "MailType": "TRANSACTIONAL", "WebsiteURL": "https://example.com" }),
        )
        .await;
        only(&[
            ("mail out of the sandbox", "production access"),
            ("mail to statistics@example.com", "create-email-identity"),
            ("mail to operator@example.com", "create-email-identity"),
        ])
        .await;
        call(
            &stand,
            "POST",
            "/v2/email/account/details",
            &json!({ "ProductionAccessEnabled": true,
            "MailType": "TRANSACTIONAL", "WebsiteURL": "https://example.com" }),
        )
        .await;
        call(&stand, "DELETE", "/v2/email/identities/report@example.com", &Value::Null).await;
        only(&[("mail from report@example.com", "create-email-identity")]).await;
        call(&stand, "POST", "/v2/email/identities", &json!({ "EmailIdentity": "report@example.com" })).await;

        // The queues.
        stand.map_the_retry_queue(false).await.expect("off");
        only(&[("queue of PushRetry", "Disabled")]).await;
        stand.map_the_retry_queue(true).await.expect("on");
        stand.map_the_links(false).await.expect("off");
        only(&[("stream of the links", "Disabled")]).await;
        stand.map_the_links(true).await.expect("on");
        let letters = stand.aws.output("InboxDeadLetterQueueUrl");
        stand.sqs.send_message().queue_url(letters).message_body(random_key()).send().await.expect("sent");
        only(&[("dead letters of Inbox", "1 wait")]).await;
    });
}
