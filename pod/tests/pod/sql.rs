//! SQL through the pod.

use crate::client;

const CONFIG: &str =
    "({:store {:backend :memory :id #uuid \"00000000-0000-0000-0000-00000000000b\"}
    :schema-flexibility :read :keep-history? true})";

#[test]
fn statements_answer_maps_columns_or_files() {
    let mut pod = client::start();
    pod.call("pod.datalith/create-database", CONFIG).answer();
    let conn = pod.call("pod.datalith/connect", CONFIG).answer().to_owned();
    let people = "[{:person/name \"Ann\" :person/age 44} {:person/name \"Bob\" :person/age 7}]";
    pod.call("pod.datalith/transact", &format!("({conn} {people})"))
        .answer();
    let db = pod
        .call("pod.datalith/db", &format!("({conn})"))
        .answer()
        .to_owned();
    let select = "\"select name, age from person where age > $1 order by name\"";
    let mut check = |args: &str, expected: &str| {
        assert_eq!(
            pod.call("pod.datalith/sql", args).answer(),
            expected,
            "{args}"
        );
    };
    check(
        &format!("({conn} {select} [1])"),
        "[{:name \"Ann\", :age 44} {:name \"Bob\", :age 7}]",
    );
    check(
        &format!("({db} {select} [9] {{:as :columns}})"),
        "{:name [\"Ann\"], :age [44]}",
    );
    let named = select.replace("$1", "$least");
    check(
        &format!("({db} {named} {{:least 9}})"),
        "[{:name \"Ann\", :age 44}]",
    );
    check(
        &format!("({conn} \"update person set age = 8 where name = 'Bob'\")"),
        "[{:count 1}]",
    );
    check(
        &format!("({db} {select} [7])"),
        "[{:name \"Ann\", :age 44}]",
    );
    check(
        &format!("({conn} {select} [7])"),
        "[{:name \"Ann\", :age 44} {:name \"Bob\", :age 8}]",
    );
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("people.parquet");
    let file = format!("\"{}\"", file.display());
    check(
        &format!("({conn} \"select * from person\" nil {{:to {file}}})"),
        "{:rows 2}",
    );
    let read = format!(
        "\"select count(*) as n from read_parquet('{}')\"",
        file.trim_matches('"')
    );
    check(&format!("({conn} {read})"), "[{:n 2}]");
    pod.shut_down();
}

#[test]
fn errors_have_data() {
    let mut pod = client::start();
    pod.call("pod.datalith/create-database", CONFIG).answer();
    let conn = pod.call("pod.datalith/connect", CONFIG).answer().to_owned();
    let args = format!("({conn} [{{:person/name \"Ann\"}}])");
    pod.call("pod.datalith/transact", &args).answer();
    let db = pod
        .call("pod.datalith/db", &format!("({conn})"))
        .answer()
        .to_owned();
    let wrong = pod.call(
        "pod.datalith/sql",
        &format!("({db} \"select nam from person\")"),
    );
    let data = wrong.ex_data.expect("an error has data");
    assert!(data.contains(":sql/statement"), "{data}");
    let changed = pod.call(
        "pod.datalith/sql",
        &format!("({db} \"delete from person\")"),
    );
    let message = changed.ex_message.expect("an error has a message");
    assert!(
        message.contains("a database value does not change"),
        "{message}"
    );
    pod.shut_down();
}
