//! Mails to be sent once although whoever starts them does so at least once: the report of a day, a warning of a month.
//!
//! One item per mail in the reports' table. Who begins takes a lease, longer than any function may run. Before SES is
//! asked the item says so (`asks`), because SES has no key to know a repeated mail by:
//!
//! * SES refused: nothing went out, and the ask is taken back.
//! * SES did not say, or the worker died: it may have gone out. The next beginner sends once more, and that mail says
//!   that it may be a repeat. What is not known after that counts as sent, with doubt.
//!
//! So a mail goes out, and at most twice, the second one marked.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use time::OffsetDateTime;

use crate::{
    aws::{
        error::{AwsError, Doing as _},
        table::{Item, Table, Update, Write, WriteOutcome, key, number, number_of, string, string_of},
    },
    clock::Clock,
    report::mail::{Mail, MailError, Mailer},
};

/// How long a beginner has a mail to itself: longer than a function that sends mails may run (`template.yaml`), shorter
/// than the three minutes until Lambda's second retry.
pub const LEASE: Duration = Duration::from_secs(150);
/// The most times that SES is asked without an answer.
const MAX_ASKS: i64 = 2;
/// How long an item is kept: a figure may be compared, a day sent again.
const LIFE: time::Duration = time::Duration::days(400);

/// The table.
#[derive(Debug)]
pub struct Reports {
    table: Table,
    clock: Clock,
}

/// What a beginner meets.
#[derive(Debug)]
pub enum Begun {
    /// It is mine to do.
    Claimed(Claim),
    /// Somebody did it.
    Completed,
    /// Somebody is at it.
    InProgress,
}

/// A mail that is ours to send.
#[derive(Debug)]
pub struct Claim {
    id: String,
    lease_until: i64,
    asks: i64,
    document: Option<String>,
}

impl Claim {
    /// What an earlier attempt kept.
    pub fn document(&self) -> Option<&str> {
        self.document.as_deref()
    }

    /// Whether an earlier attempt may have sent it.
    pub fn may_be_a_repeat(&self) -> bool {
        self.asks > 0
    }
}

/// A mail as the table has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The document kept with it.
    pub document: Option<String>,
    /// Whether it went out.
    pub is_done: bool,
    /// Whether anybody ever began it.
    pub is_begun: bool,
    /// How long who is at it has it.
    pub lease_until: Option<OffsetDateTime>,
}

impl Kept {
    /// Whether somebody is at it.
    pub fn is_in_progress(&self, now: OffsetDateTime) -> bool {
        self.lease_until.is_some_and(|until| until > now)
    }
}

/// A mail of a claim was not sent, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The reports' table.
    #[error(transparent)]
    Table(#[from] AwsError),
    /// The claim was not used for so long that somebody else has it.
    #[error("another run has taken {0} over")]
    Overtaken(String),
    /// SES.
    #[error(transparent)]
    Mail(#[from] MailError),
}

impl Reports {
    /// The table of this name.
    pub fn new(client: Client, name: String, clock: Clock) -> Self {
        Self { table: Table::new(client, name), clock }
    }

    /// Takes the lease of `id`. `again`: also when it was done before.
    pub async fn begin(&self, id: &str, again: bool) -> Result<Begun, AwsError> {
        let now = self.clock.now();
        let lease_until = (now + LEASE).unix_timestamp();
        let done = if again { "" } else { "attribute_not_exists(done_at) AND " };
        let begun = self
            .update(id)
            .set("lease_until", number(lease_until))
            .set("expire_at", seconds(now + LIFE))
            .when(format!("{done}(attribute_not_exists(lease_until) OR lease_until <= :now)"))
            .value(":now", seconds(now));
        let item = match begun.send().await.doing(format!("begin {id}"))? {
            WriteOutcome::Written(item) => item,
            WriteOutcome::Lost(item) if item.contains_key("done_at") && !again => return Ok(Begun::Completed),
            WriteOutcome::Lost(_) => return Ok(Begun::InProgress),
        };
        let asks = number_of(&item, "asks").unwrap_or(0);
        if asks >= MAX_ASKS && !again {
            tracing::error!(mail = id, "whether it went out is not known, and it was tried twice: it counts as sent");
            self.done(id).await?;
            return Ok(Begun::Completed);
        }
        Ok(Begun::Claimed(Claim {
            id: id.to_owned(),
            lease_until,
            asks: asks.min(MAX_ASKS - 1),
            document: document(&item),
        }))
    }

    /// Sends the claimed mail; SES's message id, or none where it counts as sent with doubt.
    pub async fn send(&self, claim: &Claim, mailer: &Mailer, mail: &Mail) -> Result<Option<String>, SendError> {
        let id = &claim.id;
        let ask = self.of_claim(claim).set("asks", number(claim.asks + 1));
        if !ask.send().await.doing(format!("note that {id} is sent"))?.is_written() {
            return Err(SendError::Overtaken(id.clone()));
        }
        match mailer.send(mail).await {
            Ok(message_id) => {
                self.done(id).await?;
                Ok(Some(message_id))
            }
            Err(error) if error.may_be_sent && claim.asks + 1 >= MAX_ASKS => {
                tracing::error!(mail = id, %error, "whether it went out is not known for the second time");
                self.done(id).await?;
                Ok(None)
            }
            Err(error) => {
                let asks = if error.may_be_sent { claim.asks + 1 } else { claim.asks };
                self.release(claim, asks).await;
                Err(error.into())
            }
        }
    }

    /// Gives a claim back that came to nothing before its mail: the next attempt need not wait for the lease.
    pub async fn give_back(&self, claim: &Claim) {
        self.release(claim, claim.asks).await;
    }

    async fn release(&self, claim: &Claim, asks: i64) {
        let released = self.of_claim(claim).set("asks", number(asks)).remove(&["lease_until"]);
        if let Err(error) = released.send().await {
            tracing::warn!(mail = claim.id, %error, "the lease ends by itself");
        }
    }

    /// Keeps a document with it, for a later attempt and for comparisons.
    pub async fn store(&self, id: &str, document: &str) -> Result<(), AwsError> {
        let kept = self.update(id).set("document", string(document)).send().await;
        kept.map(|_| ()).doing(format!("keep the document of {id}"))
    }

    /// It is done.
    pub async fn done(&self, id: &str) -> Result<(), AwsError> {
        let now = self.clock.now();
        let done = self.update(id).set("done_at", seconds(now)).set("expire_at", seconds(now + LIFE));
        done.remove(&["lease_until", "asks"]).send().await.map(|_| ()).doing(format!("mark {id} as done"))
    }

    /// Keeps a document, unless another stands than the one that was read.
    pub async fn replace(&self, id: &str, read: Option<&str>, document: &str) -> Result<bool, AwsError> {
        let write = self.update(id).set("document", string(document));
        let write = match read {
            None => write.when("attribute_not_exists(document)"),
            Some(read) => write.when("document = :read").value(":read", string(read)),
        };
        Ok(write.send().await.doing(format!("keep the document of {id}"))?.is_written())
    }

    /// The document kept with it.
    pub async fn document(&self, id: &str) -> Result<Option<String>, AwsError> {
        Ok(self.kept(id).await?.document)
    }

    /// What is kept of it; nothing where nobody began it.
    pub async fn kept(&self, id: &str) -> Result<Kept, AwsError> {
        Ok(kept(&self.table.get(key([("id", id)])).await.doing(format!("read {id}"))?.unwrap_or_default()))
    }

    /// What is kept of each of these, in one call; nothing where nobody began it.
    pub async fn kept_of_each(&self, ids: &[String]) -> Result<Vec<Kept>, AwsError> {
        let keys = ids.iter().map(|id| key([("id", id)])).collect();
        let items = self.table.get_several(keys).await.doing("read what is kept of several mails")?;
        let of = |id: &String| items.iter().find(|item| string_of(item, "id") == Some(id));
        Ok(ids.iter().map(|id| of(id).map(kept).unwrap_or_default()).collect())
    }

    /// A write of the claim's item, as long as nobody else has taken it.
    fn of_claim(&self, claim: &Claim) -> Write<Update> {
        self.update(&claim.id).when("lease_until = :lease").value(":lease", number(claim.lease_until))
    }

    fn update(&self, id: &str) -> Write<Update> {
        self.table.update(key([("id", id)]))
    }
}

fn kept(item: &Item) -> Kept {
    let lease_until = number_of(item, "lease_until");
    Kept {
        document: document(item),
        is_done: item.contains_key("done_at"),
        // Who begins something says until when it is kept.
        is_begun: item.contains_key("expire_at"),
        lease_until: lease_until.and_then(|until| OffsetDateTime::from_unix_timestamp(until).ok()),
    }
}

fn document(item: &Item) -> Option<String> {
    string_of(item, "document").map(str::to_owned)
}

fn seconds(time: OffsetDateTime) -> AttributeValue {
    number(time.unix_timestamp())
}
