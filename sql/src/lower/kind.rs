//! What the columns of a variable hold.
//!
//! A variable whose values are all of one [`Kind`] is one column of its Arrow type. One whose values
//! are of several is four columns: the kind's number, and the value in the one of three that fits,
//! so that equal rows are equal values, `1` is not `1.0`, and `:a` is not `"a"`.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, cast, lit};
use datalith_engine::Value;
use datalith_engine::index;
use datalith_engine::query::ast::Var;

use crate::column::ZONE;

/// The kinds of values that lower: of each, values are equal exactly if their columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Bool,
    Long,
    Double,
    Instant,
    Str,
    Keyword,
    Symbol,
    Uuid,
}

/// What a variable's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// All of one kind.
    Of(Kind),
    /// Of kinds that rows tell.
    Mixed,
}

/// Where a value of several kinds lies: its kind, and one of three columns.
pub(super) const MIXED: [(&str, DataType); 4] = [
    (":kind", DataType::Int64),
    (":long", DataType::Int64),
    (":double", DataType::Float64),
    (":text", DataType::Utf8View),
];

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Bool,
        Kind::Long,
        Kind::Double,
        Kind::Instant,
        Kind::Str,
        Kind::Keyword,
        Kind::Symbol,
        Kind::Uuid,
    ];

    /// The kind of a value; none for values that do not lower.
    pub(super) fn of(value: &Value) -> Option<Kind> {
        Some(match value {
            Value::Bool(_) => Kind::Bool,
            Value::Long(_) => Kind::Long,
            Value::Double(_) => Kind::Double,
            Value::Instant(_) => Kind::Instant,
            Value::Str(_) => Kind::Str,
            Value::Keyword(_) => Kind::Keyword,
            Value::Symbol(_) => Kind::Symbol,
            Value::Uuid(_) => Kind::Uuid,
            _ => return None,
        })
    }

    /// The kind of cells; none for those that do not lower.
    pub(super) fn of_cells(kind: index::Kind) -> Option<Kind> {
        Some(match kind {
            index::Kind::Bool => Kind::Bool,
            index::Kind::Long => Kind::Long,
            index::Kind::Double => Kind::Double,
            index::Kind::Instant => Kind::Instant,
            index::Kind::Str => Kind::Str,
            index::Kind::Keyword => Kind::Keyword,
            index::Kind::Symbol => Kind::Symbol,
            index::Kind::Uuid => Kind::Uuid,
            _ => return None,
        })
    }

    /// Its number in a column of several kinds.
    pub(super) fn number(self) -> i64 {
        self as i64
    }

    /// The kind of a number.
    pub(super) fn numbered(number: i64) -> Option<Kind> {
        Kind::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The Arrow type of its column.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Kind::Bool => DataType::Boolean,
            Kind::Long => DataType::Int64,
            Kind::Double => DataType::Float64,
            Kind::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some(ZONE.into())),
            Kind::Str | Kind::Keyword | Kind::Symbol | Kind::Uuid => DataType::Utf8View,
        }
    }

    /// Whether its order is that of its text.
    pub(super) fn is_name(self) -> bool {
        matches!(self, Kind::Keyword | Kind::Symbol)
    }

    /// A column of this kind as one of [`MIXED`], by position.
    pub(super) fn lifted(self, column: Expr, at: usize) -> Expr {
        let absent = [lit(0i64), lit(0i64), lit(0f64), text_literal("")];
        let [_, no_long, no_double, no_text] = absent;
        match (at, self) {
            (0, _) => lit(self.number()),
            (1, Kind::Long) | (2, Kind::Double) => column,
            (1, Kind::Bool | Kind::Instant) => cast(column, DataType::Int64),
            (3, Kind::Str | Kind::Keyword | Kind::Symbol | Kind::Uuid) => column,
            (1, _) => no_long,
            (2, _) => no_double,
            _ => no_text,
        }
    }
}

/// A value as a literal of its kind's type.
pub(super) fn literal(value: &Value) -> Option<(Kind, Expr)> {
    let kind = Kind::of(value)?;
    let scalar = match value {
        Value::Bool(b) => ScalarValue::Boolean(Some(*b)),
        Value::Long(n) => ScalarValue::Int64(Some(*n)),
        // Adding zero makes `-0.0`, which equals `0.0`, the same bits.
        Value::Double(x) if x.is_nan() => ScalarValue::Float64(Some(f64::NAN)),
        Value::Double(x) => ScalarValue::Float64(Some(x + 0.0)),
        Value::Instant(ms) => ScalarValue::TimestampMillisecond(Some(*ms), Some(ZONE.into())),
        Value::Str(text) => return Some((kind, text_literal(text))),
        Value::Keyword(keyword) => return Some((kind, text_literal(keyword.as_str()))),
        Value::Symbol(symbol) => return Some((kind, text_literal(symbol.as_str()))),
        Value::Uuid(uuid) => return Some((kind, text_literal(&uuid.to_string()))),
        _ => return None,
    };
    Some((kind, Expr::Literal(scalar, None)))
}

fn text_literal(text: &str) -> Expr {
    Expr::Literal(ScalarValue::Utf8View(Some(text.to_owned())), None)
}

/// A column by its name, which no table qualifies.
pub(super) fn column(name: impl Into<String>) -> Expr {
    Expr::Column(Column::from_name(name))
}

impl Type {
    /// The columns of a variable of this type: how its name goes on, and what they hold.
    pub(super) fn columns(self) -> Vec<(&'static str, DataType)> {
        match self {
            Type::Of(kind) => vec![("", kind.data_type())],
            Type::Mixed => MIXED.to_vec(),
        }
    }
}

/// The name of a variable's column.
pub(super) fn column_name(var: &Var, suffix: &str) -> String {
    format!("{}{suffix}", var.0.as_str())
}
