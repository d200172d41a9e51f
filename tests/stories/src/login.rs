//! A member of the company becomes a LINE user by LINE Login, and everything that tries to come in between.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use local_stand::{
    aws::tap::Fault,
    line::channel_key::ChannelKey,
    line::{Behaviour, Choice, Endpoint, Forgery, LineStandIn, Person, ReleaseAs, Target},
    stand::{Stand, random_key, random_user},
};
use serde_json::{Value, json};
use shared::{
    aws::secret::{Secret, Secrets},
    clock::Clock,
    customer::{
        friend::Source,
        link::{Links, NewLink},
        login_secret::LoginSecret,
        unlink::{UnlinkError, Unlinked, unlink},
    },
    ids::{LineUserId, MemberId},
    line::login::{Deauthorized, LoginClient},
    outbound::HttpClients,
    token::{access::AccessToken, sealing::SealingKey},
};
use time::OffsetDateTime;
use url::Url;

use crate::{story, story_alone};

/// A browser as far as the login needs one: it keeps a cookie, and shows every answer.
pub struct Visitor {
    base: String,
    http: reqwest::Client,
    cookie: Option<String>,
    language: &'static str,
}

/// An answer.
#[derive(Debug)]
pub struct Shown {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Shown {
    /// What stands between these in its HTML, the first time.
    #[track_caller]
    pub fn between(&self, before: &str, after: &str) -> String {
        let found = self.body.split_once(before).and_then(|(_, rest)| rest.split_once(after));
        unescaped(found.unwrap_or_else(|| panic!("no {before} in {}", self.body)).0)
    }

    /// Where its link leads.
    #[track_caller]
    pub fn link(&self) -> String {
        self.between("<a href=\"", "\"")
    }

    fn location(&self) -> &str {
        self.headers.get("location").unwrap_or_else(|| panic!("a redirect: {self:?}"))
    }

    #[track_caller]
    pub fn is_page(&self, status: u16, title: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.body.contains(&format!("<h1>{title}</h1>")), "{title}: {}", self.body);
        assert!(!self.body.contains("<script"), "{}", self.body);
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(self.headers.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(self.headers["content-security-policy"].starts_with("default-src 'none'; style-src 'sha256-"));
    }
}

impl Visitor {
    pub fn new(stand: &Stand) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { base: stand.public_api.base_url(), http: http.build().expect("a client"), cookie: None, language: "en" }
    }

    pub async fn get(&mut self, address: &str) -> Shown {
        let address = if address.starts_with('/') { format!("{}{address}", self.base) } else { address.to_owned() };
        let request = self.http.get(&address);
        self.send(request).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Shown {
        let mut request = request.header("accept-language", self.language);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let answer = request.send().await.expect("the API answers");
        let headers: HashMap<_, _> = answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        if let Some(cookie) = headers.get("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        Shown { status: answer.status().as_u16(), headers, body: answer.text().await.unwrap_or_default() }
    }

    /// Opens the app's link and presses its button; returns the address of LINE's screen.
    pub async fn begin(&mut self, token: &str) -> String {
        let shown = self.get(&format!("/login?token={token}")).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        let shown = self.press(&format!("/login?token={token}"), &shown).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        shown.link()
    }

    /// Presses the button of a page that was shown at this address.
    pub async fn press(&mut self, address: &str, shown: &Shown) -> Shown {
        let base = Url::parse(&self.base).expect("an address").join(address).expect("an address");
        let action = shown.between("<form method=\"post\" action=\"", "\"");
        let fields = shown.body.split("<input type=\"hidden\" ").skip(1);
        let field = |input: &str, name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\"")).expect("a field");
            unescaped(rest.split('"').next().expect("a value"))
        };
        let fields: Vec<_> = fields.map(|input| (field(input, "name"), field(input, "value"))).collect();
        let request = self.http.post(base.join(&action).expect("an address")).form(&fields);
        self.send(request).await
    }
}

fn unescaped(html: &str) -> String {
    html.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

pub fn member() -> String {
    format!("member-{}", random_key())
}

fn seconds_from_now(seconds: i64) -> i64 {
    OffsetDateTime::now_utc().unix_timestamp() + seconds
}

fn sign(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("signed")
}

pub fn claims(member: &str, changes: Value) -> Value {
    let mut claims = json!({ "sub": member, "exp": seconds_from_now(300), "jti": random_key() });
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    claims
}

/// What the app makes for its member.
pub fn link_token(stand: &Stand, member: &str) -> String {
    link_token_with(stand, &claims(member, json!({})))
}

pub fn link_token_with(stand: &Stand, claims: &Value) -> String {
    sign(Algorithm::HS256, &stand.link_token_secret, claims)
}

/// From the app's link to LINE's answer; returns the browser and the callback it is sent to.
pub async fn up_to_the_callback(stand: &Stand, member: &str, user: &str) -> (Visitor, String) {
    let mut visitor = Visitor::new(stand);
    let authorize = visitor.begin(&link_token(stand, member)).await;
    let callback = stand.line.authorize(&authorize, user, Choice::Consent).expect("LINE takes the request");
    (visitor, callback)
}

/// A whole login.
async fn log_in(stand: &Stand, member: &str, user: &str) -> Shown {
    let (mut visitor, callback) = up_to_the_callback(stand, member, user).await;
    visitor.get(&callback).await
}

fn links(stand: &Stand) -> Links {
    Links::new(stand.dynamodb.clone(), stand.aws.output("LinksTableName").to_owned(), time::Duration::days(400))
}

fn member_id(member: &str) -> MemberId {
    MemberId::parse(member).expect("a member id")
}

fn user_id(user: &str) -> LineUserId {
    LineUserId::parse(user).expect("a user id")
}

pub async fn user_of(stand: &Stand, member: &str) -> Option<String> {
    let user = links(stand).line_user_of(&member_id(member)).await.expect("the links can be read");
    user.map(|user| user.as_str().to_owned())
}

async fn member_of(stand: &Stand, user: &str) -> Option<String> {
    let member = links(stand).member_of(&user_id(user)).await.expect("the links can be read");
    member.map(|member| member.as_str().to_owned())
}

async fn item(stand: &Stand, table: &str, key: &str, value: &str) -> Option<HashMap<String, AttributeValue>> {
    let get = stand.dynamodb.get_item().table_name(stand.aws.output(table)).consistent_read(true);
    get.key(key, AttributeValue::S(value.to_owned())).send().await.expect("the table can be read").item
}

async fn is_friend(stand: &Stand, user: &str) -> Option<bool> {
    let item = item(stand, "FriendsTableName", "line_user_id", user).await?;
    assert_eq!(item["source"], AttributeValue::S("login".to_owned()));
    item["friend"].as_bool().ok().copied()
}

fn exchanges(stand: &Stand, callback: &str) -> usize {
    let code = parameter(callback, "code");
    let about = |body: &[u8]| url::form_urlencoded::parse(body).any(|(name, value)| name == "code" && value == code);
    stand.line.requests().iter().filter(|request| about(&request.body)).count()
}

fn parameter(address: &str, name: &str) -> String {
    let url = Url::parse(address).expect("an address");
    let found = url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
    found.unwrap_or_else(|| panic!("no {name} in {address}"))
}

#[test]
fn a_member_becomes_a_line_user() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let mut visitor = Visitor::new(stand);
        let address = format!("/login?token={}", link_token(stand, &member));
        let shown = visitor.get(&address).await;
        shown.is_page(200, "Connect LINE");
        let last = &member[member.len() - 4..];
        assert!(shown.body.contains(&format!("the account ending in <strong><bdi>{last}</bdi></strong>")), "{shown:?}");
        assert!(shown.headers["content-security-policy"].contains("form-action 'self'"));
        let cookie = &shown.headers["set-cookie"];
        assert!(cookie.starts_with("__Host-line-login="), "{cookie}");
        for flag in ["; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
            assert!(cookie.contains(flag), "{flag}: {cookie}");
        }
        assert!(!cookie.contains("Domain"));
        let into_line = visitor.press(&address, &shown).await;
        into_line.is_page(200, "Continue in LINE");
        let authorize = &into_line.link();
        let refresh = format!("<meta http-equiv=\"refresh\" content=\"5;url={}\">", authorize.replace('&', "&amp;"));
        assert!(into_line.body.contains(&refresh), "it goes on by itself: {}", into_line.body);
        assert!(authorize.starts_with(&format!("{}/oauth2/v2.1/authorize?", stand.line.base_url())), "{authorize}");
        assert_eq!(parameter(authorize, "bot_prompt"), "aggressive");
        assert_eq!(parameter(authorize, "redirect_uri"), format!("{}/login/callback", stand.public_api.base_url()));
        assert!(!authorize.contains(&member), "the member's id is not readable in the address");
        assert!(!authorize.contains(cookie.split(['=', ';']).nth(1).expect("a value")));

        let callback = stand.line.authorize(authorize, &user, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "LINE connected");
        assert_eq!(user_of(stand, &member).await.as_deref(), Some(user.as_str()));
        assert_eq!(member_of(stand, &user).await.as_deref(), Some(member.as_str()));
        assert_eq!(is_friend(stand, &user).await, Some(true));
        let link = item(stand, "LinksTableName", "id", &format!("member#{member}")).await.expect("a link");
        assert!(link.contains_key("linked_at") && link.contains_key("sealed_token"));

        // An order that names the member's LINE user is nobody else's business: the logs hold neither code nor user.
        let logs = stand.aws.logs("line-login");
        assert!(logs.contains(&member), "the operator can find the login");
        for secret in [&user, &parameter(&callback, "code"), &parameter(&callback, "state"), &stand.link_token_secret] {
            assert!(!logs.contains(secret.as_str()), "in the logs: {secret}");
        }
        for message in ["authorization requested", "authorization answered", "LINE answered", "linked"] {
            assert!(logs.contains(message), "{message}: {logs}");
        }
    });
}

#[test]
fn who_is_no_friend_yet_gets_the_add_friend_link() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        stand.line.mark(&user, Person::Blocked);
        let shown = log_in(stand, &member, &user).await;
        shown.is_page(200, "One more step");
        assert!(shown.body.contains("href=\"https://line.me/R/ti/p/%40abc1234\""), "{}", shown.body);
        assert_eq!(is_friend(stand, &user).await, Some(false));

        let mut visitor = Visitor::new(stand);
        visitor.language = "ja-JP, en;q=0.5";
        let authorize = visitor.begin(&link_token(stand, &member)).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::AddFriend).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "連携が完了しました");
        assert_eq!(is_friend(stand, &user).await, Some(true));
    });
}

fn says_no_friend(stand: &Stand, user: &str) {
    let friendship = Target::Login(Endpoint::Friendship, user.to_owned());
    stand.line.script(friendship, [Behaviour::answer(200, r#"{"friendFlag":false}"#)]);
}

#[test]
fn no_friend_is_not_kept_of_somebody_whose_profile_line_tells() {
    story_alone(&[], async |stand| {
        let (member, user) = (member(), random_user());
        stand.believe(&user, false, time::Duration::hours(2), Source::LineEvent).await.expect("written");
        says_no_friend(&stand, &user);
        log_in(&stand, &member, &user).await.is_page(200, "LINE connected");
        assert_eq!(stand.friend_state(&user).await, Some((true, "profile".to_owned())));
        log_in(&stand, &member, &user).await.is_page(200, "LINE connected");
        assert_eq!(stand.line.profiles_asked(&user).len(), 1, "a friend is not asked about");
        let logs = stand.aws.logs("line-login");
        assert!(logs.contains("is another account linked to the Login channel?") && !logs.contains(&user));
        let told: Vec<Value> = logs.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let told: Vec<_> = told.iter().filter(|line| line["FriendshipTold"] == 1).collect();
        let contradicted: Vec<_> = told.iter().map(|line| line["FriendshipContradicted"].as_u64()).collect();
        assert_eq!(contradicted, [Some(1), Some(0)]);
    });
}

#[test]
fn no_friend_is_not_kept_while_line_cannot_be_asked_and_the_login_succeeds() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        says_no_friend(stand, &user);
        stand.line.script(Target::Profile(user.clone()), [Behaviour::answer(500, "")]);
        log_in(stand, &member, &user).await.is_page(200, "One more step");
        assert_eq!(stand.friend_state(&user).await, None);
        assert_eq!(user_of(stand, &member).await, Some(user));
    });
}

#[test]
fn what_line_says_in_the_address_about_friendship_is_not_believed() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        stand.line.mark(&user, Person::Blocked);
        let (mut visitor, callback) = up_to_the_callback(stand, &member, &user).await;
        let callback = callback.replace("friendship_status_changed=false", "friendship_status_changed=true");
        visitor.get(&callback).await.is_page(200, "One more step");
    });
}

#[test]
fn the_customer_goes_back_only_where_the_operator_allows() {
    story(async |stand| {
        let with = |address: &str| {
            let claims = claims(&member(), json!({ "return_url": address }));
            sign(Algorithm::HS256, &stand.link_token_secret, &claims)
        };
        let user = random_user();
        let mut visitor = Visitor::new(stand);
        let authorize = visitor.begin(&with("https://app.example/line/done?tab=1#top")).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        let shown = visitor.get(&callback).await;
        let there = "https://app.example/line/done?tab=1&line_friend=yes#top";
        assert_eq!((shown.status, shown.location()), (302, there));
        assert_eq!(shown.headers["referrer-policy"], "no-referrer");
        assert_eq!(visitor.get(&callback).await.location(), there, "loaded again");

        // Who says no can go back, too.
        let authorize = visitor.begin(&with("https://app.example/line")).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::Refuse).expect("LINE takes the request");
        let shown = visitor.get(&callback).await;
        shown.is_page(403, "Not connected");
        let back = "<a href=\"https://app.example/line?line_error=refused\">Back to the app</a>";
        assert!(shown.body.contains(back), "{}", shown.body);

        for address in [
            "https://evil.example/",
            "https://app.example.evil.example/line",
            "https://app.example@evil.example/line",
            "https://evil.example\\@app.example/line",
            "https://app.example/line/../admin",
            "https://app.example/lines",
            "https://app.example:444/line",
            "http://app.example/line",
            "//app.example/line",
            "https:///app.example/line",
            "javascript:alert(1)//https://app.example/line",
            "",
        ] {
            let shown = visitor.get(&format!("/login?token={}", with(address))).await;
            shown.is_page(400, "This link is not valid");
            assert!(!shown.headers.contains_key("location"));
        }
    });
}

/// What functions/line-login/README.md says of each mistake: the log tells them apart, the customer sees one page.
#[test]
fn each_mistake_of_a_link_token_is_told_in_the_log_and_starts_nothing() {
    story_alone(&[], async |stand| {
        let secret = &stand.link_token_secret;
        let signed = |changes: Value| sign(Algorithm::HS256, secret, &claims("M-1", changes));
        let good = signed(json!({}));
        let parts: Vec<_> = good.split('.').collect();
        let rsa = ChannelKey::generate().expect("a key").encoding_key();
        let rs256 = encode(&Header::new(Algorithm::RS256), &claims("M-1", json!({})), &rsa).expect("signed");
        let foreign = {
            let token = signed(json!({}));
            Visitor::new(&stand).begin(&token).await;
            token
        };
        let mut told = Vec::new();
        for (token, error) in [
            (String::new(), "the link token is missing, cut off, or not a JWT"),
            ("nonsense".to_owned(), "the link token is missing, cut off, or not a JWT"),
            (good[..good.len() / 2].to_owned(), "the link token is missing, cut off, or not a JWT"),
            (format!("eyJhbGciOiJub25lIn0.{}.", parts[1]), "the link token: alg must be HS256"),
            (rs256, "the link token: alg must be HS256"),
            (sign(Algorithm::HS512, secret, &claims("M-1", json!({}))), "the link token: alg must be HS256"),
            (format!("{}.{}.", parts[0], parts[1]), "the link token is not signed with a configured link token secret"),
            (
                sign(Algorithm::HS256, &random_key(), &claims("M-1", json!({}))),
                "the link token is not signed with a configured link token secret",
            ),
            (signed(json!({ "exp": seconds_from_now(-60) })), "the link token: exp has passed"),
            (signed(json!({ "exp": seconds_from_now(3600) })), "the link token: exp must be at most ten minutes ahead"),
            (
                signed(json!({ "exp": seconds_from_now(300) * 1000 })),
                "the link token: exp must be in seconds since 1970, not in milliseconds",
            ),
            (signed(json!({ "jti": null })), "the link token: jti is missing"),
            (signed(json!({ "sub": 1001 })), "the link token: sub must be a string"),
            (signed(json!({ "exp": "soon" })), "the link token: exp must be a number"),
            (signed(json!({ "sub": "<script>" })), "the link token: sub must be "),
            (signed(json!({ "jti": "short" })), "the link token: jti must be "),
            (signed(json!({ "replace": "perhaps" })), "the link token: replace must be ask, always or never"),
            (signed(json!({ "aud": "line" })), "the link token: aud must be omitted"),
            (
                signed(json!({ "return_url": "myapp://done" })),
                "the link token: return_url is not allowed by LoginReturnUrls",
            ),
            (foreign, "the link token belongs to another browser"),
        ] {
            let mut visitor = Visitor::new(&stand);
            let shown = visitor.get(&format!("/login?token={token}")).await;
            let (status, title) = match error {
                "the link token: exp has passed" => (410, "This has expired"),
                "the link token belongs to another browser" => (403, "This link has already been used"),
                _ => (400, "This link is not valid"),
            };
            shown.is_page(status, title);
            assert_eq!(visitor.cookie, None);
            told.push(error);
        }
        let logs = stand.aws.logs("line-login");
        let lines: Vec<Value> = logs.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let refused = lines.iter().filter(|line| line["message"] == "link token refused");
        let errors: Vec<_> = refused.map(|line| line["error"].as_str().expect("an error")).collect();
        assert_eq!(errors.len(), told.len(), "{errors:?}");
        assert!(errors.iter().zip(&told).all(|(error, told)| error.starts_with(told)), "{errors:#?}");

        // Each has a row of the page, and each row is one of them.
        let page = include_str!("../../../functions/line-login/README.md");
        let rows = page.split("| `error` | mistake | do |").nth(1).expect("the table").lines().skip(2);
        let rows: Vec<_> = rows.take_while(|line| line.starts_with('|')).collect();
        let phrases = |row: &str| -> Vec<String> {
            let quoted = row.split('|').nth(1).expect("a cell").split('`').skip(1).step_by(2);
            quoted
                .map(|phrase| phrase.trim_start_matches("the link token: ").replace('…', "").trim().to_owned())
                .collect()
        };
        for row in &rows {
            for phrase in phrases(row) {
                assert!(told.iter().any(|error| error.contains(&phrase)), "{phrase}");
            }
        }
        for error in told {
            assert!(rows.iter().any(|row| phrases(row).iter().any(|phrase| error.contains(phrase))), "{error}");
        }
    });
}

#[test]
fn a_link_token_belongs_to_the_first_browser_that_opens_it() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let token = link_token(stand, &member);
        let mut visitor = Visitor::new(stand);
        let first = visitor.begin(&token).await;
        let mut thief = Visitor::new(stand);
        thief.get(&format!("/login?token={token}")).await.is_page(403, "This link has already been used");

        // Reloaded, and begun again after a no: the same browser may go on until the link is made.
        let second = visitor.begin(&token).await;
        assert_ne!(parameter(&first, "state"), parameter(&second, "state"));
        let no = stand.line.authorize(&first, &user, Choice::Refuse).expect("LINE takes the request");
        visitor.get(&no).await.is_page(403, "Not connected");
        let callback = stand.line.authorize(&second, &user, Choice::Consent).expect("LINE takes the request");
        thief.get(&callback).await.is_page(400, "We could not continue");
        assert_eq!(exchanges(stand, &callback), 0);
        visitor.get(&callback).await.is_page(200, "LINE connected");

        // Spent: nobody links anyone with it any more.
        visitor.get(&format!("/login?token={token}")).await.is_page(200, "LINE connected");
        let other = random_user();
        let callback = stand.line.authorize(&first, &other, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "LINE connected");
        assert_eq!(exchanges(stand, &callback), 0);
        assert_eq!(user_of(stand, &member).await, Some(user));
        thief.get(&format!("/login?token={token}")).await.is_page(403, "This link has already been used");
    });
}

#[test]
fn a_state_that_is_not_this_logins_ends_it_before_line_is_asked() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let (mut visitor, callback) = up_to_the_callback(stand, &member, &user).await;
        let state = parameter(&callback, "state");
        let (_, others) = up_to_the_callback(stand, &member, &user).await;
        let key = SealingKey::derive(stand.line.login_channel_secret().as_bytes());
        let bytes: Vec<u8> =
            (0..state.len()).step_by(2).map(|i| u8::from_str_radix(&state[i..i + 2], 16).unwrap()).collect();
        let mut login: Value = serde_json::from_str(&key.open("login-state", &bytes).expect("ours")).expect("JSON");
        login["expires_at"] = json!(seconds_from_now(-1));
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let expired = hex(key.seal("login-state", &login.to_string()));
        let other_key = hex(SealingKey::derive(b"guessed").seal("login-state", &login.to_string()));
        let last = if state.ends_with('0') { "1" } else { "0" };
        let flipped = format!("{}{last}", &state[..state.len() - 1]);
        for (wrong, status, title) in [
            (String::new(), 400, "We could not continue"),
            (flipped, 400, "We could not continue"),
            (other_key, 400, "We could not continue"),
            (parameter(&others, "state"), 400, "We could not continue"),
            (expired, 410, "This has expired"),
        ] {
            visitor.get(&callback.replace(&state, &wrong)).await.is_page(status, title);
        }
        Visitor::new(stand).get(&callback).await.is_page(400, "We could not continue");
        let without_code = callback.replace("code=", "kode=");
        visitor.get(&without_code).await.is_page(502, "Login not completed");
        assert_eq!((exchanges(stand, &callback), user_of(stand, &member).await), (0, None));
        visitor.get(&callback).await.is_page(200, "LINE connected");
    });
}

#[test]
fn a_callback_that_comes_twice_is_exchanged_once() {
    story(async |stand| {
        let (mut visitor, callback) = call_back_twice_at_once(stand, &member(), &random_user()).await;
        visitor.get(&callback).await.is_page(200, "LINE connected");
        assert_eq!(exchanges(stand, &callback), 1);
    });
}

/// A whole login whose callback comes twice, the second time while the first is still under way.
async fn call_back_twice_at_once(stand: &Stand, member: &str, user: &str) -> (Visitor, String) {
    let (mut visitor, callback) = up_to_the_callback(stand, member, user).await;
    let slow = Target::Login(Endpoint::Exchange, user.to_owned());
    stand.line.script(slow, [Behaviour::AcceptThenDelay(Duration::from_millis(800))]);
    let mut twin = Visitor::new(stand);
    twin.cookie = visitor.cookie.clone();
    let (one, two) = tokio::join!(visitor.get(&callback), twin.get(&callback));
    let titles = [one, two].map(|shown| shown.between("<h1>", "</h1>"));
    assert!(titles.contains(&"LINE connected".to_owned()), "{titles:?}");
    assert!(titles.iter().all(|title| ["LINE connected", "One moment"].contains(&title.as_str())), "{titles:?}");
    (visitor, callback)
}

/// Drives `line-login` through all that it may do.
pub async fn drive_line_login(stand: &Stand) {
    // The second login of a member takes the place of the first.
    let member = member();
    log_in(stand, &member, &random_user()).await.is_page(200, "LINE connected");
    log_in(stand, &member, &random_user()).await.is_page(200, "LINE connected");
    call_back_twice_at_once(stand, "M-twice", &random_user()).await;
    // Of somebody who is said to be no friend the channel is asked.
    let user = random_user();
    stand.line.mark(&user, Person::Blocked);
    log_in(stand, "M-no-friend", &user).await.is_page(200, "One more step");
    // LINE refuses a code, and another one is good.
    let user = random_user();
    let (mut visitor, callback) = up_to_the_callback(stand, "M-refused", &user).await;
    stand.line.script(Target::Login(Endpoint::Exchange, user.clone()), [Behaviour::answer(400, "{}")]);
    visitor.get(&callback).await.is_page(502, "Login not completed");
    visitor.get(&callback).await.is_page(502, "Login not completed");
    log_in(stand, "M-refused", &user).await.is_page(200, "LINE connected");
}

#[test]
fn a_write_whose_answer_was_lost_does_not_stop_a_login() {
    story(async |stand| {
        let (member, user, jti) = (member(), random_user(), random_key());
        let tap = stand.aws.tap();
        let token = sign(Algorithm::HS256, &stand.link_token_secret, &claims(&member, json!({ "jti": jti })));
        let faults = ["dynamodb.PutItem", "dynamodb.UpdateItem"]
            .map(|operation| tap.inject(Fault::ForwardThenHangUp, operation, &jti, 1));
        let link = tap.inject(Fault::ForwardThenHangUp, "dynamodb.TransactWriteItems", &member, 1);
        let mut visitor = Visitor::new(stand);
        let authorize = visitor.begin(&token).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "LINE connected");
        assert_eq!((faults[0].hits(), faults[1].hits(), link.hits()), (1, 1, 1));
        assert_eq!(user_of(stand, &member).await, Some(user));
    });
}

#[test]
fn killed_between_the_exchange_and_the_link() {
    story_alone(&[("BotPrompt", "normal")], async |stand| {
        let (member, user, jti) = (member(), random_user(), random_key());
        let token = sign(Algorithm::HS256, &stand.link_token_secret, &claims(&member, json!({ "jti": jti })));
        let mut visitor = Visitor::new(&stand);
        let authorize = visitor.begin(&token).await;
        assert_eq!(parameter(&authorize, "bot_prompt"), "normal");
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        let exchange = Target::Login(Endpoint::Exchange, user.clone());
        stand.line.script(exchange, [Behaviour::AcceptThenDelay(Duration::from_secs(60))]);
        let exchanged = async {
            let limit = Duration::from_secs(20);
            stand.line.wait_until("the code is exchanged", limit, |line| line.grants_of(&user) == 1).await;
            assert!(stand.aws.kill("line-login").expect("killed") > 0);
        };
        let (crashed, ()) = tokio::join!(visitor.get(&callback), exchanged);
        assert!(crashed.status >= 500);
        // Nobody knows whether the code was spent: the page looks again until nobody can be at it any more, then it
        // says "start again", and the app's link still serves.
        visitor.get(&callback).await.is_page(200, "One moment");
        let changed = stand.dynamodb.update_item().table_name(stand.aws.output("UsedTokensTableName"));
        let changed = changed.key("jti", AttributeValue::S(jti)).update_expression("SET exchange_until = :past");
        let past = AttributeValue::N(seconds_from_now(-1).to_string());
        changed.expression_attribute_values(":past", past).send().await.expect("written");
        visitor.get(&callback).await.is_page(502, "Login not completed");
        assert_eq!(exchanges(&stand, &callback), 1);
        let authorize = visitor.begin(&token).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "LINE connected");
    });
}

#[test]
fn an_id_token_that_is_not_in_order_links_nobody() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        for forgery in [
            Forgery::AlgNone,
            Forgery::Rs256,
            Forgery::OtherSecret(random_key()),
            Forgery::OtherSecret(String::new()),
            Forgery::OtherSecret(stand.link_token_secret.clone()),
            Forgery::Claims(json!({ "aud": "1000000000" })),
            Forgery::Claims(json!({ "iss": "https://access.line.me.evil.example" })),
            Forgery::Claims(json!({ "nonce": "another" })),
            Forgery::Claims(json!({ "nonce": null })),
            Forgery::Claims(json!({ "exp": seconds_from_now(-120) })),
            Forgery::Claims(json!({ "sub": "somebody" })),
        ] {
            stand.line.forge_id_tokens(&user, [forgery.clone()]);
            log_in(stand, &member, &user).await.is_page(502, "Login not completed");
            assert_eq!((user_of(stand, &member).await, member_of(stand, &user).await), (None, None), "{forgery:?}");
            assert_eq!(stand.line.grants_of(&user), 0, "{forgery:?}: nobody holds a token of it");
        }
        stand.line.forge_id_tokens(&user, [Forgery::Absent]);
        log_in(stand, &member, &user).await.is_page(502, "LINE is not responding right now");
        assert_eq!(user_of(stand, &member).await, None);
        log_in(stand, &member, &user).await.is_page(200, "LINE connected");
    });
}

#[test]
fn every_error_that_line_documents_is_a_page_and_a_log_line() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let (mut visitor, callback) = up_to_the_callback(stand, &member, &user).await;
        let state = parameter(&callback, "state");
        for (code, status, title) in [
            ("INVALID_REQUEST", 500, "LINE Login is unavailable"),
            ("ACCESS_DENIED", 403, "Not connected"),
            ("UNSUPPORTED_RESPONSE_TYPE", 500, "LINE Login is unavailable"),
            ("INVALID_SCOPE", 500, "LINE Login is unavailable"),
            ("SERVER_ERROR", 502, "LINE is not responding right now"),
            ("LOGIN_REQUIRED", 502, "Login not completed"),
            ("INTERACTION_REQUIRED", 502, "Login not completed"),
            ("SOMETHING_NEW", 502, "Login not completed"),
        ] {
            let mark = random_key();
            for code in [code.to_owned(), code.to_lowercase()] {
                let query = format!("error={code}&error_description={mark}%0A%3Cscript%3Ealert(1)%3C/script%3E");
                for state in ["", "nonsense", &state] {
                    let shown = visitor.get(&format!("/login/callback?{query}&state={state}")).await;
                    if state.len() < 10 {
                        shown.is_page(400, "We could not continue");
                    } else {
                        shown.is_page(status, title);
                    }
                    assert!(!shown.body.contains(&mark) && !shown.body.contains("alert(1)"), "{}", shown.body);
                }
            }
            let logs = stand.aws.logs("line-login");
            let lines: Vec<Value> = logs
                .lines()
                .filter(|line| line.contains(&mark))
                .map(|line| serde_json::from_str(line).expect("one JSON line"))
                .collect();
            assert_eq!(lines.len(), 6);
            assert!(lines.iter().all(|line| line["line.error"] == code), "{lines:?}");
            assert!(lines.iter().any(|line| line["member.id"] == member.as_str()), "{lines:?}");
        }
        let shown = visitor.get("/login/callback?error=%3Cscript%3Ealert(1)%3C%2Fscript%3E&error=x&state=%22%3E").await;
        shown.is_page(400, "We could not continue");
        assert_eq!(exchanges(stand, &callback), 0);
        visitor.get(&callback).await.is_page(200, "LINE connected");
    });
}

#[test]
fn line_refusing_breaking_off_or_sleeping_links_nobody_and_says_so() {
    story(async |stand| {
        let refused =
            json!({ "error": "invalid_grant", "error_description": "invalid authorization code" }).to_string();
        for (behaviour, title) in [
            (Behaviour::answer(400, refused), "Login not completed"),
            (Behaviour::answer(500, "<html>"), "LINE is not responding right now"),
            (Behaviour::answer(200, "not JSON"), "LINE is not responding right now"),
            (Behaviour::RateLimited, "LINE is not responding right now"),
            (Behaviour::HangUpBeforeAccepting, "LINE is not responding right now"),
            (Behaviour::AcceptThenHangUp, "LINE is not responding right now"),
            (Behaviour::Delay(Duration::from_secs(20)), "LINE is not responding right now"),
        ] {
            let (member, user) = (member(), random_user());
            let (mut visitor, callback) = up_to_the_callback(stand, &member, &user).await;
            stand.line.script(Target::Login(Endpoint::Exchange, user.clone()), [behaviour.clone()]);
            let shown = visitor.get(&callback).await;
            shown.is_page(502, title);
            assert_eq!(exchanges(stand, &callback), 1, "never repeated by itself: {behaviour:?}");
            assert_eq!(user_of(stand, &member).await, None);
            // With a new link the customer gets there.
            log_in(stand, &member, &user).await.is_page(200, "LINE connected");
        }
    });
}

#[test]
fn the_link_is_made_even_if_line_does_not_tell_the_friendship() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let friendship = Target::Login(Endpoint::Friendship, user.clone());
        stand.line.script(friendship.clone(), [Behaviour::answer(500, "")]);
        log_in(stand, &member, &user).await.is_page(200, "LINE connected");
        let (member, user) = (self::member(), random_user());
        let friendship = Target::Login(Endpoint::Friendship, user.clone());
        stand.line.script(friendship, [Behaviour::HangUpBeforeAccepting, Behaviour::answer(503, "")]);
        log_in(stand, &member, &user).await.is_page(200, "One more step");
        assert_eq!((user_of(stand, &member).await, is_friend(stand, &user).await), (Some(user.clone()), None));
    });
}

#[test]
fn a_link_that_cannot_be_written_is_none_and_the_same_app_link_serves_again() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let token = link_token(stand, &member);
        let mut visitor = Visitor::new(stand);
        let authorize = visitor.begin(&token).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        let fault =
            stand.aws.tap().inject(Fault::Error(400, "ValidationException"), "dynamodb.TransactWriteItems", &member, 9);
        let shown = visitor.get(&callback).await;
        shown.is_page(503, "We cannot complete this right now");
        assert_eq!(shown.headers["retry-after"], "10");
        drop(fault);
        assert_eq!((user_of(stand, &member).await, member_of(stand, &user).await), (None, None));
        visitor.get(&callback).await.is_page(502, "Login not completed");
        let authorize = visitor.begin(&token).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "LINE connected");
    });
}

#[test]
fn one_member_has_one_line_user_and_the_latest_login_wins() {
    story(async |stand| {
        let (anna, berta) = (member(), member());
        let (phone, tablet) = (random_user(), random_user());
        log_in(stand, &anna, &phone).await.is_page(200, "LINE connected");
        log_in(stand, &anna, &phone).await.is_page(200, "LINE connected");
        log_in(stand, &anna, &tablet).await.is_page(200, "LINE connected");
        assert_eq!(user_of(stand, &anna).await, Some(tablet.clone()));
        assert_eq!(member_of(stand, &phone).await, None);
        let (mut visitor, callback) = up_to_the_callback(stand, &berta, &tablet).await;
        let asked = visitor.get(&callback).await;
        visitor.press(&callback, &asked).await.is_page(200, "LINE connected");
        assert_eq!(user_of(stand, &anna).await, None);
        assert_eq!((user_of(stand, &berta).await, member_of(stand, &tablet).await), (Some(tablet), Some(berta)));
    });
}

#[test]
fn logins_at_the_same_time_leave_no_half_links() {
    story(async |stand| {
        let links = links(stand);
        let members: Vec<_> = (0..3).map(|_| member_id(&member())).collect();
        let users: Vec<_> = (0..3).map(|_| user_id(&random_user())).collect();
        let key = SealingKey::derive(b"secret");
        let put = async |turn: usize| {
            let link = NewLink {
                member: members[turn % 3].clone(),
                user: users[(turn / 3) % 3].clone(),
                linked_at: OffsetDateTime::now_utc(),
                token: AccessToken::new("token".to_owned()),
                token_expires_at: OffsetDateTime::now_utc() + time::Duration::days(30),
                refresh_token: None,
                refresh_expires_at: OffsetDateTime::now_utc(),
            };
            links.put(&link, &key, |_| Ok(Some(Vec::new()))).await
        };
        let (a, b, c, d, e, f) = tokio::join!(put(0), put(4), put(8), put(1), put(3), put(2));
        let made = [a, b, c, d, e, f];
        assert!(made.iter().any(Result::is_ok), "{made:?}");
        let mut linked = 0;
        for member in &members {
            if let Some(user) = links.line_user_of(member).await.expect("read") {
                assert_eq!(links.member_of(&user).await.expect("read").as_ref(), Some(member));
                linked += 1;
            }
        }
        for user in &users {
            if let Some(member) = links.member_of(user).await.expect("read") {
                assert_eq!(links.line_user_of(&member).await.expect("read").as_ref(), Some(user));
            }
        }
        assert!(linked > 0);
    });
}

#[test]
fn unlinking_ends_the_grant_and_then_the_link() {
    story(async |stand| {
        let client = LoginClient::new(&HttpClients::from_env().expect("bundled roots"), &stand.line.base_url());
        let secret: Secret<LoginSecret> = Secret::new(
            &Secrets::new(stand.secrets.clone()),
            stand.aws.output("LoginSecretArn").to_owned(),
            Clock::System,
        );
        let links = links(stand);
        let (member, user) = (member(), random_user());
        let id = member_id(&member);
        let unlink_now = async || unlink(&id, &links, &client, &secret, Clock::System).await;
        assert_eq!(unlink_now().await.expect("nothing to do"), Unlinked::NotLinked);

        log_in(stand, &member, &user).await.is_page(200, "LINE connected");
        assert_eq!(stand.line.grants_of(&user), 1);
        stand.line.script(Target::Login(Endpoint::Deauthorize, user.clone()), [Behaviour::answer(500, "")]);
        assert!(matches!(unlink_now().await, Err(UnlinkError::Line(_))));
        assert_eq!(user_of(stand, &member).await, Some(user.clone()), "the same call again goes on");
        assert_eq!(unlink_now().await.expect("unlinked"), Unlinked::Removed { grant: Some(Deauthorized::Now) });
        assert_eq!(stand.line.grants_of(&user), 0);
        assert_eq!((user_of(stand, &member).await, member_of(stand, &user).await), (None, None));

        // The user was quicker, inside LINE.
        log_in(stand, &member, &user).await.is_page(200, "LINE connected");
        stand.line.revoke_grants_of(&user);
        assert_eq!(unlink_now().await.expect("unlinked"), Unlinked::Removed { grant: Some(Deauthorized::Before) });
        assert_eq!(user_of(stand, &member).await, None);

        // After ninety days only the user can end the grant.
        log_in(stand, &member, &user).await.is_page(200, "LINE connected");
        let later = Clock::At(OffsetDateTime::now_utc() + time::Duration::days(91));
        let unlinked = unlink(&id, &links, &client, &secret, later).await.expect("unlinked");
        assert_eq!(unlinked, Unlinked::Removed { grant: None });
        assert_eq!(user_of(stand, &member).await, None);
    });
}

/// A first deployment does not know the API's address, and needs no second one for it.
#[test]
fn without_a_callback_url_of_ones_own_line_sends_the_browser_to_the_apis_address() {
    story_alone(&[("LoginCallbackUrl", "")], async |stand| {
        let (member, user) = (member(), random_user());
        let mut visitor = Visitor::new(&stand);
        let authorize = visitor.begin(&link_token(&stand, &member)).await;
        let redirect_uri = parameter(&authorize, "redirect_uri");
        let api = stand.aws.api_url().split('/').rev().nth(1).expect("the API's id");
        assert!(redirect_uri.starts_with(&format!("https://{api}.execute-api.")), "{redirect_uri}");
        stand.line.register_callback(&redirect_uri);
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        let here = callback.strip_prefix(redirect_uri.trim_end_matches("/login/callback")).expect("that address");
        visitor.get(here).await;
        assert_eq!(user_of(&stand, &member).await.as_deref(), Some(user.as_str()));
    });
}

#[test]
fn without_its_secret_the_login_says_that_it_cannot_be_completed() {
    story_alone(&[], async |stand| {
        let mut visitor = Visitor::new(&stand);
        let short = json!({ "channelId": "1", "channelSecret": "s", "linkTokenSecrets": { "current": "hunter2" } });
        stand.put_secret("LoginSecretArn", &short).await.expect("written");
        stand.aws.kill("line-login").expect("killed");
        visitor.get("/login/callback?error=ACCESS_DENIED").await.is_page(503, "We cannot complete this right now");
        let logs = stand.aws.logs("line-login");
        assert!(logs.contains("field linkTokenSecrets.current must have at least 32") && !logs.contains("hunter2"));
    });
}

/// The lines of the function's log that hold this.
fn logged(stand: &Stand, mark: &str) -> Vec<Value> {
    let logs = stand.aws.logs("line-login");
    let lines = logs.lines().filter(|line| line.contains(mark));
    lines.map(|line| serde_json::from_str(line).expect("one JSON line")).collect()
}

#[test]
fn nobody_without_a_state_of_ours_writes_an_error() {
    story(async |stand| {
        let mut stranger = Visitor::new(stand);
        for state in ["", "nonsense", "00ff", &"ab".repeat(200)] {
            for code in ["INVALID_REQUEST", "INVALID_SCOPE", "SERVER_ERROR", "ACCESS_DENIED"] {
                let mark = random_key();
                let query = format!("error={code}&error_description={mark}&state={state}");
                stranger.get(&format!("/login/callback?{query}")).await.is_page(400, "We could not continue");
                let lines = logged(stand, &mark);
                assert!(lines.iter().all(|line| line["level"] != "ERROR" && line["level"] != "WARN"), "{lines:?}");
            }
        }
    });
}

#[test]
fn what_opens_a_link_before_its_customer_spends_nothing() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let token = link_token(stand, &member);
        for _ in 0..3 {
            assert_eq!(Visitor::new(stand).get(&format!("/login?token={token}")).await.status, 200, "a preview");
        }
        let mut visitor = Visitor::new(stand);
        let address = format!("/login?token={token}");
        let prefetched = visitor.get(&address).await;
        let page = visitor.get(&address).await;
        let [one, two] =
            [visitor.press(&address, &prefetched).await.link(), visitor.press(&address, &page).await.link()];
        assert_ne!(parameter(&one, "state"), parameter(&two, "state"), "tapped twice");
        let callback = stand.line.authorize(&one, &user, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "LINE connected");
        assert_eq!(user_of(stand, &member).await, Some(user));
    });
}

#[test]
fn a_login_that_never_came_back_is_followed_by_one_without_auto_login() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let mut visitor = Visitor::new(stand);
        let address = visitor.begin(&link_token(stand, &member)).await;
        assert!(!address.contains("auto_login"), "{address}");
        let address = visitor.begin(&link_token(stand, &member)).await;
        assert_eq!(parameter(&address, "disable_auto_login"), "true");
        assert_eq!(parameter(&address, "disable_ios_auto_login"), "true");
        let callback = stand.line.authorize(&address, &user, Choice::Refuse).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(403, "Not connected");
        let address = visitor.begin(&link_token(stand, &member)).await;
        assert!(!address.contains("auto_login"), "LINE came back to this browser: {address}");
    });
}

#[test]
fn a_callback_without_its_cookie_leads_back_to_the_app() {
    story(async |stand| {
        let member = member();
        let mut visitor = Visitor::new(stand);
        let claims = claims(&member, json!({ "return_url": "https://app.example/line?tab=1" }));
        let address = visitor.begin(&sign(Algorithm::HS256, &stand.link_token_secret, &claims)).await;
        let callback = stand.line.authorize(&address, &random_user(), Choice::Consent).expect("LINE takes the request");
        let shown = Visitor::new(stand).get(&callback).await;
        shown.is_page(400, "We could not continue");
        assert_eq!(shown.link(), "https://app.example/line?tab=1&line_error=other_browser");
    });
}

#[test]
fn whoever_waits_for_anothers_exchange_waits_in_the_browser() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let (mut visitor, callback) = up_to_the_callback(stand, &member, &user).await;
        let exchange = Target::Login(Endpoint::Exchange, user.clone());
        stand.line.script(exchange.clone(), [Behaviour::Hold]);
        let mut twin = Visitor::new(stand);
        twin.cookie = visitor.cookie.clone();
        let first = visitor.get(&callback);
        let waits = async {
            let held = |line: &LineStandIn| line.is_held(exchange.clone());
            stand.line.wait_until("the code is being exchanged", Duration::from_secs(20), held).await;
            let shown = twin.get(&callback).await;
            assert!(stand.line.release(exchange.clone(), ReleaseAs::Accept), "the first still waits");
            shown
        };
        let (first, shown) = tokio::join!(first, waits);
        shown.is_page(200, "One moment");
        assert!(shown.body.contains("<meta http-equiv=\"refresh\" content=\"2\">"), "{}", shown.body);
        first.is_page(200, "LINE connected");
        twin.get(&callback).await.is_page(200, "LINE connected");
        assert_eq!(exchanges(stand, &callback), 1);
    });
}

#[test]
fn a_link_token_is_exchanged_five_times_at_most() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let token = link_token(stand, &member);
        let mut visitor = Visitor::new(stand);
        let address = visitor.begin(&token).await;
        let callback = stand.line.authorize(&address, &user, Choice::Consent).expect("LINE takes the request");
        let mut made_up = 0;
        for turn in 0..7 {
            let other = callback.replace(&parameter(&callback, "code"), &format!("{}{turn}", random_key()));
            visitor.get(&other).await.is_page(502, "Login not completed");
            made_up += exchanges(stand, &other);
        }
        assert_eq!(made_up, 5);
        visitor.get(&callback).await.is_page(502, "Login not completed");
        assert_eq!(exchanges(stand, &callback), 0);
        log_in(stand, &member, &user).await.is_page(200, "LINE connected");
    });
}

#[test]
fn a_former_line_user_is_told_and_its_grant_ends() {
    story(async |stand| {
        let (member, former, latter) = (member(), random_user(), random_user());
        log_in(stand, &member, &former).await.is_page(200, "LINE connected");
        assert!(stand.line.received_by(&former).is_empty());
        log_in(stand, &member, &latter).await.is_page(200, "LINE connected");
        let told = stand.line.received_by(&former);
        let [told] = &told[..] else { panic!("{told:?}") };
        assert!(told.messages[0]["text"].as_str().expect("a text").contains("別のLINE"), "{:?}", told.messages);
        assert_eq!((stand.line.grants_of(&former), stand.line.grants_of(&latter)), (0, 1));
        assert!(stand.line.received_by(&latter).is_empty());
        let audit = stand.operate("GET", "/audit?kind=link&limit=100", None).await;
        let entries = audit.body["entries"].as_array().cloned().unwrap_or_default();
        let about: Vec<_> = entries.iter().filter(|entry| entry["subject"] == json!(member)).collect();
        assert_eq!(about.len(), 2, "{audit:?}");
    });
}

#[test]
fn a_line_user_of_another_member_changes_hands_only_after_a_second_button() {
    story(async |stand| {
        let (anna, berta, user) = (member(), member(), random_user());
        log_in(stand, &anna, &user).await.is_page(200, "LINE connected");
        let (mut visitor, callback) = up_to_the_callback(stand, &berta, &user).await;
        let asked = visitor.get(&callback).await;
        asked.is_page(200, "Replace the connection?");
        assert_eq!((user_of(stand, &anna).await, user_of(stand, &berta).await), (Some(user.clone()), None));
        visitor.press(&callback, &asked).await.is_page(200, "LINE connected");
        assert_eq!((user_of(stand, &anna).await, user_of(stand, &berta).await), (None, Some(user.clone())));
        assert_eq!(stand.line.grants_of(&user), 1, "the grant is still needed");
    });
}

#[test]
fn an_unlink_ends_the_grant_for_ninety_days() {
    story(async |stand| {
        let client = LoginClient::new(&HttpClients::from_env().expect("bundled roots"), &stand.line.base_url());
        let secret: Secret<LoginSecret> = Secret::new(
            &Secrets::new(stand.secrets.clone()),
            stand.aws.output("LoginSecretArn").to_owned(),
            Clock::System,
        );
        let (member, user) = (member(), random_user());
        log_in(stand, &member, &user).await.is_page(200, "LINE connected");
        let later = Clock::At(OffsetDateTime::now_utc() + time::Duration::days(89));
        let unlinked = unlink(&member_id(&member), &links(stand), &client, &secret, later).await.expect("unlinked");
        assert_eq!(unlinked, Unlinked::Removed { grant: Some(Deauthorized::Now) });
        assert_eq!(stand.line.grants_of(&user), 0);
    });
}

#[test]
fn the_app_may_demand_that_a_link_is_replaced_or_forbid_it() {
    story(async |stand| {
        let (anna, berta, phone, tablet) = (member(), member(), random_user(), random_user());
        let log_in = async |member: &str, user: &str, replace: &str| {
            let mut visitor = Visitor::new(stand);
            let back = json!({ "replace": replace, "return_url": "https://app.example/line" });
            let address = visitor.begin(&link_token_with(stand, &claims(member, back))).await;
            let callback = stand.line.authorize(&address, user, Choice::Consent).expect("LINE takes the request");
            visitor.get(&callback).await
        };
        let mut visitor = Visitor::new(stand);
        let address = format!("/login?token={}", link_token_with(stand, &claims(&anna, json!({ "replace": "never" }))));
        let shown = visitor.get(&address).await;
        let into_line = visitor.press(&address, &shown).await;
        let callback =
            stand.line.authorize(&into_line.link(), &phone, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "LINE connected");
        visitor.get(&address).await.is_page(200, "LINE connected");
        visitor.press(&address, &shown).await.is_page(200, "LINE connected");
        let shown = log_in(&berta, &phone, "never").await;
        shown.is_page(409, "LINE account already in use");
        assert_eq!(shown.link(), "https://app.example/line?line_error=line_user_taken");
        assert_eq!(stand.line.grants_of(&phone), 1, "Anna's link lives by it");
        // The link was made after the button was pressed: LINE's answer links nobody, and leaves nothing at LINE.
        let (carla, late, sooner) = (member(), random_user(), random_user());
        let never = json!({ "replace": "never", "return_url": "https://app.example/line" });
        let mut visitor = Visitor::new(stand);
        let address = visitor.begin(&link_token_with(stand, &claims(&carla, never))).await;
        let callback = stand.line.authorize(&address, &late, Choice::Consent).expect("LINE takes the request");
        stand.log_in(&carla, &sooner).await.expect("linked");
        let shown = visitor.get(&callback).await;
        assert_eq!(shown.link(), "https://app.example/line?line_error=already_linked");
        assert_eq!((stand.line.grants_of(&late), stand.line.grants_of(&sooner)), (0, 1));
        let forbids = json!({ "replace": "never", "return_url": "https://app.example/line" });
        let token = link_token_with(stand, &claims(&anna, forbids));
        let shown = Visitor::new(stand).get(&format!("/login?token={token}")).await;
        shown.is_page(409, "Already connected");
        assert_eq!(shown.link(), "https://app.example/line?line_error=already_linked");
        assert_eq!((user_of(stand, &anna).await, user_of(stand, &berta).await), (Some(phone.clone()), None));

        assert_eq!(log_in(&berta, &phone, "always").await.status, 302, "nobody is asked after LINE");
        assert_eq!((user_of(stand, &anna).await, user_of(stand, &berta).await), (None, Some(phone.clone())));
        assert_eq!(log_in(&berta, &tablet, "always").await.status, 302);
        assert_eq!(stand.line.received_by(&phone).len(), 1, "the former one is told all the same");

        // The history has each link, and the end of the one that was lost.
        let about = async |kind: &str, member: &str| {
            let audit = stand.operate("GET", &format!("/audit?kind={kind}&limit=100"), None).await;
            let entries = audit.body["entries"].as_array().cloned().unwrap_or_default();
            entries.into_iter().filter(|entry| entry["subject"] == json!(member)).collect::<Vec<_>>()
        };
        let [ended] = &about("unlink", &anna).await[..] else { panic!("one end") };
        assert_eq!((&ended["by"], &ended["detail"]["replacedBy"]), (&json!("login"), &json!(berta)));
        let [latter, first] = &about("link", &berta).await[..] else { panic!("two links") };
        assert_eq!(first["detail"]["replacedMember"], json!(anna));
        assert_eq!(latter["detail"]["replacedLineUser"], json!(format!("{}…", &phone[..5])));
    });
}

#[test]
fn the_app_may_keep_a_login_in_its_browser() {
    story(async |stand| {
        let mut visitor = Visitor::new(stand);
        let address = format!("/login?token={}&disable_auto_login=true", link_token(stand, &member()));
        let shown = visitor.get(&address).await;
        let into_line = visitor.press(&address, &shown).await;
        assert_eq!(parameter(&into_line.link(), "disable_auto_login"), "true");
        assert!(into_line.body.contains("content=\"0;url="), "no tap is waited for: {}", into_line.body);
    });
}

#[test]
fn the_button_is_pressed_only_where_its_page_was_shown() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let address = format!("/login?token={}", link_token(stand, &member));
        let (mut visitor, mut other) = (Visitor::new(stand), Visitor::new(stand));
        let shown = visitor.get(&address).await;
        // Another site's form comes without the cookie; a page of another browser is shown anew.
        let pressed = Visitor::new(stand).press(&address, &shown).await;
        pressed.is_page(400, "We could not continue");
        let others = other.get(&address).await;
        visitor.press(&address, &others).await.is_page(200, "Connect LINE");
        // What the page said is not so any more: it is said anew.
        log_in(stand, &member, &user).await.is_page(200, "LINE connected");
        visitor.press(&address, &shown).await.is_page(200, "Replace the connection?");
        // Nothing was claimed by all that.
        let shown = other.get(&address).await;
        other.press(&address, &shown).await.is_page(200, "Continue in LINE");
        visitor.get(&address).await.is_page(403, "This link has already been used");
    });
}

#[test]
fn what_is_asked_after_line_is_answered_once_and_in_the_same_browser() {
    story(async |stand| {
        let (anna, berta, user) = (member(), member(), random_user());
        log_in(stand, &anna, &user).await.is_page(200, "LINE connected");
        let (mut visitor, callback) = up_to_the_callback(stand, &berta, &user).await;
        let asked = visitor.get(&callback).await;
        assert!(!asked.body.contains(&user) && !asked.body.contains(&anna), "sealed: {}", asked.body);
        Visitor::new(stand).press(&callback, &asked).await.is_page(400, "We could not continue");
        let mut forger = Visitor::new(stand);
        forger.get(&format!("/login?token={}", link_token(stand, &self::member()))).await.is_page(200, "Connect LINE");
        forger.press(&callback, &asked).await.is_page(400, "We could not continue");
        assert_eq!(user_of(stand, &berta).await, None);
        // The code is spent: loaded again, the callback asks nothing and links nobody.
        visitor.get(&callback).await.is_page(502, "Login not completed");
        assert_eq!(exchanges(stand, &callback), 1);
        for _ in 0..2 {
            visitor.press(&callback, &asked).await.is_page(200, "LINE connected");
        }
        assert_eq!(user_of(stand, &berta).await, Some(user.clone()));
        assert_eq!(stand.line.grants_of(&user), 1);
    });
}

#[test]
fn an_earlier_token_of_the_same_user_is_revoked_and_the_grant_goes_on() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        for _ in 0..3 {
            log_in(stand, &member, &user).await.is_page(200, "LINE connected");
        }
        assert_eq!(stand.line.grants_of(&user), 1);
        assert!(stand.line.received_by(&user).is_empty(), "nobody lost anything");
    });
}

#[test]
fn a_former_user_who_cannot_be_told_and_a_grant_that_cannot_be_ended_stop_no_login() {
    story(async |stand| {
        let (member, former, latter) = (member(), random_user(), random_user());
        log_in(stand, &member, &former).await.is_page(200, "LINE connected");
        stand.line.script(&former, [Behaviour::AcceptThenHangUp]);
        stand.line.script(Target::Login(Endpoint::Deauthorize, former.clone()), [Behaviour::answer(500, "")]);
        log_in(stand, &member, &latter).await.is_page(200, "LINE connected");
        assert_eq!(stand.line.received_by(&former).len(), 1, "pushed twice under one key: told once");
        assert_eq!(stand.line.pushes_to(&former).len(), 2);
        assert_eq!((stand.line.grants_of(&former), user_of(stand, &member).await), (1, Some(latter)));
    });
}

#[test]
fn a_lost_cookie_is_counted_where_the_state_is_ours() {
    story_alone(&[], async |stand| {
        let counted = |stand: &Stand| stand.aws.logs("line-login").matches("\"LoginCookieMissing\":1").count();
        let (_, callback) = up_to_the_callback(&stand, &member(), &random_user()).await;
        let state = parameter(&callback, "state");
        for other in ["", "00ff", &"ab".repeat(300)] {
            Visitor::new(&stand).get(&callback.replace(&state, other)).await.is_page(400, "We could not continue");
        }
        assert_eq!(counted(&stand), 0);
        Visitor::new(&stand).get(&callback).await.is_page(400, "We could not continue");
        let (mut other, _) = up_to_the_callback(&stand, &member(), &random_user()).await;
        other.get(&callback).await.is_page(400, "We could not continue");
        assert_eq!(counted(&stand), 2);
    });
}
