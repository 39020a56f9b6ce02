//! The statement that is being typed: completion, and when it is complete.

use std::borrow::Cow;
use std::sync::Arc;

use datalith_engine::script::Allowance;
use datalith_sql::{Parameters, Session, value};
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use crate::cli::paint::Paint;

/// Words that begin or join the parts of statements.
const WORDS: &[&str] = &[
    "select",
    "from",
    "where",
    "group by",
    "having",
    "order by",
    "limit",
    "offset",
    "join",
    "left join",
    "using",
    "on",
    "distinct",
    "union all",
    "with",
    "recursive",
    "case",
    "when",
    "then",
    "else",
    "end",
    "is null",
    "is not null",
    "between",
    "in",
    "like",
    "and",
    "or",
    "not",
    "as",
    "desc",
    "count(*)",
    "sum(",
    "avg(",
    "min(",
    "max(",
    "coalesce(",
    "cast(",
    "insert into",
    "values",
    "update",
    "set",
    "delete from",
    "explain",
    "for system_time as of",
    "datalog(",
    "knn(",
    "semantic(",
    "read_parquet(",
    "read_csv(",
    "read_json(",
    "read_arrow(",
];
/// What names there are: tables, and columns with their tables.
const NAMES: &str = "select distinct table_name from information_schema.tables where table_schema = 'public' \
                     union select distinct column_name from information_schema.columns where table_schema = 'public'";

/// What rustyline asks.
pub(super) struct Asked {
    pub(super) session: Arc<Session>,
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
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let start = line[..at]
            .rfind(|c| !is_word(c))
            .map_or(0, |before| before + 1);
        let typed = line[start..at].to_lowercase();
        let mut found: Vec<String> = self.names();
        found.extend(WORDS.iter().map(|word| (*word).to_owned()));
        found.retain(|name| name.to_lowercase().starts_with(&typed));
        let pair = |text: String| Pair {
            display: text.clone(),
            replacement: text,
        };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

impl Asked {
    /// The names of tables and columns; those that SQL reads only in quotes have them.
    fn names(&self) -> Vec<String> {
        let answer = self
            .session
            .run(NAMES, &Parameters::default(), &Allowance::default());
        let mut names = Vec::new();
        for batch in answer.into_iter().flatten().flatten() {
            let name = |row| value(batch.column(0), row).as_str().map(quoted);
            names.extend((0..batch.num_rows()).filter_map(name));
        }
        names.sort();
        names
    }
}

fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match name.chars().all(is_plain) {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

impl Highlighter for Asked {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(self.paint.bold(prompt))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        false
    }
}

impl Validator for Asked {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_open(context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

/// Whether a statement goes on: no semicolon ends it, and neither an empty line.
fn is_open(text: &str) -> bool {
    let text_or_comment = text.trim();
    if text_or_comment.is_empty() || text_or_comment.starts_with('\\') || text.ends_with("\n\n") {
        return false;
    }
    let mut within: Option<char> = None;
    let mut is_ended = false;
    for c in text.chars() {
        match within {
            Some(quote) if c == quote => within = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => within = Some(c),
            None if c == ';' => is_ended = true,
            None if !c.is_whitespace() => is_ended = false,
            None => {}
        }
    }
    !is_ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_outside_of_quotes_ends_a_statement() {
        let open = [
            "select 1",
            "select ';",
            "select 1; select 2",
            "select \"a;\"",
        ];
        assert!(open.iter().all(|text| is_open(text)));
        let ended = [
            "",
            "select 1;",
            "select ';';\n",
            "select 1\n\n",
            "\\d person",
        ];
        assert!(!ended.iter().any(|text| is_open(text)));
    }
}
