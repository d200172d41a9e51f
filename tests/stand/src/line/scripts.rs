//! What a test wants LINE to do instead of accepting a request, and requests held until the test lets them go.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Response, StatusCode, header::HeaderName};
use tokio::sync::oneshot;

use super::{Endpoint, INVALID_TOKEN, Inner, MONTHLY_LIMIT, RATE_LIMIT, State, message, raw_reply};
use crate::api::http_server::{Answer, HangUp};

/// Whose requests a script is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Pushes to this user id.
    User(String),
    /// Requests for this user's profile.
    Profile(String),
    /// Requests for what this message holds.
    Content(String),
    /// Requests to this endpoint; none of [`Endpoint::Push`], [`Endpoint::Profile`], [`Endpoint::Content`].
    Endpoint(Endpoint),
    /// Requests of a login to this endpoint that are about this user id.
    Login(Endpoint, String),
}

impl From<&str> for Target {
    fn from(user_id: &str) -> Self {
        Self::User(user_id.to_owned())
    }
}

impl From<&String> for Target {
    fn from(user_id: &String) -> Self {
        Self::User(user_id.clone())
    }
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        Self::Endpoint(endpoint)
    }
}

/// What happens to one valid request. "Accepting" is doing what was asked: sending a push, issuing a token.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// The ordinary course.
    Accept,
    /// This answer; nothing is accepted.
    Answer {
        /// Its HTTP status.
        status: u16,
        /// Its body.
        body: String,
        /// Headers beside the ordinary ones.
        headers: Vec<(String, String)>,
    },
    /// The connection breaks; nothing is accepted.
    HangUpBeforeAccepting,
    /// The request is accepted, and the connection breaks.
    AcceptThenHangUp,
    /// The request is accepted, and this is the answer: a 500 although the message was sent.
    AcceptThenAnswer {
        /// Its HTTP status.
        status: u16,
        /// Its body.
        body: String,
    },
    /// The request is accepted after this time, unless the caller has left.
    Delay(Duration),
    /// The request is accepted at once, and answered after this time.
    AcceptThenDelay(Duration),
    /// The request waits for [`release`](super::LineStandIn::release); nothing is accepted if the caller leaves.
    Hold,
    /// 429, too many requests.
    RateLimited,
    /// 429, the month's messages are used up, whatever the quota endpoints say.
    MonthlyLimit,
    /// 401, as for an invalid token.
    Unauthorized,
}

impl Behaviour {
    /// [`Behaviour::Answer`] without further headers.
    pub fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer { status, body: body.into(), headers: Vec::new() }
    }
}

/// How a held request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseAs {
    /// It is accepted, as if it had never been held.
    Accept,
    /// 500, not accepted.
    Refuse,
}

impl Inner {
    /// Lets the next behaviour of the script decide about one valid request.
    pub(super) async fn play(&self, target: Target, accept: impl FnOnce(&mut State) -> Response<Bytes>) -> Answer {
        let accept = || self.change(accept);
        let next = self.change(|state| state.scripts.get_mut(&target)?.pop_front());
        Ok(match next.unwrap_or(Behaviour::Accept) {
            Behaviour::Accept => accept(),
            Behaviour::Answer { status, body, headers } => {
                let mut response = raw_reply(status_code(status), body);
                for (name, value) in headers {
                    let name: HeaderName = name.parse().expect("a script's header name is valid");
                    response.headers_mut().insert(name, value.parse().expect("a script's header value is valid"));
                }
                response
            }
            Behaviour::HangUpBeforeAccepting => return Err(HangUp),
            Behaviour::AcceptThenHangUp => {
                accept();
                return Err(HangUp);
            }
            Behaviour::AcceptThenAnswer { status, body } => {
                accept();
                raw_reply(status_code(status), body)
            }
            // A caller that leaves drops this future, so nothing after an `await` happens for it.
            Behaviour::Delay(time) => {
                tokio::time::sleep(time).await;
                accept()
            }
            Behaviour::AcceptThenDelay(time) => {
                let response = accept();
                tokio::time::sleep(time).await;
                response
            }
            Behaviour::Hold => {
                let (release, released) = oneshot::channel();
                self.change(|state| state.held.entry(target).or_default().push_back(release));
                match released.await {
                    Ok(ReleaseAs::Accept) => accept(),
                    _ => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
                }
            }
            Behaviour::RateLimited => message(StatusCode::TOO_MANY_REQUESTS, RATE_LIMIT),
            Behaviour::MonthlyLimit => message(StatusCode::TOO_MANY_REQUESTS, MONTHLY_LIMIT),
            Behaviour::Unauthorized => message(StatusCode::UNAUTHORIZED, INVALID_TOKEN),
        })
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a script's status is an HTTP status")
}
