//! What LINE counted. Days are LINE's: UTC+9.
//!
//! Sources: Messaging API reference, "Get number of sent push messages", "Get number of message deliveries",
//! "Get number of followers", "Get statistics per unit", "Get user interaction statistics". The insight
//! endpoints allow 60 calls an hour.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use time::Date;

use crate::{
    line::{
        client::{LineClient, LineError},
        day::compact,
    },
    token::access::AccessToken,
};

/// A figure of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayFigure {
    /// Counted.
    Ready(u64),
    /// LINE is still counting; usually done within the next day. Never zero.
    Unready,
    /// LINE's own word for why there is none, such as `out_of_service`.
    Unavailable(String),
}

/// Views and clicks; `None` below 20 people, where LINE tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Interaction {
    /// People who saw a message.
    #[serde(alias = "uniqueImpression")]
    pub unique_impression: Option<u64>,
    /// People who opened a link in one.
    #[serde(alias = "uniqueClick")]
    pub unique_click: Option<u64>,
    /// People who were reached: broadcasts only.
    #[serde(default)]
    pub delivered: Option<u64>,
}

/// The account's followers on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Followers {
    /// Everybody who ever added the account; never falls.
    pub followers: u64,
    /// Those who block it now.
    pub blocks: u64,
}

impl LineClient {
    /// `GET /v2/bot/message/delivery/push?date=`: messages sent through the push endpoint on a day.
    pub async fn pushes_of_day(&self, token: &AccessToken, day: Date) -> Result<DayFigure, LineError> {
        #[derive(Deserialize)]
        struct Body {
            status: String,
            success: Option<u64>,
        }
        const PATH: &str = "/v2/bot/message/delivery/push";
        let request = self.request(Method::GET, PATH, Some(token)).query(&[("date", compact(day))]);
        let body: Body = self.call(PATH, request).await?.into_json()?;
        Ok(match (body.status.as_str(), body.success) {
            ("ready", Some(success)) => DayFigure::Ready(success),
            ("unready", _) => DayFigure::Unready,
            (_, _) => DayFigure::Unavailable(body.status),
        })
    }

    /// `GET /v2/bot/insight/message/delivery?date=`: messages of a day that count against the quota, by whatever way
    /// they were sent. Answers, greetings and chats are free.
    pub async fn messages_of_day(&self, token: &AccessToken, day: Date) -> Result<DayFigure, LineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            status: String,
            broadcast: Option<u64>,
            targeting: Option<u64>,
            step_message: Option<u64>,
            api_broadcast: Option<u64>,
            api_push: Option<u64>,
            api_multicast: Option<u64>,
            api_narrowcast: Option<u64>,
        }
        const PATH: &str = "/v2/bot/insight/message/delivery";
        let request = self.request(Method::GET, PATH, Some(token)).query(&[("date", compact(day))]);
        let body: Body = self.call(PATH, request).await?.into_json()?;
        let counts = [
            body.broadcast,
            body.targeting,
            body.step_message,
            body.api_broadcast,
            body.api_push,
            body.api_multicast,
            body.api_narrowcast,
        ];
        Ok(match body.status.as_str() {
            "ready" => DayFigure::Ready(counts.into_iter().flatten().sum()),
            "unready" => DayFigure::Unready,
            _ => DayFigure::Unavailable(body.status),
        })
    }

    /// `GET /v2/bot/insight/followers?date=`: `None` while LINE is counting.
    pub async fn followers(&self, token: &AccessToken, day: Date) -> Result<Option<Followers>, LineError> {
        #[derive(Deserialize)]
        struct Body {
            followers: Option<u64>,
            blocks: Option<u64>,
        }
        const PATH: &str = "/v2/bot/insight/followers";
        let request = self.request(Method::GET, PATH, Some(token)).query(&[("date", compact(day))]);
        let body: Body = self.call(PATH, request).await?.into_json()?;
        Ok(body.followers.zip(body.blocks).map(|(followers, blocks)| Followers { followers, blocks }))
    }

    /// `GET /v2/bot/insight/message/event/aggregation`: views and clicks of the messages that were sent under a
    /// unit, from one day to another, at most 30 days later.
    pub async fn unit_interaction(
        &self,
        token: &AccessToken,
        unit: &str,
        [from, to]: [Date; 2],
    ) -> Result<Interaction, LineError> {
        const PATH: &str = "/v2/bot/insight/message/event/aggregation";
        let [from, to] = [from, to].map(compact);
        let query = [("customAggregationUnit", unit), ("from", &from), ("to", &to)];
        self.overview(PATH, self.request(Method::GET, PATH, Some(token)).query(&query)).await
    }

    /// `GET /v2/bot/insight/message/event?requestId=`: a broadcast or narrowcast; pushes are not covered.
    pub async fn broadcast_interaction(&self, token: &AccessToken, request_id: &str) -> Result<Interaction, LineError> {
        const PATH: &str = "/v2/bot/insight/message/event";
        self.overview(PATH, self.request(Method::GET, PATH, Some(token)).query(&[("requestId", request_id)])).await
    }

    async fn overview(&self, path: &'static str, request: reqwest::RequestBuilder) -> Result<Interaction, LineError> {
        #[derive(Deserialize)]
        struct Body {
            overview: Option<Interaction>,
        }
        let body: Body = self.call(path, request).await?.into_json()?;
        Ok(body.overview.unwrap_or_default())
    }
}
