//! Bytes kept in this process: a database that nobody needs tomorrow.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::storage::{HeldLock, Listed, LockAttempt, Put, Storage, WriterLock, check_name};
use crate::error::{Code, Error, Result};

/// A store in memory; a clone is the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    objects: BTreeMap<String, Object>,
    locks: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Object {
    bytes: Vec<u8>,
    changed: Instant,
}

impl Object {
    fn made_of(bytes: Vec<u8>) -> Object {
        Object {
            bytes,
            changed: Instant::now(),
        }
    }
}

impl MemoryStorage {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Each call changes the maps in one step, so a panic elsewhere leaves them whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts bytes under a name, whatever was there.
    pub(super) fn overwrite(&self, name: &str, bytes: Vec<u8>) {
        let object = Object::made_of(bytes);
        self.contents().objects.insert(name.to_owned(), object);
    }

    /// A copy of all it holds.
    pub(super) fn copy(&self) -> BTreeMap<String, Vec<u8>> {
        let contents = self.contents();
        let copied = contents.objects.iter();
        copied
            .map(|(name, object)| (name.clone(), object.bytes.clone()))
            .collect()
    }
}

impl Storage for MemoryStorage {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Put> {
        self.swap_ref(name, None, bytes)
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        check_name(name)?;
        Ok(self.contents().objects.get(name).map(|object| {
            let bytes = &object.bytes;
            let end = range.end.min(bytes.len() as u64) as usize;
            let start = range.start.min(end as u64) as usize;
            bytes[start..end].to_vec()
        }))
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        check_name(name)?;
        Ok(self
            .contents()
            .objects
            .get(name)
            .map(|object| object.bytes.len() as u64))
    }

    fn list_with(&self, prefix: &str) -> Result<Vec<Listed>> {
        let contents = self.contents();
        let listed = contents
            .objects
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        Ok(listed
            .map(|(name, object)| Listed {
                name: name.clone(),
                size: object.bytes.len() as u64,
                age_ms: u64::try_from(object.changed.elapsed().as_millis()).unwrap_or(u64::MAX),
            })
            .collect())
    }

    fn delete(&self, name: &str) -> Result<()> {
        check_name(name)?;
        self.contents().objects.remove(name);
        Ok(())
    }

    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put> {
        check_name(name)?;
        let mut contents = self.contents();
        let object = contents
            .objects
            .get_mut(name)
            .ok_or_else(|| missing("append to", name))?;
        if object.bytes.len() as u64 != at {
            return Ok(Put::Refused);
        }
        object.bytes.try_reserve(bytes.len()).map_err(|_| {
            Error::new(
                Code::StorageFull,
                format!("append to {name} failed: out of memory"),
            )
        })?;
        object.bytes.extend_from_slice(bytes);
        object.changed = Instant::now();
        Ok(Put::Done)
    }

    fn sync(&self, name: &str) -> Result<()> {
        check_name(name)?;
        match self.contents().objects.contains_key(name) {
            true => Ok(()),
            false => Err(missing("sync of", name)),
        }
    }

    fn settle(&self, name: &str, _from: u64) -> Result<()> {
        self.sync(name)
    }

    fn truncate(&self, name: &str, size: u64) -> Result<()> {
        check_name(name)?;
        let mut contents = self.contents();
        let object = contents
            .objects
            .get_mut(name)
            .ok_or_else(|| missing("truncation of", name))?;
        object
            .bytes
            .truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(())
    }

    fn swap_ref(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<Put> {
        check_name(name)?;
        let mut contents = self.contents();
        let found = contents.objects.get(name);
        if found.map(|object| object.bytes.as_slice()) != expected {
            return Ok(Put::Refused);
        }
        let object = Object::made_of(bytes.to_vec());
        contents.objects.insert(name.to_owned(), object);
        Ok(Put::Done)
    }

    fn held(&self, prefix: &str) -> Result<Vec<HeldLock>> {
        let contents = self.contents();
        let held = contents
            .locks
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        let mut held: Vec<HeldLock> = held
            .map(|(name, holder)| HeldLock {
                name: name.clone(),
                holder: holder.clone(),
            })
            .collect();
        held.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(held)
    }

    fn try_lock(&self, name: &str, holder: &str) -> Result<LockAttempt> {
        check_name(name)?;
        let mut contents = self.contents();
        if let Some(other) = contents.locks.get(name) {
            return Ok(LockAttempt::Busy(other.clone()));
        }
        contents.locks.insert(name.to_owned(), holder.to_owned());
        Ok(LockAttempt::Taken(Box::new(MemoryLock {
            store: self.clone(),
            name: name.to_owned(),
        })))
    }
}

/// A taken lock of a memory store.
#[derive(Debug)]
struct MemoryLock {
    store: MemoryStorage,
    name: String,
}

impl WriterLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.store.contents().locks.remove(&self.name);
    }
}

/// The error for work on an object that is not there.
pub(super) fn missing(operation: &str, name: &str) -> Error {
    Error::new(
        Code::Storage,
        format!("{operation} {name} failed: there is no such object"),
    )
}
