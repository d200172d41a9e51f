//! One attempt on a record that this worker has claimed: the push, unless something forbids it, and the outcome.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use crate::{
    customer::friend::{Friendship, Source},
    delivery::{
        Delivery, DeliveryError,
        record::{DeliveryRecord, ListedAttempt},
        retry_key::RetryKeys,
        state::{
            Progress, Reason, Report, State,
            claim::{Body, Claim, Claimed, End, Outcome},
        },
        verdict::{Verdict, verdict},
    },
    ids::LineUserId,
    line::{client::LineAnswer, day::line_day},
    message::PushRequest,
    metric,
    notification::Notification,
    token::access::AccessToken,
};

/// How a push ended, and what LINE said.
struct Push {
    end: End,
    answer: Option<LineAnswer>,
    error: Option<String>,
}

impl Push {
    fn later(answer: Option<LineAnswer>, error: impl Into<String>) -> Self {
        Self { end: End::Later, answer, error: Some(error.into()) }
    }

    fn refused(reason: Reason, answer: LineAnswer) -> Self {
        let error = Some(answer.error_text());
        Self { end: End::Refused(reason), answer: Some(answer), error }
    }
}

/// What stands in the way of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suppression {
    /// It forbids the push.
    Certain(Reason),
    /// The user is believed not to be a friend, and LINE is to be asked before a push is suppressed for that.
    Doubtful,
    /// The user is believed not to be a friend, and an operator insists.
    Overridden(Reason),
}

impl Delivery {
    /// What stands in the way of a push now: the switch is off, or the user is believed not to be a friend. An error
    /// means that nobody knows.
    pub(super) async fn suppression(&self, record: &DeliveryRecord) -> Result<Option<Suppression>, DeliveryError> {
        let Some(user) = &record.line_user_id else { return Ok(None) };
        let user = LineUserId::parse(user)?;
        let (enabled, belief) = tokio::join!(self.switches.enabled(&record.status), self.belief(&user));
        let (enabled, belief) = (enabled?, belief?);
        Ok(match belief.filter(|belief| belief.friendship == Friendship::NotAFriend) {
            _ if !enabled => Some(Suppression::Certain(Reason::SwitchedOff)),
            None => None,
            Some(_) if record.is_forced() => Some(Suppression::Overridden(Reason::NotAFriend)),
            Some(belief) if belief.is_doubtful(self.clock.now()) => Some(Suppression::Doubtful),
            Some(_) => Some(Suppression::Certain(Reason::NotAFriend)),
        })
    }

    /// Asks LINE whether the user is a friend, and corrects what is believed, or renews it. An error means that nobody
    /// knows.
    async fn is_a_friend(&self, record: &DeliveryRecord) -> Result<bool, DeliveryError> {
        let user = LineUserId::parse(record.line_user_id.as_deref().ok_or(DeliveryError::NoRecipient)?)?;
        // The time of the question: an event that comes in meanwhile is newer.
        let asked_at = self.clock.now();
        let is_friend = self.channel.profile(&user).await?.is_some();
        let friendship = if is_friend { Friendship::Friend } else { Friendship::NotAFriend };
        match self.friends.put(&user, friendship, asked_at, Source::Profile).await {
            Ok(written) => tracing::info!(line.user = ?user, friend = is_friend, written, "LINE told who is a friend"),
            // The answer holds for this push all the same, and the next one asks again.
            Err(error) => tracing::warn!(%error, "the friend state could not be kept"),
        }
        Ok(is_friend)
    }

    /// Writes a claim, over the revision that was read. None where somebody else has written since:
    /// whoever that was has the record.
    pub(super) async fn claim(
        &self,
        record: &mut DeliveryRecord,
        claim: Claim,
    ) -> Result<Option<Claimed>, DeliveryError> {
        let body = match claim.body() {
            Body::Kept => None,
            Body::New { button } => {
                let notification = record.notification().ok_or(DeliveryError::Unreadable)?;
                let user = record.line_user_id.as_deref().ok_or(DeliveryError::NoRecipient)?;
                Some(self.push_body(&notification, &LineUserId::parse(user)?, button)?)
            }
        };
        let written = self.deliveries.replace(record, self.clock.now(), |next| next.claim(&claim, body)).await?;
        Ok(written.then(|| claim.won()))
    }

    /// Claims, and makes the attempt: what stands in its way is asked beside the writing. None where somebody else has
    /// written since: whoever that was has the record.
    pub(super) async fn claim_and_attempt(
        &self,
        record: &mut DeliveryRecord,
        claim: Claim,
    ) -> Result<Option<Report>, DeliveryError> {
        let (deadline, read) = (claim.deadline(), record.clone());
        let claimed = async { self.claim(record, claim).await.map_err(Some)?.ok_or(None) };
        let suppression = async { Ok(self.suppression_until(deadline, &read).await) };
        // Nobody waits for the answer where nothing was claimed.
        match tokio::try_join!(claimed, suppression) {
            Ok((claimed, suppression)) => Ok(Some(self.attempt_unless(suppression, record, claimed).await)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// One attempt, unless something stands in its way. Where the delivery stands then, as far as anything is durable;
    /// `record` is what stands.
    pub(super) async fn attempt(&self, record: &mut DeliveryRecord, claimed: Claimed) -> Report {
        let suppression = self.suppression_until(claimed.deadline(), record).await;
        self.attempt_unless(suppression, record, claimed).await
    }

    /// The same as [`Self::suppression`], where nobody waits for it longer than the attempt may take.
    pub(super) async fn suppression_until(
        &self,
        deadline: OffsetDateTime,
        record: &DeliveryRecord,
    ) -> Result<Option<Suppression>, DeliveryError> {
        let suppression = timeout_at(self.instant(deadline), self.suppression(record)).await;
        suppression.unwrap_or(Err(DeliveryError::Late))
    }

    /// When a claimed attempt is over, whatever it waits for.
    pub(super) fn instant(&self, deadline: OffsetDateTime) -> Instant {
        Instant::now() + Duration::try_from(deadline - self.clock.now()).unwrap_or_default()
    }

    /// The same, where what stands in the way was asked already.
    pub(super) async fn attempt_unless(
        &self,
        suppression: Result<Option<Suppression>, DeliveryError>,
        record: &mut DeliveryRecord,
        mut claimed: Claimed,
    ) -> Report {
        let at = self.clock.now();
        let push =
            timeout_at(self.instant(claimed.deadline()), self.unless_forbidden(record, &mut claimed, &suppression))
                .await
                .unwrap_or_else(|_| Push::later(None, DeliveryError::Late.to_string()));
        let Push { end, answer, error } = push;
        let outcome = claimed.ended(end, &self.settings.pace);
        record.note_answer(answer.as_ref(), error.clone());
        record.list_attempt(ListedAttempt {
            at,
            generation: outcome.next().generation(),
            state: outcome.next().state(),
            line_status: answer.as_ref().map(|answer| answer.status),
            line_request_id: answer.and_then(|answer| answer.request_id),
            despite: match suppression {
                Ok(Some(Suppression::Overridden(reason))) => Some(reason),
                _ => None,
            },
            error,
        });
        let tell = async {
            if outcome.next().reason() == Some(Reason::QuotaExhausted) {
                self.quota_alert.tell().await;
            }
        };
        let (stands, ()) = tokio::join!(self.write_outcome(record, outcome), tell);
        tracing::info!(
            order.id = record.order_id,
            delivery.state = ?outcome.next().state(),
            delivery.reason = ?outcome.next().reason(),
            delivery.durable = stands.is_some(),
            attempt = record.attempts.len(),
            line.request_id = record.line_request_id.as_deref(),
            error = record.last_error.as_deref(),
            "delivery attempted"
        );
        outcome.report(stands.as_ref())
    }

    async fn unless_forbidden(
        &self,
        record: &mut DeliveryRecord,
        claimed: &mut Claimed,
        suppression: &Result<Option<Suppression>, DeliveryError>,
    ) -> Push {
        let forbids = match suppression {
            Ok(None | Some(Suppression::Overridden(_))) => None,
            Ok(Some(Suppression::Certain(reason))) => Some(*reason),
            Ok(Some(Suppression::Doubtful)) => match self.is_a_friend(record).await {
                Ok(is_friend) => (!is_friend).then_some(Reason::NotAFriend),
                Err(error) => return Push::later(None, format!("whether the user is a friend: {error}")),
            },
            Err(error) => return Push::later(None, error.to_string()),
        };
        match forbids {
            Some(reason) => Push { end: End::Suppressed(reason), answer: None, error: None },
            None => self.push(record, claimed).await,
        }
    }

    async fn push(&self, record: &mut DeliveryRecord, claimed: &mut Claimed) -> Push {
        let mut token = match self.channel.token().await {
            Ok(token) => token,
            Err(error) => return Push::later(None, error.to_string()),
        };
        let (mut token_renewed, mut repeated) = (false, false);
        loop {
            let key = claimed.ask(self.keys(record));
            let result = self.channel.client.push(&token, key, &record.push_body).await;
            match &result {
                Ok(_) => self.breaker.answered(),
                Err(error) if !error.connection_broke => self.breaker.timed_out(self.clock.now()),
                Err(_) => {}
            }
            let (verdict, error) = match &result {
                Ok(answer) => (verdict(&result), answer.error_text()),
                Err(error) => (verdict(&result), error.what.clone()),
            };
            let answer = result.as_ref().ok().cloned();
            match verdict {
                Verdict::Accepted => return Push { end: End::Accepted, answer, error: None },
                Verdict::AlreadyAccepted => return Push { end: End::AlreadyAccepted, answer, error: None },
                Verdict::Unsent => {
                    claimed.unsent();
                    return Push::later(answer, error);
                }
                // LINE closes connections that were idle; the same key makes it safe to ask at once again.
                Verdict::ConnectionBroke if !repeated => {
                    claimed.unanswered();
                    repeated = true;
                }
                Verdict::ConnectionBroke | Verdict::Unknown => {
                    claimed.unanswered();
                    return Push::later(answer, error);
                }
                Verdict::NotNow => {
                    claimed.refused();
                    return Push::later(answer, error);
                }
                Verdict::RenewToken => {
                    claimed.refused();
                    if token_renewed {
                        return Push::later(answer, error);
                    }
                    token_renewed = true;
                    token = match self.channel.token_instead_of(&token).await {
                        Ok(token) => token,
                        Err(problem) => return Push::later(answer, format!("{error}; {problem}")),
                    };
                }
                Verdict::ConfirmQuota => {
                    claimed.refused();
                    return match (self.channel.quota_is_exhausted().await, answer) {
                        (Ok(true), Some(answer)) => Push::refused(Reason::QuotaExhausted, answer),
                        (Ok(_), answer) => Push::later(answer, error),
                        (Err(problem), answer) => Push::later(answer, format!("{error}; quota: {problem}")),
                    };
                }
                Verdict::Refused => {
                    claimed.refused();
                    let Some(answer) = answer else { return Push::later(None, error) };
                    match self.without_button(record, claimed, &answer, &token).await {
                        Ok(true) => tracing::warn!(order.id = record.order_id, error, "told without its button"),
                        Ok(false) => return Push::refused(Reason::RefusedByLine, answer),
                        Err(problem) => return Push::later(Some(answer), format!("{error}; {problem}")),
                    }
                }
            }
        }
    }

    /// After LINE refused the message itself: claims the same without its button, under a new key, once. A customer is
    /// told even if the ornament is refused.
    async fn without_button(
        &self,
        record: &mut DeliveryRecord,
        claimed: &mut Claimed,
        answer: &LineAnswer,
        token: &AccessToken,
    ) -> Result<bool, DeliveryError> {
        if !record.notification().is_some_and(|notification| notification.has_button()) {
            return Ok(false);
        }
        let Some(claim) = claimed.without_button(self.clock.now(), self.keys(record)) else { return Ok(false) };
        let blames_the_message = match answer.blames_the_message() {
            Some(blames) => blames,
            None if answer.status == 400 => self.channel.client.refuses_message(token, &record.push_body).await?,
            None => false,
        };
        if !blames_the_message {
            return Ok(false);
        }
        match self.claim(record, claim).await? {
            Some(won) => {
                *claimed = won;
                Ok(true)
            }
            None => Err(DeliveryError::Overtaken),
        }
    }

    /// Writes what the attempt did. If another worker has written meanwhile, `sent` is written over it; anything else
    /// gives way. What stands then, or none where that is not known.
    async fn write_outcome(&self, record: &mut DeliveryRecord, outcome: Outcome) -> Option<Progress> {
        match self.try_to_write(record, outcome).await {
            Ok(stands) => Some(stands),
            Err(error) => {
                tracing::error!(
                    order.id = record.order_id,
                    %error,
                    "the outcome could not be written, a bell will heal it"
                );
                None
            }
        }
    }

    /// After an error, too, `record` is where the delivery stood last: neither its bell nor an operator may take for
    /// settled what is not.
    async fn try_to_write(&self, record: &mut DeliveryRecord, outcome: Outcome) -> Result<Progress, DeliveryError> {
        let mut next = *outcome.next();
        while !self.deliveries.replace(record, self.clock.now(), |record| record.progress = next).await? {
            let stands = self.deliveries.get(&record.order_id, &record.status).await?;
            let stands = stands.ok_or(DeliveryError::Gone)?;
            let Some(over) = outcome.over(&stands.progress) else {
                // Whoever wrote what stands has counted it.
                *record = stands;
                return Ok(record.progress);
            };
            if stands.progress.is_erased() {
                // Nothing that was erased comes back with it.
                *record = stands;
            } else {
                record.revision = stands.revision;
                record.progress = stands.progress;
            }
            next = *over.next();
        }
        count(&record.progress);
        Ok(record.progress)
    }

    pub(super) fn keys<'a>(&'a self, record: &'a DeliveryRecord) -> RetryKeys<'a> {
        self.settings.key_space.keys(&record.order_id, &record.status)
    }

    pub(super) fn push_body(
        &self,
        notification: &Notification,
        user: &LineUserId,
        button: bool,
    ) -> Result<String, DeliveryError> {
        let message = notification.message(self.settings.message_style, self.settings.default_language, button)?;
        let unit = notification.kind().unit(line_day(self.clock.now()));
        serde_json::to_string(&PushRequest::new(user, message, unit)).map_err(|_| DeliveryError::Unreadable)
    }
}

/// Counts where a delivery stands now.
pub(super) fn count(progress: &Progress) {
    let reason = progress.reason().map(Reason::name);
    match progress.state() {
        State::Sent => metric::sent(),
        State::Retrying => {
            metric::retried(reason);
            if progress.is_exhausted() {
                metric::retries_exhausted();
            }
        }
        State::Suppressed => metric::suppressed(reason),
        State::Failed | State::Expired => metric::failed(reason),
        State::Pending => {}
    }
}
