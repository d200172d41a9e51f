//! LINE's calendar: its days are those of UTC+9.

use time::{Date, OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description};

/// The day it is for LINE.
pub fn line_day(time: OffsetDateTime) -> Date {
    time.to_offset(UtcOffset::from_hms(9, 0, 0).unwrap_or(UtcOffset::UTC)).date()
}

/// When a day begins for LINE.
pub fn day_start(day: Date) -> OffsetDateTime {
    day.midnight().assume_offset(UtcOffset::from_hms(9, 0, 0).unwrap_or(UtcOffset::UTC))
}

/// `20260901`.
pub fn compact(day: Date) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]");
    day.format(FORMAT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn a_day_is_lines_day() {
        let day = |time| compact(line_day(time));
        assert_eq!(day(datetime!(2026-09-01 14:59:59 UTC)), "20260901");
        assert_eq!(day(datetime!(2026-09-01 15:00:00 UTC)), "20260902");
        assert_eq!(day_start(date!(2026 - 09 - 02)), datetime!(2026-09-01 15:00:00 UTC));
    }
}
