//! Calls of functions that users wrote: columns of numbers a few thousand rows at a time where the
//! function takes them so, everything else row by row.

use std::collections::HashMap;
use std::ops::Range;

use arrow_buffer::ScalarBuffer;

use super::block::Context;
use super::budget::Budget;
use super::call::{Caller, bound, kept, single_column};
use super::input::TupleBuilder;
use super::relation::Relation;
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::fork;
use crate::index::{Cell, Column, Kind};
use crate::plan::{ArgSlot, Bind, CallGoal};
use crate::script::{Callee, ScriptColumn, ScriptResult};
use crate::value::Value;

/// Rows whose values are held before they are taken into the dictionary.
const WINDOW_ROWS: usize = 8 * fork::TASK_ROWS;

/// A call of a function that users wrote, for the rows of a relation.
struct Scripted<'a> {
    callee: &'a Callee,
    call: &'a CallGoal,
    relation: &'a Relation,
    form: &'a Value,
    /// The arguments, where all are numbers.
    numbers: Option<Vec<Numbers>>,
}

/// One argument for all rows.
enum Numbers {
    Longs(ScalarBuffer<i64>),
    Doubles(ScalarBuffer<f64>),
    Long(i64),
    Double(f64),
}

/// What some neighbouring rows give.
enum Piece {
    Column(Column),
    Values(Vec<Value>),
}

/// Keeps the rows for which the function is true. Its errors are the query's.
pub(super) fn filter(
    shared: Shared<'_>,
    (callee, call): (&Callee, &CallGoal),
    relation: &Relation,
    form: &Value,
) -> Result<Relation> {
    let scripted = Scripted::new((callee, call), relation, form);
    let parts = fork::split(relation.len(), |part| scripted.passing(shared, part));
    let rows = fork::concat(parts.into_iter().collect::<Result<Vec<_>>>()?);
    Ok(kept(relation, &rows))
}

/// Adds the one variable that the function gives; rows for which it gives nil drop.
pub(super) fn compute(
    context: &mut Context<'_>,
    (callee, call): (&Callee, &CallGoal),
    bind: &Bind,
    relation: &Relation,
    form: &Value,
) -> Result<Relation> {
    let scripted = Scripted::new((callee, call), relation, form);
    let mut tuples = TupleBuilder::new(bind);
    let width = relation.vars().len() + 1;
    for start in (0..relation.len()).step_by(WINDOW_ROWS) {
        let rows = WINDOW_ROWS.min(relation.len() - start);
        let shared = context.shared();
        let parts = fork::split(rows, |part| {
            scripted.pieces(shared, start + part.start..start + part.end)
        });
        let mut row = start as u32;
        for part in parts {
            for piece in part? {
                row = tuples.take(row, bind, piece, context)?;
            }
        }
        context.budget.check_rows(tuples.left.len(), width)?;
    }
    Ok(bound(relation, tuples))
}

impl TupleBuilder {
    /// Takes what the rows from `row` on give; answers with the row after them.
    fn take(
        &mut self,
        row: u32,
        bind: &Bind,
        piece: Piece,
        context: &mut Context<'_>,
    ) -> Result<u32> {
        match piece {
            Piece::Column(column) => {
                let end = row + column.len() as u32;
                self.extend_rows(row..end, &column);
                Ok(end)
            }
            Piece::Values(values) => {
                let end = row + values.len() as u32;
                for (row, value) in (row..end).zip(&values) {
                    if !value.is_nil() {
                        self.bind(row, bind, value, &mut context.interner)?;
                    }
                }
                Ok(end)
            }
        }
    }
}

impl<'a> Scripted<'a> {
    fn new(
        (callee, call): (&'a Callee, &'a CallGoal),
        relation: &'a Relation,
        form: &'a Value,
    ) -> Scripted<'a> {
        let numbers = call.args.iter().map(|arg| Numbers::of(arg, relation));
        Scripted {
            callee,
            call,
            relation,
            form,
            numbers: numbers.collect(),
        }
    }

    /// The rows of a part for which the function is true.
    fn passing(&self, shared: Shared<'_>, part: Range<usize>) -> Result<Vec<u32>> {
        let mut out = Vec::with_capacity(part.len());
        let mut truths = Truths::new(self, shared)?;
        for morsel in morsels(part) {
            shared.budget.check()?;
            let rows = morsel.start as u32..morsel.end as u32;
            match self.columns(&morsel) {
                Some(ScriptResult::Bools(bools)) => {
                    let passing = rows.zip(bools).filter(|(_, holds)| *holds);
                    out.extend(passing.map(|(row, _)| row));
                }
                // A number is true.
                Some(ScriptResult::Longs(_) | ScriptResult::Doubles(_)) => out.extend(rows),
                None => truths.extend(&mut out, morsel)?,
            }
        }
        Ok(out)
    }

    /// What the rows of a part give, a few thousand at a time.
    fn pieces(&self, shared: Shared<'_>, part: Range<usize>) -> Result<Vec<Piece>> {
        let mut caller = Caller::new(self.call, self.relation, self.form)?;
        let mut pieces = Vec::with_capacity(part.len().div_ceil(fork::morsel_rows()));
        for morsel in morsels(part) {
            shared.budget.check()?;
            pieces.push(match self.columns(&morsel) {
                Some(result) => Piece::Column(column(result)),
                None => {
                    let value = |row| self.value(&mut caller, shared, row);
                    Piece::Values(morsel.map(value).collect::<Result<_>>()?)
                }
            });
        }
        Ok(pieces)
    }

    /// What all rows of a morsel give together, if the function takes them so.
    fn columns(&self, morsel: &Range<usize>) -> Option<ScriptResult> {
        let numbers = self.numbers.as_ref()?.iter();
        let args: Vec<ScriptColumn<'_>> = numbers.map(|numbers| numbers.part(morsel)).collect();
        self.callee.columns(&args, morsel.len())
    }

    fn value(&self, caller: &mut Caller<'_>, shared: Shared<'_>, row: usize) -> Result<Value> {
        caller
            .call_shared(shared, row)
            .map_err(|error: Error| error.with("form", self.form.clone()))
    }
}

/// Rows one by one; what is known of an argument is not asked again.
struct Truths<'s> {
    scripted: &'s Scripted<'s>,
    shared: Shared<'s>,
    caller: Caller<'s>,
    only: Option<&'s Column>,
    known: HashMap<Cell, bool>,
}

impl<'s> Truths<'s> {
    fn new(scripted: &'s Scripted<'_>, shared: Shared<'s>) -> Result<Truths<'s>> {
        Ok(Truths {
            scripted,
            shared,
            caller: Caller::new(scripted.call, scripted.relation, scripted.form)?,
            only: single_column(scripted.call, scripted.relation),
            known: HashMap::new(),
        })
    }

    /// Appends the rows of a morsel for which the function is true.
    fn extend(&mut self, out: &mut Vec<u32>, morsel: Range<usize>) -> Result<()> {
        for row in morsel {
            if self.holds(row)? {
                out.push(row as u32);
            }
        }
        Ok(())
    }

    fn holds(&mut self, row: usize) -> Result<bool> {
        let cell = self.only.map(|column| column.cell(row));
        if let Some(holds) = cell.and_then(|cell| self.known.get(&cell)) {
            return Ok(*holds);
        }
        let value = self.scripted.value(&mut self.caller, self.shared, row)?;
        let holds = value.is_truthy();
        if let Some(cell) = cell {
            self.known.insert(cell, holds);
        }
        Ok(holds)
    }
}

impl Numbers {
    /// None for an argument that is no number of one kind for all rows.
    fn of(arg: &ArgSlot, relation: &Relation) -> Option<Numbers> {
        match arg {
            ArgSlot::Const(Value::Long(n)) => Some(Numbers::Long(*n)),
            ArgSlot::Const(Value::Double(x)) => Some(Numbers::Double(*x)),
            ArgSlot::Var(var) => {
                let column = relation.column(*var)?;
                let buffer = || column.buffer().inner().clone();
                match column.kind()? {
                    Kind::Long => Some(Numbers::Longs(buffer().into())),
                    Kind::Double => Some(Numbers::Doubles(buffer().into())),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn part(&self, rows: &Range<usize>) -> ScriptColumn<'_> {
        match self {
            Numbers::Longs(longs) => ScriptColumn::Longs(&longs[rows.clone()]),
            Numbers::Doubles(doubles) => ScriptColumn::Doubles(&doubles[rows.clone()]),
            Numbers::Long(n) => ScriptColumn::Long(*n),
            Numbers::Double(x) => ScriptColumn::Double(*x),
        }
    }
}

fn column(result: ScriptResult) -> Column {
    match result {
        ScriptResult::Longs(longs) => Column::longs(&longs),
        ScriptResult::Doubles(doubles) => Column::doubles(&doubles),
        ScriptResult::Bools(bools) => {
            let bits: Vec<u64> = bools.into_iter().map(u64::from).collect();
            Column::uniform(Kind::Bool, bits)
        }
    }
}

fn morsels(part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    // Rows called one by one may be slow: never more of them than between two looks at the clock.
    let rows = fork::morsel_rows().min(Budget::CHECK_ROWS);
    let end = part.end;
    part.step_by(rows)
        .map(move |start| start..end.min(start + rows))
}
