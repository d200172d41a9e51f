//! The link token: with it the company's app sends a member of its own to `GET /login?token=…`.
//!
//! A JWT, signed with HS256 and a secret that the app and this stack share. Claims: `sub` (the member's id), `exp` (at
//! most ten minutes ahead), `jti` (16 to 128 characters, another one for every token); where the member is to go back
//! to the app afterwards, `return_url`; where a page is to greet the member by name, `name`; and `replace`, whether the
//! login may take the place of a link that stands. Source: RFC 7519; the claims are a contract of ours.
//!
//! A token says who comes, not in which browser: [`crate::customer::used_token`] ties it to the first one.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::{foreign_json, ids::MemberId};

/// A token may be valid for this long at most.
pub const MAX_LIFE: time::Duration = time::Duration::minutes(10);
/// The app's clock and ours may differ by this much.
const LEEWAY: time::Duration = time::Duration::seconds(30);
/// The longest token that is looked at.
const MAX_TOKEN: usize = 4096;
/// A name is shown up to so many characters, and bytes of UTF-8: it travels in LINE's `state`.
const MAX_NAME: (usize, usize) = (40, 160);

/// The secrets that the app may sign with: the current one, and the previous one while rotating.
#[derive(Clone)]
pub struct LinkTokenKeys(Vec<DecodingKey>);

impl fmt::Debug for LinkTokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LinkTokenKeys({})", self.0.len())
    }
}

/// A link token that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkToken {
    /// Who comes.
    pub member: MemberId,
    /// The token's own id.
    pub jti: String,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// Where the member wants to go afterwards, as the app wrote it: not checked here.
    pub return_url: Option<String>,
    /// What the app calls the member, fit for a page; none where the app did not say.
    pub name: Option<String>,
    /// Whether a link that stands may be replaced.
    pub replace: Replace,
}

/// Whether a login may take the place of another link of the member's, or of the LINE user's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replace {
    /// If the customer says so when asked.
    #[default]
    Ask,
    /// Unasked: the app has asked.
    Always,
    /// Not at all.
    Never,
}

/// A link token that is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkTokenError {
    /// Something else, or a part of one.
    #[error("the link token is missing, cut off, or not a JWT")]
    NotAToken,
    /// A JWT, signed in another way.
    #[error("the link token: alg must be HS256")]
    Algorithm,
    /// An HS256 JWT that is not the app's, or was changed. A secret that was rotated a moment ago looks like this too.
    #[error("the link token is not signed with a configured link token secret")]
    Signature,
    /// Signed by the app, and over.
    #[error("the link token: exp has passed")]
    Expired,
    /// Signed by the app, and wrong. Names the claim.
    #[error("the link token: {0}")]
    Claim(String),
}

struct Claims {
    sub: String,
    // RFC 7519 allows fractions of a second.
    exp: f64,
    jti: String,
    return_url: Option<String>,
    name: Option<String>,
    replace: Replace,
}

impl LinkTokenKeys {
    /// Keys from these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a String>) -> Self {
        Self(secrets.into_iter().map(|secret| DecodingKey::from_secret(secret.as_bytes())).collect())
    }

    /// Checks a token.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<LinkToken, LinkTokenError> {
        match algorithm(token) {
            Some(algorithm) if algorithm == "HS256" => {}
            Some(_) => return Err(LinkTokenError::Algorithm),
            None => return Err(LinkTokenError::NotAToken),
        }
        // What the token says of itself is believed in nothing. Times are checked below,
        // against the clock that is given.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        for key in &self.0 {
            match decode::<Value>(token, key, &validation) {
                Ok(decoded) => return Claims::read(&decoded.claims)?.check(now),
                Err(error) if *error.kind() == ErrorKind::InvalidAudience => {
                    return Err(LinkTokenError::Claim("aud must be omitted".to_owned()));
                }
                Err(_) => {}
            }
        }
        Err(LinkTokenError::Signature)
    }
}

/// Which algorithm a JWT names; none where it is no JWT.
fn algorithm(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN || token.split('.').count() != 3 {
        return None;
    }
    let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: Value = serde_json::from_str(foreign_json::utf8(&header).ok()?).ok()?;
    header["alg"].as_str().map(str::to_owned)
}

impl Claims {
    fn read(claims: &Value) -> Result<Self, LinkTokenError> {
        let text = |name: &str| match &claims[name] {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(LinkTokenError::Claim(format!("{name} must be a string"))),
        };
        let required = |name: &str| text(name)?.ok_or_else(|| LinkTokenError::Claim(format!("{name} is missing")));
        let exp = match &claims["exp"] {
            Value::Null => Err(LinkTokenError::Claim("exp is missing".to_owned())),
            exp => exp.as_f64().ok_or_else(|| LinkTokenError::Claim("exp must be a number".to_owned())),
        };
        let replace = match text("replace")?.as_deref() {
            None | Some("ask") => Replace::Ask,
            Some("always") => Replace::Always,
            Some("never") => Replace::Never,
            Some(_) => return Err(LinkTokenError::Claim("replace must be ask, always or never".to_owned())),
        };
        Ok(Self {
            sub: required("sub")?,
            exp: exp?,
            jti: required("jti")?,
            return_url: text("return_url")?,
            name: text("name")?,
            replace,
        })
    }

    fn check(self, now: OffsetDateTime) -> Result<LinkToken, LinkTokenError> {
        let claim = |text: String| Err(LinkTokenError::Claim(text));
        let member = match MemberId::parse(&self.sub) {
            Ok(member) => member,
            Err(problem) => return claim(format!("sub {problem}")),
        };
        if !(16..=128).contains(&self.jti.len()) || !self.jti.bytes().all(|byte| byte.is_ascii_graphic()) {
            return claim("jti must be 16 to 128 visible ASCII characters".to_owned());
        }
        // A cast saturates, and nothing so far away is a time.
        let Ok(expires_at) = OffsetDateTime::from_unix_timestamp(self.exp as i64) else {
            return claim("exp must be in seconds since 1970, not in milliseconds".to_owned());
        };
        if expires_at + LEEWAY <= now {
            return Err(LinkTokenError::Expired);
        }
        if expires_at > now + MAX_LIFE + LEEWAY {
            return claim("exp must be at most ten minutes ahead".to_owned());
        }
        let Self { jti, return_url, name, replace, .. } = self;
        let name = name.as_deref().and_then(shown_name);
        Ok(LinkToken { member, jti, expires_at, return_url, name, replace })
    }
}

/// A name as a page may show it: on one line, not too long, and without what turns the text around it about.
fn shown_name(name: &str) -> Option<String> {
    let turns =
        |c| matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let plain: String = name.chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect();
    let name = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let ends = name.grapheme_indices(true).map(|(start, cluster)| start + cluster.len());
    let shown = &name[..ends.take(MAX_NAME.0).take_while(|end| *end <= MAX_NAME.1).last()?];
    Some(if shown.len() < name.len() { format!("{shown}…") } else { name })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_788_227_400;

    fn sign(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    fn claims(changes: Value) -> Value {
        let mut claims = json!({ "sub": "member-1", "exp": NOW + 300, "jti": "0123456789abcdef" });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn verify(token: &str) -> Result<LinkToken, LinkTokenError> {
        let keys = LinkTokenKeys::new(&["another-secret-of-32-characters-!".to_owned(), SECRET.to_owned()]);
        keys.verify(token, OffsetDateTime::from_unix_timestamp(NOW).unwrap())
    }

    #[test]
    fn a_good_token_names_the_member_whichever_secret_signed_it() {
        let token = verify(&sign(Algorithm::HS256, SECRET, &claims(json!({ "return_url": "https://app.example/" }))));
        let token = token.unwrap();
        assert_eq!((token.member.as_str(), token.return_url.as_deref()), ("member-1", Some("https://app.example/")));
        let other =
            sign(Algorithm::HS256, "another-secret-of-32-characters-!", &claims(json!({ "exp": NOW as f64 + 0.5 })));
        assert!(verify(&other).is_ok());
        for exp in [NOW - 29, NOW + 630] {
            assert!(verify(&sign(Algorithm::HS256, SECRET, &claims(json!({ "exp": exp })))).is_ok(), "{exp}");
        }
    }

    #[test]
    fn a_token_made_with_a_few_lines_of_python_is_good() {
        let parts = [
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
            "eyJzdWIiOiAibWVtYmVyLTEiLCAiZXhwIjogMTc4ODIyNzcwMCwgImp0aSI6ICIwMTIzNDU2Nzg5YWJjZGVmIn0",
            "6W6_LRiZ6p7pFQoUClVyUibGft9ZK7v_Gws2oRtiIcQ",
        ];
        assert_eq!(verify(&parts.join(".")).unwrap().jti, "0123456789abcdef");
    }

    #[test]
    fn a_name_is_one_short_line_and_replacing_is_asked_for() {
        let read = |changes| verify(&sign(Algorithm::HS256, SECRET, &claims(changes))).unwrap();
        for (name, shown) in [
            (json!("陈梅"), Some("陈梅".to_owned())),
            (json!(" a\n\u{202E}b\u{0}  c "), Some("a b c".to_owned())),
            (json!("x".repeat(41)), Some("x".repeat(40) + "…")),
            (json!("👩🏽‍❤️‍💋‍👨🏿".repeat(50)), Some("👩🏽‍❤️‍💋‍👨🏿".repeat(4) + "…")),
            (json!(" \n"), None),
            (Value::Null, None),
        ] {
            assert_eq!(read(json!({ "name": name })).name, shown, "{name}");
        }
        assert_eq!(read(json!({})).replace, Replace::Ask);
        assert_eq!(read(json!({ "replace": "always" })).replace, Replace::Always);
        assert_eq!(read(json!({ "replace": "never" })).replace, Replace::Never);
    }

    #[test]
    fn a_token_of_nobody_is_refused() {
        let good = sign(Algorithm::HS256, SECRET, &claims(json!({})));
        let parts: Vec<_> = good.split('.').collect();
        let none = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
        let changed =
            sign(Algorithm::HS256, "wrong-secret-of-32-characters-!!!", &claims(json!({ "sub": "member-2" })));
        let (not_one, algorithm, signature) =
            (LinkTokenError::NotAToken, LinkTokenError::Algorithm, LinkTokenError::Signature);
        for (token, expected) in [
            ("", not_one.clone()),
            ("a.b.c", not_one.clone()),
            (&good[..good.len() / 2], not_one.clone()),
            (&none, algorithm.clone()),
            (&format!("{}.{}.", parts[0], parts[1]), signature.clone()),
            (&format!("{}.{}.{}", parts[0], changed.split('.').nth(1).unwrap(), parts[2]), signature.clone()),
            (&good[..good.len() - 1], signature.clone()),
            (&sign(Algorithm::HS256, "wrong-secret-of-32-characters-!!!", &claims(json!({}))), signature),
            (&sign(Algorithm::HS512, SECRET, &claims(json!({}))), algorithm),
            (&"a".repeat(5000), not_one),
        ] {
            assert_eq!(verify(token), Err(expected), "{token}");
        }
    }

    #[test]
    fn a_signed_token_with_a_wrong_claim_says_which() {
        assert_eq!(
            verify(&sign(Algorithm::HS256, SECRET, &claims(json!({ "exp": NOW - 30 })))),
            Err(LinkTokenError::Expired)
        );
        for (changes, expected) in [
            (json!({ "exp": NOW + 631 }), "exp must be at most ten minutes"),
            (json!({ "exp": (NOW + 300) * 1000 }), "exp must be in seconds since 1970, not in milliseconds"),
            (json!({ "exp": 1e300 }), "exp must be in seconds"),
            (json!({ "exp": "1788227700" }), "exp must be a number"),
            (json!({ "exp": null }), "exp is missing"),
            (json!({ "sub": null }), "sub is missing"),
            (json!({ "sub": "member 1" }), "sub must be"),
            (json!({ "sub": "" }), "sub must be"),
            (json!({ "jti": "short" }), "jti must be"),
            (json!({ "jti": null }), "jti is missing"),
            (json!({ "name": 7 }), "name must be a string"),
            (json!({ "return_url": 7 }), "return_url must be a string"),
            (json!({ "replace": "perhaps" }), "replace must be"),
            (json!({ "aud": "somebody else" }), "aud must be omitted"),
        ] {
            let error = verify(&sign(Algorithm::HS256, SECRET, &claims(changes))).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
