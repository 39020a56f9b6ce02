//! The next database value: datoms of a transaction folded into the runs they touch.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use rayon::prelude::*;
use uuid::Uuid;

use super::{Attributes, Db, State, View};
use crate::datom::{AttrId, EntityId, Op, TxId};
use crate::error::Result;
use crate::fault;
use crate::index::{AttributeIndex, Cell, Change, Dictionary, Leaf, Row, Run};
use crate::schema::Schema;
use crate::segment::VectorGraph;

/// Datoms from which on their attributes are worked on by several threads.
const PARALLEL_DATOMS: usize = 8192;

/// A datom as the indexes take it: attribute and value as dictionary ids and cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexDatom {
    /// The entity.
    pub e: EntityId,
    /// The attribute.
    pub a: AttrId,
    /// The value.
    pub v: Cell,
    /// The transaction.
    pub tx: TxId,
    /// Assertion or retraction.
    pub op: Op,
}

/// What a purge takes out of the present and the past, as if it had never been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// One datom, whenever it was so.
    Datom {
        /// The entity.
        e: EntityId,
        /// The attribute.
        a: AttrId,
        /// The value.
        v: Cell,
    },
    /// All values an attribute of an entity has or had.
    Attribute {
        /// The entity.
        e: EntityId,
        /// The attribute.
        a: AttrId,
    },
    /// What ended before an instant, by the transactions up to and including this one.
    PastUpTo(TxId),
}

impl Db {
    /// The database value after one transaction (or a replayed sequence of them).
    ///
    /// - `datoms`: in the order of their effects; `tx` rises from transaction to transaction.
    /// - `dictionary`: this value's dictionary, perhaps grown.
    /// - `schema`: as it is after the datoms.
    /// - Cost: O(k log k + touched chunks), k datoms.
    #[must_use]
    pub fn apply(
        &self,
        datoms: &[IndexDatom],
        dictionary: Dictionary,
        schema: Arc<Schema>,
        max_eid: i64,
        max_tx: TxId,
    ) -> Db {
        let mut by_attribute: HashMap<AttrId, Vec<&IndexDatom>, FixedState> = HashMap::default();
        for datom in datoms {
            by_attribute.entry(datom.a).or_default().push(datom);
        }
        let mut attributes = (*self.state.attributes).clone();
        let applied = |(a, of_attribute): (AttrId, Vec<&IndexDatom>)| {
            let declared = schema.attribute(a);
            let by_value = declared.is_some_and(|attribute| attribute.is_by_value());
            let old = match attributes.get(&a) {
                Some(index) => index.with_by_value(by_value, &dictionary),
                None => AttributeIndex::new(by_value),
            };
            let keep_past = self.state.options.keep_history
                && !declared.is_some_and(|attribute| attribute.no_history);
            let change = change_of(&old, &of_attribute, &dictionary);
            (a, Arc::new(old.apply(change, keep_past, &dictionary)))
        };
        let changed: Vec<(AttrId, Arc<AttributeIndex>)> = if datoms.len() < PARALLEL_DATOMS {
            by_attribute.into_iter().map(applied).collect()
        } else {
            let caught = |datoms| fault::catch(|| Ok(applied(datoms)));
            let changed = by_attribute.into_par_iter().map(caught);
            fault::or_throw(changed.collect::<Result<_>>())
        };
        attributes.extend(changed);
        if !Arc::ptr_eq(&schema, &self.state.schema) {
            reindex(&mut attributes, &schema, &dictionary);
        }
        self.next(State {
            options: Arc::clone(&self.state.options),
            schema,
            dictionary,
            attributes: Arc::new(attributes),
            graphs: self.graphs_after(datoms),
            max_eid,
            max_tx,
            commit: None,
        })
    }

    /// The database value after purges.
    #[must_use]
    pub fn purge(&self, purges: &[Purge]) -> Db {
        let mut attributes = (*self.state.attributes).clone();
        for purge in purges {
            match *purge {
                Purge::Datom { e, a, v } => {
                    remove(&mut attributes, a, self.dictionary(), |_| {
                        vec![Row::new(e.0, v, 0)]
                    });
                }
                Purge::Attribute { e, a } => {
                    remove(&mut attributes, a, self.dictionary(), |index| {
                        rows_of(index, e)
                    });
                }
                Purge::PastUpTo(tx) => {
                    for index in attributes.values_mut() {
                        *index = Arc::new(index.retain(|_| true, |row| row.extra > tx.0));
                    }
                }
            }
        }
        self.next(State {
            attributes: Arc::new(attributes),
            commit: None,
            ..(*self.state).clone()
        })
    }

    /// A database value from its parts, as a root keeps them.
    pub fn restore(
        options: Arc<super::Options>,
        schema: Arc<Schema>,
        dictionary: Dictionary,
        attributes: impl IntoIterator<Item = (AttrId, AttributeIndex)>,
        (max_eid, max_tx): (i64, TxId),
        commit: Option<Uuid>,
    ) -> Db {
        let attributes = attributes.into_iter();
        let attributes: Attributes = attributes.map(|(a, index)| (a, Arc::new(index))).collect();
        Db {
            state: Arc::new(State {
                options,
                schema,
                dictionary,
                attributes: Arc::new(attributes),
                graphs: Arc::default(),
                max_eid,
                max_tx,
                commit,
            }),
            view: View::default(),
            viewed: Arc::default(),
            searched: Arc::default(),
        }
    }

    /// The same database value in other memory: some leaves replaced by others of the same rows,
    /// the dictionary by one of the same values.
    #[must_use]
    pub fn rebased(
        &self,
        dictionary: Dictionary,
        twin: impl Fn(&Arc<Leaf>) -> Option<Arc<Leaf>>,
    ) -> Db {
        let indexes = self.state.attributes.iter();
        let indexes = indexes.map(|(a, index)| (*a, Arc::new(index.with_leaves(&twin))));
        let attributes = Arc::new(indexes.collect());
        Db {
            state: Arc::new(State {
                dictionary,
                attributes,
                ..(*self.state).clone()
            }),
            view: self.view.clone(),
            viewed: Arc::clone(&self.viewed),
            searched: Arc::clone(&self.searched),
        }
    }

    pub(super) fn next(&self, state: State) -> Db {
        Db {
            state: Arc::new(state),
            view: View::default(),
            viewed: Arc::default(),
            searched: Arc::default(),
        }
    }

    /// The graphs that still hold what they cover after some datoms: a datom in the name of an
    /// earlier transaction is a row that a graph should hold and does not.
    fn graphs_after(&self, datoms: &[IndexDatom]) -> Arc<[Arc<VectorGraph>]> {
        let graphs = &self.state.graphs;
        let is_missed = |graph: &Arc<VectorGraph>| {
            let cover = graph.cover();
            let missed = |datom: &IndexDatom| {
                datom.a == cover.attribute && datom.op == Op::Assert && datom.tx.0 <= cover.upto
            };
            datoms.iter().any(missed)
        };
        let late = graphs.iter().filter(|graph| is_missed(graph));
        let late: Vec<AttrId> = late.map(|graph| graph.cover().attribute).collect();
        if late.is_empty() {
            return Arc::clone(graphs);
        }
        let kept = graphs
            .iter()
            .filter(|graph| !late.contains(&graph.cover().attribute));
        kept.cloned().collect()
    }
}

fn remove(
    attributes: &mut Attributes,
    a: AttrId,
    dictionary: &Dictionary,
    rows: impl Fn(&AttributeIndex) -> Vec<Row>,
) {
    if let Some(index) = attributes.get_mut(&a) {
        *index = Arc::new(index.without(&rows(index), dictionary));
    }
}

/// The current and past rows of an entity.
fn rows_of(index: &AttributeIndex, e: EntityId) -> Vec<Row> {
    let rows = |run: &Run| run.rows_in(run.entity_range(e.0)).collect::<Vec<_>>();
    let mut all = rows(index.current());
    all.extend(rows(index.past()));
    all
}

/// Attributes that became (or ceased to be) indexed, unique or refs get (or lose) their rows by
/// value.
fn reindex(
    attributes: &mut HashMap<AttrId, Arc<AttributeIndex>, FixedState>,
    schema: &Schema,
    dictionary: &Dictionary,
) {
    for (a, index) in attributes {
        let by_value = schema
            .attribute(*a)
            .is_some_and(|attribute| attribute.is_by_value());
        if by_value != index.current_by_value().is_some() {
            *index = Arc::new(index.with_by_value(by_value, dictionary));
        }
    }
}

fn change_of(index: &AttributeIndex, datoms: &[&IndexDatom], dictionary: &Dictionary) -> Change {
    let mut change = Change::default();
    if datoms.iter().all(|datom| datom.op == Op::Assert) {
        change
            .added
            .extend(datoms.iter().map(|d| Row::new(d.e.0, d.v, d.tx.0)));
        return change;
    }
    // A datom may come and go several times: follow each through its events.
    let mut state: HashMap<(i64, Cell), Option<i64>, FixedState> = HashMap::default();
    let mut order = Vec::new();
    for datom in datoms {
        let key = (datom.e.0, datom.v);
        let stored = || {
            index
                .current()
                .find(datom.e.0, datom.v, dictionary)
                .map(|row| row.tx)
        };
        let so_since = *state.entry(key).or_insert_with(|| {
            order.push(key);
            stored()
        });
        let next = match (datom.op, so_since) {
            (Op::Assert, None) => Some(datom.tx.0),
            (Op::Assert, since) => since,
            (Op::Retract, None) => None,
            (Op::Retract, Some(since)) => {
                let row = Row {
                    extra: datom.tx.0,
                    ..Row::new(datom.e.0, datom.v, since)
                };
                if stored() == Some(since) {
                    change.ended.push(row);
                } else {
                    change.past.push(row);
                }
                None
            }
        };
        state.insert(key, next);
    }
    for key @ (e, v) in order {
        if let Some(Some(since)) = state.get(&key) {
            change.added.push(Row::new(e, v, *since));
        }
    }
    change
}
