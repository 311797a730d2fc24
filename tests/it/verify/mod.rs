//! `verify` and `rebuild`: folders with a rich history pass, every tampering is
//! found and named, and what a rebuild can repair it repairs.
mod command;
pub mod destroyed;
pub mod folder;
mod rebuild;
mod remote;
mod shared_data;
mod tamper;

use std::path::Path;

use ledgerline::{
    access::Role,
    app::{
        compose::{ComposeError, Installation},
        rebuild::Rebuilt,
        verify::{Examination, Extent, Report},
    },
    clock::Ambient,
    config::Config,
    store::examine::Finding,
};

use crate::{
    oracle::generator::seeded,
    support::{NOON, World, config, principal},
};

/// Opens a folder that nobody holds.
pub fn examine(data: &Path, config: &Config) -> Examination {
    let (ambient, _) = Ambient::fixed(NOON, 99);
    Installation::existing(data, config, &ambient).unwrap().examine().unwrap()
}

pub fn verify(data: &Path) -> Report {
    examine(data, &config()).verify(Extent::Everything, &mut |_, _, _| {})
}

pub fn verify_log(data: &Path) -> Report {
    examine(data, &config()).verify(Extent::Log, &mut |_, _, _| {})
}

/// Verifies a folder in which all should be well.
pub fn passes(data: &Path) -> Report {
    let report = verify(data);
    assert_eq!(report.first_fault, None);
    report
}

pub fn rebuild(data: &Path) -> Result<Rebuilt, Finding> {
    let (ambient, _) = Ambient::fixed(NOON, 99);
    Installation::existing(data, &config(), &ambient).unwrap().examine_for_rebuild().unwrap().rebuild(&mut |_, _, _| {})
}

/// Late events, drops, renames, symlinks, repetitions, several sources, in every order.
#[tokio::test(flavor = "multi_thread")]
async fn wild_histories_replay_to_the_graph_that_they_made() {
    for seed in 100..116 {
        let mut world = World::new();
        let history = seeded(seed, 30);
        for (i, (integration, event)) in history.iter().enumerate() {
            world.send_as(&principal(&[Role::Producer], integration), event).await;
            // What is only remembered must not matter.
            if i == history.len() / 2 {
                world = world.reopen();
            }
        }
        let folder = folder::Folder::of(world);
        let report = verify(folder.path());
        assert_eq!(report.first_fault, None, "seed {seed}");
    }
}

#[test]
fn a_folder_without_data_is_refused_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let (ambient, _) = Ambient::fixed(NOON, 99);
    let missing = dir.path().join("nothing");
    let refused = Installation::existing(&missing, &config(), &ambient).err().unwrap();
    assert!(matches!(refused, ComposeError::NoData(_)), "{refused}");
    assert!(!missing.exists());
}

#[test]
fn a_folder_that_a_server_holds_is_refused_with_the_way_out() {
    let world = World::new();
    let (ambient, _) = Ambient::fixed(NOON, 99);
    let refused = Installation::existing(world.path(), &config(), &ambient).err().unwrap();
    assert!(refused.to_string().contains("--url"), "{refused}");
}
