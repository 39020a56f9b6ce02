//! Judges a history by what the reads saw alone: a t that lies cannot hide an anomaly here.
//!
//! Each operation is a node of a graph. What a read saw of a list orders it after the writes it saw
//! and before those it did not see; clients and the clock order operations too. A history that
//! some order explains has no cycle (Adya's and Elle's argument). Every list has one chain of versions,
//! through which all its edges go, so the graph stays as large as the history.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datalith_tests::history::{ACCOUNTS, Act, BALANCE, Op, Outcome, Seen};

use super::check::{Anomaly, Reads};

/// Every anomaly that the reads show.
pub(super) fn infer(ops: &[Op], reads: Reads) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let writes: HashMap<i64, usize> = (0..)
        .zip(ops)
        .filter_map(|(at, op)| Some((op.act.number()?, at)))
        .collect();
    let mut graph = Graph::of(ops.len());
    lists(ops, &writes, &mut graph, &mut found);
    values(ops, &writes, &mut found);
    clients(ops, &mut graph);
    clock(ops, reads, &mut graph);
    if let Some(at) = graph.cycle() {
        let what = format!("no order explains {:?}", ops[at]);
        found.push(anomaly("cycle", what));
    }
    found
}

fn anomaly(kind: &'static str, what: String) -> Anomaly {
    Anomaly { kind, what }
}

/// What all reads saw of one append list: by its length, who saw it and which numbers.
type Versions = BTreeMap<usize, Vec<(usize, BTreeSet<i64>)>>;

/// What all reads saw of one pushed list: the number at each index, and who saw which length.
#[derive(Default)]
struct Numbers {
    known: BTreeMap<i64, i64>,
    readers: Vec<(usize, i64)>,
}

/// Orders writes and reads by what the reads saw of each list.
fn lists(ops: &[Op], writes: &HashMap<i64, usize>, graph: &mut Graph, found: &mut Vec<Anomaly>) {
    let mut appended: BTreeMap<i64, Versions> = BTreeMap::new();
    let mut pushed: BTreeMap<i64, Numbers> = BTreeMap::new();
    for (at, seen) in reads(ops) {
        let (list, numbers) = &seen.appended;
        let set: BTreeSet<i64> = numbers.iter().map(|(n, _)| *n).collect();
        if set.len() < numbers.len() {
            found.push(anomaly("duplicate read", format!("{numbers:?}")));
        }
        let versions = appended.entry(*list).or_default();
        versions.entry(set.len()).or_default().push((at, set));
        let numbers = pushed.entry(seen.pushed.list).or_default();
        numbers.readers.push((at, seen.pushed.length));
        for (index, n) in (seen.pushed.start..).zip(&seen.pushed.numbers) {
            let other = numbers.known.insert(index, *n).unwrap_or(*n);
            if other != *n {
                let what = format!("index {index} holds {n} and {other}");
                found.push(anomaly("reordered read", what));
            }
        }
    }
    let mut acknowledged = acknowledged(ops);
    for (list, versions) in appended {
        let own = acknowledged.0.remove(&list).unwrap_or_default();
        if let Err(anomaly) = chain_of_sets(versions, &own, writes, graph) {
            found.push(anomaly);
        }
    }
    for (list, numbers) in pushed {
        let own = acknowledged.1.remove(&list).unwrap_or_default();
        chain_of_numbers(numbers, &own, writes, graph);
    }
}

/// The acknowledged writes of each list: the numbers appended, the indexes pushed, and which
/// operation it was.
type Acknowledged = HashMap<i64, Vec<(i64, usize)>>;

fn acknowledged(ops: &[Op]) -> (Acknowledged, Acknowledged) {
    let (mut appended, mut pushed) = (Acknowledged::new(), Acknowledged::new());
    for (at, op) in ops.iter().enumerate() {
        match (&op.act, &op.outcome) {
            (Act::Append { list, n }, Outcome::Ok { .. }) => {
                appended.entry(*list).or_default().push((*n, at));
            }
            (Act::Push { list, index, .. }, Outcome::Ok { .. }) => {
                pushed.entry(*list).or_default().push((*index, at));
            }
            _ => {}
        }
    }
    (appended, pushed)
}

/// Versions of an append list: each holds the one before it. What nobody saw comes last.
fn chain_of_sets(
    versions: Versions,
    acknowledged: &[(i64, usize)],
    writes: &HashMap<i64, usize>,
    graph: &mut Graph,
) -> Result<(), Anomaly> {
    let mut chain = Chain::default();
    let mut last: BTreeSet<i64> = BTreeSet::new();
    for readers in versions.into_values() {
        let set = &readers[0].1;
        if let Some((_, other)) = readers.iter().find(|(_, other)| other != set) {
            return Err(anomaly("parted reads", format!("{set:?} and {other:?}")));
        }
        if let Some(n) = last.difference(set).next() {
            return Err(anomaly(
                "lost read",
                format!("{n} was seen, then not: {set:?}"),
            ));
        }
        let added = set.difference(&last).filter_map(|n| writes.get(n));
        chain.version(added.copied(), graph);
        for (at, _) in &readers {
            chain.read(*at, graph);
        }
        last = set.clone();
    }
    let unseen = acknowledged.iter().filter(|(n, _)| !last.contains(n));
    chain.version(unseen.map(|(_, at)| *at), graph);
    Ok(())
}

/// Versions of a pushed list: each is one number longer.
fn chain_of_numbers(
    mut numbers: Numbers,
    acknowledged: &[(i64, usize)],
    writes: &HashMap<i64, usize>,
    graph: &mut Graph,
) {
    numbers.readers.sort_by_key(|(_, length)| *length);
    let mut chain = Chain::default();
    chain.version(std::iter::empty(), graph);
    let mut rest = numbers.known.iter().peekable();
    let mut longest = 0;
    for (at, length) in numbers.readers {
        while let Some((_, n)) = rest.next_if(|(index, _)| **index < length) {
            chain.version(writes.get(n).copied().into_iter(), graph);
        }
        chain.read(at, graph);
        longest = length;
    }
    let unseen = acknowledged.iter().filter(|(index, _)| *index >= longest);
    chain.version(unseen.map(|(_, at)| *at), graph);
}

/// Numbers nobody asked for, numbers that failed, money that came from nowhere, names that changed
/// hands.
fn values(ops: &[Op], writes: &HashMap<i64, usize>, found: &mut Vec<Anomaly>) {
    let mut owners: HashMap<i64, i64> = HashMap::new();
    for (at, seen) in reads(ops) {
        let numbers = seen.appended.1.iter().map(|(n, _)| n);
        let taken = seen.claims.iter().filter(|(_, n)| *n != 0);
        let taken: Vec<(i64, i64)> = taken.copied().collect();
        let claimed = taken.iter().map(|(_, n)| n);
        for n in numbers.chain(&seen.pushed.numbers).chain(claimed) {
            match writes.get(n).map(|write| &ops[*write]) {
                None => found.push(anomaly("invented", format!("{n}"))),
                Some(write) if matches!(write.outcome, Outcome::Fail(_)) => {
                    found.push(anomaly("dirty read", format!("{write:?}")));
                }
                Some(write) if ops[at].end_ns.is_some_and(|end| end < write.start_ns) => {
                    found.push(anomaly("read ahead", format!("{write:?}")));
                }
                Some(_) => {}
            }
        }
        if seen.balances.iter().sum::<i64>() != BALANCE * ACCOUNTS as i64 {
            found.push(anomaly("wrong balances", format!("{:?}", seen.balances)));
        }
        for (name, n) in taken {
            let other = owners.insert(name, n).unwrap_or(n);
            if other != n {
                let what = format!("{name} is of {n} and of {other}");
                found.push(anomaly("claimed twice", what));
            }
        }
    }
}

/// What one client did, in its order.
fn clients(ops: &[Op], graph: &mut Graph) {
    let mut last: HashMap<u32, usize> = HashMap::new();
    let mut ordered: Vec<usize> = (0..ops.len()).collect();
    ordered.sort_by_key(|at| ops[*at].start_ns);
    for at in ordered {
        if let Outcome::Ok { .. } | Outcome::Seen(_) = ops[at].outcome
            && let Some(before) = last.insert(ops[at].process, at)
        {
            graph.edge(before, at);
        }
    }
}

/// What was over before something began, through one chain of moments.
fn clock(ops: &[Op], reads: Reads, graph: &mut Graph) {
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        let counts = match op.outcome {
            Outcome::Ok { .. } => true,
            Outcome::Seen(_) => reads == Reads::Latest,
            _ => false,
        };
        if let (true, Some(end)) = (counts, op.end_ns) {
            events.extend([(op.start_ns, false, at), (end, true, at)]);
        }
    }
    events.sort_unstable();
    let mut moment = graph.node();
    for (_, is_end, at) in events {
        if is_end && ops[at].act == Act::Read {
            continue;
        }
        if is_end {
            let next = graph.node();
            graph.edge(moment, next);
            graph.edge(at, next);
            moment = next;
        } else {
            graph.edge(moment, at);
        }
    }
}

fn reads(ops: &[Op]) -> impl Iterator<Item = (usize, &Seen)> {
    ops.iter()
        .enumerate()
        .filter_map(|(at, op)| match &op.outcome {
            Outcome::Seen(seen) => Some((at, seen)),
            _ => None,
        })
}

/// The versions of one list: writes, then those who saw them, then the next writes.
#[derive(Default)]
struct Chain {
    /// After the writes of the newest version.
    written: usize,
    /// After those who read it; none before the first.
    end: Option<usize>,
}

impl Chain {
    /// The next version, made by `writers`.
    fn version(&mut self, writers: impl Iterator<Item = usize>, graph: &mut Graph) {
        let (written, read) = (graph.node(), graph.node());
        graph.edge(written, read);
        for writer in writers {
            if let Some(end) = self.end {
                graph.edge(end, writer);
            }
            graph.edge(writer, written);
        }
        if let Some(end) = self.end {
            graph.edge(end, written);
        }
        (self.written, self.end) = (written, Some(read));
    }

    /// `reader` saw the newest version.
    fn read(&self, reader: usize, graph: &mut Graph) {
        if let Some(end) = self.end {
            graph.edge(self.written, reader);
            graph.edge(reader, end);
        }
    }
}

/// What comes before what.
struct Graph {
    operations: usize,
    after: Vec<Vec<usize>>,
}

impl Graph {
    fn of(operations: usize) -> Graph {
        Graph {
            operations,
            after: vec![Vec::new(); operations],
        }
    }

    fn node(&mut self) -> usize {
        self.after.push(Vec::new());
        self.after.len() - 1
    }

    fn edge(&mut self, before: usize, after: usize) {
        self.after[before].push(after);
    }

    /// An operation on a cycle or behind one, if there is a cycle.
    fn cycle(&self) -> Option<usize> {
        let mut waits_for = vec![0_u32; self.after.len()];
        for after in self.after.iter().flatten() {
            waits_for[*after] += 1;
        }
        let mut free: Vec<usize> = (0..waits_for.len())
            .filter(|at| waits_for[*at] == 0)
            .collect();
        while let Some(at) = free.pop() {
            for after in &self.after[at] {
                waits_for[*after] -= 1;
                if waits_for[*after] == 0 {
                    free.push(*after);
                }
            }
        }
        (0..self.operations).find(|at| waits_for[*at] > 0)
    }
}
