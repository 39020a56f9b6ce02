//! The values of the database and of its surface: everything EDN can say.
//!
//! One type serves transaction data, query forms and results at the edge. Inside the engine values
//! are cells of columns (see `index`); a [`Value`] is made only where a person or a client looks.

mod array;
mod compare;
mod content;
mod equal;
mod hash;
mod name;
mod stable;

pub use array::option_pairs;
pub use compare::{Order, compare};
pub use content::content_uuid;
pub use equal::is_same_form;
pub use hash::{clojure_hash, ordered, set_position};
pub use name::{Keyword, Symbol};
pub use stable::stable_hash;

use std::sync::Arc;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use uuid::Uuid;

/// A map in order of insertion; equality ignores the order.
pub type Map = indexmap::IndexMap<Value, Value, foldhash::fast::FixedState>;
/// A set in order of insertion; equality ignores the order.
pub type Set = indexmap::IndexSet<Value, foldhash::fast::FixedState>;

/// Any value that EDN can write, and the few more that a database holds.
///
/// Equality and hash are Clojure's `=`: lists equal vectors, `1` is not `1.0`, `1` equals `1N`.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// `nil`
    #[default]
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// A 64-bit integer.
    Long(i64),
    /// A 64-bit float.
    Double(f64),
    /// A 32-bit float.
    Float(f32),
    /// An integer of any size, `1N`.
    BigInt(Arc<BigInt>),
    /// A decimal with its scale, `1.0M`.
    BigDec(Arc<BigDecimal>),
    /// A ratio, `1/3`; never an integer.
    Ratio(Arc<BigRational>),
    /// A character, `\a`.
    Char(char),
    /// A string.
    Str(Arc<str>),
    /// A keyword.
    Keyword(Keyword),
    /// A symbol.
    Symbol(Symbol),
    /// A UUID.
    Uuid(Uuid),
    /// An instant, in milliseconds since 1970 UTC.
    Instant(i64),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// An array of 32-bit floats as one scalar.
    FloatArray(Arc<[f32]>),
    /// An array of 64-bit floats as one scalar.
    DoubleArray(Arc<[f64]>),
    /// A list.
    List(Arc<[Value]>),
    /// A vector.
    Vector(Arc<[Value]>),
    /// A map.
    Map(Arc<Map>),
    /// A set.
    Set(Arc<Set>),
    /// A tag nobody here knows, with its value.
    Tagged(Arc<(Symbol, Value)>),
    /// A compiled regular expression; equal to another of the same text.
    Regex(Arc<regex::Regex>),
}

impl Value {
    /// A keyword from its text without the colon.
    pub fn keyword(text: &str) -> Value {
        Value::Keyword(Keyword::new(text))
    }

    /// A symbol from its text.
    pub fn symbol(text: &str) -> Value {
        Value::Symbol(Symbol::new(text))
    }

    /// A string.
    pub fn str(text: &str) -> Value {
        Value::Str(Arc::from(text))
    }

    /// A vector.
    pub fn vector(items: impl IntoIterator<Item = Value>) -> Value {
        Value::Vector(items.into_iter().collect())
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(items.into_iter().collect())
    }

    /// A map; of equal keys the last wins.
    pub fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
        Value::Map(Arc::new(entries.into_iter().collect()))
    }

    /// A set.
    pub fn set(items: impl IntoIterator<Item = Value>) -> Value {
        Value::Set(Arc::new(items.into_iter().collect()))
    }

    /// Everything but `nil` and `false`.
    pub fn is_truthy(&self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }

    /// Whether this is `nil`.
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// The items of a list or vector.
    pub fn as_sequential(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Vector(items) => Some(items),
            _ => None,
        }
    }

    /// The keyword, if this is one.
    pub fn as_keyword(&self) -> Option<&Keyword> {
        match self {
            Value::Keyword(keyword) => Some(keyword),
            _ => None,
        }
    }

    /// The symbol, if this is one.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        match self {
            Value::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// The string, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The 64-bit integer, if this is one.
    pub fn as_long(&self) -> Option<i64> {
        match self {
            Value::Long(n) => Some(*n),
            _ => None,
        }
    }

    /// The map, if this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// What a map holds under a keyword (given without its colon); none for anything but a map.
    pub fn get(&self, keyword: &str) -> Option<&Value> {
        self.as_map()?.get(&Value::keyword(keyword))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Str(text.into())
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Long(n)
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Value {
        Value::Long(n as i64)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

impl From<Keyword> for Value {
    fn from(keyword: Keyword) -> Value {
        Value::Keyword(keyword)
    }
}

impl From<Symbol> for Value {
    fn from(symbol: Symbol) -> Value {
        Value::Symbol(symbol)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Value {
        Value::Map(Arc::new(map))
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::Vector(items.into())
    }
}
