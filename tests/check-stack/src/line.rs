//! LINE: the token, the messages, the quota.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use serde_json::json;
use shared::{
    aws::secret::Secrets,
    clock::Clock,
    language::Language,
    line::channel::{ChannelSettings, LineChannel},
    message::{MessageStyle, PushRequest},
    notification::{self, Notification, StatusChange},
    outbound::{HttpClients, Outbound},
};
use time::macros::date;

use crate::{finding::Finding, stack::Stack};

const LIMIT: Duration = Duration::from_secs(5);
/// Who would get the message; validating names nobody.
const NOBODY: &str = "U00000000000000000000000000000000";

pub(crate) async fn findings(aws: &SdkConfig, stack: &Stack) -> anyhow::Result<Vec<Finding>> {
    let settings = ChannelSettings {
        api_base: stack.parameter("LineApiBase")?.to_owned(),
        secret_id: stack.output("LineSecretArn")?.to_owned(),
        tokens_table: stack.output("TokensTableName")?.to_owned(),
        token_life: Duration::from_secs(stack.parameter("ChannelTokenSeconds")?.parse()?),
    };
    let secrets = Secrets::new(aws_sdk_secretsmanager::Client::new(aws));
    let outbound = Outbound { http: HttpClients::from_env()?, aws: aws.clone(), secrets };
    let channel = LineChannel::new(&outbound, settings, LIMIT, Clock::System);
    let mut findings = Vec::new();
    if let Err(error) = channel.token().await {
        let remedy = "README.md, LINE's secrets: the key in line.json, its kid, and the key in LINE's console";
        findings.push(Finding::failed("LINE's channel access token", error, remedy));
        return Ok(findings);
    }
    findings.push(Finding::expect("LINE's channel access token", true, ""));
    findings.push(match channel.month().await {
        Ok(month) => {
            let what = format!(
                "LINE's quota ({} used of {})",
                month.used,
                month.limit.map_or("any".to_owned(), |limit| limit.to_string())
            );
            Finding::expect(what, !month.is_used_up(), "used up: buy messages in LINE's console")
        }
        Err(error) => Finding::failed("LINE's quota", error, "See LINE's status page."),
    });
    let style = stack.parameter("MessageStyle")?.parse().map_err(anyhow::Error::msg)?;
    findings.push(message(&channel, style).await?);
    Ok(findings)
}

/// Whether LINE would take the message, in every language; nothing is sent.
async fn message(channel: &LineChannel, style: MessageStyle) -> anyhow::Result<Finding> {
    let what = "LINE takes the messages (none is sent)";
    for language in Language::ALL {
        let notification = sample(language)?;
        let message =
            notification.message(style, language, true).context("the sample order is within LINE's limits")?;
        let nobody = shared::ids::LineUserId::parse(NOBODY).map_err(anyhow::Error::msg)?;
        let unit = notification.kind().unit(date!(2020 - 07 - 15));
        let body = serde_json::to_string(&PushRequest::new(&nobody, message, unit))?;
        let body = &body;
        let refused = channel.ask(|token| async move { channel.client.refuses_message(&token, body).await }).await;
        match refused {
            Ok(false) => {}
            Ok(true) => return Ok(Finding::expect(what, false, format!("LINE refuses the one in {}", language.tag()))),
            Err(error) => return Ok(Finding::failed(what, error, "See LINE's status page.")),
        }
    }
    Ok(Finding::expect(what, true, ""))
}

/// The order of the requirements.
fn sample(language: Language) -> anyhow::Result<Notification> {
    let order = json!({
        "orderId": "check-stack", "status": "finish", "recipient": { "lineUserId": NOBODY },
        "fee": { "amount": "162", "currency": "JPY" },
        "startedAt": "2020-07-14T11:00:20+09:00", "startShop": "上品快餐",
        "endedAt": "2020-07-15T14:34:11+09:00", "endShop": "上品快餐",
        "detailUrl": "https://example.com/orders/check-stack", "language": language.tag(),
    });
    match notification::parse(&order) {
        Ok(StatusChange::Notified(notification)) => Ok(notification),
        other => anyhow::bail!("the sample order is none: {other:?}"),
    }
}
