//! What an operator does about a delivery: send it again, or give it up.
//!
//! A resend is a new generation: a new retry key and a message made anew, to the LINE user whom the order's recipient is
//! now. It is as durable as a first push: before anything is pushed, the retry queue has a message and the record says
//! what is to come. A crash in between leaves either a copy in the queue that the record does not know, which is dropped,
//! or a pending record whose message heals it.

use serde_json::json;
use uuid::Uuid;

use crate::{
    audit::{Audit, Entry, Kind, Operator},
    aws::error::AwsError,
    delivery::{
        Delivery, DeliveryError,
        queue::RetryQueue,
        record::{DeliveryRecord, Reason, Resendable, State},
    },
    ids::OrderId,
    invalid::Invalid,
    order::{self, FINISH, Order, StatusChange},
};

/// What became of the wish to send an order's message again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resent {
    /// There is no such order.
    Unknown,
    /// It is on its way already, or LINE may have it and nobody insisted; nothing was done.
    Refused(Resendable),
    /// The order's member is linked to no LINE user; nothing was done.
    NotLinked,
    /// It was pushed, and this is where it stands.
    Stands(Box<DeliveryRecord>),
}

impl Delivery {
    /// The record of an order, if there is one.
    pub async fn look_up(&self, order: &OrderId) -> Result<Option<DeliveryRecord>, AwsError> {
        self.deliveries.get(order.as_str(), FINISH).await
    }

    /// What a resend would meet now.
    pub fn resendable(&self, record: &DeliveryRecord) -> Resendable {
        record.resendable(self.clock.now(), self.settings.pace.retry_delay * 2)
    }

    /// The retry key of the record's present generation.
    pub fn retry_key(&self, record: &DeliveryRecord) -> Uuid {
        record.retry_key(&self.settings.environment)
    }

    /// Sends an order's message again. `force`: also where LINE may have it. After an error nothing was pushed.
    pub async fn resend(
        &self,
        id: &OrderId,
        force: bool,
        operator: &Operator,
        queue: &RetryQueue,
        audit: &Audit,
    ) -> Result<Resent, DeliveryError> {
        let deadline = self.deadline();
        let Some(mut record) = self.look_up(id).await? else { return Ok(Resent::Unknown) };
        match self.resendable(&record) {
            Resendable::InFlight => return Ok(Resent::Refused(Resendable::InFlight)),
            Resendable::NeedsForce if !force => return Ok(Resent::Refused(Resendable::NeedsForce)),
            Resendable::NeedsForce | Resendable::Allowed => {}
        }
        let order = kept_order(&record)?;
        let Some(user) = self.line_user(&order).await? else { return Ok(Resent::NotLinked) };
        let now = self.clock.now();
        record.send_again(&user, self.push_body(&order, &user, now)?, operator, force, now);
        record.retry_message_id = queue.send(&order).await?;
        record.claim(now, self.settings.pace.lease);
        let detail = json!({ "generation": record.generation, "force": force });
        let entry = Entry::new(Kind::Resend, id.as_str(), operator, Some(detail), now);
        if !self.deliveries.replace_and_note(&mut record, now, &entry, audit).await? {
            return Ok(Resent::Refused(Resendable::InFlight));
        }
        let obstacle = self.obstacle(&record).await;
        self.attempt(&mut record, obstacle, false, deadline, false).await;
        Ok(Resent::Stands(Box::new(record)))
    }

    /// Gives up an order whose dead letter is discarded, unless something else still delivers it. The state it is in then.
    pub async fn give_up(&self, order: &Order) -> Result<Option<State>, AwsError> {
        loop {
            let Some(mut record) = self.look_up(&order.id).await? else { return Ok(None) };
            let waits = !record.state.is_settled() && self.resendable(&record) != Resendable::InFlight;
            if !waits || !record.is_about(order) {
                return Ok(Some(record.state));
            }
            record.settle(State::Failed, Some(Reason::Discarded));
            if self.deliveries.replace(&mut record, self.clock.now()).await? {
                return Ok(Some(record.state));
            }
        }
    }
}

/// The order as the record keeps it.
pub fn kept_order(record: &DeliveryRecord) -> Result<Order, Invalid> {
    match order::parse_bytes(record.order.as_bytes()) {
        Ok(StatusChange::Finished(order)) => Ok(*order),
        _ => Err("its order was kept by a version that took what this one does not".into()),
    }
}
