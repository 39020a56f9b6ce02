//! Arrays kept aside that lie in graphs: there is no need to keep them twice.

use std::sync::Arc;

use super::walk::row_of;
use crate::db::{Db, Flexibility};
use crate::error::Result;
use crate::index::ids_of;
use crate::schema::ValueType;
use crate::segment::{Places, VectorGraph};

/// The graphs whose rows are arrays kept aside, to the bit.
pub(crate) fn aside_graphs(db: &Db) -> impl Iterator<Item = &Arc<VectorGraph>> {
    let is_typed = db.options().flexibility == Flexibility::Write;
    db.graphs().iter().filter(move |graph| {
        let attribute = db.schema().attribute(graph.cover().attribute);
        // Rows of doubles are rounded.
        let floats = Some(ValueType::FloatArray);
        is_typed && attribute.is_some_and(|known| known.aside && known.value_type == floats)
    })
}

/// Where in the store each such array lies.
///
/// Cost: O(rows of the graphs).
pub(crate) fn places_of(db: &Db) -> Result<Places> {
    let dictionary = db.dictionary().apart();
    let mut places = Places::default();
    for graph in aside_graphs(db) {
        let Some(stamp) = graph.stamp() else { continue };
        let rows = graph.read(|segment| {
            let rows = segment.by_key()?;
            let id_of = |key| ids_of(&dictionary, row_of(key).1).map(|[_, at]| at);
            Ok(rows
                .filter_map(|(key, row)| Some((id_of(key)?, row.0)))
                .collect::<Vec<_>>())
        })?;
        places.add(*stamp, rows);
    }
    Ok(places)
}
