//! The warning before the month's quota is gone. It is looked at every quarter of an hour, and at once where a push met
//! the monthly limit.
//!
//! What is kept is a state, not an event: the month and the ceiling that the figures were last seen under. Each share
//! of that ceiling is warned of once. A new month or another ceiling - an upgrade, a raised or lowered cap - is a new
//! state, under which every share counts anew.

use std::{str::FromStr, time::Duration};

use aws_config::SdkConfig;
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::{
    aws::error::AwsError,
    clock::Clock,
    html::escaped,
    lambda::environment::{SettingError, parsed, required},
    language::Language,
    line::{
        channel::{AnswerError, LineChannel},
        day::line_day,
        quota::Month,
    },
    metric,
    report::{
        last_look::{LastLook, name_of_month},
        mail::{self, Mail, Mailer},
        reports::{Begun, Reports, SendError},
        stack::Stack,
    },
};

/// How long the warning waits for the account's name.
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(2);
/// What the state stands under in the reports' table.
const STATE: &str = "quota";

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

    /// Those that are reached, rising.
    pub fn reached(&self, month: Month) -> Vec<u64> {
        let used = month.used_per_mille();
        self.0.iter().copied().filter(|share| used.is_some_and(|used| used >= share * 10)).collect()
    }
}

/// Nobody was warned, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum WarningError {
    /// LINE's figures.
    #[error(transparent)]
    Line(#[from] AnswerError),
    /// The reports' table.
    #[error(transparent)]
    Table(#[from] AwsError),
    /// Its lease ends, and whoever looks then finds out.
    #[error("another run is sending this warning")]
    Busy,
    /// The mail.
    #[error(transparent)]
    Mail(#[from] SendError),
    /// Other runs wrote the state again and again meanwhile.
    #[error("the quota's state is written by too many at once")]
    Contended,
}

/// Under what the shares were last looked at.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// LINE's month, `2026-09`.
    month: String,
    /// The ceiling, if there is one.
    limit: Option<u64>,
    /// Its number, one more than that of the state before: what is warned of under this one has it in its name.
    number: u64,
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
    /// `zh-CN`, `ja` or `en`; any other language reads English.
    pub language: Language,
    /// Whose quota it is.
    pub stack: Stack,
}

impl QuotaWarning {
    /// Wires the warning from the environment of a function.
    pub fn from_env(aws: &SdkConfig, clock: Clock) -> Result<Self, SettingError> {
        Ok(Self {
            thresholds: parsed("WARNING_THRESHOLDS")?,
            reports: Reports::new(aws_sdk_dynamodb::Client::new(aws), required("REPORTS_TABLE")?, clock),
            mailer: Mailer::from_env(aws)?,
            language: parsed("REPORT_LANGUAGE")?,
            stack: Stack::from_env()?,
        })
    }

    /// Warns of the highest share that is reached and was not warned of under this month and ceiling; returns it if a
    /// mail went out.
    pub async fn check(&self, channel: &LineChannel, clock: Clock) -> Result<Option<u64>, WarningError> {
        let (month, now) = figures_of_one_month(channel, clock).await?;
        let (kept, state) = tokio::join!(self.reports.keep_look(LastLook { month, at: now }), self.state(month, now));
        if let Err(error) = kept {
            tracing::warn!(%error, "how the month stands is not kept; the next look is");
        }
        let reached = self.thresholds.reached(month);
        metric::quota(month.limit, month.used, reached.last().copied().unwrap_or(0));
        let state = state?;
        let (Some(highest), Some(limit)) = (reached.last(), month.limit) else { return Ok(None) };
        let id = |share: &u64| format!("warning#{}#{}#{share}", state.month, state.number);
        let claim = match self.reports.begin(&id(highest), false).await? {
            Begun::Completed => return Ok(None),
            Begun::InProgress => return Err(WarningError::Busy),
            Begun::Claimed(claim) => claim,
        };
        // The stack's name tells it, too: nobody waits long for the account's.
        let account = timeout(ACCOUNT_TIMEOUT, channel.account()).await;
        let account = account.ok().and_then(Result::ok).map(|account| account.display_name);
        let title = self.stack.title(account.as_deref(), self.language);
        let mail = mail(*highest, month, now, self.language, title, claim.may_be_a_repeat());
        self.reports.send(&claim, &self.mailer, &mail).await?;
        // The lower ones are over with it.
        for share in reached.iter().rev().skip(1) {
            self.reports.done(&id(share)).await?;
        }
        tracing::warn!(quota.limit = limit, quota.used = month.used, quota.threshold = highest, "warned of the quota");
        Ok(Some(*highest))
    }

    /// The state that the figures of now are looked at under.
    async fn state(&self, month: Month, now: OffsetDateTime) -> Result<State, WarningError> {
        let name = name_of_month(line_day(now));
        for _ in 0..3 {
            let kept = self.reports.document(STATE).await?;
            let state: Option<State> = kept.as_deref().and_then(|state| serde_json::from_str(state).ok());
            let former = match state {
                Some(state) if state.month == name && state.limit == month.limit => return Ok(state),
                other => other.map_or(0, |former| former.number),
            };
            let state = State { month: name.clone(), limit: month.limit, number: former + 1 };
            let document = json!(state).to_string();
            if self.reports.replace(STATE, kept.as_deref(), &document).await? {
                tracing::info!(quota.limit = month.limit, month = state.month, "the quota has changed");
                return Ok(state);
            }
        }
        Err(WarningError::Contended)
    }
}

/// The month's figures, and a time in the same month. Around midnight LINE may answer with those of either month, so
/// what was asked for on both sides of it is asked for again.
async fn figures_of_one_month(channel: &LineChannel, clock: Clock) -> Result<(Month, OffsetDateTime), WarningError> {
    loop {
        let before = clock.now();
        let month = channel.month().await?;
        let after = clock.now();
        if name_of_month(line_day(before)) == name_of_month(line_day(after)) {
            return Ok((month, after));
        }
    }
}

/// `title`: whose quota it is.
fn mail(
    share: u64,
    month: Month,
    now: OffsetDateTime,
    language: Language,
    title: String,
    may_be_a_repeat: bool,
) -> Mail {
    let (today, used, left) = (line_day(now), month.used, month.remaining().unwrap_or_default());
    let limit = month.limit.unwrap_or_default();
    let percent = month.used_per_mille().map_or(0, |share| share / 10);
    let runs_out = month.used_up_on(today).filter(|_| left > 0);
    let (subject, lines) = match language {
        Language::ZhCn => {
            let number = u8::from(today.month());
            (
                format!("【预警】LINE 消息额度已达 {share}% 预警线"),
                vec![
                    Some(format!("{number}月份消息额度：{limit}")),
                    Some(format!("{number}月份消息发送数量：{used}（已用 {percent}%，LINE 统计，为近似值）")),
                    Some(format!("{number}月份消息余额：{left}")),
                    runs_out.map(|day| format!("按本月速度，预计用尽日期：{day}")),
                    Some(if left == 0 {
                        "额度用尽后，订单消息不再发送（原因记为“额度用尽”），直至下月、升级套餐或提高上限。".to_owned()
                    } else {
                        "额度用尽后订单消息将无法发送。请升级套餐或提高附加消息上限。".to_owned()
                    }),
                ],
            )
        }
        Language::Ja => {
            let number = u8::from(today.month());
            (
                format!("【警告】LINE メッセージ通数が{share}%に達しました"),
                vec![
                    Some(format!("{number}月のメッセージ通数の上限：{limit}")),
                    Some(format!("{number}月のメッセージ送信数：{used}（{percent}%使用、LINEの集計による概数）")),
                    Some(format!("{number}月のメッセージ残数：{left}")),
                    runs_out.map(|day| format!("このペースで使い切る見込みの日：{day}")),
                    Some(if left == 0 {
                        "翌月になるか、プランの変更または上限の引き上げまで、注文の完了はお客さまに通知されません（理由は\
                         「通数の上限到達」）。"
                            .to_owned()
                    } else {
                        "使い切ると、注文の完了はお客さまに通知されません。プランの変更か追加メッセージ上限の引き上げを\
                         お願いします。"
                            .to_owned()
                    }),
                ],
            )
        }
        _ => {
            let name = today.month();
            (
                format!("[Warning] LINE quota has reached {share}%"),
                vec![
                    Some(format!("Quota of {name}: {limit}")),
                    Some(format!("Sent in {name}: {used} ({percent}% used; LINE's count, approximate)")),
                    Some(format!("Left: {left}")),
                    runs_out.map(|day| format!("At this pace the quota runs out on {day}")),
                    Some(if left == 0 {
                        "Customers are no longer notified of finished orders (recorded as “quota used up”) until next \
                         month, or until you upgrade the plan or raise the cap."
                            .to_owned()
                    } else {
                        "Once the quota is used up, customers are not notified of finished orders. Upgrade the plan or \
                         raise the cap in time."
                            .to_owned()
                    }),
                ],
            )
        }
    };
    let repeat = may_be_a_repeat.then(|| mail::may_be_a_repeat(language).to_owned());
    let lines: Vec<String> = lines.into_iter().chain([repeat, Some(title.clone())]).flatten().collect();
    let text = lines.join("\n") + "\n";
    let paragraphs: String = lines.iter().map(|line| format!("<p>{}</p>", escaped(line))).collect();
    let html = format!(
        "<!DOCTYPE html><html lang=\"{}\"><head><meta charset=\"utf-8\"/><meta name=\"color-scheme\" content=\"light dark\"/>\
         <title>{subject}</title></head><body style=\"font:16px/1.6 sans-serif\">{paragraphs}</body></html>",
        language.tag()
    );
    Mail { from: title, subject, text, html, pictures: Vec::new() }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::expected::assert_kept;

    #[test]
    fn a_threshold_is_reached_exactly_at_its_share() {
        let thresholds: Thresholds = "100, 70,90,70".parse().unwrap();
        let reached = |used| thresholds.reached(Month { limit: Some(1000), used });
        assert_eq!(reached(699), [] as [u64; 0]);
        assert_eq!(reached(700), [70]);
        assert_eq!(reached(999), [70, 90]);
        assert_eq!(reached(1200), [70, 90, 100]);
        assert!(thresholds.reached(Month { limit: None, used: 1_000_000 }).is_empty());
        assert_eq!(thresholds.reached(Month { limit: Some(0), used: 0 }), [70, 90, 100]);
        for bad in ["", "0", "101", "70;90", "-1"] {
            assert!(bad.parse::<Thresholds>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_month_is_lines() {
        let name = |time| name_of_month(line_day(time));
        assert_eq!(name(datetime!(2026-12-31 14:59:59 UTC)), "2026-12");
        assert_eq!(name(datetime!(2026-12-31 15:00:00 UTC)), "2027-01");
    }

    #[test]
    fn every_warning_reads_as_it_is_kept() {
        let now = datetime!(2026-09-08 01:00:00 UTC);
        let month = |used| Month { limit: Some(200_000), used };
        for language in [Language::ZhCn, Language::Ja, Language::En] {
            let mails =
                [(70, 141_000, false), (90, 199_000, true), (100, 200_000, false)].map(|(share, used, repeat)| {
                    let mail = mail(share, month(used), now, language, "A & B · line-jp".into(), repeat);
                    format!("{}\n\n{}", mail.subject, mail.text)
                });
            assert_kept(&format!("quota-warning.{}.txt", language.tag()), &mails.join("\n"));
        }
    }

    #[test]
    fn the_mail_has_the_figures() {
        let month = Month { limit: Some(1000), used: 972 };
        let now = datetime!(2026-09-08 01:00:00 UTC);
        let chinese = mail(90, month, now, Language::ZhCn, "A & B · line-jp".into(), false);
        assert_eq!(chinese.from, "A & B · line-jp");
        assert!(chinese.html.contains("<p>A &amp; B · line-jp</p>"), "{chinese:?}");
        assert_eq!(chinese.subject, "【预警】LINE 消息额度已达 90% 预警线");
        for part in ["9月份消息余额：28", "已用 97%", "预计用尽日期：2026-09-08"] {
            assert!(chinese.text.contains(part), "{part}: {chinese:?}");
        }
        assert!(!chinese.text.contains("可能重复"), "{chinese:?}");
        let japanese = mail(90, month, now, Language::Ja, String::new(), true);
        for part in ["9月のメッセージ残数：28", "97%使用", "使い切る見込みの日：2026-09-08", "重複の可能性"]
        {
            assert!(japanese.text.contains(part), "{part}: {japanese:?}");
        }
        let month = Month { limit: Some(1000), used: 1001 };
        let english = mail(100, month, now, Language::En, String::new(), true);
        for part in ["Quota of September: 1000", "Left: 0", "no longer notified", "may be a repeat"] {
            assert!(english.text.contains(part), "{part}: {english:?}");
        }
    }
}
