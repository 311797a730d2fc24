//! `import`: OpenLineage events from files into a running server.
//!
//! A file is cut into events, which are sent in batches; what the server refuses
//! goes into a report with its reason. After each batch the position is written
//! down, so that a stopped import goes on where it was. A batch that was sent but
//! not written down is sent again: the server knows its events and appends nothing.
mod batch;
mod progress;
mod records;
mod report;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use serde_json::json;

use self::{
    batch::{Batch, Pending},
    progress::Progress,
    records::{Body, Records},
    report::{Journal, State},
};
use super::{args::ImportArgs, client::Client};

/// The largest event that is sent: the server's own default limit.
const EVENT_BYTES_MAX: usize = 16 << 20;
/// A batch is sent when it has this many bytes, or `--batch` events.
const BATCH_BYTES: usize = 4 << 20;

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Events read, earlier runs included.
    pub read: u64,
    /// Of them taken by the server, duplicates included.
    pub accepted: u64,
    /// Of them known before.
    pub duplicates: u64,
    /// Of them refused, by the server or before sending.
    pub refused: u64,
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read, a report that cannot be written, a server that
/// stays away longer than the patience, or one that refuses whole requests.
pub fn run(args: &ImportArgs, json: bool) -> anyhow::Result<ExitCode> {
    let mut client = Client::new(&args.remote.url, Some(&args.remote.token), Duration::from_secs(args.patience))?;
    let mut refused = 0;
    let mut files = Vec::new();
    for file in &args.files {
        let mut progress = Progress::new(file, json);
        let (tally, report) =
            import_file(&mut client, args, file, &mut progress).with_context(|| format!("import of {}", file.display()))?;
        progress.finish();
        refused += tally.refused;
        let report = (tally.refused > 0).then_some(report);
        if json {
            files.push(json!({ "file": file, "read": tally.read, "accepted": tally.accepted, "duplicates": tally.duplicates, "refused": tally.refused, "report": report }));
        } else {
            let Tally { read, accepted, duplicates, refused } = tally;
            println!("{}: {read} events read, {accepted} accepted ({duplicates} known before), {refused} refused", file.display());
            if let Some(report) = report {
                println!("  reasons: {}", report.display());
            }
        }
    }
    if json {
        println!("{}", json!({ "files": files }));
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Imports one file; gives the tally and where refused events are reported.
///
/// # Errors
/// As [`run`].
pub fn import_file(client: &mut Client, args: &ImportArgs, file: &Path, progress: &mut Progress) -> anyhow::Result<(Tally, PathBuf)> {
    let stdin = file.as_os_str() == "-";
    let mut journal = Journal::of(file, args.report_dir.as_deref());
    let kept = if stdin || args.again { None } else { journal.load(client.base())? };
    let (mut records, mut state) = match kept {
        Some(state) => match resume(file, &state)? {
            Some(records) => (records, state),
            // The file changed before the position: it is another file.
            None => (open(file)?, State::new(client.base())),
        },
        None => (open(file)?, State::new(client.base())),
    };
    progress.start(state.offset, (!stdin).then(|| std::fs::metadata(file).map(|m| m.len()).ok()).flatten());
    journal.start(&state)?;

    let mut batch = Batch::default();
    while let Some(record) = records.next()? {
        state.tally.read += 1;
        match record.body {
            Body::Event(bytes) => batch.push(Pending { line: record.line, bytes }),
            Body::Unsendable { reason, text } => {
                state.tally.refused += 1;
                journal.refuse(record.line, &reason, None, &text)?;
            }
        }
        if batch.len() >= args.batch as usize || batch.bytes() >= BATCH_BYTES {
            send(client, &mut batch, &mut state, &mut journal)?;
            keep(&records, &mut state, &mut journal, stdin)?;
            progress.at(state.offset, &state.tally);
        }
    }
    send(client, &mut batch, &mut state, &mut journal)?;
    keep(&records, &mut state, &mut journal, stdin)?;
    progress.at(state.offset, &state.tally);
    Ok((state.tally, journal.report_path().to_owned()))
}

fn send(client: &mut Client, batch: &mut Batch, state: &mut State, journal: &mut Journal) -> anyhow::Result<()> {
    let outcome = batch.send(client)?;
    state.tally.accepted += outcome.accepted;
    state.tally.duplicates += outcome.duplicates;
    for (pending, refusal) in outcome.refused {
        state.tally.refused += 1;
        journal.refuse(pending.line, &refusal.reason, refusal.pointer.as_deref(), &pending.bytes)?;
    }
    Ok(())
}

fn keep(records: &Records, state: &mut State, journal: &mut Journal, stdin: bool) -> anyhow::Result<()> {
    state.offset = records.offset();
    state.line = records.line();
    state.prefix_sha256 = records.prefix_sha256();
    journal.keep(state, !stdin)?;
    Ok(())
}

fn open(file: &Path) -> anyhow::Result<Records> {
    let reader: Box<dyn Read> = if file.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    Ok(Records::new(reader, EVENT_BYTES_MAX)?)
}

/// Goes to where the state says, if the file before it is still the same.
fn resume(file: &Path, state: &State) -> anyhow::Result<Option<Records>> {
    let mut records = open(file)?;
    let arrived = records.skip_to(state.offset, state.line)?;
    Ok((arrived && records.prefix_sha256() == state.prefix_sha256).then_some(records))
}
