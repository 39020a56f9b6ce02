//! A database through the pod: what goes in, and the shapes in which it comes out.

use crate::client::{self, Pod};

/// A pod with one database of people in memory.
struct People {
    pod: Pod,
    conn: String,
    ours: String,
}

const CONFIG: &str =
    "({:store {:backend :memory :id #uuid \"00000000-0000-0000-0000-00000000000a\"}
    :schema-flexibility :read :keep-history? true})";

impl People {
    fn start() -> People {
        let mut pod = client::start();
        pod.call("datahike.pod/create-database", CONFIG).answer();
        let conn = pod.call("datahike.pod/connect", CONFIG).answer().to_owned();
        let ours = pod.call("pod.datalith/connect", CONFIG).answer().to_owned();
        let people = "[{:name \"Alice\" :age 20} {:name \"Bob\" :age 30} {:age 40}]";
        pod.call("datahike.pod/transact", &format!("({conn} {people})"))
            .answer();
        People { pod, conn, ours }
    }

    fn answer(&mut self, var: &str, args: &str) -> String {
        self.pod.call(var, args).answer().to_owned()
    }

    fn db(&mut self) -> String {
        let args = format!("({})", self.conn);
        self.answer("datahike.pod/db", &args)
    }
}

#[test]
fn a_report_has_five_keys_in_order() {
    let mut people = People::start();
    let conn = people.conn.clone();
    let report = people.answer(
        "datahike.pod/transact",
        &format!("({conn} {{:tx-data [[:db/add 1 :age 21]]}})"),
    );
    let keys = [
        ":tempids",
        ":db-before",
        ":db-after",
        ":tx-meta",
        ":tx-data",
    ];
    let places: Vec<usize> = keys
        .iter()
        .map(|key| report.find(key).expect("the key"))
        .collect();
    assert!(places.is_sorted(), "{report}");
    assert!(
        report.contains(":db-before {:max-tx 536870913, :max-eid 3}"),
        "{report}"
    );
    assert!(
        report.contains("(1 :age 20 536870914 false) (1 :age 21 536870914 true)"),
        "{report}"
    );
    people.pod.shut_down();
}

#[test]
fn a_query_comes_in_many_forms() {
    let mut people = People::start();
    let db = people.db();
    let vector = "[:find ?n ?a :where [?e :name ?n] [?e :age ?a]]";
    let map = "{:find [?n ?a] :where [[?e :name ?n] [?e :age ?a]]}";
    let prepared = people.answer("pod.datalith/prepare", &format!("({vector})"));
    for args in [
        format!("({vector} {db})"),
        format!("({map} {db})"),
        format!("({{:query {vector} :args [{db}]}})"),
        format!("({{:query {map}}} {db})"),
        format!("({prepared} {db})"),
        format!("({{:query {prepared} :args [{db}]}})"),
        format!("(\"{}\" {db})", vector.replace('"', "\\\"")),
    ] {
        let answer = people.answer("datahike.pod/q", &args);
        assert_eq!(answer, "#{[\"Alice\" 20] [\"Bob\" 30]}", "{args}");
    }
    let limited = format!("({{:query {vector} :args [{db}] :limit 1}})");
    assert_eq!(
        people
            .answer("datahike.pod/q", &limited)
            .matches('[')
            .count(),
        1
    );
    people.pod.shut_down();
}

#[test]
fn a_handle_is_a_value_that_never_changes() {
    let mut people = People::start();
    let before = people.db();
    let (conn, count) = (people.conn.clone(), "[:find (count ?e) . :where [?e :age]]");
    people.answer("datahike.pod/transact", &format!("({conn} [{{:age 50}}])"));
    let after = people.db();
    let mut ages = |db: &str| people.answer("datahike.pod/q", &format!("({count} {db})"));
    assert_eq!((ages(&before).as_str(), ages(&after).as_str()), ("3", "4"));
    people.answer("datahike.pod/release-db", &format!("({before})"));
    let dead = people
        .pod
        .call("datahike.pod/q", &format!("({count} {before})"));
    assert_eq!(dead.ex_message.as_deref(), Some("Database not found"));
    people.pod.shut_down();
}

#[test]
fn datoms_are_lists_and_entities_maps() {
    let mut people = People::start();
    let db = people.db();
    let mut check = |var: &str, args: &str, expected: &str| {
        assert_eq!(
            people.answer(var, &format!("({db} {args})")),
            expected,
            "{var} {args}"
        );
    };
    check(
        "datahike.pod/datoms",
        ":eavt 1 :age",
        "((1 :age 20 536870913 true))",
    );
    check(
        "datahike.pod/datoms",
        "{:index :aevt :components [:name] :limit 1}",
        "((1 :name \"Alice\" 536870913 true))",
    );
    check(
        "pod.datalith/rseek-datoms",
        "{:index :eavt :components [3] :limit 1}",
        "((3 :age 40 536870913 true))",
    );
    check("datahike.pod/entity", "3", "{:age 40}");
    check("datahike.pod/entity", "77", "{}");
    check("datahike.pod/entity", ":nobody", "nil");
    check("datahike.pod/pull", "[:age] 3", "{:age 40}");
    check(
        "datahike.pod/pull",
        "{:selector [:age] :eid 3}",
        "{:age 40}",
    );
    check(
        "datahike.pod/pull-many",
        "[:age] [1 3]",
        "[{:age 20} {:age 40}]",
    );
    people.pod.shut_down();
}

#[test]
fn an_imagined_transaction_can_be_asked() {
    let mut people = People::start();
    let ours = people.ours.clone();
    let db = people.answer("pod.datalith/db", &format!("({ours})"));
    assert!(db.ends_with(":t 1}"), "{db}");
    let report = people.answer(
        "pod.datalith/with",
        &format!("({db} [[:db/add 9 :age 99]])"),
    );
    let after = report
        .split(":db-after ")
        .nth(1)
        .and_then(|rest| rest.split_inclusive('}').next());
    let after = after.expect("a handle");
    assert!(after.ends_with(":t 2}"), "{after}");
    let pull = format!("({after} [:age] 9)");
    assert_eq!(people.answer("datahike.pod/pull", &pull), "{:age 99}");
    people.pod.shut_down();
}

#[test]
fn false_arrives_in_a_box() {
    let mut people = People::start();
    assert_eq!(
        people.answer("pod.datalith/q-boxed", "([:find ?x . :in ?x] false)"),
        "[false]"
    );
    people.pod.shut_down();
}

#[test]
fn a_listener_hears_every_transaction_until_it_is_ended() {
    let mut people = People::start();
    let (conn, ours) = (people.conn.clone(), people.ours.clone());
    let listen = client::invoke("ear", "pod.datalith/listen", &format!("({ours} :key)"));
    people.pod.send(&listen);
    let first = people.pod.reply();
    assert_eq!(
        (first.id.as_str(), first.value.as_deref()),
        ("ear", Some(":key"))
    );
    assert!(first.status.is_empty());
    for age in 0..10 {
        let args = format!("({conn} [{{:age {age}}}])");
        people
            .pod
            .send(&client::invoke("tx", "datahike.pod/transact", &args));
    }
    let (mut heard, mut done) = (0, 0);
    while heard < 10 || done < 10 {
        let reply = people.pod.reply();
        match reply.id.as_str() {
            // A listener of this handle hears what another handle of the connection transacts.
            "ear" => {
                let report = reply.value.expect("a report");
                assert!(report.contains(&format!(":age {heard} ")), "{report}");
                heard += 1;
            }
            _ => done += 1,
        }
    }
    people.pod.send(&client::invoke(
        "end",
        "pod.datalith/unlisten",
        &format!("({ours} :key)"),
    ));
    let mut ends: Vec<_> = (0..2)
        .map(|_| people.pod.reply())
        .map(|r| (r.id, r.value))
        .collect();
    ends.sort();
    assert_eq!(
        ends,
        [("ear".into(), None), ("end".into(), Some("true".into()))]
    );
    people.pod.shut_down();
}
