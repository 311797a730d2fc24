//! A writer in a process of its own, so that it can be killed: this very test
//! program, started again with the name of one test and a folder.
use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::Duration,
};

use super::stream::{RUNTIME, Told, checkpoint, open, run_clients, send};

const FOLDER: &str = "LEDGERLINE_SURVIVAL_FOLDER";
const EVENTS: &str = "LEDGERLINE_SURVIVAL_EVENTS";
const CLIENTS: &str = "LEDGERLINE_SURVIVAL_CLIENTS";

/// Opened, and waiting for a line to begin.
const OPENED: &str = "O";
/// Why it could not be opened.
const UNOPENED: &str = "E";
/// Every event is sent or refused, and what came after the first refusal was refused too.
const DRAINED: &str = "D";
/// Something was acknowledged after a refusal.
const WENT_ON: &str = "X";

/// The body of the writer process; does nothing in an ordinary test run.
#[test]
fn writer_process() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let number = |name| env::var(name).unwrap().parse::<u32>().unwrap();
    let (from, to) = env::var(EVENTS).unwrap().split_once("..").map(|(f, t)| (f.parse().unwrap(), t.parse().unwrap())).unwrap();
    let app = match open(Path::new(&folder)) {
        Ok(app) => app,
        Err(e) => return say(&format!("{UNOPENED} {}\n", e.replace('\n', " "))),
    };
    say(&format!("{OPENED}\n"));
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let refused = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let tell = {
        let refused = refused.clone();
        Arc::new(move |told: Told| {
            refused.fetch_or(matches!(told, Told::Refused { .. }), std::sync::atomic::Ordering::Relaxed);
            say(&told.line());
        })
    };
    tell(checkpoint(&app));
    run_clients(&app, number(CLIENTS) as usize, from..to, tell.clone());
    let went_on = refused.load(std::sync::atomic::Ordering::Relaxed) && RUNTIME.block_on(send(&app, to, &*tell)).is_ok();
    app.drain();
    say(&format!("{}\n", if went_on { WENT_ON } else { DRAINED }));
}

/// One line in one call, past the harness: what is said before a kill is heard.
fn say(line: &str) {
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// What a writer process said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    Opened,
    Unopened(String),
    Told(Told),
    Drained,
    WentOn,
}

fn parse(line: &str) -> Option<Said> {
    Some(match line.split_once(' ').map_or(line, |(word, _)| word) {
        OPENED => Said::Opened,
        UNOPENED => Said::Unopened(line[2..].to_owned()),
        DRAINED => Said::Drained,
        WENT_ON => Said::WentOn,
        _ => Said::Told(Told::parse(line)?),
    })
}

/// The command that runs a writer over a folder; it waits for a line on its
/// standard input before it sends. (With a server in its place, this and
/// [`Writer::begin`] are what changes.)
pub fn command(folder: &Path, clients: usize, events: std::ops::Range<u32>) -> (OsString, Vec<OsString>, Vec<(&'static str, OsString)>) {
    let program = env::current_exe().unwrap().into_os_string();
    let arguments = ["survival::process::writer_process", "--exact", "--test-threads=1"].map(OsString::from).to_vec();
    let variables = vec![
        (FOLDER, folder.as_os_str().to_owned()),
        (EVENTS, format!("{}..{}", events.start, events.end).into()),
        (CLIENTS, clients.to_string().into()),
    ];
    (program, arguments, variables)
}

/// A running writer process.
pub struct Writer {
    child: Child,
    lines: Receiver<Said>,
    heard: Vec<Said>,
}

impl Writer {
    pub fn spawn(folder: &Path, clients: usize, events: std::ops::Range<u32>) -> Self {
        let (program, arguments, variables) = command(folder, clients, events);
        let mut command = Command::new(program);
        command.args(arguments).envs(variables).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self::start(command)
    }

    /// Starts a command that leads to a writer whose words come on standard error.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (send, lines) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            // A line without its end was cut by the kill: the client never had it.
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) && line.ends_with(b"\n") {
                if let Some(said) = std::str::from_utf8(&line).ok().and_then(|l| parse(l.trim_end())) {
                    drop(send.send(said));
                }
                line.clear();
            }
            drop(reader.read_to_end(&mut line));
        });
        Self { child, lines, heard: Vec::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is open; false if it ended or could not.
    pub fn opened(&mut self) -> bool {
        self.until(|said| matches!(said, Said::Opened | Said::Unopened(_))).is_some_and(|said| said == Said::Opened)
    }

    /// Lets it send.
    pub fn begin(&mut self) {
        // A process that was killed meanwhile does not listen.
        drop(self.child.stdin.as_mut().unwrap().write_all(b"go\n"));
    }

    /// Hears until something is said; none if the process ended before.
    pub fn until(&mut self, wanted: impl Fn(&Said) -> bool) -> Option<Said> {
        loop {
            let said = self.lines.recv().ok()?;
            self.heard.push(said.clone());
            if wanted(&said) {
                return Some(said);
            }
        }
    }

    /// Hears for a moment.
    pub fn listen(&mut self, moment: Duration) {
        let end = std::time::Instant::now() + moment;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(std::time::Instant::now())) {
                Ok(said) => self.heard.push(said),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// SIGKILL, then whatever it had said.
    pub fn kill(mut self) -> Vec<Said> {
        drop(self.child.kill());
        self.finish()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Vec<Said> {
        drop(self.child.stdin.take());
        self.heard.extend(self.lines.iter());
        self.child.wait().unwrap();
        self.heard
    }
}
