//! JSON log lines: one object a line, with the keys of the AWS convention (`level`, `message`, `timestamp`, `service`,
//! `function_request_id`, `cold_start`, `xray_trace_id`) and the event's own dotted fields.
//!
//! What is never logged: a token, a key, a body, a whole user id.

use std::{
    fmt,
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::metric;

/// Starts logging and measuring for a function; `AWS_LAMBDA_LOG_LEVEL` decides from which level on, `info` by default.
pub fn start(service: &'static str) {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse().ok());
    let level: LevelFilter = level.unwrap_or(LevelFilter::INFO);
    // Of the SDK and hyper only warnings are of use: their own lines repeat addresses and headers.
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("lambda_runtime", LevelFilter::INFO)
        .with_target("shared", level)
        .with_target(service.replace('-', "_"), level);
    tracing_subscriber::registry().with(filter).with(JsonLines { service, invocations: AtomicU64::new(0) }).init();
    metric::start(service);
}

struct JsonLines {
    service: &'static str,
    invocations: AtomicU64,
}

/// The fields of a span or an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        // The runtime's span around each invocation, in the words of the convention.
        if let Some(request_id) = fields.0.remove("requestId") {
            fields.0.insert("function_request_id".to_owned(), request_id);
            let earlier = self.invocations.fetch_add(1, Ordering::Relaxed);
            fields.0.insert("cold_start".to_owned(), Value::Bool(earlier == 0));
            if let Some(trace_id) = fields.0.remove("xrayTraceId") {
                fields.0.insert("xray_trace_id".to_owned(), trace_id);
            }
        }
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        line.insert("timestamp".to_owned(), now.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("service".to_owned(), self.service.into());
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.extend(fields.0.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.extend(fields.0);
        // One write a line: lines of concurrent records never mix.
        let _ = std::io::stdout().write_all(format!("{}\n", Value::Object(line)).as_bytes());
    }
}
