//! Three-way merge: their changes since a common past, as transaction data for our side.

use super::change::{Change, Changes, Key, Side, shapes_schema};
use super::conflict::{Conflict, Strategy, refusal};
use super::diff;
use super::entity::{Renaming, Sides};
use super::resolve::Resolver;
use crate::datom::EntityId;
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::fault;
use crate::value::Value;

/// What a merge would do.
#[derive(Clone, Debug, Default)]
pub struct MergePlan {
    /// Transaction data that bring their changes to our side; an empty vector if there are none.
    pub tx_data: Value,
    /// What both sides disagree on, each with the side that was taken.
    pub conflicts: Vec<Conflict>,
    /// Entities they made that are called otherwise here: by the number of the entity that has
    /// the same identity, or by a tempid.
    pub renamed: Vec<(EntityId, Value)>,
}

/// The changes from `base` to `theirs`, as transaction data for `ours`. Pure: nothing is stored.
///
/// - An entity that they made is ours if ours has the same unique identity. Else it keeps its
///   number, unless a number of theirs means something else here: then all they made get tempids.
/// - What they said of their own transactions stays with their branch; a reference to one becomes
///   a reference to the transaction of the merge.
/// - Composite tuples follow from their parts and are not written.
/// - Cost: that of the two differences from `base`, and O(attributes · log) for each entity that
///   both sides touched.
/// - Errors: [`Code::MergeConflict`] if the sides disagree and the strategy does not say who
///   gives way, or cannot; its data list the conflicts. [`Code::DbValueRequired`] for a history.
pub fn merge(base: &Db, ours: &Db, theirs: &Db, strategy: Strategy) -> Result<MergePlan> {
    if [base, ours, theirs].iter().any(|db| db.view().history) {
        let message = "A merge is between database values at a point in time, not histories";
        return Err(Error::new(Code::DbValueRequired, message));
    }
    fault::catch(|| {
        let side = |db| Side { base, db };
        let sides = Sides {
            base: side(base),
            ours: side(ours),
            theirs: side(theirs),
        };
        let changes =
            |to: &Side<'_>| Ok::<_, Error>(Changes::new(&sides.base, to, &diff(base, to.db)?));
        let here = changes(&sides.ours)?;
        let there = changes(&sides.theirs)?;
        let renaming = Renaming::new(&sides, &here, &there);
        let mut resolver = Resolver {
            sides,
            ours: here,
            theirs: renaming.apply(&sides, there),
            strategy,
            conflicts: Vec::new(),
        };
        resolver.resolve();
        let Resolver {
            theirs, conflicts, ..
        } = resolver;
        if conflicts
            .iter()
            .any(|conflict| conflict.resolution.is_none())
        {
            return Err(refusal(&conflicts));
        }
        Ok(MergePlan {
            tx_data: tx_data(&sides, &theirs),
            conflicts,
            renamed: renaming.renamed(),
        })
    })
}

/// Forms in an order in which each is possible: values go before others come, so that unique
/// values are free, and attributes are declared before they are used.
fn tx_data(sides: &Sides<'_>, theirs: &Changes) -> Value {
    let mut forms = Forms::default();
    for (key, change) in &theirs.by_key {
        forms.change(sides, key, change);
    }
    forms.finish()
}

#[derive(Default)]
struct Forms {
    retracted: Vec<Value>,
    undeclared: Vec<Value>,
    declared: Vec<Value>,
    added: Vec<(Value, Value, Value)>,
}

impl Forms {
    fn change(&mut self, sides: &Sides<'_>, key: &Key, change: &Change) {
        let here = sides.ours.values(key);
        let of_schema = shapes_schema(&key.1);
        let name = attribute_name(sides, &key.1);
        let declared = sides.ours.declared(&key.1);
        let replaces = declared.is_none_or(|known| !known.is_many() && known.unique.is_none());
        let added: Vec<&Value> = change.added.iter().filter(|v| !here.contains(*v)).collect();
        let left = change.removed.iter().filter(|v| !change.added.contains(*v));
        for value in left {
            if here.contains(value) && (added.is_empty() || !replaces) {
                let form = form("db/retract", &key.0, &name, value);
                match of_schema {
                    true => self.undeclared.push(form),
                    false => self.retracted.push(form),
                }
            }
        }
        for value in added {
            match of_schema {
                true => self.declared.push(form("db/add", &key.0, &name, value)),
                false => self
                    .added
                    .push((key.0.clone(), name.clone(), value.clone())),
            }
        }
    }

    fn finish(self) -> Value {
        let mut forms = self.retracted;
        forms.extend(self.undeclared);
        forms.extend(self.declared);
        for (e, name, value) in &self.added {
            forms.push(form("db/add", e, name, value));
        }
        Value::from(forms)
    }
}

/// How a form names an attribute: by its entity where it may have been renamed.
fn attribute_name(sides: &Sides<'_>, name: &Value) -> Value {
    let before = sides.base.declared(name).and_then(|known| known.entity);
    match before.filter(|_| sides.ours.db.options().attribute_refs) {
        Some(e) => Value::Long(e.0),
        None => name.clone(),
    }
}

fn form(operation: &str, e: &Value, name: &Value, value: &Value) -> Value {
    Value::vector([
        Value::keyword(operation),
        e.clone(),
        name.clone(),
        value.clone(),
    ])
}
