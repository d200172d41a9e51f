//! A link token belongs to the browser whose customer pressed the button first.
//!
//! One item per `jti` in the table of used tokens, removed by its time to live. Written and read by the login function
//! alone.
//!
//! Why the first browser, and not the first request: a customer reloads the page, goes back, or changes his mind on
//! LINE's screen and tries again. All that happens in the browser that holds the cookie, and goes on. The same address
//! in any other browser, such as one that was read over a shoulder, is refused. Looking at the page claims nothing, so
//! whatever previews or prefetches it takes the token from nobody. With the first link that is made the token is spent;
//! what came of it stays readable for that browser, so that a callback that is loaded twice shows the same page twice
//! and is never exchanged twice.
//!
//! The two halves of a double click find each other here as well: whoever writes the code's hash first exchanges the
//! code, and the other sees who is at it and until when, whether that one gives up, finishes or dies. A token pays for
//! five exchanges, so that nobody makes us ask LINE all day with codes that he made up.

use aws_sdk_dynamodb::Client;
use time::OffsetDateTime;

use crate::{
    aws::{
        error::{AwsError, Cause, Doing as _},
        table::{Item, Table, Update, Write, WriteOutcome, item, key, number, number_of, string, string_of},
    },
    customer::friend::Friendship,
};

/// An item stays this long after its token's end: longer than a login that was begun in the token's last second.
const KEPT_FOR: time::Duration = time::Duration::hours(1);
/// Nobody is at an exchange for longer: no function runs for longer.
const EXCHANGE: time::Duration = time::Duration::seconds(30);
/// Exchanges that one token pays for.
const MAX_EXCHANGES: u32 = 5;
const WRITE: &str = "write the used token";

/// What came of a login that made a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Whether the user is a friend; `None` where LINE did not say.
    pub friendship: Option<Friendship>,
}

impl Linked {
    fn name(self) -> &'static str {
        match self.friendship {
            Some(Friendship::Friend) => "friend",
            Some(Friendship::NotAFriend) => "not_a_friend",
            None => "unknown",
        }
    }

    fn of(name: &str) -> Self {
        let friendship = match name {
            "friend" => Some(Friendship::Friend),
            "not_a_friend" => Some(Friendship::NotAFriend),
            _ => None,
        };
        Self { friendship }
    }
}

/// Whose a link token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenClaim {
    /// This browser's or nobody's, and no link was made yet.
    Ours,
    /// This browser's, and the link was made.
    Spent(Linked),
    /// Another browser's.
    Foreign,
}

/// Who exchanges a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The caller.
    Ours,
    /// Another request with the same code, at this moment.
    Elsewhere,
    /// Nobody any more: it came to nothing with this code, or the token has paid for as many as it may.
    Over,
    /// Nobody any more: the link was made.
    Spent(Linked),
    /// The token is another browser's, or its item is gone.
    Foreign,
}

/// The table of used tokens.
#[derive(Debug)]
pub struct UsedTokens {
    table: Table,
}

impl UsedTokens {
    /// The table of this name.
    pub fn new(client: Client, name: String) -> Self {
        Self { table: Table::new(client, name) }
    }

    /// Takes a token for a holder (something only this browser and this member can show), or finds out who has it.
    pub async fn claim(&self, jti: &str, holder: &str, expires_at: OffsetDateTime) -> Result<TokenClaim, AwsError> {
        let put = self.table.put(item([
            ("jti", string(jti)),
            ("holder", string(holder)),
            ("expire_at", number((expires_at + KEPT_FOR).unix_timestamp())),
        ]));
        Ok(match put.when("attribute_not_exists(jti)").send().await.doing(WRITE)? {
            WriteOutcome::Written(()) => TokenClaim::Ours,
            WriteOutcome::Lost(token) => claim_of(&token, Some(holder)),
        })
    }

    /// Whose a token is, without taking it. Without a holder it is somebody else's as soon as it is anybody's.
    pub async fn look(&self, jti: &str, holder: Option<&str>) -> Result<TokenClaim, AwsError> {
        let token = self.table.get(key([("jti", jti)])).await.doing("read the used token")?;
        Ok(token.map_or(TokenClaim::Ours, |token| claim_of(&token, holder)))
    }

    /// Takes the exchange of a code. `code` is its hash.
    pub async fn begin_exchange(
        &self,
        jti: &str,
        holder: &str,
        code: &str,
        now: OffsetDateTime,
    ) -> Result<Exchange, AwsError> {
        let update = self
            .update(jti)
            .set("code", string(code))
            .set("exchange_until", number((now + EXCHANGE).unix_timestamp()))
            .count("exchanges")
            .when(
                "holder = :holder AND attribute_not_exists(outcome) AND (attribute_not_exists(code) OR code <> :code) \
                 AND (attribute_not_exists(exchanges) OR exchanges < :max)",
            )
            .value(":holder", string(holder))
            .value(":max", number(MAX_EXCHANGES));
        let at_work = |token: &Item| {
            string_of(token, "code") == Some(code)
                && number_of(token, "exchange_until").is_some_and(|until| until > now.unix_timestamp())
        };
        Ok(match update.send().await.doing(WRITE)? {
            WriteOutcome::Written(_) => Exchange::Ours,
            // Another browser's, or gone.
            WriteOutcome::Lost(token) if string_of(&token, "holder") != Some(holder) => Exchange::Foreign,
            WriteOutcome::Lost(token) => match outcome_of(&token) {
                Some(linked) => Exchange::Spent(linked),
                None if at_work(&token) => Exchange::Elsewhere,
                None => Exchange::Over,
            },
        })
    }

    /// The code came to nothing: LINE takes it only once, so the same callback is not exchanged again.
    pub async fn give_up_exchange(&self, jti: &str, code: &str) -> Result<(), AwsError> {
        let update = self.update(jti).set("exchange_until", number(0));
        let update = update.when("code = :code AND attribute_not_exists(outcome)").value(":code", string(code));
        update.send().await.doing(WRITE)?;
        Ok(())
    }

    /// The link was made: the token is spent.
    pub async fn spend(&self, jti: &str, linked: Linked) -> Result<(), AwsError> {
        let update = self.update(jti).set("outcome", string(linked.name())).when("attribute_exists(jti)");
        match update.send().await.doing(WRITE)? {
            WriteOutcome::Written(_) => Ok(()),
            WriteOutcome::Lost(_) => Err(Cause::Malformed("it is gone".to_owned())).doing(WRITE),
        }
    }

    fn update(&self, jti: &str) -> Write<Update> {
        self.table.update(key([("jti", jti)]))
    }
}

fn claim_of(token: &Item, holder: Option<&str>) -> TokenClaim {
    if string_of(token, "holder") != holder {
        return TokenClaim::Foreign;
    }
    outcome_of(token).map_or(TokenClaim::Ours, TokenClaim::Spent)
}

fn outcome_of(token: &Item) -> Option<Linked> {
    string_of(token, "outcome").map(Linked::of)
}
