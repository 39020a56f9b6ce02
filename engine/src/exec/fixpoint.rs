//! Rules: semi-naive evaluation driven by demand.
//!
//! A predicate is a rule with a pattern of bound arguments. Its *demand* is the set of bound
//! arguments that anyone asks for; its *answers* are the tuples found for them. The body of a
//! branch is cut at its calls: what reaches call `k` is kept as the supplementary relation `k`.
//! New demand, new supplementary tuples and new answers are each pushed once through the next
//! piece of body, so every pair of a supplementary tuple and an answer meets exactly once.
//!
//! Source: supplementary magic sets, Beeri & Ramakrishnan, "On the power of magic", PODS 1987,
//! section 6; semi-naive evaluation, Bancilhon 1986. Tail calls: see [`crate::plan::TailCall`].

use std::collections::VecDeque;

use super::block::{Context, run_block};
use super::closure;
use super::join::natural_join;
use super::key::rows_equal;
use super::relation::Relation;
use super::table::{Keyed, Table};
use crate::error::Result;
use crate::index::{Cell, Column};
use crate::plan::{Branch, Predicate, Slot, VarId};

/// What a kept cell weighs, in columns of a relation: the cell itself and two hash indexes.
const KEPT_CELL_COLUMNS: usize = 6;

/// Joins a relation with the tuples of a predicate.
pub(super) fn call(
    context: &mut Context<'_>,
    predicate: usize,
    args: &[Slot],
    relation: &Relation,
) -> Result<Relation> {
    let program = std::sync::Arc::clone(&context.program);
    let callee = &program.predicates[predicate];
    if let Some(closure) = &callee.closure {
        return closure::call(context, (callee, closure), args, relation);
    }
    let mut machine = Machine::new(context);
    let demand = machine.demand_of(context, predicate, args, relation);
    machine.ask(predicate, demand);
    machine.run(context)?;
    let answers = machine.tables[predicate].answers.all();
    machine.join_answers(context, predicate, args, relation, &answers)
}

/// What is known of one predicate.
struct PredicateTables {
    demand: Table,
    /// For predicates with tail calls: pairs of a demand and one it was handed on to.
    jumps: Option<Keyed>,
    /// Argument tuples, by their bound arguments.
    answers: Keyed,
    /// For each branch and each of its calls: the tuples that reached it, by the call's bound
    /// arguments.
    supplementary: Vec<Vec<Keyed>>,
}

/// Tuples to push on.
enum Work {
    /// New demand for a predicate.
    Demand {
        predicate: usize,
        columns: Vec<Column>,
        rows: usize,
    },
    /// New pairs of a demand and one it was handed on to.
    Jump {
        predicate: usize,
        columns: Vec<Column>,
        rows: usize,
    },
    /// New answers of a predicate.
    Answers {
        predicate: usize,
        columns: Vec<Column>,
        rows: usize,
    },
}

struct Machine {
    tables: Vec<PredicateTables>,
    /// Who calls each predicate: predicate, branch, call.
    callers: Vec<Vec<(usize, usize, usize)>>,
    work: VecDeque<Work>,
}

impl Machine {
    fn new(context: &Context<'_>) -> Machine {
        let predicates = &context.program.predicates;
        let mut callers = vec![Vec::new(); predicates.len()];
        for (at, predicate) in predicates.iter().enumerate() {
            for (branch_at, branch) in predicate.branches.iter().enumerate() {
                if jumps(predicate) && branch.tail.is_some() {
                    continue;
                }
                for (call_at, call) in branch.calls.iter().enumerate() {
                    callers[call.predicate].push((at, branch_at, call_at));
                }
            }
        }
        let tables = predicates
            .iter()
            .map(|predicate| PredicateTables::new(context, predicate));
        Machine {
            tables: tables.collect(),
            callers,
            work: VecDeque::new(),
        }
    }

    /// The bound arguments of a call, for every tuple of the calling relation.
    fn demand_of(
        &self,
        context: &mut Context<'_>,
        predicate: usize,
        args: &[Slot],
        relation: &Relation,
    ) -> (Vec<Column>, usize) {
        let bound = context.program.predicates[predicate].bound.clone();
        let slots = args
            .iter()
            .zip(&bound)
            .filter(|(_, bound)| **bound)
            .map(|(slot, _)| slot);
        let columns = slots
            .map(|slot| slot_column(context, slot, relation))
            .collect();
        (columns, relation.len())
    }

    fn ask(&mut self, predicate: usize, (columns, rows): (Vec<Column>, usize)) {
        let (columns, rows) = self.tables[predicate].demand.extend(&columns, rows);
        if rows > 0 {
            self.work.push_back(Work::Demand {
                predicate,
                columns,
                rows,
            });
        }
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<()> {
        while let Some(work) = self.work.pop_front() {
            let cells = self.tables.iter().map(PredicateTables::cells).sum();
            context.budget.check_rows(cells, KEPT_CELL_COLUMNS)?;
            match work {
                Work::Demand {
                    predicate,
                    columns,
                    rows,
                } => {
                    self.start(context, predicate, columns, rows)?;
                }
                Work::Jump {
                    predicate,
                    columns,
                    rows,
                } => {
                    self.jump(context, predicate, &columns, rows)?;
                }
                Work::Answers {
                    predicate,
                    columns,
                    rows,
                } => {
                    for (at, branch, call) in self.callers[predicate].clone() {
                        self.meet_answers(context, (at, branch, call), &columns, rows)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs every branch from new demand.
    fn start(
        &mut self,
        context: &mut Context<'_>,
        predicate: usize,
        columns: Vec<Column>,
        rows: usize,
    ) -> Result<()> {
        let program = std::sync::Arc::clone(&context.program);
        let plan = &program.predicates[predicate];
        if let Some(closure) = &plan.closure {
            let (columns, rows) = closure::answers(context, (plan, closure), &columns, rows)?;
            self.answer(predicate, &columns, rows);
            return Ok(());
        }
        if jumps(plan) {
            // Each demand starts out as its own place.
            let pairs: Vec<Column> = columns.iter().chain(&columns).cloned().collect();
            self.hand_on(predicate, &pairs, rows);
            return Ok(());
        }
        for (at, branch) in plan.branches.iter().enumerate() {
            let demand = demand_relation(plan, branch, &columns, rows);
            self.advance(context, (predicate, at, 0), demand)?;
        }
        Ok(())
    }

    fn hand_on(&mut self, predicate: usize, pairs: &[Column], rows: usize) {
        let table = self.tables[predicate]
            .jumps
            .as_mut()
            .expect("only predicates that jump come here");
        let (columns, rows) = table.extend(pairs, rows);
        if rows > 0 {
            self.work.push_back(Work::Jump {
                predicate,
                columns,
                rows,
            });
        }
    }

    /// Moves every demand on from the places it newly reached: tail calls hand it on, the other
    /// branches answer it.
    fn jump(
        &mut self,
        context: &mut Context<'_>,
        predicate: usize,
        columns: &[Column],
        rows: usize,
    ) -> Result<()> {
        let program = std::sync::Arc::clone(&context.program);
        let plan = &program.predicates[predicate];
        let width = columns.len() / 2;
        for branch in &plan.branches {
            // The place drives the body once, however many demands have reached it.
            let places = demand_relation(plan, branch, &columns[width..], rows);
            let reached = run_block(context, &branch.segments[0], places.clone().distinct())?;
            let started = context.started();
            let place_vars: Vec<VarId> = bound_head(plan, branch).collect();
            let origins: Vec<VarId> = (0..width as u32).map(|at| VarId(u32::MAX - at)).collect();
            let mut from = places;
            for (&var, column) in origins.iter().zip(columns) {
                from.push(var, column.clone());
            }
            debug_assert!(
                place_vars
                    .iter()
                    .all(|var| reached.is_empty() || reached.binds(*var))
            );
            let joined = natural_join(&from, &reached, context.budget)?;
            let origin = |context: &mut Context<'_>, var: VarId| {
                slot_column(context, &Slot::Var(var), &joined)
            };
            let mut out: Vec<Column> = origins.iter().map(|&var| origin(context, var)).collect();
            if let Some(tail) = &branch.tail {
                for slot in &tail.demand {
                    out.push(slot_column(context, slot, &joined));
                }
                self.hand_on(predicate, &out, joined.len());
                for call in &branch.calls {
                    context.note(call.id, joined.len(), started);
                }
            } else {
                let mut origins = out.into_iter();
                let args = branch.head.iter().zip(&plan.bound).map(|(var, bound)| {
                    let origin = bound.then(|| origins.next()).flatten();
                    origin.unwrap_or_else(|| slot_column(context, &Slot::Var(*var), &joined))
                });
                let args: Vec<Column> = args.collect();
                self.answer(predicate, &args, joined.len());
            }
        }
        Ok(())
    }

    fn answer(&mut self, predicate: usize, columns: &[Column], rows: usize) {
        let (columns, rows) = self.tables[predicate].answers.extend(columns, rows);
        if rows > 0 {
            self.work.push_back(Work::Answers {
                predicate,
                columns,
                rows,
            });
        }
    }

    /// Runs the piece of body before call `k` (or before the end) and hands its tuples on.
    fn advance(
        &mut self,
        context: &mut Context<'_>,
        (predicate, branch_at, k): (usize, usize, usize),
        input: Relation,
    ) -> Result<()> {
        if input.is_empty() {
            return Ok(());
        }
        let program = std::sync::Arc::clone(&context.program);
        let branch = &program.predicates[predicate].branches[branch_at];
        let reached = run_block(context, &branch.segments[k], input)?;
        if reached.is_empty() {
            return Ok(());
        }
        if k == branch.calls.len() {
            let column = |var: &VarId| slot_column(context, &Slot::Var(*var), &reached);
            let args: Vec<Column> = branch.head.iter().map(column).collect();
            self.answer(predicate, &args, reached.len());
            return Ok(());
        }
        let call = &branch.calls[k];
        let vars = supplementary_vars(&program.predicates[predicate], branch, k);
        let tuples = reached.project(&vars);
        let keyed = keyed_columns(
            context,
            &call.args,
            &program.predicates[call.predicate],
            &tuples,
        );
        let all: Vec<Column> = tuples.columns().iter().chain(&keyed).cloned().collect();
        let table = &mut self.tables[predicate].supplementary[branch_at][k];
        let (new, rows) = table.extend(&all, tuples.len());
        if rows == 0 {
            return Ok(());
        }
        let demand = new[vars.len()..].to_vec();
        self.ask(call.predicate, (demand.clone(), rows));
        let tuples = Relation::new(vars.clone(), new[..vars.len()].to_vec(), rows);
        let keys: Vec<&Column> = demand.iter().collect();
        let started = context.started();
        let answers = &self.tables[call.predicate].answers;
        let (left, right) = answers.pairs(&keys, rows, context)?;
        let found: Vec<Column> = (0..call.args.len())
            .map(|at| answers.gather(at, &right))
            .collect();
        let joined = bind_answers(context, &call.args, tuples.gather(&left), &found);
        context.note(call.id, joined.len(), started);
        self.advance(
            context,
            (predicate, branch_at, k + 1),
            joined.project(&call.keep),
        )
    }

    /// New answers meet the tuples that wait for them.
    fn meet_answers(
        &mut self,
        context: &mut Context<'_>,
        (predicate, branch_at, k): (usize, usize, usize),
        columns: &[Column],
        rows: usize,
    ) -> Result<()> {
        let program = std::sync::Arc::clone(&context.program);
        let branch = &program.predicates[predicate].branches[branch_at];
        let call = &branch.calls[k];
        let callee = &program.predicates[call.predicate];
        let keys: Vec<&Column> = columns
            .iter()
            .zip(&callee.bound)
            .filter(|(_, bound)| **bound)
            .map(|(column, _)| column)
            .collect();
        let started = context.started();
        let waiting = &self.tables[predicate].supplementary[branch_at][k];
        let (left, right) = waiting.pairs(&keys, rows, context)?;
        let vars = supplementary_vars(&program.predicates[predicate], branch, k);
        let tuples: Vec<Column> = (0..vars.len())
            .map(|at| waiting.gather(at, &right))
            .collect();
        let tuples = Relation::new(vars, tuples, right.len());
        let found: Vec<Column> = columns.iter().map(|column| column.gather(&left)).collect();
        let joined = bind_answers(context, &call.args, tuples, &found);
        context.note(call.id, joined.len(), started);
        self.advance(
            context,
            (predicate, branch_at, k + 1),
            joined.project(&call.keep),
        )
    }

    /// Joins a calling relation with all answers.
    fn join_answers(
        &self,
        context: &mut Context<'_>,
        predicate: usize,
        args: &[Slot],
        relation: &Relation,
        answers: &(Vec<Column>, usize),
    ) -> Result<Relation> {
        let table = &self.tables[predicate].answers;
        let (demand, rows) = self.demand_of(context, predicate, args, relation);
        let keys: Vec<&Column> = demand.iter().collect();
        let (left, right) = if keys.is_empty() && rows == 1 {
            (vec![0; answers.1], (0..answers.1 as u32).collect())
        } else {
            table.pairs(&keys, rows, context)?
        };
        let found: Vec<Column> = answers
            .0
            .iter()
            .map(|column| column.gather(&right))
            .collect();
        Ok(bind_answers(context, args, relation.gather(&left), &found))
    }
}

impl PredicateTables {
    /// Cells of all its tables.
    fn cells(&self) -> usize {
        let keyed = self.supplementary.iter().flatten().chain(&self.jumps);
        let keyed = keyed.chain([&self.answers]).map(Keyed::cells);
        self.demand.cells() + keyed.sum::<usize>()
    }

    fn new(context: &Context<'_>, predicate: &Predicate) -> PredicateTables {
        let bound: Vec<usize> = positions(&predicate.bound);
        let supplementary = |branch: &Branch| {
            let table = |(k, call): (usize, &crate::plan::BranchCall)| {
                let vars = supplementary_vars(predicate, branch, k).len();
                let callee = &context.program.predicates[call.predicate];
                let keys = positions(&callee.bound).len();
                Keyed::new(vars + keys, (vars..vars + keys).collect())
            };
            branch.calls.iter().enumerate().map(table).collect()
        };
        PredicateTables {
            demand: Table::new(bound.len()),
            jumps: jumps(predicate).then(|| Keyed::new(bound.len() * 2, Vec::new())),
            answers: Keyed::new(predicate.bound.len(), bound),
            supplementary: predicate.branches.iter().map(supplementary).collect(),
        }
    }
}

/// Whether a predicate recurs only through tail calls, so that demand jumps.
fn jumps(predicate: &Predicate) -> bool {
    predicate
        .branches
        .iter()
        .any(|branch| branch.tail.is_some())
        && predicate
            .branches
            .iter()
            .all(|branch| branch.tail.is_some() || branch.calls.is_empty())
}

fn positions(bound: &[bool]) -> Vec<usize> {
    (0..bound.len()).filter(|&at| bound[at]).collect()
}

fn bound_head<'a>(
    predicate: &'a Predicate,
    branch: &'a Branch,
) -> impl Iterator<Item = VarId> + 'a {
    branch
        .head
        .iter()
        .zip(&predicate.bound)
        .filter(|(_, bound)| **bound)
        .map(|(var, _)| *var)
}

/// Demand as a relation over the head's bound variables.
fn demand_relation(
    predicate: &Predicate,
    branch: &Branch,
    columns: &[Column],
    rows: usize,
) -> Relation {
    let mut relation = Relation::new(Vec::new(), Vec::new(), rows);
    let mut repeated: Option<Vec<u32>> = None;
    for (var, column) in bound_head(predicate, branch).zip(columns) {
        match relation.column(var) {
            None => relation.push(var, column.clone()),
            Some(first) => {
                let same = |row: &u32| first.cell(*row as usize) == column.cell(*row as usize);
                let rows = repeated
                    .take()
                    .unwrap_or_else(|| (0..rows as u32).collect());
                repeated = Some(rows.into_iter().filter(same).collect());
            }
        }
    }
    match repeated {
        Some(rows) => relation.gather(&rows),
        None => relation,
    }
}

/// The variables kept for call `k`: those it takes and those needed after it.
fn supplementary_vars(predicate: &Predicate, branch: &Branch, k: usize) -> Vec<VarId> {
    let call = &branch.calls[k];
    let callee_args = call.args.iter().filter_map(Slot::var);
    let mut vars: Vec<VarId> = Vec::new();
    let before = vars_before(predicate, branch, k);
    for var in call.keep.iter().copied().chain(callee_args) {
        if before.contains(&var) && !vars.contains(&var) {
            vars.push(var);
        }
    }
    vars
}

/// The variables that are bound when call `k` is reached.
fn vars_before(predicate: &Predicate, branch: &Branch, k: usize) -> Vec<VarId> {
    let mut vars: Vec<VarId> = bound_head(predicate, branch).collect();
    for segment in &branch.segments[..=k] {
        segment
            .steps
            .iter()
            .for_each(|step| crate::plan::op_vars(&step.op, &mut vars));
    }
    for call in &branch.calls[..k] {
        vars.extend(call.args.iter().filter_map(Slot::var));
    }
    vars
}

fn keyed_columns(
    context: &mut Context<'_>,
    args: &[Slot],
    callee: &Predicate,
    tuples: &Relation,
) -> Vec<Column> {
    let bound = args.iter().zip(&callee.bound).filter(|(_, bound)| **bound);
    bound
        .map(|(slot, _)| slot_column(context, slot, tuples))
        .collect()
}

/// The column of a slot: a variable's, or a constant repeated.
pub(super) fn slot_column(context: &mut Context<'_>, slot: &Slot, relation: &Relation) -> Column {
    match slot {
        Slot::Var(var) => relation
            .column(*var)
            .cloned()
            .unwrap_or_else(|| Column::constant(Cell::NIL, relation.len())),
        Slot::Const(value) => Column::constant(context.interner.cell(value), relation.len()),
        Slot::Blank => Column::constant(Cell::NIL, relation.len()),
    }
}

/// Binds the arguments of a call to answers, row by row; rows that contradict what was bound drop.
fn bind_answers(
    context: &mut Context<'_>,
    args: &[Slot],
    mut tuples: Relation,
    found: &[Column],
) -> Relation {
    let mut checks: Vec<(Column, &Column)> = Vec::new();
    for (slot, column) in args.iter().zip(found) {
        match slot {
            Slot::Blank => {}
            Slot::Const(_) => checks.push((slot_column(context, slot, &tuples), column)),
            Slot::Var(var) => match tuples.column(*var) {
                Some(bound) => checks.push((bound.clone(), column)),
                None => tuples.push(*var, column.clone()),
            },
        }
    }
    if checks.is_empty() {
        return tuples;
    }
    let agree = |row: &u32| {
        checks
            .iter()
            .all(|(a, b)| rows_equal(&[a], *row as usize, &[*b], *row as usize))
    };
    let rows: Vec<u32> = (0..tuples.len() as u32).filter(agree).collect();
    if rows.len() == tuples.len() {
        tuples
    } else {
        tuples.gather(&rows)
    }
}
