//! What two runs do not share: a walk that passes over the chunks that both hold.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::leaf::{PartKey, Slot};
use super::{Cell, Dictionary, Leaf, Row, Run, SortOrder};
use crate::value::compare;

/// Which of two runs holds a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The first only.
    Left,
    /// The second only.
    Right,
    /// Both, with the same transaction and extra.
    Both,
}

/// What the walk does with rows that lie in chunks of both runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Passes them over without a look.
    Skip,
    /// Visits them too.
    Visit,
}

impl Run {
    /// Visits the rows that only one of two runs of one order holds.
    ///
    /// - `cells`: from the dictionary of `other` to that of `self`. A chunk that both runs hold
    ///   came to both by inheritance: its ids mean the same in both dictionaries.
    /// - `visit`: given each row in the terms of its own dictionary (of the first, where both hold
    ///   it), roughly in the order of the runs. [`Holder::Both`] comes for rows of chunks that
    ///   differ, and under [`Shared::Visit`] for all.
    /// - Answers with the rows that were looked at, of both runs.
    /// - Cost: O(chunks + rows of chunks that are not shared).
    pub fn differences(
        &self,
        other: &Run,
        cells: &Translation<'_>,
        shared: Shared,
        visit: &mut dyn FnMut(Holder, Row),
    ) -> usize {
        let mut walk = Walk {
            order: self.order(),
            cells,
            shared,
            visit,
            looked_at: 0,
        };
        let (left, right) = (self.leaves(), other.leaves());
        for leaves in stretches(left, right, |leaf| leaf.key()) {
            let (left, right) = (&left[leaves.left], &right[leaves.right]);
            if leaves.is_shared {
                walk.pass(left.iter().flat_map(|leaf| leaf.slots()));
                continue;
            }
            let slots = |leaves: &[Arc<Leaf>]| -> Vec<Arc<Slot>> {
                leaves
                    .iter()
                    .flat_map(|leaf| leaf.slots())
                    .cloned()
                    .collect()
            };
            let (left, right) = (slots(left), slots(right));
            for chunks in stretches(&left, &right, |slot| slot.key()) {
                let (left, right) = (&left[chunks.left], &right[chunks.right]);
                if chunks.is_shared {
                    walk.pass(left);
                } else {
                    walk.compare(left, right);
                }
            }
        }
        walk.looked_at
    }
}

/// A walk over the chunks of two runs.
struct Walk<'w> {
    order: SortOrder,
    cells: &'w Translation<'w>,
    shared: Shared,
    visit: &'w mut dyn FnMut(Holder, Row),
    looked_at: usize,
}

impl Walk<'_> {
    /// Chunks of both runs.
    fn pass<'s>(&mut self, slots: impl IntoIterator<Item = &'s Arc<Slot>>) {
        if self.shared == Shared::Skip {
            return;
        }
        for slot in slots {
            self.looked_at += slot.len();
            let chunk = slot.chunk();
            (0..chunk.len()).for_each(|at| (self.visit)(Holder::Both, chunk.row(at)));
        }
    }

    /// Chunks of one run only, of both runs at one place.
    fn compare(&mut self, left: &[Arc<Slot>], right: &[Arc<Slot>]) {
        let both = left.iter().chain(right);
        self.looked_at += both.map(|slot| slot.len()).sum::<usize>();
        compare_rows(self.order, rows(left), rows(right), self.cells, self.visit);
    }
}

fn rows(slots: &[Arc<Slot>]) -> impl Iterator<Item = Row> + '_ {
    slots.iter().flat_map(|slot| {
        let chunk = slot.chunk();
        (0..chunk.len()).map(move |at| chunk.row(at))
    })
}

/// Parts of two runs that are all the same, or none of which the other run has at its place.
struct Stretch {
    left: Range<usize>,
    right: Range<usize>,
    is_shared: bool,
}

/// Cuts two lists of parts where parts of both begin and end; `key` tells which are the same.
/// Sorted rows without repetitions bring the parts they share in one order.
fn stretches<P>(left: &[P], right: &[P], key: impl Fn(&P) -> PartKey) -> Vec<Stretch> {
    let is_same = |(a, b): &(&P, &P)| key(a) == key(b);
    let head = left.iter().zip(right).take_while(is_same).count();
    let rest = left.len().min(right.len()) - head;
    let pairs = left.iter().rev().zip(right.iter().rev()).take(rest);
    let tail = pairs.take_while(is_same).count();
    let middle = head..right.len() - tail;
    let places: HashMap<PartKey, usize, FixedState> =
        middle.clone().map(|at| (key(&right[at]), at)).collect();

    let mut out = Vec::new();
    let mut push = |left: Range<usize>, right: Range<usize>, is_shared| {
        if !(left.is_empty() && right.is_empty()) {
            out.push(Stretch {
                left,
                right,
                is_shared,
            });
        }
    };
    push(0..head, 0..head, true);
    let (mut from, mut to) = (head, head);
    for (at, part) in left.iter().enumerate().take(left.len() - tail).skip(head) {
        let Some(&place) = places.get(&key(part)).filter(|&&place| place >= to) else {
            continue;
        };
        push(from..at, to..place, false);
        push(at..at + 1, place..place + 1, true);
        (from, to) = (at + 1, place + 1);
    }
    push(from..left.len() - tail, to..middle.end, false);
    push(left.len() - tail..left.len(), middle.end..right.len(), true);
    out
}

/// Cells of one dictionary in the terms of another.
pub struct Translation<'a> {
    left: &'a Dictionary,
    right: &'a Dictionary,
    /// Ids below mean the same in both.
    shared: u32,
}

impl<'a> Translation<'a> {
    /// From the cells of `right` to those of `left`.
    pub fn new(left: &'a Dictionary, right: &'a Dictionary) -> Translation<'a> {
        Translation {
            left,
            right,
            shared: left.shared_len(right),
        }
    }

    /// The left cell of a right cell's value; none if the left dictionary lacks it.
    pub fn to_left(&self, cell: Cell) -> Option<Cell> {
        if self.is_shared(cell) {
            return Some(cell);
        }
        let bits = u64::from(self.left.find(&self.right.value(cell))?);
        Some(Cell { bits, ..cell })
    }

    /// The right cell of a left cell's value; none if the right dictionary lacks it.
    pub fn to_right(&self, cell: Cell) -> Option<Cell> {
        if self.is_shared(cell) {
            return Some(cell);
        }
        let bits = u64::from(self.right.find(&self.left.value(cell))?);
        Some(Cell { bits, ..cell })
    }

    fn is_shared(&self, cell: Cell) -> bool {
        !cell.kind.is_interned() || cell.bits < u64::from(self.shared)
    }

    /// How a left cell compares with a right one; interned values that no index can tell apart are
    /// equal here.
    fn compare(&self, left: Cell, right: Cell) -> Ordering {
        if left == right && self.is_shared(left) {
            return Ordering::Equal;
        }
        if !left.kind.is_interned() && !right.kind.is_interned() {
            return left.compare(right, self.left);
        }
        compare(&self.left.value(left), &self.right.value(right))
            .then_with(|| left.kind.cmp(&right.kind))
    }

    fn compare_rows(&self, left: &Row, right: &Row, order: SortOrder) -> Ordering {
        let by_entity = left.e.cmp(&right.e);
        match order {
            SortOrder::ByEntity => by_entity.then_with(|| self.compare(left.v, right.v)),
            SortOrder::ByValue => self.compare(left.v, right.v).then(by_entity),
        }
    }
}

/// Walks the rows of two sorted lists side by side, a group of rows that compare equal at a time.
fn compare_rows(
    order: SortOrder,
    left: impl Iterator<Item = Row>,
    right: impl Iterator<Item = Row>,
    cells: &Translation<'_>,
    visit: &mut dyn FnMut(Holder, Row),
) {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => cells.compare_rows(a, b, order),
        };
        match order {
            Ordering::Less => left.next().into_iter().for_each(|a| visit(Holder::Left, a)),
            Ordering::Greater => right
                .next()
                .into_iter()
                .for_each(|b| visit(Holder::Right, b)),
            Ordering::Equal => match_group(
                group(&mut left, cells.left),
                group(&mut right, cells.right),
                cells,
                visit,
            ),
        }
    }
}

/// The next row and those after it that compare equal to it in entity and value.
fn group(rows: &mut Peekable<impl Iterator<Item = Row>>, dictionary: &Dictionary) -> Vec<Row> {
    let mut out: Vec<Row> = rows.next().into_iter().collect();
    let is_alike = |row: &Row, first: &Row| {
        let may_tie = row.v.kind == first.v.kind && row.v.kind.is_interned();
        row.e == first.e
            && (row.v == first.v
                || may_tie && compare(&dictionary.value(row.v), &dictionary.value(first.v)).is_eq())
    };
    while let Some(row) = rows.next_if(|row| out.first().is_some_and(|first| is_alike(row, first)))
    {
        out.push(row);
    }
    out
}

fn match_group(
    mut left: Vec<Row>,
    right: Vec<Row>,
    cells: &Translation<'_>,
    visit: &mut dyn FnMut(Holder, Row),
) {
    let mut translated = Vec::with_capacity(right.len());
    for row in right {
        match cells.to_left(row.v) {
            Some(v) => translated.push((Row { v, ..row }, row)),
            None => visit(Holder::Right, row),
        }
    }
    let key = |row: &Row| (row.v.bits, row.tx, row.extra);
    left.sort_by_key(key);
    translated.sort_by_key(|(row, _)| key(row));
    let mut right = translated.into_iter().peekable();
    for row in left {
        while let Some((_, other)) = right.next_if(|(other, _)| key(other) < key(&row)) {
            visit(Holder::Right, other);
        }
        let found = right.next_if(|(other, _)| key(other) == key(&row));
        let holder = found.map_or(Holder::Left, |_| Holder::Both);
        visit(holder, row);
    }
    right.for_each(|(_, other)| visit(Holder::Right, other));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Chunk, Extra, Interner};
    use crate::value::Value;

    fn longs(range: Range<i64>) -> Vec<Row> {
        range.map(|e| Row::new(e, Cell::long(e * 10), 1)).collect()
    }

    fn check(left: &Run, right: &Run, dictionaries: (&Dictionary, &Dictionary)) -> (usize, String) {
        let cells = Translation::new(dictionaries.0, dictionaries.1);
        let mut found = Vec::new();
        let looked_at = left.differences(right, &cells, Shared::Skip, &mut |holder, row| {
            let dictionary = if holder == Holder::Right {
                dictionaries.1
            } else {
                dictionaries.0
            };
            if holder != Holder::Both {
                found.push(format!("{holder:?} {} {}", row.e, dictionary.value(row.v)));
            }
        });
        found.sort();
        (looked_at, found.join(", "))
    }

    #[test]
    fn only_chunks_that_differ_are_looked_at() {
        let none = Dictionary::default();
        let run = Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &longs(0..100_000));
        let taken = vec![Row::new(50_000, Cell::long(500_000), 1)];
        let put = vec![
            Row::new(50_001, Cell::long(7), 2),
            Row::new(200_000, Cell::long(8), 2),
        ];
        let other = run.apply(taken, put, &none);
        let (looked_at, found) = check(&run, &other, (&none, &none));
        assert_eq!(found, "Left 50000 500000, Right 200000 8, Right 50001 7");
        assert!(looked_at <= 5 * Chunk::ROWS_MAX, "{looked_at}");
        assert_eq!(check(&run, &run, (&none, &none)), (0, String::new()));
        let empty = Run::empty(SortOrder::ByEntity, Extra::Nothing);
        assert_eq!(check(&empty, &empty, (&none, &none)).0, 0);
        assert_eq!(check(&empty, &run, (&none, &none)).0, 100_000);
    }

    #[test]
    fn ids_of_two_dictionaries_are_compared_by_what_they_mean() {
        let run = |names: &[&str]| {
            let mut interner = Interner::default();
            let row = |(e, name): (usize, &&str)| {
                let v = interner.cell(&Value::str(name));
                Row::new(e as i64 / 2, v, 1)
            };
            let mut rows: Vec<Row> = names.iter().enumerate().map(row).collect();
            let dictionary = interner.finish();
            rows.sort_by(|a, b| a.compare(b, SortOrder::ByEntity, &dictionary));
            (
                Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows),
                dictionary,
            )
        };
        let (left, left_names) = run(&["b", "a", "c", "d"]);
        let (right, right_names) = run(&["a", "b", "d", "e"]);
        let (_, found) = check(&left, &right, (&left_names, &right_names));
        assert_eq!(found, "Left 1 \"c\", Right 1 \"e\"");
    }
}
