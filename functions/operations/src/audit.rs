//! `GET /audit`: what operators did, and which links customers made.

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    audit::{AuditKind, Entry},
    lambda::http_api::json_response,
};

use crate::{
    CallResult, Caller, Operations, cursor,
    input::{self, Query},
    rfc3339, unavailable, without_nulls,
};

impl Operations {
    pub(crate) async fn list_audit(&self, request: &Request, caller: &Caller) -> CallResult {
        let mut query = Query::of(request, &["kind", "limit", "cursor"]);
        let kind = query.required("kind", |name| input::named(AuditKind::ALL, AuditKind::name, name));
        let limit = query.limit();
        let context = format!("audit {}", kind.map_or("", AuditKind::name));
        let after = query.cursor(caller, &context);
        let kind = query.finish(kind)?;
        let page = self.audit.page(kind, limit, after).await.map_err(unavailable)?;
        let entries: Vec<_> = page.entries.into_iter().map(entry_json).collect();
        let mut body = json!({ "entries": entries });
        cursor::put_next(&mut body, caller, &context, page.next.as_ref());
        Ok(json_response(StatusCode::OK, &body))
    }
}

fn entry_json(entry: Entry) -> Value {
    without_nulls(json!({
        "kind": entry.kind,
        "subject": entry.subject,
        "at": rfc3339(entry.at),
        "by": entry.by,
        "reason": Some(entry.reason).filter(|reason| !reason.is_empty()),
        "sourceIp": entry.source_ip,
        "detail": entry.detail,
    }))
}
