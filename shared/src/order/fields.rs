//! The fields of a JSON object, read one by one: every wrong one is named at once.

use std::fmt::Display;

use serde_json::Value;

use crate::foreign_json::NotUtf8;

/// One field that is wrong, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, such as `fee.amount`; empty for the body itself.
    pub field: String,
    /// What it must be.
    pub problem: String,
}

impl From<NotUtf8> for FieldError {
    fn from(problem: NotUtf8) -> Self {
        Self { field: String::new(), problem: problem.to_string() }
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
            Err(vec![FieldError { field: String::new(), problem: "must be a JSON object".to_owned() }])
        }
    }

    /// `value`, if nothing was wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        value.filter(|_| self.errors.is_empty()).ok_or(self.errors)
    }

    /// Notes that a field is wrong.
    pub fn error(&mut self, field: &str, problem: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), problem: problem.into() });
    }

    /// The value at this path, such as `fee.amount`; null where there is none.
    pub fn find(&self, path: &str) -> &Value {
        path.split('.').fold(self.body, |value, name| value.get(name).unwrap_or(&Value::Null))
    }

    /// Reads a text that may be absent or null.
    pub fn optional<T, E: Display>(&mut self, path: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let problem = match self.find(path) {
            Value::Null => return None,
            Value::String(text) => match read(text) {
                Ok(value) => return Some(value),
                Err(problem) => problem.to_string(),
            },
            _ => "must be a string".to_owned(),
        };
        self.error(path, problem);
        None
    }

    /// Reads a text that must be there.
    pub fn required<T, E: Display>(&mut self, path: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if self.find(path).is_null() {
            self.error(path, "is missing");
            return None;
        }
        self.optional(path, read)
    }
}
