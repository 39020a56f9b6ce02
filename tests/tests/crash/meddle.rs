//! Stores with one thing broken, as if the database had forgotten a step: the crash points must
//! notice each.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use datalith_engine::Result;
use datalith_engine::store::{HeldLock, LockAttempt, Locks, Put, SimStorage, Storage, WriterLock};

use super::pass_on::pass_on;

/// Bytes of a sector of a log, and where in it the checksum and what is checked stand.
const SECTOR: u64 = 512;
const SUM: Range<usize> = 0..4;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    /// Segments and roots are written after the ref that names them.
    HeadFirst,
    /// An append does not care whether others appended since.
    NoFence,
    /// A bit of a text in a log flips, and no checksum tells.
    NoChecksum,
    /// Locks keep nobody out, and pins are not seen: everything unmarked is garbage at once.
    NoPins,
}

/// A simulated store with something broken.
#[derive(Debug)]
pub(super) struct Meddled {
    inner: Arc<SimStorage>,
    mutation: Mutation,
    held_back: Mutex<Vec<(String, Vec<u8>)>>,
}

impl Meddled {
    pub(super) fn with(mutation: Mutation, inner: Arc<SimStorage>) -> Arc<dyn Storage> {
        Arc::new(Meddled {
            inner,
            mutation,
            held_back: Mutex::default(),
        })
    }

    /// The bytes of an object that was not written yet.
    fn held_back(&self, name: &str) -> Option<Vec<u8>> {
        let held_back = self
            .held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = held_back.iter().find(|(other, _)| other == name);
        found.map(|(_, bytes)| bytes.clone())
    }

    /// A log as it would be read if nothing were checked: one letter in it is another.
    fn flipped(&self, name: &str, range: Range<u64>, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        let whole = SECTOR as usize;
        let Some(header) = self
            .inner
            .read(name, 0..SECTOR)?
            .filter(|h| h.len() == whole)
        else {
            return Ok(bytes);
        };
        let first = range.start.div_ceil(SECTOR).max(1);
        for number in first.. {
            let at = (number * SECTOR).saturating_sub(range.start) as usize;
            let Some(sector) = bytes.get_mut(at..at + whole) else {
                return Ok(bytes);
            };
            let Some(letter) = sector[16..]
                .windows(7)
                .position(|seven| seven == b"xxxxxxx")
            else {
                continue;
            };
            sector[16 + letter] ^= 1;
            let mut sum = crc32fast::Hasher::new();
            sum.update(&header[16..32]);
            sum.update(&number.to_le_bytes());
            sum.update(&sector[SUM.end..]);
            sector[SUM].copy_from_slice(&sum.finalize().to_le_bytes());
        }
        Ok(bytes)
    }
}

impl Storage for Meddled {
    pass_on!();

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Put> {
        let named = name.starts_with("segment/") || name.starts_with("root/");
        if self.mutation == Mutation::HeadFirst && named {
            let mut held_back = self
                .held_back
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            held_back.push((name.to_owned(), bytes.to_vec()));
            return Ok(Put::Done);
        }
        self.inner.create(name, bytes)
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.held_back(name) {
            let end = (range.end as usize).min(bytes.len());
            return Ok(Some(bytes[(range.start as usize).min(end)..end].to_vec()));
        }
        let read = self.inner.read(name, range.clone())?;
        match (self.mutation, read) {
            (Mutation::NoChecksum, Some(bytes)) if name.starts_with("log/") => {
                self.flipped(name, range, bytes).map(Some)
            }
            (_, read) => Ok(read),
        }
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.held_back(name) {
            Some(bytes) => Ok(Some(bytes.len() as u64)),
            None => self.inner.size(name),
        }
    }

    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put> {
        match self.mutation {
            Mutation::NoFence => {
                let end = self.inner.size(name)?.unwrap_or(at);
                self.inner.append(name, end, bytes)
            }
            _ => self.inner.append(name, at, bytes),
        }
    }

    fn swap_ref(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<Put> {
        let put = self.inner.swap_ref(name, expected, bytes)?;
        let mut held_back = self
            .held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (name, bytes) in std::mem::take(&mut *held_back) {
            self.inner.create(&name, &bytes)?;
        }
        Ok(put)
    }

    fn try_lock(&self, name: &str, holder: &str) -> Result<LockAttempt> {
        match self.mutation {
            Mutation::NoPins => Ok(LockAttempt::Taken(Box::new(Nothing))),
            _ => self.inner.try_lock(name, holder),
        }
    }

    fn held(&self, prefix: &str) -> Result<Vec<HeldLock>> {
        match self.mutation {
            Mutation::NoPins => Ok(Vec::new()),
            _ => self.inner.held(prefix),
        }
    }

    fn locks(&self) -> Locks {
        match self.mutation {
            Mutation::NoPins => Locks::Exclude,
            _ => self.inner.locks(),
        }
    }
}

/// A lock that locks nothing.
#[derive(Debug)]
struct Nothing;

impl WriterLock for Nothing {}
