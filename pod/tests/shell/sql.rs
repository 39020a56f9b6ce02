//! SQL from the command line.

use super::Place;

const SCHEMA: &str = "[{:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
                        :db/unique :db.unique/identity}
                       {:db/ident :person/age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";
const PEOPLE: &str = "[{:person/name \"Ann\" :person/age 44} {:person/name \"Bob\"}]";
const SELECT: &str = "select name, age from person order by name";

fn people() -> Place {
    let place = Place::empty();
    place.run(&[
        "transact",
        "--db",
        "db",
        "--create",
        &format!("{SCHEMA} {PEOPLE}"),
    ]);
    place
}

#[test]
fn rows_come_in_every_form() {
    let place = people();
    let rows = |format| place.run(&["sql", "--db", "db", SELECT, "--format", format]);
    assert_eq!(
        rows("edn"),
        "[{:name \"Ann\", :age 44}\n {:name \"Bob\", :age nil}]\n"
    );
    assert_eq!(
        rows("json"),
        "[{\"name\":\"Ann\",\"age\":44},\n {\"name\":\"Bob\",\"age\":null}]\n"
    );
    assert_eq!(
        rows("jsonl"),
        "{\"name\":\"Ann\",\"age\":44}\n{\"name\":\"Bob\",\"age\":null}\n"
    );
    assert_eq!(rows("csv"), "name,age\nAnn,44\nBob,\n");
    assert_eq!(
        rows("table"),
        " name   age\n────── ─────\n Ann     44\n Bob\n"
    );
}

#[test]
fn statements_come_from_arguments_files_and_pipes() {
    let place = people();
    place.write(
        "q.sql",
        "-- who is grown up\nselect count(*) as n from person where age > $1",
    );
    assert_eq!(
        place.run(&["sql", "--db", "db", "@q.sql", "-p", "40", "--format", "csv"]),
        "n\n1\n"
    );
    let fed = place.feed(
        &["sql", "--db", "db", "--format", "csv"],
        "select 1 as a; select 2 as b;",
    );
    assert_eq!(String::from_utf8_lossy(&fed.stdout), "b\n2\n");
    place.write("more.csv", "name,age\nCid,5\nDee,6\n");
    let insert = "insert into person (name, age) select name, age from read_csv('more.csv')";
    assert_eq!(place.run(&["sql", "--db", "db", insert]), "[{:count 2}]\n");
    let out = ["sql", "--db", "db", SELECT, "--out", "all.parquet"];
    assert_eq!(place.run(&out), "{:rows 4}\n");
    let file = "select sum(age) as s from read_parquet('all.parquet')";
    assert_eq!(place.run(&["sql", file, "--format", "csv"]), "s\n55\n");
}

#[test]
fn errors_point_into_the_statement() {
    let place = people();
    let failed = place.fail(&["sql", "--db", "db", "select nam\nfrom person"]);
    assert!(
        failed.starts_with("1 error: No field named nam."),
        "{failed}"
    );
    assert!(failed.contains("[:sql/statement]"), "{failed}");
    assert!(
        failed.contains("select nam\n") && failed.contains("^^^"),
        "{failed}"
    );
    let failed = place.fail(&["sql", "--db", "db", "select * from persons"]);
    assert!(
        failed.contains("there are datoms, person, person_age"),
        "{failed}"
    );
    let late = place.fail(&[
        "sql",
        "--timeout",
        "20",
        "select count(*) from generate_series(1, 3000000) a, generate_series(1, 3000000) b where a.value % 7 = b.value % 5",
    ]);
    assert!(late.contains("longer than 20 ms"), "{late}");
}
