//! A login without a session store: everything it needs is in the `state` that LINE hands back and in one cookie.
//!
//! * The cookie holds 32 random bytes, the browser's secret, and whether LINE still owes this browser an answer;
//!   [`COOKIE`] says where browsers take it from us alone.
//! * `state` is sealed with a key derived from the channel secret: nobody else can make or read one. It holds the
//!   member, the link token's `jti`, the way back and an end, what the customer agreed to replace, and the hash of the
//!   browser's secret: in any other browser it links nobody. LINE wants it alphanumeric, so it is
//!   written in hexadecimal digits.
//! * Where the customer is asked once more after LINE, all that is needed to go on is in the page's form, sealed
//!   likewise: [`Confirmed`].
//! * The PKCE verifier and the `nonce` are derived (HMAC-SHA256) from the browser's secret and the login's own id,
//!   which only the sealed `state` holds: the verifier never is in an address or a table.
//!
//! Sources: LINE, "Integrating LINE Login with your web app" (`state`, `nonce`), "PKCE support"; RFC 7636.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    hmac, rand,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared::{
    customer::{
        link::{NewLink, Replaced},
        link_token::{LinkToken, Replace},
    },
    ids::{LineUserId, MemberId},
    token::{
        access::{AccessToken, RefreshToken},
        sealing::SealingKey,
    },
};
use time::OffsetDateTime;

/// Set by an https page of this very host, sent to no other, and no script sees it.
pub const COOKIE: &str = "__Host-line-login";
/// A login takes this long at most; LINE's code lives as long.
const LIFE: time::Duration = time::Duration::minutes(10);
/// The cookie outlives every login that began with it, so that a page loaded again still finds its outcome.
const COOKIE_SECONDS: u32 = 3600;
const STATE: &str = "login-state";
const CONFIRMED: &str = "login-confirmed";
/// Longer ones are not ours: member, name, `jti` and way back are limited.
const MAX_STATE: usize = 4096;
/// Stands behind the secret in the cookie of a browser that was sent to LINE.
const SENT: &str = ".sent";

/// What a browser's cookie holds.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserSecret {
    secret: [u8; 32],
    sent: bool,
}

/// One login under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    id: String,
    browser: String,
    /// The member.
    pub member: String,
    /// What the app calls the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The link token's id.
    pub jti: String,
    /// The way back, where the app named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
    /// What the app says about replacing.
    #[serde(default)]
    replace: Replace,
    /// The member's LINE user that the customer agreed to replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former_user: Option<String>,
    /// The LINE user's member that the customer agreed to replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former_member: Option<String>,
    expires_at: i64,
}

/// What a link would take the place of, and nobody has agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAgreed {
    /// The member's other LINE user.
    pub user: bool,
    /// The LINE user's other member.
    pub member: bool,
}

/// A login that LINE has confirmed, and whose customer is asked once more: what the link needs.
#[derive(Serialize, Deserialize)]
pub struct Confirmed {
    /// The login, with what the customer agrees to by pressing the button.
    pub login: Login,
    user: String,
    token: String,
    token_expires_at: i64,
    refresh_token: Option<String>,
    refresh_expires_at: i64,
}

/// A `state` that is not good for a login. One that is ours says all the same whose login it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Not sealed by us, or the channel's secret has changed meanwhile.
    #[error("state is not ours")]
    Forged,
    /// Too late.
    #[error("state has expired")]
    Expired(Box<Login>),
    /// No cookie: another browser, or one that keeps none.
    #[error("the browser's cookie is missing")]
    NoCookie(Box<Login>),
    /// The cookie of another browser than the one that began.
    #[error("state belongs to another browser")]
    OtherBrowser(Box<Login>),
}

impl StateError {
    /// The login, where the state is ours.
    pub fn login(&self) -> Option<&Login> {
        match self {
            Self::Forged => None,
            Self::Expired(login) | Self::NoCookie(login) | Self::OtherBrowser(login) => Some(login),
        }
    }
}

impl BrowserSecret {
    /// A new one.
    pub fn random() -> Self {
        Self { secret: random(), sent: false }
    }

    /// Whether the browser was sent to LINE and has not come back from there.
    pub fn awaits_line(&self) -> bool {
        self.sent
    }

    /// The same, of a browser that is sent to LINE now.
    pub fn sent_to_line(&self) -> Self {
        Self { sent: true, ..self.clone() }
    }

    /// The same, of a browser that LINE has come back to.
    pub fn back_from_line(&self) -> Self {
        Self { sent: false, ..self.clone() }
    }

    /// Reads it out of a `Cookie` header.
    pub fn from_cookies(header: &str) -> Option<Self> {
        let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
        let (value, sent) = value.strip_suffix(SENT).map_or((value, false), |value| (value, true));
        let secret = BASE64_URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok()?;
        Some(Self { secret, sent })
    }

    /// The `Set-Cookie` header.
    pub fn set_cookie(&self) -> String {
        let (value, sent) = (BASE64_URL_SAFE_NO_PAD.encode(self.secret), if self.sent { SENT } else { "" });
        format!("{COOKIE}={value}{sent}; Path=/; Max-Age={COOKIE_SECONDS}; Secure; HttpOnly; SameSite=Lax")
    }

    /// What only this browser can show for this member's link token.
    pub fn holder(&self, jti: &str, member: &str) -> String {
        self.derive("holder", &format!("{jti} {member}"))
    }

    /// What only a page that was shown in this browser can send back: for this link token, to replace this LINE user.
    pub fn shown(&self, token: &LinkToken, former_user: Option<&LineUserId>) -> String {
        let former = former_user.map_or("", LineUserId::as_str);
        self.derive("shown", &format!("{} {} {former}", token.jti, token.member))
    }

    fn derive(&self, purpose: &str, what: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, format!("{purpose} {what}").as_bytes()))
    }

    fn hash(&self) -> String {
        sha256(&self.secret)
    }
}

impl Login {
    /// Begins a login in this browser, whose customer agreed to replace this LINE user of the member's.
    pub fn begin(
        browser: &BrowserSecret,
        token: LinkToken,
        return_url: Option<String>,
        former_user: Option<&LineUserId>,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            id: BASE64_URL_SAFE_NO_PAD.encode(random::<16>()),
            browser: browser.hash(),
            member: token.member.as_str().to_owned(),
            name: token.name,
            jti: token.jti,
            return_url,
            replace: token.replace,
            former_user: former_user.map(|user| user.as_str().to_owned()),
            former_member: None,
            expires_at: (now + LIFE).unix_timestamp(),
        }
    }

    /// The login as `state`.
    pub fn seal(&self, key: &SealingKey) -> String {
        seal(self, STATE, key).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The login that `state` stands for, in the browser that began it.
    pub fn open(
        state: &str,
        browser: Option<&BrowserSecret>,
        key: &SealingKey,
        now: OffsetDateTime,
    ) -> Result<Self, StateError> {
        let login: Option<Self> = from_hex(state).and_then(|sealed| open(&sealed, STATE, key));
        login.ok_or(StateError::Forged)?.checked(browser, now)
    }

    fn checked(self, browser: Option<&BrowserSecret>, now: OffsetDateTime) -> Result<Self, StateError> {
        if self.expires_at <= now.unix_timestamp() {
            return Err(StateError::Expired(self.into()));
        }
        match browser.map(BrowserSecret::hash) {
            None => Err(StateError::NoCookie(self.into())),
            Some(hash) if verify_slices_are_equal(self.browser.as_bytes(), hash.as_bytes()).is_err() => {
                Err(StateError::OtherBrowser(self.into()))
            }
            Some(_) => Ok(self),
        }
    }

    /// Whether the app forbids to replace anything.
    pub fn replaces_nothing(&self) -> bool {
        self.replace == Replace::Never
    }

    /// What of this nobody has agreed to replace, neither the app nor the customer.
    pub fn not_agreed(&self, replaced: &Replaced) -> Option<NotAgreed> {
        let agreed = |found: &str, asked: &Option<String>| match self.replace {
            Replace::Always => true,
            Replace::Never => false,
            Replace::Ask => asked.as_deref() == Some(found),
        };
        let user = replaced.user.as_ref().is_some_and(|former| !agreed(former.user.as_str(), &self.former_user));
        let member = replaced.member.as_ref().is_some_and(|member| !agreed(member.as_str(), &self.former_member));
        (user || member).then_some(NotAgreed { user, member })
    }

    /// `nonce`.
    pub fn nonce(&self, browser: &BrowserSecret) -> String {
        browser.derive("nonce", &self.id)
    }

    /// `code_verifier`: 43 characters.
    pub fn code_verifier(&self, browser: &BrowserSecret) -> String {
        browser.derive("verifier", &self.id)
    }

    /// `code_challenge` for the method S256.
    pub fn code_challenge(&self, browser: &BrowserSecret) -> String {
        sha256(self.code_verifier(browser).as_bytes())
    }
}

impl Confirmed {
    /// What is asked: whether this link may take the place of that. It can be answered for as long as a login takes.
    pub fn new(login: &Login, link: &NewLink, replaced: &Replaced, now: OffsetDateTime) -> Self {
        let login = Login {
            former_user: replaced.user.as_ref().map(|former| former.user.as_str().to_owned()),
            former_member: replaced.member.as_ref().map(|member| member.as_str().to_owned()),
            expires_at: (now + LIFE).unix_timestamp(),
            ..login.clone()
        };
        Self {
            login,
            user: link.user.as_str().to_owned(),
            token: link.token.reveal().to_owned(),
            token_expires_at: link.token_expires_at.unix_timestamp(),
            refresh_token: link.refresh_token.as_ref().map(|token| token.reveal().to_owned()),
            refresh_expires_at: link.refresh_expires_at.unix_timestamp(),
        }
    }

    /// As a field of a form.
    pub fn seal(&self, key: &SealingKey) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(seal(self, CONFIRMED, key))
    }

    /// What was sealed, in the browser that began.
    pub fn open(
        sealed: &str,
        browser: Option<&BrowserSecret>,
        key: &SealingKey,
        now: OffsetDateTime,
    ) -> Result<Self, StateError> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok();
        let this: Self = sealed.and_then(|sealed| open(&sealed, CONFIRMED, key)).ok_or(StateError::Forged)?;
        let login = this.login.checked(browser, now)?;
        Ok(Self { login, ..this })
    }

    /// The link, made now.
    pub fn link(&self, now: OffsetDateTime) -> Option<NewLink> {
        Some(NewLink {
            member: MemberId::parse(&self.login.member).ok()?,
            user: LineUserId::parse(&self.user).ok()?,
            linked_at: now,
            token: AccessToken::new(self.token.clone()),
            token_expires_at: OffsetDateTime::from_unix_timestamp(self.token_expires_at).ok()?,
            refresh_token: self.refresh_token.clone().map(RefreshToken::new),
            refresh_expires_at: OffsetDateTime::from_unix_timestamp(self.refresh_expires_at).ok()?,
        })
    }
}

fn seal(what: &impl Serialize, context: &str, key: &SealingKey) -> Vec<u8> {
    key.seal(context, &serde_json::to_string(what).expect("text and numbers are JSON"))
}

fn open<T: DeserializeOwned>(sealed: &[u8], context: &str, key: &SealingKey) -> Option<T> {
    serde_json::from_str(&key.open(context, sealed)?).ok()
}

/// The hash of a text that must not be kept itself.
pub fn hash_of(text: &str) -> String {
    sha256(text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() > MAX_STATE || !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_788_227_400 + seconds).unwrap()
    }

    fn token(jti: String) -> LinkToken {
        LinkToken {
            member: MemberId::parse(&"m".repeat(64)).unwrap(),
            jti,
            expires_at: at(300),
            return_url: None,
            name: Some("\"".repeat(160)),
            replace: Replace::Ask,
        }
    }

    #[test]
    fn a_state_opens_in_its_own_browser_and_in_time() {
        let (key, browser) = (SealingKey::derive(b"secret"), BrowserSecret::random());
        let former = LineUserId::parse(&format!("U{}", "0".repeat(32))).unwrap();
        let back = Some(format!("https://app.example/{}", "x".repeat(480)));
        let login = Login::begin(&browser, token("\\".repeat(128)), back, Some(&former), at(0));
        let state = login.seal(&key);
        assert!(state.len() <= MAX_STATE, "{}", state.len());
        assert!(state.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(Login::open(&state, Some(&browser), &key, at(599)), Ok(login.clone()));
        let other = BrowserSecret::random();
        let boxed = || Box::new(login.clone());
        assert_eq!(Login::open(&state, Some(&browser), &key, at(600)), Err(StateError::Expired(boxed())));
        assert_eq!(Login::open(&state, None, &key, at(0)), Err(StateError::NoCookie(boxed())));
        assert_eq!(Login::open(&state, Some(&other), &key, at(0)), Err(StateError::OtherBrowser(boxed())));
        let other_key = SealingKey::derive(b"another");
        assert_eq!(Login::open(&state, Some(&browser), &other_key, at(0)), Err(StateError::Forged));
        for forged in ["", "0", "00", "ü", &state[2..], &state.to_uppercase(), &"0".repeat(5000)] {
            assert_eq!(Login::open(forged, Some(&browser), &key, at(0)), Err(StateError::Forged), "{forged}");
        }
    }

    #[test]
    fn what_is_asked_after_line_is_no_state_and_opens_for_ten_minutes_more() {
        let (key, browser) = (SealingKey::derive(b"secret"), BrowserSecret::random());
        let login = Login::begin(&browser, token("j".repeat(16)), None, None, at(0));
        let member = MemberId::parse("another").unwrap();
        let link = NewLink {
            member: MemberId::parse(&login.member).unwrap(),
            user: LineUserId::parse(&format!("U{}", "0".repeat(32))).unwrap(),
            linked_at: at(0),
            token: AccessToken::new("token".to_owned()),
            token_expires_at: at(9000),
            refresh_token: Some(RefreshToken::new("refresh".to_owned())),
            refresh_expires_at: at(90_000),
        };
        let replaced = Replaced { member: Some(member), ..Replaced::default() };
        assert_eq!(login.not_agreed(&replaced), Some(NotAgreed { user: false, member: true }));
        let sealed = Confirmed::new(&login, &link, &replaced, at(500)).seal(&key);
        let opened = Confirmed::open(&sealed, Some(&browser), &key, at(1099)).ok().unwrap();
        assert_eq!(opened.login.not_agreed(&replaced), None, "the button says yes to it");
        let another = Replaced { member: Some(MemberId::parse("a-third").unwrap()), ..Replaced::default() };
        assert!(opened.login.not_agreed(&another).is_some());
        assert_eq!(opened.link(at(600)).unwrap().refresh_token, link.refresh_token);
        assert!(matches!(Confirmed::open(&sealed, Some(&browser), &key, at(1100)), Err(StateError::Expired(_))));
        assert!(matches!(Confirmed::open(&sealed, None, &key, at(600)), Err(StateError::NoCookie(_))));
        let state = BASE64_URL_SAFE_NO_PAD.encode(from_hex(&login.seal(&key)).unwrap());
        assert!(matches!(Confirmed::open(&state, Some(&browser), &key, at(0)), Err(StateError::Forged)));
    }

    #[test]
    fn two_logins_of_one_browser_share_neither_nonce_nor_verifier() {
        let browser = BrowserSecret::random();
        let [one, two] = [(); 2].map(|()| Login::begin(&browser, token("jti".to_owned()), None, None, at(0)));
        assert_ne!(one.nonce(&browser), two.nonce(&browser));
        assert_ne!(one.code_verifier(&browser), two.code_verifier(&browser));
        assert_ne!(one.nonce(&browser), one.code_verifier(&browser));
        assert_eq!(one.code_verifier(&browser).len(), 43);
    }

    #[test]
    fn the_challenge_is_the_one_of_lines_example() {
        let hash = sha256(b"wJKN8qz5t8SSI9lMFhBB6qwNkQBkuPZoCxzRhwLRUo1");
        assert_eq!(hash, "BSCQwo_m8Wf0fpjmwkIKmPAJ1A7tiuRSNDnXzODS7QI");
    }

    #[test]
    fn the_cookie_comes_back_among_others() {
        let browser = BrowserSecret::random();
        let cookie = browser.set_cookie();
        let pair = cookie.split(';').next().unwrap();
        assert!(BrowserSecret::from_cookies(&format!("a=b; {pair};c=d")).as_ref() == Some(&browser));
        let sent = browser.sent_to_line();
        let cookie = sent.set_cookie();
        assert!(BrowserSecret::from_cookies(cookie.split(';').next().unwrap()) == Some(sent));
        for wrong in
            ["", "__Host-line-login", "__Host-line-login=", "__Host-line-login=AAAA", "__Host-line-login=.sent"]
        {
            assert!(BrowserSecret::from_cookies(wrong).is_none(), "{wrong}");
        }
    }
}
