//! Wires `push-retry`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use push_retry::PushRetry;
use shared::{
    clock::Clock,
    delivery::{Delivery, queue::RetryQueue, settings::Settings},
    lambda::{environment, log},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("push-retry");
    let aws = environment::aws().await;
    let function = Arc::new(PushRetry {
        delivery: Delivery::new(&aws, Settings::from_env()?, Clock::System)?,
        queue: RetryQueue::new(aws_sdk_sqs::Client::new(&aws), environment::required("PUSH_RETRY_QUEUE_URL")?),
        clock: Clock::System,
    });
    function.delivery.warm_up().await;
    run(service_fn(|event| push_retry::handle(&function, event))).await
}
