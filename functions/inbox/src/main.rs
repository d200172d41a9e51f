//! Wires `inbox`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use shared::{clock::Clock, inbox::Inbox, lambda::log, outbound::Outbound};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("inbox");
    let outbound = Outbound::from_env().await?;
    let inbox = Arc::new(Inbox::from_env(&outbound, Clock::System)?);
    run(service_fn(|event| Box::pin(inbox::handle(&inbox, event)))).await
}
