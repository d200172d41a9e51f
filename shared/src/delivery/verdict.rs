//! What LINE's answer to a push means: one table, decided by the status first, because LINE's texts may change.
//!
//! Source: LINE, "Retry failed API requests"; Messaging API reference, "Status codes", "Error messages".

use crate::line::client::{Answer, NoAnswer};

/// LINE's text for an endpoint's rate limit. The monthly limit has the same status and another text.
const RATE_LIMIT: &str = "The API rate limit has been exceeded. Try again later.";

/// What to do about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// LINE accepted the message, now or under the same key before.
    Sent,
    /// The token was refused: a new one, once, at once, under the same key.
    RenewToken,
    /// The month's messages may be used up: LINE's figures decide.
    ConfirmQuota,
    /// Later, under the same key. LINE certainly has not accepted this request.
    RetryRefused,
    /// Later, under the same key. LINE may have accepted this request.
    RetryUnknown,
    /// Never: the same request would be refused again.
    Failed,
}

/// The table.
pub fn verdict(result: &Result<Answer, NoAnswer>) -> Verdict {
    match result {
        Ok(answer) => match answer.status {
            200..=299 | 409 => Verdict::Sent,
            401 => Verdict::RenewToken,
            429 if answer.error_text() == RATE_LIMIT => Verdict::RetryRefused,
            429 => Verdict::ConfirmQuota,
            400..=499 => Verdict::Failed,
            _ => Verdict::RetryUnknown,
        },
        Err(NoAnswer { may_have_reached_line: true, .. }) => Verdict::RetryUnknown,
        Err(NoAnswer { may_have_reached_line: false, .. }) => Verdict::RetryRefused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, message: &str) -> Verdict {
        let body = serde_json::json!({ "message": message }).to_string();
        verdict(&Ok(Answer { status, request_id: None, accepted_request_id: None, body }))
    }

    fn unanswered(may_have_reached_line: bool) -> Verdict {
        verdict(&Err(NoAnswer { may_have_reached_line, what: String::new() }))
    }

    #[test]
    fn success_is_sent() {
        assert_eq!([200, 202].map(|status| answered(status, "")), [Verdict::Sent; 2]);
    }

    #[test]
    fn an_accepted_retry_key_is_sent() {
        assert_eq!(answered(409, "The retry key is already accepted"), Verdict::Sent);
    }

    #[test]
    fn a_refused_token_is_renewed() {
        assert_eq!(answered(401, "Authentication failed"), Verdict::RenewToken);
    }

    #[test]
    fn the_rate_limit_is_retried() {
        assert_eq!(answered(429, "The API rate limit has been exceeded. Try again later."), Verdict::RetryRefused);
    }

    #[test]
    fn the_monthly_limit_and_any_other_429_are_confirmed() {
        let texts = ["You have reached your monthly limit.", "a text LINE has not written yet", ""];
        assert_eq!(texts.map(|text| answered(429, text)), [Verdict::ConfirmQuota; 3]);
    }

    #[test]
    fn any_other_client_error_is_final() {
        let statuses = [400, 403, 404, 408, 413, 415, 422, 499];
        assert_eq!(statuses.map(|status| answered(status, "")), [Verdict::Failed; 8]);
    }

    #[test]
    fn a_server_error_may_have_sent_it() {
        assert_eq!([500, 502, 503, 504, 599].map(|status| answered(status, "")), [Verdict::RetryUnknown; 5]);
    }

    #[test]
    fn a_status_that_no_page_mentions_may_have_sent_it() {
        assert_eq!([100, 302, 600].map(|status| answered(status, "")), [Verdict::RetryUnknown; 3]);
    }

    #[test]
    fn without_an_answer_only_a_missing_connection_is_certain() {
        assert_eq!(unanswered(true), Verdict::RetryUnknown);
        assert_eq!(unanswered(false), Verdict::RetryRefused);
    }
}
