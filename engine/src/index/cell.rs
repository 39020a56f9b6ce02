//! Fixed-width cells: a kind and 64 bits.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::Dictionary;
use crate::value::{Value, compare};

/// What the bits of a cell mean. The order of kinds breaks ties between values that compare equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// `nil`; bits are 0.
    Nil,
    /// 0 or 1.
    Bool,
    /// An `i64`; entity ids too.
    Long,
    /// The bits of an `f64`.
    Double,
    /// The bits of an `f64` that came from an `f32`.
    Float,
    /// Milliseconds since 1970 UTC, an `i64`.
    Instant,
    /// A Unicode scalar value.
    Char,
    /// A dictionary id, as in all kinds below.
    Keyword,
    /// See [`Value::Symbol`].
    Symbol,
    /// See [`Value::Str`].
    Str,
    /// See [`Value::Uuid`].
    Uuid,
    /// See [`Value::BigInt`].
    BigInt,
    /// See [`Value::BigDec`].
    BigDec,
    /// See [`Value::Ratio`].
    Ratio,
    /// See [`Value::Bytes`].
    Bytes,
    /// See [`Value::FloatArray`].
    Floats,
    /// See [`Value::DoubleArray`].
    Doubles,
    /// A tuple: a vector or list.
    Tuple,
    /// Anything else.
    Other,
}

impl Kind {
    /// All kinds, by their number.
    pub const ALL: [Kind; 19] = [
        Kind::Nil,
        Kind::Bool,
        Kind::Long,
        Kind::Double,
        Kind::Float,
        Kind::Instant,
        Kind::Char,
        Kind::Keyword,
        Kind::Symbol,
        Kind::Str,
        Kind::Uuid,
        Kind::BigInt,
        Kind::BigDec,
        Kind::Ratio,
        Kind::Bytes,
        Kind::Floats,
        Kind::Doubles,
        Kind::Tuple,
        Kind::Other,
    ];

    /// The kind with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(number)).copied()
    }

    /// Whether the bits are a dictionary id.
    pub fn is_interned(self) -> bool {
        self >= Kind::Keyword
    }

    /// Whether values of this kind compare with numbers.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Kind::Long | Kind::Double | Kind::Float | Kind::BigInt | Kind::BigDec | Kind::Ratio
        )
    }

    /// The kind of a value's cell.
    pub fn of(value: &Value) -> Kind {
        match value {
            Value::Nil => Kind::Nil,
            Value::Bool(_) => Kind::Bool,
            Value::Long(_) => Kind::Long,
            Value::Double(_) => Kind::Double,
            Value::Float(_) => Kind::Float,
            Value::Instant(_) => Kind::Instant,
            Value::Char(_) => Kind::Char,
            Value::Keyword(_) => Kind::Keyword,
            Value::Symbol(_) => Kind::Symbol,
            Value::Str(_) => Kind::Str,
            Value::Uuid(_) => Kind::Uuid,
            Value::BigInt(_) => Kind::BigInt,
            Value::BigDec(_) => Kind::BigDec,
            Value::Ratio(_) => Kind::Ratio,
            Value::Bytes(_) => Kind::Bytes,
            Value::FloatArray(_) => Kind::Floats,
            Value::DoubleArray(_) => Kind::Doubles,
            Value::List(_) | Value::Vector(_) => Kind::Tuple,
            Value::Map(_) | Value::Set(_) | Value::Tagged(_) | Value::Regex(_) => Kind::Other,
        }
    }
}

/// A value of fixed width. Two cells of one dictionary are the same value iff they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// What the bits mean.
    pub kind: Kind,
    /// The value, or its dictionary id.
    pub bits: u64,
}

impl Cell {
    /// The cell of `nil`.
    pub const NIL: Cell = Cell {
        kind: Kind::Nil,
        bits: 0,
    };

    /// The cell of an integer or entity id.
    pub fn long(n: i64) -> Cell {
        Cell {
            kind: Kind::Long,
            bits: n as u64,
        }
    }

    /// The cell of a boolean.
    pub fn bool(b: bool) -> Cell {
        Cell {
            kind: Kind::Bool,
            bits: u64::from(b),
        }
    }

    /// The cell of a value that needs no dictionary; none for the others.
    pub fn inline(value: &Value) -> Option<Cell> {
        let bits = match value {
            Value::Nil => 0,
            Value::Bool(b) => u64::from(*b),
            Value::Long(n) | Value::Instant(n) => *n as u64,
            Value::Double(x) => float_bits(*x),
            Value::Float(x) => float_bits(f64::from(*x)),
            Value::Char(c) => u64::from(u32::from(*c)),
            _ => return None,
        };
        Some(Cell {
            kind: Kind::of(value),
            bits,
        })
    }

    /// The integer or entity id, if it is one.
    pub fn as_long(self) -> Option<i64> {
        (self.kind == Kind::Long).then_some(self.bits as i64)
    }

    /// The value of a cell that needs no dictionary; none for the others.
    pub fn inline_value(self) -> Option<Value> {
        Some(match self.kind {
            Kind::Nil => Value::Nil,
            Kind::Bool => Value::Bool(self.bits != 0),
            Kind::Long => Value::Long(self.bits as i64),
            Kind::Double => Value::Double(f64::from_bits(self.bits)),
            Kind::Float => Value::Float(f64::from_bits(self.bits) as f32),
            Kind::Instant => Value::Instant(self.bits as i64),
            Kind::Char => Value::Char(char::from_u32(self.bits as u32)?),
            _ => return None,
        })
    }

    /// The value, borrowed from the dictionary if it is there: sorts compare too often to clone.
    fn look_up(self, dictionary: &Dictionary) -> Cow<'_, Value> {
        match self.inline_value() {
            Some(value) => Cow::Owned(value),
            None => Cow::Borrowed(dictionary.interned(self.bits)),
        }
    }

    /// The order of the indexes: by value as [`compare`] has it; ties by kind, then bits.
    pub fn compare(self, other: Cell, dictionary: &Dictionary) -> Ordering {
        if self == other {
            return Ordering::Equal;
        }
        let by_value = match (self.kind, other.kind) {
            (Kind::Long, Kind::Long) | (Kind::Instant, Kind::Instant) => {
                (self.bits as i64).cmp(&(other.bits as i64))
            }
            (Kind::Bool, Kind::Bool) | (Kind::Char, Kind::Char) => self.bits.cmp(&other.bits),
            _ => compare(&self.look_up(dictionary), &other.look_up(dictionary)),
        };
        by_value.then_with(|| (self.kind, self.bits).cmp(&(other.kind, other.bits)))
    }

    /// A number whose order never contradicts [`Cell::compare`] among cells of one kind: equal
    /// keys need the full comparison. Lets a sort decide most pairs without the dictionary.
    pub fn sort_key(self, dictionary: &Dictionary) -> u64 {
        match self.kind {
            Kind::Long | Kind::Instant => self.bits ^ (1 << 63),
            Kind::Bool | Kind::Char => self.bits,
            Kind::Double | Kind::Float => float_key(f64::from_bits(self.bits)),
            Kind::Str => match dictionary.interned(self.bits) {
                Value::Str(text) => text_key(text.as_bytes()),
                _ => 0,
            },
            _ => 0,
        }
    }
}

/// Bits as they are, but of one NaN. So `0.0` and `-0.0` are two cells: what goes in comes out.
pub(super) fn float_bits(x: f64) -> u64 {
    if x.is_nan() {
        f64::NAN.to_bits()
    } else {
        x.to_bits()
    }
}

fn float_key(x: f64) -> u64 {
    if x == 0.0 {
        return 1 << 63;
    }
    if x.is_nan() {
        return u64::MAX;
    }
    let bits = x.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | (1 << 63)
    }
}

/// The first eight bytes. From lead byte 0xEE on, UTF-8 order and the UTF-16 order of the indexes
/// disagree: such a byte ends the key.
fn text_key(text: &[u8]) -> u64 {
    let mut key = [0u8; 8];
    for (slot, &byte) in key.iter_mut().zip(text) {
        *slot = byte.min(0xEE);
        if byte >= 0xEE {
            break;
        }
    }
    u64::from_be_bytes(key)
}
