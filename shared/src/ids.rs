//! The ids that everything is found by: an order's, a member's, a LINE user's.

use std::fmt;

use uuid::Uuid;

use crate::invalid::{Invalid, Rule};

/// The longest order id.
pub const MAX_ORDER_ID: usize = 64;

/// 1 to 64 of `A-Z a-z 0-9 . _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderId(String);

impl OrderId {
    /// Reads an id.
    pub fn parse(id: &str) -> Result<Self, Invalid> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=MAX_ORDER_ID).contains(&id.len()) && id.bytes().all(legal) {
            Ok(Self(id.to_owned()))
        } else {
            let problem = format!("must be 1 to {MAX_ORDER_ID} of A-Z a-z 0-9 . _ : -");
            Err(Invalid::by(Rule::Id(MAX_ORDER_ID as u64), problem))
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A member's id in the company's own systems: 1 to 64 of `A-Z a-z 0-9 . _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberId(String);

impl MemberId {
    /// Reads an id.
    pub fn parse(id: &str) -> Result<Self, Invalid> {
        OrderId::parse(id).map(|OrderId(id)| Self(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A LINE user id, `U` and 32 lower-case hexadecimal digits (LINE: "Get user IDs"). Logs show its beginning only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LineUserId(String);

impl LineUserId {
    /// Reads an id.
    pub fn parse(id: &str) -> Result<Self, Invalid> {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match id.strip_prefix('U') {
            Some(digits) if digits.len() == 32 && digits.bytes().all(hex) => Ok(Self(id.to_owned())),
            _ => Err(Invalid::by(Rule::LineUserId, "must be a LINE user id: U and 32 lower-case hexadecimal digits")),
        }
    }

    /// The whole id, for LINE and for records; never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LineUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", &self.0[..5])
    }
}

/// A name that nobody else has, for who holds something.
pub(crate) fn random_name() -> String {
    random_uuid().to_string()
}

/// An id that nobody else has.
pub(crate) fn random_uuid() -> Uuid {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random bytes");
    Uuid::from_bytes(bytes)
}
