//! A report and a warning are sent once, and what they say is true.

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::{error::SdkError, operation::update_item::UpdateItemError, types::AttributeValue};
use local_stand::{
    line::Endpoint,
    sobot::{SendRecord, Task},
    stand::{Mail, POLL},
};
use serde_json::{Value, json};
use shared::delivery::state::{Reason, State};
use time::{Date, Duration, OffsetDateTime, macros::offset};
use tokio::time::sleep;

use crate::{
    case::{Case, DAILY_REPORT, QUOTA_WARNING},
    stories::orders::{Order, settles},
};

const REPORT: &str = "LINE 消息日报";
const WARNING: &str = "【预警】";
/// What a figure says that could not be read.
const MISSING: &str = "暂缺";

/// Nine o'clock comes.
pub async fn the_mail_at_nine(case: &Case<'_>) -> anyhow::Result<()> {
    let date = prepare(case).await?;
    let before = case.stand.mails().await?.len();
    case.begin().await?;
    report(case, date).await?;
    is_one_true_report(&case.stand.mails().await?[before..])?;
    let check = json!({ "scheduledTime": nine(date), "check": true });
    let mut checked = Value::Null;
    for _ in 0..3 {
        checked = case.stand.invoke("DailyReportFunctionName", &check).await?;
        if checked["report"].is_string() {
            break;
        }
    }
    ensure!(checked["report"] == "already_sent", "the mail went out, and the check says {checked}");
    Ok(())
}

/// Nine o'clock came and no mail: an operator has it sent, and asks until it counts as sent.
pub async fn a_mail_that_is_asked_for(case: &Case<'_>) -> anyhow::Result<()> {
    let date = prepare(case).await?;
    let before = case.stand.mails().await?.len();
    case.begin().await?;
    let mut begun = 0;
    loop {
        let why = json!({ "reason": "there was no mail" });
        let told = case.operate("POST", &format!("/reports/{date}/run"), Some(why)).await?;
        match told.body["report"].as_str() {
            Some("already_sent") => break,
            Some("started") => begun += 1,
            Some("in_progress") => {}
            _ => anyhow::bail!("{told:?}"),
        }
        ensure!(begun < 5, "asked for {begun} times, and not sent");
        case.until("nobody is at it any more", async || case.is_idle(DAILY_REPORT).await).await?;
        // The lease of who died over it.
        let_pass(case, 600).await?;
    }
    case.is_over();
    is_one_true_report(&case.stand.mails().await?[before..])?;
    let audit = case.operate("GET", "/audit?kind=report&limit=1", None).await?;
    ensure!(audit.body["entries"][0]["subject"] == date.to_string(), "{audit:?}");
    Ok(())
}

/// A push meets the end of the month's messages.
pub async fn the_quotas_end(case: &Case<'_>) -> anyhow::Result<()> {
    let date = prepare(case).await?;
    let order = Order::new(case, json!({}), []);
    case.stand.line.set_usage(1000);
    case.stand.line.set_quota(Some(1000));
    let before = case.stand.mails().await?.len();
    case.begin().await?;
    order.post(case).await?;
    settles(case, &order).await?;
    let record = order.record(case).await?;
    let ended = (record.progress.state(), record.progress.reason());
    let refused = [Some(Reason::QuotaExhausted), Some(Reason::RefusedByLine)].contains(&ended.1);
    ensure!(ended.0 == State::Failed && refused, "{record:#?}");
    ensure!(case.stand.line.received_by(&order.user).is_empty(), "received in spite of the quota");
    // Minutes go by, and what the queue holds comes again.
    case.until("nobody is left to warn", async || {
        if case.is_idle(QUOTA_WARNING).await? {
            return Ok(true);
        }
        let_pass(case, 30).await?;
        Ok(false)
    })
    .await?;
    // Where nobody could be told, the schedule comes every quarter of an hour.
    for _ in 0..3 {
        let_pass(case, 900).await?;
        let look = json!({ "scheduledTime": nine(date) });
        let answer = case.stand.invoke("QuotaWarningFunctionName", &look).await?;
        case.canaries.look_at_text(&answer.to_string());
        if answer["error"].is_null() && answer["errorMessage"].is_null() {
            break;
        }
    }
    report(case, date).await?;
    let mails = case.stand.mails().await?.split_off(before);
    let warnings: Vec<_> = mails.iter().filter(|mail| mail.subject.contains(WARNING)).collect();
    are_one(&warnings).context("warnings")?;
    let reports: Vec<_> = mails.iter().filter(|mail| mail.subject.contains(REPORT)).collect();
    are_one(&reports).context("reports")?;
    for mail in warnings {
        ensure!(mail.text.contains("消息余额：0") && mail.subject.contains("100%"), "{mail:?}");
    }
    Ok(())
}

/// A day with figures and no report yet; returns it.
async fn prepare(case: &Case<'_>) -> anyhow::Result<Date> {
    let (line, now) = (&case.stand.line, OffsetDateTime::now_utc().to_offset(offset!(+8)));
    let (date, yesterday) = (now.date(), now.date() - Duration::DAY);
    let day = yesterday.to_string().replace('-', "");
    line.set_quota(Some(200_000));
    line.set_usage(84_848);
    line.set_statistics(Endpoint::PushesOfDay, &day, json!({ "status": "ready", "success": 323 }));
    let overview = json!({ "overview": { "uniqueImpression": 234, "uniqueClick": 111 } });
    line.set_statistics(Endpoint::UnitEvents, &format!("order_finish_{day}"), overview);
    let followers = json!({ "status": "ready", "followers": 7620, "targetedReaches": 5848, "blocks": 237 });
    line.set_statistics(Endpoint::Followers, &day, followers);
    let start = yesterday.midnight().assume_offset(offset!(+8));
    case.stand.sobot.set_tasks([Task::new("群发", start, [7, 1, 6])]);
    case.stand.sobot.set_records([SendRecord::new("群发", start, "9")]);
    for item in items(case).await? {
        let delete = case.stand.dynamodb.delete_item().table_name(case.stand.aws.output("ReportsTableName"));
        delete.key("id", AttributeValue::S(item)).send().await?;
    }
    // Yesterday is counted anew.
    let totals = case.stand.dynamodb.delete_item().table_name(case.stand.aws.output("DeliveriesTableName"));
    let totals = totals.key("order_id", AttributeValue::S(format!("day#{yesterday}")));
    totals.key("status", AttributeValue::S("totals".to_owned())).send().await?;
    let put = case.stand.dynamodb.put_item().table_name(case.stand.aws.output("ReportsTableName"));
    let put = put.item("id", AttributeValue::S("broadcasts".to_owned()));
    put.item("document", AttributeValue::S(r#"["a-broadcast"]"#.to_owned())).send().await?;
    Ok(date)
}

fn nine(date: Date) -> String {
    format!("{date}T01:00:00Z")
}

/// The schedule starts the report, Lambda again after one minute and after two; then an operator does, who finds its
/// dead letter.
async fn report(case: &Case<'_>, date: Date) -> anyhow::Result<()> {
    let (scheduled, by_hand) = (json!({ "scheduledTime": nine(date) }), json!({ "date": date.to_string() }));
    let starts = [(&scheduled, 60), (&scheduled, 120), (&scheduled, 600), (&by_hand, 60), (&by_hand, 120)];
    let mut answers = Vec::new();
    for (event, seconds) in starts {
        let answer = case.stand.invoke("DailyReportFunctionName", event).await?;
        case.canaries.look_at_text(&answer.to_string());
        if answer["report"].is_string() {
            return Ok(());
        }
        answers.push(answer);
        let_pass(case, seconds).await?;
        sleep(POLL).await;
    }
    anyhow::bail!("no report: {answers:?}")
}

/// The ids in the reports' table.
async fn items(case: &Case<'_>) -> anyhow::Result<Vec<String>> {
    let scan = case.stand.dynamodb.scan().table_name(case.stand.aws.output("ReportsTableName"));
    let items = scan.consistent_read(true).send().await?.items.unwrap_or_default();
    Ok(items.iter().filter_map(|item| item.get("id")?.as_s().ok().cloned()).collect())
}

/// So many seconds pass for every lease of a report, and for a credential that was refused.
async fn let_pass(case: &Case<'_>, seconds: i64) -> anyhow::Result<()> {
    let leases = items(case).await?.into_iter().map(|id| ("ReportsTableName", "id", id, "lease_until", seconds));
    let refusals = ["line", "sobot"]
        .map(|issuer| ("TokensTableName", "issuer", issuer.to_owned(), "refused_until_ms", seconds * 1000));
    for (table, key, id, until, by) in leases.chain(refusals) {
        let update = case.stand.dynamodb.update_item().table_name(case.stand.aws.output(table));
        let update = update.key(key, AttributeValue::S(id)).update_expression(format!("SET {until} = {until} - :by"));
        let update = update.condition_expression(format!("attribute_exists({until})"));
        let update = update.expression_attribute_values(":by", AttributeValue::N(by.to_string())).send().await;
        // Most are not held.
        let failed = update.err().map(SdkError::into_service_error);
        ensure!(failed.as_ref().is_none_or(UpdateItemError::is_conditional_check_failed_exception), "{failed:?}");
    }
    Ok(())
}

/// Of these mails one is a report, and every figure of it is true.
fn is_one_true_report(mails: &[Mail]) -> anyhow::Result<()> {
    let reports: Vec<_> = mails.iter().filter(|mail| mail.subject.contains(REPORT)).collect();
    are_one(&reports).context("reports")?;
    reports.into_iter().try_for_each(tells_the_truth)
}

/// One went out; of more, each but the first says that it may be a repeat.
fn are_one(mails: &[&Mail]) -> anyhow::Result<()> {
    let unmarked = mails.iter().filter(|mail| !mail.text.contains("可能重复")).count();
    let subjects: Vec<_> = mails.iter().map(|mail| &mail.subject).collect();
    ensure!(!mails.is_empty(), "no mail went out");
    ensure!(unmarked <= 1, "{} mails went out, and {unmarked} say nothing of a repeat: {subjects:?}", mails.len());
    Ok(())
}

/// Each of the five figures is the right one, or is said to be missing.
fn tells_the_truth(mail: &Mail) -> anyhow::Result<()> {
    let figures = [
        ("消息余额：", "115152"),
        ("消息发送数量：", "84848"),
        ("昨日消息到达数: ", "323"),
        ("昨日消息查看数: ", "234"),
        ("昨日消息点击数: ", "111"),
        ("群发任务：", "1；预计 7，成功 1，失败 6"),
        ("失败记录：", "1"),
    ];
    for (name, right) in figures {
        let line = mail.text.lines().find(|line| line.contains(name)).with_context(|| format!("no line {name}"))?;
        let told = line.split_once(name).map_or("", |(_, told)| told);
        let is_right = told == right || told.strip_prefix(right).is_some_and(|rest| rest.starts_with('，'));
        ensure!(is_right || told.starts_with(MISSING), "{line}, which is {right}");
    }
    Ok(())
}
