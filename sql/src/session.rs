//! Statements about one database.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::common::TableReference;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::parser::Statement;
use datalith_engine::conn::Conn;
use datalith_engine::script::Allowance;
use datalith_engine::{Code, Db, Error, Result};
use futures::StreamExt;

use crate::catalog::{CATALOG, Catalog, PUBLIC};
use crate::change;
use crate::executor::Executor;
use crate::fault::{inward, inward_in};
use crate::scan;
use crate::statement::{self, Parameters};

/// Most tables that an error lists.
const TABLES_SHOWN: usize = 20;

/// What statements are about.
#[derive(Clone)]
pub enum Source {
    /// A connection: each statement sees the newest value, and may change it.
    Conn(Conn),
    /// A database value, which never changes.
    Db(Db),
}

/// A database that statements are asked of.
pub struct Session {
    executor: Arc<Executor>,
    source: Source,
    /// The value that the last statement saw, with what was made of it.
    seen: Mutex<Option<(Db, SessionContext)>>,
}

impl Session {
    /// A session; nothing is read before the first statement.
    pub fn new(executor: &Arc<Executor>, source: Source) -> Session {
        Session {
            executor: Arc::clone(executor),
            source,
            seen: Mutex::default(),
        }
    }

    /// Whether it asks the same connection, or a value of the same commit.
    pub fn is_about(&self, source: &Source) -> bool {
        match (&self.source, source) {
            (Source::Conn(mine), Source::Conn(other)) => mine.is_same(other),
            (Source::Db(mine), Source::Db(other)) => {
                let commit = mine.origin().commit_id();
                commit.is_some()
                    && commit == other.origin().commit_id()
                    && mine.view() == other.view()
            }
            _ => false,
        }
    }

    /// Runs statements in order; what the last one answers is the answer.
    ///
    /// Each statement sees one database value from its start to its end.
    ///
    /// ```
    /// use datalith_engine::db::Options;
    /// use datalith_engine::script::Allowance;
    /// use datalith_engine::{Db, Value};
    /// use datalith_sql::{Executor, Parameters, Session, Source};
    ///
    /// let executor = Executor::new(&Default::default())?;
    /// let session = Session::new(&executor, Source::Db(Db::empty(Options::default())));
    /// let parameters = Parameters::from_value(&Value::vector([Value::Long(20)]))?;
    /// let answer = session.run("select $1 + 1 as n", &parameters, &Allowance::default())?;
    /// let batches = answer.collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(batches[0].num_rows(), 1);
    /// # Ok::<(), datalith_engine::Error>(())
    /// ```
    ///
    /// - Errors: [`SqlSyntax`](datalith_engine::Code::SqlSyntax) for what cannot be read,
    ///   [`SqlStatement`](datalith_engine::Code::SqlStatement) for what cannot be planned,
    ///   [`SqlFailed`](datalith_engine::Code::SqlFailed) for what fails at values; those of a transaction
    ///   for a change; a timeout and a cancel as queries have them.
    pub fn run(
        &self,
        text: &str,
        parameters: &Parameters,
        allowance: &Allowance,
    ) -> Result<Answer> {
        let mut statements = statement::read(text, parameters)?;
        let last = statements.pop();
        for statement in statements {
            for batch in self.answer(text, statement, allowance)? {
                batch?;
            }
        }
        match last {
            Some(last) => self.answer(text, last, allowance),
            None => unreachable!("a text without statements is refused"),
        }
    }

    /// Runs a statement in which nothing is left open; `text` is where it stands.
    pub(crate) fn answer(
        &self,
        text: &str,
        statement: Statement,
        allowance: &Allowance,
    ) -> Result<Answer> {
        let (db, context) = self.context()?;
        let plan = self.executor.wait(allowance, async {
            let plan = context.state().statement_to_plan(statement).await;
            plan.map_err(|error| advised(&context, inward_in(text, &error)))
        })?;
        if let LogicalPlan::Dml(change) = plan {
            let conn = match &self.source {
                Source::Conn(conn) => Some(conn),
                Source::Db(_) => None,
            };
            return change::run(self, &db, conn, &context, change, allowance);
        }
        self.stream(&context, plan, allowance)
    }

    /// Runs a plan that changes nothing.
    pub(crate) fn stream(
        &self,
        context: &SessionContext,
        plan: LogicalPlan,
        allowance: &Allowance,
    ) -> Result<Answer> {
        let refusal = match &plan {
            LogicalPlan::Ddl(_) => Some(
                "what there is is declared by transactions: SQL makes and drops no tables, \
                 it reads, inserts, updates and deletes",
            ),
            LogicalPlan::Statement(_) => Some(
                "a statement is a transaction by itself and keeps no settings: there is nothing to begin or set",
            ),
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Err(Error::new(Code::Unsupported, refusal));
        }
        let only_reads = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(self.executor.files().is_open())
            .with_allow_statements(false);
        only_reads
            .verify_plan(&plan)
            .map_err(|error| inward(&error))?;
        let stream = self.wait(allowance, async {
            let frame = context.execute_logical_plan(plan).await?;
            let task = Arc::new(frame.task_ctx());
            let plan = scan::passing(frame.create_physical_plan().await?)?;
            execute_stream(plan, task)
        })?;
        Ok(Answer {
            schema: stream.schema(),
            stream: Some(self.executor.elsewhere(stream)),
            executor: Arc::clone(&self.executor),
            allowance: allowance.clone(),
        })
    }

    fn wait<T>(
        &self,
        allowance: &Allowance,
        work: impl Future<Output = datafusion::common::Result<T>>,
    ) -> Result<T> {
        let work = async { work.await.map_err(|error| inward(&error)) };
        self.executor.wait(allowance, work)
    }

    /// The value that is so now, and what plans statements about it.
    pub(crate) fn context(&self) -> Result<(Db, SessionContext)> {
        let (now, conn) = match &self.source {
            Source::Conn(conn) => (conn.db()?, Some(conn.clone())),
            Source::Db(db) => (db.clone(), None),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((db, context)) = &*seen
            && db.max_tx() == now.max_tx()
            && db.commit_id() == now.commit_id()
        {
            return Ok((db.clone(), context.clone()));
        }
        let catalog = Arc::new(Catalog::new(now.clone(), conn));
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::clone(&catalog) as _);
        let state = self.executor.state();
        let config = state.config().clone().with_extension(catalog);
        let state = SessionStateBuilder::new_from_existing(state)
            .with_catalog_list(Arc::new(catalogs))
            .with_config(config)
            .build();
        let context = SessionContext::new_with_state(state);
        *seen = Some((now.clone(), context.clone()));
        Ok((now, context))
    }
}

/// What a statement answers, batch by batch as it is worked out.
pub struct Answer {
    schema: SchemaRef,
    stream: Option<SendableRecordBatchStream>,
    executor: Arc<Executor>,
    allowance: Allowance,
}

impl Answer {
    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// An answer that is known already.
    pub(crate) fn known(batch: RecordBatch, executor: &Arc<Executor>) -> Answer {
        let schema = batch.schema();
        let stream = futures::stream::iter([Ok(batch)]);
        let stream = datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(
            Arc::clone(&schema),
            stream,
        );
        Answer {
            schema,
            stream: Some(Box::pin(stream)),
            executor: Arc::clone(executor),
            allowance: Allowance::default(),
        }
    }
}

impl Iterator for Answer {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let stream = self.stream.as_mut()?;
        let mut stream = Pin::new(stream);
        let next = self.executor.wait(&self.allowance, async {
            let next = stream.next().await;
            next.transpose().map_err(|error| inward(&error))
        });
        if !matches!(next, Ok(Some(_))) {
            self.stream = None;
        }
        next.transpose()
    }
}

/// The error about a table that there is not, and which there are.
pub(crate) fn advised(context: &SessionContext, error: Error) -> Error {
    let named = error
        .message()
        .strip_prefix("table '")
        .and_then(|rest| rest.split_once('\''));
    let Some((missing, _)) = named.filter(|_| error.code() == Code::SqlStatement) else {
        return error;
    };
    let reference = TableReference::parse_str(missing);
    let schema = reference.schema().unwrap_or(PUBLIC);
    let schema = context
        .catalog(CATALOG)
        .and_then(|catalog| catalog.schema(schema));
    let Some(schema) = schema else {
        let message = format!(
            "there is no table {missing}: schemas are public, history, \"as_of:2026-01-31\", \"since:…\", \"branch:…\""
        );
        return Error::new(Code::SqlStatement, message).at(error.span());
    };
    let names = schema.table_names();
    let mut known = names[..names.len().min(TABLES_SHOWN)].join(", ");
    if names.len() > TABLES_SHOWN {
        known.push_str(", …");
    }
    let table = reference.table();
    let message = format!("there is no table {table}; there are {known}");
    Error::new(Code::SqlStatement, message).at(error.span())
}

impl Session {
    /// The threads of the session.
    pub(crate) fn executor(&self) -> &Arc<Executor> {
        &self.executor
    }
}
