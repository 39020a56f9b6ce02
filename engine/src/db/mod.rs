//! The database value: all datoms up to a transaction, under a view. Immutable and cheap to clone.
//!
//! Input: datoms of a transaction, as cells. Output: runs of rows for the executor, single rows
//! for transactions and pull. It knows no queries and does no IO.

mod apply;
mod describe;
#[cfg(test)]
pub(crate) mod fixture;
mod graphs;
mod options;
mod read;
mod resolve;
mod scan;
mod seek;
mod slice;
mod view;

pub use apply::{IndexDatom, Purge};
pub use describe::{metrics, reverse_schema, schema_map, schema_rows};
pub use graphs::FreshRows;
pub(crate) use graphs::Searched;
pub use options::{Flexibility, Options, ValueCaps};
pub use scan::DatomIter;
pub use seek::{rseek_datoms, rseek_datoms_iter, seek_datoms, seek_datoms_iter};
pub use slice::{Index, datoms, datoms_iter, index_range};
pub use view::{TimePoint, TxSet, View};

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use foldhash::fast::FixedState;
use uuid::Uuid;

use crate::datom::{AttrId, TxId};
use crate::index::{AttributeIndex, Dictionary, Run, SortOrder};
use crate::schema::Schema;
use crate::segment::VectorGraph;

/// A database value: what was so at a transaction, seen through a [`View`].
#[derive(Clone)]
pub struct Db {
    state: Arc<State>,
    view: View,
    /// Runs as the view shows them, made on first touch; empty for the current view.
    viewed: Arc<Mutex<ViewedRuns>>,
    /// What searches for near vectors made of it.
    searched: Arc<Mutex<Searched>>,
}

type ViewedRuns = HashMap<(AttrId, SortOrder), Option<Run>, FixedState>;
type Attributes = HashMap<AttrId, Arc<AttributeIndex>, FixedState>;

/// What successive transactions change.
#[derive(Clone)]
struct State {
    options: Arc<Options>,
    schema: Arc<Schema>,
    dictionary: Dictionary,
    attributes: Arc<Attributes>,
    /// The graphs of its vectors: by index and attribute, then by what they cover.
    graphs: Arc<[Arc<VectorGraph>]>,
    max_eid: i64,
    max_tx: TxId,
    /// The commit that holds exactly this state.
    commit: Option<Uuid>,
}

impl Db {
    /// How the database was created.
    pub fn options(&self) -> &Arc<Options> {
        &self.state.options
    }

    /// Its attributes and idents.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.state.schema
    }

    /// Its interned values.
    pub fn dictionary(&self) -> &Dictionary {
        &self.state.dictionary
    }

    /// The largest entity id a user entity ever had; 0 if none.
    pub fn max_eid(&self) -> i64 {
        self.state.max_eid
    }

    /// The latest transaction.
    pub fn max_tx(&self) -> TxId {
        self.state.max_tx
    }

    /// The commit whose state it is; none before the first, for views, and for values that were
    /// never committed.
    pub fn commit_id(&self) -> Option<Uuid> {
        self.state.commit.filter(|_| self.view.is_current())
    }

    /// The same value, known as the state of a commit.
    pub(crate) fn at_commit(&self, commit: Option<Uuid>) -> Db {
        self.next(State {
            commit,
            ..(*self.state).clone()
        })
    }

    /// What of it is seen.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Every attribute that has or had rows, in no order.
    pub fn attribute_ids(&self) -> impl Iterator<Item = AttrId> + '_ {
        self.state.attributes.keys().copied()
    }

    /// The stored index of an attribute, whatever the view.
    pub fn index(&self, a: AttrId) -> Option<&Arc<AttributeIndex>> {
        self.state.attributes.get(&a)
    }
}
