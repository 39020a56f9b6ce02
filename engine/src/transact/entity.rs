//! Maps: `{:db/id e, attribute value, …}` as one assertion per value, nested maps included.

use std::sync::Arc;

use super::attribute::{Known, forward_name, is_tempid, names_current_tx};
use super::form::Step;
use super::state::State;
use super::{Stop, show};
use crate::datom::EntityId;
use crate::db::Flexibility;
use crate::error::{Code, Error, Result};
use crate::limits;
use crate::schema::{
    BuiltIn, Purpose, SYSTEM_ENTITY_MAX, find_refused_updates, is_reserved, key_bearing_misuse,
};
use crate::value::{Keyword, Map, Value};

/// How a nested map hangs on the entity around it.
#[derive(Clone)]
pub(super) struct Link {
    attribute: Arc<Known>,
    /// The entity around it.
    outer: i64,
    direction: Direction,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The outer entity refers to the nested one.
    FromOuter,
    /// The nested entity refers to the outer one.
    ToOuter,
}

impl State<'_> {
    /// Asserts what a map says; answers with its entity.
    pub(super) fn entity(&mut self, map: &Map, link: Option<&Link>, depth: usize) -> Step<i64> {
        if depth > limits::EDN_DEPTH {
            let message = format!("Nested maps go at most {} levels deep", limits::EDN_DEPTH);
            return Err(Error::new(Code::Limit, message)
                .with("limit", limits::EDN_DEPTH)
                .into());
        }
        let e = self.entity_of_map(map, link)?;
        self.check_schema_map(map, e)?;
        if self.options.attribute_refs && EntityId(e) <= SYSTEM_ENTITY_MAX {
            return Err(self.system_entity_error(map, e).into());
        }
        for (name, value) in map {
            if !is_directive(name) {
                self.map_entry(e, name, value, depth)?;
            }
        }
        if let Some(link) = link {
            self.link(e, link)?;
        }
        if let Some(spec) = map.get(&self.keys.ensure) {
            self.ensure(e, spec, map)?;
        }
        Ok(e)
    }

    /// Finds or numbers the entity of a map.
    fn entity_of_map(&mut self, map: &Map, link: Option<&Link>) -> Step<i64> {
        let given = map.get(&self.keys.id).cloned().unwrap_or_default();
        let id = if names_current_tx(&given) {
            self.bind(&given, self.tx);
            Value::Long(self.tx)
        } else {
            match &given {
                Value::Vector(_) | Value::List(_) | Value::Keyword(_) => {
                    Value::Long(self.entid_strict(&given)?)
                }
                _ => given.clone(),
            }
        };
        let extra = link.filter(|link| link.direction == Direction::ToOuter);
        let extra = extra.map(|link| (&link.attribute, Value::Long(link.outer)));
        let upserted = self.upserted(map, extra, &id)?;
        let bound = if is_tempid(&id) {
            self.bound(&id)
        } else {
            None
        };
        if let (Some(upserted), Some(bound)) = (upserted, bound)
            && upserted != bound
        {
            return Err(Stop::Rebind(id, upserted));
        }
        let e = match (&id, upserted) {
            (_, Some(upserted)) => upserted,
            (Value::Nil, None) => self.allocate()?,
            (Value::Long(e), None) if *e >= 0 => *e,
            (id, None) if is_tempid(id) => match bound {
                Some(bound) => bound,
                None => self.allocate()?,
            },
            _ => {
                let message = format!(
                    "Expected number, string, keyword or lookup ref for :db/id, got {}",
                    show(&given)
                );
                let error = Error::new(Code::EntityIdSyntax, message);
                return Err(error.with("entity", Value::from(map.clone())).into());
            }
        };
        if is_tempid(&id) {
            self.bind(&id, e);
        }
        self.advance(e);
        Ok(e)
    }

    fn map_entry(&mut self, e: i64, name: &Value, value: &Value, depth: usize) -> Step {
        let entity = Value::Long(e);
        let whole = || {
            Value::map([
                (Value::keyword("db/id"), entity.clone()),
                (name.clone(), value.clone()),
            ])
        };
        if let Some(forward) = forward_name(name) {
            return self.reverse_entry(e, name, &forward, value, depth);
        }
        let attribute = self.require(name, whole)?;
        self.stated(e, &attribute, value, depth)
    }

    /// Asserts what stands beside an attribute: a value, or several of one that takes many.
    pub(super) fn stated(
        &mut self,
        e: i64,
        attribute: &Arc<Known>,
        value: &Value,
        depth: usize,
    ) -> Step {
        if attribute.is_many() && !self.is_single(attribute, value) {
            return each_item(value, |item| self.one_value(e, attribute, item, depth));
        }
        self.one_value(e, attribute, value, depth)
    }

    fn one_value(&mut self, e: i64, attribute: &Arc<Known>, value: &Value, depth: usize) -> Step {
        if let Value::Map(nested) = value
            && attribute.is_ref()
        {
            let link = Link {
                attribute: Arc::clone(attribute),
                outer: e,
                direction: Direction::FromOuter,
            };
            self.entity(nested, Some(&link), depth + 1)?;
            return Ok(());
        }
        let entity = Value::Long(e);
        let context = || added(&entity, attribute, value);
        if attribute.declared.tuple.is_some() {
            self.check_tuple(attribute, value, context)?;
        }
        self.add(&entity, attribute, value, self.tx, &context)
    }

    /// `:ns/_name`: the values refer to the entity.
    fn reverse_entry(
        &mut self,
        e: i64,
        name: &Value,
        forward: &Value,
        value: &Value,
        depth: usize,
    ) -> Step {
        if *name == Value::keyword("db.install/_attribute") {
            return Ok(());
        }
        let whole = || {
            Value::map([
                (Value::keyword("db/id"), Value::Long(e)),
                (name.clone(), value.clone()),
            ])
        };
        let attribute = match self.known_as(forward) {
            Some(attribute) => attribute,
            None => self.require(name, whole)?,
        };
        if !attribute.is_ref() {
            let message = format!(
                "Bad attribute {}: reverse attribute name requires {{:db/valueType :db.type/ref}} in schema",
                show(name)
            );
            return Err(Error::new(Code::TransactSyntax, message)
                .with("attribute", name.clone())
                .with("context", whole())
                .into());
        }
        if self.is_single(&attribute, value) {
            return self.reverse_value(e, &attribute, value, depth);
        }
        each_item(value, |item| self.reverse_value(e, &attribute, item, depth))
    }

    fn reverse_value(
        &mut self,
        e: i64,
        attribute: &Arc<Known>,
        item: &Value,
        depth: usize,
    ) -> Step {
        if let Value::Map(nested) = item {
            let link = Link {
                attribute: Arc::clone(attribute),
                outer: e,
                direction: Direction::ToOuter,
            };
            self.entity(nested, Some(&link), depth + 1)?;
            return Ok(());
        }
        let referred = Value::Long(e);
        let from = self.asserted_entity(item, Some(attribute), &referred)?;
        let context = || added(&from, attribute, &referred);
        self.add(&from, attribute, &referred, self.tx, &context)
    }

    fn link(&mut self, nested: i64, link: &Link) -> Step {
        let (from, to) = match link.direction {
            Direction::FromOuter => (Value::Long(link.outer), Value::Long(nested)),
            Direction::ToOuter => (Value::Long(nested), Value::Long(link.outer)),
        };
        let context = || added(&from, &link.attribute, &to);
        self.add(&from, &link.attribute, &to, self.tx, &context)
    }

    /// Whether a value is a single one rather than a collection of values, as a lookup ref is.
    fn is_single(&mut self, attribute: &Known, value: &Value) -> bool {
        if attribute.is_array() && value.to_floats().is_some_and(|xs| !xs.is_empty()) {
            return true;
        }
        let pair = match value {
            Value::Vector(items) | Value::List(items) if items.len() == 2 => &items[0],
            Value::Vector(_) | Value::List(_) | Value::Set(_) => return false,
            _ => return true,
        };
        matches!(pair, Value::Keyword(_))
            && !attribute.is_spec()
            && self.known(pair).is_some_and(|known| known.is_identity())
    }

    /// Refuses what a map may not say of the schema, before anything of it is asserted.
    fn check_schema_map(&mut self, map: &Map, e: i64) -> Result<()> {
        let is_schema_key = |key: &Value| {
            let built_in = key.as_keyword().and_then(|key| BuiltIn::find(key.as_str()));
            built_in.is_some_and(|known| {
                matches!(known.purpose, Purpose::Schema | Purpose::Secondary)
                    && known.ident != "db/id"
            })
        };
        if !map.keys().any(is_schema_key) {
            return Ok(());
        }
        let refuse = |message: String| {
            Err(Error::new(Code::TransactSchema, message).with("entity", Value::from(map.clone())))
        };
        let ident = map.get(&Value::keyword("db/ident"));
        if ident
            .and_then(Value::as_keyword)
            .is_some_and(|ident| is_reserved(ident.as_str()))
        {
            return refuse(
                "Using namespace 'db' for attribute identifiers is not allowed".to_owned(),
            );
        }
        if let Some(why) = key_bearing_misuse(map) {
            return refuse(why);
        }
        if let Some(entry) = self.schema.entry(EntityId(e)) {
            let refused = find_refused_updates(map, entry);
            if refused.is_empty() {
                return Ok(());
            }
            let updates = refused
                .into_iter()
                .map(|(key, old, new)| (key, Value::vector([old, new])));
            let updates = Value::map(updates);
            return refuse("Update not supported for these schema attributes".to_owned())
                .map_err(|error: Error| error.with("invalid-updates", updates));
        }
        let has = |key: &str| {
            map.get(&Value::keyword(key))
                .is_some_and(|value| !value.is_nil())
        };
        if self.options.flexibility == Flexibility::Read {
            return Ok(());
        }
        if map.contains_key(&Value::keyword("db.secondary/type")) {
            if !(has("db/ident") && has("db.secondary/type") && has("db.secondary/attrs")) {
                return refuse("Incomplete secondary index schema, expected :db/ident, :db.secondary/type, :db.secondary/attrs".to_owned());
            }
            return Ok(());
        }
        let declares = has("db/cardinality") || has("db/valueType");
        let complete = ["db/ident", "db/valueType", "db/cardinality"]
            .iter()
            .all(|key| map.contains_key(&Value::keyword(key)));
        if declares && !complete {
            return refuse("Incomplete schema transaction attributes, expected :db/ident, :db/valueType, :db/cardinality".to_owned());
        }
        Ok(())
    }

    fn system_entity_error(&self, map: &Map, e: i64) -> Error {
        let ident = self
            .schema
            .ident_of(EntityId(e))
            .map(Keyword::to_string)
            .unwrap_or_default();
        let message =
            format!("Entity with ID {e} is a system attribute {ident} and cannot be changed");
        Error::new(Code::TransactSyntax, message)
            .with("eid", e)
            .with("context", Value::from(map.clone()))
    }
}

/// Takes the items of a collection one by one.
fn each_item(collection: &Value, mut take: impl FnMut(&Value) -> Step) -> Step {
    match collection {
        Value::Vector(items) | Value::List(items) => items.iter().try_for_each(take),
        Value::Set(items) => items.iter().try_for_each(take),
        other => take(other),
    }
}

fn is_directive(name: &Value) -> bool {
    name.as_keyword()
        .is_some_and(|name| matches!(name.as_str(), "db/id" | "db/ensure"))
}

/// The assertion a map's entry stands for, as errors show it.
fn added(e: &Value, attribute: &Known, value: &Value) -> Value {
    Value::vector([
        Value::keyword("db/add"),
        e.clone(),
        attribute.named.clone(),
        value.clone(),
    ])
}
