//! The parts of the functions that call nobody, each alone: what a webhook's signature and an event of it cost, a
//! message, an assertion for LINE, and a delivery's way from its first claim to its end. `cargo bench -p bench --bench
//! parts`.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput};
use local_stand::line::{channel_key::ChannelKey, webhook_sender::sign};
use serde_json::{Value, json};
use shared::{
    delivery::{
        bell::Bell,
        pace::Pace,
        retry_key::KeySpace,
        state::{Progress, claim::End},
    },
    language::Language,
    line::{
        assertion::{AssertionSigner, PrivateJwk},
        signature::SignatureKeys,
        webhook::Event,
    },
    message::MessageStyle,
    notification::{self, Notification, StatusChange},
};
use time::{OffsetDateTime, macros::datetime};

const SECRET: &str = "the channel's secret";
const NOW: OffsetDateTime = datetime!(2020-07-15 14:34:11 +9);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    webhooks(&mut criterion);
    orders(&mut criterion);
    assertions(&mut criterion);
    criterion.final_summary();
}

fn webhooks(criterion: &mut Criterion) {
    let event = json!({
        "type": "message",
        "mode": "active",
        "timestamp": 1_594_790_051_000_u64,
        "source": { "type": "user", "userId": "U0123456789abcdef0123456789abcdef" },
        "webhookEventId": "01FZ74A0TDDPYRVKNK77000001",
        "deliveryContext": { "isRedelivery": false },
        "replyToken": "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA",
        "message": { "id": "561230966842000001", "type": "text", "text": "充电宝 🔋" },
    });
    let keys = SignatureKeys::new([SECRET]);
    for count in [1, 100] {
        let body = json!({ "events": vec![&event; count] }).to_string().into_bytes();
        let signature = sign(SECRET, &body);
        let mut group = criterion.benchmark_group("webhook's signature");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{count} events"), |bencher| {
            bencher.iter(|| keys.verify(Some(signature.as_bytes()), black_box(&body)).expect("it is signed so"));
        });
        group.finish();
    }
    let event = event.to_string();
    criterion.bench_function("webhook's event", |bencher| bencher.iter(|| Event::parse(black_box(&event))));
}

fn orders(criterion: &mut Criterion) {
    let event: Value = serde_json::from_str(include_str!("../../../events/order-finished.json")).expect("JSON");
    let body = event["body"].as_str().expect("an order").as_bytes();
    let read = |body: &[u8]| match notification::parse_bytes(body).expect("an order") {
        StatusChange::Notified(notification) => notification,
        StatusChange::Ignored { .. } => panic!("the customer is to be told"),
    };
    criterion.bench_function("order, read", |bencher| bencher.iter(|| read(black_box(body))));
    let order: Notification = read(body);
    for (name, style) in [("buttons", MessageStyle::Buttons), ("flex", MessageStyle::Flex)] {
        criterion.bench_function(&format!("message, {name}"), |bencher| {
            let message = || order.message(style, Language::ZhCn, true).expect("within LINE's limits");
            bencher.iter(|| serde_json::to_string(&message()).expect("JSON"));
        });
    }
    let space = KeySpace {
        account: "123456789012".to_owned(),
        region: "ap-northeast-1".to_owned(),
        stack: "line".to_owned(),
        environment: "prod".to_owned(),
    };
    let (keys, pace) = (space.keys("R20200715", "finish"), Pace::new(Duration::from_secs(180), 3));
    criterion.bench_function("delivery, claimed, asked and ended", |bencher| {
        bencher.iter(|| {
            let mut claimed = Progress::first(Bell::new(NOW), NOW, &pace, keys).won();
            claimed.ask(keys);
            claimed.ended(End::Accepted, &pace)
        });
    });
}

fn assertions(criterion: &mut Criterion) {
    let jwk = ChannelKey::generate().expect("a key").private_jwk();
    let jwk: PrivateJwk = serde_json::from_value(jwk).expect("a private key");
    let signer = AssertionSigner::new("1234567890".to_owned(), "kid".to_owned(), &jwk).expect("a signer");
    criterion.bench_function("assertion", |bencher| {
        bencher.iter(|| signer.sign(NOW, Duration::from_secs(2_592_000)).expect("signed"));
    });
}
