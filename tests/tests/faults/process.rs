//! Other processes, collections, clocks, and code that panics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datalith_engine::conn::{Conn, GcOptions};
use datalith_engine::exec::{Input, QueryOptions, q};
use datalith_engine::store::{
    Entry, Fault, LockAttempt, Log, OnDamage, Origin, SimStorage, Start, Storage, Times,
};
use datalith_engine::transact::TxData;
use datalith_engine::{Code, Index, Keyword, Value, datoms, edn};

use super::{NUMBERS, code, connect, filled, found, numbers, object, outcome, up_to, write};

/// F11: who is kept out is told by whom, at once.
#[test]
fn a_second_writer_is_told_who_writes() {
    let storage = filled(1);
    let name = object(&storage, "refs/db");
    let LockAttempt::Taken(_lock) = storage
        .try_lock(&name, "process 7 on moon")
        .expect("a lock")
    else {
        panic!("it is free")
    };
    let conn = connect(&storage).expect("readers need no lock");
    let asked = Instant::now();
    let error = write(&conn, NUMBERS + 1).map(|_| ()).expect_err("locked");
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(
        (error.code(), outcome(&error).as_str()),
        (Code::Locked, ":not-committed")
    );
    assert!(error.message().contains("process 7 on moon"), "{error}");
}

/// F12: a writer that slept while another wrote is refused, and nothing of it is kept.
#[test]
fn a_writer_that_slept_is_fenced() {
    for storage in [SimStorage::seeded(1), SimStorage::objects(1)] {
        let storage: Arc<dyn Storage> = Arc::new(storage);
        let shared = || Arc::clone(&storage);
        let mut awake = Log::create(shared(), "log/a", Origin::default()).expect("created");
        let opened = Log::open(
            shared(),
            "log/a",
            Start::First,
            OnDamage::Refuse,
            &mut |_| Ok(()),
        );
        let mut asleep = opened.expect("opened").0;
        let append = |log: &mut Log, payload: &[u8]| {
            let lease = log.lease(0)?;
            let t = log.tip().t + 1;
            log.append_group(&lease, &[Entry { t, payload }])
        };
        append(&mut awake, b"one").expect("appended");
        let error = append(&mut asleep, b"two").map(|_| ()).expect_err("fenced");
        assert_eq!(
            (error.code(), outcome(&error).as_str()),
            (Code::Fenced, ":not-committed")
        );
        let mut left = Vec::new();
        let mut visit = |record: datalith_engine::store::RecordView<'_>| {
            left.push(record.payload.to_vec());
            Ok(())
        };
        Log::open(
            shared(),
            "log/a",
            Start::First,
            OnDamage::Refuse,
            &mut visit,
        )
        .expect("opened");
        assert_eq!(left, [b"one"]);
    }
}

/// Changes all that segments hold, folds that, and collects what is garbage then.
fn turn_over(conn: &Conn) {
    for n in 1..=NUMBERS {
        let text = format!("[[:db/add {n}000 :n {n}000] [:db/add {n}000 :text \"{n}\"]]");
        conn.transact(&TxData::new(edn::read(&text).expect("EDN")))
            .expect("written");
    }
    conn.checkpoint().expect("folded");
    conn.gc_storage(GcOptions::default()).expect("collected");
}

/// F13: what a reader holds stays readable while others fold, collect and purge.
#[test]
fn a_reader_is_spared_by_a_collection() {
    let storage = filled(1);
    let reader = connect(&storage).expect("connected");
    // Nothing of it is read yet.
    let held = reader.db().expect("read");
    let conn = connect(&storage).expect("connected");
    turn_over(&conn);
    assert_eq!(numbers(&held).expect("it stays"), up_to(NUMBERS));

    let attribute = edn::read("[[:db.purge/attribute 1 :text]]").expect("EDN");
    conn.transact(&TxData::new(attribute)).expect("purged");
    conn.gc_storage(GcOptions::default()).expect("collected");
    match numbers(&held) {
        Ok(numbers) => assert_eq!(numbers, up_to(NUMBERS)),
        Err(error) => assert!(matches!(error.code(), Code::SnapshotExpired | Code::Purged)),
    }
}

/// F13: what is held stays readable when the connection it came from is gone, and no longer.
#[test]
fn a_value_that_outlives_its_connection_is_spared_too() {
    let storage = filled(1);
    let conn = connect(&storage).expect("connected");
    conn.checkpoint().expect("folded");
    let side = Keyword::new("side");
    conn.delete_branch(&side).expect("deleted");
    let reader = connect(&storage).expect("connected");
    // Nothing of it is read yet.
    let held = reader.db().expect("read");
    drop(reader);
    turn_over(&conn);
    let now = GcOptions {
        min_age_ms: Some(0),
    };
    conn.gc_storage(now).expect("collected");
    assert_eq!(numbers(&held).expect("it stays"), up_to(NUMBERS));
    drop(held);
    let collected = conn.gc_storage(now).expect("collected").removed;
    assert!(collected.iter().any(|name| name.starts_with("segment/")));
}

/// F14: a collection that is cut short anywhere harms nothing, and the next one ends it.
#[test]
fn a_collection_can_be_cut_short() {
    let operations = {
        let storage = filled(1);
        let conn = connect(&storage).expect("connected");
        let before = storage.operations();
        turn_over(&conn);
        storage.operations() - before
    };
    for operation in 0..operations {
        let storage = filled(1);
        let conn = connect(&storage).expect("connected");
        storage.fail_at(
            storage.operations() + operation,
            Times::Once,
            Fault::PowerCut,
        );
        let folded = conn.checkpoint();
        let _ = folded.and_then(|_| conn.gc_storage(GcOptions::default()));
        drop(conn);
        let storage = Arc::new(storage.crash());
        assert_eq!(found(&storage).expect("it opens"), up_to(NUMBERS));
        let conn = connect(&storage).expect("connected");
        conn.gc_storage(GcOptions::default()).expect("collected");
        let again = conn.gc_storage(GcOptions::default()).expect("collected");
        assert_eq!(again.removed, Vec::<String>::new());
        assert_eq!(found(&storage).expect("it opens"), up_to(NUMBERS));
    }
}

/// F15: the time of a transaction is after that of the one before, whatever the clock says.
#[test]
fn time_never_goes_back() {
    let storage = filled(1);
    let conn = connect(&storage).expect("connected");
    let far =
        "{:tx-data [{:n 13}] :tx-meta {:db/txInstant #inst \"2099-01-01T00:00:00.000-00:00\"}}";
    let far = TxData::from_value(&edn::read(far).expect("EDN")).expect("transaction data");
    conn.transact(&far).expect("written");
    write(&conn, 14).expect("written");
    let db = conn.db().expect("read");
    let mut times = datoms(&db, Index::Aevt, &[Value::keyword("db/txInstant")]).expect("read");
    times.sort_by_key(|datom| datom.tx.0);
    let ms = |value: &Value| match value {
        Value::Instant(ms) => *ms,
        other => panic!("{other:?}"),
    };
    assert!(times.windows(2).all(|two| ms(&two[0].v) < ms(&two[1].v)));
}

/// F21: a query over its memory, or a listener that panics, fails alone.
#[test]
fn what_fails_alone_stops_nobody() {
    let storage = filled(1);
    let conn = connect(&storage).expect("connected");
    let query = edn::read("[:find ?a ?b :where [?a :n] [?b :n]]").expect("EDN");
    let db = conn.db().expect("read");
    let options = QueryOptions {
        memory_bytes: Some(64),
        ..QueryOptions::default()
    };
    let refused = q(&query, &[Input::Db(db.clone())], &options);
    assert_eq!(code(refused), Code::QueryMemory);
    conn.listen(Box::new(|_| panic!("as asked")));
    write(&conn, NUMBERS + 1).expect("the listener's panic is its own");
    write(&conn, NUMBERS + 2).expect("written");
    let answer = q(&query, &[Input::Db(db)], &QueryOptions::default()).expect("answered");
    assert_eq!(answer.len() as i64, NUMBERS * NUMBERS);
}
