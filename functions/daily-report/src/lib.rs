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

use std::collections::BTreeMap;

use aws_lambda_events::sqs::SqsEvent;
use jiff::tz::TimeZone;
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    aws::error::AwsError,
    clock::Clock,
    foreign_json,
    invalid::Invalid,
    lambda::batch::Batch,
    language::Language,
    metric,
    report::{
        daily::{Start, day_of, days_before, id_of, kept_of},
        latest::LatestMail,
        mail::{Mail, Mailer},
        reports::{Begun, Claim, Kept, LEASE, Reports},
        stack::Stack,
    },
};
use time::Date;

use crate::{
    figures::{Figures, Known, Sources},
    mail::Edition,
};

/// The most broadcasts that a report asks for.
const MAX_BROADCASTS: usize = 5;

/// What comes: by the queue what operators ask for in the console, by itself what a schedule or a command has.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Starts {
    /// Each message is a [`Start`].
    Queue(SqsEvent),
    /// One.
    One(Start),
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
    /// Makes what was asked for. An error makes Lambda try again, or leaves the message in the queue.
    pub async fn handle(&self, event: LambdaEvent<Starts>) -> Result<Value, Error> {
        let messages = match event.payload {
            Starts::One(start) => return self.run(start).await,
            Starts::Queue(event) => event.records,
        };
        let mut batch = Batch::default();
        for message in &messages {
            let start = Start::of_letter(message.body.as_deref().unwrap_or_default());
            let run = match start {
                Some(start) => self.run(start).await.map(|_| ()),
                None => Err(Invalid::from("no report is asked for").into()),
            };
            if let Err(error) = run {
                tracing::warn!(%error, "the message stays in the queue");
                batch.keep(message);
            }
        }
        Ok(serde_json::to_value(batch.finish(async {}).await)?)
    }

    async fn run(&self, start: Start) -> Result<Value, Error> {
        let date = self.date(&start)?;
        let is_today = start.date.is_none() || date == day_of(self.clock.now(), &self.zone)?;
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

    fn date(&self, start: &Start) -> Result<Date, Error> {
        let day = start.day(&self.zone, self.clock.now())?;
        // It would count as sent when its morning comes.
        if start.date.is_some() && day > day_of(self.clock.now(), &self.zone)? {
            return Err("date must not be in the future".into());
        }
        Ok(day)
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
            tokio::try_join!(self.reports_before(date), self.registered_broadcasts(), last_look)?;
        let yesterday = former.last_key_value().and_then(|(_, report)| report.document.clone());
        let known = Known {
            month_then: kept.as_ref().map(|figures| (figures.month_as_of, figures.month.clone())),
            // A mail that is sent again has what LINE tells by now; a run after a failure goes on with what was read.
            earlier: kept.filter(|_| !resend),
            yesterday: yesterday.as_deref().and_then(figures),
            last_look,
            broadcasts,
            is_today,
            former_reports: former,
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

    async fn reports_before(&self, date: Date) -> Result<BTreeMap<Date, Kept>, AwsError> {
        kept_of(&self.reports, &days_before(date)).await
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
