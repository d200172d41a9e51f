//! A day's deliveries, counted: in sixteen partitions, and of a day that is over only once.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use local_stand::{
    aws::tap::Fault,
    line::Behaviour,
    stand::{POLL, Stand, order_with},
};
use serde_json::{Value, json};
use shared::{delivery::table::SHARDS, line::day::line_day};
use time::{Date, OffsetDateTime};
use tokio::{task::JoinSet, time::sleep};

use crate::{id, story_alone, user};

/// As operators see it.
async fn count(stand: &Stand, day: &str) -> Value {
    let reply = stand.operate("GET", &format!("/days/{day}"), None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    json!([reply.body["sent"], reply.body["failed"]])
}

/// The partitions of the index `by_day` that were asked for a day, each as often as it was.
fn partitions_asked(stand: &Stand, day: &str) -> Vec<String> {
    let calls = stand.aws.tap().calls_about(&format!("{day}#"));
    let queries = calls.iter().filter(|call| call.operation == "dynamodb.Query");
    queries.map(|call| field(&call.body, "/ExpressionAttributeValues/:shard/S")).collect()
}

fn field(body: &str, pointer: &str) -> String {
    let body: Value = serde_json::from_str(body).expect("a call's body is JSON");
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {body}")).to_owned()
}

async fn resend(stand: &Stand, order: &Value) {
    let path = format!("/orders/{}/resend", id(order));
    let reply = stand.operate("POST", &path, Some(json!({ "reason": "x" }))).await;
    assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{reply:?}");
}

/// An order that LINE refused for good on that day.
async fn failed_on(stand: &Stand, day: Date) -> Value {
    let order = order_with(json!({}));
    stand.line.script(user(&order), [Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#)]);
    assert_eq!(stand.post(&order).await.body["reason"], "refused_by_line");
    stand.change_day(id(&order), day).await.expect("written");
    order
}

#[test]
fn neither_counting_a_day_nor_writing_it_meets_one_key() {
    const ORDERS: usize = 64;
    story_alone(&[], async |stand| {
        let mut posting = JoinSet::new();
        for _ in 0..ORDERS {
            if posting.len() >= 8 {
                posting.join_next().await.expect("one").expect("no panic");
            }
            let stand = stand.clone();
            posting.spawn(async move { assert_eq!(stand.post(&order_with(json!({}))).await.status, 200) });
        }
        posting.join_all().await;
        let mut written = BTreeMap::<String, usize>::new();
        for call in stand.aws.tap().calls_about("day_shard").iter().filter(|call| call.body.contains("listed")) {
            if call.operation == "dynamodb.PutItem" {
                *written.entry(field(&call.body, "/Item/day_shard/S")).or_default() += 1;
            }
        }
        // Ids are random: of sixteen partitions nearly all are met, and none by a quarter of the writes.
        assert!(written.len() > 7, "{written:?}");
        assert!(written.values().all(|writes| *writes < ORDERS * 2 / 4), "{written:?}");

        let today = line_day(OffsetDateTime::now_utc()).to_string();
        assert_eq!(count(&stand, "today").await, json!([ORDERS, {}]));
        let mut asked = partitions_asked(&stand, &today);
        asked.sort();
        let every: Vec<_> = (0..SHARDS).map(|shard| format!("{today}#{shard:02}")).collect();
        assert_eq!(asked, every, "each once");
    });
}

#[test]
fn a_day_that_is_over_is_counted_once_and_again_after_one_of_its_orders_changed() {
    story_alone(&[], async |stand| {
        let once = usize::from(SHARDS);
        let date = line_day(OffsetDateTime::now_utc()) - time::Duration::days(2);
        let day = date.to_string();
        let sent = order_with(json!({}));
        assert_eq!(stand.post(&sent).await.status, 200);
        stand.change_day(id(&sent), date).await.expect("written");
        let [one, two] = [failed_on(&stand, date).await, failed_on(&stand, date).await];

        assert_eq!(count(&stand, &day).await, json!([1, { "refused_by_line": 2 }]));
        assert_eq!(partitions_asked(&stand, &day).len(), once);
        assert_eq!(count(&stand, &day).await, json!([1, { "refused_by_line": 2 }]));
        assert_eq!(partitions_asked(&stand, &day).len(), once, "the totals were kept");

        // Whatever changes a record of that day marks the day, both or neither.
        let before = stand.aws.tap().calls_about(id(&one)).len();
        resend(&stand, &one).await;
        let writes: Vec<_> = stand.aws.tap().calls_about(id(&one)).split_off(before);
        let writes: Vec<_> = writes.iter().filter(|call| call.body.contains("day_shard")).collect();
        assert!(writes.len() >= 2, "the claim and the outcome");
        for write in writes {
            assert_eq!(write.operation, "dynamodb.TransactWriteItems");
            assert!(write.body.contains(&format!(r#""day#{day}""#)), "{}", write.body);
        }
        assert_eq!(count(&stand, &day).await, json!([2, { "refused_by_line": 1 }]));
        assert_eq!(partitions_asked(&stand, &day).len(), 2 * once, "counted anew");
        assert_eq!(count(&stand, &day).await, json!([2, { "refused_by_line": 1 }]));
        assert_eq!(partitions_asked(&stand, &day).len(), 3 * once, "not kept: the index may lag behind the change");
        let a_minute_ago = (OffsetDateTime::now_utc() - time::Duration::MINUTE).unix_timestamp();
        change_totals(&stand, &day, "SET marked_at = :at", Some(a_minute_ago)).await;
        for _ in 0..2 {
            assert_eq!(count(&stand, &day).await, json!([2, { "refused_by_line": 1 }]));
            assert_eq!(partitions_asked(&stand, &day).len(), 4 * once, "and kept again");
        }

        // An order that changes between the counting and the keeping: what was counted is not kept.
        resend_while_the_day_is_counted(&stand, &day, &two).await;
        assert_eq!(count(&stand, &day).await, json!([3, {}]));
    });
}

/// Changes the item that keeps a day's totals.
async fn change_totals(stand: &Stand, day: &str, change: &str, at: Option<i64>) {
    let table = stand.aws.output("DeliveriesTableName");
    let string = |text: &str| AttributeValue::S(text.to_owned());
    let at = at.map(|at| [(":at".to_owned(), AttributeValue::N(at.to_string()))].into());
    let update = stand.dynamodb.update_item().table_name(table).update_expression(change);
    let update = update.set_expression_attribute_values(at);
    let update = update.key("order_id", string(&format!("day#{day}"))).key("status", string("totals"));
    update.send().await.expect("changed");
}

/// Has the day counted, and an order of it sent again before the totals are kept.
async fn resend_while_the_day_is_counted(stand: &Stand, day: &str, order: &Value) {
    // Nobody remembers the totals.
    change_totals(stand, day, "REMOVE totals, counted_at_mark", None).await;
    let keeping = stand.aws.tap().inject(Fault::Hold, "dynamodb.UpdateItem", "counted_at_mark", 1);
    let counting = {
        let (stand, day) = (stand.clone(), day.to_owned());
        tokio::spawn(async move { count(&stand, &day).await })
    };
    while keeping.hits() == 0 {
        sleep(POLL).await;
    }
    resend(stand, order).await;
    drop(keeping);
    assert_eq!(counting.await.expect("no panic"), json!([2, { "refused_by_line": 1 }]), "as it was counted");
}
