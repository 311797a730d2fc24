//! A subscription goes on over a restart of the server's process.
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use super::{EVENTS, client::Client};
use crate::{api::stand::block_on, support::run_event};

struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ledgerline"))
            .env_clear()
            .env("LEDGERLINE_LOG__FORMAT", "json")
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let base = lines
            .by_ref()
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
            .find_map(|line| {
                let address = line.pointer("/fields/address").or_else(|| line.get("address"))?;
                Some(format!("http://{}", address.as_str()?))
            })
            .unwrap();
        // Read on, so that the server never waits for its log.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base }
    }

    fn send(&self, token: &str, run: u8) -> u64 {
        let event = run_event("COMPLETE", run, u32::from(run), &["a"], &["b"]).to_string();
        let request = ureq::post(format!("{}/api/v1/lineage", self.base)).header("authorization", format!("Bearer {token}"));
        let mut answer = request.content_type("application/json").send(event).unwrap();
        serde_json::from_str::<Value>(&answer.body_mut().read_to_string().unwrap()).unwrap()["index"].as_u64().unwrap()
    }

    fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }
}

#[test]
fn a_subscription_goes_on_after_a_restart_without_gaps_or_doubles() {
    let folder = tempfile::tempdir().unwrap();
    let created = Command::new(env!("CARGO_BIN_EXE_ledgerline"))
        .env_clear()
        .args(["token", "create", "--role", "engineer", "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    let token = String::from_utf8(created.stdout).unwrap().trim().to_owned();

    let mut process = Process::start(folder.path());
    let first = process.send(&token, 0);
    (1..30).for_each(|run| assert!(process.send(&token, run) > first));
    let mut last = first;
    block_on(async {
        let mut client = Client::acknowledged(&process.base, &token).await;
        client.subscribe("1", EVENTS, json!({ "after": first })).await;
        for _ in 0..10 {
            last += 1;
            assert_eq!(client.index().await, last);
        }
        // Told while entries are on their way; what it still gets of them does not count.
        process.terminate();
        assert_eq!(client.closed().await, (1001, "Going away".to_owned()));
    });
    assert!(process.child.wait().unwrap().success());

    let mut process = Process::start(folder.path());
    let newest = process.send(&token, 30);
    block_on(async {
        let mut client = Client::acknowledged(&process.base, &token).await;
        client.subscribe("1", EVENTS, json!({ "after": last })).await;
        while last < newest {
            last += 1;
            assert_eq!(client.index().await, last);
        }
    });
    process.terminate();
    assert!(process.child.wait().unwrap().success());
}
