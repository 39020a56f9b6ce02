//! Tuples: what one may hold, and composite tuples that follow from their parts.

use std::sync::Arc;

use super::attribute::Known;
use super::form::Step;
use super::show;
use super::state::State;
use crate::error::{Code, Error};
use crate::index::Kind;
use crate::schema::{TupleKind, ValueType, value_matches};
use crate::value::Value;

/// Most values of a homogeneous tuple.
const HOMOGENEOUS_LEN_MAX: usize = 8;

impl State<'_> {
    /// Refuses a value that is no tuple of the attribute's kind.
    pub(super) fn check_tuple(
        &self,
        attribute: &Known,
        value: &Value,
        form: impl Fn() -> Value,
    ) -> Step {
        let items = value.as_sequential();
        let refuse = |message: String| {
            let error = Error::new(Code::TransactSyntax, message).with("tx-data", form());
            Err(error.into())
        };
        match (&attribute.declared.tuple, items) {
            (Some(TupleKind::Composite(_)), _) => Err(super::form::direct_tuple(&form())),
            (Some(TupleKind::Homogeneous(value_type)), Some(items)) => {
                match homogeneous_fault(*value_type, items) {
                    Some(fault) => refuse(format!("{fault}: {}", show(&form()))),
                    None => Ok(()),
                }
            }
            (Some(TupleKind::Heterogeneous(types)), Some(items)) => {
                match heterogeneous_fault(types, items, value) {
                    Some(fault) => refuse(fault),
                    None => Ok(()),
                }
            }
            (Some(_), None) if !value.is_nil() => refuse(format!(
                "Cannot store {} as a tuple: expecting a vector",
                show(value)
            )),
            _ => Ok(()),
        }
    }

    /// Notes that a part of composite tuples changed; nil says that it went.
    pub(super) fn queue_tuples(&mut self, e: i64, part: &Arc<Known>, value: &Value) {
        for &(tuple, at) in &part.tuples {
            if !self.stale_tuples.contains_key(&(e, tuple)) {
                let current = self
                    .overlay
                    .value(e, tuple)
                    .map(|cell| self.interner.value(cell));
                let parts = self
                    .schema
                    .attribute(tuple)
                    .map_or(0, |tuple| match &tuple.tuple {
                        Some(TupleKind::Composite(parts)) => parts.len(),
                        _ => 0,
                    });
                let mut values = current
                    .as_ref()
                    .and_then(Value::as_sequential)
                    .map_or_else(Vec::new, <[Value]>::to_vec);
                values.resize(parts, Value::Nil);
                self.stale_tuples.insert((e, tuple), values);
            }
            if let Some(slot) = self
                .stale_tuples
                .get_mut(&(e, tuple))
                .and_then(|v| v.get_mut(at))
            {
                *slot = value.clone();
            }
        }
    }

    /// Brings composite tuples up to date with their parts.
    pub(super) fn flush_tuples(&mut self) -> Step {
        if self.stale_tuples.is_empty() {
            return Ok(());
        }
        for ((e, tuple), values) in std::mem::take(&mut self.stale_tuples) {
            let attribute = self.known_id(tuple);
            let current = self.overlay.value(e, tuple);
            if values.iter().all(Value::is_nil) {
                if let Some(current) = current {
                    self.retract(e, &attribute, current, self.tx)?;
                }
                continue;
            }
            let value = Value::from(values);
            self.check_lengths(&attribute, &value)?;
            let cell = self.interner.cell(&value);
            self.assert(e, &attribute, cell, self.tx)?;
        }
        Ok(())
    }
}

fn homogeneous_fault(value_type: ValueType, items: &[Value]) -> Option<&'static str> {
    if items.len() > HOMOGENEOUS_LEN_MAX {
        return Some("Cannot store more than 8 values for homogeneous tuple");
    }
    let first = items.first()?;
    if items.iter().any(|item| Kind::of(item) != Kind::of(first)) {
        return Some("Cannot store homogeneous tuple with values of different type");
    }
    let fits = slot_matches(value_type, first);
    (!fits).then_some("Cannot store homogeneous tuple. Values are of wrong type")
}

fn heterogeneous_fault(types: &[ValueType], items: &[Value], value: &Value) -> Option<String> {
    if items.len() != types.len() {
        return Some(format!(
            "Cannot store heterogeneous tuple: expecting {} values, got {}",
            types.len(),
            items.len()
        ));
    }
    let all_fit = types
        .iter()
        .zip(items)
        .all(|(value_type, item)| slot_matches(*value_type, item));
    if all_fit || items.iter().all(Value::is_nil) {
        return None;
    }
    let types = types
        .iter()
        .map(|value_type| Value::keyword(value_type.ident()));
    Some(format!(
        "Cannot store heterogeneous tuple: there is a mismatch between values {} and their types {}",
        show(value),
        show(&Value::vector(types))
    ))
}

fn slot_matches(value_type: ValueType, item: &Value) -> bool {
    !item.is_nil() && value_matches(value_type, item)
}
