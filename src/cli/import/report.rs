//! What an import leaves beside its file: the report of refused events, and the
//! position to go on from.
use std::{
    borrow::Cow,
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Tally;

/// Where an import stands. Written after each batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The server that the events went to.
    pub url: String,
    pub offset: u64,
    pub line: u64,
    /// SHA-256 of the file's bytes before `offset`: tells whether it is that file.
    pub prefix_sha256: [u8; 32],
    pub tally: Tally,
    /// Length of the report at that position.
    pub report_bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    version: u32,
    url: String,
    offset: u64,
    line: u64,
    prefix_sha256: String,
    read: u64,
    accepted: u64,
    duplicates: u64,
    refused: u64,
    report_bytes: u64,
}

impl State {
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), offset: 0, line: 1, prefix_sha256: [0; 32], tally: Tally::default(), report_bytes: 0 }
    }

    fn written(&self) -> Written {
        let Tally { read, accepted, duplicates, refused } = self.tally;
        Written {
            version: 1,
            url: self.url.clone(),
            offset: self.offset,
            line: self.line,
            prefix_sha256: hex::encode(self.prefix_sha256),
            read,
            accepted,
            duplicates,
            refused,
            report_bytes: self.report_bytes,
        }
    }

    fn of(written: Written) -> Option<Self> {
        let Written { version: 1, url, offset, line, prefix_sha256, read, accepted, duplicates, refused, report_bytes } = written else {
            return None;
        };
        let mut digest = [0; 32];
        hex::decode_to_slice(prefix_sha256, &mut digest).ok()?;
        Some(Self { url, offset, line, prefix_sha256: digest, tally: Tally { read, accepted, duplicates, refused }, report_bytes })
    }
}

/// A line of the report.
#[derive(Serialize)]
struct Refused<'a> {
    line: u64,
    reason: &'a str,
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
}

/// The two files of one import.
pub struct Journal {
    report: PathBuf,
    state: PathBuf,
    open: Option<File>,
}

impl Journal {
    pub fn of(file: &Path, folder: Option<&Path>) -> Self {
        let name = if file.as_os_str() == "-" { "stdin".into() } else { file.file_name().unwrap_or_default().to_owned() };
        let folder = folder.map_or_else(|| file.parent().unwrap_or(Path::new("")).to_owned(), Path::to_owned);
        let beside = |suffix: &str| {
            let mut name = name.clone();
            name.push(suffix);
            folder.join(name)
        };
        Self { report: beside(".refused.ndjson"), state: beside(".import-state.json"), open: None }
    }

    pub fn report_path(&self) -> &Path {
        &self.report
    }

    /// The state of an earlier import to the same server, if it is understood.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load(&self, url: &str) -> io::Result<Option<State>> {
        let text = match fs::read(&self.state) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(serde_json::from_slice(&text).ok().and_then(State::of).filter(|state| state.url == url))
    }

    /// Cuts the report to where the state knows it: lines beyond belong to events
    /// that will be sent again.
    ///
    /// # Errors
    /// When the report cannot be cut.
    pub fn start(&mut self, state: &State) -> io::Result<()> {
        match OpenOptions::new().write(true).open(&self.report) {
            Ok(report) => report.set_len(state.report_bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Adds a line to the report.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn refuse(&mut self, line: u64, reason: &str, pointer: Option<&str>, event: &[u8]) -> io::Result<()> {
        // Kept as it was when it is JSON, so that it can be mended and sent again.
        let (event, text) = match serde_json::from_slice::<&RawValue>(event) {
            Ok(raw) => (Some(raw), None),
            Err(_) => (None, Some(String::from_utf8_lossy(event))),
        };
        let mut written = serde_json::to_vec(&Refused { line, reason, pointer, event, text })?;
        written.push(b'\n');
        let report = match &mut self.open {
            Some(report) => report,
            closed => {
                let mut report = OpenOptions::new().create(true).truncate(false).write(true).open(&self.report)?;
                report.seek(SeekFrom::End(0))?;
                closed.insert(report)
            }
        };
        report.write_all(&written)
    }

    /// Writes the position down, after the report: a crash between the two only
    /// cuts the report back.
    ///
    /// # Errors
    /// When either cannot be written.
    pub fn keep(&mut self, state: &mut State, resumable: bool) -> io::Result<()> {
        if let Some(report) = &mut self.open {
            report.sync_data()?;
            state.report_bytes = report.stream_position()?;
        }
        if resumable {
            let new = self.state.with_extension("json.new");
            fs::write(&new, serde_json::to_vec_pretty(&state.written())?)?;
            fs::rename(&new, &self.state)?;
        }
        Ok(())
    }
}
