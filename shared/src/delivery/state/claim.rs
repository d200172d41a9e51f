//! An attempt, from its claim to its outcome.
//!
//! Only what was claimed can be attempted, and only what was attempted has an outcome: [`Claim`] is what is to be
//! written, [`Claimed`] what a worker has after it was, [`Outcome`] what is to be written after the attempt. The retry
//! key is to be had only by saying that a request goes out.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Progress, Reason, Report, State};
use crate::delivery::{pace::Pace, retry_key::RetryKeys};

/// A claim that is to be written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Claim {
    pub(super) next: Progress,
    pub(super) body: Body,
    pub(super) doubt: bool,
    pub(super) deadline: OffsetDateTime,
}

/// Which body the requests of a claim carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// The one that the record keeps, byte for byte: LINE leaves a changed one under the same key unspecified.
    Kept,
    /// One that is made anew and written with the claim, because the key is new.
    New {
        /// Whether it may have a button.
        button: bool,
    },
}

impl Claim {
    /// What is to be written.
    pub fn next(&self) -> &Progress {
        &self.next
    }

    /// Which body is to be written with it.
    pub fn body(&self) -> Body {
        self.body
    }

    /// When the attempt that it is for must be over.
    pub fn deadline(&self) -> OffsetDateTime {
        self.deadline
    }

    /// The claim was written, over the revision that it was made of. Only then.
    pub fn won(self) -> Claimed {
        let Self { next, doubt, deadline, .. } = self;
        Claimed { progress: next, doubt, request_is_out: false, requests: 0, deadline }
    }

    pub(super) fn with_new_body(self) -> Self {
        Self { body: Body::New { button: !self.next.without_button }, ..self }
    }
}

/// A delivery that this worker may attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claimed {
    progress: Progress,
    doubt: bool,
    request_is_out: bool,
    requests: u32,
    deadline: OffsetDateTime,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// LINE accepted the request.
    Accepted,
    /// LINE accepted the retry key before: 409.
    AlreadyAccepted,
    /// LINE refused the request for good.
    Refused(Reason),
    /// It must not be pushed.
    Suppressed(Reason),
    /// Not now: LINE refused for now, or did not answer, or nobody could be asked.
    Later,
}

impl Claimed {
    /// The record as the claim wrote it.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// When the attempt must be over.
    pub fn deadline(&self) -> OffsetDateTime {
        self.deadline
    }

    /// A request goes out now, under this retry key.
    pub fn ask(&mut self, keys: RetryKeys<'_>) -> Uuid {
        self.doubt |= self.request_is_out;
        self.request_is_out = true;
        self.requests = self.requests.saturating_add(1);
        self.progress.retry_key(keys)
    }

    /// LINE refused the request that was out: it was certainly not accepted.
    pub fn refused(&mut self) {
        self.request_is_out = false;
    }

    /// The request that was to go out was never sent: there was no connection.
    pub fn unsent(&mut self) {
        self.requests = self.requests.saturating_sub(1);
        self.request_is_out = false;
    }

    /// Nobody knows what became of the request that was out.
    pub fn unanswered(&mut self) {
        self.doubt |= self.request_is_out;
        self.request_is_out = false;
    }

    /// LINE refused the message itself: the same without its button, under a new key. The claim is to be written before
    /// it is asked. None where that was tried before, or where LINE may have accepted an earlier request.
    pub fn without_button(&self, now: OffsetDateTime, keys: RetryKeys<'_>) -> Option<Claim> {
        if self.doubt || self.request_is_out || self.progress.without_button {
            return None;
        }
        let next = Progress { without_button: true, ..self.progress.next_generation() };
        let next = next.counting(self.requests).with_key(now, keys);
        Some(Claim { next, body: Body::Kept, doubt: false, deadline: self.deadline }.with_new_body())
    }

    /// Gives the record back because its bell could not be sent: nothing was asked, and the caller's next call is to
    /// find it due.
    pub fn released(self, now: OffsetDateTime) -> Progress {
        Progress {
            key_first_used_at: if self.doubt { self.progress.key_first_used_at } else { None },
            may_have_reached_line: self.doubt,
            round_attempts: self.progress.round_attempts.saturating_sub(1),
            due_at: Some(now),
            ..self.progress
        }
    }

    /// The attempt is over. A request that is still out may have been accepted, unless its answer is the end.
    pub fn ended(self, end: End, pace: &Pace) -> Outcome {
        let (state, reason) = match end {
            End::Accepted => (State::Sent, None),
            End::AlreadyAccepted if self.doubt => (State::Sent, None),
            End::AlreadyAccepted => (State::Failed, Some(Reason::RetryKeyConflict)),
            End::Refused(reason) => (State::Failed, Some(reason)),
            End::Suppressed(reason) => (State::Suppressed, Some(reason)),
            End::Later => (State::Retrying, None),
        };
        let may_have_reached_line = match end {
            End::Accepted | End::AlreadyAccepted => true,
            End::Refused(_) => self.doubt,
            End::Suppressed(_) | End::Later => self.doubt || self.request_is_out,
        };
        let next = Progress { may_have_reached_line, ..self.progress }.counting(self.requests);
        let next = match state {
            State::Retrying if next.round_attempts >= pace.round => next.exhausted(),
            State::Retrying => Progress { state, ..next },
            _ => next.settled(state, reason),
        };
        Outcome { next, requests: self.requests }
    }
}

/// What an attempt did, to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Outcome {
    next: Progress,
    requests: u32,
}

impl Outcome {
    /// What is to be written over the revision of the claim.
    pub fn next(&self) -> &Progress {
        &self.next
    }

    /// What is to be written over `stands`, which another worker wrote since: `sent`, because it is a fact. Nothing
    /// where the outcome gives way: everything else, and all of a generation that is over.
    pub fn over(&self, stands: &Progress) -> Option<Self> {
        let fact = self.next.state == State::Sent && stands.state != State::Sent;
        (fact && self.next.generation == stands.generation).then(|| {
            let next = Progress { may_have_reached_line: true, ..*stands }.counting(self.requests);
            Self { next: next.settled(State::Sent, None), requests: self.requests }
        })
    }

    /// What may be told. `stands`: what is durable, if that is known: this outcome, or what it gave way to. Otherwise
    /// only `sent` is final.
    pub fn report(&self, stands: Option<&Progress>) -> Report {
        match stands {
            _ if self.next.state == State::Sent => Report::from(&self.next),
            Some(stands) => Report::from(stands),
            None => Report::not_known(),
        }
    }
}
