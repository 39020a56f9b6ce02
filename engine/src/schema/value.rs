//! Which values a type takes.

use super::ValueType;
use crate::value::{Keyword, Value};

/// Whether a type takes a value. Nothing is converted: a long is no double, `1N` no long.
///
/// References take anything here: what names no entity is found out when it is resolved.
pub fn value_matches(value_type: ValueType, value: &Value) -> bool {
    match value_type {
        ValueType::BigDec => matches!(value, Value::BigDec(_)),
        ValueType::BigInt => matches!(value, Value::Long(_) | Value::BigInt(_)),
        ValueType::Boolean => matches!(value, Value::Bool(_)),
        ValueType::Bytes => matches!(value, Value::Bytes(_)),
        ValueType::Cardinality => is_one_of(value, &["db.cardinality/one", "db.cardinality/many"]),
        ValueType::Double => matches!(value, Value::Double(_)),
        ValueType::DoubleArray => matches!(value, Value::DoubleArray(_)),
        ValueType::Float => matches!(value, Value::Double(_) | Value::Float(_)),
        ValueType::FloatArray => matches!(value, Value::FloatArray(_)),
        ValueType::Number => is_number(value),
        ValueType::Instant => matches!(value, Value::Instant(_)),
        ValueType::Keyword => matches!(value, Value::Keyword(_)),
        ValueType::Long => matches!(value, Value::Long(_)),
        ValueType::Ref => true,
        ValueType::String => matches!(value, Value::Str(_)),
        ValueType::StoreRef | ValueType::Uuid => matches!(value, Value::Uuid(_)),
        ValueType::Symbol => matches!(value, Value::Symbol(_)),
        ValueType::Tuple => matches!(value, Value::Vector(_)),
        ValueType::Unique => is_one_of(value, &["db.unique/identity", "db.unique/value"]),
        ValueType::Value | ValueType::ValueType => type_of(value).is_some(),
        ValueType::Install => is_one_of(value, &["db.part/tx", "db.part/db", "db.part/user"]),
    }
}

/// The type that a keyword names.
pub fn type_of(value: &Value) -> Option<ValueType> {
    ValueType::from_ident(value.as_keyword()?.as_str())
}

/// What an error says that a type takes, in the words of Clojure's predicates.
pub fn describe(value_type: ValueType) -> String {
    let words = match value_type {
        ValueType::BigDec => "decimal?",
        ValueType::BigInt => "integer?",
        ValueType::Boolean => "boolean?",
        ValueType::Bytes => "bytes?",
        ValueType::Cardinality => "#{:db.cardinality/many :db.cardinality/one}",
        ValueType::Double => "double?",
        ValueType::DoubleArray => "double-array?",
        ValueType::Float => "float?",
        ValueType::FloatArray => "float-array?",
        ValueType::Number => "number?",
        ValueType::Instant => "(= (class %) java.util.Date)",
        ValueType::Keyword => "keyword?",
        ValueType::Long => "(= (class %) java.lang.Long)",
        ValueType::Ref => ":db.type/id",
        ValueType::String => "string?",
        ValueType::StoreRef | ValueType::Uuid => "uuid?",
        ValueType::Symbol => "symbol?",
        ValueType::Tuple => "vector?",
        ValueType::Unique => "#{:db.unique/identity :db.unique/value}",
        ValueType::Install => "#{:db.part/db :db.part/tx :db.part/user}",
        ValueType::Value | ValueType::ValueType => {
            let mut idents: Vec<Keyword> = ValueType::ALL
                .iter()
                .map(|known| Keyword::new(known.ident()))
                .collect();
            idents.sort_by_key(|ident| {
                (
                    ident.namespace().map(str::to_owned),
                    ident.name().to_owned(),
                )
            });
            let idents: Vec<String> = idents.iter().map(Keyword::to_string).collect();
            return format!("#{{{}}}", idents.join(" "));
        }
    };
    words.to_owned()
}

fn is_one_of(value: &Value, idents: &[&str]) -> bool {
    value
        .as_keyword()
        .is_some_and(|keyword| idents.contains(&keyword.as_str()))
}

fn is_number(value: &Value) -> bool {
    matches!(
        value,
        Value::Long(_)
            | Value::Double(_)
            | Value::Float(_)
            | Value::BigInt(_)
            | Value::BigDec(_)
            | Value::Ratio(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_converted() {
        assert!(value_matches(ValueType::Long, &Value::Long(1)));
        assert!(!value_matches(ValueType::Double, &Value::Long(1)));
        assert!(value_matches(ValueType::Float, &Value::Double(1.0)));
        assert!(!value_matches(ValueType::Tuple, &Value::list([])));
        assert!(value_matches(
            ValueType::Value,
            &Value::keyword("db.type/long")
        ));
        assert!(!value_matches(ValueType::Value, &Value::keyword("long")));
        assert!(describe(ValueType::Value).starts_with("#{:db.type/bigdec :db.type/bigint"));
    }
}
