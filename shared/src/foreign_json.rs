//! JSON that somebody else wrote: the order system, LINE, Sobot, whoever puts a message into a queue or a secret into
//! its place. What is not quite JSON, or not quite Unicode, is mended here and nowhere else, so that one bad byte costs
//! itself and not the body around it.
//!
//! | in the text | is read as |
//! | --- | --- |
//! | a byte order mark at its beginning, NULs at its end | nothing |
//! | half a character as an escape, such as `\ud83d` alone: a text that was cut by UTF-16's units | U+FFFD |
//! | a control character as it is, inside a string | its escape |
//! | a backslash before what no escape begins with | itself |
//! | an object of bare strings, `{"a", "b"}`, as Sobot's page prints one | a list |
//! | a member of a list that is not what it should be | nothing: [`Members`] |
//!
//! What is JSON is read as it stands: nothing is mended before a strict reading has failed, and whatever else is wrong
//! is an error as before. Bytes that are not UTF-8 become U+FFFD by [`lossy`], where a refusal would lose the whole;
//! they are refused by [`utf8`], where somebody can send the same again in UTF-8.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Value, value::RawValue};

/// Bytes that are not UTF-8, or may not have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUtf8 {
    /// They are not.
    #[error("the body is not UTF-8: see its byte {offset}, counted from 0")]
    Certain {
        /// Where the first of them stands, in bytes from the beginning.
        offset: usize,
    },
    /// A U+FFFD stands there: the sender's own, or in the place of what was no text.
    #[error(
        "the body is not UTF-8, or has a U+FFFD of its own that nobody can tell from that without Content-Length: see \
         its byte {offset}, counted from 0; send the length, or write \\ufffd"
    )]
    Possible {
        /// Where, in bytes from the beginning.
        offset: usize,
    },
}

/// The bytes as text, if they are UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, NotUtf8> {
    str::from_utf8(bytes).map_err(|error| NotUtf8::Certain { offset: error.valid_up_to() })
}

/// The bytes as text, with U+FFFD for what is not UTF-8.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Reads JSON, mended if need be.
pub fn parse<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let error = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let text = mended(text);
    match serde_json::from_str(&text).or_else(|_| serde_json::from_str(&with_sets_as_lists(&text))) {
        Ok(value) => Ok(value),
        // It is JSON now, and says something else: of that the reader should hear.
        Err(mended) if mended.is_data() => Err(mended),
        Err(_) => Err(error),
    }
}

/// Reads JSON, mended if need be; null where that is in vain.
pub fn value(text: &str) -> Value {
    parse(text).unwrap_or_default()
}

/// The value that the text begins with, whatever comes after it.
pub fn first<'a, T: Deserialize<'a>>(text: &'a str) -> serde_json::Result<T> {
    T::deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// The text with everything mended that is wrong with its beginning, its end and its strings.
pub fn mended(text: &str) -> Cow<'_, str> {
    let text = text.trim_start_matches('\u{FEFF}').trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    let (mut out, mut kept, mut at, mut in_string) = (String::new(), 0, 0, false);
    let bytes = text.as_bytes();
    // Whatever is looked for is ASCII, which no part of a longer character is.
    while at < bytes.len() {
        let (taken, instead) = match bytes[at] {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'\\' if in_string => escape(text, at),
            control @ 0..0x20 if in_string => (1, Some(format!("\\u{control:04x}"))),
            _ => (1, None),
        };
        if let Some(instead) = instead {
            out.push_str(&text[kept..at]);
            out.push_str(&instead);
            kept = at + taken;
        }
        at += taken;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// How many bytes the escape at `at` has, and what has to stand in its place.
fn escape(text: &str, at: usize) -> (usize, Option<String>) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        // `from_str_radix` takes a sign, too.
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    match (unit(at), unit(at + 6)) {
        (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, None),
        (Some(0xD800..=0xDFFF), _) => (6, Some("\u{FFFD}".to_owned())),
        (Some(_), _) => (6, None),
        (None, _) => match text.as_bytes().get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (2, None),
            _ => (1, Some("\\\\".to_owned())),
        },
    }
}

/// The same with `[` and `]` around what is an object of bare strings.
fn with_sets_as_lists(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(begin) = rest.find(['"', '{']) {
        out.push_str(&rest[..begin]);
        rest = &rest[begin..];
        let set = rest.strip_prefix('{').map(bare_strings);
        let taken = match (set, string(rest)) {
            (Some(Some(inside)), _) => {
                out.extend(["[", inside, "]"]);
                rest = &rest[inside.len() + 2..];
                continue;
            }
            (Some(None), _) => 1,
            // A string is passed over: what is in it is no JSON.
            (None, Some(length)) => length,
            // One without an end: nothing after it is.
            (None, None) => break,
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out + rest
}

/// What is before the `}`, if that is strings with commas between them.
fn bare_strings(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        rest = rest[string(rest)?..].trim_start();
        if rest.starts_with('}') {
            return Some(&text[..text.len() - rest.len()]);
        }
        rest = rest.strip_prefix(',')?;
    }
}

/// How long the string is that the text begins with, in bytes.
fn string(text: &str) -> Option<usize> {
    let bytes = text.strip_prefix('"')?.as_bytes();
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 2),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The members of a list. One that is not what it should be is left out; a list of nothing else is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members<T> {
    /// Those that are what they should be.
    pub members: Vec<T>,
    /// How many are left out.
    pub left_out: usize,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Vec::<Box<RawValue>>::deserialize(deserializer)?;
        let count = raw.len();
        let (mut members, mut wrong) = (Vec::with_capacity(count), None);
        for member in raw {
            match parse(member.get()) {
                Ok(member) => members.push(member),
                Err(error) => wrong = Some(error),
            }
        }
        let left_out = count - members.len();
        match wrong {
            Some(error) if members.is_empty() => return Err(D::Error::custom(error)),
            // Without the error's text, which may quote what somebody wrote.
            Some(_) => tracing::warn!(list.members = count, list.left_out = left_out, "a list is not read as a whole"),
            None => {}
        }
        Ok(Self { members, left_out })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_quite_json_is_mended() {
        for (text, expected) in [
            ("\u{FEFF}{\"a\":1}", json!({ "a": 1 })),
            ("{\"a\":1}\0\0\n", json!({ "a": 1 })),
            (r#"["\ud83d"]"#, json!(["\u{FFFD}"])),
            (r#"["\ude00\ud83d x"]"#, json!(["\u{FFFD}\u{FFFD} x"])),
            (r#"["\ud83d\ud83d\ude00"]"#, json!(["\u{FFFD}😀"])),
            (r#"["\\ud83d \ud83d"]"#, json!(["\\ud83d \u{FFFD}"])),
            (r#"["\uD83D\u+123"]"#, json!(["\u{FFFD}\\u+123"])),
            ("[\"a\nb\tc\u{0}\"]", json!(["a\nb\tc\0"])),
            (r#"["it\'s \x41 \"]"#, json!(null)),
            (r#"["it\'s \x41"]"#, json!(["it\\'s \\x41"])),
            ("[\"字\\字\"]", json!(["字\\字"])),
            (r#"{"item": {"https://e.jp/{c}", "b"}, "n": {}}"#, json!({ "item": ["https://e.jp/{c}", "b"], "n": {} })),
            (r#"{"item":{ "a\"}" },"text":"{\"a\"}"}"#, json!({ "item": ["a\"}"], "text": "{\"a\"}" })),
            ("[\"\\ud83d\", {\"a\nb\"}]", json!(["\u{FFFD}", ["a\nb"]])),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_json_is_read_as_it_stands() {
        for text in [
            r#"{"a":"\ud83d\ude00 \\ud83d \u0000 \/ \b\f\n\r\t \"","b":[{"c":{}}]}"#,
            "\"{\\\"a\\\", \\\"b\\\"}\"",
            "[\"\u{FFFD}\u{FEFF}\u{FFFF}\"]",
        ] {
            assert_eq!(mended(text), text);
            assert_eq!(with_sets_as_lists(text), text);
            assert_eq!(parse::<Value>(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn what_else_is_wrong_is_an_error_that_names_its_place() {
        for text in ["", "{", "{\"a\":1}{\"a\":2}", "{\"a\":1} x", "{a:1}", "[1,]", "[NaN]", "'a'", r#"{"a","b":1}"#] {
            let strict = serde_json::from_str::<Value>(text).unwrap_err();
            let error = parse::<Value>(text).unwrap_err();
            assert_eq!((error.line(), error.column()), (strict.line(), strict.column()), "{text}");
        }
        assert_eq!(first::<Value>("{\"a\":1} x").unwrap(), json!({ "a": 1 }));
        let number = parse::<Vec<u8>>("\u{FEFF}[\"a\"]").unwrap_err();
        assert!(number.is_data(), "{number}");
    }

    #[test]
    fn bytes_are_utf8_or_say_where_they_are_not() {
        assert_eq!(utf8("字".as_bytes()), Ok("字"));
        // 商品 in GBK.
        let gbk = b"{\"startShop\":\"\xC9\xCC\xC6\xB7\"}";
        let error = utf8(gbk).unwrap_err();
        assert_eq!(error.to_string(), "the body is not UTF-8: see its byte 14, counted from 0");
        assert_eq!(value(&lossy(b"[\"a\xFFb\"]")), json!(["a\u{FFFD}b"]));
    }

    #[test]
    fn a_bad_member_of_a_list_is_lost_alone() {
        let numbers = |text: &str| parse::<Members<u8>>(text).map(|list| (list.members, list.left_out)).ok();
        assert_eq!(numbers("[1,\"x\",3,{},[256]]"), Some((vec![1, 3], 3)));
        assert_eq!(numbers("[]"), Some((vec![], 0)));
        assert_eq!(numbers("[\"x\"]"), None, "nothing of it is as it should be");
        assert_eq!(parse::<Members<String>>(r#"["a\ud83d",7,"b"]"#).unwrap().members, ["a\u{FFFD}", "b"]);
    }
}
