//! The report of a day: what starts it, what its mail is kept under, and which days had none.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::{
    aws::error::AwsError,
    invalid::Invalid,
    report::reports::{Kept, Reports},
};

/// Days that a mail tells of: LINE corrects a day's figures for 14 days, and tells none of earlier ones.
pub const DAYS: u8 = 14;

/// What starts a report: the schedule with its time, or an operator with a date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Start {
    /// The schedule's time, RFC 3339; of an operator's date, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<String>,
    /// The day of the mail, `2026-09-08`, whatever the schedule says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Also when that day's mail was sent.
    pub resend: bool,
    /// Sends that day's mail if nobody has, and tells CloudWatch whether it was sent.
    pub check: bool,
}

impl Start {
    /// The report of this day, if its mail did not go out. `check`: and tells CloudWatch.
    pub fn of(date: Date, check: bool, now: OffsetDateTime) -> Self {
        let scheduled_time = now.format(&Rfc3339).ok();
        Self { scheduled_time, date: Some(date.to_string()), resend: false, check }
    }

    /// What a dead letter was to start: the scheduler's and the queue's are that themselves, Lambda's has it in a
    /// record of the invocation ("Capturing records of Lambda asynchronous invocations").
    pub fn of_letter(body: &str) -> Option<Self> {
        let mut letter: Value = serde_json::from_str(body).ok().filter(Value::is_object)?;
        let start = match letter.get_mut("requestPayload") {
            Some(payload) => payload.take(),
            None => letter,
        };
        let start: Self = serde_json::from_value(start).ok()?;
        (start.date.is_some() || start.scheduled_time.is_some()).then_some(start)
    }

    /// The schedule's time.
    pub fn scheduled_at(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(self.scheduled_time.as_deref()?, &Rfc3339).ok()
    }

    /// The day of the mail, in the zone of the mails; of nothing at all, today.
    pub fn day(&self, zone: &TimeZone, now: OffsetDateTime) -> Result<Date, Invalid> {
        match (&self.date, &self.scheduled_time) {
            (Some(date), _) => Date::parse(date, format_description!("[year]-[month]-[day]"))
                .map_err(|_| format!("date must be a day such as 2026-09-08, not {date:?}").into()),
            (None, Some(time)) => {
                let at = self.scheduled_at();
                let at = at.ok_or_else(|| format!("scheduledTime must be an RFC 3339 time, not {time:?}"))?;
                day_of(at, zone)
            }
            (None, None) => day_of(now, zone),
        }
    }
}

/// The day of a time, in the zone of the mails.
pub fn day_of(time: OffsetDateTime, zone: &TimeZone) -> Result<Date, Invalid> {
    let local = jiff::Timestamp::from_second(time.unix_timestamp()).map(|at| at.to_zoned(zone.clone()).date());
    let day = local.ok().and_then(|local| {
        let month = u8::try_from(local.month()).ok()?.try_into().ok()?;
        Date::from_calendar_date(local.year().into(), month, u8::try_from(local.day()).ok()?).ok()
    });
    day.ok_or_else(|| "must be a time of this calendar".into())
}

/// What the mail of a day stands under in the reports' table.
pub fn id_of(date: Date) -> String {
    format!("report#{date}")
}

/// What is kept of the reports of these days.
pub async fn kept_of(reports: &Reports, days: &[Date]) -> Result<BTreeMap<Date, Kept>, AwsError> {
    let ids: Vec<_> = days.iter().map(|day| id_of(*day)).collect();
    Ok(days.iter().copied().zip(reports.kept_of_each(&ids).await?).collect())
}

/// The days before this one that its mail tells of, the earliest first.
pub fn days_before(date: Date) -> Vec<Date> {
    (1..=u32::from(DAYS)).rev().map(|before| date - time::Duration::DAY * before).collect()
}

/// Days whose mail did not go out, the earliest first: since the first of these that anybody began. From `not_due` on a
/// day's mail is not due before anybody began it, and while somebody is at one, nobody knows.
pub fn without_mail(kept: &BTreeMap<Date, Kept>, not_due: Date, now: OffsetDateTime) -> Vec<Date> {
    let is_missing = |(day, report): &(&Date, &Kept)| {
        !report.is_done && !report.is_in_progress(now) && (**day < not_due || report.is_begun)
    };
    kept.iter().skip_while(|(_, report)| !report.is_begun).filter(is_missing).map(|(day, _)| *day).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-09-10 02:00 UTC);

    #[test]
    fn a_letter_says_which_report_it_was() {
        let zone = TimeZone::get("Asia/Singapore").unwrap();
        let day = |body: &str| Start::of_letter(body).and_then(|start| start.day(&zone, NOW).ok());
        // Nine in the evening in UTC is the next day there.
        for body in [
            r#"{"scheduledTime": "2026-09-07T21:00:00Z"}"#,
            r#"{"date": "2026-09-08", "check": true, "scheduledTime": "2026-09-10T21:00:00Z"}"#,
            r#"{"requestContext": {}, "requestPayload": {"scheduledTime": "2026-09-07T21:00:00Z"}}"#,
            r#"{"requestPayload": {"date": "2026-09-08"}, "responsePayload": {"errorMessage": "SES"}}"#,
        ] {
            assert_eq!(day(body), Some(date!(2026 - 09 - 08)), "{body}");
        }
        for body in ["", "{}", "[]", "7", r#"{"requestPayload": {}}"#, r#"{"date": "today"}"#, r#"{"date": 7}"#] {
            assert_eq!(day(body), None, "{body}");
        }
        let start = Start::of(date!(2026 - 09 - 08), true, NOW);
        assert_eq!(Start::of_letter(&serde_json::to_string(&start).unwrap()), Some(start));
    }

    #[test]
    fn days_without_a_mail_begin_with_the_first_report() {
        let none = Kept::default();
        let begun = Kept { is_begun: true, ..none.clone() };
        let done = Kept { is_done: true, ..begun.clone() };
        let at_it = Kept { lease_until: Some(NOW + time::Duration::SECOND), ..begun.clone() };
        let days = days_before(date!(2026 - 09 - 10));
        assert_eq!(
            (days.len(), days.first(), days.last()),
            (14, Some(&date!(2026 - 08 - 27)), Some(&date!(2026 - 09 - 09)))
        );
        let without = |kept: [&Kept; 5]| {
            let kept = days.iter().rev().take(5).rev().copied().zip(kept.map(Clone::clone)).collect();
            without_mail(&kept, date!(2026 - 09 - 09), NOW).into_iter().map(|day| day.day()).collect::<Vec<_>>()
        };
        assert_eq!(without([&none, &done, &none, &begun, &done]), [7, 8]);
        assert_eq!(without([&none, &begun, &done, &done, &at_it]), [6]);
        assert_eq!(without([&done, &done, &none, &done, &none]), [7], "today's is not due");
        assert_eq!(without([&done, &done, &done, &done, &begun]), [9]);
        assert_eq!(without([&none; 5]), [] as [u8; 0]);
    }
}
