//! SQL: `conn.sql("select …", [1, 2])`, `db.sql(…)`, and `sql(…)` about files alone.

use rhai::{Dynamic, Engine};

use super::connection::ScriptConn;
use super::value::ScriptDb;
use crate::fault::Done;
use crate::files::Grants;
use crate::meter::Meter;
use crate::table::Table;

pub(super) fn register(engine: &mut Engine, meter: &Meter, files: &Grants) {
    let doors = Doors::new(meter, files);
    let door = doors.clone();
    engine.register_fn("sql", move |conn: &mut ScriptConn, text: &str| {
        door.of_conn(conn, text, &Dynamic::UNIT)
    });
    let door = doors.clone();
    engine.register_fn(
        "sql",
        move |conn: &mut ScriptConn, text: &str, values: Dynamic| door.of_conn(conn, text, &values),
    );
    let door = doors.clone();
    engine.register_fn("sql", move |db: &mut ScriptDb, text: &str| {
        door.of_db(db, text, &Dynamic::UNIT)
    });
    let door = doors.clone();
    engine.register_fn(
        "sql",
        move |db: &mut ScriptDb, text: &str, values: Dynamic| door.of_db(db, text, &values),
    );
    let door = doors.clone();
    engine.register_fn("sql", move |text: &str| door.of_files(text, &Dynamic::UNIT));
    engine.register_fn("sql", move |text: &str, values: Dynamic| {
        doors.of_files(text, &values)
    });
}

#[cfg(not(feature = "sql"))]
use without::Doors;

#[cfg(not(feature = "sql"))]
mod without {
    use super::*;
    use crate::fault::refused;

    /// Tells how to get SQL.
    #[derive(Clone)]
    pub(super) struct Doors;

    impl Doors {
        pub(super) fn new(_: &Meter, _: &Grants) -> Doors {
            Doors
        }

        pub(super) fn of_conn(&self, _: &ScriptConn, _: &str, _: &Dynamic) -> Done<Table> {
            self.of_files("", &Dynamic::UNIT)
        }

        pub(super) fn of_db(&self, _: &ScriptDb, _: &str, _: &Dynamic) -> Done<Table> {
            self.of_files("", &Dynamic::UNIT)
        }

        pub(super) fn of_files(&self, _: &str, _: &Dynamic) -> Done<Table> {
            Err(refused(
                "this binary was built without SQL: build it with --features sql",
            ))
        }
    }
}

#[cfg(feature = "sql")]
use with::Doors;

#[cfg(feature = "sql")]
mod with {
    use std::sync::{Arc, Mutex, PoisonError};

    use datalith_engine::db::Options;
    use datalith_engine::script::Allowance;
    use datalith_engine::{Code, Db, Error, Value};
    use datalith_sql::{
        Access, Answer, Executor, ExecutorOptions, Parameters, Purpose, Session, Source,
    };

    use super::*;
    use crate::fault::thrown;
    use crate::table::from_batches;
    use crate::value::to_value;

    /// Databases whose tables are kept ready.
    const SESSIONS: usize = 8;

    /// Asks statements within what a script may spend and touch.
    #[derive(Clone)]
    pub(super) struct Doors {
        meter: Meter,
        files: Grants,
        kept: Arc<Mutex<Kept>>,
    }

    /// Threads, once there was a statement, and the databases asked lately.
    #[derive(Default)]
    struct Kept {
        executor: Option<Arc<Executor>>,
        sessions: Vec<Arc<Session>>,
    }

    impl Doors {
        pub(super) fn new(meter: &Meter, files: &Grants) -> Doors {
            Doors {
                meter: meter.clone(),
                files: files.clone(),
                kept: Arc::default(),
            }
        }

        pub(super) fn of_conn(
            &self,
            conn: &ScriptConn,
            text: &str,
            values: &Dynamic,
        ) -> Done<Table> {
            self.ask(Source::Conn(conn.0.clone()), text, values)
        }

        pub(super) fn of_db(&self, db: &ScriptDb, text: &str, values: &Dynamic) -> Done<Table> {
            self.ask(Source::Db(db.0.clone()), text, values)
        }

        pub(super) fn of_files(&self, text: &str, values: &Dynamic) -> Done<Table> {
            self.ask(Source::Db(Db::empty(Options::default())), text, values)
        }

        fn ask(&self, source: Source, text: &str, values: &Dynamic) -> Done<Table> {
            let values = match values.is_unit() {
                true => Value::Nil,
                false => to_value(values)?,
            };
            let answer = Parameters::from_value(&values).and_then(|parameters| {
                let session = self.session(source)?;
                session.run(text, &parameters, &self.allowance())
            });
            let answer = answer.map_err(thrown)?;
            self.table(answer)
        }

        /// The rows, as long as the script may hold them.
        fn table(&self, answer: Answer) -> Done<Table> {
            let schema = Arc::clone(answer.schema());
            let most = self.meter.memory_bytes();
            let (mut batches, mut bytes) = (Vec::new(), 0usize);
            for batch in answer {
                let batch = batch.map_err(thrown)?;
                bytes = bytes.saturating_add(batch.get_array_memory_size());
                if bytes > most {
                    let message = format!(
                        "the rows take more than the {most} bytes that the script may hold"
                    );
                    return Err(thrown(Error::new(Code::QueryMemory, message)));
                }
                batches.push(batch);
            }
            from_batches(&schema, &batches, datalith_sql::value)
        }

        fn allowance(&self) -> Allowance {
            let allowance = Allowance::default().with_cancel(self.meter.cancel_flag());
            match self.meter.left_ms() {
                Some(ms) => allowance.with_timeout_ms(ms),
                None => allowance,
            }
        }

        fn session(&self, source: Source) -> datalith_engine::Result<Arc<Session>> {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let known = kept.sessions.iter().find(|known| known.is_about(&source));
            if let Some(known) = known {
                return Ok(Arc::clone(known));
            }
            let executor = match &kept.executor {
                Some(executor) => Arc::clone(executor),
                None => Arc::clone(kept.executor.insert(self.executor()?)),
            };
            let session = Arc::new(Session::new(&executor, source));
            if kept.sessions.len() >= SESSIONS {
                kept.sessions.remove(0);
            }
            kept.sessions.push(Arc::clone(&session));
            Ok(session)
        }

        fn executor(&self) -> datalith_engine::Result<Arc<Executor>> {
            let files = self.files.clone();
            let decide = move |path: &std::path::Path, purpose: Purpose| {
                let path = path.to_string_lossy();
                let granted = match purpose {
                    Purpose::Read => files.reading(&path),
                    Purpose::Write => files.writing(&path),
                };
                let refused = |fault: Box<rhai::EvalAltResult>| {
                    Error::new(Code::SqlStatement, fault.to_string())
                };
                granted.map(drop).map_err(refused)
            };
            let options = ExecutorOptions {
                memory_bytes: self.meter.memory_bytes(),
                files: Access::Asked(Arc::new(decide)),
                ..ExecutorOptions::default()
            };
            Executor::new(&options)
        }
    }
}
