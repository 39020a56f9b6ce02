//! A cell of a notebook: run in a session, it comes to something that is shown, or to an error.
//!
//! The kernel and the runner of notebooks differ in where these go, not in what they are.

use crate::fault::{Fault, FaultKind, Tone};
use crate::host::Host;
use crate::piece;
use crate::shown::{self, Shown};

/// What a cell is called in errors.
const NAME: &str = "cell";

/// An error as notebooks keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it is, in a word; the engine's errors have their keyword.
    pub name: String,
    /// One sentence.
    pub message: String,
    /// What it looks like, line by line, with the colours of terminals.
    pub traceback: Vec<String>,
}

impl Failure {
    /// What it looks like, without colours.
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for line in &self.traceback {
            let mut parts = line.split("\x1b[");
            text.extend(parts.next());
            // Each further part begins with what sets a colour, up to its `m`.
            text.extend(parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)));
            text.push('\n');
        }
        text
    }
}

/// Runs a cell. What it comes to is shown unless the cell ends in a semicolon.
pub fn run(host: &mut Host, text: &str) -> Result<Option<Shown>, Failure> {
    piece::follow(host, None);
    match piece::run(host, text) {
        Ok(_) if piece::is_quiet(text) => Ok(None),
        Ok(value) => Ok(shown::show(&value, None)),
        Err(fault) if fault.kind == FaultKind::Exit(0) => Ok(None),
        Err(fault) => Err(failure(&fault, text)),
    }
}

fn failure(fault: &Fault, text: &str) -> Failure {
    let keyword = fault.error.as_ref().map(|error| {
        let code = error.code();
        code.keyword().or(code.type_keyword()).unwrap_or("Error")
    });
    let name = match fault.kind {
        FaultKind::Syntax | FaultKind::Incomplete => "SyntaxError",
        FaultKind::Script => keyword.unwrap_or("Error"),
        FaultKind::Limit => "LimitError",
        FaultKind::Cancelled => "Cancelled",
        FaultKind::Exit(_) => "Exit",
    };
    let message = match fault.kind {
        FaultKind::Exit(code) => format!("the cell called exit({code})"),
        _ => fault.message.clone(),
    };
    let told = Fault {
        message: message.clone(),
        ..fault.clone()
    };
    let drawn = told.drawn(NAME, text, &|tone, part| {
        let line = part.trim_end_matches('\n');
        let end = &part[line.len()..];
        match tone {
            Tone::Wrong => format!("\x1b[1;31m{line}\x1b[0m{end}"),
            Tone::Faint => format!("\x1b[90m{line}\x1b[0m{end}"),
        }
    });
    Failure {
        name: name.to_owned(),
        message,
        traceback: drawn.lines().map(str::to_owned).collect(),
    }
}
