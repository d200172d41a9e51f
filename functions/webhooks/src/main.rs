//! Wires `webhooks`.

use lambda_http::Error;
use shared::{clock::Clock, http_api, inbox::queue::InboxQueue, log, secrets::Secret, settings};
use webhooks::Webhooks;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("webhooks");
    let aws = settings::aws().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&aws);
    let function = Webhooks {
        signature_keys: Secret::new(secrets.clone(), settings::required("LINE_SECRET_ID")?, Clock::System),
        sobot_keys: Secret::new(secrets, settings::required("SOBOT_SECRET_ID")?, Clock::System),
        queue: InboxQueue::new(&aws, settings::required("INBOX_QUEUE_URL")?),
        clock: Clock::System,
    };
    function.warm_up().await;
    http_api::run(|request| function.handle(request)).await
}
