//! Every ten minutes: rings for deliveries that nobody rang for, gives up what has waited too long,
//! and measures what is not settled.

use lambda_runtime::{Error, LambdaEvent};
use serde_json::{Value, json};
use shared::{
    clock::Clock,
    delivery::{Delivery, queue::RetryQueue, sweep::Waiting},
    metric,
};

/// The function with what it calls.
#[derive(Debug)]
pub struct DeliverySweep {
    /// The delivery.
    pub delivery: Delivery,
    /// Where the bells wait.
    pub queue: RetryQueue,
    /// The time.
    pub clock: Clock,
}

impl DeliverySweep {
    /// Sweeps once. After an error the next schedule does it all: Lambda is told not to try again by itself.
    pub async fn handle(&self, _: LambdaEvent<Value>) -> Result<Value, Error> {
        let swept = self.delivery.sweep(&self.queue).await?;
        let age = |waiting: Waiting| {
            let seconds = waiting.oldest.map_or(0, |oldest| (self.clock.now() - oldest).whole_seconds());
            u64::try_from(seconds).unwrap_or(0)
        };
        metric::not_settled(
            (swept.open.count, age(swept.open)),
            (swept.exhausted.count, age(swept.exhausted)),
            swept.ending,
        );
        let told = json!({
            "open": swept.open.count,
            "exhausted": swept.exhausted.count,
            "rung": swept.rung,
            "givenUp": swept.given_up,
            "ending": swept.ending,
        });
        tracing::info!(swept = %told, "swept");
        Ok(told)
    }
}
