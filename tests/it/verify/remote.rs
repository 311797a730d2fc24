//! A log checked from outside, over the bytes that our own server serves, and over
//! bytes that somebody changed on the way.
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    sync::{Arc, Mutex, OnceLock},
    thread,
};

use ledgerline::{
    access::Role,
    ledger::{Checkpoint, LogKey, TilePath},
};
use serde_json::Value;

use super::folder::rich_world;
use crate::support::principal;

/// What a server answers by path.
type Resources = BTreeMap<String, Vec<u8>>;

/// Everything that an auditor may read of a rich log, as the application gives it.
fn published() -> (Resources, Vec<u8>) {
    static MADE: OnceLock<(Resources, Vec<u8>)> = OnceLock::new();
    MADE.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.block_on(async {
            let world = rich_world().await;
            let auditor = principal(&[Role::Auditor], "default");
            let app = &world.app;
            let older = app.checkpoint_note().into_bytes();
            world.send(&crate::support::run_event("COMPLETE", 200, 700, &["a"], &["d"])).await;
            let size = app.ledger_size();
            // Asking for a proof of the last entry publishes a checkpoint that covers it.
            let mut all = Resources::new();
            for index in (0..size).rev() {
                all.insert(format!("/ledger/proof/{index}"), app.tlog_proof(index).await.unwrap().into_bytes());
                all.insert(format!("/ledger/opening/{index}"), app.opening(&auditor, index).await.unwrap().into_bytes());
            }
            for index in 0..size.div_ceil(256) {
                let width = u16::try_from((size - index * 256).min(256)).unwrap();
                let paths = [TilePath::Entries { index, width }, TilePath::Tile { level: 0, index, width }].map(|p| format!("/ledger/{p}"));
                all.insert(paths[0].clone(), app.bundle(index, width).await.unwrap().unwrap());
                all.insert(paths[1].clone(), app.tile(0, index, width).await.unwrap().unwrap());
            }
            let top = TilePath::Tile { level: 1, index: 0, width: u16::try_from(size / 256).unwrap() };
            all.insert(format!("/ledger/{top}"), app.tile(1, 0, u16::try_from(size / 256).unwrap()).await.unwrap().unwrap());
            all.insert("/ledger/checkpoint".to_owned(), app.checkpoint_note().into_bytes());
            all.insert("/ledger/vkey".to_owned(), (app.vkey() + "\n").into_bytes());
            (all, older)
        })
    })
    .clone()
}

/// Serves resources to whoever shows the token.
fn serve(resources: Resources) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (resources, log) = (Arc::new(resources), asked.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (resources, log) = (resources.clone(), log.clone());
            // A client that goes away in between is its own business.
            thread::spawn(move || answer(stream.unwrap(), &resources, &log).ok());
        }
    });
    (url, asked)
}

fn answer(stream: TcpStream, resources: &Resources, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut bearer = false;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            bearer |= header.trim().eq_ignore_ascii_case("authorization: Bearer auditor");
            if header.trim().is_empty() {
                break;
            }
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, body) = match resources.get(&path) {
            _ if !bearer => (401, &b"{\"message\":\"a token is needed\"}"[..]),
            Some(body) => (200, &body[..]),
            None => (404, &b"{}"[..]),
        };
        log.lock().unwrap().push(path);
        write!(writer, "HTTP/1.1 {status} Served\r\ncontent-length: {}\r\n\r\n", body.len())?;
        writer.write_all(body)?;
    }
}

/// The program itself: its exit code and what it says.
fn run(url: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledgerline"));
    command.env_clear().args(["verify", "--json", "--url", url]).args(more);
    command.output().unwrap()
}

fn verified(url: &str, more: &[&str]) -> (bool, Value) {
    let output = run(url, &[&["--token", "auditor"], more].concat());
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), json)
}

fn in_a_file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint");
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

fn vkey(resources: &Resources) -> String {
    String::from_utf8(resources["/ledger/vkey"].clone()).unwrap().trim().to_owned()
}

#[test]
fn a_sound_log_is_verified_with_every_opening_and_proof_and_as_a_continuation() {
    let (resources, older) = published();
    let (vkey, (_dir, against)) = (vkey(&resources), in_a_file(&older));
    let (url, asked) = serve(resources);
    let (ok, json) = verified(&url, &["--vkey", &vkey, "--against", against.to_str().unwrap(), "--openings", "all"]);
    assert!(ok, "{json}");
    let entries = json["entries"].as_u64().unwrap();
    assert!(entries > 320);
    assert_eq!(json["checked"]["openings"], entries);
    assert_eq!(json["checked"]["proofs"], entries);
    let kept = String::from_utf8(older).unwrap();
    assert_eq!(json["checked"]["against"].to_string(), kept.lines().nth(1).unwrap());
    assert_eq!(json["checked"]["vkeyOnTrust"], false);
    assert!(json["checked"]["parts"]["forbidden"].as_u64().unwrap() > 0, "an auditor sees no person parts");
    assert!(!asked.lock().unwrap().iter().any(|p| p == "/ledger/vkey"), "the key came from elsewhere");
}

#[test]
fn a_key_taken_from_the_server_is_warned_about_and_a_sample_of_openings_is_chosen() {
    let (url, asked) = serve(published().0);
    let output = run(&url, &["--token", "auditor", "--openings", "7"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("taken from the server itself"));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["checked"]["openings"], &json["checked"]["vkeyOnTrust"]), (&7.into(), &true.into()));
    assert_eq!(asked.lock().unwrap().iter().filter(|p| p.starts_with("/ledger/opening/")).count(), 7);
}

#[test]
fn what_a_server_changes_is_found_and_named() {
    let (resources, older) = published();
    let key = vkey(&resources);
    let (_dir, against) = in_a_file(&older);
    let check = |change: &dyn Fn(&mut Resources), check: &str, place: &str, problem: &str| {
        let mut changed = resources.clone();
        change(&mut changed);
        let (url, _) = serve(changed);
        let (ok, json) = verified(&url, &["--vkey", &key, "--against", against.to_str().unwrap(), "--openings", "all"]);
        let fault = &json["firstFault"];
        assert!(!ok && fault["check"] == check, "{json}");
        for (member, expected) in [("place", place), ("problem", problem)] {
            assert!(fault[member].as_str().unwrap().contains(expected), "{fault}");
        }
    };
    let flip = |r: &mut Resources, path: &str, at: usize| r.get_mut(path).unwrap()[at] ^= 1;
    // The last digit of the first leaf's id, and one of its time.
    let digit = |r: &mut Resources, at: usize| {
        let byte = &mut r.get_mut("/ledger/tile/entries/000").unwrap()[at];
        *byte = if *byte == b'0' { b'1' } else { b'0' };
    };
    check(&|r| digit(r, 79), "log", "log", "entry 0 does not hash");
    check(&|r| digit(r, 27), "log", "log", "entry 0 does not hash");
    check(&|r| flip(r, "/ledger/tile/0/000", 32 * 9), "log", "log", "entry 9 does not hash");
    check(&|r| flip(r, "/ledger/tile/entries/000", 5), "log", "entry 0", "the leaf does not have exactly the members");
    check(&|r| drop(r.remove("/ledger/tile/0/000")), "log", "log", "`tile/0/000` is missing");
    check(&|r| flip(r, "/ledger/checkpoint", 30), "checkpoint", "the server's checkpoint", "does not verify");
    check(
        &|r| {
            let another = r["/ledger/opening/6"].clone();
            r.insert("/ledger/opening/5".to_owned(), another);
        },
        "opening",
        "opening of entry 5",
        "is of entry 6",
    );
    let text = |r: &Resources, path: &str| String::from_utf8(r[path].clone()).unwrap();
    check(
        &|r| {
            let altered = text(r, "/ledger/opening/5").replacen("\"salt\":\"", "\"salt\":\"A", 1).replacen("A", "", 0);
            let (head, tail) = altered.split_once("\"salt\":\"A").unwrap();
            // One character of the salt is another one, its length the same.
            r.insert("/ledger/opening/5".to_owned(), format!("{head}\"salt\":\"A{}", &tail[1..]).into_bytes());
        },
        "opening",
        "opening of entry 5",
        "the parts do not give the root",
    );
    check(
        &|r| {
            let another = text(r, "/ledger/proof/6").replacen("index 6\n", "index 5\n", 1);
            r.insert("/ledger/proof/5".to_owned(), another.into_bytes());
        },
        "opening",
        "proof of entry 5",
        "the proof leads to another root",
    );
}

#[test]
fn a_log_that_went_back_or_was_rewritten_is_no_continuation() {
    let (mut resources, older) = published();
    let key = vkey(&resources);
    let (_dir, newer) = in_a_file(&resources["/ledger/checkpoint"]);
    resources.insert("/ledger/checkpoint".to_owned(), older);
    let (url, _) = serve(resources);
    let (ok, json) = verified(&url, &["--vkey", &key, "--against", newer.to_str().unwrap()]);
    assert!(!ok && json["firstFault"]["problem"].as_str().unwrap().contains("it went back"), "{json}");

    // A checkpoint of a log of the same key that had another history.
    let (resources, older) = published();
    let own = LogKey::new("example.org/log", &[9; 32]).unwrap();
    let signed = |note: &[u8], alter: u8| {
        let text = String::from_utf8(note.to_vec()).unwrap();
        let body = text.split("\n\n").next().unwrap().to_owned() + "\n";
        let mut checkpoint = Checkpoint::parse(&body).unwrap();
        checkpoint.origin = own.name().to_owned();
        checkpoint.root[0] ^= alter;
        checkpoint.sign(&own).unwrap().into_bytes()
    };
    let mut theirs = resources.clone();
    theirs.insert("/ledger/checkpoint".to_owned(), signed(&resources["/ledger/checkpoint"], 0));
    let (url, _) = serve(theirs);
    let (_dir, forked) = in_a_file(&signed(&older, 1));
    let (ok, json) = verified(&url, &["--vkey", &own.vkey(), "--against", forked.to_str().unwrap(), "--openings", "0"]);
    assert!(!ok && json["firstFault"]["check"] == "anchor", "{json}");
    let (_dir, same) = in_a_file(&signed(&older, 0));
    assert!(verified(&url, &["--vkey", &own.vkey(), "--against", same.to_str().unwrap(), "--openings", "0"]).0);
}

#[test]
fn what_cannot_be_had_is_an_error_and_no_verdict() {
    let (url, _) = serve(published().0);
    let output = run(&url, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("a token is needed"));
    let nobody = run("http://127.0.0.1:1", &["--token", "auditor"]);
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("cannot be reached"));
    let no_key = run(&url, &["--token", "auditor", "--vkey", "nonsense"]);
    assert!(String::from_utf8_lossy(&no_key.stderr).contains("verifier key"));
}
