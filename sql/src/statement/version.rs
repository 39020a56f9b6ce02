//! Tables as of a time: `FROM person FOR SYSTEM_TIME AS OF '2026-01-31'` is a table of another schema.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, TableFactor, TableVersion, TypedString,
    Value as Literal, VisitorMut,
};
use datalith_engine::{Code, Error, Result};

use crate::catalog::PUBLIC;

/// Names the schema of the time that each table is asked for at.
pub(super) struct Dating;

impl VisitorMut for Dating {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, version, .. } = factor else {
            return ControlFlow::Continue(());
        };
        let Some(at) = version.take() else {
            return ControlFlow::Continue(());
        };
        match dated(name, &at) {
            Ok(dated) => {
                *name = dated;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn dated(name: &ObjectName, version: &TableVersion) -> Result<ObjectName> {
    let at = match version {
        TableVersion::ForSystemTimeAsOf(at)
        | TableVersion::TimestampAsOf(at)
        | TableVersion::VersionAsOf(at) => at,
        other => {
            return Err(refused(&format!(
                "{other} is not known; say FOR SYSTEM_TIME AS OF"
            )));
        }
    };
    let at = point(at).ok_or_else(|| {
        refused(&format!(
            "{at}: the time of a table is a constant, a transaction (7) or an instant ('2026-01-31')"
        ))
    })?;
    let mut parts = name.0.clone();
    let table = parts.pop().ok_or_else(|| refused("a table has a name"))?;
    let schema = match parts.pop() {
        None => format!("as_of:{at}"),
        Some(ObjectNamePart::Identifier(schema)) if schema.value == PUBLIC => format!("as_of:{at}"),
        Some(ObjectNamePart::Identifier(schema)) => format!("{} as_of:{at}", schema.value),
        Some(other) => return Err(refused(&format!("{other} is no schema"))),
    };
    parts.push(ObjectNamePart::Identifier(Ident::with_quote('"', schema)));
    parts.push(table);
    Ok(ObjectName(parts))
}

/// A point in time as a schema's name writes it.
fn point(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(number, _) => Some(number.clone()),
            Literal::SingleQuotedString(text) => Some(text.trim().replacen(' ', "T", 1)),
            _ => None,
        },
        Expr::TypedString(TypedString { value, .. }) => point(&Expr::Value(value.clone())),
        Expr::Cast { expr, .. } => point(expr),
        _ => None,
    }
}

fn refused(message: &str) -> Error {
    Error::new(Code::SqlStatement, message)
}
