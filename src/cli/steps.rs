//! How far a command of several steps is: a bar on a terminal, a line a step
//! elsewhere, nothing for programs. Always on standard error.
use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::verify::Stage;

/// Done of a step between two looks at the bar.
const EVERY: u64 = 256;

/// Shows steps.
pub struct Steps {
    now: Option<Stage>,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Steps {
    #[must_use]
    pub fn new(json: bool) -> Self {
        let shown = match (json, io::stderr().is_terminal()) {
            (true, _) => Shown::Nothing,
            (false, true) => Shown::Bar(ProgressBar::no_length()),
            (false, false) => Shown::Lines,
        };
        Self { now: None, shown }
    }

    /// A step is so far.
    pub fn at(&mut self, stage: Stage, done: u64, of: u64) {
        let begins = self.now != Some(stage);
        self.now = Some(stage);
        match &self.shown {
            Shown::Bar(bar) => {
                if begins {
                    let form = if of > 0 { "{prefix} {wide_bar} {human_pos}/{human_len} {eta}" } else { "{prefix} {spinner}" };
                    if let Ok(style) = ProgressStyle::with_template(form) {
                        bar.set_style(style);
                    }
                    bar.set_length(of);
                    bar.set_prefix(stage.word());
                }
                if begins || done == of || done.is_multiple_of(EVERY) {
                    bar.set_position(done);
                }
            }
            Shown::Lines if begins => eprintln!("checking: {}", stage.word()),
            Shown::Lines | Shown::Nothing => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}
