//! Rows as transaction data.

use datalith_engine::datom::EntityId;
use datalith_engine::{Db, Map, Result, Value};

use super::target::{AttrColumn, refused};

/// The entity that an inserted row makes, or says more of.
///
/// - `cells`: the entity's id, or nothing, and a cell for each column.
pub(super) fn inserted(columns: &[AttrColumn], cells: Vec<Value>) -> Result<Value> {
    let mut map = Map::default();
    let mut cells = cells.into_iter();
    if let Some(entity) = cells.next().filter(|entity| !entity.is_nil()) {
        map.insert(Value::keyword("db/id"), entity);
    }
    for (column, cell) in columns.iter().zip(cells) {
        let mut values = column.values(cell)?;
        match (values.len(), column.is_many) {
            (0, _) => {}
            (1, false) => {
                map.insert(column.ident.clone(), values.swap_remove(0));
            }
            _ => {
                map.insert(column.ident.clone(), Value::set(values));
            }
        }
    }
    if map.keys().all(|key| *key == Value::keyword("db/id")) {
        return Err(refused(
            "a row in which everything is NULL says nothing".to_owned(),
        ));
    }
    Ok(Value::from(map))
}

/// What makes an attribute of an entity what a cell says.
pub(super) fn updated(
    db: &Db,
    entity: &Value,
    column: &AttrColumn,
    cell: Value,
    out: &mut Vec<Value>,
) -> Result<()> {
    let wanted = column.values(cell)?;
    if column.is_many || wanted.is_empty() {
        for old in held(db, entity, column) {
            if !wanted.contains(&old) {
                out.push(fact("db/retract", entity, column, old));
            }
        }
    }
    out.extend(
        wanted
            .into_iter()
            .map(|value| fact("db/add", entity, column, value)),
    );
    Ok(())
}

/// What takes an attribute of an entity away.
pub(super) fn deleted(db: &Db, entity: &Value, column: &AttrColumn, out: &mut Vec<Value>) {
    let held = held(db, entity, column);
    out.extend(
        held.into_iter()
            .map(|value| fact("db/retract", entity, column, value)),
    );
}

/// An assertion or a retraction.
pub(super) fn fact(op: &str, entity: &Value, column: &AttrColumn, value: Value) -> Value {
    Value::vector([
        Value::keyword(op),
        entity.clone(),
        column.ident.clone(),
        value,
    ])
}

fn held(db: &Db, entity: &Value, column: &AttrColumn) -> Vec<Value> {
    let entity = entity.as_long().unwrap_or_default();
    let rows = db.rows_of(EntityId(entity), column.attribute);
    rows.into_iter().map(|row| db.value(row.v)).collect()
}
