//! What callers say and hear: parameters of a segment, rows and keys, questions and answers.

use crate::bitmap::Bitmap;
use crate::distance::Distance;
use crate::error::{Error, Result};

/// Most numbers of a row: sums of products of their codes fit in 32 bits.
pub const DIM_MAX: usize = 65_000;
/// Most rows of a segment: a row and a mark fit in 32 bits.
pub const ROWS_MAX: usize = (1 << 31) - 2;
/// Most neighbours of a row in an upper layer.
const M_MAX: usize = 512;

/// How rows are stored for the walk through the graph. Answers are exact distances to the rows as given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As given: nothing is stored twice.
    F32,
    /// As given, the upper halves of all numbers of a row apart from the lower: they are numbers of 16 bits
    /// (bfloat16, cut off), and nothing is stored twice.
    Bf16,
    /// Beside the rows as given, numbers of 16 bits.
    F16,
    /// Beside the rows as given, numbers of 8 bits with a factor for each row.
    Int8,
}

/// How a segment is built. Part of it: [`Segment::parameters`](crate::Segment::parameters) tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// Numbers of a row, at most [`DIM_MAX`].
    pub dim: usize,
    /// What is near.
    pub distance: Distance,
    /// How rows are stored for the walk.
    pub encoding: Encoding,
    /// Most neighbours of a row in an upper layer; in the lowest, twice as many.
    pub m: usize,
    /// Candidates that an insertion keeps.
    pub ef_construction: usize,
    /// What levels and the order of insertion are drawn from.
    pub seed: u64,
}

impl Parameters {
    /// The usual parameters: `m` 16, `ef_construction` 200, rows in halves.
    pub fn of(dim: usize, distance: Distance) -> Parameters {
        Parameters {
            dim,
            distance,
            encoding: Encoding::Bf16,
            m: 16,
            ef_construction: 200,
            seed: 0,
        }
    }

    /// Fails where a bound is not kept.
    pub(crate) fn check(&self) -> Result<()> {
        let bounds = [
            ("dim", self.dim, DIM_MAX),
            ("m", self.m, M_MAX),
            ("ef_construction", self.ef_construction, 1 << 20),
        ];
        for (name, value, most) in bounds {
            if value == 0 || value > most {
                return Err(Error::Parameter { name, value, most });
            }
        }
        Ok(())
    }
}

/// What the caller knows a row by; opaque here.
pub type Key = [u64; 2];

/// The number of a row within its segment, `0..len`. Not the caller's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(pub u32);

/// A row and its distance to the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Which row.
    pub row: Row,
    /// How far it is.
    pub distance: f32,
}

impl Neighbour {
    /// Nearer first, ties by row.
    pub(crate) fn order(&self, other: &Neighbour) -> std::cmp::Ordering {
        let apart = self.distance.total_cmp(&other.distance);
        apart.then(self.row.cmp(&other.row))
    }
}

/// What a search is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// How many rows to answer, if there are as many.
    pub k: usize,
    /// Candidates that the walk keeps, at least `k`: more find more of the nearest and take longer.
    pub ef: usize,
    /// Which rows may be answered; all where absent.
    pub filter: Option<&'a Bitmap>,
}

impl Ask<'_> {
    /// The `k` nearest of all rows, with an `ef` that finds nearly all of them.
    pub fn nearest(k: usize) -> Ask<'static> {
        Ask {
            k,
            ef: k.saturating_mul(2).max(64),
            filter: None,
        }
    }
}
