//! Whether a LINE user is a friend of the official account, as far as we were told.
//!
//! One item per user in the friends' table. Written from follow and unfollow events and after a login, read before every
//! push. Events arrive in any order, so an item keeps the time of the event it is from, and an older one never replaces a
//! newer one. A user without an item is unknown, and is pushed to: LINE answers 200 to a push that reaches nobody.

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use time::OffsetDateTime;

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Table, item, key, number, string},
    },
    ids::LineUserId,
};

const READ: &str = "read the friend state";

/// What is known of a user.
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
    /// LINE's friendship status, asked with the user's own token at a login.
    Login,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::LineEvent => "line_event",
            Self::ConfirmedEvent => "confirmed_event",
            Self::Login => "login",
        }
    }
}

/// The table of friends.
#[derive(Debug)]
pub struct Friends {
    table: Table,
}

impl Friends {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// What is known of this user; `None` for an unknown one. An error means that nobody knows: ask later.
    pub async fn get(&self, user: &LineUserId) -> Result<Option<Friendship>, AwsError> {
        let item = self.table.get_eventually(key([("line_user_id", user.as_str())])).await.doing(READ)?;
        match item.as_ref().and_then(|item| item.get("friend")) {
            None => Ok(None),
            Some(AttributeValue::Bool(true)) => Ok(Some(Friendship::Friend)),
            Some(AttributeValue::Bool(false)) => Ok(Some(Friendship::NotAFriend)),
            Some(_) => Err(Cause::Malformed("friend must be true or false (BOOL)".to_owned())).doing(READ),
        }
    }

    /// Keeps what an event of the time `at` tells; false if something newer is known already.
    pub async fn put(
        &self,
        user: &LineUserId,
        friendship: Friendship,
        at: OffsetDateTime,
        source: Source,
    ) -> Result<bool, AwsError> {
        // Of two copies of one event the one with LINE's signature stays, whichever comes last.
        let older = if source == Source::ConfirmedEvent { "<" } else { "<=" };
        let at_ms = number(at.unix_timestamp_nanos() / 1_000_000);
        let put = self.table.put(item([
            ("line_user_id", string(user.as_str())),
            ("friend", AttributeValue::Bool(friendship == Friendship::Friend)),
            ("at_ms", at_ms.clone()),
            ("source", string(source.name())),
        ]));
        let put = put.when(format!("attribute_not_exists(line_user_id) OR at_ms {older} :at")).value(":at", at_ms);
        Ok(put.send().await.doing("write the friend state")?.is_written())
    }
}
