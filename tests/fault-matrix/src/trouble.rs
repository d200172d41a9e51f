//! What may befall a call, and how that looks on each wire.

use std::time::Duration;

use local_stand::wire::Fault;

use crate::calls::{Destination, Strike};

/// What may befall a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Refused, and without effect.
    Refused,
    /// The answer is lost after it took effect; the SDK's next attempt meets its own work.
    LostOnce,
    /// The answer is lost after it took effect, and so is that of each repetition.
    Lost,
    /// It takes effect after whoever called has given up waiting.
    Late,
    /// Refused for the number of calls.
    Throttled,
    /// The other side is out of order.
    ServerError,
    /// It takes effect, and its answer says nothing.
    Garbled,
    /// The process dies just before.
    KilledBefore,
    /// The process dies just after it took effect.
    KilledAfter,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Refused,
        Self::LostOnce,
        Self::Lost,
        Self::Late,
        Self::Throttled,
        Self::ServerError,
        Self::Garbled,
        Self::KilledBefore,
        Self::KilledAfter,
    ];

    /// As it looks to this call; none where another one looks the same.
    pub fn fault(self, strike: &Strike) -> Option<Fault> {
        use Destination::{App, Aws, Line, Sobot};
        const GARBAGE: &str = "<html><body>Bad Gateway";
        const RATE_LIMIT: &str = r#"{"message":"The API rate limit has been exceeded. Try again later."}"#;
        Some(match (self, strike.to) {
            (Self::Refused, Aws) => Fault::Error(400, "AccessDeniedException"),
            (Self::Refused, Line) => Fault::Answer(400, r#"{"message":"The request is refused"}"#, ""),
            (Self::Refused, Sobot) => Fault::Answer(200, r#"{"ret_code":"999994","ret_msg":"parameter error"}"#, ""),
            (Self::Refused, App) => Fault::Answer(422, "{}", ""),
            (Self::LostOnce, Aws) => Fault::LoseFirstAnswer,
            // Nobody repeats these by itself: each request is a call.
            (Self::LostOnce, Line | Sobot | App) => return None,
            (Self::Lost, _) => Fault::ForwardThenHangUp,
            (Self::Late, _) => Fault::Delay(longer_than_anybody_waits(strike)),
            (Self::Throttled, Aws) => Fault::Error(400, "ThrottlingException"),
            (Self::Throttled, Line) => Fault::Answer(429, RATE_LIMIT, ""),
            (Self::Throttled, Sobot | App) => Fault::Answer(429, "", ""),
            (Self::ServerError, Aws) => Fault::INTERNAL,
            (Self::ServerError, Line | Sobot | App) => Fault::Answer(500, "{}", ""),
            (Self::Garbled, _) => Fault::ForwardThenGarble(GARBAGE),
            (Self::KilledBefore, _) => Fault::Kill,
            (Self::KilledAfter, _) => Fault::ForwardThenKill,
        })
    }
}

/// The SDK waits two seconds for an attempt, a login five for LINE, a callback five for the app, everybody else a
/// quarter of the retry delay for LINE and Sobot.
fn longer_than_anybody_waits(strike: &Strike) -> Duration {
    let of_a_login = strike.name.function == "line-login" || strike.name.what.contains("deauthorize");
    Duration::from_millis(match strike.to {
        Destination::Aws => 2300,
        Destination::Line if of_a_login => 5300,
        Destination::App => 5300,
        Destination::Line | Destination::Sobot => 1200,
    })
}
