//! Chance, for `rand`, `shuffle` and the sampling aggregates. Not for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::number::Number;
use crate::error::Result;
use crate::value::Value;

/// A random 64-bit number, seeded by the operating system.
fn next() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// From 0 up to 1, 1 excluded.
fn unit() -> f64 {
    (next() >> 11) as f64 / (1u64 << 53) as f64
}

/// From 0 up to `bound`, `bound` excluded; 0 for a bound of 0.
pub(super) fn below(bound: usize) -> usize {
    ((u128::from(next()) * bound as u128) >> 64) as usize
}

/// `wanted` different indexes below `count`, or all of them, in random order.
pub(super) fn sample(count: usize, wanted: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    let wanted = wanted.min(count);
    for n in 0..wanted {
        all.swap(n, n + below(count - n));
    }
    all.truncate(wanted);
    all
}

pub(super) fn rand(args: &[Value]) -> Result<Value> {
    let bound = args
        .first()
        .map_or(Ok(1.0), |n| Number::of(n).map(|n| n.to_double()))?;
    Ok(Value::Double(unit() * bound))
}

pub(super) fn rand_int(args: &[Value]) -> Result<Value> {
    let bound = Number::of(&args[0])?.to_double();
    Ok(Value::Long((unit() * bound) as i64))
}

pub(super) fn random_uuid(_: &[Value]) -> Result<Value> {
    Ok(Value::Uuid(uuid::Uuid::new_v4()))
}
