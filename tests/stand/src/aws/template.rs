//! `template.yaml` as data: as it is written, and as SAM's transform hands it to CloudFormation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::{aws::emulator::prepare, repository};

/// The template.
#[derive(Debug, Deserialize)]
pub struct Template {
    /// As it is written.
    pub written: Value,
    /// As CloudFormation gets it.
    pub deployed: Value,
    /// The file itself: it alone has an order, and comments.
    #[serde(skip)]
    text: String,
}

/// An entry of a part of the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlineEntry<'a> {
    /// The nearest heading above it in its part, a comment `# === heading ===`; empty where there is none.
    pub heading: &'a str,
    /// Its name, such as a logical id.
    pub name: &'a str,
}

/// A metric that an alarm or the dashboard refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricReference {
    /// Who refers to it.
    pub by: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its dimensions; a value that only the deployment knows stands as it is written.
    pub dimensions: BTreeMap<String, String>,
}

impl Template {
    /// Reads it.
    pub fn read() -> anyhow::Result<Self> {
        let path = repository().join("template.yaml");
        let mut python = prepare()?.python();
        python.arg(repository().join("tests/stand/src/aws/read_template.py")).arg(&path);
        let output = python.output().context("cannot run read_template.py")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { text: fs::read_to_string(path)?, ..serde_json::from_slice(&output.stdout)? })
    }

    /// What a part such as `Resources` has, in the order of the file: names, each with the heading that it stands
    /// under.
    ///
    /// # Panics
    /// When these are not the names that the template has there as data.
    pub fn outline(&self, part: &str) -> Vec<OutlineEntry<'_>> {
        let entries = outline(&self.text, part);
        let mut names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        let mut known: Vec<_> = self.written[part].as_object().into_iter().flatten().map(|(name, _)| name).collect();
        known.sort_unstable();
        assert_eq!(names, known, "{part}: an entry is a line with two spaces, a name and a colon");
        entries
    }

    /// What CloudFormation makes of this type, by logical id, as deployed.
    pub fn deployed(&self, resource_type: &str) -> BTreeMap<&str, &Value> {
        of_type(&self.deployed, resource_type)
    }

    /// What is written of this type, by logical id.
    pub fn written(&self, resource_type: &str) -> BTreeMap<&str, &Value> {
        of_type(&self.written, resource_type)
    }

    /// Every metric that an alarm or the dashboard refers to.
    pub fn metrics(&self) -> Vec<MetricReference> {
        let mut found = Vec::new();
        for (by, alarm) in self.deployed("AWS::CloudWatch::Alarm") {
            let properties = &alarm["Properties"];
            let queries = properties["Metrics"].as_array().into_iter().flatten();
            let metrics = queries.filter_map(|query| query.get("MetricStat")).map(|stat| &stat["Metric"]);
            let own = Some(properties).filter(|properties| properties["MetricName"].is_string());
            for metric in metrics.chain(own) {
                let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
                found.push(MetricReference {
                    by: by.to_owned(),
                    namespace: text(&metric["Namespace"]),
                    name: text(&metric["MetricName"]),
                    dimensions: dimensions.map(|one| (text(&one["Name"]), text(&one["Value"]))).collect(),
                });
            }
        }
        for (by, dashboard) in self.deployed("AWS::CloudWatch::Dashboard") {
            for widget in dashboard_body(dashboard)["widgets"].as_array().into_iter().flatten() {
                found.extend(metrics_of_widget(by, widget));
            }
        }
        found
    }
}

/// The body of a dashboard; what only the deployment knows stands in it as it is written.
///
/// # Panics
/// When it is not JSON.
pub fn dashboard_body(dashboard: &Value) -> Value {
    let body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"].as_str().expect("a body made with Fn::Sub");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("a dashboard's body is no JSON: {error}"))
}

/// Every string in a value.
pub fn strings(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::String(text) => BTreeSet::from([text.as_str()]),
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => BTreeSet::new(),
    }
}

/// A string or a list of strings, as a list.
pub fn as_list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn of_type<'a>(template: &'a Value, resource_type: &str) -> BTreeMap<&'a str, &'a Value> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.filter(|(_, one)| one["Type"] == resource_type).map(|(id, one)| (id.as_str(), one)).collect()
}

fn outline<'a>(text: &'a str, part: &str) -> Vec<OutlineEntry<'a>> {
    let lines = text.lines().skip_while(|line| line.strip_suffix(':') != Some(part)).skip(1);
    let mut heading = "";
    let mut entries = Vec::new();
    for line in lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        let line = line.strip_prefix("  ").unwrap_or_default();
        if let Some(found) = line.strip_prefix("# === ").and_then(|rest| rest.strip_suffix(" ===")) {
            heading = found;
        } else if let Some(name) = line.strip_suffix(':').filter(|name| name.chars().all(char::is_alphanumeric)) {
            entries.push(OutlineEntry { heading, name });
        }
    }
    entries
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// CloudWatch: "Dashboard body structure and syntax". A `.` repeats the field above it, `...` all fields but those that
/// follow.
fn metrics_of_widget(by: &str, widget: &Value) -> Vec<MetricReference> {
    let mut found = Vec::new();
    let mut above: Vec<String> = Vec::new();
    for row in widget["properties"]["metrics"].as_array().into_iter().flatten() {
        if let Some(expression) = row[0]["expression"].as_str() {
            found.extend(search(by, expression));
            continue;
        }
        let mut fields: Vec<String> =
            row.as_array().into_iter().flatten().filter_map(|field| field.as_str().map(str::to_owned)).collect();
        if fields.first().is_some_and(|first| first == "...") {
            let own = fields.split_off(1);
            fields = above[..above.len() - own.len()].to_vec();
            fields.extend(own);
        }
        for (place, field) in fields.iter_mut().enumerate() {
            if field == "." {
                field.clone_from(&above[place]);
            }
        }
        let dimensions = fields[2..].chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        found.push(MetricReference {
            by: by.to_owned(),
            namespace: fields[0].clone(),
            name: fields[1].clone(),
            dimensions,
        });
        above = fields;
    }
    found
}

/// `SEARCH('{namespace,dimension,…} MetricName="Name" dimension="value"', …)`.
fn search(by: &str, expression: &str) -> Option<MetricReference> {
    let (schema, terms) = expression.strip_prefix("SEARCH('{")?.split_once('}')?;
    let mut names = schema.split(',').map(search_name);
    let namespace = names.next()?;
    let value = |name: &str| {
        let (_, rest) = terms.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let dimensions = names.map(|name| (name.to_owned(), value(name).unwrap_or_default())).collect();
    Some(MetricReference { by: by.to_owned(), namespace: namespace.to_owned(), name: value("MetricName")?, dimensions })
}

/// A namespace or a dimension in the braces of a search. CloudWatch's "search expression syntax" wants quotes around
/// one with anything but letters and digits, and shows AWS's own (`AWS/EC2`) without.
///
/// # Panics
/// Where they are missing: the search would find nothing.
fn search_name(written: &str) -> &str {
    let plain = |name: &str| name.strip_prefix("AWS/").unwrap_or(name).chars().all(|c| c.is_ascii_alphanumeric());
    match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(name) => name,
        None if plain(written) => written,
        None => panic!("SEARCH wants quotes around {written}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_stands_under_the_nearest_heading_of_its_part() {
        let text = "Parameters:\n  # === other ===\n  P:\n    Type: String\n\nResources:\n  A:\n    Type: T\n\n  # === one ===\n  \
                    # It is.\n\n  # Of B.\n  B:\n    C:\n      D: e\n  # === two ===\n  E:\n\nOutputs:\n  O:\n";
        let found: Vec<_> = outline(text, "Resources").into_iter().map(|entry| (entry.heading, entry.name)).collect();
        assert_eq!(found, [("", "A"), ("one", "B"), ("two", "E")]);
    }

    #[test]
    fn a_search_names_its_metric_and_what_has_a_hyphen_stands_in_quotes() {
        let found = search("d", "SEARCH('{\"my-app\",stack} MetricName=\"C\" stack=\"s\"', 'Sum', 300)").expect("one");
        assert_eq!((found.namespace.as_str(), found.dimensions["stack"].as_str()), ("my-app", "s"));
        assert_eq!(search_name("AWS/Lambda"), "AWS/Lambda");
        assert!(std::panic::catch_unwind(|| search_name("my-app")).is_err());
    }

    #[test]
    fn the_short_forms_of_a_dashboard_stand_for_what_is_above_them() {
        let widget = json!({ "properties": { "metrics": [
            ["ns", "A", "stack", "s", "reason", "x", { "stat": "p50" }],
            ["...", "y"],
            [".", "B", ".", "."],
            [{ "expression": "SEARCH('{ns,stack,service} MetricName=\"C\" stack=\"s\"', 'Sum', 300)" }],
        ] } });
        let told: Vec<_> = metrics_of_widget("d", &widget)
            .into_iter()
            .map(|metric| format!("{} {} {:?}", metric.namespace, metric.name, metric.dimensions))
            .collect();
        assert_eq!(
            told,
            [
                r#"ns A {"reason": "x", "stack": "s"}"#,
                r#"ns A {"reason": "y", "stack": "s"}"#,
                r#"ns B {"stack": "s"}"#,
                r#"ns C {"service": "", "stack": "s"}"#,
            ]
        );
    }
}
