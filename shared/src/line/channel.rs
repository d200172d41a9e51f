//! The Messaging API channel: its credential and the client, together.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{
    aws::secret::{Secret, SecretError},
    clock::Clock,
    ids::{LineUserId, random_uuid},
    lambda::environment::{SettingError, parsed, required},
    line::{
        channel_secret::LineChannelSecret,
        client::{Account, LineClient, LineError, Profile},
        quota::Month,
    },
    outbound::{Connection, Outbound},
    token::{
        access::{AccessToken, IssuedToken},
        credential::{AskError, Credential, CredentialError},
        shared::{Issuer, SharedToken},
    },
};

/// LINE refuses a channel's 31st valid token (LINE: "Channel access token"); a little room is left for people's own
/// while we have a token that serves.
const MAX_LIVE_TOKENS: usize = 28;

/// What a push is sent through.
#[derive(Debug)]
pub struct LineChannel {
    /// The wire.
    pub client: LineClient,
    credential: Credential<LineChannelSecret, LineError>,
    token_life: Duration,
    clock: Clock,
}

/// No channel access token could be had. The request that needed it was not made.
pub type ChannelError = CredentialError<LineError>;

/// What LINE was asked for could not be had.
pub type AnswerError = AskError<LineError>;

/// Where a channel's credential is, and how long its tokens live.
#[derive(Debug)]
pub struct ChannelSettings {
    /// Where LINE answers, such as `https://api.line.me`.
    pub api_base: String,
    /// The secret that has the channel's key.
    pub secret_id: String,
    /// The table that has its token, for everybody who uses the channel.
    pub tokens_table: String,
    /// How long a token is asked to live.
    pub token_life: Duration,
}

impl LineChannel {
    /// [`new`](Self::new), from the environment of a function.
    pub fn from_env(outbound: &Outbound, timeout: Duration, clock: Clock) -> Result<Self, SettingError> {
        let settings = ChannelSettings {
            api_base: required("LINE_API_BASE")?,
            secret_id: required("LINE_SECRET_ID")?,
            tokens_table: required("TOKENS_TABLE")?,
            token_life: Duration::from_secs(parsed("CHANNEL_TOKEN_SECONDS")?),
        };
        Ok(Self::new(outbound, settings, timeout, clock))
    }

    /// Wires the channel; nothing is called yet. No call takes longer than `timeout`.
    pub fn new(outbound: &Outbound, settings: ChannelSettings, timeout: Duration, clock: Clock) -> Self {
        let ChannelSettings { api_base, secret_id, tokens_table, token_life } = settings;
        let issuer = Issuer { name: "line", lease: timeout * 3 / 2, life: token_life, max_live: Some(MAX_LIVE_TOKENS) };
        let dynamodb = aws_sdk_dynamodb::Client::new(&outbound.aws);
        Self {
            client: LineClient::new(&outbound.http, &api_base, timeout),
            credential: Credential::new(
                Secret::new(&outbound.secrets, secret_id, clock),
                SharedToken::new(dynamodb, tokens_table, issuer, clock),
            ),
            token_life,
            clock,
        }
    }

    /// Reads secret and token into memory, as far as they are there.
    pub async fn warm_up(&self) -> Result<(), ChannelError> {
        self.credential.warm_up().await
    }

    /// The same before the first event; whoever needs them reports what was not there.
    pub async fn prepare(&self) {
        if let Err(error) = self.warm_up().await {
            tracing::warn!(%error, "the channel is not ready");
        }
    }

    /// The connection to LINE, for [`open`](crate::outbound::open).
    pub fn connection(&self) -> Connection {
        self.client.connection()
    }

    /// Renews the token if its end is near; nobody waits for it.
    pub async fn renew_token_ahead(&self) {
        self.credential.renew_ahead(|secret| self.issue(secret)).await;
    }

    /// A channel access token.
    pub async fn token(&self) -> Result<AccessToken, ChannelError> {
        self.credential.token(|secret| self.issue(secret)).await
    }

    /// Another token, after LINE refused this one with 401.
    pub async fn token_instead_of(&self, refused: &AccessToken) -> Result<AccessToken, ChannelError> {
        self.credential.token_instead_of(refused, |secret| self.issue(secret)).await
    }

    /// Asks LINE with the channel's token; one that LINE refuses is replaced once.
    pub async fn ask<T, F>(&self, call: impl Fn(AccessToken) -> F) -> Result<T, AnswerError>
    where
        F: Future<Output = Result<T, LineError>>,
    {
        self.credential.ask(|secret| self.issue(secret), call).await
    }

    /// Whether the month's messages are used up (LINE's error texts may change, its figures say it).
    pub async fn quota_is_exhausted(&self) -> Result<bool, AnswerError> {
        Ok(self.month().await?.is_used_up())
    }

    /// A friend's profile; `None` for a user who is no friend now.
    pub async fn profile(&self, user: &LineUserId) -> Result<Option<Profile>, AnswerError> {
        self.ask(|token| async move { self.client.profile(&token, user).await }).await
    }

    /// Pushes one text that belongs to no order, and once more where nobody knows whether LINE took it: under one retry
    /// key it arrives once.
    pub async fn push_text(&self, user: &LineUserId, text: &str) -> Result<(), AnswerError> {
        let body = json!({ "to": user.as_str(), "messages": [{ "type": "text", "text": text }] }).to_string();
        let key = random_uuid();
        let push = async |token: &AccessToken| match self.client.push(token, key, &body).await?.status {
            200..300 | 409 => Ok(()),
            status => Err(LineError::Status { status, text: "the text was not accepted".to_owned() }),
        };
        let push = &push;
        self.ask(|token| async move {
            match push(&token).await {
                Err(LineError::NoAnswer(_) | LineError::Status { status: 500.., .. }) => push(&token).await,
                result => result,
            }
        })
        .await
    }

    /// The channel's account.
    pub async fn account(&self) -> Result<Account, AnswerError> {
        self.ask(|token| async move { self.client.account(&token).await }).await
    }

    /// The channel's id.
    pub async fn channel_id(&self) -> Result<String, SecretError> {
        Ok(self.credential.secret().await?.signer.channel_id().to_owned())
    }

    /// The month's messages.
    pub async fn month(&self) -> Result<Month, AnswerError> {
        self.ask(|token| async move {
            let (limit, used) = tokio::try_join!(self.client.quota(&token), self.client.consumption(&token))?;
            Ok(Month { limit, used })
        })
        .await
    }

    async fn issue(&self, secret: Arc<LineChannelSecret>) -> Result<IssuedToken, LineError> {
        let assertion = secret.signer.sign(self.clock.now(), self.token_life)?;
        self.client.issue_channel_token(&assertion).await
    }
}
