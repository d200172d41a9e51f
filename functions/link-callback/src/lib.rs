//! Tells the company's app that a member's LINE user was linked, replaced or unlinked.
//!
//! It is triggered by the stream of the links' table, so that no step is added to a login, and nothing can be lost
//! between the link and its callback: what is written, DynamoDB tells, for a day. Of one member the changes come in
//! their order, one after the other, and each at least once; a callback has an id by which a repeated one is known.
//!
//! How it fails:
//!
//! * **The app does not take it now** - no connection, no answer in time, 408, 425, 429, 5xx, a redirect: the record is
//!   handed out again, with those behind it, until the app takes it or the record's 24 hours end. Likewise where the
//!   secret cannot be used. `LinkCallbackLateAlarm` rings after a quarter of an hour.
//! * **The app refuses it** - any other 4xx; 401 and 403 with a key that was read again - or a record cannot be read:
//!   it would be so tomorrow, too. It is given up and measured, and keeps nobody behind it waiting.
//! * **The function dies** before or after the call: the record is handed out again.

mod app;
mod callback_url;
mod keys;
mod link_change;

use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::metric;

use crate::link_change::{LinkChange, Record};
pub use crate::{
    app::{App, NotTaken},
    callback_url::CallbackUrl,
    keys::CallbackKeys,
};

/// Records of the stream. Each is read by itself, so that one that cannot be read costs no other.
#[derive(Debug, Deserialize)]
pub struct StreamEvent {
    /// As DynamoDB tells them ("Using AWS Lambda with Amazon DynamoDB").
    #[serde(rename = "Records")]
    pub records: Vec<Value>,
}

/// The function with what it calls.
#[derive(Debug)]
pub struct LinkCallback {
    /// Who is told.
    pub app: App,
}

impl LinkCallback {
    /// Tells the records in their order. The answer names the first that is not settled: Lambda hands it out again, and
    /// all behind it.
    pub async fn handle(&self, event: LambdaEvent<StreamEvent>) -> Result<Value, Error> {
        for record in event.payload.records {
            let sequence_number = record["dynamodb"]["SequenceNumber"].clone();
            match Record::read(record).and_then(Record::change) {
                Ok(Some(change)) if !self.is_settled(&change).await => {
                    return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": sequence_number }] }));
                }
                Ok(_) => {}
                Err(problem) => {
                    tracing::error!(%problem, %sequence_number, "a record of the links' stream cannot be read");
                    metric::link_callback_given_up("unreadable");
                }
            }
        }
        Ok(json!({ "batchItemFailures": [] }))
    }

    async fn is_settled(&self, change: &LinkChange) -> bool {
        let (member, event_id) = (&change.member_id, &change.event_id);
        match self.app.tell(change).await {
            Ok(()) => {
                tracing::info!(member.id = %member, event.id = event_id, change = ?change.change, "the app was told");
                true
            }
            Err(NotTaken::Refused(status)) => {
                tracing::error!(
                    member.id = %member,
                    event.id = event_id,
                    http.status = status,
                    "the app refuses a callback, which is given up"
                );
                metric::link_callback_given_up("refused");
                true
            }
            Err(error) => {
                tracing::warn!(member.id = %member, event.id = event_id, %error, "a callback will be sent again");
                false
            }
        }
    }
}
