//! Searches for near vectors among other goals.
//!
//! A search answers the nearest of those entities that satisfy the other goals of its conjunction:
//! all that bear on the entity and do not hang on how near it is. There are two ways. Either the
//! goals run first and the search looks among what they leave, or the search goes ahead and its
//! hits, nearest first, run through the goals until enough have passed. Both give the same.

use std::collections::HashSet;

use super::estimate::{PREDICATE_KEEPS, Statistics};
use super::logical::unique;
use super::order::{Order, Whose, is_insufficient, is_ready, predicate};
use super::physical::{Among, Op, Step, StepId};
use super::{ArgSlot, Bind, CallGoal, Callable, Goal, GoalKind, Slot, VarId};
use crate::error::Result;
use crate::value::Value;

/// Rows that goals may yield in any case before the search goes ahead of them.
const FILTER_ROWS_MIN: f64 = 256.0;
/// Hits that are tried first for each that would do, were as many to pass as is expected.
const TRIES_SPARE: f64 = 1.3;
/// Hits that are tried first for each that is wanted, at most: what is expected may be wrong.
const TRIES_MOST: f64 = 64.0;
/// Vectors expected where it is not known what is searched.
const VECTORS: f64 = 1e6;
/// What it takes, in microseconds: to find a hit and run it through goals; for each row that goals yield, to
/// search among them; for each vector, to find out in goals whether it is among them; to begin with that.
const TRY_COST: f64 = 2.2;
const ROW_COST: f64 = 0.05;
const PASSED_OVER_COST: f64 = 0.004;
const FILTER_COST: f64 = 200.0;
/// Neighbours expected of a search that does not say how many it wants.
const NEIGHBOURS: f64 = 10.0;

/// A search, and what of its conjunction bears on it.
pub(super) struct Search<'g> {
    pub(super) call: &'g CallGoal,
    pub(super) bind: &'g Bind,
    /// The variable of the entities that are found.
    pub(super) entity: Option<VarId>,
    /// The goals that say which entities may be found.
    pub(super) deciding: Vec<&'g Goal>,
}

/// What is known when a search may run.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The variables bound before the conjunction.
    pub(super) before: &'a HashSet<VarId>,
    /// Those bound by now.
    pub(super) bound: &'a HashSet<VarId>,
    /// The entities that searches have found.
    pub(super) found: &'a HashSet<VarId>,
}

impl Order<'_> {
    /// A search that is to run now, and the goals that are done with it; none where there is none, or
    /// goals are to say first which entities may be found.
    pub(super) fn search<'g>(
        &mut self,
        (all, left): (&'g [Goal], &[&'g Goal]),
        known: Known<'_>,
        rows: f64,
        needed: &[VarId],
    ) -> Result<Option<(Step, Vec<&'g Goal>)>> {
        let all: Vec<&Goal> = all.iter().collect();
        for &goal in left {
            if !is_search(goal) || !is_ready(goal, left, known.bound) {
                continue;
            }
            let entity = search(goal, left, known.bound).and_then(|search| search.entity);
            let is_found = entity.is_some_and(|e| known.found.contains(&e));
            let is_bound = entity.is_some_and(|e| known.bound.contains(&e));
            let is_given = entity.is_some_and(|e| known.before.contains(&e));
            let is_closed = self.whose == Whose::Within;
            let Some(mut search) = search(goal, &all, known.before) else {
                continue;
            };
            // What was found by another search, or is given from outside, does not narrow this one:
            // then goals that are done say once more what may be found.
            let is_repeated = is_found || is_closed && is_given;
            if !is_repeated {
                let is_left = |goal: &&Goal| left.iter().any(|other| std::ptr::eq(*other, *goal));
                search.deciding.retain(is_left);
            }
            let among = if is_bound && !is_found && !is_closed {
                if !search.deciding.is_empty() {
                    continue;
                }
                Among::Bound
            } else if search.deciding.is_empty() {
                Among::All
            } else {
                match self.ahead(&search, known, rows, needed, left)? {
                    Some(among) => among,
                    None if is_found || is_closed => {
                        return Err(self.insufficient(&search.deciding, known.bound));
                    }
                    None => continue,
                }
            };
            let mut inputs: Vec<VarId> = search.call.vars().collect();
            let mut taken = vec![goal];
            if let Among::Passing { .. } = among {
                search
                    .deciding
                    .iter()
                    .for_each(|goal| goal.vars(&mut inputs));
                taken.extend(&search.deciding);
            }
            inputs.retain(|var| known.bound.contains(var) && Some(*var) != search.entity);
            let estimate = search.rows_after(rows, &among);
            let step = Step {
                id: StepId::default(),
                op: Op::Nearest {
                    call: search.call.clone(),
                    bind: search.bind.clone(),
                    entity: search.entity,
                    inputs: unique(inputs),
                    among,
                },
                keep: Vec::new(),
                distinct: false,
                estimate,
                form: goal.form.clone(),
                span: goal.span,
            };
            return Ok(Some((step, taken)));
        }
        Ok(None)
    }

    /// What hits run through, where a search goes ahead of the goals that decide; none where these go
    /// first.
    fn ahead(
        &mut self,
        search: &Search<'_>,
        known: Known<'_>,
        rows_before: f64,
        needed: &[VarId],
        left: &[&Goal],
    ) -> Result<Option<Among>> {
        let goals: Vec<Goal> = search.deciding.iter().map(|goal| (*goal).clone()).collect();
        let mut vars = Vec::new();
        goals.iter().for_each(|goal| goal.vars(&mut vars));
        let (whose, bound) = (self.whose, known.bound);
        let must = whose == Whose::Within || search.entity.is_some_and(|e| bound.contains(&e));
        let (mut tries, mut instead) = (search.neighbours(), None);
        if !must {
            let mut rows = f64::INFINITY;
            match self.block(&goals, bound, rows_before, &vars) {
                Ok(block) => {
                    let last = block.steps.last().map_or(0.0, |step| step.estimate);
                    rows = last * search.recounted();
                    let most = search.tries_most(self.statistics);
                    instead = Some(Box::new((block, most)));
                }
                Err(error) if is_insufficient(&error) => {}
                Err(error) => return Err(error),
            }
            if !search.goes_ahead(rows, self.statistics) {
                return Ok(None);
            }
            let most = TRIES_MOST * tries;
            tries = (TRIES_SPARE * search.tried(rows, self.statistics)).clamp(tries, most);
        }
        let mut inner = bound.clone();
        inner.extend(search.entity);
        let mut outside = needed.to_vec();
        let is_other =
            |goal: &&&Goal| !search.deciding.iter().any(|one| std::ptr::eq(*one, **goal));
        left.iter()
            .filter(is_other)
            .for_each(|goal| goal.vars(&mut outside));
        vars.retain(|var| outside.contains(var) || bound.contains(var));
        vars.extend(search.entity);
        vars.extend(search.call.vars());
        if whose == Whose::Within {
            self.rules.enter_negation();
        }
        let block = self.block(&goals, &inner, search.neighbours(), &unique(vars));
        if whose == Whose::Within {
            self.rules.leave_negation();
        }
        match block {
            Ok(block) => Ok(Some(Among::Passing {
                block,
                tries: tries as usize,
                instead,
            })),
            Err(error) if is_insufficient(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a goal is a search.
pub(super) fn is_search(goal: &Goal) -> bool {
    matches!(&goal.kind, GoalKind::Function(call, _) if is_search_call(call))
}

pub(super) fn is_search_call(call: &CallGoal) -> bool {
    matches!(call.callable, Callable::Nearest(_))
}

/// What a goal searches for, if it is a search.
///
/// - `goals`: its conjunction.
/// - `bound`: variables that say nothing of the entity: they are known before.
pub(super) fn search<'g>(
    goal: &'g Goal,
    goals: &[&'g Goal],
    bound: &HashSet<VarId>,
) -> Option<Search<'g>> {
    let GoalKind::Function(call, bind) = &goal.kind else {
        return None;
    };
    if !is_search_call(call) {
        return None;
    }
    let entity = entity_var(bind);
    let deciding = entity.map_or_else(Vec::new, |e| deciding(goal, e, goals, bound));
    Some(Search {
        call,
        bind,
        entity,
        deciding,
    })
}

/// The variable that a binding gives the entities to.
fn entity_var(bind: &Bind) -> Option<VarId> {
    let Bind::Collection(item) = bind else {
        return None;
    };
    match &**item {
        Bind::Scalar(var) => Some(*var),
        Bind::Tuple(items) => match items.first() {
            Some(Bind::Scalar(var)) => Some(*var),
            _ => None,
        },
        _ => None,
    }
}

fn deciding<'g>(
    search: &Goal,
    entity: VarId,
    goals: &[&'g Goal],
    bound: &HashSet<VarId>,
) -> Vec<&'g Goal> {
    let mut far = Vec::new();
    search.vars(&mut far);
    let mut far: HashSet<VarId> = far
        .into_iter()
        .filter(|var| *var != entity && !bound.contains(var))
        .collect();
    let vars = |goal: &Goal| {
        let mut vars = Vec::new();
        goal.vars(&mut vars);
        vars
    };
    // What functions make of the distance hangs on it too.
    loop {
        let before = far.len();
        for goal in goals {
            if let GoalKind::Function(call, bind) = &goal.kind
                && call.vars().any(|var| far.contains(&var))
            {
                let mut made = Vec::new();
                bind.vars(&mut made);
                far.extend(made.into_iter().filter(|var| *var != entity));
            }
        }
        if far.len() == before {
            break;
        }
    }
    let mut near = HashSet::from([entity]);
    let mut chosen: Vec<&Goal> = Vec::new();
    loop {
        let before = chosen.len();
        for &goal in goals {
            let vars = vars(goal);
            let is_new = !chosen.iter().any(|other| std::ptr::eq(*other, goal));
            if is_new
                && !is_search(goal)
                && !vars.iter().any(|var| far.contains(var))
                && vars.iter().any(|var| near.contains(var))
            {
                near.extend(vars.into_iter().filter(|var| !bound.contains(var)));
                chosen.push(goal);
            }
        }
        if chosen.len() == before {
            return chosen;
        }
    }
}

impl Search<'_> {
    /// Neighbours that one row asks for.
    pub(super) fn neighbours(&self) -> f64 {
        let mut counts = self.call.args.iter().filter_map(|arg| match arg {
            ArgSlot::Const(Value::Long(count)) => Some(*count as f64),
            _ => None,
        });
        counts.next_back().unwrap_or(NEIGHBOURS)
    }

    /// What the rows expected of the goals are to be multiplied by: filters of values count twice in
    /// them, by what a sample tells and by what is taken to be so of any filter.
    fn recounted(&self) -> f64 {
        let values = self.deciding.iter().filter_map(|goal| match &goal.kind {
            GoalKind::Pattern(pattern) => pattern.slots.get(2).and_then(Slot::var),
            _ => None,
        });
        let values: Vec<VarId> = values.collect();
        let filters = self.deciding.iter().filter_map(|goal| predicate(goal));
        let on_value = |call: &&CallGoal| {
            let mut vars = call.vars();
            let first = vars.next();
            first.is_some_and(|first| values.contains(&first) && vars.all(|var| var == first))
        };
        PREDICATE_KEEPS.powi(-(filters.filter(on_value).count() as i32))
    }

    /// Rows expected after it.
    fn rows_after(&self, rows: f64, among: &Among) -> f64 {
        // Without arguments that differ from row to row there is one search.
        let searches = match self.call.vars().next() {
            Some(_) => rows,
            None => 1.0,
        };
        let hits = searches * self.neighbours();
        match among {
            Among::Bound => hits.min(rows),
            Among::All | Among::Passing { .. } => hits.max(rows),
        }
    }

    /// Whether the search is better made first.
    ///
    /// - `rows`: what the deciding goals yield by themselves.
    pub(super) fn goes_ahead(&self, rows: f64, statistics: &dyn Statistics) -> bool {
        let vectors = self.vectors(statistics).unwrap_or(VECTORS);
        let ahead = TRY_COST * self.tried(rows, statistics);
        let behind = ROW_COST * rows + PASSED_OVER_COST * vectors + FILTER_COST;
        rows > FILTER_ROWS_MIN && ahead < behind
    }

    /// How many hits are too many to try while it is not known how many pass: to run the goals first costs less.
    fn tries_most(&self, statistics: &dyn Statistics) -> usize {
        let vectors = self.vectors(statistics).unwrap_or(VECTORS);
        ((PASSED_OVER_COST * vectors + FILTER_COST) / TRY_COST) as usize
    }

    /// Hits that must be tried to find as many as are wanted: the more, the fewer of them pass.
    fn tried(&self, rows: f64, statistics: &dyn Statistics) -> f64 {
        let vectors = self.vectors(statistics).unwrap_or(VECTORS);
        self.neighbours() * (vectors / rows.clamp(1.0, vectors.max(1.0)))
    }

    /// The vectors that are searched, where the attribute is said.
    fn vectors(&self, statistics: &dyn Statistics) -> Option<f64> {
        let source = self.call.args.iter().find_map(|arg| match arg {
            ArgSlot::Source(at) => Some(*at),
            _ => None,
        })?;
        let name = self.call.args.iter().find_map(|arg| match arg {
            ArgSlot::Const(name @ Value::Keyword(_)) => Some(name),
            _ => None,
        })?;
        let db = statistics.db(source)?;
        let indexes = db.schema().secondary().iter();
        let mut index = indexes.filter(|index| Some(&index.ident) == name.as_keyword());
        let attributes = match index.next() {
            Some(index) => index.attributes.clone(),
            None => vec![name.clone()],
        };
        let rows = attributes.iter().filter_map(|ident| {
            let index = db.index(db.attribute_id(ident)?)?;
            Some(index.current().len() as f64)
        });
        Some(rows.sum())
    }
}
