//! Databases that earlier builds wrote still open, with all that was in them.

use std::fs;
use std::path::Path;

use datalith_engine::conn::{BranchPoint, ChainStatus, Config, Conn, TxData};
use datalith_engine::{Keyword, edn, pull};

/// A copy of a database of an earlier format; tests write to it.
fn copy_of(format: &str, to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(format);
    let mut folders = vec![(from, to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        fs::create_dir_all(&to).expect("a folder for the copy");
        for entry in fs::read_dir(from).expect("the fixture is there") {
            let entry = entry.expect("the fixture can be listed");
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push((entry.path(), target));
            } else {
                fs::copy(entry.path(), target).expect("a file of the fixture can be copied");
            }
        }
    }
}

fn ada(conn: &Conn) -> String {
    let read = |text| edn::read(text).expect("the test's own EDN");
    let (pattern, e) = (read("[:age {:friend [:name]}]"), read("[:name \"Ada\"]"));
    let found = pull(&conn.db().expect("an open database"), &pattern, &e);
    let found = found.expect("a pull").map(|found| found.to_string());
    found.unwrap_or_default()
}

#[test]
fn a_database_of_one_log_and_no_refs_opens_and_grows() {
    let dir = tempfile::tempdir().expect("there is room for a folder");
    let path = dir.path().join("people");
    copy_of("format1", &path);
    let config = |branch: &str| {
        let text = format!("{{:store {{:backend :file :path {path:?}}} :branch :{branch}}}");
        Config::from_value(&edn::read(&text).expect("the test's own EDN")).expect("a configuration")
    };
    let main = Conn::connect(&config("db")).expect("the fixture opens");
    assert_eq!(ada(&main), "{:age 37, :friend [{:name \"Cy\"}]}");
    assert_eq!(main.db().expect("open").max_tx().0, 536_870_915);
    let report = main.verify_chain().expect("a chain");
    assert_eq!((report.status, report.commits), (ChainStatus::Ok, 3));
    let entries = main.tx_range(None, None, None).expect("transactions");
    let datoms: Vec<usize> = entries.iter().map(|entry| entry.datoms.len()).collect();
    assert_eq!(datoms, [11, 7, 4]);

    let older = Keyword::new("older");
    main.create_branch(&BranchPoint::Commit(entries[1].commit), &older)
        .expect("a branch");
    let older = Conn::connect(&config("older")).expect("the branch opens");
    let data = edn::read("[{:name \"Ada\" :age 40}]").expect("the test's own EDN");
    main.transact(&TxData::new(data)).expect("a transaction");
    assert!(ada(&older).starts_with("{:age 36"));
    main.release();
    older.release();
    let again = Conn::connect(&config("db")).expect("it opens again");
    assert!(ada(&again).starts_with("{:age 40"));
    again.release();
}

fn people(range: std::ops::Range<i64>) -> TxData {
    let person = |n: i64| {
        format!(
            "{{:name \"n{n}\" :age {} :tag [:b :a{}]}}",
            n * 7 % 50,
            n % 3
        )
    };
    let people: Vec<String> = range.map(person).collect();
    TxData::new(edn::read(&format!("[{}]", people.join(" "))).expect("the test's own EDN"))
}

#[test]
fn archived_transactions_that_refer_to_rows_are_read() {
    let dir = tempfile::tempdir().expect("there is room for a folder");
    let path = dir.path().join("people");
    copy_of("referring", &path);
    let text = format!("{{:store {{:backend :file :path {path:?}}}}}");
    let config = Config::from_value(&edn::read(&text).expect("the test's own EDN"));
    let conn = Conn::connect(&config.expect("a configuration")).expect("the fixture opens");
    let report = conn.verify_chain().expect("a chain");
    assert_eq!((report.status, report.commits), (ChainStatus::Ok, 4));
    let entries = conn.tx_range(None, None, None).expect("transactions");
    let datoms: Vec<usize> = entries.iter().map(|entry| entry.datoms.len()).collect();
    assert_eq!(datoms, [11, 401, 201, 2]);
    let shown = |n: usize, v: &str| {
        let datoms = entries[n].datoms.iter();
        datoms.filter(|datom| datom.v.to_string() == v).count()
    };
    assert_eq!(
        (shown(1, "\"n42\""), shown(1, ":b"), shown(1, "7")),
        (1, 100, 2)
    );
    assert_eq!((shown(2, "7"), shown(2, "8")), (4, 4));
    conn.transact(&people(100..200)).expect("a transaction");
    conn.checkpoint().expect("a checkpoint");
    let report = conn.verify_chain().expect("a chain");
    assert_eq!((report.status, report.commits), (ChainStatus::Ok, 5));
    conn.release();
}
