//! The report as operators see it: its latest mail, which they send to themselves, and the days and recipients without
//! one.

use std::fs;

use local_stand::{
    aws::{
        policy::SUPPRESSION_LIST,
        sam_local::fill_in,
        tap::{ALWAYS, Fault},
    },
    browser::{Browser, Screen},
    repository,
    stand::{Mail, POLL, Stand},
};
use serde_json::{Value, json};
use shared::metric::Metric;
use time::{Date, Duration, OffsetDateTime, macros::offset};
use tokio::time::sleep;

use crate::{
    a_browser,
    console::{complains_of_nothing, open, show, unlock},
    metrics::told,
    story, story_alone,
};

/// The call that sends a mail.
const SEND_EMAIL: &str = "POST /v2/email/outbound-emails";

fn today() -> Date {
    OffsetDateTime::now_utc().to_offset(offset!(+8)).date()
}

async fn mails(stand: &Stand) -> Vec<Mail> {
    stand.mails().await.expect("mails")
}

async fn send_test_mail(stand: &Stand, to: &str) -> (u16, Value) {
    let reply = stand.operate("POST", "/reports/test-mail", Some(json!({ "to": to, "reason": "a new stack" }))).await;
    (reply.status, reply.body)
}

#[test]
fn the_latest_mail_is_looked_at_and_sent_as_a_test_and_nothing_else_happens() {
    story_alone(&[], async |stand| {
        let preview = async || {
            let reply = stand.operate("GET", "/reports/preview", None).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.body
        };
        // A new stack: sender and recipients are tried before the first report.
        assert_eq!(preview().await, json!({}));
        let (status, body) = send_test_mail(&stand, "operator@example.com").await;
        assert_eq!((status, &body["to"]), (200, &json!("operator@example.com")), "{body}");
        let [first] = &mails(&stand).await[..] else { panic!("one mail") };
        assert_eq!(
            (first.subject.as_str(), &first.recipients[..]),
            ("【测试】local", &["operator@example.com".into()][..])
        );
        assert!(first.text.starts_with("这是一封测试邮件。"), "{}", first.text);

        let event = json!({ "date": today().to_string() });
        assert_eq!(stand.invoke("DailyReportFunctionName", &event).await.expect("an answer")["report"], "sent");
        let sent = mails(&stand).await.pop().expect("the report");
        let asked = (stand.line.requests().len(), stand.sobot.tokens_issued());
        let seen = preview().await;
        assert_eq!((&seen["subject"], &seen["text"]), (&json!(sent.subject), &json!(sent.text)));
        assert_eq!(seen["date"], today().to_string());
        assert!(seen["html"].as_str().is_some_and(|html| html.starts_with("<!DOCTYPE html>")), "{seen}");
        assert_eq!(send_test_mail(&stand, "operator@example.com").await.0, 200);
        let test = mails(&stand).await.pop().expect("a test");
        assert_eq!((test.subject, test.text), (format!("【测试】{}", sent.subject), sent.text));
        assert_eq!(test.recipients, ["operator@example.com"], "nobody else");
        assert_eq!((stand.line.requests().len(), stand.sobot.tokens_issued()), asked, "no figure is asked for");
        let again = stand.invoke("DailyReportFunctionName", &event).await.expect("an answer");
        assert_eq!(again["report"], "already_sent", "the day's mail is one mail");

        // Nobody but those who get the report anyway can be written to.
        let before = mails(&stand).await.len();
        for stranger in
            ["stranger@example.com", "operator@example.com,stranger@example.com", "", "operator@example.com\n"]
        {
            let (status, body) = send_test_mail(&stand, stranger).await;
            assert_eq!((status, &body["errors"][0]["field"]), (400, &json!("to")), "{stranger:?}: {body}");
        }
        assert_eq!(mails(&stand).await.len(), before);
        let audit = stand.operate("GET", "/audit?kind=test_mail", None).await.body;
        let noted: Vec<_> = audit["entries"].as_array().expect("entries").iter().map(|one| &one["subject"]).collect();
        assert_eq!(noted, ["operator@example.com"; 2], "{audit}");
    });
}

#[test]
fn an_operator_sends_the_mail_to_herself_from_the_console() {
    let Some(installed) = a_browser("an_operator_sends_the_mail_to_herself_from_the_console") else { return };
    story(async |stand| {
        let event = json!({ "date": today().to_string(), "resend": true });
        assert_eq!(stand.invoke("DailyReportFunctionName", &event).await.expect("an answer")["report"], "sent");
        let tour = async {
            let browser = Browser::start(&installed, "en-US").await?;
            browser.open(&format!("{}/console#report", stand.public_api.base_url())).await?;
            browser.write("Key", &stand.operator_key).await?;
            browser.press("button", "Unlock").await?;
            browser.wait_for_text("#report-mail pre", "昨日消息到达数").await?;
            // What is refused is told in the operator's language, by the rule that it breaks.
            browser.write("Send to", "stranger@example.com").await?;
            browser.press("button", "Send a test mail").await?;
            browser.write("Reason", "to see it").await?;
            browser.press("button", "Send").await?;
            browser
                .wait_for_text("#dialog-error", "to is not valid: must be one of the recipients of the daily")
                .await?;
            browser.press("button", "Cancel").await?;
            browser.write("Send to", "\u{E009}a\u{E000}\u{E003}operator@example.com").await?;
            browser.press("button", "Send a test mail").await?;
            browser.write("Reason", "to see it").await?;
            browser.press("button", "Send").await?;
            browser.wait_until("!document.querySelector('#dialog').open").await?;
            anyhow::Ok(())
        };
        tour.await.expect("the operator gets through");
        let test = mails(stand).await.into_iter().rev().find(|mail| mail.subject.starts_with("【测试】"));
        assert_eq!(test.expect("a test mail").recipients, ["operator@example.com"]);
    });
}

/// Who has to look up an order where nobody can read the zone does not wait for the next deployment.
#[test]
fn without_a_time_zone_only_the_days_of_the_report_are_not_answered() {
    story_alone(&[], async |stand| {
        let letter = json!({ "date": today().to_string() }).to_string();
        let queue = stand.aws.output("DailyReportDeadLetterQueueUrl");
        stand.sqs.send_message().queue_url(queue).message_body(letter).send().await.expect("sent");
        for zone in ["Asia/Atlantis", ""] {
            let changed = [("REPORT_TIME_ZONE", zone)];
            let one =
                stand.aws.one_process_with("OperationsFunction", "operations", &changed).await.expect("a process");
            let answered = async |file: &str| {
                let path = repository().join("events").join(file);
                let text = fs::read_to_string(path).expect("an event");
                let mut event: Value = serde_json::from_str(&text).expect("JSON");
                fill_in(&stand, &mut event);
                event["rawQueryString"] = json!("");
                let answer = one.invoke(&event).await.expect("an answer");
                let body = serde_json::from_str(answer["body"].as_str().expect("a body")).unwrap_or(Value::Null);
                (answer["statusCode"].clone(), body)
            };
            assert_eq!(answered("operations-switches.json").await.0, 200);
            let (status, dead) = answered("operations-dead-letters.json").await;
            assert_eq!((status, &dead["deadLetters"][0]["queue"]), (json!(200), &json!("daily-report")), "{dead}");
            let (status, problem) = answered("operations-reports.json").await;
            assert_eq!((status, &problem["code"]), (json!(503), &json!("unavailable")), "{problem}");
            assert!(problem["detail"].as_str().is_some_and(|told| told.contains("ReportTimeZone")), "{problem}");
        }
    });
}

#[test]
fn days_without_a_report_and_recipients_without_mail_are_told_where_operators_look() {
    let installed = a_browser("days_without_a_report_and_recipients_without_mail_are_told_where_operators_look");
    story_alone(&[], async |stand| {
        let listed = async || {
            let reply = stand.operate("GET", "/reports", None).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            reply.body
        };
        let before = |days: i64| (today() - Duration::days(days)).to_string();
        // Nobody misses the reports of days before the first.
        let nothing = json!({ "date": today().to_string(), "missing": [], "suppressed": [] });
        assert_eq!(listed().await, nothing);
        let report = async |date: String| {
            stand.invoke("DailyReportFunctionName", &json!({ "date": date })).await.expect("an answer")
        };
        assert_eq!(report(before(4)).await["report"], "sent");
        let refuses = stand.aws.tap().inject(Fault::Error(400, "MessageRejected"), SEND_EMAIL, "", ALWAYS);
        assert!(report(before(2)).await["errorMessage"].is_string());
        // Today's is due once its morning is over.
        let morning_is_over = (OffsetDateTime::now_utc() + Duration::minutes(8 * 60 - 9 * 60 - 20)).date() == today();
        let due = [before(3), before(2), before(1), before(0)];
        assert_eq!(listed().await["missing"], json!(due[..3 + usize::from(morning_is_over)]));
        assert!(report(before(0)).await["errorMessage"].is_string());
        assert_eq!(listed().await["missing"], json!([before(3), before(2), before(1), before(0)]));
        drop(refuses);
        assert_eq!(report(before(1)).await["report"], "sent");
        assert_eq!(report(before(0)).await["report"], "sent");
        let missing = [before(3), before(2)];
        assert_eq!(listed().await["missing"], json!(missing));

        stand.aws.tap().suppress("operator@example.com");
        let suppressed = json!({ "address": "operator@example.com", "why": "bounced", "since": "2026-09-01" });
        assert_eq!(listed().await["suppressed"], json!([suppressed]));
        let asked = format!("{SUPPRESSION_LIST}operator%40example.com");
        let silent = stand.aws.tap().inject(Fault::Error(400, "AccessDenied"), &asked, "", ALWAYS);
        let told = listed().await;
        assert_eq!(
            (&told["missing"], told.get("suppressed")),
            (&json!(missing), None),
            "the days are told all the same"
        );
        drop(silent);

        let Some(installed) = installed else { return };
        let tour = async {
            let browser = Browser::start_on(&installed, "en-US", Screen::DESK).await?;
            open(&stand, &browser, "").await?;
            unlock(&browser, &stand.operator_key).await?;
            let days = missing.join(", ");
            browser
                .wait_for_text("#needs", &format!("Days without a report; each can be sent by its date: {days}"))
                .await?;
            browser.wait_for_text("#needs", "operator@example.com gets no mail").await?;
            browser.wait_for_text("#needs", "since 2026-09-01 (a mail bounced)").await?;
            browser.wait_for_text("#tally-overview", "3").await?; // no ceiling is the third
            show(&browser, "mails-needed").await?;
            browser.press("link", &format!("Days without a report; each can be sent by its date: {days}")).await?;
            browser.wait_for_text("#report-missing", &missing[0]).await?;
            browser.wait_for_text("#report-missing", "Runbook: A recipient without mail").await?;
            show(&browser, "report-missing").await?;
            complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
    });
}

#[test]
fn the_report_of_a_day_is_asked_for_and_goes_out_once_however_often_it_is() {
    story_alone(&[], async |stand| {
        let before = |days: i64| (today() - Duration::days(days)).to_string();
        let run = async |date: &str| {
            let why = json!({ "reason": "SES is back" });
            let reply = stand.operate("POST", &format!("/reports/{date}/run"), Some(why)).await;
            (reply.status, reply.body)
        };
        let mails_of = async |days: i64| {
            let day = today() - Duration::days(days);
            let subject = format!("LINE 消息日报 {:02}{:02}", u8::from(day.month()), day.day());
            mails(&stand).await.into_iter().filter(|mail| mail.subject == subject).collect::<Vec<_>>()
        };
        let wait_for_mails = async |days: i64, count: usize| {
            while mails_of(days).await.len() < count {
                sleep(POLL).await;
            }
        };
        let report = async |date: String| {
            stand.invoke("DailyReportFunctionName", &json!({ "date": date })).await.expect("an answer")
        };
        let refused = async |date: &str, why: &str| {
            let (status, body) = run(date).await;
            let detail = body["errors"][0]["detail"].as_str().unwrap_or_default();
            assert_eq!((status, &body["errors"][0]["field"]), (400, &json!("date")), "{date}: {body}");
            assert!(detail.contains(why), "{date}: {detail}");
        };
        assert_eq!(report(before(4)).await["report"], "sent");
        let refuses = stand.aws.tap().inject(Fault::Error(400, "MessageRejected"), SEND_EMAIL, "", ALWAYS);
        for days in [2, 0] {
            assert!(report(before(days)).await["errorMessage"].is_string());
        }
        drop(refuses);

        // Refused is what cannot be had, before anything is noted.
        refused(&before(-1), "in the future").await;
        refused(&before(15), "LINE tells no figures").await;
        refused(&before(5), "before the first report").await;
        refused("yesterday", "must be a day").await;
        assert_eq!(stand.operate("GET", "/audit?kind=report", None).await.body["entries"], json!([]));

        // Two operators at once are one mail; of a day that was sent nothing is done.
        let (one, other) = (before(2), before(2));
        let (one, other) = tokio::join!(run(&one), run(&other));
        let is_begun = |(status, body): &(u16, Value)| *status == 202 && body["report"] == "started";
        assert!(is_begun(&one) || is_begun(&other), "{one:?}, {other:?}");
        for (_, body) in [one, other] {
            let known = ["started", "in_progress", "already_sent"].map(|report| body["report"] == report);
            assert!(known.contains(&true), "{body}");
        }
        wait_for_mails(2, 1).await;
        assert_eq!(run(&before(4)).await, (200, json!({ "date": before(4), "report": "already_sent" })));
        // The alarm is about the latest mail, which is still missing.
        assert_eq!(told(&stand, "daily-report", Metric::ReportMissing), [] as [Value; 0]);

        // What SES took without saying so is sent once more, and says so.
        let lost = stand.aws.tap().inject(Fault::ForwardThenHangUp, SEND_EMAIL, "", 1);
        assert_eq!(run(&before(0)).await.0, 202);
        wait_for_mails(0, 1).await;
        while lost.hits() == 0 || run(&before(0)).await.0 != 202 {
            sleep(POLL).await;
        }
        wait_for_mails(0, 2).await;
        assert!(mails_of(0).await[1].text.contains("本邮件可能重复"));
        let sent =
            async || stand.operate("GET", "/reports", None).await.body["missing"] == json!([before(3), before(1)]);
        while !sent().await {
            sleep(POLL).await;
        }
        let told = told(&stand, "daily-report", Metric::ReportMissing);
        assert!(told.last().is_some_and(|line| line["ReportMissing"] == 0), "the alarm ends: {told:?}");
        assert_eq!((mails_of(2).await.len(), mails_of(0).await.len()), (1, 2));
        let noted = stand.operate("GET", "/audit?kind=report", None).await.body;
        let noted: Vec<_> = noted["entries"].as_array().expect("entries").iter().map(|one| &one["subject"]).collect();
        assert!(noted.contains(&&json!(before(2))) && noted.contains(&&json!(before(0))), "{noted:?}");
        assert!(!noted.contains(&&json!(before(4))), "nothing was done");

        // A letter whose mail went out is no letter any more, whoever wrote it; what was to be sent once more is one.
        let queue = stand.aws.output("DailyReportDeadLetterQueueUrl");
        let at_nine = |days: i64| json!({ "scheduledTime": format!("{}T01:00:00Z", before(days)) });
        let of_lambda = json!({ "requestPayload": at_nine(4), "responsePayload": { "errorMessage": "SES" } });
        let again = json!({ "date": before(2), "resend": true });
        for letter in [at_nine(2), of_lambda, json!({ "date": before(0), "check": true }), again.clone(), at_nine(1)] {
            let send = stand.sqs.send_message().queue_url(queue).message_body(letter.to_string());
            send.send().await.expect("put");
        }
        let listed = async || {
            let listed = stand.operate("GET", "/dead-letters?queue=daily-report", None).await.body;
            let of = |one: &Value| (one["body"].as_str().unwrap_or_default().to_owned(), one["reportDate"].clone());
            listed["deadLetters"].as_array().expect("letters").iter().map(of).collect::<Vec<_>>()
        };
        let left = vec![(again.to_string(), json!(null)), (at_nine(1).to_string(), json!(before(1)))];
        while listed().await != left {
            sleep(POLL).await;
        }
        while stand.queue_depth("DailyReportDeadLetterQueueUrl").await.expect("a depth") != 2 {
            sleep(POLL).await;
        }
    });
}
