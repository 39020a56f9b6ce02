//! Checking a store: every object against its checksums, every branch against what must hold.
//!
//! Nothing of the store need be in order for it, and nothing is changed. Refs are read first and what
//! they name after them; a branch that changes meanwhile is looked at again.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

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
use crate::store::{Log, MemoryStorage, OnDamage, RecordView, Start, Storage};
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
    open_ends: Vec<(String, Uuid)>,
    report: VerifyReport,
}

impl Walk<'_> {
    fn has(&self, prefix: &str) -> bool {
        self.sizes.keys().any(|name| name.starts_with(prefix))
    }

    /// Reports an error that says something about the store; others end the check.
    fn take_in(&mut self, error: Error, file: Option<&str>) -> Result<()> {
        let finding = finding_of(error, file)?;
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
            Err(error) => findings.push(finding_of(error, Some(&place.name()))?),
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
            let name = segment::name(stamp.digest);
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
        if let Some(log) = self.log(place, name)?
            && log.is_sealed()
        {
            self.open_ends.push((place.name(), log.tip().commit));
        }
        Ok(())
    }

    /// A sealed log goes on in the one its ref names next. Where a ref still names the sealed one,
    /// either its writer died in between, or the ref is an old one.
    fn find_lost_ends(&mut self) -> Result<()> {
        if self.open_ends.is_empty() {
            return Ok(());
        }
        let logs = self.storage.list("log/")?.into_iter();
        let others: Vec<String> = logs.filter(|log| !self.own_logs.contains(log)).collect();
        for name in others {
            let mut follows = None;
            let mut first = |record: RecordView<'_>| {
                follows = follows.or(Some(record.previous));
                Ok(())
            };
            let storage = Arc::clone(self.storage);
            // What is damaged is told elsewhere, and a log that nobody needs may be anything.
            let _ = Log::open(storage, &name, Start::First, OnDamage::Refuse, &mut first);
            let end = self.open_ends.iter().find(|(_, end)| follows == Some(*end));
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

/// What an error says of the store; one that says nothing of it is an error of the check.
fn finding_of(error: Error, file: Option<&str>) -> Result<Finding> {
    match error.code() {
        Code::CorruptLog
        | Code::CorruptSegment
        | Code::MissingSegment
        | Code::SnapshotExpired
        | Code::Purged
        | Code::FormatVersion
        | Code::ConfigInvalid
        | Code::DbDoesNotExist
        | Code::Fenced => Ok(Finding::of(&error, file)),
        _ => Err(error),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::{Path, PathBuf};

    use crate::conn::branch::BranchPoint;
    use crate::conn::checkpoint::Checkpoint;
    use crate::conn::reference::MAIN;
    use crate::conn::tests::{branch, code};
    use crate::conn::{
        Config, Conn, Depth, VerifyOptions, VerifyReport, create_database, verify_database,
    };
    use crate::edn;
    use crate::error::Code;
    use crate::transact::TxData;

    pub(in crate::conn) fn config(path: &Path, branch: &str) -> Config {
        let text = format!("{{:store {{:backend :file :path {path:?}}} :branch :{branch}}}");
        Config::from_value(&edn::read(&text).unwrap()).unwrap()
    }

    pub(in crate::conn) fn transact(conn: &Conn, text: &str) {
        conn.transact(&TxData::new(edn::read(text).unwrap()))
            .unwrap();
    }

    /// A small database with a file of every kind: a root with segments, two branches, a log that is
    /// written to and one that is done, history, values of every size.
    pub(in crate::conn) fn make(path: &Path) {
        create_database(&config(path, MAIN)).unwrap();
        let conn = Conn::connect(&config(path, MAIN)).unwrap();
        transact(
            &conn,
            "[{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
              {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
              {:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]",
        );
        for n in 0..30 {
            let friend = n / 2;
            transact(
                &conn,
                &format!(
                    "[{{:name \"person {friend}\"}} {{:name \"person {n}\" :age {n} :friend [[:name \"person {friend}\"]]}}
                      {{:name \"{}\" :age 7}}]",
                    "long ".repeat(1 + n % 3)
                ),
            );
            if n == 10 || n == 20 {
                assert_eq!(conn.checkpoint().unwrap(), Checkpoint::Done);
            }
            if n == 15 {
                let head = BranchPoint::Branch(branch(MAIN));
                conn.create_branch(&head, &branch("side")).unwrap();
            }
        }
        let side = Conn::connect(&config(path, "side")).unwrap();
        transact(&side, "[{:name \"person 1\" :age 99} {:name \"beside\"}]");
        side.release();
        conn.release();
    }

    fn verify(path: &Path, depth: Depth) -> VerifyReport {
        let options = VerifyOptions {
            depth,
            ..VerifyOptions::default()
        };
        verify_database(&config(path, MAIN), &options).unwrap()
    }

    /// The files of a store that hold something, by their names in the store.
    fn files(path: &Path) -> Vec<(String, PathBuf)> {
        let mut found = Vec::new();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let file = entry.unwrap().path();
                let name = file.strip_prefix(path).unwrap().to_str().unwrap();
                match file.is_dir() {
                    true => folders.push(file),
                    false if name.ends_with(".lock") => {}
                    false => found.push((name.to_owned(), file)),
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_database_as_it_was_written_is_in_order() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        for depth in [Depth::Rows, Depth::History] {
            let report = verify(dir.path(), depth);
            assert!(report.is_ok(), "{:?}", report.errors);
            assert_eq!(report.branches.len(), 2);
            let side = &report.branches[1];
            assert_eq!(
                (side.branch.as_str(), side.t, side.commits),
                ("side", 18, 18)
            );
            assert!(side.past > 0 && report.segments > 4 && report.roots == 2);
            assert!(report.logs >= 3 && report.bytes > 10_000, "{report:?}");
            let status = report.to_value();
            assert_eq!(status.get("status").unwrap().to_string(), ":ok");
        }
        let nowhere = config(&dir.path().join("nowhere"), MAIN);
        let verified = verify_database(&nowhere, &VerifyOptions::default());
        assert_eq!(code(verified), Code::DbDoesNotExist);
    }

    /// Bits of every file that counts are flipped; what nobody needs may be anything.
    #[test]
    fn damage_is_noticed_and_named() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let clean = verify(dir.path(), Depth::Rows);
        let mut garbage = 0;
        for (name, file) in files(dir.path()) {
            let bytes = std::fs::read(&file).unwrap();
            let mut unnoticed = 0;
            let places = [0, 9, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1];
            for at in places {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                std::fs::write(&file, &changed).unwrap();
                let report = verify(dir.path(), Depth::Rows);
                let named = report.errors.iter().any(|finding| {
                    let is_named = finding.file.as_deref() == Some(&name);
                    is_named || finding.what.contains(&name)
                });
                assert!(named != report.is_ok(), "{name}: {:?}", report.errors);
                unnoticed += usize::from(report.is_ok());
            }
            assert!(unnoticed == 0 || unnoticed == places.len(), "{name}");
            garbage += u64::from(unnoticed > 0);
            std::fs::write(&file, &bytes).unwrap();
        }
        assert_eq!(garbage, clean.garbage);
        assert!(verify(dir.path(), Depth::History).is_ok());
    }

    #[test]
    fn files_that_are_missing_empty_or_in_the_place_of_others_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let all = files(dir.path());
        let kind_of = |name: &str| name.split('/').next().unwrap().to_owned();
        for (at, (name, file)) in all.iter().enumerate() {
            let bytes = std::fs::read(file).unwrap();
            let needed = {
                std::fs::write(file, b"").unwrap();
                !verify(dir.path(), Depth::Rows).is_ok()
            };
            std::fs::remove_file(file).unwrap();
            let gone = verify(dir.path(), Depth::Rows);
            // Without its ref, a branch beside the main one is none.
            let side = name == "refs/side";
            assert_eq!(!gone.is_ok(), needed && !side, "{name}: {:?}", gone.errors);
            let other = all.iter().enumerate();
            let mut other =
                other.filter(|(n, (other, _))| *n != at && kind_of(other) == kind_of(name));
            if let Some((_, (_, other))) = other.next() {
                std::fs::copy(other, file).unwrap();
                let swapped = verify(dir.path(), Depth::Rows);
                assert_eq!(!swapped.is_ok(), needed, "{name}: {:?}", swapped.errors);
            }
            std::fs::write(file, &bytes).unwrap();
        }
        assert!(verify(dir.path(), Depth::Rows).is_ok());
    }

    #[test]
    fn databases_in_memory_are_checked_too() {
        let config = Config::memory(uuid::Uuid::new_v4());
        create_database(&config).unwrap();
        let conn = Conn::connect(&config).unwrap();
        transact(
            &conn,
            "[{:db/ident :x :db/valueType :db.type/long :db/cardinality :db.cardinality/many}]",
        );
        transact(&conn, "[{:x [1 2 3]}]");
        let options = VerifyOptions {
            depth: Depth::History,
            ..VerifyOptions::default()
        };
        let report = conn.verify(&options).unwrap();
        assert!(report.is_ok(), "{:?}", report.errors);
        assert_eq!(report.branches[0].t, 2);
    }
}
