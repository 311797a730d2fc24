//! Logs and proofs that were tampered with: each is found, and by its own name.
use std::{collections::HashMap, num::NonZeroUsize};

use ledgerline::ledger::{
    Checkpoint, CheckpointError, Expected, Fault, Hash, HashStore, LogKey, LogSource, NoteError, ProofError, TilePath, TlogProof,
    TlogProofError, check_log, leaf_hash, verify_consistency, verify_inclusion,
};

use super::support::{MemoryLog, NaiveTree, log_key, signed_head};

/// Four full tiles, and a partial one.
const SIZE: u64 = 1_100;

#[derive(Debug, thiserror::Error)]
#[error("the disk is on fire")]
struct OnFire;

enum Instead {
    Missing,
    Failing,
    Bytes(Vec<u8>),
}

/// A published log of which some resources were replaced.
struct Tampered {
    log: MemoryLog,
    instead: HashMap<TilePath, Instead>,
}

impl Tampered {
    fn with(path: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let log = MemoryLog::numbered(SIZE);
        let path = TilePath::parse(path).unwrap();
        let mut bytes = match path {
            TilePath::Tile { level, index, width } => log.reader().tile(level, index, width).unwrap(),
            TilePath::Entries { index, width } => log.bundle(index, width),
        }
        .expect("what is tampered with is there");
        change(&mut bytes);
        Self { log, instead: HashMap::from([(path, Instead::Bytes(bytes))]) }
    }

    fn without(paths: &[&str], how: fn() -> Instead) -> Self {
        let instead = paths.iter().map(|p| (TilePath::parse(p).unwrap(), how())).collect();
        Self { log: MemoryLog::numbered(SIZE), instead }
    }

    fn get(&self, path: TilePath, honest: impl FnOnce() -> Option<Vec<u8>>) -> Result<Option<Vec<u8>>, OnFire> {
        match self.instead.get(&path) {
            Some(Instead::Missing) => Ok(None),
            Some(Instead::Failing) => Err(OnFire),
            Some(Instead::Bytes(bytes)) => Ok(Some(bytes.clone())),
            None => Ok(honest()),
        }
    }
}

impl LogSource for Tampered {
    type Error = OnFire;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, OnFire> {
        self.get(TilePath::Tile { level, index, width }, || self.log.reader().tile(level, index, width).unwrap())
    }

    fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, OnFire> {
        self.get(TilePath::Entries { index, width }, || self.log.bundle(index, width))
    }
}

fn honest_head() -> Expected {
    Expected { size: SIZE, root: MemoryLog::numbered(SIZE).edge.root(), earlier: Vec::new() }
}

fn fault(log: &Tampered, expected: &Expected) -> String {
    let faults: Vec<String> = [1, 2, 3]
        .map(|threads| {
            check_log(log, expected, NonZeroUsize::new(threads).unwrap(), &mut |_| ()).err().map_or("none".to_owned(), |f| f.to_string())
        })
        .into();
    assert!(faults.iter().all(|f| *f == faults[0]), "the number of threads changes nothing: {faults:?}");
    faults[0].clone()
}

#[test]
fn an_untouched_log_passes_at_every_size_and_tells_its_progress() {
    for size in [0, 1, 2, 255, 256, 257, 512, 1_100, 9_000, 65_536, 65_800] {
        let log = MemoryLog::numbered(size);
        let earlier = [0, 1, 255, 256, 257, 300, size].into_iter().filter(|s| *s <= size);
        let expected = Expected { size, root: log.edge.root(), earlier: earlier.map(|s| (s, log.reader().root_at(s).unwrap())).collect() };
        for threads in [1, 2] {
            let mut progress = Vec::new();
            check_log(&log, &expected, NonZeroUsize::new(threads).unwrap(), &mut |n| progress.push(n)).unwrap();
            assert!(progress.is_sorted() && progress.last().copied().unwrap_or(0) == size, "{progress:?}");
        }
    }
}

#[test]
fn whatever_is_changed_in_a_log_is_found_and_named() {
    let flip = |at: usize| move |bytes: &mut Vec<u8>| bytes[at] ^= 1;
    let swap_tiles = |log: &mut Tampered, a: &str, b: &str| {
        let [pa, pb] = [a, b].map(|p| TilePath::parse(p).unwrap());
        let read = |p| match p {
            TilePath::Tile { level, index, width } => log.log.reader().tile(level, index, width).unwrap().unwrap(),
            TilePath::Entries { index, width } => log.log.bundle(index, width).unwrap(),
        };
        let (ba, bb) = (read(pa), read(pb));
        log.instead.extend([(pa, Instead::Bytes(bb)), (pb, Instead::Bytes(ba))]);
    };
    let mut swapped_tiles = Tampered::without(&[], || Instead::Missing);
    swap_tiles(&mut swapped_tiles, "tile/0/001", "tile/0/002");
    let mut swapped_bundles = Tampered::without(&[], || Instead::Missing);
    swap_tiles(&mut swapped_bundles, "tile/entries/001", "tile/entries/002");
    let drop_entry = |bundle: &mut Vec<u8>| {
        let length = 2 + usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
        bundle.drain(..length);
    };
    let double_entry = |bundle: &mut Vec<u8>| {
        let length = 2 + usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
        let first = bundle[..length].to_vec();
        bundle.splice(0..0, first);
    };
    let partial = "tile/0/004.p/76";
    for (log, found) in [
        // a flipped bit of an entry, of its hash, of an inner hash
        (Tampered::with("tile/entries/000", flip(4)), "entry 0 does not hash to what `tile/0/000` states"),
        (Tampered::with("tile/entries/004.p/76", flip(4)), "entry 1024 does not hash to what `tile/0/004.p/76` states"),
        (Tampered::with("tile/0/001", flip(5 * 32 + 9)), "entry 261 does not hash to what `tile/0/001` states"),
        (Tampered::with(partial, flip(32)), "entry 1025 does not hash to what `tile/0/004.p/76` states"),
        (Tampered::with("tile/1/000.p/4", flip(3 * 32)), "hash 3 of `tile/1/000.p/4` is not what the entries below it give"),
        // dropped, doubled, truncated, lengthened
        (Tampered::with("tile/entries/001", drop_entry), "`tile/entries/001` is malformed: the bundle holds 255 entries, not 256"),
        (
            Tampered::with("tile/entries/004.p/76", double_entry),
            "`tile/entries/004.p/76` is malformed: the bundle holds 77 entries, not 76",
        ),
        (Tampered::with("tile/entries/001", double_entry), "`tile/entries/001` is malformed: the bundle holds more than 256 entries"),
        (
            Tampered::with("tile/entries/002", |b| b.truncate(b.len() - 1)),
            "`tile/entries/002` is malformed: the bundle ends inside entry 255",
        ),
        (Tampered::with("tile/entries/002", Vec::clear), "`tile/entries/002` is malformed: the bundle holds 0 entries, not 256"),
        (Tampered::with("tile/0/001", |b| b.truncate(8_191)), "`tile/0/001` has 8191 bytes, not 8192"),
        (Tampered::with("tile/0/001", |b| b.truncate(8_160)), "`tile/0/001` has 8160 bytes, not 8192"),
        (Tampered::with(partial, |b| b.extend([0; 32])), "`tile/0/004.p/76` has 2464 bytes, not 2432"),
        (Tampered::with("tile/1/000.p/4", Vec::clear), "`tile/1/000.p/4` has 0 bytes, not 128"),
        // swapped
        (swapped_tiles, "entry 256 does not hash to what `tile/0/001` states"),
        (swapped_bundles, "entry 256 does not hash to what `tile/0/001` states"),
        // missing, or unreadable
        (Tampered::without(&["tile/0/002"], || Instead::Missing), "`tile/0/002` is missing"),
        (Tampered::without(&["tile/entries/003"], || Instead::Missing), "`tile/entries/003` is missing"),
        (Tampered::without(&[partial], || Instead::Missing), "`tile/0/004.p/76` is missing"),
        (Tampered::without(&["tile/1/000.p/4"], || Instead::Missing), "`tile/1/000.p/4` is missing"),
        (Tampered::without(&["tile/entries/003"], || Instead::Failing), "`tile/entries/003` cannot be read"),
        (Tampered::without(&["tile/0/003"], || Instead::Failing), "`tile/0/003` cannot be read"),
        (Tampered::without(&["tile/1/000.p/4"], || Instead::Failing), "`tile/1/000.p/4` cannot be read"),
        // of several faults the first
        (Tampered::without(&["tile/0/003", "tile/entries/001", "tile/1/000.p/4"], || Instead::Missing), "`tile/entries/001` is missing"),
    ] {
        assert_eq!(fault(&log, &honest_head()), found);
    }
}

#[test]
fn a_full_tile_of_a_higher_level_is_compared_as_soon_as_it_is_full() {
    struct Lying(MemoryLog);
    impl LogSource for Lying {
        type Error = OnFire;

        fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, OnFire> {
            let mut tile = self.0.reader().tile(level, index, width).unwrap();
            if level == 1 {
                tile.iter_mut().for_each(|t| t[100 * 32] ^= 1);
            }
            Ok(tile)
        }

        fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, OnFire> {
            Ok(self.0.bundle(index, width))
        }
    }
    let log = Lying(MemoryLog::numbered(65_540));
    let expected = Expected { size: 65_540, root: log.0.edge.root(), earlier: Vec::new() };
    let found = check_log(&log, &expected, NonZeroUsize::MIN, &mut |_| ()).unwrap_err();
    assert!(matches!(found, Fault::Node { path: TilePath::Tile { level: 1, index: 0, width: 256 }, position: 100 }), "{found}");
}

#[test]
fn a_partial_resource_that_was_dropped_is_read_from_the_full_one() {
    // The log has grown to five full tiles since the checkpoint of size 1,100.
    struct Grown(MemoryLog);
    impl LogSource for Grown {
        type Error = OnFire;

        fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, OnFire> {
            Ok(if level == 0 && width < 256 { None } else { self.0.reader().tile(level, index, width).unwrap() })
        }

        fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, OnFire> {
            Ok(if width < 256 { None } else { self.0.bundle(index, width) })
        }
    }
    let log = Grown(MemoryLog::numbered(1_300));
    assert!(check_log(&log, &honest_head(), NonZeroUsize::MIN, &mut |_| ()).is_ok());
}

#[test]
fn a_rewritten_log_does_not_match_the_heads_that_were_signed() {
    // Everything rebuilt around one changed entry: only the signed heads tell.
    let rewritten = MemoryLog::of((0..SIZE).map(|i| if i == 700 { "something else".to_owned() } else { format!("entry-{i}") }));
    let honest = MemoryLog::numbered(SIZE);
    let head = |size: u64| (size, honest.reader().root_at(size).unwrap());
    let log = Tampered { log: rewritten, instead: HashMap::new() };
    let root = log.log.edge.root();
    assert_eq!(fault(&log, &honest_head()), "the root at size 1100 is not the checkpoint's");
    let mut expected = Expected { size: SIZE, root, earlier: vec![head(300), head(700), head(512)] };
    assert_eq!(fault(&log, &expected), "none", "the entries before the change are the signed ones");
    expected.earlier.extend([head(1_000), head(701), head(800)]);
    assert_eq!(fault(&log, &expected), "the log's first 701 entries do not give the root of the earlier checkpoint of that size");
    expected.earlier = vec![(0, [0; 32])];
    assert_eq!(fault(&log, &expected), "the log's first 0 entries do not give the root of the earlier checkpoint of that size");
    expected.earlier = vec![(SIZE + 1, root)];
    assert_eq!(fault(&log, &expected), "an earlier checkpoint has 1101 entries, but this one only 1100");
    // A head of another size.
    expected = Expected { size: SIZE - 1, root, earlier: Vec::new() };
    assert_eq!(fault(&log, &expected), "the root at size 1099 is not the checkpoint's");
    expected.size = SIZE + 1;
    assert_eq!(fault(&log, &expected), "`tile/entries/004.p/77` is missing");
}

#[test]
fn a_tampered_inclusion_proof_fails_for_its_own_reason() {
    let naive = NaiveTree::new(MemoryLog::numbered(SIZE).leaves());
    let log = MemoryLog::numbered(SIZE);
    let root = log.edge.root();
    for index in [0, 1, 255, 256, 1_023, 1_024, 1_098, 1_099] {
        let leaf = naive.leaves[index as usize];
        let proof = log.reader().inclusion(index, SIZE).unwrap();
        let check = |leaf: &Hash, index, size, proof: &[Hash], root: &Hash| verify_inclusion(leaf, index, size, proof, root).unwrap_err();
        verify_inclusion(&leaf, index, SIZE, &proof, &root).unwrap();

        assert_eq!(check(&leaf_hash(b"other"), index, SIZE, &proof, &root), ProofError::WrongRoot);
        assert_eq!(check(&leaf, index, SIZE, &proof, &[0; 32]), ProofError::WrongRoot);
        assert_eq!(check(&leaf, SIZE, SIZE, &proof, &root), ProofError::IndexBeyondSize { index: SIZE, size: SIZE });
        assert_eq!(check(&leaf, 0, 0, &proof, &root), ProofError::IndexBeyondSize { index: 0, size: 0 });
        assert_eq!(check(&leaf, index, SIZE, &proof[1..], &root), ProofError::TooShort);
        assert_eq!(check(&leaf, index, SIZE, &proof[..proof.len() - 1], &root), ProofError::TooShort);
        assert_eq!(check(&leaf, index, SIZE, &[], &root), ProofError::TooShort);
        let longer: Vec<Hash> = proof.iter().copied().chain([[7; 32]]).collect();
        assert_eq!(check(&leaf, index, SIZE, &longer, &root), ProofError::TooLong);
        for at in 0..proof.len() {
            let mut flipped = proof.clone();
            flipped[at][at] ^= 0x10;
            assert_eq!(check(&leaf, index, SIZE, &flipped, &root), ProofError::WrongRoot, "hash {at}");
        }
        let mut swapped = proof.clone();
        swapped.swap(0, 1);
        assert_eq!(check(&leaf, index, SIZE, &swapped, &root), ProofError::WrongRoot);
        assert!(verify_inclusion(&leaf, index ^ 1, SIZE, &proof, &root).is_err(), "another index");
    }
    // 2^63−1 leaves: indices and sizes at the end of the range overflow nothing.
    let max = i64::MAX as u64;
    assert_eq!(verify_inclusion(&root, max - 1, max, &[[1; 32]; 62], &root), Err(ProofError::WrongRoot));
    assert_eq!(verify_inclusion(&root, 0, u64::MAX, &[], &root), Err(ProofError::TooShort));
}

#[test]
fn a_tampered_consistency_proof_fails_for_its_own_reason() {
    let log = MemoryLog::numbered(SIZE);
    let root = |size| log.reader().root_at(size).unwrap();
    let to_root = root(SIZE);
    for from in [1, 2, 3, 255, 256, 300, 512, 1_024, 1_099] {
        let from_root = root(from);
        let proof = log.reader().consistency(from, SIZE).unwrap();
        let check = |from, from_root: &Hash, to, to_root: &Hash, proof: &[Hash]| verify_consistency(from, from_root, to, to_root, proof);
        check(from, &from_root, SIZE, &to_root, &proof).unwrap();

        assert!(matches!(check(from, &[1; 32], SIZE, &to_root, &proof), Err(ProofError::WrongOldRoot | ProofError::WrongRoot)));
        assert_eq!(check(from, &from_root, SIZE, &[1; 32], &proof), Err(ProofError::WrongRoot));
        assert_eq!(check(SIZE, &to_root, from, &from_root, &proof), Err(ProofError::Reversed { from: SIZE, to: from }));
        assert_eq!(check(from, &from_root, SIZE, &to_root, &proof[..proof.len() - 1]), Err(ProofError::TooShort));
        assert_eq!(check(from, &from_root, SIZE, &to_root, &[]), Err(ProofError::TooShort));
        let longer: Vec<Hash> = proof.iter().copied().chain([[7; 32]]).collect();
        assert_eq!(check(from, &from_root, SIZE, &to_root, &longer), Err(ProofError::TooLong));
        for at in 0..proof.len() {
            let mut flipped = proof.clone();
            flipped[at][31] ^= 1;
            assert!(matches!(check(from, &from_root, SIZE, &to_root, &flipped), Err(ProofError::WrongOldRoot | ProofError::WrongRoot)));
        }
        assert!(check(from + 1, &from_root, SIZE, &to_root, &proof).is_err());
    }
    let check = verify_consistency;
    assert_eq!(check(SIZE, &to_root, SIZE, &to_root, &[]), Ok(()));
    assert_eq!(check(SIZE, &to_root, SIZE, &to_root, &[to_root]), Err(ProofError::TooLong));
    assert_eq!(check(SIZE, &to_root, SIZE, &[0; 32], &[]), Err(ProofError::Fork));
    assert_eq!(check(0, &ledgerline::ledger::EMPTY_ROOT, SIZE, &to_root, &[]), Ok(()));
    assert_eq!(check(0, &ledgerline::ledger::EMPTY_ROOT, SIZE, &to_root, &[to_root]), Err(ProofError::TooLong));
    assert_eq!(check(0, &[0; 32], SIZE, &to_root, &[]), Err(ProofError::NotEmptyRoot));
    assert_eq!(check(0, &[0; 32], 0, &[0; 32], &[]), Err(ProofError::NotEmptyRoot));
}

#[test]
fn two_forks_of_a_log_have_no_proof_between_them() {
    let honest = MemoryLog::numbered(600);
    let fork = MemoryLog::of((0..800).map(|i| if i == 599 { "forked".to_owned() } else { format!("entry-{i}") }));
    let proof = fork.reader().consistency(600, 800).unwrap();
    assert_eq!(verify_consistency(600, &honest.edge.root(), 800, &fork.edge.root(), &proof), Err(ProofError::WrongOldRoot));
}

#[test]
fn a_checkpoint_or_proof_of_another_key_log_or_size_is_refused() {
    let key = log_key();
    let log = MemoryLog::numbered(40);
    let head = signed_head(&log, &key);
    let proof = |head: &str| TlogProof::new(17, log.reader().inclusion(17, 40).unwrap(), head.to_owned());
    let leaf = leaf_hash(b"entry-17");
    assert!(proof(&head).verify(&leaf, &key.verifier()).is_ok());

    // wrong key: another name, or the same name
    let stranger = LogKey::new("example.com/stranger", &[1; 32]).unwrap();
    let namesake = LogKey::new(key.name(), &[1; 32]).unwrap();
    for other in [&stranger, &namesake] {
        let refused = CheckpointError::Note(NoteError::Unsigned);
        assert_eq!(Checkpoint::open(&head, &other.verifier()), Err(refused.clone()));
        assert_eq!(proof(&head).verify(&leaf, &other.verifier()), Err(TlogProofError::Checkpoint(refused)));
    }
    // wrong origin: our key signed a text that names another log
    let text = head.split_once("\n\n").unwrap().0.replace("ledgerline.example/audit", "ledgerline.example/other") + "\n";
    let found = CheckpointError::Origin { expected: key.name().to_owned(), found: "ledgerline.example/other".to_owned() };
    assert_eq!(Checkpoint::open(key.sign_note(&text).unwrap(), &key.verifier()), Err(found));
    // wrong size or root: the signature is over other text
    let broken = Err(CheckpointError::Note(NoteError::WrongSignature { name: key.name().to_owned() }));
    assert_eq!(Checkpoint::open(head.replace("\n40\n", "\n41\n"), &key.verifier()), broken);
    let other_root = ledgerline::ledger::encode_hash(&MemoryLog::numbered(41).edge.root());
    assert_eq!(Checkpoint::open(head.replace(&ledgerline::ledger::encode_hash(&log.edge.root()), &other_root), &key.verifier()), broken);
    // a note of ours that is no checkpoint
    assert_eq!(Checkpoint::open(key.sign_note("hello\n").unwrap(), &key.verifier()), Err(CheckpointError::Lines));
    // a good proof beside the checkpoint of another size
    let later = signed_head(&MemoryLog::numbered(41), &key);
    assert_eq!(proof(&later).verify(&leaf, &key.verifier()), Err(TlogProofError::Proof(ProofError::WrongRoot)));
    let earlier = signed_head(&MemoryLog::numbered(17), &key);
    let beyond = ProofError::IndexBeyondSize { index: 17, size: 17 };
    assert_eq!(proof(&earlier).verify(&leaf, &key.verifier()), Err(TlogProofError::Proof(beyond)));
}

#[test]
fn a_changed_tile_in_a_store_gives_proofs_that_do_not_verify() {
    let mut log = MemoryLog::numbered(SIZE);
    let root = log.edge.root();
    let mut tile = log.store.full_tile(0, 1).unwrap().unwrap();
    tile[0] ^= 1;
    log.store.tiles.insert((0, 1), tile);
    let proof = log.reader().inclusion(300, SIZE).unwrap();
    assert_eq!(verify_inclusion(&leaf_hash(b"entry-300"), 300, SIZE, &proof, &root), Err(ProofError::WrongRoot));
    assert_ne!(ledgerline::ledger::RightEdge::restore(SIZE, &log.store).unwrap().root(), root);
}
