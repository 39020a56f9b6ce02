//! Transactions: from a database value and transaction data to the next database value.
//!
//! Pure: nothing is stored here. Functions that users wrote are called first. Forms are taken one after the other, as Datahike does: each sees
//! what those before it did. Input: values as clients write them. Output: datoms as the indexes
//! take them, in the order of their effects, and the database value after them.

mod attribute;
mod ensure;
mod entity;
mod expand;
mod finish;
mod form;
mod meta;
mod overlay;
mod purge;
mod replay;
mod report;
mod resolve;
mod retract;
mod rows;
mod state;
mod tuple;
mod upsert;

pub use replay::{Logged, create, evolve, replay};
pub use report::{Transaction, TxData, TxReport};
pub use rows::Rows;

use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::value::{Map, Value};
use expand::Functions;
use state::State;

/// Most attempts at one transaction, and most forms they may read together. Each attempt starts
/// over because a tempid turned out to be an entity that exists.
const ATTEMPTS_MAX: usize = 4_096;
const ATTEMPTED_FORMS_MAX: usize = 16_000_000;

/// The transaction that data make of a database value.
///
/// - `now_ms`: the clock, milliseconds since 1970 UTC.
/// - Cost: O(forms + datoms · log), and again for each tempid that is resolved late.
/// - Errors: every code under `transact`, `retract`, `lookup-ref` and `entity-id`.
pub fn transact(db: &Db, tx: &TxData, now_ms: i64) -> Result<Transaction> {
    fault::catch(|| work_out(db, tx, now_ms))
}

fn work_out(db: &Db, tx: &TxData, now_ms: i64) -> Result<Transaction> {
    if !db.view().is_current() {
        let message = "Only the current database value can be transacted, not a view of it";
        return Err(Error::new(Code::TransactionFiltered, message));
    }
    let forms = match &tx.data {
        Value::Nil => &[][..],
        Value::Vector(forms) | Value::List(forms) => forms,
        other => {
            let message = format!(
                "Bad transaction data {}, expected sequential collection",
                show(other)
            );
            return Err(Error::new(Code::TransactSyntax, message).with("tx-data", other.clone()));
        }
    };
    let functions = Functions::new(db);
    let forms = &*functions.expand(forms)?;
    let meta = meta::transaction_meta(db, tx.meta.as_ref(), now_ms)?;
    let mut tempids = Map::default();
    let said = forms.len() + tx.rows.as_ref().map_or(0, Rows::len);
    let attempts = (ATTEMPTED_FORMS_MAX / said.max(1)).clamp(16, ATTEMPTS_MAX);
    for _ in 0..attempts {
        let mut state = State::new(db, tempids.clone(), &functions);
        match attempt(&mut state, forms, tx.rows.as_ref(), &meta) {
            Ok(()) => return state.finish(meta),
            Err(Stop::Error(error)) => return Err(*error),
            Err(Stop::Rebind(tempid, e)) => {
                if let Some(earlier) = tempids.get(&tempid) {
                    let message = format!(
                        "Conflicting upsert: {} resolves both to {e} and {}",
                        show(&tempid),
                        show(earlier)
                    );
                    return Err(Error::new(Code::TransactUpsert, message));
                }
                tempids = state.tempids;
                tempids.insert(tempid, Value::Long(e));
            }
        }
    }
    let message = format!(
        "More than {attempts} tempids stand for entities that exist already and are used before \
         that shows"
    );
    Err(Error::new(Code::Limit, message).with("limit", attempts))
}

fn attempt(state: &mut State<'_>, forms: &[Value], rows: Option<&Rows>, meta: &Map) -> form::Step {
    state.assert_meta(meta)?;
    forms.iter().try_for_each(|form| state.form(form))?;
    rows.map_or(Ok(()), |rows| state.rows(rows))
}

impl Db {
    /// The report of a transaction that is not made: what would be, now.
    pub fn with(&self, tx: &TxData) -> Result<TxReport> {
        let now_ms = chrono::Utc::now().timestamp_millis();
        Ok(transact(self, tx, now_ms)?.report())
    }
}

/// Why an attempt at a transaction ended early.
enum Stop {
    /// The transaction is refused.
    Error(Box<Error>),
    /// A tempid stands for this entity, not for the one it was given: start over.
    Rebind(Value, i64),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Error(Box::new(error))
    }
}

/// A value as Clojure prints it.
fn show(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Options;
    use crate::edn;

    /// Transacts each text; answers with the datoms of the last, or its error's code.
    fn check(options: Options, texts: &[&str], expected: &str) {
        let mut db = create(options);
        let mut answer = String::new();
        for text in texts {
            let data = edn::read(text).expect("the test's own EDN");
            answer = match transact(&db, &TxData::new(data), 1_000) {
                Ok(transaction) => {
                    let datoms = transaction.tx_data();
                    let datoms = datoms.iter().filter(|datom| !datom.is_of("db/txInstant"));
                    db = transaction.db_after.clone();
                    Value::vector(datoms.map(crate::datom::Datom::to_value)).to_string()
                }
                Err(error) => error.code().keyword().unwrap_or_default().to_owned(),
            };
        }
        assert_eq!(answer, expected, "{texts:?}");
    }

    const SCHEMA: &str = "[{:db/ident :name :db/valueType :db.type/string \
        :db/cardinality :db.cardinality/one :db/unique :db.unique/identity} \
        {:db/ident :friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";

    #[test]
    fn a_changed_value_is_retracted_first_and_a_redundant_one_is_nothing() {
        let texts = [
            SCHEMA,
            r#"[{:db/id 9 :name "a"}]"#,
            r#"[{:db/id 9 :name "b"}]"#,
        ];
        check(
            Options::default(),
            &texts,
            r#"[[9 :name "a" 536870915 false] [9 :name "b" 536870915 true]]"#,
        );
        let texts = [SCHEMA, r#"[{:db/id 9 :name "a"}]"#, r#"[{:name "a"}]"#];
        check(Options::default(), &texts, "[]");
    }

    #[test]
    fn nested_maps_and_tempids_become_entities() {
        let texts = [
            SCHEMA,
            r#"[{:db/id "x" :name "a" :friend [{:name "b"} "y"]} [:db/add "y" :name "c"]]"#,
        ];
        check(
            Options::default(),
            &texts,
            r#"[[3 :name "a" 536870914 true] [4 :name "b" 536870914 true] [3 :friend 4 536870914 true] [3 :friend 5 536870914 true] [5 :name "c" 536870914 true]]"#,
        );
    }

    #[test]
    fn what_is_not_declared_is_refused_under_write_and_taken_under_read() {
        check(Options::default(), &["[{:age 1}]"], "transact/schema");
        let read = Options {
            flexibility: crate::db::Flexibility::Read,
            ..Options::default()
        };
        check(read, &["[{:age 1}]"], "[[1 :age 1 536870913 true]]");
    }

    fn read() -> Options {
        let flexibility = crate::db::Flexibility::Read;
        Options {
            flexibility,
            ..Options::default()
        }
    }

    #[test]
    fn a_tempid_used_before_its_identity_shows_stands_for_the_known_entity() {
        let texts = [
            SCHEMA,
            r#"[{:db/id 9 :name "a"}]"#,
            r#"[[:db/add 7 :friend "x"] {:db/id "x" :name "a"}]"#,
        ];
        check(Options::default(), &texts, "[[7 :friend 9 536870915 true]]");
        let conflict = [
            SCHEMA,
            r#"[{:db/id 8 :name "b"} {:db/id 9 :name "a"}]"#,
            r#"[{:db/id "x" :name "a"} [:db/add "x" :name "b"]]"#,
        ];
        check(Options::default(), &conflict, "transact/upsert");
    }

    #[test]
    fn composite_tuples_follow_their_parts() {
        let schema = "[{:db/ident :a} {:db/ident :b} \
            {:db/ident :ab :db/valueType :db.type/tuple :db/tupleAttrs [:a :b]}]";
        let texts = [schema, "[{:db/id 9 :a 1}]", "[{:db/id 9 :b 2}]"];
        check(
            read(),
            &texts,
            "[[9 :b 2 536870915 true] [9 :ab [1 nil] 536870915 false] \
             [9 :ab [1 2] 536870915 true]]",
        );
        check(
            read(),
            &[schema, "[[:db/add 9 :ab [1 2]]]"],
            "transact/syntax",
        );
    }

    #[test]
    fn compare_and_swap_sees_what_the_transaction_did_before() {
        let texts = ["[[:db/add 1 :n 1] [:db/cas 1 :n 1 2] [:db/cas 1 :n 1 3]]"];
        check(read(), &texts, "transact/cas");
        let texts = ["[[:db/add 1 :n 1]]", "[[:db/cas 1 :n 1 2]]"];
        check(
            read(),
            &texts,
            "[[1 :n 1 536870914 false] [1 :n 2 536870914 true]]",
        );
    }

    #[test]
    fn components_go_with_the_entity_they_are_part_of() {
        let schema = "[{:db/id 100 :db/ident :part :db/valueType :db.type/ref \
            :db/cardinality :db.cardinality/one :db/isComponent true}]";
        let texts = [
            schema,
            "[{:db/id 1 :part {:n 1}}]",
            "[[:db/retractEntity 1]]",
        ];
        check(
            read(),
            &texts,
            "[[1 :part 101 536870915 false] [101 :n 1 536870915 false]]",
        );
    }

    #[test]
    fn maps_nested_too_deep_are_refused() {
        let mut nested = Value::map([]);
        for _ in 0..=crate::limits::EDN_DEPTH {
            nested = Value::map([(Value::keyword("friend"), nested)]);
        }
        let schema = edn::read(SCHEMA).expect("the test's own EDN");
        let db = transact(&create(Options::default()), &TxData::new(schema), 1).expect("a schema");
        let data = TxData::new(Value::vector([nested]));
        let refused = transact(&db.db_after, &data, 2)
            .map(|_| ())
            .expect_err("too deep");
        assert_eq!(refused.code(), Code::Limit);
    }

    #[test]
    fn what_was_logged_makes_the_same_database_value() {
        let first = create(Options::default());
        let mut db = first.clone();
        let mut logged = Vec::new();
        let texts = [
            SCHEMA,
            r#"[{:name "a"} {:name "b" :friend [[:name "a"]]}]"#,
            r#"[[:db.purge/entity [:name "a"]] {:name "c"}]"#,
        ];
        for text in texts {
            let data = TxData::new(edn::read(text).expect("the test's own EDN"));
            let made = transact(&db, &data, 1_000).expect("a transaction");
            db = made.db_after.clone();
            let (max_eid, tx) = (db.max_eid(), made.tx.0);
            let (purges, datoms) = (made.purges, made.datoms);
            logged.push(Logged {
                purges,
                datoms,
                max_eid,
                tx,
            });
        }
        let again = replay(&first, &logged, db.dictionary());
        let name = db.attribute_named("name").expect("declared");
        for db in [&db, &again] {
            let rows = db
                .run(name, crate::index::SortOrder::ByEntity)
                .expect("rows");
            let names: Vec<Value> = rows.rows().map(|row| db.value(row.v)).collect();
            assert_eq!(names, [Value::from("b"), Value::from("c")]);
            assert!(
                db.attribute(name)
                    .is_some_and(|known| known.unique.is_some())
            );
        }
    }
}
