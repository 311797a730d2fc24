//! The same questions to us and to an independent implementation.
use ledgerline::ledger::{Checkpoint, Hash, LogKey, Note, TilePath, Verifier, leaf_hash, node_hash, verify_consistency, verify_inclusion};
use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Tile, TileHashReader};

use super::support::{MemoryLog, log_key, signed_head};

/// Their reader over our tiles.
struct OurTiles<'a>(&'a MemoryLog);

impl tlog_tiles::TileReader for OurTiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |t: &Tile| {
            let tile = self.0.reader().tile(t.level(), t.level_index(), t.width() as u16).unwrap();
            tile.ok_or(tlog_tiles::Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(hash)
}

#[test]
fn leaves_and_nodes_hash_alike() {
    for length in [0usize, 1, 54, 55, 56, 63, 64, 65, 1000, 65_535] {
        let entry = vec![0xa5; length];
        assert_eq!(theirs(leaf_hash(&entry)), tlog_tiles::record_hash(&entry), "{length} bytes");
    }
    let (l, r) = (leaf_hash(b"l"), leaf_hash(b"r"));
    assert_eq!(theirs(node_hash(&l, &r)), tlog_tiles::node_hash(theirs(l), theirs(r)));
    assert_eq!(theirs(ledgerline::ledger::EMPTY_ROOT), tlog_tiles::EMPTY_HASH);
}

#[test]
fn our_tiles_serve_their_reader_and_both_make_the_same_proofs() {
    for size in [1u64, 2, 3, 255, 256, 257, 511, 512, 513, 1_000, 65_536, 65_700] {
        let log = MemoryLog::numbered(size);
        let (root, leaves) = (log.edge.root(), log.leaves());
        let tiles = OurTiles(&log);
        // This reader refuses tiles that do not hash to the root.
        let hashes = TileHashReader::new(size, theirs(root), &tiles);
        assert_eq!(tlog_tiles::tree_hash(size, &hashes).unwrap(), theirs(root), "size {size}");
        for at in [0, 1, 254, 255, 256, 257, 511, 700, 65_000, size - 1].into_iter().filter(|i| *i < size) {
            let ours = log.reader().inclusion(at, size).unwrap();
            let leaf = leaves[at as usize];
            let their_proof: Vec<Hash> = tlog_tiles::prove_record(size, at, &hashes).unwrap().iter().map(|h| h.0).collect();
            assert_eq!(ours, their_proof, "{at} of {size}");
            let proof = ours.iter().copied().map(theirs).collect();
            tlog_tiles::check_record(&proof, size, theirs(root), at, theirs(leaf)).unwrap();
            verify_inclusion(&leaf, at, size, &their_proof, &root).unwrap();

            let from = at + 1;
            let ours = log.reader().consistency(from, size).unwrap();
            let from_root = log.reader().root_at(from).unwrap();
            let their_proof: Vec<Hash> = tlog_tiles::prove_tree(size, from, &hashes).unwrap().iter().map(|h| h.0).collect();
            assert_eq!(ours, their_proof, "{from} to {size}");
            let proof = ours.iter().copied().map(theirs).collect();
            tlog_tiles::check_tree(&proof, size, theirs(root), from, theirs(from_root)).unwrap();
            verify_consistency(from, &from_root, size, &root, &their_proof).unwrap();
        }
    }
}

#[test]
fn a_growing_log_has_published_what_they_say_must_be_published() {
    let log = MemoryLog::numbered(1_000);
    let mut size = 0;
    for step in [1, 2, 250, 3, 1, 300, 443] {
        for tile in Tile::new_tiles(8, size, size + step) {
            let path = TilePath::Tile { level: tile.level(), index: tile.level_index(), width: tile.width() as u16 };
            assert_eq!(tile.path().replacen("tile/8/", "tile/", 1), path.to_string());
            assert!(log.reader().tile(tile.level(), tile.level_index(), tile.width() as u16).unwrap().is_some(), "{path}");
        }
        size += step;
    }
    assert_eq!(size, 1_000);
}

/// The signing key of the vectors in the form that their signer reads.
const SKEY: &str = "PRIVATE+KEY+ledgerline.example/audit+c3f430b0+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

#[test]
fn notes_of_one_open_with_the_other() {
    let key = log_key();
    let signer = StandardSigner::new(SKEY).unwrap();
    let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(&key.vkey()).unwrap())]);
    for size in [0, 1, 2, 300] {
        let ours = signed_head(&MemoryLog::numbered(size), &key);
        let note = signed_note::Note::from_bytes(ours.as_bytes()).unwrap();
        assert_eq!(note.verify(&verifiers).unwrap().0.len(), 1);
        let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!((checkpoint.origin(), checkpoint.size(), checkpoint.extension()), (key.name(), size, ""));

        let mut again = signed_note::Note::new(note.text(), &[]).unwrap();
        again.add_sigs(&[&signer]).unwrap();
        assert_eq!(again.to_bytes(), ours.as_bytes(), "Ed25519 is deterministic");
        assert_eq!(Checkpoint::open(again.to_bytes(), &key.verifier()).unwrap().size, size);
    }
}

/// Bytes near a valid input: what parsers disagree on lies there.
fn mutated(original: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let snippets = prop::sample::select(vec![
        "\n",
        "\n\n",
        " ",
        "+",
        "=",
        "0",
        "1",
        "-",
        "— ",
        "\u{2003}",
        "\r",
        "\u{7f}",
        "\0",
        "x",
        "/",
        "\u{feff}",
        "— a AAAAAAA=\n",
    ]);
    let change = (any::<prop::sample::Index>(), 0usize..4, snippets);
    prop::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut bytes = original.clone();
        for (at, removed, inserted) in changes {
            let from = at.index(bytes.len() + 1);
            let to = (from + removed).min(bytes.len());
            bytes.splice(from..to, inserted.bytes());
        }
        bytes
    })
}

fn cosigned() -> Vec<u8> {
    let other = LogKey::new("example.com/w", &[5; 32]).unwrap();
    let head = signed_head(&MemoryLog::numbered(3), &log_key());
    let body = head.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let cosignature = other.sign_note(&body).unwrap().rsplit_once("\n\n").unwrap().1.to_owned();
    format!("{head}{cosignature}").into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn notes_are_accepted_or_refused_alike(bytes in mutated(cosigned())) {
        let key = log_key();
        let (ours, theirs) = (Note::parse(&bytes), signed_note::Note::from_bytes(&bytes));
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.text.as_bytes(), theirs.text());
            prop_assert_eq!(ours.to_string().into_bytes(), theirs.to_bytes());
            let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(&key.vkey()).unwrap())]);
            prop_assert_eq!(ours.open(&[key.verifier()]).is_ok(), theirs.verify(&verifiers).is_ok());
        }
    }

    #[test]
    fn checkpoint_texts_are_accepted_or_refused_alike(bytes in mutated(b"example.com/log\n1290\npkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs=\nextension\n".to_vec())) {
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        // In a note, so that both look at texts of notes only.
        if text.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Ok(());
        }
        match (Checkpoint::parse(&text), tlog_tiles::Checkpoint::from_bytes(text.as_bytes())) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!((ours.origin.as_str(), ours.size, ours.root), (theirs.origin(), theirs.size(), theirs.hash().0));
            }
            (ours, theirs) => prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", text),
        }
    }

    #[test]
    fn verifier_keys_are_accepted_or_refused_alike(bytes in mutated(log_key().vkey().into_bytes())) {
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        // Names with control characters cannot stand in a note; they take them all the same.
        if text.chars().any(|c| c < ' ') {
            return Ok(());
        }
        prop_assert_eq!(Verifier::parse(&text).is_ok(), StandardVerifier::new(&text).is_ok(), "{:?}", text);
    }

    #[test]
    fn tile_paths_are_accepted_or_refused_alike(path in mutated(b"tile/1/x001/234.p/8".to_vec())) {
        let Ok(path) = String::from_utf8(path) else { return Ok(()) };
        let Some(rest) = path.strip_prefix("tile/") else { return Ok(()) };
        if rest.starts_with("data/") {
            return Ok(());
        }
        // Levels beyond 63 and partial tiles without hashes make them panic.
        let level = rest.split('/').next().and_then(|l| l.parse::<u8>().ok());
        let width = rest.rsplit_once(".p/").and_then(|(_, w)| w.parse::<u32>().ok());
        if level.is_some_and(|l| l > 63) || width == Some(0) {
            prop_assert!(TilePath::parse(&path).is_err(), "{}", path);
            return Ok(());
        }
        let their_path = format!("tile/8/{}", rest.replacen("entries/", "data/", 1));
        match (TilePath::parse(&path), Tile::from_path(&their_path)) {
            (Ok(TilePath::Tile { level, index, width }), Ok(t)) => {
                prop_assert_eq!((level, index, u32::from(width)), (t.level(), t.level_index(), t.width()));
            }
            (Ok(TilePath::Entries { .. }), Ok(t)) => prop_assert!(t.is_data()),
            (ours, theirs) => prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", path),
        }
    }
}
