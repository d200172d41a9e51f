//! Which LINE user a member of the company is: made at a login, read when an order names a member, ended by
//! [`crate::customer::unlink`].
//!
//! Two items a link in the links' table: `member#<member id>` names the LINE user, `line#<user id>` names the member. A
//! member has one LINE user and a LINE user one member: the latest login wins, and what it replaces is removed in the
//! same transaction. Every part of the transaction is conditional on what was read before, so that of two logins at a
//! time one is made after the other, and no half of a link is ever left behind.
//!
//! The member's item keeps the user's access token, sealed, because LINE wants it back at the end of the grant.

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    primitives::Blob,
    types::{AttributeValue, Delete, Put, TransactWriteItem},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    aws::error::told,
    ids::{LineUserId, MemberId},
    token::{access::AccessToken, sealing::SealingKey},
};

/// Logins of the same people at a time are made one after the other; this many times one may come too late.
const MAX_TRIES: usize = 6;

/// The table of links.
#[derive(Debug)]
pub struct Links {
    table: Client,
    table_name: String,
}

/// A link as a login makes it.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// The member.
    pub member: MemberId,
    /// The LINE user that logged in.
    pub user: LineUserId,
    /// When.
    pub linked_at: OffsetDateTime,
    /// The user's token, for the end of the grant.
    pub token: AccessToken,
    /// When that token ends.
    pub token_expires_at: OffsetDateTime,
}

/// What a new link took the place of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// The member had another LINE user.
    pub other_user: bool,
    /// The LINE user had another member.
    pub other_member: bool,
}

/// A link with what ends it.
#[derive(Clone, Debug)]
pub struct Link {
    /// The LINE user.
    pub user: LineUserId,
    /// The user's token; `None` where it has expired, or where the channel's secret has changed.
    pub token: Option<AccessToken>,
}

impl Links {
    /// The table of this name.
    pub fn new(table: Client, table_name: String) -> Self {
        Self { table, table_name }
    }

    /// The LINE user of this member; `None` for one that is not linked.
    pub async fn line_user_of(&self, member: &MemberId) -> Result<Option<LineUserId>, String> {
        match self.read(&member_key(member)).await? {
            None => Ok(None),
            Some(item) => line_user(&item).map(Some),
        }
    }

    /// The member of this LINE user; `None` for one that is not linked.
    pub async fn member_of(&self, user: &LineUserId) -> Result<Option<MemberId>, String> {
        match self.read(&user_key(user)).await? {
            None => Ok(None),
            Some(item) => MemberId::parse(text(&item, "member_id")?)
                .map(Some)
                .map_err(|problem| format!("the link's member_id {problem}")),
        }
    }

    /// The link of this member with the token that ends its grant.
    pub async fn get(&self, member: &MemberId, key: &SealingKey, now: OffsetDateTime) -> Result<Option<Link>, String> {
        let id = member_key(member);
        let Some(item) = self.read(&id).await? else { return Ok(None) };
        let sealed = item.get("sealed_token").and_then(|sealed| sealed.as_b().ok());
        let expires_at = item.get("token_expires_at").and_then(|at| at.as_n().ok()?.parse::<i64>().ok());
        let token = sealed
            .filter(|_| expires_at.is_some_and(|at| at > now.unix_timestamp()))
            .and_then(|sealed| key.open(&id, sealed.as_ref()))
            .map(AccessToken::new);
        Ok(Some(Link { user: line_user(&item)?, token }))
    }

    /// Makes a link, in the place of any other of this member and of this LINE user.
    pub async fn put(&self, link: &NewLink, key: &SealingKey) -> Result<Replaced, String> {
        for _ in 0..MAX_TRIES {
            let (user, member) = tokio::try_join!(self.line_user_of(&link.member), self.member_of(&link.user))?;
            let former_user = user.as_ref().filter(|user| **user != link.user);
            let former_member = member.as_ref().filter(|member| **member != link.member);
            let mut steps = vec![
                self.put_unless_changed(
                    self.member_item(link, key)?,
                    ("line_user_id", user.as_ref().map(LineUserId::as_str)),
                ),
                self.put_unless_changed(
                    Put::builder()
                        .item("id", AttributeValue::S(user_key(&link.user)))
                        .item("member_id", AttributeValue::S(link.member.as_str().to_owned())),
                    ("member_id", member.as_ref().map(MemberId::as_str)),
                ),
            ];
            steps.extend(former_user.map(|user| self.delete_if(user_key(user), "member_id", link.member.as_str())));
            steps.extend(
                former_member.map(|member| self.delete_if(member_key(member), "line_user_id", link.user.as_str())),
            );
            if self.write(steps).await? {
                return Ok(Replaced { other_user: former_user.is_some(), other_member: former_member.is_some() });
            }
        }
        Err(format!("the link could not be written: it changed {MAX_TRIES} times meanwhile"))
    }

    /// Removes both sides of a link; false where it is not this one any more.
    pub async fn remove(&self, member: &MemberId, user: &LineUserId) -> Result<bool, String> {
        self.write(vec![
            self.delete_if(member_key(member), "line_user_id", user.as_str()),
            self.delete_if(user_key(user), "member_id", member.as_str()),
        ])
        .await
    }

    async fn read(&self, id: &str) -> Result<Option<Item>, String> {
        let answer = self
            .table
            .get_item()
            .table_name(&self.table_name)
            .key("id", AttributeValue::S(id.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| format!("the link could not be read: {}", told(&error)))?;
        Ok(answer.item)
    }

    fn member_item(
        &self,
        link: &NewLink,
        key: &SealingKey,
    ) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, String> {
        let id = member_key(&link.member);
        let sealed = key.seal(&id, link.token.reveal());
        let linked_at = link.linked_at.format(&Rfc3339).map_err(|error| format!("the link's time: {error}"))?;
        let expires_at = link.token_expires_at.unix_timestamp().to_string();
        Ok(Put::builder()
            .item("id", AttributeValue::S(id))
            .item("line_user_id", AttributeValue::S(link.user.as_str().to_owned()))
            .item("linked_at", AttributeValue::S(linked_at))
            .item("sealed_token", AttributeValue::B(Blob::new(sealed)))
            .item("token_expires_at", AttributeValue::N(expires_at)))
    }

    /// Puts an item if the one in its place still has this value, or is still absent.
    fn put_unless_changed(
        &self,
        put: aws_sdk_dynamodb::types::builders::PutBuilder,
        (name, read): (&str, Option<&str>),
    ) -> TransactWriteItem {
        let put = put.table_name(&self.table_name);
        let put = match read {
            None => put.condition_expression("attribute_not_exists(id)"),
            Some(value) => put
                .condition_expression("#name = :read")
                .expression_attribute_names("#name", name)
                .expression_attribute_values(":read", AttributeValue::S(value.to_owned())),
        };
        TransactWriteItem::builder().put(put.build().expect("a table and an item")).build()
    }

    /// Deletes an item that still has this value; one that is gone is well, too.
    fn delete_if(&self, id: String, name: &str, value: &str) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table_name)
            .key("id", AttributeValue::S(id))
            .condition_expression("attribute_not_exists(id) OR #name = :value")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", AttributeValue::S(value.to_owned()));
        TransactWriteItem::builder().delete(delete.build().expect("a table and a key")).build()
    }

    /// Writes all or nothing; false where something has changed since it was read.
    async fn write(&self, steps: Vec<TransactWriteItem>) -> Result<bool, String> {
        match self.table.transact_write_items().set_transact_items(Some(steps)).send().await {
            Ok(_) => Ok(true),
            Err(error) if overtaken(&error) => Ok(false),
            Err(error) => Err(format!("the link could not be written: {}", told(&error))),
        }
    }
}

type Item = std::collections::HashMap<String, AttributeValue>;

/// Whether a transaction failed because of another one, and of nothing else.
fn overtaken<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
            canceled.cancellation_reasons().iter().all(|reason| {
                matches!(reason.code(), None | Some("None" | "ConditionalCheckFailed" | "TransactionConflict"))
            })
        }
        _ => false,
    }
}

fn member_key(member: &MemberId) -> String {
    format!("member#{member}")
}

fn user_key(user: &LineUserId) -> String {
    format!("line#{}", user.as_str())
}

fn text<'a>(item: &'a Item, name: &str) -> Result<&'a str, String> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(format!("the link's {name} must be text (S)")),
    }
}

fn line_user(item: &Item) -> Result<LineUserId, String> {
    LineUserId::parse(text(item, "line_user_id")?).map_err(|problem| format!("the link's line_user_id {problem}"))
}
