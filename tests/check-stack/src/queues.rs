//! The queues and the stream of the links, and what takes from them.

use aws_config::SdkConfig;
use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
use shared::aws::error::Cause;

use crate::{aws::SignedCalls, finding::Finding, stack::Stack};

pub(crate) async fn findings(aws: &SdkConfig, calls: &SignedCalls<'_>, stack: &Stack) -> anyhow::Result<Vec<Finding>> {
    let sqs = aws_sdk_sqs::Client::new(aws);
    let mut findings = Vec::new();
    for (name, url) in stack.outputs_ending("DeadLetterQueueUrl") {
        let what = format!("dead letters of {name}");
        let asked = sqs.get_queue_attributes().queue_url(url).attribute_names(ApproximateNumberOfMessages).send().await;
        findings.push(match asked {
            Ok(answer) => {
                let count = answer.attributes().and_then(|all| all.get(&ApproximateNumberOfMessages).cloned());
                let count = count.unwrap_or_default();
                let remedy = format!("{count} wait: functions/operations/README.md, Alarms");
                Finding::expect(what, count == "0", remedy)
            }
            Err(error) => Finding::failed(what, Cause::from(error), "May you call sqs:GetQueueAttributes?"),
        });
    }
    let mut taking = Vec::new();
    for function in ["PushRetry", "Inbox", "QuotaWarning", "DailyReport"] {
        taking.push((format!("queue of {function}"), stack.output(&format!("{function}FunctionName"))?));
    }
    // Where the app is not told of links there is none.
    let optional = stack.outputs_ending("LinkCallbackFunctionName");
    taking.extend(optional.map(|(_, name)| ("stream of the links".to_owned(), name)));
    for (what, name) in taking {
        let found = mapping(calls, &what, name).await;
        findings.push(Finding::or_failed(&what, found, "May you call lambda:ListEventSourceMappings?"));
    }
    Ok(findings)
}

async fn mapping(calls: &SignedCalls<'_>, what: &str, function: &str) -> anyhow::Result<Finding> {
    let mappings = calls.get("lambda", &format!("/2015-03-31/event-source-mappings?FunctionName={function}")).await?;
    let mappings = mappings["EventSourceMappings"].as_array().cloned().unwrap_or_default();
    let states: Vec<_> = mappings.iter().filter_map(|mapping| mapping["State"].as_str()).collect();
    let remedy = format!("the mapping of {function} is {states:?}: enable it in Lambda's console");
    Ok(Finding::expect(what, states == ["Enabled"], remedy))
}
