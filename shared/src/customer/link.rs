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
    primitives::Blob,
    types::{AttributeValue, TransactWriteItem},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Item, Table, item, key, number, number_of, string, string_of},
    },
    ids::{LineUserId, MemberId},
    invalid::Invalid,
    token::{access::AccessToken, sealing::SealingKey},
};

/// Logins of the same people at a time are made one after the other; this many times one may come too late.
const MAX_TRIES: usize = 6;
const READ: &str = "read the link";
const WRITE: &str = "write the link";

/// The table of links.
#[derive(Debug)]
pub struct Links {
    table: Table,
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
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// The LINE user of this member; `None` for one that is not linked.
    pub async fn line_user_of(&self, member: &MemberId) -> Result<Option<LineUserId>, AwsError> {
        self.read(&member_key(member)).await?.as_ref().map(line_user).transpose()
    }

    /// The member of this LINE user; `None` for one that is not linked.
    pub async fn member_of(&self, user: &LineUserId) -> Result<Option<MemberId>, AwsError> {
        let item = self.read(&user_key(user)).await?;
        item.as_ref().map(|item| id_of(item, "member_id", MemberId::parse)).transpose()
    }

    /// The link of this member with the token that ends its grant.
    pub async fn get(
        &self,
        member: &MemberId,
        key: &SealingKey,
        now: OffsetDateTime,
    ) -> Result<Option<Link>, AwsError> {
        let id = member_key(member);
        let Some(item) = self.read(&id).await? else { return Ok(None) };
        let sealed = item.get("sealed_token").and_then(|sealed| sealed.as_b().ok());
        let token = sealed
            .filter(|_| number_of(&item, "token_expires_at").is_some_and(|at| at > now.unix_timestamp()))
            .and_then(|sealed| key.open(&id, sealed.as_ref()))
            .map(AccessToken::new);
        Ok(Some(Link { user: line_user(&item)?, token }))
    }

    /// Makes a link, in the place of any other of this member and of this LINE user.
    pub async fn put(&self, link: &NewLink, key: &SealingKey) -> Result<Replaced, AwsError> {
        let (member_item, user_item) = items(link, key);
        for _ in 0..MAX_TRIES {
            let (user, member) = tokio::try_join!(self.line_user_of(&link.member), self.member_of(&link.user))?;
            let former_user = user.as_ref().filter(|user| **user != link.user);
            let former_member = member.as_ref().filter(|member| **member != link.member);
            let mut steps = vec![
                self.put_unless_changed(&member_item, "line_user_id", user.as_ref().map(LineUserId::as_str)),
                self.put_unless_changed(&user_item, "member_id", member.as_ref().map(MemberId::as_str)),
            ];
            steps.extend(former_user.map(|user| self.delete_if(user_key(user), "member_id", link.member.as_str())));
            steps.extend(
                former_member.map(|member| self.delete_if(member_key(member), "line_user_id", link.user.as_str())),
            );
            if self.table.transact(steps).await.doing(WRITE)?.is_written() {
                return Ok(Replaced { other_user: former_user.is_some(), other_member: former_member.is_some() });
            }
        }
        Err(Cause::Overtaken).doing(WRITE)
    }

    /// Removes both sides of a link; false where it is not this one any more.
    pub async fn remove(&self, member: &MemberId, user: &LineUserId) -> Result<bool, AwsError> {
        let steps = vec![
            self.delete_if(member_key(member), "line_user_id", user.as_str()),
            self.delete_if(user_key(user), "member_id", member.as_str()),
        ];
        Ok(self.table.transact(steps).await.doing(WRITE)?.is_written())
    }

    async fn read(&self, id: &str) -> Result<Option<Item>, AwsError> {
        self.table.get(key([("id", id)])).await.doing(READ)
    }

    /// Puts an item if the one in its place still has this value, or is still absent.
    fn put_unless_changed(&self, item: &Item, name: &str, read: Option<&str>) -> TransactWriteItem {
        let put = self.table.put(item.clone());
        match read {
            None => put.when("attribute_not_exists(id)"),
            Some(value) => put.when(format!("{name} = :read")).value(":read", string(value)),
        }
        .step()
    }

    /// Deletes an item that still has this value; one that is gone is well, too.
    fn delete_if(&self, id: String, name: &str, value: &str) -> TransactWriteItem {
        let delete = self.table.delete(key([("id", &id)]));
        delete.when(format!("attribute_not_exists(id) OR {name} = :value")).value(":value", string(value)).step()
    }
}

/// The member's item and the LINE user's.
fn items(link: &NewLink, key: &SealingKey) -> (Item, Item) {
    let id = member_key(&link.member);
    let sealed = key.seal(&id, link.token.reveal());
    let member = item([
        ("id", string(id)),
        ("line_user_id", string(link.user.as_str())),
        ("linked_at", string(link.linked_at.format(&Rfc3339).unwrap_or_default())),
        ("sealed_token", AttributeValue::B(Blob::new(sealed))),
        ("token_expires_at", number(link.token_expires_at.unix_timestamp())),
    ]);
    let user = item([("id", string(user_key(&link.user))), ("member_id", string(link.member.as_str()))]);
    (member, user)
}

fn member_key(member: &MemberId) -> String {
    format!("member#{member}")
}

fn user_key(user: &LineUserId) -> String {
    format!("line#{}", user.as_str())
}

fn line_user(item: &Item) -> Result<LineUserId, AwsError> {
    id_of(item, "line_user_id", LineUserId::parse)
}

fn id_of<T>(item: &Item, name: &str, parse: fn(&str) -> Result<T, Invalid>) -> Result<T, AwsError> {
    let id = string_of(item, name).ok_or(Invalid::from("must be text (S)")).and_then(parse);
    id.doing(format!("read the link's {name}"))
}
