//! Verifies a segment as a whole: every byte, and everything that follows from its bytes alone.

use std::sync::Arc;

use super::archive::Transactions;
use super::dictionary::ValuesSegment;
use super::open::Lazy;
use super::rows::RowsSegment;
use super::stamp::{SegmentKind, SegmentStamp};
use super::vectors;
use crate::error::Result;
use crate::index::Digest;
use crate::store::Storage;

/// Bytes of the file that are hashed at a time.
const READ_BYTES: u64 = 1 << 20;

/// Reads all of a segment and decodes all of it.
///
/// Fails with [`Code::MissingSegment`](crate::Code::MissingSegment) if it is not there, with
/// [`Code::CorruptSegment`](crate::Code::CorruptSegment) where it is not what was written.
pub fn check(storage: &Arc<dyn Storage>, stamp: &SegmentStamp) -> Result<()> {
    check_bytes(storage.as_ref(), stamp)?;
    match stamp.kind {
        SegmentKind::Rows => Lazy::<RowsSegment>::of(storage.clone(), *stamp)
            .get()?
            .check(),
        SegmentKind::Values => Lazy::<ValuesSegment>::of(storage.clone(), *stamp)
            .get()?
            .check(),
        SegmentKind::Vectors => vectors::check(storage, stamp),
        SegmentKind::Transactions => Transactions::of(storage.clone(), *stamp).check(),
    }
}

/// The file is as long as it was and its bytes have the digest that is its name.
fn check_bytes(storage: &dyn Storage, stamp: &SegmentStamp) -> Result<()> {
    let file = stamp.name();
    let size = storage.size(&file)?.ok_or_else(|| stamp.missing())?;
    if size != stamp.bytes {
        return Err(stamp.corrupt(format!("{} bytes", stamp.bytes), size.to_string()));
    }
    let mut hasher = blake3::Hasher::new();
    let mut at = 0;
    while at < size {
        let end = size.min(at + READ_BYTES);
        let bytes = storage
            .read(&file, at..end)?
            .ok_or_else(|| stamp.missing())?;
        if bytes.is_empty() {
            return Err(stamp.corrupt(format!("{size} bytes"), at.to_string()));
        }
        hasher.update(&bytes);
        at += bytes.len() as u64;
    }
    let got = Digest(*hasher.finalize().as_bytes());
    if got == stamp.digest {
        return Ok(());
    }
    Err(stamp.corrupt(format!("digest {}", stamp.digest), got.to_string()))
}
