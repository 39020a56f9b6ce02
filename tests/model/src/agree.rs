//! When an answer says the same as the model's rows.

use std::collections::HashMap;

use datalith_engine::query::ast::{Find, Query};
use datalith_engine::{Value, value};

/// Whether an answer shows these rows in the shape its query asks for.
pub(super) fn agrees(query: &Query, rows: &[Vec<Value>], answer: &Value) -> bool {
    let named = |row: &Vec<Value>| match &query.return_map {
        Some(map) => Value::map(map.keys.iter().cloned().zip(row.iter().cloned())),
        None => Value::vector(row.clone()),
    };
    match &query.find {
        Find::Tuple(_) if rows.is_empty() => answer.is_nil(),
        Find::Tuple(_) => rows.iter().any(|row| alike(&named(row), answer)),
        Find::Scalar(_) if rows.is_empty() => answer.is_nil(),
        Find::Scalar(_) => rows.iter().any(|row| alike(&row[0], answer)),
        Find::Collection(_) => {
            let expected: Vec<Value> = rows.iter().map(|row| row[0].clone()).collect();
            alike_bags(&expected, answer.as_sequential().unwrap_or_default())
        }
        Find::Relation(_) => {
            let found: Vec<Value> = match answer {
                Value::Set(items) => items.iter().cloned().collect(),
                other => other.as_sequential().unwrap_or_default().to_vec(),
            };
            if query.order_by.is_empty() {
                return alike_bags(&rows.iter().map(named).collect::<Vec<_>>(), &found);
            }
            let mut expected = rows.to_vec();
            expected.sort_by(|a, b| {
                let keys = query.order_by.iter().map(|key| {
                    let order = value::compare(&a[key.column], &b[key.column]);
                    if key.descending {
                        order.reverse()
                    } else {
                        order
                    }
                });
                keys.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            });
            let shown = expected
                .iter()
                .skip(query.offset.unwrap_or(0))
                .take(query.limit.unwrap_or(usize::MAX));
            let expected: Vec<Value> = shown.map(named).collect();
            alike_rows(&expected, &found)
        }
    }
}

/// The same values as often, in any order.
fn alike_bags(expected: &[Value], found: &[Value]) -> bool {
    let counts = |rows: &[Value]| {
        let mut counts: HashMap<Value, usize> = HashMap::new();
        rows.iter()
            .for_each(|row| *counts.entry(row.clone()).or_default() += 1);
        counts
    };
    counts(expected) == counts(found) || alike_rows(&sorted(expected), &sorted(found))
}

pub(super) fn sorted(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    rows.sort_by(value::compare);
    rows
}

fn alike_rows(expected: &[Value], found: &[Value]) -> bool {
    expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| alike(a, b))
}

/// Equal, but for the last digits of floats: sums depend on the order of rows.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a == b || (a - b).abs() < 1e-9,
        (Value::Vector(a), Value::Vector(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| alike(a, b))
        }
        _ => a == b,
    }
}
