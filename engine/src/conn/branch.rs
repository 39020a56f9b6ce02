//! Branches and commits of a database, as a connection offers them.

use uuid::Uuid;

use super::Conn;
use super::history::{ChainReport, Commit, TxEntry};
use crate::db::{Db, TimePoint};
use crate::error::{Code, Error, Result};
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
                let message =
                    format!("{other} is neither the keyword of a branch nor the UUID of a commit");
                Err(Error::new(Code::BranchSource, message).with("from", other.clone()))
            }
        }
    }
}

impl Conn {
    /// The branches of the database, in alphabetical order.
    pub fn branches(&self) -> Result<Vec<Keyword>> {
        Err(unsupported())
    }

    /// Makes a branch that starts at a branch's head or at a commit. Cost: O(1).
    ///
    /// Errors: [`Code::BranchAlreadyExists`], [`Code::BranchSource`].
    pub fn create_branch(&self, _from: &BranchPoint, _new: &Keyword) -> Result<()> {
        Err(unsupported())
    }

    /// Deletes a branch and ends the connections of this process to it.
    ///
    /// Errors: [`Code::CannotDeleteMainBranch`], [`Code::BranchDoesNotExist`].
    pub fn delete_branch(&self, _branch: &Keyword) -> Result<()> {
        Err(unsupported())
    }

    /// Puts a branch, made if there is none, to a database value; its head then follows `parents`.
    ///
    /// Errors: [`Code::DbValueRequired`], [`Code::MustProvideParent`],
    /// [`Code::ParentDoesNotExist`].
    pub fn force_branch(
        &self,
        _db: &Db,
        _branch: &Keyword,
        _parents: &[BranchPoint],
    ) -> Result<()> {
        Err(unsupported())
    }

    /// Makes a transaction whose commit follows `parents` beside the head.
    ///
    /// Errors: those of [`Conn::transact`], [`Code::MustProvideParent`],
    /// [`Code::ParentDoesNotExist`].
    pub fn merge(&self, _parents: &[BranchPoint], _data: &TxData) -> Result<TxReport> {
        Err(unsupported())
    }

    /// The commits that the commit of a database value follows; none if it is no commit's.
    pub fn parent_commit_ids(&self, _db: &Db) -> Result<Option<Vec<Uuid>>> {
        Err(unsupported())
    }

    /// The database value of a commit of any branch, if there is such a commit.
    pub fn commit_as_db(&self, _commit: Uuid) -> Result<Option<Db>> {
        Err(unsupported())
    }

    /// The newest database value of a branch, if there is such a branch.
    pub fn branch_as_db(&self, _branch: &Keyword) -> Result<Option<Db>> {
        Err(unsupported())
    }

    /// The commits that this branch's head follows, itself included, newest first.
    pub fn branch_history(&self) -> Result<Vec<Commit>> {
        Err(unsupported())
    }

    /// The transactions of this branch from a point (inclusive) up to another (exclusive), at most
    /// `limit`, oldest first.
    pub fn tx_range(
        &self,
        _from: Option<TimePoint>,
        _to: Option<TimePoint>,
        _limit: Option<usize>,
    ) -> Result<Vec<TxEntry>> {
        Err(unsupported())
    }

    /// Computes the id of every commit of this branch anew and compares.
    pub fn verify_chain(&self) -> Result<ChainReport> {
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::new(Code::Unsupported, "this build has no branches")
}
