//! What must hold in every world, and what must be seen in some.

use shared::delivery::state::{Letter, OnSweep, Progress, Reason, State};
use stateright::Property;

use crate::{
    actions::{Action, How},
    model::Delivery,
    weather::Answer,
    world::{Message, Step, World},
};

macro_rules! laws {
    ($($(#[$doc:meta])* $law:ident: $name:literal,)+) => {
        /// What must hold.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Law {
            $($(#[$doc])* $law,)+
        }

        impl Law {
            pub const ALL: &[Self] = &[$(Self::$law),+];

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$law => $name,)+
                }
            }
        }

        fn laws() -> Vec<Property<Delivery>> {
            vec![$(Property::always($name, |model: &Delivery, world| !model.broken(world).has(Law::$law)),)+]
        }
    };
}

laws! {
    /// LINE accepts one message for the order, and one more for each forced resend.
    Once: "LINE accepts one message a permission",
    /// An order whose call was answered 2xx is settled, or exhausted with a letter, or will be rung for.
    NotLost: "no order is lost",
    /// `sent` only where LINE accepted; no doubt only where LINE certainly did not accept.
    RecordIsTrue: "the record is true",
    /// What a caller is told as final stands, and nothing else follows.
    CallerIsToldTheTruth: "the caller is told the truth",
    /// What an operator is told to be discarded is given up.
    DiscardedIsGivenUp: "what is discarded is given up",
    /// A round has its attempts, a delay apart, and none but these.
    RoundIsComplete: "a round has its attempts, a delay apart",
    /// Only an operator begins a round.
    RoundIsWanted: "only an operator begins a round",
    /// A redriven letter is attempted.
    RedriveIsHeard: "a redriven letter is attempted",
    /// An order has one letter.
    OneLetter: "an order has one letter",
    /// Every bell is deleted, or becomes a letter.
    BellsEnd: "every bell ends",
    /// The sweep rings once an hour at most.
    BellsAreBounded: "the sweep rings once an hour at most",
    /// No key is used before it is written.
    KeyIsWrittenFirst: "a key is written before it is used",
    /// Where the record is in doubt, a request may be with LINE.
    DoubtHasACause: "doubt has a cause",
    /// `attempt_count` counts no more than the requests to LINE.
    RequestsAreCounted: "requests are counted, and nothing else",
    /// The message loses its button once.
    ButtonIsLostOnce: "a message loses its button once",
    /// Once the customer is forgotten nothing is claimed any more, and the record says so for ever.
    ErasedStaysErased: "what is erased stays erased",
}

/// Laws that are broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Laws(u16);

impl Laws {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn has(self, law: Law) -> bool {
        self.0 & (1 << law as u16) != 0
    }

    /// The law is broken unless it holds.
    pub fn check(&mut self, law: Law, holds: bool) {
        self.0 |= u16::from(!holds) << law as u16;
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How LINE is when everything else goes well.
#[derive(Clone, Copy)]
enum Mood {
    Accepts,
    RefusesForNow,
}

impl Delivery {
    /// All that is broken in this world, or in the end if nothing goes wrong from here on.
    pub fn broken(&self, world: &World) -> Laws {
        *world.ending.0.get_or_init(|| {
            let broken = world.broken.and(self.broken_now(world));
            if broken.is_empty() {
                self.broken_in_the_end(world, Mood::RefusesForNow).and(self.broken_in_the_end(world, Mood::Accepts))
            } else {
                broken
            }
        })
    }

    fn broken_now(&self, world: &World) -> Laws {
        let mut laws = Laws::default();
        let witness = &world.witness;
        let letters = world.messages.iter().filter(|message| message.dead && message.letter).count();
        laws.check(Law::Once, witness.accepted <= 1 + witness.forced);
        laws.check(Law::NotLost, !witness.promised || world.record.is_some());
        laws.check(Law::RoundIsComplete, u32::from(witness.claims) <= self.pace.round);
        laws.check(Law::RoundIsWanted, witness.rounds <= witness.rounds_wanted);
        laws.check(Law::OneLetter, letters <= 1);
        laws.check(Law::ButtonIsLostOnce, witness.buttons_lost <= 1);
        let Some(progress) = world.progress() else { return laws };
        let (state, doubt) = (progress.state(), progress.customer_may_have_it());
        let accepted_here = witness.accepted_under & (1 << progress.generation()) != 0;
        laws.check(Law::ErasedStaysErased, witness.erased.is_none() || progress.is_erased());
        laws.check(Law::ErasedStaysErased, !progress.is_erased() || state.is_settled());
        laws.check(Law::RecordIsTrue, doubt || witness.accepted == 0);
        laws.check(Law::RecordIsTrue, state != State::Sent || accepted_here);
        laws.check(Law::RecordIsTrue, state != State::Expired || doubt);
        laws.check(Law::RequestsAreCounted, progress.attempt_count() <= witness.requests);
        laws.check(Law::RoundIsComplete, self.is_complete(world, progress));
        let foreign = progress.reason() == Some(Reason::RetryKeyConflict);
        let cause = witness.doubt_has_a_cause || witness.accepted > 0 || foreign || progress.generation() > 1;
        laws.check(Law::DoubtHasACause, !doubt || cause || !world.workers.is_empty());
        laws
    }

    fn is_complete(&self, world: &World, progress: &Progress) -> bool {
        !progress.is_exhausted() || u32::from(world.witness.claims) == self.pace.round
    }

    /// Lets every worker die, and then everything go well.
    fn broken_in_the_end(&self, world: &World, mood: Mood) -> Laws {
        let mut world = world.clone();
        world.workers.clear();
        world.line.late = None;
        world.left.faults = 0;
        world.left.sweeps = u8::MAX;
        let plenty_of_steps = 200;
        for _ in 0..plenty_of_steps {
            if let Some(worker) = world.workers.pop() {
                let how = self.well(&world, &worker.step, mood);
                self.step(&mut world, worker, how);
            } else if let Some(bell) = world.messages.iter().find(|message| rings(message, &world)).map(Message::ring) {
                self.act(&mut world, &Action::Ring { bell, skew: 0 });
            } else if self.swept(&world, world.now) != OnSweep::Leave {
                self.act(&mut world, &Action::Sweep { skew: 0 });
            } else if is_at_rest(&world) {
                break;
            } else {
                self.pass_time(&mut world);
            }
        }
        let mut laws = world.broken;
        laws.check(Law::BellsEnd, is_at_rest(&world));
        let Some(progress) = world.progress() else { return laws };
        let exhausted = progress.is_exhausted();
        laws.check(Law::RedriveIsHeard, !exhausted || !world.witness.redriven);
        let is_letter =
            |message: &Message| message.dead && progress.letter(&message.ring(), &self.pace) == Letter::Exhausted;
        let lost = progress.bell().is_some_and(|bell| world.witness.lost.contains(&bell));
        laws.check(Law::NotLost, !exhausted || lost || world.messages.iter().any(is_letter));
        laws.check(Law::RoundIsComplete, self.is_complete(&world, progress));
        laws
    }

    fn well(&self, world: &World, step: &Step, mood: Mood) -> How {
        match step {
            Step::Attempt(claimed) if self.line_knows(world, claimed.progress().generation()) => How::Known,
            Step::Attempt(_) => How::Line(match mood {
                Mood::Accepts => Answer::Accepts,
                Mood::RefusesForNow => Answer::RefusesForNow,
            }),
            _ => How::Well,
        }
    }
}

/// The laws, and what is to be seen somewhere.
pub fn properties() -> Vec<Property<Delivery>> {
    type Seen = fn(&Delivery, &World) -> bool;
    let sights: [(&str, Seen); 19] = [
        ("sent", |_, world| is(world, State::Sent, None)),
        ("sent without its button", |_, world| is(world, State::Sent, None) && world.witness.buttons_lost > 0),
        ("sent over another worker's outcome", |_, world| world.witness.overwritten),
        ("sent twice, by force", |_, world| world.witness.accepted == 2),
        ("redriven, and sent", |_, world| is(world, State::Sent, None) && world.witness.rounds > 0),
        ("rung for by the sweep, and sent", |_, world| {
            is(world, State::Sent, None) && world.witness.swept_at.is_some()
        }),
        ("begun anew, and sent", |_, world| is(world, State::Sent, None) && world.witness.begun_anew),
        ("begun anew, and postponed", |_, world| {
            is(world, State::Pending, None)
                && world.witness.begun_anew
                && world.progress().is_some_and(|progress| progress.round_attempts() == 0)
        }),
        ("postponed", |_, world| {
            is(world, State::Pending, None) && world.witness.promised && world.witness.claims == 0
        }),
        ("suppressed", |_, world| is(world, State::Suppressed, Some(Reason::SwitchedOff))),
        ("suppressed, in doubt", |_, world| {
            is(world, State::Suppressed, Some(Reason::SwitchedOff))
                && world.progress().is_some_and(Progress::customer_may_have_it)
        }),
        ("refused", |_, world| is(world, State::Failed, Some(Reason::RefusedByLine))),
        ("a key that somebody else used", |_, world| is(world, State::Failed, Some(Reason::RetryKeyConflict))),
        ("a new key without doubt", |_, world| {
            let witness = &world.witness;
            let new = world.progress().is_some_and(|progress| progress.generation() == 2);
            new && witness.buttons_lost == 0 && !witness.begun_anew
        }),
        ("exhausted, with its letter", |_, world| {
            let exhausted = world.progress().is_some_and(Progress::is_exhausted);
            exhausted && world.messages.iter().any(|message| message.letter)
        }),
        ("expired", |_, world| is(world, State::Expired, Some(Reason::RetryKeyExpired))),
        ("erased while it was open", |_, world| {
            is(world, State::Failed, Some(Reason::Discarded)) && world.witness.erased == Some(true)
        }),
        ("erased, and sent all the same", |_, world| {
            is(world, State::Sent, None) && world.witness.erased == Some(true)
        }),
        ("given up by the sweep", |_, world| is(world, State::Failed, Some(Reason::Unattended))),
    ];
    let mut properties = laws();
    properties.extend(sights.map(|(name, seen)| Property::sometimes(name, seen)));
    properties
}

fn rings(message: &Message, world: &World) -> bool {
    !message.dead && message.visible_at <= world.now
}

/// Whether nothing is left to happen by itself, but for the end of a letter's days.
fn is_at_rest(world: &World) -> bool {
    let open = world.progress().is_some_and(Progress::is_open);
    !open && world.workers.is_empty() && world.messages.iter().all(|message| message.dead)
}

fn is(world: &World, state: State, reason: Option<Reason>) -> bool {
    world.progress().is_some_and(|progress| (progress.state(), progress.reason()) == (state, reason))
}
