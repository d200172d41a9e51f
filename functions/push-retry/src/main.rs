//! Wires `push-retry`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use shared::{
    clock::Clock,
    delivery::{Delivery, settings::Settings},
    lambda::{environment, log},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("push-retry");
    let aws = environment::aws().await;
    let delivery = Arc::new(Delivery::new(&aws, Settings::from_env()?, Clock::System)?);
    delivery.warm_up().await;
    run(service_fn(|event| push_retry::handle(&delivery, event))).await
}
