//! What a request says: its path, its query, its body. Whatever is wrong is named by its field, all of it at once.

use lambda_http::{Request, RequestExt as _};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use shared::{
    audit::Operator,
    foreign_json,
    invalid::{Invalid, Rule},
    lambda::http_api::{Problem, utf8_body},
    line::day::day_start,
    order::fields::FieldError,
};
use time::{
    Date, OffsetDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

use crate::{Caller, cursor};

/// The longest reason, in characters.
const MAX_REASON: usize = 500;
/// The longest id of a partner.
const MAX_ID: usize = 64;
/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// 400: nothing was done.
pub fn nothing_done(errors: Vec<FieldError>) -> Problem {
    Problem::wrong_fields("Nothing was changed. Correct the fields listed in errors.", errors)
}

/// What a field of a few words must be.
pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Invalid {
    let words = words.into_iter().collect::<Vec<_>>().join(", ");
    let problem = format!("must be one of {words}");
    Invalid::by(Rule::OneOf(words), problem)
}

/// The one of `all` that has this name.
pub fn named<T: Copy, const N: usize>(
    all: [T; N],
    name_of: impl Fn(T) -> &'static str,
    name: &str,
) -> Result<T, Invalid> {
    all.into_iter().find(|one| name_of(*one) == name).ok_or_else(|| one_of(all.map(name_of)))
}

/// A day, `2026-09-01`.
pub fn day(text: &str) -> Result<Date, Invalid> {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");
    Date::parse(text, FORMAT).map_err(|_| Invalid::by(Rule::Day, "must be a day such as 2026-09-01"))
}

/// When a span of time begins: a time, or the beginning of LINE's day.
pub fn span_start(text: &str) -> Result<OffsetDateTime, Invalid> {
    day(text).map(day_start).or_else(|_| time(text))
}

/// When it ends: a time, which is not in it any more, or the end of LINE's day.
pub fn span_end(text: &str) -> Result<OffsetDateTime, Invalid> {
    match day(text) {
        Ok(day) => day.next_day().map(day_start).ok_or_else(|| "is too late".into()),
        Err(_) => time(text),
    }
}

fn time(text: &str) -> Result<OffsetDateTime, Invalid> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
        Invalid::by(Rule::DayOrTime, "must be a day such as 2026-09-01, or a time such as 2026-09-01T08:00:00Z")
    })
}

/// An id that LINE or Sobot gave: LINE's messages have decimal digits, Sobot's tasks 32 hexadecimal ones, and its page
/// shows one of 25 decimal ones.
pub fn partner_id(text: &str) -> Result<String, Invalid> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_id = (1..=MAX_ID).contains(&text.len()) && text.bytes().all(legal);
    if is_id { Ok(text.to_owned()) } else { Err(format!("must be 1 to {MAX_ID} of A-Z a-z 0-9 - _").into()) }
}

fn reason(text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    match text.chars().count() {
        1..=MAX_REASON => Ok(text.to_owned()),
        _ => {
            let problem = format!("must state a reason of 1 to {MAX_REASON} characters (it is recorded)");
            Err(Invalid::by(Rule::Characters(MAX_REASON as u64), problem))
        }
    }
}

/// A part of the path. What API Gateway left percent-encoded is decoded: nothing that is asked for has a `%` of its
/// own.
pub fn path<T, E: Into<Invalid>>(
    request: &Request,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Problem> {
    let parameters = request.path_parameters();
    parse(&percent_decode_str(parameters.first(name).unwrap_or_default()).decode_utf8_lossy())
        .map_err(|problem| nothing_done(vec![FieldError::invalid(name, problem)]))
}

/// The query of a call.
#[derive(Debug)]
pub struct Query {
    given: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Query {
    /// Nothing may be in the query of this operation.
    pub fn none(request: &Request) -> Result<(), Problem> {
        Self::of(request, &[]).finish(Some(()))
    }

    /// The query; a parameter that is not one of `known`, or that comes twice, is wrong.
    pub fn of(request: &Request, known: &[&str]) -> Self {
        let mut query = Self { given: Vec::new(), errors: Vec::new() };
        for (name, value) in request.query_string_parameters().iter() {
            if !known.contains(&name) {
                query.errors.push(FieldError::unknown(&shortened(name), "unknown parameter"));
            } else if query.has(name) {
                query.errors.push(FieldError::repeated(name));
            } else {
                query.given.push((name.to_owned(), value.to_owned()));
            }
        }
        query
    }

    /// Whether a parameter is there.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| given == name)
    }

    /// Notes that a parameter is wrong.
    pub fn wrong(&mut self, field: &str, problem: impl Into<Invalid>) {
        self.errors.push(FieldError::invalid(field, problem));
    }

    /// A parameter that may be left out.
    pub fn optional<T, E: Into<Invalid>>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let value = self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone())?;
        match parse(&value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.wrong(name, problem);
                None
            }
        }
    }

    /// A parameter that must be there.
    pub fn required<T, E: Into<Invalid>>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if !self.has(name) {
            self.errors.push(FieldError::missing(name));
        }
        self.optional(name, parse)
    }

    /// `limit`, 1 to 100.
    pub fn limit(&mut self) -> u32 {
        self.limit_from(1)
    }

    /// `limit`, so much to 100.
    pub fn limit_from(&mut self, least: u32) -> u32 {
        let limit = self.optional("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (least..=100).contains(limit));
            let problem = || format!("must be a number from {least} to 100");
            limit.ok_or_else(|| Invalid::by(Rule::WholeNumber { least: least.into(), most: 100 }, problem()))
        });
        limit.unwrap_or(50)
    }

    /// `cursor`, as it was given out in this `context`.
    pub fn cursor<T: serde::de::DeserializeOwned>(&mut self, caller: &Caller, context: &str) -> Option<T> {
        self.optional("cursor", |text| {
            cursor::open(&caller.keys.sealing_key, context, text).ok_or(Invalid::by(
                Rule::Cursor,
                "must be the `next` value of the previous page, with all other parameters unchanged; omit it to start \
                 over",
            ))
        })
    }

    /// `reason`, with who says it.
    pub fn operator(&mut self, caller: &Caller) -> Option<Operator> {
        let reason = self.required("reason", reason)?;
        Some(caller.as_operator(reason))
    }

    /// The end of reading: what was read, unless anything was wrong.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Problem> {
        read.filter(|_| self.errors.is_empty()).ok_or_else(|| nothing_done(self.errors))
    }
}

/// The JSON object in the body of a call.
#[derive(Debug)]
pub struct BodyFields {
    given: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl BodyFields {
    /// The object; a field that is not one of `known` is wrong.
    pub fn of(request: &Request, known: &[&str]) -> Result<Self, Problem> {
        let wrong = |problem: &'static str| nothing_done(vec![FieldError::invalid("", problem)]);
        let body: &[u8] = request.body();
        if body.len() > MAX_BODY {
            return Err(wrong("the body is too large"));
        }
        let body = utf8_body(request).map_err(|error| nothing_done(vec![error.into()]))?;
        let Ok(Value::Object(given)) = foreign_json::parse(body) else {
            return Err(wrong("the body must be a JSON object"));
        };
        let unknown = given.keys().filter(|name| !known.contains(&name.as_str()));
        let errors = unknown.map(|name| FieldError::unknown(&shortened(name), "unknown field")).collect();
        Ok(Self { given, errors })
    }

    fn read<T>(&mut self, name: &str, parse: impl FnOnce(&Value) -> Result<T, Invalid>) -> Option<T> {
        let Some(value) = self.given.get(name) else {
            self.errors.push(FieldError::missing(name));
            return None;
        };
        match parse(value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.errors.push(FieldError::invalid(name, problem));
                None
            }
        }
    }

    /// A yes or no; `default` where it is left out, if it may be.
    pub fn bool(&mut self, name: &str, default: Option<bool>) -> Option<bool> {
        if let (false, Some(default)) = (self.given.contains_key(name), default) {
            return Some(default);
        }
        self.read(name, |value| value.as_bool().ok_or("must be true or false".into()))
    }

    /// A text that must be there.
    pub fn text<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        self.read(name, |value| value.as_str().ok_or("must be a string".into()).and_then(parse))
    }

    /// A list of texts that may be left out: then it is empty.
    pub fn texts<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, Invalid>) -> Option<Vec<T>> {
        if !self.given.contains_key(name) {
            return Some(Vec::new());
        }
        self.read(name, |value| {
            let texts = value.as_array().ok_or("must be a list of strings")?.iter();
            texts.map(|text| text.as_str().ok_or("must be a list of strings".into()).and_then(&parse)).collect()
        })
    }

    /// A whole number from 1 to `most` that may be left out.
    pub fn whole_number(&mut self, name: &str, most: u64) -> Option<Option<u64>> {
        if !self.given.contains_key(name) {
            return Some(None);
        }
        self.read(name, |value| {
            let number = value.as_u64().filter(|number| (1..=most).contains(number));
            let problem = || format!("must be a whole number from 1 to {most}");
            number.map(Some).ok_or_else(|| Invalid::by(Rule::WholeNumber { least: 1, most }, problem()))
        })
    }

    /// An object that may be left out.
    pub fn object(&mut self, name: &str) -> Option<Option<Map<String, Value>>> {
        if !self.given.contains_key(name) {
            return Some(None);
        }
        self.read(name, |value| Ok(Some(value.as_object().ok_or("must be an object")?.clone())))
    }

    /// `reason`, with who says it.
    pub fn operator(&mut self, caller: &Caller) -> Option<Operator> {
        let reason = self.text("reason", reason)?;
        Some(caller.as_operator(reason))
    }

    /// The end of reading: what was read, unless anything was wrong.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Problem> {
        read.filter(|_| self.errors.is_empty()).ok_or_else(|| nothing_done(self.errors))
    }
}

/// A name that somebody made up, short enough for an answer.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_words() {
        assert_eq!(reason(" LINE is down \n"), Ok("LINE is down".to_owned()));
        assert!(reason(&"字".repeat(500)).is_ok());
        for wrong in ["", " \t", &"字".repeat(501)] {
            assert!(reason(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_part_of_the_path_is_the_same_in_either_spelling() {
        for written in ["R:1", "R%3A1", "R%3a1"] {
            let parameters = std::collections::HashMap::from([("orderId".to_owned(), vec![written.to_owned()])]);
            let request = Request::default().with_path_parameters(parameters);
            assert_eq!(
                path(&request, "orderId", |id| Ok::<_, Invalid>(id.to_owned())),
                Ok("R:1".to_owned()),
                "{written}"
            );
        }
    }

    #[test]
    fn a_span_of_days_has_all_of_both() {
        use time::macros::datetime;
        assert_eq!(span_start("2026-09-01"), Ok(datetime!(2026-08-31 15:00 UTC)));
        assert_eq!(span_end("2026-09-01"), Ok(datetime!(2026-09-01 15:00 UTC)));
        assert_eq!(span_end("2026-09-01T08:00:00+08:00"), Ok(datetime!(2026-09-01 00:00 UTC)));
        assert!(span_start("yesterday").is_err() && span_end("9999-12-31").is_err());
    }

    #[test]
    fn an_id_of_a_partner_is_one_as_they_give_them() {
        for id in ["aa8eb4e79d8b46efaf4320622faf8e8d", "1123412432341234123412431", "515320261680824337", "id-1_b"] {
            assert_eq!(partner_id(id).as_deref(), Ok(id));
        }
        for wrong in ["", "a b", "1/2", "1,2", "字", &"1".repeat(65)] {
            assert!(partner_id(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_day_is_a_day() {
        assert!(day("2028-02-29").is_ok());
        for wrong in ["", "2026-02-29", "2026-9-1", "20260901", "2026-09-01T00:00:00Z", " 2026-09-01"] {
            assert!(day(wrong).is_err(), "{wrong:?}");
        }
    }
}
