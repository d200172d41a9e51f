//! The operators' page as it is written: its format, the names that its files have in common, its words, and what it
//! knows of the API. Deno reads it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use local_stand::{api::open_api::OpenApi, aws::emulator::prepare, repository};
use operations::console::SCRIPT_FILES;
use serde_json::Value;

const GLOSSARY: &str = include_str!("../../../shared/GLOSSARY.md");
const HTML: &str = include_str!("../../../functions/operations/console/console.html");

/// What a page has and Deno has not.
const OF_A_PAGE: &str = "const { document, history, requestAnimationFrame } = globalThis;\n";

/// Beside Deno's recommended rules.
const RULES: &str = "--rules-include=no-undef,eqeqeq,guard-for-in,no-eval,no-self-compare,no-throw-literal";

fn deno(command: &str) -> Command {
    let mut deno = prepare().expect("Deno").python();
    deno.args(["-m", "deno", command]).stdin(Stdio::null()).env("NO_COLOR", "1");
    deno.env("DENO_DIR", scratch("deno")).env("DENO_NO_UPDATE_CHECK", "1");
    deno.current_dir(repository().join("functions/operations/console"));
    deno
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// What the script's first files say; nothing in them needs a page.
fn known() -> Value {
    let last = SCRIPT_FILES.iter().position(|(file, _)| *file == "names.js").expect("the API's names");
    let data: String = SCRIPT_FILES[..=last].iter().map(|(_, text)| *text).collect();
    let tell = "const STATES = Object.keys(MARKS);\n\
                const FORMS = { OrderId: ID.source, MemberId: ID.source, LineUserId: USER.source };\n\
                console.log(JSON.stringify({ WORDS, STATES, REASONS, COUNTS, QUEUES, LETTERS, FORMS }));\n";
    let script = scratch("console-names.js");
    fs::write(&script, data + tell).expect("written");
    let output = deno("run").args(["--no-config", "--quiet"]).arg(script).output().expect("it runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// The words by language and name.
fn words() -> BTreeMap<String, BTreeMap<String, String>> {
    serde_json::from_value(known()["WORDS"].take()).expect("texts")
}

/// The script without its words.
fn code() -> impl Iterator<Item = &'static str> {
    SCRIPT_FILES.iter().filter(|(file, _)| !file.starts_with("words/")).map(|(_, text)| *text)
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")).collect()
}

/// Each text that stands between these two.
fn between<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
    text.split(before).skip(1).filter_map(|rest| Some(rest.split_once(after)?.0)).collect()
}

/// Each text in double quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('"').skip(1).step_by(2))
}

/// The script up to each of its files, the last one whole.
fn joined() -> Vec<String> {
    let mut script = OF_A_PAGE.to_owned();
    let up_to = SCRIPT_FILES.iter().map(|(_, text)| {
        script += text;
        script.clone()
    });
    up_to.collect()
}

/// What Deno says to these scripts, and where in the console's files.
fn lint(name: &str, scripts: &[String], rules: &[&str]) -> BTreeSet<String> {
    let folder = scratch(name);
    fs::create_dir_all(&folder).expect("a folder");
    let paths = scripts.iter().enumerate().map(|(number, script)| {
        let path = folder.join(format!("{number}.js"));
        fs::write(&path, script).expect("written");
        path
    });
    let output = deno("lint").args(["--no-config", "--json"]).args(rules).args(paths).output().expect("it runs");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let list = |name: &str| said[name].as_array().expect("a list").clone();
    let problems = list("diagnostics").into_iter().map(|problem| {
        let line = problem["range"]["start"]["line"].as_u64().expect("a line");
        format!("{}: {} ({})", place(line.try_into().expect("a line")), problem["message"], problem["code"])
    });
    let problems: BTreeSet<_> = problems.chain(list("errors").iter().map(Value::to_string)).collect();
    assert_eq!(output.status.success(), problems.is_empty(), "{output:?}");
    problems
}

/// Where a line of a joined script stands.
fn place(line: usize) -> String {
    let mut before = OF_A_PAGE.lines().count();
    for (file, text) in SCRIPT_FILES {
        let lines = text.lines().count();
        if line <= before + lines {
            return format!("{file}:{}", line - before);
        }
        before += lines;
    }
    panic!("the script has no line {line}")
}

#[test]
fn the_formatter_has_nothing_to_change() {
    let output = deno("fmt").arg("--check").output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}\n{:?} mends it", String::from_utf8_lossy(&said), deno("fmt"));
}

#[test]
fn the_linter_finds_nothing_in_the_joined_script() {
    let script = joined().pop().expect("a script");
    assert_eq!(lint("console-lint", &[script], &[RULES]), BTreeSet::new());
}

#[test]
fn each_file_uses_only_names_of_its_own_and_of_the_files_before_it() {
    let used_too_early = lint("console-order", &joined(), &["--rules-tags=", "--rules-include=no-undef"]);
    assert_eq!(used_too_early, BTreeSet::new());
}

#[test]
fn all_languages_of_the_console_have_the_same_words() {
    let words = words();
    assert!(words.len() > 1);
    let english = &words["en"];
    let names = |words: &BTreeMap<String, String>| words.keys().cloned().collect::<BTreeSet<_>>();
    for (language, texts) in &words {
        assert_eq!(&names(texts) ^ &names(english), BTreeSet::new(), "in one of {language} and en");
        for (name, text) in texts {
            assert!(!text.is_empty(), "{name}, {language}");
            // A sentence may be shorter in one of them, but says nothing that it is not given.
            assert_eq!(between(text, "{", "}"), between(&english[name], "{", "}"), "{name}, {language}");
        }
    }
}

/// The parts of each concept of `shared/GLOSSARY.md`, by language; without what stands in brackets.
fn glossary() -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let mut rows = GLOSSARY.lines().filter(|line| line.starts_with("| ")).map(cells);
    let languages = rows.next().expect("a head");
    let parts = |cell: &str| {
        let plain = cell.split(['(', '（']).map(|text| text.rsplit([')', '）']).next().unwrap_or_default());
        plain.collect::<String>().split(['/', ';', ',']).map(|part| part.trim().to_lowercase()).collect()
    };
    let concepts = rows.filter(|row| row.len() == languages.len() && !row[0].starts_with("---"));
    let mut glossary = BTreeMap::new();
    for row in concepts {
        let by_language = languages.iter().zip(&row).map(|(tag, cell)| ((*tag).to_owned(), parts(cell)));
        glossary.insert(row[0].to_owned(), by_language.collect());
    }
    glossary
}

#[test]
fn the_console_keeps_to_the_glossary() {
    const STATES: &str = "failed / retrying / expired";
    const LETTERS: &str = "dead letter; redrive; discard";
    let glossary = glossary();
    let is_japanese = |c: char| ('\u{3040}'..='\u{30FF}').contains(&c) || ('\u{4E00}'..='\u{9FFF}').contains(&c);
    for (language, words) in words() {
        for (name, concept, part) in [
            ("state.sent", "accepted by LINE", 0),
            ("count.sent", "accepted by LINE", 0),
            ("state.suppressed", "suppressed", 0),
            ("count.suppressed", "suppressed", 0),
            ("state.failed", STATES, 0),
            ("state.retrying", STATES, 1),
            ("state.expired", STATES, 2),
            ("dead.title", LETTERS, 0),
            ("redrive.do", LETTERS, 1),
            ("discard.do", LETTERS, 2),
            ("user.id", "customer (person) / LINE user (account)", 1),
            ("type.unfollow", "block / unblock", 0),
            ("sobot.title", "bulk message (Sobot) / LINE broadcast", 0),
        ] {
            let term = &glossary[concept][&language][part];
            assert!(words[name].to_lowercase().contains(term.as_str()), "{language}, {name}: {term}");
        }
        for (name, text) in &words {
            assert!(!text.contains("GMT") && !text.contains("友達"), "{language}, {name}: {text}");
            // Before a value a space may stand: `注文 {id}`.
            let letters: Vec<char> = text.chars().collect();
            let gap = |three: &[char]| {
                let [one, ' ', other] = three else { return false };
                let is_foreign = |c: &char| c.is_ascii_alphanumeric();
                is_japanese(*one) && is_foreign(other) || (is_foreign(one) || *one == '}') && is_japanese(*other)
            };
            assert!(language != "ja" || !letters.windows(3).any(gap), "{name}: {text}");
        }
    }
}

#[test]
fn every_name_of_words_has_some_and_no_words_are_there_for_nothing() {
    let words = words();
    let known: BTreeSet<&str> = words["en"].keys().map(String::as_str).collect();
    let in_page = &between(HTML, "data-t=\"", "\"") | &between(HTML, "data-t-label=\"", "\"");
    let quoted: BTreeSet<&str> = code().flat_map(quoted).collect();
    let called = code().flat_map(|text| {
        let calls = text.match_indices("t(\"").filter(|(at, _)| !text[..*at].ends_with(char::is_alphanumeric));
        calls.filter_map(|(at, call)| Some(text[at + call.len()..].split_once('"')?.0))
    });
    // What has a dot is no other text but a name.
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-".contains(&byte));
    let dotted = quoted.iter().copied().filter(|text| text.contains('.') && text.split('.').all(part));
    let asked_for: BTreeSet<&str> = in_page.iter().copied().chain(called).chain(dotted).collect();
    assert_eq!(asked_for.difference(&known).collect::<Vec<_>>(), [] as [&&str; 0], "without words");

    // Such as `count.${name}`, or named("state", one.delivery).
    let built = code().flat_map(|text| between(text, "`", ".${").into_iter().chain(between(text, "named(\"", "\"")));
    let built: Vec<String> = built.map(|group| format!("{group}.")).collect();
    let is_used = |name: &str| {
        in_page.contains(name) || quoted.contains(name) || built.iter().any(|group| name.starts_with(group))
    };
    assert_eq!(known.into_iter().filter(|name| !is_used(name)).collect::<Vec<_>>(), [] as [&str; 0], "for nothing");
}

#[test]
fn every_element_that_the_script_asks_for_is_in_the_page_or_made() {
    let asked_for = ["$(\"", "part(\"", "pagedPart(\"", "onSubmit(\"", "drawChoice(\""];
    let asked_for = code().flat_map(|text| asked_for.map(|call| between(text, call, "\""))).flatten();
    let there: BTreeSet<&str> = between(HTML, " id=\"", "\"")
        .into_iter()
        .chain(code().flat_map(|text| between(text, " id: \"", "\"")))
        .collect();
    assert_eq!(asked_for.filter(|id| !there.contains(id)).collect::<Vec<_>>(), [] as [&str; 0]);
}

#[test]
fn the_console_knows_every_name_of_the_document_and_no_other() {
    let known = known();
    let document = OpenApi::ours();
    let schema = |name: &str| document.at(&format!("/components/schemas/{name}"));
    let [states, reasons, queues, kinds, statuses, problems, wrong] =
        ["State", "DeliveryReason", "Queue", "AuditKind", "Switch/properties/status", "ProblemCode", "FieldCode"]
            .map(|name| names(&schema(name)["enum"]));
    let unlinked = "/paths/~1links~1{memberId}/delete/responses/200/content/application~1json/schema/properties";
    let grants = names(&document.at(unlinked)["grant"]["enum"]);
    let parameters = document.at("/paths/~1sobot~1records/get/parameters").as_array().expect("parameters");
    let outcome = parameters.iter().find(|parameter| parameter["name"] == "status").expect("the outcome");
    let outcomes = names(&outcome["schema"]["enum"]);
    let letters = names(&schema("DeadLetter")["properties"]["letter"]["enum"]);

    let reports = "/paths/~1reports/get/responses/200/content/application~1json/schema/properties";
    let suppressed = names(&document.at(reports)["suppressed"]["items"]["properties"]["why"]["enum"]);
    let rules = names(&schema("FieldRule")["properties"]["name"]["enum"]);
    let media_errors = names(&schema("Event")["properties"]["mediaError"]["enum"]);

    let lists = [("STATES", &states), ("REASONS", &reasons), ("QUEUES", &queues), ("LETTERS", &letters)];
    for (list, documented) in lists {
        assert_eq!(&names(&known[list]), documented, "{list}");
    }
    for (id, form) in known["FORMS"].as_object().expect("forms") {
        assert_eq!(*form, schema(id)["pattern"], "{id}");
    }

    // These have a reason, and its advice.
    let explained = BTreeSet::from(["suppressed", "failed", "expired"]);
    // A record of a former version may have no reason; it is counted under this.
    let counted = &reasons | &BTreeSet::from(["unknown"]);
    for (language, words) in words() {
        for (group, documented) in [
            ("state", &states),
            ("reason", &counted),
            ("advice", &(&reasons | &(&states - &explained))),
            ("queue", &queues),
            ("kind", &kinds),
            ("status", &statuses),
            ("grant", &grants),
            ("letter", &letters),
            ("media", &media_errors),
            ("suppressed", &suppressed),
            ("problem", &problems),
            ("wrong", &wrong),
            ("must", &rules),
        ] {
            let prefix = format!("{group}.");
            let told: BTreeSet<&str> = words.keys().filter_map(|name| name.strip_prefix(&prefix)).collect();
            assert_eq!(&told, documented, "{group}, {language}");
        }
    }

    let languages = known["WORDS"].as_object().expect("languages").keys().map(String::as_str).collect();
    // What the list can be of: what a day counts, and all that did not go out.
    let counts: BTreeSet<&str> = known["COUNTS"].as_object().expect("counts").keys().map(String::as_str).collect();
    for (list, documented) in
        [("kind", &kinds), ("count", &counts), ("records-status", &outcomes), ("language", &languages)]
    {
        let (_, rest) = HTML.split_once(&format!("<select id=\"{list}\">")).expect(list);
        let (options, _) = rest.split_once("</select>").expect(list);
        let mut offered = between(options, "value=\"", "\"");
        offered.remove(""); // all of them
        assert_eq!(&offered, documented, "{list}");
    }
}
