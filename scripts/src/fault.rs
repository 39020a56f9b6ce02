//! What goes wrong in a script: errors of the engine as rhai throws them, and what its user reads.

use datalith_engine::Error;
use rhai::{Dynamic, EvalAltResult, ParseError, Position};

use crate::meter::Spent;
use crate::source::BadBlock;

/// Most characters of a line shown above a caret.
pub const LINE_CHARACTERS: usize = 160;
/// How many of them come before it.
pub const LINE_CHARACTERS_BEFORE: usize = 60;

/// What a function of the host returns.
pub type Done<T> = Result<T, Box<EvalAltResult>>;

/// What a closure that may fail returns, where the compiler cannot see its type.
pub(crate) fn done<T>(value: T) -> Done<T> {
    Ok(value)
}

/// An error of the engine, as a script catches it: `e.message`, `e.error`, `e.data`.
#[derive(Clone, Debug)]
pub struct Thrown(pub Error);

impl std::fmt::Display for Thrown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.message())
    }
}

/// An error of the engine as rhai's.
pub fn thrown(error: Error) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(
        Dynamic::from(Thrown(error)),
        Position::NONE,
    ))
}

/// A sentence as rhai's error.
pub fn refused(message: impl Into<String>) -> Box<EvalAltResult> {
    let message: String = message.into();
    Box::new(EvalAltResult::ErrorRuntime(message.into(), Position::NONE))
}

/// What ends a script, which no script can catch.
pub fn ended(spent: Spent) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorTerminated(
        Dynamic::from(spent),
        Position::NONE,
    ))
}

/// What `exit` throws, which no script can catch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit(pub(crate) u8);

/// Why a script came to no value.
#[derive(Clone, Debug)]
pub struct Fault {
    /// One sentence.
    pub message: String,
    /// Line and column of the script, from 1, where known.
    pub place: Option<(usize, usize)>,
    /// Functions it happened in, the innermost first.
    pub calls: Vec<String>,
    /// What it is.
    pub kind: FaultKind,
    /// The engine's error, where it is one.
    pub error: Option<Error>,
}

/// What a [`Fault`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The text is no script.
    Syntax,
    /// The text may become a script if more of it follows.
    Incomplete,
    /// The script failed.
    Script,
    /// A bound of [`limits`](crate::limits) or the meter ended it.
    Limit,
    /// Its user cancelled it.
    Cancelled,
    /// It called `exit`, with this code.
    Exit(u8),
}

impl Fault {
    /// What became of a script that did not parse.
    pub fn of_parse(error: &ParseError, script: &str) -> Fault {
        let place = place(error.position());
        let end = script.trim_end();
        let is_at_end = place.is_none_or(|place| place >= end_of(end));
        let text = error.err_type().to_string();
        let is_open = text.contains("not terminated")
            || text.contains("incomplete")
            || text.contains("Unterminated");
        Fault {
            message: text,
            place,
            calls: Vec::new(),
            kind: if is_at_end || is_open {
                FaultKind::Incomplete
            } else {
                FaultKind::Syntax
            },
            error: None,
        }
    }

    /// What became of a script with a block that cannot be taken over.
    pub fn of_block(bad: &BadBlock, script: &str) -> Fault {
        let before = script.get(..bad.at).unwrap_or_default();
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        Fault {
            message: bad.message.clone(),
            place: Some((before.matches('\n').count() + 1, column)),
            calls: Vec::new(),
            kind: if bad.is_incomplete {
                FaultKind::Incomplete
            } else {
                FaultKind::Syntax
            },
            error: None,
        }
    }

    /// What became of a script that ran.
    pub fn of_run(error: EvalAltResult) -> Fault {
        let mut calls = Vec::new();
        let mut at = place(error.position());
        let mut inner = error;
        loop {
            match inner {
                EvalAltResult::ErrorInFunctionCall(name, _, cause, _) => {
                    if !name.starts_with("anon$") {
                        calls.insert(0, name);
                    }
                    inner = *cause;
                }
                EvalAltResult::ErrorInModule(_, cause, _) => inner = *cause,
                other => {
                    at = place(other.position()).or(at);
                    return Fault::innermost(&other, at, calls);
                }
            }
        }
    }

    fn innermost(
        error: &EvalAltResult,
        place: Option<(usize, usize)>,
        calls: Vec<String>,
    ) -> Fault {
        let mut fault = Fault {
            message: String::new(),
            place,
            calls,
            kind: FaultKind::Script,
            error: None,
        };
        match error {
            EvalAltResult::ErrorTerminated(why, _) if why.is::<Exit>() => {
                let code = why.read_lock::<Exit>().map_or(0, |exit| exit.0);
                fault.kind = FaultKind::Exit(code);
            }
            EvalAltResult::ErrorTerminated(why, _) => {
                let spent = why.read_lock::<Spent>().map(|spent| *spent);
                fault.message =
                    spent.map_or_else(|| "Script was ended".to_owned(), |spent| spent.to_string());
                fault.kind = match spent {
                    Some(Spent::Cancelled) => FaultKind::Cancelled,
                    _ => FaultKind::Limit,
                };
            }
            EvalAltResult::ErrorRuntime(value, _) => match value.read_lock::<Thrown>() {
                Some(thrown) => {
                    fault.message = thrown.0.message().to_owned();
                    if thrown.0.code() == datalith_engine::Code::QueryCanceled {
                        fault.kind = FaultKind::Cancelled;
                    }
                    fault.error = Some(thrown.0.clone());
                }
                None => fault.message = crate::shown::text(value, 0),
            },
            EvalAltResult::ErrorTooManyOperations(_)
            | EvalAltResult::ErrorTooManyModules(_)
            | EvalAltResult::ErrorTooManyVariables(_)
            | EvalAltResult::ErrorStackOverflow(_)
            | EvalAltResult::ErrorDataTooLarge(..) => {
                fault.message = bare(error);
                fault.kind = FaultKind::Limit;
            }
            EvalAltResult::ErrorDataRace(..) => {
                "a closure catches the variable that it is given to: put it into another first"
                    .clone_into(&mut fault.message);
            }
            EvalAltResult::ErrorFunctionNotFound(signature, _) => {
                fault.message = no_function(signature)
            }
            other => fault.message = bare(other),
        }
        fault
    }

    /// The same error where the first line of the script begins so many columns further right.
    #[must_use]
    pub fn moved(mut self, columns: isize) -> Fault {
        if let Some((1, column)) = self.place {
            self.place = Some((1, column.saturating_add_signed(columns).max(1)));
        }
        self
    }

    /// The error as people read it: what, where, and the line with a caret under the place.
    ///
    /// - `paint`: makes text bold red, dim, or leaves it; called with what is to be painted.
    pub fn drawn(&self, name: &str, script: &str, paint: &dyn Fn(Tone, &str) -> String) -> String {
        let mut out = format!("{}: {}", paint(Tone::Wrong, "error"), self.message);
        let code = self.error.as_ref().map(|error| error.code());
        if let Some(keyword) = code.and_then(|code| code.keyword().or(code.type_keyword())) {
            out += &paint(Tone::Faint, &format!(" [:{keyword}]"));
        }
        out.push('\n');
        if let Some((line, column)) = self.place {
            let text = script.lines().nth(line - 1).unwrap_or_default();
            let number = line.to_string();
            let pad = " ".repeat(number.len());
            out += &paint(Tone::Faint, &format!("{pad}--> {name}:{line}:{column}\n"));
            if !text.trim().is_empty() {
                let bar = paint(Tone::Faint, "|");
                let (window, before) = window(text, column.saturating_sub(1));
                let caret = paint(Tone::Wrong, "^");
                out += &format!("{} {bar} {window}\n", paint(Tone::Faint, &number));
                out += &format!("{pad} {bar} {}{caret}\n", " ".repeat(before));
            }
        }
        for call in &self.calls {
            out += &paint(Tone::Faint, &format!("  in {call}\n"));
        }
        out
    }
}

/// What is shown of a line around a character, at most [`LINE_CHARACTERS`] and without control
/// characters; and how many characters of that come before it.
pub fn window(line: &str, at: usize) -> (String, usize) {
    let characters: Vec<char> = line.chars().collect();
    let start = match characters.len() > LINE_CHARACTERS {
        true => at.saturating_sub(LINE_CHARACTERS_BEFORE),
        false => 0,
    };
    let end = characters.len().min(start + LINE_CHARACTERS);
    let plain = |c: &char| if c.is_control() { ' ' } else { *c };
    let shown: String = characters[start.min(end)..end].iter().map(plain).collect();
    let (before, after) = (
        if start > 0 { "…" } else { "" },
        if end < characters.len() { "…" } else { "" },
    );
    let indent = at.saturating_sub(start) + before.chars().count();
    (format!("{before}{shown}{after}"), indent)
}

/// How a part of an error is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What is wrong.
    Wrong,
    /// What frames it.
    Faint,
}

/// `script` needs a function that is not there: which, and with what.
fn no_function(signature: &str) -> String {
    let name = signature.split([' ', '(']).next().unwrap_or(signature);
    let shown = signature
        .replace("datalith_scripts::database::value::ScriptDb", "Db")
        .replace("datalith_scripts::database::connection::ScriptConn", "Conn")
        .replace("&str | ImmutableString | String", "string")
        .replace("i64", "int")
        .replace("f64", "float");
    match crate::reference::like(name) {
        Some(known) if known != name => format!("no function {shown}; is {known} meant?"),
        Some(_) => {
            let forms: Vec<&str> = crate::reference::named(name)
                .map(|entry| entry.form)
                .collect();
            format!("no function {shown}; there is {}", forms.join(", "))
        }
        None => format!("no function {shown}"),
    }
}

/// The sentence of an error without its place.
fn bare(error: &EvalAltResult) -> String {
    let mut error_text = error.to_string();
    if let Some(at) = error_text.rfind(" (line ") {
        error_text.truncate(at);
    }
    error_text
}

fn place(position: Position) -> Option<(usize, usize)> {
    Some((position.line()?, position.position().unwrap_or(1)))
}

/// Line and column just past a text.
fn end_of(text: &str) -> (usize, usize) {
    let lines = text.matches('\n').count() + 1;
    (
        lines,
        text.rsplit('\n').next().unwrap_or_default().chars().count(),
    )
}
