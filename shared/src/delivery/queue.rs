//! The retry queue, as the first attempt sees it: a message sent before the push, so that a crash loses nothing.

use aws_sdk_sqs::Client;

use crate::{aws::error::told, notification::Notification};

/// The queue. Its delay, its visibility time-out and its dead-letter queue are in `template.yaml`.
#[derive(Debug)]
pub struct RetryQueue {
    client: Client,
    url: String,
}

impl RetryQueue {
    /// The queue at this address.
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Sends the whole notification: whoever receives it needs nothing else. `Ok` has SQS's id of the message.
    pub async fn send(&self, notification: &Notification) -> Result<Option<String>, String> {
        let result = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(notification.to_json().to_string())
            .send()
            .await;
        result.map(|sent| sent.message_id).map_err(|error| format!("the retry could not be queued: {}", told(&error)))
    }
}
