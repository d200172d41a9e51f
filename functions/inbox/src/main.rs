//! Wires `inbox`.

use std::sync::Arc;

use lambda_runtime::{Error, run, service_fn};
use shared::{
    clock::Clock,
    inbox::{Inbox, InboxSettings},
    log,
    settings::{self, Settings},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("inbox");
    let aws = settings::aws().await;
    let own = InboxSettings {
        messages_table: settings::required("MESSAGES_TABLE")?,
        friends_table: settings::required("FRIENDS_TABLE")?,
        retention: time::Duration::days(settings::parsed("MESSAGE_RETENTION_DAYS")?),
        sobot_api_base: settings::required("SOBOT_API_BASE")?,
        sobot_secret_id: settings::required("SOBOT_SECRET_ID")?,
    };
    let inbox = Arc::new(Inbox::new(&aws, &Settings::from_env()?, own, Clock::System)?);
    run(service_fn(|event| inbox::handle(&inbox, event))).await
}
