//! Which vectors are searched, and how they are compared.

use datalith_vector::Distance;

use super::{Reach, Wanted, unsearchable};
use crate::datom::{AttrId, EntityId};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::limits::VECTOR_NEIGHBOURS_MAX;
use crate::schema::{SecondaryIndex, ValueType};
use crate::value::Value;

/// Attributes of vectors that can be compared with one another.
#[derive(Clone, Debug)]
pub struct Space {
    /// The attributes.
    pub attributes: Vec<AttrId>,
    /// How near is measured.
    pub distance: Distance,
    /// The numbers in each vector; any where no index says.
    pub dim: Option<usize>,
    /// Candidates while searching, unless a query says otherwise.
    pub ef: usize,
    /// The index, if there is one.
    pub index: Option<EntityId>,
    name: Value,
}

impl Space {
    /// The space of an index, or of an attribute, by name.
    ///
    /// - `distance`: how near is to be measured; the index says if not given. An attribute without an
    ///   index that measures so is searched row by row.
    /// - Errors: [`Code::QueryFunction`] for a name of neither, for an index that cannot be used, and
    ///   for an attribute without an index where no distance is given.
    pub fn of(db: &Db, name: &Value, distance: Option<Distance>) -> Result<Space> {
        if let Some(index) = index_named(db, name) {
            return Space::of_index(db, name, index, distance);
        }
        let a = db.attr_of(name).filter(|_| !matches!(name, Value::Long(_)));
        let a = a.filter(|&a| db.attribute(a).is_some() || db.index(a).is_some());
        let Some(a) = a else {
            return Err(
                unsearchable(format!("{name} names neither an index nor an attribute"))
                    .with("attribute", name.clone()),
            );
        };
        let value_type = db.attribute(a).and_then(|attribute| attribute.value_type);
        if !matches!(
            value_type,
            None | Some(ValueType::FloatArray | ValueType::DoubleArray)
        ) {
            let message = format!("{name} is no attribute of type :db.type/float-array");
            return Err(unsearchable(message).with("attribute", name.clone()));
        }
        let ident = db.ident(a);
        let mut indexes = db.schema().vector_indexes(ident);
        let index = indexes.find(|(index, config)| {
            distance.is_none_or(|d| d == config.distance) && !is_disabled(db, index)
        });
        match (index, distance) {
            (Some((index, config)), _) => Ok(Space {
                attributes: vec![a],
                distance: config.distance,
                dim: Some(config.dim),
                ef: config.ef_search,
                index: Some(index.entity),
                name: name.clone(),
            }),
            (None, Some(distance)) => Ok(Space {
                attributes: vec![a],
                distance,
                dim: None,
                ef: 0,
                index: None,
                name: name.clone(),
            }),
            (None, None) => {
                let message = format!(
                    "no index covers {name}: declare one, {{:db/ident :idx/x, :db.secondary/type :hnsw, \
                     :db.secondary/attrs [{name}], :db.secondary/config {{:dim 384, :distance :cosine}}}}, \
                     or name a distance in the options, {{:distance :cosine}}"
                );
                Err(unsearchable(message).with("attribute", name.clone()))
            }
        }
    }

    fn of_index(
        db: &Db,
        name: &Value,
        index: &SecondaryIndex,
        distance: Option<Distance>,
    ) -> Result<Space> {
        let unusable = |why: &str| {
            let message = format!("the index {name} cannot be searched: {why}");
            unsearchable(message).with("index", name.clone())
        };
        if is_disabled(db, index) {
            return Err(unusable("it is :disabled"));
        }
        let config = match (&index.kind, index.vectors()) {
            (Err(why), _) => return Err(unusable(why)),
            (_, None) => return Err(unusable("it is no index of vectors")),
            (_, Some(config)) => config,
        };
        if let Some(other) = distance.filter(|other| *other != config.distance) {
            let why = format!(
                "it measures {:?}, not {other:?}; name its attribute",
                config.distance
            );
            return Err(unusable(&why));
        }
        let attributes = index.attributes.iter();
        Ok(Space {
            attributes: attributes
                .filter_map(|ident| db.attribute_id(ident))
                .collect(),
            distance: config.distance,
            dim: Some(config.dim),
            ef: config.ef_search,
            index: Some(index.entity),
            name: name.clone(),
        })
    }

    /// Refuses what cannot be asked here.
    pub(super) fn check(&self, wanted: &Wanted<'_>) -> Result<()> {
        let len = wanted.vector.len();
        if let Some(dim) = self.dim.filter(|&dim| dim != len) {
            let message = format!(
                "{} holds vectors of {dim} numbers, the one to be near to has {len}",
                self.name
            );
            return Err(unsearchable(message).with("dim", dim).with("length", len));
        }
        if let Some(at) = wanted.vector.iter().position(|x| !x.is_finite()) {
            let message = format!("number {at} of the vector to be near to is not finite");
            return Err(unsearchable(message).with("at", at));
        }
        match wanted.reach {
            Reach::Count(count) if count > VECTOR_NEIGHBOURS_MAX => {
                let message = format!("more than {VECTOR_NEIGHBOURS_MAX} neighbours are wanted");
                Err(Error::new(Code::Limit, message).with("limit", "vector-neighbours-max"))
            }
            Reach::Radius(radius) if radius.is_nan() => {
                Err(unsearchable("the radius is no number".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn is_disabled(db: &Db, index: &SecondaryIndex) -> bool {
    let entry = db.schema().entry(index.entity);
    let status = entry.and_then(|entry| entry.get(&Value::keyword("db.secondary/status")));
    status == Some(&Value::keyword("disabled"))
}

fn index_named<'d>(db: &'d Db, name: &Value) -> Option<&'d SecondaryIndex> {
    let schema = db.schema();
    let e = match name {
        Value::Keyword(ident) => schema.entity_of(ident)?,
        Value::Long(e) => EntityId(*e),
        _ => return None,
    };
    let index = schema.secondary().iter().find(|index| index.entity == e)?;
    Some(index)
}
