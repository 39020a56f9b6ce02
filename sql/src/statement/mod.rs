//! Text to statements: reading, parameters, tables as of a time.

mod dialect;
mod parameter;
mod version;

pub use parameter::Parameters;

use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{VisitMut, VisitorMut};
use datalith_engine::{Code, Error, Result};

use crate::fault::inward_in;
use dialect::TimedDialect;
use parameter::Filling;
use version::Dating;

/// Deepest nesting of expressions and queries of a statement.
const DEPTH: usize = 128;

/// The statements of a text, in order, nothing left open in them.
///
/// Errors: [`Code::SqlSyntax`], [`Code::SqlStatement`] for a parameter that is not given.
pub(crate) fn read(text: &str, parameters: &Parameters) -> Result<Vec<Statement>> {
    let mut statements = parse(text)?;
    if statements.is_empty() {
        return Err(Error::new(Code::SqlSyntax, "there is no statement to run"));
    }
    for statement in &mut statements {
        complete(statement, parameters)?;
    }
    Ok(statements)
}

/// The statements of a text, in order, as they are written.
///
/// Errors: [`Code::SqlSyntax`].
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>> {
    let parser = DFParserBuilder::new(text)
        .with_dialect(&TimedDialect)
        .with_recursion_limit(DEPTH)
        .build();
    let statements = parser.and_then(|mut parser| parser.parse_statements());
    let statements = statements.map_err(|error| inward_in(text, &error))?;
    Ok(statements.into())
}

/// Leaves nothing open in a statement.
///
/// Errors: [`Code::SqlStatement`] for a parameter that is not given, and as [`dated`].
pub(crate) fn complete(statement: &mut Statement, parameters: &Parameters) -> Result<()> {
    visit(statement, &mut Filling::new(parameters))?;
    dated(statement)
}

/// Puts schemas in the place of the times of tables.
///
/// Errors: [`Code::SqlStatement`] for a time that is no constant.
pub(crate) fn dated(statement: &mut Statement) -> Result<()> {
    visit(statement, &mut Dating)
}

/// Shows a statement to somebody who may change it.
pub(crate) fn visit<V: VisitorMut<Break = Error>>(
    statement: &mut Statement,
    visitor: &mut V,
) -> Result<()> {
    let done = match statement {
        Statement::Statement(statement) => statement.visit(visitor),
        Statement::Explain(explain) => return visit(&mut explain.statement, visitor),
        _ => ControlFlow::Continue(()),
    };
    match done {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}
