//! A leaf: up to [`Leaf::ROWS_MAX`] rows of a run as a list of chunks, in memory or in a segment.
//!
//! A leaf in a segment is read on first touch: its fences once, each chunk once. A run that a
//! transaction touches gets new leaves for what changed and shares the others, read or not.

use std::sync::{Arc, OnceLock};

use super::{Cell, Chunk, ChunkFence, Digest, LeafPlace, StoredLeaf};
use crate::fault;

/// Rows of a run, in order.
#[derive(Debug)]
pub struct Leaf {
    rows: usize,
    first: (i64, Cell),
    body: OnceLock<Body>,
    stored: Option<Arc<dyn StoredLeaf>>,
}

/// The chunks of a leaf, each read on first touch.
#[derive(Debug)]
struct Body {
    slots: Vec<Arc<Slot>>,
    /// First entity and value of each chunk, so that a search touches one chunk.
    fences: Vec<(i64, Cell)>,
    /// Rows before each chunk, and after the last.
    offsets: Vec<usize>,
}

/// What tells parts of runs apart: their place in a segment, or in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PartKey {
    /// A segment, and the number of the first chunk.
    Stored(Digest, u32),
    /// An address.
    Memory(usize),
}

/// The place of one chunk, shared by the leaves of successive runs.
#[derive(Debug)]
pub(super) struct Slot {
    fence: ChunkFence,
    chunk: OnceLock<Chunk>,
    source: Option<(Arc<dyn StoredLeaf>, usize)>,
}

impl Slot {
    /// A chunk in memory; it has rows.
    pub(super) fn of(chunk: Chunk) -> Arc<Slot> {
        let fence = ChunkFence {
            rows: chunk.len() as u32,
            e: chunk.e[0],
            v: chunk.v.cell(0),
        };
        Arc::new(Slot {
            fence,
            chunk: OnceLock::from(chunk),
            source: None,
        })
    }

    /// The chunk, read now if it was not. A read that fails is thrown, see [`fault`].
    pub(super) fn chunk(&self) -> &Chunk {
        self.chunk.get_or_init(|| {
            let (leaf, at) = self
                .source
                .as_ref()
                .expect("a slot without a source was made with its chunk");
            fault::or_throw(leaf.chunk(*at))
        })
    }

    /// The chunk for one look: if it was not read before it is not kept either.
    fn look(&self) -> Chunk {
        match (self.chunk.get(), &self.source) {
            (None, Some((leaf, at))) => fault::or_throw(leaf.chunk(*at)),
            _ => self.chunk().clone(),
        }
    }

    /// The same place; what lies in a segment is read once more.
    fn apart(self: &Arc<Slot>) -> Arc<Slot> {
        match &self.source {
            None => Arc::clone(self),
            Some(source) => Arc::new(Slot {
                fence: self.fence,
                chunk: OnceLock::new(),
                source: Some(source.clone()),
            }),
        }
    }

    pub(super) fn key(self: &Arc<Slot>) -> PartKey {
        match &self.source {
            Some((leaf, at)) => {
                let place = leaf.place();
                PartKey::Stored(place.segment, place.first + *at as u32)
            }
            None => PartKey::Memory(Arc::as_ptr(self) as usize),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.fence.rows as usize
    }

    pub(super) fn first(&self) -> (i64, Cell) {
        (self.fence.e, self.fence.v)
    }
}

impl Leaf {
    /// Most rows of a leaf: a merge into segments rewrites whole leaves.
    pub const ROWS_MAX: usize = 1 << 17;
    /// Most chunks of a leaf.
    pub const CHUNKS_MAX: usize = 1 << Leaf::CHUNK_BITS;
    /// Bits that number a chunk within its leaf.
    pub(super) const CHUNK_BITS: u32 = 7;

    /// A leaf in a segment, nothing of it read.
    pub fn stored(rows: usize, first: (i64, Cell), stored: Arc<dyn StoredLeaf>) -> Leaf {
        Leaf {
            rows,
            first,
            body: OnceLock::new(),
            stored: Some(stored),
        }
    }

    /// A leaf of chunks; there is at least one.
    pub(super) fn of(slots: Vec<Arc<Slot>>) -> Leaf {
        let body = Body::new(slots);
        Leaf {
            rows: body.offsets[body.slots.len()],
            first: body.fences[0],
            body: OnceLock::from(body),
            stored: None,
        }
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The same rows; what lies in a segment is read once more, and goes with this copy.
    pub(super) fn apart(&self) -> Leaf {
        match &self.stored {
            Some(stored) => Leaf::stored(self.rows, self.first, Arc::clone(stored)),
            None => Leaf::of(self.slots().iter().map(Slot::apart).collect()),
        }
    }

    /// Its first entity and value.
    pub fn first(&self) -> (i64, Cell) {
        self.first
    }

    /// Where it lies in a segment; none while it is part of the novelty.
    pub fn place(&self) -> Option<LeafPlace> {
        self.stored.as_ref().map(|stored| stored.place())
    }

    pub(super) fn key(self: &Arc<Leaf>) -> PartKey {
        match self.place() {
            Some(place) => PartKey::Stored(place.segment, place.first),
            None => PartKey::Memory(Arc::as_ptr(self) as usize),
        }
    }

    /// Its chunks in order.
    pub fn chunks(&self) -> impl DoubleEndedIterator<Item = &Chunk> + ExactSizeIterator {
        self.body().slots.iter().map(|slot| slot.chunk())
    }

    /// Its chunks in order, each for one look: what was not read before is not kept either.
    pub fn pass(&self) -> impl Iterator<Item = Chunk> + '_ {
        self.body().slots.iter().map(|slot| slot.look())
    }

    /// One of its chunks for one look, as [`Leaf::pass`] has them.
    pub(super) fn look(&self, at: usize) -> Chunk {
        self.body().slots[at].look()
    }

    pub(super) fn slots(&self) -> &[Arc<Slot>] {
        &self.body().slots
    }

    pub(super) fn fences(&self) -> &[(i64, Cell)] {
        &self.body().fences
    }

    /// Rows before each chunk, and after the last.
    pub(super) fn offsets(&self) -> &[usize] {
        &self.body().offsets
    }

    fn body(&self) -> &Body {
        self.body.get_or_init(|| {
            let stored = self
                .stored
                .as_ref()
                .expect("a leaf in memory was made with its chunks");
            let fences = fault::or_throw(stored.fences());
            let slot = |(at, fence): (usize, &ChunkFence)| {
                Arc::new(Slot {
                    fence: *fence,
                    chunk: OnceLock::new(),
                    source: Some((Arc::clone(stored), at)),
                })
            };
            Body::new(fences.iter().enumerate().map(slot).collect())
        })
    }
}

impl Body {
    fn new(slots: Vec<Arc<Slot>>) -> Body {
        let mut offsets = Vec::with_capacity(slots.len() + 1);
        let mut rows = 0;
        offsets.push(0);
        for slot in &slots {
            rows += slot.len();
            offsets.push(rows);
        }
        Body {
            fences: slots.iter().map(|slot| slot.first()).collect(),
            offsets,
            slots,
        }
    }
}
