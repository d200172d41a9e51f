//! Wires `order-finished`.

use lambda_http::Error;
use order_finished::OrderFinished;
use shared::{
    aws::secret::Secret,
    clock::Clock,
    delivery::{Delivery, queue::RetryQueue, settings::Settings},
    lambda::{environment, http_api, log},
    order::detail_hosts::DetailHosts,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("order-finished");
    let aws = environment::aws().await;
    let function = OrderFinished {
        delivery: Delivery::new(&aws, Settings::from_env()?, Clock::System)?,
        queue: RetryQueue::new(aws_sdk_sqs::Client::new(&aws), environment::required("PUSH_RETRY_QUEUE_URL")?),
        keys: Secret::new(
            aws_sdk_secretsmanager::Client::new(&aws),
            environment::required("ORDER_KEY_SECRET_ID")?,
            Clock::System,
        ),
        detail_hosts: DetailHosts::of(&environment::optional("DETAIL_URL_HOSTS")),
    };
    function.warm_up().await;
    http_api::run(|request| function.handle(request)).await
}
