//! Reads a log: whole groups one after the other, then a verdict on what stands at the end.

use super::record::{
    BODY_BYTES, Framer, LogPosition, RECORD_HEADER_BYTES, RecordHeader, RecordView, SEAL,
    SECTOR_BYTES, SECTOR_HEADER_BYTES, Sector, Tip, header_place, position, sector_print,
};
use super::storage::Storage;
use crate::error::{Code, Error, Result};
use crate::limits::{LOG_READ_BYTES, LOG_RECORD_BYTES};
use crate::value::Value;

/// What a scan gives each record to.
pub(super) type Visit<'v> = &'v mut dyn FnMut(RecordView<'_>) -> Result<()>;

/// One sector as it was found.
enum Found<'a> {
    /// As it was written.
    Whole(Sector<'a>),
    /// Never written: zeros, or the log ends before the sector does.
    Blank,
    /// Written, and not what was written.
    Damaged,
}

/// The sectors of one log up to a length that was fixed at the start.
pub(super) struct Sectors<'s> {
    storage: &'s dyn Storage,
    name: &'s str,
    framer: &'s Framer,
    end: u64,
    chunk: Vec<u8>,
    /// How much is read at a time.
    chunk_bytes: u64,
    chunk_at: u64,
}

impl<'s> Sectors<'s> {
    pub(super) fn new(
        storage: &'s dyn Storage,
        name: &'s str,
        framer: &'s Framer,
        end: u64,
    ) -> Self {
        Sectors {
            storage,
            name,
            framer,
            end,
            chunk: Vec::new(),
            chunk_bytes: LOG_READ_BYTES as u64,
            chunk_at: 0,
        }
    }

    /// The same, for looks at sectors far from one another.
    pub(super) fn scattered(self) -> Self {
        Sectors {
            chunk_bytes: 4 * SECTOR_BYTES as u64,
            ..self
        }
    }

    /// The 512 bytes of a sector; fewer where the log ends.
    fn bytes(&mut self, number: u64) -> Result<&[u8]> {
        let at = number.saturating_mul(SECTOR_BYTES as u64);
        let sector_end = at.saturating_add(SECTOR_BYTES as u64).min(self.end);
        let chunk_end = self.chunk_at + self.chunk.len() as u64;
        if at < self.chunk_at || sector_end > chunk_end {
            let range = at..at.saturating_add(self.chunk_bytes).min(self.end);
            self.chunk = self.storage.read(self.name, range)?.unwrap_or_default();
            self.chunk_at = at;
        }
        let start = (at - self.chunk_at) as usize;
        Ok(self
            .chunk
            .get(start..)
            .map_or(&[], |rest| &rest[..rest.len().min(SECTOR_BYTES)]))
    }

    /// How many sectors of its group stand before a whole sector; 0 for the log's first.
    pub(super) fn index_in_group(&mut self, number: u64) -> Result<u64> {
        match self.sector(number)? {
            Found::Whole(sector) if number > 0 => Ok(u64::from(sector.index).min(number - 1)),
            _ => Ok(0),
        }
    }

    fn sector(&mut self, number: u64) -> Result<Found<'_>> {
        let framer = self.framer;
        let bytes = self.bytes(number)?;
        if bytes.len() < SECTOR_BYTES {
            return Ok(Found::Blank);
        }
        Ok(match framer.open(number, bytes) {
            Some(sector) => Found::Whole(sector),
            None if bytes.iter().all(|byte| *byte == 0) => Found::Blank,
            None => Found::Damaged,
        })
    }
}

/// Gives every record after `tip` to `visit` and moves `tip` behind the last whole group.
///
/// Returns the bytes of a torn group at the end. Fails with [`Code::CorruptLog`] if anything there
/// is neither a whole group nor the remains of one that was never finished.
///
/// A seal moves no tip and is given to nobody; nothing whole may follow it.
pub(super) fn scan(sectors: &mut Sectors<'_>, tip: &mut Tip, visit: Visit<'_>) -> Result<Scanned> {
    let mut body = Vec::new();
    let mut scanned = Scanned::default();
    let mut end = tip.end;
    while end < sectors.end {
        let first = end / SECTOR_BYTES as u64;
        if !read_group(sectors, first, &mut body)? {
            scanned.torn_bytes = torn_bytes(sectors, first)?;
            return Ok(scanned);
        }
        if scanned.sealed {
            return Err(corrupt(first, "holds records behind the log's seal"));
        }
        let count = (body.len() / BODY_BYTES) as u64;
        end = (first + count) * SECTOR_BYTES as u64;
        let mut after = *tip;
        if is_seal(&body) {
            visit_group(&body, first, &mut after, &mut |_| Ok(()))?;
            scanned.sealed = true;
            continue;
        }
        scanned.records += visit_group(&body, first, &mut after, visit)?;
        after.end = end;
        after.last_sector = sector_print(sectors.bytes(first + count - 1)?);
        *tip = after;
    }
    Ok(scanned)
}

/// What a scan came by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) records: u64,
    pub(super) torn_bytes: u64,
    /// Whether the log is closed for ever.
    pub(super) sealed: bool,
}

/// The tip behind the last whole group of records, found from the end; none if the first sector
/// comes before any, or what stands at the end takes a reading of the whole log to judge.
pub(super) fn last_group(sectors: &mut Sectors<'_>) -> Result<Option<Tip>> {
    let mut body = Vec::new();
    let mut number = (sectors.end / SECTOR_BYTES as u64).saturating_sub(1);
    while number > 0 {
        let first = match sectors.sector(number)? {
            Found::Whole(sector) => number.saturating_sub(u64::from(sector.index)),
            Found::Blank => {
                number -= 1;
                continue;
            }
            Found::Damaged => return Ok(None),
        };
        if first == 0 {
            return Ok(None);
        }
        let whole = read_group(sectors, first, &mut body)?;
        let count = (body.len() / BODY_BYTES) as u64;
        if whole && first + count == number + 1 && !is_seal(&body) {
            return tip_of_group(sectors, &body, first).map(Some);
        }
        number = first - 1;
    }
    Ok(None)
}

/// The tip before a group that starts before `t` and is the last such one: all records from `t` on
/// come after it. None is the start of the log. Cost: O(log groups).
pub(super) fn tip_before(sectors: &mut Sectors<'_>, t: u64) -> Result<Option<Tip>> {
    let (mut low, mut high) = (1, sectors.end / SECTOR_BYTES as u64);
    let mut last = 1;
    while low < high {
        let middle = low + (high - low) / 2;
        let Found::Whole(sector) = sectors.sector(middle)? else {
            // Never written, or damaged: who reads from an earlier place finds out.
            high = middle;
            continue;
        };
        let start = middle.saturating_sub(u64::from(sector.index));
        let Found::Whole(first) = sectors.sector(start)? else {
            return Ok(None);
        };
        match RecordHeader::decode(first.body) {
            Some(header) if header.t < t => {
                last = start;
                low = start
                    .saturating_add(u64::from(header.sectors))
                    .max(middle + 1);
            }
            Some(_) => high = start,
            None => return Ok(None),
        }
    }
    if last <= 1 {
        return Ok(None);
    }
    let start = last - 1 - sectors.index_in_group(last - 1)?;
    let mut body = Vec::new();
    match read_group(sectors, start, &mut body)? && start > 0 && !is_seal(&body) {
        true => tip_of_group(sectors, &body, start).map(Some),
        false => Ok(None),
    }
}

fn tip_of_group(sectors: &mut Sectors<'_>, body: &[u8], first: u64) -> Result<Tip> {
    let header = RecordHeader::decode(body);
    let header = header.ok_or_else(|| corrupt(first, "holds no record where one must start"))?;
    let last = first + (body.len() / BODY_BYTES) as u64 - 1;
    let mut tip = Tip {
        end: (last + 1) * SECTOR_BYTES as u64,
        t: header.t.saturating_sub(1),
        epoch: header.epoch,
        commit: header.previous,
        last_sector: sector_print(sectors.bytes(last)?),
    };
    visit_group(body, first, &mut tip, &mut |_| Ok(()))?;
    Ok(tip)
}

/// Whether the body of a group is that of a seal.
fn is_seal(body: &[u8]) -> bool {
    let header = RecordHeader::decode(body).filter(|header| header.records_left == 1);
    header.is_some_and(|header| payload_of(body, 0, &header) == Some(&[SEAL]))
}

/// Reads the body of the group at `first`; false if it is not there as a whole.
fn read_group(sectors: &mut Sectors<'_>, first: u64, body: &mut Vec<u8>) -> Result<bool> {
    body.clear();
    let Found::Whole(sector) = sectors.sector(first)? else {
        return Ok(false);
    };
    if sector.index != 0 {
        return Ok(false);
    }
    let group = sector.group;
    let Some(header) = RecordHeader::decode(sector.body) else {
        return Err(corrupt(first, "holds no record where one must start"));
    };
    body.extend_from_slice(sector.body);
    for index in 1..header.sectors {
        match sectors.sector(first + u64::from(index))? {
            Found::Whole(sector) if sector.group == group && sector.index == index => {
                body.extend_from_slice(sector.body);
            }
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Judges what stands from sector `first` to the end, which is no whole group.
///
/// Torn, and counted, only if every sector is blank or verifies as part of a group that starts at
/// `first`, or of an attempt that the group before took the place of. A sector with one wrong bit,
/// or of a later group, is damage.
fn torn_bytes(sectors: &mut Sectors<'_>, first: u64) -> Result<u64> {
    let last = first - 1;
    let replaced = last - sectors.index_in_group(last)?;
    for number in first..sectors.end.div_ceil(SECTOR_BYTES as u64) {
        match sectors.sector(number)? {
            Found::Blank => {}
            Found::Whole(sector) => {
                let start = number.saturating_sub(u64::from(sector.index));
                if start != first && start != replaced {
                    return Err(corrupt(first, "is damaged, and records follow it"));
                }
            }
            Found::Damaged => return Err(corrupt(number, "does not match its checksum")),
        }
    }
    Ok(sectors.end - first * SECTOR_BYTES as u64)
}

/// Gives the records of a whole group to `visit`; moves the t, epoch and commit of `tip`.
fn visit_group(body: &[u8], first: u64, tip: &mut Tip, visit: Visit<'_>) -> Result<u64> {
    let wrong = |at: usize, what| corrupt(first + (at / BODY_BYTES) as u64, what);
    let (mut at, mut records) = (0, 0);
    loop {
        at = header_place(at);
        let header = body.get(at..).and_then(RecordHeader::decode);
        let header = header.ok_or_else(|| wrong(at, "holds no record where one must start"))?;
        let payload =
            payload_of(body, at, &header).ok_or_else(|| wrong(at, "cuts a record short"))?;
        if header.previous != tip.commit || header.t <= tip.t || header.epoch < tip.epoch {
            return Err(wrong(
                at,
                "holds a record that does not follow the one before it",
            ));
        }
        visit(RecordView {
            position: position(first, at),
            epoch: header.epoch,
            t: header.t,
            previous: header.previous,
            commit: header.commit,
            group_end: first * SECTOR_BYTES as u64
                + body.len() as u64 / BODY_BYTES as u64 * SECTOR_BYTES as u64,
            payload,
        })?;
        (tip.t, tip.epoch, tip.commit) = (header.t, header.epoch, header.commit);
        records += 1;
        at += RECORD_HEADER_BYTES + payload.len();
        if header.records_left == 1 {
            return Ok(records);
        }
    }
}

fn payload_of<'b>(body: &'b [u8], at: usize, header: &RecordHeader) -> Option<&'b [u8]> {
    let bytes = usize::try_from(header.payload_bytes)
        .ok()
        .filter(|n| *n <= LOG_RECORD_BYTES)?;
    body.get(at + RECORD_HEADER_BYTES..)?.get(..bytes)
}

/// Reads the one record at a position that an append or a scan gave.
pub(super) fn read_record(
    sectors: &mut Sectors<'_>,
    place: LogPosition,
    visit: Visit<'_>,
) -> Result<()> {
    let number = place.offset_bytes() / SECTOR_BYTES as u64;
    let inside = (place.offset_bytes() % SECTOR_BYTES as u64) as usize;
    let nothing = || corrupt(number, "holds no record at the position asked for");
    let Found::Whole(sector) = sectors.sector(number)? else {
        return Err(nothing());
    };
    let (group, index) = (sector.group, sector.index);
    let start = inside
        .checked_sub(SECTOR_HEADER_BYTES)
        .ok_or_else(nothing)?;
    let mut body = sector.body.get(start..).unwrap_or_default().to_vec();
    let header = RecordHeader::decode(&body).ok_or_else(nothing)?;
    let mut next = 1;
    while payload_of(&body, 0, &header).is_none() {
        match sectors.sector(number + next)? {
            Found::Whole(s)
                if s.group == group && u64::from(s.index) == u64::from(index) + next =>
            {
                body.extend_from_slice(s.body);
            }
            _ => return Err(corrupt(number + next, "cuts a record short")),
        }
        next += 1;
    }
    let payload = payload_of(&body, 0, &header).unwrap_or_default();
    visit(RecordView {
        position: place,
        epoch: header.epoch,
        t: header.t,
        previous: header.previous,
        commit: header.commit,
        group_end: (number.saturating_sub(u64::from(index)) + u64::from(header.sectors))
            * SECTOR_BYTES as u64,
        payload,
    })
}

/// The error for a sector that is not what was written.
pub(super) fn corrupt(sector: u64, what: &str) -> Error {
    let offset = sector * SECTOR_BYTES as u64;
    Error::new(
        Code::CorruptLog,
        format!("the log is damaged: the sector at byte {offset} {what}"),
    )
    .with(
        "offset",
        Value::Long(i64::try_from(offset).unwrap_or(i64::MAX)),
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::MemoryStorage;
    use crate::store::record::LogHeader;

    /// What a group says that verifies and yet makes no sense; the log after it.
    fn verdict(change: fn(&mut RecordHeader), body_bytes: usize) -> Error {
        let nil = Uuid::nil();
        let header = LogHeader {
            log: nil,
            commit: nil,
            t: 0,
            epoch: 0,
        };
        let mut record = RecordHeader {
            records_left: 1,
            sectors: 1,
            payload_bytes: 4,
            epoch: 1,
            t: 1,
            previous: nil,
            commit: nil,
        };
        change(&mut record);
        let mut body = record.encode().to_vec();
        body.resize(body_bytes, 0);
        let framer = Framer::new(nil);
        let mut bytes = header.encode().to_vec();
        framer.frame(1, 1, &body, &mut bytes);
        let storage = MemoryStorage::default();
        storage.create("log", &bytes).unwrap();
        let mut sectors = Sectors::new(&storage, "log", &framer, bytes.len() as u64);
        let mut visit = |_: RecordView<'_>| Ok(());
        match scan(&mut sectors, &mut header.tip(), &mut visit) {
            Ok(scanned) => panic!("{scanned:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn lies_that_verify_are_refused() {
        let full = BODY_BYTES;
        let errors = [
            verdict(|r| r.payload_bytes = u64::MAX, full),
            verdict(|r| r.payload_bytes = BODY_BYTES as u64, full),
            verdict(|r| r.records_left = u32::MAX, full),
            verdict(|r| r.t = 0, full),
            verdict(|r| r.previous = Uuid::from_u128(1), full),
            verdict(|r| r.records_left = 0, full),
        ];
        for error in errors {
            assert_eq!(error.code(), Code::CorruptLog, "{error}");
        }
    }

    #[test]
    fn group_that_claims_more_sectors_than_there_are_is_torn() {
        let nil = Uuid::nil();
        let header = LogHeader {
            log: nil,
            commit: nil,
            t: 0,
            epoch: 0,
        };
        let record = RecordHeader {
            records_left: 1,
            sectors: u32::MAX,
            payload_bytes: u64::MAX,
            epoch: 1,
            t: 1,
            previous: nil,
            commit: nil,
        };
        let framer = Framer::new(nil);
        let mut bytes = header.encode().to_vec();
        framer.frame(1, 1, &record.encode(), &mut bytes);
        let storage = MemoryStorage::default();
        storage.create("log", &bytes).unwrap();
        let mut sectors = Sectors::new(&storage, "log", &framer, 1024);
        let scanned = scan(&mut sectors, &mut header.tip(), &mut |_| Ok(())).unwrap();
        assert_eq!(
            scanned,
            Scanned {
                torn_bytes: 512,
                ..Scanned::default()
            }
        );
    }
}
