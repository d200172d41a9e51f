//! Wires `inbox`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use shared::{
    clock::Clock,
    inbox::Inbox,
    lambda::{init, log},
    outbound::{self, Outbound},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("inbox");
    let outbound = Outbound::from_env().await?;
    let inbox = Arc::new(Inbox::from_env(&outbound, Clock::System)?);
    // What the first event needs.
    let prepare = Box::pin(async {
        tokio::join!(inbox.warm_up(), outbound::open([inbox.connection()]));
    });
    init::then(prepare, run(service_fn(|event| Box::pin(inbox::handle(&inbox, event))))).await
}
