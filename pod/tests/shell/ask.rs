//! Transactions and questions.

use std::io::Read;
use std::process::Stdio;

use super::Place;

const SCHEMA: &str = "[{:db/ident :name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
                        :db/unique :db.unique/identity}
                       {:db/ident :age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";
const PEOPLE: &str = "[{:name \"Ann\" :age 44} {:name \"Bob\" :age 7}]";
const AGES: &str = "[:find ?name ?age :where [?e :name ?name] [?e :age ?age] :order-by ?name]";

fn people() -> Place {
    let place = Place::empty();
    let made = place.run(&[
        "transact",
        "--db",
        "db",
        "--create",
        &format!("{SCHEMA} {PEOPLE}"),
    ]);
    assert_eq!(made.lines().count(), 2);
    assert!(made.contains(":datoms 5"), "{made}");
    place
}

#[test]
fn answers_come_in_every_form() {
    let place = people();
    let ages = |format| place.run(&["q", "--db", "db", AGES, "--format", format]);
    assert_eq!(
        place.run(&["q", "--db", "db", AGES]),
        "[[\"Ann\" 44]\n [\"Bob\" 7]]\n"
    );
    assert_eq!(ages("json"), "[[\"Ann\",44],\n [\"Bob\",7]]\n");
    assert_eq!(ages("jsonl"), "[\"Ann\",44]\n[\"Bob\",7]\n");
    assert_eq!(ages("csv"), "?name,?age\nAnn,44\nBob,7\n");
    assert_eq!(
        ages("table"),
        " ?name   ?age\n─────── ──────\n Ann       44\n Bob        7\n"
    );
    let keyed = "[:find ?name ?age :keys n a :where [?e :name ?name] [?e :age ?age] [(> ?age 9)]]";
    assert_eq!(
        place.run(&["q", "--db", "db", keyed, "--format", "json"]),
        "[{\"n\":\"Ann\",\"a\":44}]\n"
    );
}

#[test]
fn inputs_fill_the_places_of_in() {
    let place = people();
    place.write("rules.edn", "[[(young ?e) [?e :age ?a] [(< ?a 18)]]]");
    let query =
        "[:find ?n . :in $ % ?least :where (young ?e) [?e :age ?a] [(>= ?a ?least)] [?e :name ?n]]";
    assert_eq!(
        place.run(&["q", "--db", "db", query, "@rules.edn", "7"]),
        "\"Bob\"\n"
    );
    assert_eq!(
        place.run(&["q", "--db", "db", query, "@rules.edn", "8"]),
        "nil\n"
    );
    let output = place.feed(
        &["q", "[:find [?x ...] :in [?x ...] :where [(neg? ?x)]]", "-"],
        "[1 -2 3]",
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), "[-2]\n");
    let two =
        "[:find ?n :in $ $old :where [?e :age ?a] [$old ?e :age ?b] [(< ?b ?a)] [?e :name ?n]]";
    place.run(&[
        "transact",
        "--db",
        "other",
        "--create",
        &format!("{SCHEMA} [{{:name \"Z\" :age 1}}]"),
    ]);
    assert_eq!(
        place.run(&["q", "--db", "db", "--db", "other", two]),
        "#{[\"Ann\"]}\n"
    );
    assert!(
        place
            .fail(&["q", "--db", "db", query, "@rules.edn"])
            .starts_with("2 error: ")
    );
    assert!(
        place
            .fail(&["q", "[:find ?e :where [?e :age]]"])
            .contains("give it with --db")
    );
}

#[test]
fn the_past_can_be_asked() {
    let place = people();
    place.run(&["transact", "--db", "db", "[{:name \"Bob\" :age 8}]"]);
    let age = "[:find ?age . :where [?e :name \"Bob\"] [?e :age ?age]]";
    let ask = |options: &[&str]| place.run(&[&["q", "--db", "db", age], options].concat());
    assert_eq!(ask(&[]), "8\n");
    assert_eq!(ask(&["--as-of", "2"]), "7\n");
    assert_eq!(ask(&["--as-of", "536870914"]), "7\n");
    assert_eq!(ask(&["--as-of", "2020-01-01"]), "nil\n");
    let ages = "[:find ?age ?said :where [4 :age ?age _ ?said] :order-by ?age ?said]";
    assert_eq!(
        place.run(&["q", "--db", "db", "--history", ages]),
        "[[7 false]\n [7 true]\n [8 true]]\n"
    );
    assert_eq!(
        place.run(&["pull", "--db", "db", "[:age]", "[:name \"Bob\"]"]),
        "{:age 8}\n"
    );
    assert_eq!(
        place.run(&[
            "pull", "--db", "db", "--as-of", "2", "[:age]", "4", "3", "--format", "json"
        ]),
        "{\"age\":7}\n{\"age\":44}\n"
    );
}

#[test]
fn errors_point_at_the_text() {
    let place = people();
    let unbound = place.fail(&[
        "q",
        "--db",
        "db",
        "[:find ?e\n :where [?e :age ?a]\n  [(frob ?a)]]",
    ]);
    assert!(unbound.starts_with("1 error: "), "{unbound}");
    assert!(unbound.contains("--> query, line 3, column "), "{unbound}");
    assert!(unbound.contains("^^^^"), "{unbound}");
    let torn = place.fail(&["q", "--db", "db", "[:find ?e"]);
    assert!(
        torn.contains("[:edn/syntax]") && torn.contains("line 1"),
        "{torn}"
    );
    let nowhere = place.fail(&["q", "--db", "nowhere", AGES]);
    assert!(
        nowhere.starts_with("1 error: ") && nowhere.contains("--create"),
        "{nowhere}"
    );
    assert!(
        place
            .fail(&["q", "--no-such-option"])
            .starts_with("2 error: ")
    );
    assert!(
        place
            .fail(&["transact", "--db", "db", "[{:name 7}]"])
            .starts_with("1 error: ")
    );
}

#[test]
fn looks_at_the_database() {
    let place = people();
    assert_eq!(
        place.run(&["schema", "--db", "db", "--format", "csv"]),
        "attribute,valueType,cardinality,unique\n:name,string,one,identity\n:age,long,one,\n"
    );
    let stats = place.run(&["stats", "--db", "db"]);
    assert!(
        stats.contains(":max-tx 536870914") && stats.contains(":age 2"),
        "{stats}"
    );
    let plan = place.run(&["explain", "--db", "db", AGES]);
    assert!(plan.contains(":name"), "{plan}");
    let analysis = place.run(&["explain", "--analyze", "--db", "db", AGES]);
    assert!(analysis.contains(" rows · planned in "), "{analysis}");
    assert!(!analysis.contains('\u{1b}'), "a pipe gets no colours");
    let data = place.run(&["explain", "--db", "db", AGES, "--format", "json"]);
    assert!(data.contains("\"index\":\"aevt\""), "{data}");
}

#[test]
fn writers_side_by_side_all_succeed() {
    let place = people();
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let data = format!("[{{:name \"p{n}\" :age {n}}}]");
            let mut command = place.command(&["transact", "--db", "db", &data]);
            command.stdout(Stdio::null()).spawn().expect("the binary")
        })
        .collect();
    for mut writer in writers {
        assert!(writer.wait().expect("an end").success());
    }
    let count = "[:find (count ?e) . :where [?e :name]]";
    assert_eq!(place.run(&["q", "--db", "db", count]), "10\n");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::empty();
    let query = "[:find ?x ?y :in [?x ...] [?y ...]]";
    let numbers = format!("{:?}", (0..500).collect::<Vec<_>>()).replace(',', "");
    let mut command = place.command(&["q", query, &numbers, &numbers]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut begin = [0; 100];
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_exact(&mut begin).expect("the command writes");
    drop(stdout);
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}
