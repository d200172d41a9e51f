//! What a customer is told of. A [`Notification`] knows its status, its message and the unit that LINE counts it under;
//! the delivery knows none of that.
//!
//! [`parse`] is the only way in: it names every wrong field at once, and what it lets through can be told to a
//! customer.

use serde_json::{Map, Value, json};
use time::Date;

use crate::{
    foreign_json,
    ids::OrderId,
    language::Language,
    line::{
        day::compact,
        objects::{LimitExceeded, Message},
    },
    message::{MessageStyle, order_finished},
    order::{
        DetailUrl, Order, Recipient,
        fields::{FieldError, Fields},
    },
};

/// The kinds of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationKind {
    /// A finished order.
    OrderFinished,
}

/// Something that a customer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// The order is finished.
    OrderFinished(Box<Order>),
}

/// What a status change asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusChange {
    /// The customer is to be told.
    Notified(Notification),
    /// Nobody is told of this status.
    Ignored {
        /// Whose status.
        order_id: OrderId,
    },
}

impl NotificationKind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::OrderFinished];

    /// The order status that it tells of: part of its record's key, and the name of its switch.
    pub const fn status(self) -> &'static str {
        match self {
            Self::OrderFinished => "finish",
        }
    }

    /// The order system's number for the same status.
    const fn number(self) -> u64 {
        match self {
            Self::OrderFinished => 5,
        }
    }

    /// The aggregation unit that LINE counts the messages of a day under (LINE: "Get statistics per unit").
    pub fn unit(self, day: Date) -> String {
        match self {
            Self::OrderFinished => format!("order_finish_{}", compact(day)),
        }
    }

    /// Whether the order system means this one: by its name in any case, or by its number.
    fn is(self, status: &Value) -> bool {
        let number = self.number();
        match status {
            Value::String(name) => name.eq_ignore_ascii_case(self.status()) || *name == number.to_string(),
            status => status.as_u64() == Some(number),
        }
    }
}

impl Notification {
    /// Its kind.
    pub fn kind(&self) -> NotificationKind {
        match self {
            Self::OrderFinished(_) => NotificationKind::OrderFinished,
        }
    }

    /// The order that it is about.
    pub fn order_id(&self) -> &OrderId {
        match self {
            Self::OrderFinished(order) => &order.id,
        }
    }

    /// Who is told.
    pub fn recipient(&self) -> &Recipient {
        match self {
            Self::OrderFinished(order) => &order.recipient,
        }
    }

    /// What the customer sees. `button`: with the button that opens the order, where there is one.
    pub fn message(
        &self,
        style: MessageStyle,
        default_language: Language,
        button: bool,
    ) -> Result<Message, LimitExceeded> {
        match self {
            Self::OrderFinished(order) => order_finished(order, style, default_language, button),
        }
    }

    /// The address that its button opens.
    pub fn detail_url(&self) -> Option<&DetailUrl> {
        match self {
            Self::OrderFinished(order) => order.detail_url.as_ref(),
        }
    }

    /// Whether its message has a button, which LINE may refuse for its address.
    pub fn has_button(&self) -> bool {
        self.detail_url().is_some()
    }

    /// The same with these fields in the place of its own; null takes one away. It stays about the same order.
    pub fn corrected(&self, fields: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let fixed = ["orderId", "status"].into_iter().filter(|name| fields.contains_key(*name));
        let errors: Vec<_> = fixed.map(|name| FieldError::not_allowed(name, "cannot be corrected")).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut body = self.to_json();
        for (name, value) in fields {
            body[name] = value.clone();
        }
        match parse(&body)? {
            StatusChange::Notified(corrected) => Ok(corrected),
            StatusChange::Ignored { .. } => Ok(self.clone()),
        }
    }

    /// The form that [`parse`] reads: what the queue carries and the record keeps. Equal notifications give equal JSON.
    pub fn to_json(&self) -> Value {
        let mut body = match self {
            Self::OrderFinished(order) => order.to_json(),
        };
        body["status"] = json!(self.kind().status());
        body
    }
}

/// Reads a status change from the JSON that the order system posts.
pub fn parse_bytes(body: &[u8]) -> Result<StatusChange, Vec<FieldError>> {
    let body = foreign_json::utf8(body).map_err(|error| vec![error.into()])?;
    let value = foreign_json::parse(body)
        .map_err(|error| vec![FieldError::invalid("", format!("the body must be JSON: {error}"))])?;
    parse(&value)
}

/// Reads a status change. Fields that it does not know are accepted; every wrong one is named.
pub fn parse(body: &Value) -> Result<StatusChange, Vec<FieldError>> {
    let mut fields = Fields::of(body)?;
    let id = fields.required("orderId", OrderId::parse);
    let change = match status(&mut fields) {
        Some(None) => id.map(|order_id| StatusChange::Ignored { order_id }),
        // Without a status the other fields are checked as well.
        None | Some(Some(NotificationKind::OrderFinished)) => Order::read(&mut fields, id)
            .map(|order| StatusChange::Notified(Notification::OrderFinished(Box::new(order)))),
    };
    fields.finish(change)
}

/// Which notification the status is for, if for any; `None` where it is no status at all.
fn status(fields: &mut Fields<'_>) -> Option<Option<NotificationKind>> {
    let is_name = |text: &str| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    let status = fields.find("status");
    if let Some(kind) = NotificationKind::ALL.into_iter().find(|kind| kind.is(status)) {
        return Some(Some(kind));
    }
    let error = match status {
        Value::String(text) if is_name(text) => return Some(None),
        Value::Number(number) if number.as_u64().is_some_and(|number| number < 1000) => return Some(None),
        Value::Null => FieldError::missing("status"),
        _ => FieldError::invalid("status", "must be a status: \"finish\" or 5, another name, or a number below 1000"),
    };
    fields.error(error);
    None
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::line::day::line_day;

    #[test]
    fn a_message_is_counted_on_lines_day() {
        let unit = |time| NotificationKind::OrderFinished.unit(line_day(time));
        assert_eq!(unit(datetime!(2026-09-01 14:59:59 UTC)), "order_finish_20260901");
        assert_eq!(unit(datetime!(2026-09-01 15:00:00 UTC)), "order_finish_20260902");
    }
}
