//! A DynamoDB table, as every store uses it: items by key, and writes that say whether they are what stands now.
//!
//! * **Lost races.** Of two writers the condition lets one through; the other is answered with the item that it lost
//!   against, without a second call.
//! * **Lost answers.** The SDK repeats a call whose answer was lost, and then meets its own work. So each write leaves
//!   a name of its own in the item (`writer`), and a condition that fails against that name has not failed. A
//!   transaction needs none: DynamoDB itself knows the token that the SDK sends with it.
//! * **The end of a life.** DynamoDB deletes an item within days after its `expire_at`. Until then it is not read.
//! * **Conflicts.** While a transaction is at an item, DynamoDB refuses every other write of it without a look at the
//!   condition. That is no race lost: the write is repeated.

use std::{collections::HashMap, error::Error, fmt::Display, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::query::builders::QueryFluentBuilder,
    types::{
        self, AttributeValue, CancellationReason, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem,
        error::{ConditionalCheckFailedException, TransactionCanceledException, TransactionConflictException},
    },
};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::{aws::error::Cause, ids::random_name};

/// The attribute that names the latest write of an item.
const WRITER: &str = "writer";
/// The most bytes of items that a page has, but for the last one that was read with them.
const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// How long a write waits each time that it meets a transaction; together longer than one takes.
const CONFLICT_PAUSES: [Duration; 4] =
    [Duration::from_millis(25), Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(200)];
const ITEM_THAT_STANDS: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// An item: attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteOutcome<T = (), L = Item> {
    /// It stands. Of an update: the item as it is now.
    Written(T),
    /// Its condition failed, for this item; an empty one where there is none.
    Lost(L),
}

impl<T, L> WriteOutcome<T, L> {
    /// Whether it stands.
    pub fn is_written(&self) -> bool {
        matches!(self, Self::Written(_))
    }
}

impl Table {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Reads an item as the latest write left it.
    pub async fn get(&self, key: Item) -> Result<Option<Item>, Cause> {
        self.read(key, true).await
    }

    /// Reads an item for half the price: what was written a moment ago may be missing.
    pub async fn get_eventually(&self, key: Item) -> Result<Option<Item>, Cause> {
        self.read(key, false).await
    }

    async fn read(&self, key: Item, consistent: bool) -> Result<Option<Item>, Cause> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(consistent);
        Ok(get.send().await?.item.filter(|item| !has_expired(item)))
    }

    /// Reads several items in one call, in no order, each as [`get`](Self::get) reads one.
    pub async fn get_several(&self, keys: Vec<Item>) -> Result<Vec<Item>, Cause> {
        self.read_several(keys, true).await
    }

    /// The same, as [`get_eventually`](Self::get_eventually) reads one.
    pub async fn get_several_eventually(&self, keys: Vec<Item>) -> Result<Vec<Item>, Cause> {
        self.read_several(keys, false).await
    }

    async fn read_several(&self, keys: Vec<Item>, consistent: bool) -> Result<Vec<Item>, Cause> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent).build()?;
        let answer = self.client.batch_get_item().request_items(&self.name, wanted).send().await?;
        if answer.unprocessed_keys.is_some_and(|left| !left.is_empty()) {
            return Err(Cause::Refused { code: "UnprocessedKeys".to_owned(), message: "later".to_owned() });
        }
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default();
        Ok(items.into_iter().filter(|item| !has_expired(item)).collect())
    }

    /// A query of the table, to be completed.
    pub fn query(&self) -> QueryFluentBuilder {
        self.client.query().table_name(&self.name)
    }

    /// Items of a partition, those with the highest sort keys first, from after this key on; and whether more follow.
    /// Fewer than `limit` where they are large.
    pub async fn latest<T: DeserializeOwned>(
        &self,
        (name, value): (&str, &str),
        limit: u32,
        after: Option<Item>,
    ) -> Result<(Vec<T>, bool), Cause> {
        let query = self.query().key_condition_expression("#partition = :partition");
        page(query, (name, value), limit, after).await
    }

    /// The same of those whose sort key is between these two.
    pub async fn latest_between<T: DeserializeOwned>(
        &self,
        partition: (&str, &str),
        (name, first, last): (&str, &str, &str),
        limit: u32,
        after: Option<Item>,
    ) -> Result<(Vec<T>, bool), Cause> {
        let query = self
            .query()
            .key_condition_expression("#partition = :partition AND #sort BETWEEN :first AND :last")
            .expression_attribute_names("#sort", name)
            .expression_attribute_values(":first", string(first))
            .expression_attribute_values(":last", string(last));
        page(query, partition, limit, after).await
    }

    /// Puts an item in the place of the one with its key.
    pub fn put(&self, item: Item) -> Write<Put> {
        self.write(Put(item))
    }

    /// Changes the item with this key, or makes it.
    pub fn update(&self, key: Item) -> Write<Update> {
        self.write(Update { key, set: Vec::new(), remove: Vec::new(), add: Vec::new(), take: Vec::new() })
    }

    /// Deletes the item with this key.
    pub fn delete(&self, key: Item) -> Write<Delete> {
        self.write(Delete(key))
    }

    fn write<A>(&self, action: A) -> Write<A> {
        Write { table: self.clone(), action, condition: None, values: None }
    }

    /// Writes all steps or none, also where they are of several tables. Lost: for each step the item that its condition
    /// failed for, as in [`WriteOutcome::Lost`]; none for a step whose condition held.
    pub async fn transact(&self, steps: Vec<TransactWriteItem>) -> Result<WriteOutcome<(), Vec<Option<Item>>>, Cause> {
        let call = self.client.transact_write_items().set_transact_items(Some(steps));
        let result = past_conflicts(|| call.clone().send()).await;
        let Err(error) = result else { return Ok(WriteOutcome::Written(())) };
        let reasons = exception(&error).map_or(&[][..], TransactionCanceledException::cancellation_reasons);
        if !reasons.iter().any(condition_failed) {
            return Err(error.into());
        }
        let item = |reason: &CancellationReason| reason.item().cloned().unwrap_or_default();
        Ok(WriteOutcome::Lost(reasons.iter().map(|reason| condition_failed(reason).then(|| item(reason))).collect()))
    }
}

async fn page<T: DeserializeOwned>(
    query: QueryFluentBuilder,
    (name, value): (&str, &str),
    limit: u32,
    after: Option<Item>,
) -> Result<(Vec<T>, bool), Cause> {
    let query = query
        .expression_attribute_names("#partition", name)
        .expression_attribute_values(":partition", string(value))
        .scan_index_forward(false)
        .filter_expression(NOT_EXPIRED)
        .expression_attribute_values(":time", now());
    let (limit, mut found, mut bytes, mut start) = (limit as usize, Vec::new(), 0, after);
    loop {
        let left = i32::try_from(limit - found.len()).unwrap_or(i32::MAX);
        let page = query.clone().limit(left).set_exclusive_start_key(start).send().await?;
        let items = page.items.unwrap_or_default();
        bytes += items.iter().map(size_of).sum::<usize>();
        found.extend(items);
        start = page.last_evaluated_key;
        if start.is_none() || found.len() >= limit || bytes >= MAX_PAGE_BYTES {
            return Ok((serde_dynamo::from_items(found)?, start.is_some()));
        }
    }
}

/// A write of one item, to be completed and then [sent](Write::<Put>::send), or made a [step](Write::<Put>::step) of a
/// transaction.
#[derive(Debug)]
#[must_use = "nothing is written before it is sent"]
pub struct Write<A> {
    table: Table,
    action: A,
    condition: Option<String>,
    values: Option<Item>,
}

/// The whole item is written.
#[derive(Debug)]
pub struct Put(Item);

/// Some attributes are written, others removed.
#[derive(Debug)]
pub struct Update {
    key: Item,
    set: Vec<String>,
    remove: Vec<&'static str>,
    add: Vec<String>,
    take: Vec<String>,
}

impl Update {
    fn expression(&self) -> String {
        let clause = |word: &str, parts: String| if parts.is_empty() { parts } else { format!("{word} {parts} ") };
        clause("SET", self.set.join(", "))
            + &clause("REMOVE", self.remove.join(", "))
            + &clause("ADD", self.add.join(", "))
            + &clause("DELETE", self.take.join(", "))
    }
}

/// The item is deleted.
#[derive(Debug)]
pub struct Delete(Item);

impl<A> Write<A> {
    /// Writes only if this is true of the item as it stands (DynamoDB: "Condition expressions").
    pub fn when(self, condition: impl Into<String>) -> Self {
        Self { condition: Some(condition.into()), ..self }
    }

    /// A value that the condition names, such as `:now`.
    pub fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.get_or_insert_default().insert(name.to_owned(), value);
        self
    }
}

impl Write<Put> {
    /// Puts the item by itself.
    pub async fn send(self) -> Result<WriteOutcome, Cause> {
        let (Table { client, name }, Put(item), writer) = (self.table, self.action, random_name());
        let call = client
            .put_item()
            .table_name(name)
            .set_item(Some(item))
            .item(WRITER, string(&writer))
            .set_condition_expression(self.condition)
            .set_expression_attribute_values(self.values)
            .return_values_on_condition_check_failure(ITEM_THAT_STANDS);
        match past_conflicts(|| call.clone().send()).await {
            Ok(_) => Ok(WriteOutcome::Written(())),
            Err(error) => outcome(error, &writer, |_| ()),
        }
    }

    /// The step of a transaction that puts it.
    pub fn step(self) -> TransactWriteItem {
        let put = types::Put::builder()
            .table_name(self.table.name)
            .set_item(Some(self.action.0))
            .set_condition_expression(self.condition)
            .set_expression_attribute_values(self.values)
            .return_values_on_condition_check_failure(ITEM_THAT_STANDS);
        TransactWriteItem::builder().put(put.build().expect("a table and an item")).build()
    }
}

impl Write<Update> {
    /// `SET name = :name`; the condition may name `:name`, too.
    pub fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.action.set.push(format!("{name} = :{name}"));
        self.value(&format!(":{name}"), value)
    }

    /// [`set`](Self::set) where the attribute is not there yet.
    pub fn set_once(mut self, name: &str, value: AttributeValue) -> Self {
        self.action.set.push(format!("{name} = if_not_exists({name}, :{name})"));
        self.value(&format!(":{name}"), value)
    }

    /// One more than the number that stands there, from 0 on.
    pub fn count(mut self, name: &str) -> Self {
        self.action.set.push(format!("{name} = if_not_exists({name}, :zero) + :one"));
        self.value(":zero", number(0)).value(":one", number(1))
    }

    /// Adds a value to the end of a list, which may not be there yet.
    pub fn append(mut self, name: &str, value: AttributeValue) -> Self {
        self.action.set.push(format!("{name} = list_append(if_not_exists({name}, :no_{name}), :{name})"));
        self.value(&format!(":no_{name}"), AttributeValue::L(Vec::new()))
            .value(&format!(":{name}"), AttributeValue::L(vec![value]))
    }

    /// Adds a text to a set, which may not be there yet.
    pub fn add_to_set(mut self, name: &str, text: &str) -> Self {
        self.action.add.push(format!("{name} :{name}"));
        self.value(&format!(":{name}"), AttributeValue::Ss(vec![text.to_owned()]))
    }

    /// Takes a text out of a set; with its last text the set is gone.
    pub fn take_from_set(mut self, name: &str, text: &str) -> Self {
        self.action.take.push(format!("{name} :{name}"));
        self.value(&format!(":{name}"), AttributeValue::Ss(vec![text.to_owned()]))
    }

    /// `REMOVE name`.
    pub fn remove(mut self, names: &[&'static str]) -> Self {
        self.action.remove.extend(names);
        self
    }

    /// The step of a transaction that changes it.
    pub fn step(self) -> TransactWriteItem {
        let expression = self.action.expression();
        let update = types::Update::builder()
            .table_name(self.table.name)
            .set_key(Some(self.action.key))
            .update_expression(expression)
            .set_condition_expression(self.condition)
            .set_expression_attribute_values(self.values)
            .return_values_on_condition_check_failure(ITEM_THAT_STANDS);
        TransactWriteItem::builder().update(update.build().expect("a table, a key and an expression")).build()
    }

    /// Changes the item by itself.
    pub async fn send(self) -> Result<WriteOutcome<Item>, Cause> {
        let writer = random_name();
        let Self { table: Table { client, name }, action, condition, values } = self.set(WRITER, string(&writer));
        let expression = action.expression();
        let call = client
            .update_item()
            .table_name(name)
            .set_key(Some(action.key))
            .update_expression(expression)
            .set_condition_expression(condition)
            .set_expression_attribute_values(values)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ITEM_THAT_STANDS);
        match past_conflicts(|| call.clone().send()).await {
            Ok(updated) => Ok(WriteOutcome::Written(updated.attributes.unwrap_or_default())),
            Err(error) => outcome(error, &writer, |item| item),
        }
    }
}

impl Write<Delete> {
    /// The step of a transaction that deletes it.
    pub fn step(self) -> TransactWriteItem {
        let delete = types::Delete::builder()
            .table_name(self.table.name)
            .set_key(Some(self.action.0))
            .set_condition_expression(self.condition)
            .set_expression_attribute_values(self.values)
            .return_values_on_condition_check_failure(ITEM_THAT_STANDS);
        TransactWriteItem::builder().delete(delete.build().expect("a table and a key")).build()
    }
}

/// Sends a write, and again while a transaction is in its way.
async fn past_conflicts<T, E, F>(send: impl Fn() -> F) -> Result<T, SdkError<E>>
where
    E: Error + Send + Sync + 'static,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    for pause in CONFLICT_PAUSES {
        match send().await {
            Err(error) if is_conflict(&error) => tokio::time::sleep(pause).await,
            result => return result,
        }
    }
    send().await
}

/// Whether a transaction was in the way, and nothing else.
fn is_conflict<E: Error + 'static, R>(error: &SdkError<E, R>) -> bool {
    let in_the_way = |reason: &CancellationReason| reason.code() == Some("TransactionConflict");
    match exception(error).map(TransactionCanceledException::cancellation_reasons) {
        Some(reasons) => reasons.iter().any(in_the_way) && !reasons.iter().any(condition_failed),
        None => exception::<TransactionConflictException, _, _>(error).is_some(),
    }
}

fn condition_failed(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// What a failed condition says: lost, unless the item is this writer's own. Any other error stays one.
fn outcome<T, E>(error: SdkError<E>, writer: &str, written: fn(Item) -> T) -> Result<WriteOutcome<T>, Cause>
where
    E: Error + ProvideErrorMetadata + 'static,
{
    match exception::<ConditionalCheckFailedException, _, _>(&error).map(|failed| failed.item.clone()) {
        Some(Some(item)) if string_of(&item, WRITER) == Some(writer) => Ok(WriteOutcome::Written(written(item))),
        Some(item) => Ok(WriteOutcome::Lost(item.unwrap_or_default())),
        None => Err(error.into()),
    }
}

/// The exception that AWS answered with, if it is of this type, whatever the operation.
fn exception<X: Error + 'static, E: Error + 'static, R>(error: &SdkError<E, R>) -> Option<&X> {
    error.as_service_error()?.source()?.downcast_ref()
}

/// What DynamoDB counts for an item, in bytes (DynamoDB: "Item sizes and formats").
pub fn size_of(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len() / 2 + 2,
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + size_of_value(value)).sum::<usize>(),
        AttributeValue::M(fields) => 3 + fields.len() + size_of(fields),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // Sets are in no item that is measured.
        _ => 1,
    }
}

/// What is true of an item that DynamoDB may not delete yet, with [`now`] as `:time`.
pub const NOT_EXPIRED: &str = "(attribute_not_exists(expire_at) OR expire_at > :time)";

/// The present time as `expire_at` has it. The machine's: DynamoDB deletes by it, too.
pub fn now() -> AttributeValue {
    number(OffsetDateTime::now_utc().unix_timestamp())
}

fn has_expired(item: &Item) -> bool {
    number_of(item, "expire_at").is_some_and(|at| at <= OffsetDateTime::now_utc().unix_timestamp())
}

/// An item of these attributes.
pub fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A key: attributes that are all `S`.
pub fn key<const N: usize>(attributes: [(&str, &str); N]) -> Item {
    item(attributes.map(|(name, value)| (name, string(value))))
}

/// An `S`.
pub fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// An `N`.
pub fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The `S` of this name.
pub fn string_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The texts of the set of this name.
pub fn set_of(item: &Item, name: &str) -> Vec<String> {
    item.get(name).and_then(|set| set.as_ss().ok()).cloned().unwrap_or_default()
}

/// The `N` of this name, where it is an integer.
pub fn number_of(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
