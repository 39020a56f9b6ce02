//! Walking a shape over entities, with a stack of its own.
//!
//! Two kinds of frame alternate: a list of entities whose maps become a value of the map above,
//! and one entity whose attributes fill a map. A trail remembers which entities a recursion came
//! through, so that a cycle ends in `{:db/id n}`.

use std::slice;
use std::vec;

use super::shape::{Below, Shape, Spec};
use crate::datom::{AttrId, EntityId};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::index::{Cell, Row};
use crate::limits::{PULL_DEPTH, PULL_ITEMS, PULL_VALUES};
use crate::schema::ValueType;
use crate::value::{Map, Value};

/// The maps of the entities that have anything of a shape, in order.
pub(super) fn walk(db: &Db, shape: &Shape, entities: Vec<i64>) -> Result<Vec<Value>> {
    walk_within(PULL_ITEMS, db, shape, entities)
}

/// As [`walk`], with at most so many entities and values for each of the given entities.
pub(super) fn walk_within(
    items_max: usize,
    db: &Db,
    shape: &Shape,
    entities: Vec<i64>,
) -> Result<Vec<Value>> {
    let everything = Shape::everything();
    let root = List {
        shape,
        entities: entities.into_iter(),
        key: Value::Nil,
        is_many: true,
        recursive: false,
        trail: NOWHERE,
        maps: Vec::new(),
    };
    let mut walk = Walk {
        db,
        everything: &everything,
        stack: Vec::new(),
        trails: Vec::new(),
        items: 0,
        items_max,
    };
    walk.run(root)
}

struct Walk<'p> {
    db: &'p Db,
    everything: &'p Shape,
    stack: Vec<Frame<'p>>,
    trails: Vec<Trail>,
    items: usize,
    items_max: usize,
}

enum Frame<'p> {
    List(List<'p>),
    Entity(Entity<'p>),
}

/// Entities still to be returned.
struct List<'p> {
    shape: &'p Shape,
    entities: vec::IntoIter<i64>,
    /// Where they go in the map above; `nil` at the root.
    key: Value,
    /// Whether that is a vector.
    is_many: bool,
    /// Whether the shape is that of the entity above, again.
    recursive: bool,
    trail: TrailId,
    maps: Vec<Value>,
}

/// An entity with attributes still to be returned.
struct Entity<'p> {
    e: i64,
    shape: &'p Shape,
    /// Of a wildcard: the attributes it has.
    found: vec::IntoIter<AttrId>,
    /// Of a wildcard: what comes after those.
    backward: Option<&'p Shape>,
    specs: slice::Iter<'p, Spec>,
    trail: TrailId,
    map: Map,
}

/// An entity that a recursion came through, by which key, and from where.
struct Trail {
    from: TrailId,
    key: Value,
    e: i64,
}

type TrailId = usize;
const NOWHERE: TrailId = usize::MAX;

impl<'p> Walk<'p> {
    fn run(&mut self, root: List<'p>) -> Result<Vec<Value>> {
        self.stack.push(Frame::List(root));
        loop {
            // Taken off, worked on, and put back: the work may put another frame on top.
            match self.stack.pop() {
                Some(Frame::List(mut list)) => match list.entities.next() {
                    Some(e) => self.start(list, e)?,
                    None if self.stack.is_empty() => return Ok(list.maps),
                    None => self.deliver(list),
                },
                Some(Frame::Entity(mut entity)) => {
                    let below = match self.next_attribute(&mut entity)? {
                        Step::Done => {
                            self.finish(entity);
                            continue;
                        }
                        Step::Filled => None,
                        Step::Below(list) => Some(list),
                    };
                    self.stack.push(Frame::Entity(entity));
                    self.stack.extend(below.map(Frame::List));
                }
                None => return Ok(Vec::new()),
            }
        }
    }

    /// Begins the next entity of a list, or cuts a cycle.
    fn start(&mut self, mut list: List<'p>, e: i64) -> Result<()> {
        self.count(1)?;
        let wildcard = list.shape.wildcard;
        // A recursion marks the entity before it looks, so a wildcard within finds it seen.
        if ((wildcard || list.recursive) && self.is_seen(list.trail, e))
            || (wildcard && list.recursive)
        {
            list.maps.push(Value::map([id_entry(e)]));
            self.stack.push(Frame::List(list));
            return Ok(());
        }
        if self.stack.len() / 2 > PULL_DEPTH {
            let message = format!("A pull goes deeper than {PULL_DEPTH} levels");
            return Err(Error::new(Code::Limit, message));
        }
        let mut trail = list.trail;
        if list.recursive || (wildcard && !list.key.is_nil()) {
            trail = self.leave(list.trail, &list.key, e);
        }
        let mut entity = Entity {
            e,
            shape: list.shape,
            found: Vec::new().into_iter(),
            backward: None,
            specs: [].iter(),
            trail,
            map: Map::default(),
        };
        if wildcard {
            entity.found = self.db.attributes_of(EntityId(e)).into_iter();
            entity.backward = list.shape.backward.as_deref();
            entity.map.extend([id_entry(e)]);
        } else {
            entity.specs = list.shape.specs.iter();
        }
        self.stack.push(Frame::List(list));
        self.stack.push(Frame::Entity(entity));
        Ok(())
    }

    /// Puts a finished list into the map of the entity below it on the stack.
    fn deliver(&mut self, mut list: List<'p>) {
        let Some(Frame::Entity(entity)) = self.stack.last_mut() else {
            return;
        };
        if list.is_many {
            entity.map.insert(list.key, Value::from(list.maps));
        } else if !list.maps.is_empty() {
            entity.map.insert(list.key, list.maps.swap_remove(0));
        }
    }

    /// Adds a finished entity to the list below it on the stack.
    fn finish(&mut self, entity: Entity<'p>) {
        if let Some(Frame::List(list)) = self.stack.last_mut()
            && !entity.map.is_empty()
        {
            list.maps.push(Value::from(entity.map));
        }
    }

    /// Does the entity's next attribute.
    fn next_attribute(&mut self, entity: &mut Entity<'p>) -> Result<Step<'p>> {
        if let Some(a) = entity.found.next() {
            let name = self.db.ident(a);
            return match entity.shape.spec(name) {
                Some(spec) => self.forward(entity, a, &Ask::of(spec), &spec.below),
                None => self.forward(entity, a, &Ask::plain(name), &Below::Default),
            };
        }
        if let Some(backward) = entity.backward.take() {
            entity.shape = backward;
            entity.specs = backward.specs.iter();
            entity.trail = NOWHERE;
        }
        let Some(spec) = entity.specs.next() else {
            return Ok(Step::Done);
        };
        if spec.is_id() {
            if self.has_datoms(entity.e) {
                entity.map.extend([id_entry(entity.e)]);
            }
            return Ok(Step::Filled);
        }
        let ask = Ask::of(spec);
        match self.db.attr_of(&spec.name) {
            Some(a) if spec.reverse => self.backward(entity, a, &ask, &spec.below),
            Some(a) => self.forward(entity, a, &ask, &spec.below),
            None => Ok(fill_default(entity, &ask)),
        }
    }

    /// The values of one of the entity's own attributes.
    fn forward(
        &mut self,
        entity: &mut Entity<'p>,
        a: AttrId,
        ask: &Ask<'_>,
        below: &'p Below,
    ) -> Result<Step<'p>> {
        let rows = self.db.first_rows_of(EntityId(entity.e), a, ask.limit);
        let declared = self.db.attribute(a);
        let is_many = declared.is_some_and(|attribute| attribute.is_many());
        if rows.is_empty() {
            return Ok(fill_default(entity, ask));
        }
        if matches!(below, Below::Default) && !declared.is_some_and(|a| a.is_ref() && a.component) {
            let points = declared.is_some_and(|attribute| {
                attribute.is_ref()
                    || (self.db.options().attribute_refs && is_system_ref(attribute.value_type))
            });
            self.count(rows.len())?;
            let value = |row: &Row| match row.v.as_long() {
                Some(e) if points => self.id_map(e),
                _ => self.db.value(row.v),
            };
            let value = if is_many {
                Value::vector(rows.iter().map(value))
            } else {
                rows.first().map(value).unwrap_or_default()
            };
            entity.map.insert(ask.key.clone(), value);
            return Ok(Step::Filled);
        }
        let entities = rows
            .iter()
            .map(|row| self.entity_in(row.v))
            .collect::<Result<Vec<_>>>()?;
        Ok(self.below(entity, ask, below, entities, is_many))
    }

    /// The entities that refer to this one.
    fn backward(
        &mut self,
        entity: &mut Entity<'p>,
        a: AttrId,
        ask: &Ask<'_>,
        below: &'p Below,
    ) -> Result<Step<'p>> {
        let rows = self.db.first_rows_with(a, Cell::long(entity.e), ask.limit);
        if rows.is_empty() {
            return Ok(fill_default(entity, ask));
        }
        let declared = self.db.attribute(a);
        let is_many = !declared.is_some_and(|attribute| attribute.is_ref() && attribute.component);
        let is_ref = declared.is_some_and(|attribute| attribute.is_ref());
        let entities: Vec<i64> = rows.iter().map(|row| row.e).collect();
        if !matches!(below, Below::Default) {
            return Ok(self.below(entity, ask, below, entities, is_many));
        }
        self.count(rows.len())?;
        let value = |e: &i64| {
            if is_ref {
                self.id_map(*e)
            } else {
                Value::Long(*e)
            }
        };
        let value = if is_many {
            Value::vector(entities.iter().map(value))
        } else {
            entities.first().map(value).unwrap_or_default()
        };
        entity.map.insert(ask.key.clone(), value);
        Ok(Step::Filled)
    }

    /// The list of entities below an attribute.
    fn below(
        &mut self,
        entity: &Entity<'p>,
        ask: &Ask<'_>,
        below: &'p Below,
        entities: Vec<i64>,
        is_many: bool,
    ) -> Step<'p> {
        let (shape, recursive, trail) = match below {
            Below::Shape(shape) => (shape, false, NOWHERE),
            Below::Again(Some(levels)) if self.levels(entity.trail, ask.key) >= *levels => {
                return Step::Filled;
            }
            Below::Again(_) => (entity.shape, true, entity.trail),
            Below::Default => {
                let trail = self.leave(entity.trail, ask.key, entity.e);
                (self.everything, false, trail)
            }
        };
        Step::Below(List {
            shape,
            entities: entities.into_iter(),
            key: ask.key.clone(),
            is_many,
            recursive,
            trail,
            maps: Vec::new(),
        })
    }

    fn leave(&mut self, from: TrailId, key: &Value, e: i64) -> TrailId {
        self.trails.push(Trail {
            from,
            key: key.clone(),
            e,
        });
        self.trails.len() - 1
    }

    fn trail(&self, last: TrailId) -> impl Iterator<Item = &Trail> {
        let first = self.trails.get(last);
        std::iter::successors(first, |trail| self.trails.get(trail.from))
    }

    fn is_seen(&self, last: TrailId, e: i64) -> bool {
        self.trail(last).any(|trail| trail.e == e)
    }

    /// How many levels of this recursion lie above.
    fn levels(&self, last: TrailId, key: &Value) -> usize {
        self.trail(last).filter(|trail| trail.key == *key).count()
    }

    /// Entities and values so far are kept below a limit: a web of references has far more paths
    /// than entities.
    fn count(&mut self, items: usize) -> Result<()> {
        // Each entity asked for has a budget of its own.
        if self.stack.is_empty() {
            self.items = 0;
        }
        self.items += items;
        if self.items <= self.items_max {
            return Ok(());
        }
        let message = format!(
            "A pull returns more than {} entities and values",
            self.items_max
        );
        Err(Error::new(Code::Limit, message))
    }

    fn has_datoms(&self, e: i64) -> bool {
        let e = EntityId(e);
        self.db
            .attributes_of(e)
            .into_iter()
            .any(|a| !self.db.first_rows_of(e, a, 1).is_empty())
    }

    /// The entity that a value below a pattern stands for.
    fn entity_in(&self, cell: Cell) -> Result<i64> {
        match cell.as_long() {
            Some(e) => Ok(e),
            None => Ok(self.db.entid_strict(&self.db.value(cell))?.0),
        }
    }

    /// How a reference shows that nothing more is asked of.
    fn id_map(&self, e: i64) -> Value {
        let id = id_entry(e);
        match self.db.schema().ident_of(EntityId(e)) {
            Some(ident) if self.db.options().attribute_refs => {
                Value::map([id, (Value::keyword("db/ident"), ident.clone().into())])
            }
            _ => Value::map([id]),
        }
    }
}

/// What comes of one attribute.
enum Step<'p> {
    /// There was none left.
    Done,
    /// The map has it, or there is nothing to have.
    Filled,
    /// These entities come first.
    Below(List<'p>),
}

/// What a pattern says of an attribute beside what lies below it.
struct Ask<'s> {
    key: &'s Value,
    limit: usize,
    default: Option<&'s Value>,
}

impl<'s> Ask<'s> {
    fn of(spec: &'s Spec) -> Ask<'s> {
        Ask {
            key: &spec.key,
            limit: spec.limit,
            default: spec.default.as_ref(),
        }
    }

    fn plain(name: &'s Value) -> Ask<'s> {
        Ask {
            key: name,
            limit: PULL_VALUES,
            default: None,
        }
    }
}

fn fill_default<'p>(entity: &mut Entity<'p>, ask: &Ask<'_>) -> Step<'p> {
    if let Some(default) = ask.default {
        entity.map.insert(ask.key.clone(), default.clone());
    }
    Step::Filled
}

fn id_entry(e: i64) -> (Value, Value) {
    (Value::keyword("db/id"), Value::Long(e))
}

/// Whether a system attribute's values are entities of the system schema.
fn is_system_ref(value_type: Option<ValueType>) -> bool {
    let refs = [
        ValueType::ValueType,
        ValueType::Cardinality,
        ValueType::Unique,
    ];
    value_type.is_some_and(|value_type| refs.contains(&value_type))
}
