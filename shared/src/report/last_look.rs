//! How a month's figures stood when they were last looked at. LINE tells those of the present month only, so that on
//! the 1st this is how the month before ended, to the quarter of an hour.

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{Date, OffsetDateTime};

use crate::{
    aws::error::AwsError,
    line::{day::line_day, quota::Month},
    report::reports::Reports,
};

/// A look at the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLook {
    /// What LINE told.
    pub month: Month,
    /// When it did.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Reports {
    /// Keeps the figures that LINE told at a time of the same month.
    pub async fn keep_look(&self, look: LastLook) -> Result<(), AwsError> {
        self.store(&id_of(line_day(look.at)), &json!(look).to_string()).await
    }

    /// The last look at the month that this of LINE's days is in.
    pub async fn last_look(&self, day: Date) -> Result<Option<LastLook>, AwsError> {
        Ok(self.document(&id_of(day)).await?.and_then(|look| serde_json::from_str(&look).ok()))
    }
}

/// What a month's last look stands under.
fn id_of(day: Date) -> String {
    format!("quota#{}", name_of_month(day))
}

/// `2026-09`.
pub(super) fn name_of_month(day: Date) -> String {
    format!("{}-{:02}", day.year(), u8::from(day.month()))
}
