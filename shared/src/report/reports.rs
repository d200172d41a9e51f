//! Things to be done once although whoever starts them does so at least once: a report of a day, a warning of a month.
//!
//! One item per thing in the reports' table. Who begins takes a lease; who is done says so. A second beginner
//! meets `Busy` or `Done`. After a crash the lease ends and the next beginner goes on with the document that
//! was kept. Between "the mail is out" and "it is done" a crash can make a second mail, never none: SES has no
//! key to recognise a repeated one.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use time::OffsetDateTime;

use crate::{
    aws::error::{code_and_message, told},
    clock::Clock,
};

/// How long an item is kept: a figure may be compared, a day sent again.
const LIFE: time::Duration = time::Duration::days(400);

/// The table.
#[derive(Debug)]
pub struct Once {
    table: Client,
    table_name: String,
    clock: Clock,
}

/// What a beginner meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is mine to do; here is what an earlier attempt kept.
    Mine(Option<String>),
    /// Somebody did it.
    Done,
    /// Somebody is at it.
    Busy,
}

type Item = HashMap<String, AttributeValue>;

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

impl Once {
    /// The table of this name.
    pub fn new(table: Client, table_name: String, clock: Clock) -> Self {
        Self { table, table_name, clock }
    }

    /// Takes the lease of `id`. `again`: also when it was done before.
    pub async fn begin(&self, id: &str, lease: Duration, again: bool) -> Result<Begun, String> {
        let now = self.clock.now();
        let done = if again { "" } else { "attribute_not_exists(done_at) AND " };
        let result = self
            .update(id)
            .update_expression("SET lease_until = :until, expire_at = :expire")
            .condition_expression(format!("{done}(attribute_not_exists(lease_until) OR lease_until <= :now)"))
            .expression_attribute_values(":until", seconds(now + lease))
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":expire", seconds(now + LIFE))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        use aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException;
        match result.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(item) => Ok(Begun::Mine(text(&item.attributes.unwrap_or_default(), "document"))),
            Err(ConditionalCheckFailedException(failed)) => {
                let done = failed.item.unwrap_or_default().contains_key("done_at");
                Ok(if done && !again { Begun::Done } else { Begun::Busy })
            }
            Err(error) => Err(format!("{id} could not be begun: {}", code_and_message(&error))),
        }
    }

    /// Keeps a document with it, for a later attempt and for comparisons.
    pub async fn keep(&self, id: &str, document: &str) -> Result<(), String> {
        let update = self.update(id).update_expression("SET document = :document");
        let sent = update.expression_attribute_values(":document", AttributeValue::S(document.to_owned())).send().await;
        sent.map(|_| ()).map_err(|error| format!("{id} could not be kept: {}", told(&error)))
    }

    /// It is done.
    pub async fn done(&self, id: &str) -> Result<(), String> {
        let now = self.clock.now();
        let sent = self
            .update(id)
            .update_expression("SET done_at = :now, expire_at = :expire REMOVE lease_until")
            .expression_attribute_values(":now", seconds(now))
            .expression_attribute_values(":expire", seconds(now + LIFE))
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| format!("{id} could not be marked as done: {}", told(&error)))
    }

    /// It failed: the next attempt need not wait for the lease.
    pub async fn give_back(&self, id: &str) -> Result<(), String> {
        let sent = self.update(id).update_expression("REMOVE lease_until").send().await;
        sent.map(|_| ()).map_err(|error| format!("{id} could not be given back: {}", told(&error)))
    }

    /// The document kept with it.
    pub async fn document(&self, id: &str) -> Result<Option<String>, String> {
        Ok(self.item(id).await?.and_then(|item| text(&item, "document")))
    }

    /// Whether it was done.
    pub async fn is_done(&self, id: &str) -> Result<bool, String> {
        Ok(self.item(id).await?.is_some_and(|item| item.contains_key("done_at")))
    }

    async fn item(&self, id: &str) -> Result<Option<Item>, String> {
        let get = self.table.get_item().table_name(&self.table_name).key("id", AttributeValue::S(id.to_owned()));
        let answer = get.consistent_read(true).send().await;
        Ok(answer.map_err(|error| format!("{id} could not be read: {}", told(&error)))?.item)
    }

    fn update(&self, id: &str) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.table.update_item().table_name(&self.table_name).key("id", AttributeValue::S(id.to_owned()))
    }
}

fn seconds(time: OffsetDateTime) -> AttributeValue {
    AttributeValue::N(time.unix_timestamp().to_string())
}
