//! Columnar files, a batch at a time: Parquet, and Arrow's files and streams.
//!
//! In: a file. Out: record batches, and the other way round; what holds at most one batch of a file at a
//! time. What a file says of lengths is believed only as far as the file is long, and a panic within a
//! decoder is an error of the file. Tables of scripts and the command line's `import` and `export` read and
//! write through this one door.

mod guard;
mod ipc;
mod read;
mod write;

pub use guard::guarded;
pub use read::{Batches, Layout};
pub use write::{Compression, Writer};

/// What a field's metadata calls the kind of its values, where Arrow has no type for it: `keyword`,
/// `edn`, or the name of a `:db.type`.
pub const KIND: &str = "datalith.kind";
