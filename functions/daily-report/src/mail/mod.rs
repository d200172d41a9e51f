//! From figures to the mail. Pure.

mod days;
mod layout;
mod mass_sends;
mod todo;

use jiff::{Timestamp, tz::TimeZone};
use shared::{
    delivery::state::Reason,
    language::{Language, grouped},
    line::{
        quota::Month,
        statistics::{DayFigure, Interaction},
    },
    report::{
        daily::DAYS,
        mail::{Mail, Picture, may_be_a_repeat},
        stack::Stack,
    },
};
use time::{Date, OffsetDateTime, macros::format_description};

use crate::{
    figures::{Day, Figures, Usage},
    mail::layout::{Part, Section, as_html, as_text},
    source::{Partner, Source, Why},
    words::{Words, fill, words},
};

/// The name of the picture in the mail.
const CHART: &str = "days";

/// One day's mail: what it tells, and to whom.
#[derive(Debug)]
pub struct Edition<'a> {
    /// What was read.
    pub figures: &'a Figures,
    /// The report of the day before, for what changed since.
    pub yesterday: Option<&'a Figures>,
    /// The day of the mail.
    pub date: Date,
    /// Its language.
    pub language: Language,
    /// Whose report it is.
    pub stack: &'a Stack,
    /// The zone of its times.
    pub zone: &'a TimeZone,
    /// An earlier one of that day may have gone out, and nobody knows.
    pub may_be_a_repeat: bool,
}

impl Edition<'_> {
    /// Makes the mail.
    pub fn mail(&self) -> Mail {
        let words = self.words();
        let month_day = self.date.format(format_description!("[month][day]")).unwrap_or_default();
        let subject = format!("{}{month_day}", words.subject);
        let headline = self.headline();
        let always = [self.about(), self.todo(), self.of_yesterday(), self.quota(), self.days(), self.followers()];
        let read_at = self.time(self.figures.read_at);
        let source = Part::Note(fill(words.source, &[("time", &read_at)]));
        let sections: Vec<Section> = always
            .into_iter()
            .chain(self.mass_sends())
            .chain(self.broadcasts())
            .chain([Section { heading: None, parts: vec![source] }])
            .collect();
        let text = as_text(&headline, &sections);
        let pictures = self.chart().into_iter().map(|png| Picture { name: CHART.into(), png }).collect();
        let html = as_html(&subject, &headline, &sections, self.language);
        Mail { from: self.title(), subject, text, html, pictures }
    }

    fn words(&self) -> &'static Words {
        words(self.language)
    }

    /// Whose it is.
    fn title(&self) -> String {
        self.stack.title(self.figures.account.known().map(String::as_str), self.language)
    }

    /// The five lines that the operator asked for.
    fn headline(&self) -> Vec<String> {
        let (words, figures) = (self.words(), self.figures);
        let [balance, sent] = self.month_lines(figures.month_as_of.month(), &figures.month);
        let (delivered, viewed, clicked) = match figures.yesterday() {
            Some(day) => {
                let seen = self.seen(day);
                (self.pushes(day), self.people(&seen[0]), self.people(&seen[1]))
            }
            None => Default::default(),
        };
        vec![
            balance,
            sent,
            format!("{}{delivered}", words.delivered),
            format!("{}{viewed}", words.viewed),
            format!("{}{clicked}", words.clicked),
        ]
    }

    /// The balance and the messages of a month.
    fn month_lines(&self, name: time::Month, month: &Source<Month>) -> [String; 2] {
        let words = self.words();
        let name = words.months.get(usize::from(u8::from(name)).wrapping_sub(1)).copied().unwrap_or_default();
        let balance = match month.known().map(|month| month.remaining()) {
            Some(Some(left)) => left.to_string(),
            Some(None) => words.unlimited.to_owned(),
            None => words.missing.to_owned(),
        };
        let used = month.known().map_or(words.missing.to_owned(), |month| month.used.to_string());
        [(words.balance, balance), (words.sent, used)]
            .map(|(line, value)| format!("{}{value}", fill(line, &[("month", &name)])))
    }

    /// Whose mail it is, whether it was here before, and on the 1st how the month before ended.
    fn about(&self) -> Section {
        let repeat = self.may_be_a_repeat.then(|| may_be_a_repeat(self.language).to_owned());
        let last_month = self.figures.last_month.iter().flat_map(|last| {
            let read_at = last.read_at.map(|at| fill(self.words().as_of, &[("time", &self.time(at))]));
            let as_of = read_at.map_or(String::new(), |read_at| format!("{}{read_at}", self.words().comma));
            self.month_lines(self.date.month().previous(), &last.month).map(|line| format!("{line}{as_of}"))
        });
        let lines = [self.title()].into_iter().chain(repeat).chain(last_month);
        Section { heading: None, parts: lines.map(Part::Line).collect() }
    }

    fn quota(&self) -> Section {
        let words = self.words();
        let lines = match &self.figures.month {
            Source::Missing(_) => vec![words.missing.to_owned()],
            Source::Known(Month { limit: None, .. }) => vec![words.unlimited.to_owned()],
            Source::Known(month @ Month { limit: Some(limit), used }) => {
                let share = month.used_per_mille().unwrap_or_default();
                let percent = format!("{}.{}", share / 10, share % 10);
                let share =
                    fill(words.share, &[("percent", &percent), ("used", &grouped(*used)), ("limit", &grouped(*limit))]);
                let today = self.figures.month_as_of;
                let pace = match month.used_up_on(today) {
                    Some(day) => Some(fill(words.runs_out, &[("day", &day)])),
                    // On the 1st there is no pace yet.
                    None => (today.day() > 1).then(|| words.lasts.to_owned()),
                };
                [Some(share), pace].into_iter().flatten().collect()
            }
        };
        Section::new(words.quota, lines.into_iter().chain(self.usage()).map(Part::Line).collect())
    }

    /// Who used the quota on the latest day that LINE has counted.
    fn usage(&self) -> Option<String> {
        let (words, Usage { day, messages }) = (self.words(), self.figures.usage.known()?.as_ref()?);
        let own = self.figures.days.iter().find(|one| one.day == *day)?.own.known()?.sent;
        // Each report has the mass sends of the day before it.
        let is_yesterday = self.figures.yesterday().is_some_and(|yesterday| yesterday.day == *day);
        let report = if is_yesterday { Some(self.figures) } else { self.yesterday };
        let sobot = report.and_then(|report| report.mass_sends.as_ref()?.tasks.known()).map(|tasks| tasks.sent);
        let others = messages.saturating_sub(own.saturating_add(sobot.unwrap_or(0)));
        let parts = words.users.iter().zip([Some(own), sobot, Some(others)]);
        let parts = parts.filter_map(|(name, count)| Some(format!("{name} {}", grouped(count?))));
        let parts = parts.collect::<Vec<_>>().join(words.comma);
        Some(fill(words.usage, &[("day", &todo::short(day)), ("n", &grouped(*messages)), ("parts", &parts)]))
    }

    fn followers(&self) -> Section {
        let words = self.words();
        let before = self.yesterday.and_then(|report| report.followers.known().copied().flatten());
        let line = match &self.figures.followers {
            Source::Missing(_) => words.missing.to_owned(),
            Source::Known(None) => words.unready.to_owned(),
            Source::Known(Some(now)) => {
                let count = |name: &str, now: u64, before: Option<u64>| {
                    format!("{name} {}", self.with_change(grouped(now), now, before))
                };
                let added = count(words.added, now.followers, before.map(|before| before.followers));
                let blocking = count(words.blocking, now.blocks, before.map(|before| before.blocks));
                format!("{added}{}{blocking}", words.comma)
            }
        };
        Section::new(words.followers, vec![Part::Line(line)])
    }

    /// LINE's count of a day's pushes; while LINE counts, ours beside it.
    fn pushes(&self, day: &Day) -> String {
        let words = self.words();
        match day.delivered.known() {
            Some(DayFigure::Ready(count)) => count.to_string(),
            Some(DayFigure::Unready) => {
                let own = day.own.known().map(|own| fill(words.own_count, &[("n", &own.sent)]));
                let aside = own.map_or(String::new(), |text| fill(words.aside, &[("text", &text)]));
                format!("{}{aside}", words.unready)
            }
            Some(DayFigure::Unavailable(_)) => {
                format!("{}{}", words.missing, fill(words.aside, &[("text", &words.why.not_told)]))
            }
            None => words.missing.to_owned(),
        }
    }

    /// Why a figure is missing.
    fn why(&self, why: &Why) -> String {
        let words = &self.words().why;
        let of = |text: &str, partner: &Partner| fill(text, &[("partner", &(words.partner)(*partner))]);
        match why {
            Why::TimedOut => words.timed_out.to_owned(),
            Why::OfThatDayOnly => words.of_that_day_only.to_owned(),
            Why::NotKept => words.not_kept.to_owned(),
            Why::NoAnswer(partner) => of(words.no_answer, partner),
            Why::Refused(partner, code) => fill(&of(words.refused, partner), &[("code", code)]),
            Why::Unusable(partner) => of(words.unusable, partner),
            Why::Secret(partner) => of(words.secret, partner),
            Why::NoToken(partner) => of(words.no_token, partner),
            Why::SharedCredential => words.shared_credential.to_owned(),
            Why::Aws => words.aws.to_owned(),
        }
    }

    /// A reason's words; a reason that this version does not know stands for itself.
    fn reason<'a>(&self, name: &'a str) -> &'a str {
        let known = Reason::ALL.into_iter().find(|reason| reason.name() == name);
        known.map_or(name, self.words().reason)
    }

    /// `2026-09-08 09:00:05（UTC+8）`.
    fn time(&self, time: OffsetDateTime) -> String {
        let Ok(timestamp) = Timestamp::from_second(time.unix_timestamp()) else { return String::new() };
        let zoned = timestamp.to_zoned(self.zone.clone());
        let seconds = zoned.offset().seconds();
        let minutes = if seconds % 3600 == 0 { String::new() } else { format!(":{:02}", seconds.abs() / 60 % 60) };
        let zone = format!("UTC{:+}{minutes}", seconds / 3600);
        fill(self.words().time, &[("time", &zoned.strftime("%Y-%m-%d %H:%M:%S")), ("zone", &zone)])
    }

    /// A figure, and by how much it is another than before.
    fn with_change(&self, figure: String, now: u64, before: Option<u64>) -> String {
        match before.map(|before| i128::from(now) - i128::from(before)) {
            None | Some(0) => figure,
            Some(change) => format!("{figure}{}", fill(self.words().aside, &[("text", &signed(change))])),
        }
    }
}

/// Views or clicks of a day, as far as LINE tells them. LINE has one null for "under 20 people", "not counted yet" and
/// "nothing of the kind".
#[derive(Debug, PartialEq, Eq)]
enum People {
    /// So many.
    Count(u64),
    /// Under 20, that is certain.
    Few,
    /// Under 20, or not counted yet.
    FewOrUncounted,
    /// There was nothing to tap.
    NoLink,
    /// It could not be read.
    Missing,
}

impl Edition<'_> {
    /// A day's views and clicks.
    fn seen(&self, day: &Day) -> [People; 2] {
        let Some(Interaction { unique_impression, unique_click, .. }) = day.interaction.known() else {
            return [People::Missing, People::Missing];
        };
        // LINE has counted where it tells one of the two; it corrects a day for 14 days; and fewer messages than 20 had
        // fewer readers.
        let is_counted = unique_impression.or(*unique_click).is_some();
        let is_frozen = day.day == (self.date - time::Duration::DAY * u32::from(DAYS)).to_string();
        let were_few = day.own.known().is_some_and(|own| own.sent + own.open + own.all_failed() < 20);
        let is_certain = is_counted || is_frozen || were_few;
        let people = |count: Option<u64>| match count {
            Some(count) => People::Count(count),
            None if is_certain => People::Few,
            None => People::FewOrUncounted,
        };
        let has_nothing_to_tap = unique_click.is_none() && day.has_links == Some(false);
        [people(*unique_impression), if has_nothing_to_tap { People::NoLink } else { people(*unique_click) }]
    }

    /// In words.
    fn people(&self, people: &People) -> String {
        let words = self.words();
        match people {
            People::Count(count) => count.to_string(),
            People::Few => words.few.to_owned(),
            People::FewOrUncounted => words.few_or_uncounted.to_owned(),
            People::NoLink => words.no_link.to_owned(),
            People::Missing => words.missing.to_owned(),
        }
    }
}

/// `+12`, `−3`: with a minus that is as wide as a digit.
fn signed(number: i128) -> String {
    let sign = if number < 0 { '−' } else { '+' };
    format!("{sign}{}", grouped(u64::try_from(number.unsigned_abs()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
