//! Nearest neighbours among rows of `f32`: graphs in immutable segments, and the exact search beside them.
//!
//! Knows rows, keys and distances, no datoms, and does no IO but to read models of texts: [`build`] makes the bytes of a segment of rows,
//! [`Segment::open`] reads bytes where they lie, mapped or not. The graph is that of HNSW (Malkov & Yashunin 2018),
//! inserted in batches as in ParlayANN (Manohar et al. 2024), so that threads do not change it.
//!
//! ```
//! use std::ops::ControlFlow;
//! use datalith_vector::{Ask, Distance, Parameters, Scratch, Segment, build};
//!
//! let rows = [0.0, 0.0, 3.0, 4.0, 1.0, 0.0];
//! let keys = [[10, 0], [11, 0], [12, 0]];
//! let parameters = Parameters::of(2, Distance::Euclidean);
//! let bytes = build(&rows, &keys, &parameters, &|_| ControlFlow::Continue(()))?;
//! let segment = Segment::open(bytes)?;
//! let found = segment.search(&[1.0, 1.0], &Ask::nearest(1), &mut Scratch::default())?;
//! assert_eq!(segment.key(found[0].row)?, [12, 0]);
//! assert_eq!(found[0].distance, 1.0);
//! # Ok::<(), datalith_vector::Error>(())
//! ```

mod ask;
mod bitmap;
mod build;
mod codes;
mod distance;
#[cfg(feature = "embed")]
pub mod embed;
mod error;
mod filter;
mod format;
mod links;
mod measure;
mod scratch;
mod search;
mod segment;
mod simd;
mod sums;
mod walk;

pub use ask::{Ask, DIM_MAX, Encoding, Key, Neighbour, Parameters, ROWS_MAX, Row};
pub use bitmap::Bitmap;
pub use build::build;
#[cfg(feature = "hnsw-rs")]
pub use build::build_by_hnsw_rs;
pub use distance::{Distance, nearest};
pub use error::{Error, Result};
pub use scratch::Scratch;
pub use segment::Segment;
