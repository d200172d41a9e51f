//! A batch of a queue: each message is handled by itself, and the answer names those that stay in the queue.
//!
//! A message that panics fails alone. What nobody waits for, such as a token that is renewed ahead, runs beside the
//! batch. Where the parts of a batch are many, only so many are handled at a time, and those that there is no time for
//! go back to the queue with their message.

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

    /// Waits until fewer than so many are being handled.
    pub async fn wait_for_room(&mut self, at_once: usize) {
        while self.tasks.len() >= at_once {
            self.join_next().await;
        }
    }

    /// Leaves a message in the queue.
    pub fn keep(&mut self, message: &SqsMessage) {
        self.kept.insert(id(message));
    }

    /// Waits for all of it. `beside` runs meanwhile, and its panic costs no message.
    pub async fn finish(mut self, beside: impl Future<Output = ()> + Send + 'static) -> SqsBatchResponse {
        let beside = tokio::spawn(beside.in_current_span());
        while self.join_next().await {}
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

    /// Notes how the next one ended; false where none is left.
    async fn join_next(&mut self) -> bool {
        let Some(finished) = self.tasks.join_next_with_id().await else { return false };
        let (task, fate) = finished.unwrap_or_else(|panic| {
            tracing::error!(error = %panic, "a message could not be handled");
            (panic.id(), MessageFate::Keep)
        });
        let message_id = self.message_ids.remove(&task);
        if fate == MessageFate::Keep {
            self.kept.extend(message_id);
        }
        true
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

    #[tokio::test]
    async fn no_more_are_handled_at_a_time_than_there_is_room_for() {
        let mut batch = Batch::default();
        for number in 0..100 {
            batch.wait_for_room(3).await;
            assert!(batch.tasks.len() < 3 && batch.message_ids.len() < 3);
            let message = message(if number == 50 { "failed" } else { "done" });
            let fate = if number == 50 { MessageFate::Keep } else { MessageFate::Delete };
            batch.spawn(&message, async move { fate });
        }
        let kept = batch.finish(async {}).await.batch_item_failures;
        assert_eq!(kept.into_iter().map(|one| one.item_identifier).collect::<Vec<_>>(), ["failed"]);
    }
}
