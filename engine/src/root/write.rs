//! From a database value to a root: what no segment holds yet is written, the rest is shared.

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use super::leaves::{LeafTable, Twins};
use super::{ArchivePart, DictionaryPart, GraphPart, Root, name};
use crate::db::Db;
use crate::error::Result;
use crate::index::{Dictionary, Digest, Leaf, StoredValues};
use crate::limits::SEGMENT_VALUES;
use crate::nearest::{aside_graphs, places_of};
use crate::segment::{
    ArchivedRecord, Places, SegmentStamp, Segments, write_transactions, write_values,
};
use crate::store::{Storage, create_by_content};
use crate::value::Value;

/// Which commit a database value is at.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// The commit.
    pub commit: Uuid,
    /// Its t.
    pub t: u64,
    /// The epoch of its writer.
    pub epoch: u64,
    /// See [`Root::unswept`].
    pub unswept: bool,
}

/// A root that was written, and what of the database value now lies in segments.
pub struct Written {
    /// Its name.
    pub digest: Digest,
    /// The root.
    pub root: Arc<Root>,
    twins: Twins,
    values: Vec<Arc<dyn StoredValues>>,
    /// Whether the graphs of the value were left out.
    without_graphs: bool,
}

impl Written {
    /// The value that was written, or a later one made from it, with what was written taken from
    /// the segments: its memory is given back.
    pub fn rebase(&self, db: &Db) -> Db {
        let twin = |leaf: &Arc<Leaf>| {
            let twin = self.twins.get(&(Arc::as_ptr(leaf) as usize));
            twin.map(|(_, twin)| Arc::clone(twin))
        };
        let db = db.rebased(db.dictionary().rebased(&self.values), twin);
        match self.without_graphs {
            true => db.with_graphs(Vec::new()),
            false => db,
        }
    }
}

/// What of the segments of an earlier root may stay.
#[derive(Clone, Copy)]
pub enum Reuse<'r> {
    /// Whatever is still of use.
    Shared,
    /// The same, less segments with a substantial dead part. Costs at most seven rows written for
    /// each that goes; a second time nothing.
    Compact {
        /// Whether somebody else needs the segment, so that it stays however much of it is dead
        /// here.
        is_shared: &'r (dyn Fn(Digest) -> bool + Sync),
    },
    /// Nothing that holds what the value does not: of the dictionary only the ids that `live` says
    /// are used, of the archive only the records given.
    Purged {
        /// Whether an id of the dictionary is used by what stays.
        live: &'r (dyn Fn(u32) -> bool + Sync),
    },
}

/// Writes a root and the segments it needs, all durable when the call returns.
///
/// - `previous`: the root that `db` descends from, whose segments are shared.
/// - `records`: of the log since `previous`, in order; since the first under [`Reuse::Purged`].
/// - Nobody sees the root until a ref names it; if the call fails, what it wrote is garbage.
/// - Cost: O(rows of leaves that changed since `previous`). Memory: a segment's rows per thread.
pub fn write(
    storage: &dyn Storage,
    segments: &Segments,
    db: &Db,
    (previous, reuse): (Option<&Root>, Reuse<'_>),
    at: Position,
    records: &mut dyn Iterator<Item = Result<ArchivedRecord>>,
) -> Result<Written> {
    let db = &db.origin();
    let leaves = LeafTable::of(db, previous, &reuse);
    let (stamps, places) = leaves.write(storage, at.commit)?;
    let dictionary = match &reuse {
        Reuse::Shared | Reuse::Compact { .. } => write_dictionary(storage, segments, db, previous)?,
        Reuse::Purged { live } => purge_dictionary(storage, db.dictionary(), live)?,
    };
    let kept = previous.filter(|_| !matches!(reuse, Reuse::Purged { .. }));
    let archive = write_archive(storage, segments, kept, records)?;
    let root = Root {
        commit: at.commit,
        t: at.t,
        epoch: at.epoch,
        max_eid: db.max_eid(),
        max_tx: db.max_tx().0,
        unswept: at.unswept,
        schema: db.schema().kept(),
        segments: stamps,
        attributes: leaves.attributes(db, &places),
        dictionary,
        archive,
        graphs: match &reuse {
            // They hold what was purged; they are built anew.
            Reuse::Purged { .. } => Vec::new(),
            Reuse::Shared | Reuse::Compact { .. } => graph_parts(db),
        },
    };
    let bytes = root.encode()?;
    let digest = Digest::of(&bytes);
    create_by_content(storage, &name(digest), &bytes)?;
    let parts = root.dictionary.iter();
    let values = parts.map(|part| segments.values(&part.stamp, part.start, part.len));
    Ok(Written {
        digest,
        twins: leaves.twins(&places, &root, segments),
        values: values.collect(),
        without_graphs: matches!(reuse, Reuse::Purged { .. }),
        root: Arc::new(root),
    })
}

/// Where the graphs of a value lie, those that lie in the store.
pub(super) fn graph_parts(db: &Db) -> Vec<GraphPart> {
    let parts = db.graphs().iter().filter_map(|graph| {
        Some(GraphPart {
            cover: graph.cover(),
            stamp: *graph.stamp()?,
        })
    });
    parts.collect()
}

/// Whether a root lacks a graph that its value has.
pub fn lacks_graphs(db: &Db, root: &Root) -> bool {
    graph_parts(db) != root.graphs
}

/// Writes the values that lie in no segment. Small runs are merged with what follows them, so that
/// their sizes fall geometrically. Arrays kept aside are left to the graphs that hold them.
fn write_dictionary(
    storage: &dyn Storage,
    segments: &Segments,
    db: &Db,
    previous: Option<&Root>,
) -> Result<Vec<DictionaryPart>> {
    let dictionary = db.dictionary();
    let mut parts = previous.map_or_else(Vec::new, |root| root.dictionary.clone());
    let end = dictionary.len();
    let mut start = parts.last().map_or(0, |part| part.start + part.len);
    let mut merged = Vec::new();
    while start < end
        && let Some(last) = parts.last()
        && last.len <= 2 * (end - start)
        && end - last.start <= SEGMENT_VALUES
    {
        start = last.start;
        merged.extend(parts.pop());
    }
    let has_graphs = previous.is_some_and(|root| !root.graphs.is_empty());
    let places = match has_graphs || !db.graphs().is_empty() {
        true => replace(storage, segments, db, &mut parts, &merged)?,
        false => Places::default(),
    };
    if start < end {
        let values = values_of(dictionary, start..end);
        write_parts(storage, start..end, values, &places, &mut parts)?;
    }
    Ok(parts)
}

/// Writes those runs anew that leave arrays to graphs which are no more, and those of whose arrays many
/// lie in graphs by now. Answers where the arrays lie that are to be written.
///
/// - `merged`: runs that will be written anew whatever lies in them.
fn replace(
    storage: &dyn Storage,
    segments: &Segments,
    db: &Db,
    parts: &mut [DictionaryPart],
    merged: &[DictionaryPart],
) -> Result<Places> {
    let graphs: Vec<SegmentStamp> = aside_graphs(db)
        .filter_map(|graph| graph.stamp().copied())
        .collect();
    let graphs_of = |part: &DictionaryPart| segments.graphs_of(&part.stamp);
    let known: Vec<Vec<SegmentStamp>> = parts.iter().map(graphs_of).collect::<Result<_>>()?;
    let merged_known: Vec<Vec<SegmentStamp>> =
        merged.iter().map(graphs_of).collect::<Result<_>>()?;
    let all = || known.iter().chain(&merged_known).flatten();
    let is_as_before = all().all(|graph| graphs.contains(graph))
        && graphs.iter().all(|graph| all().any(|other| other == graph));
    let mut places = Places::default();
    if is_as_before {
        for part in merged {
            segments.add_places(&part.stamp, &mut places)?;
        }
        return Ok(places);
    }
    places = places_of(db)?;
    for (part, known) in parts.iter_mut().zip(&known) {
        let ids = part.start..part.start + part.len;
        let is_gone = known.iter().any(|graph| !graphs.contains(graph));
        let placed = places.count_beyond(known, &ids) as u32;
        if is_gone || placed >= (part.len / PLACED_PART).max(1) {
            let values = values_of(db.dictionary(), ids);
            part.stamp = write_values(storage, part.start, values, &places)?;
        }
    }
    Ok(places)
}

/// Some values; what is read for them is not kept.
fn values_of(dictionary: &Dictionary, ids: Range<u32>) -> impl Iterator<Item = Option<Value>> {
    let parts = ids.clone().step_by(READ_VALUES as usize);
    parts.flat_map(move |first| {
        let count = (ids.end - first).min(READ_VALUES);
        let apart = dictionary.apart();
        let values = apart.values_from(first).take(count as usize);
        values.map(Option::<&Value>::cloned).collect::<Vec<_>>()
    })
}

/// Values that are read at a time.
const READ_VALUES: u32 = 8 * 1024;

/// A run is written anew where one in so many of its values has come to lie in a graph.
const PLACED_PART: u32 = 16;

/// Writes all values that are used, and nothing in the place of the others.
fn purge_dictionary(
    storage: &dyn Storage,
    dictionary: &Dictionary,
    live: &dyn Fn(u32) -> bool,
) -> Result<Vec<DictionaryPart>> {
    let end = dictionary.len();
    let values = values_of(dictionary, 0..end).zip(0..);
    let values = values.map(|(value, id)| value.filter(|_| live(id)));
    let mut parts = Vec::new();
    // The graphs hold what was purged; they are built anew.
    write_parts(storage, 0..end, values, &Places::default(), &mut parts)?;
    Ok(parts)
}

/// Writes the values of a range of ids, as many to a segment as it may have.
fn write_parts(
    storage: &dyn Storage,
    mut ids: Range<u32>,
    mut values: impl Iterator<Item = Option<Value>>,
    places: &Places,
    parts: &mut Vec<DictionaryPart>,
) -> Result<()> {
    while let Some(start) = ids.next() {
        let len = (ids.end - start).min(SEGMENT_VALUES);
        let stamp = write_values(storage, start, values.by_ref().take(len as usize), places)?;
        parts.push(DictionaryPart { start, len, stamp });
        ids.start = start + len;
    }
    Ok(())
}

/// Archives records, merging small archives as [`write_dictionary`] merges runs.
fn write_archive(
    storage: &dyn Storage,
    segments: &Segments,
    previous: Option<&Root>,
    records: &mut dyn Iterator<Item = Result<ArchivedRecord>>,
) -> Result<Vec<ArchivePart>> {
    let mut parts = previous.map_or_else(Vec::new, |root| root.archive.clone());
    let mut new = records.peekable();
    let first = match new.peek() {
        None => return Ok(parts),
        Some(Ok(record)) => record.t,
        Some(Err(error)) => return Err(error.clone()),
    };
    // Sizes are not known before they are written: a chain of ever fewer archives of like size.
    let mut merged = Vec::new();
    let mut bytes = ARCHIVE_MERGED_BYTES;
    while let Some(last) = parts.last()
        && last.stamp.bytes <= bytes
    {
        bytes = bytes.saturating_sub(last.stamp.bytes);
        merged.push(*last);
        parts.pop();
    }
    merged.reverse();
    let mut range = (first, first);
    if let Some(part) = merged.first() {
        range.0 = part.first;
    }
    let old = merged.iter().flat_map(|part| {
        segments
            .transactions(&part.stamp)
            .range(part.first..part.last + 1)
    });
    let mut all = old.chain(new).inspect(|record| {
        if let Ok(record) = record {
            range.1 = record.t;
        }
    });
    let stamp = write_transactions(storage, &mut all)?;
    drop(all);
    parts.push(ArchivePart {
        first: range.0,
        last: range.1,
        stamp,
    });
    Ok(parts)
}

/// Bytes of archives that are written again together with new records.
const ARCHIVE_MERGED_BYTES: u64 = 4 << 20;
