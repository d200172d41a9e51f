//! Wires `quota-warning`.

use lambda_runtime::{Error, run, service_fn};
use quota_warning::QuotaWarningFunction;
use shared::{
    clock::Clock,
    delivery::pace::Pace,
    lambda::{init, log},
    line::channel::LineChannel,
    outbound::{self, Outbound},
    report::quota_warning::QuotaWarning,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("quota-warning");
    let outbound = Outbound::from_env().await?;
    let function = QuotaWarningFunction {
        channel: LineChannel::from_env(&outbound, Pace::from_env()?.call, Clock::System)?,
        warning: QuotaWarning::from_env(&outbound.aws, Clock::System)?,
        clock: Clock::System,
    };
    let prepare = Box::pin(async {
        tokio::join!(function.channel.prepare(), outbound::open([function.channel.connection()]));
    });
    init::then(prepare, run(service_fn(|event| Box::pin(function.handle(event))))).await
}
