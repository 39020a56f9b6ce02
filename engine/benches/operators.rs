//! What each operator costs, through the public library: rows in, columns out.
//!
//! `cargo bench -p datalith-engine --bench operators [-- NAME]`. Each benchmark is a query whose time goes
//! into one operator. Inputs come from fixed seeds and are loaded once; answers are compared with plain
//! loops over the same numbers before anything is timed. Throughput counts rows of the answer.

use std::collections::{HashMap, HashSet};
use std::hint::black_box;

use criterion::{Criterion, Throughput};
use datalith_engine::conn::{Config, Conn, create_database};
use datalith_engine::db::Db;
use datalith_engine::edn;
use datalith_engine::exec::{Answer, Input, Prepared, QueryOptions};
use datalith_engine::transact::TxData;
use datalith_engine::{Result, Value};

/// Items, and the entity of the first.
const ITEMS: i64 = 100_000;
const FIRST_ITEM: i64 = 10_000;
/// Kinds of items, from entity 1; one in ten is banned.
const KINDS: i64 = 1000;
/// Kinds that each kind is near to, perhaps some of them the same.
const NEAR: usize = 30;
/// Notes about codes of items, and the entity of the first.
const NOTES: i64 = 5000;
const FIRST_NOTE: i64 = 200_000;
/// Links of a chain that each fifth item begins.
const CHAIN: i64 = 5;

const SCHEMA: &str = r#"[
  {:db/id 900001 :db/ident :kind/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
  {:db/id 900002 :db/ident :kind/banned :db/valueType :db.type/boolean :db/cardinality :db.cardinality/one}
  {:db/id 900009 :db/ident :kind/near :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
  {:db/id 900003 :db/ident :item/kind :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/id 900004 :db/ident :item/price :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}
  {:db/id 900005 :db/ident :item/size :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/id 900006 :db/ident :item/code :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/id 900007 :db/ident :item/next :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/id 900008 :db/ident :note/code :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]"#;

const RULES: &str = "[[(reach ?a ?b) [?a :item/next ?b]]
  [(reach ?a ?c) [?a :item/next ?b] (reach ?b ?c)]
  [(odd ?a ?b) [?a :item/next ?b]]
  [(odd ?a ?c) (even ?a ?b) [?b :item/next ?c]]
  [(even ?a ?c) (odd ?a ?b) [?b :item/next ?c]]]";

/// The queries, by the operator that takes most of their time.
const OPERATORS: &[(&str, &str)] = &[
    ("scan", "[:find ?e ?s :where [?e :item/size ?s]]"),
    (
        "range scan",
        "[:find ?e ?p :where [?e :item/price ?p] [(> ?p 90000)]]",
    ),
    (
        "merge join",
        "[:find ?e ?s ?p :where [?e :item/size ?s] [?e :item/price ?p]]",
    ),
    (
        "hash join",
        "[:find ?e ?n :where [?e :item/code ?c] [?n :note/code ?c]]",
    ),
    (
        "probe",
        r#"[:find ?e ?p :where [?k :kind/name "kind-7"] [?e :item/kind ?k] [?e :item/price ?p]]"#,
    ),
    (
        "intersect",
        "[:find ?a ?b ?c :where [?a :kind/near ?b] [?b :kind/near ?c] [?a :kind/near ?c]]",
    ),
    (
        "anti-join",
        "[:find ?e ?k :where [?e :item/kind ?k] (not [?k :kind/banned true])]",
    ),
    (
        "semi-join",
        "[:find ?k :where [?k :kind/name] [_ :item/kind ?k]]",
    ),
    (
        "group",
        "[:find ?k (sum ?p) (count ?e) :where [?e :item/kind ?k] [?e :item/price ?p]]",
    ),
    ("distinct", "[:find ?s :where [_ :item/size ?s]]"),
    (
        "top-k",
        "[:find ?e ?p :where [?e :item/price ?p] :order-by [?p :desc] :limit 10]",
    ),
    ("fixpoint", "[:find ?a ?b :in $ % :where (even ?a ?b)]"),
    ("closure walk", "[:find ?a ?b :in $ % :where (reach ?a ?b)]"),
    (
        "closure from one",
        "[:find ?b :in $ % :where (reach 10000 ?b)]",
    ),
    (
        "pull",
        r#"[:find (pull ?e [*]) :where [?k :kind/name "kind-7"] [?e :item/kind ?k]]"#,
    ),
];

/// One item as plain numbers.
struct Item {
    id: i64,
    kind: i64,
    price: i64,
    size: i64,
    code: i64,
    next: Option<i64>,
}

fn main() -> Result<()> {
    let (items, near, codes) = (items(), near(), note_codes());
    let db = load(&items, &near, &codes)?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("operator");
    let rows_by_loops = rows_by_loops(&items, &near, &codes);
    for (name, query) in OPERATORS {
        let rows = rows_by_loops[name];
        let prepared = Prepared::new(&edn::read(query)?)?;
        let mut inputs: Vec<Input> = vec![db.clone().into()];
        if query.contains('%') {
            inputs.push(edn::read(RULES)?.into());
        }
        let answer = || prepared.answer(&inputs, &QueryOptions::default());
        assert_eq!(
            answer()?.len(),
            rows,
            "{name} answers other rows than loops do"
        );
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| black_box(answer())));
    }
    group.finish();
    sums_agree(&db, &items)?;
    criterion.final_summary();
    Ok(())
}

/// How many rows plain loops find for each of [`OPERATORS`], by name.
fn rows_by_loops(
    items: &[Item],
    near: &[HashSet<i64>],
    codes: &[i64],
) -> HashMap<&'static str, usize> {
    let count = |wanted: &dyn Fn(&Item) -> bool| items.iter().filter(|item| wanted(item)).count();
    let seventh = count(&|item| item.kind == 7);
    let kinds: HashSet<i64> = items.iter().map(|item| item.kind).collect();
    let sizes: HashSet<i64> = items.iter().map(|item| item.size).collect();
    let mut notes: HashMap<i64, usize> = HashMap::new();
    for code in codes {
        *notes.entry(*code).or_default() += 1;
    }
    let noted = |item: &Item| notes.get(&item.code).copied().unwrap_or_default();
    let links = (CHAIN - 1) as usize;
    let chains = ITEMS as usize / CHAIN as usize;
    HashMap::from([
        ("scan", items.len()),
        ("range scan", count(&|item| item.price > 90_000)),
        ("merge join", items.len()),
        ("hash join", items.iter().map(noted).sum()),
        ("probe", seventh),
        ("intersect", triangles(near)),
        ("anti-join", count(&|item| item.kind % 10 != 0)),
        ("semi-join", kinds.len()),
        ("group", kinds.len()),
        ("distinct", sizes.len()),
        ("top-k", 10),
        (
            "fixpoint",
            chains * (0..links).map(|at| (links - at) / 2).sum::<usize>(),
        ),
        ("closure walk", chains * links * (links + 1) / 2),
        ("closure from one", links),
        ("pull", seventh),
    ])
}

/// Chains of two that are also one.
fn triangles(near: &[HashSet<i64>]) -> usize {
    let of = |kind: i64| &near[kind as usize - 1];
    let chains = near.iter().flat_map(|a| a.iter().map(move |b| (a, of(*b))));
    chains.map(|(a, b)| a.intersection(b).count()).sum()
}

/// The groups' sums are those of a loop.
fn sums_agree(db: &Db, items: &[Item]) -> Result<()> {
    let query = "[:find ?k (sum ?p) :with ?e :where [?e :item/kind ?k] [?e :item/price ?p]]";
    let prepared = Prepared::new(&edn::read(query)?)?;
    let answer: Answer = prepared.answer(&[db.clone().into()], &QueryOptions::default())?;
    let mut sums: HashMap<i64, i64> = HashMap::new();
    for item in items {
        *sums.entry(item.kind).or_default() += item.price;
    }
    for row in 0..answer.len() {
        let kind = answer.value(0, row).as_long().unwrap_or_default();
        assert_eq!(answer.value(1, row).as_long(), sums.get(&kind).copied());
    }
    Ok(())
}

fn items() -> Vec<Item> {
    let mut random = Random(1);
    let item = |at: i64| Item {
        id: FIRST_ITEM + at,
        kind: 1 + random.below(KINDS),
        price: random.below(100_000),
        size: random.below(100),
        code: random.below(50_000),
        next: (at % CHAIN != CHAIN - 1).then_some(FIRST_ITEM + at + 1),
    };
    (0..ITEMS).map(item).collect()
}

/// The kinds that each kind is near to.
fn near() -> Vec<HashSet<i64>> {
    let mut random = Random(3);
    let kind = |_| (0..NEAR).map(|_| 1 + random.below(KINDS)).collect();
    (0..KINDS).map(kind).collect()
}

fn note_codes() -> Vec<i64> {
    let mut random = Random(2);
    (0..NOTES).map(|_| random.below(50_000)).collect()
}

/// Steele & Vigna's SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 1) as i64 % n
    }
}

fn load(items: &[Item], near: &[HashSet<i64>], codes: &[i64]) -> Result<Db> {
    let config = Config::memory(uuid::Uuid::from_u128(1));
    create_database(&config)?;
    let conn = Conn::connect(&config)?;
    conn.transact(&TxData::new(edn::read(SCHEMA)?))?;
    let long = Value::Long;
    let kinds = (1..=KINDS).zip(near).map(|(id, near)| {
        entity(
            id,
            [
                ("kind/name", Value::str(&format!("kind-{id}"))),
                ("kind/banned", Value::Bool(id % 10 == 0)),
                ("kind/near", Value::vector(near.iter().copied().map(long))),
            ],
        )
    });
    conn.transact(&TxData::new(Value::vector(kinds)))?;
    let items = items.iter().map(|item| {
        let entries = [
            ("item/kind", long(item.kind)),
            ("item/price", long(item.price)),
            ("item/size", long(item.size)),
            ("item/code", long(item.code)),
        ];
        let next = item.next.map(|next| ("item/next", long(next)));
        entity(item.id, entries.into_iter().chain(next))
    });
    conn.transact(&TxData::new(Value::vector(items)))?;
    let notes = (FIRST_NOTE..).zip(codes);
    let notes = notes.map(|(id, code)| entity(id, [("note/code", long(*code))]));
    conn.transact(&TxData::new(Value::vector(notes)))?;
    conn.db()
}

fn entity(id: i64, entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let id = ("db/id", Value::Long(id));
    let entries = std::iter::once(id).chain(entries);
    Value::map(entries.map(|(name, value)| (Value::keyword(name), value)))
}
