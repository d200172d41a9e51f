//! What the order system sends and is answered.

use local_stand::stand::{Stand, order_with, random_key, sample_order};
use serde_json::{Value, json};
use shared::{delivery::state::State, lambda::problem_code::ProblemCode};

use crate::{id, story, story_alone, user};

fn text_of(message: &Value) -> &str {
    message["template"]["text"].as_str().expect("a buttons template")
}

async fn received(stand: &Stand, order: &Value) -> Value {
    let mut received = stand.line.received_by(user(order));
    assert_eq!(received.len(), 1, "one message for one order");
    received.remove(0).messages.remove(0)
}

#[test]
fn the_sample_order_reaches_the_customer() {
    story(async |stand| {
        let order = order_with(json!({}));
        let reply = stand.post(&order).await;
        let got = stand.line.received_by(user(&order)).remove(0);
        assert_eq!(
            (reply.status, reply.body),
            (
                200,
                json!({ "orderId": id(&order), "delivery": "sent", "mayHaveReachedLine": true,
                        "lineRequestId": got.request_id })
            )
        );
        let message = received(stand, &order).await;
        assert_eq!(
            text_of(&message),
            "租借完成，订单已结束\n费用:￥162\n时长: 27小时33分钟51秒\n\n开始:\n2020/07/14 11:00:20. 上品快餐\n\n\
             结束:\n2020/07/15 14:34:11. 上品快餐"
        );
        assert_eq!(message["template"]["actions"][0]["uri"], sample_order()["detailUrl"]);
        assert!(got.aggregation_units[0].starts_with("order_finish_2"), "{got:?}");
        assert!(!got.notification_disabled);

        let record = stand.record(id(&order)).await.expect("a record");
        assert_eq!((record.progress.state(), record.attempts.len()), (State::Sent, 1));
        assert_eq!(record.line_request_id, Some(got.request_id));
        assert_eq!(Some(stand.retry_key(&record)), got.retry_key);
        assert!(record.line_message_id.is_some());
    });
}

#[test]
fn a_battery_that_was_not_returned_has_no_place_of_return() {
    story(async |stand| {
        for end_shop in [Value::Null, json!("absent")] {
            let mut order = order_with(json!({ "endShop": end_shop }));
            if order["endShop"] == "absent" {
                order.as_object_mut().expect("an object").remove("endShop");
            }
            assert_eq!(stand.post(&order).await.body["delivery"], "sent");
            assert!(text_of(&received(stand, &order).await).ends_with("\n结束:\n2020/07/15 14:34:11"));
        }
    });
}

#[test]
fn no_shop_name_makes_a_request_that_line_refuses() {
    story(async |stand| {
        for name in [
            "店".repeat(500),
            "🔋".repeat(500),
            "👩🏽‍❤️‍💋‍👨🏿".repeat(500),
            "مطعم السعادة".repeat(41),
            "a\"\\<&\u{0}\n\u{FFFE}\u{FFFF}".repeat(60),
        ] {
            let order = order_with(json!({ "startShop": name, "endShop": name }));
            let reply = stand.post(&order).await;
            assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{}", reply.body);
            let message = received(stand, &order).await;
            assert_eq!(message["type"], "flex");
            let text = message.to_string();
            assert!(
                text.contains("2020/07/14 11:00:20") && text.contains("2020/07/15 14:34:11") && text.contains("￥162")
            );
        }
        let order = order_with(json!({ "startShop": "مطعم", "endShop": "🔋 店" }));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let message = received(stand, &order).await;
        assert!(text_of(&message).contains("11:00:20. \u{200E}\u{2068}مطعم\u{2069}\n"), "{message}");
    });
}

#[test]
fn without_a_page_to_open_the_message_is_a_flex_bubble() {
    story(async |stand| {
        let order = order_with(json!({ "detailUrl": null }));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        let message = received(stand, &order).await;
        assert_eq!((&message["type"], &message["contents"]["footer"]), (&json!("flex"), &Value::Null));
        assert_eq!(message["altText"], "租借完成，订单已结束 费用:￥162 时长: 27小时33分钟51秒");
    });
}

#[test]
fn every_language_and_currency_is_accepted_by_line_in_both_styles() {
    story_alone(&[("MessageStyle", "flex"), ("DefaultLanguage", "ja")], async |flex| {
        story_of_languages(&flex, "flex").await;
        let order = order_with(json!({ "language": "fr" }));
        assert_eq!(flex.post(&order).await.body["delivery"], "sent");
        assert!(received(&flex, &order).await.to_string().contains("レンタルが終了しました"));
    });
    story(async |stand| story_of_languages(stand, "template").await);
}

async fn story_of_languages(stand: &Stand, kind: &str) {
    for (language, amount, currency, fee) in [
        ("zh-CN", "162", "JPY", "￥162"),
        ("zh-TW", "30", "TWD", "NT$30"),
        ("th", "12.5", "THB", "฿12.50"),
        ("ja", "3300", "JPY", "3,300円"),
        ("en", "1.05", "USD", "US$1.05"),
    ] {
        let order = order_with(json!({ "language": language, "fee": { "amount": amount, "currency": currency } }));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent", "{language}");
        let message = received(stand, &order).await;
        assert_eq!(message["type"], kind);
        assert!(message.to_string().contains(fee), "{message}");
    }
}

#[test]
fn another_status_is_ignored() {
    story(async |stand| {
        let order = order_with(json!({}));
        for status in [json!("start"), json!(3)] {
            let reply =
                stand.post(&json!({ "orderId": id(&order), "status": status, "recipient": order["recipient"] })).await;
            assert_eq!((reply.status, reply.body), (200, json!({ "orderId": id(&order), "delivery": "ignored" })));
        }
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        assert!(stand.record(id(&order)).await.is_none());
        // The status called 5 is the one that notifies.
        let mut finished = order.clone();
        finished["status"] = json!(5);
        assert_eq!(stand.post(&finished).await.body["delivery"], "sent");
    });
}

#[test]
fn the_same_order_again_is_told_and_not_sent() {
    story(async |stand| {
        let order = order_with(json!({}));
        let first = stand.post(&order).await;
        let mut spelled_otherwise = order.clone();
        spelled_otherwise["status"] = json!(5);
        spelled_otherwise["note"] = json!("a field that nobody knows");
        for again in [&order, &spelled_otherwise] {
            assert_eq!(stand.post(again).await, first);
        }
        assert_eq!(stand.line.pushes_to(user(&order)).len(), 1);
    });
}

#[test]
fn the_same_id_with_other_content_is_a_conflict_now_and_in_the_queue() {
    story(async |stand| {
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 200);
        let other = order_with(json!({ "orderId": id(&order) }));
        let reply = stand.post(&other).await;
        reply.assert_problem(ProblemCode::OrderConflict);
        assert!(!reply.body.to_string().contains(user(&order)), "another order's data");
        // The refused call's message comes out of the queue, too, and does nothing.
        let refused = "dropped: the record has other content";
        while !stand.aws.logs("push-retry").lines().any(|line| line.contains(refused) && line.contains(id(&order))) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(stand.line.pushes_to(user(&other)).is_empty());
        assert_eq!(stand.line.pushes_to(user(&order)).len(), 1);
    });
}

#[test]
fn identical_orders_at_once_are_one_message() {
    story(async |stand| {
        let order = order_with(json!({}));
        let posts: Vec<_> = (0..8)
            .map(|_| {
                let (stand, order) = (stand.clone(), order.clone());
                tokio::spawn(async move { stand.post(&order).await })
            })
            .collect();
        for post in posts {
            let reply = post.await.expect("no panic");
            let delivery = reply.body["delivery"].as_str().unwrap_or_default();
            assert!(matches!((reply.status, delivery), (200, "sent") | (202, "retrying")), "{reply:?}");
        }
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
        assert_eq!(stand.line.pushes_to(user(&order)).len(), 1, "only the owner pushes");
    });
}

#[test]
fn every_wrong_field_is_named_at_once_and_nothing_is_done() {
    story(async |stand| {
        let order = order_with(json!({}));
        let wrong = json!({
            "orderId": id(&order), "status": "finish", "recipient": { "lineUserId": user(&order).to_uppercase() },
            "fee": { "amount": 162, "currency": "YEN" }, "startedAt": "2020-07-14T11:00:20", "startShop": "",
            "endedAt": "yesterday", "endShop": 7, "detailUrl": "http://example.com", "language": "zh_CN"
        });
        let reply = stand.post(&wrong).await;
        reply.assert_problem(ProblemCode::Fields);
        let fields: Vec<_> =
            reply.body["errors"].as_array().expect("errors").iter().map(|error| error["field"].clone()).collect();
        assert_eq!(
            json!(fields),
            json!([
                "recipient.lineUserId",
                "fee.currency",
                "fee.amount",
                "startedAt",
                "startShop",
                "endedAt",
                "endShop",
                "detailUrl",
                "language"
            ])
        );
        assert!(stand.record(id(&order)).await.is_none());
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        assert!(stand.aws.tap().calls_about(id(&order)).is_empty(), "nothing was written or queued");
    });
}

#[test]
fn each_field_alone_is_checked() {
    story(async |stand| {
        for (pointer, value, field) in [
            ("/orderId", json!("a/b"), "orderId"),
            ("/orderId", json!("x".repeat(65)), "orderId"),
            ("/status", json!(5.5), "status"),
            ("/status", json!({}), "status"),
            ("/recipient/lineUserId", json!("@shop"), "recipient.lineUserId"),
            ("/fee/amount", json!("1.5"), "fee.amount"),
            ("/fee/amount", json!("-1"), "fee.amount"),
            ("/fee/currency", json!("jpy"), "fee.currency"),
            ("/startedAt", json!("2020-07-15T14:34:12+09:00"), "endedAt"),
            ("/startShop", json!("店".repeat(501)), "startShop"),
            ("/endedAt", json!("2020-07-15 14:34"), "endedAt"),
            ("/endShop", json!(["x"]), "endShop"),
            ("/detailUrl", json!("https://example.com/%zz"), "detailUrl"),
            ("/detailUrl", json!(format!("https://example.com/{}", "x".repeat(981))), "detailUrl"),
            ("/language", json!(7), "language"),
        ] {
            let mut order = order_with(json!({}));
            *order.pointer_mut(pointer).expect("the sample has every field") = value.clone();
            let reply = stand.post(&order).await;
            reply.assert_problem(ProblemCode::Fields);
            assert_eq!(reply.body["errors"].as_array().map(Vec::len), Some(1), "{}", reply.body);
            assert_eq!(reply.body["errors"][0]["field"], field, "{value}");
        }
    });
}

#[test]
fn what_is_not_an_order_at_all_gets_a_clear_answer() {
    story(async |stand| {
        let authorization = format!("Bearer {}", stand.order_key);
        let post = async |content_type: &str, body: Vec<u8>| {
            stand.post_raw(&[("authorization", &authorization), ("content-type", content_type)], body).await
        };
        for body in [&b""[..], b"{", b"[]", b"\"finish\"", b"null", b"\xff\xfe{}", "[".repeat(60_000).as_bytes()] {
            let reply = post("application/json", body.to_vec()).await;
            reply.assert_problem(ProblemCode::Fields);
        }
        let order = order_with(json!({}));
        post("text/plain", order.to_string().into()).await.assert_problem(ProblemCode::NotJson);
        post("application/x-www-form-urlencoded", order.to_string().into()).await.assert_problem(ProblemCode::NotJson);
        let mut large = order.clone();
        large["note"] = json!("x".repeat(64 * 1024));
        post("application/json", large.to_string().into()).await.assert_problem(ProblemCode::TooLarge);
        assert!(stand.line.pushes_to(user(&order)).is_empty());
        assert_eq!(post("application/json; charset=utf-8", order.to_string().into()).await.body["delivery"], "sent");
    });
}

#[test]
fn without_the_right_key_nothing_is_done() {
    story(async |stand| {
        let order = order_with(json!({}));
        let body = order.to_string().into_bytes();
        let longer = format!("Bearer {}x", stand.order_key);
        let shorter = format!("Bearer {}", &stand.order_key[1..]);
        let basic = format!("Basic {}", stand.order_key);
        for authorization in ["", "Bearer", "Bearer ", &stand.order_key, &longer, &shorter, &basic] {
            let headers = [("authorization", authorization), ("content-type", "application/json")];
            let reply = stand.post_raw(&headers, body.clone()).await;
            reply.assert_problem(ProblemCode::Unauthorized);
            assert!(!reply.body.to_string().contains(&stand.order_key));
        }
        stand.post_raw(&[("content-type", "application/json")], body).await.assert_problem(ProblemCode::Unauthorized);
        assert!(stand.aws.tap().calls_about(id(&order)).is_empty());
        assert!(stand.line.pushes_to(user(&order)).is_empty());
    });
}

#[test]
fn a_new_key_is_accepted_within_seconds_beside_the_old_one() {
    story_alone(&[], async |stand| {
        let mut with_new_key = Stand::clone(&stand);
        with_new_key.order_key = random_key();
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
        assert_eq!(with_new_key.post(&order_with(json!({}))).await.status, 401);
        let both = json!({ "current": with_new_key.order_key, "previous": stand.order_key });
        stand.put_secret("OrderKeySecretArn", &both).await.expect("written");
        // A failed call reads the secret again, at most every two seconds.
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        while with_new_key.post(&order_with(json!({}))).await.status != 200 {
            assert!(tokio::time::Instant::now() < deadline, "the new key is not accepted");
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        assert_eq!(stand.post(&order_with(json!({}))).await.status, 200);
    });
}
