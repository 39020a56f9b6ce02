//! Aggregates of rows as they come out of a [`Stretch`]: groups and totals are kept, rows are not.
//!
//! Only what does not depend on the order of the rows is worked out here: counts, and sums, means
//! and extremes of integers. Everything else is [`aggregate`](super::aggregate)'s.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::answer::{AnswerColumn, plain_var};
use super::grouping::Grouping;
use super::relation::Relation;
use super::shared::Shared;
use super::stretch::Stretch;
use crate::error::Result;
use crate::function::Aggregate;
use crate::index::{Column, Kind};
use crate::plan::VarId;
use crate::query::ast::{Arg, FindElement, FunctionName, Var};

/// What a find asks of its groups.
pub(super) struct Fold {
    /// All variables that the find speaks of.
    needed: Vec<VarId>,
    keys: Vec<VarId>,
    /// The variables that are added up.
    added: Vec<VarId>,
    elements: Vec<Element>,
}

/// A find element, by what it is worked out from.
enum Element {
    /// A key.
    Key(usize),
    Count,
    Sum(usize),
    Avg(usize),
    Min(usize),
    Max(usize),
}

impl Fold {
    /// None for a find that needs its rows.
    pub(super) fn new(
        find: &[&FindElement],
        needed: Vec<VarId>,
        scope: &HashMap<Var, VarId>,
    ) -> Option<Fold> {
        let mut fold = Fold {
            needed,
            keys: Vec::new(),
            added: Vec::new(),
            elements: Vec::new(),
        };
        for element in find {
            let element = match element {
                FindElement::Var(_) | FindElement::Pull { .. } => {
                    fold.keys.push(*scope.get(plain_var(element)?)?);
                    Element::Key(fold.keys.len() - 1)
                }
                FindElement::Aggregate { function, args, .. } => {
                    let (FunctionName::Named(name), [Arg::Var(var)]) = (function, &args[..]) else {
                        return None;
                    };
                    let (aggregate, var) = (Aggregate::lookup(name.as_str())?, *scope.get(var)?);
                    match aggregate {
                        Aggregate::Count => Element::Count,
                        Aggregate::Sum => Element::Sum(fold.place(var)),
                        Aggregate::Avg => Element::Avg(fold.place(var)),
                        Aggregate::Min => Element::Min(fold.place(var)),
                        Aggregate::Max => Element::Max(fold.place(var)),
                        _ => return None,
                    }
                }
            };
            fold.elements.push(element);
        }
        Some(fold)
    }

    fn place(&mut self, var: VarId) -> usize {
        let known = self.added.iter().position(|other| *other == var);
        known.unwrap_or_else(|| {
            self.added.push(var);
            self.added.len() - 1
        })
    }

    /// The columns of the find, one row per group, in order of each group's first tuple; none where
    /// tuples may repeat, or where they hold what cannot be added up here.
    pub(super) fn run(&self, stretch: &Stretch<'_>, shared: Shared<'_>) -> Result<Option<Folded>> {
        let is_bound = |var: &VarId| stretch.vars().contains(var);
        if !stretch.is_set() || !self.needed.iter().all(is_bound) {
            return Ok(None);
        }
        let is_unfit = AtomicBool::new(false);
        let start = || Totals::new(self);
        let add = |totals: &mut Totals, rows: Relation| {
            let started = Instant::now();
            if !is_unfit.load(Ordering::Relaxed) {
                match totals.add(self, &rows) {
                    Some(()) => shared
                        .budget
                        .check_rows(totals.groups.len(), self.width())?,
                    None => is_unfit.store(true, Ordering::Relaxed),
                }
            }
            totals.took += started.elapsed();
            Ok(())
        };
        let mut shares = stretch.fold(shared, start, add)?.into_iter();
        let Some(mut all) = shares.next() else {
            return Ok(None);
        };
        shares.for_each(|share| all.join(share));
        if is_unfit.into_inner() || all.may_overflow() {
            return Ok(None);
        }
        all.compact();
        let keys = all.groups.keys();
        let columns = self.elements.iter().map(|e| all.column(e, &keys)).collect();
        Ok(Some(Folded {
            columns,
            groups: all.groups.len(),
            took: all.took / stretch.threads(),
        }))
    }

    /// Cells of a group at most.
    fn width(&self) -> usize {
        self.keys.len() + 3 * self.added.len() + 1
    }
}

/// The answer of a find.
pub(super) struct Folded {
    /// The columns of the find.
    pub(super) columns: Vec<AnswerColumn>,
    /// Their rows.
    pub(super) groups: usize,
    /// The time that adding up took.
    pub(super) took: Duration,
}

/// The groups so far, and what their rows add up to.
struct Totals {
    groups: Grouping,
    added: Vec<Sums>,
    took: Duration,
}

/// What the integers of one variable add up to, by group; what nobody asks for stays empty.
#[derive(Default)]
struct Sums {
    sums: Option<Vec<i64>>,
    mins: Option<Vec<i64>>,
    maxs: Option<Vec<i64>>,
    /// Rows, and the largest distance of one from zero.
    rows: u64,
    largest: u64,
}

/// One total of each group, that of a group without rows, and how two come together.
type Total<'t> = (&'t mut Vec<i64>, i64, fn(i64, i64) -> i64);

impl Totals {
    fn new(fold: &Fold) -> Totals {
        Totals {
            groups: Grouping::new(fold.keys.len()),
            added: (0..fold.added.len())
                .map(|at| Sums::new(fold, at))
                .collect(),
            took: Duration::ZERO,
        }
    }

    /// Adds some rows; none if they hold what cannot be added up.
    fn add(&mut self, fold: &Fold, rows: &Relation) -> Option<()> {
        let columns = |vars: &[VarId]| -> Option<Vec<&Column>> {
            vars.iter().map(|var| rows.column(*var)).collect()
        };
        let added = &mut self.added;
        let groups = self.groups.add(&columns(&fold.keys)?, rows.len(), |old| {
            added.iter_mut().for_each(|sums| sums.gather(old));
        });
        for (sums, column) in self.added.iter_mut().zip(columns(&fold.added)?) {
            if column.kind() != Some(Kind::Long) {
                return None;
            }
            sums.resize(self.groups.len());
            match &groups {
                None => sums.add_all(column.bits()),
                Some(of_row) => sums.add(of_row, column.bits()),
            }
        }
        Some(())
    }

    /// Adds what was found in rows that come after.
    fn join(&mut self, mut later: Totals) {
        later.compact();
        let added = &mut self.added;
        let numbers = self.groups.join(&later.groups, |old| {
            added.iter_mut().for_each(|sums| sums.gather(old));
        });
        for (sums, mut later) in self.added.iter_mut().zip(later.added) {
            sums.resize(self.groups.len());
            for ((totals, _, join), (later, _, _)) in sums.totals().zip(later.totals()) {
                for (&group, n) in numbers.iter().zip(later) {
                    let total = &mut totals[group as usize];
                    *total = join(*total, *n);
                }
            }
            sums.rows += later.rows;
            sums.largest = sums.largest.max(later.largest);
        }
        self.took += later.took;
    }

    /// Numbers the groups by first appearance.
    fn compact(&mut self) {
        let old = self.groups.compact();
        self.added.iter_mut().for_each(|sums| sums.gather(&old));
    }

    /// Whether a sum may outgrow 64 bits on the way, in some order.
    fn may_overflow(&self) -> bool {
        let most = |sums: &Sums| u128::from(sums.rows) * u128::from(sums.largest);
        self.added.iter().any(|sums| most(sums) > i64::MAX as u128)
    }

    fn column(&self, element: &Element, keys: &[Column]) -> AnswerColumn {
        let longs = |longs: &Option<Vec<i64>>| Column::longs(longs.as_deref().unwrap_or_default());
        AnswerColumn::Cells(match element {
            Element::Key(at) => keys[*at].clone(),
            Element::Count => Column::uniform(Kind::Long, self.groups.counts().to_vec()),
            Element::Sum(at) => longs(&self.added[*at].sums),
            Element::Min(at) => longs(&self.added[*at].mins),
            Element::Max(at) => longs(&self.added[*at].maxs),
            Element::Avg(at) => {
                let sums = self.added[*at]
                    .sums
                    .iter()
                    .flatten()
                    .zip(self.groups.counts());
                let means = sums.map(|(&sum, &count)| (sum as f64 / count as f64).to_bits());
                Column::uniform(Kind::Double, means.collect::<Vec<_>>())
            }
        })
    }
}

impl Sums {
    /// For the variable at a place of those that a fold adds up.
    fn new(fold: &Fold, at: usize) -> Sums {
        let wants = |is: &dyn Fn(&Element) -> bool| fold.elements.iter().any(is).then(Vec::new);
        Sums {
            sums: wants(&|e| matches!(e, Element::Sum(of) | Element::Avg(of) if *of == at)),
            mins: wants(&|e| matches!(e, Element::Min(of) if *of == at)),
            maxs: wants(&|e| matches!(e, Element::Max(of) if *of == at)),
            rows: 0,
            largest: 0,
        }
    }

    /// What is asked for.
    fn totals(&mut self) -> impl Iterator<Item = Total<'_>> {
        let sums = self
            .sums
            .as_mut()
            .map(|sums| (sums, 0, i64::wrapping_add as _));
        let mins = self
            .mins
            .as_mut()
            .map(|mins| (mins, i64::MAX, i64::min as _));
        let maxs = self
            .maxs
            .as_mut()
            .map(|maxs| (maxs, i64::MIN, i64::max as _));
        [sums, mins, maxs].into_iter().flatten()
    }

    /// Puts groups in another order.
    fn gather(&mut self, old: &[u32]) {
        for (totals, ..) in self.totals() {
            *totals = old.iter().map(|&at| totals[at as usize]).collect();
        }
    }

    fn resize(&mut self, groups: usize) {
        self.totals()
            .for_each(|(totals, none, _)| totals.resize(groups, none));
    }

    /// Adds rows of many groups.
    fn add(&mut self, of_row: &[u32], bits: &[u64]) {
        fn each(totals: &mut [i64], of_row: &[u32], bits: &[u64], join: impl Fn(i64, i64) -> i64) {
            for (&group, &bits) in of_row.iter().zip(bits) {
                let total = &mut totals[group as usize];
                *total = join(*total, bits as i64);
            }
        }
        if let Some(sums) = &mut self.sums {
            each(sums, of_row, bits, i64::wrapping_add);
        }
        if let Some(mins) = &mut self.mins {
            each(mins, of_row, bits, i64::min);
        }
        if let Some(maxs) = &mut self.maxs {
            each(maxs, of_row, bits, i64::max);
        }
        self.note(bits);
    }

    /// Adds rows of the one group there is.
    fn add_all(&mut self, bits: &[u64]) {
        let longs = || bits.iter().map(|&bits| bits as i64);
        if let Some(sums) = &mut self.sums {
            sums[0] = longs().fold(sums[0], i64::wrapping_add);
        }
        if let Some(mins) = &mut self.mins {
            mins[0] = longs().fold(mins[0], i64::min);
        }
        if let Some(maxs) = &mut self.maxs {
            maxs[0] = longs().fold(maxs[0], i64::max);
        }
        self.note(bits);
    }

    fn note(&mut self, bits: &[u64]) {
        self.rows += bits.len() as u64;
        let sizes = bits.iter().map(|&bits| (bits as i64).unsigned_abs());
        self.largest = sizes.fold(self.largest, u64::max);
    }
}
