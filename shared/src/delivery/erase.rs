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
        table::{key, string, string_of},
    },
    customer::{friend::Belief, pseudonym::Pseudonyms},
    delivery::{Delivery, DeliveryError, MAX_LOOKS, attempt::count, record::DeliveryRecord, table::Deliveries},
    ids::{LineUserId, MemberId},
    notification::Notification,
    order::Recipient,
};

/// How many of a person's records are looked for at a time.
const AT_ONCE: i32 = 100;

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

/// Deliveries of a person: all under a key, or of them those whose order names a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfPerson {
    /// Under which key.
    pub key: PersonKey,
    /// Whom the order names, where the others under the key are not this person's.
    pub naming: Option<MemberId>,
}

/// Order's id and status of a record.
pub type RecordKey = (String, String);

impl OfPerson {
    fn has(&self, record: &DeliveryRecord) -> bool {
        let Some(member) = &self.naming else { return true };
        record.notification().is_some_and(|one| *one.recipient() == Recipient::Member(member.clone()))
    }
}

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
    /// Up to so many of a person's records, in no order, from after this one on; and whether more follow.
    async fn keys_of(
        &self,
        person: &PersonKey,
        limit: i32,
        after: Option<&RecordKey>,
    ) -> Result<(Vec<RecordKey>, bool), AwsError> {
        let after = after
            .map(|(order_id, status)| key([("person", person.as_str()), ("order_id", order_id), ("status", status)]));
        let query = self
            .table
            .query()
            .index_name("by_person")
            .key_condition_expression("person = :person")
            .expression_attribute_values(":person", string(person.as_str()))
            .limit(limit)
            .set_exclusive_start_key(after);
        let page = query.send().await.doing("find the person's deliveries")?;
        let part = |item, name| string_of(item, name).map(str::to_owned);
        let items = page.items.unwrap_or_default();
        let keys = items.iter().filter_map(|item| part(item, "order_id").zip(part(item, "status"))).collect();
        Ok((keys, page.last_evaluated_key.is_some()))
    }

    /// Up to so many of a person's records, in no order, from after this one on, without those
    /// that are not the person's; and the key after which more follow.
    pub async fn of_person(
        &self,
        person: &OfPerson,
        limit: i32,
        after: Option<&RecordKey>,
    ) -> Result<(Vec<DeliveryRecord>, Option<RecordKey>), AwsError> {
        let (keys, more) = self.keys_of(&person.key, limit, after).await?;
        let mut records = Vec::new();
        for (order_id, status) in &keys {
            records.extend(self.get(order_id, status).await?.filter(|record| person.has(record)));
        }
        Ok((records, keys.into_iter().next_back().filter(|_| more)))
    }
}

impl Delivery {
    /// What stands for persons who are forgotten.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// Empties a person's records, until this time.
    pub async fn erase(&self, person: &OfPerson, until: Instant) -> Result<Erased, DeliveryError> {
        let (mut erased, mut after) = (Erased::default(), None);
        loop {
            let (keys, more) = self.deliveries.keys_of(&person.key, AT_ONCE, after.as_ref()).await?;
            for record in &keys {
                if Instant::now() >= until {
                    return Ok(Erased { more: true, ..erased });
                }
                erased.count += u64::from(self.erase_one(person, record).await?);
            }
            match keys.into_iter().next_back().filter(|_| more) {
                Some(last) => after = Some(last),
                None => return Ok(erased),
            }
        }
    }

    async fn erase_one(&self, person: &OfPerson, (order_id, status): &RecordKey) -> Result<bool, DeliveryError> {
        for _ in 0..MAX_LOOKS {
            let now = self.clock.now();
            let record = self.deliveries.get(order_id, status).await?;
            let Some(mut record) = record.filter(|record| person.has(record)) else { return Ok(false) };
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
