//! What a transaction has changed so far, laid over the database value it started from.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::datom::{AttrId, Op, TX0};
use crate::db::{Db, IndexDatom};
use crate::index::{Cell, Kind};
use crate::schema::Attribute;

type Table<K, V> = HashMap<K, V, FixedState>;

/// The state of the database in the middle of a transaction.
///
/// Only what was touched is held; the rest is read from the database value before.
pub(super) struct Overlay {
    db: Db,
    /// The value of a single-valued attribute, once looked at.
    single: Table<(i64, AttrId), Option<Cell>>,
    /// Values of many-valued attributes that came or went.
    many: Table<(i64, AttrId, Cell), bool>,
    /// Who holds a unique value, once looked at.
    owners: Table<(AttrId, Cell), Option<i64>>,
    /// Owners of values of attributes that became unique after they were used.
    scanned: Table<AttrId, Table<Cell, i64>>,
    touched: Touched,
}

/// Where in the transaction's datoms something occurs; grows with them.
#[derive(Default)]
struct Touched {
    upto: usize,
    by_entity: Table<i64, Vec<u32>>,
    by_value: Table<i64, Vec<u32>>,
    by_attribute: Table<AttrId, Vec<u32>>,
}

impl Touched {
    fn catch_up(&mut self, datoms: &[IndexDatom]) {
        for (at, datom) in datoms.iter().enumerate().skip(self.upto) {
            let at = at as u32;
            self.by_entity.entry(datom.e.0).or_default().push(at);
            self.by_attribute.entry(datom.a).or_default().push(at);
            if datom.v.kind == Kind::Long {
                self.by_value
                    .entry(datom.v.bits as i64)
                    .or_default()
                    .push(at);
            }
        }
        self.upto = datoms.len();
    }
}

impl Overlay {
    pub(super) fn new(db: Db) -> Overlay {
        Overlay {
            db,
            single: Table::default(),
            many: Table::default(),
            owners: Table::default(),
            scanned: Table::default(),
            touched: Touched::default(),
        }
    }

    /// Whether the database before cannot have datoms of an entity.
    fn is_new(&self, e: i64) -> bool {
        e > self.db.max_eid() && e < TX0
    }

    /// Whether a value cannot occur in the database before.
    fn is_new_value(&self, v: Cell) -> bool {
        v.kind.is_interned() && v.bits >= u64::from(self.db.dictionary().len())
    }

    /// The value of a single-valued attribute.
    pub(super) fn value(&mut self, e: i64, a: AttrId) -> Option<Cell> {
        if let Some(value) = self.single.get(&(e, a)) {
            return *value;
        }
        if self.is_new(e) {
            return None;
        }
        let index = self.db.index(a)?;
        let run = index.current();
        run.rows_in(run.entity_range(e)).next().map(|row| row.v)
    }

    /// Whether a many-valued attribute has a value.
    pub(super) fn has(&self, e: i64, a: AttrId, v: Cell) -> bool {
        if let Some(has) = self.many.get(&(e, a, v)) {
            return *has;
        }
        self.had(e, a, v)
    }

    fn had(&self, e: i64, a: AttrId, v: Cell) -> bool {
        if self.is_new(e) || self.is_new_value(v) {
            return false;
        }
        let Some(index) = self.db.index(a) else {
            return false;
        };
        index.current().find(e, v, self.db.dictionary()).is_some()
    }

    pub(super) fn set_value(&mut self, e: i64, a: AttrId, v: Option<Cell>) {
        self.single.insert((e, a), v);
    }

    pub(super) fn set_has(&mut self, e: i64, a: AttrId, v: Cell, has: bool) {
        self.many.insert((e, a, v), has);
    }

    pub(super) fn set_owner(&mut self, a: AttrId, v: Cell, e: Option<i64>) {
        self.owners.insert((a, v), e);
    }

    /// The entity that holds a value of a unique attribute.
    pub(super) fn owner(&mut self, a: AttrId, v: Cell) -> Option<i64> {
        if let Some(owner) = self.owners.get(&(a, v)) {
            return *owner;
        }
        if self.is_new_value(v) {
            return None;
        }
        let owner = self.owner_before(a, v);
        self.owners.insert((a, v), owner);
        owner
    }

    fn owner_before(&mut self, a: AttrId, v: Cell) -> Option<i64> {
        let index = self.db.index(a)?;
        if let Some(run) = index.current_by_value() {
            let range = run.value_range(v, self.db.dictionary());
            return run.rows_in(range).next().map(|row| row.e);
        }
        let scanned = self.scanned.entry(a).or_insert_with(|| {
            let rows = index.current().rows().rev();
            rows.map(|row| (row.v, row.e)).collect()
        });
        scanned.get(&v).copied()
    }

    /// The transaction that asserted a datom, unless this one did.
    pub(super) fn tx_of(&self, e: i64, a: AttrId, v: Cell) -> Option<i64> {
        if self.is_new(e) || self.is_new_value(v) {
            return None;
        }
        let row = self
            .db
            .index(a)?
            .current()
            .find(e, v, self.db.dictionary())?;
        Some(row.tx)
    }

    /// All values of an attribute of an entity, in no order.
    pub(super) fn values(
        &mut self,
        e: i64,
        a: AttrId,
        many: bool,
        datoms: &[IndexDatom],
    ) -> Vec<Cell> {
        if !many {
            return self.value(e, a).into_iter().collect();
        }
        let mut values = Vec::new();
        if !self.is_new(e)
            && let Some(index) = self.db.index(a)
        {
            let run = index.current();
            let rows = run.rows_in(run.entity_range(e));
            values.extend(
                rows.map(|row| row.v)
                    .filter(|&v| self.many.get(&(e, a, v)).copied().unwrap_or(true)),
            );
        }
        self.touched.catch_up(datoms);
        let mut added: Vec<Cell> = Vec::new();
        for &at in self
            .touched
            .by_entity
            .get(&e)
            .map_or(&[][..], Vec::as_slice)
        {
            let datom = &datoms[at as usize];
            if datom.a == a
                && datom.op == Op::Assert
                && self.many.get(&(e, a, datom.v)) == Some(&true)
            {
                added.push(datom.v);
            }
        }
        added.sort_by_key(|v| (v.kind, v.bits));
        added.dedup();
        added.retain(|&v| !self.had(e, a, v));
        values.extend(added);
        values
    }

    /// Attributes an entity may have values of.
    pub(super) fn attributes_of(&mut self, e: i64, datoms: &[IndexDatom]) -> Vec<AttrId> {
        let mut attributes: Vec<AttrId> = Vec::new();
        if !self.is_new(e) {
            attributes.extend(self.db.attribute_ids().filter(|&a| {
                let index = self.db.index(a);
                index.is_some_and(|index| !index.current().entity_range(e).is_empty())
            }));
        }
        self.touched.catch_up(datoms);
        let touched = self
            .touched
            .by_entity
            .get(&e)
            .map_or(&[][..], Vec::as_slice);
        attributes.extend(touched.iter().map(|&at| datoms[at as usize].a));
        attributes.sort_unstable();
        attributes.dedup();
        attributes
    }

    /// Entities that may refer to an entity through an attribute, ascending.
    pub(super) fn referring(&mut self, a: AttrId, e: i64, datoms: &[IndexDatom]) -> Vec<i64> {
        let cell = Cell::long(e);
        let mut from: Vec<i64> = self.db.rows_with(a, cell).iter().map(|row| row.e).collect();
        self.touched.catch_up(datoms);
        let touched = self.touched.by_value.get(&e).map_or(&[][..], Vec::as_slice);
        let added = touched
            .iter()
            .map(|&at| &datoms[at as usize])
            .filter(|datom| datom.a == a);
        from.extend(added.map(|datom| datom.e.0));
        from.sort_unstable();
        from.dedup();
        from
    }

    /// Whether this transaction has datoms of an entity with an attribute.
    pub(super) fn touches(&mut self, e: i64, a: AttrId, datoms: &[IndexDatom]) -> bool {
        self.touched.catch_up(datoms);
        let touched = self
            .touched
            .by_entity
            .get(&e)
            .map_or(&[][..], Vec::as_slice);
        touched.iter().any(|&at| datoms[at as usize].a == a)
    }

    /// Follows a change of what an attribute is: from then on its values are held the new way.
    pub(super) fn redeclared(
        &mut self,
        before: &Attribute,
        after: &Attribute,
        datoms: &[IndexDatom],
    ) {
        let recount = before.is_many() != after.is_many();
        let becomes_unique = before.unique.is_none() && after.unique.is_some();
        if !recount && !becomes_unique {
            return;
        }
        let a = after.id;
        self.touched.catch_up(datoms);
        let touched = self
            .touched
            .by_attribute
            .get(&a)
            .cloned()
            .unwrap_or_default();
        for at in touched {
            let datom = datoms[at as usize];
            let (e, v) = (datom.e.0, datom.v);
            let is_so = if before.is_many() {
                self.has(e, a, v)
            } else {
                self.value(e, a) == Some(v)
            };
            if recount && after.is_many() {
                self.set_has(e, a, v, is_so);
            } else if recount && is_so {
                self.set_value(e, a, Some(v));
            }
            if after.unique.is_some() && is_so {
                self.set_owner(a, v, Some(e));
            }
        }
    }

    /// Forgets where datoms are: some were taken out.
    pub(super) fn forget_positions(&mut self) {
        self.touched = Touched::default();
    }
}
