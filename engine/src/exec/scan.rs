//! Data patterns: a relation joined with the rows of an index or the tuples of a collection.

use super::access::AccessPath;
use super::block::Context;
use super::join::natural_join;
use super::lookup::{Access, match_rows};
use super::matches::Matches;
use super::relation::Relation;
use super::source::{Source, Tuples};
use crate::datom::AttrId;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::fork;
use crate::index::{Cell, Column, Extra, Kind, Run, SortOrder};
use crate::plan::{Pattern, Slot, VarId};
use crate::value::Value;

/// Joins a relation with what a pattern matches.
pub(super) fn scan(
    context: &mut Context<'_>,
    pattern: &Pattern,
    input: &Relation,
    form: &Value,
) -> Result<Relation> {
    let vars = unbound_vars(pattern, input);
    if input.is_empty() {
        return Ok(Relation::empty(&[input.vars(), &vars].concat()));
    }
    match &context.sources.sources[pattern.source] {
        Source::Db(_) => scan_db(context, pattern, input, form),
        Source::Tuples(..) => scan_tuples(context, pattern, input),
        Source::Value(value) => Err(Error::new(
            Code::QueryWhere,
            format!(
                "Cannot match {form} against {value}: expected a database or a collection of tuples"
            ),
        )
        .with("form", form.clone())),
    }
}

/// The variables that a pattern binds.
fn unbound_vars(pattern: &Pattern, input: &Relation) -> Vec<VarId> {
    let mut vars: Vec<VarId> = Vec::new();
    for var in pattern.slots.iter().filter_map(Slot::var) {
        if !input.binds(var) && !vars.contains(&var) {
            vars.push(var);
        }
    }
    vars
}

/// The parts of a datom, as a pattern addresses them.
const E: usize = 0;
const A: usize = 1;
const V: usize = 2;
const TX: usize = 3;
const ADDED: usize = 4;

fn scan_db(
    context: &mut Context<'_>,
    pattern: &Pattern,
    input: &Relation,
    form: &Value,
) -> Result<Relation> {
    let source = context.sources.db(pattern.source, form)?;
    let db = source.db.clone();
    let blank = Slot::Blank;
    let slot = |at: usize| pattern.slots.get(at).unwrap_or(&blank);
    let mut parts = Vec::new();
    match slot(A) {
        Slot::Const(name) => {
            if let Some(a) = db.attr_of(name) {
                parts.extend(scan_attribute(context, &db, a, pattern, input)?);
            }
        }
        Slot::Blank => {
            for a in attributes(&db) {
                parts.extend(scan_attribute(context, &db, a, pattern, input)?);
                check_parts(context, &parts)?;
            }
        }
        Slot::Var(var) => {
            for a in attributes(&db) {
                let cell = context.interner.cell(&db.attribute_value(a));
                parts.extend(scan_named(context, &db, (a, cell, *var), pattern, input)?);
                check_parts(context, &parts)?;
            }
        }
    }
    let vars = [input.vars(), &unbound_vars(pattern, input)].concat();
    Ok(Relation::concat(&vars, &parts))
}

/// The parts of one scan stay within the budget together.
fn check_parts(context: &Context<'_>, parts: &[Relation]) -> Result<()> {
    let rows = parts.iter().map(Relation::len).sum();
    let columns = parts.first().map_or(0, |part| part.vars().len());
    context.budget.check_rows(rows, columns)
}

/// All attributes, in the order of the indexes.
fn attributes(db: &Db) -> Vec<AttrId> {
    let mut attributes: Vec<AttrId> = db.attribute_ids().collect();
    db.sort_attributes(&mut attributes);
    attributes
}

/// As [`scan_attribute`], with the attribute itself as the value of a variable.
fn scan_named(
    context: &mut Context<'_>,
    db: &Db,
    (a, cell, var): (AttrId, Cell, VarId),
    pattern: &Pattern,
    input: &Relation,
) -> Result<Option<Relation>> {
    let input = match input.column(var) {
        Some(column) => {
            let ident = context.interner.cell(db.ident(a));
            let names = |found: Cell| found == cell || found == ident;
            let rows: Vec<u32> = (0..input.len() as u32)
                .filter(|&row| names(column.cell(row as usize)))
                .collect();
            input.select(&rows)
        }
        None => {
            let mut named = input.clone();
            named.push(var, Column::constant(cell, input.len()));
            named
        }
    };
    if input.is_empty() {
        return Ok(None);
    }
    scan_attribute(context, db, a, pattern, &input)
}

/// Joins a relation with the rows of one attribute.
fn scan_attribute(
    context: &mut Context<'_>,
    db: &Db,
    a: AttrId,
    pattern: &Pattern,
    input: &Relation,
) -> Result<Option<Relation>> {
    let Some(by_entity) = db.run(a, SortOrder::ByEntity) else {
        return Ok(None);
    };
    let is_ref = db.attribute(a).is_some_and(|attribute| attribute.is_ref());
    let Some(e) = context.access(db, pattern, E, None, input)? else {
        return Ok(None);
    };
    let Some(v) = context.access(db, pattern, V, Some((a, is_ref)), input)? else {
        return Ok(None);
    };
    let by_value = if matches!(v, Access::Free) {
        None
    } else {
        db.run(a, SortOrder::ByValue)
    };
    let runs = (&by_entity, by_value.as_ref());
    let path = AccessPath::of(runs, (&e, &v), input.len());
    context.note_path(path);
    let matches = match_rows(
        runs,
        (&e, &v),
        (path, input.len(), is_existence(pattern, input)),
        db.dictionary(),
        context.budget,
    )?;
    let columns = input.vars().len() + pattern.slots.len();
    context.budget.check_rows(matches.len(), columns)?;
    assemble(
        context,
        pattern,
        input,
        &matches,
        matches.run(&by_entity, by_value.as_ref()),
    )
    .map(Some)
}

/// Puts columns to the pattern's variables and drops the rows that contradict the other slots.
fn assemble(
    context: &mut Context<'_>,
    pattern: &Pattern,
    input: &Relation,
    matches: &Matches,
    run: &Run,
) -> Result<Relation> {
    let is_unit = input.len() == 1 && input.vars().is_empty();
    let left = matches.left();
    let is_whole = || {
        let parts = fork::split(left.len(), |part| {
            let mut rows = part.start as u32..;
            left[part].iter().all(|&row| rows.next() == Some(row))
        });
        parts.into_iter().all(|is_whole| is_whole)
    };
    let mut out = if is_unit {
        Relation::new(Vec::new(), Vec::new(), matches.len())
    } else if left.len() == input.len() && is_whole() {
        input.clone()
    } else {
        input.gather(left)
    };
    let mut keep: Option<Vec<bool>> = None;
    for at in [E, V, TX, ADDED] {
        let Some(slot) = pattern.slots.get(at) else {
            continue;
        };
        // The access path has seen to entities and values that were known before.
        let is_done = at == E || at == V;
        let bound = match slot {
            Slot::Blank => continue,
            Slot::Const(_) if is_done => continue,
            Slot::Var(var) if input.binds(*var) && is_done => continue,
            Slot::Var(var) if out.binds(*var) => out.column(*var).cloned(),
            Slot::Var(_) => None,
            Slot::Const(value) => Some(Column::constant(
                context.interner.cell(value),
                matches.len(),
            )),
        };
        let column = part(context, pattern.source, matches, run, at);
        match (bound, slot) {
            (Some(bound), _) => {
                let keep = keep.get_or_insert_with(|| vec![true; matches.len()]);
                let equal = bound.cells().zip(column.cells()).map(|(a, b)| a == b);
                keep.iter_mut()
                    .zip(equal)
                    .for_each(|(keep, equal)| *keep &= equal);
            }
            (None, Slot::Var(var)) => out.push(*var, column),
            (None, _) => {}
        }
    }
    let out = out.known_set(input.is_set() && tells_rows_apart(pattern, run));
    let Some(keep) = keep else { return Ok(out) };
    let rows: Vec<u32> = (0..keep.len() as u32)
        .filter(|&row| keep[row as usize])
        .collect();
    Ok(out.select(&rows))
}

/// Whether a pattern asks no more than whether there is a row: each slot but the attribute's is
/// blank or known.
fn is_existence(pattern: &Pattern, input: &Relation) -> bool {
    let is_settled = |at: usize| match pattern.slots.get(at) {
        None | Some(Slot::Blank) => true,
        Some(Slot::Const(_)) => at == E || at == V,
        Some(Slot::Var(var)) => (at == E || at == V) && input.binds(*var),
    };
    [E, V, TX, ADDED].into_iter().all(is_settled)
}

/// Whether no two rows of a run look alike to a pattern.
fn tells_rows_apart(pattern: &Pattern, run: &Run) -> bool {
    let says = |at: usize| !matches!(pattern.slots.get(at), None | Some(Slot::Blank));
    // In a history a datom may come and go many times.
    let is_past = run.extra() == Extra::Added;
    says(E) && says(A) && says(V) && (!is_past || says(TX) && says(ADDED))
}

/// One part of the matched rows, in the query's dictionary.
fn part(
    context: &mut Context<'_>,
    source: usize,
    matches: &Matches,
    run: &Run,
    at: usize,
) -> Column {
    match at {
        E => matches.entities(run),
        V => {
            let values = matches.values(run);
            match &mut context.sources.sources[source] {
                Source::Db(db) => db.import(values, &mut context.interner),
                _ => values,
            }
        }
        TX => matches.txs(run),
        _ => matches.added(run),
    }
}

fn scan_tuples(context: &mut Context<'_>, pattern: &Pattern, input: &Relation) -> Result<Relation> {
    let Source::Tuples(tuples, _) = &context.sources.sources[pattern.source] else {
        unreachable!("the caller saw a collection");
    };
    let interner = &mut context.interner;
    let selected = select_tuples(tuples, pattern, |value| interner.cell(value));
    let vars = tuple_vars(pattern);
    // A tuple too short for the pattern matches nothing.
    let column = |at: usize| {
        tuples
            .columns
            .get(at)
            .map(|column| column.gather(&selected))
    };
    let mut matched = Relation::new(Vec::new(), Vec::new(), selected.len());
    for (at, var) in vars {
        match column(at) {
            Some(column) => matched.push(var, column),
            None => matched.push(var, Column::constant(Cell::NIL, selected.len())),
        }
    }
    if input.vars().is_empty() && input.len() == 1 {
        context.note_path(AccessPath::Tuples);
        return Ok(matched);
    }
    context.note_path(AccessPath::TupleJoin);
    natural_join(input, &matched, context.budget)
}

/// First position of each variable.
fn tuple_vars(pattern: &Pattern) -> Vec<(usize, VarId)> {
    let mut vars: Vec<(usize, VarId)> = Vec::new();
    for (at, slot) in pattern.slots.iter().enumerate() {
        if let Slot::Var(var) = slot
            && !vars.iter().any(|(_, seen)| seen == var)
        {
            vars.push((at, *var));
        }
    }
    vars
}

fn select_tuples(
    tuples: &Tuples,
    pattern: &Pattern,
    mut cell: impl FnMut(&Value) -> Cell,
) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..tuples.rows as u32).collect();
    let width = pattern.slots.len() as u32;
    rows.retain(|&row| tuples.widths[row as usize] >= width);
    let firsts = tuple_vars(pattern);
    for (at, slot) in pattern.slots.iter().enumerate() {
        let Some(column) = tuples.columns.get(at) else {
            continue;
        };
        match slot {
            Slot::Blank => {}
            Slot::Const(value) => {
                let wanted = cell(value);
                rows.retain(|&row| column.cell(row as usize) == wanted);
            }
            Slot::Var(var) => {
                let first = firsts
                    .iter()
                    .find(|(_, seen)| seen == var)
                    .map_or(at, |(at, _)| *at);
                if first != at {
                    let other = &tuples.columns[first];
                    rows.retain(|&row| column.cell(row as usize) == other.cell(row as usize));
                }
            }
        }
    }
    rows
}

impl Context<'_> {
    /// How a slot restricts the rows of an index: in the database's own cells. None if nothing can
    /// match.
    ///
    /// - `value_of`: for a value slot, the attribute and whether it is a ref; entities else.
    fn access(
        &mut self,
        db: &Db,
        pattern: &Pattern,
        at: usize,
        value_of: Option<(AttrId, bool)>,
        input: &Relation,
    ) -> Result<Option<Access>> {
        let is_entity = value_of.is_none_or(|(_, is_ref)| is_ref);
        match pattern.slots.get(at) {
            None | Some(Slot::Blank) => Ok(Some(Access::Free)),
            Some(Slot::Const(value)) => {
                let cell = if is_entity {
                    self.entity_cell(db, value)?
                } else {
                    value_of.and_then(|(a, _)| db.lookup_cell(a, value))
                };
                Ok(cell.map(Access::Const))
            }
            Some(Slot::Var(var)) => match input.column(*var) {
                None => Ok(Some(Access::Free)),
                Some(column) => self
                    .column_access(db, pattern.source, column, is_entity)
                    .map(Some),
            },
        }
    }

    /// The entity a constant names; none if there is none such.
    pub(super) fn entity_cell(&self, db: &Db, value: &Value) -> Result<Option<Cell>> {
        Ok(match value {
            Value::Long(_) => Cell::inline(value),
            Value::Keyword(_) | Value::Vector(_) | Value::List(_) => {
                db.entid(value)?.map(|e| Cell::long(e.0))
            }
            _ => None,
        })
    }

    fn column_access(
        &mut self,
        db: &Db,
        source: usize,
        column: &Column,
        is_entity: bool,
    ) -> Result<Access> {
        if column.kind() == Some(Kind::Long) {
            return Ok(Access::Column(column.clone()));
        }
        let mut cells = Vec::with_capacity(column.len());
        // Lookup refs and idents repeat: resolve each once.
        let mut known: std::collections::HashMap<Cell, Option<Cell>> = Default::default();
        for cell in column.cells() {
            let found = match known.get(&cell) {
                Some(found) => *found,
                None => {
                    let found = if is_entity && matches!(cell.kind, Kind::Tuple | Kind::Keyword) {
                        self.entity_cell(db, &self.interner.value(cell))?
                    } else if let Source::Db(source) = &self.sources.sources[source] {
                        source.export(cell, &self.interner)
                    } else {
                        Some(cell)
                    };
                    known.insert(cell, found);
                    found
                }
            };
            // Nothing in the index equals this cell.
            cells.push(found.unwrap_or(Cell {
                kind: Kind::Other,
                bits: u64::MAX,
            }));
        }
        Ok(Access::Resolved(Column::from_cells(cells)))
    }
}
