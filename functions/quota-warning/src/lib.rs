//! Watches the month's quota: every quarter of an hour, and at once where a push met the monthly limit. Warns by mail,
//! once per share, month and ceiling.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{clock::Clock, lambda::batch::Batch, line::channel::LineChannel, report::quota_warning::QuotaWarning};

/// What starts a look.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Start {
    /// The schedule, with its time.
    #[serde(rename_all = "camelCase")]
    Schedule {
        /// RFC 3339.
        scheduled_time: String,
    },
    /// Messages of pushes that LINE refused for the monthly limit. They all say the same, so one look serves them all,
    /// and they stay or go together.
    Pushes(SqsEvent),
}

/// The function with what it calls.
#[derive(Debug)]
pub struct QuotaWarningFunction {
    /// LINE.
    pub channel: LineChannel,
    /// The warning.
    pub warning: QuotaWarning,
    /// The time.
    pub clock: Clock,
}

impl QuotaWarningFunction {
    /// Looks at the quota. After an error the queue keeps its messages, and the schedule comes again in a quarter of an
    /// hour: an alarm rings where nothing could be looked at for an hour, and not for one error.
    pub async fn handle(&self, event: LambdaEvent<Start>) -> Result<Value, Error> {
        let looked = self.look().await;
        if let Err(error) = &looked {
            tracing::error!(%error, "the quota could not be watched");
        }
        match event.payload {
            Start::Pushes(event) => {
                let mut batch = Batch::default();
                if looked.is_err() {
                    event.records.iter().for_each(|message| batch.keep(message));
                }
                let response: SqsBatchResponse = batch.finish(async {}).await;
                Ok(serde_json::to_value(response)?)
            }
            Start::Schedule { .. } => Ok(match looked {
                Ok(warned) => json!({ "warned": warned }),
                Err(error) => json!({ "error": error.to_string() }),
            }),
        }
    }

    async fn look(&self) -> Result<Option<u64>, Error> {
        Ok(self.warning.check(&self.channel, self.clock).await?)
    }
}
