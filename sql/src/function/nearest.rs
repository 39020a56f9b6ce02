//! `knn('idx/at', [0.1, 0.2], 10)`: the entities whose vectors are nearest.

use std::sync::Arc;

use datafusion::arrow::array::{Float64Array, Int64Array};
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datalith_engine::nearest::{Hit, Reach, search};
use datalith_engine::{Result, Value, edn};

use super::argument::Arguments;
use super::made;
use crate::catalog::ENTITY;
use crate::fault::outward;

/// How entities are searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    Knn,
    Within,
    Semantic,
    KnnAt,
    WithinAt,
    SemanticAt,
}

impl Search {
    pub(super) const ALL: [Search; 6] = [
        Search::Knn,
        Search::Within,
        Search::Semantic,
        Search::KnnAt,
        Search::WithinAt,
        Search::SemanticAt,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Search::Knn => "knn",
            Search::Within => "knn_within",
            Search::Semantic => "semantic",
            Search::KnnAt => "knn_at",
            Search::WithinAt => "knn_within_at",
            Search::SemanticAt => "semantic_at",
        }
    }

    /// Whether a schema is the first argument.
    fn is_at(self) -> bool {
        matches!(self, Search::KnnAt | Search::WithinAt | Search::SemanticAt)
    }

    fn reach(self, arguments: &Arguments, value: &Value) -> Result<Reach> {
        match (self, value) {
            (Search::Within | Search::WithinAt, value) => {
                let radius = value
                    .to_double()
                    .ok_or_else(|| arguments.refused("expects a distance"))?;
                Ok(Reach::Radius(radius as f32))
            }
            (_, Value::Long(count)) if *count >= 0 => Ok(Reach::Count(*count as usize)),
            _ => Err(arguments.refused("expects how many are wanted")),
        }
    }
}

/// The function of a search: an index or attribute, a vector (a text for `semantic`), how many or how far,
/// and perhaps a text of EDN with options, `{:ef 200}`. Those called `…_at` begin with a schema's name.
#[derive(Debug)]
pub(super) struct Nearest(pub(super) Search);

impl TableFunctionImpl for Nearest {
    fn call_with_args(
        &self,
        args: TableFunctionArgs<'_, '_>,
    ) -> datafusion::common::Result<Arc<dyn TableProvider>> {
        self.hits(&args).and_then(table).map_err(outward)
    }
}

impl Nearest {
    fn hits(&self, args: &TableFunctionArgs<'_, '_>) -> Result<Vec<Hit>> {
        let arguments = Arguments::of(self.0.name(), args)?;
        let (schema, rest) = match arguments.values() {
            [schema, rest @ ..] if self.0.is_at() => (Some(schema), rest),
            all => (None, all),
        };
        let (index, vector, reach, options) = match rest {
            [index, vector, reach] => (index, vector, reach, Value::Nil),
            [index, vector, reach, Value::Str(options)] => {
                (index, vector, reach, edn::read(options)?)
            }
            _ => {
                let expected =
                    "expects an index, a vector and how many, and perhaps options ('{:ef 200}')";
                return Err(arguments.refused(expected));
            }
        };
        let name = match index {
            Value::Str(name) => Value::keyword(name.trim_start_matches(':')),
            _ => return Err(arguments.refused("expects the name of an index or an attribute")),
        };
        let reach = self.0.reach(&arguments, reach)?;
        search(&arguments.db(schema)?, &name, vector, reach, &options)
    }
}

fn table(hits: Vec<Hit>) -> Result<Arc<dyn TableProvider>> {
    let entities: Int64Array = hits.iter().map(|hit| Some(hit.entity.0)).collect();
    let distances: Float64Array = hits
        .iter()
        .map(|hit| Some(f64::from(hit.distance)))
        .collect();
    made::table(vec![
        (ENTITY.to_owned(), Arc::new(entities)),
        ("distance".to_owned(), Arc::new(distances)),
    ])
}
