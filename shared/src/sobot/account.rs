//! The account at Sobot: its credential and the client, together.

use std::{sync::Arc, time::Duration};

use crate::{
    aws::secret::{Secret, SecretError},
    clock::Clock,
    lambda::environment::{SettingError, required},
    outbound::Outbound,
    sobot::{
        client::{SobotClient, SobotError},
        mass_send::{ListQuery, SobotPage},
        secret::SobotSecret,
    },
    token::{
        access::{AccessToken, IssuedToken},
        credential::{AskError, Credential, CredentialError},
        shared::{Issuer, SharedToken, TokenError},
    },
};

/// A token lives at most a day (Sobot, "get_token").
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What Sobot is asked through.
#[derive(Debug)]
pub struct SobotAccount {
    client: SobotClient,
    credential: Credential<SobotSecret, SobotError>,
    clock: Clock,
}

/// Sobot could not be asked, or did not give what was asked for.
pub type AccountError = AskError<SobotError>;

/// Whether Sobot ended a token as soon as it was issued. Each new token ends the former one, so somebody else fetches
/// them with the same credential, and both would go on ending each other's.
pub fn is_used_twice(error: &AccountError) -> bool {
    matches!(
        error,
        AskError::Call(SobotError::TokenInvalid) | AskError::Credential(CredentialError::Token(TokenError::RefusedToo))
    )
}

impl SobotAccount {
    /// Wires the account from the environment of a function; nothing is called yet. No call takes longer than
    /// `timeout`.
    pub fn from_env(outbound: &Outbound, timeout: Duration, clock: Clock) -> Result<Self, SettingError> {
        let issuer = Issuer { name: "sobot", lease: timeout * 3 / 2, life: TOKEN_LIFE, max_live: None };
        let dynamodb = aws_sdk_dynamodb::Client::new(&outbound.aws);
        Ok(Self {
            client: SobotClient::new(&outbound.http, &required("SOBOT_API_BASE")?, timeout),
            credential: Credential::new(
                Secret::new(&outbound.secrets, required("SOBOT_SECRET_ID")?, clock),
                SharedToken::new(dynamodb, required("SOBOT_TOKENS_TABLE")?, issuer, clock),
            ),
            clock,
        })
    }

    /// Whether somebody has put Sobot's secret: a stack may do without Sobot. Whatever else is wrong
    /// with the secret, the calls say.
    pub async fn is_configured(&self) -> bool {
        !matches!(self.credential.secret().await, Err(SecretError::NotSet { .. }))
    }

    /// Where a message's content can be fetched. Sobot's id of the channel is the secret's; where it names none, it is
    /// LINE's own.
    pub async fn media_url(&self, message_id: &str, line_channel_id: &str) -> Result<String, AccountError> {
        let secret = self.secret().await?;
        let channel_id = secret.channel_id.as_deref().unwrap_or(line_channel_id);
        self.ask(|token| async move { self.client.media_url(&token, message_id, channel_id).await }).await
    }

    /// One page of a list; the first is 1. A query that names no sender is of the secret's.
    pub async fn page<Q: ListQuery>(&self, query: &Q, number: u32) -> Result<SobotPage<Q::Item>, AccountError> {
        let mut query = query.clone();
        let sender = query.sender();
        if sender.is_none() {
            sender.clone_from(&self.secret().await?.sender);
        }
        let query = &query;
        self.ask(|token| async move { self.client.page(&token, query, number).await }).await
    }

    /// Reads secret and token into memory before the first event, as far as they are there; whoever needs them reports
    /// what was not.
    pub async fn prepare(&self) {
        if let Err(error) = self.credential.warm_up().await {
            // A stack may do without.
            tracing::debug!(%error, "Sobot is not ready");
        }
    }

    /// Renews the token if its end is near; nobody waits for it.
    pub async fn renew_token_ahead(&self) {
        self.credential.renew_ahead(|secret| self.issue(secret)).await;
    }

    async fn secret(&self) -> Result<Arc<SobotSecret>, AccountError> {
        Ok(self.credential.secret().await.map_err(CredentialError::Secret)?)
    }

    async fn ask<T, F>(&self, call: impl Fn(AccessToken) -> F) -> Result<T, AccountError>
    where
        F: Future<Output = Result<T, SobotError>>,
    {
        self.credential.ask(|secret| self.issue(secret), call).await
    }

    async fn issue(&self, secret: Arc<SobotSecret>) -> Result<IssuedToken, SobotError> {
        self.client.get_token(&secret, self.clock.now()).await
    }
}
