//! Mails of five days, each as it is kept in `expected/`.

use std::collections::BTreeMap;

use shared::{
    delivery::day::{DayCount, OrderList},
    line::statistics::Followers,
    report::mail::SuppressedRecipient,
};
use time::macros::{date, datetime};

use super::*;
use crate::{
    figures::{Broadcast, LastMonth, Queue},
    mass_sends::{Failure, Failures, Incomplete, MassSends, Reach, Task, Tasks},
    source::Partner,
};

/// The languages of the mail.
const LANGUAGES: [Language; 3] = [Language::ZhCn, Language::Ja, Language::En];

fn list(count: u64, ids: &[&str]) -> OrderList {
    OrderList { count, order_ids: ids.iter().map(|id| (*id).to_owned()).collect() }
}

fn seen(views: impl Into<Option<u64>>, clicks: impl Into<Option<u64>>) -> Source<Interaction> {
    let interaction = Interaction { unique_impression: views.into(), unique_click: clicks.into(), delivered: None };
    Source::Known(interaction)
}

/// LINE answered with an error.
fn failed<T>() -> Source<T> {
    Source::Missing(Why::Refused(Partner::Line, "503".to_owned()))
}

/// A day on which all is well: LINE has counted all of it but yesterday's readers and the day before's last ones.
fn ordinary(date: Date) -> Figures {
    let day = |ago: u64| Day {
        day: (date - time::Duration::days(ago.cast_signed())).to_string(),
        delivered: Source::Known(DayFigure::Ready(300 + 7 * ago)),
        interaction: if ago == 1 {
            seen(None, None)
        } else {
            seen(200 + 3 * ago, if ago == 2 { None } else { Some(90 + ago) })
        },
        own: Source::Known(DayCount { sent: 300 + 7 * ago, retried: 4, ..DayCount::default() }),
        has_links: None,
    };
    Figures {
        date: date.to_string(),
        read_at: date.midnight().assume_utc() + time::Duration::seconds(3605),
        account: Source::Known("上品充电宝".to_owned()),
        month_as_of: date,
        month: Source::Known(Month { limit: Some(200_000), used: 2_400 }),
        last_month: None,
        usage: Source::Known(Some(Usage { day: (date - time::Duration::DAY).to_string(), messages: 1_503 })),
        days: (1..=14).map(day).collect(),
        dead_letters: Source::Known(BTreeMap::from([(Queue::PushRetry, 0), (Queue::Inbox, 0)])),
        suppressed: Source::Known(Vec::new()),
        followers: Source::Known(Some(Followers { followers: 7620, blocks: 237 })),
        mass_sends: Some(MassSends {
            tasks: Source::Known(Tasks {
                read: 1,
                incomplete: None,
                estimated: 1200,
                sent: 1180,
                failed: 20,
                named: vec![Task {
                    id: "aa8eb4e79d8b46efaf4320622faf8e8d".to_owned(),
                    name: "秋季活动".to_owned(),
                    estimated: Some(1200),
                    sent: Some(1180),
                    failed: Some(20),
                    reach: Some(Reach { delivered: 1_150, read: 803 }),
                    goes_on: false,
                }],
            }),
            failures: Source::Known(Failures {
                read: 20,
                incomplete: None,
                kinds: 1,
                named: vec![Failure { task: "秋季活动".to_owned(), error_code: "999999".to_owned(), count: 20 }],
            }),
            reach: Source::Known(Reach { delivered: 1_150, read: 803 }),
        }),
        broadcasts: Vec::new(),
        days_without_report: Vec::new(),
    }
}

/// The day before an ordinary one: a reader was counted since, and the friends have become more.
fn the_day_before(date: Date) -> Figures {
    let mut figures = ordinary(date);
    figures.days.remove(0);
    figures.days[0].delivered = Source::Known(DayFigure::Ready(310));
    figures.days[2].interaction = seen(200, 93);
    figures.followers = Source::Known(Some(Followers { followers: 7608, blocks: 240 }));
    figures
}

/// Nothing is as it should be.
fn everything_wrong(date: Date) -> Figures {
    let mut figures = ordinary(date);
    figures.month = Source::Known(Month { limit: Some(30_000), used: 14_000 });
    figures.account = failed();
    figures.days[0].delivered = Source::Known(DayFigure::Unready);
    figures.days[0].own = Source::Known(DayCount {
        sent: 320,
        retried: 41,
        open: 2,
        exhausted: list(1, &["R20260907-0007"]),
        suppressed: BTreeMap::from([("switched_off".to_owned(), 12), ("not_a_friend".to_owned(), 3)]),
        failed: BTreeMap::from([
            ("refused_by_line".to_owned(), list(21, &["R1", "R2", "R3", "R4", "R5"])),
            ("quota_exhausted".to_owned(), list(1, &["R20260907-0044"])),
        ]),
    });
    figures.days[1].interaction = failed();
    figures.days[2].own = Source::Missing(Why::TimedOut);
    figures.days[3].own = Source::Known(DayCount {
        sent: 320,
        open: 2,
        exhausted: list(2, &["R20260904-0001", "R20260904-0002"]),
        failed: BTreeMap::from([("retry_key_expired".to_owned(), list(1, &["R20260904-0009"]))]),
        ..DayCount::default()
    });
    figures.dead_letters = Source::Known(BTreeMap::from([(Queue::PushRetry, 3), (Queue::DailyReport, 1)]));
    figures.followers = Source::Known(None);
    figures.mass_sends = Some(MassSends {
        tasks: Source::Missing(Why::SharedCredential),
        failures: Source::Known(Failures {
            read: 1000,
            incomplete: Some(Incomplete { read: 1000, total: Some(5231), why: Some(Why::NoAnswer(Partner::Sobot)) }),
            kinds: 21,
            named: vec![Failure { task: "<走查>".to_owned(), error_code: "999999".to_owned(), count: 2 }],
        }),
        reach: Source::Missing(Why::SharedCredential),
    });
    figures.usage = Source::Known(None);
    let suppressed = |address: &str, complained| {
        let since = date!(2026 - 09 - 01);
        SuppressedRecipient { address: address.to_owned(), complained, since }
    };
    figures.suppressed =
        Source::Known(vec![suppressed("gone@example.com", false), suppressed("cross@example.com", true)]);
    figures.days[4].interaction = seen(210, None);
    figures.days[4].has_links = Some(false);
    figures.broadcasts = vec![Broadcast { request_id: "request-1".to_owned(), interaction: seen(None, None) }];
    figures
}

fn edition<'a>(figures: &'a Figures, yesterday: Option<&'a Figures>, date: Date, stack: &'a Stack) -> Edition<'a> {
    let (language, zone) = (Language::ZhCn, const { &TimeZone::fixed(jiff::tz::offset(8)) });
    Edition { figures, yesterday, date, language, stack, zone, may_be_a_repeat: false }
}

fn stack() -> Stack {
    let country = Some("JP".parse().expect("a country"));
    let console_url = "https://api.example.com/console".to_owned();
    Stack { name: "line-jp".to_owned(), country, console_url, runbook_url: None }
}

fn is_as_kept(name: &str, edition: &Edition<'_>) {
    for language in LANGUAGES {
        let mail = Edition { language, ..*edition }.mail();
        // What the text says in each language, the HTML says in the same: one of them is enough to see its form.
        let html = (language == Language::ZhCn).then_some(("html", &mail.html));
        for (extension, part) in [("txt", &mail.text)].into_iter().chain(html) {
            let path = format!("{}/expected/{name}.{}.{extension}", env!("CARGO_MANIFEST_DIR"), language.tag());
            // After a change that is meant: UPDATE_EXPECTED=1 cargo test -p daily-report, then read the difference.
            if std::env::var_os("UPDATE_EXPECTED").is_some() {
                std::fs::write(&path, part).expect("written");
            }
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(*part == expected, "{path} differs from:\n{part}");
        }
        html_says_what_the_text_says(&mail);
    }
}

fn html_says_what_the_text_says(mail: &Mail) {
    let xml = mail.html.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    let document = roxmltree::Document::parse(xml).expect("every element is closed, every attribute quoted");
    assert!(document.root_element().has_attribute("lang"));
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("h1")).count(), 1);
    let said: String = document.descendants().filter(|node| node.is_text()).filter_map(|node| node.text()).collect();
    let linked: Vec<_> = document.descendants().filter_map(|node| node.attribute("href")).collect();
    for line in mail.text.lines() {
        let line = line.trim_start_matches(['=', '-', ' ']).trim_end_matches([' ', '=']);
        let is_there = |part: &str| said.contains(part) || linked.contains(&part);
        assert!(line.split(" | ").all(is_there), "{line}");
    }
}

const DATE: Date = date!(2026 - 09 - 08);

#[test]
fn an_ordinary_day() {
    let (figures, before, stack) = (ordinary(DATE), the_day_before(DATE), stack());
    let edition = edition(&figures, Some(&before), DATE, &stack);
    let mail = edition.mail();
    assert_eq!((mail.subject.as_str(), mail.from.as_str()), ("LINE 消息日报 0908", "上品充电宝 · line-jp · 日本"));
    is_as_kept("ordinary-day", &edition);
}

#[test]
fn the_first_of_a_month() {
    let date = date!(2026 - 10 - 01);
    let (mut figures, before, stack) = (ordinary(date), the_day_before(date), stack());
    let month = Source::Known(Month { limit: Some(200_000), used: 9_876 });
    figures.last_month = Some(LastMonth { month, read_at: Some(datetime!(2026-09-30 14:45:02 UTC)) });
    figures.month = Source::Known(Month { limit: Some(200_000), used: 12 });
    is_as_kept("first-of-the-month", &edition(&figures, Some(&before), date, &stack));
}

#[test]
fn a_day_with_everything_wrong() {
    let (figures, stack) = (everything_wrong(DATE), stack());
    let edition = Edition { may_be_a_repeat: true, ..edition(&figures, None, DATE, &stack) };
    is_as_kept("everything-wrong", &edition);
}

#[test]
fn a_heading_of_the_runbook_is_a_link_where_its_address_is_known() {
    let (figures, stack) = (everything_wrong(DATE), stack());
    let runbook_url = Some("https://git.example.com/line/functions/operations/README.md".to_owned());
    let mail = edition(&figures, None, DATE, &Stack { runbook_url, ..stack }).mail();
    let address = "https://git.example.com/line/functions/operations/README.md#push-retry-dead-letters";
    assert!(mail.text.contains(&format!("  操作手册：Push retry dead letters\n  {address}\n")), "{}", mail.text);
    assert!(
        mail.html.contains(&format!("<a href=\"{address}\">操作手册：Push retry dead letters</a>")),
        "{}",
        mail.html
    );
    html_says_what_the_text_says(&mail);
}

#[test]
fn the_first_day_of_a_stack() {
    let (mut figures, stack) = (ordinary(DATE), stack());
    figures.days.truncate(1);
    figures.days[0].interaction = seen(None, None);
    figures.days[0].own = Source::Known(DayCount { sent: 3, ..DayCount::default() });
    figures.days[0].delivered = Source::Known(DayFigure::Unready);
    figures.month = Source::Known(Month { limit: None, used: 3 });
    figures.mass_sends = None;
    is_as_kept("first-day", &edition(&figures, None, DATE, &Stack { country: None, ..stack }));
}

#[test]
fn after_three_days_without() {
    let (mut figures, stack) = (ordinary(DATE), stack());
    figures.days_without_report = [5, 6, 7].map(|day| format!("2026-09-0{day}")).into();
    is_as_kept("after-three-days", &edition(&figures, None, DATE, &stack));
}

#[test]
fn a_balance_is_never_negative_and_may_be_unlimited() {
    let stack = stack();
    for (month, first) in [
        (Source::Known(Month { limit: Some(10), used: 12 }), "9月份消息余额：0"),
        (Source::Known(Month { limit: None, used: 12 }), "9月份消息余额：不限（需设定目标限制）"),
        (failed(), "9月份消息余额：暂缺"),
    ] {
        let figures = Figures { month, ..ordinary(DATE) };
        let text = edition(&figures, None, DATE, &stack).mail().text;
        assert_eq!(text.lines().next(), Some(first));
    }
}

#[test]
fn each_list_of_sobot_may_fail_alone() {
    let stack = stack();
    let text = |tasks, failures| {
        let mass_sends = Some(MassSends { tasks, failures, reach: Source::Known(Reach::default()) });
        let figures = Figures { mass_sends, ..ordinary(DATE) };
        Edition { language: Language::En, ..edition(&figures, None, DATE, &stack) }.mail().text
    };
    let (tasks, failures) = (Source::Known(Tasks::default()), Source::Known(Failures::default()));
    let quiet = text(tasks.clone(), failures);
    assert!(quiet.contains("\nBulk messages: none\nFailed records: none\n"), "{quiet}");
    let no_answer = || Why::NoAnswer(Partner::Sobot);
    let half = text(tasks, Source::Missing(no_answer()));
    assert!(half.contains("\nBulk messages: none\nFailed records: missing\n"), "{half}");
    assert!(half.contains("Missing figures: Failed records (Sobot did not answer)"), "{half}");
    let incomplete = Some(Incomplete { read: 100, total: None, why: Some(no_answer()) });
    let cut = Failures { incomplete, read: 99, ..Failures::default() };
    let cut = text(Source::Missing(no_answer()), Source::Known(cut));
    assert!(cut.contains("\nBulk messages: missing\nFailed records: 99 (only 100 read)"), "{cut}");
    assert!(cut.contains("Missing figures: Bulk messages, Failed records (in part) (Sobot did not answer)"), "{cut}");
}

#[test]
fn a_document_of_before_the_mass_sends_is_read() {
    let mut document = serde_json::to_value(ordinary(DATE)).expect("JSON");
    assert_eq!(serde_json::from_value::<Figures>(document.clone()).expect("read"), ordinary(DATE));
    document.as_object_mut().expect("an object").remove("mass_sends").expect("it was there");
    let read = serde_json::from_value::<Figures>(document).expect("read");
    assert_eq!(read, Figures { mass_sends: None, ..ordinary(DATE) });
}

#[test]
fn lines_null_is_told_apart_where_that_is_certain() {
    let stack = stack();
    let mut figures = ordinary(DATE);
    figures.days[3].interaction = seen(None, None);
    figures.days[13].interaction = seen(None, None);
    let edition = edition(&figures, None, DATE, &stack);
    let nulls = |edition: &Edition<'_>, ago: usize| edition.seen(&edition.figures.days[ago]);
    assert_eq!(nulls(&edition, 1), [People::Count(206), People::Few], "LINE has counted that day");
    assert_eq!(nulls(&edition, 3), [People::FewOrUncounted, People::FewOrUncounted]);
    assert_eq!(nulls(&edition, 13), [People::Few, People::Few], "LINE has ended counting");
    let mut few = figures.clone();
    few.days[3].own = Source::Known(DayCount { sent: 12, open: 7, ..DayCount::default() });
    few.days[4].interaction = seen(210, None);
    few.days[4].has_links = Some(false);
    few.days[5].has_links = Some(false);
    let of_few = Edition { figures: &few, ..edition };
    assert_eq!(nulls(&of_few, 4), [People::Count(210), People::NoLink], "nothing could be tapped");
    assert_eq!(nulls(&of_few, 5), [People::Count(218), People::Count(96)], "what LINE counted was tapped");
    assert_eq!(nulls(&of_few, 3), [People::Few, People::Few], "19 messages have 19 readers at most");
}

#[test]
fn a_reason_has_words_in_every_language_and_no_code_that_is_not_the_partners() {
    let stack = stack();
    let figures = ordinary(DATE);
    let partners = [Partner::Line, Partner::Sobot];
    let of_partners = partners.into_iter().flat_map(|partner| {
        let refused = Why::Refused(partner, "999994".to_owned());
        [Why::NoAnswer(partner), refused, Why::Unusable(partner), Why::Secret(partner), Why::NoToken(partner)]
    });
    let others = [Why::TimedOut, Why::OfThatDayOnly, Why::NotKept, Why::SharedCredential, Why::Aws];
    for why in of_partners.chain(others) {
        for language in [Language::ZhCn, Language::Ja] {
            let said = Edition { language, ..edition(&figures, None, DATE, &stack) }.why(&why);
            let latin: Vec<_> =
                said.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()).collect();
            let names = ["LINE", "Sobot", "AWS", "appId", "appKey"];
            assert!(latin.iter().all(|word| names.contains(word)), "{language:?}: {said}");
            assert!(!said.contains('{'), "{said}");
        }
    }
    let mut untold = figures.clone();
    untold.days[0].delivered = Source::Known(DayFigure::Unavailable("out_of_service".to_owned()));
    let text = edition(&untold, None, DATE, &stack).mail().text;
    assert!(text.contains("昨日消息到达数: 暂缺（LINE 不提供这一天的数据）\n"), "{text}");
}

#[test]
fn a_time_is_of_its_zone() {
    let (figures, stack) = (ordinary(DATE), stack());
    let edition = edition(&figures, None, DATE, &stack);
    let time = |zone: &TimeZone| Edition { zone, ..edition }.time(datetime!(2026-09-08 01:00:05.9 UTC));
    assert_eq!(time(&TimeZone::fixed(jiff::tz::offset(8))), "2026-09-08 09:00:05（UTC+8）");
    assert_eq!(time(&TimeZone::get("Asia/Kolkata").expect("a zone")), "2026-09-08 06:30:05（UTC+5:30）");
    assert_eq!(time(&TimeZone::UTC), "2026-09-08 01:00:05（UTC+0）");
}
