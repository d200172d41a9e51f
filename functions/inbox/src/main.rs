//! Wires `inbox`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use shared::{
    clock::Clock,
    inbox::Inbox,
    lambda::{environment, log},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("inbox");
    let aws = environment::aws().await;
    let inbox = Arc::new(Inbox::from_env(&aws, Clock::System)?);
    run(service_fn(|event| Box::pin(inbox::handle(&inbox, event)))).await
}
