//! `GET /reports/preview` and `POST /reports/test-mail`: the latest mail of the report, to look at, and to send to one
//! of those who get it. Both take the mail as it was made: no report is begun, and nobody is asked for figures.

use lambda_http::{Request, http::StatusCode};
use serde_json::json;
use shared::{
    audit::{AuditKind, Entry},
    lambda::http_api::{Problem, json_response},
    report::latest::{LatestMail, test_mail},
};

use crate::{
    CallResult, Caller, Operations,
    input::{BodyFields, Query},
    unavailable,
};

impl Operations {
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
