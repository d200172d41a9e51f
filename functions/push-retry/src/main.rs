//! Wires `push-retry`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use shared::{
    clock::Clock,
    delivery::Delivery,
    log,
    settings::{self, Settings},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("push-retry");
    let aws = settings::aws().await;
    let delivery = Arc::new(Delivery::new(&aws, Settings::from_env()?, Clock::System)?);
    delivery.warm_up().await;
    run(service_fn(|event| push_retry::handle(&delivery, event))).await
}
