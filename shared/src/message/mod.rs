//! From an order to the message that the customer sees. Pure: no clock, no network.
//!
//! The requirements ask for a buttons template with the title and six lines of text. With a title LINE allows 60
//! characters of text and the copy needs 82, so the title is the first line of a template without one (160 characters).
//! What does not fit there, and what has no page to open (a template needs a button), goes out as a Flex Message.
//! Times and fee are never cut; a shop's name is, with `…`, only where even a Flex bubble is too small for it.

pub mod wording;

use std::str::FromStr;

use serde::Serialize;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::{
    ids::LineUserId,
    language::Language,
    line::objects::{ActionLabel, AltText, Bubble, ButtonsText, LimitExceeded, Message, Row, UriAction},
    message::wording::Labels,
    order::{Order, ShopName},
};

/// The form of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageStyle {
    /// A buttons template where it fits.
    Buttons,
    /// Always a Flex Message.
    Flex,
}

impl FromStr for MessageStyle {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "buttons" => Ok(Self::Buttons),
            "flex" => Ok(Self::Flex),
            _ => Err("must be buttons or flex"),
        }
    }
}

/// The body of a push request (LINE: "Send push message").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushRequest<'a> {
    to: &'a str,
    messages: [Message; 1],
    custom_aggregation_units: [String; 1],
}

impl<'a> PushRequest<'a> {
    /// One message to one user, counted under this aggregation unit.
    pub fn new(to: &'a LineUserId, message: Message, unit: String) -> Self {
        Self { to: to.as_str(), messages: [message], custom_aggregation_units: [unit] }
    }
}

/// The message for a finished order. `with_button`: with the button that opens the order, where it has a page.
pub fn order_finished(
    order: &Order,
    style: MessageStyle,
    default_language: Language,
    with_button: bool,
) -> Result<Message, LimitExceeded> {
    let language = order.language.unwrap_or(default_language);
    let words = language.labels();
    let fee = order.fee.shown_in(language);
    let duration = language.duration(order.ended_at - order.started_at);
    let alt_text = AltText::new(format!("{} {}{fee} {}{duration}", words.title, words.fee, words.duration))?;
    let button = match order.detail_url.as_ref().filter(|_| with_button) {
        Some(url) => Some(UriAction::new(ActionLabel::new(words.view_order)?, url.as_str())?),
        None => None,
    };
    if let (MessageStyle::Buttons, Some(action)) = (style, &button) {
        let text = buttons_text(order, words, &fee, &duration);
        if let Ok(text) = ButtonsText::new(text) {
            return Ok(Message::Buttons { alt_text, text, action: action.clone() });
        }
    }
    let bubble = |max_shop_bytes| {
        let groups = receipt_rows(order, words, &fee, &duration, max_shop_bytes);
        Bubble::receipt(words.title, &groups, button.as_ref())
    };
    // Two names of 4,000 bytes fit a bubble whatever they are made of: JSON at most doubles them.
    let bubble = bubble(usize::MAX).or_else(|_| bubble(4000))?;
    Ok(Message::Flex { alt_text, bubble })
}

fn buttons_text(order: &Order, words: &Labels, fee: &str, duration: &str) -> String {
    let place = |time, shop: Option<&ShopName>| match shop {
        Some(shop) => format!("{}{}{}", clock_time(time), words.between_time_and_shop, isolated(shop.as_str())),
        None => clock_time(time),
    };
    format!(
        "{}\n{}{fee}\n{}{duration}\n\n{}\n{}\n\n{}\n{}",
        words.title,
        words.fee,
        words.duration,
        words.start,
        place(order.started_at, Some(&order.start_shop)),
        words.end,
        place(order.ended_at, order.end_shop.as_ref()),
    )
}

fn receipt_rows(order: &Order, words: &Labels, fee: &str, duration: &str, max_shop_bytes: usize) -> [Vec<Row>; 2] {
    let row = |label: &str, value: String, strong| Row {
        label: label.trim_end_matches([':', '：', ' ']).to_owned(),
        value,
        strong,
    };
    let place = |time, shop: Option<&ShopName>| match shop {
        Some(shop) => format!("{}\n{}", clock_time(time), isolated(&shortened(shop.as_str(), max_shop_bytes))),
        None => clock_time(time),
    };
    [
        vec![row(words.fee, fee.to_owned(), true), row(words.duration, duration.to_owned(), false)],
        vec![
            row(words.start, place(order.started_at, Some(&order.start_shop)), false),
            row(words.end, place(order.ended_at, order.end_shop.as_ref()), false),
        ],
    ]
}

/// `2020/07/14 11:00:20`, the wall clock of the shop.
fn clock_time(time: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day] [hour]:[minute]:[second]");
    time.format(FORMAT).unwrap_or_default()
}

/// A name in a right-to-left script would turn the time beside it around: a mark keeps the line left-to-right,
/// an isolate keeps the name to itself.
fn isolated(name: &str) -> String {
    let right_to_left = |c| {
        matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}'
            | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
    };
    if name.contains(right_to_left) { format!("\u{200E}\u{2068}{name}\u{2069}") } else { name.to_owned() }
}

/// At most `max_bytes` of UTF-8, cut between characters and closed with `…`.
fn shortened(name: &str, max_bytes: usize) -> String {
    if name.len() <= max_bytes {
        return name.to_owned();
    }
    let room = max_bytes.saturating_sub("…".len());
    let end = name.grapheme_indices(true).map(|(start, cluster)| start + cluster.len()).take_while(|end| *end <= room);
    format!("{}…", &name[..end.last().unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{expected::assert_kept, order::tests::order_with};
    use serde_json::{Value, json};

    fn rendered(changes: Value, style: MessageStyle) -> Value {
        serde_json::to_value(order_finished(&order_with(changes), style, Language::ZhCn, true).unwrap()).unwrap()
    }

    #[test]
    fn the_sample_order_reads_as_the_copy_says() {
        let message = rendered(json!({}), MessageStyle::Buttons);
        assert_eq!(
            message["template"]["text"],
            "租借完成，订单已结束\n费用:￥162\n时长: 27小时33分钟51秒\n\n开始:\n2020/07/14 11:00:20. 上品快餐\n\n\
             结束:\n2020/07/15 14:34:11. 上品快餐"
        );
        assert_eq!(message["altText"], "租借完成，订单已结束 费用:￥162 时长: 27小时33分钟51秒");
        assert_eq!(
            message["template"]["actions"],
            json!([{ "type": "uri", "label": "查看订单", "uri": "https://example.com/orders/R20200714-0001" }])
        );
    }

    #[test]
    fn a_battery_not_returned_has_no_place_of_return() {
        let text = rendered(json!({ "endShop": null }), MessageStyle::Buttons)["template"]["text"].clone();
        assert!(text.as_str().unwrap().ends_with("结束:\n2020/07/15 14:34:11"), "{text}");
        let flex = rendered(json!({ "endShop": null }), MessageStyle::Flex);
        assert_eq!(flex.pointer("/contents/body/contents/4/contents/1/text").unwrap(), "2020/07/15 14:34:11");
    }

    #[test]
    fn what_no_template_can_carry_goes_out_as_flex() {
        // These emoji are 45 characters as people count them, and 90 as LINE may.
        let emoji = json!({ "startShop": "🔋".repeat(45) });
        for changes in [json!({ "detailUrl": null }), json!({ "startShop": "店".repeat(100) }), emoji] {
            let message = rendered(changes, MessageStyle::Buttons);
            assert_eq!(message["type"], "flex");
            assert!(!message.to_string().contains('…'));
        }
        assert!(rendered(json!({ "detailUrl": null }), MessageStyle::Flex)["contents"]["footer"].is_null());
    }

    #[test]
    fn a_name_is_shortened_only_when_a_bubble_is_too_small_for_it() {
        let kiss = "👩🏽‍❤️‍💋‍👨🏿";
        let message =
            rendered(json!({ "startShop": kiss.repeat(500), "endShop": kiss.repeat(500) }), MessageStyle::Flex);
        assert!(message["contents"].to_string().len() <= 30_000);
        for row in [3, 4] {
            let text = message.pointer(&format!("/contents/body/contents/{row}/contents/1/text")).unwrap();
            assert!(text.as_str().unwrap().ends_with(&format!("{kiss}…")), "{text}");
        }
        let one_monster = format!("a{}", "\u{301}".repeat(20_000));
        let message = rendered(json!({ "startShop": one_monster }), MessageStyle::Flex);
        assert_eq!(message.pointer("/contents/body/contents/3/contents/1/text").unwrap(), "2020/07/14 11:00:20\n…");
    }

    #[test]
    fn a_right_to_left_name_leaves_the_time_alone() {
        let message = rendered(json!({ "startShop": "مطعم" }), MessageStyle::Buttons);
        let text = message["template"]["text"].as_str().unwrap();
        assert!(text.contains("\n2020/07/14 11:00:20. \u{200E}\u{2068}مطعم\u{2069}\n"), "{text}");
    }

    #[test]
    fn no_shop_is_taken_for_a_fraction_of_a_second() {
        for (language, shown) in [
            (Language::ZhCn, "2020/07/14 11:00:20. 7-Eleven\n"),
            (Language::ZhTw, "2020/07/14 11:00:20 · 7-Eleven\n"),
            (Language::Ja, "2020/07/14 11:00:20 · 7-Eleven\n"),
            (Language::Th, "2020/07/14 11:00:20 · 7-Eleven\n"),
            (Language::En, "2020/07/14 11:00:20 · 7-Eleven\n"),
        ] {
            let message =
                rendered(json!({ "startShop": "7-Eleven", "language": language.tag() }), MessageStyle::Buttons);
            assert!(message["template"]["text"].as_str().unwrap().contains(shown), "{message}");
        }
    }

    #[test]
    fn a_row_of_a_bubble_has_no_colon() {
        for language in Language::ALL {
            let message = rendered(json!({ "language": language.tag() }), MessageStyle::Flex);
            let rows = message["contents"]["body"]["contents"].as_array().unwrap();
            let labels: Vec<_> = rows.iter().filter_map(|row| row["contents"][0]["text"].as_str()).collect();
            assert!(labels.len() >= 4 && labels.iter().all(|label| !label.ends_with([':', '：', ' '])), "{labels:?}");
        }
    }

    /// A message as it is read: what the notification says, then its texts, its button in brackets.
    fn readable(message: &Value) -> String {
        fn texts(node: &Value, found: &mut Vec<String>) {
            if let Some(text) = node["text"].as_str() {
                found.push(text.to_owned());
            }
            found.extend(node["label"].as_str().map(|label| format!("[{label}]")));
            for part in ["template", "contents", "header", "body", "footer", "action", "actions"] {
                match &node[part] {
                    Value::Array(nodes) => nodes.iter().for_each(|node| texts(node, found)),
                    Value::Object(_) => texts(&node[part], found),
                    _ => {}
                }
            }
        }
        let mut found = vec![format!("({})", message["altText"].as_str().unwrap())];
        texts(message, &mut found);
        found.join("\n") + "\n"
    }

    #[test]
    fn every_message_reads_as_it_is_kept() {
        for language in Language::ALL {
            let with = |mut changes: Value, style| {
                changes["language"] = language.tag().into();
                readable(&rendered(changes, style))
            };
            let returned = json!({ "startShop": "7-Eleven", "endShop": "85度C" });
            let fee = |amount: &str, currency: &str| {
                let order = order_with(json!({ "fee": { "amount": amount, "currency": currency } }));
                order.fee.shown_in(language) + "\n"
            };
            let fees =
                [("3300", "JPY"), ("162", "CNY"), ("699", "TWD"), ("12.50", "THB"), ("20", "HKD"), ("20000", "VND")];
            let text = format!(
                "Buttons\n{}\nButtons, not returned\n{}\nFlex\n{}\nFees\n{}",
                with(returned.clone(), MessageStyle::Buttons),
                with(json!({ "endShop": null }), MessageStyle::Buttons),
                with(returned, MessageStyle::Flex),
                fees.map(|(amount, currency)| fee(amount, currency)).concat(),
            );
            assert_kept(&format!("message.{}.txt", language.tag()), &text);
        }
    }

    #[test]
    fn every_language_has_a_message_of_both_styles() {
        for language in Language::ALL {
            let order = order_with(json!({ "language": language.tag() }));
            for style in [MessageStyle::Buttons, MessageStyle::Flex] {
                let message =
                    serde_json::to_value(order_finished(&order, style, Language::ZhCn, true).unwrap()).unwrap();
                let kind = if style == MessageStyle::Buttons { "template" } else { "flex" };
                assert_eq!(message["type"], kind, "{language:?}");
                assert!(message.to_string().contains(language.labels().title));
            }
        }
    }
}
