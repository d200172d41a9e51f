//! The mail at nine: figures of LINE and of our own, once a day.
//!
//! Scheduler and Lambda both start a report at least once; [`shared::report::reports`] makes it one mail. Three steps:
//! begin, read, send. What was read is kept before the mail goes out, so that a run that follows a failure asks LINE
//! and Sobot only for what is still missing (LINE's insight endpoints allow 60 calls an hour; a report takes at most
//! 25, and of Sobot at most 20 pages). One source may fail alone: the mail says which and why.
//!
//! A quarter past nine the check begins the same mail as nine o'clock did: it sends what nobody sent.

pub mod chart;
pub mod figures;
pub mod mail;
pub mod mass_sends;
pub mod source;
pub mod words;

use jiff::tz::TimeZone;
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    aws::error::AwsError,
    clock::Clock,
    foreign_json,
    language::Language,
    metric,
    report::{
        latest::LatestMail,
        mail::{Mail, Mailer},
        reports::{Begun, Claim, Kept, LEASE, Reports},
        stack::Stack,
    },
};
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::{
    figures::{DAYS, Figures, Known, Sources},
    mail::Edition,
};

/// The most broadcasts that a report asks for.
const MAX_BROADCASTS: usize = 5;

/// What starts a report: the schedule with its time, or an operator with a date.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Start {
    /// The schedule's time, RFC 3339.
    pub scheduled_time: Option<String>,
    /// The day of the mail, `2026-09-08`, whatever the schedule says.
    pub date: Option<String>,
    /// Also when that day's mail was sent.
    pub resend: bool,
    /// Sends that day's mail if nobody has, and tells CloudWatch whether it was sent.
    pub check: bool,
}

impl Start {
    fn scheduled_at(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(self.scheduled_time.as_deref()?, &Rfc3339).ok()
    }
}

/// The function with what it calls.
#[derive(Debug)]
pub struct DailyReport {
    /// Where figures come from.
    pub sources: Sources,
    /// The reports' table.
    pub reports: Reports,
    /// The list that reads it.
    pub mailer: Mailer,
    /// `zh-CN`, `ja` or `en`.
    pub language: Language,
    /// Whose report it is.
    pub stack: Stack,
    /// The zone whose days the mails are for.
    pub zone: TimeZone,
    /// The time.
    pub clock: Clock,
}

/// What became of the mail of a day.
#[derive(Debug)]
enum Report {
    /// It went out now; none where SES did not say so twice, and it counts as sent.
    Sent(Option<String>),
    /// It went out before.
    AlreadySent,
    /// Another run is at it.
    InProgress,
}

impl DailyReport {
    /// Makes the report that was asked for. An error makes Lambda try again.
    pub async fn handle(&self, event: LambdaEvent<Start>) -> Result<Value, Error> {
        let start = event.payload;
        let date = self.date(&start)?;
        let is_today = start.date.is_none() || date == self.day_of(self.clock.now())?;
        let report = self.report(date, is_today, start.resend).await;
        if start.check {
            self.tell_check(&start, &report);
        }
        match &report {
            Ok(report) => tracing::info!(report.date = %date, ?report, "report handled"),
            Err(error) => tracing::error!(report.date = %date, %error, "report not sent"),
        }
        let date = date.to_string();
        match report? {
            Report::Sent(Some(id)) => Ok(json!({ "date": date, "report": "sent", "messageId": id })),
            Report::Sent(None) => Ok(json!({ "date": date, "report": "not_known" })),
            Report::AlreadySent => Ok(json!({ "date": date, "report": "already_sent" })),
            Report::InProgress => Err("another run is sending this report".into()),
        }
    }

    /// Tells CloudWatch what the check found. While another run may be at the mail nothing is known: Lambda's second
    /// retry looks again when its lease is over.
    fn tell_check(&self, start: &Start, report: &Result<Report, Error>) {
        let over = start.scheduled_at().is_none_or(|at| self.clock.now() >= at + LEASE);
        match report {
            Ok(Report::Sent(_) | Report::AlreadySent) => metric::report_missing(false),
            Ok(Report::InProgress) if !over => {}
            Ok(Report::InProgress) | Err(_) => metric::report_missing(true),
        }
    }

    fn day_of(&self, time: OffsetDateTime) -> Result<Date, Error> {
        let local = jiff::Timestamp::from_second(time.unix_timestamp())?.to_zoned(self.zone.clone()).date();
        let month = u8::try_from(local.month())?.try_into()?;
        Ok(Date::from_calendar_date(local.year().into(), month, u8::try_from(local.day())?)?)
    }

    fn date(&self, start: &Start) -> Result<Date, Error> {
        if let Some(date) = &start.date {
            let day = Date::parse(date, format_description!("[year]-[month]-[day]"))
                .map_err(|_| format!("date must be a day such as 2026-09-08, not {date:?}"))?;
            // It would count as sent when its morning comes.
            return if day > self.day_of(self.clock.now())? {
                Err("date must not be in the future".into())
            } else {
                Ok(day)
            };
        }
        match &start.scheduled_time {
            Some(time) => {
                let at = start.scheduled_at();
                self.day_of(at.ok_or_else(|| format!("scheduledTime must be an RFC 3339 time, not {time:?}"))?)
            }
            None => self.day_of(self.clock.now()),
        }
    }

    async fn report(&self, date: Date, is_today: bool, resend: bool) -> Result<Report, Error> {
        let claim = match self.reports.begin(&id_of(date), resend).await? {
            Begun::Claimed(claim) => claim,
            Begun::Completed => return Ok(Report::AlreadySent),
            Begun::InProgress => return Ok(Report::InProgress),
        };
        let mail = match self.write(&claim, date, is_today, resend).await {
            Ok(mail) => mail,
            Err(error) => {
                self.reports.give_back(&claim).await;
                return Err(error);
            }
        };
        let sent = self.reports.send(&claim, &self.mailer, &mail).await?;
        metric::report_sent();
        Ok(Report::Sent(sent))
    }

    /// Reads the figures and makes the mail of them.
    async fn write(&self, claim: &Claim, date: Date, is_today: bool, resend: bool) -> Result<Mail, Error> {
        // A document of another version is as good as none: the figures are read again.
        let figures = |document: &str| serde_json::from_str::<Figures>(document).ok();
        let kept = claim.document().and_then(figures);
        let last_look = async {
            let last_month = (date.day() == 1).then(|| date.previous_day()).flatten();
            match last_month {
                Some(day) => self.reports.last_look(day).await,
                None => Ok(None),
            }
        };
        let (former, broadcasts, last_look) =
            tokio::try_join!(self.former_reports(date), self.registered_broadcasts(), last_look)?;
        let yesterday = former.last().and_then(|(_, report)| report.document.clone());
        let known = Known {
            month_then: kept.as_ref().map(|figures| (figures.month_as_of, figures.month.clone())),
            // A mail that is sent again has what LINE tells by now; a run after a failure goes on with what was read.
            earlier: kept.filter(|_| !resend),
            yesterday: yesterday.as_deref().and_then(figures),
            last_look,
            broadcasts,
            is_today,
            former_reports: former.iter().map(|(day, report)| (*day, report.is_done)).collect(),
        };
        let mut figures = self.sources.read(date, self.clock.now(), &known, &self.mailer).await;
        self.reports.store(&id_of(date), &serde_json::to_string(&figures)?).await?;
        known.leave_out_days_before_the_stack(&mut figures.days);
        let edition = Edition {
            figures: &figures,
            yesterday: known.yesterday.as_ref(),
            date,
            language: self.language,
            stack: &self.stack,
            zone: &self.zone,
            may_be_a_repeat: claim.may_be_a_repeat(),
        };
        let mail = edition.mail();
        if is_today {
            LatestMail { date, mail: mail.clone() }.keep(&self.reports).await;
        }
        Ok(mail)
    }

    /// What is kept of the reports of the days whose figures the mail has, the earliest first.
    async fn former_reports(&self, date: Date) -> Result<Vec<(Date, Kept)>, AwsError> {
        let days: Vec<_> = (1..=u32::from(DAYS)).rev().map(|before| date - time::Duration::DAY * before).collect();
        let ids: Vec<_> = days.iter().map(|day| id_of(*day)).collect();
        Ok(days.into_iter().zip(self.reports.kept_of_each(&ids).await?).collect())
    }

    /// Request ids of broadcasts, registered by the operator under `broadcasts` as a JSON list; the latest come last.
    async fn registered_broadcasts(&self) -> Result<Vec<String>, AwsError> {
        let Some(list) = self.reports.document("broadcasts").await? else { return Ok(Vec::new()) };
        let (mut ids, left_out) = request_ids(&list);
        if left_out > 0 {
            tracing::warn!(left_out, "the document of `broadcasts` must be a JSON list of request ids");
        }
        Ok(ids.split_off(ids.len().saturating_sub(MAX_BROADCASTS)))
    }
}

/// The ids of a list that a person wrote, and how many of its members are none: those only are lost.
fn request_ids(list: &str) -> (Vec<String>, usize) {
    let Ok(members) = foreign_json::parse::<Vec<Value>>(list) else { return (Vec::new(), 1) };
    let ids: Vec<_> = members.iter().filter_map(|member| Some(member.as_str()?.to_owned())).collect();
    let left_out = members.len() - ids.len();
    (ids, left_out)
}

/// What the mail of a day stands under in the reports' table.
fn id_of(date: Date) -> String {
    format!("report#{date}")
}

#[cfg(test)]
mod tests {
    use super::request_ids;

    #[test]
    fn of_a_list_that_a_person_wrote_what_is_no_id_is_left_out_alone() {
        for (list, ids, left_out) in [
            (r#"["a", "b"]"#, vec!["a", "b"], 0),
            (r#"["a", 7, null, "b"]"#, vec!["a", "b"], 2),
            ("\u{FEFF}[\"a\"]", vec!["a"], 0),
            ("[]", vec![], 0),
            ("a", vec![], 1),
            (r#"{"a": "b"}"#, vec![], 1),
        ] {
            assert_eq!(request_ids(list), (ids.into_iter().map(str::to_owned).collect(), left_out), "{list}");
        }
    }
}
