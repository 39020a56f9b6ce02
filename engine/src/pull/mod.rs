//! Pull: what is known of an entity, as nested maps, in the shape that a pattern asks for.
//!
//! Input: a database value under any view, a pattern, entities. Output: values. A pattern is read
//! once into a [`Compiled`]; walking it keeps its own stack, so depth costs no call stack.

mod entity;
mod shape;
mod walk;

pub use entity::entity;

use crate::datom::EntityId;
use crate::db::Db;
use crate::error::Result;
use crate::fault;
use crate::query::parse_pull;
use crate::value::Value;
use shape::Shape;

/// What a pattern asks for of one entity; none if the entity has nothing of it.
///
/// Errors: `ParserPull` for the pattern, `EntityIdMissing` and its kin for the entity, `Limit`
/// where the result would grow without bounds.
pub fn pull(db: &Db, pattern: &Value, eid: &Value) -> Result<Option<Value>> {
    let compiled = Compiled::new(pattern)?;
    compiled.run(db, fault::catch(|| db.entid_strict(eid))?)
}

/// As [`pull`] for several entities; those that have nothing of it are passed over.
pub fn pull_many(db: &Db, pattern: &Value, eids: &[Value]) -> Result<Vec<Value>> {
    let compiled = Compiled::new(pattern)?;
    fault::catch(|| {
        let entities = eids
            .iter()
            .map(|eid| Ok(db.entid_strict(eid)?.0))
            .collect::<Result<Vec<_>>>()?;
        walk::walk(db, &compiled.shape, entities)
    })
}

/// A pattern ready to be run against any database value.
#[derive(Clone, Debug)]
pub struct Compiled {
    shape: Shape,
}

impl Compiled {
    /// Reads a pattern; errors: `ParserPull`.
    pub fn new(pattern: &Value) -> Result<Compiled> {
        Ok(Compiled {
            shape: Shape::new(parse_pull(pattern)?),
        })
    }

    /// What it asks for of one entity; none if the entity has nothing of it.
    pub fn run(&self, db: &Db, e: EntityId) -> Result<Option<Value>> {
        Ok(fault::catch(|| walk::walk(db, &self.shape, vec![e.0]))?.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::fixture::{database, edn};

    fn people() -> Db {
        database(
            "{:name #{:identity} :aka #{:many} :child #{:ref :many} :father #{:ref}
              :friend #{:ref :many} :enemy #{:ref :many} :part #{:ref :many :component}
              :spec #{:ref :component}}",
            &[
                r#"[[1 :name "Petr"] [1 :aka "Devil"] [1 :aka "Tupen"] [1 :child 2] [1 :child 3]
                  [2 :name "David"] [2 :father 1] [3 :name "Thomas"] [3 :father 1]
                  [4 :name "Lucy"] [4 :friend 5] [4 :enemy 6] [5 :name "Elizabeth"] [5 :friend 6]
                  [5 :enemy 7] [6 :name "Matthew"] [6 :friend 4] [7 :name "Eunan"]
                  [10 :name "A"] [10 :part 11] [11 :name "A.A"] [11 :part 12] [12 :spec 13]
                  [13 :name "A.A.A"] [20 :db/ident :red]]"#,
            ],
        )
    }

    fn check(pattern: &str, eid: &str, expected: &str) {
        let found = match pull(&people(), &edn(pattern), &edn(eid)) {
            Ok(found) => found.unwrap_or_default(),
            Err(error) => Value::from(format!("{:?}", error.code())),
        };
        assert_eq!(found, edn(expected), "{pattern} of {eid} gives {found}");
    }

    #[test]
    fn attributes_by_name() {
        check(
            "[:name :aka]",
            "1",
            r#"{:name "Petr" :aka ["Devil" "Tupen"]}"#,
        );
        check(
            "[:name :father :db/id]",
            "2",
            r#"{:name "David" :father {:db/id 1} :db/id 2}"#,
        );
        check(
            "[:name :_father]",
            "1",
            r#"{:name "Petr" :_father [{:db/id 2} {:db/id 3}]}"#,
        );
        check(
            "[:name {:father [:name]}]",
            "2",
            r#"{:name "David" :father {:name "Petr"}}"#,
        );
        check(
            "[:name {:_child [:name]}]",
            "2",
            r#"{:name "David" :_child [{:name "Petr"}]}"#,
        );
        check(
            "[:name {:child [:foo]}]",
            "1",
            r#"{:name "Petr" :child []}"#,
        );
        check("[:foo]", "1", "nil");
        check("[:db/id]", "99", "nil");
        check("[:name]", r#"[:name "Petr"]"#, r#"{:name "Petr"}"#);
        check("[:name]", r#"[:name "Nobody"]"#, r#""EntityIdMissing""#);
        check("[*]", ":red", "{:db/id 20 :db/ident :red}");
    }

    #[test]
    fn options() {
        check(
            r#"[[:name :as "Name"] [:aka :as :alias :limit 1]]"#,
            "1",
            r#"{"Name" "Petr" :alias ["Devil"]}"#,
        );
        check("[[:foo :as :bar :default false]]", "1", "{:bar false}");
        check(
            "[(default :foo 1) (limit :aka 1)]",
            "1",
            r#"{:foo 1 :aka ["Devil"]}"#,
        );
        check("[[:name :xform inc]]", "1", r#""ParserPull""#);
    }

    #[test]
    fn wildcards() {
        check(
            "[*]",
            "1",
            r#"{:db/id 1 :name "Petr" :aka ["Devil" "Tupen"] :child [{:db/id 2} {:db/id 3}]}"#,
        );
        check(
            "[* :_child]",
            "2",
            r#"{:db/id 2 :name "David" :father {:db/id 1} :_child [{:db/id 1}]}"#,
        );
        check(
            "[* [:name :as :n] {:father [:name]}]",
            "2",
            r#"{:db/id 2 :n "David" :father {:name "Petr"}}"#,
        );
        check(
            "[* {:child ...}]",
            "1",
            r#"{:db/id 1 :name "Petr" :aka ["Devil" "Tupen"] :child [{:db/id 2} {:db/id 3}]}"#,
        );
    }

    #[test]
    fn components_come_whole() {
        check(
            "[:name :part]",
            "10",
            r#"{:name "A" :part [{:db/id 11 :name "A.A" :part [{:db/id 12 :spec {:db/id 13 :name "A.A.A"}}]}]}"#,
        );
        check("[:_part]", "11", "{:_part {:db/id 10}}");
        check("[{:_part [:name]}]", "11", r#"{:_part {:name "A"}}"#);
    }

    #[test]
    fn recursion_ends_at_its_depth_or_where_a_cycle_closes() {
        check(
            "[:name {:friend 1}]",
            "4",
            r#"{:name "Lucy" :friend [{:name "Elizabeth"}]}"#,
        );
        check(
            "[:db/id {:friend ...}]",
            "4",
            "{:db/id 4 :friend [{:db/id 5 :friend [{:db/id 6 :friend [{:db/id 4 :friend [{:db/id 5}]}]}]}]}",
        );
        check(
            "[:db/id {:friend 1 :enemy 1}]",
            "4",
            "{:db/id 4 :friend [{:db/id 5 :enemy [{:db/id 7}]}] :enemy [{:db/id 6 :friend [{:db/id 4}]}]}",
        );
        check(
            "[:db/id {[:friend :as :f] 1}]",
            "4",
            "{:db/id 4 :f [{:db/id 5}]}",
        );
    }

    #[test]
    fn long_chains_and_dense_webs_end_in_an_answer_or_a_limit() {
        let chain = |length: usize| {
            let datoms = (1..length).map(|e| format!("[{e} :next {}]", e + 1));
            let datoms = format!("[{}]", datoms.collect::<Vec<_>>().join(" "));
            let db = database("{:next #{:ref}}", &[&datoms]);
            pull(&db, &edn("[:db/id {:next ...}]"), &Value::Long(1)).map_err(|error| error.code())
        };
        assert!(chain(900).unwrap().is_some());
        assert_eq!(chain(1200).unwrap_err(), crate::Code::Limit);
        let all = (1..30).flat_map(|e| (1..30).map(move |f| format!("[{e} :next {f}]")));
        let all = format!("[{}]", all.collect::<Vec<_>>().join(" "));
        let db = database("{:next #{:ref :many}}", &[&all]);
        let shape = Compiled::new(&edn("[:db/id {:next ...}]")).unwrap().shape;
        let web = walk::walk_within(10_000, &db, &shape, vec![1]);
        assert_eq!(web.unwrap_err().code(), crate::Code::Limit);
    }

    #[test]
    fn many_entities_and_plain_maps() {
        let found = pull_many(&people(), &edn("[:aka]"), &[edn("2"), edn("1")]).unwrap();
        assert_eq!(Value::from(found), edn(r#"[{:aka ["Devil" "Tupen"]}]"#));
        let entity = |eid: &str| entity(&people(), &edn(eid)).unwrap();
        assert_eq!(
            entity("1"),
            Some(edn(
                r#"{:name "Petr" :aka #{"Devil" "Tupen"} :child #{{:db/id 2} {:db/id 3}}}"#
            ))
        );
        assert_eq!(entity("777"), Some(edn("{}")));
        assert_eq!(entity(r#""abc""#), None);
        assert_eq!(entity(":blue"), None);
    }
}
