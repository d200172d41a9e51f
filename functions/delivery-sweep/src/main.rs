//! Wires `delivery-sweep`.

use delivery_sweep::DeliverySweep;
use lambda_runtime::{Error, run, service_fn};
use shared::{
    clock::Clock,
    delivery::{Delivery, queue::RetryQueue, settings::Settings},
    lambda::{environment, init, log},
    outbound::{self, Outbound},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("delivery-sweep");
    let outbound = Outbound::from_env().await?;
    let function = DeliverySweep {
        delivery: Delivery::new(&outbound, Settings::from_env()?, Clock::System)?,
        queue: RetryQueue::new(aws_sdk_sqs::Client::new(&outbound.aws), environment::required("PUSH_RETRY_QUEUE_URL")?),
        clock: Clock::System,
    };
    let prepare = Box::pin(outbound::open([outbound.to_dynamodb()]));
    init::then(prepare, run(service_fn(|event| Box::pin(function.handle(event))))).await
}
