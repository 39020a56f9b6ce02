//! Which entity of ours each new entity of theirs is: one that is known by the same identity, or a
//! new one.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::change::{Changes, Side, is_known_tx};
use crate::datom::{EntityId, TX0};
use crate::schema::{TupleKind, Unique, ValueType};
use crate::value::{Keyword, Set, Value};

/// What stands for the transaction that a merge makes.
const THIS_TX: &str = "datomic.tx";

/// What their new entities are called on our side.
#[derive(Debug, Default)]
pub(super) struct Renaming {
    names: HashMap<i64, Value, FixedState>,
}

/// The three database values of a merge.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) base: Side<'a>,
    pub(super) ours: Side<'a>,
    pub(super) theirs: Side<'a>,
}

impl Renaming {
    /// Names every entity that they made since the base.
    ///
    /// One that has a unique identity of an entity of ours is that entity. The others keep their
    /// numbers if none of those numbers means something else here; if one does, all get tempids.
    pub(super) fn new(sides: &Sides<'_>, ours: &Changes, theirs: &Changes) -> Renaming {
        let mut renaming = Renaming::default();
        let mut made: Vec<i64> = Vec::new();
        for ((e, _), change) in &theirs.by_key {
            let e = e.as_long().filter(|_| !change.added.is_empty());
            made.extend(e.filter(|&e| is_new(sides, e)));
        }
        made.sort_unstable();
        made.dedup();
        renaming.unify(sides, theirs, &made);
        made.retain(|e| !renaming.names.contains_key(e));
        let referred = referred_by(sides, ours);
        let is_taken = |e: &i64| {
            referred.contains(e) || *e <= sides.ours.db.max_eid() && was_ever(sides, EntityId(*e))
        };
        if !made.iter().any(is_taken) {
            return renaming;
        }
        let is_written_in_tuples = theirs.by_key.keys().any(|(_, name)| {
            let tuple = sides.theirs.declared(name).and_then(|a| a.tuple.as_ref());
            tuple.is_some_and(has_refs)
        });
        // A tempid within a tuple is not resolved: numbers that are free on both sides are.
        let last = sides.ours.db.max_eid().max(sides.theirs.db.max_eid());
        for (e, number) in made.into_iter().zip(last + 1..) {
            let name = match is_written_in_tuples {
                true => Value::Long(number),
                false => Value::from(format!("theirs-{e}")),
            };
            renaming.names.insert(e, name);
        }
        renaming
    }

    /// Their new entities that got another name, with it, by number.
    pub(super) fn renamed(&self) -> Vec<(EntityId, Value)> {
        let mut renamed: Vec<(EntityId, Value)> = self
            .names
            .iter()
            .map(|(e, name)| (EntityId(*e), name.clone()))
            .filter(|(e, name)| name.as_long() != Some(e.0))
            .collect();
        renamed.sort_by_key(|(e, _)| *e);
        renamed
    }

    /// Their changes in our terms.
    pub(super) fn apply(&self, sides: &Sides<'_>, theirs: Changes) -> Changes {
        let mut changes = Changes::default();
        for ((e, name), change) in theirs.by_key {
            let added = change.added.into_iter();
            let added: Set = added.map(|value| self.value(sides, &name, value)).collect();
            let here = changes.at((self.entity(e), name));
            here.removed.extend(change.removed);
            here.added.extend(added);
        }
        for ((e, name), value) in theirs.tuples {
            let value = self.value(sides, &name, value);
            changes.tuples.push(((self.entity(e), name), value));
        }
        changes
    }

    fn entity(&self, e: Value) -> Value {
        match e.as_long().and_then(|e| self.names.get(&e)) {
            Some(name) => name.clone(),
            None => e,
        }
    }

    /// An added value of theirs in our terms.
    fn value(&self, sides: &Sides<'_>, name: &Value, value: Value) -> Value {
        if sides.theirs.is_ref(name) {
            return self.referred(sides, value);
        }
        let Some(items) = value.as_sequential() else {
            return value;
        };
        let is_ref = |at: usize| part_is_ref(sides, name, at);
        if !(0..items.len()).any(is_ref) {
            return value;
        }
        let renamed = items.iter().cloned().enumerate();
        Value::vector(renamed.map(|(at, item)| match is_ref(at) {
            true => self.referred(sides, item),
            false => item,
        }))
    }

    /// A reference to one of their transactions becomes one to the transaction of the merge.
    fn referred(&self, sides: &Sides<'_>, value: Value) -> Value {
        match value {
            Value::Long(e) if e >= TX0 && !is_known_tx(sides.base.db, EntityId(e)) => {
                Value::str(THIS_TX)
            }
            value => self.entity(value),
        }
    }

    /// Finds the entities of ours that have an identity of a new one of theirs. An identity may be
    /// a reference to another new entity, and waits until that one is found.
    fn unify(&mut self, sides: &Sides<'_>, theirs: &Changes, made: &[i64]) {
        let mut identities: HashMap<i64, Vec<(Value, Value)>, FixedState> = HashMap::default();
        let mut referring: HashMap<i64, Vec<i64>, FixedState> = HashMap::default();
        let tuples = theirs.tuples.iter().map(|(key, value)| (key, value));
        let facts = theirs.by_key.iter();
        let facts = facts.flat_map(|(key, change)| change.added.iter().map(move |v| (key, v)));
        for ((e, name), value) in facts.chain(tuples) {
            let Some(e) = e.as_long().filter(|e| made.binary_search(e).is_ok()) else {
                continue;
            };
            if !is_identity(sides, name) {
                continue;
            }
            for to in referred_in(sides, name, value) {
                referring.entry(to).or_default().push(e);
            }
            let entry = (name.clone(), value.clone());
            identities.entry(e).or_default().push(entry);
        }
        let mut waiting: Vec<i64> = made.to_vec();
        while let Some(e) = waiting.pop() {
            if self.names.contains_key(&e) {
                continue;
            }
            let known = identities.get(&e).into_iter().flatten();
            let owner = known.filter_map(|(name, value)| {
                let owner = self.owner(sides, made, name, value)?;
                // Who gave the identity away on their side is another entity.
                let there = theirs.get(&(Value::Long(owner), name.clone()));
                let gave_away = there.is_some_and(|change| change.removed.contains(value));
                (!gave_away).then_some(owner)
            });
            if let Some(owner) = owner.min() {
                self.names.insert(e, Value::Long(owner));
                waiting.extend(referring.remove(&e).into_iter().flatten());
            }
        }
    }

    /// The entity of ours that has a value of theirs.
    fn owner(&self, sides: &Sides<'_>, made: &[i64], name: &Value, value: &Value) -> Option<i64> {
        // A number may mean something else here until it is known what they made it for.
        let is_open = |to| made.binary_search(&to).is_ok() && !self.names.contains_key(&to);
        if referred_in(sides, name, value).into_iter().any(is_open) {
            return None;
        }
        owner(&sides.ours, name, &self.value(sides, name, value.clone()))
    }
}

/// The entity that has a value of a unique attribute.
pub(super) fn owner(side: &Side<'_>, name: &Value, value: &Value) -> Option<i64> {
    let a = side.attribute(name)?;
    side.db.index(a)?.current_by_value()?;
    let cell = side.db.dictionary().cell(value)?;
    let rows = side.db.rows_with(a, cell);
    rows.first().map(|row| row.e)
}

/// Whether an attribute names entities: an ident does even where it is merely a unique value.
fn is_identity(sides: &Sides<'_>, name: &Value) -> bool {
    let is_ident = name.as_keyword().map(Keyword::as_str) == Some("db/ident");
    let declared = sides.ours.declared(name);
    is_ident || declared.is_some_and(|known| known.unique == Some(Unique::Identity))
}

/// Whether an entity of theirs was made since the base.
fn is_new(sides: &Sides<'_>, e: i64) -> bool {
    if e >= TX0 {
        return false;
    }
    match sides.base.db.view().is_current() {
        true => e > sides.base.db.max_eid(),
        // The largest number is that of the newest database value, whatever the view.
        false => sides.base.is_gone(&Value::Long(e)),
    }
}

/// Whether our side has or had anything of an entity.
fn was_ever(sides: &Sides<'_>, e: EntityId) -> bool {
    let db = sides.ours.db;
    let mut indexes = db.attribute_ids().filter_map(|a| db.index(a));
    indexes.any(|index| {
        !index.current().entity_range(e.0).is_empty() || !index.past().entity_range(e.0).is_empty()
    })
}

/// The numbers that our side began to refer to.
fn referred_by(sides: &Sides<'_>, ours: &Changes) -> HashSet<i64, FixedState> {
    let changes = ours.by_key.iter();
    let refs = changes.filter(|((_, name), _)| sides.ours.is_ref(name));
    refs.flat_map(|(_, change)| change.added.iter().filter_map(Value::as_long))
        .collect()
}

/// The entities that a value of theirs names.
fn referred_in(sides: &Sides<'_>, name: &Value, value: &Value) -> Vec<i64> {
    if sides.theirs.is_ref(name) {
        return value.as_long().into_iter().collect();
    }
    let items = value.as_sequential().unwrap_or_default().iter().enumerate();
    items
        .filter(|(at, _)| part_is_ref(sides, name, *at))
        .filter_map(|(_, item)| item.as_long())
        .collect()
}

/// Whether an item of a tuple names an entity.
fn part_is_ref(sides: &Sides<'_>, name: &Value, at: usize) -> bool {
    let tuple = sides
        .theirs
        .declared(name)
        .and_then(|known| known.tuple.as_ref());
    match tuple {
        Some(TupleKind::Heterogeneous(types)) => types.get(at) == Some(&ValueType::Ref),
        Some(TupleKind::Homogeneous(of)) => *of == ValueType::Ref,
        Some(TupleKind::Composite(parts)) => {
            parts.get(at).is_some_and(|part| sides.theirs.is_ref(part))
        }
        None => false,
    }
}

fn has_refs(tuple: &TupleKind) -> bool {
    match tuple {
        TupleKind::Composite(_) => false,
        TupleKind::Heterogeneous(types) => types.contains(&ValueType::Ref),
        TupleKind::Homogeneous(of) => *of == ValueType::Ref,
    }
}
