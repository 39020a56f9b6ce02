//! Schemas by name: `public`, `history`, `as_of:2026-01-31`, `branch:staging since:536870920`.

use datalith_engine::conn::Conn;
use datalith_engine::db::TimePoint;
use datalith_engine::{Code, Db, Error, Keyword, Result};

/// The schema of what is so now.
pub(crate) const PUBLIC: &str = "public";
/// The schema of everything that ever was.
pub(crate) const HISTORY: &str = "history";

/// The database value that a schema shows; none if the name is not one of ours.
///
/// A name is made of parts with spaces between: `branch:NAME` or `commit:UUID` first, then `as_of:POINT`
/// and `since:POINT`, a transaction or an instant each, then `history`.
pub(crate) fn view(name: &str, now: &Db, conn: Option<&Conn>) -> Option<Result<Db>> {
    if name == PUBLIC {
        return Some(Ok(now.clone()));
    }
    let is_ours = |part: &str| {
        let word = part.split_once(':').map_or(part, |(word, _)| word);
        matches!(word, HISTORY | "as_of" | "since" | "branch" | "commit")
    };
    let parts: Vec<&str> = name.split_whitespace().collect();
    if parts.is_empty() || !parts.iter().all(|part| is_ours(part)) {
        return None;
    }
    let narrowed = parts
        .into_iter()
        .try_fold(now.clone(), |db, part| narrow(part, db, conn));
    Some(narrowed.map_err(|error| error.with("schema", name)))
}

fn narrow(part: &str, db: Db, conn: Option<&Conn>) -> Result<Db> {
    let (word, argument) = part.split_once(':').unwrap_or((part, ""));
    let conn = || {
        conn.ok_or_else(|| {
            Error::new(
                Code::SqlStatement,
                format!("{part}: a database value by itself knows no branches; ask a connection"),
            )
        })
    };
    match word {
        "as_of" => db.as_of(TimePoint::from_text(argument)?),
        "since" => db.since(TimePoint::from_text(argument)?),
        "branch" => {
            let name = Keyword::new(argument.strip_prefix(':').unwrap_or(argument));
            conn()?.branch_as_db(&name)?.ok_or_else(|| {
                Error::new(
                    Code::BranchDoesNotExist,
                    format!("There is no branch {name}"),
                )
            })
        }
        "commit" => {
            let wrong = || {
                let message = format!("{part}: a commit is named by a UUID");
                Error::new(Code::CommitIdMustBeUuid, message)
            };
            let commit = argument.parse().map_err(|_| wrong())?;
            conn()?.commit_as_db(commit)?.ok_or_else(|| {
                Error::new(
                    Code::ParentDoesNotExist,
                    format!("There is no commit {argument}"),
                )
            })
        }
        _ => db.history(),
    }
}
