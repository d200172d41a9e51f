//! `GET /v2/bot/profile/{userId}` as LINE answers it (reference "Get profile"): of a user who is no friend, blocks the
//! account or does not exist, LINE tells nothing but 404.

use hyper::StatusCode;
use serde_json::json;
use shared::ids::LineUserId;

use super::{Inner, Person, Target, message, reply};
use crate::api::http_server::Answer;

/// What stands before the user's id.
pub(super) const PATH: &str = "/v2/bot/profile/";

impl Inner {
    pub(super) async fn profile(&self, path: &str) -> Answer {
        let user_id = path.trim_start_matches(PATH).to_owned();
        if LineUserId::parse(&user_id).is_err() {
            return Ok(message(StatusCode::BAD_REQUEST, "The value for the 'userId' parameter is invalid"));
        }
        self.play(Target::Profile(user_id.clone()), |state| match state.people.get(&user_id) {
            None | Some(Person::Friend) => {
                reply(StatusCode::OK, &json!({ "userId": user_id, "displayName": "A friend", "language": "ja" }))
            }
            Some(Person::Blocked | Person::Unknown) => message(StatusCode::NOT_FOUND, "Not found"),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    #[tokio::test]
    async fn only_a_friend_has_a_profile() {
        let line = LineStandIn::start().await.unwrap();
        let token = line.issue_token();
        let user = format!("U{}", random_uuid_hex());
        let ask = async |user: &str, token: &str| {
            let url = format!("{}/v2/bot/profile/{user}", line.base_url());
            reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
        };
        assert_eq!(ask(&user, &token).await, 200);
        for (person, status) in [(Person::Blocked, 404), (Person::Unknown, 404), (Person::Friend, 200)] {
            line.mark(&user, person);
            assert_eq!(ask(&user, &token).await, status, "{person:?}");
        }
        assert_eq!(ask("U4af4980629...", &token).await, 400);
        assert_eq!(ask(&user, "wrong").await, 401);
        line.script(Target::Profile(user.clone()), [Behaviour::RateLimited]);
        assert_eq!(ask(&user, &token).await, 429);
        assert_eq!(line.profiles_asked(&user).len(), 6);
    }
}
