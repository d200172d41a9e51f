//! What an operator does about a delivery: send it again, or give it up with its dead letter.

use serde_json::json;
use uuid::Uuid;

use crate::{
    audit::{Audit, AuditKind, Entry, Operator},
    delivery::{
        Delivery, DeliveryError, NotDurable,
        attempt::count,
        bell::{Bell, Ring},
        queue::RetryQueue,
        record::DeliveryRecord,
        state::{Letter, OnDiscard, Resendable, State},
    },
    ids::OrderId,
    notification::{Notification, NotificationKind},
    order::fields::FieldError,
};

/// What became of the wish to send an order's message again.
#[derive(Debug)]
pub enum Resent {
    /// There is no such order.
    Unknown,
    /// It is on its way already, or LINE may have it and nobody insisted; nothing was done.
    Refused(Resendable),
    /// The order's member is linked to no LINE user; nothing was done.
    NotLinked,
    /// The correction is none.
    Wrong(Vec<FieldError>),
    /// It was pushed, and this is where it stands.
    Pushed(Box<DeliveryRecord>),
}

/// What became of the wish to discard a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// The message may be deleted. Where its order stands, if there is one.
    Delete(Option<State>),
    /// Its order is on its way: nothing may be done before this time.
    Refused {
        /// When it is worth another try.
        until: time::OffsetDateTime,
    },
}

impl Delivery {
    /// The record of an order, if there is one.
    pub async fn look_up(&self, order: &OrderId) -> Result<Option<DeliveryRecord>, DeliveryError> {
        Ok(self.deliveries.get(order.as_str(), NotificationKind::OrderFinished.status()).await?)
    }

    /// What a resend would meet now.
    pub fn resendable(&self, record: &DeliveryRecord) -> Resendable {
        record.progress.resendable(self.clock.now(), &self.settings.pace)
    }

    /// The retry key of the record's present generation.
    pub fn retry_key(&self, record: &DeliveryRecord) -> Uuid {
        record.progress.retry_key(self.keys(record))
    }

    /// Sends an order's message again, to whoever its recipient is now. `force`: also where LINE may have it, and where
    /// the recipient is believed not to be a friend; LINE takes, and does not deliver, what goes to who blocked.
    /// `correction`: fields of the order, in the order system's form, that take the place of those it came with.
    pub async fn resend(
        &self,
        id: &OrderId,
        force: bool,
        correction: Option<&serde_json::Map<String, serde_json::Value>>,
        operator: &Operator,
        queue: &RetryQueue,
        audit: &Audit,
    ) -> Result<Resent, NotDurable> {
        let Some(mut record) = self.look_up(id).await? else { return Ok(Resent::Unknown) };
        match self.resendable(&record) {
            refused @ (Resendable::InFlight | Resendable::Erased) => return Ok(Resent::Refused(refused)),
            Resendable::NeedsForce if !force => return Ok(Resent::Refused(Resendable::NeedsForce)),
            Resendable::NeedsForce | Resendable::Allowed => {}
        }
        let stored = record.notification().ok_or(DeliveryError::Unreadable)?;
        let notification = match correction.map(|fields| stored.corrected(fields)) {
            None => stored,
            Some(Ok(corrected)) => corrected,
            Some(Err(errors)) => return Ok(Resent::Wrong(errors)),
        };
        let Some(user) = self.line_user(&notification).await? else { return Ok(Resent::NotLinked) };
        let now = self.clock.now();
        let bell = Bell::new(now);
        let claim = match record.progress.resent(bell, force, now, &self.settings.pace, self.keys(&record)) {
            Ok(claim) => claim,
            Err(refused) => return Ok(Resent::Refused(refused)),
        };
        let body = self.push_body(&notification, &user, true)?;
        queue.send(&notification, bell).await.map_err(DeliveryError::from)?;
        let mut detail = json!({ "generation": claim.next().generation(), "force": force });
        if let Some(fields) = correction {
            detail["corrected"] = fields.keys().cloned().collect();
        }
        let entry = Entry::new(AuditKind::Resend, id.as_str(), operator, Some(detail), now);
        let resend = |record: &mut DeliveryRecord| {
            record.address(&notification, &user);
            record.claim(&claim, Some(body));
            record.list_resend(operator, force, None, now);
        };
        let written = self.deliveries.replace_and_note(&mut record, now, resend, &entry, audit).await;
        if !written.map_err(DeliveryError::from)? {
            return Ok(Resent::Refused(Resendable::InFlight));
        }
        self.attempt(&mut record, claim.won()).await;
        Ok(Resent::Pushed(Box::new(record)))
    }

    /// What a message of the dead-letter queue is to its order; none where no record stands.
    pub async fn letter(&self, notification: &Notification, ring: &Ring) -> Result<Option<Letter>, DeliveryError> {
        let record = self.look_up(notification.order_id()).await?;
        Ok(record.map(|record| record.progress.letter(ring, &self.settings.pace)))
    }

    /// Gives up an order whose dead letter is discarded, unless it is on its way.
    pub async fn discard(&self, notification: &Notification, ring: &Ring) -> Result<Discarded, DeliveryError> {
        loop {
            let now = self.clock.now();
            let Some(mut record) = self.look_up(notification.order_id()).await? else {
                return Ok(Discarded::Delete(None));
            };
            match record.progress.discarded(ring, now, &self.settings.pace) {
                OnDiscard::Delete => return Ok(Discarded::Delete(Some(record.progress.state()))),
                OnDiscard::Refuse { until } => return Ok(Discarded::Refused { until }),
                OnDiscard::GiveUp(next) => {
                    if self.deliveries.replace(&mut record, now, |record| record.progress = next).await? {
                        count(&next);
                        return Ok(Discarded::Delete(Some(next.state())));
                    }
                }
            }
        }
    }
}
