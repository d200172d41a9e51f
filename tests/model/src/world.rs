//! The world that the model explores: one order, and all that has to do with it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    hash::{Hash, Hasher},
    sync::OnceLock,
};

use serde_json::{Map, Value};
use shared::delivery::{
    bell::{Bell, BellName, Ring},
    state::{
        Fate, Progress,
        claim::{Claim, Claimed, Outcome},
    },
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339, macros::datetime};

use crate::{laws::Laws, weather::Left};

/// When a world begins, and what its clock is set back to whenever nobody is at work.
pub const START: OffsetDateTime = datetime!(2026-09-01 00:00:00 UTC);

/// One order's world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// SQS's clock, and LINE's.
    pub now: OffsetDateTime,
    pub record: Option<Record>,
    /// The messages of the retry queue and of its dead-letter queue.
    pub messages: Vec<Message>,
    pub workers: Vec<Worker>,
    pub line: Line,
    pub witness: Witness,
    pub left: Left,
    /// How many bells were made: their names.
    pub bells: u8,
    /// What was broken on the way here.
    pub broken: Laws,
    pub ending: Ending,
}

/// The item of the deliveries' table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    pub progress: Progress,
    pub revision: u32,
    pub content: u8,
}

/// A message of the retry queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub bell: Bell,
    pub enqueued_at: OffsetDateTime,
    pub content: u8,
    /// Until then somebody has it, or it is delayed.
    pub visible_at: OffsetDateTime,
    /// It is in the dead-letter queue.
    pub dead: bool,
    /// It came there because its order was exhausted, in the present round.
    pub letter: bool,
    /// Only for the rules of old: they knew a message by SQS's id, which a move changes, and counted receives.
    pub moved: bool,
    pub receives: u8,
}

impl Message {
    pub fn ring(&self) -> Ring {
        Ring { bell: Some(self.bell), enqueued_at: self.enqueued_at }
    }

    pub fn is(&self, ring: &Ring) -> bool {
        self.ring() == *ring
    }
}

/// Somebody at work, between two calls to AWS or LINE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Worker {
    pub who: Who,
    pub step: Step,
    /// How far its clock is from SQS's.
    pub skew: Duration,
    /// The revision that it read; none where there was no record.
    pub revision: Option<u32>,
    /// It has asked LINE in this attempt.
    pub asked: bool,
}

/// Who that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    Call { bell: Bell, content: u8 },
    Bell { ring: Ring },
    Sweep,
    Resend { force: bool },
    Recovery { force: bool },
    Discard { ring: Ring },
    Erase,
}

/// What it is about to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A call writes its new record and sends its bell, at the same time.
    MakeDurable { new: New, put: Option<Put>, sent: Option<bool> },
    /// Write a claim.
    Claim(Claim),
    /// Write the claim of a new key, within an attempt.
    NewKey(Claim),
    /// Write something that is no claim.
    Write(Progress, Then),
    /// Ask LINE, or whatever forbids it.
    Attempt(Claimed),
    /// Write an outcome.
    Outcome(Outcome),
    /// Send a bell, then do this.
    Send(Bell, Option<Claim>),
    /// Delete a bell, hide it, or have SQS move it.
    Fate(Fate),
    /// Delete a dead letter.
    Delete,
}

/// The record that a call would make.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum New {
    Claimed(Claim),
    Postponed(Progress),
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Put {
    New,
    Exists(Record),
    /// Nobody knows.
    Unknown,
}

/// What follows a write that is no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    Fate,
    Send(Bell),
    Tell,
    Delete,
    End,
}

/// LINE, as far as this order goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line {
    /// The retry keys that it remembers, by generation.
    pub keys: BTreeMap<u32, Key>,
    /// The generation of a request that its worker has given up, and that is still on its way.
    pub late: Option<u32>,
}

/// A retry key that LINE remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub first_request_at: OffsetDateTime,
    pub accepted: bool,
}

/// What nobody in the world knows, but the laws ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Witness {
    /// How often LINE accepted a message to this customer, and under which generations: a bit for each.
    pub accepted: u8,
    pub accepted_under: u32,
    /// How many resends were forced: each may be accepted once more.
    pub forced: u8,
    /// A call was answered 2xx.
    pub promised: bool,
    /// A caller was told that nothing was sent and nothing will be, and whether LINE may have it all the same.
    pub told_final: Option<bool>,
    /// An operator sent it again, or it was posted with other content. Who read the record before tells what was.
    pub begun_anew: bool,
    /// How many rounds began, besides the first, and how many were to.
    pub rounds: u8,
    pub rounds_wanted: u8,
    /// The claims of the present round, and when the latest of them was made, by its worker's clock.
    pub claims: u8,
    pub claimed_at: Option<OffsetDateTime>,
    pub requests: u32,
    /// How often the message lost its button, in this generation and those before it since it was last made anew.
    pub buttons_lost: u8,
    /// A request of the present generation may be with LINE, or its worker is dead.
    pub doubt_has_a_cause: bool,
    /// When the sweep rang last.
    pub swept_at: Option<OffsetDateTime>,
    /// The letter was redriven, and nothing was attempted since.
    pub redriven: bool,
    /// The bells that SQS lost: they become no letters.
    pub lost: Vec<BellName>,
    /// `sent` was written over another worker's outcome.
    pub overwritten: bool,
    /// The customer was forgotten, and whether the order was open then.
    pub erased: Option<bool>,
}

impl World {
    /// Nothing has happened.
    pub fn new(left: Left) -> Self {
        Self {
            now: START,
            record: None,
            messages: Vec::new(),
            workers: Vec::new(),
            line: Line::default(),
            witness: Witness::default(),
            left,
            bells: 0,
            broken: Laws::default(),
            ending: Ending::default(),
        }
    }

    pub fn progress(&self) -> Option<&Progress> {
        self.record.as_ref().map(|record| &record.progress)
    }

    pub fn revision(&self) -> Option<u32> {
        self.record.as_ref().map(|record| record.revision)
    }

    pub fn message(&mut self, ring: &Ring) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.is(ring))
    }

    /// A bell with a new name: what is random elsewhere.
    pub fn new_bell(&mut self, sent_at: OffsetDateTime) -> Bell {
        self.bells += 1;
        Bell { name: BellName::new([self.bells; 16]), sent_at }
    }

    /// Where nobody is at work, only how long ago something was matters, and only as long as something may come of it:
    /// the clock is set back to the start. So worlds that differ in nothing but the date are one.
    pub fn set_back(&mut self, memory: &Memory) {
        self.messages.sort_by_key(|message| (message.dead, message.visible_at, message.enqueued_at));
        if !self.workers.is_empty() {
            return;
        }
        let by = START - self.now;
        let back = |time: &mut OffsetDateTime, memory: Duration| *time = (*time + by).max(START - memory);
        self.now = START;
        if let Some(record) = &mut self.record {
            record.progress = memory.set_back(&record.progress, by);
            record.revision = 0;
        }
        for message in &mut self.messages {
            back(&mut message.bell.sent_at, memory.ever);
            back(&mut message.enqueued_at, memory.ever);
            back(&mut message.visible_at, Duration::ZERO);
        }
        if let (Some(record), None) = (&self.record, self.line.late) {
            let generation = record.progress.generation();
            self.line.keys.retain(|known, _| *known == generation);
        }
        for key in self.line.keys.values_mut() {
            back(&mut key.first_request_at, memory.line);
        }
        self.witness.claimed_at.iter_mut().for_each(|at| back(at, memory.claim));
        self.witness.swept_at.iter_mut().for_each(|at| back(at, memory.sweep));
    }
}

/// For how long it matters when something was.
#[derive(Debug)]
pub struct Memory {
    pub claim: Duration,
    pub due: Duration,
    pub sweep: Duration,
    pub key: Duration,
    pub line: Duration,
    pub round: Duration,
    pub ever: Duration,
}

impl Memory {
    /// The same progress, at another time.
    fn set_back(&self, progress: &Progress, by: Duration) -> Progress {
        thread_local! {
            static KNOWN: RefCell<HashMap<(Progress, Duration), Progress>> = RefCell::default();
        }
        KNOWN.with_borrow_mut(|known| *known.entry((*progress, by)).or_insert_with(|| self.set_back_now(progress, by)))
    }

    fn set_back_now(&self, progress: &Progress, by: Duration) -> Progress {
        patched(progress, |json| {
            for (name, value) in json.iter_mut() {
                let Some(time) = value.as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok()) else {
                    continue;
                };
                let memory = match name.as_str() {
                    _ if progress.state().is_settled() => Duration::ZERO,
                    "created_at" => Duration::ZERO,
                    "due_at" => self.due,
                    "rung_at" => self.sweep,
                    "key_first_used_at" => self.key,
                    "waiting_since" => self.round,
                    _ => self.ever,
                };
                *value = time_json((time + by).max(START - memory));
            }
        })
    }
}

/// A progress that no transition gave.
pub fn patched(progress: &Progress, patch: impl FnOnce(&mut Map<String, Value>)) -> Progress {
    let mut json = serde_json::to_value(progress).expect("it is kept as JSON");
    patch(json.as_object_mut().expect("an object"));
    serde_json::from_value(json).expect("it is read from JSON")
}

pub fn time_json(time: OffsetDateTime) -> Value {
    Value::String(time.format(&Rfc3339).expect("a year of four digits"))
}

/// What is broken in the end, if all goes well from here on: found out once, and no part of the world.
#[derive(Clone, Debug, Default)]
pub struct Ending(pub OnceLock<Laws>);

impl PartialEq for Ending {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Ending {}

impl Hash for Ending {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
