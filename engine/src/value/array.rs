//! What callers send for what EDN has no word for: vectors for arrays, keys and values for options.

use std::borrow::Cow;

use num_traits::ToPrimitive;

use super::Value;

/// The options of a call: one map, or keys and values; none where a key has no value.
pub fn option_pairs(options: &[Value]) -> Option<Vec<(&Value, &Value)>> {
    match options {
        [Value::Map(map)] => Some(map.iter().collect()),
        _ if options.len().is_multiple_of(2) => {
            Some(options.chunks(2).map(|pair| (&pair[0], &pair[1])).collect())
        }
        _ => None,
    }
}

impl Value {
    /// As a vector of `f32`: an array of floats or doubles, or a vector or list of numbers.
    pub fn to_floats(&self) -> Option<Cow<'_, [f32]>> {
        match self {
            Value::FloatArray(xs) => Some(Cow::Borrowed(xs)),
            Value::DoubleArray(xs) => Some(xs.iter().map(|&x| x as f32).collect()),
            _ => {
                let numbers = self.as_sequential()?.iter();
                let floats: Option<Vec<f32>> =
                    numbers.map(|x| Some(x.to_double()? as f32)).collect();
                floats.map(Cow::Owned)
            }
        }
    }

    /// A number as the nearest double; none of what is no number.
    pub fn to_double(&self) -> Option<f64> {
        match self {
            Value::Long(n) => Some(*n as f64),
            Value::Double(x) => Some(*x),
            Value::Float(x) => Some(f64::from(*x)),
            Value::BigInt(n) => n.to_f64(),
            Value::BigDec(x) => x.to_f64(),
            Value::Ratio(x) => x.to_f64(),
            _ => None,
        }
    }
}
