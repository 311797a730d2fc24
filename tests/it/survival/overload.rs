//! More than the writer takes: refused with when to come back, and nothing lost.
use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use ledgerline::app::{App, AppError, Code};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::task::JoinHandle;

use super::{
    oracle::{Promises, check},
    stream::{RUNTIME, Told, open_with, send, small},
};

const QUEUE: usize = 4;

/// An application whose writer is held up by somebody else's lock.
struct HeldUp {
    folder: tempfile::TempDir,
    app: Arc<App>,
    lock: Connection,
    told: Arc<Mutex<Vec<Told>>>,
}

impl HeldUp {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = small();
        config.ingest.queue_max = QUEUE;
        let app = open_with(folder.path(), &config).unwrap();
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        // The keys are there before the writer is held up.
        RUNTIME.block_on(send(&app, 0, &|t| told.lock().push(t))).unwrap();
        let lock = Connection::open(folder.path().join("main.db")).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self { folder, app, lock, told }
    }

    fn send(&self, n: u32) -> JoinHandle<Result<(), AppError>> {
        let (app, told) = (self.app.clone(), self.told.clone());
        RUNTIME.spawn(async move { send(&app, n, &|t| told.lock().push(t)).await })
    }

    /// Sends one event after the other, waiting for none, until one is refused;
    /// gives those that wait and the number of the one refused.
    fn fill(&self) -> (Vec<JoinHandle<Result<(), AppError>>>, u32) {
        let (refused, refusals) = mpsc::channel();
        let mut waiting = Vec::new();
        for n in 1.. {
            let (app, told, refused) = (self.app.clone(), self.told.clone(), refused.clone());
            waiting.push(RUNTIME.spawn(async move {
                let outcome = send(&app, n, &|t| told.lock().push(t)).await;
                if let Err(e) = &outcome {
                    // Nobody hears of those after the first.
                    drop(refused.send((n, e.code, e.retry_after, e.message.clone())));
                }
                outcome
            }));
            if let Ok((n, code, retry_after, message)) = refusals.recv_timeout(Duration::from_millis(20)) {
                assert_eq!((code, retry_after), (Code::Unavailable, Some(1)), "{message}");
                assert_eq!(message, "more events are waiting than the server takes at once; try again");
                return (waiting, n);
            }
        }
        unreachable!()
    }
}

#[test]
fn a_full_queue_answers_unavailable_and_what_waits_is_recorded() {
    let world = HeldUp::new();
    let (waiting, refused) = world.fill();
    world.lock.execute_batch("COMMIT").unwrap();
    let sent = waiting.len();
    let outcomes: Vec<_> = waiting.into_iter().map(|w| RUNTIME.block_on(w).unwrap()).collect();
    let recorded = outcomes.iter().filter(|o| o.is_ok()).count();
    assert!(recorded >= QUEUE && recorded < sent, "{recorded} of {sent}");
    // The refused ones come back as they were told, and are recorded then.
    assert!(RUNTIME.block_on(world.send(refused)).unwrap().is_ok());
    assert_eq!(world.app.ledger_size(), 1 + recorded as u64 + 1);
    let promises = Promises::of(world.told.lock().iter());
    world.app.drain();
    let HeldUp { folder, app, .. } = world;
    drop(app);
    check(folder.path(), &promises, usize::MAX).unwrap();
}

#[test]
fn a_drain_finishes_what_waits_and_refuses_what_comes() {
    let world = HeldUp::new();
    let (waiting, _) = world.fill();
    let drain = std::thread::spawn({
        let app = world.app.clone();
        move || app.drain()
    });
    // Once it drains, nothing more is taken.
    let mut n = 100_000;
    loop {
        n += 1;
        let refused = RUNTIME.block_on(world.send(n)).unwrap().expect_err("the queue is full, or closed");
        assert_eq!((refused.code, refused.retry_after), (Code::Unavailable, Some(1)), "{refused}");
        if refused.message == "the server is stopping; try again" {
            break;
        }
    }
    world.lock.execute_batch("COMMIT").unwrap();
    drain.join().unwrap();
    let recorded = waiting.into_iter().filter_map(|w| RUNTIME.block_on(w).unwrap().ok()).count();
    assert!(recorded >= QUEUE, "{recorded}");
    assert_eq!(world.app.ledger_size(), 1 + recorded as u64);
    let promises = Promises::of(world.told.lock().iter());
    let HeldUp { folder, app, .. } = world;
    drop(app);
    check(folder.path(), &promises, usize::MAX).unwrap();
}
