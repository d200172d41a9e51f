//! What comes of it: each step is one call to AWS or LINE, and what the worker makes of the answer.

use shared::delivery::{
    bell::{Bell, Ring},
    state::{
        Fate, Letter, OnBell, OnCall, OnDiscard, OnSweep, Progress, Reason, Report, State,
        claim::{Claim, Claimed, End, Outcome},
    },
};
use time::{Duration, OffsetDateTime};

use crate::{
    actions::{Action, How},
    laws::Law,
    model::{DELAY, Delivery, RETENTION, RING_AGAIN},
    rules::Rule,
    weather::Answer,
    world::{Key, Message, New, Put, Record, Step, Then, Who, Worker, World},
};

/// What came of a write.
enum Written {
    /// It took effect, and its writer knows.
    Known,
    /// Its writer does not know whether it took effect.
    Unknown,
    /// Somebody else has written since.
    Lost,
}

impl Delivery {
    /// Lets it happen.
    pub fn act(&self, world: &mut World, action: &Action) {
        match *action {
            Action::Call { content, skew, postponed } => self.call(world, content, Duration::seconds(skew), postponed),
            Action::Ring { bell, skew } => {
                self.take(world, &bell);
                self.hear(world, bell, Duration::seconds(skew));
            }
            Action::Sweep { skew } => self.sweep(world, Duration::seconds(skew)),
            Action::Resend { force, skew } => self.resend(world, force, Duration::seconds(skew)),
            Action::Recover { force, skew } => self.recover(world, force, Duration::seconds(skew)),
            Action::Discard { letter, skew } => self.discard(world, letter, Duration::seconds(skew)),
            Action::Erase { skew } => self.erase(world, Duration::seconds(skew)),
            Action::Redrive { letter, delayed } => self.redrive(world, &letter, delayed),
            Action::Step { worker, how } => {
                let worker = world.workers.remove(worker);
                self.step(world, worker, how);
            }
            Action::SendBell { worker, how } => {
                world.left.faults -= u8::from(how.is_fault());
                let worker = world.workers.remove(worker);
                let Step::MakeDurable { new, put, .. } = worker.step.clone() else { return };
                let Who::Call { bell, content } = worker.who else { return };
                let sent = Some(send(world, bell, content, how));
                self.durable(world, Worker { step: Step::MakeDurable { new, put, sent }, ..worker });
            }
            Action::Crash { worker } => {
                world.left.faults -= 1;
                world.workers.remove(worker);
                world.witness.doubt_has_a_cause = true;
            }
            Action::Lose { bell } => {
                world.left.faults -= 1;
                world.messages.retain(|message| !message.is(&bell));
                world.witness.redriven = false;
                world.witness.lost.extend(bell.name());
            }
            Action::Net { bell } => {
                world.left.faults -= 1;
                world.witness.redriven = false;
                bury(world, &bell, false);
            }
            Action::Throttle { bell } => {
                world.left.faults -= 1;
                self.take(world, &bell);
            }
            Action::Arrive { accepted } => {
                let generation = world.line.late.take().filter(|generation| !self.line_knows(world, *generation));
                if let (Some(generation), true) = (generation, accepted) {
                    self.line_is_asked(world, generation);
                    self.line_accepts(world, generation);
                }
            }
            Action::UseKey => {
                world.left.foreign_keys -= 1;
                world.line.keys.insert(1, Key { first_request_at: world.now, accepted: true });
            }
            Action::Wait => {
                if !world.workers.is_empty() {
                    world.left.faults -= 1;
                    world.witness.doubt_has_a_cause = true;
                }
                self.pass_time(world);
            }
        }
    }

    pub fn pass_time(&self, world: &mut World) {
        world.now = self.next_instant(world).unwrap_or(world.now);
        if self.weather.days {
            let oldest = world.now - Duration::seconds(RETENTION);
            world.messages.retain(|message| message.enqueued_at >= oldest);
        }
    }
}

// How something begins.
impl Delivery {
    fn call(&self, world: &mut World, content: u8, skew: Duration, postponed: bool) {
        world.left.calls -= 1;
        let now = world.now + skew;
        let bell = world.new_bell(now);
        let new = if postponed {
            New::Postponed(self.postponed(bell, now))
        } else {
            New::Claimed(Progress::first(bell, now, &self.pace, self.keys()))
        };
        let step = Step::MakeDurable { new, put: None, sent: None };
        let revision = world.revision();
        world.workers.push(Worker { who: Who::Call { bell, content }, step, skew, revision, asked: false });
    }

    /// SQS hands a message out, and hides it.
    fn take(&self, world: &mut World, bell: &Ring) {
        let visible_at = world.now + Duration::seconds(DELAY);
        let counts = self.is_broken(Rule::ReceivesAreNotAttempts);
        if let Some(message) = world.message(bell) {
            message.visible_at = visible_at;
            message.receives += u8::from(counts);
        }
    }

    /// Reads the record, and decides about a bell.
    fn hear(&self, world: &mut World, bell: Ring, skew: Duration) {
        let now = world.now + skew;
        let step = match world.progress() {
            None => Step::Claim(Progress::first_by_bell(&bell, now, &self.pace, self.keys())),
            Some(progress) => match self.rung(world, progress, &bell, now) {
                OnBell::Fate(fate) => Step::Fate(self.fate(fate)),
                OnBell::Write(next) => Step::Write(next, Then::Fate),
                OnBell::Claim(claim) => Step::Claim(claim),
            },
        };
        let revision = world.revision();
        world.workers.push(Worker { who: Who::Bell { ring: bell }, step, skew, revision, asked: false });
    }

    fn sweep(&self, world: &mut World, skew: Duration) {
        world.left.sweeps -= 1;
        let now = world.now + skew;
        let step = match self.swept(world, now) {
            OnSweep::Leave => return,
            OnSweep::GiveUp(next) => Step::Write(next, Then::End),
            OnSweep::Ring(next) => {
                let bell = world.new_bell(now);
                if self.is_broken(Rule::TheSweepNamesItsBell) {
                    self.sweep_rings(world);
                    Step::Send(bell, None)
                } else {
                    Step::Write(next, Then::Send(bell))
                }
            }
        };
        let revision = world.revision();
        world.workers.push(Worker { who: Who::Sweep, step, skew, revision, asked: false });
    }

    fn resend(&self, world: &mut World, force: bool, skew: Duration) {
        world.left.resends -= 1;
        let now = world.now + skew;
        let bell = world.new_bell(now);
        let progress = world.progress().map(|progress| self.without_doubt(Rule::DoubtNeedsForce, progress));
        let progress = progress.map(|progress| self.unerased(Rule::NothingErasedIsSentAgain, &progress));
        let claim = progress.map(|progress| progress.resent(bell, force, now, &self.pace, self.keys()));
        if let Some(Ok(claim)) = claim {
            let (step, revision) = (Step::Send(bell, Some(claim)), world.revision());
            world.workers.push(Worker { who: Who::Resend { force }, step, skew, revision, asked: false });
        }
    }

    /// Due at once: a recovery spreads its orders, which only makes them due later.
    fn recover(&self, world: &mut World, force: bool, skew: Duration) {
        world.left.resends -= 1;
        let now = world.now + skew;
        let bell = world.new_bell(now);
        let next = world.progress().map(|progress| progress.recovered(bell, now, force, now, &self.pace));
        if let Some(Ok(next)) = next {
            let (step, revision) = (Step::Write(next, Then::Send(bell)), world.revision());
            world.workers.push(Worker { who: Who::Recovery { force }, step, skew, revision, asked: false });
        }
    }

    fn discard(&self, world: &mut World, letter: Ring, skew: Duration) {
        world.left.discards -= 1;
        let now = world.now + skew;
        self.take(world, &letter);
        let step = match world.progress().map(|progress| progress.discarded(&letter, now, &self.pace)) {
            None | Some(OnDiscard::Delete) => Step::Delete,
            Some(OnDiscard::GiveUp(next)) => Step::Write(next, Then::Delete),
            Some(OnDiscard::Refuse { .. }) if self.is_broken(Rule::OnlyWhatIsGivenUpIsDiscarded) => Step::Delete,
            Some(OnDiscard::Refuse { .. }) => return,
        };
        let revision = world.revision();
        world.workers.push(Worker { who: Who::Discard { ring: letter }, step, skew, revision, asked: false });
    }

    fn erase(&self, world: &mut World, skew: Duration) {
        world.left.erasures -= 1;
        self.erase_now(world, skew);
    }

    /// Also after a write was lost: the record is read again.
    fn erase_now(&self, world: &mut World, skew: Duration) {
        let Some(next) = world.progress().and_then(|progress| progress.erased(world.now + skew)) else { return };
        let (step, revision) = (Step::Write(next, Then::End), world.revision());
        world.workers.push(Worker { who: Who::Erase, step, skew, revision, asked: false });
    }

    fn redrive(&self, world: &mut World, letter: &Ring, delayed: bool) {
        world.left.redrives -= 1;
        world.witness.rounds_wanted += 1;
        let now = world.now;
        let sent_at = letter.bell.map_or(now, |bell| bell.sent_at);
        let is_letter = world.progress().is_some_and(|progress| {
            // A letter that is moved within the seconds by which clocks differ may become a letter again.
            let later = progress.last_attempt_at().is_some_and(|at| now > at) && now > sent_at + self.pace.moved;
            later && progress.letter(letter, &self.pace) == Letter::Exhausted
        });
        world.witness.redriven |= is_letter;
        let visible_at = if delayed { now + Duration::seconds(DELAY) } else { now };
        if let Some(message) = world.message(letter) {
            message.enqueued_at = now;
            message.visible_at = visible_at;
            message.dead = false;
            message.letter = false;
            message.moved = true;
            message.receives = 0;
        }
    }
}

// What a worker does next.
impl Delivery {
    pub fn step(&self, world: &mut World, worker: Worker, how: How) {
        world.left.faults -= u8::from(how.is_fault());
        match worker.step.clone() {
            Step::MakeDurable { new, sent, .. } => {
                let Who::Call { content, .. } = worker.who else { return };
                let put = Some(self.put(world, &new, content, how));
                self.durable(world, Worker { step: Step::MakeDurable { new, put, sent }, ..worker });
            }
            Step::Claim(claim) => self.write_claim(world, worker, claim, how),
            Step::NewKey(claim) => self.write_new_key(world, worker, claim, how),
            Step::Write(next, then) => self.write_other(world, worker, next, then, how),
            Step::Attempt(claimed) => self.attempt(world, worker, claimed, how),
            Step::Outcome(outcome) => self.write_outcome(world, worker, outcome, how),
            Step::Send(bell, claim) => {
                let content = world.record.as_ref().map_or(0, |record| record.content);
                let sent = send(world, bell, content, how);
                if let (true, Some(claim)) = (sent, claim) {
                    world.workers.push(Worker { step: Step::Claim(claim), ..worker });
                }
            }
            Step::Fate(fate) => self.meet(world, &worker, fate),
            Step::Delete => self.delete(world, &worker),
        }
    }

    /// What a call makes of its two writes, once both are over.
    fn durable(&self, world: &mut World, worker: Worker) {
        let Who::Call { bell, content } = worker.who else { return };
        let Step::MakeDurable { new, put: Some(put), sent: Some(sent) } = worker.step.clone() else {
            world.workers.push(worker);
            return;
        };
        let now = world.now + worker.skew;
        match (put, new) {
            (Put::New, New::Claimed(claim)) if sent => {
                let step = Step::Attempt(claim.won());
                world.workers.push(Worker { step, revision: Some(1), ..worker });
            }
            (Put::New, New::Claimed(claim)) => {
                let step = Step::Write(claim.won().released(now), Then::End);
                world.workers.push(Worker { step, revision: Some(1), ..worker });
            }
            (Put::New, New::Postponed(progress)) if sent => tell(world, Report::from(&progress), 1),
            (Put::Unknown, New::Claimed(claim)) if self.is_broken(Rule::OnlyWhatIsDurableIsPromised) => {
                tell(world, Report::from(claim.next()), 1);
            }
            (Put::New, New::Postponed(_)) | (Put::Unknown, _) => {}
            (Put::Exists(old), new) => {
                let revision = Some(old.revision);
                let bell = sent.then_some(bell);
                let postponed = matches!(new, New::Postponed(_));
                let on_call = if old.content == content {
                    match self.called_again(&old.progress, bell, now) {
                        OnCall::Claim(_) if postponed => OnCall::Tell(Report::from(&old.progress)),
                        on_call => on_call,
                    }
                } else if postponed {
                    let next = bell.and_then(|bell| old.progress.replaced_and_postponed(bell, now, &self.pace));
                    if let Some(next) = next {
                        world.workers.push(Worker { step: Step::Write(next, Then::Tell), revision, ..worker });
                    }
                    return;
                } else {
                    let progress = self.without_doubt(Rule::DoubtIsNotReplaced, &old.progress);
                    let progress = self.unerased(Rule::NothingErasedIsReplaced, &progress);
                    let claim = bell.and_then(|bell| progress.replaced(bell, now, &self.pace, self.keys()));
                    // Otherwise it is answered 409.
                    claim.map_or(OnCall::NotDurable, OnCall::Claim)
                };
                match on_call {
                    OnCall::Tell(report) => tell(world, report, old.progress.generation()),
                    OnCall::Claim(claim) => world.workers.push(Worker { step: Step::Claim(claim), revision, ..worker }),
                    OnCall::NotDurable => {}
                }
            }
        }
    }

    fn put(&self, world: &mut World, new: &New, content: u8, how: How) -> Put {
        if let Some(record) = &world.record {
            return Put::Exists(record.clone());
        }
        if how == How::Fails {
            return Put::Unknown;
        }
        let progress = match new {
            New::Claimed(claim) => {
                self.claim_stands(world, claim.next(), None);
                self.claimed(claim.next())
            }
            New::Postponed(progress) => *progress,
        };
        world.record = Some(Record { progress, revision: 1, content });
        world.witness.doubt_has_a_cause |= how == How::AnswerLost;
        if how == How::AnswerLost { Put::Unknown } else { Put::New }
    }

    /// Writes over the revision that was read.
    fn write(&self, world: &mut World, worker: &Worker, next: Progress, how: How, rule: Option<Rule>) -> Written {
        let anyway = rule.is_some_and(|rule| self.is_broken(rule));
        if world.revision() != worker.revision && !anyway {
            return Written::Lost;
        }
        let content = match (worker.who, &world.record) {
            (Who::Call { content, .. }, _) => content,
            (_, Some(record)) => record.content,
            (Who::Bell { ring }, None) => world.message(&ring).map_or(0, |message| message.content),
            (_, None) => 0,
        };
        if how != How::Fails {
            let revision = world.revision().unwrap_or(0) + 1;
            world.record = Some(Record { progress: next, revision, content });
        }
        if how == How::Well { Written::Known } else { Written::Unknown }
    }

    fn write_claim(&self, world: &mut World, worker: Worker, claim: Claim, how: How) {
        let former = world.progress().copied();
        let next = self.claimed(claim.next());
        let written = self.write(world, &worker, next, how, Some(Rule::ClaimsAreConditional));
        if !matches!(written, Written::Lost) && how != How::Fails {
            let operator = matches!(worker.who, Who::Resend { .. });
            let settled = former.is_some_and(|former| former.state().is_settled());
            if operator || settled {
                world.witness.forced += u8::from(worker.who == Who::Resend { force: true });
                begins_anew(world);
            }
            self.claim_stands(world, claim.next(), former.as_ref());
        }
        match written {
            Written::Known => {
                let (step, revision) = (Step::Attempt(claim.won()), world.revision());
                world.workers.push(Worker { step, revision, ..worker });
            }
            Written::Unknown => world.witness.doubt_has_a_cause = true,
            Written::Lost => self.lost_the_race(world, &worker),
        }
    }

    /// Who lost a write reads again: a bell is heard once more, a caller hears what stands.
    fn lost_the_race(&self, world: &mut World, worker: &Worker) {
        match worker.who {
            Who::Bell { ring } => self.hear(world, ring, worker.skew),
            Who::Call { content, .. } => {
                let record = world.record.as_ref().filter(|record| record.content == content);
                if let Some(stands) = record.map(|record| record.progress) {
                    tell(world, Report::from(&stands), stands.generation());
                }
            }
            Who::Sweep | Who::Resend { .. } | Who::Recovery { .. } | Who::Discard { .. } | Who::Erase => {}
        }
    }

    /// The witness sees a claim.
    fn claim_stands(&self, world: &mut World, next: &Progress, former: Option<&Progress>) {
        let at = next.last_attempt_at().unwrap_or(world.now);
        let witness = &mut world.witness;
        if next.round_attempts() == 1 && witness.claims > 0 {
            witness.rounds += 1;
            witness.claims = 0;
            witness.claimed_at = None;
            world.messages.iter_mut().for_each(|message| message.letter = false);
        }
        let nearest = Duration::seconds(DELAY) - self.pace.early - self.clocks_differ();
        world.broken.check(Law::RoundIsComplete, witness.claimed_at.is_none_or(|before| at >= before + nearest));
        world.broken.check(Law::CallerIsToldTheTruth, witness.told_final.is_none());
        world.broken.check(Law::ErasedStaysErased, witness.erased.is_none());
        witness.claims += 1;
        witness.claimed_at = Some(at);
        witness.redriven = false;
        if former.is_none_or(|former| former.generation() != next.generation()) {
            witness.doubt_has_a_cause = false;
        }
        // Somebody else's attempt is not over.
        witness.doubt_has_a_cause |= !world.workers.is_empty();
    }

    fn write_new_key(&self, world: &mut World, worker: Worker, claim: Claim, how: How) {
        let step = Step::Attempt(claim.clone().won());
        if self.is_broken(Rule::KeysAreWrittenFirst) {
            world.workers.push(Worker { step, ..worker });
            return;
        }
        let written = self.write(world, &worker, *claim.next(), how, None);
        if !matches!(written, Written::Lost) && how != How::Fails {
            world.witness.buttons_lost += 1;
            world.witness.doubt_has_a_cause = false;
        }
        match written {
            Written::Known => {
                let revision = world.revision();
                world.workers.push(Worker { step, revision, ..worker });
            }
            Written::Unknown => {
                world.witness.doubt_has_a_cause = true;
                end(world, &worker, Report::not_known());
            }
            Written::Lost => {
                let report = world.progress().map_or_else(Report::not_known, Report::from);
                end(world, &worker, report);
            }
        }
    }

    fn write_other(&self, world: &mut World, worker: Worker, next: Progress, then: Then, how: How) {
        let former = world.progress().copied();
        let written = self.write(world, &worker, next, how, None);
        let takes_effect = !matches!(written, Written::Lost) && how != How::Fails;
        let released = matches!(worker.who, Who::Call { .. }) && then != Then::Tell;
        if takes_effect && then == Then::Tell {
            begins_anew(world);
        }
        if let (true, Who::Recovery { force }) = (takes_effect, worker.who) {
            world.witness.forced += u8::from(force);
            // The sweep may ring for what begins anew as for what was never rung for.
            world.witness.swept_at = None;
            begins_anew(world);
        }
        if let (true, Who::Erase, Some(former)) = (takes_effect, worker.who, former) {
            world.witness.erased = Some(!former.state().is_settled());
            // Whose attempt is not over cannot take its doubt back any more.
            world.witness.doubt_has_a_cause |= !world.workers.is_empty();
        }
        world.witness.doubt_has_a_cause |= released && !takes_effect;
        if released && takes_effect && former.is_some_and(|former| former.round_attempts() > next.round_attempts()) {
            world.witness.claims -= 1;
            world.witness.claimed_at = None;
        }
        match (written, worker.who, then) {
            (Written::Lost, Who::Bell { ring }, _) => self.hear(world, ring, worker.skew),
            (Written::Lost, Who::Erase, _) => self.erase_now(world, worker.skew),
            (Written::Known, _, Then::Fate) => {
                let step = Step::Fate(self.fate(next.fate(&self.pace)));
                world.workers.push(Worker { step, ..worker });
            }
            (Written::Known, _, Then::Send(bell)) => {
                if worker.who == Who::Sweep {
                    self.sweep_rings(world);
                }
                world.workers.push(Worker { step: Step::Send(bell, None), ..worker });
            }
            (Written::Known, _, Then::Tell) => tell(world, Report::from(&next), next.generation()),
            (Written::Known, _, Then::Delete) => world.workers.push(Worker { step: Step::Delete, ..worker }),
            (Written::Known | Written::Unknown | Written::Lost, ..) => {}
        }
    }

    /// The witness sees the sweep ring.
    fn sweep_rings(&self, world: &mut World) {
        let nearest = Duration::seconds(RING_AGAIN) - self.clocks_differ();
        let late_enough = world.witness.swept_at.is_none_or(|before| world.now >= before + nearest);
        world.broken.check(Law::BellsAreBounded, late_enough);
        world.witness.swept_at = Some(world.now);
    }

    fn attempt(&self, world: &mut World, worker: Worker, mut claimed: Claimed, how: How) {
        let generation = claimed.progress().generation();
        let now = world.now + worker.skew;
        if !matches!(how, How::Suppressed | How::NotAsked) {
            claimed.ask(self.keys());
            world.witness.requests += 1;
            let written = world.progress().is_some_and(|progress| progress.generation() >= generation);
            world.broken.check(Law::KeyIsWrittenFirst, written);
        }
        let end = match how {
            How::Suppressed => End::Suppressed(Reason::SwitchedOff),
            How::Known => {
                if self.is_broken(Rule::UnusedKeysConflict) {
                    End::Accepted
                } else {
                    End::AlreadyAccepted
                }
            }
            How::KnownAndHangs => {
                claimed.unanswered();
                End::Later
            }
            How::Late => {
                world.line.late = Some(generation);
                world.witness.doubt_has_a_cause = true;
                claimed.unanswered();
                End::Later
            }
            How::Line(answer) => {
                self.line_answers(world, generation, answer);
                match answer {
                    Answer::Accepts => End::Accepted,
                    Answer::AcceptsAndHangs | Answer::Hangs => {
                        claimed.unanswered();
                        End::Later
                    }
                    Answer::Breaks => {
                        claimed.unanswered();
                        world.workers.push(Worker { step: Step::Attempt(claimed), asked: true, ..worker });
                        return;
                    }
                    Answer::IsAway => {
                        self.unsent(&mut claimed);
                        End::Later
                    }
                    Answer::RefusesForNow => {
                        claimed.refused();
                        End::Later
                    }
                    Answer::RefusesToken => {
                        claimed.refused();
                        world.workers.push(Worker { step: Step::Attempt(claimed), asked: true, ..worker });
                        return;
                    }
                    Answer::Refuses => {
                        claimed.refused();
                        End::Refused(Reason::RefusedByLine)
                    }
                    Answer::BlamesMessage => {
                        claimed.refused();
                        if let Some(claim) = self.without_button(&claimed, now) {
                            world.workers.push(Worker { step: Step::NewKey(claim), ..worker });
                            return;
                        }
                        End::Refused(Reason::RefusedByLine)
                    }
                }
            }
            _ => End::Later,
        };
        let outcome = claimed.ended(end, &self.pace);
        world.workers.push(Worker { step: Step::Outcome(outcome), ..worker });
    }

    fn write_outcome(&self, world: &mut World, worker: Worker, outcome: Outcome, how: How) {
        let next = self.ended(world, &worker, outcome.next());
        let stands = world.progress().copied();
        let report = match self.write(world, &worker, next, how, Some(Rule::OutcomesAreConditional)) {
            Written::Known if matches!(worker.who, Who::Bell { .. }) => {
                let step = Step::Fate(self.fate(next.fate(&self.pace)));
                world.workers.push(Worker { step, ..worker });
                return;
            }
            Written::Known => outcome.report(Some(outcome.next())),
            Written::Unknown => {
                world.witness.doubt_has_a_cause = true;
                if let (Who::Bell { .. }, Some(claimed)) = (worker.who, stands) {
                    // As far as its worker knows, its claim stands.
                    let step = Step::Fate(self.fate(claimed.fate(&self.pace)));
                    world.workers.push(Worker { step, ..worker });
                    return;
                }
                let known = self.is_broken(Rule::OnlyWhatIsWrittenIsTold).then_some(outcome.next());
                outcome.report(known)
            }
            Written::Lost => {
                let Some(stands) = stands else { return };
                let over = outcome.over(&self.unerased(Rule::FactsKeepAnErasure, &stands));
                match over.filter(|_| !self.is_broken(Rule::SentIsWrittenOverAnything)) {
                    Some(over) => {
                        world.witness.overwritten = true;
                        let (step, revision) = (Step::Outcome(over), world.revision());
                        world.workers.push(Worker { step, revision, ..worker });
                        return;
                    }
                    None => {
                        let known = next.state() == State::Sent && next.generation() == stands.generation();
                        world.broken.check(Law::RecordIsTrue, !known || stands.state() == State::Sent);
                        outcome.report(Some(&stands))
                    }
                }
            }
        };
        end(world, &worker, report);
    }

    fn meet(&self, world: &mut World, worker: &Worker, fate: Fate) {
        let Who::Bell { ring } = worker.who else { return };
        match fate {
            Fate::Delete => world.messages.retain(|message| !message.is(&ring)),
            Fate::Burn => {
                let exhausted = world.progress().is_some_and(Progress::is_exhausted);
                bury(world, &ring, exhausted);
            }
            Fate::Stay { until } => {
                let visible_at = until.max(world.now + Duration::SECOND);
                if let Some(message) = world.message(&ring) {
                    message.visible_at = visible_at;
                }
            }
        }
    }

    fn delete(&self, world: &mut World, worker: &Worker) {
        let Who::Discard { ring } = worker.who else { return };
        let own = world.progress().is_some_and(|progress| {
            let known = progress.bell_enqueued_at().is_none_or(|at| at == ring.enqueued_at);
            progress.is_open() && progress.bell() == ring.name() && known
        });
        let found = world.message(&ring).is_some();
        world.broken.check(Law::DiscardedIsGivenUp, !(found && own));
        world.messages.retain(|message| !message.is(&ring));
    }
}

// What LINE does.
impl Delivery {
    fn line_answers(&self, world: &mut World, generation: u32, answer: Answer) {
        match answer {
            Answer::Accepts | Answer::AcceptsAndHangs => {
                self.line_is_asked(world, generation);
                self.line_accepts(world, generation);
            }
            Answer::Hangs => {
                self.line_is_asked(world, generation);
                world.witness.doubt_has_a_cause = true;
            }
            Answer::Breaks => world.witness.doubt_has_a_cause = true,
            Answer::IsAway => world.witness.requests -= 1,
            Answer::RefusesForNow | Answer::RefusesToken | Answer::Refuses | Answer::BlamesMessage => {
                self.line_is_asked(world, generation);
            }
        }
    }

    fn line_is_asked(&self, world: &mut World, generation: u32) {
        let new = Key { first_request_at: world.now, accepted: false };
        let known =
            world.line.keys.get(&generation).copied().filter(|key| !self.line_forgot(world, key.first_request_at));
        world.line.keys.insert(generation, known.unwrap_or(new));
    }

    fn line_accepts(&self, world: &mut World, generation: u32) {
        if let Some(key) = world.line.keys.get_mut(&generation) {
            key.accepted = true;
        }
        let witness = &mut world.witness;
        witness.accepted += 1;
        witness.accepted_under |= 1 << generation;
        witness.doubt_has_a_cause = true;
        world.broken.check(Law::CallerIsToldTheTruth, witness.told_final != Some(false));
    }
}

/// SQS moves a message to the dead-letter queue.
fn bury(world: &mut World, bell: &Ring, letter: bool) {
    let now = world.now;
    if let Some(message) = world.message(bell) {
        message.dead = true;
        message.letter = letter;
        message.visible_at = now;
        message.receives = 0;
    }
}

/// Sends a bell; whether its sender knows that it was sent.
fn send(world: &mut World, bell: Bell, content: u8, how: How) -> bool {
    let copies = match how {
        How::Fails => 0,
        How::Twice => 2,
        _ => 1,
    };
    for copy in 0..copies {
        let enqueued_at: OffsetDateTime = world.now + Duration::seconds(copy);
        world.messages.push(Message {
            bell,
            enqueued_at,
            content,
            visible_at: enqueued_at + Duration::seconds(DELAY),
            dead: false,
            letter: false,
            moved: false,
            receives: 0,
        });
    }
    !matches!(how, How::Fails | How::AnswerLost)
}

/// A worker is done: a caller hears of it.
fn end(world: &mut World, worker: &Worker, report: Report) {
    if let Who::Call { .. } = worker.who {
        let generation = world.progress().map_or(1, Progress::generation);
        tell(world, report, generation);
    }
}

/// A caller is answered 2xx, about a record of this generation.
/// What was sent or told of the former message is over.
fn begins_anew(world: &mut World) {
    let witness = &mut world.witness;
    witness.rounds_wanted += 1;
    witness.begun_anew = true;
    witness.told_final = None;
    witness.buttons_lost = 0;
}

fn tell(world: &mut World, report: Report, generation: u32) {
    let stands = world.progress().map(Progress::state);
    let overtaken = world.progress().is_some_and(|progress| progress.generation() != generation);
    let witness = &mut world.witness;
    witness.promised = true;
    // Who read the record before an operator had it sent again tells what was.
    let overtaken = witness.begun_anew && overtaken;
    let certain = report.may_have_reached_line || witness.accepted == 0;
    match report.state {
        State::Pending | State::Retrying => {}
        State::Sent => {
            let contradicts = witness.told_final == Some(false);
            world.broken.check(Law::CallerIsToldTheTruth, witness.accepted > 0 && !contradicts);
        }
        State::Suppressed | State::Failed | State::Expired if overtaken => {}
        State::Suppressed | State::Failed | State::Expired => {
            world.broken.check(Law::CallerIsToldTheTruth, stands.is_some_and(State::is_settled) && certain);
            witness.told_final = Some(report.may_have_reached_line);
        }
    }
}
