//! The codes of problems: the contract says of each what its caller does, and a story calls forth each.

use std::{collections::BTreeSet, fs};

use local_stand::{api::open_api::OpenApi, repository};
use serde_json::{Value, json};
use shared::{lambda::problem_code::ProblemCode, order::fields::FieldCode};

fn schema(name: &str) -> &'static Value {
    OpenApi::ours().at(&format!("/components/schemas/{name}"))
}

#[test]
fn the_contract_says_of_every_code_what_its_caller_does() {
    let codes = schema("ProblemCode");
    assert_eq!(codes["enum"], json!(ProblemCode::ALL.map(ProblemCode::name).to_vec()), "in the order of the enum");
    let table = codes["description"].as_str().expect("a table");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    for (code, row) in ProblemCode::ALL.into_iter().zip(&rows) {
        let [told, status, does] = row[..] else { panic!("{row:?}") };
        assert_eq!((told.trim_matches('`'), status), (code.name(), code.status().as_str()));
        assert!(does.ends_with('.'), "{does}");
    }
    assert_eq!(rows.len(), ProblemCode::ALL.len());
    assert_eq!(schema("FieldCode")["enum"], json!(FieldCode::ALL.map(FieldCode::name)));
}

#[test]
fn a_story_calls_forth_every_problem() {
    let folder = repository().join("tests/stories/src");
    let stories: String = fs::read_dir(folder)
        .expect("stories")
        .map(|file| fs::read_to_string(file.expect("a file").path()).expect("text"))
        .collect();
    // The name ends there: one code's may begin another's.
    let asserted: BTreeSet<&str> = stories
        .split("ProblemCode::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
        .collect();
    let never: Vec<_> =
        ProblemCode::ALL.into_iter().filter(|code| !asserted.contains(format!("{code:?}").as_str())).collect();
    assert_eq!(never, [], "asserted by no story");
}
