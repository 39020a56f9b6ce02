//! What the log and the segments ask of a place that keeps bytes.
//!
//! The trait is cut so that a directory of files, an object store, a key-value store and a table can
//! all serve it: objects are created once and never overwritten, refs change by comparing and
//! swapping, and a log grows at its end only. There is no rename and no overwrite.
//!
//! Two manners serve it. A **file** appends in place: an end can be torn, a sync makes it durable,
//! locks keep other writers out. An **object** store keeps a log as parts, each named by the offset it
//! starts at: an append creates the part `at` on the condition that there is none, durable at once and
//! never torn, so there is nothing to sync and nothing that could be taken back. Its locks may
//! be granted to everybody ([`Storage::locks`]): what keeps the database whole there are the
//! conditions of `create`, `append` and `swap_ref` alone, and they must hold in both manners.
//!
//! A store that asks again after an answer was lost must know its own bytes from equal bytes of
//! another writer, by a mark of its own on what it put: [`Put::Refused`] is never the answer to a
//! put that took effect. Where it cannot know, it fails, and the outcome is unknown.

use std::fmt;
use std::ops::Range;

use super::Mapped;
use crate::error::{Code, Error, Result};
use crate::limits::STORAGE_NAME_BYTES;

/// A place that keeps bytes under names such as `log/main`.
///
/// A name is one to three parts joined by `/`, each of `A-Z a-z 0-9 . _ -`, none starting with a dot
/// or ending in `.lock`. Every method fails with [`Code::StorageFull`] where space, quota or file
/// descriptors ran out and with [`Code::Storage`] otherwise. What is kept is not checksummed here: the
/// bytes must carry what proves them.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Keeps an object that does not exist yet, durable when the call returns: a crash leaves all
    /// of it or nothing.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Put>;

    /// The bytes of `range`, fewer where the object ends before it; none if there is no such name.
    fn read(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>>;

    /// The whole of an object as memory, read as it is touched where the store can do so; none if
    /// there is no such name.
    fn map(&self, name: &str) -> Result<Option<Mapped>> {
        Ok(self.read(name, 0..u64::MAX)?.map(Mapped::of))
    }

    /// The length in bytes; none if there is no such name.
    fn size(&self, name: &str) -> Result<Option<u64>>;

    /// Every object whose name starts with `prefix`, in ascending order of names.
    fn list_with(&self, prefix: &str) -> Result<Vec<Listed>>;

    /// Every name that starts with `prefix`, in ascending order.
    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = self.list_with(prefix)?;
        Ok(listed.into_iter().map(|object| object.name).collect())
    }

    /// Removes an object, if it is there, and the locks of its writers.
    fn delete(&self, name: &str) -> Result<()>;

    /// Adds bytes to the end of an object that is exactly `at` bytes long, refused otherwise.
    ///
    /// `at` is a length that the object had when the caller looked, so a store of parts only asks
    /// whether there is a part `at`. Durable after the next [`Storage::sync`] that succeeds. A
    /// failure may leave some of the bytes, or bring them later: [`Storage::truncate`] tells.
    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put>;

    /// Makes everything appended to `name` durable, also what another process appended. After a
    /// failure nobody knows what is durable, and a second call does not find out.
    fn sync(&self, name: &str) -> Result<()>;

    /// Makes all of `name` durable, also bytes from `from` on whose sync has failed: a system may
    /// hold such bytes for written, so they are written once more as they are, then synced.
    fn settle(&self, name: &str, from: u64) -> Result<()>;

    /// Drops what an object holds beyond `size` bytes; durable after the next [`Storage::sync`].
    ///
    /// A store that cannot take bytes back succeeds where there are none beyond `size` and none
    /// can come of an append that failed, and fails otherwise.
    fn truncate(&self, name: &str, size: u64) -> Result<()>;

    /// Replaces the whole of a small object if it holds exactly `expected` (none: does not exist),
    /// durable when the call returns: a crash leaves the old bytes or the new.
    fn swap_ref(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<Put>;

    /// Takes the exclusive lock called `name` without waiting. `holder` is what others are told.
    ///
    /// The lock is given up when the guard is dropped or the process ends, however it ends. Whether
    /// it keeps anybody out is said by [`Storage::locks`].
    fn try_lock(&self, name: &str, holder: &str) -> Result<LockAttempt>;

    /// The locks whose names start with `prefix` and that somebody holds, with what the holders
    /// said. None where locks cannot be trusted. Locks under [`PINS`] are taken once each: what
    /// their dead holders left is removed.
    fn held(&self, prefix: &str) -> Result<Vec<HeldLock>>;

    /// What a lock of this store is worth.
    fn locks(&self) -> Locks {
        Locks::Exclude
    }
}

/// What a lock of a store is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// Nobody else has it, and a free one has no owner that lives.
    Exclude,
    /// It spares writers needless work and no more: two may have it, and a free one says nothing.
    Hint,
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Milliseconds since it last changed, by the clock that stamps the objects of the store; 0 for
    /// a stamp in the future.
    pub age_ms: u64,
}

/// Where the names of locks start that are taken once each.
pub const PINS: &str = "pins/";

/// A lock that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// Its name.
    pub name: String,
    /// What its holder said; empty while it is only just taken.
    pub holder: String,
}

/// What became of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The bytes are there.
    Done,
    /// The condition did not hold; nothing changed.
    Refused,
}

/// What became of an attempt to take a lock.
#[derive(Debug)]
pub enum LockAttempt {
    /// Ours until the guard is dropped.
    Taken(Box<dyn WriterLock>),
    /// Somebody else's, who left this text; empty if it could not be read.
    Busy(String),
}

/// A lock that is held; dropping it gives it up.
pub trait WriterLock: Send + Sync + fmt::Debug {}

/// Keeps an object whose name is made of its content, durable when the call returns.
///
/// One that is there already must be it: [`Code::CorruptSegment`] if its length says otherwise.
pub fn create_by_content(storage: &dyn Storage, name: &str, bytes: &[u8]) -> Result<()> {
    // It may be refused because of one that is gone when its length is asked for.
    for _ in 0..CREATE_ATTEMPTS {
        if storage.create(name, bytes)? == Put::Done {
            return Ok(());
        }
        match storage.size(name)? {
            Some(size) if size == bytes.len() as u64 => return Ok(()),
            Some(size) => {
                let message = format!("{name} is {size} bytes long, its content {}", bytes.len());
                return Err(Error::new(Code::CorruptSegment, message).with("file", name));
            }
            None => {}
        }
    }
    Err(Error::new(
        Code::Storage,
        format!("creation of {name} failed: it comes and goes"),
    ))
}

/// Attempts to create an object that is there and is not.
const CREATE_ATTEMPTS: usize = 3;

/// What is added to the name of a lock to name the lock of those who wait for it.
pub(super) const TURN: &str = ".next";

/// Refuses a name that a storage does not take.
pub(super) fn check_name(name: &str) -> Result<()> {
    let part_ok = |part: &str| {
        !part.is_empty()
            && part.len() <= STORAGE_NAME_BYTES
            && !part.starts_with('.')
            && !part.ends_with(".lock")
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    if name.split('/').count() <= 3 && name.split('/').all(part_ok) {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    Err(Error::new(
        Code::Storage,
        format!("{shown:?} is no name that a store can keep"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FileStorage, MemoryStorage, SimStorage};

    #[test]
    fn names_stay_inside_the_store() {
        for good in ["a", "log/main", "segment/ab/0123.arrow", "a..b"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "", "/a", "a/", "a//b", "..", "a/../b", ".tmp", "a\0", "a b", "a/b/c/d", "x.lock",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"x".repeat(STORAGE_NAME_BYTES + 1)).is_err());
    }

    /// Every storage answers the same calls the same way.
    #[test]
    fn storages_agree() {
        let dir = tempfile::tempdir().unwrap();
        for storage in [
            &FileStorage::at(dir.path().join("made/on/demand")) as &dyn Storage,
            &MemoryStorage::default(),
            &SimStorage::seeded(7),
        ] {
            contract(storage);
            append_in_place(storage);
            locks(storage);
        }
        contract(&SimStorage::objects(7));
    }

    fn contract(s: &dyn Storage) {
        assert_eq!(s.size("log/a").unwrap(), None);
        assert_eq!(s.read("log/a", 0..9).unwrap(), None);
        assert!(s.list("").unwrap().is_empty());
        s.delete("log/a").unwrap();
        assert!(s.append("log/a", 0, b"x").is_err());
        assert!(s.sync("log/a").is_err());

        assert_eq!(s.create("log/a", b"head").unwrap(), Put::Done);
        assert_eq!(s.create("log/a", b"other").unwrap(), Put::Refused);
        assert_eq!(s.append("log/a", 4, b"-one").unwrap(), Put::Done);
        assert_eq!(s.append("log/a", 4, b"-two").unwrap(), Put::Refused);
        s.sync("log/a").unwrap();
        s.settle("log/a", 3).unwrap();
        assert_eq!(s.size("log/a").unwrap(), Some(8));
        assert_eq!(s.read("log/a", 2..6).unwrap().unwrap(), b"ad-o");
        assert_eq!(s.read("log/a", 6..600).unwrap().unwrap(), b"ne");
        assert_eq!(s.read("log/a", 9..u64::MAX).unwrap().unwrap(), b"");
        s.truncate("log/a", 8).unwrap();
        let listed = &s.list_with("log/").unwrap()[0];
        assert_eq!((listed.name.as_str(), listed.size), ("log/a", 8));
        assert!(listed.age_ms < 60_000, "{listed:?}");

        assert_eq!(
            s.swap_ref("refs/b", Some(b"1"), b"2").unwrap(),
            Put::Refused
        );
        assert_eq!(s.swap_ref("refs/b", None, b"1").unwrap(), Put::Done);
        assert_eq!(s.swap_ref("refs/b", None, b"2").unwrap(), Put::Refused);
        assert_eq!(s.swap_ref("refs/b", Some(b"1"), b"22").unwrap(), Put::Done);
        assert_eq!(s.read("refs/b", 0..9).unwrap().unwrap(), b"22");

        assert_eq!(s.create("logs", b"").unwrap(), Put::Done);
        assert_eq!(s.list("").unwrap(), ["log/a", "logs", "refs/b"]);
        assert_eq!(s.list("log").unwrap(), ["log/a", "logs"]);
        assert_eq!(s.list("refs/").unwrap(), ["refs/b"]);
        assert!(s.list("segment/ab/").unwrap().is_empty());
        for name in ["log/a", "logs", "refs/b"] {
            s.delete(name).unwrap();
        }
        assert!(s.list("").unwrap().is_empty());
        assert_eq!(s.create("../x", b"").unwrap_err().code(), Code::Storage);
    }

    #[test]
    fn what_is_named_by_its_content_is_created_once() {
        let storage = SimStorage::objects(1);
        create_by_content(&storage, "segment/a", b"bytes").unwrap();
        create_by_content(&storage, "segment/a", b"bytes").unwrap();
        assert_eq!(storage.read("segment/a", 0..9).unwrap().unwrap(), b"bytes");
        storage.tamper("segment/a", b"byte");
        let error = create_by_content(&storage, "segment/a", b"bytes").unwrap_err();
        assert_eq!(error.code(), Code::CorruptSegment);
    }

    fn append_in_place(s: &dyn Storage) {
        s.create("log/a", b"head-one").unwrap();
        s.truncate("log/a", 5).unwrap();
        s.sync("log/a").unwrap();
        assert_eq!(s.read("log/a", 0..u64::MAX).unwrap().unwrap(), b"head-");
    }

    fn locks(s: &dyn Storage) {
        assert_eq!(s.locks(), Locks::Exclude);
        let LockAttempt::Taken(lock) = s.try_lock("log/a", "me").unwrap() else {
            panic!("free")
        };
        let LockAttempt::Busy(holder) = s.try_lock("log/a", "you").unwrap() else {
            panic!("held")
        };
        assert_eq!(holder, "me");
        let held = HeldLock {
            name: "log/a".to_owned(),
            holder: "me".to_owned(),
        };
        assert_eq!(s.held("log/").unwrap(), [held]);
        assert_eq!(s.held("pins/").unwrap(), []);
        drop(lock);
        assert_eq!(s.held("").unwrap(), []);
        assert!(matches!(
            s.try_lock("log/a", "you").unwrap(),
            LockAttempt::Taken(_)
        ));
    }
}
