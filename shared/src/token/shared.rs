//! One access token shared by every instance of every function, through one DynamoDB item per issuer.
//!
//! LINE refuses a channel's 31st valid token, and other issuers invalidate the former token with each new one. So nobody
//! asks for a token without holding the item's lease, and the lease is given for one `serial` only: who noticed first
//! that token *n* runs out makes token *n + 1*, everybody else reads it. Written and read by [`SharedToken`] alone.
//!
//! * Whoever needs a token takes a usable one at once. Renewing ahead of its end is [`SharedToken::renew_ahead`]'s, beside
//!   the work, so that no push waits for it.
//! * The lease ends by itself: a holder that crashed blocks the others for seconds, who wait for the first failure only. Each failure in a row that was no
//!   refusal doubles the next lease, up to sixteen times the first.
//! * A token that was asked for counts as issued from before the request until its end would come, because an answer can
//!   be lost; only a refusal takes the count back. With [`Issuer::max_live`] counted, nobody asks: an issuer that takes
//!   requests and answers none must not cost us the tokens of the day.
//! * A token that was refused before its time is replaced, but never while it is younger than
//!   [`MIN_AGE_OF_A_REFUSED_TOKEN`].
//! * The table holds the token sealed (AES-256-GCM) with a key derived from the issuer's secret, which only Secrets
//!   Manager holds. After that secret changed, the item cannot be opened and counts as absent.

use std::{fmt, time::Duration};

use aws_sdk_dynamodb::{Client, primitives::Blob, types::AttributeValue};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{self, Table, Update, Write, WriteOutcome, number, number_of, string},
    },
    clock::Clock,
    ids::random_name,
    metric,
    token::{
        access::{AccessToken, IssuedToken},
        sealing::SealingKey,
    },
};

/// A token this near to its end is not used any more: the call it is for takes time, and clocks differ.
const MARGIN: time::Duration = time::Duration::seconds(60);
/// A refused token is replaced only when it is at least this old.
pub const MIN_AGE_OF_A_REFUSED_TOKEN: time::Duration = time::Duration::seconds(30);
/// However many failures there were, the next attempt is at most this many leases away: LINE's two minutes are less than
/// the three until the next retry of a push.
const MAX_LEASES: u32 = 16;
/// No issuer's token lives longer; LINE's longest is 30 days.
const MAX_LIFE: Duration = Duration::from_secs(31 * 24 * 3600);
/// How often a waiting instance looks whether the lease's holder is done.
const POLL: Duration = Duration::from_millis(150);

/// No token could be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError<E> {
    /// The issuer refused, or did not answer.
    #[error("no token was issued: {0}")]
    Issuer(E),
    /// The table could not be read or written.
    #[error(transparent)]
    Store(#[from] AwsError),
    /// The token was refused although it is new: another would be refused too.
    #[error("the token was refused and is not replaced yet")]
    RefusedToo,
    /// Another instance asks, and asking failed before: waiting for it would hold up everything else.
    #[error("another instance asks for a token, and that failed before")]
    Busy,
    /// So many tokens may be valid that the issuer would refuse another.
    #[error("as many tokens as the issuer allows may be valid: no other is asked for until one of them ends")]
    TooMany,
}

/// Whether the issuer decided against a request, so that it certainly issued nothing.
pub trait Refusal {
    /// True where no token was issued.
    fn is_refusal(&self) -> bool;
}

/// A token with its place in the sequence.
#[derive(Clone, Debug)]
struct Known {
    token: AccessToken,
    serial: u64,
    issued_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl Known {
    fn usable(&self, now: OffsetDateTime) -> bool {
        now < self.expires_at - MARGIN.min((self.expires_at - self.issued_at) / 10)
    }

    /// Due for renewal in the last fifth of its life.
    fn due(&self, now: OffsetDateTime) -> bool {
        now >= self.expires_at - (self.expires_at - self.issued_at) / 5
    }
}

/// The item as it stands in the table.
#[derive(Clone, Debug, Default)]
struct Item {
    serial: u64,
    known: Option<Known>,
    lease_until_ms: i64,
    /// Requests in a row that brought no token.
    failures: u32,
    /// When the tokens that may be valid end, in seconds.
    live_until: Vec<i64>,
}

impl Item {
    fn live(&self, now: OffsetDateTime) -> Vec<i64> {
        self.live_until.iter().copied().filter(|until| *until > now.unix_timestamp()).collect()
    }

    fn may_ask(&self, now: OffsetDateTime, max_live: Option<usize>) -> bool {
        max_live.is_none_or(|max| self.live(now).len() < max)
    }

    fn next_lease(&self, lease: Duration) -> Duration {
        lease * 2_u32.saturating_pow(self.failures).min(MAX_LEASES)
    }
}

/// What is known of an issuer.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What its token is shared under, such as `line`.
    pub name: &'static str,
    /// How long one issuing may take: the time-out of its call and a little more.
    pub lease: Duration,
    /// What a token lives that was asked for.
    pub life: Duration,
    /// Nobody asks beyond this many that may be valid; none where a new token ends the former one.
    pub max_live: Option<usize>,
}

/// The shared token of one issuer.
#[derive(Debug)]
pub struct SharedToken {
    table: Table,
    issuer: Issuer,
    clock: Clock,
    memory: Mutex<Option<Known>>,
}

impl SharedToken {
    /// The token of this issuer, shared through this table.
    pub fn new(client: Client, table_name: String, issuer: Issuer, clock: Clock) -> Self {
        Self { table: Table::new(client, table_name), issuer, clock, memory: Mutex::new(None) }
    }

    /// Reads a usable token into memory, if there is one. Asks the issuer for nothing.
    pub async fn warm_up(&self, key: &SealingKey) -> Result<(), AwsError> {
        let mut memory = self.memory.lock().await;
        if memory.is_none() {
            *memory = self.read(key).await?.known;
        }
        Ok(())
    }

    /// A usable token: from memory, from the table, or from `issue`. Waits while another instance asks.
    pub async fn get<E, F, A>(&self, key: &SealingKey, issue: F) -> Result<AccessToken, TokenError<E>>
    where
        E: fmt::Display + Refusal,
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        self.obtain(key, None, issue).await
    }

    /// A usable token other than `refused`, which the issuer's server did not accept.
    pub async fn get_instead_of<E, F, A>(
        &self,
        refused: &AccessToken,
        key: &SealingKey,
        issue: F,
    ) -> Result<AccessToken, TokenError<E>>
    where
        E: fmt::Display + Refusal,
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        self.obtain(key, Some(refused), issue).await
    }

    /// Renews the token if its end is near and nobody else is at it. Nobody waits for this: a failure is logged, and the
    /// token serves on.
    pub async fn renew_ahead<E, F, A>(&self, key: &SealingKey, issue: F)
    where
        E: fmt::Display + Refusal,
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        let known = self.memory.lock().await.clone();
        if known.is_some_and(|known| !known.due(self.clock.now())) {
            return;
        }
        let renewed = async {
            let item = self.read(key).await?;
            let now = self.clock.now();
            if !item.known.as_ref().is_some_and(|known| known.due(now)) || !item.may_ask(now, self.issuer.max_live) {
                return Ok(item.known);
            }
            match self.take_lease(&item, now).await? {
                Some(holder) => self.ask(key, &item, &holder, &issue).await.map(Some),
                None => Ok(None),
            }
        };
        match renewed.await {
            Ok(Some(known)) => *self.memory.lock().await = Some(known),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(issuer = self.issuer.name, %error, "the token could not be renewed in time, it serves on");
            }
        }
    }

    async fn obtain<E, F, A>(
        &self,
        key: &SealingKey,
        refused: Option<&AccessToken>,
        issue: F,
    ) -> Result<AccessToken, TokenError<E>>
    where
        E: fmt::Display + Refusal,
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        // One task of this instance looks, the others wait for what it finds.
        let mut memory = self.memory.lock().await;
        let is_refused = |known: &Known| refused.is_some_and(|token| *token == known.token);
        let good = |known: &Known, now| known.usable(now) && !is_refused(known);
        if let Some(known) = memory.as_ref().filter(|known| good(known, self.clock.now())) {
            return Ok(known.token.clone());
        }
        loop {
            let item = self.read(key).await?;
            let now = self.clock.now();
            *memory = item.known.clone();
            if let Some(known) = item.known.as_ref().filter(|known| good(known, now)) {
                return Ok(known.token.clone());
            }
            let is_new = |known: &Known| now - known.issued_at < MIN_AGE_OF_A_REFUSED_TOKEN;
            if item.known.as_ref().is_some_and(|known| is_refused(known) && is_new(known)) {
                return Err(TokenError::RefusedToo);
            }
            if !item.may_ask(now, self.issuer.max_live) {
                return Err(TokenError::TooMany);
            }
            if let Some(holder) = self.take_lease(&item, now).await? {
                let known = self.ask(key, &item, &holder, &issue).await?;
                *memory = Some(known.clone());
                return Ok(known.token);
            }
            if item.failures > 1 {
                return Err(TokenError::Busy);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks the issuer, with the lease held. If this future is dropped half-way, the request stays counted.
    async fn ask<E, F, A>(&self, key: &SealingKey, item: &Item, holder: &str, issue: &F) -> Result<Known, TokenError<E>>
    where
        E: fmt::Display + Refusal,
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        match issue().await {
            Ok(issued) => {
                let issued_at = self.clock.now();
                let expires_at = issued_at + issued.life.min(MAX_LIFE);
                let known = Known { token: issued.token, serial: item.serial + 1, issued_at, expires_at };
                metric::token_renewed(self.issuer.name);
                // The token is good even if it cannot be stored: this instance uses it, another makes its own.
                if let Err(error) = self.store(key, item, &known, holder).await {
                    tracing::warn!(issuer = self.issuer.name, %error, "the new token could not be shared");
                } else {
                    tracing::info!(issuer = self.issuer.name, token.serial = known.serial, %expires_at, "token renewed");
                }
                Ok(known)
            }
            Err(error) => {
                if error.is_refusal()
                    && let Err(problem) = self.refused(item, holder).await
                {
                    tracing::warn!(
                        issuer = self.issuer.name,
                        error = %problem,
                        "the lease could not be given back, it ends by itself"
                    );
                }
                Err(TokenError::Issuer(error))
            }
        }
    }

    async fn read(&self, key: &SealingKey) -> Result<Item, AwsError> {
        let attributes = self.table.get(self.key()).await.doing("read the shared token")?;
        Ok(self.item(key, &attributes.unwrap_or_default()))
    }

    fn item(&self, key: &SealingKey, attributes: &table::Item) -> Item {
        let number = |name| number_of(attributes, name);
        let known = || {
            let time = |name| OffsetDateTime::from_unix_timestamp(number(name)?).ok();
            Some(Known {
                token: AccessToken::new(
                    key.open(self.issuer.name, attributes.get("sealed_token")?.as_b().ok()?.as_ref())?,
                ),
                serial: u64::try_from(number("serial")?).ok()?,
                issued_at: time("issued_at")?,
                expires_at: time("expires_at")?,
            })
        };
        let live_until = attributes.get("live_until").and_then(|list| list.as_l().ok()).cloned().unwrap_or_default();
        Item {
            serial: number("serial").and_then(|serial| u64::try_from(serial).ok()).unwrap_or(0),
            known: known(),
            lease_until_ms: number("lease_until_ms").unwrap_or(0),
            failures: number("failures").and_then(|failures| u32::try_from(failures).ok()).unwrap_or(0),
            live_until: live_until.iter().filter_map(|until| until.as_n().ok()?.parse().ok()).collect(),
        }
    }

    fn key(&self) -> table::Item {
        table::key([("issuer", self.issuer.name)])
    }

    /// Takes the lease for the token after the one in `item`, and counts that token as asked for; `None` when somebody else
    /// holds the lease or has made that token.
    async fn take_lease(&self, item: &Item, now: OffsetDateTime) -> Result<Option<String>, AwsError> {
        let now_ms = milliseconds(now);
        if item.lease_until_ms > now_ms {
            return Ok(None);
        }
        let holder = random_name();
        let mut live = item.live(now);
        // Where there is no limit, there is nothing to count.
        live.truncate(self.issuer.max_live.unwrap_or(0));
        live.push((now + self.issuer.life).unix_timestamp());
        let lease = self
            .table
            .update(self.key())
            .set("lease_until_ms", number(milliseconds(now + item.next_lease(self.issuer.lease))))
            .set("lease_holder", string(&holder))
            .set("failures", number(u64::from(item.failures) + 1))
            .set("live_until", numbers(&live))
            .when(
                "(attribute_not_exists(serial) OR serial = :serial) \
                 AND (attribute_not_exists(lease_until_ms) OR lease_until_ms <= :now)",
            )
            .value(":serial", number(item.serial))
            .value(":now", number(now_ms));
        let taken = lease.send().await.doing("take the shared token's lease")?.is_written();
        Ok(taken.then_some(holder))
    }

    async fn store(&self, key: &SealingKey, item: &Item, known: &Known, holder: &str) -> Result<(), AwsError> {
        const STORE: &str = "store the new token";
        let mut live = item.live(known.issued_at);
        live.push(known.expires_at.unix_timestamp());
        let sealed = key.seal(self.issuer.name, known.token.reveal());
        let update = self
            .give_lease_back(holder, &live)
            .set("sealed_token", AttributeValue::B(Blob::new(sealed)))
            .set("serial", number(known.serial))
            .set("issued_at", number(known.issued_at.unix_timestamp()))
            .set("expires_at", number(known.expires_at.unix_timestamp()));
        match update.send().await.doing(STORE)? {
            WriteOutcome::Written(_) => Ok(()),
            WriteOutcome::Lost(_) => Err(Cause::Malformed("the lease had ended".to_owned())).doing(STORE),
        }
    }

    /// After a refusal: no token came of it, and the next one may ask at once.
    async fn refused(&self, item: &Item, holder: &str) -> Result<(), AwsError> {
        self.give_lease_back(holder, &item.live_until).send().await.doing("give the lease back")?;
        Ok(())
    }

    fn give_lease_back(&self, holder: &str, live: &[i64]) -> Write<Update> {
        self.table
            .update(self.key())
            .set("live_until", numbers(live))
            .remove(&["lease_until_ms", "lease_holder", "failures"])
            .when("lease_holder = :holder")
            .value(":holder", string(holder))
    }
}

fn milliseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

fn numbers(values: &[i64]) -> AttributeValue {
    AttributeValue::L(values.iter().map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_due_before_it_is_unusable() {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
        let known =
            |life| Known { token: AccessToken::new(String::new()), serial: 1, issued_at: at(0), expires_at: at(life) };
        let day = known(86_400);
        assert!(!day.due(at(69_119)) && day.due(at(69_120)));
        assert!(day.usable(at(86_339)) && !day.usable(at(86_340)));
        let short = known(100);
        assert!(short.due(at(80)) && short.usable(at(89)) && !short.usable(at(90)));
    }

    #[test]
    fn nobody_asks_beyond_what_the_issuer_may_have_issued() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let item = |live, ended| Item {
            live_until: [vec![now.unix_timestamp() + 1; live], vec![now.unix_timestamp(); ended]].concat(),
            ..Item::default()
        };
        assert!(item(27, 50).may_ask(now, Some(28)));
        assert!(!item(28, 0).may_ask(now, Some(28)));
        assert!(item(28, 0).may_ask(now, None));
    }

    #[test]
    fn each_failure_doubles_the_lease() {
        let lease = |failures| Item { failures, ..Item::default() }.next_lease(Duration::from_secs(7)).as_secs();
        assert_eq!([0, 1, 2, 4, 5, 99].map(lease), [7, 14, 28, 112, 112, 112]);
    }
}
