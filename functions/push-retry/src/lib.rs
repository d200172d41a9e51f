//! The retry queue: pushes again what LINE did not take, and heals what a crash left behind.
//!
//! Each message is handled by itself: one that cannot be read, or that panics, fails alone and goes to the dead-letter
//! queue after its last receive.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent};
use shared::{
    delivery::{Delivery, Receipt},
    lambda::batch::{Batch, Fate},
    notification::{self, StatusChange},
};

/// Handles a batch; the answer names the messages that stay in the queue.
pub async fn handle(delivery: &Arc<Delivery>, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let mut batch = Batch::default();
    for message in event.payload.records {
        let delivery = Arc::clone(delivery);
        batch.spawn(&message.clone(), async move { retry(&delivery, &message).await });
    }
    // Nobody waits for a retry's answer, so this is where the shared token is renewed before its end.
    let renewing = Arc::clone(delivery);
    Ok(batch.finish(async move { renewing.renew_token_ahead().await }).await)
}

async fn retry(delivery: &Delivery, message: &SqsMessage) -> Fate {
    let body = message.body.as_deref().unwrap_or_default();
    // Without a count the message is taken for a first one: it is retried once too often rather than too seldom.
    let count = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1);
    match notification::parse_bytes(body.as_bytes()) {
        Ok(StatusChange::Notified(notification)) => {
            let receipt = Receipt { id: message.message_id.as_deref().unwrap_or_default(), receive_count: count };
            delivery.retry(&notification, &receipt).await
        }
        Ok(StatusChange::Ignored { order_id }) => {
            tracing::error!(order.id = %order_id, "this status is never pushed, the message is left to the dead-letter queue");
            Fate::Keep
        }
        Err(errors) => {
            let message_id = message.message_id.as_deref();
            tracing::error!(message_id, ?errors, "not an order, the message is left to the dead-letter queue");
            Fate::Keep
        }
    }
}
