//! `POST /webhooks/line` and `POST /webhooks/sobot/{key}`: verifies, splits into events, puts them into the inbox
//! queue.
//!
//! Nothing else happens here, because LINE waits two seconds for its answer. 200 means that every event is in the
//! queue; after anything else the sender delivers all of them again, and the inbox knows those it has.
//!
//! LINE's requests carry a signature. Sobot documents none for what it forwards, so its address has a key that cannot
//! be guessed; a wrong one is answered as if there were no such address. If LINE's own signature comes along and is
//! right, the events count as LINE's.

pub mod answer;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lambda_http::{Body, Request, RequestExt as _, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::{
    aws::secret::{Secret, SecretError},
    clock::Clock,
    foreign_json,
    ids::LineUserId,
    inbox::queue::{InboxQueue, Via},
    invalid::Invalid,
    lambda::http_api::{note_refused, source_ip},
    line::signature::{self, Refused, SignatureKeys},
    metric,
    sobot::secret::SobotWebhookKeys,
};

use crate::answer::{MAX_BODY_BYTES, MAX_UNSIGNED_EVENTS, WebhookAnswer};

/// The function with what it calls.
#[derive(Debug)]
pub struct Webhooks {
    /// What verifies LINE's signature.
    pub signature_keys: Secret<SignatureKeys>,
    /// The keys in Sobot's address.
    pub sobot_keys: Secret<SobotWebhookKeys>,
    /// Where the events wait.
    pub queue: InboxQueue,
    /// The account that LINE's latest signed webhook named; nothing is known at first.
    pub account: Mutex<Option<LineUserId>>,
    /// The time of receipt.
    pub clock: Clock,
}

/// A refused body is looked at no further if it is larger: LINE's are not.
const MAX_LOOKED_AT: usize = 256 * 1024;

/// What the log says of a request beside its answer.
#[derive(Default)]
struct Seen {
    verified: bool,
    signature: Option<Refused>,
    wrong_key: bool,
    events: usize,
}

/// The body, of which nothing but the account and the events is looked at; those are passed on as they came.
#[derive(Deserialize)]
struct WebhookBody<'a> {
    #[serde(borrow, default)]
    destination: Option<&'a RawValue>,
    #[serde(borrow, default)]
    events: Option<Vec<&'a RawValue>>,
}

impl Webhooks {
    /// Reads the secrets before the first request comes.
    pub async fn warm_up(&self) {
        let (line, sobot) = tokio::join!(self.signature_keys.get(), self.sobot_keys.get());
        if let Err(error) = line {
            tracing::warn!(%error, "no signature can be verified yet");
        }
        match sobot {
            Ok(_) => {}
            Err(error @ SecretError::NotSet { .. }) => tracing::info!(%error, "Sobot's address does not exist yet"),
            Err(error) => tracing::warn!(%error, "Sobot's keys are not ready"),
        }
    }

    /// Answers a webhook.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let key = request.path_parameters().first("key").map(str::to_owned);
        let (via, path) = match key {
            Some(_) => (Via::Sobot, "/webhooks/sobot/{key}"),
            None => (Via::Line, "/webhooks/line"),
        };
        let mut seen = Seen::default();
        let answer = match self.answer(&request, via, key.as_deref(), &mut seen).await {
            Ok(()) => WebhookAnswer::Taken,
            Err(refusal) => refusal,
        };
        match answer {
            WebhookAnswer::NotFound => {
                let key = key.as_deref().unwrap_or_default();
                let is_former = seen.wrong_key && self.sobot_keys.had(|keys| keys.accepts(key)).await;
                note_refused(&request, "sobot", is_former);
            }
            WebhookAnswer::NotSigned => {
                let (header, body): (_, &[u8]) = (signature_of(&request), request.body());
                let is_former = self.signature_keys.had(|keys| keys.verify(header, body).is_ok()).await;
                note_refused(&request, "line", is_former);
            }
            _ => {}
        }
        // LINE keeps no logs for us; its guidelines ask to note these of every webhook. The address with its key is
        // not.
        tracing::info!(
            http.method = request.method().as_str(),
            http.endpoint = path,
            http.status = answer.status().as_u16(),
            http.source_ip = source_ip(&request).as_deref(),
            webhook.bytes = request.body().len(),
            webhook.events = seen.events,
            webhook.verified = seen.verified,
            webhook.signature = seen.signature.map(Refused::name),
            "webhook answered"
        );
        let taken = answer == WebhookAnswer::Taken;
        if taken || self.refuses_a_partner(answer, via, &seen, request.body()) {
            metric::webhook(via.name(), taken);
        }
        Ok(answer.into_response())
    }

    /// Whether a refused body may well be LINE's or Sobot's own: it has events and no other account's name, LINE's has
    /// ours, and a signature that LINE could have made. Strangers try without all of that, and must not wake anybody.
    fn refuses_a_partner(&self, answer: WebhookAnswer, via: Via, seen: &Seen, body: &[u8]) -> bool {
        let could_be = match answer {
            // Signed, or sent to the right address, and still no webhook.
            WebhookAnswer::NotAWebhook => return true,
            WebhookAnswer::NotSigned => seen.signature == Some(Refused::Mismatch),
            WebhookAnswer::NotFound => seen.wrong_key,
            _ => false,
        };
        if !could_be || body.len() > MAX_LOOKED_AT {
            return false;
        }
        let text = foreign_json::lossy(body);
        let Ok(body) = read(&text) else { return false };
        let is_ours = match account(body.destination) {
            Some(named) => self.account().as_ref().is_none_or(|own| *own == named),
            // What Sobot puts there is not documented.
            None => via == Via::Sobot,
        };
        is_ours && body.events.is_some()
    }

    fn account(&self) -> MutexGuard<'_, Option<LineUserId>> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(
        &self,
        request: &Request,
        via: Via,
        key: Option<&str>,
        seen: &mut Seen,
    ) -> Result<(), WebhookAnswer> {
        let body: &[u8] = request.body();
        if let Some(key) = key {
            self.check_key(key, seen).await?;
        }
        if body.len() > MAX_BODY_BYTES {
            return Err(WebhookAnswer::TooLarge);
        }
        let header = signature_of(request);
        let verified = match via {
            Via::Line => self.verify(header, body).await?,
            Via::Sobot => self.verify_forwarded(header, body).await,
        };
        seen.verified = verified.is_ok();
        seen.signature = verified.err();
        if via == Via::Line && verified.is_err() {
            return Err(WebhookAnswer::NotSigned);
        }
        // The signature is over the bytes; the events are text.
        let text = foreign_json::lossy(body);
        let mended;
        let WebhookBody { destination, events } = match read(&text) {
            Ok(delivery) => delivery,
            Err(_) => {
                mended = foreign_json::mended(&text);
                read(&mended).map_err(|error| {
                    tracing::error!(%error, "the body is no JSON object with events");
                    WebhookAnswer::NotAWebhook
                })?
            }
        };
        let account = account(destination);
        if seen.verified && account.is_some() {
            self.account().clone_from(&account);
        }
        let destination = account.map(|account| account.as_str().to_owned());
        let events = events.unwrap_or_default();
        seen.events = events.len();
        if !seen.verified && events.len() > MAX_UNSIGNED_EVENTS {
            return Err(WebhookAnswer::TooManyEvents);
        }
        let sent = self.queue.send(via, seen.verified, self.clock.now(), destination, &events).await;
        sent.map_err(|error| {
            tracing::error!(%error, "not every event is in the queue, the sender has to deliver them again");
            WebhookAnswer::Unavailable
        })
    }

    /// LINE's signature. One that does not match may be made with a new secret, so that is read again.
    async fn verify(&self, header: Option<&[u8]>, body: &[u8]) -> Result<Result<(), Refused>, WebhookAnswer> {
        let unavailable = |error| {
            tracing::error!(%error, "no signature can be verified");
            WebhookAnswer::Unavailable
        };
        let verify = |keys: &Arc<SignatureKeys>| match keys.verify(header, body) {
            Err(Refused::Mismatch) => None,
            result => Some(result),
        };
        Ok(self.signature_keys.first(verify).await.map_err(unavailable)?.unwrap_or(Err(Refused::Mismatch)))
    }

    /// LINE's signature on what Sobot forwards: worth knowing, never required.
    async fn verify_forwarded(&self, header: Option<&[u8]>, body: &[u8]) -> Result<(), Refused> {
        header.ok_or(Refused::Missing)?;
        match self.signature_keys.get().await {
            Ok(keys) => keys.verify(header, body),
            Err(error) => {
                tracing::warn!(%error, "no signature can be verified, the events count as unverified");
                Err(Refused::Mismatch)
            }
        }
    }

    /// The key in Sobot's address.
    async fn check_key(&self, key: &str, seen: &mut Seen) -> Result<(), WebhookAnswer> {
        let unavailable = |error| match error {
            error @ SecretError::NotSet { .. } => {
                tracing::info!(%error, "Sobot's address does not exist yet");
                WebhookAnswer::NotFound
            }
            error => {
                tracing::error!(%error, "no key can be checked");
                WebhookAnswer::Unavailable
            }
        };
        let known = self.sobot_keys.first(|keys| keys.accepts(key).then_some(())).await.map_err(unavailable)?;
        seen.wrong_key = known.is_none();
        known.ok_or(WebhookAnswer::NotFound)
    }
}

fn signature_of(request: &Request) -> Option<&[u8]> {
    request.headers().get(signature::HEADER).map(|value| value.as_bytes())
}

/// The body, its events each as it came. Whatever follows the object was not LINE's.
fn read(text: &str) -> Result<WebhookBody<'_>, Invalid> {
    // serde reads a list, too, as the fields one after the other.
    if !text.trim_ascii_start().starts_with('{') {
        return Err("it begins with no brace".into());
    }
    // Without the error's text, which may quote the body.
    let place = |error: serde_json::Error| Invalid::from(format!("line {}, column {}", error.line(), error.column()));
    foreign_json::first(text).map_err(place)
}

/// The account whose events these are, if a body's `destination` is one that can be.
fn account(destination: Option<&RawValue>) -> Option<LineUserId> {
    LineUserId::parse(&foreign_json::parse::<String>(destination?.get()).ok()?).ok()
}
