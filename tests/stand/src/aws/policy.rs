//! What a function's policy allows, held against each of its calls: the emulator asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// A statement of a function's policy in `template.yaml`; resources are physical ids.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Statement {
    /// Such as `dynamodb:PutItem`.
    pub actions: Vec<String>,
    /// A table's name (`table/index/name` for an index), a queue's URL, a secret's id, or an ARN.
    pub resources: Vec<String>,
}

/// SES's suppression list: an address is in its place behind it.
pub const SUPPRESSION_LIST: &str = "GET /v2/email/suppression/addresses/";

/// The statements of each function, by binary.
pub type Permissions = BTreeMap<String, Vec<Statement>>;

/// What a call needs that its caller is not allowed; `None` where all is well.
pub fn denied(permissions: &Permissions, caller: &str, operation: &str, body: &str) -> Option<String> {
    let statements = permissions.get(caller).map(Vec::as_slice).unwrap_or_default();
    let allows = |action: &str, resource: &str| {
        statements.iter().any(|statement| {
            statement.actions.iter().any(|allowed| allowed == action)
                && statement.resources.iter().any(|allowed| is_resource(allowed, resource))
        })
    };
    let needed = needed(operation, &serde_json::from_str(body).unwrap_or_default());
    let missing = needed.into_iter().find(|(action, resource)| !allows(action, resource))?;
    Some(format!("{caller} may not {} on {}", missing.0, missing.1))
}

/// What the policies allow and none of these calls - caller, operation, body - needed.
pub fn unused<'a>(
    permissions: &Permissions,
    calls: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
) -> BTreeSet<String> {
    let used: BTreeSet<(&str, String, String)> = calls
        .flat_map(|(caller, operation, body)| {
            let needed = needed(operation, &serde_json::from_str(body).unwrap_or_default());
            needed.into_iter().map(move |(action, resource)| (caller, action, resource))
        })
        .collect();
    let is_used = |caller: &str, action: &str, allowed: &str| {
        used.iter().any(|(by, done, on)| *by == caller && done == action && is_resource(allowed, on))
    };
    permissions
        .iter()
        .flat_map(|(caller, statements)| statements.iter().map(move |statement| (caller, statement)))
        .flat_map(|(caller, statement)| {
            statement.actions.iter().map(move |action| (caller, action, &statement.resources))
        })
        .flat_map(|(caller, action, resources)| resources.iter().map(move |resource| (caller, action, resource)))
        .filter(|(caller, action, resource)| !is_used(caller, action, resource))
        .map(|(caller, action, resource)| format!("{caller}: {action} on {resource}"))
        .collect()
}

fn is_resource(allowed: &str, resource: &str) -> bool {
    let name = |id: &str, end| id.rsplit(end).next().unwrap_or_default().to_owned();
    allowed == resource
        // A mail needs its sender's identity, and the identity's default configuration set.
        || (resource == "identity" && (allowed.contains(":identity/") || allowed.contains(":configuration-set/")))
        // The one that a call does is a queue whose messages are moved.
        || (resource.starts_with("arn:aws:sqs:") && name(allowed, '/') == name(resource, ':'))
}

/// Actions and resources of a call (AWS: "Actions, resources, and condition keys").
fn needed(operation: &str, body: &Value) -> Vec<(String, String)> {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let action = operation.replace('.', ":");
    match operation.split('.').next() {
        Some("dynamodb") if operation.ends_with(".TransactWriteItems") => {
            let steps = body["TransactItems"].as_array().into_iter().flatten();
            let parts = steps.flat_map(|step| step.as_object().into_iter().flatten());
            parts
                .map(|(kind, part)| {
                    let kind =
                        if kind == "ConditionCheck" { "ConditionCheckItem".to_owned() } else { format!("{kind}Item") };
                    (format!("dynamodb:{kind}"), text(part, "TableName"))
                })
                .collect()
        }
        Some("dynamodb") if operation.ends_with(".BatchGetItem") => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(table, _)| (action.clone(), table.clone())).collect()
        }
        Some("dynamodb") => {
            let (table, index) = (text(body, "TableName"), text(body, "IndexName"));
            let resource = if index.is_empty() { table } else { format!("{table}/index/{index}") };
            vec![(action, resource)]
        }
        Some("sqs") => {
            let queue = [text(body, "QueueUrl"), text(body, "SourceArn")].concat();
            // SQS does on the caller's behalf what the move is made of, and asks for these beforehand.
            let moving = (action == "sqs:StartMessageMoveTask")
                .then_some(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"])
                .into_iter()
                .flatten();
            let own = action.trim_end_matches("Batch").to_owned();
            moving.map(str::to_owned).chain([own]).map(|action| (action, queue.clone())).collect()
        }
        Some("secretsmanager") if operation.ends_with(".BatchGetSecretValue") => {
            // A secret that may not be read alone is not read with others.
            let ids = body["SecretIdList"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let each = ids.map(|id| ("secretsmanager:GetSecretValue".to_owned(), id.to_owned()));
            [(action, "*".to_owned())].into_iter().chain(each).collect()
        }
        Some("secretsmanager") => vec![(action, text(body, "SecretId"))],
        _ if operation == "POST /v2/email/outbound-emails" => vec![("ses:SendEmail".to_owned(), "identity".to_owned())],
        _ if operation.starts_with(SUPPRESSION_LIST) => {
            vec![("ses:GetSuppressedDestination".to_owned(), "*".to_owned())]
        }
        _ => vec![(operation.to_owned(), "an operation that no policy here knows".to_owned())],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permissions() -> Permissions {
        let statement = |action: &str, resource: &str| Statement {
            actions: vec![action.to_owned()],
            resources: vec![resource.to_owned()],
        };
        let statements = vec![
            statement("dynamodb:PutItem", "orders"),
            statement("dynamodb:Query", "orders/index/by_day"),
            statement("sqs:SendMessage", "http://queue"),
            statement("ses:SendEmail", "arn:aws:ses:region:1:identity/example.com"),
        ];
        Permissions::from([("f".to_owned(), statements)])
    }

    #[test]
    fn a_call_needs_its_action_on_its_resource() {
        let denied = |operation, body: Value| denied(&permissions(), "f", operation, &body.to_string()).is_some();
        assert!(!denied("dynamodb.PutItem", json!({ "TableName": "orders" })));
        assert!(denied("dynamodb.GetItem", json!({ "TableName": "orders" })));
        assert!(denied("dynamodb.PutItem", json!({ "TableName": "others" })));
        assert!(!denied("dynamodb.Query", json!({ "TableName": "orders", "IndexName": "by_day" })));
        assert!(denied("dynamodb.Query", json!({ "TableName": "orders" })));
        assert!(!denied("sqs.SendMessageBatch", json!({ "QueueUrl": "http://queue" })));
        assert!(!denied("sqs.SendMessage", json!({ "SourceArn": "arn:aws:sqs:region:1:queue" })));
        assert!(denied("sqs.SendMessage", json!({ "SourceArn": "arn:aws:sqs:region:1:other" })));
        assert!(!denied("POST /v2/email/outbound-emails", json!({})));
        assert!(denied("POST /elsewhere", json!({})));
        let transaction = |kind: &str| json!({ "TransactItems": [{ (kind): { "TableName": "orders" } }] });
        assert!(!denied("dynamodb.TransactWriteItems", transaction("Put")));
        assert!(denied("dynamodb.TransactWriteItems", transaction("Delete")));
        assert!(denied("dynamodb.TransactWriteItems", transaction("ConditionCheck")));
    }

    #[test]
    fn what_nobody_needed_is_named() {
        let put = json!({ "TableName": "orders" }).to_string();
        let query = json!({ "TableName": "orders", "IndexName": "by_day" }).to_string();
        let calls = [
            ("f", "dynamodb.PutItem", put.as_str()),
            ("f", "dynamodb.Query", &query),
            ("another", "sqs.SendMessage", r#"{"QueueUrl":"http://queue"}"#),
            ("f", "POST /v2/email/outbound-emails", "{}"),
        ];
        let unused = |calls: &[(&str, &str, &str)]| unused(&permissions(), calls.iter().copied());
        assert_eq!(unused(&calls).into_iter().collect::<Vec<_>>(), ["f: sqs:SendMessage on http://queue"]);
        assert_eq!(unused(&[]).len(), 4);
    }

    #[test]
    fn who_has_no_policy_may_nothing() {
        let body = json!({ "TableName": "orders" }).to_string();
        assert!(denied(&permissions(), "another", "dynamodb.PutItem", &body).is_some());
    }
}
