//! The fields of a JSON object, read one by one: every wrong one is named at once.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::{
    foreign_json::NotUtf8,
    invalid::{Invalid, Rule},
};

/// In which way a field is wrong, for a program; a word that is out stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldCode {
    /// It must be there.
    Missing,
    /// Nothing here has this name.
    Unknown,
    /// It is there more than once.
    Repeated,
    /// Its value is not what it must be.
    Invalid,
    /// It is what it must be, and is not allowed here.
    NotAllowed,
}

impl FieldCode {
    /// Every code.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Unknown, Self::Repeated, Self::Invalid, Self::NotAllowed];

    /// The word in an answer.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Repeated => "repeated",
            Self::Invalid => "invalid",
            Self::NotAllowed => "not_allowed",
        }
    }
}

/// One field that is wrong, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// In which way.
    pub code: FieldCode,
    /// The field's path, such as `fee.amount`; empty for the body itself.
    pub field: String,
    /// What it must be.
    pub problem: String,
    /// The same for a program, where that is a rule with a name.
    pub rule: Option<Rule>,
}

impl FieldError {
    fn new(code: FieldCode, field: &str, problem: impl Display) -> Self {
        Self { code, field: field.to_owned(), problem: problem.to_string(), rule: None }
    }

    /// It must be there.
    pub fn missing(field: &str) -> Self {
        Self::new(FieldCode::Missing, field, "is missing")
    }

    /// Nothing here has this name.
    pub fn unknown(field: &str, problem: &str) -> Self {
        Self::new(FieldCode::Unknown, field, problem)
    }

    /// It is there more than once.
    pub fn repeated(field: &str) -> Self {
        Self::new(FieldCode::Repeated, field, "comes twice")
    }

    /// Its value is not what it must be; of the body as a whole `field` is empty, and `problem` a sentence.
    pub fn invalid(field: &str, problem: impl Into<Invalid>) -> Self {
        let problem = problem.into();
        Self { rule: problem.rule().cloned(), ..Self::new(FieldCode::Invalid, field, problem) }
    }

    /// It is what it must be, and is not allowed here.
    pub fn not_allowed(field: &str, problem: impl Display) -> Self {
        Self::new(FieldCode::NotAllowed, field, problem)
    }

    /// As an answer has it.
    pub fn to_json(&self) -> Value {
        let mut json = json!({ "field": self.field, "code": self.code.name(), "detail": self.problem });
        if let Some(rule) = &self.rule {
            json["rule"] = rule.to_json();
        }
        json
    }
}

impl From<NotUtf8> for FieldError {
    fn from(problem: NotUtf8) -> Self {
        Self::invalid("", problem.to_string())
    }
}

/// Reads fields one by one and collects what is wrong with them.
#[derive(Debug)]
pub struct Fields<'a> {
    body: &'a Value,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// The fields of a JSON object.
    pub fn of(body: &'a Value) -> Result<Self, Vec<FieldError>> {
        if body.is_object() {
            Ok(Self { body, errors: Vec::new() })
        } else {
            Err(vec![FieldError::invalid("", "the body must be a JSON object")])
        }
    }

    /// `value`, if nothing was wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        value.filter(|_| self.errors.is_empty()).ok_or(self.errors)
    }

    /// Notes that a field is wrong.
    pub fn error(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// The value at this path, such as `fee.amount`; null where there is none.
    pub fn find(&self, path: &str) -> &Value {
        path.split('.').fold(self.body, |value, name| value.get(name).unwrap_or(&Value::Null))
    }

    /// Reads a text that may be absent or null.
    pub fn optional<T, E: Into<Invalid>>(&mut self, path: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let problem = match self.find(path) {
            Value::Null => return None,
            Value::String(text) => match read(text) {
                Ok(value) => return Some(value),
                Err(problem) => problem.into(),
            },
            _ => Invalid::from("must be a string"),
        };
        self.error(FieldError::invalid(path, problem));
        None
    }

    /// Reads a text that must be there.
    pub fn required<T, E: Into<Invalid>>(&mut self, path: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if self.find(path).is_null() {
            self.error(FieldError::missing(path));
            return None;
        }
        self.optional(path, read)
    }
}
