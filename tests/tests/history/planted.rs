//! Each anomaly, planted in a history that is good without it, is found.

use datalith_tests::history::{ACCOUNTS, Act, BALANCE, Op, Outcome, Pushed, Seen};

use super::check::{Anomaly, Left, Reads, check};
use super::infer::infer;

/// A small history: writes in turn, each followed by a read of another client.
struct History {
    ops: Vec<Op>,
    left: Left,
}

fn good() -> History {
    let acts = [
        Act::Append { list: 1, n: 11 },
        Act::Append { list: 1, n: 12 },
        push(0, 13),
        Act::Transfer {
            from: 0,
            to: 1,
            amount: 30,
            n: 14,
        },
        Act::Claim { name: 7, n: 15 },
        push(1, 16),
        Act::Append { list: 1, n: 17 },
    ];
    let (mut ops, mut left) = (Vec::new(), Left::new());
    let mut seen = Seen {
        appended: (1, Vec::new()),
        balances: vec![BALANCE; ACCOUNTS],
        claims: vec![(7, 0)],
        ..Seen::default()
    };
    for (t, act) in (1..).zip(acts) {
        let n = act.number().expect("a write");
        match act {
            Act::Append { n, .. } => seen.appended.1.push((n, t)),
            Act::Push { n, .. } => {
                seen.pushed.numbers.push(n);
                seen.pushed.length += 1;
            }
            Act::Transfer { amount, .. } => {
                seen.balances[0] -= amount;
                seen.balances[1] += amount;
            }
            Act::Claim { n, .. } => seen.claims[0].1 = n,
            Act::Read => {}
        }
        seen.basis = t;
        left.push((n, t));
        let at = t as u64 * 100;
        let outcome = Outcome::Ok { t, before: t - 1 };
        ops.push(op(1, at, act, outcome));
        ops.push(op(2, at + 50, Act::Read, Outcome::Seen(seen.clone())));
    }
    History { ops, left }
}

fn push(index: i64, n: i64) -> Act {
    Act::Push { list: 0, index, n }
}

fn op(process: u32, start_ns: u64, act: Act, outcome: Outcome) -> Op {
    Op {
        process,
        start_ns,
        end_ns: Some(start_ns + 20),
        act,
        outcome,
    }
}

impl History {
    fn seen(&mut self, at: usize) -> &mut Seen {
        match &mut self.ops[at].outcome {
            Outcome::Seen(seen) => seen,
            other => panic!("{other:?}"),
        }
    }

    fn last(&mut self) -> &mut Seen {
        self.seen(13)
    }
}

/// Whether both judges, or only the one that trusts t, must see it.
#[derive(PartialEq)]
enum By {
    Both,
    Numbered,
    Inferred,
}

fn finds(kind: &str, by: By, plant: fn(&mut History)) {
    let mut history = good();
    plant(&mut history);
    let numbered = check(&history.ops, &history.left, Reads::Latest);
    let inferred = infer(&history.ops, Reads::Latest);
    let is = |anomaly: &Anomaly| anomaly.kind == kind;
    if by != By::Inferred {
        assert!(numbered.iter().any(is), "{kind}: {numbered:?}");
    }
    if by == By::Inferred {
        assert!(inferred.iter().any(is), "{kind}: {inferred:?}");
    }
    if by == By::Both {
        assert!(!inferred.is_empty(), "{kind} is not inferred");
    }
}

#[test]
fn a_good_history_has_no_anomaly() {
    let History { mut ops, left } = good();
    // An unanswered write that is nowhere, and one that failed.
    let unknown = op(3, 5, Act::Append { list: 1, n: 99 }, Outcome::Unknown);
    ops.push(Op {
        end_ns: None,
        ..unknown
    });
    let failed = Outcome::Fail("transact/cas".to_owned());
    ops.push(op(4, 5, push(0, 98), failed));
    assert_eq!(check(&ops, &left, Reads::Latest), []);
    assert_eq!(infer(&ops, Reads::Latest), []);
}

#[test]
fn lost_writes_are_found() {
    finds("lost", By::Numbered, |h| h.left.retain(|(n, _)| *n != 12));
    finds("lost read", By::Both, |h| {
        h.last().appended.1.remove(0);
    });
    finds("lost read", By::Both, |h| {
        h.last().appended.1.pop();
    });
    finds("wrong push read", By::Both, |h| {
        let pushed = &mut h.last().pushed;
        (pushed.length, pushed.numbers) = (1, vec![13]);
    });
    finds("wrong claim read", By::Numbered, |h| {
        h.last().claims[0].1 = 0
    });
}

#[test]
fn duplicates_are_found() {
    finds("duplicate", By::Numbered, |h| h.left.push((12, 2)));
    finds("duplicate read", By::Both, |h| {
        h.last().appended.1.push((11, 1))
    });
    finds("claimed twice", By::Numbered, |h| {
        let again = Outcome::Ok { t: 8, before: 7 };
        h.ops.push(op(1, 900, Act::Claim { name: 7, n: 18 }, again));
        h.left.push((18, 8));
    });
    finds("claimed twice", By::Inferred, |h| {
        h.ops[0].act = Act::Claim { name: 7, n: 11 };
        h.last().claims[0].1 = 11;
    });
    finds("same t", By::Numbered, |h| h.left[1].1 = 1);
}

#[test]
fn what_failed_or_was_never_asked_for_is_found() {
    finds("dirty", By::Numbered, |h| {
        h.ops[2].outcome = Outcome::Fail("storage-full".to_owned());
    });
    finds("dirty read", By::Inferred, |h| {
        h.ops[2].outcome = Outcome::Fail("storage-full".to_owned());
    });
    finds("invented", By::Numbered, |h| h.left.push((77, 8)));
    finds("invented", By::Inferred, |h| {
        h.last().appended.1.push((77, 8))
    });
}

#[test]
fn stale_clients_and_reads_are_found() {
    finds("stale session", By::Both, |h| {
        let old = h.seen(1).clone();
        *h.last() = old;
    });
    finds("stale read", By::Both, |h| {
        let old = h.seen(1).clone();
        *h.last() = old;
        h.ops[13].process = 5;
    });
    finds("gap", By::Numbered, |h| {
        h.ops[4].outcome = Outcome::Ok { t: 3, before: 1 };
    });
}

#[test]
fn wrong_order_is_found() {
    finds("reordered", By::Numbered, |h| {
        h.ops[0].outcome = Outcome::Ok { t: 8, before: 7 };
        h.left[0].1 = 8;
    });
    finds("moved", By::Numbered, |h| h.left[1].1 = 9);
    finds("reordered read", By::Numbered, |h| {
        h.last().appended.1.swap(0, 1)
    });
    finds("reordered read", By::Inferred, |h| {
        h.last().pushed.numbers.swap(0, 1)
    });
    finds("broken swap", By::Numbered, |h| h.ops[10].act = push(0, 16));
}

#[test]
fn torn_reads_are_found() {
    finds("wrong balances", By::Both, |h| h.last().balances[0] += 30);
    // One client sees the second push and not the append after it, another the other way round.
    finds("cycle", By::Inferred, |h| {
        let both = h.last().clone();
        let mut one = both.clone();
        one.appended.1.pop();
        let mut other = both;
        other.pushed = Pushed {
            length: 1,
            numbers: vec![13],
            ..other.pushed
        };
        for (process, seen) in [(8, one), (9, other)] {
            let read = op(process, 1_090, Act::Read, Outcome::Seen(seen));
            h.ops.push(Op {
                start_ns: 1,
                ..read
            });
        }
    });
}
