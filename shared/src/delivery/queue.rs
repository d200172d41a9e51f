//! The retry queue: where bells wait. Its delay, its visibility time-out and its dead-letter queue are in
//! `template.yaml`.

use aws_sdk_sqs::Client;

use crate::{
    aws::error::{AwsError, Doing as _},
    delivery::bell::Bell,
    notification::Notification,
};

/// The queue.
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

    /// Sends a bell, which rings after the queue's delay. It carries all that is told: whoever hears it needs nothing
    /// else.
    pub async fn send(&self, notification: &Notification, bell: Bell) -> Result<(), AwsError> {
        self.put(notification, bell, None).await
    }

    /// The same, which rings after so many seconds instead, 900 at most.
    pub async fn send_after(&self, notification: &Notification, bell: Bell, seconds: i32) -> Result<(), AwsError> {
        self.put(notification, bell, Some(seconds)).await
    }

    async fn put(&self, notification: &Notification, bell: Bell, delay: Option<i32>) -> Result<(), AwsError> {
        let send = self.client.send_message().queue_url(&self.url).message_body(bell.message(notification));
        send.set_delay_seconds(delay).send().await.doing("queue the retry").map(|_| ())
    }

    /// Hides a received message for so many seconds; 0 shows it at once. A message that cannot be hidden comes back
    /// after the queue's own visibility time-out.
    pub async fn hide(&self, receipt_handle: &str, seconds: i32) -> Result<(), AwsError> {
        let change = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt_handle);
        change.visibility_timeout(seconds).send().await.doing("change a message's visibility").map(|_| ())
    }
}
