//! Which entities have a row in the table of a namespace.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use datalith_engine::datom::AttrId;
use datalith_engine::index::{Entities, Run};

/// The entities of a wide table, ascending.
#[derive(Clone, Debug)]
pub(crate) enum Base {
    /// Those of one attribute, which all others keep to.
    Run {
        /// Its rows, one for each entity.
        run: Run,
        /// The attributes that have a row for each entity too.
        whole: Arc<[AttrId]>,
    },
    /// Those of all attributes together.
    List(Arc<[i64]>),
}

/// An attribute of a wide table.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The attribute.
    pub(crate) attribute: AttrId,
    /// Whether an entity may have several values.
    pub(crate) is_many: bool,
    /// Its rows by entity, if it has any.
    pub(crate) run: Option<Run>,
}

impl Base {
    /// The entities that have one of the attributes.
    ///
    /// Cost: O(rows of all attributes), but of attributes whose entities follow one another without gaps
    /// only the fences of chunks are read.
    pub(crate) fn of(members: &[Member]) -> Base {
        let single = members.iter().filter(|member| !member.is_many);
        let longest = single
            .filter_map(|member| member.run.as_ref())
            .max_by_key(|run| run.len());
        let Some(longest) = longest else {
            return Base::List(union(members));
        };
        let entities = spans(longest);
        let mut whole = Vec::new();
        for member in members {
            let Some(run) = &member.run else { continue };
            match (member.is_many, run.len() == longest.len()) {
                (false, true) if same(&entities, &spans(run)) => whole.push(member.attribute),
                (false, false) if is_within(&spans(run), &entities) => {}
                (true, _) if is_within(&distinct(run), &entities) => {}
                _ => return Base::List(union(members)),
            }
        }
        Base::Run {
            run: longest.clone(),
            whole: whole.into(),
        }
    }

    /// The same entities, see [`Run::apart`].
    pub(crate) fn apart(&self, entities: RangeInclusive<i64>) -> Base {
        match self {
            Base::Run { run, whole } => Base::Run {
                run: run.apart(entities),
                whole: Arc::clone(whole),
            },
            Base::List(_) => self.clone(),
        }
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            Base::Run { run, .. } => run.len(),
            Base::List(entities) => entities.len(),
        }
    }

    /// Whether an attribute has a row for each entity, in a run with nothing else.
    pub(crate) fn is_whole(&self, attribute: AttrId) -> bool {
        matches!(self, Base::Run { whole, .. } if whole.contains(&attribute))
    }

    /// The rows of entities from the first of a range up to its last.
    pub(crate) fn rows_between(&self, (first, last): (i64, i64)) -> Range<usize> {
        let before = |e: i64| match self {
            Base::Run { run, .. } => run.offset(run.entity_position(e)),
            Base::List(entities) => entities.partition_point(|&other| other < e),
        };
        let end = match last.checked_add(1) {
            Some(after) => before(after),
            None => self.len(),
        };
        let start = before(first);
        start..end.max(start)
    }

    /// The first and the last entity.
    pub(crate) fn ends(&self) -> Option<(i64, i64)> {
        match self {
            Base::Run { run, .. } => Some((run.first()?.e, run.last()?.e)),
            Base::List(entities) => Some((*entities.first()?, *entities.last()?)),
        }
    }

    /// The rows of a range, cut into ranges of at most so many: at the ends of chunks where there are any,
    /// so that what lies in one chunk is not copied.
    pub(crate) fn cuts(&self, rows: Range<usize>, most: usize) -> Vec<Range<usize>> {
        let mut cuts = Vec::new();
        let mut start = rows.start;
        while start < rows.end {
            let mut end = (start + most).min(rows.end);
            if let Base::Run { run, .. } = self
                && end < rows.end
            {
                let at = run.position(end);
                let chunk_start = end - at.row;
                if chunk_start > start + most / 2 {
                    end = chunk_start;
                }
            }
            cuts.push(start..end);
            start = end;
        }
        cuts
    }
}

/// Entities chunk by chunk; neighbours that follow one another are put together.
fn spans(run: &Run) -> Vec<Entities<'_>> {
    let mut spans: Vec<Entities<'_>> = Vec::new();
    for next in run.entities() {
        match (spans.last_mut(), &next) {
            (Some(Entities::Consecutive(before)), Entities::Consecutive(after))
                if before.end == after.start =>
            {
                before.end = after.end;
            }
            (Some(Entities::Consecutive(before)), Entities::Listed(after))
                if is_consecutive(after) && before.end == after[0] =>
            {
                before.end += after.len() as i64;
            }
            _ => spans.push(next),
        }
    }
    spans
}

fn is_consecutive(entities: &[i64]) -> bool {
    let span = entities[entities.len() - 1] - entities[0];
    span == entities.len() as i64 - 1
}

fn distinct(run: &Run) -> Vec<Entities<'_>> {
    run.chunks()
        .map(|chunk| Entities::Listed(&chunk.e))
        .collect()
}

/// All entities one by one.
fn each<'s>(spans: &'s [Entities<'_>]) -> impl Iterator<Item = i64> + 's {
    spans.iter().flat_map(|span| {
        let (range, listed) = match span {
            Entities::Consecutive(range) => (range.clone(), &[][..]),
            Entities::Listed(listed) => (0..0, *listed),
        };
        range.chain(listed.iter().copied())
    })
}

fn same(a: &[Entities<'_>], b: &[Entities<'_>]) -> bool {
    a == b || each(a).eq(each(b))
}

/// Whether all of the first are among the second, both ascending.
fn is_within(part: &[Entities<'_>], all: &[Entities<'_>]) -> bool {
    let mut all = each(all).peekable();
    each(part).all(|e| {
        while all.next_if(|other| *other < e).is_some() {}
        all.peek() == Some(&e)
    })
}

fn union(members: &[Member]) -> Arc<[i64]> {
    let mut all = Vec::new();
    for run in members.iter().filter_map(|member| member.run.as_ref()) {
        run.chunks()
            .for_each(|chunk| all.extend_from_slice(&chunk.e));
    }
    // Each run is sorted: a sort that looks for stretches merges them.
    all.sort();
    all.dedup();
    all.into()
}

#[cfg(test)]
mod tests {
    use datalith_engine::index::{Cell, Extra, Row, SortOrder};

    use super::*;

    fn member(attribute: u32, is_many: bool, entities: &[i64]) -> Member {
        let rows: Vec<Row> = entities
            .iter()
            .enumerate()
            .map(|(at, &e)| Row::new(e, Cell::long(at as i64), 1))
            .collect();
        Member {
            attribute: AttrId(attribute),
            is_many,
            run: Some(Run::from_sorted(SortOrder::ByEntity, Extra::Nothing, &rows)),
        }
    }

    #[test]
    fn the_longest_attribute_stands_for_all_that_keep_to_it() {
        let all: Vec<i64> = (10..9000).collect();
        let some: Vec<i64> = (10..9000).step_by(7).collect();
        let members = [
            member(1, false, &all),
            member(2, false, &some),
            member(3, true, &[11, 11, 12]),
            member(4, false, &all),
        ];
        let base = Base::of(&members);
        assert!(matches!(&base, Base::Run { run, .. } if run.len() == all.len()));
        let whole = [1, 2, 3, 4].map(|a| base.is_whole(AttrId(a)));
        assert_eq!(whole, [true, false, false, true]);
        assert_eq!(base.rows_between((0, 19)), 0..10);
        assert_eq!(base.ends(), Some((10, 8999)));
        let cuts = base.cuts(0..base.len(), 3000);
        assert_eq!(cuts, [0..2048, 2048..4096, 4096..6144, 6144..8990]);
    }

    #[test]
    fn others_make_a_list() {
        let base = Base::of(&[member(1, false, &[1, 2, 5]), member(2, true, &[2, 2, 7])]);
        assert!(matches!(&base, Base::List(entities) if entities[..] == [1, 2, 5, 7]));
        assert_eq!(base.rows_between((3, i64::MAX)), 2..4);
        assert_eq!(base.cuts(0..4, 3), [0..3, 3..4]);
    }
}
