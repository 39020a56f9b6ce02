//! Rows to the bytes of a segment.
//!
//! The order of insertion is drawn from the seed; batches of it search the graph as it stood before the batch, then
//! all links of the batch are made (Manohar et al. 2024, "prefix doubling"). Threads share the work of a batch and
//! change nothing about it.

#[cfg(feature = "hnsw-rs")]
mod by_hnsw_rs;
mod connect;
mod draft;
mod freeze;
mod layer;
mod order;
mod pack;
mod select;

use std::ops::ControlFlow;

use crate::ask::{Key, Parameters, ROWS_MAX};
use crate::error::{Error, Result};
#[cfg(feature = "hnsw-rs")]
pub use by_hnsw_rs::build_by_hnsw_rs;
use draft::Draft;
use order::Order;

/// Builds the graph of rows and gives the bytes of their segment.
///
/// - `rows`: `[rows × dim]`, row-major; `keys`: one for each.
/// - Runs in the rayon pool that it is called in; the bytes are the same whatever its threads.
/// - `watch`: asked between batches with the number of rows inserted; `Break` ends with [`Error::Cancelled`].
/// - Cost: O(rows · log rows · ef_construction · dim); memory for the rows once more and the bytes.
/// - Fails with [`Error::Parameter`], [`Error::Dimension`], [`Error::Keys`], [`Error::TooManyRows`],
///   [`Error::NotFinite`].
pub fn build(
    rows: &[f32],
    keys: &[Key],
    parameters: &Parameters,
    watch: &(dyn Fn(usize) -> ControlFlow<()> + Sync),
) -> Result<Vec<u8>> {
    check(rows, keys, parameters)?;
    let order = Order::drawn(rows, parameters);
    let count = order.inserted().len();
    let mut draft = Draft::of_rows(rows, parameters, &order);
    let mut inserted = 0;
    while inserted < count {
        if watch(inserted).is_break() {
            return Err(Error::Cancelled);
        }
        inserted = draft.insert_batch(inserted);
    }
    draft.finish(&order);
    freeze::freeze(rows, keys, parameters, &order, &draft)
}

fn check(rows: &[f32], keys: &[Key], parameters: &Parameters) -> Result<()> {
    parameters.check()?;
    let dim = parameters.dim;
    if keys.len() > ROWS_MAX {
        return Err(Error::TooManyRows {
            rows: keys.len(),
            most: ROWS_MAX,
        });
    }
    if !rows.len().is_multiple_of(dim) {
        return Err(Error::Dimension {
            expected: dim,
            found: rows.len() % dim,
        });
    }
    if rows.len() / dim != keys.len() {
        return Err(Error::Keys {
            rows: rows.len() / dim,
            keys: keys.len(),
        });
    }
    match rows.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(Error::NotFinite {
            row: at / dim,
            column: at % dim,
        }),
        None => Ok(()),
    }
}
