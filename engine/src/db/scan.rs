//! Walking datoms: rows of several attributes' runs, one attribute after the other or merged by
//! entity.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;

use super::Db;
use super::slice::Prefix;
use crate::datom::{Datom, EntityId, Op, TxId};
use crate::index::{Extra, Position, Row, Run};
use crate::value::Value;

/// Rows of one attribute that are still to come.
#[derive(Clone, Debug)]
pub(super) struct Span {
    name: Value,
    run: Run,
    range: Range<usize>,
    /// Where the next row from the front lies, once looked for.
    front: Option<Position>,
}

impl Span {
    pub(super) fn new(name: Value, run: Run, range: Range<usize>) -> Span {
        Span {
            name,
            run,
            range,
            front: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    fn front(&mut self) -> Position {
        *self
            .front
            .get_or_insert_with(|| self.run.position(self.range.start))
    }

    fn front_entity(&mut self) -> i64 {
        let at = self.front();
        self.run.chunk(at.chunk).e[at.row]
    }

    fn back_entity(&self) -> i64 {
        let at = self.run.position(self.range.end - 1);
        self.run.chunk(at.chunk).e[at.row]
    }

    fn pop_front(&mut self) -> Row {
        let at = self.front();
        let row = self.run.row(at);
        self.range.start += 1;
        self.front = Some(self.run.next(at));
        row
    }

    fn pop_back(&mut self) -> Row {
        self.range.end -= 1;
        self.run.row(self.run.position(self.range.end))
    }
}

/// How the spans of a [`DatomIter`] are walked.
enum Walk {
    /// One after the other; the number of the one at hand.
    Forward(usize),
    /// One after the other from the last row of the last; how many are left.
    Backward(usize),
    /// By entity, then in the order of the spans: the next entity of each span that has rows.
    Merged(BinaryHeap<Reverse<(i64, usize)>>),
    /// As `Merged`, from the end.
    MergedBackward(BinaryHeap<(i64, usize)>),
}

/// Datoms in the order of an index; holds the database value, not the datoms.
pub struct DatomIter {
    db: Db,
    spans: Vec<Span>,
    walk: Walk,
    filter: Option<Prefix>,
}

impl DatomIter {
    /// Walks forward; of the rows only those that agree with `filter`.
    pub(super) fn new(
        db: Db,
        mut spans: Vec<Span>,
        merge: Merge,
        filter: Option<Prefix>,
    ) -> DatomIter {
        let walk = match merge {
            Merge::Chain => Walk::Forward(0),
            Merge::ByEntity => {
                let numbered = spans.iter_mut().enumerate();
                Walk::Merged(
                    numbered
                        .map(|(at, span)| Reverse((span.front_entity(), at)))
                        .collect(),
                )
            }
        };
        DatomIter {
            db,
            spans,
            walk,
            filter,
        }
    }

    /// Walks backward from the end of the spans.
    pub(super) fn backward(db: Db, spans: Vec<Span>, merge: Merge) -> DatomIter {
        let walk = match merge {
            Merge::Chain => Walk::Backward(spans.len()),
            Merge::ByEntity => {
                let numbered = spans.iter().enumerate();
                Walk::MergedBackward(
                    numbered
                        .map(|(at, span)| (span.back_entity(), at))
                        .collect(),
                )
            }
        };
        DatomIter {
            db,
            spans,
            walk,
            filter: None,
        }
    }

    /// The span of the next row, and the row.
    fn next_row(&mut self) -> Option<(usize, Row)> {
        match &mut self.walk {
            Walk::Forward(at) => {
                while self.spans.get(*at)?.is_empty() {
                    *at += 1;
                }
                Some((*at, self.spans[*at].pop_front()))
            }
            Walk::Backward(left) => {
                while self.spans[left.checked_sub(1)?].is_empty() {
                    *left -= 1;
                }
                Some((*left - 1, self.spans[*left - 1].pop_back()))
            }
            Walk::Merged(heap) => {
                let mut top = heap.peek_mut()?;
                let Reverse((e, at)) = *top;
                let span = &mut self.spans[at];
                let found = (at, span.pop_front());
                if span.is_empty() {
                    PeekMut::pop(top);
                } else if span.front_entity() != e {
                    // Only a changed top costs the heap a repair.
                    top.0.0 = span.front_entity();
                }
                Some(found)
            }
            Walk::MergedBackward(heap) => {
                let (_, at) = heap.pop()?;
                let span = &mut self.spans[at];
                let row = span.pop_back();
                if !span.is_empty() {
                    heap.push((span.back_entity(), at));
                }
                Some((at, row))
            }
        }
    }
}

/// Whether spans follow one another or are merged by entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// One after the other.
    Chain,
    /// By entity.
    ByEntity,
}

impl Iterator for DatomIter {
    type Item = Datom;

    fn next(&mut self) -> Option<Datom> {
        loop {
            let (at, row) = self.next_row()?;
            let span = &self.spans[at];
            let is_wanted = |prefix: &Prefix| prefix.matches(&self.db, &span.name, &row);
            if !self.filter.as_ref().is_none_or(is_wanted) {
                continue;
            }
            let retracted = span.run.extra() == Extra::Added && row.extra == 0;
            return Some(Datom {
                e: EntityId(row.e),
                a: span.name.clone(),
                v: self.db.value(row.v),
                tx: TxId(row.tx),
                op: if retracted { Op::Retract } else { Op::Assert },
            });
        }
    }
}
