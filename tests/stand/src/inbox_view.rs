//! The operator's view of the inbox: stored events, friend states, the queue.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::inbox::messages::StoredEvent;
use tokio::time::{Instant, sleep};

use crate::stand::{POLL, Stand};

/// How long an event may take from the webhook to the table, retries included.
const LIMIT: Duration = Duration::from_secs(90);

impl Stand {
    /// What a user (or a group) wrote and did, by time.
    ///
    /// # Panics
    /// When the table cannot be read, or holds something else.
    pub async fn events_of(&self, chat_id: &str) -> Vec<StoredEvent> {
        let query = self.dynamodb.query().table_name(self.aws.output("MessagesTableName")).consistent_read(true);
        let query = query
            .key_condition_expression("chat_id = :chat")
            .expression_attribute_values(":chat", AttributeValue::S(chat_id.to_owned()));
        let items: Result<Vec<_>, _> = query.into_paginator().items().send().collect().await;
        serde_dynamo::from_items(items.expect("the messages can be read")).expect("stored events")
    }

    /// Waits until what a user wrote and did is as wanted, and returns it.
    ///
    /// # Panics
    /// After a minute and a half, with what there is then and the function's log.
    pub async fn wait_for_events(
        &self,
        chat_id: &str,
        what: &str,
        wanted: impl Fn(&[StoredEvent]) -> bool,
    ) -> Vec<StoredEvent> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let events = self.events_of(chat_id).await;
            if wanted(&events) {
                return events;
            }
            if Instant::now() > deadline {
                panic!("waited in vain until {what}: {events:#?}\n{}", self.aws.logs("inbox"));
            }
            sleep(POLL).await;
        }
    }

    /// Whether the user is a friend, and who told us; `None` for an unknown one.
    ///
    /// # Panics
    /// When the table cannot be read, or holds something else.
    pub async fn friend_state(&self, user: &str) -> Option<(bool, String)> {
        let get = self.dynamodb.get_item().table_name(self.aws.output("FriendsTableName"));
        let get = get.key("line_user_id", AttributeValue::S(user.to_owned())).consistent_read(true);
        let item = get.send().await.expect("the friends can be read").item?;
        let friend = *item["friend"].as_bool().expect("friend is BOOL");
        Some((friend, item["source"].as_s().expect("source is S").clone()))
    }

    /// Waits until the user's friend state is this one.
    ///
    /// # Panics
    /// After a minute and a half, with what it is then.
    pub async fn wait_for_friend_state(&self, user: &str, friend: bool, source: &str) {
        let (deadline, wanted) = (Instant::now() + LIMIT, Some((friend, source.to_owned())));
        loop {
            let state = self.friend_state(user).await;
            if state == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain for {wanted:?}, it is {state:?}");
            sleep(POLL).await;
        }
    }

    /// Waits until nothing is left in the inbox queue, and nothing is being handled.
    ///
    /// # Panics
    /// After a minute and a half.
    pub async fn wait_for_an_empty_inbox(&self) {
        let deadline = Instant::now() + LIMIT;
        while self.queue_depth("InboxQueueUrl").await.expect("the queue can be looked at") > 0 {
            assert!(Instant::now() < deadline, "the inbox does not empty: {}", self.aws.logs("inbox"));
            sleep(POLL).await;
        }
    }
}
