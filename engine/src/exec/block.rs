//! Running a block: each step turns the relation so far into the next.

use std::sync::Arc;
use std::time::Instant;

use super::access::AccessPath;
use super::arrangement::{self, Arrangements};
use super::budget::Budget;
use super::call;
use super::fixpoint;
use super::fold::{Fold, Folded};
use super::graph_call::Graphs;
use super::intersect::intersect;
use super::join::{natural_join, semi_join_rows};
use super::nearest;
use super::relation::Relation;
use super::shared::Shared;
use super::source::Sources;
use super::stretch::Stretch;
use super::trace::Trace;
use crate::error::{Error, Result};
use crate::index::Interner;
use crate::plan::{Block, Op, Program, Step, StepId, VarId};
use crate::script::Finder;
use crate::value::Value;

/// Everything a running query reads and the dictionary it adds to.
pub(super) struct Context<'a> {
    pub(super) program: Arc<Program>,
    pub(super) sources: Sources,
    pub(super) interner: Interner,
    pub(super) budget: &'a Budget,
    /// Functions that users wrote, by names that come up on the way.
    pub(super) functions: Finder,
    /// The rules as given, for nested queries.
    pub(super) rules: Value,
    /// The graphs that functions walked so far.
    pub(super) graphs: Graphs,
    /// What steps asked again and again.
    pub(super) arrangements: Arrangements,
    /// How many queries are around this one.
    pub(super) depth: usize,
    /// What each step did, if somebody asked.
    pub(super) trace: Option<&'a mut Trace>,
}

impl Context<'_> {
    /// What steps read that change nothing.
    pub(super) fn shared(&self) -> Shared<'_> {
        Shared {
            sources: &self.sources,
            interner: &self.interner,
            budget: self.budget,
            functions: &self.functions,
        }
    }

    /// Now, if somebody asks how long things take.
    pub(super) fn started(&self) -> Option<Instant> {
        self.trace.as_ref().map(|_| Instant::now())
    }

    /// Notes something that is done once.
    pub(super) fn note_stage(&mut self, name: &'static str, rows: usize, since: Option<Instant>) {
        if let (Some(trace), Some(since)) = (&mut self.trace, since) {
            trace.note_stage(name, rows, since.elapsed());
        }
    }

    /// Notes that a step ran.
    pub(super) fn note(&mut self, id: StepId, rows: usize, since: Option<Instant>) {
        if let (Some(trace), Some(since)) = (&mut self.trace, since) {
            trace.note(id, rows, since.elapsed());
        }
    }

    /// Notes how the step that runs finds its rows.
    pub(super) fn note_path(&mut self, path: AccessPath) {
        if let Some(trace) = &mut self.trace {
            trace.note_path(path);
        }
    }
}

/// Runs a block from a relation.
pub(super) fn run_block(
    context: &mut Context<'_>,
    block: &Block,
    relation: Relation,
) -> Result<Relation> {
    match run_steps(context, block, relation, None)? {
        Outcome::Relation(relation) => Ok(relation),
        Outcome::Groups(_) => unreachable!("nobody asked for groups"),
    }
}

/// What comes of a block.
pub(super) enum Outcome {
    /// Its rows.
    Relation(Relation),
    /// Its rows added up.
    Groups(Folded),
}

/// As [`run_block`]; where the last steps allow it their rows are added up as a find asks.
pub(super) fn run_steps(
    context: &mut Context<'_>,
    block: &Block,
    mut relation: Relation,
    fold: Option<&Fold>,
) -> Result<Outcome> {
    let mut steps = &block.steps[..];
    while let Some((step, rest)) = steps.split_first() {
        context.budget.check()?;
        if let Some(stretch) = Stretch::new(context, steps, &relation)? {
            steps = &steps[stretch.steps()..];
            let fold = fold.filter(|_| steps.is_empty());
            if let Some(fold) = fold
                && let Some(folded) = fold.run(&stretch, context.shared())?
            {
                stretch.note(context);
                if let Some(trace) = &mut context.trace {
                    trace.note_stage("aggregate", folded.groups, folded.took);
                }
                return Ok(Outcome::Groups(folded));
            }
            relation = stretch.collect(context.shared())?;
            stretch.note(context);
            continue;
        }
        steps = rest;
        let (rows_in, started) = (relation.len(), context.started());
        relation = run_step(context, step, relation).map_err(|error| error.at(step.span))?;
        context
            .budget
            .check_rows(relation.len(), relation.vars().len())?;
        relation = prune(relation, step, context.budget)?;
        if let (Some(trace), Some(started)) = (&mut context.trace, started) {
            let rows = (rows_in, relation.len());
            trace.note_step(step, rows, relation.vars(), started.elapsed());
        }
    }
    Ok(Outcome::Relation(relation))
}

/// Drops what nothing needs any more, and the duplicates that this leaves.
pub(super) fn prune(relation: Relation, step: &Step, budget: &Budget) -> Result<Relation> {
    let dropped = relation.vars().iter().any(|var| !step.keep.contains(var));
    let relation = if dropped {
        relation.project(&step.keep)
    } else {
        relation
    };
    let may_repeat = dropped || matches!(&step.op, Op::Scan(pattern) if pattern.has_blank());
    if may_repeat && step.distinct {
        relation.distinct_within(budget)
    } else {
        Ok(relation)
    }
}

fn run_step(context: &mut Context<'_>, step: &Step, relation: Relation) -> Result<Relation> {
    match &step.op {
        Op::Scan(pattern) => arrangement::scan(context, step, pattern, &relation),
        Op::Intersect { var, block } => match intersect(context, (*var, block), &relation)? {
            Some(extended) => Ok(extended),
            None => run_block(context, block, relation),
        },
        Op::Filter(call) => call::filter(context, call, &relation, &step.form),
        Op::Compute(call, bind) => call::compute(context, call, bind, &relation, &step.form),
        Op::Union {
            inputs,
            outputs,
            branches,
        } => union(context, (inputs, outputs), branches, &relation),
        Op::AntiJoin { on, block } => {
            if relation.is_empty() {
                return Ok(relation);
            }
            let seed = relation.project(on).distinct_within(context.budget)?;
            let found = run_block(context, block, seed)?;
            let rows = semi_join_rows(&relation, &found, on, false);
            Ok(if rows.len() == relation.len() {
                relation
            } else {
                relation.select(&rows)
            })
        }
        Op::Nearest { .. } => nearest::search(context, step, &relation),
        Op::Rule { predicate, args } => fixpoint::call(context, *predicate, args, &relation),
    }
}

/// The union of the alternatives, each started from what the relation knows of their variables.
fn union(
    context: &mut Context<'_>,
    (inputs, outputs): (&[VarId], &[VarId]),
    branches: &[Block],
    relation: &Relation,
) -> Result<Relation> {
    let seed = if inputs.is_empty() {
        Relation::unit()
    } else {
        relation.project(inputs).distinct_within(context.budget)?
    };
    let mut found = Vec::with_capacity(branches.len());
    for block in branches {
        let result = if relation.is_empty() {
            Relation::empty(outputs)
        } else {
            run_block(context, block, seed.clone())?
        };
        found.push(complete(result, outputs)?);
        let rows = found.iter().map(Relation::len).sum();
        context.budget.check_rows(rows, outputs.len())?;
    }
    let found = Relation::concat(outputs, &found).distinct_within(context.budget)?;
    if relation.vars().is_empty() && relation.len() == 1 {
        return Ok(found);
    }
    natural_join(relation, &found, context.budget)
}

/// A branch binds all variables of its union; the planner has seen to it.
fn complete(relation: Relation, outputs: &[VarId]) -> Result<Relation> {
    if relation.is_empty() {
        return Ok(Relation::empty(outputs));
    }
    match outputs.iter().find(|var| !relation.binds(**var)) {
        None => Ok(relation.project(outputs)),
        Some(_) => Err(Error::new(
            crate::error::Code::QueryWhere,
            "All clauses in 'or' must use same set of free vars",
        )),
    }
}
