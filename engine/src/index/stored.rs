//! What the indexes ask of columns and values that lie in segments: load this part, now.

use std::fmt;
use std::sync::Arc;

use arrow_array::StringViewArray;

use super::{Cell, Chunk, HashPrefix};
use crate::error::Result;
use crate::value::Value;

/// The name of a stored object: the BLAKE3 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// From 64 hex digits.
    pub fn parse(hex: &str) -> Option<Digest> {
        blake3::Hash::from_hex(hex)
            .ok()
            .map(|hash| Digest(*hash.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

/// Where the chunks of a leaf lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeafPlace {
    /// The segment.
    pub segment: Digest,
    /// The number of the leaf's first chunk in the segment.
    pub first: u32,
    /// How many chunks of the segment are the leaf's.
    pub chunks: u32,
}

/// What is known of a chunk before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkFence {
    /// Its rows; never 0.
    pub rows: u32,
    /// The entity of its first row.
    pub e: i64,
    /// The value of its first row.
    pub v: Cell,
}

/// A leaf of a run that lies in a segment.
pub trait StoredLeaf: Send + Sync + fmt::Debug {
    /// What is known of its chunks.
    fn fences(&self) -> Result<Vec<ChunkFence>>;

    /// Reads one of its chunks, checked; `at` counts from the leaf's first.
    fn chunk(&self, at: usize) -> Result<Chunk>;

    /// Where it lies.
    fn place(&self) -> LeafPlace;
}

/// The texts among values whose ids follow one another, as they lie in a segment.
#[derive(Debug)]
pub struct TextPage {
    /// The id of the first value.
    pub start: u32,
    /// Strings, keywords and symbols, these without colons; null for other values.
    pub texts: StringViewArray,
}

/// A run of the dictionary that lies in a segment.
pub trait StoredValues: Send + Sync + fmt::Debug {
    /// The id of its first value.
    fn start(&self) -> u32;

    /// How many values it has; their ids follow one another.
    fn count(&self) -> u32;

    /// The value with an id, read on first touch and kept.
    fn value(&self, id: u32) -> Result<&Value>;

    /// The texts of the page that an id lies in, read on first touch and kept.
    fn texts(&self, id: u32) -> Result<&TextPage>;

    /// The id of a value whose [`stable_hash`](crate::value::stable_hash) is `hash`, if it is here.
    fn find(&self, hash: u64, value: &Value) -> Result<Option<u32>>;

    /// Calls with the prefix of the hash of each value; answers false, perhaps after some calls, if not as
    /// much is known of the hashes.
    fn each_prefix(&self, take: &mut dyn FnMut(HashPrefix)) -> Result<bool>;

    /// The segment.
    fn segment(&self) -> Digest;

    /// The same values; what a copy reads goes with it.
    fn apart(&self) -> Result<Arc<dyn StoredValues>>;

    /// Bytes of values that were read and are kept.
    fn held_bytes(&self) -> usize;
}
