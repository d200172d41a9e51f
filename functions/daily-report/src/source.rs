//! Where a figure comes from: it was read, or says why it is missing.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

/// Figures are read within this time, so that a LINE or Sobot that answers nothing leaves time for the mail.
pub const MAX_TIME: Duration = Duration::from_secs(60);

/// A figure, or why there is none. One source may fail alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source<T> {
    /// It was read.
    Known(T),
    /// It could not be, because of this.
    Missing(Why),
}

/// Why a figure is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// What the source, or the way to it, said: in English.
    Failed(String),
    /// It took longer than [`MAX_TIME`].
    TimedOut,
    /// LINE tells it only as it is now, and the mail is one of a past day.
    OfThatDayOnly,
    /// Nobody has kept it.
    NotKept,
}

impl<T: Clone> Source<T> {
    /// What reading gave.
    pub fn from<E: ToString>(result: Result<T, E>) -> Self {
        result.map_or_else(|error| Self::Missing(Why::Failed(error.to_string())), Self::Known)
    }

    /// The figure, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Missing(_) => None,
        }
    }

    /// What an earlier attempt has read is not read again; what takes too long is missing.
    pub async fn or_read<F, E: ToString>(earlier: Option<&Self>, deadline: Instant, read: F) -> Self
    where
        F: Future<Output = Result<T, E>>,
    {
        match (earlier.and_then(Self::known), timeout_at(deadline, read)) {
            (Some(value), _) => Self::Known(value.clone()),
            (None, reading) => reading.await.map_or(Self::Missing(Why::TimedOut), Self::from),
        }
    }
}
