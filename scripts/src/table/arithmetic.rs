//! Operators between columns, and between a column and a constant.

use arrow_arith::{boolean, numeric};
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, Int64Array, Scalar, StringArray};
use arrow_ord::cmp;
use arrow_schema::ArrowError;
use datalith_engine::{Value, edn, value::compare};
use rhai::Dynamic;

use super::column::{Column, Kind, texts};
use super::failed;
use crate::fault::{Done, refused};
use crate::value::to_value;

/// What is done with two numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One side of an operator.
#[derive(Clone)]
pub(super) enum Operand {
    /// A cell for each row.
    Column(Column),
    /// One cell for all rows.
    Constant(Column),
}

impl Operand {
    /// A column, or any value that can be in one.
    pub(super) fn of(given: &Dynamic) -> Done<Operand> {
        if let Some(column) = given.read_lock::<Column>() {
            return Ok(Operand::Column(column.clone()));
        }
        Ok(Operand::Constant(Column::from_values(vec![to_value(
            given,
        )?])))
    }

    fn cells(&self) -> &Column {
        match self {
            Operand::Column(column) | Operand::Constant(column) => column,
        }
    }

    fn with(&self, cells: Column) -> Operand {
        match self {
            Operand::Column(_) => Operand::Column(cells),
            Operand::Constant(_) => Operand::Constant(cells),
        }
    }

    fn is_constant(&self) -> bool {
        matches!(self, Operand::Constant(_))
    }

    fn is_nil(&self) -> bool {
        self.is_constant() && self.cells().is_null(0)
    }

    fn datum(&self) -> Box<dyn Datum> {
        match self {
            Operand::Column(column) => Box::new(column.keys()),
            Operand::Constant(column) => Box::new(Scalar::new(column.keys())),
        }
    }

    /// The cell that meets a row of the other side.
    fn at(&self, row: usize) -> usize {
        if self.is_constant() { 0 } else { row }
    }

    fn text<'a>(&self, cells: &'a StringArray, row: usize) -> Option<&'a str> {
        let row = self.at(row);
        (!cells.is_null(row)).then(|| cells.value(row))
    }
}

/// Rows of a result; fails if both sides are columns of different lengths.
fn rows(left: &Operand, right: &Operand) -> Done<usize> {
    match (left, right) {
        (Operand::Column(a), Operand::Column(b)) if a.len() != b.len() => Err(refused(format!(
            "columns of {} and {} cells do not go together",
            a.len(),
            b.len()
        ))),
        (Operand::Column(column), _) | (_, Operand::Column(column)) => Ok(column.len()),
        _ => Ok(1),
    }
}

/// Both sides in one kind, where there is one for them.
fn alike(left: &Operand, right: &Operand) -> (Operand, Operand) {
    let (a, b) = left.cells().alike(right.cells());
    (left.with(a), right.with(b))
}

/// Bytes of what an operator makes, at most.
pub(super) fn result_bytes(left: &Operand, right: &Operand) -> usize {
    left.cells().bytes() + right.cells().bytes()
}

/// What an operation makes of two numbers in each row; null where one is null.
///
/// Longs stay longs, so `7 / 2` is 3; a long and a double make a double. Strings are joined by `+`,
/// instants are moved by milliseconds, and the difference of two instants is in milliseconds.
pub(super) fn calculated(operation: Operation, left: &Operand, right: &Operand) -> Done<Column> {
    use Operation::{Add, Subtract};
    let rows = rows(left, right)?;
    let (left, right) = alike(left, right);
    match (left.cells(), operation, right.cells()) {
        (Column::Long(_), _, Column::Long(_)) | (Column::Double(_), _, Column::Double(_)) => {
            let array = kernel(operation)(&*left.datum(), &*right.datum()).map_err(failed)?;
            Ok(Column::of_array(left.cells().kind(), &array))
        }
        (Column::Str(a), Add, Column::Str(b)) => joined(rows, |row| {
            let (a, b) = (left.text(a, row)?, right.text(b, row)?);
            Some([a, b].concat())
        }),
        (Column::Instant(_), Subtract, Column::Instant(_)) => {
            calculated(Subtract, &as_ms(&left), &as_ms(&right))
        }
        (Column::Instant(_), Add | Subtract, Column::Long(_)) => {
            moved(calculated(operation, &as_ms(&left), &right)?)
        }
        (Column::Long(_), Add, Column::Instant(_)) => {
            moved(calculated(operation, &left, &as_ms(&right))?)
        }
        (a, _, b) if a.is_blank() && b.is_blank() => Ok(Column::nulls(Kind::Any, rows)),
        (a, _, b) => Err(unlike(operation.verb(), a, b)),
    }
}

impl Operation {
    fn verb(self) -> &'static str {
        match self {
            Operation::Add => "add",
            Operation::Subtract => "subtract",
            Operation::Multiply => "multiply",
            Operation::Divide | Operation::Remainder => "divide",
        }
    }
}

fn kernel(operation: Operation) -> fn(&dyn Datum, &dyn Datum) -> Result<ArrayRef, ArrowError> {
    match operation {
        Operation::Add => numeric::add,
        Operation::Subtract => numeric::sub,
        Operation::Multiply => numeric::mul,
        Operation::Divide => numeric::div,
        Operation::Remainder => numeric::rem,
    }
}

fn unlike(verb: &str, a: &Column, b: &Column) -> Box<rhai::EvalAltResult> {
    let (a, b) = (a.kind(), b.kind());
    let hint = match (a, b) {
        (Kind::Keyword, Kind::Str) | (Kind::Str, Kind::Keyword) => {
            ": kw(\"name\") makes a keyword, cast(\"string\") makes strings"
        }
        (Kind::Any, _) | (_, Kind::Any) => {
            ": a column of kind any has values of several kinds, cast(\"double\") makes numbers of it"
        }
        _ => "",
    };
    refused(format!("cannot {verb} {a} and {b}{hint}"))
}

fn as_ms(operand: &Operand) -> Operand {
    let Column::Instant(cells) = operand.cells() else {
        return operand.clone();
    };
    let (_, ms, nulls) = cells.clone().into_parts();
    operand.with(Column::Long(Int64Array::new(ms, nulls)))
}

fn moved(ms: Column) -> Done<Column> {
    match ms {
        Column::Long(ms) => Ok(Column::instants(ms)),
        other => Ok(other),
    }
}

/// A column of strings, made row by row.
pub(super) fn joined(rows: usize, text: impl Fn(usize) -> Option<String>) -> Done<Column> {
    let made: Vec<Option<String>> = (0..rows).map(text).collect();
    texts(rows, made.iter().map(Option::as_deref))
        .map(Column::Str)
        .ok_or_else(|| refused("the texts of a column are too long"))
}

/// A mask: how two values compare in each row; null where one is null.
///
/// `== ()` and `!= ()` ask whether a cell is null. Instants compare with ISO dates in strings.
pub(super) fn compared(comparison: Comparison, left: &Operand, right: &Operand) -> Done<Column> {
    let rows = rows(left, right)?;
    let is_equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if is_equality && (left.is_nil() || right.is_nil()) {
        let cells = if left.is_nil() { right } else { left };
        return Ok(Column::Bool(nulls(
            cells.cells(),
            comparison == Comparison::Equal,
        )));
    }
    let (left, right) = alike(&dated(left, right)?, &dated(right, left)?);
    let (a, b) = (left.cells(), right.cells());
    match (a, b) {
        (Column::Any(_), _) | (_, Column::Any(_)) => {
            let cell = |row| {
                let (a, b) = (a.value(left.at(row)), b.value(right.at(row)));
                (!a.is_nil() && !b.is_nil()).then(|| holds(comparison, &a, &b))
            };
            Ok(Column::Bool((0..rows).map(cell).collect()))
        }
        (a, b) if a.kind() == b.kind() => {
            let mask = comparing(comparison)(&*left.datum(), &*right.datum()).map_err(failed)?;
            Ok(Column::Bool(mask))
        }
        (a, b) => Err(unlike("compare", a, b)),
    }
}

/// An operand as instants, if it is text and the other side is instants.
fn dated(operand: &Operand, other: &Operand) -> Done<Operand> {
    match (operand, other.cells()) {
        (Operand::Constant(Column::Str(text)), Column::Instant(_)) => {
            let text = text.value(0);
            let ms = edn::parse_instant(text)
                .map_err(|_| refused(format!("{text} is no date such as 2026-01-31")))?;
            Ok(Operand::Constant(Column::instants(vec![ms].into())))
        }
        _ => Ok(operand.clone()),
    }
}

/// Which cells are null, or which are not.
pub(super) fn nulls(column: &Column, is_null: bool) -> BooleanArray {
    let cells = (0..column.len()).map(|row| Some(column.is_null(row) == is_null));
    cells.collect()
}

fn holds(comparison: Comparison, a: &Value, b: &Value) -> bool {
    match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => compare(a, b).is_lt(),
        Comparison::LessOrEqual => compare(a, b).is_le(),
        Comparison::Greater => compare(a, b).is_gt(),
        Comparison::GreaterOrEqual => compare(a, b).is_ge(),
    }
}

fn comparing(
    comparison: Comparison,
) -> fn(&dyn Datum, &dyn Datum) -> Result<BooleanArray, ArrowError> {
    match comparison {
        Comparison::Equal => cmp::eq,
        Comparison::NotEqual => cmp::neq,
        Comparison::Less => cmp::lt,
        Comparison::LessOrEqual => cmp::lt_eq,
        Comparison::Greater => cmp::gt,
        Comparison::GreaterOrEqual => cmp::gt_eq,
    }
}

/// Where both masks are true; unknown where that depends on a null.
pub(super) fn both(a: &Column, b: &Column) -> Done<Column> {
    let both = boolean::and_kleene(&mask(a)?, &mask(b)?).map_err(failed)?;
    Ok(Column::Bool(both))
}

/// Where one of two masks is true; unknown where that depends on a null.
pub(super) fn either(a: &Column, b: &Column) -> Done<Column> {
    let either = boolean::or_kleene(&mask(a)?, &mask(b)?).map_err(failed)?;
    Ok(Column::Bool(either))
}

/// Where a mask is false; null where it is null.
pub(super) fn inverse(a: &Column) -> Done<Column> {
    Ok(Column::Bool(boolean::not(&mask(a)?).map_err(failed)?))
}

/// The cells of a mask; fails for other columns.
pub(super) fn mask(column: &Column) -> Done<BooleanArray> {
    match column {
        Column::Bool(mask) => Ok(mask.clone()),
        blank if blank.is_blank() => Ok(BooleanArray::new_null(blank.len())),
        other => Err(refused(format!(
            "a mask is of bools, this column is of kind {}",
            other.kind()
        ))),
    }
}
