//! Columns of 64-bit numbers as planes of bytes, the form that compresses best and unpacks fast.
//!
//! A column of a chunk becomes small numbers (offsets from the least, or differences to the row
//! before), and these are cut into planes: the low bytes of all rows, then the next bytes, and so on.
//! A plane of noise is stored as it is, a plane of a few symbols becomes bits, one of zeros vanishes:
//! close to packed bits, but left to ZSTD, and byte for byte what any Arrow reader sees.

use num_integer::Integer;

use super::trend::Trend;
use crate::bytes::{Cursor, malformed, put_varint, put_zigzag};
use crate::error::Result;

/// What the numbers of a column are, before they are made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// The column's 64 bits.
    Bits,
    /// `n`, where the bits are those of the double `n / 10^exponent`.
    Decimal {
        /// At most [`EXPONENT_MAX`].
        exponent: u8,
    },
    /// Positions in a list of the values that occur.
    Palette,
    /// Differences to what a trend tells of the entities of the rows.
    Trend {
        /// Which of the segment's.
        number: u32,
    },
}

/// What columns are decoded with.
#[derive(Clone, Copy, Default)]
pub(super) struct Context<'a> {
    /// The values that positions are of.
    pub(super) palette: &'a [u64],
    /// The trends of the segment.
    pub(super) trends: &'a [Trend],
    /// The entities of the rows.
    pub(super) e: &'a [u64],
}

/// What small numbers are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relative {
    /// The base, which is the least.
    ToBase,
    /// The row before, the first to the base; signs are folded in.
    ToRowBefore,
}

/// How to undo the encoding of one column of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) numbers: Numbers,
    relative: Relative,
    /// Planes that are not all zeros.
    pub(super) planes: u8,
    base: i64,
    /// What every small number was divided by.
    step: u64,
}

/// A column of a chunk, encoded.
pub(super) struct Encoded {
    pub(super) encoding: Encoding,
    /// Lowest bytes first.
    pub(super) planes: Vec<Vec<u8>>,
    /// What the planes will take, more or less.
    pub(super) bytes_estimate: usize,
}

/// The largest exponent of [`Numbers::Decimal`]: doubles hold `10^22` exactly, prices need 2.
const EXPONENT_MAX: u8 = 12;
/// Most planes of a column.
pub(super) const PLANES_MAX: usize = 8;

const PLANES_MASK: u8 = 0x0f;
const ROW_BEFORE_BIT: u8 = 0x10;
const DECIMAL: u8 = 1;
const PALETTE: u8 = 2;
const TREND: u8 = 3;
const NUMBERS_SHIFT: u8 = 5;

const _: () = assert!(PLANES_MAX <= PLANES_MASK as usize);
const _: () = assert!(PLANES_MASK & ROW_BEFORE_BIT == 0 && ROW_BEFORE_BIT < 1 << NUMBERS_SHIFT);

impl Encoding {
    /// Appends: one byte (planes, bit 4 for differences, kind of numbers), base, step, exponent or
    /// number of the trend.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let numbers = match self.numbers {
            Numbers::Bits => 0,
            Numbers::Decimal { .. } => DECIMAL,
            Numbers::Palette => PALETTE,
            Numbers::Trend { .. } => TREND,
        };
        let relative = match self.relative {
            Relative::ToBase => 0,
            Relative::ToRowBefore => ROW_BEFORE_BIT,
        };
        out.push(self.planes | relative | numbers << NUMBERS_SHIFT);
        put_zigzag(out, self.base);
        put_varint(out, self.step);
        match self.numbers {
            Numbers::Decimal { exponent } => out.push(exponent),
            Numbers::Trend { number } => put_varint(out, u64::from(number)),
            Numbers::Bits | Numbers::Palette => {}
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Encoding> {
        let tag = cursor.byte()?;
        let (base, step) = (cursor.zigzag()?, cursor.varint()?);
        let numbers = match tag >> NUMBERS_SHIFT {
            0 => Numbers::Bits,
            DECIMAL => Numbers::Decimal {
                exponent: cursor.byte()?,
            },
            PALETTE => Numbers::Palette,
            TREND => Numbers::Trend {
                number: u32::try_from(cursor.varint()?)
                    .map_err(|_| malformed("a trend in it has no place"))?,
            },
            _ => return Err(malformed("a column in it has no known encoding")),
        };
        let planes = tag & PLANES_MASK;
        let is_too_large =
            matches!(numbers, Numbers::Decimal { exponent } if exponent > EXPONENT_MAX);
        if usize::from(planes) > PLANES_MAX || is_too_large {
            return Err(malformed("a column in it has no known encoding"));
        }
        Ok(Encoding {
            numbers,
            relative: if tag & ROW_BEFORE_BIT == 0 {
                Relative::ToBase
            } else {
                Relative::ToRowBefore
            },
            planes,
            base,
            step,
        })
    }

    /// The column of `rows` rows. `planes` are the first ones, each of that many bytes.
    ///
    /// Fails where a position lies outside the palette, or there is no such trend.
    pub(super) fn decode(
        &self,
        planes: &[&[u8]],
        rows: usize,
        context: Context<'_>,
    ) -> Result<Vec<u64>> {
        let base = self.base as u64;
        let mut column = match (self.relative, self.step) {
            (Relative::ToBase, 1) => join_planes(planes, rows, |n| base.wrapping_add(n)),
            (Relative::ToBase, step) => {
                join_planes(planes, rows, |n| base.wrapping_add(n.wrapping_mul(step)))
            }
            (Relative::ToRowBefore, step) => {
                let mut last = base;
                join_planes(planes, rows, |n| {
                    let difference = (n >> 1) ^ (n & 1).wrapping_neg();
                    last = last.wrapping_add(difference.wrapping_mul(step));
                    last
                })
            }
        };
        match self.numbers {
            Numbers::Bits => {}
            Numbers::Decimal { exponent } => {
                let scale = power_of_ten(exponent);
                column
                    .iter_mut()
                    .for_each(|n| *n = (*n as i64 as f64 / scale).to_bits());
            }
            Numbers::Palette => {
                for n in &mut column {
                    *n = *usize::try_from(*n)
                        .ok()
                        .and_then(|at| context.palette.get(at))
                        .ok_or_else(|| malformed("a value in it is not in its palette"))?;
                }
            }
            Numbers::Trend { number } => {
                let trend = context.trends.get(number as usize);
                let trend = trend.ok_or_else(|| malformed("a trend of it is not there"))?;
                for (n, told) in column.iter_mut().zip(trend.at(context.e)) {
                    *n = n.wrapping_add(told);
                }
            }
        }
        Ok(column)
    }
}

/// The rows of the planes put together, each through `undo`: one pass for as many as most need.
fn join_planes(planes: &[&[u8]], rows: usize, mut undo: impl FnMut(u64) -> u64) -> Vec<u64> {
    match planes {
        [] => (0..rows).map(|_| undo(0)).collect(),
        [a] => a.iter().map(|&a| undo(u64::from(a))).collect(),
        [a, b] => {
            let pairs = a.iter().zip(*b);
            pairs
                .map(|(&a, &b)| undo(u64::from(a) | u64::from(b) << 8))
                .collect()
        }
        [a, b, c] => {
            let triples = a.iter().zip(*b).zip(*c);
            let join = |a: u8, b: u8, c: u8| u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16;
            triples.map(|((&a, &b), &c)| undo(join(a, b, c))).collect()
        }
        [low, rest @ ..] => {
            let mut column: Vec<u64> = low.iter().map(|&byte| u64::from(byte)).collect();
            for (plane, shift) in rest.iter().zip((8..).step_by(8)) {
                for (n, &byte) in column.iter_mut().zip(*plane) {
                    *n |= u64::from(byte) << shift;
                }
            }
            column.iter_mut().for_each(|n| *n = undo(*n));
            column
        }
    }
}

/// The shortest encoding of a column's numbers. There is at least one row.
pub(super) fn encode(column: &[u64], numbers: Numbers) -> Encoded {
    let to_base = relative_to_base(column, numbers);
    if to_base.planes.is_empty() {
        return to_base;
    }
    let to_row_before = relative_to_row_before(column, numbers);
    if to_row_before.bytes_estimate < to_base.bytes_estimate {
        to_row_before
    } else {
        to_base
    }
}

/// The shortest encoding of a column of doubles: decimals of few digits become integers.
pub(super) fn encode_doubles(column: &[u64]) -> Encoded {
    match (0..=EXPONENT_MAX).find_map(|exponent| Some((exponent, decimals(column, exponent)?))) {
        Some((exponent, integers)) => encode(&integers, Numbers::Decimal { exponent }),
        None => encode(column, Numbers::Bits),
    }
}

/// The column as integers over `10^exponent`, if every double comes back from that bit for bit.
fn decimals(column: &[u64], exponent: u8) -> Option<Vec<u64>> {
    // Up to here every integer is a double, so the quotient is the double nearest to the decimal.
    const LIMIT: f64 = (1u64 << 53) as f64;
    let scale = power_of_ten(exponent);
    let integer = |&bits: &u64| {
        let n = (f64::from_bits(bits) * scale).round();
        (n.abs() < LIMIT && (n as i64 as f64 / scale).to_bits() == bits).then_some(n as i64 as u64)
    };
    column.iter().map(integer).collect()
}

fn power_of_ten(exponent: u8) -> f64 {
    10f64.powi(i32::from(exponent))
}

fn relative_to_base(column: &[u64], numbers: Numbers) -> Encoded {
    let base = column.iter().map(|&n| n as i64).min().unwrap_or(0);
    let offsets: Vec<u64> = column.iter().map(|n| n.wrapping_sub(base as u64)).collect();
    let step = greatest_step(offsets.iter().copied());
    let small = offsets.iter().map(|offset| offset / step).collect();
    finish(small, numbers, Relative::ToBase, base, step)
}

fn relative_to_row_before(column: &[u64], numbers: Numbers) -> Encoded {
    let base = column.first().map_or(0, |&n| n as i64);
    let mut last = base as u64;
    let differences: Vec<i64> = column
        .iter()
        .map(|&n| {
            let difference = n.wrapping_sub(last) as i64;
            last = n;
            difference
        })
        .collect();
    let step = greatest_step(differences.iter().map(|n| n.unsigned_abs()));
    let small = differences
        .iter()
        .map(|&n| {
            let n = if step == 1 {
                n
            } else {
                (i128::from(n) / i128::from(step)) as i64
            };
            ((n << 1) ^ (n >> 63)) as u64
        })
        .collect();
    finish(small, numbers, Relative::ToRowBefore, base, step)
}

/// The greatest number that divides all; 1 where all are 0.
fn greatest_step(numbers: impl Iterator<Item = u64>) -> u64 {
    let mut step = 0u64;
    for n in numbers {
        if step == 0 || n % step != 0 {
            step = step.gcd(&n);
        }
        if step == 1 {
            break;
        }
    }
    step.max(1)
}

fn finish(small: Vec<u64>, numbers: Numbers, relative: Relative, base: i64, step: u64) -> Encoded {
    let bits = small.iter().fold(0, |all, n| all | n);
    let count = PLANES_MAX - bits.leading_zeros() as usize / 8;
    let planes: Vec<Vec<u8>> = (0..count)
        .map(|plane| small.iter().map(|n| (n >> (8 * plane)) as u8).collect())
        .collect();
    Encoded {
        bytes_estimate: planes.iter().map(|plane| plane_bytes(plane)).sum(),
        encoding: Encoding {
            numbers,
            relative,
            planes: count as u8,
            base,
            step,
        },
        planes,
    }
}

/// What a plane compresses to, more or less: its entropy, or less where bytes repeat in a row.
fn plane_bytes(plane: &[u8]) -> usize {
    let mut counts = [0u32; 256];
    let mut changes = 0usize;
    let mut last = 0;
    for &byte in plane {
        counts[usize::from(byte)] += 1;
        changes += usize::from(byte != last);
        last = byte;
    }
    let rows = plane.len() as f64;
    let bits: f64 = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) * (rows / f64::from(count)).log2())
        .sum();
    (bits as usize / 8).min(changes * 3) + 24
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(column: &[u64]) {
        for encoded in [encode(column, Numbers::Bits), encode_doubles(column)] {
            let mut out = Vec::new();
            encoded.encoding.put(&mut out);
            let encoding = Encoding::read(&mut Cursor::new(&out)).unwrap();
            assert_eq!(encoding, encoded.encoding);
            let planes: Vec<&[u8]> = encoded.planes.iter().map(Vec::as_slice).collect();
            let back = encoding
                .decode(&planes, column.len(), Context::default())
                .unwrap();
            assert_eq!(back, column);
        }
    }

    #[test]
    fn columns_come_back() {
        for (column, planes) in [
            (&[7][..], 0),
            (&[7; 100], 0),
            (&[1, 2, 3, 4], 1),
            (&[0, 255, 0], 1),
            (&[0, 256, 1], 2),
            (&[u64::MAX, 0, 1], 1),
            (&[1 << 60, 1 << 61, 3 << 60], 1),
            (&[i64::MIN as u64, i64::MAX as u64, 0], 8),
        ] {
            check(column);
            let encoding = encode(column, Numbers::Bits).encoding;
            assert_eq!(encoding.planes, planes, "{column:?}");
        }
    }

    #[test]
    fn whole_days_and_decimals_are_small_numbers() {
        let days: Vec<u64> = (0..300).map(|n| n * n % 200 * 86_400_000).collect();
        check(&days);
        assert_eq!(encode(&days, Numbers::Bits).encoding.planes, 1);
        let decimals = [0.0, 1.5, -2.25, 1e9].map(f64::to_bits);
        check(&decimals);
        let exponent = 2;
        assert_eq!(
            encode_doubles(&decimals).encoding.numbers,
            Numbers::Decimal { exponent }
        );
        let others = [-0.0, f64::NAN, f64::INFINITY, 0.1 + 0.2].map(f64::to_bits);
        check(&others);
        assert_eq!(encode_doubles(&others).encoding.numbers, Numbers::Bits);
    }

    #[test]
    fn palette_is_not_left() {
        let encoded = encode(&[0, 1, 2], Numbers::Palette);
        let planes: Vec<&[u8]> = encoded.planes.iter().map(Vec::as_slice).collect();
        let decode = |palette| {
            let context = Context {
                palette,
                ..Context::default()
            };
            encoded.encoding.decode(&planes, 3, context)
        };
        assert_eq!(decode(&[9, 8, 7]).unwrap(), [9, 8, 7]);
        assert!(decode(&[9, 8]).is_err());
    }
}
