//! Many orders at once while LINE fails, processes die, webhooks come in and the report goes out: each order reaches
//! its customer once. `ORDERS=2000` makes more of them; the figures are printed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bill::BY_USE;
use local_stand::{
    canaries::WRITTEN,
    line::{
        Behaviour,
        webhook_sender::{WebhookSender, message},
    },
    stand::{Stand, order_with, random_user},
    wire::Call,
};
use serde_json::{Value, json};
use shared::delivery::state::State;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{id, now_ms, story_on_an_idle_machine, user};

/// Order systems that post at one time.
const SENDERS: usize = 8;
/// One of so many orders is posted a second time.
const DOUBLED: usize = 20;
/// LINE fails at the first push of one of so many.
const FAILING: usize = 10;
/// A process dies as often.
const KILL_EVERY: Duration = Duration::from_secs(3);
/// Half of what an environment has, in KiB.
const MAX_MEMORY: u64 = 128 * 1024;
/// Every order has its end by then, once the last is posted.
const LIMIT: Duration = Duration::from_secs(300);

/// What an environment has, in MB.
const MEMORY: f64 = 256.0;
/// What an order is taken to cost of an environment's time, its bell included: mostly LINE's answer. Nothing here can
/// measure it.
const SECONDS: f64 = 0.2;

/// Every way in which LINE may fail once.
fn failure(number: usize) -> Behaviour {
    let failures = [
        Behaviour::answer(500, r#"{"message":"Internal server error"}"#),
        Behaviour::answer(503, "<html>"),
        Behaviour::RateLimited,
        Behaviour::HangUpBeforeAccepting,
        Behaviour::AcceptThenHangUp,
        Behaviour::AcceptThenAnswer { status: 500, body: String::new() },
        Behaviour::AcceptThenDelay(Duration::from_secs(2)),
        Behaviour::Unauthorized,
    ];
    failures[number % failures.len()].clone()
}

#[derive(Default)]
struct Watched {
    over: AtomicBool,
    killed: AtomicUsize,
    /// The most memory that a process of a function had, KiB, in each look at all of them.
    memory: Mutex<Vec<u64>>,
}

/// Kills the functions in turn, and looks at their memory.
async fn kill_in_turn(stand: Arc<Stand>, watched: Arc<Watched>) {
    const TARGETS: [&str; 4] = ["order-finished", "push-retry", "webhooks", "inbox"];
    for target in TARGETS.into_iter().cycle() {
        let next = Instant::now() + KILL_EVERY;
        while Instant::now() < next {
            if watched.over.load(Ordering::Relaxed) {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let processes = stand.aws.functions().into_iter().flat_map(|name| stand.aws.processes(&name).expect("read"));
        let memory = processes.map(|process| process.memory).max().unwrap_or(0);
        watched.memory.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        watched.killed.fetch_add(stand.aws.kill(target).expect("killed"), Ordering::Relaxed);
    }
}

/// Delivers messages of one user until it is over; returns how many.
async fn send_webhooks(stand: Arc<Stand>, user: String, watched: Arc<Watched>) -> usize {
    let line = WebhookSender::line(&stand);
    let (mut sent, begin) = (0, now_ms());
    while !watched.over.load(Ordering::Relaxed) {
        let at = |number: usize| begin + u64::try_from(number).expect("a small number");
        let texts = (0..5).map(|number| message(&user, at(sent + number), json!({ "type": "text", "text": WRITTEN })));
        line.deliver_until_taken(&texts.collect::<Vec<_>>()).await;
        sent += 5;
        sleep(Duration::from_millis(200)).await;
    }
    sent
}

/// What an order takes of what AWS charges for, and what a million of them cost.
fn print_costs(calls: &[Call], orders: usize, log_bytes: usize) {
    let kilobytes = |call: &Call| call.body.len().div_ceil(1024);
    let of = |operations: &[&str]| calls.iter().filter(|call| operations.contains(&call.operation.as_str())).count();
    // An index takes a unit for each write that changes what it shows: nearly each.
    let writes: usize = calls
        .iter()
        .filter(|call| {
            ["dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.DeleteItem"].contains(&call.operation.as_str())
        })
        .map(|call| kilobytes(call) + 1)
        .sum();
    // Lambda's poller receives and deletes what was sent.
    let bells = of(&["sqs.SendMessage"]);
    let orders = f64::from(u32::try_from(orders).expect("a small number"));
    let each = |count: usize| f64::from(u32::try_from(count).expect("a small number")) / orders;
    let amounts = [
        1.0,
        1.0 + each(bells),
        MEMORY * SECONDS,
        each(writes),
        each(of(&["dynamodb.GetItem", "dynamodb.Query"])),
        each(bells * 3),
        each(log_bytes) / 1024.0,
    ];
    let mut sum = 0.0;
    for ((what, price), amount) in BY_USE.into_iter().zip(amounts) {
        println!("  {amount:8.2} {what}: {:.2} $ for a million orders", amount * price);
        sum += amount * price;
    }
    println!("  {sum:.2} $ for a million orders");
}

#[test]
fn under_load_every_order_reaches_its_customer_once() {
    let count = std::env::var("ORDERS").map_or(60, |count| count.parse().expect("a number"));
    story_on_an_idle_machine(&[], async |stand| {
        let orders: Vec<Value> = (0..count).map(|_| order_with(json!({}))).collect();
        for (number, order) in orders.iter().enumerate().filter(|(number, _)| number % FAILING == 0) {
            stand.line.script(user(order), [failure(number / FAILING)]);
        }
        let (watched, guest) = (Arc::new(Watched::default()), random_user());
        let killing = tokio::spawn(kill_in_turn(Arc::clone(&stand), Arc::clone(&watched)));
        let webhooks = tokio::spawn(send_webhooks(Arc::clone(&stand), guest.clone(), Arc::clone(&watched)));
        let reporter = Arc::clone(&stand);
        let report = tokio::spawn(async move {
            let event = json!({ "scheduledTime": "2026-09-09T01:00:00Z" });
            reporter.invoke("DailyReportFunctionName", &event).await.expect("an answer")
        });

        let begun = Instant::now();
        let posts: Vec<_> = orders
            .iter()
            .enumerate()
            .flat_map(|(number, order)| vec![order.clone(); if number % DOUBLED == 0 { 2 } else { 1 }])
            .collect();
        let (next, mut senders) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
        let posts = Arc::new(posts);
        for _ in 0..SENDERS {
            let (stand, posts, next) = (Arc::clone(&stand), Arc::clone(&posts), Arc::clone(&next));
            senders.spawn(async move {
                let mut took = Vec::new();
                while let Some(order) = posts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let posted = Instant::now();
                    let reply = stand.post_until_taken(order).await;
                    took.push(posted.elapsed());
                    assert!([200, 202].contains(&reply.status), "{reply:?}");
                }
                took
            });
        }
        let mut took: Vec<Duration> = senders.join_all().await.concat();
        let posted = begun.elapsed();
        took.sort_unstable();

        let deadline = Instant::now() + LIMIT;
        let mut open: Vec<_> = orders.iter().map(id).collect();
        while !open.is_empty() {
            assert!(Instant::now() < deadline, "not sent: {open:?}");
            let mut still = Vec::new();
            for order in open {
                let record = stand.record(order).await.expect("a record of what was taken");
                if record.progress.state() != State::Sent {
                    still.push(order);
                }
            }
            open = still;
            sleep(Duration::from_millis(100)).await;
        }
        let settled = begun.elapsed();
        watched.over.store(true, Ordering::Relaxed);
        killing.await.expect("no panic");
        for order in &orders {
            assert_eq!(stand.line.received_by(user(order)).len(), 1, "{order}");
        }
        let events = webhooks.await.expect("no panic");
        stand.wait_for_events(&guest, "all events", |stored| stored.len() == events).await;
        assert_eq!(report.await.expect("no panic")["report"], "sent");
        assert_eq!(stand.mails().await.expect("mails").len(), 1);

        let calls = stand.aws.tap().calls();
        let of_orders: Vec<_> = calls
            .into_iter()
            .filter(|call| ["order-finished", "push-retry", "delivery-sweep"].contains(&call.caller.function.as_str()))
            .collect();
        let mut by_operation = BTreeMap::<&str, usize>::new();
        for call in &of_orders {
            *by_operation.entry(&call.operation).or_default() += 1;
        }
        let log_bytes = ["order-finished", "push-retry"].iter().map(|binary| stand.aws.logs(binary).len()).sum();
        let percentile = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        let memory = watched.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let per_second = f64::from(u32::try_from(posts.len()).expect("a small number")) / posted.as_secs_f64();
        println!(
            "{} orders in {} posts and {posted:.1?} ({per_second:.0} a second), the last settled after {settled:.1?}",
            orders.len(),
            posts.len()
        );
        println!("a post took {:.0?} (p50), {:.0?} (p99)", percentile(50), percentile(99));
        println!("{} processes killed, {events} events beside", watched.killed.load(Ordering::Relaxed));
        println!(
            "the largest process, in MiB over time: {:?}",
            memory.iter().map(|kib| kib / 1024).collect::<Vec<_>>()
        );
        println!("calls to AWS: {by_operation:?}, {:.1} an order", {
            let [calls, orders] = [of_orders.len(), orders.len()].map(|n| f64::from(u32::try_from(n).expect("small")));
            calls / orders
        });
        print_costs(&of_orders, orders.len(), log_bytes);
        assert!(memory.iter().all(|kib| *kib < MAX_MEMORY), "{memory:?}");
    });
}
