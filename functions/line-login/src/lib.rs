//! `GET /login?token=…` and `GET /login/callback`: links a member of the company with a LINE user, by LINE Login.
//!
//! * [`state`] - a login without a session store
//! * [`return_url`] - where a customer may be sent afterwards
//! * [`pages`] - what he sees where he is not sent back
//!
//! What can go wrong on the way, and what then stands:
//!
//! * Before the link is written nothing stands but the browser's claim on its link token: the customer opens the app's
//!   link again, in the same browser even the same one.
//! * The code is spent with the exchange. A callback that is loaded twice is exchanged once; the second request waits
//!   for the first one's outcome. After a crash in between it ends with "try again".
//! * The link is the point: where LINE does not tell the friendship, the link is made all the same, and the page offers
//!   to add the account. Where the link cannot be written, nothing is.
//! * LINE tells a login the friendship with the account that is linked to the Login channel, which may be another than
//!   this channel's, and lags behind its own screen. "No friend" would mute the customer: it is kept only if the
//!   profile endpoint, asked for this channel, agrees.
//!
//! Sources: LINE, "Integrating LINE Login with your web app", "Add a LINE Official Account as a friend when logged in".

pub mod pages;
pub mod return_url;
pub mod state;

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use lambda_http::{
    Body, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use shared::{
    aws::{error::AwsError, secret::Secret},
    clock::Clock,
    customer::{
        friend::{Friends, Friendship, Source},
        link::{Links, NewLink},
        link_token::{LinkToken, LinkTokenError},
        login_secret::LoginSecret,
        used_token::{Exchange, Linked, TokenClaim, UsedTokens},
    },
    ids::{LineUserId, MemberId},
    language::Language,
    line::{
        channel::LineChannel,
        client::LineError,
        login::{LoginClient, UserGrant},
    },
    metric,
};
use tokio::time::{Instant, sleep, timeout};
use url::{Url, form_urlencoded};

use crate::{
    pages::{Button, LoginPage, add_friend_address, preferred_language, private_headers},
    return_url::ReturnUrls,
    state::{BrowserSecret, Login, StateError, hash_of},
};

/// How long a second request with the same code waits for the first one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const POLL: Duration = Duration::from_millis(250);
/// How long a customer waits for the profile endpoint, and for the token that it wants, before he is let go.
const MAX_ASKING: Duration = Duration::from_secs(5);
/// Longer codes are not LINE's.
const MAX_CODE: usize = 1024;
/// LINE's words about an error are logged to this length.
const MAX_LOGGED: usize = 200;

/// The function with what it calls.
#[derive(Debug)]
pub struct LineLogin {
    /// LINE Login.
    pub client: LoginClient,
    /// The official account's own channel: whether LINE tells it the profile of somebody who is said to be no friend.
    pub channel: LineChannel,
    /// The channel and the app's secrets.
    pub secret: Secret<LoginSecret>,
    /// Whose link token it is.
    pub used_tokens: UsedTokens,
    /// Which LINE user a member is.
    pub links: Links,
    /// Who is a friend.
    pub friends: Friends,
    /// `https://access.line.me`, without a trailing slash.
    pub authorize_base: String,
    /// `aggressive` or `normal`.
    pub bot_prompt: String,
    /// The callback URL as registered with LINE; empty until somebody has set it.
    pub callback_url: String,
    /// Where a customer may be sent.
    pub return_urls: ReturnUrls,
    /// The official account's basic id; empty for none.
    pub official_account_id: String,
    /// The language of a page where the browser likes none of ours.
    pub default_language: Language,
    /// The time.
    pub clock: Clock,
}

/// A login that ends with a page, and the way back to the app where that is known.
struct Ended {
    page: LoginPage,
    return_url: Option<String>,
}

impl From<LoginPage> for Ended {
    fn from(page: LoginPage) -> Self {
        Self { page, return_url: None }
    }
}

impl LineLogin {
    /// Reads what the first login will need, before it comes.
    pub async fn warm_up(&self) {
        if let Err(error) = self.secret.get().await {
            tracing::warn!(%error, "the login secret is not ready");
        }
    }

    /// Answers a call.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let language =
            preferred_language(text(request.headers(), header::ACCEPT_LANGUAGE.as_str()), self.default_language);
        let query = query(&request);
        let browser = BrowserSecret::from_cookies(text(request.headers(), header::COOKIE.as_str()));
        // A custom domain may put a path of its own in front.
        let path = request.uri().path();
        let result = if request.method() != Method::GET {
            Err(LoginPage::NotFound.into())
        } else if path.ends_with("/login/callback") {
            self.callback(&query, browser.as_ref(), language).await
        } else if path.ends_with("/login") {
            self.login(&query, browser, language).await
        } else {
            Err(LoginPage::NotFound.into())
        };
        Ok(result.unwrap_or_else(|Ended { page, return_url }| {
            page.render(language, return_url.map(Button::BackToTheApp).as_ref())
        }))
    }

    async fn login(
        &self,
        query: &HashMap<String, String>,
        browser: Option<BrowserSecret>,
        language: Language,
    ) -> Result<Response<Body>, Ended> {
        if self.callback_url.is_empty() {
            tracing::error!("nobody can log in: the template's parameter LoginCallbackUrl is not set");
            return Err(LoginPage::OutOfOrder.into());
        }
        let token = self.link_token(query.get("token").map_or("", String::as_str)).await?;
        let return_url = match &token.return_url {
            None => None,
            Some(address) => {
                let allowed = self.return_urls.allow(address);
                Some(String::from(allowed.ok_or_else(|| {
                    tracing::warn!(member.id = %token.member, "link token refused: return_url is not in LoginReturnUrls");
                    LoginPage::WrongLink
                })?))
            }
        };
        let browser = browser.unwrap_or_else(BrowserSecret::random);
        let holder = browser.holder(&token.jti, token.member.as_str());
        match self.used_tokens.claim(&token.jti, &holder, token.expires_at).await.map_err(unavailable)? {
            TokenClaim::Ours => {}
            TokenClaim::Spent(linked) => return self.done(linked, return_url.as_deref(), language),
            TokenClaim::Foreign => {
                tracing::warn!(member.id = %token.member, "link token refused: it belongs to another browser");
                return Err(LoginPage::OtherBrowser.into());
            }
        }
        let secret = self.secret.get().await.map_err(unavailable)?;
        let login = Login::begin(&browser, &token.member, token.jti, return_url, self.clock.now());
        let parameters = [
            ("response_type", "code"),
            ("client_id", secret.channel.id()),
            ("redirect_uri", &self.callback_url),
            ("state", &login.seal(&secret.sealing_key)),
            ("scope", "openid profile"),
            ("nonce", &login.nonce(&browser)),
            ("bot_prompt", &self.bot_prompt),
            // LINE may skip its screens for a returning user. Then somebody else's link, once clicked, would move the
            // user's LINE account to another member unasked; and nobody would be offered the official account.
            ("prompt", "consent"),
            ("code_challenge", &login.code_challenge(&browser)),
            ("code_challenge_method", "S256"),
        ];
        // LINE documents %20 between scopes; a form's + is another thing in some servers' eyes.
        let parameters = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let address = format!("{}/oauth2/v2.1/authorize?{}", self.authorize_base, parameters.replace('+', "%20"));
        tracing::info!(
            member.id = %token.member,
            http.method = "GET",
            http.endpoint = "/oauth2/v2.1/authorize",
            bot_prompt = self.bot_prompt,
            "authorization requested"
        );
        let mut response = redirect(&address).ok_or(LoginPage::OutOfOrder)?;
        if let Ok(cookie) = HeaderValue::from_str(&browser.set_cookie()) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// The link token; after a rotation the secret is read again.
    async fn link_token(&self, token: &str) -> Result<LinkToken, LoginPage> {
        let now = self.clock.now();
        let verify = |secret: &Arc<LoginSecret>| match secret.link_token_keys.verify(token, now) {
            Err(LinkTokenError::Signature) if !token.is_empty() => None,
            result => Some(result),
        };
        let verified = self.secret.first(verify).await.map_err(unavailable)?;
        verified.unwrap_or(Err(LinkTokenError::Signature)).map_err(|error| {
            tracing::warn!(%error, "link token refused");
            match error {
                LinkTokenError::Expired => LoginPage::TooLate,
                LinkTokenError::Signature | LinkTokenError::Claim(_) => LoginPage::WrongLink,
            }
        })
    }

    async fn callback(
        &self,
        query: &HashMap<String, String>,
        browser: Option<&BrowserSecret>,
        language: Language,
    ) -> Result<Response<Body>, Ended> {
        let secret = self.secret.get().await.map_err(unavailable)?;
        let parameter = |name| query.get(name).map(String::as_str);
        let state = parameter("state").unwrap_or_default();
        let login = Login::open(state, browser, &secret.sealing_key, self.clock.now());
        let member = login.as_ref().ok().map(|login| login.member.as_str());
        if let Some(error) = parameter("error") {
            let page = line_error(error, parameter("error_description").unwrap_or_default(), member);
            // The way back is believed only from a state of ours, in the browser that began.
            return Err(Ended { page, return_url: login.ok().and_then(|login| login.return_url) });
        }
        let login = login.map_err(|error| {
            tracing::warn!(http.endpoint = "/oauth2/v2.1/authorize", %error, "authorization answered, and refused by us");
            match error {
                StateError::Expired => LoginPage::TooLate,
                StateError::Forged | StateError::NoCookie | StateError::OtherBrowser => LoginPage::NotBegunHere,
            }
        })?;
        let ended = |page| Ended { page, return_url: login.return_url.clone() };
        let code = parameter("code").filter(|code| !code.is_empty() && code.len() <= MAX_CODE).ok_or_else(|| {
            tracing::warn!(member.id = login.member, "authorization answered with neither code nor error");
            ended(LoginPage::NotConfirmed)
        })?;
        let (Some(browser), Ok(member)) = (browser, MemberId::parse(&login.member)) else {
            return Err(ended(LoginPage::NotBegunHere));
        };
        tracing::info!(
            member.id = %member,
            http.endpoint = "/oauth2/v2.1/authorize",
            line.friendship_status_changed = parameter("friendship_status_changed").map(|changed| changed == "true"),
            "authorization answered"
        );

        let (holder, code_hash) = (browser.holder(&login.jti, &login.member), hash_of(code));
        let exchange = self.used_tokens.begin_exchange(&login.jti, &holder, &code_hash).await;
        match exchange.map_err(|error| ended(unavailable(error)))? {
            Exchange::Ours => {}
            Exchange::Spent(linked) => return self.done(linked, login.return_url.as_deref(), language),
            Exchange::Elsewhere => {
                let linked = self.wait_for_outcome(&login.jti).await.map_err(|error| ended(unavailable(error)))?;
                let linked = linked.ok_or_else(|| ended(LoginPage::NotConfirmed))?;
                return self.done(linked, login.return_url.as_deref(), language);
            }
            Exchange::Foreign => {
                tracing::warn!(member.id = %member, "the link token of this login is not this browser's any more");
                return Err(ended(LoginPage::TooLate));
            }
        }
        let linked = match self.link(&secret, &login, member, browser, code).await {
            Ok(linked) => linked,
            Err(page) => {
                // Without this the same callback would wait for an outcome that never comes.
                if let Err(error) = self.used_tokens.give_up_exchange(&login.jti, &code_hash).await {
                    tracing::warn!(%error, "the exchange could not be given up");
                }
                return Err(ended(page));
            }
        };
        if let Err(error) = self.used_tokens.spend(&login.jti, linked).await {
            // The link stands; the token ends by itself within minutes, and only this browser can use it.
            tracing::warn!(%error, "the link token could not be spent");
        }
        self.done(linked, login.return_url.as_deref(), language)
    }

    /// From the code to the link.
    async fn link(
        &self,
        secret: &LoginSecret,
        login: &Login,
        member: MemberId,
        browser: &BrowserSecret,
        code: &str,
    ) -> Result<Linked, LoginPage> {
        let verifier = login.code_verifier(browser);
        let grant = match self.client.exchange(&secret.channel, code, &self.callback_url, &verifier).await {
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
        let UserGrant { access_token, life, id_token } = grant;
        let now = self.clock.now();
        let user = secret.channel.verify_id_token(&id_token, &login.nonce(browser), now).map_err(|error| {
            tracing::error!(member.id = %member, %error, "the ID token is not to be believed");
            LoginPage::NotConfirmed
        })?;
        let link = NewLink {
            member,
            user,
            linked_at: now,
            token: access_token,
            token_expires_at: now.saturating_add(time::Duration::try_from(life).unwrap_or(time::Duration::ZERO)),
        };
        // The time of the question: an event that comes in meanwhile is newer.
        let asked_at = now;
        let (written, friendship) =
            tokio::join!(self.links.put(&link, &secret.sealing_key), self.client.friendship(&link.token));
        let replaced = written.map_err(unavailable)?;
        let friendship = match friendship {
            Ok(told) => self.note_friend(&link.user, told, asked_at).await,
            Err(error) => {
                tracing::warn!(%error, "LINE does not tell whether the user is a friend");
                None
            }
        };
        tracing::info!(
            member.id = %link.member,
            line.user = ?link.user,
            friend = friendship.map(|friendship| friendship == Friendship::Friend),
            replaced.other_user = replaced.other_user,
            replaced.other_member = replaced.other_member,
            "linked"
        );
        Ok(Linked { friendship })
    }

    /// Keeps what LINE told the login, unless the channel is told otherwise. Whether the user is a friend; none where
    /// nobody knows.
    async fn note_friend(
        &self,
        user: &LineUserId,
        told: Friendship,
        told_at: time::OffsetDateTime,
    ) -> Option<Friendship> {
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

    async fn wait_for_outcome(&self, jti: &str) -> Result<Option<Linked>, AwsError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.used_tokens.outcome(jti).await? {
                Some(linked) => return Ok(Some(linked)),
                None if Instant::now() > deadline => return Ok(None),
                None => sleep(POLL).await,
            }
        }
    }

    /// Back to the app, which reads `line_friend` (`yes`, `no`, `unknown`), or a page of ours.
    fn done(&self, linked: Linked, return_url: Option<&str>, language: Language) -> Result<Response<Body>, Ended> {
        // The list may have changed since the state was sealed.
        if let Some(mut address) = return_url.and_then(|address| self.return_urls.allow(address)) {
            let friend = match linked.friendship {
                Some(Friendship::Friend) => "yes",
                Some(Friendship::NotAFriend) => "no",
                None => "unknown",
            };
            address.query_pairs_mut().append_pair("line_friend", friend);
            return redirect(Url::as_str(&address)).ok_or(LoginPage::OutOfOrder.into());
        }
        Ok(match linked.friendship {
            Some(Friendship::Friend) => LoginPage::Done.render(language, None),
            _ if self.official_account_id.is_empty() => LoginPage::AddFriend.render(language, None),
            _ => {
                let address = add_friend_address(&self.official_account_id);
                LoginPage::AddFriend.render(language, Some(&Button::AddFriend(address)))
            }
        })
    }
}

/// What stands in LINE's way, as a page and a log line. Codes are read in either case: LINE's documentation has both.
fn line_error(code: &str, description: &str, member: Option<&str>) -> LoginPage {
    let shortened = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_LOGGED).collect::<String>();
    let (code, description) = (shortened(&code.to_ascii_uppercase()), shortened(description));
    let page = match code.as_str() {
        "ACCESS_DENIED" => LoginPage::Refused,
        "SERVER_ERROR" => LoginPage::LineUnavailable,
        "LOGIN_REQUIRED" | "INTERACTION_REQUIRED" => LoginPage::NotConfirmed,
        "INVALID_REQUEST" | "UNSUPPORTED_RESPONSE_TYPE" | "INVALID_SCOPE" => LoginPage::OutOfOrder,
        _ => LoginPage::NotConfirmed,
    };
    const ENDPOINT: &str = "/oauth2/v2.1/authorize";
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

fn unavailable(error: impl std::fmt::Display) -> LoginPage {
    tracing::error!(%error, "a login could not go on");
    LoginPage::Unavailable
}

fn redirect(address: &str) -> Option<Response<Body>> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(address).ok()?);
    private_headers(&mut response);
    Some(response)
}

/// The query's parameters; of several with one name the first.
fn query(request: &Request) -> HashMap<String, String> {
    let mut parameters = HashMap::new();
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        parameters.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    parameters
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
