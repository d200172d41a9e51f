//! The finished order: its fields and their rules.
//!
//! * [`detail_hosts`] - which hosts the button may open
//! * [`fields`] - reads them and names every wrong one at once
//! * [`money`] - an amount in a currency, without floats

pub mod detail_hosts;
pub mod fields;
pub mod money;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use unicode_segmentation::UnicodeSegmentation as _;
use url::{Position, Url};

use crate::{
    ids::{LineUserId, MemberId, OrderId},
    invalid::{Invalid, Rule},
    language::Language,
    order::{
        fields::{FieldError, Fields},
        money::Money,
    },
};

/// The largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest shop name, in characters as people count them (grapheme clusters).
pub const MAX_SHOP: usize = 500;
/// The longest `detailUrl`, percent-encoded: LINE's limit for the `uri` of a URI action.
pub const MAX_DETAIL_URL: usize = 1000;

/// What no path, query or fragment may hold as it is (RFC 3986, 3.3 to 3.5).
const NOT_IN_AN_ADDRESS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

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
            let problem = format!("must have 1 to {MAX_SHOP} visible characters");
            Err(Invalid::by(Rule::Characters(MAX_SHOP as u64), problem))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters that show nothing, that turn the text around them, or that SQS does not carry. The zero-width joiner
/// stays: emoji are made with it.
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
        let url = Url::parse(address)
            .map_err(|error| Invalid::by(Rule::HttpsAddress, format!("must be an https address: {error}")))?;
        if url.scheme() != "https" {
            return Err(Invalid::by(Rule::HttpsAddress, "must be an https address"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not carry a user name or a password".into());
        }
        let hex = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        if url.as_str().split('%').skip(1).any(|rest| !rest.get(..2).is_some_and(hex)) {
            return Err("must have two hexadecimal digits after each %".into());
        }
        // The parser leaves some characters as they are that RFC 3986 does not allow, and LINE refuses.
        let (origin, rest) = (&url[..Position::BeforePath], &url[Position::BeforePath..]);
        let encoded = format!("{origin}{}", utf8_percent_encode(rest, NOT_IN_AN_ADDRESS));
        if encoded.len() > MAX_DETAIL_URL {
            return Err(format!("must have at most {MAX_DETAIL_URL} characters when percent-encoded").into());
        }
        Ok(Self(encoded))
    }

    /// The address as text, ASCII only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Order {
    /// Reads a finished order; every wrong field is noted. `id` as it was read before.
    pub fn read(fields: &mut Fields<'_>, id: Option<OrderId>) -> Option<Self> {
        let recipient = recipient(fields);
        let currency = fields.required("fee.currency", |code| money::currency(code).map_err(|error| error.to_string()));
        // Without a currency the amount is still checked for its form: CLF has the most decimals, four.
        let no_currency = iso_currency::Currency::CLF;
        let fee = fields.required("fee.amount", |amount| {
            Money::parse(amount, currency.unwrap_or(no_currency)).map_err(|error| error.to_string())
        });
        let started_at = fields.required("startedAt", time);
        let start_shop = fields.required("startShop", ShopName::parse);
        let ended_at = fields.required("endedAt", time);
        if let (Some(start), Some(end)) = (started_at, ended_at)
            && end < start
        {
            fields.error(FieldError::invalid("endedAt", "must not be before startedAt"));
        }
        let end_shop = fields.optional("endShop", ShopName::parse);
        let detail_url = fields.optional("detailUrl", DetailUrl::parse);
        let language = fields.optional("language", language_tag).flatten();
        Some(Self {
            id: id?,
            recipient: recipient?,
            fee: fee?,
            started_at: started_at?,
            start_shop: start_shop?,
            ended_at: ended_at?,
            end_shop,
            detail_url,
            language,
        })
    }

    /// The order in the form that [`read`](Self::read) takes. Equal orders give equal JSON,
    /// whatever spelling they arrived in.
    pub fn to_json(&self) -> Value {
        let time = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
        json!({
            "orderId": self.id.as_str(),
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

/// Exactly one of the two ways to name the recipient.
fn recipient(fields: &mut Fields<'_>) -> Option<Recipient> {
    match (fields.find("recipient.lineUserId").is_null(), fields.find("recipient.memberId").is_null()) {
        (true, false) => fields.optional("recipient.memberId", MemberId::parse).map(Recipient::Member),
        (false, false) => {
            fields.error(FieldError::invalid("recipient", "must have lineUserId or memberId, not both"));
            None
        }
        (_, true) => fields.required("recipient.lineUserId", LineUserId::parse).map(Recipient::LineUser),
    }
}

/// An RFC 3339 time between the years 1 and 9999, to the second. The year is checked because
/// the record must print it again.
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::notification::{Notification, StatusChange, parse, parse_bytes};

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

    pub(crate) fn finished_with(changes: Value) -> Notification {
        Notification::OrderFinished(Box::new(order_with(changes)))
    }

    pub(crate) fn order_with(changes: Value) -> Order {
        let mut body = sample();
        for (field, value) in changes.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        match parse(&body) {
            Ok(StatusChange::Notified(Notification::OrderFinished(order))) => *order,
            other => panic!("{other:?}"),
        }
    }

    fn wrong_fields(body: &Value) -> Vec<String> {
        parse(body).unwrap_err().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for told in [finished_with(json!({})), finished_with(json!({ "recipient": { "memberId": "M-1" } }))] {
            assert_eq!(parse(&told.to_json()), Ok(StatusChange::Notified(told)));
        }
    }

    #[test]
    fn spellings_of_one_order_are_one_order() {
        let plain = order_with(json!({})).to_json();
        let spelled = order_with(json!({
            "status": 5, "unknown": [1], "fee": { "amount": "162.00", "currency": "JPY" }, "startShop": " 上品快餐\n", "language": "zh",
            "endedAt": "2020-07-15T14:34:11.9+09:00", "detailUrl": "HTTPS://EXAMPLE.com/orders/R20200714-0001"
        }));
        assert_eq!(spelled.to_json(), plain);
    }

    #[test]
    fn another_status_notifies_nobody() {
        for status in [json!("start"), json!("cancel_by-user"), json!(4), json!(0)] {
            let parsed = parse(&json!({ "orderId": "A", "status": status }));
            assert_eq!(parsed, Ok(StatusChange::Ignored { order_id: OrderId::parse("A").unwrap() }));
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
            ("/fee/amount", json!("162.5"), "fee.amount"),
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
