//! Cursors: where a list goes on, sealed, so that they say nothing and nobody can make one. A cursor belongs to the
//! list and the filters that gave it out. And how much a page has room for.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use shared::token::sealing::SealingKey;

use crate::Caller;

/// Of Lambda's answers, which have at most 6 MB: what they hold, in bytes of JSON. It travels as a text in another
/// JSON, and grows to less than twice of it on the way.
const MAX_PAGE: usize = 2_500_000;

/// What is left of a page's room.
#[derive(Debug, Default)]
pub struct Room {
    used: usize,
}

impl Room {
    /// Whether there was room for this, too. The first item of a page has it always: none is larger than what DynamoDB
    /// keeps.
    pub fn takes(&mut self, item: &Value) -> bool {
        let size = item.to_string().len();
        if self.used > 0 && self.used + size > MAX_PAGE {
            return false;
        }
        self.used += size;
        true
    }
}

/// Puts `next` into a page's body, if there is a next page.
pub fn put_next<T: Serialize>(body: &mut Value, caller: &Caller, context: &str, position: Option<&T>) {
    if let Some(position) = position {
        body["next"] = json!(seal(&caller.keys.sealing_key, context, position));
    }
}

fn seal<T: Serialize>(key: &SealingKey, context: &str, position: &T) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key.seal(&named(context), &json!(position).to_string()))
}

/// The position that was sealed in this context; none for anything else.
pub fn open<T: DeserializeOwned>(key: &SealingKey, context: &str, cursor: &str) -> Option<T> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    serde_json::from_str(&key.open(&named(context), &sealed)?).ok()
}

fn named(context: &str) -> String {
    format!("cursor of {context}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_takes_its_first_item_and_then_what_fits() {
        let (mut room, small) = (Room::default(), json!("x"));
        assert!(room.takes(&json!("x".repeat(MAX_PAGE - 6))));
        assert!(room.takes(&small) && !room.takes(&small));
        assert!(Room::default().takes(&json!("x".repeat(MAX_PAGE))), "a page without any would never end");
    }

    #[test]
    fn a_cursor_opens_in_its_own_list_only() {
        let key = SealingKey::derive(b"a secret");
        let cursor = seal(&key, "deliveries of a day", &("R1", 7));
        assert_eq!(open::<(String, u32)>(&key, "deliveries of a day", &cursor), Some(("R1".to_owned(), 7)));
        assert_eq!(open::<(String, u32)>(&key, "deliveries of another", &cursor), None);
        assert_eq!(open::<(String, u32)>(&SealingKey::derive(b"another"), "deliveries of a day", &cursor), None);
        for place in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(open::<(String, u32)>(&key, "deliveries of a day", &changed), None, "{place}");
        }
        assert_eq!(open::<(String, u32)>(&key, "deliveries of a day", ""), None);
    }
}
