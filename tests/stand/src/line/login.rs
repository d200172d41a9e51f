//! LINE Login: the customer's screens, the code, the ID token, the user's tokens, the friendship and the end of a grant
//! (LINE: "Integrating LINE Login with your web app", "How to handle auto login failure", "LINE Login v2.1 API
//! reference").
//!
//! A browser walks through the screens by their links; a test chooses with [`LineStandIn::authorize`]. Both ways check
//! the authorization request in full.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use hyper::{Method, Request, Response, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, crypto, encode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::{Url, form_urlencoded};

use super::{
    Endpoint, Inner, LineStandIn, Person, Refusal, State, Target,
    channel_token::{read_form, refuse},
    has_media_type, message, random_uuid_hex, reply,
};
use crate::{api::http_server::Answer, line::channel_key::ChannelKey, random::random_bytes};

const CODE_LIFE: Duration = Duration::from_secs(10 * 60);
const USER_TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// From the login on; a new access token does not prolong it.
const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// What the customer does on LINE's screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Consents, and was not asked about the official account, or left it as it was.
    Consent,
    /// Consents and adds the official account.
    AddFriend,
    /// Says no.
    Refuse,
}

/// An ID token that LINE would never sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// `alg: none`, without a signature.
    AlgNone,
    /// RS256, with some key.
    Rs256,
    /// HS256 with this secret instead of the channel's.
    OtherSecret(String),
    /// The right signature over other claims.
    Claims(Value),
    /// The answer has no `id_token`.
    Absent,
}

/// The Login channel and what LINE remembers of its logins.
pub(super) struct Login {
    channel_id: String,
    channel_secret: String,
    callbacks: Vec<String>,
    browser_user: String,
    codes: HashMap<String, Grant>,
    user_tokens: HashMap<String, UserToken>,
    refresh_tokens: HashMap<String, UserToken>,
    no_auto_login: HashSet<String>,
    channel_tokens: Vec<String>,
    forgeries: HashMap<String, VecDeque<Forgery>>,
    other_key: ChannelKey,
}

struct Grant {
    user: String,
    redirect_uri: String,
    code_challenge: String,
    nonce: Option<String>,
    expires_at: Duration,
}

/// A token that a user's login gave; it is worth something while the grant lives.
struct UserToken {
    user: String,
    expires_at: Duration,
}

/// An authorization request that LINE takes.
struct Asked {
    redirect_uri: String,
    state: String,
    nonce: Option<String>,
    code_challenge: String,
    second_screen: bool,
    auto_login: bool,
}

impl Login {
    pub(super) fn new() -> anyhow::Result<Self> {
        let number = 1_000_000_000 + u64::from(u32::from_be_bytes(random_bytes())) % 900_000_000;
        Ok(Self {
            channel_id: number.to_string(),
            channel_secret: random_uuid_hex(),
            callbacks: Vec::new(),
            browser_user: format!("U{}", random_uuid_hex()),
            codes: HashMap::new(),
            user_tokens: HashMap::new(),
            refresh_tokens: HashMap::new(),
            no_auto_login: HashSet::new(),
            channel_tokens: Vec::new(),
            forgeries: HashMap::new(),
            other_key: ChannelKey::generate()?,
        })
    }

    /// What LINE checks before it shows a screen: LOGIN's table of parameters. `Err(Ok(address))` sends
    /// the browser back with an error, `Err(Err(text))` shows one: without a channel and a registered
    /// callback there is no way back.
    fn check(&self, query: &str) -> Result<Asked, Result<String, String>> {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name != "stand_in_user" && parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Err(format!("{name} comes twice")));
            }
        }
        let mut take = |name: &str| parameters.remove(name);
        if take("client_id").as_ref() != Some(&self.channel_id) {
            return Err(Err("unknown client_id".to_owned()));
        }
        let redirect_uri = take("redirect_uri").unwrap_or_default();
        if !self.callbacks.contains(&redirect_uri) {
            return Err(Err("redirect_uri is not registered".to_owned()));
        }
        let state = take("state").unwrap_or_default();
        let back = |error: &str, description: &str| {
            let parameters = [("error", error), ("error_description", description), ("state", state.as_str())];
            Err(Ok(with_query(&redirect_uri, &parameters)))
        };
        if state.is_empty() || !state.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return back("INVALID_REQUEST", "state must be alphanumeric");
        }
        if take("response_type").as_deref() != Some("code") {
            return back("UNSUPPORTED_RESPONSE_TYPE", "response_type must be code");
        }
        let scope = take("scope").unwrap_or_default();
        let mut scopes: Vec<_> = scope.split(' ').collect();
        scopes.sort_unstable();
        if scopes != ["openid", "profile"] || !query.contains("scope=openid%20profile") {
            return back("INVALID_SCOPE", "scope must be openid profile, separated by %20");
        }
        let bot_prompt = take("bot_prompt");
        if !matches!(bot_prompt.as_deref(), None | Some("normal" | "aggressive")) {
            return back("INVALID_REQUEST", "bot_prompt must be normal or aggressive");
        }
        // `none` would show no screen at all.
        if !matches!(take("prompt").as_deref(), None | Some("consent" | "login")) {
            return back("INVALID_REQUEST", "prompt must be consent or login");
        }
        let code_challenge = take("code_challenge").unwrap_or_default();
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(&code_challenge).unwrap_or_default();
        if decoded.len() != 32 || take("code_challenge_method").as_deref() != Some("S256") {
            return back("INVALID_REQUEST", "code_challenge must be a SHA-256 in base64url, its method S256");
        }
        let nonce = take("nonce");
        let [auto, ios] = ["disable_auto_login", "disable_ios_auto_login"].map(&mut take);
        if [&auto, &ios].into_iter().flatten().any(|value| value != "true" && value != "false") {
            return back("INVALID_REQUEST", "disable_auto_login must be true or false");
        }
        let auto_login = auto.as_deref() != Some("true");
        if let Some(unknown) = parameters.keys().next() {
            return back("INVALID_REQUEST", &format!("unknown parameter {unknown}"));
        }
        let second_screen = bot_prompt.as_deref() == Some("aggressive");
        Ok(Asked { redirect_uri, state, nonce, code_challenge, second_screen, auto_login })
    }

    fn id_token(&mut self, user: &str, nonce: Option<&str>) -> Option<String> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = json!({
            "iss": "https://access.line.me", "sub": user, "aud": self.channel_id, "exp": now + 3600, "iat": now,
            "amr": ["linesso"], "name": "Brown",
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let sign = |secret: &str, claims: &Value| {
            let key = EncodingKey::from_secret(secret.as_bytes());
            encode(&Header::new(Algorithm::HS256), claims, &key).expect("JSON can be signed")
        };
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        match self.forgeries.get_mut(user).and_then(VecDeque::pop_front) {
            None => Some(sign(&self.channel_secret, &claims)),
            Some(Forgery::Absent) => None,
            Some(Forgery::AlgNone) => {
                Some(format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT" })), part(&claims)))
            }
            Some(Forgery::Rs256) => {
                let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&claims));
                let signature = crypto::sign(signed.as_bytes(), &self.other_key.encoding_key(), Algorithm::RS256);
                Some(format!("{signed}.{}", signature.expect("an RSA key signs")))
            }
            Some(Forgery::OtherSecret(secret)) => Some(sign(&secret, &claims)),
            Some(Forgery::Claims(changes)) => {
                for (name, value) in changes.as_object().into_iter().flatten() {
                    claims[name] = value.clone();
                }
                Some(sign(&self.channel_secret, &claims))
            }
        }
    }

    fn user_of(&self, request: &Request<Bytes>, now: Duration) -> Option<String> {
        let token = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        self.user_tokens.get(token).filter(|token| now < token.expires_at).map(|token| token.user.clone())
    }

    fn new_access_token(&mut self, user: &str, now: Duration) -> String {
        let token = BASE64_URL_SAFE_NO_PAD.encode(random_bytes::<64>());
        let kept = UserToken { user: user.to_owned(), expires_at: now + USER_TOKEN_LIFE };
        self.user_tokens.insert(token.clone(), kept);
        token
    }

    /// The grant ends, and with it every token of it.
    fn end_grant(&mut self, user: &str) {
        self.user_tokens.retain(|_, token| token.user != user);
        self.refresh_tokens.retain(|_, token| token.user != user);
    }
}

impl LineStandIn {
    /// The LINE Login channel's id.
    pub fn login_channel_id(&self) -> String {
        self.inner.read(|state| state.login.channel_id.clone())
    }

    /// The LINE Login channel's secret.
    pub fn login_channel_secret(&self) -> String {
        self.inner.read(|state| state.login.channel_secret.clone())
    }

    /// Registers a callback URL, as in the console.
    pub fn register_callback(&self, url: &str) {
        self.inner.change(|state| state.login.callbacks.push(url.to_owned()));
    }

    /// Who is logged in to LINE in a browser.
    pub fn browser_user(&self) -> String {
        self.inner.read(|state| state.login.browser_user.clone())
    }

    /// The next ID tokens of this user are these.
    pub fn forge_id_tokens(&self, user: &str, forgeries: impl IntoIterator<Item = Forgery>) {
        self.inner.change(|state| state.login.forgeries.entry(user.to_owned()).or_default().extend(forgeries));
    }

    /// The user ends every grant of this channel, inside LINE.
    pub fn revoke_grants_of(&self, user: &str) {
        self.inner.change(|state| state.login.end_grant(user));
    }

    /// How many of the user's access tokens are valid.
    pub fn grants_of(&self, user: &str) -> usize {
        self.inner.read(|state| {
            let now = state.token_clock();
            let valid = |token: &&UserToken| token.user == user && now < token.expires_at;
            state.login.user_tokens.values().filter(valid).count()
        })
    }

    /// From now on auto login fails where this user logs in: private browsing, or another browser than LINE's.
    pub fn fail_auto_login_of(&self, user: &str) {
        self.inner.change(|state| state.login.no_auto_login.insert(user.to_owned()));
    }

    /// Where LINE sends the browser that came with this authorization request, when `user` chooses so.
    ///
    /// # Errors
    /// With LINE's own error page, where it does not send the browser back.
    pub fn authorize(&self, address: &str, user: &str, choice: Choice) -> Result<String, String> {
        let url = Url::parse(address).map_err(|error| format!("{address}: {error}"))?;
        if url.path() != "/oauth2/v2.1/authorize" {
            return Err(format!("not the authorization endpoint: {address}"));
        }
        match self.inner.decide(url.query().unwrap_or_default(), user, choice) {
            Ok(address) | Err(Ok(address)) => Ok(address),
            Err(Err(text)) => Err(text),
        }
    }
}

impl Inner {
    fn decide(&self, query: &str, user: &str, choice: Choice) -> Result<String, Result<String, String>> {
        self.change(|state| {
            let asked = state.login.check(query)?;
            if asked.auto_login && state.login.no_auto_login.contains(user) {
                return Ok(failed_auto_login(&asked.redirect_uri));
            }
            if choice == Choice::Refuse {
                let description = "The resource owner denied the request.";
                let parameters =
                    [("error", "ACCESS_DENIED"), ("error_description", description), ("state", &asked.state)];
                return Ok(with_query(&asked.redirect_uri, &parameters));
            }
            let expires_at = state.token_clock() + CODE_LIFE;
            let was_friend = state.people.get(user).is_none_or(|person| *person == Person::Friend);
            if choice == Choice::AddFriend {
                state.people.insert(user.to_owned(), Person::Friend);
            }
            let code = BASE64_URL_SAFE_NO_PAD.encode(random_bytes::<15>());
            let Asked { redirect_uri, state: login_state, nonce, code_challenge, .. } = asked;
            let changed = (choice == Choice::AddFriend && !was_friend).to_string();
            let address = with_query(
                &redirect_uri,
                &[("code", &code), ("state", &login_state), ("friendship_status_changed", &changed)],
            );
            let grant = Grant { user: user.to_owned(), redirect_uri, code_challenge, nonce, expires_at };
            state.login.codes.insert(code, grant);
            Ok(address)
        })
    }

    /// The screens, where a request is for one of them.
    pub(super) fn login_screen(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let query = request.uri().query().unwrap_or_default();
        let user = form_urlencoded::parse(query.as_bytes())
            .find_map(|(name, value)| (name == "stand_in_user").then(|| value.into_owned()))
            .unwrap_or_else(|| self.read(|state| state.login.browser_user.clone()));
        let choice = match (request.method(), request.uri().path()) {
            (&Method::GET, "/oauth2/v2.1/authorize") => None,
            (&Method::GET, "/stand-in/consent") => {
                let asked = self.read(|state| state.login.check(query).map(|asked| asked.second_screen));
                if asked == Ok(true) {
                    let links = [("add", "add", "Add friend"), ("skip", "skip", "Not now")];
                    return Some(screen("Add the official account as a friend?", query, &links));
                }
                Some(Choice::Consent)
            }
            (&Method::GET, "/stand-in/add") => Some(Choice::AddFriend),
            (&Method::GET, "/stand-in/skip") => Some(Choice::Consent),
            (&Method::GET, "/stand-in/refuse") => Some(Choice::Refuse),
            _ => return None,
        };
        let went = match choice {
            None => self.read(|state| {
                let Asked { redirect_uri, auto_login, .. } = state.login.check(query)?;
                let fails = auto_login && state.login.no_auto_login.contains(&user);
                Ok(fails.then(|| failed_auto_login(&redirect_uri)))
            }),
            Some(choice) => self.decide(query, &user, choice).map(Some),
        };
        Some(match went {
            Ok(None) => {
                let links = [("allow", "consent", "Allow"), ("cancel", "refuse", "Cancel")];
                screen("Log in with LINE (stand-in)", query, &links)
            }
            Ok(Some(address)) | Err(Ok(address)) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::FOUND;
                response.headers_mut().insert(header::LOCATION, address.parse().expect("an address is a header value"));
                response
            }
            Err(Err(text)) => message(StatusCode::BAD_REQUEST, &text),
        })
    }

    /// `POST /oauth2/v2.1/token` with a code.
    pub(super) async fn exchange(&self, request: &Request<Bytes>) -> Answer {
        if grant_type(request) == "refresh_token" {
            return self.refresh(request).await;
        }
        const FIELDS: [&str; 6] = ["grant_type", "code", "redirect_uri", "client_id", "client_secret", "code_verifier"];
        let form = match read_form(request, &FIELDS) {
            Ok(form) => form,
            Err(refusal) => return Ok(refusal.into()),
        };
        let user = self.read(|state| state.login.codes.get(&form["code"]).map(|grant| grant.user.clone()));
        let target = Target::Login(Endpoint::Exchange, user.unwrap_or_default());
        self.play(target, |state| {
            let now = state.token_clock();
            let login = &mut state.login;
            if form["client_id"] != login.channel_id || form["client_secret"] != login.channel_secret {
                return refuse("invalid_client", "invalid client_id or client_secret").into();
            }
            // Spent, whatever comes of it.
            let Some(grant) = login.codes.remove(&form["code"]).filter(|grant| now < grant.expires_at) else {
                return refuse("invalid_grant", "invalid authorization code").into();
            };
            if form["redirect_uri"] != grant.redirect_uri {
                return refuse("invalid_grant", "redirect_uri does not match").into();
            }
            let verifier = &form["code_verifier"];
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
            if !(43..=128).contains(&verifier.len())
                || !verifier.bytes().all(legal)
                || BASE64_URL_SAFE_NO_PAD.encode(hash) != grant.code_challenge
            {
                return refuse("invalid_grant", "code_verifier does not match").into();
            }
            let (token, refresh) = (login.new_access_token(&grant.user, now), random_uuid_hex());
            let kept = UserToken { user: grant.user.clone(), expires_at: now + REFRESH_TOKEN_LIFE };
            login.refresh_tokens.insert(refresh.clone(), kept);
            let mut body = json!({
                "access_token": token, "expires_in": USER_TOKEN_LIFE.as_secs(), "refresh_token": refresh,
                "scope": "profile openid", "token_type": "Bearer",
            });
            if let Some(id_token) = login.id_token(&grant.user, grant.nonce.as_deref()) {
                body["id_token"] = json!(id_token);
            }
            reply(StatusCode::OK, &body)
        })
        .await
    }

    /// `POST /oauth2/v2.1/token` with a refresh token, which is answered with itself.
    async fn refresh(&self, request: &Request<Bytes>) -> Answer {
        let form = match read_form(request, &["grant_type", "refresh_token", "client_id", "client_secret"]) {
            Ok(form) => form,
            Err(refusal) => return Ok(refusal.into()),
        };
        let user = self.read(|state| Some(state.login.refresh_tokens.get(&form["refresh_token"])?.user.clone()));
        self.play(Target::Login(Endpoint::Exchange, user.unwrap_or_default()), |state| {
            let now = state.token_clock();
            let login = &mut state.login;
            if form["client_id"] != login.channel_id || form["client_secret"] != login.channel_secret {
                return refuse("invalid_client", "invalid client_id or client_secret").into();
            }
            let kept = login.refresh_tokens.get(&form["refresh_token"]).filter(|token| now < token.expires_at);
            let Some(user) = kept.map(|token| token.user.clone()) else {
                return refuse("invalid_grant", "invalid refresh token").into();
            };
            let body = json!({
                "access_token": login.new_access_token(&user, now), "expires_in": USER_TOKEN_LIFE.as_secs(),
                "refresh_token": form["refresh_token"], "scope": "profile openid", "token_type": "Bearer",
            });
            reply(StatusCode::OK, &body)
        })
        .await
    }

    /// `POST /oauth2/v2.1/revoke` of a user's access token: also well where it is none any more.
    pub(super) async fn revoke_user_token(&self, request: &Request<Bytes>) -> Answer {
        let form = match read_form(request, &["access_token", "client_id", "client_secret"]) {
            Ok(form) => form,
            Err(refusal) => return Ok(refusal.into()),
        };
        self.play(Target::Endpoint(Endpoint::Revoke), |state| {
            if form["client_secret"] != state.login.channel_secret {
                return refuse("invalid_client", "invalid client_id or client_secret").into();
            }
            state.login.user_tokens.remove(&form["access_token"]);
            Response::new(Bytes::new())
        })
        .await
    }

    /// Whether a request to the revoke endpoint is the Login channel's.
    pub(super) fn is_of_the_login_channel(&self, request: &Request<Bytes>) -> bool {
        let id = self.read(|state| state.login.channel_id.clone());
        form_urlencoded::parse(request.body()).any(|(name, value)| name == "client_id" && value == id)
    }

    /// The login's other endpoints.
    pub(super) async fn login_call(&self, endpoint: Endpoint, request: &Request<Bytes>) -> Answer {
        let unauthorized = || message(StatusCode::UNAUTHORIZED, "The access token is invalid");
        match endpoint {
            Endpoint::StatelessToken => {
                self.play(Target::Endpoint(endpoint), |state| {
                    let login = &mut state.login;
                    match read_form(request, &["grant_type", "client_id", "client_secret"]) {
                        Err(refusal) => refusal.into(),
                        Ok(form)
                            if form["grant_type"] != "client_credentials"
                                || form["client_id"] != login.channel_id
                                || form["client_secret"] != login.channel_secret =>
                        {
                            refuse("invalid_request", "Invalid 'client_credentials'.").into()
                        }
                        Ok(_) => {
                            let token = random_uuid_hex();
                            login.channel_tokens.push(token.clone());
                            let body = json!({ "token_type": "Bearer", "access_token": token, "expires_in": 900 });
                            reply(StatusCode::OK, &body)
                        }
                    }
                })
                .await
            }
            Endpoint::Deauthorize => {
                let authorization = request.headers().get(header::AUTHORIZATION);
                let bearer = authorization.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
                let admitted = self.read(|state| {
                    bearer.is_some_and(|bearer| state.login.channel_tokens.iter().any(|token| token == bearer))
                });
                if !admitted || !has_media_type(request.headers(), "application/json") {
                    return Ok(unauthorized());
                }
                let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
                let token = body["userAccessToken"].as_str().unwrap_or_default().to_owned();
                let owner = |state: &State| {
                    let now = state.token_clock();
                    let token = state.login.user_tokens.get(&token).filter(|token| now < token.expires_at)?;
                    Some(token.user.clone())
                };
                let user = self.read(|state| owner(state)).unwrap_or_default();
                self.play(Target::Login(endpoint, user), |state| match owner(state) {
                    Some(user) => {
                        state.login.end_grant(&user);
                        let mut response = Response::new(Bytes::new());
                        *response.status_mut() = StatusCode::NO_CONTENT;
                        response
                    }
                    None => Refusal::message(StatusCode::BAD_REQUEST, "invalid token").into(),
                })
                .await
            }
            _ => {
                let Some(user) = self.read(|state| state.login.user_of(request, state.token_clock())) else {
                    return Ok(unauthorized());
                };
                self.play(Target::Login(endpoint, user.clone()), |state| {
                    let friend = state.people.get(&user).is_none_or(|person| *person == Person::Friend);
                    reply(StatusCode::OK, &json!({ "friendFlag": friend }))
                })
                .await
            }
        }
    }
}

/// Whether a request to the token endpoint is a login's.
pub(super) fn is_exchange(request: &Request<Bytes>) -> bool {
    matches!(grant_type(request).as_str(), "authorization_code" | "refresh_token")
}

fn grant_type(request: &Request<Bytes>) -> String {
    let mut fields = form_urlencoded::parse(request.body());
    fields.find_map(|(name, value)| (name == "grant_type").then(|| value.into_owned())).unwrap_or_default()
}

/// Where LINE sends somebody whose auto login failed: back, with a code that is good for nothing and a `state` that is
/// not the one of the login.
fn failed_auto_login(redirect_uri: &str) -> String {
    with_query(redirect_uri, &[("code", &random_uuid_hex()), ("state", &random_uuid_hex())])
}

fn with_query(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = Url::parse(address).expect("a registered callback is an address");
    url.query_pairs_mut().extend_pairs(parameters);
    url.into()
}

/// Links that carry the whole authorization request on: the stand-in keeps nothing about a browser.
fn screen(title: &str, query: &str, links: &[(&str, &str, &str)]) -> Response<Bytes> {
    let query = query.replace('&', "&amp;").replace('"', "%22").replace('<', "%3C");
    let links: String = links
        .iter()
        .map(|(id, path, label)| format!("<p><a id=\"{id}\" href=\"/stand-in/{path}?{query}\">{label}</a></p>"))
        .collect();
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <body style=\"font:18px sans-serif;text-align:center;padding:3em 1em\"><h1>{title}</h1>{links}</body></html>"
    );
    let mut response = Response::new(Bytes::from(html));
    let html_type = header::HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLBACK: &str = "http://localhost:1/login/callback";
    const VERIFIER: &str = "wJKN8qz5t8SSI9lMFhBB6qwNkQBkuPZoCxzRhwLRUo1";
    const CHALLENGE: &str = "BSCQwo_m8Wf0fpjmwkIKmPAJ1A7tiuRSNDnXzODS7QI";

    async fn line() -> LineStandIn {
        let line = LineStandIn::start().await.unwrap();
        line.register_callback(CALLBACK);
        line
    }

    fn address(line: &LineStandIn) -> String {
        format!(
            "{}/oauth2/v2.1/authorize?response_type=code&client_id={}&redirect_uri={}&state=abc123&scope=openid%20profile\
             &nonce=n1&bot_prompt=aggressive&code_challenge={CHALLENGE}&code_challenge_method=S256",
            line.base_url(),
            line.login_channel_id(),
            form_urlencoded::byte_serialize(CALLBACK.as_bytes()).collect::<String>(),
        )
    }

    fn code(line: &LineStandIn) -> String {
        let callback = line.authorize(&address(line), "U1", Choice::Consent).unwrap();
        let url = Url::parse(&callback).unwrap();
        url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
    }

    async fn exchange(line: &LineStandIn, code: &str, changes: &[(&str, &str)]) -> (u16, Value) {
        let (id, secret) = (line.login_channel_id(), line.login_channel_secret());
        let mut form = HashMap::from([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", &id),
            ("client_secret", &secret),
            ("code_verifier", VERIFIER),
        ]);
        form.extend(changes.iter().copied());
        let call = reqwest::Client::new().post(format!("{}/oauth2/v2.1/token", line.base_url())).form(&form);
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    #[tokio::test]
    async fn an_authorization_request_is_checked_in_every_parameter() {
        let line = line().await;
        let good = address(&line);
        assert!(line.authorize(&good, "U1", Choice::Consent).unwrap().starts_with(CALLBACK));
        for (part, other) in [("client_id=", "client_id=9"), ("callback", "callback2")] {
            assert!(line.authorize(&good.replace(part, other), "U1", Choice::Consent).is_err(), "{other}");
        }
        for (part, other, error) in [
            ("state=abc123", "state=abc-123", "INVALID_REQUEST"),
            ("state=abc123&", "", "INVALID_REQUEST"),
            ("response_type=code", "response_type=token", "UNSUPPORTED_RESPONSE_TYPE"),
            ("openid%20profile", "openid+profile", "INVALID_SCOPE"),
            ("openid%20profile", "openid", "INVALID_SCOPE"),
            ("aggressive", "pushy", "INVALID_REQUEST"),
            (CHALLENGE, "short", "INVALID_REQUEST"),
            ("S256", "plain", "INVALID_REQUEST"),
            ("nonce=", "nounce=", "INVALID_REQUEST"),
            ("nonce=", "disable_auto_login=yes&nonce=", "INVALID_REQUEST"),
            ("nonce=", "disable_ios_auto_login=1&nonce=", "INVALID_REQUEST"),
        ] {
            let back = line.authorize(&good.replace(part, other), "U1", Choice::Consent).unwrap();
            assert!(back.starts_with(CALLBACK) && back.contains(&format!("error={error}&")), "{other}: {back}");
        }
    }

    #[tokio::test]
    async fn a_code_is_good_once_for_ten_minutes_and_spent_by_a_failure() {
        let line = line().await;
        let once = code(&line);
        let (status, body) = exchange(&line, &once, &[]).await;
        assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")), "{body}");
        assert_eq!(exchange(&line, &once, &[]).await.0, 400);
        for wrong in [("redirect_uri", "http://localhost:2/"), ("code_verifier", CHALLENGE)] {
            let code = code(&line);
            assert_eq!(exchange(&line, &code, &[wrong]).await.0, 400);
            assert_eq!(exchange(&line, &code, &[]).await.1["error_description"], "invalid authorization code");
        }
        assert_eq!(exchange(&line, &code(&line), &[("client_secret", "wrong")]).await.1["error"], "invalid_client");
        let late = code(&line);
        line.advance(CODE_LIFE);
        assert_eq!(exchange(&line, &late, &[]).await.0, 400);
    }

    #[tokio::test]
    async fn an_auto_login_that_fails_fails_until_it_is_disabled() {
        let line = line().await;
        line.fail_auto_login_of("U1");
        let back = line.authorize(&address(&line), "U1", Choice::Consent).unwrap();
        assert!(back.contains("code=") && !back.contains("abc123"), "{back}");
        let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
        assert_eq!(exchange(&line, code, &[]).await.0, 400);
        let manual = format!("{}&disable_auto_login=true", address(&line));
        assert!(line.authorize(&manual, "U1", Choice::Consent).unwrap().contains("state=abc123"));
        let ios = format!("{}&disable_ios_auto_login=true", address(&line));
        assert!(!line.authorize(&ios, "U1", Choice::Consent).unwrap().contains("state=abc123"), "for iOS alone");
    }

    #[tokio::test]
    async fn a_refresh_token_gives_access_tokens_for_ninety_days_while_the_grant_lives() {
        let line = line().await;
        let post = async |path: &str, changes: &[(&str, &str)]| {
            let (id, secret) = (line.login_channel_id(), line.login_channel_secret());
            let mut form = HashMap::from([("client_id", id.as_str()), ("client_secret", &secret)]);
            form.extend(changes.iter().copied());
            let answer = reqwest::Client::new().post(format!("{}{path}", line.base_url())).form(&form).send().await;
            let answer = answer.unwrap();
            (answer.status().as_u16(), serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap_or_default())
        };
        let (_, login) = exchange(&line, &code(&line), &[]).await;
        let token = login["refresh_token"].as_str().unwrap();
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let day = Duration::from_secs(24 * 60 * 60);
        line.advance(31 * day);
        assert_eq!(line.grants_of("U1"), 0);
        let (status, body) = post("/oauth2/v2.1/token", &refresh).await;
        assert_eq!((status, &body["refresh_token"], line.grants_of("U1")), (200, &login["refresh_token"], 1));
        let wrong = [&refresh[..], &[("client_secret", "wrong")]].concat();
        assert_eq!(post("/oauth2/v2.1/token", &wrong).await.1["error"], "invalid_client");

        // One access token ends, and the grant goes on.
        let access = [("access_token", body["access_token"].as_str().unwrap())];
        for _ in 0..2 {
            assert_eq!(post("/oauth2/v2.1/revoke", &access).await.0, 200);
        }
        assert_eq!(line.grants_of("U1"), 0);
        assert_eq!(post("/oauth2/v2.1/token", &refresh).await.0, 200);

        line.advance(59 * day);
        let over = (400, json!({ "error": "invalid_grant", "error_description": "invalid refresh token" }));
        assert_eq!(post("/oauth2/v2.1/token", &refresh).await, over);
        let (_, login) = exchange(&line, &code(&line), &[]).await;
        line.revoke_grants_of("U1");
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", login["refresh_token"].as_str().unwrap())];
        assert_eq!(post("/oauth2/v2.1/token", &refresh).await, over);
    }

    #[tokio::test]
    async fn only_a_users_token_tells_the_friendship() {
        let line = line().await;
        let ask = async |token: &str| {
            let call = reqwest::Client::new().get(format!("{}/friendship/v1/status", line.base_url()));
            let answer = call.bearer_auth(token).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(ask(&line.issue_token()).await.0, 401);
        let (_, body) = exchange(&line, &code(&line), &[]).await;
        let token = body["access_token"].as_str().unwrap();
        assert_eq!(ask(token).await, (200, r#"{"friendFlag":true}"#.to_owned()));
        line.mark("U1", Person::Blocked);
        assert_eq!(ask(token).await, (200, r#"{"friendFlag":false}"#.to_owned()));
        line.revoke_grants_of("U1");
        assert_eq!(ask(token).await.0, 401);
    }
}
