//! The present time as a value, so that a test can say when it is.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use time::OffsetDateTime;

/// Tells what time it is.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still.
    At(OffsetDateTime),
    /// A clock that somebody sets, in UNIX seconds.
    Set(&'static AtomicI64),
}

impl Clock {
    /// The present time, in UTC when it comes from the machine.
    pub fn now(self) -> OffsetDateTime {
        match self {
            Self::System => OffsetDateTime::now_utc(),
            Self::At(time) => time,
            Self::Set(seconds) => {
                let time = OffsetDateTime::from_unix_timestamp(seconds.load(Ordering::Relaxed));
                time.unwrap_or(OffsetDateTime::UNIX_EPOCH)
            }
        }
    }

    /// Whether something noted at `time` is still younger than `age`. By the wall clock: the monotonic one may stand
    /// still while an environment is frozen between two invocations. What lies in the future counts as old.
    pub fn is_within(self, time: OffsetDateTime, age: Duration) -> bool {
        let passed = self.now() - time;
        !passed.is_negative() && passed < age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_too_long_ago_or_in_the_future_is_old() {
        let clock = Clock::At(OffsetDateTime::UNIX_EPOCH);
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
        let fresh = |seconds| clock.is_within(at(seconds), Duration::from_secs(30));
        assert_eq!([0, -29, -30, 1].map(fresh), [true, true, false, false]);
    }
}
