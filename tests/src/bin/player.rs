//! One process of a history: does random operations on a database until it is killed, and says each.
//!
//! `player PATH ROLE FIRST ORIGIN`: role `write` creates the database if there is none and writes and
//! reads on several threads; `read` waits for it and reads; `tidy` folds it into segments and collects
//! garbage. FIRST is the first number its writes
//! may carry, ORIGIN the start of the whole run on the monotonic clock, in nanoseconds: lists
//! change with time, so that none grows long.

use std::io::Write;
use std::time::Duration;

use datalith_engine::conn::{Config, Conn, GcOptions, create_database, database_exists};
use datalith_engine::db::Db;
use datalith_engine::error::Error;
use datalith_engine::exec::{Input, QueryOptions, q};
use datalith_engine::transact::TxData;
use datalith_engine::{Code, Result, Value, edn};
use datalith_tests::clock::now_ns;
use datalith_tests::history::{ACCOUNTS, Act, BALANCE, Line, Outcome, Pushed, Seen};
use datalith_tests::random::Random;

/// Threads of a writer.
const WRITERS: u32 = 3;
/// Threads of a reader.
const READERS: u32 = 2;
/// How long an append list is in use.
const LIST_NS: u64 = 50_000_000;
/// Pushed lists there are.
const PUSHED: u64 = 4;
/// Numbers of one page of a pushed list: what is read of it is its last page or two.
const PAGE: i64 = 32;
/// Names that are claimed while one append list is in use.
const NAMES: u64 = 4;

const SCHEMA: &str = "[{:db/ident :op/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
 {:db/ident :append/list :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}
 {:db/ident :push/page :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}
 {:db/ident :push/index :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
 {:db/ident :list/id :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
 {:db/ident :list/length :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
 {:db/ident :account/id :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
 {:db/ident :account/balance :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
 {:db/ident :claim/name :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/value}]";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, role, first, origin] = arguments.as_slice() else {
        panic!("player PATH ROLE FIRST ORIGIN");
    };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let (first, origin) = (number(first), number(origin));
    let config = format!("{{:store {{:backend :file :path {path:?}}} :lock-timeout 60000}}");
    let config = Config::from_value(&edn::read(&config)?)?;
    let conn = match role.as_str() {
        "write" => found(&config)?,
        _ => joined(&config)?,
    };
    if role == "tidy" {
        return tidy(&conn);
    }
    let threads = if role == "write" { WRITERS } else { READERS };
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let mut player = Player {
                conn: &conn,
                thread,
                origin,
                n: first as i64 + i64::from(thread),
                random: Random::of(first.wrapping_add(u64::from(thread) << 32)),
                writes: role == "write",
            };
            scope.spawn(move || while player.play() {});
        }
    });
    Ok(())
}

/// Makes checkpoints and collects garbage until the process is killed.
fn tidy(conn: &Conn) -> Result<()> {
    loop {
        let done = conn.checkpoint().map(|_| ());
        done.and_then(|()| conn.gc_storage(GcOptions::default()).map(|_| ()))
            .or_else(|error| match error.code() {
                // Others are at it, or were stopped in the middle of it.
                Code::Locked | Code::Fenced => Ok(()),
                _ => Err(error),
            })?;
        rest(Duration::from_millis(20));
    }
}

/// Connects; creates and fills the database if nobody has.
fn found(config: &Config) -> Result<Conn> {
    if !database_exists(config)? {
        unless_done(create_database(config), Code::DbAlreadyExists)?;
    }
    let conn = Conn::connect(config)?;
    if conn.db()?.attribute_named("op/n").is_none() {
        conn.transact(&TxData::new(edn::read(SCHEMA)?))?;
    }
    if conn.db()?.entid(&edn::read("[:account/id 0]")?)?.is_none() {
        let lists = (0..PUSHED).map(|id| format!("{{:list/id {id} :list/length 0}}"));
        let accounts =
            (0..ACCOUNTS).map(|id| format!("{{:account/id {id} :account/balance {BALANCE}}}"));
        let forms: Vec<String> = lists.chain(accounts).collect();
        // A claim goes with them: of two that try, one fails.
        let forms = format!("[{{:claim/name -1}} {}]", forms.join(" "));
        unless_done(transact(&conn, &forms), Code::TransactUnique)?;
    }
    Ok(conn)
}

/// The error, unless it says that another process was faster.
fn unless_done<T>(result: Result<T>, done: Code) -> Result<()> {
    match result {
        Err(error) if error.code() != done => Err(error),
        _ => Ok(()),
    }
}

/// Connects to a database that another process fills.
fn joined(config: &Config) -> Result<Conn> {
    loop {
        match Conn::connect(config) {
            Err(error) if error.code() == Code::DbDoesNotExist => {}
            conn => {
                let conn = conn?;
                let db = conn.db()?;
                if db.attribute_named("account/id").is_some()
                    && db.entid(&edn::read("[:account/id 0]")?)?.is_some()
                {
                    return Ok(conn);
                }
                conn.release();
            }
        }
        rest(Duration::from_millis(1));
    }
}

/// One client.
struct Player<'c> {
    conn: &'c Conn,
    thread: u32,
    origin: u64,
    n: i64,
    random: Random,
    writes: bool,
}

impl Player<'_> {
    /// One operation; false if nobody listens any more or nothing can be written.
    fn play(&mut self) -> bool {
        let db = match self.conn.db() {
            Ok(db) => db,
            Err(error) => {
                return self.begin(Act::Read) && self.end(Outcome::Fail(error.to_string()));
            }
        };
        let prepared = match (self.writes, self.random.below(6)) {
            (false, _) | (_, 0) => Ok((Act::Read, String::new())),
            (_, 1 | 2) => Ok(self.append()),
            (_, 3) => self.push(&db),
            (_, 4) => self.transfer(&db),
            _ => Ok(self.claim()),
        };
        let (act, forms) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                return self.begin(Act::Read) && self.end(Outcome::Fail(error.to_string()));
            }
        };
        self.n += i64::from(WRITERS);
        let is_read = act == Act::Read;
        if !self.begin(act) {
            return false;
        }
        if is_read {
            let seen = self.conn.db().and_then(|db| self.read(&db));
            let told = self.end(seen.map_or_else(failed, Outcome::Seen));
            if !self.writes {
                rest(Duration::from_millis(2));
            }
            return told;
        }
        let report = transact(self.conn, &forms);
        let stopped = report
            .as_ref()
            .is_err_and(|error| error.code() == Code::WriterShutDown);
        let outcome = report.map_or_else(failed, |(before, t)| Outcome::Ok { t, before });
        self.end(outcome) && !stopped
    }

    fn append(&mut self) -> (Act, String) {
        let (list, n) = (self.list(0), self.n);
        let forms = format!("[{{:append/list {list} :op/n {n}}}]");
        (Act::Append { list, n }, forms)
    }

    fn push(&mut self, db: &Db) -> Result<(Act, String)> {
        let (list, n) = (self.random.below(PUSHED) as i64, self.n);
        let index = long_of(db, &format!("[:list/id {list}]"), ":list/length")?;
        let page = page(list, index);
        let forms = format!(
            "[[:db/cas [:list/id {list}] :list/length {index} {}]
              {{:push/page {page} :push/index {index} :op/n {n}}}]",
            index + 1
        );
        Ok((Act::Push { list, index, n }, forms))
    }

    fn transfer(&mut self, db: &Db) -> Result<(Act, String)> {
        let from = self.random.below(ACCOUNTS as u64) as usize;
        let to = (from + 1 + self.random.below(ACCOUNTS as u64 - 1) as usize) % ACCOUNTS;
        let (n, balances) = (self.n, balances(db)?);
        let amount = (self.random.below(20) as i64).min(balances[from]);
        let swap = |account: usize, after: i64| {
            let before = balances[account];
            format!("[:db/cas [:account/id {account}] :account/balance {before} {after}]")
        };
        let forms = format!(
            "[{} {} {{:op/n {n}}}]",
            swap(from, balances[from] - amount),
            swap(to, balances[to] + amount)
        );
        let act = Act::Transfer {
            from,
            to,
            amount,
            n,
        };
        Ok((act, forms))
    }

    fn claim(&mut self) -> (Act, String) {
        let name = self.list(0) * NAMES as i64 + self.random.below(NAMES) as i64;
        let n = self.n;
        let forms = format!("[{{:claim/name {name} :op/n {n}}}]");
        (Act::Claim { name, n }, forms)
    }

    fn read(&mut self, db: &Db) -> Result<Seen> {
        let back = self.random.below(4);
        let list = self.list(back);
        let query = format!("[:find ?n ?tx :where [?e :append/list {list}] [?e :op/n ?n ?tx]]");
        let mut appended = pairs(db, &query)?;
        appended.sort_unstable_by_key(|(_, t)| *t);

        let pushed = self.random.below(PUSHED) as i64;
        let length = long_of(db, &format!("[:list/id {pushed}]"), ":list/length")?;
        let start = (length - 1).max(0) / PAGE * PAGE;
        let page = page(pushed, start);
        let query = format!(
            "[:find ?i ?n :where [?e :push/page {page}] [?e :push/index ?i] [?e :op/n ?n]]"
        );
        let mut numbers = pairs(db, &query)?;
        numbers.sort_unstable();

        let mut claims = Vec::new();
        for number in 0..NAMES as i64 {
            let name = list * NAMES as i64 + number;
            let query = format!("[:find ?n ?n :where [?e :claim/name {name}] [?e :op/n ?n]]");
            let owner = pairs(db, &query)?.first().map_or(0, |(n, _)| *n);
            claims.push((name, owner));
        }
        Ok(Seen {
            basis: db.max_tx().0,
            appended: (list, appended),
            pushed: Pushed {
                list: pushed,
                length,
                start,
                numbers: numbers.into_iter().map(|(_, n)| n).collect(),
            },
            balances: balances(db)?,
            claims,
        })
    }

    /// The append list of now, or of some lists ago.
    fn list(&self, back: u64) -> i64 {
        let number = now_ns().saturating_sub(self.origin) / LIST_NS;
        number.saturating_sub(back) as i64
    }

    fn begin(&self, act: Act) -> bool {
        let (thread, ns) = (self.thread, now_ns());
        say(&Line::Start { thread, ns, act })
    }

    fn end(&self, outcome: Outcome) -> bool {
        let (thread, ns) = (self.thread, now_ns());
        say(&Line::End {
            thread,
            ns,
            outcome,
        })
    }
}

/// What an error says of the write it answers.
fn failed(error: Error) -> Outcome {
    let outcome = error.data().iter().find(|(key, _)| *key == "db/outcome");
    let refused = matches!(error.code(), Code::TransactCas | Code::TransactUnique);
    match outcome.map(|(_, value)| value) {
        Some(value) if *value == Value::keyword("unknown") => Outcome::Unknown,
        None if !refused => Outcome::Fail(format!("!{:?} {error}", error.code())),
        _ => Outcome::Fail(format!("{:?}", error.code())),
    }
}

fn transact(conn: &Conn, forms: &str) -> Result<(i64, i64)> {
    let report = conn.transact(&TxData::new(edn::read(forms)?))?;
    Ok((report.db_before.max_tx().0, report.db_after.max_tx().0))
}

/// The page of a pushed list that holds an index.
fn page(list: i64, index: i64) -> i64 {
    (index / PAGE) * PUSHED as i64 + list
}

fn balances(db: &Db) -> Result<Vec<i64>> {
    let query = "[:find ?a ?b :where [?e :account/id ?a] [?e :account/balance ?b]]";
    let mut balances = pairs(db, query)?;
    balances.sort_unstable();
    Ok(balances.into_iter().map(|(_, balance)| balance).collect())
}

fn long_of(db: &Db, entity: &str, attribute: &str) -> Result<i64> {
    let query = format!("[:find ?v ?v :where [{entity} {attribute} ?v]]");
    let found = pairs(db, &query)?;
    let missing = || Error::new(Code::Internal, format!("{entity} has no {attribute}"));
    found.first().map(|(v, _)| *v).ok_or_else(missing)
}

fn pairs(db: &Db, query: &str) -> Result<Vec<(i64, i64)>> {
    let answer = q(
        &edn::read(query)?,
        &[Input::Db(db.clone())],
        &QueryOptions::default(),
    )?;
    let long = |column, row| answer.value(column, row).as_long().unwrap_or(i64::MIN);
    Ok((0..answer.len())
        .map(|row| (long(0, row), long(1, row)))
        .collect())
}

fn rest(time: Duration) {
    std::thread::park_timeout(time);
}

/// Writes a line to whoever started this process; whether anybody listens.
fn say(line: &Line) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}
