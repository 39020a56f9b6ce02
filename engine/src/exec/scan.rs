//! Data patterns: a relation joined with the rows of an index or the tuples of a collection.

use std::ops::Range;

use super::access::{AccessPath, between};
use super::block::Context;
use super::join::natural_join;
use super::lookup::{Access, in_range, match_rows};
use super::matches::Matches;
use super::relation::Relation;
use super::shared::Shared;
use super::source::{Source, Tuples};
use crate::datom::AttrId;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::fork;
use crate::index::{Cell, Column, Extra, Run, SortOrder};
use crate::plan::{Pattern, Slot, VarId};
use crate::value::Value;

/// Joins a relation with what a pattern matches.
pub(super) fn scan(
    context: &mut Context<'_>,
    pattern: &Pattern,
    input: &Relation,
    form: &Value,
) -> Result<Relation> {
    let vars = unbound_vars(pattern, |var| input.binds(var));
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

/// The variables that a pattern binds beside those that are bound.
pub(super) fn unbound_vars(pattern: &Pattern, binds: impl Fn(VarId) -> bool) -> Vec<VarId> {
    let mut vars: Vec<VarId> = Vec::new();
    for var in pattern.slots.iter().filter_map(Slot::var) {
        if !binds(var) && !vars.contains(&var) {
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
    let vars = [input.vars(), &unbound_vars(pattern, |var| input.binds(var))].concat();
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
    let Some(scan) = AttributeScan::new(context, db, a, pattern)? else {
        return Ok(None);
    };
    if input.len() == 1
        && let Some((run, range)) = scan.between(input)
    {
        context.note_path(AccessPath::Range(SortOrder::ByValue));
        let matches = in_range(&run, range)?;
        return Ok(Some(scan.assemble(input, &matches, &run, |values| {
            context.import(pattern.source, values)
        })));
    }
    let (e, v) = scan.accesses(context.shared(), input)?;
    let by_value = match v {
        Access::Free => None,
        _ => scan.by_value(),
    };
    let runs = (&scan.by_entity, by_value.as_ref());
    let path = AccessPath::of(runs, (&e, &v), input.len());
    context.note_path(path);
    let matches = match_rows(
        runs,
        (&e, &v),
        (
            path,
            input.len(),
            is_existence(pattern, |var| input.binds(var)),
        ),
        db.dictionary(),
        context.budget,
    )?;
    let columns = input.vars().len() + pattern.slots.len();
    context.budget.check_rows(matches.len(), columns)?;
    let run = matches.run(&scan.by_entity, by_value.as_ref());
    Ok(Some(scan.assemble(input, &matches, run, |values| {
        context.import(pattern.source, values)
    })))
}

impl Context<'_> {
    /// Values of a source in the query's dictionary.
    fn import(&mut self, source: usize, values: Column) -> Column {
        match &mut self.sources.sources[source] {
            Source::Db(db) => db.import(values, &mut self.interner),
            _ => values,
        }
    }
}

/// What a slot of a pattern says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Term {
    /// Nothing.
    Blank,
    /// That it is this, in the database's own cells.
    Const(Cell),
    /// That it is the value of a variable.
    Var(VarId),
}

/// A pattern over one attribute whose names are resolved: ready to be joined with relations.
pub(super) struct AttributeScan<'p> {
    pub(super) pattern: &'p Pattern,
    pub(super) db: Db,
    a: AttrId,
    pub(super) by_entity: Run,
    pub(super) e: Term,
    pub(super) v: Term,
    /// Whether values are entities.
    is_ref: bool,
    /// What transaction and operation must be, in the query's cells.
    marks: [Option<Cell>; 2],
}

impl<'p> AttributeScan<'p> {
    /// None if nothing can match.
    pub(super) fn new(
        context: &mut Context<'_>,
        db: &Db,
        a: AttrId,
        pattern: &'p Pattern,
    ) -> Result<Option<AttributeScan<'p>>> {
        let Some(by_entity) = db.run(a, SortOrder::ByEntity) else {
            return Ok(None);
        };
        let is_ref = db.attribute(a).is_some_and(|attribute| attribute.is_ref());
        let shared = context.shared();
        let value_of = (!is_ref).then_some(a);
        let e = shared.term(db, pattern.slots.get(E), None)?;
        let v = shared.term(db, pattern.slots.get(V), value_of)?;
        let (Some(e), Some(v)) = (e, v) else {
            return Ok(None);
        };
        let marks = [TX, ADDED].map(|at| match pattern.slots.get(at) {
            Some(Slot::Const(value)) => Some(context.interner.cell(value)),
            _ => None,
        });
        Ok(Some(AttributeScan {
            pattern,
            db: db.clone(),
            a,
            by_entity,
            e,
            v,
            is_ref,
            marks,
        }))
    }

    /// The rows by value, where they are kept so.
    pub(super) fn by_value(&self) -> Option<Run> {
        self.db.run(self.a, SortOrder::ByValue)
    }

    /// The rows whose value is within the pattern's bounds, where these are few and nothing else is
    /// known of them.
    pub(super) fn between(&self, input: &Relation) -> Option<(Run, Range<usize>)> {
        let bounds = self.pattern.bounds.as_ref()?;
        let is_free = |term| match term {
            Term::Blank => true,
            Term::Const(_) => false,
            Term::Var(var) => !input.binds(var),
        };
        if !is_free(self.e) || !is_free(self.v) {
            return None;
        }
        let run = self.by_value()?;
        let range = between(&run, bounds, self.db.dictionary())?;
        Some((run, range))
    }

    /// How the rows of a relation restrict entities and values.
    pub(super) fn accesses(
        &self,
        shared: Shared<'_>,
        input: &Relation,
    ) -> Result<(Access, Access)> {
        let (db, source) = (&self.db, self.pattern.source);
        let access = |term, is_entity| shared.access((db, source), term, is_entity, input);
        Ok((access(self.e, true)?, access(self.v, self.is_ref)?))
    }

    /// Whether no two rows of a run look alike to the pattern.
    pub(super) fn tells_rows_apart(&self, run: &Run) -> bool {
        tells_rows_apart(self.pattern, run)
    }

    /// Puts columns to the pattern's variables and drops the rows that contradict the other slots.
    ///
    /// - `import`: values of the database in the query's dictionary.
    pub(super) fn assemble(
        &self,
        input: &Relation,
        matches: &Matches,
        run: &Run,
        mut import: impl FnMut(Column) -> Column,
    ) -> Relation {
        let mut out = paired(input, matches);
        let mut keep: Option<Vec<bool>> = None;
        for at in [E, V, TX, ADDED] {
            let Some(slot) = self.pattern.slots.get(at) else {
                continue;
            };
            // The access path has seen to entities and values that were known before.
            let is_done = at == E || at == V;
            let bound = match slot {
                Slot::Blank => continue,
                Slot::Const(_) if is_done => continue,
                Slot::Var(var) if input.binds(*var) && is_done => continue,
                Slot::Var(var) => out.column(*var).cloned(),
                Slot::Const(_) => {
                    let mark = self.marks[at - TX];
                    mark.map(|cell| Column::constant(cell, matches.len()))
                }
            };
            let column = match at {
                E => matches.entities(run),
                V => import(matches.values(run)),
                TX => matches.txs(run),
                _ => matches.added(run),
            };
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
        let out = out.known_set(input.is_set() && self.tells_rows_apart(run));
        let Some(keep) = keep else { return out };
        let rows: Vec<u32> = (0..keep.len() as u32)
            .filter(|&row| keep[row as usize])
            .collect();
        out.select(&rows)
    }
}

/// The rows of a relation as often as they are matched.
fn paired(input: &Relation, matches: &Matches) -> Relation {
    if input.len() == 1 && input.vars().is_empty() {
        return Relation::new(Vec::new(), Vec::new(), matches.len());
    }
    let left = matches.left();
    let is_whole = || {
        let parts = fork::split(left.len(), |part| {
            let mut rows = part.start as u32..;
            left[part].iter().all(|&row| rows.next() == Some(row))
        });
        parts.into_iter().all(|is_whole| is_whole)
    };
    if left.len() == input.len() && is_whole() {
        input.clone()
    } else {
        input.gather(left)
    }
}

/// Whether a pattern asks no more than whether there is a row: each slot but the attribute's is
/// blank or known.
pub(super) fn is_existence(pattern: &Pattern, binds: impl Fn(VarId) -> bool) -> bool {
    let is_settled = |at: usize| match pattern.slots.get(at) {
        None | Some(Slot::Blank) => true,
        Some(Slot::Const(_)) => at == E || at == V,
        Some(Slot::Var(var)) => (at == E || at == V) && binds(*var),
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
