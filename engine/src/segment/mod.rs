//! Segments: immutable files of compressed columns, named by what they hold.
//!
//! A segment is a plain Arrow IPC file whose record batches, compressed with ZSTD, are read one at a
//! time, each checked before Arrow sees it. There are three kinds: rows (the leaves of runs), values
//! (a run of the dictionary) and transactions (an archive of the log). What a reader must know to
//! trust a segment is its [`SegmentStamp`], which a root keeps. Nothing here knows branches, roots or
//! which segments are needed; `docs/format.md` has the bytes.

mod archive;
mod bits;
mod check;
mod codec;
mod columns;
mod dictionary;
mod directory;
mod file;
mod open;
mod rows;
mod stamp;
mod trend;
mod values;
mod vectors;

pub use archive::{ArchivedRecord, Transactions, write_transactions};
pub use check::check;
pub use open::Segments;
pub use rows::SegmentWriter;
pub use stamp::{SegmentKind, SegmentStamp, names};
pub use values::{Places, write_values};
pub use vectors::{ByEntity, Cover, VectorGraph, write_vectors};
