//! Stretches of steps that many rows pass a morsel at a time.
//!
//! Input: a relation, or the rows of an index that the first step reads, and the steps from there
//! on. Output: what a fold makes of the rows that come out, a share of the rows after the other. A
//! morsel's columns stay in the cache from step to step and no whole column is written in between;
//! threads take shares of the rows, not parts of a step.
//!
//! Source: morsel-driven parallelism, Leis et al., SIGMOD 2014, section 2; here the shares are
//! consecutive and come together in their order, so that answers do not depend on threads.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::access::{AccessPath, is_ascending};
use super::block::{Context, prune};
use super::budget::Budget;
use super::call;
use super::matches::Matches;
use super::relation::Relation;
use super::scan::{AttributeScan, Term, unbound_vars};
use super::shared::Shared;
use super::source::Source;
use super::tables::Lookup;
use crate::error::Result;
use crate::fork;
use crate::index::{Run, SortOrder};
use crate::plan::{CallGoal, Op, Pattern, Slot, Step, VarId};

/// Consecutive steps that rows can pass a morsel at a time.
pub(super) struct Stretch<'p> {
    feed: Feed<'p>,
    stages: Vec<Stage<'p>>,
    /// The variables of what comes out.
    vars: Vec<VarId>,
    /// Whether all tuples that come out differ.
    is_set: bool,
    /// Whether each morsel must be made a set for that: equal tuples have one key.
    is_set_by_key: bool,
    /// Whether the last step asks for a set and it is not so yet.
    wants_set: bool,
}

/// Where the rows come from.
enum Feed<'p> {
    Relation {
        rows: Relation,
        /// A variable whose cells do not fall.
        key: Option<VarId>,
    },
    Run {
        stage: Stage<'p>,
        scan: Box<AttributeScan<'p>>,
        run: Run,
        range: Range<usize>,
    },
}

/// A step and what it did so far.
struct Stage<'p> {
    step: &'p Step,
    way: Way<'p>,
    /// The variables of what comes out of it.
    vars: Vec<VarId>,
    /// Rows that went in and that came out.
    rows: [AtomicUsize; 2],
    nanos: AtomicU64,
}

/// How a step takes a morsel.
enum Way<'p> {
    /// It reads the index from which all rows come.
    Feed(AccessPath),
    Join(Box<Lookup<'p>>),
    Filter(&'p CallGoal),
}

/// What is known of the rows between two steps.
struct Between {
    vars: Vec<VarId>,
    /// A variable whose rows are in order and come together in one morsel.
    key: Option<VarId>,
    is_set: bool,
    /// Rows, as far as they were counted.
    rows: usize,
}

impl<'p> Stretch<'p> {
    /// The longest stretch from here; none where there are too few rows, or where steps need all rows.
    pub(super) fn new(
        context: &mut Context<'_>,
        steps: &'p [Step],
        relation: &Relation,
    ) -> Result<Option<Stretch<'p>>> {
        let is_unit = relation.len() == 1 && relation.vars().is_empty();
        let fed = match steps {
            [first, ..] if is_unit => Feed::of_run(context, first)?,
            _ if fork::is_many(relation.len()) => Some(Feed::of_relation(relation)),
            _ => None,
        };
        let Some((mut feed, mut between)) = fed else {
            return Ok(None);
        };
        let mut wants_set = false;
        let mut stages = Vec::new();
        let mut left = steps.iter();
        if let Feed::Run { stage, .. } = &mut feed {
            left.next();
            wants_set = !between.after(stage);
        }
        for step in left {
            if wants_set {
                break;
            }
            let Some(way) = Way::of(context, step, &mut between)? else {
                break;
            };
            let mut stage = Stage::new(step, way);
            wants_set = !between.after(&mut stage);
            stages.push(stage);
        }
        let is_one_step = stages.is_empty() && !matches!(feed, Feed::Run { .. });
        Ok((!is_one_step).then_some(Stretch {
            feed,
            stages,
            vars: between.vars,
            is_set: between.is_set || between.key.is_some(),
            is_set_by_key: !between.is_set && between.key.is_some(),
            wants_set,
        }))
    }

    /// How many steps it takes.
    pub(super) fn steps(&self) -> usize {
        self.stages.len() + usize::from(matches!(self.feed, Feed::Run { .. }))
    }

    /// The variables of what comes out.
    pub(super) fn vars(&self) -> &[VarId] {
        &self.vars
    }

    /// Threads that share the work.
    pub(super) fn threads(&self) -> u32 {
        match fork::is_worth(self.feed.len()) {
            true => rayon::current_num_threads() as u32,
            false => 1,
        }
    }

    /// Whether all tuples that come out differ.
    pub(super) fn is_set(&self) -> bool {
        self.is_set
    }

    /// All that comes out, as one relation.
    pub(super) fn collect(&self, shared: Shared<'_>) -> Result<Relation> {
        let found = AtomicUsize::new(0);
        let add = |parts: &mut Vec<Relation>, part: Relation| {
            let found = found.fetch_add(part.len(), Ordering::Relaxed) + part.len();
            parts.push(part);
            shared.budget.check_rows(found, self.vars.len())
        };
        let parts = fork::split(self.feed.len(), |part| {
            self.fold_part(shared, part, Vec::new(), &add)
        });
        let parts: Vec<Vec<Relation>> = parts.into_iter().collect::<Result<_>>()?;
        let parts: Vec<Relation> = parts.into_iter().flatten().collect();
        let all = Relation::concat(&self.vars, &parts).known_set(self.is_set);
        match self.wants_set {
            true => all.distinct_within(shared.budget),
            false => Ok(all),
        }
    }

    /// What a fold makes of the rows that come out, one share for each thread, in order.
    pub(super) fn fold<T: Send>(
        &self,
        shared: Shared<'_>,
        start: impl Fn() -> T + Sync,
        add: impl Fn(&mut T, Relation) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        let parts = fork::shares(self.feed.len(), |part| {
            self.fold_part(shared, part, start(), &add)
        });
        parts.into_iter().collect()
    }

    fn fold_part<T>(
        &self,
        shared: Shared<'_>,
        part: Range<usize>,
        mut folded: T,
        add: &impl Fn(&mut T, Relation) -> Result<()>,
    ) -> Result<T> {
        let (mut at, end) = (self.feed.cut(part.start), self.feed.cut(part.end));
        while at < end {
            let next = self.feed.cut(end.min(at + fork::morsel_rows()));
            shared.budget.check()?;
            let mut found = self.pass(shared, at..next)?;
            if self.is_set_by_key {
                found = found.distinct();
            }
            if !found.is_empty() {
                add(&mut folded, found)?;
            }
            at = next;
        }
        Ok(folded)
    }

    /// What comes of some of the rows.
    fn pass(&self, shared: Shared<'_>, part: Range<usize>) -> Result<Relation> {
        let mut relation = match &self.feed {
            Feed::Relation { rows, .. } => rows.slice(part),
            Feed::Run {
                stage,
                scan,
                run,
                range,
            } => stage.run(shared.budget, part.len(), |_| {
                let rows = range.start + part.start..range.start + part.end;
                let matches = Matches::of_range(rows).of_run(run.order() == SortOrder::ByValue);
                Ok(scan.assemble(&Relation::unit(), &matches, run, |values| values))
            })?,
        };
        for stage in &self.stages {
            if relation.is_empty() {
                break;
            }
            relation = stage.run(shared.budget, relation.len(), |step| match &stage.way {
                Way::Join(lookup) => lookup.join(shared, &relation),
                Way::Filter(call) => call::filter_rows(shared, call, &relation, &step.form),
                Way::Feed(_) => Ok(relation.clone()),
            })?;
        }
        Ok(relation)
    }

    /// Notes what its steps did, for those who asked.
    pub(super) fn note(&self, context: &mut Context<'_>) {
        let Some(trace) = &mut context.trace else {
            return;
        };
        let threads = u64::from(self.threads());
        let fed = match &self.feed {
            Feed::Run { stage, .. } => Some(stage),
            Feed::Relation { .. } => None,
        };
        for stage in fed.into_iter().chain(&self.stages) {
            match &stage.way {
                Way::Feed(path) => trace.note_path(*path),
                Way::Join(lookup) => trace.note_path(lookup.path()),
                Way::Filter(_) => {}
            }
            let took = Duration::from_nanos(stage.nanos.load(Ordering::Relaxed) / threads);
            let [rows_in, rows_out] = [0, 1].map(|at| stage.rows[at].load(Ordering::Relaxed));
            trace.note_step(stage.step, (rows_in, rows_out), &stage.vars, took);
        }
    }
}

impl<'p> Feed<'p> {
    fn of_relation(relation: &Relation) -> (Feed<'p>, Between) {
        let columns = relation.vars().iter().zip(relation.columns());
        let key = columns
            .filter(|(_, column)| is_ascending(column))
            .map(|(var, _)| *var)
            .next();
        let between = Between {
            vars: relation.vars().to_vec(),
            key,
            is_set: relation.is_set(),
            rows: relation.len(),
        };
        let rows = relation.clone();
        (Feed::Relation { rows, key }, between)
    }

    /// The rows of the index that a first step reads, if it reads them as they come.
    fn of_run(context: &mut Context<'_>, step: &'p Step) -> Result<Option<(Feed<'p>, Between)>> {
        let Op::Scan(pattern) = &step.op else {
            return Ok(None);
        };
        if !may_have_many(context, pattern) {
            return Ok(None);
        }
        let Some(scan) = attribute_scan(context, pattern)? else {
            return Ok(None);
        };
        let is_known = matches!(scan.e, Term::Const(_));
        if is_known || scan.between(&Relation::unit()).is_some() {
            return Ok(None);
        }
        let (run, path) = match scan.v {
            Term::Const(_) => match scan.by_value() {
                Some(run) => (run, AccessPath::Range(SortOrder::ByValue)),
                None => return Ok(None),
            },
            _ => (scan.by_entity.clone(), AccessPath::Scan),
        };
        let range = match scan.v {
            Term::Const(cell) => run.value_range(cell, scan.db.dictionary()),
            _ => 0..run.len(),
        };
        if !fork::is_many(range.len()) || !gives_values(context, &scan, &[]) {
            return Ok(None);
        }
        let between = Between {
            vars: unbound_vars(pattern, |_| false),
            key: match scan.e {
                Term::Var(var) => Some(var),
                _ => None,
            },
            is_set: scan.tells_rows_apart(&run),
            rows: range.len(),
        };
        let stage = Stage::new(step, Way::Feed(path));
        let feed = Feed::Run {
            stage,
            scan: Box::new(scan),
            run,
            range,
        };
        Ok(Some((feed, between)))
    }

    fn len(&self) -> usize {
        match self {
            Feed::Relation { rows, .. } => rows.len(),
            Feed::Run { range, .. } => range.len(),
        }
    }

    /// The first row from one on that has another key than the row before it.
    fn cut(&self, at: usize) -> usize {
        if at == 0 || at >= self.len() {
            return at.min(self.len());
        }
        match self {
            Feed::Relation { rows, key } => match key.and_then(|key| rows.column(key)) {
                Some(column) => {
                    let (before, after) = (column.bits()[at - 1], &column.bits()[at..]);
                    at + after.iter().take_while(|&&bits| bits == before).count()
                }
                None => at,
            },
            Feed::Run { run, range, .. } => {
                let row = |at: usize| run.row(run.position(range.start + at));
                let before = row(at - 1).e;
                match run.order() {
                    SortOrder::ByEntity if row(at).e == before => run.entity_range(before).end,
                    SortOrder::ByEntity => at,
                    // Only a history has an entity twice with one value.
                    SortOrder::ByValue => (at..range.len())
                        .find(|&at| row(at).e != before)
                        .unwrap_or(range.len()),
                }
            }
        }
    }
}

impl<'p> Stage<'p> {
    fn new(step: &'p Step, way: Way<'p>) -> Stage<'p> {
        Stage {
            step,
            way,
            vars: Vec::new(),
            rows: Default::default(),
            nanos: AtomicU64::new(0),
        }
    }

    /// Does the step for a morsel, drops what is not needed after it, and counts.
    fn run(
        &self,
        budget: &Budget,
        rows: usize,
        work: impl FnOnce(&Step) -> Result<Relation>,
    ) -> Result<Relation> {
        let started = Instant::now();
        let found = work(self.step).map_err(|error| error.at(self.step.span))?;
        let found = prune(found, self.step, budget)?;
        let took = started.elapsed().as_nanos() as u64;
        self.nanos.fetch_add(took, Ordering::Relaxed);
        for (counter, rows) in self.rows.iter().zip([rows, found.len()]) {
            counter.fetch_add(rows, Ordering::Relaxed);
        }
        Ok(found)
    }
}

impl<'p> Way<'p> {
    /// How a step takes the rows a morsel at a time; none if it does not.
    fn of(
        context: &mut Context<'_>,
        step: &'p Step,
        between: &mut Between,
    ) -> Result<Option<Way<'p>>> {
        match &step.op {
            Op::Filter(call) if call::is_pure(call) => Ok(Some(Way::Filter(call))),
            Op::Scan(pattern) => {
                let Some(scan) = attribute_scan(context, pattern)? else {
                    return Ok(None);
                };
                if !gives_values(context, &scan, &between.vars) {
                    return Ok(None);
                }
                let vars = unbound_vars(pattern, |var| between.vars.contains(&var));
                let known = (&between.vars[..], between.key, between.rows);
                let Some(lookup) = Lookup::new(scan, known, context.budget)? else {
                    return Ok(None);
                };
                between.is_set &= lookup.keeps_sets();
                between.vars.extend(vars);
                Ok(Some(Way::Join(Box::new(lookup))))
            }
            _ => Ok(None),
        }
    }
}

impl Between {
    /// Takes note of what a step drops. False if all rows must come together after it.
    fn after(&mut self, stage: &mut Stage<'_>) -> bool {
        let step = stage.step;
        let drops = self.vars.iter().any(|var| !step.keep.contains(var));
        let has_blank = matches!(&step.op, Op::Scan(pattern) if pattern.has_blank());
        self.vars.retain(|var| step.keep.contains(var));
        self.key = self.key.filter(|key| step.keep.contains(key));
        self.is_set &= !drops;
        stage.vars.clone_from(&self.vars);
        if !(drops || has_blank) || !step.distinct || self.is_set {
            return true;
        }
        // Rows that may be equal have one key, and so are in one morsel.
        self.is_set = self.key.is_some();
        self.is_set
    }
}

/// A pattern of one attribute of a database.
fn attribute_scan<'p>(
    context: &mut Context<'_>,
    pattern: &'p Pattern,
) -> Result<Option<AttributeScan<'p>>> {
    let db = match &context.sources.sources[pattern.source] {
        Source::Db(source) => source.db.clone(),
        _ => return Ok(None),
    };
    let a = match pattern.slots.get(1) {
        Some(Slot::Const(name)) => db.attr_of(name),
        _ => None,
    };
    match a {
        Some(a) => AttributeScan::new(context, &db, a, pattern),
        None => Ok(None),
    }
}

/// Whether a pattern's attribute has many rows, current and past.
fn may_have_many(context: &Context<'_>, pattern: &Pattern) -> bool {
    let (Some(db), Some(Slot::Const(name))) =
        (context.sources.db_at(pattern.source), pattern.slots.get(1))
    else {
        return false;
    };
    let index = db.attr_of(name).and_then(|a| db.index(a));
    index.is_some_and(|index| fork::is_many(index.current().len() + index.past().len()))
}

/// Whether the values that a pattern binds are the query's as they are.
fn gives_values(context: &Context<'_>, scan: &AttributeScan<'_>, bound: &[VarId]) -> bool {
    let is_native = match &context.sources.sources[scan.pattern.source] {
        Source::Db(source) => source.is_native(),
        _ => false,
    };
    is_native || !matches!(scan.v, Term::Var(var) if !bound.contains(&var))
}
