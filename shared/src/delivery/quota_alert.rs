//! A push that LINE refused for the monthly limit wakes the function that warns of it.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{aws::error::Cause, clock::Clock, single_flight::SingleFlight};

/// One instance tells of an exhausted quota at most this often.
const TELL_AGAIN: Duration = Duration::from_secs(600);

/// Tells the warning's function that LINE refused a push for the monthly limit. The push does not depend on it.
#[derive(Debug)]
pub struct QuotaAlert {
    client: aws_sdk_sqs::Client,
    queue_url: String,
    clock: Clock,
    told_at: SingleFlight<Option<OffsetDateTime>, Cause>,
}

impl QuotaAlert {
    /// Tells this queue.
    pub fn new(client: aws_sdk_sqs::Client, queue_url: String, clock: Clock) -> Self {
        Self { client, queue_url, clock, told_at: SingleFlight::new(None) }
    }

    /// Tells it, unless this instance did so minutes ago. A failure is logged: the daily report looks at the quota,
    /// too.
    pub async fn tell(&self) {
        let mut told_at = self.told_at.turn().await;
        if told_at.is_some_and(|at| self.clock.is_within(at, TELL_AGAIN)) || told_at.may_read().is_err() {
            return;
        }
        let sent = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(r#"{"reason":"quota_exhausted"}"#)
            .send()
            .await;
        match sent {
            Ok(_) => *told_at = Some(self.clock.now()),
            Err(error) => {
                let error = told_at.fail(error.into());
                tracing::warn!(%error, "nobody could be told of the exhausted quota");
            }
        }
    }
}
