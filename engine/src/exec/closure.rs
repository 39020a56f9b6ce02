//! Rules that follow steps through a graph: nodes are explored once for all starts together, then
//! each start's share is walked in memory.
//!
//! Cost: O(nodes + links) for one start; O(links within reach of each) for several.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::block::{Context, run_block};
use super::budget::Budget;
use super::fixpoint::slot_column;
use super::graph::{Adjacency, Marks, Nodes, is_name};
use super::join::natural_join;
use super::relation::Relation;
use crate::error::Result;
use crate::index::{Cell, Column};
use crate::plan::{Block, Closure, Link, Predicate, Slot, VarId};

/// Links times starts from which on walking is worth several threads.
const PARALLEL_WORK: usize = 1 << 20;
/// Starts that a thread takes at a time.
const STARTS_PER_TASK: usize = 64;
/// Nodes of a round against all links expected, from which on all links are read at once.
const ROUND_SHARE: f64 = 1.0 / 8.0;

/// Joins a relation with the tuples of a closure.
pub(super) fn call(
    context: &mut Context<'_>,
    (predicate, closure): (&Predicate, &Closure),
    args: &[Slot],
    relation: &Relation,
) -> Result<Relation> {
    let (near, far) = if closure.backward { (1, 0) } else { (0, 1) };
    if relation.is_empty() {
        let mut out = relation.clone();
        for var in args.iter().filter_map(Slot::var) {
            if !out.binds(var) {
                out.push(var, Column::default());
            }
        }
        return Ok(out);
    }
    if !predicate.bound.contains(&true) {
        let pairs = all_pairs(context, closure, args)?;
        if relation.vars().is_empty() && relation.len() == 1 {
            return Ok(pairs);
        }
        return natural_join(relation, &pairs, context.budget);
    }
    let starts = slot_column(context, &args[near], relation);
    let mut graph = Graph::default();
    let of_row = graph.nodes.number(&starts);
    let starts: Vec<u32> = (0..graph.nodes.len() as u32).collect();
    graph.explore(context, closure, &starts)?;
    let shares = graph.walk(closure, &starts, context.budget)?;
    let reached = Reached::new(shares);
    match &args[far] {
        slot if predicate.bound[far] => {
            let ends = slot_column(context, slot, relation);
            let ends = graph.find(context, predicate.source, &ends)?;
            let rows = reached.rows_that_reach(&of_row, &ends, graph.nodes.len());
            Ok(relation.select(&rows))
        }
        Slot::Var(var) => {
            let (rows, targets) = reached.rows(&of_row, relation.vars().len(), context.budget)?;
            let mut out = relation.gather(&rows);
            out.push(*var, graph.nodes.cells(&targets));
            Ok(out.known_set(relation.is_set()))
        }
        _ => {
            let rows = 0..relation.len() as u32;
            let leads_somewhere = |row: &u32| !reached.of(of_row[*row as usize]).is_empty();
            Ok(relation.select(&rows.filter(leads_somewhere).collect::<Vec<_>>()))
        }
    }
}

/// Every pair, as a relation over the variables of a call.
fn all_pairs(context: &mut Context<'_>, closure: &Closure, args: &[Slot]) -> Result<Relation> {
    let mut graph = Graph::default();
    graph.explore_all(context, closure)?;
    let mut is_start = Marks::new(graph.nodes.len());
    let steps = closure.steps.iter().filter(|_| !closure.hop_first);
    let mut starts = Vec::new();
    for &node in steps
        .flat_map(|_| &graph.steps.from)
        .chain(&graph.hops.from)
    {
        if is_start.insert(node) {
            starts.push(node);
        }
    }
    let shares = graph.walk(closure, &starts, context.budget)?;
    let rows = shares.iter().map(|share| share.targets.len()).sum();
    context.budget.check_rows(rows, args.len())?;
    let cells = graph.nodes.all();
    drop(graph);
    let (mut from, mut to) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for share in shares {
        let mut start = 0;
        for (&node, &end) in share.starts.iter().zip(&share.ends) {
            from.extend(std::iter::repeat_n(node, end - start));
            start = end;
        }
        to.extend_from_slice(&share.targets);
    }
    let columns = [cells.gather(&from), cells.gather(&to)];
    drop((from, to));
    let mut pairs = Relation::new(Vec::new(), Vec::new(), rows);
    let mut repeated = None;
    for (slot, column) in args.iter().zip(columns) {
        match slot {
            Slot::Var(var) if pairs.binds(*var) => repeated = Some((*var, column)),
            Slot::Var(var) => pairs.push(*var, column),
            _ => {}
        }
    }
    if let Some((var, column)) = repeated {
        let first = pairs.column(var).expect("it was just bound");
        let is_same = |row: &u32| first.cell(*row as usize) == column.cell(*row as usize);
        let rows: Vec<u32> = (0..rows as u32).filter(is_same).collect();
        return Ok(pairs.gather(&rows).known_set(true));
    }
    let has_both = args.iter().all(|slot| slot.var().is_some());
    Ok(pairs.known_set(has_both))
}

/// The part of a graph that is known.
#[derive(Default)]
struct Graph {
    nodes: Nodes,
    hops: Pairs,
    /// Nothing where the hops are the steps.
    steps: Pairs,
    /// Whether there may be pairs that no start leads to.
    has_more: bool,
}

/// Nodes and those that follow them.
#[derive(Default)]
struct Pairs {
    from: Vec<u32>,
    to: Vec<u32>,
}

impl Graph {
    /// Reads what the first nodes lead to.
    fn explore(
        &mut self,
        context: &mut Context<'_>,
        closure: &Closure,
        starts: &[u32],
    ) -> Result<()> {
        let Some(steps) = &closure.steps else {
            self.hops = self.follow_far(context, &closure.hops, starts.to_vec())?;
            return Ok(());
        };
        if closure.hop_first {
            self.hops = self.follow(context, &closure.hops, starts)?;
            let mut seen = Marks::new(self.nodes.len());
            let hops = self.hops.to.iter().copied();
            let landed = hops.filter(|node| seen.insert(*node)).collect();
            self.steps = self.follow_far(context, steps, landed)?;
        } else {
            self.steps = self.follow_far(context, steps, starts.to_vec())?;
            let all: Vec<u32> = (0..self.nodes.len() as u32).collect();
            self.hops = self.follow(context, &closure.hops, &all)?;
        }
        Ok(())
    }

    /// Reads everything.
    fn explore_all(&mut self, context: &mut Context<'_>, closure: &Closure) -> Result<()> {
        self.hops = self.all(context, &closure.hops)?.unwrap_or_default();
        if let Some(steps) = &closure.steps {
            self.steps = self.all(context, steps)?.unwrap_or_default();
        }
        self.has_more = true;
        Ok(())
    }

    /// What follows some nodes.
    fn follow(
        &mut self,
        context: &mut Context<'_>,
        links: &[Link],
        nodes: &[u32],
    ) -> Result<Pairs> {
        let mut pairs = Pairs::default();
        let cells = self.nodes.cells(nodes);
        // In order a scan reads an index once instead of searching it for each node.
        let cells = match cells.kind() {
            Some(kind) => {
                let mut bits = cells.bits().to_vec();
                bits.sort_unstable();
                Column::uniform(kind, bits)
            }
            None => cells,
        };
        for link in links {
            let known = Relation::new(vec![link.from], vec![cells.clone()], nodes.len());
            self.run(context, (&link.near, link), known, &mut pairs)?;
        }
        Ok(pairs)
    }

    /// What follows some nodes, what follows that, and so on.
    fn follow_far(
        &mut self,
        context: &mut Context<'_>,
        links: &[Link],
        nodes: Vec<u32>,
    ) -> Result<Pairs> {
        let expected: f64 = links
            .iter()
            .map(|link| link.all.as_ref().map_or(f64::INFINITY, |(_, rows)| *rows))
            .sum();
        let mut pairs = Pairs::default();
        let mut followed = vec![false; self.nodes.len()];
        nodes
            .iter()
            .for_each(|&node| followed[node as usize] = true);
        let mut round = nodes;
        while !round.is_empty() {
            if round.len() as f64 >= expected * ROUND_SHARE
                && let Some(all) = self.all(context, links)?
            {
                self.has_more = true;
                return Ok(all);
            }
            let found = self.follow(context, links, &round)?;
            followed.resize(self.nodes.len(), false);
            round.clear();
            for &node in &found.to {
                if !std::mem::replace(&mut followed[node as usize], true) {
                    round.push(node);
                }
            }
            pairs.from.extend(found.from);
            pairs.to.extend(found.to);
            context.budget.check_rows(pairs.from.len(), 1)?;
        }
        Ok(pairs)
    }

    /// All that links join; none if they cannot be had without a node.
    ///
    /// A lookup ref or an ident leads where its entity does, yet no row has it for its entity: such
    /// nodes are followed besides.
    fn all(&mut self, context: &mut Context<'_>, links: &[Link]) -> Result<Option<Pairs>> {
        let mut pairs = Pairs::default();
        for link in links {
            let Some((block, _)) = &link.all else {
                return Ok(None);
            };
            self.run(context, (block, link), Relation::unit(), &mut pairs)?;
        }
        let mut known = 0;
        loop {
            let names = self.nodes.names_since(known);
            known = self.nodes.len();
            if names.is_empty() {
                return Ok(Some(pairs));
            }
            let found = self.follow(context, links, &names)?;
            pairs.from.extend(found.from);
            pairs.to.extend(found.to);
        }
    }

    fn run(
        &mut self,
        context: &mut Context<'_>,
        (block, link): (&Block, &Link),
        known: Relation,
        pairs: &mut Pairs,
    ) -> Result<()> {
        let found = run_block(context, block, known)?;
        if let (Some(from), Some(to)) = (found.column(link.from), found.column(link.to)) {
            pairs.from.extend(self.nodes.number(from));
            pairs.to.extend(self.nodes.number(to));
        }
        Ok(())
    }

    /// The nodes that cells are, where they are one: lookup refs and idents name entities.
    fn find(
        &self,
        context: &Context<'_>,
        source: usize,
        cells: &Column,
    ) -> Result<Vec<[Option<u32>; 2]>> {
        let found = |cell: Cell| {
            let entity = match context.sources.db_at(source) {
                Some(db) if is_name(cell.kind) => context
                    .shared()
                    .entity_cell(db, &context.interner.value(cell))?,
                _ => None,
            };
            let entity = entity.and_then(|entity| self.nodes.find(entity));
            Ok([self.nodes.find(cell), entity])
        };
        cells.cells().map(found).collect()
    }

    /// Where each start leads.
    fn walk(&self, closure: &Closure, starts: &[u32], budget: &Budget) -> Result<Vec<Share>> {
        let nodes = self.nodes.len();
        if let ([start], false) = (starts, self.has_more) {
            return Ok(vec![self.reached_from(*start, closure.hop_first)]);
        }
        let hops = Adjacency::new(nodes, &self.hops.from, &self.hops.to);
        let steps = Adjacency::new(nodes, &self.steps.from, &self.steps.to);
        let walk = Walk {
            steps: closure.steps.as_ref().map_or(&hops, |_| &steps),
            hops: &hops,
            hop_first: closure.hop_first,
            found: AtomicUsize::new(0),
            budget,
        };
        if starts.len().saturating_mul(walk.steps.len()) < PARALLEL_WORK {
            return Ok(vec![walk.share(&mut Walker::new(nodes), starts)?]);
        }
        starts
            .par_chunks(STARTS_PER_TASK)
            .map_init(
                || Walker::new(nodes),
                |walker, starts| walk.share(walker, starts),
            )
            .collect()
    }

    /// Where the one start leads, if nothing else was explored: to all that was.
    fn reached_from(&self, start: u32, hop_first: bool) -> Share {
        let mut seen = Marks::new(self.nodes.len());
        let walked = self.steps.to.iter().filter(|_| hop_first);
        let targets = self.hops.to.iter().chain(walked).copied();
        let targets: Vec<u32> = targets.filter(|node| seen.insert(*node)).collect();
        Share {
            starts: vec![start],
            ends: vec![targets.len()],
            targets,
        }
    }
}

/// Some starts, and where they lead.
struct Share {
    starts: Vec<u32>,
    /// Where each start's targets end.
    ends: Vec<usize>,
    targets: Vec<u32>,
}

/// What a walk goes by.
struct Walk<'g> {
    hops: &'g Adjacency,
    steps: &'g Adjacency,
    hop_first: bool,
    /// Targets found by all threads.
    found: AtomicUsize,
    budget: &'g Budget,
}

/// What a thread needs to walk.
struct Walker {
    walked: Marks,
    landed: Marks,
    queue: Vec<u32>,
}

impl Walker {
    fn new(nodes: usize) -> Walker {
        Walker {
            walked: Marks::new(nodes),
            landed: Marks::new(nodes),
            queue: Vec::new(),
        }
    }
}

impl Walk<'_> {
    fn share(&self, walker: &mut Walker, starts: &[u32]) -> Result<Share> {
        let mut share = Share {
            starts: starts.to_vec(),
            ends: Vec::with_capacity(starts.len()),
            targets: Vec::new(),
        };
        let mut unchecked = 0;
        for &start in starts {
            let before = share.targets.len();
            self.from(start, walker, &mut share.targets);
            share.ends.push(share.targets.len());
            unchecked += share.targets.len() - before;
            if unchecked >= Budget::CHECK_ROWS {
                let found = self.found.fetch_add(unchecked, Ordering::Relaxed) + unchecked;
                unchecked = 0;
                self.budget.check_rows(found, 2)?;
            }
        }
        self.found.fetch_add(unchecked, Ordering::Relaxed);
        Ok(share)
    }

    /// Appends where a start leads, nearest first.
    fn from(&self, start: u32, walker: &mut Walker, targets: &mut Vec<u32>) {
        let Walker {
            walked,
            landed,
            queue,
        } = walker;
        walked.clear();
        if self.hop_first {
            let mut next = targets.len();
            let hops = self.hops.of(start).iter().copied();
            targets.extend(hops.filter(|node| walked.insert(*node)));
            while let Some(&node) = targets.get(next) {
                let steps = self.steps.of(node).iter().copied();
                targets.extend(steps.filter(|node| walked.insert(*node)));
                next += 1;
            }
            return;
        }
        landed.clear();
        queue.clear();
        walked.insert(start);
        queue.push(start);
        let mut next = 0;
        while let Some(&node) = queue.get(next) {
            let hops = self.hops.of(node).iter().copied();
            targets.extend(hops.filter(|node| landed.insert(*node)));
            let steps = self.steps.of(node).iter().copied();
            queue.extend(steps.filter(|node| walked.insert(*node)));
            next += 1;
        }
    }
}

/// Where starts lead, by the number of the start.
struct Reached {
    ends: Vec<usize>,
    targets: Vec<u32>,
}

impl Reached {
    /// From the shares of starts `0, 1, 2, …`.
    fn new(mut shares: Vec<Share>) -> Reached {
        if shares.len() == 1
            && let Some(Share { ends, targets, .. }) = shares.pop()
        {
            return Reached { ends, targets };
        }
        let (mut ends, mut targets) = (Vec::new(), Vec::new());
        for share in shares {
            ends.extend(share.ends.iter().map(|end| targets.len() + end));
            targets.extend(share.targets);
        }
        Reached { ends, targets }
    }

    fn of(&self, start: u32) -> &[u32] {
        let start = start as usize;
        let from = start.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.targets[from..self.ends[start]]
    }

    /// Each row with each target of its start.
    fn rows(
        &self,
        of_row: &[u32],
        columns: usize,
        budget: &Budget,
    ) -> Result<(Vec<u32>, Vec<u32>)> {
        let count = of_row.iter().map(|&start| self.of(start).len()).sum();
        budget.check_rows(count, columns + 1)?;
        let (mut rows, mut targets) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (row, &start) in of_row.iter().enumerate() {
            let of_start = self.of(start);
            rows.extend(std::iter::repeat_n(row as u32, of_start.len()));
            targets.extend_from_slice(of_start);
        }
        Ok((rows, targets))
    }

    /// The rows whose start leads to one of their ends.
    fn rows_that_reach(&self, of_row: &[u32], ends: &[[Option<u32>; 2]], nodes: usize) -> Vec<u32> {
        let mut by_start: Vec<u32> = (0..of_row.len() as u32).collect();
        by_start.sort_by_key(|&row| of_row[row as usize]);
        let mut marks = Marks::new(nodes);
        let mut found = Vec::new();
        for rows in by_start.chunk_by(|a, b| of_row[*a as usize] == of_row[*b as usize]) {
            marks.clear();
            for &target in self.of(of_row[rows[0] as usize]) {
                marks.insert(target);
            }
            let is_end = |row: &&u32| {
                let ends = ends[**row as usize].iter().flatten();
                ends.into_iter().any(|end| marks.contains(*end))
            };
            found.extend(rows.iter().filter(is_end));
        }
        found.sort_unstable();
        found
    }
}

/// The tuples of a closure for demanded arguments: a column for each argument.
pub(super) fn answers(
    context: &mut Context<'_>,
    (predicate, closure): (&Predicate, &Closure),
    demand: &[Column],
    rows: usize,
) -> Result<(Vec<Column>, usize)> {
    let vars = [VarId(u32::MAX), VarId(u32::MAX - 1)];
    let bound = vars.iter().zip(&predicate.bound).filter(|(_, b)| **b);
    let bound = bound.map(|(var, _)| *var).collect();
    let relation = Relation::new(bound, demand.to_vec(), rows);
    let args = vars.map(Slot::Var);
    let found = call(context, (predicate, closure), &args, &relation)?.project(&vars);
    Ok((found.columns().to_vec(), found.len()))
}
