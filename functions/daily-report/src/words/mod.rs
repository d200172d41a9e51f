//! The report's words. The subject and the five lines of the Chinese mail are the operator's own; what the console says
//! as well is said in its words, and a test holds the two together.
//!
//! A name in braces stands for a value: [`fill`].

mod en;
mod ja;
mod zh_cn;

use std::fmt::Display;

use shared::{delivery::state::Reason, language::Language};

use crate::{figures::Queue, source::Partner};

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    /// The mail's subject, before MMDD.
    pub subject: &'static str,
    /// The month's balance, up to the figure: `{month}`.
    pub balance: &'static str,
    /// The month's messages, up to the figure: `{month}`.
    pub sent: &'static str,
    /// Before yesterday's pushes.
    pub delivered: &'static str,
    /// Before yesterday's views.
    pub viewed: &'static str,
    /// Before yesterday's clicks.
    pub clicked: &'static str,
    /// The months, January first, as the two lines above name them.
    pub months: [&'static str; 12],
    /// A name and its value: `{name}`, `{value}`.
    pub pair: &'static str,
    /// In brackets, after what it explains: `{text}`.
    pub aside: &'static str,
    /// Between figures.
    pub comma: &'static str,
    /// Between names.
    pub and: &'static str,
    /// Between lists.
    pub semicolon: &'static str,
    /// None of them.
    pub none: &'static str,
    /// No ceiling, in place of the balance.
    pub unlimited: &'static str,
    /// In place of a figure that could not be read.
    pub missing: &'static str,
    /// LINE is counting.
    pub unready: &'static str,
    /// Our own count, beside what LINE is still counting: `{n}`.
    pub own_count: &'static str,
    /// LINE tells nothing of so few people.
    pub few: &'static str,
    /// LINE tells nothing, and either may be why.
    pub few_or_uncounted: &'static str,
    /// The messages had no link.
    pub no_link: &'static str,
    /// The same, in a table.
    pub no_link_cell: &'static str,
    /// When a figure was read: `{time}`.
    pub as_of: &'static str,
    /// A time in the report's zone: `{time}`, `{zone}`.
    pub time: &'static str,
    /// Why a figure is missing.
    pub why: WhyWords,
    /// What is to be done.
    pub todo: TodoWords,
    /// Yesterday beside the days that it compares with.
    pub yesterday: YesterdayWords,
    /// Heading: the month's quota.
    pub quota: &'static str,
    /// The share used: `{percent}`, `{used}`, `{limit}`.
    pub share: &'static str,
    /// It ends before the month does: `{day}`.
    pub runs_out: &'static str,
    /// It lasts until the month's end.
    pub lasts: &'static str,
    /// Who used how much of it on a day: `{day}`, `{n}`, `{parts}`.
    pub usage: &'static str,
    /// Who: our orders, Sobot, whoever else.
    pub users: [&'static str; 3],
    /// Heading: the last 14 days.
    pub days: &'static str,
    /// The table's columns.
    pub columns: [&'static str; 4],
    /// The picture above the table, for who does not see it.
    pub chart: &'static str,
    /// Under the table.
    pub days_note: &'static str,
    /// Heading: the followers.
    pub followers: &'static str,
    /// Ever added.
    pub added: &'static str,
    /// Blocking.
    pub blocking: &'static str,
    /// Heading: mass sends.
    pub mass_sends: &'static str,
    /// Under the mass sends.
    pub mass_sends_note: &'static str,
    /// Mass sends in all.
    pub tasks: &'static str,
    /// Their messages: to be sent, sent, failed.
    pub task_columns: [&'static str; 3],
    /// Their messages: delivered, read.
    pub reach_columns: [&'static str; 2],
    /// A mass send that is not over.
    pub goes_on: &'static str,
    /// Sobot's code of a failure: `{code}`.
    pub error_code: &'static str,
    /// Messages that failed, by task and code.
    pub failures: &'static str,
    /// Lines that are left out: `{n}`.
    pub more: &'static str,
    /// A list that was not all read: `{n}`.
    pub only_read: &'static str,
    /// The same, where its length is known: `{n}`, `{total}`.
    pub only_read_of: &'static str,
    /// Heading: broadcasts.
    pub broadcasts: &'static str,
    /// LINE tells nothing of it.
    pub not_available: &'static str,
    /// Where the figures are from: `{time}`.
    pub source: &'static str,
    /// Why a delivery stands where it does.
    pub reason: fn(Reason) -> &'static str,
    /// What a dead-letter queue keeps.
    pub queue: fn(Queue) -> &'static str,
}

/// The words for why a figure is missing.
#[derive(Debug)]
pub struct WhyWords {
    /// It took too long.
    pub timed_out: &'static str,
    /// LINE tells only what is now.
    pub of_that_day_only: &'static str,
    /// Nobody kept it.
    pub not_kept: &'static str,
    /// LINE has no figure of that day.
    pub not_told: &'static str,
    /// No answer came: `{partner}`.
    pub no_answer: &'static str,
    /// An error: `{partner}`, `{code}`.
    pub refused: &'static str,
    /// An answer that is not as documented: `{partner}`.
    pub unusable: &'static str,
    /// The credential is missing or wrong: `{partner}`.
    pub secret: &'static str,
    /// No token: `{partner}`.
    pub no_token: &'static str,
    /// Sobot's credential is used twice.
    pub shared_credential: &'static str,
    /// One of AWS's services.
    pub aws: &'static str,
    /// Who gives figures out.
    pub partner: fn(Partner) -> &'static str,
}

/// The words of the block that says what is to be done.
#[derive(Debug)]
pub struct TodoWords {
    /// Its heading.
    pub heading: &'static str,
    /// Nothing is.
    pub nothing: &'static str,
    /// The text of a link to the console.
    pub console: &'static str,
    /// Before a heading of the runbook: `{heading}`.
    pub runbook: &'static str,
    /// Orders whose retries all failed: `{day}`, `{n}`, `{ids}`.
    pub exhausted: &'static str,
    /// Orders of which nobody knows: `{day}`, `{n}`, `{ids}`.
    pub expired: &'static str,
    /// Orders that failed: `{day}`, `{n}`, `{reason}`, `{ids}`.
    pub failed: &'static str,
    /// A dead-letter queue: `{queue}`, `{n}`.
    pub dead_letters: &'static str,
    /// Figures that could not be read: `{names}`, `{why}`.
    pub missing: &'static str,
    /// A figure of which a part could be read: `{name}`.
    pub partly: &'static str,
    /// Days without a report: `{days}`.
    pub days_without_report: &'static str,
    /// A recipient to whom SES sends nothing any more: `{address}`, `{why}`, `{day}`.
    pub suppressed: &'static str,
    /// Because a mail bounced.
    pub bounced: &'static str,
    /// Because its owner complained.
    pub complained: &'static str,
    /// The quota ends before the month does: `{day}`.
    pub runs_out: &'static str,
    /// Nothing is left of it.
    pub used_up: &'static str,
    /// No ceiling.
    pub set_a_limit: &'static str,
    /// Figures by name: the account's name, the month's figures, the former month's.
    pub account: &'static str,
    /// The month's figures.
    pub month: &'static str,
    /// Those of the month before.
    pub last_month: &'static str,
    /// LINE's count of pushes.
    pub pushes: &'static str,
    /// Views and clicks.
    pub interaction: &'static str,
    /// Our own count.
    pub own: &'static str,
    /// LINE's count of all messages.
    pub usage: &'static str,
    /// How far Sobot's messages came.
    pub reach: &'static str,
    /// The depth of the dead-letter queues.
    pub depths: &'static str,
    /// Which recipients get no mail.
    pub recipients: &'static str,
}

/// The words of yesterday's figures.
#[derive(Debug)]
pub struct YesterdayWords {
    /// Their heading.
    pub heading: &'static str,
    /// The figures' names; yesterday, the day before, the same weekday: before the day.
    pub columns: [&'static str; 4],
    /// LINE's count, views, their share, clicks, their share.
    pub of_line: [&'static str; 5],
    /// Accepted by LINE.
    pub sent: &'static str,
    /// Sent or not, with more than one request.
    pub retried: &'static str,
    /// Neither sent nor given up.
    pub open: &'static str,
    /// Not sent on purpose.
    pub suppressed: &'static str,
    /// Failed.
    pub failed: &'static str,
    /// The latest day that is counted: `{day}`, `{figures}`.
    pub complete: &'static str,
    /// Where our count and LINE's differ: `{n}`.
    pub difference: &'static str,
    /// What the signs of the table mean.
    pub note: &'static str,
}

/// The words of a language; English for those the report does not speak.
pub fn words(language: Language) -> &'static Words {
    match language {
        Language::ZhCn => &zh_cn::WORDS,
        Language::Ja => &ja::WORDS,
        _ => &en::WORDS,
    }
}

/// The words with their values.
pub fn fill(words: &str, values: &[(&str, &dyn Display)]) -> String {
    values.iter().fold(words.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), &value.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    /// The console's words: a file is an object with a name before it.
    fn console<'a>(file: &'a str) -> BTreeMap<&'a str, &'a str> {
        // Long words stand on the line after their name.
        let entries = file.split("\n  \"").skip(1).filter_map(|entry| entry.split_once("\":"));
        let words = |rest: &'a str| Some(rest.trim_start().strip_prefix('"')?.rsplit_once("\",")?.0);
        entries.filter_map(|(name, rest)| Some((name, words(rest)?))).collect()
    }

    #[test]
    fn what_the_console_says_as_well_it_says_in_the_same_words() {
        for (language, file) in [
            (Language::ZhCn, include_str!("../../../operations/console/words/zh-CN.js")),
            (Language::En, include_str!("../../../operations/console/words/en.js")),
            (Language::Ja, include_str!("../../../operations/console/words/ja.js")),
        ] {
            let (console, words) = (console(file), words(language));
            let said = |name: &str| console.get(name).copied().unwrap_or_else(|| panic!("{language:?}: no {name}"));
            for reason in Reason::ALL {
                assert_eq!((words.reason)(reason), said(&format!("reason.{}", reason.name())), "{language:?}");
            }
            for queue in [Queue::PushRetry, Queue::Inbox, Queue::QuotaWarning, Queue::DailyReport] {
                let name = json!(queue);
                assert_eq!((words.queue)(queue), said(&format!("queue.{}", name.as_str().expect("a name"))));
            }
            let yesterday = &words.yesterday;
            for (word, name) in [
                (yesterday.sent, "count.sent"),
                (yesterday.retried, "count.retried"),
                (yesterday.open, "count.open"),
                (yesterday.suppressed, "count.suppressed"),
                (yesterday.failed, "count.failed"),
                (words.runs_out, "quota.runs_out"),
                (words.quota, "quota"),
                (words.days, "days"),
                (words.share, "quota.used"),
                (words.and, "comma"),
                (words.todo.heading, "needs"),
                (words.todo.nothing, "needs.nothing"),
                (words.todo.dead_letters, "needs.dead"),
                (words.todo.runs_out, "needs.runs_out"),
                (words.todo.used_up, "needs.used_up"),
                (words.todo.set_a_limit, "needs.no_limit"),
                (words.todo.days_without_report, "needs.reports"),
                (words.todo.suppressed, "needs.suppressed"),
                (words.todo.bounced, "suppressed.bounced"),
                (words.todo.complained, "suppressed.complained"),
                (words.todo.runbook, "runbook"),
            ] {
                assert_eq!(word, said(name), "{language:?}");
            }
        }
    }
}
