//! The present time as a value, so that a test can say when it is.

use time::OffsetDateTime;

/// Tells what time it is.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still.
    At(OffsetDateTime),
}

impl Clock {
    /// The present time, in UTC when it comes from the machine.
    pub fn now(self) -> OffsetDateTime {
        match self {
            Self::System => OffsetDateTime::now_utc(),
            Self::At(time) => time,
        }
    }
}
