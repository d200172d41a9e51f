//! `GET /users/{lineUserId}/messages/{messageId}/content`: a customer's picture, video, sound or file, from LINE.
//! `POST /users/{lineUserId}/messages/{messageId}/media`: Sobot is asked again where it is, after it refused to say.
//!
//! What a customer sent comes from the origin of the console, and must not be taken for a page of it: it is handed over
//! as a file, under a media type that says no more than that it is a picture, a video or a sound.

use std::time::Duration;

use lambda_http::{
    Body, Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::json;
use shared::{
    ids::LineUserId,
    inbox::{
        messages::{MediaError, StoredEvent},
        queue::Via,
    },
    lambda::{
        callers::Scope,
        http_api::{Problem, json_response},
        problem_code::ProblemCode,
    },
    line::{client::LineClient, content::Content, webhook::Provider},
    sobot::client::SobotError,
    token::credential::AskError,
};

use crate::{
    CallResult, Caller, Operations,
    input::{self, Query},
    unavailable,
};

/// The largest content that is handed over, in bytes: Lambda answers with at most 6 MB, in which it stands as Base64.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long LINE may take for it: API Gateway waits 30 seconds for the whole answer.
pub const TIMEOUT: Duration = Duration::from_secs(20);
const STILL_REFUSED: &str = "Sobot still refuses it (999994): it no longer has the message, or knows this LINE channel by \
                             another ID than the channelId of Sobot's secret.";
/// What a browser shows, plays or saves, and never runs.
const HARMLESS: [&str; 9] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "video/mp4",
    "video/quicktime",
    "audio/mp4",
    "audio/x-m4a",
    "audio/mpeg",
];

impl Operations {
    pub(crate) async fn open_media(&self, request: &Request, caller: &Caller) -> CallResult {
        const NOTHING: &str = "This user has sent no such media, or unsent it.";
        let (message_id, event) = self.media_event(request, caller, is_with_line, NOTHING).await?;
        let (client, id): (&LineClient, &str) = (&self.line_data, &message_id);
        let content = self.channel.ask(|token| async move { client.content(&token, id, MAX_BYTES).await }).await;
        match content.map_err(unavailable)? {
            Content::Whole { media_type, bytes } => Ok(file(&message_id, &media_type, bytes)),
            Content::TooLarge => {
                let detail = format!(
                    "It is larger than {} MB, which is the most that can be opened here. LINE Official Account Manager \
                     shows it, if chats are on.",
                    MAX_BYTES >> 20
                );
                Err(Problem::new(ProblemCode::MediaTooLarge, detail))
            }
            Content::Preparing => Err(Problem::new(
                ProblemCode::MediaPreparing,
                "LINE is still preparing it. Repeat the same request shortly.",
            )),
            Content::Gone => {
                // A key that only reads writes nothing; the next one that may do more notes it.
                if caller.has(Scope::Operate).is_ok() {
                    self.messages.set_media_error(&event, MediaError::GoneFromLine).await.map_err(unavailable)?;
                }
                Err(Problem::new(ProblemCode::MediaGone, "LINE has deleted it."))
            }
        }
    }

    pub(crate) async fn ask_for_media(&self, request: &Request, caller: &Caller) -> CallResult {
        const NOTHING: &str = "Sobot forwarded no such media of this user.";
        let is_with_sobot = |event: &StoredEvent| event.via == Via::Sobot && is_with_line(event);
        let (message_id, event) = self.media_event(request, caller, is_with_sobot, NOTHING).await?;
        let channel = self.channel.channel_id().await.map_err(unavailable)?;
        match self.sobot.media_url(&message_id, &channel).await {
            Ok(url) => {
                self.messages.set_media_url(&event, &url).await.map_err(unavailable)?;
                Ok(json_response(StatusCode::OK, &json!({ "messageId": message_id, "mediaUrl": url })))
            }
            Err(AskError::Call(error @ SobotError::BadParameters(_))) => {
                tracing::warn!(%error, "Sobot refuses the media again");
                Err(Problem::new(ProblemCode::MediaRefused, STILL_REFUSED))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The message that the call names, if it is this user's and one such; who asks for it is noted.
    async fn media_event(
        &self,
        request: &Request,
        caller: &Caller,
        is_such: impl Fn(&StoredEvent) -> bool,
        nothing: &str,
    ) -> Result<(String, StoredEvent), Problem> {
        let user = input::path(request, "lineUserId", LineUserId::parse)?;
        let message_id = input::path(request, "messageId", input::partner_id)?;
        Query::none(request)?;
        let event = self.messages.message(&message_id).await.map_err(unavailable)?;
        let event = event.filter(|event| event.chat_id == user.as_str() && is_such(event));
        let event = event.ok_or_else(|| Problem::new(ProblemCode::NoSuchMedia, nothing))?;
        self.note_reading_of(&user, json!({ "what": "media", "messageId": message_id }), caller).await?;
        Ok((message_id, event))
    }
}

/// Whether LINE has what the message holds, for all that is known.
fn is_with_line(event: &StoredEvent) -> bool {
    let provider = event.content.as_ref().and_then(|content| content.provider());
    event.unsent_at.is_none() && provider == Some(&Provider::Line)
}

fn file(message_id: &str, media_type: &str, bytes: Vec<u8>) -> Response<Body> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let media_type = HARMLESS.into_iter().find(|harmless| *harmless == essence).unwrap_or("application/octet-stream");
    let mut response = Response::new(Body::Binary(bytes));
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{message_id}\""))
        .expect("no character that a header minds");
    for (name, value) in [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ] {
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_browser_would_run_is_called_by_its_name() {
        for (sent, answered) in [
            ("image/jpeg", "image/jpeg"),
            ("Video/MP4; codecs=x", "video/mp4"),
            ("text/html", "application/octet-stream"),
            ("image/svg+xml", "application/octet-stream"),
            ("application/pdf", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            let response = file("1", sent, vec![1]);
            assert_eq!(response.headers()[header::CONTENT_TYPE], answered, "{sent}");
            assert_eq!(response.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"1\"");
        }
    }
}
