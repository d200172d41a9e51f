//! Mail through SES, and what its refusals mean for an operator.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sesv2::{
    Client,
    error::ProvideErrorMetadata as _,
    types::{Body, Content, Destination, EmailContent, Message},
};

use crate::{
    aws::error::Cause,
    invalid::Invalid,
    lambda::environment::{SettingError, parsed, required},
    language::Language,
};

/// To connect to SES.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than SES takes on a bad day, shorter than any lease of who sends.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A list of mail addresses, at most the 50 that SES takes in one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients(Vec<String>);

impl std::str::FromStr for Recipients {
    type Err = Invalid;

    /// Reads addresses between commas.
    fn from_str(list: &str) -> Result<Self, Invalid> {
        let addresses: Vec<_> = list.split(',').map(str::trim).filter(|address| !address.is_empty()).collect();
        if !(1..=50).contains(&addresses.len()) {
            return Err("must be 1 to 50 mail addresses between commas".into());
        }
        addresses.into_iter().map(|one| address(one).map(str::to_owned)).collect::<Result<_, _>>().map(Self)
    }
}

/// One mail address: no white space, no control character, nothing that could start another header.
pub fn address(text: &str) -> Result<&str, Invalid> {
    let legal = |c: char| c.is_ascii_graphic() && !"<>()[],;:\\\"".contains(c);
    match text.split_once('@') {
        Some((local, domain))
            if !local.is_empty() && domain.contains('.') && !domain.contains('@') && text.chars().all(legal) =>
        {
            Ok(text)
        }
        _ => Err(format!("{text:?} is not a mail address").into()),
    }
}

/// A mail in both forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subject, one line.
    pub subject: String,
    /// For programs that show text alone.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// What a mail says of itself where an earlier one of the same may have gone out.
pub fn may_be_a_repeat(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "本邮件可能重复：上一次发送后 SES 没有答复，无法确认是否已送出。",
        _ => {
            "This mail may be a repeat: SES did not answer when it was first sent, so nobody knows whether it went out."
        }
    }
}

/// Sends mails from one verified address to one list.
#[derive(Debug)]
pub struct Mailer {
    client: Client,
    sender: String,
    recipients: Recipients,
}

/// SES did not take a mail, or did not say.
#[derive(Debug, thiserror::Error)]
#[error("the mail was not sent: {advice}; SES said: {what}")]
pub struct MailError {
    advice: &'static str,
    what: Cause,
    /// Whether it may have gone out all the same: only a refusal says that it has not.
    pub may_be_sent: bool,
}

impl Mailer {
    /// Wires the mail from the environment of a function.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, SettingError> {
        // A repeated call would be a second mail: SES cannot know it again. So it gets time and one attempt. What is
        // not named here is merged from the function's own, far shorter ones.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(CALL_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT);
        let once = aws_sdk_sesv2::config::Builder::from(aws)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.build());
        let client = Client::from_conf(once.build());
        Ok(Self::new(client, required("REPORT_SENDER")?, parsed("REPORT_RECIPIENTS")?))
    }

    /// Sends from `sender` to `recipients`.
    pub fn new(client: Client, sender: String, recipients: Recipients) -> Self {
        Self { client, sender, recipients }
    }

    /// Sends a mail; `Ok` has SES's message id. SES writes the headers itself, so no text of ours can add one.
    pub async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let content = |data: &str| Content::builder().data(data).charset("UTF-8").build();
        let result = async {
            let body = Body::builder().text(content(&mail.text)?).html(content(&mail.html)?).build();
            let message = Message::builder().subject(content(&mail.subject)?).body(body).build();
            Ok::<_, aws_sdk_sesv2::error::BuildError>(EmailContent::builder().simple(message).build())
        };
        let content = result.await.map_err(|error| MailError {
            advice: "it has no content",
            what: error.into(),
            may_be_sent: false,
        })?;
        let destination = Destination::builder().set_to_addresses(Some(self.recipients.0.clone())).build();
        let sending =
            self.client.send_email().from_email_address(&self.sender).destination(destination).content(content);
        match sending.send().await {
            Ok(sent) => Ok(sent.message_id.unwrap_or_default()),
            Err(error) => {
                let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
                let refused = error.raw_response().is_some_and(|response| response.status().is_client_error());
                Err(MailError { advice: advice(code, message), may_be_sent: !refused, what: error.into() })
            }
        }
    }
}

/// What an operator can do about an error (SES API v2, "SendEmail", Errors).
fn advice(code: &str, message: &str) -> &'static str {
    match code {
        "MessageRejected" if message.contains("not verified") => {
            "verify the sender, and in the SES sandbox every recipient, or ask AWS for production access"
        }
        "MessageRejected" => "SES refused its content or a recipient; is one on the suppression list?",
        "MailFromDomainNotVerifiedException" => "verify the sender's MAIL FROM domain in SES",
        "AccountSuspendedException" | "SendingPausedException" => {
            "SES sending is paused for this account; see the SES console"
        }
        "LimitExceededException" | "TooManyRequestsException" => {
            "the account's SES sending quota is used up; it is tried again"
        }
        "AccessDeniedException" => "the function may send as ReportSender only",
        "NotFoundException" | "BadRequestException" => "check ReportSender and ReportRecipients",
        _ => "SES did not answer as it should; it is tried again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_checked_one_by_one() {
        assert_eq!(
            "a@example.com, b+c@mail.example.jp,".parse(),
            Ok(Recipients(vec!["a@example.com".into(), "b+c@mail.example.jp".into()]))
        );
        for bad in [
            "",
            ",",
            "a",
            "a@b",
            "a@example.com\r\nBcc: c@example.com",
            "A <a@example.com>",
            "a@b@example.com",
            "é@example.com",
        ] {
            assert!(bad.parse::<Recipients>().is_err(), "{bad:?}");
        }
        assert!(vec!["a@example.com"; 51].join(",").parse::<Recipients>().is_err());
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        assert!(advice("MessageRejected", "Email address is not verified.").contains("sandbox"));
        assert!(advice("MessageRejected", "Address is suppressed").contains("suppression"));
        assert!(advice("SendingPausedException", "").contains("paused"));
    }
}
