//! Whether two runs of a notebook came to the same.
//!
//! Compared are the texts of outputs: what was printed, `text/plain` of what was shown, and the sentences
//! of errors. Drawings, pages, counts and metadata may differ, and so may durations.

use serde_json::Value;

use super::document::{Document, text_of};

/// Lines on either side of a difference that are shown.
const CONTEXT_LINES: usize = 2;
/// Units of durations.
const UNITS: &[&str] = &["ns", "µs", "us", "ms", "s", "min"];

/// A cell whose outputs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which cell of code, counted from 1.
    pub number: usize,
    /// Its first line.
    pub line: String,
    /// The lines around the first difference, `-` for what was there and `+` for what came now.
    pub lines: Vec<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "cell {}: {}", self.number, self.line)?;
        self.lines
            .iter()
            .try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// The cells of code whose outputs differ from one run to the next; both have the same cells.
pub fn compare(before: &Document, now: &Document) -> Vec<Difference> {
    let pairs = before.code().into_iter().zip(now.code()).enumerate();
    let differences = pairs.filter_map(|(index, (before, now))| {
        let (was, is) = (texts(before.outputs()), texts(now.outputs()));
        let same = was
            .iter()
            .map(|line| timeless(line))
            .eq(is.iter().map(|line| timeless(line)));
        (!same).then(|| Difference {
            number: index + 1,
            line: now
                .source()
                .trim()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
            lines: changed(&was, &is),
        })
    });
    differences.collect()
}

/// The lines of outputs that are compared, each output under a line that says what it is.
fn texts(outputs: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut last = "";
    for output in outputs {
        let (kind, text) = match output["output_type"].as_str() {
            Some("stream") => ("printed", text_of(&output["text"])),
            Some("error") => (
                "error",
                format!(
                    "{}: {}",
                    text_of(&output["ename"]),
                    text_of(&output["evalue"])
                ),
            ),
            Some("display_data") => ("shown", text_of(&output["data"]["text/plain"])),
            _ => ("result", text_of(&output["data"]["text/plain"])),
        };
        // One run may print at once what another printed in parts.
        if (kind, last) != ("printed", "printed") {
            lines.push(format!("[{kind}]"));
        }
        lines.extend(text.lines().map(|line| line.trim_end().to_owned()));
        last = kind;
    }
    lines
}

/// A line with the numbers of its durations left out, and the space that aligns them.
fn timeless(line: &str) -> String {
    let words = line.split_whitespace().collect::<Vec<_>>();
    let mut kept: Vec<String> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let word = words[at];
        let next = words.get(at + 1).map_or("", |next| bare(next));
        if is_number(bare(word)) && UNITS.contains(&next) {
            kept.push("…".to_owned());
            at += 2;
        } else if UNITS
            .iter()
            .any(|unit| bare(word).strip_suffix(unit).is_some_and(is_number))
        {
            kept.push("…".to_owned());
            at += 1;
        } else {
            kept.push(word.to_owned());
            at += 1;
        }
    }
    match kept.iter().any(|word| word == "…") {
        true => kept.join(" "),
        false => line.to_owned(),
    }
}

/// A word without what may stand around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c| matches!(c, '(' | ')' | ',' | ';' | ':' | '[' | ']'))
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
}

/// What differs between two texts, with a few lines of what stands around it.
fn changed(was: &[String], is: &[String]) -> Vec<String> {
    let pairs = was.iter().zip(is);
    let head = pairs
        .take_while(|(a, b)| timeless(a) == timeless(b))
        .count();
    let (was_rest, is_rest) = (&was[head..], &is[head..]);
    let ends = was_rest.iter().rev().zip(is_rest.iter().rev());
    let tail = ends.take_while(|(a, b)| timeless(a) == timeless(b)).count();
    let around = |lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| format!("  {line}")).collect()
    };
    let marked = |mark: &str, lines: &[String]| -> Vec<String> {
        lines.iter().map(|line| format!("{mark} {line}")).collect()
    };
    let mut lines = around(&was[head.saturating_sub(CONTEXT_LINES)..head]);
    lines.extend(marked("-", &was_rest[..was_rest.len() - tail]));
    lines.extend(marked("+", &is_rest[..is_rest.len() - tail]));
    let after = &was[was.len() - tail..];
    lines.extend(around(&after[..after.len().min(CONTEXT_LINES)]));
    lines
}
