//! `datalog('[:find ?name ?age :where …]')`: what a query answers, as a table.

use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datalith_engine::exec::{Answer, AnswerColumn, Input, QueryOptions, q};
use datalith_engine::index::{Cell, Kind};
use datalith_engine::{Result, Value};

use super::argument::Arguments;
use super::made;
use crate::column::{ColumnKind, Interned, array, most_digits, of_values};
use crate::fault::outward;

/// The function: a query, then what `:in` asks for beyond `$`.
#[derive(Debug)]
pub(super) enum Datalog {
    /// Of what is so now.
    Now,
    /// Of the schema that the first argument names.
    At,
}

impl TableFunctionImpl for Datalog {
    fn call_with_args(
        &self,
        args: TableFunctionArgs<'_, '_>,
    ) -> datafusion::common::Result<Arc<dyn TableProvider>> {
        self.answer(&args)
            .and_then(|answer| table(&answer))
            .map_err(outward)
    }
}

impl Datalog {
    fn answer(&self, args: &TableFunctionArgs<'_, '_>) -> Result<Answer> {
        let (name, query_at) = match self {
            Datalog::Now => ("datalog", 0),
            Datalog::At => ("datalog_at", 1),
        };
        let arguments = Arguments::of(name, args)?;
        let schema = arguments.values().first().filter(|_| query_at == 1);
        let query = Value::str(arguments.text(query_at, "the text of a query")?);
        let mut inputs = vec![Input::Db(arguments.db(schema)?)];
        let rest = arguments.values().iter().skip(query_at + 1);
        inputs.extend(rest.map(|value| Input::Value(value.clone())));
        q(&query, &inputs, &QueryOptions::default())
    }
}

/// The rows of an answer; columns are called as its variables without `?`.
fn table(answer: &Answer) -> Result<Arc<dyn TableProvider>> {
    let mut columns: Vec<(String, ArrayRef)> = Vec::with_capacity(answer.columns().len());
    for (at, name) in answer.names().iter().enumerate() {
        let mut name = readable(name);
        while columns.iter().any(|(other, _)| *other == name) {
            name.push('_');
        }
        columns.push((name, column(answer, at)?));
    }
    made::table(columns)
}

fn column(answer: &Answer, at: usize) -> Result<ArrayRef> {
    if let AnswerColumn::Cells(cells) = &answer.columns()[at]
        && let Some(kind) = cells.kind().filter(|kind| *kind != Kind::BigDec)
    {
        let interned = |cell: Cell| answer.interned(cell);
        return array(
            ColumnKind::of_cells(Some(kind)),
            cells,
            None,
            Interned::Answer(&interned),
        );
    }
    let values: Vec<Value> = (0..answer.len()).map(|row| answer.value(at, row)).collect();
    let mut kinds = values.iter().filter(|value| !value.is_nil()).map(Kind::of);
    let first = kinds.next();
    let kind = match first {
        Some(first) if kinds.any(|other| other != first) => ColumnKind::Edn,
        Some(Kind::BigDec) => ColumnKind::Decimal(most_digits(values.iter().cloned())),
        first => ColumnKind::of_cells(first),
    };
    of_values(
        kind,
        values
            .into_iter()
            .map(|value| (!value.is_nil()).then_some(value)),
    )
}

/// A find element as a name: variables as they are, aggregates joined by underscores.
fn readable(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric() && c != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("_")
}
