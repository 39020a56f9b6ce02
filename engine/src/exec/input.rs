//! Values taken apart into variables: the inputs of a query and the results of functions.

use std::ops::Range;

use super::budget::Budget;
use super::join::natural_join;
use super::relation::Relation;
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Column, ColumnBuilder, Interner};
use crate::plan::{Bind, VarId};
use crate::value::Value;

/// Tuples being made from values, one builder per variable.
pub(super) struct TupleBuilder {
    vars: Vec<VarId>,
    builders: Vec<ColumnBuilder>,
    /// For each tuple, the row of the relation it belongs to.
    pub(super) left: Vec<u32>,
}

impl TupleBuilder {
    /// For the variables of a binding form.
    pub(super) fn new(bind: &Bind) -> TupleBuilder {
        let mut vars = Vec::new();
        bind.vars(&mut vars);
        let mut unique: Vec<VarId> = Vec::new();
        for var in vars {
            if !unique.contains(&var) {
                unique.push(var);
            }
        }
        let builders = unique.iter().map(|_| ColumnBuilder::default()).collect();
        TupleBuilder {
            vars: unique,
            builders,
            left: Vec::new(),
        }
    }

    /// Takes a value apart; every way to do so is a tuple for row `row`.
    pub(super) fn bind(
        &mut self,
        row: u32,
        bind: &Bind,
        value: &Value,
        interner: &mut Interner,
    ) -> Result<()> {
        // The common forms need no search.
        match bind {
            Bind::Scalar(_) => {
                self.builders[0].push(interner.cell(value));
                self.left.push(row);
                return Ok(());
            }
            Bind::Collection(item) if matches!(**item, Bind::Scalar(_)) => {
                for value in items(value, bind)?.iter() {
                    self.builders[0].push(interner.cell(value));
                    self.left.push(row);
                }
                return Ok(());
            }
            _ => {}
        }
        let mut tuples: Vec<Vec<(VarId, Cell)>> = Vec::new();
        expand(bind, value, interner, &Vec::new(), &mut tuples)?;
        for tuple in tuples {
            if !is_consistent(&tuple) {
                continue;
            }
            for (var, builder) in self.vars.iter().zip(&mut self.builders) {
                let cell = tuple
                    .iter()
                    .find(|(v, _)| v == var)
                    .map_or(Cell::NIL, |(_, c)| *c);
                builder.push(cell);
            }
            self.left.push(row);
        }
        Ok(())
    }

    /// Takes tuples that are there as columns, for some of the variables each once, for row `row`.
    pub(super) fn extend(&mut self, row: u32, columns: &[(VarId, Column)], rows: usize) {
        for (var, column) in columns {
            let own = self.vars.iter().zip(&mut self.builders);
            for (_, builder) in own.filter(|(own, _)| *own == var) {
                builder.extend(column);
            }
        }
        self.left.extend(std::iter::repeat_n(row, rows));
    }

    /// Takes a value for each of some neighbouring rows; the binding form is one variable.
    pub(super) fn extend_rows(&mut self, rows: Range<u32>, column: &Column) {
        self.builders
            .iter_mut()
            .for_each(|builder| builder.extend(column));
        self.left.extend(rows);
    }

    /// The tuples, and the rows they belong to.
    pub(super) fn finish(self) -> (Relation, Vec<u32>) {
        let rows = self.left.len();
        let columns: Vec<Column> = self
            .builders
            .into_iter()
            .map(ColumnBuilder::finish)
            .collect();
        (Relation::new(self.vars, columns, rows), self.left)
    }
}

/// Whether a variable that occurs twice got equal values.
fn is_consistent(tuple: &[(VarId, Cell)]) -> bool {
    tuple.iter().enumerate().all(|(at, (var, cell))| {
        tuple[..at]
            .iter()
            .all(|(other, value)| other != var || value == cell)
    })
}

/// Every tuple of variables that a value makes, appended to `prefix`.
fn expand(
    bind: &Bind,
    value: &Value,
    interner: &mut Interner,
    prefix: &[(VarId, Cell)],
    out: &mut Vec<Vec<(VarId, Cell)>>,
) -> Result<()> {
    match bind {
        Bind::Ignore => out.push(prefix.to_vec()),
        Bind::Scalar(var) => {
            let mut tuple = prefix.to_vec();
            tuple.push((*var, interner.cell(value)));
            out.push(tuple);
        }
        Bind::Collection(item) => {
            for value in items(value, bind)?.iter() {
                expand(item, value, interner, prefix, out)?;
            }
        }
        Bind::Tuple(binds) => {
            let values = value.as_sequential().ok_or_else(|| {
                binding_error(format!("Cannot bind value {value} to tuple"), value)
            })?;
            if values.len() < binds.len() {
                let message = format!(
                    "Not enough elements in a collection {value} to bind a tuple of {}",
                    binds.len()
                );
                return Err(binding_error(message, value));
            }
            let mut tuples = vec![prefix.to_vec()];
            for (bind, value) in binds.iter().zip(values) {
                let mut next = Vec::new();
                for tuple in &tuples {
                    expand(bind, value, interner, tuple, &mut next)?;
                }
                tuples = next;
            }
            out.append(&mut tuples);
        }
    }
    Ok(())
}

fn items<'v>(value: &'v Value, bind: &Bind) -> Result<std::borrow::Cow<'v, [Value]>> {
    use std::borrow::Cow;
    Ok(match value {
        Value::List(items) | Value::Vector(items) => Cow::Borrowed(items),
        Value::Set(items) => Cow::Owned(items.iter().cloned().collect()),
        Value::Map(entries) => {
            let pair = |(k, v): (&Value, &Value)| Value::vector([k.clone(), v.clone()]);
            Cow::Owned(entries.iter().map(pair).collect())
        }
        Value::Nil => Cow::Borrowed(&[]),
        _ => {
            let what = if matches!(bind, Bind::Collection(item) if matches!(**item, Bind::Tuple(_)))
            {
                "relation"
            } else {
                "collection"
            };
            return Err(binding_error(
                format!("Cannot bind value {value} to {what}"),
                value,
            ));
        }
    })
}

fn binding_error(message: String, value: &Value) -> Error {
    Error::new(Code::QueryBinding, message).with("value", value.clone())
}

/// One input as a relation.
pub(super) fn input_relation(
    bind: &Bind,
    value: &Value,
    interner: &mut Interner,
) -> Result<Relation> {
    let mut builder = TupleBuilder::new(bind);
    builder.bind(0, bind, value, interner)?;
    Ok(builder.finish().0.distinct())
}

/// All inputs together.
pub(super) fn join_inputs(inputs: Vec<Relation>, budget: &Budget) -> Result<Relation> {
    let mut all = Relation::unit();
    for input in inputs {
        all = natural_join(&all, &input, budget)?;
    }
    Ok(all)
}
