//! Notes, keys, checkpoints and proof files: what is accepted, and for every
//! way to be wrong its own reason.
use ledgerline::ledger::{
    Checkpoint, CheckpointError, KeyError, LogKey, Note, NoteError, ProofError, TREE_SIZE_MAX, TlogProof, TlogProofError, Verifier,
    encode_hash, leaf_hash,
};

use super::support::{MemoryLog, log_key, signed_head};

fn other_key() -> LogKey {
    LogKey::new("example.com/other", &[9; 32]).unwrap()
}

#[test]
fn a_key_never_shows_its_seed() {
    let seed = [0x5a; 32];
    let key = LogKey::new("example.com/log", &seed).unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(!shown.contains(&hex::encode(seed)) && !shown.contains("90") && !shown.to_lowercase().contains("seed"), "{shown}");
    assert!(shown.contains("example.com/log+"));
}

#[test]
fn names_that_would_break_a_signature_line_are_refused() {
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\u{a0}b", "a\tb", "a\nb", "a\u{1}b", " ", "+", &"x".repeat(513)] {
        assert_eq!(LogKey::new(name, &[1; 32]).unwrap_err(), KeyError::Name, "{name:?}");
    }
    for name in ["a", "example.com/log", "ledgerline/0123456789abcdef", "Größe", &"x".repeat(512)] {
        let key = LogKey::new(name, &[1; 32]).unwrap();
        assert_eq!(Verifier::parse(&key.vkey()).unwrap(), key.verifier());
    }
}

#[test]
fn verifier_keys_are_refused_each_for_its_reason() {
    let good = log_key().vkey();
    let (name, id, key) = ("ledgerline.example/audit", "c3f430b0", "AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4");
    assert_eq!(good, format!("{name}+{id}+{key}"));
    for (vkey, reason) in [
        (String::new(), KeyError::Shape),
        (name.to_owned(), KeyError::Shape),
        (format!("{name}+{id}"), KeyError::Shape),
        (format!("+{id}+{key}"), KeyError::Name),
        (format!("a b+{id}+{key}"), KeyError::Name),
        (format!("{name}+c3f430+{key}"), KeyError::Shape),
        (format!("{name}+c3f430bg+{key}"), KeyError::Shape),
        (format!("{name}+{id}+{key}="), KeyError::Shape),
        (format!("{name}+{id}+"), KeyError::Shape),
        (format!("{name}+c3f430b1+{key}"), KeyError::Id),
        (format!("{name}x+{id}+{key}"), KeyError::Id),
        (format!("{name}+{id}+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"), KeyError::Type),
        (format!("{name}+{id}+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTE="), KeyError::PublicKey),
    ] {
        assert_eq!(Verifier::parse(&vkey).unwrap_err(), reason, "{vkey}");
    }
}

#[test]
fn a_key_of_small_order_is_refused_even_with_a_right_id() {
    use sha2::{Digest, Sha256};
    // Type 1, then the neutral element: it verifies signatures that nobody made.
    let public = [&[1u8, 1][..], &[0; 31]].concat();
    let id = &Sha256::digest([b"weak.example\n".as_slice(), &public].concat())[..4];
    let vkey = format!("weak.example+{}+{}", hex::encode(id), base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &public));
    assert_eq!(Verifier::parse(&vkey).unwrap_err(), KeyError::PublicKey);
}

#[test]
fn malformed_notes_are_refused_each_for_its_reason() {
    let line = "— example.com/x AAAAAAA=\n";
    let note = |text: &str, lines: &str| format!("{text}\n{lines}").into_bytes();
    assert!(Note::parse(&note("hi\n", line)).is_ok());
    assert!(Note::parse(&note("hi\n\nthere\n", line)).is_ok(), "empty lines within the text");
    assert!(Note::parse(&note("hi\n", &line.repeat(100))).is_ok());
    let mut big = note(&format!("{}\n", "x".repeat(1_000_000 - 2 - line.len())), line);
    assert_eq!(big.len(), 1_000_000);
    assert!(Note::parse(&big).is_ok());
    big.push(b'\n');
    for (note, reason) in [
        (big, NoteError::TooLong),
        (Vec::new(), NoteError::NoSignatures),
        (b"hi\n".to_vec(), NoteError::NoSignatures),
        (b"hi\n\n".to_vec(), NoteError::NoSignatures),
        (b"hi\n\n\n".to_vec(), NoteError::NoSignatures),
        (note("hi", line), NoteError::NoSignatures),
        (note("hi\n", line.trim_end()), NoteError::NoSignatures),
        (note("hi\n", "\n"), NoteError::NoSignatures),
        (note("hi\n", &format!("{line}\n")), NoteError::NoSignatures),
        (note("hi\tthere\n", line), NoteError::NotText),
        (note("hi\r\n", line), NoteError::NotText),
        (b"\xff\n\n".iter().copied().chain(line.bytes()).collect(), NoteError::NotText),
        (note("hi\n", "x\n"), NoteError::SignatureLine),
        (note("hi\n", "- example.com/x AAAAAAA=\n"), NoteError::SignatureLine),
        (note("hi\n", "— example.com/x\n"), NoteError::SignatureLine),
        (note("hi\n", "— example.com/x \n"), NoteError::SignatureLine),
        (note("hi\n", "—  AAAAAAA=\n"), NoteError::SignatureLine),
        (note("hi\n", "— a+b AAAAAAA=\n"), NoteError::SignatureLine),
        (note("hi\n", "— example.com/x AAAAAA==\n"), NoteError::SignatureLine),
        (note("hi\n", "— example.com/x AAAAAAA\n"), NoteError::SignatureLine),
        (note("hi\n", "— example.com/x AAAAAAA= \n"), NoteError::SignatureLine),
        (note("hi\n", "— example.com/x AAAAAAA_\n"), NoteError::SignatureLine),
        (note("hi\n", &line.repeat(101)), NoteError::TooManySignatures),
    ] {
        assert_eq!(Note::parse(&note).unwrap_err(), reason, "{:?}", String::from_utf8_lossy(&note[..note.len().min(80)]));
    }
}

#[test]
fn unknown_signatures_say_nothing_and_a_wrong_known_one_ends_it() {
    let (ours, theirs) = (log_key(), other_key());
    let text = "something\n";
    let line = |key: &LogKey, text: &str| key.sign_note(text).unwrap().rsplit_once("\n\n").unwrap().1.to_owned();
    let open = |lines: &[String], known: &[Verifier]| {
        Note::parse(format!("{text}\n{}", lines.concat()).as_bytes()).unwrap().open(known).map(str::to_owned)
    };
    let (good, foreign, wrong) = (line(&ours, text), line(&theirs, text), line(&ours, "something else\n"));
    let us = [ours.verifier()];
    let both = [ours.verifier(), theirs.verifier()];
    let signed = Ok(text.to_owned());
    let broken = Err(NoteError::WrongSignature { name: ours.name().to_owned() });

    assert_eq!(open(std::slice::from_ref(&good), &us), signed);
    assert_eq!(open(&[foreign.clone(), good.clone()], &us), signed);
    assert_eq!(open(&[foreign.clone(), good.clone()], &both), signed);
    assert_eq!(open(std::slice::from_ref(&foreign), &us), Err(NoteError::Unsigned));
    assert_eq!(open(std::slice::from_ref(&good), &[]), Err(NoteError::Unsigned));
    assert_eq!(open(std::slice::from_ref(&wrong), &us), broken);
    assert_eq!(open(&[foreign.clone(), wrong.clone()], &both), broken, "another good signature does not help");
    assert_eq!(open(&[good.clone(), wrong.clone()], &us), signed, "one key's second signature is not looked at");
    assert_eq!(open(&[wrong, good.clone()], &us), broken);

    // Same name or same id, but not both: a stranger.
    let namesake = LogKey::new(ours.name(), &[3; 32]).unwrap();
    assert_eq!(open(&[line(&namesake, "something else\n"), good.clone()], &us), signed);
    // A signature of the wrong length by a known key is a wrong one.
    let mut bytes = hex::decode("c3f430b0").unwrap();
    bytes.extend([0; 63]);
    let short = format!("— {} {}\n", ours.name(), base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes));
    assert_eq!(open(&[short, good.clone()], &us), Err(NoteError::WrongSignature { name: ours.name().to_owned() }));
    assert_eq!(open(std::slice::from_ref(&good), &[us[0].clone(), us[0].clone()]), signed, "the same key twice is one key");
}

#[test]
fn text_that_cannot_be_a_note_is_not_signed() {
    let key = log_key();
    for (text, reason) in [
        ("no newline", NoteError::NoFinalNewline),
        ("", NoteError::NoFinalNewline),
        ("tab\t\n", NoteError::NotText),
        (&format!("{}\n", "x".repeat(1_000_000)), NoteError::TooLong),
    ] {
        assert_eq!(key.sign_note(text).unwrap_err(), reason);
    }
}

#[test]
fn checkpoint_texts_are_refused_each_for_its_reason() {
    let root = encode_hash(&leaf_hash(b"x"));
    for (text, reason) in [
        (format!("o\n5\n{root}"), CheckpointError::Lines),
        (String::new(), CheckpointError::Lines),
        ("\n".to_owned(), CheckpointError::Lines),
        ("o\n5\n".to_owned(), CheckpointError::Lines),
        (format!("\n5\n{root}\n"), CheckpointError::Lines),
        (format!("o\n\n{root}\n"), CheckpointError::Lines),
        (format!("o\n5\n{root}\n\n"), CheckpointError::Lines),
        (format!("o\n5\n{root}\nextension\n\nmore\n"), CheckpointError::Lines),
        (format!("o\n05\n{root}\n"), CheckpointError::Size),
        (format!("o\n+5\n{root}\n"), CheckpointError::Size),
        (format!("o\n-5\n{root}\n"), CheckpointError::Size),
        (format!("o\n5 \n{root}\n"), CheckpointError::Size),
        (format!("o\n{}\n{root}\n", TREE_SIZE_MAX + 1), CheckpointError::Size),
        (format!("o\n99999999999999999999999\n{root}\n"), CheckpointError::Size),
        (format!("o\n5\n{}\n", &root[..40]), CheckpointError::Root),
        (format!("o\n5\n{}\n", root.trim_end_matches('=')), CheckpointError::Root),
        (format!("o\n5\n{root} \n"), CheckpointError::Root),
    ] {
        assert_eq!(Checkpoint::parse(&text).unwrap_err(), reason, "{text:?}");
    }
    for size in [0, 1, TREE_SIZE_MAX] {
        assert_eq!(Checkpoint::parse(&format!("o\n{size}\n{root}\n")).unwrap().size, size);
    }
}

#[test]
fn extension_lines_of_others_are_read_and_never_written() {
    let root = leaf_hash(b"x");
    let text = format!("o\n5\n{}\nsome extension\nanother\n", encode_hash(&root));
    let read = Checkpoint::parse(&text).unwrap();
    assert_eq!(read, Checkpoint { origin: "o".to_owned(), size: 5, root });
    assert_eq!(read.body().lines().count(), 3);
    // What is verified is the note's own text, extension and all.
    let key = LogKey::new("o", &[4; 32]).unwrap();
    let note = key.sign_note(&text).unwrap();
    assert_eq!(Checkpoint::open(&note, &key.verifier()), Ok(read));
    let cut = note.replace("another\n", "");
    assert!(matches!(Checkpoint::open(cut, &key.verifier()), Err(CheckpointError::Note(NoteError::WrongSignature { .. }))));
}

#[test]
fn a_key_signs_checkpoints_of_its_own_log_only() {
    let key = log_key();
    let at = |origin: &str, size| Checkpoint { origin: origin.to_owned(), size, root: [0; 32] }.sign(&key);
    assert!(at(key.name(), TREE_SIZE_MAX).is_ok());
    assert_eq!(at(key.name(), TREE_SIZE_MAX + 1), Err(CheckpointError::Size));
    assert_eq!(at("other", 1), Err(CheckpointError::Origin { expected: key.name().to_owned(), found: "other".to_owned() }));
    assert!(at("ledgerline.example/audit\n1", 1).is_err());
}

#[test]
fn a_proof_file_carries_an_entry_to_its_checkpoint() {
    let key = log_key();
    let log = MemoryLog::numbered(700);
    for index in [0, 255, 256, 511, 512, 699] {
        let proof = TlogProof::new(index, log.reader().inclusion(index, 700).unwrap(), signed_head(&log, &key));
        let file = proof.to_string();
        assert!(file.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {index}\n")));
        assert!(file.ends_with(&format!("\n\n{}", signed_head(&log, &key))));
        let read = TlogProof::parse(file.as_bytes()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(&log.leaves()[index as usize], &key.verifier()).unwrap().size, 700);
    }
    // The only entry of a log needs no hashes at all.
    let one = MemoryLog::numbered(1);
    let file = TlogProof::new(0, Vec::new(), signed_head(&one, &key)).to_string();
    assert!(file.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nledgerline.example/audit\n1\n"));
    assert!(TlogProof::parse(file.as_bytes()).unwrap().verify(&leaf_hash(b"entry-0"), &key.verifier()).is_ok());
    // Extra data is kept, and trusted by nobody.
    let extra = file.replace("index 0", "extra AAEC\nindex 0");
    let read = TlogProof::parse(extra.as_bytes()).unwrap();
    assert_eq!((read.extra.as_deref(), read.to_string()), (Some([0u8, 1, 2].as_slice()), extra));
}

#[test]
fn proof_files_are_refused_each_for_its_reason() {
    let key = log_key();
    let log = MemoryLog::numbered(5);
    let file = TlogProof::new(3, log.reader().inclusion(3, 5).unwrap(), signed_head(&log, &key)).to_string();
    let hash = encode_hash(&log.reader().inclusion(3, 5).unwrap()[0]);
    let swap = |from: &str, to: &str| {
        assert!(file.contains(from), "{from:?} is in the file");
        file.replacen(from, to, 1)
    };
    for (file, reason) in [
        (String::new(), TlogProofError::FirstLine),
        (swap("@v1", "@v2"), TlogProofError::FirstLine),
        (swap("@v1\n", "@v1\r\n"), TlogProofError::FirstLine),
        (swap("index 3", "extra ???\nindex 3"), TlogProofError::Extra),
        (swap("index 3", "index 03"), TlogProofError::Index),
        (swap("index 3", "index -1"), TlogProofError::Index),
        (swap("index 3", "Index 3"), TlogProofError::Index),
        (swap("index 3\n", ""), TlogProofError::Index),
        (swap("index 3", "index 99999999999999999999"), TlogProofError::Index),
        (swap(&hash, &hash[..43]), TlogProofError::Hash),
        (swap(&hash, &format!(" {hash}")), TlogProofError::Hash),
        (swap(&hash, &format!("{hash}\n").repeat(64)), TlogProofError::TooManyHashes),
        (file.split("\n\n").next().unwrap().to_owned() + "\n", TlogProofError::NoCheckpoint),
        (file.split("\n\n").next().unwrap().to_owned() + "\n\n", TlogProofError::NoCheckpoint),
        (swap("— ", "- "), TlogProofError::Checkpoint(CheckpointError::Note(NoteError::SignatureLine))),
        (file.clone() + &"x".repeat(2_000_000), TlogProofError::TooLong),
    ] {
        assert_eq!(TlogProof::parse(file.as_bytes()).unwrap_err(), reason, "{}", &file[..file.len().min(120)]);
    }
    let read = TlogProof::parse(file.as_bytes()).unwrap();
    assert_eq!(read.verify(&leaf_hash(b"other"), &key.verifier()), Err(TlogProofError::Proof(ProofError::WrongRoot)));
}
