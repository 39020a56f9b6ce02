use std::sync::Arc;

use uuid::Uuid;

use super::branch::BranchPoint;
use super::checkpoint::Checkpoint;
use super::history::ChainStatus;
use super::registry::create_database_at;
use super::{Config, Conn};
use crate::db::{Db, Index, datoms};
use crate::edn;
use crate::store::{MemoryStorage, Storage};
use crate::transact::TxData;
use crate::value::{Keyword, Value};

fn config() -> Config {
    Config::memory(Uuid::from_u128(7))
}

fn transact(conn: &Conn, text: &str) {
    let data = TxData::from_value(&edn::read(text).unwrap()).unwrap();
    conn.transact(&data).unwrap();
}

fn store() -> (Arc<dyn Storage>, Conn) {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    create_database_at(&storage, &config()).unwrap();
    let conn = Conn::connect_at(Arc::clone(&storage), &config()).unwrap();
    transact(
        &conn,
        "[{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
          {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
    );
    (storage, conn)
}

fn all(db: &Db) -> Vec<String> {
    let datoms = datoms(&db.history().unwrap(), Index::Eavt, &[]).unwrap();
    datoms.iter().map(|datom| format!("{datom:?}")).collect()
}

#[test]
fn checkpoint_changes_nothing_that_anybody_sees() {
    let (storage, conn) = store();
    let mut states = Vec::new();
    for n in 0..12 {
        transact(
            &conn,
            &format!(
                "[{{:name \"a{n}\" :age {n}}} {{:name \"a{}\" :age {}}}]",
                n / 2,
                100 + n
            ),
        );
        if n % 3 == 1 {
            assert_eq!(conn.checkpoint().unwrap(), Checkpoint::Done);
            assert_eq!(conn.checkpoint().unwrap(), Checkpoint::NothingNew);
        }
        states.push((
            conn.db().unwrap().commit_id().unwrap(),
            all(&conn.db().unwrap()),
        ));
    }
    let now = conn.db().unwrap();
    assert_eq!(conn.tx_range(None, None, None).unwrap().len(), 13);
    let reader = Conn::connect_at(storage, &config()).unwrap();
    assert_eq!(all(&reader.db().unwrap()), all(&now));
    for (commit, state) in &states {
        let db = reader.commit_as_db(*commit).unwrap().unwrap();
        assert_eq!((db.commit_id(), &all(&db)), (Some(*commit), state));
    }
    let report = reader.verify_chain().unwrap();
    assert_eq!(
        (report.status, report.commits, report.redacted),
        (ChainStatus::Ok, 13, 0),
        "{report:?}"
    );
    assert_eq!(reader.branch_history().unwrap().len(), 13);

    // A reader sees what is written after its root was replaced.
    transact(&conn, "[{:name \"late\"}]");
    conn.checkpoint().unwrap();
    transact(&conn, "[{:name \"later\"}]");
    assert_eq!(all(&reader.db().unwrap()), all(&conn.db().unwrap()));
}

#[test]
fn branch_from_an_archived_commit_goes_its_own_way() {
    let (storage, conn) = store();
    transact(&conn, "[{:name \"one\" :age 1}]");
    let then = conn.db().unwrap();
    transact(&conn, "[{:name \"two\" :age 2}]");
    conn.checkpoint().unwrap();
    let side = Keyword::new("side");
    conn.create_branch(&BranchPoint::Commit(then.commit_id().unwrap()), &side)
        .unwrap();
    let config = config().with("branch", Value::Keyword(side)).unwrap();
    let branch = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
    assert_eq!(all(&branch.db().unwrap()), all(&then));
    transact(&branch, "[{:name \"three\" :age 3}]");
    branch.checkpoint().unwrap();
    transact(&branch, "[{:name \"four\" :age 4}]");
    let again = Conn::connect_at(storage, &config).unwrap();
    assert_eq!(all(&again.db().unwrap()), all(&branch.db().unwrap()));
    assert_eq!(again.verify_chain().unwrap().status, ChainStatus::Ok);
    assert_eq!(all(&conn.db().unwrap()).len(), all(&then).len() + 3);
}
