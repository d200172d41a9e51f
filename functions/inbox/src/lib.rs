//! The inbox queue: stores what users write and do, and keeps the friend states.
//!
//! Each event is handled by itself. One that cannot be handled now, cannot be read, or panics, keeps its message in the
//! queue, until that goes to the dead-letter queue after its last receive. Where a message holds several events, those
//! that were handled are handled again with it, which changes nothing.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent};
use shared::{
    foreign_json,
    inbox::{Inbox, queue::Envelope},
    invalid::Invalid,
    lambda::batch::{Batch, MessageFate},
};
use tokio::time::timeout;

/// An event that takes longer is left to the queue, so that it does not take its neighbours' answers with it.
const MAX_TIME: Duration = Duration::from_secs(20);

/// Handles a batch; the answer names the messages that stay in the queue.
pub async fn handle(inbox: &Arc<Inbox>, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let mut batch = Batch::default();
    for message in event.payload.records {
        match read(&message) {
            Ok(envelope) => {
                let envelope = Arc::new(envelope);
                for number in 0..envelope.events.len() {
                    batch.spawn(&message, take(Arc::clone(inbox), Arc::clone(&envelope), number));
                }
            }
            Err(error) => {
                let message_id = message.message_id.as_deref();
                tracing::error!(message_id, %error, "a message is left to the dead-letter queue");
                batch.keep(&message);
            }
        }
    }
    // Nobody waits for an event's handling, so the shared tokens are renewed here before their ends.
    let renewing = Arc::clone(inbox);
    Ok(batch.finish(async move { renewing.renew_tokens_ahead().await }).await)
}

async fn take(inbox: Arc<Inbox>, envelope: Arc<Envelope>, number: usize) -> MessageFate {
    let error = match timeout(MAX_TIME, inbox.take(&envelope, &envelope.events[number])).await {
        Ok(Ok(())) => return MessageFate::Delete,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it took too long".to_owned(),
    };
    tracing::error!(error, "an event could not be taken, the queue keeps it");
    MessageFate::Keep
}

fn read(message: &SqsMessage) -> Result<Envelope, Invalid> {
    let body = message.body.as_deref().unwrap_or_default();
    // serde's message would quote the body.
    foreign_json::parse(body)
        .map_err(|error| format!("not from the webhooks (line {}, column {})", error.line(), error.column()).into())
}
