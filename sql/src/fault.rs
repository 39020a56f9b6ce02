//! Errors on their way between the engine and DataFusion.

use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use datalith_engine::error::Span;
use datalith_engine::{Code, Error};

/// An error of the engine as DataFusion carries it.
pub(crate) fn outward(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// What DataFusion gave up with as an error of ours: the engine's own where it is the cause.
pub(crate) fn inward(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::External(cause) => match cause.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => failed(&cause.to_string()),
        },
        DataFusionError::SQL(cause, _) => Error::new(Code::SqlSyntax, syntax_text(cause)),
        DataFusionError::Plan(message) => Error::new(Code::SqlStatement, line(message)),
        DataFusionError::SchemaError(cause, _) => {
            Error::new(Code::SqlStatement, line(&cause.to_string()))
        }
        DataFusionError::NotImplemented(message) => Error::new(Code::Unsupported, line(message)),
        DataFusionError::ResourcesExhausted(message) => {
            Error::new(Code::QueryMemory, line(message))
        }
        DataFusionError::Internal(message) => Error::new(Code::Internal, line(message)),
        DataFusionError::ArrowError(cause, _) => match &**cause {
            ArrowError::ExternalError(cause) => match cause.downcast_ref::<Error>() {
                Some(ours) => ours.clone(),
                None => failed(&cause.to_string()),
            },
            cause => failed(&cause.to_string()),
        },
        other => failed(&other.strip_backtrace()),
    }
}

/// As [`inward`], and where in the text it is.
pub(crate) fn inward_in(text: &str, error: &DataFusionError) -> Error {
    let diagnosed = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let span = match (diagnosed, error.find_root()) {
        (Some(span), _) if span.start.line > 0 => {
            let start = offset(text, span.start.line, span.start.column);
            let end = offset(text, span.end.line, span.end.column);
            start.map(|start| Span {
                start,
                end: end.unwrap_or(start).max(start),
            })
        }
        (_, DataFusionError::SQL(cause, _)) => place(text, &cause.to_string()),
        _ => None,
    };
    inward(error).at(span)
}

fn failed(message: &str) -> Error {
    Error::new(Code::SqlFailed, line(message))
}

/// What a parser says, without the place: a span says that.
fn syntax_text(cause: &ParserError) -> String {
    let message = match cause {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => "expressions or queries nest too deep",
    };
    let end = message.rfind(" at Line: ").unwrap_or(message.len());
    line(&message[..end])
}

/// The place that a parser's message ends with: ` at Line: 1, Column: 8`.
fn place(text: &str, message: &str) -> Option<Span> {
    let (_, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let start = offset(text, line.parse().ok()?, column.trim().parse().ok()?)?;
    let word = text[start..].find(|c: char| !c.is_alphanumeric() && c != '_');
    let end = start + word.unwrap_or(text.len() - start).max(1);
    Some(Span {
        start,
        end: end.min(text.len()),
    })
}

/// Bytes before a line and a column, both counted from 1, columns in characters.
fn offset(text: &str, line: u64, column: u64) -> Option<usize> {
    let mut start = 0;
    for _ in 1..line {
        start += text[start..].find('\n')? + 1;
    }
    let rest = &text[start..];
    let within = rest
        .char_indices()
        .nth(usize::try_from(column).ok()?.checked_sub(1)?);
    Some(start + within.map_or(rest.len(), |(at, _)| at))
}

/// The first line of a message, without a full stop.
fn line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bytes() {
        let text = "select ä\nfrom b";
        assert_eq!(offset(text, 1, 9), Some(9));
        assert_eq!(offset(text, 2, 6), Some(15));
        assert_eq!(offset(text, 3, 1), None);
        let span = place(
            text,
            "Expected: an expression, found: b at Line: 2, Column: 6",
        );
        assert_eq!(span.map(|span| &text[span.start..span.end]), Some("b"));
    }
}
