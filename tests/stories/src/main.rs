//! Stories over the wire: the functions' own binaries behind the emulated AWS, posted to as the order system posts.
//!
//! * [`alarms`] - what rings when, over streams of metrics
//! * [`check_stack`] - the check of a deployment, which finds whatever is broken
//! * [`callers`] - what opens a door, what closes it, and what a credential that got out is good for
//! * [`contract`] - what the order system sends and is answered
//! * [`outcomes`] - every row of the table of LINE's answers
//! * [`recipients`] - whom an order reaches: members, friends, and those who are neither
//! * [`retries`] - the queue, the dead-letter queue, redrive, the switch, the key's 24 hours
//! * [`bells`] - the record delivers, the queue only rings: lost, late and moved bells, the sweep
//! * [`days`] - how a day's deliveries are counted
//! * [`crashes`] - processes killed, AWS failing at each step
//! * [`writes`] - what may come between a store and its table: a lost answer, a transaction, an error
//! * [`daily_report`] - the mail at nine, and the warning before the quota is gone
//! * [`report_preview`] - the latest mail in the console, and as a test
//! * [`tokens`] - the shared token, keys and secrets
//! * [`login`] - a member becomes a LINE user, and everything that tries to come in between
//! * [`login_browser`] - what the customer sees of it in a real browser
//! * [`link_callbacks`] - the app is told of links, in their order, whatever comes in between
//! * [`costs`] - how many calls an order takes, and what the logs do not say
//! * [`steps`] - what each event waits for, call by call
//! * [`resends`] - an operator sends an order again
//! * [`dead_letters`] - what failed for good, and the way back
//! * [`operations`] - what operators call, and what everybody else does not get
//! * [`console`] - the operators' page in a real browser
//! * [`console_source`] - how that page is written, and that it knows what the API knows
//! * [`webhooks`] - what LINE and Sobot send, and what they are answered
//! * [`inbox`] - what becomes of the events
//! * [`foreign_bytes`] - what is not quite JSON or not quite Unicode, at every door
//! * [`generated`] - any order, any call: thousands of them, from a seed
//! * [`load`] - many orders at once, and everything that may come in between
//! * [`long_runs`] - one process, thousands of events
//! * [`scale`] - how many orders the settings bear, and what limits
//! * [`template`] - what holds for every queue, table, log, policy, route and alarm of `template.yaml`
//! * [`sdk_validation`] - that AWS's services would take what the template asks of them
//! * [`people`] - what is kept of a person, and that it is forgotten
//! * [`permissions`] - that each one in `template.yaml` is needed
//! * [`problems`] - the contract says of each what its caller does, and a story calls forth each
//! * [`metrics`] - what CloudWatch reads in the logs
//! * [`routes`] - the stack has the routes that are documented, and no others
//! * [`sources`] - what the functions' sources say in one place only, and what they never say
//! * [`events`] - every file of `events/` drives its function
//! * [`documents`] - what the pages say is there: links, files, parameters, outputs, calls
//! * [`comments`] - how wide they are
//! * [`dependencies`] - what is linked into the binaries has a permissive licence, a known source, and one version
//!
//! Stories share one stand and keep out of each other's way by order and user; one that turns something for everybody
//! brings up its own.

mod alarms;
mod bells;
mod callers;
mod check_stack;
mod comments;
mod conditional_writes;
mod console;
mod console_source;
mod contract;
mod costs;
mod crashes;
mod daily_report;
mod days;
mod dead_letters;
mod dependencies;
mod documents;
mod events;
mod foreign_bytes;
mod generated;
mod inbox;
mod kept_forms;
mod link_callbacks;
mod load;
mod login;
mod login_browser;
mod long_runs;

mod metrics;
mod operations;
mod outcomes;
mod parameters;
mod people;
mod permissions;
mod problems;
mod recipients;
mod recoveries;
mod releases;
mod report_preview;
mod resends;
mod retries;
mod routes;
mod scale;
mod sdk_validation;
mod second_emulator;
mod sources;
mod steps;
mod template;
mod tokens;
mod webhooks;

use std::{
    io::Write as _,
    ops::Deref,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use local_stand::{
    browser::{self, Installed},
    canaries::Canaries,
    stand::{POLL, Reply, Stand},
};
use serde_json::Value;
use tokio::{
    runtime::Runtime,
    sync::{OnceCell, RwLock, RwLockWriteGuard, Semaphore, SemaphorePermit},
    task::JoinHandle,
    time::{Instant, sleep},
};

/// From a failed push to its retry, in seconds. Time-outs are derived from it: an attempt may
/// take 3 s, a call to LINE 1.5 s.
pub const RETRY_DELAY: &str = "6";

/// All stories run on it, so that they can share clients and stand-ins.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static SHARED: OnceCell<Stand> = OnceCell::const_new();

/// Held by every story; alone by one that keeps the whole machine busy, or that measures it.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// Browsers at one time: each keeps a core busy, and a page that is not drawn in time looks like one that is wrong.
static BROWSERS: Semaphore = Semaphore::const_new(2);

/// A browser that is installed, and the turn to open it.
pub struct Turn {
    installed: Installed,
    _permit: SemaphorePermit<'static>,
}

impl Deref for Turn {
    type Target = Installed;

    fn deref(&self) -> &Installed {
        &self.installed
    }
}

/// Waits for the turn of a story that is told in a browser; says that it is skipped where there is none. To be called
/// before the story begins: who has a stand, and waits, keeps those waiting who need the machine for themselves.
pub fn a_browser(test: &str) -> Option<Turn> {
    let Some(installed) = browser::installed() else {
        assert!(std::env::var_os("CI").is_none(), "no browser: .ci/run installs one where it can");
        // Past the test harness, which would keep a print to itself.
        let words = format!("SKIPPED {test}: no chromium with chromedriver on the PATH\n");
        let _ = std::io::stderr().write_all(words.as_bytes());
        return None;
    };
    let permit = RUNTIME.block_on(BROWSERS.acquire()).expect("it is never closed");
    Some(Turn { installed, _permit: permit })
}

/// Tells a story on the shared stand.
pub fn story(tell: impl AsyncFnOnce(&Stand)) {
    RUNTIME.block_on(async {
        let _machine = MACHINE.read().await;
        let stand = SHARED.get_or_init(|| own_stand(&[])).await;
        tell(stand).await;
        nothing_went_wrong(stand);
    });
}

/// Tells a story on a stand of its own.
pub fn story_alone(parameters: &[(&str, &str)], tell: impl AsyncFnOnce(Arc<Stand>)) {
    RUNTIME.block_on(async {
        let _machine = MACHINE.read().await;
        on_its_own_stand(parameters, tell).await;
    });
}

/// A parameter for stories that do something while LINE holds a request: its caller waits for five seconds.
pub const TIME_TO_ACT: (&str, &str) = ("RetryDelaySeconds", "20");

/// Tells a story on a stand of its own while no other story is told.
pub fn story_on_an_idle_machine(parameters: &[(&str, &str)], tell: impl AsyncFnOnce(Arc<Stand>)) {
    RUNTIME.block_on(async {
        let _machine = the_machine().await;
        on_its_own_stand(parameters, tell).await;
    });
}

/// Waits until no other story is told. Until the longest of them has ended, nobody begins: so several wait
/// together, until they are three, or have waited long, or the machine is idle anyway.
async fn the_machine() -> RwLockWriteGuard<'static, ()> {
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    WAITING.fetch_add(1, Ordering::Relaxed);
    let deadline = Instant::now() + Duration::from_secs(90);
    let machine = loop {
        if let Ok(machine) = MACHINE.try_write() {
            break machine;
        }
        if WAITING.load(Ordering::Relaxed) >= 3 || Instant::now() > deadline {
            break MACHINE.write().await;
        }
        sleep(POLL).await;
    };
    WAITING.fetch_sub(1, Ordering::Relaxed);
    machine
}

async fn on_its_own_stand(parameters: &[(&str, &str)], tell: impl AsyncFnOnce(Arc<Stand>)) {
    let stand = Arc::new(own_stand(parameters).await);
    tell(Arc::clone(&stand)).await;
    nothing_went_wrong(&stand);
    Canaries::of(&stand).are_silent(&stand).expect("silence");
}

fn nothing_went_wrong(stand: &Stand) {
    assert_eq!(stand.line.violations(), [] as [&str; 0]);
    assert_eq!(stand.aws.tap().denied(), [] as [&str; 0]);
    assert_eq!(stand.public_api.violations(), [] as [&str; 0]);
    assert_eq!(stand.app.violations(), [] as [&str; 0]);
}

async fn own_stand(parameters: &[(&str, &str)]) -> Stand {
    let parameters = [&[("RetryDelaySeconds", RETRY_DELAY)], parameters].concat();
    Stand::start(&parameters, false).await.expect("the stand comes up")
}

/// A time of LINE's, in milliseconds: an hour ago, the same for the whole run.
pub fn an_hour_ago() -> u64 {
    static THEN: LazyLock<u64> = LazyLock::new(|| now_ms() - 3_600_000);
    *THEN
}

/// Now, in milliseconds.
pub fn now_ms() -> u64 {
    u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).expect("after 1970")
}

/// Half of what the template gives a function, in bytes: more than that no input may take.
pub fn half_the_memory() -> u64 {
    let megabytes = &template::template().written["Globals"]["Function"]["MemorySize"];
    megabytes.as_u64().expect("a number of megabytes") * 1024 * 1024 / 2
}

/// The most memory that a live process of this function ever used, in bytes.
pub fn peak_memory(stand: &Stand, binary: &str) -> u64 {
    let processes = stand.aws.processes(binary).expect("the processes");
    processes.iter().map(|process| process.peak_memory * 1024).max().expect("a live process, and Linux")
}

/// Posts an order while the story goes on.
pub fn posting(stand: &Stand, order: &Value) -> JoinHandle<Reply> {
    let (stand, order) = (stand.clone(), order.clone());
    tokio::spawn(async move { stand.post(&order).await })
}

/// The order's id.
pub fn id(order: &Value) -> &str {
    order["orderId"].as_str().expect("an order id")
}

/// Whom the order is about.
pub fn user(order: &Value) -> &str {
    order["recipient"]["lineUserId"].as_str().expect("a recipient")
}
