//! What may befall a call, and how that looks on each wire.

use std::time::Duration;

use local_stand::wire::Fault;

use crate::calls::Partner;

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

    /// As it looks on a wire; none where another one looks the same there.
    pub fn fault(self, partner: Partner) -> Option<Fault> {
        const GARBAGE: &str = "<html><body>Bad Gateway";
        Some(match (self, partner) {
            (Self::Refused, Partner::Aws) => Fault::Error(400, "AccessDeniedException"),
            (Self::Refused, Partner::Line) => Fault::Answer(400, r#"{"message":"The request is refused"}"#, ""),
            (Self::Refused, Partner::Sobot) => {
                Fault::Answer(200, r#"{"ret_code":"999994","ret_msg":"parameter error"}"#, "")
            }
            (Self::LostOnce, Partner::Aws) => Fault::LoseFirstAnswer,
            // Nobody repeats these by itself: each request is a call.
            (Self::LostOnce, Partner::Line | Partner::Sobot) => return None,
            (Self::Lost, _) => Fault::ForwardThenHangUp,
            // The SDK waits two seconds for an attempt, the clients of LINE and Sobot a quarter of the retry delay.
            (Self::Late, Partner::Aws) => Fault::Delay(Duration::from_millis(2300)),
            (Self::Late, Partner::Line | Partner::Sobot) => Fault::Delay(Duration::from_millis(1200)),
            (Self::Throttled, Partner::Aws) => Fault::Error(400, "ThrottlingException"),
            (Self::Throttled, Partner::Line) => {
                Fault::Answer(429, r#"{"message":"The API rate limit has been exceeded. Try again later."}"#, "")
            }
            (Self::Throttled, Partner::Sobot) => Fault::Answer(429, "", ""),
            (Self::ServerError, Partner::Aws) => Fault::INTERNAL,
            (Self::ServerError, Partner::Line | Partner::Sobot) => Fault::Answer(500, "{}", ""),
            (Self::Garbled, _) => Fault::ForwardThenAnswer(GARBAGE),
            (Self::KilledBefore, _) => Fault::Kill,
            (Self::KilledAfter, _) => Fault::ForwardThenKill,
        })
    }
}
