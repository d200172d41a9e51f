//! What the functions' calls pass through, on the way to AWS, LINE, Sobot and the app: each is noted, and the ones that
//! a test picks go wrong - or take their caller's process with them.

use std::{
    fmt,
    future::Future,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode, Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};
use tokio::sync::watch;

use crate::api::http_server::{Answer, HangUp};

/// A wire; clones are handles to the same one.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    state: Arc<Mutex<State>>,
}

/// Who makes a call: a process of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The function's binary; "" for a call of the test's own.
    pub function: String,
    /// Its process.
    pub process: Option<u32>,
}

/// What a function calls: the same code makes the same name, whatever the values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallName {
    /// The function's binary.
    pub function: String,
    /// Such as `dynamodb.GetItem LinksTable` or `POST /v2/bot/message/push`.
    pub what: String,
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.what)
    }
}

/// One call of a function, in flight or over.
#[derive(Clone, Debug)]
pub struct Call {
    /// `dynamodb.PutItem`, `sqs.SendMessage`, `secretsmanager.GetSecretValue`; elsewhere `POST /path`.
    pub operation: String,
    /// What it is, beside its values.
    pub name: CallName,
    /// Who made it.
    pub caller: Caller,
    /// The same for each attempt of a call that the SDK repeats; none where every request is a call of its own.
    pub invocation: Option<String>,
    /// The request's body: what the call is about.
    pub body: String,
    /// When the request was there in full.
    pub started: Instant,
    /// When the answer went out; none while in flight, and for ever where the caller vanished or was hung up on.
    pub ended: Option<Instant>,
    /// The answer's status; none where [`ended`](Self::ended) is.
    pub status: Option<u16>,
}

impl Call {
    /// A call that has just come in.
    pub fn new(operation: String, what: String, caller: Caller, body: &[u8]) -> Self {
        let name = CallName { function: caller.function.clone(), what };
        let body = String::from_utf8_lossy(body).into_owned();
        Self { operation, name, caller, invocation: None, body, started: Instant::now(), ended: None, status: None }
    }
}

/// What happens to a call instead of its way there and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not executed; answered with this status and AWS error code. The SDK repeats a call on 5xx.
    Error(u16, &'static str),
    /// Not executed; answered so: status, body, and the error's code for those who once spoke the query protocol
    /// (`x-amzn-query-error`; "" for none).
    Answer(u16, &'static str, &'static str),
    /// Not executed; the connection closes without an answer.
    HangUp,
    /// Executed, but the caller never hears of it.
    ForwardThenHangUp,
    /// Executed, and answered with its status and this body.
    ForwardThenGarble(&'static str),
    /// Executed, and answered with its body, in which the second text stands in the place of the first.
    ForwardThenReplace(&'static str, &'static str),
    /// The first attempt of each call is executed and the caller never hears of it; what the SDK repeats goes its way.
    LoseFirstAnswer,
    /// Waits until the [`Injected`] is dropped, then goes its way; never does if the caller is gone by then.
    Hold,
    /// Executed after this time, whether or not the caller still waits for the answer.
    Delay(Duration),
    /// Not executed; the caller's process is killed (SIGKILL).
    Kill,
    /// Executed; the caller's process is killed before it hears of it.
    ForwardThenKill,
}

impl Fault {
    /// AWS is having a bad day: the error that the SDK repeats.
    pub const INTERNAL: Self = Self::Error(500, "InternalServerError");
}

/// As `times`: as long as the [`Injected`] lives.
pub const ALWAYS: usize = usize::MAX;

/// A fault in force; dropping this removes it.
#[must_use = "dropping this removes the fault at once"]
#[derive(Debug)]
pub struct Injected {
    state: Arc<Mutex<State>>,
    id: u64,
    /// Its end releases the calls on hold.
    _hold: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    rules: Vec<Rule>,
    last_rule: u64,
    latency: Duration,
    /// How many calls wait for the time of their [`Fault::Delay`], or are being executed after it.
    late: usize,
}

#[derive(Debug)]
struct Rule {
    id: u64,
    fault: Fault,
    aim: Aim,
    hits: usize,
    hold: watch::Receiver<()>,
}

/// Whom a fault strikes.
#[derive(Debug)]
enum Aim {
    /// Requests of this operation whose body has this text, so many of them.
    About { operation: String, needle: String, left: usize },
    /// The call of this name that comes as the so-many-th, each of its attempts. `met`: those that came so far.
    Nth { name: CallName, number: usize, met: Vec<Option<String>> },
}

impl Aim {
    fn strikes(&mut self, call: &Call) -> bool {
        match self {
            Self::About { operation, needle, left } => {
                let struck = *left > 0 && *operation == call.operation && call.body.contains(&*needle);
                *left = left.saturating_sub(usize::from(struck && *left != ALWAYS));
                struck
            }
            Self::Nth { name, number, met } => {
                if *name != call.name {
                    return false;
                }
                let known = call.invocation.as_ref().and_then(|id| met.iter().position(|one| one.as_ref() == Some(id)));
                let place = known.unwrap_or(met.len());
                if known.is_none() {
                    met.push(call.invocation.clone());
                }
                place + 1 == *number
            }
        }
    }
}

impl Wire {
    /// Every call so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The calls whose body contains `needle`, such as an order's id.
    pub fn calls_about(&self, needle: &str) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.body.contains(needle)).cloned().collect()
    }

    /// The next `times` calls of `operation` (as in [`Call::operation`]) whose body contains `needle` suffer
    /// `fault`. Of several that match, the oldest one in force applies.
    pub fn inject(&self, fault: Fault, operation: &str, needle: &str, times: usize) -> Injected {
        self.add(fault, Aim::About { operation: operation.to_owned(), needle: needle.to_owned(), left: times })
    }

    /// The `number`-th call of this name from now on suffers `fault`, with each of its attempts.
    pub fn inject_at(&self, fault: Fault, name: &CallName, number: usize) -> Injected {
        self.add(fault, Aim::Nth { name: name.clone(), number, met: Vec::new() })
    }

    fn add(&self, fault: Fault, aim: Aim) -> Injected {
        let (sender, hold) = watch::channel(());
        let mut state = self.lock();
        state.last_rule += 1;
        let id = state.last_rule;
        state.rules.push(Rule { id, fault, aim, hits: 0, hold });
        Injected { state: Arc::clone(&self.state), id, _hold: sender }
    }

    /// Whether every call that was delayed has taken effect, or failed to.
    pub fn is_settled(&self) -> bool {
        self.lock().late == 0
    }

    /// From now on each call takes this long at the other end, at least.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Lets a call pass, or suffer what was injected for it. `execute` is its way to the other end and back.
    pub async fn pass<F>(&self, call: Call, repeated: bool, execute: impl FnOnce() -> F) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let process = call.caller.process;
        let (place, strike) = self.note(call, repeated);
        let latency = self.lock().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let answered = match strike {
            None => execute().await,
            Some((Fault::Error(status, code), _)) => Ok(aws_error(status, code)),
            Some((Fault::Answer(status, body, query_error), _)) => Ok(aws_answer(status, body.to_owned(), query_error)),
            Some((Fault::HangUp, _)) => Err(HangUp),
            Some((Fault::ForwardThenHangUp | Fault::LoseFirstAnswer, _)) => execute().await.and(Err(HangUp)),
            Some((Fault::ForwardThenGarble(body), _)) => {
                execute().await.map(|answer| with_body(answer, Bytes::from(body)))
            }
            Some((Fault::ForwardThenReplace(old, new), _)) => execute().await.map(|answer| {
                let body = String::from_utf8_lossy(answer.body()).replace(old, new);
                with_body(answer, Bytes::from(body))
            }),
            Some((Fault::Hold, mut hold)) => {
                // Ends with an error when the other half is dropped, and only then: nothing is ever sent.
                let _ = hold.changed().await;
                execute().await
            }
            Some((Fault::Delay(time), _)) => {
                // A task of its own: this one ends with its caller.
                let execution = execute();
                let state = Arc::clone(&self.state);
                lock(&state).late += 1;
                let late = tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    let answer = execution.await;
                    lock(&state).late -= 1;
                    answer
                });
                late.await.unwrap_or(Err(HangUp))
            }
            Some((Fault::Kill, _)) => {
                kill(process);
                Err(HangUp)
            }
            Some((Fault::ForwardThenKill, _)) => {
                let _ = execute().await;
                kill(process);
                Err(HangUp)
            }
        }?;
        let mut state = self.lock();
        state.calls[place].ended = Some(Instant::now());
        state.calls[place].status = Some(answered.status().as_u16());
        Ok(answered)
    }

    /// Records the call; returns its index and the fault that strikes it, if one does.
    fn note(&self, call: Call, repeated: bool) -> (usize, Option<(Fault, watch::Receiver<()>)>) {
        let mut state = self.lock();
        let rule = state
            .rules
            .iter_mut()
            .filter(|rule| !(repeated && rule.fault == Fault::LoseFirstAnswer))
            .find_map(|rule| rule.aim.strikes(&call).then_some(rule))
            .map(|rule| {
                rule.hits += 1;
                (rule.fault, rule.hold.clone())
            });
        state.calls.push(call);
        (state.calls.len() - 1, rule)
    }

    /// What [`Call`]s there were, in the eyes of `look`.
    pub fn look<T>(&self, look: impl FnOnce(&[Call]) -> T) -> T {
        look(&self.lock().calls)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Injected {
    /// How many calls it has struck; for [`Fault::Hold`], how many have come to wait.
    pub fn hits(&self) -> usize {
        lock(&self.state).rules.iter().find(|rule| rule.id == self.id).map_or(0, |rule| rule.hits)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        lock(&self.state).rules.retain(|rule| rule.id != self.id);
    }
}

/// Calls by the step that they are: each of a step began after one of the step before had ended. So many steps are one
/// after the other; whoever waits for the calls waits for all of them. Calls at one time are told from calls one after
/// the other only where each takes a while ([`Wire::set_latency`]).
pub fn steps<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Vec<Vec<&'a Call>> {
    let mut calls: Vec<_> = calls.into_iter().collect();
    calls.sort_by_key(|call| call.started);
    let mut steps: Vec<Vec<&Call>> = Vec::new();
    for call in calls {
        let is_over = |before: &&Call| before.ended.is_some_and(|end| end <= call.started);
        let step = steps.iter().rposition(|step| step.iter().any(is_over)).map_or(0, |before| before + 1);
        match steps.get_mut(step) {
            Some(step) => step.push(call),
            None => steps.push(vec![call]),
        }
    }
    steps
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// It waits for the answer to its call, so it is still the process of this number.
fn kill(process: Option<u32>) {
    let process = process.expect("only a function's call can be killed").to_string();
    let _ = Command::new("kill").args(["-9", &process]).status();
}

/// What stands between the address of a partner and the path of a call, so that the calls of a function can be told
/// from another's: `/as/<function>/<process>`. `emulator.py` puts it there.
const AS: &str = "/as/";

/// Takes the caller's name out of the path of a call to a partner, as `emulator.py` put it there.
pub fn take_caller<T>(request: &mut Request<T>) -> Caller {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let named = path.strip_prefix(AS).and_then(|rest| {
        let (function, rest) = rest.split_once('/')?;
        // The address of the app has no path behind it.
        let (process, path) = rest.split_once('/').unwrap_or((rest, ""));
        let caller = Caller { function: function.to_owned(), process: process.parse().ok() };
        Some((caller, format!("/{path}").parse::<Uri>().ok()?))
    });
    let Some((caller, uri)) = named else { return Caller::default() };
    *request.uri_mut() = uri;
    caller
}

/// A call to a partner: its name is method and path, without the ids that are in it.
pub fn partner_call(request: &Request<Bytes>, caller: Caller) -> Call {
    let is_id = |segment: &&str| segment.len() > 20 && segment.bytes().any(|byte| byte.is_ascii_digit());
    let path: Vec<_> =
        request.uri().path().split('/').map(|segment| if is_id(&segment) { "{id}" } else { segment }).collect();
    let what = format!("{} {}", request.method(), path.join("/"));
    Call::new(what.clone(), what, caller, request.body())
}

/// As AWS tells an error.
pub fn aws_error(status: u16, code: &str) -> Response<Bytes> {
    aws_answer(status, format!(r#"{{"__type":"{code}","message":"injected on purpose"}}"#), "")
}

/// With another body.
fn with_body(answer: Response<Bytes>, body: Bytes) -> Response<Bytes> {
    let (mut head, _) = answer.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, body)
}

fn aws_answer(status: u16, body: String, query_error: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if !query_error.is_empty() {
        response.headers_mut().insert("x-amzn-query-error", HeaderValue::from_static(query_error));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(what: &str, invocation: Option<&str>) -> Call {
        let caller = Caller { function: "inbox".to_owned(), process: None };
        Call { invocation: invocation.map(str::to_owned), ..Call::new(what.to_owned(), what.to_owned(), caller, b"") }
    }

    async fn passes(wire: &Wire, call: Call) -> bool {
        wire.pass(call, false, || async { Ok(Response::default()) }).await.is_ok()
    }

    #[tokio::test]
    async fn one_call_of_a_name_is_struck_with_each_of_its_attempts() {
        let wire = Wire::default();
        let name = CallName { function: "inbox".to_owned(), what: "GET /a".to_owned() };
        let fault = wire.inject_at(Fault::HangUp, &name, 2);
        let attempts = [("GET /a", "1"), ("GET /b", "2"), ("GET /a", "3"), ("GET /a", "1"), ("GET /a", "3")];
        let mut passed = Vec::new();
        for (what, invocation) in attempts {
            passed.push(passes(&wire, call(what, Some(invocation))).await);
        }
        assert_eq!((passed, fault.hits()), (vec![true, true, false, true, false], 2));
        drop(fault);
        let fault = wire.inject_at(Fault::HangUp, &name, 2);
        let requests = [passes(&wire, call("GET /a", None)).await, passes(&wire, call("GET /a", None)).await];
        assert_eq!((requests, fault.hits()), ([true, false], 1), "without an invocation each is a call");
    }

    #[tokio::test]
    async fn a_late_call_takes_effect_after_its_caller_has_left() {
        let (wire, executed) = (Wire::default(), watch::Sender::new(false));
        let _fault = wire.inject(Fault::Delay(Duration::from_millis(50)), "GET /a", "", 1);
        let effect = executed.clone();
        let execute = move || async move {
            effect.send_replace(true);
            Ok(Response::default())
        };
        let left =
            tokio::time::timeout(Duration::from_millis(5), wire.pass(call("GET /a", None), false, execute)).await;
        assert!(left.is_err() && !*executed.borrow() && !wire.is_settled());
        executed.subscribe().wait_for(|executed| *executed).await.unwrap();
        tokio::task::yield_now().await;
        assert!(wire.is_settled());
    }

    #[test]
    fn a_step_is_what_began_after_the_one_before_had_ended() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let named = |what: &str, from, to| Call { started: at(from), ended: Some(at(to)), ..call(what, None) };
        let calls = [named("a", 0, 10), named("d", 20, 30), named("b", 1, 20), named("c", 11, 19), named("e", 21, 40)];
        let steps: Vec<Vec<_>> =
            steps(&calls).iter().map(|step| step.iter().map(|call| &*call.operation).collect()).collect();
        assert_eq!(steps, [vec!["a", "b"], vec!["c"], vec!["d", "e"]]);
    }

    #[test]
    fn a_caller_is_taken_out_of_the_path() {
        let taken = |path: &str| {
            let mut request = Request::builder().uri(path).body(()).unwrap();
            let Caller { function, process } = take_caller(&mut request);
            (function, process, request.uri().to_string())
        };
        assert_eq!(taken("/as/inbox/7/a/b?c=%20d"), ("inbox".to_owned(), Some(7), "/a/b?c=%20d".to_owned()));
        assert_eq!(taken("/as/link-callback/7"), ("link-callback".to_owned(), Some(7), "/".to_owned()));
        assert_eq!(taken("/a/b"), (String::new(), None, "/a/b".to_owned()));
    }
}
