//! Appending to a log: groups of records, laid out, written and synced; the seal that ends it.

use super::lease::WriterLease;
use super::log::{Log, State};
use super::record::{
    Appended, BODY_BYTES, RECORD_HEADER_BYTES, RecordHeader, SEAL, SECTOR_BYTES, Tip, commit_id,
    header_place, position, sector_print,
};
use super::storage::Put;
use crate::error::{Code, Error, Result};
use crate::limits::{LOG_GROUP_BYTES, LOG_RECORD_BYTES};
use crate::value::Value;

/// One record to append.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its place in history, above that of the record before it.
    pub t: u64,
    /// What to keep.
    pub payload: &'a [u8],
}

impl Log {
    /// Appends records as one group: one write, one sync, all acknowledged or none.
    ///
    /// Each error says in `:db/outcome` what became of the group: `:not-committed` or `:unknown`.
    /// [`Code::Fenced`]: others appended since; catch up first. After `:unknown` this handle appends
    /// no more: open the log again, which tells.
    pub fn append_group(
        &mut self,
        lease: &WriterLease,
        entries: &[Entry<'_>],
    ) -> Result<Vec<Appended>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        assert!(
            entries
                .iter()
                .all(|entry| entry.payload.first() != Some(&SEAL)),
            "what starts like a seal is none of a caller's payloads"
        );
        let ready = self.check_writable(lease).and_then(|()| self.check_fence());
        let group = ready
            .and_then(|()| self.encode(entries))
            .map_err(not_committed)?;
        self.write(&group.bytes)?;
        // A group whose sync failed stays where it is: the next writer settles it.
        self.storage.sync(&self.name).map_err(|e| self.poison(e))?;
        self.settled = true;
        self.epoch = Some(group.tip.epoch);
        self.tip = group.tip;
        Ok(group.appended)
    }

    /// Closes the log for ever, after its last record: who opens it or goes on from an earlier end
    /// sees that it continues elsewhere. Leaves the tip where it is.
    pub fn seal(&mut self, lease: &WriterLease) -> Result<()> {
        if self.is_sealed() {
            return Ok(());
        }
        let t = self.tip.t.saturating_add(1);
        let payload = &[SEAL];
        let ready = self.check_writable(lease).and_then(|()| self.check_fence());
        let group = ready.and_then(|()| self.encode(&[Entry { t, payload }]))?;
        self.write(&group.bytes)?;
        self.storage.sync(&self.name).map_err(|e| self.poison(e))?;
        self.state = State::Sealed;
        Ok(())
    }

    /// Appends bytes at the tip, or takes back what it wrote of them.
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.storage.append(&self.name, self.tip.end, bytes);
        let cause = match written {
            Ok(Put::Refused) => return Err(not_committed(self.fenced())),
            Ok(Put::Done) => match self.storage.size(&self.name) {
                // Longer where locks keep nobody out and another has appended since.
                Ok(Some(size)) if size >= self.tip.end + bytes.len() as u64 => return Ok(()),
                Ok(_) => Error::new(Code::Storage, format!("append to {} fell short", self.name)),
                Err(e) => e,
            },
            Err(e) => e,
        };
        // Safe under the lease: the fence was checked, so all beyond the tip is ours. Where a lease
        // keeps nobody out, a store takes nothing back.
        let taken_back = self.storage.truncate(&self.name, self.tip.end);
        match taken_back.and_then(|()| self.storage.sync(&self.name)) {
            Ok(()) => Err(not_committed(cause)),
            Err(_) => Err(self.poison(cause)),
        }
    }

    fn poison(&mut self, cause: Error) -> Error {
        self.state = State::Poisoned;
        cause.with("db/outcome", Value::keyword("unknown"))
    }

    fn check_writable(&self, lease: &WriterLease) -> Result<()> {
        self.check_lease(lease)?;
        match self.is_sealed() {
            true => Err(self.fenced()),
            false => Ok(()),
        }
    }

    fn check_fence(&self) -> Result<()> {
        match self.check_tip()? == self.tip.end {
            true => Ok(()),
            false => Err(self.fenced()),
        }
    }

    /// Lays out a group after the tip.
    fn encode(&self, entries: &[Entry<'_>]) -> Result<Group> {
        // A writer that finds the epoch of another at the end takes the next one.
        let own = self.epoch.filter(|epoch| *epoch == self.tip.epoch);
        let epoch = own.unwrap_or(self.tip.epoch.saturating_add(1));
        let first = self.tip.end / SECTOR_BYTES as u64;
        let (headers, sectors) = self.headers(entries, epoch)?;

        let mut body = Vec::with_capacity(sectors as usize * BODY_BYTES);
        let mut appended = Vec::with_capacity(entries.len());
        let mut id = blake3::Hasher::new();
        for (entry, header) in entries.iter().zip(&headers) {
            body.resize(header_place(body.len()), 0);
            let place = position(first, body.len());
            appended.push(Appended {
                position: place,
                commit: header.commit,
            });
            let header = RecordHeader { sectors, ..*header }.encode();
            id.update(&header);
            body.extend_from_slice(&header);
            body.extend_from_slice(entry.payload);
        }
        let mut group = [0; 8];
        id.finalize_xof().fill(&mut group);

        let mut bytes = Vec::with_capacity(sectors as usize * SECTOR_BYTES);
        self.framer
            .frame(first, u64::from_le_bytes(group), &body, &mut bytes);
        let last = headers.last().expect("a group has entries");
        let tip = Tip {
            end: self.tip.end + bytes.len() as u64,
            t: last.t,
            epoch,
            commit: last.commit,
            last_sector: sector_print(&bytes[bytes.len() - SECTOR_BYTES..]),
        };
        Ok(Group {
            bytes,
            appended,
            tip,
        })
    }

    /// The headers of a group, their count of sectors still open, and that count.
    fn headers(&self, entries: &[Entry<'_>], epoch: u64) -> Result<(Vec<RecordHeader>, u32)> {
        let (mut previous, mut t, mut body_bytes) = (self.tip.commit, self.tip.t, 0_usize);
        let mut headers = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            assert!(
                entry.t > t,
                "the t of a record is above that of the one before it"
            );
            let bytes = entry.payload.len();
            body_bytes = header_place(body_bytes) + RECORD_HEADER_BYTES + bytes;
            if bytes > LOG_RECORD_BYTES || body_bytes > LOG_GROUP_BYTES {
                let message = format!(
                    "a group of records of the log holds at most {LOG_GROUP_BYTES} bytes, one record {LOG_RECORD_BYTES}"
                );
                return Err(Error::new(Code::Limit, message).with("limit", "log-record-bytes"));
            }
            let commit = commit_id(previous, entry.t, entry.payload);
            headers.push(RecordHeader {
                records_left: (entries.len() - index) as u32,
                sectors: 0,
                payload_bytes: bytes as u64,
                epoch,
                t: entry.t,
                previous,
                commit,
            });
            (previous, t) = (commit, entry.t);
        }
        Ok((headers, body_bytes.div_ceil(BODY_BYTES) as u32))
    }
}

/// A group that is laid out but not written.
struct Group {
    bytes: Vec<u8>,
    appended: Vec<Appended>,
    tip: Tip,
}

fn not_committed(error: Error) -> Error {
    error.with("db/outcome", Value::keyword("not-committed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::store::{MemoryStorage, OnDamage, RecordView, Start, Storage};

    #[test]
    fn a_sealed_log_takes_nothing_more() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let mut log = Log::create(Arc::clone(&storage), "log/a", Default::default()).unwrap();
        let mut stale = Log::open_at_end(Arc::clone(&storage), "log/a").unwrap();
        let lease = log.lease(0).unwrap();
        let entry = |t| crate::store::Entry { t, payload: b"x" };
        log.append_group(&lease, &[entry(1), entry(2)]).unwrap();
        let tip = log.tip();
        log.seal(&lease).unwrap();
        log.seal(&lease).unwrap();
        assert_eq!((log.tip(), log.is_sealed()), (tip, true));
        for log in [&mut log, &mut stale] {
            assert_eq!(
                log.append_group(&lease, &[entry(3)]).unwrap_err().code(),
                Code::Fenced
            );
        }
        let again = Log::open_at_end(Arc::clone(&storage), "log/a").unwrap();
        assert_eq!((again.tip(), again.is_sealed()), (tip, true));
        // Records behind a seal are none.
        let bytes = storage.read("log/a", 0..u64::MAX).unwrap().unwrap();
        storage
            .append("log/a", bytes.len() as u64, &bytes[512..1024])
            .unwrap();
        assert_eq!(
            Log::open_at_end(storage, "log/a").unwrap_err().code(),
            Code::CorruptLog
        );
    }

    #[test]
    fn records_from_a_t_on_are_found_without_reading_all() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        let mut log = Log::create(Arc::clone(&storage), "log/a", Default::default()).unwrap();
        let lease = log.lease(0).unwrap();
        let long = vec![b'x'; 3000];
        let mut t = 0;
        for group in 1..=20_usize {
            let entries: Vec<Entry<'_>> = (0..group % 4 + 1)
                .map(|n| Entry {
                    t: t + 1 + n as u64,
                    payload: &long[..group * (n + 1) * 30 % 3000],
                })
                .collect();
            t += entries.len() as u64;
            log.append_group(&lease, &entries).unwrap();
        }
        for from_t in 0..=t + 2 {
            let tip = Log::tip_before(&*storage, "log/a", from_t).unwrap();
            let mut ts = Vec::new();
            let start = tip.map_or(Start::First, Start::After);
            let visit = &mut |record: RecordView<'_>| {
                ts.push(record.t);
                Ok(())
            };
            let storage = Arc::clone(&storage);
            Log::open(storage, "log/a", start, OnDamage::Refuse, visit).unwrap();
            let first = ts.first().copied().unwrap_or(t + 1);
            assert!(
                first <= from_t.max(1) && first + 8 > from_t.min(t),
                "{from_t}: {ts:?}"
            );
        }
    }
}
