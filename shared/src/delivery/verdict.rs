//! What LINE's answer to a push means: one table, decided by the status first, because LINE's texts may change.
//!
//! Source: LINE, "Retry failed API requests"; Messaging API reference, "Status codes", "Error messages".

use crate::line::client::{LineAnswer, NoAnswer};

/// LINE's text for an endpoint's rate limit. The monthly limit has the same status and another text.
const RATE_LIMIT: &str = "The API rate limit has been exceeded. Try again later.";

/// What to do about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// LINE accepted the message.
    Accepted,
    /// LINE accepted this retry key before.
    AlreadyAccepted,
    /// The token was refused: a new one, once, at once, under the same key.
    RenewToken,
    /// The month's messages may be used up: LINE's figures decide.
    ConfirmQuota,
    /// Later, under the same key. LINE certainly has not accepted this request.
    NotNow,
    /// Later, under the same key. The request was never sent.
    Unsent,
    /// The connection broke, perhaps one that LINE had closed: at once, once, under the same key. LINE
    /// may have accepted this request.
    ConnectionBroke,
    /// Later, under the same key. LINE may have accepted this request.
    Unknown,
    /// Never: the same request would be refused again.
    Refused,
}

/// The table.
pub fn verdict(result: &Result<LineAnswer, NoAnswer>) -> Verdict {
    match result {
        Ok(answer) => match answer.status {
            200..=299 => Verdict::Accepted,
            409 => Verdict::AlreadyAccepted,
            401 => Verdict::RenewToken,
            429 if answer.error_text() == RATE_LIMIT => Verdict::NotNow,
            429 => Verdict::ConfirmQuota,
            400..=499 => Verdict::Refused,
            _ => Verdict::Unknown,
        },
        Err(NoAnswer { may_have_reached_line: false, .. }) => Verdict::Unsent,
        Err(NoAnswer { connection_broke: true, .. }) => Verdict::ConnectionBroke,
        Err(NoAnswer { .. }) => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, message: &str) -> Verdict {
        let body = serde_json::json!({ "message": message }).to_string();
        verdict(&Ok(LineAnswer { status, request_id: None, accepted_request_id: None, body }))
    }

    fn unanswered(may_have_reached_line: bool, connection_broke: bool) -> Verdict {
        verdict(&Err(NoAnswer { may_have_reached_line, connection_broke, what: String::new() }))
    }

    #[test]
    fn success_is_accepted() {
        assert_eq!([200, 202].map(|status| answered(status, "")), [Verdict::Accepted; 2]);
    }

    #[test]
    fn an_accepted_retry_key_is_told_apart() {
        assert_eq!(answered(409, "The retry key is already accepted"), Verdict::AlreadyAccepted);
    }

    #[test]
    fn a_refused_token_is_renewed() {
        assert_eq!(answered(401, "Authentication failed"), Verdict::RenewToken);
    }

    #[test]
    fn the_rate_limit_is_retried() {
        assert_eq!(answered(429, "The API rate limit has been exceeded. Try again later."), Verdict::NotNow);
    }

    #[test]
    fn the_monthly_limit_and_any_other_429_are_confirmed() {
        let texts = ["You have reached your monthly limit.", "a text LINE has not written yet", ""];
        assert_eq!(texts.map(|text| answered(429, text)), [Verdict::ConfirmQuota; 3]);
    }

    #[test]
    fn any_other_client_error_is_final() {
        let statuses = [400, 403, 404, 408, 413, 415, 422, 499];
        assert_eq!(statuses.map(|status| answered(status, "")), [Verdict::Refused; 8]);
    }

    #[test]
    fn a_server_error_may_have_sent_it() {
        assert_eq!([500, 502, 503, 504, 599].map(|status| answered(status, "")), [Verdict::Unknown; 5]);
    }

    #[test]
    fn a_status_that_no_page_mentions_may_have_sent_it() {
        assert_eq!([100, 302, 600].map(|status| answered(status, "")), [Verdict::Unknown; 3]);
    }

    #[test]
    fn without_an_answer_only_a_missing_connection_is_certain() {
        assert_eq!(unanswered(true, false), Verdict::Unknown);
        assert_eq!(unanswered(true, true), Verdict::ConnectionBroke);
        assert_eq!(unanswered(false, false), Verdict::Unsent);
    }
}
