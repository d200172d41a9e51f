//! The model: a weather, and the rule that is broken in it, if one is.

use std::time::Duration as Interval;

use shared::delivery::{
    pace::Pace,
    retry_key::{KeySpace, RetryKeys},
};
use stateright::{Model, Property};
use time::Duration;

use crate::{
    actions::Action,
    laws,
    rules::Rule,
    weather::Weather,
    world::{Memory, World},
};

// The seconds of this world: as few as keep their order.
pub const DELAY: i64 = 6;
/// The clocks are less than this apart.
const EARLY: i64 = 1;
const MOVED: i64 = 2;
pub const RING_AGAIN: i64 = 15;
const KEY_LIFE: i64 = 24;
/// LINE forgets a key a little later than it is relied on.
pub const LINE_REMEMBERS: i64 = 27;
pub const PATIENCE: i64 = 56;
/// SQS deletes a message that is older.
pub const RETENTION: i64 = 60;
const EVER: i64 = 100_000;

/// The delivery of one order.
#[derive(Debug)]
pub struct Delivery {
    pub weather: Weather,
    pub broken_rule: Option<Rule>,
    pub pace: Pace,
    pub memory: Memory,
    space: KeySpace,
}

impl Delivery {
    pub fn new(weather: Weather, broken_rule: Option<Rule>) -> Self {
        let interval = |seconds: i64| Interval::from_secs(seconds.unsigned_abs());
        let ends = |seconds, rule| interval(if weather.days && broken_rule != Some(rule) { seconds } else { EVER });
        let pace = Pace {
            retry_delay: interval(DELAY),
            round: 2,
            call: interval(1),
            attempt: interval(1),
            early: interval(EARLY),
            moved: interval(MOVED),
            ring_again: interval(RING_AGAIN),
            key_life: ends(KEY_LIFE, Rule::KeysEnd),
            patience: ends(PATIENCE, Rule::PatienceEnds),
        };
        let matters = |seconds: i64| Duration::seconds(seconds + 2 * EARLY);
        let of_days = |seconds| if weather.days { matters(seconds) } else { Duration::ZERO };
        let memory = Memory {
            claim: matters(DELAY),
            due: matters(2 * DELAY),
            sweep: matters(RING_AGAIN),
            key: of_days(KEY_LIFE),
            line: of_days(LINE_REMEMBERS),
            round: of_days(PATIENCE),
            ever: Duration::seconds(EVER),
        };
        let text = |text: &str| text.to_owned();
        let space = KeySpace { account: text("1"), region: text("r"), stack: text("s"), environment: text("e") };
        Self { weather, broken_rule, pace, memory, space }
    }

    pub fn is_broken(&self, rule: Rule) -> bool {
        self.broken_rule == Some(rule)
    }

    pub fn keys(&self) -> RetryKeys<'_> {
        self.space.keys("A", "finish")
    }

    /// Whether LINE remembers that it accepted a request under the key of this generation.
    pub fn line_knows(&self, world: &World, generation: u32) -> bool {
        world
            .line
            .keys
            .get(&generation)
            .is_some_and(|key| key.accepted && !self.line_forgot(world, key.first_request_at))
    }

    pub fn line_forgot(&self, world: &World, first_request_at: time::OffsetDateTime) -> bool {
        self.weather.days && world.now >= first_request_at + Duration::seconds(LINE_REMEMBERS)
    }

    /// How far any two clocks are apart.
    pub fn clocks_differ(&self) -> Duration {
        let (skews, line) = (self.weather.skews, [0]);
        let all = || skews.iter().chain(&line).copied();
        Duration::seconds(all().max().unwrap_or(0) - all().min().unwrap_or(0))
    }
}

impl Model for Delivery {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.weather.left)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // Where a law is broken nothing more is to be found.
        if self.broken(world).is_empty() {
            self.possible(world, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = World { ending: Default::default(), ..world.clone() };
        self.act(&mut next, &action);
        next.set_back(&self.memory);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        laws::properties()
    }
}
