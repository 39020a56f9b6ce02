//! Bytes kept in a directory of the local file system.
//!
//! Every call opens its file by name, so a directory that was deleted and made again is never
//! written through a stale descriptor, and no descriptor survives a failed sync.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::Mapped;
use super::memory::missing;
use super::storage::{
    HeldLock, Listed, LockAttempt, PINS, Put, Storage, TURN, WriterLock, check_name,
};
use crate::error::{Code, Error, Result};
use crate::limits::LOG_READ_BYTES;

/// Errors of the operating system that mean "no file descriptor is left": `ENFILE`, `EMFILE`.
const NO_DESCRIPTOR: [i32; 2] = [23, 24];
/// The lock that orders changes of refs.
const REFS_LOCK: &str = "refs.lock";

/// A store in one directory, made at the first write.
#[derive(Clone, Debug)]
pub struct FileStorage {
    dir: PathBuf,
}

impl FileStorage {
    /// The store in `dir`; touches nothing yet.
    pub fn at(dir: impl Into<PathBuf>) -> FileStorage {
        FileStorage { dir: dir.into() }
    }

    /// Whether the directory is there.
    pub fn exists(&self) -> bool {
        self.dir.is_dir()
    }

    /// Removes what crashed writers left behind: files that were never published. Gives their count.
    pub fn sweep(&self) -> Result<usize> {
        let mut removed = 0;
        for (path, name) in self.walk("")? {
            if !is_unpublished(&name) {
                continue;
            }
            // A writer that lives holds the lock of its unpublished file.
            let orphan = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if orphan && fs::remove_file(&path).is_ok() {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes the directory after its objects were deleted; files of others stay, with it.
    pub fn remove_empty(&self) -> Result<()> {
        self.sweep()?;
        let _ = fs::remove_file(self.dir.join(REFS_LOCK));
        remove_folders(&self.dir, 2).map_err(|e| failed("removal of", "the store's folder", &e))
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.dir.join(name))
    }

    /// Every file whose name starts with `prefix`, at most three parts deep, with its name inside
    /// the store.
    fn walk(&self, prefix: &str) -> Result<Vec<(PathBuf, String)>> {
        let mut files = Vec::new();
        let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut folders = match start {
            "" => vec![(self.dir.clone(), String::new())],
            start => vec![(self.path(start)?, format!("{start}/"))],
        };
        while let Some((folder, inside)) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    continue;
                }
                Err(e) => return Err(failed("listing of", "the store", &e)),
            };
            for entry in entries {
                let entry = entry.map_err(|e| failed("listing of", "the store", &e))?;
                let Ok(part) = entry.file_name().into_string() else {
                    continue;
                };
                let name = format!("{inside}{part}");
                let kind = entry
                    .file_type()
                    .map_err(|e| failed("listing of", &name, &e))?;
                if kind.is_file() {
                    if name.starts_with(prefix) {
                        files.push((entry.path(), name));
                    }
                } else if kind.is_dir() && inside.split('/').count() < 3 {
                    folders.push((entry.path(), format!("{name}/")));
                }
            }
        }
        Ok(files)
    }

    /// Writes and syncs bytes beside `path` under a name nobody lists; gives that name.
    fn write_unpublished(&self, path: &Path, bytes: &[u8]) -> io::Result<Unpublished> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let folder = path.parent().unwrap_or(&self.dir);
        make_folder(folder)?;
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let beside = folder.join(format!(".{}.{count}.unpublished", std::process::id()));
        // A dead process with our id may have left one of the same name.
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)?;
        let mut unpublished = Unpublished { path: beside, file };
        unpublished.file.lock()?;
        unpublished.file.write_all(bytes)?;
        unpublished.file.sync_all()?;
        Ok(unpublished)
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let unpublished = self.write_unpublished(path, bytes)?;
        fs::rename(&unpublished.path, path)?;
        sync_folder(path.parent())
    }
}

impl Storage for FileStorage {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Put> {
        let path = self.path(name)?;
        let publish = || {
            if path.exists() {
                // Its maker may not have come to this yet.
                sync_folder(path.parent())?;
                return Ok(Put::Refused);
            }
            let unpublished = self.write_unpublished(&path, bytes)?;
            // A link, unlike a rename, never replaces what is there.
            match fs::hard_link(&unpublished.path, &path) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(Put::Refused),
                linked => linked?,
            }
            drop(unpublished);
            sync_folder(path.parent())?;
            Ok(Put::Done)
        };
        publish().map_err(|e| failed("creation of", name, &e))
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let path = self.path(name)?;
        let read = || {
            let mut file = File::open(&path)?;
            let end = range.end.min(file.metadata()?.len());
            let wanted = end.saturating_sub(range.start);
            let mut bytes =
                Vec::with_capacity(usize::try_from(wanted).map_err(|_| ErrorKind::OutOfMemory)?);
            file.seek(SeekFrom::Start(range.start))?;
            file.take(wanted).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        present(read()).map_err(|e| failed("read of", name, &e))
    }

    fn map(&self, name: &str) -> Result<Option<Mapped>> {
        let path = self.path(name)?;
        let map = || Mapped::file(&File::open(&path)?);
        present(map()).map_err(|e| failed("mapping of", name, &e))
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        let size = fs::metadata(self.path(name)?).map(|metadata| metadata.len());
        present(size).map_err(|e| failed("size of", name, &e))
    }

    fn list_with(&self, prefix: &str) -> Result<Vec<Listed>> {
        let mut objects = Vec::new();
        let now = SystemTime::now();
        for (path, name) in self.walk(prefix)? {
            if check_name(&name).is_err() {
                continue;
            }
            let metadata =
                present(fs::metadata(&path)).map_err(|e| failed("listing of", &name, &e))?;
            // Deleted since it was seen.
            let Some(metadata) = metadata else { continue };
            let age = metadata
                .modified()
                .ok()
                .and_then(|at| now.duration_since(at).ok());
            objects.push(Listed {
                name,
                size: metadata.len(),
                age_ms: age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            });
        }
        objects.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(objects)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let names = self.walk(prefix)?.into_iter().map(|(_, name)| name);
        let mut names: Vec<String> = names.filter(|name| check_name(name).is_ok()).collect();
        names.sort();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        let remove = || {
            for lock in [
                lock_path(&path),
                lock_path(&self.dir.join(format!("{name}{TURN}"))),
            ] {
                present(fs::remove_file(lock))?;
            }
            if present(fs::remove_file(&path))?.is_some() {
                sync_folder(path.parent())?;
            }
            Ok(())
        };
        remove().map_err(|e| failed("deletion of", name, &e))
    }

    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> Result<Put> {
        let path = self.path(name)?;
        let append = || {
            let mut file = OpenOptions::new().write(true).open(&path)?;
            if file.metadata()?.len() != at {
                return Ok(Put::Refused);
            }
            file.seek(SeekFrom::Start(at))?;
            file.write_all(bytes)?;
            Ok(Put::Done)
        };
        append().map_err(|e| failed("append to", name, &e))
    }

    fn sync(&self, name: &str) -> Result<()> {
        let synced = File::open(self.path(name)?).and_then(|file| file.sync_data());
        synced.map_err(|e| failed("sync of", name, &e))
    }

    fn settle(&self, name: &str, from: u64) -> Result<()> {
        let path = self.path(name)?;
        let settle = || {
            let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
            let (mut at, mut part) = (from, vec![0; LOG_READ_BYTES]);
            loop {
                file.seek(SeekFrom::Start(at))?;
                let count = file.read(&mut part)?;
                if count == 0 {
                    return file.sync_data();
                }
                file.seek(SeekFrom::Start(at))?;
                file.write_all(&part[..count])?;
                at += count as u64;
            }
        };
        settle().map_err(|e| failed("sync of", name, &e))
    }

    fn truncate(&self, name: &str, size: u64) -> Result<()> {
        let path = self.path(name)?;
        let truncate = || {
            let file = OpenOptions::new().write(true).open(&path)?;
            match file.metadata()?.len() > size {
                true => file.set_len(size),
                false => Ok(()),
            }
        };
        truncate().map_err(|e| failed("truncation of", name, &e))
    }

    fn swap_ref(&self, name: &str, expected: Option<&[u8]>, bytes: &[u8]) -> Result<Put> {
        let path = self.path(name)?;
        let swap = || {
            make_folder(&self.dir)?;
            let lock = open_lock(&self.dir.join(REFS_LOCK))?;
            lock.lock()?;
            if present(fs::read(&path))?.as_deref() != expected {
                return Ok(Put::Refused);
            }
            self.replace(&path, bytes)?;
            Ok(Put::Done)
        };
        swap().map_err(|e| failed("change of", name, &e))
    }

    fn held(&self, prefix: &str) -> Result<Vec<HeldLock>> {
        let mut held = Vec::new();
        for (path, file_name) in self.walk(prefix)? {
            let Some(name) = file_name.strip_suffix(".lock") else {
                continue;
            };
            let look = || {
                let Some(file) = present(File::open(&path))? else {
                    return Ok(None);
                };
                match file.try_lock() {
                    Ok(()) => {
                        // Its holder is dead, or about to take it: that one looks whether it has.
                        if name.starts_with(PINS) {
                            present(fs::remove_file(&path))?;
                        }
                        Ok(None)
                    }
                    Err(TryLockError::WouldBlock) => {
                        let mut holder = String::new();
                        file.take(LOG_READ_BYTES as u64)
                            .read_to_string(&mut holder)?;
                        Ok(Some(holder))
                    }
                    Err(TryLockError::Error(e)) => Err(e),
                }
            };
            let holder = look().map_err(|e| failed("look at the lock of", name, &e))?;
            held.extend(holder.map(|holder| HeldLock {
                name: name.to_owned(),
                holder,
            }));
        }
        held.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(held)
    }

    fn try_lock(&self, name: &str, holder: &str) -> Result<LockAttempt> {
        let path = lock_path(&self.path(name)?);
        let attempt = || {
            make_folder(path.parent().unwrap_or(&self.dir))?;
            let mut file = open_lock(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let read = file.take(1024).read_to_string(&mut text);
                    return Ok(LockAttempt::Busy(
                        read.map_or_else(|_| String::new(), |_| text),
                    ));
                }
                Err(TryLockError::Error(e)) => return Err(e),
            }
            // The text is for people only: losing it loses nothing.
            file.write_all(holder.as_bytes())?;
            file.set_len(holder.len() as u64)?;
            Ok(LockAttempt::Taken(Box::new(FileLock { _file: file })))
        };
        attempt().map_err(|e| failed("locking of", name, &e))
    }
}

/// The text of a file that a caller named, at most `bytes_max` long.
pub fn read_text(path: &Path, bytes_max: usize) -> Result<String> {
    let shown = path.display().to_string();
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(bytes_max as u64 + 1).read_to_string(&mut text))
        .map_err(|cause| {
            let message = format!("the file {shown} cannot be read: {cause}");
            Error::new(Code::Import, message).with("file", shown.clone())
        })?;
    if read > bytes_max {
        let message = format!("the file {shown} is longer than {bytes_max} bytes");
        return Err(Error::new(Code::Limit, message).with("file", shown));
    }
    Ok(text)
}

/// A taken lock file; closing it gives the lock up.
#[derive(Debug)]
struct FileLock {
    _file: File,
}

impl WriterLock for FileLock {}

/// A file that has no name yet that anybody reads; removed when dropped.
struct Unpublished {
    path: PathBuf,
    /// Locked as long as its writer lives.
    file: File,
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove; what a crash leaves is swept later.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_unpublished(name: &str) -> bool {
    name.ends_with(".unpublished")
        && name
            .rsplit('/')
            .next()
            .is_some_and(|part| part.starts_with('.'))
}

fn lock_path(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Removes the empty folders at most `depth` below this one, then this one if it is empty.
fn remove_folders(folder: &Path, depth: usize) -> io::Result<()> {
    if depth > 0 {
        for entry in present(fs::read_dir(folder))?.into_iter().flatten() {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                remove_folders(&entry.path(), depth - 1)?;
            }
        }
    }
    match fs::remove_dir(folder) {
        Ok(()) => sync_folder(folder.parent()),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Makes a folder and its parents, each name durable in the folder above it.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent)?;
    }
    match fs::create_dir(folder) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        made => made?,
    }
    sync_folder(folder.parent())
}

/// Makes the names in a folder durable.
fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = folder
        .filter(|path| !path.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The error a caller gets: what was done to which name, and the system's reason, without its path.
fn failed(operation: &str, name: &str, cause: &io::Error) -> Error {
    if cause.kind() == ErrorKind::NotFound {
        return missing(operation, name);
    }
    let no_descriptor = cause
        .raw_os_error()
        .is_some_and(|code| NO_DESCRIPTOR.contains(&code));
    let full = matches!(
        cause.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    );
    let code = if full || no_descriptor {
        Code::StorageFull
    } else {
        Code::Storage
    };
    Error::new(code, format!("{operation} {name} failed: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::WriterLease;

    #[test]
    fn what_a_crashed_writer_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let storage = FileStorage::at(dir.path().join("db"));
        storage.create("log/main", b"bytes").unwrap();
        let orphan = dir.path().join("db/log/.1.0.unpublished");
        fs::write(&orphan, b"half").unwrap();
        let writing = storage
            .write_unpublished(&dir.path().join("db/log/x"), b"")
            .unwrap();
        assert_eq!(storage.list("").unwrap(), ["log/main"]);
        assert_eq!(storage.sweep().unwrap(), 1);
        assert!(!orphan.exists() && writing.path.exists());
    }

    #[test]
    fn removal_spares_the_files_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let storage = FileStorage::at(dir.path().join("db"));
        storage.swap_ref("refs/main", None, b"head").unwrap();
        let lock = WriterLease::acquire(&storage, "refs/main", 0, 0).unwrap();
        fs::write(dir.path().join("db/letter.txt "), b"not ours").unwrap();
        drop(lock);
        storage.delete("refs/main").unwrap();
        storage.remove_empty().unwrap();
        assert!(storage.exists(), "somebody's file is there");
        fs::remove_file(dir.path().join("db/letter.txt ")).unwrap();
        storage.remove_empty().unwrap();
        assert!(!storage.exists());
    }

    #[test]
    fn errors_name_the_object_and_no_path() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("log"), b"a file where a folder must be").unwrap();
        let storage = FileStorage::at(dir.path());
        let error = storage.create("log/main", b"").unwrap_err();
        assert_eq!(error.code(), Code::Storage);
        assert!(
            error.message().starts_with("creation of log/main failed: "),
            "{error}"
        );
        let full = failed("append to", "log/main", &io::Error::from_raw_os_error(28));
        let descriptors = failed("append to", "log/main", &io::Error::from_raw_os_error(24));
        assert_eq!(
            (full.code(), descriptors.code()),
            (Code::StorageFull, Code::StorageFull)
        );
    }
}
