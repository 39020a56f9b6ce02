//! Secondary indexes: what the schema declares of them.
//!
//! A declaration is read when it is made and kept beside the attributes. One that cannot be used is
//! kept with the reason, so that whoever asks the index is told.

use std::sync::Arc;

use datalith_vector::{Distance, Encoding};

use super::{Schema, ValueType};
use crate::datom::EntityId;
use crate::function::distance_of;
use crate::limits::{VECTOR_DIM_MAX, VECTOR_EF_MAX, VECTOR_LINKS_MAX};
use crate::value::{Keyword, Map, Value};

/// An index beside the runs of its attributes, declared by `:db.secondary/type`.
#[derive(Clone, Debug, PartialEq)]
pub struct SecondaryIndex {
    /// The entity that declares it.
    pub entity: EntityId,
    /// Its ident.
    pub ident: Keyword,
    /// The attributes it covers, by ident.
    pub attributes: Vec<Value>,
    /// What it is; a sentence where what is declared cannot be used.
    pub kind: Result<SecondaryKind, String>,
}

/// What an index answers.
#[derive(Clone, Debug, PartialEq)]
pub enum SecondaryKind {
    /// The nearest of vectors: `:proximum` or `:hnsw`.
    Vectors(VectorConfig),
    /// A type that this build has nothing for, by its name.
    Unknown(Keyword),
}

/// How vectors are compared and linked: `:db.secondary/config`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VectorConfig {
    /// `:dim`, numbers in each vector.
    pub dim: usize,
    /// `:distance`.
    pub distance: Distance,
    /// `:m`, links of a row in each layer but the lowest, which has twice as many.
    pub m: usize,
    /// `:ef-construction`, candidates while linking.
    pub ef_construction: usize,
    /// `:ef-search`, candidates while searching, unless a query says otherwise.
    pub ef_search: usize,
    /// `:encoding`, how rows are kept for the walk through the graph.
    pub encoding: Encoding,
}

/// The types whose indexes are graphs of vectors.
const VECTOR_TYPES: [&str; 2] = ["proximum", "hnsw"];
/// Keys that Proximum takes and that mean nothing here: files and memory are the store's matter.
const IGNORED_KEYS: [&str; 5] = [
    "store-config",
    "capacity",
    "mmap-dir",
    "crypto-hash?",
    "type",
];

impl SecondaryIndex {
    /// What an entry of the schema declares; none if it declares no index.
    pub fn read(entity: EntityId, entry: &Map) -> Option<SecondaryIndex> {
        let get = |key: &str| entry.get(&Value::keyword(key));
        let name = get("db.secondary/type")?.as_keyword()?;
        let ident = get("db/ident")?.as_keyword()?.clone();
        let attributes = get("db.secondary/attrs").and_then(Value::as_sequential);
        let kind = match VECTOR_TYPES.contains(&name.as_str()) {
            true => VectorConfig::read(get("db.secondary/config")).map(SecondaryKind::Vectors),
            false => Ok(SecondaryKind::Unknown(name.clone())),
        };
        Some(SecondaryIndex {
            entity,
            ident,
            attributes: attributes.unwrap_or_default().to_vec(),
            kind,
        })
    }

    /// How it compares vectors, if that is what it does.
    pub fn vectors(&self) -> Option<&VectorConfig> {
        match &self.kind {
            Ok(SecondaryKind::Vectors(config)) => Some(config),
            _ => None,
        }
    }
}

impl VectorConfig {
    fn read(config: Option<&Value>) -> Result<VectorConfig, String> {
        let empty = Map::default();
        let config = match config {
            Some(Value::Map(config)) => config,
            None | Some(Value::Nil) => &empty,
            Some(other) => return Err(format!(":db.secondary/config is a map, not {other}")),
        };
        let mut read = VectorConfig {
            dim: 0,
            distance: Distance::Euclidean,
            m: 16,
            ef_construction: 200,
            ef_search: 50,
            encoding: Encoding::Bf16,
        };
        for (key, value) in config {
            let name = key.as_keyword().map_or("", Keyword::as_str);
            let count = |least: usize, most: usize| {
                let count = value.as_long().and_then(|n| usize::try_from(n).ok());
                let count = count.filter(|n| (least..=most).contains(n));
                count
                    .ok_or_else(|| format!("{key} is a number from {least} to {most}, not {value}"))
            };
            match name {
                "dim" => read.dim = count(1, VECTOR_DIM_MAX)?,
                "m" | "M" => read.m = count(2, VECTOR_LINKS_MAX)?,
                "ef-construction" => read.ef_construction = count(1, VECTOR_EF_MAX)?,
                "ef-search" => read.ef_search = count(1, VECTOR_EF_MAX)?,
                "distance" => {
                    read.distance = distance_of(value).ok_or_else(|| {
                        format!("{key} is :euclidean, :cosine or :inner-product, not {value}")
                    })?
                }
                "encoding" => {
                    let encoding = encoding_of(value);
                    read.encoding = encoding.ok_or_else(|| {
                        format!("{key} is :f32, :bf16, :f16 or :int8, not {value}")
                    })?;
                }
                ignored if IGNORED_KEYS.contains(&ignored) => {}
                _ => {
                    return Err(format!(
                        ":db.secondary/config takes :dim, :distance, :m, :ef-construction, :ef-search and :encoding, not {key}"
                    ));
                }
            }
        }
        match read.dim {
            0 => Err(":db.secondary/config needs :dim, the numbers in each vector".to_owned()),
            _ => Ok(read),
        }
    }
}

fn encoding_of(name: &Value) -> Option<Encoding> {
    match name.as_keyword()?.as_str() {
        "f32" => Some(Encoding::F32),
        "bf16" => Some(Encoding::Bf16),
        "f16" => Some(Encoding::F16),
        "int8" => Some(Encoding::Int8),
        _ => None,
    }
}

impl Schema {
    /// The declared secondary indexes, by entity.
    pub fn secondary(&self) -> &[Arc<SecondaryIndex>] {
        &self.secondary
    }

    /// The indexes of vectors that cover an attribute.
    pub fn vector_indexes<'s>(
        &'s self,
        ident: &'s Value,
    ) -> impl Iterator<Item = (&'s Arc<SecondaryIndex>, &'s VectorConfig)> {
        let covering = move |index: &&Arc<SecondaryIndex>| index.attributes.contains(ident);
        let covering = self.secondary.iter().filter(covering);
        covering.filter_map(|index| Some((index, index.vectors()?)))
    }

    /// Takes in what the entry of an entity says of an index by now.
    pub(super) fn declare_secondary(&mut self, e: EntityId) {
        let declared = self.entries.get(&e);
        let declared = declared.and_then(|entry| SecondaryIndex::read(e, entry));
        let at = self
            .secondary
            .binary_search_by_key(&e, |index| index.entity);
        match (at, declared) {
            (Ok(at), Some(index)) => self.secondary[at] = Arc::new(index),
            (Ok(at), None) => drop(self.secondary.remove(at)),
            (Err(at), Some(index)) => self.secondary.insert(at, Arc::new(index)),
            (Err(_), None) => {}
        }
    }

    /// Why an index cannot be as it is declared, if so.
    pub fn secondary_fault(&self, index: &SecondaryIndex) -> Option<String> {
        let config = match &index.kind {
            Err(why) => return Some(why.clone()),
            Ok(SecondaryKind::Unknown(_)) => return None,
            Ok(SecondaryKind::Vectors(config)) => config,
        };
        if index.attributes.is_empty() {
            return Some(":db.secondary/attrs names no attribute".to_owned());
        }
        let is_array = |ident: &&Value| {
            let declared = self
                .by_ident(ident)
                .and_then(|declared| declared.value_type);
            matches!(
                declared,
                Some(ValueType::FloatArray | ValueType::DoubleArray)
            )
        };
        let other = index.attributes.iter().find(|ident| !is_array(ident));
        if let Some(other) = other {
            return Some(format!(
                "{other} in :db.secondary/attrs is no attribute of type :db.type/float-array"
            ));
        }
        let rival = |ident: &Value| {
            let mut others = self.vector_indexes(ident);
            others.any(|(other, theirs)| other.entity != index.entity && theirs.dim != config.dim)
        };
        let rival = index.attributes.iter().find(|ident| rival(ident));
        rival.map(|ident| format!("another index takes {ident} to have another :dim"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn;

    fn config(text: &str) -> Result<VectorConfig, String> {
        VectorConfig::read(Some(&edn::read(text).unwrap()))
    }

    #[test]
    fn configurations_of_proximum_are_read() {
        let read =
            config("{:dim 3 :distance :cosine :M 8 :store-config {:backend :memory}}").unwrap();
        assert_eq!((read.dim, read.distance, read.m), (3, Distance::Cosine, 8));
        for (text, why) in [
            ("{}", "needs :dim"),
            ("{:dim 0}", ":dim is a number from 1"),
            ("{:dim 3 :distance :manhattan}", ":distance is :euclidean"),
            ("{:dim 3 :dims 4}", "not :dims"),
            ("7", "is a map"),
        ] {
            assert!(config(text).unwrap_err().contains(why), "{text}");
        }
    }
}
