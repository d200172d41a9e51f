//! What Secrets Manager holds: read once per environment, kept in memory, read again every five minutes and after an
//! authentication failure.
//!
//! The first secret that a function needs brings its others with it, in one call: at a cold start each call waits for a
//! connection of its own. Where Secrets Manager refuses that call, each is asked for alone, and has its own error.
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

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError},
    time::Duration,
};

use aws_sdk_secretsmanager::{Client, operation::get_secret_value::GetSecretValueError};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::sync::{Mutex, OnceCell};

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

/// The secrets of a function.
#[derive(Clone, Debug)]
pub struct Secrets(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    client: Client,
    /// All that the function may need.
    ids: std::sync::Mutex<BTreeSet<String>>,
    /// What the first call brought, and when.
    brought: OnceCell<(HashMap<String, Answer>, OffsetDateTime)>,
}

/// What Secrets Manager says of a secret.
#[derive(Clone)]
enum Answer {
    Value(String),
    /// There is none, or it has no value.
    NotThere,
    /// It is marked for deletion.
    Deleted,
    Failed(Cause),
}

/// Without the value.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an answer of Secrets Manager")
    }
}

impl Secrets {
    /// Nothing is read yet.
    pub fn new(client: Client) -> Self {
        let shelf = Shelf { client, ids: std::sync::Mutex::default(), brought: OnceCell::new() };
        Self(Arc::new(shelf))
    }

    /// What Secrets Manager says of this secret, which was not asked for yet, and when it said that.
    async fn first(&self, id: &str, clock: Clock) -> (Answer, OffsetDateTime) {
        let (brought, at) =
            self.0.brought.get_or_init(|| async { (Box::pin(self.read_all()).await, clock.now()) }).await;
        // Only a value keeps: a failure is over soon, and a secret may just have been put.
        let keeps = |answer: &Answer| if matches!(answer, Answer::Value(_)) { MAX_AGE } else { MIN_AGE };
        match brought.get(id) {
            Some(answer) if clock.is_within(*at, keeps(answer)) => (answer.clone(), *at),
            _ => (self.read(id).await, clock.now()),
        }
    }

    /// What Secrets Manager says of each; of whom it says nothing here, is to be asked for alone.
    async fn read_all(&self) -> HashMap<String, Answer> {
        let ids = self.0.ids.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if ids.len() < 2 {
            return HashMap::new();
        }
        match self
            .0
            .client
            .batch_get_secret_value()
            .set_secret_id_list(Some(ids.iter().cloned().collect()))
            .send()
            .await
        {
            Ok(answer) => {
                let mut said = HashMap::new();
                for value in answer.secret_values() {
                    let of_it = |id: &&String| [value.arn(), value.name()].contains(&Some(id.as_str()));
                    if let (Some(id), Some(text)) = (ids.iter().find(of_it), value.secret_string()) {
                        said.insert(id.clone(), Answer::Value(text.to_owned()));
                    }
                }
                for error in answer.errors() {
                    let answer = match error.error_code() {
                        Some("ResourceNotFoundException") => Answer::NotThere,
                        Some("InvalidRequestException") => Answer::Deleted,
                        _ => continue,
                    };
                    said.extend(error.secret_id().map(|id| (id.to_owned(), answer)));
                }
                said
            }
            Err(error) if error.as_service_error().is_some() => {
                let cause = Cause::from(error);
                tracing::warn!(%cause, "the secrets could not be read together: each is asked for alone");
                HashMap::new()
            }
            // Who asks alone would wait as long, and for nothing.
            Err(error) => {
                let cause = Cause::from(error);
                ids.into_iter().map(|id| (id, Answer::Failed(cause.clone()))).collect()
            }
        }
    }

    async fn read(&self, id: &str) -> Answer {
        match self.0.client.get_secret_value().secret_id(id).send().await {
            Ok(answer) => Answer::Value(answer.secret_string.unwrap_or_default()),
            Err(error) => match error.as_service_error() {
                Some(GetSecretValueError::ResourceNotFoundException(_)) => Answer::NotThere,
                Some(GetSecretValueError::InvalidRequestException(_)) => Answer::Deleted,
                _ => Answer::Failed(error.into()),
            },
        }
    }
}

/// One secret, kept in memory.
#[derive(Debug)]
pub struct Secret<T> {
    secrets: Secrets,
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
    /// One of these secrets; nothing is read yet.
    pub fn new(secrets: &Secrets, id: String, clock: Clock) -> Self {
        secrets.0.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        let memory = Mutex::new(Memory { content: None, failure: None });
        Self { secrets: secrets.clone(), id, clock, memory, former: Mutex::new(None) }
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
            let read =
                self.secrets.0.client.get_secret_value().secret_id(&self.id).version_stage("AWSPREVIOUS").send().await;
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
        let (answer, at) = match memory {
            Memory { content: None, failure: None } => Box::pin(self.secrets.first(&self.id, self.clock)).await,
            _ => (self.secrets.read(&self.id).await, self.clock.now()),
        };
        match self.understood(answer) {
            Ok(content) => {
                for problem in content.dropped() {
                    tracing::error!(%problem, secret = self.id, "a part of a secret is not usable, the rest serves");
                    metric::secret_unusable();
                }
                *memory = Memory { content: Some((Arc::new(content), at)), failure: None };
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
                memory.failure = Some((error, at));
            }
        }
    }

    fn understood(&self, answer: Answer) -> Result<T, SecretError> {
        let (id, page) = (self.id.clone(), T::PAGE);
        match answer {
            Answer::Value(json) => T::parse(&json).map_err(|problem| SecretError::Malformed { id, problem, page }),
            Answer::NotThere => Err(SecretError::NotSet { id, page }),
            Answer::Deleted => Err(SecretError::Gone { id, page }),
            Answer::Failed(what) => Err(SecretError::Unavailable { id, what }),
        }
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
