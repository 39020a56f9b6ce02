//! What the cells of an attribute are in a table.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datalith_engine::index::{Kind, Kinds, Run};
use datalith_engine::schema::{Attribute, ValueType};
use datalith_engine::{Db, Value};

/// Digits that a decimal column has.
pub(crate) const DECIMAL_DIGITS: u8 = 38;
/// Digits after the point of decimals of which nothing is stored.
const DECIMAL_SCALE: i8 = 2;
/// The zone of instants.
pub(crate) const ZONE: &str = "+00:00";

/// How cells become an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// Booleans.
    Bool,
    /// Whole numbers of 64 bits; entities too.
    Long,
    /// Floating point numbers of 64 bits; all numbers where an attribute takes any.
    Double,
    /// Floating point numbers of 32 bits.
    Float,
    /// Instants.
    Instant,
    /// Strings; keywords without their colon, symbols, UUIDs, characters as they are written.
    Text,
    /// Decimals with so many digits after the point; integers of any size with none.
    Decimal(i8),
    /// Bytes.
    Bytes,
    /// Arrays of 32-bit floats.
    Floats,
    /// Arrays of 64-bit floats.
    Doubles,
    /// Values of several kinds, tuples, and what SQL has no type for: the text of their EDN.
    Edn,
}

impl ColumnKind {
    /// What the values of an attribute are: as declared, or as the rows say.
    ///
    /// - `run`: its rows.
    pub(crate) fn of(db: &Db, attribute: Option<&Attribute>, run: Option<&Run>) -> ColumnKind {
        let declared = attribute.and_then(|attribute| attribute.value_type);
        if attribute.is_some_and(|attribute| attribute.aside) {
            // Rows have the names of arrays.
            return ColumnKind::Text;
        }
        match declared {
            Some(ValueType::Boolean) => ColumnKind::Bool,
            Some(ValueType::Long | ValueType::Ref) => ColumnKind::Long,
            Some(ValueType::Double | ValueType::Number) => ColumnKind::Double,
            Some(ValueType::Float) => ColumnKind::Float,
            Some(ValueType::Instant) => ColumnKind::Instant,
            Some(
                ValueType::String
                | ValueType::Keyword
                | ValueType::Symbol
                | ValueType::Uuid
                | ValueType::StoreRef,
            ) => ColumnKind::Text,
            Some(ValueType::BigInt) => ColumnKind::Decimal(0),
            Some(ValueType::BigDec) => ColumnKind::Decimal(scale(db, run)),
            Some(ValueType::Bytes) => ColumnKind::Bytes,
            Some(ValueType::FloatArray) => ColumnKind::Floats,
            Some(ValueType::DoubleArray) => ColumnKind::Doubles,
            Some(_) | None => run.map_or(ColumnKind::Edn, |run| ColumnKind::of_rows(db, run)),
        }
    }

    /// What all rows are, where nothing is declared.
    fn of_rows(db: &Db, run: &Run) -> ColumnKind {
        let mut all = None;
        for chunk in run.chunks() {
            let Kinds::All(kind) = chunk.v.kinds() else {
                return ColumnKind::Edn;
            };
            if all.replace(*kind).is_some_and(|other| other != *kind) {
                return ColumnKind::Edn;
            }
        }
        match all {
            Some(Kind::BigDec) => ColumnKind::Decimal(scale(db, Some(run))),
            all => ColumnKind::of_cells(all),
        }
    }

    /// What cells of one kind are; of a decimal's digits nothing is known.
    pub(crate) fn of_cells(kind: Option<Kind>) -> ColumnKind {
        match kind {
            Some(Kind::Bool) => ColumnKind::Bool,
            Some(Kind::Long) => ColumnKind::Long,
            Some(Kind::Double) => ColumnKind::Double,
            Some(Kind::Float) => ColumnKind::Float,
            Some(Kind::Instant) => ColumnKind::Instant,
            Some(Kind::Keyword | Kind::Str | Kind::Uuid | Kind::Symbol | Kind::Char) => {
                ColumnKind::Text
            }
            Some(Kind::BigInt) => ColumnKind::Decimal(0),
            Some(Kind::Bytes) => ColumnKind::Bytes,
            Some(Kind::Floats) => ColumnKind::Floats,
            Some(Kind::Doubles) => ColumnKind::Doubles,
            _ => ColumnKind::Edn,
        }
    }

    /// The type of the array.
    pub(crate) fn data_type(self) -> DataType {
        let list = |of| DataType::List(Arc::new(Field::new("item", of, true)));
        match self {
            ColumnKind::Bool => DataType::Boolean,
            ColumnKind::Long => DataType::Int64,
            ColumnKind::Double => DataType::Float64,
            ColumnKind::Float => DataType::Float32,
            ColumnKind::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some(ZONE.into())),
            ColumnKind::Text | ColumnKind::Edn => DataType::Utf8View,
            ColumnKind::Decimal(scale) => DataType::Decimal128(DECIMAL_DIGITS, scale),
            ColumnKind::Bytes => DataType::Binary,
            ColumnKind::Floats => list(DataType::Float32),
            ColumnKind::Doubles => list(DataType::Float64),
        }
    }
}

/// The most digits after the point that a stored decimal of the attribute has.
fn scale(db: &Db, run: Option<&Run>) -> i8 {
    let Some(run) = run else {
        return DECIMAL_SCALE;
    };
    let cells = run.chunks().flat_map(|chunk| chunk.v.cells());
    most_digits(cells.map(|cell| db.dictionary().value(cell)))
}

/// The most digits after the point that one of some decimals has.
pub(crate) fn most_digits(values: impl Iterator<Item = Value>) -> i8 {
    let digits = values.map(|value| match value {
        Value::BigDec(decimal) => decimal.fractional_digit_count(),
        _ => 0,
    });
    digits
        .max()
        .unwrap_or(0)
        .clamp(0, i64::from(DECIMAL_DIGITS)) as i8
}
