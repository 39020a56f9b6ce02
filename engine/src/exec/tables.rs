//! Patterns that many morsels are joined with: what they are looked up in is built once.

use super::access::{AccessPath, Given, Sides};
use super::budget::Budget;
use super::dense::ValueTable;
use super::join::Pairs;
use super::key::RowMap;
use super::lookup::{Access, Firsts, match_rows};
use super::matches::{Matches, RowRef};
use super::merge::Integers;
use super::relation::Relation;
use super::scan::{AttributeScan, Term, is_existence};
use super::shared::Shared;
use crate::error::Result;
use crate::index::{Column, Kind, Run, SortOrder};
use crate::plan::VarId;

/// A pattern with an entity or a value that its rows have already.
pub(super) struct Lookup<'p> {
    scan: AttributeScan<'p>,
    by_value: Option<Run>,
    /// Whether it only asks whether there is a row.
    is_existence: bool,
    table: Table,
}

/// Where rows are looked up.
enum Table {
    /// In the run itself: merged with or searched.
    Run(AccessPath),
    /// The value of each entity.
    Values(ValueTable),
    /// The first row of each entity.
    Firsts(Firsts),
    /// The rows of each value, by the values of all rows.
    Rows { by_value: RowMap, rows: Vec<u32> },
}

/// Rows of an index for each row that is looked up in it, beyond which a table of the index costs more
/// than it saves.
const TABLE_ROWS: usize = 4;

impl<'p> Lookup<'p> {
    /// None where the pattern is no lookup, or where looking up morsels costs more than a join of all.
    ///
    /// - `vars`, `key`: the variables bound before, and one of them whose rows are in order.
    /// - `rows`: how many rows are looked up.
    pub(super) fn new(
        scan: AttributeScan<'p>,
        (vars, key, rows): (&[VarId], Option<VarId>, usize),
        budget: &Budget,
    ) -> Result<Option<Lookup<'p>>> {
        let given = |term: Term| match term {
            Term::Blank => Given::Nothing,
            Term::Const(_) => Given::One,
            Term::Var(var) if vars.contains(&var) => Given::Each,
            Term::Var(_) => Given::Nothing,
        };
        let is_key = |term: Term| matches!(term, Term::Var(var) if Some(var) == key);
        let (entity, value) = (given(scan.e), given(scan.v));
        let by_value = match (entity, value) {
            (Given::Nothing, Given::Each) => scan.by_value(),
            _ => None,
        };
        let is_sorted = match entity {
            Given::Each => is_key(scan.e),
            _ => is_key(scan.v) && by_value.as_ref().is_some_and(Integers::are_all),
        };
        let path = AccessPath::choose(&Sides {
            entity,
            value,
            is_by_value: by_value.is_some(),
            rows,
            index_rows: scan.by_entity.len(),
            is_inline: true,
            is_sorted: || is_sorted,
        });
        let run = &scan.by_entity;
        let table = match path {
            AccessPath::Merge(_) | AccessPath::Probe(_) => Table::Run(path),
            AccessPath::Sweep | AccessPath::Hash if run.len() / TABLE_ROWS > rows => {
                return Ok(None);
            }
            AccessPath::Sweep => {
                budget.check_rows(run.len(), 1)?;
                let values = ValueTable::of(run).filter(|_| scan.pattern.slots.len() <= 3);
                values.map_or_else(|| Table::Firsts(Firsts::new(run)), Table::Values)
            }
            AccessPath::Hash => {
                budget.check_rows(run.len(), 2)?;
                rows_by_value(run)
            }
            _ => return Ok(None),
        };
        Ok(Some(Lookup {
            is_existence: is_existence(scan.pattern, |var| vars.contains(&var)),
            scan,
            by_value,
            table,
        }))
    }

    /// How it finds rows.
    pub(super) fn path(&self) -> AccessPath {
        match &self.table {
            Table::Run(path) => *path,
            Table::Values(_) | Table::Firsts(_) => AccessPath::Sweep,
            Table::Rows { .. } => AccessPath::Hash,
        }
    }

    /// Whether different rows stay different.
    pub(super) fn keeps_sets(&self) -> bool {
        let run = self.by_value.as_ref().unwrap_or(&self.scan.by_entity);
        matches!(self.table, Table::Values(_)) || self.scan.tells_rows_apart(run)
    }

    /// Joins a morsel with the pattern, in the order of its rows.
    pub(super) fn join(&self, shared: Shared<'_>, input: &Relation) -> Result<Relation> {
        let (e, v) = self.scan.accesses(shared, input)?;
        let (run, budget) = (&self.scan.by_entity, shared.budget);
        let searched = |path| {
            let runs = (run, self.by_value.as_ref());
            let how = (path, input.len(), self.is_existence);
            match_rows(runs, (&e, &v), how, self.scan.db.dictionary(), budget)
        };
        let matches = match &self.table {
            Table::Values(table) => match e.column() {
                Some(entities) if entities.kind() == Some(Kind::Long) => {
                    return Ok(self.with_values(table, (entities, &v), input));
                }
                _ => searched(AccessPath::Probe(SortOrder::ByEntity))?,
            },
            Table::Run(path) => searched(*path)?,
            Table::Firsts(firsts) => {
                let mut pairs = Pairs::new(input.vars().len(), budget);
                firsts.sweep((run, 0..input.len()), (e.known()?, &v), &mut pairs)?;
                Matches::of_pairs(pairs)
            }
            Table::Rows { by_value, rows } => {
                let values = [v.known()?];
                let probe = by_value.probe(&values, input.len());
                let mut pairs = Pairs::new(input.vars().len(), budget);
                for row in 0..input.len() {
                    for at in probe.matches(row) {
                        pairs.push(row as u32, rows[at as usize])?;
                    }
                }
                Matches::of_pairs(pairs)
            }
        };
        let run = matches.run(run, self.by_value.as_ref());
        Ok(self.scan.assemble(input, &matches, run, |values| values))
    }

    /// Joins a morsel with the values of its entities.
    fn with_values(
        &self,
        table: &ValueTable,
        (entities, v): (&Column, &Access),
        input: &Relation,
    ) -> Relation {
        let (rows, bits) = table.find(entities.bits());
        let mut out = match &rows {
            Some(rows) => input.select(rows),
            None => input.clone(),
        };
        let values = Column::uniform(table.kind(), bits);
        let agrees: Box<dyn Fn(usize) -> bool> = match v {
            Access::Free => {
                if let Term::Var(var) = self.scan.v {
                    out.push(var, values);
                }
                return out;
            }
            Access::Const(cell) => Box::new(|row| values.cell(row) == *cell),
            Access::Column(column) | Access::Resolved(column) => {
                let row_of = |row: usize| rows.as_ref().map_or(row, |rows| rows[row] as usize);
                Box::new(move |row| values.cell(row) == column.cell(row_of(row)))
            }
        };
        let rows: Vec<u32> = (0..out.len() as u32)
            .filter(|&row| agrees(row as usize))
            .collect();
        out.select(&rows)
    }
}

fn rows_by_value(run: &Run) -> Table {
    let values: Vec<Column> = run.chunks().map(|chunk| chunk.v.clone()).collect();
    let values = Column::concat(&values);
    let rows = run
        .numbered_chunks()
        .flat_map(|(at, chunk)| (0..chunk.len()).map(move |row| RowRef::new(at, row).0));
    Table::Rows {
        by_value: RowMap::new(&[&values], values.len()),
        rows: rows.collect(),
    }
}
