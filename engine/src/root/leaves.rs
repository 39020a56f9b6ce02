//! The leaves of a database value: which segments they stay in, which they are written to.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use rayon::prelude::*;
use uuid::Uuid;

use super::open::stored_leaf;
use super::write::Reuse;
use super::{AttributePart, LeafPart, Root, SamplePart};
use crate::datom::AttrId;
use crate::db::Db;
use crate::error::Result;
use crate::index::{Chunk, Digest, Extra, Leaf, Run, SortOrder};
use crate::limits::{SEGMENT_PART_ROWS, SEGMENT_ROWS};
use crate::segment::{SegmentStamp, SegmentWriter, Segments};
use crate::store::Storage;

/// Rows of an attribute from which on a root keeps what the planner samples.
const SAMPLED_ROWS: usize = 4_096;
/// One dead row in so many is too much for a collection: what stays is at most this much larger
/// than what lives, and for each row that goes at most `DEAD_SHARE - 1` rows are written again.
const DEAD_SHARE: u64 = 8;

/// Each leaf that was written, by its address, with its twin in a segment.
pub(super) type Twins = HashMap<usize, (Arc<Leaf>, Arc<Leaf>), FixedState>;

/// Whether the segments of a root hold more of what is dead than a collection should leave; see
/// [`Reuse::Compact`].
pub fn is_wasteful(db: &Db, root: &Root, reuse: &Reuse<'_>) -> bool {
    LeafTable::of(&db.origin(), Some(root), reuse).kept.len() < root.segments.len()
}

/// When a leaf will be written again. Leaves that share that share segments, which then die as a
/// whole or stay as they are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    /// When one of its own entities changes: new ones come behind it.
    Settled,
    /// With most leaves of this run: new rows may come anywhere into it.
    Churning {
        /// The number of the run.
        run: usize,
    },
    /// As soon as something is added: it is the end of its run.
    Growing,
}

impl Life {
    fn of(run: &Run, number: usize, at: usize) -> Life {
        if at + 1 == run.leaves().len() {
            Life::Growing
        } else if (run.order(), run.extra()) == (SortOrder::ByEntity, Extra::Nothing) {
            Life::Settled
        } else {
            Life::Churning { run: number }
        }
    }
}

/// All leaves of a database value, in the order of the root.
pub(super) struct LeafTable {
    attributes: Vec<AttrId>,
    leaves: Vec<(Arc<Leaf>, Extra, Life)>,
    /// The segments that stay, by name.
    kept: HashMap<Digest, (u32, SegmentStamp), FixedState>,
}

impl LeafTable {
    pub(super) fn of(db: &Db, previous: Option<&Root>, reuse: &Reuse<'_>) -> LeafTable {
        let mut attributes: Vec<AttrId> = db.attribute_ids().collect();
        attributes.sort_unstable();
        let runs = attributes
            .iter()
            .filter_map(|a| db.index(*a))
            .flat_map(|index| index.runs());
        let leaves: Vec<(Arc<Leaf>, Extra, Life)> = runs
            .enumerate()
            .flat_map(|(number, run)| {
                let leaves = run.leaves().iter().enumerate();
                leaves.map(move |(at, leaf)| {
                    (Arc::clone(leaf), run.extra(), Life::of(run, number, at))
                })
            })
            .collect();
        let mut live: HashMap<Digest, u64, FixedState> = HashMap::default();
        for (leaf, ..) in &leaves {
            if let Some(place) = leaf.place() {
                *live.entry(place.segment).or_default() += leaf.rows() as u64;
            }
        }
        let stamps = previous.map_or(&[][..], |root| &root.segments);
        let stays = |stamp: &&SegmentStamp| {
            let live = live.get(&stamp.digest).map_or(0, |&live| live);
            stays(stamp, live, reuse)
        };
        let kept = stamps.iter().filter(stays).zip(0..);
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

    /// The leaves that lie in no segment that stays, by the segments they will share.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut dirty: Vec<usize> = (0..self.leaves.len())
            .filter(|&at| self.is_kept(&self.leaves[at].0).is_none())
            .collect();
        let life = |at: usize| self.leaves[at].2;
        dirty.sort_by_key(|&at| life(at));
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut rows = 0;
        for at in dirty {
            let leaf_rows = self.leaves[at].0.rows();
            match groups.last_mut() {
                // A few rows of another life do less harm than many files.
                Some(group)
                    if rows + leaf_rows <= SEGMENT_ROWS
                        && (rows < SEGMENT_PART_ROWS
                            || group.last().is_some_and(|&last| life(last) == life(at))) =>
                {
                    group.push(at);
                }
                _ => {
                    groups.push(vec![at]);
                    rows = 0;
                }
            }
            rows += leaf_rows;
        }
        groups
    }

    /// Writes the leaves that lie in no segment that stays. Gives all segments, and each leaf's
    /// place.
    pub(super) fn write(
        &self,
        storage: &dyn Storage,
        commit: Uuid,
    ) -> Result<(Vec<SegmentStamp>, Vec<LeafPart>)> {
        let groups = self.groups();
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
            .map(|(leaf, ..)| {
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
        let parts = self.leaves.iter().zip(places).map(|((leaf, ..), place)| {
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
            let (leaf, extra, _) = &self.leaves[at];
            let rows: Vec<Chunk> = leaf.pass().collect();
            chunks.push(writer.add_leaf(rows.iter(), *extra)?);
        }
        Ok((writer.finish(storage)?, chunks))
    }

    /// The leaves of each attribute; `places` has one for each leaf, in order.
    pub(super) fn attributes(&self, db: &Db, places: &[LeafPart]) -> Vec<AttributePart> {
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

    /// Each leaf that was written, with its twin.
    pub(super) fn twins(&self, places: &[LeafPart], root: &Root, segments: &Segments) -> Twins {
        let leaves = self.leaves.iter().zip(places);
        let written = leaves.filter(|((leaf, ..), _)| self.is_kept(leaf).is_none());
        let twin = |((leaf, ..), place): (&(Arc<Leaf>, Extra, Life), &LeafPart)| {
            let stored = Arc::new(stored_leaf(place, root, segments));
            (Arc::as_ptr(leaf) as usize, (Arc::clone(leaf), stored))
        };
        written.map(twin).collect()
    }
}

/// Whether a segment stays of which so many rows are live.
fn stays(stamp: &SegmentStamp, live: u64, reuse: &Reuse<'_>) -> bool {
    let dead = stamp.rows.saturating_sub(live);
    live > 0
        && match reuse {
            // Most of it is garbage at the earliest when as much was written again.
            Reuse::Shared => dead <= live,
            Reuse::Compact { is_shared } => {
                DEAD_SHARE * dead <= stamp.rows || dead <= live && is_shared(stamp.digest)
            }
            Reuse::Purged { .. } => dead == 0,
        }
}
