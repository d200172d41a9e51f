//! `check-stack` against the local stand: in order, as a first deployment leaves it, and with each single thing broken.
//! What is broken at one time does not hide each other: the check looks at one thing after the other.

use std::sync::Arc;

use check_stack::{Finding, Standing, check};
use local_stand::{
    aws::tap::{ALWAYS, AwsTap, Fault},
    line::{Behaviour, Endpoint},
    stand::{Stand, THE_APP, random_key},
    wire::Injected,
};
use serde_json::{Value, json};

use crate::story_alone;

/// What somebody who deploys has done at the end, beyond what every stand has.
const DEPLOYED: [(&str, &str); 4] = [
    ("AlarmEmail", "oncall@example.com"),
    ("DeletionProtection", "true"),
    ("WebhookConcurrency", "100"),
    ("OperatorConcurrency", "20"),
];
/// What CloudFormation, SES, Lambda and SNS are asked, as the tap calls it.
const STACK: &str = "POST /";
const MAIL: &str = "GET /v2/email/account";
const EXECUTIONS: &str = "GET /2016-08-19/account-settings";
const MAPPINGS: &str = "GET /2015-03-31/event-source-mappings";
/// In the place of what the emulator has, which is as many as its machine has memory for.
const A_THOUSAND: Fault = Fault::Answer(200, r#"{"AccountLimit":{"ConcurrentExecutions":1000}}"#, "");
const TEN: Fault = Fault::Answer(200, r#"{"AccountLimit":{"ConcurrentExecutions":10}}"#, "");
const DENIED: Fault = Fault::Error(403, "AccessDeniedException");

/// The check of a stand. Its own calls to AWS pass a tap, where they may go wrong.
struct Checked {
    stand: Arc<Stand>,
    tap: AwsTap,
}

impl Checked {
    async fn of(stand: Arc<Stand>) -> Self {
        let tap = AwsTap::start(stand.aws.endpoint().to_owned()).await.expect("a tap");
        Self { stand, tap }
    }

    async fn findings_at(&self, stack: &str, api_url: &str) -> Vec<Finding> {
        let aws = self.stand.aws.sdk_config().await.into_builder().endpoint_url(self.tap.base_url()).build();
        check(&aws, stack, Some(api_url)).await
    }

    async fn findings(&self) -> Vec<Finding> {
        self.findings_at("local", &self.stand.public_api.base_url()).await
    }

    /// That all is right but this, each with what to do.
    async fn only(&self, expected: &[(&str, &str)]) {
        assert_only(&self.findings().await, expected);
    }

    /// As long as what it returns is held.
    fn breaks(&self, fault: Fault, operation: &str, about: &str) -> Injected {
        self.tap.inject(fault, operation, about, ALWAYS)
    }
}

#[track_caller]
fn assert_only(findings: &[Finding], expected: &[(&str, &str)]) {
    let remedy = |standing| match standing {
        &Standing::Right => None,
        Standing::Advice(remedy) | Standing::Wrong(remedy) => Some(remedy.as_str()),
    };
    let found: Vec<_> = findings.iter().filter_map(|one| Some((one.what.as_str(), remedy(&one.standing)?))).collect();
    let is_expected = |found: &(&str, &str)| {
        expected.iter().filter(|(what, remedy)| found.0.starts_with(what) && found.1.contains(remedy)).count() == 1
    };
    let same = found.len() == expected.len() && found.iter().all(is_expected);
    assert!(same, "expected {expected:#?}, found {found:#?}");
    assert!(!found.iter().any(|(_, remedy)| remedy.contains('\n')), "each is a line: {found:#?}");
}

/// A call of the operator's to the emulator, which knows the service by the signature's scope.
async fn call(stand: &Stand, scope: &str, method: &str, path: &str, body: &Value) {
    let method = method.parse().expect("a method");
    let request = stand.http.request(method, format!("{}{path}", stand.aws.endpoint()));
    let signed = format!("AWS4-HMAC-SHA256 Credential=test/20200714/ap-northeast-1/{scope}/aws4_request");
    let answer = request.header("authorization", signed).json(body).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
}

/// As the last step of the first deployment does.
async fn protect(stand: &Stand) {
    let protect = "/?Action=UpdateTerminationProtection&StackName=local&EnableTerminationProtection=true";
    call(stand, "cloudformation", "POST", protect, &Value::Null).await;
}

async fn in_the_sandbox(stand: &Stand, is_in: bool) {
    let details = json!({ "ProductionAccessEnabled": !is_in, "MailType": "TRANSACTIONAL",
        "WebsiteURL": "https://example.com" });
    call(stand, "ses", "POST", "/v2/email/account/details", &details).await;
}

/// How many calls a function may have at one time; none as long as none is kept for it.
async fn limit(stand: &Stand, output: &str, executions: Option<u32>) {
    let path = format!("/2017-10-31/functions/{}/concurrency", stand.aws.output(output));
    let (method, body) = match executions {
        Some(executions) => ("PUT", json!({ "ReservedConcurrentExecutions": executions })),
        None => ("DELETE", Value::Null),
    };
    call(stand, "lambda", method, &path, &body).await;
}

#[test]
fn a_stack_in_order_is_right_and_rings_nothing() {
    story_alone(&DEPLOYED, async |stand| {
        protect(&stand).await;
        let checked = Checked::of(Arc::clone(&stand)).await;
        let _granted = checked.breaks(A_THOUSAND, EXECUTIONS, "");
        let findings = checked.findings().await;
        assert_only(&findings, &[]);
        assert!(findings.len() >= 30, "{findings:#?}");
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
fn a_first_deployment_is_told_what_is_left_to_do() {
    // Members do not log in here.
    story_alone(&[("LoginCallbackUrl", ""), ("LoginReturnUrls", "")], async |stand| {
        for secret in ["LoginSecretArn", "LineSecretArn", "ChannelSecretArn"] {
            stand.remove_secret(secret).await.expect("removed");
        }
        let checked = Checked::of(Arc::clone(&stand)).await;
        let new_account = checked.breaks(TEN, EXECUTIONS, "");
        let protections = [("termination protection", "--enable"), ("deletion protection", "DeletionProtection=true")];
        let alarms = ("alarms reach", "AlarmEmail=");
        let few = ("concurrent executions", "has 10:");
        let no_token = [("LINE's channel access token", "line.json"), ("operators: LINE's quota", "LINE's secrets")];
        let no_channel = [("LINE's webhook: no signature", "channel.json"), ("LINE's webhook: a sig", "channel.json")];
        checked.only(&[&protections[..], &[alarms, few], &no_token, &no_channel].concat()).await;

        // The key id of another key.
        let mut secret = stand.line.secret();
        secret["kid"] = json!(random_key());
        stand.put_secret("LineSecretArn", &secret).await.expect("written");
        let channel_secret = json!({ "channelSecret": stand.line.channel_secret() });
        stand.put_secret("ChannelSecretArn", &channel_secret).await.expect("written");
        stand.aws.kill_all().expect("killed");
        checked.only(&[&protections[..], &[alarms, few], &no_token].concat()).await;

        stand.put_secret("LineSecretArn", &stand.line.secret()).await.expect("written");
        stand.aws.kill_all().expect("killed");
        drop(new_account);
        let _granted = checked.breaks(A_THOUSAND, EXECUTIONS, "");
        let kept = ("executions kept for others", "WebhookConcurrency=100");
        checked.only(&[&protections[..], &[alarms, kept]].concat()).await;
    });
}

#[test]
fn whatever_is_broken_behind_the_doors_is_told_with_what_to_do() {
    story_alone(&DEPLOYED, async |stand| {
        protect(&stand).await;
        let checked = Checked::of(Arc::clone(&stand)).await;
        let _granted = checked.breaks(A_THOUSAND, EXECUTIONS, "");
        let kill_all = || stand.aws.kill_all().expect("killed");
        let values = [
            ("OrderKeySecretArn", json!({ "current": stand.order_key })),
            ("OperatorKeysSecretArn", json!({ "mei": stand.operator_key })),
            ("ChannelSecretArn", json!({ "channelSecret": stand.line.channel_secret() })),
            ("LoginSecretArn", stand.login_secret()),
        ];

        // Keys that nobody has any more. Those in memory serve on, so new processes look. Another channel secret than
        // LINE's console has shows only to LINE. That there is none of the login may be meant, but for its parameters.
        for (secret, _) in &values {
            stand.remove_secret(secret).await.expect("removed");
        }
        kill_all();
        checked
            .only(&[
                ("orders: a wrong key", "503"),
                ("orders: the order key", "503"),
                ("operators: a wrong key", "503"),
                ("operators: an operator's key", "503"),
                ("operators: LINE's quota", "503"),
                ("LINE's webhook: no signature", "503"),
                ("LINE's webhook: a signature", "503"),
                ("login", "Set it up"),
            ])
            .await;
        for (secret, value) in &values {
            stand.put_secret(secret, value).await.expect("written");
        }

        // What stands in a secret is none of its keys: too short, without scopes.
        let mut sobot = stand.sobot.secret();
        sobot["webhookKeys"]["current"] = json!("short");
        let mut login = stand.login_secret();
        login["linkTokenSecrets"] = json!({ "current": "short", "previous": random_key() });
        let operators = json!({ "mei": { "current": stand.operator_key, "scopes": ["operate"] } });
        stand.put_secret("SobotSecretArn", &sobot).await.expect("written");
        stand.put_secret("LoginSecretArn", &login).await.expect("written");
        stand.put_secret("OperatorKeysSecretArn", &operators).await.expect("written");
        kill_all();
        checked
            .only(&[
                ("Sobot's webhook: a wrong key", "503"),
                ("Sobot's webhook: its key", "503"),
                ("login: the app's link token", "400"),
                ("operators: an operator's key", "401"),
                ("operators: LINE's quota", "401"),
            ])
            .await;
        stand.put_secret("SobotSecretArn", &stand.sobot.secret()).await.expect("written");
        stand.put_secret("LoginSecretArn", &stand.login_secret()).await.expect("written");
        stand.put_secret("OperatorKeysSecretArn", &json!({ "mei": stand.operator_key })).await.expect("written");
        kill_all();

        // Functions that do not run.
        let functions = ["OrderFinishedFunctionName", "OperationsFunctionName", "WebhooksFunctionName"];
        for function in functions.into_iter().chain(["LineLoginFunctionName"]) {
            limit(&stand, function, Some(0)).await;
        }
        let doors = [
            ("orders: a wrong key", "the log of order-finished"),
            ("orders: the order key", "The key"),
            ("console", "the log of operations"),
            ("operators: a wrong key", "the log of operations"),
            ("operators: an operator's key", "Keys"),
            ("operators: LINE's quota", "LINE's secrets"),
            ("LINE's webhook: no signature", "the log of webhooks"),
            ("LINE's webhook: a signature", "channel.json"),
            ("Sobot's webhook: a wrong key", "the log of webhooks"),
            ("Sobot's webhook: its key", "Set it up"),
            ("login: a wrong link token", "Its secret"),
            ("login: the app's link token", "Its secret"),
            ("login: a callback of nobody", "Its secret"),
        ];
        // The API by itself: what it answers then is of API Gateway, and not of the contract.
        assert_only(&checked.findings_at("local", stand.aws.api_url()).await, &doors);
        for function in functions.into_iter().chain(["LineLoginFunctionName"]) {
            limit(&stand, function, None).await;
        }

        // Another address than the API's: of somebody else, and of nobody.
        let elsewhere = checked.findings_at("local", &stand.line.base_url()).await;
        let but_one = doors.iter().filter(|(what, _)| *what != "Sobot's webhook: a wrong key");
        assert_only(&elsewhere, &but_one.copied().collect::<Vec<_>>());
        let nowhere = checked.findings_at("local", "http://127.0.0.1:1").await;
        assert_only(&nowhere, &doors.map(|(what, _)| (what, "Is that the address of the API?")));

        // LINE refuses the messages, and says that none are left; it takes nobody's token.
        stand.line.script(Endpoint::ValidatePush, [Behaviour::answer(400, r#"{"message":"no"}"#)]);
        stand.line.set_quota(Some(100));
        stand.line.set_usage(100);
        checked.only(&[("LINE takes the messages", "zh-CN"), ("LINE's quota", "used up")]).await;
        stand.line.set_quota(None);
        stand.line.go_offline().await;
        let silent = [
            ("operators: LINE's quota", "no answer of LINE"),
            ("LINE's quota", "status page"),
            ("LINE takes the messages", "status page"),
        ];
        checked.only(&silent).await;
        stand.line.come_online().await.expect("online");
    });
}

#[test]
fn whatever_is_broken_in_the_account_is_told_with_what_to_do() {
    story_alone(&[&DEPLOYED[..], &[("LinkCallbackUrl", THE_APP)]].concat(), async |stand| {
        protect(&stand).await;
        let checked = Checked::of(Arc::clone(&stand)).await;
        let granted = checked.breaks(A_THOUSAND, EXECUTIONS, "");

        // The mail: paused, from nobody, in the sandbox; without SES. A domain stands for what is in it.
        let paused = checked.breaks(Fault::ForwardThenReplace(r#""SendingEnabled": true"#, "\"A\":1"), MAIL, "");
        call(&stand, "ses", "DELETE", "/v2/email/identities/report@example.com", &Value::Null).await;
        in_the_sandbox(&stand, true).await;
        let verify = "create-email-identity";
        checked
            .only(&[
                ("mail may be sent", "paused"),
                ("mail from report@example.com", verify),
                ("mail out of the sandbox", "production access"),
                ("mail to statistics@example.com", verify),
                ("mail to operator@example.com", verify),
            ])
            .await;
        drop(paused);
        call(&stand, "ses", "POST", "/v2/email/identities", &json!({ "EmailIdentity": "example.com" })).await;
        let below = Fault::ForwardThenReplace("report@example.com", "report@mail.jp.example.com");
        let below = checked.breaks(below, STACK, "Action=DescribeStacks");
        checked.only(&[("mail out of the sandbox", "production access")]).await;
        drop(below);
        in_the_sandbox(&stand, false).await;
        let unreachable = checked.breaks(Fault::HangUp, MAIL, "");
        checked.only(&[("mail", "the stack mails nothing")]).await;
        drop(unreachable);

        // Nobody takes from the queues, and letters lie there. The alarms' mail is not confirmed, executions are few.
        let outputs = ["PushRetry", "Inbox", "QuotaWarning", "DailyReport", "LinkCallback"];
        for function in outputs {
            stand.map_the_queue_of(&format!("{function}FunctionName"), false).await.expect("off");
        }
        let mut letters = Vec::new();
        for queue in ["PushRetry", "Inbox", "QuotaWarning", "DailyReport"] {
            let url = stand.aws.output(&format!("{queue}DeadLetterQueueUrl"));
            stand.sqs.send_message().queue_url(url).message_body(random_key()).send().await.expect("sent");
            letters.push(url);
        }
        let waiting = Fault::ForwardThenReplace("<SubscriptionArn>arn:", "<SubscriptionArn>Pending:");
        let waiting = checked.breaks(waiting, STACK, "Action=ListSubscriptionsByTopic");
        drop(granted);
        let few = checked.breaks(TEN, EXECUTIONS, "");
        checked
            .only(&[
                ("queue of PushRetry", "Disabled"),
                ("queue of Inbox", "Disabled"),
                ("queue of QuotaWarning", "Disabled"),
                ("queue of DailyReport", "Disabled"),
                ("stream of the links", "Disabled"),
                ("dead letters of PushRetry", "1 wait"),
                ("dead letters of Inbox", "1 wait"),
                ("dead letters of QuotaWarning", "1 wait"),
                ("dead letters of DailyReport", "1 wait"),
                ("alarms reach", "oncall@example.com"),
                ("concurrent executions", "has 10:"),
            ])
            .await;
        drop((waiting, few));
        let _granted = checked.breaks(A_THOUSAND, EXECUTIONS, "");
        for function in outputs {
            stand.map_the_queue_of(&format!("{function}FunctionName"), true).await.expect("on");
        }
        for url in letters {
            stand.sqs.purge_queue().queue_url(url).send().await.expect("purged");
        }

        // The stack: unprotected, half rolled back, and with nothing of a first deployment that failed.
        let stack = |old, new| checked.breaks(Fault::ForwardThenReplace(old, new), STACK, "Action=DescribeStacks");
        let status = stack("<StackStatus>CREATE_COMPLETE", "<StackStatus>UPDATE_ROLLBACK_FAILED");
        checked.only(&[("stack", "it is UPDATE_ROLLBACK_FAILED: see its events")]).await;
        drop(status);
        let failed = stack("<StackStatus>CREATE_COMPLETE", "<StackStatus>ROLLBACK_COMPLETE");
        checked.only(&[("stack", "delete-stack --stack-name local")]).await;
        drop(failed);
        let unprotected = stack("<EnableTerminationProtection>true", "<EnableTerminationProtection>false");
        checked.only(&[("termination protection", "--stack-name local")]).await;
        drop(unprotected);
        let empty = stack("OutputKey>", "Nothing>");
        assert_eq!(checked.findings().await.len(), 3, "there is nothing to look at");
        drop(empty);
        let nobody = checked.findings_at("another", &stand.public_api.base_url()).await;
        assert_only(&nobody, &[("stack", "does not exist. Is that its name")]);
    });
}

#[test]
fn what_cannot_be_looked_at_is_told_and_the_rest_is_looked_at() {
    story_alone(&[&DEPLOYED[..], &[("LinkCallbackUrl", THE_APP)]].concat(), async |stand| {
        protect(&stand).await;
        let checked = Checked::of(Arc::clone(&stand)).await;
        let denied = checked.breaks(DENIED, STACK, "Action=DescribeStacks");
        assert_only(&checked.findings().await, &[("stack", "answered 403")]);
        drop(denied);

        // No right to any call but the first.
        let secret = |output: &str| stand.aws.output(output).to_owned();
        let mut denied = Vec::new();
        for output in ["OrderKeySecretArn", "OperatorKeysSecretArn", "ChannelSecretArn", "LoginSecretArn"] {
            denied.push(checked.breaks(DENIED, "secretsmanager.GetSecretValue", &secret(output)));
        }
        denied.push(checked.breaks(DENIED, "secretsmanager.GetSecretValue", &secret("SobotSecretArn")));
        denied.push(checked.breaks(DENIED, "dynamodb.GetItem", &secret("TokensTableName")));
        denied.push(checked.breaks(DENIED, "GET /v2/email/identities/report@example.com", ""));
        denied.push(checked.breaks(DENIED, "GET /v2/email/identities/report%40example.com", ""));
        denied.push(checked.breaks(DENIED, EXECUTIONS, ""));
        denied.push(checked.breaks(DENIED, STACK, "Action=ListSubscriptionsByTopic"));
        denied.push(checked.breaks(DENIED, "sqs.GetQueueAttributes", ""));
        denied.push(checked.breaks(DENIED, MAPPINGS, ""));
        let unread = "May you call secretsmanager:GetSecretValue?";
        let unmapped = "May you call lambda:ListEventSourceMappings?";
        let uncounted = "May you call sqs:GetQueueAttributes?";
        let expected = [
            ("orders: the order key", unread),
            ("operators: an operator's key", unread),
            ("operators: LINE's quota", unread),
            ("LINE's webhook: a signature", unread),
            ("Sobot's webhook: its key", unread),
            ("login: the app's link token", unread),
            ("LINE's channel access token", "AccessDenied"),
            ("mail from report@example.com", "May you call ses:GetEmailIdentity?"),
            ("concurrent executions", "May you call lambda:GetAccountSettings?"),
            ("alarms reach", "May you call sns:ListSubscriptionsByTopic?"),
            ("dead letters of PushRetry", uncounted),
            ("dead letters of Inbox", uncounted),
            ("dead letters of QuotaWarning", uncounted),
            ("dead letters of DailyReport", uncounted),
            ("queue of PushRetry", unmapped),
            ("queue of Inbox", unmapped),
            ("queue of QuotaWarning", unmapped),
            ("queue of DailyReport", unmapped),
            ("stream of the links", unmapped),
        ];
        checked.only(&expected).await;
        drop(denied);
        let _granted = checked.breaks(A_THOUSAND, EXECUTIONS, "");
        let denied = checked.breaks(DENIED, MAIL, "");
        checked.only(&[("mail", "May you call ses:GetAccount?")]).await;
        drop(denied);

        // A stack of another template, or of an earlier version of this one.
        let names = ["DeletionProtection", "ReportSender", "LineApiBase", "AlarmTopicArn", "InboxFunctionName"];
        for (name, part) in names.into_iter().zip(["deletion protection", "account", "LINE", "alarms reach", "queues"])
        {
            let named = format!("Key>{name}<").leak();
            let another = Fault::ForwardThenReplace(named, "Key>Another<");
            let _another = checked.breaks(another, STACK, "Action=DescribeStacks");
            checked.only(&[(part, name)]).await;
        }
    });
}
