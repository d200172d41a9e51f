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
//! * A media URL is asked for as long as the item has none. That Sobot refuses one is noted in its place: its one code
//!   for a message that it does not know and for a channel id that is wrong would fill the dead-letter queue, and an
//!   operator can ask again.
//! * The metric of unknown events is counted once the item is new: a crash in between loses the count, not the event.
//!
//! A body says whose events it brings, by the account's user id ([`account`]). Those of another account are kept apart,
//! where operators can see them, and change nothing.
//!
//! Who to believe: an event with LINE's signature, whichever entrance it came through. Of an event without one the
//! operator sees that it is not verified, and it changes a friend state only if LINE, asked for the profile, agrees. An
//! unsend is always honoured: to remove too much is the smaller harm.
//!
//! * [`account`] - whether events are for our account
//! * [`queue`] - the queue, as the webhooks fill it
//! * [`messages`] - the table; [`erase`] - a user is forgotten

pub mod account;
pub mod erase;
pub mod messages;
pub mod queue;

use serde_json::value::RawValue;
use time::Duration;

use self::{
    account::OwnAccount,
    messages::{MediaError, Messages, Stored, StoredEvent},
    queue::{Envelope, Via},
};
use crate::{
    aws::{error::AwsError, secret::SecretError},
    clock::Clock,
    customer::friend::{Friends, Friendship, Source},
    delivery::pace::Pace,
    lambda::environment::{SettingError, parsed, required},
    line::{
        channel::{AnswerError, LineChannel},
        client::LineError,
        webhook::{Event, EventKind, MessageContent, Provider},
    },
    metric,
    outbound::{Connection, Outbound},
    sobot::{
        account::{AccountError, SobotAccount},
        client::SobotError,
    },
    token::credential::AskError,
};

/// Something of an event is left to do: the queue keeps the event, and everything that was done already can be done
/// again.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// A table.
    #[error(transparent)]
    Table(#[from] AwsError),
    /// LINE does not say whether the user is a friend.
    #[error("LINE did not answer: {0}")]
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
    account: OwnAccount,
    sobot: SobotAccount,
    retention: Duration,
    clock: Clock,
}

impl Inbox {
    /// Wires the inbox from the environment of its function; nothing is called yet.
    pub fn from_env(outbound: &Outbound, clock: Clock) -> Result<Self, SettingError> {
        let dynamodb = aws_sdk_dynamodb::Client::new(&outbound.aws);
        let call = Pace::from_env()?.call;
        Ok(Self {
            messages: Messages::new(dynamodb.clone(), required("MESSAGES_TABLE")?),
            friends: Friends::new(
                dynamodb,
                required("FRIENDS_TABLE")?,
                Duration::days(parsed("FRIEND_RETENTION_DAYS")?),
            ),
            line: LineChannel::from_env(outbound, call, clock)?,
            account: OwnAccount::new(clock),
            sobot: SobotAccount::from_env(outbound, call, clock)?,
            retention: Duration::days(parsed("MESSAGE_RETENTION_DAYS")?),
            clock,
        })
    }

    /// Reads secrets and tokens into memory, as far as they are there, and with that connects to where they are kept;
    /// whatever needs them reports what was not.
    pub async fn warm_up(&self) {
        tokio::join!(self.line.prepare(), self.sobot.prepare());
    }

    /// The connection to LINE, for [`open`](crate::outbound::open).
    pub fn connection(&self) -> Connection {
        self.line.connection()
    }

    /// Renews the tokens of LINE and Sobot if their ends are near; nobody waits for it.
    pub async fn renew_tokens_ahead(&self) {
        tokio::join!(self.line.renew_token_ahead(), self.sobot.renew_token_ahead());
    }

    /// Handles one event of an envelope.
    pub async fn take(&self, envelope: &Envelope, event: &RawValue) -> Result<(), InboxError> {
        let event = Event::parse(event.get());
        let another_account = self.account.another(envelope.destination.as_deref(), &self.line).await;
        let item = StoredEvent::new(&event, envelope, self.retention, another_account);
        // First the item, so that the operator sees the event even while LINE and Sobot are out of reach. What would be
        // deleted at once is not written any more.
        let stored = match item.is_over(self.clock.now()) {
            true => None,
            false => Some(self.messages.store(&item).await?),
        };
        if let EventKind::Unsend { message_id } = &event.kind {
            self.messages.unsend(message_id, &item).await?;
        }
        if item.another_account.is_some() {
            if stored == Some(Stored::New) {
                metric::other_account_event();
            }
        } else {
            self.have_effect(&event, envelope, &item, stored.as_ref()).await?;
        }
        tracing::info!(
            event.id = event.id,
            event.kind = event.type_name,
            event.via = ?envelope.via,
            event.verified = envelope.verified,
            event.another_account = item.another_account.is_some(),
            event.too_old = stored.is_none(),
            event.new = stored == Some(Stored::New),
            "event taken"
        );
        Ok(())
    }

    /// What an event for our account changes beside its item.
    async fn have_effect(
        &self,
        event: &Event,
        envelope: &Envelope,
        item: &StoredEvent,
        stored: Option<&Stored>,
    ) -> Result<(), InboxError> {
        if stored == Some(&Stored::New) {
            count_unknown(event);
        }
        match &event.kind {
            EventKind::Follow { .. } => self.set_friendship(event, envelope, Friendship::Friend).await?,
            EventKind::Unfollow => self.set_friendship(event, envelope, Friendship::NotAFriend).await?,
            EventKind::Message { message_id, content } => {
                let item = match stored {
                    Some(Stored::New) => item,
                    Some(Stored::Known(known)) => known,
                    Some(Stored::Unsent) | None => return Ok(()),
                };
                self.fetch_media_url(envelope.via, message_id, content, item).await?;
            }
            // Whoever can forge one must not wake anybody: LINE itself says so, or refuses what it is asked for.
            EventKind::Suspended if envelope.verified => {
                tracing::error!(event.kind = event.type_name, "LINE suspended the account, or cut it off");
                metric::account_suspended(&event.type_name);
            }
            EventKind::Unsend { .. }
            | EventKind::MessageEdited { .. }
            | EventKind::AccountLink { .. }
            | EventKind::Postback { .. }
            | EventKind::Suspended
            | EventKind::Unknown => {}
        }
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
        let at = event.at(envelope.received_at);
        if envelope.verified {
            self.friends.put(&user, friendship, at, Source::LineEvent).await?;
            return Ok(());
        }
        // Before LINE is asked: what happens while it answers is newer than its answer.
        let asked_at = self.clock.now();
        let profile = match self.line.profile(&user).await {
            Err(AskError::Call(LineError::Status { status: 400, .. })) => None,
            answer => answer?,
        };
        let now = if profile.is_some() { Friendship::Friend } else { Friendship::NotAFriend };
        if now != friendship {
            tracing::warn!(event.id = event.id, "a forwarded event that LINE does not confirm changes no friend state");
            return Ok(());
        }
        self.friends.put(&user, friendship, at.min(asked_at), Source::ConfirmedEvent).await?;
        Ok(())
    }

    /// Asks Sobot for the bytes of a message that Sobot forwarded. Of what came from LINE directly the id is enough.
    async fn fetch_media_url(
        &self,
        via: Via,
        message_id: &str,
        content: &MessageContent,
        item: &StoredEvent,
    ) -> Result<(), InboxError> {
        let wanted = via == Via::Sobot && content.provider() == Some(&Provider::Line);
        if !wanted || item.media_url.is_some() || item.unsent_at.is_some() {
            return Ok(());
        }
        match self.sobot.media_url(message_id, &self.line.channel_id().await?).await {
            Ok(url) => self.messages.set_media_url(item, &url).await?,
            Err(AskError::Call(error @ SobotError::BadParameters(_))) => {
                tracing::error!(%error, "Sobot refuses a message's media, its event says so");
                self.messages.set_media_error(item, MediaError::RefusedBySobot).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
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
