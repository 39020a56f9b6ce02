//! Branches and commits of a database, as a connection offers them.

use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use super::Conn;
use super::checkpoint::Checkpoint;
use super::database::Database;
use super::embedding::EmbedProgress;
use super::graphs::GraphProgress;
use super::history::{self, ChainReport, Commit, TxEntry};
use super::hold::Hold;
use super::journal::write_first;
use super::lineage::Lineage;
use super::pin::hold_still;
use super::queue::Upon;
use super::record::{self, Wanted};
use super::reference::{MAIN, Place, Ref};
use crate::datom::TX0;
use crate::db::{Db, Options, TimePoint};
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::root;
use crate::store::{Log, Origin, WriterLease};
use crate::transact::{TxData, TxReport};
use crate::value::{Keyword, Value};

/// Where a branch starts, or what a commit follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BranchPoint {
    /// The head of a branch.
    Branch(Keyword),
    /// A commit of any branch.
    Commit(Uuid),
}

impl BranchPoint {
    /// From what a caller passes: the keyword of a branch or the UUID of a commit.
    pub fn from_value(value: &Value) -> Result<BranchPoint> {
        match value {
            Value::Keyword(branch) => Ok(BranchPoint::Branch(branch.clone())),
            Value::Uuid(commit) => Ok(BranchPoint::Commit(*commit)),
            other => {
                let message = format!("{other} is neither a branch's keyword nor a commit's UUID");
                Err(Error::new(Code::BranchSource, message).with("from", other.clone()))
            }
        }
    }

    pub(super) fn to_value(&self) -> Value {
        match self {
            BranchPoint::Branch(branch) => Value::Keyword(branch.clone()),
            BranchPoint::Commit(commit) => Value::Uuid(*commit),
        }
    }
}

impl Conn {
    /// The branches of the database, in alphabetical order.
    pub fn branches(&self) -> Result<Vec<Keyword>> {
        let branches = self.database()?.place().all()?.into_iter();
        Ok(branches.map(|(branch, _)| branch).collect())
    }

    /// Makes a branch that starts at a branch's head or at a commit.
    ///
    /// Cost: O(1) from a branch; from a commit, a search of the logs.
    /// Errors: [`Code::BranchAlreadyExists`], [`Code::BranchSource`].
    pub fn create_branch(&self, from: &BranchPoint, new: &Keyword) -> Result<()> {
        let database = self.database()?;
        let place = database.place().of(new);
        let exists = || {
            Error::new(Code::BranchAlreadyExists, "Branch already exists.")
                .with("new-branch", Value::Keyword(new.clone()))
        };
        let found = place.load()?;
        if found.reference.is_some() {
            return Err(exists());
        }
        loop {
            let start = match from {
                BranchPoint::Branch(branch) => head_of(&database, branch)?,
                BranchPoint::Commit(commit) => start_at(&database, Wanted::id(*commit))?,
            };
            let start = start.ok_or_else(|| {
                let message = "From does not point to an existing branch or commit.";
                Error::new(Code::BranchSource, message).with("from", from.to_value())
            })?;
            // What the branch starts from is still there, and stays until the ref needs it.
            let _still = hold_still(&*place.storage)?;
            if is_there(&place, &start)? {
                let swapped = place.swap(found.bytes.as_deref(), Some(&start))?;
                return swapped.map(|_| ()).ok_or_else(exists);
            }
        }
    }

    /// Deletes a branch and ends the connections of this process to it.
    ///
    /// Errors: [`Code::CannotDeleteMainBranch`], [`Code::BranchDoesNotExist`].
    pub fn delete_branch(&self, branch: &Keyword) -> Result<()> {
        if branch.as_str() == MAIN {
            let message = "Cannot delete main :db branch. Delete database instead.";
            return Err(Error::new(Code::CannotDeleteMainBranch, message));
        }
        let database = self.database()?;
        let place = database.place().of(branch);
        let missing = || {
            Error::new(Code::BranchDoesNotExist, "Branch does not exist.")
                .with("branch", Value::Keyword(branch.clone()))
        };
        if place.load()?.reference.is_none() {
            return Err(missing());
        }
        let _lease = lease(&place, &database)?;
        let found = place.load()?;
        found.reference.ok_or_else(missing)?;
        if place.swap(found.bytes.as_deref(), None)?.is_none() {
            return Err(changed(branch));
        }
        self.release_sibling(branch);
        Ok(())
    }

    /// Puts a branch, made if there is none, to a database value of this database; its head then
    /// follows `parents` beside the commit of that value.
    ///
    /// Errors: [`Code::DbValueRequired`], [`Code::MustProvideParent`],
    /// [`Code::ParentDoesNotExist`], [`Code::Unsupported`] for a value that was never committed.
    pub fn force_branch(&self, db: &Db, branch: &Keyword, parents: &[BranchPoint]) -> Result<()> {
        let database = self.database()?;
        let mut start = state_of(&database, db)?;
        let mut parents = commits_of(database.place(), parents)?;
        parents.retain(|parent| *parent != start.origin.commit);
        if !parents.is_empty() {
            // A commit of its own, with the parents that the value's commit does not have.
            write_first(&database.place().storage, &start, db, &parents)?;
            start.begun = true;
        }
        let place = database.place().of(branch);
        let lease = lease(&place, &database)?;
        let found = place.load()?;
        if let Some(reference) = &found.reference {
            // A writer that knows the old ref only is to notice, also one that has not made its log.
            let storage = Arc::clone(&place.storage);
            match Log::create(storage, &reference.log, reference.origin) {
                Err(error) if error.code() != Code::DbAlreadyExists => return Err(error),
                _ => {}
            }
            let log = Log::open_at_end(Arc::clone(&place.storage), &reference.log)?;
            let mut log = log.under(&place.name());
            log.catch_up(&lease, &mut |_| Ok(()))?;
            log.seal(&lease)?;
        }
        match place.swap(found.bytes.as_deref(), Some(&start))? {
            Some(_) => Ok(()),
            None => Err(changed(branch)),
        }
    }

    /// Makes a transaction whose commit follows `parents` beside the head.
    ///
    /// Errors: those of [`Conn::transact`], [`Code::MustProvideParent`],
    /// [`Code::ParentDoesNotExist`].
    pub fn merge(&self, parents: &[BranchPoint], data: &TxData) -> Result<TxReport> {
        let parents = commits_of(self.database()?.place(), parents)?;
        let upon = Upon {
            parents,
            head: None,
        };
        self.transact_upon(data, upon)
    }

    /// The commits that the commit of a database value follows; none if it is no commit's.
    pub fn parent_commit_ids(&self, db: &Db) -> Result<Option<Vec<Uuid>>> {
        match Wanted::of(db) {
            None => Ok(None),
            Some(wanted) => {
                let database = self.database()?;
                fault::catch(|| history::parents_of(database.place(), wanted))
            }
        }
    }

    /// The database value of a commit of any branch, if there is such a commit.
    pub fn commit_as_db(&self, commit: Uuid) -> Result<Option<Db>> {
        let database = self.database()?;
        let db = database.db()?;
        if db.commit_id() == Some(commit) {
            return Ok(Some(db));
        }
        let place = database.place();
        fault::catch(|| {
            let hold = Hold::all(place)?;
            let located = record::locate(place, &hold, Wanted::id(commit))?;
            located
                .map(|located| located.db(place, db.options()))
                .transpose()
        })
    }

    /// The newest database value of a branch, if there is such a branch.
    pub fn branch_as_db(&self, branch: &Keyword) -> Result<Option<Db>> {
        let database = self.database()?;
        if let Some(sibling) = self.sibling(branch) {
            return sibling.db().map(Some);
        }
        let place = database.place().of(branch);
        let (lock, options) = (place.name(), Options::clone(database.db()?.options()));
        Ok(Lineage::open(place, lock, options)?.map(|lineage| lineage.db))
    }

    /// The commits that this branch's head follows, itself included, newest first.
    pub fn branch_history(&self) -> Result<Vec<Commit>> {
        let database = self.database()?;
        database.db()?;
        fault::catch(|| history::commits(database.place()))
    }

    /// The transactions of this branch from a point (inclusive) up to another (exclusive), at most
    /// `limit`, oldest first.
    pub fn tx_range(
        &self,
        from: Option<TimePoint>,
        to: Option<TimePoint>,
        limit: Option<usize>,
    ) -> Result<Vec<TxEntry>> {
        let database = self.database()?;
        let db = database.db()?;
        fault::catch(|| history::tx_range(database.place(), &db, from, to, limit))
    }

    /// Folds the novelty of this branch into segments now, as is done by itself in the background.
    ///
    /// Databases in memory have none: [`Checkpoint::NothingNew`].
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let database = self.database()?;
        match database.keeps_segments() {
            true => database.checkpoint(),
            false => Ok(Checkpoint::NothingNew),
        }
    }

    /// Makes the vectors that texts lack, where attributes declare what theirs are made of
    /// (`:db.embed/from`), and waits for it; how many those were. Where models are installed
    /// ([`embed::install`](crate::embed::install)) this happens in the background after each transaction.
    ///
    /// `watch` hears of the progress, and may end it; what was made before stays.
    pub fn embed(
        &self,
        watch: &(dyn Fn(EmbedProgress) -> ControlFlow<()> + Sync),
    ) -> Result<usize> {
        self.database()?.embed_texts(watch)
    }

    /// Builds the graphs of all vectors that lie in none, however few they are, and waits for it; how
    /// many graphs those were. Without it they are built in the background once there are
    /// [`GRAPH_ROWS_MIN`](crate::limits::GRAPH_ROWS_MIN), and rows in no graph are searched one by one.
    ///
    /// `watch` hears of the progress, and may end it: [`Code::QueryCanceled`].
    pub fn build_graphs(
        &self,
        watch: &(dyn Fn(GraphProgress) -> ControlFlow<()> + Sync),
    ) -> Result<usize> {
        self.database()?.build_graphs(1, watch)
    }

    /// Computes the id of every commit of this branch anew and compares.
    pub fn verify_chain(&self) -> Result<ChainReport> {
        let database = self.database()?;
        let db = database.db()?;
        fault::catch(|| history::verify(database.place(), &db))
    }
}

/// A ref that starts at the head of a branch, everything before it durable.
fn head_of(database: &Database, branch: &Keyword) -> Result<Option<Ref>> {
    let place = database.place().of(branch);
    if place.branch == database.place().branch {
        let settled = database.settled()?;
        return Ok(Some(Ref::fresh(settled.root, settled.pieces, settled.head)));
    }
    if place.load()?.reference.is_none() {
        return Ok(None);
    }
    let lease = lease(&place, database)?;
    let Some(reference) = place.load()?.reference else {
        return Ok(None);
    };
    let Some(log) = own_log(&place, &reference)? else {
        return Ok(Some(Ref::fresh(
            reference.root,
            reference.base,
            reference.origin,
        )));
    };
    let mut log = log.under(&place.name());
    log.catch_up(&lease, &mut |_| Ok(()))?;
    let pieces = reference.pieces(Some(log.tip()));
    Ok(Some(Ref::fresh(reference.root, pieces, log.origin())))
}

/// A ref that starts at a commit of any branch, if there is such a commit.
fn start_at(database: &Database, wanted: Wanted) -> Result<Option<Ref>> {
    let place = database.place();
    let options = Options::clone(database.db()?.options());
    let hold = Hold::all(place)?;
    let located = record::locate(place, &hold, wanted)?;
    located
        .map(|located| located.start(place, &options))
        .transpose()
}

/// Whether everything that a ref needs is there: it may be collected where no ref needs it yet.
fn is_there(place: &Place, start: &Ref) -> Result<bool> {
    let root = start.root.map(root::name);
    let logs = start.base.iter().map(|piece| piece.log.clone());
    for name in root.into_iter().chain(logs) {
        if place.storage.size(&name)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The own log of a branch, open at its end; none before the first write.
fn own_log(place: &Place, reference: &Ref) -> Result<Option<Log>> {
    match Log::open_at_end(Arc::clone(&place.storage), &reference.log) {
        Ok(log) => Ok(Some(log)),
        Err(error) if error.code() == Code::DbDoesNotExist => reference.without_log(),
        Err(error) => Err(error),
    }
}

/// A ref whose branch is at the state of a database value.
fn state_of(database: &Database, db: &Db) -> Result<Ref> {
    let not_ours = || Error::new(Code::DbValueRequired, "You must provide a DB value.");
    if !db.view().is_current() {
        return Err(not_ours());
    }
    match Wanted::of(db) {
        Some(wanted) => start_at(database, wanted)?.ok_or_else(not_ours),
        None if db.max_tx().0 == TX0 => Ok(Ref::fresh(None, Vec::new(), Origin::default())),
        None => {
            let message = "a branch can be put to a database value that was committed, not to \
                           one that with or db-with made";
            Err(Error::new(Code::Unsupported, message))
        }
    }
}

/// The ids of the commits that somebody names as parents.
fn commits_of(place: &Place, parents: &[BranchPoint]) -> Result<Vec<Uuid>> {
    if parents.is_empty() {
        let message = "You must provide at least one parent.";
        return Err(Error::new(Code::MustProvideParent, message));
    }
    let mut commits = Vec::with_capacity(parents.len());
    for parent in parents {
        let commit = match parent {
            BranchPoint::Branch(branch) => head_commit(&place.of(branch))?,
            BranchPoint::Commit(commit) => {
                record::locate(place, &Hold::all(place)?, Wanted::id(*commit))?.map(|_| *commit)
            }
        };
        let commit = commit.ok_or_else(|| {
            let message = "Parent does not exist in store.";
            Error::new(Code::ParentDoesNotExist, message).with("parent", parent.to_value())
        })?;
        if !commits.contains(&commit) {
            commits.push(commit);
        }
    }
    Ok(commits)
}

/// The newest commit of a branch, if there is one.
fn head_commit(place: &Place) -> Result<Option<Uuid>> {
    let hold = Hold::branch(place)?;
    let Some((_, reference)) = hold.refs.first() else {
        return Ok(None);
    };
    let log = own_log(place, reference)?;
    let origin = log.map_or(reference.origin, |log| log.origin());
    Ok(Some(origin.commit).filter(|commit| !commit.is_nil()))
}

fn lease(place: &Place, database: &Database) -> Result<WriterLease> {
    let timeout_ms = database.config().lock_timeout_ms();
    WriterLease::acquire(&*place.storage, &place.name(), 0, timeout_ms)
}

fn changed(branch: &Keyword) -> Error {
    let message = format!("the branch {branch} was changed by somebody else just now");
    Error::new(Code::Fenced, message).with("db/outcome", Value::keyword("not-committed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::tests::{add, branch, branch_config, code, head, memory, numbers, set};
    use crate::conn::{ChainStatus, create_database, delete_database};

    #[test]
    fn branches_go_their_own_ways_and_are_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        create_database(&branch_config(&path, MAIN)).unwrap();
        let main = Conn::connect(&branch_config(&path, MAIN)).unwrap();
        assert_eq!(main.branches().unwrap(), [branch(MAIN)]);
        let first = main
            .transact(&add(1))
            .unwrap()
            .db_after
            .commit_id()
            .unwrap();
        main.transact(&add(2)).unwrap();
        main.create_branch(&head(MAIN), &branch("b/ä")).unwrap();
        let b = Conn::connect(&branch_config(&path, "b/ä")).unwrap();
        assert_eq!(numbers(&b.db().unwrap()), set([1, 2]));
        assert_eq!(b.db().unwrap().commit_id(), main.db().unwrap().commit_id());
        b.transact(&add(30)).unwrap();
        main.transact(&add(3)).unwrap();
        // A branch of a branch, from a commit in its past and from its head; seen from elsewhere.
        b.create_branch(&BranchPoint::Commit(first), &branch("c"))
            .unwrap();
        main.create_branch(&head("b/ä"), &branch("d")).unwrap();
        let expected = |conn: &Conn| match conn.config().branch().as_str() {
            "b/ä" => set([1, 2, 30]),
            "c" => set([1, 40]),
            "d" => set([1, 2, 30, 50]),
            _ => set([1, 2, 3]),
        };
        let c = Conn::connect(&branch_config(&path, "c")).unwrap();
        c.transact(&add(40)).unwrap();
        let d = Conn::connect(&branch_config(&path, "d")).unwrap();
        d.transact(&add(50)).unwrap();
        for conn in [main, b, c, d] {
            assert_eq!(numbers(&conn.db().unwrap()), expected(&conn));
            let commit = conn.db().unwrap().commit_id();
            conn.release();
            let again = Conn::connect(conn.config()).unwrap();
            let db = again.db().unwrap();
            assert_eq!((numbers(&db), db.commit_id()), (expected(&again), commit));
            let report = again.verify_chain().unwrap();
            assert_eq!(
                (report.status, report.commits),
                (ChainStatus::Ok, (db.max_tx().0 - TX0) as u64)
            );
            assert_eq!(again.branches().unwrap().len(), 4);
            again.release();
        }
        delete_database(&branch_config(&path, MAIN)).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_cannot_be_done_to_branches_is_named() {
        let id = Uuid::new_v4();
        create_database(&memory(id, MAIN)).unwrap();
        let main = Conn::connect(&memory(id, MAIN)).unwrap();
        let on = |name: &str| memory(id, name);
        assert_eq!(code(Conn::connect(&on("b"))), Code::DbDoesNotExist);
        // A branch of a database without a transaction.
        main.create_branch(&head(MAIN), &branch("b")).unwrap();
        let b = Conn::connect(&on("b")).unwrap();
        b.transact(&add(1)).unwrap();
        assert_eq!(numbers(&main.db().unwrap()), set([]));
        let nothing = BranchPoint::Commit(Uuid::new_v4());
        for (from, new, expected) in [
            (head(MAIN), "b", Code::BranchAlreadyExists),
            (head(MAIN), MAIN, Code::BranchAlreadyExists),
            (head("x"), "c", Code::BranchSource),
            (nothing.clone(), "c", Code::BranchSource),
        ] {
            assert_eq!(code(main.create_branch(&from, &branch(new))), expected);
        }
        assert_eq!(
            code(main.delete_branch(&branch(MAIN))),
            Code::CannotDeleteMainBranch
        );
        assert_eq!(
            code(main.delete_branch(&branch("x"))),
            Code::BranchDoesNotExist
        );
        assert_eq!(code(main.merge(&[], &add(2))), Code::MustProvideParent);
        assert_eq!(
            code(main.merge(&[nothing], &add(2))),
            Code::ParentDoesNotExist
        );
        let db = b.db().unwrap();
        assert_eq!(
            code(main.force_branch(&db, &branch("c"), &[])),
            Code::MustProvideParent
        );
        let view = db.history().unwrap();
        assert_eq!(
            code(main.force_branch(&view, &branch("c"), &[head("b")])),
            Code::DbValueRequired
        );
        main.delete_branch(&branch("b")).unwrap();
        assert_eq!(code(b.db()), Code::ConnectionReleased);
        assert_eq!(code(Conn::connect(&on("b"))), Code::DbDoesNotExist);
        assert!(main.branch_as_db(&branch("b")).unwrap().is_none());
        main.create_branch(&head(MAIN), &branch("b")).unwrap();
        let b = Conn::connect(&on("b")).unwrap();
        assert_eq!(numbers(&b.db().unwrap()), set([]));
        delete_database(&memory(id, MAIN)).unwrap();
        assert_eq!(code(b.db()), Code::ConnectionReleased);
    }

    #[test]
    fn merges_have_parents_and_commits_can_be_had_again() {
        let id = Uuid::new_v4();
        create_database(&memory(id, MAIN)).unwrap();
        let main = Conn::connect(&memory(id, MAIN)).unwrap();
        let empty = main.db().unwrap();
        assert_eq!(
            (empty.commit_id(), main.parent_commit_ids(&empty).unwrap()),
            (None, None)
        );
        let one = main.transact(&add(1)).unwrap().db_after;
        main.create_branch(&head(MAIN), &branch("b")).unwrap();
        let b = Conn::connect(&memory(id, "b")).unwrap();
        let two = b.transact(&add(2)).unwrap().db_after;
        let three = main.transact(&add(3)).unwrap().db_after;
        let report = main.merge(&[head("b"), head(MAIN)], &add(4)).unwrap();
        let four = main.db().unwrap();
        let commit = |db: &Db| db.commit_id().unwrap();
        let said = report.tx_meta.get(&Value::keyword("db/commitId"));
        assert_eq!(said, Some(&Value::Uuid(commit(&four))));
        let parents = |db: &Db| main.parent_commit_ids(db).unwrap().unwrap();
        assert_eq!(parents(&four), [commit(&three), commit(&two)]);
        assert_eq!((parents(&two), parents(&one)), (vec![commit(&one)], vec![]));
        assert_eq!(four.with(&add(5)).unwrap().db_after.commit_id(), None);

        let history = main.branch_history().unwrap();
        let ids: Vec<Uuid> = history.iter().map(|commit| commit.id).collect();
        assert_eq!(ids, [&four, &three, &one, &two].map(commit));
        assert_eq!(history[0].parents, parents(&four));
        for (db, expected) in [
            (&one, set([1])),
            (&two, set([1, 2])),
            (&four, set([1, 3, 4])),
        ] {
            let again = main.commit_as_db(commit(db)).unwrap().unwrap();
            assert_eq!(
                (numbers(&again), again.commit_id()),
                (expected, db.commit_id())
            );
            assert_eq!(again.max_tx(), db.max_tx());
        }
        assert!(main.commit_as_db(Uuid::new_v4()).unwrap().is_none());
        assert_eq!(
            numbers(&main.branch_as_db(&branch("b")).unwrap().unwrap()),
            set([1, 2])
        );
        assert_eq!(main.verify_chain().unwrap().status, ChainStatus::Ok);

        // A branch put to another place: first to a commit as it is, then with a parent of its own.
        main.force_branch(&one, &branch("f"), &[head(MAIN), head("b")])
            .unwrap();
        let forced = main.branch_as_db(&branch("f")).unwrap().unwrap();
        assert_eq!(parents(&forced), [&one, &four, &two].map(commit));
        assert_eq!(numbers(&forced), set([1]));
        main.force_branch(&three, &branch("b"), &[BranchPoint::Commit(commit(&three))])
            .unwrap();
        assert_eq!(b.db().unwrap().commit_id(), three.commit_id());
        b.transact(&add(9)).unwrap();
        assert_eq!(numbers(&b.db().unwrap()), set([1, 3, 9]));
        main.force_branch(&empty, &branch("e"), &[head("b")])
            .unwrap();
        assert_eq!(
            numbers(&main.branch_as_db(&branch("e")).unwrap().unwrap()),
            set([])
        );
    }
}
