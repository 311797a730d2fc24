//! Vectors that others published or checked; every byte of them.
use base64::{Engine, engine::general_purpose::STANDARD};
use ledgerline::ledger::{Checkpoint, EMPTY_ROOT, LogKey, Note, TilePath, Verifier, default_origin, encode_hash, split_bundle};

use super::support::{MemoryLog, log_key};

const WITNESS_VKEY: &str = "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X";

#[test]
fn an_empty_tree_has_the_root_of_nothing() {
    assert_eq!(encode_hash(&EMPTY_ROOT), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(MemoryLog::numbered(0).edge.root(), EMPTY_ROOT);
}

#[test]
fn the_golden_log_of_tessera_has_its_published_roots() {
    let words =
        ["one", "two", "three", "four", "five", "six", "seven", "eit", "nain", "ten", "ileven", "twelf", "threeten", "fourten", "fivten"];
    for (size, root) in [
        (1, "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek="),
        (2, "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4="),
        (3, "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk="),
        (7, "IrSXADBqJ7EQoUODSDKROySgNveeL6CFhik2w/+fS7U="),
        (8, "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY="),
        (15, "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs="),
    ] {
        let log = MemoryLog::of(words[..size].to_vec());
        assert_eq!(encode_hash(&log.edge.root()), root, "size {size}");
        assert_eq!(encode_hash(&MemoryLog::of(words).reader().root_at(size as u64).unwrap()), root, "size {size}, later");
    }
    let bundle = MemoryLog::of(words).bundle(0, 3).unwrap();
    assert_eq!(hex::encode(&bundle), "00036f6e65000374776f00057468726565");
    assert_eq!(split_bundle(&bundle).unwrap(), [b"one".as_slice(), b"two", b"three"]);
    let vkey = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";
    assert_eq!(Verifier::parse(vkey).unwrap().to_string(), vkey);
}

#[test]
fn the_note_of_the_specification_verifies() {
    let vkey = Verifier::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap();
    let note = "This is an example message.\n\n\
        — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let parsed = Note::parse(note.as_bytes()).unwrap();
    assert_eq!(parsed.open(&[vkey]).unwrap(), "This is an example message.\n");
    assert_eq!(parsed.to_string(), note);
}

#[test]
fn our_log_key_signs_the_checked_checkpoints_byte_for_byte() {
    let key = log_key();
    assert_eq!(key.vkey(), "ledgerline.example/audit+c3f430b0+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4");
    for (size, root, signature) in [
        (
            0,
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            Some("w/QwsF5JoOvYQU9Xe7FUnOqD9Uxl1XihcT97sS4Zni7Br5+ytYHj+nPm7k9g775JkHwRgZ9onY55YIMlN0/Bw4WTjQw="),
        ),
        (
            1,
            "QHZrIDNCkCb1PVRQJnmoOXBrR0H43K86i7pfQbX/4HU=",
            Some("w/QwsIHMlduG965xHzIrXuq+1ej5L1wfKFAICy3pCUey6PC4iUgz6tC5OZ8KxbucLczeO3yPSQZJ1lc3bAdgLrUc7Qo="),
        ),
        (
            3,
            "pkvybgkSj2/i/m+LLYyAHhZrV8BHp82bK4Ceepai8cs=",
            Some("w/QwsGYGJtR6dqQWsQbEgHIIAJRcE6mXA+Mivhlkjs1phbPD53WC5ZLuGDx+9+z7vesESHsvU6F3gc1PY0E0M9y1QwQ="),
        ),
        (256, "+F9OrTQIBxC00egIMBVDqquBqgTeuIWZNQ3Cak8vWN4=", None),
        (257, "kYsc7GTzF8duPPVcBTaEHAOe/wZ3LruIKM58F2Aotaw=", None),
    ] {
        let log = MemoryLog::numbered(size);
        let checkpoint = Checkpoint { origin: key.name().to_owned(), size, root: log.edge.root() };
        let body = format!("ledgerline.example/audit\n{size}\n{root}\n");
        assert_eq!(checkpoint.body(), body);
        let note = checkpoint.sign(&key).unwrap();
        assert_eq!(Checkpoint::open(&note, &key.verifier()), Ok(checkpoint));
        if let Some(signature) = signature {
            assert_eq!(note, format!("{body}\n— ledgerline.example/audit {signature}\n"));
        }
    }
    let bundle = MemoryLog::numbered(3).bundle(0, 3).unwrap();
    assert_eq!(hex::encode(bundle), "0007656e7472792d300007656e7472792d310007656e7472792d32");
}

#[test]
fn a_witness_cosignature_beside_ours_is_kept_and_does_not_disturb() {
    let key = log_key();
    let log = MemoryLog::numbered(3);
    let ours = super::support::signed_head(&log, &key);
    let cosigned = format!(
        "{ours}— witness.example/w1 IDJKvgAAAABlU/EAL/IWDJpPRTzOBbI+SM2hbL4sYF4KNcONoGqzG0L4/2iUKNA9xggLCoZNJrGwc+5NZ8S6Rf23W55Melj431eABw==\n"
    );
    assert_eq!(Checkpoint::open(&cosigned, &key.verifier()).unwrap().size, 3);
    let note = Note::parse(cosigned.as_bytes()).unwrap();
    assert_eq!(note.to_string(), cosigned);
    assert_eq!(hex::encode(note.signatures[1].id), "20324abe");
    // A cosignature is 8 bytes of time and 64 of signature, by a key of type 4.
    assert_eq!(note.signatures[1].signature.len(), 72);
    assert_eq!(note.signatures[1].signature[..8], 1_700_000_000u64.to_be_bytes());
    assert_eq!(Verifier::parse(WITNESS_VKEY).unwrap_err().to_string(), "only Ed25519 keys (type 1) are supported");
}

#[test]
fn a_tree_of_70_000_has_the_tiles_that_the_specification_counts() {
    let log = MemoryLog::numbered(70_000);
    let reader = log.reader();
    let count = |level: u8| (0..).take_while(|i| reader.tile(level, *i, 256).unwrap().is_some()).count() as u64;
    assert_eq!((count(0), count(1), count(2)), (273, 1, 0));
    for (path, present) in [
        ("tile/0/273.p/112", true),
        ("tile/0/273.p/113", false),
        ("tile/1/001.p/17", true),
        ("tile/1/001.p/18", false),
        ("tile/2/000.p/1", true),
        ("tile/2/000.p/2", false),
        ("tile/3/000.p/1", false),
        ("tile/63/000.p/1", false),
    ] {
        let TilePath::Tile { level, index, width } = TilePath::parse(path).unwrap() else { panic!("{path} is a tile") };
        assert_eq!(reader.tile(level, index, width).unwrap().is_some(), present, "{path}");
    }
}

#[test]
fn a_log_without_a_given_origin_is_named_by_its_key() {
    let key = LogKey::with_default_origin(&std::array::from_fn(|i| i as u8));
    // The public key of the seed 00…1f, hashed with another tool.
    let public = STANDARD.decode("A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=").unwrap();
    assert_eq!(key.public_key().as_slice(), public);
    assert_eq!(key.name(), "ledgerline/56475aa75463474c");
    assert_eq!(default_origin(&key.public_key()), key.name());
    assert_eq!(Verifier::parse(&key.vkey()).unwrap().name(), key.name());
}
