//! Differences: `diff`, and the states of a database that arguments name.

use std::time::Instant;

use datalith_engine::conn::{BranchPoint, Conn};
use datalith_engine::datom::{Datom, TX0};
use datalith_engine::db::TimePoint;
use datalith_engine::{Code, Db, Error, Keyword, Value, diff};
use uuid::Uuid;

use super::arguments::Diff;
use super::database;
use super::fault::Fault;
use super::listing::Listing;
use super::output::{self, Format};

/// Shows the datoms in which two states differ.
pub(crate) fn diff(arguments: &Diff) -> Result<(), Fault> {
    let started = Instant::now();
    let conn = database::connect(&arguments.place)?;
    let a = State::parse(&arguments.a).db(&conn)?;
    let b = State::parse(&arguments.b).db(&conn)?;
    let found = diff::diff(&a, &b)?;
    let is_shown = |datom: &Datom| arguments.transactions || datom.e.0 < TX0;
    let sided = |sign: &'static str| {
        move |datom: Datom| {
            let (e, tx) = (Value::Long(datom.e.0), Value::Long(datom.tx.0));
            (
                (datom.e.0, sign),
                vec![Value::str(sign), e, datom.a, datom.v, tx],
            )
        }
    };
    let only_a = found.only_a().filter(is_shown).map(sided("-"));
    let only_b = found.only_b().filter(is_shown).map(sided("+"));
    let mut rows: Vec<_> = only_a.chain(only_b).collect();
    // What an entity lost stands above what it got.
    rows.sort_by_key(|((e, sign), _)| (*e, *sign == "+"));
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    let listing = Listing::of_maps(&["side", "e", "a", "v", "tx"], rows);
    let format = Format::chosen(arguments.printing.format);
    output::show(&listing, format, started.elapsed())
}

/// A state of a database as an argument names it.
#[derive(Debug, PartialEq)]
pub(crate) enum State {
    /// The newest of a branch.
    Branch(Keyword),
    /// That of a commit.
    Commit(Uuid),
    /// That of the connection's branch at a point.
    Point(TimePoint),
}

impl State {
    /// A commit's id, a transaction or an instant; anything else is a branch, and so is what has a
    /// colon before it.
    pub(crate) fn parse(text: &str) -> State {
        if let Some(branch) = text.strip_prefix(':') {
            return State::Branch(Keyword::new(branch));
        }
        if let (36, Ok(commit)) = (text.len(), Uuid::try_parse(text)) {
            return State::Commit(commit);
        }
        match database::time_point(text, "") {
            Ok(point) if !text.is_empty() => State::Point(point),
            _ => State::Branch(Keyword::new(text)),
        }
    }

    /// The database value.
    fn db(&self, conn: &Conn) -> Result<Db, Fault> {
        match self {
            State::Branch(branch) => conn.branch_as_db(branch)?.ok_or_else(|| {
                let error = Error::new(
                    Code::BranchDoesNotExist,
                    format!("There is no branch {branch}"),
                );
                error.with("branch", Value::Keyword(branch.clone())).into()
            }),
            State::Commit(commit) => conn.commit_as_db(*commit)?.ok_or_else(|| {
                let message = format!("There is no commit {commit}");
                Error::new(Code::BranchSource, message).into()
            }),
            State::Point(point) => Ok(conn.db()?.as_of(*point)?),
        }
    }

    /// Where a branch may start: a point stands for the commit of its transaction.
    pub(crate) fn point(self, conn: &Conn) -> Result<BranchPoint, Fault> {
        let point = match self {
            State::Branch(branch) => return Ok(BranchPoint::Branch(branch)),
            State::Commit(commit) => return Ok(BranchPoint::Commit(commit)),
            State::Point(point) => point,
        };
        let commits = conn.branch_history()?.into_iter();
        let mut until = commits.filter(|commit| match point {
            TimePoint::Tx(tx) => commit.tx <= tx,
            TimePoint::Instant(ms) => commit.instant_ms <= ms,
        });
        let found = until.next().map(|commit| BranchPoint::Commit(commit.id));
        found.ok_or_else(|| {
            Error::new(
                Code::BranchSource,
                "The branch has no commit up to that point",
            )
            .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datalith_engine::datom::TxId;

    #[test]
    fn states_are_told_by_their_look() {
        let branch = |name| State::Branch(Keyword::new(name));
        let tx = State::Point(TimePoint::Tx(TxId(TX0 + 7)));
        for (text, state) in [
            ("db", branch("db")),
            (":2026", branch("2026")),
            ("7", tx),
            ("1970-01-01", State::Point(TimePoint::Instant(0))),
            ("feature/x", branch("feature/x")),
            (
                "00000000-0000-0000-0000-000000000001",
                State::Commit(Uuid::from_u128(1)),
            ),
        ] {
            assert_eq!(State::parse(text), state, "{text}");
        }
    }
}
