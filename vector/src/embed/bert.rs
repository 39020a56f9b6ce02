//! The encoder of Devlin et al. 2018 (BERT), over texts of different lengths without padding.
//!
//! The word pieces of a batch stand one after another as rows of one matrix: the dense steps, nearly
//! all of the work, see that matrix whole; attention looks at the rows of one text at a time.

use candle_core::{Device, IndexOp, Storage, Tensor};

use super::directory::{Activation, Shape};
use super::error::{Code, Error};
use super::kernels::{self, Norm};
use super::limits::ATTENTION_NUMBERS_MAX;
use super::weights::Weights;

/// A model's weights, ready to be run.
pub(crate) struct Bert {
    shape: Shape,
    activation: Activation,
    /// `[vocabulary × hidden]`
    words: Vec<f32>,
    /// `[positions × hidden]`, the row of token type 0 added to each.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Query, key and value side by side; the query is scaled by the root of a head's width.
    attention: Dense,
    attended: Dense,
    attended_norm: Norm,
    widen: Dense,
    narrow: Dense,
    narrow_norm: Norm,
}

struct Dense {
    /// `[in × out]`, a transposed view of what the file holds.
    weight: Tensor,
    bias: Vec<f32>,
}

impl Bert {
    /// Takes the weights from a file. Error: `Code::Model` where a tensor is absent or misshapen.
    pub(crate) fn read(
        weights: &Weights,
        shape: Shape,
        activation: Activation,
    ) -> Result<Bert, Error> {
        let hidden = shape.hidden;
        let words = weights.rows(
            "embeddings.word_embeddings.weight",
            &[shape.vocabulary, hidden],
        )?;
        let types = "embeddings.token_type_embeddings.weight";
        let types = weights.rows(types, &[shape.types, hidden])?;
        let positions = "embeddings.position_embeddings.weight";
        let mut positions = weights.rows(positions, &[shape.positions, hidden])?;
        kernels::add_bias(&mut positions, &types[..hidden]);
        let layers = (0..shape.layers).map(|layer| Layer::read(weights, &shape, layer));
        Ok(Bert {
            words,
            positions,
            norm: norm(weights, "embeddings", &shape)?,
            layers: layers.collect::<Result<_, _>>()?,
            shape,
            activation,
        })
    }

    /// The last hidden row of each word piece of each text: `[pieces × hidden]`, texts in order.
    ///
    /// - `texts`: none empty, none longer than the model's positions, each word piece below its
    ///   vocabulary.
    /// - Cost: 2 · layers · hidden · (4 · hidden + 2 · wide) operations for each word piece, and
    ///   4 · layers · hidden for each pair of word pieces of one text.
    pub(crate) fn run(&self, texts: &[&[u32]]) -> Result<Vec<f32>, Error> {
        self.forward(texts).map_err(|error| {
            let message = format!("the model cannot be run: {error}");
            Error::of(Code::Model, message)
        })
    }

    fn forward(&self, texts: &[&[u32]]) -> candle_core::Result<Vec<f32>> {
        let hidden = self.shape.hidden;
        let mut x = Vec::with_capacity(texts.iter().map(|text| text.len()).sum::<usize>() * hidden);
        for text in texts {
            for (piece, position) in text.iter().zip(self.positions.chunks_exact(hidden)) {
                let word = &self.words[*piece as usize * hidden..][..hidden];
                x.extend(
                    word.iter()
                        .zip(position)
                        .map(|(word, position)| word + position),
                );
            }
        }
        kernels::norm_rows(&mut x, &self.norm);
        for layer in &self.layers {
            let input = matrix(x, hidden)?;
            let mut columns = times(&input, &layer.attention)?;
            kernels::add_bias(&mut columns, &layer.attention.bias);
            let attended = matrix(self.attend(columns, texts)?, hidden)?;
            let mut y = times(&attended, &layer.attended)?;
            with_rows(&input, |input| {
                kernels::add_norm(&mut y, input, &layer.attended.bias, &layer.attended_norm);
            })?;
            let input = matrix(y, hidden)?;
            let mut wide = times(&input, &layer.widen)?;
            kernels::activate(&mut wide, &layer.widen.bias, self.activation);
            let mut y = times(&matrix(wide, self.shape.wide)?, &layer.narrow)?;
            with_rows(&input, |input| {
                kernels::add_norm(&mut y, input, &layer.narrow.bias, &layer.narrow_norm);
            })?;
            x = y;
        }
        Ok(x)
    }

    /// Attention within each text: `[pieces × 3 · hidden]` to `[pieces × hidden]`.
    fn attend(&self, columns: Vec<f32>, texts: &[&[u32]]) -> candle_core::Result<Vec<f32>> {
        let (hidden, heads) = (self.shape.hidden, self.shape.heads);
        let width = hidden / heads;
        let columns = matrix(columns, 3 * hidden)?;
        let mut out = vec![0.0; columns.dim(0)? * hidden];
        let mut start = 0;
        for text in texts {
            let length = text.len();
            // [3 × heads × length × width], a view
            let parts = columns
                .narrow(0, start, length)?
                .reshape((length, 3, heads, width))?
                .permute((1, 2, 0, 3))?;
            let (query, key, value) = (parts.i(0)?, parts.i(1)?, parts.i(2)?);
            let rows = &mut out[start * hidden..][..length * hidden];
            let step = (ATTENTION_NUMBERS_MAX / (length * length)).clamp(1, heads);
            for first in (0..heads).step_by(step) {
                let count = step.min(heads - first);
                let of = |part: &Tensor| part.narrow(0, first, count);
                let weights = of(&query)?.matmul(&of(&key)?.t()?)?;
                let mut weights = weights.flatten_all()?.to_vec1::<f32>()?;
                kernels::softmax(&mut weights, length);
                let weights = Tensor::from_vec(weights, (count, length, length), &Device::Cpu)?;
                with_rows(&weights.matmul(&of(&value)?)?, |found| {
                    for (head, found) in (first..).zip(found.chunks_exact(length * width)) {
                        let rows = rows.chunks_exact_mut(hidden);
                        for (row, found) in rows.zip(found.chunks_exact(width)) {
                            row[head * width..][..width].copy_from_slice(found);
                        }
                    }
                })?;
            }
            start += length;
        }
        Ok(out)
    }
}

impl Layer {
    fn read(weights: &Weights, shape: &Shape, layer: usize) -> Result<Layer, Error> {
        let (hidden, wide) = (shape.hidden, shape.wide);
        let at = |part: &str| format!("encoder.layer.{layer}.{part}");
        let dense = |part: &str, rows: usize, columns: usize| {
            let weight = weights.rows(&at(&format!("{part}.weight")), &[rows, columns])?;
            let bias = weights.rows(&at(&format!("{part}.bias")), &[rows])?;
            Ok::<_, Error>((weight, bias))
        };
        let (mut weight, mut bias) = dense("attention.self.query", hidden, hidden)?;
        let scale = 1.0 / ((hidden / shape.heads) as f32).sqrt();
        weight
            .iter_mut()
            .chain(&mut bias)
            .for_each(|value| *value *= scale);
        for part in ["attention.self.key", "attention.self.value"] {
            let (more_weight, more_bias) = dense(part, hidden, hidden)?;
            weight.extend(more_weight);
            bias.extend(more_bias);
        }
        let attended = dense("attention.output.dense", hidden, hidden)?;
        let widen = dense("intermediate.dense", wide, hidden)?;
        let narrow = dense("output.dense", hidden, wide)?;
        Ok(Layer {
            attention: Dense::of((weight, bias), hidden)?,
            attended: Dense::of(attended, hidden)?,
            attended_norm: norm(weights, &at("attention.output"), shape)?,
            widen: Dense::of(widen, hidden)?,
            narrow: Dense::of(narrow, wide)?,
            narrow_norm: norm(weights, &at("output"), shape)?,
        })
    }
}

impl Dense {
    fn of((weight, bias): (Vec<f32>, Vec<f32>), columns: usize) -> Result<Dense, Error> {
        let weight = matrix(weight, columns).and_then(|weight| weight.t());
        let weight = weight.map_err(|error| Error::of(Code::Model, error.to_string()))?;
        Ok(Dense { weight, bias })
    }
}

fn norm(weights: &Weights, at: &str, shape: &Shape) -> Result<Norm, Error> {
    let at = format!("{at}.LayerNorm");
    // The names that weights converted from TensorFlow kept.
    let either = |name: &str, former: &str| {
        let kept = weights.rows(&format!("{at}.{name}"), &[shape.hidden]);
        kept.or_else(|error| {
            let former = weights.rows(&format!("{at}.{former}"), &[shape.hidden]);
            former.map_err(|_| error)
        })
    };
    Ok(Norm {
        scale: either("weight", "gamma")?,
        shift: either("bias", "beta")?,
        epsilon: shape.epsilon,
    })
}

fn matrix(rows: Vec<f32>, columns: usize) -> candle_core::Result<Tensor> {
    let count = rows.len() / columns;
    Tensor::from_vec(rows, (count, columns), &Device::Cpu)
}

/// `x · weight` without the bias, which the next kernel adds on its way.
fn times(x: &Tensor, dense: &Dense) -> candle_core::Result<Vec<f32>> {
    x.matmul(&dense.weight)?.flatten_all()?.to_vec1()
}

/// Shows the numbers of a tensor that owns all of its storage.
fn with_rows<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> R) -> candle_core::Result<R> {
    let (storage, _) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(read(storage.as_slice::<f32>()?)),
        _ => candle_core::bail!("a tensor on another device than the CPU"),
    }
}
