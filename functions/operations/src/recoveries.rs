//! `POST /deliveries/recover`, `GET /recoveries`, `GET /recoveries/{id}` and `PUT /recoveries/{id}`.

use std::time::Duration;

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    audit::{AuditKind, Entry, Operator},
    delivery::{
        recovery::{
            Filter, Recovery, RecoveryState,
            step::Survey,
            table::{Begun, Recoveries},
        },
        state::{Reason, State},
    },
    invalid::Invalid,
    lambda::{
        http_api::{Problem, json_response},
        problem_code::ProblemCode,
    },
};
use time::Date;
use tokio::time::{Instant, timeout};

use crate::{
    CallResult, Caller, Operations,
    input::{self, BodyFields, Query, named},
    rfc3339, unavailable, without_nulls,
};

/// How long orders are counted; the function and API Gateway give a call 30 seconds.
const MAX_COUNTING: Duration = Duration::from_secs(18);
/// How long LINE is waited for, beside the counting.
const MAX_ASKING: Duration = Duration::from_secs(6);
/// The most days of a filter.
const MAX_DAYS: i64 = 31;
/// The most orders of a recovery.
const MAX_ORDERS: u64 = 1_000_000;
/// The most hours that a filter names: the longest that a record is kept.
const MAX_HOURS: u64 = 3650 * 24;
/// How many recoveries are listed.
const LISTED: u32 = 20;
/// How often a recovery is read again that somebody else has written.
const MAX_LOOKS: usize = 5;
const UNKNOWN: &str = "There is no recovery of this id.";
const STATES: [RecoveryState; 3] = [RecoveryState::Running, RecoveryState::Paused, RecoveryState::Stopped];

impl Operations {
    pub(crate) async fn recover_deliveries(&self, request: &Request, caller: &Caller) -> CallResult {
        const FIELDS: [&str; 9] =
            ["dryRun", "from", "to", "state", "reasons", "atMost", "maxAgeHours", "force", "reason"];
        let mut fields = BodyFields::of(request, &FIELDS)?;
        let filter = filter(&mut fields);
        let dry_run = fields.bool("dryRun", None);
        // Whoever only looks need not say why.
        let operator = if dry_run == Some(true) { Some(None) } else { fields.operator(caller).map(Some) };
        let (filter, operator) = fields.finish(dry_run.and(filter).zip(operator))?;
        let survey = self.delivery.survey(&filter, Instant::now() + MAX_COUNTING).await.map_err(unavailable)?;
        match operator {
            None => Ok(json_response(StatusCode::OK, &self.survey_json(&filter, &survey).await)),
            Some(operator) => self.start_recovery(filter, &survey, &operator).await,
        }
    }

    async fn start_recovery(&self, filter: Filter, survey: &Survey, operator: &Operator) -> CallResult {
        let now = self.clock.now();
        let total = survey.complete.then(|| takes(&filter, survey));
        let recovery = Recovery::new(filter, self.recovery_per_minute, total, operator, now);
        let detail = recovery.audit_detail("start");
        let entry = Entry::new(AuditKind::Recover, &recovery.id, operator, Some(detail), now);
        match self.recoveries.begin(&recovery, &entry, &self.audit).await.map_err(unavailable)? {
            Begun::Runs => {
                tracing::warn!(recovery = recovery.id, operator = operator.name, total, "recovery started");
                Ok(json_response(StatusCode::ACCEPTED, &recovery_json(&recovery)))
            }
            Begun::Busy { id } => {
                let detail = format!("The recovery {id} runs or is paused: stop it first, or wait for its end.");
                Err(Problem::new(ProblemCode::RecoveryActive, detail).about("recovery", id))
            }
        }
    }

    /// What a dry run says. What LINE does not tell in time is left out.
    async fn survey_json(&self, filter: &Filter, survey: &Survey) -> Value {
        let left = match timeout(MAX_ASKING, self.channel.month()).await {
            Ok(Ok(month)) => month.remaining(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a dry run without the quota");
                None
            }
            Err(_) => {
                tracing::warn!("a dry run without the quota: LINE took too long");
                None
            }
        };
        without_nulls(json!({
            "matches": survey.matches,
            "takes": takes(filter, survey),
            "skipped": survey.skipped,
            "complete": survey.complete,
            "perMinute": self.recovery_per_minute,
            "quotaRemaining": left,
        }))
    }

    pub(crate) async fn list_recoveries(&self, request: &Request) -> CallResult {
        Query::none(request)?;
        let latest = self.recoveries.latest(LISTED).await.map_err(unavailable)?;
        let recoveries: Vec<_> = latest.iter().map(recovery_json).collect();
        Ok(json_response(StatusCode::OK, &json!({ "recoveries": recoveries })))
    }

    pub(crate) async fn show_recovery(&self, request: &Request) -> CallResult {
        let id = input::path(request, "id", Recovery::parse_id)?;
        Query::none(request)?;
        Ok(json_response(StatusCode::OK, &recovery_json(&known(&self.recoveries, &id).await?)))
    }

    pub(crate) async fn change_recovery(&self, request: &Request, caller: &Caller) -> CallResult {
        let id = input::path(request, "id", Recovery::parse_id)?;
        let mut fields = BodyFields::of(request, &["state", "reason"])?;
        let state = fields.text("state", |name| named(STATES, RecoveryState::name, name));
        let operator = fields.operator(caller);
        let (state, operator) = fields.finish(state.zip(operator))?;
        for _ in 0..MAX_LOOKS {
            let read = known(&self.recoveries, &id).await?;
            let now = self.clock.now();
            let next = match read.wanted(state, &operator, now) {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(json_response(StatusCode::OK, &recovery_json(&read))),
                Err(stands) => {
                    let detail = format!("The recovery is {}: nothing can be changed any more.", stands.name());
                    return Err(Problem::new(ProblemCode::RecoveryOver, detail));
                }
            };
            let action = match state {
                RecoveryState::Running => "resume",
                RecoveryState::Paused => "pause",
                RecoveryState::Stopped | RecoveryState::Finished => "stop",
            };
            let entry = Entry::new(AuditKind::Recover, &id, &operator, Some(next.audit_detail(action)), now);
            let written = self.recoveries.replace(&read, &next, Some((&entry, &self.audit))).await;
            if written.map_err(unavailable)? {
                tracing::warn!(recovery = id, operator = operator.name, action, "recovery changed");
                return Ok(json_response(StatusCode::OK, &recovery_json(&next)));
            }
        }
        Err(unavailable("the recovery is written by others, each time"))
    }
}

async fn known(recoveries: &Recoveries, id: &str) -> Result<Recovery, Problem> {
    let found = recoveries.get(id).await.map_err(unavailable)?;
    found.ok_or_else(|| Problem::new(ProblemCode::NoSuchRecovery, UNKNOWN))
}

/// The filter in the body of a call.
fn filter(fields: &mut BodyFields) -> Option<Filter> {
    let from = fields.text("from", input::day);
    let to = fields.text("to", |text| {
        let to = input::day(text)?;
        match from {
            Some(from) if !(0..MAX_DAYS).contains(&(to - from).whole_days()) => Err(too_many_days(from)),
            _ => Ok(to),
        }
    });
    let state = fields.text("state", |name| named(Filter::STATES, State::name, name));
    let reasons = fields.texts("reasons", |name| named(Reason::ALL, Reason::name, name));
    let at_most = fields.whole_number("atMost", MAX_ORDERS);
    let max_age_hours = fields.whole_number("maxAgeHours", MAX_HOURS);
    let force = fields.bool("force", Some(false));
    let hours = |hours: u64| u32::try_from(hours).unwrap_or(u32::MAX);
    Some(Filter {
        from: from?,
        to: to?,
        state: state?,
        reasons: reasons?,
        at_most: at_most?,
        max_age_hours: max_age_hours?.map(hours),
        force: force?,
    })
}

fn too_many_days(from: Date) -> Invalid {
    format!("must be {from} or one of the {} days after it", MAX_DAYS - 1).into()
}

/// How many messages of the quota it takes.
fn takes(filter: &Filter, survey: &Survey) -> u64 {
    filter.at_most.map_or(survey.sends, |most| survey.sends.min(most))
}

/// A recovery as the contract has it.
fn recovery_json(recovery: &Recovery) -> Value {
    let Recovery { filter, started, changed, .. } = recovery;
    without_nulls(json!({
        "id": recovery.id,
        "state": recovery.state,
        "filter": without_nulls(json!({
            "from": filter.from.to_string(),
            "to": filter.to.to_string(),
            "state": filter.state,
            "reasons": filter.reasons,
            "atMost": filter.at_most,
            "maxAgeHours": filter.max_age_hours,
            "force": filter.force,
        })),
        "perMinute": recovery.per_minute,
        "startedAt": rfc3339(started.at),
        "startedBy": started.by,
        "reason": started.reason,
        "changedAt": rfc3339(changed.at),
        "changedBy": changed.by,
        "changeReason": Some(&changed.reason).filter(|reason| !reason.is_empty()),
        "metAgain": recovery.met_again,
        "total": recovery.total,
        "ended": recovery.ended(),
        "onTheWay": recovery.on_the_way.len(),
        "sent": recovery.sent,
        "suppressed": recovery.suppressed,
        "failed": recovery.failed,
        "skipped": recovery.skipped,
        "secondsLeft": recovery.seconds_left(),
    }))
}
