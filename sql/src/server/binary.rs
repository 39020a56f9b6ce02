//! Values as PostgreSQL writes them for machines.

use datafusion::arrow::array::Array;

use super::column::{Form, Kind};
use super::refusal::{LIMIT, Refusal};
use super::reply::{Counted, sized};
use super::scalar::Scalar;
use super::text;

/// Days and microseconds from 1970 to 2000, where PostgreSQL begins to count.
pub(super) const EPOCH_DAYS: i64 = 10_957;
pub(super) const EPOCH_US: i64 = EPOCH_DAYS * 86_400_000_000;
/// The base in which digits of numbers are sent, and how many decimal digits it has.
pub(super) const BASE_DIGITS: usize = 4;
/// The sign of a number below zero.
pub(super) const NEGATIVE: u16 = 0x4000;

/// Appends a value; nothing for NULL.
///
/// Errors: 22008 for a date that PostgreSQL cannot say, 54000 for a list that is too long.
pub(super) fn write(scalar: &Scalar<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let beyond = || Refusal::new("22008", "a time lies beyond what PostgreSQL can say");
    match scalar {
        Scalar::Null => {}
        Scalar::Bool(b) => out.push(u8::from(*b)),
        Scalar::Int2(n) => out.extend(n.to_be_bytes()),
        Scalar::Int4(n) => out.extend(n.to_be_bytes()),
        Scalar::Int8(n) => out.extend(n.to_be_bytes()),
        Scalar::Float4(x) => out.extend(x.to_be_bytes()),
        Scalar::Float8(x) => out.extend(x.to_be_bytes()),
        Scalar::Text(text) => out.extend(text.as_bytes()),
        Scalar::Bytes(bytes) => out.extend(*bytes),
        Scalar::Numeric(digits) => numeric(digits, out),
        Scalar::Date(days) => {
            let days = i32::try_from(days - EPOCH_DAYS).map_err(|_| beyond())?;
            out.extend(days.to_be_bytes());
        }
        Scalar::Timestamp { us, .. } => {
            let us = us.checked_sub(EPOCH_US).ok_or_else(beyond)?;
            out.extend(us.to_be_bytes());
        }
        Scalar::Time(us) => out.extend(us.to_be_bytes()),
        Scalar::Interval { months, days, us } => {
            out.extend(us.to_be_bytes());
            out.extend(days.to_be_bytes());
            out.extend(months.to_be_bytes());
        }
        Scalar::List(items) => list(items.as_ref(), out)?,
    }
    Ok(())
}

fn list(items: &dyn Array, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let length = i32::try_from(items.len());
    let length = length.map_err(|_| Refusal::new(LIMIT, "a list is too long"))?;
    out.extend(i32::from(length > 0).to_be_bytes());
    out.extend(i32::from(items.null_count() > 0).to_be_bytes());
    out.extend(Kind::of(items.data_type()).oid.to_be_bytes());
    if length > 0 {
        out.extend(length.to_be_bytes());
        out.extend(1_i32.to_be_bytes());
    }
    for row in 0..items.len() {
        cell(&Scalar::of(items, row)?, Form::Binary, out)?;
    }
    Ok(())
}

/// Appends a value with its length before it, in either form.
///
/// Errors: as [`write`].
pub(super) fn cell(scalar: &Scalar<'_>, form: Form, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if matches!(scalar, Scalar::Null) {
        out.extend((-1_i32).to_be_bytes());
        return Ok(());
    }
    let mut written = Ok(());
    sized(out, Counted::Alone, |out| {
        written = match form {
            Form::Text => text::write(scalar, out),
            Form::Binary => write(scalar, out),
        };
    });
    written
}

/// A decimal as groups of four digits around its point.
fn numeric(digits: &str, out: &mut Vec<u8>) {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => (NEGATIVE, digits),
        None => (0, digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let before = whole.len().div_ceil(BASE_DIGITS) * BASE_DIGITS;
    let after = fraction.len().div_ceil(BASE_DIGITS) * BASE_DIGITS;
    let padded = format!("{whole:0>before$}{fraction:0<after$}");
    let group = |group: &[u8]| {
        let digit = |sum, byte: &u8| sum * 10 + u16::from(byte - b'0');
        group.iter().fold(0, digit)
    };
    let groups: Vec<u16> = padded.as_bytes().chunks(BASE_DIGITS).map(group).collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let trailing = groups.iter().rev().take_while(|group| **group == 0).count();
    let kept = groups.get(leading..groups.len() - trailing).unwrap_or(&[]);
    let weight = (before / BASE_DIGITS) as i16 - 1 - leading as i16;
    out.extend((kept.len() as u16).to_be_bytes());
    out.extend(if kept.is_empty() { 0 } else { weight }.to_be_bytes());
    out.extend(if kept.is_empty() { 0 } else { sign }.to_be_bytes());
    out.extend((fraction.len() as u16).to_be_bytes());
    kept.iter()
        .for_each(|group| out.extend(group.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorts(digits: &str) -> Vec<i16> {
        let mut out = Vec::new();
        numeric(digits, &mut out);
        let short = |pair: &[u8]| i16::from_be_bytes([pair[0], pair[1]]);
        out.chunks(2).map(short).collect()
    }

    #[test]
    fn numbers_are_groups_of_four_digits() {
        assert_eq!(shorts("0"), [0, 0, 0, 0]);
        assert_eq!(shorts("0.00"), [0, 0, 0, 2]);
        assert_eq!(shorts("-12345.6"), [3, 1, 0x4000, 1, 1, 2345, 6000]);
        assert_eq!(shorts("0.0001"), [1, -1, 0, 4, 1]);
        assert_eq!(shorts("100000000"), [1, 2, 0, 0, 1]);
    }
}
