//! Wires `quota-warning`.

use lambda_runtime::{Error, run, service_fn};
use quota_warning::QuotaWarningFunction;
use shared::{
    clock::Clock,
    delivery::pace::Pace,
    lambda::{environment, log},
    line::channel::LineChannel,
    report::quota_warning::QuotaWarning,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("quota-warning");
    let aws = environment::aws().await;
    let function = QuotaWarningFunction {
        channel: LineChannel::from_env(&aws, Pace::from_env()?.call, Clock::System)?,
        warning: QuotaWarning::from_env(&aws, Clock::System)?,
        clock: Clock::System,
    };
    run(service_fn(|event| Box::pin(function.handle(event)))).await
}
