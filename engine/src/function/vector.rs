//! Functions of two vectors.

use std::borrow::Cow;

use datalith_vector::Distance;

use super::failure::{Cause, not_a};
use crate::error::Result;
use crate::value::Value;

/// `(similarity a b)`: the cosine of the angle; `(similarity a b :inner-product)`: the inner product.
pub(super) fn similarity(args: &[Value]) -> Result<Value> {
    let distance = match args.get(2) {
        None => Distance::Cosine,
        Some(name) => distance_named(name)?,
    };
    if distance == Distance::Euclidean {
        let message = "similarity is :cosine or :inner-product; vector-distance is :euclidean too";
        return Err(Cause::IllegalArgument.error(message));
    }
    let far = between(distance, args)?;
    Ok(Value::Double(1.0 - f64::from(far)))
}

/// `(vector-distance a b metric)`: as an index of that `:distance` measures it, `:euclidean` unless said.
pub(super) fn vector_distance(args: &[Value]) -> Result<Value> {
    let distance = match args.get(2) {
        None => Distance::Euclidean,
        Some(name) => distance_named(name)?,
    };
    Ok(Value::Double(f64::from(between(distance, args)?)))
}

fn between(distance: Distance, args: &[Value]) -> Result<f32> {
    let (a, b) = (floats(&args[0])?, floats(&args[1])?);
    if a.len() != b.len() {
        let message = format!(
            "expected vectors of one length, got {} and {}",
            a.len(),
            b.len()
        );
        return Err(Cause::IllegalArgument.error(message));
    }
    Ok(distance.between(&a, &b))
}

fn floats(value: &Value) -> Result<Cow<'_, [f32]>> {
    value
        .to_floats()
        .ok_or_else(|| not_a("a vector of numbers", value))
}

fn distance_named(name: &Value) -> Result<Distance> {
    distance_of(name).ok_or_else(|| not_a(":euclidean, :cosine or :inner-product", name))
}

/// The distance that a keyword names.
pub fn distance_of(name: &Value) -> Option<Distance> {
    match name.as_keyword()?.as_str() {
        "euclidean" => Some(Distance::Euclidean),
        "cosine" => Some(Distance::Cosine),
        "inner-product" => Some(Distance::InnerProduct),
        _ => None,
    }
}
