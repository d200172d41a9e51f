//! The retry queue: each message is a bell for a record, which says what is due. Bells may ring twice, late, out of
//! order, or from the dead-letter queue.
//!
//! Each message is handled by itself: one that cannot be read, or that panics, fails alone and goes to the dead-letter
//! queue after its last receive.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent};
use shared::{
    clock::Clock,
    delivery::{Delivery, DeliveryError, bell::Ring, queue::RetryQueue, state::Fate},
    lambda::batch::{Batch, MessageFate},
    notification::{self, StatusChange},
};
use time::OffsetDateTime;

/// The function with what it calls.
#[derive(Debug)]
pub struct PushRetry {
    /// The delivery.
    pub delivery: Delivery,
    /// Where the bells wait.
    pub queue: RetryQueue,
    /// The time.
    pub clock: Clock,
}

/// Handles a batch; the answer names the messages that stay in the queue.
pub async fn handle(function: &Arc<PushRetry>, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let mut batch = Batch::default();
    for message in event.payload.records {
        let function = Arc::clone(function);
        batch.spawn(&message.clone(), async move { function.ring(&message).await });
    }
    // Nobody waits for a retry's answer, so this is where the shared token is renewed before its end.
    let renewing = Arc::clone(function);
    Ok(batch.finish(async move { renewing.delivery.renew_token_ahead().await }).await)
}

impl PushRetry {
    async fn ring(&self, message: &SqsMessage) -> MessageFate {
        let message_id = message.message_id.as_deref();
        let Some(visibility) = self.heard(message).await.map(|fate| fate.visibility(self.clock.now())) else {
            return MessageFate::Keep;
        };
        let Some(seconds) = visibility else { return MessageFate::Delete };
        let receipt_handle = message.receipt_handle.as_deref().unwrap_or_default();
        if let Err(error) = self.queue.hide(receipt_handle, seconds).await {
            tracing::warn!(message_id, %error, "the message comes back by its queue's own time-out");
        }
        MessageFate::Keep
    }

    /// What becomes of the message; none where nobody knows, and the queue's own time-out decides.
    async fn heard(&self, message: &SqsMessage) -> Option<Fate> {
        let body = message.body.as_deref().unwrap_or_default().as_bytes();
        let notification = match notification::parse_bytes(body) {
            Ok(StatusChange::Notified(notification)) => notification,
            Ok(StatusChange::Ignored { order_id }) => {
                tracing::error!(order.id = %order_id, "this status is never pushed, the message goes to the dead letters");
                return Some(Fate::Burn);
            }
            Err(errors) => {
                let message_id = message.message_id.as_deref();
                tracing::error!(message_id, ?errors, "not an order, the message goes to the dead letters");
                return Some(Fate::Burn);
            }
        };
        let fate = self.delivery.ring(&notification, &Ring::read(body, self.enqueued_at(message))).await;
        let logged = |error: &DeliveryError| {
            tracing::error!(order.id = %notification.order_id(), %error, "the bell was not heard, the queue keeps it");
        };
        fate.inspect_err(logged).ok()
    }

    /// When SQS took the message; now, where it does not say.
    fn enqueued_at(&self, message: &SqsMessage) -> OffsetDateTime {
        let milliseconds = message.attributes.get("SentTimestamp").and_then(|sent| sent.parse::<i128>().ok());
        milliseconds
            .and_then(|ms| OffsetDateTime::from_unix_timestamp_nanos(ms * 1_000_000).ok())
            .unwrap_or_else(|| self.clock.now())
    }
}
