//! The warning before the month's quota is gone: one mail per threshold and month, whoever notices first - the daily
//! report, or a push that LINE refused.

use std::{str::FromStr, time::Duration};

use aws_config::SdkConfig;
use time::OffsetDateTime;

use crate::{
    aws::error::AwsError,
    clock::Clock,
    lambda::environment::{SettingError, parsed, required},
    language::Language,
    line::{client::Quota, day::line_day},
    metric,
    report::{
        mail::{self, Mail, MailError, Mailer},
        reports::{Begun, Claimed, Reports},
    },
};

/// Long enough for SES's slowest answer.
const LEASE: Duration = Duration::from_secs(60);
/// Shares of the quota, in per cent, rising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds(Vec<u64>);

impl FromStr for Thresholds {
    type Err = &'static str;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let problem = "must be percentages from 1 to 100 between commas, such as 70,90,100";
        let mut shares: Vec<u64> =
            list.split(',').map(|one| one.trim().parse().map_err(|_| problem)).collect::<Result<_, _>>()?;
        shares.sort_unstable();
        shares.dedup();
        if shares.iter().all(|share| (1..=100).contains(share)) { Ok(Self(shares)) } else { Err(problem) }
    }
}

impl Thresholds {
    /// All of them, rising.
    pub fn all(&self) -> &[u64] {
        &self.0
    }

    /// Those that `used` of `quota` has reached, rising.
    pub fn reached(&self, quota: Quota, used: u64) -> Vec<u64> {
        match quota {
            Quota::Unlimited => Vec::new(),
            Quota::Limited(limit) => {
                let reached = |share: &&u64| u128::from(used) * 100 >= u128::from(limit) * u128::from(**share);
                self.0.iter().filter(reached).copied().collect()
            }
        }
    }
}

/// Nobody was warned, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum WarningError {
    /// The reports' table.
    #[error(transparent)]
    Table(#[from] AwsError),
    /// Its lease ends, and whoever looks then finds out.
    #[error("another run is at this warning")]
    Busy,
    /// The mail.
    #[error(transparent)]
    Mail(#[from] MailError),
}

/// Sends the warnings.
#[derive(Debug)]
pub struct QuotaWarning {
    /// Which shares.
    pub thresholds: Thresholds,
    /// The month's marks.
    pub reports: Reports,
    /// The list that is warned.
    pub mailer: Mailer,
    /// `zh-CN` or `en`; any other language reads English.
    pub language: Language,
}

impl QuotaWarning {
    /// Wires the warning from the environment of a function.
    pub fn from_env(aws: &SdkConfig, clock: Clock) -> Result<Self, SettingError> {
        Ok(Self {
            thresholds: parsed("WARNING_THRESHOLDS")?,
            reports: Reports::new(aws_sdk_dynamodb::Client::new(aws), required("REPORTS_TABLE")?, clock),
            mailer: Mailer::from_env(aws)?,
            language: parsed("REPORT_LANGUAGE")?,
        })
    }

    /// Warns of the highest threshold that was reached and not warned of this month; returns it if a mail went out.
    pub async fn check(&self, quota: Quota, used: u64, now: OffsetDateTime) -> Result<Option<u64>, WarningError> {
        let reached = self.thresholds.reached(quota, used);
        metric::quota(quota.limit(), used, reached.last().copied().unwrap_or(0));
        let (Some(highest), Some(limit)) = (reached.last(), quota.limit()) else { return Ok(None) };
        let id = |share: &u64| format!("warning#{}#{share}", month(now));
        let may_be_repeat = match self.reports.begin(&id(highest), LEASE, false).await? {
            Begun::Completed => return Ok(None),
            Begun::InProgress => return Err(WarningError::Busy),
            Begun::Claimed(Claimed { may_be_out, .. }) => may_be_out,
        };
        self.reports.sending(&id(highest), None).await?;
        let mail = mail(*highest, limit, used, now, may_be_repeat, self.language);
        if let Err(error) = self.mailer.send(&mail).await {
            let may_be_out = may_be_repeat || error.may_be_out;
            if let Err(problem) = self.reports.release(&id(highest), may_be_out).await {
                tracing::warn!(error = %problem, "the lease ends by itself");
            }
            return Err(error.into());
        }
        // The lower ones are over with it; the one that was mailed is marked first.
        for share in reached.iter().rev() {
            self.reports.done(&id(share)).await?;
        }
        tracing::warn!(quota.limit = limit, quota.used = used, quota.threshold = highest, "warned of the quota");
        Ok(Some(*highest))
    }
}

/// LINE's month.
fn month(now: OffsetDateTime) -> String {
    let day = line_day(now);
    format!("{}-{:02}", day.year(), u8::from(day.month()))
}

fn mail(share: u64, limit: u64, used: u64, now: OffsetDateTime, may_be_repeat: bool, language: Language) -> Mail {
    let month = u8::from(line_day(now).month());
    let left = limit.saturating_sub(used);
    let (subject, mut lines) = match language {
        Language::ZhCn => (
            format!("【预警】LINE 消息额度已用 {share}%"),
            vec![
                format!("{month}月份消息额度：{limit}"),
                format!("{month}月份消息发送数量：{used}（LINE 统计，为近似值）"),
                format!("{month}月份消息余额：{left}"),
                if left == 0 {
                    "额度用尽后，订单消息不再发送（记录为 quota_exhausted），直至下月、升级套餐或提高上限。".to_owned()
                } else {
                    "额度用尽后订单消息将无法发送。请升级套餐或提高附加消息上限。".to_owned()
                },
            ],
        ),
        _ => (
            format!("[Warning] {share}% of LINE's messages are used"),
            vec![
                format!("Quota of month {month}: {limit}"),
                format!("Sent in month {month}: {used} (LINE's count, approximate)"),
                format!("Left: {left}"),
                "Without messages left orders are not told to customers (quota_exhausted), until next month, another plan or a \
                 higher cap."
                    .to_owned(),
            ],
        ),
    };
    lines.extend(may_be_repeat.then(|| mail::may_be_a_repeat(language).to_owned()));
    let text = lines.join("\n") + "\n";
    let paragraphs: String = lines.iter().map(|line| format!("<p>{line}</p>")).collect();
    let html = format!(
        "<!DOCTYPE html><html lang=\"{}\"><head><meta charset=\"utf-8\"/><meta name=\"color-scheme\" content=\"light dark\"/>\
         <title>{subject}</title></head><body style=\"font:16px/1.6 sans-serif\">{paragraphs}</body></html>",
        language.tag()
    );
    Mail { subject, text, html }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_threshold_is_reached_exactly_at_its_share() {
        let thresholds: Thresholds = "100, 70,90,70".parse().unwrap();
        let reached = |used| thresholds.reached(Quota::Limited(1000), used);
        assert_eq!(reached(699), [] as [u64; 0]);
        assert_eq!(reached(700), [70]);
        assert_eq!(reached(999), [70, 90]);
        assert_eq!(reached(1200), [70, 90, 100]);
        assert!(thresholds.reached(Quota::Unlimited, 1_000_000).is_empty());
        assert_eq!(thresholds.reached(Quota::Limited(0), 0), [70, 90, 100]);
        for bad in ["", "0", "101", "70;90", "-1"] {
            assert!(bad.parse::<Thresholds>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_month_is_lines() {
        assert_eq!(month(datetime!(2026-12-31 14:59:59 UTC)), "2026-12");
        assert_eq!(month(datetime!(2026-12-31 15:00:00 UTC)), "2027-01");
    }

    #[test]
    fn the_mail_has_the_figures() {
        let mail = mail(90, 1000, 912, datetime!(2026-09-08 01:00:00 UTC), false, Language::ZhCn);
        assert!(mail.subject.starts_with("【预警】") && mail.text.contains("9月份消息余额：88"), "{mail:?}");
    }
}
