//! The plain map of an entity: its own attributes, references as `{:db/id n}`.

use std::sync::Arc;

use crate::datom::EntityId;
use crate::db::Db;
use crate::error::Result;
use crate::value::{Map, Set, Value};

/// All attributes of an entity, those of many values as sets, without `:db/id`.
///
/// Empty for an entity without datoms; none for what names no entity. Errors: `LookupRefSyntax`,
/// `LookupRefUnique`, `EntityIdSyntax` for a number that is no id.
pub fn entity(db: &Db, eid: &Value) -> Result<Option<Value>> {
    let is_name = matches!(eid, Value::Keyword(_) | Value::Vector(_) | Value::List(_));
    if !is_name && !crate::index::Kind::of(eid).is_number() {
        return Ok(None);
    }
    let Some(e) = db.entid(eid)? else {
        return Ok(None);
    };
    let mut map = Map::default();
    for a in db.attributes_of(e) {
        let attribute = db.attribute(a);
        let is_ref = attribute.is_some_and(|attribute| attribute.is_ref());
        let value = |cell| match db.value(cell) {
            Value::Long(e) if is_ref => id_map(EntityId(e)),
            value => value,
        };
        let rows = db.rows_of(e, a);
        let Some(first) = rows.first() else { continue };
        let value = if attribute.is_some_and(|attribute| attribute.is_many()) {
            Value::Set(Arc::new(
                rows.iter().map(|row| value(row.v)).collect::<Set>(),
            ))
        } else {
            value(first.v)
        };
        map.insert(db.ident(a).clone(), value);
    }
    Ok(Some(Value::from(map)))
}

fn id_map(e: EntityId) -> Value {
    Value::map([(Value::keyword("db/id"), Value::Long(e.0))])
}
