//! What somebody has to do, each with its place in the console and its heading of the runbook. Empty on a good day.

use shared::{
    delivery::{
        day::{DayCount, OrderList},
        state::{Reason, State},
    },
    language::grouped,
};

use super::{
    Edition,
    layout::{Part, Section, Todo},
};
use crate::{
    figures::{Day, Queue},
    source::{Source, Why},
    words::fill,
};

/// The runbook, as the alarms name it.
const RUNBOOK: &str = "functions/operations/README.md";

/// Headings of the runbook.
mod heading {
    use super::{Queue, Reason};

    pub const EXHAUSTED: &str = "Push retry dead letters";
    pub const FAILED: &str = "Failed deliveries";
    pub const QUOTA: &str = "Quota";
    pub const QUOTA_USED_UP: &str = "Quota used up";
    pub const THE_MAIL_AGAIN: &str = "The mail of a day again";
    pub const RECIPIENT: &str = "A recipient without mail";
    pub const MISSING: &str = "Figures that are missing";

    pub fn of_reason(reason: Reason) -> &'static str {
        match reason {
            Reason::QuotaExhausted => QUOTA_USED_UP,
            Reason::Unattended => "Ending deliveries",
            _ => FAILED,
        }
    }

    pub fn of_queue(queue: Queue) -> &'static str {
        match queue {
            Queue::PushRetry => EXHAUSTED,
            Queue::Inbox => "Inbox dead letters",
            Queue::QuotaWarning => "Quota warning dead letters",
            Queue::DailyReport => "Daily report dead letters",
        }
    }
}

impl Edition<'_> {
    /// The block, which always stands there.
    pub(super) fn todo(&self) -> Section {
        let words = &self.words().todo;
        let all: Vec<_> = self
            .orders_that_wait()
            .into_iter()
            .chain(self.failures_of_yesterday())
            .chain(self.dead_letters())
            .chain(self.the_quota())
            .chain(self.recipients_without_mail())
            .chain(self.days_without_report())
            .chain(self.missing_figures())
            .map(Part::Todo)
            .collect();
        let parts = match all.is_empty() {
            true => vec![Part::Line(words.nothing.to_owned())],
            false => {
                let runbook = self.stack.runbook_url.as_deref().unwrap_or(RUNBOOK);
                all.into_iter().chain([Part::Note(fill(words.runbook, &[("heading", &runbook)]))]).collect()
            }
        };
        Section::new(words.heading, parts)
    }

    fn one(&self, text: String, place: Option<String>, heading: Option<&str>) -> Todo {
        let words = &self.words().todo;
        let place = place.map(|place| (words.console, format!("{}#{place}", self.stack.console_url)));
        let runbook = heading.map(|heading| {
            let text = fill(words.runbook, &[("heading", &heading)]);
            (text, self.stack.runbook_url.as_ref().map(|url| format!("{url}#{}", anchor(heading))))
        });
        Todo { text, place, runbook }
    }

    /// Of every day in the mail: who is to redrive them, or to decide whether they go out once more.
    fn orders_that_wait(&self) -> Vec<Todo> {
        let words = &self.words().todo;
        let of_day = |day: &Day, list: Option<&OrderList>, text: &str, place: String, heading: &str| {
            let list = list.filter(|list| list.count > 0)?;
            let text = fill(text, &[("day", &day.day), ("n", &grouped(list.count)), ("ids", &self.ids(list))]);
            Some(self.one(text, Some(place), Some(heading)))
        };
        let retrying =
            |day: &str| format!("deliveries={day}/{}/{}", State::Retrying.name(), Reason::RetriesExhausted.name());
        let expired = |day: &str| format!("deliveries={day}/{}", State::Expired.name());
        let days = || self.figures.days.iter().filter_map(|day| Some((day, day.own.known()?)));
        let exhausted = days().filter_map(|(day, own)| {
            let list = Some(&own.exhausted);
            of_day(day, list, words.exhausted, retrying(&day.day), heading::EXHAUSTED)
        });
        let unknown = days().filter_map(|(day, own)| {
            let list = own.failed.get(Reason::RetryKeyExpired.name());
            of_day(day, list, words.expired, expired(&day.day), heading::FAILED)
        });
        exhausted.chain(unknown).collect()
    }

    fn failures_of_yesterday(&self) -> Vec<Todo> {
        let Some((day, own)) = self.figures.yesterday().and_then(|day| Some((day, day.own.known()?))) else {
            return Vec::new();
        };
        let failed = own.failed.iter().filter(|(name, _)| *name != Reason::RetryKeyExpired.name());
        failed
            .map(|(name, list)| {
                let reason = Reason::ALL.into_iter().find(|reason| reason.name() == name);
                let values: [(&str, &dyn std::fmt::Display); 4] = [
                    ("day", &day.day),
                    ("n", &grouped(list.count)),
                    ("reason", &self.reason(name)),
                    ("ids", &self.ids(list)),
                ];
                let place = format!("deliveries={}/{}/{name}", day.day, State::Failed.name());
                let heading = reason.map_or(heading::FAILED, heading::of_reason);
                self.one(fill(self.words().todo.failed, &values), Some(place), Some(heading))
            })
            .collect()
    }

    fn ids(&self, list: &OrderList) -> String {
        let more = if list.count > list.order_ids.len() as u64 { " …" } else { "" };
        format!("{}{more}", list.order_ids.join(self.words().and))
    }

    fn dead_letters(&self) -> Vec<Todo> {
        let depths = self.figures.dead_letters.known().into_iter().flatten().filter(|(_, depth)| **depth > 0);
        depths
            .map(|(queue, depth)| {
                let name = (self.words().queue)(*queue);
                let text = fill(self.words().todo.dead_letters, &[("queue", &name), ("n", &grouped(*depth))]);
                self.one(text, Some("dead-letters".to_owned()), Some(heading::of_queue(*queue)))
            })
            .collect()
    }

    fn the_quota(&self) -> Option<Todo> {
        let (words, month) = (&self.words().todo, self.figures.month.known()?);
        let (text, heading) = match (month.limit, month.used_up_on(self.figures.month_as_of)) {
            (None, _) => (words.set_a_limit.to_owned(), heading::QUOTA),
            (Some(_), _) if month.is_used_up() => (words.used_up.to_owned(), heading::QUOTA_USED_UP),
            (Some(_), Some(day)) => (fill(words.runs_out, &[("day", &day)]), heading::QUOTA),
            (Some(_), None) => return None,
        };
        Some(self.one(text, Some("overview".to_owned()), Some(heading)))
    }

    fn recipients_without_mail(&self) -> Vec<Todo> {
        let words = &self.words().todo;
        let suppressed = self.figures.suppressed.known().into_iter().flatten();
        let told = suppressed.map(|one| {
            let why = if one.complained { words.complained } else { words.bounced };
            fill(words.suppressed, &[("address", &one.address), ("why", &why), ("day", &one.since)])
        });
        told.map(|text| self.one(text, Some("report".to_owned()), Some(heading::RECIPIENT))).collect()
    }

    fn days_without_report(&self) -> Option<Todo> {
        let days = &self.figures.days_without_report;
        let text = fill(self.words().todo.days_without_report, &[("days", &days.join(self.words().and))]);
        (!days.is_empty()).then(|| self.one(text, Some("report".to_owned()), Some(heading::THE_MAIL_AGAIN)))
    }

    /// Those with one reason together.
    fn missing_figures(&self) -> Vec<Todo> {
        let (figures, words) = (self.figures, self.words());
        let names = &words.todo;
        let last_month = figures.last_month.as_ref();
        let mut missing = vec![
            (names.account.to_owned(), why(&figures.account)),
            (names.month.to_owned(), why(&figures.month)),
            (names.last_month.to_owned(), last_month.and_then(|last| why(&last.month))),
            (names.usage.to_owned(), why(&figures.usage)),
            (names.depths.to_owned(), why(&figures.dead_letters)),
            (names.recipients.to_owned(), why(&figures.suppressed)),
            (words.followers.to_owned(), why(&figures.followers)),
        ];
        for day in &figures.days {
            let of_day = |name: &str, why| (format!("{name} {}", short(&day.day)), why);
            missing.push(of_day(names.pushes, why(&day.delivered)));
            missing.push(of_day(names.interaction, why(&day.interaction)));
            missing.push(of_day(names.own, why::<DayCount>(&day.own)));
        }
        if let Some(sends) = &figures.mass_sends {
            missing.push((words.tasks.to_owned(), why(&sends.tasks)));
            missing.push((words.failures.to_owned(), why(&sends.failures)));
            missing.push((names.reach.to_owned(), why(&sends.reach)));
            let partly = |name: &str| fill(names.partly, &[("name", &name)]);
            let tasks = sends.tasks.known().and_then(|tasks| tasks.incomplete.as_ref()?.why.as_ref());
            let failures = sends.failures.known().and_then(|failures| failures.incomplete.as_ref()?.why.as_ref());
            missing.extend([(partly(words.tasks), tasks), (partly(words.failures), failures)]);
        }
        missing.extend(figures.broadcasts.iter().map(|one| (one.request_id.clone(), why(&one.interaction))));

        let mut reasons: Vec<(&Why, Vec<String>)> = Vec::new();
        for (name, why) in missing.into_iter().filter_map(|(name, why)| Some((name, why?))) {
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, names)) => names.push(name),
                None => reasons.push((why, vec![name])),
            }
        }
        let told = reasons.into_iter().map(|(why, names)| {
            let names = names.join(words.and);
            fill(words.todo.missing, &[("names", &names), ("why", &self.why(why))])
        });
        told.map(|text| self.one(text, None, Some(heading::MISSING))).collect()
    }
}

fn why<T>(source: &Source<T>) -> Option<&Why> {
    match source {
        Source::Known(_) => None,
        Source::Missing(why) => Some(why),
    }
}

/// The heading in the address of a page, as Git servers make it: of letters and spaces.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

/// `09-07`: of a year nobody doubts which it is.
pub(super) fn short(day: &str) -> &str {
    day.get(5..).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_a_view_of_the_console() {
        let page = include_str!("../../../operations/console/console.html");
        let mail = include_str!("../../expected/everything-wrong.en.txt");
        let places: Vec<_> = mail.lines().filter_map(|line| line.split_once("/console#")).collect();
        assert!(places.len() > 5, "{places:?}");
        for (_, place) in places {
            let view = place.split('=').next().unwrap_or(place);
            assert!(page.contains(&format!("id=\"view-{view}\"")), "{place}");
        }
    }

    #[test]
    fn every_heading_is_one_of_the_runbook() {
        let runbook = include_str!("../../../operations/README.md");
        let all = [
            heading::EXHAUSTED,
            heading::FAILED,
            heading::QUOTA,
            heading::QUOTA_USED_UP,
            heading::THE_MAIL_AGAIN,
            heading::RECIPIENT,
            heading::MISSING,
        ];
        let of_reasons = Reason::ALL.map(heading::of_reason);
        let queues = [Queue::PushRetry, Queue::Inbox, Queue::QuotaWarning, Queue::DailyReport];
        for named in all.into_iter().chain(of_reasons).chain(queues.map(heading::of_queue)) {
            let is_heading =
                |line: &str| line.strip_prefix("##").is_some_and(|line| line.trim_matches(['#', ' ']) == named);
            assert!(runbook.lines().any(is_heading), "{named}");
        }
    }
}
