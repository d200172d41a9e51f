//! What a token is issued for: an issuer's secret, known again by its fingerprint.

use aws_lc_rs::digest::{SHA256, digest};

use crate::{aws::secret::SecretContent, token::sealing::SealingKey};

/// A secret that a token is issued for.
pub trait IssuerSecret: SecretContent {
    /// Seals the shared token; derived from the secret.
    fn sealing_key(&self) -> &SealingKey;
    /// Tells this secret from another one.
    fn fingerprint(&self) -> &str;
}
/// [`IssuerSecret::fingerprint`] of a secret's JSON: half of its SHA-256. Nobody guesses the keys in it.
pub fn fingerprint(json: &str) -> String {
    digest(&SHA256, json.as_bytes()).as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
