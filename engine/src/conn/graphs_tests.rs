//! Graphs of vectors beside a plain loop over everything that was ever said.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::conn::branch::BranchPoint;
use crate::conn::gc::GcOptions;
use crate::conn::history::ChainStatus;
use crate::conn::{Config, Conn, Depth, VerifyOptions, create_database_at, import_at, verify_at};
use crate::datom::TxId;
use crate::db::{Db, TimePoint};
use crate::edn;
use crate::error::{Code, Result};
use crate::index::{array_of, name_of};
use crate::nearest::{Reach, Space, Wanted, nearest};
use crate::store::{Fault, MemoryStorage, SimStorage, Storage, Times};
use crate::transact::TxData;
use crate::value::{Keyword, Value};

/// What a branch holds at a transaction, by entity.
type Twin = BTreeMap<i64, Vec<f32>>;

const DIM: usize = 8;
const GO: &(dyn Fn(super::graphs::GraphProgress) -> ControlFlow<()> + Sync) =
    &|_| ControlFlow::Continue(());

/// Numbers that look random, the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIM)
            .map(|_| self.below(2000) as f32 / 100.0 - 10.0)
            .collect()
    }
}

fn config() -> Config {
    Config::memory(Uuid::from_u128(9))
}

fn transact(conn: &Conn, text: &str) -> i64 {
    let data = TxData::from_value(&edn::read(text).unwrap()).unwrap();
    conn.transact(&data).unwrap().db_after.max_tx().0
}

fn set(conn: &Conn, e: i64, vector: &[f32]) -> i64 {
    let value = Value::FloatArray(vector.into());
    let form = [
        Value::keyword("db/add"),
        Value::Long(e),
        Value::keyword("at"),
        value,
    ];
    let data = TxData::new(Value::vector([Value::vector(form)]));
    conn.transact(&data).unwrap().db_after.max_tx().0
}

/// Vectors of entities one after the other, in one transaction.
fn all_of(first: i64, vectors: &[Vec<f32>]) -> TxData {
    let add = |(e, vector): (i64, &Vec<f32>)| {
        let value = Value::FloatArray(vector.as_slice().into());
        let head = [
            Value::keyword("db/add"),
            Value::Long(e),
            Value::keyword("at"),
        ];
        Value::vector(head.into_iter().chain([value]))
    };
    TxData::new(Value::vector((first..).zip(vectors).map(add)))
}

/// Where the vectors of the attribute are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    /// Among its values.
    Inline,
    /// Aside, under the names of their contents.
    Aside,
}

const BOTH: [Kept; 2] = [Kept::Inline, Kept::Aside];

impl Kept {
    fn schema(self) -> &'static str {
        match self {
            Kept::Inline => {
                "[{:db/ident :at :db/valueType :db.type/float-array :db/cardinality :db.cardinality/one}
                  {:db/ident :idx/at :db.secondary/type :hnsw :db.secondary/attrs [:at] :db.secondary/config {:dim 8}}]"
            }
            Kept::Aside => {
                "[{:db/ident :at :db/valueType :db.type/float-array :db/cardinality :db.cardinality/one :db.secondary/only true}
                  {:db/ident :idx/at :db.secondary/type :hnsw :db.secondary/attrs [:at] :db.secondary/config {:dim 8}}]"
            }
        }
    }
}

fn store(kept: Kept) -> (Arc<dyn Storage>, Conn) {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    create_database_at(&storage, &config()).unwrap();
    let conn = Conn::connect_at(Arc::clone(&storage), &config()).unwrap();
    transact(&conn, kept.schema());
    (storage, conn)
}

fn found(db: &Db, vector: &[f32], count: usize, among: Option<&[i64]>) -> Vec<(i64, f32)> {
    let space = Space::of(db, &Value::keyword("idx/at"), None).unwrap();
    let wanted = Wanted {
        vector,
        reach: Reach::Count(count),
        ef: Some(1024),
        exact: false,
        among,
    };
    let hits = nearest(db, &space, &wanted, &|| Ok(())).unwrap();
    hits.iter()
        .map(|hit| (hit.entity.0, hit.distance))
        .collect()
}

fn expected(twin: &Twin, vector: &[f32], count: usize, among: Option<&[i64]>) -> Vec<(i64, f32)> {
    let is_wanted = |e: &i64| among.is_none_or(|among| among.binary_search(e).is_ok());
    let mut all: Vec<(i64, f32)> = twin
        .iter()
        .filter(|(e, _)| is_wanted(e))
        .map(|(e, v)| {
            (
                *e,
                v.iter().zip(vector).map(|(a, b)| (a - b) * (a - b)).sum(),
            )
        })
        .collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    all.truncate(count);
    all
}

fn assert_same(db: &Db, twin: &Twin, draw: &mut Draw, what: &str) {
    let vector = draw.vector();
    let same = |among: Option<&[i64]>| {
        let (got, want) = (
            found(db, &vector, 10, among),
            expected(twin, &vector, 10, among),
        );
        assert_eq!(got.len(), want.len(), "{what}");
        for (got, want) in got.iter().zip(&want) {
            let close = (got.1 - want.1).abs() <= 1e-3 * want.1.max(1.0);
            assert!(close, "{what}: {got:?} for {want:?}");
        }
    };
    same(None);
    let some: Vec<i64> = twin.keys().copied().filter(|e| e % 7 == 0).collect();
    same(Some(&some));
    let many: Vec<i64> = twin.keys().copied().filter(|e| e % 3 != 0).collect();
    same(Some(&many));
}

/// Inserts, updates and retractions, with graphs built, folded and collected in between; every
/// hundredth step the present, the past and a branch are asked.
#[test]
fn graphs_answer_as_a_loop_does_now_then_and_on_branches() {
    BOTH.into_iter().for_each(answer_as_a_loop);
}

fn answer_as_a_loop(kept: Kept) {
    let (storage, conn) = store(kept);
    let mut draw = Draw(0x9E37_79B9_7F4A_7C15);
    let mut twin = Twin::new();
    let mut past: Vec<(i64, Twin)> = Vec::new();
    let mut branches: Vec<(Keyword, Twin)> = Vec::new();
    for step in 1..=10_000usize {
        let e = 1000 + draw.below(3000) as i64;
        let tx = if draw.below(10) == 0 && twin.remove(&e).is_some() {
            transact(&conn, &format!("[[:db/retract {e} :at]]"))
        } else {
            let vector = draw.vector();
            let tx = set(&conn, e, &vector);
            twin.insert(e, vector);
            tx
        };
        if step % 1700 == 0 {
            conn.build_graphs(GO).unwrap();
        }
        if step % 2500 == 0 {
            conn.gc_storage(GcOptions {
                min_age_ms: Some(0),
            })
            .unwrap();
            let name = Keyword::new(&format!("b{step}"));
            conn.create_branch(&BranchPoint::Branch(Keyword::new("db")), &name)
                .unwrap();
            let config = config()
                .with("branch", Value::Keyword(name.clone()))
                .unwrap();
            let branch = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
            let mut own = twin.clone();
            let vector = draw.vector();
            set(&branch, 1, &vector);
            own.insert(1, vector);
            branches.push((name, own));
            branch.release();
        }
        if step % 500 == 0 {
            past.push((tx, twin.clone()));
        }
        if step % 100 == 0 {
            let db = conn.db().unwrap();
            assert_same(&db, &twin, &mut draw, &format!("step {step}"));
            if let Some((tx, twin)) = past.get(draw.below(past.len().max(1) as u64) as usize) {
                let then = db.as_of(TimePoint::Tx(TxId(*tx))).unwrap();
                assert_same(&then, twin, &mut draw, &format!("step {step} as of {tx}"));
            }
        }
    }
    assert!(
        conn.db().unwrap().graphs().len() > 1,
        "several graphs are searched"
    );
    for (name, twin) in &branches {
        let config = config()
            .with("branch", Value::Keyword(name.clone()))
            .unwrap();
        let branch = Conn::connect_at(Arc::clone(&storage), &config).unwrap();
        let db = branch.db().unwrap();
        assert!(!db.graphs().is_empty(), "{name} shares graphs");
        assert_same(&db, twin, &mut draw, name.as_str());
    }
}

/// What a root names is there when the store is opened again; what was purged is in no graph.
#[test]
fn graphs_are_kept_until_what_they_hold_is_purged() {
    BOTH.into_iter().for_each(are_kept_until_purged);
}

fn are_kept_until_purged(kept: Kept) {
    let (storage, conn) = store(kept);
    let mut draw = Draw(7);
    let vectors: Vec<Vec<f32>> = (0..300).map(|_| draw.vector()).collect();
    for (e, vector) in (1000..).zip(&vectors) {
        set(&conn, e, vector);
    }
    assert_eq!(conn.build_graphs(GO).unwrap(), 1);
    assert_eq!(
        conn.build_graphs(GO).unwrap(),
        0,
        "nothing is left to build"
    );
    let again = Conn::connect_at(Arc::clone(&storage), &config()).unwrap();
    let db = again.db().unwrap();
    assert_eq!(db.graphs().len(), 1);
    assert_eq!(found(&db, &vectors[40], 1, None), [(1040, 0.0)]);

    let names = || -> Vec<String> {
        let all = storage.list("segment/").unwrap().into_iter();
        all.filter(|name| name.ends_with(".vectors")).collect()
    };
    let before = names();
    assert_eq!(before.len(), 1);
    transact(&conn, "[[:db.purge/entity 1040]]");
    assert_ne!(found(&conn.db().unwrap(), &vectors[40], 1, None)[0].0, 1040);
    drop((db, again));
    conn.gc_storage(GcOptions {
        min_age_ms: Some(0),
    })
    .unwrap();
    assert!(conn.db().unwrap().graphs().is_empty());
    assert_eq!(names(), Vec::<String>::new());
    assert_eq!(
        found(&conn.db().unwrap(), &vectors[41], 1, None),
        [(1041, 0.0)]
    );
    assert_eq!(conn.build_graphs(GO).unwrap(), 1);
    assert_eq!(
        found(&conn.db().unwrap(), &vectors[41], 1, None),
        [(1041, 0.0)]
    );
}

/// Work that is ended leaves nothing; work that began from an older value is dropped if its rows are
/// no longer all there are.
#[test]
fn a_graph_that_would_miss_rows_is_not_taken() {
    BOTH.into_iter().for_each(is_not_taken);
}

fn is_not_taken(kept: Kept) {
    let (_, conn) = store(kept);
    let mut draw = Draw(11);
    for e in 1000..1200 {
        set(&conn, e, &draw.vector());
    }
    let ended = conn.build_graphs(&|_| ControlFlow::Break(()));
    assert_eq!(ended.unwrap_err().code(), Code::QueryCanceled);
    assert!(conn.db().unwrap().graphs().is_empty());
    conn.build_graphs(GO).unwrap();
    let tx = conn.db().unwrap().max_tx().0;
    // A datom in the name of an earlier transaction.
    let late = draw.vector();
    let numbers: Vec<String> = late.iter().map(|x| format!("{x:?}")).collect();
    transact(
        &conn,
        &format!("[[:db/add 1500 :at [{}] {}]]", numbers.join(" "), tx - 3),
    );
    assert!(conn.db().unwrap().graphs().is_empty());
    assert_eq!(found(&conn.db().unwrap(), &late, 1, None), [(1500, 0.0)]);
}

/// The power is cut at every operation of a life in which graphs are built, merged and collected:
/// what is opened then has every vector that was acknowledged, searches them right, and goes on.
#[test]
fn a_cut_while_graphs_are_built_costs_no_vector() {
    BOTH.into_iter().for_each(no_vector_is_lost);
}

fn no_vector_is_lost(kept: Kept) {
    let mut draw = Draw(13);
    let vectors: Vec<Vec<f32>> = (0..60).map(|_| draw.vector()).collect();
    let live = |sim: &Arc<SimStorage>, acknowledged: &mut Vec<i64>| -> Result<()> {
        let storage: Arc<dyn Storage> = sim.clone();
        create_database_at(&storage, &config())?;
        let conn = Conn::connect_at(Arc::clone(&storage), &config())?;
        conn.transact(&TxData::from_value(&edn::read(kept.schema())?)?)?;
        for (part, first) in vectors.chunks(30).zip([1000, 1030]) {
            conn.transact(&all_of(first, part))?;
            acknowledged.extend(first..first + part.len() as i64);
            conn.build_graphs(GO)?;
        }
        conn.gc_storage(GcOptions {
            min_age_ms: Some(0),
        })
        .map(drop)
    };
    let whole = Arc::new(SimStorage::seeded(0));
    live(&whole, &mut Vec::new()).unwrap();
    let mut went_on = 0;
    for at in 0..whole.operations() {
        let sim = Arc::new(match at % 2 {
            0 => SimStorage::seeded(at),
            _ => SimStorage::objects(at),
        });
        let fault = match at % 3 {
            0 => Fault::After(Code::Storage),
            _ => Fault::PowerCut,
        };
        sim.fail_at(at, Times::Once, fault);
        let mut acknowledged = Vec::new();
        let _ = live(&sim, &mut acknowledged);
        let storage: Arc<dyn Storage> = Arc::new(sim.crash());
        let Ok(conn) = Conn::connect_at(Arc::clone(&storage), &config()) else {
            assert!(acknowledged.is_empty(), "operation {at}");
            continue;
        };
        for e in &acknowledged {
            let vector = &vectors[(e - 1000) as usize];
            assert_eq!(
                found(&conn.db().unwrap(), vector, 1, None),
                [(*e, 0.0)],
                "operation {at}"
            );
        }
        if !acknowledged.is_empty() {
            went_on += 1;
            conn.build_graphs(GO).unwrap();
            assert_eq!(
                found(&conn.db().unwrap(), &vectors[3], 1, None),
                [(1003, 0.0)]
            );
        }
        conn.release();
        let report = verify_at(&storage, &VerifyOptions::default()).unwrap();
        assert!(report.is_ok(), "operation {at}: {:?}", report.errors);
    }
    assert!(
        went_on > 20,
        "{went_on} cuts came after something was acknowledged"
    );
}

/// An index over vectors that are there already says that it is being built until its graph stands;
/// one that could not hold them is refused.
#[test]
fn an_index_declared_late_takes_in_what_is_there() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    create_database_at(&storage, &config()).unwrap();
    let conn = Conn::connect_at(Arc::clone(&storage), &config()).unwrap();
    transact(
        &conn,
        "[{:db/ident :at :db/valueType :db.type/float-array :db/cardinality :db.cardinality/one}]",
    );
    let mut draw = Draw(17);
    let vectors: Vec<Vec<f32>> = (0..4200).map(|_| draw.vector()).collect();
    conn.transact(&all_of(1000, &vectors)).unwrap();
    let declare = |dim: usize| {
        let text = format!(
            "[{{:db/ident :idx/at :db.secondary/type :hnsw :db.secondary/attrs [:at] :db.secondary/config {{:dim {dim} :encoding :int8}}}}]"
        );
        conn.transact(&TxData::from_value(&edn::read(&text).unwrap()).unwrap())
    };
    let refused = declare(9).err().unwrap();
    assert_eq!(refused.code(), Code::TransactSchema);
    assert!(refused.message().contains("4200 vectors"), "{refused}");
    let status = |db: &Db| {
        let entry = db.schema().entry_of(&Keyword::new("idx/at")).unwrap();
        entry[&Value::keyword("db.secondary/status")].to_string()
    };
    let declared = declare(8).unwrap().db_after;
    assert_eq!(status(&declared), ":building");
    let exactly = found(&declared, &vectors[77], 10, None);
    assert_eq!(
        exactly[0],
        (1077, 0.0),
        "it is searched from the first moment"
    );
    conn.build_graphs(GO).unwrap();
    let db = conn.db().unwrap();
    assert_eq!((status(&db).as_str(), db.graphs().len()), (":ready", 1));
    assert_eq!(found(&db, &vectors[77], 10, None), exactly);
    conn.release();
}

/// Nobody asks for a graph, and still there is one, which a root names.
#[test]
fn graphs_are_built_in_the_background() {
    let (storage, conn) = store(Kept::Inline);
    let mut draw = Draw(19);
    let vectors: Vec<Vec<f32>> = (0..4200).map(|_| draw.vector()).collect();
    conn.transact(&all_of(1000, &vectors)).unwrap();
    let began = Instant::now();
    while Conn::connect_at(Arc::clone(&storage), &config())
        .unwrap()
        .db()
        .unwrap()
        .graphs()
        .is_empty()
    {
        assert!(began.elapsed() < Duration::from_secs(60), "no graph came");
        std::thread::yield_now();
    }
    let db = conn.db().unwrap();
    assert_eq!(found(&db, &vectors[5], 1, None), [(1005, 0.0)]);
    conn.release();
}

/// The bytes of the segments of a kind.
fn bytes_of(storage: &Arc<dyn Storage>, end: &str) -> u64 {
    let names = storage.list("segment/").unwrap().into_iter();
    let names = names.filter(|name| name.ends_with(end));
    names
        .map(|name| storage.size(&name).unwrap().unwrap())
        .sum()
}

fn collect(conn: &Conn) {
    let options = GcOptions {
        min_age_ms: Some(0),
    };
    conn.gc_storage(options).unwrap();
}

/// A vector that is kept aside lies in one place once a graph holds it: what the dictionary has is
/// where. What is made of the store says what it said, whatever becomes of the graphs.
#[test]
fn what_a_graph_holds_is_kept_nowhere_else() {
    let mut draw = Draw(23);
    let vectors: Vec<Vec<f32>> = (0..2000).map(|_| draw.vector()).collect();
    let float_bytes = (2000 * 4 * DIM) as u64;
    for kept in BOTH {
        let (storage, conn) = store(kept);
        for (first, part) in (1000..).step_by(500).zip(vectors.chunks(500)) {
            conn.transact(&all_of(first, part)).unwrap();
        }
        conn.checkpoint().unwrap();
        collect(&conn);
        let before = bytes_of(&storage, ".arrow");
        conn.build_graphs(GO).unwrap();
        collect(&conn);
        let gone = before.saturating_sub(bytes_of(&storage, ".arrow"));
        assert_eq!(gone > float_bytes * 3 / 4, kept == Kept::Aside, "{gone}");
        let check = |conn: &Conn, what: &str| {
            let db = conn.db().unwrap();
            for at in [0, 77, 1999] {
                let near = found(&db, &vectors[at], 1, None);
                assert_eq!(near, [(1000 + at as i64, 0.0)], "{kept:?} {what}");
            }
            let options = VerifyOptions {
                depth: Depth::History,
                ..VerifyOptions::default()
            };
            let report = verify_at(&storage, &options).unwrap();
            assert!(report.is_ok(), "{kept:?} {what}: {:?}", report.errors);
        };
        let again = || Conn::connect_at(Arc::clone(&storage), &config()).unwrap();
        check(&again(), "opened again");
        // The graph is merged with more rows: what named its segment names the new one.
        let more: Vec<Vec<f32>> = (0..1500).map(|_| draw.vector()).collect();
        conn.transact(&all_of(5000, &more)).unwrap();
        conn.build_graphs(GO).unwrap();
        collect(&conn);
        check(&again(), "merged");
        // A datom in the name of an earlier transaction ends the graphs.
        let tx = conn.db().unwrap().max_tx().0;
        let numbers: Vec<String> = draw.vector().iter().map(f32::to_string).collect();
        let late = format!("[[:db/add 9000 :at [{}] {}]]", numbers.join(" "), tx - 1);
        transact(&conn, &late);
        assert!(conn.db().unwrap().graphs().is_empty());
        conn.checkpoint().unwrap();
        collect(&conn);
        assert_eq!(bytes_of(&storage, ".vectors"), 0, "{kept:?}");
        check(&again(), "without graphs");
        let report = conn.verify_chain().unwrap();
        assert_eq!(report.status, ChainStatus::Ok, "{kept:?}: {report:?}");
        conn.release();
    }
}

/// What was purged is found by nobody, under its name or otherwise, and in no file; what was not is.
#[test]
fn what_is_kept_aside_goes_when_it_is_purged() {
    let (storage, conn) = store(Kept::Aside);
    let mut draw = Draw(29);
    let vectors: Vec<Vec<f32>> = (0..40).map(|_| draw.vector()).collect();
    conn.transact(&all_of(1000, &vectors)).unwrap();
    // Another entity has the same vector as one that goes, and one has the name of another that goes.
    set(&conn, 2000, &vectors[7]);
    let name = |at: usize| name_of(&Value::FloatArray(vectors[at].as_slice().into())).unwrap();
    transact(
        &conn,
        "[{:db/ident :note :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]",
    );
    transact(&conn, &format!("[[:db/add 2001 :note {}]]", name(8)));
    conn.build_graphs(GO).unwrap();
    transact(&conn, "[[:db.purge/entity 1007] [:db.purge/entity 1008]]");
    collect(&conn);
    let again = Conn::connect_at(Arc::clone(&storage), &config()).unwrap();
    let db = again.db().unwrap();
    let near = |at: usize| found(&db, &vectors[at], 1, None)[0];
    assert_eq!(near(7), (2000, 0.0));
    assert_eq!(near(9), (1009, 0.0));
    assert_ne!(near(8).1, 0.0);
    let array = |at: usize| {
        let cell = db.dictionary().cell(&name(at));
        cell.and_then(|cell| array_of(db.dictionary(), cell))
    };
    assert!(array(7).is_some() && array(8).is_none());
    let bytes: Vec<u8> = vectors[8].iter().flat_map(|x| x.to_le_bytes()).collect();
    for file in storage.list("").unwrap() {
        let whole = 0..storage.size(&file).unwrap().unwrap_or(0);
        let content = storage.read(&file, whole).unwrap().unwrap_or_default();
        let has = content.windows(bytes.len()).any(|part| part == bytes);
        assert!(!has, "{file} has what was purged");
    }
    // It comes back as if it had never been there.
    set(&again, 3000, &vectors[8]);
    let db = again.db().unwrap();
    assert_eq!(found(&db, &vectors[8], 1, None), [(3000, 0.0)]);
}

/// A dump carries what is kept aside, with history.
#[test]
fn what_is_kept_aside_goes_with_a_dump() {
    let (_, conn) = store(Kept::Aside);
    let mut draw = Draw(31);
    let vectors: Vec<Vec<f32>> = (0..50).map(|_| draw.vector()).collect();
    let tx = conn.transact(&all_of(1000, &vectors)).unwrap();
    let then = tx.db_after.max_tx();
    conn.build_graphs(GO).unwrap();
    set(&conn, 1003, &vectors[4]);
    let mut dump = Vec::new();
    conn.export(&mut dump, &|_| {}).unwrap();
    let target: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    import_at(&target, &config(), &mut Cursor::new(&dump), &|_| {}).unwrap();
    let copy = Conn::connect_at(target, &config()).unwrap();
    let db = copy.db().unwrap();
    let exact = found(&db, &vectors[4], 2, None);
    assert_eq!(exact, [(1003, 0.0), (1004, 0.0)]);
    let past = db.as_of(TimePoint::Tx(then)).unwrap();
    assert_eq!(found(&past, &vectors[3], 1, None), [(1003, 0.0)]);
}
