//! What the log and the segments ask of a place that keeps bytes.
//!
//! The trait is cut so that a directory of files and an object store can both serve it: objects are
//! created once and never overwritten, refs change by comparing and swapping, and a log grows at its
//! end only. A file appends in place; an object store answers the same call by creating the object
//! numbered `at` on the condition that it does not exist, syncs in that put, and never has a torn
//! end to truncate. There is no rename and no overwrite.

use std::fmt;
use std::ops::Range;

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

    /// The length in bytes; none if there is no such name.
    fn size(&self, name: &str) -> Result<Option<u64>>;

    /// Every name that starts with `prefix`, in ascending order.
    fn list(&self, prefix: &str) -> Result<Vec<String>>;

    /// Removes an object, if it is there, and the locks of its writers.
    fn delete(&self, name: &str) -> Result<()>;

    /// Adds bytes to the end of an object that is exactly `at` bytes long, refused otherwise.
    ///
    /// Durable after the next [`Storage::sync`] that succeeds. A failure may leave some of the bytes.
    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put>;

    /// Makes everything appended to `name` durable, also what another process appended. After a
    /// failure nobody knows what is durable, and a second call does not find out.
    fn sync(&self, name: &str) -> Result<()>;

    /// Makes all of `name` durable, also bytes from `from` on whose sync has failed: a system may
    /// hold such bytes for written, so they are written once more as they are, then synced.
    fn settle(&self, name: &str, from: u64) -> Result<()>;

    /// Drops what an object holds beyond `size` bytes; durable after the next [`Storage::sync`].
    fn truncate(&self, name: &str, size: u64) -> Result<()>;

    /// Replaces the whole of a small object if it holds exactly `expected` (none: does not exist),
    /// durable when the call returns: a crash leaves the old bytes or the new.
    fn swap_ref(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<Put>;

    /// Takes the exclusive lock called `name` without waiting. `holder` is what others are told.
    ///
    /// The lock is given up when the guard is dropped or the process ends, however it ends.
    fn try_lock(&self, name: &str, holder: &str) -> Result<LockAttempt>;
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
        contract(&FileStorage::at(dir.path().join("made/on/demand")));
        contract(&MemoryStorage::default());
        contract(&SimStorage::seeded(7));
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
        s.truncate("log/a", 5).unwrap();
        assert_eq!(s.read("log/a", 0..u64::MAX).unwrap().unwrap(), b"head-");

        assert_eq!(
            s.swap_ref("refs/b", Some(b"1"), b"2").unwrap(),
            Put::Refused
        );
        assert_eq!(s.swap_ref("refs/b", None, b"1").unwrap(), Put::Done);
        assert_eq!(s.swap_ref("refs/b", None, b"2").unwrap(), Put::Refused);
        assert_eq!(s.swap_ref("refs/b", Some(b"1"), b"22").unwrap(), Put::Done);
        assert_eq!(s.read("refs/b", 0..9).unwrap().unwrap(), b"22");

        let LockAttempt::Taken(lock) = s.try_lock("log/a", "me").unwrap() else {
            panic!("free")
        };
        let LockAttempt::Busy(holder) = s.try_lock("log/a", "you").unwrap() else {
            panic!("held")
        };
        assert_eq!(holder, "me");
        drop(lock);
        assert!(matches!(
            s.try_lock("log/a", "you").unwrap(),
            LockAttempt::Taken(_)
        ));

        assert_eq!(s.list("").unwrap(), ["log/a", "refs/b"]);
        assert_eq!(s.list("refs/").unwrap(), ["refs/b"]);
        s.delete("log/a").unwrap();
        assert_eq!(s.list("").unwrap(), ["refs/b"]);
        assert_eq!(s.create("../x", b"").unwrap_err().code(), Code::Storage);
    }
}
