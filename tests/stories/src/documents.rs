//! What the pages say is there: every link, heading, file, parameter, output and call that they name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use local_stand::{api::open_api::OpenApi, repository};

use crate::template::template;

/// Parameters that no table explains: the page about deployments says that they are for tests.
const FOR_TESTS: [&str; 4] = ["AwsEndpointUrl", "LineApiBase", "LineAuthorizeBase", "LineDataApiBase"];

/// A file of the repository.
pub struct File {
    /// From the repository's root on, with slashes.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl File {
    fn directory(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(directory, _)| directory)
    }

    /// The lines, numbered from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// A page's lines without what is between fences: code of another language.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut fenced = false;
        let outside = |(_, line): &(usize, &str)| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        };
        self.lines().filter(outside).collect()
    }

    /// What a link may name after its `#`, as GitHub makes it of headings.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose().into_iter().filter_map(|(_, line)| line.strip_prefix('#'));
        let mut anchors = BTreeSet::new();
        for heading in headings.map(|heading| heading.trim_start_matches('#').trim()) {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            let anchor: String = kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
            assert!(anchors.insert(anchor.clone()), "{}: two headings are #{anchor}", self.path);
        }
        anchors
    }
}

/// Every file that is committed or may be, as far as it is text.
pub fn files() -> Vec<File> {
    let mut git = Command::new("git");
    // A checkout that belongs to somebody else, as in a container, is read all the same.
    git.args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.current_dir(repository()).output().expect("git lists the files: the repository is a clone");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).expect("names are UTF-8");
    let read =
        |path: &str| Some(File { path: path.to_owned(), text: fs::read_to_string(repository().join(path)).ok()? });
    let files: Vec<_> = paths.split_terminator('\0').filter_map(read).collect();
    assert!(files.len() > 100, "{} files", files.len());
    files
}

fn pages() -> Vec<File> {
    let pages: Vec<_> = files().into_iter().filter(|file| file.path.ends_with(".md")).collect();
    assert!(pages.len() > 5, "{} pages", pages.len());
    pages
}

/// A path from a directory on, without `.` and `..`.
fn resolved(directory: &str, path: &str) -> String {
    let mut parts = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().unwrap_or_else(|| panic!("{path} leads out of the repository"))),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn is_there(path: &str, files: &[File]) -> bool {
    let below = format!("{}/", path.trim_end_matches('/'));
    files.iter().any(|file| file.path == path || file.path.starts_with(&below))
}

/// What stands between these two, wherever they do.
fn between<'a>(text: &'a str, before: &str, after: char) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(inside, _)| inside).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (files, pages) = (files(), pages());
    let mut links = 0;
    for page in &pages {
        let prose: Vec<_> = page.prose().into_iter().map(|(_, line)| line).collect();
        for link in between(&prose.join("\n"), "](", ')') {
            links += 1;
            if link.starts_with("https://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let path = if path.is_empty() { page.path.clone() } else { resolved(page.directory(), path) };
            assert!(is_there(&path, &files), "{}: no file is {link}", page.path);
            if let Some(anchor) = anchor {
                let target = pages.iter().find(|other| other.path == path);
                let anchors = target.unwrap_or_else(|| panic!("{}: {path} has no headings", page.path)).anchors();
                assert!(anchors.contains(anchor), "{}: no heading is {link}, only {anchors:?}", page.path);
            }
        }
    }
    assert!(links > 20, "{links} links");
}

#[test]
fn every_file_that_is_named_is_there() {
    let files = files();
    let roots = ["shared/", "functions/", "tests/", "events/", ".github/", ".ci/"];
    let of_a_path = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let mut named = 0;
    for file in files.iter().filter(|file| !file.path.ends_with(".lock")) {
        for (number, line) in file.lines() {
            let words = line.split(|c| !of_a_path(c)).map(|word| word.trim_end_matches('.'));
            let is_a_file = |word: &&str| word.rsplit('/').next().is_some_and(|name| name.contains('.'));
            for path in words.filter(|word| roots.iter().any(|root| word.starts_with(root))).filter(is_a_file) {
                named += 1;
                assert!(is_there(path, &files), "{}:{number}: no file is {path}", file.path);
            }
        }
    }
    assert!(named > 50, "{named} files are named");
}

/// The parameters in the tables whose first column is called so, each with its default.
fn parameters_of(page: &File) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut in_a_table = false;
    for line in page.text.lines() {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        in_a_table = line.starts_with('|') && (in_a_table || cells[0] == "parameter");
        if in_a_table && cells[0].starts_with('`') {
            let names = cells[0].split(", ").map(|name| name.trim_matches('`').to_owned());
            let defaults = cells[1].split(", ").map(|default| default.trim_matches('`').to_owned());
            let (names, defaults): (Vec<_>, Vec<_>) = (names.collect(), defaults.collect());
            let shared = defaults.len() == 1 && defaults[0] == "*required*";
            assert!(shared || names.len() == defaults.len(), "{}: {line}", page.path);
            rows.extend(names.into_iter().zip(defaults.into_iter().cycle()));
        }
    }
    rows
}

#[test]
fn every_parameter_is_explained_once_with_its_default() {
    let written = template().written["Parameters"].as_object().expect("parameters");
    let mut explained: BTreeMap<String, String> = BTreeMap::new();
    for page in pages() {
        for (name, default) in parameters_of(&page) {
            let parameter = written.get(&name).unwrap_or_else(|| panic!("{}: no parameter is {name}", page.path));
            let actual = match &parameter["Default"] {
                serde_json::Value::Null => "*required*".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(default, actual, "{}: the default of {name}", page.path);
            let before = explained.insert(name, page.path.clone());
            assert!(before.is_none(), "{} and {before:?} explain the same parameter", page.path);
        }
    }
    let deployments = pages().into_iter().find(|page| page.path == "DEPLOY.md").expect("DEPLOY.md");
    for name in written.keys() {
        let for_tests = FOR_TESTS.contains(&name.as_str()) && deployments.text.contains(&format!("`{name}`"));
        assert_ne!(for_tests, explained.contains_key(name), "{name}: in no table of parameters, and not for tests");
    }
}

#[test]
fn every_output_that_is_named_is_there() {
    let outputs = template().written["Outputs"].as_object().expect("outputs");
    let mut named = BTreeSet::new();
    for page in pages() {
        let words = between(&page.text, "{", '}').into_iter();
        let in_camel_case = |word: &&str| {
            word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(|c| c.is_ascii_alphanumeric())
        };
        for name in words.filter(in_camel_case).filter(|word| word.chars().any(|c| c.is_ascii_lowercase())) {
            assert!(outputs.contains_key(name), "{}: no output is {name}", page.path);
            named.insert(name.to_owned());
        }
    }
    assert!(named.len() > 8, "{named:?}");
}

/// Whether a call, as somebody writes it, is one of this documented path, whose parts in braces are anything.
fn is_call_of(path: &str, documented: &str) -> bool {
    let (parts, known): (Vec<_>, Vec<_>) = (path.split('/').collect(), documented.split('/').collect());
    parts.len() == known.len() && parts.iter().zip(known).all(|(part, known)| *part == known || known.starts_with('{'))
}

/// The path that a text begins with; what is in braces may have spaces.
fn path_at(text: &str) -> String {
    let mut in_braces = false;
    let end = text.find(|c: char| {
        in_braces = c == '{' || in_braces && c != '}';
        !in_braces && (c.is_whitespace() || "?`',…".contains(c))
    });
    text[..end.unwrap_or(text.len())].to_owned()
}

#[test]
fn every_call_that_is_named_is_documented() {
    let operations = OpenApi::ours().operations();
    let documented: Vec<_> = operations.iter().filter_map(|operation| operation.split_once(' ')).collect();
    let methods: BTreeSet<_> = documented.iter().map(|(method, _)| *method).collect();
    let mut named = 0;
    for page in pages() {
        for method in &methods {
            for rest in page.text.split(&format!("{method} /")).skip(1) {
                named += 1;
                let path = format!("/{}", path_at(rest));
                // An ellipsis stands for what is left out.
                let cut = rest[path.len() - 1..].starts_with('…');
                let is_it = |known: &str| is_call_of(&path, known) || cut && known.starts_with(&path);
                let known = documented.iter().any(|(known, path)| known == method && is_it(path));
                assert!(known, "{}: no call is {method} {path}", page.path);
            }
        }
        for rest in page.text.split("{ApiUrl}/").skip(1) {
            named += 1;
            let path = format!("/{}", path_at(rest));
            let known = documented.iter().any(|(_, known)| is_call_of(&path, known));
            assert!(known, "{}: no call is {path}", page.path);
        }
    }
    assert!(named > 20, "{named} calls are named");
}
