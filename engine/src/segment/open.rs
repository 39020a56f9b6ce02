//! The segments of a store, opened once each and shared by all that read them.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use super::archive::Transactions;
use super::dictionary::ValuesSegment;
use super::file::SegmentReader;
use super::rows::RowsSegment;
use super::stamp::SegmentStamp;
use super::values::Places;
use super::vectors::{Cover, VectorGraph, VectorsSegment};
use crate::error::{Code, Error, Result};
use crate::index::{
    Chunk, ChunkFence, Digest, HashPrefix, LeafPlace, StoredLeaf, StoredValues, TextPage,
};
use crate::store::Storage;
use crate::value::Value;

/// The segments of a store. Cloning is cheap; clones share what is open.
///
/// A segment stays open as long as somebody holds a leaf or a run of it.
#[derive(Clone, Debug)]
pub struct Segments(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    storage: Arc<dyn Storage>,
    rows: Mutex<Open<Lazy<RowsSegment>>>,
    values: Mutex<Open<Lazy<ValuesSegment>>>,
    vectors: Mutex<Open<Lazy<VectorsSegment>>>,
    /// Whether what is held may be collected.
    unpinned: Arc<AtomicBool>,
    keeper: Keeper,
}

/// What must not be dropped as long as somebody holds a leaf or a run.
type Keeper = Option<Arc<dyn Any + Send + Sync>>;

impl Segments {
    /// Of a store; reads nothing.
    pub fn new(storage: Arc<dyn Storage>) -> Segments {
        Segments::of(storage, None)
    }

    /// The same, where what is held is kept from being collected by `keeper`: it is dropped when
    /// nothing is held any more.
    pub fn kept_by(keeper: Arc<dyn Any + Send + Sync>, storage: Arc<dyn Storage>) -> Segments {
        Segments::of(storage, Some(keeper))
    }

    fn of(storage: Arc<dyn Storage>, keeper: Keeper) -> Segments {
        Segments(Arc::new(Shared {
            storage,
            rows: Mutex::default(),
            values: Mutex::default(),
            vectors: Mutex::default(),
            unpinned: Arc::default(),
            keeper,
        }))
    }

    /// Says whether somebody keeps what is held from being collected. If not, what is missing has
    /// expired: [`Code::SnapshotExpired`] instead of [`Code::MissingSegment`].
    pub fn set_pinned(&self, pinned: bool) {
        self.0.unpinned.store(!pinned, Ordering::Relaxed);
    }

    /// The segments that somebody holds a leaf or a run of.
    pub fn alive(&self) -> Vec<SegmentStamp> {
        let mut alive = lock(&self.0.rows).alive();
        alive.extend(lock(&self.0.values).alive());
        for values in lock(&self.0.values).shared() {
            let opened = values.opened.get();
            alive.extend(opened.into_iter().flat_map(ValuesSegment::graphs));
        }
        alive.extend(lock(&self.0.vectors).alive());
        alive
    }

    /// A leaf of a segment of rows: `chunks` chunks from the `first` on. Reads nothing.
    pub fn leaf(&self, stamp: &SegmentStamp, first: u32, chunks: u32) -> Arc<dyn StoredLeaf> {
        Arc::new(Leaf {
            segment: self.share(&self.0.rows, stamp),
            first,
            chunks,
        })
    }

    /// The run of the dictionary in a segment of values: `len` ids from `start` on. Reads nothing.
    pub fn values(&self, stamp: &SegmentStamp, start: u32, len: u32) -> Arc<dyn StoredValues> {
        Arc::new(DictionaryRun {
            segment: self.share(&self.0.values, stamp),
            start,
            len,
        })
    }

    /// The segments of vectors that hold arrays of a segment of values.
    pub fn graphs_of(&self, stamp: &SegmentStamp) -> Result<Vec<SegmentStamp>> {
        let values = self.share(&self.0.values, stamp);
        values.read(|segment| Ok(segment.graphs().to_vec()))
    }

    /// Adds where such arrays lie.
    pub fn add_places(&self, stamp: &SegmentStamp, places: &mut Places) -> Result<()> {
        let values = self.share(&self.0.values, stamp);
        values.read(|segment| {
            let graphs = segment.graphs();
            segment.each_place(&mut |id, graph, row| places.add(graphs[graph], [(id, row)]))
        })
    }

    /// The vectors in a segment, which covers some rows. Reads nothing.
    pub fn vectors(&self, stamp: &SegmentStamp, cover: Cover) -> VectorGraph {
        VectorGraph::stored(cover, self.share(&self.0.vectors, stamp))
    }

    /// The records in a segment of transactions. Reads nothing.
    pub fn transactions(&self, stamp: &SegmentStamp) -> Transactions {
        Transactions::of(self.0.storage.clone(), *stamp)
    }

    fn share<S>(&self, open: &Mutex<Open<Lazy<S>>>, stamp: &SegmentStamp) -> Arc<Lazy<S>> {
        lock(open).share(stamp, || Lazy {
            unpinned: Arc::clone(&self.0.unpinned),
            keeper: self.0.keeper.clone(),
            ..Lazy::of(self.0.storage.clone(), *stamp)
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks guard is changed in one step, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is held by somebody, by stamp.
#[derive(Debug)]
struct Open<S> {
    by_stamp: HashMap<SegmentStamp, Weak<S>>,
    /// How many entries there may be before the dead ones are looked for.
    sweep_at: usize,
}

impl<S> Default for Open<S> {
    fn default() -> Open<S> {
        Open {
            by_stamp: HashMap::new(),
            sweep_at: 64,
        }
    }
}

impl<S> Open<S> {
    fn alive(&self) -> Vec<SegmentStamp> {
        let alive = self.by_stamp.iter();
        alive
            .filter(|(_, shared)| shared.strong_count() > 0)
            .map(|(stamp, _)| *stamp)
            .collect()
    }

    fn shared(&self) -> impl Iterator<Item = Arc<S>> {
        self.by_stamp.values().filter_map(Weak::upgrade)
    }

    fn share(&mut self, stamp: &SegmentStamp, make: impl FnOnce() -> S) -> Arc<S> {
        if let Some(shared) = self.by_stamp.get(stamp).and_then(Weak::upgrade) {
            return shared;
        }
        if self.by_stamp.len() >= self.sweep_at {
            self.by_stamp.retain(|_, shared| shared.strong_count() > 0);
            self.sweep_at = 2 * self.by_stamp.len().max(32);
        }
        let made = Arc::new(make());
        self.by_stamp.insert(*stamp, Arc::downgrade(&made));
        made
    }
}

/// What can be made of a segment.
pub(super) trait Opened: Sized {
    /// Reads as much as it takes to trust the rest when it is read.
    fn open(storage: Arc<dyn Storage>, stamp: SegmentStamp) -> Result<Self>;
}

/// What can be made of a verified file.
pub(super) trait FromFile: Sized {
    fn from_file(file: SegmentReader) -> Result<Self>;
}

impl<S: FromFile> Opened for S {
    fn open(storage: Arc<dyn Storage>, stamp: SegmentStamp) -> Result<S> {
        S::from_file(SegmentReader::verified(storage, stamp)?)
    }
}

/// A segment that is opened on first touch. A failure is not kept: the next touch tries again.
#[derive(Debug)]
pub(super) struct Lazy<S> {
    storage: Arc<dyn Storage>,
    pub(super) stamp: SegmentStamp,
    opened: OnceLock<S>,
    opening: Mutex<()>,
    unpinned: Arc<AtomicBool>,
    keeper: Keeper,
}

impl<S> Lazy<S> {
    pub(super) fn of(storage: Arc<dyn Storage>, stamp: SegmentStamp) -> Lazy<S> {
        Lazy {
            storage,
            stamp,
            opened: OnceLock::new(),
            opening: Mutex::new(()),
            unpinned: Arc::default(),
            keeper: None,
        }
    }

    /// The same segment, opened already.
    fn with(&self, opened: S) -> Lazy<S> {
        Lazy {
            opened: OnceLock::from(opened),
            unpinned: Arc::clone(&self.unpinned),
            keeper: self.keeper.clone(),
            ..Lazy::of(self.storage.clone(), self.stamp)
        }
    }
}

impl<S: Opened> Lazy<S> {
    /// Reads something of the segment; what is missing of an unpinned one has expired.
    pub(super) fn read<'s, T>(&'s self, read: impl FnOnce(&'s S) -> Result<T>) -> Result<T> {
        self.get().and_then(read).map_err(|error| {
            if error.code() != Code::MissingSegment || !self.unpinned.load(Ordering::Relaxed) {
                return error;
            }
            let message = format!(
                "the database value has expired: {} was collected; take a new one",
                self.stamp.name()
            );
            Error::new(Code::SnapshotExpired, message).with("file", self.stamp.name())
        })
    }

    pub(super) fn get(&self) -> Result<&S> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let _guard = lock(&self.opening);
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = S::open(self.storage.clone(), self.stamp)?;
        Ok(self.opened.get_or_init(|| opened))
    }
}

/// A leaf in a segment.
#[derive(Debug)]
struct Leaf {
    segment: Arc<Lazy<RowsSegment>>,
    first: u32,
    chunks: u32,
}

impl StoredLeaf for Leaf {
    fn fences(&self) -> Result<Vec<ChunkFence>> {
        self.segment
            .read(|segment| segment.fences(self.first, self.chunks))
    }

    fn chunk(&self, at: usize) -> Result<Chunk> {
        self.segment
            .read(|segment| segment.chunk(self.first as usize + at))
    }

    fn place(&self) -> LeafPlace {
        LeafPlace {
            segment: self.segment.stamp.digest,
            first: self.first,
            chunks: self.chunks,
        }
    }
}

/// A run of the dictionary in a segment.
#[derive(Debug)]
struct DictionaryRun {
    segment: Arc<Lazy<ValuesSegment>>,
    start: u32,
    len: u32,
}

impl DictionaryRun {
    fn read<'s, T>(&'s self, read: impl FnOnce(&'s ValuesSegment) -> Result<T>) -> Result<T> {
        self.segment.read(|segment| {
            segment.expect_ids(self.start, self.len)?;
            read(segment)
        })
    }
}

impl StoredValues for DictionaryRun {
    fn start(&self) -> u32 {
        self.start
    }

    fn count(&self) -> u32 {
        self.len
    }

    fn value(&self, id: u32) -> Result<&Value> {
        self.read(|segment| segment.value(id))
    }

    fn texts(&self, id: u32) -> Result<&TextPage> {
        self.read(|segment| segment.texts(id))
    }

    fn find(&self, hash: u64, value: &Value) -> Result<Option<u32>> {
        self.read(|segment| segment.find(hash, value))
    }

    fn each_prefix(&self, take: &mut dyn FnMut(HashPrefix)) -> Result<bool> {
        self.read(|segment| segment.each_prefix(&mut *take))
    }

    fn segment(&self) -> Digest {
        self.segment.stamp.digest
    }

    fn apart(&self) -> Result<Arc<dyn StoredValues>> {
        let opened = self.segment.read(|segment| Ok(segment.apart()))?;
        Ok(Arc::new(DictionaryRun {
            segment: Arc::new(self.segment.with(opened)),
            ..*self
        }))
    }

    fn held_bytes(&self) -> usize {
        self.segment
            .opened
            .get()
            .map_or(0, ValuesSegment::held_bytes)
    }
}
