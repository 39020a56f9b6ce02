//! What values and entities must satisfy: types, lengths, predicates and entity specs.

use std::sync::Arc;

use super::attribute::{Check, Known};
use super::form::Step;
use super::show;
use super::state::State;
use crate::datom::EntityId;
use crate::db::Flexibility;
use crate::error::{Code, Error, Result};
use crate::function;
use crate::schema::{ValueType, describe, value_matches};
use crate::script::{self, Callee};
use crate::value::{Map, Symbol, Value};

impl State<'_> {
    /// Refuses a value that its attribute does not take.
    pub(super) fn check_value(
        &mut self,
        attribute: &Arc<Known>,
        value: &Value,
        context: &dyn Fn() -> Value,
    ) -> Result<()> {
        self.check_value_type(attribute, value, context)?;
        let declared = &attribute.declared;
        if attribute.built_in.is_none() {
            self.check_lengths(attribute, value)?;
            check_vector(attribute, value)?;
        }
        for predicate in &declared.predicates {
            self.check_predicate(attribute, predicate, value)?;
        }
        Ok(())
    }

    /// Refuses nil, and what is not of the attribute's type.
    pub(super) fn check_value_type(
        &mut self,
        attribute: &Arc<Known>,
        value: &Value,
        context: &dyn Fn() -> Value,
    ) -> Result<()> {
        if value.is_nil() {
            let context = context();
            let message = format!("Cannot store nil as a value at {}", show(&context));
            return Err(Error::new(Code::TransactSyntax, message)
                .with("value", Value::Nil)
                .with("context", context));
        }
        let expected = match attribute.check {
            Check::Nothing => return Ok(()),
            Check::Type(value_type) => {
                if value_matches(value_type, value) || self.names_enum(attribute, value) {
                    return Ok(());
                }
                describe(value_type)
            }
            Check::Impossible => "a declared :db/valueType".to_owned(),
        };
        let message = format!(
            "Bad entity value {} at {}, value does not match schema definition. \
             Must be conform to: {expected}",
            show(value),
            show(&context())
        );
        let entry = attribute.declared.entity.and_then(|e| self.schema.entry(e));
        let schema = entry.map_or(Value::Nil, |entry| Value::Map(Arc::clone(entry)));
        Err(Error::new(Code::TransactSchema, message)
            .with("value", value.clone())
            .with("attribute", attribute.ident.clone())
            .with("schema", schema))
    }

    /// Whether a number is the entity of an enum that the attribute takes.
    fn names_enum(&self, attribute: &Known, value: &Value) -> bool {
        let ident = self.schema.enum_ident(&attribute.ident, value.clone());
        let value_type = attribute.built_in.and_then(|known| known.value_type);
        ident != *value && value_type.is_some_and(|value_type| value_matches(value_type, &ident))
    }

    /// Refuses a value over its length: the attribute's `:db/maxLength`, else the caps of the
    /// database, which hold under `:write` only.
    pub(super) fn check_lengths(&self, attribute: &Known, value: &Value) -> Result<()> {
        let caps = &self.options.caps;
        let typed = self.options.flexibility == Flexibility::Write;
        let cap = |limit: Option<usize>| limit.filter(|_| typed);
        let own = attribute.declared.max_length;
        let (what, limit, length, unit) = match value {
            Value::Str(text) => {
                let Some(limit) = own.or(cap(caps.string)) else {
                    return Ok(());
                };
                ("String", limit, text.encode_utf16().count(), "chars")
            }
            Value::Bytes(bytes) => (
                "Byte",
                own.or(cap(caps.bytes)).unwrap_or(0),
                bytes.len(),
                "bytes",
            ),
            Value::FloatArray(items) => (
                "Float-array",
                own.or(cap(caps.float_array)).unwrap_or(0),
                items.len(),
                "elements",
            ),
            Value::DoubleArray(items) => (
                "Double-array",
                own.or(cap(caps.double_array)).unwrap_or(0),
                items.len(),
                "elements",
            ),
            Value::Vector(items) if attribute.declared.value_type == Some(ValueType::Tuple) => {
                let limit = cap(caps.tuple_string).unwrap_or(0);
                let lengths = items.iter().filter_map(Value::as_str);
                let longest = lengths
                    .map(|text| text.encode_utf16().count())
                    .max()
                    .unwrap_or(0);
                ("Tuple string", limit, longest, "chars")
            }
            _ => return Ok(()),
        };
        if limit == 0 || length <= limit {
            return Ok(());
        }
        let message = format!(
            "{what} value for {} exceeds max length {limit} {unit} (was {length})",
            show(&attribute.ident)
        );
        Err(Error::new(Code::TransactMaxLength, message)
            .with("attribute", attribute.ident.clone())
            .with("length", length)
            .with("limit", limit)
            .with("unit", Value::keyword(unit))
            .with("context", value.clone()))
    }

    fn check_predicate(&self, attribute: &Known, name: &Symbol, value: &Value) -> Result<()> {
        let placed = |error: Error| {
            error
                .with("attribute", attribute.ident.clone())
                .with("value", value.clone())
                .with("pred", name.clone())
        };
        let satisfied = match call_predicate(name, value) {
            Some(satisfied) => satisfied,
            None => match self.functions.finder.find(name).map_err(placed)? {
                Some(callee) => self.ask(&callee, value).map_err(placed)?,
                None => return Err(unresolved(attribute, name)),
            },
        };
        if satisfied == Value::Bool(true) {
            return Ok(());
        }
        let message = format!(
            "Value for {} failed :db.attr/preds predicate {name}",
            show(&attribute.ident)
        );
        Err(placed(Error::new(Code::TransactAttrPred, message)))
    }

    /// What a function that users wrote says of a value; one of two parameters is given the
    /// database before the transaction too.
    fn ask(&self, callee: &Callee, value: &Value) -> Result<Value> {
        let (args, allowance) = (std::slice::from_ref(value), &self.functions.allowance);
        allowance.check()?;
        match callee.arity() {
            2 => callee.call_with_db(&self.functions.db, args, allowance),
            _ => callee.call(args, allowance),
        }
    }

    /// `:db/ensure spec` of a map: what the spec asks of its entity.
    pub(super) fn ensure(&mut self, e: i64, spec: &Value, map: &Map) -> Step {
        let entry = spec
            .as_keyword()
            .and_then(|ident| self.schema.entry_of(ident))
            .cloned();
        let Some(entry) = entry else { return Ok(()) };
        let form = Value::from(map.clone());
        if let Some(attributes) = entry.get(&Value::keyword("db.entity/attrs")) {
            let missing: Vec<Value> = attributes
                .as_sequential()
                .unwrap_or(&[])
                .iter()
                .filter(|name| !map.contains_key(*name))
                .cloned()
                .collect();
            self.ensure_attributes(e, spec, &Value::from(missing), &form)?;
        }
        if let Some(predicates) = entry.get(&Value::keyword("db.entity/preds")) {
            self.ensure_predicates(e, spec, predicates, &form)?;
        }
        Ok(())
    }

    /// Refuses an entity of which this transaction does not assert all these attributes.
    pub(super) fn ensure_attributes(
        &mut self,
        e: i64,
        spec: &Value,
        attributes: &Value,
        form: &Value,
    ) -> Step {
        let mut missing = Vec::new();
        for name in attributes.as_sequential().unwrap_or(&[]) {
            let known = self.known_as(name);
            let touched =
                known.is_some_and(|known| self.overlay.touches(e, known.id, &self.datoms));
            if !touched {
                missing.push(name.clone());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "Entity {e} missing attributes {} of spec {}",
            shown_set(&missing),
            show(spec)
        );
        Err(Error::new(Code::TransactEnsure, message)
            .with("operation", Value::keyword("db.ensure/attrs"))
            .with("tx-data", form.clone())
            .into())
    }

    /// Refuses an entity that fails a predicate. A predicate takes the entity as a map.
    pub(super) fn ensure_predicates(
        &mut self,
        e: i64,
        spec: &Value,
        predicates: &Value,
        form: &Value,
    ) -> Step {
        let entity = self.entity_value(e);
        let mut failed = Vec::new();
        for name in predicates.as_sequential().unwrap_or(&[]) {
            let satisfied = match name.as_symbol() {
                Some(symbol) => self.satisfies(symbol, &entity).map_err(|error| {
                    let error = error.with("pred", name.clone());
                    error.with("tx-data", form.clone())
                })?,
                None => false,
            };
            if !satisfied {
                failed.push(name.clone());
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        let message = format!(
            "Entity {e} failed predicates {} of spec {}",
            shown_set(&failed),
            show(spec)
        );
        Err(Error::new(Code::TransactEnsure, message)
            .with("operation", Value::keyword("db.ensure/preds"))
            .with("tx-data", form.clone())
            .into())
    }

    /// Whether an entity is as a predicate asks; not if there is no such function.
    fn satisfies(&self, name: &Symbol, entity: &Value) -> Result<bool> {
        if let Some(satisfied) = call_predicate(name, entity) {
            return Ok(satisfied.is_truthy());
        }
        match self.functions.finder.find(name)? {
            Some(callee) => Ok(self.ask(&callee, entity)?.is_truthy()),
            None => Ok(false),
        }
    }

    /// Refuses sources of functions that cannot be compiled.
    pub(super) fn check_sources(&mut self) -> Result<()> {
        for (e, source) in std::mem::take(&mut self.sources) {
            let name = match self.schema.ident_of(EntityId(e)) {
                Some(ident) => ident.as_str().to_owned(),
                None => e.to_string(),
            };
            let refuse = |error: Error| refused_source(&name, &error).with("entity-id", e);
            let Value::Str(source) = source else {
                let message = format!("expected its source as text, got {}", show(&source));
                return Err(refuse(Error::new(Code::TransactFn, message)));
            };
            script::check_source(&name, &source).map_err(refuse)?;
        }
        Ok(())
    }

    /// An entity as a map, as it is at this point of the transaction.
    fn entity_value(&mut self, e: i64) -> Value {
        let mut map = Map::default();
        map.insert(Value::keyword("db/id"), Value::Long(e));
        for a in self.overlay.attributes_of(e, &self.datoms) {
            let attribute = self.known_id(a);
            let cells = self.values_of(e, &attribute);
            let mut values = cells.iter().map(|&cell| self.interner.value(cell));
            let value = if attribute.is_many() {
                Some(Value::set(values))
            } else {
                values.next()
            };
            if let Some(value) = value {
                map.insert(attribute.ident.clone(), value);
            }
        }
        Value::from(map)
    }
}

fn unresolved(attribute: &Known, name: &Symbol) -> Error {
    let message = format!(
        "Cannot resolve :db.attr/preds predicate {name} for {}: it is none of the built-in functions",
        show(&attribute.ident)
    );
    Error::new(Code::TransactAttrPredUnresolved, message)
        .with("attribute", attribute.ident.clone())
        .with("pred", name.clone())
}

/// The error of a source that a database does not take, with what its language says.
fn refused_source(name: &str, error: &Error) -> Error {
    let message = format!("Cannot keep the function {name}: {error}");
    let data = error.data().iter().cloned();
    data.filter(|(key, _)| *key != "function").fold(
        Error::new(Code::TransactFn, message).with("function", Symbol::new(name)),
        |refused, (key, value)| refused.with(key, value),
    )
}

/// Refuses a vector that an index of its attribute cannot hold.
fn check_vector(attribute: &Known, value: &Value) -> Result<()> {
    let Some((index, dim)) = &attribute.vectors else {
        return Ok(());
    };
    let floats = value.to_floats().unwrap_or_default();
    let refuse = |why: String| {
        let message = format!("Bad vector for {}: {why}", show(&attribute.ident));
        Error::new(Code::TransactVector, message)
            .with("attribute", attribute.ident.clone())
            .with("index", Value::Keyword(index.clone()))
            .with("dim", *dim)
    };
    if floats.len() != *dim {
        let why = format!(
            "{index} holds vectors of {dim} numbers, this one has {}",
            floats.len()
        );
        return Err(refuse(why).with("length", floats.len()));
    }
    match floats.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(refuse(format!("its number {at} is not finite in 32 bits")).with("at", at)),
        None => Ok(()),
    }
}

/// What a predicate of the function table answers; none if there is no such function. A call
/// that fails answers nil, which satisfies nothing.
fn call_predicate(name: &Symbol, value: &Value) -> Option<Value> {
    let function = function::lookup(name.as_str())?;
    Some(
        function
            .call(std::slice::from_ref(value))
            .unwrap_or_default(),
    )
}

fn shown_set(values: &[Value]) -> String {
    let mut names: Vec<String> = values.iter().map(show).collect();
    names.sort();
    format!("#{{{}}}", names.join(" "))
}
