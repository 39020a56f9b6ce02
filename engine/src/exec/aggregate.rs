//! Aggregates: tuples grouped by the plain find elements, one value per group and aggregate.

use std::collections::HashMap;

use super::answer::{AnswerColumn, plain_var};
use super::block::Context;
use super::join::columns;
use super::key::group_rows;
use super::relation::Relation;
use crate::error::{Code, Error, Result};
use crate::function::{self, Aggregate};
use crate::index::{Column, Interner, Kind};
use crate::plan::VarId;
use crate::query::ast::{Arg, FindElement, FunctionName, Var};
use crate::value::Value;

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
                AnswerColumn::Values(call.apply(&groups, &context.interner)?)
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

struct AggregateCall<'a> {
    name: String,
    aggregate: Aggregate,
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
        let aggregate = Aggregate::lookup(&name).ok_or_else(|| unknown(&name, form))?;
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
            name,
            aggregate,
            constants,
            column,
            form,
        })
    }

    fn apply(&self, groups: &Groups, interner: &Interner) -> Result<Vec<Value>> {
        if let Some(values) = self.typed(groups) {
            return Ok(values);
        }
        let (rows, starts) = groups.sorted();
        let mut out = Vec::with_capacity(groups.firsts.len());
        for bounds in starts.windows(2) {
            let rows = &rows[bounds[0]..bounds[1]];
            if let Some(value) = self.of_numbers(rows) {
                out.push(value.map_err(|error| error.with("form", self.form.clone()))?);
                continue;
            }
            let values: Vec<Value> = rows
                .iter()
                .map(|&row| interner.value(self.column.cell(row as usize)))
                .collect();
            let value = self.aggregate.apply(&self.constants, &values);
            out.push(value.map_err(|error| error.with("form", self.form.clone()))?);
        }
        Ok(out)
    }

    /// The answer for a group of integers or doubles, without decoding.
    fn of_numbers(&self, rows: &[u32]) -> Option<Result<Value>> {
        if !self.constants.is_empty() || rows.is_empty() {
            return None;
        }
        let bits = rows.iter().map(|&row| self.column.bits()[row as usize]);
        match self.column.kind()? {
            Kind::Long => {
                let mut longs: Vec<i64> = bits.map(|bits| bits as i64).collect();
                self.aggregate.of_longs(&mut longs)
            }
            Kind::Double => {
                let mut doubles: Vec<f64> = bits.map(f64::from_bits).collect();
                self.aggregate.of_doubles(&mut doubles)
            }
            _ => None,
        }
    }

    /// Counts of anything, and the common aggregates of integers, without decoding.
    fn typed(&self, groups: &Groups) -> Option<Vec<Value>> {
        if !self.constants.is_empty() {
            return None;
        }
        let count = groups.firsts.len();
        if self.name == "count" {
            let mut counts = vec![0i64; count];
            groups
                .of_row
                .iter()
                .for_each(|&group| counts[group as usize] += 1);
            return Some(counts.into_iter().map(Value::Long).collect());
        }
        if self.column.kind() != Some(Kind::Long) {
            return None;
        }
        let longs = || {
            groups
                .of_row
                .iter()
                .zip(self.column.bits())
                .map(|(g, b)| (*g as usize, *b as i64))
        };
        match self.name.as_str() {
            "sum" => {
                let mut sums = vec![0i64; count];
                for (group, n) in longs() {
                    // On overflow the general way reports what Clojure does.
                    sums[group] = sums[group].checked_add(n)?;
                }
                Some(sums.into_iter().map(Value::Long).collect())
            }
            "avg" => {
                let mut sums = vec![(0i64, 0i64); count];
                for (group, n) in longs() {
                    let (sum, seen) = &mut sums[group];
                    *sum = sum.checked_add(n)?;
                    *seen += 1;
                }
                let mean = |(sum, seen)| Value::Double(sum as f64 / seen as f64);
                Some(sums.into_iter().map(mean).collect())
            }
            "min" => Some(extremes(longs(), count, |new, old| new < old)),
            "max" => Some(extremes(longs(), count, |new, old| new > old)),
            _ => None,
        }
    }
}

fn extremes(
    longs: impl Iterator<Item = (usize, i64)>,
    count: usize,
    better: impl Fn(i64, i64) -> bool,
) -> Vec<Value> {
    let mut best: Vec<Option<i64>> = vec![None; count];
    for (group, n) in longs {
        if best[group].is_none_or(|old| better(n, old)) {
            best[group] = Some(n);
        }
    }
    best.into_iter()
        .map(|n| n.map_or(Value::Nil, Value::Long))
        .collect()
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
