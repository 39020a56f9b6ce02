//! Where two sides of a merge disagree, and what a strategy makes of it.

use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};

use super::change::{Change, Changes, Key, Side, shapes_schema};
use super::conflict::{Conflict, ConflictKind, Strategy};
use super::entity::{Sides, owner};
use crate::limits;
use crate::schema::Unique;
use crate::value::{Set, Value};

/// A merge at work: both sides' changes, theirs in our terms and changed by what is resolved.
pub(super) struct Resolver<'a> {
    pub(super) sides: Sides<'a>,
    pub(super) ours: Changes,
    pub(super) theirs: Changes,
    pub(super) strategy: Strategy,
    pub(super) conflicts: Vec<Conflict>,
}

impl Resolver<'_> {
    /// Finds every conflict and settles it as the strategy says.
    pub(super) fn resolve(&mut self) {
        self.retracted_entities();
        self.replaced_entities();
        self.values();
        self.narrowed_attributes();
        self.unique_values();
    }

    fn settled(&self) -> Option<Strategy> {
        Some(self.strategy).filter(|strategy| *strategy != Strategy::Fail)
    }

    /// Entities that one side retracted while the other changed them or began to refer to them.
    fn retracted_entities(&mut self) {
        let (ours, theirs) = (self.sides.ours, self.sides.theirs);
        let gone_there = entities(&self.theirs, |change| &change.removed);
        let gone_here = entities(&self.ours, |change| &change.removed);
        let touched_here = touched(&self.ours, |name| ours.is_ref(name));
        let touched_there = touched(&self.theirs, |name| theirs.is_ref(name));
        let there = gone_there.intersection(&touched_here);
        let there: Set = there
            .filter(|e| theirs.is_gone(e) && !ours.is_gone(e))
            .cloned()
            .collect();
        let here = gone_here.intersection(&touched_there);
        let here: Set = here
            .filter(|e| ours.is_gone(e) && !theirs.is_gone(e))
            .cloned()
            .collect();
        for e in there.iter().chain(&here) {
            self.entity_conflict(e, ConflictKind::EntityRetracted);
        }
        if self.strategy == Strategy::Theirs {
            there.iter().for_each(|e| self.retract_here(e));
            self.restore_here(&here);
        } else {
            self.theirs.forget(&there, |name| theirs.is_ref(name));
            self.theirs.forget(&here, |name| theirs.is_ref(name));
        }
    }

    /// Numbers that stand for another entity on one side while the other changed what they stood
    /// for, or began to refer to it.
    fn replaced_entities(&mut self) {
        let (ours, theirs) = (self.sides.ours, self.sides.theirs);
        let changed_there = entities(&self.theirs, |change| &change.removed);
        let changed_here = entities(&self.ours, |change| &change.removed);
        let touched_here = touched(&self.ours, |name| ours.is_ref(name));
        let touched_there = touched(&self.theirs, |name| theirs.is_ref(name));
        let there = changed_there.intersection(&touched_here);
        let there = there.filter(|e| self.is_replaced(e, &theirs));
        let here = changed_here.intersection(&touched_there);
        let here = here.filter(|e| self.is_replaced(e, &ours));
        let replaced: Set = there
            .chain(here)
            .filter(|e| !ours.is_gone(e) && !theirs.is_gone(e))
            .cloned()
            .collect();
        for e in &replaced {
            self.entity_conflict(e, ConflictKind::EntityReplaced);
        }
        if self.strategy != Strategy::Theirs {
            return self.theirs.forget(&replaced, |name| theirs.is_ref(name));
        }
        replaced.iter().for_each(|e| self.retract_here(e));
        self.restore_here(&replaced);
        for e in &replaced {
            for key in theirs.referring(e) {
                self.theirs.at(key).added.insert(e.clone());
            }
        }
    }

    /// Whether nothing of what an entity was is left on a side, or what named it names another.
    fn is_replaced(&self, e: &Value, side: &Side<'_>) -> bool {
        let now = side.facts(e);
        let before = self.sides.base.facts(e);
        let mut named = before.iter().filter(|(name, _)| {
            let declared = self.sides.base.declared(name);
            declared.is_some_and(|known| known.unique == Some(Unique::Identity))
        });
        let has_moved = |(name, value): &(Value, Value)| {
            owner(side, name, value).is_some_and(|owner| e.as_long() != Some(owner))
        };
        let is_left = |fact: &(Value, Value)| now.contains(fact);
        before.len() > 1 && !before.iter().any(is_left) || named.any(has_moved)
    }

    fn entity_conflict(&mut self, e: &Value, kind: ConflictKind) {
        let whole = |side: &Side<'_>| {
            let mut by_name: IndexMap<Value, Set, FixedState> = IndexMap::default();
            for (name, value) in side.facts(e).into_iter().take(limits::CONFLICT_FACTS) {
                by_name.entry(name).or_default().insert(value);
            }
            match by_name.is_empty() {
                true => Value::Nil,
                false => Value::map(by_name.into_iter().map(|(name, set)| (name, shown(set)))),
            }
        };
        self.conflicts.push(Conflict {
            kind,
            entity: e.clone(),
            identity: self.identity(e),
            attribute: Value::Nil,
            base: whole(&self.sides.base),
            ours: whole(&self.sides.ours),
            theirs: whole(&self.sides.theirs),
            resolution: self.settled(),
        });
    }

    /// Takes an entity that they retracted out of our side, with all that refers to it.
    fn retract_here(&mut self, e: &Value) {
        let ours = self.sides.ours;
        for (name, value) in ours.facts(e) {
            if !ours.is_composite(&name) {
                self.theirs.at((e.clone(), name)).removed.insert(value);
            }
        }
        for key in ours.referring(e) {
            self.theirs.at(key).removed.insert(e.clone());
        }
    }

    /// Brings entities that we retracted back as they are on their side, with what refers to them.
    fn restore_here(&mut self, gone: &Set) {
        let theirs = self.sides.theirs;
        for e in gone {
            let before = self.sides.base.facts(e);
            // What is there since stands among their changes already, under our names.
            for fact in theirs.facts(e) {
                if before.contains(&fact) && !theirs.is_composite(&fact.0) {
                    self.theirs.at((e.clone(), fact.0)).added.insert(fact.1);
                }
            }
        }
        let mut lost: Vec<(Key, Value)> = Vec::new();
        for (key, change) in &self.ours.by_key {
            let may_return = change.added.is_empty() || theirs.is_many(&key.1);
            if !may_return || !theirs.is_ref(&key.1) || change.removed.is_disjoint(gone) {
                continue;
            }
            let there = theirs.values(key);
            let removed = change
                .removed
                .iter()
                .filter(|e| gone.contains(*e) && there.contains(*e));
            lost.extend(removed.map(|e| (key.clone(), e.clone())));
        }
        for (key, e) in lost {
            self.theirs.at(key).added.insert(e);
        }
    }

    /// Single-valued attributes that both sides changed.
    fn values(&mut self) {
        let both = |key: &&Key| self.theirs.get(key).is_some() && self.ours.get(key).is_some();
        let keys: Vec<Key> = self.theirs.by_key.keys().filter(both).cloned().collect();
        let settled: Set = self.conflicts.iter().map(|c| c.entity.clone()).collect();
        for key in keys {
            if self.sides.ours.is_many(&key.1) || settled.contains(&key.0) {
                continue;
            }
            let (Some(ours), Some(theirs)) = (self.ours.get(&key), self.theirs.get(&key)) else {
                continue;
            };
            let kind = match (ours.added.is_empty(), theirs.added.is_empty()) {
                (true, true) => continue,
                _ if ours.added == theirs.added => continue,
                (false, true) if self.went_with_target(theirs, &key.1, Strategy::Theirs) => {
                    *self.theirs.at(key) = Change::default();
                    continue;
                }
                (true, false) if self.went_with_target(ours, &key.1, Strategy::Ours) => continue,
                _ if shapes_schema(&key.1) && key.1 != Value::keyword("db/doc") => {
                    ConflictKind::Schema
                }
                (true, _) | (_, true) => ConflictKind::EditRetract,
                _ => ConflictKind::EditEdit,
            };
            self.value_conflict(&key, kind, self.settled());
            match self.strategy {
                Strategy::Theirs => self.replace_here(key),
                _ => *self.theirs.at(key) = Change::default(),
            }
        }
    }

    /// Whether a reference was removed only because the entity it named was retracted.
    fn went_with_target(&self, change: &Change, name: &Value, by: Strategy) -> bool {
        let side = match by {
            Strategy::Theirs => self.sides.theirs,
            _ => self.sides.ours,
        };
        side.is_ref(name) && change.removed.iter().all(|e| side.is_gone(e))
    }

    /// What we have under a key gives way to what they have.
    fn replace_here(&mut self, key: Key) {
        let ours = self.sides.ours.values(&key);
        let change = self.theirs.at(key);
        change.removed = ours;
        let added = change.added.clone();
        change.removed.retain(|value| !added.contains(value));
    }

    /// Attributes that have one value per entity on one side only: what comes together may be more.
    fn narrowed_attributes(&mut self) {
        let (ours, theirs) = (self.sides.ours, self.sides.theirs);
        let is_narrowed = |name: &Value| {
            ours.declared(name).is_some()
                && theirs.declared(name).is_some()
                && ours.is_many(name) != theirs.is_many(name)
        };
        let keys = self.theirs.by_key.keys().chain(self.ours.by_key.keys());
        let keys: IndexSet<Key, FixedState> = keys
            .filter(|(_, name)| is_narrowed(name))
            .cloned()
            .collect();
        for key in keys {
            let change = self.theirs.get(&key).cloned().unwrap_or_default();
            let mut merged = ours.values(&key);
            merged.retain(|value| !change.removed.contains(value));
            merged.extend(change.added);
            if merged.len() > 1 {
                // Only the narrower side can be kept, and only where it is ours.
                let keeps_ours = self.strategy == Strategy::Ours && !ours.is_many(&key.1);
                self.value_conflict(
                    &key,
                    ConflictKind::Schema,
                    keeps_ours.then_some(Strategy::Ours),
                );
                *self.theirs.at(key) = Change::default();
            }
        }
    }

    /// Unique values that they gave to one entity and that another has on our side.
    fn unique_values(&mut self) {
        let mut given: Vec<(Key, Value)> = Vec::new();
        for (key, change) in &self.theirs.by_key {
            given.extend(
                change
                    .added
                    .iter()
                    .map(|value| (key.clone(), value.clone())),
            );
        }
        let parts = given.len();
        let changed: Set = self.theirs.by_key.keys().map(|(e, _)| e.clone()).collect();
        given.extend(self.theirs.tuples.iter().cloned());
        for (at, (key, value)) in given.into_iter().enumerate() {
            let is_unique = |side: &Side<'_>| {
                side.declared(&key.1)
                    .is_some_and(|known| known.unique.is_some())
            };
            if !is_unique(&self.sides.ours) && !is_unique(&self.sides.theirs) {
                continue;
            }
            let Some(holder) = owner(&self.sides.ours, &key.1, &value).map(Value::Long) else {
                continue;
            };
            let there: Key = (holder.clone(), key.1.clone());
            let is_freed = |changes: &Changes| {
                changes.get(&there).is_some_and(|change| {
                    change.removed.contains(&value) && !change.added.contains(&value)
                })
            };
            let tuple_follows = at >= parts && changed.contains(&holder);
            if holder == key.0 || is_freed(&self.theirs) || tuple_follows {
                continue;
            }
            self.unique_conflict(&key, &value, &holder, at < parts);
            match self.strategy {
                Strategy::Theirs => {
                    self.theirs.at(there).removed.insert(value);
                }
                _ => *self.theirs.at(key) = Change::default(),
            }
        }
    }

    fn unique_conflict(&mut self, key: &Key, value: &Value, holder: &Value, is_written: bool) {
        self.conflicts.push(Conflict {
            kind: ConflictKind::Unique,
            entity: key.0.clone(),
            identity: Value::Nil,
            attribute: key.1.clone(),
            base: value.clone(),
            ours: holder.clone(),
            theirs: key.0.clone(),
            // A tuple that follows from its parts cannot be left out, nor taken from its entity.
            resolution: self.settled().filter(|_| is_written),
        });
    }

    fn value_conflict(&mut self, key: &Key, kind: ConflictKind, resolution: Option<Strategy>) {
        let base = self.sides.base.values(key);
        let theirs_change = self.theirs.get(key).cloned().unwrap_or_default();
        let mut theirs = base.clone();
        theirs.retain(|value| !theirs_change.removed.contains(value));
        theirs.extend(theirs_change.added);
        self.conflicts.push(Conflict {
            kind,
            entity: key.0.clone(),
            identity: self.identity(&key.0),
            attribute: key.1.clone(),
            base: shown(base),
            ours: shown(self.sides.ours.values(key)),
            theirs: shown(theirs),
            resolution,
        });
    }

    /// A lookup ref by which an entity is known on our side, or was before.
    fn identity(&self, e: &Value) -> Value {
        let sides = [self.sides.ours, self.sides.base];
        let identity = sides.into_iter().find_map(|side| {
            let facts = side.facts(e).into_iter();
            let mut names = facts.filter(|(name, _)| {
                let declared = side.declared(name);
                declared.is_some_and(|known| known.unique.is_some()) && !side.is_composite(name)
            });
            names
                .next()
                .map(|(name, value)| Value::vector([name, value]))
        });
        identity.unwrap_or_default()
    }
}

/// One value as it is, several as a set.
fn shown(mut values: Set) -> Value {
    match values.len() {
        0 | 1 => values.pop().unwrap_or_default(),
        _ => Value::set(values),
    }
}

fn entities(changes: &Changes, of: impl Fn(&Change) -> &Set) -> Set {
    let changes = changes.by_key.iter();
    let some = changes.filter(|(_, change)| !of(change).is_empty());
    some.map(|((e, _), _)| e.clone()).collect()
}

/// The entities that got a value, and those that others began to refer to.
fn touched(changes: &Changes, is_ref: impl Fn(&Value) -> bool) -> Set {
    let mut touched = entities(changes, |change| &change.added);
    for ((_, name), change) in &changes.by_key {
        if is_ref(name) {
            touched.extend(change.added.iter().cloned());
        }
    }
    touched
}
