//! The figures of one report: what was read, from where, and what could not be.

use std::collections::BTreeMap;

use lambda_runtime::Error;
use serde::{Deserialize, Serialize};
use shared::{
    aws::error::{AwsError, Cause, Doing as _},
    delivery::{day::DayCount, table::Deliveries},
    line::{
        channel::LineChannel,
        quota::Month,
        statistics::{DayFigure, Followers, Interaction},
    },
    notification::NotificationKind,
    sobot::account::SobotAccount,
};
use time::{Date, OffsetDateTime};
use tokio::time::Instant;

use crate::{
    mass_sends::{self, MassSends},
    source::{MAX_TIME, Source},
};

/// Days in the table: LINE corrects a day's figures for 14 days.
pub const DAYS: u8 = 14;

/// One of the 14 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// LINE's day, `2026-09-07`.
    pub day: String,
    /// Pushes that LINE sent.
    pub delivered: Source<DayFigure>,
    /// Views and clicks of finished orders' messages.
    pub interaction: Source<Interaction>,
}

/// A broadcast that the operator registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// The request id of the broadcast.
    pub request_id: String,
    /// What LINE tells of it.
    pub interaction: Source<Interaction>,
}

/// All figures of one report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The day of the mail, in the report's zone.
    pub date: String,
    /// When they were read.
    #[serde(with = "time::serde::rfc3339")]
    pub read_at: OffsetDateTime,
    /// The month of the mail's day.
    pub month: Source<Month>,
    /// On the 1st: the month before, as the last report of it had it.
    pub last_month: Option<Source<Month>>,
    /// The 14 days before the mail's day, the latest first.
    pub days: Vec<Day>,
    /// Our own count of yesterday.
    pub own: Source<DayCount>,
    /// Messages in the dead-letter queues, by queue.
    pub dead_letters: Source<BTreeMap<String, u64>>,
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
    pub dead_letter_queues: Vec<String>,
}

/// What other reports and the operator have to say about this one.
#[derive(Debug, Default)]
pub struct Known {
    /// What an earlier attempt of the same report has read.
    pub earlier: Option<Figures>,
    /// The month's figures as they were on the report's day: LINE tells them on that day only.
    pub month_then: Option<Source<Month>>,
    /// Yesterday's report.
    pub yesterday: Option<Figures>,
    /// Request ids of broadcasts.
    pub broadcasts: Vec<String>,
    /// Whether the report is today's: LINE tells the month's figures only as they are now.
    pub is_today: bool,
    /// Days of the last 14 whose mail did not go out, the earliest first.
    pub days_without_report: Vec<Date>,
}

impl Sources {
    /// Reads everything for the report of `date`. Never fails as a whole.
    pub async fn read(&self, date: Date, now: OffsetDateTime, known: &Known) -> Figures {
        let earlier = known.earlier.as_ref();
        let yesterday = date.previous_day().unwrap_or(date);
        let mass_sends =
            mass_sends::read(&self.sobot, yesterday, earlier.and_then(|figures| figures.mass_sends.as_ref()));
        let (mass_sends, figures) = tokio::join!(mass_sends, self.read_line_and_own(date, yesterday, now, known));
        Figures { mass_sends, ..figures }
    }

    async fn read_line_and_own(&self, date: Date, yesterday: Date, now: OffsetDateTime, known: &Known) -> Figures {
        let earlier = known.earlier.as_ref();
        let deadline = Instant::now() + MAX_TIME;

        let month_then = if known.is_today { earlier.map(|figures| &figures.month) } else { known.month_then.as_ref() };
        let month = Source::or_read(month_then, deadline, async {
            if !known.is_today {
                return Err("LINE tells it on the day itself only".into());
            }
            Ok::<_, Error>(self.channel.month().await?)
        });
        let (channel, client) = (&self.channel, &self.channel.client);

        let own =
            Source::or_read(earlier.map(|figures| &figures.own), deadline, self.deliveries.count_day(yesterday, now));
        let dead_letters = async { Source::from(self.dead_letters().await) };
        let followers = Source::or_read(earlier.map(|figures| &figures.followers), deadline, async {
            channel.ask(|token| async move { client.followers(&token, yesterday).await }).await
        });
        let (month, own, dead_letters, followers) = tokio::join!(month, own, dead_letters, followers);

        let mut days = Vec::new();
        let mut day = date;
        for _ in 0..DAYS {
            day = day.previous_day().unwrap_or(day);
            let name = day.to_string();
            let unit = &NotificationKind::OrderFinished.unit(day);
            let before = earlier.and_then(|figures| figures.days.iter().find(|before| before.day == name));
            let (delivered, interaction) = tokio::join!(
                Source::or_read(before.map(|before| &before.delivered), deadline, async {
                    channel.ask(|token| async move { client.pushes_of_day(&token, day).await }).await
                }),
                Source::or_read(before.map(|before| &before.interaction), deadline, async {
                    channel.ask(|token| async move { client.unit_interaction(&token, unit, day).await }).await
                }),
            );
            days.push(Day { day: name, delivered, interaction });
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

        let last_month = (date.day() == 1).then(|| match known.yesterday.as_ref().map(|report| &report.month) {
            Some(month) => month.clone(),
            None => Source::Missing("no report of yesterday".to_owned()),
        });
        Figures {
            date: date.to_string(),
            read_at: now,
            month,
            last_month,
            days,
            own,
            dead_letters,
            followers,
            mass_sends: None,
            broadcasts,
            days_without_report: known.days_without_report.iter().map(Date::to_string).collect(),
        }
    }

    async fn dead_letters(&self) -> Result<BTreeMap<String, u64>, AwsError> {
        use aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages as Count;
        let mut depths = BTreeMap::new();
        for url in &self.dead_letter_queues {
            let name = url.rsplit('/').next().unwrap_or(url).to_owned();
            let doing = format!("look at {name}");
            let answer = self.sqs.get_queue_attributes().queue_url(url).attribute_names(Count).send().await;
            let answer = answer.doing(doing.clone())?;
            let depth = answer.attributes().and_then(|all| all.get(&Count)?.parse().ok());
            depths.insert(name, depth.ok_or(Cause::Malformed("no count".to_owned())).doing(doing)?);
        }
        Ok(depths)
    }
}
