//! Whether a deployed stack is in order: every public door with good and bad keys, LINE, the account, the queues.
//!
//! * [`finding`] - what was looked at, and what to do about it
//!
//! It sends no message, and changes nothing but LINE's token, which it renews as a function would. Its bad keys are
//! few, so that no alarm rings for them; its order has a status that is ignored.

mod account;
mod aws;
mod doors;
pub mod finding;
mod line;
mod queues;
mod stack;

use aws_config::SdkConfig;

pub use crate::finding::{Finding, Standing};
use crate::{aws::SignedCalls, stack::Stack};

/// Checks this stack. `api_url`: the API's own domain, where it has one in the place of the output `ApiUrl`.
pub async fn check(aws: &SdkConfig, name: &str, api_url: Option<&str>) -> anyhow::Result<Vec<Finding>> {
    let calls = SignedCalls::new(aws)?;
    let stack = Stack::read(&calls, name).await?;
    let mut findings = stack.findings()?;
    findings.extend(doors::findings(aws, &stack, api_url).await?);
    findings.extend(line::findings(aws, &stack).await?);
    findings.extend(account::findings(aws, &calls, &stack).await?);
    findings.extend(queues::findings(aws, &calls, &stack).await?);
    Ok(findings)
}
