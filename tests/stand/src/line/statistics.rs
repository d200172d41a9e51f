//! What LINE counted, as a test sets it: pushes of a day, views and clicks of a unit or a broadcast, followers.
//!
//! The insight endpoints take 60 calls an hour, as LINE's do; dates must be `yyyyMMdd`.

use std::collections::HashMap;

use bytes::Bytes;
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Endpoint, message, reply};

const INSIGHT_CALLS_PER_HOUR: usize = 60;

/// Figures by key: a day `20260907`, a unit `order_finish_20260907`, a request id.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    figures: HashMap<(Endpoint, String), Value>,
    insight_calls: HashMap<Endpoint, usize>,
}

impl Statistics {
    pub(super) fn set(&mut self, endpoint: Endpoint, key: &str, figures: Value) {
        self.figures.insert((endpoint, key.to_owned()), figures);
    }

    pub(super) fn begin_an_hour(&mut self) {
        self.insight_calls.clear();
    }

    pub(super) fn answer(&mut self, endpoint: Endpoint, request: &Request<Bytes>) -> Response<Bytes> {
        if endpoint != Endpoint::PushesOfDay {
            let calls = self.insight_calls.entry(endpoint).or_default();
            *calls += 1;
            if *calls > INSIGHT_CALLS_PER_HOUR {
                return message(StatusCode::TOO_MANY_REQUESTS, super::RATE_LIMIT);
            }
        }
        let query: HashMap<_, _> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let get = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let is_date = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (key, valid) = match endpoint {
            Endpoint::UnitEvents => {
                let (from, to) = (get("from"), get("to"));
                (get("customAggregationUnit"), is_date(from) && is_date(to) && from <= to)
            }
            Endpoint::BroadcastEvents => (get("requestId"), !get("requestId").is_empty()),
            _ => (get("date"), is_date(get("date"))),
        };
        if !valid {
            return message(StatusCode::BAD_REQUEST, "The value for the 'date' parameter is invalid");
        }
        let unknown = || match endpoint {
            Endpoint::PushesOfDay | Endpoint::MessagesOfDay => json!({ "status": "unready" }),
            Endpoint::Followers => {
                json!({ "status": "unready", "followers": null, "targetedReaches": null, "blocks": null })
            }
            // A unit that does not exist looks like one with fewer than 20 people.
            _ => json!({ "overview": { "uniqueImpression": null, "uniqueClick": null }, "messages": [], "clicks": [] }),
        };
        let figures = self.figures.get(&(endpoint, key.to_owned())).cloned().unwrap_or_else(unknown);
        reply(StatusCode::OK, &figures)
    }
}
