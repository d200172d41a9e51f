//! How long things take in a delivery: every time-out and interval, derived from the retry delay so that they keep
//! their order whatever the delay is. With the default delay of 180 s: a call 5, an attempt 15, a retry every 180
//! seconds.

use std::time::Duration;

use crate::{
    delivery::switch,
    lambda::environment::{SettingError, parsed},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The intervals.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the beginning of an attempt to the next one. It is also how long a claim keeps others away, so it is longer
    /// than a function may run.
    pub retry_delay: Duration,
    /// The attempts of a round: the first push and its retries.
    pub round: u32,
    /// One HTTP call to LINE.
    pub call: Duration,
    /// A whole attempt: token, push, a second push after a 401, the quota.
    pub attempt: Duration,
    /// A bell this early counts as due: the clock of SQS and ours differ by seconds.
    pub early: Duration,
    /// A message that was enqueued so much later than it was sent has been moved, from the dead-letter queue.
    pub moved: Duration,
    /// The sweep does not ring for an order again before this has passed.
    pub ring_again: Duration,
    /// How long a retry key is relied on. LINE forgets it 24 hours after its first request; ten minutes are for clocks
    /// that differ and for the time that a request takes.
    pub key_life: Duration,
    /// After this a round that came to no end is given up, a day before SQS deletes its message: 14 days after it was
    /// enqueued.
    pub patience: Duration,
}

impl Pace {
    /// Derives them from the environment of a function.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(Duration::from_secs(parsed("RETRY_DELAY_SECONDS")?), parsed("MAX_RETRIES")?))
    }

    /// How long whoever pushes remembers the switch.
    pub fn switch_memory(&self) -> Duration {
        switch::MAX_AGE.min(self.retry_delay / 2)
    }

    /// Derives the intervals. `max_retries`: the retries of a round, at least one.
    pub fn new(retry_delay: Duration, max_retries: u32) -> Self {
        Self {
            retry_delay,
            round: max_retries.max(1).saturating_add(1),
            call: (retry_delay / 4).min(5 * SECOND),
            attempt: (retry_delay / 2).min(15 * SECOND),
            early: (retry_delay / 12).min(5 * SECOND),
            moved: (retry_delay / 3).min(60 * SECOND),
            ring_again: (retry_delay * 20).min(HOUR),
            key_life: DAY - Duration::from_secs(10 * 60),
            patience: 13 * DAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_delay_no_interval_outlives_the_next() {
        for seconds in [3, 6, 40, 180, 900] {
            let pace = Pace::new(Duration::from_secs(seconds), 3);
            assert!(pace.call < pace.attempt && pace.attempt < pace.retry_delay - pace.early, "{pace:?}");
            assert!(pace.moved < pace.retry_delay, "no round ends before its bell can be known as moved: {pace:?}");
            assert!(pace.retry_delay * 2 < pace.ring_again && pace.ring_again < pace.patience, "{pace:?}");
        }
        // On AWS a function may run for 30 seconds, and the shortest delay there is 40.
        let shortest = Pace::new(Duration::from_secs(40), 1);
        assert!(shortest.retry_delay - shortest.early > Duration::from_secs(30 + 5), "{shortest:?}");
    }

    #[test]
    fn a_round_has_the_first_attempt_and_its_retries() {
        assert_eq!(Pace::new(Duration::from_secs(180), 3).round, 4);
        assert_eq!(Pace::new(Duration::from_secs(180), 0).round, 2, "a round without a retry would end where it began");
    }
}
