//! The retry queue, as the first attempt sees it: a message sent before the push, so that a crash loses nothing.

use aws_sdk_sqs::Client;

use crate::{
    aws::error::{AwsError, Doing as _},
    order::Order,
};

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

    /// Sends the whole order: whoever receives it needs nothing else. `Ok` has SQS's id of the message.
    pub async fn send(&self, order: &Order) -> Result<Option<String>, AwsError> {
        let send = self.client.send_message().queue_url(&self.url).message_body(order.to_json().to_string());
        Ok(send.send().await.doing("queue the retry")?.message_id)
    }
}
