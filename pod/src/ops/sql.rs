//! `sql`, in a binary built with it.

#[cfg(feature = "sql")]
pub(crate) use with::{Statements, sql};
#[cfg(not(feature = "sql"))]
pub(crate) use without::{Statements, sql};

#[cfg(not(feature = "sql"))]
mod without {
    use datalith_engine::{Code, Error, Result, Value};

    use crate::ops::call::Call;

    /// What the session keeps for statements: nothing.
    #[derive(Default)]
    pub(crate) struct Statements;

    /// Says how to get it.
    pub(crate) fn sql(_: &Call<'_>) -> Result<Value> {
        let message = "this binary was built without SQL: build it with --features sql";
        Err(Error::new(Code::Unsupported, message))
    }
}

#[cfg(feature = "sql")]
mod with {
    use std::sync::{Arc, Mutex, PoisonError};

    use datalith_engine::db::View;
    use datalith_engine::script::Allowance;
    use datalith_engine::{Code, Error, Result, Value};
    use datalith_sql::{
        Access, Answer, Destination, Executor, ExecutorOptions, Parameters, Session, Source, value,
    };

    use crate::limits;
    use crate::ops::call::Call;
    use crate::ops::handles::connection_name;

    /// What the session keeps for statements: threads once there was one, and the databases asked lately.
    #[derive(Default)]
    pub(crate) struct Statements {
        executor: Mutex<Option<Arc<Executor>>>,
        asked: Mutex<Vec<(Key, Arc<Session>)>>,
    }

    /// What tells databases apart.
    #[derive(Clone, Debug, PartialEq)]
    enum Key {
        /// A connection, by its name.
        Connection(String),
        /// A database value, by its commit and its view.
        Value(uuid::Uuid, View),
    }

    impl Statements {
        fn session(&self, call: &Call<'_>) -> Result<Arc<Session>> {
            let handle = call.arg(0);
            let (key, source) = match connection_name(handle) {
                Some(_) => {
                    let (name, conn) = call.session.handles.named_connection(handle)?;
                    (Some(Key::Connection(name)), Source::Conn(conn))
                }
                None => {
                    let db = call.session.handles.database(handle)?;
                    let commit = db.origin().commit_id();
                    let key = commit.map(|commit| Key::Value(commit, db.view().clone()));
                    (key, Source::Db(db))
                }
            };
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let known = asked.iter().find(|(other, _)| Some(other) == key.as_ref());
            // A name may have been given to another connection since.
            let known = known.filter(|(_, session)| session.is_about(&source));
            if let Some((_, session)) = known {
                return Ok(Arc::clone(session));
            }
            let session = Arc::new(Session::new(&self.executor()?, source));
            asked.retain(|(other, _)| Some(other) != key.as_ref());
            if asked.len() >= limits::SQL_DATABASES {
                asked.remove(0);
            }
            asked.extend(key.map(|key| (key, Arc::clone(&session))));
            Ok(session)
        }

        fn executor(&self) -> Result<Arc<Executor>> {
            let mut executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(executor) = &*executor {
                return Ok(Arc::clone(executor));
            }
            let options = ExecutorOptions {
                files: Access::All,
                ..ExecutorOptions::default()
            };
            Ok(Arc::clone(executor.insert(Executor::new(&options)?)))
        }
    }

    /// `sql`
    pub(crate) fn sql(call: &Call<'_>) -> Result<Value> {
        let statement = call.arg(1).as_str();
        let statement =
            statement.ok_or_else(|| call.bad_argument("the text of a statement", call.arg(1)))?;
        let parameters = Parameters::from_value(call.arg(2))?;
        let options = call.arg(3);
        let mut allowance = Allowance::default();
        if let Some(ms) = options.get("timeout").and_then(Value::as_long) {
            allowance = allowance.with_timeout_ms(u64::try_from(ms).unwrap_or(0));
        }
        let session = call.session.statements.session(call)?;
        let answer = session.run(statement, &parameters, &allowance)?;
        match (options.get("to"), options.get("as")) {
            (Some(Value::Str(to)), _) => {
                let rows = Destination::parse(to)?.write(answer, &Access::All)?;
                Ok(Value::map([(Value::keyword("rows"), Value::from(rows))]))
            }
            (Some(other), _) if !other.is_nil() => Err(call.bad_argument(":to a path", other)),
            (_, Some(form)) if *form == Value::keyword("columns") => columns(answer),
            (_, None | Some(Value::Nil)) => maps(answer),
            (_, Some(form)) if *form == Value::keyword("maps") => maps(answer),
            (_, Some(other)) => Err(call.bad_argument(":as :maps or :columns", other)),
        }
    }

    fn keys(answer: &Answer) -> Vec<Value> {
        let names = answer
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone());
        names.map(|name| Value::keyword(&name)).collect()
    }

    fn maps(answer: Answer) -> Result<Value> {
        let keys = keys(&answer);
        let mut rows = Vec::new();
        for batch in answer {
            let batch = batch?;
            check(rows.len() + batch.num_rows())?;
            rows.extend((0..batch.num_rows()).map(|row| {
                let values = batch.columns().iter().map(|column| value(column, row));
                Value::map(keys.iter().cloned().zip(values))
            }));
        }
        Ok(Value::from(rows))
    }

    fn columns(answer: Answer) -> Result<Value> {
        let keys = keys(&answer);
        let mut columns: Vec<Vec<Value>> = keys.iter().map(|_| Vec::new()).collect();
        let mut rows = 0;
        for batch in answer {
            let batch = batch?;
            rows += batch.num_rows();
            check(rows)?;
            for (column, values) in batch.columns().iter().zip(&mut columns) {
                values.extend((0..batch.num_rows()).map(|row| value(column, row)));
            }
        }
        Ok(Value::map(
            keys.into_iter().zip(columns.into_iter().map(Value::from)),
        ))
    }

    fn check(rows: usize) -> Result<()> {
        if rows <= limits::SQL_ROWS {
            return Ok(());
        }
        let most = limits::SQL_ROWS;
        let message =
            format!("More than {most} rows: {{:to \"rows.arrow\"}} writes any number to a file");
        Err(Error::new(Code::Limit, message).with("limit", most))
    }
}
