//! `GET /reports`: which days have no report, and who gets no mail. `POST /reports/{date}/run`: the report of a day is
//! sent, if nobody has sent it. `GET /reports/preview` and `POST /reports/test-mail`: the latest mail of the report, to
//! look at, and to send to one of those who get it; both take it as it was made.
//!
//! A report takes longer than a call may, so the report's own function makes it. What makes a day's mail one mail holds
//! there: asking twice is asking once.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_sqs::Client;
use jiff::tz::TimeZone;
use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    audit::{AuditKind, Entry},
    aws::error::{AwsError, Doing as _},
    invalid::{Invalid, Rule},
    lambda::http_api::{Problem, json_response},
    order::fields::FieldError,
    report::{
        daily::{DAYS, Start, day_of, days_before, kept_of, without_mail},
        latest::{LatestMail, test_mail},
        mail::SuppressedRecipient,
        reports::Kept,
    },
};
use time::Date;
use tokio::time::timeout;

use crate::{
    CallResult, Caller, Operations,
    input::{self, BodyFields, Query},
    unavailable, without_nulls,
};

/// So long SES may take to tell who gets no mail: the days do not wait for it.
const SUPPRESSED_LIMIT: Duration = Duration::from_secs(5);
/// From midnight until the schedules of nine and a quarter past have seen to the day's mail (`template.yaml`).
const SEEN_TO: time::Duration = time::Duration::minutes(9 * 60 + 20);

/// Where the report's function takes what operators ask for.
#[derive(Debug)]
pub struct ReportQueue {
    client: Client,
    url: String,
}

impl ReportQueue {
    /// The queue at this address.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    async fn send(&self, start: &Start) -> Result<(), AwsError> {
        let send = self.client.send_message().queue_url(&self.url).message_body(json!(start).to_string());
        send.send().await.doing("ask for the report").map(|_| ())
    }
}

impl Operations {
    pub(crate) async fn list_reports(&self, request: &Request) -> CallResult {
        Query::none(request)?;
        let now = self.clock.now();
        let today = self.report_day()?;
        let suppressed = timeout(SUPPRESSED_LIMIT, self.mailer.suppressed());
        let (kept, suppressed) = tokio::join!(self.latest_reports(today), suppressed);
        // Where SES has no answer, or there is none in the region, the days are told all the same.
        let suppressed = match suppressed {
            Ok(told) => told.inspect_err(|error| tracing::warn!(%error, "who gets no mail is not known")).ok(),
            Err(_) => {
                tracing::warn!("SES did not tell in time who gets no mail");
                None
            }
        };
        let missing = without_mail(&kept?, self.first_not_due()?, now);
        let body = without_nulls(json!({
            "date": today.to_string(),
            "missing": missing.iter().map(|day| day.to_string()).collect::<Value>(),
            "suppressed": suppressed.map(|all| all.iter().map(suppressed_json).collect::<Value>()),
        }));
        Ok(json_response(StatusCode::OK, &body))
    }

    pub(crate) async fn run_report(&self, request: &Request, caller: &Caller) -> CallResult {
        let today = self.report_day()?;
        let date = input::path(request, "date", |text| input::day(text).and_then(|day| of_the_latest(day, today)))?;
        let mut fields = BodyFields::of(request, &["reason"])?;
        let operator = fields.operator(caller);
        let operator = fields.finish(operator)?;
        let now = self.clock.now();
        let kept = self.latest_reports(today).await?;
        let first = kept.iter().find(|(_, report)| report.is_begun).map(|(day, _)| *day);
        if first.is_some_and(|first| date < first) {
            let problem = Invalid::by(Rule::SinceTheFirstReport, "must not be before the first report of this stack");
            return Err(input::nothing_done(vec![FieldError::invalid("date", problem)]));
        }
        let report = kept.get(&date).cloned().unwrap_or_default();
        let (status, became) = if report.is_done {
            (StatusCode::OK, "already_sent")
        } else if report.is_in_progress(now) {
            (StatusCode::OK, "in_progress")
        } else {
            let entry = Entry::new(AuditKind::Report, &date.to_string(), &operator, None, now);
            self.audit.note(&entry).await.map_err(unavailable)?;
            // The alarm speaks of the latest mail: while a later one is missing it has to go on.
            let is_latest = without_mail(&kept, self.first_not_due()?, now).iter().all(|missing| *missing <= date);
            self.report_queue.send(&Start::of(date, is_latest, now)).await.map_err(unavailable)?;
            (StatusCode::ACCEPTED, "started")
        };
        Ok(json_response(status, &json!({ "date": date.to_string(), "report": became })))
    }

    fn report_zone(&self) -> Result<&TimeZone, Problem> {
        self.report_zone.as_ref().map_err(|error| {
            tracing::error!(%error, "REPORT_TIME_ZONE is no time zone");
            Problem::unavailable("ReportTimeZone of the stack is no time zone: no day has a report.")
        })
    }

    fn report_day(&self) -> Result<Date, Problem> {
        day_of(self.clock.now(), self.report_zone()?).map_err(unavailable)
    }

    /// The first day whose mail is not due: it goes out at nine, and is seen to until twenty past.
    fn first_not_due(&self) -> Result<Date, Problem> {
        let due = day_of(self.clock.now() - SEEN_TO, self.report_zone()?).map_err(unavailable)?;
        Ok(due.next_day().unwrap_or(due))
    }

    /// What is kept of the reports of today and of the days that a mail tells of.
    async fn latest_reports(&self, today: Date) -> Result<BTreeMap<Date, Kept>, Problem> {
        let days: Vec<_> = days_before(today).into_iter().chain([today]).collect();
        kept_of(&self.reports, &days).await.map_err(unavailable)
    }

    pub(crate) async fn preview_report(&self, request: &Request) -> CallResult {
        Query::none(request)?;
        let latest = LatestMail::read(&self.reports).await.map_err(unavailable)?;
        let body = latest.map_or(json!({}), |LatestMail { date, mail }| {
            let html = mail.html_alone();
            json!({ "date": date.to_string(), "from": mail.from, "subject": mail.subject, "text": mail.text, "html": html })
        });
        Ok(json_response(StatusCode::OK, &body))
    }

    pub(crate) async fn send_test_mail(&self, request: &Request, caller: &Caller) -> CallResult {
        let mut fields = BodyFields::of(request, &["to", "reason"])?;
        let to = fields.text("to", |to| Ok((to.to_owned(), self.mailer.only(to)?)));
        let command = to.zip(fields.operator(caller));
        let ((to, recipient), operator) = fields.finish(command)?;
        let latest = LatestMail::read(&self.reports).await.map_err(unavailable)?;
        let mail = test_mail(latest, &self.stack.name, self.report_language);
        let entry = Entry::new(AuditKind::TestMail, &to, &operator, None, self.clock.now());
        self.audit.note(&entry).await.map_err(unavailable)?;
        let message_id = self.mailer.send_to(&mail, &recipient).await.map_err(|error| {
            tracing::warn!(%error, "test mail not sent");
            Problem::unavailable(error.to_string())
        })?;
        Ok(json_response(StatusCode::OK, &json!({ "to": to, "messageId": message_id })))
    }
}

/// A day whose figures can still be had.
fn of_the_latest(day: Date, today: Date) -> Result<Date, Invalid> {
    if day > today {
        Err(Invalid::by(Rule::NotInTheFuture, "must not be in the future"))
    } else if day < today - time::Duration::DAY * u32::from(DAYS) {
        let problem = format!("must be one of the last {DAYS} days: LINE tells no figures of earlier ones");
        Err(Invalid::by(Rule::LastDays(DAYS.into()), problem))
    } else {
        Ok(day)
    }
}

fn suppressed_json(recipient: &SuppressedRecipient) -> Value {
    json!({
        "address": recipient.address,
        "why": if recipient.complained { "complained" } else { "bounced" },
        "since": recipient.since.to_string(),
    })
}
