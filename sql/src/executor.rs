//! Threads and memory that statements run with.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use datalith_engine::script::Allowance;
use datalith_engine::{Code, Error, Result};
use futures::StreamExt;
use futures::stream::poll_fn;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc;

use crate::access::Access;
use crate::catalog::{CATALOG, PUBLIC};
use crate::fault::inward;
use crate::function;
use crate::limits;

/// Batches that are worked out before somebody takes them.
const BATCHES_AHEAD: usize = 2;

/// What statements may use.
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    /// Threads; as many as the machine has, unless said.
    pub threads: Option<usize>,
    /// Bytes that sorts, joins and groups may hold, all together; beyond, they go through files.
    pub memory_bytes: usize,
    /// Bytes of files that sorts, joins and groups may fill.
    pub spill_bytes: u64,
    /// Which files may be read and written.
    pub files: Access,
}

impl Default for ExecutorOptions {
    fn default() -> ExecutorOptions {
        ExecutorOptions {
            threads: None,
            memory_bytes: limits::MEMORY_BYTES,
            spill_bytes: limits::SPILL_BYTES,
            files: Access::None,
        }
    }
}

/// Runs statements. One serves any number of sessions.
pub struct Executor {
    /// There until the end.
    runtime: Option<Runtime>,
    state: SessionState,
    files: Access,
}

impl Executor {
    /// Starts the threads.
    ///
    /// Errors: [`Code::Storage`] if the system gives none.
    pub fn new(options: &ExecutorOptions) -> Result<Arc<Executor>> {
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = options.threads.unwrap_or_else(available).max(1);
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("datalith-sql")
            .thread_stack_size(limits::STACK_BYTES)
            .enable_time()
            .build();
        let runtime = runtime
            .map_err(|cause| Error::new(Code::Storage, format!("No threads for SQL: {cause}")))?;
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::OsTmpDirectory)
            .with_max_temp_directory_size(options.spill_bytes);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| inward(&error))?;
        let mut config = SessionConfig::new()
            .with_target_partitions(threads)
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, PUBLIC);
        let options_of = config.options_mut();
        options_of.sql_parser.collect_spans = true;
        options_of.execution.parquet.pushdown_filters = true;
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config)
            .with_runtime_env(environment)
            .build();
        Ok(Arc::new(Executor {
            runtime: Some(runtime),
            state: function::registered(state, &options.files),
            files: options.files.clone(),
        }))
    }

    /// What every statement starts from.
    pub(crate) fn state(&self) -> SessionState {
        self.state.clone()
    }

    /// Which files may be read and written.
    pub(crate) fn files(&self) -> &Access {
        &self.files
    }

    /// Runs work to its end, or until the allowance is used up.
    pub(crate) fn wait<T>(
        &self,
        allowance: &Allowance,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let runtime = self.runtime.as_ref();
        let runtime = runtime.expect("the threads are there until the executor is dropped");
        let _inside = runtime.enter();
        let waker = Waker::from(Arc::new(Woken(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut work = pin!(work);
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return done;
            }
            // The runtime's own clock stands still while all of its threads are in long steps.
            thread::park_timeout(limits::CHECK);
            allowance.check()?;
        }
    }
}

impl Executor {
    /// The same stream, worked on by the executor's threads: who waits for it stays free to give up, however
    /// long one of its steps takes.
    pub(crate) fn elsewhere(
        &self,
        mut stream: SendableRecordBatchStream,
    ) -> SendableRecordBatchStream {
        let schema = stream.schema();
        let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD);
        let task = async move {
            while let Some(batch) = stream.next().await {
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
        };
        if let Some(runtime) = &self.runtime {
            drop(runtime.spawn(task));
        }
        let batches = poll_fn(move |context| receiver.poll_recv(context));
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    }
}

/// The thread that waits.
struct Woken(Thread);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Drop for Executor {
    /// Does not wait for work that nobody wants any more to look up.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
