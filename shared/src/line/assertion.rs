//! The JWT assertion that LINE issues a channel access token for.
//!
//! Source: LINE, "Issue channel access token v2.1" (generate-json-web-token): RS256 with a 2048-bit RSA key whose
//! public half is registered with the channel; `exp` at most 30 minutes ahead, in seconds; `token_exp` at most 30 days.

use std::{fmt, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use pkcs1::{RsaPrivateKey, UintRef, der::Encode as _};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Long enough for a slow call and a clock that is off, far below LINE's 30 minutes.
const ASSERTION_LIFE: time::Duration = time::Duration::minutes(10);

/// Signs assertions for one channel.
#[derive(Clone)]
pub struct AssertionSigner {
    channel_id: String,
    kid: String,
    key: EncodingKey,
}

/// A private RSA key as a JWK, as the key generator of LINE's documentation prints it.
#[derive(Deserialize)]
pub struct PrivateJwk {
    kty: String,
    n: String,
    e: String,
    d: String,
    p: String,
    q: String,
    dp: String,
    dq: String,
    qi: String,
}

/// The key cannot sign. Names the field, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not an RSA key.
    #[error("privateKey.kty must be RSA")]
    NotRsa,
    /// A number that is not base64url, or empty.
    #[error("privateKey.{0} must be base64url without padding")]
    NotBase64Url(&'static str),
    /// LINE takes 2048 bits only.
    #[error("privateKey.n must have 2048 bits, not {0}")]
    Bits(usize),
    /// Each number reads well, but they are not one key.
    #[error("privateKey: its numbers (n, e, d, p, q, dp, dq, qi) do not make a working RSA key")]
    Inconsistent,
}

impl fmt::Debug for AssertionSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertionSigner(channel {}, kid {})", self.channel_id, self.kid)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'static str,
    exp: i64,
    token_exp: u64,
}

impl AssertionSigner {
    /// Takes the key apart. Whether its numbers are one key, only a signature tells, and none is made before a token is
    /// asked for: most starts of a function ask for none.
    pub fn new(channel_id: String, kid: String, jwk: &PrivateJwk) -> Result<Self, KeyError> {
        Ok(Self { channel_id, kid, key: EncodingKey::from_rsa_der(&jwk.to_pkcs1()?) })
    }

    /// The channel's id.
    pub fn channel_id(&self) -> &str {
        &self.channel_id
    }

    /// An assertion for a token that lives `token_life`, in whole seconds.
    pub fn sign(&self, now: OffsetDateTime, token_life: Duration) -> Result<String, KeyError> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.kid.clone());
        let claims = Claims {
            iss: &self.channel_id,
            sub: &self.channel_id,
            aud: "https://api.line.me/",
            exp: (now + ASSERTION_LIFE).unix_timestamp(),
            token_exp: token_life.as_secs(),
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| KeyError::Inconsistent)
    }
}

impl PrivateJwk {
    /// The part of the key that nobody else has.
    pub(super) fn private_exponent(&self) -> &[u8] {
        self.d.as_bytes()
    }

    /// The signer reads PKCS#1 DER only.
    fn to_pkcs1(&self) -> Result<Vec<u8>, KeyError> {
        if self.kty != "RSA" {
            return Err(KeyError::NotRsa);
        }
        let number = |name, text: &str| match BASE64_URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if !bytes.is_empty() => Ok(bytes),
            _ => Err(KeyError::NotBase64Url(name)),
        };
        let [n, e, d, p, q, dp, dq, qi] = [
            number("n", &self.n)?,
            number("e", &self.e)?,
            number("d", &self.d)?,
            number("p", &self.p)?,
            number("q", &self.q)?,
            number("dp", &self.dp)?,
            number("dq", &self.dq)?,
            number("qi", &self.qi)?,
        ];
        let significant = n.iter().position(|byte| *byte != 0).map_or(&[][..], |start| &n[start..]);
        let bits = significant.len() * 8 - significant.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if bits != 2048 {
            return Err(KeyError::Bits(bits));
        }
        let uint = |bytes| UintRef::new(bytes).map_err(|_| KeyError::Inconsistent);
        let key = RsaPrivateKey {
            modulus: uint(&n)?,
            public_exponent: uint(&e)?,
            private_exponent: uint(&d)?,
            prime1: uint(&p)?,
            prime2: uint(&q)?,
            exponent1: uint(&dp)?,
            exponent2: uint(&dq)?,
            coefficient: uint(&qi)?,
            other_prime_infos: None,
        };
        key.to_der().map_err(|_| KeyError::Inconsistent)
    }
}
