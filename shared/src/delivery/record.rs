//! The delivery record: one item per order and status. What decides is its [`Progress`]; the rest is what
//! is sent and what operators read.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    audit::Operator,
    delivery::state::{Progress, Reason, State, claim::Claim},
    ids::LineUserId,
    line::{client::LineAnswer, day::line_day},
    notification::{Notification, StatusChange, parse_bytes},
};

/// The most attempts that a record lists; the first and the latest ones stay.
const MAX_ATTEMPTS_LISTED: usize = 50;

/// One attempt and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedAttempt {
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The retry key's generation.
    pub generation: u32,
    /// The state after it.
    pub state: State,
    /// LINE's status, where it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_status: Option<u16>,
    /// LINE's `x-line-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_request_id: Option<String>,
    /// What would have forbidden it if no operator had insisted. `not_a_friend`: LINE takes, and does not deliver, what
    /// goes to somebody who blocked the account or never added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub despite: Option<Reason>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One time that an operator had the message sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The retry key's generation that it began.
    pub generation: u32,
    /// Whether the operator insisted: although LINE may have had the message, and whether or not the
    /// user is believed to be a friend.
    pub force: bool,
    /// The recovery that did it with many others, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
}

/// The item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// Partition key.
    pub order_id: String,
    /// Sort key: the order's status.
    pub status: String,
    /// LINE's day on which the order arrived, such as `2026-09-01`.
    pub day: String,
    /// Grows with every write; a write names the revision that it read.
    pub revision: u64,
    /// Where the delivery stands, and what is due.
    #[serde(flatten)]
    pub progress: Progress,
    /// Who is told; none where the order names a member that is not linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_user_id: Option<String>,
    /// What is told, as JSON; empty once the person was forgotten.
    pub order: String,
    /// Once the person was forgotten: what stands for the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
    /// The body of the push, byte for byte the same under one key: LINE leaves a changed one unspecified. Empty where
    /// there is nobody to push to.
    pub push_body: String,
    /// `x-line-request-id` of the latest answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_request_id: Option<String>,
    /// `x-line-accepted-request-id`: the request that LINE accepted, where a later one learned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_accepted_request_id: Option<String>,
    /// LINE's id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line_message_id: Option<String>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Every attempt that came to an end, oldest first.
    pub attempts: Vec<ListedAttempt>,
    /// Every time that an operator had it sent again, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resends: Vec<Resend>,
    /// When the record was last written.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl DeliveryRecord {
    /// A new record of a notification to this user, which stands here.
    pub fn new(
        notification: &Notification,
        user: Option<&LineUserId>,
        push_body: String,
        progress: Progress,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            order_id: notification.order_id().to_string(),
            status: notification.kind().status().to_owned(),
            day: line_day(now).to_string(),
            line_user_id: user.map(|user| user.as_str().to_owned()),
            order: notification.to_json().to_string(),
            push_body,
            ..Self::of_nobody(progress, 1, now)
        }
    }

    /// Where a delivery stands, and nothing about anybody.
    fn of_nobody(progress: Progress, revision: u64, updated_at: OffsetDateTime) -> Self {
        Self {
            order_id: String::new(),
            status: String::new(),
            day: String::new(),
            revision,
            progress,
            line_user_id: None,
            order: String::new(),
            content_hash: None,
            push_body: String::new(),
            line_request_id: None,
            line_accepted_request_id: None,
            line_message_id: None,
            last_error: None,
            attempts: Vec::new(),
            resends: Vec::new(),
            updated_at,
        }
    }

    /// What is told, as the record keeps it; none where an older version kept what this one does not take.
    pub fn notification(&self) -> Option<Notification> {
        match parse_bytes(self.order.as_bytes()) {
            Ok(StatusChange::Notified(notification)) => Some(notification),
            _ => None,
        }
    }

    /// Whether this is what the record was made for, whatever spelling either was kept in.
    pub fn is_about(&self, notification: &Notification) -> bool {
        match self.notification() {
            Some(kept) => kept == *notification,
            None => {
                serde_json::from_str(&self.order).is_ok_and(|kept: serde_json::Value| kept == notification.to_json())
            }
        }
    }

    /// What the record was made for, in one spelling.
    pub fn content(&self) -> String {
        match self.notification() {
            Some(notification) => notification.to_json().to_string(),
            None => {
                serde_json::from_str(&self.order).map_or(self.order.clone(), |kept: serde_json::Value| kept.to_string())
            }
        }
    }

    /// The person was forgotten: only the order's id, where it stands and when are left, and what stands for the order.
    pub fn empty(&mut self, progress: Progress, content_hash: String) {
        *self = Self {
            order_id: self.order_id.clone(),
            status: self.status.clone(),
            day: self.day.clone(),
            content_hash: Some(content_hash),
            ..Self::of_nobody(progress, self.revision, self.updated_at)
        };
    }

    /// Takes a claim that is to be written, with its body if that is made anew.
    pub fn claim(&mut self, claim: &Claim, push_body: Option<String>) {
        self.progress = *claim.next();
        if let Some(body) = push_body {
            self.push_body = body;
        }
    }

    /// Has the message of the present generation sent to this user, told anew; nothing of what LINE said of the former
    /// one stays but the list of attempts.
    pub fn address(&mut self, notification: &Notification, user: &LineUserId) {
        self.order = notification.to_json().to_string();
        self.line_user_id = Some(user.as_str().to_owned());
        (self.line_request_id, self.line_accepted_request_id, self.line_message_id) = (None, None, None);
        self.last_error = None;
    }

    /// Notes who had it sent again, by which recovery if by one.
    pub fn list_resend(&mut self, operator: &Operator, force: bool, recovery: Option<&str>, at: OffsetDateTime) {
        self.resends.push(Resend {
            at,
            by: operator.name.clone(),
            reason: operator.reason.clone(),
            generation: self.progress.generation(),
            force,
            recovery: recovery.map(str::to_owned),
        });
    }

    /// Whether whoever had this one sent again last insisted; its retries are sent all the same, too. A recovery
    /// insists on nothing but that customers may get it twice: whoever is no friend is not told.
    pub fn is_forced(&self) -> bool {
        self.resends.last().is_some_and(|resend| resend.force && resend.recovery.is_none())
    }

    /// Whether a recovery had it sent again.
    pub fn was_taken_by(&self, recovery: &str) -> bool {
        self.resends.iter().any(|resend| resend.recovery.as_deref() == Some(recovery))
    }

    /// Notes what LINE said of this generation's message, or why it was not asked.
    pub fn note_answer(&mut self, answer: Option<&LineAnswer>, error: Option<String>) {
        if let Some(answer) = answer {
            self.line_request_id = answer.request_id.clone();
            self.line_accepted_request_id = answer.accepted_request_id.clone();
            self.line_message_id = answer.message_ids().into_iter().next();
        }
        self.last_error = error;
    }

    /// Lists an attempt that came to an end; a long list loses its second entry.
    pub fn list_attempt(&mut self, attempt: ListedAttempt) {
        if self.attempts.len() >= MAX_ATTEMPTS_LISTED {
            self.attempts.remove(1);
        }
        self.attempts.push(attempt);
    }

    /// The request that LINE accepted, or the latest one.
    pub fn request_id(&self) -> Option<&str> {
        self.line_accepted_request_id.as_deref().or(self.line_request_id.as_deref())
    }
}
