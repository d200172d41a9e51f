//! The template's resources, made in an emulator of other authors than the one that every other story runs on.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    sdk_validation::{counts_of, longest, required, told_by},
    template::template,
};

/// What became of a template and its parameters.
#[derive(Debug, Deserialize)]
struct Made {
    /// What the emulator would not make, and whose it is.
    refused: Vec<String>,
    /// What it has not.
    unknown: Vec<String>,
    /// How many of each kind stand there afterwards.
    listed: BTreeMap<String, usize>,
}

#[test]
fn a_second_emulator_makes_the_whole_stack_with_every_parameter_and_with_none() {
    let template = template();
    let mut stacks = [required(), longest()];
    // What is published there beforehand is a layer's first version.
    let layer = stacks[1].get_mut("ExtraRootLayer").expect("a layer's version");
    *layer = format!("{}:1", layer.rsplit_once(':').expect("its number").0);
    let made: Vec<Made> = told_by("second_emulator.py", &stacks.each_ref().map(|given| (&template.deployed, given)));
    let [least, most] = &made[..] else { panic!("two stacks") };
    for made in [least, most] {
        assert_eq!(made.refused, [""; 0]);
        assert_eq!(made.unknown, ["cloudwatch.PutCompositeAlarm", "sesv2.CreateConfigurationSetEventDestination"]);
    }
    for (listed, of) in [
        ("apigatewayv2.get_apis", "AWS::ApiGatewayV2::Api"),
        ("cloudwatch.describe_alarms", "AWS::CloudWatch::Alarm"),
        ("codedeploy.list_applications", "AWS::CodeDeploy::Application"),
        ("dynamodb.list_tables", "AWS::DynamoDB::Table"),
        ("iam.list_roles", "AWS::IAM::Role"),
        ("lambda.list_event_source_mappings", "AWS::Lambda::EventSourceMapping"),
        ("lambda.list_functions", "AWS::Lambda::Function"),
        ("logs.describe_log_groups", "AWS::Logs::LogGroup"),
        ("logs.describe_metric_filters", "AWS::Logs::MetricFilter"),
        ("scheduler.list_schedules", "AWS::Scheduler::Schedule"),
        ("secretsmanager.list_secrets", "AWS::SecretsManager::Secret"),
        ("sns.list_subscriptions", "AWS::SNS::Subscription"),
        ("sns.list_topics", "AWS::SNS::Topic"),
        ("sqs.list_queues", "AWS::SQS::Queue"),
    ] {
        assert_eq!([least.listed[listed], most.listed[listed]], counts_of(of), "{listed}");
    }
    // A route for each operation, and none twice: one API has them all.
    let apis = template.deployed("AWS::ApiGatewayV2::Api");
    let routes = apis.values().flat_map(|api| {
        let paths = api["Properties"]["Body"]["paths"].as_object().expect("paths");
        paths.values().flat_map(|operations| operations.as_object().expect("operations").keys())
    });
    assert_eq!(least.listed["apigatewayv2.get_routes"], routes.count());
}
