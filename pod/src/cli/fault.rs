//! Why a command failed, and how that is told: one sentence, and a caret under the text at fault.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use datalith_engine::{Code, Error, Span, Value, edn};
use datalith_scripts::fault::{LINE_CHARACTERS, LINE_CHARACTERS_BEFORE, window};

use super::input::Text;
use super::paint::{Paint, visible};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The engine refused; the text that its span is of.
    Refused(Error, Option<Text>),
    /// The arguments do not fit together.
    Usage(String),
    /// Something outside: a file that cannot be read, rows that were refused.
    Failed(String),
    /// Standard output could not be written.
    Output(io::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Refused(error, None)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Output(error)
    }
}

impl Fault {
    /// A refusal that points into a text.
    pub(crate) fn refused_in(error: Error, text: &Text) -> Fault {
        Fault::Refused(error, Some(text.clone()))
    }

    /// A file or stream that cannot be read.
    pub(crate) fn unreadable(name: &str, cause: &io::Error) -> Fault {
        Fault::Failed(format!("cannot read {name}: {cause}"))
    }

    /// Tells the user and gives the exit code: 1, or 2 where the arguments were wrong.
    pub(crate) fn report(self) -> ExitCode {
        let stderr = io::stderr();
        let paint = Paint::of(&stderr);
        let mut stderr = stderr.lock();
        let label = paint.red("error:");
        // There is nobody left to tell that standard error is gone.
        let _ = match &self {
            // Whoever read our output has seen enough.
            Fault::Output(cause) if cause.kind() == ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Fault::Output(cause) => writeln!(stderr, "{label} cannot write the output: {cause}"),
            Fault::Usage(message) => {
                writeln!(
                    stderr,
                    "{label} {message}\n\nFor more information, try '--help'."
                )
            }
            Fault::Failed(message) => writeln!(stderr, "{label} {message}"),
            Fault::Refused(error, text) => {
                let shown = describe(error, text.as_ref(), paint);
                stderr.write_all(shown.as_bytes())
            }
        };
        ExitCode::from(if matches!(self, Fault::Usage(_)) {
            2
        } else {
            1
        })
    }
}

/// The message, the keyword of the error, and the place.
fn describe(error: &Error, text: Option<&Text>, paint: Paint) -> String {
    let message = error
        .message()
        .lines()
        .map(visible)
        .collect::<Vec<_>>()
        .join("\n");
    let mut shown = format!("{} {message}", paint.red("error:"));
    if let Some(keyword) = error.code().keyword().or(error.code().type_keyword()) {
        shown.push_str(&paint.dim(&format!(" [:{keyword}]")));
    }
    shown.push('\n');
    if let (Some(text), Some(span)) = (text, error.span()) {
        shown.push_str(&pointed_at(text, span, paint));
    }
    for conflict in conflicts(error) {
        shown.push_str(&format!("  {}\n", visible(&conflict.to_string())));
    }
    if let Some(hint) = hint(error.code()) {
        shown.push_str(&format!("{}\n", paint.dim(hint)));
    }
    shown
}

/// What the sides of a merge disagree on.
fn conflicts(error: &Error) -> &[Value] {
    let mut data = error.data().iter();
    let found = data.find(|(key, _)| *key == "conflicts" && error.code() == Code::MergeConflict);
    found
        .and_then(|(_, conflicts)| conflicts.as_sequential())
        .unwrap_or_default()
}

fn hint(code: Code) -> Option<&'static str> {
    match code {
        Code::DbDoesNotExist => Some("hint: --create makes it"),
        Code::MergeConflict => Some("hint: --strategy ours or theirs says which side to take"),
        Code::ViewHistory => Some("hint: the database was created without history"),
        _ => None,
    }
}

/// The line of the text where a span begins, with carets under the span.
fn pointed_at(text: &Text, span: Span, paint: Paint) -> String {
    let place = edn::line_column(&text.body, span.start);
    let line = text.body.split('\n').nth(place.line - 1).unwrap_or("");
    let line = line.trim_end_matches('\r');
    let characters = line.chars().count();
    let at = (place.column - 1).min(characters);
    let spanned = text.body.get(span.start..span.end).unwrap_or("");
    let width = spanned.split('\n').next().unwrap_or("").chars().count();
    let width = width.min(characters - at).max(1);
    let (window, before) = window(line, at);
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let indent = " ".repeat(before);
    let carets = "^".repeat(width.min(LINE_CHARACTERS - LINE_CHARACTERS_BEFORE));
    let bar = paint.dim("|");
    format!(
        "{margin}{} {}, line {number}, column {}\n{margin} {bar}\n{} {bar} {window}\n{margin} {bar} {indent}{}\n",
        paint.dim("-->"),
        visible(&text.name),
        place.column,
        paint.dim(&number),
        paint.red(&carets),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_form() {
        let text = Text {
            name: "query".to_owned(),
            body: "[:find ?e\n :where [é (foo)]]".to_owned(),
        };
        let start = text.body.find("(foo)").unwrap();
        let error = Error::new(Code::QueryWhere, "Unknown function foo").at(Span {
            start,
            end: start + 5,
        });
        assert_eq!(
            describe(&error, Some(&text), Paint::default()),
            "error: Unknown function foo [:query/where]\n --> query, line 2, column 12\n  |\n\
             2 |  :where [é (foo)]]\n  |            ^^^^^\n"
        );
    }
}
