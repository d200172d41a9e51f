//! The latest mail of the report: operators look at it, and send it to themselves.

use local_stand::{
    browser::{self, Browser},
    stand::{Mail, Stand},
};
use serde_json::{Value, json};
use time::{Date, OffsetDateTime, macros::offset};

use crate::{story, story_alone};

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
    let Some(installed) = browser::installed() else {
        assert!(std::env::var_os("CI").is_none(), "no browser: .ci/run installs one where it can");
        return;
    };
    story(async |stand| {
        let event = json!({ "date": today().to_string(), "resend": true });
        assert_eq!(stand.invoke("DailyReportFunctionName", &event).await.expect("an answer")["report"], "sent");
        let tour = async {
            let browser = Browser::start(&installed, "en-US").await?;
            browser.open(&format!("{}/console#report", stand.public_api.base_url())).await?;
            browser.write("Key", &stand.operator_key).await?;
            browser.press("button", "Unlock").await?;
            browser.wait_for_text("#report-mail pre", "昨日消息到达数").await?;
            browser.write("Send to", "operator@example.com").await?;
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
