//! The inbox queue: stores what users write and do, and keeps the friend states.
//!
//! Each event is handled by itself. One that cannot be handled now, cannot be read, or panics, keeps its message in the
//! queue, until that goes to the dead-letter queue after its last receive. Where a message holds several events, those
//! that were handled are handled again with it, which changes nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent};
use shared::{
    inbox::{Inbox, queue::Envelope},
    invalid::Invalid,
};
use tokio::{task::JoinSet, time::timeout};
use tracing::Instrument as _;

/// An event that takes longer is left to the queue, so that it does not take its neighbours' answers with it.
const MAX_TIME: Duration = Duration::from_secs(20);

/// Handles a batch; the answer names the messages that stay in the queue.
pub async fn handle(inbox: &Arc<Inbox>, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let total = event.payload.records.len();
    let mut left = BTreeSet::new();
    let mut message_ids = HashMap::new();
    let mut tasks = JoinSet::new();
    for message in event.payload.records {
        let message_id = message.message_id.clone().unwrap_or_default();
        match read(&message) {
            Ok(envelope) => {
                let envelope = Arc::new(envelope);
                for number in 0..envelope.events.len() {
                    let (inbox, envelope) = (Arc::clone(inbox), Arc::clone(&envelope));
                    let take = async move {
                        match timeout(MAX_TIME, inbox.take(&envelope, &envelope.events[number])).await {
                            Ok(taken) => taken.map_err(|error| error.to_string()),
                            Err(_) => Err("it took too long".to_owned()),
                        }
                    };
                    message_ids.insert(tasks.spawn(take.in_current_span()).id(), message_id.clone());
                }
            }
            Err(error) => {
                tracing::error!(message_id, %error, "a message is left to the dead-letter queue");
                left.insert(message_id);
            }
        }
    }
    // Nobody waits for an event's handling, so the shared tokens are renewed here before their ends.
    let renewing = Arc::clone(inbox);
    let renewing = tokio::spawn(async move { renewing.renew_tokens_ahead().await }.in_current_span());
    while let Some(finished) = tasks.join_next_with_id().await {
        let (task, taken) = match finished {
            Ok((task, taken)) => (task, taken),
            Err(panic) => (panic.id(), Err(panic.to_string())),
        };
        if let Err(error) = taken {
            let message_id = message_ids.remove(&task).unwrap_or_default();
            tracing::error!(message_id, error, "an event could not be taken, the queue keeps it");
            left.insert(message_id);
        }
    }
    if let Err(panic) = renewing.await {
        tracing::error!(error = %panic, "the tokens could not be renewed ahead");
    }
    tracing::info!(messages = total, left_in_queue = left.len(), "batch handled");
    let failure = |message_id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = message_id;
        failure
    };
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = left.into_iter().map(failure).collect();
    Ok(response)
}

fn read(message: &SqsMessage) -> Result<Envelope, Invalid> {
    let body = message.body.as_deref().unwrap_or_default();
    // serde's message would quote the body.
    serde_json::from_str(body)
        .map_err(|error| format!("not from the webhooks (line {}, column {})", error.line(), error.column()).into())
}
