//! `GET /switches` and `PUT /switches/{status}`.

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    audit::{AuditKind, Entry},
    delivery::switch::{self, SWITCHES, Switch},
    invalid::Invalid,
    lambda::{
        http_api::{Problem, json_response},
        problem_code::ProblemCode,
    },
};

use crate::{
    CallResult, Caller, Operations,
    input::{self, BodyFields, Query},
    rfc3339, unavailable,
};

impl Operations {
    pub(crate) async fn list_switches(&self, request: &Request) -> CallResult {
        Query::none(request)?;
        let switches = self.switches.get(SWITCHES).await.map_err(unavailable)?;
        let switches: Vec<_> = switches.iter().map(switch_json).collect();
        let body = json!({ "switches": switches, "effectiveWithinSeconds": switch::MAX_AGE.as_secs() });
        Ok(json_response(StatusCode::OK, &body))
    }

    pub(crate) async fn turn_switch(&self, request: &Request, caller: &Caller) -> CallResult {
        let status = input::path(request, "status", |status| {
            Ok::<_, Invalid>(SWITCHES.into_iter().find(|known| *known == status))
        })?;
        let Some(status) = status else {
            let detail = format!("No such switch; the switches are {}.", SWITCHES.join(", "));
            return Err(Problem::new(ProblemCode::NoSuchSwitch, detail));
        };
        let mut fields = BodyFields::of(request, &["enabled", "reason"])?;
        let command = fields.bool("enabled", None).zip(fields.operator(caller));
        let (enabled, operator) = fields.finish(command)?;
        let entry =
            Entry::new(AuditKind::Switch, status, &operator, Some(json!({ "enabled": enabled })), self.clock.now());
        let switch = self.switches.turn(enabled, &entry, &self.audit).await.map_err(unavailable)?;
        tracing::warn!(switch = status, enabled, operator = operator.name, "switch turned");
        Ok(json_response(StatusCode::OK, &switch_json(&switch)))
    }
}

fn switch_json(switch: &Switch) -> Value {
    let mut json = json!({ "status": switch.status, "enabled": switch.enabled });
    if let Some(at) = switch.changed_at {
        json["changedAt"] = json!(rfc3339(at));
    }
    if let Some(by) = &switch.changed_by {
        json["changedBy"] = json!(by);
    }
    if let Some(reason) = &switch.reason {
        json["reason"] = json!(reason);
    }
    json
}
