//! Sealing (AES-256-GCM): what is kept where others can read it is readable only with the secret.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf,
};

/// Seals what must not be readable where it is kept: a token in a table, a login's state in an address.
pub struct SealingKey(RandomizedNonceKey);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl SealingKey {
    /// Derives the key from a secret that only Secrets Manager holds (HKDF-SHA256).
    pub fn derive(secret: &[u8]) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"shared-token");
        let mut key = [0; 32];
        let filled = salt
            .extract(secret)
            .expand(&[b"seal"], hkdf::HKDF_SHA256)
            .and_then(|material| material.fill(&mut key))
            .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, &key));
        Self(filled.expect("HKDF-SHA256 gives 32 bytes, AES-256 takes 32 bytes"))
    }

    /// The nonce, then the sealed text. It opens under the same `context` only: an issuer's name, a link's id.
    pub fn seal(&self, context: &str, text: &str) -> Vec<u8> {
        let mut sealed = text.as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut sealed)
            .expect("AES-GCM seals any text shorter than 64 GB");
        [nonce.as_ref().as_slice(), &sealed].concat()
    }

    /// What was sealed under this `context`; `None` for anything else.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let mut opened = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.open_in_place(nonce, Aad::from(context.as_bytes()), &mut opened).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_token_opens_with_its_own_key_and_issuer_only() {
        let key = SealingKey::derive(b"secret");
        let token = "token";
        let sealed = key.seal("line", token);
        assert_eq!(key.open("line", &sealed), Some(token.to_owned()));
        assert_eq!(SealingKey::derive(b"secret").open("line", &sealed), Some(token.to_owned()));
        assert_eq!(key.open("sobot", &sealed), None);
        assert_eq!(SealingKey::derive(b"another").open("line", &sealed), None);
        assert_eq!(key.open("line", &sealed[1..]), None);
        assert_eq!(key.open("line", b"short"), None);
        assert_ne!(sealed, key.seal("line", token), "a nonce was used twice");
    }
}
