//! What a layer does to single numbers and rows, as sequential functions over slices.
//!
//! Each is compiled once for plain x86-64 (or another machine) and once for AVX2; [`pulp`] picks one
//! when called. Sums run over [`LANES`] partial sums, so both round alike.

use pulp::Arch;

use super::directory::Activation;

/// Partial sums of a row, and so numbers that one instruction may take.
const LANES: usize = 16;

/// Scale and shift of a normalised row, each as long as the row.
pub(crate) struct Norm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// `x + bias` for each row of `x`, in place; `bias` is as long as a row.
pub(crate) fn add_bias(x: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(|| {
        for row in x.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    });
}

/// `activation(x + bias)` for each row of `x`, in place; `bias` is as long as a row.
pub(crate) fn activate(x: &mut [f32], bias: &[f32], activation: Activation) {
    Arch::new().dispatch(|| match activation {
        Activation::Gelu => map(x, bias, gelu),
        Activation::GeluTanh => map(x, bias, gelu_tanh),
        Activation::Relu => map(x, bias, |value| value.max(0.0)),
    });
}

/// Normalises each row of `x + residual + bias`, in place in `x`, to mean 0 and variance 1, then
/// scales and shifts it.
pub(crate) fn add_norm(x: &mut [f32], residual: &[f32], bias: &[f32], norm: &Norm) {
    let width = bias.len();
    Arch::new().dispatch(|| {
        for (row, residual) in x.chunks_exact_mut(width).zip(residual.chunks_exact(width)) {
            for ((value, residual), bias) in row.iter_mut().zip(residual).zip(bias) {
                *value += residual + bias;
            }
            norm_row(row, norm);
        }
    });
}

/// Normalises each row of `x`, in place.
pub(crate) fn norm_rows(x: &mut [f32], norm: &Norm) {
    Arch::new().dispatch(|| {
        for row in x.chunks_exact_mut(norm.scale.len()) {
            norm_row(row, norm);
        }
    });
}

/// Softmax of each row of `width` numbers, in place.
pub(crate) fn softmax(x: &mut [f32], width: usize) {
    Arch::new().dispatch(|| {
        for row in x.chunks_exact_mut(width) {
            let most = row
                .iter()
                .fold(f32::NEG_INFINITY, |most, value| most.max(*value));
            for value in row.iter_mut() {
                *value = exp(*value - most);
            }
            let share = 1.0 / sum(row, |value| value);
            for value in row.iter_mut() {
                *value *= share;
            }
        }
    });
}

/// Brings `row` to length 1; a row of zeros stays one.
pub(crate) fn normalize(row: &mut [f32]) {
    let length = sum(row, |value| value * value).sqrt().max(1e-12);
    for value in row {
        *value /= length;
    }
}

#[inline(always)]
fn norm_row(row: &mut [f32], norm: &Norm) {
    let count = row.len() as f32;
    let mean = sum(row, |value| value) / count;
    let variance = sum(row, |value| (value - mean) * (value - mean)) / count;
    let factor = 1.0 / (variance + norm.epsilon).sqrt();
    for ((value, scale), shift) in row.iter_mut().zip(&norm.scale).zip(&norm.shift) {
        *value = (*value - mean) * factor * scale + shift;
    }
}

#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let whole = row.chunks_exact(LANES);
    let rest: f32 = whole.remainder().iter().map(|value| term(*value)).sum();
    for values in whole {
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += term(*value);
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[inline(always)]
fn map(x: &mut [f32], bias: &[f32], f: impl Fn(f32) -> f32) {
    for row in x.chunks_exact_mut(bias.len()) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value = f(*value + bias);
        }
    }
}

/// `x · Φ(x)`. Source: erf as Abramowitz & Stegun 7.1.26, off by at most 1.5e-7.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = 1.061_405_4_f32;
    let series = series * t - 1.453_152;
    let series = series * t + 1.421_413_8;
    let series = series * t - 0.284_496_74;
    let series = series * t + 0.254_829_6;
    // Half of erfc(z): what Φ lacks to 1 on the side of x.
    let tail = 0.5 * series * t * exp(-z * z);
    x.max(0.0) - x.abs() * tail
}

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    let z = 0.797_884_6 * (x + 0.044_715 * x * x * x);
    // (1 + tanh z) / 2 = 1 / (1 + e^-2z)
    x / (1.0 + exp(-2.0 * z))
}

/// `e^x` without branches, so that whole rows are done at once; off by at most 2 units in the last
/// place between -87 and 88, which it does not leave.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // 1.5 · 2^23: adding it leaves an integer in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 as a sum, the first part with zeros at its end: its multiples are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let count = rounded - ROUND;
    let r = x - count * LN_2_HIGH - count * LN_2_LOW;
    let series = 1.987_569_1e-4_f32;
    let series = series * r + 1.398_2e-3;
    let series = series * r + 8.333_452e-3;
    let series = series * r + 4.166_579_6e-2;
    let series = series * r + 0.166_666_66;
    let series = series * r + 0.5;
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    (series * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_near_the_exact_one() {
        for step in -87_000..=88_000 {
            let x = step as f32 / 1000.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "exp({x}) is off by {error}");
        }
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn gelu_of_known_numbers() {
        // From torch.nn.functional.gelu in f64.
        for (x, exact) in [
            (0.0, 0.0),
            (1.0, 0.841_344_8),
            (-1.0, -0.158_655_25),
            (0.1, 0.053_982_78),
            (-3.0, -0.004_049_694),
            (5.0, 4.999_998_6),
            (-40.0, 0.0),
        ] {
            assert!((gelu(x) - exact).abs() < 3e-7, "gelu({x}) is {}", gelu(x));
            assert!((gelu_tanh(x) - exact).abs() < 5e-4, "gelu_tanh({x})");
        }
    }

    #[test]
    fn rows_of_every_width() {
        for width in [1, 2, 15, 16, 17, 33] {
            let mut x: Vec<f32> = (0..2 * width).map(|at| (at % 7) as f32).collect();
            softmax(&mut x, width);
            for row in x.chunks_exact(width) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
            let norm = Norm {
                scale: vec![1.0; width],
                shift: vec![0.5; width],
                epsilon: 1e-12,
            };
            let mut x: Vec<f32> = (0..width).map(|at| (at % 5) as f32).collect();
            norm_rows(&mut x, &norm);
            assert!((x.iter().sum::<f32>() / width as f32 - 0.5).abs() < 1e-5);
        }
    }
}
