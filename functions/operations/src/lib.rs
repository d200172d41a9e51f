//! What operators call: switches, look-ups, send again, dead letters, users, quota, Sobot - and their page, the
//! console.
//!
//! Every route but the console's page asks for an operator's key first, and answers nothing else without one. Whose key
//! it was is noted with what was done: [`shared::audit`]. The contract is `functions/openapi.yaml`.

pub mod audit;
pub mod console;
pub mod cursor;
pub mod dead_letters;
pub mod deliveries;
pub mod input;
pub mod links;
pub mod media;
pub mod messages;
pub mod orders;
pub mod people;
pub mod quota;
pub mod recoveries;
pub mod reports;
pub mod sobot;
pub mod stack;
pub mod switches;

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock},
};

use jiff::tz::TimeZone;
use lambda_http::{Body, Request, RequestExt as _, Response, request::RequestContext};
use serde_json::Value;
use shared::{
    audit::{Audit, Operator},
    aws::secret::{Secret, SecretError},
    clock::Clock,
    customer::{friend::Friends, link::Links, login_secret::LoginSecret},
    delivery::{Delivery, queue::RetryQueue, recovery::table::Recoveries, switch::Switches, table::Deliveries},
    inbox::messages::Messages,
    lambda::{
        callers::{OperatorKeys, Scope},
        http_api::{Problem, bearer, refused, source_ip},
        problem_code::ProblemCode,
    },
    language::Language,
    line::{channel::LineChannel, client::LineClient, login::LoginClient},
    order::detail_hosts::DetailHosts,
    report::{mail::Mailer, quota_warning::Thresholds, reports::Reports},
    sobot::account::SobotAccount,
};

use crate::{console::Console, dead_letters::DeadLetterQueues, reports::ReportQueue, stack::Stack};

const NO_KEY: &str = "Send an operator's key as Authorization: Bearer <key>.";
/// The answer to a route that API Gateway has and this function has not.
const NO_SUCH_OPERATION: &str = "No such operation.";
const NO_KEYS_TO_CHECK: &str = "Keys cannot be checked right now. Repeat the same request.";

/// The function with what it calls.
#[derive(Debug)]
pub struct Operations {
    /// The keys of the operators.
    pub keys: Secret<OperatorKeys>,
    /// What operators did.
    pub audit: Audit,
    /// The switches.
    pub switches: Switches,
    /// Sends again, looks up.
    pub delivery: Delivery,
    /// Where a resend's retry waits.
    pub queue: RetryQueue,
    /// Lists and counts.
    pub deliveries: Deliveries,
    /// Sends many again.
    pub recoveries: Recoveries,
    /// How many orders a minute a recovery sends.
    pub recovery_per_minute: u32,
    /// What failed for good.
    pub dead_letters: DeadLetterQueues,
    /// What users wrote and did.
    pub messages: Messages,
    /// Who is a friend.
    pub friends: Friends,
    /// Who is which member.
    pub links: Links,
    /// LINE Login.
    pub login: LoginClient,
    /// Its channel.
    pub login_secret: Secret<LoginSecret>,
    /// LINE's figures.
    pub channel: LineChannel,
    /// Where LINE has what customers sent.
    pub line_data: LineClient,
    /// Shares of the quota that are warned of.
    pub thresholds: Thresholds,
    /// Sobot.
    pub sobot: SobotAccount,
    /// The daily report.
    pub reports: Reports,
    /// Where one is asked for.
    pub report_queue: ReportQueue,
    /// Whom it is mailed to.
    pub mailer: Mailer,
    /// The language of the mails.
    pub report_language: Language,
    /// The zone whose days the mails are for. Without one everything but the report is answered.
    pub report_zone: Result<TimeZone, jiff::Error>,
    /// Which stack it is.
    pub stack: Stack,
    /// Which hosts a button may open.
    pub detail_hosts: DetailHosts,
    /// The operators' page, made for the first who asks: most environments show it to nobody, and start sooner without.
    pub console: LazyLock<Console>,
    /// The time.
    pub clock: Clock,
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The name of the key.
    pub name: String,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// The address that the call came from.
    pub source_ip: Option<String>,
    /// What seals the cursors.
    pub keys: Arc<OperatorKeys>,
}

impl Caller {
    /// Who does something, for this reason.
    pub(crate) fn as_operator(&self, reason: String) -> Operator {
        Operator { name: self.name.clone(), reason, source_ip: self.source_ip.clone() }
    }

    /// 403 where the key may not make this call.
    fn may(&self, scopes: &[Scope]) -> Result<(), Problem> {
        scopes.iter().try_for_each(|scope| self.has(*scope))
    }

    pub(crate) fn has(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let detail = format!("This operation needs a key with the scope {}.", scope.name());
        Err(Problem::new(ProblemCode::MissingScope, detail).about("scope", scope.name()))
    }
}

/// What a key must be good for, to make a call: all of it. Whoever is forgotten is unlinked, too.
fn scopes(route: &str) -> &'static [Scope] {
    match route {
        "GET /links/{memberId}" => &[Scope::Links],
        "DELETE /links/{memberId}" => &[Scope::Unlink],
        "DELETE /users/{lineUserId}" | "DELETE /members/{memberId}" => &[Scope::Operate, Scope::Unlink],
        route if route.starts_with("GET ") => &[Scope::Read],
        _ => &[Scope::Operate],
    }
}

/// A call's answer.
pub type CallResult = Result<Response<Body>, Problem>;

impl Operations {
    /// Reads the keys before the first call comes.
    pub async fn warm_up(&self) {
        if let Err(error) = self.keys.get().await {
            tracing::warn!(%error, "the operators' keys are not ready");
        }
    }

    /// Answers a call.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let route = route(&request);
        let mut caller = None;
        let answer = match route.as_str() {
            "GET /console" => Ok(self.console.page(&request)),
            route => match self.authorize(&request).await {
                Ok(known) => {
                    let known = caller.insert(known);
                    match known.may(scopes(route)) {
                        Ok(()) => Box::pin(self.answer(route, &request, known)).await,
                        Err(problem) => Err(problem),
                    }
                }
                Err(problem) => Err(problem),
            },
        };
        let response = answer.unwrap_or_else(|problem| {
            tracing::info!(?problem, "call refused");
            problem.into_response()
        });
        let operator = caller.as_ref().map(|caller| caller.name.as_str());
        tracing::info!(
            route,
            operator,
            http.status = response.status().as_u16(),
            http.source_ip = source_ip(&request).as_deref(),
            "call answered"
        );
        Ok(response)
    }

    async fn answer(&self, route: &str, request: &Request, caller: &Caller) -> CallResult {
        match route {
            "GET /switches" => self.list_switches(request).await,
            "PUT /switches/{status}" => self.turn_switch(request, caller).await,
            "GET /audit" => self.list_audit(request, caller).await,
            "GET /orders/{orderId}" => self.look_up_order(request).await,
            "POST /orders/{orderId}/resend" => self.resend_order(request, caller).await,
            "GET /deliveries" => self.list_deliveries(request, caller).await,
            "POST /deliveries/recover" => self.recover_deliveries(request, caller).await,
            "GET /recoveries" => self.list_recoveries(request).await,
            "GET /recoveries/{id}" => self.show_recovery(request).await,
            "PUT /recoveries/{id}" => self.change_recovery(request, caller).await,
            "GET /days/{date}" => self.count_day(request).await,
            "GET /dead-letters" => self.list_dead_letters(request, caller).await,
            "POST /dead-letters/redrive" => self.redrive_dead_letters(request, caller).await,
            "DELETE /dead-letters/{id}" => self.discard_dead_letter(request, caller).await,
            "GET /users/{lineUserId}/messages" => self.list_messages(request, caller).await,
            "GET /users/{lineUserId}/messages/{messageId}/content" => self.open_media(request, caller).await,
            "POST /users/{lineUserId}/messages/{messageId}/media" => self.ask_for_media(request, caller).await,
            "GET /users/{lineUserId}" | "GET /members/{memberId}" => self.show_person(request, caller).await,
            "DELETE /users/{lineUserId}" | "DELETE /members/{memberId}" => self.erase_person(request, caller).await,
            "GET /users/{lineUserId}/orders" | "GET /members/{memberId}/orders" => {
                self.list_orders(request, caller).await
            }
            "GET /links/{memberId}" => self.show_link(request, caller).await,
            "DELETE /links/{memberId}" => self.unlink_member(request, caller).await,
            "GET /stack" => self.describe_stack(request).await,
            "GET /quota" => self.read_quota(request).await,
            "GET /reports" => self.list_reports(request).await,
            "POST /reports/{date}/run" => self.run_report(request, caller).await,
            "GET /reports/preview" => self.preview_report(request).await,
            "POST /reports/test-mail" => self.send_test_mail(request, caller).await,
            "GET /sobot/tasks" => self.list_tasks(request, caller).await,
            "GET /sobot/records" => self.list_records(request, caller).await,
            _ => Err(Problem::new(ProblemCode::NoSuchOperation, NO_SUCH_OPERATION)),
        }
    }

    /// Whose key the call came with.
    async fn authorize(&self, request: &Request) -> Result<Caller, Problem> {
        let unavailable = |error: SecretError| {
            tracing::error!(%error, "no operator's key can be checked");
            Problem::unavailable(NO_KEYS_TO_CHECK)
        };
        // No key is a wrong key: it costs the same, and says the same.
        let key = bearer(request).unwrap_or_default();
        let caller = |keys: &Arc<OperatorKeys>| {
            keys.operator(key).map(|operator| Caller {
                name: operator.name.clone(),
                scopes: operator.scopes.clone(),
                source_ip: source_ip(request),
                keys: Arc::clone(keys),
            })
        };
        match self.keys.first(caller).await.map_err(unavailable)? {
            Some(caller) => Ok(caller),
            None => {
                let is_former = self.keys.had(|keys| keys.operator(key).is_some()).await;
                Err(refused(request, "operators", is_former, NO_KEY))
            }
        }
    }
}

/// The route that API Gateway found for the call, such as `GET /orders/{orderId}`.
fn route(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// What is needed does not answer; the log says what.
pub(crate) fn unavailable(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "call not answered");
    Problem::unavailable(
        "A service that this request needs is not responding (see the log). It is safe to repeat the request.",
    )
}

/// A time as the contract has it.
pub(crate) fn rfc3339(time: time::OffsetDateTime) -> String {
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// An object without what there is not.
pub(crate) fn without_nulls(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    object
}
