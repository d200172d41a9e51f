//! Wires `inbox`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use shared::{
    clock::Clock,
    delivery::settings::Settings,
    inbox::{Inbox, InboxSettings},
    lambda::{environment, log},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("inbox");
    let aws = environment::aws().await;
    let own = InboxSettings {
        messages_table: environment::required("MESSAGES_TABLE")?,
        friends_table: environment::required("FRIENDS_TABLE")?,
        retention: time::Duration::days(environment::parsed("MESSAGE_RETENTION_DAYS")?),
        sobot_api_base: environment::required("SOBOT_API_BASE")?,
        sobot_secret_id: environment::required("SOBOT_SECRET_ID")?,
    };
    let inbox = Arc::new(Inbox::new(&aws, &Settings::from_env()?, own, Clock::System)?);
    run(service_fn(|event| inbox::handle(&inbox, event))).await
}
