//! Single flight: of the tasks that need the same read one makes it, and the others wait for it.
//!
//! If the read fails, those who waited have that failure, and none repeats the read in its turn: ten messages of a
//! batch wait as long as one. Whoever comes later reads anew. A task that no longer waits costs the others nothing; if
//! it was the one that read, the next in turn reads.

use std::{
    ops::{Deref, DerefMut},
    time::Instant,
};

use tokio::sync::{Mutex, MutexGuard};

/// What was read, and whose turn it is to read it again.
#[derive(Debug)]
pub struct SingleFlight<T, E> {
    state: Mutex<State<T, E>>,
}

#[derive(Debug)]
struct State<T, E> {
    memory: T,
    failed: Option<(E, Instant)>,
}

/// A turn: nobody else looks or reads meanwhile.
#[derive(Debug)]
pub struct Turn<'a, T, E> {
    state: MutexGuard<'a, State<T, E>>,
    came_at: Instant,
}

impl<T, E: Clone> SingleFlight<T, E> {
    /// Begins with this in memory.
    pub fn new(memory: T) -> Self {
        Self { state: Mutex::new(State { memory, failed: None }) }
    }

    /// Waits for a turn. What is in memory may serve; if not, [`Turn::may_read`] says who reads.
    pub async fn turn(&self) -> Turn<'_, T, E> {
        let came_at = Instant::now();
        Turn { state: self.state.lock().await, came_at }
    }
}

impl<T, E: Clone> Turn<'_, T, E> {
    /// Whether this task is to read. The error is the failure of a read that it waited for.
    pub fn may_read(&self) -> Result<(), E> {
        match &self.state.failed {
            Some((error, at)) if *at >= self.came_at => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The read failed, for everybody who waits.
    pub fn fail(&mut self, error: E) -> E {
        self.state.failed = Some((error.clone(), Instant::now()));
        error
    }
}

impl<T, E> Deref for Turn<'_, T, E> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state.memory
    }
}

impl<T, E> DerefMut for Turn<'_, T, E> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.state.memory
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use tokio::{sync::Semaphore, task::yield_now};

    use super::*;

    /// A read that waits until it may end.
    struct Reader {
        flight: SingleFlight<Option<u32>, &'static str>,
        reads: AtomicU32,
        ends: Semaphore,
    }

    impl Reader {
        fn new() -> Arc<Self> {
            let reads = AtomicU32::new(0);
            Arc::new(Self { flight: SingleFlight::new(None), reads, ends: Semaphore::new(0) })
        }

        async fn get(self: Arc<Self>, outcome: Result<u32, &'static str>) -> Result<u32, &'static str> {
            let mut turn = self.flight.turn().await;
            if let Some(known) = *turn {
                return Ok(known);
            }
            turn.may_read()?;
            self.reads.fetch_add(1, Ordering::Relaxed);
            self.ends.acquire().await.expect("never closed").forget();
            match outcome {
                Ok(read) => {
                    *turn = Some(read);
                    Ok(read)
                }
                Err(error) => Err(turn.fail(error)),
            }
        }

        fn ten(
            self: &Arc<Self>,
            outcome: Result<u32, &'static str>,
        ) -> Vec<tokio::task::JoinHandle<Result<u32, &'static str>>> {
            (0..10).map(|_| tokio::spawn(Arc::clone(self).get(outcome))).collect()
        }

        async fn wait_for_a_read(&self, reads: u32) {
            while self.reads.load(Ordering::Relaxed) < reads {
                yield_now().await;
            }
            // The others have come, too: this runtime has one thread, and each has run once.
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_waited_have_the_failure_and_who_comes_later_reads_anew() {
        let reader = Reader::new();
        let ten = reader.ten(Err("down"));
        reader.wait_for_a_read(1).await;
        reader.ends.add_permits(20);
        for one in ten {
            assert_eq!(one.await.expect("no panic"), Err("down"));
        }
        assert_eq!(reader.reads.load(Ordering::Relaxed), 1);
        assert_eq!(Arc::clone(&reader).get(Ok(7)).await, Ok(7));
        assert_eq!(reader.get(Err("not asked")).await, Ok(7));
    }

    #[tokio::test]
    async fn where_the_reader_gives_up_the_next_in_turn_reads() {
        let reader = Reader::new();
        let mut ten = reader.ten(Ok(7));
        reader.wait_for_a_read(1).await;
        ten.remove(0).abort();
        reader.wait_for_a_read(2).await;
        reader.ends.add_permits(1);
        for one in ten {
            assert_eq!(one.await.expect("no panic"), Ok(7));
        }
        assert_eq!(reader.reads.load(Ordering::Relaxed), 2);
    }
}
