//! How far an import is: a bar on a terminal, a line now and then elsewhere,
//! nothing for programs. Always on standard error.
use std::{
    io::{self, IsTerminal as _},
    path::Path,
};

use indicatif::{ProgressBar, ProgressStyle};

use super::Tally;

/// Events between two plain lines.
const LINE_EVERY: u64 = 10_000;

enum Shown {
    Bar(ProgressBar),
    Lines { next: u64 },
    Nothing,
}

/// Shows the progress of one file.
pub struct Progress {
    name: String,
    shown: Shown,
}

impl Progress {
    #[must_use]
    pub fn new(file: &Path, json: bool) -> Self {
        let shown = match (json, io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(ProgressBar::no_length()),
            (false, false) => Shown::Lines { next: LINE_EVERY },
        };
        Self { name: file.display().to_string(), shown }
    }

    /// Begins at an offset in a file of `length` bytes, where that is known.
    pub fn start(&mut self, offset: u64, length: Option<u64>) {
        if offset > 0 && !matches!(self.shown, Shown::Nothing) {
            eprintln!("{}: going on at byte {offset}", self.name);
        }
        if let Shown::Bar(bar) = &self.shown {
            if let Some(length) = length {
                bar.set_length(length);
            }
            if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {msg} {eta}") {
                bar.set_style(style);
            }
            bar.set_prefix(self.name.clone());
            bar.set_position(offset);
        }
    }

    /// Is at an offset now.
    pub fn at(&mut self, offset: u64, tally: &Tally) {
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_position(offset);
                bar.set_message(format!("{} events, {} refused", tally.read, tally.refused));
            }
            Shown::Lines { next } if tally.read >= *next => {
                eprintln!("{}: {} events sent, {} refused", self.name, tally.read, tally.refused);
                *next = (tally.read / LINE_EVERY + 1) * LINE_EVERY;
            }
            Shown::Lines { .. } | Shown::Nothing => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}
