//! What a stack costs in a month: a dated table of prices, what the template has of what is charged while it stands,
//! and what an order takes of what is charged by use.
//!
//! US dollars in us-east-1 without a free tier, as public copies of AWS's price pages had them in 2025; Tokyo and
//! Singapore are up to a quarter dearer. aws.amazon.com: api-gateway, lambda (arm64), dynamodb (on demand), sqs,
//! cloudwatch, secrets-manager and eventbridge (Scheduler), each with /pricing.

/// A million MB seconds of Lambda.
pub const LAMBDA_MB_SECONDS: f64 = 13.3334 / 1024.0;
/// What is charged by use, for a million of each.
pub const BY_USE: [(&str, f64); 7] = [
    ("requests of the HTTP API", 1.00),
    ("requests of Lambda", 0.20),
    ("MB seconds of Lambda", LAMBDA_MB_SECONDS),
    ("write units of DynamoDB", 0.625),
    ("read units of DynamoDB", 0.125),
    ("requests of SQS", 0.40),
    ("KB of CloudWatch Logs", 0.50),
];

/// What an order takes of each of [`BY_USE`], as the load of 2,000 orders had it on 28 November 2026 (tests/README.md),
/// one of ten failing at first. The second and the third are taken to be 0.2 s of 256 MB and an order's bell.
pub const PER_ORDER: [f64; 7] = [1.0, 2.1, 51.2, 9.06, 3.44, 3.28, 1.88];

/// What a kept order takes of a table with its indexes and its backup, in KB: the record, and its three places in the
/// indexes.
const KEPT_KB: f64 = 4.0;
/// A GB in a table, and in its backup, for a month.
const PER_GB: f64 = 0.25 + 0.20;
/// Months that a delivery is kept: `DeliveryRetentionDays`.
const KEPT_MONTHS: f64 = 400.0 / 30.4;

/// What is charged for a month of each as long as it stands.
const SECRET: f64 = 0.40;
const METRIC_OF_AN_ALARM: f64 = 0.10;
const COMPOSITE_ALARM: f64 = 0.50;
const DASHBOARD: f64 = 3.00;
/// Of a metric of our own that is told in every hour.
const METRIC: f64 = 0.30;

/// Days of a month.
const DAYS: f64 = 30.4;
/// What Lambda receives of a queue where nothing comes: five connections (AWS: "AWS Lambda Adds Amazon Simple Queue
/// Service to Supported Event Sources"), each of which waits for 20 seconds, the longest that SQS lets one wait.
const RECEIVES_OF_AN_IDLE_QUEUE: f64 = 5.0 * DAYS * 24.0 * 60.0 * 60.0 / 20.0;
/// A start by EventBridge Scheduler.
const SCHEDULED: f64 = 1.00 / 1e6;
/// What a start that finds nothing takes of [`BY_USE`]. Estimated: 0.05 s of 256 MB, as much of a log as Lambda writes
/// by itself, and of each hundred starts most read one partition, ten read 32.
const PER_START: [f64; 7] = [0.0, 1.0, 12.8, 0.0, 4.0, 0.0, 1.0];

/// What a call that is refused at the door takes of [`BY_USE`]. Estimated: 5 ms of 256 MB, a line in the function's log
/// beside Lambda's own, and one in the access log.
const PER_REFUSAL: [f64; 7] = [1.0, 1.0, 1.28, 0.0, 0.0, 0.0, 1.5];

/// Metrics that are told in every hour of a night without orders: what the sweep and the watch of the quota tell.
const METRICS_AT_NIGHT: usize = 3;
/// Those that orders and webhooks tell, where some come in every hour: sent, latency, taken and refused at LINE's
/// webhook, orders taken, and the cold starts of three functions.
const METRICS_OF_ORDERS: usize = 8;

/// A line of the bill: what, how many of it, and dollars a month.
pub type Line = (&'static str, f64, f64);

/// The condition of what is there only where the app is told of links (`LinkCallbackUrl`).
const OF_THE_CALLBACK: &str = "    Condition: HasLinkCallback\n";

/// What stands in the template and is charged whether orders come or not; without what [`callback`] has.
pub fn fixed(template: &str) -> Vec<Line> {
    let count = |what: &str| resources(template, what).filter(|one| !one.contains(OF_THE_CALLBACK)).count();
    let alarms = resources(template, "AWS::CloudWatch::Alarm").filter(|one| !one.contains(OF_THE_CALLBACK));
    vec![
        line("secrets", count("AWS::SecretsManager::Secret"), SECRET),
        line("metrics in alarms", metrics_of(alarms), METRIC_OF_AN_ALARM),
        line("composite alarms", count("AWS::CloudWatch::CompositeAlarm"), COMPOSITE_ALARM),
        line("dashboards (the fourth of an account, and on)", count("AWS::CloudWatch::Dashboard"), DASHBOARD),
        line("metrics that are told all night", METRICS_AT_NIGHT, METRIC),
        receives(template),
        starts(template),
    ]
}

/// What Lambda asks the queues for, though nothing is in them.
fn receives(template: &str) -> Line {
    let count = as_number(queues(template)) * RECEIVES_OF_AN_IDLE_QUEUE;
    ("receives of idle queues", count, count * price("requests of SQS") / 1e6)
}

/// The queues that functions are invoked from.
fn queues(template: &str) -> usize {
    template.matches("\n            Queue: !GetAtt ").count()
}

/// What the schedules start, though there is nothing to do.
fn starts(template: &str) -> Line {
    let count: f64 = schedules(template).sum();
    let each: f64 = BY_USE.iter().zip(PER_START).map(|((_, price), count)| price * count / 1e6).sum();
    ("starts by schedules", count, count * (SCHEDULED + each))
}

/// How often each schedule of the template starts its function in a month: every so many minutes, or once a day.
fn schedules(template: &str) -> impl Iterator<Item = f64> {
    let expressions = template.lines().filter_map(|line| line.trim().strip_prefix("ScheduleExpression: "));
    expressions.map(|expression| {
        let minutes = expression.strip_prefix("rate(").and_then(|rate| rate.split(' ').next()?.parse::<f64>().ok());
        DAYS * 24.0 * 60.0 / minutes.unwrap_or(24.0 * 60.0)
    })
}

fn price(what: &str) -> f64 {
    BY_USE.iter().find(|(known, _)| *known == what).map_or(f64::NAN, |(_, price)| *price)
}

/// The table of DEPLOY.md: a month's dollars where nothing comes, and with so many orders.
pub fn page(template: &str, orders: [u32; 2]) -> String {
    let fixed = fixed(template);
    let [few, many] = orders.map(variable);
    let of = |lines: &[Line], is: fn(&str) -> bool| -> f64 { sum(lines, is) };
    let mut page = String::new();
    let mut row = |title: &str, is: fn(&str) -> bool| {
        let base = of(&fixed, is);
        let dollars = [base, base + of(&few, is), base + of(&many, is)];
        let cells: Vec<_> = dollars.iter().map(|dollars| format!("{dollars:.2}")).collect();
        page.push_str(&format!("| {title} | {} |\n", cells.join(" | ")));
    };
    let counted = |what: &str| fixed.iter().find(|(known, ..)| *known == what).map_or(0.0, |(_, count, _)| *count);
    row(&format!("secrets ({})", counted("secrets")), |what| what == "secrets");
    let alarms = counted("metrics in alarms");
    row(&format!("alarms ({alarms} metrics, one composite)"), |what| what.ends_with("alarms"));
    row("metrics that are told", |what| what.starts_with("metrics that"));
    row("queues and schedules that find nothing", |what| what.starts_with("receives") || what.starts_with("starts"));
    row("API, Lambda, SQS, logs", |what| {
        ["HTTP API", "Lambda", "SQS", "Logs"].iter().any(|service| what.ends_with(service))
    });
    row("DynamoDB, reads and writes", |what| what.ends_with("units of DynamoDB"));
    row("DynamoDB, what is kept for 400 days", |what| what.starts_with("GB of deliveries"));
    row("**together**", |what| !what.starts_with("dashboards"));
    row("a dashboard, from the fourth of an account on", |what| what.starts_with("dashboards"));
    page
}

/// What a stranger costs in a month who calls a route as often as its limit lets anybody, and is refused each time: the
/// route, calls a second, dollars. What is beyond the limit is not charged.
pub fn strangers(template: &str) -> Vec<(&str, f64, f64)> {
    let a_call: f64 = BY_USE.iter().zip(PER_REFUSAL).map(|((_, price), count)| price * count / 1e6).sum();
    let settings = template.split_once("\n      RouteSettings:\n").map_or("", |(_, settings)| settings);
    let settings = settings.split_once("\n\n").map_or(settings, |(settings, _)| settings);
    let lines: Vec<_> = settings.lines().map(str::trim).collect();
    let strangers = lines.windows(2).filter_map(|pair| {
        let route = pair[0].strip_prefix('"')?.strip_suffix("\":")?;
        let limit = pair[1].strip_prefix("ThrottlingRateLimit: ")?;
        let rate = limit.strip_prefix("!Ref ").map_or(limit.parse().ok(), |name| default_of(template, name))?;
        Some((route, rate, rate * DAYS * 24.0 * 60.0 * 60.0 * a_call))
    });
    strangers.collect()
}

/// The default of a parameter that is a number.
fn default_of(template: &str, parameter: &str) -> Option<f64> {
    let (_, rest) = template.split_once(&format!("\n  {parameter}:\n"))?;
    let written =
        rest.lines().take_while(|line| line.starts_with("    ")).find_map(|line| line.strip_prefix("    Default: "));
    written?.parse().ok()
}

/// The table of DEPLOY.md: whom a route's limit lets call costs so much.
pub fn strangers_page(template: &str) -> String {
    let row = |(route, rate, dollars): (&str, f64, f64)| format!("| `{route}` | {rate} | {dollars:.0} |\n");
    strangers(template).into_iter().map(row).collect()
}

/// What is charged beside that where the app is told of links. A callback itself is an
/// invocation and a line of the log.
pub fn callback(template: &str) -> Vec<Line> {
    let of_it = |what| resources(template, what).filter(|one| one.contains(OF_THE_CALLBACK));
    vec![
        line("secrets", of_it("AWS::SecretsManager::Secret").count(), SECRET),
        line("metrics in alarms", metrics_of(of_it("AWS::CloudWatch::Alarm")), METRIC_OF_AN_ALARM),
    ]
}

fn line(what: &'static str, count: usize, price: f64) -> Line {
    (what, as_number(count), as_number(count) * price)
}

fn metrics_of<'a>(alarms: impl Iterator<Item = &'a str>) -> usize {
    alarms.map(|alarm| alarm.matches("MetricStat:").count().max(1)).sum()
}

/// What so many orders in a month cost beside that.
pub fn variable(orders: u32) -> Vec<Line> {
    let millions = f64::from(orders) / 1e6;
    let mut lines: Vec<Line> = BY_USE
        .into_iter()
        .zip(PER_ORDER)
        .map(|((what, price), each)| (what, each * f64::from(orders), each * price * millions))
        .collect();
    let gigabytes = f64::from(orders) * KEPT_MONTHS * KEPT_KB / 1e6;
    lines.push(("GB of deliveries kept, after 400 days", gigabytes, gigabytes * PER_GB));
    let told = as_number(METRICS_OF_ORDERS);
    lines.push(("metrics that orders tell, all month", told, told * METRIC));
    lines
}

/// The sum of those lines of a bill whose name is so, in dollars.
pub fn sum(lines: &[Line], is: impl Fn(&str) -> bool) -> f64 {
    lines.iter().filter(|(what, ..)| is(what)).fold(0.0, |all, (.., dollars)| all + dollars)
}

/// The resources of a type, each as it is written.
fn resources<'a>(template: &'a str, resource_type: &str) -> impl Iterator<Item = &'a str> {
    let line = format!("    Type: {resource_type}\n");
    template.split("\n\n").filter(move |block| block.contains(&line))
}

fn as_number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../../template.yaml");
    const DEPLOY: &str = include_str!("../../../DEPLOY.md");

    #[test]
    fn every_resource_is_counted() {
        for resource_type in ["AWS::SecretsManager::Secret", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard"] {
            let lines = TEMPLATE.lines().filter(|line| line.trim() == format!("Type: {resource_type}")).count();
            assert!(lines > 0 && resources(TEMPLATE, resource_type).count() == lines, "{resource_type}");
        }
    }

    #[test]
    fn a_stack_without_orders_costs_at_most_eleven_dollars_beside_its_dashboard() {
        let fixed = fixed(TEMPLATE);
        let cents = (100.0 * sum(&fixed, |what| !what.starts_with("dashboards"))).round();
        assert!(cents <= 1100.0, "{fixed:?}");
    }

    #[test]
    fn every_queue_and_every_schedule_is_counted() {
        let mapped = TEMPLATE.matches("FunctionResponseTypes: [ReportBatchItemFailures]").count();
        let streams = TEMPLATE.matches("Type: DynamoDB\n").count();
        assert_eq!(queues(TEMPLATE), mapped - streams);
        let minutes: Vec<_> = schedules(TEMPLATE).map(|starts| (DAYS * 24.0 * 60.0 / starts).round()).collect();
        assert_eq!(minutes, [10.0, 1.0, 1440.0, 1440.0, 15.0]);
    }

    #[test]
    fn every_route_with_a_limit_of_its_own_has_its_stranger() {
        let strangers = strangers(TEMPLATE);
        assert_eq!(strangers.len(), TEMPLATE.matches("          ThrottlingRateLimit: ").count());
        assert!(strangers.iter().all(|(_, rate, dollars)| *rate > 0.0 && *dollars > 0.0), "{strangers:?}");
    }

    #[test]
    fn the_page_has_what_the_program_prints() {
        let page = page(TEMPLATE, [10_000, 1_000_000]) + &strangers_page(TEMPLATE);
        let missing: Vec<_> = page.lines().filter(|row| !DEPLOY.contains(row)).collect();
        assert!(missing.is_empty(), "DEPLOY.md has not\n{}", missing.join("\n"));
    }

    #[test]
    fn who_is_told_of_links_pays_for_one_secret_and_four_metrics_more() {
        let counts: Vec<_> = callback(TEMPLATE).iter().map(|(what, count, _)| (*what, *count)).collect();
        assert_eq!(counts, [("secrets", 1.0), ("metrics in alarms", 4.0)]);
    }

    #[test]
    fn a_hundred_times_the_orders_cost_a_hundred_times_as_much_beside_the_metrics() {
        let of = |orders| sum(&variable(orders), |what| !what.starts_with("metrics"));
        assert!((of(1_000_000) / of(10_000) - 100.0).abs() < 1e-6);
    }
}
