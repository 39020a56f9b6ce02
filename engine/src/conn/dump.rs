//! The bytes of a dump: a whole database in one file, transaction by transaction; the table is in
//! `docs/format.md`.
//!
//! A dump is frames, each proven by a digest that continues that of the frame before it: a frame that
//! is changed, lost, doubled or moved is noticed where it stands. The last frame says how many
//! there are. The same database gives the same bytes.

use std::io::{Read, Write};

use uuid::Uuid;

use crate::bytes::{Cursor, put_value, put_varint, read_value};
use crate::error::{Code, Error, Result};
use crate::limits::{DUMP_FRAME_BYTES, EDN_NAME_BYTES, LOG_RECORD_BYTES};
use crate::store::{LogPosition, Origin, RecordView};
use crate::value::{Keyword, Value};

/// What a dump starts with.
const MAGIC: &[u8; 8] = b"datadump";
/// The newest format this build reads, and the one it writes.
const FORMAT: u32 = 1;
/// Kind, bytes, digest.
const FRAME_HEAD_BYTES: usize = 4 + 8 + 32;
const _: () = assert!(FRAME_HEAD_BYTES == size_of::<u32>() + size_of::<u64>() + blake3::OUT_LEN);
/// Longest frame: one record, and what describes it.
const FRAME_BYTES_MAX: u64 = LOG_RECORD_BYTES as u64 + (1 << 20);

const HEAD: u32 = 1;
const LINE: u32 = 2;
const RECORDS: u32 = 3;
const END: u32 = 4;

const REDACTED: u8 = 1;

/// A part of a dump.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Frame {
    /// How the database was created.
    Head(Value),
    /// What follows are the records of a branch.
    Line(Line),
    /// Records, see [`records`].
    Records(Vec<u8>),
    /// Nothing follows.
    End(Totals),
}

/// A branch: the records it has beyond those of an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) branch: Keyword,
    /// The commit of an earlier branch that the first record follows.
    pub(super) from: Origin,
}

/// What a whole dump holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) branches: u64,
    pub(super) records: u64,
}

/// A record as it stands in a dump.
pub(super) struct DumpedRecord<'a> {
    pub(super) t: u64,
    pub(super) epoch: u64,
    pub(super) commit: Uuid,
    pub(super) redacted: bool,
    pub(super) payload: &'a [u8],
}

impl<'a> DumpedRecord<'a> {
    /// The record as it stood in the log, behind a commit.
    pub(super) fn behind(&self, previous: Uuid) -> RecordView<'a> {
        RecordView {
            position: LogPosition::from_bytes(0),
            epoch: self.epoch,
            t: self.t,
            previous,
            commit: self.commit,
            group_end: 0,
            payload: self.payload,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.t);
        put_varint(out, self.epoch);
        out.extend_from_slice(self.commit.as_bytes());
        out.push(if self.redacted { REDACTED } else { 0 });
        put_varint(out, self.payload.len() as u64);
        out.extend_from_slice(self.payload);
    }

    fn read(cursor: &mut Cursor<'a>) -> Result<DumpedRecord<'a>> {
        let (t, epoch) = (cursor.varint()?, cursor.varint()?);
        let commit = Uuid::from_bytes(cursor.array()?);
        let redacted = cursor.byte()? & REDACTED != 0;
        let bytes = cursor.count(1)?;
        Ok(DumpedRecord {
            t,
            epoch,
            commit,
            redacted,
            payload: cursor.take(bytes)?,
        })
    }
}

/// Gives the records of a frame to `visit`.
pub(super) fn records(
    frame: &[u8],
    visit: &mut dyn FnMut(&DumpedRecord<'_>) -> Result<()>,
) -> Result<()> {
    let mut cursor = Cursor::new(frame);
    while cursor.left() > 0 {
        visit(&DumpedRecord::read(&mut cursor)?)?;
    }
    Ok(())
}

/// Writes a dump.
pub(super) struct DumpWriter<'w> {
    out: &'w mut dyn Write,
    digest: [u8; 32],
    /// Records that wait to be written.
    gathered: Vec<u8>,
    totals: Totals,
    bytes: u64,
}

impl<'w> DumpWriter<'w> {
    /// Writes the first frame: how the database was created.
    pub(super) fn begin(out: &'w mut dyn Write, head: &Value) -> Result<DumpWriter<'w>> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        out.write_all(&bytes).map_err(|cause| unwritable(&cause))?;
        let mut writer = DumpWriter {
            out,
            digest: *blake3::hash(&bytes).as_bytes(),
            gathered: Vec::new(),
            totals: Totals::default(),
            bytes: bytes.len() as u64,
        };
        let mut body = Vec::new();
        put_value(&mut body, head)?;
        writer.frame(HEAD, &body)?;
        Ok(writer)
    }

    /// From here on, records are of a branch.
    pub(super) fn line(&mut self, line: &Line) -> Result<()> {
        self.flush()?;
        self.totals.branches += 1;
        let name = line.branch.as_str();
        let mut body = Vec::new();
        put_varint(&mut body, name.len() as u64);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(line.from.commit.as_bytes());
        put_varint(&mut body, line.from.t);
        put_varint(&mut body, line.from.epoch);
        self.frame(LINE, &body)
    }

    pub(super) fn record(&mut self, record: &DumpedRecord<'_>) -> Result<()> {
        self.totals.records += 1;
        record.put(&mut self.gathered);
        match self.gathered.len() >= DUMP_FRAME_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes the last frame; gives what the dump holds and its bytes.
    pub(super) fn end(mut self) -> Result<(Totals, u64)> {
        self.flush()?;
        let mut body = Vec::new();
        put_varint(&mut body, self.totals.branches);
        put_varint(&mut body, self.totals.records);
        self.frame(END, &body)?;
        self.out.flush().map_err(|cause| unwritable(&cause))?;
        Ok((self.totals, self.bytes))
    }

    fn flush(&mut self) -> Result<()> {
        let body = std::mem::take(&mut self.gathered);
        match body.is_empty() {
            true => Ok(()),
            false => self.frame(RECORDS, &body),
        }
    }

    fn frame(&mut self, kind: u32, body: &[u8]) -> Result<()> {
        self.digest = digest_of(&self.digest, kind, body);
        let mut head = Vec::with_capacity(FRAME_HEAD_BYTES);
        head.extend_from_slice(&kind.to_le_bytes());
        head.extend_from_slice(&(body.len() as u64).to_le_bytes());
        head.extend_from_slice(&self.digest);
        self.bytes += (head.len() + body.len()) as u64;
        let written = self.out.write_all(&head);
        let written = written.and_then(|()| self.out.write_all(body));
        written.map_err(|cause| unwritable(&cause))
    }
}

/// Reads a dump frame by frame, each checked before it is given.
pub(super) struct DumpReader<'r> {
    from: &'r mut dyn Read,
    digest: [u8; 32],
    /// Where the next frame starts.
    at: u64,
    ended: bool,
}

impl<'r> DumpReader<'r> {
    /// Reads the very first bytes.
    pub(super) fn begin(from: &'r mut dyn Read) -> Result<DumpReader<'r>> {
        let mut bytes = [0; MAGIC.len() + size_of::<u32>()];
        fill(from, &mut bytes, 0)?;
        let (magic, format) = bytes.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(damaged(0, "it does not start as a dump"));
        }
        let format = u32::from_le_bytes(format.try_into().unwrap_or_default());
        if format > FORMAT {
            let message = format!("the dump has format {format}; this build reads up to {FORMAT}");
            return Err(Error::new(Code::FormatVersion, message));
        }
        Ok(DumpReader {
            from,
            digest: *blake3::hash(&bytes).as_bytes(),
            at: bytes.len() as u64,
            ended: false,
        })
    }

    /// Bytes read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Stands for everything read so far.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The next frame; none behind the last.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>> {
        let at = self.at;
        if self.ended {
            let mut more = [0];
            let read = self.from.read(&mut more);
            return match read.map_err(|cause| unreadable(&cause))? {
                0 => Ok(None),
                _ => Err(damaged(at, "bytes follow its last frame")),
            };
        }
        let mut head = [0; FRAME_HEAD_BYTES];
        fill(self.from, &mut head, at)?;
        let mut cursor = Cursor::new(&head);
        let kind = u32::from_le_bytes(cursor.array()?);
        let bytes = u64::from_le_bytes(cursor.array()?);
        let digest: [u8; 32] = cursor.array()?;
        if !(HEAD..=END).contains(&kind) || bytes > FRAME_BYTES_MAX {
            return Err(damaged(at, "a frame of it is none"));
        }
        // Grows with what is there, whatever the length says.
        let mut body = Vec::new();
        let read = self.from.take(bytes).read_to_end(&mut body);
        read.map_err(|cause| unreadable(&cause))?;
        if (body.len() as u64) < bytes {
            return Err(cut(at + (FRAME_HEAD_BYTES + body.len()) as u64));
        }
        if digest_of(&self.digest, kind, &body) != digest {
            return Err(damaged(at, "a frame of it does not match its checksum"));
        }
        self.digest = digest;
        self.at += FRAME_HEAD_BYTES as u64 + bytes;
        self.ended = kind == END;
        let frame = decode(kind, body);
        frame
            .map(Some)
            .map_err(|error| damaged(at, error.message()))
    }
}

fn decode(kind: u32, body: Vec<u8>) -> Result<Frame> {
    let mut cursor = Cursor::new(&body);
    let frame = match kind {
        RECORDS => return Ok(Frame::Records(body)),
        HEAD => Frame::Head(read_value(&mut cursor)?),
        LINE => {
            let bytes = cursor.count(1)?;
            let name = std::str::from_utf8(cursor.take(bytes)?).ok();
            let name = name.filter(|name| !name.is_empty() && name.len() <= EDN_NAME_BYTES);
            let name =
                name.ok_or_else(|| Error::new(Code::Import, "a branch has no name that one has"))?;
            Frame::Line(Line {
                branch: Keyword::new(name),
                from: Origin {
                    commit: Uuid::from_bytes(cursor.array()?),
                    t: cursor.varint()?,
                    epoch: cursor.varint()?,
                },
            })
        }
        _ => Frame::End(Totals {
            branches: cursor.varint()?,
            records: cursor.varint()?,
        }),
    };
    match cursor.left() {
        0 => Ok(frame),
        _ => Err(Error::new(Code::Import, "a frame of it is too long")),
    }
}

fn digest_of(previous: &[u8; 32], kind: u32, body: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher.update(&kind.to_le_bytes());
    hasher.update(body);
    *hasher.finalize().as_bytes()
}

fn fill(from: &mut dyn Read, bytes: &mut [u8], at: u64) -> Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => return Err(cut(at + filled as u64)),
            Ok(read) => filled += read,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(unreadable(&cause)),
        }
    }
    Ok(())
}

/// The error for a dump that is not what was written.
pub(super) fn damaged(at: u64, how: &str) -> Error {
    let message = format!("the dump is damaged at byte {at}: {how}");
    Error::new(Code::Import, message).with("offset", i64::try_from(at).unwrap_or(i64::MAX))
}

fn cut(at: u64) -> Error {
    damaged(at, "it ends there, before its last frame does")
}

fn unreadable(cause: &std::io::Error) -> Error {
    Error::new(Code::Storage, format!("the dump cannot be read: {cause}"))
}

fn unwritable(cause: &std::io::Error) -> Error {
    let code = match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::StorageFull,
        _ => Code::Storage,
    };
    Error::new(code, format!("the dump cannot be written: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = DumpWriter::begin(&mut bytes, &Value::keyword("head")).unwrap();
        for (n, name) in ["db", "side"].into_iter().enumerate() {
            let from = Origin {
                commit: Uuid::from_u128(n as u128),
                t: n as u64,
                epoch: 1,
            };
            let branch = Keyword::new(name);
            writer.line(&Line { branch, from }).unwrap();
            for t in 1..4 {
                let record = DumpedRecord {
                    t,
                    epoch: 1,
                    commit: Uuid::from_u128(u128::from(t)),
                    redacted: t == 2,
                    payload: &[7; 200],
                };
                writer.record(&record).unwrap();
            }
        }
        let (totals, count) = writer.end().unwrap();
        assert_eq!((totals.branches, totals.records), (2, 6));
        assert_eq!(count, bytes.len() as u64);
        bytes
    }

    fn read(mut bytes: &[u8]) -> Result<Vec<Frame>> {
        let mut reader = DumpReader::begin(&mut bytes)?;
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn frames_come_back_and_no_damage_goes_unseen() {
        let bytes = dump();
        assert_eq!(bytes, dump());
        let frames = read(&bytes).unwrap();
        assert_eq!(frames.len(), 6);
        let Frame::Records(body) = &frames[2] else {
            panic!("{:?}", frames[2])
        };
        let mut seen = Vec::new();
        let mut look = |record: &DumpedRecord<'_>| {
            seen.push((record.t, record.redacted, record.payload.len()));
            Ok(())
        };
        records(body, &mut look).unwrap();
        assert_eq!(seen, [(1, false, 200), (2, true, 200), (3, false, 200)]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            let error = read(&changed).unwrap_err();
            assert!(
                matches!(error.code(), Code::Import | Code::FormatVersion),
                "{at}"
            );
            let error = read(&bytes[..at]).unwrap_err();
            assert!(
                error.message().contains(&format!("at byte {at}")),
                "{error}"
            );
        }
        assert!(read(&[bytes.as_slice(), b"x"].concat()).is_err());
    }
}
