//! The retry queue: pushes again what LINE did not take, and heals what a crash left behind.
//!
//! Each message is handled by itself: one that cannot be read, or that panics, fails alone and goes to the dead-letter
//! queue after its last receive.

use std::sync::Arc;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent};
use shared::{
    delivery::{Delivery, Receipt, Retried},
    order::{self, StatusChange},
};
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// Handles a batch; the answer names the messages that stay in the queue.
pub async fn handle(delivery: &Arc<Delivery>, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let total = event.payload.records.len();
    let mut ids = std::collections::HashMap::new();
    let mut tasks = JoinSet::new();
    for message in event.payload.records {
        let id = message.message_id.clone().unwrap_or_default();
        let delivery = Arc::clone(delivery);
        let task = tasks.spawn(async move { retry(&delivery, &message).await }.in_current_span());
        ids.insert(task.id(), id);
    }
    // Nobody waits for a retry's answer, so this is where the shared token is renewed before its end.
    let renewing = Arc::clone(delivery);
    let renewing = tokio::spawn(async move { renewing.renew_token_ahead().await }.in_current_span());
    let mut response = SqsBatchResponse::default();
    while let Some(finished) = tasks.join_next_with_id().await {
        let (task, retried) = match finished {
            Ok((task, retried)) => (task, retried),
            Err(panic) => {
                tracing::error!(error = %panic, "a message could not be handled");
                (panic.id(), Retried::Again)
            }
        };
        if retried == Retried::Again {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = ids.remove(&task).unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    if let Err(panic) = renewing.await {
        tracing::error!(error = %panic, "the token could not be renewed ahead");
    }
    tracing::info!(messages = total, left_in_queue = response.batch_item_failures.len(), "batch handled");
    Ok(response)
}

async fn retry(delivery: &Delivery, message: &SqsMessage) -> Retried {
    let body = message.body.as_deref().unwrap_or_default();
    // Without a count the message is taken for a first one: it is retried once too often rather than too seldom.
    let count = message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1);
    match order::parse_bytes(body.as_bytes()) {
        Ok(StatusChange::Finished(order)) => {
            let receipt = Receipt { id: message.message_id.as_deref().unwrap_or_default(), receive_count: count };
            delivery.retry(&order, &receipt).await
        }
        Ok(StatusChange::Other { order_id }) => {
            tracing::error!(order.id = %order_id, "this status is never pushed, the message is left to the dead-letter queue");
            Retried::Again
        }
        Err(errors) => {
            let message_id = message.message_id.as_deref();
            tracing::error!(message_id, ?errors, "not an order, the message is left to the dead-letter queue");
            Retried::Again
        }
    }
}
