//! Retractions, with the components that go along, and compare-and-swap.

use std::sync::Arc;

use super::attribute::Known;
use super::form::Step;
use super::show;
use super::state::State;
use crate::datom::AttrId;
use crate::error::{Code, Error, Result};
use crate::index::Cell;
use crate::value::Value;

impl State<'_> {
    /// `[:db/retract e a v]`, or all values where `v` is nil.
    pub(super) fn retract_values(&mut self, e: &Value, a: &Value, v: &Value, form: &Value) -> Step {
        let Some(e) = self.entid(e)? else {
            return Ok(());
        };
        let attribute = self.require(a, || form.clone())?;
        if v.is_nil() {
            for cell in self.values_of(e, &attribute) {
                self.retract(e, &attribute, cell, self.tx)?;
            }
            return Ok(());
        }
        if !attribute.is_ref() {
            self.check_type(&attribute, v, form)?;
        }
        if let Some(cell) = self.stored_cell(&attribute, v)? {
            self.retract(e, &attribute, cell, self.tx)?;
        }
        Ok(())
    }

    /// `[:db.fn/retractAttribute e a]`
    pub(super) fn retract_attribute(&mut self, e: &Value, a: &Value, form: &Value) -> Step {
        let Some(e) = self.entid(e)? else {
            return Ok(());
        };
        let attribute = self.require(a, || form.clone())?;
        let cells = self.values_of(e, &attribute);
        for &cell in &cells {
            self.retract(e, &attribute, cell, self.tx)?;
        }
        if attribute.declared.component {
            let parts = cells.iter().filter_map(|cell| cell.as_long()).collect();
            self.retract_entities(parts)?;
        }
        Ok(())
    }

    /// `[:db/retractEntity e]`
    pub(super) fn retract_entity(&mut self, e: &Value) -> Step {
        match self.entid(e)? {
            Some(e) => self.retract_entities(vec![e]),
            None => Ok(()),
        }
    }

    /// Retracts all datoms of entities and all that refer to them, and so their components.
    fn retract_entities(&mut self, mut entities: Vec<i64>) -> Step {
        entities.reverse();
        while let Some(e) = entities.pop() {
            let mut components = Vec::new();
            let refers_to_itself = self.self_references(e);
            for a in self.sorted_attributes_of(e) {
                let attribute = self.known_id(a);
                for cell in self.values_of(e, &attribute) {
                    self.retract(e, &attribute, cell, self.tx)?;
                    components.extend(cell.as_long().filter(|_| attribute.declared.component));
                }
            }
            for attribute in self.ref_attributes() {
                for from in self.overlay.referring(attribute.id, e, &self.datoms) {
                    self.retract(from, &attribute, Cell::long(e), self.tx)?;
                }
                if refers_to_itself.contains(&attribute.id) {
                    self.repeat_retraction(e, &attribute, Cell::long(e))?;
                }
            }
            components.reverse();
            entities.extend(components);
        }
        Ok(())
    }

    /// The attributes by which an entity refers to itself. Datahike comes upon such a datom twice,
    /// as the entity's own and as one that refers to it, and reports its retraction twice.
    fn self_references(&mut self, e: i64) -> Vec<AttrId> {
        let mut found = Vec::new();
        for attribute in self.ref_attributes() {
            if self
                .overlay
                .referring(attribute.id, e, &self.datoms)
                .contains(&e)
                && self.is_so(e, &attribute, Cell::long(e))
            {
                found.push(attribute.id);
            }
        }
        found
    }

    /// `[:db/cas e a old new]`
    pub(super) fn compare_and_swap(&mut self, parts: &[Value], form: &Value) -> Step {
        let nil = Value::Nil;
        let at = |at: usize| parts.get(at).unwrap_or(&nil);
        let (name, old, new) = (at(2), at(3), at(4));
        let e = self.entid_strict(at(1))?;
        let attribute = self.require(name, || form.clone())?;
        let cells = self.values_of(e, &attribute);
        let expected = match old {
            Value::Nil => None,
            _ => self.stored_cell(&attribute, old)?,
        };
        let holds = match (old, expected) {
            (Value::Nil, _) => cells.is_empty(),
            (_, Some(expected)) => cells.contains(&expected),
            (_, None) => false,
        };
        if !holds {
            return Err(self.cas_error(e, &attribute, &cells, old, new).into());
        }
        let entity = Value::Long(e);
        let context = || form.clone();
        self.add(&entity, &attribute, new, self.tx, &context)
    }

    fn cas_error(
        &self,
        e: i64,
        attribute: &Known,
        cells: &[Cell],
        expected: &Value,
        new: &Value,
    ) -> Error {
        let values: Vec<Value> = cells
            .iter()
            .map(|&cell| self.interner.value(cell))
            .collect();
        let datoms = values.iter().zip(cells).map(|(value, &cell)| {
            let tx = self.overlay.tx_of(e, attribute.id, cell).unwrap_or(self.tx);
            Value::vector([
                Value::Long(e),
                attribute.named.clone(),
                value.clone(),
                Value::Long(tx),
                Value::Bool(true),
            ])
        });
        let (shown, old) = if attribute.is_many() {
            (Value::list(values.clone()), Value::list(datoms))
        } else {
            let mut datoms = datoms;
            (
                values.first().cloned().unwrap_or_default(),
                datoms.next().unwrap_or_default(),
            )
        };
        let message = format!(
            ":db.fn/cas failed on datom [{e} {} {}], expected {}",
            show(&attribute.named),
            show(&shown),
            show(expected)
        );
        Error::new(Code::TransactCas, message)
            .with("old", old)
            .with("expected", expected.clone())
            .with("new", new.clone())
    }

    /// The values of an attribute of an entity, in the order of the index.
    pub(super) fn values_of(&mut self, e: i64, attribute: &Known) -> Vec<Cell> {
        let mut cells = self
            .overlay
            .values(e, attribute.id, attribute.is_many(), &self.datoms);
        let interner = &self.interner;
        cells.sort_by_cached_key(|&cell| crate::value::Order(interner.value(cell)));
        cells
    }

    fn sorted_attributes_of(&mut self, e: i64) -> Vec<AttrId> {
        let attributes = self.overlay.attributes_of(e, &self.datoms);
        let mut named: Vec<(crate::value::Order, AttrId)> = Vec::with_capacity(attributes.len());
        for a in attributes {
            let known = self.known_id(a);
            named.push((crate::value::Order(known.named.clone()), a));
        }
        named.sort();
        named.into_iter().map(|(_, a)| a).collect()
    }

    /// The attributes that refer to entities, in the order of the index.
    pub(super) fn ref_attributes(&mut self) -> Vec<Arc<Known>> {
        if let Some(refs) = &self.refs {
            return refs.clone();
        }
        let mut idents: Vec<Value> = self
            .schema
            .attributes()
            .filter(|attribute| attribute.is_ref())
            .map(|attribute| attribute.ident.clone())
            .collect();
        idents.sort_by(crate::value::compare);
        let refs: Vec<Arc<Known>> = idents
            .iter()
            .filter_map(|ident| self.known(ident))
            .collect();
        self.refs = Some(refs.clone());
        refs
    }

    fn check_type(&mut self, attribute: &Arc<Known>, value: &Value, form: &Value) -> Result<()> {
        if attribute.declared.aside && matches!(value, Value::Str(_)) {
            // The name of an array, as datoms have it.
            return Ok(());
        }
        self.check_value_type(attribute, &attribute.kept(value), &|| form.clone())
    }
}
