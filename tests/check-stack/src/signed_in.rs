//! Who is signed in to the AWS CLI. It knows every way of signing in (a console's session, IAM Identity Center, another
//! role), for each of which the SDK would need a crate more.

use std::process::Command;

use anyhow::{Context as _, ensure};
use aws_sdk_sqs::config::Credentials;
use serde::Deserialize;

/// What `aws configure export-credentials` prints (AWS: "Sourcing credentials with an external process").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// The credentials of whoever is signed in to the AWS CLI, which is this program. They last longer than the check.
pub fn credentials_of(mut aws_cli: Command) -> anyhow::Result<Credentials> {
    const OTHERWISE: &str = "no credentials of AWS: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in by \
                             `aws login`, with an AWS CLI of 2.32 or newer";
    let asked = aws_cli.args(["configure", "export-credentials", "--format", "process"]).output();
    let asked = asked.context(OTHERWISE)?;
    let complaint = String::from_utf8_lossy(&asked.stderr);
    // An old one prints all that it knows.
    let complaint = complaint.trim().lines().next().unwrap_or_default();
    ensure!(asked.status.success(), "{OTHERWISE}: {complaint}");
    // Not quoted: it holds the secret.
    let Exported { access_key_id, secret_access_key, session_token } = serde_json::from_slice(&asked.stdout)
        .map_err(|_| anyhow::anyhow!("`aws configure export-credentials` prints no credentials: update the AWS CLI"))?;
    Ok(Credentials::new(access_key_id, secret_access_key, session_token, None, "AWS CLI"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of an AWS CLI that does this.
    fn asked(does: &str) -> Result<Credentials, String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", does, "aws"]);
        credentials_of(shell).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn whoever_is_signed_in_to_the_aws_cli_is_taken() {
        let prints = r#"[ "$*" = "configure export-credentials --format process" ] && echo '{"Version": 1,
            "AccessKeyId": "an id", "SecretAccessKey": "a secret", "SessionToken": "a token",
            "Expiration": "2026-11-29T12:00:00+00:00"}'"#;
        let credentials = asked(prints).unwrap();
        assert_eq!((credentials.access_key_id(), credentials.secret_access_key()), ("an id", "a secret"));
        assert_eq!(credentials.session_token(), Some("a token"));
    }

    #[test]
    fn what_to_do_is_said_and_no_secret() {
        let out = asked("echo; echo 'Unable to retrieve credentials' >&2; exit 253").unwrap_err();
        assert!(out.contains("sign in by `aws login`") && out.ends_with(": Unable to retrieve credentials"), "{out}");
        let ancient = asked("printf '\\nusage: aws\\n\\nget | set\\n' >&2; exit 2").unwrap_err();
        assert!(ancient.ends_with("2.32 or newer: usage: aws"), "{ancient}");
        let old = asked(r#"echo '{"AccessKeyId": "an id", "SecretAccessKey": "a secret"'"#).unwrap_err();
        assert!(old.contains("update the AWS CLI") && !old.contains("a secret"), "{old}");
        let none = format!("{:#}", credentials_of(Command::new("/nowhere/aws")).unwrap_err());
        assert!(none.contains("with an AWS CLI"), "{none}");
    }
}
