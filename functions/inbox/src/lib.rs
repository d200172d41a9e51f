//! The inbox queue: stores what users write and do, and keeps the friend states.
//!
//! Each event is handled by itself. One that cannot be handled now, cannot be read, or panics, keeps its message in the
//! queue, until that goes to the dead-letter queue after its last receive. Where a message holds several events, those
//! that were handled are handled again with it, which changes nothing.

use std::{sync::Arc, time::Duration};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent};
use shared::{
    foreign_json,
    inbox::{Inbox, queue::Envelope},
    invalid::Invalid,
    lambda::batch::{Batch, MessageFate},
};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

/// An event that takes longer is left to the queue, so that it does not take its neighbours' answers with it.
const MAX_TIME: Duration = Duration::from_secs(20);
/// After so long no event is begun any more: with [`MAX_TIME`] all ends before the function's own time-out, 30 seconds.
const BEGIN_WITHIN: Duration = Duration::from_secs(8);
/// Events that are handled at a time: more than a batch has messages, so that the first one of each begins at once.
const AT_ONCE: usize = 16;

/// Handles a batch; the answer names the messages that stay in the queue.
pub async fn handle(inbox: &Arc<Inbox>, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
    let begin_until = Instant::now() + BEGIN_WITHIN;
    // Nobody waits for an event's handling, so the shared tokens are renewed here before their ends.
    let renewing = Arc::clone(inbox);
    let renewing = tokio::spawn(async move { renewing.renew_tokens_ahead().await }.in_current_span());
    let mut batch = Batch::default();
    let mut envelopes = Vec::new();
    for mut message in event.payload.records {
        match read(&message.body.take().unwrap_or_default()) {
            Ok(envelope) => envelopes.push((message, Arc::new(envelope))),
            Err(error) => {
                let message_id = message.message_id.as_deref();
                tracing::error!(message_id, %error, "a message is left to the dead-letter queue");
                batch.keep(&message);
            }
        }
    }
    // One event of each message after the other, LINE's own first: whoever fills a message with forged ones waits for
    // them himself.
    envelopes.sort_by_key(|(_, envelope)| !envelope.verified);
    let longest = envelopes.iter().map(|(_, envelope)| envelope.events.len()).max().unwrap_or(0);
    for number in 0..longest {
        for (message, envelope) in envelopes.iter().filter(|(_, envelope)| number < envelope.events.len()) {
            match timeout_at(begin_until, batch.wait_for_room(AT_ONCE)).await {
                Ok(()) if Instant::now() < begin_until => {
                    batch.spawn(message, take(Arc::clone(inbox), Arc::clone(envelope), number));
                }
                // Back to the queue now, rather than begun and lost with the whole batch.
                _ => batch.keep(message),
            }
        }
    }
    Ok(batch.finish(async move { renewing.await.expect("a renewal does not panic") }).await)
}

async fn take(inbox: Arc<Inbox>, envelope: Arc<Envelope>, number: usize) -> MessageFate {
    let error = match timeout(MAX_TIME, inbox.take(&envelope, &envelope.events[number])).await {
        Ok(Ok(())) => return MessageFate::Delete,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "timed out".to_owned(),
    };
    tracing::error!(error, "an event could not be taken, the queue keeps it");
    MessageFate::Keep
}

fn read(body: &str) -> Result<Envelope, Invalid> {
    // serde's message would quote the body.
    foreign_json::parse(body)
        .map_err(|error| format!("not from the webhooks (line {}, column {})", error.line(), error.column()).into())
}
