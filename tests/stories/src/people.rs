//! What is kept of a person: shown in one document, forgotten on demand, and never longer than it lives.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use local_stand::{
    line::{
        Behaviour, LineStandIn, ReleaseAs,
        webhook_sender::{WebhookSender, event, message},
    },
    stand::{Stand, order_with, random_key, random_user},
};
use serde_json::{Value, json};
use shared::{
    delivery::{
        record::DeliveryRecord,
        state::{Reason, State},
    },
    lambda::problem_code::ProblemCode,
};
use time::OffsetDateTime;

use crate::{TIME_TO_ACT, id, story, story_alone, user};

const TABLES: [&str; 5] =
    ["DeliveriesTableName", "MessagesTableName", "FriendsTableName", "LinksTableName", "AuditTableName"];

/// The names of the tables that have this text anywhere.
async fn tables_with(stand: &Stand, text: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for table in TABLES {
        let mut items = stand.dynamodb.scan().table_name(stand.aws.output(table)).into_paginator().items().send();
        let mut has_it = false;
        while let Some(item) = items.next().await {
            let item: Value = serde_dynamo_json(item.expect("read"));
            has_it |= item.to_string().contains(text);
        }
        if has_it {
            found.push(table);
        }
    }
    found
}

fn serde_dynamo_json(item: HashMap<String, AttributeValue>) -> Value {
    json!(item.iter().map(|(name, value)| (name.clone(), format!("{value:?}"))).collect::<HashMap<_, _>>())
}

async fn erase(stand: &Stand, user: &str) -> Value {
    let reply = stand.operate("DELETE", &format!("/users/{user}?reason=asked+for+it"), None).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["complete"], true, "{}", reply.body);
    reply.body
}

async fn count_today(stand: &Stand) -> Value {
    stand.operate("GET", "/days/today", None).await.body
}

/// A text of this user, delivered and stored.
async fn write_to_us(stand: &Stand, user: &str) {
    let now = OffsetDateTime::now_utc().unix_timestamp().unsigned_abs() * 1000;
    let text = message(user, now, json!({ "type": "text", "text": "hunter2 said" }));
    assert_eq!(WebhookSender::line(stand).deliver(&[text]).await.status, 200);
    stand.wait_for_events(user, "the text is stored", |events| !events.is_empty()).await;
}

#[test]
fn who_is_forgotten_leaves_order_ids_states_and_times_and_nothing_else() {
    story_alone(&[], async |stand| {
        let (person, member) = (random_user(), format!("M-{}", random_key()));
        // Before the member had a LINE user, then a message that was sent, one that waits, and a text.
        let to_nobody = order_with(json!({ "recipient": { "memberId": member } }));
        assert_eq!(stand.post(&to_nobody).await.body["reason"], "not_linked");
        stand.log_in(&member, &person).await.expect("linked");
        let recipient = json!({ "recipient": { "memberId": member }, "startShop": "a shop of hunter2" });
        let (sent, open) = (order_with(recipient), order_with(json!({ "recipient": { "lineUserId": person } })));
        assert_eq!(stand.post(&sent).await.body["delivery"], "sent");
        stand.line.script(&person, vec![Behaviour::answer(500, ""); 9]);
        assert_eq!(stand.post(&open).await.status, 202);
        write_to_us(&stand, &person).await;

        let shown = stand.operate("GET", &format!("/users/{person}"), None).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        let of = |order: &Value| {
            shown.body["deliveries"].as_array().expect("a list").iter().any(|one| one["orderId"] == order["orderId"])
        };
        assert!([&to_nobody, &sent, &open].into_iter().all(of), "{}", shown.body);
        assert_eq!((&shown.body["link"]["memberId"], &shown.body["friend"]["friend"]), (&json!(member), &json!(true)));
        assert!(shown.body["events"].to_string().contains("hunter2 said") && shown.body["next"].is_null());
        let before = count_today(&stand).await;
        assert!(!tables_with(&stand, &person).await.is_empty());

        let erased = erase(&stand, &person).await;
        assert_eq!((&erased["deliveries"], &erased["memberId"]), (&json!(3), &json!(member)), "{erased}");
        assert_eq!((&erased["grant"], &erased["blockKept"]), (&json!("ended"), &json!(false)), "{erased}");
        for nothing in [person.as_str(), "hunter2", "上品快餐"] {
            assert_eq!(tables_with(&stand, nothing).await, [] as [&str; 0], "{nothing}");
        }
        let after = count_today(&stand).await;
        assert_eq!((&after["sent"], &after["open"]), (&before["sent"], &json!(0)), "{before} {after}");
        assert_eq!(after["failed"], json!({ "not_linked": 1, "discarded": 1 }));

        // The same orders again: answered as they stand, never pushed.
        let pushes = stand.line.pushes_to(&person).len();
        let again = async |order: Value| stand.post(&order).await;
        let (reply, other) = (
            again(sent.clone()).await,
            again(order_like(&sent, json!({ "fee": { "amount": "1", "currency": "JPY" } }))).await,
        );
        assert_eq!((reply.status, &reply.body["delivery"], other.status), (200, &json!("sent"), 409), "{reply:?}");
        let reply = again(open.clone()).await;
        assert_eq!(
            (reply.status, &reply.body["delivery"], &reply.body["reason"]),
            (200, &json!("failed"), &json!("discarded"))
        );
        assert_eq!(again(to_nobody.clone()).await.body["reason"], "not_linked");
        let force = json!({ "force": true, "reason": "to see that it is refused" });
        let resend = stand.operate("POST", &format!("/orders/{}/resend", id(&open)), Some(force)).await;
        resend.assert_problem(ProblemCode::Erased);
        stand.wait_for_an_empty_retry_queue().await;
        assert_eq!(stand.line.pushes_to(&person).len(), pushes);
        let record = stand.operate("GET", &format!("/orders/{}", id(&open)), None).await.body;
        assert_eq!((&record["resend"], &record["order"]), (&json!("erased"), &Value::Null), "{record}");
        assert!(record["erasedAt"].is_string() && record["attempts"] == json!([]), "{record}");

        // Who looked and who erased is noted, under what nobody finds the person by.
        for (kind, detail) in [("erase", Value::Null), ("read", json!({ "what": "everything" }))] {
            let entries = stand.operate("GET", &format!("/audit?kind={kind}"), None).await.body;
            assert_eq!(entries["entries"][0]["subject"], erased["pseudonym"], "{entries}");
            assert_eq!((&entries["entries"][0]["detail"], &entries["entries"][0]["by"]), (&detail, &json!("mei")));
        }
        let nothing = erase(&stand, &person).await;
        assert_eq!((&nothing["deliveries"], &nothing["events"]), (&json!(0), &json!(0)), "{nothing}");
        let shown = stand.operate("GET", &format!("/users/{person}"), None).await.body;
        assert_eq!((&shown["deliveries"], &shown["events"], &shown["friend"]), (&json!([]), &json!([]), &Value::Null));
    });
}

/// What the former link tells, and what none ever told.
#[test]
fn a_members_orders_are_found_whoever_the_member_was_linked_to() {
    story_alone(&[], async |stand| {
        let (member, phone, tablet) = (format!("M-{}", random_key()), random_user(), random_user());
        let order = || order_with(json!({ "recipient": { "memberId": member }, "startShop": "a shop of hunter2" }));
        let orders = [(); 5].map(|()| order());
        let shown = async |path: &str| {
            let shown = stand.operate("GET", path, None).await;
            assert_eq!(shown.status, 200, "{}", shown.body);
            let of = |order: &Value| shown.body["deliveries"].to_string().contains(id(order));
            orders.iter().map(of).collect::<Vec<_>>()
        };
        // Linked to nobody, to a phone, to nobody again, to a tablet, to nobody at the end.
        assert_eq!(stand.post(&orders[0]).await.body["reason"], "not_linked");
        assert_eq!(shown(&format!("/members/{member}")).await, [true, false, false, false, false]);
        stand.log_in(&member, &phone).await.expect("linked");
        assert_eq!(stand.post(&orders[1]).await.body["delivery"], "sent");
        assert_eq!(stand.operate("DELETE", &format!("/links/{member}?reason=left"), None).await.status, 200);
        assert_eq!(stand.post(&orders[2]).await.body["reason"], "not_linked");
        assert_eq!(shown(&format!("/users/{phone}")).await, [true, true, true, false, false]);
        stand.log_in(&member, &tablet).await.expect("linked");
        assert_eq!(stand.post(&orders[3]).await.body["delivery"], "sent");
        // By now the member is the tablet's: to the phone went what went there.
        assert_eq!(shown(&format!("/users/{phone}")).await, [false, true, false, false, false]);
        assert_eq!(shown(&format!("/users/{tablet}")).await, [true, false, true, true, false]);
        assert_eq!(stand.operate("DELETE", &format!("/links/{member}?reason=left"), None).await.status, 200);
        assert_eq!(stand.post(&orders[4]).await.body["reason"], "not_linked");
        assert_eq!(shown(&format!("/members/{member}")).await, [true; 5]);

        // Another's order to the phone is not this member's.
        let others = order_with(json!({ "recipient": { "lineUserId": phone } }));
        assert_eq!(stand.post(&others).await.body["delivery"], "sent");
        let erased = stand.operate("DELETE", &format!("/members/{member}?reason=asked+for+it"), None).await;
        assert_eq!((erased.status, &erased.body["deliveries"]), (200, &json!(5)), "{}", erased.body);
        assert_eq!((&erased.body["memberId"], &erased.body["grant"]), (&json!(member), &Value::Null));
        assert_eq!(tables_with(&stand, "hunter2").await, [] as [&str; 0]);
        // The history keeps the member's id, and says so.
        assert_eq!(tables_with(&stand, &member).await, ["AuditTableName"]);
        assert_eq!(shown(&format!("/members/{member}")).await, [false; 5]);
        assert_eq!(
            stand.operate("GET", &format!("/users/{phone}"), None).await.body["deliveries"][0]["orderId"],
            others["orderId"]
        );
    });
}

#[test]
fn whom_anothers_event_names_is_forgotten_and_nobody_elses_message_loses_its_unsend() {
    story_alone(&[], async |stand| {
        let (person, other, group) = (random_user(), random_user(), format!("C{}", &random_user()[1..]));
        let (line, sobot) = (WebhookSender::line(&stand), WebhookSender::sobot(&stand));
        let now = crate::now_ms();
        // In a group: who joined, who is mentioned, what the person wrote.
        let in_group = |mut event: Value, user: Option<&str>| {
            event["source"] = json!({ "type": "group", "groupId": group });
            if let Some(user) = user {
                event["source"]["userId"] = json!(user);
            }
            event
        };
        let joined = json!({ "joined": { "members": [{ "type": "user", "userId": person }] } });
        let joined = in_group(event("memberJoined", &person, now, joined), None);
        let mention = json!({ "type": "text", "text": "@you", "mention": { "mentionees": [{ "userId": person }] } });
        let mention = in_group(message(&other, now, mention), Some(&other));
        let wrote = message(&person, now, json!({ "type": "text", "text": "hunter2 said to all" }));
        let wrote = in_group(wrote, Some(&person));
        // What nobody signed says that the person edited the other's message.
        let secret = message(&other, now, json!({ "type": "text", "text": "a secret of the other" }));
        let forged = json!({ "message": { "id": secret["message"]["id"], "type": "text", "text": "forged" } });
        let forged = event("messageEdited", &person, now, forged);
        assert_eq!(line.deliver(&[joined, mention, wrote, secret.clone()]).await.status, 200);
        assert_eq!(sobot.deliver(&[forged]).await.status, 200);
        stand.wait_for_events(&person, "the person's", |events| events.len() == 2).await;
        stand.wait_for_events(&other, "the other's", |events| events.len() == 2).await;
        stand.wait_for_events(&group, "the group's", |events| events.len() == 1).await;

        // What happened in the group is found under the group.
        let listed = stand.operate("GET", &format!("/users/{group}/messages"), None).await.body;
        assert_eq!((&listed["lineUserId"], &listed["events"][0]["type"]), (&json!(group), &json!("memberJoined")));
        assert_eq!(erase(&stand, &person).await["events"], 2);
        assert_eq!(tables_with(&stand, &person).await, [] as [&str; 0]);
        let unsend = event("unsend", &other, now, json!({ "unsend": { "messageId": secret["message"]["id"] } }));
        assert_eq!(line.deliver(&[unsend]).await.status, 200);
        stand.wait_for_events(&other, "unsent", |events| events.iter().any(|event| event.unsent_at.is_some())).await;
        assert_eq!(tables_with(&stand, "a secret of the other").await, [] as [&str; 0]);
    });
}

#[test]
fn a_message_that_a_forgotten_person_took_back_is_not_kept_when_it_comes_later() {
    story(async |stand| {
        let (person, now, line) = (random_user(), crate::now_ms(), WebhookSender::line(stand));
        let late = message(&person, now, json!({ "type": "text", "text": "taken back" }));
        let unsend = event("unsend", &person, now, json!({ "unsend": { "messageId": late["message"]["id"] } }));
        assert_eq!(line.deliver(&[unsend]).await.status, 200);
        stand.wait_for_events(&person, "the unsend", |events| events.len() == 1).await;
        erase(stand, &person).await;
        assert_eq!(line.deliver(&[late]).await.status, 200);
        let events = stand.wait_for_events(&person, "the message", |events| events.len() == 1).await;
        assert!(events[0].unsent_at.is_some() && events[0].content.is_none(), "{events:?}");
    });
}

/// Lambda answers with at most 6 MB.
#[test]
fn a_document_of_any_size_comes_page_by_page() {
    story_alone(&[], async |stand| {
        let (person, now) = (random_user(), crate::now_ms());
        // Each character has one byte, in JSON six, and one more on the way.
        let text = "\u{1}".repeat(30_000);
        for _ in 0..4 {
            let events: Vec<_> =
                (0..5).map(|_| message(&person, now, json!({ "type": "text", "text": text }))).collect();
            assert_eq!(WebhookSender::line(&stand).deliver(&events).await.status, 200);
        }
        stand.wait_for_events(&person, "stored", |events| events.len() == 20).await;
        let orders: Vec<_> = (0..3).map(|_| order_with(json!({ "recipient": { "lineUserId": person } }))).collect();
        for order in &orders {
            assert_eq!(stand.post(order).await.body["delivery"], "sent");
        }
        for (path, count) in [(format!("/users/{person}"), 23), (format!("/users/{person}/messages?limit=100"), 20)] {
            let (mut next, mut seen, mut pages) = (String::new(), Vec::new(), 0);
            loop {
                let page = stand.operate("GET", &format!("{path}{next}"), None).await;
                assert_eq!(page.status, 200, "{}", page.body);
                assert!(page.body.to_string().len() < 3_000_000);
                for (list, name) in [("deliveries", "orderId"), ("events", "eventId")] {
                    let items = page.body[list].as_array().into_iter().flatten();
                    seen.extend(items.map(|item| item[name].as_str().expect("an id").to_owned()));
                }
                pages += 1;
                let Some(cursor) = page.body["next"].as_str() else { break };
                next = format!("{}cursor={cursor}", if path.contains('?') { '&' } else { '?' });
            }
            let all = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!((all, seen.len()), (count, count), "each once");
            assert!(pages >= 3, "{pages} pages");
        }
    });
}

/// The same order with other fields.
fn order_like(order: &Value, changes: Value) -> Value {
    let mut other = order.clone();
    for (name, value) in changes.as_object().expect("fields") {
        other[name] = value.clone();
    }
    other
}

#[test]
fn who_had_blocked_us_and_is_forgotten_is_still_not_pushed_to() {
    story_alone(&[], async |stand| {
        let order = order_with(json!({}));
        stand.set_friend(user(&order), false).await.expect("written");
        assert_eq!(erase(&stand, user(&order)).await["blockKept"], true);
        assert_eq!(tables_with(&stand, user(&order)).await, [] as [&str; 0]);
        assert_eq!(stand.post(&order).await.body["reason"], "not_a_friend");
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        let shown = stand.operate("GET", &format!("/users/{}", user(&order)), None).await.body;
        assert_eq!((&shown["friend"]["friend"], &shown["friend"]["pseudonymous"]), (&json!(false), &json!(true)));
        // Who comes back of his own accord is a friend like any other, and nothing of the block is left then.
        stand.set_friend(user(&order), true).await.expect("written");
        assert_eq!(stand.post(&order_like(&order, json!({ "orderId": random_key() }))).await.body["delivery"], "sent");
        assert_eq!(erase(&stand, user(&order)).await["blockKept"], false);
        assert_eq!(tables_with(&stand, "forgotten#").await, [] as [&str; 0]);
    });
}

#[test]
fn a_persons_orders_are_listed_the_newest_first_and_who_looked_is_noted() {
    story(async |stand| {
        let (member, customer) = (random_key(), random_user());
        let mut orders = Vec::new();
        let mut post = async |recipient: Value, hours_ago: i64| {
            let order = order_with(json!({ "recipient": recipient }));
            assert_eq!(stand.post(&order).await.status, 200);
            let at = OffsetDateTime::now_utc() - time::Duration::hours(hours_ago);
            stand.change_arrival(id(&order), at).await.expect("written");
            orders.push(id(&order).to_owned());
        };
        post(json!({ "memberId": member }), 5).await;
        stand.log_in(&member, &customer).await.expect("linked");
        post(json!({ "memberId": member }), 40).await;
        post(json!({ "lineUserId": customer }), 1).await;
        let newest_first = [&orders[2], &orders[0], &orders[1]];
        for who in [format!("/users/{customer}"), format!("/members/{member}")] {
            let (mut listed, mut path) = (Vec::new(), format!("{who}/orders?limit=2"));
            loop {
                let page = stand.operate("GET", &path, None).await.body;
                assert_eq!((&page["complete"], &page["link"]["memberId"]), (&json!(true), &json!(member)), "{page}");
                assert!(page["link"]["linkedAt"].is_string() && page["friend"]["friend"] == true, "{page}");
                listed.extend(page["orders"].as_array().expect("orders").iter().map(|one| id(one).to_owned()));
                let Some(next) = page["next"].as_str() else { break };
                path = format!("{who}/orders?limit=2&cursor={next}");
            }
            assert_eq!(listed.iter().collect::<Vec<_>>(), newest_first, "{who}");
        }
        let page = stand.operate("GET", &format!("/members/{member}/orders"), None).await.body;
        let reasons = page["orders"].as_array().expect("orders").iter().map(|order| order["reason"].clone());
        assert_eq!(reasons.collect::<Vec<_>>(), [Value::Null, json!("not_linked"), Value::Null]);
        let shown = stand.operate("GET", &format!("/users/{customer}"), None).await.body;
        let audit = stand.operate("GET", "/audit?kind=read&limit=100", None).await.body;
        let is_noted =
            |entry: &Value| entry["subject"] == shown["pseudonym"] && entry["detail"] == json!({ "what": "orders" });
        assert!(audit["entries"].as_array().expect("entries").iter().filter(|entry| is_noted(entry)).count() >= 4);
    });
}

#[test]
fn a_worker_that_was_at_it_brings_nothing_back() {
    story_alone(&[TIME_TO_ACT], async |stand| {
        let order = order_with(json!({ "startShop": "a shop of hunter2" }));
        stand.line.script(user(&order), [Behaviour::Hold]);
        let posting = crate::posting(&stand, &order);
        let held = |line: &LineStandIn| line.is_held(user(&order));
        stand.line.wait_until("the push is held", std::time::Duration::from_secs(30), held).await;
        erase(&stand, user(&order)).await;
        assert!(stand.line.release(user(&order), ReleaseAs::Accept));
        assert_eq!(posting.await.expect("no panic").body["delivery"], "sent");
        let record = stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert!(record.progress.is_erased() && record.content_hash.is_some());
        let kept = (record.order.as_str(), record.push_body.as_str(), record.line_user_id, record.attempts.len());
        assert_eq!(kept, ("", "", None, 0), "LINE accepted it, and nothing else came back");
    });
}

#[test]
fn the_letter_of_a_forgotten_person_is_deleted_on_sight() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        let order = order_with(json!({}));
        stand.line.script(user(&order), vec![Behaviour::answer(500, ""); 9]);
        assert_eq!(stand.post(&order).await.status, 202);
        let exhausted = |record: &DeliveryRecord| record.progress.is_exhausted();
        stand.wait_for_record(id(&order), "exhausted", exhausted).await;
        while stand.queue_depth("PushRetryDeadLetterQueueUrl").await.expect("counted") == 0 {
            tokio::time::sleep(local_stand::stand::POLL).await;
        }
        erase(&stand, user(&order)).await;
        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!((record.progress.state(), record.progress.reason()), (State::Failed, Some(Reason::Discarded)));
        let listed = stand.operate("GET", "/dead-letters?queue=push-retry", None).await.body;
        assert_eq!(listed["deadLetters"], json!([]), "{listed}");
        assert_eq!(stand.queue_depth("PushRetryDeadLetterQueueUrl").await.expect("counted"), 0);
    });
}

/// As if this item's life had ended, and DynamoDB had not deleted it yet.
async fn expire(stand: &Stand, table: &str, key: &[(&str, &str)]) {
    let key = key.iter().map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned()))).collect();
    let update = stand.dynamodb.update_item().table_name(stand.aws.output(table)).set_key(Some(key));
    let update = update.update_expression("SET expire_at = :then");
    let then = (OffsetDateTime::now_utc().unix_timestamp() - 1).to_string();
    update.expression_attribute_values(":then", AttributeValue::N(then)).send().await.expect("written");
}

#[test]
fn what_has_expired_is_neither_shown_nor_believed() {
    story_alone(&[], async |stand| {
        let order = order_with(json!({}));
        let person = user(&order);
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        write_to_us(&stand, person).await;
        stand.set_friend(person, false).await.expect("written");

        expire(&stand, "DeliveriesTableName", &[("order_id", id(&order)), ("status", "finish")]).await;
        assert_eq!(stand.operate("GET", &format!("/orders/{}", id(&order)), None).await.status, 404);
        let mut path = "/deliveries?state=sent&limit=100".to_owned();
        loop {
            let page = stand.operate("GET", &path, None).await.body;
            assert!(!page["deliveries"].to_string().contains(id(&order)), "{page}");
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/deliveries?state=sent&limit=100&cursor={next}");
        }
        let events = stand.events_of(person).await;
        expire(&stand, "MessagesTableName", &[("chat_id", person), ("event_key", &events[0].event_key)]).await;
        let messages = stand.operate("GET", &format!("/users/{person}/messages"), None).await.body;
        assert_eq!(messages["events"], json!([]), "{messages}");
        expire(&stand, "FriendsTableName", &[("line_user_id", person)]).await;
        // By then LINE has forgotten the retry key.
        stand.line.age_retry_keys(std::time::Duration::from_secs(25 * 60 * 60));
        // An order whose record is past its life is an order that never came, and the block is forgotten.
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.line.pushes_to(person).len(), 2);
    });
}
