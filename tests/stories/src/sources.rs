//! What the sources of the functions say in one place only, and what they never say.

use std::fs;

use local_stand::repository;

/// What runs on AWS: each file's path in the repository, and its text without the tests at its foot.
pub fn production_sources() -> Vec<(String, String)> {
    let mut folders = vec![repository().join("shared/src"), repository().join("functions")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                let path = path.strip_prefix(repository()).expect("in the repository");
                sources.push((path.display().to_string(), text));
            }
        }
    }
    assert!(sources.len() > 50, "{sources:?}");
    sources
}

/// The arguments of the type whose `<` is the last character before `text`.
fn type_arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut depth) = (vec![String::new()], 0);
    for character in text.chars() {
        match character {
            '>' | ')' | ']' if depth == 0 => break,
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().expect("one at least").push(character);
    }
    arguments.into_iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}

#[test]
fn what_dynamodb_is_asked_and_answers_stands_in_one_file() {
    const WORDS: [&str; 7] = [
        "ConditionalCheckFailed",
        "TransactionConflict",
        ".get_item()",
        ".put_item()",
        ".update_item()",
        ".delete_item()",
        ".transact_write_items()",
    ];
    for (path, source) in production_sources() {
        let said = WORDS.iter().filter(|word| source.contains(**word)).collect::<Vec<_>>();
        assert!(said.is_empty() || path == "shared/src/aws/table.rs", "{path} says {said:?}");
    }
}

/// What somebody else wrote is mended in one file, and what is read there can be mended.
#[test]
fn foreign_text_is_mended_in_one_file() {
    const WORDS: [&str; 4] = ["from_utf8_lossy", "serde_json::from_slice", "0xD800", "from_utf8("];
    // What we sealed is not foreign.
    const OTHERS: [(&str, &str); 1] = [("shared/src/token/sealing.rs", "from_utf8(")];
    for (path, source) in production_sources() {
        for word in WORDS.into_iter().filter(|word| source.contains(word)) {
            let is_known = path == "shared/src/foreign_json.rs" || OTHERS.contains(&(path.as_str(), word));
            assert!(is_known, "{path} says {word}");
        }
    }
}

#[test]
fn no_error_is_a_bare_text() {
    for (path, source) in production_sources() {
        assert!(!source.contains("type Err = String;"), "{path}: a parser's error");
        for spelling in ["Result<", "Ok::<", "Err::<"] {
            for result in source.split(spelling).skip(1) {
                let arguments = type_arguments(result);
                let error = arguments.get(1).map(String::as_str);
                assert_ne!(error, Some("String"), "{path}: {spelling}{}>", arguments.join(", "));
            }
        }
    }
}

#[test]
fn no_error_of_a_call_is_dropped() {
    for (path, source) in production_sources() {
        for line in source.lines() {
            let as_a_yes_or_no = ["await.ok()", "await == Ok", "await.is_ok()"].iter().any(|end| line.contains(end));
            let into_nothing = line.contains("let _ =") && line.contains(".await");
            assert!(!as_a_yes_or_no && !into_nothing, "{path}: {line}");
        }
    }
}

/// cargo-lambda ends the process otherwise, and with it the other messages of the batch ("Release Optimizations" in its
/// manual).
#[test]
fn a_panic_ends_no_process() {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).expect("the manifest");
    let (_, release) = manifest.split_once("[profile.release]\n").expect("the release's profile");
    let release = release.split("\n[").next().unwrap_or_default();
    assert!(release.lines().any(|line| line == "panic = \"unwind\""), "{release}");
}

#[test]
fn type_arguments_are_told_apart() {
    assert_eq!(type_arguments("Vec<(String, u8)>, String> {"), ["Vec<(String, u8)>", "String"]);
    assert_eq!(type_arguments("Self> {"), ["Self"]);
}
