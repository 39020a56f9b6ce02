//! Checking a store: every object against its checksums, every branch against what must hold.
//!
//! Nothing of the store need be in order for it, and nothing is changed. Refs are read first and what
//! they name after them; a branch that changes meanwhile is looked at again.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::findings::{BranchReport, Finding, Progress, VerifyReport};
use super::history;
use super::lineage::Lineage;
use super::rebuild::{Rebuild, Redacted};
use super::record::{Stand, each_record};
use super::reference::{MAIN, PREFIX, Place, Ref, branch_of, name_of};
use super::registry::store_of;
use super::settings::{self, Settings};
use super::{Config, Conn};
use crate::datom::TX0;
use crate::db::{Db, Options};
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::index::{Dictionary, Digest};
use crate::root::{self, Prints, Root};
use crate::segment::{self, SegmentStamp, Segments};
use crate::store::{Log, MemoryStorage, OnDamage, RecordView, Start, Storage, Tip};
use crate::value::Keyword;

/// How often a branch that changes while it is checked is looked at again.
const ATTEMPTS: usize = 8;

/// How thoroughly a store is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// All bytes, all rows, all commit ids.
    #[default]
    Rows,
    /// Also: each branch is made anew from its transactions and must have the same rows.
    History,
}

/// What is checked, and who is told.
pub struct VerifyOptions<'a> {
    /// How thoroughly.
    pub depth: Depth,
    /// An empty store for what [`Depth::History`] makes; none is memory.
    pub scratch: Option<Arc<dyn Storage>>,
    /// Told how far it is.
    pub watch: &'a dyn Fn(Progress),
}

impl Default for VerifyOptions<'_> {
    fn default() -> Self {
        VerifyOptions {
            depth: Depth::Rows,
            scratch: None,
            watch: &|_| {},
        }
    }
}

impl Conn {
    /// Checks the whole store of this database; see [`verify_database`].
    pub fn verify(&self, options: &VerifyOptions<'_>) -> Result<VerifyReport> {
        verify_at(&self.database()?.place().storage, options)
    }
}

/// Checks the store of a database that need not be fit to connect to.
///
/// - Damage is what the report is for; errors are for stores that cannot be read at all, and
///   [`Code::DbDoesNotExist`].
/// - Memory: the values of one attribute, a leaf of rows, a chunk of a segment.
/// - Cost: that of reading everything once or twice; [`Depth::History`] also makes it anew.
pub fn verify_database(config: &Config, options: &VerifyOptions<'_>) -> Result<VerifyReport> {
    let missing = || Error::new(Code::DbDoesNotExist, "Database does not exist.");
    let storage = store_of(config).ok_or_else(missing)?;
    verify_at(&storage, options).map_err(|error| match error.code() {
        Code::DbDoesNotExist => error.with("config", config.to_value()),
        _ => error,
    })
}

/// Checks a store of the caller's; see [`verify_database`].
pub fn verify_at(storage: &Arc<dyn Storage>, options: &VerifyOptions<'_>) -> Result<VerifyReport> {
    let mut sizes = HashMap::new();
    for object in storage.list_with("")? {
        sizes.insert(object.name, object.size);
    }
    let mut walk = Walk {
        storage,
        options,
        total: sizes.values().sum(),
        sizes,
        looked_at: HashSet::from([settings::NAME.to_owned()]),
        own_logs: HashSet::new(),
        open_ends: Vec::new(),
        report: VerifyReport::default(),
    };
    match Settings::load(storage) {
        Ok(Some(settings)) => walk.database(&settings)?,
        Ok(None) if !walk.has("refs/") && !walk.has("root/") => {
            return Err(Error::new(Code::DbDoesNotExist, "Database does not exist."));
        }
        Ok(None) => {
            let what = "the object database is not there, though roots and refs of one are";
            walk.report.add(Finding::says(Some(settings::NAME), what));
            walk.loose_roots()?;
        }
        Err(error) => {
            walk.take_in(error, Some(settings::NAME))?;
            walk.loose_roots()?;
        }
    }
    walk.count_garbage();
    Ok(walk.report)
}

/// A check of a store at work.
struct Walk<'w> {
    storage: &'w Arc<dyn Storage>,
    options: &'w VerifyOptions<'w>,
    /// The objects that were there at the start, with their bytes.
    sizes: HashMap<String, u64>,
    total: u64,
    /// Objects that belong to the database.
    looked_at: HashSet<String>,
    /// Logs that branches write to.
    own_logs: HashSet<String>,
    /// Refs whose own log is sealed, with the commit it ends with.
    open_ends: Vec<(String, Tip)>,
    report: VerifyReport,
}

impl Walk<'_> {
    fn has(&self, prefix: &str) -> bool {
        self.sizes.keys().any(|name| name.starts_with(prefix))
    }

    /// Reports an error that says something about the store; others end the check.
    fn take_in(&mut self, error: Error, file: Option<&str>) -> Result<()> {
        let finding = Finding::of(error, file)?;
        self.report.add(finding);
        Ok(())
    }

    /// Counts an object as looked at; false if it was before.
    fn meet(&mut self, name: &str) -> bool {
        if !self.looked_at.insert(name.to_owned()) {
            return false;
        }
        let bytes = self.sizes.get(name).copied().unwrap_or_default();
        self.report.bytes += bytes;
        (self.options.watch)(Progress {
            stage: "files",
            done: self.report.bytes,
            total: self.total,
        });
        true
    }

    fn database(&mut self, settings: &Settings) -> Result<()> {
        let mut names = self.storage.list(PREFIX)?;
        let main = name_of(&Keyword::new(MAIN));
        if !names.contains(&main) {
            names.push(main);
        }
        names.sort();
        let mut places = Vec::new();
        for name in names {
            let Some(branch) = branch_of(&name) else {
                continue;
            };
            let place = Place::new(Arc::clone(self.storage), settings.log.clone(), branch);
            match place.load() {
                Ok(found) => match found.reference {
                    Some(reference) => places.push((place, found.bytes, reference)),
                    // Of a branch that was deleted, or of a database that was.
                    None => continue,
                },
                Err(error) => self.take_in(error, Some(&name))?,
            }
            self.looked_at.insert(name);
        }
        for (place, seen, reference) in places {
            self.branch_that_may_change(&place, seen, reference, settings.config.options())?;
        }
        self.find_lost_ends()
    }

    fn branch_that_may_change(
        &mut self,
        place: &Place,
        mut seen: Option<Vec<u8>>,
        mut reference: Ref,
        options: &Options,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let before = (self.report.errors.len(), self.report.branches.len());
            self.branch(place, &reference, options)?;
            if self.report.errors.len() == before.0 {
                return Ok(());
            }
            // What was missed may have been collected because the branch went on.
            match place.load() {
                Ok(found) if found.bytes != seen => {
                    let Some(next) = found.reference else {
                        return Ok(());
                    };
                    (seen, reference) = (found.bytes, next);
                    self.report.errors.truncate(before.0);
                    self.report.branches.truncate(before.1);
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn branch(&mut self, place: &Place, reference: &Ref, options: &Options) -> Result<()> {
        let mut findings = Vec::new();
        if let Some(digest) = reference.root {
            self.root(digest)?;
        }
        let logs = reference.base.iter().map(|piece| piece.log.as_str());
        let mut logs: Vec<&str> = logs.collect();
        logs.dedup();
        for log in logs {
            self.log(place, log)?;
        }
        self.own_log(place, reference)?;
        match self.value(place, options, &mut findings) {
            Ok(Some(report)) => self.report.branches.push(report),
            Ok(None) => {}
            Err(error) => findings.push(Finding::of(error, Some(&place.name()))?),
        }
        for finding in findings {
            self.report.add(finding.in_branch(&place.branch));
        }
        Ok(())
    }

    /// Checks a root and all its segments.
    fn root(&mut self, digest: Digest) -> Result<()> {
        let name = root::name(digest);
        if !self.meet(&name) {
            return Ok(());
        }
        self.report.roots += 1;
        let root = match root::load(&**self.storage, digest) {
            Ok(root) => root,
            Err(error) => return self.take_in(error, Some(&name)),
        };
        let stamps: Vec<SegmentStamp> = root.stamps().copied().collect();
        for stamp in stamps {
            let name = stamp.name();
            if !self.meet(&name) {
                continue;
            }
            self.report.segments += 1;
            let checked = fault::catch(|| segment::check(self.storage, &stamp));
            if let Err(error) = checked {
                self.take_in(error, Some(&name))?;
            }
        }
        Ok(())
    }

    /// Reads all of a log that is there, whatever part of it is needed.
    fn log(&mut self, place: &Place, name: &str) -> Result<Option<Log>> {
        if !self.meet(name) {
            return Ok(None);
        }
        self.report.logs += 1;
        let mut forged = None;
        let storage = Arc::clone(&place.storage);
        let mut look = |record: RecordView<'_>| {
            if !record.is_genuine() {
                forged = forged.or(Some(record.t));
            }
            Ok(())
        };
        let opened = Log::open(storage, name, Start::First, OnDamage::Refuse, &mut look);
        if let Some(t) = forged {
            let what = format!("a commit of {name} at t {t} is not that of its content");
            self.report.add(Finding::says(Some(name), what));
        }
        match opened {
            Ok((log, _)) => Ok(Some(log)),
            Err(error) => {
                let error = match error.code() {
                    Code::DbDoesNotExist => {
                        Error::new(Code::MissingSegment, format!("{name} is not there"))
                    }
                    _ => error,
                };
                self.take_in(error, Some(name))?;
                Ok(None)
            }
        }
    }

    fn own_log(&mut self, place: &Place, reference: &Ref) -> Result<()> {
        let name = &reference.log;
        self.own_logs.insert(name.clone());
        // The first write makes it.
        if !reference.begun && place.storage.size(name)?.is_none() {
            return Ok(());
        }
        // The end of a log that holds nothing is that of another one.
        if let Some(log) = self.log(place, name)?
            && log.is_sealed()
            && log.tip().t > reference.origin.t
        {
            self.open_ends.push((place.name(), log.tip()));
        }
        Ok(())
    }

    /// A sealed log goes on in the one its ref names next. Where a ref still names the sealed one,
    /// either its writer died in between, or the ref is an old one. Logs of branches that were made
    /// from that end begin in an earlier epoch.
    fn find_lost_ends(&mut self) -> Result<()> {
        if self.open_ends.is_empty() {
            return Ok(());
        }
        let logs = self.storage.list("log/")?.into_iter();
        let others: Vec<String> = logs.filter(|log| !self.own_logs.contains(log)).collect();
        for name in others {
            let mut follows = None;
            let mut first = |record: RecordView<'_>| {
                follows = follows.or(Some((record.previous, record.epoch)));
                Ok(())
            };
            let storage = Arc::clone(self.storage);
            // What is damaged is told elsewhere, and a log that nobody needs may be anything.
            let _ = Log::open(storage, &name, Start::First, OnDamage::Refuse, &mut first);
            let goes_on = |end: &Tip| {
                follows.is_some_and(|(previous, epoch)| {
                    previous == end.commit && epoch > end.epoch.saturating_add(1)
                })
            };
            let end = self.open_ends.iter().find(|(_, end)| goes_on(end));
            if let Some((reference, _)) = end {
                let what = format!("{reference} is not what it was: {name} goes on from its end");
                let finding = Finding::says(Some(reference.as_str()), what);
                self.report.add(finding);
            }
        }
        Ok(())
    }

    /// Reads the value of a branch and checks its rows; none where that fails.
    fn value(
        &mut self,
        place: &Place,
        options: &Options,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<BranchReport>> {
        let Some(lineage) =
            fault::catch(|| Lineage::open(place.clone(), place.name(), options.clone()))?
        else {
            return Ok(None);
        };
        let (db, root) = (lineage.db.clone(), lineage.root.clone());
        drop(lineage);
        let chain_place = Place::new(
            Arc::clone(self.storage),
            place.database.clone(),
            place.branch.clone(),
        );
        let chain = fault::catch(|| history::verify(&chain_place, &db))?;
        findings.extend(chain.errors.iter().map(|what| Finding::says(None, what)));
        (self.options.watch)(Progress {
            stage: "rows",
            done: 0,
            total: 0,
        });
        let mut broken = |broken| findings.push(Finding::of_rows(broken));
        let anew = || fresh_dictionary(self.storage, &db, root.as_deref());
        let (counts, prints) = fault::catch(|| Ok(root::check(&db, &anew, &mut broken)))?;
        if self.options.depth == Depth::History && findings.is_empty() {
            self.replayed(&chain_place, (&db, &prints), findings)?;
        }
        Ok(Some(BranchReport {
            branch: place.branch.clone(),
            commit: db.commit_id(),
            t: (db.max_tx().0 - TX0) as u64,
            commits: chain.commits,
            redacted: chain.redacted,
            current: counts.current,
            past: counts.past,
            foreign: counts.foreign,
        }))
    }

    /// Makes a branch anew from its records and compares.
    fn replayed(
        &self,
        place: &Place,
        (db, prints): (&Db, &Prints),
        findings: &mut Vec<Finding>,
    ) -> Result<()> {
        let Some(reference) = place.load()?.reference else {
            return Ok(());
        };
        let memory = || Arc::new(MemoryStorage::default()) as Arc<dyn Storage>;
        let scratch = self.options.scratch.clone().unwrap_or_else(memory);
        let mut rebuild = Rebuild::from(&scratch, None, db.options())?;
        let last = (db.max_tx().0 - TX0) as u64;
        each_record(place, &reference, 0, &mut |stand, record| {
            if record.t > last {
                return Ok(ControlFlow::Break(()));
            }
            let redacted = match stand {
                Stand::Archived { redacted: true } => Redacted::Yes,
                _ => Redacted::No,
            };
            rebuild.add(record, redacted)?;
            if rebuild.is_due() {
                rebuild.fold()?;
                rebuild.sweep()?;
                (self.options.watch)(Progress {
                    stage: "transactions",
                    done: record.t,
                    total: last,
                });
            }
            Ok(ControlFlow::Continue(()))
        })?;
        rebuild.fold()?;
        let made = rebuild.db();
        let shape = |db: &Db| {
            (
                db.commit_id(),
                db.max_tx(),
                db.max_eid(),
                db.dictionary().len(),
            )
        };
        if shape(made) != shape(db) {
            let what = format!(
                "its transactions make {:?}, not {:?} (commit, tx, largest entity, values)",
                shape(made),
                shape(db)
            );
            findings.push(Finding::says(None, what));
        }
        let anew = || made.dictionary().clone();
        let (_, theirs) = fault::catch(|| Ok(root::check(made, &anew, &mut |_| {})))?;
        let mut broken = |broken| findings.push(Finding::of_rows(broken));
        root::compare(db, (prints, &theirs), &mut broken);
        for name in scratch.list("")? {
            scratch.delete(&name)?;
        }
        Ok(())
    }

    /// Checks whatever roots there are, where nothing says which of them count.
    fn loose_roots(&mut self) -> Result<()> {
        for name in self.storage.list("root/")? {
            if let Some(digest) = name.strip_prefix("root/").and_then(Digest::parse) {
                self.root(digest)?;
            }
        }
        Ok(())
    }

    /// Counts what may go: parts of a database that no branch needs.
    fn count_garbage(&mut self) {
        for (name, bytes) in &self.sizes {
            let is_part = ["root/", "segment/", "log/"];
            if is_part.iter().any(|prefix| name.starts_with(prefix))
                && !self.looked_at.contains(name)
            {
                self.report.garbage += 1;
                self.report.garbage_bytes += bytes;
            }
        }
    }
}

/// The dictionary of a value, nothing of its segments read.
fn fresh_dictionary(storage: &Arc<dyn Storage>, db: &Db, root: Option<&Root>) -> Dictionary {
    let segments = Segments::new(Arc::clone(storage));
    let parts = root.map_or(&[][..], |root| &root.dictionary);
    let runs: Vec<_> = parts
        .iter()
        .map(|part| segments.values(&part.stamp, part.start, part.len))
        .collect();
    db.dictionary().rebased(&runs)
}
