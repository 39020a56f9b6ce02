//! SQL in scripts.
#![cfg(feature = "sql")]

use std::sync::Arc;

use datalith_scripts::files::Grants;
use datalith_scripts::shown::{self, Shown};
use datalith_scripts::{Host, Settings, Sink};

struct Silent;

impl Sink for Silent {
    fn print(&self, _: &str) {}
    fn show(&self, _: &Shown) {}
}

const BEFORE: &str = r##"
let conn = open(":memory:");
conn.transact(edn { [{:db/ident :deal/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
                     {:db/ident :deal/price :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
                     {:db/ident :deal/tag :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}] });
conn.transact([#{ "deal/name": "a", "deal/price": 50, "deal/tag": [kw("x"), kw("y")] }, #{ "deal/name": "b", "deal/price": 100 }]);
let db = conn.db();
"##;

fn answer(settings: &Settings, script: &str) -> String {
    let mut host = Host::new(settings, Arc::new(Silent));
    let ran = host.eval(BEFORE).and_then(|_| host.eval(script));
    match ran {
        Ok(value) => shown::text(&value, 0),
        Err(fault) => fault.message,
    }
}

fn check(script: &str, expected: &str) {
    assert_eq!(answer(&Settings::default(), script), expected, "{script}");
}

#[test]
fn statements_answer_tables() {
    check("conn.sql(\"select sum(price) as s from deal\").s[0]", "150");
    check(
        "db.sql(\"select name from deal where price > $1\", [60]).name.to_array()",
        "[\"b\"]",
    );
    check(
        "db.sql(\"select name from deal where price > $least\", #{ least: 60 }).name.to_array()",
        "[\"b\"]",
    );
    check(
        "db.sql(\"select tag from deal order by name\")[0].tag.len()",
        "2",
    );
    check("sql(\"select 1 + 1 as n\").n[0]", "2");
    check(
        "conn.sql(\"insert into deal (name, price) values ('c', 7)\"); [conn.sql(\"select count(*) as n from deal\").n[0], db.sql(\"select count(*) as n from deal\").n[0]]",
        "[3, 2]",
    );
}

#[test]
fn scripts_keep_to_their_bounds() {
    check(
        "db.sql(\"delete from deal\")",
        "a database value does not change: ask a connection",
    );
    let refused = answer(
        &Settings::default(),
        "sql(\"select * from read_csv('/etc/passwd')\")",
    );
    assert!(refused.contains("--allow-read"), "{refused}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.csv");
    std::fs::write(&file, "n\n1\n2\n").expect("a file");
    let settings = Settings {
        grants: Grants::new(&[folder.path().to_owned()], &[]).expect("the folder is there"),
        ..Settings::default()
    };
    let read = format!(
        "sql(\"select sum(n) as s from read_csv('{}')\").s[0]",
        file.display()
    );
    assert_eq!(answer(&settings, &read), "3");
    let late = Settings {
        timeout: Some(std::time::Duration::from_millis(50)),
        ..Settings::default()
    };
    let endless = "sql(\"select count(*) from generate_series(1, 3000000) a, generate_series(1, 3000000) b where a.value % 7 = b.value % 5\")";
    let ended = answer(&late, endless);
    assert!(ended.starts_with("Query took longer than"), "{ended}");
}
