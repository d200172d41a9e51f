//! What Secrets Manager holds: read once per environment, kept in memory, read again after an authentication failure.
//!
//! Errors name the secret's id and the field that is wrong, never a value.

use std::{sync::Arc, time::Duration};

use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::{aws::error::Cause, clock::Clock, foreign_json, invalid::Invalid, single_flight::SingleFlight};

/// Failed authentications read a secret again at most this often, so that a guesser cannot make us call all day.
const MIN_AGE: Duration = Duration::from_secs(2);
/// A secret in memory is read again after this long, so that a key that was taken back stops working.
const MAX_AGE: Duration = Duration::from_secs(300);

/// A secret that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it out.
    #[error("secret {id} could not be read: {what}")]
    Unavailable {
        /// The secret's id or ARN.
        id: String,
        /// Why.
        what: Cause,
    },
    /// Nobody has put a value yet.
    #[error("secret {id} has no value; put the JSON that {page} shows")]
    NotSet {
        /// The secret's id or ARN.
        id: String,
        /// [`SecretContent::PAGE`].
        page: &'static str,
    },
    /// Its content is not the JSON that it must be.
    #[error("secret {id}: {problem}; {page} shows its JSON")]
    Malformed {
        /// The secret's id or ARN.
        id: String,
        /// The field and its problem.
        problem: Invalid,
        /// [`SecretContent::PAGE`].
        page: &'static str,
    },
}

/// The content of a secret.
pub trait SecretContent: Sized {
    /// The page of the repository that shows the JSON to whoever puts it.
    const PAGE: &'static str;

    /// Reads the JSON; the error names the field and never prints a value.
    fn parse(json: &str) -> Result<Self, Invalid>;
}

/// One secret, kept in memory.
#[derive(Debug)]
pub struct Secret<T> {
    client: Client,
    id: String,
    clock: Clock,
    cached: SingleFlight<Option<(Arc<T>, OffsetDateTime)>, SecretError>,
}

impl<T: SecretContent> Secret<T> {
    /// Nothing is read yet.
    pub fn new(client: Client, id: String, clock: Clock) -> Self {
        Self { client, id, clock, cached: SingleFlight::new(None) }
    }

    /// The content, from memory where it is young enough. If it cannot be read again, the old content serves on.
    pub async fn get(&self) -> Result<Arc<T>, SecretError> {
        self.get_younger_than(MAX_AGE).await
    }

    /// The content after an authentication failed with the one in memory.
    pub async fn get_again(&self) -> Result<Arc<T>, SecretError> {
        self.get_younger_than(MIN_AGE).await
    }

    /// What `find` finds in the content in memory, or else in the content read again: a key that is not known may be
    /// new.
    pub async fn first<R>(&self, find: impl Fn(&Arc<T>) -> Option<R>) -> Result<Option<R>, SecretError> {
        match find(&self.get().await?) {
            Some(found) => Ok(Some(found)),
            None => Ok(find(&self.get_again().await?)),
        }
    }

    async fn get_younger_than(&self, age: Duration) -> Result<Arc<T>, SecretError> {
        let mut cached = self.cached.turn().await;
        if let Some((content, read_at)) = &*cached
            && self.clock.is_within(*read_at, age)
        {
            return Ok(Arc::clone(content));
        }
        cached.may_read()?;
        match self.read().await {
            Ok(content) => {
                let content = Arc::new(content);
                *cached = Some((Arc::clone(&content), self.clock.now()));
                Ok(content)
            }
            Err(error) => match &mut *cached {
                Some((content, read_at)) => {
                    tracing::warn!(%error, "a secret could not be read again, the one in memory serves on");
                    *read_at = self.clock.now();
                    Ok(Arc::clone(content))
                }
                None => Err(cached.fail(error)),
            },
        }
    }

    async fn read(&self) -> Result<T, SecretError> {
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await.map_err(|error| {
            let id = self.id.clone();
            match error.as_service_error() {
                Some(GetSecretValueError::ResourceNotFoundException(_)) => SecretError::NotSet { id, page: T::PAGE },
                _ => SecretError::Unavailable { id, what: error.into() },
            }
        })?;
        T::parse(answer.secret_string().unwrap_or_default()).map_err(|problem| SecretError::Malformed {
            id: self.id.clone(),
            problem,
            page: T::PAGE,
        })
    }
}

/// Reads a secret's JSON. serde's message would quote the value, so only the kind of mistake and its place are told.
pub fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, Invalid> {
    foreign_json::parse(json).map_err(|error| {
        let missing = error.to_string();
        match missing.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
            Some((field, _)) => format!("field {field} is missing").into(),
            None => {
                format!("must be the JSON object of this secret (line {}, column {})", error.line(), error.column())
                    .into()
            }
        }
    })
}

/// A field must say something.
pub fn not_empty(name: &str, value: &str) -> Result<(), Invalid> {
    if value.trim().is_empty() { Err(format!("field {name} is empty").into()) } else { Ok(()) }
}
