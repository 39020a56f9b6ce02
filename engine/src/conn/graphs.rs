//! Graphs of vectors, built while the branch is read and written.
//!
//! A graph is built from a value without holding anything up; then, under the lock of whoever writes
//! segments, it is written, given to the newest value, and named by a root. Until then its rows are
//! searched one by one. What is cut short is garbage, and built by whoever writes next.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;

use super::database::Database;
use super::embedding::embedded;
use super::journal::Journal;
use super::listen::Listeners;
use super::pin::maintain;
use super::queue::Upon;
use crate::datom::EntityId;
use crate::db::Db;
use crate::embed;
use crate::error::Result;
use crate::fault;
use crate::fork;
use crate::index::Run;
use crate::limits::GRAPH_ROWS_MIN;
use crate::nearest::{Due, build, due};
use crate::root::Reuse;
use crate::segment::{Cover, VectorGraph, write_vectors};
use crate::transact::{TxData, TxReport};
use crate::value::{Keyword, Value};

/// What is heard of a graph that is being built.
#[derive(Clone, Debug)]
pub struct GraphProgress {
    /// The index.
    pub index: Keyword,
    /// Rows that are linked.
    pub done: usize,
}

type Watch<'w> = &'w (dyn Fn(GraphProgress) -> ControlFlow<()> + Sync);

impl Database {
    /// Begins to make what a transaction has made due, vectors of texts and graphs of vectors, if
    /// nobody is at it.
    pub(super) fn keep_graphs(self: &Arc<Database>, report: &TxReport) {
        let db = &report.db_after;
        let embedded = embedded(db);
        let sources = embedded.iter().filter_map(|a| a.embedding.as_ref());
        let sources = sources.filter_map(|embedding| db.attribute_id(&embedding.from));
        let sources: Vec<Value> = sources.map(|a| db.attribute_value(a)).collect();
        let has_texts = !sources.is_empty()
            && embed::is_installed()
            && report
                .tx_data
                .iter()
                .any(|datom| sources.contains(&datom.a));
        if !has_texts && due(db, GRAPH_ROWS_MIN).is_empty() {
            return;
        }
        let mut builder = self
            .builder()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if builder.as_ref().is_some_and(|thread| thread.is_finished()) {
            // One that failed left everything as it was; the next may do better.
            let _ = builder.take().map(thread::JoinHandle::join);
        }
        if builder.is_some() || self.is_closing().load(Ordering::Relaxed) {
            return;
        }
        let database = Arc::clone(self);
        let started = thread::Builder::new()
            .name("datalith-graph".to_owned())
            .spawn(move || {
                let closing = database.is_closing();
                let watch = || match closing.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                };
                // What came while one was built may make the next due.
                loop {
                    let texts = database.embed_texts(&|_| watch()).unwrap_or(0);
                    let graphs = database.build_graphs(GRAPH_ROWS_MIN, &|_| watch());
                    if texts + graphs.unwrap_or(0) == 0 {
                        break;
                    }
                }
            });
        *builder = started.ok();
    }

    /// Builds every graph of which at least `rows_min` rows lie in none; how many those were.
    pub(super) fn build_graphs(&self, rows_min: usize, watch: Watch<'_>) -> Result<usize> {
        let db = self.current();
        let mut built = 0;
        for due in due(&db, rows_min) {
            let progress = |done| {
                watch(GraphProgress {
                    index: due.name.clone(),
                    done,
                })
            };
            let threads = db.options().threads;
            let made = fork::on_threads(threads, None, || {
                fault::catch(|| build(&db, &due, &progress))
            })?;
            if let Some(made) = made
                && self.install(&db, &due, made)?
            {
                built += 1;
            }
            self.say_ready(due.cover.index)?;
        }
        Ok(built)
    }

    /// Keeps a graph, and lets the newest value have it; false if its rows have changed meanwhile.
    fn install(&self, from: &Db, due: &Due, (bytes, rows): (Vec<u8>, usize)) -> Result<bool> {
        if !self.keeps_segments() {
            let graph = VectorGraph::in_memory(due.cover, bytes)?;
            return self.attach(from, graph);
        }
        let place = self.place();
        // Nothing is collected before a root names it.
        let _maintenance = maintain(&*place.storage, "building a graph of vectors")?;
        let stamp = write_vectors(&*place.storage, &bytes, rows)?;
        drop(bytes);
        let graph = place.segments.vectors(&stamp, due.cover);
        let is_attached = self.attach(from, graph)?;
        if is_attached {
            self.checkpoint_under_maintenance(Reuse::Shared)?;
        }
        Ok(is_attached)
    }

    /// Says in a transaction that an index is no longer being built, if it is said to be.
    fn say_ready(&self, index: EntityId) -> Result<()> {
        let db = self.current();
        let Some(entry) = db.schema().entry(index) else {
            return Ok(());
        };
        let status = Value::keyword("db.secondary/status");
        if entry.get(&status) != Some(&Value::keyword("building")) {
            return Ok(());
        }
        let since = Value::keyword("db.secondary/building-since-tx");
        let mut forms = vec![Value::vector([
            Value::keyword("db/add"),
            Value::Long(index.0),
            status,
            Value::keyword("ready"),
        ])];
        if let Some(tx) = entry.get(&since) {
            forms.push(Value::vector([
                Value::keyword("db/retract"),
                Value::Long(index.0),
                since,
                tx.clone(),
            ]));
        }
        let data = TxData::new(Value::from(forms));
        self.transact(&data, Upon::default(), &Arc::new(Listeners::default()))
            .map(drop)
    }

    /// Ends the building that is at work.
    pub(super) fn stop_building(&self) {
        self.is_closing().store(true, Ordering::Relaxed);
        let mut builder = self
            .builder()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = builder.take() else { return };
        // The builder itself may be the last to hold the database.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

impl Journal {
    /// Gives a graph, built from an earlier value, to the newest; false if it does not hold all that
    /// it should.
    pub(super) fn may_have(&self, from: &Db, cover: Cover) -> bool {
        let db = self.db();
        let mut graphs = db.graphs_of(cover.index, cover.attribute);
        let begins = |upto: i64| upto == cover.after;
        let is_begun = cover.after == 0 || graphs.any(|graph| begins(graph.cover().upto));
        let index = db.schema().secondary().iter();
        let is_declared = index.clone().any(|index| index.entity == cover.index);
        is_begun && is_declared && held(db, cover) <= held(from, cover)
    }
}

/// Rows that a graph of such a cover and those before it hold.
fn held(db: &Db, cover: Cover) -> usize {
    let Some(index) = db.index(cover.attribute) else {
        return 0;
    };
    let early = |run: &Run| -> usize {
        let chunks = run.chunks();
        chunks
            .map(|chunk| chunk.tx.iter().filter(|&&tx| tx <= cover.upto).count())
            .sum()
    };
    early(index.current()) + early(index.past())
}
