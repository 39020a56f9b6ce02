//! The tensors of a safetensors file, by name, each checked against the shape that is expected.

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use super::error::{Code, Error};

/// A file of tensors; names may all begin with `bert.`, as they do when a head was trained on top.
pub(crate) struct Weights<'a> {
    tensors: SafeTensors<'a>,
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    /// Reads the header and checks that it and the bytes agree. Cost: the number of tensors.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Weights<'a>, Error> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
            let message = format!("model.safetensors is torn or no safetensors file: {error}");
            Error::of(Code::Model, message)
        })?;
        let nested = tensors.names().iter().any(|name| name.starts_with("bert."));
        let prefix = if nested { "bert." } else { "" };
        Ok(Weights { tensors, prefix })
    }

    /// The tensor as `f32`, row-major, copied; `expected` is its shape.
    pub(crate) fn rows(&self, name: &str, expected: &[usize]) -> Result<Vec<f32>, Error> {
        let name = format!("{}{name}", self.prefix);
        let wrong = |why: String| {
            let message = format!("model.safetensors: tensor `{name}` {why}");
            Error::of(Code::Model, message).with("tensor", &name)
        };
        let found = self
            .tensors
            .tensor(&name)
            .map_err(|_| wrong("is missing".to_owned()))?;
        if found.shape() != expected {
            let shape = found.shape();
            return Err(wrong(format!(
                "has the shape {shape:?}, expected {expected:?}"
            )));
        }
        let stored = match found.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => return Err(wrong(format!("holds {other:?}, expected F32, F16 or BF16"))),
        };
        let rows = Tensor::from_raw_buffer(found.data(), stored, expected, &Device::Cpu)
            .and_then(|tensor| tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>())
            .map_err(|error| wrong(error.to_string()))?;
        match rows.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(wrong(format!("is not a finite number at {at}"))),
            None => Ok(rows),
        }
    }
}
