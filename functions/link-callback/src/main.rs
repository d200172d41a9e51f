//! Wires `link-callback`.

use lambda_runtime::{Error, run, service_fn};
use link_callback::{App, LinkCallback};
use shared::{
    aws::secret::Secret,
    clock::Clock,
    lambda::{
        environment::{parsed, required},
        init, log,
    },
    outbound::{self, Outbound},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("link-callback");
    let outbound = Outbound::from_env().await?;
    let keys = Secret::new(&outbound.secrets, required("LINK_CALLBACK_SECRET_ID")?, Clock::System);
    let app = App::new(&outbound.http, parsed("LINK_CALLBACK_URL")?, keys, Clock::System);
    let function = LinkCallback { app };
    let prepare = Box::pin(async {
        tokio::join!(function.app.warm_up(), outbound::open([function.app.connection()]));
    });
    init::then(prepare, run(service_fn(|event| Box::pin(function.handle(event))))).await
}
