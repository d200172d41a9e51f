//! The HTTP client for a partner, LINE or Sobot.

use std::time::Duration;

use reqwest::{Client, redirect::Policy};

/// A connection that was idle for longer, through a freeze of the environment perhaps, may be dead: it is not used
/// again.
const IDLE: Duration = Duration::from_secs(20);

/// A client of which no call takes longer than `timeout`, and no connection half of it: what was never connected leaves
/// no doubt.
pub(crate) fn http_client(timeout: Duration) -> reqwest::Result<Client> {
    // A redirect would carry a token elsewhere, and neither partner documents one.
    let client = Client::builder().timeout(timeout).connect_timeout(timeout / 2);
    client.pool_idle_timeout(IDLE).redirect(Policy::none()).build()
}
