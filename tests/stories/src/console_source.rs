//! The operators' page as it is written: its format, and the names that its files have in common. Deno reads them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use local_stand::{aws::emulator::prepare, repository};
use operations::console::SCRIPT_FILES;
use serde_json::Value;

/// What a page has and Deno has not.
const OF_A_PAGE: &str = "const { document, requestAnimationFrame } = globalThis;\n";

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
