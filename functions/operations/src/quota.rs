//! `GET /quota`: the month's messages, as LINE tells them now.

use lambda_http::{Request, http::StatusCode};
use serde_json::json;
use shared::lambda::http_api::json_response;

use crate::{CallResult, Operations, input::Query, unavailable};

impl Operations {
    pub(crate) async fn read_quota(&self, request: &Request) -> CallResult {
        Query::none(request)?;
        let (quota, used) = self.channel.month().await.map_err(unavailable)?;
        let mut body = json!({ "used": used, "thresholds": self.thresholds.all() });
        if let Some(limit) = quota.limit() {
            body["limit"] = json!(limit);
            body["remaining"] = json!(limit.saturating_sub(used));
            // Rounded down: 100 only where nothing is left.
            body["usedPercent"] = json!((u128::from(used) * 100).checked_div(limit.into()).unwrap_or(100));
        }
        Ok(json_response(StatusCode::OK, &body))
    }
}
