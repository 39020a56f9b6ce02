//! Function clauses: filters and computed values, a relation at a time.

use std::collections::HashMap;

use super::block::Context;
use super::budget::Budget;
use super::graph_call;
use super::input::TupleBuilder;
use super::nearest;
use super::query::nested;
use super::relation::Relation;
use super::scripted;
use super::shared::Shared;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::fork;
use crate::function::{self, Builtin};
use crate::index::{Cell, Column, Extra, Interner, Kind, Row, SortOrder};
use crate::plan::{ArgSlot, Bind, CallGoal, Callable, Special};
use crate::script::Callee;
use crate::value::{Keyword, Value};

/// Keeps the rows for which the function is true. What the function cannot take is not true.
pub(super) fn filter(
    context: &mut Context<'_>,
    call: &CallGoal,
    relation: &Relation,
    form: &Value,
) -> Result<Relation> {
    if let Callable::Graph(function) = call.callable {
        return graph_call::filter(context, (function, call), relation, form);
    }
    if let Callable::Nearest(function) = call.callable {
        return Err(nearest::unbound(function, form));
    }
    if let Callable::Builtin(_) | Callable::Script(_) = call.callable {
        return filter_rows(context.shared(), call, relation, form);
    }
    let mut keep = Vec::new();
    let mut caller = Caller::new(call, relation, form)?;
    for row in 0..relation.len() {
        if row % Budget::CHECK_ROWS == 0 {
            context.budget.check()?;
        }
        if is_true(caller.call(context, row), form)? {
            keep.push(row as u32);
        }
    }
    Ok(kept(relation, &keep))
}

/// As [`filter`], for a function of the table or one that users wrote.
pub(super) fn filter_rows(
    shared: Shared<'_>,
    call: &CallGoal,
    relation: &Relation,
    form: &Value,
) -> Result<Relation> {
    if let Callable::Script(callee) = &call.callable {
        return scripted::filter(shared, (callee, call), relation, form);
    }
    if let Some(keep) = compare_columns(call, relation) {
        return Ok(relation.select(&keep));
    }
    let mut results: HashMap<Cell, bool> = HashMap::new();
    let memo = single_column(call, relation).filter(|_| is_pure(call));
    let mut keep = Vec::new();
    let mut caller = Caller::new(call, relation, form)?;
    for row in 0..relation.len() {
        if row % Budget::CHECK_ROWS == 0 {
            shared.budget.check()?;
        }
        let key = memo.map(|column| column.cell(row));
        let known = key.and_then(|key| results.get(&key).copied());
        let holds = match known {
            Some(known) => known,
            None => {
                let holds = is_true(caller.call_shared(shared, row), form)?;
                if let Some(key) = key {
                    results.insert(key, holds);
                }
                holds
            }
        };
        if holds {
            keep.push(row as u32);
        }
    }
    Ok(kept(relation, &keep))
}

/// Whether a function is true; what it cannot take is not.
fn is_true(result: Result<Value>, form: &Value) -> Result<bool> {
    match result {
        Ok(value) => Ok(value.is_truthy()),
        Err(error) if function::is_swallowed(&error) => Ok(false),
        Err(error) => Err(error.with("form", form.clone())),
    }
}

pub(super) fn kept(relation: &Relation, rows: &[u32]) -> Relation {
    if rows.len() == relation.len() {
        relation.clone()
    } else {
        relation.select(rows)
    }
}

/// Adds what the function returns; rows for which it returns nil drop.
pub(super) fn compute(
    context: &mut Context<'_>,
    call: &CallGoal,
    bind: &Bind,
    relation: &Relation,
    form: &Value,
) -> Result<Relation> {
    if let Callable::Graph(function) = call.callable {
        return graph_call::compute(context, (function, call), bind, relation, form);
    }
    if let (Callable::Script(callee), Bind::Scalar(_)) = (&call.callable, bind) {
        return scripted::compute(context, (callee, call), bind, relation, form);
    }
    let mut tuples = TupleBuilder::new(bind);
    let mut caller = Caller::new(call, relation, form)?;
    for row in 0..relation.len() {
        if row % Budget::CHECK_ROWS == 0 {
            context.budget.check()?;
        }
        let value = caller
            .call(context, row)
            .map_err(|error| error.with("form", form.clone()))?;
        if !value.is_nil() {
            tuples.bind(row as u32, bind, &value, &mut context.interner)?;
        }
        context
            .budget
            .check_rows(tuples.left.len(), relation.vars().len() + 1)?;
    }
    Ok(bound(relation, tuples))
}

/// The rows of a relation with the tuples found for them, where both agree on what is bound twice.
pub(super) fn bound(relation: &Relation, tuples: TupleBuilder) -> Relation {
    let (found, left) = tuples.finish();
    let is_once = left.windows(2).all(|pair| pair[0] < pair[1]);
    let mut out = match is_once && left.len() == relation.len() {
        true => relation.clone(),
        false => relation
            .gather(&left)
            .known_set(relation.is_set() && is_once),
    };
    let mut keep: Option<Vec<bool>> = None;
    for (&var, column) in found.vars().iter().zip(found.columns()) {
        match out.column(var) {
            None => out.push(var, column.clone()),
            Some(bound) => {
                let keep = keep.get_or_insert_with(|| vec![true; found.len()]);
                for (row, keep) in keep.iter_mut().enumerate() {
                    *keep &= bound.cell(row) == column.cell(row);
                }
            }
        }
    }
    let Some(keep) = keep else { return out };
    let rows: Vec<u32> = (0..keep.len() as u32)
        .filter(|&row| keep[row as usize])
        .collect();
    out.select(&rows)
}

/// The only column the arguments read, if there is just one.
pub(super) fn single_column<'r>(call: &CallGoal, relation: &'r Relation) -> Option<&'r Column> {
    let mut vars = call.vars();
    let var = vars.next()?;
    vars.next()
        .is_none()
        .then(|| relation.column(var))
        .flatten()
}

/// Whether a call gives the same for the same arguments and reads nothing else.
pub(super) fn is_pure(call: &CallGoal) -> bool {
    match call.callable {
        Callable::Builtin(builtin) => !builtin.name().starts_with("rand"),
        Callable::Script(_) => true,
        _ => false,
    }
}

/// Comparisons of integers, instants and floats of one kind, without decoding: the rows that pass.
fn compare_columns(call: &CallGoal, relation: &Relation) -> Option<Vec<u32>> {
    let Callable::Builtin(builtin) = call.callable else {
        return None;
    };
    let [a, b] = &call.args[..] else { return None };
    let (a, b) = (fixed(a, relation)?, fixed(b, relation)?);
    if a.kind() != b.kind() {
        return None;
    }
    match a.kind() {
        Kind::Long | Kind::Instant => {
            compare_as(builtin.name(), (&a, &b), relation.len(), |bits| bits as i64)
        }
        Kind::Double => {
            // NaN compares with nothing: leave such columns to the function itself.
            let has_nan = |side: &Fixed<'_>| match side {
                Fixed::Column(_, bits) => bits.iter().any(|&bits| f64::from_bits(bits).is_nan()),
                Fixed::Constant(cell) => f64::from_bits(cell.bits).is_nan(),
            };
            if has_nan(&a) || has_nan(&b) {
                return None;
            }
            compare_as(builtin.name(), (&a, &b), relation.len(), f64::from_bits)
        }
        _ => None,
    }
}

/// The rows for which a comparison of that name holds; none if it is another function.
fn compare_as<T: PartialOrd>(
    name: &str,
    (a, b): (&Fixed<'_>, &Fixed<'_>),
    rows: usize,
    read: impl Fn(u64) -> T + Sync,
) -> Option<Vec<u32>> {
    Some(match name {
        "<" => rows_where((a, b), rows, |a, b| read(a) < read(b)),
        ">" => rows_where((a, b), rows, |a, b| read(a) > read(b)),
        "<=" => rows_where((a, b), rows, |a, b| read(a) <= read(b)),
        ">=" => rows_where((a, b), rows, |a, b| read(a) >= read(b)),
        "=" => rows_where((a, b), rows, |a, b| read(a) == read(b)),
        "not=" | "!=" => rows_where((a, b), rows, |a, b| read(a) != read(b)),
        _ => return None,
    })
}

fn rows_where(
    sides: (&Fixed<'_>, &Fixed<'_>),
    rows: usize,
    holds: impl Fn(u64, u64) -> bool + Sync,
) -> Vec<u32> {
    match sides {
        (Fixed::Column(_, a), Fixed::Constant(b)) => {
            fork::rows_where(rows, |row| holds(a[row], b.bits))
        }
        (Fixed::Constant(a), Fixed::Column(_, b)) => {
            fork::rows_where(rows, |row| holds(a.bits, b[row]))
        }
        (Fixed::Column(_, a), Fixed::Column(_, b)) => {
            fork::rows_where(rows, |row| holds(a[row], b[row]))
        }
        (Fixed::Constant(a), Fixed::Constant(b)) => {
            fork::rows_where(rows, |_| holds(a.bits, b.bits))
        }
    }
}

/// An argument of one fixed-width kind.
enum Fixed<'a> {
    Column(Kind, &'a [u64]),
    Constant(Cell),
}

impl Fixed<'_> {
    fn kind(&self) -> Kind {
        match self {
            Fixed::Column(kind, _) => *kind,
            Fixed::Constant(cell) => cell.kind,
        }
    }
}

fn fixed<'a>(arg: &ArgSlot, relation: &'a Relation) -> Option<Fixed<'a>> {
    match arg {
        ArgSlot::Const(value) => Cell::inline(value).map(Fixed::Constant),
        ArgSlot::Var(var) => {
            let column = relation.column(*var)?;
            Some(Fixed::Column(column.kind()?, column.bits()))
        }
        _ => None,
    }
}

/// A call ready to be made row by row.
pub(super) struct Caller<'a> {
    target: Target,
    args: Vec<ArgColumn<'a>>,
    values: Vec<Value>,
    form: &'a Value,
}

enum Target {
    Builtin(Builtin),
    Special(Special),
    Script(Callee),
    /// Named by a column.
    Named(Column),
}

enum ArgColumn<'a> {
    Column(&'a Column),
    Const(&'a Value),
    Source(usize),
    Rules,
}

impl<'a> Caller<'a> {
    pub(super) fn new(
        call: &'a CallGoal,
        relation: &'a Relation,
        form: &'a Value,
    ) -> Result<Caller<'a>> {
        let unbound = || {
            Error::new(Code::QueryWhere, format!("Insufficient bindings in {form}"))
                .with("form", form.clone())
        };
        let target = match &call.callable {
            Callable::Builtin(builtin) => Target::Builtin(*builtin),
            Callable::Special(special) => Target::Special(*special),
            Callable::Script(callee) => Target::Script(callee.clone()),
            Callable::Graph(_) | Callable::Nearest(_) => {
                unreachable!("such calls are made for all rows together")
            }
            Callable::Var(var) => {
                Target::Named(relation.column(*var).cloned().ok_or_else(unbound)?)
            }
        };
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(match arg {
                ArgSlot::Var(var) => ArgColumn::Column(relation.column(*var).ok_or_else(unbound)?),
                ArgSlot::Const(value) => ArgColumn::Const(value),
                ArgSlot::Source(at) => ArgColumn::Source(*at),
                ArgSlot::Rules => ArgColumn::Rules,
            });
        }
        Ok(Caller {
            target,
            args,
            values: Vec::new(),
            form,
        })
    }

    fn call(&mut self, context: &mut Context<'_>, row: usize) -> Result<Value> {
        match self.target {
            Target::Special(special) => self.call_special(context, special, row),
            _ => self.call_shared(context.shared(), row),
        }
    }

    /// The call of a function that changes nothing of the query: all but the executor's own.
    pub(super) fn call_shared(&mut self, shared: Shared<'_>, row: usize) -> Result<Value> {
        let named;
        let target = match &self.target {
            Target::Named(column) => {
                named = self.named(shared, column.cell(row))?;
                &named
            }
            other => other,
        };
        let (args, values) = (&self.args[..], &mut self.values);
        match target {
            Target::Builtin(builtin) => {
                decode(args, shared.interner, (row, self.form), values)?;
                builtin.call(values)
            }
            Target::Script(callee) => call_script(shared, callee, args, (row, self.form), values),
            Target::Special(_) | Target::Named(_) => {
                let message = format!("{} reads more than its arguments", self.form);
                Err(Error::new(Code::Internal, message))
            }
        }
    }

    /// What a name in a column stands for.
    fn named(&self, shared: Shared<'_>, cell: Cell) -> Result<Target> {
        let name = shared.interner.value(cell);
        if let Value::Symbol(symbol) = &name {
            if let Some(builtin) = function::lookup(symbol.as_str()) {
                return Ok(Target::Builtin(builtin));
            }
            if let Some(callee) = shared.functions.find(symbol)? {
                return Ok(Target::Script(callee));
            }
        }
        let message = format!("Unknown function {name} in {}", self.form);
        Err(Error::new(Code::QueryWhere, message).with("form", self.form.clone()))
    }

    fn value(&self, context: &Context<'_>, at: usize, row: usize) -> Result<Value> {
        match self.args.get(at) {
            Some(ArgColumn::Column(column)) => Ok(context.interner.value(column.cell(row))),
            Some(ArgColumn::Const(value)) => Ok((*value).clone()),
            _ => Err(self.wrong_arguments()),
        }
    }

    fn wrong_arguments(&self) -> Error {
        Error::new(
            Code::QueryWhere,
            format!("Wrong arguments in {}", self.form),
        )
        .with("form", self.form.clone())
    }

    fn db(&self, context: &Context<'_>) -> Result<Db> {
        match self.args.first() {
            Some(ArgColumn::Source(at)) => Ok(context.sources.db(*at, self.form)?.db.clone()),
            _ => Err(self.wrong_arguments()),
        }
    }

    fn call_special(
        &mut self,
        context: &mut Context<'_>,
        special: Special,
        row: usize,
    ) -> Result<Value> {
        match special {
            Special::Ground | Special::Untuple => match self.args.len() {
                1 => self.value(context, 0, row),
                _ => Err(self.wrong_arguments()),
            },
            Special::Tuple => {
                let items = (0..self.args.len()).map(|at| self.value(context, at, row));
                Ok(Value::Vector(items.collect::<Result<_>>()?))
            }
            Special::Missing => {
                let found = self.first_value(context, 2, row)?;
                Ok(Value::Bool(found.is_none()))
            }
            Special::GetElse => {
                let default = self.value(context, 3, row)?;
                if default.is_nil() {
                    let message = "get-else: nil default value is not supported";
                    return Err(Error::new(Code::QueryWhere, message));
                }
                Ok(self.first_value(context, 2, row)?.unwrap_or(default))
            }
            Special::GetSome => {
                for at in 2..self.args.len() {
                    if let Some(value) = self.first_value(context, at, row)? {
                        let name = self.value(context, at, row)?;
                        return Ok(Value::vector([name, value]));
                    }
                }
                Ok(Value::Nil)
            }
            Special::Query => self.query(context, row),
        }
    }

    /// The first value that the entity of argument 1 has for the attribute of argument `at`.
    fn first_value(&self, context: &Context<'_>, at: usize, row: usize) -> Result<Option<Value>> {
        let db = self.db(context)?;
        let e = match self.value(context, 1, row)? {
            Value::Long(e) => Some(e),
            other => db.entid(&other)?.map(|e| e.0),
        };
        let Some(e) = e else { return Ok(None) };
        let name = self.value(context, at, row)?;
        if let Some(forward) = name.as_keyword().and_then(Keyword::unreversed) {
            return Ok(first_referring(&db, e, forward));
        }
        let Some(run) = db
            .attr_of(&name)
            .and_then(|a| db.run(a, SortOrder::ByEntity))
        else {
            return Ok(None);
        };
        let is_so = |row: &Row| run.extra() != Extra::Added || row.extra == 1;
        let first = run.rows_in(run.entity_range(e)).find(is_so);
        Ok(first.map(|row| db.value(row.v)))
    }

    fn query(&self, context: &mut Context<'_>, row: usize) -> Result<Value> {
        let query = self.value(context, 0, row)?;
        let mut inputs = Vec::with_capacity(self.args.len());
        for (at, arg) in self.args.iter().enumerate().skip(1) {
            inputs.push(match arg {
                ArgColumn::Source(at) => context.sources.input(*at),
                ArgColumn::Rules => super::query::Input::Value(context.rules.clone()),
                _ => super::query::Input::Value(self.value(context, at, row)?),
            });
        }
        nested(context, &query, &inputs)
    }
}

/// The call of a function that users wrote; a source as first argument is its database.
fn call_script(
    shared: Shared<'_>,
    callee: &Callee,
    args: &[ArgColumn<'_>],
    (row, form): (usize, &Value),
    values: &mut Vec<Value>,
) -> Result<Value> {
    let allowance = shared.budget.allowance();
    if let [ArgColumn::Source(at), rest @ ..] = args {
        let db = &shared.sources.db(*at, form)?.db;
        decode(rest, shared.interner, (row, form), values)?;
        return callee.call_with_db(db, values, allowance);
    }
    decode(args, shared.interner, (row, form), values)?;
    callee.call(values, allowance)
}

/// The values of arguments for a row.
fn decode(
    args: &[ArgColumn<'_>],
    interner: &Interner,
    (row, form): (usize, &Value),
    values: &mut Vec<Value>,
) -> Result<()> {
    values.clear();
    for arg in args {
        values.push(match arg {
            ArgColumn::Column(column) => interner.value(column.cell(row)),
            ArgColumn::Const(value) => (*value).clone(),
            ArgColumn::Source(_) | ArgColumn::Rules => {
                let message = format!("A source is no argument of this function in {form}");
                return Err(Error::new(Code::QueryWhere, message));
            }
        });
    }
    Ok(())
}

/// The first entity that refers to `e` by an attribute: what `:_attribute` asks for.
fn first_referring(db: &Db, e: i64, attribute: Keyword) -> Option<Value> {
    let a = db.attr_of(&Value::Keyword(attribute))?;
    let rows = db.rows_with(a, Cell::long(e));
    rows.first().map(|row| Value::Long(row.e))
}
