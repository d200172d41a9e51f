//! `GET /sobot/tasks` and `GET /sobot/records`: the mass sends, as Sobot tells them.

use lambda_http::{Request, http::StatusCode};
use serde_json::{Value, json};
use shared::{
    aws::secret::SecretError,
    invalid::Invalid,
    lambda::{
        http_api::{Problem, json_response},
        problem_code::ProblemCode,
    },
    sobot::{
        account::{AccountError, is_used_twice},
        mass_send::{MessageStatus, RecordQuery, SendRecord, SendTask, Span, TaskQuery},
        pages::Progress,
    },
    token::credential::CredentialError,
};

use crate::{
    CallResult, Caller, Operations, cursor,
    input::{self, Query, one_of, partner_id},
    rfc3339, unavailable, without_nulls,
};

/// The longest name of a task, of an account or of a person.
const MAX_NAME: usize = 200;
const USED_TWICE: &str = "Sobot ended the access token as soon as it was issued: another stack, or another program, uses the \
                          same appId and appKey. Let the stacks share it, or get one for each: \
                          functions/webhooks/README.md, Several stacks.";

impl Operations {
    pub(crate) async fn list_tasks(&self, request: &Request, caller: &Caller) -> CallResult {
        let mut query = Query::of(request, &["from", "to", "taskName", "sender", "cursor"]);
        let filter = TaskQuery {
            time: span(&mut query),
            task_name: query.optional("taskName", name),
            sender: query.optional("sender", name),
        };
        self.list(query, caller, &filter, "tasks", task_json).await
    }

    pub(crate) async fn list_records(&self, request: &Request, caller: &Caller) -> CallResult {
        let names = ["from", "to", "status", "taskId", "taskName", "messageId", "agentId", "sender", "recipient"];
        let mut query = Query::of(request, &[&names[..], &["cursor"]].concat());
        let filter = RecordQuery {
            time: span(&mut query),
            message_status: query.optional("status", status),
            task_id: query.optional("taskId", partner_id),
            task_name: query.optional("taskName", name),
            message_id: query.optional("messageId", partner_id),
            agent_id: query.optional("agentId", name),
            sender: query.optional("sender", name),
            recipient: query.optional("recipient", name),
        };
        self.list(query, caller, &filter, "records", record_json).await
    }

    async fn list<Q: shared::sobot::mass_send::ListQuery>(
        &self,
        mut query: Query,
        caller: &Caller,
        filter: &Q,
        name: &str,
        item_json: impl Fn(&Q::Item) -> Value,
    ) -> CallResult {
        let context = format!("sobot {name} {}", json!(filter));
        let mut progress: Progress = query.cursor(caller, &context).unwrap_or_default();
        query.finish(Some(()))?;
        let page = self.sobot.page(filter, progress.next_page()).await.map_err(|error| match error {
            AccountError::Credential(CredentialError::Secret(SecretError::NotSet { .. })) => {
                Problem::new(ProblemCode::NoSobot, "Sobot is not configured for this stack: its secret has no value.")
            }
            error if is_used_twice(&error) => {
                tracing::error!(%error, "Sobot's credential is used twice");
                Problem::unavailable(USED_TWICE)
            }
            error => unavailable(error),
        })?;
        progress.count(&page);
        let items: Vec<_> = page.items.iter().map(item_json).collect();
        let left_out = (page.left_out > 0).then_some(page.left_out);
        let mut body = without_nulls(json!({ (name): items, "total": page.total_count, "leftOut": left_out }));
        let next = (!progress.is_complete()).then_some(&progress);
        cursor::put_next(&mut body, caller, &context, next);
        Ok(json_response(StatusCode::OK, &body))
    }
}

/// `from` and `to`, days in Sobot's zone: both or none.
fn span(query: &mut Query) -> Option<Span> {
    let (from, to) = (query.optional("from", input::day), query.optional("to", input::day));
    match (from, to) {
        (Some(from), Some(to)) if from <= to => Some(Span { first: Span::day(from).first, ..Span::day(to) }),
        (Some(_), Some(_)) => {
            query.wrong("to", "must not be before from");
            None
        }
        (Some(_), None) => {
            query.wrong("to", "requires from");
            None
        }
        (None, Some(_)) => {
            query.wrong("from", "requires to");
            None
        }
        (None, None) => None,
    }
}

fn name(text: &str) -> Result<String, Invalid> {
    match text.chars().count() {
        1..=MAX_NAME => Ok(text.to_owned()),
        _ => Err(format!("must have 1 to {MAX_NAME} characters").into()),
    }
}

fn status(text: &str) -> Result<MessageStatus, Invalid> {
    Ok(match text {
        "sent" => MessageStatus::Sent,
        "delivered" => MessageStatus::Delivered,
        "read" => MessageStatus::Read,
        "failed" => MessageStatus::Failed,
        _ => return Err(one_of(["sent", "delivered", "read", "failed"])),
    })
}

fn task_json(task: &SendTask) -> Value {
    without_nulls(json!({
        "taskId": task.id,
        "taskName": task.name,
        "estimated": task.estimated,
        "sent": task.sent,
        "failed": task.failed,
        "startedAt": task.started_at.map(rfc3339),
        "endedAt": task.ended_at.map(rfc3339),
    }))
}

fn record_json(record: &SendRecord) -> Value {
    without_nulls(json!({
        "taskId": record.task_id,
        "taskName": record.task_name,
        "errorCode": record.error_code,
        "sent": record.was_sent(),
        "messageIds": record.message_ids,
        "recipient": record.recipient,
        "agentId": record.agent_id,
        "sender": record.sender,
        "sentAt": record.sent_at.map(rfc3339),
        "updatedAt": record.updated_at.map(rfc3339),
    }))
}
