//! Sessions: parameters, what a statement sees, what it may spend and touch, where its answer goes.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use datalith_engine::conn::{Config, Conn, TxData, create_database};
use datalith_engine::script::Allowance;
use datalith_engine::{Code, Error, Value, edn};
use datalith_sql::{
    Access, Destination, Executor, ExecutorOptions, Parameters, Purpose, Session, Source, value,
};

const SCHEMA: &str = "[{:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
                        :db/unique :db.unique/identity}
                       {:db/ident :person/age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
                       {:db/ident :person/born :db/valueType :db.type/instant :db/cardinality :db.cardinality/one}]";
/// Takes far longer than anybody waits.
const ENDLESS: &str = "select count(*) from generate_series(1, 3000000) a, generate_series(1, 3000000) b where a.value % 7 = b.value % 5";

fn connection() -> Conn {
    static MADE: AtomicU64 = AtomicU64::new(1);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let store = format!("{{:backend :memory :id #uuid \"5ea1f0e2-0000-4000-8000-{number:012}\"}}");
    let config = edn::read(&format!("{{:store {store}}}"));
    let config = config.and_then(|config| Config::from_value(&config));
    let config = config.expect("a configuration");
    create_database(&config).expect("a database in memory");
    let conn = Conn::connect(&config).expect("a connection");
    transact(&conn, SCHEMA);
    conn
}

fn transact(conn: &Conn, text: &str) {
    let data = edn::read(text).and_then(|data| TxData::from_value(&data));
    let made = data.and_then(|data| conn.transact(&data));
    made.expect("a transaction");
}

fn executor(files: Access) -> Arc<Executor> {
    let options = ExecutorOptions {
        threads: Some(2),
        files,
        ..ExecutorOptions::default()
    };
    Executor::new(&options).expect("threads")
}

fn session(conn: &Conn) -> Session {
    Session::new(&executor(Access::None), Source::Conn(conn.clone()))
}

fn ask(session: &Session, text: &str, parameters: &str) -> Result<Vec<Vec<Value>>, Error> {
    let parameters = Parameters::from_value(&edn::read(parameters)?)?;
    let mut rows = Vec::new();
    for batch in session.run(text, &parameters, &Allowance::default())? {
        let batch = batch?;
        let row = |row| {
            batch
                .columns()
                .iter()
                .map(|column| value(column, row))
                .collect()
        };
        rows.extend((0..batch.num_rows()).map(row));
    }
    Ok(rows)
}

fn shown(rows: Vec<Vec<Value>>) -> String {
    let rows = rows.into_iter().map(|row| Value::vector(row).to_string());
    rows.collect::<Vec<_>>().join(" ")
}

fn code(asked: Result<Vec<Vec<Value>>, Error>) -> Code {
    asked.expect_err("it should be refused").code()
}

#[test]
fn parameters_stand_for_values_of_every_kind() {
    let conn = connection();
    let session = session(&conn);
    let check = |text: &str, parameters: &str, expected: &str| {
        assert_eq!(
            shown(ask(&session, text, parameters).unwrap()),
            expected,
            "{text}"
        );
    };
    check("select $1 + 1, $2", "[41 \"a'b\"]", "[42 \"a'b\"]");
    check("select ?, ?", "[1 2.5]", "[1 2.5]");
    check("select $n || '!', $n", "{:n \"hi\"}", "[\"hi!\" \"hi\"]");
    check(
        "select $1 is null, $2, $3",
        "[nil true :a/b]",
        "[true true \"a/b\"]",
    );
    check(
        "select $1 < timestamp '2026-02-01', extract(month from $1)",
        "[#inst \"2026-01-31T12:00:00.000-00:00\"]",
        "[true 1]",
    );
    check("select array_length($1), $1[2]", "[[1 2 3]]", "[3 2]");
    check(
        "select $1",
        "[9223372036854775807]",
        "[9223372036854775807]",
    );
    check(
        "select $1",
        "[-9223372036854775808]",
        "[-9223372036854775808]",
    );
    assert_eq!(code(ask(&session, "select $2", "[1]")), Code::SqlStatement);
    assert_eq!(
        code(ask(&session, "select $who", "{:n 1}")),
        Code::SqlStatement
    );
    conn.release();
}

#[test]
fn errors_say_what_they_are_and_where() {
    let conn = connection();
    transact(&conn, "[{:person/name \"Ivan\" :person/age 15}]");
    let session = session(&conn);
    assert_eq!(code(ask(&session, "selekt 1", "nil")), Code::SqlSyntax);
    assert_eq!(
        code(ask(&session, "select nam from person", "nil")),
        Code::SqlStatement
    );
    assert_eq!(
        code(ask(&session, "select age / 0 from person", "nil")),
        Code::SqlFailed
    );
    assert_eq!(
        code(ask(&session, "create table a (b int)", "nil")),
        Code::Unsupported
    );
    let taken = "update person set name = 'Ivan' where false; insert into person (db_id, name) values (77, 'Ivan')";
    assert_eq!(code(ask(&session, taken, "nil")), Code::TransactUpsert);
    let text = "select name,\n  nam from person";
    let span = ask(&session, text, "nil")
        .expect_err("nam is no column")
        .span();
    assert_eq!(span.map(|span| &text[span.start..span.end]), Some("nam"));
    conn.release();
}

#[test]
fn each_statement_sees_one_value_and_the_next_the_newest() {
    let conn = connection();
    let session = session(&conn);
    assert_eq!(
        shown(ask(&session, "select count(*) from person", "nil").unwrap()),
        "[0]"
    );
    transact(&conn, "[{:person/name \"Ivan\"} {:person/name \"Petr\"}]");
    let parameters = Parameters::default();
    let mut begun = session
        .run(
            "select name from person order by name",
            &parameters,
            &Allowance::default(),
        )
        .unwrap();
    transact(&conn, "[{:person/name \"Anna\"}]");
    let batch = begun.next().unwrap().unwrap();
    assert_eq!(batch.num_rows(), 2);
    assert_eq!(
        shown(ask(&session, "select count(*) from person", "nil").unwrap()),
        "[3]"
    );
    let held = Session::new(&executor(Access::None), Source::Db(conn.db().unwrap()));
    transact(&conn, "[{:person/name \"Olga\"}]");
    assert_eq!(
        shown(ask(&held, "select count(*) from person", "nil").unwrap()),
        "[3]"
    );
    assert_eq!(
        code(ask(&held, "delete from person", "nil")),
        Code::SqlStatement
    );
    conn.release();
}

#[test]
fn time_and_cancels_end_a_statement() {
    let conn = connection();
    let session = session(&conn);
    let drained = |allowance: &Allowance| {
        let answer = session.run(ENDLESS, &Parameters::default(), allowance);
        answer
            .and_then(|answer| answer.collect::<Result<Vec<_>, _>>())
            .map(drop)
    };
    let late = drained(&Allowance::default().with_timeout_ms(30));
    assert_eq!(late.expect_err("it has 30 ms").code(), Code::QueryTimeout);
    let flag = Arc::new(AtomicBool::new(false));
    let allowance = Allowance::default().with_cancel(Arc::clone(&flag));
    let ended = thread::scope(|scope| {
        let running = scope.spawn(|| drained(&allowance));
        flag.store(true, Ordering::Relaxed);
        running.join().unwrap()
    });
    assert_eq!(
        ended.expect_err("it was cancelled").code(),
        Code::QueryCanceled
    );
    assert_eq!(shown(ask(&session, "select 1", "nil").unwrap()), "[1]");
    conn.release();
}

#[test]
fn files_are_touched_only_where_that_is_granted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    fs::write(&file, "n,word\n1,one\n2,two\n").unwrap();
    let conn = connection();
    let of_file = format!("select sum(n) from read_csv('{}')", file.display());
    assert_eq!(
        code(ask(&session(&conn), &of_file, "nil")),
        Code::SqlStatement
    );
    let allowed = folder.path().to_owned();
    let decide = move |path: &Path, purpose: Purpose| match purpose {
        Purpose::Read if path.starts_with(&allowed) => Ok(()),
        _ => Err(Error::new(Code::SqlStatement, "not here")),
    };
    let granted = Session::new(
        &executor(Access::Asked(Arc::new(decide))),
        Source::Conn(conn.clone()),
    );
    assert_eq!(shown(ask(&granted, &of_file, "nil").unwrap()), "[3]");
    let elsewhere = ask(&granted, "select * from read_csv('/etc/hostname')", "nil");
    assert_eq!(
        elsewhere.expect_err("it is not granted").message(),
        "not here"
    );
    let out = folder.path().join("out.parquet");
    let copy = format!("copy (select 1) to '{}'", out.display());
    assert!(ask(&granted, &copy, "nil").is_err());
    assert!(!out.exists());
    conn.release();
}

#[test]
fn answers_go_to_files_and_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let conn = connection();
    let session = Session::new(&executor(Access::All), Source::Conn(conn.clone()));
    let numbers = "select value as n, 'w' || value as word from generate_series(1, 20000)";
    let run = |text: &str| {
        session
            .run(text, &Parameters::default(), &Allowance::default())
            .unwrap()
    };
    for (name, read) in [
        ("a.parquet", "read_parquet"),
        ("a.csv", "read_csv"),
        ("a.jsonl", "read_json"),
        ("a.arrow", "read_arrow"),
    ] {
        let path = folder.path().join(name).display().to_string();
        let written = Destination::parse(&path)
            .unwrap()
            .write(run(numbers), &Access::All);
        assert_eq!(written.unwrap(), 20000, "{name}");
        let back = format!("select count(*), sum(n), max(word) from {read}('{path}')");
        let back = shown(ask(&session, &back, "nil").unwrap());
        assert_eq!(back, "[20000 200010000 \"w9999\"]", "{name}");
    }
    let failing = "select 1 / (5000 - value) from generate_series(1, 20000)";
    let path = folder.path().join("b.csv");
    let destination = Destination::parse(&path.display().to_string()).unwrap();
    let refused = destination.write(run(failing), &Access::All);
    assert_eq!(
        refused.expect_err("it divides by zero").code(),
        Code::SqlFailed
    );
    assert!(!path.exists() && !folder.path().join("b.csv.part").exists());
    assert_eq!(
        Destination::parse("a.doc").unwrap_err().code(),
        Code::SqlStatement
    );
    let denied = destination.write(run("select 1"), &Access::None);
    assert_eq!(denied.unwrap_err().code(), Code::SqlStatement);
    conn.release();
}

#[cfg(unix)]
#[test]
fn a_socket_gets_an_arrow_stream() {
    use std::os::unix::net::UnixListener;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    let listener = UnixListener::bind(&path).unwrap();
    let reader = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let conn = connection();
    let session = session(&conn);
    let answer = session.run(
        "select value from generate_series(1, 10000)",
        &Parameters::default(),
        &Allowance::default(),
    );
    let destination = Destination::parse(&format!("unix:{}", path.display())).unwrap();
    assert_eq!(
        destination.write(answer.unwrap(), &Access::All).unwrap(),
        10000
    );
    let bytes = reader.join().unwrap();
    let file = folder.path().join("stream.arrows");
    fs::write(&file, &bytes).unwrap();
    let read =
        datafusion::arrow::ipc::reader::StreamReader::try_new(File::open(&file).unwrap(), None);
    let rows: usize = read.unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 10000);
    conn.release();
}
