//! `GET /links/{memberId}`: whether a member is linked, for the app's back end. `DELETE`: unlinks the member.

use lambda_http::{Request, http::StatusCode};
use serde_json::json;
use shared::{
    audit::{AuditKind, Entry},
    customer::{
        friend::Friendship,
        unlink::{UnlinkError, Unlinked, unlink},
    },
    ids::MemberId,
    lambda::{
        callers::Scope,
        http_api::{Problem, json_response},
        problem_code::ProblemCode,
    },
    line::login::Deauthorized,
};

use crate::{
    CallResult, Caller, Operations,
    input::{self, Query},
    unavailable, without_nulls,
};

const NO_SUCH_LINK: &str = "This member is not linked to a LINE user.";
const LINKED_ANEW: &str = "The member has just logged in again; the new link was kept.";

/// A link was made meanwhile.
pub(crate) fn linked_anew(member: &MemberId) -> Problem {
    Problem::new(ProblemCode::LinkedAnew, LINKED_ANEW).about("memberId", member.as_str())
}

fn no_such_link(member: &MemberId) -> Problem {
    Problem::new(ProblemCode::NoSuchLink, NO_SUCH_LINK).about("memberId", member.as_str())
}

/// What became of the grant at LINE, in the contract's words.
pub(crate) fn grant_name(grant: Option<Deauthorized>) -> &'static str {
    match grant {
        Some(Deauthorized::Now) => "ended",
        Some(Deauthorized::Before) => "already_ended",
        None => "token_expired",
    }
}

impl Operations {
    pub(crate) async fn show_link(&self, request: &Request, caller: &Caller) -> CallResult {
        let member = input::path(request, "memberId", MemberId::parse)?;
        Query::none(request)?;
        let Some(user) = self.links.line_user_of(&member).await.map_err(unavailable)? else {
            return Ok(json_response(StatusCode::OK, &json!({ "memberId": member.as_str(), "linked": false })));
        };
        let pseudonym = self.delivery.pseudonyms().of_user(&user).await.map_err(unavailable)?;
        let known = tokio::try_join!(self.links.linked_since(&member), self.friends.get(&user, &pseudonym));
        let (since, belief) = known.map_err(unavailable)?;
        let body = without_nulls(json!({
            "memberId": member.as_str(),
            "linked": true,
            "linkedAt": since,
            "friend": belief.map(|belief| belief.friendship == Friendship::Friend),
            // Who reads everything else may know who it is.
            "lineUserId": caller.has(Scope::Read).is_ok().then(|| user.as_str()),
        }));
        Ok(json_response(StatusCode::OK, &body))
    }

    pub(crate) async fn unlink_member(&self, request: &Request, caller: &Caller) -> CallResult {
        let member = input::path(request, "memberId", MemberId::parse)?;
        let mut query = Query::of(request, &["reason"]);
        let operator = query.operator(caller);
        let operator = query.finish(operator)?;
        let not_linked = || no_such_link(&member);
        // Nothing to note where there is no link.
        self.links.line_user_of(&member).await.map_err(unavailable)?.ok_or_else(not_linked)?;
        let entry = Entry::new(AuditKind::Unlink, member.as_str(), &operator, None, self.clock.now());
        self.audit.note(&entry).await.map_err(unavailable)?;
        match unlink(&member, &self.links, &self.login, &self.login_secret, self.clock).await {
            Ok(Unlinked::Removed { grant }) => {
                let body = json!({ "memberId": member.as_str(), "grant": grant_name(grant) });
                Ok(json_response(StatusCode::OK, &body))
            }
            Ok(Unlinked::NotLinked) => Err(not_linked()),
            Err(UnlinkError::LinkedAnew) => Err(linked_anew(&member)),
            Err(error) => Err(unavailable(error)),
        }
    }
}
