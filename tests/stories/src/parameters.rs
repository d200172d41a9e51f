//! What CloudFormation lets through, a function can read: else a stack deploys, and one of its functions never starts.

use jiff::tz::TimeZone;
use line_login::return_url::ReturnUrls;
use link_callback::CallbackUrl;
use proptest::{
    prelude::{Strategy as _, any},
    sample::Index,
    string::string_regex,
    test_runner::{Config, TestCaseError, TestRunner},
};
use regex::Regex;
use shared::{
    language::Language,
    order::{DetailUrl, detail_hosts::DetailHosts},
    report::{
        mail::{Recipients, address},
        quota_warning::Thresholds,
    },
};

use crate::template::template;

/// What a function does with a parameter's text.
type Read = fn(&str) -> Result<(), String>;

/// The parameters that a function parses as it starts.
const PARSED: [(&str, Read); 9] = [
    ("ReportRecipients", |text| text.parse::<Recipients>().map(drop).map_err(|error| error.to_string())),
    ("ReportSender", |text| address(text).map(drop).map_err(|error| error.to_string())),
    ("WarningThresholds", |text| text.parse::<Thresholds>().map(drop).map_err(str::to_owned)),
    ("LoginReturnUrls", |text| text.parse::<ReturnUrls>().map(drop).map_err(|error| error.to_string())),
    // What is no host would let nobody through: no order with an address would be taken.
    ("DetailUrlHosts", |text| {
        let hosts = DetailHosts::of(text);
        let mut entries = text.split(',').map(str::trim).filter(|_| !text.is_empty());
        entries.try_for_each(|host| {
            let address = DetailUrl::parse(&format!("https://{host}/")).map_err(|error| error.to_string())?;
            hosts.allow(&address).map_err(|error| error.to_string())
        })
    }),
    ("ReportTimeZone", |text| TimeZone::get(text).map(drop).map_err(|error| error.to_string())),
    ("ReportLanguage", |text| text.parse::<Language>().map(drop).map_err(|error| error.to_string())),
    ("DefaultLanguage", |text| text.parse::<Language>().map(drop).map_err(|error| error.to_string())),
    // Without one there is no function.
    ("LinkCallbackUrl", |text| match text {
        "" => Ok(()),
        _ => text.parse::<CallbackUrl>().map(drop).map_err(|error| error.to_string()),
    }),
];

/// What a parameter may be: its pattern, or its values.
fn pattern(parameter: &str) -> String {
    let rules = &template().written["Parameters"][parameter];
    let values = || {
        let values = rules["AllowedValues"].as_array().unwrap_or_else(|| panic!("{parameter} has no rule"));
        values.iter().map(|value| regex::escape(value.as_str().expect("a text"))).collect::<Vec<_>>().join("|")
    };
    rules["AllowedPattern"].as_str().map_or_else(values, str::to_owned)
}

#[test]
fn what_a_pattern_accepts_is_read_and_what_is_not_read_no_pattern_accepts() {
    for (parameter, read) in PARSED {
        let pattern = pattern(parameter);
        // CloudFormation wants the whole text to match.
        let accepts = Regex::new(&format!("^(?:{pattern})$")).expect("a pattern");
        let texts = string_regex(&pattern).expect("a pattern");
        // The same with one character changed, or put in, is nearly right, and mostly wrong.
        let changes = (any::<Index>(), any::<bool>(), "[ -~\u{e9}\u{4e2d}]?");
        let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
        let result = runner.run(&(texts, changes.prop_map(Some)), |(text, change)| {
            read(&text).map_err(|error| TestCaseError::fail(format!("{text:?} is accepted, and {error}")))?;
            let Some((place, replaces, with)) = change else { return Ok(()) };
            let mut characters: Vec<char> = text.chars().collect();
            let at = place.index(characters.len() + 1);
            let until = if replaces { (at + 1).min(characters.len()) } else { at };
            characters.splice(at..until, with.chars());
            let changed: String = characters.into_iter().collect();
            match read(&changed) {
                Err(error) if accepts.is_match(&changed) => {
                    Err(TestCaseError::fail(format!("{changed:?} is accepted, and {error}")))
                }
                _ => Ok(()),
            }
        });
        result.unwrap_or_else(|error| panic!("{parameter}: {error}"));
    }
}

#[test]
fn a_wrong_parameter_is_refused_before_anything_is_deployed() {
    for (parameter, wrong) in [
        ("ReportRecipients", ""),
        ("ReportRecipients", "a@example.com;b@example.com"),
        ("ReportSender", "Reports <report@example.com>"),
        ("WarningThresholds", "70,90,100,"),
        ("WarningThresholds", "0"),
        ("WarningThresholds", "101"),
        ("LoginReturnUrls", "http://app.example/"),
        ("LoginReturnUrls", "https://app.example/?tab=1"),
        ("DetailUrlHosts", "https://app.example"),
        ("DetailUrlHosts", "app.example/path"),
        ("DetailUrlHosts", "app.example:443"),
        ("DetailUrlHosts", "app.example,"),
        ("DetailUrlHosts", "10.0.0.1"),
        ("ReportTimeZone", "Asia/Atlantis"),
        ("ReportTimeZone", "UTC+9"),
        ("ReportTimeZone", ""),
        ("LinkCallbackUrl", "http://app.example/links"),
        ("LinkCallbackUrl", "http://127.0.0.1:9001/links"),
        ("LinkCallbackUrl", "https://10.0.0.1/links"),
        ("LinkCallbackUrl", "https://localhost/links"),
        ("LinkCallbackUrl", "https://user@app.example/links"),
        ("LinkCallbackUrl", "https://app.example/links?key=1"),
    ] {
        let accepts = Regex::new(&format!("^(?:{})$", pattern(parameter))).expect("a pattern");
        assert!(!accepts.is_match(wrong), "{parameter}: {wrong:?}");
    }
}
