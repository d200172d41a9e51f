//! Whether a LINE user is a friend of the official account, as far as we were told.
//!
//! One item per user in the friends' table. Written from follow and unfollow events and after a login, read
//! before every push. Events arrive in any order, so an item keeps the time of the event it is from, and an
//! older one never replaces a newer one. A user without an item is unknown, and is pushed to: LINE answers 200
//! to a push that reaches nobody.

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use time::OffsetDateTime;

use crate::{aws::error::told, ids::LineUserId};

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
    table: Client,
    table_name: String,
}

impl Friends {
    /// The table of this name.
    pub fn new(table: Client, table_name: String) -> Self {
        Self { table, table_name }
    }

    /// What is known of this user; `None` for an unknown one. An error means that nobody knows: ask later.
    pub async fn get(&self, user: &LineUserId) -> Result<Option<Friendship>, String> {
        let answer = self
            .table
            .get_item()
            .table_name(&self.table_name)
            .key("line_user_id", AttributeValue::S(user.as_str().to_owned()))
            .send()
            .await
            .map_err(|error| format!("the friend state could not be read: {}", told(&error)))?;
        match answer.item.as_ref().and_then(|item| item.get("friend")) {
            None => Ok(None),
            Some(AttributeValue::Bool(true)) => Ok(Some(Friendship::Friend)),
            Some(AttributeValue::Bool(false)) => Ok(Some(Friendship::NotAFriend)),
            Some(_) => Err("the friend state: friend must be true or false (BOOL)".to_owned()),
        }
    }

    /// Keeps what an event of the time `at` tells; false if something newer is known already.
    pub async fn put(
        &self,
        user: &LineUserId,
        friendship: Friendship,
        at: OffsetDateTime,
        source: Source,
    ) -> Result<bool, String> {
        // Of two copies of one event the one with LINE's signature stays, whichever comes last.
        let older = if source == Source::ConfirmedEvent { "<" } else { "<=" };
        let at_ms = AttributeValue::N((at.unix_timestamp_nanos() / 1_000_000).to_string());
        let result = self
            .table
            .put_item()
            .table_name(&self.table_name)
            .item("line_user_id", AttributeValue::S(user.as_str().to_owned()))
            .item("friend", AttributeValue::Bool(friendship == Friendship::Friend))
            .item("at_ms", at_ms.clone())
            .item("source", AttributeValue::S(source.name().to_owned()))
            .condition_expression(format!("attribute_not_exists(line_user_id) OR at_ms {older} :at"))
            .expression_attribute_values(":at", at_ms)
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(format!("the friend state could not be written: {}", told(&error))),
        }
    }
}
