//! A relation: a bag of tuples over variables, as columns.

use std::convert::Infallible;
use std::ops::Range;

use super::access::is_ascending;
use super::budget::Budget;
use super::key::{distinct_rows, is_key, rows_equal};
use crate::error::Result;
use crate::index::{Cell, Column, ColumnBuilder};
use crate::plan::VarId;

/// Tuples over variables. Columns are shared on clone.
#[derive(Clone, Debug, Default)]
pub struct Relation {
    vars: Vec<VarId>,
    columns: Vec<Column>,
    rows: usize,
    /// Whether no two tuples are known to be equal.
    is_set: bool,
}

impl Relation {
    /// One tuple over no variable: what a conjunction starts from.
    pub fn unit() -> Relation {
        Relation {
            rows: 1,
            is_set: true,
            ..Relation::default()
        }
    }

    /// No tuple.
    pub fn empty(vars: &[VarId]) -> Relation {
        Relation {
            vars: vars.to_vec(),
            columns: vec![Column::default(); vars.len()],
            rows: 0,
            is_set: true,
        }
    }

    /// From one column of `rows` cells per variable.
    pub fn new(vars: Vec<VarId>, columns: Vec<Column>, rows: usize) -> Relation {
        debug_assert!(vars.len() == columns.len() && columns.iter().all(|c| c.len() == rows));
        Relation {
            vars,
            columns,
            rows,
            is_set: rows < 2,
        }
    }

    /// The relation, of which the caller knows whether its tuples all differ.
    #[must_use]
    pub fn known_set(self, is_set: bool) -> Relation {
        Relation {
            is_set: is_set || self.rows < 2,
            ..self
        }
    }

    /// Whether all tuples are known to differ.
    pub fn is_set(&self) -> bool {
        self.is_set
    }

    /// Tuples.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no tuple.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The variables, in the order of the columns.
    pub fn vars(&self) -> &[VarId] {
        &self.vars
    }

    /// The columns, in the order of the variables.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of a variable, if it is bound.
    pub fn column(&self, var: VarId) -> Option<&Column> {
        self.vars
            .iter()
            .position(|v| *v == var)
            .map(|at| &self.columns[at])
    }

    /// Whether a variable is bound.
    pub fn binds(&self, var: VarId) -> bool {
        self.vars.contains(&var)
    }

    /// Adds a column.
    pub fn push(&mut self, var: VarId, column: Column) {
        debug_assert!(column.len() == self.rows && !self.binds(var));
        self.vars.push(var);
        self.columns.push(column);
    }

    /// The given rows, in the given order.
    pub fn gather(&self, rows: &[u32]) -> Relation {
        Relation {
            vars: self.vars.clone(),
            columns: self
                .columns
                .iter()
                .map(|column| column.gather(rows))
                .collect(),
            rows: rows.len(),
            is_set: rows.len() < 2,
        }
    }

    /// The given rows, in the given order, none of them twice.
    pub fn select(&self, rows: &[u32]) -> Relation {
        self.gather(rows).known_set(self.is_set)
    }

    /// Some neighbouring rows, shared.
    pub(super) fn slice(&self, rows: Range<usize>) -> Relation {
        let slice = |column: &Column| column.slice(rows.start, rows.len());
        Relation {
            vars: self.vars.clone(),
            columns: self.columns.iter().map(slice).collect(),
            rows: rows.len(),
            is_set: self.is_set || rows.len() < 2,
        }
    }

    /// Only these variables, in this order; those it does not bind are left out.
    pub fn project(&self, vars: &[VarId]) -> Relation {
        let mut out = Relation {
            rows: self.rows,
            ..Relation::default()
        };
        for &var in vars {
            if let Some(column) = self.column(var)
                && !out.binds(var)
            {
                out.push(var, column.clone());
            }
        }
        let has_all = out.vars.len() == self.vars.len();
        out.known_set(self.is_set && has_all)
    }

    /// Each tuple once, in order of first appearance.
    pub fn distinct(self) -> Relation {
        let Ok(distinct) = self.distinct_checked(|| Ok::<(), Infallible>(()));
        distinct
    }

    /// As [`Relation::distinct`], for so many tuples that somebody may cancel it on the way.
    pub(super) fn distinct_within(self, budget: &Budget) -> Result<Relation> {
        self.distinct_checked(|| budget.check())
    }

    fn distinct_checked<E>(
        self,
        check: impl FnMut() -> std::result::Result<(), E>,
    ) -> std::result::Result<Relation, E> {
        if self.columns.is_empty() {
            return Ok(Relation {
                rows: self.rows.min(1),
                is_set: true,
                ..self
            });
        }
        let has_key = || self.columns.len() > 1 && self.columns.iter().any(is_key);
        if self.is_set || self.columns.iter().any(is_rising) || has_key() {
            return Ok(self.known_set(true));
        }
        let rows = match self.distinct_neighbours() {
            Some(rows) => rows,
            None => distinct_rows(&self.columns, self.rows, check)?,
        };
        Ok(match rows.len() == self.rows {
            true => self.known_set(true),
            false => self.gather(&rows).known_set(true),
        })
    }

    /// The first row of each tuple, where equal tuples are close together because a column does not
    /// fall.
    fn distinct_neighbours(&self) -> Option<Vec<u32>> {
        let ordered = self.columns.iter().find(|column| is_ascending(column))?;
        let mut rows = Vec::with_capacity(self.rows);
        let mut start = 0;
        for same in ordered.bits().chunk_by(|a, b| a == b) {
            let first = rows.len();
            rows.push(start as u32);
            if same.len() > NEIGHBOURS_MAX {
                return None;
            }
            for row in start + 1..start + same.len() {
                let is_same =
                    |&other: &u32| rows_equal(&self.columns, other as usize, &self.columns, row);
                if !rows[first..].iter().any(is_same) {
                    rows.push(row as u32);
                }
            }
            start += same.len();
        }
        Some(rows)
    }

    /// The same variables in the same order under other names.
    pub fn renamed(self, vars: Vec<VarId>) -> Relation {
        debug_assert!(vars.len() == self.vars.len());
        Relation { vars, ..self }
    }

    /// All tuples of relations over the same variables (in any order).
    pub fn concat(vars: &[VarId], relations: &[Relation]) -> Relation {
        let relations: Vec<&Relation> = relations.iter().filter(|r| !r.is_empty()).collect();
        match relations[..] {
            [] => Relation::empty(vars),
            [one] => one.project(vars),
            _ => {
                let rows = relations.iter().map(|relation| relation.rows).sum();
                let column = |var: &VarId| {
                    let mut builder = ColumnBuilder::default();
                    for relation in &relations {
                        let column = relation.column(*var).expect("all bind the same variables");
                        builder.extend(column);
                    }
                    builder.finish()
                };
                Relation::new(vars.to_vec(), vars.iter().map(column).collect(), rows)
            }
        }
    }

    /// One tuple, as cells.
    pub fn row(&self, row: usize) -> Vec<Cell> {
        self.columns.iter().map(|column| column.cell(row)).collect()
    }

    /// Bytes its columns hold, not counting what they share.
    pub fn bytes(&self) -> usize {
        self.rows * self.columns.len() * size_of::<u64>()
    }
}

/// Most tuples that are compared with each other to see which differ.
const NEIGHBOURS_MAX: usize = 16;

/// Whether every cell differs from all before, because they rise.
fn is_rising(column: &Column) -> bool {
    let mut pairs = column.bits().windows(2);
    column.kind().is_some() && pairs.all(|pair| pair[0] < pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    /// Far apart and in no order, so that they have to go through a table.
    fn scattered(rows: i64) -> Relation {
        let cells = (0..rows).map(|n| Cell::long(n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)));
        Relation::new(
            vec![VarId(0)],
            vec![Column::from_cells(cells)],
            rows as usize,
        )
    }

    #[test]
    fn tuples_are_made_distinct_unless_somebody_cancels() {
        let patient = Budget::default();
        let found = scattered(1_000).distinct_within(&patient);
        assert_eq!(found.map(|relation| relation.len()).ok(), Some(1_000));
        let late = Budget::default().with_timeout_ms(0);
        let refused = scattered(1_000).distinct_within(&late);
        assert_eq!(
            refused.map_err(|error| error.code()).err(),
            Some(Code::QueryTimeout)
        );
    }
}
