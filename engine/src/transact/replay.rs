//! The first database value, and database values made again from what was logged.

use std::sync::Arc;

use crate::datom::{AttrId, EntityId, Op, TX0, TxId};
use crate::db::{Db, IndexDatom, Options, Purge};
use crate::index::{Cell, Dictionary, Interner, Kind};
use crate::schema::{
    BUILT_IN, SYSTEM_ENTITY_MAX, SYSTEM_IDENTS, Schema, SchemaDatom, SystemValue,
    implicit_attributes, is_enum_key, system_entity, system_facts,
};
use crate::value::Value;

/// The database value before the first transaction: the system schema alone.
///
/// The same options always give the same value, ids of the dictionary included.
pub fn create(options: Options) -> Db {
    if options.attribute_refs {
        return create_with_system_entities(options);
    }
    let mut interner = Interner::default();
    let mut schema = Schema::default();
    for attribute in implicit_attributes(|ident| AttrId(interner.intern(ident))) {
        schema.declare(attribute);
    }
    Db::empty(options).apply(&[], interner.finish(), Arc::new(schema), 0, TxId(TX0))
}

fn create_with_system_entities(options: Options) -> Db {
    let mut interner = Interner::default();
    for ident in SYSTEM_IDENTS {
        interner.intern(&Value::keyword(ident));
    }
    let mut datoms = Vec::new();
    let mut assert = |interner: &mut Interner, e: EntityId, a: &str, v: &Value| {
        let a = AttrId(interner.intern(&Value::keyword(a)));
        datoms.push(IndexDatom {
            e,
            a,
            v: interner.cell(v),
            tx: TxId(TX0),
            op: Op::Assert,
        });
    };
    for (at, ident) in SYSTEM_IDENTS.iter().enumerate() {
        assert(
            &mut interner,
            EntityId(at as i64 + 1),
            "db/ident",
            &Value::keyword(ident),
        );
    }
    for (ident, key, value) in system_facts() {
        let value = match value {
            SystemValue::Enum(ident) => {
                system_entity(ident).map_or(Value::Nil, |e| Value::Long(e.0))
            }
            SystemValue::Text(text) => Value::from(text),
            SystemValue::True => Value::Bool(true),
        };
        if let Some(e) = system_entity(ident) {
            assert(&mut interner, e, key, &value);
        }
    }
    assert(
        &mut interner,
        EntityId(TX0),
        "db/txInstant",
        &Value::Instant(0),
    );
    let dictionary = interner.finish();
    let schema = evolve(&Arc::new(Schema::with_lasting_ids()), &datoms, &dictionary);
    Db::empty(options).apply(&datoms, dictionary, schema, SYSTEM_ENTITY_MAX.0, TxId(TX0))
}

/// One transaction as it was logged.
#[derive(Clone, Debug, Default)]
pub struct Logged {
    /// What it purged; comes before its datoms.
    pub purges: Vec<Purge>,
    /// Its datoms, in the order of their effects.
    pub datoms: Vec<IndexDatom>,
    /// The largest entity id after it.
    pub max_eid: i64,
    /// Its entity.
    pub tx: i64,
}

/// The database value after logged transactions.
///
/// - `db`: the value before the first of them.
/// - `dictionary`: holds every value they mention; begins as the dictionary of `db`.
/// - Cost: that of one transaction with all their datoms, but for purges.
pub fn replay(db: &Db, transactions: &[Logged], dictionary: &Dictionary) -> Db {
    let mut db = db.clone();
    let mut rest = transactions;
    while !rest.is_empty() {
        let together = 1 + rest[1..]
            .iter()
            .take_while(|next| next.purges.is_empty())
            .count();
        let (run, after) = rest.split_at(together);
        rest = after;
        let purges = &run[0].purges;
        if !purges.is_empty() {
            let schema = without_purged(&db, purges);
            db = db.purge(purges);
            db = db.apply(
                &[],
                db.dictionary().clone(),
                schema,
                db.max_eid(),
                db.max_tx(),
            );
        }
        let datoms: Vec<IndexDatom> = run
            .iter()
            .flat_map(|logged| &logged.datoms)
            .copied()
            .collect();
        let schema = evolve(db.schema(), &datoms, dictionary);
        let max_eid = run
            .iter()
            .map(|logged| logged.max_eid)
            .fold(db.max_eid(), i64::max);
        let max_tx = run
            .iter()
            .map(|logged| logged.tx)
            .fold(db.max_tx().0, i64::max);
        db = db.apply(&datoms, dictionary.clone(), schema, max_eid, TxId(max_tx));
    }
    db
}

/// The schema without what purges take out of it.
fn without_purged(db: &Db, purges: &[Purge]) -> Arc<Schema> {
    let mut retractions = Vec::new();
    for purge in purges {
        let (e, a, only) = match *purge {
            Purge::Datom { e, a, v } => (e, a, Some(v)),
            Purge::Attribute { e, a } => (e, a, None),
            Purge::PastUpTo(_) => continue,
        };
        for row in db.rows_of(e, a) {
            if only.is_none_or(|v| v == row.v) {
                retractions.push(IndexDatom {
                    e,
                    a,
                    v: row.v,
                    tx: TxId(row.tx),
                    op: Op::Retract,
                });
            }
        }
    }
    evolve(db.schema(), &retractions, db.dictionary())
}

/// The schema after datoms, in the order of their effects; those that do not speak of the schema
/// are skipped. `dictionary` holds their values.
pub fn evolve(schema: &Arc<Schema>, datoms: &[IndexDatom], dictionary: &Dictionary) -> Arc<Schema> {
    let keys: Vec<(AttrId, Value)> = BUILT_IN
        .iter()
        .filter(|built_in| built_in.shapes_schema())
        .filter_map(|built_in| {
            let key = Value::keyword(built_in.ident);
            Some((AttrId(dictionary.find(&key)?), key))
        })
        .collect();
    let mut schema = Arc::clone(schema);
    for datom in datoms {
        let Some((_, key)) = keys.iter().find(|(id, _)| *id == datom.a) else {
            continue;
        };
        let value = enum_value(&schema, key, datom.v, dictionary);
        let learned = SchemaDatom {
            e: datom.e,
            key,
            value,
            op: datom.op,
        };
        Arc::make_mut(&mut schema).learn(&learned, |name| dictionary.find(name).map(AttrId));
    }
    schema
}

fn enum_value(schema: &Schema, key: &Value, cell: Cell, dictionary: &Dictionary) -> Value {
    let is_enum = key
        .as_keyword()
        .is_some_and(|key| is_enum_key(key.as_str()));
    let value = dictionary.value(cell);
    if is_enum && cell.kind == Kind::Long {
        schema.enum_ident(key, value)
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_with_attribute_refs_starts_with_its_own_schema() {
        let db = create(Options {
            attribute_refs: true,
            ..Options::default()
        });
        let ident = db.attribute_named("db/ident").expect("a system attribute");
        assert_eq!(db.attribute_value(ident), Value::Long(1));
        assert_eq!(db.rows_of(EntityId(54), ident).len(), 1);
        assert_eq!((db.max_eid(), db.max_tx()), (54, TxId(TX0)));
        let preds = db
            .schema()
            .by_ident(&Value::keyword("db.attr/preds"))
            .expect("declared");
        assert!(preds.is_many());
    }
}
