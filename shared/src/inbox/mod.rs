//! What users write and do: from the webhooks' queue to the operator's table and the friend states.
//!
//! Events come at least once, in any order, and through two entrances. The webhooks put each into the queue before they
//! answer 200, so from there on nothing is lost; what fails stays in the queue and ends in its dead-letter queue.
//! No event is marked as seen, because a crash between such a mark and the effect would lose the event. Instead every
//! effect can be had twice:
//!
//! * The event's item ([`messages`]) has a key made of the event alone and is written if it is not there. A copy with
//!   LINE's signature takes the place of one without.
//! * An unsend leaves a mark under the message's id, which a message that comes later finds.
//! * A friend state is kept with its event's time, and an older one never replaces a newer one
//!   ([`crate::customer::friend`]).
//! * A media URL is asked for as long as the item has none.
//! * The metric of unknown events is counted once the item is new: a crash in between loses the count, not the event.
//!
//! Who to believe: an event with LINE's signature, whichever entrance it came through. Of an event without one the
//! operator sees that it is not verified, and it changes a friend state only if LINE, asked for the profile, agrees. An
//! unsend is always honoured: to remove too much is the smaller harm.
//!
//! * [`queue`] - the queue, as the webhooks fill it
//! * [`messages`] - the table

pub mod messages;
pub mod queue;

use aws_config::SdkConfig;
use serde_json::value::RawValue;
use time::Duration;

use self::{
    messages::{Messages, Stored, StoredEvent},
    queue::{Envelope, Via},
};
use crate::{
    aws::{error::AwsError, secret::SecretError},
    clock::Clock,
    customer::friend::{Friends, Friendship, Source},
    delivery::pace::Pace,
    lambda::environment::{StartError, parsed, required},
    line::{
        channel::{AnswerError, LineChannel},
        webhook::{Event, EventKind, MessageContent, Provider},
    },
    metric,
    sobot::account::{AccountError, SobotAccount},
};

/// Something of an event is left to do: the queue keeps the event, and everything that was done already can be done
/// again.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// A table.
    #[error(transparent)]
    Table(#[from] AwsError),
    /// LINE does not say whether the user is a friend.
    #[error("LINE was asked in vain: {0}")]
    Line(#[from] AnswerError),
    /// The channel that Sobot is asked about is not known.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Sobot does not say where the content is.
    #[error("no media URL for the message: {0}")]
    Sobot(#[from] AccountError),
}

/// Takes events.
#[derive(Debug)]
pub struct Inbox {
    messages: Messages,
    friends: Friends,
    line: LineChannel,
    sobot: SobotAccount,
    retention: Duration,
    clock: Clock,
}

impl Inbox {
    /// Wires the inbox from the environment of its function; nothing is called yet.
    pub fn from_env(aws: &SdkConfig, clock: Clock) -> Result<Self, StartError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(aws);
        let call = Pace::from_env()?.call;
        Ok(Self {
            messages: Messages::new(dynamodb.clone(), required("MESSAGES_TABLE")?),
            friends: Friends::new(dynamodb, required("FRIENDS_TABLE")?),
            line: LineChannel::from_env(aws, call, clock)?,
            sobot: SobotAccount::from_env(aws, call, clock)?,
            retention: Duration::days(parsed("MESSAGE_RETENTION_DAYS")?),
            clock,
        })
    }

    /// Renews the tokens of LINE and Sobot if their ends are near; nobody waits for it.
    pub async fn renew_tokens_ahead(&self) {
        tokio::join!(self.line.renew_token_ahead(), self.sobot.renew_token_ahead());
    }

    /// Handles one event of an envelope.
    pub async fn take(&self, envelope: &Envelope, event: &RawValue) -> Result<(), InboxError> {
        let event = Event::parse(event.get());
        let item = StoredEvent::new(&event, envelope, self.retention);
        // First the item, so that the operator sees the event even while LINE and Sobot are out of reach.
        let stored = self.messages.store(&item).await?;
        if stored == Stored::New {
            count_unknown(&event);
        }
        match &event.kind {
            EventKind::Follow { .. } => self.set_friendship(&event, envelope, Friendship::Friend).await?,
            EventKind::Unfollow => self.set_friendship(&event, envelope, Friendship::NotAFriend).await?,
            EventKind::Unsend { message_id } => {
                self.messages.unsend(message_id, event.at(), item.expire_at).await?;
            }
            EventKind::Message { message_id, content } => {
                self.fetch_media_url(envelope.via, message_id, content, &item, &stored).await?;
            }
            EventKind::AccountLink { .. } | EventKind::Postback { .. } | EventKind::Unknown => {}
        }
        tracing::info!(
            event.id = event.id,
            event.kind = event.type_name,
            event.via = ?envelope.via,
            event.verified = envelope.verified,
            event.new = stored == Stored::New,
            "event taken"
        );
        Ok(())
    }

    async fn set_friendship(
        &self,
        event: &Event,
        envelope: &Envelope,
        friendship: Friendship,
    ) -> Result<(), InboxError> {
        let Some(user) = event.source.user() else {
            tracing::warn!(event.id = event.id, "a follow or unfollow of nobody that LINE could know");
            return Ok(());
        };
        if envelope.verified {
            self.friends.put(&user, friendship, event.at(), Source::LineEvent).await?;
            return Ok(());
        }
        let profile = self.line.profile(&user).await?;
        let now = if profile.is_some() { Friendship::Friend } else { Friendship::NotAFriend };
        if now != friendship {
            tracing::warn!(event.id = event.id, "a forwarded event that LINE does not confirm changes no friend state");
            return Ok(());
        }
        // A time in the future would shut out every later event.
        let at = event.at().min(self.clock.now());
        self.friends.put(&user, friendship, at, Source::ConfirmedEvent).await?;
        Ok(())
    }

    /// Asks Sobot for the bytes of a message that Sobot forwarded. Of what came from LINE directly the id is enough.
    async fn fetch_media_url(
        &self,
        via: Via,
        message_id: &str,
        content: &MessageContent,
        item: &StoredEvent,
        stored: &Stored,
    ) -> Result<(), InboxError> {
        let item = match stored {
            Stored::New => item,
            Stored::Known(known) => known,
            Stored::Unsent => return Ok(()),
        };
        let wanted = via == Via::Sobot && content.provider() == Some(&Provider::Line);
        if !wanted || item.media_url.is_some() || item.unsent_at.is_some() {
            return Ok(());
        }
        let url = self.sobot.media_url(message_id, &self.line.channel_id().await?).await?;
        Ok(self.messages.set_media_url(&item.chat_id, &item.event_key, &url).await?)
    }
}

fn count_unknown(event: &Event) {
    match &event.kind {
        EventKind::Unknown => metric::unknown_event(&event.type_name),
        EventKind::Message { content: MessageContent::Unknown { message_type }, .. } => {
            metric::unknown_event(&format!("message/{message_type}"));
        }
        _ => {}
    }
}
