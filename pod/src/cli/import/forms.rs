//! The forms of an EDN text, each with its line.

use datalith_engine::{Value, edn};

use crate::cli::fault::Fault;

/// The forms of a text, each with its line: those within its one vector, else the top-level ones.
pub(super) fn forms(text: &str, name: &str) -> Result<Vec<(u64, Value)>, Fault> {
    let is_operation =
        |first: Option<&Value>| first.is_some_and(|form| form.as_keyword().is_some());
    // Form by form: a vector of everything may be over the limits of one form.
    let inner = text
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = inner
        && let Ok(forms) = read_forms(inner, name, leading_lines(text, inner))
        && !is_operation(forms.first().map(|(_, form)| form))
    {
        return Ok(forms);
    }
    let forms = read_forms(text, name, 0)?;
    match forms.as_slice() {
        [(line, Value::Vector(items))] if !is_operation(items.first()) => {
            Ok(items.iter().map(|item| (*line, item.clone())).collect())
        }
        _ => Ok(forms),
    }
}

/// How many lines of a text come before a part of it.
fn leading_lines(text: &str, part: &str) -> u64 {
    let at = part.as_ptr() as usize - text.as_ptr() as usize;
    text.as_bytes()[..at]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count() as u64
}

fn read_forms(text: &str, name: &str, lines_before: u64) -> Result<Vec<(u64, Value)>, Fault> {
    let mut forms = edn::Forms::new(text);
    let mut read = Vec::new();
    let (mut counted_to, mut line) = (0, 1 + lines_before);
    while let Some(form) = forms.next() {
        let start = forms.last_span().start;
        let form = form.map_err(|error| {
            let at = error.span().map_or(start, |span| span.start);
            let place = edn::line_column(text, at);
            let shown = place.line as u64 + lines_before;
            Fault::Failed(format!(
                "{name}, line {shown}, column {}: {error}",
                place.column
            ))
        })?;
        let newlines = text.as_bytes()[counted_to..start]
            .iter()
            .filter(|byte| **byte == b'\n');
        line += newlines.count() as u64;
        counted_to = start;
        read.push((line, form));
    }
    Ok(read)
}
