//! An assertion signing key as an operator would make it for a channel: fresh in every run, so that no private key
//! ever lies in the repository. LINE: "Issue channel access token v2.1", an RSA key of 2048 bits for RS256.

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use pkcs1::{
    RsaPrivateKey,
    der::{
        Decode as _, Reader as _, SliceReader,
        asn1::{AnyRef, OctetStringRef, UintRef},
    },
};
use serde_json::{Value, json};

use crate::random::random_uuid;

/// A key pair, and the `kid` LINE gives out when the public half is registered in the console.
#[derive(Clone)]
pub struct ChannelKey {
    kid: String,
    private_jwk: Value,
    rsa_private_key: Vec<u8>,
    public: DecodingKey,
}

impl ChannelKey {
    /// Makes a new pair with a random `kid`.
    pub fn generate() -> anyhow::Result<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).context("no RSA key could be generated")?;
        let document = AsDer::<Pkcs8V1Der>::as_der(&pair).context("the new key has no PKCS#8 form")?;
        let rsa_private_key = unwrap_pkcs8(document.as_ref()).map_err(|error| anyhow!("PKCS#8: {error}"))?;
        let key =
            RsaPrivateKey::<UintRef<'_>>::from_der(&rsa_private_key).map_err(|error| anyhow!("PKCS#1: {error}"))?;
        let number = |number: UintRef<'_>| BASE64_URL_SAFE_NO_PAD.encode(number.as_bytes());
        let private_jwk = json!({
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "n": number(key.modulus),
            "e": number(key.public_exponent),
            "d": number(key.private_exponent),
            "p": number(key.prime1),
            "q": number(key.prime2),
            "dp": number(key.exponent1),
            "dq": number(key.exponent2),
            "qi": number(key.coefficient),
        });
        let public = DecodingKey::from_rsa_raw_components(key.modulus.as_bytes(), key.public_exponent.as_bytes());
        Ok(Self { kid: random_uuid().to_string(), private_jwk, rsa_private_key, public })
    }

    /// The issued key id. LINE forbids it inside the JWK, so it always travels beside it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The private key with every component, as kept in the secret store.
    pub fn private_jwk(&self) -> Value {
        self.private_jwk.clone()
    }

    /// The public half, as registered in the console.
    pub fn decoding_key(&self) -> DecodingKey {
        self.public.clone()
    }

    /// The private half, for tests that write an assertion by hand.
    pub fn encoding_key(&self) -> EncodingKey {
        EncodingKey::from_rsa_der(&self.rsa_private_key)
    }
}

impl std::fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// `PrivateKeyInfo ::= SEQUENCE { version, algorithm, OCTET STRING of an RSAPrivateKey }`
fn unwrap_pkcs8(document: &[u8]) -> Result<Vec<u8>, pkcs1::der::Error> {
    SliceReader::new(document)?.sequence(|info| {
        u8::decode(info)?;
        AnyRef::decode(info)?;
        Ok(<&OctetStringRef>::decode(info)?.as_bytes().to_vec())
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, crypto};

    use super::*;

    #[test]
    fn the_private_jwk_has_every_component_without_padding() {
        let key = ChannelKey::generate().unwrap();
        let jwk = key.private_jwk();
        for component in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
            let text = jwk[component].as_str().unwrap();
            assert!(!BASE64_URL_SAFE_NO_PAD.decode(text).unwrap().is_empty(), "{component}");
        }
        assert_eq!(jwk["kty"], "RSA");
        assert_eq!(jwk["alg"], "RS256");
        assert!(jwk.get("kid").is_none());
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap().len(), 256);
    }

    #[test]
    fn both_halves_belong_together_and_to_no_other_pair() {
        let (key, other) = (ChannelKey::generate().unwrap(), ChannelKey::generate().unwrap());
        let signature = crypto::sign(b"assertion", &key.encoding_key(), Algorithm::RS256).unwrap();
        assert!(crypto::verify(&signature, b"assertion", &key.decoding_key(), Algorithm::RS256).unwrap());
        assert!(!crypto::verify(&signature, b"assertion", &other.decoding_key(), Algorithm::RS256).unwrap());
        assert_ne!(key.kid(), other.kid());
    }
}
