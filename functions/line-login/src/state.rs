//! A login without a session store: everything it needs is in the `state` that LINE hands back and in one cookie.
//!
//! * The cookie holds 32 random bytes, the browser's secret; [`COOKIE`] says where browsers take it from us alone.
//! * `state` is sealed with a key derived from the channel secret: nobody else can make or read one. It holds the
//!   member, the link token's `jti`, the way back and an end, and the hash of the browser's secret: in any other
//!   browser it is worth nothing. LINE wants it alphanumeric, so it is written in hexadecimal digits.
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
use serde::{Deserialize, Serialize};
use shared::{ids::MemberId, token::sealing::SealingKey};
use time::OffsetDateTime;

/// Set by an https page of this very host, sent to no other, and no script sees it.
pub const COOKIE: &str = "__Host-line-login";
/// A login takes this long at most; LINE's code lives as long.
const LIFE: time::Duration = time::Duration::minutes(10);
/// The cookie outlives every login that began with it, so that a page loaded again still finds its outcome.
const COOKIE_SECONDS: u32 = 3600;
const CONTEXT: &str = "login-state";
/// Longer ones are not ours: member, `jti` and way back are limited.
const MAX_STATE: usize = 4096;

/// What a browser's cookie holds.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserSecret([u8; 32]);

/// One login under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    id: String,
    browser: String,
    /// The member.
    pub member: String,
    /// The link token's id.
    pub jti: String,
    /// The way back, where the app named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
    expires_at: i64,
}

/// A `state` that is not good for this login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Not sealed by us, or the channel's secret has changed meanwhile.
    #[error("state is not ours")]
    Forged,
    /// No cookie: another browser, or one that keeps none.
    #[error("the browser's cookie is missing")]
    NoCookie,
    /// The cookie of another browser than the one that began.
    #[error("state belongs to another browser")]
    OtherBrowser,
    /// Too late.
    #[error("state has expired")]
    Expired,
}

impl BrowserSecret {
    /// A new one.
    pub fn random() -> Self {
        Self(random())
    }

    /// Reads it out of a `Cookie` header.
    pub fn from_cookies(header: &str) -> Option<Self> {
        let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
        BASE64_URL_SAFE_NO_PAD.decode(value).ok()?.try_into().ok().map(Self)
    }

    /// The `Set-Cookie` header.
    pub fn set_cookie(&self) -> String {
        let value = BASE64_URL_SAFE_NO_PAD.encode(self.0);
        format!("{COOKIE}={value}; Path=/; Max-Age={COOKIE_SECONDS}; Secure; HttpOnly; SameSite=Lax")
    }

    /// What only this browser can show for this member's link token.
    pub fn holder(&self, jti: &str, member: &str) -> String {
        self.derive("holder", &format!("{jti} {member}"))
    }

    fn derive(&self, purpose: &str, what: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, format!("{purpose} {what}").as_bytes()))
    }

    fn hash(&self) -> String {
        sha256(&self.0)
    }
}

impl Login {
    /// Begins a login in this browser.
    pub fn begin(
        browser: &BrowserSecret,
        member: &MemberId,
        jti: String,
        return_url: Option<String>,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            id: BASE64_URL_SAFE_NO_PAD.encode(random::<16>()),
            browser: browser.hash(),
            member: member.as_str().to_owned(),
            jti,
            return_url,
            expires_at: (now + LIFE).unix_timestamp(),
        }
    }

    /// The login as `state`.
    pub fn seal(&self, key: &SealingKey) -> String {
        let json = serde_json::to_string(self).expect("text and numbers are JSON");
        key.seal(CONTEXT, &json).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The login that `state` stands for, in the browser that began it.
    pub fn open(
        state: &str,
        browser: Option<&BrowserSecret>,
        key: &SealingKey,
        now: OffsetDateTime,
    ) -> Result<Self, StateError> {
        let sealed = from_hex(state).ok_or(StateError::Forged)?;
        let json = key.open(CONTEXT, &sealed).ok_or(StateError::Forged)?;
        let login: Self = serde_json::from_str(&json).map_err(|_| StateError::Forged)?;
        let browser = browser.ok_or(StateError::NoCookie)?;
        verify_slices_are_equal(login.browser.as_bytes(), browser.hash().as_bytes())
            .map_err(|_| StateError::OtherBrowser)?;
        if login.expires_at <= now.unix_timestamp() {
            return Err(StateError::Expired);
        }
        Ok(login)
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

    #[test]
    fn a_state_opens_in_its_own_browser_and_in_time() {
        let (key, browser) = (SealingKey::derive(b"secret"), BrowserSecret::random());
        let member = MemberId::parse("member-1").unwrap();
        let login = Login::begin(&browser, &member, "j".repeat(128), Some("https://app.example/".to_owned()), at(0));
        let state = login.seal(&key);
        assert!(state.len() <= MAX_STATE && state.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(Login::open(&state, Some(&browser), &key, at(599)), Ok(login.clone()));
        assert_eq!(Login::open(&state, Some(&browser), &key, at(600)), Err(StateError::Expired));
        assert_eq!(Login::open(&state, None, &key, at(0)), Err(StateError::NoCookie));
        assert_eq!(Login::open(&state, Some(&BrowserSecret::random()), &key, at(0)), Err(StateError::OtherBrowser));
        let other_key = SealingKey::derive(b"another");
        assert_eq!(Login::open(&state, Some(&browser), &other_key, at(0)), Err(StateError::Forged));
        for forged in ["", "0", "00", "ü", &state[2..], &state.to_uppercase(), &"0".repeat(5000)] {
            assert_eq!(Login::open(forged, Some(&browser), &key, at(0)), Err(StateError::Forged), "{forged}");
        }
    }

    #[test]
    fn two_logins_of_one_browser_share_neither_nonce_nor_verifier() {
        let browser = BrowserSecret::random();
        let member = MemberId::parse("member-1").unwrap();
        let [one, two] = [(); 2].map(|()| Login::begin(&browser, &member, "jti".to_owned(), None, at(0)));
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
        assert!(BrowserSecret::from_cookies(&format!("a=b; {pair};c=d")) == Some(browser));
        for wrong in ["", "__Host-line-login", "__Host-line-login=", "__Host-line-login=AAAA", "line-login=AAAA"] {
            assert!(BrowserSecret::from_cookies(wrong).is_none(), "{wrong}");
        }
    }
}
