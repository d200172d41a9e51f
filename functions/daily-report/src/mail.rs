//! From figures to the mail, as text and as HTML with the same content. Pure.

use std::fmt::Write as _;

use shared::{
    language::Language,
    line::{
        quota::Month,
        statistics::{DayFigure, Interaction},
    },
    report::mail::{self, Mail},
};
use time::{Date, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};

use crate::{
    figures::{Day, Figures},
    mass_sends::{Failure, Incomplete, MassSends, Task},
    source::Source,
    words::{Words, words},
};

/// A part of the mail under its heading.
struct Section {
    heading: &'static str,
    lines: Vec<String>,
    table: Vec<Row>,
    note: Option<&'static str>,
}

/// A day in the table.
struct Row {
    cells: [String; 4],
    /// Of the table's largest day, in per cent.
    bar: u64,
}

/// Makes the mail of `date`. `yesterday` is the report of the day before, for what changed since. `may_be_a_repeat`: an
/// earlier one of that day may have gone out, and nobody knows.
pub fn mail(
    figures: &Figures,
    yesterday: Option<&Figures>,
    date: Date,
    language: Language,
    may_be_a_repeat: bool,
) -> Mail {
    let words = words(language);
    let month_day = date.format(format_description!("[month][day]")).unwrap_or_default();
    let subject = format!("{}{month_day}", words.subject);
    let headline = headline(figures, date, words);
    let always =
        [quota(figures, date, words), own(figures, words), days(figures, yesterday, words), followers(figures, words)];
    let sections: Vec<Section> =
        about_the_mails(figures, may_be_a_repeat.then(|| mail::may_be_a_repeat(language)), words)
            .into_iter()
            .chain(always)
            .chain(mass_sends(figures, words))
            .chain(broadcasts(figures, words))
            .collect();
    let read_at = figures.read_at.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_default();
    let source = format!("{}{}{read_at}", words.source, words.source_line);
    let text = as_text(&headline, &sections, words, &source);
    let html = as_html(&subject, &headline, &sections, words, &source, language);
    Mail { subject, text, html }
}

fn or_missing<T>(source: &Source<T>, words: &Words, tell: impl FnOnce(&T) -> String) -> String {
    match source {
        Source::Known(value) => tell(value),
        Source::Missing(why) => format!("{}{why}", words.missing),
    }
}

fn balance(month: &Month, words: &Words) -> String {
    month.remaining().map_or(words.unlimited.to_owned(), |left| left.to_string())
}

fn day_count(count: &DayFigure, words: &Words) -> String {
    match count {
        DayFigure::Ready(count) => count.to_string(),
        DayFigure::Unready => words.unready.to_owned(),
        DayFigure::Unavailable(status) => format!("{}{status}", words.missing),
    }
}

fn people(count: Option<u64>, words: &Words) -> String {
    count.map_or(words.few.to_owned(), |count| count.to_string())
}

/// The five lines that the operator asked for; on the 1st the two of the month before follow theirs.
fn headline(figures: &Figures, date: Date, words: &Words) -> Vec<String> {
    let month_lines = |month: &Source<Month>, number: u8, suffix: &str| {
        let line = |[before, after]: [&str; 2], value: String| format!("{before}{number}{after}{value}{suffix}");
        [
            line(words.balance, or_missing(month, words, |month| balance(month, words))),
            line(words.sent, or_missing(month, words, |month| month.used.to_string())),
        ]
    };
    let mut lines = Vec::from(month_lines(&figures.month, u8::from(date.month()), ""));
    if let Some(last_month) = &figures.last_month {
        lines.extend(month_lines(last_month, u8::from(date.month().previous()), words.as_of_last_report));
    }
    if let Some(day) = figures.yesterday() {
        let interaction =
            |pick: fn(&Interaction) -> Option<u64>| or_missing(&day.interaction, words, |all| people(pick(all), words));
        lines.push(format!(
            "{}{}",
            words.delivered,
            or_missing(&day.delivered, words, |count| day_count(count, words))
        ));
        lines.push(format!("{}{}", words.viewed, interaction(|all| all.unique_impression)));
        lines.push(format!("{}{}", words.clicked, interaction(|all| all.unique_click)));
    }
    lines
}

/// What is to be known about this mail and those before it, if anything.
fn about_the_mails(figures: &Figures, repeat: Option<&str>, words: &'static Words) -> Option<Section> {
    let missed = &figures.days_without_report;
    let missed = (!missed.is_empty()).then(|| format!("{}{}", words.days_without_report, missed.join(words.comma)));
    let lines: Vec<_> = repeat.map(str::to_owned).into_iter().chain(missed).collect();
    (!lines.is_empty()).then_some(Section { heading: words.about_the_mails, lines, table: Vec::new(), note: None })
}

fn quota(figures: &Figures, date: Date, words: &'static Words) -> Section {
    let lines = match &figures.month {
        Source::Missing(why) => vec![format!("{}{why}", words.missing)],
        Source::Known(Month { limit: None, .. }) => vec![words.set_a_limit.to_owned()],
        Source::Known(month @ Month { limit: Some(limit), used }) => {
            let share = month.used_per_mille().unwrap_or_default();
            let pace = match month.used_up_on(date) {
                Some(day) => Some(format!("{}{day}", words.exhausted_on)),
                // On the 1st there is no pace yet.
                None => (date.day() > 1).then(|| words.lasts.to_owned()),
            };
            let used = format!("{} {}.{}% ({used} / {limit})", words.share, share / 10, share % 10);
            [Some(used), pace].into_iter().flatten().collect()
        }
    };
    Section { heading: words.quota, lines, table: Vec::new(), note: None }
}

fn own(figures: &Figures, words: &'static Words) -> Section {
    let mut lines = match &figures.own {
        Source::Missing(why) => vec![format!("{}{why}", words.missing)],
        Source::Known(own) => {
            let suppressed: Vec<_> = own.suppressed.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
            let failed = own.failed.iter().map(|(reason, failed)| {
                let more = if failed.count > failed.order_ids.len() as u64 { " …" } else { "" };
                format!("{reason} {} ({}{more})", failed.count, failed.order_ids.join(", "))
            });
            let failed: Vec<_> = failed.collect();
            let list = |all: Vec<String>| if all.is_empty() { words.none.to_owned() } else { all.join("; ") };
            vec![
                format!("{}: {}", words.own_sent, own.sent),
                format!("{}: {}", words.own_retried, own.retried),
                format!("{}: {}", words.own_open, own.open),
                format!("{}: {}", words.own_suppressed, list(suppressed)),
                format!("{}: {}", words.own_failed, list(failed)),
            ]
        }
    };
    let line_count = figures.yesterday().and_then(|day| day.delivered.known());
    if let (Source::Known(own), Some(DayFigure::Ready(count))) = (&figures.own, line_count)
        && own.sent != *count
    {
        lines.push(format!("{}{:+}", words.difference, i128::from(own.sent) - i128::from(*count)));
    }
    lines.push(format!(
        "{}: {}",
        words.dead_letters,
        or_missing(&figures.dead_letters, words, |depths| {
            depths.iter().map(|(queue, depth)| format!("{queue} {depth}")).collect::<Vec<_>>().join("; ")
        })
    ));
    Section { heading: words.own, lines, table: Vec::new(), note: None }
}

fn days(figures: &Figures, yesterday: Option<&Figures>, words: &'static Words) -> Section {
    let ready = |day: &Day| match day.delivered.known() {
        Some(DayFigure::Ready(count)) => *count,
        _ => 0,
    };
    let largest = figures.days.iter().map(ready).max().unwrap_or(0);
    let row = |day: &Day| {
        let before = yesterday.and_then(|report| report.days.iter().find(|before| before.day == day.day));
        let cells = |day: &Day| {
            let interaction = |pick: fn(&Interaction) -> Option<u64>| match &day.interaction {
                Source::Known(all) => people(pick(all), words),
                Source::Missing(_) => "?".to_owned(),
            };
            [
                day.delivered.known().map_or("?".to_owned(), |count| day_count(count, words)),
                interaction(|all| all.unique_impression),
                interaction(|all| all.unique_click),
            ]
        };
        let (now, then) = (cells(day), before.map(cells));
        let marked = |index: usize| match &then {
            Some(then) if then[index] != now[index] => format!("▲{}", now[index]),
            _ => now[index].clone(),
        };
        let name = day.day.get(5..).unwrap_or(&day.day).to_owned();
        let bar = (u128::from(ready(day)) * 100).checked_div(u128::from(largest)).unwrap_or(0);
        Row { cells: [name, marked(0), marked(1), marked(2)], bar: u64::try_from(bar).unwrap_or(0) }
    };
    let why = figures.days.iter().find_map(|day| match (&day.delivered, &day.interaction) {
        (Source::Missing(why), _) | (_, Source::Missing(why)) => Some(format!("? {}{why}", words.missing)),
        _ => None,
    });
    Section {
        heading: words.days,
        lines: why.into_iter().collect(),
        table: figures.days.iter().map(row).collect(),
        note: Some(words.days_note),
    }
}

fn followers(figures: &Figures, words: &'static Words) -> Section {
    let line = or_missing(&figures.followers, words, |followers| match followers {
        Some(all) => format!("{} {}, {} {}", words.added, all.followers, words.blocking, all.blocks),
        None => words.unready.to_owned(),
    });
    Section { heading: words.followers, lines: vec![line], table: Vec::new(), note: None }
}

fn mass_sends(figures: &Figures, words: &'static Words) -> Option<Section> {
    let MassSends { tasks, failures } = figures.mass_sends.as_ref()?;
    let counts = |counts: [Option<u64>; 3]| {
        let number = |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
        words
            .task_columns
            .iter()
            .zip(counts)
            .map(|(name, count)| format!("{name} {}", number(count)))
            .collect::<Vec<_>>()
    };
    let cut = |read: u64, incomplete: &Option<Incomplete>| {
        incomplete.map_or(String::new(), |Incomplete { total }| {
            let ([before, after], total) = (words.only_read, total.map(|total| format!("{}{total}", words.in_all)));
            format!(" ({before}{read}{after}{})", total.unwrap_or_default())
        })
    };
    let more = |all: u64, listed: usize| {
        let ([before, after], left) = (words.more, all.saturating_sub(listed as u64));
        (left > 0).then(|| format!("{before}{left}{after}"))
    };
    let mut lines = Vec::new();
    match tasks {
        Source::Missing(why) => lines.push(format!("{}: {}{why}", words.tasks, words.missing)),
        Source::Known(all) if all.read == 0 => lines.push(format!("{}: {}", words.tasks, words.none)),
        Source::Known(all) => {
            let sums = counts([all.estimated, all.sent, all.failed].map(Some)).join(", ");
            lines.push(format!("{}: {}{}; {sums}", words.tasks, all.read, cut(all.read, &all.incomplete)));
            let task = |task: &Task| {
                format!("- {}: {}", task.name, counts([task.estimated, task.sent, task.failed]).join(", "))
            };
            lines.extend(all.named.iter().map(task));
            lines.extend(more(all.read, all.named.len()));
        }
    }
    match failures {
        Source::Missing(why) => lines.push(format!("{}: {}{why}", words.failures, words.missing)),
        Source::Known(all) if all.read == 0 && all.incomplete.is_none() => {
            lines.push(format!("{}: {}", words.failures, words.none));
        }
        Source::Known(all) => {
            lines.push(format!("{}: {}{}", words.failures, all.read, cut(all.read, &all.incomplete)));
            let failure = |one: &Failure| format!("- {}, error_code {}: {}", one.task, one.error_code, one.count);
            lines.extend(all.named.iter().map(failure));
            lines.extend(more(all.kinds, all.named.len()));
        }
    }
    Some(Section { heading: words.mass_sends, lines, table: Vec::new(), note: Some(words.mass_sends_note) })
}

fn broadcasts(figures: &Figures, words: &'static Words) -> Option<Section> {
    if figures.broadcasts.is_empty() {
        return None;
    }
    let lines = figures.broadcasts.iter().map(|one| {
        let told =
            or_missing(&one.interaction, words, |all| match (all.delivered, all.unique_impression, all.unique_click) {
                (None, None, None) => words.not_available.to_owned(),
                (delivered, viewed, clicked) => {
                    let [_, d, v, c] = words.columns;
                    format!(
                        "{d} {}, {v} {}, {c} {}",
                        people(delivered, words),
                        people(viewed, words),
                        people(clicked, words)
                    )
                }
            });
        format!("{}: {told}", one.request_id)
    });
    Some(Section { heading: words.broadcasts, lines: lines.collect(), table: Vec::new(), note: None })
}

fn as_text(headline: &[String], sections: &[Section], words: &Words, source: &str) -> String {
    let mut text = headline.join("\n") + "\n";
    for section in sections {
        let _ = write!(text, "\n== {} ==\n", section.heading);
        for line in &section.lines {
            let _ = writeln!(text, "{line}");
        }
        if !section.table.is_empty() {
            let _ = writeln!(text, "{}", words.columns.join(" | "));
        }
        for row in &section.table {
            let _ = writeln!(text, "{}", row.cells.join(" | "));
        }
        if let Some(note) = section.note {
            let _ = writeln!(text, "{note}");
        }
    }
    let _ = write!(text, "\n{source}\n");
    text
}

const STYLE: &str = "\
body{margin:0;padding:16px;background:#fff;color:#1a1a1a;font:16px/1.6 -apple-system,'PingFang SC','Microsoft YaHei',sans-serif}\
main{max-width:640px;margin:0 auto}h1{font-size:20px;margin:0 0 12px}h2{font-size:16px;margin:24px 0 8px}p{margin:4px 0}\
.first{font-size:18px}table{width:100%;border-collapse:collapse;font-size:14px}th,td{padding:4px 6px;text-align:right;\
border-bottom:1px solid #e5e5e5;vertical-align:top}th:first-child,td:first-child{text-align:left;white-space:nowrap}\
.note{font-size:13px;color:#666}\
@media (prefers-color-scheme:dark){body{background:#121212;color:#eee}th,td{border-color:#333}.note{color:#aaa}}";

fn as_html(
    subject: &str,
    headline: &[String],
    sections: &[Section],
    words: &Words,
    source: &str,
    language: Language,
) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" \
         content=\"width=device-width\"/><meta name=\"color-scheme\" content=\"light dark\"/><title>{subject}</title>\
         <style>{STYLE}</style></head>\n<body><main><h1>{subject}</h1>\n",
        language.tag()
    );
    for line in headline {
        let _ = writeln!(html, "<p class=\"first\">{}</p>", escaped(line));
    }
    for section in sections {
        let _ = writeln!(html, "<h2>{}</h2>", section.heading);
        for line in &section.lines {
            let _ = writeln!(html, "<p>{}</p>", escaped(line));
        }
        if !section.table.is_empty() {
            let head: String = words.columns.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
            let _ = writeln!(html, "<table><thead><tr>{head}</tr></thead><tbody>");
            for Row { cells: [day, delivered, viewed, clicked], bar } in &section.table {
                let [day, delivered, viewed, clicked] = [day, delivered, viewed, clicked].map(|cell| escaped(cell));
                let _ = writeln!(
                    html,
                    "<tr><td>{day}<div style=\"width:{bar}%;height:6px;margin-top:3px;background:#06c755;border-radius:3px\"></div></td><td>{delivered}</td><td>{viewed}</td>\
                     <td>{clicked}</td></tr>"
                );
            }
            html.push_str("</tbody></table>\n");
        }
        if let Some(note) = section.note {
            let _ = writeln!(html, "<p class=\"note\">{note}</p>");
        }
    }
    let _ = write!(html, "<p class=\"note\">{}</p>\n</main></body></html>\n", escaped(source));
    html
}

/// Reasons, names and ids come from elsewhere.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::{
        delivery::day::{DayCount, Failed},
        line::statistics::Followers,
    };
    use time::macros::{date, datetime};

    use super::*;
    use crate::{
        figures::Broadcast,
        mass_sends::{Failures, Tasks},
    };

    fn figures() -> Figures {
        let day = |day: Date, delivered, interaction| Day { day: day.to_string(), delivered, interaction };
        let mut days = vec![
            day(
                date!(2026 - 09 - 07),
                Source::Known(DayFigure::Ready(323)),
                Source::Known(Interaction { unique_impression: Some(234), unique_click: Some(111), delivered: None }),
            ),
            day(
                date!(2026 - 09 - 06),
                Source::Known(DayFigure::Unready),
                Source::Missing("LINE answered 500: <oops>".to_owned()),
            ),
        ];
        days.extend((1..13).map(|ago| {
            let count = Source::Known(DayFigure::Ready(100 * ago));
            day(
                date!(2026 - 09 - 06) - time::Duration::days(ago.cast_signed()),
                count,
                Source::Known(Interaction::default()),
            )
        }));
        let failed = Failed { count: 21, order_ids: vec!["R1".to_owned(), "R2".to_owned()] };
        Figures {
            date: "2026-09-08".to_owned(),
            read_at: datetime!(2026-09-08 01:00:05 UTC),
            month: Source::Known(Month { limit: Some(30_000), used: 14_000 }),
            last_month: None,
            days,
            own: Source::Known(DayCount {
                sent: 320,
                retried: 4,
                open: 1,
                suppressed: BTreeMap::from([("switched_off".to_owned(), 2)]),
                failed: BTreeMap::from([("refused_by_line".to_owned(), failed)]),
            }),
            dead_letters: Source::Known(BTreeMap::from([("PushRetryDeadLetterQueue".to_owned(), 1)])),
            followers: Source::Known(Some(Followers { followers: 7620, blocks: 237 })),
            mass_sends: Some(MassSends {
                tasks: Source::Known(Tasks {
                    read: 3,
                    incomplete: None,
                    estimated: 9,
                    sent: 1,
                    failed: 8,
                    named: vec![
                        Task { name: "群发123123".to_owned(), estimated: Some(7), sent: Some(1), failed: Some(6) },
                        Task { name: "<走查>".to_owned(), estimated: Some(2), sent: None, failed: Some(2) },
                    ],
                }),
                failures: Source::Known(Failures {
                    read: 1000,
                    incomplete: Some(Incomplete { total: Some(5231) }),
                    kinds: 21,
                    named: vec![Failure { task: "<走查>".to_owned(), error_code: "999999".to_owned(), count: 2 }],
                }),
            }),
            days_without_report: Vec::new(),
            broadcasts: vec![Broadcast {
                request_id: "request-1".to_owned(),
                interaction: Source::Known(Interaction::default()),
            }],
        }
    }

    #[test]
    fn the_mail_is_as_committed() {
        let mut before = figures();
        before.days[3].delivered = Source::Known(DayFigure::Ready(1));
        for (language, name) in [(Language::ZhCn, "zh-CN"), (Language::En, "en")] {
            let mail = mail(&figures(), Some(&before), date!(2026 - 09 - 08), language, false);
            for (part, extension) in [(&mail.text, "txt"), (&mail.html, "html")] {
                let path = format!("{}/expected/{name}.{extension}", env!("CARGO_MANIFEST_DIR"));
                // After a change that is meant: UPDATE_EXPECTED=1 cargo test -p daily-report, then read the difference.
                if std::env::var_os("UPDATE_EXPECTED").is_some() {
                    std::fs::write(&path, part).unwrap();
                }
                let expected = std::fs::read_to_string(&path).unwrap();
                assert!(*part == expected, "{path} differs from:\n{part}");
            }
        }
    }

    #[test]
    fn the_html_says_what_the_text_says_and_is_escaped() {
        let mail = mail(&figures(), None, date!(2026 - 09 - 08), Language::ZhCn, false);
        assert_eq!(mail.subject, "LINE 消息日报 0908");
        assert!(mail.html.contains("LINE answered 500: &lt;oops&gt;") && !mail.html.contains("<oops>"));
        for line in
            mail.text.lines().filter(|line| !line.is_empty() && !line.starts_with("==") && !line.contains(" | "))
        {
            assert!(mail.html.contains(&escaped(line)), "{line}");
        }
    }

    #[test]
    fn without_sobot_nothing_is_said_of_it_and_each_of_its_lists_may_fail_alone() {
        let text = |mass_sends| {
            mail(&Figures { mass_sends, ..figures() }, None, date!(2026 - 09 - 08), Language::En, false).text
        };
        assert!(!text(None).contains("Sobot"));
        let (tasks, failures) = (Source::Known(Tasks::default()), Source::Known(Failures::default()));
        fn why<T>() -> Source<T> {
            Source::Missing("Sobot did not answer".to_owned())
        }
        let quiet = text(Some(MassSends { tasks: tasks.clone(), failures }));
        assert!(quiet.contains("\nMass sends: none\nFailed records: none\n"), "{quiet}");
        let half = text(Some(MassSends { tasks, failures: why() }));
        assert!(half.contains("\nMass sends: none\nFailed records: missing: Sobot did not answer\n"), "{half}");
        let cut = Failures { incomplete: Some(Incomplete { total: None }), ..Failures::default() };
        let cut = text(Some(MassSends { tasks: why(), failures: Source::Known(cut) }));
        assert!(
            cut.contains("\nMass sends: missing: Sobot did not answer\nFailed records: 0 (only the first 0 were read)")
        );
    }

    #[test]
    fn a_document_of_before_the_mass_sends_is_read() {
        let mut document = serde_json::to_value(figures()).unwrap();
        assert_eq!(serde_json::from_value::<Figures>(document.clone()).unwrap(), figures());
        document.as_object_mut().unwrap().remove("mass_sends").unwrap();
        assert_eq!(serde_json::from_value::<Figures>(document).unwrap(), Figures { mass_sends: None, ..figures() });
    }

    #[test]
    fn the_html_is_well_formed() {
        for language in [Language::ZhCn, Language::En] {
            let html = mail(&figures(), None, date!(2026 - 09 - 08), language, false).html;
            // Written so that it is XML as well: every element is closed, every attribute
            // quoted, nothing nested wrongly.
            let xml = html.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
            let document = roxmltree::Document::parse(xml).expect("well-formed");
            let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
            assert_eq!((count("html"), count("h1"), count("table"), count("img"), count("script")), (1, 1, 1, 0, 0));
            assert!(document.root_element().has_attribute("lang"));
        }
    }

    #[test]
    fn a_balance_is_never_negative_and_may_be_unlimited() {
        let mut figures = figures();
        figures.month = Source::Known(Month { limit: Some(10), used: 12 });
        assert!(
            mail(&figures, None, date!(2026 - 09 - 08), Language::ZhCn, false).text.starts_with("9月份消息余额：0\n")
        );
        figures.month = Source::Known(Month { limit: None, used: 12 });
        assert!(
            mail(&figures, None, date!(2026 - 09 - 08), Language::ZhCn, false)
                .text
                .starts_with("9月份消息余额：不限（需设定目标限制）\n")
        );
        figures.month = Source::Missing("LINE answered 503: ".to_owned());
        assert!(
            mail(&figures, None, date!(2026 - 09 - 08), Language::En, false)
                .text
                .starts_with("Messages left in month 9: missing: LINE")
        );
    }
}
