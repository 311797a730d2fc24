//! The one sequencer: a bounded queue in front of the store's writer, and group
//! commit: whatever waits goes into the next transaction.
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::AppError;
use crate::{
    clock::Clock,
    store::{
        PublishedCheckpoint,
        write::{Act, Committed, Committer},
    },
};

/// Acts a transaction takes at most.
const BATCH_MAX: usize = 1_024;
/// How often the committer looks again while fewer have come than are known to
/// be on their way. No timer: it yields.
const GATHER_LOOKS: usize = 20;
/// The oldest entry without a checkpoint waits at most this long (the contract
/// says one second).
const CHECKPOINT_AFTER: Duration = Duration::from_millis(400);
/// What a client is told to wait when the queue is full or the server stops.
const RETRY_AFTER_S: u32 = 1;

enum Job {
    Act(Box<Act>, oneshot::Sender<Result<Committed, Failed>>),
    /// Covers everything committed by a checkpoint now.
    Publish(oneshot::Sender<Result<Arc<PublishedCheckpoint>, Failed>>),
}

/// The writer stopped while the act was under way: it may or may not be there.
#[derive(Clone, Copy, Debug)]
struct Failed;

/// Where use cases hand in acts.
pub struct Sequencer {
    queue: Mutex<Option<SyncSender<Job>>>,
    active: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sequencer {
    /// Starts the writer's thread.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn start(writer: Box<dyn Committer>, clock: Arc<dyn Clock>, queue_max: usize) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(queue_max.max(1));
        let active = Arc::new(AtomicUsize::new(0));
        let stop = watch::Sender::new(false);
        let committer = Committing { writer, clock, jobs, active: active.clone(), stop: stop.clone() };
        let thread = std::thread::Builder::new().name("sequencer".into()).spawn(move || committer.run())?;
        Ok(Self { queue: Mutex::new(Some(queue)), active, stop, thread: Mutex::new(Some(thread)) })
    }

    /// Hands an act in and waits until it is durable.
    ///
    /// # Errors
    /// `UNAVAILABLE`: the queue is full, or the server is stopping.
    pub async fn submit(&self, act: Act) -> Result<Committed, AppError> {
        let (reply, answer) = oneshot::channel();
        let _active = Active::enter(&self.active);
        self.hand_in(Job::Act(Box::new(act), reply))?;
        answer.await.map_err(|_| unknown())?.map_err(|Failed| unknown())
    }

    /// Hands an act in for which nobody waits: of the server's own accord.
    ///
    /// # Errors
    /// `UNAVAILABLE`: the queue is full, or the server is stopping.
    pub fn post(&self, act: Act) -> Result<(), AppError> {
        let (reply, _) = oneshot::channel();
        self.hand_in(Job::Act(Box::new(act), reply))
    }

    /// A checkpoint that covers every entry acknowledged so far.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn publish(&self) -> Result<Arc<PublishedCheckpoint>, AppError> {
        let (reply, answer) = oneshot::channel();
        self.hand_in(Job::Publish(reply))?;
        answer.await.map_err(|_| unknown())?.map_err(|Failed| unknown())
    }

    fn hand_in(&self, job: Job) -> Result<(), AppError> {
        let queue = self.queue.lock().clone();
        let failed = || AppError::unavailable("the server has stopped writing after a failed write; it recovers at the next start", 5);
        let stopping = || AppError::unavailable("the server is stopping; try again", RETRY_AFTER_S);
        match queue.ok_or_else(|| if self.stopped() { failed() } else { stopping() })?.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                metrics::counter!(crate::telemetry::name::QUEUE_FULL).increment(1);
                Err(AppError::unavailable("more events are waiting than the server takes at once; try again", RETRY_AFTER_S))
            }
            Err(TrySendError::Disconnected(_)) => Err(failed()),
        }
    }

    /// Turns true once a commit has failed: the process should end.
    #[must_use]
    pub fn watch_stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    #[must_use]
    pub fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Takes no more acts, for a reason outside the log: what acts need could not be written.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        drop(self.queue.lock().take());
    }

    /// Takes no more acts, finishes those that wait, publishes a checkpoint.
    pub fn drain(&self) {
        drop(self.queue.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the sequencer's thread panicked");
        }
    }
}

impl Drop for Sequencer {
    fn drop(&mut self) {
        self.drain();
    }
}

fn unknown() -> AppError {
    AppError::unavailable(
        "the server stopped before it knew whether the event is recorded; send the same again, it is never recorded twice",
        5,
    )
}

/// Counts those on their way to a commit.
struct Active<'a>(&'a AtomicUsize);

impl<'a> Active<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Committing {
    writer: Box<dyn Committer>,
    clock: Arc<dyn Clock>,
    jobs: Receiver<Job>,
    active: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
}

type Waiting = Vec<oneshot::Sender<Result<Committed, Failed>>>;
type WaitingForCheckpoint = Vec<oneshot::Sender<Result<Arc<PublishedCheckpoint>, Failed>>>;

impl Committing {
    fn run(mut self) {
        let mut uncovered: Option<Instant> = None;
        loop {
            let first = match uncovered {
                None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => self.jobs.recv_timeout(CHECKPOINT_AFTER.saturating_sub(since.elapsed())),
            };
            let (acts, waiting, publish) = match first {
                Ok(job) => self.gather(job),
                Err(RecvTimeoutError::Timeout) => (Vec::new(), Vec::new(), Vec::new()),
                Err(RecvTimeoutError::Disconnected) => {
                    if uncovered.is_some() {
                        self.publish(Vec::new());
                    }
                    return;
                }
            };
            if !acts.is_empty() {
                if !self.commit(acts, waiting) {
                    return;
                }
                uncovered.get_or_insert_with(Instant::now);
            }
            let due = uncovered.is_some_and(|since| since.elapsed() >= CHECKPOINT_AFTER);
            if due || !publish.is_empty() {
                if !self.publish(publish) {
                    return;
                }
                uncovered = None;
            }
        }
    }

    /// Takes what waits, and waits a moment for those known to be on their way.
    fn gather(&self, first: Job) -> (Vec<Act>, Waiting, WaitingForCheckpoint) {
        let (mut acts, mut waiting, mut publish) = (Vec::new(), Vec::new(), Vec::new());
        let mut take = |job| match job {
            Job::Act(act, reply) => {
                acts.push(*act);
                waiting.push(reply);
                acts.len()
            }
            Job::Publish(reply) => {
                publish.push(reply);
                acts.len()
            }
        };
        let mut taken = take(first);
        let mut looks = 0;
        while taken < BATCH_MAX {
            match self.jobs.try_recv() {
                Ok(job) => taken = take(job),
                Err(_) if looks < GATHER_LOOKS && taken < self.active.load(Ordering::Relaxed) => {
                    looks += 1;
                    std::thread::yield_now();
                }
                Err(_) => break,
            }
        }
        (acts, waiting, publish)
    }

    fn commit(&mut self, acts: Vec<Act>, waiting: Waiting) -> bool {
        let started = Instant::now();
        let size = acts.len();
        let done = self.writer.commit(acts, self.clock.now());
        metrics::histogram!(crate::telemetry::name::COMMIT_SECONDS).record(started.elapsed().as_secs_f64());
        metrics::histogram!(crate::telemetry::name::COMMIT_ENTRIES).record(size as f64);
        match done {
            Ok(done) => {
                for (reply, committed) in waiting.into_iter().zip(done) {
                    // Whoever gave up waiting finds the entry by sending the same again.
                    reply.send(Ok(committed)).ok();
                }
                true
            }
            Err(e) => {
                self.give_up(&e);
                for reply in waiting {
                    reply.send(Err(Failed)).ok();
                }
                false
            }
        }
    }

    fn publish(&mut self, waiting: WaitingForCheckpoint) -> bool {
        let done = self.writer.publish();
        if let Err(e) = &done {
            self.give_up(e);
        }
        let ok = done.is_ok();
        let answer = done.map_err(|_| Failed);
        waiting.into_iter().for_each(|reply| drop(reply.send(answer.clone())));
        ok
    }

    fn give_up(&self, e: &crate::store::write::CommitError) {
        tracing::error!(error = super::error_chain(e), "a commit failed; the server stops writing and a restart recovers");
        self.stop.send_replace(true);
    }
}
