//! Wires `webhooks`.

use std::sync::Mutex;

use lambda_http::Error;
use shared::{
    aws::secret::Secret,
    clock::Clock,
    inbox::queue::InboxQueue,
    lambda::{environment, http_api, log},
};
use webhooks::Webhooks;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("webhooks");
    let aws = environment::aws().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&aws);
    let function = Webhooks {
        signature_keys: Secret::new(secrets.clone(), environment::required("CHANNEL_SECRET_ID")?, Clock::System),
        sobot_keys: Secret::new(secrets, environment::required("SOBOT_SECRET_ID")?, Clock::System),
        queue: InboxQueue::new(&aws, environment::required("INBOX_QUEUE_URL")?),
        account: Mutex::default(),
        clock: Clock::System,
    };
    function.warm_up().await;
    http_api::run(|request| function.handle(request)).await
}
