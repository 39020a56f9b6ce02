//! Judges a history by the t that the database gave each transaction: one pass over it in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datalith_tests::history::{ACCOUNTS, Act, BALANCE, Op, Outcome, Seen};

/// What a read of another process than the writer's must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// All that was acknowledged before the read began. (A process that follows may see a
    /// transaction a moment before the writer itself does, so reads do not bind one another.)
    Latest,
    /// Never less than the same client saw before.
    Monotone,
}

/// What a history must not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anomaly {
    pub(super) kind: &'static str,
    pub(super) what: String,
}

/// What the database holds after all is over: the t of each number, as often as it is there.
pub(super) type Left = Vec<(i64, i64)>;

/// Every anomaly of a history, the first of each kind first.
pub(super) fn check(ops: &[Op], left: &Left, reads: Reads) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let committed = outcomes(ops, left, &mut found);
    sessions(ops, &mut found);
    real_time(ops, reads, &mut found);
    replay(ops, &committed, &mut found);
    found
}

fn note(found: &mut Vec<Anomaly>, kind: &'static str, what: String) {
    found.push(Anomaly { kind, what });
}

/// Compares what clients were told with what is left; gives the writes that count, by t.
fn outcomes<'o>(ops: &'o [Op], left: &Left, found: &mut Vec<Anomaly>) -> BTreeMap<i64, &'o Act> {
    let mut places: HashMap<i64, i64> = HashMap::new();
    for (n, t) in left {
        if places.insert(*n, *t).is_some() {
            note(found, "duplicate", format!("{n} is there twice"));
        }
    }
    let mut committed = BTreeMap::new();
    for op in ops {
        let Some(n) = op.act.number() else { continue };
        let place = places.remove(&n);
        match (&op.outcome, place) {
            (Outcome::Ok { t, .. }, Some(place)) if *t != place => note(
                found,
                "moved",
                format!("{n} was acknowledged at {t} and is at {place}"),
            ),
            (Outcome::Ok { t, .. }, None) => {
                note(found, "lost", format!("{n}, acknowledged at {t}"));
            }
            (Outcome::Fail(reason), Some(place)) => {
                note(
                    found,
                    "dirty",
                    format!("{n} failed ({reason}) and is at {place}"),
                );
            }
            _ => {}
        }
        if let Outcome::Ok { t, before } = op.outcome
            && before != t - 1
        {
            note(found, "gap", format!("{n} at {t} was made upon {before}"));
        }
        if let Some(place) = place
            && let Some(other) = committed.insert(place, &op.act)
        {
            note(
                found,
                "same t",
                format!("{n} and {other:?} are both at {place}"),
            );
        }
    }
    for (n, t) in places {
        note(found, "invented", format!("{n} at {t} was never asked for"));
    }
    committed
}

/// A client never goes back in time, and sees what it wrote.
fn sessions(ops: &[Op], found: &mut Vec<Anomaly>) {
    let mut last: HashMap<u32, i64> = HashMap::new();
    let mut ordered: Vec<&Op> = ops.iter().collect();
    ordered.sort_by_key(|op| op.start_ns);
    for op in ordered {
        let seen = match &op.outcome {
            Outcome::Ok { t, .. } => *t,
            Outcome::Seen(seen) => seen.basis,
            _ => continue,
        };
        let before = last.insert(op.process, seen).unwrap_or(i64::MIN);
        if seen < before {
            let what = format!("client {} was at {before}, then at {seen}", op.process);
            note(found, "stale session", what);
        }
    }
}

/// What starts after something ended comes after it.
fn real_time(ops: &[Op], reads: Reads, found: &mut Vec<Anomaly>) {
    let mut events: Vec<(u64, bool, &Op)> = Vec::new();
    for op in ops {
        events.push((op.start_ns, false, op));
        events.extend(op.end_ns.map(|end| (end, true, op)));
    }
    // What ends in the same nanosecond as another starts counts as beside it.
    events.sort_by_key(|(ns, is_end, _)| (*ns, *is_end));
    let mut latest = i64::MIN;
    let mut at_start: HashMap<(u32, u64), i64> = HashMap::new();
    for (_, is_end, op) in events {
        let key = (op.process, op.start_ns);
        if !is_end {
            at_start.insert(key, latest);
            continue;
        }
        let floor = at_start.get(&key).copied().unwrap_or(i64::MIN);
        match &op.outcome {
            Outcome::Ok { t, .. } => {
                if *t <= floor {
                    let what = format!("{:?} is at {t}, {floor} was over before", op.act);
                    note(found, "reordered", what);
                }
                latest = latest.max(*t);
            }
            Outcome::Seen(seen) if reads == Reads::Latest && seen.basis < floor => {
                let what = format!("a read saw {}, {floor} was over before", seen.basis);
                note(found, "stale read", what);
            }
            _ => {}
        }
    }
}

/// What a database at some t must hold.
struct World {
    appended: HashMap<i64, Vec<(i64, i64)>>,
    pushed: HashMap<i64, Vec<i64>>,
    balances: Vec<i64>,
    claims: HashMap<i64, i64>,
}

/// Makes every transaction again, in order, and compares each read with what there must be.
fn replay(ops: &[Op], committed: &BTreeMap<i64, &Act>, found: &mut Vec<Anomaly>) {
    let mut world = World {
        appended: HashMap::new(),
        pushed: HashMap::new(),
        balances: vec![BALANCE; ACCOUNTS],
        claims: HashMap::new(),
    };
    let mut reads: Vec<&Seen> = ops
        .iter()
        .filter_map(|op| match &op.outcome {
            Outcome::Seen(seen) => Some(seen),
            _ => None,
        })
        .collect();
    reads.sort_by_key(|seen| seen.basis);
    let mut rest = committed.iter().peekable();
    for seen in reads {
        while let Some((t, act)) = rest.next_if(|(t, _)| **t <= seen.basis) {
            world.apply(*t, act, found);
        }
        world.compare(seen, found);
    }
    for (t, act) in rest {
        world.apply(*t, act, found);
    }
}

impl World {
    fn apply(&mut self, t: i64, act: &Act, found: &mut Vec<Anomaly>) {
        match *act {
            Act::Append { list, n } => self.appended.entry(list).or_default().push((n, t)),
            Act::Push { list, index, n } => {
                let numbers = self.pushed.entry(list).or_default();
                if numbers.len() as i64 != index {
                    let length = numbers.len();
                    let what = format!("{n} at {t} swapped length {index} where it was {length}");
                    note(found, "broken swap", what);
                }
                numbers.push(n);
            }
            Act::Transfer {
                from, to, amount, ..
            } => {
                self.balances[from] -= amount;
                self.balances[to] += amount;
                if self.balances[from] < 0 {
                    note(
                        found,
                        "broken swap",
                        format!("account {from} is empty at {t}"),
                    );
                }
            }
            Act::Claim { name, n } => {
                if let Some(other) = self.claims.insert(name, n) {
                    let what = format!("{name} belongs to {other}, and at {t} to {n}");
                    note(found, "claimed twice", what);
                }
            }
            Act::Read => {}
        }
    }

    fn compare(&self, seen: &Seen, found: &mut Vec<Anomaly>) {
        let basis = seen.basis;
        let (list, numbers) = &seen.appended;
        let expected = self.appended.get(list).map_or(&[][..], Vec::as_slice);
        if numbers != expected {
            let (kind, what) = difference(expected, numbers);
            note(found, kind, format!("list {list} at {basis}: {what}"));
        }
        let pushed = &seen.pushed;
        let all = self.pushed.get(&pushed.list).map_or(&[][..], Vec::as_slice);
        let end = all.get(pushed.start as usize..).unwrap_or_default();
        if pushed.length != all.len() as i64 || pushed.numbers != end {
            let what = format!("list {} at {basis}: {end:?}, seen {pushed:?}", pushed.list);
            note(found, "wrong push read", what);
        }
        if seen.balances != self.balances {
            let what = format!("at {basis}: {:?}, seen {:?}", self.balances, seen.balances);
            note(found, "wrong balances", what);
        }
        for (name, n) in &seen.claims {
            let owner = self.claims.get(name).copied().unwrap_or_default();
            if owner != *n {
                let what = format!("at {basis} {name} is of {owner}, seen {n}");
                note(found, "wrong claim read", what);
            }
        }
    }
}

/// How a list that was read differs from what it must be.
fn difference(expected: &[(i64, i64)], seen: &[(i64, i64)]) -> (&'static str, String) {
    let must: BTreeSet<_> = expected.iter().collect();
    let is: BTreeSet<_> = seen.iter().collect();
    if is.len() < seen.len() {
        return ("duplicate read", format!("{seen:?}"));
    }
    if let Some(missing) = must.difference(&is).next() {
        return ("lost read", format!("{missing:?} is missing"));
    }
    match is.difference(&must).next() {
        Some(other) => ("dirty read", format!("{other:?} should not be there")),
        None => ("reordered read", format!("{expected:?}, seen {seen:?}")),
    }
}
