//! Bodies and headers that are not quite JSON or not quite Unicode, at every door where somebody else's text comes in.

use local_stand::{
    line::webhook_sender::{WebhookSender, event, message, sign},
    stand::{Stand, order_with, random_user},
};
use serde_json::{Value, json};
use shared::line::webhook::MessageContent;

use crate::{id, now_ms, story, user};

/// 商品 in GBK.
const GBK: &[u8] = b"\xC9\xCC\xC6\xB7";

/// The sample order's JSON, with these bytes for the name of the shop.
fn order_from(shop: &[u8]) -> (Value, Vec<u8>) {
    let order = order_with(json!({ "startShop": "SHOP" }));
    let text = order.to_string();
    let (before, after) = text.split_once("SHOP").expect("the shop's name");
    (order.clone(), [before.as_bytes(), shop, after.as_bytes()].concat())
}

async fn post(stand: &Stand, content_type: &str, body: Vec<u8>) -> local_stand::stand::Reply {
    let authorization = format!("Bearer {}", stand.order_key);
    stand.post_raw(&[("authorization", &authorization), ("content-type", content_type)], body).await
}

async fn shop_received(stand: &Stand, order: &Value) -> String {
    let received = stand.line.received_by(user(order));
    assert_eq!(received.len(), 1, "one message for one order");
    received[0].messages[0]["template"]["text"].as_str().expect("a buttons template").to_owned()
}

/// An order system that counts in UTF-16 cuts an emoji into halves, and sends one of them.
#[test]
fn an_order_with_half_an_emoji_reaches_its_customer() {
    story(async |stand| {
        for (shop, shown) in [
            (&br"Cafe \ud83c"[..], "Cafe \u{FFFD}"),
            (br"\udf5c Cafe", "\u{FFFD} Cafe"),
            ("Cafe \u{FFFD}".as_bytes(), "Cafe \u{FFFD}"),
            (b"Cafe\tof the\nNorth", "Cafe of the North"),
            (br"Chef\'s", r"Chef\'s"),
        ] {
            let (order, body) = order_from(shop);
            let reply = post(stand, "application/json", body).await;
            assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{shown}: {reply:?}");
            let text = shop_received(stand, &order).await;
            assert!(text.contains(&format!("2020/07/14 11:00:20. {shown}\n")), "{shown}: {text}");
        }
        let (order, body) = order_from(b"Cafe");
        let reply = post(stand, "application/json", ["\u{FEFF}".as_bytes(), &body, b"\0"].concat()).await;
        assert_eq!((reply.status, &reply.body["delivery"]), (200, &json!("sent")), "{reply:?}");
        assert_eq!(stand.line.received_by(user(&order)).len(), 1);
    });
}

#[test]
fn an_order_that_is_not_utf8_is_refused_in_those_words() {
    story(async |stand| {
        for content_type in ["application/json", "application/json; charset=GBK"] {
            let (order, body) = order_from(GBK);
            let offset = body.windows(GBK.len()).position(|bytes| bytes == GBK).expect("the shop's name");
            let reply = post(stand, content_type, body).await;
            assert_eq!(reply.status, 400, "{reply:?}");
            let said = format!("the body is not UTF-8: see its byte {offset}, counted from 0");
            assert_eq!(reply.body["errors"], json!([{ "field": "", "code": "invalid", "detail": said }]));
            assert_eq!(stand.record(id(&order)).await, None);
            assert_eq!(stand.line.received_by(user(&order)).len(), 0);
        }
    });
}

#[test]
fn a_webhook_with_bytes_that_are_no_text_loses_those_bytes_only() {
    story(async |stand| {
        let user = random_user();
        let said = |text: &str| message(&user, now_ms(), json!({ "type": "text", "text": text }));
        let body = json!({ "destination": "U1", "events": [said("SHOP"), said(r"whole"), 7] }).to_string();
        let (before, after) = body.split_once("SHOP").expect("a text");
        let body = ["\u{FEFF}".as_bytes(), before.as_bytes(), GBK, br"\ud83d", b"\n", after.as_bytes(), b"\0"].concat();
        // API Gateway passes the bytes of what it takes for text on as text; LINE signed the bytes.
        let line = WebhookSender { content_type: "application/octet-stream".to_owned(), ..WebhookSender::line(stand) };
        let signature = sign(&stand.line.channel_secret(), &body);
        assert_eq!(line.send_signed(body, Some(&signature)).await.status, 200);
        let stored = stand.wait_for_events(&user, "both", |events| events.len() == 2).await;
        let texts: Vec<_> = stored
            .iter()
            .map(|event| match &event.content {
                Some(MessageContent::Text { text }) => text.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(texts.contains(&"whole") && texts.iter().any(|text| text.ends_with("\u{FFFD}\n")), "{texts:?}");
        assert!(stored.iter().all(|event| event.verified));

        let sobot = WebhookSender::sobot(stand);
        let forwarded = event("postback", &user, now_ms(), json!({ "postback": { "data": "SHOP" } }));
        let body = json!({ "events": [forwarded] }).to_string().replace("SHOP", r"\udf5c");
        assert_eq!(sobot.send(body.into_bytes()).await.status, 200);
        stand.wait_for_events(&user, "the forwarded one", |events| events.len() == 3).await;
    });
}

/// `lambda_http` makes an address of two headers, and takes no value that is not ASCII.
#[test]
fn no_header_costs_an_order_its_answer() {
    story(async |stand| {
        let authorization = format!("Bearer {}", stand.order_key);
        for (name, value) in [
            ("x-forwarded-proto", "https, http"),
            ("x-forwarded-proto", ":"),
            ("x-shop", "上品快餐"),
            ("user-agent", "caf\u{e9}"),
            ("cookie", "a=é; b=c"),
        ] {
            let order = order_with(json!({}));
            let mut request = stand.http.post(stand.orders_url()).body(order.to_string());
            request = request.header("authorization", &authorization).header("content-type", "application/json");
            let answer = request.header(name, value).send().await.expect("the API answers");
            assert_eq!(answer.status(), 200, "{name}: {value}");
        }
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/order-finished.json")).expect("a sample");
        event["headers"]["authorization"] = json!(authorization);
        for host in ["", " ", "a b", "[", "e.jp:x", "e.jp/login/callback?", "\u{7f}", "注文.jp"] {
            event["headers"]["host"] = json!(host);
            event["body"] = json!(order_with(json!({})).to_string());
            let answer = stand.invoke("OrderFinishedFunctionName", &event).await.expect("an answer");
            assert!([json!(200), json!(400)].contains(&answer["statusCode"]), "{host:?}: {answer}");
        }
    });
}
