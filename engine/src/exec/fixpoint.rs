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
use std::sync::Arc;

use super::block::{Context, run_block};
use super::closure;
use super::join::natural_join;
use super::meeting::{Meeting, Side};
use super::relation::Relation;
use super::table::Table;
use crate::error::Result;
use crate::index::{Cell, Column};
use crate::plan::{Branch, Predicate, Program, Slot, VarId};

/// Most tuples that are pushed on at once: what they make on the way stays small.
const NEWS_ROWS: usize = 1 << 17;

/// Joins a relation with the tuples of a predicate.
pub(super) fn call(
    context: &mut Context<'_>,
    predicate: usize,
    args: &[Slot],
    relation: &Relation,
) -> Result<Relation> {
    let program = Arc::clone(&context.program);
    let callee = &program.predicates[predicate];
    if let Some(closure) = &callee.closure {
        return closure::call(context, (callee, closure), args, relation);
    }
    let mut keep = relation.vars().to_vec();
    for var in args.iter().filter_map(Slot::var) {
        if !keep.contains(&var) {
            keep.push(var);
        }
    }
    if relation.is_empty() {
        return Ok(Relation::empty(&keep));
    }
    let meeting = Meeting::new(relation.vars(), (args, &callee.bound), &keep);
    let waiting = meeting.waiting(context, relation);
    let mut machine = Machine::new(&program);
    let asked = Work(Stage::Demand, predicate);
    machine.add(asked, &meeting.demand(&waiting), relation.len());
    machine.run(context)?;
    let mut answers = machine.tables.swap_remove(predicate).answers;
    let rows = answers.len();
    if waiting.is_empty() && relation.len() == 1 {
        let answers = answers.into_columns();
        return Ok(meeting.joined(&Side::Whole(&[]), &Side::Whole(&answers), rows));
    }
    let keys: Vec<&Column> = meeting.key.iter().map(|&at| &waiting[at]).collect();
    let others = (&keys[..], relation.len());
    let (left, right) = answers.pairs(&meeting.args, others, keep.len(), context.budget)?;
    let (left_side, right_side) = (
        Side::Columns(&waiting, &left),
        Side::Table(&answers, &right),
    );
    let joined = meeting.joined(&left_side, &right_side, left.len());
    let is_set = joined.is_set() && relation.is_set();
    Ok(joined.known_set(is_set))
}

/// What is known of one predicate.
struct PredicateTables {
    demand: Table,
    /// For predicates with tail calls: pairs of a demand and one it was handed on to.
    jumps: Table,
    /// Argument tuples.
    answers: Table,
    /// For each branch and each of its calls: the tuples that reached it.
    waiting: Vec<Vec<Table>>,
}

/// News of a predicate, to be pushed on.
#[derive(Clone, Copy)]
struct Work(Stage, usize);

#[derive(Clone, Copy)]
enum Stage {
    Demand,
    /// A demand was handed on to another.
    Jump,
    Answers,
}

struct Machine<'p> {
    program: &'p Program,
    /// For each predicate, branch and call, what comes of it.
    meetings: Vec<Vec<Vec<Arc<Meeting>>>>,
    /// Who calls each predicate: predicate, branch, call.
    callers: Vec<Vec<(usize, usize, usize)>>,
    tables: Vec<PredicateTables>,
    /// Each table with news is here once.
    work: VecDeque<Work>,
}

impl<'p> Machine<'p> {
    fn new(program: &'p Program) -> Machine<'p> {
        let predicates = &program.predicates;
        let mut callers = vec![Vec::new(); predicates.len()];
        let mut meetings = Vec::with_capacity(predicates.len());
        for (at, predicate) in predicates.iter().enumerate() {
            let mut of_predicate = Vec::with_capacity(predicate.branches.len());
            for (branch_at, branch) in predicate.branches.iter().enumerate() {
                let mut of_branch = Vec::with_capacity(branch.calls.len());
                for (call_at, call) in branch.calls.iter().enumerate() {
                    let before = vars_before(predicate, branch, call_at);
                    let bound = &predicates[call.predicate].bound;
                    let meeting = Meeting::new(&before, (&call.args, bound), &call.keep);
                    of_branch.push(Arc::new(meeting));
                    if !(jumps(predicate) && branch.tail.is_some()) {
                        callers[call.predicate].push((at, branch_at, call_at));
                    }
                }
                of_predicate.push(of_branch);
            }
            meetings.push(of_predicate);
        }
        let tables = predicates.iter().zip(&meetings);
        Machine {
            tables: tables.map(|(p, m)| PredicateTables::new(p, m)).collect(),
            program,
            meetings,
            callers,
            work: VecDeque::new(),
        }
    }

    fn table(&mut self, Work(stage, predicate): Work) -> &mut Table {
        let tables = &mut self.tables[predicate];
        match stage {
            Stage::Demand => &mut tables.demand,
            Stage::Jump => &mut tables.jumps,
            Stage::Answers => &mut tables.answers,
        }
    }

    /// Adds tuples; what is new among them will be pushed on.
    fn add(&mut self, work: Work, columns: &[Column], rows: usize) {
        let table = self.table(work);
        let has_waited = table.has_news();
        table.extend(columns, rows);
        if !has_waited && table.has_news() {
            self.work.push_back(work);
        }
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<()> {
        while let Some(work) = self.work.pop_front() {
            let (bytes, rows) = self.weight();
            context.budget.check_bytes(bytes, rows)?;
            let table = self.table(work);
            let rows = table.news(NEWS_ROWS);
            let columns = table.part(rows.clone());
            let Work(stage, predicate) = work;
            match stage {
                Stage::Demand => self.start(context, predicate, &columns, rows.len())?,
                Stage::Jump => self.jump(context, predicate, &columns, rows.len())?,
                Stage::Answers => {
                    for at in 0..self.callers[predicate].len() {
                        let caller = self.callers[predicate][at];
                        self.meet_answers(context, caller, &columns, rows.len())?;
                    }
                }
            }
            let table = self.table(work);
            table.tell(rows.end);
            if table.has_news() {
                self.work.push_back(work);
            }
        }
        Ok(())
    }

    /// Bytes that all tables hold, and tuples.
    fn weight(&self) -> (usize, usize) {
        let tables = self.tables.iter().flat_map(PredicateTables::all);
        tables.fold((0, 0), |(bytes, rows), table| {
            (bytes + table.bytes(), rows + table.len())
        })
    }

    /// Runs every branch from new demand.
    fn start(
        &mut self,
        context: &mut Context<'_>,
        predicate: usize,
        columns: &[Column],
        rows: usize,
    ) -> Result<()> {
        let plan = &self.program.predicates[predicate];
        if let Some(closure) = &plan.closure {
            let (columns, rows) = closure::answers(context, (plan, closure), columns, rows)?;
            self.add(Work(Stage::Answers, predicate), &columns, rows);
            return Ok(());
        }
        if jumps(plan) {
            // Each demand starts out as its own place.
            let pairs: Vec<Column> = columns.iter().chain(columns).cloned().collect();
            self.add(Work(Stage::Jump, predicate), &pairs, rows);
            return Ok(());
        }
        for (at, branch) in plan.branches.iter().enumerate() {
            let demand = demand_relation(plan, branch, columns, rows);
            self.advance(context, (predicate, at, 0), demand)?;
        }
        Ok(())
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
        let plan = &self.program.predicates[predicate];
        let width = columns.len() / 2;
        let origins: Vec<VarId> = (0..width as u32).map(|at| VarId(u32::MAX - at)).collect();
        for branch in &plan.branches {
            // The place drives the body once, however many demands have reached it.
            let places = demand_relation(plan, branch, &columns[width..], rows);
            let reached = run_block(context, &branch.segments[0], places.clone().distinct())?;
            let started = context.started();
            let mut from = places;
            for (&var, column) in origins.iter().zip(columns) {
                from.push(var, column.clone());
            }
            debug_assert!(
                bound_head(plan, branch).all(|var| reached.is_empty() || reached.binds(var))
            );
            let joined = natural_join(&from, &reached, context.budget)?;
            let mut column = |slot: &Slot| slot_column(context, slot, &joined);
            let mut origins = origins.iter().map(|&var| Slot::Var(var));
            if let Some(tail) = &branch.tail {
                let origins: Vec<Slot> = origins.collect();
                let out: Vec<Column> = origins.iter().chain(&tail.demand).map(column).collect();
                self.add(Work(Stage::Jump, predicate), &out, joined.len());
                for call in &branch.calls {
                    context.note(call.id, joined.len(), started);
                }
            } else {
                let args = branch.head.iter().zip(&plan.bound).map(|(var, bound)| {
                    let origin = bound.then(|| origins.next()).flatten();
                    column(&origin.unwrap_or(Slot::Var(*var)))
                });
                let args: Vec<Column> = args.collect();
                self.add(Work(Stage::Answers, predicate), &args, joined.len());
            }
        }
        Ok(())
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
        let branch = &self.program.predicates[predicate].branches[branch_at];
        let reached = run_block(context, &branch.segments[k], input)?;
        if reached.is_empty() {
            return Ok(());
        }
        let Some(call) = branch.calls.get(k) else {
            let column = |var: &VarId| slot_column(context, &Slot::Var(*var), &reached);
            let args: Vec<Column> = branch.head.iter().map(column).collect();
            self.add(Work(Stage::Answers, predicate), &args, reached.len());
            return Ok(());
        };
        let meeting = Arc::clone(&self.meetings[predicate][branch_at][k]);
        let waiting = meeting.waiting(context, &reached);
        let table = &mut self.tables[predicate].waiting[branch_at][k];
        let new = table.extend(&waiting, reached.len());
        if new.is_empty() {
            return Ok(());
        }
        table.tell(new.end);
        let (waiting, rows) = (table.part(new.clone()), new.len());
        self.add(
            Work(Stage::Demand, call.predicate),
            &meeting.demand(&waiting),
            rows,
        );
        // Answers that are news still will meet these tuples in their turn.
        let started = context.started();
        let keys: Vec<&Column> = meeting.key.iter().map(|&at| &waiting[at]).collect();
        let answers = &mut self.tables[call.predicate].answers;
        if answers.told() == 0 {
            return Ok(());
        }
        let joined = if waiting.is_empty() {
            let told = answers.part(0..answers.told());
            meeting.joined(&Side::Whole(&[]), &Side::Whole(&told), answers.told())
        } else {
            let width = call.keep.len();
            let (left, right) =
                answers.pairs(&meeting.args, (&keys, rows), width, context.budget)?;
            let answers = Side::Table(answers, &right);
            meeting.joined(&Side::Columns(&waiting, &left), &answers, left.len())
        };
        context.note(call.id, joined.len(), started);
        self.advance(context, (predicate, branch_at, k + 1), joined)
    }

    /// New answers meet the tuples that wait for them.
    fn meet_answers(
        &mut self,
        context: &mut Context<'_>,
        (predicate, branch_at, k): (usize, usize, usize),
        answers: &[Column],
        rows: usize,
    ) -> Result<()> {
        let call = &self.program.predicates[predicate].branches[branch_at].calls[k];
        let meeting = Arc::clone(&self.meetings[predicate][branch_at][k]);
        let started = context.started();
        let waiting = &mut self.tables[predicate].waiting[branch_at][k];
        if waiting.len() == 0 {
            return Ok(());
        }
        let joined = if meeting.width() == 0 {
            meeting.joined(&Side::Whole(&[]), &Side::Whole(answers), rows)
        } else {
            let keys: Vec<&Column> = meeting.args.iter().map(|&at| &answers[at]).collect();
            let width = call.keep.len();
            let (right, left) =
                waiting.pairs(&meeting.key, (&keys, rows), width, context.budget)?;
            let answers = Side::Columns(answers, &right);
            meeting.joined(&Side::Table(waiting, &left), &answers, left.len())
        };
        context.note(call.id, joined.len(), started);
        let branch = &self.program.predicates[predicate].branches[branch_at];
        let joined = match branch.segments[k + 1].steps[..] {
            [] => joined,
            _ => joined.distinct(),
        };
        self.advance(context, (predicate, branch_at, k + 1), joined)
    }
}

impl PredicateTables {
    fn new(predicate: &Predicate, meetings: &[Vec<Arc<Meeting>>]) -> PredicateTables {
        let bound = predicate.bound.iter().filter(|bound| **bound).count();
        let waiting = |calls: &Vec<Arc<Meeting>>| {
            let widths = calls.iter().map(|meeting| meeting.width());
            widths.map(Table::new).collect()
        };
        PredicateTables {
            demand: Table::new(bound),
            jumps: Table::new(bound * 2),
            answers: Table::new(predicate.bound.len()),
            waiting: meetings.iter().map(waiting).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Table> {
        let own = [&self.demand, &self.jumps, &self.answers];
        own.into_iter().chain(self.waiting.iter().flatten())
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
