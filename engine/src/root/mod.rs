//! Roots: a database value as one small immutable object that names the segments holding it.
//!
//! A root lists, for each attribute and sort order, the leaves and where they lie, the runs of the
//! dictionary, the schema, what the planner samples, and the archived records of the log. Two roots
//! share the segments that did not change between them. [`open`] makes a database value of a root
//! without reading a segment; [`write`] makes a root of a database value, writing only what no
//! segment holds yet. Which root a branch is at, and when a new one is due, is not its matter.

mod bytes;
mod check;
mod leaves;
mod open;
mod write;

pub use check::{Broken, Counts, Print, Prints, check, compare};
pub use leaves::is_wasteful;
pub use open::{Opened, load, open, restore};
pub use write::{Position, Reuse, Written, lacks_graphs, write};

use uuid::Uuid;

use crate::index::{Cell, Digest};
use crate::segment::{Cover, SegmentStamp};
use crate::value::Value;

/// A database value, as its root keeps it.
#[derive(Clone, Debug)]
pub struct Root {
    /// The commit whose state it is.
    pub commit: Uuid,
    /// The t of that commit.
    pub t: u64,
    /// The epoch of that commit's writer.
    pub epoch: u64,
    /// The largest entity id a user entity ever had.
    pub max_eid: i64,
    /// The latest transaction.
    pub max_tx: i64,
    /// Whether something was purged that may still stand in its dictionary or archive.
    pub unswept: bool,
    /// What [`Schema::kept`](crate::schema::Schema::kept) says.
    pub schema: Value,
    /// The segments of its leaves.
    pub segments: Vec<SegmentStamp>,
    /// The runs of the dictionary, from id 0 on.
    pub dictionary: Vec<DictionaryPart>,
    /// Its attributes, by id.
    pub attributes: Vec<AttributePart>,
    /// The records of the log up to its commit, in order.
    pub archive: Vec<ArchivePart>,
    /// The graphs of its vectors.
    pub graphs: Vec<GraphPart>,
}

/// A graph of vectors in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphPart {
    /// Which rows it holds.
    pub cover: Cover,
    /// Where it lies.
    pub stamp: SegmentStamp,
}

/// A run of the dictionary in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DictionaryPart {
    /// The id of its first value.
    pub start: u32,
    /// How many values it has.
    pub len: u32,
    /// Where it lies.
    pub stamp: SegmentStamp,
}

/// Archived records in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchivePart {
    /// The t of the first.
    pub first: u64,
    /// The t of the last.
    pub last: u64,
    /// Where they lie.
    pub stamp: SegmentStamp,
}

/// The runs of an attribute.
#[derive(Clone, Debug)]
pub struct AttributePart {
    /// The attribute.
    pub id: u32,
    /// Leaves of current and past rows by entity, then, where kept, by value.
    pub runs: Vec<Vec<LeafPart>>,
    /// What the planner knows of it, where that is costly to find out.
    pub sample: Option<SamplePart>,
}

/// A sample of an attribute's current rows.
#[derive(Clone, Debug)]
pub struct SamplePart {
    /// Rows.
    pub rows: f64,
    /// Entities, roughly.
    pub entities: f64,
    /// Values of rows spread evenly.
    pub values: Vec<Cell>,
}

/// A leaf in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafPart {
    /// The number of its segment in [`Root::segments`].
    pub segment: u32,
    /// The number of its first chunk there.
    pub first: u32,
    /// Its chunks.
    pub chunks: u32,
    /// Its rows.
    pub rows: u32,
    /// The entity of its first row.
    pub e: i64,
    /// The value of its first row.
    pub v: Cell,
}

/// The name of a root's object in its store.
pub fn name(digest: Digest) -> String {
    format!("root/{digest}")
}

impl Root {
    /// Every segment it needs, archived records included.
    pub fn stamps(&self) -> impl Iterator<Item = &SegmentStamp> {
        let values = self.dictionary.iter().map(|part| &part.stamp);
        let records = self.archive.iter().map(|part| &part.stamp);
        let graphs = self.graphs.iter().map(|part| &part.stamp);
        self.segments
            .iter()
            .chain(values)
            .chain(records)
            .chain(graphs)
    }
}

#[cfg(test)]
mod tests;
