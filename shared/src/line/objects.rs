//! Message objects that cannot be built beyond LINE's limits: each limit is a type whose constructor checks it.
//!
//! Sources: Messaging API reference, "Template messages", "Buttons template", "Specifications of the label",
//! "Flex Message"; "Character counting in a text" for what is a character where.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

/// Something is longer than LINE allows, or empty where LINE wants a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must have 1 to {limit} {unit}, not {actual}")]
pub struct LimitExceeded {
    what: &'static str,
    unit: &'static str,
    limit: usize,
    actual: usize,
}

fn within(what: &'static str, unit: &'static str, limit: usize, actual: usize) -> Result<(), LimitExceeded> {
    if (1..=limit).contains(&actual) { Ok(()) } else { Err(LimitExceeded { what, unit, limit, actual }) }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The text of a buttons template without title and image: 1 to 160 UTF-16 units. LINE counts grapheme clusters here
/// and does not say by which version of Unicode; no text has more of them than units, and what does not fit is no loss:
/// a Flex Message says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ButtonsText(String);

impl ButtonsText {
    /// Checks the length.
    pub fn new(text: String) -> Result<Self, LimitExceeded> {
        within("the text of a buttons template", "UTF-16 units", 160, units(&text))?;
        Ok(Self(text))
    }
}

/// What a notification and the chat list show: 1 to 1,500 UTF-16 units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AltText(String);

impl AltText {
    /// Checks the length.
    pub fn new(text: String) -> Result<Self, LimitExceeded> {
        within("altText", "UTF-16 units", 1500, units(&text))?;
        Ok(Self(text))
    }
}

/// The label of an action: 1 to 20 UTF-16 units, for the reason of [`ButtonsText`]; the limit in a template (a Flex
/// button would take 40).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActionLabel(String);

impl ActionLabel {
    /// Checks the length.
    pub fn new(label: &str) -> Result<Self, LimitExceeded> {
        within("an action's label", "UTF-16 units", 20, units(label))?;
        Ok(Self(label.to_owned()))
    }
}

/// A button that opens a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriAction {
    label: ActionLabel,
    uri: String,
}

impl UriAction {
    /// Checks the address's length: 1 to 1,000 characters.
    pub fn new(label: ActionLabel, uri: &str) -> Result<Self, LimitExceeded> {
        within("an action's uri", "characters", 1000, units(uri))?;
        Ok(Self { label, uri: uri.to_owned() })
    }

    fn to_json(&self) -> Value {
        json!({ "type": "uri", "label": self.label, "uri": self.uri })
    }
}

/// A Flex bubble: at most 30 KB of JSON, read as 30,000 bytes, the smaller of the two readings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bubble(Value);

/// A row of a bubble: a label and its value. LINE refuses an empty text, so an empty value makes no row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The grey label on the left.
    pub label: String,
    /// The value on the right; may have several lines.
    pub value: String,
    /// Whether the value is set large and bold.
    pub strong: bool,
}

impl Bubble {
    /// A bubble with a headline, groups of rows with a line between the groups, and perhaps a button.
    pub fn receipt(title: &str, groups: &[Vec<Row>], button: Option<&UriAction>) -> Result<Self, LimitExceeded> {
        let mut body = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            if index > 0 {
                body.push(json!({ "type": "separator", "margin": "md" }));
            }
            body.extend(group.iter().filter(|row| !row.value.is_empty()).map(Row::to_json));
        }
        let mut bubble = json!({
            "type": "bubble",
            "header": { "type": "box", "layout": "vertical", "contents": [
                { "type": "text", "text": title, "weight": "bold", "size": "lg", "wrap": true }
            ] },
            "body": { "type": "box", "layout": "vertical", "spacing": "md", "contents": body }
        });
        if let Some(button) = button {
            bubble["footer"] = json!({ "type": "box", "layout": "vertical", "contents": [
                { "type": "button", "style": "primary", "height": "sm", "action": button.to_json() }
            ] });
        }
        within("a Flex bubble", "bytes", 30_000, bubble.to_string().len())?;
        Ok(Self(bubble))
    }
}

impl Row {
    fn to_json(&self) -> Value {
        let mut value =
            json!({ "type": "text", "text": self.value, "size": "sm", "flex": 5, "align": "end", "wrap": true });
        if self.strong {
            value["size"] = json!("lg");
            value["weight"] = json!("bold");
        }
        json!({ "type": "box", "layout": "horizontal", "contents": [
            { "type": "text", "text": self.label, "size": "sm", "color": "#888888", "flex": 2, "wrap": true },
            value
        ] })
    }
}

/// A message object of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A buttons template without title and image, with one button (LINE: "Buttons template").
    Buttons {
        /// What notifications show.
        alt_text: AltText,
        /// The text.
        text: ButtonsText,
        /// A template needs an action.
        action: UriAction,
    },
    /// A Flex Message (LINE: "Flex Message").
    Flex {
        /// What notifications show.
        alt_text: AltText,
        /// The contents.
        bubble: Bubble,
    },
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Buttons { alt_text, text, action } => json!({
                "type": "template",
                "altText": alt_text,
                "template": { "type": "buttons", "text": text, "actions": [action.to_json()] }
            }),
            Self::Flex { alt_text, bubble } => json!({ "type": "flex", "altText": alt_text, "contents": bubble }),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_counted_in_its_own_unit() {
        assert!(ButtonsText::new("🔋".repeat(80)).is_ok());
        assert!(ButtonsText::new("🔋".repeat(81)).is_err());
        assert!(AltText::new("🔋".repeat(750)).is_ok());
        assert!(AltText::new("🔋".repeat(751)).is_err());
        assert!(ActionLabel::new(&"ด".repeat(20)).is_ok());
        assert!(ActionLabel::new(&"ด".repeat(21)).is_err());
        assert!(ButtonsText::new(String::new()).is_err());
        let label = ActionLabel::new("x").unwrap();
        assert!(UriAction::new(label.clone(), &"x".repeat(1000)).is_ok());
        assert!(UriAction::new(label, &"x".repeat(1001)).is_err());
    }

    #[test]
    fn a_bubble_is_at_most_30_kilobytes() {
        let row = |n| vec![vec![Row { label: "a".to_owned(), value: "x".repeat(n), strong: false }]];
        assert!(Bubble::receipt("t", &row(29_000), None).is_ok());
        assert!(Bubble::receipt("t", &row(30_000), None).is_err());
    }
}
