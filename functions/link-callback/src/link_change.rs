//! A change of a member's link, as the stream of the links' table tells it. What the items are is in
//! [`shared::customer::link`].

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{customer::link::member_of_item, ids::MemberId, invalid::Invalid};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The member is linked: had no LINE user before, or logged in again as the same one.
    Linked,
    /// The member had another LINE user until now.
    Replaced,
    /// The member has no LINE user any more.
    Unlinked,
}

/// A change of a member's link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkChange {
    /// DynamoDB's id of the record: the same for each time that it is handed out.
    pub event_id: String,
    /// What became of it.
    pub change: Change,
    /// Whose it is.
    pub member_id: MemberId,
    /// When: the time of the login, or when the link was removed, to the second.
    pub occurred_at: OffsetDateTime,
}

/// A record of the stream, as far as it is needed: DynamoDB, "Record" and "StreamRecord".
#[derive(Debug, Deserialize)]
pub struct Record {
    #[serde(rename = "eventID")]
    event_id: String,
    dynamodb: Images,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Images {
    keys: Key,
    old_image: Option<LinkItem>,
    new_image: Option<LinkItem>,
    /// In seconds since 1970.
    approximate_creation_date_time: f64,
}

#[derive(Debug, Deserialize)]
struct Key {
    id: Text,
}

/// A member's item, or another's, which has other attributes.
#[derive(Debug, Deserialize)]
struct LinkItem {
    line_user_id: Option<Text>,
    linked_at: Option<Text>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl Record {
    /// Reads one. serde's error would quote what it does not like, which may be somebody's id.
    pub fn read(record: Value) -> Result<Self, Invalid> {
        serde_json::from_value(record).map_err(|_| Invalid::from("it has not the form of a record"))
    }

    /// The change that the app is told of; `None` where it is none, such as the LINE user's side of a link, or what is
    /// remembered of one that ended.
    pub fn change(self) -> Result<Option<LinkChange>, Invalid> {
        let Images { keys, old_image, new_image, approximate_creation_date_time } = self.dynamodb;
        let Some(member_id) = member_of_item(&keys.id.text) else { return Ok(None) };
        let change = match (&old_image, &new_image) {
            (None, Some(_)) => Change::Linked,
            (Some(old), Some(new)) if old.line_user_id != new.line_user_id => Change::Replaced,
            (Some(old), Some(new)) if old.linked_at != new.linked_at => Change::Linked,
            (Some(_), Some(_)) => return Ok(None),
            (Some(_), None) => Change::Unlinked,
            (None, None) => return Err("neither an old nor a new image is there".into()),
        };
        let login = new_image.and_then(|link| OffsetDateTime::parse(&link.linked_at?.text, &Rfc3339).ok());
        let written = OffsetDateTime::from_unix_timestamp(approximate_creation_date_time as i64);
        let occurred_at = match login {
            Some(login) => login,
            None => written.map_err(|_| Invalid::from("ApproximateCreationDateTime is no time"))?,
        };
        Ok(Some(LinkChange { event_id: self.event_id, change, member_id: member_id?, occurred_at }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(id: &str, old: Value, new: Value) -> Result<Option<LinkChange>, Invalid> {
        let mut images = json!({
            "ApproximateCreationDateTime": 1_600_000_000.5,
            "Keys": { "id": { "S": id } },
            "SequenceNumber": "1",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        });
        for (name, image) in [("OldImage", old), ("NewImage", new)] {
            if !image.is_null() {
                images[name] = image;
            }
        }
        let record = json!({ "eventID": "e-1", "eventName": "MODIFY", "dynamodb": images });
        Record::read(record).and_then(Record::change)
    }

    fn link(user: &str, second: u8) -> Value {
        json!({
            "id": { "S": "member#M-1" },
            "line_user_id": { "S": user },
            "linked_at": { "S": format!("2026-09-01T08:00:0{second}.25Z") },
            "sealed_token": { "B": "c2VhbGVk" },
            "token_expires_at": { "N": "1788000000" },
        })
    }

    #[test]
    fn a_members_item_that_comes_changes_or_goes_is_a_change() {
        for (old, new, expected, at) in [
            (json!(null), link("U1", 1), Change::Linked, "2026-09-01T08:00:01.25Z"),
            (link("U1", 1), link("U1", 2), Change::Linked, "2026-09-01T08:00:02.25Z"),
            (link("U1", 1), link("U2", 2), Change::Replaced, "2026-09-01T08:00:02.25Z"),
            (link("U1", 1), json!(null), Change::Unlinked, "2020-09-13T12:26:40Z"),
        ] {
            let change = change("member#M-1", old, new).unwrap().unwrap();
            assert_eq!((change.change, change.member_id.as_str(), &*change.event_id), (expected, "M-1", "e-1"));
            assert_eq!(change.occurred_at.format(&Rfc3339).unwrap(), at);
        }
    }

    #[test]
    fn what_only_keeps_a_link_is_none() {
        let mut resealed = link("U1", 1);
        resealed["sealed_token"] = json!({ "B": "YW5vdGhlcg==" });
        assert_eq!(change("member#M-1", link("U1", 1), resealed), Ok(None));
        let side = json!({ "id": { "S": "line#U1" }, "member_id": { "S": "M-1" } });
        let former = json!({ "id": { "S": "former#member#M-1" }, "former": { "SS": ["line#U1"] } });
        for (id, item) in [("line#U1", side), ("former#member#M-1", former)] {
            assert_eq!(change(id, json!(null), item.clone()), Ok(None));
            assert_eq!(change(id, item, json!(null)), Ok(None));
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_is_wrong() {
        assert!(change("member#", json!(null), link("U1", 1)).is_err());
        assert!(change("member#M-1", json!(null), json!(null)).unwrap_err().to_string().contains("image"));
        let wrong = change("member#M-1", json!(null), json!({ "line_user_id": "hunter2" })).unwrap_err().to_string();
        assert!(wrong.contains("form") && !wrong.contains("hunter2"), "{wrong}");
    }
}
