//! LINE Login: the customer's screens, the code, the ID token, the friendship and the end of a grant
//! (LINE: "Integrating LINE Login with your web app", "LINE Login v2.1 API reference").
//!
//! A browser walks through the screens by their links; a test chooses with [`LineStandIn::authorize`]. Both ways check
//! the authorization request in full.

use std::{
    collections::{HashMap, VecDeque},
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
    Endpoint, Inner, LineStandIn, Person, Refusal, Target,
    channel_token::{read_form, refuse},
    has_media_type, message, random_uuid_hex, reply,
};
use crate::{api::http_server::Answer, line::channel_key::ChannelKey, random::random_bytes};

const CODE_LIFE: Duration = Duration::from_secs(10 * 60);
const USER_TOKEN_LIFE: u64 = 30 * 24 * 60 * 60;
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
    user_tokens: HashMap<String, String>,
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

/// An authorization request that LINE takes.
struct Asked {
    redirect_uri: String,
    state: String,
    nonce: Option<String>,
    code_challenge: String,
    second_screen: bool,
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
        if let Some(unknown) = parameters.keys().next() {
            return back("INVALID_REQUEST", &format!("unknown parameter {unknown}"));
        }
        let second_screen = bot_prompt.as_deref() == Some("aggressive");
        Ok(Asked { redirect_uri, state, nonce, code_challenge, second_screen })
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

    fn user_of(&self, request: &Request<Bytes>) -> Option<String> {
        let token = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        self.user_tokens.get(token).cloned()
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
        self.inner.change(|state| state.login.user_tokens.retain(|_, owner| owner != user));
    }

    /// How many of the user's tokens are valid.
    pub fn grants_of(&self, user: &str) -> usize {
        self.inner.read(|state| state.login.user_tokens.values().filter(|owner| *owner == user).count())
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
            None => self.read(|state| state.login.check(query).map(|_| None)),
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
            let token = BASE64_URL_SAFE_NO_PAD.encode(random_bytes::<64>());
            login.user_tokens.insert(token.clone(), grant.user.clone());
            let mut body = json!({
                "access_token": token, "expires_in": USER_TOKEN_LIFE, "refresh_token": random_uuid_hex(),
                "scope": "profile openid", "token_type": "Bearer",
            });
            if let Some(id_token) = login.id_token(&grant.user, grant.nonce.as_deref()) {
                body["id_token"] = json!(id_token);
            }
            reply(StatusCode::OK, &body)
        })
        .await
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
                let user = self.read(|state| state.login.user_tokens.get(&token).cloned()).unwrap_or_default();
                self.play(Target::Login(endpoint, user), |state| match state.login.user_tokens.remove(&token) {
                    Some(user) => {
                        // The grant ends, and with it every token of it.
                        state.login.user_tokens.retain(|_, owner| *owner != user);
                        let mut response = Response::new(Bytes::new());
                        *response.status_mut() = StatusCode::NO_CONTENT;
                        response
                    }
                    None => Refusal::message(StatusCode::BAD_REQUEST, "invalid user access token").into(),
                })
                .await
            }
            _ => {
                let Some(user) = self.read(|state| state.login.user_of(request)) else { return Ok(unauthorized()) };
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
    form_urlencoded::parse(request.body()).any(|(name, value)| name == "grant_type" && value == "authorization_code")
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
