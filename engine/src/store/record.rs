//! The bytes of a log: sectors that prove themselves, groups that are whole or absent, records.
//!
//! The layout is drawn in `docs/format.md`. A log is a run of 512-byte sectors. The first describes
//! the log; each later one starts with a checksum over its content, its number and the log's id, its
//! index in its group and the id of that group. A group is what one append writes, padded to whole
//! sectors, so no durable sector is ever written again and each sector of a torn group can be told
//! from a damaged one without the others. Inside a group stand records: header, payload.

use uuid::Uuid;

use super::storage::Storage;
use crate::error::{Code, Error, Result};

/// The newest format that this build reads, and the one it writes.
pub const FORMAT_VERSION: u32 = 1;

/// The unit a disk writes whole or not at all.
pub(super) const SECTOR_BYTES: usize = 512;
/// Checksum `u32`, index in the group `u32`, group id `u64`.
pub(super) const SECTOR_HEADER_BYTES: usize = 16;
/// What a sector carries.
pub(super) const BODY_BYTES: usize = SECTOR_BYTES - SECTOR_HEADER_BYTES;
/// Magic, records left, sectors, reserved, payload length, epoch, t, previous commit, commit.
pub(super) const RECORD_HEADER_BYTES: usize = 72;
/// What a log starts with.
const LOG_MAGIC: [u8; 8] = *b"datalith";
/// What a record starts with.
const RECORD_MAGIC: [u8; 4] = *b"RECD";

/// What the payload of a seal is, and no other payload starts with.
pub(super) const SEAL: u8 = 0xFF;

/// Where the checksum of a log's first sector stands.
const FIRST_SECTOR_SUM: usize = SECTOR_BYTES - 4;
/// Where the fields of a log's first sector end and its reserved zeros begin.
const FIRST_SECTOR_FIELDS: usize = 8 + 4 + 4 + 16 + 16 + 8 + 8;

const _: () = assert!(FIRST_SECTOR_FIELDS == 64 && FIRST_SECTOR_FIELDS < FIRST_SECTOR_SUM);
const _: () = assert!(SECTOR_HEADER_BYTES == 4 + 4 + 8 && BODY_BYTES == 496);
const _: () = assert!(RECORD_HEADER_BYTES == 4 + 4 + 4 + 4 + 8 + 8 + 8 + 16 + 16);
const _: () = assert!(RECORD_HEADER_BYTES <= BODY_BYTES);

/// Where a record starts in its log, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(u64);

impl LogPosition {
    /// A position that was stored as a number.
    pub fn from_bytes(offset_bytes: u64) -> LogPosition {
        LogPosition(offset_bytes)
    }

    /// The distance from the start of the log, in bytes.
    pub fn offset_bytes(self) -> u64 {
        self.0
    }
}

/// One record as it is read; the payload lives until the next one.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    /// Where it stands.
    pub position: LogPosition,
    /// The writer that wrote it; never falls along the log.
    pub epoch: u64,
    /// Its place in history; rises along the log.
    pub t: u64,
    /// The commit before it.
    pub previous: Uuid,
    /// What it is called.
    pub commit: Uuid,
    /// Where its group ends, in bytes from the start of the log.
    pub group_end: u64,
    /// What the writer gave.
    pub payload: &'a [u8],
}

impl RecordView<'_> {
    /// The tip of a log that ends with this record, for [`Log::read_between`](super::Log::read_between).
    pub fn tip(&self) -> Tip {
        Tip {
            end: self.group_end,
            t: self.t,
            epoch: self.epoch,
            commit: self.commit,
            last_sector: 0,
        }
    }

    /// Whether the commit id is that of this content: a check far stronger than the checksums.
    pub fn is_genuine(&self) -> bool {
        commit_id(self.previous, self.t, self.payload) == self.commit
    }
}

/// Where one record of a group went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where it stands.
    pub position: LogPosition,
    /// What it is called.
    pub commit: Uuid,
}

/// The end of a log as somebody saw it; store it to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Bytes up to the end of the last whole group.
    pub end: u64,
    /// The last record's t.
    pub t: u64,
    /// The last record's epoch.
    pub epoch: u64,
    /// The last record's commit id.
    pub commit: Uuid,
    /// A checksum of the last sector.
    pub last_sector: u32,
}

/// Names a commit by what it follows and what it holds: BLAKE3, cut to a version-8 UUID.
pub fn commit_id(previous: Uuid, t: u64, payload: &[u8]) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes());
    hasher.update(&t.to_le_bytes());
    hasher.update(payload);
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The first sector of a log: what the log is and what it continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogHeader {
    /// Enters every checksum, so that sectors of another log do not verify here.
    pub(super) log: Uuid,
    pub(super) commit: Uuid,
    pub(super) t: u64,
    pub(super) epoch: u64,
}

impl LogHeader {
    pub(super) fn encode(&self) -> [u8; SECTOR_BYTES] {
        let mut sector = [0; SECTOR_BYTES];
        let mut rest = &mut sector[..];
        put(&mut rest, &LOG_MAGIC);
        put(&mut rest, &FORMAT_VERSION.to_le_bytes());
        put(&mut rest, &(SECTOR_BYTES as u32).to_le_bytes());
        put(&mut rest, self.log.as_bytes());
        put(&mut rest, self.commit.as_bytes());
        put(&mut rest, &self.t.to_le_bytes());
        put(&mut rest, &self.epoch.to_le_bytes());
        let sum = crc32fast::hash(&sector[..FIRST_SECTOR_SUM]);
        sector[FIRST_SECTOR_SUM..].copy_from_slice(&sum.to_le_bytes());
        sector
    }

    /// Reads the first sector of a log; fails with [`Code::DbDoesNotExist`] if there is no such log.
    pub(super) fn load(storage: &dyn Storage, name: &str) -> Result<LogHeader> {
        let first = storage.read(name, 0..SECTOR_BYTES as u64)?.ok_or_else(|| {
            let message = format!("the log {name} does not exist");
            Error::new(Code::DbDoesNotExist, message)
        })?;
        LogHeader::decode(&first).map_err(|e| e.with("offset", 0_usize))
    }

    /// Reads the first sector; fails with [`Code::FormatVersion`] if a newer build wrote it.
    pub(super) fn decode(sector: &[u8]) -> Result<LogHeader> {
        let damaged = |what| Error::new(Code::CorruptLog, format!("the log's first sector {what}"));
        let sector: &[u8; SECTOR_BYTES] = sector
            .try_into()
            .map_err(|_| damaged("is not there in full"))?;
        let mut rest = &sector[..];
        if take::<8>(&mut rest) != LOG_MAGIC {
            return Err(damaged("is not that of a log"));
        }
        let sum = u32::from_le_bytes(take(&mut &sector[FIRST_SECTOR_SUM..]));
        if crc32fast::hash(&sector[..FIRST_SECTOR_SUM]) != sum {
            return Err(damaged("does not match its checksum"));
        }
        let version = u32::from_le_bytes(take(&mut rest));
        if version > FORMAT_VERSION {
            let message = format!(
                "the log has format {version}; this build reads formats up to {FORMAT_VERSION}"
            );
            return Err(Error::new(Code::FormatVersion, message));
        }
        if version == 0 || u32::from_le_bytes(take(&mut rest)) as usize != SECTOR_BYTES {
            return Err(damaged("names a layout that never was"));
        }
        Ok(LogHeader {
            log: Uuid::from_bytes(take(&mut rest)),
            commit: Uuid::from_bytes(take(&mut rest)),
            t: u64::from_le_bytes(take(&mut rest)),
            epoch: u64::from_le_bytes(take(&mut rest)),
        })
    }

    /// The tip of a log without records.
    pub(super) fn tip(&self) -> Tip {
        Tip {
            end: SECTOR_BYTES as u64,
            t: self.t,
            epoch: self.epoch,
            commit: self.commit,
            last_sector: sector_print(&self.encode()),
        }
    }
}

/// Tells one last sector from another. Leaves out the end, where a first sector has its checksum:
/// the checksum of bytes that end with their checksum is a constant.
pub(super) fn sector_print(sector: &[u8]) -> u32 {
    crc32fast::hash(&sector[..FIRST_SECTOR_SUM])
}

/// What makes and checks the checksums of one log.
#[derive(Clone, Debug)]
pub(super) struct Framer(crc32fast::Hasher);

/// A sector that verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sector<'a> {
    pub(super) index: u32,
    pub(super) group: u64,
    pub(super) body: &'a [u8],
}

impl Framer {
    pub(super) fn new(log: Uuid) -> Framer {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(log.as_bytes());
        Framer(hasher)
    }

    fn sum(&self, number: u64, content: &[u8]) -> u32 {
        let mut hasher = self.0.clone();
        hasher.update(&number.to_le_bytes());
        hasher.update(content);
        hasher.finalize()
    }

    /// The parts of sector `number` of the log, if its 512 bytes are the ones that were written.
    pub(super) fn open<'a>(&self, number: u64, sector: &'a [u8]) -> Option<Sector<'a>> {
        let mut rest = sector;
        let sum = u32::from_le_bytes(take(&mut rest));
        if self.sum(number, rest) != sum {
            return None;
        }
        let index = u32::from_le_bytes(take(&mut rest));
        let group = u64::from_le_bytes(take(&mut rest));
        Some(Sector {
            index,
            group,
            body: rest,
        })
    }

    /// Cuts the body of a group into sectors, appended to `out`.
    pub(super) fn frame(&self, first: u64, group: u64, body: &[u8], out: &mut Vec<u8>) {
        let mut sector = [0; SECTOR_BYTES];
        for (index, part) in body.chunks(BODY_BYTES).enumerate() {
            sector[4..8].copy_from_slice(&(index as u32).to_le_bytes());
            sector[8..SECTOR_HEADER_BYTES].copy_from_slice(&group.to_le_bytes());
            sector[SECTOR_HEADER_BYTES..][..part.len()].copy_from_slice(part);
            sector[SECTOR_HEADER_BYTES + part.len()..].fill(0);
            let sum = self.sum(first + index as u64, &sector[4..]);
            sector[..4].copy_from_slice(&sum.to_le_bytes());
            out.extend_from_slice(&sector);
        }
    }
}

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// Records of the group from this one on.
    pub(super) records_left: u32,
    /// Sectors of the group.
    pub(super) sectors: u32,
    pub(super) payload_bytes: u64,
    pub(super) epoch: u64,
    pub(super) t: u64,
    pub(super) previous: Uuid,
    pub(super) commit: Uuid,
}

impl RecordHeader {
    pub(super) fn encode(&self) -> [u8; RECORD_HEADER_BYTES] {
        let mut bytes = [0; RECORD_HEADER_BYTES];
        let mut rest = &mut bytes[..];
        put(&mut rest, &RECORD_MAGIC);
        put(&mut rest, &self.records_left.to_le_bytes());
        put(&mut rest, &self.sectors.to_le_bytes());
        put(&mut rest, &[0; 4]);
        put(&mut rest, &self.payload_bytes.to_le_bytes());
        put(&mut rest, &self.epoch.to_le_bytes());
        put(&mut rest, &self.t.to_le_bytes());
        put(&mut rest, self.previous.as_bytes());
        put(&mut rest, self.commit.as_bytes());
        bytes
    }

    /// Reads a header that starts at the first byte; none if no header can start here.
    pub(super) fn decode(bytes: &[u8]) -> Option<RecordHeader> {
        let mut rest = bytes.get(..RECORD_HEADER_BYTES)?;
        if take::<4>(&mut rest) != RECORD_MAGIC {
            return None;
        }
        let records_left = u32::from_le_bytes(take(&mut rest));
        let sectors = u32::from_le_bytes(take(&mut rest));
        if take::<4>(&mut rest) != [0; 4] || records_left == 0 || sectors == 0 {
            return None;
        }
        Some(RecordHeader {
            records_left,
            sectors,
            payload_bytes: u64::from_le_bytes(take(&mut rest)),
            epoch: u64::from_le_bytes(take(&mut rest)),
            t: u64::from_le_bytes(take(&mut rest)),
            previous: Uuid::from_bytes(take(&mut rest)),
            commit: Uuid::from_bytes(take(&mut rest)),
        })
    }
}

/// Where a record header goes in a group's body if `at` bytes stand before it: a header never
/// straddles two sectors.
pub(super) fn header_place(at: usize) -> usize {
    match BODY_BYTES - at % BODY_BYTES {
        left if left < RECORD_HEADER_BYTES => at + left,
        _ => at,
    }
}

/// The position of byte `at` of the body of the group that starts at sector `first`.
pub(super) fn position(first: u64, at: usize) -> LogPosition {
    let sector = first + (at / BODY_BYTES) as u64;
    LogPosition(sector * SECTOR_BYTES as u64 + (SECTOR_HEADER_BYTES + at % BODY_BYTES) as u64)
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (place, after) = std::mem::take(rest).split_at_mut(bytes.len());
    place.copy_from_slice(bytes);
    *rest = after;
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, after) = rest
        .split_first_chunk()
        .expect("the caller holds a whole header");
    *rest = after;
    *taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        let (log, commit) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let header = LogHeader {
            log,
            commit,
            t: 9,
            epoch: 10,
        };
        assert_eq!(LogHeader::decode(&header.encode()).unwrap(), header);
        let record = RecordHeader {
            records_left: 1,
            sectors: 2,
            payload_bytes: 3,
            epoch: 4,
            t: 5,
            previous: log,
            commit,
        };
        assert_eq!(RecordHeader::decode(&record.encode()), Some(record));
    }

    #[test]
    fn newer_format_is_told_from_damage() {
        let mut sector = LogHeader {
            log: Uuid::nil(),
            commit: Uuid::nil(),
            t: 0,
            epoch: 0,
        }
        .encode();
        sector[8] = 2;
        assert_eq!(
            LogHeader::decode(&sector).unwrap_err().code(),
            Code::CorruptLog
        );
        let sum = crc32fast::hash(&sector[..FIRST_SECTOR_SUM]);
        sector[FIRST_SECTOR_SUM..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(
            LogHeader::decode(&sector).unwrap_err().code(),
            Code::FormatVersion
        );
        assert_eq!(
            LogHeader::decode(&sector[..511]).unwrap_err().code(),
            Code::CorruptLog
        );
    }

    #[test]
    fn a_header_never_straddles_sectors() {
        for at in 0..3 * BODY_BYTES {
            let place = header_place(at);
            assert!(place >= at && place - at < RECORD_HEADER_BYTES);
            assert!(
                place % BODY_BYTES + RECORD_HEADER_BYTES <= BODY_BYTES,
                "{at}"
            );
        }
    }

    #[test]
    fn a_sector_verifies_in_its_place_only() {
        let framer = Framer::new(Uuid::from_u128(1));
        let mut bytes = Vec::new();
        framer.frame(5, 77, &[3; BODY_BYTES + 1], &mut bytes);
        assert_eq!(bytes.len(), 2 * SECTOR_BYTES);
        let second = &bytes[SECTOR_BYTES..];
        let sector = framer.open(6, second).unwrap();
        assert_eq!(
            (sector.index, sector.group, sector.body[0], sector.body[1]),
            (1, 77, 3, 0)
        );
        assert!(framer.open(5, second).is_none());
        assert!(Framer::new(Uuid::from_u128(2)).open(6, second).is_none());
    }
}
