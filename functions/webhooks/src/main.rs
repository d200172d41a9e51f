//! Wires `webhooks`.

use std::sync::Mutex;

use lambda_http::Error;
use shared::{
    aws::secret::Secret,
    clock::Clock,
    inbox::{self, queue::InboxQueue},
    lambda::{environment, http_api, init, log},
    outbound::{self, Outbound},
};
use webhooks::Webhooks;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("webhooks");
    let outbound = Outbound::from_env().await?;
    let queue_url = environment::required("INBOX_QUEUE_URL")?;
    let function = Webhooks {
        signature_keys: Secret::new(&outbound.secrets, environment::required("CHANNEL_SECRET_ID")?, Clock::System),
        sobot_keys: Secret::new(&outbound.secrets, environment::required("SOBOT_SECRET_ID")?, Clock::System),
        queue: InboxQueue::new(&outbound.aws, queue_url.clone()),
        account: Mutex::default(),
        clock: Clock::System,
    };
    // LINE waits for this one.
    let connection = outbound.to_queue(&queue_url, inbox::queue::CONNECT_TIMEOUT);
    let prepare = Box::pin(async {
        tokio::join!(function.warm_up(), outbound::open([connection]));
    });
    init::then(prepare, http_api::run(|request| function.handle(request))).await
}
