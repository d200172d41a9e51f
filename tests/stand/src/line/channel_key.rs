//! An assertion signing key as an operator would make it for a channel: fresh in every run, so that no private key
//! ever lies in the repository.

use anyhow::Context as _;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::Value;
use signing_key::SigningKey;

use crate::random::random_uuid;

/// A key pair, and the `kid` LINE gives out when the public half is registered in the console.
#[derive(Clone)]
pub struct ChannelKey {
    kid: String,
    key: SigningKey,
    public: DecodingKey,
}

impl ChannelKey {
    /// Makes a new pair with a random `kid`.
    pub fn generate() -> anyhow::Result<Self> {
        let key = SigningKey::generate()?;
        let public = key.public_jwk();
        let part = |name: &str| public[name].as_str().unwrap_or_default();
        let public = DecodingKey::from_rsa_components(part("n"), part("e")).context("no public key")?;
        Ok(Self { kid: random_uuid().to_string(), key, public })
    }

    /// The issued key id. LINE forbids it inside the JWK, so it always travels beside it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key with every component, as kept in the secret store.
    pub fn private_jwk(&self) -> Value {
        self.key.private_jwk()
    }

    /// The public half, as registered in the console.
    pub fn decoding_key(&self) -> DecodingKey {
        self.public.clone()
    }

    /// The private half, for tests that write an assertion by hand.
    pub fn encoding_key(&self) -> EncodingKey {
        EncodingKey::from_rsa_der(self.key.rsa_private_key())
    }
}

impl std::fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, crypto};

    use super::*;

    #[test]
    fn both_halves_belong_together_and_to_no_other_pair() {
        let (key, other) = (ChannelKey::generate().unwrap(), ChannelKey::generate().unwrap());
        let signature = crypto::sign(b"assertion", &key.encoding_key(), Algorithm::RS256).unwrap();
        assert!(crypto::verify(&signature, b"assertion", &key.decoding_key(), Algorithm::RS256).unwrap());
        assert!(!crypto::verify(&signature, b"assertion", &other.decoding_key(), Algorithm::RS256).unwrap());
        assert_ne!(key.kid(), other.kid());
    }
}
