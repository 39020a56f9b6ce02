//! Values as bytes, exactly: a tag, then what the kind needs. The table is in `docs/format.md`.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::Zero;
use uuid::Uuid;

use super::cursor::{Cursor, malformed, put_varint, put_zigzag};
use crate::error::{Code, Error, Result};
use crate::limits::{EDN_DEPTH, REGEX_BYTES};
use crate::value::{Keyword, Map, Set, Symbol, Value};

const NIL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const LONG: u8 = 3;
const DOUBLE: u8 = 4;
const FLOAT: u8 = 5;
const BIG_INT: u8 = 6;
const BIG_DEC: u8 = 7;
const RATIO: u8 = 8;
const CHAR: u8 = 9;
const STR: u8 = 10;
const KEYWORD: u8 = 11;
const SYMBOL: u8 = 12;
const UUID: u8 = 13;
const INSTANT: u8 = 14;
const BYTES: u8 = 15;
const FLOATS: u8 = 16;
const DOUBLES: u8 = 17;
const LIST: u8 = 18;
const VECTOR: u8 = 19;
const MAP: u8 = 20;
const SET: u8 = 21;
const TAGGED: u8 = 22;
const REGEX: u8 = 23;

/// Appends a value. Fails with [`Code::Limit`] if it is nested deeper than can be read back.
pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) -> Result<()> {
    put_nested(out, value, 0)
}

fn put_nested(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<()> {
    if depth > EDN_DEPTH {
        let message = format!("a value is nested deeper than {EDN_DEPTH} levels");
        return Err(Error::new(Code::Limit, message).with("limit", "edn-depth"));
    }
    match value {
        Value::List(items) => put_items(out, LIST, items.len(), items.iter(), depth),
        Value::Vector(items) => put_items(out, VECTOR, items.len(), items.iter(), depth),
        Value::Set(items) => put_items(out, SET, items.len(), items.iter(), depth),
        Value::Map(map) => {
            let items = map.iter().flat_map(|(key, value)| [key, value]);
            put_items(out, MAP, map.len(), items, depth)
        }
        Value::Tagged(tagged) => {
            put_bytes(out, TAGGED, tagged.0.as_str().as_bytes());
            put_nested(out, &tagged.1, depth + 1)
        }
        scalar => {
            put_scalar(out, scalar);
            Ok(())
        }
    }
}

fn put_scalar(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => out.push(NIL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Long(n) => put_number(out, LONG, *n),
        Value::Instant(ms) => put_number(out, INSTANT, *ms),
        Value::Double(x) => put_fixed(out, DOUBLE, &x.to_bits().to_le_bytes()),
        Value::Float(x) => put_fixed(out, FLOAT, &x.to_bits().to_le_bytes()),
        Value::Uuid(id) => put_fixed(out, UUID, id.as_bytes()),
        Value::Char(c) => {
            out.push(CHAR);
            put_varint(out, u64::from(u32::from(*c)));
        }
        Value::BigInt(n) => put_bytes(out, BIG_INT, &n.to_signed_bytes_le()),
        Value::BigDec(n) => {
            let (digits, scale) = n.as_bigint_and_exponent();
            put_bytes(out, BIG_DEC, &digits.to_signed_bytes_le());
            put_zigzag(out, scale);
        }
        Value::Ratio(n) => {
            put_bytes(out, RATIO, &n.numer().to_signed_bytes_le());
            let denominator = n.denom().to_signed_bytes_le();
            put_varint(out, denominator.len() as u64);
            out.extend_from_slice(&denominator);
        }
        Value::Str(text) => put_bytes(out, STR, text.as_bytes()),
        Value::Keyword(name) => put_bytes(out, KEYWORD, name.as_str().as_bytes()),
        Value::Symbol(name) => put_bytes(out, SYMBOL, name.as_str().as_bytes()),
        Value::Regex(regex) => put_bytes(out, REGEX, regex.as_str().as_bytes()),
        Value::Bytes(bytes) => put_bytes(out, BYTES, bytes),
        Value::FloatArray(floats) => {
            put_count(out, FLOATS, floats.len());
            floats
                .iter()
                .for_each(|x| out.extend_from_slice(&x.to_bits().to_le_bytes()));
        }
        Value::DoubleArray(doubles) => {
            put_count(out, DOUBLES, doubles.len());
            doubles
                .iter()
                .for_each(|x| out.extend_from_slice(&x.to_bits().to_le_bytes()));
        }
        Value::List(_) | Value::Vector(_) | Value::Set(_) | Value::Map(_) | Value::Tagged(_) => {
            unreachable!("collections are put item by item")
        }
    }
}

fn put_number(out: &mut Vec<u8>, tag: u8, n: i64) {
    out.push(tag);
    put_zigzag(out, n);
}

fn put_fixed(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn put_count(out: &mut Vec<u8>, tag: u8, count: usize) {
    out.push(tag);
    put_varint(out, count as u64);
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    put_count(out, tag, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_items<'v>(
    out: &mut Vec<u8>,
    tag: u8,
    count: usize,
    mut items: impl Iterator<Item = &'v Value>,
    depth: usize,
) -> Result<()> {
    put_count(out, tag, count);
    items.try_for_each(|item| put_nested(out, item, depth + 1))
}

/// The next value. Any bytes are fine to try: what no writer wrote is an error.
pub(crate) fn read_value(cursor: &mut Cursor<'_>) -> Result<Value> {
    read_nested(cursor, 0)
}

fn read_nested(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value> {
    if depth > EDN_DEPTH {
        return Err(malformed("a value in it is nested too deep"));
    }
    Ok(match cursor.byte()? {
        LIST => Value::List(read_items(cursor, 1, depth)?.into()),
        VECTOR => Value::Vector(read_items(cursor, 1, depth)?.into()),
        SET => Value::Set(Arc::new(
            read_items(cursor, 1, depth)?.into_iter().collect::<Set>(),
        )),
        MAP => {
            let mut items = read_items(cursor, 2, depth)?.into_iter();
            let mut map = Map::default();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                map.insert(key, value);
            }
            Value::Map(Arc::new(map))
        }
        TAGGED => {
            let tag = Symbol::new(read_text(cursor)?);
            Value::Tagged(Arc::new((tag, read_nested(cursor, depth + 1)?)))
        }
        tag => return read_scalar(cursor, tag),
    })
}

fn read_scalar(cursor: &mut Cursor<'_>, tag: u8) -> Result<Value> {
    Ok(match tag {
        NIL => Value::Nil,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        LONG => Value::Long(cursor.zigzag()?),
        INSTANT => Value::Instant(cursor.zigzag()?),
        DOUBLE => Value::Double(f64::from_bits(u64::from_le_bytes(cursor.array()?))),
        FLOAT => Value::Float(f32::from_bits(u32::from_le_bytes(cursor.array()?))),
        UUID => Value::Uuid(Uuid::from_bytes(cursor.array()?)),
        CHAR => {
            let c = u32::try_from(cursor.varint()?)
                .ok()
                .and_then(char::from_u32);
            Value::Char(c.ok_or_else(|| malformed("a character in it is none"))?)
        }
        BIG_INT => Value::BigInt(Arc::new(read_integer(cursor)?)),
        BIG_DEC => {
            let digits = read_integer(cursor)?;
            Value::BigDec(Arc::new(BigDecimal::new(digits, cursor.zigzag()?)))
        }
        RATIO => {
            let (numerator, denominator) = (read_integer(cursor)?, read_integer(cursor)?);
            if denominator.is_zero() {
                return Err(malformed("a ratio in it has no denominator"));
            }
            Value::Ratio(Arc::new(BigRational::new(numerator, denominator)))
        }
        STR => Value::str(read_text(cursor)?),
        KEYWORD => Value::Keyword(Keyword::new(read_text(cursor)?)),
        SYMBOL => Value::Symbol(Symbol::new(read_text(cursor)?)),
        REGEX => {
            let builder = regex::RegexBuilder::new(read_text(cursor)?)
                .size_limit(REGEX_BYTES)
                .build();
            Value::Regex(Arc::new(
                builder.map_err(|_| malformed("a regex in it does not compile"))?,
            ))
        }
        BYTES => Value::Bytes(Arc::from(read_bytes(cursor)?)),
        FLOATS => {
            let count = cursor.count(4)?;
            let floats: Result<Arc<[f32]>> = (0..count)
                .map(|_| Ok(f32::from_le_bytes(cursor.array()?)))
                .collect();
            Value::FloatArray(floats?)
        }
        DOUBLES => {
            let count = cursor.count(8)?;
            let doubles: Result<Arc<[f64]>> = (0..count)
                .map(|_| Ok(f64::from_le_bytes(cursor.array()?)))
                .collect();
            Value::DoubleArray(doubles?)
        }
        _ => return Err(malformed("a value in it is of no known kind")),
    })
}

/// A count, then that many times `each` values.
fn read_items(cursor: &mut Cursor<'_>, each: usize, depth: usize) -> Result<Vec<Value>> {
    let count = cursor.count(each)? * each;
    // A value is larger in memory than its shortest bytes: grow as they turn out to be there.
    let mut items = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        items.push(read_nested(cursor, depth + 1)?);
    }
    Ok(items)
}

fn read_bytes<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let count = cursor.count(1)?;
    cursor.take(count)
}

fn read_text<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str> {
    std::str::from_utf8(read_bytes(cursor)?).map_err(|_| malformed("a text in it is not UTF-8"))
}

fn read_integer(cursor: &mut Cursor<'_>) -> Result<BigInt> {
    Ok(BigInt::from_signed_bytes_le(read_bytes(cursor)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One value of each kind, and the edges of some.
    pub(crate) fn samples() -> Vec<Value> {
        let bigint: BigInt = "-123456789012345678901234567890".parse().unwrap();
        let third = BigRational::new(1.into(), 3.into());
        let tuple = Value::vector([Value::keyword("a/b"), Value::Nil, Value::Double(-0.0)]);
        let mut samples = vec![
            Value::Nil,
            Value::Bool(true),
            Value::Bool(false),
            Value::Char('\u{10ffff}'),
            Value::BigInt(Arc::new(bigint)),
            Value::BigDec(Arc::new("1.000".parse().unwrap())),
            Value::BigDec(Arc::new("1E+10".parse().unwrap())),
            Value::Ratio(Arc::new(third)),
            Value::str(""),
            Value::str("žluťoučký \u{1F600}\0"),
            Value::keyword("a/b"),
            Value::symbol("?x"),
            Value::Uuid(Uuid::from_u128(99)),
            Value::Bytes(Arc::from([0u8, 255])),
            Value::FloatArray(Arc::from([1.5f32, f32::MIN])),
            Value::DoubleArray(Arc::from([f64::MAX, 0.1])),
            Value::list([tuple.clone()]),
            Value::set([Value::Long(1), Value::str("x")]),
            Value::map([(Value::keyword("k"), tuple.clone())]),
            Value::Tagged(Arc::new((Symbol::new("my/tag"), Value::Long(3)))),
            Value::Regex(Arc::new(regex::Regex::new("a+").unwrap())),
            tuple,
        ];
        samples.extend([0, 1, -1, i64::MIN, i64::MAX].map(Value::Long));
        samples.extend([0, i64::MIN].map(Value::Instant));
        samples.extend([0.0, -0.0, f64::INFINITY, 0.1].map(Value::Double));
        samples.extend([0.5f32, f32::NEG_INFINITY].map(Value::Float));
        samples
    }

    #[test]
    fn every_kind_comes_back_exactly() {
        for value in samples() {
            let mut out = Vec::new();
            put_value(&mut out, &value).unwrap();
            let mut cursor = Cursor::new(&out);
            let back = read_value(&mut cursor).unwrap();
            assert_eq!(format!("{back:?}"), format!("{value:?}"));
            assert_eq!(cursor.left(), 0);
            for len in 0..out.len() {
                assert!(
                    read_value(&mut Cursor::new(&out[..len])).is_err(),
                    "{value:?}"
                );
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = [VECTOR, 1].repeat(100_000);
        assert!(read_value(&mut Cursor::new(&deep)).is_err());
    }
}
