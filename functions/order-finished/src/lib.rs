//! `POST /orders/finished`: takes a finished order from the order system and delivers its message.
//!
//! The checks come in this order: key, size, media type, fields. Nothing is written before all of them have passed.

use std::convert::Infallible;

use lambda_http::{
    Body, Request, Response,
    http::{StatusCode, header},
};
use serde_json::json;
use shared::{
    aws::secret::Secret,
    delivery::{
        Delivery, First,
        queue::RetryQueue,
        state::{Report, State},
    },
    lambda::{
        callers::CallerKeys,
        http_api::{Problem, bearer, json_response, refused, source_ip, utf8_body},
        problem_code::ProblemCode,
    },
    notification::{self, Notification, StatusChange},
    order::{MAX_BODY_BYTES, detail_hosts::DetailHosts, fields::FieldError},
};

const WRONG_FIELDS: &str = "The order was not accepted. Correct the fields listed in errors.";
const NO_KEY: &str = "Send the order API key as Authorization: Bearer <key>.";
const OTHER_CONTENT: &str = "This order ID was already received with different content. The first version is kept; nothing was sent for this \
     request.";
const NOT_JSON: &str = "Send the order as Content-Type: application/json.";
const NOT_STORED: &str =
    "The order could not be stored. Repeat the same request; the customer still gets only one message.";

/// The function with what it calls.
#[derive(Debug)]
pub struct OrderFinished {
    /// The delivery.
    pub delivery: Delivery,
    /// Where a retry waits.
    pub queue: RetryQueue,
    /// The keys of the order system.
    pub keys: Secret<CallerKeys>,
    /// Which hosts a button may open.
    pub detail_hosts: DetailHosts,
}

impl OrderFinished {
    /// Reads what the first order will need, before it comes.
    pub async fn warm_up(&self) {
        let (_, keys) = tokio::join!(self.delivery.warm_up(), self.keys.get());
        if let Err(error) = keys {
            tracing::warn!(%error, "the order keys are not ready");
        }
    }

    /// Answers a call.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        Ok(match self.answer(&request).await {
            Ok(response) => response,
            Err(problem) => {
                tracing::info!(?problem, http.source_ip = source_ip(&request).as_deref(), "call refused");
                problem.into_response()
            }
        })
    }

    async fn answer(&self, request: &Request) -> Result<Response<Body>, Problem> {
        self.authorize(request).await?;
        let body: &[u8] = request.body();
        if body.len() > MAX_BODY_BYTES {
            let detail = format!("The body may have at most {MAX_BODY_BYTES} bytes.");
            return Err(Problem::new(ProblemCode::TooLarge, detail));
        }
        if !is_json(request) {
            return Err(Problem::new(ProblemCode::NotJson, NOT_JSON));
        }
        let wrong = |errors| Problem::wrong_fields(WRONG_FIELDS, errors);
        let body = utf8_body(request).map_err(|error| wrong(vec![error.into()]))?;
        match notification::parse_bytes(body.as_bytes()).map_err(wrong)? {
            StatusChange::Ignored { order_id } => {
                let body = json!({ "orderId": order_id.as_str(), "delivery": "ignored" });
                Ok(json_response(StatusCode::OK, &body))
            }
            StatusChange::Notified(notification) => {
                if let Some(Err(problem)) = notification.detail_url().map(|address| self.detail_hosts.allow(address)) {
                    return Err(wrong(vec![FieldError::not_allowed("detailUrl", problem)]));
                }
                self.deliver(&notification).await
            }
        }
    }

    async fn deliver(&self, notification: &Notification) -> Result<Response<Body>, Problem> {
        match self.delivery.first(notification, &self.queue).await {
            Ok(First::Accepted { report, line_request_id }) => {
                Ok(response(notification, &report, line_request_id.as_deref()))
            }
            Ok(First::Conflict) => {
                let order = notification.order_id().as_str();
                Err(Problem::new(ProblemCode::OrderConflict, OTHER_CONTENT).about("orderId", order))
            }
            Err(error) => {
                tracing::error!(order.id = %notification.order_id(), %error, "order not taken");
                Err(Problem::unavailable(NOT_STORED))
            }
        }
    }

    async fn authorize(&self, request: &Request) -> Result<(), Problem> {
        let unavailable = |error| {
            tracing::error!(%error, "no order key can be checked");
            Problem::unavailable(NOT_STORED)
        };
        // No key is a wrong key: it costs the same, and says the same.
        let key = bearer(request).unwrap_or_default();
        let known = self.keys.first(|keys| keys.accepts(key).then_some(())).await.map_err(unavailable)?;
        match known {
            Some(()) => Ok(()),
            None => {
                let is_former = self.keys.had(|keys| keys.accepts(key)).await;
                Err(refused(request, "orders", is_former, NO_KEY))
            }
        }
    }
}

fn is_json(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The contract's words for where a delivery stands. An expired one has failed as far as the caller is concerned.
fn response(notification: &Notification, report: &Report, line_request_id: Option<&str>) -> Response<Body> {
    let (status, delivery) = match report.state {
        State::Sent => (StatusCode::OK, "sent"),
        State::Suppressed => (StatusCode::OK, "suppressed"),
        State::Failed | State::Expired => (StatusCode::OK, "failed"),
        State::Pending | State::Retrying => (StatusCode::ACCEPTED, "retrying"),
    };
    let mut body = json!({ "orderId": notification.order_id().as_str(), "delivery": delivery,
        "mayHaveReachedLine": report.may_have_reached_line });
    if let Some(reason) = report.reason {
        body["reason"] = json!(reason.name());
    }
    if let Some(request_id) = line_request_id {
        body["lineRequestId"] = json!(request_id);
    }
    json_response(status, &body)
}
