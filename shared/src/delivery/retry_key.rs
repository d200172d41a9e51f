//! `X-Line-Retry-Key`: one name per order, status and generation in the whole of AWS, as a UUID.
//!
//! LINE accepts one request per key and channel, so two orders with one key would be one message. The name therefore
//! has all that tells this stack from any other that may push on the same channel: account, region and the stack's
//! name, besides its environment. The record keeps the key from its first claim on, so nothing that is renamed or
//! restored changes the key of an order that was pushed.

use uuid::Uuid;

use crate::lambda::environment::{SettingError, required};

/// The namespace of our retry keys: any constant will do, as long as it never changes.
const RETRY_KEYS: Uuid = Uuid::from_u128(0x6f3b_9a52_3c1e_4d27_8b0a_94d1_57e6_c8f3);

/// What tells this stack's retry keys from those of any other.
#[derive(Clone, Debug)]
pub struct KeySpace {
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The stack's name.
    pub stack: String,
    /// The stack's name for itself.
    pub environment: String,
}

impl KeySpace {
    /// Reads it from the environment of a function.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self {
            account: required("ACCOUNT_ID")?,
            region: required("AWS_REGION")?,
            stack: required("STACK_NAME")?,
            environment: required("ENVIRONMENT")?,
        })
    }

    /// The keys of one delivery.
    pub fn keys<'a>(&'a self, order_id: &'a str, status: &'a str) -> RetryKeys<'a> {
        RetryKeys { space: self, order_id, status }
    }
}

/// The retry keys of one delivery, one a generation.
#[derive(Clone, Copy, Debug)]
pub struct RetryKeys<'a> {
    space: &'a KeySpace,
    order_id: &'a str,
    status: &'a str,
}

impl RetryKeys<'_> {
    /// The key of a generation.
    pub fn key(self, generation: u32) -> Uuid {
        let KeySpace { account, region, stack, environment } = self.space;
        named(&format!("{account}/{region}/{stack}/{environment}/{}/{}/{generation}", self.order_id, self.status))
    }

    /// The key of a generation as versions named it that did not keep it in the record.
    pub fn former_key(self, generation: u32) -> Uuid {
        named(&format!("{}/{}/{}/{generation}", self.space.environment, self.order_id, self.status))
    }
}

fn named(name: &str) -> Uuid {
    Uuid::new_v5(&RETRY_KEYS, name.as_bytes())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn space() -> KeySpace {
        KeySpace {
            account: "123456789012".to_owned(),
            region: "ap-northeast-1".to_owned(),
            stack: "line-notifications".to_owned(),
            environment: "prod".to_owned(),
        }
    }

    #[test]
    fn whatever_differs_the_key_differs() {
        let space = space();
        let key = space.keys("A", "finish").key(1);
        assert_eq!(key, space.keys("A", "finish").key(1));
        assert_eq!(key.get_version_num(), 5);
        let mut others = vec![
            space.keys("B", "finish").key(1),
            space.keys("A", "start").key(1),
            space.keys("A", "finish").key(2),
            space.keys("A", "finish").former_key(1),
        ];
        let elsewhere = [
            KeySpace { account: "210987654321".to_owned(), ..space.clone() },
            KeySpace { region: "us-east-1".to_owned(), ..space.clone() },
            KeySpace { stack: "another".to_owned(), ..space.clone() },
            KeySpace { environment: "test".to_owned(), ..space.clone() },
        ];
        others.extend(elsewhere.iter().map(|space| space.keys("A", "finish").key(1)));
        others.push(key);
        let count = others.len();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), count);
    }

    /// Orders that such a version pushed must be pushed again under the same key.
    #[test]
    fn the_former_name_gives_the_former_key() {
        let expected = "d1466b6a-14f8-5be4-ab05-6e9878ed9176";
        assert_eq!(space().keys("R20200714-0001", "finish").former_key(1).to_string(), expected);
    }
}
