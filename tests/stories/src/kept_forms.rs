//! What is kept outlives the version that kept it: a release, and its rollback, find what the other one wrote. `kept/`
//! has a file for each table and queue, with what versions wrote, the earliest first, as DynamoDB and SQS have it.
//!
//! After a change that is meant: `UPDATE_KEPT=1 cargo test --test stories kept_forms` adds what today's code writes
//! and no kept one was like. Nothing is taken away as long as a stack may hold it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::PathBuf,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use local_stand::{
    line::{
        Behaviour,
        webhook_sender::{WebhookSender, event, message},
    },
    repository,
    stand::{POLL, Stand, order_with, random_user},
};
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, macros::offset};

use crate::{id, now_ms, story_alone};

/// Its file: a table by the output that names it, a queue by the one that has its address.
fn file(output: &str) -> PathBuf {
    repository().join("tests/stories/kept").join(format!("{output}.json"))
}

/// What is kept of a table or queue, the earliest first.
fn kept(output: &str) -> Vec<Value> {
    let text = fs::read_to_string(file(output)).unwrap_or_else(|_| "[]".to_owned());
    serde_json::from_str(&text).expect("a list in JSON")
}

/// As the wire has it: `{"S": "a text"}`. What is sealed tells nothing.
fn on_the_wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::Null(_) => json!({ "NULL": true }),
        AttributeValue::B(_) => json!({ "B": BASE64_STANDARD.encode("sealed") }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(on_the_wire).collect::<Vec<_>>() }),
        AttributeValue::M(map) => json!({ "M": item_on_the_wire(map) }),
        other => panic!("a type that nothing here writes: {other:?}"),
    }
}

fn item_on_the_wire(item: &HashMap<String, AttributeValue>) -> Value {
    item.iter().map(|(name, value)| (name.clone(), on_the_wire(value))).collect::<Map<_, _>>().into()
}

fn off_the_wire(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().and_then(|one| one.iter().next()).expect("a type and a value");
    let text = || value.as_str().expect("a text").to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "BOOL" => AttributeValue::Bool(value == true),
        "NULL" => AttributeValue::Null(true),
        "B" => AttributeValue::B(Blob::new(BASE64_STANDARD.decode(text()).expect("base64"))),
        "L" => AttributeValue::L(value.as_array().expect("a list").iter().map(off_the_wire).collect()),
        "M" => AttributeValue::M(item_off_the_wire(value)),
        other => panic!("{other}"),
    }
}

fn item_off_the_wire(item: &Value) -> HashMap<String, AttributeValue> {
    item.as_object().expect("an item").iter().map(|(name, value)| (name.clone(), off_the_wire(value))).collect()
}

/// Whether whoever reads the earlier one can read this one: it has whatever that has, of the same type.
fn is_like(this: &Value, earlier: &Value) -> bool {
    match (this, earlier) {
        (Value::Object(this), Value::Object(earlier)) => {
            earlier.iter().all(|(name, earlier)| this.get(name).is_some_and(|this| is_like(this, earlier)))
        }
        (Value::Array(this), Value::Array(earlier)) => {
            earlier.is_empty() || this.iter().all(|this| earlier.iter().any(|earlier| is_like(this, earlier)))
        }
        (Value::String(this), Value::String(earlier)) => match (in_a_text(this), in_a_text(earlier)) {
            (this, Some(earlier)) => this.is_some_and(|this| is_like(&this, &earlier)),
            (_, None) => true,
        },
        (this, earlier) => std::mem::discriminant(this) == std::mem::discriminant(earlier),
    }
}

/// An object that is kept as a text: an order, an event, a report's figures.
fn in_a_text(text: &str) -> Option<Value> {
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Items of one table are of several kinds, told by what stands before the `#` of a key.
fn kind(item: &Value) -> String {
    let texts = ["id", "order_id", "status", "line_user_id", "issuer", "user_id"].into_iter();
    let keys = texts.filter_map(|name| item[name]["S"].as_str()?.split_once('#'));
    keys.map(|(kind, _)| kind).collect::<Vec<_>>().join(" ")
}

/// Fields and types, in all depths: what `update` looks for something new in.
fn fields(item: &Value) -> Vec<String> {
    match item {
        Value::Object(object) => {
            let inner = object.iter().flat_map(|(name, value)| {
                let inner = fields(value).into_iter().map(move |inner| format!("{name}.{inner}"));
                inner.chain([name.clone()])
            });
            inner.collect()
        }
        Value::Array(list) => list.iter().flat_map(fields).collect(),
        _ => Vec::new(),
    }
}

/// The queues that functions read, by the outputs that have their addresses.
fn queues(stand: &Stand) -> Vec<(&str, &str)> {
    let outputs = stand.aws.outputs().iter().map(|(output, address)| (output.as_str(), address.as_str()));
    outputs.filter(|(output, _)| output.ends_with("QueueUrl") && !output.ends_with("DeadLetterQueueUrl")).collect()
}

async fn wait_for_empty_queues(stand: &Stand) {
    for (output, _) in queues(stand) {
        while stand.queue_depth(output).await.expect("a depth") > 0 {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Uses a stack in as many ways as leave something behind.
async fn use_everything(stand: &Stand) {
    let (person, member) = (random_user(), "M-1");
    stand.log_in(member, &person).await.expect("linked");
    let to = |recipient: Value| order_with(json!({ "recipient": recipient }));
    let sent = to(json!({ "memberId": member }));
    assert_eq!(stand.post(&sent).await.body["delivery"], "sent");
    assert_eq!(stand.post(&to(json!({ "memberId": "M-2" }))).await.body["reason"], "not_linked");
    // The month's messages are used up, and then there is no ceiling any more.
    stand.line.set_quota(Some(0));
    assert_eq!(stand.post(&order_with(json!({}))).await.body["reason"], "quota_exhausted");
    stand.line.set_quota(None);
    let refused = order_with(json!({}));
    stand.line.script(crate::user(&refused), [Behaviour::answer(500, "")]);
    assert_eq!(stand.post(&refused).await.status, 202);
    let again = json!({ "reason": "asked for it", "force": true });
    assert_eq!(stand.operate("POST", &format!("/orders/{}/resend", id(&sent)), Some(again)).await.status, 200);
    // It takes nothing, and stays.
    let filter = json!({ "from": "2026-09-01", "to": "2026-09-02", "state": "failed", "reasons": ["not_linked"] });
    let mut recovery = json!({ "dryRun": false, "atMost": 5, "maxAgeHours": 24, "reason": "linked by now" });
    recovery.as_object_mut().expect("an object").extend(filter.as_object().expect("an object").clone());
    assert_eq!(stand.operate("POST", "/deliveries/recover", Some(recovery)).await.status, 202);
    let turned = json!({ "enabled": false, "reason": "a trial" });
    assert_eq!(stand.operate("PUT", "/switches/finish", Some(turned)).await.status, 200);
    stand.wait_for_record(id(&refused), "suppressed", |record| !record.progress.is_open()).await;

    let text = message(&person, now_ms(), json!({ "type": "text", "text": "Where is the nearest shop?" }));
    let picture = message(&person, now_ms(), json!({ "type": "image", "contentProvider": { "type": "line" } }));
    let unsend = event("unsend", &person, now_ms(), json!({ "unsend": { "messageId": text["message"]["id"] } }));
    let unfollow = event("unfollow", &person, now_ms(), json!({}));
    for event in [&text, &picture, &unsend, &unfollow] {
        assert_eq!(WebhookSender::line(stand).deliver(std::slice::from_ref(event)).await.status, 200);
        stand.wait_for_an_empty_inbox().await;
    }
    assert_eq!(WebhookSender::sobot(stand).deliver(&[picture]).await.status, 200);
    stand.wait_for_an_empty_inbox().await;
    assert_eq!(stand.operate("GET", "/days/2026-01-01", None).await.status, 200);
    for (function, event) in [
        ("DailyReportFunctionName", json!({ "scheduledTime": "2026-09-09T01:00:00Z" })),
        ("QuotaWarningFunctionName", json!({ "scheduledTime": "2026-09-09T01:00:00Z" })),
    ] {
        let answer = stand.invoke(function, &event).await.expect("an answer");
        assert!(answer["errorType"].is_null(), "{answer}");
    }
    let of_today = format!("/reports/{}/run", OffsetDateTime::now_utc().to_offset(offset!(+8)).date());
    let asked = json!({ "reason": "nobody got it" });
    assert_eq!(stand.operate("POST", &of_today, Some(asked)).await.status, 202);
    let forgotten = random_user();
    stand.set_friend(&forgotten, false).await.expect("kept");
    let order = order_with(json!({ "recipient": { "lineUserId": forgotten } }));
    stand.post(&order).await;
    assert_eq!(stand.operate("DELETE", &format!("/users/{forgotten}?reason=asked"), None).await.status, 200);
}

#[test]
fn what_is_written_today_the_version_before_reads() {
    story_alone(&[], async |stand| {
        use_everything(&stand).await;
        wait_for_empty_queues(&stand).await;
        let mut written: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (output, name) in stand.aws.outputs().iter().filter(|(output, _)| output.ends_with("TableName")) {
            let scan = stand.dynamodb.scan().table_name(name).consistent_read(true);
            let items: Vec<_> = scan.into_paginator().items().send().collect::<Result<_, _>>().await.expect("items");
            written.insert(output.clone(), items.iter().map(item_on_the_wire).collect());
        }
        for call in stand.aws.tap().calls().iter().filter(|call| call.operation.starts_with("sqs.SendMessage")) {
            let body: Value = serde_json::from_str(&call.body).expect("JSON");
            let entries = body["Entries"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
            let queue =
                stand.aws.outputs().iter().find(|(_, address)| body["QueueUrl"] == json!(address)).expect("it").0;
            for entry in entries {
                let message = entry["MessageBody"].as_str().expect("a body");
                written.entry(queue.clone()).or_default().push(serde_json::from_str(message).expect("JSON"));
            }
        }
        for (output, _) in queues(&stand) {
            assert!(written.contains_key(output), "nothing is sent to {output}");
        }
        let mut wrong = Vec::new();
        for (output, mut items) in written {
            let mut earlier = kept(&output);
            items.sort_by_key(|item| fields(item).len());
            for item in items {
                let same_kind = || earlier.iter().filter(|one| kind(one) == kind(&item));
                let known: Vec<_> = same_kind().flat_map(fields).collect();
                let is_readable = same_kind().any(|one| is_like(&item, one));
                let has_news = fields(&item).iter().any(|field| !known.contains(field));
                if std::env::var_os("UPDATE_KEPT").is_some() && (has_news || !is_readable) {
                    earlier.push(item);
                } else if !is_readable {
                    wrong.push(format!("{output}: {item}"));
                }
            }
            if std::env::var_os("UPDATE_KEPT").is_some() {
                let lines: Vec<_> = earlier.iter().map(Value::to_string).collect();
                fs::write(file(&output), format!("[\n{}\n]\n", lines.join(",\n"))).expect("written");
            }
        }
        assert!(wrong.is_empty(), "the version before cannot read\n{}", wrong.join("\n"));
    });
}

/// An item of before, with what a later version may have put beside it; it has not expired.
fn revived(item: &Value) -> HashMap<String, AttributeValue> {
    let mut item = item_off_the_wire(item);
    let tomorrow = (OffsetDateTime::now_utc() + time::Duration::DAY).unix_timestamp();
    if let Some(expire_at) = item.get_mut("expire_at") {
        *expire_at = AttributeValue::N(tomorrow.to_string());
    }
    item.insert("later".to_owned(), AttributeValue::M(HashMap::new()));
    item
}

/// The texts of this field of what is kept.
fn texts(output: &str, field: &str) -> Vec<String> {
    let items = kept(output);
    items.iter().filter_map(|item| item[field]["S"].as_str().map(str::to_owned)).collect()
}

#[test]
fn what_a_version_before_kept_is_read() {
    story_alone(&[], async |stand| {
        for (output, name) in stand.aws.outputs().iter().filter(|(output, _)| output.ends_with("TableName")) {
            let items = kept(output);
            assert!(!items.is_empty(), "nothing is kept of {output}");
            for item in &items {
                let put = stand.dynamodb.put_item().table_name(name).set_item(Some(revived(item)));
                put.send().await.expect("put");
            }
        }
        let looked_up = async |path: String| {
            let reply = stand.operate("GET", &path, None).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.body);
            reply.body
        };
        let orders: BTreeSet<_> = texts("DeliveriesTableName", "order_id").into_iter().collect();
        let days: BTreeSet<_> = texts("DeliveriesTableName", "day").into_iter().collect();
        assert!(orders.len() >= 4 && !days.is_empty(), "{orders:?} {days:?}");
        for order in orders.iter().filter(|order| !order.contains('#')) {
            assert!(looked_up(format!("/orders/{order}")).await["delivery"].is_string());
            let again = json!({ "reason": "asked for it", "force": true });
            let resent = stand.operate("POST", &format!("/orders/{order}/resend"), Some(again)).await;
            // One is of somebody who is forgotten, one of a member without a LINE user.
            assert!([200, 409].contains(&resent.status), "{order}: {}", resent.body);
        }
        for day in days {
            let listed = looked_up(format!("/deliveries?date={day}")).await;
            assert!(!listed["deliveries"].as_array().expect("a list").is_empty(), "{listed}");
            looked_up(format!("/days/{day}")).await;
        }
        assert_eq!(looked_up("/switches".to_owned()).await["switches"][1]["enabled"], false);
        for kind in texts("AuditTableName", "kind") {
            let noted = looked_up(format!("/audit?kind={kind}")).await;
            assert!(!noted["entries"].as_array().expect("a list").is_empty(), "{kind}");
        }
        for user in texts("MessagesTableName", "user_id") {
            let wrote = looked_up(format!("/users/{user}/messages")).await;
            assert!(!wrote["events"].as_array().expect("a list").is_empty(), "{user}");
        }
        assert_eq!(looked_up("/members/M-1".to_owned()).await["link"]["memberId"], "M-1");
        for user in texts("FriendsTableName", "line_user_id").iter().filter(|id| !id.contains('#')) {
            assert!(looked_up(format!("/users/{user}")).await["friend"]["friend"].is_boolean());
        }
        let recoveries = looked_up("/recoveries".to_owned()).await;
        assert_eq!(recoveries["recoveries"][0]["filter"]["reasons"], json!(["not_linked"]), "{recoveries}");
        // A token that was sealed with another key is as good as none.
        assert!(looked_up("/quota".to_owned()).await["used"].is_number());
        let report = async |date: &str| {
            let event = json!({ "scheduledTime": format!("{date}T01:00:00Z") });
            stand.invoke("DailyReportFunctionName", &event).await.expect("an answer")["report"].clone()
        };
        assert_eq!([report("2026-09-09").await, report("2026-09-10").await], ["already_sent", "sent"]);

        for (output, queue) in queues(&stand) {
            let messages = kept(output);
            assert!(!messages.is_empty(), "nothing is kept of {output}");
            for mut message in messages {
                message["later"] = json!({});
                let body = message.to_string();
                stand.sqs.send_message().queue_url(queue).message_body(body).send().await.expect("sent");
            }
        }
        wait_for_empty_queues(&stand).await;
        let dead = looked_up("/dead-letters".to_owned()).await;
        assert_eq!(dead["deadLetters"], json!([]), "{dead}");
    });
}
