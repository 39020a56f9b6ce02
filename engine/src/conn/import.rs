//! Making a database of a dump: its records replayed into segments, each commit id computed anew.
//!
//! The object `database` comes last: an import that was cut short left no database, and the same
//! dump goes on where the refs of the store stand. The name of the first log is made of the dump's
//! digest, so what another dump left is not mistaken for this one's.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use uuid::Uuid;

use super::Config;
use super::config::Backend;
use super::dump::{DumpReader, Frame, Line, Totals, damaged, records};
use super::export::DumpReport;
use super::findings::Progress;
use super::pin::MAINTENANCE;
use super::rebuild::{Rebuild, Redacted};
use super::reference::{MAIN, Place, Ref};
use super::registry::{check_branch, exists, hold_in_memory, store_of};
use super::settings::Settings;
use crate::db::Options;
use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::store::{LockAttempt, MemoryStorage, Origin, Put, Storage};
use crate::value::{Keyword, Value};

/// Makes a database of a dump where `config` points; what else `config` says counts as far as the
/// dump leaves it open.
///
/// - All of the dump is checked before anything is written. A dump that is damaged or cut short is
///   [`Code::Import`] with the `:offset`.
/// - Cut short, it is no database; the same import again goes on where it was.
/// - Commits, transactions, entities and instants are those of the database that was exported.
/// - Errors: [`Code::DbAlreadyExists`], [`Code::Locked`] while another import is at work there.
/// - Memory: [`REBUILD_BYTES`](crate::limits::REBUILD_BYTES) of records and what they change.
pub fn import_database<D: Read + Seek>(
    config: &Config,
    dump: &mut D,
    watch: &dyn Fn(Progress),
) -> Result<DumpReport> {
    if *config.backend() != Backend::Memory {
        let nowhere = || Error::new(Code::Internal, "a folder has a store");
        let storage = store_of(config).ok_or_else(nowhere)?;
        return import_at(&storage, config, dump, watch);
    }
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let report = import_at(&storage, config, dump, watch)?;
    let made = Settings::load(&storage)?.map_or_else(|| config.clone(), |made| made.config);
    hold_in_memory(made, storage)?;
    Ok(report)
}

/// Makes a database of a dump in a store of the caller's; see [`import_database`].
pub fn import_at<D: Read + Seek>(
    storage: &Arc<dyn Storage>,
    config: &Config,
    dump: &mut D,
    watch: &dyn Fn(Progress),
) -> Result<DumpReport> {
    check_branch(config)?;
    if Settings::load(storage)?.is_some() {
        return Err(exists(config));
    }
    let contents = look_through(&mut *dump, watch)?;
    rewind(&mut *dump)?;
    let holder = format!("import by process {}", std::process::id());
    let _maintenance = match storage.try_lock(MAINTENANCE, &holder)? {
        LockAttempt::Taken(lock) => lock,
        LockAttempt::Busy(who) => {
            let message = format!("somebody else writes to the store: {who}");
            return Err(Error::new(Code::Locked, message));
        }
    };
    let mut made = config.clone();
    for (key, value) in contents.head.as_map().into_iter().flatten() {
        if let Some(key) = key.as_keyword() {
            made = made.with(key.as_str(), value.clone())?;
        }
    }
    let settings = Settings {
        config: made,
        log: contents.log_name(),
    };
    let mut import = Import {
        place: Place::new(
            Arc::clone(storage),
            settings.log.clone(),
            Keyword::new(MAIN),
        ),
        options: settings.config.options().clone(),
        forks: contents.forks(),
        line: None,
        done: 0,
        resumed: 0,
        total: contents.totals.records,
        watch,
    };
    import.run(dump, &contents)?;
    match settings.create(&**storage)? {
        Put::Refused => Err(exists(config)),
        Put::Done => Ok(DumpReport {
            branches: contents.totals.branches,
            transactions: contents.totals.records,
            resumed: import.resumed,
            bytes: contents.bytes,
        }),
    }
}

fn rewind(dump: &mut dyn Seek) -> Result<()> {
    let sought = dump.seek(SeekFrom::Start(0));
    sought.map(|_| ()).map_err(|cause| {
        Error::new(
            Code::Storage,
            format!("the dump cannot be read from its start: {cause}"),
        )
    })
}

/// What a look through a dump tells of it.
struct Contents {
    head: Value,
    lines: Vec<Line>,
    totals: Totals,
    digest: [u8; 32],
    bytes: u64,
}

impl Contents {
    fn log_name(&self) -> String {
        let digits = Digest(self.digest).to_string();
        format!("log/{}", &digits[..32])
    }

    /// The branches that begin at a commit of another.
    fn forks(&self) -> HashMap<Uuid, Vec<Keyword>> {
        let mut forks: HashMap<Uuid, Vec<Keyword>> = HashMap::new();
        for line in self.lines.iter().filter(|line| line.from.t > 0) {
            let at = forks.entry(line.from.commit).or_default();
            at.push(line.branch.clone());
        }
        forks
    }
}

/// Checks all of a dump, as far as its own bytes tell.
fn look_through(mut dump: &mut dyn Read, watch: &dyn Fn(Progress)) -> Result<Contents> {
    let mut reader = DumpReader::begin(&mut dump)?;
    let (mut head, mut lines, mut totals) = (None, Vec::new(), None);
    let mut count = 0;
    let mut branches = HashSet::new();
    let mut at = reader.at();
    while let Some(frame) = reader.next_frame()? {
        let out_of_place = || damaged(at, "a frame of it is out of place");
        match frame {
            Frame::Head(value) if head.is_none() && value.as_map().is_some() => head = Some(value),
            Frame::Line(line) if head.is_some() && branches.insert(line.branch.clone()) => {
                lines.push(line);
            }
            Frame::Records(body) if !lines.is_empty() => {
                let counted = records(&body, &mut |_| {
                    count += 1;
                    Ok(())
                });
                counted.map_err(|error| damaged(at, error.message()))?;
            }
            Frame::End(said) if said.branches == lines.len() as u64 && said.records == count => {
                totals = Some(said);
            }
            _ => return Err(out_of_place()),
        }
        at = reader.at();
        watch(Progress {
            stage: "check of the dump",
            done: at,
            total: 0,
        });
    }
    let is_main = |line: &Line| line.branch.as_str() == MAIN && line.from.t == 0;
    match (head, totals) {
        (Some(head), Some(totals)) if lines.first().is_some_and(is_main) => Ok(Contents {
            head,
            lines,
            totals,
            digest: reader.digest(),
            bytes: reader.at(),
        }),
        _ => Err(damaged(at, "it has no branch :db")),
    }
}

/// An import at work.
struct Import<'i> {
    place: Place,
    options: Options,
    forks: HashMap<Uuid, Vec<Keyword>>,
    /// The branch at hand.
    line: Option<(Place, Rebuild)>,
    done: u64,
    resumed: u64,
    total: u64,
    watch: &'i dyn Fn(Progress),
}

impl Import<'_> {
    fn run(&mut self, mut dump: &mut dyn Read, contents: &Contents) -> Result<()> {
        let mut reader = DumpReader::begin(&mut dump)?;
        let mut at = reader.at();
        while let Some(frame) = reader.next_frame()? {
            match frame {
                Frame::Head(_) => {}
                Frame::Line(line) => {
                    self.finish_line()?;
                    self.begin_line(&line)?;
                }
                Frame::Records(body) => {
                    let place = |error: Error| match error.code() {
                        Code::CorruptLog => damaged(at, error.message()),
                        _ => error,
                    };
                    self.records(&body).map_err(place)?;
                }
                Frame::End(_) => self.finish_line()?,
            }
            at = reader.at();
        }
        match reader.digest() == contents.digest {
            true => Ok(()),
            false => Err(damaged(at, "it changed while it was read")),
        }
    }

    /// Goes on with a branch where an earlier attempt left it, or where it begins.
    fn begin_line(&mut self, line: &Line) -> Result<()> {
        let place = self.place.of(&line.branch);
        let reference = place.load()?.reference;
        let root = reference.and_then(|reference| reference.root);
        let rebuild = Rebuild::from(&place.storage, root, &self.options)?;
        if rebuild.at().t < line.from.t || (line.from.t == 0 && line.from != Origin::default()) {
            let message = format!(
                "the dump lets the branch {} begin at the commit {}, which no branch before it has",
                line.branch, line.from.commit
            );
            return Err(Error::new(Code::Import, message));
        }
        self.line = Some((place, rebuild));
        Ok(())
    }

    fn records(&mut self, body: &[u8]) -> Result<()> {
        let Some((place, mut rebuild)) = self.line.take() else {
            return Ok(());
        };
        records(body, &mut |record| {
            self.done += 1;
            let at = rebuild.at();
            if record.t <= at.t {
                self.resumed += 1;
                return match record.t == at.t && record.commit != at.commit {
                    true => Err(Error::new(
                        Code::Import,
                        "the store holds something else than the start of this dump",
                    )),
                    false => Ok(()),
                };
            }
            let redacted = match record.redacted {
                true => Redacted::Yes,
                false => Redacted::No,
            };
            rebuild.add(&record.behind(at.commit), redacted)?;
            let forks = self.forks.get(&record.commit);
            if forks.is_some() || rebuild.is_due() {
                rebuild.fold()?;
                // Before this branch goes on: who comes back here finds it behind the fork.
                for fork in forks.into_iter().flatten() {
                    set(&self.place.of(fork), &rebuild)?;
                }
                set(&place, &rebuild)?;
                self.tell();
            }
            Ok(())
        })?;
        self.line = Some((place, rebuild));
        Ok(())
    }

    fn finish_line(&mut self) -> Result<()> {
        if let Some((place, mut rebuild)) = self.line.take() {
            rebuild.fold()?;
            set(&place, &rebuild)?;
            self.tell();
        }
        Ok(())
    }

    fn tell(&self) {
        (self.watch)(Progress {
            stage: "transactions",
            done: self.done,
            total: self.total,
        });
    }
}

/// Puts a branch to what was made, unless it is there already.
fn set(place: &Place, rebuild: &Rebuild) -> Result<()> {
    let found = place.load()?;
    let is_there = found.bytes.is_some()
        && found.reference.as_ref().is_some_and(|reference| {
            reference.origin == rebuild.at() && reference.root == rebuild.root()
        });
    if is_there {
        return Ok(());
    }
    let next = Ref::fresh(rebuild.root(), Vec::new(), rebuild.at());
    match place.swap(found.bytes.as_deref(), Some(&next))? {
        Some(_) => Ok(()),
        None => {
            let message = "somebody else changes the branches that are being imported";
            Err(Error::new(Code::Fenced, message))
        }
    }
}
