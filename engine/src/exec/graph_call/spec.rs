//! Which graph a call speaks of, and how it is to be walked.

use super::options::{Entry, entries, refused};
use crate::datom::AttrId;
use crate::db::Db;
use crate::error::Result;
use crate::graph::{GraphFunction, RankOptions};
use crate::schema::ValueType;
use crate::value::{Keyword, Value};

/// A graph within a database: which links, and which way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spec {
    pub(super) edges: Edges,
    pub(super) direction: Direction,
    /// The attribute that weighs a link; it belongs to the entity that makes it.
    pub(super) weight: Option<AttrId>,
    /// The only nodes that count, rising.
    pub(super) nodes: Option<Vec<i64>>,
}

/// What makes a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Edges {
    /// Each datom of the attributes, some of them read from value to entity.
    Attributes(Vec<(AttrId, Direction)>),
    /// Each entity that has both.
    Entities { from: AttrId, to: AttrId },
}

/// Which way links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Out,
    In,
    Both,
}

impl Direction {
    fn named(value: &Value) -> Option<Direction> {
        match value.as_keyword()?.as_str() {
            "out" => Some(Direction::Out),
            "in" => Some(Direction::In),
            "both" => Some(Direction::Both),
            _ => None,
        }
    }
}

/// How a function goes about its graph.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    pub(super) depth_max: Option<u32>,
    pub(super) rank: RankOptions,
    pub(super) rounds: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            depth_max: None,
            rank: RankOptions::default(),
            rounds: 10,
        }
    }
}

/// What a call says of its graph, gathered from the graph itself and the options after it.
#[derive(Default)]
struct Sayings {
    attributes: Option<Vec<(AttrId, Direction)>>,
    from: Option<AttrId>,
    to: Option<AttrId>,
    direction: Option<Direction>,
    weight: Option<AttrId>,
    nodes: Option<Vec<i64>>,
    options: Options,
}

/// Reads the graph and the options of a call.
///
/// Errors: [`Code::QueryFunction`](crate::Code::QueryFunction) for what is no graph, for an
/// attribute that nobody knows or that holds no references, and for an option that is not the
/// function's or has a value it cannot have.
pub(super) fn read(
    db: &Db,
    function: GraphFunction,
    graph: &Value,
    options: &[Value],
) -> Result<(Spec, Options)> {
    let mut said = Sayings::default();
    match graph {
        Value::Map(map) => {
            for (key, value) in map.iter() {
                said.take(db, function, &Entry::new(function, key, value)?)?;
            }
        }
        _ => said.attributes = Some(attributes(db, function, graph)?),
    }
    for entry in entries(function, options)? {
        said.take(db, function, &entry)?;
    }
    let edges = match (said.attributes, said.from, said.to) {
        (Some(attributes), None, None) => Edges::Attributes(attributes),
        (None, Some(from), Some(to)) => Edges::Entities { from, to },
        _ => {
            let what = "an attribute, a collection of attributes, or a map of :from and :to";
            return Err(refused(function, format!("expects {what}, got {graph}")));
        }
    };
    let spec = Spec {
        edges,
        direction: said.direction.unwrap_or(Direction::Out),
        weight: said.weight,
        nodes: said.nodes,
    };
    Ok((spec, said.options))
}

impl Sayings {
    fn take(&mut self, db: &Db, function: GraphFunction, entry: &Entry<'_>) -> Result<()> {
        match entry.key {
            "attributes" => self.attributes = Some(attributes(db, function, entry.value)?),
            "from" => self.from = Some(reference(db, function, entry.value)?),
            "to" => self.to = Some(reference(db, function, entry.value)?),
            "direction" => {
                let direction = Direction::named(entry.value);
                self.direction =
                    Some(direction.ok_or_else(|| entry.expects(":out, :in or :both"))?);
            }
            "weight" => self.weight = Some(number(db, function, entry.value)?),
            "nodes" => self.nodes = Some(nodes(db, entry)?),
            own if function.options().contains(&own) => self.options.take(entry)?,
            _ => return Err(entry.unknown()),
        }
        Ok(())
    }
}

impl Options {
    fn take(&mut self, entry: &Entry<'_>) -> Result<()> {
        match entry.key {
            "max-depth" => self.depth_max = Some(entry.count()?),
            "damping" => {
                let damping = entry.number()?;
                if !(0.0..1.0).contains(&damping) {
                    return Err(entry.expects("a number from 0 on and below 1"));
                }
                self.rank.damping = damping;
            }
            "iterations" => self.rank.iterations = entry.count()?,
            "tolerance" => self.rank.tolerance = entry.number()?,
            "max-iterations" => self.rounds = entry.count()?,
            _ => return Err(entry.unknown()),
        }
        Ok(())
    }
}

/// The attributes that a keyword or a collection names; `:_name` is read from value to entity.
fn attributes(db: &Db, function: GraphFunction, value: &Value) -> Result<Vec<(AttrId, Direction)>> {
    let mut named: Vec<&Value> = match value {
        Value::List(items) | Value::Vector(items) => items.iter().collect(),
        Value::Set(items) => items.iter().collect(),
        _ => vec![value],
    };
    if named.is_empty() {
        return Err(refused(
            function,
            "expects at least one attribute".to_owned(),
        ));
    }
    named.sort_by(|a, b| crate::value::compare(a, b));
    named.dedup();
    let attribute = |name: &&Value| match name.as_keyword().and_then(Keyword::unreversed) {
        Some(forward) => {
            let id = reference(db, function, &Value::Keyword(forward))?;
            Ok((id, Direction::In))
        }
        None => Ok((reference(db, function, name)?, Direction::Out)),
    };
    named.iter().map(attribute).collect()
}

/// An attribute of references; one that nobody declared is held to be one until its values are read.
fn reference(db: &Db, function: GraphFunction, name: &Value) -> Result<AttrId> {
    let id = attribute(db, function, name)?;
    match db.attribute(id).and_then(|attribute| attribute.value_type) {
        Some(kind) if kind != ValueType::Ref => {
            let message = format!("expects attributes of type :db.type/ref, which {name} is not");
            Err(refused(function, message).with("attribute", name.clone()))
        }
        _ => Ok(id),
    }
}

/// An attribute of numbers; one that nobody declared is held to be one until its values are read.
fn number(db: &Db, function: GraphFunction, name: &Value) -> Result<AttrId> {
    use ValueType::{BigDec, BigInt, Double, Float, Long, Number};
    let id = attribute(db, function, name)?;
    match db.attribute(id).and_then(|attribute| attribute.value_type) {
        None | Some(Long | Double | Float | BigInt | BigDec | Number) => Ok(id),
        Some(_) => {
            let message =
                format!("expects weights that are numbers, which those of {name} are not");
            Err(refused(function, message).with("attribute", name.clone()))
        }
    }
}

fn attribute(db: &Db, function: GraphFunction, name: &Value) -> Result<AttrId> {
    let is_name = matches!(name, Value::Keyword(_) | Value::Str(_) | Value::Long(_));
    let known = db.attr_of(name).filter(|_| is_name);
    let known = known.filter(|&id| db.attribute(id).is_some() || db.index(id).is_some());
    known.ok_or_else(|| {
        let message = format!("knows no attribute {name}");
        refused(function, message).with("attribute", name.clone())
    })
}

fn nodes(db: &Db, entry: &Entry<'_>) -> Result<Vec<i64>> {
    let named: Vec<&Value> = match entry.value {
        Value::List(items) | Value::Vector(items) => items.iter().collect(),
        Value::Set(items) => items.iter().collect(),
        _ => return Err(entry.expects("a collection of nodes")),
    };
    let mut nodes = Vec::with_capacity(named.len());
    for name in named {
        nodes.extend(match name {
            Value::Long(e) => Some(*e),
            name => db.entid(name)?.map(|e| e.0),
        });
    }
    nodes.sort_unstable();
    nodes.dedup();
    Ok(nodes)
}
