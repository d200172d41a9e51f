//! How much the stack takes, by arithmetic: orders in bursts, API Gateway's and LINE's token buckets, Lambda's
//! environments and their scaling rate, the retry queue and its pollers, DynamoDB's write units. The settings are the
//! template's; `cargo test --test stories scale -- --nocapture` prints the table that DEPLOY.md has.
//!
//! What AWS and LINE document is taken as it is documented; how long LINE takes, and how an order system repeats, is
//! assumed. No stack has been measured under such a load.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

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
/// What an on-demand table takes at first in a second (DynamoDB: "On-demand capacity mode"), of one unit each.
const WRITE_UNITS: f64 = 4_000.0;
/// What an order writes to the table itself: its record at first, its claim and its end; a skipped or failed attempt
/// writes once more. Of the indexes each takes less.
const WRITES_OF_AN_ATTEMPT: f64 = 4.0;

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

/// Orders of so many a second, on the average.
fn simulate(settings: &Settings, rate: f64, line_hangs: bool) -> Outcome {
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
    for step in 0..END {
        api = (api + settings.rate * STEP).min(settings.burst);
        line = (line + LINE_RATE * STEP).min(LINE_RATE);
        scaling = (scaling + SCALING).min(decimal(EXECUTIONS));
        if step % STEPS_A_SECOND == 0 {
            writes_of_second = f64::max(writes_of_second, writes);
            writes = 0.0;
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
            writes += WRITES_OF_AN_ATTEMPT;
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
            writes += WRITES_OF_AN_ATTEMPT * decimal(batch.len());
            for since in batch {
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

#[test]
fn what_limits_how_many_orders_and_what_the_customer_sees() {
    let settings = Settings::of_the_template();
    println!(
        "| orders a second | LINE | 429 | 5xx | executions | nothing left for others | writes a second | told within (median, 99 %) | all told after |"
    );
    println!("| --: | --- | --: | --: | --: | --: | --: | --: | --: |");
    for rate in [1.0, 100.0, 500.0, 2_000.0] {
        for line_hangs in [false, true] {
            let outcome = simulate(&settings, rate, line_hangs);
            let told: usize = outcome.waits.values().sum();
            println!(
                "| {rate} | {} | {} | {} | {} | {} s | {:.0} | {} s, {} s | {} s |",
                if line_hangs { "hangs for 5 min" } else { "well" },
                outcome.answered_429,
                outcome.answered_5xx,
                outcome.peak_executions,
                outcome.starved / STEPS_A_SECOND,
                outcome.peak_writes,
                outcome.percentile(50),
                outcome.percentile(99),
                outcome.last / STEPS_A_SECOND,
            );
            assert_eq!(told, outcome.orders, "every order is told in the end");
            if !line_hangs && rate <= 500.0 {
                assert_eq!((outcome.answered_5xx, outcome.starved), (0, 0), "{outcome:?}");
                assert!(outcome.percentile(99) < 60, "{outcome:?}");
            }
            if rate <= 100.0 {
                assert_eq!(outcome.answered_429, 0, "{outcome:?}");
                assert!(outcome.peak_writes < WRITE_UNITS && outcome.percentile(99) < 600, "{outcome:?}");
                // Until the breakers open, three time-outs each.
                assert!(outcome.starved <= 30 * STEPS_A_SECOND, "{outcome:?}");
            }
        }
    }
}
