//! A credential and the token it is exchanged for: what LINE and Sobot are asked through.
//!
//! Two things can be out of date, and both are read or made anew where the partner refuses them: the secret in memory,
//! because somebody rotated it, and the token, because somebody ended it.

use std::sync::Arc;

use crate::{
    aws::secret::{Secret, SecretError},
    token::{
        access::{AccessToken, IssuedToken},
        secret::IssuerSecret,
        shared::{Refusal, SharedToken, TokenError},
    },
};

/// The credential.
#[derive(Debug)]
pub struct Credential<S, E> {
    secret: Secret<S>,
    token: SharedToken<E>,
}

/// No token could be had. The request that needed it was not made.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError<E> {
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The shared token.
    #[error(transparent)]
    Token(#[from] TokenError<E>),
}

/// What was asked for could not be had.
#[derive(Debug, thiserror::Error)]
pub enum AskError<E> {
    /// No token.
    #[error(transparent)]
    Credential(#[from] CredentialError<E>),
    /// The call itself.
    #[error(transparent)]
    Call(E),
}

impl<S: IssuerSecret, E: Refusal> Credential<S, E> {
    /// Nothing is read yet.
    pub fn new(secret: Secret<S>, token: SharedToken<E>) -> Self {
        Self { secret, token }
    }

    /// The secret.
    pub async fn secret(&self) -> Result<Arc<S>, SecretError> {
        self.secret.get().await
    }

    /// Reads secret and token into memory, as far as they are there.
    pub async fn warm_up(&self) -> Result<(), CredentialError<E>> {
        self.token.warm_up(async { Ok(self.secret.get().await?) }).await
    }

    /// Renews the token if its end is near; nobody waits for it.
    pub async fn renew_ahead<F>(&self, issue: impl Fn(Arc<S>) -> F)
    where
        F: Future<Output = Result<IssuedToken, E>>,
    {
        if let Ok(secret) = self.secret.get().await {
            self.token.renew_ahead(&*secret, || issue(Arc::clone(&secret))).await;
        }
    }

    /// A token. If the issuer refuses the credential, the secret is read again: it may be a new one.
    pub async fn token<F>(&self, issue: impl Fn(Arc<S>) -> F) -> Result<AccessToken, CredentialError<E>>
    where
        F: Future<Output = Result<IssuedToken, E>>,
    {
        let secret = self.secret.get().await?;
        match self.token.get(&*secret, || issue(Arc::clone(&secret))).await {
            Err(error) if error.blames_the_credential() => {
                let again = self.secret.get_again().await?;
                if again.fingerprint() == secret.fingerprint() {
                    return Err(error.into());
                }
                Ok(self.token.get(&*again, || issue(Arc::clone(&again))).await?)
            }
            result => Ok(result?),
        }
    }

    /// Another token, after the partner did not accept this one.
    pub async fn token_instead_of<F>(
        &self,
        refused: &AccessToken,
        issue: impl Fn(Arc<S>) -> F,
    ) -> Result<AccessToken, CredentialError<E>>
    where
        F: Future<Output = Result<IssuedToken, E>>,
    {
        let secret = self.secret.get_again().await?;
        Ok(self.token.get_instead_of(refused, &*secret, || issue(Arc::clone(&secret))).await?)
    }

    /// Asks with the token. One that the partner does not accept any more is replaced once.
    pub async fn ask<T, F, C>(
        &self,
        issue: impl Fn(Arc<S>) -> F,
        call: impl Fn(AccessToken) -> C,
    ) -> Result<T, AskError<E>>
    where
        F: Future<Output = Result<IssuedToken, E>>,
        C: Future<Output = Result<T, E>>,
    {
        let token = self.token(&issue).await?;
        match call(token.clone()).await {
            Err(error) if error.blames_the_token() => {
                call(self.token_instead_of(&token, issue).await?).await.map_err(AskError::Call)
            }
            result => result.map_err(AskError::Call),
        }
    }
}
