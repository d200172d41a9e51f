//! `GET /deliveries` and `GET /days/{date}`.

use std::time::Duration;

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    delivery::{
        day::Summary,
        state::{Reason, State},
    },
    lambda::http_api::json_response,
    line::day::line_day,
};
use tokio::time::timeout;

use crate::{
    CallResult, Caller, Operations, cursor,
    input::{self, Query, one_of},
    rfc3339, unavailable, without_nulls,
};

/// The function and API Gateway give a call 30 seconds.
const MAX_COUNTING: Duration = Duration::from_secs(20);

impl Operations {
    pub(crate) async fn list_deliveries(&self, request: &Request, caller: &Caller) -> CallResult {
        let mut query = Query::of(request, &["date", "state", "reason", "limit", "cursor"]);
        let date = query.optional("date", input::day).unwrap_or_else(|| line_day(self.clock.now()));
        let state = query.optional("state", |name| {
            State::ALL.into_iter().find(|state| state.name() == name).ok_or_else(|| one_of(State::ALL.map(State::name)))
        });
        let reason = query.optional("reason", |name| {
            let known = Reason::ALL.into_iter().find(|reason| reason.name() == name);
            known.ok_or_else(|| one_of(Reason::ALL.map(Reason::name)))
        });
        let limit = query.limit();
        let names = (state.map_or("", State::name), reason.map_or("", Reason::name));
        let context = format!("deliveries {date} {} {}", names.0, names.1);
        let after = query.cursor(caller, &context);
        query.finish(Some(()))?;
        let page =
            self.deliveries.page(date, state, reason, limit as usize, after.as_ref()).await.map_err(unavailable)?;
        let deliveries: Vec<_> = page.deliveries.iter().map(summary_json).collect();
        let mut body = json!({ "date": date.to_string(), "deliveries": deliveries });
        cursor::put_next(&mut body, caller, &context, page.next.as_ref());
        Ok(json_response(StatusCode::OK, &body))
    }

    pub(crate) async fn count_day(&self, request: &Request) -> CallResult {
        let today = line_day(self.clock.now());
        let date = input::path(request, "date", |text| if text == "today" { Ok(today) } else { input::day(text) })?;
        Query::none(request)?;
        let count = timeout(MAX_COUNTING, self.deliveries.count_day(date, self.clock.now())).await;
        let count = count.map_err(|_| unavailable("the day has too many deliveries to be counted in time"))?;
        let count = count.map_err(unavailable)?;
        let failed: Value = count.failed.iter().map(|(reason, failed)| (reason.clone(), json!(failed.count))).collect();
        let body = json!({
            "date": date.to_string(),
            "sent": count.sent,
            "retried": count.retried,
            "open": count.open,
            "suppressed": count.suppressed,
            "failed": failed,
        });
        Ok(json_response(StatusCode::OK, &body))
    }
}

fn summary_json(delivery: &Summary) -> Value {
    without_nulls(json!({
        "orderId": delivery.order_id,
        "status": delivery.status,
        "delivery": delivery.state,
        "reason": delivery.reason,
        "attemptCount": delivery.attempt_count,
        "createdAt": rfc3339(delivery.created_at),
        "updatedAt": rfc3339(delivery.updated_at),
        "lastError": delivery.last_error,
    }))
}
