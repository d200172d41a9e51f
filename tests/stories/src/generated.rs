//! Generated input. Each story says how many inputs there were and from which seed; `CASES=10000 SEED=7` sets both,
//! `ROUTE=/webhooks/` calls the routes that have this in their names.

use std::{cell::Cell, time::Duration};

use line_login::state::Login;
use local_stand::{
    line::{LineStandIn, webhook_sender::sign},
    stand::{Stand, random_user, sample_order},
};
use proptest::{
    arbitrary::any,
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
    sample::select,
    strategy::{BoxedStrategy, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};
use shared::{
    audit::Entry,
    aws::table::Item,
    delivery::{
        bell::{Bell, BellName, Ring},
        day::{self, DayCount},
        record::DeliveryRecord,
        switch::Switch,
    },
    ids::LineUserId,
    inbox::{
        messages::StoredEvent,
        queue::{Envelope, Via},
    },
    language::Language,
    line::webhook::Event,
    message::{MessageStyle, PushRequest},
    notification::{Notification, StatusChange, parse, parse_bytes},
    order::Recipient,
    token::sealing::SealingKey,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::task::JoinSet;

use crate::story_on_an_idle_machine;

/// Calls at one time, so that a function has more than one process.
const CALLS: usize = 4;
/// What more webhooks than so many bring is not worked off: many have a thousand events.
const MAX_WORKED_OFF: u32 = 1_000;
/// No answer may be larger: the console's page is the largest, for a browser that takes it uncompressed.
const MAX_ANSWER: usize = 384 * 1024;
/// A quarter of what a function has, in KiB.
const MAX_MEMORY: u64 = 64 * 1024;
/// What tokio needs beside the one that works.
const MAX_THREADS: u64 = 8;
/// API Gateway takes no more for the line of a request and its headers together.
const MAX_HEAD: usize = 10_240;

/// So many inputs of this seed, or of one that nobody chose.
fn runner(what: &str, cases: u32) -> TestRunner {
    let variable = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let cases = variable("CASES").map_or(cases, |cases| u32::try_from(cases).expect("a number of cases"));
    let seed = variable("SEED").unwrap_or_else(|| u64::from_be_bytes(local_stand::random::random_bytes()) >> 32);
    println!("{what}: {cases} inputs of SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config = Config { cases, max_shrink_iters: 2000, ..Config::with_source_file(file!()) };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Pieces of text that are counted, drawn, escaped or encoded in a way of their own.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<char>().prop_map(String::from),
        2 => "[ -~]{1,8}",
        2 => "[ぁ-ん一-龥ก-๙]{1,8}",
        1 => select(vec![
            "👨‍👩‍👧‍👦", "👩🏽‍❤️‍💋‍👨🏿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇯🇵", "e\u{301}\u{301}\u{301}", "مطعم", "\u{202E}", "\u{2066}", "\u{200D}",
            "\u{FEFF}", "\u{FFFD}", "\u{FFFF}", "\0", "\n", "\t", "\"", "\\", "</script>", "\u{1100}\u{1161}\u{11A8}",
            "กำ", "क्षि", "\u{FE0F}", "{}", "%zz",
        ]).prop_map(str::to_owned),
    ]
}

fn text(pieces: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = String> {
    vec(piece(), pieces).prop_map(|pieces| pieces.concat())
}

fn time_text() -> impl Strategy<Value = String> {
    ((1..=9999u16, 1..=12u8, 1..=28u8), (0..24u8, 0..60u8, 0..60u8), select(vec!["Z", "+09:00", "-11:30", "+14:00"]))
        .prop_map(|((year, month, day), (hour, minute, second), zone)| {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")
        })
}

fn order() -> impl Strategy<Value = Value> {
    let name = || prop_oneof![6 => text(1..20), 1 => text(20..200), 1 => piece().prop_map(|piece| piece.repeat(499))];
    let fee = (
        select(vec!["JPY", "USD", "CLF", "KWD", "TWD", "THB", "VUV", "XAU"]),
        prop_oneof![8 => "[0-9]{1,12}", 1 => "[0-9]{1,12}\\.[0-9]{1,4}", 1 => "[0-9.,-]{0,14}"],
    );
    let address = prop_oneof![
        Just(None),
        ("[!-$&-~]{0,40}", text(0..12)).prop_map(|(ascii, text)| { Some(format!("https://e.jp/{ascii}{text}")) })
    ];
    let language = prop_oneof![Just(None), select(vec!["zh-CN", "zh-TW", "ja", "th", "en", "fr-CA"]).prop_map(Some)];
    (name(), proptest::option::of(name()), fee, (time_text(), time_text()), address, language).prop_map(
        |(start_shop, end_shop, (currency, amount), (one, other), detail_url, language)| {
            let mut order = sample_order();
            let (started_at, ended_at) = if one <= other { (one, other) } else { (other, one) };
            for (field, value) in [
                ("startShop", json!(start_shop)),
                ("endShop", json!(end_shop)),
                ("fee", json!({ "amount": amount, "currency": currency })),
                ("startedAt", json!(started_at)),
                ("endedAt", json!(ended_at)),
                ("detailUrl", json!(detail_url)),
                ("language", json!(language)),
            ] {
                order[field] = value;
            }
            order
        },
    )
}

/// The push of every style, language and with and without its button.
fn pushes(notification: &Notification) -> Vec<Value> {
    let user = match notification.recipient() {
        Recipient::LineUser(user) => user.clone(),
        Recipient::Member(_) => LineUserId::parse(&random_user()).expect("a user"),
    };
    let mut pushes = Vec::new();
    for style in [MessageStyle::Buttons, MessageStyle::Flex] {
        for (language, button) in Language::ALL.into_iter().flat_map(|language| [(language, true), (language, false)]) {
            let message = notification.message(style, language, button).expect("every order has a message");
            let push = PushRequest::new(&user, message, "order_finish_20260901".to_owned());
            pushes.push(serde_json::to_value(push).expect("JSON"));
        }
    }
    pushes
}

/// LINE documents what a character of a template is, and not by which version of Unicode: none has more of them than
/// UTF-16 has units.
fn fits_in_units(push: &Value) -> bool {
    let units = |text: &Value| text.as_str().unwrap_or_default().encode_utf16().count();
    let template = &push["messages"][0]["template"];
    units(&template["text"]) <= 160 && units(&template["actions"][0]["label"]) <= 20
}

#[test]
fn any_order_has_a_message_that_line_takes() {
    let read = Cell::new(0);
    let result = runner("orders", 200).run(&order(), |body| {
        let notification = match parse(&body) {
            Ok(StatusChange::Notified(notification)) => notification,
            Ok(StatusChange::Ignored { .. }) => return Err(TestCaseError::fail("a finished order is told")),
            Err(errors) => {
                let named = errors.iter().all(|error| !error.field.is_empty() && !error.problem.is_empty());
                return if named { Ok(()) } else { Err(TestCaseError::fail(format!("{errors:?}"))) };
            }
        };
        let again = parse(&notification.to_json());
        if again != Ok(StatusChange::Notified(notification.clone())) {
            return Err(TestCaseError::fail(format!("it reads otherwise the second time: {again:?}")));
        }
        for push in pushes(&notification) {
            let refusal = LineStandIn::refusal(push.to_string().as_bytes());
            if refusal.is_some() || !fits_in_units(&push) {
                return Err(TestCaseError::fail(format!("LINE may refuse {push}: {refusal:?}")));
            }
        }
        read.set(read.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    println!("{} of them became messages", read.get());
    assert!(read.get() > 0);
}

/// A value that is JSON, and nothing else about it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        text(0..6).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(0..3), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<String, Value>>())),
        ]
    })
}

/// The value with some of its parts replaced by others.
fn changed(sample: Value) -> impl Strategy<Value = Value> {
    vec((any::<proptest::sample::Index>(), any_json()), 0..3).prop_map(move |changes| {
        let mut value = sample.clone();
        for (place, part) in changes {
            let places = places(&value, String::new());
            let place = place.get(&places);
            *value.pointer_mut(place).expect("a place") = part;
        }
        value
    })
}

fn places(value: &Value, at: String) -> Vec<String> {
    let escaped = |name: &String| name.replace('~', "~0").replace('/', "~1");
    let inner: Vec<String> = match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, field)| places(field, format!("{at}/{}", escaped(name)))).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, item)| places(item, format!("{at}/{index}"))).collect()
        }
        _ => Vec::new(),
    };
    [vec![at], inner].concat()
}

/// Bytes that a sender of JSON may send, and those that none would.
fn body() -> BoxedStrategy<Vec<u8>> {
    let webhook = json!({ "destination": "U1", "events": [
        { "type": "message", "webhookEventId": "01", "timestamp": 1, "source": { "type": "user", "userId": "U1" },
          "message": { "id": "1", "type": "text", "text": "a" } },
        { "type": "follow", "timestamp": 2, "source": { "userId": "U1" } }] });
    let command = json!({ "reason": "a", "enabled": true, "force": false, "fields": { "startShop": "a" } });
    let sample = prop_oneof![order().prop_flat_map(changed), changed(webhook), changed(command), any_json(),]
        .prop_map(|value| value.to_string().into_bytes())
        .boxed();
    let damaged = (sample.clone(), vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4), any::<bool>()).prop_map(
        |(mut bytes, changes, cut)| {
            for (at, byte) in changes.into_iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                if cut {
                    bytes.truncate(at + 1);
                }
            }
            bytes
        },
    );
    let nested = (1..3000usize, select(vec![("[", "]"), ("{\"a\":", "}"), ("{\"events\":[", "]}")]))
        .prop_map(|(depth, (open, close))| format!("{}0{}", open.repeat(depth), close.repeat(depth)).into_bytes());
    let many = (1..2000usize, select(vec!["{}", "7", "\"\\ud83d\"", "{\"type\":\"follow\"}"]))
        .prop_map(|(count, event)| format!("{{\"events\":[{}]}}", vec![event; count].join(",")).into_bytes());
    prop_oneof![4 => sample, 3 => damaged, 1 => vec(any::<u8>(), 0..300), 1 => nested, 1 => many].boxed()
}

/// A header's name and value.
fn header() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        6 => select(vec![
            "accept-language", "authorization", "content-encoding", "content-length", "content-type", "cookie", "host",
            "origin", "range", "transfer-encoding", "user-agent", "x-amzn-trace-id", "x-forwarded-for",
            "x-forwarded-proto", "x-line-signature",
        ]).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9-]{1,20}",
        1 => text(0..4),
    ];
    let value = prop_oneof![
        3 => text(0..12),
        2 => select(vec![
            "", "https", "https, http", "Bearer", "Bearer ", "Basic a:b", "application/json", "application/json; charset=GBK",
            "text/html", "gzip", "0", "-1", "99999999999999999999", "e.jp", "e.jp/", "[", "a b", "zh-Hans-HK;q=0.1,*",
            "__Host-line-login=", "a=é; __Host-line-login=00", "Root=1-0-0;Parent=;Sampled=9",
        ]).prop_map(str::to_owned),
        1 => (text(1..3), 1..2000usize).prop_map(|(text, times)| text.repeat(times)),
    ];
    (name, value)
}

/// A call of this route, as API Gateway hands it to a function; it takes no more than [`MAX_HEAD`] for its head.
fn call(route: String, keys: Vec<String>) -> impl Strategy<Value = Value> {
    let parameter = prop_oneof![2 => text(0..6), 2 => "[A-Za-z0-9._:-]{1,20}", 1 => "[0-9-]{10}"];
    let known = select(vec![
        "token", "state", "code", "error", "limit", "cursor", "status", "date", "from", "to", "reason", "queue", "a",
    ]);
    let pair = (prop_oneof![3 => known.prop_map(str::to_owned), 1 => text(0..3)], text(0..6));
    let query = prop_oneof![
        3 => vec(pair, 0..4).prop_map(|pairs| {
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
        }),
        1 => text(0..20),
    ];
    let headers = (vec(header(), 0..6), any::<bool>(), proptest::option::of(select(keys)));
    (vec(parameter, 3), query, headers, proptest::option::of(body()), any::<bool>()).prop_map(
        move |(parameters, query, (headers, is_json, key), body, as_text)| {
            let (method, documented) = route.split_once(' ').expect("a method and a path");
            let mut in_path = Map::new();
            let parts = documented.split('/').map(|part| match part.strip_prefix('{').and_then(|n| n.strip_suffix('}')) {
                Some(name) => {
                    let value = parameters[in_path.len() % parameters.len()].clone();
                    in_path.insert(name.to_owned(), json!(value));
                    value
                }
                None => part.to_owned(),
            });
            let path = parts.collect::<Vec<_>>().join("/");
            let mut head = Map::from_iter([("host".to_owned(), json!("abcdefghij.execute-api.example.com"))]);
            if is_json {
                head.insert("content-type".to_owned(), json!("application/json"));
            }
            if let Some(key) = key {
                head.insert("authorization".to_owned(), json!(format!("Bearer {key}")));
            }
            head.extend(headers.into_iter().map(|(name, value)| (name, json!(value))));
            let length = |head: &Map<String, Value>| path.len() + query.len() + json!(head).to_string().len();
            while length(&head) > MAX_HEAD {
                let longest = head.iter().max_by_key(|(_, value)| value.to_string().len()).map(|(name, _)| name.clone());
                head.remove(&longest.expect("a header"));
            }
            let text = body.as_ref().and_then(|body| String::from_utf8(body.clone()).ok()).filter(|_| as_text);
            let mut event = json!({
                "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": query, "headers": head,
                "pathParameters": in_path, "isBase64Encoded": text.is_none(),
                "requestContext": {
                    "accountId": "1", "apiId": "a", "domainName": "a.example.com", "domainPrefix": "a",
                    "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "" },
                    "requestId": "a", "routeKey": route, "stage": "$default", "time": "", "timeEpoch": 1,
                },
            });
            if let Some(body) = body {
                event["body"] = json!(text.unwrap_or_else(|| base64(&body)));
            }
            event
        },
    )
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}

/// The stack's output that names the function behind a route.
fn function(route: &str) -> &'static str {
    let (_, path) = route.split_once(' ').expect("a method and a path");
    match path.split('/').nth(1).expect("a first part") {
        // `GET /orders/{orderId}` is the operators'.
        "orders" if path == "/orders/finished" => "OrderFinishedFunctionName",
        "webhooks" => "WebhooksFunctionName",
        "login" => "LineLoginFunctionName",
        _ => "OperationsFunctionName",
    }
}

/// LINE's signature where the body is to be read, so that more than the signature is looked at.
fn signed(stand: &Stand, event: &mut Value) {
    let body = event["body"].as_str().unwrap_or_default();
    let bytes = match event["isBase64Encoded"].as_bool() {
        Some(true) => {
            use base64::{Engine as _, prelude::BASE64_STANDARD};
            BASE64_STANDARD.decode(body).expect("Base64")
        }
        _ => body.as_bytes().to_vec(),
    };
    event["headers"]["x-line-signature"] = json!(sign(&stand.line.channel_secret(), &bytes));
}

/// What is wrong with an answer.
fn fault(answer: &Value) -> Option<String> {
    let status = answer["statusCode"].as_u64();
    let length = answer["body"].as_str().map_or(0, str::len);
    if !answer["errorType"].is_null() || status.is_none_or(|status| !(200..500).contains(&status)) {
        Some(format!("answered {answer}"))
    } else if length > MAX_ANSWER {
        Some(format!("answered {length} bytes"))
    } else {
        None
    }
}

#[test]
fn whatever_a_route_is_called_with_it_answers() {
    story_on_an_idle_machine(&[], async |stand| {
        let wanted = std::env::var("ROUTE").unwrap_or_default();
        for route in stand.aws.routes().iter().filter(|route| route.contains(&wanted)).cloned() {
            let mut runner = runner(&route, 20);
            let keys = vec![stand.order_key.clone(), stand.operator_key.clone(), "wrong".to_owned()];
            let calls = call(route.clone(), keys);
            let (mut running, mut count) = (JoinSet::new(), 0);
            let works_off = !route.contains("/webhooks/") || runner.config().cases <= MAX_WORKED_OFF;
            stand.map_the_inbox(works_off).await.expect("mapped or not");
            for number in 0..runner.config().cases {
                let mut event = calls.new_tree(&mut runner).expect("a call").current();
                if route == "POST /webhooks/line" && number % 2 == 0 {
                    signed(&stand, &mut event);
                }
                if route.contains("sobot/{key}") && number % 2 == 0 {
                    event["pathParameters"]["key"] = json!(stand.sobot.webhook_key());
                }
                if running.len() >= CALLS {
                    let answered: Result<(), _> = running.join_next().await.expect("a call");
                    answered.expect("an answer");
                    count += 1;
                }
                let stand = stand.clone();
                let function = function(&route);
                running.spawn(async move {
                    let mut answer = stand.invoke(function, &event).await.expect("an answer");
                    // A machine that is too busy to queue events in time says so, and is asked again.
                    for _ in 0..5 {
                        if answer["statusCode"] == 503 && answer["headers"]["retry-after"].is_string() {
                            answer = stand.invoke(function, &event).await.expect("an answer");
                        }
                    }
                    if let Some(fault) = fault(&answer) {
                        panic!("{fault}\nto {event}");
                    }
                });
            }
            while let Some(answered) = running.join_next().await {
                answered.expect("an answer");
                count += 1;
            }
            println!("{route}: {count} answered");
            if !works_off {
                let queue = stand.aws.output("InboxQueueUrl");
                stand.sqs.purge_queue().queue_url(queue).send().await.expect("emptied");
            }
        }
        for binary in stand.aws.functions() {
            let processes = stand.aws.processes(&binary).expect("its processes");
            for process in &processes {
                assert!(process.peak_memory < MAX_MEMORY && process.threads < MAX_THREADS, "{binary}: {process:?}");
            }
            let peak = processes.iter().map(|process| process.peak_memory).max().unwrap_or(0) / 1024;
            println!("{binary}: {} processes of at most {peak} MiB", processes.len());
        }
        // What was taken is worked off, and nobody has complained.
        tokio::time::timeout(Duration::from_secs(120), stand.wait_for_an_empty_inbox()).await.expect("worked off");
    });
}

/// An instant, as it is kept: to the nanosecond, in UTC.
fn instant() -> impl Strategy<Value = Value> {
    (time_text(), 0..1_000_000_000u32).prop_map(|(text, nanoseconds)| {
        let date_and_time = &text[..19];
        json!(format!("{date_and_time}.{nanoseconds:09}Z"))
    })
}

/// An object of these fields, of which an older version may not have kept the second ones.
fn object(
    always: Vec<(&'static str, BoxedStrategy<Value>)>,
    perhaps: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> BoxedStrategy<Value> {
    let always = always.into_iter().map(|(name, value)| value.prop_map(move |value| Some((name, value))).boxed());
    let perhaps = perhaps.into_iter().map(|(name, value)| {
        proptest::option::of(value).prop_map(move |value| value.map(|value| (name, value))).boxed()
    });
    let fields: Vec<_> = always.chain(perhaps).collect();
    fields
        .prop_map(|fields| {
            let fields = fields.into_iter().flatten().map(|(name, value)| (name.to_owned(), value));
            Value::Object(fields.collect())
        })
        .boxed()
}

fn words() -> BoxedStrategy<Value> {
    text(0..6).prop_map(Value::from).boxed()
}

fn number(max: u64) -> BoxedStrategy<Value> {
    (0..=max).prop_map(Value::from).boxed()
}

fn truth() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn one_of(words: &[&'static str]) -> BoxedStrategy<Value> {
    select(words.to_vec()).prop_map(Value::from).boxed()
}

fn uuid() -> BoxedStrategy<Value> {
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(Value::from).boxed()
}

fn list(item: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    vec(item, 0..4).prop_map(Value::from).boxed()
}

fn record() -> BoxedStrategy<Value> {
    const STATES: [&str; 6] = ["pending", "retrying", "sent", "suppressed", "failed", "expired"];
    const REASONS: [&str; 3] = ["switched_off", "not_a_friend", "refused_by_line"];
    let at = || instant().boxed();
    let attempt = object(
        vec![("at", at()), ("generation", number(9)), ("state", one_of(&STATES))],
        vec![
            ("line_status", number(599)),
            ("line_request_id", words()),
            ("despite", one_of(&REASONS)),
            ("error", words()),
        ],
    );
    let resend = object(
        vec![("at", at()), ("by", words()), ("reason", words()), ("generation", number(9)), ("force", truth())],
        vec![],
    );
    object(
        vec![
            ("order_id", words()),
            ("status", words()),
            ("day", words()),
            ("revision", number(u64::MAX)),
            ("state", one_of(&STATES)),
            ("created_at", at()),
            ("generation", number(u32::MAX.into())),
            ("may_have_reached_line", truth()),
            ("attempt_count", number(u32::MAX.into())),
            ("order", words()),
            ("push_body", words()),
            ("attempts", list(attempt)),
            ("updated_at", at()),
            ("expire_at", number(i64::MAX.unsigned_abs())),
        ],
        vec![
            ("reason", one_of(&REASONS)),
            ("retry_key", uuid()),
            ("key_first_used_at", at()),
            ("may_have_reached_line_before", truth()),
            ("without_button", truth()),
            ("round_attempts", number(9)),
            ("last_attempt_at", at()),
            ("due_at", at()),
            ("waiting_since", at()),
            ("bell", uuid()),
            ("bell_enqueued_at", at()),
            ("rung_at", at()),
            ("line_user_id", words()),
            ("line_request_id", words()),
            ("line_accepted_request_id", words()),
            ("line_message_id", words()),
            ("last_error", words()),
            ("resends", list(resend)),
        ],
    )
}

/// What is read of `kept`, written to a table and read again, is the same.
fn reads_as_written<T>(kept: &Value) -> Result<(), TestCaseError>
where
    T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug,
{
    let failed = |error: &dyn std::fmt::Display| TestCaseError::fail(format!("{error}: {kept}"));
    let value: T = serde_json::from_value(kept.clone()).map_err(|error| failed(&error))?;
    let item: Item = serde_dynamo::to_item(&value).map_err(|error| failed(&error))?;
    let again: T = serde_dynamo::from_item(item).map_err(|error| failed(&error))?;
    let printed = serde_json::to_string(&value).map_err(|error| failed(&error))?;
    let parsed: T = serde_json::from_str(&printed).map_err(|error| failed(&error))?;
    if again == value && parsed == value {
        Ok(())
    } else {
        Err(TestCaseError::fail(format!("{value:?} is read as {again:?} and {parsed:?}")))
    }
}

fn every<T>(what: &str, kept: BoxedStrategy<Value>)
where
    T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug,
{
    let result = runner(what, 100).run(&kept, |kept| reads_as_written::<T>(&kept));
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_kept_form_is_read_as_it_was_written() {
    let at = || instant().boxed();
    every::<DeliveryRecord>("records", record());
    every::<Switch>(
        "switches",
        object(
            vec![("status", words()), ("enabled", truth())],
            vec![("changed_at", at()), ("changed_by", words()), ("reason", words())],
        ),
    );
    every::<Entry>(
        "audit entries",
        object(
            vec![
                ("kind", one_of(&["switch", "resend", "redrive", "discard", "unlink"])),
                ("at_key", words()),
                ("at", at()),
                ("subject", words()),
                ("by", words()),
                ("reason", words()),
                ("expire_at", number(i64::MAX.unsigned_abs())),
            ],
            vec![("detail", object(vec![("a", words()), ("b", number(9))], vec![("c", truth())]))],
        ),
    );
    let failed = object(vec![("count", number(u64::MAX)), ("order_ids", list(words()))], vec![]);
    every::<DayCount>(
        "days",
        object(
            vec![
                ("sent", number(u64::MAX)),
                ("retried", number(9)),
                ("open", number(9)),
                ("suppressed", object(vec![], vec![("switched_off", number(9)), ("x", number(9))])),
                ("failed", object(vec![], vec![("refused_by_line", failed)])),
            ],
            vec![],
        ),
    );
}

#[test]
fn every_form_that_comes_back_to_us_is_read_as_it_was_written() {
    let at = || instant().boxed();
    every::<Bell>("bells", object(vec![("name", uuid()), ("sentAt", at())], vec![]));
    every::<day::Position>("cursors of a day", object(vec![("listed", words())], vec![]));
    let replace = || one_of(&["ask", "never", "always"]);
    every::<Login>(
        "logins",
        object(
            vec![
                ("id", words()),
                ("browser", words()),
                ("member", words()),
                ("jti", words()),
                ("expires_at", number(i64::MAX.unsigned_abs())),
            ],
            vec![
                ("name", words()),
                ("return_url", words()),
                ("replace", replace()),
                ("former_user", words()),
                ("former_member", words()),
            ],
        ),
    );
}

#[test]
fn a_bell_is_read_out_of_any_order_that_it_is_sent_with() {
    let at = instant().prop_map(|at| at.as_str().expect("a text").to_owned());
    let result = runner("bells", 100).run(&(order(), at, any::<[u8; 16]>()), |(order, at, name)| {
        let Ok(StatusChange::Notified(order)) = parse(&order) else { return Ok(()) };
        let sent_at = OffsetDateTime::parse(&at, &Rfc3339).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let bell = Bell { name: BellName::new(name), sent_at };
        let message = bell.message(&order);
        let (ring, carried) = (Ring::read(message.as_bytes(), sent_at), parse_bytes(message.as_bytes()));
        if ring == (Ring { bell: Some(bell), enqueued_at: sent_at }) && carried == Ok(StatusChange::Notified(order)) {
            Ok(())
        } else {
            Err(TestCaseError::fail(format!("{message} is read as {ring:?} and {carried:?}")))
        }
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn every_event_is_stored_as_it_was_read() {
    let webhook = json!({ "type": "message", "webhookEventId": "01", "timestamp": 1_462_629_479_859_u64,
        "source": { "type": "user", "userId": "U1", "groupId": "C1" }, "replyToken": "hunter2",
        "link": { "result": "ok", "nonce": "hunter2" }, "unsend": { "messageId": "1" }, "postback": { "data": "a" },
        "follow": { "isUnblocked": true },
        "message": { "id": "1", "type": "text", "text": "a", "fileName": "a", "duration": 1, "packageId": "1",
                     "stickerId": "2", "latitude": 1.5, "longitude": 2, "contentProvider": { "type": "external",
                     "originalContentUrl": "https://e.jp" }, "imageSet": { "id": "1" }, "keywords": ["a"] } });
    let types = ["message", "unsend", "follow", "unfollow", "accountLink", "postback", "later"];
    let contents = ["text", "image", "video", "audio", "file", "location", "sticker", "later"];
    let events = (select(types.to_vec()), select(contents.to_vec())).prop_flat_map(move |(event, content)| {
        let mut webhook = webhook.clone();
        webhook["type"] = json!(event);
        webhook["message"]["type"] = json!(content);
        changed(webhook)
    });
    let result = runner("events", 200).run(&events, |event| {
        let read = Event::parse(&event.to_string());
        // What was kept is read once more where an event comes again.
        let again = Event::parse(&read.raw);
        if again.kind != read.kind || again.source != read.source || again.at_ms != read.at_ms {
            return Err(TestCaseError::fail(format!("{read:?} is read as {again:?}")));
        }
        if read.raw.contains("hunter2") && event["replyToken"] == "hunter2" && event["link"]["nonce"] == "hunter2" {
            return Err(TestCaseError::fail(format!("what lets its holder act is kept: {}", read.raw)));
        }
        let received_at = OffsetDateTime::UNIX_EPOCH;
        let envelope = Envelope { via: Via::Sobot, verified: true, received_at, destination: None, events: Vec::new() };
        let stored = StoredEvent::new(&read, &envelope, time::Duration::days(90), None);
        reads_as_written::<StoredEvent>(&serde_json::to_value(&stored).expect("JSON"))
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_is_sealed_is_opened_by_its_key_and_context_alone() {
    let texts = (text(0..20), text(0..4), text(0..4), text(1..4));
    let result = runner("sealed texts", 200).run(&texts, |(text, context, other, key)| {
        let sealing_key = SealingKey::derive(key.as_bytes());
        let sealed = sealing_key.seal(&context, &text);
        let opened = sealing_key.open(&context, &sealed);
        let by_others =
            (sealing_key.open(&format!("{context}{other}x"), &sealed), SealingKey::derive(b"").open(&context, &sealed));
        if opened.as_deref() == Some(&text) && by_others == (None, None) {
            Ok(())
        } else {
            Err(TestCaseError::fail(format!("{opened:?}, {by_others:?}")))
        }
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
