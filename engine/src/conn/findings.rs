//! What checking a store came by, as data.

use uuid::Uuid;

use crate::error::{Code, Error, Result};
use crate::limits::VERIFY_FINDINGS;
use crate::root::Broken;
use crate::value::{Keyword, Value};

/// How far a long piece of work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: &'static str,
    /// How much of it is done, in bytes unless the stage says otherwise.
    pub done: u64,
    /// How much there is; 0 where that is not known.
    pub total: u64,
}

/// What a check of a store came by.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// The branches whose values could be read.
    pub branches: Vec<BranchReport>,
    /// Roots, segments and logs that branches are made of.
    pub roots: u64,
    /// See above.
    pub segments: u64,
    /// See above.
    pub logs: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// What is not as it was written, or does not hold.
    pub errors: Vec<Finding>,
    /// How many more there are.
    pub errors_left_out: u64,
    /// Objects that no branch needs.
    pub garbage: u64,
    /// Their bytes.
    pub garbage_bytes: u64,
}

/// A branch that was looked at.
#[derive(Clone, Debug)]
pub struct BranchReport {
    /// The branch.
    pub branch: Keyword,
    /// The commit of its head.
    pub commit: Option<Uuid>,
    /// The t of its head.
    pub t: u64,
    /// Commits whose ids were computed anew.
    pub commits: u64,
    /// How many of them were purged in part: their ids are taken on trust.
    pub redacted: u64,
    /// Current rows.
    pub current: u64,
    /// Past rows.
    pub past: u64,
    /// Rows of transactions that this database never had; see [`Counts`](crate::root::Counts).
    pub foreign: u64,
}

/// Something that is not as it was written, or does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The object of the store, where it is one object's matter.
    pub file: Option<String>,
    /// The branch it was noticed in.
    pub branch: Option<Keyword>,
    /// The attribute whose rows it is about.
    pub attribute: Option<Value>,
    /// One sentence.
    pub what: String,
    /// What was expected, and what was there instead.
    pub expected: Option<Value>,
    /// See above.
    pub got: Option<Value>,
}

impl Finding {
    /// What an error says of an object; the error may name another one itself. One that says nothing
    /// of the store is an error of the check.
    pub(super) fn of(error: Error, file: Option<&str>) -> Result<Finding> {
        match error.code() {
            Code::CorruptLog
            | Code::CorruptSegment
            | Code::MissingSegment
            | Code::SnapshotExpired
            | Code::Purged
            | Code::FormatVersion
            | Code::ConfigInvalid
            | Code::DbDoesNotExist
            | Code::Fenced => {}
            _ => return Err(error),
        }
        let said = |key| {
            let entry = error.data().iter().find(|(name, _)| *name == key);
            entry.map(|(_, value)| value.clone())
        };
        let named = said("file").and_then(|file| file.as_str().map(str::to_owned));
        Ok(Finding {
            file: named.or_else(|| file.map(str::to_owned)),
            branch: None,
            attribute: None,
            what: error.to_string(),
            expected: said("expected"),
            got: said("got").or_else(|| said("offset")),
        })
    }

    /// One sentence about an object, or about nothing in particular.
    pub(super) fn says(file: Option<&str>, what: impl Into<String>) -> Finding {
        Finding {
            file: file.map(str::to_owned),
            branch: None,
            attribute: None,
            what: what.into(),
            expected: None,
            got: None,
        }
    }

    /// What does not hold of a database value.
    pub(super) fn of_rows(broken: Broken) -> Finding {
        Finding {
            attribute: broken.attribute,
            ..Finding::says(None, broken.what)
        }
    }

    pub(super) fn in_branch(self, branch: &Keyword) -> Finding {
        Finding {
            branch: Some(branch.clone()),
            ..self
        }
    }

    fn to_value(&self) -> Value {
        let text = |text: &Option<String>| text.as_deref().map(Value::str);
        map_of([
            ("file", text(&self.file)),
            ("branch", self.branch.clone().map(Value::Keyword)),
            ("attribute", self.attribute.clone()),
            ("message", Some(Value::str(&self.what))),
            ("expected", self.expected.clone()),
            ("got", self.got.clone()),
        ])
    }
}

impl VerifyReport {
    /// Whether everything is as it was written.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// The report as data: `{:status :ok :branches [..] :segments n .. :errors [{:file ..}]}`.
    pub fn to_value(&self) -> Value {
        let status = if self.is_ok() { "ok" } else { "damaged" };
        let count = |n: u64| Some(number(n));
        let branches = self.branches.iter().map(BranchReport::to_value);
        let errors = self.errors.iter().map(Finding::to_value);
        map_of([
            ("status", Some(Value::keyword(status))),
            ("branches", Some(Value::vector(branches))),
            ("roots", count(self.roots)),
            ("segments", count(self.segments)),
            ("logs", count(self.logs)),
            ("bytes", count(self.bytes)),
            ("errors", Some(Value::vector(errors))),
            ("errors-left-out", count(self.errors_left_out)),
            ("garbage", count(self.garbage)),
            ("garbage-bytes", count(self.garbage_bytes)),
        ])
    }

    /// Takes a finding in, unless it is known.
    pub(super) fn add(&mut self, finding: Finding) {
        if self.errors.iter().any(|known| known.what == finding.what) {
            return;
        }
        match self.errors.len() < VERIFY_FINDINGS {
            true => self.errors.push(finding),
            false => self.errors_left_out += 1,
        }
    }
}

impl BranchReport {
    fn to_value(&self) -> Value {
        let count = |n: u64| Some(number(n));
        map_of([
            ("branch", Some(Value::Keyword(self.branch.clone()))),
            ("commit", self.commit.map(Value::Uuid)),
            ("t", count(self.t)),
            ("commits", count(self.commits)),
            ("redacted", count(self.redacted)),
            ("datoms", count(self.current)),
            ("past-datoms", count(self.past)),
            ("foreign-datoms", count(self.foreign)),
        ])
    }
}

/// A map of what there is.
pub(super) fn map_of<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let there = entries
        .into_iter()
        .filter_map(|(key, value)| Some((Value::keyword(key), value?)));
    Value::map(there)
}

/// A count as a value.
pub(super) fn number(n: u64) -> Value {
    Value::Long(i64::try_from(n).unwrap_or(i64::MAX))
}
