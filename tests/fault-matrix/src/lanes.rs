//! Several stands at a time, each with one case at a time: what befalls a function of one case befalls no other.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
};

use local_stand::{
    canaries::Canaries,
    stand::{Stand, THE_APP},
};
use tokio::runtime::Runtime;

use crate::{
    calls::{Calls, Strike},
    case::{Case, Told},
    say,
    stories::Story,
    trouble::Trouble,
};

/// From a failed push to its retry, in seconds: an attempt may take 1.5 s, a call to LINE 0.75 s.
const RETRY_DELAY: &str = "3";
/// So that a round is over soon.
const MAX_RETRIES: &str = "1";

/// How often a case is told until its call is made.
const TRIES: usize = 5;

/// A case to be told.
#[derive(Clone)]
pub struct Job {
    /// The story.
    pub story: &'static Story,
    /// What befalls which call; none for a story as it should go.
    pub strike: Option<(Strike, Trouble)>,
}

/// The stands, each brought up when it is first needed.
pub struct Lanes {
    runtime: Runtime,
    lanes: Vec<OnceLock<(Stand, Canaries)>>,
}

impl Lanes {
    /// So many.
    pub fn new(count: usize) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        Self { runtime, lanes: (0..count).map(|_| OnceLock::new()).collect() }
    }

    /// Tells all of them, and gives them back in their order with what came of each.
    pub fn tell(&self, jobs: Vec<Job>) -> Vec<(Job, Told)> {
        let total = jobs.len();
        let waiting: Mutex<VecDeque<_>> = Mutex::new(jobs.into_iter().enumerate().collect());
        let done = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for lane in self.lanes.iter().take(total) {
                scope.spawn(|| {
                    loop {
                        let Some((place, job)) = lock(&waiting).pop_front() else { break };
                        let (stand, canaries) = lane.get_or_init(|| self.bring_up());
                        let told = self.tell_one(stand, canaries, &job);
                        let mut done = lock(&done);
                        done.push((place, job, told));
                        if done.len().is_multiple_of(50) || done.len() == total {
                            say(format!("{} of {total} told", done.len()));
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(place, ..)| *place);
        done.into_iter().map(|(_, job, told)| (job, told)).collect()
    }

    /// Tells it; again, where the call that was to be struck was not made so often this time: then the last one is.
    fn tell_one(&self, stand: &Stand, canaries: &Canaries, job: &Job) -> Told {
        let mut strike = job.strike.clone();
        for _ in 0..TRIES {
            let case = Case::new(stand, canaries, strike.as_ref());
            let telling = AssertUnwindSafe(|| self.runtime.block_on(case.tell(job.story)));
            let result = catch_unwind(telling).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                Err(text.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned())).unwrap_or_default())
            });
            let (was_struck, calls) = (case.was_struck(), case.calls());
            if let (Err(problem), Some((strike, trouble))) = (&result, &strike) {
                say(format!("failed: {}, {trouble:?} at {strike}\n    {problem}", job.story.name));
            }
            if was_struck || result.is_err() {
                return Told { calls, result };
            }
            strike = strike.and_then(|(strike, trouble)| Some((calls.last(&strike)?, trouble)));
            if strike.is_none() {
                break;
            }
        }
        Told { calls: Calls::default(), result: Err("the call was not made".to_owned()) }
    }

    /// Looks through every log of every stand.
    pub fn canaries_are_silent(&self) -> anyhow::Result<()> {
        self.lanes.iter().filter_map(OnceLock::get).try_for_each(|(stand, canaries)| canaries.are_silent(stand))
    }

    fn bring_up(&self) -> (Stand, Canaries) {
        let parameters =
            [("RetryDelaySeconds", RETRY_DELAY), ("MaxRetries", MAX_RETRIES), ("LinkCallbackUrl", THE_APP)];
        let stand = self.runtime.block_on(Stand::start(&parameters, false)).expect("the stand comes up");
        // Only where a story is about it: a change that another leaves would be told while the next one is.
        self.runtime.block_on(stand.map_the_links(false)).expect("off");
        let canaries = Canaries::of(&stand);
        (stand, canaries)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
