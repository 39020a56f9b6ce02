//! What a root keeps of a segment: enough to find it and to trust its footer.

use crate::bytes::Cursor;
use crate::error::{Code, Error, Result};
use crate::index::Digest;

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SegmentKind {
    /// Leaves of runs.
    Rows = 1,
    /// A run of the dictionary.
    Values = 2,
    /// Records of the log.
    Transactions = 3,
    /// Vectors and the graph of their neighbours.
    Vectors = 4,
}

impl SegmentKind {
    /// The kind with this number, if there is one.
    pub(super) fn from_number(number: u32) -> Option<SegmentKind> {
        [
            SegmentKind::Rows,
            SegmentKind::Values,
            SegmentKind::Transactions,
            SegmentKind::Vectors,
        ]
        .into_iter()
        .find(|&kind| kind as u32 == number)
    }
}

/// The names that the object of a segment may have, whatever it holds.
pub fn names(digest: Digest) -> [String; 2] {
    [SegmentKind::Rows, SegmentKind::Vectors].map(|kind| name(digest, kind))
}

fn name(digest: Digest, kind: SegmentKind) -> String {
    let hex = digest.to_string();
    let form = match kind {
        SegmentKind::Vectors => "vectors",
        _ => "arrow",
    };
    format!("segment/{}/{hex}.{form}", &hex[..2])
}

/// What proves a segment: nothing of it is believed that does not follow from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentStamp {
    /// The BLAKE3 of the whole file; its name.
    pub digest: Digest,
    /// The length of the file.
    pub bytes: u64,
    /// Where the footer starts, in bytes. Vectors have none: theirs is the first block.
    pub footer_at: u64,
    /// The XXH3-64 of everything from there on; of vectors, of their first block.
    pub footer_sum: u64,
    /// Rows, values or records.
    pub rows: u64,
    /// What it holds.
    pub kind: SegmentKind,
}

/// Digest, four numbers, kind.
const STAMP_BYTES: usize = SegmentStamp::BYTES;
const _: () = assert!(STAMP_BYTES == 32 + 4 * 8 + 1);

impl SegmentStamp {
    /// The name of the segment's object in its store.
    pub fn name(&self) -> String {
        name(self.digest, self.kind)
    }

    /// The length of a stamp's bytes.
    pub const BYTES: usize = 65;

    /// Appends the stamp's bytes: digest, length, footer, its sum, rows, kind.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.digest.0);
        for number in [self.bytes, self.footer_at, self.footer_sum, self.rows] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.push(self.kind as u8);
    }

    /// The next stamp.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<SegmentStamp> {
        let digest = Digest(cursor.array()?);
        let mut number = || Ok(u64::from_le_bytes(cursor.array()?));
        let [bytes, footer_at, footer_sum, rows] = [number()?, number()?, number()?, number()?];
        let kind = SegmentKind::from_number(u32::from(cursor.byte()?));
        Ok(SegmentStamp {
            digest,
            bytes,
            footer_at,
            footer_sum,
            rows,
            kind: kind.ok_or_else(|| {
                Error::new(Code::CorruptSegment, "a segment of no known kind is listed")
            })?,
        })
    }

    /// The error for bytes that are not those that were written.
    pub(super) fn corrupt(&self, expected: impl Into<String>, got: impl Into<String>) -> Error {
        let (file, expected, got) = (self.name(), expected.into(), got.into());
        let message = format!("{file} is damaged: expected {expected}, got {got}");
        Error::new(Code::CorruptSegment, message)
            .with("file", file)
            .with("expected", expected)
            .with("got", got)
    }

    /// The same for bytes that passed their checksum and still cannot be read.
    pub(super) fn unreadable(&self, error: &Error) -> Error {
        self.corrupt("bytes that a writer wrote", error.message())
    }

    /// The error for a file that is not there.
    pub(super) fn missing(&self) -> Error {
        let file = self.name();
        Error::new(Code::MissingSegment, format!("{file} is not there")).with("file", file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_survives_the_trip() {
        let stamp = SegmentStamp {
            digest: Digest::of(b"x"),
            bytes: 1,
            footer_at: u64::MAX,
            footer_sum: 3,
            rows: 4,
            kind: SegmentKind::Values,
        };
        let mut out = Vec::new();
        stamp.put(&mut out);
        assert_eq!(out.len(), SegmentStamp::BYTES);
        assert_eq!(SegmentStamp::read(&mut Cursor::new(&out)).unwrap(), stamp);
        out[STAMP_BYTES - 1] = 9;
        assert!(SegmentStamp::read(&mut Cursor::new(&out)).is_err());
        assert_eq!(
            stamp.name().len(),
            "segment/00/".len() + 64 + ".arrow".len()
        );
    }
}
