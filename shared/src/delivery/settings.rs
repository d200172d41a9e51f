//! What every function that pushes needs to know, read from its environment once.

use std::time::Duration;

use crate::{
    lambda::environment::{SettingError, parsed, required},
    language::Language,
    message::MessageStyle,
};

/// What every function that pushes needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The stack's name for itself, part of every retry key.
    pub environment: String,
    /// The form of the customer's message.
    pub message_style: MessageStyle,
    /// The language of an order that names none.
    pub default_language: Language,
    /// How long an attempt may take and when the next one is due.
    pub pace: Pace,
    /// Retries before the dead-letter queue.
    pub max_retries: u32,
    /// The table of deliveries.
    pub deliveries_table: String,
    /// The table of switches.
    pub switches_table: String,
    /// The table of friends.
    pub friends_table: String,
    /// The table of links.
    pub links_table: String,
    /// Where a push tells that the month's messages are used up.
    pub quota_warning_queue_url: String,
}

impl Settings {
    /// Reads the environment; the error names the first variable that is wrong.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self {
            environment: required("ENVIRONMENT")?,
            message_style: parsed("MESSAGE_STYLE")?,
            default_language: parsed("DEFAULT_LANGUAGE")?,
            pace: Pace::from_env()?,
            max_retries: parsed("MAX_RETRIES")?,
            deliveries_table: required("DELIVERIES_TABLE")?,
            switches_table: required("SWITCHES_TABLE")?,
            friends_table: required("FRIENDS_TABLE")?,
            links_table: required("LINKS_TABLE")?,
            quota_warning_queue_url: required("QUOTA_WARNING_QUEUE_URL")?,
        })
    }
}

/// The time-outs of an attempt, all derived from the retry delay, so that they keep their order whatever the delay is:
/// call < attempt < lease < delay. With the default delay of 180 s: 5, 15, 45 and 180 seconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From a failed push to its next attempt.
    pub retry_delay: Duration,
    /// One HTTP call to LINE.
    pub call: Duration,
    /// A whole attempt: token, push, a second push after a 401, the quota.
    pub attempt: Duration,
    /// How long a worker owns a delivery. With a delay of 40 s or more it is longer than the function's time-out, so
    /// that no worker outlives its lease.
    pub lease: Duration,
}

impl Pace {
    /// Derives them from the delay in the environment.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(Duration::from_secs(parsed("RETRY_DELAY_SECONDS")?)))
    }

    /// Derives the time-outs.
    pub fn new(retry_delay: Duration) -> Self {
        Self {
            retry_delay,
            call: (retry_delay / 4).min(Duration::from_secs(5)),
            attempt: (retry_delay / 2).min(Duration::from_secs(15)),
            lease: (retry_delay * 3 / 4).min(Duration::from_secs(45)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_delay_no_time_out_outlives_the_next() {
        for seconds in [3, 6, 30, 180, 900] {
            let pace = Pace::new(Duration::from_secs(seconds));
            assert!(pace.call < pace.attempt && pace.attempt < pace.lease && pace.lease < pace.retry_delay, "{pace:?}");
        }
    }
}
