//! A graph read from the runs of a database.

use std::cmp::Ordering;

use num_traits::ToPrimitive;

use super::held::{Graph, Weighing};
use super::options::refused;
use super::spec::{Direction, Edges, Spec};
use crate::datom::AttrId;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::exec::budget::Budget;
use crate::graph::{GraphFunction, Links, Numbering, Pairs};
use crate::index::{Cell, Chunk, Extra, Kind, Row, SortOrder};
use crate::value::Value;

/// Reads graphs for a call.
pub(super) struct Reader<'a> {
    pub(super) db: &'a Db,
    pub(super) function: GraphFunction,
    pub(super) budget: &'a Budget,
}

/// Entities and values of datoms, by entity.
#[derive(Default)]
struct Datoms {
    entities: Vec<i64>,
    values: Vec<i64>,
}

/// Links between entities, and the entity that makes each.
#[derive(Default)]
struct Found {
    from: Vec<i64>,
    to: Vec<i64>,
    makers: Vec<i64>,
}

impl Reader<'_> {
    /// Reads a graph. In a history it has every link that ever was.
    ///
    /// Cost: O(datoms of its attributes).
    pub(super) fn read(&self, spec: &Spec) -> Result<Graph> {
        let mut found = Found::default();
        match &spec.edges {
            Edges::Attributes(attributes) => {
                for (attribute, direction) in attributes {
                    let datoms = self.datoms(*attribute)?;
                    found.makers.extend_from_slice(&datoms.entities);
                    let (near, far) = match direction {
                        Direction::In => (datoms.values, datoms.entities),
                        _ => (datoms.entities, datoms.values),
                    };
                    found.from.extend(near);
                    found.to.extend(far);
                    self.budget.check_rows(found.from.len(), 3)?;
                }
            }
            Edges::Entities { from, to } => self.entities(*from, *to, &mut found)?,
        }
        if let Some(nodes) = &spec.nodes {
            found.keep(nodes);
        }
        let (weights, weighing) = match spec.weight {
            Some(weight) => self.weights(weight, &found.makers)?,
            None => (Vec::new(), Weighing::Long),
        };
        let Found {
            mut from,
            mut to,
            makers,
        } = found;
        drop(makers);
        let numbering = Numbering::new(&[&from, &to]);
        if spec.direction == Direction::In {
            std::mem::swap(&mut from, &mut to);
        }
        let mut pairs = Pairs {
            from: numbering.number(&from),
            to: numbering.number(&to),
            weights,
        };
        drop((from, to));
        if spec.direction == Direction::Both {
            self.budget
                .check_rows(pairs.from.len().saturating_mul(2), 3)?;
            let (from, to) = (pairs.from.clone(), pairs.to.clone());
            pairs.from.extend(to);
            pairs.to.extend(from);
            pairs.weights.extend_from_within(..);
        }
        let links = Links::new(numbering.ids().len(), pairs);
        Ok(Graph::new(numbering, links, weighing))
    }

    /// The datoms of an attribute of references.
    fn datoms(&self, attribute: AttrId) -> Result<Datoms> {
        let mut datoms = Datoms::default();
        let Some(run) = self.db.run(attribute, SortOrder::ByEntity) else {
            return Ok(datoms);
        };
        self.budget.check_rows(run.len(), 3)?;
        datoms.entities.reserve_exact(run.len());
        datoms.values.reserve_exact(run.len());
        for chunk in run.chunks() {
            self.budget.check()?;
            if chunk.v.kind() != Some(Kind::Long) {
                self.check_references(attribute, chunk)?;
            }
            let values = chunk.v.bits().iter().map(|&bits| bits as i64);
            match &chunk.extra {
                Some(added) if run.extra() == Extra::Added => {
                    let rows = chunk.e.iter().zip(values).zip(added.iter());
                    for ((entity, value), _) in rows.filter(|(_, added)| **added == 1) {
                        datoms.entities.push(*entity);
                        datoms.values.push(value);
                    }
                }
                _ => {
                    datoms.entities.extend_from_slice(&chunk.e);
                    datoms.values.extend(values);
                }
            }
        }
        Ok(datoms)
    }

    fn check_references(&self, attribute: AttrId, chunk: &Chunk) -> Result<()> {
        let Some(other) = chunk.v.cells().find(|cell| cell.kind != Kind::Long) else {
            return Ok(());
        };
        let (name, value) = (self.db.ident(attribute), self.db.value(other));
        let message = format!("expects references as values of {name}, found {value}");
        Err(refused(self.function, message)
            .with("attribute", name.clone())
            .with("value", value))
    }

    /// Links made by entities of their own: each from every `from` to every `to` it has.
    fn entities(&self, from: AttrId, to: AttrId, found: &mut Found) -> Result<()> {
        let (from, to) = (self.datoms(from)?, self.datoms(to)?);
        let (mut near, mut far) = (0, 0);
        while let (Some(&a), Some(&b)) = (from.entities.get(near), to.entities.get(far)) {
            match a.cmp(&b) {
                Ordering::Less => near += 1,
                Ordering::Greater => far += 1,
                Ordering::Equal => {
                    let same = |rows: &[i64]| rows.iter().take_while(|&&e| e == a).count();
                    let nears = near..near + same(&from.entities[near..]);
                    let fars = far..far + same(&to.entities[far..]);
                    let links = nears.len().saturating_mul(fars.len());
                    if links > 1 || near % Budget::CHECK_ROWS == 0 {
                        let rows = found.from.len().saturating_add(links);
                        self.budget.check_rows(rows, 3)?;
                    }
                    for start in &from.values[nears.clone()] {
                        for end in &to.values[fars.clone()] {
                            found.from.push(*start);
                            found.to.push(*end);
                            found.makers.push(a);
                        }
                    }
                    (near, far) = (nears.end, fars.end);
                }
            }
        }
        Ok(())
    }

    /// What links weigh, by the entities that make them; 1 where one has no weight.
    ///
    /// Integers stay integers unless a way could add up to more than one holds.
    fn weights(&self, attribute: AttrId, makers: &[i64]) -> Result<(Vec<u64>, Weighing)> {
        let (entities, values) = self.weight_datoms(attribute)?;
        let mut at = 0;
        let mut weights = Vec::with_capacity(makers.len());
        for (row, &maker) in makers.iter().enumerate() {
            if row % Budget::CHECK_ROWS == 0 {
                self.budget.check()?;
            }
            if row > 0 && maker < makers[row - 1] {
                at = 0;
            }
            while entities.get(at).is_some_and(|&entity| entity < maker) {
                at += 1;
            }
            let mut weight = None;
            let mut next = at;
            while entities.get(next) == Some(&maker) {
                let other = self.weight(attribute, maker, &values[next])?;
                weight = Some(match weight {
                    Some(least) if other.cost() > Weight::cost(&least) => least,
                    _ => other,
                });
                next += 1;
            }
            weights.push(weight.unwrap_or(Weight::Long(1)));
        }
        let total: Option<i64> = weights.iter().try_fold(0i64, |sum, weight| match weight {
            Weight::Long(weight) => sum.checked_add(*weight),
            Weight::Double(_) => None,
        });
        Ok(match total {
            Some(_) => (
                weights.iter().map(Weight::long_bits).collect(),
                Weighing::Long,
            ),
            None => {
                let bits = weights.iter().map(|weight| weight.cost().to_bits());
                (bits.collect(), Weighing::Double)
            }
        })
    }

    /// Entities and what they weigh.
    fn weight_datoms(&self, attribute: AttrId) -> Result<(Vec<i64>, Vec<Cell>)> {
        let Some(run) = self.db.run(attribute, SortOrder::ByEntity) else {
            return Ok((Vec::new(), Vec::new()));
        };
        self.budget.check_rows(run.len(), 3)?;
        let is_so = |row: &Row| run.extra() != Extra::Added || row.extra == 1;
        let rows = run.rows().filter(is_so);
        Ok(rows.map(|row| (row.e, row.v)).unzip())
    }

    fn weight(&self, attribute: AttrId, maker: i64, cell: &Cell) -> Result<Weight> {
        let weight = match cell.kind {
            Kind::Long => Some(Weight::Long(cell.bits as i64)),
            Kind::Double | Kind::Float => Some(Weight::Double(f64::from_bits(cell.bits))),
            _ => number(&self.db.value(*cell)).map(Weight::Double),
        };
        // Minus nothing is nothing, but its bits order after all others.
        let weight = weight.map(|weight| match weight {
            Weight::Double(weight) => Weight::Double(weight + 0.0),
            long => long,
        });
        let is_sound = |weight: &Weight| weight.cost() >= 0.0 && weight.cost().is_finite();
        weight
            .filter(is_sound)
            .ok_or_else(|| self.bad_weight(attribute, maker, &self.db.value(*cell)))
    }

    fn bad_weight(&self, attribute: AttrId, maker: i64, weight: &Value) -> Error {
        let name = self.db.ident(attribute);
        let message = format!(
            "expects weights that are numbers and not negative, found {weight} as {name} of {maker}"
        );
        refused(self.function, message)
            .with("attribute", name.clone())
            .with("entity", maker)
            .with("value", weight.clone())
    }
}

/// What a link weighs.
#[derive(Clone, Copy)]
enum Weight {
    Long(i64),
    Double(f64),
}

impl Weight {
    fn cost(&self) -> f64 {
        match self {
            Weight::Long(weight) => *weight as f64,
            Weight::Double(weight) => *weight,
        }
    }

    fn long_bits(&self) -> u64 {
        match self {
            Weight::Long(weight) => *weight as u64,
            Weight::Double(weight) => *weight as u64,
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::BigInt(number) => number.to_f64(),
        Value::BigDec(number) => number.to_f64(),
        Value::Ratio(number) => number.to_f64(),
        _ => None,
    }
}

impl Found {
    /// Only links between these nodes, which rise.
    fn keep(&mut self, nodes: &[i64]) {
        let has = |id: i64| nodes.binary_search(&id).is_ok();
        let is_within = |row: &usize| has(self.from[*row]) && has(self.to[*row]);
        let rows: Vec<usize> = (0..self.from.len()).filter(is_within).collect();
        for column in [&mut self.from, &mut self.to, &mut self.makers] {
            *column = rows.iter().map(|&row| column[row]).collect();
        }
    }
}
