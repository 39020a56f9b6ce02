//! Who is asked: Datalith's tables, and DataFusion on files of Parquet.

use std::error::Error;
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::context::SessionContext;
use datafusion::prelude::{ParquetReadOptions, SessionConfig};
use datalith_engine::conn::{Config, Conn};
use datalith_engine::script::Allowance;
use datalith_sql::{Executor, ExecutorOptions, Parameters, Session, Source};
use tokio::runtime::{self, Runtime};

use crate::data::TABLES;

/// One that answers SQL.
pub(crate) enum Side {
    /// A database that was opened from its files.
    Ours(Session),
    /// DataFusion as it comes, with the threads of its own.
    Peer(Runtime, SessionContext),
}

impl Side {
    /// Opens the database.
    pub(crate) fn ours(config: &Config, threads: usize) -> Result<Side, Box<dyn Error>> {
        let executor = Executor::new(&ExecutorOptions {
            threads: Some(threads),
            ..ExecutorOptions::default()
        })?;
        let db = Conn::connect(config)?.db()?;
        Ok(Side::Ours(Session::new(&executor, Source::Db(db))))
    }

    /// Registers the files of a folder.
    pub(crate) fn peer(folder: &Path, threads: usize) -> Result<Side, Box<dyn Error>> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_time()
            .build()?;
        // As statements about a database are run.
        let mut config = SessionConfig::new().with_target_partitions(threads);
        config.options_mut().execution.parquet.pushdown_filters = true;
        let context = SessionContext::new_with_config(config);
        for table in &TABLES {
            let file = folder.join(format!("{}.parquet", table.name));
            let file = file.display().to_string();
            let options = ParquetReadOptions::default();
            runtime.block_on(context.register_parquet(table.name, &file, options))?;
        }
        Ok(Side::Peer(runtime, context))
    }

    /// What a statement answers.
    pub(crate) fn answer(&self, text: &str) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
        match self {
            Side::Ours(session) => {
                let answer = session.run(text, &Parameters::default(), &Allowance::default())?;
                Ok(answer.collect::<Result<_, _>>()?)
            }
            Side::Peer(runtime, context) => runtime.block_on(async {
                let frame = context.sql(text).await?;
                Ok(frame.collect().await?)
            }),
        }
    }
}
