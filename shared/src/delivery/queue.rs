//! The retry queue, as the first attempt sees it: a message sent before the push, so that a crash loses nothing.

use aws_sdk_sqs::{Client, error::DisplayErrorContext};

use crate::order::Order;

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

    /// Sends the whole order: whoever receives it needs nothing else.
    pub async fn send(&self, order: &Order) -> Result<(), String> {
        let result =
            self.client.send_message().queue_url(&self.url).message_body(order.to_json().to_string()).send().await;
        result.map(|_| ()).map_err(|error| format!("the retry could not be queued: {}", DisplayErrorContext(error)))
    }
}
