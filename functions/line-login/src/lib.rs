//! `GET` and `POST /login`, `GET` and `POST /login/callback`: links a member of the company
//! with a LINE user, by LINE Login.
//!
//! * [`begin`] - the page that says what will happen, and its button
//! * [`callback`] - what LINE sends the browser back with; from the code to the link
//! * [`replaced`] - what becomes of the LINE user that another one took the place of
//! * [`state`] - a login without a session store
//! * [`return_url`] - where a customer may be sent afterwards
//! * [`pages`], [`words`] - what he sees, and reads
//!
//! What can go wrong on the way, and what then stands:
//!
//! * Whatever opens the app's link finds a page, and nothing is claimed: a preview, a prefetch and a second tap cost
//!   nothing. The page's button claims the link token for its browser; the customer may press it again there.
//! * Before the link is written nothing stands but that claim: the customer opens the app's link again, in the same
//!   browser even the same one.
//! * The code is spent with the exchange. A callback that is loaded twice is exchanged once; the second request is
//!   answered with a page that looks again, until the first has finished, given up or died.
//! * A link that stands is replaced only by somebody who was told: before LINE where the member has a LINE user, after
//!   LINE where the LINE user has a member, or by the app.
//! * The link is the point: where LINE does not tell the friendship, the link is made all the same, and the page offers
//!   to add the account. Where the link cannot be written, nothing is.
//! * LINE tells a login the friendship with the account that is linked to the Login channel, which may be another than
//!   this channel's, and lags behind its own screen. "No friend" would mute the customer: it is kept only if the
//!   profile endpoint, asked for this channel, agrees.
//! * LINE's auto login may come back to another browser, and would every time: a browser that was sent to LINE and saw
//!   no answer asks for a login without it. A failed end leads back to the app, with its name, wherever `state` is
//!   ours.
//! * Whoever holds neither a link token nor a `state` writes no error: what is logged as one is the operator's to mend.
//!
//! Sources: LINE, "Integrating LINE Login with your web app", "How to handle auto login failure", "Add a LINE Official
//! Account as a friend when logged in".

mod begin;
mod callback;
pub mod pages;
mod replaced;
pub mod return_url;
pub mod state;
pub mod words;

use std::{collections::HashMap, convert::Infallible};

use lambda_http::{
    Body, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use shared::{
    audit::Audit,
    aws::secret::Secret,
    clock::Clock,
    customer::{
        friend::{Friends, Friendship},
        link::Links,
        login_secret::LoginSecret,
        used_token::{Linked, UsedTokens},
    },
    lambda::http_api::domain_name,
    language::Language,
    line::{channel::LineChannel, login::LoginClient},
};
use url::{Url, form_urlencoded};

use crate::{
    pages::{Button, LoginPage, add_friend_address, preferred_language, private_headers},
    return_url::ReturnUrls,
    state::BrowserSecret,
};

/// A form of ours is smaller.
const MAX_FORM: usize = 16 * 1024;

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
    /// Which links were made.
    pub audit: Audit,
    /// `https://access.line.me`, without a trailing slash.
    pub authorize_base: String,
    /// `aggressive` or `normal`.
    pub bot_prompt: String,
    /// The callback URL, where it is one of a domain of the operator's own; empty for the API's own address.
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

/// One request.
struct Visit {
    /// Where LINE sends the browser back to.
    callback_url: String,
    parameters: HashMap<String, String>,
    browser: Option<BrowserSecret>,
    language: Language,
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

type Answer = Result<Response<Body>, Ended>;

impl Visit {
    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
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
        let form = request.method() == Method::POST;
        let visit = Visit {
            callback_url: self.callback_url(&request),
            parameters: parameters(if form {
                form_of(&request)
            } else {
                request.uri().query().unwrap_or("").as_bytes()
            }),
            browser: BrowserSecret::from_cookies(text(request.headers(), header::COOKIE.as_str())),
            language,
        };
        // A custom domain may put a path of its own in front.
        let path = request.uri().path();
        let of_callback = path.ends_with("/login/callback");
        let answer = match *request.method() {
            Method::GET if of_callback => self.callback(&visit).await,
            Method::POST if of_callback => self.confirm(&visit).await,
            Method::GET if path.ends_with("/login") => self.offer(&visit).await,
            Method::POST if path.ends_with("/login") => self.begin(&visit).await,
            _ => Err(LoginPage::NotFound.into()),
        };
        // LINE answered this browser itself, so it will again. A code that LINE does not take is no answer: a failed
        // auto login comes back with one.
        let answered = matches!(&answer, Ok(_) | Err(Ended { page: LoginPage::Refused, .. }));
        let mut response = answer.unwrap_or_else(|ended| self.ended(ended, language));
        if let Some(browser) = visit.browser.filter(|browser| browser.awaits_line() && of_callback && answered) {
            set_cookie(&mut response, &browser.back_from_line());
        }
        Ok(response)
    }

    /// The callback URL as it is registered with LINE. What API Gateway tells is the address that it routed the call
    /// by: a caller can name no other.
    fn callback_url(&self, request: &Request) -> String {
        match domain_name(request) {
            Some(domain) if self.callback_url.is_empty() => format!("https://{domain}/login/callback"),
            _ => self.callback_url.clone(),
        }
    }

    /// The page of an end, with the way back to the app, which reads `line_error`.
    fn ended(&self, Ended { page, return_url }: Ended, language: Language) -> Response<Body> {
        let back = return_url.and_then(|address| self.return_urls.allow(&address)).map(|mut address| {
            if let Some(error) = page.error() {
                address.query_pairs_mut().append_pair("line_error", error);
            }
            Button::BackToTheApp(address.into())
        });
        page.render(language, back.as_ref())
    }

    /// Back to the app, which reads `line_friend` (`yes`, `no`, `unknown`), or a page of ours.
    fn done(&self, linked: Linked, return_url: Option<&str>, language: Language) -> Answer {
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

/// Something that is needed for a login of ours does not work.
fn unavailable(error: impl std::fmt::Display) -> LoginPage {
    tracing::error!(%error, "a login could not go on");
    LoginPage::Unavailable
}

/// The same while nobody knows whether there is a login at all: no stranger writes an error.
fn not_ready(error: impl std::fmt::Display) -> LoginPage {
    tracing::warn!(%error, "a login could not be looked at");
    LoginPage::Unavailable
}

fn set_cookie(response: &mut Response<Body>, browser: &BrowserSecret) {
    if let Ok(cookie) = HeaderValue::from_str(&browser.set_cookie()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

fn redirect(address: &str) -> Option<Response<Body>> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(address).ok()?);
    private_headers(&mut response);
    Some(response)
}

/// The body of a form; nothing where it is larger than ours.
fn form_of(request: &Request) -> &[u8] {
    let body: &[u8] = match request.body() {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    };
    if body.len() > MAX_FORM { &[] } else { body }
}

/// The parameters of a query or a form; of several with one name the first.
fn parameters(encoded: &[u8]) -> HashMap<String, String> {
    let mut parameters = HashMap::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        parameters.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    parameters
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
