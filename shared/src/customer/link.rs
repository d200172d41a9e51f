//! Which LINE user a member of the company is: made at a login, read when an order names a member, ended by
//! [`crate::customer::unlink`].
//!
//! Two items a link in the links' table: `member#<member id>` names the LINE user, `line#<user id>` names the member. A
//! member has one LINE user and a LINE user one member: a new link takes the place of the former ones, if its
//! maker says that it may, and what it replaces is removed in the same transaction. Every part of the transaction
//! is conditional on what was read before, so that of two logins at a time one is made after the other, and no
//! half of a link is ever left behind.
//!
//! A link that ended is remembered on both sides, `former#member#<member id>` and `former#line#<user id>`, for as long
//! as a delivery is kept: by it a person's orders are found from the time when the member was linked to nobody, or to
//! this LINE user. It is written in the transaction that ends the link, and says nothing to an order.
//!
//! The member's item keeps the user's tokens, sealed, because LINE wants one back at the end of the grant: the access
//! token for its thirty days, the refresh token for ninety.

use aws_sdk_dynamodb::{
    Client,
    primitives::Blob,
    types::{AttributeValue, TransactWriteItem},
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Item, Table, item, key, number, number_of, set_of, string, string_of},
    },
    ids::{LineUserId, MemberId},
    invalid::Invalid,
    token::{
        access::{AccessToken, RefreshToken},
        sealing::SealingKey,
    },
};

/// Logins of the same people at a time are made one after the other; this many times one may come too late.
const MAX_TRIES: usize = 6;
/// The set of those whom somebody was linked to.
const FORMER: &str = "former";
const READ: &str = "read the link";
const WRITE: &str = "write the link";

/// The table of links.
#[derive(Debug)]
pub struct Links {
    table: Table,
    /// How long an ended link is remembered.
    memory: Duration,
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
    /// The user's access token, for the end of the grant.
    pub token: AccessToken,
    /// When that token ends.
    pub token_expires_at: OffsetDateTime,
    /// Gives another one, where LINE gave it.
    pub refresh_token: Option<RefreshToken>,
    /// When that one ends.
    pub refresh_expires_at: OffsetDateTime,
}

/// What a new link takes the place of.
#[derive(Clone, Debug, Default)]
pub struct Replaced {
    /// The member's other LINE user, with what ends its grant.
    pub user: Option<Link>,
    /// The LINE user's other member.
    pub member: Option<MemberId>,
    /// The access token of an earlier login of the same LINE user, where it is another one and still valid.
    pub earlier_token: Option<AccessToken>,
}

/// What came of a new link.
#[derive(Clone, Debug)]
pub enum Linking {
    /// It is made.
    Made(Replaced),
    /// It would take the place of this, and may not; nothing is written.
    Declined(Replaced),
}

/// A link with what ends it.
#[derive(Clone, Debug)]
pub struct Link {
    /// The LINE user.
    pub user: LineUserId,
    /// The user's tokens.
    pub tokens: KeptTokens,
}

/// A user's tokens as far as they are good for something: neither has expired, and the channel's secret is still the
/// one that they were sealed under.
#[derive(Clone, Debug, Default)]
pub struct KeptTokens {
    /// Acts for the user.
    pub access: Option<AccessToken>,
    /// Gives another one.
    pub refresh: Option<RefreshToken>,
}

impl Links {
    /// The table of this name; a link that ended is remembered for so long.
    pub fn new(client: Client, name: String, memory: Duration) -> Self {
        Self { table: Table::new(client, name), memory }
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

    /// Since when this member is linked, as RFC 3339 has it.
    pub async fn linked_since(&self, member: &MemberId) -> Result<Option<String>, AwsError> {
        let item = self.read(&member_key(member)).await?;
        Ok(item.as_ref().and_then(|item| string_of(item, "linked_at")).map(str::to_owned))
    }

    /// The link of this member with the tokens that end its grant.
    pub async fn get(
        &self,
        member: &MemberId,
        key: &SealingKey,
        now: OffsetDateTime,
    ) -> Result<Option<Link>, AwsError> {
        let item = self.read(&member_key(member)).await?;
        item.map(|item| kept_link(&item, member, key, now)).transpose()
    }

    /// Makes a link, in the place of any other of this member and of this LINE user. `with` is told what that is, and
    /// says which steps are to be written in one transaction with it; `None`: it may not be made.
    pub async fn put(
        &self,
        link: &NewLink,
        key: &SealingKey,
        with: impl Fn(&Replaced) -> Result<Option<Vec<TransactWriteItem>>, AwsError>,
    ) -> Result<Linking, AwsError> {
        let (member_item, user_item) = items(link, key);
        for _ in 0..MAX_TRIES {
            let (former, member) =
                tokio::try_join!(self.get(&link.member, key, link.linked_at), self.member_of(&link.user))?;
            let user = former.as_ref().map(|former| former.user.clone());
            let former_member = member.clone().filter(|member| *member != link.member);
            let earlier = match (&former, &former_member) {
                (Some(same), _) if same.user == link.user => Some(same.clone()),
                (_, Some(member)) => self.get(member, key, link.linked_at).await?,
                _ => None,
            };
            let earlier_token = earlier.filter(|earlier| earlier.user == link.user).and_then(|link| link.tokens.access);
            let replaced = Replaced {
                user: former.filter(|former| former.user != link.user),
                member: former_member,
                earlier_token: earlier_token.filter(|token| *token != link.token),
            };
            let Some(more) = with(&replaced)? else { return Ok(Linking::Declined(replaced)) };
            let mut steps = vec![
                self.put_unless_changed(&member_item, "line_user_id", user.as_ref().map(LineUserId::as_str)),
                self.put_unless_changed(&user_item, "member_id", member.as_ref().map(MemberId::as_str)),
            ];
            if let Some(Link { user, .. }) = &replaced.user {
                steps.push(self.delete_if(user_key(user), "member_id", link.member.as_str()));
                steps.extend(self.remember(&link.member, user, link.linked_at));
            }
            if let Some(member) = &replaced.member {
                steps.push(self.delete_if(member_key(member), "line_user_id", link.user.as_str()));
                steps.extend(self.remember(member, &link.user, link.linked_at));
            }
            steps.extend(more);
            if self.table.transact(steps).await.doing(WRITE)?.is_written() {
                return Ok(Linking::Made(replaced));
            }
        }
        Err(Cause::Overtaken).doing(WRITE)
    }

    /// Removes both sides of a link; false where it is not this one any more.
    pub async fn remove(&self, member: &MemberId, user: &LineUserId, now: OffsetDateTime) -> Result<bool, AwsError> {
        let mut steps = vec![
            self.delete_if(member_key(member), "line_user_id", user.as_str()),
            self.delete_if(user_key(user), "member_id", member.as_str()),
        ];
        steps.extend(self.remember(member, user, now));
        Ok(self.table.transact(steps).await.doing(WRITE)?.is_written())
    }

    /// The members whom this LINE user was linked to, and who have no other one now.
    pub async fn former_members_of(&self, user: &LineUserId) -> Result<Vec<MemberId>, AwsError> {
        let mut members = Vec::new();
        for former in self.former(&user_key(user), MemberId::parse).await? {
            if self.line_user_of(&former).await?.is_none_or(|now| now == *user) {
                members.push(former);
            }
        }
        Ok(members)
    }

    /// The LINE users whom this member was linked to, and is not any more.
    pub async fn former_users_of(&self, member: &MemberId) -> Result<Vec<LineUserId>, AwsError> {
        let side = member_key(member);
        let (mut former, now) = tokio::try_join!(self.former(&side, LineUserId::parse), self.line_user_of(member))?;
        former.retain(|user| now.as_ref() != Some(user));
        Ok(former)
    }

    /// Forgets with whom a LINE user was linked, on both sides.
    pub async fn forget_former_of_user(&self, user: &LineUserId) -> Result<(), AwsError> {
        let members = self.former(&user_key(user), MemberId::parse).await?;
        self.forget_former(user_key(user), members.iter().map(member_key).collect()).await
    }

    /// Forgets with whom a member was linked, on both sides.
    pub async fn forget_former_of_member(&self, member: &MemberId) -> Result<(), AwsError> {
        let users = self.former(&member_key(member), LineUserId::parse).await?;
        self.forget_former(member_key(member), users.iter().map(user_key).collect()).await
    }

    /// The other sides first: as long as this one stands, the same call again knows them.
    async fn forget_former(&self, side: String, others: Vec<String>) -> Result<(), AwsError> {
        for other in others {
            let update = self.table.update(key([("id", &former_key(&other))])).take_from_set(FORMER, &side);
            update.when("attribute_exists(id)").send().await.doing(WRITE)?;
        }
        self.table.transact(vec![self.table.delete(key([("id", &former_key(&side))])).step()]).await.doing(WRITE)?;
        Ok(())
    }

    async fn former<T>(&self, side: &str, parse: fn(&str) -> Result<T, Invalid>) -> Result<Vec<T>, AwsError> {
        let item = self.read(&former_key(side)).await?.unwrap_or_default();
        let ids = set_of(&item, FORMER);
        ids.iter().map(|id| parse(id.split_once('#').map_or("", |(_, id)| id)).doing("read the former link")).collect()
    }

    /// That these two were linked, on both sides.
    fn remember(&self, member: &MemberId, user: &LineUserId, now: OffsetDateTime) -> [TransactWriteItem; 2] {
        let step = |side: &str, other: &str| {
            let update = self.table.update(key([("id", &former_key(side))])).add_to_set(FORMER, other);
            update.set("expire_at", number((now + self.memory).unix_timestamp())).step()
        };
        let (member, user) = (member_key(member), user_key(user));
        [step(&member, &user), step(&user, &member)]
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
    let sealed = |context: &str, token: &str| AttributeValue::B(Blob::new(key.seal(context, token)));
    let mut member = item([
        ("id", string(&id)),
        ("line_user_id", string(link.user.as_str())),
        ("linked_at", string(link.linked_at.format(&Rfc3339).unwrap_or_default())),
        ("sealed_token", sealed(&id, link.token.reveal())),
        ("token_expires_at", number(link.token_expires_at.unix_timestamp())),
    ]);
    if let Some(refresh) = &link.refresh_token {
        member.extend(item([
            ("sealed_refresh_token", sealed(&refresh_context(&id), refresh.reveal())),
            ("refresh_expires_at", number(link.refresh_expires_at.unix_timestamp())),
        ]));
    }
    let user = item([("id", string(user_key(&link.user))), ("member_id", string(link.member.as_str()))]);
    (member, user)
}

fn kept_link(item: &Item, member: &MemberId, key: &SealingKey, now: OffsetDateTime) -> Result<Link, AwsError> {
    let id = member_key(member);
    let kept = |name: &str, end: &str, context: &str| {
        let sealed = item.get(name)?.as_b().ok()?;
        let alive = number_of(item, end).is_some_and(|at| at > now.unix_timestamp());
        if alive { key.open(context, sealed.as_ref()) } else { None }
    };
    let tokens = KeptTokens {
        access: kept("sealed_token", "token_expires_at", &id).map(AccessToken::new),
        refresh: kept("sealed_refresh_token", "refresh_expires_at", &refresh_context(&id)).map(RefreshToken::new),
    };
    Ok(Link { user: line_user(item)?, tokens })
}

fn refresh_context(id: &str) -> String {
    format!("{id} refresh")
}

/// What the id of a member's item begins with.
const OF_A_MEMBER: &str = "member#";

/// The member whose link the item of this id is; `None` for an item of another kind.
pub fn member_of_item(id: &str) -> Option<Result<MemberId, Invalid>> {
    id.strip_prefix(OF_A_MEMBER).map(MemberId::parse)
}

fn member_key(member: &MemberId) -> String {
    format!("{OF_A_MEMBER}{member}")
}

fn user_key(user: &LineUserId) -> String {
    format!("line#{}", user.as_str())
}

fn former_key(side: &str) -> String {
    format!("former#{side}")
}

fn line_user(item: &Item) -> Result<LineUserId, AwsError> {
    id_of(item, "line_user_id", LineUserId::parse)
}

fn id_of<T>(item: &Item, name: &str, parse: fn(&str) -> Result<T, Invalid>) -> Result<T, AwsError> {
    let id = string_of(item, name).ok_or(Invalid::from("must be text (S)")).and_then(parse);
    id.doing(format!("read the link's {name}"))
}
