//! Counts for CloudWatch, as lines on stdout in its embedded metric format (CloudWatch: "Specification: Embedded metric
//! format"). CloudWatch makes the metric of the line; no call is made.

use std::io::Write as _;

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The namespace of every metric of this stack.
pub const NAMESPACE: &str = "line-notifications";

/// `template.yaml` has an alarm on it.
const QUOTA_THRESHOLD: &str = "QuotaThreshold";

/// Counts one. `property` tells more to whoever reads the line; it is no dimension, so its values may be anything.
pub fn count(service: &str, metric: &str, property: (&str, &str)) {
    let line = line(service, metric, property, OffsetDateTime::now_utc());
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

/// The highest threshold of the month's quota that was reached, in per cent; 0 below all of them.
pub fn quota_threshold(reached: u64) {
    let mut line = line("quota-warning", QUOTA_THRESHOLD, ("unit", "percent"), OffsetDateTime::now_utc());
    line[QUOTA_THRESHOLD] = json!(reached);
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

fn line(service: &str, metric: &str, (name, value): (&str, &str), now: OffsetDateTime) -> Value {
    // Cut by characters: the value may come from outside.
    let value: String = value.chars().take(64).collect();
    json!({
        "_aws": {
            "Timestamp": i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["service"]],
                "Metrics": [{ "Name": metric, "Unit": "Count" }],
            }],
        },
        "timestamp": now.format(&Rfc3339).unwrap_or_default(),
        "level": "INFO",
        "message": "metric",
        "service": service,
        metric: 1,
        name: value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_its_metric_where_cloudwatch_looks_for_it() {
        let line = line("inbox", "UnknownEvent", ("event_type", &"x".repeat(99)), OffsetDateTime::UNIX_EPOCH);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        let name = directive["Metrics"][0]["Name"].as_str().unwrap();
        assert_eq!((name, &line[name], &line["_aws"]["Timestamp"]), ("UnknownEvent", &json!(1), &json!(0)));
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string());
        }
        assert_eq!(line["event_type"].as_str().unwrap().len(), 64);
    }
}
