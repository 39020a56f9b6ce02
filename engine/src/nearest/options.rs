//! What a search is told beside what it searches for.

use std::borrow::Cow;

use datalith_vector::Distance;

use super::{Hit, Reach, Space, Wanted, nearest, text_vector, vector_in};
use crate::db::Db;
use crate::error::{Code, Error, Result};
use crate::function::distance_of;
use crate::limits::VECTOR_EF_MAX;
use crate::value::{Keyword, Value, option_pairs};

/// What may be said of how to search.
#[derive(Clone, Debug, Default)]
pub struct SearchOptions {
    /// `:ef`, candidates while searching a graph.
    pub ef: Option<usize>,
    /// `:exact`, whether every row is to be looked at.
    pub exact: bool,
    /// `:distance`, how near is measured, where no index says or another is meant.
    pub distance: Option<Distance>,
    /// `:among`, the only entities that may be answered.
    pub among: Option<Vec<Value>>,
}

impl SearchOptions {
    /// Of one map, or of keys and values; `name` is what errors call the search.
    pub fn read(name: &str, options: &[Value]) -> Result<SearchOptions> {
        let options = match options {
            [Value::Nil] => &[],
            options => options,
        };
        let pairs = option_pairs(options).ok_or_else(|| {
            let message = "takes options as one map, or as keys and values".to_owned();
            refused(name, message)
        })?;
        let mut read = SearchOptions::default();
        for (key, value) in pairs {
            read.take(name, key, value)?;
        }
        Ok(read)
    }

    fn take(&mut self, name: &str, key: &Value, value: &Value) -> Result<()> {
        let expects = |what: &str| {
            refused(name, format!("expects {what} for {key}, got {value}"))
                .with("option", key.clone())
        };
        match key.as_keyword().map_or("", Keyword::as_str) {
            "ef" => {
                let ef = value.as_long().and_then(|ef| usize::try_from(ef).ok());
                let ef = ef.filter(|ef| (1..=VECTOR_EF_MAX).contains(ef));
                self.ef = Some(ef.ok_or_else(|| expects("a number of candidates"))?);
            }
            "exact" => match value {
                Value::Bool(exact) => self.exact = *exact,
                _ => return Err(expects("true or false")),
            },
            "distance" => {
                let distance = distance_of(value);
                let distance =
                    distance.ok_or_else(|| expects(":euclidean, :cosine or :inner-product"))?;
                self.distance = Some(distance);
            }
            "among" => {
                self.among = Some(match value {
                    Value::Vector(items) | Value::List(items) => items.to_vec(),
                    Value::Set(items) => items.iter().cloned().collect(),
                    _ => return Err(expects("a collection of entities")),
                });
            }
            _ => {
                let message = format!("knows no option {key}, only :ef :exact :distance :among");
                return Err(refused(name, message).with("option", key.clone()));
            }
        }
        Ok(())
    }

    /// The entities that may be answered, ascending.
    pub fn entities(&self, db: &Db) -> Result<Option<Vec<i64>>> {
        let Some(among) = &self.among else {
            return Ok(None);
        };
        let mut entities = Vec::with_capacity(among.len());
        for name in among {
            entities.extend(match name {
                Value::Long(e) => Some(*e),
                name => db.entid(name)?.map(|e| e.0),
            });
        }
        entities.sort_unstable();
        entities.dedup();
        Ok(Some(entities))
    }
}

/// Finds the entities nearest to a vector, outside of a query.
///
/// ```
/// use datalith_engine::conn::{Config, Conn, TxData, create_database};
/// use datalith_engine::nearest::{Reach, search};
/// use datalith_engine::{Value, edn};
///
/// let made = create_database(&Config::from_value(&Value::Nil)?)?;
/// let config = Config::from_value(&made)?;
/// let conn = Conn::connect(&config)?;
/// for text in [
///     "[{:db/ident :at :db/valueType :db.type/float-array :db/cardinality :db.cardinality/one}
///       {:db/ident :idx/at :db.secondary/type :hnsw :db.secondary/attrs [:at] :db.secondary/config {:dim 2}}]",
///     "[{:db/id 7 :at [1 2]} {:db/id 8 :at [5 5]}]",
/// ] {
///     conn.transact(&TxData::from_value(&edn::read(text)?)?)?;
/// }
/// let place = edn::read("[1 1]")?;
/// let hits = search(&conn.db()?, &Value::keyword("idx/at"), &place, Reach::Count(1), &Value::Nil)?;
/// assert_eq!((hits[0].entity.0, hits[0].distance), (7, 1.0));
/// # conn.release();
/// # Ok::<(), datalith_engine::Error>(())
/// ```
///
/// - `name`: an index, or an attribute that one covers.
/// - `vector`: a vector of numbers, or a text where vectors are made of texts.
/// - `options`: a map of `:ef`, `:exact`, `:distance` and `:among`, or nil.
/// - Errors: as [`nearest`], and [`Code::QueryFunction`] for what is no vector or no option.
pub fn search(
    db: &Db,
    name: &Value,
    vector: &Value,
    reach: Reach,
    options: &Value,
) -> Result<Vec<Hit>> {
    let options = SearchOptions::read("search", std::slice::from_ref(options))?;
    let made: (Value, Vec<f32>);
    let (name, floats) = match (vector_in(db, vector), vector) {
        (Some(floats), _) => (name, floats),
        (None, Value::Str(text)) => {
            made = text_vector(db, name, text)?;
            (&made.0, Cow::Borrowed(&made.1[..]))
        }
        (None, _) => {
            let message = format!("expects a vector of numbers to be near to, got {vector}");
            return Err(refused("search", message));
        }
    };
    let space = Space::of(db, name, options.distance)?;
    let among = options.entities(db)?;
    let wanted = Wanted {
        vector: &floats,
        reach,
        ef: options.ef,
        exact: options.exact,
        among: among.as_deref(),
    };
    crate::fault::catch(|| nearest(db, &space, &wanted, &|| Ok(())))
}

/// The error of a search that cannot do with what it is given.
pub(crate) fn refused(name: &str, message: String) -> Error {
    Error::new(Code::QueryFunction, format!("{name} {message}"))
        .with("function", Value::symbol(name))
}
