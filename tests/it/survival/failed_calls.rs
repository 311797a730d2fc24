//! Every write and sync fails once, lost or persisted but reported lost: in a
//! first start, in a start after a crash, and while events are committed.
//!
//! Whoever was answered holds the truth, nobody is answered falsely, a failed
//! sync stops the writer and is not tried again; and after the restart all holds,
//! also through a power cut that takes what the failed sync left in memory.
use std::{path::Path, sync::Arc, time::Duration};

use ledgerline::app::{App, Code, Readiness};
use parking_lot::Mutex;

use super::{
    chance::Chance,
    crash_images::copy_keys,
    long,
    oracle::{Promises, check},
    recording::{Call, Error, Fault, Form, Loss},
    stream::{RUNTIME, Told, checkpoint, open, run_clients, send},
    vfs::Watched,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    FirstStart,
    /// The folder of a process that was killed.
    Recovery,
    Commits,
}

const PHASES: [Phase; 3] = [Phase::FirstStart, Phase::Recovery, Phase::Commits];

/// The write-ahead log is synced by two threads, so one such sync may be under way
/// when the other one fails.
const UNDER_WAY: u64 = 1;

/// Events before the fault, and those sent while it may happen.
const BEFORE: u32 = 5;
const DURING: u32 = 14;

struct World {
    folder: tempfile::TempDir,
    watched: Watched,
    told: Arc<Mutex<Vec<Told>>>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let watched = Watched::begin(folder.path());
        Self { folder, watched, told: Arc::default() }
    }

    /// The folder of a process that was killed between two commits.
    fn killed() -> Self {
        let before = Self::new();
        let app = open(before.path()).unwrap();
        run_clients(&app, 2, 0..BEFORE, before.tell());
        let folder = tempfile::tempdir().unwrap();
        let recorder = &before.watched.recorder;
        recorder.image(recorder.position(), Loss::Nothing, folder.path());
        copy_keys(before.path(), folder.path());
        drop(app);
        let watched = Watched::begin(folder.path());
        Self { folder, watched, told: before.told.clone() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn tell(&self) -> Arc<dyn Fn(Told) + Send + Sync> {
        let told = self.told.clone();
        Arc::new(move |t| told.lock().push(t))
    }

    fn promises(&self) -> Promises {
        Promises::of(self.told.lock().iter())
    }

    fn calls(&self) -> [(Call, u64); 2] {
        [Call::Write, Call::Sync].map(|call| (call, self.watched.recorder.calls(call)))
    }
}

/// Runs a phase; `arm` is called where the fault may begin. Leaves everything closed.
fn run(phase: Phase, arm: impl FnOnce(&World)) -> Result<World, String> {
    let world = match phase {
        Phase::Recovery => World::killed(),
        _ => World::new(),
    };
    if phase != Phase::Commits {
        arm(&world);
        let Ok(app) = open(world.path()) else { return Ok(world) };
        go_on(&world, app)?;
    } else {
        let app = open(world.path())?;
        run_clients(&app, 2, 0..BEFORE, world.tell());
        arm(&world);
        go_on(&world, app)?;
    }
    Ok(world)
}

/// Sends events until the fault shows, and checks how it shows.
fn go_on(world: &World, app: Arc<App>) -> Result<(), String> {
    let recorder = &world.watched.recorder;
    // SQLite may do without a write while it opens a file (a rollback journal's
    // end, say), and then there is nothing to tell.
    let done_without = recorder.fired().is_some_and(|f| f.call == Call::Write);
    run_clients(&app, 2, BEFORE..DURING, world.tell());
    if let Some(fired) = recorder.fired().filter(|_| !done_without) {
        // Whatever failed, somebody is told to end the process, without a further event.
        RUNTIME
            .block_on(async { tokio::time::timeout(Duration::from_secs(10), app.until_stopped()).await })
            .map_err(|_| format!("after a failed call on {} nobody is told to end the process", fired.file))?;
        if app.readiness() != Readiness::Stopped {
            return Err("after a failed write the application calls itself ready".to_owned());
        }
        for n in DURING..DURING + 6 {
            let refused = RUNTIME.block_on(send(&app, n, &*world.tell()));
            if !refused.is_err_and(|e| e.code == Code::Unavailable && e.retry_after.is_some()) {
                return Err("after a failed write an event was not refused as unavailable".to_owned());
            }
        }
    } else {
        world.tell()(checkpoint(&app));
    }
    app.drain();
    Ok(())
}

/// One fault and everything after it.
fn try_fault(phase: Phase, fault: Fault) -> Result<bool, String> {
    let world = run(phase, |world| world.watched.recorder.arm(fault))?;
    let recorder = &world.watched.recorder;
    let Some(fired) = recorder.fired() else { return Ok(false) };
    if fault.call == Call::Sync && (fired.tried_again > 0 || fired.beside > UNDER_WAY) {
        return Err(format!("a failed sync of {} was tried again: {fired:?}", fired.file));
    }
    for loss in [Loss::Nothing, Loss::Everything, Loss::Some { seed: fault.nth }] {
        check_image(&world, loss).map_err(|e| format!("power cut at once with {loss:?}: {e}"))?;
    }
    // A restart on the same machine reads what the failed sync left in memory. What
    // it then tells must hold even if that memory is all that there was.
    let app = open(world.path()).map_err(|e| format!("restart: {e}"))?;
    run_clients(&app, 1, 0..DURING, world.tell());
    world.tell()(checkpoint(&app));
    check_image(&world, Loss::Everything).map_err(|e| format!("restart, then power cut: {e}"))?;
    drop(app);
    check(world.path(), &world.promises(), 8).map_err(|e| format!("restart: {e}"))?;
    Ok(true)
}

fn check_image(world: &World, loss: Loss) -> Result<(), String> {
    let image = tempfile::tempdir().unwrap();
    let recorder = &world.watched.recorder;
    recorder.image(recorder.position(), loss, image.path());
    copy_keys(world.path(), image.path());
    check(image.path(), &world.promises(), 8).map(drop)
}

fn every_fault(phase: Phase) -> Vec<(Phase, Fault)> {
    let calls = run(phase, |world| {
        world.watched.recorder.arm(Fault { call: Call::Sync, nth: u64::MAX, form: Form::Lost, error: Error::Io });
    })
    .unwrap()
    .calls();
    let mut all = Vec::new();
    for (call, count) in calls {
        for nth in 0..count {
            // Writes are many: each form meets each error at every other one.
            let errors = match (call, nth % 2) {
                (Call::Sync, _) => vec![
                    (Form::Lost, Error::Io),
                    (Form::Persisted, Error::Io),
                    (Form::Lost, Error::NoSpace),
                    (Form::Persisted, Error::NoSpace),
                ],
                (Call::Write, 0) => vec![(Form::Lost, Error::Io), (Form::Persisted, Error::NoSpace)],
                (Call::Write, _) => vec![(Form::Lost, Error::NoSpace), (Form::Persisted, Error::Io)],
            };
            all.extend(errors.into_iter().map(|(form, error)| (phase, Fault { call, nth, form, error })));
        }
    }
    all
}

/// Faults that once broke a promise, or one like them.
const FOUND: &[(Phase, Fault)] = &[
    // The vault was not switched to its write-ahead log, and said that it was.
    (Phase::FirstStart, Fault { call: Call::Write, nth: 1, form: Form::Lost, error: Error::NoSpace }),
    // The close synced again what could not be synced.
    (Phase::FirstStart, Fault { call: Call::Sync, nth: 5, form: Form::Lost, error: Error::Io }),
    (Phase::FirstStart, Fault { call: Call::Sync, nth: 14, form: Form::Lost, error: Error::Io }),
    // The image of a start that failed at the vault lacked the log, which it had not opened.
    (Phase::Recovery, Fault { call: Call::Write, nth: 0, form: Form::Lost, error: Error::Io }),
    // A restart told of what was in the page cache alone.
    (Phase::Recovery, Fault { call: Call::Sync, nth: 9, form: Form::Lost, error: Error::NoSpace }),
    (Phase::Recovery, Fault { call: Call::Sync, nth: 18, form: Form::Lost, error: Error::NoSpace }),
];

#[test]
fn no_failed_write_or_sync_breaks_a_promise() {
    let mut chance = Chance::new(0xFA_017);
    let mut faults = FOUND.to_vec();
    for phase in PHASES {
        let all = every_fault(phase);
        if long() {
            faults.extend(all);
        } else {
            let (syncs, writes): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, f)| f.call == Call::Sync);
            for of in [&syncs, &syncs, &writes] {
                faults.push(of[chance.below(of.len() as u64) as usize]);
            }
        }
    }
    let (mut happened, mut wrong) = (0, Vec::new());
    for (done, (phase, fault)) in faults.iter().enumerate() {
        if done > 0 && done % 100 == 0 {
            println!("{done} of {} faults, {} wrong", faults.len(), wrong.len());
        }
        match try_fault(*phase, *fault) {
            Ok(fired) => happened += usize::from(fired),
            Err(e) => wrong.push(format!("{phase:?}, {fault:?}: {e}")),
        }
    }
    println!("survival: {} failed writes and syncs, {happened} of them met, {} wrong", faults.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} faults: {:#?}", wrong.len(), faults.len(), &wrong[..wrong.len().min(10)]);
}
