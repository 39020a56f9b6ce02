//! Rules to predicates: each rule once for every pattern of bound arguments it is called with.

use std::collections::{HashMap, HashSet};

use super::bounds::note_bounds;
use super::closure::{self, closure_rule};
use super::cut::cut;
use super::estimate::Statistics;
use super::inline::Rules;
use super::logical::{Goal, GoalKind, Resolver, Scope};
use super::number::number;
use super::order::{Order, RuleCall, RuleCalls, Whose, is_insufficient};
use super::physical::{Block, Branch, Closure, Link, Predicate, Program};
use super::whole::may_ask_for_all;
use super::{Slot, VarId, Vars};
use crate::error::{Code, Error, Result};
use crate::limits;
use crate::query::ast::{Clause, RuleBranch, SourceName, Var};
use crate::script::Finder;
use crate::value::{Symbol, Value};

/// A query's clauses and what surrounds them.
pub struct Outline<'a> {
    /// The clauses.
    pub clauses: &'a [Clause],
    /// The rules given to the query and the built-in ones.
    pub rules: &'a [RuleBranch],
    /// Names of the sources, by position.
    pub sources: &'a [SourceName],
    /// What `$` means.
    pub default_source: usize,
    /// Where functions that users wrote are found.
    pub functions: &'a Finder,
    /// Variables that the inputs bind.
    pub inputs: &'a [Var],
    /// Rows the inputs make.
    pub input_rows: usize,
    /// Variables the result needs.
    pub needed: &'a [Var],
}

impl Outline<'_> {
    /// Resolves clauses in which `$` means the source at a position.
    fn resolver<'r>(&'r self, vars: &'r mut Vars, default_source: usize) -> Resolver<'r> {
        Resolver {
            vars,
            sources: self.sources,
            default_source,
            functions: self.functions,
        }
    }
}

/// Most plans tried: each learns of rules that cannot run where the one before took them to.
const ATTEMPTS_MAX: usize = 64;

/// Plans a query. Answers the program and the scope: which variable each name is.
pub fn plan(outline: &Outline<'_>, statistics: &dyn Statistics) -> Result<(Program, Scope)> {
    let mut unusable = HashSet::new();
    for _ in 1..ATTEMPTS_MAX {
        let known = unusable.len();
        match attempt(outline, statistics, &unusable)? {
            Attempt::Planned(program, scope) => return Ok((*program, scope)),
            Attempt::Mistaken(keys) => unusable.extend(keys),
        }
        if unusable.len() == known {
            break;
        }
    }
    let names = unusable
        .iter()
        .map(|key| format!("'{}", key.name))
        .collect::<Vec<_>>()
        .join(", ");
    let message = format!("Insufficient bindings in rules that recur through {names}");
    Err(Error::new(Code::QueryWhere, message))
}

enum Attempt {
    Planned(Box<Program>, Scope),
    /// These were taken to work where they recur, and do not.
    Mistaken(Vec<Key>),
}

fn attempt(
    outline: &Outline<'_>,
    statistics: &dyn Statistics,
    unusable: &HashSet<Key>,
) -> Result<Attempt> {
    let mut vars = Vars::default();
    let mut scope = Scope::default();
    let mut resolver = outline.resolver(&mut vars, outline.default_source);
    let bound: HashSet<VarId> = outline
        .inputs
        .iter()
        .map(|name| resolver.var(&mut scope, name))
        .collect();
    let rules = Rules::new(outline.rules);
    let goals = resolver.goals(outline.clauses, &mut scope)?;
    let goals = rules.inline_variables(goals, &mut resolver)?;
    let needed: Vec<VarId> = outline
        .needed
        .iter()
        .map(|name| resolver.var(&mut scope, name))
        .collect();
    let mut planner = RulePlanner::new(outline, statistics, (vars, rules), unusable);
    let names = planner.vars.clone();
    let mut order = Order {
        vars: &names,
        statistics,
        rules: &mut planner,
        whose: Whose::Query,
    };
    let block = order.block(&goals, &bound, outline.input_rows as f64, &needed)?;
    let mistaken = planner.mistaken();
    if !mistaken.is_empty() {
        return Ok(Attempt::Mistaken(mistaken));
    }
    let predicates = planner.finish();
    let mut program = Program {
        block,
        predicates,
        vars: planner.vars,
        steps: 0,
    };
    note_bounds(&mut program);
    number(&mut program);
    Ok(Attempt::Planned(Box::new(program), scope))
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    name: Symbol,
    source: usize,
    bound: Vec<bool>,
    lenient: bool,
}

enum Planned {
    /// Being planned: a call of it is recursive and taken to work.
    Open,
    Done(Box<Predicate>),
    /// Cannot run with these arguments bound.
    Insufficient,
}

struct RulePlanner<'a> {
    outline: &'a Outline<'a>,
    statistics: &'a dyn Statistics,
    vars: Vars,
    rules: Rules<'a>,
    /// Alternatives with rule calls inside rule bodies, lifted to rules of their own.
    lifted: HashMap<Symbol, Lifted>,
    ids: HashMap<Key, usize>,
    planned: Vec<Planned>,
    keys: Vec<Key>,
    /// Which predicates each one calls.
    edges: Vec<HashSet<usize>>,
    /// Predicates being planned, outermost first.
    open: Vec<usize>,
    /// For each negation being planned, how many predicates were open around it.
    negations: Vec<usize>,
    /// Known from earlier attempts not to work.
    unusable: &'a HashSet<Key>,
}

#[derive(Clone)]
struct Lifted {
    head: Vec<VarId>,
    branches: Vec<Vec<Goal>>,
}

impl<'a> RulePlanner<'a> {
    fn new(
        outline: &'a Outline<'a>,
        statistics: &'a dyn Statistics,
        (vars, rules): (Vars, Rules<'a>),
        unusable: &'a HashSet<Key>,
    ) -> Self {
        RulePlanner {
            outline,
            statistics,
            vars,
            rules,
            lifted: HashMap::new(),
            ids: HashMap::new(),
            planned: Vec::new(),
            keys: Vec::new(),
            edges: Vec::new(),
            open: Vec::new(),
            negations: Vec::new(),
            unusable,
        }
    }

    /// The predicate of a key; none if it cannot run.
    fn planned_for(&mut self, key: Key, goal: &Goal) -> Result<Option<usize>> {
        let id = match self.ids.get(&key).copied() {
            Some(id) => id,
            None => self.plan_new(&key, goal)?,
        };
        if let Some(&caller) = self.open.last() {
            self.edges[caller].insert(id);
        }
        self.check_stratified(id, goal)?;
        Ok(match self.planned[id] {
            Planned::Open | Planned::Done(_) => Some(id),
            Planned::Insufficient => None,
        })
    }

    /// Whether a call with bound arguments may as well be one without.
    fn may_ask_for_all(&self, key: &Key) -> bool {
        let Some(&caller) = self.open.last() else {
            return false;
        };
        let caller = &self.keys[caller];
        let is_whole = caller.source == key.source && !caller.bound.contains(&true);
        let db = self.statistics.db(key.source);
        is_whole
            && key.bound.contains(&true)
            && may_ask_for_all(&self.rules.by_name, &caller.name, &key.name, db)
    }

    /// What plans rely on though it cannot run; it was taken to while it was being planned.
    fn mistaken(&self) -> Vec<Key> {
        let mut out = Vec::new();
        for (id, edges) in self.edges.iter().enumerate() {
            let fails = |next: &&usize| {
                matches!(self.planned[**next], Planned::Insufficient) && self.relies_on(id, **next)
            };
            out.extend(
                edges
                    .iter()
                    .filter(fails)
                    .map(|&next| self.keys[next].clone()),
            );
        }
        out
    }

    fn finish(&mut self) -> Vec<Predicate> {
        let planned = std::mem::take(&mut self.planned);
        let predicates = planned
            .into_iter()
            .zip(&self.keys)
            .map(|(planned, key)| match planned {
                Planned::Done(predicate) => *predicate,
                // Nothing that runs refers to these.
                Planned::Open | Planned::Insufficient => Predicate {
                    name: key.name.clone(),
                    source: key.source,
                    bound: key.bound.clone(),
                    branches: Vec::new(),
                    closure: None,
                },
            });
        predicates.collect()
    }

    fn plan_new(&mut self, key: &Key, goal: &Goal) -> Result<usize> {
        let id = self.planned.len();
        self.planned.push(Planned::Open);
        self.edges.push(HashSet::new());
        self.ids.insert(key.clone(), id);
        self.keys.push(key.clone());
        if self.open.len() > limits::QUERY_DEPTH * 16 || id > limits::QUERY_CLAUSES {
            return Err(Error::new(
                Code::Limit,
                "The rules nest too deep (QUERY_DEPTH)",
            ));
        }
        if !self.required_are_bound(key) || self.unusable.contains(key) {
            self.planned[id] = Planned::Insufficient;
            return Ok(id);
        }
        self.open.push(id);
        let planned = self.plan_key(id, key, goal);
        self.open.pop();
        planned.map(|()| id)
    }

    /// Refuses a rule that negates itself through recursion: it has no least fixpoint.
    fn check_stratified(&self, id: usize, goal: &Goal) -> Result<()> {
        let Some(&around) = self.negations.last() else {
            return Ok(());
        };
        let (mut seen, mut stack) = (HashSet::from([id]), vec![id]);
        while let Some(at) = stack.pop() {
            if self.open[..around].contains(&at) {
                let message = format!(
                    "Rule '{} negates itself in {}",
                    self.keys[at].name, goal.form
                );
                let error = Error::new(Code::QueryUnstratified, message);
                return Err(error.at(goal.span).with("form", goal.form.clone()));
            }
            stack.extend(
                self.edges[at]
                    .iter()
                    .copied()
                    .filter(|next| seen.insert(*next)),
            );
        }
        Ok(())
    }

    fn branches(&mut self, key: &Key, goal: &Goal) -> Result<Vec<(Vec<VarId>, Vec<Goal>)>> {
        if let Some(lifted) = self.lifted.get(&key.name) {
            let head = lifted.head.clone();
            return Ok(lifted
                .branches
                .iter()
                .map(|goals| (head.clone(), goals.clone()))
                .collect());
        }
        let Some(branches) = self.rules.by_name.get(&key.name).cloned() else {
            return Err(Error::new(
                Code::QueryWhere,
                format!("Unknown rule '{} in {}", key.name, goal.form),
            )
            .at(goal.span)
            .with("form", goal.form.clone()));
        };
        let mut resolved = Vec::with_capacity(branches.len());
        for branch in branches {
            let arity = branch.head().count();
            if arity != key.bound.len() {
                let message = format!(
                    "Wrong number of arguments for rule '{} in {}: expected {arity}, got {}",
                    key.name,
                    goal.form,
                    key.bound.len()
                );
                let error = Error::new(Code::QueryWhere, message);
                return Err(error.at(goal.span).with("form", goal.form.clone()));
            }
            let mut resolver = self.outline.resolver(&mut self.vars, key.source);
            let mut scope = Scope::default();
            let head: Vec<VarId> = branch
                .head()
                .map(|name| resolver.var(&mut scope, name))
                .collect();
            resolved.push((head, resolver.goals(&branch.clauses, &mut scope)?));
        }
        Ok(resolved)
    }

    /// Whether a planned predicate really calls another: one that was tried may have been passed
    /// over for another order.
    fn relies_on(&self, id: usize, next: usize) -> bool {
        let Planned::Done(predicate) = &self.planned[id] else {
            return false;
        };
        predicate
            .branches
            .iter()
            .flat_map(|branch| &branch.calls)
            .any(|call| call.predicate == next)
    }

    fn required_are_bound(&self, key: &Key) -> bool {
        let Some(branches) = self.rules.by_name.get(&key.name) else {
            return true;
        };
        branches
            .iter()
            .all(|branch| key.bound.iter().take(branch.required.len()).all(|b| *b))
    }

    /// Alternatives that call rules become rules, so that the fixpoint sees every call.
    fn lift(&mut self, goals: Vec<Goal>, source: usize) -> Vec<Goal> {
        let lift_one = |goal: Goal| {
            if !matches!(goal.kind, GoalKind::Or { .. }) || !goal.calls_rule() {
                return goal;
            }
            let GoalKind::Or { vars, branches, .. } = goal.kind else {
                unreachable!("checked above");
            };
            let name = Symbol::new(&format!("or%{}", self.lifted.len()));
            let args = vars.iter().map(|var| Slot::Var(*var)).collect();
            self.lifted.insert(
                name.clone(),
                Lifted {
                    head: vars,
                    branches,
                },
            );
            Goal {
                kind: GoalKind::Rule { name, source, args },
                ..goal
            }
        };
        goals.into_iter().map(lift_one).collect()
    }

    fn plan_key(&mut self, id: usize, key: &Key, goal: &Goal) -> Result<()> {
        let mut branches = self.branches(key, goal)?;
        for (_, goals) in &mut branches {
            let mut resolver = self.outline.resolver(&mut self.vars, key.source);
            *goals = self.rules.inline(std::mem::take(goals), &mut resolver)?;
        }
        if let Some(closure) = self.closure(key, &branches)? {
            self.planned[id] = Planned::Done(Box::new(Predicate {
                name: key.name.clone(),
                source: key.source,
                bound: key.bound.clone(),
                branches: Vec::new(),
                closure: Some(closure),
            }));
            return Ok(());
        }
        let mut done = Vec::with_capacity(branches.len());
        for (head, goals) in branches {
            match self.branch(id, key, head, goals) {
                Ok(branch) => done.push(branch),
                Err(error) if is_insufficient(&error) => {
                    self.planned[id] = Planned::Insufficient;
                    // At the outermost call with everything bound, nothing can be gained by waiting.
                    return if key.bound.iter().all(|b| *b) {
                        Err(error)
                    } else {
                        Ok(())
                    };
                }
                Err(error) => return Err(error),
            }
        }
        self.planned[id] = Planned::Done(Box::new(Predicate {
            name: key.name.clone(),
            source: key.source,
            bound: key.bound.clone(),
            branches: done,
            closure: None,
        }));
        Ok(())
    }

    /// The plan of a rule that follows steps; none if it is of another form, or cannot run so.
    fn closure(
        &mut self,
        key: &Key,
        branches: &[(Vec<VarId>, Vec<Goal>)],
    ) -> Result<Option<Closure>> {
        let rule = closure_rule(&key.name, key.source, branches).filter(|_| !key.lenient);
        let Some(rule) = rule else { return Ok(None) };
        let backward = key.bound == [false, true];
        let rule = if backward { rule.reversed() } else { rule };
        let is_bound = key.bound.contains(&true);
        let Some(hops) = self.links(rule.hops, is_bound)? else {
            return Ok(None);
        };
        let steps = match rule.steps {
            None => None,
            Some(steps) => match self.links(steps, is_bound)? {
                None => return Ok(None),
                steps => steps,
            },
        };
        Ok(Some(Closure {
            backward,
            hop_first: rule.hop_first,
            hops,
            steps,
        }))
    }

    /// Plans links; none if one cannot run with what is bound.
    fn links(&mut self, links: Vec<closure::Link>, is_bound: bool) -> Result<Option<Vec<Link>>> {
        let mut planned = Vec::with_capacity(links.len());
        for closure::Link { from, to, goals } in links {
            let near = self.link_block(&goals, (from, to), &HashSet::from([from]))?;
            let all = self.link_block(&goals, (from, to), &HashSet::new())?;
            let rows = |block: &Block| block.steps.last().map_or(1.0, |step| step.estimate);
            let all = all.map(|block| {
                let rows = rows(&block);
                (block, rows)
            });
            match near {
                Some(near) if is_bound || all.is_some() => planned.push(Link {
                    from,
                    to,
                    near,
                    all,
                }),
                _ => return Ok(None),
            }
        }
        Ok(Some(planned))
    }

    /// A conjunction in the order it runs.
    fn ordered(
        &mut self,
        goals: &[Goal],
        bound: &HashSet<VarId>,
        needed: &[VarId],
    ) -> Result<Block> {
        let names = self.vars.clone();
        let statistics = self.statistics;
        let mut order = Order {
            vars: &names,
            statistics,
            rules: self,
            whose: Whose::Within,
        };
        order.block(goals, bound, 1.0, needed)
    }

    fn link_block(
        &mut self,
        goals: &[Goal],
        (from, to): (VarId, VarId),
        bound: &HashSet<VarId>,
    ) -> Result<Option<Block>> {
        match self.ordered(goals, bound, &[from, to]) {
            Ok(block) => {
                let mut covered: Vec<VarId> = bound.iter().copied().collect();
                let steps = block.steps.iter();
                steps.for_each(|step| super::order::op_vars(&step.op, &mut covered));
                Ok((covered.contains(&from) && covered.contains(&to)).then_some(block))
            }
            Err(error) if is_insufficient(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn branch(
        &mut self,
        id: usize,
        key: &Key,
        head: Vec<VarId>,
        goals: Vec<Goal>,
    ) -> Result<Branch> {
        let goals = self.lift(goals, key.source);
        let bound_head = |want: bool| {
            let pairs = head.iter().zip(&key.bound);
            pairs
                .filter(move |(_, bound)| **bound == want)
                .map(|(var, _)| *var)
        };
        let bound: HashSet<VarId> = bound_head(true).collect();
        let names = self.vars.clone();
        let block = self.ordered(&goals, &bound, &head)?;
        let mut covered: Vec<VarId> = bound.iter().copied().collect();
        block
            .steps
            .iter()
            .for_each(|step| super::order::op_vars(&step.op, &mut covered));
        let mut mentioned = Vec::new();
        goals.iter().for_each(|goal| goal.vars(&mut mentioned));
        let unused = |var: &VarId| key.lenient && !mentioned.contains(var);
        if let Some(var) = head
            .iter()
            .find(|var| !covered.contains(var) && !unused(var))
        {
            let name = names.name(*var);
            return Err(Error::new(
                Code::QueryWhere,
                format!(
                    "Insufficient bindings: #{{{name}}} not bound in rule {}",
                    key.name
                ),
            )
            .with("vars", Value::set([Value::Symbol(name.0.clone())])));
        }
        Ok(cut((id, &key.bound), head, block.steps))
    }
}

impl RuleCalls for RulePlanner<'_> {
    fn predicate(&mut self, call: &RuleCall<'_>) -> Result<Option<usize>> {
        let key = Key {
            name: call.name.clone(),
            source: call.source,
            bound: call.bound.clone(),
            lenient: call.lenient,
        };
        if self.may_ask_for_all(&key) {
            let bound = vec![false; key.bound.len()];
            let whole = Key {
                bound,
                ..key.clone()
            };
            if let Some(id) = self.planned_for(whole, call.goal)? {
                return Ok(Some(id));
            }
        }
        self.planned_for(key, call.goal)
    }

    fn enter_negation(&mut self) {
        self.negations.push(self.open.len());
    }

    fn leave_negation(&mut self) {
        self.negations.pop();
    }
}
