//! Columns as clients of PostgreSQL know them.

use datafusion::arrow::datatypes::{DataType, Schema};

/// How cells are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As people read them.
    Text = 0,
    /// As machines do.
    Binary = 1,
}

/// The numbers of types, and those of arrays of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) oid: u32,
    /// Bytes of a cell; -1 where they differ.
    pub(super) bytes: i16,
    /// What is said beside the type, such as digits; -1 for nothing.
    pub(super) modifier: i32,
}

/// Types by number, with the bytes of a cell and the number of an array of them.
const TYPES: [(u32, i16, u32); 15] = [
    (oid::BOOL, 1, 1000),
    (oid::BYTEA, -1, 1001),
    (oid::INT2, 2, 1005),
    (oid::INT4, 4, 1007),
    (oid::INT8, 8, 1016),
    (oid::TEXT, -1, 1009),
    (oid::FLOAT4, 4, 1021),
    (oid::FLOAT8, 8, 1022),
    (oid::TIMESTAMP, 8, 1115),
    (oid::DATE, 4, 1182),
    (oid::TIME, 8, 1183),
    (oid::TIMESTAMPTZ, 8, 1185),
    (oid::INTERVAL, 16, 1187),
    (oid::NUMERIC, -1, 1231),
    (oid::UUID, 16, 2951),
];

/// Numbers of types that are named somewhere.
pub(super) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const OID: u32 = 26;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const UNKNOWN: u32 = 705;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const UUID: u32 = 2950;
}

impl Kind {
    /// What a type is called in a client; text for what has no name there.
    pub(super) fn of(data_type: &DataType) -> Kind {
        let (oid, modifier) = match data_type {
            DataType::Boolean => (oid::BOOL, -1),
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => (oid::INT2, -1),
            DataType::Int32 | DataType::UInt16 => (oid::INT4, -1),
            DataType::Int64 | DataType::UInt32 => (oid::INT8, -1),
            DataType::UInt64 => (oid::NUMERIC, -1),
            DataType::Float16 | DataType::Float32 => (oid::FLOAT4, -1),
            DataType::Float64 => (oid::FLOAT8, -1),
            DataType::Decimal32(digits, scale)
            | DataType::Decimal64(digits, scale)
            | DataType::Decimal128(digits, scale)
            | DataType::Decimal256(digits, scale) => (oid::NUMERIC, digits_of(*digits, *scale)),
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => (oid::BYTEA, -1),
            DataType::Date32 | DataType::Date64 => (oid::DATE, -1),
            DataType::Time32(_) | DataType::Time64(_) => (oid::TIME, -1),
            DataType::Timestamp(_, None) => (oid::TIMESTAMP, -1),
            DataType::Timestamp(_, Some(_)) => (oid::TIMESTAMPTZ, -1),
            DataType::Interval(_) | DataType::Duration(_) => (oid::INTERVAL, -1),
            DataType::Dictionary(_, values) => return Kind::of(values),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                match item.data_type() {
                    item if item.is_nested() => (oid::TEXT, -1),
                    item => (Kind::of(item).array(), -1),
                }
            }
            _ => (oid::TEXT, -1),
        };
        let bytes = TYPES.iter().find(|(of, ..)| *of == oid);
        Kind {
            oid,
            bytes: bytes.map_or(-1, |(_, bytes, _)| *bytes),
            modifier,
        }
    }

    /// The number of an array of it.
    fn array(self) -> u32 {
        let found = TYPES.iter().find(|(of, ..)| *of == self.oid);
        found.map_or(oid::TEXT, |(.., array)| *array)
    }
}

/// The type of an array's items.
pub(super) fn item_of(array: u32) -> Option<u32> {
    let found = TYPES.iter().find(|(.., of)| *of == array);
    found.map(|(item, ..)| *item)
}

fn digits_of(digits: u8, scale: i8) -> i32 {
    match u16::try_from(scale) {
        Ok(scale) => (i32::from(digits) << 16 | i32::from(scale)) + 4,
        Err(_) => -1,
    }
}

/// A column of an answer.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) form: Form,
}

/// The columns of an answer.
///
/// - `forms`: one for each, one for all, or none for text.
pub(super) fn columns(schema: &Schema, forms: &[Form]) -> Vec<Column> {
    let form = |at: usize| match forms {
        [] => Form::Text,
        [all] => *all,
        each => each.get(at).copied().unwrap_or(Form::Text),
    };
    let fields = schema.fields().iter().enumerate();
    let column =
        |(at, field): (usize, &std::sync::Arc<datafusion::arrow::datatypes::Field>)| Column {
            name: field.name().clone(),
            kind: Kind::of(field.data_type()),
            form: form(at),
        };
    fields.map(column).collect()
}
