//! Init: what a function does between its start and its first event. Lambda keeps the first event waiting for it, so
//! it is bounded; what is not done by then is done beside the events, and whoever needs it waits for that.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use tokio::time::timeout;

/// So long the first event waits: for secrets, tokens, and connections together. Lambda itself would wait ten seconds.
pub const BOUND: Duration = Duration::from_millis(500);

/// What is done, in a box: a `main` with all of it in one future is more than the compiler lays out.
pub type Prepare<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Takes events, with `run`, once everything is prepared or the time is over.
pub async fn then<T>(mut prepare: Prepare<'_>, run: impl Future<Output = T>) -> T {
    let mut run = pin!(run);
    if timeout(BOUND, &mut prepare).await.is_err() {
        tracing::warn!("not everything is prepared in time, the first events go on with it");
        tokio::select! {
            result = &mut run => return result,
            () = &mut prepare => {}
        }
    }
    run.await
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending, time::Instant};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn what_is_prepared_at_once_holds_nobody_up() {
        let prepared = Cell::new(false);
        let begin = Instant::now();
        let found = then(Box::pin(async { prepared.set(true) }), async { prepared.get() }).await;
        assert!(found && begin.elapsed() < BOUND);
    }

    #[tokio::test]
    async fn what_never_ends_holds_the_events_up_for_half_a_second() {
        let begin = Instant::now();
        assert!(then(Box::pin(pending()), async { begin.elapsed() >= BOUND }).await);
    }

    #[tokio::test]
    async fn what_is_late_is_done_beside_the_events() {
        let prepared = Cell::new(false);
        let prepare = async {
            sleep(BOUND * 2).await;
            prepared.set(true);
        };
        let run = async {
            let at_first = prepared.get();
            // Until it is.
            while !prepared.get() {
                tokio::task::yield_now().await;
            }
            at_first
        };
        assert!(!then(Box::pin(prepare), run).await);
    }
}
