//! Wires `order-finished`.

use lambda_http::Error;
use order_finished::OrderFinished;
use shared::{
    aws::secret::Secret,
    clock::Clock,
    delivery::{Delivery, queue::RetryQueue, settings::Settings},
    lambda::{environment, http_api, init, log},
    order::detail_hosts::DetailHosts,
    outbound::{self, Outbound},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("order-finished");
    let outbound = Outbound::from_env().await?;
    let queue_url = environment::required("PUSH_RETRY_QUEUE_URL")?;
    let function = OrderFinished {
        delivery: Delivery::new(&outbound, Settings::from_env()?, Clock::System)?,
        queue: RetryQueue::new(aws_sdk_sqs::Client::new(&outbound.aws), queue_url.clone()),
        keys: Secret::new(&outbound.secrets, environment::required("ORDER_KEY_SECRET_ID")?, Clock::System),
        detail_hosts: DetailHosts::of(&environment::optional("DETAIL_URL_HOSTS")),
    };
    // What the first order needs: LINE, and the queue.
    let connections = [function.delivery.connection(), outbound.to_queue(&queue_url, outbound::AWS_CONNECT)];
    let prepare = Box::pin(async {
        tokio::join!(function.warm_up(), outbound::open(connections));
    });
    init::then(prepare, http_api::run(|request| Box::pin(function.handle(request)))).await
}
