use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::datom::{TX0, TxId};
use crate::db::{Db, Index, Options, datoms, metrics, schema_map};
use crate::edn;
use crate::index::SortOrder;
use crate::segment::Segments;
use crate::store::{MemoryStorage, Storage};
use crate::transact::{self, TxData};

/// A store in memory, and what reads its segments.
struct Store {
    storage: Arc<dyn Storage>,
    segments: Segments,
}

impl Store {
    fn new() -> Store {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        Store {
            segments: Segments::new(Arc::clone(&storage)),
            storage,
        }
    }

    fn write(&self, db: &Db, previous: Option<&Root>) -> Written {
        self.write_with(db, previous, Reuse::Shared)
    }

    fn write_with(&self, db: &Db, previous: Option<&Root>, reuse: Reuse<'_>) -> Written {
        let at = Position {
            commit: Uuid::from_u128(db.max_tx().0 as u128),
            t: (db.max_tx().0 - TX0) as u64,
            epoch: 1,
            unswept: false,
        };
        let mut none = std::iter::empty();
        write(
            &*self.storage,
            &self.segments,
            db,
            (previous, reuse),
            at,
            &mut none,
        )
        .unwrap()
    }

    fn open(&self, written: &Written) -> Db {
        let options = Options::default();
        // Nothing is shared with what wrote it.
        let segments = Segments::new(Arc::clone(&self.storage));
        open(&*self.storage, &segments, written.digest, &options)
            .unwrap()
            .db
    }
}

fn transacted(db: &Db, text: &str) -> Db {
    let data = TxData::from_value(&edn::read(text).unwrap()).unwrap();
    transact::transact(db, &data, 1_700_000_000_000)
        .unwrap()
        .db_after
}

fn people(db: &Db, range: std::ops::Range<usize>) -> Db {
    let people: Vec<String> = range
        .map(|n| {
            let friend = if n > 0 {
                format!(":person/friend [:person/name \"p{}\"]", n / 2)
            } else {
                String::new()
            };
            format!(
                "{{:person/name \"p{n}\" :person/age {} :person/score {}.5 {friend}}}",
                n % 90,
                n * 7
            )
        })
        .collect();
    people
        .iter()
        .as_slice()
        .chunks(500)
        .fold(db.clone(), |db, forms| {
            transacted(&db, &format!("[{}]", forms.join(" ")))
        })
}

const SCHEMA: &str = "[{:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
    {:db/ident :person/age :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}
    {:db/ident :person/score :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
    {:db/ident :person/friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";

fn assert_same(a: &Db, b: &Db) {
    let all = |db: &Db, index| datoms(&db.history().unwrap(), index, &[]).unwrap();
    for index in [Index::Eavt, Index::Aevt, Index::Avet] {
        assert_eq!(all(a, index), all(b, index));
    }
    assert_eq!(schema_map(a), schema_map(b));
    assert_eq!(metrics(a), metrics(b));
    assert_eq!((a.max_eid(), a.max_tx()), (b.max_eid(), b.max_tx()));
}

fn leaves(db: &Db) -> (usize, usize) {
    let runs = db
        .attribute_ids()
        .filter_map(|a| db.index(a))
        .flat_map(|index| index.runs());
    let leaves = runs
        .flat_map(|run| run.leaves())
        .map(|leaf| leaf.place().is_some());
    leaves.fold((0, 0), |(all, stored), is_stored| {
        (all + 1, stored + usize::from(is_stored))
    })
}

#[test]
fn database_comes_back_from_its_root_and_later_roots_share_its_segments() {
    let store = Store::new();
    let db = people(
        &transacted(&transact::create(Options::default()), SCHEMA),
        0..3000,
    );
    let db = transacted(
        &db,
        "[[:db/add [:person/name \"p7\"] :person/age 99] [:db/retractEntity [:person/name \"p9\"]]]",
    );
    let first = store.write(&db, None);
    let opened = store.open(&first);
    assert_same(&opened, &db);

    let rebased = first.rebase(&db);
    assert_eq!(
        leaves(&rebased).0,
        leaves(&rebased).1,
        "all lies in segments"
    );
    assert!(rebased.dictionary().is_same(db.dictionary()));
    assert_same(&rebased, &db);

    // A later value made while the root was written takes over what did not change since.
    let later = transacted(&db, "[{:person/name \"new\" :person/age 1}]");
    let rebased = first.rebase(&later);
    let (all, stored) = leaves(&rebased);
    assert!(stored > 0 && stored < all);
    assert_same(&rebased, &later);

    let more = people(&store.open(&first), 3000..3500);
    let second = store.write(&more, Some(&first.root));
    assert_same(&store.open(&second), &more);
    let again = store.write(&second.rebase(&more), Some(&second.root));
    assert_eq!(
        again.root.segments, second.root.segments,
        "nothing new, nothing written"
    );
    assert_eq!(again.digest, second.digest);
}

/// Rows of all segments, and of all leaves.
fn rows(root: &Root) -> (u64, u64) {
    let leaves = root
        .attributes
        .iter()
        .flat_map(|part| part.runs.iter().flatten());
    let all = root.segments.iter().map(|stamp| stamp.rows);
    (all.sum(), leaves.map(|leaf| u64::from(leaf.rows)).sum())
}

#[test]
fn compaction_leaves_no_dead_rows() {
    let store = Store::new();
    let db = people(
        &transacted(&transact::create(Options::default()), SCHEMA),
        0..2000,
    );
    let first = store.write(&db, None);
    let changed = transacted(
        &first.rebase(&db),
        "[[:db/add [:person/name \"p7\"] :person/age 99]]",
    );
    let second = store.write(&changed, Some(&first.root));
    let (all, live) = rows(&second.root);
    assert!(all > live && all < 2 * live, "{all} {live}");
    let changed = second.rebase(&changed);

    let (needed, free) = (|_| true, |_| false);
    let shared = Reuse::Compact { is_shared: &needed };
    assert!(!is_wasteful(&changed, &second.root, &shared));
    let compact = Reuse::Compact { is_shared: &free };
    assert!(!is_wasteful(&changed, &second.root, &Reuse::Shared));
    assert!(is_wasteful(&changed, &second.root, &compact));
    let third = store.write_with(&changed, Some(&second.root), compact);
    assert_eq!(rows(&third.root), (live, live));
    assert_same(&store.open(&third), &changed);
    let rebased = third.rebase(&changed);
    assert!(!is_wasteful(&rebased, &third.root, &compact));
    let again = store.write_with(&rebased, Some(&third.root), compact);
    assert_eq!(again.digest, third.digest);
}

#[test]
fn small_attributes_share_segments_and_long_runs_have_their_own() {
    let store = Store::new();
    let schema = |n: usize| {
        format!(
            "{{:db/ident :small/a{n} :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}}"
        )
    };
    let values = |n: usize| format!(":small/a{n} {n}");
    let schema: String = (0..60).map(schema).collect();
    let values: Vec<String> = (0..60).map(values).collect();
    let db = transacted(
        &transact::create(Options::default()),
        &format!("[{schema}]"),
    );
    let db = transacted(&db, &format!("[{{{}}}]", values.join(" ")));
    assert_eq!(store.write(&db, None).root.segments.len(), 1);

    // Numbers in no order, more than a leaf has: both orders are long.
    let db = [0..140_000u64, 140_000..280_000]
        .into_iter()
        .fold(db, |db, range| {
            let data =
                range.map(|n| format!("[:db/add {} :small/a1 {}]", n + 1000, n * 7919 % 300_007));
            transacted(&db, &format!("[{}]", data.collect::<String>()))
        });
    let written = store.write(&db, None);
    let orders = |segment: u32| -> Vec<usize> {
        let parts = written.root.attributes.iter();
        let runs = parts.flat_map(|part| part.runs.iter().enumerate());
        let here = runs.filter(|(_, leaves)| {
            let long = leaves.split_last().map_or(&[][..], |(_, rest)| rest);
            long.iter().any(|leaf| leaf.segment == segment)
        });
        here.map(|(order, _)| order).collect()
    };
    let orders: Vec<Vec<usize>> = (0..written.root.segments.len() as u32)
        .map(orders)
        .collect();
    assert_eq!(orders, [vec![0], vec![2], vec![]]);
}

#[test]
fn damaged_root_is_told() {
    let store = Store::new();
    let db = people(
        &transacted(&transact::create(Options::default()), SCHEMA),
        0..10,
    );
    let written = store.write(&db, None);
    let bytes = written.root.encode().unwrap();
    assert_eq!(Root::decode(&bytes).unwrap().encode().unwrap(), bytes);
    for cut in 0..bytes.len() {
        assert!(Root::decode(&bytes[..cut]).is_err());
    }
    let absent = Digest::of(b"nothing");
    let error = load(&*store.storage, absent).unwrap_err();
    assert_eq!(error.code(), crate::error::Code::MissingSegment);
    let name_run = db
        .attribute_named("person/name")
        .and_then(|a| db.run(a, SortOrder::ByValue));
    assert_eq!(name_run.map(|run| run.len()), Some(10));
    assert_eq!(db.max_tx(), TxId(TX0 + 2));
}
