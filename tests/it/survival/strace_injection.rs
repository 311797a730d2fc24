//! The system itself refuses: `strace` fails single calls of a writer process on
//! its files with EIO or ENOSPC, or kills it there, in a first start, in a start
//! after a kill, and while events are committed.
//!
//! A failed call had no effect here; the form "persisted but reported lost" is
//! `failed_calls`'s. Killed at the next call is killed after this one.
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{
    chance::Chance,
    kills::{copy, keep},
    long,
    oracle::{Promises, check},
    process::{Said, Writer, command},
};

/// Calls that change files or make changes durable.
const CALLS: [&str; 8] = ["pwrite64", "write", "fdatasync", "fsync", "ftruncate", "openat", "unlink", "rename"];
const HARMS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=KILL"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    FirstStart,
    Recovery,
    Commits,
}

const PHASES: [Phase; 3] = [Phase::FirstStart, Phase::Recovery, Phase::Commits];

/// Which calls on which files are traced, and which one is harmed.
struct Tracing {
    arguments: Vec<String>,
    trace: PathBuf,
}

impl Tracing {
    fn of(data: &Path, trace: PathBuf, harm: Option<&str>) -> Self {
        let mut arguments = vec!["-f".to_owned(), "-y".to_owned(), format!("--trace={}", CALLS.join(","))];
        let keys = ["kek", "installation-secret", "pepper", "log-seed"].map(|k| format!("keys/{k}"));
        let files = ["", "lock", "keys", "main.db", "main.db-wal", "main.db-journal", "vault.db", "vault.db-wal", "vault.db-journal"];
        let partial = keys.iter().map(|k| format!("{k}.partial"));
        for file in files.iter().map(|f| (*f).to_owned()).chain(keys.clone()).chain(partial) {
            arguments.push(format!("--trace-path={}", data.join(file).display().to_string().trim_end_matches('/')));
        }
        arguments.extend(harm.map(|h| format!("--inject={h}")));
        arguments.push(format!("--output={}", trace.display()));
        Self { arguments, trace }
    }

    /// A writer that is traced from its start.
    fn start(&self, data: &Path, events: std::ops::Range<u32>) -> Writer {
        let (program, arguments, variables) = command(data, 1, events);
        let mut strace = Command::new("strace");
        strace.args(&self.arguments).arg("--").arg(program).args(arguments).envs(variables);
        strace.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Writer::start(strace)
    }

    /// Traces a writer from now on; returns when it does.
    fn attach(&self, writer: &Writer) -> Child {
        let mut strace = Command::new("strace")
            .args(&self.arguments)
            .arg(format!("--attach={}", writer.id()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(strace.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("attached"), "strace may not attach to another process of ours: {line}");
        strace
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.trace).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

/// Runs a phase under `strace`; gives what was promised in all, what the harmed
/// process said, and the trace.
fn run(phase: Phase, data: &Path, trace: &Path, harm: Option<&str>) -> (Promises, Vec<Said>, Vec<String>) {
    let mut promises = Promises::default();
    let tracing = Tracing::of(data, trace.to_owned(), harm);
    let mut next = 0;
    if phase == Phase::Recovery {
        let mut before = Writer::spawn(data, 2, 0..u32::MAX);
        assert!(before.opened());
        before.begin();
        for _ in 0..5 {
            before.until(|s| matches!(s, Said::Told(super::stream::Told::Acknowledged(_))));
        }
        keep(&mut promises, &before.kill());
        next = promises.acknowledged.iter().map(|a| a.event).max().unwrap_or(0);
    }
    let said = if phase == Phase::Commits {
        let mut writer = Writer::spawn(data, 1, 0..7);
        assert!(writer.opened());
        let mut strace = tracing.attach(&writer);
        writer.begin();
        let said = writer.finish();
        strace.wait().unwrap();
        said
    } else {
        let mut writer = tracing.start(data, next..next + 3);
        if writer.opened() {
            writer.begin();
        }
        writer.finish()
    };
    keep(&mut promises, &said);
    (promises, said, tracing.lines())
}

/// How often each thread at most made each call: `when` counts in each thread.
fn counts(trace: &[String]) -> Vec<(&'static str, usize)> {
    let mut found = Vec::new();
    for call in CALLS {
        let mut threads: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
        for line in trace {
            let (thread, rest) = line.split_once(' ').unwrap_or_default();
            if rest.trim_start().strip_prefix(call).is_some_and(|r| r.starts_with('(')) {
                *threads.entry(thread).or_default() += 1;
            }
        }
        found.extend(threads.values().max().map(|most| (call, *most)));
    }
    found
}

/// Whether the harm was done.
fn harmed(trace: &[String]) -> bool {
    trace.iter().any(|l| l.contains("(INJECTED)") || l.contains("killed by SIGKILL"))
}

fn try_harm(phase: Phase, harm: &str) -> Result<bool, String> {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let (promises, said, trace) = run(phase, &data, &place.path().join("trace"), Some(harm));
    if said.contains(&Said::WentOn) {
        return Err("an event was acknowledged after another one had been refused".to_owned());
    }
    if data.exists() {
        let seen = copy(&data);
        check(seen.path(), &promises, 16).map_err(|e| format!("{e}; it said {said:?}"))?;
    } else if !promises.acknowledged.is_empty() {
        return Err("there is no folder".to_owned());
    }
    Ok(harmed(&trace))
}

#[test]
fn no_refused_call_and_no_kill_at_a_call_breaks_a_promise() {
    let mut chance = Chance::new(0x57_2A_CE);
    let mut harms = Vec::new();
    for phase in PHASES {
        let place = tempfile::tempdir().unwrap();
        let (_, said, trace) = run(phase, &place.path().join("data"), &place.path().join("trace"), None);
        assert!(said.contains(&Said::Drained), "{phase:?} without harm: {said:?}");
        let mut all = Vec::new();
        for (call, most) in counts(&trace) {
            for nth in 1..=most {
                all.extend(HARMS.map(|harm| (phase, format!("{call}:{harm}:when={nth}"))));
            }
        }
        assert!(all.len() > 20, "{phase:?}: {trace:#?}");
        if long() {
            harms.extend(all);
        } else {
            let syncs: Vec<_> = all.iter().filter(|(_, h)| h.contains("sync")).cloned().collect();
            harms.extend([&all, &syncs].map(|of| of[chance.below(of.len() as u64) as usize].clone()));
        }
    }
    let (mut met, mut wrong) = (0, Vec::new());
    for (phase, harm) in &harms {
        match try_harm(*phase, harm) {
            Ok(done) => met += usize::from(done),
            Err(e) => wrong.push(format!("{phase:?}, {harm}: {e}")),
        }
    }
    println!("survival: {} calls refused or killed by strace, {met} of them met, {} wrong", harms.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), harms.len(), &wrong[..wrong.len().min(10)]);
}
