//! The forms of transaction data, one after the other.

use std::sync::Arc;

use super::attribute::{Known, is_tempid, names_current_tx};
use super::state::State;
use super::{Stop, show};
use crate::error::{Code, Error, Result};
use crate::index::{Cell, set_aside};
use crate::value::{Keyword, Value};

/// What goes on or stops a transaction.
pub(super) type Step<T = ()> = std::result::Result<T, Stop>;

/// The operations that need no function of the user.
pub(super) const OPERATIONS: [&str; 14] = [
    ":db.purge/entity",
    ":db.ensure/attrs",
    ":db.fn/call",
    ":db/cas",
    ":db.purge/attribute",
    ":db.fn/retractEntity",
    ":db/retractEntity",
    ":db/retract",
    ":db/purge",
    ":db.fn/retractAttribute",
    ":db.fn/cas",
    ":db/add",
    ":db.history.purge/before",
    ":db.ensure/preds",
];

impl State<'_> {
    /// One form at the top level of transaction data, and the tuples it makes stale.
    pub(super) fn form(&mut self, form: &Value) -> Step {
        match form {
            Value::Nil => return Ok(()),
            Value::Map(map) => {
                self.entity(map, None, 0)?;
            }
            Value::Vector(parts) | Value::List(parts) => self.operation(form, parts)?,
            Value::Tagged(tagged) if tagged.0.as_str() == "datahike/Datom" => {
                self.datom(&tagged.1)?
            }
            _ => {
                let message = format!("Bad entity type at {}, expected map or vector", show(form));
                let error = Error::new(Code::TransactSyntax, message);
                return Err(error.with("tx-data", form.clone()).into());
            }
        }
        self.flush_tuples()
    }

    fn operation(&mut self, form: &Value, parts: &[Value]) -> Step {
        let at = |at: usize| parts.get(at).cloned().unwrap_or_default();
        let operation = parts
            .first()
            .and_then(Value::as_keyword)
            .map(Keyword::as_str);
        match operation {
            Some("db.fn/call") => return Err(refused_function(form)),
            Some("db.ensure/attrs" | "db.ensure/preds") => {
                let e = self.entid_strict(&at(1))?;
                let spec = at(2);
                return if operation == Some("db.ensure/attrs") {
                    self.ensure_attributes(e, &spec, &at(3), form)
                } else {
                    self.ensure_predicates(e, &spec, &at(3), form)
                };
            }
            Some("db.history.purge/before") => return self.purge_before(&at(1), form),
            _ => {}
        }
        let attribute = self.known_as(&at(2));
        if let Some(attribute) = &attribute {
            let value = at(3);
            if attribute.declared.tuple.is_some() && !value.is_nil() {
                self.check_tuple(attribute, &value, || form.clone())?;
            } else if attribute.is_composite() {
                return Err(direct_tuple(form));
            }
        }
        if operation == Some("db/add") {
            return self.add_vector(parts);
        }
        let mut e = at(1);
        let mut changed = parts.to_vec();
        if names_current_tx(&e) {
            self.bind(&e, self.tx);
            e = Value::Long(self.tx);
        } else if is_tempid(&e) {
            let message = format!(
                "Can't use tempid in '{}'. Tempids are allowed in :db/add only",
                show(form)
            );
            return Err(Error::new(Code::TransactSyntax, message)
                .with("op", form.clone())
                .into());
        }
        if attribute.as_ref().is_some_and(|known| known.is_ref()) {
            let value = at(3);
            if names_current_tx(&value) || is_tempid(&value) {
                let referred = self.referred_entity(&value)?;
                changed[3] = Value::Long(referred);
            }
        }
        if changed.len() > 1 {
            changed[1] = e;
        }
        self.other_operation(operation, &changed, form)
    }

    fn other_operation(&mut self, operation: Option<&str>, parts: &[Value], form: &Value) -> Step {
        let nil = Value::Nil;
        let at = |at: usize| parts.get(at).unwrap_or(&nil);
        match operation {
            Some("db/retract") => self.retract_values(at(1), at(2), at(3), form),
            Some("db.fn/retractAttribute") => self.retract_attribute(at(1), at(2), form),
            Some("db.fn/retractEntity" | "db/retractEntity") => self.retract_entity(at(1)),
            Some("db/cas" | "db.fn/cas") => self.compare_and_swap(parts, form),
            Some("db/purge") => self.purge_values(at(1), at(2), at(3), form),
            Some("db.purge/attribute") => self.purge_attribute(at(1), at(2), form),
            Some("db.purge/entity") => self.purge_entity(at(1), form),
            Some(name) => match self.schema.entity_of(&Keyword::new(name)) {
                Some(_) => Err(refused_function(form)),
                None => {
                    let message = format!("Can’t find entity for transaction fn :{name}");
                    Err(Error::new(Code::TransactSyntax, message)
                        .with("operation", Value::keyword("db.fn/call"))
                        .with("tx-data", form.clone())
                        .into())
                }
            },
            None => Err(unknown_operation(form, at(0)).into()),
        }
    }

    /// `[:db/add e a v]`, perhaps with the transaction to write.
    fn add_vector(&mut self, parts: &[Value]) -> Step {
        let nil = Value::Nil;
        let at = |at: usize| parts.get(at).unwrap_or(&nil);
        let (name, value) = (at(2), at(3));
        let tx = match at(4) {
            Value::Nil => self.tx,
            Value::Long(tx) => *tx,
            other => {
                let message = format!("Expected a transaction id at the end of {}", show(other));
                return Err(Error::new(Code::TransactSyntax, message).into());
            }
        };
        let attribute = self.known_as(name);
        let e = self.asserted_entity(at(1), attribute.as_ref(), value)?;
        let context = || {
            let mut parts = parts.to_vec();
            parts[1] = e.clone();
            Value::from(parts)
        };
        let attribute = self.require(name, context)?;
        self.add(&e, &attribute, value, tx, &context)
    }

    /// Asserts a value as a form gives it. `e` is no tempid any more.
    pub(super) fn add(
        &mut self,
        e: &Value,
        attribute: &Arc<Known>,
        value: &Value,
        tx: i64,
        context: &dyn Fn() -> Value,
    ) -> Step {
        let value = &*attribute.kept(value);
        self.check_value(attribute, value, context)?;
        let e = match e {
            Value::Long(e) if *e > 0 => *e,
            _ => self.entid_strict(e)?,
        };
        let cell = if attribute.is_ref() {
            Cell::long(self.referred_entity(value)?)
        } else if attribute.declared.aside {
            self.set_aside(attribute, value)?
        } else {
            match self.enum_value(attribute, value) {
                Some(entity) => self.interner.cell(&entity),
                None => self.interner.cell(value),
            }
        };
        if attribute.is_valid_time() && e >= crate::datom::TX0 && e != self.tx {
            self.retimed.push(e);
        }
        if attribute.is_source() {
            self.sources.push((e, value.clone()));
        }
        self.assert(e, attribute, cell, tx)?;
        Ok(())
    }

    /// The name of an array, which an index keeps.
    fn set_aside(&mut self, attribute: &Known, value: &Value) -> Result<Cell> {
        let is_covered = attribute.vectors.is_some();
        let cell = is_covered
            .then(|| set_aside(&mut self.interner, value))
            .flatten();
        cell.ok_or_else(|| {
            let name = show(&attribute.ident);
            let message = format!(
                "Attribute {name} is :db.secondary/only but no secondary index covers it — its value would be \
                 lost: declare one, {{:db/ident :idx/x, :db.secondary/type :hnsw, :db.secondary/attrs [{name}], \
                 :db.secondary/config {{:dim 384, :distance :cosine}}}}"
            );
            Error::new(Code::TransactSecondaryOnlyUncovered, message)
                .with("attribute", attribute.ident.clone())
        })
    }

    /// A datom as input: `[e a v tx added]`; it keeps its transaction.
    fn datom(&mut self, datom: &Value) -> Step {
        let parts = datom.as_sequential().filter(|parts| parts.len() >= 3);
        let Some(parts) = parts else {
            let message = format!("Bad datom {}, expected [e a v tx added]", show(datom));
            return Err(Error::new(Code::TransactSyntax, message).into());
        };
        let tx = parts.get(3).and_then(Value::as_long).unwrap_or(self.tx);
        let attribute = self.require(&parts[1], || datom.clone())?;
        if parts.get(4).is_none_or(Value::is_truthy) {
            return self.add(&parts[0], &attribute, &parts[2], tx, &|| datom.clone());
        }
        let e = self.entid_strict(&parts[0])?;
        if let Some(cell) = self.stored_cell(&attribute, &parts[2])? {
            self.retract(e, &attribute, cell, tx)?;
        }
        Ok(())
    }

    /// The cell under which a value of an attribute is stored, if it is stored at all.
    pub(super) fn stored_cell(
        &mut self,
        attribute: &Arc<Known>,
        value: &Value,
    ) -> Result<Option<Cell>> {
        let value = &*attribute.stood_for(value);
        if attribute.is_ref() {
            return Ok(Some(Cell::long(self.entid_strict(value)?)));
        }
        Ok(match self.enum_value(attribute, value) {
            Some(entity) => self.cell(&entity),
            None => self.cell(value),
        })
    }
}

fn refused_function(form: &Value) -> Stop {
    let message = format!(
        "Transaction functions cannot be called here: {} (functions do not cross the wire)",
        show(form)
    );
    Error::new(Code::Unsupported, message)
        .with("operation", Value::keyword("db.fn/call"))
        .with("tx-data", form.clone())
        .into()
}

/// A composite tuple follows from its parts; writing it is refused.
pub(super) fn direct_tuple(form: &Value) -> Stop {
    let message = format!("Can’t modify tuple attrs directly: {}", show(form));
    Error::new(Code::TransactSyntax, message)
        .with("tx-data", form.clone())
        .into()
}

fn unknown_operation(form: &Value, operation: &Value) -> Error {
    let message = format!(
        "Unknown operation at {}, expected {} or an ident corresponding to an installed \
         transaction function (e.g. {{:db/ident <keyword> :db/fn <Ifn>}}, usage of :db/ident \
         requires {{:db/unique :db.unique/identity}} in schema)",
        show(form),
        OPERATIONS.join(",")
    );
    Error::new(Code::TransactSyntax, message)
        .with("operation", operation.clone())
        .with("tx-data", form.clone())
}
