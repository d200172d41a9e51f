//! What may happen next.

use shared::delivery::{
    bell::Ring,
    state::{OnSweep, Resendable, claim::Claimed},
};
use time::{Duration, OffsetDateTime};

use crate::{
    model::{DELAY, Delivery, LINE_REMEMBERS, PATIENCE, RETENTION},
    rules::Rule,
    weather::{Answer, Fault},
    world::{Step, Worker, World},
};

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The order system posts the order.
    Call {
        content: u8,
        skew: i64,
        postponed: bool,
    },
    /// SQS hands a bell to a worker, which reads the record.
    Ring {
        bell: Ring,
        skew: i64,
    },
    /// The sweep comes to the record.
    Sweep {
        skew: i64,
    },
    /// An operator has it sent again.
    Resend {
        force: bool,
        skew: i64,
    },
    /// A recovery takes it, among many others.
    Recover {
        force: bool,
        skew: i64,
    },
    /// An operator discards a dead letter.
    Discard {
        letter: Ring,
        skew: i64,
    },
    /// An operator has the customer forgotten.
    Erase {
        skew: i64,
    },
    /// Our redrive, or the one of AWS's console: SQS moves a dead letter back, and hides it for the queue's delay or
    /// not.
    Redrive {
        letter: Ring,
        delayed: bool,
    },
    /// A worker does its next step.
    Step {
        worker: usize,
        how: How,
    },
    /// A call sends its bell, before its record is written or after.
    SendBell {
        worker: usize,
        how: How,
    },
    /// A worker dies.
    Crash {
        worker: usize,
    },
    Lose {
        bell: Ring,
    },
    Net {
        bell: Ring,
    },
    Throttle {
        bell: Ring,
    },
    /// The late request comes to LINE.
    Arrive {
        accepted: bool,
    },
    /// Another stack has the first retry key accepted.
    UseKey,
    /// Nothing happens until something is due.
    Wait,
}

/// How a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Well,
    /// It takes effect, and nobody knows.
    AnswerLost,
    /// It takes no effect, and nobody knows.
    Fails,
    /// A message is sent twice.
    Twice,
    /// LINE does this.
    Line(Answer),
    /// LINE has accepted a request under this key: 409.
    Known,
    /// The same, and the answer is lost.
    KnownAndHangs,
    /// The request is late.
    Late,
    /// The switch is off.
    Suppressed,
    /// Nobody can be asked.
    NotAsked,
}

impl How {
    /// Whether something went wrong.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::AnswerLost | Self::Fails | Self::Twice | Self::Late)
    }
}

impl Delivery {
    /// Whatever may happen in this world.
    pub fn possible(&self, world: &World, actions: &mut Vec<Action>) {
        for (number, worker) in world.workers.iter().enumerate() {
            self.possible_steps(world, worker, |how| actions.push(Action::Step { worker: number, how }));
            if let Step::MakeDurable { sent: None, .. } = worker.step {
                self.possible_sends(world, |how| actions.push(Action::SendBell { worker: number, how }));
            }
            if self.may_fail(world, Fault::Crash) {
                actions.push(Action::Crash { worker: number });
            }
        }
        if world.workers.len() < self.weather.workers {
            for &skew in self.weather.skews {
                self.possible_beginnings(world, skew, actions);
            }
        }
        self.possible_moves(world, actions);
        if world.line.late.is_some() {
            actions.extend([false, true].map(|accepted| Action::Arrive { accepted }));
        }
        // Once a request of ours may be with LINE, nobody can tell whose acceptance a 409 is about.
        if world.left.foreign_keys > 0 && !world.witness.doubt_has_a_cause {
            actions.push(Action::UseKey);
        }
        // No function runs as long as a delay: only what was claimed is let outlive it.
        let attempts = |worker: &Worker| matches!(worker.step, Step::Attempt(_) | Step::Outcome(_));
        let outlives = self.may_fail(world, Fault::Outlive) && world.workers.iter().all(attempts);
        if (world.workers.is_empty() || outlives) && self.next_instant(world).is_some() {
            actions.push(Action::Wait);
        }
    }

    fn may_fail(&self, world: &World, fault: Fault) -> bool {
        world.left.faults > 0 && self.weather.faults.contains(&fault)
    }

    fn possible_beginnings(&self, world: &World, skew: i64, actions: &mut Vec<Action>) {
        let now = world.now + Duration::seconds(skew);
        if world.left.calls > 0 {
            for content in 0..self.weather.contents {
                actions.push(Action::Call { content, skew, postponed: false });
                if self.weather.postpones {
                    actions.push(Action::Call { content, skew, postponed: true });
                }
            }
        }
        for message in world.messages.iter().filter(|message| message.visible_at <= world.now) {
            if !message.dead {
                actions.push(Action::Ring { bell: message.ring(), skew });
            } else if world.left.discards > 0 {
                actions.push(Action::Discard { letter: message.ring(), skew });
            }
        }
        let Some(progress) = world.progress() else { return };
        if world.left.sweeps > 0 && self.swept(world, now) != OnSweep::Leave {
            actions.push(Action::Sweep { skew });
        }
        if world.left.erasures > 0 && !progress.is_erased() {
            actions.push(Action::Erase { skew });
        }
        if world.left.resends > 0 {
            match progress.resendable(now, &self.pace) {
                Resendable::InFlight => {}
                Resendable::Erased => {
                    if self.is_broken(Rule::NothingErasedIsSentAgain) {
                        actions.push(Action::Resend { force: true, skew });
                    }
                }
                Resendable::Allowed => {
                    actions.push(Action::Resend { force: false, skew });
                    actions.push(Action::Recover { force: false, skew });
                }
                Resendable::NeedsForce => {
                    actions.push(Action::Resend { force: true, skew });
                    actions.push(Action::Recover { force: true, skew });
                    if self.is_broken(Rule::DoubtNeedsForce) {
                        actions.push(Action::Resend { force: false, skew });
                    }
                }
            }
        }
    }

    /// What may become of messages that nobody has.
    fn possible_moves(&self, world: &World, actions: &mut Vec<Action>) {
        for message in &world.messages {
            let bell = message.ring();
            let visible = message.visible_at <= world.now;
            if !message.dead && self.may_fail(world, Fault::Lose) {
                actions.push(Action::Lose { bell });
            }
            if !message.dead && visible && self.may_fail(world, Fault::Net) {
                actions.push(Action::Net { bell });
            }
            if !message.dead && visible && self.may_fail(world, Fault::Throttle) {
                actions.push(Action::Throttle { bell });
            }
            // SQS tells the time to the millisecond: no two messages of one name are enqueued at the same.
            let moved = Ring { enqueued_at: world.now, ..bell };
            let unique = !world.messages.iter().any(|message| message.is(&moved));
            if message.dead && visible && unique && world.left.redrives > 0 {
                actions.extend([false, true].map(|delayed| Action::Redrive { letter: bell, delayed }));
            }
        }
    }

    fn possible_steps(&self, world: &World, worker: &Worker, mut push: impl FnMut(How)) {
        let fresh = worker.revision == world.revision();
        match &worker.step {
            Step::MakeDurable { put: Some(_), .. } => {}
            Step::MakeDurable { .. } | Step::Claim(_) | Step::NewKey(_) | Step::Write(..) | Step::Outcome(_) => {
                push(How::Well);
                if fresh && self.may_fail(world, Fault::Write) {
                    push(How::AnswerLost);
                    push(How::Fails);
                }
            }
            Step::Send(..) => self.possible_sends(world, push),
            Step::Attempt(claimed) => self.possible_answers(world, worker, claimed, push),
            Step::Fate(_) | Step::Delete => push(How::Well),
        }
    }

    fn possible_sends(&self, world: &World, mut push: impl FnMut(How)) {
        push(How::Well);
        if self.may_fail(world, Fault::Send) {
            push(How::AnswerLost);
            push(How::Fails);
        }
        if self.may_fail(world, Fault::Copy) {
            push(How::Twice);
        }
    }

    fn possible_answers(&self, world: &World, worker: &Worker, claimed: &Claimed, mut push: impl FnMut(How)) {
        if self.weather.switch {
            push(How::Suppressed);
        }
        if self.weather.line.contains(&Answer::IsAway) {
            push(How::NotAsked);
        }
        if self.may_fail(world, Fault::Late) && world.line.late.is_none() {
            push(How::Late);
        }
        if self.line_knows(world, claimed.progress().generation()) {
            push(How::Known);
            if world.witness.accepted > 0 && self.weather.line.contains(&Answer::AcceptsAndHangs) {
                push(How::KnownAndHangs);
            }
            return;
        }
        for &answer in self.weather.line {
            let asks_again = matches!(answer, Answer::Breaks | Answer::RefusesToken);
            if !(asks_again && worker.asked) {
                push(How::Line(answer));
            }
        }
    }

    /// When something is due next.
    pub fn next_instant(&self, world: &World) -> Option<OffsetDateTime> {
        let (second, delay) = (Duration::SECOND, Duration::seconds(DELAY));
        let mut next: Option<OffsetDateTime> = None;
        let mut instant = |at: OffsetDateTime| {
            if at > world.now && next.is_none_or(|next| at < next) {
                next = Some(at);
            }
        };
        for message in &world.messages {
            instant(message.visible_at);
            if self.weather.days {
                instant(message.enqueued_at + Duration::seconds(RETENTION) + second);
            }
        }
        let Some(progress) = world.progress().filter(|progress| !progress.state().is_settled()) else { return next };
        if progress.is_open() {
            let due_at = progress.due_at(&self.pace);
            let overdue_at = due_at + delay * 2 + second;
            instant(due_at);
            instant(due_at + delay + second);
            instant(overdue_at);
            instant(progress.rung_at().map_or(overdue_at, |at| overdue_at.max(at + self.pace.ring_again + second)));
        } else if let Some(at) = progress.last_attempt_at() {
            // A letter that is moved later than the last attempt begins a round.
            instant(at + second);
        }
        if self.weather.days {
            instant(progress.waiting_since() + Duration::seconds(PATIENCE));
            if let Some(at) = progress.key_first_used_at() {
                instant(at + self.pace.key_life);
            }
            for key in world.line.keys.values() {
                instant(key.first_request_at + Duration::seconds(LINE_REMEMBERS));
            }
        }
        next
    }
}
