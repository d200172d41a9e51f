//! A LINE that hangs costs milliseconds, not executions: after a few time-outs in a row an instance makes no first push
//! for some seconds. What it skips is due after the retry delay, spends no attempt and leaves no doubt. Retries and
//! what an operator sends are made all the same: they find out when LINE is well.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use time::OffsetDateTime;

/// So many time-outs in a row are a LINE that hangs.
const TIME_OUTS: u32 = 3;

/// What an instance has seen of LINE lately.
#[derive(Debug)]
pub struct Breaker {
    pause: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    time_outs: u32,
    open_until: Option<OffsetDateTime>,
}

impl Breaker {
    /// Nothing seen yet; it pauses for so long, and then lets one push find out.
    pub fn new(pause: Duration) -> Self {
        Self { pause, seen: Mutex::default() }
    }

    /// Whether a first push is skipped now.
    pub fn is_open(&self, now: OffsetDateTime) -> bool {
        self.seen().open_until.is_some_and(|until| now < until)
    }

    /// LINE answered, whatever it said.
    pub fn answered(&self) {
        *self.seen() = Seen::default();
    }

    /// LINE did not answer in time.
    pub fn timed_out(&self, now: OffsetDateTime) {
        let mut seen = self.seen();
        seen.time_outs = seen.time_outs.saturating_add(1);
        if seen.time_outs >= TIME_OUTS {
            seen.open_until = Some(now + self.pause);
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_time_outs_in_a_row_are_a_pause_and_one_more_is_the_next() {
        let breaker = Breaker::new(Duration::from_secs(10));
        let at = |seconds: i64| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
        breaker.timed_out(at(0));
        breaker.timed_out(at(1));
        breaker.answered();
        breaker.timed_out(at(2));
        breaker.timed_out(at(3));
        assert!(!breaker.is_open(at(3)), "not in a row");
        breaker.timed_out(at(4));
        assert!(breaker.is_open(at(4)) && breaker.is_open(at(13)) && !breaker.is_open(at(14)));
        breaker.timed_out(at(15));
        assert!(breaker.is_open(at(16)), "whoever found out met the same");
        breaker.answered();
        assert!(!breaker.is_open(at(16)));
    }
}
