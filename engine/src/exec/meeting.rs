//! Where the tuples that wait for a call of a rule meet the rule's answers.

use super::block::Context;
use super::fixpoint::slot_column;
use super::relation::Relation;
use super::table::Table;
use crate::index::Column;
use crate::plan::{Slot, VarId};

/// A call of a rule, as what waits for it and what comes of the two.
pub(super) struct Meeting {
    /// Variables that a waiting tuple says, and then the constants that the call does.
    vars: Vec<VarId>,
    constants: Vec<Slot>,
    /// The columns of waiting tuples that are arguments of the call, and which.
    pub(super) key: Vec<usize>,
    pub(super) args: Vec<usize>,
    /// The columns of waiting tuples that make the demand.
    demand: Vec<usize>,
    /// Variables that the answers bind, and the arguments that say them.
    takes: Vec<(VarId, usize)>,
    /// Arguments that must be as others.
    repeats: Vec<(usize, usize)>,
    keep: Vec<VarId>,
    /// Whether different pairs make different tuples.
    is_telling: bool,
}

impl Meeting {
    /// - `before`: variables bound before the call.
    /// - `args`: its arguments; `bound`: which of them make the demand.
    /// - `keep`: variables needed after it.
    pub(super) fn new(
        before: &[VarId],
        (args, bound): (&[Slot], &[bool]),
        keep: &[VarId],
    ) -> Meeting {
        let mut vars: Vec<VarId> = Vec::new();
        for var in keep
            .iter()
            .copied()
            .chain(args.iter().filter_map(Slot::var))
        {
            if before.contains(&var) && !vars.contains(&var) {
                vars.push(var);
            }
        }
        let mut meeting = Meeting {
            is_telling: vars.iter().all(|var| keep.contains(var)) && !args.contains(&Slot::Blank),
            keep: keep.to_vec(),
            constants: Vec::new(),
            key: Vec::new(),
            args: Vec::new(),
            demand: Vec::new(),
            takes: Vec::new(),
            repeats: Vec::new(),
            vars,
        };
        for (at, (slot, is_bound)) in args.iter().zip(bound).enumerate() {
            meeting.argument(at, slot, *is_bound);
        }
        let takes = meeting.takes.len();
        meeting.takes.retain(|(var, _)| keep.contains(var));
        meeting.is_telling &= takes == meeting.takes.len();
        meeting
    }

    fn argument(&mut self, at: usize, slot: &Slot, is_bound: bool) {
        let column = match slot {
            Slot::Blank => return,
            Slot::Const(_) => {
                self.constants.push(slot.clone());
                self.vars.len() + self.constants.len() - 1
            }
            Slot::Var(var) => match self.vars.iter().position(|known| known == var) {
                Some(column) => column,
                None => {
                    match self.takes.iter().find(|(taken, _)| taken == var) {
                        Some((_, first)) => self.repeats.push((*first, at)),
                        None => self.takes.push((*var, at)),
                    }
                    return;
                }
            },
        };
        self.key.push(column);
        self.args.push(at);
        if is_bound {
            self.demand.push(column);
        }
    }

    /// The columns of a waiting tuple.
    pub(super) fn width(&self) -> usize {
        self.vars.len() + self.constants.len()
    }

    /// The tuples of a relation, as they wait.
    pub(super) fn waiting(&self, context: &mut Context<'_>, relation: &Relation) -> Vec<Column> {
        let vars = self.vars.iter().map(|var| Slot::Var(*var));
        let slots: Vec<Slot> = vars.chain(self.constants.iter().cloned()).collect();
        let column = |slot: &Slot| slot_column(context, slot, relation);
        slots.iter().map(column).collect()
    }

    /// What waiting tuples ask of the rule.
    pub(super) fn demand(&self, waiting: &[Column]) -> Vec<Column> {
        self.demand.iter().map(|&at| waiting[at].clone()).collect()
    }

    /// The tuples that pairs make.
    pub(super) fn joined(&self, waiting: &Side<'_>, answers: &Side<'_>, rows: usize) -> Relation {
        let mut out = Relation::new(Vec::new(), Vec::new(), rows);
        for (at, &var) in self.vars.iter().enumerate() {
            if self.keep.contains(&var) {
                out.push(var, waiting.column(at));
            }
        }
        for &(var, at) in &self.takes {
            out.push(var, answers.column(at));
        }
        let out = out.known_set(self.is_telling);
        if self.repeats.is_empty() {
            return out;
        }
        let repeats = self.repeats.iter();
        let repeats = repeats.map(|&(a, b)| (answers.column(a), answers.column(b)));
        let repeats: Vec<(Column, Column)> = repeats.collect();
        let agree = |&row: &u32| {
            let mut repeats = repeats.iter();
            repeats.all(|(a, b)| a.cell(row as usize) == b.cell(row as usize))
        };
        out.select(&(0..rows as u32).filter(agree).collect::<Vec<_>>())
    }
}

/// One side of pairs of tuples.
pub(super) enum Side<'a> {
    /// Rows of a table.
    Table(&'a Table, &'a [u32]),
    /// Rows of columns.
    Columns(&'a [Column], &'a [u32]),
    /// Each row once, in order.
    Whole(&'a [Column]),
}

impl Side<'_> {
    fn column(&self, at: usize) -> Column {
        match self {
            Side::Table(table, rows) => table.gather(at, rows),
            Side::Columns(columns, rows) => columns[at].gather(rows),
            Side::Whole(columns) => columns[at].clone(),
        }
    }
}
