//! Aggregates: tuples grouped by the plain find elements, one value per group and aggregate.

use std::collections::HashMap;

use super::answer::{AnswerColumn, plain_var};
use super::block::Context;
use super::budget::Budget;
use super::join::columns;
use super::key::group_rows;
use super::relation::Relation;
use super::tally::Tally;
use crate::error::{Code, Error, Result};
use crate::function::{self, Aggregate};
use crate::index::{Column, Kind};
use crate::plan::VarId;
use crate::query::ast::{Arg, FindElement, FunctionName, Var};
use crate::script::Callee;
use crate::value::{Symbol, Value};

/// The columns of the find, one row per group, in order of each group's first tuple.
pub(super) fn aggregate(
    find: &[&FindElement],
    scope: &HashMap<Var, VarId>,
    context: &Context<'_>,
    tuples: &Relation,
) -> Result<(Vec<AnswerColumn>, usize)> {
    let keys: Vec<VarId> = find
        .iter()
        .filter_map(|element| plain_var(element))
        .map(|var| scope[var])
        .collect();
    let groups = Groups::new(&columns(tuples, &keys), tuples.len());
    let mut out = Vec::with_capacity(find.len());
    for element in find {
        context.budget.check()?;
        out.push(match element {
            FindElement::Var(var) | FindElement::Pull { var, .. } => {
                let column = tuples.column(scope[var]).expect("the caller saw it bound");
                AnswerColumn::Cells(column.gather(&groups.firsts))
            }
            FindElement::Aggregate {
                function,
                args,
                form,
            } => {
                let call = AggregateCall::new(function, args, form, scope, context, tuples)?;
                call.check_answers(groups.firsts.len(), context)?;
                AnswerColumn::Values(call.apply(&groups, context)?)
            }
        });
    }
    Ok((out, groups.firsts.len()))
}

/// Rows by group.
struct Groups {
    /// The group of each row.
    of_row: Vec<u32>,
    /// The first row of each group.
    firsts: Vec<u32>,
}

impl Groups {
    fn new(keys: &[&Column], rows: usize) -> Groups {
        if keys.is_empty() {
            return Groups {
                of_row: vec![0; rows],
                firsts: vec![0],
            };
        }
        let (of_row, firsts) = group_rows(keys, rows);
        Groups { of_row, firsts }
    }

    /// Rows ordered by group, and where each group starts.
    fn sorted(&self) -> (Vec<u32>, Vec<usize>) {
        let mut starts = vec![0usize; self.firsts.len() + 1];
        self.of_row
            .iter()
            .for_each(|&group| starts[group as usize + 1] += 1);
        for group in 0..self.firsts.len() {
            starts[group + 1] += starts[group];
        }
        let mut next = starts.clone();
        let mut rows = vec![0u32; self.of_row.len()];
        for (row, &group) in self.of_row.iter().enumerate() {
            rows[next[group as usize]] = row as u32;
            next[group as usize] += 1;
        }
        (rows, starts)
    }
}

/// What makes one value of a group's values.
enum Combine {
    /// An aggregate of the table.
    Aggregate(Aggregate),
    /// A function that users wrote: its last argument is the vector of the values.
    Script(Callee),
}

struct AggregateCall<'a> {
    aggregate: Combine,
    constants: Vec<Value>,
    column: &'a Column,
    form: &'a Value,
}

impl<'a> AggregateCall<'a> {
    fn new(
        function: &FunctionName,
        args: &[Arg],
        form: &'a Value,
        scope: &HashMap<Var, VarId>,
        context: &Context<'_>,
        tuples: &'a Relation,
    ) -> Result<AggregateCall<'a>> {
        let bound = |var: &Var| tuples.column(scope[var]);
        let first = |var: &Var| {
            let column = bound(var).expect("the caller saw it bound");
            context.interner.value(column.cell(0))
        };
        let name = match function {
            FunctionName::Named(name) => name.as_str().to_owned(),
            FunctionName::Var(var) => match first(var) {
                Value::Symbol(name) => name.as_str().to_owned(),
                other => return Err(unknown(&other.to_string(), form)),
            },
        };
        let aggregate = match Aggregate::lookup(&name) {
            Some(aggregate) => Combine::Aggregate(aggregate),
            None => Combine::Script(script(&name, context, form)?),
        };
        let Some((Arg::Var(last), constants)) = args.split_last() else {
            let message = format!("The last argument of an aggregate is a variable: {form}");
            return Err(Error::new(Code::ParserFind, message).with("form", form.clone()));
        };
        let constants = constants
            .iter()
            .map(|arg| match arg {
                Arg::Const(value) => value.clone(),
                Arg::Var(var) => first(var),
                Arg::Source(_) | Arg::Rules => Value::Nil,
            })
            .collect();
        let column = bound(last).expect("the caller saw it bound");
        Ok(AggregateCall {
            aggregate,
            constants,
            column,
            form,
        })
    }

    /// An aggregate of several answers to a group may not make more than a relation may hold.
    fn check_answers(&self, groups: usize, context: &Context<'_>) -> Result<()> {
        let answers = match (&self.aggregate, &self.constants[..]) {
            (Combine::Aggregate(Aggregate::Quantiles), [parts]) => {
                parts.as_sequential().map_or(1, <[Value]>::len)
            }
            _ => 1,
        };
        context.budget.check_rows(groups.saturating_mul(answers), 1)
    }

    fn apply(&self, groups: &Groups, context: &Context<'_>) -> Result<Vec<Value>> {
        match &self.aggregate {
            Combine::Aggregate(aggregate) => self.apply_aggregate(*aggregate, groups, context),
            Combine::Script(callee) => self.apply_script(callee, groups, context),
        }
        .map_err(|error| error.with("form", self.form.clone()))
    }

    fn apply_script(
        &self,
        callee: &Callee,
        groups: &Groups,
        context: &Context<'_>,
    ) -> Result<Vec<Value>> {
        let (rows, starts) = groups.sorted();
        let mut out = Vec::with_capacity(groups.firsts.len());
        for bounds in starts.windows(2) {
            context.budget.check()?;
            let values = self.values(&rows[bounds[0]..bounds[1]], context);
            let mut args = self.constants.clone();
            args.push(Value::from(values));
            out.push(callee.call(&args, context.budget.allowance())?);
        }
        Ok(out)
    }

    fn apply_aggregate(
        &self,
        aggregate: Aggregate,
        groups: &Groups,
        context: &Context<'_>,
    ) -> Result<Vec<Value>> {
        let tally = Tally {
            column: self.column,
            of_row: &groups.of_row,
            groups: groups.firsts.len(),
        };
        if self.constants.is_empty() {
            if let Some(values) = tally.one_pass(aggregate) {
                return Ok(values);
            }
            if aggregate == Aggregate::Distinct
                && let Some(values) = tally.distinct_values(&context.interner)
            {
                return Ok(values.into_iter().map(Value::set).collect());
            }
        }
        let (rows, starts) = groups.sorted();
        let mut out = Vec::with_capacity(groups.firsts.len());
        let mut numbers = Numbers::of(self.column, &rows);
        for (at, bounds) in starts.windows(2).enumerate() {
            if at.is_multiple_of(Budget::CHECK_ROWS) {
                context.budget.check()?;
            }
            let typed = match &mut numbers {
                Some(Numbers::Longs(longs)) => {
                    let group = &mut longs[bounds[0]..bounds[1]];
                    aggregate.of_longs(&self.constants, group)
                }
                Some(Numbers::Doubles(doubles)) => {
                    let group = &mut doubles[bounds[0]..bounds[1]];
                    aggregate.of_doubles(&self.constants, group)
                }
                None => None,
            };
            let value = typed.unwrap_or_else(|| {
                let values = self.values(&rows[bounds[0]..bounds[1]], context);
                aggregate.apply(&self.constants, &values)
            });
            out.push(value?);
        }
        Ok(out)
    }

    fn values(&self, rows: &[u32], context: &Context<'_>) -> Vec<Value> {
        rows.iter()
            .map(|&row| context.interner.value(self.column.cell(row as usize)))
            .collect()
    }
}

/// The numbers of a column, in the order of some rows.
enum Numbers {
    Longs(Vec<i64>),
    Doubles(Vec<f64>),
}

impl Numbers {
    /// None if they are not all of one of these kinds.
    fn of(column: &Column, rows: &[u32]) -> Option<Numbers> {
        let bits = rows.iter().map(|&row| column.bits()[row as usize]);
        Some(match column.kind()? {
            Kind::Long => Numbers::Longs(bits.map(|bits| bits as i64).collect()),
            Kind::Double => Numbers::Doubles(bits.map(f64::from_bits).collect()),
            _ => return None,
        })
    }
}

/// The function that users wrote under a name.
fn script(name: &str, context: &Context<'_>, form: &Value) -> Result<Callee> {
    let found = context.functions.find(&Symbol::new(name));
    let found = found.map_err(|error| error.with("form", form.clone()))?;
    found.ok_or_else(|| unknown(name, form))
}

fn unknown(name: &str, form: &Value) -> Error {
    let known = function::lookup(name).is_some();
    let hint = if known {
        " (a function, but no aggregate)"
    } else {
        ""
    };
    Error::new(
        Code::QueryWhere,
        format!("Unknown aggregate '{name}{hint} in {form}"),
    )
    .with("form", form.clone())
    .with("var", name)
}
