//! A mail's parts, as text and as HTML with the same content. Pure.

use std::fmt::Write as _;

use shared::{html::escaped, language::Language};

/// A part of the mail, mostly under a heading.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub heading: Option<&'static str>,
    pub parts: Vec<Part>,
}

/// What stands in a section.
#[derive(Debug)]
pub(super) enum Part {
    /// A line.
    Line(String),
    /// Something to do, and where.
    Todo(Todo),
    /// Figures; the first column names the row. A column's name may take two lines.
    Table { columns: Vec<String>, rows: Vec<Vec<String>> },
    /// A picture of the mail, and what stands in its place where none is shown; the text does without.
    Picture { name: &'static str, instead: &'static str },
    /// In small print.
    Note(String),
}

/// Something to do.
#[derive(Debug)]
pub(super) struct Todo {
    /// What.
    pub text: String,
    /// The place in the console: the link's text and address.
    pub place: Option<(&'static str, String)>,
    /// The heading of the runbook, and its address where there is one.
    pub runbook: Option<(String, Option<String>)>,
}

impl Section {
    pub(super) fn new(heading: &'static str, parts: Vec<Part>) -> Self {
        Self { heading: Some(heading), parts }
    }
}

/// The text form.
pub(super) fn as_text(headline: &[String], sections: &[Section]) -> String {
    let mut text = headline.join("\n") + "\n";
    for section in sections {
        match section.heading {
            Some(heading) => {
                let _ = write!(text, "\n== {heading} ==\n");
            }
            None => text.push('\n'),
        }
        for part in &section.parts {
            match part {
                Part::Line(line) | Part::Note(line) => {
                    let _ = writeln!(text, "{line}");
                }
                Part::Todo(todo) => {
                    let _ = writeln!(text, "- {}", todo.text);
                    if let Some((_, address)) = &todo.place {
                        let _ = writeln!(text, "  {address}");
                    }
                    if let Some((runbook, address)) = &todo.runbook {
                        let _ = writeln!(text, "  {runbook}");
                        address.iter().for_each(|address| text += &format!("  {address}\n"));
                    }
                }
                Part::Picture { .. } => {}
                Part::Table { columns, rows } => {
                    for row in std::iter::once(columns).chain(rows) {
                        let _ = writeln!(text, "{}", row.join(" | ").replace('\n', " "));
                    }
                }
            }
        }
    }
    text
}

/// For the colours of dark mode, which only a style sheet can tell apart; what a mail program must have where it takes
/// no style sheet stands in the elements.
const STYLE: &str = "\
body{margin:0;padding:16px;background:#fff;color:#1a1a1a}\
h1{font-size:20px;margin:0 0 12px}h2{font-size:16px;margin:24px 0 8px}p{margin:4px 0}ul{margin:4px 0;padding-left:20px}\
li{margin:0 0 10px}.first{font-size:18px}.note{font-size:13px;color:#5f5f5f}a{color:#0a6e37}\
table.figures{width:100%;border-collapse:collapse;font-size:14px}\
.figures th,.figures td{padding:4px 6px;border-bottom:1px solid #e0e0e0}.figures thead th,td{white-space:nowrap}\
@media (prefers-color-scheme:dark){body{background:#121212;color:#eee}.note{color:#ababab}a{color:#5fd38d}\
.figures th,.figures td{border-color:#383838}}";
const FONT: &str = "font:16px/1.6 -apple-system,'PingFang SC','Microsoft YaHei','Hiragino Sans',sans-serif";

/// The HTML form, written so that it is XML as well.
pub(super) fn as_html(subject: &str, headline: &[String], sections: &[Section], language: Language) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" \
         content=\"width=device-width\"/><meta name=\"color-scheme\" content=\"light dark\"/><title>{subject}</title>\
         <style>{STYLE}</style></head>\n<body style=\"{FONT}\"><div style=\"max-width:600px;margin:0 auto;\
         overflow-wrap:break-word\"><h1>{subject}</h1>\n",
        language.tag()
    );
    for line in headline {
        let _ = writeln!(html, "<p class=\"first\">{}</p>", escaped(line));
    }
    for section in sections {
        if let Some(heading) = section.heading {
            let _ = writeln!(html, "<h2>{}</h2>", escaped(heading));
        }
        // What is to be done is a list.
        for group in section.parts.chunk_by(|one, next| matches!((one, next), (Part::Todo(_), Part::Todo(_)))) {
            let is_list = matches!(group, [Part::Todo(_), ..]);
            html.push_str(if is_list { "<ul>\n" } else { "" });
            group.iter().for_each(|part| write_html(&mut html, part));
            html.push_str(if is_list { "</ul>\n" } else { "" });
        }
    }
    html.push_str("</div></body></html>\n");
    html
}

/// As HTML, where an order's id or a date is not broken at its hyphens: on a phone it must be read, and copied, whole.
fn unbroken(text: &str) -> String {
    // Longer ones would be wider than a phone.
    const MAX_LENGTH: usize = 28;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut html = String::new();
    for piece in text.split_inclusive(|c| !is_part(c)) {
        let name = piece.trim_end_matches(|c| !is_part(c));
        let is_name = name.contains('-') && name.contains(|c: char| c.is_ascii_digit()) && name.len() <= MAX_LENGTH;
        let _ = match is_name {
            true => write!(html, "<span style=\"white-space:nowrap\">{name}</span>"),
            false => write!(html, "{}", escaped(name)),
        };
        html += &escaped(&piece[name.len()..]);
    }
    html
}

fn write_html(html: &mut String, part: &Part) {
    match part {
        Part::Line(line) => {
            let _ = writeln!(html, "<p>{}</p>", unbroken(line));
        }
        Part::Note(line) => {
            let _ = writeln!(html, "<p class=\"note\">{}</p>", unbroken(line));
        }
        Part::Picture { name, instead } => {
            let _ = writeln!(
                html,
                "<p><img src=\"cid:{name}\" width=\"560\" alt=\"{}\" style=\"width:100%;max-width:560px;\
                 height:auto\"/></p>",
                escaped(instead)
            );
        }
        Part::Todo(todo) => {
            let link = |text: &str, address: &str| format!("<a href=\"{}\">{}</a>", escaped(address), escaped(text));
            let place = todo.place.iter().map(|(text, address)| link(text, address));
            let runbook = todo.runbook.iter().map(|(text, address)| match address {
                Some(address) => link(text, address),
                None => escaped(text),
            });
            let under = place.chain(runbook);
            let under = under.collect::<Vec<_>>().join(" · ");
            let text = unbroken(&todo.text);
            let _ = match under.is_empty() {
                true => writeln!(html, "<li>{text}</li>"),
                false => writeln!(html, "<li>{text}<br/><span class=\"note\">{under}</span></li>"),
            };
        }
        Part::Table { columns, rows } => {
            let align = |index| if index == 0 { "left" } else { "right" };
            let head: String = (0..)
                .zip(columns)
                .map(|(index, column)| {
                    format!(
                        "<th scope=\"col\" align=\"{}\">{}</th>",
                        align(index),
                        escaped(column).replace('\n', "<br/> ")
                    )
                })
                .collect();
            let _ = writeln!(html, "<table class=\"figures\"><thead><tr>{head}</tr></thead><tbody>");
            for row in rows {
                let cells: String = (0..)
                    .zip(row)
                    .map(|(index, cell)| match index {
                        0 => {
                            format!("<th scope=\"row\" align=\"left\" style=\"font-weight:400\">{}</th>", escaped(cell))
                        }
                        _ => format!("<td align=\"right\">{}</td>", escaped(cell)),
                    })
                    .collect();
                let _ = writeln!(html, "<tr>{cells}</tr>");
            }
            html.push_str("</tbody></table>\n");
        }
    }
}
