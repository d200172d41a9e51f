//! The mail at nine, and the warning before the quota is gone.
//!
//! Reports are asked for by date, as the schedule does with its time, so no story depends on the day it is told.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use local_stand::{
    aws::{
        policy::SUPPRESSION_LIST,
        tap::{ALWAYS, Fault},
    },
    line::{Behaviour, Endpoint, Person},
    sobot::{List, ListBehaviour, SendRecord, Task, error},
    stand::{Mail, Stand, order_with},
};
use serde_json::{Value, json};
use shared::{
    aws::secret::SecretContent as _,
    clock::Clock,
    html::escaped,
    line::day::line_day,
    outbound::HttpClients,
    sobot::{client::SobotClient, secret::SobotSecret},
    token::shared::{Issuer, SharedToken},
};
use time::{Date, Duration, OffsetDateTime, UtcOffset, macros::offset};

use crate::{id, inbox::make_sobots_token_old, story_alone, user};

/// The report's day here and now, in the default zone.
fn today() -> Date {
    OffsetDateTime::now_utc().to_offset(UtcOffset::from_hms(8, 0, 0).expect("an offset")).date()
}

fn compact(day: Date) -> String {
    day.to_string().replace('-', "")
}

async fn report(stand: &Stand, event: Value) -> Value {
    stand.invoke("DailyReportFunctionName", &event).await.expect("an answer")
}

async fn reports(stand: &Stand) -> Vec<Mail> {
    let mails = stand.mails().await.expect("mails");
    mails.into_iter().filter(|mail| mail.subject.starts_with("LINE 消息日报")).collect()
}

async fn warnings(stand: &Stand) -> Vec<Mail> {
    stand.mails().await.expect("mails").into_iter().filter(|mail| mail.subject.starts_with("【预警】")).collect()
}

/// An ordinary day: yesterday and the day before are counted, the others are not.
fn set_figures(stand: &Stand, date: Date) {
    stand.line.set_quota(Some(200_000));
    stand.line.set_usage(84_848);
    for (days_ago, delivered, viewed, clicked) in [(1, 323, 234, 111), (2, 1000, 800, 400)] {
        let day = compact(date - Duration::days(days_ago));
        stand.line.set_statistics(Endpoint::PushesOfDay, &day, json!({ "status": "ready", "success": delivered }));
        let overview = json!({ "overview": { "uniqueImpression": viewed, "uniqueClick": clicked } });
        stand.line.set_statistics(Endpoint::UnitEvents, &format!("order_finish_{day}"), overview);
    }
    let yesterday = compact(date - Duration::DAY);
    let followers = json!({ "status": "ready", "followers": 7620, "targetedReaches": 5848, "blocks": 237 });
    stand.line.set_statistics(Endpoint::Followers, &yesterday, followers);
}

#[test]
fn the_mail_of_an_ordinary_day_begins_with_the_five_lines() {
    story_alone(&[], async |stand| {
        let date = today();
        set_figures(&stand, date);
        let answer = report(&stand, json!({ "scheduledTime": format!("{date}T01:00:00Z") })).await;
        assert_eq!((&answer["report"], &answer["date"]), (&json!("sent"), &json!(date.to_string())), "{answer}");
        let [mail] = &reports(&stand).await[..] else { panic!("one mail") };
        let month = u8::from(date.month());
        assert_eq!(mail.subject, format!("LINE 消息日报 {:02}{:02}", month, date.day()));
        assert_eq!(mail.recipients, ["statistics@example.com", "operator@example.com"]);
        let name = "=?UTF-8?B?QW4gYWNjb3VudCDCtyBsb2NhbA==?=";
        assert_eq!(mail.sender, format!("{name} <report@example.com>"), "An account, and the stack");
        let mut lines = mail.text.lines();
        // LINE's month, whatever day the report is of.
        let of_line = u8::from(line_day(OffsetDateTime::now_utc()).month());
        assert_eq!(lines.next(), Some(format!("{of_line}月份消息余额：115152").as_str()));
        assert_eq!(lines.next(), Some(format!("{of_line}月份消息发送数量：84848").as_str()));
        let rest: Vec<_> = lines.skip_while(|line| !line.starts_with("昨日")).take(3).collect();
        assert_eq!(rest, ["昨日消息到达数: 323", "昨日消息查看数: 234", "昨日消息点击数: 111"]);
        for part in ["累计添加 7,620，当前屏蔽 237", "已用 84,848 / 200,000（42.4%）", "没有需要处理的事项。"]
        {
            assert!(mail.text.contains(part) && mail.html.contains(part), "{part}: {}", mail.text);
        }
        assert!(!mail.html.contains("src="), "nothing to load, and of one day no picture");
        // Before yesterday there was no stack: LINE's figures of those days are others' doing.
        let before = (date - Duration::days(2)).to_string();
        let table = mail.text.split("近 14 天").nth(1).expect("the table");
        assert!(!table.contains(&before[5..]), "{table}");
        let sends = stand.aws.tap().calls_about("statistics@example.com");
        let sent: Value = serde_json::from_str(&sends[0].body).expect("JSON");
        let set = sent["ConfigurationSetName"].as_str().unwrap_or_default();
        assert!(set.contains("MailConfigurationSet"), "bounces are told to the topic of the alarms: {set:?}");
        let headers = json!([{ "Name": "Auto-Submitted", "Value": "auto-generated" }]);
        assert_eq!(sent["Content"]["Simple"]["Headers"], headers, "nobody's absence note answers it");
    });
}

#[test]
fn two_schedulers_at_once_are_one_mail_and_a_resend_is_another() {
    story_alone(&[], async |stand| {
        let date = today();
        set_figures(&stand, date);
        let event = json!({ "scheduledTime": format!("{date}T01:00:00Z") });
        let (one, two) = tokio::join!(report(&stand, event.clone()), report(&stand, event.clone()));
        let sent = [&one, &two].iter().filter(|answer| answer["report"] == "sent").count();
        assert_eq!(sent, 1, "{one} {two}");
        assert_eq!(report(&stand, event).await["report"], "already_sent");
        assert_eq!(reports(&stand).await.len(), 1);
        let again = report(&stand, json!({ "date": date.to_string(), "resend": true })).await;
        assert_eq!(again["report"], "sent");
        let [first, second] = &reports(&stand).await[..] else { panic!("two mails") };
        let figures =
            |mail: &Mail| mail.text.lines().filter(|line| !line.starts_with("数据来源")).collect::<Vec<_>>().join("\n");
        assert_eq!(figures(first), figures(second));
    });
}

#[test]
fn a_failed_mail_is_sent_later_without_asking_line_twice() {
    story_alone(&[], async |stand| {
        let date = today();
        set_figures(&stand, date);
        let event = json!({ "scheduledTime": format!("{date}T01:00:00Z") });
        let fault =
            stand.aws.tap().inject(Fault::Error(400, "MessageRejected"), "POST /v2/email/outbound-emails", "", ALWAYS);
        let answer = report(&stand, event.clone()).await;
        let error = answer["errorMessage"].as_str().expect("an error, so that Lambda tries again");
        assert!(error.contains("SES refused"), "{error}");
        drop(fault);
        let insight = || {
            let requests = stand.line.requests();
            requests.iter().filter(|request| request.path.starts_with("/v2/bot/insight/")).count()
        };
        let mass_sends_asked =
            || stand.sobot.list_asked(List::Tasks).len() + stand.sobot.list_asked(List::Records).len();
        let (asked, sobot_asked) = (insight(), mass_sends_asked());
        assert_eq!(sobot_asked, 2);
        assert!(asked <= 17, "{asked} calls of 60 an hour");
        assert_eq!(report(&stand, event).await["report"], "sent");
        assert_eq!((insight(), mass_sends_asked()), (asked, sobot_asked), "what was read is kept");
        assert_eq!(reports(&stand).await.len(), 1);
    });
}

#[test]
fn each_source_may_fail_alone() {
    story_alone(&[], async |stand| {
        let mut date = today();
        for (endpoint, hidden, shown) in [
            (Endpoint::Quota, "消息余额：115152", "昨日消息到达数: 323"),
            (Endpoint::PushesOfDay, "昨日消息到达数: 323", "昨日消息查看数: 234"),
            (Endpoint::UnitEvents, "昨日消息查看数: 234", "昨日消息到达数: 323"),
            (Endpoint::Followers, "累计添加 7,620", "昨日消息到达数: 323"),
            (Endpoint::BotInfo, "An account", "昨日消息到达数: 323"),
        ] {
            set_figures(&stand, date);
            stand.line.begin_an_hour();
            stand.line.script(endpoint, [Behaviour::answer(500, r#"{"message":"Internal server error"}"#)]);
            let answer = report(&stand, json!({ "date": date.to_string(), "resend": true })).await;
            assert_eq!(answer["report"], "sent", "{endpoint:?}: {answer}");
            let mail = reports(&stand).await.pop().expect("a mail");
            assert!(
                !mail.text.contains(hidden) && mail.text.contains("LINE 返回错误 500"),
                "{endpoint:?}: {}",
                mail.text
            );
            assert!(mail.text.contains(shown), "{endpoint:?}: {}", mail.text);
            // The figures of a day are kept, so each failure gets a day of its own; the month's are told today only.
            date -= Duration::DAY;
        }
        // LINE gone altogether: the mail goes out with what is ours.
        stand.line.script(Endpoint::Token, vec![Behaviour::answer(500, ""); 99]);
        stand.line.revoke_all_tokens();
        crate::tokens::make_the_token_old(&stand).await;
        let answer = report(&stand, json!({ "scheduledTime": "2026-09-01T01:00:00Z" })).await;
        assert_eq!(answer["report"], "sent", "{answer}");
        let mail = reports(&stand).await.pop().expect("a mail all the same");
        assert!(mail.subject.ends_with("0901") && mail.text.contains("LINE 已接收 | 0"), "{}", mail.text);
        assert!(mail.text.contains("月份消息余额：暂缺\n"), "{}", mail.text);
        assert!(mail.text.contains("昨日消息到达数: 暂缺\n"), "{}", mail.text);
        assert!(mail.text.contains("- 缺少数据：账号名称、本月额度、额度用量、好友、到达数 08-31"), "{}", mail.text);
    });
}

#[test]
fn a_token_that_line_ended_costs_no_figure_whichever_is_asked_first() {
    story_alone(&[], async |stand| {
        let date = today();
        set_figures(&stand, date);
        report(&stand, json!({ "date": date.to_string() })).await;
        // Of a past day the month is not asked for: the figures themselves meet the refusal.
        let past = date - Duration::DAY;
        set_figures(&stand, past);
        stand.line.begin_an_hour();
        stand.line.revoke_all_tokens();
        crate::tokens::make_the_token_old(&stand).await;
        let answer = report(&stand, json!({ "date": past.to_string() })).await;
        assert_eq!(answer["report"], "sent", "{answer}");
        let mail = reports(&stand).await.pop().expect("a mail");
        assert!(!mail.text.contains("401") && !mail.text.contains("refused"), "{}", mail.text);
        assert!(mail.text.contains("昨日消息到达数: 323"), "{}", mail.text);
    });
}

#[test]
fn our_own_count_tells_what_was_not_sent_and_where_line_differs() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        let unknown = order_with(json!({}));
        stand.line.mark(user(&unknown), Person::Unknown);
        let blocked = order_with(json!({}));
        stand.set_friend(user(&blocked), false).await.expect("written");
        for order in [&order_with(json!({})), &order_with(json!({})), &unknown, &blocked] {
            assert_eq!(stand.post(order).await.status, 200);
        }
        let retried = order_with(json!({}));
        stand.line.script(user(&retried), [Behaviour::answer(500, ""), Behaviour::answer(500, "")]);
        assert_eq!(stand.post(&retried).await.status, 202);
        stand.wait_for_record(id(&retried), "given up", |record| record.progress.reason().is_some()).await;
        while stand.queue_depth("PushRetryDeadLetterQueueUrl").await.expect("a depth") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }

        // They arrived on LINE's today, which is yesterday for tomorrow's mail.
        let line_today = OffsetDateTime::now_utc().to_offset(UtcOffset::from_hms(9, 0, 0).expect("an offset")).date();
        let date = line_today + Duration::DAY;
        let day = compact(line_today);
        stand.line.set_statistics(Endpoint::PushesOfDay, &day, json!({ "status": "ready", "success": 5 }));
        let at_nine = json!({ "scheduledTime": format!("{date}T01:00:00Z") });
        assert_eq!(report(&stand, at_nine).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        let console = stand.aws.output("ConsoleUrl");
        for line in [
            "LINE 统计到达 | 5".to_owned(),
            "LINE 已接收 | 2".to_owned(),
            "重试过 | 1".to_owned(),
            "处理中 | 1".to_owned(),
            "已拦下 | 1".to_owned(),
            "失败 | 1".to_owned(),
            "已拦下：不是好友 1".to_owned(),
            format!("- {line_today} 的订单，1 笔重试用尽，等待重投：{}", id(&retried)),
            format!("  {console}#deliveries={line_today}/retrying/retries_exhausted"),
            format!("- {line_today} 的订单，1 笔失败（LINE 拒绝）：{}", id(&unknown)),
            format!("  {console}#deliveries={line_today}/failed/refused_by_line"),
            "- 死信队列“消息重试”：1 条".to_owned(),
            format!("  {console}#dead-letters"),
            "  操作手册：Push retry dead letters".to_owned(),
            "操作手册：functions/operations/README.md".to_owned(),
        ] {
            assert!(mail.text.lines().any(|found| found == line), "{line}: {}", mail.text);
        }
        assert!(mail.text.contains("本系统比 LINE 统计：−3。"), "{}", mail.text);
        assert!(mail.html.contains(&format!("href=\"{console}#dead-letters\"")), "{}", mail.html);
    });
}

#[test]
fn corrected_figures_are_marked_and_the_first_of_a_month_has_both() {
    story_alone(&[], async |stand| {
        // 31 December, then 1 January: a month of 31 days and a change of the year.
        let last = Date::from_calendar_date(2026, time::Month::December, 31).expect("a day");
        let first = last + Duration::DAY;
        set_figures(&stand, last);
        let at_nine = |date: Date| json!({ "scheduledTime": format!("{date}T01:00:00Z") });
        // The stack was there before.
        assert_eq!(report(&stand, at_nine(last - Duration::days(2))).await["report"], "sent");
        stand.line.begin_an_hour();
        assert_eq!(report(&stand, at_nine(last)).await["report"], "sent");
        let corrected = compact(last - Duration::DAY);
        stand.line.set_statistics(Endpoint::PushesOfDay, &corrected, json!({ "status": "ready", "success": 330 }));
        let ways = json!({ "status": "ready", "apiPush": 330, "broadcast": 70, "apiReply": 5 });
        stand.line.set_statistics(Endpoint::MessagesOfDay, &compact(last), ways);
        stand.line.begin_an_hour();
        stand.line.set_usage(12);
        assert_eq!(report(&stand, at_nine(first)).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        assert_eq!(mail.subject, "LINE 消息日报 0101");
        let lines: Vec<_> = mail.text.lines().collect();
        let month = u8::from(line_day(OffsetDateTime::now_utc()).month());
        assert_eq!(lines[..2], [format!("{month}月份消息余额：199988"), format!("{month}月份消息发送数量：12")]);
        assert!(lines[2..5].iter().all(|line| line.starts_with("昨日")), "the five lines come first");
        assert!(lines.iter().any(|line| line.starts_with("12月份消息余额：115152，截至 ")), "{}", mail.text);
        assert!(lines.iter().any(|line| line.starts_with("12月份消息发送数量：84848，截至 ")), "{}", mail.text);
        assert!(mail.text.contains("12-30 | 330（+7） | 234 | 111"), "{}", mail.text);
        assert!(mail.text.contains("昨日消息到达数: 统计中（本系统统计 0）"), "never zero");
        // What LINE sends in answer is free.
        let usage = "12-31 计入额度的消息 400 条：订单消息 0，智齿群发 0，其他 400";
        assert!(mail.text.contains(usage), "{}", mail.text);
        let sent = stand.aws.tap().calls_about("statistics@example.com").pop().expect("a mail");
        let sent: Value = serde_json::from_str(&sent.body).expect("JSON");
        let picture = &sent["Content"]["Simple"]["Attachments"][0];
        assert_eq!((&picture["ContentId"], &picture["ContentDisposition"]), (&json!("days"), &json!("INLINE")));
        assert!(picture["RawContent"].as_str().is_some_and(|png| png.starts_with("iVBORw0KGgo")), "{picture}");
        assert!(mail.html.contains("src=\"cid:days\""), "{}", mail.html);
    });
}

#[test]
fn the_month_before_is_told_as_it_was_looked_at_last() {
    story_alone(&[], async |stand| {
        stand.line.set_quota(Some(200_000));
        let month = line_day(OffsetDateTime::now_utc()).replace_day(1).expect("the 1st");
        let next = month + Duration::days(i64::from(month.month().length(month.year())));
        let at_nine = |date: Date| json!({ "scheduledTime": format!("{date}T01:00:00Z") });
        stand.line.set_usage(84_848);
        assert_eq!(report(&stand, at_nine(next - Duration::DAY)).await["report"], "sent");
        // The last day goes on, and the quota is looked at every quarter of an hour.
        stand.line.set_usage(90_001);
        let look = json!({ "scheduledTime": "2026-09-08T01:15:00Z" });
        stand.invoke("QuotaWarningFunctionName", &look).await.expect("an answer");
        stand.line.set_usage(12);
        stand.line.begin_an_hour();
        assert_eq!(report(&stand, at_nine(next)).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        let line = format!("{}月份消息发送数量：90001，截至 ", u8::from(month.month()));
        assert!(mail.text.lines().any(|found| found.starts_with(&line)), "{line}: {}", mail.text);
    });
}

#[test]
fn a_days_readers_are_asked_for_as_long_as_line_counts_them() {
    story_alone(&[], async |stand| {
        let date = today();
        report(&stand, json!({ "date": date.to_string() })).await;
        let requests = stand.line.requests();
        for (ago, until) in [(1, line_day(OffsetDateTime::now_utc())), (14, date)] {
            let day = compact(date - Duration::days(ago));
            let of_unit = requests.iter().find(|request| request.path.contains(&format!("order_finish_{day}")));
            let asked = &of_unit.expect("LINE was asked").path;
            // Whoever was told after midnight, or read days later, is in.
            assert!(asked.contains(&format!("from={day}&to={}", compact(until))), "{asked}");
        }
    });
}

#[test]
fn broadcasts_that_the_operator_registered_are_told() {
    story_alone(&[], async |stand| {
        stand
            .dynamodb
            .put_item()
            .table_name(stand.aws.output("ReportsTableName"))
            .item("id", AttributeValue::S("broadcasts".to_owned()))
            .item("document", AttributeValue::S(r#"["request-1","request-2"]"#.to_owned()))
            .send()
            .await
            .expect("written");
        let overview = json!({ "overview": { "delivered": 500, "uniqueImpression": 300, "uniqueClick": null } });
        stand.line.set_statistics(Endpoint::BroadcastEvents, "request-1", overview);
        assert_eq!(report(&stand, json!({ "date": "2026-09-08" })).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        assert!(mail.text.contains("request-1：到达 500，查看 300，点击 —"), "{}", mail.text);
        assert!(mail.text.contains("request-2：LINE 未提供"), "{}", mail.text);
    });
}

#[test]
fn a_wrong_date_is_named() {
    story_alone(&[], async |stand| {
        for (event, named) in [
            (json!({ "date": "09/08" }), "date must be"),
            (json!({ "date": "2999-01-01" }), "date must not be in the future"),
            (json!({ "scheduledTime": "nine" }), "scheduledTime must be"),
        ] {
            let answer = report(&stand, event).await;
            assert!(answer["errorMessage"].as_str().is_some_and(|error| error.contains(named)), "{answer}");
        }
        assert!(stand.mails().await.expect("mails").is_empty());
    });
}

#[test]
fn each_share_warns_once_a_month_and_ceiling() {
    story_alone(&[], async |stand| {
        let look = async |limit, usage, expected: Value| {
            stand.line.set_quota(limit);
            stand.line.set_usage(usage);
            let look = json!({ "scheduledTime": "2026-09-08T01:15:00Z" });
            let answer = stand.invoke("QuotaWarningFunctionName", &look).await.expect("an answer");
            assert_eq!(answer, json!({ "warned": expected }), "{usage} of {limit:?}");
        };
        look(None, 699, Value::Null).await;
        look(Some(1000), 699, Value::Null).await;
        look(Some(1000), 700, json!(70)).await;
        look(Some(1000), 710, Value::Null).await;
        look(Some(1000), 1000, json!(100)).await;
        look(Some(1000), 1001, Value::Null).await;
        // The cap is raised, used up again, and lowered by mistake: each is news.
        look(Some(1500), 1001, Value::Null).await;
        look(Some(1500), 1400, json!(90)).await;
        look(Some(1000), 1400, json!(100)).await;
        let warnings = warnings(&stand).await;
        let subjects: Vec<_> = warnings.iter().map(|mail| mail.subject.as_str()).collect();
        let expected = [70, 100, 90, 100].map(|share| format!("【预警】LINE 消息额度已达 {share}% 预警线"));
        assert_eq!(subjects, expected);
        assert!(warnings[0].text.contains("月份消息余额：300"), "{}", warnings[0].text);
    });
}

#[test]
fn a_look_at_the_quota_that_fails_is_logged_and_the_next_one_looks_again() {
    story_alone(&[], async |stand| {
        stand.line.set_quota(Some(10));
        stand.line.set_usage(7);
        stand.line.script(Endpoint::Quota, [Behaviour::answer(500, "")]);
        let look = json!({ "scheduledTime": "2026-09-08T01:15:00Z" });
        let looked = async || stand.invoke("QuotaWarningFunctionName", &look).await.expect("an answer");
        assert!(looked().await["error"].as_str().is_some_and(|error| error.contains("LINE answered 500")));
        assert_eq!(looked().await, json!({ "warned": 70 }));
    });
}

/// How a mail says that an earlier one may have gone out.
const MAY_BE_A_REPEAT: &str = "本邮件可能重复";

#[test]
fn a_mail_whose_sending_was_not_answered_is_sent_once_more_and_says_so() {
    for (fault, went_out) in [(Fault::ForwardThenHangUp, true), (Fault::HangUp, false)] {
        story_alone(&[], async |stand| {
            let event = json!({ "scheduledTime": "2026-09-08T01:00:00Z" });
            let lost = stand.aws.tap().inject(fault, "POST /v2/email/outbound-emails", "", 1);
            assert!(report(&stand, event.clone()).await["errorMessage"].is_string(), "Lambda tries again");
            assert_eq!((lost.hits(), reports(&stand).await.len()), (1, usize::from(went_out)));
            assert_eq!(report(&stand, event.clone()).await["report"], "sent");
            assert_eq!(report(&stand, event).await["report"], "already_sent");
            let mails = reports(&stand).await;
            let marked: Vec<_> = mails.iter().map(|mail| mail.text.contains(MAY_BE_A_REPEAT)).collect();
            assert_eq!(marked, if went_out { vec![false, true] } else { vec![true] });
            assert!(
                mails.iter().all(|mail| mail.html.contains(MAY_BE_A_REPEAT) == mail.text.contains(MAY_BE_A_REPEAT))
            );
        });
    }
}

#[test]
fn a_slow_ses_has_its_time_and_sends_one_mail() {
    story_alone(&[], async |stand| {
        // Longer than any other call of a function may take.
        let slow = Fault::Delay(std::time::Duration::from_secs(6));
        let slow = stand.aws.tap().inject(slow, "POST /v2/email/outbound-emails", "", 1);
        let event = json!({ "scheduledTime": "2026-09-08T01:00:00Z" });
        assert_eq!(report(&stand, event.clone()).await["report"], "sent");
        assert_eq!(report(&stand, event).await["report"], "already_sent");
        let [mail] = &reports(&stand).await[..] else { panic!("one mail") };
        assert!(!mail.text.contains(MAY_BE_A_REPEAT) && slow.hits() == 1, "{}", mail.text);
    });
}

#[test]
fn a_mail_that_is_never_answered_goes_out_twice_at_most() {
    story_alone(&[], async |stand| {
        let event = json!({ "scheduledTime": "2026-09-08T01:00:00Z" });
        let lost = stand.aws.tap().inject(Fault::ForwardThenHangUp, "POST /v2/email/outbound-emails", "", ALWAYS);
        assert!(report(&stand, event.clone()).await["errorMessage"].is_string());
        assert_eq!(report(&stand, event.clone()).await["report"], "not_known", "it counts as sent");
        assert_eq!(report(&stand, event.clone()).await["report"], "already_sent");
        assert_eq!((lost.hits(), reports(&stand).await.len()), (2, 2));
        drop(lost);
        // An operator may insist.
        let again = json!({ "date": "2026-09-08", "resend": true });
        assert_eq!(report(&stand, again).await["report"], "sent");
    });
}

#[test]
fn a_worker_that_died_while_sending_leaves_a_mail_that_says_it_may_be_a_repeat() {
    story_alone(&[], async |stand| {
        let event = json!({ "scheduledTime": "2026-09-08T01:00:00Z" });
        let held = stand.aws.tap().inject(Fault::Hold, "POST /v2/email/outbound-emails", "", 1);
        let dies = async {
            let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
            while held.hits() == 0 {
                assert!(tokio::time::Instant::now() < deadline, "SES was not asked");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            assert_eq!(stand.aws.kill("daily-report").expect("killed"), 1);
        };
        let (died, ()) = tokio::join!(stand.invoke("DailyReportFunctionName", &event), dies);
        assert!(died.is_err() || died.is_ok_and(|answer| answer["errorMessage"].is_string()));
        // Its lease stands: the check at a quarter past nine knows nothing yet, and a later one sends.
        let check = json!({ "scheduledTime": "2026-09-08T01:15:00Z", "check": true });
        assert!(report(&stand, check.clone()).await["errorMessage"].is_string(), "somebody may be at it");
        end_the_lease(&stand, "report#2026-09-08").await;
        assert_eq!(report(&stand, check).await["report"], "sent");
        let mails = reports(&stand).await;
        let marked: Vec<_> = mails.iter().map(|mail| mail.text.contains(MAY_BE_A_REPEAT)).collect();
        assert_eq!(marked, [true], "nobody knows that the first never came to SES");
    });
}

/// As if the worker that holds it had died long ago.
async fn end_the_lease(stand: &Stand, id: &str) {
    let update = stand.dynamodb.update_item().table_name(stand.aws.output("ReportsTableName"));
    let update = update.key("id", AttributeValue::S(id.to_owned())).update_expression("SET lease_until = :past");
    let update = update.expression_attribute_values(":past", AttributeValue::N("1".to_owned()));
    update.send().await.expect("written");
}

#[test]
fn a_mail_names_the_days_that_had_none() {
    story_alone(&[], async |stand| {
        let mail_of = async |date: &str| {
            stand.line.begin_an_hour();
            assert_eq!(report(&stand, json!({ "date": date })).await["report"], "sent");
            reports(&stand).await.pop().expect("a mail")
        };
        let first = mail_of("2026-09-01").await;
        assert!(!first.text.contains("没有发出日报"), "before the first there was no stack: {}", first.text);
        let later = mail_of("2026-09-05").await;
        let line = "以下日期没有发出日报，可按日期补发：2026-09-02、2026-09-03、2026-09-04";
        assert!(later.text.contains(line) && later.html.contains("没有发出日报"), "{}", later.text);
        mail_of("2026-09-03").await;
        let last = mail_of("2026-09-06").await;
        assert!(last.text.contains("：2026-09-02、2026-09-04"), "{}", last.text);
    });
}

#[test]
fn a_push_that_met_the_monthly_limit_warns_at_once_and_does_not_wait() {
    story_alone(&[], async |stand| {
        stand.line.set_quota(Some(10));
        stand.line.set_usage(10);
        // Nobody hears the warning at first: the push is answered all the same, and the queue keeps the warning.
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "POST /v2/email/outbound-emails", "", 1);
        for _ in 0..3 {
            assert_eq!(stand.post(&order_with(json!({}))).await.body["reason"], "quota_exhausted");
        }
        while fault.hits() < 1 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!(warnings(&stand).await.is_empty());
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        while warnings(&stand).await.is_empty() {
            // On AWS the queue waits three minutes; the same event again is what it brings then.
            let event = json!({ "Records": [{ "messageId": "m", "body": "{}" }] });
            stand.invoke("QuotaWarningFunctionName", &event).await.expect("an answer");
            assert!(tokio::time::Instant::now() < deadline, "nobody was warned");
        }
        stand.invoke("QuotaWarningFunctionName", &json!({ "Records": [] })).await.expect("an answer");
        assert_eq!(warnings(&stand).await.len(), 1);
    });
}

/// The first moment of a day of Sobot's.
fn beginning(day: Date) -> OffsetDateTime {
    day.midnight().assume_offset(offset!(+8))
}

fn failed(name: &str, time: OffsetDateTime) -> SendRecord {
    SendRecord::new(name, time, "9")
}

/// The mass sends' part of the mail, which its HTML has too.
fn mass_sends(mail: &Mail) -> Vec<&str> {
    let lines = mail.text.lines().skip_while(|line| !line.contains("昨日群发")).skip(1);
    let lines: Vec<_> = lines.take_while(|line| !line.starts_with("数据来源")).collect();
    for line in &lines {
        assert!(mail.html.contains(&escaped(line)), "{line}: {}", mail.html);
    }
    lines
}

#[test]
fn the_mass_sends_of_yesterday_are_told_from_all_pages() {
    story_alone(&[], async |stand| {
        let date = today();
        let yesterday = beginning(date - Duration::DAY);
        let mut tasks: Vec<_> = (0..101).map(|n| Task::new(&format!("群发{n}"), yesterday, [7, 1, 6])).collect();
        tasks[100].start = beginning(date) - Duration::SECOND;
        tasks.push(Task::new("too early", yesterday - Duration::SECOND, [1; 3]));
        tasks.push(Task::new("too late", beginning(date), [1; 3]));
        stand.sobot.set_tasks(tasks);
        // 21 tasks of which messages failed, the first one often; the others' records are not for this mail.
        let mut records: Vec<_> = (0..21).map(|n| failed(&format!("群发{n}"), yesterday)).collect();
        records.extend(vec![failed("群发0", beginning(date) - Duration::SECOND); 100]);
        records.push(failed("too early", yesterday - Duration::SECOND));
        records.push(SendRecord::new("群发1", yesterday, "2"));
        records.push(SendRecord::new("群发1", beginning(date), "1"));
        records.push(SendRecord { error_code: "000000", ..failed("sent after all", yesterday) });
        stand.sobot.set_records(records);

        // The first mail fails: what was read of Sobot is kept, too.
        let event = json!({ "scheduledTime": format!("{date}T01:00:00Z") });
        let fault =
            stand.aws.tap().inject(Fault::Error(400, "MessageRejected"), "POST /v2/email/outbound-emails", "", ALWAYS);
        assert!(report(&stand, event.clone()).await["errorMessage"].is_string());
        drop(fault);
        assert_eq!(report(&stand, event).await["report"], "sent");
        for list in [List::Tasks, List::Records] {
            let asked = stand.sobot.list_asked(list);
            let reach = |body: &&Value| body["taskid"].is_string();
            assert_eq!(asked.iter().filter(reach).count(), if list == List::Records { 100 } else { 0 });
            let asked: Vec<_> = asked.iter().filter(|body| !reach(body)).collect();
            let pages: Vec<_> =
                asked.iter().map(|body| (body["page_no"].as_u64(), body["page_size"].as_u64())).collect();
            assert_eq!(pages, [(Some(1), Some(100)), (Some(2), Some(100))], "{list:?}");
        }
        assert_eq!(stand.sobot.tokens_issued(), 1);

        let [mail] = &reports(&stand).await[..] else { panic!("one mail") };
        let lines = mass_sends(mail);
        assert_eq!(lines[0], "群发任务：101；预计 707，成功 101，失败 606，送达 ?，已读 ?");
        let reach = |n| match n {
            1 => "送达 2，已读 1",
            50.. => "送达 ?，已读 ?",
            _ => "送达 0，已读 0",
        };
        let tasks: Vec<_> = (0..101).map(|n| format!("- 群发{n}：预计 7，成功 1，失败 6，{}", reach(n))).collect();
        assert_eq!(lines[1..102], tasks);
        assert_eq!(lines[102..104], ["失败记录：121", "- 群发0，错误码 999999：101"]);
        assert_eq!(lines.len(), 102 + 1 + 20 + 1, "{lines:?}");
        assert_eq!(lines.last(), Some(&"… 另有 1 项未列出"));
    });
}

#[test]
fn each_mass_send_is_in_one_mail_whenever_it_begins_and_ends() {
    story_alone(&[], async |stand| {
        let date = today();
        let [before, yesterday, day] = [2, 1, 0].map(|ago| beginning(date - Duration::days(ago)));
        let ends_at = |name: &str, start, end| Task { end, ..Task::new(name, start, [7, 7, 0]) };
        let minutes = Duration::minutes;
        let sends = [
            ends_at("over midnight", yesterday - minutes(10), Some(yesterday + minutes(10))),
            ends_at("from the day before until today", yesterday - minutes(60), Some(day + minutes(60))),
            ends_at("over a month's end and on", yesterday + minutes(60), None),
            ends_at("at midnight", yesterday, Some(yesterday)),
            ends_at("in the last second", day - Duration::SECOND, Some(day)),
            ends_at("minutes before nine", day + minutes(8 * 60 + 55), None),
        ];
        let names: Vec<_> = sends.iter().map(|task| task.name.clone()).collect();
        stand.sobot.set_tasks(sends);
        let mut told = vec![Vec::new(); names.len()];
        for morning in [before, yesterday, day, day + Duration::DAY] {
            stand.line.begin_an_hour();
            let event = json!({ "scheduledTime": format!("{}T01:00:00Z", morning.date()) });
            assert_eq!(report(&stand, event).await["report"], "sent");
            let mail = reports(&stand).await.pop().expect("a mail");
            for (name, told) in names.iter().zip(&mut told) {
                let line = mass_sends(&mail).into_iter().find(|line| line.starts_with(&format!("- {name}：")));
                told.extend(line.map(|line| (morning.date(), line.ends_with("（仍在发送）"))));
            }
        }
        let [yesterdays, todays, tomorrows] = [yesterday, day, day + Duration::DAY].map(OffsetDateTime::date);
        let expected = [
            (yesterdays, false),
            // Its figures were not final that morning, for all that Sobot says by now.
            (yesterdays, day + minutes(60) > OffsetDateTime::now_utc()),
            (todays, true),
            (todays, false),
            (todays, false),
            (tomorrows, true),
        ];
        assert_eq!(told, expected.map(|one| vec![one]), "{names:?}");
    });
}

#[test]
fn what_was_read_of_a_list_counts_though_sobot_fails_and_is_read_on_later() {
    story_alone(&[], async |stand| {
        let date = today();
        let yesterday = beginning(date - Duration::DAY);
        stand.sobot.set_tasks((0..101).map(|n| Task::new(&format!("群发{n}"), yesterday, [7, 1, 6])));
        let fails = [ListBehaviour::Answered, ListBehaviour::HangUp, ListBehaviour::HangUp];
        stand.sobot.script_list(List::Tasks, fails);
        let event = json!({ "scheduledTime": format!("{date}T01:00:00Z") });
        let fault =
            stand.aws.tap().inject(Fault::Error(400, "MessageRejected"), "POST /v2/email/outbound-emails", "", ALWAYS);
        assert!(report(&stand, event.clone()).await["errorMessage"].is_string(), "the mail fails, too");
        drop(fault);
        stand.sobot.script_list(List::Tasks, [ListBehaviour::Answered, ListBehaviour::HangUp, ListBehaviour::HangUp]);
        assert_eq!(report(&stand, event.clone()).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        let sums = "群发任务：100（只读取到 101 条中的 100 条）；预计 700，成功 100，失败 600，";
        assert!(mass_sends(&mail)[0].starts_with(sums), "{}", mail.text);
        let todo = "- 缺少数据：群发任务（部分）（智齿没有应答）";
        assert!(mail.text.lines().any(|line| line == todo), "{}", mail.text);
        assert_eq!(report(&stand, json!({ "date": date.to_string(), "resend": true })).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        assert!(mass_sends(&mail)[0].starts_with("群发任务：101；预计 707，"), "{}", mail.text);
        assert!(!mail.text.contains("群发任务（部分）"), "{}", mail.text);
    });
}

#[test]
fn of_very_many_failed_records_the_mail_says_how_many_were_read() {
    story_alone(&[], async |stand| {
        let date = today();
        let yesterday = beginning(date - Duration::DAY);
        stand.sobot.set_records(vec![failed("群发", yesterday); 1001]);
        assert_eq!(report(&stand, json!({ "date": date.to_string() })).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        let expected =
            ["群发任务：无", "失败记录：1,000（只读取到 1,001 条中的 1,000 条）", "- 群发，错误码 999999：1,000"];
        assert_eq!(mass_sends(&mail), expected);
        assert_eq!(stand.sobot.list_asked(List::Records).len(), 10);
    });
}

#[test]
fn sobot_may_fail_alone_and_is_asked_again_for_what_is_missing() {
    story_alone(&[], async |stand| {
        let mut date = today();
        let answer = |code: &str| ListBehaviour::Answer(error(code, "原因"));
        for (behaviours, why) in [
            (vec![answer("900001")], "智齿的访问令牌刚签发就已失效"),
            (vec![answer("999994")], "智齿返回错误 999994"),
            (vec![answer("999999")], "智齿返回错误 999999"),
            (vec![answer("123456")], "智齿返回错误 123456"),
            (vec![ListBehaviour::Answer("<html>Bad Gateway</html>".to_owned())], "智齿的应答无法识别"),
            (vec![ListBehaviour::Answer(r#"{"ret_code":"000000","items":7}"#.to_owned())], "智齿的应答无法识别"),
            (vec![ListBehaviour::HangUp, ListBehaviour::HangUp], "智齿没有应答"),
        ] {
            set_figures(&stand, date);
            stand.line.begin_an_hour();
            let yesterday = beginning(date - Duration::DAY);
            stand.sobot.set_tasks([Task::new("群发", yesterday, [7, 1, 6])]);
            stand.sobot.set_records([failed("群发", yesterday)]);
            stand.sobot.script_list(List::Tasks, behaviours);
            let event = json!({ "date": date.to_string(), "resend": true });
            assert_eq!(report(&stand, event.clone()).await["report"], "sent", "{why}");
            let mail = reports(&stand).await.pop().expect("a mail");
            let [tasks, records, record] = mass_sends(&mail)[..] else { panic!("{why}: {}", mail.text) };
            assert_eq!(tasks, "群发任务：暂缺", "{why}");
            let told = mail.text.lines().find(|line| line.starts_with("- 缺少数据：群发任务")).unwrap_or_default();
            assert!(told.contains(why), "{why}: {}", mail.text);
            assert_eq!((records, record), ("失败记录：1", "- 群发，错误码 999999：1"), "{why}");
            assert!(mail.text.contains("昨日消息到达数: 323"), "{why}: {}", mail.text);

            stand.line.begin_an_hour();
            assert_eq!(report(&stand, event).await["report"], "sent", "{why}");
            let mail = reports(&stand).await.pop().expect("a mail");
            assert_eq!(mass_sends(&mail)[0], "群发任务：1；预计 7，成功 1，失败 6，送达 0，已读 0", "{why}");
            date -= Duration::DAY;
        }

        // One lost answer is asked for again, and a token that somebody else ended is replaced: the mail has all.
        make_sobots_token_old(&stand).await;
        stand.sobot.end_the_token();
        stand.sobot.script_list(List::Tasks, [ListBehaviour::HangUp]);
        stand.line.begin_an_hour();
        assert_eq!(report(&stand, json!({ "date": date.to_string() })).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        assert_eq!(mass_sends(&mail), ["群发任务：无", "失败记录：无"]);
        assert_eq!(stand.sobot.tokens_issued(), 2);
    });
}

#[test]
fn a_day_of_messages_without_a_link_says_so_in_place_of_the_clicks() {
    story_alone(&[], async |stand| {
        let line_today = line_day(OffsetDateTime::now_utc());
        let tomorrow = json!({ "scheduledTime": format!("{}T01:00:00Z", line_today + Duration::DAY) });
        let plain = order_with(json!({ "detailUrl": null }));
        assert_eq!(stand.post(&plain).await.status, 200);
        let unit = format!("order_finish_{}", compact(line_today));
        let seen = |clicks: Value| json!({ "overview": { "uniqueImpression": 234, "uniqueClick": clicks } });
        stand.line.set_statistics(Endpoint::UnitEvents, &unit, seen(Value::Null));
        assert_eq!(report(&stand, tomorrow.clone()).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        assert!(mail.text.contains("\n昨日消息查看数: 234\n昨日消息点击数: 消息没有链接\n"), "{}", mail.text);
        assert!(mail.text.contains("\n点击 | 无链接"), "{}", mail.text);

        // One message with a link, and LINE's null means few people again.
        assert_eq!(stand.post(&order_with(json!({ "detailUrl": "https://example.com/1" }))).await.status, 200);
        stand.line.begin_an_hour();
        let again = json!({ "date": (line_today + Duration::DAY).to_string(), "resend": true });
        if line_today + Duration::DAY <= today() {
            assert_eq!(report(&stand, again).await["report"], "sent");
        } else {
            let next = json!({ "scheduledTime": format!("{}T01:00:00Z", line_today + Duration::days(2)) });
            assert_eq!(report(&stand, next).await["report"], "sent");
        }
        let mail = reports(&stand).await.pop().expect("a mail");
        assert!(!mail.text.contains("无链接") && !mail.text.contains("没有链接"), "{}", mail.text);
    });
}

#[test]
fn a_recipient_to_whom_ses_sends_nothing_any_more_is_named() {
    story_alone(&[], async |stand| {
        let date = today();
        set_figures(&stand, date);
        stand.aws.tap().suppress("operator@example.com");
        assert_eq!(report(&stand, json!({ "date": date.to_string() })).await["report"], "sent");
        let [mail] = &reports(&stand).await[..] else { panic!("one mail") };
        let line = "- 收件人 operator@example.com 收不到邮件：自 2026-09-01 起 SES 不再向其发送（邮件被退回）。";
        assert!(mail.text.contains(line) && !mail.text.contains("收件人 statistics@"), "{}", mail.text);
        let asked = format!("{SUPPRESSION_LIST}operator%40example.com");
        let fault = stand.aws.tap().inject(Fault::Error(400, "AccessDenied"), &asked, "", ALWAYS);
        let again = json!({ "date": date.to_string(), "resend": true });
        assert_eq!(report(&stand, again).await["report"], "sent", "the mail goes out without it");
        drop(fault);
        let mail = reports(&stand).await.pop().expect("a mail");
        assert!(mail.text.contains("- 缺少数据：收件人状态（AWS 暂时无法读取）"), "{}", mail.text);
    });
}

#[test]
fn stacks_with_one_credential_of_sobots_share_its_token() {
    const TABLE: &str = "tokens-of-another-stack";
    story_alone(&[("SobotTokensTable", TABLE)], async |stand| {
        let key = KeySchemaElement::builder().attribute_name("issuer").key_type(KeyType::Hash).build();
        let name =
            AttributeDefinition::builder().attribute_name("issuer").attribute_type(ScalarAttributeType::S).build();
        let table = stand.dynamodb.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
        let table = table.key_schema(key.expect("a key")).attribute_definitions(name.expect("an attribute"));
        table.send().await.expect("a table");
        // The other stack takes a token, as its functions do.
        let secret = SobotSecret::parse(&stand.sobot.secret().to_string()).expect("a secret");
        let minute = std::time::Duration::from_secs(60);
        let issuer = Issuer { name: "sobot", lease: minute, life: minute * 60 * 24, max_live: None };
        let sobot = SobotClient::new(&HttpClients::from_env().expect("clients"), &stand.sobot.base_url(), minute);
        let issue = async || sobot.get_token(&secret, OffsetDateTime::now_utc()).await;
        let others = || SharedToken::new(stand.dynamodb.clone(), TABLE.to_owned(), issuer.clone(), Clock::System);
        let first = others().get(&secret, issue).await.expect("a token");
        assert_eq!(stand.operate("GET", "/sobot/tasks", None).await.status, 200);
        assert_eq!(stand.sobot.tokens_issued(), 1, "one token for both");
        // Sobot ends it; whoever meets that first replaces it, and the other takes what is there.
        stand.sobot.end_the_token();
        let update =
            stand.dynamodb.update_item().table_name(TABLE).key("issuer", AttributeValue::S("sobot".to_owned()));
        let an_hour_ago = (OffsetDateTime::now_utc() - Duration::HOUR).unix_timestamp();
        let update = update.update_expression("SET issued_at = :then");
        let update = update.expression_attribute_values(":then", AttributeValue::N(an_hour_ago.to_string()));
        update.send().await.expect("written");
        stand.aws.kill("operations").expect("killed");
        assert_eq!(stand.operate("GET", "/sobot/tasks", None).await.status, 200);
        let second = others().get_instead_of(&first, &secret, issue).await.expect("a token");
        assert!(second != first && stand.sobot.tokens_issued() == 2, "one more, for both");
    });
}

#[test]
fn a_credential_of_sobots_that_is_used_twice_is_named() {
    story_alone(&[], async |stand| {
        // Somebody else fetches a token as soon as ours is issued, and ends it.
        let ended = || json!({ "item": { "token": "ended", "expires_in": "86400" }, "ret_code": "000000" }).to_string();
        stand.sobot.script_tokens([ended(), ended()]);
        let refused = stand.operate("GET", "/sobot/tasks", None).await;
        assert_eq!(refused.status, 503);
        let detail = refused.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("another stack") && detail.contains("Several stacks"), "{detail}");
        assert_eq!(report(&stand, json!({ "date": today().to_string() })).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        let todo = "- 缺少数据：群发任务、失败记录、群发的送达与已读（智齿的访问令牌刚签发就已失效：另有系统在使用同一组 appId 和 appKey）";
        assert!(mail.text.lines().any(|line| line == todo), "{}", mail.text);
        assert_eq!(stand.sobot.tokens_issued(), 0, "no storm of tokens");
    });
}

#[test]
fn a_stack_without_sobot_does_not_look_broken() {
    story_alone(&[], async |stand| {
        stand.remove_secret("SobotSecretArn").await.expect("the secret has no value now");
        set_figures(&stand, today());
        assert_eq!(report(&stand, json!({ "date": today().to_string() })).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        for said in ["智齿", "Sobot", "失败记录", "暂缺"] {
            assert!(!mail.text.contains(said) && !mail.html.contains(said), "{said}: {}", mail.text);
        }
        assert!(stand.aws.logs("daily-report").contains("no mass sends in the report"));
        // A secret that is there and wrong is said.
        stand.put_secret("SobotSecretArn", &json!({ "appId": "1" })).await.expect("written");
        stand.aws.kill("daily-report").expect("killed");
        let date = today() - Duration::DAY;
        assert_eq!(report(&stand, json!({ "date": date.to_string() })).await["report"], "sent");
        let mail = reports(&stand).await.pop().expect("a mail");
        assert_eq!(mass_sends(&mail), ["群发任务：暂缺", "失败记录：暂缺"]);
        let told = "- 缺少数据：群发任务、失败记录、群发的送达与已读（智齿的凭据缺失或有误）";
        assert!(mail.text.lines().any(|line| line == told), "{}", mail.text);
        assert!(stand.aws.logs("daily-report").contains("field appKey is missing"), "the log says which");
    });
}
