//! Why something was not done, as clients of PostgreSQL understand it.

use std::io;

use datalith_engine::error::Span;
use datalith_engine::{Code, Error};

/// A message that breaks the protocol.
pub(super) const PROTOCOL: &str = "08P01";
/// Something that is not offered.
pub(super) const UNSUPPORTED: &str = "0A000";
/// A value that its type does not read so.
pub(super) const TEXT_FORM: &str = "22P02";
/// A limit that was passed.
pub(super) const LIMIT: &str = "54000";

/// An error as it is told to a client.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The five characters of the class and the case.
    pub(super) state: &'static str,
    pub(super) message: String,
    /// Where in the text of the statement.
    pub(super) span: Option<Span>,
    pub(super) hint: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(state: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            state,
            message: message.into(),
            span: None,
            hint: None,
        }
    }

    pub(super) fn with_hint(self, hint: &'static str) -> Refusal {
        Refusal {
            hint: Some(hint),
            ..self
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal {
            state: state(error.code(), error.message()),
            message: error.message().to_owned(),
            span: error.span(),
            hint: None,
        }
    }
}

/// What ends a statement early.
pub(super) enum Failure {
    /// The client is told, and may go on.
    Refused(Refusal),
    /// There is nobody to tell.
    Gone(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Refused(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Gone(error)
    }
}

fn state(code: Code, message: &str) -> &'static str {
    match code {
        Code::SqlSyntax => "42601",
        Code::SqlStatement => of_statement(message),
        Code::SqlFailed => of_values(message),
        Code::Unsupported | Code::ViewHistory => UNSUPPORTED,
        Code::QueryCanceled | Code::QueryTimeout | Code::TransactTimeout => "57014",
        Code::QueryMemory => "53200",
        Code::StorageFull => "53100",
        Code::Limit => LIMIT,
        Code::TransactUnique | Code::TransactUpsert => "23505",
        Code::TransactSchema | Code::TransactEnsure | Code::TransactAttrPred => "23514",
        Code::TransactMaxLength => "22001",
        Code::EntityIdMissing => "23503",
        Code::TransactCas | Code::Fenced => "40001",
        Code::Locked => "55P03",
        Code::ViewTimePoint => "22007",
        Code::BranchDoesNotExist => "3F000",
        Code::CorruptLog | Code::CorruptSegment | Code::MissingSegment => "XX001",
        Code::Storage => "58030",
        Code::Internal => "XX000",
        Code::TransactSyntax | Code::TransactVector => "22000",
        _ => "42000",
    }
}

/// What is wrong with a statement, by the words of those who planned it.
fn of_statement(message: &str) -> &'static str {
    let cases = [
        ("there is no table", "42P01"),
        ("No field named", "42703"),
        ("Ambiguous reference", "42702"),
        ("Invalid function", "42883"),
        ("no value is given for the parameter", "42P02"),
        ("Cannot coerce", "42804"),
        ("Cannot infer common", "42804"),
        ("Column in SELECT must be in GROUP BY", "42803"),
    ];
    case(message, &cases).unwrap_or("42000")
}

/// What is wrong with values, by the words of those who computed with them.
fn of_values(message: &str) -> &'static str {
    let cases = [
        ("Divide by zero", "22012"),
        ("Cast error: Can't cast value", "22003"),
        ("Cast error: Cannot cast string", TEXT_FORM),
        ("Parser error: Error parsing timestamp", "22007"),
        ("verflow", "22003"),
        ("is no value for", TEXT_FORM),
    ];
    case(message, &cases).unwrap_or("22000")
}

fn case(message: &str, cases: &[(&str, &'static str)]) -> Option<&'static str> {
    let found = cases.iter().find(|(words, _)| message.contains(words));
    found.map(|(_, state)| *state)
}
