//! An assertion signing key, as LINE wants one for a channel: an RSA key of 2048 bits for RS256, as a JWK (LINE: "Issue
//! channel access token v2.1").

use anyhow::{Context as _, anyhow};
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use pkcs1::{
    RsaPrivateKey,
    der::{
        Decode as _, Reader as _, SliceReader,
        asn1::{AnyRef, OctetStringRef, UintRef},
    },
};
use serde_json::{Value, json};

/// A new key pair. Neither half bears a `kid`: LINE gives one out when the public half is registered, and wants it
/// beside the key.
#[derive(Clone)]
pub struct SigningKey {
    private_jwk: Value,
    rsa_private_key: Vec<u8>,
}

impl SigningKey {
    /// Makes one.
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
        Ok(Self { private_jwk, rsa_private_key })
    }

    /// The private key with every component, for the secret.
    pub fn private_jwk(&self) -> Value {
        self.private_jwk.clone()
    }

    /// The public half, for LINE's console.
    pub fn public_jwk(&self) -> Value {
        let part = |name: &str| self.private_jwk[name].clone();
        json!({ "kty": part("kty"), "alg": part("alg"), "use": part("use"), "n": part("n"), "e": part("e") })
    }

    /// The private key as an `RSAPrivateKey` of PKCS#1, in DER.
    pub fn rsa_private_key(&self) -> &[u8] {
        &self.rsa_private_key
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
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
    use super::*;

    #[test]
    fn the_private_half_has_every_component_and_the_public_one_only_what_line_needs() {
        let key = SigningKey::generate().unwrap();
        let (private, public) = (key.private_jwk(), key.public_jwk());
        for component in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
            let text = private[component].as_str().unwrap();
            assert!(!BASE64_URL_SAFE_NO_PAD.decode(text).unwrap().is_empty(), "{component}");
        }
        let names: Vec<&String> = public.as_object().unwrap().keys().collect();
        assert_eq!(names, ["alg", "e", "kty", "n", "use"]);
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(public["n"].as_str().unwrap()).unwrap().len(), 256);
        assert_ne!(SigningKey::generate().unwrap().public_jwk(), public);
    }
}
