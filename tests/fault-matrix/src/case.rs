//! One telling of a story on one stand.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use local_stand::{
    canaries::Canaries,
    stand::{POLL, Reply, Stand},
    wire::{Injected, Wire},
};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    calls::{Calls, Mark, Strike},
    stories::Story,
    trouble::Trouble,
};

/// The longest that a story may take to its end.
const LIMIT: Duration = Duration::from_secs(150);
/// The longest that a state may be awaited.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a push that met the end of the quota is told of.
pub const QUOTA_WARNING: &str = "QUOTA_WARNING_QUEUE_URL";
/// Where an operator asks for a report.
pub const DAILY_REPORT: &str = "DAILY_REPORT_QUEUE_URL";
/// What may hold messages: an output of the stack, or a variable of a function.
const QUEUES: [&str; 7] = [
    "PushRetryQueueUrl",
    "PushRetryDeadLetterQueueUrl",
    "InboxQueueUrl",
    "InboxDeadLetterQueueUrl",
    QUOTA_WARNING,
    DAILY_REPORT,
    "DAILY_REPORT_DEAD_LETTER_QUEUE_URL",
];

/// One telling.
pub struct Case<'a> {
    /// Where.
    pub stand: &'a Stand,
    /// What must not be said.
    pub canaries: &'a Canaries,
    strike: Option<&'a (Strike, Trouble)>,
    begun: Mutex<Option<Begun>>,
}

/// A story that has begun.
struct Begun {
    from: Mark,
    to: Option<Mark>,
    injected: Option<Injected>,
}

/// What came of it.
pub struct Told {
    /// What the functions called, from [`Case::begin`] on.
    pub calls: Calls,
    /// What did not hold.
    pub result: Result<(), String>,
}

impl<'a> Case<'a> {
    /// A telling in which this befalls that call.
    pub fn new(stand: &'a Stand, canaries: &'a Canaries, strike: Option<&'a (Strike, Trouble)>) -> Self {
        Self { stand, canaries, strike, begun: Mutex::new(None) }
    }

    /// Tells a story to its end.
    pub async fn tell(&self, story: &Story) -> Result<(), String> {
        let telling = async {
            self.tidy_up().await?;
            (story.tell)(self).await
        };
        let told = timeout(LIMIT, telling).await;
        let told = told.unwrap_or_else(|_| Err(anyhow::anyhow!("it came to no end in {LIMIT:?}")));
        // What comes late comes into no other case.
        let wire = self.strike.map(|(strike, _)| strike.to.wire(self.stand));
        let settled = async || Ok(wire.is_none_or(Wire::is_settled));
        let told = told.and(self.until("what was delayed has taken effect", settled).await);
        told.and_then(|()| self.end()).map_err(|problem| format!("{problem:#}"))
    }

    /// What the functions called from [`begin`](Self::begin) until it [was over](Self::is_over).
    pub fn calls(&self) -> Calls {
        let mark = || Calls::mark(self.stand);
        self.lock()
            .as_ref()
            .map_or_else(Calls::default, |begun| Calls::between(self.stand, begun.from, begun.to.unwrap_or_else(mark)))
    }

    /// What an earlier case left behind.
    async fn tidy_up(&self) -> anyhow::Result<()> {
        for queue in QUEUES {
            self.empty(queue).await?;
        }
        // On AWS what failed there comes again after minutes, and the template has no parameter for that.
        for queue in [QUOTA_WARNING, DAILY_REPORT] {
            let soon = self.stand.sqs.set_queue_attributes().queue_url(self.url(queue));
            soon.attributes(QueueAttributeName::VisibilityTimeout, "2").send().await?;
        }
        self.stand.line.set_quota(None);
        Ok(())
    }

    /// The story begins, after what had to be there before it: every function starts anew and knows nothing, and from
    /// now on the trouble may come.
    pub async fn begin(&self) -> anyhow::Result<()> {
        self.start_anew().await?;
        let injected = match &self.strike {
            None => None,
            Some((strike, trouble)) => {
                let fault = trouble.fault(strike).context("no such fault on this wire")?;
                Some(strike.to.wire(self.stand).inject_at(fault, &strike.name, strike.number))
            }
        };
        *self.lock() = Some(Begun { from: Calls::mark(self.stand), to: None, injected });
        Ok(())
    }

    /// The story is over: what is called from now on only looks at what it left.
    pub fn is_over(&self) {
        if let Some(begun) = &mut *self.lock() {
            begun.to = Some(Calls::mark(self.stand));
        }
    }

    /// No process, no shared token.
    async fn start_anew(&self) -> anyhow::Result<()> {
        self.stand.aws.kill_all()?;
        for issuer in ["line", "sobot"] {
            let delete = self.stand.dynamodb.delete_item().table_name(self.stand.aws.output("TokensTableName"));
            delete.key("issuer", AttributeValue::S(issuer.to_owned())).send().await?;
        }
        self.stand.line.revoke_all_tokens();
        self.stand.line.begin_an_hour();
        Ok(())
    }

    /// Whether the trouble has come: a call that is made now and then may have been made less often than before.
    pub fn was_struck(&self) -> bool {
        match &*self.lock() {
            Some(Begun { injected: Some(injected), .. }) => injected.hits() > 0,
            _ => self.strike.is_none(),
        }
    }

    /// Nobody has anything to complain of.
    fn end(&self) -> anyhow::Result<()> {
        let stand = self.stand;
        ensure!(stand.line.violations().is_empty(), "LINE: {:?}", stand.line.violations());
        ensure!(stand.aws.tap().denied().is_empty(), "policies: {:?}", stand.aws.tap().denied());
        ensure!(stand.public_api.violations().is_empty(), "{:?}", stand.public_api.violations());
        ensure!(stand.app.violations().is_empty(), "the app: {:?}", stand.app.violations());
        self.canaries.answers_are_silent()
    }

    /// What befalls which call in this telling.
    pub fn trouble_at(&self) -> Option<(&str, Trouble)> {
        self.strike.map(|(strike, trouble)| (strike.name.what.as_str(), *trouble))
    }

    /// Waits for a state.
    pub async fn until(&self, what: &str, holds: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await? {
            ensure!(Instant::now() < deadline, "waited in vain until {what}");
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Calls as everybody does who depends on the answer: again, until there is one below 500.
    pub async fn until_answered(&self, call: impl AsyncFn() -> Reply) -> anyhow::Result<Reply> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let reply = call().await;
            self.canaries.look_at(&reply);
            if reply.status < 500 {
                return Ok(reply);
            }
            ensure!(Instant::now() < deadline, "no answer but 5xx");
            sleep(POLL).await;
        }
    }

    /// A member is linked before the story begins; again, where a busy machine let a call run out of time.
    pub async fn log_in(&self, member: &str, user: &str) -> anyhow::Result<()> {
        let mut page = self.stand.log_in(member, user).await;
        for _ in 0..5 {
            if page.is_ok() {
                break;
            }
            sleep(POLL).await;
            page = self.stand.log_in(member, user).await;
        }
        page.map(drop)
    }

    /// The operator calls, until there is an answer.
    pub async fn operate(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Reply> {
        self.until_answered(async || self.stand.operate(method, path, body.clone()).await).await
    }

    fn lock(&self) -> MutexGuard<'_, Option<Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queues of a stand.
impl Case<'_> {
    /// Whether a queue holds so many messages, visible or not.
    pub async fn holds(&self, queue: &str, count: u64) -> anyhow::Result<bool> {
        Ok(self.stand.depth_of(self.url(queue)).await? == count)
    }

    /// Whether a queue is empty, and still a moment later: a message that is being moved is in none.
    pub async fn is_idle(&self, queue: &str) -> anyhow::Result<bool> {
        for _ in 0..5 {
            if !self.holds(queue, 0).await? {
                return Ok(false);
            }
            sleep(POLL).await;
        }
        Ok(true)
    }

    /// The address of a queue, by the output or the variable that has it.
    fn url(&self, queue: &str) -> &str {
        let aws = &self.stand.aws;
        let variable = aws.environments().values().find_map(|variables| variables.get(queue));
        variable.map_or_else(|| aws.output(queue), String::as_str)
    }

    /// Takes every message away.
    pub async fn empty(&self, queue: &str) -> anyhow::Result<()> {
        self.stand.sqs.purge_queue().queue_url(self.url(queue)).send().await?;
        Ok(())
    }
}
