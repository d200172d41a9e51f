//! What Secrets Manager holds: read once per environment, kept in memory, read again every five minutes and after an
//! authentication failure.
//!
//! That it cannot be read, and that it says nothing usable, are two things. The one is an outage, whatever the reason:
//! time-outs, throttling, a permission or a KMS key that somebody took away. What is in memory serves on, and where it
//! lets callers in, for an hour. The other is said by whoever wrote the secret, or deleted it: it holds at once, and
//! the door is closed to everybody, so that a key that was taken back opens nothing. Either is measured, and rings.
//!
//! Of a credential that is refused it can be told whether the version before the present one had it
//! ([`Secret::had`]): whoever comes with it is no stranger.
//!
//! Errors name the secret's id and the field that is wrong, never a value.

use std::{sync::Arc, time::Duration};

use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::{aws::error::Cause, clock::Clock, foreign_json, invalid::Invalid, metric};

/// Failed authentications read a secret again at most this often, so that a guesser cannot make us call all day.
const MIN_AGE: Duration = Duration::from_secs(2);
/// A secret in memory is read again after this long, so that a key that was taken back stops working.
const MAX_AGE: Duration = Duration::from_secs(300);
/// After a failure it is read again no earlier: no stranger makes us call for what is not set.
const PAUSE: Duration = Duration::from_secs(30);
/// For so long what lets callers in serves on while it cannot be read.
const MAX_OUTAGE: Duration = Duration::from_secs(3600);

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
    /// It had a value, and has none any more.
    #[error("secret {id} is gone; restore it, or put the JSON that {page} shows")]
    Gone {
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

impl SecretError {
    /// Whether it is an outage, in which the secret is what it was.
    fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// The content of a secret.
pub trait SecretContent: Sized {
    /// The page of the repository that shows the JSON to whoever puts it.
    const PAGE: &'static str;
    /// Whether it decides who is let in. What we ourselves log in with elsewhere does not: that may be tried for as
    /// long as it takes.
    const LETS_IN: bool = true;

    /// Reads the JSON; the error names the field and never prints a value.
    fn parse(json: &str) -> Result<Self, Invalid>;

    /// What in it is not usable, while the rest is.
    fn dropped(&self) -> &[Invalid] {
        &[]
    }
}

/// One secret, kept in memory.
#[derive(Debug)]
pub struct Secret<T> {
    client: Client,
    id: String,
    clock: Clock,
    memory: Mutex<Memory<T>>,
    former: Mutex<Option<Former<T>>>,
}

/// The version before the present one, if there is one that can be read, and when it was read.
type Former<T> = (Option<T>, OffsetDateTime);

/// What is known of a secret.
#[derive(Debug)]
struct Memory<T> {
    /// What it said, and when.
    content: Option<(Arc<T>, OffsetDateTime)>,
    /// What went wrong since.
    failure: Option<(SecretError, OffsetDateTime)>,
}

impl<T: SecretContent> Secret<T> {
    /// Nothing is read yet.
    pub fn new(client: Client, id: String, clock: Clock) -> Self {
        let memory = Mutex::new(Memory { content: None, failure: None });
        Self { client, id, clock, memory, former: Mutex::new(None) }
    }

    /// The content, from memory where it is young enough. Through an outage the former content serves on.
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

    /// Whether this is true of the version before the present one. Read when it is first asked for, and again after
    /// five minutes, so that no guesser makes us call all day; whatever is in its way, there is none.
    pub async fn had(&self, is_true: impl Fn(&T) -> bool) -> bool {
        let mut former = self.former.lock().await;
        if former.as_ref().is_none_or(|(_, at)| !self.clock.is_within(*at, MAX_AGE)) {
            let read = self.client.get_secret_value().secret_id(&self.id).version_stage("AWSPREVIOUS").send().await;
            let content = read.ok().and_then(|answer| T::parse(answer.secret_string()?).ok());
            *former = Some((content, self.clock.now()));
        }
        former.as_ref().and_then(|(content, _)| content.as_ref()).is_some_and(is_true)
    }

    async fn get_younger_than(&self, age: Duration) -> Result<Arc<T>, SecretError> {
        let mut memory = self.memory.lock().await;
        let is_young = match &memory.failure {
            // What was never read is asked for soon again, unless nobody has put it.
            Some((error, at)) => {
                let first = memory.content.is_none() && error.is_outage();
                self.clock.is_within(*at, if first { MIN_AGE } else { PAUSE })
            }
            None => memory.content.as_ref().is_some_and(|(_, read_at)| self.clock.is_within(*read_at, age)),
        };
        if !is_young {
            self.read_into(&mut memory).await;
        }
        self.known(&memory)
    }

    /// What memory has, if that may still be used.
    fn known(&self, memory: &Memory<T>) -> Result<Arc<T>, SecretError> {
        match (&memory.content, &memory.failure) {
            (Some((content, _)), None) => Ok(Arc::clone(content)),
            (Some((content, read_at)), Some((error, _))) => {
                let serves_on = !T::LETS_IN || error.is_outage() && self.clock.is_within(*read_at, MAX_OUTAGE);
                if serves_on { Ok(Arc::clone(content)) } else { Err(error.clone()) }
            }
            (None, Some((error, _))) => Err(error.clone()),
            (None, None) => Err(SecretError::NotSet { id: self.id.clone(), page: T::PAGE }),
        }
    }

    async fn read_into(&self, memory: &mut Memory<T>) {
        match self.read().await {
            Ok(content) => {
                for problem in content.dropped() {
                    tracing::error!(%problem, secret = self.id, "a part of a secret is not usable, the rest serves");
                    metric::secret_unusable();
                }
                *memory = Memory { content: Some((Arc::new(content), self.clock.now())), failure: None };
            }
            Err(error) => {
                let error = match error {
                    SecretError::NotSet { id, page } if memory.content.is_some() => SecretError::Gone { id, page },
                    error => error,
                };
                // A stack that never had it, such as one without Sobot, is well.
                if matches!(error, SecretError::NotSet { .. }) {
                    tracing::info!(%error, "a secret is not set");
                } else {
                    tracing::warn!(%error, known = memory.content.is_some(), "a secret could not be read");
                    metric::secret_unusable();
                }
                memory.failure = Some((error, self.clock.now()));
            }
        }
    }

    async fn read(&self) -> Result<T, SecretError> {
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await.map_err(|error| {
            let (id, page) = (self.id.clone(), T::PAGE);
            match error.as_service_error() {
                Some(GetSecretValueError::ResourceNotFoundException(_)) => SecretError::NotSet { id, page },
                // It is marked for deletion.
                Some(GetSecretValueError::InvalidRequestException(_)) => SecretError::Gone { id, page },
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
