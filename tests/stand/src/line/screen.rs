//! A received message drawn as text, about as LINE shows it: for demonstrations and for tests that look at the screen.

use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Columns between the frame's margins; the whole bubble is four wider.
const WIDTH: usize = 40;

/// Draws one message object in a chat bubble of 44 columns. Of Flex it knows what a receipt needs: boxes, texts,
/// separators and buttons; anything else is named in brackets.
pub fn draw(message: &Value) -> String {
    let sections = match message["type"].as_str() {
        Some("text") => vec![text_lines(&message["text"], WIDTH)],
        Some("template") => buttons_template(&message["template"]),
        Some("flex") if message["contents"]["type"] == "carousel" => {
            return children(&message["contents"]).iter().map(|bubble| framed(&flex_bubble(bubble))).collect();
        }
        Some("flex") => flex_bubble(&message["contents"]),
        _ => vec![vec![unknown(message)]],
    };
    framed(&sections)
}

fn framed(sections: &[Vec<String>]) -> String {
    let rule = "─".repeat(WIDTH + 2);
    let mut drawing = format!("╭{rule}╮\n");
    for (index, section) in sections.iter().filter(|section| !section.is_empty()).enumerate() {
        if index > 0 {
            drawing += &format!("├{rule}┤\n");
        }
        for line in section {
            drawing += &format!("│ {} │\n", aligned(line, WIDTH, "start"));
        }
    }
    drawing + &format!("╰{rule}╯\n")
}

fn buttons_template(template: &Value) -> Vec<Vec<String>> {
    let mut picture = Vec::new();
    if template["thumbnailImageUrl"].is_string() {
        picture.push(aligned("[image]", WIDTH, "center"));
    }
    let mut words = text_lines(&template["title"], WIDTH);
    words.extend(text_lines(&template["text"], WIDTH));
    let actions = template["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut sections = vec![picture, words];
    sections.extend(actions.iter().map(|action| label_lines(action, WIDTH)));
    sections
}

fn flex_bubble(bubble: &Value) -> Vec<Vec<String>> {
    ["header", "hero", "body", "footer"]
        .iter()
        .filter_map(|block| bubble.get(block))
        .map(|block| component(block, WIDTH))
        .collect()
}

/// The lines of a component, none wider than `width`.
fn component(node: &Value, width: usize) -> Vec<String> {
    match node["type"].as_str() {
        Some("box") if node["layout"] == "vertical" => {
            children(node).iter().flat_map(|child| component(child, width)).collect()
        }
        Some("box") => row(children(node), width),
        Some("text") => flex_text(node, width),
        Some("separator") => vec!["┄".repeat(width)],
        Some("button") => label_lines(&node["action"], width.saturating_sub(4))
            .iter()
            .map(|line| aligned(&format!("[ {} ]", line.trim()), width, "center"))
            .collect(),
        Some("filler") => vec![String::new()],
        _ => vec![unknown(node)],
    }
}

/// Children side by side, sharing the width as their `flex` says (1 where none is given).
fn row(children: &[Value], width: usize) -> Vec<String> {
    let shares: Vec<usize> = children.iter().map(|child| child["flex"].as_u64().unwrap_or(1) as usize).collect();
    let total: usize = shares.iter().sum::<usize>().max(1);
    let room = width.saturating_sub(children.len().saturating_sub(1));
    let mut widths: Vec<usize> = shares.iter().map(|share| (room * share / total).max(1)).collect();
    // What rounding leaves belongs to the last column, so that right-aligned values meet the edge.
    let used: usize = widths.iter().sum();
    if let Some(last) = widths.last_mut() {
        *last += room.saturating_sub(used);
    }
    let columns: Vec<Vec<String>> =
        children.iter().zip(&widths).map(|(child, width)| component(child, *width)).collect();
    let height = columns.iter().map(Vec::len).max().unwrap_or_default();
    let cell = |column: usize, line: usize| {
        aligned(columns[column].get(line).map_or("", String::as_str), widths[column], "start")
    };
    (0..height).map(|line| (0..columns.len()).map(|column| cell(column, line)).collect::<Vec<_>>().join(" ")).collect()
}

fn flex_text(node: &Value, width: usize) -> Vec<String> {
    let spans: String = children(node).iter().filter_map(|span| span["text"].as_str()).collect();
    let text = if spans.is_empty() { node["text"].as_str().unwrap_or_default() } else { &spans };
    let mut lines = wrapped(text, width);
    if node["wrap"] != true {
        // LINE cuts a text that may not wrap, and a line feed counts only where it may.
        let line = wrapped(&text.replace('\n', " "), usize::MAX).concat();
        lines = vec![if line.width() > width { cut(&line, width) } else { line }];
    }
    if let Some(max) = node["maxLines"].as_u64().filter(|max| *max > 0 && (*max as usize) < lines.len()) {
        lines.truncate(max as usize);
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last}…"), width);
        }
    }
    let align = node["align"].as_str().unwrap_or("start");
    lines.iter().map(|line| aligned(line, width, align)).collect()
}

fn text_lines(text: &Value, width: usize) -> Vec<String> {
    text.as_str().map(|text| wrapped(text, width)).unwrap_or_default()
}

fn label_lines(action: &Value, width: usize) -> Vec<String> {
    let label = action["label"].as_str().unwrap_or_default();
    wrapped(label, width).iter().map(|line| aligned(line, width, "center")).collect()
}

fn children(node: &Value) -> &[Value] {
    node["contents"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn unknown(node: &Value) -> String {
    cut(&format!("[{}]", node["type"].as_str().unwrap_or("?")), WIDTH)
}

/// Breaks at words where it can and between characters where it must, counting columns: 租 and 🔋 take two.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_word_bounds() {
            // A control character of a message must not steer the terminal.
            let word = word.replace(char::is_control, "");
            if line.width() + word.width() <= width {
                line += &word;
                continue;
            }
            if !line.trim_end().is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            for piece in word.trim_start().graphemes(true) {
                if !line.is_empty() && line.width() + piece.width() > width {
                    lines.push(std::mem::take(&mut line));
                }
                line += piece;
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// At most `width` columns, the last one `…` if something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for piece in text.trim_end_matches('…').graphemes(true) {
        if kept.width() + piece.width() + 1 > width {
            break;
        }
        kept += piece;
    }
    kept + "…"
}

fn aligned(line: &str, width: usize, align: &str) -> String {
    let gap = width.saturating_sub(line.width());
    let before = match align {
        "end" => gap,
        "center" => gap / 2,
        _ => 0,
    };
    format!("{}{line}{}", " ".repeat(before), " ".repeat(gap - before))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn drawn(message: &Value) -> String {
        let drawing = draw(message);
        for line in drawing.lines() {
            assert_eq!(line.width(), WIDTH + 4, "{line}\n{drawing}");
        }
        drawing
    }

    fn text(text: &str) -> String {
        drawn(&json!({ "type": "text", "text": text }))
    }

    #[test]
    fn a_text_in_a_bubble() {
        assert_eq!(
            text("租借完成 🔋\n\nThank you."),
            "\
╭──────────────────────────────────────────╮
│ 租借完成 🔋                              │
│                                          │
│ Thank you.                               │
╰──────────────────────────────────────────╯
"
        );
    }

    #[test]
    fn a_receipt_as_a_buttons_template() {
        let message = json!({ "type": "template", "altText": "x", "template": {
            "type": "buttons", "title": "租借完成，订单已结束", "text": "费用：￥162\n时长：27小时33分51秒",
            "actions": [{ "type": "uri", "label": "查看订单", "uri": "https://example.com/" },
                        { "type": "message", "label": "Help", "text": "help" }] } });
        assert_eq!(
            drawn(&message),
            "\
╭──────────────────────────────────────────╮
│ 租借完成，订单已结束                     │
│ 费用：￥162                              │
│ 时长：27小时33分51秒                     │
├──────────────────────────────────────────┤
│                 查看订单                 │
├──────────────────────────────────────────┤
│                   Help                   │
╰──────────────────────────────────────────╯
"
        );
    }

    #[test]
    fn a_receipt_as_a_flex_bubble() {
        let row = |label: &str, value: &str| {
            json!({ "type": "box", "layout": "horizontal", "contents": [
                { "type": "text", "text": label, "flex": 2 },
                { "type": "text", "text": value, "flex": 5, "align": "end", "wrap": true } ] })
        };
        let message = json!({ "type": "flex", "altText": "x", "contents": { "type": "bubble",
            "header": { "type": "box", "layout": "vertical", "contents": [
                { "type": "text", "text": "租借完成，订单已结束", "wrap": true } ] },
            "body": { "type": "box", "layout": "vertical", "contents": [
                row("费用", "￥162"), { "type": "separator" },
                row("结束", "2020/07/15 14:34:11\nCafé 上品快餐 国贸商城地下一层美食广场店") ] },
            "footer": { "type": "box", "layout": "vertical", "contents": [
                { "type": "button", "action": { "type": "uri", "label": "查看订单", "uri": "https://example.com/" } } ] } } });
        assert_eq!(
            drawn(&message),
            "\
╭──────────────────────────────────────────╮
│ 租借完成，订单已结束                     │
├──────────────────────────────────────────┤
│ 费用                               ￥162 │
│ ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ │
│ 结束                 2020/07/15 14:34:11 │
│             Café 上品快餐 国贸商城地下一 │
│                             层美食广场店 │
├──────────────────────────────────────────┤
│               [ 查看订单 ]               │
╰──────────────────────────────────────────╯
"
        );
    }

    #[test]
    fn long_lines_wrap_at_words_and_inside_what_is_too_long() {
        assert_eq!(wrapped("The quick brown fox", 10), ["The quick", "brown fox"]);
        assert_eq!(wrapped("一二三四五", 4), ["一二", "三四", "五"]);
        assert_eq!(wrapped("一二三", 3), ["一", "二", "三"]);
        assert_eq!(wrapped("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrapped("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 3), ["👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]);
        assert_eq!(wrapped("a\n\nb", 9), ["a", "", "b"]);
        text(&"租借完成 order A0001 🔋 ".repeat(20));
        text(&"https://example.com/orders/A0001?openExternalBrowser=1".repeat(3));
    }

    #[test]
    fn a_flex_text_that_may_not_wrap_is_cut() {
        let flex = |wrap: bool, lines: u64| {
            let text = json!({ "type": "text", "text": "一二三四五六\n七", "wrap": wrap, "maxLines": lines });
            component(&text, 9)
        };
        assert_eq!(flex(false, 0), ["一二三四…"]);
        assert_eq!(flex(true, 0), ["一二三四 ", "五六     ", "七       "]);
        assert_eq!(flex(true, 1), ["一二三四…"]);
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let drawing = text("red \u{1b}[31malert\u{7}\r\n\u{9b}2J");
        assert!(drawing.chars().all(|c| c == '\n' || !c.is_control()), "{drawing:?}");
        assert!(drawing.contains("red [31malert"));
    }

    #[test]
    fn what_is_not_drawn_is_named() {
        assert!(drawn(&json!({ "type": "sticker" })).contains("[sticker]"));
        let hero = json!({ "type": "bubble", "hero": { "type": "image" } });
        assert!(drawn(&json!({ "type": "flex", "contents": hero })).contains("[image]"));
        let carousel = json!({ "type": "carousel", "contents": [hero, hero] });
        assert_eq!(drawn(&json!({ "type": "flex", "contents": carousel })).matches("[image]").count(), 2);
    }
}
