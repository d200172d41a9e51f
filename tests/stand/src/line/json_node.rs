//! A place in a request body: knows its path, and collects what is wrong there as LINE's `details`.

use std::{cell::RefCell, fmt::Display};

use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation as _;

/// How LINE counts a text ("Character counting in a text").
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    /// UTF-16 code units, the general rule.
    Utf16,
    /// Grapheme clusters: labels of actions, text and title of a buttons template.
    Graphemes,
}

impl Unit {
    pub(super) fn count(self, text: &str) -> usize {
        match self {
            Self::Utf16 => text.encode_utf16().count(),
            Self::Graphemes => text.graphemes(true).count(),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Details<'a>(&'a RefCell<Vec<Value>>);

#[derive(Clone)]
pub(super) struct Node<'a> {
    path: String,
    value: &'a Value,
    details: Details<'a>,
}

/// Applies `rules` to a document; answers the details of everything refused.
pub(super) fn check(document: &Value, rules: impl FnOnce(&Node<'_>)) -> Vec<Value> {
    let details = RefCell::new(Vec::new());
    rules(&Node { path: String::new(), value: document, details: Details(&details) });
    details.into_inner()
}

impl<'a> Node<'a> {
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn report(&self, message: impl Display) {
        self.report_at(&self.path, message);
    }

    fn report_at(&self, path: &str, message: impl Display) {
        let mut detail = json!({ "message": message.to_string() });
        if !path.is_empty() {
            detail["property"] = path.into();
        }
        self.details.0.borrow_mut().push(detail);
    }

    fn path_to(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// An object with no other fields than these.
    pub(super) fn object(&self, fields: &[&[&str]]) -> bool {
        let Some(object) = self.value.as_object() else {
            self.report("must be an object");
            return false;
        };
        for name in object.keys().filter(|name| !fields.iter().any(|group| group.contains(&name.as_str()))) {
            self.report_at(&self.path_to(name), "unknown field");
        }
        true
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.value.get(field).is_some()
    }

    pub(super) fn optional(&self, field: &str) -> Option<Node<'a>> {
        let value = self.value.get(field)?;
        Some(Node { path: self.path_to(field), value, details: self.details })
    }

    pub(super) fn required(&self, field: &str) -> Option<Node<'a>> {
        let node = self.optional(field);
        if node.is_none() {
            self.report_at(&self.path_to(field), "must be specified");
        }
        node
    }

    /// The `type` of this object, if it is one of `allowed`.
    pub(super) fn kind(&self, allowed: &[&str]) -> Option<&'a str> {
        if !self.value.is_object() {
            self.report("must be an object");
            return None;
        }
        self.required("type")?.one_of(allowed)
    }

    pub(super) fn string(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        match text {
            None => self.report("must be a string"),
            Some("") => {
                self.report("May not be empty");
                return None;
            }
            Some(_) => {}
        }
        text
    }

    /// A non-empty string of at most `max`.
    pub(super) fn text(&self, max: usize, unit: Unit) -> Option<&'a str> {
        let text = self.string()?;
        if unit.count(text) > max {
            self.report(format_args!("Length must be between 0 and {max}"));
            return None;
        }
        Some(text)
    }

    pub(super) fn one_of(&self, allowed: &[&str]) -> Option<&'a str> {
        let text = self.value.as_str().filter(|text| allowed.contains(text));
        if text.is_none() {
            self.report(format_args!("must be one of {}", allowed.join(", ")));
        }
        text
    }

    pub(super) fn boolean(&self) {
        if !self.value.is_boolean() {
            self.report("must be true or false");
        }
    }

    /// A whole number, not negative.
    pub(super) fn count(&self) {
        if self.value.as_u64().is_none() {
            self.report("must be a number, 0 or greater");
        }
    }

    /// An array of `min` to `max` items; none when it is not.
    pub(super) fn items(&self, min: usize, max: usize) -> Vec<Node<'a>> {
        match self.value.as_array() {
            None => self.report("must be an array"),
            Some(items) if items.len() < min || items.len() > max => {
                self.report(format_args!("Size must be between {min} and {max}"));
            }
            Some(items) => {
                let node =
                    |(index, value)| Node { path: format!("{}[{index}]", self.path), value, details: self.details };
                return items.iter().enumerate().map(node).collect();
            }
        }
        Vec::new()
    }

    /// `#RRGGBB`, and `#RRGGBBAA` where an alpha value is allowed.
    pub(super) fn colour(&self, alpha: bool) {
        let digits = self.value.as_str().and_then(|text| text.strip_prefix('#')).unwrap_or_default();
        let length_fits = digits.len() == 6 || (alpha && digits.len() == 8);
        if !length_fits || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            self.report("invalid color");
        }
    }

    /// A URI of at most `max` characters with one of `schemes`, percent-encoded.
    pub(super) fn uri(&self, max: usize, schemes: &[&str]) {
        let Some(uri) = self.text(max, Unit::Utf16) else { return };
        let (scheme, rest) = uri.split_once(':').unwrap_or_default();
        if !schemes.iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme)) {
            self.report("invalid uri scheme");
        // LINE refuses some well-formed addresses as well: a public report tells of one that ends in `.apk`.
        } else if !is_percent_encoded(uri) || !names_something(scheme, rest) || uri.ends_with(".apk") {
            self.report("invalid uri");
        }
    }
}

fn names_something(scheme: &str, rest: &str) -> bool {
    if scheme.eq_ignore_ascii_case("tel") {
        return !rest.is_empty();
    }
    rest.strip_prefix("//").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
}

/// Only characters of RFC 3986, and `%` only before two hexadecimal digits.
fn is_percent_encoded(uri: &str) -> bool {
    let bytes = uri.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(value: &Value, rule: impl FnOnce(&Node<'_>)) -> bool {
        !check(value, rule).is_empty()
    }

    #[test]
    fn texts_are_counted_as_line_counts_them() {
        // A battery is one character on the screen and two UTF-16 units; a family of four is one and eleven.
        for (text, utf16, graphemes) in
            [("🔋", 2, 1), ("👨‍👩‍👧‍👦", 11, 1), ("e\u{301}", 2, 1), ("租借完成", 4, 4), ("🇯🇵", 4, 1), ("a\r\nb", 4, 3)]
        {
            assert_eq!(Unit::Utf16.count(text), utf16, "{text}");
            assert_eq!(Unit::Graphemes.count(text), graphemes, "{text}");
        }
    }

    #[test]
    fn a_detail_names_the_place() {
        let document = json!({ "messages": [{ "template": { "text": 7 } }] });
        let details = check(&document, |body| {
            let messages = body.required("messages").unwrap().items(1, 5);
            messages[0].required("template").unwrap().required("text").unwrap().text(60, Unit::Graphemes);
            messages[0].required("type");
        });
        assert_eq!(details[0], json!({ "message": "must be a string", "property": "messages[0].template.text" }));
        assert_eq!(details[1], json!({ "message": "must be specified", "property": "messages[0].type" }));
    }

    #[test]
    fn colours_are_hexadecimal() {
        for (colour, alpha, fits) in [
            ("#00aaFF", false, true),
            ("#00aaFF80", true, true),
            ("#00aaFF80", false, false),
            ("#00aaFF8", true, false),
            ("00aaFF", true, false),
            ("#00aaFG", true, false),
            ("red", true, false),
            ("#0af", true, false),
        ] {
            assert_eq!(!refused(&json!(colour), |node| node.colour(alpha)), fits, "{colour}");
        }
    }

    #[test]
    fn uris_are_ascii_percent_encoded_and_of_a_known_scheme() {
        let schemes = ["http", "https", "line", "tel"];
        for fits in [
            "https://example.com/orders/A0001?openExternalBrowser=1#top",
            "HTTP://example.com",
            "https://example.com/%E5%85%85",
            "https://[::1]/",
            "line://app/1",
            "tel:+81312345678",
        ] {
            assert!(!refused(&json!(fits), |node| node.uri(1000, &schemes)), "{fits}");
        }
        for broken in [
            "https://example.com/充电",
            "https://example.com/a b",
            "https://example.com/%E5%8",
            "https://example.com/%zz",
            "https://",
            "https:///path",
            "https:example.com",
            "tel:",
            "ftp://example.com",
            "javascript:alert(1)",
            "/orders/A0001",
            "",
        ] {
            assert!(refused(&json!(broken), |node| node.uri(1000, &schemes)), "{broken}");
        }
        let long = format!("https://example.com/{}", "a".repeat(980));
        assert!(!refused(&json!(long), |node| node.uri(1000, &schemes)));
        assert!(refused(&json!(long + "a"), |node| node.uri(1000, &schemes)));
    }
}
