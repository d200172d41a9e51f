//! The inbox queue: stores what users write and do, and keeps the friend states.
//!
//! Each message is handled by itself: one that cannot be handled now, cannot be read, or panics, stays alone in the queue
//! and goes to the dead-letter queue after its last receive.

use std::sync::Arc;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent};
use shared::inbox::Inbox;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// Handles a batch; the answer names the messages that stay in the queue.
pub async fn handle(inbox: &Arc<Inbox>, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let total = event.payload.records.len();
    let mut ids = std::collections::HashMap::new();
    let mut tasks = JoinSet::new();
    for message in event.payload.records {
        let id = message.message_id.clone().unwrap_or_default();
        let inbox = Arc::clone(inbox);
        let task = tasks.spawn(async move { take(&inbox, &message).await }.in_current_span());
        ids.insert(task.id(), id);
    }
    let mut response = SqsBatchResponse::default();
    while let Some(finished) = tasks.join_next_with_id().await {
        let (task, taken) = match finished {
            Ok((task, taken)) => (task, taken),
            Err(panic) => (panic.id(), Err(panic.to_string())),
        };
        if let Err(error) = taken {
            let message_id = ids.remove(&task).unwrap_or_default();
            tracing::error!(message_id, error, "an event could not be taken, the queue keeps it");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message_id;
            response.batch_item_failures.push(failure);
        }
    }
    tracing::info!(messages = total, left_in_queue = response.batch_item_failures.len(), "batch handled");
    Ok(response)
}

async fn take(inbox: &Inbox, message: &SqsMessage) -> Result<(), String> {
    let body = message.body.as_deref().unwrap_or_default();
    // serde's message would quote the body.
    let envelope = serde_json::from_str(body)
        .map_err(|error| format!("not an event of the webhooks (line {}, column {})", error.line(), error.column()))?;
    inbox.take(&envelope).await
}
