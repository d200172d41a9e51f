//! A person is forgotten: what the deliveries keep of somebody is taken away.
//!
//! An open delivery is settled by it, `failed`, `discarded`: nothing is pushed any more. What stays of a record is the
//! order's id, where it stands and when, and a keyed hash of what was to be told, by which the same order is recognised
//! if it is posted again: it is answered as it stands. Bells and letters of such a record are left over.
//!
//! Who is forgotten and had blocked the account is still not pushed to: a keyed hash says so.

use tokio::time::Instant;

use crate::{
    aws::{
        error::{AwsError, Doing as _},
        table::{string, string_of},
    },
    customer::{friend::Belief, pseudonym::Pseudonyms},
    delivery::{Delivery, DeliveryError, MAX_LOOKS, attempt::count, record::DeliveryRecord, table::Deliveries},
    ids::{LineUserId, MemberId},
    notification::Notification,
    order::Recipient,
};

/// What became of a person's deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// How many records were emptied.
    pub count: u64,
    /// Whether time ran out: the same call again goes on.
    pub more: bool,
}

/// Whose deliveries the index `by_person` lists together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonKey(String);

impl PersonKey {
    /// Those that went to this LINE user.
    pub fn of_user(user: &LineUserId) -> Self {
        Self(user.as_str().to_owned())
    }

    /// Those of a member who was linked to nobody then.
    pub fn of_member(member: &MemberId) -> Self {
        Self(format!("member#{member}"))
    }

    /// Under which key a record is listed; none of one that was emptied.
    pub(super) fn of_record(record: &DeliveryRecord) -> Option<Self> {
        match &record.line_user_id {
            Some(user) => Some(Self(user.clone())),
            None => match record.notification()?.recipient() {
                Recipient::Member(member) => Some(Self::of_member(member)),
                Recipient::LineUser(user) => Some(Self::of_user(user)),
            },
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deliveries {
    /// Order's id and status of a person's records.
    async fn keys_of(&self, person: &PersonKey) -> Result<Vec<(String, String)>, AwsError> {
        const READ: &str = "find the person's deliveries";
        let mut items = self
            .table
            .query()
            .index_name("by_person")
            .key_condition_expression("person = :person")
            .expression_attribute_values(":person", string(person.as_str()))
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.doing(READ)?;
            let part = |name| string_of(&item, name).map(str::to_owned);
            found.extend(part("order_id").zip(part("status")));
        }
        Ok(found)
    }

    /// A person's records, in no order.
    pub async fn of_person(&self, person: &PersonKey) -> Result<Vec<DeliveryRecord>, AwsError> {
        let mut records = Vec::new();
        for (order_id, status) in self.keys_of(person).await? {
            records.extend(self.get(&order_id, &status).await?);
        }
        Ok(records)
    }
}

impl Delivery {
    /// What stands for persons who are forgotten.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// Empties a person's records, until this time.
    pub async fn erase(&self, person: &PersonKey, until: Instant) -> Result<Erased, DeliveryError> {
        let mut erased = Erased::default();
        for (order_id, status) in self.deliveries.keys_of(person).await? {
            if Instant::now() >= until {
                return Ok(Erased { more: true, ..erased });
            }
            erased.count += u64::from(self.erase_one(&order_id, &status).await?);
        }
        Ok(erased)
    }

    async fn erase_one(&self, order_id: &str, status: &str) -> Result<bool, DeliveryError> {
        for _ in 0..MAX_LOOKS {
            let now = self.clock.now();
            let Some(mut record) = self.deliveries.get(order_id, status).await? else { return Ok(false) };
            let former = record.progress;
            let Some(next) = former.erased(now) else { return Ok(false) };
            let content_hash = self.pseudonyms.of_content(&record.content()).await?;
            if self.deliveries.replace(&mut record, now, |record| record.empty(next, content_hash)).await? {
                if former.state() != next.state() {
                    count(&next);
                }
                return Ok(true);
            }
        }
        Err(DeliveryError::Overtaken)
    }

    /// Whether a record was made for this, also where nothing but a hash of that is left.
    pub(super) async fn is_about(
        &self,
        record: &DeliveryRecord,
        notification: &Notification,
    ) -> Result<bool, DeliveryError> {
        let Some(kept) = &record.content_hash else { return Ok(record.is_about(notification)) };
        Ok(*kept == self.pseudonyms.of_content(&notification.to_json().to_string()).await?)
    }

    /// What is believed of a user, also of one who was forgotten.
    pub(super) async fn belief(&self, user: &LineUserId) -> Result<Option<Belief>, DeliveryError> {
        let pseudonym = self.pseudonyms.of_user(user).await?;
        Ok(self.friends.get(user, &pseudonym).await?)
    }
}
