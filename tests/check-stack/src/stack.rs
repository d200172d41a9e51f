//! The stack as CloudFormation tells it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use roxmltree::Document;

use crate::{
    aws::{SignedCalls, pairs_of, text_of},
    finding::Finding,
};

/// A deployed stack.
#[derive(Debug)]
pub(crate) struct Stack {
    name: String,
    status: String,
    is_protected: bool,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

impl Stack {
    pub(crate) async fn read(calls: &SignedCalls<'_>, name: &str) -> anyhow::Result<Self> {
        let query = [("Action", "DescribeStacks"), ("Version", "2010-05-15"), ("StackName", name)];
        let answer = calls.query("cloudformation", &query).await?;
        let xml = Document::parse(&answer).context("CloudFormation's answer is no XML")?;
        Ok(Self {
            name: name.to_owned(),
            status: text_of(&xml, "StackStatus").to_owned(),
            is_protected: text_of(&xml, "EnableTerminationProtection") == "true",
            outputs: pairs_of(&xml, ["OutputKey", "OutputValue"]).into_iter().collect(),
            parameters: pairs_of(&xml, ["ParameterKey", "ParameterValue"]).into_iter().collect(),
        })
    }

    pub(crate) fn output(&self, name: &str) -> anyhow::Result<&str> {
        let output = self.outputs.get(name).map(String::as_str);
        output.with_context(|| format!("the stack has no output {name}"))
    }

    /// The outputs whose names end so.
    pub(crate) fn outputs_ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        let outputs = self.outputs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        outputs.filter_map(move |(name, value)| Some((name.strip_suffix(end)?, value)))
    }

    pub(crate) fn parameter(&self, name: &str) -> anyhow::Result<&str> {
        let parameter = self.parameters.get(name).map(String::as_str);
        parameter.with_context(|| format!("the stack has no parameter {name}"))
    }

    /// Whether it has nothing that could be looked at: it was never made whole.
    pub(crate) fn is_empty(&self) -> bool {
        self.outputs.is_empty()
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let Self { name, status, .. } = self;
        let complete = ["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(&status.as_str());
        let remedy = match status.as_str() {
            // CloudFormation changes no such stack any more.
            "ROLLBACK_COMPLETE" => format!("aws cloudformation delete-stack --stack-name {name}, and sam deploy again"),
            _ => format!("see its events: aws cloudformation describe-stack-events --stack-name {name}"),
        };
        let protect = format!(
            "aws cloudformation update-termination-protection --stack-name {name} --enable-termination-protection"
        );
        let tables = "deletion protection of the tables";
        let is_on = self.parameter("DeletionProtection").map(|is_on| {
            Finding::advise(tables, is_on == "true", "DeletionProtection=true in samconfig.toml, and sam deploy")
        });
        vec![
            Finding::expect("stack", complete, format!("it is {status}: {remedy}")),
            Finding::advise("termination protection", self.is_protected, protect),
            Finding::or_failed(tables, is_on, "sam build && sam deploy"),
        ]
    }
}
