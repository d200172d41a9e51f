//! Mail through SES, and what its refusals mean for an operator.

use std::{borrow::Cow, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sesv2::{
    Client,
    config::StalledStreamProtectionConfig,
    error::{ProvideErrorMetadata as _, SdkError},
    operation::send_email::SendEmailError,
    primitives::Blob,
    types::{
        Attachment, AttachmentContentDisposition, AttachmentContentTransferEncoding, Body, Content, Destination,
        EmailContent, Message, MessageHeader, SuppressionListReason,
    },
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Date, OffsetDateTime};

use crate::{
    aws::error::{AwsError, Cause, Doing as _},
    invalid::{Invalid, Rule},
    lambda::environment::{SettingError, optional, parsed, required},
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Who the sender's address belongs to, as mail programs show it.
    pub from: String,
    /// The subject, one line.
    pub subject: String,
    /// For programs that show text alone.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// What the HTML shows by `cid:` and the name.
    pub pictures: Vec<Picture>,
}

/// A picture inside a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Its name in the mail.
    pub name: Cow<'static, str>,
    /// The picture, as PNG.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub png: Vec<u8>,
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    BASE64_STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

impl Mail {
    /// The HTML with its pictures in it, for who has no other part of the mail.
    pub fn html_alone(&self) -> String {
        self.pictures.iter().fold(self.html.clone(), |html, picture| {
            let data = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(&picture.png));
            html.replace(&format!("cid:{}", picture.name), &data)
        })
    }
}

/// What a mail says of itself where an earlier one of the same may have gone out.
pub fn may_be_a_repeat(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "本邮件可能重复：上一次发送后 SES 没有答复，无法确认是否已送出。",
        Language::Ja => {
            "このメールは重複の可能性があります。前回の送信時にSESの応答がなく、送信されたか確認できませんでした。"
        }
        _ => {
            "This mail may be a repeat: SES did not answer when it was first sent, so nobody knows whether it went out."
        }
    }
}

/// A recipient to whom SES sends nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressedRecipient {
    /// The mail address.
    pub address: String,
    /// Whether its owner marked a mail as spam; otherwise one bounced for good.
    pub complained: bool,
    /// Since when, a day in UTC.
    pub since: Date,
}

/// Sends mails from one verified address to one list.
#[derive(Debug)]
pub struct Mailer {
    client: Client,
    sender: String,
    recipients: Recipients,
    configuration_set: Option<String>,
}

/// SES did not take a mail, or did not say.
#[derive(Debug, thiserror::Error)]
#[error("the mail was not sent: {advice}; SES said: {what}")]
pub struct MailError {
    advice: &'static str,
    what: Cause,
    /// Whether it may have gone out all the same: it has not where SES refused it, or was never reached.
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
        // The SDK gives up, too, after five seconds in which it sees no byte of a request go out; it sees none, because
        // our connector takes a body whole.
        let once = aws_sdk_sesv2::config::Builder::from(aws)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts.build());
        let client = Client::from_conf(once.build());
        Ok(Self {
            client,
            sender: required("REPORT_SENDER")?,
            recipients: parsed("REPORT_RECIPIENTS")?,
            configuration_set: Some(optional("MAIL_CONFIGURATION_SET")).filter(|name| !name.is_empty()),
        })
    }

    /// Those of the list to whom SES sends nothing any more: they are on the account's suppression list (SES API v2,
    /// "GetSuppressedDestination").
    pub async fn suppressed(&self) -> Result<Vec<SuppressedRecipient>, AwsError> {
        let mut suppressed = Vec::new();
        for address in &self.recipients.0 {
            // It only reads, so it may be repeated.
            let retries = aws_sdk_sesv2::config::Builder::new().retry_config(RetryConfig::standard());
            let asked = self.client.get_suppressed_destination().email_address(address);
            match asked.customize().config_override(retries).send().await {
                Ok(found) => suppressed.extend(found.suppressed_destination.map(|found| {
                    SuppressedRecipient {
                        address: address.clone(),
                        complained: found.reason == SuppressionListReason::Complaint,
                        since: OffsetDateTime::from_unix_timestamp(found.last_update_time.secs())
                            .map_or(OffsetDateTime::UNIX_EPOCH.date(), OffsetDateTime::date),
                    }
                })),
                Err(error) if error.as_service_error().is_some_and(|error| error.is_not_found_exception()) => {}
                Err(error) => return Err(error).doing("look for the recipients in SES's suppression list"),
            }
        }
        Ok(suppressed)
    }

    /// Sends a mail; `Ok` has SES's message id. No text of ours can add a header: SES writes them itself, and the name
    /// before the sender's address is encoded.
    pub async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        self.send_to(mail, &self.recipients).await
    }

    /// The list with this one recipient alone; nobody else can be written to.
    pub fn only(&self, address: &str) -> Result<Recipients, Invalid> {
        let one = self.recipients.0.iter().find(|one| *one == address);
        one.map(|one| Recipients(vec![one.clone()]))
            .ok_or_else(|| Invalid::by(Rule::Recipient, "must be one of ReportRecipients"))
    }

    /// [`Self::send`], to a part of the list.
    pub async fn send_to(&self, mail: &Mail, recipients: &Recipients) -> Result<String, MailError> {
        let content = |data: &str| Content::builder().data(data).charset("UTF-8").build();
        let result = async {
            let body = Body::builder().text(content(&mail.text)?).html(content(&mail.html)?).build();
            // RFC 3834, 5: nobody's absence note answers it.
            let automatic = MessageHeader::builder().name("Auto-Submitted").value("auto-generated").build()?;
            let message = Message::builder().subject(content(&mail.subject)?).body(body).headers(automatic);
            let pictures = mail.pictures.iter().map(|picture| {
                let attachment = Attachment::builder()
                    .raw_content(Blob::new(picture.png.clone()))
                    .content_type("image/png")
                    .content_disposition(AttachmentContentDisposition::Inline)
                    .content_transfer_encoding(AttachmentContentTransferEncoding::Base64)
                    .content_id(&*picture.name)
                    .file_name(format!("{}.png", picture.name));
                attachment.build()
            });
            let pictures = pictures.collect::<Result<Vec<_>, _>>()?;
            let message = message.set_attachments((!pictures.is_empty()).then_some(pictures)).build();
            Ok::<_, aws_sdk_sesv2::error::BuildError>(EmailContent::builder().simple(message).build())
        };
        let content = result.await.map_err(|error| MailError {
            advice: "it has no content",
            what: error.into(),
            may_be_sent: false,
        })?;
        let destination = Destination::builder().set_to_addresses(Some(recipients.0.clone())).build();
        let from = format!("{} <{}>", encoded_words(&mail.from), self.sender);
        let sending =
            self.client.send_email().set_configuration_set_name(self.configuration_set.clone()).content(content);
        let sending = sending.from_email_address(from).destination(destination);
        match sending.send().await {
            Ok(sent) => Ok(sent.message_id.unwrap_or_default()),
            Err(error) => {
                let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
                let refused = error.raw_response().is_some_and(|response| response.status().is_client_error());
                let may_be_sent = !refused && !is_without_connection(&error);
                Err(MailError { advice: advice(code, message), may_be_sent, what: error.into() })
            }
        }
    }
}

/// A name that a header takes whatever is in it: encoded words of at most 75 characters each, none of which cuts a
/// character (RFC 2047, 2 and 5).
fn encoded_words(name: &str) -> String {
    const MAX_BYTES: usize = 45;
    let mut words = vec![String::new()];
    for c in name.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= MAX_BYTES => word.push(c),
            _ => words.push(c.into()),
        }
    }
    let encoded = words.into_iter().map(|word| format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(word)));
    encoded.collect::<Vec<_>>().join(" ")
}

/// Whether nobody was there to take the mail: it was not put together, or no connection was made.
fn is_without_connection(error: &SdkError<SendEmailError>) -> bool {
    let failure = match error {
        SdkError::ConstructionFailure(_) => return true,
        SdkError::DispatchFailure(failure) => failure,
        _ => return false,
    };
    let first: Option<&(dyn std::error::Error + 'static)> = failure.as_connector_error().map(|error| error as _);
    std::iter::successors(first, |error| error.source())
        .filter_map(|error| error.downcast_ref::<reqwest::Error>())
        .any(reqwest::Error::is_connect)
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
    use crate::outbound::HttpClients;

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
    fn a_name_becomes_words_that_no_header_minds() {
        assert_eq!(encoded_words("充电宝 <x>\r\nBcc: y"), "=?UTF-8?B?5YWF55S15a6dIDx4PiAgQmNjOiB5?=");
        let long = encoded_words(&"电".repeat(40));
        let words: Vec<_> = long.split(' ').collect();
        assert!(words.len() == 3 && words.iter().all(|word| word.len() <= 75), "{long}");
        let decoded =
            words.iter().map(|word| BASE64_STANDARD.decode(&word["=?UTF-8?B?".len()..word.len() - 2]).unwrap());
        let whole: Vec<_> = decoded.map(|bytes| String::from_utf8(bytes).expect("no character is cut")).collect();
        assert_eq!(whole.concat(), "电".repeat(40));
    }

    #[tokio::test]
    async fn a_mail_that_found_no_connection_has_not_gone_out() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = aws_sdk_sesv2::Config::builder()
            .behavior_version(aws_sdk_sesv2::config::BehaviorVersion::latest())
            .region(aws_sdk_sesv2::config::Region::new("ap-northeast-1"))
            .allow_no_auth()
            .http_client(HttpClients::from_env().unwrap())
            .retry_config(RetryConfig::disabled())
            .endpoint_url(format!("http://127.0.0.1:{port}"));
        let mailer = Mailer {
            client: Client::from_conf(config.build()),
            sender: "report@example.com".to_owned(),
            recipients: "a@example.com".parse().unwrap(),
            configuration_set: None,
        };
        let picture = Picture { name: "days".into(), png: Vec::new() };
        let [from, subject, text, html] = ["A", "B", "C", "D"].map(str::to_owned);
        let error = mailer.send(&Mail { from, subject, text, html, pictures: vec![picture] }).await.unwrap_err();
        assert!(!error.may_be_sent, "{error}");
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        assert!(advice("MessageRejected", "Email address is not verified.").contains("sandbox"));
        assert!(advice("MessageRejected", "Address is suppressed").contains("suppression"));
        assert!(advice("SendingPausedException", "").contains("paused"));
    }
}
