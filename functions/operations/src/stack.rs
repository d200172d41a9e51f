//! `GET /stack`: which stack this is, for who has several.

use std::time::Duration;

use lambda_http::{Request, http::StatusCode};
use serde_json::json;
use shared::lambda::http_api::json_response;
use tokio::time::timeout;

use crate::{CallResult, Operations, input::Query, without_nulls};

/// The stack's name tells it, too: nobody waits long for the account's.
const MAX_ASKING: Duration = Duration::from_secs(3);

/// What the stack was deployed as.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its name in CloudFormation.
    pub name: String,
    /// Where its customers are, as an ISO 3166-1 code; empty where nobody said so.
    pub country: String,
}

impl Operations {
    pub(crate) async fn describe_stack(&self, request: &Request) -> CallResult {
        Query::none(request)?;
        let account = match timeout(MAX_ASKING, self.channel.account()).await {
            Ok(Ok(account)) => Some(account.display_name),
            Ok(Err(error)) => {
                tracing::warn!(%error, "LINE does not tell the account's name");
                None
            }
            Err(_) => {
                tracing::warn!("LINE does not tell the account's name in time");
                None
            }
        };
        let country = Some(&self.stack.country).filter(|country| !country.is_empty());
        let body = without_nulls(json!({
            "name": self.stack.name,
            "account": account.filter(|name| !name.is_empty()),
            "country": country,
        }));
        Ok(json_response(StatusCode::OK, &body))
    }
}
