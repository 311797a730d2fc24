//! Roots, tiles and proofs against the RFC's definitions read word by word.
use std::cell::Cell;

use ledgerline::ledger::{Hash, HashStore, HashStoreError, RightEdge, TreeError, TreeReader, verify_consistency, verify_inclusion};

use super::support::{MemoryLog, NaiveTree};

const ALL_PAIRS_TO: u64 = 300;

#[test]
fn inclusion_of_every_leaf_in_every_size_equals_the_naive_path_and_verifies() {
    let log = MemoryLog::numbered(ALL_PAIRS_TO);
    let naive = NaiveTree::new(log.leaves());
    let reader = log.reader();
    for size in 1..=ALL_PAIRS_TO {
        let root = naive.mth(0, size as usize);
        for index in 0..size {
            let proof = reader.inclusion(index, size).unwrap();
            assert_eq!(proof, naive.path(index as usize, 0, size as usize), "{index} of {size}");
            verify_inclusion(&naive.leaves[index as usize], index, size, &proof, &root).unwrap();
        }
    }
}

#[test]
fn consistency_of_every_two_sizes_equals_the_naive_proof_and_verifies() {
    let log = MemoryLog::numbered(ALL_PAIRS_TO);
    let naive = NaiveTree::new(log.leaves());
    let reader = log.reader();
    for to in 0..=ALL_PAIRS_TO {
        let to_root = naive.mth(0, to as usize);
        for from in 0..=to {
            let proof = reader.consistency(from, to).unwrap();
            let expected = if from == 0 { Vec::new() } else { naive.subproof(from as usize, 0, to as usize, true) };
            assert_eq!(proof, expected, "{from} to {to}");
            verify_consistency(from, &naive.mth(0, from as usize), to, &to_root, &proof).unwrap();
        }
    }
}

#[test]
fn every_root_on_the_way_is_the_naive_one_and_can_be_read_later() {
    let log = MemoryLog::numbered(700);
    let naive = NaiveTree::new(log.leaves());
    let mut edge = RightEdge::empty();
    for size in 0..=700usize {
        assert_eq!(edge.root(), naive.mth(0, size), "size {size}");
        assert_eq!(log.reader().root_at(size as u64).unwrap(), edge.root(), "size {size}, later");
        if let Some(leaf) = naive.leaves.get(size) {
            edge.append(*leaf);
        }
    }
}

/// Tiles of every width of every size: `tile(l, n)[i] = MTH(D[(n·256+i)·256^l : …])`.
#[test]
fn tiles_of_every_published_size_hold_the_naive_hashes() {
    let log = MemoryLog::numbered(1_100);
    let naive = NaiveTree::new(log.leaves());
    for size in 0..=1_100u64 {
        // Published then, and read again at the end.
        let then = MemoryLogAt { log: &log, size };
        for level in 0..=2u8 {
            let span = 256usize.pow(u32::from(level));
            let hashes = size as usize / span;
            let (index, width) = (hashes / 256, hashes % 256);
            if width == 0 {
                assert_eq!(then.reader().tile(level, index as u64, 1).unwrap(), None, "level {level} of size {size}: nothing is published");
                continue;
            }
            let expected: Vec<u8> = (0..width).flat_map(|i| naive.mth((index * 256 + i) * span, (index * 256 + i + 1) * span)).collect();
            for reader in [then.reader(), log.reader()] {
                assert_eq!(
                    reader.tile(level, index as u64, width as u16).unwrap().as_ref(),
                    Some(&expected),
                    "level {level} of size {size}"
                );
            }
            assert_eq!(then.reader().tile(level, index as u64, width as u16 + 1).unwrap(), None, "wider than size {size} has");
        }
    }
    for index in 0..4 {
        let expected: Vec<u8> = naive.leaves[index * 256..][..256].as_flattened().to_vec();
        assert_eq!(log.reader().tile(0, index as u64, 256).unwrap(), Some(expected));
    }
}

/// A reader of an earlier size over the store of a later one.
struct MemoryLogAt<'a> {
    log: &'a MemoryLog,
    size: u64,
}

impl MemoryLogAt<'_> {
    fn reader(&self) -> TreeReader<'_> {
        TreeReader::new(&self.log.store, self.size)
    }
}

#[test]
fn three_levels_of_tiles_give_the_roots_and_proofs_of_the_naive_tree() {
    let size = 66_200u64;
    let log = MemoryLog::numbered(size);
    let naive = NaiveTree::new(log.leaves());
    let reader = log.reader();
    assert_eq!(log.edge.root(), naive.mth(0, size as usize));
    for to in [65_535u64, 65_536, 65_537, 65_792, 66_048, 66_199, size] {
        let root = naive.mth(0, to as usize);
        for at in [0u64, 1, 255, 256, 32_767, 32_768, 65_279, 65_280, 65_534] {
            let proof = reader.inclusion(at, to).unwrap();
            assert_eq!(proof, naive.path(at as usize, 0, to as usize), "{at} of {to}");
            verify_inclusion(&naive.leaves[at as usize], at, to, &proof, &root).unwrap();
            let proof = reader.consistency(at + 1, to).unwrap();
            assert_eq!(proof, naive.subproof(at as usize + 1, 0, to as usize, true), "{at} to {to}");
        }
    }
    // The level-2 tile holds one hash, over 65,536 leaves.
    assert_eq!(reader.tile(2, 0, 1).unwrap().unwrap(), naive.mth(0, 65_536));
}

#[test]
fn a_right_edge_read_back_from_the_store_goes_on_as_if_never_left() {
    for size in [0u64, 1, 2, 255, 256, 257, 511, 512, 1_000, 65_535, 65_536, 65_537, 65_800] {
        let log = MemoryLog::numbered(size);
        let mut restored = RightEdge::restore(size, &log.store).unwrap();
        assert_eq!((restored.size(), restored.root()), (size, log.edge.root()), "size {size}");
        let mut original = log.edge.clone();
        for level in 0..4 {
            assert_eq!(restored.pending(level), original.pending(level), "size {size}, level {level}");
        }
        for i in 0..300u64 {
            let leaf: Hash = ledgerline::ledger::leaf_hash(&i.to_le_bytes());
            assert_eq!(restored.append(leaf), original.append(leaf));
        }
        assert_eq!(restored.root(), original.root(), "300 after size {size}");
    }
}

#[test]
fn a_store_with_the_right_edge_at_hand_gives_the_same_and_reads_fewer_tiles() {
    /// Counts the full tiles read; lends the edge's unfinished tiles if told to.
    struct Counting<'a> {
        log: &'a MemoryLog,
        lend: bool,
        read: Cell<usize>,
    }
    impl HashStore for Counting<'_> {
        fn full_tile(&self, level: u8, index: u64) -> Result<Option<Box<[u8; 8192]>>, HashStoreError> {
            self.read.set(self.read.get() + 1);
            self.log.store.full_tile(level, index)
        }

        fn leaf_hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, HashStoreError> {
            self.log.store.leaf_hashes(from, to)
        }

        fn partial_tile(&self, level: u8, index: u64) -> Result<Option<Vec<Hash>>, HashStoreError> {
            Ok((self.lend && index == (self.log.size() >> (8 * level)) / 256).then(|| self.log.edge.pending(level).to_vec()))
        }
    }
    let log = MemoryLog::numbered(60_000);
    let read = |lend, size| {
        let store = Counting { log: &log, lend, read: Cell::new(0) };
        let proofs = {
            let reader = TreeReader::new(&store, size);
            (reader.inclusion(3, size).unwrap(), reader.consistency(2_000, size).unwrap(), reader.tile(1, 0, 200).unwrap())
        };
        (proofs, store.read.get())
    };
    for size in [55_000, 60_000] {
        let ((slow, many), (fast, few)) = (read(false, size), read(true, size));
        assert_eq!(slow, fast);
        assert!(many > 200 && few < 8, "{many} and {few}");
    }
}

#[test]
fn a_store_that_lost_hashes_is_named_and_not_guessed() {
    let mut log = MemoryLog::numbered(1_000);
    log.store.tiles.remove(&(0, 1));
    let missing = "hashes of tile 1 at level 0 are missing from the store";
    assert_eq!(RightEdge::restore(1_000, &log.store).unwrap_err().to_string(), missing);
    assert_eq!(log.reader().root_at(1_000).unwrap_err().to_string(), missing);
    assert_eq!(log.reader().tile(0, 1, 256).unwrap_err().to_string(), missing);
    log.store.tail.pop();
    assert!(RightEdge::restore(1_000, &log.store).is_err());
}

#[test]
fn what_lies_beyond_the_tree_is_refused_with_its_reason() {
    let log = MemoryLog::numbered(10);
    let reader = log.reader();
    assert!(matches!(reader.root_at(11), Err(TreeError::BeyondTree { asked: 11, size: 10 })));
    assert!(matches!(reader.inclusion(0, 11), Err(TreeError::BeyondTree { asked: 11, size: 10 })));
    assert!(matches!(reader.inclusion(5, 5), Err(TreeError::BeyondSize { index: 5, size: 5 })));
    assert!(matches!(reader.consistency(3, 11), Err(TreeError::BeyondTree { asked: 11, size: 10 })));
    assert!(matches!(reader.consistency(4, 3), Err(TreeError::Reversed { from: 4, to: 3 })));
    for (level, index, width) in [(0, 0, 0), (0, 0, 11), (0, 1, 1), (0, u64::MAX, 1), (0, 0, 257), (1, 0, 1), (63, 0, 1), (255, 0, 1)] {
        assert_eq!(reader.tile(level, index, width).unwrap(), None, "level {level}, index {index}, width {width}");
    }
}
