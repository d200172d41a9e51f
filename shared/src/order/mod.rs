//! The finished order, as the order system sends it and as the retry queue carries it.
//!
//! [`parse`] is the only way in: it names every wrong field at once, and what it lets through can be told to a customer.

pub mod money;

use std::fmt::Display;

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use unicode_segmentation::UnicodeSegmentation as _;
use url::Url;

use crate::{
    ids::{LineUserId, MemberId, OrderId},
    invalid::Invalid,
    language::Language,
    order::money::Money,
};

/// The largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest shop name, in characters as people count them (grapheme clusters).
pub const MAX_SHOP: usize = 500;
/// The longest `detailUrl`, percent-encoded: LINE's limit for the `uri` of a URI action.
pub const MAX_DETAIL_URL: usize = 1000;

/// The status that the customer is told about.
pub const FINISH: &str = "finish";

/// One field that is wrong, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, such as `fee.amount`; empty for the body itself.
    pub field: String,
    /// What it must be.
    pub problem: String,
}

/// What a status change asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusChange {
    /// The order is finished: the customer is to be told.
    Finished(Box<Order>),
    /// Another status: nobody is told.
    Other {
        /// Whose status.
        order_id: OrderId,
    },
}

/// A finished order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order system's id.
    pub id: OrderId,
    /// Who is told.
    pub recipient: Recipient,
    /// What the customer paid.
    pub fee: Money,
    /// When the rental began, in the shop's zone.
    pub started_at: OffsetDateTime,
    /// Where it began.
    pub start_shop: ShopName,
    /// When it ended, in the shop's zone.
    pub ended_at: OffsetDateTime,
    /// Where the battery was returned; `None` where it was not.
    pub end_shop: Option<ShopName>,
    /// The page of the order.
    pub detail_url: Option<DetailUrl>,
    /// The customer's language, where there is wording for it.
    pub language: Option<Language>,
}

/// Who is told: the order system knows the LINE user, or the member who linked one by logging in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A LINE user.
    LineUser(LineUserId),
    /// A member.
    Member(MemberId),
}

/// A shop's name on one line: 1 to 500 characters, white space folded, controls and bidirectional overrides dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopName(String);

impl ShopName {
    /// Reads a name.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let visible: String =
            name.chars().filter(|c| !is_invisible(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let name = visible.split_whitespace().collect::<Vec<_>>().join(" ");
        if (1..=MAX_SHOP).contains(&name.graphemes(true).count()) {
            Ok(Self(name))
        } else {
            Err(format!("must have 1 to {MAX_SHOP} visible characters").into())
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that show nothing, that turn the text around them, or that SQS does not carry. The zero-width joiner stays:
/// emoji are made with it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}' | '\u{3164}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// An https address, percent-encoded, of at most 1,000 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailUrl(String);

impl DetailUrl {
    /// Reads an address. Credentials in it are refused: the customer would see them.
    pub fn parse(address: &str) -> Result<Self, Invalid> {
        let url = Url::parse(address).map_err(|error| format!("must be an https address: {error}"))?;
        if url.scheme() != "https" {
            return Err("must be an https address".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not carry a user name or a password".into());
        }
        let hex = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        if url.as_str().split('%').skip(1).any(|rest| !rest.get(..2).is_some_and(hex)) {
            return Err("must have two hexadecimal digits after each %".into());
        }
        if url.as_str().len() > MAX_DETAIL_URL {
            return Err(format!("must have at most {MAX_DETAIL_URL} characters when percent-encoded").into());
        }
        Ok(Self(url.into()))
    }

    /// The address as text, ASCII only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads a status change from the JSON that the order system posts.
pub fn parse_bytes(body: &[u8]) -> Result<StatusChange, Vec<FieldError>> {
    let value = serde_json::from_slice(body)
        .map_err(|error| vec![FieldError { field: String::new(), problem: format!("must be JSON: {error}") }])?;
    parse(&value)
}

/// Reads a status change. Fields that it does not know are accepted; every wrong one is named.
pub fn parse(body: &Value) -> Result<StatusChange, Vec<FieldError>> {
    if !body.is_object() {
        return Err(vec![FieldError { field: String::new(), problem: "must be a JSON object".to_owned() }]);
    }
    let mut fields = Fields { body, errors: Vec::new() };
    let id = fields.required("orderId", OrderId::parse);
    let finished = fields.status();
    if finished == Some(false) {
        return match (id, fields.errors.is_empty()) {
            (Some(order_id), true) => Ok(StatusChange::Other { order_id }),
            _ => Err(fields.errors),
        };
    }
    let recipient = fields.recipient();
    let currency = fields.required("fee.currency", money::currency);
    // Without a currency the amount is still checked for its form: CLF has the most decimals, four.
    let fee =
        fields.required("fee.amount", |amount| Money::parse(amount, currency.unwrap_or(iso_currency::Currency::CLF)));
    let started_at = fields.required("startedAt", time);
    let start_shop = fields.required("startShop", ShopName::parse);
    let ended_at = fields.required("endedAt", time);
    if let (Some(start), Some(end)) = (started_at, ended_at)
        && end < start
    {
        fields.error("endedAt", "must not be before startedAt");
    }
    let end_shop = fields.optional("endShop", ShopName::parse);
    let detail_url = fields.optional("detailUrl", DetailUrl::parse);
    let language = fields.optional("language", language_tag).flatten();

    match (id, recipient, fee, started_at, start_shop, ended_at) {
        (Some(id), Some(recipient), Some(fee), Some(started_at), Some(start_shop), Some(ended_at))
            if fields.errors.is_empty() =>
        {
            Ok(StatusChange::Finished(Box::new(Order {
                id,
                recipient,
                fee,
                started_at,
                start_shop,
                ended_at,
                end_shop,
                detail_url,
                language,
            })))
        }
        _ => Err(fields.errors),
    }
}

impl Order {
    /// The order in the form that [`parse`] reads: what the queue carries and the record keeps. Equal orders give equal
    /// JSON, whatever spelling they arrived in.
    pub fn to_json(&self) -> Value {
        let time = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
        json!({
            "orderId": self.id.as_str(),
            "status": FINISH,
            "recipient": match &self.recipient {
                Recipient::LineUser(user) => json!({ "lineUserId": user.as_str() }),
                Recipient::Member(member) => json!({ "memberId": member.as_str() }),
            },
            "fee": { "amount": self.fee.amount(), "currency": self.fee.currency().code() },
            "startedAt": time(self.started_at),
            "startShop": self.start_shop.as_str(),
            "endedAt": time(self.ended_at),
            "endShop": self.end_shop.as_ref().map(ShopName::as_str),
            "detailUrl": self.detail_url.as_ref().map(DetailUrl::as_str),
            "language": self.language.map(Language::tag),
        })
    }
}

/// An RFC 3339 time between the years 1 and 9999, to the second. The year is checked because the record must print it again.
fn time(text: &str) -> Result<OffsetDateTime, Invalid> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .and_then(|time| time.replace_nanosecond(0).ok())
        .filter(|time| time.year() >= 1)
        .filter(|time| time.format(&Rfc3339).is_ok())
        .ok_or("must be an RFC 3339 time with its zone, such as 2020-07-14T11:00:20+09:00".into())
}

fn language_tag(tag: &str) -> Result<Option<Language>, Invalid> {
    let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if tag.len() <= 35 && tag.split('-').all(subtag) {
        Ok(Language::nearest(tag))
    } else {
        Err("must be a BCP 47 language tag, such as zh-CN".into())
    }
}

/// Reads fields one by one and collects what is wrong with them.
struct Fields<'a> {
    body: &'a Value,
    errors: Vec<FieldError>,
}

impl Fields<'_> {
    fn error(&mut self, field: &str, problem: impl Into<String>) {
        self.errors.push(FieldError { field: field.to_owned(), problem: problem.into() });
    }

    fn find(&self, path: &str) -> &Value {
        path.split('.').fold(self.body, |value, name| value.get(name).unwrap_or(&Value::Null))
    }

    fn optional<T, E: Display>(&mut self, path: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
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

    fn required<T, E: Display>(&mut self, path: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        if self.find(path).is_null() {
            self.error(path, "is missing");
            return None;
        }
        self.optional(path, read)
    }

    /// Exactly one of the two ways to name the recipient.
    fn recipient(&mut self) -> Option<Recipient> {
        match (self.find("recipient.lineUserId").is_null(), self.find("recipient.memberId").is_null()) {
            (true, false) => self.optional("recipient.memberId", MemberId::parse).map(Recipient::Member),
            (false, false) => {
                self.error("recipient", "must have lineUserId or memberId, not both");
                None
            }
            (_, true) => self.required("recipient.lineUserId", LineUserId::parse).map(Recipient::LineUser),
        }
    }

    /// Whether the status is the one that notifies; `None` where it is none at all. The order system calls it `finish` or 5.
    fn status(&mut self) -> Option<bool> {
        let name = |text: &str| {
            (1..=32).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        };
        match self.find("status") {
            Value::String(text) if text.eq_ignore_ascii_case(FINISH) || text == "5" => Some(true),
            Value::String(text) if name(text) => Some(false),
            Value::Number(number) if number.as_u64() == Some(5) => Some(true),
            Value::Number(number) if number.as_u64().is_some_and(|number| number < 1000) => Some(false),
            Value::Null => {
                self.error("status", "is missing");
                None
            }
            _ => {
                self.error("status", "must be a status: \"finish\" or 5, another name, or a number below 1000");
                None
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> Value {
        json!({
            "orderId": "R20200714-0001",
            "status": "finish",
            "recipient": { "lineUserId": "U0123456789abcdef0123456789abcdef" },
            "fee": { "amount": "162", "currency": "JPY" },
            "startedAt": "2020-07-14T11:00:20+09:00", "startShop": "上品快餐",
            "endedAt": "2020-07-15T14:34:11+09:00", "endShop": "上品快餐",
            "detailUrl": "https://example.com/orders/R20200714-0001",
            "language": "zh-CN"
        })
    }

    pub(crate) fn order_with(changes: Value) -> Order {
        let mut body = sample();
        for (field, value) in changes.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        match parse(&body) {
            Ok(StatusChange::Finished(order)) => *order,
            other => panic!("{other:?}"),
        }
    }

    fn wrong_fields(body: &Value) -> Vec<String> {
        parse(body).unwrap_err().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for order in [order_with(json!({})), order_with(json!({ "recipient": { "memberId": "M-1" } }))] {
            assert_eq!(parse(&order.to_json()), Ok(StatusChange::Finished(Box::new(order))));
        }
    }

    #[test]
    fn spellings_of_one_order_are_one_order() {
        let plain = order_with(json!({})).to_json();
        let spelled = order_with(json!({
            "status": 5, "unknown": [1], "startShop": " 上品快餐\n", "language": "zh",
            "endedAt": "2020-07-15T14:34:11.9+09:00", "detailUrl": "HTTPS://EXAMPLE.com/orders/R20200714-0001"
        }));
        assert_eq!(spelled.to_json(), plain);
    }

    #[test]
    fn another_status_notifies_nobody() {
        for status in [json!("start"), json!("cancel_by-user"), json!(4), json!(0)] {
            let parsed = parse(&json!({ "orderId": "A", "status": status }));
            assert_eq!(parsed, Ok(StatusChange::Other { order_id: OrderId::parse("A").unwrap() }));
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        assert_eq!(
            wrong_fields(&json!({})),
            [
                "orderId",
                "status",
                "recipient.lineUserId",
                "fee.currency",
                "fee.amount",
                "startedAt",
                "startShop",
                "endedAt"
            ]
        );
        assert_eq!(wrong_fields(&json!([])), [""]);
        assert_eq!(parse_bytes(b"{\"a\":").unwrap_err()[0].field, "");
    }

    #[test]
    fn each_field_has_its_limits() {
        let long = |n: usize| "x".repeat(n);
        let cases = [
            ("orderId", json!(long(64)), json!(long(65))),
            ("orderId", json!("a.b_c:d-9"), json!("a/b")),
            ("orderId", json!("A"), json!("")),
            ("orderId", json!("A"), json!(7)),
            ("status", json!("5"), json!("")),
            ("status", json!(5), json!(5.5)),
            ("status", json!(5), json!(-1)),
            ("startedAt", json!("2020-07-14T02:00:20Z"), json!("2020-07-14T11:00:20")),
            ("startedAt", json!("2020-07-14T11:00:20.5+09:00"), json!("2020-02-30T00:00:00Z")),
            ("startShop", json!(long(500)), json!(long(501))),
            ("startShop", json!("👨‍👩‍👧‍👦".repeat(500)), json!("👨‍👩‍👧‍👦".repeat(501))),
            ("startShop", json!("店\u{FFFF}"), json!(" \n\u{202E}\u{0}\u{200B}\u{FFFE} ")),
            ("startedAt", json!("0001-01-01T00:00:00Z"), json!("0000-01-01T00:00:00Z")),
            ("detailUrl", json!("https://e.jp/%E5%BA%97"), json!("https://e.jp/%zz")),
            ("detailUrl", json!("https://e.jp/100%25"), json!("https://e.jp/100%")),
            ("status", json!("FINISH"), json!("fin ish")),
            ("endedAt", json!("2020-07-14T11:00:20+09:00"), json!("2020-07-14T11:00:19+09:00")),
            ("endedAt", json!("2020-07-14T02:00:20Z"), json!("2020-07-14T02:00:19Z")),
            ("endShop", Value::Null, json!("")),
            ("detailUrl", Value::Null, json!("http://example.com/")),
            ("detailUrl", json!("https://例え.jp/注文?a=b c"), json!("https://a:b@example.com/")),
            ("detailUrl", json!("https://e.jp"), json!("javascript:alert(1)")),
            (
                "detailUrl",
                json!(format!("https://example.com/{}", long(980))),
                json!(format!("https://example.com/{}", long(981))),
            ),
            ("detailUrl", json!("https://e.jp"), json!(format!("https://example.com/{}", "あ".repeat(120)))),
            ("language", json!("fr-CA"), json!("zh_CN")),
            ("language", Value::Null, json!("")),
        ];
        for (field, good, bad) in cases {
            let mut body = sample();
            body[field] = good.clone();
            assert!(parse(&body).is_ok(), "{field}: {good} {:?}", parse(&body));
            body[field] = bad.clone();
            assert_eq!(wrong_fields(&body), [field], "{bad}");
        }
        for (pointer, bad, field) in [
            ("/recipient/lineUserId", json!("U0123456789ABCDEF0123456789abcdef"), "recipient.lineUserId"),
            ("/recipient/lineUserId", json!("C0123456789abcdef0123456789abcdef"), "recipient.lineUserId"),
            ("/recipient", json!("U0123456789abcdef0123456789abcdef"), "recipient.lineUserId"),
            ("/recipient", json!({ "memberId": "" }), "recipient.memberId"),
            ("/recipient", json!({ "memberId": 7 }), "recipient.memberId"),
            ("/recipient", json!({ "memberId": "M1", "lineUserId": "U0123456789abcdef0123456789abcdef" }), "recipient"),
            ("/fee/amount", json!(162), "fee.amount"),
            ("/fee/amount", json!("162.0"), "fee.amount"),
            ("/fee/amount", json!("-162"), "fee.amount"),
            ("/fee/currency", json!("YEN"), "fee.currency"),
        ] {
            let mut body = sample();
            *body.pointer_mut(pointer).unwrap() = bad.clone();
            assert_eq!(wrong_fields(&body), [field], "{bad}");
        }
    }

    #[test]
    fn a_user_id_is_shortened_in_a_log() {
        assert_eq!(format!("{:?}", order_with(json!({})).recipient), "LineUser(U0123…)");
    }
}
