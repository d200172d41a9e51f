//! `GET /deliveries` and `GET /days/{date}`.

use std::time::Duration;

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    delivery::{
        day::Summary,
        search::Search,
        state::{Reason, State},
    },
    invalid::Invalid,
    lambda::http_api::json_response,
    line::day::line_day,
};
use tokio::time::timeout;

use crate::{
    CallResult, Caller, Operations, cursor,
    input::{self, Query, named},
    rfc3339, unavailable, without_nulls,
};

/// The function and API Gateway give a call 30 seconds.
const MAX_COUNTING: Duration = Duration::from_secs(20);
/// The longest span of time that is searched: three months, whichever they are.
const MAX_SPAN: time::Duration = time::Duration::days(92);
/// The states of a delivery that did not go out and was to.
const UNSUCCESSFUL: &str = "unsuccessful";

impl Operations {
    pub(crate) async fn list_deliveries(&self, request: &Request, caller: &Caller) -> CallResult {
        let mut query = Query::of(request, &["date", "from", "to", "state", "reason", "retried", "limit", "cursor"]);
        if query.has("from") || query.has("to") {
            return self.search_deliveries(query, caller).await;
        }
        let date = query.optional("date", input::day).unwrap_or_else(|| line_day(self.clock.now()));
        let state = query.optional("state", |name| named(State::ALL, State::name, name));
        let reason = query.optional("reason", reason);
        if query.has("retried") {
            query.wrong("retried", "needs from");
        }
        let limit = query.limit();
        let names = (state.map_or("", State::name), reason.map_or("", Reason::name));
        let context = format!("deliveries {date} {} {}", names.0, names.1);
        let after = query.cursor(caller, &context);
        query.finish(Some(()))?;
        let page = self.deliveries.page(date, state, reason.as_slice(), limit as usize, after.as_ref()).await;
        let page = page.map_err(unavailable)?;
        let deliveries: Vec<_> = page.deliveries.iter().map(summary_json).collect();
        let mut body = json!({ "date": date.to_string(), "deliveries": deliveries });
        cursor::put_next(&mut body, caller, &context, page.next.as_ref());
        Ok(json_response(StatusCode::OK, &body))
    }

    /// Those of a span of time, the newest first.
    async fn search_deliveries(&self, mut query: Query, caller: &Caller) -> CallResult {
        if query.has("date") {
            query.wrong("date", "is not taken together with from and to");
        }
        let from = query.required("from", input::span_start);
        let given_to = query.optional("to", input::span_end);
        // An order of this second has arrived.
        let to = given_to.unwrap_or_else(|| self.clock.now() + time::Duration::SECOND);
        if let Some(from) = from
            && !(time::Duration::SECOND..=MAX_SPAN).contains(&(to - from))
        {
            let days = MAX_SPAN.whole_days();
            query.wrong(
                if given_to.is_some() { "to" } else { "from" },
                format!("from and to must be in this order, at most {days} days apart"),
            );
        }
        let states = query.optional("state", states).unwrap_or_else(|| State::ALL.to_vec());
        let reason = query.optional("reason", reason);
        let retried = query.optional("retried", |text| if text == "true" { Ok(()) } else { Err("must be true") });
        let limit = query.limit();
        // Without `to` the span grows from page to page, at the end that was read.
        let context = format!("deliveries {from:?} {given_to:?} {states:?} {reason:?} {retried:?}");
        let before = query.cursor(caller, &context);
        let from = query.finish(from)?;
        let search = Search { from, to, states: &states, reason, retried: retried.is_some() };
        let found = self.deliveries.search(search, limit as usize, before.as_ref()).await.map_err(unavailable)?;
        let deliveries: Vec<_> = found.deliveries.iter().map(summary_json).collect();
        let mut body = json!({ "from": rfc3339(from), "to": rfc3339(to), "deliveries": deliveries });
        cursor::put_next(&mut body, caller, &context, found.next.as_ref());
        Ok(json_response(StatusCode::OK, &body))
    }

    pub(crate) async fn count_day(&self, request: &Request) -> CallResult {
        let today = line_day(self.clock.now());
        let date = input::path(request, "date", |text| if text == "today" { Ok(today) } else { input::day(text) })?;
        Query::none(request)?;
        let count = timeout(MAX_COUNTING, self.deliveries.count_day(date, self.clock.now())).await;
        let count = count.map_err(|_| unavailable("this day has too many deliveries to count in time"))?;
        let count = count.map_err(unavailable)?;
        let failed: Value = count.failed.iter().map(|(reason, failed)| (reason.clone(), json!(failed.count))).collect();
        let body = json!({
            "date": date.to_string(),
            "sent": count.sent,
            "retried": count.retried,
            "open": count.open,
            "exhausted": count.exhausted.count,
            "suppressed": count.suppressed,
            "failed": failed,
        });
        Ok(json_response(StatusCode::OK, &body))
    }
}

/// Several states, or the group of those whose order's customer was not told.
fn states(text: &str) -> Result<Vec<State>, Invalid> {
    if text == UNSUCCESSFUL {
        return Ok(vec![State::Retrying, State::Suppressed, State::Failed, State::Expired]);
    }
    let mut states = Vec::new();
    for name in text.split(',') {
        let state = State::ALL.into_iter().find(|state| state.name() == name);
        let state = state.ok_or_else(|| {
            let known = State::ALL.map(State::name).join(", ");
            format!("must be {UNSUCCESSFUL}, or some of {known} with commas between")
        })?;
        if !states.contains(&state) {
            states.push(state);
        }
    }
    Ok(states)
}

fn reason(name: &str) -> Result<Reason, Invalid> {
    named(Reason::ALL, Reason::name, name)
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
