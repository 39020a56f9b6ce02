//! Sorted immutable columns: how datoms lie in memory.
//!
//! Values become fixed-width [`Cell`]s; what does not fit 64 bits is interned in a [`Dictionary`].
//! The rows of one attribute form [`Run`]s, sorted by entity or by value and cut into
//! [`Leaf`]s of immutable [`Chunk`]s that successive runs share, in memory or in segments. Nothing here knows schema, views or queries.

mod aside;
mod attribute;
mod cell;
mod chunk;
mod column;
mod dictionary;
mod differ;
mod leaf;
mod merge;
mod pass;
mod run;
mod sample;
mod sieve;
mod stored;

pub use aside::{array_of, floats_of, ids_of, kept_aside, name_of, set_aside};
pub use attribute::{AttributeIndex, Change};
pub use cell::{Cell, Kind};
pub use chunk::{Chunk, Extra, Row};
pub use column::{Column, ColumnBuilder, Kinds};
pub use dictionary::{Dictionary, Interner, is_same_value};
pub use differ::{Holder, Shared, Translation};
pub use leaf::Leaf;
pub use pass::Pass;
pub use run::{Entities, Position, Run, SortOrder};
pub use sample::Sample;
pub use sieve::HashPrefix;
pub use stored::{ChunkFence, Digest, LeafPlace, StoredLeaf, StoredValues, TextPage};
