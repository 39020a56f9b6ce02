//! The line that is being typed: completion, colours, and when it is complete.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datalith_scripts::Host;
use datalith_scripts::completion::complete;
use datalith_scripts::piece::{self, Standing};
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use super::command;
use super::highlight::painted;
use crate::cli::Paint;

/// A session that the editor asks while a line is typed, and the console between two lines.
#[derive(Clone)]
pub(super) struct Session(Arc<Mutex<Host>>);

impl Session {
    pub(super) fn new(host: Host) -> Session {
        Session(Arc::new(Mutex::new(host)))
    }

    pub(super) fn host(&self) -> MutexGuard<'_, Host> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What rustyline asks.
pub(super) struct Asked {
    pub(super) session: Session,
    pub(super) paint: Paint,
}

impl Helper for Asked {}

impl Hinter for Asked {
    type Hint = String;
}

impl Completer for Asked {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        if let Some(found) = command::complete(line, at) {
            return Ok(found);
        }
        let found = complete(&self.session.host(), line, at);
        let pair = |candidate: datalith_scripts::completion::Candidate| Pair {
            display: candidate.text.clone(),
            replacement: candidate.text,
        };
        Ok((found.start, found.items.into_iter().map(pair).collect()))
    }
}

impl Highlighter for Asked {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        match self.paint.is_on() {
            true => Cow::Owned(painted(line)),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(self.paint.bold(prompt))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor
    }
}

impl Validator for Asked {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let line = context.input();
        let is_open = if command::is_command(line) {
            false
        } else {
            // An empty line ends what cannot be completed.
            let may_end = line.ends_with("\n\n") && !piece::is_query(line);
            !may_end && piece::standing(&self.session.host(), line) == Standing::Open
        };
        Ok(match is_open {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}
