//! Which LINE user a member of the company is: made at a login, read when an order names a member.
//!
//! One item per member in the links' table, under `member#<member id>`.

use aws_sdk_dynamodb::{Client, types::AttributeValue};

use crate::{
    aws_error::told,
    order::{LineUserId, MemberId},
};

/// The table of links.
#[derive(Debug)]
pub struct Links {
    table: Client,
    table_name: String,
}

impl Links {
    /// The table of this name.
    pub fn new(table: Client, table_name: String) -> Self {
        Self { table, table_name }
    }

    /// The LINE user of this member; `None` for one that is not linked.
    pub async fn line_user_of(&self, member: &MemberId) -> Result<Option<LineUserId>, String> {
        let answer = self
            .table
            .get_item()
            .table_name(&self.table_name)
            .key("id", AttributeValue::S(format!("member#{member}")))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| format!("the link could not be read: {}", told(&error)))?;
        match answer.item.as_ref().and_then(|item| item.get("line_user_id")) {
            None => Ok(None),
            Some(AttributeValue::S(user)) => {
                LineUserId::parse(user).map(Some).map_err(|problem| format!("the link's line_user_id {problem}"))
            }
            Some(_) => Err("the link's line_user_id must be text (S)".to_owned()),
        }
    }
}
