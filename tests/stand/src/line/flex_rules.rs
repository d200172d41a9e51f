//! What LINE accepts as the `contents` of a Flex Message (reference, "Flex Message"; "Flex Message layout").
//! A property LINE knows but the notifications don't use yet is refused as unknown: add it here first.

use serde_json::Value;

use super::{
    json_node::Node,
    push_rules::{IMAGE_URL_MAX, action},
};

/// "30 KB" and "50 KB": the smaller reading, so that nothing passes here and fails at LINE.
const BUBBLE_MAX_BYTES: usize = 30_000;
const CAROUSEL_MAX_BYTES: usize = 50_000;
const CAROUSEL_MAX_BUBBLES: usize = 12;
const LABEL_MAX: usize = 40;

const BLOCKS: [&str; 4] = ["header", "hero", "body", "footer"];
const SPACES: &[&str] = &["none", "xs", "sm", "md", "lg", "xl", "xxl"];
const TEXT_SIZES: &[&str] = &["xxs", "xs", "sm", "md", "lg", "xl", "xxl", "3xl", "4xl", "5xl"];
const PLACING: &[&str] = &["type", "flex", "margin"];
const TEXT_STYLE: &[&str] = &["size", "weight", "color", "style", "decoration"];
const PADDINGS: [&str; 5] = ["paddingAll", "paddingTop", "paddingBottom", "paddingStart", "paddingEnd"];

pub(super) fn container(node: &Node<'_>) {
    match node.kind(&["bubble", "carousel"]) {
        Some("bubble") => bubble(node),
        Some(_) => carousel(node),
        None => {}
    }
}

fn carousel(node: &Node<'_>) {
    node.object(&[&["type", "contents"]]);
    at_most_bytes(node, CAROUSEL_MAX_BYTES);
    for item in node.required("contents").iter().flat_map(|contents| contents.items(1, CAROUSEL_MAX_BUBBLES)) {
        if item.kind(&["bubble"]).is_some() {
            bubble(&item);
        }
    }
}

fn bubble(node: &Node<'_>) {
    node.object(&[&["type", "size", "direction", "styles", "action"], &BLOCKS]);
    at_most_bytes(node, BUBBLE_MAX_BYTES);
    one_of(node, "size", &["nano", "micro", "deca", "hecto", "kilo", "mega", "giga"]);
    one_of(node, "direction", &["ltr", "rtl"]);
    for block in BLOCKS {
        let allowed: &[&str] = if block == "hero" { &["box", "image", "video"] } else { &["box"] };
        if let Some(block) = node.optional(block) {
            component(&block, allowed);
        }
    }
    if !BLOCKS.iter().any(|block| node.has(block)) {
        node.report("must have at least one block");
    }
    if let Some(styles) = node.optional("styles")
        && styles.object(&[&BLOCKS])
    {
        for style in BLOCKS.iter().filter_map(|block| styles.optional(block)) {
            style.object(&[&["backgroundColor", "separator", "separatorColor"]]);
            colour(&style, "backgroundColor");
            colour(&style, "separatorColor");
            boolean(&style, "separator");
        }
    }
    optional_action(node);
}

fn component(node: &Node<'_>, allowed: &[&str]) {
    let Some(kind) = node.kind(allowed) else { return };
    if let Some(flex) = node.optional("flex") {
        flex.count();
    }
    space(node, "margin", SPACES, false);
    match kind {
        "box" => box_component(node),
        "text" => text(node),
        "button" => button(node),
        "separator" => {
            node.object(&[&["type", "margin", "color"]]);
            colour(node, "color");
        }
        "image" => image(node),
        "icon" => {
            node.object(&[&["type", "margin", "url", "size", "aspectRatio", "scaling"]]);
            https(node, "url");
            space(node, "size", TEXT_SIZES, false);
            aspect_ratio(node);
            boolean(node, "scaling");
        }
        "video" => {
            node.object(&[&["type", "url", "previewUrl", "altContent", "aspectRatio", "action"]]);
            https(node, "url");
            https(node, "previewUrl");
            if let Some(instead) = node.required("altContent") {
                component(&instead, &["box", "image"]);
            }
            aspect_ratio(node);
            optional_action(node);
        }
        _ => {
            node.object(&[&["type", "flex"]]);
        }
    }
}

fn box_component(node: &Node<'_>) {
    node.object(&[
        PLACING,
        &PADDINGS,
        &["layout", "contents", "spacing", "justifyContent", "alignItems", "action", "width", "height"],
        &["backgroundColor", "borderColor", "borderWidth", "cornerRadius"],
    ]);
    space(node, "spacing", SPACES, false);
    space(node, "cornerRadius", SPACES, false);
    space(node, "borderWidth", &["none", "light", "normal", "medium", "semi-bold", "bold"], false);
    space(node, "width", &[], true);
    space(node, "height", &[], true);
    for padding in PADDINGS {
        space(node, padding, SPACES, true);
    }
    colour(node, "backgroundColor");
    colour(node, "borderColor");
    let alignments = ["flex-start", "center", "flex-end", "space-between", "space-around", "space-evenly"];
    one_of(node, "justifyContent", &alignments);
    one_of(node, "alignItems", &alignments[..3]);
    optional_action(node);
    let layout = node.required("layout").and_then(|layout| layout.one_of(&["vertical", "horizontal", "baseline"]));
    let children: &[&str] = match layout {
        Some("baseline") => &["text", "icon", "filler"],
        _ => &["box", "button", "image", "text", "separator", "filler"],
    };
    for child in node.required("contents").iter().flat_map(|contents| contents.items(0, usize::MAX)) {
        component(&child, children);
    }
}

fn text(node: &Node<'_>) {
    node.object(&[
        PLACING,
        TEXT_STYLE,
        &["text", "contents", "align", "gravity", "wrap", "maxLines", "adjustMode", "scaling", "lineSpacing", "action"],
    ]);
    text_style(node);
    one_of(node, "align", &["start", "end", "center"]);
    one_of(node, "gravity", &["top", "bottom", "center"]);
    one_of(node, "adjustMode", &["shrink-to-fit"]);
    boolean(node, "wrap");
    boolean(node, "scaling");
    space(node, "lineSpacing", &[], false);
    if let Some(lines) = node.optional("maxLines") {
        lines.count();
    }
    optional_action(node);
    if !node.has("contents") || node.has("text") {
        non_empty(node, "text");
    }
    for span in node.optional("contents").iter().flat_map(|contents| contents.items(1, usize::MAX)) {
        if span.kind(&["span"]).is_some() {
            span.object(&[&["type", "text"], TEXT_STYLE]);
            text_style(&span);
            non_empty(&span, "text");
        }
    }
}

fn text_style(node: &Node<'_>) {
    space(node, "size", TEXT_SIZES, false);
    one_of(node, "weight", &["regular", "bold"]);
    one_of(node, "style", &["normal", "italic"]);
    one_of(node, "decoration", &["none", "underline", "line-through"]);
    colour(node, "color");
}

fn button(node: &Node<'_>) {
    node.object(&[PLACING, &["action", "style", "color", "height", "gravity", "adjustMode", "scaling"]]);
    one_of(node, "style", &["primary", "secondary", "link"]);
    one_of(node, "height", &["sm", "md"]);
    one_of(node, "gravity", &["top", "bottom", "center"]);
    one_of(node, "adjustMode", &["shrink-to-fit"]);
    boolean(node, "scaling");
    colour(node, "color");
    if let Some(tapped) = node.required("action") {
        action(&tapped, Some(LABEL_MAX), true);
    }
}

fn image(node: &Node<'_>) {
    node.object(&[
        PLACING,
        &["url", "align", "gravity", "size", "aspectRatio", "aspectMode", "backgroundColor", "action"],
    ]);
    https(node, "url");
    one_of(node, "align", &["start", "end", "center"]);
    one_of(node, "gravity", &["top", "bottom", "center"]);
    one_of(node, "aspectMode", &["cover", "fit"]);
    space(node, "size", &[TEXT_SIZES, &["full"]].concat(), true);
    aspect_ratio(node);
    colour(node, "backgroundColor");
    optional_action(node);
}

fn at_most_bytes(node: &Node<'_>, max: usize) {
    if compact_bytes(node.value()) > max {
        node.report(format_args!("must not be larger than {} KB", max / 1000));
    }
}

pub(super) fn compact_bytes(value: &Value) -> usize {
    value.to_string().len()
}

/// "must be non-empty text" is what callers were answered; no page says so.
fn non_empty(node: &Node<'_>, field: &str) {
    if node.required(field).is_some_and(|text| text.value().as_str().is_none_or(str::is_empty)) {
        node.optional(field).iter().for_each(|text| text.report("must be non-empty text"));
    }
}

fn optional_action(node: &Node<'_>) {
    if let Some(tapped) = node.optional("action") {
        action(&tapped, tapped.has("label").then_some(LABEL_MAX), true);
    }
}

fn one_of(node: &Node<'_>, field: &str, allowed: &[&str]) {
    if let Some(value) = node.optional(field) {
        value.one_of(allowed);
    }
}

fn boolean(node: &Node<'_>, field: &str) {
    if let Some(value) = node.optional(field) {
        value.boolean();
    }
}

fn colour(node: &Node<'_>, field: &str) {
    if let Some(value) = node.optional(field) {
        value.colour(true);
    }
}

fn https(node: &Node<'_>, field: &str) {
    if let Some(value) = node.required(field) {
        value.uri(IMAGE_URL_MAX, &["https"]);
    }
}

/// A keyword or a number with `px`, and with `%` where LINE knows percentages.
fn space(node: &Node<'_>, field: &str, keywords: &[&str], percent: bool) {
    let Some(value) = node.optional(field) else { return };
    let text = value.value().as_str().unwrap_or_default();
    let number = text.strip_suffix("px").or_else(|| text.strip_suffix('%').filter(|_| percent)).unwrap_or_default();
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && number.parse::<f64>().is_ok();
    if !is_number && !keywords.contains(&text) {
        value.report("invalid property value");
    }
}

/// `{width}:{height}`
fn aspect_ratio(node: &Node<'_>) {
    let Some(ratio) = node.optional("aspectRatio") else { return };
    let positive = |side: &str| side.parse::<f64>().is_ok_and(|side| side.is_finite() && side > 0.0);
    let (width, height) = ratio.value().as_str().and_then(|text| text.split_once(':')).unwrap_or_default();
    if !positive(width) || !positive(height) {
        ratio.report("invalid property value");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::json_node::check, *};

    fn details(contents: &Value) -> Vec<Value> {
        check(contents, container)
    }

    fn body(component: Value) -> Value {
        json!({ "type": "bubble", "body": { "type": "box", "layout": "vertical", "contents": [component] } })
    }

    #[track_caller]
    fn accepted(contents: &Value) {
        assert_eq!(details(contents), Vec::<Value>::new(), "{contents}");
    }

    #[track_caller]
    fn refused(contents: &Value, property: &str) {
        let details = details(contents);
        assert_eq!(details.len(), 1, "{contents}: {details:?}");
        assert_eq!(details[0]["property"].as_str().unwrap_or_default(), property, "{details:?}");
    }

    fn receipt() -> Value {
        let row = |label: &str, value: &str| {
            json!({ "type": "box", "layout": "horizontal", "contents": [
                { "type": "text", "text": label, "size": "sm", "color": "#888888", "flex": 2 },
                { "type": "text", "text": value, "size": "lg", "weight": "bold", "flex": 5, "align": "end", "wrap": true },
            ] })
        };
        json!({
            "type": "bubble", "size": "mega", "direction": "ltr",
            "header": { "type": "box", "layout": "vertical", "paddingAll": "5%", "backgroundColor": "#06C75580", "contents": [
                { "type": "text", "text": "租借完成", "weight": "bold", "size": "20px", "wrap": true, "maxLines": 0 } ] },
            "body": { "type": "box", "layout": "vertical", "spacing": "md", "contents": [
                row("费用", "￥162"), { "type": "separator", "margin": "md", "color": "#eeeeee" }, row("时长", "27小时"),
                { "type": "box", "layout": "baseline", "contents": [{ "type": "text", "contents": [{ "type": "span", "text": "x" }] }] },
                { "type": "box", "layout": "vertical", "contents": [] } ] },
            "footer": { "type": "box", "layout": "vertical", "contents": [
                { "type": "button", "style": "primary", "height": "sm",
                  "action": { "type": "uri", "label": "查看订单", "uri": "https://example.com/orders/A0001",
                              "altUri": { "desktop": "https://example.com/" } } } ] },
            "styles": { "footer": { "separator": true, "separatorColor": "#cccccc" } },
        })
    }

    #[test]
    fn a_receipt_is_accepted() {
        accepted(&receipt());
        accepted(&json!({ "type": "carousel", "contents": vec![receipt(); 12] }));
    }

    #[test]
    fn a_bubble_of_30_kb_is_the_largest() {
        let of = |bytes: usize| {
            let empty = compact_bytes(&body(json!({ "type": "text", "text": "" })));
            body(json!({ "type": "text", "text": "a".repeat(bytes - empty) }))
        };
        assert_eq!(compact_bytes(&of(BUBBLE_MAX_BYTES)), 30_000);
        accepted(&of(BUBBLE_MAX_BYTES));
        refused(&of(BUBBLE_MAX_BYTES + 1), "");
    }

    #[test]
    fn a_carousel_has_1_to_12_bubbles_and_50_kb() {
        refused(&json!({ "type": "carousel", "contents": vec![receipt(); 13] }), "contents");
        refused(&json!({ "type": "carousel", "contents": [] }), "contents");
        let half = body(json!({ "type": "text", "text": "a".repeat(24_000) }));
        accepted(&json!({ "type": "carousel", "contents": [half, half] }));
        let more = body(json!({ "type": "text", "text": "a".repeat(26_000) }));
        refused(&json!({ "type": "carousel", "contents": [half, more] }), "");
    }

    #[test]
    fn a_box_needs_its_layout_and_contents() {
        refused(&body(json!({ "type": "box", "contents": [] })), "body.contents[0].layout");
        refused(&body(json!({ "type": "box", "layout": "diagonal", "contents": [] })), "body.contents[0].layout");
        refused(&body(json!({ "type": "box", "layout": "vertical" })), "body.contents[0].contents");
        refused(&body(json!({ "type": "box", "layout": "vertical", "contents": {} })), "body.contents[0].contents");
        refused(&json!({ "type": "bubble" }), "");
        refused(&json!({ "type": "bubble", "body": { "type": "text", "text": "x" } }), "body.type");
    }

    #[test]
    fn a_baseline_box_holds_text_only_and_a_span_stands_in_text_only() {
        let baseline = |child: Value| body(json!({ "type": "box", "layout": "baseline", "contents": [child] }));
        accepted(&baseline(json!({ "type": "text", "text": "x" })));
        accepted(&baseline(json!({ "type": "icon", "url": "https://example.com/i.png" })));
        refused(&baseline(json!({ "type": "separator" })), "body.contents[0].contents[0].type");
        refused(
            &baseline(json!({ "type": "box", "layout": "vertical", "contents": [] })),
            "body.contents[0].contents[0].type",
        );
        refused(&body(json!({ "type": "span", "text": "x" })), "body.contents[0].type");
        refused(&body(json!({ "type": "icon", "url": "https://example.com/i.png" })), "body.contents[0].type");
        refused(
            &body(json!({ "type": "text", "contents": [{ "type": "text", "text": "x" }] })),
            "body.contents[0].contents[0].type",
        );
    }

    #[test]
    fn an_empty_text_is_refused() {
        refused(&body(json!({ "type": "text", "text": "" })), "body.contents[0].text");
        refused(&body(json!({ "type": "text" })), "body.contents[0].text");
        refused(&body(json!({ "type": "text", "text": 162 })), "body.contents[0].text");
        refused(
            &body(json!({ "type": "text", "contents": [{ "type": "span", "text": "" }] })),
            "body.contents[0].contents[0].text",
        );
    }

    #[test]
    fn a_button_needs_an_action_with_a_label_of_40() {
        let with = |label: &str| {
            body(
                json!({ "type": "button", "action": { "type": "uri", "label": label, "uri": "https://example.com/" } }),
            )
        };
        accepted(&with(&"🔋".repeat(40)));
        refused(&with(&"a".repeat(41)), "body.contents[0].action.label");
        refused(&with(""), "body.contents[0].action.label");
        refused(
            &body(json!({ "type": "button", "action": { "type": "uri", "uri": "https://example.com/" } })),
            "body.contents[0].action.label",
        );
        refused(&body(json!({ "type": "button" })), "body.contents[0].action");
    }

    #[test]
    fn keywords_sizes_colours_and_numbers_are_checked() {
        for (field, good, bad) in [
            ("size", json!("5xl"), json!("huge")),
            ("size", json!("14.5px"), json!("14")),
            ("weight", json!("regular"), json!("700")),
            ("color", json!("#112233"), json!("black")),
            ("align", json!("center"), json!("right")),
            ("wrap", json!(false), json!("true")),
            ("maxLines", json!(2), json!(-1)),
            ("flex", json!(0), json!("2")),
            ("flex", json!(7), json!(1.5)),
            ("margin", json!("xxl"), json!("5%")),
            ("margin", json!("10px"), json!("px")),
            ("decoration", json!("underline"), json!("blink")),
            ("style", json!("italic"), json!("oblique")),
            ("adjustMode", json!("shrink-to-fit"), json!("grow")),
            ("scaling", json!(true), json!(1)),
            ("lineSpacing", json!("4px"), json!("md")),
            ("gravity", json!("top"), json!("middle")),
        ] {
            let text = |value: &Value| body(json!({ "type": "text", "text": "x", field: value }));
            accepted(&text(&good));
            refused(&text(&bad), &format!("body.contents[0].{field}"));
        }
        for (field, good, bad) in [
            ("spacing", json!("none"), json!("wide")),
            ("paddingAll", json!("20%"), json!("-1px")),
            ("paddingTop", json!("md"), json!(4)),
            ("backgroundColor", json!("#11223344"), json!("#1122334")),
            ("justifyContent", json!("space-between"), json!("end")),
            ("alignItems", json!("center"), json!("space-between")),
            ("cornerRadius", json!("8px"), json!("round")),
            ("borderWidth", json!("semi-bold"), json!("thick")),
            ("width", json!("50%"), json!("md")),
        ] {
            let inner =
                |value: &Value| body(json!({ "type": "box", "layout": "vertical", "contents": [], field: value }));
            accepted(&inner(&good));
            refused(&inner(&bad), &format!("body.contents[0].{field}"));
        }
        for (field, good, bad) in [
            ("style", json!("link"), json!("danger")),
            ("height", json!("md"), json!("lg")),
            ("color", json!("#112233"), json!("112233")),
        ] {
            let action = json!({ "type": "message", "label": "x", "text": "x" });
            let button = |value: &Value| body(json!({ "type": "button", "action": action, field: value }));
            accepted(&button(&good));
            refused(&button(&bad), &format!("body.contents[0].{field}"));
        }
        for (field, bad) in [("size", json!("tera")), ("direction", json!("up")), ("styles", json!([]))] {
            let mut bubble = receipt();
            bubble[field] = bad;
            refused(&bubble, field);
        }
        for (field, bad) in [("separator", "yes"), ("separatorColor", "grey"), ("backgroundColor", "#fff")] {
            let mut bubble = receipt();
            bubble["styles"] = json!({ "body": { field: bad } });
            refused(&bubble, &format!("styles.body.{field}"));
        }
    }

    #[test]
    fn unknown_fields_and_types_are_refused_wherever_they_are() {
        refused(&body(json!({ "type": "text", "text": "x", "bold": true })), "body.contents[0].bold");
        refused(&body(json!({ "type": "separator", "flex": 1 })), "body.contents[0].flex");
        refused(&body(json!({ "type": "table" })), "body.contents[0].type");
        refused(&body(json!("text")), "body.contents[0]");
        refused(&json!({ "type": "panel" }), "type");
        let mut bubble = receipt();
        bubble["heading"] = json!({});
        refused(&bubble, "heading");
    }

    #[test]
    fn pictures_come_over_https() {
        let hero = |url: &str| json!({ "type": "bubble", "hero": { "type": "image", "url": url, "size": "full", "aspectRatio": "20:13" } });
        accepted(&hero("https://example.com/hero.png"));
        refused(&hero("http://example.com/hero.png"), "hero.url");
        refused(
            &json!({ "type": "bubble", "hero": { "type": "image", "url": "https://example.com/", "aspectRatio": "20" } }),
            "hero.aspectRatio",
        );
        for field in ["url", "previewUrl"] {
            let mut video = json!({ "type": "video", "url": "https://example.com/v.mp4",
                "previewUrl": "https://example.com/v.png",
                "altContent": { "type": "image", "url": "https://example.com/v.png" } });
            accepted(&json!({ "type": "bubble", "hero": video }));
            video[field] = "http://example.com/v".into();
            refused(&json!({ "type": "bubble", "hero": video }), &format!("hero.{field}"));
        }
    }
}
