//! The Messaging API channel: its secret, its shared token and the client, together.

use std::sync::Arc;

use aws_config::SdkConfig;

use crate::{
    aws::secret::{Secret, SecretError},
    clock::Clock,
    delivery::settings::Settings,
    ids::LineUserId,
    line::{
        channel_secret::LineChannelSecret,
        client::{LineClient, LineError, Profile, Quota},
    },
    token::{
        access::AccessToken,
        shared::{Issuer, SharedToken, TokenError},
    },
};

/// LINE refuses a channel's 31st valid token (LINE: "Channel access token"); a little room is left for people's own.
const MAX_LIVE_TOKENS: usize = 28;

/// What a push is sent through.
#[derive(Debug)]
pub struct LineChannel {
    /// The wire.
    pub client: LineClient,
    secret: Secret<LineChannelSecret>,
    token: SharedToken,
    token_life: std::time::Duration,
    clock: Clock,
}

/// No channel access token could be had. The request that needed it was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// LINE's secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The shared token.
    #[error(transparent)]
    Token(#[from] TokenError<LineError>),
}

/// A figure or a profile could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No token.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// LINE refused, or did not answer.
    #[error(transparent)]
    Line(#[from] LineError),
}

impl LineChannel {
    /// Wires the channel; nothing is called yet.
    pub fn new(aws: &SdkConfig, settings: &Settings, clock: Clock) -> reqwest::Result<Self> {
        Ok(Self {
            client: LineClient::new(&settings.line_api_base, settings.pace.call)?,
            secret: Secret::new(aws_sdk_secretsmanager::Client::new(aws), settings.line_secret_id.clone(), clock),
            token: SharedToken::new(
                aws_sdk_dynamodb::Client::new(aws),
                settings.tokens_table.clone(),
                Issuer {
                    name: "line",
                    lease: settings.pace.call * 3 / 2,
                    life: settings.channel_token_life,
                    max_live: Some(MAX_LIVE_TOKENS),
                },
                clock,
            ),
            token_life: settings.channel_token_life,
            clock,
        })
    }

    /// Reads secret and token into memory, as far as they are there.
    pub async fn warm_up(&self) -> Result<(), ChannelError> {
        let secret = self.secret.get().await?;
        Ok(self.token.warm_up(&secret.sealing_key).await.map_err(TokenError::Store)?)
    }

    /// Renews the token if its end is near; nobody waits for it.
    pub async fn renew_token_ahead(&self) {
        if let Ok(secret) = self.secret.get().await {
            self.token.renew_ahead(&secret.sealing_key, || self.issue(&secret)).await;
        }
    }

    /// A channel access token. If LINE does not take the assertion, the secret is read again: the key may be a new one.
    pub async fn token(&self) -> Result<AccessToken, ChannelError> {
        let secret = self.secret.get().await?;
        match self.token.get(&secret.sealing_key, || self.issue(&secret)).await {
            Err(error @ TokenError::Issuer(LineError::Status { status: 400..500, .. })) => {
                let again = self.secret.get_again().await?;
                if Arc::ptr_eq(&secret, &again) {
                    return Err(error.into());
                }
                Ok(self.token.get(&again.sealing_key, || self.issue(&again)).await?)
            }
            result => Ok(result?),
        }
    }

    /// Another token, after LINE refused this one with 401.
    pub async fn token_instead_of(&self, refused: &AccessToken) -> Result<AccessToken, ChannelError> {
        let secret = self.secret.get_again().await?;
        let issue = || self.issue(&secret);
        Ok(self.token.get_instead_of(refused, &secret.sealing_key, issue).await?)
    }

    /// Whether the month's messages are used up (LINE's error texts may change, its figures say it).
    pub async fn quota_is_exhausted(&self, token: &AccessToken) -> Result<bool, LineError> {
        let (quota, used) = tokio::try_join!(self.client.quota(token), self.client.consumption(token))?;
        Ok(matches!(quota, Quota::Limited(limit) if used >= limit))
    }

    /// A friend's profile; `None` for a user who is no friend now.
    pub async fn profile(&self, user: &LineUserId) -> Result<Option<Profile>, AnswerError> {
        let token = self.token().await?;
        match self.client.profile(&token, user).await {
            Err(LineError::Status { status: 401, .. }) => {
                let token = self.token_instead_of(&token).await?;
                Ok(self.client.profile(&token, user).await?)
            }
            result => Ok(result?),
        }
    }

    /// The channel's id.
    pub async fn channel_id(&self) -> Result<String, SecretError> {
        Ok(self.secret.get().await?.signer.channel_id().to_owned())
    }

    /// The month's ceiling and what is used of it.
    pub async fn month(&self) -> Result<(Quota, u64), AnswerError> {
        let token = self.token().await?;
        let read = async |token| tokio::try_join!(self.client.quota(token), self.client.consumption(token));
        match read(&token).await {
            Err(LineError::Status { status: 401, .. }) => {
                let token = self.token_instead_of(&token).await?;
                Ok(read(&token).await?)
            }
            result => Ok(result?),
        }
    }

    async fn issue(&self, secret: &Arc<LineChannelSecret>) -> Result<crate::token::access::IssuedToken, LineError> {
        let assertion = secret
            .signer
            .sign(self.clock.now(), self.token_life)
            .map_err(|error| LineError::Malformed(error.to_string()))?;
        self.client.issue_channel_token(&assertion).await
    }
}
