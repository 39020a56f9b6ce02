//! How the rows of an index are found: the choice between ranges, merges, probes, sweeps and hash
//! joins, and its names in plans.

use std::ops::Range;

use super::lookup::Access;
use super::merge::Integers;
use crate::fork;
use crate::index::{Cell, Column, Dictionary, Kind, Run, SortOrder};
use crate::plan::{Bounds, Pattern, VarId};
use crate::value::Value;

/// Index rows a probe costs at most: beyond, sweeping the index once is cheaper.
const PROBE_ROWS: usize = 16;
/// As [`PROBE_ROWS`], where a probe compares values through the dictionary.
const PROBE_INTERNED_ROWS: usize = 128;

/// What is known of the entity or the value of a pattern's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing.
    Nothing,
    /// It is one value.
    One,
    /// Each row of the relation has its own.
    Each,
}

/// What the choice hangs on.
pub(super) struct Sides<F: Fn() -> bool> {
    pub(super) entity: Given,
    pub(super) value: Given,
    /// Whether the index is kept by value too.
    pub(super) is_by_value: bool,
    /// Rows of the relation and of the index.
    pub(super) rows: usize,
    pub(super) index_rows: usize,
    /// Whether the relation's values lie in the cells themselves.
    pub(super) is_inline: bool,
    /// Whether the relation has its entities, or else its values, in the order of the index.
    pub(super) is_sorted: F,
}

/// How the rows of an index are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessPath {
    /// Every row is read.
    Scan,
    /// Neighbours, found by binary search.
    Range(SortOrder),
    /// Both sides are read in order.
    Merge(SortOrder),
    /// Each row of the relation is searched for.
    Probe(SortOrder),
    /// The first row of each entity is noted by place; the relation's rows look there.
    Sweep,
    /// Every row of the index is looked up among the relation's.
    Hash,
    /// Neighbours are a list, which is intersected with others.
    List(SortOrder),
    /// A collection of tuples is read.
    Tuples,
    /// A collection of tuples is read, and joined by hash.
    TupleJoin,
}

impl AccessPath {
    /// The cheapest way.
    pub(super) fn choose<F: Fn() -> bool>(sides: &Sides<F>) -> AccessPath {
        let is_few = |is_inline| is_probed((sides.rows, is_inline), sides.index_rows);
        match (sides.entity, sides.value) {
            (Given::One, _) => AccessPath::Range(SortOrder::ByEntity),
            (Given::Nothing, Given::One) if sides.is_by_value => {
                AccessPath::Range(SortOrder::ByValue)
            }
            (Given::Nothing, Given::One | Given::Nothing) => AccessPath::Scan,
            (Given::Nothing, Given::Each) => {
                if sides.is_by_value && (sides.is_sorted)() {
                    AccessPath::Merge(SortOrder::ByValue)
                } else if sides.is_by_value && is_few(sides.is_inline) {
                    AccessPath::Probe(SortOrder::ByValue)
                } else {
                    AccessPath::Hash
                }
            }
            (Given::Each, _) if (sides.is_sorted)() => AccessPath::Merge(SortOrder::ByEntity),
            (Given::Each, _) if is_few(true) => AccessPath::Probe(SortOrder::ByEntity),
            (Given::Each, _) => AccessPath::Sweep,
        }
    }

    /// As [`AccessPath::choose`], for what a step has before it.
    ///
    /// - `by_value`: the index by value, where it is kept.
    pub(super) fn of(
        (by_entity, by_value): (&Run, Option<&Run>),
        (e, v): (&Access, &Access),
        rows: usize,
    ) -> AccessPath {
        let values = v.column();
        AccessPath::choose(&Sides {
            entity: given(e),
            value: given(v),
            is_by_value: by_value.is_some(),
            rows,
            index_rows: by_entity.len(),
            is_inline: values
                .and_then(Column::kind)
                .is_some_and(|kind| !kind.is_interned()),
            is_sorted: || match e.column() {
                Some(entities) => is_ascending(entities),
                None => values.is_some_and(is_ascending) && by_value.is_some_and(Integers::are_all),
            },
        })
    }

    /// How a pattern lists the values of a variable at one end of it.
    pub(super) fn list(pattern: &Pattern, var: VarId) -> AccessPath {
        AccessPath::List(if pattern.slots[0].var() == Some(var) {
            SortOrder::ByValue
        } else {
            SortOrder::ByEntity
        })
    }

    /// Its name in plans.
    pub(super) fn name(self) -> &'static str {
        match self {
            AccessPath::Scan | AccessPath::Tuples => "scan",
            AccessPath::Range(_) => "range",
            AccessPath::Merge(_) => "merge",
            AccessPath::Probe(_) => "probe",
            AccessPath::Sweep => "sweep",
            AccessPath::Hash | AccessPath::TupleJoin => "hash join",
            AccessPath::List(_) => "list",
        }
    }

    /// The index it reads; none for a collection of tuples.
    pub(super) fn index(self) -> Option<&'static str> {
        match self {
            AccessPath::Range(order)
            | AccessPath::Merge(order)
            | AccessPath::Probe(order)
            | AccessPath::List(order) => Some(match order {
                SortOrder::ByEntity => "aevt",
                SortOrder::ByValue => "avet",
            }),
            AccessPath::Scan | AccessPath::Sweep | AccessPath::Hash => Some("aevt"),
            AccessPath::Tuples | AccessPath::TupleJoin => None,
        }
    }
}

/// Whether to search an index for each of so many keys is cheaper than to read it.
///
/// - `is_inline`: whether the keys lie in the cells themselves.
pub(super) fn is_probed((keys, is_inline): (usize, bool), index_rows: usize) -> bool {
    let probe_rows = if is_inline {
        PROBE_ROWS
    } else {
        PROBE_INTERNED_ROWS
    };
    keys.saturating_mul(probe_rows) < index_rows
}

/// Rows of an index for each of those between bounds, from which on it pays to find these by value and
/// to put them in the order of their entities.
const BETWEEN_ROWS: usize = 16;

/// The rows of a run by value that lie between bounds, if they are few.
pub(super) fn between(run: &Run, bounds: &Bounds, dictionary: &Dictionary) -> Option<Range<usize>> {
    let cell = |value: &Option<Value>| value.as_ref().and_then(Cell::inline);
    let start = cell(&bounds.low).map_or(0, |low| {
        run.offset(run.partition_point(|_, v| v.compare(low, dictionary).is_lt()))
    });
    let end = cell(&bounds.high).map_or(run.len(), |high| {
        run.offset(run.partition_point(|_, v| v.compare(high, dictionary).is_le()))
    });
    let range = start..end.max(start);
    (range.len().saturating_mul(BETWEEN_ROWS) <= run.len()).then_some(range)
}

fn given(access: &Access) -> Given {
    match access {
        Access::Free => Given::Nothing,
        Access::Const(_) => Given::One,
        Access::Column(_) | Access::Resolved(_) => Given::Each,
    }
}

/// Whether a column is of integers that do not fall.
pub(super) fn is_ascending(column: &Column) -> bool {
    let bits = column.bits();
    let rises = |part: Range<usize>| {
        // With the first of the next part.
        let part = &bits[part.start..bits.len().min(part.end + 1)];
        part.is_sorted_by_key(|&bits| bits as i64)
    };
    column.kind() == Some(Kind::Long) && fork::split(bits.len(), rises).into_iter().all(|is| is)
}
