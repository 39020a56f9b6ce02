//! Reading rows: whole runs for the executor, single entities and values for everybody else.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::view::{viewed_rows, viewed_run};
use super::{Attributes, Db, IndexDatom, Options, State, View, ViewedRuns};
use crate::datom::{AttrId, Datom, EntityId, Op, TX0, TxId};
use crate::index::{Cell, Dictionary, Extra, Row, Run, SortOrder};
use crate::schema::{Attribute, Schema};
use crate::value::{Keyword, Value};

impl Db {
    /// A database without a datom.
    pub fn empty(options: Options) -> Db {
        Db {
            state: Arc::new(State {
                options: Arc::new(options),
                schema: Arc::new(Schema::default()),
                dictionary: Dictionary::default(),
                attributes: Arc::new(Attributes::default()),
                graphs: Arc::default(),
                max_eid: 0,
                max_tx: TxId(TX0),
                commit: None,
            }),
            view: View::default(),
            viewed: Arc::new(Mutex::new(ViewedRuns::default())),
            searched: Arc::default(),
        }
    }

    /// Datoms as clients see them.
    pub fn datoms_of(&self, datoms: &[IndexDatom]) -> Vec<Datom> {
        let mut last = None;
        let datoms = datoms.iter().map(|datom| {
            let name = match &last {
                Some((a, name)) if *a == datom.a => Value::clone(name),
                _ => self.attribute_value(datom.a),
            };
            last = Some((datom.a, name.clone()));
            Datom {
                e: datom.e,
                a: name,
                v: self.value(datom.v),
                tx: datom.tx,
                op: datom.op,
            }
        });
        datoms.collect()
    }

    /// The rows of an attribute in an order, as the view shows them. None if it has no rows at
    /// all, or none in that order.
    ///
    /// Cost: O(1) for the current view; else O(rows) at the first call, O(1) after.
    pub fn run(&self, a: AttrId, order: SortOrder) -> Option<Run> {
        let index = self.index(a)?;
        let dictionary = &self.state.dictionary;
        if self.view.is_current() {
            return viewed_run(index, order, &self.view, dictionary);
        }
        let mut viewed = self
            .viewed
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        viewed
            .entry((a, order))
            .or_insert_with(|| viewed_run(index, order, &self.view, dictionary))
            .clone()
    }

    /// The id of an attribute by its name without the colon; none if nobody ever used it.
    pub fn attribute_named(&self, ident: &str) -> Option<AttrId> {
        self.attribute_id(&Value::Keyword(Keyword::new(ident)))
    }

    /// The id of an attribute by its ident: a keyword or a string.
    pub fn attribute_id(&self, ident: &Value) -> Option<AttrId> {
        if let Some(attribute) = self.schema().by_ident(ident) {
            return Some(attribute.id);
        }
        self.state.dictionary.find(ident).map(AttrId)
    }

    /// The declaration of an attribute, if it has one.
    pub fn attribute(&self, a: AttrId) -> Option<&Arc<Attribute>> {
        self.schema().attribute(a)
    }

    /// An attribute's ident: a keyword or a string.
    pub fn ident(&self, a: AttrId) -> &Value {
        match self.attribute(a) {
            Some(attribute) => &attribute.ident,
            None => self.state.dictionary.interned(u64::from(a.0)),
        }
    }

    /// An attribute as clients see it in datoms: its ident, or its entity under
    /// `:attribute-refs?`.
    pub fn attribute_value(&self, a: AttrId) -> Value {
        match self.attribute(a).and_then(|attribute| attribute.entity) {
            Some(e) if self.options().attribute_refs => Value::Long(e.0),
            _ => self.ident(a).clone(),
        }
    }

    /// The value of a cell.
    pub fn value(&self, cell: Cell) -> Value {
        self.state.dictionary.value(cell)
    }

    /// The rows of one attribute of one entity, by value.
    ///
    /// Cost: O(log rows + the entity's rows, past ones too where the view is not the current one).
    pub fn rows_of(&self, e: EntityId, a: AttrId) -> Vec<Row> {
        let Some(index) = self.index(a) else {
            return Vec::new();
        };
        let (current, past) = (index.current(), index.past());
        if self.view.is_current() {
            return current.rows_in(current.entity_range(e.0)).collect();
        }
        viewed_rows(
            (current, current.entity_range(e.0)),
            (past, past.entity_range(e.0)),
            &self.view,
            self.dictionary(),
        )
    }

    /// The first of those rows, at most so many.
    pub fn first_rows_of(&self, e: EntityId, a: AttrId, limit: usize) -> Vec<Row> {
        if self.view.is_current() {
            let Some(index) = self.index(a) else {
                return Vec::new();
            };
            return first_in(index.current(), index.current().entity_range(e.0), limit);
        }
        let mut rows = self.rows_of(e, a);
        rows.truncate(limit);
        rows
    }

    /// The first rows of an attribute with one value, by entity; none where they are not kept by
    /// value.
    pub fn first_rows_with(&self, a: AttrId, v: Cell, limit: usize) -> Vec<Row> {
        let Some(index) = self.index(a) else {
            return Vec::new();
        };
        let dictionary = self.dictionary();
        let (Some(current), Some(past)) = (index.current_by_value(), index.past_by_value()) else {
            return Vec::new();
        };
        let now = current.value_range(v, dictionary);
        if self.view.is_current() {
            return first_in(current, now, limit);
        }
        let then = past.value_range(v, dictionary);
        let mut rows = viewed_rows((current, now), (past, then), &self.view, dictionary);
        rows.truncate(limit);
        rows
    }

    /// The rows of one attribute of one entity, perhaps among others, as a run by entity.
    pub(super) fn run_of(&self, e: EntityId, a: AttrId) -> Option<Run> {
        if self.view.is_current() {
            return self.run(a, SortOrder::ByEntity);
        }
        let rows = self.rows_of(e, a);
        (!rows.is_empty()).then(|| Run::from_sorted(SortOrder::ByEntity, self.view.extra(), &rows))
    }

    /// The rows of one attribute with one value, by entity.
    pub fn rows_with(&self, a: AttrId, v: Cell) -> Vec<Row> {
        if let Some(run) = self.run(a, SortOrder::ByValue) {
            return run.rows_in(run.value_range(v, self.dictionary())).collect();
        }
        let Some(run) = self.run(a, SortOrder::ByEntity) else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        for chunk in run.chunks() {
            let matches = chunk
                .v
                .bits()
                .iter()
                .enumerate()
                .filter(|&(_, &bits)| bits == v.bits);
            rows.extend(
                matches
                    .map(|(at, _)| chunk.row(at))
                    .filter(|row| row.v == v),
            );
        }
        rows
    }

    /// The attributes of an entity, in index order; under a view perhaps some that it only had.
    pub fn attributes_of(&self, e: EntityId) -> Vec<AttrId> {
        let mut attributes: Vec<AttrId> = self.attribute_ids().collect();
        attributes.retain(|&a| self.has_rows(e, a));
        self.sort_attributes(&mut attributes);
        attributes
    }

    /// Every row of one entity with its attribute, in index order.
    pub fn rows_of_entity(&self, e: EntityId) -> Vec<(AttrId, Row)> {
        let rows = |a: AttrId| self.rows_of(e, a).into_iter().map(move |row| (a, row));
        self.attributes_of(e).into_iter().flat_map(rows).collect()
    }

    fn has_rows(&self, e: EntityId, a: AttrId) -> bool {
        let Some(index) = self.index(a) else {
            return false;
        };
        !index.current().entity_range(e.0).is_empty()
            || (!self.view.is_current() && !index.past().entity_range(e.0).is_empty())
    }

    /// Every row whose value is this entity, with its ref attribute.
    pub fn rows_referring_to(&self, e: EntityId) -> Vec<(AttrId, Row)> {
        let cell = Cell::long(e.0);
        let mut refs: Vec<AttrId> = self
            .schema()
            .attributes()
            .filter(|a| a.is_ref())
            .map(|a| a.id)
            .collect();
        self.sort_attributes(&mut refs);
        let rows = |a: AttrId| self.rows_with(a, cell).into_iter().map(move |row| (a, row));
        refs.into_iter().flat_map(rows).collect()
    }

    /// Sorts attributes as the indexes have them: by ident, or by entity under
    /// `:attribute-refs?`.
    pub fn sort_attributes(&self, attributes: &mut [AttrId]) {
        attributes.sort_by(|a, b| {
            crate::value::compare(&self.attribute_value(*a), &self.attribute_value(*b))
        });
    }

    /// A row as a client sees it.
    pub fn datom(&self, a: AttrId, row: Row) -> Datom {
        let retracted = self.view.extra() == Extra::Added && row.extra == 0;
        Datom {
            e: EntityId(row.e),
            a: self.attribute_value(a),
            v: self.value(row.v),
            tx: TxId(row.tx),
            op: if retracted { Op::Retract } else { Op::Assert },
        }
    }
}

fn first_in(run: &Run, rows: Range<usize>, limit: usize) -> Vec<Row> {
    let end = rows.start.saturating_add(limit).min(rows.end);
    run.rows_in(rows.start..end).collect()
}
