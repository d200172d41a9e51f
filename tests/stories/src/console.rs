//! The operators' page in a real browser: by clicks, and by keys alone.

use std::{path::Path, time::Duration};

use local_stand::{
    browser::{Browser, Screen, key},
    line::Behaviour,
    line::webhook_sender::{WebhookSender, message},
    stand::{Stand, order_with, random_user},
};
use serde_json::json;
use shared::delivery::{record::DeliveryRecord, state::State};
use time::{OffsetDateTime, macros::offset};
use tokio::time::{Instant, sleep};

use crate::{a_browser, an_hour_ago, dead_letters::wait_for_letter, id, story, story_alone, user};

/// What a customer or a shop may write.
const HOSTILE: &str = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=2</script>";
/// Every page of it.
const VIEWS: [&str; 9] =
    ["overview", "deliveries", "recoveries", "order", "dead-letters", "customer", "report", "sobot", "audit"];

pub async fn open(stand: &Stand, browser: &Browser, hash: &str) -> anyhow::Result<()> {
    browser.open(&format!("{}/console{hash}", stand.public_api.base_url())).await
}

pub async fn unlock(browser: &Browser, key: &str) -> anyhow::Result<()> {
    browser.write("Key", key).await?;
    browser.press("button", "Unlock").await
}

/// Nobody but the script's memory has the key.
async fn keeps_no_key(browser: &Browser, key: &str) -> anyhow::Result<()> {
    let everything = "return [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, \
                      location.href, document.documentElement.outerHTML, \
                      ...[...document.querySelectorAll('input')].map(input => input.value), \
                      JSON.stringify(Object.keys(window).map(name => String(window[name])))].join('\\n')";
    let everything = browser.run(everything).await?;
    assert!(!everything.as_str().unwrap_or(key).contains(key), "the key is kept somewhere");
    assert_eq!(browser.run("return localStorage.length + sessionStorage.length").await?, 0);
    assert!(browser.cookies().await?.is_empty());
    Ok(())
}

/// Nothing went wrong but the answers that the story itself provoked.
pub async fn complains_of_nothing(browser: &Browser) -> anyhow::Result<()> {
    let complaints: Vec<_> =
        browser.console().await?.into_iter().filter(|line| !line.contains("Failed to load resource")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    assert_eq!(browser.run("return window.hacked ?? 0").await?, 0, "a text was taken for markup");
    Ok(())
}

/// A picture for who looks at it, of what axe-core has nothing against.
pub async fn show(browser: &Browser, name: &str) -> anyhow::Result<()> {
    browser.screenshot(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("console-{name}.png"))).await?;
    assert_eq!(browser.inaccessible().await?, [] as [String; 0], "{name}");
    Ok(())
}

/// Answers the dialog: why, and the button that does it.
pub async fn confirm(browser: &Browser, reason: &str, button: &str) -> anyhow::Result<()> {
    browser.write("Reason", reason).await?;
    browser.press("button", button).await?;
    browser.wait_until("!document.querySelector('dialog').open").await
}

/// Posts orders until one ends like this.
async fn wait_until_orders_are(stand: &Stand, delivery: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let reply = stand.post(&order_with(json!({}))).await;
        if reply.body["delivery"] == delivery {
            return;
        }
        assert!(Instant::now() < deadline, "no order is {delivery}: {reply:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[test]
fn an_operator_turns_the_switch_and_sends_a_failed_order_again_by_clicks() {
    let Some(installed) = a_browser("an_operator_turns_the_switch_and_sends_a_failed_order_again_by_clicks") else {
        return;
    };
    story_alone(&[], async |stand| {
        stand.line.set_quota(Some(1000));
        assert_eq!(stand.post(&order_with(json!({}))).await.body["delivery"], "sent");
        let tour = async {
            let browser = Browser::start_on(&installed, "en-US", Screen::DESK).await?;
            open(&stand, &browser, "").await?;

            // A wrong key is refused and forgotten.
            unlock(&browser, "not-a-key-0123456789").await?;
            browser.wait_for_text("#gate-error", "not accepted").await?;
            assert_eq!(browser.run("return document.querySelector('#key').value").await?, "");
            assert_eq!(browser.run("return document.querySelector('nav').checkVisibility()").await?, false);
            keeps_no_key(&browser, "not-a-key-0123456789").await?;

            unlock(&browser, &stand.operator_key).await?;
            browser.wait_for_text("#today .tile.sent .count", "1").await?;
            browser.wait_for_text("#quota", "Used 1 / 1,000 (0%)").await?;
            browser.wait_for_text("#switches", "Never changed.").await?;
            browser.wait_until("document.querySelectorAll('#days .rod').length === 42").await?;
            browser.wait_until("!document.querySelector('#days').innerText.includes('Loading')").await?;
            assert_eq!(browser.run("return document.querySelectorAll('.trouble').length").await?, 0);
            show(&browser, "overview").await?;

            // The switch wants a reason, says what it did, and does it.
            browser.press("button", "Stop… Finished orders (finish)").await?;
            browser.press("button", "Stop sending").await?;
            browser.wait_for_text("#dialog-error", "Enter a reason.").await?;
            show(&browser, "dialog").await?;
            let why = format!("LINE says maintenance {HOSTILE}");
            confirm(&browser, &why, "Stop sending").await?;
            browser.wait_for_text("#banner", "Messages for “finish” are stopped").await?;
            browser.wait_for_text("#banner", &why).await?;
            wait_until_orders_are(&stand, "suppressed").await;
            browser.press("button", "Refresh").await?;
            browser.wait_for_text("#today .tile.suppressed", "Switched off").await?;

            browser.press("button", "Resume… Finished orders (finish)").await?;
            confirm(&browser, "over", "Resume sending").await?;
            browser.wait_until("document.querySelector('#banner').innerText === ''").await?;
            wait_until_orders_are(&stand, "sent").await;
            browser.click("#switch-changes summary").await?;
            browser.wait_for_text("#switch-history li", "over").await?;
            browser.wait_for_text("#switch-history li + li", &why).await?;

            // A failed order is in the list, and goes out again from there.
            let order = order_with(json!({ "startShop": "上品快餐", "endShop": HOSTILE }));
            let refusal = json!({ "message": format!("Failed to send messages {HOSTILE}") }).to_string();
            stand.line.script(user(&order), [Behaviour::answer(400, refusal)]);
            assert_eq!(stand.post(&order).await.body["delivery"], "failed");
            browser.press("link", "Unsuccessful").await?;
            browser.wait_for_text("#list", id(&order)).await?;
            browser.wait_for_text("#list", HOSTILE).await?;
            show(&browser, "failed").await?;
            browser.press("button", &format!("Send again… {}", id(&order))).await?;
            confirm(&browser, "the customer asked", "Send again").await?;
            browser.wait_for_text("#status", "accepted by LINE").await?;
            let is_gone = format!("!document.querySelector('#list').innerText.includes({})", json!(id(&order)));
            browser.wait_until(&is_gone).await?;
            let received = stand.line.received_by(user(&order));
            assert_eq!(received.len(), 1, "one message");

            // By keys alone: to the look-up, the order's id, and there it is.
            browser.tab_to("link", "Order").await?;
            browser.keys(key::ENTER).await?;
            browser.wait_until("document.activeElement.id === 'title-order'").await?;
            browser.tab_to("textbox", "Order ID").await?;
            browser.keys(id(&order)).await?;
            browser.keys(key::ENTER).await?;
            browser.wait_for_text("#order-name", id(&order)).await?;
            for step in ["LINE returned 400", "Sent again by mei", "the customer asked", "LINE returned 200"] {
                browser.wait_for_text("#found .timeline", step).await?;
            }
            let seen = browser.run("return document.querySelector('.bubble').textContent").await?;
            let message = &received[0].messages[0];
            for text in message.pointer("/template/text").and_then(|text| text.as_str()).unwrap_or(HOSTILE).lines() {
                assert!(seen.as_str().is_some_and(|seen| seen.contains(text)), "{text} in {seen}");
            }
            assert_eq!(browser.run("return document.images.length").await?, 0);
            show(&browser, "order").await?;

            // Once more only with a second decision; Escape leaves it, and the focus comes back.
            browser.tab_to("button", "Send again…").await?;
            browser.keys(key::ENTER).await?;
            browser.wait_for_text("#dialog-twice", "could get it twice").await?;
            browser.write("Reason", "no").await?;
            browser.press("button", "Send anyway").await?;
            browser.wait_for_text("#dialog-error", "Tick the box first.").await?;
            browser.keys(key::ESCAPE).await?;
            browser.wait_until("!document.querySelector('dialog').open").await?;
            assert_eq!(browser.focused().await?, ("button".to_owned(), "Send again…".to_owned()));
            assert_eq!(stand.line.received_by(user(&order)).len(), 1);

            keeps_no_key(&browser, &stand.operator_key).await?;
            complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
        let audit = stand.operate("GET", "/audit?kind=resend", None).await;
        assert_eq!(
            (&audit.body["entries"][0]["by"], &audit.body["entries"][0]["reason"]),
            (&json!("mei"), &json!("the customer asked"))
        );
    });
}

#[test]
fn a_problem_says_what_it_is_and_leads_there() {
    let Some(installed) = a_browser("a_problem_says_what_it_is_and_leads_there") else { return };
    story_alone(&[("RetryDelaySeconds", "600")], async |stand| {
        let order = order_with(json!({}));
        let refusal = json!({ "message": "Failed to send messages" }).to_string();
        stand.line.script(user(&order), [Behaviour::answer(400, refusal), Behaviour::answer(500, "")]);
        assert_eq!(stand.post(&order).await.body["delivery"], "failed");
        let tour = async {
            let browser = Browser::start_on(&installed, "en-US", Screen::DESK).await?;
            open(&stand, &browser, "#deliveries").await?;
            unlock(&browser, &stand.operator_key).await?;
            browser.press("button", &format!("Send again… {}", id(&order))).await?;
            // Somebody else is faster.
            let path = format!("/orders/{}/resend", id(&order));
            assert_eq!(stand.operate("POST", &path, Some(json!({ "reason": "faster" }))).await.status, 202);
            browser.write("Reason", "the customer asked").await?;
            browser.press("button", "Send again").await?;
            browser.wait_for_text("#dialog-error", "This order is still being delivered.").await?;
            browser.click("#dialog-error a").await?;
            browser.wait_until("!document.querySelector('dialog').open").await?;
            browser.wait_for_text("#order-name", id(&order)).await?;
            complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
        assert!(stand.line.received_by(user(&order)).is_empty());
    });
}

#[test]
fn an_operator_corrects_a_refused_order_and_sends_it_again_by_clicks() {
    const EMPTY: &str = "\u{E009}a\u{E000}\u{E003}"; // all of it, deleted
    let Some(installed) = a_browser("an_operator_corrects_a_refused_order_and_sends_it_again_by_clicks") else {
        return;
    };
    story(async |stand| {
        let order = order_with(json!({ "endShop": "新宿", "detailUrl": "https://example.com/wrong" }));
        let refusal = || Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#);
        stand.line.script(user(&order), [refusal(), refusal()]);
        assert_eq!(stand.post(&order).await.body["delivery"], "failed");
        let tour = async {
            let browser = Browser::start_on(&installed, "en-US", Screen::DESK).await?;
            open(stand, &browser, &format!("#order={}", id(&order))).await?;
            unlock(&browser, &stand.operator_key).await?;
            browser.press("button", "Send again…").await?;
            browser.click("#dialog summary").await?;
            show(&browser, "correction").await?;

            // What the API refuses is told by field, and what was written stays.
            browser.write("Start shop", EMPTY).await?;
            browser.write("End shop", "東口").await?;
            browser.write("Reason", "the shop's name").await?;
            browser.press("button", "Send again").await?;
            browser.wait_for_text("#dialog-error", "startShop").await?;
            browser.write("Start shop", "渋谷").await?;
            browser.press("button", "Send again").await?;
            browser.wait_until("!document.querySelector('dialog').open").await?;
            browser.wait_for_text("#found .timeline", "Sent again by mei").await?;
            let told = stand.operate("GET", &format!("/orders/{}", id(&order)), None).await.body;
            assert_eq!((&told["order"]["startShop"], &told["order"]["endShop"]), (&json!("渋谷"), &json!("新宿東口")));

            let refused_again = |record: &DeliveryRecord| record.progress.state() == State::Failed;
            stand.wait_for_record(id(&order), "refused once more", refused_again).await;

            // From the list, in the other language, as the order says it now; without the button LINE takes it.
            browser.choose("Language", "zh-CN").await?;
            browser.press("link", "未成功").await?;
            browser.press("button", &format!("重新发送… {}", id(&order))).await?;
            browser.click("#dialog summary").await?;
            browser.wait_until("document.querySelector('#correction-startShop').value === '渋谷'").await?;
            browser.write("按钮链接", EMPTY).await?;
            browser.write("操作理由", "按钮").await?;
            browser.press("button", "重新发送").await?;
            browser.wait_for_text("#status", "LINE 已接收").await?;

            // LINE has it: once more only with a second decision, though the page still shows the order as it was; and
            // nothing is corrected that was not touched.
            browser.slow_down(Duration::from_secs(1), false).await?;
            browser.run(&format!("location.hash = '#order={}'", id(&order))).await?;
            browser.press("button", "重新发送…").await?;
            browser.wait_for_text("#dialog-twice", "客户可能会收到两次").await?;
            browser.slow_down(Duration::ZERO, false).await?;
            browser.write("操作理由", "又一次").await?;
            browser.press("checkbox", "我知道客户可能收到两次，仍要发送").await?;
            browser.press("button", "仍然重新发送").await?;
            browser.wait_until("!document.querySelector('dialog').open").await?;
            complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
        let received = stand.line.received_by(user(&order));
        let text = |number: usize| received[number].messages[0].to_string();
        assert_eq!(received.len(), 2);
        assert!(text(0).contains("渋谷") && text(0).contains("新宿東口") && !text(0).contains("/wrong"), "{}", text(0));
        let audit = stand.operate("GET", "/audit?kind=resend&limit=100", None).await.body;
        let entries = audit["entries"].as_array().expect("entries").iter().filter(|one| one["subject"] == id(&order));
        let noted: Vec<_> =
            entries.map(|one| (one["detail"]["force"].clone(), one["detail"]["corrected"].clone())).collect();
        let [forced, second, first] = &noted[..] else { panic!("three entries: {noted:?}") };
        assert_eq!(first, &(json!(false), json!(["endShop", "startShop"])));
        assert_eq!(second, &(json!(false), json!(["detailUrl"])));
        assert_eq!(forced, &(json!(true), json!(null)));
    });
}

#[test]
fn what_waits_comes_first_and_every_number_leads_to_what_it_counts() {
    let Some(installed) = a_browser("what_waits_comes_first_and_every_number_leads_to_what_it_counts") else { return };
    story_alone(&[("MaxRetries", "1"), ("Country", "TW")], async |stand| {
        stand.line.set_quota(Some(1000));
        let refuse = async |said: &str| {
            let order = order_with(json!({}));
            stand.line.script(user(&order), [Behaviour::answer(400, json!({ "message": said }).to_string())]);
            assert_eq!(stand.post(&order).await.body["delivery"], "failed");
            id(&order).to_owned()
        };
        for _ in 0..2 {
            refuse("Failed to send messages").await;
        }
        let formula = refuse(&format!("=1+1 {HOSTILE}")).await;
        let expired = refuse("nobody knows").await;
        // In its place among the others of its day: only the state is another.
        let arrived = stand.record(&expired).await.expect("a record").progress.created_at().unix_timestamp();
        let listed = format!("expired#{arrived:010}#{expired}");
        let changes = json!({ "state": "expired", "reason": "retry_key_expired", "listed": listed });
        stand.change_record(&expired, changes).await.expect("written");
        let unlinked = order_with(json!({ "recipient": { "memberId": "M-stranger" } }));
        assert_eq!(stand.post(&unlinked).await.body["reason"], "not_linked");
        let exhausted = order_with(json!({}));
        stand.line.script(user(&exhausted), vec![Behaviour::answer(500, ""); 4]);
        assert_eq!(stand.post(&exhausted).await.status, 202);
        let is_exhausted = |record: &DeliveryRecord| record.progress.is_exhausted();
        stand.wait_for_record(id(&exhausted), "exhausted", is_exhausted).await;
        wait_for_letter(&stand, "push-retry", id(&exhausted)).await;
        let queue = stand.aws.output("DailyReportDeadLetterQueueUrl");
        let of_yesterday = (OffsetDateTime::now_utc().to_offset(offset!(+8)) - time::Duration::DAY).date().to_string();
        let report = json!({ "scheduledTime": format!("{of_yesterday}T01:00:00Z") }).to_string();
        stand.sqs.send_message().queue_url(queue).message_body(report).send().await.expect("put");
        let rows = |count: usize| format!("document.querySelectorAll('#list tbody tr').length === {count}");
        let tour = async {
            let browser = Browser::start_on(&installed, "en-US", Screen::DESK).await?;
            open(&stand, &browser, "").await?;
            unlock(&browser, &stand.operator_key).await?;
            for need in [
                "Dead letters, Message retries: 1",
                "Dead letters, Daily reports: 1",
                "Last 14 days: every retry failed for 1",
                "Last 14 days: for 1 it is not known",
                "Today and yesterday: 3 failed (Refused by LINE)",
                "Today and yesterday: 1 failed (Member not linked)",
            ] {
                browser.wait_for_text("#needs", need).await?;
            }
            browser.wait_for_text("#tally-overview", "6").await?;
            browser.wait_for_text("#tally-dead", "2").await?;
            browser.wait_for_text("#where", "An account · ").await?;
            browser.wait_for_text("#where", " · Taiwan").await?;
            browser.press("link", "Today and yesterday: 3 failed (Refused by LINE)").await?;
            browser.wait_until(&rows(3)).await?;
            show(&browser, "needs-list").await?;

            // The failed ones are those that are counted, expired and all; the runbook is at hand.
            browser.press("link", "Overview (6 to do)").await?;
            browser.click("#needs li:nth-child(3) summary").await?;
            browser.wait_for_text("#needs li:nth-child(3) .runbook", "POST /dead-letters/redrive").await?;
            show(&browser, "needs").await?;
            browser.click("#today .tile.failed .count a").await?;
            browser.wait_until(&rows(5)).await?;
            browser.wait_for_text("#list", &expired).await?;

            // On the operator's clock, on LINE's, on the shops'.
            browser.choose("Time zone", "line").await?;
            browser.wait_for_text("#list thead", "(UTC+9)").await?;
            let from = "return document.querySelector('#list-from').value.slice(11)";
            assert_eq!(browser.run(from).await?, "00:00", "a day is LINE's");
            browser.choose("Time zone", "shop").await?;
            browser.wait_for_text("#list thead", "(UTC+8)").await?;
            assert_eq!(browser.run(from).await?, "23:00");

            // A file that no spreadsheet executes.
            let see_what_is_saved = "const make = URL.createObjectURL; window.saved = [];\
                URL.createObjectURL = file => { window.saved.push(file); return make(file); }";
            browser.run(see_what_is_saved).await?;
            browser.press("button", "Export CSV").await?;
            browser.wait_for_text("#status", "5 orders exported.").await?;
            let bytes = "return window.saved[0].arrayBuffer()\
                .then(bytes => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))";
            let file = browser.run(bytes).await?;
            let file = file.as_str().expect("a text");
            assert!(
                file.starts_with("\u{feff}\"Order ID\",\"State\",\"Reason\"") && file.ends_with("\"\r\n"),
                "{file}"
            );
            assert_eq!(file.matches("\r\n").count(), 6, "{file}");
            assert!(file.contains(&format!("\"{formula}\",\"Failed\",\"Refused by LINE\",\"'=1+1 <img")), "{file}");

            // Away and back, by keys alone: the same list, at the same order. Nothing that was told follows.
            browser.tab_to("link", &formula).await?;
            browser.keys(key::ENTER).await?;
            browser.wait_for_text("#order-name", &formula).await?;
            browser.wait_until("!document.querySelector('#status').textContent.includes('exported')").await?;
            browser.run("history.back()").await?;
            browser.wait_until(&rows(5)).await?;
            browser.wait_until(&format!("document.activeElement.textContent === {}", json!(formula))).await?;
            // The page anew: what it shows is in its address, and the key is not.
            browser.run("location.reload()").await?;
            unlock(&browser, &stand.operator_key).await?;
            browser.wait_until(&rows(5)).await?;
            assert_eq!(browser.run("return document.querySelector('#count').value").await?, "failed");

            // A report's letter is answered where it lies: the report is sent, and the letter is gone.
            browser.run("location.hash = '#dead-letters=daily-report'").await?;
            browser.wait_for_text("#dead", &of_yesterday).await?;
            show(&browser, "report-letter").await?;
            browser.tab_to("button", &format!("Send the report of {of_yesterday}…")).await?;
            browser.keys(key::ENTER).await?;
            browser.wait_for_text("#dialog-text", "If it has gone out meanwhile, nothing is sent.").await?;
            show(&browser, "report-run").await?;
            confirm(&browser, "SES is back", "Send").await?;
            browser.wait_for_text("#status", &format!("The report of {of_yesterday} is being made.")).await?;
            while stand.operate("GET", "/reports/preview", None).await.body == json!({})
                && stand.mails().await?.is_empty()
            {
                sleep(Duration::from_millis(100)).await;
            }
            let is_done = "!document.querySelector('#dead').innerText.includes('daily-report.')";
            while stand.queue_depth("DailyReportDeadLetterQueueUrl").await? > 0 {
                browser.click("#dead-refresh").await?;
                sleep(Duration::from_millis(500)).await;
            }
            browser.wait_until(is_done).await?;
            browser.run("history.back()").await?;
            browser.wait_until(&rows(5)).await?;

            // An order of a member without a LINE user leads to the member.
            browser.press("link", id(&unlinked)).await?;
            browser.press("button", "M-stranger").await?;
            browser.wait_for_text("#member-found", "not linked").await?;
            browser.wait_for_text("#member-found", id(&unlinked)).await?;
            show(&browser, "member").await?;
            complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
    });
}

#[test]
fn a_slow_or_lost_network_is_seen_and_takes_no_number_away() {
    let Some(installed) = a_browser("a_slow_or_lost_network_is_seen_and_takes_no_number_away") else { return };
    story_alone(&[], async |stand| {
        stand.line.set_quota(Some(1000));
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let now = Duration::ZERO;
        let tour = async {
            let browser = Browser::start_on(&installed, "en-US", Screen::PHONE).await?;
            open(&stand, &browser, "").await?;
            // A password manager is let at the key only if the operator wants it.
            let kinds = "return ['key', 'key-name'].map(id => document.getElementById(id))\
                         .map(input => [input.autocomplete, input.checkVisibility()])";
            assert_eq!(browser.run(kinds).await?, json!([["off", true], ["username", false]]));
            browser.press("checkbox", "Let the browser's password manager keep the key").await?;
            assert_eq!(browser.run(kinds).await?, json!([["current-password", true], ["username", true]]));
            show(&browser, "gate").await?;
            unlock(&browser, &stand.operator_key).await?;
            browser.wait_for_text("#needs", "Nothing needs attention.").await?;
            browser.wait_for_text("#today .tile.sent .count", "1").await?;
            keeps_no_key(&browser, &stand.operator_key).await?;

            // Something moves, and the button says what it does.
            let moves = "getComputedStyle(document.querySelector('.progress')).visibility === 'visible'";
            browser.slow_down(Duration::from_secs(8), false).await?;
            browser.press("button", "Refresh").await?;
            browser.wait_for_text("#refresh", "Refreshing…").await?;
            browser.wait_until(moves).await?;
            browser.slow_down(now, false).await?;
            browser.wait_until(&format!("!({moves})")).await?;
            browser.wait_for_text("#refresh", "Refresh").await?;

            // Without a network the last known numbers stay, with their time.
            browser.slow_down(now, true).await?;
            browser.press("button", "Refresh").await?;
            for part in ["#today", "#quota"] {
                browser.wait_for_text(part, "Could not reach the service.").await?;
                browser.wait_for_text(part, "refreshing failed").await?;
            }
            browser.wait_for_text("#needs", "The dead-letter queues could not be read").await?;
            browser.wait_for_text("#today .tile.sent .count", "1").await?;
            show(&browser, "lost").await?;
            browser.slow_down(now, false).await?;
            browser.click("#today .trouble button").await?;
            browser.wait_until("!document.querySelector('#today').innerText.includes('failed;')").await?;
            browser.wait_until("!document.querySelector('#today .trouble')").await?;
            browser.press("button", "Refresh").await?;
            browser.wait_for_text("#needs", "Nothing needs attention.").await?;

            // The dialog says of which stack, what it is doing, and takes Ctrl+Enter; what is told covers nothing.
            browser.press("button", "Stop… Finished orders (finish)").await?;
            browser.wait_for_text("#dialog", "An account · ").await?;
            browser.slow_down(Duration::from_secs(8), false).await?;
            browser.write("Reason", "a drill\u{e009}\u{e007}\u{e000}").await?;
            browser.wait_for_text("#dialog-confirm", "Stopping…").await?;
            browser.slow_down(now, false).await?;
            browser.wait_for_text("#status", "Stopped: Finished orders (finish).").await?;
            let covers = "return document.querySelector('#status').getBoundingClientRect().top < \
                          document.querySelector('#scroller').getBoundingClientRect().bottom";
            assert_eq!(browser.run(covers).await?, false);
            show(&browser, "told").await?;
            browser.press("link", "Unsuccessful").await?;
            browser.wait_until("document.querySelector('#status').textContent === ''").await?;
            complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
    });
}

#[test]
fn the_console_fits_a_phone_in_every_language_and_locks_itself() {
    let Some(installed) = a_browser("the_console_fits_a_phone_in_every_language_and_locks_itself") else { return };
    story(async |stand| {
        let order = order_with(json!({ "endShop": HOSTILE.repeat(3), "detailUrl": null }));
        stand.line.script(user(&order), [Behaviour::answer(400, json!({ "message": "x".repeat(400) }).to_string())]);
        assert_eq!(stand.post(&order).await.body["delivery"], "failed");
        let tour = async {
            let browser = Browser::start_on(&installed, "zh-CN", Screen::SMALL_PHONE).await?;
            let deep = format!("#order={}", id(&order));
            open(stand, &browser, &deep).await?;
            browser.write("密钥", &stand.operator_key).await?;
            browser.press("button", "进入").await?;

            // The link led to the order, and a Flex Message is drawn, too.
            browser.wait_for_text("#order-name", id(&order)).await?;
            browser.wait_for_text(".bubble.flex", HOSTILE).await?;
            let languages = [("zh-CN", "light", "语言"), ("ja", "dark", "言語"), ("en", "light", "Language")];
            for (number, (tag, scheme, _)) in languages.into_iter().enumerate() {
                browser.prefer(scheme).await?;
                for view in VIEWS {
                    let hash = if view == "order" { deep.clone() } else { format!("#{view}") };
                    browser.run(&format!("location.hash = {}", json!(hash))).await?;
                    browser.wait_until(&format!("document.querySelector('#view-{view}').checkVisibility()")).await?;
                    browser.wait_until("!document.querySelector('[aria-busy=true]')").await?;
                    let widths = "return [...document.querySelectorAll('html, #scroller')].map(one => one.scrollWidth)";
                    assert_eq!(browser.run(widths).await?, json!([360, 360]), "{view} is wider than a phone");
                    show(&browser, &format!("{view}-{tag}-{scheme}")).await?;
                }
                assert_eq!(browser.run("return document.documentElement.lang").await?, tag);
                if let Some((next, ..)) = languages.get(number + 1) {
                    browser.choose(languages[number].2, next).await?;
                }
            }

            // An address that leads nowhere is the overview, whatever JavaScript knows by that name.
            browser.run("location.hash = '#constructor'").await?;
            browser.wait_until("document.querySelector('#view-overview').checkVisibility()").await?;

            // A quarter of an hour without a touch, and nothing is left of the key, of what it showed and of what was
            // asked.
            browser.run(&format!("location.hash = {}", json!(deep))).await?;
            browser.press("button", "Send again…").await?;
            browser.wait_until("document.querySelector('dialog').open").await?;
            browser.run("const now = Date.now; Date.now = () => now() + 15 * 60000").await?;
            browser.run("document.dispatchEvent(new Event('visibilitychange'))").await?;
            browser.wait_for_text("#gate-error", "No activity for 15 minutes").await?;
            browser.wait_until("!document.querySelector('dialog').open").await?;
            let left = browser.run("return document.querySelector('main').textContent").await?;
            assert!(left.as_str().is_some_and(|left| !left.contains(id(&order))), "{left}");
            unlock(&browser, &stand.operator_key).await?;
            browser.wait_until("document.querySelector('nav').checkVisibility()").await?;
            browser.press("button", "Lock").await?;
            browser.wait_for_text("#gate-error", "Locked").await?;
            keeps_no_key(&browser, &stand.operator_key).await?;
            complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
    });
}

#[test]
fn an_operator_opens_a_picture_saves_all_that_is_kept_and_forgets_the_customer() {
    let Some(installed) = a_browser("an_operator_opens_a_picture_saves_all_that_is_kept_and_forgets_the_customer")
    else {
        return;
    };
    story(async |stand| {
        let customer = random_user();
        let image = json!({ "type": "image", "contentProvider": { "type": "line" } });
        let [kept, gone] = [0, 1].map(|number| message(&customer, an_hour_ago() + number, image.clone()));
        stand.line.set_content(kept["message"]["id"].as_str().expect("an id"), "image/png", vec![7; 77]);
        assert_eq!(WebhookSender::line(stand).deliver(&[kept, gone]).await.status, 200);
        stand.wait_for_events(&customer, "both", |events| events.len() == 2).await;
        let tour = async {
            let browser = Browser::start_on(&installed, "en-US", Screen::DESK).await?;
            open(stand, &browser, "#customer").await?;
            unlock(&browser, &stand.operator_key).await?;
            browser.write("LINE user ID", &customer).await?;
            browser.click("#user-form button").await?;
            browser.wait_until("document.querySelectorAll('#messages li').length === 2").await?;
            let see_what_is_saved = "const make = URL.createObjectURL; window.saved = [];\
                URL.createObjectURL = file => { window.saved.push([file.type, file.size]); return make(file); }";
            browser.run(see_what_is_saved).await?;
            browser.click("#messages li + li button").await?;
            browser.wait_until("window.saved.length === 1").await?;
            assert_eq!(browser.run("return window.saved[0]").await?, json!(["image/png", 77]));
            browser.click("#messages li button").await?;
            browser.wait_for_text("#status", "LINE has deleted the file.").await?;
            browser.click("#user-form button").await?;
            browser.wait_for_text("#messages li", "LINE no longer has the media.").await?;
            assert_eq!(browser.run("return document.querySelectorAll('#messages li button').length").await?, 1);
            show(&browser, "media").await?;

            browser.press("button", "See the orders").await?;
            browser.wait_for_text("#user-orders", "No orders.").await?;

            // Who asks gets all of it in one file, and is forgotten after a second thought.
            browser.click("#messages section .foot button:nth-of-type(2)").await?;
            browser.wait_for_text("#status", "Saved as a file: 0 orders and 2 events.").await?;
            assert_eq!(browser.run("return window.saved[1][0]").await?, "application/json");
            browser.click("#messages section .foot .danger").await?;
            browser.wait_for_text("#dialog-text", "This cannot be undone").await?;
            show(&browser, "forget").await?;
            confirm(&browser, "asked by mail", "Delete for good").await?;
            browser.wait_for_text("#status", "Deleted: 0 orders emptied, 2 events deleted.").await?;
            browser.wait_until("document.querySelectorAll('#messages li').length === 0").await?;
            assert!(stand.events_of(&customer).await.is_empty());
            // A member who never had a LINE user is looked for by the company's own id.
            browser.write("Member ID", "no member, surely").await?;
            browser.click("#member-form button").await?;
            browser.wait_for_text("#member-found", "A member ID has 1 to 64").await?;
            browser.run("document.querySelector('#member-id').value = ''").await?;
            browser.write("Member ID", "M-nobody").await?;
            browser.click("#member-form button").await?;
            browser.wait_for_text("#member-found", "No orders.").await?;
            browser.click("#member-found .foot button").await?;
            browser.wait_for_text("#status", "Saved as a file: 0 orders and 0 events.").await?;
            keeps_no_key(&browser, &stand.operator_key).await?;
            complains_of_nothing(&browser).await
        };
        tour.await.expect("the operator gets through");
    });
}
