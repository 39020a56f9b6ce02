//! From a database value to a root: what no segment holds yet is written, the rest is shared.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use rayon::prelude::*;
use uuid::Uuid;

use super::open::stored_leaf;
use super::{ArchivePart, AttributePart, DictionaryPart, LeafPart, Root, SamplePart, name};
use crate::datom::AttrId;
use crate::db::Db;
use crate::error::Result;
use crate::index::{Chunk, Dictionary, Digest, Extra, Leaf, StoredValues};
use crate::limits::{SEGMENT_ROWS, SEGMENT_VALUES};
use crate::segment::{
    ArchivedRecord, SegmentStamp, SegmentWriter, Segments, write_transactions, write_values,
};
use crate::store::{Storage, create_by_content};
use crate::value::Value;

/// Rows of an attribute from which on a root keeps what the planner samples.
const SAMPLED_ROWS: usize = 4_096;

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
    /// Each leaf that was written, by its address, with its twin in a segment.
    twins: HashMap<usize, (Arc<Leaf>, Arc<Leaf>), FixedState>,
    values: Vec<Arc<dyn StoredValues>>,
}

impl Written {
    /// The value that was written, or a later one made from it, with what was written taken from
    /// the segments: its memory is given back.
    pub fn rebase(&self, db: &Db) -> Db {
        let twin = |leaf: &Arc<Leaf>| {
            let twin = self.twins.get(&(Arc::as_ptr(leaf) as usize));
            twin.map(|(_, twin)| Arc::clone(twin))
        };
        db.rebased(db.dictionary().rebased(&self.values), twin)
    }
}

/// What of the segments of an earlier root may stay.
pub enum Reuse<'r> {
    /// Whatever is still of use.
    Shared,
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
        Reuse::Shared => write_dictionary(storage, db.dictionary(), previous)?,
        Reuse::Purged { live } => purge_dictionary(storage, db.dictionary(), live)?,
    };
    let kept = previous.filter(|_| matches!(reuse, Reuse::Shared));
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
        root: Arc::new(root),
    })
}

/// All leaves of a database value, in the order of the root.
struct LeafTable {
    attributes: Vec<AttrId>,
    leaves: Vec<(Arc<Leaf>, Extra)>,
    /// The segments that stay, by name.
    kept: HashMap<Digest, (u32, SegmentStamp), FixedState>,
}

impl LeafTable {
    fn of(db: &Db, previous: Option<&Root>, reuse: &Reuse<'_>) -> LeafTable {
        let mut attributes: Vec<AttrId> = db.attribute_ids().collect();
        attributes.sort_unstable();
        let runs = attributes
            .iter()
            .filter_map(|a| db.index(*a))
            .flat_map(|index| index.runs());
        let leaves: Vec<(Arc<Leaf>, Extra)> = runs
            .flat_map(|run| {
                run.leaves()
                    .iter()
                    .map(|leaf| (Arc::clone(leaf), run.extra()))
            })
            .collect();
        let mut live: HashMap<Digest, u64, FixedState> = HashMap::default();
        for place in leaves
            .iter()
            .filter_map(|(leaf, _)| Some((leaf.place()?, leaf.rows())))
        {
            *live.entry(place.0.segment).or_default() += place.1 as u64;
        }
        // A segment most of which nobody needs is written anew; to purge, any with such a part.
        let share = match reuse {
            Reuse::Shared => 2,
            Reuse::Purged { .. } => 1,
        };
        let stamps = previous.map_or(&[][..], |root| &root.segments);
        let is_live =
            |stamp: &&SegmentStamp| share * live.get(&stamp.digest).unwrap_or(&0) >= stamp.rows;
        let kept = stamps.iter().filter(is_live).zip(0..);
        LeafTable {
            attributes,
            kept: kept
                .map(|(stamp, at)| (stamp.digest, (at, *stamp)))
                .collect(),
            leaves,
        }
    }

    fn is_kept(&self, leaf: &Leaf) -> Option<u32> {
        let place = leaf.place()?;
        self.kept.get(&place.segment).map(|(at, _)| *at)
    }

    /// Writes the leaves that lie in no segment that stays. Gives all segments, and each leaf's
    /// place.
    fn write(
        &self,
        storage: &dyn Storage,
        commit: Uuid,
    ) -> Result<(Vec<SegmentStamp>, Vec<LeafPart>)> {
        let dirty = self.leaves.iter().enumerate();
        let dirty = dirty.filter(|(_, (leaf, _))| self.is_kept(leaf).is_none());
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut rows = SEGMENT_ROWS;
        for (at, (leaf, _)) in dirty {
            if rows + leaf.rows() > SEGMENT_ROWS {
                groups.push(Vec::new());
                rows = 0;
            }
            rows += leaf.rows();
            if let Some(group) = groups.last_mut() {
                group.push(at);
            }
        }
        let written: Result<Vec<_>> = groups
            .par_iter()
            .map(|group| crate::fault::catch(|| self.write_segment(storage, group, commit)))
            .collect();

        let mut stamps = vec![None; self.kept.len()];
        for (at, stamp) in self.kept.values() {
            stamps[*at as usize] = Some(*stamp);
        }
        let mut stamps: Vec<SegmentStamp> = stamps.into_iter().flatten().collect();
        let mut places: Vec<Option<(u32, u32, u32)>> = self
            .leaves
            .iter()
            .map(|(leaf, _)| {
                let place = leaf.place()?;
                Some((self.is_kept(leaf)?, place.first, place.chunks))
            })
            .collect();
        for (group, (stamp, chunks)) in groups.iter().zip(written?) {
            let segment = stamps.len() as u32;
            stamps.push(stamp);
            for (at, (first, chunks)) in group.iter().zip(chunks) {
                places[*at] = Some((segment, first, chunks));
            }
        }
        let parts = self.leaves.iter().zip(places).map(|((leaf, _), place)| {
            let (segment, first, chunks) = place.expect("each leaf is kept or was written");
            let (e, v) = leaf.first();
            LeafPart {
                segment,
                first,
                chunks,
                rows: leaf.rows() as u32,
                e,
                v,
            }
        });
        Ok((stamps, parts.collect()))
    }

    fn write_segment(
        &self,
        storage: &dyn Storage,
        group: &[usize],
        commit: Uuid,
    ) -> Result<(SegmentStamp, Vec<(u32, u32)>)> {
        let mut writer = SegmentWriter::new(commit);
        let mut chunks = Vec::with_capacity(group.len());
        for &at in group {
            let (leaf, extra) = &self.leaves[at];
            let rows: Vec<Chunk> = leaf.pass().collect();
            chunks.push(writer.add_leaf(rows.iter(), *extra)?);
        }
        Ok((writer.finish(storage)?, chunks))
    }

    /// The leaves of each attribute; `places` has one for each leaf, in order.
    fn attributes(&self, db: &Db, places: &[LeafPart]) -> Vec<AttributePart> {
        let mut places = places.iter().copied();
        let mut attributes = Vec::with_capacity(self.attributes.len());
        for a in &self.attributes {
            let Some(index) = db.index(*a) else { continue };
            let runs = index.runs();
            let runs = runs.map(|run| places.by_ref().take(run.leaves().len()).collect());
            let runs = runs.collect();
            let sample = (index.current().len() >= SAMPLED_ROWS).then(|| {
                let sample = index.sample();
                SamplePart {
                    rows: sample.rows(),
                    entities: sample.entities(),
                    values: sample.values().to_vec(),
                }
            });
            attributes.push(AttributePart {
                id: a.0,
                runs,
                sample,
            });
        }
        attributes
    }

    fn twins(
        &self,
        places: &[LeafPart],
        root: &Root,
        segments: &Segments,
    ) -> HashMap<usize, (Arc<Leaf>, Arc<Leaf>), FixedState> {
        let leaves = self.leaves.iter().zip(places);
        let written = leaves.filter(|((leaf, _), _)| self.is_kept(leaf).is_none());
        let twin = |((leaf, _), place): (&(Arc<Leaf>, Extra), &LeafPart)| {
            let stored = Arc::new(stored_leaf(place, root, segments));
            (Arc::as_ptr(leaf) as usize, (Arc::clone(leaf), stored))
        };
        written.map(twin).collect()
    }
}

/// Writes the values that lie in no segment. Small runs are merged with what follows them, so that
/// their sizes fall geometrically.
fn write_dictionary(
    storage: &dyn Storage,
    dictionary: &Dictionary,
    previous: Option<&Root>,
) -> Result<Vec<DictionaryPart>> {
    let mut parts = previous.map_or_else(Vec::new, |root| root.dictionary.clone());
    let end = dictionary.len();
    let mut start = parts.last().map_or(0, |part| part.start + part.len);
    if start == end {
        return Ok(parts);
    }
    while let Some(last) = parts.last()
        && last.len <= 2 * (end - start)
        && end - last.start <= SEGMENT_VALUES
    {
        start = last.start;
        parts.pop();
    }
    let values = dictionary.values_from(start);
    write_parts(storage, start..end, values, &mut parts)?;
    Ok(parts)
}

/// Writes all values that are used, and nothing in the place of the others.
fn purge_dictionary(
    storage: &dyn Storage,
    dictionary: &Dictionary,
    live: &dyn Fn(u32) -> bool,
) -> Result<Vec<DictionaryPart>> {
    let end = dictionary.len();
    let values = dictionary.values_from(0).zip(0..);
    let values = values.map(|(value, id)| value.filter(|_| live(id)));
    let mut parts = Vec::new();
    write_parts(storage, 0..end, values, &mut parts)?;
    Ok(parts)
}

/// Writes the values of a range of ids, as many to a segment as it may have.
fn write_parts<'v>(
    storage: &dyn Storage,
    mut ids: Range<u32>,
    mut values: impl Iterator<Item = Option<&'v Value>>,
    parts: &mut Vec<DictionaryPart>,
) -> Result<()> {
    while let Some(start) = ids.next() {
        let len = (ids.end - start).min(SEGMENT_VALUES);
        let stamp = write_values(storage, start, values.by_ref().take(len as usize))?;
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
