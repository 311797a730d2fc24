//! Power cuts: every disk that may be left of a recorded run holds what was
//! acknowledged by then.
use std::{path::Path, sync::Arc};

use ledgerline::{app::App, store::embedded::Synchronous};
use parking_lot::Mutex;

use super::{
    chance::Chance,
    long,
    oracle::{Promises, check},
    recording::Loss,
    stream::{Told, ambient, checkpoint, run_clients, small},
    vfs::Watched,
};

/// What was told, with the position of the disk when it was.
type TellTale = Vec<(u64, Told)>;

struct Recorded {
    folder: tempfile::TempDir,
    watched: Watched,
    told: TellTale,
}

impl Recorded {
    fn promises_at(&self, at: u64) -> Promises {
        Promises::of(self.told.iter().filter(|(position, _)| *position <= at).map(|(_, told)| told))
    }

    /// The power goes at the very moment of an acknowledgement: sixteen such moments.
    fn at_acknowledgements(&self) -> impl Iterator<Item = u64> {
        self.told.iter().filter(|(_, told)| matches!(told, Told::Acknowledged(_))).step_by(3).take(16).map(|(at, _)| *at)
    }

    fn image(&self, at: u64, loss: Loss) -> tempfile::TempDir {
        let image = tempfile::tempdir().unwrap();
        self.watched.recorder.image(at, loss, image.path());
        copy_keys(self.folder.path(), image.path());
        image
    }

    fn check(&self, at: u64, loss: Loss) -> Result<(), String> {
        let image = self.image(at, loss);
        check(image.path(), &self.promises_at(at), 4).map(drop).map_err(|e| format!("at {at} with {loss:?}: {e}"))
    }
}

/// The keys are made and synced by their own code before any database is.
pub fn copy_keys(from: &Path, to: &Path) {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    let (from, to) = (from.join("keys"), to.join("keys"));
    std::fs::DirBuilder::new().mode(0o700).create(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// From an empty folder over a first start, events, a stop and a second start to
/// the last close: long enough that the write-ahead log starts over.
fn record(synchronous: Synchronous) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let watched = Watched::begin(folder.path());
    let told: Arc<Mutex<TellTale>> = Arc::default();
    let tell: Arc<dyn Fn(Told) + Send + Sync> = {
        let (told, recorder) = (told.clone(), watched.recorder.clone());
        Arc::new(move |t| told.lock().push((recorder.position(), t)))
    };
    let mut next = 0;
    for _start in 1..=2 {
        let app = App::open_with(folder.path(), &small(), ambient(), synchronous, |backend| backend).unwrap();
        tell(checkpoint(&app));
        let recorder = &watched.recorder;
        let restarts = recorder.restarts_of("main.db-wal");
        while recorder.restarts_of("main.db-wal") < restarts + 3 {
            // Now and then the thread that moves the log gets ahead, so that it starts over.
            let moved = recorder.syncs_of("main.db");
            run_clients(&app, 3, next..next + 12, tell.clone());
            next += 12;
            while recorder.syncs_of("main.db") == moved {
                std::thread::yield_now();
            }
        }
        app.drain();
        tell(checkpoint(&app));
    }
    let told = std::mem::take(&mut *told.lock());
    Recorded { folder, watched, told }
}

#[test]
fn every_disk_that_a_power_cut_may_leave_holds_what_was_acknowledged() {
    let recorded = record(Synchronous::Full);
    let end = recorded.watched.recorder.position();
    let mut chance = Chance::new(0x1_3A6E);
    let mut images: Vec<(u64, Loss)> = Vec::new();
    if long() {
        // After every change: all that is not synced, and two other losses in turn.
        for at in 0..=end {
            let kinds = Loss::kinds(2, chance.next());
            images.push((at, Loss::Everything));
            images.extend((0..2).map(|n| (at, kinds[(at as usize * 2 + n) % kinds.len()])));
        }
    } else {
        for _ in 0..8 {
            let at = chance.below(end + 1);
            let kinds = Loss::kinds(1, chance.next());
            images.extend((0..4).map(|_| (at, kinds[chance.below(kinds.len() as u64) as usize])));
        }
        // In the middle of a first start, where the vault is made; and the end.
        images.extend(recorded.at_acknowledgements().map(|at| (at, Loss::Everything)));
        images.extend((1..20).step_by(3).map(|at| (at, Loss::AllButLast)));
        images.extend(Loss::kinds(1, 1).into_iter().map(|loss| (end, loss)));
    }
    let mut wrong = Vec::new();
    for (done, (at, loss)) in images.iter().enumerate() {
        if done > 0 && done % 500 == 0 {
            println!("{done} of {} images, {} wrong", images.len(), wrong.len());
        }
        wrong.extend(recorded.check(*at, *loss).err());
    }
    println!("survival: {} crash images of {end} changes, {} wrong", images.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} images: {:#?}", wrong.len(), images.len(), &wrong[..wrong.len().min(10)]);
}

/// The same run with commits that are not synced.
#[test]
fn without_syncs_a_power_cut_loses_what_was_acknowledged() {
    let recorded = record(Synchronous::Off);
    // The power goes at the very moment of an acknowledgement.
    let acknowledged = recorded.told.iter().filter(|(_, told)| matches!(told, Told::Acknowledged(_)));
    let wrong: Vec<String> = acknowledged.step_by(3).take(16).filter_map(|(at, _)| recorded.check(*at, Loss::Everything).err()).collect();
    println!("survival: {} of 16 crash images of a run without syncs are wrong, as they must be", wrong.len());
    assert!(wrong.iter().any(|e| e.contains("acknowledged")), "the recording does not notice that nothing was synced: {wrong:?}");
}
