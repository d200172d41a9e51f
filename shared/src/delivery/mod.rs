//! The delivery of what a customer is told: never lost, never twice, never untrue. [`state`] has the argument and every
//! decision; here they meet the table, the queue and LINE.
//!
//! Who does what: `order-finished` calls [`Delivery::first`], `push-retry` calls [`Delivery::ring`] for each message of
//! the retry queue, `delivery-sweep` calls [`Delivery::sweep`], `operations` calls [`Delivery::resend`] and
//! [`Delivery::discard`]. All work on one [`record`] per order and status, in the one [`table`].
//!
//! * [`state`] - where a delivery stands, and every way in which that changes: pure
//! * [`bell`] - the message of the retry queue; [`queue`] - where it waits
//! * [`pace`] - every interval; [`retry_key`] - what makes two requests one message
//! * [`record`] - the item; [`table`] - how it is written; [`day`] - a day's orders, counted and listed;
//!   [`search`] - those of a span of time; [`links`] - whether they had anything to tap
//! * [`attempt`] - one attempt; [`breaker`] - whether a first push is worth its time;
//!   [`mod@verdict`] - what LINE's answers mean
//! * [`resend`] - what an operator does; [`recovery`] - the same for many orders; [`erase`] - a person is forgotten;
//!   [`sweep`] - who rings for what nobody rang for
//! * [`switch`] - whether customers are told at all; [`quota_alert`] - LINE's month is used up
//! * [`settings`] - what a function that pushes needs to know

pub mod attempt;
pub mod bell;
pub mod breaker;
pub mod day;
pub mod erase;
mod links;
pub mod pace;
pub mod queue;
pub mod quota_alert;
pub mod record;
pub mod recovery;
pub mod resend;
pub mod retry_key;
pub mod search;
pub mod settings;
pub mod state;
pub mod sweep;
pub mod switch;
pub mod table;
pub mod verdict;

use std::time::Duration;

use tokio::time::timeout_at;

use crate::{
    aws::{error::AwsError, secret::SecretError},
    clock::Clock,
    customer::{friend::Friends, link::Links, pseudonym::Pseudonyms},
    delivery::{
        attempt::count,
        bell::{Bell, Ring},
        breaker::Breaker,
        queue::RetryQueue,
        quota_alert::QuotaAlert,
        record::DeliveryRecord,
        settings::Settings,
        state::{Fate, OnBell, OnCall, Progress, Report},
        switch::Switches,
        table::{Created, Deliveries},
    },
    ids::LineUserId,
    invalid::Invalid,
    lambda::environment::SettingError,
    line::{
        channel::{AnswerError, LineChannel},
        client::LineError,
        objects::LimitExceeded,
    },
    notification::{Notification, NotificationKind},
    order::Recipient,
    outbound::{Connection, Outbound},
};

/// How long an instance makes no first push after LINE hung.
const PAUSE: Duration = Duration::from_secs(10);
/// How often a record is looked at again, after somebody else has written it in between.
const MAX_LOOKS: usize = 5;

/// Delivers what customers are told.
#[derive(Debug)]
pub struct Delivery {
    deliveries: Deliveries,
    switches: Switches,
    friends: Friends,
    links: Links,
    pseudonyms: Pseudonyms,
    channel: LineChannel,
    quota_alert: QuotaAlert,
    breaker: Breaker,
    settings: Settings,
    clock: Clock,
}

/// The answer to an order that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    /// It is durable, and this is where it stands.
    Accepted {
        /// Where.
        report: Report,
        /// The request that LINE accepted, or the latest one.
        line_request_id: Option<String>,
    },
    /// The same order id came before with other content: nothing was done.
    Conflict,
}

/// The order is not durable: nobody may assume that it will be delivered, and repeating the call is safe.
#[derive(Debug, thiserror::Error)]
#[error("the order could not be made durable: {0}")]
pub struct NotDurable(#[from] DeliveryError);

/// Something that a delivery needs is not to be had now.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// AWS.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// What stands for persons who are forgotten cannot be told.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// LINE was asked something beside the push.
    #[error(transparent)]
    Line(#[from] LineError),
    /// LINE was asked something beside the push, with the channel's token.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// No message can be made of it.
    #[error("no message could be made: {0}")]
    Message(#[from] LimitExceeded),
    /// The record holds an id that is none.
    #[error("the record's LINE user id {0}")]
    Id(#[from] Invalid),
    /// The record keeps what a version took that this one is not.
    #[error("the order was stored by a version that took what this one does not")]
    Unreadable,
    /// The record is of nobody.
    #[error("a record without a recipient is not settled")]
    NoRecipient,
    /// The record is not there any more.
    #[error("the record is gone")]
    Gone,
    /// Other workers wrote the record in between, each time.
    #[error("other workers write the record: later")]
    Overtaken,
    /// The attempt's deadline passed while it waited.
    #[error("the attempt took too long")]
    Late,
}

impl Delivery {
    /// Wires the delivery; nothing is called yet.
    pub fn new(outbound: &Outbound, settings: Settings, clock: Clock) -> Result<Self, SettingError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(&outbound.aws);
        // A shortened retry delay (the local stand) shortens the switch's memory with it.
        let switch_age = settings.pace.switch_memory();
        Ok(Self {
            deliveries: Deliveries::new(dynamodb.clone(), settings.deliveries_table.clone(), settings.delivery_life),
            switches: Switches::new(dynamodb.clone(), settings.switches_table.clone(), switch_age, clock),
            friends: Friends::new(dynamodb.clone(), settings.friends_table.clone(), settings.friend_life),
            links: Links::new(dynamodb, settings.links_table.clone(), settings.delivery_life),
            pseudonyms: Pseudonyms::from_env(&outbound.secrets, clock)?,
            channel: LineChannel::from_env(outbound, settings.pace.call, clock)?,
            quota_alert: QuotaAlert::new(
                aws_sdk_sqs::Client::new(&outbound.aws),
                settings.quota_warning_queue_url.clone(),
                clock,
            ),
            breaker: Breaker::new(PAUSE.min(settings.pace.retry_delay / 2)),
            settings,
            clock,
        })
    }

    /// Opens connections and reads secret, token and switch into memory, as far as that is possible; a push that needs
    /// them reports what was not.
    pub async fn warm_up(&self) {
        let status = NotificationKind::OrderFinished.status();
        let ((), switch, pseudonyms) =
            tokio::join!(self.channel.prepare(), self.switches.enabled(status), self.pseudonyms.warm_up());
        if let Err(error) = switch {
            tracing::warn!(%error, "the switch is not ready for a push");
        }
        if let Err(error) = pseudonyms {
            tracing::warn!(%error, "whether somebody who is forgotten blocked us cannot be told yet");
        }
    }

    /// The connection to LINE, for [`open`](crate::outbound::open).
    pub fn connection(&self) -> Connection {
        self.channel.connection()
    }

    /// Renews the channel's token if its end is near; nobody waits for it.
    pub async fn renew_token_ahead(&self) {
        self.channel.renew_token_ahead().await;
    }

    /// Takes what a customer is to be told: makes it durable, then pushes it.
    pub async fn first(&self, notification: &Notification, queue: &RetryQueue) -> Result<First, NotDurable> {
        let (now, pace) = (self.clock.now(), &self.settings.pace);
        let Some(user) = self.line_user(notification).await? else { return self.to_nobody(notification, queue).await };
        let bell = Bell::new(now);
        let (order_id, status) = (notification.order_id().as_str(), notification.kind().status());
        if self.breaker.is_open(now) {
            return self.postponed(notification, &user, bell, queue).await;
        }
        let claim = Progress::first(bell, now, pace, self.settings.key_space.keys(order_id, status));
        let body = self.push_body(notification, &user, true)?;
        let mut record = DeliveryRecord::new(notification, Some(&user), body, *claim.next(), now);
        // What the channel lacks, the push will tell; the switch and the friend state are read beside the writing.
        let (created, queued, suppression, _) = tokio::join!(
            self.deliveries.create(&record),
            queue.send(notification, bell),
            self.suppression_until(claim.deadline(), &record),
            timeout_at(self.instant(claim.deadline()), self.channel.warm_up())
        );
        match (created.map_err(DeliveryError::from)?, queued) {
            (Created::New, Ok(())) => {
                let report = self.attempt_unless(suppression, &mut record, claim.won()).await;
                Ok(accepted(report, &record))
            }
            (Created::New, Err(error)) => {
                // Nothing was pushed and nothing will be: the caller's next try need not wait.
                let released = claim.won().released(self.clock.now());
                let given_back =
                    self.deliveries.replace(&mut record, self.clock.now(), |record| record.progress = released).await;
                if let Err(error) = given_back {
                    tracing::warn!(order.id = order_id, %error, "the record could not be given back, it falls due by itself");
                }
                Err(DeliveryError::from(error).into())
            }
            (Created::Exists(old), queued) => self.again(notification, &user, *old, queued.map(|()| bell)).await,
        }
    }

    /// LINE hangs: the order is made durable, and its first push is due after the delay.
    async fn postponed(
        &self,
        notification: &Notification,
        user: &LineUserId,
        bell: Bell,
        queue: &RetryQueue,
    ) -> Result<First, NotDurable> {
        let now = self.clock.now();
        let progress = Progress::postponed(bell, now, &self.settings.pace);
        let body = self.push_body(notification, user, true)?;
        let record = DeliveryRecord::new(notification, Some(user), body, progress, now);
        let (created, queued) = tokio::join!(self.deliveries.create(&record), queue.send(notification, bell));
        match (created.map_err(DeliveryError::from)?, queued) {
            (Created::New, queued) => {
                queued.map_err(DeliveryError::from)?;
                tracing::warn!(
                    order.id = record.order_id,
                    "LINE hangs: the first push is skipped, and due after the delay"
                );
                Ok(accepted(Report::from(&progress), &record))
            }
            (Created::Exists(old), queued) => self.again(notification, user, *old, queued.map(|()| bell)).await,
        }
    }

    /// The order's member is linked to nobody: failed from the start, unless it came before.
    async fn to_nobody(&self, notification: &Notification, queue: &RetryQueue) -> Result<First, NotDurable> {
        let now = self.clock.now();
        let record = DeliveryRecord::new(notification, None, String::new(), Progress::not_linked(now), now);
        match self.deliveries.create(&record).await.map_err(DeliveryError::from)? {
            Created::New => {
                count(&record.progress);
                Ok(accepted(Report::from(&record.progress), &record))
            }
            Created::Exists(old) => {
                if !self.is_about(&old, notification).await? {
                    return Ok(First::Conflict);
                }
                let bell = Bell::new(now);
                let bell = queue.send(notification, bell).await.map(|()| bell);
                self.called_again(*old, bell).await
            }
        }
    }

    /// An order that came before.
    async fn again(
        &self,
        notification: &Notification,
        user: &LineUserId,
        mut record: DeliveryRecord,
        bell: Result<Bell, AwsError>,
    ) -> Result<First, NotDurable> {
        if self.is_about(&record, notification).await? {
            return self.called_again(record, bell).await;
        }
        // Other content is taken where LINE refused the former for good: the customer was told nothing.
        let (Ok(bell), now, pace) = (bell, self.clock.now(), &self.settings.pace) else { return Ok(First::Conflict) };
        if self.breaker.is_open(now) {
            let Some(next) = record.progress.replaced_and_postponed(bell, now, pace) else {
                return Ok(First::Conflict);
            };
            let body = self.push_body(notification, user, true)?;
            let replace = |record: &mut DeliveryRecord| {
                record.address(notification, user);
                (record.progress, record.push_body) = (next, body);
            };
            if !self.deliveries.replace(&mut record, now, replace).await.map_err(DeliveryError::from)? {
                return Err(DeliveryError::Overtaken.into());
            }
            tracing::warn!(order.id = record.order_id, "posted again with other content: due after the delay");
            return Ok(accepted(Report::from(&record.progress), &record));
        }
        let Some(claim) = record.progress.replaced(bell, now, pace, self.keys(&record)) else {
            return Ok(First::Conflict);
        };
        record.address(notification, user);
        match self.claim_and_attempt(&mut record, claim).await? {
            Some(report) => {
                tracing::info!(
                    order.id = record.order_id,
                    "posted again with other content, after LINE had refused it"
                );
                Ok(accepted(report, &record))
            }
            None => Err(DeliveryError::Overtaken.into()),
        }
    }

    /// The same order again. One that is due is pushed now; any other is told as it stands.
    async fn called_again(
        &self,
        mut record: DeliveryRecord,
        bell: Result<Bell, AwsError>,
    ) -> Result<First, NotDurable> {
        let now = self.clock.now();
        let on_call =
            record.progress.called_again(bell.as_ref().ok().copied(), now, &self.settings.pace, self.keys(&record));
        match (on_call, bell) {
            (OnCall::Tell(report), bell) => {
                if let Err(error) = bell {
                    tracing::warn!(order.id = record.order_id, %error, "called again, and no further bell was sent");
                }
                Ok(accepted(report, &record))
            }
            (OnCall::NotDurable, Err(error)) => Err(DeliveryError::from(error).into()),
            (OnCall::NotDurable, Ok(_)) => Err(DeliveryError::Overtaken.into()),
            // LINE hangs, and a bell will ring.
            (OnCall::Claim(_), _) if self.breaker.is_open(now) => Ok(accepted(Report::from(&record.progress), &record)),
            (OnCall::Claim(claim), _) => match self.claim_and_attempt(&mut record, claim).await {
                Ok(Some(report)) => Ok(accepted(report, &record)),
                // Whoever was faster has it.
                Ok(None) => Ok(accepted(Report::not_known(), &record)),
                // A bell was sent, and rings for it.
                Err(error) => {
                    tracing::warn!(order.id = record.order_id, %error, "due, and could not be claimed: a bell will ring");
                    Ok(accepted(Report::not_known(), &record))
                }
            },
        }
    }

    /// A bell rings. What becomes of its message; an error leaves it to the queue.
    pub async fn ring(&self, notification: &Notification, ring: &Ring) -> Result<Fate, DeliveryError> {
        let (order_id, status) = (notification.order_id().as_str(), notification.kind().status());
        for _ in 0..MAX_LOOKS {
            let (now, pace) = (self.clock.now(), &self.settings.pace);
            let Some(mut record) = self.deliveries.get(order_id, status).await? else {
                match self.made_by_bell(notification, ring).await? {
                    Some(fate) => return Ok(fate),
                    None => continue,
                }
            };
            // The call that it belongs to was answered 409, or its order has come again with other content since.
            let is_of_another = !self.is_about(&record, notification).await?;
            let drop = || {
                tracing::warn!(order.id = order_id, "dropped: the record has other content");
                Fate::Delete
            };
            if is_of_another && ring.bell.is_none() {
                return Ok(drop());
            }
            match record.progress.rung(ring, now, pace, self.keys(&record)) {
                OnBell::Fate(Fate::Delete) if is_of_another => return Ok(drop()),
                OnBell::Fate(fate) => return Ok(fate),
                OnBell::Write(next) => {
                    let former = record.progress;
                    if self.deliveries.replace(&mut record, now, |record| record.progress = next).await? {
                        if (former.state(), former.reason()) != (next.state(), next.reason()) {
                            tracing::error!(order.id = order_id, delivery.state = ?next.state(), delivery.reason = ?next.reason(), "given up");
                            count(&next);
                        }
                        return Ok(next.fate(pace));
                    }
                }
                OnBell::Claim(claim) => {
                    if let Some(report) = self.claim_and_attempt(&mut record, claim).await? {
                        tracing::debug!(?report, "rung");
                        return Ok(record.progress.fate(pace));
                    }
                }
            }
        }
        Err(DeliveryError::Overtaken)
    }

    /// No record stands for what the bell carries: its call was answered that the order is not durable, or not at all.
    async fn made_by_bell(&self, notification: &Notification, ring: &Ring) -> Result<Option<Fate>, DeliveryError> {
        let (now, pace) = (self.clock.now(), &self.settings.pace);
        let (order_id, status) = (notification.order_id().as_str(), notification.kind().status());
        let Some(user) = self.line_user(notification).await? else {
            let record = DeliveryRecord::new(notification, None, String::new(), Progress::not_linked(now), now);
            return Ok(match self.deliveries.create(&record).await? {
                Created::New => {
                    count(&record.progress);
                    Some(Fate::Delete)
                }
                Created::Exists(_) => None,
            });
        };
        let claim = Progress::first_by_bell(ring, now, pace, self.settings.key_space.keys(order_id, status));
        let body = self.push_body(notification, &user, true)?;
        let mut record = DeliveryRecord::new(notification, Some(&user), body, *claim.next(), now);
        let created = async {
            match self.deliveries.create(&record).await.map_err(|error| Some(error.into()))? {
                Created::New => Ok(()),
                Created::Exists(_) => Err(None),
            }
        };
        let suppression = async { Ok(self.suppression_until(claim.deadline(), &record).await) };
        let suppression = match tokio::try_join!(created, suppression) {
            Ok(((), suppression)) => suppression,
            Err(None) => return Ok(None),
            Err(Some(error)) => return Err(error),
        };
        tracing::warn!(order.id = order_id, "no record stood for a queued order, it was made now");
        self.attempt_unless(suppression, &mut record, claim.won()).await;
        Ok(Some(record.progress.fate(pace)))
    }

    /// Whom the notification is for; none for a member who is linked to nobody.
    async fn line_user(&self, notification: &Notification) -> Result<Option<LineUserId>, DeliveryError> {
        match notification.recipient() {
            Recipient::LineUser(user) => Ok(Some(user.clone())),
            Recipient::Member(member) => Ok(self.links.line_user_of(member).await?),
        }
    }
}

fn accepted(report: Report, record: &DeliveryRecord) -> First {
    First::Accepted { report, line_request_id: record.request_id().map(str::to_owned) }
}
