//! `GET /orders/{orderId}` and `POST /orders/{orderId}/resend`.

use lambda_http::{Body, Request, Response, http::StatusCode};
use serde_json::{Map, Value, json};
use shared::{
    delivery::{
        record::DeliveryRecord,
        resend::Resent,
        state::{Resendable, State},
    },
    ids::OrderId,
    lambda::{
        http_api::{Problem, json_response},
        problem_code::ProblemCode,
    },
    order::{DetailUrl, fields::FieldError},
};

use crate::{
    CallResult, Caller, Operations,
    input::{self, BodyFields, Query},
    rfc3339, unavailable, without_nulls,
};

const UNKNOWN: &str = "No finished order with this ID has been received.";
const IN_FLIGHT: &str = "This order is still being delivered (it may be waiting for a retry). Look it up again later.";
const NEEDS_FORCE: &str = "LINE has accepted this message, or may have, so the customer could receive it twice. To send it \
                           anyway, set \"force\": true. If the order is in the dead-letter queue, redrive it instead; \
                           that cannot send it twice.";
const ERASED: &str = "The customer was forgotten; there is nothing left to send.";
const NOT_LINKED: &str = "This order's member is not linked to a LINE user, so there is nobody to notify.";

impl Operations {
    pub(crate) async fn look_up_order(&self, request: &Request) -> CallResult {
        let order = input::path(request, "orderId", OrderId::parse)?;
        Query::none(request)?;
        match self.delivery.look_up(&order).await.map_err(unavailable)? {
            Some(record) => Ok(self.delivery_answer(StatusCode::OK, &record)),
            None => Err(Problem::new(ProblemCode::NoSuchOrder, UNKNOWN).about("orderId", order.as_str())),
        }
    }

    pub(crate) async fn resend_order(&self, request: &Request, caller: &Caller) -> CallResult {
        let order = input::path(request, "orderId", OrderId::parse)?;
        let mut fields = BodyFields::of(request, &["reason", "force", "correction"])?;
        let correction = fields.object("correction");
        let command = fields.bool("force", Some(false)).zip(fields.operator(caller)).zip(correction);
        let ((force, operator), correction) = fields.finish(command)?;
        if let Some(Err(problem)) =
            corrected_address(correction.as_ref()).map(|address| self.detail_hosts.allow(&address))
        {
            return Err(input::nothing_done(vec![FieldError::not_allowed("correction.detailUrl", problem)]));
        }
        let resent =
            self.delivery.resend(&order, force, correction.as_ref(), &operator, &self.queue, &self.audit).await;
        let problem = |code, detail| Problem::new(code, detail).about("orderId", order.as_str());
        match resent.map_err(unavailable)? {
            Resent::Pushed(record) => {
                tracing::warn!(order.id = %order, operator = operator.name, force, "sent again");
                let open = matches!(record.progress.state(), State::Pending | State::Retrying);
                Ok(self.delivery_answer(if open { StatusCode::ACCEPTED } else { StatusCode::OK }, &record))
            }
            Resent::Unknown => Err(problem(ProblemCode::NoSuchOrder, UNKNOWN)),
            Resent::Wrong(errors) => Err(input::nothing_done(errors)),
            Resent::NotLinked => Err(problem(ProblemCode::NotLinked, NOT_LINKED)),
            Resent::Refused(Resendable::NeedsForce) => Err(problem(ProblemCode::MayArriveTwice, NEEDS_FORCE)),
            Resent::Refused(Resendable::Erased) => Err(problem(ProblemCode::Erased, ERASED)),
            Resent::Refused(_) => Err(problem(ProblemCode::InFlight, IN_FLIGHT)),
        }
    }

    fn delivery_answer(&self, status: StatusCode, record: &DeliveryRecord) -> Response<Body> {
        json_response(status, &self.delivery_json(record))
    }

    /// An order's delivery as the contract has it.
    pub(crate) fn delivery_json(&self, record: &DeliveryRecord) -> Value {
        let mut body = delivery_json(record);
        body["retryKey"] = json!(self.delivery.retry_key(record).to_string());
        body["resend"] = json!(self.delivery.resendable(record));
        body["expiresAt"] = json!(rfc3339(self.deliveries.expires_at(record)));
        body
    }
}

/// The address that a correction gives the button, if it is one.
fn corrected_address(correction: Option<&Map<String, Value>>) -> Option<DetailUrl> {
    DetailUrl::parse(correction?.get("detailUrl")?.as_str()?).ok()
}

fn delivery_json(record: &DeliveryRecord) -> Value {
    let order: Value = serde_json::from_str(&record.order).unwrap_or_default();
    let push: Value = serde_json::from_str(&record.push_body).unwrap_or_default();
    let messages = push["messages"].as_array().cloned().unwrap_or_default();
    let attempts: Vec<_> = record
        .attempts
        .iter()
        .map(|attempt| {
            without_nulls(json!({
                "at": rfc3339(attempt.at),
                "generation": attempt.generation,
                "delivery": attempt.state,
                "lineStatus": attempt.line_status,
                "lineRequestId": attempt.line_request_id,
                "despite": attempt.despite,
                "error": attempt.error,
            }))
        })
        .collect();
    let resends: Vec<_> = record
        .resends
        .iter()
        .map(|resend| {
            without_nulls(json!({
                "at": rfc3339(resend.at),
                "by": resend.by,
                "reason": resend.reason,
                "generation": resend.generation,
                "force": resend.force,
                "recovery": resend.recovery,
            }))
        })
        .collect();
    without_nulls(json!({
        "orderId": record.order_id,
        "status": record.status,
        "delivery": record.progress.state(),
        "reason": record.progress.reason(),
        "date": record.day,
        "createdAt": rfc3339(record.progress.created_at()),
        "updatedAt": rfc3339(record.updated_at),
        "erasedAt": record.progress.erased_at().map(rfc3339),
        "lineUserId": record.line_user_id,
        "order": order,
        "messages": messages,
        "generation": record.progress.generation(),
        "keyFirstUsedAt": record.progress.key_first_used_at().map(rfc3339),
        "mayHaveReachedLine": record.progress.customer_may_have_it(),
        "lineRequestId": record.line_request_id,
        "lineAcceptedRequestId": record.line_accepted_request_id,
        "lineMessageId": record.line_message_id,
        "lastError": record.last_error,
        "attemptCount": record.progress.attempt_count(),
        "attempts": attempts,
        "resends": resends,
    }))
}
