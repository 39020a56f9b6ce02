//! Collection of garbage: objects that no branch and no open database needs any more.
//!
//! What is needed is marked from the refs of all branches and from the pins of all processes. While
//! objects are removed no root is opened and no branch is made, and what was marked is marked anew
//! just before: so nothing that anybody needs, or comes to need, is removed.

use std::collections::BTreeSet;

use super::Conn;
use super::hold;
use super::pin::{hold_still, maintain, pinned};
use super::reference::Place;
use crate::error::{Code, Error, Result};
use crate::index::Digest;
use crate::limits::{GC_MIN_AGE_MS, GC_UNLOCKED_AGE_MS};
use crate::root::{self, Reuse};
use crate::store::{Locks, PINS};

/// What [`Conn::gc_storage`] is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcOptions {
    /// Objects younger than this stay, in milliseconds; none is the default,
    /// [`GC_MIN_AGE_MS`](crate::limits::GC_MIN_AGE_MS).
    pub min_age_ms: Option<u64>,
}

/// What a collection removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// The names of the objects that were removed.
    pub removed: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that stay.
    pub kept: usize,
}

impl Conn {
    /// Removes what no branch, no commit and no open database needs, and writes segments anew of
    /// which more than an eighth is dead. Of this branch, what was
    /// purged is then in no file any more; other branches that hold it are swept by a connection
    /// of their own.
    ///
    /// Safe beside readers and writers, in this process and others; database values that are held
    /// go on answering. Fails with [`Code::Locked`] if another process is at it, or at a
    /// checkpoint, for too long.
    pub fn gc_storage(&self, options: GcOptions) -> Result<GcReport> {
        let database = self.database()?;
        if !database.keeps_segments() {
            return Ok(GcReport::default());
        }
        let place = database.place();
        let _maintenance = maintain(&*place.storage, "a collection")?;
        let elsewhere = segments_elsewhere(place)?;
        database.checkpoint_under_maintenance(Reuse::Compact {
            is_shared: &|segment| elsewhere.contains(&segment),
        })?;
        database.sweep()?;
        let min_age_ms = match place.storage.locks() {
            Locks::Exclude => options.min_age_ms.unwrap_or(GC_MIN_AGE_MS),
            // Pins cannot be told there: only time tells that nobody needs an object.
            Locks::Hint => options.min_age_ms.unwrap_or(0).max(GC_UNLOCKED_AGE_MS),
        };
        collect(place, min_age_ms)
    }
}

/// The segments that other branches need: to write them again for this one would only cost room.
fn segments_elsewhere(place: &Place) -> Result<BTreeSet<Digest>> {
    let mut segments = BTreeSet::new();
    for (branch, reference) in place.all()? {
        if branch != place.branch
            && let Some(digest) = reference.root
        {
            let root = root::load(&*place.storage, digest)?;
            segments.extend(root.stamps().map(|stamp| stamp.digest));
        }
    }
    Ok(segments)
}

fn collect(place: &Place, min_age_ms: u64) -> Result<GcReport> {
    let storage = &*place.storage;
    // Of what this process has let go of, its pin still tells.
    place.pins.renew(&place.storage, &place.segments);
    let mut garbage = Vec::new();
    let mut report = GcReport::default();
    let marked = mark(place)?;
    for prefix in ["root/", "segment/", "log/"] {
        for listed in storage.list_with(prefix)? {
            if !marked.contains(&listed.name) && listed.age_ms >= min_age_ms {
                garbage.push(listed);
            } else {
                report.kept += 1;
            }
        }
    }
    if garbage.is_empty() {
        return Ok(report);
    }
    let _still = hold_still(storage)?;
    let marked = mark(place)?;
    for listed in garbage {
        if marked.contains(&listed.name) {
            report.kept += 1;
            continue;
        }
        storage.delete(&listed.name)?;
        report.bytes += listed.size;
        report.removed.push(listed.name);
    }
    Ok(report)
}

/// The names of all objects that somebody needs.
fn mark(place: &Place) -> Result<BTreeSet<String>> {
    let mut marked = BTreeSet::new();
    for held in place.storage.held(PINS)? {
        let busy = || {
            let message = "a process is about to say what it reads; try again";
            Error::new(Code::Locked, message)
        };
        marked.extend(pinned(&held).ok_or_else(busy)?);
    }
    for (_, reference) in place.all()? {
        hold::mark(place, &reference, &mut marked)?;
    }
    Ok(marked)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::bytes::put_value;
    use crate::conn::branch::BranchPoint;
    use crate::conn::history::ChainStatus;
    use crate::conn::{Config, Conn, create_database_at};
    use crate::db::{Db, Index, datoms};
    use crate::edn;
    use crate::segment::Segments;
    use crate::store::{FileStorage, MemoryStorage, Storage};
    use crate::transact::TxData;
    use crate::value::Keyword;

    const NOW: GcOptions = GcOptions {
        min_age_ms: Some(0),
    };

    fn transact(conn: &Conn, text: &str) {
        let data = TxData::from_value(&edn::read(text).unwrap()).unwrap();
        conn.transact(&data).unwrap();
    }

    fn store(storage: Arc<dyn Storage>) -> (Arc<dyn Storage>, Config, Conn) {
        let config = Config::memory(Uuid::from_u128(8));
        create_database_at(&storage, &config).unwrap();
        let conn = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
        transact(
            &conn,
            "[{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
              {:db/ident :note :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
              {:db/ident :number :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}]",
        );
        (storage, config, conn)
    }

    fn all(db: &Db) -> Vec<String> {
        let datoms = datoms(&db.history().unwrap(), Index::Eavt, &[]).unwrap();
        datoms.iter().map(|datom| format!("{datom:?}")).collect()
    }

    /// Everything that stands in a store, compressed or not, as bytes to search.
    fn bytes_of(storage: &Arc<dyn Storage>, conn: &Conn) -> Vec<u8> {
        let mut out = Vec::new();
        for name in storage.list("").unwrap() {
            out.extend(storage.read(&name, 0..u64::MAX).unwrap().unwrap());
        }
        let place = conn.database().unwrap().place().clone();
        let segments = Segments::new(Arc::clone(storage));
        for (_, reference) in place.all().unwrap() {
            let Some(digest) = reference.root else {
                continue;
            };
            let opened =
                root::open(&**storage, &segments, digest, conn.db().unwrap().options()).unwrap();
            let values = opened.db.dictionary().values_from(0).flatten();
            values.for_each(|value| put_value(&mut out, value).unwrap());
            for datom in datoms(&opened.db.history().unwrap(), Index::Eavt, &[]).unwrap() {
                put_value(&mut out, &datom.v).unwrap();
            }
            for part in &opened.root.archive {
                for record in segments.transactions(&part.stamp).range(0..u64::MAX) {
                    out.extend(record.unwrap().body);
                }
            }
        }
        out
    }

    fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
        bytes.windows(wanted.len()).any(|window| window == wanted)
    }

    fn number_bytes(n: i64) -> Vec<u8> {
        let mut out = Vec::new();
        crate::bytes::put_zigzag(&mut out, n);
        out
    }

    #[test]
    fn purged_bytes_are_in_no_file_after_a_collection() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, config, conn) = store(Arc::new(FileStorage::at(dir.path().join("db"))));
        transact(
            &conn,
            "[{:name \"kept\" :number 5 :note [\"fine\" \"shared-word\"]}]",
        );
        transact(
            &conn,
            "[{:name \"secret-name\" :number 77777777777777 :note [\"secret-note\" \"shared-word\"]}]",
        );
        conn.checkpoint().unwrap();
        transact(
            &conn,
            "[[:db/add [:name \"secret-name\"] :number 88888888888888]]",
        );
        let kept = |db: &Db| -> Vec<String> {
            let lines = all(db).into_iter();
            lines
                .filter(|line| {
                    line.contains("fine") || line.contains("kept") || line.contains(":name")
                })
                .collect()
        };
        let before = bytes_of(&storage, &conn);
        let secrets: Vec<Vec<u8>> = vec![
            b"secret-name".to_vec(),
            b"secret-note".to_vec(),
            number_bytes(77_777_777_777_777),
            number_bytes(88_888_888_888_888),
        ];
        for secret in &secrets {
            assert!(holds(&before, secret), "the search finds what is there");
        }
        transact(&conn, "[[:db.purge/entity [:name \"secret-name\"]]]");
        let left = kept(&conn.db().unwrap());
        conn.gc_storage(NOW).unwrap();
        let after = bytes_of(&storage, &conn);
        for secret in &secrets {
            assert!(
                !holds(&after, secret),
                "{}",
                String::from_utf8_lossy(secret)
            );
        }
        assert!(holds(&after, b"shared-word"), "what others use stays");
        assert_eq!(kept(&conn.db().unwrap()), left);

        let again = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
        assert_eq!(all(&again.db().unwrap()), all(&conn.db().unwrap()));
        let report = again.verify_chain().unwrap();
        assert_eq!(report.status, ChainStatus::Ok, "{report:?}");
        assert!(report.redacted >= 2, "{report:?}");
        for commit in again.branch_history().unwrap() {
            again.commit_as_db(commit.id).unwrap().unwrap();
        }
        transact(&again, "[{:name \"secret-name\" :number 3}]");
        again.checkpoint().unwrap();
        assert_eq!(
            again.gc_storage(NOW).unwrap().kept,
            again.gc_storage(NOW).unwrap().kept
        );
    }

    #[test]
    fn segments_of_which_much_is_dead_are_written_anew_once() {
        let (_, _, conn) = store(Arc::new(MemoryStorage::default()));
        for n in 0..300 {
            transact(
                &conn,
                &format!(
                    "[{{:name \"n{n}\" :number {n} :note [\"a\" \"b\" \"c\" \"d\" \"e\" \"f\"]}}]"
                ),
            );
        }
        conn.gc_storage(NOW).unwrap();
        transact(&conn, "[[:db/add [:name \"n7\"] :number 1000]]");
        conn.checkpoint().unwrap();
        let rows = || {
            let place = conn.database().unwrap().place().clone();
            let digest = place.load().unwrap().reference.unwrap().root.unwrap();
            let root = root::load(&*place.storage, digest).unwrap();
            let live = root.attributes.iter().flat_map(|part| &part.runs);
            let live: u64 = live.flatten().map(|leaf| u64::from(leaf.rows)).sum();
            let all: u64 = root.segments.iter().map(|stamp| stamp.rows).sum();
            (all, live, digest)
        };
        let (all, live, _) = rows();
        assert!(all > live);
        let before = super::tests::all(&conn.db().unwrap());
        // Nothing is new, and still there is something to do; then no more.
        assert!(!conn.gc_storage(NOW).unwrap().removed.is_empty());
        let compact = rows();
        assert_eq!((compact.0, compact.1), (live, live));
        assert_eq!(conn.gc_storage(NOW).unwrap().removed, Vec::<String>::new());
        assert_eq!(rows(), compact);
        assert_eq!(super::tests::all(&conn.db().unwrap()), before);

        // What another branch needs as well stays whole: a copy would only be more.
        transact(&conn, "[[:db/add [:name \"n8\"] :number 1000]]");
        let side = Keyword::new("side");
        conn.checkpoint().unwrap();
        conn.create_branch(&BranchPoint::Branch(Keyword::new("db")), &side)
            .unwrap();
        let shared = rows();
        conn.gc_storage(NOW).unwrap();
        assert_eq!(rows(), shared);
    }

    #[test]
    fn what_somebody_holds_is_not_collected() {
        let (storage, config, conn) = store(Arc::new(MemoryStorage::default()));
        for n in 0..300 {
            transact(&conn, &format!("[{{:name \"n{n}\" :number {n}}}]"));
        }
        conn.checkpoint().unwrap();
        let reader = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
        let held = reader.db().unwrap();
        let then = all(&conn.db().unwrap());
        let side = Keyword::new("side");
        conn.create_branch(&BranchPoint::Branch(Keyword::new("db")), &side)
            .unwrap();
        for n in 0..300 {
            let (name, number) = (format!("[:name \"n{n}\"]"), n + 1000);
            transact(
                &conn,
                &format!("[[:db/add {name} :number {number}] [:db/add {name} :name \"m{n}\"]]"),
            );
        }
        conn.checkpoint().unwrap();
        reader.db().unwrap();
        conn.gc_storage(NOW).unwrap();
        // The branch and the reader both need the first root's segments; the branch goes.
        conn.delete_branch(&side).unwrap();
        conn.gc_storage(NOW).unwrap();
        assert_eq!(all(&held), then);
        drop(held);
        reader.release();
        drop(reader);
        assert!(!conn.gc_storage(NOW).unwrap().removed.is_empty());
        let again = Conn::connect_at(storage, &config).unwrap();
        assert_eq!(all(&again.db().unwrap()), all(&conn.db().unwrap()));
        assert_eq!(conn.gc_storage(NOW).unwrap().removed, Vec::<String>::new());
    }

    #[test]
    fn value_that_nobody_could_pin_expires() {
        let (storage, _, conn) = store(Arc::new(MemoryStorage::default()));
        transact(&conn, "[{:name \"old\" :number 1}]");
        conn.checkpoint().unwrap();
        let place = conn.database().unwrap().place().clone();
        let digest = place.load().unwrap().reference.unwrap().root.unwrap();
        // As in a folder that can only be read.
        let segments = Segments::new(Arc::clone(&storage));
        segments.set_pinned(false);
        let options = crate::db::Options::default();
        let held = root::open(&*storage, &segments, digest, &options)
            .unwrap()
            .db;
        for name in storage.list("segment/").unwrap() {
            storage.delete(&name).unwrap();
        }
        let read = datoms(&held, Index::Eavt, &[]);
        assert_eq!(read.unwrap_err().code(), Code::SnapshotExpired);
    }
}
