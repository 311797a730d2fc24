//! Tile paths have one spelling, and bundles one cut.
use ledgerline::ledger::{BundleError, ENTRY_BYTES_MAX, TilePath, TilePathError, push_entry, split_bundle};
use proptest::prelude::*;

#[test]
fn the_paths_of_the_specification() {
    for (path, resource) in [
        ("tile/0/000", TilePath::Tile { level: 0, index: 0, width: 256 }),
        ("tile/4/x001/x234/067", TilePath::Tile { level: 4, index: 1_234_067, width: 256 }),
        ("tile/63/x001/x234/067.p/8", TilePath::Tile { level: 63, index: 1_234_067, width: 8 }),
        ("tile/1/999.p/255", TilePath::Tile { level: 1, index: 999, width: 255 }),
        ("tile/1/x001/000.p/1", TilePath::Tile { level: 1, index: 1000, width: 1 }),
        ("tile/entries/000", TilePath::Entries { index: 0, width: 256 }),
        ("tile/entries/x123/456.p/17", TilePath::Entries { index: 123_456, width: 17 }),
        ("tile/0/x018/x446/x744/x073/x709/x551/615", TilePath::Tile { level: 0, index: u64::MAX, width: 256 }),
    ] {
        assert_eq!(TilePath::parse(path), Ok(resource), "{path}");
        assert_eq!(resource.to_string(), path);
        assert_eq!(resource.is_full(), !path.contains(".p/"));
    }
}

#[test]
fn every_other_spelling_is_refused_for_its_reason() {
    for (path, reason) in [
        ("", TilePathError::Shape),
        ("tile", TilePathError::Shape),
        ("tile/0", TilePathError::Shape),
        ("/tile/0/000", TilePathError::Shape),
        ("Tile/0/000", TilePathError::Shape),
        ("tile//000", TilePathError::Level),
        ("tile/00/000", TilePathError::Level),
        ("tile/01/000", TilePathError::Level),
        ("tile/+1/000", TilePathError::Level),
        ("tile/-1/000", TilePathError::Level),
        ("tile/64/000", TilePathError::Level),
        ("tile/256/000", TilePathError::Level),
        ("tile/data/000", TilePathError::Level),
        ("tile/0/", TilePathError::Index),
        ("tile/0/0", TilePathError::Index),
        ("tile/0/00", TilePathError::Index),
        ("tile/0/0000", TilePathError::Index),
        ("tile/0/1234", TilePathError::Index),
        ("tile/0/x001", TilePathError::Index),
        ("tile/0/001/002", TilePathError::Index),
        ("tile/0/x000/001", TilePathError::Index),
        ("tile/0/x000/x001/002", TilePathError::Index),
        ("tile/0/X001/002", TilePathError::Index),
        ("tile/0/xx01/002", TilePathError::Index),
        ("tile/0/x1/002", TilePathError::Index),
        ("tile/0/+01", TilePathError::Index),
        ("tile/0/000/", TilePathError::Index),
        ("tile/0//000", TilePathError::Index),
        ("tile/0/٠٠٠", TilePathError::Index),
        ("tile/0/../000", TilePathError::Index),
        ("tile/0/000.p", TilePathError::Index),
        ("tile/0/x018/x446/x744/x073/x709/x551/616", TilePathError::Index),
        ("tile/0/x001/x018/x446/x744/x073/x709/x551/615", TilePathError::Index),
        ("tile/0/000.p/", TilePathError::Width),
        ("tile/0/000.p/0", TilePathError::Width),
        ("tile/0/000.p/01", TilePathError::Width),
        ("tile/0/000.p/256", TilePathError::Width),
        ("tile/0/000.p/+1", TilePathError::Width),
        ("tile/0/000.p/1/", TilePathError::Width),
        ("tile/0/000.p/1.p/1", TilePathError::Width),
        ("tile/entries/000.p/256", TilePathError::Width),
    ] {
        assert_eq!(TilePath::parse(path), Err(reason), "{path}");
    }
}

proptest! {
    #[test]
    fn every_resource_has_a_path_that_reads_as_it(level in 0u8..64, index in prop_oneof![any::<u64>(), 0u64..2000], width in 1u16..=256) {
        for resource in [TilePath::Tile { level, index, width }, TilePath::Entries { index, width }] {
            prop_assert_eq!(TilePath::parse(&resource.to_string()), Ok(resource));
        }
    }

    #[test]
    fn what_reads_as_a_path_is_written_the_same(path in "tile/(entries|[0-9]{1,3})/(x?[0-9]{2,4}/){0,3}[0-9]{2,4}(\\.p/[0-9]{1,3})?") {
        if let Ok(resource) = TilePath::parse(&path) {
            prop_assert_eq!(resource.to_string(), path);
        }
    }

    #[test]
    fn any_text_at_all_is_read_or_refused(path in "(tile/)?[tile/0-9xp.]{0,40}") {
        if let Ok(resource) = TilePath::parse(&path) {
            prop_assert_eq!(resource.to_string(), path);
        }
    }

    #[test]
    fn a_bundle_gives_its_entries_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..=256)) {
        let mut bundle = Vec::new();
        for entry in &entries {
            push_entry(&mut bundle, entry).unwrap();
        }
        prop_assert_eq!(split_bundle(&bundle).unwrap(), entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}

#[test]
fn bundles_are_refused_each_for_its_reason() {
    let mut bundle = Vec::new();
    push_entry(&mut bundle, &vec![7; ENTRY_BYTES_MAX]).unwrap();
    assert_eq!(bundle.len(), 2 + ENTRY_BYTES_MAX);
    assert_eq!(push_entry(&mut bundle, &vec![7; ENTRY_BYTES_MAX + 1]), Err(BundleError::EntryTooLong { bytes: 65_536 }));
    assert_eq!(bundle.len(), 2 + ENTRY_BYTES_MAX, "unchanged");
    assert_eq!(split_bundle(&bundle[..bundle.len() - 1]), Err(BundleError::Truncated { position: 0 }));
    assert_eq!(split_bundle(&[0, 1, 9, 0]), Err(BundleError::Truncated { position: 1 }));
    assert_eq!(split_bundle(&[0; 2 * 257]), Err(BundleError::TooMany));
    assert_eq!(split_bundle(&[0; 2 * 256]).unwrap().len(), 256);
}
