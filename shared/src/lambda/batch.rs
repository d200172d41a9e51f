//! A batch of a queue: each message is handled by itself, and the answer names those that stay in the queue.
//!
//! A message that panics fails alone. What nobody waits for, such as a token that is renewed ahead, runs beside the
//! batch.

use std::collections::{BTreeSet, HashMap};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsMessage};
use tokio::task::{Id, JoinSet};
use tracing::Instrument as _;

/// What SQS does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFate {
    /// Nothing is left to do.
    Delete,
    /// It is handed out again, and after its last receive moved to the dead-letter queue.
    Keep,
}

/// A batch that is being handled.
#[derive(Debug, Default)]
pub struct Batch {
    tasks: JoinSet<MessageFate>,
    message_ids: HashMap<Id, String>,
    kept: BTreeSet<String>,
}

impl Batch {
    /// Handles a message, or a part of one: it is deleted only if every part may be.
    pub fn spawn(&mut self, message: &SqsMessage, handle: impl Future<Output = MessageFate> + Send + 'static) {
        let task = self.tasks.spawn(handle.in_current_span());
        self.message_ids.insert(task.id(), id(message));
    }

    /// Leaves a message in the queue.
    pub fn keep(&mut self, message: &SqsMessage) {
        self.kept.insert(id(message));
    }

    /// Waits for all of it. `beside` runs meanwhile, and its panic costs no message.
    pub async fn finish(mut self, beside: impl Future<Output = ()> + Send + 'static) -> SqsBatchResponse {
        let beside = tokio::spawn(beside.in_current_span());
        while let Some(finished) = self.tasks.join_next_with_id().await {
            let (task, fate) = finished.unwrap_or_else(|panic| {
                tracing::error!(error = %panic, "a message could not be handled");
                (panic.id(), MessageFate::Keep)
            });
            if fate == MessageFate::Keep {
                self.kept.extend(self.message_ids.remove(&task));
            }
        }
        if let Err(panic) = beside.await {
            tracing::error!(error = %panic, "what runs beside the batch ended");
        }
        tracing::info!(left_in_queue = self.kept.len(), "batch handled");
        let failure = |message_id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message_id;
            failure
        };
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures = self.kept.into_iter().map(failure).collect();
        response
    }
}

fn id(message: &SqsMessage) -> String {
    message.message_id.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message
    }

    #[tokio::test]
    async fn what_fails_or_panics_stays_alone() {
        let mut batch = Batch::default();
        batch.spawn(&message("done"), async { MessageFate::Delete });
        batch.spawn(&message("failed"), async { MessageFate::Keep });
        batch.spawn(&message("panics"), async { panic!("a message") });
        for fate in [MessageFate::Delete, MessageFate::Keep, MessageFate::Keep] {
            batch.spawn(&message("in parts"), async move { fate });
        }
        batch.keep(&message("unreadable"));
        let response = batch.finish(async { panic!("beside") }).await;
        let kept: Vec<_> = response.batch_item_failures.into_iter().map(|one| one.item_identifier).collect();
        assert_eq!(kept, ["failed", "in parts", "panics", "unreadable"]);
    }
}
