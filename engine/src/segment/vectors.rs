//! Segments of vectors: rows of floats and the graph of their neighbours, mapped into memory.
//!
//! What stands in the bytes is the vector crate's matter; here they are named, stamped and opened
//! like other segments. Each block is verified when it is first read.

use std::sync::{Arc, OnceLock};

use datalith_vector::{Row, Segment};
use xxhash_rust::xxh3::xxh3_64;

use super::open::{Lazy, Opened};
use super::stamp::{SegmentKind, SegmentStamp};
use crate::datom::{AttrId, EntityId};
use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::store::{Mapped, Storage, create_by_content};

/// Bytes of the first block, which says what all others must be.
const HEAD_BYTES: usize = 4096;

/// Which rows of an attribute a graph holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cover {
    /// The index it belongs to.
    pub index: EntityId,
    /// The attribute.
    pub attribute: AttrId,
    /// The last transaction whose rows it does not hold: they are held elsewhere.
    pub after: i64,
    /// The last transaction whose rows it holds.
    pub upto: i64,
}

/// Vectors and the graph of their neighbours.
#[derive(Clone, Debug)]
pub struct VectorGraph {
    cover: Cover,
    held: Held,
    by_entity: OnceLock<ByEntity>,
}

/// The entities of a graph's rows, ascending, and the row of each.
#[derive(Clone, Debug)]
pub struct ByEntity {
    entities: Box<[i64]>,
    rows: Box<[Row]>,
}

impl ByEntity {
    /// The rows of some entities, which ascend.
    ///
    /// Cost: O(entities · log(rows between one and the next)).
    pub fn rows_of<'s>(&'s self, entities: &'s [i64]) -> impl Iterator<Item = Row> + 's {
        let mut at = 0;
        entities.iter().flat_map(move |&e| {
            let rest = &self.entities[at..];
            let mut end = 1;
            while end < rest.len() && rest[end] < e {
                end *= 2;
            }
            let (start, end) = (end / 2, rest.len().min(end + 1));
            at += start + rest[start..end].partition_point(|other| *other < e);
            let same = self.entities[at..]
                .iter()
                .take_while(move |other| **other == e);
            self.rows[at..at + same.count()].iter().copied()
        })
    }
}

#[derive(Clone, Debug)]
enum Held {
    Memory(Arc<VectorsSegment>),
    Stored(Arc<Lazy<VectorsSegment>>),
}

/// A segment of vectors that is open.
pub(super) type VectorsSegment = Segment<Mapped>;

impl VectorGraph {
    /// Of bytes that were built and lie in no store.
    pub fn in_memory(cover: Cover, bytes: Vec<u8>) -> Result<VectorGraph> {
        let segment = Segment::open(Mapped::of(bytes)).map_err(|error| {
            Error::new(
                Code::Internal,
                format!("a graph that was just built: {error}"),
            )
        })?;
        Ok(VectorGraph {
            cover,
            held: Held::Memory(Arc::new(segment)),
            by_entity: OnceLock::new(),
        })
    }

    pub(super) fn stored(cover: Cover, segment: Arc<Lazy<VectorsSegment>>) -> VectorGraph {
        VectorGraph {
            cover,
            held: Held::Stored(segment),
            by_entity: OnceLock::new(),
        }
    }

    /// Which rows it holds.
    pub fn cover(&self) -> Cover {
        self.cover
    }

    /// Its segment in the store, if it lies in one.
    pub fn stamp(&self) -> Option<&SegmentStamp> {
        match &self.held {
            Held::Memory(_) => None,
            Held::Stored(lazy) => Some(&lazy.stamp),
        }
    }

    /// How many vectors it holds.
    pub fn len(&self) -> usize {
        match &self.held {
            Held::Memory(segment) => segment.len(),
            Held::Stored(lazy) => lazy.stamp.rows as usize,
        }
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its rows by entity: read at the first call and kept, 12 bytes a row.
    pub fn by_entity(&self) -> Result<&ByEntity> {
        if let Some(by_entity) = self.by_entity.get() {
            return Ok(by_entity);
        }
        let (entities, rows): (Vec<i64>, Vec<Row>) = self.read(|segment| {
            let rows = segment.by_key()?;
            Ok(rows.map(|([e, _], row)| (e as i64, row)).unzip())
        })?;
        let made = ByEntity {
            entities: entities.into(),
            rows: rows.into(),
        };
        Ok(self.by_entity.get_or_init(|| made))
    }

    /// Reads something of it.
    ///
    /// Fails with [`Code::CorruptSegment`] where its bytes are not those that were written, with
    /// [`Code::MissingSegment`] where they are gone.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Segment<Mapped>) -> datalith_vector::Result<T>,
    ) -> Result<T> {
        match &self.held {
            Held::Memory(segment) => read(segment).map_err(|error| vector_error(None, &error)),
            Held::Stored(lazy) => lazy.read(|segment| {
                read(segment).map_err(|error| vector_error(Some(&lazy.stamp), &error))
            }),
        }
    }
}

impl Opened for VectorsSegment {
    fn open(storage: Arc<dyn Storage>, stamp: SegmentStamp) -> Result<VectorsSegment> {
        let bytes = storage.map(&stamp.name())?.ok_or_else(|| stamp.missing())?;
        let all = bytes.as_ref();
        if all.len() as u64 != stamp.bytes {
            return Err(stamp.corrupt(format!("{} bytes", stamp.bytes), all.len().to_string()));
        }
        let sum = xxh3_64(&all[..all.len().min(HEAD_BYTES)]);
        if sum != stamp.footer_sum {
            let (expected, got) = (format!("{:016x}", stamp.footer_sum), format!("{sum:016x}"));
            return Err(stamp.corrupt(format!("a first block of {expected}"), got));
        }
        Segment::open(bytes).map_err(|error| vector_error(Some(&stamp), &error))
    }
}

/// Keeps a graph that was built, durable when the call returns.
pub fn write_vectors(storage: &dyn Storage, bytes: &[u8], rows: usize) -> Result<SegmentStamp> {
    let stamp = SegmentStamp {
        digest: Digest::of(bytes),
        bytes: bytes.len() as u64,
        footer_at: 0,
        footer_sum: xxh3_64(&bytes[..bytes.len().min(HEAD_BYTES)]),
        rows: rows as u64,
        kind: SegmentKind::Vectors,
    };
    create_by_content(storage, &stamp.name(), bytes)?;
    Ok(stamp)
}

/// Checks every block of a segment of vectors.
pub(super) fn check(storage: &Arc<dyn Storage>, stamp: &SegmentStamp) -> Result<()> {
    let lazy = Lazy::<VectorsSegment>::of(Arc::clone(storage), *stamp);
    let segment = lazy.get()?;
    if segment.len() as u64 != stamp.rows {
        return Err(stamp.corrupt(format!("{} vectors", stamp.rows), segment.len().to_string()));
    }
    segment
        .verify()
        .map_err(|error| vector_error(Some(stamp), &error))
}

/// The vector crate's error as one of ours.
pub(super) fn vector_error(stamp: Option<&SegmentStamp>, error: &datalith_vector::Error) -> Error {
    use datalith_vector::Error as E;
    match (error, stamp) {
        (E::Corrupt { .. }, Some(stamp)) => {
            stamp.corrupt("bytes that a writer wrote", error.to_string())
        }
        (E::Format { .. }, _) => Error::new(Code::FormatVersion, error.to_string()),
        (E::Cancelled, _) => Error::new(Code::QueryCanceled, "the work was cancelled"),
        (E::Dimension { .. } | E::NotFinite { .. }, _) => {
            Error::new(Code::QueryFunction, error.to_string())
        }
        _ => Error::new(Code::Internal, format!("a graph of vectors: {error}")),
    }
}
