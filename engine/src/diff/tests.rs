//! Merges as a user sees them, and the laws that random merges obey.

use std::collections::BTreeSet;

use crate::datom::TX0;
use crate::db::{Db, Options, TimePoint};
use crate::diff::{Conflict, MergePlan, Strategy, diff, merge};
use crate::edn;
use crate::error::Code;
use crate::transact::{TxData, create, transact};
use crate::value::Value;

const SCHEMA: &str = "[{:db/ident :name :db/valueType :db.type/string
     :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
    {:db/ident :email :db/valueType :db.type/string
     :db/cardinality :db.cardinality/one :db/unique :db.unique/value}
    {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
    {:db/ident :tag :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
    {:db/ident :boss :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
    {:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";

fn after(db: &Db, data: &str) -> Db {
    let data = edn::read(data).expect("the test's own EDN");
    with(db, data)
}

fn with(db: &Db, data: Value) -> Db {
    let shown = data.to_string();
    match transact(db, &TxData::new(data), 1_000) {
        Ok(made) => made.db_after,
        Err(error) => panic!("{error}: {shown}"),
    }
}

/// Ann is entity 101, Bob 102.
fn people() -> Db {
    people_under(Options::default())
}

fn people_under(options: Options) -> Db {
    let db = after(&create(options), SCHEMA);
    after(
        &db,
        r#"[{:db/id 101 :name "Ann" :age 30 :tag ["a" "b"]} {:db/id 102 :name "Bob" :boss 101}]"#,
    )
}

/// What is so, beside transactions: `entity attribute value` each.
fn facts(db: &Db) -> BTreeSet<String> {
    let nothing = create((**db.options()).clone());
    let diff = diff(&nothing, db).expect("a difference");
    let datoms = diff.only_b().filter(|datom| datom.e.0 < TX0);
    datoms
        .map(|datom| {
            let a = db.attr_of(&datom.a).map(|a| db.ident(a).clone());
            format!("{} {} {}", datom.e.0, a.unwrap_or_default(), datom.v)
        })
        .collect()
}

/// Each of these is so.
fn check_facts(db: &Db, expected: &[&str]) {
    let found = facts(db);
    for fact in expected {
        assert!(found.contains(*fact), "{fact} in {found:?}");
    }
}

struct Merged {
    plan: MergePlan,
    db: Db,
}

fn merged(base: &Db, ours: &Db, theirs: &Db, strategy: Strategy) -> Merged {
    let plan = merge(base, ours, theirs, strategy).expect("a plan");
    let db = with(ours, plan.tx_data.clone());
    Merged { plan, db }
}

/// Merges what two lists of forms make of the people; answers with the data of the merge.
fn check(ours: &str, theirs: &str, expected: &str) {
    let base = people();
    let (ours, theirs) = (after(&base, ours), after(&base, theirs));
    let merged = merged(&base, &ours, &theirs, Strategy::Fail);
    assert_eq!(merged.plan.tx_data.to_string(), expected);
}

/// As [`check`], for merges that disagree: the conflicts, and what either strategy writes.
fn check_conflict(ours: &str, theirs: &str, conflicts: &str, by_ours: &str, by_theirs: &str) {
    let base = people();
    let (ours, theirs) = (after(&base, ours), after(&base, theirs));
    let refused = merge(&base, &ours, &theirs, Strategy::Fail).expect_err("a conflict");
    assert_eq!(refused.code(), Code::MergeConflict);
    let listed = refused.data().iter().find(|(key, _)| *key == "conflicts");
    assert_eq!(listed.expect("a list").1.to_string(), conflicts);
    for (strategy, data) in [(Strategy::Ours, by_ours), (Strategy::Theirs, by_theirs)] {
        let merged = merged(&base, &ours, &theirs, strategy);
        assert_eq!(merged.plan.tx_data.to_string(), data, "{strategy:?}");
        let sides = merged
            .plan
            .conflicts
            .iter()
            .map(|c: &Conflict| c.resolution);
        assert!(sides.into_iter().all(|side| side == Some(strategy)));
    }
}

#[test]
fn changes_of_different_things_come_together() {
    check("[]", "[]", "[]");
    check(
        "[[:db/add 101 :age 31]]",
        r#"[[:db/add 102 :age 41] [:db/retract 101 :tag "a"] [:db/add 101 :tag "c"]]"#,
        r#"[[:db/retract 101 :tag "a"] [:db/add 101 :tag "c"] [:db/add 102 :age 41]]"#,
    );
    check("[[:db/add 101 :age 31]]", "[[:db/add 101 :age 31]]", "[]");
    check("[]", "[[:db/add 101 :age 31]]", "[[:db/add 101 :age 31]]");
    check(
        "[[:db/add 101 :age 31]]",
        r#"[{:db/ident :city :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
            {:db/id 101 :name "Ann"}]"#,
        "[[:db/add 103 :db/cardinality :db.cardinality/one] [:db/add 103 :db/ident :city] [:db/add 103 :db/valueType :db.type/string]]",
    );
}

#[test]
fn what_they_made_is_known_by_identity_or_renamed() {
    // Both made entity 103: here it is Cid, there Dan, whose boss is Eve.
    check(
        r#"[{:name "Cid"} {:name "Eve"}]"#,
        r#"[{:name "Dan" :boss {:name "Eve" :age 50}} [:db/add 101 :friend 103]]"#,
        r#"[[:db/add 101 :friend "theirs-103"] [:db/add "theirs-103" :boss 104] [:db/add "theirs-103" :name "Dan"] [:db/add 104 :age 50]]"#,
    );
    check(
        r#"[{:name "Cid" :age 3}]"#,
        r#"[{:name "Cid" :tag ["x"]}]"#,
        r#"[[:db/add 103 :tag "x"]]"#,
    );
    // A number that is free here stays.
    check("[]", r#"[{:age 1}]"#, "[[:db/add 103 :age 1]]");
}

#[test]
fn values_that_both_changed_are_conflicts() {
    check_conflict(
        "[[:db/add 101 :age 31]]",
        "[[:db/add 101 :age 32] [:db/add 102 :age 5]]",
        r#"[{:conflict :edit-edit, :entity 101, :identity [:name "Ann"], :attribute :age, :base 30, :ours 31, :theirs 32}]"#,
        "[[:db/add 102 :age 5]]",
        "[[:db/add 101 :age 32] [:db/add 102 :age 5]]",
    );
    check_conflict(
        "[[:db/add 101 :age 31]]",
        "[[:db/retract 101 :age 30]]",
        r#"[{:conflict :edit-retract, :entity 101, :identity [:name "Ann"], :attribute :age, :base 30, :ours 31, :theirs nil}]"#,
        "[]",
        "[[:db/retract 101 :age 31]]",
    );
    check_conflict(
        "[[:db/retract 101 :age 30]]",
        "[[:db/add 101 :age 31]]",
        r#"[{:conflict :edit-retract, :entity 101, :identity [:name "Ann"], :attribute :age, :base 30, :ours nil, :theirs 31}]"#,
        "[]",
        "[[:db/add 101 :age 31]]",
    );
}

#[test]
fn an_entity_retracted_here_and_changed_there_is_a_conflict() {
    check_conflict(
        "[[:db/retractEntity 101]]",
        "[[:db/add 101 :age 31]]",
        r#"[{:conflict :entity-retracted, :entity 101, :identity [:name "Ann"], :base {:age 30, :name "Ann", :tag #{"a" "b"}}, :ours nil, :theirs {:age 31, :name "Ann", :tag #{"a" "b"}}}]"#,
        "[]",
        r#"[[:db/add 101 :age 31] [:db/add 101 :name "Ann"] [:db/add 101 :tag "a"] [:db/add 101 :tag "b"] [:db/add 102 :boss 101]]"#,
    );
    check_conflict(
        "[[:db/add 102 :friend 101]]",
        "[[:db/retractEntity 101]]",
        r#"[{:conflict :entity-retracted, :entity 101, :identity [:name "Ann"], :base {:age 30, :name "Ann", :tag #{"a" "b"}}, :ours {:age 30, :name "Ann", :tag #{"a" "b"}}, :theirs nil}]"#,
        "[]",
        r#"[[:db/retract 101 :age 30] [:db/retract 101 :name "Ann"] [:db/retract 101 :tag "a"] [:db/retract 101 :tag "b"] [:db/retract 102 :boss 101] [:db/retract 102 :friend 101]]"#,
    );
    // Who pointed elsewhere in time has nothing to fear.
    check(
        r#"[{:db/id 103 :name "Cid"} [:db/add 102 :boss 103]]"#,
        "[[:db/retractEntity 101]]",
        r#"[[:db/retract 101 :age 30] [:db/retract 101 :name "Ann"] [:db/retract 101 :tag "a"] [:db/retract 101 :tag "b"]]"#,
    );
}

#[test]
fn a_number_that_stands_for_another_entity_by_now_is_a_conflict() {
    // Both made 103. Merged into ours, their Dan is 104; merged back, 103 would become Cid.
    let base = people();
    let ours = after(&base, r#"[{:name "Cid"}]"#);
    let theirs = after(&base, r#"[{:name "Dan"}]"#);
    let first = merged(&base, &ours, &theirs, Strategy::Fail);
    let back = merged(&theirs, &theirs, &first.db, Strategy::Fail);
    assert_eq!(facts(&back.db), facts(&first.db));
    let changed = after(&theirs, "[{:db/id 103 :age 5}]");
    let refused = merge(&theirs, &changed, &first.db, Strategy::Fail).expect_err("a conflict");
    assert!(refused.message().contains("103"), "{refused}");
    let taken = merged(&theirs, &changed, &first.db, Strategy::Theirs);
    assert_eq!(facts(&taken.db), facts(&first.db));
}

#[test]
fn what_is_brought_back_refers_to_what_they_made() {
    let base = people();
    let ours = after(&base, r#"[[:db/retractEntity 101] {:name "Cid"}]"#);
    let theirs = after(&base, r#"[{:db/id 101 :friend {:age 7}}]"#);
    let taken = merged(&base, &ours, &theirs, Strategy::Theirs);
    check_facts(
        &taken.db,
        &[
            "101 :name \"Ann\"",
            "101 :friend 104",
            "104 :age 7",
            "102 :boss 101",
        ],
    );
}

#[test]
fn a_unique_value_given_to_two_is_a_conflict_and_a_moved_one_is_not() {
    check_conflict(
        r#"[[:db/add 101 :email "x"]]"#,
        r#"[[:db/add 102 :email "x"]]"#,
        r#"[{:conflict :unique, :entity 102, :attribute :email, :base "x", :ours 101, :theirs 102}]"#,
        "[]",
        r#"[[:db/retract 101 :email "x"] [:db/add 102 :email "x"]]"#,
    );
    check(
        "[]",
        r#"[[:db/add 101 :name "x"] [:db/add 102 :name "Ann"] [:db/add 101 :name "Bob"]]"#,
        r#"[[:db/retract 101 :name "Ann"] [:db/retract 102 :name "Bob"] [:db/add 101 :name "Bob"] [:db/add 102 :name "Ann"]]"#,
    );
}

#[test]
fn schema_changed_on_both_sides_is_a_conflict() {
    let attribute = |kind: &str| {
        format!(
            "[{{:db/id 200 :db/ident :size :db/valueType :db.type/{kind} \
              :db/cardinality :db.cardinality/one}}]"
        )
    };
    check_conflict(
        &attribute("long"),
        &attribute("string"),
        "[{:conflict :schema, :entity 200, :identity [:db/ident :size], :attribute :db/valueType, :base nil, :ours :db.type/long, :theirs :db.type/string}]",
        "[]",
        "[[:db/add 200 :db/valueType :db.type/string]]",
    );
    let base = after(&people(), "[[:db/retract 101 :tag]]");
    let ours = after(&base, r#"[{:db/id 101 :tag ["p" "q"]}]"#);
    let narrow = after(&base, "[{:db/id :tag :db/cardinality :db.cardinality/one}]");
    for strategy in [Strategy::Fail, Strategy::Ours, Strategy::Theirs] {
        let refused = merge(&base, &ours, &narrow, strategy).expect_err("a conflict");
        assert_eq!(refused.code(), Code::MergeConflict);
    }
}

#[test]
fn attributes_that_are_entities_are_followed_through_their_new_names() {
    let refs = Options {
        attribute_refs: true,
        ..Options::default()
    };
    let base = people_under(refs);
    let ours = after(
        &base,
        "[{:db/ident :size :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]",
    );
    let ours = after(&ours, "[{:db/id 102 :size 7}]");
    let theirs = after(
        &base,
        "[{:db/ident :shoe :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
          {:db/id [:db/ident :age] :db/ident :years}]",
    );
    let theirs = after(&theirs, "[{:db/id 102 :shoe 42 :years 20}]");
    let merged = merged(&base, &ours, &theirs, Strategy::Fail);
    check_facts(
        &merged.db,
        &[
            "102 :size 7",
            "102 :shoe 42",
            "102 :years 20",
            "101 :years 30",
        ],
    );
}

#[test]
fn what_is_said_of_their_transactions_stays_with_them() {
    let base = people();
    let theirs = after(
        &base,
        r#"[[:db/add "datomic.tx" :db/doc "why"] [:db/add 101 :friend "datomic.tx"]]"#,
    );
    let plan = merge(&base, &base, &theirs, Strategy::Fail).expect("a plan");
    assert_eq!(
        plan.tx_data.to_string(),
        r#"[[:db/add 101 :friend "datomic.tx"]]"#
    );
}

#[test]
fn a_merge_is_between_values_at_a_point_by_a_known_strategy() {
    let base = people();
    let history = base.history().expect("kept");
    let refused = merge(&base, &base, &history, Strategy::Fail).expect_err("a history");
    assert_eq!(refused.code(), Code::DbValueRequired);
    let unknown = Strategy::from_value(&Value::keyword("mine")).expect_err("no strategy");
    assert_eq!(unknown.code(), Code::MergeStrategy);
    // A view of the past will do as the base, though its numbers go on beyond it.
    let theirs = after(&base, "[{:age 1}]");
    let ours = after(&base, "[{:age 2}]");
    let then = ours.as_of(TimePoint::Tx(base.max_tx())).expect("a view");
    let merged = merged(&then, &ours, &theirs, Strategy::Fail);
    assert_eq!(
        merged.plan.tx_data.to_string(),
        r#"[[:db/add "theirs-103" :age 1]]"#
    );
}

/// Random changes from a seed, of a few entities so that both sides meet.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % n
    }

    /// Forms that change something on `db`, each after those before it.
    fn changes(&mut self, db: &Db, side: &str) -> Vec<String> {
        let (mut db, mut out) = (db.clone(), Vec::new());
        for at in 0..1 + self.below(6) {
            let (e, n) = (101 + self.below(4), self.below(4));
            let form = match self.below(9) {
                0 => format!("[:db/add {e} :age {n}]"),
                1 => format!("[:db/retract {e} :age]"),
                2 => format!("[:db/add {e} :tag \"{n}\"]"),
                3 => format!("[:db/retract {e} :tag \"{n}\"]"),
                4 => format!("[:db/add {e} :friend {}]", 101 + n),
                5 => format!("[:db/add {e} :email \"{n}\"]"),
                6 => format!("[:db/retractEntity {e}]"),
                7 => format!("{{:age {n} :tag [\"{side}{at}\"] :friend [{e}]}}"),
                _ => format!("{{:name \"new{n}\" :boss {e}}}"),
            };
            let data = edn::read(&format!("[{form}]")).expect("the test's own EDN");
            let made = transact(&db, &TxData::new(data), 1_000);
            // What says only what is so already is no change to bring along.
            if let Some(made) = made.ok().filter(|made| made.datoms.len() > 1) {
                db = made.db_after;
                out.push(form);
            }
        }
        out
    }
}

/// One transaction for each form.
fn apply(db: &Db, forms: &[String]) -> Db {
    let each = forms.iter();
    each.fold(db.clone(), |db, form| after(&db, &format!("[{form}]")))
}

/// Whether no form undoes or repeats what one before it did.
fn each_names_another_entity(forms: &[String]) -> bool {
    let entity = |form: &String| {
        let mut words = form.split(|c: char| !c.is_ascii_digit());
        words.find(|word| word.len() == 3).map(str::to_owned)
    };
    let entities: BTreeSet<Option<String>> = forms.iter().map(entity).collect();
    entities.len() == forms.len()
}

/// The facts with the numbers of entities made since `base` replaced by what is said of them.
fn named_facts(base: &Db, db: &Db) -> BTreeSet<String> {
    let all = facts(db);
    let last = base.max_eid();
    let describe = |e: i64| {
        let prefix = format!("{e} ");
        let own = all.iter().filter(|fact| fact.starts_with(&prefix));
        // References among new entities are left out: one step tells them apart well enough.
        let told = own
            .map(|fact| fact[prefix.len()..].to_owned())
            .filter(|fact| !fact.starts_with(":friend") && !fact.starts_with(":boss"));
        format!("<{}>", told.collect::<Vec<_>>().join(" "))
    };
    let name = |word: &str| match word.parse::<i64>() {
        Ok(e) if e > last => describe(e),
        _ => word.to_owned(),
    };
    all.iter()
        .map(|fact| fact.split(' ').map(name).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn random_merges_obey_the_laws() {
    let (mut clean, mut clashing) = (0, 0);
    for seed in 0..150 {
        let mut random = Random(seed * 7_919 + 1);
        let base = after(
            &people(),
            r#"[{:db/id 103 :age 1 :friend [101]} {:db/id 104 :tag ["0" "1"] :boss 103}]"#,
        );
        let (list_a, list_b) = (random.changes(&base, "a"), random.changes(&base, "b"));
        let (a, b) = (apply(&base, &list_a), apply(&base, &list_b));
        let context = format!("seed {seed}: {list_a:?} / {list_b:?}");

        let nothing = merge(&base, &a, &base, Strategy::Fail).expect("a plan");
        assert_eq!(nothing.tx_data, Value::vector([]), "{context}");
        let forward = merged(&base, &base, &b, Strategy::Fail);
        assert_eq!(facts(&forward.db), facts(&b), "{context}");

        let plan = merge(&base, &a, &b, Strategy::Fail);
        let swapped = merge(&base, &b, &a, Strategy::Fail);
        assert_eq!(plan.is_ok(), swapped.is_ok(), "{context}");
        let Ok(plan) = plan else {
            clashing += 1;
            for strategy in [Strategy::Ours, Strategy::Theirs] {
                let ours = merged(&base, &a, &b, strategy);
                assert!(!ours.plan.conflicts.is_empty(), "{context}");
            }
            continue;
        };
        clean += 1;
        let into_a = with(&a, plan.tx_data);
        if each_names_another_entity(&list_b) {
            let one_by_one = apply(&a, &list_b);
            assert_eq!(
                named_facts(&base, &into_a),
                named_facts(&base, &one_by_one),
                "{context}"
            );
        }
        let into_b = with(&b, swapped.expect("as the other").tx_data);
        assert_eq!(
            named_facts(&base, &into_a),
            named_facts(&base, &into_b),
            "{context}"
        );
    }
    assert!(clean > 30 && clashing > 30, "{clean} clean, {clashing} not");
}
