//! What a transaction needs to know of an attribute, found once per transaction.

use std::borrow::Cow;
use std::sync::Arc;

use super::show;
use super::state::State;
use crate::datom::AttrId;
use crate::db::Flexibility;
use crate::error::{Code, Error, Result};
use crate::index::name_of;
use crate::schema::{Attribute, BuiltIn, Purpose, TupleKind, Unique, ValueType};
use crate::value::{Keyword, Value};

/// An attribute as a transaction sees it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: AttrId,
    pub(super) ident: Value,
    /// As datoms name it: the ident, or the entity under `:attribute-refs?`.
    pub(super) named: Value,
    pub(super) declared: Arc<Attribute>,
    pub(super) built_in: Option<&'static BuiltIn>,
    pub(super) check: Check,
    /// The composite tuples it is part of, with its place in them.
    pub(super) tuples: Vec<(AttrId, usize)>,
    /// An index of vectors that covers it, and their dimension.
    pub(super) vectors: Option<(Keyword, usize)>,
}

/// What is asked of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing.
    Nothing,
    /// A type.
    Type(ValueType),
    /// Nothing can be right: the ident names no attribute with a type.
    Impossible,
}

impl Known {
    pub(super) fn is_ref(&self) -> bool {
        self.declared.is_ref()
    }

    pub(super) fn is_many(&self) -> bool {
        self.declared.is_many()
    }

    /// Whether its values are arrays of floats.
    pub(super) fn is_array(&self) -> bool {
        let value_type = self.declared.value_type;
        matches!(
            value_type,
            Some(ValueType::FloatArray | ValueType::DoubleArray)
        )
    }

    /// A value as it is kept: clients that know no arrays send vectors of numbers for them.
    pub(super) fn kept<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        let kept = match (self.declared.value_type, value) {
            (Some(ValueType::FloatArray), Value::Vector(_) | Value::List(_)) => {
                value.to_floats().map(|xs| Value::FloatArray(xs.into()))
            }
            (None, Value::Vector(_) | Value::List(_)) if self.declared.aside => {
                value.to_floats().map(|xs| Value::FloatArray(xs.into()))
            }
            (Some(ValueType::DoubleArray), Value::Vector(items) | Value::List(items)) => {
                let xs: Option<Vec<f64>> = items.iter().map(Value::to_double).collect();
                xs.map(|xs| Value::DoubleArray(xs.into()))
            }
            _ => None,
        };
        kept.map_or(Cow::Borrowed(value), Cow::Owned)
    }

    /// A value as datoms have it: the name of an array that is kept aside.
    pub(super) fn stood_for<'v>(&self, value: &'v Value) -> Cow<'v, Value> {
        let kept = self.kept(value);
        let name = self.declared.aside.then(|| name_of(&kept)).flatten();
        name.map_or(kept, Cow::Owned)
    }

    pub(super) fn is_identity(&self) -> bool {
        self.declared.unique == Some(Unique::Identity)
    }

    pub(super) fn is_composite(&self) -> bool {
        matches!(self.declared.tuple, Some(TupleKind::Composite(_)))
    }

    pub(super) fn shapes_schema(&self) -> bool {
        self.built_in.is_some_and(BuiltIn::shapes_schema)
    }

    pub(super) fn is_valid_time(&self) -> bool {
        matches!(
            self.built_in.map(|known| known.ident),
            Some("db.valid/from" | "db.valid/to")
        )
    }

    /// Whether its values are the sources of functions.
    pub(super) fn is_source(&self) -> bool {
        self.built_in
            .is_some_and(|known| known.purpose == Purpose::Function)
    }

    pub(super) fn is_spec(&self) -> bool {
        self.built_in
            .is_some_and(|known| known.purpose == Purpose::Spec)
    }
}

impl State<'_> {
    /// The attribute with an ident; none if the schema asks for a declaration that is missing.
    pub(super) fn known(&mut self, ident: &Value) -> Option<Arc<Known>> {
        if let Some(known) = self.attributes.get(ident) {
            return known.clone();
        }
        let known = self.find(ident).map(Arc::new);
        self.attributes.insert(ident.clone(), known.clone());
        known
    }

    /// As [`State::known`], for an attribute given by its ident or, under `:attribute-refs?`, by
    /// its entity. None for anything that cannot be an attribute.
    pub(super) fn known_as(&mut self, name: &Value) -> Option<Arc<Known>> {
        match name {
            Value::Keyword(_) | Value::Str(_) => self.known(name),
            Value::Long(e) if self.options.attribute_refs => {
                let ident =
                    Value::Keyword(self.schema.ident_of(crate::datom::EntityId(*e))?.clone());
                self.known(&ident)
            }
            _ => None,
        }
    }

    /// The attribute that a form names, or the error that says why there is none.
    pub(super) fn require(
        &mut self,
        name: &Value,
        context: impl Fn() -> Value,
    ) -> Result<Arc<Known>> {
        if let Some(known) = self.known_as(name) {
            return Ok(known);
        }
        let is_name = match name {
            Value::Keyword(_) | Value::Str(_) => true,
            Value::Long(_) => self.options.attribute_refs,
            _ => false,
        };
        let context = context();
        let at = format!("Bad entity attribute {} at {}", show(name), show(&context));
        let error = if is_name {
            Error::new(
                Code::TransactSchema,
                format!("{at}, not defined in current schema"),
            )
        } else {
            Error::new(
                Code::TransactSyntax,
                format!("{at}, expected keyword or string"),
            )
        };
        Err(error
            .with("attribute", name.clone())
            .with("context", context))
    }

    fn find(&mut self, ident: &Value) -> Option<Known> {
        let built_in = ident
            .as_keyword()
            .and_then(|keyword| BuiltIn::find(keyword.as_str()));
        let declared = self.schema.by_ident(ident).cloned();
        let write = self.options.flexibility == Flexibility::Write;
        if declared.is_none() && built_in.is_none() && write && !self.is_reverse_of_known(ident) {
            return None;
        }
        // No entity stands for `:db/fn`: the first entity of a user has its number by now.
        let is_source = built_in.is_some_and(|known| known.purpose == Purpose::Function);
        if self.options.attribute_refs && declared.is_none() && !is_source {
            return None;
        }
        let declared = match declared {
            Some(declared) => declared,
            None => {
                let id = AttrId(self.interner.intern(ident));
                Arc::new(Attribute::new(id, ident.clone()))
            }
        };
        let check = match (built_in, declared.value_type) {
            _ if !write => Check::Nothing,
            (Some(built_in), _) => built_in.value_type.map_or(Check::Nothing, Check::Type),
            (None, Some(value_type)) => Check::Type(value_type),
            (None, None) => Check::Impossible,
        };
        let named = match declared.entity {
            Some(e) if self.options.attribute_refs => Value::Long(e.0),
            _ => ident.clone(),
        };
        Some(Known {
            id: declared.id,
            ident: ident.clone(),
            named,
            built_in,
            check,
            tuples: self.schema.tuples_of(ident).to_vec(),
            vectors: self
                .schema
                .vector_indexes(ident)
                .next()
                .map(|(index, config)| (index.ident.clone(), config.dim)),
            declared,
        })
    }

    fn is_reverse_of_known(&self, ident: &Value) -> bool {
        let forward = ident.as_keyword().and_then(Keyword::unreversed);
        forward.is_some_and(|forward| self.schema.by_ident(&Value::Keyword(forward)).is_some())
    }

    /// The attribute of an id that datoms of this database hold.
    pub(super) fn known_id(&mut self, a: AttrId) -> Arc<Known> {
        let ident = match self.schema.attribute(a) {
            Some(declared) => declared.ident.clone(),
            None => self.interner.interned(u64::from(a.0)).clone(),
        };
        if let Some(known) = self.known(&ident) {
            return known;
        }
        // Declared before, but no more: its datoms are still there to be retracted.
        let before = self.db.schema().attribute(a).cloned();
        let declared = before.unwrap_or_else(|| Arc::new(Attribute::new(a, ident.clone())));
        Arc::new(Known {
            id: a,
            named: ident.clone(),
            ident,
            declared,
            built_in: None,
            check: Check::Nothing,
            tuples: Vec::new(),
            vectors: None,
        })
    }
}

/// The forward name of a reverse attribute, `:ns/name` for `:ns/_name`; strings too.
pub(super) fn forward_name(name: &Value) -> Option<Value> {
    match name {
        Value::Keyword(keyword) => keyword.unreversed().map(Value::Keyword),
        Value::Str(text) => {
            let (namespace, name) = match text.split_once('/') {
                Some((namespace, name)) => (Some(namespace), name),
                None => (None, &**text),
            };
            let name = name.strip_prefix('_').filter(|name| !name.is_empty())?;
            Some(match namespace {
                Some(namespace) => Value::from(format!("{namespace}/{name}")),
                None => Value::from(name),
            })
        }
        _ => None,
    }
}

/// Whether a value stands for the current transaction.
pub(super) fn names_current_tx(value: &Value) -> bool {
    match value {
        Value::Keyword(keyword) => keyword.as_str() == "db/current-tx",
        Value::Str(text) => matches!(&**text, "datomic.tx" | "datahike.tx" | ":db/current-tx"),
        _ => false,
    }
}

/// Whether a value stands for an entity that the transaction will number.
pub(super) fn is_tempid(value: &Value) -> bool {
    match value {
        Value::Long(n) => *n < 0,
        Value::Str(_) => true,
        _ => false,
    }
}
