//! A link token belongs to the browser that used it first.
//!
//! One item per `jti` in the table of used tokens, removed by its time to live. Written and read by the login function
//! alone.
//!
//! Why the first browser, and not the first request: a customer reloads the page, goes back, or changes his mind on
//! LINE's screen and tries again. All that happens in the browser that holds the cookie, and goes on. The same address
//! in any other browser, such as one that was read over a shoulder, is refused. With the first link that is made the
//! token is spent; what came of it stays readable for that browser, so that a callback that is loaded twice shows the
//! same page twice and is never exchanged twice.
//!
//! The two halves of a double click find each other here as well: whoever writes the code's hash first exchanges the
//! code, the other waits for the outcome.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use time::OffsetDateTime;

use crate::{aws::error::told, customer::friend::Friendship, ids::random_name};

/// An item stays this long after its token's end: longer than a login that was begun in the token's last second.
const KEPT_FOR: time::Duration = time::Duration::hours(1);

/// What came of a login that made a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Whether the user is a friend; `None` where LINE did not say.
    pub friendship: Option<Friendship>,
}

impl Linked {
    fn name(self) -> &'static str {
        match self.friendship {
            Some(Friendship::Friend) => "friend",
            Some(Friendship::NotAFriend) => "not_a_friend",
            None => "unknown",
        }
    }

    fn of(name: &str) -> Self {
        let friendship = match name {
            "friend" => Some(Friendship::Friend),
            "not_a_friend" => Some(Friendship::NotAFriend),
            _ => None,
        };
        Self { friendship }
    }
}

/// Whose a link token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// This browser's, and no link was made yet.
    Ours,
    /// This browser's, and the link was made.
    Spent(Linked),
    /// Another browser's.
    Foreign,
}

/// Who exchanges a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The caller.
    Ours,
    /// Another request with the same code, at this moment or before it crashed.
    Elsewhere,
    /// Nobody any more: the link was made.
    Spent(Linked),
    /// The token is another browser's, or its item is gone.
    Foreign,
}

/// The table of used tokens.
#[derive(Debug)]
pub struct UsedTokens {
    table: Client,
    table_name: String,
}

impl UsedTokens {
    /// The table of this name.
    pub fn new(table: Client, table_name: String) -> Self {
        Self { table, table_name }
    }

    /// Takes a token for a holder (something only this browser and this member can show), or finds out who has it.
    pub async fn claim(&self, jti: &str, holder: &str, expires_at: OffsetDateTime) -> Result<Claimed, String> {
        let expire_at = (expires_at + KEPT_FOR).unix_timestamp().to_string();
        let result = self
            .table
            .put_item()
            .table_name(&self.table_name)
            .item("jti", AttributeValue::S(jti.to_owned()))
            .item("holder", AttributeValue::S(holder.to_owned()))
            .item("expire_at", AttributeValue::N(expire_at))
            .condition_expression("attribute_not_exists(jti)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(Claimed::Ours) };
        let item = lost(error, |error| match error {
            aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(lost) => lost.item,
            _ => None,
        })?;
        Ok(match (text(&item, "holder"), text(&item, "outcome")) {
            (Some(theirs), _) if theirs != holder => Claimed::Foreign,
            (Some(_), Some(outcome)) => Claimed::Spent(Linked::of(outcome)),
            (Some(_), None) => Claimed::Ours,
            (None, _) => Claimed::Foreign,
        })
    }

    /// Takes the exchange of a code. `code` is its hash.
    pub async fn begin_exchange(&self, jti: &str, holder: &str, code: &str) -> Result<Exchange, String> {
        // The SDK repeats a call whose answer was lost: the second one must know its own work.
        let taker = random_name();
        let result = self
            .table
            .update_item()
            .table_name(&self.table_name)
            .key("jti", AttributeValue::S(jti.to_owned()))
            .update_expression("SET code = :code, taker = :taker")
            .expression_attribute_values(":taker", AttributeValue::S(taker.clone()))
            .condition_expression(
                "holder = :holder AND attribute_not_exists(outcome) AND (attribute_not_exists(code) OR code <> :code)",
            )
            .expression_attribute_values(":code", AttributeValue::S(code.to_owned()))
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(Exchange::Ours) };
        let item = lost(error, |error| match error {
            aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(lost) => {
                // The item is gone: nothing to return, and nobody's.
                Some(lost.item.unwrap_or_default())
            }
            _ => None,
        })?;
        Ok(match (text(&item, "holder"), text(&item, "outcome")) {
            _ if text(&item, "taker") == Some(&taker) => Exchange::Ours,
            (Some(theirs), Some(outcome)) if theirs == holder => Exchange::Spent(Linked::of(outcome)),
            (Some(theirs), None) if theirs == holder => Exchange::Elsewhere,
            _ => Exchange::Foreign,
        })
    }

    /// The code came to nothing: the same callback may be loaded again.
    pub async fn give_up_exchange(&self, jti: &str, code: &str) -> Result<(), String> {
        let result = self
            .table
            .update_item()
            .table_name(&self.table_name)
            .key("jti", AttributeValue::S(jti.to_owned()))
            .update_expression("REMOVE code, taker")
            .condition_expression("code = :code AND attribute_not_exists(outcome)")
            .expression_attribute_values(":code", AttributeValue::S(code.to_owned()))
            .send()
            .await;
        match result {
            Err(error)
                if !error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Err(unwritten(&error))
            }
            _ => Ok(()),
        }
    }

    /// The link was made: the token is spent.
    pub async fn spend(&self, jti: &str, linked: Linked) -> Result<(), String> {
        self.table
            .update_item()
            .table_name(&self.table_name)
            .key("jti", AttributeValue::S(jti.to_owned()))
            .update_expression("SET outcome = :outcome")
            .condition_expression("attribute_exists(jti)")
            .expression_attribute_values(":outcome", AttributeValue::S(linked.name().to_owned()))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| unwritten(&error))
    }

    /// What came of a token; `None` while no link was made with it.
    pub async fn outcome(&self, jti: &str) -> Result<Option<Linked>, String> {
        let answer = self
            .table
            .get_item()
            .table_name(&self.table_name)
            .key("jti", AttributeValue::S(jti.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| format!("the used token could not be read: {}", told(&error)))?;
        Ok(answer.item.as_ref().and_then(|item| text(item, "outcome")).map(Linked::of))
    }
}

type Item = HashMap<String, AttributeValue>;

/// The item that a condition was lost against; any other error as text.
fn lost<E, R>(error: SdkError<E, R>, item: impl FnOnce(E) -> Option<Item>) -> Result<Item, String>
where
    E: ProvideErrorMetadata,
    R: std::fmt::Debug,
{
    let what = unwritten(&error);
    match error {
        SdkError::ServiceError(context) => item(context.into_err()).ok_or(what),
        _ => Err(what),
    }
}

fn unwritten<E: ProvideErrorMetadata, R: std::fmt::Debug>(error: &SdkError<E, R>) -> String {
    format!("the used token could not be written: {}", told(error))
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
