//! LINE's calendar: its days are those of UTC+9.

use time::{Date, OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description};

/// The day it is for LINE.
pub fn line_day(time: OffsetDateTime) -> Date {
    time.to_offset(UtcOffset::from_hms(9, 0, 0).unwrap_or(UtcOffset::UTC)).date()
}

/// `20260901`.
pub fn compact(day: Date) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year][month][day]");
    day.format(FORMAT).unwrap_or_default()
}

/// The aggregation unit of the messages that a day's finished orders sent.
pub fn order_finish_unit(day: Date) -> String {
    format!("order_finish_{}", compact(day))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_day_is_lines_day() {
        let unit = |time| order_finish_unit(line_day(time));
        assert_eq!(unit(datetime!(2026-09-01 14:59:59 UTC)), "order_finish_20260901");
        assert_eq!(unit(datetime!(2026-09-01 15:00:00 UTC)), "order_finish_20260902");
    }
}
