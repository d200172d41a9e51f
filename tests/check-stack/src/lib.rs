//! Whether a deployed stack is in order: every public door with good and bad keys, LINE, the account, the queues.
//!
//! * [`finding`] - what was looked at, and what to do about it
//! * [`signed_in`] - as whom
//!
//! It sends no message, and changes nothing but LINE's token, which it renews as a function would. Its bad keys are
//! few, so that no alarm rings for them; its order has a status that is ignored.

mod account;
mod aws;
mod doors;
pub mod finding;
mod line;
mod queues;
pub mod signed_in;
mod stack;

use aws_config::SdkConfig;

pub use crate::finding::{Finding, Standing};
use crate::{aws::SignedCalls, stack::Stack};

/// Checks this stack. `api_url`: the API's own domain, where it has one in the place of the output `ApiUrl`. Whatever
/// cannot be looked at is found to be wrong, and the rest is looked at all the same.
pub async fn check(aws: &SdkConfig, name: &str, api_url: Option<&str>) -> Vec<Finding> {
    let described = async {
        let calls = SignedCalls::new(aws)?;
        let stack = Stack::read(&calls, name).await?;
        anyhow::Ok((calls, stack))
    };
    let (calls, stack) = match described.await {
        Ok(described) => described,
        Err(error) => {
            let remedy = "Is that its name, is it in this region (aws configure get region), and in this account (aws \
                          sts get-caller-identity)?";
            return vec![Finding::failed("stack", error, remedy)];
        }
    };
    let mut findings = stack.findings();
    if stack.is_empty() {
        return findings;
    }
    let parts = [
        ("doors", doors::findings(aws, &stack, api_url).await),
        ("LINE", line::findings(aws, &stack).await),
        ("account", account::findings(aws, &calls, &stack).await),
        ("queues", queues::findings(aws, &calls, &stack).await),
    ];
    for (part, found) in parts {
        let failed = |error| vec![Finding::failed(part, error, "Is it a stack of this template?")];
        findings.extend(found.unwrap_or_else(failed));
    }
    findings
}
