//! How much the stack takes, by arithmetic: orders in bursts, API Gateway's and LINE's token buckets, Lambda's
//! environments and their scaling rate, the retry queue and its pollers, DynamoDB's write units. The settings are the
//! template's; `cargo test --test stories scale -- --nocapture` prints the table that DEPLOY.md has.
//!
//! What AWS and LINE document is taken as it is documented; how long LINE takes, and how an order system repeats, is
//! assumed. No stack has been measured under such a load.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use shared::language::grouped;

use crate::template::template;

/// A step of the simulation, in seconds.
const STEP: f64 = 0.1;
const STEPS_A_SECOND: usize = 10;
/// Orders come for a quarter of an hour; what is open then goes on.
const ARRIVING: usize = 15 * 60 * STEPS_A_SECOND;
/// LINE hangs from here to there.
const HANG: std::ops::Range<usize> = 5 * 60 * STEPS_A_SECOND..10 * 60 * STEPS_A_SECOND;
/// Nothing is simulated beyond.
const END: usize = 4 * 60 * 60 * STEPS_A_SECOND;

/// In each minute ten seconds have twice the orders, and the others are fewer by as many.
const BURST: usize = 10 * STEPS_A_SECOND;
/// An order system that is answered 429 or 5xx posts again.
const POSTS_AGAIN: usize = 5 * STEPS_A_SECOND;

/// An account's executions at once (Lambda quotas), and the environments that a function gains in ten seconds.
const EXECUTIONS: usize = 1_000;
const SCALING: f64 = 1_000.0 / 10.0 * STEP;
/// LINE's pushes a second of a channel (LINE: "Rate limits").
const LINE_RATE: f64 = 2_000.0;
/// What an on-demand table, and each of its indexes, takes at first in a second (DynamoDB: "On-demand capacity mode");
/// that it takes more within half an hour is not counted on.
const WRITE_UNITS: f64 = 4_000.0;
/// What they take where `WarmWriteUnits` says so, as DEPLOY.md advises.
const WARM_WRITE_UNITS: f64 = 12_000.0;
/// What a partition takes (DynamoDB: "Best practices for designing partition keys").
const UNITS_OF_A_PARTITION: f64 = 1_000.0;
/// The keys of a day in the index `by_day`, on which its orders are spread (`delivery/table.rs`).
const KEYS_OF_A_DAY: usize = 16;
/// Units of an attempt, a retry as well as a first push, in the table, whose keys are as many as the orders: with a
/// buttons template, and with a Flex Message (`delivery/table.rs`).
const UNITS_OF_BUTTONS: f64 = 4.0;
const UNITS_OF_FLEX: f64 = 6.0;
/// And in `by_day`: an entry, of a first push only, which the end of the attempt deletes and puts anew.
const BY_DAY_OF_A_PUSH: f64 = 3.0;
const BY_DAY_OF_A_RETRY: f64 = 2.0;

/// An invocation with a push, in steps: LINE answers, or nobody waits any longer (`Pace::call`).
const WELL: usize = 2;
const TIMED_OUT: usize = 50;
/// One whose push is skipped by the breaker.
const SKIPPED: usize = 1;
/// The breaker, as `delivery/breaker.rs` has it.
const TIME_OUTS: u32 = 3;

/// The settings that decide, of the template.
struct Settings {
    rate: f64,
    burst: f64,
    reserved_for_others: usize,
    retry_delay: usize,
    batch: usize,
    pollers: usize,
    pause: usize,
}

impl Settings {
    fn of_the_template() -> Self {
        let template = template();
        let default = |name: &str| count(&template.written["Parameters"][name]["Default"]);
        let queue =
            &template.written["Resources"]["PushRetryFunction"]["Properties"]["Events"]["RetryQueue"]["Properties"];
        Self {
            rate: decimal(default("ApiRateLimit")),
            burst: decimal(default("ApiBurstLimit")),
            reserved_for_others: default("WebhookConcurrency") + default("OperatorConcurrency"),
            retry_delay: default("RetryDelaySeconds") * STEPS_A_SECOND,
            batch: count(&queue["BatchSize"]),
            pollers: count(&queue["ScalingConfig"]["MaximumConcurrency"]),
            pause: 10 * STEPS_A_SECOND,
        }
    }
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("a small number")
}

fn decimal(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a small number"))
}

/// An environment of order-finished.
#[derive(Clone, Copy, Default)]
struct Environment {
    busy_until: usize,
    time_outs: u32,
    open_until: usize,
}

/// The write units that are left in this second: of the deliveries' table, and of each partition of `by_day`.
struct WriteUnits {
    per_second: f64,
    table: f64,
    by_day: Vec<f64>,
    asked: usize,
}

impl WriteUnits {
    fn of(per_second: f64) -> Self {
        let partitions = (1..).take_while(|count| decimal(*count) * UNITS_OF_A_PARTITION <= per_second).count();
        Self { per_second, table: per_second, by_day: vec![UNITS_OF_A_PARTITION; partitions], asked: 0 }
    }

    /// A second begins; what the last one left is not counted on.
    fn refill(&mut self) {
        self.table = self.per_second;
        self.by_day.fill(UNITS_OF_A_PARTITION);
    }

    /// Whether they are there for an order, whose key is the next one's turn: hashes are spread evenly. A table whose
    /// index is throttled is throttled itself (DynamoDB: "Using Global Secondary Indexes").
    fn take(&mut self, table: f64, by_day: f64) -> bool {
        let partition = self.asked % KEYS_OF_A_DAY % self.by_day.len();
        self.asked += 1;
        let are_there = self.table >= table && self.by_day[partition] >= by_day;
        if are_there {
            self.table -= table;
            self.by_day[partition] -= by_day;
        }
        are_there
    }
}

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    orders: usize,
    answered_429: usize,
    answered_5xx: usize,
    peak_executions: usize,
    /// Steps in which nobody else in the account could start anything.
    starved: usize,
    peak_writes: f64,
    /// Attempts that DynamoDB turned away: a first push is answered 503 and posted again, a retry is due anew.
    throttled: usize,
    /// Seconds from the first post to LINE, of each order that got there.
    waits: BTreeMap<usize, usize>,
    last: usize,
}

impl Outcome {
    /// The seconds within which so many of a hundred were told.
    fn percentile(&self, percent: usize) -> usize {
        let total: usize = self.waits.values().sum();
        let mut seen = 0;
        for (seconds, count) in &self.waits {
            seen += count;
            if seen * 100 >= total * percent {
                return *seconds;
            }
        }
        0
    }

    fn told(&mut self, since: usize, now: usize, count: usize) {
        *self.waits.entry((now - since) / STEPS_A_SECOND).or_default() += count;
        self.last = self.last.max(now);
    }
}

/// Orders of so many a second, on the average, of which an attempt takes so many units, into tables that take so many.
fn simulate(settings: &Settings, rate: f64, line_hangs: bool, units_of_an_attempt: f64, write_units: f64) -> Outcome {
    let hangs = |step: usize| line_hangs && HANG.contains(&step);
    let mut outcome = Outcome::default();
    // By the step at which something is to be done, since when each order waits; of those that are posted, how many.
    let mut posts: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    let mut due: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut waiting: VecDeque<usize> = VecDeque::new();
    let mut environments: Vec<Environment> = Vec::new();
    let mut pollers = vec![0_usize; settings.pollers];
    let (mut api, mut line, mut scaling, mut owed) = (settings.burst, LINE_RATE, decimal(EXECUTIONS), 0.0);
    let for_orders = EXECUTIONS - settings.reserved_for_others - settings.pollers;
    let (mut writes, mut writes_of_second) = (0.0, 0.0);
    let mut units = WriteUnits::of(write_units);
    for step in 0..END {
        api = (api + settings.rate * STEP).min(settings.burst);
        line = (line + LINE_RATE * STEP).min(LINE_RATE);
        scaling = (scaling + SCALING).min(decimal(EXECUTIONS));
        if step % STEPS_A_SECOND == 0 {
            writes_of_second = f64::max(writes_of_second, writes);
            writes = 0.0;
            units.refill();
        }
        if step < ARRIVING {
            owed += rate * STEP * if step % (60 * STEPS_A_SECOND) < BURST { 2.0 } else { 0.8 };
            let mut arrived = 0;
            while owed >= 1.0 {
                owed -= 1.0;
                arrived += 1;
            }
            outcome.orders += arrived;
            posts.entry(step).or_default().push((step, arrived));
        }
        // First pushes.
        let mut again = Vec::new();
        let mut posted: VecDeque<(usize, usize)> = posts.remove(&step).unwrap_or_default().into();
        while let Some((since, count)) = posted.pop_front() {
            if count == 0 {
                continue;
            }
            if api < 1.0 {
                outcome.answered_429 += count;
                again.push((since, count));
                continue;
            }
            api -= 1.0;
            posted.push_front((since, count - 1));
            let free = environments.iter().rposition(|environment| environment.busy_until <= step);
            let place = match free {
                Some(place) => place,
                None if environments.len() < for_orders && scaling >= 1.0 => {
                    scaling -= 1.0;
                    environments.push(Environment::default());
                    environments.len() - 1
                }
                None => {
                    outcome.answered_5xx += 1;
                    again.push((since, 1));
                    continue;
                }
            };
            let environment = &mut environments[place];
            if !units.take(units_of_an_attempt, BY_DAY_OF_A_PUSH) {
                environment.busy_until = step + SKIPPED;
                outcome.throttled += 1;
                outcome.answered_5xx += 1;
                again.push((since, 1));
                continue;
            }
            writes += units_of_an_attempt;
            let retry = due.entry(step + settings.retry_delay).or_default();
            if step < environment.open_until {
                environment.busy_until = step + SKIPPED;
                retry.push(since);
            } else if hangs(step) {
                environment.busy_until = step + TIMED_OUT;
                environment.time_outs += 1;
                if environment.time_outs >= TIME_OUTS {
                    environment.open_until = environment.busy_until + settings.pause;
                }
                retry.push(since);
            } else {
                *environment = Environment { busy_until: step + WELL, ..Environment::default() };
                if line >= 1.0 {
                    line -= 1.0;
                    outcome.told(since, step, 1);
                } else {
                    retry.push(since);
                }
            }
        }
        if !again.is_empty() {
            posts.entry(step + POSTS_AGAIN).or_default().extend(again);
        }
        // Retries, a batch each.
        waiting.extend(due.remove(&step).unwrap_or_default());
        for poller in &mut pollers {
            if *poller > step || waiting.is_empty() {
                continue;
            }
            let batch: Vec<_> = waiting.drain(..settings.batch.min(waiting.len())).collect();
            *poller = step + if hangs(step) { TIMED_OUT } else { WELL };
            for since in batch {
                if !units.take(units_of_an_attempt, BY_DAY_OF_A_RETRY) {
                    outcome.throttled += 1;
                    due.entry(step + settings.retry_delay).or_default().push(since);
                    continue;
                }
                writes += units_of_an_attempt;
                if !hangs(step) && line >= 1.0 {
                    line -= 1.0;
                    outcome.told(since, step, 1);
                } else {
                    due.entry(step + settings.retry_delay).or_default().push(since);
                }
            }
        }
        let busy = environments.iter().filter(|environment| environment.busy_until > step).count();
        outcome.peak_executions = outcome.peak_executions.max(busy);
        outcome.starved += usize::from(busy >= for_orders);
        if step > ARRIVING && posts.is_empty() && due.is_empty() && waiting.is_empty() {
            break;
        }
    }
    outcome.peak_writes = writes_of_second;
    outcome
}

/// The kinds of message and of table: their name in the page, the units of an attempt, the units of a table.
const KINDS: [(&str, f64, f64); 3] = [
    ("buttons, 0", UNITS_OF_BUTTONS, WRITE_UNITS),
    ("Flex, 0", UNITS_OF_FLEX, WRITE_UNITS),
    ("Flex, 12000", UNITS_OF_FLEX, WARM_WRITE_UNITS),
];

/// As the page writes a number.
fn written(number: usize) -> String {
    match u64::try_from(number).expect("64 bits") {
        number @ 100_000_000.. => format!("{} million", (number + 500_000) / 1_000_000),
        number => grouped(number),
    }
}

/// The rows of the page for so many orders a second: one for each kind, or one for all where only their units differ.
fn rows(rate: f64, line_hangs: bool, outcomes: &[Outcome; 3]) -> Vec<String> {
    let row = |kind: &str, outcome: &Outcome, writes: &str| {
        let counts = [outcome.answered_429, outcome.answered_5xx, outcome.throttled, outcome.peak_executions];
        let [answered_429, answered_5xx, throttled, executions] = counts.map(written);
        format!(
            "| {} | {} | {kind} | {answered_429} | {answered_5xx} | {throttled} | {executions} | {} s | {writes} | {} s, {} s |",
            written(whole(rate)),
            if line_hangs { "hangs" } else { "well" },
            written(outcome.starved / STEPS_A_SECOND),
            written(outcome.percentile(50)),
            written(outcome.percentile(99)),
        )
    };
    let writes = outcomes.each_ref().map(|outcome| written(whole(outcome.peak_writes)));
    let [buttons, ..] = outcomes;
    if outcomes.iter().all(|outcome| outcome.throttled == 0 && outcome.peak_executions < EXECUTIONS / 10) {
        return vec![row("any", buttons, &format!("{} to {}", writes[0], writes[2]))];
    }
    let kinds = KINDS.iter().zip(outcomes).zip(&writes);
    kinds.map(|(((kind, ..), outcome), writes)| row(kind, outcome, writes)).collect()
}

fn whole(number: f64) -> usize {
    format!("{number:.0}").parse().expect("not below zero")
}

#[test]
fn what_limits_how_many_orders_and_what_the_customer_sees() {
    const DEPLOY: &str = include_str!("../../../DEPLOY.md");
    let settings = Settings::of_the_template();
    let mut page = Vec::new();
    for rate in [1.0, 100.0, 500.0, 2_000.0] {
        for line_hangs in [false, true] {
            let outcomes =
                KINDS.map(|(_, units, write_units)| simulate(&settings, rate, line_hangs, units, write_units));
            page.extend(rows(rate, line_hangs, &outcomes));
            for ((kind, ..), outcome) in KINDS.iter().zip(&outcomes) {
                assert_eq!(outcome.waits.values().sum::<usize>(), outcome.orders, "every order is told in the end");
                if *kind != "Flex, 0" {
                    assert_eq!(outcome.throttled, 0, "{kind}, as DEPLOY.md says");
                }
                if !line_hangs && rate <= 500.0 && outcome.throttled == 0 {
                    assert_eq!((outcome.answered_5xx, outcome.starved), (0, 0), "{outcome:?}");
                    assert!(outcome.percentile(99) < 60, "{outcome:?}");
                }
                if rate <= 100.0 {
                    assert_eq!(outcome.answered_429, 0, "{outcome:?}");
                    assert!(outcome.percentile(99) < 600, "{outcome:?}");
                    // Until the breakers open, three time-outs each.
                    assert!(outcome.starved <= 30 * STEPS_A_SECOND, "{outcome:?}");
                }
            }
        }
    }
    println!("{}", page.join("\n"));
    let missing: Vec<_> = page.iter().filter(|row| !DEPLOY.contains(row.as_str())).map(String::as_str).collect();
    assert!(missing.is_empty(), "DEPLOY.md has not\n{}", missing.join("\n"));
}

/// Whatever comes, no more is written than the table and the partitions of its index take.
#[test]
fn dynamodb_turns_away_what_is_more_than_it_takes() {
    let accepted = |write_units: f64, table: f64, by_day: f64| {
        let mut units = WriteUnits::of(write_units);
        (0..20_000).filter(|_| units.take(table, by_day)).count()
    };
    assert_eq!(accepted(WRITE_UNITS, UNITS_OF_BUTTONS, BY_DAY_OF_A_PUSH), 1_000, "the table");
    // Of twelve partitions four have two of the sixteen keys.
    assert_eq!(accepted(WARM_WRITE_UNITS, 0.0, 1.0), 12_000, "the index");
    let mut units = WriteUnits::of(WARM_WRITE_UNITS);
    let first_refused = (0..).find(|_| !units.take(0.0, 1.0));
    assert_eq!(first_refused, Some(500 * KEYS_OF_A_DAY), "a partition with two keys");
}
