//! Comments, and the prose of the pages, are at most 120 columns wide. Code is its formatter's business; a string or a
//! row of a table may be as long as it is.

use unicode_width::UnicodeWidthStr as _;

use crate::documents::files;

const COLUMNS: usize = 120;

/// What a comment begins with in a file of this name, the one that may follow code first.
fn markers(path: &str) -> &'static [&'static str] {
    match path.rsplit(['.', '/']).next().unwrap_or_default() {
        "rs" | "js" | "jsonc" => &["//", "/*", "* "],
        "css" => &["/*", "* "],
        "html" => &["<!--"],
        "yaml" | "toml" | "py" | "txt" | "run" | "gitignore" | "editorconfig" | "cfnlintrc" => &["#"],
        _ => &[],
    }
}

/// The comment that a line is, or that it ends with.
fn comment<'a>(line: &'a str, markers: &[&str]) -> Option<&'a str> {
    if markers.iter().any(|marker| line.trim_start().starts_with(marker)) {
        return Some(line);
    }
    let after_code = format!(" {} ", markers.first()?);
    let in_a_string = |start: usize| line[..start].matches('"').count() % 2 == 1;
    let (start, _) = line.match_indices(&after_code).find(|(start, _)| !in_a_string(*start))?;
    Some(&line[start..])
}

#[test]
fn none_is_wider_than_120_columns() {
    let mut wide = Vec::new();
    for file in files() {
        let markers = markers(&file.path);
        let lines: Vec<(usize, &str)> = if file.path.ends_with(".md") {
            file.prose().into_iter().filter(|(_, line)| !line.starts_with('|')).collect()
        } else {
            file.lines().filter(|(_, line)| comment(line, markers).is_some()).collect()
        };
        // An address cannot be broken.
        let breakable = |line: &str| line.split_whitespace().all(|word| word.width() < COLUMNS / 2);
        let too_wide = lines.into_iter().filter(|(_, line)| line.width() > COLUMNS && breakable(line));
        wide.extend(too_wide.map(|(number, line)| format!("{}:{number}: {} columns", file.path, line.width())));
    }
    assert!(wide.is_empty(), "{} lines:\n{}", wide.len(), wide.join("\n"));
}

#[test]
fn a_comment_is_told_from_a_string() {
    for (line, markers, expected) in [
        ("    // why", &["//"][..], Some("    // why")),
        ("let a = 1; // why", &["//"], Some(" // why")),
        ("let a = \"x // y\";", &["//"], None),
        ("let a = \"https://example.com\";", &["//"], None),
        ("- run: a # b", &["#"], Some(" # b")),
        ("Pattern: a#b", &["#"], None),
        ("{}", &[], None),
    ] {
        assert_eq!(comment(line, markers), expected, "{line}");
    }
}
