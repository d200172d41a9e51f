//! What CloudFormation would call AWS's services with, held against the AWS SDK's own models of them, and against what
//! AWS's pages say beyond.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::Stdio,
};

use local_stand::{aws::emulator::prepare, repository, stand::ONLY_HERE};
use regex::Regex;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::template::template;

/// What became of a template and its parameters.
#[derive(Debug, Deserialize)]
struct Validated {
    /// How often each operation is called, such as `sqs.CreateQueue`.
    calls: BTreeMap<String, usize>,
    /// What AWS would refuse, and whose it is.
    findings: Vec<String>,
}

pub type Parameters = BTreeMap<String, String>;

fn validated(stacks: &[(&Value, &Parameters)]) -> Vec<Validated> {
    told_by("sdk_validation.py", stacks)
}

/// What a program of `tests/stand/src/aws/` says of templates and their parameters.
pub fn told_by<T: DeserializeOwned>(program: &str, stacks: &[(&Value, &Parameters)]) -> Vec<T> {
    let mut python = prepare().expect("the environment of the tests").python();
    python.arg(repository().join("tests/stand/src/aws").join(program));
    let mut running = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let stacks = stacks.iter().map(|(template, parameters)| json!({ "template": template, "parameters": parameters }));
    let stacks = stacks.collect::<Value>().to_string();
    running.stdin.take().expect("a pipe").write_all(stacks.as_bytes()).expect("it reads");
    let output = running.wait_with_output().expect("it ends");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// How many resources of this type there are without any condition, and in all.
pub fn counts_of(resource_type: &str) -> [usize; 2] {
    let resources = template().deployed(resource_type);
    let without_a_condition = resources.values().filter(|one| one["Condition"].is_null()).count();
    [without_a_condition, resources.len()]
}

/// The parameters that have no default, and no others.
pub fn required() -> Parameters {
    let declared = template().written["Parameters"].as_object().expect("parameters");
    let required = declared.iter().filter(|(_, rules)| rules["Default"].is_null());
    required.map(|(name, _)| (name.clone(), "report@example.com".to_owned())).collect()
}

/// The parameters that are texts: how each may begin, and what makes it longer, as often as its `MaxLength` lets it.
const TEXTS: [(&str, &str, &str); 15] = [
    ("AlarmEmail", "oncall@notifications.example", ""),
    ("DetailUrlHosts", "app.example", ",app.example"),
    ("Environment", "production-of-japan-", ""),
    ("ExtraRootLayer", "arn:aws:lambda:ap-northeast-1:123456789012:layer:the-roots-of-our-private-network:999999", ""),
    ("LinkCallbackUrl", "https://app.example/links", ""),
    ("LoginCallbackUrl", "https://line.example/login/", "x"),
    ("LoginReturnUrls", "https://app.example/orders", ",https://app.example/orders"),
    ("OfficialAccountId", "@0123456789abcdef0123456789abcdef", ""),
    ("ReportRecipients", "statistics@example.com", ",statistics@example.com"),
    ("ReportSender", "the-daily-report-of-the-rentals@notifications.example.", "x"),
    ("RunbookUrl", "https://git.example/", "x"),
    ("SobotApiBase", "https://sobot.", "x"),
    ("SobotTokensTable", "line-notifications-united-states-TokensTable-AbCdEfGhIjKl", "x"),
    ("WarmWriteUnits", "999999", ""),
    ("WarningThresholds", "100", ",100"),
];

/// Each parameter but those for tests as long, or as much, as its rule lets it be, and not as its default.
pub fn longest() -> Parameters {
    let as_text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut texts = BTreeMap::from(TEXTS.map(|(name, begin, more)| (name, (begin, more))));
    let mut longest = Parameters::new();
    for (name, rules) in template().written["Parameters"].as_object().expect("parameters") {
        if rules["Description"].as_str().is_some_and(|description| description.ends_with(" is for tests.")) {
            continue;
        }
        let value = if let Some(allowed) = rules["AllowedValues"].as_array() {
            let others = allowed.iter().map(as_text).filter(|value| *value != as_text(&rules["Default"]));
            others.max_by_key(String::len).expect("another value")
        } else if rules["Type"] == "Number" {
            rules["MaxValue"].as_u64().unwrap_or(1_000_000).to_string()
        } else {
            let (begin, more) = texts.remove(name.as_str()).unwrap_or_else(|| panic!("TEXTS has no {name}"));
            let most = rules["MaxLength"].as_u64().map_or(0, |most| usize::try_from(most).expect("a length"));
            let times = most.saturating_sub(begin.len()).checked_div(more.len()).unwrap_or(0);
            format!("{begin}{}", more.repeat(times))
        };
        longest.insert(name.clone(), value);
    }
    assert!(texts.is_empty(), "no such parameters: {texts:?}");
    longest
}

/// What CloudFormation calls, each once, such as `sqs.CreateQueue`, with every parameter set.
pub fn calls_with_every_parameter() -> BTreeSet<String> {
    let [made] = validated(&[(&template().deployed, &longest())]).try_into().expect("one stack");
    made.calls.into_keys().collect()
}

#[test]
fn the_services_take_what_the_template_asks_of_them_with_every_parameter_and_with_none() {
    let template = template();
    let (required, longest) = (required(), longest());
    let [least, most] = &validated(&[(&template.deployed, &required), (&template.deployed, &longest)])[..] else {
        panic!("two stacks")
    };
    assert_eq!([&least.findings, &most.findings], [&Vec::<String>::new(), &Vec::new()]);
    // Nothing is passed over: what a resource of the template is made with, and what only a parameter asks for.
    for (of, call) in [
        ("AWS::CloudWatch::Alarm", "cloudwatch.PutMetricAlarm"),
        ("AWS::DynamoDB::Table", "dynamodb.CreateTable"),
        ("AWS::Lambda::Function", "lambda.CreateFunction"),
    ] {
        assert_eq!([least.calls[call], most.calls[call]], counts_of(of), "{call}");
    }
    assert!(least.calls["apigatewayv2.CreateRoute"] > 20, "{:?}", least.calls);
    let of = |validated: &Validated| validated.calls.keys().cloned().collect::<BTreeSet<_>>();
    let by_a_parameter: Vec<_> = of(most).difference(&of(least)).cloned().collect();
    assert_eq!(by_a_parameter, ["lambda.PutFunctionConcurrency", "sns.Subscribe"]);
}

/// Whoever sets one of these by mistake sends orders and keys elsewhere, or in the clear, or a message twice.
#[test]
fn what_only_the_stand_sets_cannot_be_deployed() {
    let parameters = template().written["Parameters"].as_object().expect("parameters");
    for (name, rules) in parameters {
        if rules["Description"].as_str().is_some_and(|description| description.ends_with(" is for tests.")) {
            assert_eq!(rules["AllowedValues"], json!([rules["Default"]]), "{name}");
        }
        // A link in a mail, to a Git server of your own.
        let accepts_http = rules["AllowedPattern"].as_str().is_some_and(|pattern| {
            let pattern = Regex::new(&format!("^(?:{pattern})$")).expect("a pattern");
            ["http://localhost:30000/x", "http://127.0.0.1:30000", "http://app.example/x"]
                .iter()
                .any(|address| pattern.is_match(address))
        });
        assert!(!accepts_http || name == "RunbookUrl", "{name}");
    }
    let set_here = |name: &str| match name {
        "RetryDelaySeconds" => "39",
        "LoginCallbackUrl" | "LinkCallbackUrl" => "http://localhost:30000/x",
        _ => "http://127.0.0.1:30000",
    };
    for name in ONLY_HERE {
        let mut given = required();
        given.insert(name.to_owned(), set_here(name).to_owned());
        let [Validated { findings, .. }] = &validated(&[(&template().deployed, &given)])[..] else { panic!("one") };
        assert!(findings.iter().any(|finding| finding.starts_with(&format!("{name}: "))), "{name}: {findings:?}");
    }
}

/// A mistake in the template: where, what stands there then (nothing: it is taken away), and what is said of it.
type Mistake = (&'static str, Value, &'static str);

#[test]
fn every_kind_of_mistake_is_found() {
    let long = |length: usize| Value::String("x".repeat(length));
    let statement = json!({ "Sid": "x", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": long(11_000) });
    let alarm = |field: &str| format!("/Resources/PushRetryDeadLettersAlarm/Properties/{field}").leak() as &'static str;
    let function = |field: &str| format!("/Resources/InboxFunction/Properties/{field}").leak() as &'static str;
    let mistakes: Vec<Mistake> = vec![
        // Names, types, what is required.
        (
            function("Rntime"),
            json!("x"),
            "InboxFunction: lambda.CreateFunction: Unknown parameter in input: \"Rntime\"",
        ),
        (
            function("Timeout"),
            json!("thirty"),
            "InboxFunction: lambda.CreateFunction: Invalid type for parameter Timeout",
        ),
        (function("Role"), Value::Null, "Missing required parameter in input: \"Role\""),
        // The least, the most, patterns, words.
        (function("Timeout"), json!(0), "Invalid value for parameter Timeout, value: 0, valid min value: 1"),
        (
            function("Description"),
            long(257),
            "InboxFunction: lambda.CreateFunction: Description: length 257, the most is 256",
        ),
        (function("Runtime"), json!("provided.al2025"), "Runtime: 'provided.al2025' is not one of"),
        (
            function("LoggingConfig/LogFormat"),
            json!("json"),
            "LoggingConfig.LogFormat: 'json' is not one of JSON, Text",
        ),
        (alarm("ComparisonOperator"), json!("GreaterThan"), "ComparisonOperator: 'GreaterThan' is not one of"),
        (alarm("AlarmDescription"), long(1_025), "AlarmDescription: length 1025, the most is 1024"),
        (
            "/Resources/TokensTable/Properties/KeySchema/0/AttributeName",
            Value::String(String::new()),
            "TokensTable: dynamodb.CreateTable: Invalid length for parameter KeySchema[0].AttributeName, value: 0",
        ),
        (
            "/Resources/DailyReportFunctionAtNine/Properties/FlexibleTimeWindow/Mode",
            json!("NONE"),
            "scheduler.CreateSchedule: FlexibleTimeWindow.Mode: 'NONE' is not one of",
        ),
        (
            "/Resources/InboxQueue/Properties/Delay",
            json!(1),
            "InboxQueue: sqs.CreateQueue: Attributes (key: Delay): 'Delay' is",
        ),
        (
            "/Resources/OrderKeySecret/Properties/GenerateSecretString/PasswordLength",
            json!(5_000),
            "OrderKeySecret: secretsmanager.GetRandomPassword: PasswordLength: value 5000, the most is 4096",
        ),
        (
            "/Resources/MailEvents/Properties/EventDestination/MatchingEventTypes/0",
            json!("bounced"),
            "sesv2.CreateConfigurationSetEventDestination: EventDestination.MatchingEventTypes[0]: 'BOUNCED'",
        ),
        // What only AWS's pages say.
        (
            "/Resources/InboxQueue/Properties/MessageRetentionPeriod",
            json!(1_209_601),
            "InboxQueue: MessageRetentionPeriod: 1209601, the most is 1209600",
        ),
        (
            "/Resources/InboxFunctionRole/Properties/Policies/0/PolicyDocument/Statement/0",
            statement,
            "InboxFunctionRole: characters of the inline policies: ",
        ),
        (
            function("Environment/Variables/ONE_MORE"),
            long(3_000),
            "InboxFunction: bytes of the environment's variables: ",
        ),
        (
            function("Environment/Variables/AWS_REGION"),
            json!("ap-northeast-1"),
            "InboxFunction: variables that are Lambda's own: 1",
        ),
        (function("Timeout"), json!(900), "InboxFunctionInboxQueue: seconds that a message is hidden: "),
        (
            "/Resources/InboxFunctionInboxQueue/Properties/BatchSize",
            json!(11),
            "messages of a batch that waits for none: 11",
        ),
        (alarm("Period"), json!(90), "PushRetryDeadLettersAlarm: seconds beyond whole minutes: 30, the most is 0"),
        (alarm("EvaluationPeriods"), json!(1_441), "seconds that an alarm looks at: 86460, the most is 86400"),
        (
            "/Resources/TokensTable/Properties/AttributeDefinitions/0/AttributeName",
            json!("isuer"),
            "TokensTable: attributes that are declared or a key, and not both: 2",
        ),
        ("/Description", long(1_025), "template: bytes of the description: 1025"),
        // References.
        (function("Role"), json!({ "Ref": "Nobody" }), "InboxFunction: a reference to Nobody, which is not there"),
        (
            function("Role"),
            json!({ "Fn::GetAtt": ["InboxQueue", "Arm"] }),
            "InboxFunction: InboxQueue has no attribute Arm",
        ),
        (function("Role"), json!({ "Fn::Base64": "x" }), "InboxFunction: Fn::Base64"),
        ("/Resources/InboxQueue/Type", json!("AWS::SQS::Que"), "InboxQueue: AWS::SQS::Que: nothing is known of"),
        ("/Outputs/ApiUrl/Value", json!({ "Ref": "Nobody" }), "the output ApiUrl: a reference to Nobody"),
        (
            "/Resources/OrderFinishedFunctionDeploymentGroup/Properties/AlarmConfiguration/Alarms/0/Name",
            json!({ "Ref": "FunctionErrorsAlarm" }),
            "template: a circle: ",
        ),
        (
            "/Resources/OrderFinishedFunctionDeploymentGroup/Properties/AlarmConfiguration/Alarms/0/Name",
            json!("Nobodys"),
            "OrderFinishedFunctionDeploymentGroup: alarms that the stack has not: 1",
        ),
        // Parameters.
        ("/Parameters/MaxRetries/Default", json!(11), "MaxRetries: 11 is out of its range"),
        ("/Parameters/Environment/Default", json!("Prod"), "Environment: 'Prod' does not match its pattern"),
        ("/Parameters/Country/Default", json!("XX"), "Country: 'XX' is not among its values"),
        ("/Parameters/AlarmEmail/Default", Value::Null, "AlarmEmail: it has neither a value nor a default"),
    ];
    let required = required();
    let changed: Vec<Value> = mistakes.iter().map(|(at, value, _)| with(&template().deployed, at, value)).collect();
    let stacks: Vec<_> = changed.iter().map(|template| (template, &required)).collect();
    for ((at, _, expected), Validated { findings, .. }) in mistakes.iter().zip(validated(&stacks)) {
        assert!(findings.iter().any(|finding| finding.contains(expected)), "{at}: {expected:?} is not in {findings:?}");
    }
}

/// The template with this value there, or without any.
fn with(template: &Value, at: &str, value: &Value) -> Value {
    let mut changed = template.clone();
    let (parent, name) = at.rsplit_once('/').expect("a pointer");
    let parent = changed.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {at}"));
    match (parent, value) {
        (Value::Object(fields), Value::Null) => {
            fields.remove(name).expect("it was there");
        }
        (Value::Object(fields), value) => {
            fields.insert(name.to_owned(), value.clone());
        }
        (Value::Array(items), value) => items[name.parse::<usize>().expect("a place")] = value.clone(),
        (other, _) => panic!("{at}: {other}"),
    }
    changed
}
