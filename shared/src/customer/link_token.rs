//! The link token: with it the company's app sends a member of its own to `GET /login?token=…`.
//!
//! A JWT, signed with HS256 and a secret that the app and this stack share. Claims: `sub` (the member's id), `exp` (at
//! most ten minutes ahead), `jti` (16 to 128 characters, another one for every token) and, where the member is to go
//! back to the app afterwards, `return_url`. Source: RFC 7519; the claims are a contract of ours.
//!
//! A token says who comes, not in which browser: [`crate::customer::used_token`] ties it to the first one.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::ids::MemberId;

/// A token may be valid for this long at most.
pub const MAX_LIFE: time::Duration = time::Duration::minutes(10);
/// The app's clock and ours may differ by this much.
const LEEWAY: time::Duration = time::Duration::seconds(30);
/// The longest token that is looked at.
const MAX_TOKEN: usize = 4096;

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
}

/// A link token that is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkTokenError {
    /// Not an HS256 JWT of ours. A secret that was rotated a moment ago looks like this too.
    #[error("the link token is not signed with HS256 and one of our secrets")]
    Signature,
    /// Signed by the app, and over.
    #[error("the link token: exp has passed")]
    Expired,
    /// Signed by the app, and wrong. Names the claim.
    #[error("the link token: {0}")]
    Claim(String),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    // RFC 7519 allows fractions of a second.
    exp: f64,
    jti: String,
    return_url: Option<String>,
}

impl LinkTokenKeys {
    /// Keys from these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a String>) -> Self {
        Self(secrets.into_iter().map(|secret| DecodingKey::from_secret(secret.as_bytes())).collect())
    }

    /// Checks a token.
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<LinkToken, LinkTokenError> {
        if token.len() > MAX_TOKEN {
            return Err(LinkTokenError::Signature);
        }
        // `alg` is never taken from the token. Times are checked below, against the clock that is given.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        for key in &self.0 {
            match decode::<Value>(token, key, &validation) {
                Ok(decoded) => {
                    let missing = "sub, exp and jti must be there, exp as a number";
                    let claims: Result<Claims, _> = serde_json::from_value(decoded.claims);
                    return claims.map_err(|_| LinkTokenError::Claim(missing.to_owned()))?.check(now);
                }
                Err(error) if *error.kind() == ErrorKind::InvalidAudience => {
                    return Err(LinkTokenError::Claim("aud must be left out".to_owned()));
                }
                Err(_) => {}
            }
        }
        Err(LinkTokenError::Signature)
    }
}

impl Claims {
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
            return claim("exp must be in seconds since 1970".to_owned());
        };
        if expires_at + LEEWAY <= now {
            return Err(LinkTokenError::Expired);
        }
        if expires_at > now + MAX_LIFE + LEEWAY {
            return claim("exp must be at most ten minutes ahead, in seconds since 1970".to_owned());
        }
        Ok(LinkToken { member, jti: self.jti, expires_at, return_url: self.return_url })
    }
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
    fn a_token_of_nobody_is_refused() {
        let good = sign(Algorithm::HS256, SECRET, &claims(json!({})));
        let parts: Vec<_> = good.split('.').collect();
        let none = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
        let changed =
            sign(Algorithm::HS256, "wrong-secret-of-32-characters-!!!", &claims(json!({ "sub": "member-2" })));
        for token in [
            "",
            "a.b.c",
            &none,
            &format!("{}.{}.", parts[0], parts[1]),
            &format!("{}.{}.{}", parts[0], changed.split('.').nth(1).unwrap(), parts[2]),
            &sign(Algorithm::HS256, "wrong-secret-of-32-characters-!!!", &claims(json!({}))),
            &sign(Algorithm::HS512, SECRET, &claims(json!({}))),
            &"a".repeat(5000),
        ] {
            assert_eq!(verify(token), Err(LinkTokenError::Signature), "{token}");
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
            (json!({ "exp": (NOW + 300) * 1000 }), "in seconds since 1970"),
            (json!({ "exp": 1e300 }), "exp must be in seconds"),
            (json!({ "exp": "1788227700" }), "exp as a number"),
            (json!({ "exp": null }), "exp as a number"),
            (json!({ "sub": "member 1" }), "sub must be"),
            (json!({ "sub": "" }), "sub must be"),
            (json!({ "jti": "short" }), "jti must be"),
            (json!({ "jti": null }), "sub, exp and jti"),
            (json!({ "aud": "somebody else" }), "aud must be left out"),
        ] {
            let error = verify(&sign(Algorithm::HS256, SECRET, &claims(changes))).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
