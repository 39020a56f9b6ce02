//! Copying a database to another store: what never changes first, then logs, then refs.
//!
//! The copy is a database itself. A second backup copies what is new. Writers go on meanwhile: refs
//! are read first, what they name is copied, and only then does the other store learn of it.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use super::Conn;
use super::findings::{Progress, map_of, number};
use super::hold::Hold;
use super::object::BYTES_MAX;
use super::pin::MAINTENANCE;
use super::record::{Wanted, each_heading, locate};
use super::reference::{MAIN, PREFIX, Place, Ref, branch_of, name_of};
use super::settings::{self, Settings};
use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::root;
use crate::store::{LockAttempt, Log, OnDamage, Put, Start, Storage};
use crate::value::{Keyword, Value};

/// How often the backup of a branch that is collected while it is read starts anew.
const ATTEMPTS: usize = 8;
/// Bytes of a log that are compared or copied at a time; whole sectors.
const STEP_BYTES: u64 = 4 << 20;

/// What a backup copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// Branches, deleted ones not counted.
    pub branches: u64,
    /// Roots and segments that the other store lacked.
    pub objects: u64,
    /// Bytes of these and of logs.
    pub bytes: u64,
    /// Objects that were there already.
    pub kept: u64,
}

impl BackupReport {
    /// The report as data.
    pub fn to_value(&self) -> Value {
        map_of([
            ("branches", Some(number(self.branches))),
            ("objects", Some(number(self.objects))),
            ("bytes", Some(number(self.bytes))),
            ("kept", Some(number(self.kept))),
        ])
    }
}

impl Conn {
    /// Copies the whole database of this connection to another store; what is there already from an
    /// earlier backup is kept.
    ///
    /// - The other store is a database when the call returns; cut short, it is the one it was before.
    /// - Every segment and root is checked against its name on the way.
    /// - Errors: [`Code::DbAlreadyExists`] if another database is there, [`Code::Fenced`] if
    ///   somebody wrote to the copy, [`Code::Locked`] while another backup is at work there.
    pub fn backup(
        &self,
        target: &Arc<dyn Storage>,
        watch: &dyn Fn(Progress),
    ) -> Result<BackupReport> {
        backup_at(&self.database()?.place().storage, target, watch)
    }
}

/// Copies the database of one store to another; see [`Conn::backup`].
pub fn backup_at(
    source: &Arc<dyn Storage>,
    target: &Arc<dyn Storage>,
    watch: &dyn Fn(Progress),
) -> Result<BackupReport> {
    let missing = || Error::new(Code::DbDoesNotExist, "Database does not exist.");
    let settings = Settings::load(source)?.ok_or_else(missing)?;
    let there = Settings::load(target)?;
    if there
        .as_ref()
        .is_some_and(|there| there.log != settings.log)
    {
        let message = "Another database is in the place of the backup.";
        return Err(Error::new(Code::DbAlreadyExists, message));
    }
    let holder = format!("backup by process {}", std::process::id());
    let _maintenance = match target.try_lock(MAINTENANCE, &holder)? {
        LockAttempt::Taken(lock) => lock,
        LockAttempt::Busy(who) => {
            let message = format!("somebody else writes to the place of the backup: {who}");
            return Err(Error::new(Code::Locked, message));
        }
    };
    let mut backup = Backup {
        source,
        target,
        met: HashSet::new(),
        report: BackupReport::default(),
        watch,
    };
    let mut names = source.list(PREFIX)?;
    let main = name_of(&Keyword::new(MAIN));
    if !names.contains(&main) {
        names.push(main);
    }
    for branch in names.iter().filter_map(|name| branch_of(name)) {
        let place = Place::new(Arc::clone(source), settings.log.clone(), branch);
        backup.branch(&place)?;
    }
    if there.is_none() {
        let bytes = source.read(settings::NAME, 0..BYTES_MAX)?;
        target.create(settings::NAME, &bytes.ok_or_else(missing)?)?;
    }
    Ok(backup.report)
}

struct Backup<'b> {
    source: &'b Arc<dyn Storage>,
    target: &'b Arc<dyn Storage>,
    /// Objects that are there, copied or not.
    met: HashSet<String>,
    report: BackupReport,
    watch: &'b dyn Fn(Progress),
}

impl Backup<'_> {
    fn branch(&mut self, place: &Place) -> Result<()> {
        let mut failed = None;
        for _ in 0..ATTEMPTS {
            let found = place.load()?;
            let Some(reference) = found.reference else {
                return self.forget(place, found.bytes);
            };
            let hold = Hold::branch(place)?;
            if !hold.refs.iter().any(|(_, held)| *held == reference) {
                continue;
            }
            match self.copy(&reference) {
                Ok(()) => {
                    self.report.branches += 1;
                    return self.publish(place, found.bytes);
                }
                // Where nothing can be held, what the ref named may have been collected because the
                // branch went on.
                Err(error) if error.code() == Code::MissingSegment => {
                    if place.read()? == found.bytes {
                        return Err(error);
                    }
                    failed = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(failed.unwrap_or_else(|| Error::new(Code::Fenced, "the branch never stood still")))
    }

    /// Copies what a ref names.
    fn copy(&mut self, reference: &Ref) -> Result<()> {
        if let Some(digest) = reference.root {
            let name = root::name(digest);
            if !self.met.contains(&name) {
                let root = root::load(&**self.source, digest)?;
                for stamp in root.stamps() {
                    self.object(&stamp.name(), stamp.digest)?;
                }
                self.object(&name, digest)?;
            }
        }
        let mut logs: Vec<&str> = reference.base.iter().map(|piece| &*piece.log).collect();
        logs.dedup();
        for log in logs {
            self.log(log)?;
        }
        // The first write makes it.
        match self.source.size(&reference.log)? {
            Some(_) => self.log(&reference.log),
            None => {
                reference.without_log::<()>()?;
                match self.target.size(&reference.log)? {
                    Some(_) => Err(written_to(&reference.log)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Copies an object that is named by its bytes.
    fn object(&mut self, name: &str, digest: Digest) -> Result<()> {
        if !self.met.insert(name.to_owned()) {
            return Ok(());
        }
        let copied = self.object_unmet(name, digest);
        if copied.is_err() {
            self.met.remove(name);
        }
        copied
    }

    fn object_unmet(&mut self, name: &str, digest: Digest) -> Result<()> {
        let size = self.source.size(name)?;
        let there = self.target.size(name)?;
        if there.is_some() && there == size {
            self.report.kept += 1;
            return Ok(());
        }
        let bytes = self.source.read(name, 0..u64::MAX)?.ok_or_else(|| {
            Error::new(Code::MissingSegment, format!("{name} is not there")).with("file", name)
        })?;
        let got = Digest::of(&bytes);
        if got != digest {
            let message =
                format!("{name} is damaged and was not copied: its bytes are those of {got}");
            return Err(Error::new(Code::CorruptSegment, message)
                .with("file", name)
                .with("expected", digest.to_string())
                .with("got", got.to_string()));
        }
        if there.is_some() {
            self.target.delete(name)?;
        }
        self.target.create(name, &bytes)?;
        self.report.objects += 1;
        self.copied(bytes.len() as u64);
        Ok(())
    }

    /// Copies what a log has beyond its copy, up to its last whole group.
    fn log(&mut self, name: &str) -> Result<()> {
        if self.met.contains(name) {
            return Ok(());
        }
        let storage = Arc::clone(self.source);
        let gone =
            || Error::new(Code::MissingSegment, format!("{name} is not there")).with("file", name);
        let opened = Log::open(storage, name, Start::First, OnDamage::Refuse, &mut |_| {
            Ok(())
        });
        let (log, _) = opened.map_err(|error| match error.code() {
            Code::DbDoesNotExist => gone(),
            _ => error.with("file", name),
        })?;
        // Its writer may have died before its own sync.
        let synced = self.source.sync(name);
        let size = self.source.size(name)?.ok_or_else(gone)?;
        synced?;
        let end = match log.is_sealed() {
            true => size,
            false => log.tip().end,
        };
        let mut at = self.kept_of(name, end)?;
        while at < end {
            let bytes = self.read(name, at..end.min(at + STEP_BYTES))?;
            let put = match at {
                0 => self.target.create(name, &bytes)?,
                _ => self.target.append(name, at, &bytes)?,
            };
            if put == Put::Refused {
                return Err(written_to(name));
            }
            at += bytes.len() as u64;
            self.copied(bytes.len() as u64);
        }
        self.target.sync(name)?;
        self.met.insert(name.to_owned());
        Ok(())
    }

    /// How much of a log its copy has already; what a copy that was cut short left behind that is
    /// dropped.
    fn kept_of(&self, name: &str, end: u64) -> Result<u64> {
        let Some(there) = self.target.size(name)? else {
            return Ok(0);
        };
        let at = self.same(name, there.min(end))?;
        if at == there {
            return Ok(at);
        }
        // Only what this copy's own crash left is taken back: a whole group is somebody's data.
        let copy = Log::open(
            Arc::clone(self.target),
            name,
            Start::First,
            OnDamage::ReadBefore,
            &mut |_| Ok(()),
        );
        match copy {
            Ok((copy, _)) if copy.tip().end <= at && !copy.is_sealed() => {
                self.target.truncate(name, at)?;
                self.target.sync(name)?;
                Ok(at)
            }
            _ => Err(written_to(name)),
        }
    }

    /// How many of the first bytes of a log are the same in its copy.
    fn same(&self, name: &str, end: u64) -> Result<u64> {
        let mut at = 0;
        while at < end {
            let range = at..end.min(at + STEP_BYTES);
            let ours = self.read(name, range.clone())?;
            let theirs = self.target.read(name, range)?.unwrap_or_default();
            let pairs = ours.iter().zip(&theirs);
            let same = pairs.take_while(|(a, b)| a == b).count();
            at += same as u64;
            if same < ours.len() {
                break;
            }
        }
        Ok(at)
    }

    fn read(&self, name: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>> {
        let bytes = self.source.read(name, range.clone())?.unwrap_or_default();
        match bytes.len() as u64 == range.end - range.start {
            true => Ok(bytes),
            false => Err(
                Error::new(Code::MissingSegment, format!("{name} became shorter"))
                    .with("file", name),
            ),
        }
    }

    /// Lets the copy's branch be what the source's was.
    fn publish(&self, place: &Place, bytes: Option<Vec<u8>>) -> Result<()> {
        // The main branch has no ref of its own at first.
        let Some(bytes) = bytes else { return Ok(()) };
        let name = place.name();
        let there = self.target.read(&name, 0..BYTES_MAX)?;
        if there.as_ref() == Some(&bytes) {
            return Ok(());
        }
        self.check_copy(place)?;
        match self.target.swap_ref(&name, there.as_deref(), &bytes)? {
            Put::Done => Ok(()),
            Put::Refused => Err(written_to(&name)),
        }
    }

    /// Refuses to undo what somebody wrote to the copy: the commit it is at must be one of the
    /// source's.
    fn check_copy(&self, place: &Place) -> Result<()> {
        let copy = self.copy_of(place);
        let Some((at, commit)) = head_of(&copy)?.filter(|(_, commit)| !commit.is_nil()) else {
            return Ok(());
        };
        let mut is_ours = false;
        let hold = Hold::all(place)?;
        if let Some((_, reference)) = hold.refs.iter().find(|(branch, _)| *branch == place.branch) {
            each_heading(place, reference, at, &mut |_, record| {
                is_ours = record.commit == commit;
                Ok(match record.t < at {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                })
            })?;
        }
        // A branch that was put to another commit, or made anew, is at home elsewhere.
        match is_ours
            || locate(place, &hold, Wanted::id(commit))?.is_some()
            || self.has_copied_log(&copy)?
        {
            true => Ok(()),
            false => Err(written_to(&place.name())),
        }
    }

    /// Whether what a branch of the copy wrote last is the start of a log of the source.
    fn has_copied_log(&self, copy: &Place) -> Result<bool> {
        let Some(Ref { log, .. }) = copy.load()?.reference else {
            return Ok(false);
        };
        let sizes = (self.source.size(&log)?, self.target.size(&log)?);
        let (Some(ours), Some(theirs)) = sizes else {
            return Ok(false);
        };
        Ok(theirs <= ours && self.same(&log, theirs)? == theirs)
    }

    fn copy_of(&self, place: &Place) -> Place {
        let (database, branch) = (place.database.clone(), place.branch.clone());
        Place::new(Arc::clone(self.target), database, branch)
    }

    /// A branch that was deleted is deleted in the copy too.
    fn forget(&self, place: &Place, bytes: Option<Vec<u8>>) -> Result<()> {
        let copy = self.copy_of(place);
        // A log that the source collected says nothing any more: the branch stays in the copy.
        match copy.load()?.reference.is_some() && self.has_copied_log(&copy)? {
            true => self.publish(place, bytes),
            false => Ok(()),
        }
    }

    fn copied(&mut self, bytes: u64) {
        self.report.bytes += bytes;
        (self.watch)(Progress {
            stage: "bytes copied",
            done: self.report.bytes,
            total: 0,
        });
    }
}

/// The t and the commit that a branch is at; none if there is no such branch.
fn head_of(place: &Place) -> Result<Option<(u64, Uuid)>> {
    if !settings::is_there(&*place.storage)? {
        return Ok(None);
    }
    let Some(reference) = place.load()?.reference else {
        return Ok(None);
    };
    let origin = match Log::open_at_end(Arc::clone(&place.storage), &reference.log) {
        Ok(log) => log.origin(),
        Err(error) if error.code() == Code::DbDoesNotExist => reference.origin,
        Err(error) => return Err(error),
    };
    Ok(Some((origin.t, origin.commit)))
}

fn written_to(name: &str) -> Error {
    let message = format!(
        "the backup has been written to: {name} is no copy any more; back up to another place"
    );
    Error::new(Code::Fenced, message).with("file", name)
}
