//! The two images of a simulated store, its plan of faults, and the seed that decides.

use std::collections::BTreeMap;

use super::fault::{Fault, Times, failed};
use crate::error::{Code, Result};
use crate::store::record::SECTOR_BYTES;

/// How many operations later a delayed put arrives, at most.
const DELAY_OPERATIONS_MAX: u64 = 8;

/// What is behind a simulated store.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// What is durable, by name; unused where every put is.
    pub(super) durable: BTreeMap<String, Vec<u8>>,
    /// What changed since its last sync, in order, with names in the order of their first change: a
    /// seed decides alike whatever the names are.
    pub(super) unsynced: Vec<(String, Vec<Change>)>,
    /// Puts whose callers were told that they failed, and which may still arrive.
    pub(super) late: Vec<Late>,
    pub(super) faults: Vec<(u64, Times, Fault)>,
    pub(super) operations: u64,
    pub(super) random: u64,
    pub(super) cut: bool,
    pub(super) syncs_ignored: bool,
    /// The clock of the store, and when what was changed by it.
    pub(super) now_ms: u64,
    pub(super) changed_ms: BTreeMap<String, u64>,
}

/// A change in place that no sync has made durable.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { size: usize },
}

/// A put on its way.
#[derive(Clone, Debug)]
pub(super) struct Late {
    /// The operation before which it arrives.
    pub(super) due: u64,
    pub(super) name: String,
    pub(super) put: LatePut,
    pub(super) bytes: Vec<u8>,
}

/// The condition of a put on its way.
#[derive(Clone, Debug)]
pub(super) enum LatePut {
    Append { at: u64 },
    Swap { expected: Option<Vec<u8>> },
}

impl Disk {
    /// Counts an operation and gives the fault that strikes it.
    pub(super) fn begin(&mut self, operation: &str, name: &str) -> Result<Option<Fault>> {
        let number = self.operations;
        self.operations += 1;
        if self.cut {
            return Err(failed(Code::Storage, operation, name));
        }
        let strikes = |(at, times, _): &&(u64, Times, Fault)| {
            *at == number || (*times == Times::Forever && *at < number)
        };
        let fault = self.faults.iter().find(strikes).map(|(_, _, fault)| *fault);
        self.cut = fault == Some(Fault::PowerCut);
        self.now_ms += 1;
        Ok(fault)
    }

    /// Notes that an object changed now.
    pub(super) fn touch(&mut self, name: &str) {
        self.changed_ms.insert(name.to_owned(), self.now_ms);
    }

    /// Sends a put off that arrives later.
    pub(super) fn delay(&mut self, name: &str, put: LatePut, bytes: &[u8]) {
        let due = self.operations + 1 + self.roll() % DELAY_OPERATIONS_MAX;
        let (name, bytes) = (name.to_owned(), bytes.to_vec());
        self.late.push(Late {
            due,
            name,
            put,
            bytes,
        });
    }

    /// The delayed puts that arrive before the next operation.
    pub(super) fn arriving(&mut self) -> Vec<Late> {
        let now = self.operations;
        self.late.extract_if(.., |late| late.due <= now).collect()
    }

    /// Which delayed puts a crash of their sender leaves on their way: some are lost, some arrive
    /// at once, some later.
    pub(super) fn late_after_crash(&mut self) -> Vec<Late> {
        let mut left = Vec::new();
        for mut late in std::mem::take(&mut self.late) {
            late.due = match self.roll() % 3 {
                0 => continue,
                1 => 0,
                _ => self.roll() % DELAY_OPERATIONS_MAX,
            };
            left.push(late);
        }
        left
    }

    /// The next number of the seed's sequence (splitmix64).
    pub(super) fn roll(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.roll() & 1 == 0
    }

    /// What a power cut leaves of an object: its length as after some of the changes, of each
    /// sector written the new bytes or the old.
    pub(super) fn remains(&mut self, name: &str, changes: &[Change]) -> Vec<u8> {
        let mut bytes = self.durable.get(name).cloned().unwrap_or_default();
        let mut size = bytes.len();
        let settled = self.roll() as usize % (changes.len() + 1);
        // Sometimes all sectors share one fate, as they mostly do in life.
        let fate = self.roll() % 4;
        for (index, change) in changes.iter().enumerate() {
            match change {
                Change::Truncate { size: to } if index < settled => {
                    bytes.truncate(*to);
                    size = size.min(*to);
                }
                Change::Truncate { .. } => {}
                Change::Write { at, bytes: new } => {
                    let end = at + new.len();
                    bytes.resize(bytes.len().max(end), 0);
                    let mut from = *at;
                    while from < end {
                        let to = ((from / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
                        let kept = if fate < 2 { fate == 0 } else { self.coin() };
                        if kept {
                            bytes[from..to].copy_from_slice(&new[from - at..to - at]);
                        }
                        from = to;
                    }
                    if index < settled {
                        size = size.max(end);
                    }
                }
            }
        }
        bytes.resize(size, 0);
        bytes
    }

    /// Notes a change that no sync has made durable.
    pub(super) fn note(&mut self, name: &str, change: Change) {
        match self.unsynced.iter_mut().find(|(other, _)| other == name) {
            Some((_, changes)) => changes.push(change),
            None => self.unsynced.push((name.to_owned(), vec![change])),
        }
    }

    /// Takes away what changed in an object since its last sync.
    pub(super) fn forget(&mut self, name: &str) -> Vec<Change> {
        let at = self.unsynced.iter().position(|(other, _)| other == name);
        at.map(|at| self.unsynced.remove(at).1).unwrap_or_default()
    }

    /// Makes durable what changed since the last sync, and no more than that.
    pub(super) fn settle(&mut self, name: &str) {
        let changes = self.forget(name);
        let bytes = self.durable.entry(name.to_owned()).or_default();
        for change in changes {
            match change {
                Change::Truncate { size } => bytes.truncate(size),
                Change::Write { at, bytes: new } => {
                    bytes.resize(bytes.len().max(at + new.len()), 0);
                    bytes[at..at + new.len()].copy_from_slice(&new);
                }
            }
        }
    }

    /// A sync that failed: some of it reached the disk, and no later sync tries again.
    pub(super) fn settle_badly(&mut self, name: &str) {
        let changes = self.forget(name);
        if !changes.is_empty() {
            let bytes = self.remains(name, &changes);
            self.durable.insert(name.to_owned(), bytes);
        }
    }
}
