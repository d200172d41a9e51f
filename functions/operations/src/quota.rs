//! `GET /quota`: the month's messages, as LINE tells them now.

use lambda_http::{Request, http::StatusCode};
use serde_json::json;
use shared::{lambda::http_api::json_response, line::day::line_day};

use crate::{CallResult, Operations, input::Query, unavailable};

impl Operations {
    pub(crate) async fn read_quota(&self, request: &Request) -> CallResult {
        Query::none(request)?;
        let month = self.channel.month().await.map_err(unavailable)?;
        let mut body = json!({ "used": month.used, "thresholds": self.thresholds.all() });
        if let (Some(limit), Some(remaining), Some(share)) = (month.limit, month.remaining(), month.used_per_mille()) {
            body["limit"] = json!(limit);
            body["remaining"] = json!(remaining);
            body["usedPercent"] = json!(share / 10);
        }
        if let Some(day) = month.used_up_on(line_day(self.clock.now())) {
            body["usedUpOn"] = json!(day.to_string());
        }
        Ok(json_response(StatusCode::OK, &body))
    }
}
