//! The rules of the delivery, each of which the model can break: it puts back what was done before, or what one might
//! do instead, around the very functions that run. A broken rule that no property notices is a hole in the model.

use serde_json::{Value, json};
use shared::delivery::{
    bell::{Bell, BellName, Ring},
    state::{
        Fate, OnBell, OnCall, OnSweep, Progress, Reason, State,
        claim::{Claim, Claimed},
    },
};
use time::OffsetDateTime;

use crate::{
    model::Delivery,
    world::{Who, Worker, World, patched, time_json},
};

/// A rule, and in its comment what is done where it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A bell is known by SQS's id, which a move changes.
    BellsHaveNames,
    /// A bell that comes soon after the last attempt is dropped as a copy.
    CopiesAreNotGuessed,
    /// Of two copies of one message both are the record's bell.
    CopiesAreKnownByTheirTime,
    /// A bell of any name is the record's bell.
    SurplusBellsAreDeleted,
    /// The bell of an exhausted record is deleted.
    ExhaustedBellsBecomeLetters,
    /// The bell of a record with no attempts left stays, and nothing says that it is exhausted.
    ExhaustionIsSaid,
    /// The last receive that SQS allows is the last attempt.
    ReceivesAreNotAttempts,
    /// An attempt is spent by its outcome.
    ClaimsSpendAttempts,
    /// A push that was skipped spends an attempt.
    SkippedPushesSpendNothing,
    /// A repeated call attempts at once.
    WhatIsNotDueIsLeftAlone,
    /// A claim is written over anything.
    ClaimsAreConditional,
    /// An outcome is written over anything.
    OutcomesAreConditional,
    /// `sent` gives way to whatever stands.
    SentIsWrittenOverAnything,
    /// Whatever came of the attempt is told.
    OnlyWhatIsWrittenIsTold,
    /// The call is answered although nobody knows whether its record stands.
    OnlyWhatIsDurableIsPromised,
    /// There is no sweep.
    TheSweepRings,
    /// The sweep sends its bell without writing.
    TheSweepNamesItsBell,
    /// The sweep rings whenever a record is overdue.
    TheSweepRingsOnceAnHour,
    /// The sweep rings for exhausted records.
    TheSweepLeavesLetters,
    /// Letters wait until SQS deletes them.
    PatienceEnds,
    /// A letter is discarded although its order is open.
    OnlyWhatIsGivenUpIsDiscarded,
    /// Any bell of an exhausted record begins a round.
    OnlyMovedBellsBeginRounds,
    /// A bell that was once moved begins a round whenever it is heard.
    OneMoveIsOneRound,
    /// A moved bell begins a round even if an attempt was made since.
    RoundsBeginAfterTheLastAttempt,
    /// No bell begins a round.
    RedrivesBeginRounds,
    /// A repeated call begins a round.
    CallsBeginNoRounds,
    /// The doubt is written with the outcome.
    ClaimsBringDoubt,
    /// A refusal takes all doubt back.
    DoubtStays,
    /// A request without a connection is in doubt.
    UnsentIsNoDoubt,
    /// Attempts are counted, whether LINE was asked or not.
    RequestsAreCounted,
    /// 409 means sent.
    UnusedKeysConflict,
    /// A key is used as long as it takes.
    KeysEnd,
    /// An old key in doubt is replaced.
    DoubtExpires,
    /// The message goes out without its button although an earlier one may have been accepted.
    DoubtKeepsTheButton,
    /// The message goes out without its button as often as LINE blames it.
    TheButtonIsLostOnce,
    /// The new key is asked for first, and written with the outcome.
    KeysAreWrittenFirst,
    /// A resend needs no force.
    DoubtNeedsForce,
    /// Another content is taken although LINE may have the former.
    DoubtIsNotReplaced,
    /// What was erased is sent again.
    NothingErasedIsSentAgain,
    /// Another content is taken for what was erased.
    NothingErasedIsReplaced,
    /// `sent` is written over an erased record as if it was not erased.
    FactsKeepAnErasure,
}

/// What the model does with the transitions: everything as it is elsewhere, but for the rule that is broken.
impl Delivery {
    pub fn rung(&self, world: &World, progress: &Progress, bell: &Ring, now: OffsetDateTime) -> OnBell {
        let (pace, keys) = (&self.pace, self.keys());
        let on_bell = progress.rung(bell, now, pace, keys);
        let Some(rule) = self.broken_rule else { return on_bell };
        let message = world.messages.iter().find(|message| message.is(bell));
        let moved = message.is_some_and(|message| message.moved);
        let exhausted = progress.is_exhausted();
        let last_attempt_at = progress.last_attempt_at().unwrap_or(now);
        let own = progress.bell() == bell.name();
        let named = |name, sent_at, enqueued_at| Ring { bell: Some(Bell { name, sent_at }), enqueued_at };
        let heard = |ring: Ring| progress.rung(&ring, now, pace, keys);
        let heard_as = |name: &str, value: Value| {
            let patched = patched(progress, |json| {
                json.insert(name.to_owned(), value);
            });
            patched.rung(bell, now, pace, keys)
        };
        match (rule, on_bell) {
            (Rule::BellsHaveNames, _) if moved => {
                heard(named(BellName::new([99; 16]), bell.enqueued_at, bell.enqueued_at))
            }
            (Rule::CopiesAreNotGuessed, _)
                if exhausted && moved && now < last_attempt_at + pace.retry_delay * 3 / 2 =>
            {
                OnBell::Fate(Fate::Delete)
            }
            (Rule::CopiesAreKnownByTheirTime, _) if own => heard_as("bell_enqueued_at", time_json(bell.enqueued_at)),
            (Rule::RoundsBeginAfterTheLastAttempt, OnBell::Fate(Fate::Delete))
                if exhausted && own && progress.bell_enqueued_at() < Some(bell.enqueued_at) && moved =>
            {
                heard_as("last_attempt_at", time_json(bell.enqueued_at))
            }
            (Rule::SurplusBellsAreDeleted, on_bell) if !own => {
                let enqueued_at = progress.bell_enqueued_at().unwrap_or(bell.enqueued_at);
                progress.bell().map_or(on_bell, |name| heard(named(name, enqueued_at, enqueued_at)))
            }
            (Rule::ExhaustionIsSaid, OnBell::Write(next)) if next.is_exhausted() => {
                OnBell::Fate(Fate::Stay { until: now + pace.retry_delay })
            }
            (Rule::OnlyMovedBellsBeginRounds, OnBell::Fate(Fate::Burn)) => {
                heard(Ring { enqueued_at: now + pace.moved * 2, ..*bell })
            }
            (Rule::OneMoveIsOneRound, OnBell::Fate(Fate::Burn)) if bell.may_have_been_moved(pace) => {
                let forgetful = patched(progress, |json| {
                    json.remove("bell_enqueued_at");
                    json.remove("last_attempt_at");
                });
                forgetful.rung(bell, now, pace, keys)
            }
            (Rule::RedrivesBeginRounds, OnBell::Claim(_)) if exhausted => OnBell::Fate(Fate::Burn),
            (Rule::DoubtExpires, OnBell::Write(next)) if next.state() == State::Expired => {
                heard_as("may_have_reached_line", json!(false))
            }
            (_, on_bell) => on_bell,
        }
    }

    pub fn called_again(&self, progress: &Progress, bell: Option<Bell>, now: OffsetDateTime) -> OnCall {
        let due_now = |progress: &Progress| {
            patched(progress, |json| {
                json.insert("due_at".to_owned(), time_json(now));
            })
        };
        let progress = match self.broken_rule {
            Some(Rule::WhatIsNotDueIsLeftAlone) if progress.is_open() => due_now(progress),
            Some(Rule::CallsBeginNoRounds) if progress.is_exhausted() => patched(&due_now(progress), |json| {
                json.remove("reason");
                json.insert("round_attempts".to_owned(), json!(0));
            }),
            _ => *progress,
        };
        progress.called_again(bell, now, &self.pace, self.keys())
    }

    pub fn swept(&self, world: &World, now: OffsetDateTime) -> OnSweep {
        let Some(progress) = world.progress() else { return OnSweep::Leave };
        let bell = BellName::new([world.bells + 1; 16]);
        let on_sweep = progress.swept(bell, now, &self.pace);
        match (self.broken_rule, on_sweep) {
            (Some(Rule::TheSweepRings), OnSweep::Ring(_)) => OnSweep::Leave,
            (Some(Rule::TheSweepRingsOnceAnHour), _) => {
                let forgetful = patched(progress, |json| {
                    json.remove("rung_at");
                });
                forgetful.swept(bell, now, &self.pace)
            }
            (Some(Rule::TheSweepLeavesLetters), OnSweep::Leave) if progress.is_exhausted() => {
                let overdue = progress.last_attempt_at().is_some_and(|at| now > at + self.pace.retry_delay * 3);
                let rung = patched(progress, |json| {
                    json.insert("bell".to_owned(), json!(bell));
                    json.remove("bell_enqueued_at");
                });
                if overdue { OnSweep::Ring(rung) } else { OnSweep::Leave }
            }
            _ => on_sweep,
        }
    }

    pub fn without_button(&self, claimed: &Claimed, now: OffsetDateTime) -> Option<Claim> {
        let lost = claimed.progress().without_button();
        let again = match self.broken_rule {
            Some(Rule::DoubtKeepsTheButton) => !lost,
            Some(Rule::TheButtonIsLostOnce) => lost,
            _ => false,
        };
        let claim = claimed.without_button(now, self.keys());
        if claim.is_some() || !again {
            return claim;
        }
        // No transition gives this: it takes another claim of a record without doubt.
        let certain = patched(claimed.progress(), |json| {
            json.insert("may_have_reached_line".to_owned(), json!(false));
            json.insert("without_button".to_owned(), json!(false));
            json.insert("round_attempts".to_owned(), json!(claimed.progress().round_attempts() - 1));
            json.insert("due_at".to_owned(), time_json(now));
        });
        let bell = Bell { name: certain.bell()?, sent_at: now };
        let OnCall::Claim(claim) = certain.called_again(Some(bell), now, &self.pace, self.keys()) else { return None };
        let mut claimed = claim.won();
        claimed.ask(self.keys());
        claimed.refused();
        claimed.without_button(now, self.keys())
    }

    pub fn unsent(&self, claimed: &mut Claimed) {
        if self.is_broken(Rule::UnsentIsNoDoubt) {
            claimed.unanswered();
        } else {
            claimed.unsent();
        }
    }

    pub fn postponed(&self, bell: Bell, now: OffsetDateTime) -> Progress {
        let progress = Progress::postponed(bell, now, &self.pace);
        if !self.is_broken(Rule::SkippedPushesSpendNothing) {
            return progress;
        }
        patched(&progress, |json| {
            json.insert("round_attempts".to_owned(), json!(1));
        })
    }

    /// What is written with a claim.
    pub fn claimed(&self, next: &Progress) -> Progress {
        match self.broken_rule {
            Some(Rule::ClaimsBringDoubt) => self.without_doubt(Rule::ClaimsBringDoubt, next),
            Some(Rule::ClaimsSpendAttempts) => patched(next, |json| {
                json.insert("round_attempts".to_owned(), json!(next.round_attempts() - 1));
            }),
            _ => *next,
        }
    }

    /// What is written with an outcome.
    pub fn ended(&self, world: &World, worker: &Worker, next: &Progress) -> Progress {
        match self.broken_rule {
            Some(Rule::DoubtStays) if next.state() != State::Sent => self.without_doubt(Rule::DoubtStays, next),
            Some(Rule::RequestsAreCounted) => patched(next, |json| {
                json.insert("attempt_count".to_owned(), json!(next.round_attempts()));
            }),
            Some(Rule::ReceivesAreNotAttempts) if next.is_open() => {
                let Who::Bell { ring } = worker.who else { return *next };
                let message = world.messages.iter().find(|message| message.is(&ring));
                let receives = message.map_or(0, |message| u32::from(message.receives));
                if receives + 1 < self.pace.round {
                    return *next;
                }
                patched(next, |json| {
                    json.insert("state".to_owned(), json!(State::Retrying));
                    json.insert("reason".to_owned(), json!(Reason::RetriesExhausted));
                    json.remove("due_at");
                })
            }
            _ => *next,
        }
    }

    pub fn fate(&self, fate: Fate) -> Fate {
        match fate {
            Fate::Burn if self.is_broken(Rule::ExhaustedBellsBecomeLetters) => Fate::Delete,
            fate => fate,
        }
    }

    /// The record, as if nobody had been forgotten; where this rule is broken.
    pub fn unerased(&self, rule: Rule, progress: &Progress) -> Progress {
        if !self.is_broken(rule) {
            return *progress;
        }
        patched(progress, |json| {
            json.remove("erased_at");
        })
    }

    /// The record, as if LINE had certainly refused everything; where this rule is broken.
    pub fn without_doubt(&self, rule: Rule, progress: &Progress) -> Progress {
        if !self.is_broken(rule) {
            return *progress;
        }
        patched(progress, |json| {
            json.insert("may_have_reached_line".to_owned(), json!(false));
            json.insert("may_have_reached_line_before".to_owned(), json!(false));
        })
    }
}
