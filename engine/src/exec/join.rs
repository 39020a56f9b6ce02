//! Joins of two relations on the variables they share.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::budget::Budget;
use super::key::{RowKeys, RowMap};
use super::relation::Relation;
use crate::error::Result;
use crate::fork;
use crate::index::Column;
use crate::plan::VarId;

/// All pairs of tuples that agree on the shared variables; a product if they share none.
///
/// The result is in the order of `left`. Cost: O(left + right + out).
pub(super) fn natural_join(left: &Relation, right: &Relation, budget: &Budget) -> Result<Relation> {
    let shared: Vec<VarId> = left
        .vars()
        .iter()
        .copied()
        .filter(|v| right.binds(*v))
        .collect();
    let (rows_left, rows_right) = if shared.is_empty() {
        product_rows(
            left.len(),
            right.len(),
            left.vars().len() + right.vars().len(),
            budget,
        )?
    } else {
        let (a, b) = (columns(left, &shared), columns(right, &shared));
        join_rows((&a, left.len()), (&b, right.len()), budget)?
    };
    let mut out = left.gather(&rows_left);
    for (&var, column) in right.vars().iter().zip(right.columns()) {
        if !left.binds(var) {
            // A column of a hundred million rows takes as long as somebody waits for a cancel.
            budget.check()?;
            out.push(var, column.gather(&rows_right));
        }
    }
    // A pair of tuples that agree where they meet is known by all their variables.
    Ok(out.known_set(left.is_set() && right.is_set()))
}

/// The columns of some variables, all bound.
pub(super) fn columns<'a>(relation: &'a Relation, vars: &[VarId]) -> Vec<&'a Column> {
    vars.iter()
        .filter_map(|var| relation.column(*var))
        .collect()
}

/// Pairs of rows whose keys are equal, ordered by the left row then the right.
pub(super) fn join_rows(
    (left, left_rows): (&[&Column], usize),
    (right, right_rows): (&[&Column], usize),
    budget: &Budget,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let spend = (left.len() + right.len(), budget);
    if left_rows >= right_rows {
        let map = RowMap::new(right, right_rows);
        let probe = map.probe(left, left_rows);
        let pairs = Pairs::of_tasks(left_rows, spend, |rows, pairs| {
            for row in rows {
                for other in probe.matches(row) {
                    pairs.push(row as u32, other)?;
                }
            }
            Ok(())
        })?;
        return Ok((pairs.left, pairs.right));
    }
    let map = RowMap::new(left, left_rows);
    let probe = map.probe(right, right_rows);
    let pairs = Pairs::of_tasks(right_rows, spend, |rows, pairs| {
        for row in rows {
            for other in probe.matches(row) {
                pairs.push(other, row as u32)?;
            }
        }
        Ok(())
    })?;
    Ok(pairs.sorted_by_left(left_rows))
}

/// The rows of `left` that have (or lack) a partner in `right`, by shared variables.
pub(super) fn semi_join_rows(
    left: &Relation,
    right: &Relation,
    on: &[VarId],
    want: bool,
) -> Vec<u32> {
    let all = || (0..left.len() as u32).collect();
    if on.is_empty() {
        return if right.is_empty() != want {
            all()
        } else {
            Vec::new()
        };
    }
    if right.is_empty() {
        return if want { Vec::new() } else { all() };
    }
    let (a, b) = (columns(left, on), columns(right, on));
    RowKeys::new(&b, right.len()).rows_among(&a, left.len(), want)
}

fn product_rows(
    left: usize,
    right: usize,
    columns: usize,
    budget: &Budget,
) -> Result<(Vec<u32>, Vec<u32>)> {
    budget.check_rows(left.saturating_mul(right), columns)?;
    let others: Vec<u32> = (0..right as u32).collect();
    product(left, &others, budget)
}

/// Every row with everything it may go with, in the order of the rows. Looks for a cancel on the way.
pub(super) fn product<T: Copy>(
    rows: usize,
    others: &[T],
    budget: &Budget,
) -> Result<(Vec<u32>, Vec<T>)> {
    let mut left = Vec::with_capacity(rows * others.len());
    let mut right = Vec::with_capacity(rows * others.len());
    let mut unchecked = 0;
    for row in 0..rows as u32 {
        left.extend(std::iter::repeat_n(row, others.len()));
        right.extend_from_slice(others);
        unchecked += others.len();
        if unchecked >= Budget::CHECK_ROWS {
            budget.check()?;
            unchecked = 0;
        }
    }
    Ok((left, right))
}

/// Pairs of rows, or of a row and what else it goes with, growing within a budget.
pub(super) struct Pairs<'a, R = u32> {
    pub(super) left: Vec<u32>,
    pub(super) right: Vec<R>,
    columns: usize,
    budget: &'a Budget,
    /// Pairs that tasks beside this one found, and how many of this one's are among them.
    all: Option<(&'a AtomicUsize, usize)>,
}

impl<'a, R: Copy + Send> Pairs<'a, R> {
    pub(super) fn new(columns: usize, budget: &'a Budget) -> Pairs<'a, R> {
        Pairs {
            left: Vec::new(),
            right: Vec::new(),
            columns,
            budget,
            all: None,
        }
    }

    /// The pairs that tasks find for consecutive rows, in the order of the rows.
    pub(super) fn of_tasks(
        rows: usize,
        (columns, budget): (usize, &'a Budget),
        task: impl Fn(Range<usize>, &mut Pairs<'_, R>) -> Result<()> + Sync,
    ) -> Result<Pairs<'a, R>> {
        let mut pairs = Pairs::new(columns, budget);
        if !fork::is_worth(rows) {
            task(0..rows, &mut pairs)?;
            return Ok(pairs);
        }
        let all = AtomicUsize::new(0);
        let parts = fork::split(rows, |part| {
            let mut pairs = Pairs::new(columns, budget);
            pairs.all = Some((&all, 0));
            task(part, &mut pairs)?;
            Ok((pairs.left, pairs.right))
        });
        let parts: Vec<(Vec<u32>, Vec<R>)> = parts.into_iter().collect::<Result<_>>()?;
        let (left, right) = parts.into_iter().unzip();
        (pairs.left, pairs.right) = (fork::concat(left), fork::concat(right));
        pairs.check()?;
        Ok(pairs)
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, pairs: usize) {
        self.left.reserve(pairs);
        self.right.reserve(pairs);
    }

    pub(super) fn push(&mut self, left: u32, right: R) -> Result<()> {
        self.left.push(left);
        self.right.push(right);
        if self.left.len().is_multiple_of(Budget::CHECK_ROWS) {
            self.check()?;
        }
        Ok(())
    }

    /// Adds one row with each of some others.
    pub(super) fn push_row(&mut self, left: u32, right: &[R]) -> Result<()> {
        let before = self.left.len();
        self.left.extend(std::iter::repeat_n(left, right.len()));
        self.right.extend_from_slice(right);
        if before / Budget::CHECK_ROWS != self.left.len() / Budget::CHECK_ROWS {
            self.check()?;
        }
        Ok(())
    }

    /// Fails where there are more than the budget allows.
    pub(super) fn check(&mut self) -> Result<()> {
        let mut found = self.left.len();
        if let Some((all, told)) = &mut self.all {
            let more = found - *told;
            *told = found;
            found = all.fetch_add(more, Ordering::Relaxed) + more;
        }
        self.budget.check_rows(found, self.columns + 1)
    }
}

impl Pairs<'_> {
    /// Adds so many rows from one on of either side, in step.
    pub(super) fn push_all(&mut self, left: u32, right: u32, count: usize) -> Result<()> {
        self.left.extend(left..left + count as u32);
        self.right.extend(right..right + count as u32);
        self.check()
    }

    /// Counting sort by the left row; stable, so right rows keep their order.
    pub(super) fn sorted_by_left(self, left_rows: usize) -> (Vec<u32>, Vec<u32>) {
        if self.left.is_sorted() {
            return (self.left, self.right);
        }
        let mut starts = vec![0u32; left_rows + 1];
        self.left
            .iter()
            .for_each(|&row| starts[row as usize + 1] += 1);
        for row in 0..left_rows {
            starts[row + 1] += starts[row];
        }
        let (mut left, mut right) = (vec![0; self.left.len()], vec![0; self.left.len()]);
        for (&row, &other) in self.left.iter().zip(&self.right) {
            let at = &mut starts[row as usize];
            left[*at as usize] = row;
            right[*at as usize] = other;
            *at += 1;
        }
        (left, right)
    }
}
