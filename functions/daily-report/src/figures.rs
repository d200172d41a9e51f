//! The figures of one report: what was read, from where, and what could not be.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use shared::{
    aws::error::{AwsError, Cause, Doing as _},
    delivery::{day::DayCount, table::Deliveries},
    line::{
        channel::{AnswerError, LineChannel},
        day::line_day,
        quota::Month,
        statistics::{DayFigure, Followers, Interaction},
    },
    notification::NotificationKind,
    report::{
        daily::{DAYS, without_mail},
        last_look::LastLook,
        mail::{Mailer, SuppressedRecipient},
        reports::Kept,
    },
    sobot::account::SobotAccount,
};
use time::{Date, OffsetDateTime};
use tokio::time::{Instant, timeout_at};

use crate::{
    mass_sends::{self, MassSends},
    source::{MAX_TIME, Source, Why},
};

/// How long a day's messages are looked through for links.
const LINKS_LIMIT: Duration = Duration::from_secs(10);

/// One of the 14 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// LINE's day, `2026-09-07`.
    pub day: String,
    /// Pushes that LINE sent.
    pub delivered: Source<DayFigure>,
    /// Views and clicks of finished orders' messages.
    pub interaction: Source<Interaction>,
    /// Our own count of the orders that arrived on it.
    pub own: Source<DayCount>,
    /// Whether any of its messages has a link; known only where LINE tells of no click.
    #[serde(default)]
    pub has_links: Option<bool>,
}

/// The dead-letter queues, as the console and the HTTP API name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// Orders whose retries all failed.
    PushRetry,
    /// Events of LINE and Sobot.
    Inbox,
    /// Warnings of the quota.
    QuotaWarning,
    /// Reports.
    DailyReport,
}

/// A broadcast that the operator registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// The request id of the broadcast.
    pub request_id: String,
    /// What LINE tells of it.
    pub interaction: Source<Interaction>,
}

/// What LINE counted against the quota on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// LINE's day, `2026-09-07`.
    pub day: String,
    /// Messages, by every way.
    pub messages: u64,
}

/// The month before the mail's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMonth {
    /// Its figures.
    pub month: Source<Month>,
    /// When they were read.
    #[serde(with = "time::serde::rfc3339::option")]
    pub read_at: Option<OffsetDateTime>,
}

/// All figures of one report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The day of the mail, in the report's zone.
    pub date: String,
    /// When they were read.
    #[serde(with = "time::serde::rfc3339")]
    pub read_at: OffsetDateTime,
    /// The name of the official account, as customers see it.
    pub account: Source<String>,
    /// LINE's day on which the month's figures were read.
    pub month_as_of: Date,
    /// The figures of the month of that day.
    pub month: Source<Month>,
    /// On the 1st: the month before, as it was last read.
    pub last_month: Option<LastMonth>,
    /// The 14 days before the mail's day, the latest first.
    pub days: Vec<Day>,
    /// What counted against the quota, of yesterday or of the day before; none while LINE counts both.
    pub usage: Source<Option<Usage>>,
    /// Messages in the dead-letter queues.
    pub dead_letters: Source<BTreeMap<Queue, u64>>,
    /// Recipients of the mail to whom SES sends nothing any more.
    #[serde(default = "nobody")]
    pub suppressed: Source<Vec<SuppressedRecipient>>,
    /// Yesterday's followers; `None` while LINE counts.
    pub followers: Source<Option<Followers>>,
    /// Yesterday's mass sends; none on a stack without Sobot, and in a document of before.
    #[serde(default)]
    pub mass_sends: Option<MassSends>,
    /// What the operator registered.
    pub broadcasts: Vec<Broadcast>,
    /// Days of the last 14 whose mail did not go out, the earliest first.
    #[serde(default)]
    pub days_without_report: Vec<String>,
}

/// In a document of before.
fn nobody() -> Source<Vec<SuppressedRecipient>> {
    Source::Known(Vec::new())
}

impl Figures {
    /// Yesterday.
    pub fn yesterday(&self) -> Option<&Day> {
        self.days.first()
    }
}

/// Where the figures come from.
#[derive(Debug)]
pub struct Sources {
    /// LINE.
    pub channel: LineChannel,
    /// Sobot.
    pub sobot: SobotAccount,
    /// Our records.
    pub deliveries: Deliveries,
    /// The dead-letter queues' client.
    pub sqs: aws_sdk_sqs::Client,
    /// Their URLs.
    pub dead_letter_queues: [(Queue, String); 4],
}

/// What other reports and the operator have to say about this one.
#[derive(Debug, Default)]
pub struct Known {
    /// What an earlier attempt of the same report has read.
    pub earlier: Option<Figures>,
    /// The month's figures as they were on the report's day, and LINE's day then: LINE tells them on that day only.
    pub month_then: Option<(Date, Source<Month>)>,
    /// Yesterday's report.
    pub yesterday: Option<Figures>,
    /// On the 1st: how the month before stood when it was last looked at.
    pub last_look: Option<LastLook>,
    /// Request ids of broadcasts.
    pub broadcasts: Vec<String>,
    /// Whether the report is today's: LINE tells the month's figures only as they are now.
    pub is_today: bool,
    /// What is kept of the mails of the last 14 days.
    pub former_reports: BTreeMap<Date, Kept>,
}

impl Known {
    /// Leaves out the days before the first of which anything of ours is known; yesterday stays.
    pub(crate) fn leave_out_days_before_the_stack(&self, days: &mut Vec<Day>) {
        let had_report =
            |day: &Day| self.former_reports.iter().any(|(of, report)| report.is_done && of.to_string() == day.day);
        // Where our own count is missing, nobody knows.
        let had_orders = |day: &Day| day.own.known().is_none_or(|own| *own != DayCount::default());
        let earliest = days.iter().rposition(|day| had_report(day) || had_orders(day)).unwrap_or(0);
        days.truncate(earliest + 1);
    }
}

impl Sources {
    /// Reads secrets and tokens at once, which the figures would wait for one after the other; whatever needs them
    /// reports what was not there.
    pub async fn warm_up(&self) {
        tokio::join!(self.channel.prepare(), self.sobot.prepare());
    }

    /// Reads everything for the report of `date`. Never fails as a whole.
    pub async fn read(&self, date: Date, now: OffsetDateTime, known: &Known, mailer: &Mailer) -> Figures {
        let earlier = known.earlier.as_ref();
        let yesterday = date.previous_day().unwrap_or(date);
        let mass_sends =
            mass_sends::read(&self.sobot, yesterday, now, earlier.and_then(|figures| figures.mass_sends.as_ref()));
        let suppressed = Source::or_read(None, Instant::now() + MAX_TIME, mailer.suppressed());
        let figures = self.read_line_and_own(date, yesterday, now, known);
        let (mass_sends, suppressed, figures) = tokio::join!(mass_sends, suppressed, figures);
        Figures { mass_sends, suppressed, ..figures }
    }

    async fn read_line_and_own(&self, date: Date, yesterday: Date, now: OffsetDateTime, known: &Known) -> Figures {
        let earlier = known.earlier.as_ref();
        let deadline = Instant::now() + MAX_TIME;

        let (channel, client) = (&self.channel, &self.channel.client);
        let account = Source::or_read(earlier.map(|figures| &figures.account), deadline, async {
            channel.account().await.map(|account| account.display_name)
        });
        let month = async {
            match &known.month_then {
                Some((day, month)) if !known.is_today => (*day, month.clone()),
                None if !known.is_today => (date, Source::Missing(Why::OfThatDayOnly)),
                _ => {
                    let earlier = earlier.map(|figures| (figures.month_as_of, &figures.month));
                    // Where it was read already, it is the month of then.
                    let read_already = earlier.filter(|(_, month)| month.known().is_some());
                    let as_of = read_already.map_or_else(|| line_day(now), |(day, _)| day);
                    (as_of, Source::or_read(earlier.map(|(_, month)| month), deadline, channel.month()).await)
                }
            }
        };
        let dead_letters = async { Source::from(self.dead_letters().await) };
        let followers = Source::or_read(earlier.map(|figures| &figures.followers), deadline, async {
            channel.ask(|token| async move { client.followers(&token, yesterday).await }).await
        });
        let usage = Source::or_read(earlier.map(|figures| &figures.usage), deadline, async {
            for day in [yesterday, yesterday.previous_day().unwrap_or(yesterday)] {
                let messages = channel.ask(|token| async move { client.messages_of_day(&token, day).await }).await?;
                if let DayFigure::Ready(messages) = messages {
                    return Ok::<_, AnswerError>(Some(Usage { day: day.to_string(), messages }));
                }
            }
            Ok(None)
        });
        let (account, (month_as_of, month), dead_letters, followers, usage) =
            tokio::join!(account, month, dead_letters, followers, usage);

        let mut days = Vec::new();
        let mut day = date;
        for _ in 0..DAYS {
            day = day.previous_day().unwrap_or(day);
            let name = day.to_string();
            let unit = &NotificationKind::OrderFinished.unit(day);
            // Retries go out after midnight, and people read later: so long as LINE counts a message.
            let until = (day + time::Duration::DAY * u32::from(DAYS)).min(line_day(now)).max(day);
            let before = earlier.and_then(|figures| figures.days.iter().find(|before| before.day == name));
            let (delivered, interaction, own) = tokio::join!(
                Source::or_read(before.map(|before| &before.delivered), deadline, async {
                    channel.ask(|token| async move { client.pushes_of_day(&token, day).await }).await
                }),
                Source::or_read(before.map(|before| &before.interaction), deadline, async {
                    channel.ask(|token| async move { client.unit_interaction(&token, unit, [day, until]).await }).await
                }),
                // What became of an order may change until the mail goes out.
                Source::or_read(None, deadline, self.deliveries.count_day(day, now)),
            );
            let is_clicked = interaction.known().is_none_or(|seen| seen.unique_click.is_some());
            let kept =
                [before, known.yesterday.as_ref().and_then(|report| report.days.iter().find(|kept| kept.day == name))];
            let kept = kept.into_iter().flatten().find(|kept| kept.has_links == Some(true) || kept.own == own);
            let has_links = match (own.known(), kept.and_then(|kept| kept.has_links)) {
                (Some(own), None) if !is_clicked && own.sent > 0 => self.look_for_links(day, deadline).await,
                (_, kept) => kept,
            };
            days.push(Day { day: name, delivered, interaction, own, has_links });
        }

        let mut broadcasts = Vec::new();
        for request_id in &known.broadcasts {
            let before =
                earlier.and_then(|figures| figures.broadcasts.iter().find(|one| one.request_id == *request_id));
            let interaction = Source::or_read(before.map(|before| &before.interaction), deadline, async {
                channel.ask(|token| async move { client.broadcast_interaction(&token, request_id).await }).await
            });
            broadcasts.push(Broadcast { request_id: request_id.clone(), interaction: interaction.await });
        }

        let last_month = (date.day() == 1).then(|| match (&known.last_look, &known.yesterday) {
            (Some(look), _) => LastMonth { month: Source::Known(look.month), read_at: Some(look.at) },
            (None, Some(report)) => LastMonth { month: report.month.clone(), read_at: Some(report.read_at) },
            (None, None) => LastMonth { month: Source::Missing(Why::NotKept), read_at: None },
        });
        Figures {
            date: date.to_string(),
            read_at: now,
            account,
            month_as_of,
            month,
            usage,
            last_month,
            days,
            dead_letters,
            suppressed: nobody(),
            followers,
            mass_sends: None,
            broadcasts,
            days_without_report: without_mail(&known.former_reports, date, now).iter().map(Date::to_string).collect(),
        }
    }

    /// Nobody waits long for it: without it the mail only tells less.
    async fn look_for_links(&self, day: Date, deadline: Instant) -> Option<bool> {
        let deadline = deadline.min(Instant::now() + LINKS_LIMIT);
        match timeout_at(deadline, self.deliveries.any_has_a_link(day)).await {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::warn!(%day, %error, "whether its messages have links is not known");
                None
            }
            Err(_) => None,
        }
    }

    async fn dead_letters(&self) -> Result<BTreeMap<Queue, u64>, AwsError> {
        use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages as Count;
        let mut depths = BTreeMap::new();
        for (queue, url) in &self.dead_letter_queues {
            let doing = format!("look at {}", url.rsplit('/').next().unwrap_or(url));
            let answer = self.sqs.get_queue_attributes().queue_url(url).attribute_names(Count).send().await;
            let answer = answer.doing(doing.clone())?;
            let depth = answer.attributes().and_then(|all| all.get(&Count)?.parse().ok());
            depths.insert(*queue, depth.ok_or(Cause::Malformed("no count".to_owned())).doing(doing)?);
        }
        Ok(depths)
    }
}
