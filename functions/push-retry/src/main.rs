//! Wires `push-retry`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use push_retry::PushRetry;
use shared::{
    clock::Clock,
    delivery::{Delivery, queue::RetryQueue, settings::Settings},
    lambda::{environment, init, log},
    outbound::{self, Outbound},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("push-retry");
    let outbound = Outbound::from_env().await?;
    let function = Arc::new(PushRetry {
        delivery: Delivery::new(&outbound, Settings::from_env()?, Clock::System)?,
        queue: RetryQueue::new(aws_sdk_sqs::Client::new(&outbound.aws), environment::required("PUSH_RETRY_QUEUE_URL")?),
        clock: Clock::System,
    });
    let prepare = Box::pin(async {
        tokio::join!(function.delivery.warm_up(), outbound::open([function.delivery.connection()]));
    });
    init::then(prepare, run(service_fn(|event| Box::pin(push_retry::handle(&function, event))))).await
}
