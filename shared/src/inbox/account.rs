//! Whether events are for our account: LINE sends each account's to the address of its channel, but a forwarder has
//! several accounts and may mix up their addresses.
//!
//! A body names its account by its user id (LINE: "Receive messages", `destination`), and LINE tells ours (LINE: "Get
//! bot info"). As long as LINE has not told, or where a body names none that could be one, events count as ours.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::{clock::Clock, ids::LineUserId, line::channel::LineChannel};

/// LINE is not asked again before this has passed.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// What is known of our account.
#[derive(Debug)]
pub struct OwnAccount {
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    user_id: Option<LineUserId>,
    asked_at: Option<OffsetDateTime>,
}

impl OwnAccount {
    /// Nothing is known yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, known: Mutex::default() }
    }

    /// The account that a body's `destination` names, if that is not ours. LINE is asked where ours is not known, and
    /// again before another one is believed in: the channel may be another one by now.
    pub async fn another(&self, destination: Option<&str>, line: &LineChannel) -> Option<String> {
        let named = LineUserId::parse(destination?).ok()?;
        let mut known = self.known.lock().await;
        let asked_lately = known.asked_at.is_some_and(|at| self.clock.is_within(at, ASK_AGAIN));
        if known.user_id.as_ref() != Some(&named) && !asked_lately {
            known.asked_at = Some(self.clock.now());
            match line.account().await {
                Ok(account) => known.user_id = Some(account.user),
                Err(error) => tracing::warn!(%error, "LINE does not tell which account is ours"),
            }
        }
        let another = known.user_id.as_ref().is_some_and(|own| *own != named);
        another.then(|| {
            tracing::warn!(account = ?named, "an event for another account");
            named.as_str().to_owned()
        })
    }
}
