//! The store that fails on command: memory that behaves like a disk in trouble.
//!
//! It keeps two images: what a running process sees, and what a power cut leaves. What was not
//! synced is kept, dropped, reordered or torn at sectors, as a seed decides, so a run is repeated by
//! repeating its seed. Tests crash it at every operation; nothing else should use it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::memory::MemoryStorage;
use super::record::SECTOR_BYTES;
use super::storage::{LockAttempt, Put, Storage};
use crate::error::{Code, Error, Result};

/// What goes wrong with one operation that changes the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect. A sync that fails so leaves part of the bytes durable and lets no
    /// later sync save the rest.
    Before(Code),
    /// It fails after part of an append; like [`Fault::Before`] for other operations.
    Partial(Code),
    /// It has its effect and fails.
    After(Code),
    /// An append that keeps a part and succeeds; other operations do not lie.
    Lie,
    /// The power is cut while it runs: it and all that follow fail until [`SimStorage::crash`].
    PowerCut,
}

/// How often a [`Fault`] strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// At one operation.
    Once,
    /// At that operation and each after it.
    Forever,
}

/// A store in memory with faults, seeded.
#[derive(Debug)]
pub struct SimStorage {
    live: MemoryStorage,
    disk: Mutex<Disk>,
}

#[derive(Debug)]
struct Disk {
    /// What is durable, by name.
    durable: BTreeMap<String, Vec<u8>>,
    /// What changed since its last sync, by name, in order.
    unsynced: BTreeMap<String, Vec<Change>>,
    faults: Vec<(u64, Times, Fault)>,
    operations: u64,
    random: u64,
    cut: bool,
    syncs_ignored: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate { size: usize },
}

impl SimStorage {
    /// An empty store whose faults play out as `seed` decides.
    pub fn seeded(seed: u64) -> SimStorage {
        SimStorage::holding(BTreeMap::new(), seed)
    }

    fn holding(objects: BTreeMap<String, Vec<u8>>, seed: u64) -> SimStorage {
        let live = MemoryStorage::default();
        for (name, bytes) in &objects {
            live.overwrite(name, bytes.clone());
        }
        let disk = Disk {
            durable: objects,
            unsynced: BTreeMap::new(),
            faults: Vec::new(),
            operations: 0,
            random: seed,
            cut: false,
            syncs_ignored: false,
        };
        SimStorage {
            live,
            disk: Mutex::new(disk),
        }
    }

    /// Plans a fault for the changing operation number `operation`, counted from 0.
    pub fn fail_at(&self, operation: u64, times: Times, fault: Fault) {
        self.disk().faults.push((operation, times, fault));
    }

    /// Forgets the planned faults.
    pub fn heal(&self) {
        self.disk().faults.clear();
    }

    /// How many changing operations were asked for so far.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Turns every sync into nothing that succeeds: a disk whose crash test must fail.
    pub fn ignore_syncs(&self) {
        self.disk().syncs_ignored = true;
    }

    /// Replaces an object behind everybody's back, durably.
    pub fn tamper(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        disk.durable.insert(name.to_owned(), bytes.to_vec());
        disk.unsynced.remove(name);
        self.live.overwrite(name, bytes.to_vec());
    }

    /// The store after a power cut: what was durable, and of the rest what the seed kept.
    pub fn crash(&self) -> SimStorage {
        let mut disk = self.disk();
        let mut objects = disk.durable.clone();
        for (name, changes) in disk.unsynced.clone() {
            let bytes = disk.remains(&name, &changes);
            objects.insert(name, bytes);
        }
        let seed = disk.roll();
        let next = SimStorage::holding(objects, seed);
        next.disk().syncs_ignored = disk.syncs_ignored;
        next
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// Counts an operation and gives the fault that strikes it.
    fn begin(&mut self, operation: &str, name: &str) -> Result<Option<Fault>> {
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
        Ok(fault)
    }

    /// The next number of the seed's sequence (splitmix64).
    fn roll(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn coin(&mut self) -> bool {
        self.roll() & 1 == 0
    }

    /// What a power cut leaves of an object: its length as after some of the changes, of each
    /// sector written the new bytes or the old.
    fn remains(&mut self, name: &str, changes: &[Change]) -> Vec<u8> {
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

    /// Makes durable what changed since the last sync, and no more than that.
    fn settle(&mut self, name: &str) {
        let bytes = self.durable.entry(name.to_owned()).or_default();
        for change in self.unsynced.remove(name).unwrap_or_default() {
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
    fn settle_badly(&mut self, name: &str) {
        if let Some(changes) = self.unsynced.remove(name) {
            let bytes = self.remains(name, &changes);
            self.durable.insert(name.to_owned(), bytes);
        }
    }
}

impl Storage for SimStorage {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Put> {
        self.swap_ref(name, None, bytes)
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        match self.disk().cut {
            true => Err(failed(Code::Storage, "read of", name)),
            false => self.live.read(name, range),
        }
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.disk().cut {
            true => Err(failed(Code::Storage, "size of", name)),
            false => self.live.size(name),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.live.list(prefix)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let mut disk = self.disk();
        let fault = disk.begin("deletion of", name)?;
        let effect = match fault {
            None | Some(Fault::After(_) | Fault::Lie) => true,
            Some(Fault::PowerCut) => disk.coin(),
            _ => false,
        };
        if effect {
            self.live.delete(name)?;
            disk.durable.remove(name);
            disk.unsynced.remove(name);
        }
        answer(fault, "deletion of", name)
    }

    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put> {
        let mut disk = self.disk();
        let fault = disk.begin("append to", name)?;
        let written = match fault {
            None | Some(Fault::After(_) | Fault::PowerCut) => bytes,
            Some(Fault::Before(_)) => &[],
            Some(Fault::Partial(_) | Fault::Lie) => {
                &bytes[..disk.roll() as usize % bytes.len().max(1)]
            }
        };
        if self.live.append(name, at, written)? == Put::Refused {
            return Ok(Put::Refused);
        }
        let change = Change::Write {
            at: at as usize,
            bytes: written.to_vec(),
        };
        disk.unsynced
            .entry(name.to_owned())
            .or_default()
            .push(change);
        answer(fault, "append to", name).map(|()| Put::Done)
    }

    fn sync(&self, name: &str) -> Result<()> {
        let mut disk = self.disk();
        let fault = disk.begin("sync of", name)?;
        self.live.sync(name)?;
        match fault {
            None | Some(Fault::After(_) | Fault::Lie) if !disk.syncs_ignored => {
                disk.settle(name);
            }
            Some(Fault::Before(_) | Fault::Partial(_)) => disk.settle_badly(name),
            _ => {}
        }
        answer(fault, "sync of", name)
    }

    fn settle(&self, name: &str, from: u64) -> Result<()> {
        let bytes = self.read(name, from..u64::MAX)?.unwrap_or_default();
        let again = Change::Write {
            at: from as usize,
            bytes,
        };
        self.disk()
            .unsynced
            .entry(name.to_owned())
            .or_default()
            .push(again);
        self.sync(name)
    }

    fn truncate(&self, name: &str, size: u64) -> Result<()> {
        let mut disk = self.disk();
        let fault = disk.begin("truncation of", name)?;
        if matches!(
            fault,
            None | Some(Fault::After(_) | Fault::Lie | Fault::PowerCut)
        ) {
            self.live.truncate(name, size)?;
            let change = Change::Truncate {
                size: size as usize,
            };
            disk.unsynced
                .entry(name.to_owned())
                .or_default()
                .push(change);
        }
        answer(fault, "truncation of", name)
    }

    fn swap_ref(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<Put> {
        let mut disk = self.disk();
        let fault = disk.begin("change of", name)?;
        let effect = match fault {
            None | Some(Fault::After(_) | Fault::Lie) => true,
            Some(Fault::PowerCut) => disk.coin(),
            _ => false,
        };
        let put = match effect {
            true => self.live.swap_ref(name, expected, bytes)?,
            false => Put::Done,
        };
        if effect && put == Put::Done {
            disk.durable.insert(name.to_owned(), bytes.to_vec());
            disk.unsynced.remove(name);
        }
        answer(fault, "change of", name).map(|()| put)
    }

    fn try_lock(&self, name: &str, holder: &str) -> Result<LockAttempt> {
        self.live.try_lock(name, holder)
    }
}

/// What the caller hears of an operation.
fn answer(fault: Option<Fault>, operation: &str, name: &str) -> Result<()> {
    match fault {
        None | Some(Fault::Lie) => Ok(()),
        Some(Fault::Before(code) | Fault::Partial(code) | Fault::After(code)) => {
            Err(failed(code, operation, name))
        }
        Some(Fault::PowerCut) => Err(failed(Code::Storage, operation, name)),
    }
}

fn failed(code: Code, operation: &str, name: &str) -> Error {
    Error::new(code, format!("{operation} {name} failed: simulated"))
}
