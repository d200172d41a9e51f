//! The table: written, read again, and compared with another.

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};

use crate::measure::Figures;

const COLUMNS: [&str; 17] = [
    "event",
    "init ms",
    "cold ms",
    "÷ floor",
    "cold CPU ms",
    "peak MB",
    "warm ms",
    "÷ floor",
    "p99 ms",
    "warm CPU µs",
    "a call ÷ floor",
    "calls, connections, steps cold",
    "calls, steps warm",
    "network ms",
    "÷ its path",
    "binary MB",
    "zip MB",
];

/// The head of the table.
pub fn head() -> String {
    format!("| {} |\n| --- {}|\n", COLUMNS.join(" | "), "| --: ".repeat(COLUMNS.len() - 1))
}

/// A row of it.
pub fn row(name: &str, figures: &Figures) -> String {
    let list = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {:.1} | {:.2} | {:.0} | {:.1} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} |\n",
        figures.init,
        figures.cold,
        figures.cold_ratio,
        figures.cold_cpu,
        figures.memory,
        figures.warm,
        figures.warm_ratio,
        figures.warm_p99,
        figures.warm_cpu,
        figures.call_cpu_ratio,
        list(&figures.cold_calls),
        list(&figures.warm_calls),
        figures.network,
        figures.network_ratio,
        figures.size,
        figures.zip,
    )
}

/// A table as it was written: its rows, each with its name.
struct Table {
    columns: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    fn read(text: &str) -> anyhow::Result<Self> {
        let mut lines = text
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
        let columns = lines.next().context("no table")?;
        let rows = lines.filter(|cells| !cells.iter().any(|cell| cell.starts_with("---")));
        let rows: Vec<_> = rows.map(|mut cells| (cells.remove(0), cells)).collect();
        ensure!(
            rows.iter().all(|(_, cells)| cells.len() + 1 == columns.len()),
            "a row has not as many cells as the head"
        );
        Ok(Self { columns, rows })
    }
}

/// What became of each figure, as a share of the earlier one; of what is no number, both.
pub fn compared(earlier: &str, later: &str) -> anyhow::Result<String> {
    let (earlier, later) = (Table::read(earlier)?, Table::read(later)?);
    ensure!(earlier.columns == later.columns, "the tables have not the same columns");
    let mut table = format!("| {} |\n| --- {}|\n", later.columns.join(" | "), "| --: ".repeat(later.columns.len() - 1));
    for (name, cells) in &later.rows {
        let Some((_, before)) = earlier.rows.iter().find(|(earlier, _)| earlier == name) else { continue };
        let cells = before.iter().zip(cells).map(|(before, after)| match (before.parse(), after.parse()) {
            (Ok(before), Ok(after)) => format!("{:.2}", share(before, after)),
            _ if before == after => "=".to_owned(),
            _ => format!("{before} → {after}"),
        });
        writeln!(table, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(table)
}

fn share(before: f64, after: f64) -> f64 {
    after / before
}
