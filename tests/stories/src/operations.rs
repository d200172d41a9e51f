//! What operators call, and what everybody else does not get.

use std::{collections::BTreeSet, time::Duration};

use local_stand::{
    aws::tap::{ALWAYS, Fault},
    line::webhook_sender::{WebhookSender, event, message},
    line::{Behaviour, Endpoint, ReleaseAs, Target},
    sobot::{List, ListBehaviour, SendRecord, Task, error, task_id},
    stand::{Reply, Stand, order_with, random_key, random_user},
};
use serde_json::{Value, json};
use shared::{
    delivery::{record::DeliveryRecord, state::State},
    lambda::problem_code::ProblemCode,
};
use time::{OffsetDateTime, macros::datetime};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{an_hour_ago, id, now_ms, story, story_alone, user};

/// Every call that needs an operator's key, each in a form that would be answered otherwise.
const CALLS: [(&str, &str); 19] = [
    ("GET", "/switches"),
    ("PUT", "/switches/finish"),
    ("GET", "/audit?kind=switch"),
    ("GET", "/orders/R1"),
    ("POST", "/orders/R1/resend"),
    ("GET", "/deliveries"),
    ("GET", "/days/today"),
    ("GET", "/dead-letters"),
    ("POST", "/dead-letters/redrive"),
    ("DELETE", "/dead-letters/push-retry.1?reason=x"),
    ("GET", "/users/U0123456789abcdef0123456789abcdef/messages"),
    ("GET", "/users/U0123456789abcdef0123456789abcdef/messages/1/content"),
    ("DELETE", "/links/m1?reason=x"),
    ("GET", "/quota"),
    ("GET", "/reports/preview"),
    ("POST", "/reports/test-mail"),
    ("GET", "/stack"),
    ("GET", "/sobot/tasks"),
    ("GET", "/sobot/records"),
];

/// The fields that an answer of 400 names.
fn wrong_fields(reply: &Reply) -> Vec<&str> {
    assert_eq!((reply.status, reply.content_type.as_str()), (400, "application/problem+json"), "{reply:?}");
    let errors = reply.body["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["field"].as_str().expect("a field")).collect()
}

async fn get(stand: &Stand, path: &str) -> Value {
    let reply = stand.operate("GET", path, None).await;
    assert_eq!((reply.status, reply.content_type.as_str()), (200, "application/json"), "{path}: {reply:?}");
    reply.body
}

/// Every page of a list, by its cursors.
async fn all_pages(stand: &Stand, path: &str, list: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let body = get(stand, &format!("{path}{cursor}")).await;
        pages.push(body[list].as_array().expect("a list").clone());
        match body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
        assert!(pages.len() < 100, "a list without an end");
    }
}

/// Posts an order that LINE refuses for good.
async fn refused(stand: &Stand) -> Value {
    let order = order_with(json!({}));
    stand.line.script(user(&order), [Behaviour::answer(400, r#"{"message":"Failed to send messages"}"#)]);
    assert_eq!(stand.post(&order).await.body["delivery"], "failed");
    order
}

#[test]
fn nobody_operates_without_an_operators_key() {
    story(async |stand| {
        let (wrong, order_key) = (random_key(), stand.order_key.clone());
        for (method, path) in CALLS {
            for key in [None, Some(wrong.as_str()), Some(order_key.as_str()), Some("")] {
                let body = (method == "PUT" || method == "POST").then(|| json!({}));
                let reply = stand.operate_with(key, method, path, body).await;
                let answered = (reply.status, reply.content_type.as_str(), &reply.body["status"]);
                assert_eq!(answered, (401, "application/problem+json", &json!(401)), "{method} {path}");
            }
        }
        // Nor with the key elsewhere, or does the order system's route take an operator's.
        let url = format!("{}/switches?key={}", stand.public_api.base_url(), stand.operator_key);
        assert_eq!(stand.http.get(url).send().await.expect("answered").status(), 401);
        let headers = [("authorization", format!("Bearer {}", stand.operator_key))];
        let headers = [(headers[0].0, headers[0].1.as_str()), ("content-type", "application/json")];
        assert_eq!(stand.post_raw(&headers, order_with(json!({})).to_string().into()).await.status, 401);
        assert!(!stand.aws.logs("operations").contains(&stand.operator_key));
    });
}

#[test]
fn each_operator_has_a_key_and_a_key_that_was_replaced_works_until_it_is_removed() {
    story_alone(&[], async |stand| {
        let (kenji, former) = (random_key(), random_key());
        let keys = json!({ "mei": stand.operator_key, "kenji": { "current": kenji, "previous": former } });
        stand.put_secret("OperatorKeysSecretArn", &keys).await.expect("written");
        let deadline = Instant::now() + Duration::from_secs(30);
        while stand.operate_with(Some(&kenji), "GET", "/switches", None).await.status != 200 {
            assert!(Instant::now() < deadline, "the new key is not read");
            sleep(Duration::from_millis(500)).await;
        }
        for (key, name) in [(&former, "kenji"), (&kenji, "kenji"), (&stand.operator_key, "mei")] {
            let body = json!({ "enabled": true, "reason": "to see whose name is noted" });
            let reply = stand.operate_with(Some(key), "PUT", "/switches/all", Some(body)).await;
            assert_eq!((reply.status, &reply.body["changedBy"]), (200, &json!(name)), "{reply:?}");
        }
    });
}

#[test]
fn a_switch_is_turned_with_a_reason_and_takes_effect_everywhere() {
    story_alone(&[], async |stand| {
        for switch in ["finish", "all"] {
            let waiting = order_with(json!({}));
            stand.line.script(user(&waiting), [Behaviour::answer(500, "{}")]);
            assert_eq!(stand.post(&waiting).await.status, 202);
            let path = format!("/switches/{switch}");
            let reason = format!("测试 {switch}");
            let off = json!({ "enabled": false, "reason": reason });
            let reply = stand.operate("PUT", &path, Some(off)).await;
            assert_eq!((reply.status, &reply.body["enabled"]), (200, &json!(false)), "{reply:?}");
            // The retry, by another function, with a memory of half a retry delay here and 30 s on AWS.
            stand
                .wait_for_record(id(&waiting), "suppressed", |record| record.progress.state() == State::Suppressed)
                .await;
            let order = order_with(json!({}));
            let reply = stand.post(&order).await;
            assert_eq!(
                (&reply.body["delivery"], &reply.body["reason"]),
                (&json!("suppressed"), &json!("switched_off"))
            );
            assert!(stand.line.pushes_to(user(&order)).is_empty());
            let switches = get(&stand, "/switches").await;
            let shown = switches["switches"].as_array().expect("switches").iter().find(|one| one["status"] == switch);
            let shown = shown.expect("the switch");
            assert_eq!((&shown["enabled"], &shown["changedBy"]), (&json!(false), &json!("mei")));
            assert_eq!(shown["reason"], json!(reason));

            let on = json!({ "enabled": true, "reason": "the test is over" });
            assert_eq!(stand.operate("PUT", &path, Some(on)).await.body["enabled"], true);
            let deadline = Instant::now() + Duration::from_secs(20);
            while stand.post(&order_with(json!({}))).await.body["delivery"] != "sent" {
                assert!(Instant::now() < deadline, "the switch stays off");
                sleep(Duration::from_millis(200)).await;
            }
        }
        let history: Vec<Value> = all_pages(&stand, "/audit?kind=switch&limit=3", "entries").await.concat();
        let told: Vec<_> = history.iter().map(|entry| (&entry["subject"], &entry["detail"]["enabled"])).collect();
        let (all, finish, on, off) = (json!("all"), json!("finish"), json!(true), json!(false));
        assert_eq!(told, [(&all, &on), (&all, &off), (&finish, &on), (&finish, &off)], "the latest first");
        assert!(history.iter().all(|entry| entry["by"] == "mei" && entry["at"].is_string()));
        assert_eq!(history[3]["reason"], "测试 finish");
    });
}

#[test]
fn a_wrong_wish_changes_nothing_and_names_its_fields() {
    story(async |stand| {
        let turn = async |body: Value| stand.operate("PUT", "/switches/finish", Some(body)).await;
        assert_eq!(wrong_fields(&turn(json!({})).await), ["enabled", "reason"]);
        assert_eq!(wrong_fields(&turn(json!({ "enabled": "no", "reason": 1 })).await), ["enabled", "reason"]);
        assert_eq!(wrong_fields(&turn(json!({ "enabled": false, "reason": " " })).await), ["reason"]);
        assert_eq!(wrong_fields(&turn(json!({ "enabled": false, "reason": "x".repeat(501) })).await), ["reason"]);
        let unknown = json!({ "enabled": false, "reason": "x", "force": true });
        assert_eq!(wrong_fields(&turn(unknown).await), ["force"]);
        assert_eq!(wrong_fields(&turn(json!([false])).await), [""]);
        let reply = stand.operate("PUT", "/switches/rented", Some(json!({ "enabled": false, "reason": "x" }))).await;
        reply.assert_problem(ProblemCode::NoSuchSwitch);
        assert!(reply.body["detail"].as_str().expect("words").contains("all, finish"));
        assert!(
            get(stand, "/switches").await["switches"]
                .as_array()
                .expect("switches")
                .iter()
                .all(|one| { one["enabled"] == true })
        );
        for (path, field) in [
            ("/deliveries?date=yesterday", "date"),
            ("/deliveries?state=lost", "state"),
            ("/deliveries?reason=bad_luck", "reason"),
            ("/deliveries?limit=0", "limit"),
            ("/deliveries?limit=101", "limit"),
            ("/deliveries?state=failed&state=sent", "state"),
            ("/deliveries?status=failed", "status"),
            ("/deliveries?retried=true", "retried"),
            ("/deliveries?from=2026-09-01&retried=1", "retried"),
            ("/dead-letters?limit=101", "limit"),
            ("/stack?verbose=1", "verbose"),
            ("/deliveries?cursor=AAAA", "cursor"),
            ("/audit", "kind"),
            ("/audit?kind=everything", "kind"),
            ("/days/2026-02-30", "date"),
            ("/switches?verbose=1", "verbose"),
            ("/users/U0123/messages", "lineUserId"),
            ("/sobot/tasks?from=2026-09-01", "to"),
            ("/sobot/tasks?from=2026-09-02&to=2026-09-01", "to"),
            ("/sobot/records?status=lost", "status"),
            ("/sobot/records?taskId=1%20OR%201", "taskId"),
            ("/sobot/records?messageId=1,2", "messageId"),
            ("/dead-letters?queue=everything", "queue"),
        ] {
            assert_eq!(wrong_fields(&stand.operate("GET", path, None).await), [field], "{path}");
        }
        for path in ["/dead-letters/push-retry.1", "/links/m1"] {
            assert_eq!(wrong_fields(&stand.operate("DELETE", path, None).await), ["reason"], "{path}");
        }
    });
}

#[test]
fn an_order_is_looked_up_with_every_attempt_and_what_the_customer_saw() {
    story(async |stand| {
        let order = order_with(json!({}));
        let behaviours = [
            Behaviour::answer(500, r#"{"message":"Internal server error"}"#),
            Behaviour::AcceptThenHangUp,
            // Asked again at once.
            Behaviour::HangUpBeforeAccepting,
        ];
        stand.line.script(user(&order), behaviours);
        assert_eq!(stand.post(&order).await.status, 202);
        let body = get(stand, &format!("/orders/{}", id(&order))).await;
        assert_eq!((&body["delivery"], &body["resend"]), (&json!("retrying"), &json!("in_flight")));
        stand.wait_for_record(id(&order), "sent", |record| record.progress.state() == State::Sent).await;
        let body = get(stand, &format!("/orders/{}", id(&order))).await;
        assert_eq!((&body["delivery"], &body["resend"]), (&json!("sent"), &json!("needs_force")));
        assert_eq!((&body["lineUserId"], &body["order"]["orderId"]), (&json!(user(&order)), &json!(id(&order))));
        let attempts = body["attempts"].as_array().expect("attempts");
        let told: Vec<_> = attempts.iter().map(|attempt| (&attempt["delivery"], &attempt["lineStatus"])).collect();
        let (retrying, sent) = (json!("retrying"), json!("sent"));
        assert_eq!(told, [(&retrying, &json!(500)), (&retrying, &Value::Null), (&sent, &json!(409))]);
        assert!(attempts[0]["lineRequestId"].is_string() && attempts[1]["error"].is_string(), "{attempts:?}");
        let pushes = stand.line.pushes_to(user(&order));
        assert_eq!(body["retryKey"].as_str(), pushes[0].retry_key().as_deref());
        assert_eq!(body["messages"], pushes[0].json()["messages"], "what LINE was given");
    });
}

#[test]
fn a_look_up_gives_the_order_that_was_asked_for_or_nothing() {
    story(async |stand| {
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 200);
        let unknown = stand.operate("GET", "/orders/R-that-nobody-posted", None).await;
        assert_eq!((unknown.status, unknown.content_type.as_str()), (404, "application/problem+json"));
        // A colon may come written either way, and the route of another method is no order.
        let with_colon = order_with(json!({ "orderId": format!("{}:1", id(&order)) }));
        assert_eq!(stand.post(&with_colon).await.status, 200);
        for spelling in [id(&with_colon).to_owned(), id(&with_colon).replace(':', "%3A")] {
            assert_eq!(get(stand, &format!("/orders/{spelling}")).await["orderId"], id(&with_colon));
        }
        assert_eq!(stand.operate("GET", "/orders/finished", None).await.status, 404);
        let long = "R".repeat(65);
        for path in ["R%20%20", "..%2Fswitches", "%2e%2e", "R%00", "R%2F1", long.as_str(), "*", "R1%0a", "%F0%9F%94%8B"]
        {
            let reply = stand.operate("GET", &format!("/orders/{path}"), None).await;
            assert!(matches!(reply.status, 400 | 404), "{path}: {reply:?}");
            assert!(reply.body["orderId"].is_null() && reply.body["switches"].is_null(), "{path}: {reply:?}");
        }
        // As they are, without what an HTTP client makes of them.
        for path in [
            "//switches",
            "/switches/",
            "/switches/../quota",
            "/console/../switches",
            "/console/%2e%2e/switches",
            "/orders/%2e%2e/switches",
            "/orders//resend",
            "/Switches",
            "/orders/R1/resend/x",
            "/orders/finished/../../switches",
        ] {
            let (status, body) = raw(stand, path).await;
            assert!(matches!(status, 400 | 401 | 404 | 405), "{path}: {status} {body}");
            assert!(!body.contains("effectiveWithinSeconds"), "{path}: {body}");
        }
    });
}

#[test]
fn a_query_that_no_address_may_have_is_answered() {
    story(async |stand| {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/operations-switches.json")).expect("JSON");
        for (function, expected) in [("OperationsFunctionName", 401), ("OrderFinishedFunctionName", 401)] {
            for query in ["a=\"b", "a=<b>", "a=b c", "a=\u{e9}", "a=b#c", "a=\u{7f}&b=\u{1}"] {
                event["rawQueryString"] = json!(query);
                let answer = stand.invoke(function, &event).await.expect("an answer");
                assert_eq!(answer["statusCode"], expected, "{function} {query:?}: {answer}");
            }
        }
    });
}

/// What API Gateway does not let through: only a mistake in the template would.
#[test]
fn a_call_that_is_none_of_the_functions_is_answered() {
    story(async |stand| {
        let event: Value =
            serde_json::from_str(include_str!("../../../events/operations-switches.json")).expect("JSON");
        let mut unknown = event.clone();
        unknown["headers"]["authorization"] = json!(format!("Bearer {}", stand.operator_key));
        unknown["routeKey"] = json!("GET /secrets");
        unknown["requestContext"]["routeKey"] = json!("GET /secrets");
        let mut unreadable = event;
        unreadable["headers"]["host"] = json!("no host");
        unreadable["requestContext"]["domainName"] = json!("no host");
        for (event, code) in [(unknown, ProblemCode::NoSuchOperation), (unreadable, ProblemCode::BadAddress)] {
            let answer = stand.invoke("OperationsFunctionName", &event).await.expect("an answer");
            let body: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("a problem");
            assert_eq!(
                (&answer["statusCode"], &body["code"]),
                (&json!(code.status().as_u16()), &json!(code.name())),
                "{answer}"
            );
        }
    });
}

/// Asks without a key for a path that no client has touched.
async fn raw(stand: &Stand, path: &str) -> (u16, String) {
    let address = stand.public_api.base_url();
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await.expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

#[test]
fn deliveries_of_a_span_of_time_are_listed_the_newest_first_over_days_and_pages() {
    story_alone(&[], async |stand| {
        let midnight = datetime!(2026-09-01 00:00 +9);
        // Two of one second, on three days; at midnight begins the latest one.
        let arrivals = [-26 * 3600, -3600, -1, 0, 0, 30, 3600];
        let mut orders = Vec::new();
        for (number, seconds) in arrivals.into_iter().enumerate() {
            let order = if number % 2 == 0 { refused(&stand).await } else { order_with(json!({})) };
            if number % 2 == 1 {
                assert_eq!(stand.post(&order).await.body["delivery"], "sent");
            }
            let at = midnight + time::Duration::seconds(seconds);
            stand.change_arrival(id(&order), at).await.expect("written");
            orders.push((at, id(&order).to_owned(), number % 2 == 0));
        }
        orders.sort_unstable_by(|one, other| other.cmp(one));
        let ids = |is_wanted: &dyn Fn(&(OffsetDateTime, String, bool)) -> bool| {
            orders.iter().filter(|order| is_wanted(order)).map(|(_, id, _)| id.clone()).collect::<Vec<_>>()
        };
        let search = async |filter: &str| {
            let pages = all_pages(&stand, &format!("/deliveries?{filter}"), "deliveries").await;
            pages.concat().iter().map(|one| id(one).to_owned()).collect::<Vec<_>>()
        };
        for limit in [1, 2, 3, 100] {
            let all = search(&format!("from=2026-08-30&to=2026-09-01&limit={limit}")).await;
            assert_eq!(all, ids(&|_| true), "{limit} a page");
        }
        assert_eq!(search("from=2026-08-30&to=2026-09-01&state=unsuccessful").await, ids(&|(_, _, refused)| *refused));
        assert_eq!(search("from=2026-08-30&to=2026-09-01&state=sent,pending").await, ids(&|(_, _, refused)| !refused));
        let of_reason = "from=2026-08-30&to=2026-09-01&reason=refused_by_line&limit=1";
        assert_eq!(search(of_reason).await, ids(&|(_, _, refused)| *refused));
        assert_eq!(search("from=2026-08-31&to=2026-08-31").await, ids(&|(at, ..)| *at < midnight && at.day() == 31));
        let second = "from=2026-08-31T15:00:00Z&to=2026-08-31T15:00:01Z&limit=1";
        assert_eq!(search(second).await, ids(&|(at, ..)| *at == midnight));
        assert!(search("from=2026-06-20&to=2026-08-20").await.is_empty());
        // A day has sixteen partitions; of each, those that did not go out are two reads, of five states.
        let queries = || stand.aws.tap().calls().iter().filter(|call| call.operation == "dynamodb.Query").count();
        let before = queries();
        let not_sent = "from=2026-08-31&to=2026-08-31&state=pending,retrying,suppressed,failed,expired";
        assert_eq!(search(not_sent).await.len(), 1);
        assert_eq!(queries() - before, 2 * 16);

        let today = order_with(json!({}));
        assert_eq!(stand.post(&today).await.status, 200);
        let day = get(&stand, "/days/today").await["date"].as_str().expect("a day").to_owned();
        assert_eq!(search(&format!("from={day}")).await, [id(&today)], "until now");
        for (filter, wrong) in [
            ("to=2026-09-01", vec!["from"]),
            ("from=2026-09-02&to=2026-09-01", vec!["to"]),
            ("from=2026-01-01&to=2026-09-01", vec!["to"]),
            ("from=2020-01-01", vec!["from"]),
            ("from=yesterday&to=x&state=lost,sent", vec!["from", "to", "state"]),
            ("from=2026-09-01&to=2026-09-01&date=2026-09-01", vec!["date"]),
        ] {
            let reply = stand.operate("GET", &format!("/deliveries?{filter}"), None).await;
            assert_eq!(wrong_fields(&reply), wrong, "{filter}");
        }
    });
}

#[test]
fn a_days_deliveries_are_listed_by_state_and_reason_page_by_page() {
    story_alone(&[("MaxRetries", "1")], async |stand| {
        let mut failed = Vec::new();
        for _ in 0..7 {
            failed.push(id(&refused(&stand).await).to_owned());
        }
        let sent = order_with(json!({}));
        assert_eq!(stand.post(&sent).await.status, 200);
        let unlinked = order_with(json!({ "recipient": { "memberId": "nobody" } }));
        assert_eq!(stand.post(&unlinked).await.body["reason"], "not_linked");

        let today = get(&stand, "/days/today").await;
        let counts = json!({ "refused_by_line": 7, "not_linked": 1 });
        assert_eq!((&today["sent"], &today["failed"], &today["open"]), (&json!(1), &counts, &json!(0)));
        let date = today["date"].as_str().expect("a day");
        assert_eq!(get(&stand, &format!("/days/{date}")).await, today);

        let filter = format!("/deliveries?date={date}&state=failed&reason=refused_by_line&limit=3");
        let pages = all_pages(&stand, &filter, "deliveries").await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
        let mut listed: Vec<_> = pages.concat().iter().map(|one| id(one).to_owned()).collect();
        listed.sort_unstable();
        failed.sort_unstable();
        assert_eq!(listed, failed, "each once");
        assert!(pages.concat().iter().all(|one| one["lastError"] == "Failed to send messages"));
        let pages = all_pages(&stand, &format!("/deliveries?date={date}&limit=9"), "deliveries").await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [9], "no empty page at the end");
        assert_eq!(all_pages(&stand, "/deliveries?state=sent&limit=1", "deliveries").await.concat().len(), 1);

        // What a day counts can be found, each number exactly.
        let off = order_with(json!({}));
        stand.set_friend(user(&off), false).await.expect("written");
        assert_eq!(stand.post(&off).await.body["delivery"], "suppressed");
        let exhausted = order_with(json!({}));
        stand.line.script(user(&exhausted), vec![Behaviour::answer(500, ""); 4]);
        assert_eq!(stand.post(&exhausted).await.status, 202);
        let is_exhausted = |record: &DeliveryRecord| record.progress.is_exhausted();
        stand.wait_for_record(id(&exhausted), "exhausted", is_exhausted).await;
        let found = async |filter: &str| {
            let path = format!("/deliveries?from={date}&to={date}&limit=2&{filter}");
            let found = all_pages(&stand, &path, "deliveries").await.concat();
            let ids: BTreeSet<_> = found.iter().map(|one| id(one).to_owned()).collect();
            assert_eq!(ids.len(), found.len(), "{filter}: each once");
            ids
        };
        let count = get(&stand, "/days/today").await;
        let sum = |counts: &Value| counts.as_object().expect("counts").values().filter_map(Value::as_u64).sum::<u64>();
        let number = |name: &str| count[name].as_u64().unwrap_or_else(|| sum(&count[name]));
        for (name, filter, expected) in [
            ("sent", "state=sent", 1),
            ("retried", "retried=true", 1),
            ("open", "state=pending,retrying", 1),
            ("exhausted", "state=pending,retrying&reason=retries_exhausted", 1),
            ("suppressed", "state=suppressed", 1),
            ("failed", "state=failed,expired", 8),
        ] {
            assert_eq!((number(name), found(filter).await.len() as u64), (expected, expected), "{name}");
        }
        assert_eq!(found("retried=true&reason=retries_exhausted").await, BTreeSet::from([id(&exhausted).to_owned()]));

        // A cursor is for its own list, as it was given.
        let cursor = get(&stand, &filter).await["next"].as_str().expect("a next page").to_owned();
        let mut other = cursor.clone().into_bytes();
        let middle = other.len() / 2;
        other[middle] = if other[middle] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).expect("still text");
        for path in [
            format!("{filter}&cursor={other}"),
            format!("{filter}&cursor={}", &cursor[..cursor.len() - 1]),
            format!("{filter}&cursor="),
            format!("/deliveries?date={date}&state=failed&cursor={cursor}"),
            format!("/deliveries?date=2020-07-14&state=failed&reason=refused_by_line&cursor={cursor}"),
            format!("/audit?kind=switch&cursor={cursor}"),
            format!("/dead-letters?cursor={cursor}"),
            format!("/users/{}/messages?cursor={cursor}", user(&sent)),
            format!("/sobot/tasks?cursor={cursor}"),
        ] {
            assert_eq!(wrong_fields(&stand.operate("GET", &path, None).await), ["cursor"], "{path}");
        }
    });
}

#[test]
fn what_a_user_wrote_is_there_page_by_page_and_what_was_taken_back_is_not() {
    story(async |stand| {
        let at = an_hour_ago();
        let writer = random_user();
        stand.link(&format!("m-{writer}"), &writer).await.expect("linked");
        let texts: Vec<_> = (0..5)
            .map(|number| message(&writer, at + number, json!({ "type": "text", "text": format!("<b>{number}</b>") })))
            .collect();
        let unsend = event("unsend", &writer, at + 9, json!({ "unsend": { "messageId": texts[2]["message"]["id"] } }));
        let sender = WebhookSender::line(stand);
        assert_eq!(sender.deliver(&texts).await.status, 200);
        assert_eq!(sender.deliver(&[unsend]).await.status, 200);
        stand
            .wait_for_events(&writer, "taken back", |events| {
                events.len() == 6 && events.iter().any(|one| one.unsent_at.is_some())
            })
            .await;
        let path = format!("/users/{writer}/messages?limit=4");
        let pages = all_pages(stand, &path, "events").await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
        let types: Vec<_> = pages.concat().iter().map(|event| event["type"].clone()).collect();
        assert_eq!(types, ["unsend", "message", "message", "message", "message", "message"], "the latest first");
        let events = pages.concat();
        assert_eq!((&events[1]["content"]["text"], &events[1]["via"]), (&json!("<b>4</b>"), &json!("line")));
        assert!(events[3]["content"].is_null() && events[3]["unsentAt"].is_string(), "{:?}", events[3]);
        assert!(!json!(events).to_string().contains("<b>2</b>"));
        let nobody = get(stand, &format!("/users/{}/messages", random_user())).await;
        assert_eq!((&nobody["events"], &nobody["friend"]), (&json!([]), &Value::Null));
    });
}

#[test]
fn a_member_is_unlinked_and_the_grant_ends_at_line() {
    story(async |stand| {
        let (member, customer) = (format!("m-{}", random_user()), random_user());
        stand.log_in(&member, &customer).await.expect("logged in");
        assert_eq!(stand.line.grants_of(&customer), 1);
        let linked = get(stand, &format!("/users/{customer}/messages")).await;
        assert_eq!((&linked["memberId"], &linked["friend"]), (&json!(member), &json!(true)));
        let path = format!("/links/{member}?reason=left%20the%20company");
        // LINE does not answer: the link stands, and the same call again goes on.
        let target = Target::Login(Endpoint::Deauthorize, customer.clone());
        stand.line.script(target, [Behaviour::HangUpBeforeAccepting]);
        assert_eq!(stand.operate("DELETE", &path, None).await.status, 503);
        assert_eq!(get(stand, &format!("/users/{customer}/messages")).await["memberId"], json!(member));
        let reply = stand.operate("DELETE", &path, None).await;
        assert_eq!((reply.status, &reply.body), (200, &json!({ "memberId": member, "grant": "ended" })));
        assert_eq!(stand.line.grants_of(&customer), 0);
        assert!(get(stand, &format!("/users/{customer}/messages")).await["memberId"].is_null());
        stand.operate("DELETE", &path, None).await.assert_problem(ProblemCode::NoSuchLink);
        let order = order_with(json!({ "recipient": { "memberId": member } }));
        assert_eq!(stand.post(&order).await.body["reason"], "not_linked");
        let audit = all_pages(stand, "/audit?kind=unlink&limit=1", "entries").await.concat();
        let about = audit.iter().filter(|entry| entry["subject"] == json!(member)).collect::<Vec<_>>();
        assert!(about.len() == 2 && about[0]["reason"] == "left the company", "each wish is noted: {about:?}");
    });
}

#[test]
fn a_login_during_an_unlink_keeps_its_link() {
    story(async |stand| {
        let member = format!("m-{}", random_user());
        let [former, new] = [(); 2].map(|()| random_user());
        stand.log_in(&member, &former).await.expect("logged in");
        let held = Target::Login(Endpoint::Deauthorize, former.clone());
        stand.line.script(held.clone(), [Behaviour::Hold]);
        let unlink = {
            let (stand, path) = (stand.clone(), format!("/links/{member}?reason=x"));
            tokio::spawn(async move { stand.operate("DELETE", &path, None).await })
        };
        stand.line.wait_until("LINE is asked", Duration::from_secs(30), |line| line.is_held(held.clone())).await;
        stand.link(&member, &new).await.expect("another link");
        assert!(stand.line.release(held, ReleaseAs::Accept));
        unlink.await.expect("no panic").assert_problem(ProblemCode::LinkedAnew);
        let order = order_with(json!({ "recipient": { "memberId": member } }));
        assert_eq!(stand.post(&order).await.body["delivery"], "sent");
        assert_eq!(stand.line.received_by(&new).len(), 1);
    });
}

#[test]
fn the_quota_is_what_line_tells_now() {
    story_alone(&[("WarningThresholds", "80,100")], async |stand| {
        let quota = async || {
            let mut body = get(&stand, "/quota").await;
            // Which day it is depends on today: `line::quota` has the tests.
            let _ = body.as_object_mut().expect("an object").remove("usedUpOn");
            body
        };
        assert_eq!(quota().await, json!({ "used": 0, "thresholds": [80, 100] }), "a plan without a ceiling");
        stand.line.set_quota(Some(1000));
        stand.line.set_usage(999);
        let figures = json!({ "limit": 1000, "used": 999, "remaining": 1, "usedPercent": 99, "thresholds": [80, 100] });
        assert_eq!(quota().await, figures);
        stand.line.set_usage(1200);
        let body = quota().await;
        assert_eq!((&body["remaining"], &body["usedPercent"]), (&json!(0), &json!(120)));
        stand.line.script(Endpoint::Quota, vec![Behaviour::answer(500, "{}"); 3]);
        let reply = stand.operate("GET", "/quota", None).await;
        assert_eq!((reply.status, reply.content_type.as_str()), (503, "application/problem+json"), "{reply:?}");
    });
}

#[test]
fn of_several_accounts_at_sobot_only_the_one_in_the_secret_is_ours() {
    story_alone(&[], async |stand| {
        let started = time::macros::datetime!(2026-09-01 10:00:00 +8);
        let ours = Task::new("ours", started, [7, 6, 1]);
        stand.sobot.set_tasks([ours, Task { sender: "2005652358", ..Task::new("theirs", started, [9, 9, 0]) }]);
        let mut secret = stand.sobot.secret();
        secret["sender"] = json!("2005652357");
        stand.put_secret("SobotSecretArn", &secret).await.expect("written");
        let names = async |path: &str| {
            let tasks = all_pages(&stand, path, "tasks").await.concat();
            tasks.iter().map(|task| task["taskName"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("/sobot/tasks").await, ["ours"]);
        assert_eq!(names("/sobot/tasks?sender=2005652358").await, ["theirs"], "who asks for another gets it");
    });
}

#[test]
fn a_stack_says_which_it_is_whether_line_answers_or_not() {
    story_alone(&[("Country", "JP")], async |stand| {
        let told = get(&stand, "/stack").await;
        let name = told["name"].as_str().expect("a name").to_owned();
        assert_eq!((&told["account"], &told["country"]), (&json!("An account"), &json!("JP")), "{name}");
        stand.line.script(Endpoint::BotInfo, vec![Behaviour::answer(500, "{}"); 3]);
        assert_eq!(get(&stand, "/stack").await, json!({ "name": name, "country": "JP" }));
    });
}

#[test]
fn sobots_mass_sends_are_listed_page_by_page() {
    story_alone(&[], async |stand| {
        let started = time::macros::datetime!(2026-09-01 10:00:00 +8);
        let name = |number: u32| format!("群发 {number}");
        let task = |n: u32| Task::new(&name(n), started, [7, 6, 1]);
        stand.sobot.set_tasks((0..101).map(task));
        let pages = all_pages(&stand, "/sobot/tasks?from=2026-09-01&to=2026-09-01", "tasks").await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 1]);
        let task = &pages[0][0];
        assert_eq!((&task["estimated"], &task["sent"], &task["failed"]), (&json!(7), &json!(6), &json!(1)));
        assert!(task["taskName"].as_str().expect("a name").starts_with("群发"));
        assert!(get(&stand, "/sobot/tasks?from=2026-08-01&to=2026-08-31").await["tasks"] == json!([]));
        assert_eq!(task["taskId"].as_str().map(str::len), Some(32), "as Sobot gives it: {task}");
        assert_eq!(pages[0][1]["estimated"], 7, "a number, however Sobot writes it");
        let record = |number: u32, status| SendRecord::new(&name(number), started, status);
        let elsewhere = SendRecord { sender: "2005652358", ..record(3, "2") };
        stand.sobot.set_records([record(1, "9"), record(2, "0"), elsewhere]);
        for (filter, expected) in [
            ("&status=failed", vec![false]),
            (&format!("&taskId={}", task_id(&name(2))), vec![true]),
            ("&recipient=131231", vec![false, true, true]),
            (&format!("&recipient=nobody&taskId={}", task_id(&name(2))), vec![]),
            ("&messageId=515320261478973734", vec![true, true]),
            ("&agentId=67bb2e6ec79b4a43a2e235d6c7256fb0&sender=2005652357", vec![false, true]),
            ("&agentId=nobody", vec![]),
            ("&sender=2005652358", vec![true]),
        ] {
            let path = format!("/sobot/records?from=2026-09-01&to=2026-09-01{filter}");
            let sent: Vec<_> =
                all_pages(&stand, &path, "records").await.concat().iter().map(|one| one["sent"].clone()).collect();
            assert_eq!(sent, expected.into_iter().map(Value::from).collect::<Vec<_>>(), "{filter}");
        }
        // What cannot be read of a page is counted, and costs nothing else.
        let page = r#"{"items":[{"taskid":"a"},{"taskid":{}},7],"total_count":"3","ret_code":"000000"}"#;
        stand.sobot.script_list(List::Tasks, [ListBehaviour::Answer(page.to_owned())]);
        let page = get(&stand, "/sobot/tasks").await;
        assert_eq!((&page["leftOut"], &page["total"], &page["next"]), (&json!(2), &json!(3), &json!(null)), "{page}");
        assert_eq!(page["tasks"][0]["taskId"], "a");
        // A page that does not come costs none of those before: its cursor goes on.
        let first = get(&stand, "/sobot/tasks").await;
        let next = format!("/sobot/tasks?cursor={}", first["next"].as_str().expect("another page"));
        stand.sobot.script_list(List::Tasks, [ListBehaviour::HangUp, ListBehaviour::HangUp]);
        assert_eq!(stand.operate("GET", &next, None).await.status, 503);
        assert_eq!(get(&stand, &next).await["tasks"].as_array().map(Vec::len), Some(1));
        // Sobot is ill, and then is not there at all.
        stand.sobot.script_list(List::Tasks, [ListBehaviour::HangUp, ListBehaviour::HangUp]);
        assert_eq!(stand.operate("GET", "/sobot/tasks", None).await.status, 503);
        stand.sobot.script_list(List::Tasks, [ListBehaviour::Answer(error("900001", "busy"))]);
        stand.operate("GET", "/sobot/tasks", None).await.assert_problem(ProblemCode::Unavailable);
    });
}

#[test]
fn when_aws_fails_the_answer_is_503_and_says_nothing_of_it() {
    story(async |stand| {
        let order = order_with(json!({}));
        assert_eq!(stand.post(&order).await.status, 200);
        let fault = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.GetItem", id(&order), ALWAYS);
        let reply = stand.operate("GET", &format!("/orders/{}", id(&order)), None).await;
        assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")));
        assert!(!reply.body.to_string().contains("InternalServerError"), "{reply:?}");
        drop(fault);
        // A switch that could not be turned has no entry in the audit, and the other way round.
        let subject = format!("noted-{}", user(&order));
        let _fault = stand.aws.tap().inject(Fault::INTERNAL, "dynamodb.TransactWriteItems", &subject, ALWAYS);
        let body = json!({ "enabled": false, "reason": subject });
        assert_eq!(stand.operate("PUT", "/switches/all", Some(body)).await.status, 503);
        let switches = get(stand, "/switches").await;
        assert_eq!(switches["switches"][0]["enabled"], true);
        let audit = get(stand, "/audit?kind=switch&limit=100").await;
        assert!(!audit.to_string().contains(&subject));
    });
}

#[test]
fn a_picture_that_line_has_is_opened_and_who_opened_it_is_noted() {
    story_alone(&[], async |stand| {
        let (customer, other) = (random_user(), random_user());
        let media = |kind: &str, user: &str| {
            let mut fields = json!({ "type": kind, "contentProvider": { "type": "line" } });
            if kind == "file" {
                fields = json!({ "type": kind, "fileName": "page.html", "fileSize": 7 });
            }
            message(user, now_ms(), fields)
        };
        let kinds = ["image", "file", "video", "audio", "image", "image"];
        let mut events: Vec<_> = kinds.iter().map(|kind| media(kind, &customer)).collect();
        events.push(message(&customer, now_ms(), json!({ "type": "text", "text": "no media" })));
        let ids: Vec<_> = events.iter().map(|event| event["message"]["id"].as_str().expect("an id")).collect();
        let [picture, file, large, preparing, gone, unsent, text] = ids[..] else { panic!("{ids:?}") };
        let unsend = event("unsend", &customer, now_ms(), json!({ "unsend": { "messageId": unsent } }));
        assert_eq!(WebhookSender::line(&stand).deliver(&events).await.status, 200);
        stand.wait_for_events(&customer, "all are there", |stored| stored.len() == 7).await;
        assert_eq!(WebhookSender::line(&stand).deliver(&[unsend]).await.status, 200);
        stand.wait_for_events(&customer, "taken back", |all| all.iter().any(|one| one.unsent_at.is_some())).await;

        let bytes: Vec<u8> = (0..=255).cycle().take(4 << 20).collect();
        stand.line.set_content(picture, "image/jpeg", bytes.clone());
        stand.line.set_content(file, "text/html; charset=utf-8", "<p>Hi!");
        stand.line.set_content(large, "video/mp4", vec![0; (4 << 20) + 1]);
        stand.line.set_content(unsent, "image/jpeg", "must not be shown");
        stand.line.script(Target::Content(preparing.to_owned()), [Behaviour::answer(202, "")]);
        let path = |user: &str, id: &str| format!("/users/{user}/messages/{id}/content");
        let fetch = async |id: &str| {
            let url = format!("{}{}", stand.public_api.base_url(), path(&customer, id));
            stand.http.get(url).bearer_auth(&stand.operator_key).send().await.expect("an answer")
        };
        let answer = fetch(picture).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"image/jpeg".parse().unwrap())
        );
        assert_eq!(answer.bytes().await.expect("bytes"), bytes, "every byte, and the most that is answered");
        let answer = fetch(file).await;
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-type"), "application/octet-stream", "nothing that a browser runs");
        assert_eq!(header("content-disposition"), format!("attachment; filename=\"{file}\""));
        assert_eq!(answer.text().await.expect("text"), "<p>Hi!");

        for (id, code) in [
            (large, ProblemCode::MediaTooLarge),
            (preparing, ProblemCode::MediaPreparing),
            (gone, ProblemCode::MediaGone),
            (unsent, ProblemCode::NoSuchMedia),
            (text, ProblemCode::NoSuchMedia),
            ("1", ProblemCode::NoSuchMedia),
        ] {
            stand.operate("GET", &path(&customer, id), None).await.assert_problem(code);
        }
        assert_eq!(stand.operate("GET", &path(&other, picture), None).await.status, 404, "it is somebody else's");
        assert_eq!(wrong_fields(&stand.operate("GET", &path(&customer, "x.jpg"), None).await), ["messageId"]);

        let listed = get(&stand, &format!("/users/{customer}/messages")).await;
        let with_error = |one: &&Value| one["mediaError"] == "gone_from_line";
        let lost: Vec<_> = listed["events"].as_array().expect("events").iter().filter(with_error).collect();
        assert!(lost.len() == 1 && lost[0]["messageId"] == gone, "{listed}");
        let noted = get(&stand, "/audit?kind=read").await;
        let noted = noted["entries"].as_array().expect("entries");
        let media: Vec<_> = noted.iter().filter_map(|entry| entry["detail"]["messageId"].as_str()).collect();
        assert_eq!(media, [gone, preparing, large, file, picture]);
        let of_the_customer = |entry: &Value| entry["subject"] == noted[0]["subject"];
        assert!(noted.iter().all(of_the_customer) && noted[0]["subject"] != json!(customer), "by the pseudonym");
    });
}

#[test]
fn the_page_is_sent_small_and_once() {
    story(async |stand| {
        let url = format!("{}/console", stand.public_api.base_url());
        let plain = stand.http.get(&url).send().await.expect("answered");
        let tag = plain.headers()["etag"].to_str().expect("a tag").to_owned();
        let whole = plain.bytes().await.expect("a page").len();
        let small = stand.http.get(&url).header("accept-encoding", "gzip, br").send().await.expect("answered");
        assert_eq!(small.headers()["content-encoding"], "gzip");
        let sent = small.bytes().await.expect("a page").len();
        assert!(sent * 3 < whole, "{sent} of {whole}");
        let known = stand.http.get(&url).header("if-none-match", tag).send().await.expect("answered");
        assert_eq!(
            (known.status(), known.bytes().await.expect("nothing").len()),
            (reqwest::StatusCode::NOT_MODIFIED, 0)
        );
    });
}
