//! What the account must have: a sender that SES takes, executions, and somebody who is woken.

use aws_config::SdkConfig;
use roxmltree::Document;
use serde_json::Value;
use shared::aws::error::Cause;

use crate::{
    aws::{SignedCalls, pairs_of},
    finding::Finding,
    stack::Stack,
};

/// What Lambda gives an account that has been in use for a while, and what must stay unreserved.
const EXECUTIONS: u64 = 1_000;
const NO_SES: &str = "no answer of SES: where it is not, the stack mails nothing (README.md, A first deployment)";
const ALARMS: &str = "alarms reach somebody";

pub(crate) async fn findings(aws: &SdkConfig, calls: &SignedCalls<'_>, stack: &Stack) -> anyhow::Result<Vec<Finding>> {
    let mut findings = mail(aws, stack).await?;
    findings.extend(match calls.get("lambda", "/2016-08-19/account-settings").await {
        Ok(settings) => vec![
            concurrency(&settings),
            kept_for_others(&settings, ["WebhookConcurrency", "OperatorConcurrency"], stack)?,
        ],
        Err(error) => vec![Finding::failed("concurrent executions", error, "May you call lambda:GetAccountSettings?")],
    });
    let subscribed = alarms(calls, stack).await;
    findings.push(Finding::or_failed(ALARMS, subscribed, "May you call sns:ListSubscriptionsByTopic?"));
    Ok(findings)
}

fn concurrency(settings: &Value) -> Finding {
    let executions = settings["AccountLimit"]["ConcurrentExecutions"].as_u64().unwrap_or(0);
    let remedy = format!("the account has {executions}: ask for {EXECUTIONS} in Service Quotas, AWS Lambda");
    Finding::advise("concurrent executions", executions >= EXECUTIONS, remedy)
}

/// Where LINE hangs, orders fill an account until the breakers open: a minute or more of the busiest stacks.
fn kept_for_others(settings: &Value, parameters: [&str; 2], stack: &Stack) -> anyhow::Result<Finding> {
    let executions = settings["AccountLimit"]["ConcurrentExecutions"].as_u64().unwrap_or(0);
    let mut kept = true;
    for parameter in parameters {
        kept &= stack.parameter(parameter)? != "0";
    }
    let advice = "WebhookConcurrency=100 and OperatorConcurrency=20 in samconfig.toml: DEPLOY.md, How much it takes";
    Ok(Finding::advise("executions kept for others than orders", kept || executions < EXECUTIONS, advice))
}

async fn mail(aws: &SdkConfig, stack: &Stack) -> anyhow::Result<Vec<Finding>> {
    let ses = aws_sdk_sesv2::Client::new(aws);
    let account = match ses.get_account().send().await {
        Ok(account) => account,
        Err(error) => {
            return Ok(vec![match Cause::from(error) {
                // The template goes without it where AWS does.
                Cause::NoConnection => Finding::advise("mail", false, NO_SES),
                cause => Finding::failed("mail", cause, "May you call ses:GetAccount?"),
            }]);
        }
    };
    let sender = stack.parameter("ReportSender")?;
    let mut findings = vec![
        Finding::expect("mail may be sent", account.sending_enabled(), "SES has paused it: see its account dashboard"),
        verified(&ses, format!("mail from {sender}"), sender).await,
        Finding::advise(
            "mail out of the sandbox",
            account.production_access_enabled(),
            "ask for production access in SES; until then each recipient has to be verified",
        ),
    ];
    if !account.production_access_enabled() {
        for recipient in stack.parameter("ReportRecipients")?.split(',').map(str::trim) {
            findings.push(verified(&ses, format!("mail to {recipient}"), recipient).await);
        }
    }
    Ok(findings)
}

/// Whether SES knows that the address, its domain, or one that its domain is in, is ours (SES developer guide,
/// "Creating and verifying identities": a domain stands for all of its subdomains and addresses).
async fn verified(ses: &aws_sdk_sesv2::Client, what: String, address: &str) -> Finding {
    for identity in identities(address) {
        match ses.get_email_identity().email_identity(identity).send().await {
            Ok(identity) if identity.verified_for_sending_status() => return Finding::expect(what, true, ""),
            Ok(_) => {}
            Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found_exception()) => {}
            Err(error) => return Finding::failed(what, Cause::from(error), "May you call ses:GetEmailIdentity?"),
        }
    }
    let remedy =
        format!("aws sesv2 create-email-identity --email-identity {address}, and open the link that comes by mail");
    Finding::expect(what, false, remedy)
}

/// `a@b.example.com` → itself, `b.example.com`, `example.com`.
fn identities(address: &str) -> impl Iterator<Item = &str> {
    let domain = address.split_once('@').map_or(address, |(_, domain)| domain);
    let domains = std::iter::successors(Some(domain), |domain| Some(domain.split_once('.')?.1));
    std::iter::once(address).chain(domains.filter(|domain| domain.contains('.')))
}

async fn alarms(calls: &SignedCalls<'_>, stack: &Stack) -> anyhow::Result<Finding> {
    let topic = stack.output("AlarmTopicArn")?;
    let query = [("Action", "ListSubscriptionsByTopic"), ("Version", "2010-03-31"), ("TopicArn", topic)];
    subscriptions(&calls.query("sns", &query).await?)
}

/// Until it is confirmed, `PendingConfirmation` stands in the place of a subscription's ARN.
fn subscriptions(answer: &str) -> anyhow::Result<Finding> {
    let subscriptions = pairs_of(&Document::parse(answer)?, ["SubscriptionArn", "Endpoint"]);
    let waiting: Vec<_> =
        subscriptions.iter().filter(|(arn, _)| !arn.starts_with("arn:")).map(|(_, who)| who).collect();
    let remedy = if subscriptions.is_empty() {
        "nobody is subscribed: AlarmEmail=… in samconfig.toml, and sam deploy".to_owned()
    } else {
        format!("{waiting:?} did not consent: open the mail \"AWS Notification - Subscription Confirmation\"")
    };
    Ok(Finding::expect(ALARMS, !subscriptions.is_empty() && waiting.is_empty(), remedy))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::finding::Standing;

    #[test]
    fn whoever_did_not_consent_is_named() {
        let member = |arn: &str, who: &str| {
            format!("<member><SubscriptionArn>{arn}</SubscriptionArn><Endpoint>{who}</Endpoint></member>")
        };
        let of =
            |members: String| subscriptions(&format!("<a xmlns=\"urn:sns\"><b>{members}</b></a>")).unwrap().standing;
        let confirmed = member("arn:aws:sns:ap-northeast-1:000000000000:topic:1", "mei@example.com");
        assert_eq!(of(confirmed.clone()), Standing::Right);
        let Standing::Wrong(remedy) = of(confirmed + &member("PendingConfirmation", "kenji@example.com")) else {
            panic!("somebody waits")
        };
        assert!(remedy.contains("kenji@") && !remedy.contains("mei@"), "{remedy}");
        let Standing::Wrong(remedy) = of(String::new()) else { panic!("nobody is woken") };
        assert!(remedy.contains("AlarmEmail"), "{remedy}");
    }

    #[test]
    fn a_domain_stands_for_what_is_in_it() {
        let asked: Vec<_> = identities("report@mail.jp.example.com").collect();
        assert_eq!(asked, ["report@mail.jp.example.com", "mail.jp.example.com", "jp.example.com", "example.com"]);
    }

    #[test]
    fn a_new_account_asks_for_more_executions() {
        let settings = |count: u64| json!({ "AccountLimit": { "ConcurrentExecutions": count } });
        assert_eq!(concurrency(&settings(1_000)).standing, Standing::Right);
        let Standing::Advice(advice) = concurrency(&settings(10)).standing else { panic!("ten are few") };
        assert!(advice.contains("has 10:"), "{advice}");
    }
}
