//! The store that fails on command: memory that behaves like a disk, or a store of objects, in trouble.
//!
//! In the manner of a **file** it keeps two images: what a running process sees, and what a power cut
//! leaves. What was not synced is kept, dropped, reordered or torn at sectors, as a seed decides. In
//! the manner of an **object** store every put is whole and durable at once, locks are granted to
//! everybody, answers are lost and puts arrive late. Either way a run is repeated by repeating its
//! seed. Tests crash it at every operation; nothing else should use it.

mod disk;
mod fault;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::disk::{Change, Disk, Late, LatePut};
use self::fault::{answer, failed};
use super::memory::{MemoryStorage, missing};
use super::storage::{HeldLock, Listed, LockAttempt, Locks, Put, Storage, WriterLock, check_name};
use crate::error::{Code, Error, Result};

pub use self::fault::{Fault, Times};

/// A store in memory with faults, seeded.
#[derive(Debug)]
pub struct SimStorage {
    live: MemoryStorage,
    manner: Manner,
    disk: Mutex<Disk>,
}

/// What a simulated store behaves like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    File,
    Object,
}

impl SimStorage {
    /// An empty store in the manner of files, whose faults play out as `seed` decides.
    pub fn seeded(seed: u64) -> SimStorage {
        SimStorage::holding(Manner::File, BTreeMap::new(), seed)
    }

    /// An empty store in the manner of objects: conditional puts, no append in place, no locks.
    pub fn objects(seed: u64) -> SimStorage {
        SimStorage::holding(Manner::Object, BTreeMap::new(), seed)
    }

    fn holding(manner: Manner, objects: BTreeMap<String, Vec<u8>>, seed: u64) -> SimStorage {
        let live = MemoryStorage::default();
        for (name, bytes) in &objects {
            live.overwrite(name, bytes.clone());
        }
        let disk = Disk {
            durable: objects,
            random: seed,
            ..Disk::default()
        };
        SimStorage {
            live,
            manner,
            disk: Mutex::new(disk),
        }
    }

    /// Plans a fault for the changing operation number `operation`, counted from 0.
    pub fn fail_at(&self, operation: u64, times: Times, fault: Fault) {
        self.disk().faults.push((operation, times, fault));
    }

    /// Forgets the planned faults, and a power cut that came: only the processes died of it. What is
    /// on its way arrives all the same.
    pub fn heal(&self) {
        let mut disk = self.disk();
        disk.faults.clear();
        disk.cut = false;
    }

    /// Lets what follows play out as another seed decides.
    pub fn reseed(&self, seed: u64) {
        self.disk().random = seed;
    }

    /// How many changing operations were asked for so far.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// Lets time pass by the clock of the store, which else ticks once an operation.
    pub fn pass(&self, ms: u64) {
        self.disk().now_ms += ms;
    }

    /// Turns every sync into nothing that succeeds: a disk whose crash test must fail.
    pub fn ignore_syncs(&self) {
        self.disk().syncs_ignored = true;
    }

    /// Replaces an object behind everybody's back, durably.
    pub fn tamper(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        disk.durable.insert(name.to_owned(), bytes.to_vec());
        disk.forget(name);
        self.live.overwrite(name, bytes.to_vec());
    }

    /// The store after a power cut: what was durable, and of the rest what the seed kept. Of a store
    /// of objects only its user crashed.
    pub fn crash(&self) -> SimStorage {
        let mut disk = self.disk();
        let objects = match self.manner {
            Manner::Object => self.live.copy(),
            Manner::File => {
                let mut objects = disk.durable.clone();
                for (name, changes) in disk.unsynced.clone() {
                    let bytes = disk.remains(&name, &changes);
                    objects.insert(name, bytes);
                }
                objects
            }
        };
        let seed = disk.roll();
        let late = disk.late_after_crash();
        let next = SimStorage::holding(self.manner, objects, seed);
        {
            let mut next = next.disk();
            next.late = late;
            next.syncs_ignored = disk.syncs_ignored;
            next.now_ms = disk.now_ms;
            next.changed_ms = disk.changed_ms.clone();
        }
        next
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts an operation: what was delayed arrives first, then a fault may strike.
    fn begin(&self, operation: &str, name: &str) -> Result<(MutexGuard<'_, Disk>, Option<Fault>)> {
        check_name(name)?;
        let mut disk = self.disk();
        if !disk.cut {
            for late in disk.arriving() {
                self.arrive(&mut disk, &late)?;
            }
        }
        let fault = disk.begin(operation, name)?;
        Ok((disk, fault))
    }

    /// A delayed put takes effect if its condition holds by now.
    fn arrive(&self, disk: &mut Disk, late: &Late) -> Result<()> {
        let Late { name, bytes, .. } = late;
        let put = match &late.put {
            // Whoever deleted the object deleted the place for its parts.
            LatePut::Append { .. } if self.live.size(name)?.is_none() => Put::Refused,
            LatePut::Append { at } => self.live.append(name, *at, bytes)?,
            LatePut::Swap { expected } => self.live.swap_ref(name, expected.as_deref(), bytes)?,
        };
        if put == Put::Done {
            disk.touch(name);
        }
        Ok(())
    }

    /// An append to a file: torn, and durable only after a sync.
    fn append_in_place(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put> {
        let (mut disk, fault) = self.begin("append to", name)?;
        let written = match fault {
            Some(Fault::Refused) => return Ok(Put::Refused),
            None | Some(Fault::After(_) | Fault::PowerCut) => bytes,
            Some(Fault::Before(_) | Fault::Delayed(_)) => &[],
            Some(Fault::Partial(_) | Fault::Lie) => {
                &bytes[..disk.roll() as usize % bytes.len().max(1)]
            }
        };
        if self.live.append(name, at, written)? == Put::Refused {
            return Ok(Put::Refused);
        }
        disk.touch(name);
        let change = Change::Write {
            at: at as usize,
            bytes: written.to_vec(),
        };
        disk.note(name, change);
        answer(fault, "append to", name).map(|()| Put::Done)
    }

    /// A put that happens as a whole or not at all, if its condition holds.
    fn put(&self, operation: &str, name: &str, bytes: &[u8], put: LatePut) -> Result<Put> {
        let (mut disk, fault) = self.begin(operation, name)?;
        let effect = match fault {
            None | Some(Fault::After(_) | Fault::Lie) => true,
            // What is refused to be created exists: stores that are not sure ask again.
            Some(Fault::Refused) if matches!(put, LatePut::Swap { expected: None }) => true,
            Some(Fault::PowerCut) => disk.coin(),
            Some(Fault::Refused) => return Ok(Put::Refused),
            Some(Fault::Before(_) | Fault::Partial(_) | Fault::Delayed(_)) => false,
        };
        if !effect {
            if matches!(fault, Some(Fault::Delayed(_))) && self.manner == Manner::Object {
                disk.delay(name, put, bytes);
            }
            return answer(fault, operation, name).map(|()| Put::Done);
        }
        let put = match put {
            LatePut::Append { at } => self.live.append(name, at, bytes)?,
            LatePut::Swap { expected } => self.live.swap_ref(name, expected.as_deref(), bytes)?,
        };
        if put == Put::Done {
            disk.touch(name);
            if self.manner == Manner::File {
                disk.durable.insert(name.to_owned(), bytes.to_vec());
                disk.forget(name);
            }
        }
        answer(fault, operation, name).map(|()| put)
    }

    /// That there is an object, where nothing else is left to do.
    fn check_there(&self, operation: &str, name: &str) -> Result<u64> {
        self.size(name)?.ok_or_else(|| missing(operation, name))
    }

    fn check_power(&self, operation: &str, name: &str) -> Result<()> {
        match self.disk().cut {
            true => Err(failed(Code::Storage, operation, name)),
            false => Ok(()),
        }
    }
}

impl Storage for SimStorage {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Put> {
        self.swap_ref(name, None, bytes)
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        self.check_power("read of", name)?;
        self.live.read(name, range)
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        self.check_power("size of", name)?;
        self.live.size(name)
    }

    fn list_with(&self, prefix: &str) -> Result<Vec<Listed>> {
        self.check_power("listing of", prefix)?;
        let mut listed = self.live.list_with(prefix)?;
        let disk = self.disk();
        for object in &mut listed {
            let changed = disk.changed_ms.get(&object.name).copied();
            object.age_ms = disk.now_ms.saturating_sub(changed.unwrap_or_default());
        }
        Ok(listed)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let (mut disk, fault) = self.begin("deletion of", name)?;
        let effect = match fault {
            None | Some(Fault::After(_) | Fault::Lie | Fault::Refused) => true,
            Some(Fault::PowerCut) => disk.coin(),
            _ => false,
        };
        if effect {
            self.live.delete(name)?;
            disk.durable.remove(name);
            disk.forget(name);
        }
        answer(fault, "deletion of", name)
    }

    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put> {
        match self.manner {
            Manner::File => self.append_in_place(name, at, bytes),
            Manner::Object => self.put("append to", name, bytes, LatePut::Append { at }),
        }
    }

    fn sync(&self, name: &str) -> Result<()> {
        if self.manner == Manner::Object {
            return self.check_there("sync of", name).map(|_| ());
        }
        let (mut disk, fault) = self.begin("sync of", name)?;
        self.live.sync(name)?;
        match fault {
            None | Some(Fault::After(_) | Fault::Lie | Fault::Refused) if !disk.syncs_ignored => {
                disk.settle(name);
            }
            Some(Fault::Before(_) | Fault::Partial(_) | Fault::Delayed(_)) => {
                disk.settle_badly(name);
            }
            _ => {}
        }
        answer(fault, "sync of", name)
    }

    fn settle(&self, name: &str, from: u64) -> Result<()> {
        if self.manner == Manner::File {
            let bytes = self.read(name, from..u64::MAX)?.unwrap_or_default();
            let again = Change::Write {
                at: from as usize,
                bytes,
            };
            self.disk().note(name, again);
        }
        self.sync(name)
    }

    fn truncate(&self, name: &str, size: u64) -> Result<()> {
        if self.manner == Manner::Object {
            let found = self.check_there("truncation of", name)?;
            let comes = self.disk().late.iter().any(|late| late.name == name);
            return match found <= size && !comes {
                true => Ok(()),
                false => Err(Error::new(
                    Code::Storage,
                    format!("parts of {name} cannot be taken back"),
                )),
            };
        }
        let (mut disk, fault) = self.begin("truncation of", name)?;
        let effect = matches!(
            fault,
            None | Some(Fault::After(_) | Fault::Lie | Fault::Refused | Fault::PowerCut)
        );
        if effect {
            self.live.truncate(name, size)?;
            disk.touch(name);
            let change = Change::Truncate {
                size: size as usize,
            };
            disk.note(name, change);
        }
        answer(fault, "truncation of", name)
    }

    fn swap_ref(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<Put> {
        let expected = expected.map(<[u8]>::to_vec);
        self.put("change of", name, bytes, LatePut::Swap { expected })
    }

    fn try_lock(&self, name: &str, holder: &str) -> Result<LockAttempt> {
        match self.manner {
            Manner::File => self.live.try_lock(name, holder),
            Manner::Object => Ok(LockAttempt::Taken(Box::new(Granted))),
        }
    }

    fn held(&self, prefix: &str) -> Result<Vec<HeldLock>> {
        match self.manner {
            Manner::File => self.live.held(prefix),
            Manner::Object => Ok(Vec::new()),
        }
    }

    fn locks(&self) -> Locks {
        match self.manner {
            Manner::File => Locks::Exclude,
            Manner::Object => Locks::Hint,
        }
    }
}

/// A lock that keeps nobody out.
#[derive(Debug)]
struct Granted;

impl WriterLock for Granted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delayed_put_arrives_if_its_condition_still_holds() {
        for (meanwhile, at_last) in [(false, &b"late"[..]), (true, b"soon")] {
            let storage = SimStorage::objects(5);
            storage.fail_at(0, Times::Once, Fault::Delayed(Code::Storage));
            assert!(storage.create("log/a", b"late").is_err());
            assert_eq!(storage.size("log/a").unwrap(), None);
            if meanwhile {
                assert_eq!(storage.create("log/a", b"soon").unwrap(), Put::Done);
            }
            for _ in 0..9 {
                storage.delete("log/b").unwrap();
            }
            assert_eq!(storage.read("log/a", 0..9).unwrap().unwrap(), at_last);
        }
    }

    #[test]
    fn parts_are_durable_at_once_and_for_ever() {
        let storage = SimStorage::objects(5);
        storage.create("log/a", b"head").unwrap();
        storage.append("log/a", 4, b"-one").unwrap();
        assert!(storage.truncate("log/a", 4).is_err());
        storage.truncate("log/a", 8).unwrap();
        storage.fail_at(2, Times::Once, Fault::Delayed(Code::Storage));
        assert!(storage.append("log/a", 8, b"-two").is_err());
        assert!(storage.truncate("log/a", 8).is_err(), "it may come yet");
        let after = storage.crash();
        assert_eq!(after.read("log/a", 0..8).unwrap().unwrap(), b"head-one");
    }

    #[test]
    fn objects_age_by_the_clock_of_the_store() {
        let storage = SimStorage::seeded(5);
        storage.create("a", b"").unwrap();
        storage.pass(1000);
        storage.create("b", b"").unwrap();
        let ages = |storage: &SimStorage| -> Vec<u64> {
            let listed = storage.list_with("").unwrap();
            listed.iter().map(|object| object.age_ms).collect()
        };
        assert_eq!(ages(&storage), [1001, 0]);
        assert_eq!(ages(&storage.crash()), [1001, 0]);
    }
}
