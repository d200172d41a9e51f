//! The month's messages: how many there are, how many are used, and how long they last.

use serde::{Deserialize, Serialize};
use time::Date;

/// The month's messages. LINE's month is one of UTC+9; its figures are approximate (LINE: "Get the target limit for
/// sending messages this month", "Get number of messages sent this month").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Month {
    /// The ceiling; none where nobody has set a target limit in LINE Official Account Manager.
    pub limit: Option<u64>,
    /// Sent this month, by every way.
    pub used: u64,
}

impl Month {
    /// What is left; none without a ceiling.
    pub fn remaining(self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.used))
    }

    /// Whether nothing is left.
    pub fn is_used_up(self) -> bool {
        self.remaining() == Some(0)
    }

    /// The share that is used, in tenths of a per cent, rounded down: 1000 or more only where nothing is left.
    pub fn used_per_mille(self) -> Option<u64> {
        let share = (u128::from(self.used) * 1000).checked_div(self.limit?.into()).unwrap_or(1000);
        Some(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// The day on which nothing is left if every day goes on as those of the month before `today` did. None where that
    /// is after the month, or cannot be told on the 1st.
    pub fn used_up_on(self, today: Date) -> Option<Date> {
        let left = self.remaining()?;
        if left == 0 {
            return Some(today);
        }
        let days_passed = u64::from(today.day()) - 1;
        let days_left = (u128::from(left) * u128::from(days_passed)).checked_div(u128::from(self.used))?;
        let day = u128::from(today.day()) + days_left;
        let last = today.month().length(today.year());
        if days_passed == 0 || day > u128::from(last) { None } else { today.replace_day(u8::try_from(day).ok()?).ok() }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn the_pace_of_the_month_tells_when_nothing_is_left() {
        let on = |limit, used, day| Month { limit: Some(limit), used }.used_up_on(day);
        assert_eq!(on(1000, 400, date!(2026 - 09 - 11)), Some(date!(2026 - 09 - 26)), "40 a day, 600 left");
        assert_eq!(on(1000, 300, date!(2026 - 09 - 11)), None, "it lasts: 30 a day, 700 left");
        assert_eq!(on(1000, 1000, date!(2026 - 09 - 11)), Some(date!(2026 - 09 - 11)));
        assert_eq!(on(1000, 999, date!(2026 - 09 - 01)), None, "no pace on the 1st");
        assert_eq!(on(1000, 0, date!(2026 - 09 - 11)), None);
        assert_eq!(Month { limit: None, used: 7 }.used_up_on(date!(2026 - 09 - 11)), None);
        assert_eq!(on(u64::MAX, u64::MAX - 1, date!(2026 - 09 - 30)), Some(date!(2026 - 09 - 30)));
    }

    #[test]
    fn a_share_is_whole_only_where_nothing_is_left() {
        let share = |limit, used| Month { limit: Some(limit), used }.used_per_mille();
        assert_eq!(
            [share(3, 2), share(1000, 999), share(0, 0), share(10, 15)].map(Option::unwrap),
            [666, 999, 1000, 1500]
        );
        assert!(Month { limit: Some(0), used: 0 }.is_used_up());
        assert!(!Month { limit: None, used: 9 }.is_used_up());
    }
}
