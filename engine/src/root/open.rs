//! From a root to a database value; no segment is read.

use std::sync::Arc;

use super::{AttributePart, LeafPart, Root, name};
use crate::datom::{AttrId, TxId};
use crate::db::{Db, Options};
use crate::error::{Code, Error, Result};
use crate::index::{
    AttributeIndex, Dictionary, Digest, Extra, Leaf, Run, Sample, SortOrder, StoredValues,
};
use crate::limits::ROOT_BYTES;
use crate::schema::Schema;
use crate::segment::Segments;
use crate::store::Storage;
use crate::transact;

/// A root and the database value it describes.
#[derive(Clone)]
pub struct Opened {
    /// The root.
    pub root: Arc<Root>,
    /// Its database value.
    pub db: Db,
}

/// Reads a root and checks it.
///
/// Errors: [`Code::MissingSegment`], [`Code::CorruptSegment`], [`Code::FormatVersion`].
pub fn load(storage: &dyn Storage, digest: Digest) -> Result<Root> {
    let file = name(digest);
    let bytes = storage.read(&file, 0..ROOT_BYTES)?.ok_or_else(|| {
        Error::new(Code::MissingSegment, format!("{file} is not there")).with("file", file.clone())
    })?;
    let got = Digest::of(&bytes);
    if got != digest {
        let message = format!("{file} is damaged: its bytes are those of {got}");
        return Err(Error::new(Code::CorruptSegment, message)
            .with("file", file)
            .with("expected", digest.to_string())
            .with("got", got.to_string()));
    }
    Root::decode(&bytes).map_err(|error| match error.code() {
        Code::FormatVersion => error,
        _ => Error::new(
            Code::CorruptSegment,
            format!("{file} cannot be read: {error}"),
        )
        .with("file", file),
    })
}

/// The database value of a root.
///
/// Cost: one read and O(attributes + leaves); segments are read when they are first touched.
pub fn open(
    storage: &dyn Storage,
    segments: &Segments,
    digest: Digest,
    options: &Options,
) -> Result<Opened> {
    restore(Arc::new(load(storage, digest)?), segments, options)
}

/// The database value of a root that was read; nothing else is read.
pub fn restore(root: Arc<Root>, segments: &Segments, options: &Options) -> Result<Opened> {
    let parts = root.dictionary.iter();
    let parts: Vec<Arc<dyn StoredValues>> = parts
        .map(|part| segments.values(&part.stamp, part.start, part.len))
        .collect();
    let origin = transact::create(options.clone());
    let schema = Schema::restore(origin.schema(), &root.schema)?;
    let attributes = root.attributes.iter();
    let attributes = attributes.map(|part| (AttrId(part.id), index(part, &root, segments)));
    let db = Db::restore(
        Arc::clone(origin.options()),
        Arc::new(schema),
        Dictionary::of_stored(&parts),
        attributes,
        (root.max_eid, TxId(root.max_tx)),
        (root.t > 0).then_some(root.commit),
    );
    let graphs = root.graphs.iter();
    let graphs = graphs.map(|part| Arc::new(segments.vectors(&part.stamp, part.cover)));
    let db = db.with_graphs(graphs.collect());
    Ok(Opened { root, db })
}

fn index(part: &AttributePart, root: &Root, segments: &Segments) -> AttributeIndex {
    let empty = Vec::new();
    let run = |at: usize, order, extra| {
        let leaves = part.runs.get(at).unwrap_or(&empty).iter();
        let leaves = leaves.map(|leaf| Arc::new(stored_leaf(leaf, root, segments)));
        Run::from_leaves(order, extra, leaves.collect())
    };
    let both = |at: usize, order| {
        (
            run(at, order, Extra::Nothing),
            run(at + 1, order, Extra::End),
        )
    };
    let by_value = (part.runs.len() > 2).then(|| both(2, SortOrder::ByValue));
    let sample = part.sample.as_ref();
    AttributeIndex::of(
        both(0, SortOrder::ByEntity),
        by_value,
        sample.map(|sample| Sample::of(sample.rows, sample.entities, sample.values.clone())),
    )
}

/// A leaf of a root, nothing of it read.
pub(super) fn stored_leaf(leaf: &LeafPart, root: &Root, segments: &Segments) -> Leaf {
    let stamp = &root.segments[leaf.segment as usize];
    let stored = segments.leaf(stamp, leaf.first, leaf.chunks);
    Leaf::stored(leaf.rows as usize, (leaf.e, leaf.v), stored)
}
