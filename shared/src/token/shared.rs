//! One access token shared by every instance of every function, through one DynamoDB item per issuer.
//!
//! LINE refuses a channel's 31st valid token, and other issuers invalidate the former token with each new
//! one. So nobody asks for a token without holding the item's lease, and the lease is given for one `serial`
//! only: who noticed first that token *n* runs out makes token *n + 1*, everybody else reads it. Written and
//! read by [`SharedToken`] alone.
//!
//! * Whoever needs a token takes a usable one at once. Renewing ahead of its end is [`SharedToken::renew_ahead`]'s,
//!   beside the work, so that no push waits for it.
//! * The lease ends by itself: a holder that crashed blocks the others for seconds, who wait for the first failure
//!   only. Each failure in a row that was no refusal doubles the next lease, up to sixteen times the first.
//! * A token that was asked for counts as issued from before the request until its end would come, because an answer
//!   can be lost; only a request that certainly brought none takes the count back. That is a belief: an outage of
//!   three quarters of an hour fills it, though the issuer may have issued nothing. So it only slows down: with
//!   [`Issuer::max_live`] counted, a token that still serves is renewed with one request in ten minutes, which leaves
//!   people the issuer's last places; once none serves, it is asked for as ever. Refusing one too many costs the
//!   issuer nothing, and it alone knows how many there are. (LINE also lists the valid ones, `GET
//!   /oauth2/v2.1/tokens/kid`; but who may ask for that list may as well ask for the token.)
//! * After a refusal of the credential (its key was removed, the issuer's last place is taken) nobody asks with that
//!   secret for some seconds, twice as long after each refusal in a row, up to five minutes; whoever needs a token
//!   meanwhile fails at once. Another secret is tried at once: the item has the refused one's fingerprint.
//! * A token that was refused before its time is replaced, but never while it is younger than
//!   [`MIN_AGE_OF_A_REFUSED_TOKEN`].
//! * The table holds the token sealed (AES-256-GCM) with a key derived from the issuer's secret, which only Secrets
//!   Manager holds. After that secret changed, the item cannot be opened and counts as absent.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{Client, primitives::Blob, types::AttributeValue};
use time::OffsetDateTime;

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{self, Table, Update, Write, WriteOutcome, number, number_of, string, string_of},
    },
    clock::Clock,
    ids::random_name,
    metric,
    single_flight::SingleFlight,
    token::{
        access::{AccessToken, IssuedToken},
        sealing::SealingKey,
        secret::IssuerSecret,
    },
};

/// A token this near to its end is not used any more: the call it is for takes time, and clocks differ.
const MARGIN: time::Duration = time::Duration::seconds(60);
/// A refused token is replaced only when it is at least this old.
pub const MIN_AGE_OF_A_REFUSED_TOKEN: time::Duration = time::Duration::seconds(30);
/// However many failures there were, the next attempt is at most this many leases away: LINE's two minutes are less
/// than the three until the next retry of a push.
const MAX_LEASES: u32 = 16;
/// How long nobody asks with a secret after its first refusal.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
/// And at most after many.
const MAX_BACKOFF: Duration = Duration::from_secs(300);
/// Between two requests for the next token while the present one serves and no other may be left.
const PACE_AT_THE_LIMIT: time::Duration = time::Duration::minutes(10);
/// No issuer's token lives longer; LINE's longest is 30 days.
const MAX_LIFE: Duration = Duration::from_secs(31 * 24 * 3600);
/// How often a waiting instance looks whether the lease's holder is done.
const POLL: Duration = Duration::from_millis(150);
/// A table without a token is not read again before, to renew it.
const NONE_FOR: time::Duration = time::Duration::minutes(1);

/// No token could be had.
#[derive(Clone, Debug, thiserror::Error)]
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
    /// The issuer refused this credential a moment ago.
    #[error("the credential was refused: no token is asked for with it before {until}")]
    Refused {
        /// When it is tried again.
        until: OffsetDateTime,
    },
}

impl<E: Refusal> TokenError<E> {
    /// The credential was not accepted, now or a moment ago: another one may be.
    pub fn blames_the_credential(&self) -> bool {
        match self {
            Self::Issuer(error) => error.blames_the_credential(),
            Self::Refused { .. } => true,
            Self::Store(_) | Self::RefusedToo | Self::Busy => false,
        }
    }
}

/// What a partner's error says of the credential and of the token.
pub trait Refusal: Clone + fmt::Display {
    /// A request for a token certainly brought none.
    fn issued_nothing(&self) -> bool;
    /// The credential was not accepted: another one may be.
    fn blames_the_credential(&self) -> bool;
    /// The token was not accepted: another one may be.
    fn blames_the_token(&self) -> bool;
}

/// A token with its place in the sequence.
#[derive(Clone, Debug)]
struct CachedToken {
    token: AccessToken,
    serial: u64,
    issued_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl CachedToken {
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
    known: Option<CachedToken>,
    lease_until_ms: i64,
    /// Requests in a row that brought no token.
    failures: u32,
    /// When the tokens that may be valid end, in seconds.
    live_until: Vec<i64>,
    refused: Option<RefusedSecret>,
}

/// The issuer's latest answer was a refusal.
#[derive(Clone, Debug)]
struct RefusedSecret {
    fingerprint: String,
    until_ms: i64,
    /// In a row.
    times: u32,
}

impl Item {
    fn live(&self, now: OffsetDateTime) -> Vec<i64> {
        self.live_until.iter().copied().filter(|until| *until > now.unix_timestamp()).collect()
    }

    /// The live ones and one more: no more than the limit needs, those that end last, and none without one.
    fn live_with(&self, until: OffsetDateTime, now: OffsetDateTime, max_live: Option<usize>) -> Vec<i64> {
        let mut live = self.live(now);
        live.push(until.unix_timestamp());
        live.sort_unstable();
        live.split_off(live.len().saturating_sub(max_live.unwrap_or(0)))
    }

    /// Whether as many tokens as the issuer allows may be valid.
    fn is_full(&self, now: OffsetDateTime, max_live: Option<usize>) -> bool {
        max_live.is_some_and(|max| self.live(now).len() >= max)
    }

    /// Whether the next token may be asked for while the present one serves.
    fn may_renew(&self, now: OffsetDateTime, max_live: Option<usize>) -> bool {
        !self.is_full(now, max_live) || milliseconds(now - PACE_AT_THE_LIMIT) >= self.lease_until_ms
    }

    /// Until when nobody asks with the secret of this fingerprint.
    fn refused_until(&self, fingerprint: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let refused = self.refused.as_ref().filter(|refused| refused.fingerprint == fingerprint)?;
        let until = OffsetDateTime::from_unix_timestamp_nanos(i128::from(refused.until_ms) * 1_000_000).ok()?;
        (now < until).then_some(until)
    }

    /// The refusal that follows what the item tells.
    fn refused_again(&self, fingerprint: &str, now: OffsetDateTime) -> RefusedSecret {
        let before = self.refused.as_ref().filter(|refused| refused.fingerprint == fingerprint);
        let times = before.map_or(0, |refused| refused.times);
        let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(times)).min(MAX_BACKOFF);
        RefusedSecret {
            fingerprint: fingerprint.to_owned(),
            until_ms: milliseconds(now + backoff),
            times: times.saturating_add(1),
        }
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
    /// Nobody renews a token that serves beyond this many that may be valid, but now and then; none where a new token
    /// ends the former one.
    pub max_live: Option<usize>,
}

/// The shared token of one issuer.
#[derive(Debug)]
pub struct SharedToken<E> {
    table: Table,
    issuer: Issuer,
    clock: Clock,
    memory: SingleFlight<Option<CachedToken>, TokenError<E>>,
    /// Until when nobody looks for a token to renew, in milliseconds: there was none.
    none_until_ms: AtomicI64,
}

impl<E: Refusal> SharedToken<E> {
    /// The token of this issuer, shared through this table.
    pub fn new(client: Client, table_name: String, issuer: Issuer, clock: Clock) -> Self {
        let (table, memory) = (Table::new(client, table_name), SingleFlight::new(None));
        Self { table, issuer, clock, memory, none_until_ms: AtomicI64::new(0) }
    }

    /// Reads a usable token into memory, if there is one, beside the secret that opens it. Asks the issuer for nothing.
    pub async fn warm_up<S, F, X>(&self, secret: F) -> Result<(), X>
    where
        S: IssuerSecret,
        F: Future<Output = Result<Arc<S>, X>>,
        X: From<TokenError<E>>,
    {
        let mut memory = self.memory.turn().await;
        if memory.is_some() {
            return secret.await.map(drop);
        }
        memory.may_read()?;
        let (secret, stored) = tokio::join!(secret, self.stored());
        let stored = stored.map_err(|error| memory.fail(error.into()))?;
        *memory = self.item(secret?.sealing_key(), &stored).known;
        self.note_whether_there_is(memory.as_ref());
        Ok(())
    }

    /// A usable token: from memory, from the table, or from `issue`. Waits while another instance asks.
    pub async fn get<F, A>(&self, secret: &impl IssuerSecret, issue: F) -> Result<AccessToken, TokenError<E>>
    where
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        self.obtain(secret, None, issue).await
    }

    /// A usable token other than `refused`, which the issuer's server did not accept.
    pub async fn get_instead_of<F, A>(
        &self,
        refused: &AccessToken,
        secret: &impl IssuerSecret,
        issue: F,
    ) -> Result<AccessToken, TokenError<E>>
    where
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        self.obtain(secret, Some(refused), issue).await
    }

    /// Renews the token if its end is near and nobody else is at it. Nobody waits for this: a failure is
    /// logged, and the token serves on.
    pub async fn renew_ahead<F, A>(&self, secret: &impl IssuerSecret, issue: F)
    where
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        let known = self.memory.turn().await.clone();
        let none_until = self.none_until_ms.load(Ordering::Relaxed);
        let now = self.clock.now();
        if known.map_or(milliseconds(now) < none_until, |known| !known.due(now)) {
            return;
        }
        let renewed = async {
            let item = self.read(secret.sealing_key()).await?;
            self.note_whether_there_is(item.known.as_ref());
            let now = self.clock.now();
            if !item.known.as_ref().is_some_and(|known| known.due(now))
                || !item.may_renew(now, self.issuer.max_live)
                || item.refused_until(secret.fingerprint(), now).is_some()
            {
                return Ok(item.known);
            }
            match self.take_lease(secret, &item, now).await? {
                Some(holder) => self.ask(secret, &item, &holder, &issue).await.map(Some),
                None => Ok(None),
            }
        };
        match renewed.await {
            Ok(Some(known)) => *self.memory.turn().await = Some(known),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(issuer = self.issuer.name, %error, "the token could not be renewed in time, it serves on");
            }
        }
    }

    /// An account whose token nobody needs costs no read at every event.
    fn note_whether_there_is(&self, token: Option<&CachedToken>) {
        if token.is_none() {
            self.none_until_ms.store(milliseconds(self.clock.now() + NONE_FOR), Ordering::Relaxed);
        }
    }

    async fn obtain<F, A>(
        &self,
        secret: &impl IssuerSecret,
        refused: Option<&AccessToken>,
        issue: F,
    ) -> Result<AccessToken, TokenError<E>>
    where
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        // One task of this instance looks, the others wait for what it finds.
        let mut memory = self.memory.turn().await;
        let wanted = |known: &CachedToken| refused.is_none_or(|refused| *refused != known.token);
        if let Some(known) = memory.as_ref().filter(|known| wanted(known) && known.usable(self.clock.now())) {
            return Ok(known.token.clone());
        }
        memory.may_read()?;
        match self.look(&mut memory, secret, refused, issue).await {
            Err(error @ (TokenError::Store(_) | TokenError::Issuer(_))) => Err(memory.fail(error)),
            result => result,
        }
    }

    /// Reads the table into memory until a token is there, or asks for it.
    async fn look<F, A>(
        &self,
        memory: &mut Option<CachedToken>,
        secret: &impl IssuerSecret,
        refused: Option<&AccessToken>,
        issue: F,
    ) -> Result<AccessToken, TokenError<E>>
    where
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        let is_refused = |known: &CachedToken| refused.is_some_and(|token| *token == known.token);
        loop {
            let item = self.read(secret.sealing_key()).await?;
            let now = self.clock.now();
            memory.clone_from(&item.known);
            if let Some(known) = item.known.as_ref().filter(|known| known.usable(now) && !is_refused(known)) {
                return Ok(known.token.clone());
            }
            let is_new = |known: &CachedToken| now - known.issued_at < MIN_AGE_OF_A_REFUSED_TOKEN;
            if item.known.as_ref().is_some_and(|known| is_refused(known) && is_new(known)) {
                return Err(TokenError::RefusedToo);
            }
            if let Some(until) = item.refused_until(secret.fingerprint(), now) {
                return Err(TokenError::Refused { until });
            }
            if let Some(holder) = self.take_lease(secret, &item, now).await? {
                let known = self.ask(secret, &item, &holder, &issue).await?;
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
    async fn ask<F, A>(
        &self,
        secret: &impl IssuerSecret,
        item: &Item,
        holder: &str,
        issue: &F,
    ) -> Result<CachedToken, TokenError<E>>
    where
        F: Fn() -> A,
        A: Future<Output = Result<IssuedToken, E>>,
    {
        match issue().await {
            Ok(issued) => {
                let issued_at = self.clock.now();
                let expires_at = issued_at + issued.life.min(MAX_LIFE);
                let known = CachedToken { token: issued.token, serial: item.serial + 1, issued_at, expires_at };
                metric::token_renewed(self.issuer.name);
                // The token is good even if it cannot be stored: this instance uses it, another makes its own.
                if let Err(error) = self.store(secret.sealing_key(), item, &known, holder).await {
                    tracing::warn!(issuer = self.issuer.name, %error, "the new token could not be shared");
                } else {
                    tracing::info!(issuer = self.issuer.name, token.serial = known.serial, %expires_at, "token renewed");
                }
                Ok(known)
            }
            Err(error) => {
                let now = self.clock.now();
                if error.blames_the_credential() || item.is_full(now, self.issuer.max_live) {
                    metric::token_not_renewed(self.issuer.name);
                }
                let noted = if error.blames_the_credential() {
                    self.refused(item, holder, &item.refused_again(secret.fingerprint(), now)).await
                } else if error.issued_nothing() {
                    self.take_count_back(item, holder).await
                } else {
                    Ok(())
                };
                if let Err(problem) = noted {
                    tracing::warn!(issuer = self.issuer.name, error = %problem, "the failure is not known to the others");
                }
                Err(TokenError::Issuer(error))
            }
        }
    }

    async fn read(&self, key: &SealingKey) -> Result<Item, AwsError> {
        Ok(self.item(key, &self.stored().await?))
    }

    async fn stored(&self) -> Result<table::Item, AwsError> {
        Ok(self.table.get(self.key()).await.doing("read the shared token")?.unwrap_or_default())
    }

    fn item(&self, key: &SealingKey, attributes: &table::Item) -> Item {
        let number = |name| number_of(attributes, name);
        let known = || {
            let time = |name| OffsetDateTime::from_unix_timestamp(number(name)?).ok();
            Some(CachedToken {
                token: AccessToken::new(
                    key.open(self.issuer.name, attributes.get("sealed_token")?.as_b().ok()?.as_ref())?,
                ),
                serial: u64::try_from(number("serial")?).ok()?,
                issued_at: time("issued_at")?,
                expires_at: time("expires_at")?,
            })
        };
        let refused = || {
            Some(RefusedSecret {
                fingerprint: string_of(attributes, "refused_secret")?.to_owned(),
                until_ms: number("refused_until_ms")?,
                times: number("refusals").and_then(|times| u32::try_from(times).ok()).unwrap_or(0),
            })
        };
        let live_until = attributes.get("live_until").and_then(|list| list.as_l().ok()).cloned().unwrap_or_default();
        Item {
            serial: number("serial").and_then(|serial| u64::try_from(serial).ok()).unwrap_or(0),
            known: known(),
            lease_until_ms: number("lease_until_ms").unwrap_or(0),
            failures: number("failures").and_then(|failures| u32::try_from(failures).ok()).unwrap_or(0),
            live_until: live_until.iter().filter_map(|until| until.as_n().ok()?.parse().ok()).collect(),
            refused: refused(),
        }
    }

    fn key(&self) -> table::Item {
        table::key([("issuer", self.issuer.name)])
    }

    /// Takes the lease for the token after the one in `item`, and counts that token as asked for; `None` when somebody
    /// else holds the lease, has made that token, or was refused meanwhile.
    async fn take_lease(
        &self,
        secret: &impl IssuerSecret,
        item: &Item,
        now: OffsetDateTime,
    ) -> Result<Option<String>, AwsError> {
        let now_ms = milliseconds(now);
        if item.lease_until_ms > now_ms {
            return Ok(None);
        }
        let holder = random_name();
        let live = item.live_with(now + self.issuer.life, now, self.issuer.max_live);
        let lease = self
            .table
            .update(self.key())
            .set("lease_until_ms", number(milliseconds(now + item.next_lease(self.issuer.lease))))
            .set("lease_holder", string(&holder))
            .set("failures", number(u64::from(item.failures) + 1))
            .set("live_until", numbers(&live))
            .when(
                "(attribute_not_exists(serial) OR serial = :serial) \
                 AND (attribute_not_exists(lease_until_ms) OR lease_until_ms <= :now) \
                 AND (attribute_not_exists(refused_until_ms) OR refused_until_ms <= :now OR refused_secret <> :secret)",
            )
            .value(":secret", string(secret.fingerprint()))
            .value(":serial", number(item.serial))
            .value(":now", number(now_ms));
        let taken = lease.send().await.doing("take the shared token's lease")?.is_written();
        Ok(taken.then_some(holder))
    }

    async fn store(&self, key: &SealingKey, item: &Item, known: &CachedToken, holder: &str) -> Result<(), AwsError> {
        const STORE: &str = "store the new token";
        let live = item.live_with(known.expires_at, known.issued_at, self.issuer.max_live);
        let sealed = key.seal(self.issuer.name, known.token.reveal());
        let update = self
            .give_lease_back(holder, &live)
            .set("sealed_token", AttributeValue::B(Blob::new(sealed)))
            .set("serial", number(known.serial))
            .set("issued_at", number(known.issued_at.unix_timestamp()))
            .set("expires_at", number(known.expires_at.unix_timestamp()))
            .remove(&["refused_secret", "refused_until_ms", "refusals"]);
        match update.send().await.doing(STORE)? {
            WriteOutcome::Written(_) => Ok(()),
            WriteOutcome::Lost(_) => Err(Cause::Malformed("the lease had ended".to_owned())).doing(STORE),
        }
    }

    /// After a refusal: no token came of it, and nobody asks with this secret for a while.
    async fn refused(&self, item: &Item, holder: &str, refused: &RefusedSecret) -> Result<(), AwsError> {
        let update = self
            .give_lease_back(holder, &item.live_until)
            .set("refused_secret", string(&refused.fingerprint))
            .set("refused_until_ms", number(refused.until_ms))
            .set("refusals", number(u64::from(refused.times)));
        update.send().await.doing("note the refusal of a token")?;
        Ok(())
    }

    /// After a request that never reached the issuer. The lease stays until its end: the next one would not, either.
    async fn take_count_back(&self, item: &Item, holder: &str) -> Result<(), AwsError> {
        let update = self.table.update(self.key()).set("live_until", numbers(&item.live_until));
        let ours = update.when("lease_holder = :holder").value(":holder", string(holder));
        ours.send().await.doing("note that no token was issued")?;
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
        let known = |life| CachedToken {
            token: AccessToken::new(String::new()),
            serial: 1,
            issued_at: at(0),
            expires_at: at(life),
        };
        let day = known(86_400);
        assert!(!day.due(at(69_119)) && day.due(at(69_120)));
        assert!(day.usable(at(86_339)) && !day.usable(at(86_340)));
        let short = known(100);
        assert!(short.due(at(80)) && short.usable(at(89)) && !short.usable(at(90)));
    }

    fn with_live(live: usize, ended: usize, now: OffsetDateTime) -> Item {
        let live_until = [vec![now.unix_timestamp() + 1; live], vec![now.unix_timestamp(); ended]].concat();
        Item { live_until, ..Item::default() }
    }

    #[test]
    fn what_may_have_been_issued_slows_renewals_down_and_ends_none() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(1);
        let leased_until = |seconds: i64, item| Item { lease_until_ms: milliseconds(now) + seconds * 1000, ..item };
        assert!(leased_until(0, with_live(27, 50, now)).may_renew(now, Some(28)));
        assert!(!leased_until(-599, with_live(28, 0, now)).may_renew(now, Some(28)));
        assert!(leased_until(-600, with_live(28, 0, now)).may_renew(now, Some(28)));
        assert!(leased_until(0, with_live(28, 0, now)).may_renew(now, None));
    }

    #[test]
    fn no_more_ends_are_kept_than_the_limit_needs_and_none_without_one() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let live = |item: Item, max| item.live_with(now + time::Duration::seconds(9), now, max);
        assert_eq!(live(with_live(2, 5, now), Some(28)), [1, 1, 9]);
        let full = live(with_live(40, 0, now), Some(28));
        assert_eq!((full.len(), full.last()), (28, Some(&9)));
        assert_eq!(live(with_live(2, 0, now), None), [] as [i64; 0]);
    }

    #[test]
    fn each_refusal_doubles_the_time_until_the_next_request_and_another_secret_ends_it() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(1);
        let mut item = Item::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            item.refused = Some(item.refused_again("first", now));
            waits.push((item.refused_until("first", now).expect("a time") - now).whole_seconds());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(item.refused_until("first", now + time::Duration::seconds(300)), None);
        assert_eq!(item.refused_until("second", now), None);
        assert_eq!(item.refused_again("second", now).times, 1);
    }

    #[test]
    fn each_failure_doubles_the_lease() {
        let lease = |failures| Item { failures, ..Item::default() }.next_lease(Duration::from_secs(7)).as_secs();
        assert_eq!([0, 1, 2, 4, 5, 99].map(lease), [7, 14, 28, 112, 112, 112]);
    }
}
