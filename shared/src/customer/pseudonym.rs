//! What stands for a person who must be forgotten: a keyed hash. It tells whether something was about this person, for
//! whoever has the person's id and the key; nobody finds the person by it.
//!
//! The key is made by the deployment and never changes: what was hashed under another one is not recognised any more.

use aws_lc_rs::hmac;
use serde::Deserialize;

use crate::{
    aws::secret::{Secret, SecretContent, SecretError, Secrets, from_json},
    clock::Clock,
    ids::{LineUserId, MemberId},
    invalid::Invalid,
    lambda::environment::{SettingError, required},
};

/// A shorter key could be guessed.
const MIN_KEY: usize = 32;

/// The key: `{"key": "…"}`.
#[derive(Debug)]
pub struct PseudonymKey(hmac::Key);

impl SecretContent for PseudonymKey {
    const PAGE: &'static str = "functions/operations/PERSONAL_DATA.md";
    const LETS_IN: bool = false;

    fn parse(json: &str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        struct Fields {
            key: String,
        }
        let Fields { key } = from_json(json)?;
        if key.len() < MIN_KEY {
            return Err(format!("field key must have at least {MIN_KEY} characters").into());
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())))
    }
}

impl PseudonymKey {
    /// HMAC-SHA256, in hexadecimal digits. What is hashed as one kind of thing equals nothing of another kind.
    fn hash(&self, kind: &str, text: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{kind}\0{text}").as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Makes them.
#[derive(Debug)]
pub struct Pseudonyms {
    secret: Secret<PseudonymKey>,
}

impl Pseudonyms {
    /// The key of this stack; nothing is read yet.
    pub fn from_env(secrets: &Secrets, clock: Clock) -> Result<Self, SettingError> {
        Ok(Self { secret: Secret::new(secrets, required("PSEUDONYM_SECRET_ID")?, clock) })
    }

    /// Reads the key before it is needed.
    pub async fn warm_up(&self) -> Result<(), SecretError> {
        self.secret.get().await.map(|_| ())
    }

    /// What stands for this LINE user.
    pub async fn of_user(&self, user: &LineUserId) -> Result<String, SecretError> {
        Ok(self.secret.get().await?.hash("line_user_id", user.as_str()))
    }

    /// What stands for this member, who has no LINE user.
    pub async fn of_member(&self, member: &MemberId) -> Result<String, SecretError> {
        Ok(self.secret.get().await?.hash("member_id", member.as_str()))
    }

    /// What stands for this content.
    pub async fn of_content(&self, content: &str) -> Result<String, SecretError> {
        Ok(self.secret.get().await?.hash("content", content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(character: &str) -> PseudonymKey {
        PseudonymKey::parse(&format!(r#"{{"key":"{}"}}"#, character.repeat(MIN_KEY))).unwrap()
    }

    #[test]
    fn a_hash_is_of_one_key_one_kind_and_one_text() {
        let hash = key("a").hash("content", "text");
        assert_eq!((hash.len(), &hash), (64, &key("a").hash("content", "text")));
        for other in [key("b").hash("content", "text"), key("a").hash("user", "text"), key("a").hash("content", "tex")]
        {
            assert_ne!(other, hash);
        }
    }

    #[test]
    fn a_key_that_could_be_guessed_is_none() {
        for (json, expected) in
            [(r#"{"key":"hunter2"}"#, "field key must have at least"), ("{}", "field key is missing")]
        {
            let error = PseudonymKey::parse(json).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        assert!(!format!("{:?}", key("z")).contains("zz"));
    }
}
