//! The mail at nine: figures of LINE and of our own, once a day, and the warning before the quota is gone.
//!
//! Scheduler and Lambda both start a report at least once; [`shared::report::reports`] makes it one mail. Three steps:
//! begin, read, send. What was read is kept before the mail goes out, so that a run that follows a failure asks LINE
//! and Sobot only for what is still missing (LINE's insight endpoints allow 60 calls an hour; a report takes at most
//! 25, and of Sobot at most 20 pages). One source may fail alone: the mail says which and why.

pub mod figures;
pub mod mail;
pub mod mass_sends;
pub mod source;
pub mod words;

use std::time::Duration;

use jiff::tz::TimeZone;
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    aws::error::AwsError,
    clock::Clock,
    language::Language,
    metric,
    report::{
        mail::{MailError, Mailer},
        quota_warning::QuotaWarning,
        reports::{Begun, Reports},
    },
};
use time::{Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::figures::{Figures, Known, Sources};

/// Longer than the function may run, shorter than Lambda's second retry is away.
const LEASE: Duration = Duration::from_secs(150);
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
    /// Only looks whether that day's mail was sent, and tells CloudWatch.
    pub check: bool,
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
    /// The warning, to the same list.
    pub warning: QuotaWarning,
    /// `zh-CN` or `en`.
    pub language: Language,
    /// The zone whose days the mails are for.
    pub zone: TimeZone,
    /// The time.
    pub clock: Clock,
}

impl DailyReport {
    /// Makes the report that was asked for. An error makes Lambda try again.
    pub async fn handle(&self, event: LambdaEvent<Start>) -> Result<Value, Error> {
        let start = event.payload;
        let date = self.date(&start)?;
        if start.check {
            return Ok(self.check(date).await?);
        }
        let is_today = start.date.is_none() || date == self.day_of(self.clock.now())?;
        let sent = self.report(date, is_today, start.resend).await;
        match &sent {
            Ok(answer) => tracing::info!(report.date = %date, answer = %answer, "report handled"),
            Err(error) => tracing::error!(report.date = %date, %error, "report not sent"),
        }
        let warned = self.warn().await.inspect_err(|error| tracing::error!(%error, "the quota could not be watched"));
        let mut answer = sent?;
        match warned {
            Ok(warned) => answer["warned"] = json!(warned),
            // Another try would send the mail again, which was asked for reports.
            Err(error) if start.resend => answer["warnError"] = json!(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(answer)
    }

    /// Looks whether the day's mail was sent. An error makes Lambda look again: whoever cannot look knows nothing.
    async fn check(&self, date: Date) -> Result<Value, AwsError> {
        let sent = self.reports.is_done(&id_of(date)).await?;
        metric::report_missing(!sent);
        if sent {
            tracing::info!(report.date = %date, "the report was sent");
        } else {
            tracing::error!(report.date = %date, "the report was not sent");
        }
        Ok(json!({ "date": date.to_string(), "report": if sent { "already_sent" } else { "missing" } }))
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
                let time = OffsetDateTime::parse(time, &Rfc3339)
                    .map_err(|_| format!("scheduledTime must be an RFC 3339 time, not {time:?}"))?;
                self.day_of(time)
            }
            None => self.day_of(self.clock.now()),
        }
    }

    async fn report(&self, date: Date, is_today: bool, resend: bool) -> Result<Value, Error> {
        let claimed = match self.reports.begin(&id_of(date), LEASE, resend).await? {
            Begun::Claimed(claimed) => claimed,
            Begun::Completed => return Ok(json!({ "date": date.to_string(), "report": "already_sent" })),
            Begun::InProgress => return Err("another run is at this report".into()),
        };
        // A document of another version is as good as none: the figures are read again.
        let figures = |document: Option<String>| serde_json::from_str::<Figures>(&document?).ok();
        let kept = figures(claimed.document);
        let known = async {
            Ok::<_, AwsError>(Known {
                month_then: kept.as_ref().map(|figures| figures.month.clone()),
                // A mail that is sent again has what LINE tells by now; a run after a failure goes on with what was
                // read.
                earlier: kept.filter(|_| !resend),
                yesterday: figures(self.reports.document(&id_of(date.previous_day().unwrap_or(date))).await?),
                broadcasts: self.registered_broadcasts().await?,
                is_today,
            })
        };
        let sent = async { self.read_and_send(&known.await?, date, claimed.may_be_out).await }.await;
        match sent {
            Ok(message_id) => {
                metric::report_sent();
                self.reports.done(&id_of(date)).await?;
                Ok(json!({ "date": date.to_string(), "report": "sent", "messageId": message_id }))
            }
            Err(error) => {
                let may_be_out = error.downcast_ref::<MailError>().is_some_and(|error| error.may_be_out);
                if let Err(problem) = self.reports.release(&id_of(date), claimed.may_be_out || may_be_out).await {
                    tracing::warn!(error = %problem, "the lease ends by itself");
                }
                Err(error)
            }
        }
    }

    async fn read_and_send(&self, known: &Known, date: Date, may_be_repeat: bool) -> Result<String, Error> {
        let figures = self.sources.read(date, self.clock.now(), known).await;
        self.reports.sending(&id_of(date), Some(&serde_json::to_string(&figures)?)).await?;
        let mail = mail::mail(&figures, known.yesterday.as_ref(), date, may_be_repeat, self.language);
        Ok(self.mailer.send(&mail).await?)
    }

    /// Request ids of broadcasts, registered by the operator under `broadcasts` as a JSON list; the latest come last.
    async fn registered_broadcasts(&self) -> Result<Vec<String>, AwsError> {
        let Some(list) = self.reports.document("broadcasts").await? else { return Ok(Vec::new()) };
        match serde_json::from_str::<Vec<String>>(&list) {
            Ok(mut ids) => Ok(ids.split_off(ids.len().saturating_sub(MAX_BROADCASTS))),
            Err(_) => {
                tracing::warn!("the document of `broadcasts` must be a JSON list of request ids; none is reported");
                Ok(Vec::new())
            }
        }
    }

    async fn warn(&self) -> Result<Option<u64>, Error> {
        let (quota, used) = self.sources.channel.month().await?;
        Ok(self.warning.check(quota, used, self.clock.now()).await?)
    }
}

/// What the mail of a day stands under in the reports' table.
fn id_of(date: Date) -> String {
    format!("report#{date}")
}
