//! Extends each row by what several patterns agree on: one variable of a generic join.
//!
//! To each row a pattern offers a sorted list: the values of an entity, or the entities that have a
//! value. The row goes with what is on all its lists. The shortest is read, in the others one leaps.
//!
//! Source: as for [`crate::plan::Op::Intersect`]; leaping among sorted lists, Veldhuizen, "Leapfrog
//! triejoin", ICDT 2014, section 3.

use super::block::Context;
use super::join::Pairs;
use super::lists::Lists;
use super::merge::leap;
use super::relation::Relation;
use crate::error::Result;
use crate::index::{Column, Kind};
use crate::plan::{Block, Op, VarId};

/// Joins a relation with patterns that list the values of one more variable; none if what they
/// list is not all integers.
pub(super) fn intersect(
    context: &mut Context<'_>,
    (var, block): (VarId, &Block),
    input: &Relation,
) -> Result<Option<Relation>> {
    if input.is_empty() {
        return Ok(Some(Relation::empty(&[input.vars(), &[var]].concat())));
    }
    let mut all = Vec::with_capacity(block.steps.len());
    for step in &block.steps {
        let Op::Scan(pattern) = &step.op else {
            return Ok(None);
        };
        match Lists::new(context, pattern, var, input)? {
            Some(lists) => all.push(lists),
            None => return Ok(None),
        }
    }
    if !Lists::copy_short(&mut all, input.len()) {
        return Ok(None);
    }
    let columns = input.vars().len() + 1;
    let pairs = Pairs::of_tasks(input.len(), (columns, context.budget), |rows, pairs| {
        let (mut lists, mut numbers) = (Vec::with_capacity(all.len()), Vec::new());
        pairs.reserve(rows.len());
        for row in rows {
            lists.clear();
            lists.extend(all.iter().filter_map(|one| one.of(row)));
            shared(&mut lists, &mut numbers);
            for one in all.iter().filter(|one| one.of(row).is_none()) {
                numbers.retain(|&n| one.has(row, n));
            }
            pairs.push_row(row as u32, &numbers)?;
        }
        Ok(())
    })?;
    let mut out = input.gather(&pairs.left);
    out.push(var, Column::uniform(Kind::Long, pairs.right));
    Ok(Some(out.known_set(input.is_set())))
}

/// The integers that are on all of some sorted lists, none of which has one twice.
///
/// Cost: O(shortest * log(others)).
fn shared(lists: &mut [&[u64]], out: &mut Vec<u64>) {
    out.clear();
    let shortest = (0..lists.len()).min_by_key(|&at| lists[at].len());
    lists.swap(0, shortest.unwrap_or(0));
    let Some((shortest, others)) = lists.split_first() else {
        return;
    };
    out.extend_from_slice(shortest);
    others.iter().for_each(|list| keep_shared(out, list));
}

/// Longest list that is searched without regard to where the last search ended: the searches need
/// not wait for one another.
const SEARCHED: usize = 64;

/// Keeps the integers, which rise, that are on a sorted list too.
fn keep_shared(numbers: &mut Vec<u64>, list: &[u64]) {
    let (mut kept, mut place) = (0, 0);
    for at in 0..numbers.len() {
        let n = numbers[at];
        let is_before = |other: &u64| (*other as i64) < n as i64;
        place = if list.len() <= SEARCHED {
            list.partition_point(is_before)
        } else {
            leap(list.len(), place, |at| is_before(&list[at]))
        };
        // Without a branch: whether it is there is anyone's guess.
        numbers[kept] = n;
        kept += usize::from(list.get(place) == Some(&n));
    }
    numbers.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists of every small size and some large, that meet now and then, against their sets.
    #[test]
    fn what_lists_share_is_what_their_sets_share() {
        let list = |(len, step): (i64, i64)| -> Vec<u64> {
            (0..len).map(|n| (n * step - 7) as u64).collect()
        };
        let sizes = [0, 1, 2, 8, 63, 64, 65, 127, 128, 129, 5_000];
        let shapes = sizes
            .iter()
            .flat_map(|&len| [1, 3, 10].map(|step| (len, step)));
        let all: Vec<Vec<u64>> = shapes.map(list).collect();
        for (at, a) in all.iter().enumerate() {
            for b in &all {
                let c = &all[(7 * at + b.len()) % all.len()];
                for lists in [vec![a, b], vec![a, b, c]] {
                    let sets = lists.iter().map(|list| {
                        let numbers = list.iter().map(|&n| n as i64);
                        numbers.collect::<std::collections::BTreeSet<i64>>()
                    });
                    let expected = sets.reduce(|a, b| &a & &b).unwrap();
                    let mut lists: Vec<&[u64]> = lists.iter().map(|list| &list[..]).collect();
                    let mut found = vec![1];
                    shared(&mut lists, &mut found);
                    assert!(found.into_iter().map(|n| n as i64).eq(expected));
                }
            }
        }
    }
}
