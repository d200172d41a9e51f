//! What rings when: every alarm of the template, evaluated over streams of metrics as a night, an outage or a stranger
//! leaves them.
//!
//! It is evaluated as CloudWatch documents it ("Evaluating an alarm", "Using metric math"), in whole periods; what
//! CloudWatch does beside that, such as looking at more periods than an alarm names, is seen on AWS only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::template::template;

/// A stream lasts four days: every alarm has seen its longest period before the second begins, and one that looks at a
/// day has ended in the last.
const MINUTES: usize = 4 * 24 * 60;
/// The second day's midnight: what happens, happens from here on.
const BEGIN: usize = 24 * 60;

/// Values told in each minute, by metric and its dimensions beside `stack`: `Errors InboxFunction`.
#[derive(Clone, Default)]
struct Streams(BTreeMap<String, Vec<Vec<f64>>>);

impl Streams {
    fn tell(&mut self, metric: &str, minute: usize, value: f64) {
        let stream = self.0.entry(metric.to_owned()).or_insert_with(|| vec![Vec::new(); MINUTES]);
        stream[minute].push(value);
    }

    /// Tells a value in every so many minutes from one minute on.
    fn tell_every(&mut self, metric: &str, (from, until, step): (usize, usize, usize), value: impl Fn(usize) -> f64) {
        for minute in (from..until).step_by(step) {
            self.tell(metric, minute, value(minute));
        }
    }

    /// One number for each period that has any.
    fn statistic(&self, metric: &str, statistic: &str, period: usize) -> Vec<Option<f64>> {
        let Some(stream) = self.0.get(metric) else { return vec![None; MINUTES / period] };
        stream
            .chunks(period)
            .map(|minutes| {
                let values: Vec<f64> = minutes.concat();
                let count = f64::from(u32::try_from(values.len()).expect("a small number"));
                (!values.is_empty()).then(|| match statistic {
                    "Sum" => values.iter().sum(),
                    "Maximum" => values.iter().copied().fold(f64::MIN, f64::max),
                    "Minimum" => values.iter().copied().fold(f64::MAX, f64::min),
                    "SampleCount" => count,
                    other => panic!("say here what the statistic {other} is"),
                })
            })
            .collect()
    }
}

/// A night without orders: the schedules look, and find nothing.
fn a_quiet_night() -> Streams {
    let mut streams = Streams::default();
    streams.tell_every("OpenDeliveries", (0, MINUTES, 10), |_| 0.0);
    streams.tell_every("Invocations RecoveryFunction", (0, MINUTES, 1), |_| 1.0);
    streams.tell_every("QuotaThreshold", (0, MINUTES, 15), |_| 0.0);
    streams.tell_every("QuotaLeft", (0, MINUTES, 15), |_| 5_000.0);
    streams.tell_every("ReportMissing", (9 * 60 + 15, MINUTES, 24 * 60), |_| 0.0);
    streams
}

/// A metric's name, with the values of its dimensions beside `stack`.
fn metric_name(name: &Value, dimensions: &Value) -> String {
    let of_it = dimensions.as_array().into_iter().flatten().filter(|one| one["Name"] != "stack");
    let value = |one: &Value| {
        let value = &one["Value"];
        let named = value.as_str().or(value["Ref"].as_str()).or(value["Fn::GetAtt"][0].as_str());
        named.expect("a value").to_owned()
    };
    let words: Vec<String> = of_it.map(value).collect();
    [&[name.as_str().expect("a name").to_owned()][..], &words].concat().join(" ")
}

/// The metrics that an alarm looks at: namespace, name and dimensions of each.
fn metrics(alarm: &Value) -> Vec<&Value> {
    let queries = alarm["Metrics"].as_array().into_iter().flatten().map(|query| &query["MetricStat"]["Metric"]);
    queries.chain([alarm]).filter(|metric| metric["MetricName"].is_string()).collect()
}

fn number(value: &Value) -> f64 {
    let default = || template().written["Parameters"][value["Ref"].as_str()?]["Default"].as_f64();
    value.as_f64().or_else(default).unwrap_or_else(|| panic!("no number: {value}"))
}

/// The alarm's points, one for each period, and the period in minutes.
fn points(alarm: &Value, streams: &Streams) -> (Vec<Option<f64>>, usize) {
    let minutes = |value: &Value| usize::try_from(value.as_u64().expect("seconds") / 60).expect("minutes");
    let Some(queries) = alarm["Metrics"].as_array() else {
        let period = minutes(&alarm["Period"]);
        let name = metric_name(&alarm["MetricName"], &alarm["Dimensions"]);
        return (streams.statistic(&name, alarm["Statistic"].as_str().expect("a statistic"), period), period);
    };
    let metrics: Vec<_> = queries.iter().filter(|query| query["MetricStat"].is_object()).collect();
    let period = minutes(&metrics[0]["MetricStat"]["Period"]);
    let of_each: BTreeMap<&str, Vec<Option<f64>>> = metrics
        .iter()
        .map(|query| {
            let stat = &query["MetricStat"];
            assert_eq!(minutes(&stat["Period"]), period, "{query}");
            let name = metric_name(&stat["Metric"]["MetricName"], &stat["Metric"]["Dimensions"]);
            let values = streams.statistic(&name, stat["Stat"].as_str().expect("a statistic"), period);
            (query["Id"].as_str().expect("an id"), values)
        })
        .collect();
    let expression = queries.iter().find_map(|query| query["Expression"].as_str()).expect("an expression");
    let at = |place: usize| {
        let values = of_each.iter().map(|(id, values)| (*id, values[place])).collect();
        let mut parser = Expression { rest: expression, values };
        let value = parser.any();
        assert_eq!(parser.rest.trim(), "", "{expression}");
        value
    };
    ((0..MINUTES / period).map(at).collect(), period)
}

/// Metric math at one time; a missing part makes the whole missing, but for `SUM` of a list and `FILL`.
struct Expression<'a> {
    rest: &'a str,
    values: BTreeMap<&'a str, Option<f64>>,
}

impl Expression<'_> {
    fn takes(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expects(&mut self, token: &str) {
        assert!(self.takes(token), "{token} is expected at {}", self.rest);
    }

    fn any(&mut self) -> Option<f64> {
        let mut left = self.all();
        while self.takes("OR") {
            let right = self.all();
            left = left.zip(right).map(|(left, right)| truth(left != 0.0 || right != 0.0));
        }
        left
    }

    fn all(&mut self) -> Option<f64> {
        let mut left = self.comparison();
        while self.takes("AND") {
            let right = self.comparison();
            left = left.zip(right).map(|(left, right)| truth(left != 0.0 && right != 0.0));
        }
        left
    }

    fn comparison(&mut self) -> Option<f64> {
        type Compare = fn(&f64, &f64) -> bool;
        const COMPARISONS: [(&str, Compare); 5] =
            [(">=", f64::ge), ("<=", f64::le), (">", f64::gt), ("<", f64::lt), ("==", f64::eq)];
        let left = self.sum();
        match COMPARISONS.into_iter().find(|(token, _)| self.takes(token)) {
            Some((_, compare)) => {
                let right = self.sum();
                left.zip(right).map(|(left, right)| truth(compare(&left, &right)))
            }
            None => left,
        }
    }

    fn sum(&mut self) -> Option<f64> {
        let mut left = self.product();
        loop {
            let sign = if self.takes("+") {
                1.0
            } else if self.takes("-") {
                -1.0
            } else {
                return left;
            };
            let right = self.product();
            left = left.zip(right).map(|(left, right)| left + sign * right);
        }
    }

    fn product(&mut self) -> Option<f64> {
        let mut left = self.term();
        while self.takes("*") {
            let right = self.term();
            left = left.zip(right).map(|(left, right)| left * right);
        }
        left
    }

    fn term(&mut self) -> Option<f64> {
        if self.takes("(") {
            let value = self.any();
            self.expects(")");
            return value;
        }
        if self.takes("IF(") {
            let condition = self.any();
            self.expects(",");
            let then = self.any();
            self.expects(",");
            let otherwise = self.any();
            self.expects(")");
            return condition.and_then(|condition| if condition == 0.0 { otherwise } else { then });
        }
        if self.takes("FILL(") {
            let value = self.any();
            self.expects(",");
            let instead = self.any();
            self.expects(")");
            return value.or(instead);
        }
        for (token, fold) in
            [("SUM([", (|a, b| a + b) as fn(f64, f64) -> f64), ("MAX([", f64::max), ("MIN([", f64::min)]
        {
            if self.takes(token) {
                let mut values = vec![self.any()];
                while self.takes(",") {
                    values.push(self.any());
                }
                self.expects("])");
                return values.into_iter().flatten().reduce(fold);
            }
        }
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        let metric = || *self.values.get(word).unwrap_or_else(|| panic!("say here what {word} is, before {rest}"));
        word.parse().map_or_else(|_| metric(), Some)
    }
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

/// The minutes from the second day on in which an alarm rings.
fn rings(alarm: &Value, streams: &Streams) -> BTreeSet<usize> {
    let (points, period) = points(alarm, streams);
    let count = |name: &str| alarm[name].as_u64().map(|count| usize::try_from(count).expect("a small number"));
    let periods = count("EvaluationPeriods").expect("periods");
    let needed = count("DatapointsToAlarm").unwrap_or(periods);
    let threshold = number(&alarm["Threshold"]);
    let breaches = |value: f64| match alarm["ComparisonOperator"].as_str().expect("a comparison") {
        "GreaterThanThreshold" => value > threshold,
        "GreaterThanOrEqualToThreshold" => value >= threshold,
        "LessThanThreshold" => value < threshold,
        "LessThanOrEqualToThreshold" => value <= threshold,
        other => panic!("say here what {other} is"),
    };
    // "Alarms that evaluate metrics in the AWS/DynamoDB namespace always ignore missing data even if you choose a
    // different option for TreatMissingData" (AWS: PutMetricAlarm).
    let said = alarm["TreatMissingData"].as_str().expect("how what is missing is taken");
    let missing = if metrics(alarm).iter().any(|one| one["Namespace"] == "AWS/DynamoDB") { "ignore" } else { said };
    let (mut state, mut ringing) = (false, BTreeSet::new());
    for end in periods..=points.len() {
        let window = &points[end - periods..end];
        let bad = window.iter().filter(|point| point.map_or(missing == "breaching", breaches)).count();
        let unknown = window.iter().filter(|point| point.is_none() && missing == "ignore").count();
        // What is ignored changes nothing where it could make the difference.
        if bad >= needed || bad + unknown < needed {
            state = bad >= needed;
        }
        if state {
            ringing.extend((end * period..(end + 1) * period).filter(|minute| (BEGIN..MINUTES).contains(minute)));
        }
    }
    ringing
}

/// Every alarm that rings from the second day on, without `Alarm` at its end; the composite one among them.
fn ringing(streams: &Streams) -> BTreeMap<&'static str, BTreeSet<usize>> {
    let template = template();
    let short = |name: &'static str| name.strip_suffix("Alarm").expect("its name ends so");
    let mut all: BTreeMap<&str, BTreeSet<usize>> = template
        .deployed("AWS::CloudWatch::Alarm")
        .into_iter()
        .map(|(name, alarm)| (short(name), rings(&alarm["Properties"], streams)))
        .collect();
    for (name, alarm) in template.deployed("AWS::CloudWatch::CompositeAlarm") {
        let rule = alarm["Properties"]["AlarmRule"]["Fn::Sub"].as_str().expect("a rule");
        let mut minutes = BTreeSet::new();
        for part in rule.split(" OR ") {
            let named = part.trim().strip_prefix("ALARM(\"${").and_then(|part| part.strip_suffix("Alarm}\")"));
            minutes.extend(all.get(named.expect("an alarm of the template")).expect("an alarm of the template"));
        }
        all.insert(short(name), minutes);
    }
    all.retain(|_, minutes| !minutes.is_empty());
    all
}

/// Exactly these ring, and each has ended in the end.
#[track_caller]
fn assert_rings(streams: &Streams, expected: &[&str]) {
    let found = ringing(streams);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), expected);
    for (name, minutes) in found {
        assert!(!minutes.contains(&(MINUTES - 1)), "{name} does not end");
    }
}

#[test]
fn nothing_rings_in_a_quiet_night() {
    assert_rings(&a_quiet_night(), &[]);
}

#[test]
fn one_stray_error_and_one_throttled_moment_wake_nobody() {
    let mut streams = a_quiet_night();
    streams.tell("Errors InboxFunction", BEGIN + 180, 1.0);
    streams.tell("Throttles PushRetryFunction", BEGIN + 190, 3.0);
    streams.tell("OrderServerErrors", BEGIN + 200, 1.0);
    assert_rings(&streams, &[]);
}

#[test]
fn an_error_at_every_start_of_a_schedule_rings() {
    for (function, step) in [("DeliverySweepFunction", 10), ("QuotaWarningFunction", 15)] {
        let mut streams = a_quiet_night();
        streams.tell_every(&format!("Errors {function}"), (BEGIN + 60, BEGIN + 120, step), |_| 1.0);
        assert_rings(&streams, &["FunctionErrors"]);
    }
}

/// LINE answers nothing any more, and a hundred orders a second come. Until the breakers are open each order has an
/// execution for five seconds: for some seconds nothing is left, and others are turned away, too. What was taken in
/// five minutes is told by its retries.
#[test]
fn a_line_that_hangs_for_five_minutes_wakes_nobody() {
    let mut streams = a_quiet_night();
    let hangs = (BEGIN + 120, BEGIN + 125, 1);
    streams.tell_every("OrdersTaken", (BEGIN, BEGIN + 600, 1), |_| 6_000.0);
    for function in ["OrderFinishedFunction", "WebhooksFunction", "OperationsFunction"] {
        streams.tell(&format!("Throttles {function}"), BEGIN + 120, 30.0);
    }
    streams.tell("OrderServerErrors", BEGIN + 120, 30.0);
    streams.tell("WebhookServerErrors", BEGIN + 120, 2.0);
    streams.tell_every("OpenDeliveries", hangs, |_| 30_000.0);
    streams.tell_every("OpenDeliveriesAge", hangs, |_| 300.0);
    streams.tell_every("ApproximateAgeOfOldestMessage PushRetryQueue", (BEGIN + 120, BEGIN + 140, 5), |_| 600.0);
    assert_rings(&streams, &[]);
}

/// For two hours: retries are used up, no token is given when one is due, and the quota cannot be looked at.
#[test]
fn a_line_that_hangs_for_two_hours_rings_for_the_customers_and_for_what_cannot_be_seen() {
    let mut streams = a_quiet_night();
    let (from, until) = (BEGIN + 120, BEGIN + 240);
    streams.tell_every("OrdersTaken", (BEGIN, BEGIN + 600, 1), |_| 60.0);
    streams.tell_every("Throttles OrderFinishedFunction", (from, from + 1, 1), |_| 30.0);
    streams.tell_every("OrderServerErrors", (from, from + 1, 1), |_| 30.0);
    streams.tell_every("RetriesExhausted", (from + 10, until + 10, 1), |_| 60.0);
    streams.tell_every("TokenNotRenewed", (from + 40, until, 10), |_| 1.0);
    let letters = "ApproximateNumberOfMessagesVisible PushRetryDeadLetterQueue";
    streams.tell_every(letters, (from + 10, until + 60, 1), |_| 7_200.0);
    streams.tell_every("OpenDeliveriesAge", (from, until + 20, 10), |_| 600.0);
    streams.tell_every("ExhaustedDeliveriesAge", (from + 10, until + 60, 10), |_| 9_000.0);
    for metric in ["QuotaThreshold", "QuotaLeft"] {
        streams.0.get_mut(metric).expect("told every quarter")[from..until].fill(Vec::new());
    }
    let expected =
        ["CustomersNotTold", "PushRetryDeadLetters", "QuotaWatchMissing", "RetriesExhausted", "TokenNotRenewed"];
    assert_rings(&streams, &expected);
}

/// LINE takes nothing for two hours: retries are used up ten minutes after each order.
#[test]
fn an_outage_of_line_rings_once_for_the_customers_and_once_for_what_to_do() {
    let mut streams = a_quiet_night();
    let (from, until) = (BEGIN + 120, BEGIN + 240);
    streams.tell_every("RetriesExhausted", (from + 10, until, 1), |_| 2.0);
    let letters = "ApproximateNumberOfMessagesVisible PushRetryDeadLetterQueue";
    streams.tell_every(letters, (from + 10, until + 60, 1), |_| 100.0);
    streams.tell_every("ExhaustedDeliveries", (from + 10, until + 60, 10), |_| 100.0);
    streams.tell_every("ExhaustedDeliveriesAge", (from + 10, until + 60, 10), |_| 3_600.0);
    assert_rings(&streams, &["CustomersNotTold", "PushRetryDeadLetters", "RetriesExhausted"]);
}

#[test]
fn a_quota_that_is_used_up_rings_until_there_are_messages_again() {
    let mut streams = a_quiet_night();
    for metric in ["QuotaThreshold", "QuotaLeft"] {
        let stream = streams.0.get_mut(metric).expect("told every quarter");
        for minute in (BEGIN + 120..BEGIN + 300).step_by(15) {
            stream[minute] = vec![if metric == "QuotaLeft" { 0.0 } else { 100.0 }];
        }
    }
    streams.tell_every("Failed quota_exhausted", (BEGIN + 120, BEGIN + 300, 2), |_| 1.0);
    assert_rings(&streams, &["CustomersNotTold", "Quota", "QuotaUsedUp"]);
}

/// The ceiling is taken away, and with it what is left: nobody tells of that any more.
#[test]
fn the_alarms_of_a_quota_end_with_its_ceiling() {
    let mut streams = a_quiet_night();
    streams.0.get_mut("QuotaLeft").expect("told every quarter")[BEGIN + 120..].fill(Vec::new());
    for minute in (BEGIN + 120..BEGIN + 300).step_by(15) {
        streams.0.get_mut("QuotaThreshold").expect("told every quarter")[minute] = vec![100.0];
        streams.0.get_mut("QuotaLeft").expect("told every quarter")[minute] = vec![0.0];
    }
    assert_rings(&streams, &["CustomersNotTold", "Quota", "QuotaUsedUp"]);
}

/// It paused by itself at night, and an operator resumes it in the morning.
#[test]
fn a_recovery_that_paused_by_itself_rings_until_it_is_resumed() {
    let mut streams = a_quiet_night();
    streams.tell_every("RecoveryPaused", (BEGIN + 120, BEGIN + 480, 1), |_| 1.0);
    assert_rings(&streams, &["RecoveryPaused"]);
    // Its schedule is throttled: that is told by what it does not do.
    let mut streams = a_quiet_night();
    streams.tell_every("Throttles RecoveryFunction", (BEGIN + 120, BEGIN + 240, 1), |_| 1.0);
    streams.0.get_mut("Invocations RecoveryFunction").expect("told")[BEGIN + 120..BEGIN + 240].fill(Vec::new());
    assert_rings(&streams, &["RecoveryMissing"]);
}

#[test]
fn throttled_orders_ring_as_what_the_order_system_sees_and_as_why() {
    let mut streams = a_quiet_night();
    streams.tell_every("Throttles OrderFinishedFunction", (BEGIN + 120, BEGIN + 150, 1), |_| 50.0);
    streams.tell_every("OrderServerErrors", (BEGIN + 120, BEGIN + 150, 1), |_| 50.0);
    streams.tell_every("OrdersTaken", (BEGIN + 120, BEGIN + 150, 1), |_| 100.0);
    assert_rings(&streams, &["CustomersNotTold", "FunctionThrottles", "OrderServerErrors"]);
}

#[test]
fn whoever_tries_keys_rings_as_that_and_whoever_comes_by_does_not() {
    let mut streams = a_quiet_night();
    streams.tell_every("OrdersTaken", (BEGIN, MINUTES, 5), |_| 3.0);
    streams.tell_every("AuthenticationFailures", (BEGIN + 100, BEGIN + 110, 1), |_| 2.0);
    assert_rings(&streams, &[]);
    streams.tell_every("AuthenticationFailures", (BEGIN + 200, BEGIN + 230, 1), |_| 60.0);
    assert_rings(&streams, &["AuthenticationFailures"]);
}

/// Who knows the forms of LINE, of Sobot and of the order system is refused all night, while nobody else comes. A wrong
/// secret refuses the day, too.
#[test]
fn a_stranger_rings_nothing_in_a_quiet_night_and_a_wrong_secret_does() {
    let mut streams = a_quiet_night();
    for (refused, taken) in [
        ("OrderRefusals", "OrdersTaken"),
        ("WebhookRefused line", "WebhookTaken line"),
        ("WebhookRefused sobot", "WebhookTaken sobot"),
    ] {
        for midnight in (0..MINUTES).step_by(24 * 60) {
            streams.tell_every(taken, (midnight + 8 * 60, midnight + 22 * 60, 20), |_| 1.0);
            let night = (midnight + 22 * 60, MINUTES.min(midnight + 32 * 60), 5);
            streams.tell_every(refused, night, |_| 1.0);
            streams.tell_every(taken, night, |_| 0.0);
        }
    }
    assert_rings(&streams, &[]);
    streams.0.get_mut("WebhookTaken line").expect("told")[BEGIN - 720..BEGIN].fill(vec![0.0]);
    assert_rings(&streams, &["LineWebhooksRefused"]);
}

/// Who comes with what was withdrawn is no stranger.
#[test]
fn a_withdrawn_credential_rings_at_once() {
    let mut streams = a_quiet_night();
    streams.tell("FormerCredentialUsed", BEGIN + 100, 1.0);
    assert_rings(&streams, &["FormerCredentialUsed"]);
}

#[test]
fn schedules_that_stop_are_missed() {
    let mut streams = a_quiet_night();
    for metric in ["OpenDeliveries", "QuotaThreshold", "QuotaLeft", "ReportMissing"] {
        streams.0.get_mut(metric).expect("told")[BEGIN - 600..MINUTES - 240].fill(Vec::new());
    }
    streams.tell("ReportMissing", MINUTES - 200, 0.0);
    assert_rings(&streams, &["QuotaWatchMissing", "ReportCheckMissing", "SweepMissing"]);
}

/// An app that is away for an afternoon rings once, and until it has taken what waited. What it refuses rings by
/// itself.
#[test]
fn an_app_that_takes_no_callbacks_rings_after_a_quarter_of_an_hour() {
    let mut streams = a_quiet_night();
    let away = BEGIN + 120;
    streams.tell_every("IteratorAge LinkCallbackFunction", (BEGIN, away, 30), |_| 400.0);
    streams.tell_every("IteratorAge LinkCallbackFunction", (away, away + 240, 1), |minute| {
        f64::from(u32::try_from(minute - away).expect("minutes")) * 60_000.0
    });
    assert_rings(&streams, &["LinkCallbackLate"]);
    let rings = &ringing(&streams)["LinkCallbackLate"];
    assert!(rings.first().is_some_and(|first| (away + 15..away + 30).contains(first)), "{rings:?}");
    let mut streams = a_quiet_night();
    streams.tell("LinkCallbackGivenUp", away, 1.0);
    assert_rings(&streams, &["LinkCallbackGivenUp"]);
    let mut streams = a_quiet_night();
    streams.tell_every("Errors LinkCallbackFunction", (away, away + 10, 1), |_| 1.0);
    streams.tell_every("Throttles LinkCallbackFunction", (away, away + 10, 1), |_| 1.0);
    assert_rings(&streams, &["LinkCallbackErrors"]);
}

/// What is taken, or said to be no friend and believed, is what keeps an alarm quiet.
fn keeps_quiet(metric: &str) -> bool {
    ["WebhookTaken", "OrdersTaken", "FriendshipTold"].iter().any(|quiet| metric.starts_with(quiet))
}

/// A value of an alarm's metrics that is far beyond what rings.
fn far_too_much(alarm: &Value) -> f64 {
    number(&alarm["Threshold"]).max(1.0) * 200.0
}

/// Whether it rings where too little is told.
fn misses(alarm: &Value) -> bool {
    alarm["ComparisonOperator"].as_str().expect("a comparison").starts_with("Less")
}

/// Each alarm can ring at all: told alone, its metrics bring it about.
#[test]
fn every_alarm_can_ring() {
    let mut streams = a_quiet_night();
    let alarms = template().deployed("AWS::CloudWatch::Alarm");
    for alarm in alarms.values().map(|alarm| &alarm["Properties"]) {
        for metric in metrics(alarm) {
            let name = metric_name(&metric["MetricName"], &metric["Dimensions"]);
            if !misses(alarm) && !keeps_quiet(&name) {
                streams.tell_every(&name, (0, MINUTES, 5), |_| far_too_much(alarm));
            }
        }
    }
    streams.tell_every("FriendshipTold", (0, MINUTES, 60), |_| 1.0);
    for via in ["line", "sobot"] {
        streams.tell_every(&format!("WebhookTaken {via}"), (0, MINUTES, 5), |_| 0.0);
    }
    streams.tell_every("QuotaLeft", (0, MINUTES, 15), |_| 0.0);
    let mut rung: BTreeSet<&str> = ringing(&streams).into_keys().collect();
    rung.extend(ringing(&Streams::default()).into_keys());
    let silent: Vec<_> = alarms.keys().filter(|name| !rung.contains(name.trim_end_matches("Alarm"))).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// What becomes of an alarm's metrics when the bad hours are over.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Afterwards {
    /// They are told, and all is well.
    Good,
    /// Nothing tells them any more: most are told only where something is wrong.
    Silent,
}

/// An alarm's metrics, bad through a night, and then as it says.
fn after_a_bad_night(alarm: &Value, afterwards: Afterwards) -> Streams {
    let (from, until) = (BEGIN - 360, BEGIN + 360);
    let mut streams = Streams::default();
    let watches_the_telling = alarm["TreatMissingData"] == "breaching";
    for metric in metrics(alarm) {
        let name = metric_name(&metric["MetricName"], &metric["Dimensions"]);
        let quiet = keeps_quiet(&name);
        if !watches_the_telling {
            let bad = if quiet || misses(alarm) { 0.0 } else { far_too_much(alarm) };
            streams.tell_every(&name, (from, until, 5), |_| bad);
        }
        if afterwards == Afterwards::Good {
            let good = if misses(alarm) { far_too_much(alarm) } else { f64::from(u8::from(quiet)) };
            streams.tell_every(&name, (until, MINUTES, 5), |_| good);
        }
    }
    streams
}

/// Nobody has to put an alarm back by hand. What is looked at only now and then keeps its state until the next look,
/// and where the looks stay away another alarm rings.
#[test]
fn every_alarm_ends_by_itself() {
    let alarms = template().deployed("AWS::CloudWatch::Alarm");
    let properties = || alarms.values().map(|alarm| &alarm["Properties"]);
    let metric = |alarm: &Value| metric_name(&alarm["MetricName"], &alarm["Dimensions"]);
    for (name, alarm) in &alarms {
        let alarm = &alarm["Properties"];
        for afterwards in [Afterwards::Good, Afterwards::Silent] {
            let ringing = rings(alarm, &after_a_bad_night(alarm, afterwards));
            assert!(!ringing.is_empty(), "{name} does not ring");
            let ends = !ringing.contains(&(MINUTES - 1));
            match alarm["TreatMissingData"].as_str() {
                Some("breaching") => assert_eq!(ends, afterwards == Afterwards::Good, "{name}, {afterwards:?}"),
                Some("ignore") if afterwards == Afterwards::Silent => {
                    let watched =
                        |other: &Value| other["TreatMissingData"] == "breaching" && metric(other) == metric(alarm);
                    assert!(properties().any(watched), "{name} stays, and nobody misses what would end it");
                }
                _ => assert!(ends, "{name} does not end, {afterwards:?}"),
            }
        }
    }
}

/// An index that turns a write away keeps its table from taking it, and CloudWatch counts that under the index. Only
/// one with as many keys as there are customers takes what the table takes.
#[test]
fn every_index_with_few_keys_is_watched() {
    let template = template();
    let properties = |name: &str| &template.written["Resources"][name]["Properties"];
    let watched: BTreeSet<&str> = metrics(properties("TableThrottlesAlarm"))
        .into_iter()
        .flat_map(|metric| metric["Dimensions"].as_array().into_iter().flatten())
        .filter(|dimension| dimension["Name"] == "GlobalSecondaryIndexName")
        .filter_map(|dimension| dimension["Value"].as_str())
        .collect();
    let indexes = properties("DeliveriesTable")["GlobalSecondaryIndexes"].as_array().expect("indexes");
    let names = indexes.iter().filter_map(|index| index["IndexName"].as_str());
    assert_eq!(watched, names.filter(|name| *name != "by_person").collect());
}
