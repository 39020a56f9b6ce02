//! Graphs of vectors, built while the branch is read and written.
//!
//! A graph is built from a value without holding anything up; then, under the lock of whoever writes
//! segments, it is written, given to the newest value, and named by a root. Until then its rows are
//! searched one by one. What is cut short is garbage, and built by whoever writes next.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

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
        if !has_texts(report) && due(db, GRAPH_ROWS_MIN).is_empty() {
            return;
        }
        let mut builder = hold(self.builder());
        builder.is_asked = true;
        if builder.is_at_work || self.is_closing().load(Ordering::Relaxed) {
            return;
        }
        if let Some(done) = builder.thread.take() {
            // It has let go of the lock for the last time. One that failed left everything as it was.
            let _ = done.join();
        }
        let database = Arc::clone(self);
        let started = thread::Builder::new()
            .name("datalith-graph".to_owned())
            .spawn(move || while database.builds_once() {});
        builder.is_at_work = started.is_ok();
        builder.thread = started.ok();
    }

    /// Makes what is due; false if nobody has asked for more meanwhile.
    fn builds_once(&self) -> bool {
        hold(self.builder()).is_asked = false;
        let closing = self.is_closing();
        let watch = || match closing.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        // What failed is tried again after the next transaction.
        let work = || {
            let _ = self.embed_texts(&|_| watch());
            let _ = self.build_graphs(GRAPH_ROWS_MIN, &|_| watch());
        };
        let _ = catch_unwind(AssertUnwindSafe(work));
        let mut builder = hold(self.builder());
        builder.is_at_work = builder.is_asked && !closing.load(Ordering::Relaxed);
        builder.is_at_work
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
        let thread = hold(self.builder()).thread.take();
        let Some(thread) = thread else { return };
        // The builder itself may be the last to hold the database.
        if thread.thread().id() != thread::current().id() {
            let _ = thread.join();
        }
    }
}

/// The thread that makes what transactions have made due.
#[derive(Default)]
pub(super) struct Builder {
    thread: Option<JoinHandle<()>>,
    /// Whether it will look once more at what is due.
    is_at_work: bool,
    /// Whether somebody has asked since it last looked.
    is_asked: bool,
}

fn hold(builder: &Mutex<Builder>) -> MutexGuard<'_, Builder> {
    // What it guards is changed in one step, so a panic elsewhere leaves it whole.
    builder.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a transaction changed texts that vectors are made of.
fn has_texts(report: &TxReport) -> bool {
    if !embed::is_installed() {
        return false;
    }
    let db = &report.db_after;
    let embedded = embedded(db);
    let sources = embedded.iter().filter_map(|a| a.embedding.as_ref());
    let sources = sources.filter_map(|embedding| db.attribute_id(&embedding.from));
    let sources: Vec<Value> = sources.map(|a| db.attribute_value(a)).collect();
    let mut datoms = report.tx_data.iter();
    !sources.is_empty() && datoms.any(|datom| sources.contains(&datom.a))
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
