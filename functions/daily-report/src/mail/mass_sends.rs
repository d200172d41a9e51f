//! Sobot's mass sends of yesterday, and LINE's broadcasts.

use shared::language::grouped;

use super::{
    Edition,
    layout::{Part, Section},
};
use crate::{
    mass_sends::{Failure, Incomplete, MassSends, Reach, Task},
    source::Source,
    words::fill,
};

impl Edition<'_> {
    /// Sobot's mass sends; nothing on a stack without Sobot.
    pub(super) fn mass_sends(&self) -> Option<Section> {
        let (words, MassSends { tasks, failures, .. }) = (self.words(), self.figures.mass_sends.as_ref()?);
        let counts = |names: &[&str], counts: &[Option<u64>]| {
            let number = |count: &Option<u64>| count.map_or("?".to_owned(), grouped);
            let counts = names.iter().zip(counts).map(|(name, count)| format!("{name} {}", number(count)));
            counts.collect::<Vec<_>>().join(words.comma)
        };
        let more = |all: u64, listed: usize| {
            let left = all.saturating_sub(listed as u64);
            (left > 0).then(|| fill(words.more, &[("n", &grouped(left))]))
        };
        let mut lines = Vec::new();
        match tasks {
            Source::Missing(_) => lines.push(self.pair(words.tasks, words.missing)),
            Source::Known(all) if all.read == 0 => lines.push(self.pair(words.tasks, words.none)),
            Source::Known(all) => {
                let sums = counts(&words.task_columns, &[all.estimated, all.sent, all.failed].map(Some));
                let of_reach = |reach: Option<Reach>| {
                    counts(&words.reach_columns, &[reach.map(|reach| reach.delivered), reach.map(|reach| reach.read)])
                };
                let read = self.as_far_as_read(all.read, all.incomplete.as_ref());
                let reach = of_reach(all.reach());
                lines.push(self.pair(words.tasks, &format!("{read}{}{sums}{}{reach}", words.semicolon, words.comma)));
                let task = |task: &Task| {
                    let sent = counts(&words.task_columns, &[task.estimated, task.sent, task.failed]);
                    let goes_on = task.goes_on.then(|| fill(words.aside, &[("text", &words.goes_on)]));
                    let told = [sent, of_reach(task.reach)].join(words.comma) + &goes_on.unwrap_or_default();
                    format!("- {}", self.pair(&task.name, &told))
                };
                lines.extend(all.named.iter().map(task));
                lines.extend(more(all.read, all.named.len()));
            }
        }
        match failures {
            Source::Missing(_) => lines.push(self.pair(words.failures, words.missing)),
            Source::Known(all) if all.read == 0 && all.incomplete.is_none() => {
                lines.push(self.pair(words.failures, words.none));
            }
            Source::Known(all) => {
                lines.push(self.pair(words.failures, &self.as_far_as_read(all.read, all.incomplete.as_ref())));
                let failure = |one: &Failure| {
                    let code = fill(words.error_code, &[("code", &one.error_code)]);
                    let name = [one.task.as_str(), &code].join(words.comma);
                    format!("- {}", self.pair(&name, &grouped(one.count)))
                };
                lines.extend(all.named.iter().map(failure));
                lines.extend(more(all.kinds, all.named.len()));
            }
        }
        let note = Part::Note(words.mass_sends_note.to_owned());
        Some(Section::new(words.mass_sends, lines.into_iter().map(Part::Line).chain([note]).collect()))
    }

    /// How many of them were read, and of how much of the list where that is not all of it.
    fn as_far_as_read(&self, count: u64, incomplete: Option<&Incomplete>) -> String {
        let words = self.words();
        let cut = incomplete.map(|Incomplete { read, total, .. }| match total {
            Some(total) => fill(words.only_read_of, &[("n", &grouped(*read)), ("total", &grouped(*total))]),
            None => fill(words.only_read, &[("n", &grouped(*read))]),
        });
        let aside = cut.map_or(String::new(), |cut| fill(words.aside, &[("text", &cut)]));
        format!("{}{aside}", grouped(count))
    }

    /// What the operator registered.
    pub(super) fn broadcasts(&self) -> Option<Section> {
        let words = self.words();
        let lines = self.figures.broadcasts.iter().map(|one| {
            let told = match one.interaction.known() {
                None => words.missing.to_owned(),
                Some(all) => match (all.delivered, all.unique_impression, all.unique_click) {
                    (None, None, None) => words.not_available.to_owned(),
                    (delivered, viewed, clicked) => {
                        let count = |count: Option<u64>| count.map_or("—".to_owned(), grouped);
                        let [_, d, v, c] = words.columns;
                        let counts = [(d, delivered), (v, viewed), (c, clicked)];
                        let counts = counts.map(|(name, number)| format!("{name} {}", count(number)));
                        counts.join(words.comma)
                    }
                },
            };
            Part::Line(self.pair(&one.request_id, &told))
        });
        (!self.figures.broadcasts.is_empty()).then(|| Section::new(words.broadcasts, lines.collect()))
    }
}
