//! The credential at Sobot: its secret, its shared token and the client, together.

use std::{sync::Arc, time::Duration};

use aws_config::SdkConfig;

use crate::{
    aws::secret::{Secret, SecretError},
    clock::Clock,
    sobot::{
        client::{SobotClient, SobotError},
        mass_send::{Page, Query},
        pages::Pages,
        secret::SobotSecret,
    },
    token::{
        access::AccessToken,
        shared::{Issuer, Refusal as _, SharedToken, TokenError},
    },
};

/// A token lives at most a day (Sobot, "get_token").
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What Sobot is asked through.
#[derive(Debug)]
pub struct SobotAccount {
    client: SobotClient,
    secret: Secret<SobotSecret>,
    token: SharedToken,
    clock: Clock,
}

/// Sobot could not be asked, or did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Sobot's secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The shared token.
    #[error("Sobot: {0}")]
    Token(#[from] TokenError<SobotError>),
    /// The call itself.
    #[error(transparent)]
    Call(#[from] SobotError),
}

impl SobotAccount {
    /// Wires the account; nothing is called yet. No call takes longer than `timeout`.
    pub fn new(
        aws: &SdkConfig,
        base: &str,
        secret_id: String,
        tokens_table: String,
        timeout: Duration,
        clock: Clock,
    ) -> reqwest::Result<Self> {
        Ok(Self {
            client: SobotClient::new(base, timeout)?,
            secret: Secret::new(aws_sdk_secretsmanager::Client::new(aws), secret_id, clock),
            token: SharedToken::new(
                aws_sdk_dynamodb::Client::new(aws),
                tokens_table,
                Issuer { name: "sobot", lease: timeout * 3 / 2, life: TOKEN_LIFE, max_live: None },
                clock,
            ),
            clock,
        })
    }

    /// Whether somebody has put Sobot's secret: a stack may do without Sobot. Whatever else is wrong with the secret, the
    /// calls say.
    pub async fn is_configured(&self) -> bool {
        !matches!(self.secret.get().await, Err(SecretError::NotSet { .. }))
    }

    /// Where a message's content can be fetched.
    pub async fn media_url(&self, message_id: &str, channel_id: &str) -> Result<String, AccountError> {
        self.ask(|token| async move { self.client.media_url(&token, message_id, channel_id).await }).await
    }

    /// A list, page by page; of an endless one no more than `max_pages`.
    pub fn pages<Q: Query>(&self, query: Q, max_pages: u32) -> Pages<'_, Q> {
        Pages::new(self, query, max_pages)
    }

    /// One page of a list; the first is 1.
    pub async fn page<Q: Query>(&self, query: &Q, number: u32) -> Result<Page<Q::Item>, AccountError> {
        self.ask(|token| async move { self.client.page(&token, query, number).await }).await
    }

    /// Asks. A token that Sobot does not know any more is replaced once.
    async fn ask<T, F>(&self, call: impl Fn(AccessToken) -> F) -> Result<T, AccountError>
    where
        F: Future<Output = Result<T, SobotError>>,
    {
        let token = self.token().await?;
        match call(token.clone()).await {
            Err(error) if error.is_about_the_token() => Ok(call(self.token_instead_of(&token).await?).await?),
            result => Ok(result?),
        }
    }

    /// Renews the token if its end is near; nobody waits for it.
    pub async fn renew_token_ahead(&self) {
        if let Ok(secret) = self.secret.get().await {
            let issue = || self.client.get_token(&secret, self.clock.now());
            self.token.renew_ahead(&secret.sealing_key, issue).await;
        }
    }

    /// The token. If Sobot refuses the credential, the secret is read again: it may be a new one.
    async fn token(&self) -> Result<AccessToken, AccountError> {
        let secret = self.secret.get().await?;
        let issue = |secret| async move { self.client.get_token(secret, self.clock.now()).await };
        match self.token.get(&secret.sealing_key, || issue(&secret)).await {
            Err(TokenError::Issuer(error)) if error.is_refusal() => {
                let again = self.secret.get_again().await?;
                if Arc::ptr_eq(&secret, &again) {
                    return Err(TokenError::Issuer(error).into());
                }
                Ok(self.token.get(&again.sealing_key, || issue(&again)).await?)
            }
            result => Ok(result?),
        }
    }

    async fn token_instead_of(&self, refused: &AccessToken) -> Result<AccessToken, AccountError> {
        let secret = self.secret.get_again().await?;
        let issue = || self.client.get_token(&secret, self.clock.now());
        Ok(self.token.get_instead_of(refused, &secret.sealing_key, issue).await?)
    }
}
