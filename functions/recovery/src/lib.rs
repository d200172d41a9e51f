//! Every minute: a step of each recovery that has something to do. What a step does, and why it may be repeated, is in
//! [`shared::delivery::recovery`].

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use shared::{
    audit::Audit,
    delivery::{
        Delivery,
        queue::RetryQueue,
        recovery::{Recovery, table::Recoveries},
    },
    metric,
};
use tokio::time::Instant;

/// How many of the latest recoveries are looked at: one is active, those before it may have orders on their way.
const LOOKED_AT: u32 = 5;
/// A step takes no further order after so long; the function is given 120 seconds.
const TAKES_FOR: Duration = Duration::from_secs(50);

/// The function with what it calls.
#[derive(Debug)]
pub struct RecoveryFunction {
    /// The delivery.
    pub delivery: Delivery,
    /// Where the bells wait.
    pub queue: RetryQueue,
    /// The recoveries.
    pub recoveries: Recoveries,
    /// Where is noted what a recovery does by itself.
    pub audit: Audit,
}

impl RecoveryFunction {
    /// Does the steps. After an error the next minute's do it all: Lambda is told not to try again by itself.
    pub async fn handle(&self, _: LambdaEvent<Value>) -> Result<Value, Error> {
        let until = Instant::now() + TAKES_FOR;
        let mut steps = Vec::new();
        let latest = self.recoveries.latest(LOOKED_AT).await?;
        if latest.iter().any(Recovery::waits_for_a_repair) {
            metric::recovery_paused();
        }
        for recovery in latest.iter().filter(|one| one.needs_a_step()) {
            steps.extend(self.step(recovery, until).await?);
        }
        Ok(json!({ "steps": steps }))
    }

    async fn step(&self, recovery: &Recovery, until: Instant) -> Result<Option<Value>, Error> {
        let id = &recovery.id;
        let stepped = self.delivery.recover(id, until, &self.recoveries, &self.queue, &self.audit).await?;
        let Some(stepped) = stepped else { return Ok(None) };
        let told = json!({
            "id": id,
            "state": stepped.state,
            "taken": stepped.taken,
            "onTheWay": stepped.on_the_way,
        });
        tracing::info!(step = %told, "a step of a recovery");
        Ok(Some(told))
    }
}
