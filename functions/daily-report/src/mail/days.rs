//! Yesterday beside the days that it compares with, and the last 14 days.

use std::collections::BTreeMap;

use shared::{delivery::day::DayCount, language::grouped, line::statistics::DayFigure};

use super::{
    CHART, Edition, People,
    layout::{Part, Section},
    signed,
    todo::short,
};
use crate::{
    chart::{self, Bar},
    figures::Day,
    words::fill,
};

/// The days beside yesterday: the one before, and the same weekday.
const COMPARED: [usize; 3] = [0, 1, 7];
/// A figure that could not be read.
const MISSING: &str = "?";
/// Under 20 people, or not counted yet.
const NOTHING: &str = "—";

impl Edition<'_> {
    /// Yesterday beside the day before and the same weekday: what LINE counted, and what we did.
    pub(super) fn of_yesterday(&self) -> Section {
        let words = &self.words().yesterday;
        let [name, compared @ ..] = words.columns;
        let days = COMPARED.iter().zip(compared);
        let days: Vec<_> = days.filter_map(|(ago, name)| Some((name, self.figures.days.get(*ago)?))).collect();
        let columns =
            [name.to_owned()].into_iter().chain(days.iter().map(|(name, day)| format!("{name}\n{}", short(&day.day))));
        let row = |name: &str, cell: &dyn Fn(&Day) -> String| {
            [name.to_owned()].into_iter().chain(days.iter().map(|(_, day)| cell(day))).collect::<Vec<_>>()
        };
        let [pushes, views, view_rate, clicks, click_rate] = words.of_line;
        let own = |figure: fn(&DayCount) -> u64| {
            move |day: &Day| day.own.known().map_or(MISSING.to_owned(), |own| grouped(figure(own)))
        };
        let rows = vec![
            row(pushes, &|day| self.pushes_cell(day)),
            row(views, &|day| self.cell(&self.seen(day)[0])),
            row(view_rate, &|day| rate(&self.seen(day)[0], day).unwrap_or(NOTHING.to_owned())),
            row(clicks, &|day| self.cell(&self.seen(day)[1])),
            row(click_rate, &|day| match &self.seen(day)[1] {
                People::NoLink => self.cell(&People::NoLink),
                clicks => rate(clicks, day).unwrap_or(NOTHING.to_owned()),
            }),
            row(words.sent, &own(|own| own.sent)),
            row(words.retried, &own(|own| own.retried)),
            row(words.open, &own(|own| own.open)),
            row(words.suppressed, &own(|own| own.suppressed.values().sum())),
            row(words.failed, &own(DayCount::all_failed)),
        ];
        let mut parts = vec![Part::Table { columns: columns.collect(), rows }];
        if let Some(own) = self.figures.yesterday().and_then(|day| day.own.known())
            && !own.suppressed.is_empty()
        {
            parts.push(Part::Line(self.pair(words.suppressed, &self.by_reason(&own.suppressed))));
        }
        parts.extend(self.latest_complete_day().map(Part::Line));
        parts.extend(self.difference().map(Part::Line));
        parts.push(Part::Note(words.note.to_owned()));
        Section::new(words.heading, parts)
    }

    pub(super) fn pair(&self, name: &str, value: &str) -> String {
        fill(self.words().pair, &[("name", &name), ("value", &value)])
    }

    fn by_reason(&self, counts: &BTreeMap<String, u64>) -> String {
        let counts = counts.iter().map(|(reason, count)| format!("{} {}", self.reason(reason), grouped(*count)));
        counts.collect::<Vec<_>>().join(self.words().and)
    }

    /// LINE's count; while it counts, only that it does: our own stands below.
    fn pushes_cell(&self, day: &Day) -> String {
        match day.delivered.known() {
            Some(DayFigure::Ready(count)) => grouped(*count),
            Some(DayFigure::Unready) => self.words().unready.to_owned(),
            Some(DayFigure::Unavailable(_)) | None => MISSING.to_owned(),
        }
    }

    /// Where yesterday is not counted to its end: the latest day that is.
    fn latest_complete_day(&self) -> Option<String> {
        let words = self.words();
        let is_counted = |people: &People| matches!(people, People::Count(_) | People::Few | People::NoLink);
        let is_complete = |day: &&Day| delivered(day).is_some() && self.seen(day).iter().all(is_counted);
        let day = self.figures.days.iter().find(is_complete)?;
        if self.figures.yesterday().is_some_and(|yesterday| yesterday.day == day.day) {
            return None;
        }
        let [_, delivered_word, viewed_word, clicked_word] = words.columns;
        let figure = |name: &str, people: &People| {
            let rate = rate(people, day).map_or(String::new(), |rate| fill(words.aside, &[("text", &rate)]));
            format!("{name} {}{rate}", self.cell(people))
        };
        let seen = self.seen(day);
        let figures = [
            format!("{delivered_word} {}", self.pushes_cell(day)),
            figure(viewed_word, &seen[0]),
            figure(clicked_word, &seen[1]),
        ];
        Some(fill(words.yesterday.complete, &[("day", &short(&day.day)), ("figures", &figures.join(words.comma))]))
    }

    /// Why the two counts of yesterday differ, where they do.
    fn difference(&self) -> Option<String> {
        let day = self.figures.yesterday()?;
        let difference = i128::from(day.own.known()?.sent) - i128::from(delivered(day)?);
        (difference != 0).then(|| fill(self.words().yesterday.difference, &[("n", &signed(difference))]))
    }

    /// The last 14 days.
    pub(super) fn days(&self) -> Section {
        let words = self.words();
        let rows = self.figures.days.iter().map(|day| self.row(day)).collect();
        let columns = words.columns.map(str::to_owned).into();
        let chart = self.chart().map(|_| Part::Picture { name: CHART, instead: words.chart });
        let table = [Part::Table { columns, rows }, Part::Note(words.days_note.to_owned())];
        Section::new(words.days, chart.into_iter().chain(table).collect())
    }

    /// The days as a picture, from left to right; of one day nothing is to be seen.
    pub(super) fn chart(&self) -> Option<Vec<u8>> {
        let day_of_month = |day: &Day| day.day.get(8..).and_then(|day| day.parse().ok()).unwrap_or(0);
        let bar = |day: &Day| Bar { day: day_of_month(day), figure: delivered(day) };
        let bars: Vec<_> = self.figures.days.iter().rev().map(bar).collect();
        if bars.iter().filter(|bar| bar.figure.is_some()).count() < 2 {
            return None;
        }
        // The table has the same figures.
        chart::png(&bars).inspect_err(|error| tracing::warn!(%error, "no picture of the days")).ok()
    }

    /// A day's figures, each with what it changed by since yesterday's report.
    fn row(&self, day: &Day) -> Vec<String> {
        let before = self.yesterday.and_then(|report| report.days.iter().find(|before| before.day == day.day));
        let pushes = match delivered(day) {
            Some(count) => self.with_change(grouped(count), count, before.and_then(delivered)),
            None => self.pushes_cell(day),
        };
        let then = before.map(|day| self.seen(day));
        let seen = (0..).zip(self.seen(day)).map(|(index, people)| match people {
            People::Count(count) => {
                let before = then.as_ref().and_then(|then: &[People; 2]| match then.get(index) {
                    Some(People::Count(count)) => Some(*count),
                    _ => None,
                });
                self.with_change(grouped(count), count, before)
            }
            other => self.cell(&other),
        });
        [short(&day.day).to_owned(), pushes].into_iter().chain(seen).collect()
    }

    /// In a table: mostly a sign that the note under it explains.
    fn cell(&self, people: &People) -> String {
        match people {
            People::Count(count) => grouped(*count),
            People::Few => "<20".to_owned(),
            People::FewOrUncounted => NOTHING.to_owned(),
            People::NoLink => self.words().no_link_cell.to_owned(),
            People::Missing => MISSING.to_owned(),
        }
    }
}

fn delivered(day: &Day) -> Option<u64> {
    match day.delivered.known() {
        Some(DayFigure::Ready(count)) => Some(*count),
        _ => None,
    }
}

/// Of what was delivered, in per cent, where both are known.
fn rate(people: &People, day: &Day) -> Option<String> {
    match (people, delivered(day)) {
        (People::Count(count), Some(delivered)) if delivered > 0 => {
            let per_mille = u128::from(*count) * 1000 / u128::from(delivered);
            Some(format!("{}.{}%", per_mille / 10, per_mille % 10))
        }
        _ => None,
    }
}
