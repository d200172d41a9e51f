//! What every function that pushes needs to know, read from its environment once.

use time::Duration;

use crate::{
    delivery::{pace::Pace, retry_key::KeySpace},
    lambda::environment::{SettingError, parsed, required},
    language::Language,
    message::MessageStyle,
};

/// What every function that pushes needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What tells this stack's retry keys from those of any other.
    pub key_space: KeySpace,
    /// The form of the customer's message.
    pub message_style: MessageStyle,
    /// The language of an order that names none.
    pub default_language: Language,
    /// How long an attempt may take and when the next one is due.
    pub pace: Pace,
    /// The table of deliveries.
    pub deliveries_table: String,
    /// How long a record is kept.
    pub delivery_life: Duration,
    /// The table of switches.
    pub switches_table: String,
    /// The table of friends.
    pub friends_table: String,
    /// How long a friend state is kept.
    pub friend_life: Duration,
    /// The table of links.
    pub links_table: String,
    /// Where a push tells that the month's messages are used up.
    pub quota_warning_queue_url: String,
}

impl Settings {
    /// Reads the environment; the error names the first variable that is wrong.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self {
            key_space: KeySpace::from_env()?,
            message_style: parsed("MESSAGE_STYLE")?,
            default_language: parsed("DEFAULT_LANGUAGE")?,
            pace: Pace::from_env()?,
            deliveries_table: required("DELIVERIES_TABLE")?,
            delivery_life: Duration::days(parsed("DELIVERY_RETENTION_DAYS")?),
            switches_table: required("SWITCHES_TABLE")?,
            friends_table: required("FRIENDS_TABLE")?,
            friend_life: Duration::days(parsed("FRIEND_RETENTION_DAYS")?),
            links_table: required("LINKS_TABLE")?,
            quota_warning_queue_url: required("QUOTA_WARNING_QUEUE_URL")?,
        })
    }
}
