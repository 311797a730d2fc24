//! More than the server takes, the end of its time, and the end of a request's:
//! what is accepted is answered, what is not is told so, and nothing passes for
//! more than it is.
use std::{
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{Receiver, channel},
    },
    thread::JoinHandle,
};

use ledgerline::{
    access::Role,
    app::{App, compose::Backend},
    clock::Ambient,
    domain::time::Micros,
    store::{
        PublishedCheckpoint,
        write::{Act, CommitError, Committed, Committer},
    },
};
use serde_json::{Value, json};

use crate::{
    api::stand::{Answer, Ask, Stand, block_on},
    support::{NOON, World, config, run_event},
};

/// A door that commits wait before.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    closed: bool,
    waiting: bool,
}

impl Door {
    fn set(&self, closed: bool) {
        self.0.0.lock().unwrap().closed = closed;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.waiting = true;
        self.0.1.notify_all();
        self.0.1.wait_while(state, |s| s.closed).unwrap().waiting = false;
    }

    /// Returns once the writer stands before the door.
    fn until_waiting(&self) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |s| !s.waiting).unwrap());
    }
}

struct Held {
    inner: Box<dyn Committer>,
    door: Door,
}

impl Committer for Held {
    fn commit(&mut self, acts: Vec<Act>, now: Micros) -> Result<Vec<Committed>, CommitError> {
        self.door.pass();
        self.inner.commit(acts, now)
    }

    fn publish(&mut self) -> Result<Arc<PublishedCheckpoint>, CommitError> {
        self.inner.publish()
    }
}

const QUEUE: usize = 3;
const SENDERS: u8 = 9;

/// A server whose writer waits before the door, with a queue of [`QUEUE`].
fn held() -> (Arc<Stand>, Door, String) {
    let door = Door::default();
    let mut config = config();
    config.ingest.queue_max = QUEUE;
    let before = door.clone();
    let world = World::over(&config, |b| Backend { writer: Box::new(Held { inner: b.writer, door: before }), ..b });
    let stand = Stand::over(world, |_| {});
    let token = stand.token(&[Role::Producer, Role::Engineer]);
    (Arc::new(stand), door, token)
}

struct Sent {
    /// As they come.
    answers: Receiver<Answer>,
    senders: Vec<JoinHandle<()>>,
}

/// One event that the writer holds before the door, [`QUEUE`] that wait for it,
/// and others for which there is no room: those are answered at once.
fn overloaded(stand: &Arc<Stand>, door: &Door, token: &str) -> Sent {
    door.set(true);
    let (told, answers) = channel();
    let one = |run: u8| {
        let (stand, token, told) = (stand.clone(), token.to_owned(), told.clone());
        std::thread::spawn(move || {
            told.send(stand.send(&token, &run_event("COMPLETE", run, u32::from(run), &["a"], &["b"]))).unwrap();
        })
    };
    let first = one(0);
    door.until_waiting();
    let senders = std::iter::once(first).chain((1..SENDERS).map(one)).collect();
    for answer in answers.iter().take(usize::from(SENDERS) - 1 - QUEUE) {
        assert_eq!((answer.status, answer.code().as_str(), answer.header("retry-after")), (503, "UNAVAILABLE", Some("1")));
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("more events are waiting"));
    }
    Sent { answers, senders }
}

impl Sent {
    /// Everything that was accepted is answered with a receipt.
    fn accepted(self) -> Vec<Answer> {
        let answers: Vec<Answer> = self.answers.iter().take(1 + QUEUE).collect();
        self.senders.into_iter().for_each(|s| s.join().unwrap());
        assert!(answers.iter().all(|a| a.status == 201));
        answers
    }
}

fn indexes(answers: &[Answer]) -> Vec<u64> {
    let mut indexes: Vec<u64> = answers.iter().map(|a| a.json()["index"].as_u64().unwrap()).collect();
    indexes.sort_unstable();
    indexes
}

#[test]
fn a_full_queue_is_503_with_the_time_to_wait_and_what_waits_is_recorded() {
    let (stand, door, token) = held();
    let sent = overloaded(&stand, &door, &token);
    // A batch tells it event by event, and reading goes on.
    let batch = stand.ask(Ask::json("/api/v1/lineage/batch", &json!([run_event("START", 99, 1, &["a"], &["b"])])).by(&token)).json();
    assert_eq!((&batch["status"], &batch["failed_events"][0]["code"]), (&json!("failure"), &json!("UNAVAILABLE")), "{batch}");
    assert_eq!(stand.data(&token, "{ledger{size}}", json!({}))["ledger"]["size"], 1);
    door.set(false);
    assert_eq!(indexes(&sent.accepted()), (1..=1 + QUEUE as u64).collect::<Vec<_>>());
    assert_eq!(stand.send(&token, &run_event("COMPLETE", 77, 59, &["a"], &["b"])).status, 201);
}

#[test]
fn draining_answers_everything_that_was_accepted_and_keeps_it() {
    let (stand, door, token) = held();
    let sent = overloaded(&stand, &door, &token);
    let stopping = {
        let handle = stand.handle.clone();
        std::thread::spawn(move || block_on(handle.stop(true)))
    };
    door.set(false);
    let recorded = sent.accepted();
    stopping.join().unwrap();
    stand.world.app.drain();
    let size = stand.world.app.ledger_size();
    assert_eq!(indexes(&recorded), (1..size).collect::<Vec<_>>());
    // The last checkpoint covers all of it, and so does a folder that is opened again.
    let note = stand.world.app.checkpoint_note();
    assert_eq!(note.lines().nth(1), Some(size.to_string().as_str()));
    let Ok(stand) = Arc::try_unwrap(stand) else { panic!("nobody else holds it") };
    let folder = stand.world.path().to_owned();
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder, copy.path());
    drop(stand);
    let (ambient, _) = Ambient::fixed(NOON, 8);
    let again = App::open(copy.path(), &config(), ambient).unwrap();
    assert_eq!(again.ledger_size(), size);
    again.drain();
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            std::fs::set_permissions(&target, entry.metadata().unwrap().permissions()).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_walk_whose_time_is_over_says_so_and_never_passes_for_whole() {
    const JOBS: usize = 60;
    for deadline_ms in [0, 1, 10_000] {
        let stand = Stand::with(|c| c.lineage.deadline_ms = deadline_ms, |_| {});
        let token = stand.token(&[Role::Engineer]);
        let events: Vec<Value> = (0..JOBS)
            .map(|i| {
                let schema = |n: usize| json!({"schema": {"_producer": "p", "_schemaURL": "s", "fields": [{"name": format!("c{n}")}]}});
                let columns = json!({"_producer": "p", "_schemaURL": "s", "fields": {format!("c{}", i + 1): {"inputFields": [
                    {"namespace": "db", "name": format!("d{i}"), "field": format!("c{i}")}]}}});
                let mut output = schema(i + 1);
                output["columnLineage"] = columns;
                json!({
                    "eventType": "COMPLETE", "eventTime": "2026-11-24T10:00:00Z", "producer": "p", "schemaURL": "s",
                    "run": {"runId": format!("00000000-0000-4000-8000-{i:012x}")}, "job": {"namespace": "jobs", "name": format!("j{i}")},
                    "inputs": [{"namespace": "db", "name": format!("d{i}"), "facets": schema(i)}],
                    "outputs": [{"namespace": "db", "name": format!("d{}", i + 1), "facets": output}],
                })
            })
            .collect();
        let sent = stand.ask(Ask::json("/api/v1/lineage/batch", &json!(events)).by(&token)).json();
        assert_eq!(sent["summary"]["successful"], JOBS, "{sent}");
        for (level, whole) in [("ARTIFACT", 2 * JOBS + 1), ("FIELD", JOBS + 1)] {
            let query = format!(
                "{{lineage(from: [{{dataset: {{namespace: \"db\", name: \"d0\"}}}}], options: {{direction: DOWNSTREAM, depth: 100, maxNodes: 1000, level: {level}}})\
                 {{nodes{{id}} completeness{{status reasons frontier}}}}}}"
            );
            let depth_reached = whole.min(101);
            let answer = stand.graphql(&token, &query, json!({}));
            let lineage = answer.json()["data"]["lineage"].clone();
            let nodes = lineage["nodes"].as_array().unwrap_or_else(|| panic!("{}", answer.text())).len();
            let status = lineage["completeness"]["status"].as_str().unwrap();
            match status {
                "COMPLETE" => assert_eq!((nodes, deadline_ms > 0), (depth_reached, true), "{level} {deadline_ms}"),
                "DEADLINE" => {
                    assert!(deadline_ms < 10_000, "{level}");
                    assert_eq!(lineage["completeness"]["reasons"], json!(["DEADLINE"]));
                    assert!(!lineage["completeness"]["frontier"].as_array().unwrap().is_empty(), "{level} {deadline_ms}");
                }
                other => panic!("{other} {level} {deadline_ms}"),
            }
            assert!(deadline_ms > 0 || status == "DEADLINE");
        }
    }
}
