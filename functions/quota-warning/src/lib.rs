//! Told by a push that LINE refused for the monthly limit: looks at LINE's figures and warns, once per threshold and
//! month.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent};
use shared::{clock::Clock, lambda::batch::Batch, line::channel::LineChannel, report::quota_warning::QuotaWarning};

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
    /// Handles a batch: its messages all say the same, so one look serves them all, and they stay or go together.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let mut batch = Batch::default();
        if let Err(error) = self.warn().await {
            tracing::error!(%error, "nobody was warned, the queue keeps it");
            event.payload.records.iter().for_each(|message| batch.keep(message));
        }
        Ok(batch.finish(async {}).await)
    }

    async fn warn(&self) -> Result<(), Error> {
        let (quota, used) = self.channel.month().await?;
        self.warning.check(quota, used, self.clock.now()).await?;
        Ok(())
    }
}
