//! A member of the company becomes a LINE user by LINE Login, and everything that tries to come in between.

use std::{collections::HashMap, io::Write as _, path::Path, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use local_stand::{
    aws::tap::Fault,
    browser::{self, Browser},
    line::channel_key::ChannelKey,
    line::{Behaviour, Choice, Endpoint, Forgery, Person, Target},
    stand::{Stand, random_key, random_user},
};
use serde_json::{Value, json};
use shared::{
    aws::secret::Secret,
    clock::Clock,
    customer::{
        friend::Source,
        link::{Links, NewLink, Replaced},
        login_secret::LoginSecret,
        unlink::{UnlinkError, Unlinked, unlink},
    },
    ids::{LineUserId, MemberId},
    line::login::{Deauthorized, LoginClient},
    token::{access::AccessToken, sealing::SealingKey},
};
use time::OffsetDateTime;
use url::Url;

use crate::{story, story_alone};

/// A browser as far as the login needs one: it keeps a cookie, and shows every answer.
struct Visitor {
    base: String,
    http: reqwest::Client,
    cookie: Option<String>,
    language: &'static str,
}

#[derive(Debug)]
struct Shown {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Shown {
    fn location(&self) -> &str {
        self.headers.get("location").unwrap_or_else(|| panic!("a redirect: {self:?}"))
    }

    #[track_caller]
    fn is_page(&self, status: u16, title: &str) {
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
    fn new(stand: &Stand) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { base: stand.public_api.base_url(), http: http.build().expect("a client"), cookie: None, language: "en" }
    }

    async fn get(&mut self, address: &str) -> Shown {
        let address = if address.starts_with('/') { format!("{}{address}", self.base) } else { address.to_owned() };
        let mut request = self.http.get(&address).header("accept-language", self.language);
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

    /// Opens the app's link; returns the address of LINE's screen.
    async fn begin(&mut self, token: &str) -> String {
        let shown = self.get(&format!("/login?token={token}")).await;
        assert_eq!(shown.status, 302, "{}", shown.body);
        shown.location().to_owned()
    }
}

fn member() -> String {
    format!("member-{}", random_key())
}

fn seconds_from_now(seconds: i64) -> i64 {
    OffsetDateTime::now_utc().unix_timestamp() + seconds
}

fn sign(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("signed")
}

fn claims(member: &str, changes: Value) -> Value {
    let mut claims = json!({ "sub": member, "exp": seconds_from_now(300), "jti": random_key() });
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    claims
}

/// What the app makes for its member.
fn link_token(stand: &Stand, member: &str) -> String {
    sign(Algorithm::HS256, &stand.link_token_secret, &claims(member, json!({})))
}

/// From the app's link to LINE's answer; returns the browser and the callback it is sent to.
async fn up_to_the_callback(stand: &Stand, member: &str, user: &str) -> (Visitor, String) {
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
    Links::new(stand.dynamodb.clone(), stand.aws.output("LinksTableName").to_owned())
}

fn member_id(member: &str) -> MemberId {
    MemberId::parse(member).expect("a member id")
}

fn user_id(user: &str) -> LineUserId {
    LineUserId::parse(user).expect("a user id")
}

async fn user_of(stand: &Stand, member: &str) -> Option<String> {
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
        let shown = visitor.get(&format!("/login?token={}", link_token(stand, &member))).await;
        let cookie = &shown.headers["set-cookie"];
        assert!(cookie.starts_with("__Host-line-login="), "{cookie}");
        for flag in ["; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
            assert!(cookie.contains(flag), "{flag}: {cookie}");
        }
        assert!(!cookie.contains("Domain"));
        let authorize = shown.location();
        assert!(authorize.starts_with(&format!("{}/oauth2/v2.1/authorize?", stand.line.base_url())), "{authorize}");
        assert_eq!(parameter(authorize, "bot_prompt"), "aggressive");
        assert_eq!(parameter(authorize, "redirect_uri"), format!("{}/login/callback", stand.public_api.base_url()));
        assert!(!authorize.contains(&member), "the member's id is not readable in the address");
        assert!(!authorize.contains(cookie.split(['=', ';']).nth(1).expect("a value")));

        let callback = stand.line.authorize(authorize, &user, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "You are connected");
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
        shown.is_page(200, "One step left");
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
        log_in(&stand, &member, &user).await.is_page(200, "You are connected");
        assert_eq!(stand.friend_state(&user).await, Some((true, "profile".to_owned())));
        log_in(&stand, &member, &user).await.is_page(200, "You are connected");
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
        log_in(stand, &member, &user).await.is_page(200, "One step left");
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
        visitor.get(&callback).await.is_page(200, "One step left");
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
        assert!(shown.body.contains("<a href=\"https://app.example/line\">Back to the app</a>"), "{}", shown.body);

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

#[test]
fn a_link_token_that_is_not_in_order_starts_nothing() {
    story(async |stand| {
        let secret = &stand.link_token_secret;
        let member = member();
        let good = sign(Algorithm::HS256, secret, &claims(&member, json!({})));
        let parts: Vec<_> = good.split('.').collect();
        let rsa = ChannelKey::generate().expect("a key").encoding_key();
        let rs256 = encode(&Header::new(Algorithm::RS256), &claims(&member, json!({})), &rsa).expect("signed");
        for (token, status, title) in [
            (String::new(), 400, "This link is not valid"),
            ("nonsense".to_owned(), 400, "This link is not valid"),
            (format!("eyJhbGciOiJub25lIn0.{}.", parts[1]), 400, "This link is not valid"),
            (format!("{}.{}.", parts[0], parts[1]), 400, "This link is not valid"),
            (rs256, 400, "This link is not valid"),
            (sign(Algorithm::HS512, secret, &claims(&member, json!({}))), 400, "This link is not valid"),
            (sign(Algorithm::HS256, &random_key(), &claims(&member, json!({}))), 400, "This link is not valid"),
            (
                sign(Algorithm::HS256, secret, &claims(&member, json!({ "exp": seconds_from_now(-60) }))),
                410,
                "That took too long",
            ),
            (
                sign(Algorithm::HS256, secret, &claims(&member, json!({ "exp": seconds_from_now(3600) }))),
                400,
                "This link is not valid",
            ),
            (sign(Algorithm::HS256, secret, &claims(&member, json!({ "jti": "" }))), 400, "This link is not valid"),
            (sign(Algorithm::HS256, secret, &claims("<script>", json!({}))), 400, "This link is not valid"),
        ] {
            let mut visitor = Visitor::new(stand);
            visitor.get(&format!("/login?token={token}")).await.is_page(status, title);
            assert_eq!(visitor.cookie, None);
        }
        Visitor::new(stand).get("/login").await.is_page(400, "This link is not valid");
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
        thief.get(&format!("/login?token={token}")).await.is_page(403, "This link was used already");

        // Reloaded, and begun again after a no: the same browser may go on until the link is made.
        let second = visitor.begin(&token).await;
        assert_ne!(parameter(&first, "state"), parameter(&second, "state"));
        let no = stand.line.authorize(&first, &user, Choice::Refuse).expect("LINE takes the request");
        visitor.get(&no).await.is_page(403, "Not connected");
        let callback = stand.line.authorize(&second, &user, Choice::Consent).expect("LINE takes the request");
        thief.get(&callback).await.is_page(400, "We cannot go on");
        assert_eq!(exchanges(stand, &callback), 0);
        visitor.get(&callback).await.is_page(200, "You are connected");

        // Spent: nobody links anyone with it any more.
        visitor.get(&format!("/login?token={token}")).await.is_page(200, "You are connected");
        let other = random_user();
        let callback = stand.line.authorize(&first, &other, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "You are connected");
        assert_eq!(exchanges(stand, &callback), 0);
        assert_eq!(user_of(stand, &member).await, Some(user));
        thief.get(&format!("/login?token={token}")).await.is_page(403, "This link was used already");
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
            (String::new(), 400, "We cannot go on"),
            (flipped, 400, "We cannot go on"),
            (other_key, 400, "We cannot go on"),
            (parameter(&others, "state"), 400, "We cannot go on"),
            (expired, 410, "That took too long"),
        ] {
            visitor.get(&callback.replace(&state, &wrong)).await.is_page(status, title);
        }
        Visitor::new(stand).get(&callback).await.is_page(400, "We cannot go on");
        let without_code = callback.replace("code=", "kode=");
        visitor.get(&without_code).await.is_page(502, "The login was not completed");
        assert_eq!((exchanges(stand, &callback), user_of(stand, &member).await), (0, None));
        visitor.get(&callback).await.is_page(200, "You are connected");
    });
}

#[test]
fn a_callback_that_comes_twice_is_exchanged_once() {
    story(async |stand| {
        let (mut visitor, callback) = call_back_twice_at_once(stand, &member(), &random_user()).await;
        visitor.get(&callback).await.is_page(200, "You are connected");
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
    one.is_page(200, "You are connected");
    two.is_page(200, "You are connected");
    (visitor, callback)
}

/// Drives `line-login` through all that it may do.
pub async fn drive_line_login(stand: &Stand) {
    // The second login of a member takes the place of the first.
    let member = member();
    log_in(stand, &member, &random_user()).await.is_page(200, "You are connected");
    log_in(stand, &member, &random_user()).await.is_page(200, "You are connected");
    call_back_twice_at_once(stand, "M-twice", &random_user()).await;
    // Of somebody who is said to be no friend the channel is asked.
    let user = random_user();
    stand.line.mark(&user, Person::Blocked);
    log_in(stand, "M-no-friend", &user).await.is_page(200, "One step left");
    // LINE refuses a code once.
    let user = random_user();
    let (mut visitor, callback) = up_to_the_callback(stand, "M-refused", &user).await;
    stand.line.script(Target::Login(Endpoint::Exchange, user), [Behaviour::answer(400, "{}")]);
    visitor.get(&callback).await.is_page(502, "The login was not completed");
    visitor.get(&callback).await.is_page(200, "You are connected");
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
        visitor.get(&callback).await.is_page(200, "You are connected");
        assert_eq!((faults[0].hits(), faults[1].hits(), link.hits()), (1, 1, 1));
        assert_eq!(user_of(stand, &member).await, Some(user));
    });
}

#[test]
fn killed_between_the_exchange_and_the_link() {
    story_alone(&[("BotPrompt", "normal")], async |stand| {
        let (member, user) = (member(), random_user());
        let token = link_token(&stand, &member);
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
        // Nobody knows whether the code was spent: the page says "start again", and the app's link still serves.
        visitor.get(&callback).await.is_page(502, "The login was not completed");
        assert_eq!(exchanges(&stand, &callback), 1);
        let authorize = visitor.begin(&token).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "You are connected");
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
            log_in(stand, &member, &user).await.is_page(502, "The login was not completed");
            assert_eq!((user_of(stand, &member).await, member_of(stand, &user).await), (None, None), "{forgery:?}");
        }
        stand.line.forge_id_tokens(&user, [Forgery::Absent]);
        log_in(stand, &member, &user).await.is_page(502, "LINE does not answer at the moment");
        assert_eq!(user_of(stand, &member).await, None);
        log_in(stand, &member, &user).await.is_page(200, "You are connected");
    });
}

#[test]
fn every_error_that_line_documents_is_a_page_and_a_log_line() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let (mut visitor, callback) = up_to_the_callback(stand, &member, &user).await;
        let state = parameter(&callback, "state");
        for (code, status, title) in [
            ("INVALID_REQUEST", 500, "The login with LINE is out of order"),
            ("ACCESS_DENIED", 403, "Not connected"),
            ("UNSUPPORTED_RESPONSE_TYPE", 500, "The login with LINE is out of order"),
            ("INVALID_SCOPE", 500, "The login with LINE is out of order"),
            ("SERVER_ERROR", 502, "LINE does not answer at the moment"),
            ("LOGIN_REQUIRED", 502, "The login was not completed"),
            ("INTERACTION_REQUIRED", 502, "The login was not completed"),
            ("SOMETHING_NEW", 502, "The login was not completed"),
        ] {
            let mark = random_key();
            for code in [code.to_owned(), code.to_lowercase()] {
                let query = format!("error={code}&error_description={mark}%0A%3Cscript%3Ealert(1)%3C/script%3E");
                for state in ["", "nonsense", &state] {
                    let shown = visitor.get(&format!("/login/callback?{query}&state={state}")).await;
                    shown.is_page(status, title);
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
        shown.is_page(502, "The login was not completed");
        assert_eq!(exchanges(stand, &callback), 0);
        visitor.get(&callback).await.is_page(200, "You are connected");
    });
}

#[test]
fn line_refusing_breaking_off_or_sleeping_links_nobody_and_says_so() {
    story(async |stand| {
        let refused =
            json!({ "error": "invalid_grant", "error_description": "invalid authorization code" }).to_string();
        for (behaviour, title) in [
            (Behaviour::answer(400, refused), "The login was not completed"),
            (Behaviour::answer(500, "<html>"), "LINE does not answer at the moment"),
            (Behaviour::answer(200, "not JSON"), "LINE does not answer at the moment"),
            (Behaviour::RateLimited, "LINE does not answer at the moment"),
            (Behaviour::HangUpBeforeAccepting, "LINE does not answer at the moment"),
            (Behaviour::AcceptThenHangUp, "LINE does not answer at the moment"),
            (Behaviour::Delay(Duration::from_secs(20)), "LINE does not answer at the moment"),
        ] {
            let (member, user) = (member(), random_user());
            let (mut visitor, callback) = up_to_the_callback(stand, &member, &user).await;
            stand.line.script(Target::Login(Endpoint::Exchange, user.clone()), [behaviour.clone()]);
            let shown = visitor.get(&callback).await;
            shown.is_page(502, title);
            assert_eq!(exchanges(stand, &callback), 1, "never repeated by itself: {behaviour:?}");
            assert_eq!(user_of(stand, &member).await, None);
            // With a new link the customer gets there.
            log_in(stand, &member, &user).await.is_page(200, "You are connected");
        }
    });
}

#[test]
fn the_link_is_made_even_if_line_does_not_tell_the_friendship() {
    story(async |stand| {
        let (member, user) = (member(), random_user());
        let friendship = Target::Login(Endpoint::Friendship, user.clone());
        stand.line.script(friendship.clone(), [Behaviour::answer(500, "")]);
        log_in(stand, &member, &user).await.is_page(200, "You are connected");
        let (member, user) = (self::member(), random_user());
        let friendship = Target::Login(Endpoint::Friendship, user.clone());
        stand.line.script(friendship, [Behaviour::HangUpBeforeAccepting, Behaviour::answer(503, "")]);
        log_in(stand, &member, &user).await.is_page(200, "One step left");
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
        shown.is_page(503, "We cannot do this at the moment");
        assert_eq!(shown.headers["retry-after"], "10");
        drop(fault);
        assert_eq!((user_of(stand, &member).await, member_of(stand, &user).await), (None, None));
        visitor.get(&callback).await.is_page(502, "The login was not completed");
        let authorize = visitor.begin(&token).await;
        let callback = stand.line.authorize(&authorize, &user, Choice::Consent).expect("LINE takes the request");
        visitor.get(&callback).await.is_page(200, "You are connected");
    });
}

#[test]
fn one_member_has_one_line_user_and_the_latest_login_wins() {
    story(async |stand| {
        let (anna, berta) = (member(), member());
        let (phone, tablet) = (random_user(), random_user());
        log_in(stand, &anna, &phone).await.is_page(200, "You are connected");
        log_in(stand, &anna, &phone).await.is_page(200, "You are connected");
        log_in(stand, &anna, &tablet).await.is_page(200, "You are connected");
        assert_eq!(user_of(stand, &anna).await, Some(tablet.clone()));
        assert_eq!(member_of(stand, &phone).await, None);
        log_in(stand, &berta, &tablet).await.is_page(200, "You are connected");
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
            };
            links.put(&link, &key).await
        };
        let (a, b, c, d, e, f) = tokio::join!(put(0), put(4), put(8), put(1), put(3), put(2));
        let made: [Result<Replaced, _>; 6] = [a, b, c, d, e, f];
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
        let client = LoginClient::new(&stand.line.base_url()).expect("a client");
        let secret: Secret<LoginSecret> =
            Secret::new(stand.secrets.clone(), stand.aws.output("LoginSecretArn").to_owned(), Clock::System);
        let links = links(stand);
        let (member, user) = (member(), random_user());
        let id = member_id(&member);
        let unlink_now = async || unlink(&id, &links, &client, &secret, Clock::System).await;
        assert_eq!(unlink_now().await.expect("nothing to do"), Unlinked::NotLinked);

        log_in(stand, &member, &user).await.is_page(200, "You are connected");
        assert_eq!(stand.line.grants_of(&user), 1);
        stand.line.script(Target::Login(Endpoint::Deauthorize, user.clone()), [Behaviour::answer(500, "")]);
        assert!(matches!(unlink_now().await, Err(UnlinkError::Line(_))));
        assert_eq!(user_of(stand, &member).await, Some(user.clone()), "the same call again goes on");
        assert_eq!(unlink_now().await.expect("unlinked"), Unlinked::Removed { grant: Some(Deauthorized::Now) });
        assert_eq!(stand.line.grants_of(&user), 0);
        assert_eq!((user_of(stand, &member).await, member_of(stand, &user).await), (None, None));

        // The user was quicker, inside LINE.
        log_in(stand, &member, &user).await.is_page(200, "You are connected");
        stand.line.revoke_grants_of(&user);
        assert_eq!(unlink_now().await.expect("unlinked"), Unlinked::Removed { grant: Some(Deauthorized::Before) });
        assert_eq!(user_of(stand, &member).await, None);

        // After the token's thirty days only the user can end the grant.
        log_in(stand, &member, &user).await.is_page(200, "You are connected");
        let later = Clock::At(OffsetDateTime::now_utc() + time::Duration::days(31));
        let unlinked = unlink(&id, &links, &client, &secret, later).await.expect("unlinked");
        assert_eq!(unlinked, Unlinked::Removed { grant: None });
        assert_eq!(user_of(stand, &member).await, None);
    });
}

#[test]
fn without_its_settings_the_login_says_that_it_is_out_of_order() {
    story_alone(&[("LoginCallbackUrl", "")], async |stand| {
        let mut visitor = Visitor::new(&stand);
        let token = link_token(&stand, &member());
        visitor.get(&format!("/login?token={token}")).await.is_page(500, "The login with LINE is out of order");
        assert!(stand.aws.logs("line-login").contains("LoginCallbackUrl is not set"));
        let short = json!({ "channelId": "1", "channelSecret": "s", "linkTokenSecrets": { "current": "hunter2" } });
        stand.put_secret("LoginSecretArn", &short).await.expect("written");
        stand.aws.kill("line-login").expect("killed");
        visitor.get("/login/callback?error=ACCESS_DENIED").await.is_page(503, "We cannot do this at the moment");
        let logs = stand.aws.logs("line-login");
        assert!(logs.contains("field linkTokenSecrets.current must have at least 32") && !logs.contains("hunter2"));
    });
}

#[test]
fn a_real_browser_goes_through_the_whole_login() {
    let Some(installed) = browser::installed() else {
        assert!(std::env::var_os("CI").is_none(), "no browser: .ci/run installs one where it can");
        // Past the test harness, which would keep a print to itself.
        let _ = std::io::stderr().write_all(
            b"SKIPPED a_real_browser_goes_through_the_whole_login: no chromium with chromedriver on the PATH\n",
        );
        return;
    };
    story(async |stand| {
        let (member, user) = (member(), stand.line.browser_user());
        stand.line.mark(&user, Person::Blocked);
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let tour = async {
            let browser = Browser::start(&installed, "en-US").await?;
            browser.open(&stand.login_url(&member)).await?;
            browser.click("#allow").await?;
            browser.click("#skip").await?;
            assert_eq!(browser.text("h1").await?, "One step left");
            browser.screenshot(&pictures.join("login-add-friend.png")).await?;
            assert_eq!(is_friend(stand, &user).await, Some(false));

            browser.open(&stand.login_url(&member)).await?;
            browser.click("#allow").await?;
            browser.click("#add").await?;
            assert_eq!(browser.text("main h1").await?, "You are connected");
            browser.screenshot(&pictures.join("login-done.png")).await?;
            browser.prefer("dark").await?;
            browser.screenshot(&pictures.join("login-done-dark.png")).await?;

            // The style was not blocked by the page's own policy, nothing is wider than the
            // phone, no script sees the cookie.
            let radius =
                browser.run("return getComputedStyle(document.querySelector('main')).borderTopLeftRadius").await?;
            assert_eq!(radius, "20px");
            assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth").await?, true);
            assert_eq!(browser.run("return document.cookie").await?, "");
            let cookies = browser.cookies().await?;
            let [cookie] = &cookies[..] else { panic!("one cookie: {cookies:?}") };
            assert_eq!(cookie["name"], "__Host-line-login");
            assert_eq!(
                (&cookie["httpOnly"], &cookie["secure"], &cookie["path"]),
                (&json!(true), &json!(true), &json!("/"))
            );
            assert_eq!((&cookie["sameSite"], &cookie["domain"]), (&json!("Lax"), &json!("localhost")));

            let cancelled = Browser::start(&installed, "th").await?;
            cancelled.open(&stand.login_url(&self::member())).await?;
            cancelled.click("#cancel").await?;
            assert_eq!(cancelled.text("main h1").await?, "ยังไม่ได้เชื่อมต่อ");
            cancelled.screenshot(&pictures.join("login-refused.png")).await?;
            anyhow::Ok(())
        };
        tour.await.expect("the browser gets through");
        assert_eq!(user_of(stand, &member).await, Some(user.clone()));
        assert_eq!(is_friend(stand, &user).await, Some(true));
    });
}
