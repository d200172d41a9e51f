//! Whether a LINE user is a friend of the official account, as far as we were told.
//!
//! One item per user in the friends' table. Written from follow and unfollow events, after a login, and where LINE was
//! asked; read before every push. Events arrive in any order, so an item keeps the time of the event or question it is
//! from, and an older one never replaces a newer one. A user without an item is unknown, and is pushed to: LINE answers
//! 200 to a push that reaches nobody.
//!
//! Of somebody who is forgotten nothing is left, unless that person had blocked the account: then an item says so under
//! a keyed hash ([`pseudonym`](super::pseudonym)), and is read beside the user's own.
//!
//! An item is a belief, not a fact: an event can be lost, and a login speaks of whatever account is linked to the Login
//! channel. So "not a friend" is held against LINE's profile endpoint, before a push is suppressed for it, once it
//! [is doubtful](Belief::is_doubtful).

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use time::{Duration, OffsetDateTime};

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Table, item, key, number, number_of, string, string_of},
    },
    ids::LineUserId,
};

const READ: &str = "read the friend state";
/// For so long a push is suppressed for what was told without asking LINE.
const TRUSTED: Duration = Duration::hours(1);

/// Whether a user is a friend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Friendship {
    /// Followed the account, or unblocked it.
    Friend,
    /// Blocked the account, or never added it.
    NotAFriend,
}

/// Who told us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A follow or unfollow event with LINE's signature.
    LineEvent,
    /// An event that somebody forwarded, confirmed by asking LINE.
    ConfirmedEvent,
    /// LINE's friendship status, asked with the user's own token at a login: that of the account linked to the Login
    /// channel.
    Login,
    /// LINE's profile endpoint, asked for this channel: only a friend has a profile.
    Profile,
}

impl Source {
    /// Its name in the table and in the HTTP API.
    pub fn name(self) -> &'static str {
        match self {
            Self::LineEvent => "line_event",
            Self::ConfirmedEvent => "confirmed_event",
            Self::Login => "login",
            Self::Profile => "profile",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::LineEvent, Self::ConfirmedEvent, Self::Login, Self::Profile].into_iter().find(|one| one.name() == name)
    }
}

/// What is believed of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belief {
    /// Whether he is a friend.
    pub friendship: Friendship,
    /// When that was so; none where the item does not say it.
    at: Option<OffsetDateTime>,
    /// Who told us; none for somebody whom this version does not know.
    source: Option<Source>,
    /// Until when it is kept.
    expires_at: Option<OffsetDateTime>,
    /// Whether it is kept under a pseudonym only.
    is_forgotten: bool,
}

/// Where it is kept that somebody who is forgotten had blocked the account.
fn forgotten(pseudonym: &str) -> String {
    format!("forgotten#{pseudonym}")
}

impl Belief {
    /// When that was so; none where the item does not say it.
    pub fn at(&self) -> Option<OffsetDateTime> {
        self.at
    }

    /// Who told us; none for somebody whom this version does not know.
    pub fn source(&self) -> Option<Source> {
        self.source
    }

    /// Until when it is kept.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.expires_at
    }

    /// Whether it is kept under a pseudonym only, because the person is forgotten.
    pub fn is_forgotten(&self) -> bool {
        self.is_forgotten
    }

    /// Whether LINE is to be asked before a push is suppressed for it: "not a friend" that is an hour old, or from a
    /// login. A time far ahead is no better than one long ago.
    pub fn is_doubtful(&self, now: OffsetDateTime) -> bool {
        let young = self.at.is_some_and(|at| (now - at).abs() <= TRUSTED);
        self.friendship == Friendship::NotAFriend && (!young || matches!(self.source, None | Some(Source::Login)))
    }
}

/// The table of friends.
#[derive(Debug)]
pub struct Friends {
    table: Table,
    life: Duration,
}

impl Friends {
    /// The table of this name; a state is kept for so long after it was told last.
    pub fn new(client: Client, name: String, life: Duration) -> Self {
        Self { table: Table::new(client, name), life }
    }

    /// What is believed of this user, or of who is forgotten and has this pseudonym; `None` for an unknown one. An
    /// error means that nobody knows: ask later.
    pub async fn get(&self, user: &LineUserId, pseudonym: &str) -> Result<Option<Belief>, AwsError> {
        let ids = [user.as_str().to_owned(), forgotten(pseudonym)];
        let keys = ids.iter().map(|id| key([("line_user_id", id)])).collect();
        let items = self.table.get_several_eventually(keys).await.doing(READ)?;
        let of = |id: &String| items.iter().find(|item| string_of(item, "line_user_id") == Some(id));
        let (own, is_forgotten) = (of(&ids[0]), of(&ids[0]).is_none());
        let Some(item) = own.or_else(|| of(&ids[1])) else { return Ok(None) };
        let friendship = match item.get("friend") {
            None => return Ok(None),
            Some(AttributeValue::Bool(true)) => Friendship::Friend,
            Some(AttributeValue::Bool(false)) => Friendship::NotAFriend,
            Some(_) => return Err(Cause::Malformed("friend must be true or false (BOOL)".to_owned())).doing(READ),
        };
        let at_ms: Option<i128> = item.get("at_ms").and_then(|at| at.as_n().ok()?.parse().ok());
        let at = at_ms.and_then(|at| OffsetDateTime::from_unix_timestamp_nanos(at.checked_mul(1_000_000)?).ok());
        let source = item.get("source").and_then(|source| Source::parse(source.as_s().ok()?));
        let expires_at = number_of(item, "expire_at").and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        Ok(Some(Belief { friendship, at, source, expires_at, is_forgotten }))
    }

    /// Takes away what is kept of a user. That he blocked the account stays, under the pseudonym; whether it does.
    pub async fn forget(&self, user: &LineUserId, pseudonym: &str) -> Result<bool, AwsError> {
        const FORGET: &str = "forget the friend state";
        let belief = self.get(user, pseudonym).await?;
        let own = self.table.delete(key([("line_user_id", user.as_str())])).step();
        let Some(belief) = belief.filter(|belief| belief.friendship == Friendship::NotAFriend) else {
            let former = self.table.delete(key([("line_user_id", &forgotten(pseudonym))])).step();
            self.table.transact(vec![own, former]).await.doing(FORGET)?;
            return Ok(false);
        };
        let mut block = item([
            ("line_user_id", string(forgotten(pseudonym))),
            ("friend", AttributeValue::Bool(false)),
            ("expire_at", self.expire_at()),
        ]);
        block.extend(belief.at.map(|at| ("at_ms".to_owned(), number(at.unix_timestamp_nanos() / 1_000_000))));
        block.extend(belief.source.map(|source| ("source".to_owned(), string(source.name()))));
        self.table.transact(vec![self.table.put(block).step(), own]).await.doing(FORGET)?;
        Ok(true)
    }

    fn expire_at(&self) -> AttributeValue {
        number((OffsetDateTime::now_utc() + self.life).unix_timestamp())
    }

    /// Keeps what an event of the time `at` tells, or LINE's answer to a question of that time; false if something
    /// newer is known already.
    pub async fn put(
        &self,
        user: &LineUserId,
        friendship: Friendship,
        at: OffsetDateTime,
        source: Source,
    ) -> Result<bool, AwsError> {
        // Of two copies of one event the one with LINE's signature stays, whichever comes last; and an event of the
        // millisecond in which LINE was asked is newer than the answer.
        let gives_way = matches!(source, Source::ConfirmedEvent | Source::Profile);
        let older = if gives_way { "<" } else { "<=" };
        let at_ms = number(at.unix_timestamp_nanos() / 1_000_000);
        let put = self.table.put(item([
            ("line_user_id", string(user.as_str())),
            ("friend", AttributeValue::Bool(friendship == Friendship::Friend)),
            ("at_ms", at_ms.clone()),
            ("source", string(source.name())),
            ("expire_at", self.expire_at()),
        ]));
        let put = put.when(format!("attribute_not_exists(at_ms) OR at_ms {older} :at")).value(":at", at_ms);
        Ok(put.send().await.doing("write the friend state")?.is_written())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_or_from_a_login_is_doubtful() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let (young, old) = (Some(now - TRUSTED), Some(now - TRUSTED - Duration::MILLISECOND));
        let far_ahead = Some(now + Duration::days(1));
        for (at, source, doubtful) in [
            (young, Some(Source::LineEvent), false),
            (young, Some(Source::ConfirmedEvent), false),
            (young, Some(Source::Profile), false),
            (young, Some(Source::Login), true),
            (young, None, true),
            (old, Some(Source::LineEvent), true),
            (old, Some(Source::Profile), true),
            (far_ahead, Some(Source::LineEvent), true),
            (None, Some(Source::LineEvent), true),
        ] {
            let belief = |friendship| Belief { friendship, at, source, expires_at: None, is_forgotten: false };
            assert_eq!(belief(Friendship::NotAFriend).is_doubtful(now), doubtful, "{at:?} {source:?}");
            assert!(!belief(Friendship::Friend).is_doubtful(now), "it suppresses nothing");
        }
    }
}
