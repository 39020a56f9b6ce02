//! The graphs of a database value's vectors, and what searches make of it once.
//!
//! A graph holds rows by entity and value, whatever became of them since: who searches it asks the
//! runs of the view which of them are so. Rows that came after the last graph are fresh.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use datalith_vector::Bitmap;

use super::Db;
use crate::datom::{AttrId, EntityId};
use crate::error::Result;
use crate::index::Cell;
use crate::segment::{Cover, VectorGraph};

/// Entity and value of rows that no graph holds, by entity.
pub type FreshRows = Arc<[(i64, Cell)]>;

/// What searches made of a database value: each is made once and kept with it.
#[derive(Default)]
pub(crate) struct Searched {
    fresh: HashMap<(AttrId, i64), FreshRows>,
    shown: HashMap<Cover, Arc<Bitmap>>,
}

impl Db {
    /// The graphs of all indexes.
    pub fn graphs(&self) -> &[Arc<VectorGraph>] {
        &self.state.graphs
    }

    /// The graphs of an attribute in an index, the oldest rows first.
    pub fn graphs_of(
        &self,
        index: EntityId,
        attribute: AttrId,
    ) -> impl Iterator<Item = &Arc<VectorGraph>> {
        self.state.graphs.iter().filter(move |graph| {
            let cover = graph.cover();
            (cover.index, cover.attribute) == (index, attribute)
        })
    }

    /// The same value with a graph more: it takes the place of those that it covers.
    #[must_use]
    pub fn with_graph(&self, graph: VectorGraph) -> Db {
        let cover = graph.cover();
        let is_other = |other: &&Arc<VectorGraph>| {
            let other = other.cover();
            (other.index, other.attribute) != (cover.index, cover.attribute)
                || other.upto <= cover.after
        };
        let mut graphs: Vec<Arc<VectorGraph>> =
            self.state.graphs.iter().filter(is_other).cloned().collect();
        graphs.push(Arc::new(graph));
        graphs.sort_by_key(|graph| {
            let cover = graph.cover();
            (cover.index, cover.attribute, cover.upto)
        });
        self.with_graphs(graphs)
    }

    /// The same value with these graphs.
    #[must_use]
    pub fn with_graphs(&self, graphs: Vec<Arc<VectorGraph>>) -> Db {
        let mut state = (*self.state).clone();
        state.graphs = graphs.into();
        Db {
            state: Arc::new(state),
            view: self.view.clone(),
            viewed: Arc::clone(&self.viewed),
            searched: Arc::default(),
        }
    }

    /// The rows of an attribute that came after a transaction, made by `make` at the first call.
    pub(crate) fn fresh_rows(
        &self,
        key: (AttrId, i64),
        make: impl FnOnce() -> Result<FreshRows>,
    ) -> Result<FreshRows> {
        if let Some(rows) = self.searched().fresh.get(&key) {
            return Ok(Arc::clone(rows));
        }
        let rows = make()?;
        self.searched().fresh.insert(key, Arc::clone(&rows));
        Ok(rows)
    }

    /// Which rows of a graph the view shows, made by `make` at the first call.
    pub(crate) fn shown_rows(
        &self,
        cover: Cover,
        make: impl FnOnce() -> Result<Bitmap>,
    ) -> Result<Arc<Bitmap>> {
        if let Some(shown) = self.searched().shown.get(&cover) {
            return Ok(Arc::clone(shown));
        }
        let shown = Arc::new(make()?);
        self.searched().shown.insert(cover, Arc::clone(&shown));
        Ok(shown)
    }

    fn searched(&self) -> MutexGuard<'_, Searched> {
        // What it guards is changed in one step, so a panic elsewhere leaves it whole.
        self.searched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
