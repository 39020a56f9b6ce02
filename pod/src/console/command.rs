//! Commands of the console: lines that begin with a colon.

use std::fmt::Write as _;

use datalith_scripts::reference::{self, ENTRIES, Group};
use rustyline::completion::Pair;

use crate::cli::Paint;

/// The commands: name, arguments, what they do.
pub(super) const COMMANDS: &[(&str, &str, &str)] = &[
    (
        ":help",
        "[name]",
        "what there is; or one function or attribute",
    ),
    (":schema", "", "the attributes of the database"),
    (
        ":explain",
        "query",
        "how a query is answered: steps, rows, times",
    ),
    (
        ":branch",
        "[name]",
        "the branches, or another branch from here on",
    ),
    (
        ":as-of",
        "[point]",
        "db as of a transaction or an instant; without one, the newest again",
    ),
    (":run", "file", "a script, in this session"),
    (":more", "", "the last result, all of it, in a pager"),
    (":quit", "", "leaves; so does Ctrl-D"),
];

/// A line that is a command: its name and what follows.
pub(super) fn parse(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    is_command(line).then_some((name, rest.trim()))
}

/// Whether a line is a command.
pub(super) fn is_command(line: &str) -> bool {
    line.trim_start().starts_with(':')
}

/// Commands that begin so, while the name of one is typed.
pub(super) fn complete(line: &str, at: usize) -> Option<(usize, Vec<Pair>)> {
    let word = line.get(..at)?;
    if !word.starts_with(':') || word.contains(char::is_whitespace) {
        return None;
    }
    let names = COMMANDS
        .iter()
        .map(|(name, ..)| *name)
        .filter(|name| name.starts_with(word));
    let pairs = names.map(|name| Pair {
        display: name.to_owned(),
        replacement: name.to_owned(),
    });
    Some((0, pairs.collect()))
}

/// What there is to know.
pub(super) fn help(paint: Paint) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Type rhai, or a query: [:find ?name :where [_ :airport/name ?name]]\n\
         {} is the connection, {} the database value, {} the last result. Tab completes, Ctrl-C cancels.\n",
        paint.bold("conn"),
        paint.bold("db"),
        paint.bold("last"),
    );
    for (name, arguments, what) in COMMANDS {
        let _ = writeln!(out, "  {:<10} {:<9} {}", name, arguments, paint.dim(what));
    }
    for group in Group::ALL {
        let names: Vec<&str> = ENTRIES
            .iter()
            .filter(|entry| entry.group == group)
            .map(|entry| entry.name)
            .collect();
        let _ = writeln!(out, "\n{}", paint.bold(group.title()));
        for line in wrapped(&names, 88) {
            let _ = writeln!(out, "  {line}");
        }
    }
    let _ = write!(out, "\n:help name explains one.");
    out
}

/// What is known of one name.
pub(super) fn help_on(name: &str) -> Option<String> {
    let entries: Vec<String> = reference::named(name.trim_end_matches("()"))
        .map(|entry| format!("{}\n    {}", entry.form, entry.doc))
        .collect();
    (!entries.is_empty()).then(|| entries.join("\n"))
}

fn wrapped(words: &[&str], columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + word.len() + 2 > columns {
            lines.push(String::new());
        }
        let last = lines.len() - 1;
        if !lines[last].is_empty() {
            lines[last].push_str("  ");
        }
        lines[last].push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(parse(":as-of 7 "), Some((":as-of", "7")));
        assert_eq!(parse("1 + 1"), None);
    }
}
