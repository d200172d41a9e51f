//! Wires `recovery`.

use lambda_runtime::{Error, run, service_fn};
use recovery::RecoveryFunction;
use shared::{
    audit::Audit,
    clock::Clock,
    delivery::{Delivery, queue::RetryQueue, recovery::table::Recoveries, settings::Settings},
    lambda::{environment::required, init, log},
    outbound::{self, Outbound},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("recovery");
    let outbound = Outbound::from_env().await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&outbound.aws);
    let function = RecoveryFunction {
        delivery: Delivery::new(&outbound, Settings::from_env()?, Clock::System)?,
        queue: RetryQueue::new(aws_sdk_sqs::Client::new(&outbound.aws), required("PUSH_RETRY_QUEUE_URL")?),
        recoveries: Recoveries::new(dynamodb.clone(), required("RECOVERIES_TABLE")?),
        audit: Audit::new(dynamodb, required("AUDIT_TABLE")?),
    };
    let prepare = Box::pin(outbound::open([outbound.to_dynamodb()]));
    init::then(prepare, run(service_fn(|event| Box::pin(function.handle(event))))).await
}
