//! What LINE accepts as the body of a push (reference, "Send push message", "Template messages", "Buttons template",
//! "Specifications of the label"). Stricter than LINE in one way: an unknown field is refused, not ignored.

use serde_json::{Value, json};

use super::{
    flex_rules,
    json_node::{Node, Unit, check},
    strict_json,
};

const MESSAGES_MAX: usize = 5;
const TEXT_MAX: usize = 5000;
const ALT_TEXT_MAX: usize = 1500;
const UNITS_MAX: usize = 1;
const UNIT_NAME_MAX: usize = 30;
const TITLE_MAX: usize = 40;
const BUTTONS_TEXT_MAX: usize = 160;
/// As soon as there is a title or a picture.
const BUTTONS_SHORT_TEXT_MAX: usize = 60;
const ACTIONS_MAX: usize = 4;
const LABEL_MAX: usize = 20;
const URI_MAX: usize = 1000;
const URI_SCHEMES: &[&str] = &["http", "https", "line", "tel"];
const ACTION_TEXT_MAX: usize = 300;
const QUICK_REPLIES_MAX: usize = 13;
const SENDER_NAME_MAX: usize = 20;
pub(super) const IMAGE_URL_MAX: usize = 2000;

const COMMON_FIELDS: &[&str] = &["type", "quickReply", "sender"];

/// A push that LINE would take.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Push {
    pub(super) to: String,
    pub(super) messages: Vec<Value>,
    pub(super) notification_disabled: bool,
    pub(super) aggregation_units: Vec<String>,
}

/// Reads a body of messages alone; the error is what LINE answers with 400.
pub(super) fn validate(body: &[u8]) -> Result<(), Value> {
    checked(body, |body| {
        if body.object(&[&["messages"]]) {
            messages(body);
        }
    })
    .map(|_| ())
}

fn checked(body: &[u8], rules: impl FnOnce(&Node<'_>)) -> Result<Value, Value> {
    let document = strict_json::parse(body)
        .map_err(|error| json!({ "message": format!("The request body could not be parsed as JSON: {error}") }))?;
    let details = check(&document, rules);
    if !details.is_empty() {
        let message = format!("The request body has {} error(s)", details.len());
        return Err(json!({ "message": message, "details": details }));
    }
    Ok(document)
}

/// Reads a body; the error is what LINE answers with 400.
pub(super) fn read(body: &[u8]) -> Result<Push, Value> {
    let document = checked(body, push)?;
    let list = |field: &str| document[field].as_array().cloned().unwrap_or_default();
    Ok(Push {
        to: document["to"].as_str().unwrap_or_default().to_owned(),
        messages: list("messages"),
        notification_disabled: document["notificationDisabled"] == true,
        aggregation_units: list("customAggregationUnits")
            .iter()
            .filter_map(|unit| Some(unit.as_str()?.into()))
            .collect(),
    })
}

/// `U` and 32 lower-case hexadecimal digits.
pub(super) fn is_user_id(text: &str) -> bool {
    text.strip_prefix('U').is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn push(body: &Node<'_>) {
    if !body.object(&[&["to", "messages", "notificationDisabled", "customAggregationUnits"]]) {
        return;
    }
    if let Some(to) = body.required("to")
        && to.value().as_str().is_none_or(|id| !is_user_id(id))
    {
        to.report("must be a user ID");
    }
    if let Some(silent) = body.optional("notificationDisabled") {
        silent.boolean();
    }
    for unit in body.optional("customAggregationUnits").iter().flat_map(|units| units.items(0, UNITS_MAX)) {
        let name = unit.text(UNIT_NAME_MAX, Unit::Utf16);
        if name.is_some_and(|name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')) {
            unit.report("must match [a-zA-Z0-9_]");
        }
    }
    messages(body);
}

fn messages(body: &Node<'_>) {
    for message in body.required("messages").iter().flat_map(|messages| messages.items(1, MESSAGES_MAX)) {
        check_message(&message);
    }
}

fn check_message(message: &Node<'_>) {
    let Some(kind) = message.kind(&["text", "template", "flex"]) else { return };
    match kind {
        "text" => {
            message.object(&[COMMON_FIELDS, &["text"]]);
            text(message, "text", TEXT_MAX, Unit::Utf16);
        }
        "template" => {
            message.object(&[COMMON_FIELDS, &["altText", "template"]]);
            text(message, "altText", ALT_TEXT_MAX, Unit::Utf16);
            if let Some(template) = message.required("template") {
                buttons(&template);
            }
        }
        _ => {
            message.object(&[COMMON_FIELDS, &["altText", "contents"]]);
            text(message, "altText", ALT_TEXT_MAX, Unit::Utf16);
            if let Some(contents) = message.required("contents") {
                flex_rules::container(&contents);
            }
        }
    }
    if let Some(sender) = message.optional("sender")
        && sender.object(&[&["name", "iconUrl"]])
    {
        if let Some(name) = sender.optional("name") {
            name.text(SENDER_NAME_MAX, Unit::Utf16);
        }
        https(&sender, "iconUrl");
    }
    if let Some(replies) = message.optional("quickReply")
        && replies.object(&[&["items"]])
    {
        for item in replies.required("items").iter().flat_map(|items| items.items(1, QUICK_REPLIES_MAX)) {
            if item.kind(&["action"]).is_some() {
                item.object(&[&["type", "imageUrl", "action"]]);
                https(&item, "imageUrl");
                if let Some(tapped) = item.required("action") {
                    action(&tapped, Some(LABEL_MAX), false);
                }
            }
        }
    }
}

fn buttons(template: &Node<'_>) {
    let Some(_) = template.kind(&["buttons"]) else { return };
    template.object(&[
        &["type", "title", "text", "actions", "defaultAction"],
        &["thumbnailImageUrl", "imageAspectRatio", "imageSize", "imageBackgroundColor"],
    ]);
    if let Some(title) = template.optional("title") {
        title.text(TITLE_MAX, Unit::Graphemes);
    }
    let short = template.has("title") || template.has("thumbnailImageUrl");
    text(template, "text", if short { BUTTONS_SHORT_TEXT_MAX } else { BUTTONS_TEXT_MAX }, Unit::Graphemes);
    https(template, "thumbnailImageUrl");
    for (field, allowed) in [("imageAspectRatio", ["rectangle", "square"]), ("imageSize", ["cover", "contain"])] {
        if let Some(value) = template.optional(field) {
            value.one_of(&allowed);
        }
    }
    if let Some(colour) = template.optional("imageBackgroundColor") {
        colour.colour(false);
    }
    if let Some(default) = template.optional("defaultAction") {
        action(&default, Some(LABEL_MAX), false);
    }
    // No page states a minimum; a buttons template without a button is taken for invalid.
    for tapped in template.required("actions").iter().flat_map(|actions| actions.items(1, ACTIONS_MAX)) {
        action(&tapped, Some(LABEL_MAX), false);
    }
}

/// An action whose label may have `label_max` graphemes; without a maximum it needs no label.
/// `altUri` is honoured in Flex only.
pub(super) fn action(node: &Node<'_>, label_max: Option<usize>, in_flex: bool) {
    let Some(kind) = node.kind(&["uri", "message", "postback"]) else { return };
    if let Some(max) = label_max {
        text(node, "label", max, Unit::Graphemes);
    }
    let common = &["type", "label"][..];
    match kind {
        "uri" => {
            node.object(&[common, if in_flex { &["uri", "altUri"] } else { &["uri"] }]);
            if let Some(uri) = node.required("uri") {
                uri.uri(URI_MAX, URI_SCHEMES);
            }
            if let Some(alternative) = node.optional("altUri").filter(|_| in_flex)
                && alternative.object(&[&["desktop"]])
                && let Some(desktop) = alternative.required("desktop")
            {
                desktop.uri(URI_MAX, URI_SCHEMES);
            }
        }
        "message" => {
            node.object(&[common, &["text"]]);
            text(node, "text", ACTION_TEXT_MAX, Unit::Graphemes);
        }
        _ => {
            node.object(&[common, &["data", "displayText"]]);
            text(node, "data", ACTION_TEXT_MAX, Unit::Utf16);
            if let Some(shown) = node.optional("displayText") {
                shown.text(ACTION_TEXT_MAX, Unit::Graphemes);
            }
        }
    }
}

fn text(node: &Node<'_>, field: &str, max: usize, unit: Unit) {
    if let Some(value) = node.required(field) {
        value.text(max, unit);
    }
}

fn https(node: &Node<'_>, field: &str) {
    if let Some(value) = node.optional(field) {
        value.uri(IMAGE_URL_MAX, &["https"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "U0123456789abcdef0123456789abcdef";

    fn body(message: Value) -> Value {
        json!({ "to": USER, "messages": [message] })
    }

    fn read_value(body: &Value) -> Result<Push, Value> {
        read(body.to_string().as_bytes())
    }

    #[track_caller]
    fn accepted(body: &Value) -> Push {
        read_value(body).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    #[track_caller]
    fn refused(body: &Value, property: &str) {
        let error = read_value(body).expect_err(&body.to_string());
        assert_eq!(error["message"], "The request body has 1 error(s)", "{error}");
        assert_eq!(error["details"][0]["property"].as_str().unwrap_or_default(), property, "{error}");
    }

    fn text_of(text: &str) -> Value {
        body(json!({ "type": "text", "text": text }))
    }

    fn uri_action() -> Value {
        json!({ "type": "uri", "label": "查看订单", "uri": "https://example.com/orders/A0001" })
    }

    /// A buttons template with `fields` over the ordinary ones; `null` takes a field away.
    fn buttons_with(fields: Value) -> Value {
        let mut template = json!({ "type": "buttons", "text": "租借完成", "actions": [uri_action()] });
        for (field, value) in fields.as_object().unwrap() {
            template[field] = value.clone();
        }
        template.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        body(json!({ "type": "template", "altText": "租借完成", "template": template }))
    }

    #[test]
    fn a_push_is_read() {
        let push = accepted(&json!({
            "to": USER,
            "messages": [{ "type": "text", "text": "租借完成" }],
            "notificationDisabled": true,
            "customAggregationUnits": ["order_finish_20260901"],
        }));
        assert_eq!(push.to, USER);
        assert!(push.notification_disabled);
        assert_eq!(push.aggregation_units, ["order_finish_20260901"]);
        assert_eq!(push.messages, [json!({ "type": "text", "text": "租借完成" })]);
        assert!(!accepted(&text_of("x")).notification_disabled);
    }

    #[test]
    fn a_recipient_is_u_and_32_lower_case_hex_digits() {
        let message = json!({ "type": "text", "text": "x" });
        for to in [
            json!("U0123456789abcdef0123456789abcde"),
            json!("U0123456789abcdef0123456789abcdef0"),
            json!("U0123456789ABCDEF0123456789ABCDEF"),
            json!("0123456789abcdef0123456789abcdef"),
            json!("u0123456789abcdef0123456789abcdef"),
            json!("@line-id"),
            json!(""),
            json!(7),
        ] {
            refused(&json!({ "to": to, "messages": [message] }), "to");
        }
        refused(&json!({ "messages": [message] }), "to");
    }

    #[test]
    fn one_to_five_messages() {
        let of = |count: usize| json!({ "to": USER, "messages": vec![json!({ "type": "text", "text": "x" }); count] });
        assert_eq!(accepted(&of(5)).messages.len(), 5);
        refused(&of(6), "messages");
        refused(&of(0), "messages");
        refused(&json!({ "to": USER }), "messages");
        refused(&json!({ "to": USER, "messages": { "type": "text", "text": "x" } }), "messages");
        refused(&json!({ "to": USER, "messages": ["x"] }), "messages[0]");
    }

    #[test]
    fn a_text_has_1_to_5000_utf16_units() {
        accepted(&text_of(&"字".repeat(5000)));
        refused(&text_of(&"字".repeat(5001)), "messages[0].text");
        accepted(&text_of(&"🔋".repeat(2500)));
        refused(&text_of(&"🔋".repeat(2501)), "messages[0].text");
        refused(&text_of(""), "messages[0].text");
        refused(&body(json!({ "type": "text" })), "messages[0].text");
    }

    #[test]
    fn an_alt_text_has_1_to_1500_utf16_units() {
        let contents = json!({ "type": "bubble", "body": { "type": "box", "layout": "vertical", "contents": [] } });
        let template = json!({ "type": "buttons", "text": "x", "actions": [uri_action()] });
        let flex = |alt: &str| body(json!({ "type": "flex", "altText": alt, "contents": contents }));
        let buttons = |alt: &str| body(json!({ "type": "template", "altText": alt, "template": template }));
        for of in [&flex as &dyn Fn(&str) -> Value, &buttons] {
            accepted(&of(&"a".repeat(1500)));
            refused(&of(&"a".repeat(1501)), "messages[0].altText");
            accepted(&of(&"🔋".repeat(750)));
            refused(&of(&"🔋".repeat(751)), "messages[0].altText");
            refused(&of(""), "messages[0].altText");
        }
        refused(&body(json!({ "type": "flex", "contents": contents })), "messages[0].altText");
        refused(&body(json!({ "type": "flex", "altText": "x" })), "messages[0].contents");
        refused(&body(json!({ "type": "template", "altText": "x" })), "messages[0].template");
    }

    #[test]
    fn a_buttons_text_has_160_graphemes_and_60_beside_a_title_or_a_picture() {
        let text = "messages[0].template.text";
        let picture = "https://example.com/p.png";
        // A family is one grapheme, and eleven UTF-16 units.
        for letter in ["a", "🔋", "👨‍👩‍👧‍👦"] {
            accepted(&buttons_with(json!({ "text": letter.repeat(160) })));
            refused(&buttons_with(json!({ "text": letter.repeat(161) })), text);
            accepted(&buttons_with(json!({ "text": letter.repeat(60), "title": "租借完成" })));
            refused(&buttons_with(json!({ "text": letter.repeat(61), "title": "租借完成" })), text);
            accepted(&buttons_with(json!({ "text": letter.repeat(60), "thumbnailImageUrl": picture })));
            refused(&buttons_with(json!({ "text": letter.repeat(61), "thumbnailImageUrl": picture })), text);
        }
        refused(&buttons_with(json!({ "text": "" })), text);
        refused(&buttons_with(json!({ "text": null })), text);
        accepted(&buttons_with(json!({ "title": "🔋".repeat(40) })));
        refused(&buttons_with(json!({ "title": "🔋".repeat(41) })), "messages[0].template.title");
        refused(&buttons_with(json!({ "title": "" })), "messages[0].template.title");
    }

    #[test]
    fn one_to_four_actions() {
        accepted(&buttons_with(json!({ "actions": vec![uri_action(); 4] })));
        refused(&buttons_with(json!({ "actions": vec![uri_action(); 5] })), "messages[0].template.actions");
        refused(&buttons_with(json!({ "actions": [] })), "messages[0].template.actions");
        refused(&buttons_with(json!({ "actions": null })), "messages[0].template.actions");
    }

    #[test]
    fn the_picture_of_a_template() {
        let url = |length: usize| format!("https://example.com/{}", "a".repeat(length - 20));
        accepted(&buttons_with(json!({ "thumbnailImageUrl": url(2000), "imageAspectRatio": "square",
            "imageSize": "contain", "imageBackgroundColor": "#FFFFFF", "defaultAction": uri_action() })));
        for (field, bad) in [
            ("thumbnailImageUrl", json!(url(2001))),
            ("thumbnailImageUrl", json!("http://example.com/p.png")),
            ("imageAspectRatio", json!("round")),
            ("imageSize", json!("fill")),
            ("imageBackgroundColor", json!("#FFFFFFFF")),
        ] {
            refused(&buttons_with(json!({ field: bad })), &format!("messages[0].template.{field}"));
        }
        let mut unlabelled = uri_action();
        unlabelled.as_object_mut().unwrap().remove("label");
        refused(&buttons_with(json!({ "defaultAction": unlabelled })), "messages[0].template.defaultAction.label");
    }

    #[test]
    fn labels_uris_and_texts_of_actions() {
        let with = |action: Value| buttons_with(json!({ "actions": [action] }));
        let place = |field: &str| format!("messages[0].template.actions[0].{field}");
        let labelled = |label: Value| with(json!({ "type": "uri", "label": label, "uri": "https://example.com/" }));
        accepted(&labelled("👨‍👩‍👧‍👦".repeat(20).into()));
        refused(&labelled("a".repeat(21).into()), &place("label"));
        refused(&labelled("".into()), &place("label"));
        refused(&with(json!({ "type": "uri", "uri": "https://example.com/" })), &place("label"));

        let linked = |uri: &str| with(json!({ "type": "uri", "label": "x", "uri": uri }));
        let long = format!("https://example.com/{}", "a".repeat(980));
        accepted(&linked(&long));
        refused(&linked(&format!("{long}a")), &place("uri"));
        refused(&linked("https://example.com/订单"), &place("uri"));
        refused(&linked("mailto:x@example.com"), &place("uri"));
        refused(&with(json!({ "type": "uri", "label": "x" })), &place("uri"));

        accepted(&with(json!({ "type": "message", "label": "x", "text": "🔋".repeat(300) })));
        refused(&with(json!({ "type": "message", "label": "x", "text": "a".repeat(301) })), &place("text"));
        accepted(&with(json!({ "type": "postback", "label": "x", "data": "a".repeat(300), "displayText": "x" })));
        refused(&with(json!({ "type": "postback", "label": "x", "data": "a".repeat(301) })), &place("data"));
        refused(&with(json!({ "type": "postback", "label": "x" })), &place("data"));
        refused(&with(json!({ "type": "fax", "label": "x" })), &place("type"));
        let desktop = json!({ "type": "uri", "label": "x", "uri": "https://example.com/", "altUri": {} });
        refused(&with(desktop), &place("altUri"));
    }

    #[test]
    fn at_most_one_aggregation_unit_of_30_plain_characters() {
        let of = |units: Value| json!({ "to": USER, "messages": [{ "type": "text", "text": "x" }], "customAggregationUnits": units });
        accepted(&of(json!([])));
        accepted(&of(json!(["aZ_09"])));
        accepted(&of(json!(["a".repeat(30)])));
        refused(&of(json!(["a".repeat(31)])), "customAggregationUnits[0]");
        refused(&of(json!(["order-finish"])), "customAggregationUnits[0]");
        refused(&of(json!(["订单"])), "customAggregationUnits[0]");
        refused(&of(json!([""])), "customAggregationUnits[0]");
        refused(&of(json!(["a", "b"])), "customAggregationUnits");
        refused(&of(json!("a")), "customAggregationUnits");
    }

    #[test]
    fn the_sender_and_the_quick_replies() {
        let item = json!({ "type": "action", "action": { "type": "message", "label": "x", "text": "x" } });
        let of = |sender: Value, items: Value| {
            body(json!({ "type": "text", "text": "x", "sender": sender, "quickReply": { "items": items } }))
        };
        accepted(&of(json!({ "name": "a".repeat(20) }), json!(vec![item.clone(); 13])));
        refused(&of(json!({ "name": "a".repeat(21) }), json!([item])), "messages[0].sender.name");
        refused(&of(json!({ "iconUrl": "http://x.example" }), json!([item])), "messages[0].sender.iconUrl");
        refused(&of(json!({}), json!(vec![item; 14])), "messages[0].quickReply.items");
    }

    #[test]
    fn unknown_fields_and_types_are_refused() {
        let text = json!({ "type": "text", "text": "x" });
        refused(&json!({ "to": USER, "messages": [text], "silent": true }), "silent");
        refused(&json!({ "to": USER, "messages": [text], "notificationDisabled": "no" }), "notificationDisabled");
        refused(&body(json!({ "type": "text", "text": "x", "altText": "x" })), "messages[0].altText");
        refused(&body(json!({ "type": "telegram", "text": "x" })), "messages[0].type");
        refused(&body(json!({ "text": "x" })), "messages[0].type");
        refused(&buttons_with(json!({ "subtitle": "x" })), "messages[0].template.subtitle");
        refused(&buttons_with(json!({ "type": "confirm" })), "messages[0].template.type");
    }

    #[test]
    fn every_error_is_counted_and_named() {
        let body = json!({ "to": "x", "messages": [{ "type": "text", "text": "" }, { "type": "text" }] });
        let error = read_value(&body).unwrap_err();
        assert_eq!(error["message"], "The request body has 3 error(s)");
        let named: Vec<_> = error["details"].as_array().unwrap().iter().map(|detail| &detail["property"]).collect();
        assert_eq!(named, ["to", "messages[0].text", "messages[1].text"]);
    }

    #[test]
    fn broken_json_and_repeated_fields_are_refused() {
        for body in ["", "{", "[]", "null", r#"{"to":"a","to":"a","messages":[]}"#] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
