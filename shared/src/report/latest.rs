//! The latest mail of the report, kept as it was made: operators look at it in the console, and send it to themselves
//! as a test. Neither begins a report, asks LINE or Sobot for anything, or touches what makes a day's mail one mail.

use serde::{Deserialize, Serialize};
use time::Date;

use crate::{
    aws::error::AwsError,
    language::Language,
    report::{mail::Mail, reports::Reports},
};

/// What it stands under in the reports' table.
const ID: &str = "mail#latest";

/// The mail of a day, whether or not it went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestMail {
    /// The day.
    pub date: Date,
    /// The mail.
    pub mail: Mail,
}

impl LatestMail {
    /// The one that is kept; none before the first, or of another version.
    pub async fn read(reports: &Reports) -> Result<Option<Self>, AwsError> {
        Ok(reports.document(ID).await?.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// Keeps it. That it is not kept stops no mail.
    pub async fn keep(&self, reports: &Reports) {
        let json = serde_json::to_string(self).unwrap_or_default();
        if let Err(error) = reports.store(ID, &json).await {
            tracing::warn!(%error, "the mail cannot be looked at in the console");
        }
    }
}

/// The mail as a test: its subject says so. Before the first report a few words stand in its place.
pub fn test_mail(latest: Option<LatestMail>, stack: &str, language: Language) -> Mail {
    let (mark, words) = match language {
        Language::ZhCn => ("【测试】", "这是一封测试邮件。还没有生成过日报；第一封日报将在上午九点发送。"),
        Language::Ja => {
            ("【テスト】", "テストメールです。日報はまだ作成されていません。最初の日報は午前9時に送信されます。")
        }
        _ => ("[Test] ", "This is a test mail. No report has been made yet; the first one goes out at nine o'clock."),
    };
    match latest {
        Some(LatestMail { mail, .. }) => Mail { subject: format!("{mark}{}", mail.subject), ..mail },
        None => Mail {
            from: stack.to_owned(),
            subject: format!("{mark}{stack}"),
            text: format!("{words}\n"),
            html: format!("<!DOCTYPE html>\n<html lang=\"{}\"><body><p>{words}</p></body></html>\n", language.tag()),
            pictures: Vec::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;
    use crate::report::mail::Picture;

    #[test]
    fn a_test_mail_is_the_latest_one_and_says_what_it_is() {
        let pictures = vec![Picture { name: "days".into(), png: vec![0, 255, 7] }];
        let [from, subject, text, html] = ["A", "B", "C", "D"].map(str::to_owned);
        let latest = LatestMail { date: date!(2026 - 09 - 08), mail: Mail { from, subject, text, html, pictures } };
        let kept: LatestMail = serde_json::from_str(&serde_json::to_string(&latest).unwrap()).unwrap();
        assert_eq!(kept, latest);
        let test = test_mail(Some(kept), "line-jp", Language::ZhCn);
        assert_eq!((test.subject.as_str(), test.text.as_str(), test.pictures.len()), ("【测试】B", "C", 1));
        let first = test_mail(None, "line-jp", Language::En);
        assert_eq!(first.subject, "[Test] line-jp");
        assert!(first.html.contains(first.text.trim()));
    }
}
