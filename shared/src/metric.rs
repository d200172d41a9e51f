//! Measurements for CloudWatch, as lines on stdout in its embedded metric format (CloudWatch: "Specification: Embedded
//! metric format"). CloudWatch makes the metric of the line; no call is made.
//!
//! Every metric has the dimension `stack`, so that two stacks in one account and region never mix, and at most one
//! more: each set of values is a metric of its own and costs money. Whatever else a line tells is a property, which
//! costs nothing. `template.yaml` has alarms and a dashboard on these names; a story holds the two against each other.

use std::{io::Write as _, sync::OnceLock, time::Duration};

use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The namespace of every metric of this stack.
pub const NAMESPACE: &str = "line-notifications";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// LINE accepted an order's message.
    Sent,
    /// An attempt did not settle a delivery: its message stays in the retry queue, or went to the dead-letter queue.
    Retried,
    /// An order's message was not pushed, on purpose.
    Suppressed,
    /// An order's message will never be pushed by itself.
    Failed,
    /// How long LINE took for a push, or until nobody waited any longer.
    PushLatency,
    /// What is left of the month's messages; may be below zero.
    QuotaLeft,
    /// The highest share of the month's quota in `WarningThresholds` that was reached, in per cent; 0 below all of
    /// them.
    QuotaThreshold,
    /// An issuer gave a new access token.
    TokenRenewed,
    /// A new access token is due, and the issuer refuses it, or gives none while as many as it allows may be valid.
    TokenNotRenewed,
    /// A function's process started.
    ColdStart,
    /// The mail of a day went out.
    ReportSent,
    /// Whether the mail of the day was missing when it was looked for: 1, or 0.
    ReportMissing,
    /// A webhook told of an event that has no meaning here.
    UnknownEvent,
    /// A webhook brought an event that is for another account.
    OtherAccountEvent,
    /// LINE suspended the account or cut it off, or refuses it what a bot lives by.
    AccountSuspended,
    /// Whether a webhook's events were taken: 1, or 0. Told of what LINE or Sobot may have
    /// sent, not of strangers' tries.
    WebhookTaken,
    /// Whether it was refused: 1, or 0.
    WebhookRefused,
    /// The attempts of a delivery's round are used up: it waits for an operator.
    RetriesExhausted,
    /// Deliveries that attempts will follow for.
    OpenDeliveries,
    /// How long the oldest of them has waited.
    OpenDeliveriesAge,
    /// Deliveries that wait for an operator.
    ExhaustedDeliveries,
    /// How long the oldest of them has waited.
    ExhaustedDeliveriesAge,
    /// Deliveries that are given up within a day.
    EndingDeliveries,
    /// A recovery stands still because it met its cause again: 1 in each minute.
    RecoveryPaused,
    /// LINE told a login whether the user is a friend, and where it said "no" the profile endpoint was asked, too.
    FriendshipTold,
    /// Whether the profile endpoint contradicted that "no": 1, or 0.
    FriendshipContradicted,
    /// LINE sent a customer back to a browser without the cookie of the login that began.
    LoginCookieMissing,
    /// A caller's key, or a signature, was refused.
    AuthenticationFailures,
    /// It was one that was withdrawn with the latest change of its secret.
    FormerCredentialUsed,
    /// A secret cannot be read, says nothing usable, or has a part that is not.
    SecretUnusable,
    /// The app refused a callback about a link, or the change could not be read: it is not sent again.
    LinkCallbackGivenUp,
}

const PER_STACK: &[&str] = &["stack"];

impl Metric {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::Sent,
        Self::Retried,
        Self::Suppressed,
        Self::Failed,
        Self::PushLatency,
        Self::QuotaLeft,
        Self::QuotaThreshold,
        Self::TokenRenewed,
        Self::TokenNotRenewed,
        Self::ColdStart,
        Self::ReportSent,
        Self::ReportMissing,
        Self::UnknownEvent,
        Self::OtherAccountEvent,
        Self::AccountSuspended,
        Self::WebhookTaken,
        Self::WebhookRefused,
        Self::RetriesExhausted,
        Self::OpenDeliveries,
        Self::OpenDeliveriesAge,
        Self::ExhaustedDeliveries,
        Self::ExhaustedDeliveriesAge,
        Self::EndingDeliveries,
        Self::RecoveryPaused,
        Self::FriendshipTold,
        Self::FriendshipContradicted,
        Self::LoginCookieMissing,
        Self::AuthenticationFailures,
        Self::FormerCredentialUsed,
        Self::SecretUnusable,
        Self::LinkCallbackGivenUp,
    ];

    /// Its name in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "Sent",
            Self::Retried => "Retried",
            Self::Suppressed => "Suppressed",
            Self::Failed => "Failed",
            Self::PushLatency => "PushLatency",
            Self::QuotaLeft => "QuotaLeft",
            Self::QuotaThreshold => "QuotaThreshold",
            Self::TokenRenewed => "TokenRenewed",
            Self::TokenNotRenewed => "TokenNotRenewed",
            Self::ColdStart => "ColdStart",
            Self::ReportSent => "ReportSent",
            Self::ReportMissing => "ReportMissing",
            Self::UnknownEvent => "UnknownEvent",
            Self::OtherAccountEvent => "OtherAccountEvent",
            Self::AccountSuspended => "AccountSuspended",
            Self::WebhookTaken => "WebhookTaken",
            Self::WebhookRefused => "WebhookRefused",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::OpenDeliveries => "OpenDeliveries",
            Self::OpenDeliveriesAge => "OpenDeliveriesAge",
            Self::ExhaustedDeliveries => "ExhaustedDeliveries",
            Self::ExhaustedDeliveriesAge => "ExhaustedDeliveriesAge",
            Self::EndingDeliveries => "EndingDeliveries",
            Self::RecoveryPaused => "RecoveryPaused",
            Self::FriendshipTold => "FriendshipTold",
            Self::FriendshipContradicted => "FriendshipContradicted",
            Self::LoginCookieMissing => "LoginCookieMissing",
            Self::AuthenticationFailures => "AuthenticationFailures",
            Self::FormerCredentialUsed => "FormerCredentialUsed",
            Self::SecretUnusable => "SecretUnusable",
            Self::LinkCallbackGivenUp => "LinkCallbackGivenUp",
        }
    }

    /// The sets of dimensions that it is measured by.
    pub fn dimensions(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Failed => &[PER_STACK, &["stack", "reason"]],
            Self::AuthenticationFailures => &[PER_STACK, &["stack", "route"]],
            Self::TokenRenewed => &[&["stack", "issuer"]],
            Self::ColdStart => &[&["stack", "service"]],
            Self::WebhookTaken | Self::WebhookRefused => &[&["stack", "via"]],
            _ => &[PER_STACK],
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::PushLatency => "Milliseconds",
            Self::OpenDeliveriesAge | Self::ExhaustedDeliveriesAge => "Seconds",
            Self::QuotaThreshold => "Percent",
            _ => "Count",
        }
    }
}

/// A function's process started: notes whose measurements follow, and counts it.
pub fn start(service: &'static str) {
    if SERVICE.set(service).is_ok() {
        put(&[(Metric::ColdStart, json!(1))], &[]);
    }
}

/// LINE accepted a message.
pub fn sent() {
    put(&[(Metric::Sent, json!(1))], &[]);
}

/// An attempt did not settle a delivery.
pub fn retried(reason: Option<&str>) {
    put(&[(Metric::Retried, json!(1))], &[("reason", reason.unwrap_or("not_taken"))]);
}

/// A delivery waits for an operator now.
pub fn retries_exhausted() {
    put(&[(Metric::RetriesExhausted, json!(1))], &[]);
}

/// The deliveries that are not settled: those that attempts follow for, and those that wait for an operator, each as
/// how many there are and how many seconds the oldest has waited; and how many are given up within a day.
///
/// The first is told in any case, by which it is known that somebody looked. A metric costs for each hour in which it
/// is told: the others are left out while there is nothing, which their alarms take for nothing.
pub fn not_settled((open, open_age): (u64, u64), (exhausted, exhausted_age): (u64, u64), ending: u64) {
    let levels = [
        (Metric::OpenDeliveriesAge, open_age),
        (Metric::ExhaustedDeliveries, exhausted),
        (Metric::ExhaustedDeliveriesAge, exhausted_age),
        (Metric::EndingDeliveries, ending),
    ];
    let levels = levels.into_iter().filter(|(_, level)| *level > 0).map(|(metric, level)| (metric, json!(level)));
    put(&[(Metric::OpenDeliveries, json!(open))].into_iter().chain(levels).collect::<Vec<_>>(), &[]);
}

/// A recovery waits for somebody who repairs what it met again.
pub fn recovery_paused() {
    put(&[(Metric::RecoveryPaused, json!(1))], &[]);
}

/// A message was not pushed, on purpose.
pub fn suppressed(reason: Option<&str>) {
    put(&[(Metric::Suppressed, json!(1))], &[("reason", reason.unwrap_or("unknown"))]);
}

/// A message will never be pushed by itself.
pub fn failed(reason: Option<&str>) {
    put(&[(Metric::Failed, json!(1))], &[("reason", reason.unwrap_or("unknown"))]);
}

/// A call that pushes is over; `status` is LINE's, or none where LINE did not answer.
pub fn push_latency(took: Duration, status: Option<u16>) {
    let status = status.map_or("none".to_owned(), |status| status.to_string());
    put(&[(Metric::PushLatency, json!(milliseconds(took)))], &[("http.status", &status)]);
}

/// What LINE says of the month (no limit: none), and the highest threshold that was reached, in
/// per cent; 0 below all of them.
pub fn quota(limit: Option<u64>, used: u64, threshold: u64) {
    let mut values = vec![(Metric::QuotaThreshold, json!(threshold))];
    if let Some(limit) = limit {
        values.push((Metric::QuotaLeft, json!(i128::from(limit) - i128::from(used))));
    }
    put(&values, &[]);
}

/// This issuer gave a new token.
pub fn token_renewed(issuer: &str) {
    put(&[(Metric::TokenRenewed, json!(1))], &[("issuer", issuer)]);
}

/// This issuer did not give a token that is due, and somebody should look.
pub fn token_not_renewed(issuer: &str) {
    put(&[(Metric::TokenNotRenewed, json!(1))], &[("issuer", issuer)]);
}

/// The mail of a day went out.
pub fn report_sent() {
    put(&[(Metric::ReportSent, json!(1))], &[]);
}

/// The mail of the day was looked for.
pub fn report_missing(missing: bool) {
    put(&[(Metric::ReportMissing, json!(u8::from(missing)))], &[]);
}

/// A webhook told of an event of this type.
pub fn unknown_event(event_type: &str) {
    put(&[(Metric::UnknownEvent, json!(1))], &[("event_type", event_type)]);
}

/// A webhook brought an event for another account.
pub fn other_account_event() {
    put(&[(Metric::OtherAccountEvent, json!(1))], &[]);
}

/// LINE suspended the account; `said_by`: the event's type, or the endpoint that refused it.
pub fn account_suspended(said_by: &str) {
    put(&[(Metric::AccountSuspended, json!(1))], &[("said_by", said_by)]);
}

/// A webhook of LINE's or Sobot's, by the name of its entrance, was taken or refused.
pub fn webhook(via: &str, taken: bool) {
    let refused = u8::from(!taken);
    put(&[(Metric::WebhookTaken, json!(u8::from(taken))), (Metric::WebhookRefused, json!(refused))], &[("via", via)]);
}

/// LINE told a login whether the user is a friend; `contradicted`: it said "no", and the profile endpoint otherwise.
pub fn friendship_told(contradicted: bool) {
    let contradicted = u8::from(contradicted);
    put(&[(Metric::FriendshipTold, json!(1)), (Metric::FriendshipContradicted, json!(contradicted))], &[]);
}

/// LINE sent a customer back to another browser than the one that the login began in, or that one keeps no cookies.
pub fn login_cookie_missing() {
    put(&[(Metric::LoginCookieMissing, json!(1))], &[]);
}

/// A credential was refused; `route`: at which of the routes that one kind of callers comes by.
pub fn authentication_failed(route: &'static str) {
    put(&[(Metric::AuthenticationFailures, json!(1))], &[("route", route)]);
}

/// A credential was refused that was withdrawn with the latest change of its secret.
pub fn former_credential_used(route: &'static str) {
    put(&[(Metric::FormerCredentialUsed, json!(1))], &[("route", route)]);
}

/// A secret, or a part of it, cannot be used.
pub fn secret_unusable() {
    put(&[(Metric::SecretUnusable, json!(1))], &[]);
}

/// A callback to the app is not sent again; why: `refused` or `unreadable`.
pub fn link_callback_given_up(reason: &'static str) {
    put(&[(Metric::LinkCallbackGivenUp, json!(1))], &[("reason", reason)]);
}

static SERVICE: OnceLock<&str> = OnceLock::new();

fn put(values: &[(Metric, Value)], properties: &[(&str, &str)]) {
    static STACK: OnceLock<String> = OnceLock::new();
    // CloudWatch drops a metric whose dimension is empty.
    let stack = STACK.get_or_init(|| std::env::var("STACK_NAME").unwrap_or_else(|_| "unknown".to_owned()));
    let service = SERVICE.get().copied().unwrap_or("unknown");
    let line = line(values, properties, stack, service, OffsetDateTime::now_utc());
    // One write a line: lines of concurrent records never mix.
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
}

fn line(
    values: &[(Metric, Value)],
    properties: &[(&str, &str)],
    stack: &str,
    service: &str,
    now: OffsetDateTime,
) -> Value {
    let mut line = Map::new();
    for (name, value) in properties {
        line.insert((*name).to_owned(), sanitized(value).into());
    }
    for (metric, value) in values {
        line.insert(metric.name().to_owned(), value.clone());
    }
    let directive = |(metric, _): &(Metric, Value)| {
        json!({
            "Namespace": NAMESPACE,
            "Dimensions": metric.dimensions(),
            "Metrics": [{ "Name": metric.name(), "Unit": metric.unit() }],
        })
    };
    let head = json!({
        "_aws": {
            "Timestamp": i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0),
            "CloudWatchMetrics": values.iter().map(directive).collect::<Vec<_>>(),
        },
        "timestamp": now.format(&Rfc3339).unwrap_or_default(),
        "level": "INFO",
        "message": "metric",
        "service": service,
        "stack": stack,
    });
    if let Value::Object(head) = head {
        line.extend(head);
    }
    line.into()
}

/// A value may come from outside: no more of it than a name has.
fn sanitized(value: &str) -> String {
    let known = |letter: &char| letter.is_ascii_alphanumeric() || "_-./".contains(*letter);
    value.chars().filter(known).take(64).collect()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(values: &[(Metric, Value)], properties: &[(&str, &str)]) -> Value {
        line(values, properties, "a-stack", "a-function", OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn cloudwatch_finds_every_metric_with_its_dimensions_in_the_line() {
        for metric in Metric::ALL {
            let line = line_of(
                &[(metric, json!(7))],
                &[("reason", "refused_by_line"), ("issuer", "line"), ("via", "line"), ("route", "orders")],
            );
            assert_eq!(line["_aws"]["Timestamp"], 0);
            let [directive] = &line["_aws"]["CloudWatchMetrics"].as_array().unwrap()[..] else { panic!("{line}") };
            assert_eq!(directive["Namespace"], NAMESPACE);
            let name = directive["Metrics"][0]["Name"].as_str().unwrap();
            assert_eq!((name, &line[name]), (metric.name(), &json!(7)));
            for set in directive["Dimensions"].as_array().unwrap() {
                let set: Vec<_> = set.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                assert_eq!(set[0], "stack", "{metric:?}");
                assert!(set.len() <= 2, "{metric:?}: each further dimension multiplies the metrics");
                assert!(set.iter().all(|name| line[*name].as_str().is_some_and(|value| !value.is_empty())), "{line}");
            }
        }
    }

    #[test]
    fn two_metrics_of_one_line_keep_their_units() {
        let line = line_of(&[(Metric::QuotaThreshold, json!(70)), (Metric::QuotaLeft, json!(-3))], &[]);
        let units: Vec<_> = line["_aws"]["CloudWatchMetrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|directive| directive["Metrics"][0]["Unit"].as_str().unwrap())
            .collect();
        assert_eq!(units, ["Percent", "Count"]);
        assert_eq!(line["QuotaLeft"], -3);
    }

    #[test]
    fn a_value_from_outside_is_cut_to_a_name_and_replaces_nothing() {
        let wild = format!("a {}\n\"b\"🔋{}", '\u{0}', "x".repeat(99));
        let line = line_of(&[(Metric::UnknownEvent, json!(1))], &[("event_type", &wild), ("stack", "another")]);
        assert_eq!(line["event_type"], format!("ab{}", "x".repeat(62)));
        assert_eq!((&line["stack"], &line["UnknownEvent"]), (&json!("a-stack"), &json!(1)));
    }

    #[test]
    fn a_latency_is_in_whole_milliseconds() {
        assert_eq!([1_999, 0].map(|micros| milliseconds(Duration::from_micros(micros))), [1, 0]);
        assert_eq!(milliseconds(Duration::MAX), u64::MAX);
    }
}
