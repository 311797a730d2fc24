//! A folder made of every real event verifies, and its graph is what a rebuild makes.
use bytes::Bytes;
use ledgerline::access::Role;

use super::{folder::Folder, passes, rebuild};
use crate::{
    shared_data::openlineage::events,
    support::{World, principal},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_every_real_event_verifies_and_rebuilds_to_the_same() {
    let mut world = World::new();
    let by = principal(&[Role::Producer], "default");
    for (i, (place, line)) in events().into_iter().enumerate() {
        world.app.ingest(&by, Bytes::from(line)).await.unwrap_or_else(|e| panic!("{place}: {e}"));
        if i % 300 == 299 {
            world = world.reopen();
        }
    }
    let folder = Folder::of(world);
    let report = passes(folder.path());
    assert!(report.entries > 500 && report.checked.received == report.entries && report.checked.parts > 2 * report.entries);
    let rebuilt = rebuild(folder.path()).unwrap();
    assert!(rebuilt.differences.is_empty(), "{:?}", rebuilt.differences);
    passes(folder.path());
}
