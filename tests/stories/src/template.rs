//! What holds for every queue, table, log, policy, route and alarm of `template.yaml`, today's and tomorrow's.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    sync::LazyLock,
};

use local_stand::{
    aws::emulator::prepare,
    aws::template::{MetricReference, OutlineEntry, Template, as_list, dashboard_body, strings},
    repository,
    stand::random_key,
};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    delivery::state::Reason,
    metric::{Metric, NAMESPACE},
};

use crate::{
    sdk_validation::{Parameters, calls_with_every_parameter, longest, required, told_by},
    story,
};

/// Routes that no key protects, and what does instead.
const WITHOUT_A_KEY: [&str; 7] = [
    "GET /console",               // a static page; what it shows it asks for with the operator's key
    "GET /login",                 // the app's link token
    "GET /login/callback",        // the sealed state and the browser's cookie
    "POST /login",                // the app's link token and the browser's cookie
    "POST /login/callback",       // the sealed form and the browser's cookie
    "POST /webhooks/line",        // LINE's signature
    "POST /webhooks/sobot/{key}", // the key in the address
];

/// Tables that are not backed up, because nothing is lost with them.
const NOT_BACKED_UP: [&str; 2] = [
    "TokensTable",     // LINE and Sobot give new tokens
    "UsedTokensTable", // an item lives for an hour
];

/// Policies that AWS manages and SAM adds: shifting an alias to a new version, writing logs, and taking messages from
/// the function's queue, or records from its stream.
const MANAGED_BY_AWS: [&str; 4] = [
    "arn:aws:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda",
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "arn:aws:iam::aws:policy/service-role/AWSLambdaDynamoDBExecutionRole",
    "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole",
];

/// The headings of the template's resources beside those of the functions: before them, and after them.
const SHARED: &str = "shared";
const OBSERVE: &str = "observe";

/// What CloudWatch takes into one alarm.
const MAX_METRICS_OF_AN_ALARM: usize = 10;

/// A start of these that fails is followed by the next minutes later; `SweepMissingAlarm`, `QuotaWatchMissingAlarm` and
/// `RecoveryMissingAlarm` ring where none follows.
const MISSED_BY_AN_ALARM: [&str; 3] =
    ["DeliverySweepFunctionEveryTenMinutes", "QuotaWarningFunctionEveryQuarterOfAnHour", "RecoveryFunctionEveryMinute"];

/// Read once, for all stories.
pub fn template() -> &'static Template {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::read().expect("the template can be read"));
    &TEMPLATE
}

#[test]
fn the_linter_has_nothing_to_say() {
    let mut linter = prepare().expect("the linter").python();
    linter.args(["-c", "import sys; from cfnlint.runner import main; sys.exit(main())"]);
    linter.args(["--append-rules", "cfn_lint_serverless.rules"]).current_dir(repository());
    let output = linter.env("AWS_DEFAULT_REGION", "ap-northeast-1").stdin(Stdio::null()).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// CloudFormation's console shows the groups; a reader of the file has its order.
#[test]
fn parameters_stand_in_groups_what_is_required_first_and_what_is_for_tests_last() {
    let template = template();
    let groups = template.written["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"].as_array();
    let mut grouped = Vec::new();
    for group in groups.expect("groups") {
        let label = group["Label"]["default"].as_str().expect("a label");
        for name in group["Parameters"].as_array().expect("parameters").iter().filter_map(Value::as_str) {
            let parameter = &template.written["Parameters"][name];
            let description = parameter["Description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.'), "{name}: {description:?}");
            let for_tests = description.ends_with(" is for tests.");
            assert_eq!(label.starts_with("Only for tests"), for_tests, "{name}, in {label}: {description}");
            grouped.push((for_tests, !parameter["Default"].is_null(), name));
        }
    }
    let names: Vec<&str> = grouped.iter().map(|(.., name)| *name).collect();
    let in_the_file: Vec<&str> = template.outline("Parameters").into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, in_the_file);
    assert!(grouped.is_sorted_by_key(|(for_tests, optional, _)| (*for_tests, *optional)), "{grouped:?}");
    assert!(grouped.iter().any(|(_, optional, _)| !optional) && grouped.iter().any(|(for_tests, ..)| *for_tests));
}

#[test]
fn every_output_says_what_it_is_and_stands_by_its_name() {
    let template = template();
    let names: Vec<&str> = template.outline("Outputs").into_iter().map(|entry| entry.name).collect();
    assert!(!names.is_empty() && names.is_sorted(), "not sorted: {names:?}");
    for name in names {
        let description = template.written["Outputs"][name]["Description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{name}: {description:?}");
    }
}

#[test]
fn every_resource_stands_under_the_heading_of_its_capability() {
    let template = template();
    let outline = template.outline("Resources");
    let functions = template.written("AWS::Serverless::Function");
    let mut headings: Vec<&str> = outline.iter().map(|entry| entry.heading).collect();
    headings.dedup();
    let [SHARED, capabilities @ .., OBSERVE] = &headings[..] else { panic!("{headings:?}") };
    let binaries: BTreeSet<&str> = functions.values().map(|function| binary(function)).collect();
    assert_eq!(capabilities.iter().copied().collect::<BTreeSet<_>>(), binaries);
    assert_eq!(capabilities.len(), functions.len(), "all of a capability in one place: {capabilities:?}");
    for OutlineEntry { name, heading } in &outline {
        let possible = possible_headings(template, &outline, name);
        assert!(possible.contains(heading), "{name} stands under {heading}, and belongs under {possible:?}");
    }
}

/// Where a resource may stand: with the function that it belongs to, or else with what is
/// shared, or with what observes.
fn possible_headings<'a>(template: &'a Template, outline: &[OutlineEntry<'a>], name: &str) -> BTreeSet<&'a str> {
    let resource = &template.written["Resources"][name];
    let functions = template.written("AWS::Serverless::Function");
    let of_those_that = |fit: &dyn Fn(&Value) -> bool| -> BTreeSet<&'a str> {
        functions.values().filter(|function| fit(&function["Properties"])).map(|function| binary(function)).collect()
    };
    match resource["Type"].as_str().expect("a type") {
        "AWS::Serverless::Function" => [binary(resource)].into(),
        "AWS::Serverless::HttpApi"
        | "AWS::SNS::Topic"
        | "AWS::SNS::Subscription"
        | "AWS::SNS::TopicPolicy"
        | "AWS::SES::ConfigurationSet"
        | "AWS::SES::ConfigurationSetEventDestination" => [SHARED].into(),
        "AWS::Logs::LogGroup" => {
            let apis = template.written("AWS::Serverless::HttpApi");
            let of_an_api = apis.values().any(|api| strings(&api["Properties"]["AccessLogSettings"]).contains(name));
            let of_a_function = of_those_that(&|function| function["LoggingConfig"]["LogGroup"]["Ref"] == name);
            if of_an_api { [SHARED].into() } else { of_a_function }
        }
        "AWS::SQS::Queue" => {
            // What it triggers; a dead-letter queue, what its queue triggers, or what fails into it.
            let mut queues = template.written("AWS::SQS::Queue");
            queues.retain(|id, queue| *id == name || strings(&queue["Properties"]["RedrivePolicy"]).contains(name));
            of_those_that(&|function| {
                let named = &strings(&function["Events"]) | &strings(&function["EventInvokeConfig"]);
                queues.keys().any(|queue| named.contains(queue))
            })
        }
        "AWS::CloudWatch::Alarm" => {
            let queues = template.written("AWS::SQS::Queue");
            let watched = strings(&resource["Properties"]["Dimensions"]);
            let queue = outline.iter().find(|one| queues.contains_key(one.name) && watched.contains(one.name));
            [queue.map_or(OBSERVE, |queue| queue.heading)].into()
        }
        "AWS::Logs::MetricFilter" | "AWS::CloudWatch::CompositeAlarm" | "AWS::CloudWatch::Dashboard" => {
            [OBSERVE].into()
        }
        "AWS::DynamoDB::Table" | "AWS::SecretsManager::Secret" => {
            let mut users = of_those_that(&|function| strings(&function["Policies"]).contains(name));
            if users.len() > 1 {
                users.insert(SHARED);
            }
            users
        }
        other => panic!("{name}: say here where a resource of the type {other} belongs"),
    }
}

fn binary(function: &Value) -> &str {
    function["Metadata"]["BuildProperties"]["Binary"].as_str().expect("a binary")
}

#[test]
fn no_policy_allows_everything() {
    let template = template();
    let roles = template.deployed("AWS::IAM::Role");
    let mut statements = 0;
    for (name, role) in &roles {
        let policies = role["Properties"]["Policies"].as_array().into_iter().flatten();
        for statement in policies.flat_map(|policy| as_list(&policy["PolicyDocument"]["Statement"])) {
            statements += 1;
            for part in ["Action", "Resource"] {
                assert!(!statement[part].is_null(), "{name}: {statement}");
                // Whoever's identities SES asks for: the condition names the one sender. Its suppression list is the
                // account's, and can only be read. Many secrets at once: of each its own permission decides.
                let is_one_sender = statement["Condition"]["StringEquals"]["ses:FromAddress"].is_object();
                let has_no_resource = ["ses:GetSuppressedDestination", "secretsmanager:BatchGetSecretValue"]
                    .iter()
                    .any(|action| statement["Action"] == *action);
                for text in strings(&statement[part]) {
                    let may_be_any = part == "Resource" && (is_one_sender || has_no_resource);
                    assert!(!text.contains('*') || may_be_any, "{name}: {text}");
                }
            }
        }
        for managed in strings(&role["Properties"]["ManagedPolicyArns"]) {
            assert!(MANAGED_BY_AWS.contains(&managed), "{name}: {managed}");
        }
    }
    assert!(statements > roles.len(), "{statements} statements in {} roles", roles.len());
    // Services may publish to the topic that is named, for this account alone.
    for (name, policy) in &template.deployed("AWS::SNS::TopicPolicy") {
        for statement in as_list(&policy["Properties"]["PolicyDocument"]["Statement"]) {
            assert_eq!(as_list(&policy["Properties"]["Topics"]), as_list(&statement["Resource"]), "{name}");
            assert_eq!(statement["Action"], "sns:Publish", "{name}");
            assert!(statement["Principal"]["Service"].is_array(), "{name}: {statement}");
            assert_eq!(statement["Condition"]["StringEquals"]["aws:SourceAccount"]["Ref"], "AWS::AccountId", "{name}");
        }
    }
    for other in ["AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::SQS::QueuePolicy"] {
        assert!(template.deployed(other).is_empty(), "{other}: look at it here, too");
    }
}

#[test]
fn every_function_has_a_log_group_of_its_own() {
    let template = template();
    let logs = template.deployed("AWS::Logs::LogGroup");
    let mut taken = BTreeSet::new();
    for (name, function) in template.deployed("AWS::Lambda::Function") {
        let properties = &function["Properties"];
        let group = properties["LoggingConfig"]["LogGroup"]["Ref"].as_str().expect("a log group");
        assert!(logs.contains_key(group) && taken.insert(group), "{name}: {group}");
        assert_eq!(properties["LoggingConfig"]["LogFormat"], "JSON", "{name}");
        // A trace of nothing but the invocation costs, and shows what the log's line of Lambda's own says.
        assert!(properties["TracingConfig"].is_null(), "{name}");
    }
    for (name, group) in logs {
        let retention = &group["Properties"]["RetentionInDays"];
        assert!(retention["Ref"].is_string() || retention.is_u64(), "{name} is kept for ever");
    }
}

#[test]
fn every_queue_is_encrypted_and_every_dead_letter_rings() {
    let template = template();
    let queues = template.deployed("AWS::SQS::Queue");
    let alarmed: BTreeSet<String> = template
        .metrics()
        .into_iter()
        .filter(|metric| metric.by.ends_with("Alarm") && metric.name == "ApproximateNumberOfMessagesVisible")
        .filter_map(|metric| {
            let queue: Value = serde_json::from_str(metric.dimensions.get("QueueName")?).ok()?;
            Some(queue["Fn::GetAtt"][0].as_str()?.to_owned())
        })
        .collect();
    let targets: BTreeSet<&str> = queues
        .values()
        .filter_map(|queue| queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0].as_str())
        .collect();
    for target in &targets {
        assert!(queues[target]["Properties"]["RedrivePolicy"].is_null(), "{target} has a dead-letter queue itself");
    }
    for (name, queue) in &queues {
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], true, "{name}");
        let redrive = &queue["Properties"]["RedrivePolicy"];
        if redrive.is_null() {
            // A dead-letter queue: of another queue, or of what is started by a schedule.
            assert!(alarmed.contains(*name), "{name} has neither a dead-letter queue nor an alarm");
        } else {
            let receives = &redrive["maxReceiveCount"];
            let is_mapped = || receives["Fn::FindInMap"].as_array().is_some_and(|path| path.len() == 3);
            assert!(receives.is_u64() || receives["Ref"].is_string() || is_mapped(), "{name}");
            let target = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0].as_str().expect("a queue of the template");
            assert!(alarmed.contains(target), "{target} has no alarm");
        }
    }
    for (name, mapping) in template.deployed("AWS::Lambda::EventSourceMapping") {
        let properties = &mapping["Properties"];
        assert_eq!(properties["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{name}");
        let is_of_a_queue = properties["StartingPosition"].is_null();
        assert_eq!(properties["ScalingConfig"]["MaximumConcurrency"].is_u64(), is_of_a_queue, "{name}");
    }
    for (name, schedule) in template.deployed("AWS::Scheduler::Schedule") {
        let target = &schedule["Properties"]["Target"];
        if MISSED_BY_AN_ALARM.contains(&name) {
            continue;
        }
        let queue = target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0].as_str().expect("a queue of the template");
        assert!(alarmed.contains(queue), "{name}: {queue}");
        assert!(target["RetryPolicy"]["MaximumRetryAttempts"].is_u64(), "{name}");
    }
}

/// A change that the app does not take is handed out until DynamoDB takes it away, alone, and from the stream's
/// beginning; what is no member's link never comes. And the function has the time to hear that the app does not answer.
#[test]
fn no_change_of_a_link_is_passed_over() {
    let template = template();
    let mappings = template.deployed("AWS::Lambda::EventSourceMapping");
    let of_streams: Vec<_> = mappings.values().filter(|one| !one["Properties"]["StartingPosition"].is_null()).collect();
    let [mapping] = of_streams[..] else { panic!("{of_streams:?}") };
    let properties = &mapping["Properties"];
    assert_eq!(properties["EventSourceArn"], json!({ "Fn::GetAtt": ["LinksTable", "StreamArn"] }));
    assert_eq!((&properties["StartingPosition"], &properties["BatchSize"]), (&json!("TRIM_HORIZON"), &json!(1)));
    for limit in ["MaximumRetryAttempts", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError"] {
        assert!(properties[limit].is_null(), "{limit}");
    }
    let filters = properties["FilterCriteria"]["Filters"].as_array().expect("filters");
    let [filter] = &filters[..] else { panic!("{filters:?}") };
    let pattern: Value = serde_json::from_str(filter["Pattern"].as_str().expect("a pattern")).expect("JSON");
    assert_eq!(pattern, json!({ "dynamodb": { "Keys": { "id": { "S": [{ "prefix": "member#" }] } } } }));
    let function = &template.deployed("AWS::Lambda::Function")["LinkCallbackFunction"]["Properties"];
    assert_eq!(function["Timeout"], 30, "the secret takes 4 seconds at most, the app 5, each twice");
}

/// Whoever does not want the callback has, and pays, nothing of it.
#[test]
fn without_the_apps_address_nothing_of_the_callback_is_there() {
    const CONDITION: &str = "HasLinkCallback";
    let template = template();
    let resources = template.deployed["Resources"].as_object().expect("resources");
    let named: Vec<_> = resources.iter().filter(|(name, _)| name.starts_with("LinkCallback")).collect();
    assert!(named.len() >= 8, "function, role, mapping, logs, secret and three alarms: {named:?}");
    for (name, resource) in named {
        assert_eq!(resource["Condition"], CONDITION, "{name}");
    }
    let no_address = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "LinkCallbackUrl" }, ""] }] });
    assert_eq!(template.deployed["Conditions"][CONDITION], no_address);
    let stream = &resources["LinksTable"]["Properties"]["StreamSpecification"]["Fn::If"];
    assert_eq!((&stream[0], &stream[2]), (&json!(CONDITION), &json!({ "Ref": "AWS::NoValue" })));
}

/// Else a second run begins a mail that the first is still about to send.
#[test]
fn what_sends_mails_runs_shorter_than_it_has_a_mail_to_itself() {
    let functions = template().deployed("AWS::Lambda::Function");
    let sends = |function: &&Value| !function["Properties"]["Environment"]["Variables"]["REPORT_SENDER"].is_null();
    let senders: Vec<_> = functions.values().copied().filter(sends).collect();
    assert_eq!(senders.len(), 3, "daily-report, quota-warning, and operations with its test mails");
    for function in senders {
        let timeout = function["Properties"]["Timeout"].as_u64().expect("seconds");
        assert!(timeout < shared::report::reports::LEASE.as_secs(), "{function}");
    }
}

/// A bell that waits, and a letter, are told of long before SQS deletes them; and every order that joins the letters is
/// told of, not only the first.
#[test]
fn nothing_that_an_order_waits_for_ends_unseen() {
    const DAY: u64 = 86_400;
    let template = template();
    let (queues, alarms) = (template.deployed("AWS::SQS::Queue"), template.deployed("AWS::CloudWatch::Alarm"));
    let watching = |metric: &str| {
        let of_it = alarms.values().map(|alarm| &alarm["Properties"]).filter(|alarm| alarm["MetricName"] == metric);
        of_it.map(|alarm| (*alarm).clone()).collect::<Vec<_>>()
    };
    let ages = watching("ApproximateAgeOfOldestMessage");
    for queue in ["PushRetryQueue", "PushRetryDeadLetterQueue"] {
        let kept = queues[queue]["Properties"]["MessageRetentionPeriod"].as_u64().expect("seconds");
        assert_eq!(kept, 14 * DAY, "{queue}");
        let name = json!([{ "Name": "QueueName", "Value": { "Fn::GetAtt": [queue, "QueueName"] } }]);
        let [alarm] = ages.iter().filter(|alarm| alarm["Dimensions"] == name).collect::<Vec<_>>()[..] else {
            panic!("one alarm on the age of {queue}")
        };
        let rings = alarm["Threshold"].as_u64().expect("seconds") + alarm["Period"].as_u64().expect("seconds");
        assert!(alarm["ComparisonOperator"] == "GreaterThanThreshold" && rings + 2 * DAY < kept, "{queue}: {alarm}");
    }
    for (metric, statistic) in [(Metric::RetriesExhausted, "Sum"), (Metric::EndingDeliveries, "Maximum")] {
        let [alarm] = &watching(metric.name())[..] else { panic!("one alarm on {metric:?}") };
        let how = ["Statistic", "Threshold", "EvaluationPeriods", "ComparisonOperator"].map(|name| &alarm[name]);
        assert_eq!(how, [&json!(statistic), &json!(0), &json!(1), &json!("GreaterThanThreshold")], "{metric:?}");
    }
}

#[test]
fn every_table_is_encrypted_backed_up_and_protected() {
    let tables = template().deployed("AWS::DynamoDB::Table");
    for (name, table) in &tables {
        let properties = &table["Properties"];
        // Else a key of AWS's in the account encrypts it, and each call of KMS's is paid for. Without a word of it
        // DynamoDB encrypts with a key of its own.
        assert!(properties["SSESpecification"].is_null(), "{name}");
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{name}");
        let backed_up = properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == true;
        assert_ne!(backed_up, NOT_BACKED_UP.contains(name), "{name}");
        // What outlives the stack is not deleted by a slip either, once a first deployment has succeeded.
        let protected = &properties["DeletionProtectionEnabled"];
        let by_the_parameter = *protected == json!({ "Fn::If": ["ProtectsTables", true, false] });
        assert_eq!(by_the_parameter, table["UpdateReplacePolicy"] == "Retain", "{name}: {protected}");
    }
    assert!(NOT_BACKED_UP.iter().all(|name| tables.contains_key(name)));
}

/// A table that is warm throttles all the same where one of its indexes is not.
#[test]
fn the_deliveries_are_warmed_with_all_their_indexes_or_not_at_all() {
    let deliveries = &template().deployed("AWS::DynamoDB::Table")["DeliveriesTable"]["Properties"];
    let indexes = deliveries["GlobalSecondaryIndexes"].as_array().expect("indexes");
    assert_eq!(indexes.len(), 3);
    let warm = json!({ "WriteUnitsPerSecond": { "Ref": "WarmWriteUnits" } });
    let warm = json!({ "Fn::If": ["WarmsTheDeliveries", warm, { "Ref": "AWS::NoValue" }] });
    for one in indexes.iter().chain([deliveries]) {
        assert_eq!(one["WarmThroughput"], warm, "{}", one["IndexName"]);
    }
    let not_zero = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "WarmWriteUnits" }, "0"] }] });
    assert_eq!(template().deployed["Conditions"]["WarmsTheDeliveries"], not_zero);
}

#[test]
fn what_holds_data_says_what_becomes_of_it_with_the_stack() {
    let template = template();
    for resource_type in
        ["AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup"]
    {
        let resources = template.deployed(resource_type);
        assert!(!resources.is_empty(), "{resource_type}");
        for (name, resource) in resources {
            let policies = [&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]];
            // A first deployment that fails leaves nothing behind that the next one would stumble over.
            let of_two = [["RetainExceptOnCreate", "Retain"], ["Delete", "Delete"]];
            assert!(of_two.iter().any(|two| policies == [two[0], two[1]]), "{name}: {policies:?}");
        }
    }
}

/// CloudFormation makes a secret's value anew when any word of how it is made changes, and so throws away the keys that
/// people have put beside it, and what was hashed under it (AWS: "AWS::SecretsManager::Secret", GenerateSecretString).
#[test]
fn no_deployment_makes_a_generated_secret_anew() {
    let made = |key: &str, length: u32| {
        json!({
            "SecretStringTemplate": "{}",
            "GenerateStringKey": key,
            "PasswordLength": length,
            "ExcludePunctuation": true,
        })
    };
    let pinned = BTreeMap::from([
        ("LinkCallbackSecret", made("current", 64)),
        ("OperatorKeysSecret", made("operator", 48)),
        ("OrderKeySecret", made("current", 48)),
        ("PseudonymSecret", made("key", 64)),
    ]);
    let resources = template().written["Resources"].as_object().expect("resources");
    let generated: BTreeMap<&str, Value> = resources
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::SecretsManager::Secret")
        .filter_map(|(name, secret)| Some((name.as_str(), secret["Properties"].get("GenerateSecretString")?.clone())))
        .collect();
    assert_eq!(generated, pinned, "a living stack's keys would be replaced");
    for name in pinned.keys() {
        let secret = &resources[*name]["Properties"];
        assert!(secret.get("Name").is_none() && secret.get("SecretString").is_none(), "{name} would be another secret");
    }
}

/// What is allowed for every resource or for none: CloudWatch's pages say so of composite alarms.
const NEVER_FOR_ONE: [&str; 2] = ["cloudwatch:PutCompositeAlarm", "cloudwatch:DescribeAlarms"];

/// What a service makes for itself in the name of whoever makes its first resource in an account (API Gateway: "Using
/// service-linked roles").
const ROLES_OF_SERVICES: [&str; 1] = ["ops.apigateway.amazonaws.com"];

/// A role or a user takes no longer managed policy; IAM counts no white space.
const MAX_POLICY_CHARACTERS: usize = 6_144;

/// What the deployer's policy allows is by service and by the beginning of names: a new kind of resource needs a
/// statement, one for everything where AWS knows no resource to allow it for, and a secret's name begins with its own,
/// not the stack's.
#[test]
fn whoever_deploys_may_make_what_the_template_has() {
    const POLICY: &str = ".github/deployer-policy.json";
    let policy = std::fs::read_to_string(repository().join(POLICY)).expect("the policy");
    let policy: Value = serde_json::from_str(&policy).expect("JSON");
    assert!(policy.to_string().len() <= MAX_POLICY_CHARACTERS, "{POLICY}");
    let statements = policy["Statement"].as_array().expect("statements");
    // By service and action, in small letters: the kinds of resources that it may be allowed for.
    let known = service_authorization();
    let mut called: BTreeSet<String> = calls_with_every_parameter().iter().map(|call| action_of(call)).collect();
    called.extend(NEVER_FOR_ONE.map(str::to_owned));
    for action in called {
        let (service, name) = action.split_once(':').expect("a service");
        let never_for_one = NEVER_FOR_ONE.contains(&action.as_str())
            || service != "apigateway" && known[service]["Actions"][name.to_lowercase()]["Resources"].is_null();
        let of_the_service = format!("arn:aws:{service}:");
        let allows = |statement: &&Value| {
            let resources = strings(&statement["Resource"]);
            strings(&statement["Action"]).iter().any(|allowed| matches(allowed, &action))
                && (resources.contains("*")
                    || !never_for_one && resources.iter().any(|resource| resource.starts_with(&of_the_service)))
        };
        let wanted = if never_for_one { ", for everything" } else { "" };
        assert!(statements.iter().any(|statement| allows(&statement)), "{POLICY}: no {action}{wanted}");
    }
    for service in ROLES_OF_SERVICES {
        let role = format!("arn:aws:iam::*:role/aws-service-role/{service}/*");
        let allows = |statement: &Value| {
            strings(&statement["Action"]).contains("iam:CreateServiceLinkedRole")
                && strings(&statement["Resource"]).contains(role.as_str())
        };
        assert!(statements.iter().any(allows), "{POLICY}: {service} can make no role for itself");
    }
    let resources: BTreeSet<&str> = statements.iter().flat_map(|statement| strings(&statement["Resource"])).collect();
    for secret in template().deployed("AWS::SecretsManager::Secret").keys() {
        let end = format!(":secret:{secret}-*");
        assert!(resources.iter().any(|resource| resource.ends_with(&end)), "{POLICY}: no {secret}");
    }
}

/// AWS's "Service Authorization Reference", as the linter brings it along.
fn service_authorization() -> Value {
    let mut python = prepare().expect("the linter").python();
    let program = "import cfnlint.data.AdditionalSpecs as s; print(open(s.__path__[0] + '/Policies.json').read())";
    let output = python.args(["-c", program]).output().expect("it runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The action that a call such as `sesv2.CreateConfigurationSet` needs. API Gateway's are named after HTTP's methods.
fn action_of(call: &str) -> String {
    match call.split_once('.').expect("a service") {
        ("apigatewayv2", _) => "apigateway:POST".to_owned(),
        ("sesv2", operation) => format!("ses:{operation}"),
        (service, operation) => format!("{service}:{operation}"),
    }
}

/// Whether a text is what a pattern with stars means.
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, rest)) => text.strip_prefix(begin).is_some_and(|text| {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }),
    }
}

/// A function's settings and the version that is made of it.
#[derive(Debug, Deserialize)]
struct Aliased {
    settings: Value,
    version: Value,
}

/// Without a new version an alias goes on with the old one; and where nothing of the function changes, Lambda has no
/// new version to make, and the deployment fails.
#[test]
fn a_function_with_an_alias_has_a_new_version_where_a_parameter_changes_it_and_nowhere_else() {
    let template = template();
    let longest = longest();
    let with = |name: &str, value: &str| {
        let mut given = required();
        given.insert(name.to_owned(), value.to_owned());
        given
    };
    let layer =
        |of: &str| with("ExtraRootLayer", &format!("arn:aws:lambda:ap-northeast-1:{of}").replace('/', ":layer:"));
    let mut pairs: Vec<[Parameters; 2]> = longest.iter().map(|(name, value)| [required(), with(name, value)]).collect();
    for other in ["123456789012/roots:2", "123456789012/other:1", "210987654321/roots:1"] {
        pairs.push([layer("123456789012/roots:1"), layer(other)]);
    }
    let stacks: Vec<_> = pairs.iter().flatten().map(|given| (&template.deployed, given)).collect();
    let told: Vec<BTreeMap<String, Aliased>> = told_by("versions.py", &stacks);
    let mut changed = 0;
    for (stacks, [before, after]) in told.chunks(2).zip(&pairs) {
        assert_eq!(stacks[0].keys().collect::<Vec<_>>(), ["OrderFinishedFunction", "WebhooksFunction"]);
        for (name, one) in &stacks[0] {
            let other = &stacks[1][name];
            let new = one.settings != other.settings;
            assert_eq!(one.version != other.version, new, "{name}: {before:?}, then {after:?}: {other:?}");
            changed += usize::from(new);
        }
    }
    assert!(changed > 15, "{changed}");
    // What nobody chooses by a parameter is in the version's logical id.
    for (name, function) in template.written("AWS::Serverless::Function") {
        let properties = &function["Properties"];
        assert_eq!(
            properties["AutoPublishAlias"] == "live",
            properties["AutoPublishAliasAllProperties"] == true,
            "{name}"
        );
    }
    let groups = template.deployed("AWS::CodeDeploy::DeploymentGroup");
    assert_eq!(groups.len(), 2);
    for group in groups.values().map(|group| &group["Properties"]) {
        assert_eq!(group["AutoRollbackConfiguration"]["Enabled"], true);
        assert_eq!(group["AlarmConfiguration"]["Alarms"].as_array().map(Vec::len), Some(2), "{group}");
    }
}

/// Two stacks in one account and region: a fixed name would let only one of them be made.
#[test]
fn nothing_has_a_name_that_another_stack_would_have_too() {
    const NAMES: [&str; 9] = [
        "Name",
        "QueueName",
        "TableName",
        "FunctionName",
        "RoleName",
        "LogGroupName",
        "TopicName",
        "AlarmName",
        "DashboardName",
    ];
    let template = template();
    for (id, resource) in template.deployed["Resources"].as_object().expect("resources") {
        // An alias is its function's.
        for name in NAMES.into_iter().filter(|_| resource["Type"] != "AWS::Lambda::Alias") {
            assert!(!resource["Properties"][name].is_string(), "{id}: {name} is {}", resource["Properties"][name]);
        }
    }
}

/// Words and numbers of API Gateway's own, and the caller's address; no path, no query, no message.
const LOGGED: [&str; 11] = [
    "${AWS::StackName}",
    "$context.requestId",
    "$context.requestTime",
    "$context.identity.sourceIp",
    "$context.routeKey",
    "$context.status",
    "$context.error.responseType",
    "$context.responseLatency",
    "$context.integrationLatency",
    "$context.integration.status",
    "$context.integration.integrationStatus",
];

#[test]
fn the_access_log_has_neither_paths_nor_people_but_where_a_call_came_from() {
    let template = template();
    let stages = template.deployed("AWS::ApiGatewayV2::Stage");
    assert_eq!(stages.len(), 1);
    for (name, stage) in stages {
        let settings = &stage["Properties"]["AccessLogSettings"];
        let group = settings["DestinationArn"]["Fn::GetAtt"][0].as_str().expect("a log group");
        let group_name = &template.deployed("AWS::Logs::LogGroup")[group]["Properties"]["LogGroupName"]["Fn::Sub"];
        let group_name = group_name.as_str().expect("a name");
        assert!(group_name.starts_with("/aws/vendedlogs/${AWS::StackName}/"), "{name}: {group_name}");
        let format = settings["Format"]["Fn::Sub"].as_str().expect("a format made with Fn::Sub");
        let format: BTreeMap<String, String> = serde_json::from_str(format).expect("JSON, every value in quotes");
        // A filter reads nothing of a line that is not JSON: so no text that may have a quote in it, and nothing
        // without quotes, because what is not known stands there as a bare `-`.
        for (key, value) in &format {
            assert!(LOGGED.contains(&value.as_str()), "{name}: {key} is {value}");
        }
        assert_eq!(format.len(), LOGGED.len(), "{name}");
        // What errors are counted by: `{ ($.routeKey = "POST /some/*") && ($.status = "5*") }`.
        let apis = template.deployed("AWS::ApiGatewayV2::Api");
        let routes: Vec<String> = apis
            .values()
            .flat_map(|api| api["Properties"]["Body"]["paths"].as_object().into_iter().flatten())
            .flat_map(|(path, operations)| {
                let methods = operations.as_object().into_iter().flatten();
                methods.map(move |(method, _)| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        for (filter, resource) in template.deployed("AWS::Logs::MetricFilter") {
            assert_eq!(resource["Properties"]["LogGroupName"]["Ref"], group, "{filter}");
            let pattern = resource["Properties"]["FilterPattern"].as_str().expect("a pattern");
            let parts: Vec<_> = pattern.trim_matches(['{', '}', ' ']).split(" && ").collect();
            let values: BTreeMap<_, _> = parts
                .iter()
                .filter_map(|part| part.strip_prefix("($.")?.strip_suffix("\")")?.split_once(" = \""))
                .collect();
            assert_eq!(values.keys().collect::<Vec<_>>(), [&"routeKey", &"status"], "{filter}: {pattern}");
            assert!(values.keys().all(|field| format.contains_key(*field)), "{filter}: {pattern}");
            let route = values["routeKey"];
            let counts = |one: &String| route.strip_suffix('*').map_or(one == route, |begin| one.starts_with(begin));
            assert!(routes.iter().any(counts), "{filter}: no route is {route}");
        }
        let limits = &stage["Properties"]["DefaultRouteSettings"];
        assert!(limits["ThrottlingRateLimit"]["Ref"].is_string() && limits["ThrottlingBurstLimit"]["Ref"].is_string());
    }
}

/// A route's settings take the place of the default ones as a whole, and those of a route that is not there make the
/// deployment fail.
#[test]
fn every_kind_of_caller_has_limits_of_its_own() {
    let template = template();
    let functions = template.written("AWS::Serverless::Function");
    let events =
        functions.values().flat_map(|function| function["Properties"]["Events"].as_object().into_iter().flatten());
    let routes: BTreeSet<String> = events
        .filter(|(_, event)| event["Type"] == "HttpApi")
        .map(|(_, event)| {
            let text = |name: &str| event["Properties"][name].as_str().expect("a text").to_owned();
            format!("{} {}", text("Method"), text("Path"))
        })
        .collect();
    for api in template.written("AWS::Serverless::HttpApi").values() {
        let settings = api["Properties"]["RouteSettings"].as_object().expect("settings of routes");
        for (route, limits) in settings {
            assert!(routes.contains(route), "there is no {route}");
            let named: BTreeSet<&str> = limits.as_object().expect("limits").keys().map(String::as_str).collect();
            assert_eq!(named, ["ThrottlingBurstLimit", "ThrottlingRateLimit"].into(), "{route}");
        }
        // Whoever needs no key, or has one that is no operator's.
        let open = ["/orders/finished", "/webhooks/", "/login", "/console"];
        for route in routes.iter().filter(|route| open.iter().any(|path| route.contains(path))) {
            assert!(settings.contains_key(route), "{route} has the operators' limits");
        }
    }
}

#[test]
fn every_alarm_wakes_somebody_and_has_a_page_in_the_runbook() {
    let template = template();
    const RUNBOOK: &str = "functions/operations/README.md";
    let runbook = std::fs::read_to_string(repository().join(RUNBOOK)).expect("the runbook");
    let (_, about_alarms) = runbook.split_once("\n## Alarms\n").expect("the part Alarms");
    let about_alarms = about_alarms.split("\n## ").next().unwrap_or_default();
    let mut headings: BTreeSet<&str> = about_alarms.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alarms = template.deployed("AWS::CloudWatch::Alarm");
    assert!(alarms.len() >= 15);
    for (name, alarm) in alarms.iter().chain(&template.deployed("AWS::CloudWatch::CompositeAlarm")) {
        let properties = &alarm["Properties"];
        assert_eq!(properties["AlarmActions"], json!([{ "Ref": "AlarmTopic" }]), "{name}");
        assert_ne!(properties["ActionsEnabled"], json!(false), "{name}");
        let heading = in_words(name.strip_suffix("Alarm").expect("its name ends in Alarm"));
        assert!(headings.remove(heading.as_str()), "{RUNBOOK}: no heading ### {heading}");
        let description = properties["AlarmDescription"].as_str().expect("a description");
        assert!(description.ends_with(&format!(" {RUNBOOK}, {heading}.")), "{name}: {description}");
    }
    for (name, alarm) in alarms {
        let properties = &alarm["Properties"];
        for needed in ["TreatMissingData", "ComparisonOperator", "EvaluationPeriods", "Threshold"] {
            assert!(!properties[needed].is_null(), "{name}: {needed}");
        }
        let metrics = properties["Metrics"].as_array().into_iter().flatten();
        assert!(metrics.clone().count() <= MAX_METRICS_OF_AN_ALARM + 1, "{name}");
        // One value comes of it, and every metric has its part in it.
        let expressions: Vec<_> = metrics.clone().filter_map(|query| query["Expression"].as_str()).collect();
        for query in metrics.filter(|query| !query["MetricStat"].is_null()) {
            let part = query["Id"].as_str().expect("an id");
            let [expression] = expressions[..] else { panic!("{name}: {expressions:?}") };
            let mut words = expression.split(|letter: char| !letter.is_ascii_alphanumeric());
            assert!(words.any(|word| word == part), "{name}: {part}");
            assert!(!expression.contains('+'), "{name}: missing where one part is; SUM([…]) counts that as none");
            assert_eq!(query["ReturnData"], false, "{name}: {part}");
        }
    }
    assert!(headings.is_empty(), "headings without an alarm: {headings:?}");
}

/// `PushRetryDeadLetters` → `Push retry dead letters`.
fn in_words(name: &str) -> String {
    name.chars().enumerate().fold(String::new(), |mut words, (place, letter)| {
        if place > 0 && letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(if place > 0 { letter.to_ascii_lowercase() } else { letter });
        words
    })
}

#[test]
fn every_metric_that_is_looked_at_is_one_that_is_told() {
    let template = template();
    let stack = [json!({ "Ref": "AWS::StackName" }).to_string(), "${AWS::StackName}".to_owned()];
    let mut told: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for metric in Metric::ALL {
        let sets = metric.dimensions().iter().map(|set| set.iter().map(|name| (*name).to_owned()).collect());
        told.entry(metric.name().to_owned()).or_default().extend(sets);
    }
    for (name, filter) in template.deployed("AWS::Logs::MetricFilter") {
        let transformation = &filter["Properties"]["MetricTransformations"][0];
        assert_eq!(transformation["MetricNamespace"], NAMESPACE, "{name}");
        let dimensions = transformation["Dimensions"].as_array().expect("dimensions");
        let names = dimensions.iter().map(|one| one["Key"].as_str().expect("a key").to_owned()).collect();
        told.entry(transformation["MetricName"].as_str().expect("a name").to_owned()).or_default().push(names);
    }
    let mut seen = BTreeSet::new();
    for metric in template.metrics().into_iter().filter(|metric| metric.namespace == NAMESPACE) {
        let sets = told.get(&metric.name).unwrap_or_else(|| panic!("nobody tells {metric:?}"));
        let names: BTreeSet<&String> = metric.dimensions.keys().collect();
        assert!(sets.iter().any(|set| set.iter().collect::<BTreeSet<_>>() == names), "told by {sets:?}: {metric:?}");
        assert!(stack.contains(&metric.dimensions["stack"]), "another stack's: {metric:?}");
        if let Some(reason) = metric.dimensions.get("reason") {
            let reasons = [Reason::RefusedByLine, Reason::QuotaExhausted, Reason::NotLinked, Reason::RetryKeyExpired];
            assert!(reasons.iter().any(|one| one.name() == reason), "no delivery fails for {reason}");
        }
        if let Some(issuer) = metric.dimensions.get("issuer") {
            assert!(["line", "sobot"].contains(&issuer.as_str()), "{issuer}");
        }
        seen.insert(metric.name);
    }
    let unseen: Vec<_> = told.keys().filter(|name| !seen.contains(*name)).collect();
    assert!(unseen.is_empty(), "paid for, and neither on the dashboard nor in an alarm: {unseen:?}");
}

/// The logical id of the function that a metric of Lambda's is about.
fn function_of(metric: &MetricReference) -> String {
    let function = &metric.dimensions["FunctionName"];
    let named: Value = serde_json::from_str(function).unwrap_or_default();
    named["Ref"].as_str().unwrap_or(function.trim_matches(['$', '{', '}'])).to_owned()
}

#[test]
fn no_function_fails_unseen() {
    let template = template();
    // What may not be there has alarms that are not there either, and no place on the dashboard.
    let functions_with = |condition: &Value| -> BTreeSet<String> {
        let functions = template.deployed("AWS::Lambda::Function").into_iter();
        functions.filter(|(_, one)| one["Condition"] == *condition).map(|(id, _)| id.to_owned()).collect()
    };
    let alarms = template.deployed("AWS::CloudWatch::Alarm");
    let dashboards = template.deployed("AWS::CloudWatch::Dashboard");
    assert_eq!(dashboards.len(), 1);
    assert!(dashboard_body(dashboards.values().next().expect("one"))["widgets"].as_array().expect("widgets").len() > 9);
    let metrics = template.metrics();
    // Of what schedules start one is started every minute: another alarm counts its invocations, of which a throttled
    // one is none.
    let counted: BTreeSet<String> = metrics
        .iter()
        .filter(|metric| metric.name == "Invocations" && metric.by.ends_with("Alarm"))
        .map(function_of)
        .collect();
    let is_scheduled = |function: &Value| {
        let events = function["Properties"]["Events"].as_object();
        events.is_some_and(|events| events.values().any(|event| event["Type"] == "ScheduleV2"))
    };
    let functions = template.written("AWS::Serverless::Function");
    let scheduled: BTreeSet<String> =
        functions.iter().filter(|(_, one)| is_scheduled(one)).map(|(id, _)| (*id).to_owned()).collect();
    assert!(!counted.is_empty() && counted.is_subset(&scheduled), "{counted:?} {scheduled:?}");
    for name in ["Errors", "Throttles", "Duration"] {
        for by in metrics.iter().filter(|metric| metric.name == name).map(|metric| &metric.by).collect::<BTreeSet<_>>()
        {
            let watched: BTreeSet<String> = metrics
                .iter()
                .filter(|metric| metric.name == name && metric.by == *by && metric.namespace == "AWS/Lambda")
                .map(function_of)
                .collect();
            let condition = alarms.get(by.as_str()).map_or(&Value::Null, |alarm| &alarm["Condition"]);
            let functions = functions_with(condition);
            let needed = match name {
                "Throttles" if by.ends_with("Alarm") => &functions - &scheduled,
                _ => functions,
            };
            assert_eq!(watched, needed, "{by}: {name}");
        }
    }
    let by = |name| metrics.iter().filter(|metric| metric.name == name).map(|metric| metric.by.as_str()).collect();
    let of: [BTreeSet<&str>; 2] = ["Errors", "Throttles"].map(by);
    assert_eq!(of.map(|by| by.len()), [3, 3], "an alarm, that of the optional function, and the dashboard");
}

#[test]
fn every_route_wants_a_key() {
    story(async |stand| {
        let template = template();
        let apis = template.deployed("AWS::ApiGatewayV2::Api");
        let mut open: BTreeSet<&str> = WITHOUT_A_KEY.into();
        let mut closed = 0;
        for (path, operations) in apis.values().flat_map(|api| api["Properties"]["Body"]["paths"].as_object()).flatten()
        {
            for method in operations.as_object().expect("operations").keys() {
                let route = format!("{} {path}", method.to_uppercase());
                if open.remove(route.as_str()) {
                    continue;
                }
                closed += 1;
                let address = format!("{}{}", stand.aws.api_url(), path.replace(['{', '}'], ""));
                for key in [None, Some(random_key()), Some(String::new())] {
                    let method = method.to_uppercase().parse().expect("a method");
                    let mut request = stand.http.request(method, &address).header("content-type", "application/json");
                    if let Some(key) = &key {
                        request = request.header("authorization", format!("Bearer {key}"));
                    }
                    let answer = request.body("{}").send().await.expect("the API answers");
                    let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
                    let shown = (answer.status().as_u16(), content_type.unwrap_or_default().to_owned());
                    assert_eq!(shown, (401, "application/problem+json".to_owned()), "{route} with {key:?}");
                    let problem: Value = serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("JSON");
                    assert_eq!((&problem["status"], problem["title"].is_string()), (&json!(401), true), "{route}");
                }
            }
        }
        assert!(closed >= 1);
        assert!(open.is_empty(), "no such routes: {open:?}");
    });
}
