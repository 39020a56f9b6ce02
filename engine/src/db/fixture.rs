//! Small databases for tests, written as EDN: attributes with their properties, then datoms.

use std::sync::Arc;

use super::{Db, IndexDatom, Options};
use crate::datom::{AttrId, EntityId, Op, TX0, TxId};
use crate::edn;
use crate::index::Interner;
use crate::schema::{Attribute, Cardinality, Schema, Unique, ValueType};
use crate::value::{Keyword, Value};

/// A database under schema-on-read.
///
/// - `schema`: `{attribute #{:ref :many :component :index :identity :no-history :string}}`;
///   `:db/ident` is declared already.
/// - `txs`: `[[e a v] …]` each; a fourth `false` retracts.
pub(crate) fn database(schema: &str, txs: &[&str]) -> Db {
    let options = Options {
        flexibility: super::Flexibility::Read,
        ..Options::default()
    };
    let mut db = Db::empty(options);
    let mut interner = Interner::default();
    let mut declared = Schema::default();
    let read = |text: &str| edn::read(text).expect("a fixture is EDN");
    let schema = read(schema);
    let ident = (Value::keyword("db/ident"), read("#{:identity}"));
    let attributes = schema.as_map().into_iter().flatten();
    for (name, properties) in attributes
        .map(|(k, v)| (k.clone(), v.clone()))
        .chain([ident])
    {
        let id = AttrId(interner.intern(&name));
        let has = |property: &str| match &properties {
            Value::Set(set) => set.contains(&Value::keyword(property)),
            _ => false,
        };
        let types = [("ref", ValueType::Ref), ("string", ValueType::String)];
        declared.declare(Attribute {
            value_type: types
                .into_iter()
                .find(|(name, _)| has(name))
                .map(|(_, kind)| kind),
            cardinality: if has("many") {
                Cardinality::Many
            } else {
                Cardinality::One
            },
            unique: has("identity").then_some(Unique::Identity),
            component: has("component"),
            index: has("index"),
            no_history: has("no-history"),
            ..Attribute::new(id, name)
        });
    }
    for (at, tx) in txs.iter().enumerate() {
        let tx_id = TxId(TX0 + 1 + at as i64);
        let mut datoms = Vec::new();
        for datom in read(tx).as_sequential().unwrap_or_default() {
            let [e, a, v, rest @ ..] = datom.as_sequential().expect("a datom is a vector") else {
                panic!("a datom has e, a and v");
            };
            let e = EntityId(e.as_long().expect("e is a number"));
            if let (true, Value::Keyword(ident)) = (*a == Value::keyword("db/ident"), v) {
                declared.set_ident(e, Keyword::new(ident.as_str()));
            }
            let op = if rest.contains(&Value::Bool(false)) {
                Op::Retract
            } else {
                Op::Assert
            };
            let a = AttrId(interner.intern(a));
            datoms.push(IndexDatom {
                e,
                a,
                v: interner.cell(v),
                tx: tx_id,
                op,
            });
        }
        let dictionary = interner.finish();
        interner = Interner::new(dictionary.clone());
        db = db.apply(&datoms, dictionary, Arc::new(declared.clone()), 1000, tx_id);
    }
    db
}

/// The value that a text stands for.
pub(crate) fn edn(text: &str) -> Value {
    edn::read(text).expect("a fixture is EDN")
}
