//! Where LINE sends the browser back to: from the code to the link. `GET /login/callback`; where the customer is asked
//! once more, `POST /login/callback` is the answer.

use std::time::Duration;

use serde_json::json;
use shared::{
    audit::{AuditKind, Entry, Operator},
    customer::{
        friend::{Friendship, Source},
        link::{Linking, NewLink, Replaced},
        login_secret::LoginSecret,
        used_token::{Exchange, Linked, TokenClaim},
    },
    ids::{LineUserId, MemberId},
    line::{
        client::LineError,
        login::{REFRESH_LIFE, UserGrant},
    },
    metric,
};
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::{
    Answer, Ended, LineLogin, Visit, not_ready,
    pages::{self, LoginPage, Who},
    state::{BrowserSecret, Confirmed, Login, NotAgreed, StateError, hash_of},
    unavailable,
};

/// How long a customer waits for each thing that the link does not depend on, before he is let go.
pub(crate) const MAX_ASKING: Duration = Duration::from_secs(5);
/// Longer codes are not LINE's.
const MAX_CODE: usize = 1024;
/// LINE's words about an error are logged to this length.
const MAX_LOGGED: usize = 200;
const ENDPOINT: &str = "/oauth2/v2.1/authorize";

/// What became of a login whose code was good.
enum Outcome {
    Linked(Linked),
    /// The customer is asked first, about this part of what would be replaced.
    Asks(Replaced, NotAgreed),
}

impl LineLogin {
    /// `GET /login/callback`.
    pub(crate) async fn callback(&self, visit: &Visit) -> Answer {
        let secret = self.secret.get().await.map_err(not_ready)?;
        let opened =
            Login::open(visit.parameter("state"), visit.browser.as_ref(), &secret.sealing_key, self.clock.now());
        let error = visit.parameters.get("error").map(|code| (code.as_str(), visit.parameter("error_description")));
        let (login, browser) = match (opened, &visit.browser) {
            (Ok(login), Some(browser)) => (login, browser),
            (opened, _) => return Err(not_of_this_browser(opened.err().unwrap_or(StateError::Forged), error)),
        };
        let ended = |page| Ended { page, return_url: login.return_url.clone() };
        if let Some((code, description)) = error {
            return Err(ended(line_error(code, description, &login.member)));
        }
        let code = Some(visit.parameter("code")).filter(|code| (1..=MAX_CODE).contains(&code.len()));
        let code = code.ok_or_else(|| {
            tracing::warn!(member.id = login.member, "authorization answered with neither code nor error");
            ended(LoginPage::NotConfirmed)
        })?;
        let friendship_changed = visit.parameters.get("friendship_status_changed");
        tracing::info!(
            member.id = login.member,
            http.endpoint = ENDPOINT,
            line.friendship_status_changed = friendship_changed.map(|changed| changed == "true"),
            "authorization answered"
        );

        let (holder, code_hash) = (browser.holder(&login.jti, &login.member), hash_of(code));
        let exchange = self.used_tokens.begin_exchange(&login.jti, &holder, &code_hash, self.clock.now()).await;
        match exchange.map_err(|error| ended(unavailable(error)))? {
            Exchange::Ours => {}
            Exchange::Spent(linked) => return self.done(linked, login.return_url.as_deref(), visit.language),
            Exchange::Elsewhere => return Ok(pages::wait(visit.language)),
            Exchange::Over => return Err(ended(LoginPage::NotConfirmed)),
            Exchange::Foreign => {
                tracing::warn!(member.id = login.member, "the link token of this login is not this browser's any more");
                return Err(ended(LoginPage::TooLate));
            }
        }
        let (answer, is_spent) = match self.exchange(visit, &secret, &login, browser, code).await {
            Ok(link) => self.finish(visit, &secret, &login, link).await,
            Err(page) => (Err(ended(page)), false),
        };
        if !is_spent && let Err(error) = self.used_tokens.give_up_exchange(&login.jti, &code_hash).await {
            tracing::warn!(%error, "the exchange could not be given up");
        }
        answer
    }

    /// `POST /login/callback`: the customer was asked, and says yes.
    pub(crate) async fn confirm(&self, visit: &Visit) -> Answer {
        let secret = self.secret.get().await.map_err(not_ready)?;
        let now = self.clock.now();
        let confirmed = Confirmed::open(visit.parameter("confirmed"), visit.browser.as_ref(), &secret.sealing_key, now);
        let (confirmed, browser) = match (confirmed, &visit.browser) {
            (Ok(confirmed), Some(browser)) => (confirmed, browser),
            (confirmed, _) => return Err(not_of_this_browser(confirmed.err().unwrap_or(StateError::Forged), None)),
        };
        let login = &confirmed.login;
        let ended = |page| Ended { page, return_url: login.return_url.clone() };
        let holder = browser.holder(&login.jti, &login.member);
        let claim = self.used_tokens.look(&login.jti, Some(&holder)).await;
        match claim.map_err(|error| ended(unavailable(error)))? {
            TokenClaim::Ours => {}
            TokenClaim::Spent(linked) => return self.done(linked, login.return_url.as_deref(), visit.language),
            TokenClaim::Foreign => return Err(ended(LoginPage::TooLate)),
        }
        let link = confirmed.link(now).ok_or_else(|| ended(LoginPage::NotConfirmed))?;
        self.finish(visit, &secret, login, link).await.0
    }

    /// Makes the link, and spends the token; or asks. And whether the token is spent.
    async fn finish(&self, visit: &Visit, secret: &LoginSecret, login: &Login, link: NewLink) -> (Answer, bool) {
        let return_url = || login.return_url.clone();
        match self.link(secret, login, &link).await {
            Err(page) => (Err(Ended { page, return_url: return_url() }), false),
            Ok(Outcome::Linked(linked)) => {
                let spent = self.used_tokens.spend(&login.jti, linked).await;
                if let Err(error) = &spent {
                    // The link stands; the token ends by itself within minutes, and only this browser can use it.
                    tracing::warn!(%error, "the link token could not be spent");
                }
                (self.done(linked, return_url().as_deref(), visit.language), spent.is_ok())
            }
            Ok(Outcome::Asks(replaced, about)) => {
                let sealed = Confirmed::new(login, &link, &replaced, self.clock.now()).seal(&secret.sealing_key);
                let who = Who { name: login.name.as_deref(), member: &link.member };
                (Ok(pages::ask(visit.language, who, about, &[("confirmed", &sealed)])), false)
            }
        }
    }

    /// From the code to the LINE user.
    async fn exchange(
        &self,
        visit: &Visit,
        secret: &LoginSecret,
        login: &Login,
        browser: &BrowserSecret,
        code: &str,
    ) -> Result<NewLink, LoginPage> {
        let member = MemberId::parse(&login.member).map_err(|_| LoginPage::OtherBrowser)?;
        let verifier = login.code_verifier(browser);
        let grant = match self.client.exchange(&secret.channel, code, &visit.callback_url, &verifier).await {
            Ok(grant) => grant,
            Err(error) => {
                tracing::warn!(member.id = %member, %error, "the code could not be exchanged");
                if matches!(error, LineError::Status { status: 400..=428 | 430..500, .. }) {
                    // The channel's secret may be a new one: this code is spent, the next login shall not fail.
                    if let Err(error) = self.secret.get_again().await {
                        tracing::warn!(%error, "the login secret could not be read again");
                    }
                    return Err(LoginPage::NotConfirmed);
                }
                return Err(LoginPage::LineUnavailable);
            }
        };
        let UserGrant { access_token, life, refresh_token, id_token } = grant;
        let now = self.clock.now();
        let user = match secret.channel.verify_id_token(&id_token, &login.nonce(browser), now) {
            Ok(user) => user,
            Err(error) => {
                tracing::error!(member.id = %member, %error, "the ID token is not to be believed");
                // Whose it is nobody knows: the grant may be one that a link lives by.
                self.revoke(secret, &access_token).await;
                return Err(LoginPage::NotConfirmed);
            }
        };
        Ok(NewLink {
            member,
            user,
            linked_at: now,
            token: access_token,
            token_expires_at: now.saturating_add(time::Duration::try_from(life).unwrap_or(time::Duration::ZERO)),
            refresh_token,
            refresh_expires_at: now.saturating_add(REFRESH_LIFE),
        })
    }

    /// Makes the link, with its entries in the audit, unless it would replace what nobody agreed to.
    async fn link(&self, secret: &LoginSecret, login: &Login, link: &NewLink) -> Result<Outcome, LoginPage> {
        let steps = |replaced: &Replaced| {
            if login.not_agreed(replaced).is_some() {
                return Ok(None);
            }
            let entries = audit_entries(link, replaced);
            entries.iter().map(|entry| self.audit.step(entry)).collect::<Result<_, _>>().map(Some)
        };
        let replaced = match self.links.put(link, &secret.sealing_key, steps).await.map_err(unavailable)? {
            Linking::Made(replaced) => replaced,
            Linking::Declined(replaced) => {
                let page = match login.not_agreed(&replaced) {
                    Some(about) if !login.replaces_nothing() => return Ok(Outcome::Asks(replaced, about)),
                    _ if replaced.user.is_some() => LoginPage::AlreadyLinked,
                    _ => LoginPage::LineUserTaken,
                };
                self.give_back(secret, link, &replaced).await;
                return Err(page);
            }
        };
        tracing::info!(
            member.id = %link.member,
            line.user = ?link.user,
            replaced.user = ?replaced.user.as_ref().map(|former| &former.user),
            replaced.member = replaced.member.as_ref().map(MemberId::as_str),
            "linked"
        );
        let (friendship, ()) = tokio::join!(self.friendship(link), self.take_leave(secret, &replaced));
        Ok(Outcome::Linked(Linked { friendship }))
    }

    /// Whether the user is a friend; none where nobody knows.
    async fn friendship(&self, link: &NewLink) -> Option<Friendship> {
        // The time of the question: an event that comes in meanwhile is newer.
        let asked_at = self.clock.now();
        match self.client.friendship(&link.token).await {
            Ok(told) => self.note_friend(&link.user, told, asked_at).await,
            Err(error) => {
                tracing::warn!(%error, "LINE does not tell whether the user is a friend");
                None
            }
        }
    }

    /// Keeps what LINE told the login, unless the channel is told otherwise. Whether the user is a friend; none where
    /// nobody knows.
    async fn note_friend(&self, user: &LineUserId, told: Friendship, told_at: OffsetDateTime) -> Option<Friendship> {
        let (friendship, at, source) = match told {
            Friendship::Friend => (told, told_at, Source::Login),
            Friendship::NotAFriend => {
                let asked_at = self.clock.now();
                let profile = timeout(MAX_ASKING, self.channel.profile(user)).await;
                match profile
                    .map_err(|late| late.to_string())
                    .and_then(|asked| asked.map_err(|error| error.to_string()))
                {
                    Ok(None) => (told, told_at, Source::Login),
                    Ok(Some(_)) => {
                        tracing::warn!(
                            line.user = ?user,
                            "a login says \"no friend\" of a friend: is another account linked to the Login channel?"
                        );
                        (Friendship::Friend, asked_at, Source::Profile)
                    }
                    Err(error) => {
                        tracing::warn!(error, "LINE could not be asked for the profile: \"no friend\" is not kept");
                        return None;
                    }
                }
            }
        };
        metric::friendship_told(friendship != told);
        // An unknown user is pushed to: the login does not fail for this.
        if let Err(error) = self.friends.put(user, friendship, at, source).await {
            tracing::warn!(%error, "the friend state could not be kept");
        }
        Some(friendship)
    }
}

/// What the operators' page tells of a new link: an entry about its member, and one about the member who lost it.
fn audit_entries(link: &NewLink, replaced: &Replaced) -> Vec<Entry> {
    // A customer's address is nobody's business.
    let login = |reason: &str| Operator { name: "login".to_owned(), reason: reason.to_owned(), source_ip: None };
    let mut detail = json!({ "lineUser": format!("{:?}", link.user) });
    if let Some(former) = &replaced.user {
        detail["replacedLineUser"] = json!(format!("{:?}", former.user));
    }
    let mut entries = Vec::new();
    if let Some(member) = &replaced.member {
        detail["replacedMember"] = json!(member.as_str());
        let why = login("the LINE user was linked to another member");
        let detail = json!({ "lineUser": detail["lineUser"], "replacedBy": link.member.as_str() });
        entries.push(Entry::new(AuditKind::Unlink, member.as_str(), &why, Some(detail), link.linked_at));
    }
    let why = login("the customer logged in to LINE");
    entries.push(Entry::new(AuditKind::Link, link.member.as_str(), &why, Some(detail), link.linked_at));
    entries
}

/// The end of a login whose `state` is not this browser's. The way back is known where the state is ours: in whatever
/// browser, it leads to an address of the app's that this stack allows.
fn not_of_this_browser(error: StateError, line_said: Option<(&str, &str)>) -> Ended {
    let page = match &error {
        StateError::Expired(_) => LoginPage::TooLate,
        StateError::NoCookie(_) | StateError::OtherBrowser(_)
            if line_said.is_some_and(|(code, _)| code.eq_ignore_ascii_case("ACCESS_DENIED")) =>
        {
            LoginPage::Refused
        }
        StateError::NoCookie(_) | StateError::OtherBrowser(_) => {
            metric::login_cookie_missing();
            LoginPage::OtherBrowser
        }
        StateError::Forged => LoginPage::OtherBrowser,
    };
    let login = error.login();
    let (code, description) = line_said.unwrap_or_default();
    tracing::info!(
        member.id = login.map(|login| login.member.as_str()),
        http.endpoint = ENDPOINT,
        line.error = shortened(&code.to_ascii_uppercase()),
        line.error_description = shortened(description),
        %error,
        "authorization answered, and refused by us"
    );
    Ended { page, return_url: login.and_then(|login| login.return_url.clone()) }
}

/// What stands in LINE's way, as a page and a log line. Codes are read in either case: LINE's documentation has both.
fn line_error(code: &str, description: &str, member: &str) -> LoginPage {
    let (code, description) = (shortened(&code.to_ascii_uppercase()), shortened(description));
    let page = match code.as_str() {
        "ACCESS_DENIED" => LoginPage::Refused,
        "SERVER_ERROR" => LoginPage::LineUnavailable,
        "LOGIN_REQUIRED" | "INTERACTION_REQUIRED" => LoginPage::NotConfirmed,
        "INVALID_REQUEST" | "UNSUPPORTED_RESPONSE_TYPE" | "INVALID_SCOPE" => LoginPage::OutOfOrder,
        _ => LoginPage::NotConfirmed,
    };
    match page {
        // Our request or the channel's settings are wrong: nobody can log in.
        LoginPage::OutOfOrder => tracing::error!(
            member.id = member,
            http.endpoint = ENDPOINT,
            line.error = code,
            line.error_description = description,
            "authorization refused by LINE: our request or the channel's settings are wrong"
        ),
        _ => tracing::info!(
            member.id = member,
            http.endpoint = ENDPOINT,
            line.error = code,
            line.error_description = description,
            "authorization not given"
        ),
    }
    page
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_LOGGED).collect()
}
