//! Random work on a database, by two processes that know nothing of each other, and what it may have
//! come to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datalith_engine::conn::{BranchPoint, Config, Conn, GcOptions};
use datalith_engine::db::Db;
use datalith_engine::limits::GC_UNLOCKED_AGE_MS;
use datalith_engine::store::{Locks, SimStorage, Storage};
use datalith_engine::transact::TxData;
use datalith_engine::{Code, Error, Keyword, Value};
use datalith_tests::random::Random;

use super::world::{Change, Contents, Late, State, Worlds, data, failure};

/// The branches there may be; the first is there from the start.
pub(super) const BRANCHES: [&str; 3] = ["db", "one", "two"];
/// Processes that work side by side.
pub(super) const PROCESSES: u64 = 2;
/// Numbers of entities.
const NUMBERS: u64 = 8;
/// Database values that are kept to be read again.
const KEPT: usize = 4;

/// Longer than what nobody needs is kept anywhere.
const WHILE_MS: u64 = 2 * GC_UNLOCKED_AGE_MS;

/// What stands between the database and the simulated store: nothing, or a mutation.
pub(super) type Wrap = fn(Arc<SimStorage>) -> Arc<dyn Storage>;

/// What is promised, and was broken.
pub(super) type Broken = String;

/// How each branch is connected to.
pub(super) type Configs = BTreeMap<&'static str, Config>;

/// The configuration of each branch.
pub(super) fn configs(config: &Config) -> Configs {
    let of = |name| config.with("branch", Value::keyword(name));
    let of = |name| (name, of(name).expect("a name of a branch"));
    BRANCHES.map(of).into()
}

/// What there may be in a store, whoever works on it.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) branches: BTreeMap<&'static str, Worlds>,
    pub(super) late: Late,
    /// What was done and answered, to be told where a promise is broken.
    pub(super) story: Vec<String>,
}

impl World {
    /// After the schema.
    pub(super) fn new(late: Late) -> World {
        let mut branches = BTreeMap::from(BRANCHES.map(|name| (name, Worlds::only(None))));
        branches.insert(BRANCHES[0], Worlds::only(Some(State::with_schema())));
        World {
            branches,
            late,
            story: Vec::new(),
        }
    }

    fn tell<T>(&mut self, what: impl std::fmt::Debug, answer: &Result<T, Error>) {
        let answer = match answer {
            Ok(_) => "done".to_owned(),
            Err(error) => failure(error),
        };
        self.story.push(format!("{what:?}: {answer}"));
    }

    fn branch(&mut self, name: &'static str) -> &mut Worlds {
        self.branches.get_mut(name).expect("every branch is there")
    }
}

/// Whether operations may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Faulty,
    Sound,
}

/// Processes at work on one store.
pub(super) struct Stage<'w> {
    sim: Arc<SimStorage>,
    pub(super) storage: Arc<dyn Storage>,
    configs: &'w Configs,
    pub(super) world: &'w mut World,
    health: Health,
    random: Random,
    connections: HashMap<(u64, &'static str), Conn>,
    kept: Vec<(Db, Contents)>,
}

impl<'w> Stage<'w> {
    pub(super) fn new(
        sim: Arc<SimStorage>,
        wrap: Wrap,
        configs: &'w Configs,
        world: &'w mut World,
        health: Health,
        seed: u64,
    ) -> Stage<'w> {
        Stage {
            storage: wrap(Arc::clone(&sim)),
            sim,
            configs,
            world,
            health,
            random: Random::of(seed),
            connections: HashMap::new(),
            kept: Vec::new(),
        }
    }

    /// One act of one process.
    pub(super) fn act(&mut self) -> Result<(), Broken> {
        let process = self.random.below(PROCESSES);
        let branch = self.branch();
        match self.random.below(16) {
            0 => self.look(process, branch),
            1 => {
                self.connections.retain(|(owner, _), _| *owner != process);
                Ok(())
            }
            2 => self.create_branch(process, branch),
            3 => self.delete_branch(process, branch),
            4 => self.force_branch(process, branch),
            5 => self.checkpoint(process, branch),
            6 => self.collect(process, branch),
            7 => self.hold(process, branch),
            _ => {
                let changes = self.changes(branch);
                self.transact(process, branch, &changes)
            }
        }
    }

    /// A branch that may be there, mostly the first.
    fn branch(&mut self) -> &'static str {
        let name = BRANCHES[self.random.below(5) as usize % BRANCHES.len()];
        match self.world.branches[name].may_exist() {
            true => name,
            false => BRANCHES[0],
        }
    }

    fn changes(&mut self, branch: &'static str) -> Vec<Change> {
        let state = self.world.branches[branch].states().flatten().next();
        let known: Vec<i64> = state
            .map(|state| state.numbers().collect())
            .unwrap_or_default();
        let first = self.random.below(NUMBERS);
        (0..1 + self.random.below(3))
            .map(|at| {
                let k = ((first + at) % NUMBERS) as i64;
                match self.random.below(5) {
                    0 if known.contains(&k) => Change::Retract(k),
                    1 if known.contains(&k) => Change::Purge(k),
                    _ => {
                        let length = [0, 7, 90, 600][self.random.below(4) as usize];
                        let text = format!("{}-{}", self.random.below(1000), "x".repeat(length));
                        Change::Put(k, text, self.random.below(4) as i64)
                    }
                }
            })
            .collect()
    }

    /// A transaction, and what must be true after its answer.
    pub(super) fn transact(
        &mut self,
        process: u64,
        branch: &'static str,
        changes: &[Change],
    ) -> Result<(), Broken> {
        let Some(conn) = self.connect(process, branch)? else {
            return Ok(());
        };
        let forms = TxData::new(data(changes).map_err(|e| failure(&e))?);
        let after = |state: &State| state.after(changes);
        let report = conn.transact(&forms);
        self.world.tell((process, branch, changes), &report);
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                let states: Vec<Option<State>> = self.world.branches[branch]
                    .states()
                    .flatten()
                    .filter_map(after)
                    .map(Some)
                    .collect();
                return self.failed(process, branch, &error, states);
            }
        };
        self.world.branch(branch).happened(after);
        let Some(contents) = self.contents(&report.db_after)? else {
            return Ok(());
        };
        let saw = self.world.branch(branch).saw(Some(&contents));
        saw.map_err(|e| format!("after a transaction on {branch}: {e}"))?;
        if self.kept.len() < KEPT {
            self.kept.push((report.db_after, contents));
        }
        Ok(())
    }

    /// What an error says of a change of a branch that would have made it one of `states`.
    fn failed(
        &mut self,
        process: u64,
        branch: &'static str,
        error: &Error,
        states: Vec<Option<State>>,
    ) -> Result<(), Broken> {
        self.connections.remove(&(process, branch));
        self.check_error(error)?;
        let outcome = error.data().iter().find(|(key, _)| *key == "db/outcome");
        let outcome = outcome.map(|(_, value)| value.to_string());
        let late = self.world.late;
        match (outcome.as_deref(), error.code()) {
            (_, Code::DbDoesNotExist | Code::BranchDoesNotExist) => self.absent(branch),
            (Some(":not-committed"), _) => Ok(()),
            (None, Code::Fenced) if states.is_empty() => Ok(()),
            (None, Code::TransactPurge | Code::BranchAlreadyExists | Code::BranchSource) => Ok(()),
            (Some(":unknown"), _) | (None, Code::Storage | Code::StorageFull) => {
                self.world.branch(branch).may_have_become(states, late);
                Ok(())
            }
            _ => Err(format!("says nothing of its outcome: {}", failure(error))),
        }
    }

    /// Errors that no fault excuses.
    fn check_error(&self, error: &Error) -> Result<(), Broken> {
        let damage = matches!(
            error.code(),
            Code::CorruptLog | Code::FormatVersion | Code::Internal | Code::MissingSegment
        );
        let fault = matches!(error.code(), Code::Storage | Code::StorageFull);
        if damage || (fault && self.health == Health::Sound) {
            return Err(failure(error));
        }
        Ok(())
    }

    fn absent(&mut self, branch: &'static str) -> Result<(), Broken> {
        let saw = self.world.branch(branch).saw(None);
        saw.map_err(|e| format!("{branch} is not there: {e}"))
    }

    pub(super) fn connect(
        &mut self,
        process: u64,
        branch: &'static str,
    ) -> Result<Option<Conn>, Broken> {
        if let Some(conn) = self.connections.get(&(process, branch)) {
            return Ok(Some(conn.clone()));
        }
        match Conn::connect_at(Arc::clone(&self.storage), &self.configs[branch]) {
            Ok(conn) => {
                self.connections.insert((process, branch), conn.clone());
                Ok(Some(conn))
            }
            Err(error) => {
                self.check_error(&error)?;
                if matches!(
                    error.code(),
                    Code::DbDoesNotExist | Code::BranchDoesNotExist
                ) {
                    self.absent(branch)?;
                }
                Ok(None)
            }
        }
    }

    /// Reads a branch: what was seen once stays.
    pub(super) fn look(&mut self, process: u64, branch: &'static str) -> Result<(), Broken> {
        let Some(conn) = self.connect(process, branch)? else {
            return Ok(());
        };
        let db = conn.db();
        self.world.tell((process, "look", branch), &db);
        match db {
            Ok(db) => {
                let Some(contents) = self.contents(&db)? else {
                    return Ok(());
                };
                let saw = self.world.branch(branch).saw(Some(&contents));
                saw.map_err(|e| format!("a look at {branch}: {e}"))
            }
            Err(error) => self.failed(process, branch, &error, Vec::new()),
        }
    }

    /// What a branch is, if that is known for sure after a look.
    fn certain(&mut self, process: u64, branch: &'static str) -> Result<Option<State>, Broken> {
        self.look(process, branch)?;
        let mut states = self.world.branches[branch].states();
        Ok(match (states.next(), states.next()) {
            (Some(state), None) => state.clone(),
            _ => None,
        })
    }

    /// Keeps a database value of which nothing was read yet, while another process changes all that
    /// it holds and collects what is garbage then.
    fn hold(&mut self, process: u64, branch: &'static str) -> Result<(), Broken> {
        self.checkpoint(process, branch)?;
        let Some(state) = self.certain(process, branch)? else {
            return Ok(());
        };
        self.connections.remove(&(process, branch));
        let Some(conn) = self.connect(process, branch)? else {
            return Ok(());
        };
        if let Ok(db) = conn.db() {
            self.kept.push((db, state.contents()));
        }
        let other = (process + 1) % PROCESSES;
        let text = format!("{}-", self.random.below(1000));
        let all = |k| Change::Put(k, text.clone(), 1);
        let all: Vec<Change> = (0..NUMBERS as i64).map(all).collect();
        self.transact(other, branch, &all)?;
        self.checkpoint(other, branch)?;
        self.collect(other, branch)
    }

    fn create_branch(&mut self, process: u64, from: &'static str) -> Result<(), Broken> {
        let new = BRANCHES[1 + self.random.below(2) as usize];
        let Some(state) = self.certain(process, from)? else {
            return Ok(());
        };
        let Some(conn) = self.connect(process, from)? else {
            return Ok(());
        };
        let start = BranchPoint::Branch(Keyword::new(from));
        let created = conn.create_branch(&start, &Keyword::new(new));
        self.world
            .tell((process, "create", new, "from", from), &created);
        match created {
            Ok(()) => self.world.branch(new).became(vec![Some(state)]),
            Err(error) => self.failed(process, new, &error, vec![Some(state)])?,
        }
        Ok(())
    }

    fn delete_branch(&mut self, process: u64, branch: &'static str) -> Result<(), Broken> {
        let Some(conn) = self.connect(process, BRANCHES[0])? else {
            return Ok(());
        };
        if branch == BRANCHES[0] {
            return Ok(());
        }
        let deleted = conn.delete_branch(&Keyword::new(branch));
        self.world.tell((process, "delete", branch), &deleted);
        match deleted {
            Ok(()) => self.world.branch(branch).became(vec![None]),
            Err(error) => self.failed(process, branch, &error, vec![None])?,
        }
        Ok(())
    }

    fn force_branch(&mut self, process: u64, from: &'static str) -> Result<(), Broken> {
        let to = BRANCHES[self.random.below(3) as usize];
        let Some(state) = self.certain(process, from)? else {
            return Ok(());
        };
        let Some(conn) = self.connect(process, from)? else {
            return Ok(());
        };
        let parent = BranchPoint::Branch(Keyword::new(from));
        let forced = conn
            .db()
            .and_then(|db| conn.force_branch(&db, &Keyword::new(to), &[parent]));
        self.world.tell((process, "force", to, "to", from), &forced);
        match forced {
            Ok(()) => self.world.branch(to).became(vec![Some(state)]),
            Err(error) => self.failed(process, to, &error, vec![Some(state)])?,
        }
        Ok(())
    }

    fn checkpoint(&mut self, process: u64, branch: &'static str) -> Result<(), Broken> {
        let Some(conn) = self.connect(process, branch)? else {
            return Ok(());
        };
        let done = conn.checkpoint();
        self.world.tell((process, "checkpoint", branch), &done);
        match done {
            Ok(_) => self.look(process, branch),
            // Nothing that anybody sees has changed, whatever became of it.
            Err(error) => self.failed(process, branch, &error, Vec::new()),
        }
    }

    /// Collects garbage of any age; where locks are worth nothing, after a while.
    fn collect(&mut self, process: u64, branch: &'static str) -> Result<(), Broken> {
        let Some(conn) = self.connect(process, branch)? else {
            return Ok(());
        };
        self.sim.pass(WHILE_MS);
        let options = GcOptions {
            min_age_ms: Some(0),
        };
        let done = conn.gc_storage(options);
        self.world.tell((process, "collect", branch), &done);
        match done {
            Ok(_) => self.look(process, branch),
            Err(error) => self.failed(process, branch, &error, Vec::new()),
        }
    }

    /// What a database value shows; none where the power was cut and some of it is not read yet. The
    /// cut may come unnoticed: who fails to tidy up after itself says nothing.
    fn contents(&self, db: &Db) -> Result<Option<Contents>, Broken> {
        match Contents::of(db) {
            Err(broken) if broken.starts_with("Storage:") && self.is_dark() => Ok(None),
            contents => contents.map(Some),
        }
    }

    /// Whether the power is cut.
    fn is_dark(&self) -> bool {
        self.sim.size("refs/db").is_err()
    }

    /// Values that were read before are the same still.
    pub(super) fn read_again(&mut self) -> Result<(), Broken> {
        for (db, contents) in &self.kept {
            let again = match self.contents(db) {
                Err(broken) if self.may_expire(&broken) => continue,
                again => again?,
            };
            let Some(again) = again else {
                continue;
            };
            if again != *contents {
                return Err(format!(
                    "a database value changed: {contents:?} to {again:?}"
                ));
            }
        }
        Ok(())
    }

    /// Whether an old database value may say this: where pins are not seen, it is collected at last.
    fn may_expire(&self, broken: &str) -> bool {
        let gone = broken.starts_with("SnapshotExpired") || broken.starts_with("MissingSegment");
        gone && self.storage.locks() == Locks::Hint
    }
}
