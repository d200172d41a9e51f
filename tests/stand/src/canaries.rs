//! What no log, no error and no dead letter may say: secrets, tokens, user ids, what people wrote.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{bail, ensure};
use regex::Regex;
use serde_json::Value;

use crate::stand::{Reply, Stand};

/// What customers write in the stories that write much.
pub const WRITTEN: &str = "充电宝没弹出来 🔋";

/// What was planted on a stand, and where it came up.
#[derive(Debug, Default)]
pub struct Canaries {
    planted: Mutex<BTreeSet<String>>,
    said: Mutex<Vec<String>>,
}

impl Canaries {
    /// Those that a stand has from its start.
    pub fn of(stand: &Stand) -> Self {
        let canaries = Self::default();
        let (line, login, sobot) = (stand.line.secret(), stand.login_secret(), stand.sobot.secret());
        canaries.plant([&stand.order_key, &stand.operator_key, &stand.link_token_secret]);
        canaries.plant([&login["channelSecret"], &sobot["appKey"]].map(text));
        canaries.plant([stand.line.channel_secret(), stand.sobot.webhook_key()]);
        canaries.plant(["d", "p", "q", "dp", "dq", "qi"].map(|name| text(&line["privateKey"][name])));
        canaries.plant(stand.app.key());
        canaries.plant([WRITTEN]);
        canaries
    }

    /// Plants what nobody may read.
    pub fn plant(&self, texts: impl IntoIterator<Item = impl AsRef<str>>) {
        lock(&self.planted)
            .extend(texts.into_iter().map(|text| text.as_ref().to_owned()).filter(|text| text.len() > 7));
    }

    /// An error's body says nothing of them either.
    pub fn look_at(&self, reply: &Reply) {
        if reply.status >= 400 {
            self.look_at_text(&reply.body.to_string());
        }
    }

    /// Nor does this page or error.
    pub fn look_at_text(&self, body: &str) {
        lock(&self.said).extend(self.first_in(body).map(|said| format!("an answer says {said}: {body}")));
    }

    fn first_in(&self, text: &str) -> Option<String> {
        lock(&self.planted).iter().find(|canary| text.contains(*canary)).cloned()
    }

    /// No answer has said one since this was asked last.
    ///
    /// # Errors
    /// What they said.
    pub fn answers_are_silent(&self) -> anyhow::Result<()> {
        let said = std::mem::take(&mut *lock(&self.said));
        ensure!(said.is_empty(), "{said:?}");
        Ok(())
    }

    /// No log says one, nor any whole user id; the tokens of LINE and Sobot are canaries, too.
    ///
    /// # Errors
    /// The line that says it.
    ///
    /// # Panics
    /// Never: the expression is one.
    pub fn are_silent(&self, stand: &Stand) -> anyhow::Result<()> {
        let requests = stand.line.requests();
        let tokens = requests.iter().filter_map(|request| request.headers.get("authorization")?.to_str().ok());
        self.plant(tokens.filter_map(|token| token.strip_prefix("Bearer ")));
        self.plant(stand.sobot.tokens());
        let logs = stand.aws.all_logs();
        let user = Regex::new(r"\bU[0-9a-f]{32}\b").expect("an expression");
        let said = self.first_in(&logs).or_else(|| user.find(&logs).map(|user| user.as_str().to_owned()));
        let Some(said) = said else { return Ok(()) };
        let line = logs.lines().find(|line| line.contains(&said)).unwrap_or_default();
        bail!("a log says {said}: {line}")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
